//! Pegged orders: what a client says of them, and what is held for one that names no price.
//!
//! The market gives the order its limit, from its own book. Here a protection price is stamped for the hold: the level that the
//! client means, as this gateway knows the book, and `protection_ppm` beyond it. The book may have moved when the order comes in,
//! by less than that.

use wire::{AccountId, OrderKind, Peg, PegSide, Price, Qty, Side, TimeInForce};

use super::protection;
use crate::errors::{self, ApiError};
use crate::gateway::Gateway;
use crate::params::Params;
use crate::reference::Market;

/// Takes `pegPriceType`, `pegOffsetType` and `pegOffsetValue`. Whether there is a price is filled in by the caller.
pub fn take(market: &Market, kind: OrderKind, rests: TimeInForce, params: &mut Params) -> Result<Peg, ApiError> {
    let side = match params.take("pegPriceType")?.as_deref() {
        None => PegSide::None,
        Some("PRIMARY_PEG") => PegSide::Primary,
        Some("MARKET_PEG") => PegSide::Market,
        Some(_) => return Err(ApiError::new(-1210, "Invalid pegPriceType.")),
    };
    let offset_type = params.take("pegOffsetType")?;
    let offset = params.integer("pegOffsetValue")?;
    if offset_type.as_deref().is_some_and(|name| name != "PRICE_LEVEL") {
        return Err(ApiError::new(-1211, "Invalid pegOffsetType."));
    }
    if offset_type.is_some() != offset.is_some() || (side == PegSide::None && offset.is_some()) {
        return Err(errors::BAD_COMBINATION);
    }
    let levels = u8::try_from(offset.unwrap_or(0)).ok().filter(|levels| *levels <= Peg::LEVELS_MAX);
    let levels = levels.ok_or_else(|| ApiError::invalid_data("pegOffsetValue"))?;
    if side == PegSide::None {
        return Ok(Peg::NONE);
    }
    if !market.rules.special.takes_pegged {
        return Err(errors::PEGS_UNSUPPORTED);
    }
    if kind.is_market() {
        return Err(errors::NO_PEG_FOR_TYPE);
    }
    let fits = match side {
        PegSide::Primary => kind != OrderKind::Limit || rests.may_rest(),
        _ => kind != OrderKind::LimitMaker,
    };
    if fits { Ok(Peg { side, levels, has_price: false }) } else { Err(errors::WRONG_PEG_FOR_TYPE) }
}

/// What is held for at most, or sold for at least, of an order that is pegged and names no price.
pub fn protection_price(
    gateway: &Gateway,
    market: &Market,
    account: AccountId,
    (side, qty): (Side, Qty),
    peg: Peg,
) -> Price {
    let data = gateway.exchange.market_data();
    let depth = data.market_by_id(market.id).map(|known| known.depth(usize::from(peg.levels) + 1));
    let is_bid = (side == Side::Buy) == (peg.side == PegSide::Primary);
    let level = depth.and_then(|depth| {
        let levels = if is_bid { depth.bids } else { depth.asks };
        levels.get(usize::from(peg.levels)).map(|(price, _)| *price)
    });
    if let Some(from) = level.or_else(|| data.last_price(market.id)) {
        return protection::beyond(market, side, from);
    }
    // Nothing to measure from: whatever the account can pay, and the market says whether it has such a level.
    let accounts = gateway.exchange.accounts();
    let free = accounts.get(account).and_then(|account| account.balances.get(&market.quote.id)).map(|held| held.free);
    let paid = i128::from(free.map_or(0, |free| free.units()));
    let each = i128::from(qty.units()).max(1) * i128::from(market.scale.quote_factor);
    let most = i64::try_from(paid / each).ok().and_then(Price::new).unwrap_or(Price::MIN);
    if side == Side::Buy { most.min(market.rules.price_max) } else { market.rules.price_min }
}
