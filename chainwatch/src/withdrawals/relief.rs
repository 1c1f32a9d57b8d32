//! What gets a stuck withdrawal mined: a transaction that takes the last one's place and pays more, or a child that pays for both.

use wire::command::AllocateWithdrawal;
use wire::{ChainHash, Timestamp};

use super::facts::Facts;
use super::funding::{self, Unfunded};
use super::view::Known;
use super::{Executor, Step, children, is_child, moves};
use crate::signer::bitcoin::BitcoinScheme;
use crate::signer::payment::Scheme;

impl Executor {
    /// What gets a stuck one mined: what takes its place and pays more or, where nodes take nothing in its place, a child that
    /// pays for both.
    pub(super) fn relief(
        &self,
        known: &Known,
        facts: &Facts,
        fence: u64,
        now: Timestamp,
    ) -> Result<Option<Step>, Unfunded> {
        let Scheme::Bitcoin(scheme) = &self.scheme else {
            return self.replacement(known, facts, fence, now).map(Some);
        };
        let pooled = children::pooled(known, facts);
        let last = known.signed.last().map(|(_, signed)| signed.tx);
        let is_kept = pooled.is_some() && pooled != last;
        let is_helped = pooled.is_some() && self.view.child_of(known.row.withdrawal).is_some();
        match pooled {
            _ if is_helped => Ok(None),
            Some(tx) if is_kept || !self.tuning.replaces => self.child(known, tx, scheme, facts, fence, now),
            // What no node has is sent again as it is, while nothing else may take its place.
            None if !self.tuning.replaces => Ok(None),
            _ => self.replacement(known, facts, fence, now).map(Some),
        }
    }

    fn child(
        &self,
        known: &Known,
        tx: ChainHash,
        scheme: &BitcoinScheme,
        facts: &Facts,
        fence: u64,
        now: Timestamp,
    ) -> Result<Option<Step>, Unfunded> {
        let Some(help) = children::help(&self.view, known, tx, scheme, facts)? else { return Ok(None) };
        let wanted = moves::child(&self.view, &self.scheme, &known.row, help.input.amount).ok_or(Unfunded::NoChange)?;
        if self.view.is_halted(wanted.asset) {
            return Err(Unfunded::ReservesShort);
        }
        if !moves::may_be_tried(&self.view, &wanted, now) {
            return Err(Unfunded::NotReplaced);
        }
        Ok(self.may_move(now).then(|| self.propose_move(wanted, fence)))
    }

    fn replacement(&self, known: &Known, facts: &Facts, fence: u64, now: Timestamp) -> Result<Step, Unfunded> {
        if self.unreplaced.get(&known.row.withdrawal).is_some_and(|until| now < *until) {
            return Err(Unfunded::NotReplaced);
        }
        let funded = match &self.scheme {
            Scheme::Bitcoin(scheme) if is_child(known) => children::more(&self.view, known, scheme, facts),
            Scheme::Bitcoin(scheme) => funding::more_coins(&self.view, known, scheme, facts),
            Scheme::Evm(_) => funding::more_gas(&self.view, known, facts),
        };
        funded.map(|funded| self.allocate(known, AllocateWithdrawal { chain: self.chain, fence, ..funded }))
    }
}
