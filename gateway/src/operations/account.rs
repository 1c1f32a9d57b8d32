//! Orders in, and what an account is: balances, fees, limits.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use wire::command::Permissions;
use wire::{FeeRate, MarketId, SignedFeeRate, decimal};

use super::{Call, general};
use crate::accounts::{Account, Balance, Rates};
use crate::auth::Caller;
use crate::errors;
use crate::gateway::{Answer, Gateway};
use crate::order_entry::{self, parse};
use crate::reference::Reference;

/// `POST order`.
pub(super) fn place(call: Call) -> BoxFuture<'static, Answer> {
    async move { order_entry::place(&call.gateway, call.caller()?, call.params).await }.boxed()
}

/// `POST order/test`.
pub(super) fn test(call: Call) -> BoxFuture<'static, Answer> {
    async move { order_entry::test(&call.gateway, call.caller()?, call.params) }.boxed()
}

/// `POST order/cancelReplace`.
pub(super) fn replace(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        order_entry::replace::replace(&call.gateway, caller, call.params, call.over_limit).await
    }
    .boxed()
}

/// `DELETE order`.
pub(super) fn cancel(call: Call) -> BoxFuture<'static, Answer> {
    async move { order_entry::cancel(&call.gateway, call.caller()?, call.params).await }.boxed()
}

/// `DELETE openOrders`.
pub(super) fn cancel_all(call: Call) -> BoxFuture<'static, Answer> {
    async move { order_entry::cancel_all(&call.gateway, call.caller()?, call.params).await }.boxed()
}

/// `POST countdownCancelAll`: cancels the caller's orders in a market after so many milliseconds, unless it is asked for
/// again; 0 disarms.
pub(super) fn countdown(call: Call) -> BoxFuture<'static, Answer> {
    async move { order_entry::countdown(&call.gateway, call.caller()?, call.params).await }.boxed()
}

/// `GET account`.
pub(super) fn status(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        let mut params = call.params;
        let omits_zeros = params.flag("omitZeroBalances")?;
        params.finish()?;
        call.gateway.account_up_to_date(caller.account).await?;
        let reference = call.gateway.exchange.reference();
        let accounts = call.gateway.exchange.accounts();
        let account = accounts.get(caller.account).ok_or(errors::NOT_PERMITTED)?;
        let charged = accounts.fees().rates(caller.account, None).ok_or(errors::NOT_PERMITTED)?;
        let is_killed = accounts.conduct().is_killed(caller.account) || accounts.conduct().is_key_killed(&caller);
        let can_trade = caller.permissions.allow(Permissions::TRADE) && !is_killed;
        Ok(describe(account, charged, (caller, can_trade), &reference, omits_zeros).to_string())
    }
    .boxed()
}

fn describe(
    account: &Account,
    charged: Rates,
    (caller, can_trade): (Caller, bool),
    reference: &Reference,
    omits_zeros: bool,
) -> Value {
    let balances: Vec<Value> = balances(account, reference)
        .filter(|(_, balance)| !omits_zeros || *balance != Balance::default())
        .map(|(asset, balance)| {
            json!({
                "asset": asset.symbol.as_str(),
                "free": asset.show(balance.free.units()),
                "locked": asset.show(balance.held.units()),
            })
        })
        .collect();
    json!({
        "makerCommission": charged.0.parts_per_million() / 100,
        "takerCommission": charged.1.parts_per_million() / 100,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": rates(charged),
        "canTrade": can_trade,
        "canWithdraw": caller.is_bound && caller.permissions.allow(Permissions::WITHDRAW),
        "canDeposit": true,
        "brokered": false,
        "requireSelfTradePrevention": false,
        "preventSor": false,
        "updateTime": account.updated.millis(),
        "accountType": "SPOT",
        "balances": balances,
        "permissions": ["SPOT"],
        "uid": account.id.get(),
    })
}

/// What the account has of every asset there is.
pub(super) fn balances<'a>(
    account: &'a Account,
    reference: &'a Reference,
) -> impl Iterator<Item = (&'a crate::reference::Asset, Balance)> {
    reference.assets().iter().map(|asset| (asset, account.balances.get(&asset.id).copied().unwrap_or_default()))
}

/// `GET account/commission`.
pub(super) fn commission(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        let mut params = call.params;
        let market = parse::market(&call.gateway, &mut params)?;
        params.finish()?;
        call.gateway.up_to_date().await?;
        let accounts = call.gateway.exchange.accounts();
        let charged = accounts.fees().rates(caller.account, Some(market.id)).ok_or(errors::NOT_PERMITTED)?;
        let mut commission = commissions(charged, "standardCommission", "specialCommission", "taxCommission");
        commission["symbol"] = market.symbol.as_str().into();
        Ok(commission.to_string())
    }
    .boxed()
}

/// What `order/test` tells of commissions.
pub(crate) fn commission_of_test(gateway: &Arc<Gateway>, caller: Caller, market: MarketId) -> Answer {
    let accounts = gateway.exchange.accounts();
    let charged = accounts.fees().rates(caller.account, Some(market)).ok_or(errors::NOT_PERMITTED)?;
    let names = ["standardCommissionForOrder", "specialCommissionForOrder", "taxCommissionForOrder"];
    let mut commission = commissions(charged, names[0], names[1], names[2]);
    // Of an order the side is known: what buyers and sellers are charged apart is in its maker's and taker's rates.
    for rates in names {
        if let Some(rates) = commission[rates].as_object_mut() {
            rates.retain(|who, _| matches!(who.as_str(), "maker" | "taker"));
        }
    }
    Ok(commission.to_string())
}

fn commissions(charged: Rates, standard: &str, special: &str, tax: &str) -> Value {
    let none = show(FeeRate::ZERO);
    let none = json!({ "maker": none, "taker": none, "buyer": none, "seller": none });
    json!({
        standard: rates(charged),
        special: none,
        tax: none,
        "discount": {
            "enabledForAccount": false,
            "enabledForSymbol": false,
            "discountAsset": "",
            "discount": show(FeeRate::ZERO),
        },
    })
}

fn rates((maker, taker): Rates) -> Value {
    json!({
        "maker": show_signed(maker),
        "taker": show(taker),
        "buyer": show(FeeRate::ZERO),
        "seller": show(FeeRate::ZERO),
    })
}

/// A fee rate as a fraction, `0.00100000`.
pub(super) fn show(rate: FeeRate) -> String {
    decimal::format(i64::from(rate.parts_per_million()), 6, 8)
}

/// As [`show`], below zero for what is paid instead of charged.
pub(super) fn show_signed(rate: SignedFeeRate) -> String {
    decimal::format(i64::from(rate.parts_per_million()), 6, 8)
}

/// `GET rateLimit/order`.
pub(super) fn order_counts(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        call.params.finish()?;
        let counts = call.gateway.throttle.orders(caller.account, call.gateway.now_us());
        let limits = general::order_limits(&call.gateway, Some((counts.per_10s, counts.per_day)));
        Ok(serde_json::to_string(&limits).expect("texts and numbers are always JSON"))
    }
    .boxed()
}
