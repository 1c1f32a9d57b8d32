//! What nodes would mine: transactions in no block, which nothing proves and which may never be in one.
//!
//! A transaction counts when a majority of the configured nodes has it. Bitcoin-like nodes name what they have, and the
//! transactions are fetched once; EVM nodes show the block that they would make.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use futures_util::stream::{self, FuturesUnordered, StreamExt};

use super::Watch;
use crate::TxId;
use crate::chain::{ChainRules, ChainTransaction};
use crate::pool::Method;
use crate::rpc::{self, RpcClient, Told};

/// How long a node may take to say what it would mine: that may be megabytes.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the others are waited for when a majority has said it, beside as long again: nobody who stands still holds a look
/// up.
const GRACE: Duration = Duration::from_millis(100);
/// Transactions that are fetched in one look, and at a time.
const FETCHED_MAX: usize = 256;
const FETCHED_AT_ONCE: usize = 8;

/// What a majority of the configured nodes would mine.
#[derive(Debug, Default)]
pub struct Pooled {
    /// All of it.
    pub names: HashSet<TxId>,
    /// Of what was not known before, as many as one look fetches.
    pub new: Vec<ChainTransaction>,
}

impl Watch {
    /// What they would mine now. What was there at the last look already, and is not known, comes after what is new. `None`
    /// when no majority answers: then nothing is known of what is not there.
    pub async fn pooled(&self, known: &HashSet<TxId>, before: &HashSet<TxId>) -> Option<Pooled> {
        let majority = self.with_pool(|pool| pool.config().majority());
        match self.rules() {
            ChainRules::Bitcoin(rules) => {
                let question = |client| async move { rpc::bitcoin::pooled(&client).await };
                let names = named_by(majority, most(majority, self.telling(question)).await)?;
                let fetch = async |tx: TxId| {
                    let question = |client| async move { rpc::bitcoin::pooled_transaction(&client, rules, tx).await };
                    self.ask(Method::Transaction, PATIENCE, question).await
                };
                let wanted = wanted(&names, known, before);
                let fetched = stream::iter(wanted).map(fetch).buffer_unordered(FETCHED_AT_ONCE);
                // Whatever is gone meanwhile, or cannot be had now, is asked for again if it is still there.
                let new = fetched.filter_map(async |fetched| fetched.ok()).collect().await;
                Some(Pooled { names, new })
            }
            ChainRules::Evm(rules) => {
                let question = |client| async move { rpc::evm::pooled(&client, rules).await };
                let said = most(majority, self.telling(question)).await;
                let names =
                    named_by(majority, said.iter().map(|pool| pool.iter().map(|tx| tx.id).collect()).collect())?;
                let is_new = |tx: &ChainTransaction| names.contains(&tx.id) && !known.contains(&tx.id);
                let new: HashMap<TxId, ChainTransaction> =
                    said.into_iter().flatten().filter(is_new).map(|tx| (tx.id, tx)).collect();
                Some(Pooled { new: new.into_values().collect(), names })
            }
        }
    }

    fn telling<F: Future>(&self, question: impl Fn(RpcClient) -> F) -> FuturesUnordered<F> {
        let nodes = self.with_pool(|pool| pool.witnesses(Method::Transaction, Instant::now()));
        nodes.into_iter().map(|node| question(self.client(node, Method::Transaction))).collect()
    }
}

/// What each node says that says it in time, and not long after most of them.
async fn most<T>(majority: usize, mut telling: FuturesUnordered<impl Future<Output = Result<T, Told>>>) -> Vec<T> {
    let began = Instant::now();
    let mut until = began + PATIENCE;
    let mut said = Vec::new();
    while let Ok(Some(told)) = tokio::time::timeout_at(until.into(), telling.next()).await {
        said.extend(told.ok());
        if said.len() == majority {
            until = until.min(Instant::now() + began.elapsed() + GRACE);
        }
    }
    said
}

/// Of what is not known so much as is fetched at once, the newest first.
fn wanted(names: &HashSet<TxId>, known: &HashSet<TxId>, before: &HashSet<TxId>) -> Vec<TxId> {
    let unknown = || names.iter().filter(|tx| !known.contains(*tx)).copied();
    let new = unknown().filter(|tx| !before.contains(tx));
    let old = unknown().filter(|tx| before.contains(tx));
    new.chain(old).take(FETCHED_MAX).collect()
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
