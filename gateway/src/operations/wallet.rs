//! What clients ask of `/sapi` before they trade: coins, fees, and that there is no margin.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use serde_json::{Value, json};
use wire::Amount;

use super::{Call, account, networks};
use crate::accounts::Balance;
use crate::errors;
use crate::gateway::Answer;
use crate::order_entry::parse;

/// `GET capital/config/getall`: every asset with the caller's balance, and the networks that take deposits of it.
pub(super) fn coins(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        call.params.finish()?;
        call.gateway.account_up_to_date(caller.account).await?;
        let reference = call.gateway.exchange.reference();
        let accounts = call.gateway.exchange.accounts();
        let account = accounts.get(caller.account).ok_or(errors::NOT_PERMITTED)?;
        let coins: Vec<Value> = account::balances(account, &reference)
            .map(|(asset, balance)| {
                let networks = networks::list(&accounts, asset);
                let withdrawing = accounts.withdrawals().pending(account.id, asset.id);
                json!({
                    "coin": asset.symbol.as_str(),
                    "depositAllEnable": networks.iter().any(|network| network["depositEnable"] == true),
                    "free": asset.show(balance.free.units()),
                    "freeze": "0",
                    "ipoable": "0",
                    "ipoing": "0",
                    "isLegalMoney": false,
                    "locked": asset.show(locked(balance, withdrawing)),
                    "name": asset.symbol.as_str(),
                    "storage": "0",
                    "trading": true,
                    "withdrawAllEnable": networks.iter().any(|network| network["withdrawEnable"] == true),
                    "withdrawing": asset.show(withdrawing.units()),
                    "networkList": networks,
                })
            })
            .collect();
        Ok(Value::Array(coins).to_string())
    }
    .boxed()
}

/// What is held for orders, apart from what is on its way out.
fn locked(balance: Balance, withdrawing: Amount) -> i64 {
    balance.held.units().saturating_sub(withdrawing.units()).max(0)
}

/// `GET asset/tradeFee`.
pub(super) fn trade_fees(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        let mut params = call.params;
        let wanted = parse::market_or_all(&call.gateway, &mut params)?;
        params.finish()?;
        call.gateway.up_to_date().await?;
        let reference = call.gateway.exchange.reference();
        let accounts = call.gateway.exchange.accounts();
        let account = accounts.get(caller.account).ok_or(errors::NOT_PERMITTED)?;
        let fees: Vec<Value> = reference
            .markets()
            .iter()
            .filter(|market| wanted.as_ref().is_none_or(|wanted| wanted.id == market.id))
            .filter_map(|market| {
                let (maker, taker) = accounts.fees().rates(account.id, Some(market.id))?;
                Some(json!({
                    "symbol": market.symbol.as_str(),
                    "makerCommission": account::show_signed(maker),
                    "takerCommission": account::show(taker),
                }))
            })
            .collect();
        Ok(Value::Array(fees).to_string())
    }
    .boxed()
}

/// `POST asset/getUserAsset`: the assets the caller has some of.
pub(super) fn user_assets(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        let mut params = call.params;
        let wanted = params.take("asset")?;
        params.take("needBtcValuation")?;
        params.finish()?;
        call.gateway.account_up_to_date(caller.account).await?;
        let reference = call.gateway.exchange.reference();
        let accounts = call.gateway.exchange.accounts();
        let account = accounts.get(caller.account).ok_or(errors::NOT_PERMITTED)?;
        let assets: Vec<Value> = account::balances(account, &reference)
            .filter(|(_, balance)| *balance != Default::default())
            .filter(|(asset, _)| wanted.as_deref().is_none_or(|wanted| wanted == asset.symbol.as_str()))
            .map(|(asset, balance)| {
                let withdrawing = accounts.withdrawals().pending(account.id, asset.id);
                json!({
                    "asset": asset.symbol.as_str(),
                    "free": asset.show(balance.free.units()),
                    "locked": asset.show(locked(balance, withdrawing)),
                    "freeze": "0",
                    "withdrawing": asset.show(withdrawing.units()),
                    "ipoable": "0",
                    "btcValuation": "0",
                })
            })
            .collect();
        Ok(Value::Array(assets).to_string())
    }
    .boxed()
}

/// `GET margin/allPairs` and its isolated twin: there is no margin trading. Clients send keys and signatures
/// along, which change nothing.
pub(super) fn no_pairs(_: Call) -> BoxFuture<'static, Answer> {
    ready(Ok("[]".into())).boxed()
}

/// `GET system/status`.
pub(super) fn system_status(call: Call) -> BoxFuture<'static, Answer> {
    ready(call.params.finish().map(|()| json!({ "status": 0, "msg": "normal" }).to_string())).boxed()
}
