//! What two operators must agree on: `engine/src/ledger/loosenings.rs` states the rules.
//!
//! Rules are compared as lists of numbers, of which none may grow.

use wire::command::{
    AllowAddress, ApproveLoosening, DropLoosening, Loosening, ProposeLoosening, RestrictWithdrawals, SetWithdrawalRules,
};
use wire::event::{LooseningEnded, LooseningProposed};
use wire::{AccountName, ChainId, Event, LooseningEnd, LooseningId, RejectReason, Timestamp, WithdrawalRules};

use super::{Answer, Ledger, Refused, no};

const DAY_NS: u64 = 86_400_000_000_000;
const WAITING_MAX: usize = 32;

/// What was proposed, in its order, also what waits no more.
#[derive(Debug, Clone, Default)]
pub(super) struct Loosenings {
    all: Vec<(LooseningProposed, bool)>,
}

/// How much the rules let happen.
fn laxity(rules: &WithdrawalRules) -> [i128; 10] {
    let limit = |units: wire::Amount| if units.is_zero() { i128::MAX } else { units.wide() };
    let is_reviewed = !rules.review_from.is_zero();
    [
        rules.is_enabled.into(),
        -rules.amount_min.wide(),
        rules.amount_max.wide(),
        limit(rules.account_day_max),
        limit(rules.day_max),
        limit(rules.review_from),
        if is_reviewed { -i128::from(rules.approvals) } else { 0 },
        -i128::from(rules.address_delay_s),
        if rules.confirmations == 0 { i128::MIN } else { -i128::from(rules.confirmations) },
        rules.network_fee_max as i128,
    ]
}

fn is_about_the_same(one: &Loosening, other: &Loosening) -> bool {
    match (one, other) {
        (Loosening::SetWithdrawalRules(a), Loosening::SetWithdrawalRules(b)) => {
            (a.chain, a.asset) == (b.chain, b.asset)
        }
        (Loosening::RestrictWithdrawals(a), Loosening::RestrictWithdrawals(b)) => a.account == b.account,
        (Loosening::AllowAddress(a), Loosening::AllowAddress(b)) => {
            (a.account, a.chain, a.address) == (b.account, b.chain, b.address)
        }
        _ => false,
    }
}

impl Ledger {
    /// By one operator.
    pub(super) fn tighten(&mut self, what: &Loosening) -> Answer {
        if self.would_loosen(what)? {
            return no(RejectReason::NeedsSecondOperator);
        }
        self.make_so(what);
        Ok(0)
    }

    pub(super) fn propose_loosening(&mut self, propose: &ProposeLoosening) -> Answer {
        let ProposeLoosening { proposer, loosening } = propose.clone();
        if !self.would_loosen(&loosening)? {
            return no(RejectReason::NothingLoosened);
        }
        let waiting: Vec<&LooseningProposed> = self.waiting_loosenings().collect();
        if let Some(same) = waiting.iter().find(|waiting| waiting.loosening == loosening) {
            return Err((RejectReason::LooseningExists, same.id.get()));
        }
        if waiting.len() == WAITING_MAX {
            return no(RejectReason::TooManyLoosenings);
        }
        if proposer.is_empty() {
            return no(RejectReason::SameOperator);
        }
        let id = self.loosenings.all.len() as u64 + 1;
        let expires_at = Timestamp::from_nanos(self.now + DAY_NS);
        let proposed = LooseningProposed { id: LooseningId::new(id), proposer, expires_at, loosening };
        self.loosenings.all.push((proposed.clone(), true));
        self.events.push(Event::LooseningProposed(Box::new(proposed)));
        Ok(id)
    }

