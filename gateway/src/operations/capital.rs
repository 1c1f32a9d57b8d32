//! Deposits from chains, as clients of `/sapi/v1/capital` ask for them.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use wire::command::{Reply, RequestAddress};
use wire::event::DepositChanged;
use wire::{AddressFormat, AssetId, ChainAddress, ChainHash, Command, DepositStage};

use super::Call;
use crate::accounts::{Accounts, Deposit};
use crate::errors::{self, ApiError};
use crate::gateway::Answer;
use crate::history::{DepositsWanted, Page};
use crate::names;
use crate::params::Params;
use crate::reference::Reference;

/// How long a new address may take: chainwatch has to make it.
const ADDRESS_WITHIN: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const HISTORY_DEFAULT: usize = 1_000;
const HISTORY_MAX: usize = 1_000;
/// The longest time that a history covers.
pub(super) const HISTORY_DAYS: u64 = 90;
const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// `GET capital/deposit/address`: the caller's address on a network, made at the first call.
pub(super) fn address(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        let mut params = call.params;
        let coin = params.required("coin")?;
        let network = params.take("network")?;
        // Of Lightning alone.
        params.take("amount")?;
        params.finish()?;
        call.gateway.up_to_date().await?;
        let gateway = &call.gateway;
        let asset = asset(&gateway.exchange.reference(), &coin)?;
        let chain = {
            let accounts = gateway.exchange.accounts();
            let mut networks = accounts.chains().networks(asset).map(|(chain, _)| chain);
            let wanted = networks.find(|chain| network.as_deref().is_none_or(|name| name == chain.symbol.as_str()));
            wanted.ok_or(errors::NO_SUCH_NETWORK)?.id
        };
        let known = || gateway.exchange.accounts().chains().address(caller.account, chain);
        if let Some(address) = known() {
            return Ok(shown(&coin, address));
        }
        let command = Command::RequestAddress(RequestAddress { account: caller.account, chain });
        let replied = gateway.sequence(&command, gateway.limits.order_timeout).await.map_err(ApiError::from)?;
        if let Reply::Rejected { .. } = replied.reply {
            return Err(errors::NO_ADDRESS);
        }
        let surroundings = &gateway.surroundings;
        let deadline = surroundings.now() + ADDRESS_WITHIN;
        while surroundings.now() < deadline {
            if let Some(address) = known() {
                return Ok(shown(&coin, address));
            }
            surroundings.sleep_until(surroundings.now() + LOOK_EVERY).await;
        }
        Err(errors::NO_ADDRESS)
    }
    .boxed()
}

fn shown(coin: &str, address: ChainAddress) -> String {
    json!({ "address": address.as_str(), "coin": coin, "tag": "", "url": "" }).to_string()
}

pub(super) fn asset(reference: &Reference, coin: &str) -> Result<AssetId, ApiError> {
    let known = reference.assets().iter().find(|asset| asset.symbol.as_str() == coin);
    known.map(|asset| asset.id).ok_or(errors::NO_SUCH_COIN)
}

/// `GET capital/deposit/hisrec`: the caller's deposits, the newest first.
pub(super) fn history(call: Call) -> BoxFuture<'static, Answer> {
    async move {
        let caller = call.caller()?;
        let mut params = call.params;
        params.flag("includeSource")?;
        let coin = params.take("coin")?;
        let status = params.integer("status")?;
        let (from_ms, to_ms) = window(&mut params, HISTORY_DAYS, call.gateway.now_us() / 1_000)?;
        let offset = params.integer("offset")?.unwrap_or(0);
        let limit = params.limit(HISTORY_DEFAULT, HISTORY_MAX)?;
        let tx = params.take("txId")?;
        params.finish()?;
        let asset = coin.map(|coin| asset(&call.gateway.exchange.reference(), &coin)).transpose()?;
        let page = Page { from: None, start_ms: Some(from_ms), end_ms: Some(to_ms), limit };
        let hash = match tx.as_deref().map(tx_hash) {
            Some(None) => return Ok("[]".into()),
            hash => hash.flatten(),
        };
        let wanted = DepositsWanted { asset, status, tx: hash, page, offset };
        let deposits = call.gateway.past_deposits(caller.account, &wanted).await?;
        let (accounts, reference) = (call.gateway.exchange.accounts(), call.gateway.exchange.reference());
        let rows = deposits.iter().filter_map(|deposit| row(&accounts, &reference, deposit));
        let rows: Vec<Value> = rows.filter(|row| tx.as_deref().is_none_or(|tx| row["txId"] == tx)).collect();
        Ok(Value::Array(rows).to_string())
    }
    .boxed()
}

