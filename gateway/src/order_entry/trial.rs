//! `order/test`: everything that would refuse an order and that a gateway can know, in the order in which an order
//! that is placed would be told.
//!
//! Not looked at, because only the ledger and the market know it or Binance's test does not ask: what is free, whether the
//! name was sealed or belonged to an order that an amend has renamed, and all that needs the book (whether it would trade,
//! trigger or find nobody, and the price of a peg).

use wire::{
    Amount, MarketId, MarketStatus, NAME_RETENTION_NS, OrderKind, Qty, RejectReason, Side, Terms, TimeInForce,
    Timestamp,
};

use super::filters;
use super::parse::Placement;
use crate::accounts::{Account, Accounts};
use crate::auth::Caller;
use crate::errors::{self, ApiError};
use crate::gateway::Gateway;

/// Whether the order would be taken, as far as is known here.
pub fn check(gateway: &Gateway, caller: &Caller, placement: &Placement) -> Result<(), ApiError> {
    filters::check(placement)?;
    let accounts = gateway.exchange.accounts();
    let account = accounts.get(caller.account).ok_or(errors::NOT_PERMITTED)?;
    let told =
        gateway.exchange.market_data().market_by_id(placement.market.id).and_then(|market| market.phase().changed);
    let status = told.map_or(placement.market.status, |told| told.status);
    // The next command's time, by the log and by this gateway's clock.
    let now = gateway.exchange.log_time().max(Timestamp::from_nanos(gateway.now_us().saturating_mul(1_000)));
    let trial = Trial { accounts: &accounts, account, placement, now };
    let reference = gateway.exchange.reference();
    if reference.markets().iter().any(|market| trial.is_name_taken(market.id)) {
        return Err(RejectReason::DuplicateClientOrderId.into());
    }
    admits(status, placement)
        .and_then(|()| trial.switches(caller))
        .map_err(|reason| filters::explain(&placement.market, &placement.order, reason))?;
    if let Some(left_ms) = accounts.conduct().rate_left_ms(caller.account, now) {
        let reason = RejectReason::OrderRateExceeded;
        return Err(ApiError::from(reason).told_with(reason, left_ms));
    }
    let refused = trial
        .conduct(caller)
        .and_then(|()| trial.open_orders())
        .and_then(|()| trial.bounds())
        .and_then(|()| price(gateway, placement));
    refused.map_err(|reason| filters::explain(&placement.market, &placement.order, reason))
}

/// PERCENT_PRICE and PERCENT_PRICE_BY_SIDE, by the last trade that is known here.
pub fn check_price(gateway: &Gateway, placement: &Placement) -> Result<(), ApiError> {
    price(gateway, placement).map_err(|reason| filters::explain(&placement.market, &placement.order, reason))
}

fn price(gateway: &Gateway, placement: &Placement) -> Result<(), RejectReason> {
    let Placement { market, order, terms: Terms { peg, .. }, .. } = placement;
    let has_limit = !order.kind.is_market() && (peg.is_none() || peg.has_price);
    match gateway.exchange.market_data().last_price(market.id) {
        Some(last) if has_limit => market.protection.check(order.side, order.price, last),
        _ => Ok(()),
    }
}

/// What a market in this phase takes.
fn admits(status: MarketStatus, placement: &Placement) -> Result<(), RejectReason> {
    let (order, terms) = (&placement.order, &placement.terms);
    let waits = !matches!(order.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
    let (has_qty_min, is_pegged) = (!terms.qty_min.is_zero(), !terms.peg.is_none());
    match status {
        MarketStatus::Trading => Ok(()),
        MarketStatus::PostOnly if has_qty_min => Err(RejectReason::PostOnlyPhase),
        MarketStatus::PostOnly if waits && matches!(order.kind, OrderKind::Limit | OrderKind::LimitMaker) => Ok(()),
        MarketStatus::PostOnly => Err(RejectReason::PostOnlyPhase),
        MarketStatus::PreOpen | MarketStatus::Auction
            if waits && order.kind == OrderKind::Limit && !has_qty_min && !is_pegged =>
        {
            Ok(())
        }
        MarketStatus::PreOpen | MarketStatus::Auction => Err(RejectReason::NotInAuction),
        MarketStatus::CancelOnly | MarketStatus::Halted | MarketStatus::Closed => Err(RejectReason::MarketClosed),
        MarketStatus::Delisted => Err(RejectReason::MarketDelisted),
    }
}

struct Trial<'a> {
    accounts: &'a Accounts,
    account: &'a Account,
    placement: &'a Placement,
    now: Timestamp,
}

