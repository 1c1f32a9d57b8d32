//! What an account sees of its deposits before they are credited: that one comes, that it comes no more, and how high the
//! chain is above those that wait.

use std::time::{Duration, Instant};

use wire::command::{ReportHead, SightDeposit};
use wire::event::DepositChanged;
use wire::{ChainHash, Command, DepositStage};

use super::{DepositError, Key, Proposer};
use crate::deposits::mempool::{Coming, Look};
use crate::ledger::Ledger;
use crate::{Height, TxId};

/// Most nodes have to say so often that what was seen is not there, before one says that it is: a block that has it is followed
/// first.
const MISSED_LOOKS: u32 = 5;
/// Proposals of one beat: credits wait for none of them.
const SIGHTINGS_MAX: usize = 16;
/// How long nothing more is shown of an address of which the ledger would not show something: whoever floods it with
/// transactions that are never mined shall not fill the log with refusals.
const CROWDED_PAUSE: Duration = Duration::from_secs(60);
/// How long a transfer is left alone that the ledger has taken and does not show: it knows it as something else, and says nothing.
const UNSHOWN_PAUSE: Duration = Duration::from_secs(600);

/// What was seen and most nodes have not any more.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::deposits) struct Missed {
    /// The last look that missed it.
    look: u64,
    /// How many did.
    count: u32,
}

impl<L: Ledger> Proposer<L> {
    /// The transactions of what is shown as seen.
    pub(in crate::deposits) fn seen(&self) -> impl Iterator<Item = TxId> + '_ {
        self.view.sightings().map(|seen| TxId(seen.tx.0))
    }

    /// Tells of what comes and of what comes no more.
    pub(in crate::deposits) async fn propose_sightings(&mut self, look: &Look) -> Result<(), DepositError> {
        let now = Instant::now();
        self.crowded.retain(|_, until| now < *until);
        self.unshown.retain(|_, until| now < *until);
        // What is gone makes room.
        let news: Vec<SightDeposit> =
            self.gone(look).into_iter().chain(self.coming(look)).take(SIGHTINGS_MAX).collect();
        let mut taken = Vec::new();
        for sight in news {
            let (tx, output, index, is_pooled) = (sight.tx, sight.output, sight.index, sight.is_pooled);
            if self.crowded.contains_key(&index) {
                continue;
            }
            match self.propose(Command::SightDeposit(Box::new(sight))).await {
                Err(DepositError::Refused(reason)) => {
                    tracing::debug!(?tx, output, ?reason, "the ledger shows no deposit that is in no block");
                    self.crowded.insert(index, now + CROWDED_PAUSE);
                }
                told => {
                    told?;
                    taken.push(((tx, output), is_pooled));
                }
            }
        }
        if taken.is_empty() {
            return Ok(());
        }
        self.read().await?;
        let unshown = taken.into_iter().filter(|(key, is_pooled)| *is_pooled && self.view.sighting(*key).is_none());
        self.unshown.extend(unshown.map(|(key, _)| (key, now + UNSHOWN_PAUSE)));
        Ok(())
    }

    fn coming(&self, look: &Look) -> Vec<SightDeposit> {
        let is_news = |key: &Key| {
            let is_known = self.view.deposit(*key).is_some() || self.view.sighting(*key).is_some();
            !is_known && !self.view.is_closed(*key) && !self.found.contains_key(key)
        };
        let is_left_alone =
            |key: &Key, coming: &Coming| self.crowded.contains_key(&coming.index) || self.unshown.contains_key(key);
        let news = look.coming.iter().filter(|(key, coming)| is_news(key) && !is_left_alone(key, coming));
        let sight = |(key, coming): (&Key, &Coming)| {
            let Coming { index, asset, amount } = *coming;
            let asset = self.view.asset(asset, amount)?;
            let (chain, fence, (tx, output)) = (self.chain, self.fence, *key);
            Some(SightDeposit { chain, fence, tx, output, index, asset, amount, is_pooled: true })
        };
        news.filter_map(sight).collect()
    }

    fn gone(&mut self, look: &Look) -> Vec<SightDeposit> {
        let view = &self.view;
        let is_there = |tx: ChainHash| look.names.contains(&TxId(tx.0));
        self.missed.retain(|key, _| view.sighting(*key).is_some() && !is_there(key.0));
        let mut gone = Vec::new();
        // Before the first look nothing is known.
        for seen in self.view.sightings().filter(|_| look.number > 0) {
            let key = (seen.tx, seen.output);
            let is_crowded = self.crowded.contains_key(&seen.index);
            // Silence, and a block in which it has no place, say nothing.
            if !look.absent.has(&TxId(seen.tx.0)) || self.found.contains_key(&key) || is_crowded {
                continue;
            }
            let missed = self.missed.entry(key).or_default();
            if missed.look != look.number {
                *missed = Missed { look: look.number, count: missed.count + 1 };
            }
            if missed.count >= MISSED_LOOKS {
                gone.push(SightDeposit {
                    chain: self.chain,
                    fence: self.fence,
                    tx: seen.tx,
                    output: seen.output,
                    index: seen.index,
                    asset: seen.asset,
                    amount: seen.amount,
                    is_pooled: false,
                });
            }
        }
        gone
    }

    /// Says how high the chain is, while somebody counts confirmations.
    pub(in crate::deposits) async fn propose_head(&mut self, head: Height) -> Result<(), DepositError> {
        let counts = |deposit: &DepositChanged| deposit.stage == DepositStage::Included && deposit.required > 1;
        let is_counted = self.view.open_deposits().any(counts);
        if !is_counted || self.view.height() == Some(head) {
            return Ok(());
        }
        self.propose(Command::ReportHead(ReportHead { chain: self.chain, fence: self.fence, height: head.0 })).await?;
        self.read().await
    }
}
