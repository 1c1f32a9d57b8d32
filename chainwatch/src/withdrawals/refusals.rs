//! Steps that the ledger or the signer did not take: why, and when they are tried again.
//!
//! What was refused is seldom taken a moment later: each try waits twice as long as the one before, up to a bound. A new block may change
//! much, so after one nothing waits longer than it did the first time. Of what changes in the ledger all is forgotten.

use std::collections::BTreeMap;
use std::fmt;

use wire::event::WithdrawalChanged;
use wire::{RejectReason, Timestamp, WithdrawalId, WithdrawalPurpose, WithdrawalStage};

use crate::BlockHash;

/// The longest that is waited between two tries, in pauses: a minute.
const PAUSES_MAX: u64 = 12;

/// Why a step was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hindrance {
    /// The ledger's word.
    LedgerRefuses(RejectReason),
    /// The ledger has not answered in time.
    LedgerSilent,
    /// The signer would sign it later, and says why.
    SignerWaits(String),
    /// The signer has not answered.
    SignerSilent,
    /// What the signer has signed is not what it was asked for.
    SignerErrs,
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hindrance::LedgerRefuses(reason) => write!(f, "the ledger refuses it: {reason:?}"),
            Hindrance::LedgerSilent => f.write_str("the ledger does not answer"),
            Hindrance::SignerWaits(why) => write!(f, "the signer waits: {why}"),
            Hindrance::SignerSilent => f.write_str("the signer does not answer"),
            Hindrance::SignerErrs => f.write_str("the signer has signed something else"),
        }
    }
}

/// Of what a step was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asked {
    Withdrawal(WithdrawalId),
    /// The next move of the exchange's own money.
    Move,
    /// The next batch.
    Batch,
}

#[derive(Debug)]
struct Refusal {
    why: Hindrance,
    at: Timestamp,
    pauses: u64,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Refusals {
    pause_ns: u64,
    head: Option<BlockHash>,
    all: BTreeMap<Asked, Refusal>,
}

impl Refusals {
    pub(super) fn new(pause_ns: u64) -> Refusals {
        Refusals { pause_ns, head: None, all: BTreeMap::new() }
    }

    /// A step was not taken. Whether the reason is another one than before: then operators are told.
    pub(super) fn note(&mut self, of: Asked, why: Hindrance, now: Timestamp) -> bool {
        let before = self.all.get(&of);
        let is_news = before.is_none_or(|before| before.why != why);
        let pauses = before.map_or(1, |before| (before.pauses * 2).min(PAUSES_MAX));
        self.all.insert(of, Refusal { why, at: now, pauses });
        is_news
    }

    /// Whether it is not tried yet.
    pub(super) fn is_paused(&self, of: Asked, now: Timestamp) -> bool {
        let until = |refusal: &Refusal| refusal.at.plus_nanos(self.pause_ns.saturating_mul(refusal.pauses));
        self.all.get(&of).is_some_and(|refusal| now < until(refusal))
    }

    /// The agreed head: after another one everything is tried soon.
    pub(super) fn look(&mut self, head: BlockHash) {
        if self.head.replace(head) != Some(head) {
            self.all.values_mut().for_each(|refusal| refusal.pauses = 1);
        }
    }

    /// What the ledger has changed stands where other steps are due.
    pub(super) fn over(&mut self, row: &WithdrawalChanged) {
        self.all.remove(&Asked::Withdrawal(row.withdrawal));
        match row.purpose {
            _ if row.stage != WithdrawalStage::Held => {}
            WithdrawalPurpose::Payment => {}
            WithdrawalPurpose::Batch => drop(self.all.remove(&Asked::Batch)),
            _ => drop(self.all.remove(&Asked::Move)),
        }
    }

    /// Those that nobody knows any more are forgotten.
    pub(super) fn forget(&mut self, is_known: impl Fn(WithdrawalId) -> bool) {
        self.all.retain(|of, _| !matches!(of, Asked::Withdrawal(id) if !is_known(*id)));
    }

    /// Of withdrawals, those whose last step was not taken.
    pub(super) fn of_withdrawals(&self) -> impl Iterator<Item = (WithdrawalId, &Hindrance)> {
        self.all.iter().filter_map(|(of, refusal)| match of {
            Asked::Withdrawal(id) => Some((*id, &refusal.why)),
            Asked::Move | Asked::Batch => None,
        })
    }
}

#[cfg(test)]
mod tests;
