//! The networks of an asset, as `GET capital/config/getall` lists them: what may be deposited and withdrawn there now,
//! and if not, why.

use serde_json::{Value, json};
use wire::event::ChainAssetListed;
use wire::{AssetId, ChainFreeze, WithdrawalRules};

use super::capital::amount_text;
use crate::accounts::{Accounts, Chain};
use crate::addresses;
use crate::reference::Asset;

/// What a client has to know to withdraw an asset on a network. Limits include the fee, as on Binance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    /// What the ledger keeps to.
    pub(super) rules: WithdrawalRules,
    /// Amounts are whole numbers of `10^-decimals`, the coarser of the ledger's unit and the chain's.
    pub(super) decimals: u8,
}

impl Terms {
    pub(super) fn of(accounts: &Accounts, asset: &Asset, listed: &ChainAssetListed) -> Option<Terms> {
        let rules = *accounts.withdrawals().rules(asset.id, listed.chain)?;
        Some(Terms { rules, decimals: asset.ledger_decimals.min(listed.chain_decimals) })
    }

    /// The smallest amount with its fee, in ledger units.
    pub(super) fn min(&self) -> i128 {
        self.rules.amount_min.wide() + self.rules.fee.wide()
    }

    /// The largest amount with its fee, in ledger units.
    pub(super) fn max(&self) -> i128 {
        self.rules.amount_max.wide() + self.rules.fee.wide()
    }

    /// What amounts are whole multiples of.
    pub(super) fn step(&self) -> String {
        amount_text(1, self.decimals)
    }
}

/// Why nothing of an asset may be withdrawn there now; `None` when something may.
pub(super) fn closed(
    accounts: &Accounts,
    asset: AssetId,
    chain: &Chain,
    terms: Option<&Terms>,
) -> Option<&'static str> {
    if !terms.is_some_and(|terms| terms.rules.is_enabled) {
        return Some("Withdrawals are suspended on this network.");
    }
    let is_halted = accounts.chains().is_halted(asset, chain.id);
    frozen(chain.freeze)
        .or(is_halted.then_some("Withdrawals are halted: what the network has of the asset is checked."))
}

/// Why a chain is frozen, in words for clients.
fn frozen(freeze: ChainFreeze) -> Option<&'static str> {
    Some(match freeze {
        ChainFreeze::Thawed => return None,
        ChainFreeze::NoMajority => "The network is frozen: most of its nodes do not agree on a block.",
        ChainFreeze::FinalityReverted => "The network is frozen: it has undone blocks that were final.",
        ChainFreeze::Dissent => "The network is frozen: its nodes do not agree on what is final.",
        ChainFreeze::Outworked => "The network is frozen: another branch of it has more work.",
        ChainFreeze::Stalled => "The network is frozen: it does not grow.",
        ChainFreeze::CreditReverted => "The network is frozen: it has undone a deposit.",
        ChainFreeze::WithdrawalReverted => "The network is frozen: it has undone a withdrawal.",
    })
}

/// An asset's networks.
pub(super) fn list(accounts: &Accounts, asset: &Asset) -> Vec<Value> {
    let chains = accounts.chains().networks(asset.id).enumerate();
    chains.map(|(at, (chain, listed))| network(accounts, asset, chain, listed, at == 0)).collect()
}

fn network(accounts: &Accounts, asset: &Asset, chain: &Chain, listed: &ChainAssetListed, is_default: bool) -> Value {
    let terms = Terms::of(accounts, asset, listed);
    let deposits_closed = frozen(chain.freeze);
    let withdrawals_closed = closed(accounts, asset.id, chain, terms.as_ref());
    let in_ledger = |units: i128| amount_text(units.unsigned_abs(), asset.ledger_decimals);
    let confirmations = listed.confirmations.max(1);
    json!({
        "coin": asset.symbol.as_str(),
        "network": chain.symbol.as_str(),
        "name": chain.symbol.as_str(),
        "isDefault": is_default,
        "depositEnable": deposits_closed.is_none(),
        "depositDesc": deposits_closed.unwrap_or(""),
        "depositDust": amount_text(listed.deposit_min, listed.chain_decimals),
        "minConfirm": confirmations,
        "unLockConfirm": confirmations,
        "withdrawEnable": withdrawals_closed.is_none(),
        "withdrawDesc": withdrawals_closed.unwrap_or(""),
        "withdrawFee": terms.map_or("0".into(), |terms| in_ledger(terms.rules.fee.wide())),
        "withdrawMin": terms.map_or("0".into(), |terms| in_ledger(terms.min())),
        "withdrawMax": terms.map_or("0".into(), |terms| in_ledger(terms.max())),
        "withdrawInternalMin": "0",
        "withdrawIntegerMultiple": terms.map_or("0".into(), |terms| terms.step()),
        "withdrawTag": false,
        "sameAddress": false,
        "addressRegex": addresses::pattern(&chain.addresses),
        "memoRegex": "",
        "specialTips": "",
        "specialWithdrawTips": "",
        "resetAddressStatus": false,
        "estimatedArrivalTime": 0,
        "busy": false,
        "contractAddress": listed.contract.as_str(),
        "contractAddressUrl": "",
    })
}
