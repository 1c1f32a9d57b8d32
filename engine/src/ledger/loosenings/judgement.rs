//! What loosens: whatever lets something leave, or go unnoticed, that would not have before. One looser part makes the whole
//! loose, however much the others tighten.

use wire::command::{AllowAddress, DeclareReserves, Loosening, RestrictWithdrawals, SetWithdrawalRules};
use wire::{Amount, WithdrawalRules};

use super::super::{LedgerCell, Refused};

/// Zero is no limit.
fn most(limit: Amount) -> i64 {
    if limit.is_zero() { i64::MAX } else { limit.units() }
}

/// Zero waits until it is final.
fn depth(confirmations: u32) -> u32 {
    confirmations.checked_sub(1).unwrap_or(u32::MAX)
}

/// Of fee and house every change: neither direction is the safe one, both say who gets whose money.
fn is_looser(before: &WithdrawalRules, after: &WithdrawalRules) -> bool {
    let is_reviewed = !before.review_from.is_zero();
    (!before.is_enabled && after.is_enabled)
        || after.amount_min < before.amount_min
        || after.amount_max > before.amount_max
        || after.fee != before.fee
        || most(after.account_day_max) > most(before.account_day_max)
        || most(after.day_max) > most(before.day_max)
        || most(after.review_from) > most(before.review_from)
        || (is_reviewed && after.approvals < before.approvals)
        || after.address_delay_s < before.address_delay_s
        || depth(after.confirmations) < depth(before.confirmations)
        || after.network_fee_max > before.network_fee_max
        || after.house != before.house
}

/// So much should be there after the block of a height, beside what was booked.
#[derive(Debug, Clone, Copy)]
pub(in crate::ledger) struct Brought {
    pub(in crate::ledger) units: i128,
    pub(in crate::ledger) since: u64,
}

impl Brought {
    fn at(&self, height: u64) -> i128 {
        if height > self.since { self.units } else { 0 }
    }
}

/// Whether at some height less should be there than before.
fn lowers(before: Brought, after: Brought) -> bool {
    // It changes after these heights alone.
    let heights = [before.since, after.since].map(|since| since.saturating_add(1));
    heights.iter().any(|height| after.at(*height) < before.at(*height))
}

impl LedgerCell {
    /// Whether it could be done now at all.
    pub(super) fn check_loosening(&self, loosening: &Loosening) -> Result<(), Refused> {
        match loosening {
            Loosening::SetWithdrawalRules(set) => self.check_withdrawal_rules(set),
            Loosening::RestrictWithdrawals(restrict) => self.registry.account(restrict.account).map(drop),
            Loosening::AllowAddress(allow) => self.check_destination(allow),
            Loosening::DeclareReserves(declare) => self.check_declaration(declare),
            Loosening::ThawReserves(thaw) => self.check_thaw(thaw),
        }
    }

    pub(super) fn loosens(&self, loosening: &Loosening) -> bool {
        match loosening {
            Loosening::SetWithdrawalRules(set) => self.loosens_rules(set),
            Loosening::RestrictWithdrawals(restrict) => self.loosens_restriction(restrict),
            Loosening::AllowAddress(allow) => self.loosens_destinations(allow),
            Loosening::DeclareReserves(declare) => self.loosens_declaration(declare),
            Loosening::ThawReserves(_) => true,
        }
    }

    /// The first rules are one operator's while the log says nothing of the chain's money: there is none to lose yet. Once
    /// there is, opening withdrawals of one more asset is the loosest of changes.
    pub(super) fn loosens_rules(&self, set: &SetWithdrawalRules) -> bool {
        match self.withdrawals.rules(set.chain, set.asset) {
            Some(before) => is_looser(before, &set.rules),
            None => self.reserves.is_touched(set.chain),
        }
    }

    pub(super) fn loosens_restriction(&self, restrict: &RestrictWithdrawals) -> bool {
        let before = self.withdrawals.restriction(restrict.account);
        (before.is_blocked && !restrict.is_blocked) || (before.is_allow_listed && !restrict.is_allow_listed)
    }

    /// Also where no list is asked for yet: an address on it has its delay behind it.
    pub(super) fn loosens_destinations(&self, allow: &AllowAddress) -> bool {
        allow.is_allowed && !self.withdrawals.allows(allow.account, allow.chain, &allow.address)
    }

