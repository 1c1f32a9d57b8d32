//! What gateways tell their users of balances is what the ledger had committed: all of an account's at one position, and none
//! before what was committed when the user asked.

use std::collections::BTreeMap;

use serde_json::Value;
use wire::{AccountId, AssetId, Event, LogPosition, decimal};

use super::{Asked, Verdict};
use crate::sim::history::Record;
use crate::sim::machine;

/// Free and held, in ledger units, of each asset.
type Purse = BTreeMap<AssetId, (i64, i64)>;

/// See the module.
#[derive(Debug, Default)]
pub struct Balances {
    /// Of each account, what it had from which position on.
    purses: BTreeMap<AccountId, Vec<(LogPosition, Purse)>>,
}

impl Balances {
    /// A command of the ledger's partition is committed.
    pub fn on_commit(&mut self, record: &Record) {
        for event in &record.events {
            let Event::BalanceChanged(changed) = event else { continue };
            let purses = self.purses.entry(changed.account).or_default();
            let before = purses.last();
            if before.is_none_or(|(at, _)| *at < record.position) {
                let purse = before.map(|(_, purse)| purse.clone()).unwrap_or_default();
                purses.push((record.position, purse));
            }
            let (_, purse) = purses.last_mut().expect("there is one of this position");
            purse.insert(changed.asset, (changed.free.units(), changed.held.units()));
        }
    }

    /// A user is told what an account has.
    pub fn told(&self, asked: &Asked, told: &Value) -> Verdict {
        let mut purse = Purse::new();
        for balance in told["balances"].as_array().ok_or_else(|| format!("an account has no balances: {told}"))? {
            let asset = balance["asset"].as_str().and_then(machine::asset);
            let asset = asset.ok_or_else(|| format!("a user is told of an asset that there is not: {balance}"))?;
            purse.insert(asset, (units(&balance["free"])?, units(&balance["locked"])?));
        }
        let since = self.since(asked);
        if since.iter().any(|(_, had)| *had == purse) {
            return Ok(());
        }
        let (account, floor) = (asked.account, asked.floor);
        Err(format!("a user is told that account {account} has {purse:?}, which since {floor} has had {since:?}"))
    }

    /// What the account has had since the user asked.
    fn since(&self, asked: &Asked) -> &[(LogPosition, Purse)] {
        let purses = self.purses.get(&asked.account).map_or(&[][..], Vec::as_slice);
        let later = purses.partition_point(|(at, _)| *at <= asked.floor);
        &purses[later.saturating_sub(1)..]
    }

    /// A gateway that has read everything has these balances.
    pub fn at_rest(&self, gateway: usize, balance: impl Fn(AccountId, AssetId) -> (i64, i64)) -> Verdict {
        for (account, purses) in &self.purses {
            let (_, purse) = purses.last().expect("it is of an account that has had something");
            for (asset, known) in purse {
                let told = balance(*account, *asset);
                if told != *known {
                    return Err(format!(
                        "at rest, account {account} has {known:?} of asset {asset}, and {told:?} at gateway {gateway}"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn units(told: &Value) -> Result<i64, String> {
    let text = told.as_str().ok_or_else(|| format!("{told} is no amount"))?;
    decimal::parse(text, machine::DECIMALS).map_err(|error| format!("{text}: {error:?}"))
}

#[cfg(test)]
mod tests;
