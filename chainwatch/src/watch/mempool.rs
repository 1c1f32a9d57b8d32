//! What nodes would mine: transactions in no block, which nothing proves and which may never be in one.
//!
//! A transaction counts when a majority of the configured nodes has it. Bitcoin-like nodes name what they have, and the
//! transactions are fetched once; EVM nodes show the block that they would make.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::Watch;
use crate::TxId;
use crate::chain::{ChainRules, ChainTransaction};
use crate::pool::Method;
use crate::rpc;

/// How long a node may take to say what it would mine: that may be megabytes.
const PATIENCE: Duration = Duration::from_secs(5);
/// Transactions that are fetched in one look.
const FETCHED_MAX: usize = 256;

/// What a majority of the configured nodes would mine.
#[derive(Debug, Default)]
pub struct Pooled {
    /// All of it.
    pub names: HashSet<TxId>,
    /// Of what was not known before, as many as one look fetches.
    pub new: Vec<ChainTransaction>,
}

impl Watch {
    /// `None` when no majority answers: then nothing is known of what is not there.
    pub async fn pooled(&self, known: &HashSet<TxId>) -> Option<Pooled> {
        let majority = self.with_pool(|pool| pool.config().majority());
        match self.rules() {
            ChainRules::Bitcoin(rules) => {
                let question = |client| async move { rpc::bitcoin::pooled(&client).await };
                let said = self.each_within(PATIENCE, Method::Transaction, question).await;
                let names = named_by(majority, said)?;
                let mut new = Vec::new();
                for tx in names.iter().filter(|tx| !known.contains(*tx)).take(FETCHED_MAX) {
                    let question = |client| async move { rpc::bitcoin::pooled_transaction(&client, rules, *tx).await };
                    // Whatever is gone meanwhile, or cannot be had now, is asked for again if it is still there.
                    new.extend(self.ask(Method::Transaction, PATIENCE, question).await.ok());
                }
                Some(Pooled { names, new })
            }
            ChainRules::Evm(rules) => {
                let question = |client| async move { rpc::evm::pooled(&client, rules).await };
                let said = self.each_within(PATIENCE, Method::Transaction, question).await;
                let names =
                    named_by(majority, said.iter().map(|pool| pool.iter().map(|tx| tx.id).collect()).collect())?;
                let is_new = |tx: &ChainTransaction| names.contains(&tx.id) && !known.contains(&tx.id);
                let new: HashMap<TxId, ChainTransaction> =
                    said.into_iter().flatten().filter(is_new).map(|tx| (tx.id, tx)).collect();
                Some(Pooled { new: new.into_values().collect(), names })
            }
        }
    }
}

/// The names that a majority has.
fn named_by(majority: usize, said: Vec<Vec<TxId>>) -> Option<HashSet<TxId>> {
    if said.len() < majority {
        return None;
    }
    let mut counts: HashMap<TxId, usize> = HashMap::new();
    for names in said {
        // Whoever says a name twice has one voice.
        let names: HashSet<TxId> = names.into_iter().collect();
        names.into_iter().for_each(|name| *counts.entry(name).or_default() += 1);
    }
    Some(counts.into_iter().filter(|(_, count)| *count >= majority).map(|(name, _)| name).collect())
}

#[cfg(test)]
mod tests;