    pub(super) fn loosens_declaration(&self, declare: &DeclareReserves) -> bool {
        let after = Brought { units: declare.brought, since: declare.since };
        lowers(self.reserves.brought(declare.chain, declare.asset), after)
    }
}

#[cfg(test)]
mod tests {
    use wire::AccountId;

    use super::*;

    fn amount(units: i64) -> Amount {
        Amount::new(units).unwrap()
    }

    #[test]
    fn each_part_of_rules_loosens_in_one_direction_alone() {
        let before = WithdrawalRules {
            is_enabled: true,
            amount_min: amount(10),
            amount_max: amount(100),
            fee: amount(1),
            account_day_max: amount(300),
            day_max: amount(900),
            review_from: amount(50),
            approvals: 2,
            address_delay_s: 60,
            confirmations: 6,
            network_fee_max: 70,
            house: AccountId::new(3),
        };
        let none = amount(0);
        // Each: looser, then tighter.
        let pairs = [
            (WithdrawalRules { amount_min: amount(9), ..before }, WithdrawalRules { amount_min: amount(11), ..before }),
            (
                WithdrawalRules { amount_max: amount(101), ..before },
                WithdrawalRules { amount_max: amount(99), ..before },
            ),
            (
                WithdrawalRules { account_day_max: none, ..before },
                WithdrawalRules { account_day_max: amount(299), ..before },
            ),
            (WithdrawalRules { day_max: amount(901), ..before }, WithdrawalRules { day_max: amount(899), ..before }),
            (WithdrawalRules { day_max: none, ..before }, WithdrawalRules { is_enabled: false, ..before }),
            (
                WithdrawalRules { review_from: amount(51), ..before },
                WithdrawalRules { review_from: amount(49), ..before },
            ),
            (WithdrawalRules { review_from: none, ..before }, WithdrawalRules { review_from: amount(1), ..before }),
            (WithdrawalRules { approvals: 1, ..before }, WithdrawalRules { approvals: 3, ..before }),
            (WithdrawalRules { address_delay_s: 59, ..before }, WithdrawalRules { address_delay_s: 61, ..before }),
            (WithdrawalRules { confirmations: 5, ..before }, WithdrawalRules { confirmations: 7, ..before }),
            (WithdrawalRules { confirmations: 1, ..before }, WithdrawalRules { confirmations: 0, ..before }),
            (WithdrawalRules { network_fee_max: 71, ..before }, WithdrawalRules { network_fee_max: 69, ..before }),
        ];
        for (looser, tighter) in pairs {
            assert!(is_looser(&before, &looser), "{looser:?}");
            assert!(!is_looser(&before, &tighter), "{tighter:?}");
            // What one operator has tightened, none loosens alone.
            assert!(is_looser(&tighter, &before), "{tighter:?}");
        }
        assert!(!is_looser(&before, &before));
        for fee in [0, 2] {
            assert!(is_looser(&before, &WithdrawalRules { fee: amount(fee), ..before }));
        }
        assert!(is_looser(&before, &WithdrawalRules { house: AccountId::new(4), ..before }));
        // One part looser, however tight the rest.
        assert!(is_looser(&before, &WithdrawalRules { amount_max: amount(20), approvals: 1, ..before }));
        // Where nobody reviewed, whoever begins to may begin with one.
        let unreviewed = WithdrawalRules { review_from: none, approvals: 3, ..before };
        assert!(!is_looser(&unreviewed, &WithdrawalRules { approvals: 1, ..before }));
    }

    #[test]
    fn a_declaration_loosens_if_at_any_height_less_should_be_there() {
        let brought = |units, since| Brought { units, since };
        let none = brought(0, 0);
        for (before, after, wanted) in [
            (none, brought(5, 100), false),
            (none, brought(-1, 100), true),
            (brought(5, 100), brought(4, 100), true),
            (brought(5, 100), brought(6, 100), false),
            // Coins that are missed later could be taken until then.
            (brought(5, 100), brought(5, 101), true),
            (brought(5, 100), brought(5, 99), false),
            (brought(5, 100), brought(9, 101), true),
            // A loss that was earlier covers what was lost before it.
            (brought(-5, 100), brought(-5, 99), true),
            (brought(-5, 100), brought(-5, 101), false),
            (brought(-5, 100), brought(-4, 99), true),
            (brought(-5, 100), none, false),
            (brought(5, u64::MAX), brought(-5, u64::MAX), false),
        ] {
            assert_eq!(lowers(before, after), wanted, "{before:?} {after:?}");
        }
    }
}