/// From when to when, in milliseconds, both included; microseconds are taken too. Without `endTime` up to the present,
/// whatever clock it is read from.
pub(super) fn window(params: &mut Params, days: u64, now_ms: u64) -> Result<(u64, u64), ApiError> {
    let longest_ms = days * DAY_MS;
    match (params.time_ms("startTime")?, params.time_ms("endTime")?) {
        (None, None) => Ok((now_ms.saturating_sub(longest_ms), u64::MAX)),
        (Some(from), None) => Ok((from, from.saturating_add(longest_ms))),
        (None, Some(to)) => Ok((to.saturating_sub(longest_ms), to)),
        (Some(from), Some(to)) if to.checked_sub(from).is_some_and(|long| long <= longest_ms) => Ok((from, to)),
        _ => Err(ApiError::telling(-4047, format!("Time interval must be within 0-{days} days"))),
    }
}

fn row(accounts: &Accounts, reference: &Reference, deposit: &Deposit) -> Option<Value> {
    let changed = &deposit.changed;
    let chains = accounts.chains();
    let address = chains.address(changed.account, changed.chain)?;
    let chain = chains.chain(changed.chain)?;
    let tx = tx_text(changed.tx, &chain.addresses);
    let required = changed.required.max(1);
    let confirmations = confirmations(changed, chain.height);
    let decimals = chains.asset(changed.asset, changed.chain)?.chain_decimals;
    Some(json!({
        "id": format!("{tx}:{}", changed.output),
        "amount": amount_text(changed.amount, decimals),
        "coin": reference.asset(changed.asset)?.symbol.as_str(),
        "network": chain.symbol.as_str(),
        "status": names::deposit_status(changed.stage),
        "address": address.as_str(),
        "addressTag": "",
        "txId": tx,
        "insertTime": millis(deposit),
        "transferType": 0,
        "confirmTimes": format!("{confirmations}/{required}"),
        "unlockConfirm": required,
        "walletType": 0,
    }))
}

/// How many blocks say so under a chain of this height, and no more than are asked for.
fn confirmations(changed: &DepositChanged, height: u64) -> u32 {
    let required = changed.required.max(1);
    let told = changed.confirmations;
    let since = height.checked_sub(changed.height).map(|above| u32::try_from(above).unwrap_or(u32::MAX));
    match changed.stage {
        DepositStage::Credited => told.max(required),
        DepositStage::Confirmed => required,
        // The last one is said by the ledger, and where a block has to be final, the only one.
        DepositStage::Included => since.map_or(told, |above| above.saturating_add(1)).min(required - 1),
        DepositStage::Quarantined | DepositStage::Rejected | DepositStage::Refused => told,
        DepositStage::Seen | DepositStage::Replaced | DepositStage::Orphaned => 0,
    }
}

fn millis(deposit: &Deposit) -> u64 {
    deposit.inserted.nanos() / 1_000_000
}

/// As the chain prints it: EVM hashes with `0x`, those of Bitcoin-like chains backwards.
pub(super) fn tx_text(tx: ChainHash, addresses: &AddressFormat) -> String {
    match addresses {
        AddressFormat::Evm => format!("0x{}", hex::encode(tx.0)),
        AddressFormat::Bitcoin { .. } => hex::encode(tx.0.iter().rev().copied().collect::<Vec<u8>>()),
    }
}

/// The hash that a chain of ours might print so.
fn tx_hash(text: &str) -> Option<ChainHash> {
    let (digits, is_evm) = text.strip_prefix("0x").map_or((text, false), |digits| (digits, true));
    let mut hash: [u8; 32] = hex::decode(digits).ok()?.try_into().ok()?;
    if !is_evm {
        hash.reverse();
    }
    Some(ChainHash(hash))
}

/// Exact, without zeros at the end.
pub(super) fn amount_text(units: u128, decimals: u8) -> String {
    let decimals = usize::from(decimals);
    let digits = format!("{units:0>width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_whatever_their_decimals() {
        for (units, decimals, text) in [
            (150_000_000, 8, "1.5"),
            (1, 8, "0.00000001"),
            (0, 8, "0"),
            (7, 0, "7"),
            (1_500_000_000_000_000_001, 18, "1.500000000000000001"),
            (u128::MAX, 30, "340282366.920938463463374607431768211455"),
        ] {
            assert_eq!(amount_text(units, decimals), text);
        }
    }
}
