//! Withdrawals that wait for inputs or a nonce: who is looked at next, and whom the signer is asked about.
//!
//! There may be thousands, when the signer's day is used up or the hot wallet is empty, and what each waits for changes seldom. So
//! a step looks at a few, whoever was looked at longest ago first; of as many as one step looks at, the oldest first as ever. The
//! signer is asked about a few at a time, and about one that has to wait less and less often.

use std::collections::BTreeMap;

use wire::event::WithdrawalChanged;
use wire::{Timestamp, WithdrawalId, WithdrawalPurpose, WithdrawalStage};

use super::batches::Gathering;
use super::{Executor, Facts, Step, Unfunded};
use crate::signer::payment::Scheme;

/// The most that one step looks at.
pub(super) const LOOKS_MAX: usize = 32;
/// The most about which the signer is asked in vain within a part of a pause.
const ASKS_MAX: usize = 8;
/// So many parts has a pause.
const PARTS: u64 = 25;
/// One that waits is asked about again after a pause, then after two, and so on up to so many.
const PAUSES_MAX: u64 = 16;

/// What the signer would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consulted {
    Signs,
    Waits,
}

/// One that waits.
#[derive(Debug, Clone, Copy, Default)]
struct Looked {
    at: Timestamp,
    why: Option<Unfunded>,
    /// What the signer has said last, and until when that holds.
    said: Option<(Consulted, Timestamp)>,
    /// How often it has said in a row that it would wait.
    waits: u64,
}

/// All of them, as far as they were looked at.
pub(super) struct Waiting {
    pause_ns: u64,
    looked: BTreeMap<WithdrawalId, Looked>,
    /// Since when so many were asked about in vain.
    asked: (Timestamp, usize),
}

impl Waiting {
    pub(super) fn new(pause_ns: u64) -> Waiting {
        Waiting { pause_ns, looked: BTreeMap::new(), asked: (Timestamp::ZERO, 0) }
    }

    /// Those that do not wait any more are forgotten.
    pub(super) fn forget(&mut self, is_held: impl Fn(WithdrawalId) -> bool) {
        self.looked.retain(|id, _| is_held(*id));
    }

    /// Of those that wait now, the few that are looked at next.
    pub(super) fn next(&self, mut waiting: Vec<WithdrawalId>) -> Vec<WithdrawalId> {
        let key = |id: &WithdrawalId| (self.looked.get(id).map_or(Timestamp::ZERO, |looked| looked.at), *id);
        if waiting.len() > LOOKS_MAX {
            waiting.select_nth_unstable_by_key(LOOKS_MAX, key);
            waiting.truncate(LOOKS_MAX);
        }
        waiting.sort_unstable_by_key(key);
        waiting
    }

    /// Why one waits, as it was when it was looked at last.
    pub(super) fn why(&self, id: WithdrawalId) -> Unfunded {
        self.looked.get(&id).and_then(|looked| looked.why).unwrap_or(Unfunded::InTurn)
    }

    /// It was looked at, and waits for this, or for nothing any more.
    pub(super) fn note(&mut self, id: WithdrawalId, why: Option<Unfunded>, now: Timestamp) {
        let looked = self.looked.entry(id).or_default();
        (looked.at, looked.why) = (now, why);
    }

    /// What the signer would do, as far as that holds still.
    pub(super) fn said(&self, id: WithdrawalId, now: Timestamp) -> Option<Consulted> {
        self.looked.get(&id).and_then(|looked| looked.said).filter(|(_, until)| now < *until).map(|(said, _)| said)
    }

    /// Whether the signer's last word was that it would wait.
    pub(super) fn is_waited_with(&self, id: WithdrawalId) -> bool {
        self.looked.get(&id).is_some_and(|looked| looked.waits > 0)
    }

    /// Whether the signer may be asked about one more now.
    pub(super) fn may_ask(&self, now: Timestamp) -> bool {
        now >= self.asked.0.plus_nanos(self.pause_ns / PARTS) || self.asked.1 < ASKS_MAX
    }

