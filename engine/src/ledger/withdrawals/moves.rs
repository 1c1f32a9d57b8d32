//! Money that moves between addresses of the exchange: from deposit addresses to the hot wallet, from there to a cold
//! address or, as gas, to a deposit address, or from a stuck one's change back to it. Chainwatch proposes within bounds
//! that operators set; each goes the way of a withdrawal, so it is signed once, under the claim, and another instance goes
//! on with it.

use wire::command::{MoveFunds, SetHotWallet};
use wire::event::{HotWalletChanged, WithdrawalChanged};
use wire::{
    ChainFreeze, ChainHash, ChainId, Event, HotWalletBounds, RejectReason, WithdrawalId, WithdrawalPurpose,
    WithdrawalRules,
};

use super::{Answer, LedgerCell, Open, Refused, Wanted, beginning};
use crate::effects::Effects;

impl LedgerCell {
    pub(crate) fn set_hot_wallet(&mut self, set: &SetHotWallet, effects: &mut Effects<'_>) -> Answer {
        let SetHotWallet { chain, asset, bounds } = *set;
        self.blockchains.get(chain)?.asset(asset)?;
        if !self.withdrawals.rules.contains_key(&(chain, asset)) {
            return Err(RejectReason::WithdrawalsDisabled.into());
        }
        let HotWalletBounds { low, high, target, cold, .. } = bounds;
        let is_bounded = if high.is_zero() {
            target.is_zero() && cold.is_empty()
        } else {
            low <= target && target < high && !cold.is_empty()
        };
        if !is_bounded {
            return Err(RejectReason::BadWithdrawalRules.into());
        }
        self.withdrawals.hot.insert((chain, asset), bounds);
        effects.tell(Event::HotWalletChanged(Box::new(HotWalletChanged { chain, asset, bounds })));
        Ok(0)
    }

    /// One more move of the exchange's own money, if it is that move's turn.
    pub(crate) fn move_funds(&mut self, wanted: &MoveFunds, effects: &mut Effects<'_>) -> Answer {
        let MoveFunds { chain, fence, turn, asset, purpose, key, parent, address, amount } = *wanted;
        self.withdrawals.forget(self.now);
        let blockchain = self.blockchains.get(chain)?;
        blockchain.check_fence(fence)?;
        if blockchain.freeze != ChainFreeze::Thawed {
            return Err(RejectReason::ChainIsFrozen.into());
        }
        self.check_reserves(chain, asset)?;
        if turn != self.withdrawals.turn(chain) || self.withdrawals.is_moving(wanted) {
            return Err(Refused::naming(RejectReason::MoveOutOfTurn, self.withdrawals.turn(chain)));
        }
        let rules = self.withdrawals.rules.get(&(chain, asset)).copied();
        let rules = rules.ok_or(Refused::because(RejectReason::WithdrawalsDisabled))?;
        let withdrawal = WithdrawalId::new(self.withdrawals.next);
        let what = Wanted { chain, asset, address, amount, purpose, key, parent };
        let row = beginning(withdrawal, what, &rules, self.now);
        self.check_new_move(&row, &rules)?;
        if !self.withdrawals.has_room(purpose) {
            return Err(RejectReason::TableFull.into());
        }
        self.withdrawals.next += 1;
        self.withdrawals.turns.insert(chain, turn + 1);
        self.withdrawals.open.insert(withdrawal, Open::new(rules.house, row.sender()));
        self.withdrawals.put(row);
        effects.tell(Event::WithdrawalChanged(Box::new(row)));
        Ok(withdrawal.get())
    }

    fn check_new_move(&self, row: &WithdrawalChanged, rules: &WithdrawalRules) -> Result<(), Refused> {
        let chain = self.blockchains.get(row.chain)?;
        let listed = chain.asset(row.asset)?;
        if row.amount.is_zero() {
            return Err(RejectReason::ZeroAmount.into());
        }
        if self.chain_units(listed, row.amount).is_none() {
            return Err(RejectReason::BadWithdrawalAmount.into());
        }
        if row.key != 0 {
            chain.owner(row.key)?;
        }
        if (row.parent != WithdrawalId::default()) != (row.purpose == WithdrawalPurpose::Child) {
            return Err(RejectReason::WithdrawalMismatch.into());
        }
        let is_enough = match row.purpose {
            WithdrawalPurpose::Payment | WithdrawalPurpose::Batch => false,
            WithdrawalPurpose::Sweep | WithdrawalPurpose::Cold => true,
            // No more than a transaction may pay to the chain is ever needed.
            WithdrawalPurpose::Gas => {
                let most = self.units_up(listed, rules.network_fee_max);
                listed.contract.is_empty() && row.key != 0 && most.is_some_and(|most| row.amount <= most)
            }
            WithdrawalPurpose::Child => row.key == 0,
        };
        if !is_enough {
            return Err(RejectReason::WithdrawalMismatch.into());
        }
        self.check_move(row)?;
        if row.purpose == WithdrawalPurpose::Child { self.check_parents_change(row) } else { Ok(()) }
    }

    /// Whether a move may be made, or may still be made: operators may have changed the bounds meanwhile.
    pub(super) fn check_move(&self, row: &WithdrawalChanged) -> Result<(), Refused> {
        let bounds = self.withdrawals.hot.get(&(row.chain, row.asset));
        let is_wanted = match row.purpose {
            WithdrawalPurpose::Payment | WithdrawalPurpose::Batch => false,
            WithdrawalPurpose::Sweep => bounds.is_some_and(|bounds| !bounds.sweep_from.is_zero()),
            WithdrawalPurpose::Cold => {
                bounds.is_some_and(|bounds| !bounds.high.is_zero() && bounds.cold == row.address)
            }
            WithdrawalPurpose::Gas => self.blockchains.get(row.chain)?.address(row.key) == Some(row.address),
            WithdrawalPurpose::Child => return self.check_parent(row),
        };
        if is_wanted && !row.address.is_empty() { Ok(()) } else { Err(RejectReason::AddressNotAllowed.into()) }
    }
}

impl super::Withdrawals {
    pub(super) fn turn(&self, chain: ChainId) -> u64 {
        self.turns.get(&chain).copied().unwrap_or(0)
    }

    /// Whether a move of the same is not over.
    fn is_moving(&self, wanted: &MoveFunds) -> bool {
        let MoveFunds { chain, asset, purpose, key, parent, .. } = *wanted;
        let open = self.open.keys().filter_map(|id| self.rows.get(id));
        let wanted = (chain, asset, purpose, key, parent);
        open.into_iter().any(|row| (row.chain, row.asset, row.purpose, row.key, row.parent) == wanted)
    }

    /// Whether a transaction is one that gives gas to a deposit address: no deposit of anybody.
    pub(in crate::ledger) fn is_gift(&self, chain: ChainId, tx: ChainHash) -> bool {
        self.gifts.contains(chain, tx)
    }

    /// Whether a transaction of this height may be one of those, and forgotten.
    pub(in crate::ledger) fn may_be_gift(&self, chain: ChainId, height: u64) -> bool {
        self.gifts.may_have_been(chain, height)
    }
}
