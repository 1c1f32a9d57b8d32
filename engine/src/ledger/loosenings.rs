//! Four eyes for what guards withdrawals. What loosens it is proposed by one operator and is so once another one has
//! approved the very same; what tightens it, one operator does at once.
//!
//! ```text
//!   an operator                     another operator
//!   proposes ----------> waits ----------------------> is so
//!                          |
//!                          +--> dropped by any operator; overtaken by a change of the same; run out after a day
//! ```
//!
//! A proposal says what is to be, not what is to change. So it is overtaken when what it speaks of changes while it waits:
//! else an approval would undo a halt of which its proposer did not know.

mod judgement;

use std::collections::BTreeMap;

use wire::codec::{CodecError, Reader, Writer};
use wire::command::{
    AllowAddress, ApproveLoosening, DeclareReserves, DropLoosening, Loosening, ProposeLoosening, RestrictWithdrawals,
    SetWithdrawalRules, ThawReserves,
};
use wire::event::{LooseningEnded, LooseningProposed};
use wire::{
    AccountId, AccountName, AssetId, ChainAddress, ChainId, Event, LooseningEnd, LooseningId, RejectReason, Timestamp,
};

pub(super) use self::judgement::Brought;
use super::{Answer, LedgerCell, Refused};
use crate::effects::Effects;

/// How long a proposal waits for another operator: a day of log time.
const WAITS_NS: u64 = 24 * 3_600 * 1_000_000_000;

/// The most that wait at a time. Any operator makes room by dropping one.
const WAITING_MAX: usize = 32;

/// What a loosening changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Rules(ChainId, AssetId),
    Account(AccountId),
    Destination(AccountId, ChainId, ChainAddress),
    Reserves(ChainId, AssetId),
}

impl Subject {
    fn of(loosening: &Loosening) -> Subject {
        match loosening {
            Loosening::SetWithdrawalRules(set) => Subject::Rules(set.chain, set.asset),
            Loosening::RestrictWithdrawals(restrict) => Subject::Account(restrict.account),
            Loosening::AllowAddress(allow) => Subject::Destination(allow.account, allow.chain, allow.address),
            Loosening::DeclareReserves(declare) => Subject::Reserves(declare.chain, declare.asset),
            Loosening::ThawReserves(thaw) => Subject::Reserves(thaw.chain, thaw.asset),
        }
    }
}

/// What waits for another operator.
pub(super) struct Loosenings {
    next: u64,
    /// In the order of proposing, and so of running out.
    waiting: BTreeMap<LooseningId, LooseningProposed>,
}

impl Default for Loosenings {
    fn default() -> Loosenings {
        Loosenings { next: 1, waiting: BTreeMap::new() }
    }
}

impl Loosenings {
    /// Forgets what has run out.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while let Some(first) = self.waiting.first_entry().filter(|first| first.get().expires_at <= now) {
            first.remove();
        }
    }

    fn get(&self, id: LooseningId) -> Result<&LooseningProposed, Refused> {
        self.waiting.get(&id).ok_or(Refused::because(RejectReason::UnknownLoosening))
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&self.next);
        to.put(&(self.waiting.len() as u8));
        self.waiting.values().for_each(|proposed| to.put(proposed));
    }

    /// Refuses more than may wait, numbers that were not given out, and what runs out before what was proposed before it.
    pub(super) fn load(from: &mut Reader<'_>) -> Result<Loosenings, CodecError> {
        let mut all = Loosenings { next: from.get()?, waiting: BTreeMap::new() };
        let count = usize::from(from.get::<u8>()?);
        if count > WAITING_MAX {
            return Err(CodecError::OutOfRange);
        }
        for _ in 0..count {
            let proposed: LooseningProposed = from.get()?;
            let is_after = |last: &LooseningProposed| last.id < proposed.id && last.expires_at <= proposed.expires_at;
            let is_in_order = all.waiting.values().next_back().is_none_or(is_after);
            if !is_in_order || !(1..all.next).contains(&proposed.id.get()) {
                return Err(CodecError::OutOfRange);
            }
            all.waiting.insert(proposed.id, proposed);
        }
        Ok(all)
    }
}

impl LedgerCell {
    pub(crate) fn set_withdrawal_rules(&mut self, set: &SetWithdrawalRules, effects: &mut Effects<'_>) -> Answer {
        self.check_withdrawal_rules(set)?;
        self.needs_one(self.loosens_rules(set))?;
        self.put_withdrawal_rules(set, effects);
        Ok(0)
    }

    pub(crate) fn restrict_withdrawals(&mut self, restrict: &RestrictWithdrawals, effects: &mut Effects<'_>) -> Answer {
        self.registry.account(restrict.account)?;
        self.needs_one(self.loosens_restriction(restrict))?;
        self.put_restriction(restrict, effects);
        Ok(0)
    }