impl Trial<'_> {
    /// Whether an order in this market has the name, or had it when it ended less than a minute ago.
    fn is_name_taken(&self, market: MarketId) -> bool {
        let named = self.account.orders.named(market, &self.placement.order.client_order_id);
        named.is_some_and(|named| {
            let is_kept = named.updated.plus_nanos(NAME_RETENTION_NS) > self.now;
            named.status.is_open() || (named.refused().is_none() && is_kept)
        })
    }

    fn may_rest(&self) -> bool {
        let order = &self.placement.order;
        order.time_in_force.may_rest() || order.kind.is_stop()
    }

    /// Kill switches, and the client session.
    fn switches(&self, caller: &Caller) -> Result<(), RejectReason> {
        let conduct = self.accounts.conduct();
        if conduct.is_killed(caller.account) {
            return Err(RejectReason::AccountKilled);
        }
        if conduct.is_key_killed(caller) {
            return Err(RejectReason::ApiKeyKilled);
        }
        let is_live = conduct.is_live(caller.account, self.placement.order.session);
        if is_live { Ok(()) } else { Err(RejectReason::UnknownLease) }
    }

    fn conduct(&self, caller: &Caller) -> Result<(), RejectReason> {
        let bounds = self.accounts.conduct().of_account(caller.account);
        let is_full = |max: u32, open: usize| max > 0 && open >= max as usize;
        if self.may_rest() && is_full(bounds.open_orders_max, self.account.orders.open_len()) {
            return Err(RejectReason::AccountOpenOrders);
        }
        if self.placement.order.kind.is_stop() && is_full(bounds.stop_orders_max, self.stops(None)) {
            return Err(RejectReason::AccountStopOrders);
        }
        if self.is_iceberg() && is_full(bounds.iceberg_orders_max, self.icebergs(None)) {
            return Err(RejectReason::AccountIcebergOrders);
        }
        Ok(())
    }

    fn is_iceberg(&self) -> bool {
        !self.placement.terms.visible_qty.is_zero()
    }

    /// Open stop orders, triggered ones among them.
    fn stops(&self, market: Option<MarketId>) -> usize {
        self.account.orders.open(market).filter(|open| open.kind.is_stop()).count()
    }

    fn icebergs(&self, market: Option<MarketId>) -> usize {
        self.account.orders.open(market).filter(|open| !open.terms().visible_qty.is_zero()).count()
    }

    /// MAX_NUM_ORDERS, MAX_NUM_ALGO_ORDERS and MAX_NUM_ICEBERG_ORDERS.
    fn open_orders(&self) -> Result<(), RejectReason> {
        let (market, order) = (&self.placement.market, &self.placement.order);
        let open = self.account.orders.open(Some(market.id)).count();
        if self.may_rest() && open >= market.rules.open_orders_max as usize {
            return Err(RejectReason::TooManyOpenOrders);
        }
        let special = &market.rules.special;
        if order.kind.is_stop() && self.stops(Some(market.id)) >= special.stop_orders_max as usize {
            return Err(RejectReason::TooManyStopOrders);
        }
        let icebergs_max = special.iceberg_orders_max as usize;
        if self.is_iceberg() && icebergs_max > 0 && self.icebergs(Some(market.id)) >= icebergs_max {
            return Err(RejectReason::TooManyIcebergOrders);
        }
        Ok(())
    }

    /// The account's own limits, MAX_ASSET, and MAX_POSITION.
    fn bounds(&self) -> Result<(), RejectReason> {
        let (market, order) = (&self.placement.market, &self.placement.order);
        let bounds = self.accounts.conduct().of_orders(order.account, market.id);
        if !bounds.qty_max.is_zero() && order.qty > bounds.qty_max {
            return Err(RejectReason::AccountQtyTooLarge);
        }
        if !bounds.notional_max.is_zero() && self.notional() > bounds.notional_max.wide() {
            return Err(RejectReason::AccountNotionalTooLarge);
        }
        let asset_max = |asset| self.accounts.conduct().asset_max(order.account, asset).wide();
        let (base_max, quote_max) = (asset_max(market.base.id), asset_max(market.quote.id));
        if (base_max > 0 && self.base() > base_max) || (quote_max > 0 && self.notional() > quote_max) {
            return Err(RejectReason::AssetQtyTooLarge);
        }
        let is_bounded = !bounds.position_max.is_zero() && order.side == Side::Buy;
        if is_bounded && self.position() > bounds.position_max.wide() {
            return Err(RejectReason::PositionTooLarge);
        }
        Ok(())
    }

    fn notional(&self) -> i128 {
        filters::notional(&self.placement.market, &self.placement.order)
    }

    /// The order's quantity in ledger units of the base asset; of an order by quote quantity what that is at the price that its
    /// protection price was made from.
    fn base(&self) -> i128 {
        let (market, order) = (&self.placement.market, &self.placement.order);
        let scale = &market.scale;
        let units = if order.qty.is_zero() {
            let cost = (i128::from(order.price.units()) * 1_000_000).checked_mul(scale.quote_factor.into());
            cost.map_or(0, |cost| order.quote_qty.wide() * filters::protected_ppm(market, order.side) / cost)
        } else {
            order.qty.units().into()
        };
        units.saturating_mul(scale.base_factor.into())
    }

    /// What the account would have if this buy and all others here were filled. What open stop orders buy as market orders
    /// is not known here: it is at least this much.
    fn position(&self) -> i128 {
        let market = &self.placement.market;
        let balance = |asset| self.account.balances.get(&asset).copied().unwrap_or_default();
        let (owned, free) = (balance(market.base.id), balance(market.quote.id).free);
        let open = self.account.orders.open(Some(market.id)).filter(|open| open.side == Side::Buy);
        let open = open.filter(|open| !open.kind.is_market()).map(|open| {
            let lost = open.prevented().map_or(0, |prevented| prevented.qty.units());
            open.qty.units() - open.executed.units() - lost
        });
        let units = open.map(i128::from).sum::<i128>() + i128::from(self.bought(free).units());
        owned.free.wide() + owned.held.wide() + units * i128::from(market.scale.base_factor)
    }

    /// What this buy brings at most; a market order no more than is paid for.
    fn bought(&self, free: Amount) -> Qty {
        const ONE: Option<Qty> = Qty::new(1);
        let (market, order) = (&self.placement.market, &self.placement.order);
        if !order.kind.is_market() {
            return order.qty;
        }
        let factor = market.scale.quote_factor;
        let (budget, qty) = match order.qty.is_zero() {
            true => (order.quote_qty, Qty::MAX),
            false => (order.price.notional(order.qty, factor).unwrap_or(Amount::MAX).min(free), order.qty),
        };
        ONE.map_or(qty, |one| order.price.affordable(budget, one, factor).min(qty))
    }
}
