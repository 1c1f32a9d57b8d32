//! What nodes would mine: transactions in no block, which nothing proves and which may never be in one.
//!
//! A transaction counts when a majority of the configured nodes has it. Bitcoin-like nodes name what they have, and the
//! transactions are fetched once; EVM nodes show the block that they would make. What does not fit in that block is there all
//! the same: only what a majority says to know nothing of is gone.

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
/// Transactions that nodes are asked for in one look, because the block that they show does not have them.
const ASKED_MAX: usize = 32;

/// Of what a majority of the configured nodes says that it is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absence {
    /// Of everything but these, some of which a majority has, and of the others there is no majority for either.
    AllBut(HashSet<TxId>),
    /// Of these; of others nobody was asked.
    These(HashSet<TxId>),
}

impl Absence {
    /// Whether it is one of those.
    pub fn has(&self, tx: &TxId) -> bool {
        match self {
            Absence::AllBut(others) => !others.contains(tx),
            Absence::These(absent) => absent.contains(tx),
        }
    }
}

/// What a majority of the configured nodes would mine.
#[derive(Debug)]
pub struct Pooled {
    /// All of it; where nodes show a block, also what they were asked for and have.
    pub names: HashSet<TxId>,
    /// What is not there.
    pub absent: Absence,
    /// Of what was not known before, as many as one look fetches.
    pub new: Vec<ChainTransaction>,
}

impl Watch {
    /// What they would mine now. What was there at the last look already, and is not known, comes after what is new. `None`
    /// when no majority answers: then nothing is known of what is not there. Nodes that show a block are asked for what of
    /// `watched` is not in it.
    pub async fn pooled(
        &self,
        known: &HashSet<TxId>,
        before: &HashSet<TxId>,
        watched: impl Iterator<Item = TxId>,
    ) -> Option<Pooled> {
        let majority = self.with_pool(|pool| pool.config().majority());
        match self.rules() {
            ChainRules::Bitcoin(rules) => {
                let question = |client| async move { rpc::bitcoin::pooled(&client).await };
                let Named { names, some } = named_by(majority, most(majority, self.telling(question)).await)?;
                let fetch = async |tx: TxId| {
                    let question = |client| async move { rpc::bitcoin::pooled_transaction(&client, rules, tx).await };
                    self.ask(Method::Transaction, PATIENCE, question).await
                };
                let wanted = wanted(&names, known, before);
                let fetched = stream::iter(wanted).map(fetch).buffer_unordered(FETCHED_AT_ONCE);
                // Whatever is gone meanwhile, or cannot be had now, is asked for again if it is still there.
                let new = fetched.filter_map(async |fetched| fetched.ok()).collect().await;
                Some(Pooled { names, absent: Absence::AllBut(some), new })
            }
            ChainRules::Evm(rules) => {
                let question = |client| async move { rpc::evm::pooled(&client, rules).await };
                let said = most(majority, self.telling(question)).await;
                let named = said.iter().map(|pool| pool.iter().map(|tx| tx.id).collect());
                let Named { mut names, .. } = named_by(majority, named.collect())?;
                let is_new = |tx: &ChainTransaction| names.contains(&tx.id) && !known.contains(&tx.id);
                let new: HashMap<TxId, ChainTransaction> =
                    said.into_iter().flatten().filter(is_new).map(|tx| (tx.id, tx)).collect();
                let missing: Vec<TxId> = watched.filter(|tx| !names.contains(tx)).take(ASKED_MAX).collect();
                let mut absent = HashSet::new();
                for (tx, is_there) in self.known_to_most(&missing).await {
                    if is_there { &mut names } else { &mut absent }.insert(tx);
                }
                Some(Pooled { new: new.into_values().collect(), absent: Absence::These(absent), names })
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

/// What nodes name.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    /// What a majority has.
    names: HashSet<TxId>,
    /// That, and what so many have that no majority says it has not.
    some: HashSet<TxId>,
}

/// `None` when there is no majority of answers.
fn named_by(majority: usize, said: Vec<Vec<TxId>>) -> Option<Named> {
    if said.len() < majority {
        return None;
    }
    let answers = said.len();
    let mut counts: HashMap<TxId, usize> = HashMap::new();
    for names in said {
        // Whoever says a name twice has one voice.
        let names: HashSet<TxId> = names.into_iter().collect();
        names.into_iter().for_each(|name| *counts.entry(name).or_default() += 1);
    }
    let of = |is_so: &dyn Fn(usize) -> bool| {
        counts.iter().filter(|(_, count)| is_so(**count)).map(|(name, _)| *name).collect::<HashSet<TxId>>()
    };
    let names = of(&|count| count >= majority);
    let some = of(&|count| count >= majority || answers - count < majority);
    Some(Named { names, some })
}

#[cfg(test)]
mod tests;