    pub(crate) fn allow_address(&mut self, allow: &AllowAddress, effects: &mut Effects<'_>) -> Answer {
        self.check_destination(allow)?;
        self.needs_one(self.loosens_destinations(allow))?;
        self.put_destination(allow, effects);
        Ok(0)
    }

    pub(crate) fn declare_reserves(&mut self, declare: &DeclareReserves, effects: &mut Effects<'_>) -> Answer {
        self.check_declaration(declare)?;
        self.needs_one(self.loosens_declaration(declare))?;
        self.put_declaration(declare, effects);
        Ok(0)
    }

    /// Always two: nothing thaws by one operator's word.
    pub(crate) fn thaw_reserves(&self, thaw: &ThawReserves) -> Answer {
        self.check_thaw(thaw)?;
        Err(RejectReason::NeedsSecondOperator.into())
    }

    fn needs_one(&self, loosens: bool) -> Result<(), Refused> {
        if loosens { Err(RejectReason::NeedsSecondOperator.into()) } else { Ok(()) }
    }

    pub(crate) fn propose_loosening(&mut self, propose: &ProposeLoosening, effects: &mut Effects<'_>) -> Answer {
        let ProposeLoosening { proposer, loosening } = propose;
        self.check_loosening(loosening)?;
        if !self.loosens(loosening) {
            return Err(RejectReason::NothingLoosened.into());
        }
        let same = self.loosenings.waiting.values().find(|waiting| waiting.loosening == *loosening);
        if let Some(same) = same {
            return Err(Refused::naming(RejectReason::LooseningExists, same.id.get()));
        }
        if self.loosenings.waiting.len() >= WAITING_MAX {
            return Err(RejectReason::TooManyLoosenings.into());
        }
        if proposer.is_empty() {
            return Err(RejectReason::SameOperator.into());
        }
        let id = LooseningId::new(self.loosenings.next);
        self.loosenings.next += 1;
        let (proposer, expires_at) = (*proposer, self.now.plus_nanos(WAITS_NS));
        let proposed = LooseningProposed { id, proposer, expires_at, loosening: loosening.clone() };
        self.loosenings.waiting.insert(id, proposed.clone());
        effects.tell(Event::LooseningProposed(Box::new(proposed)));
        Ok(id.get())
    }

    pub(crate) fn approve_loosening(&mut self, approve: &ApproveLoosening, effects: &mut Effects<'_>) -> Answer {
        let ApproveLoosening { id, approver, loosening } = approve;
        let proposed = self.loosenings.get(*id)?;
        if proposed.loosening != *loosening {
            return Err(RejectReason::LooseningMismatch.into());
        }
        if approver.is_empty() || *approver == proposed.proposer {
            return Err(RejectReason::SameOperator.into());
        }
        self.check_loosening(loosening)?;
        // Before it is done, so that it does not overtake itself.
        self.loosenings.waiting.remove(id);
        match loosening {
            Loosening::SetWithdrawalRules(set) => self.put_withdrawal_rules(set, effects),
            Loosening::RestrictWithdrawals(restrict) => self.put_restriction(restrict, effects),
            Loosening::AllowAddress(allow) => self.put_destination(allow, effects),
            Loosening::DeclareReserves(declare) => self.put_declaration(declare, effects),
            Loosening::ThawReserves(thaw) => self.put_thaw(thaw, effects),
        }
        let ended = LooseningEnded { id: *id, end: LooseningEnd::Approved, operator: *approver };
        effects.tell(Event::LooseningEnded(ended));
        Ok(0)
    }

    pub(crate) fn drop_loosening(&mut self, drop: &DropLoosening, effects: &mut Effects<'_>) -> Answer {
        let DropLoosening { id, operator } = *drop;
        self.loosenings.get(id)?;
        self.loosenings.waiting.remove(&id);
        effects.tell(Event::LooseningEnded(LooseningEnded { id, end: LooseningEnd::Dropped, operator }));
        Ok(0)
    }

    /// Something has changed: what waits to make something else of it waits no more.
    pub(super) fn overtake_loosenings(&mut self, subject: Subject, effects: &mut Effects<'_>) {
        let is_of_it = |_: &LooseningId, waiting: &mut LooseningProposed| Subject::of(&waiting.loosening) == subject;
        for (id, _) in self.loosenings.waiting.extract_if(.., is_of_it) {
            let (end, operator) = (LooseningEnd::Overtaken, AccountName::EMPTY);
            effects.tell(Event::LooseningEnded(LooseningEnded { id, end, operator }));
        }
    }
}