    pub(super) fn approve_loosening(&mut self, approve: &ApproveLoosening) -> Answer {
        let ApproveLoosening { id, approver, loosening } = approve.clone();
        let proposed = self.waiting_loosening(id)?;
        if proposed.loosening != loosening {
            return no(RejectReason::LooseningMismatch);
        }
        if approver.is_empty() || approver == proposed.proposer {
            return no(RejectReason::SameOperator);
        }
        self.would_loosen(&loosening)?;
        self.loosenings.all[id.get() as usize - 1].1 = false;
        self.make_so(&loosening);
        self.events.push(Event::LooseningEnded(LooseningEnded { id, end: LooseningEnd::Approved, operator: approver }));
        Ok(0)
    }

    pub(super) fn drop_loosening(&mut self, drop: &DropLoosening) -> Answer {
        let DropLoosening { id, operator } = *drop;
        self.waiting_loosening(id)?;
        self.loosenings.all[id.get() as usize - 1].1 = false;
        self.events.push(Event::LooseningEnded(LooseningEnded { id, end: LooseningEnd::Dropped, operator }));
        Ok(0)
    }

    fn waiting_loosenings(&self) -> impl Iterator<Item = &LooseningProposed> {
        let waits = |(proposed, waits): &&(LooseningProposed, bool)| *waits && proposed.expires_at.nanos() > self.now;
        self.loosenings.all.iter().filter(waits).map(|(proposed, _)| proposed)
    }

    fn waiting_loosening(&self, id: LooseningId) -> Result<LooseningProposed, Refused> {
        let found = self.waiting_loosenings().find(|waiting| waiting.id == id).cloned();
        found.ok_or((RejectReason::UnknownLoosening, 0))
    }

    /// Refused where it could not be done at all.
    fn would_loosen(&self, what: &Loosening) -> Result<bool, Refused> {
        match what {
            Loosening::SetWithdrawalRules(set) => {
                let SetWithdrawalRules { chain, asset, rules } = **set;
                self.check_rules(set)?;
                let Some(before) = self.rules_of(chain, asset) else { return Ok(self.has_been_used(chain)) };
                let mut both: Vec<(i128, i128)> = laxity(&before).into_iter().zip(laxity(&rules)).collect();
                if before.review_from.is_zero() {
                    // Nobody has reviewed: that few do from now on is no loss.
                    both.remove(6);
                }
                let moves_money = (before.fee, before.house) != (rules.fee, rules.house);
                Ok(moves_money || both.iter().any(|(was, is)| is > was))
            }
            Loosening::RestrictWithdrawals(RestrictWithdrawals { account, is_blocked, is_allow_listed }) => {
                self.account(*account)?;
                let before = self.restriction_of(*account);
                Ok((before.is_blocked && !is_blocked) || (before.is_allow_listed && !is_allow_listed))
            }
            Loosening::AllowAddress(allow) => {
                let AllowAddress { account, chain, address, is_allowed } = **allow;
                self.check_allowing(account, chain, address)?;
                let was_allowed = self.known_since(account, chain, address).is_some_and(|(_, was_allowed)| was_allowed);
                Ok(is_allowed && !was_allowed)
            }
            other => panic!("the model does not know {other:?}"),
        }
    }

    /// Whether a deposit or a withdrawal of the chain was ever told of, beside that somebody has asked for one.
    fn has_been_used(&self, chain: ChainId) -> bool {
        self.used_chains.contains(&chain.get())
    }

    fn make_so(&mut self, what: &Loosening) {
        let has_changed = match what {
            Loosening::SetWithdrawalRules(set) => self.put_rules(set),
            Loosening::RestrictWithdrawals(restrict) => self.put_restriction(restrict),
            Loosening::AllowAddress(allow) => self.put_allowing(allow),
            other => panic!("the model does not know {other:?}"),
        };
        if !has_changed {
            return;
        }
        let others: Vec<LooseningId> = self
            .waiting_loosenings()
            .filter(|other| is_about_the_same(&other.loosening, what))
            .map(|it| it.id)
            .collect();
        for id in others {
            self.loosenings.all[id.get() as usize - 1].1 = false;
            let (end, operator) = (LooseningEnd::Overtaken, AccountName::EMPTY);
            self.events.push(Event::LooseningEnded(LooseningEnded { id, end, operator }));
        }
    }
}
