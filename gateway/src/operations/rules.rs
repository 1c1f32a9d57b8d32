//! What else clients ask about a market's rules, most of it that there is none of it: execution rules, reference
//! prices, block trades, allocations.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use serde_json::{Value, json};
use wire::decimal;

use super::{Call, general, market};
use crate::errors::{self, ApiError};
use crate::gateway::{Answer, Gateway};
use crate::market_data::Phase;
use crate::names;
use crate::order_entry::parse;
use crate::reference::Market;

/// `GET executionRules`: no market has a price range rule.
pub(super) fn execution_rules(call: Call) -> BoxFuture<'static, Answer> {
    let mut params = call.params;
    let mut rules = || {
        let wanted = general::symbols(&call.gateway, &mut params)?;
        let status = general::status_filter(&mut params)?;
        std::mem::take(&mut params).finish()?;
        let reference = call.gateway.exchange.reference();
        let markets = wanted.as_deref().unwrap_or(reference.markets());
        let rules: Vec<Value> = markets
            .iter()
            .filter(|market| status.as_deref().is_none_or(|status| status == general::status_of(&call.gateway, market)))
            .map(|market| json!({ "symbol": market.symbol.as_str(), "rules": [] }))
            .collect();
        Ok(json!({ "symbolRules": rules }).to_string())
    };
    ready(rules()).boxed()
}

/// `GET marketStatus`: in which phases markets are, what their auctions would come to, and what protects their prices.
pub(super) fn market_status(call: Call) -> BoxFuture<'static, Answer> {
    let mut params = call.params;
    let mut shown = || {
        let wanted = general::symbols(&call.gateway, &mut params)?;
        std::mem::take(&mut params).finish()?;
        let reference = call.gateway.exchange.reference();
        let markets = wanted.as_deref().unwrap_or(reference.markets());
        let shown: Vec<Value> = markets.iter().map(|market| status(&call.gateway, market)).collect();
        Ok(Value::Array(shown).to_string())
    };
    ready(shown()).boxed()
}

fn status(gateway: &Gateway, market: &Market) -> Value {
    let Phase { changed, indicated } = general::phase_of(gateway, market);
    let status = changed.map_or(market.status, |changed| changed.status);
    let share = |ppm: u32| (ppm != 0).then(|| decimal::format(ppm.into(), 6, 6));
    let bands = market.protection;
    json!({
        "symbol": market.symbol.as_str(),
        "status": names::market_status(status),
        "phase": names::phase(status),
        "cause": changed.map(|changed| names::phase_cause(changed.cause)),
        "number": changed.map_or(0, |changed| changed.number),
        "until": changed.map_or(0, |changed| changed.until.millis()),
        "auction": indicated.map(|indicated| json!({
            "price": indicated.price.map(|price| market.show_price(price.units())),
            "quantity": market.show_qty(indicated.qty.units()),
            "surplus": market.show_qty(indicated.surplus),
        })),
        "bands": bands.has_band().then(|| json!({
            "static": share(bands.static_band_ppm),
            "dynamic": share(bands.dynamic_band_ppm),
            "auctionMs": bands.volatility_auction_ns / 1_000_000,
        })),
    })
}

/// `GET myFilters`: the filters of a market and of its assets, with what is the account's own of them.
pub(super) fn my_filters(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        let mut params = call.params;
        let market = parse::market(&call.gateway, &mut params)?;
        params.finish()?;
        call.gateway.up_to_date().await?;
        let accounts = call.gateway.exchange.accounts();
        let conduct = accounts.conduct();
        let filters = general::filters(&market, conduct.of_orders(caller.account, market.id).position_max);
        let exchange = general::exchange_filters(&conduct.of_account(caller.account));
        let assets = [&market.base, &market.quote].map(|asset| (asset, conduct.asset_max(caller.account, asset.id)));
        let limited = assets.into_iter().filter(|(_, max)| !max.is_zero());
        let limited: Vec<Value> = limited
            .map(|(asset, max)| {
                let (name, limit) = (asset.symbol.as_str(), asset.show(max.units()));
                json!({ "filterType": "MAX_ASSET", "asset": name, "limit": limit })
            })
            .collect();
        Ok(json!({ "exchangeFilters": exchange, "symbolFilters": filters, "assetFilters": limited }).to_string())
    }
    .boxed()
}

/// `GET referencePrice`, `GET referencePrice/calculation`.
pub(super) fn reference_price(call: Call) -> BoxFuture<'static, Answer> {
    let mut params = call.params;
    let mut none = || {
        parse::market(&call.gateway, &mut params)?;
        general::status_filter(&mut params)?;
        std::mem::take(&mut params).finish()?;
        Err(errors::NO_REFERENCE_PRICE)
    };
    ready(none()).boxed()
}

/// `GET historicalBlockTrades`: there are none, from whichever on.
pub(super) fn block_trades(call: Call) -> BoxFuture<'static, Answer> {
    if call.params.get("fromId").is_none() {
        return ready(Err(ApiError::mandatory("fromId"))).boxed();
    }
    none_of_market(call)
}

/// `GET myAllocations`: there are none.
pub(super) fn none_of_market(call: Call) -> BoxFuture<'static, Answer> {
    let mut params = call.params;
    let mut none = || -> Result<String, ApiError> {
        parse::market(&call.gateway, &mut params)?;
        for name in ["fromId", "fromAllocationId", "orderId"] {
            params.integer(name)?;
        }
        market::times(&mut params)?;
        params.limit(500, 1_000)?;
        std::mem::take(&mut params).finish()?;
        Ok("[]".into())
    };
    ready(none()).boxed()
}