    /// The signer was asked, and this is what it would do.
    pub(super) fn answered(&mut self, id: WithdrawalId, said: Consulted, now: Timestamp) {
        if now >= self.asked.0.plus_nanos(self.pause_ns / PARTS) {
            self.asked = (now, 0);
        }
        // One that is signed goes on: only those that wait take turns from others.
        self.asked.1 += usize::from(said == Consulted::Waits);
        let looked = self.looked.entry(id).or_default();
        looked.at = now;
        (looked.waits, looked.why) = match said {
            Consulted::Waits => (looked.waits + 1, Some(Unfunded::SignerWaits)),
            Consulted::Signs => (0, None),
        };
        let pauses = looked.waits.clamp(1, PAUSES_MAX);
        looked.said = Some((said, now.plus_nanos(self.pause_ns.saturating_mul(pauses))));
    }
}

impl Executor {
    /// Of those that wait for inputs or a nonce.
    pub(super) fn next_waiting(
        &mut self,
        facts: &Facts,
        fence: u64,
        now: Timestamp,
        unfunded: &mut BTreeMap<WithdrawalId, Unfunded>,
    ) -> Option<Step> {
        if !self.is_thawed() {
            return None;
        }
        if let Some(step) = self.next_leaving(fence, now) {
            return Some(step);
        }
        let may_ask = self.waiting.may_ask(now);
        let (mut willing, mut waiting) = (Vec::new(), Vec::new());
        for known in self.view.all().filter(|known| known.row.stage == WithdrawalStage::Held) {
            let WithdrawalChanged { withdrawal, asset, ready_at, batch, .. } = known.row;
            if now < ready_at || self.is_paused(withdrawal, now) || batch != WithdrawalId::default() {
                continue;
            }
            let said = if self.is_consulted_on(&known.row) {
                self.waiting.said(withdrawal, now)
            } else {
                Some(Consulted::Signs)
            };
            let why = match said {
                _ if self.view.is_halted(asset) => Unfunded::ReservesShort,
                Some(Consulted::Waits) => {
                    if let Some(step) = self.disband(withdrawal, Unfunded::SignerWaits, fence) {
                        return Some(step);
                    }
                    Unfunded::SignerWaits
                }
                Some(Consulted::Signs) => {
                    willing.push(withdrawal);
                    self.waiting.why(withdrawal)
                }
                None => {
                    waiting.push(withdrawal);
                    self.waiting.why(withdrawal)
                }
            };
            unfunded.insert(withdrawal, why);
        }
        let together = |id: &WithdrawalId| self.view.get(*id).is_some_and(|known| is_batch(&known.row));
        let mut batches: Vec<WithdrawalId> = willing.extract_if(.., |id| together(id)).collect();
        batches.extend(waiting.extract_if(.., |id| together(id)));
        let mut next = self.waiting.next(willing);
        let apart = match self.gather(&next, facts, fence, now) {
            Gathering::Together(step) => return Some(step),
            Gathering::Later(waiting) => waiting,
        };
        unfunded.extend(apart.iter().map(|withdrawal| (*withdrawal, Unfunded::Gathers)));
        next.retain(|withdrawal| !apart.contains(withdrawal));
        if may_ask {
            next.extend(self.waiting.next(waiting));
        }
        // A batch has its coins before what came after it.
        next.splice(0..0, batches);
        for withdrawal in next {
            let Some(known) = self.view.get(withdrawal) else { continue };
            let looked = self.first_allocation(known, facts, fence, now);
            self.waiting.note(withdrawal, looked.as_ref().err().copied(), now);
            match looked {
                Ok(step) => {
                    unfunded.remove(&withdrawal);
                    return Some(step);
                }
                Err(why) => {
                    unfunded.insert(withdrawal, why);
                    let ends = self.disband(withdrawal, why, fence);
                    if let Some(step) = ends.or_else(|| self.end_sweep(withdrawal, facts, fence)) {
                        return Some(step);
                    }
                }
            }
        }
        None
    }

    /// Whether the signer is asked before anything is given to it. Behind a nonce that is not signed all others wait, and so do the
    /// members of a batch for each other; coins are only kept from others.
    pub(super) fn is_consulted_on(&self, row: &WithdrawalChanged) -> bool {
        matches!(self.scheme, Scheme::Evm(_)) || is_batch(row)
    }
}

fn is_batch(row: &WithdrawalChanged) -> bool {
    row.purpose == WithdrawalPurpose::Batch
}
