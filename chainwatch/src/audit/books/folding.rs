//! What is settled so deep that nothing is said of it any more is a sum: how much of each asset there should be at each place, and
//! which outputs are left. So the books grow with what the exchange has, and not with all that ever came and went.
//!
//! Should a chain take back what lies that deep, it is taken out of the sum again, as the ledger's event says. Of a transaction
//! that spent outputs only the amounts are known then, and not the outputs: what is looked for is too little, the asset is
//! halted, and somebody has to look, which they have to anyhow.

use std::collections::{BTreeMap, BTreeSet};

use wire::event::{DepositChanged, WithdrawalChanged};
use wire::{DepositStage, WithdrawalCause, WithdrawalId, WithdrawalStage};

use super::{Books, Expected, Leaving, OutPoint};

/// Blocks whose deposits and withdrawals are kept one by one, below the highest of which the log says anything: two weeks of the
/// slower chains, a day of the faster. No chain's last final block is expected to lie deeper.
pub(super) const DEPTH: u64 = 8_192;

/// So many blocks are folded at once: each time everything is looked at.
const PARTS: u64 = 8;

/// The sum.
#[derive(Debug, Default)]
pub(super) struct Folded {
    /// Up to this block. After none below it there is a comparison any more.
    pub(super) to: u64,
    pub(super) sum: Expected,
}

impl Books {
    /// The log has spoken of a block at `height`.
    pub(super) fn reach(&mut self, height: u64) {
        self.highest = self.highest.max(height);
        let to = self.highest.saturating_sub(self.depth);
        if to >= self.folded.to.saturating_add((self.depth / PARTS).max(1)) {
            self.fold(to);
        }
    }

    fn fold(&mut self, to: u64) {
        let mut sum = std::mem::take(&mut self.folded.sum);
        let is_settled = |deposit: &DepositChanged| {
            deposit.stage == DepositStage::Credited && !deposit.is_reverted && deposit.height <= to
        };
        let deep: Vec<OutPoint> =
            self.deposits.iter().filter(|(_, it)| is_settled(it)).map(|(point, _)| *point).collect();
        for point in deep {
            if let Some(deposit) = self.deposits.remove(&point) {
                self.deposit(point, &deposit, to, &mut sum);
            }
        }
        let is_over = |row: &WithdrawalChanged| {
            let is_booked = row.stage == WithdrawalStage::Settled || row.cause == WithdrawalCause::Undone;
            is_booked && !row.is_reverted && (1..=to).contains(&row.height)
        };
        let over = self.leaving.iter().filter(|(_, leaving)| is_over(&leaving.row));
        let mut over: Vec<(u64, WithdrawalId)> = over.map(|(id, leaving)| (leaving.row.height, *id)).collect();
        over.sort_unstable();
        // One spends what another has made, perhaps in the same block.
        loop {
            let before = over.len();
            over.retain(|(_, id)| !self.fold_withdrawal(*id, to, &mut sum));
            if over.len() == before {
                break;
            }
        }
        for assets in sum.places.values_mut() {
            assets.retain(|_, units| *units != 0);
        }
        sum.places.retain(|_, assets| !assets.is_empty());
        self.folded = Folded { to, sum };
    }

    /// Whether it is in the sum now: where there are outputs, all that it spends has to be.
    fn fold_withdrawal(&mut self, id: WithdrawalId, to: u64, sum: &mut Expected) -> bool {
        let Some(leaving) = self.leaving.get(&id) else { return true };
        if self.own.is_some() {
            let moved = leaving.signed.iter().find(|(tx, ..)| *tx == leaving.row.tx).and_then(|(.., it)| it.as_ref());
            if !moved.is_some_and(|moved| moved.spent.iter().all(|point| sum.coins.contains_key(point))) {
                return false;
            }
        }
        let mut spent = BTreeSet::new();
        self.leave(leaving, to, &BTreeMap::new(), sum, &mut spent);
        spent.iter().for_each(|point| {
            sum.coins.remove(point);
        });
        self.leaving.remove(&id);
        true
    }

    /// A credit that was in the sum is looked at on its own again.
    pub(super) fn unfold_deposit(&mut self, deposit: &DepositChanged) {
        let point = (deposit.tx, deposit.output);
        let mut part = Expected::default();
        self.deposit(point, &DepositChanged { height: 0, ..*deposit }, self.folded.to, &mut part);
        self.folded.sum.coins.remove(&point);
        self.folded.sum.take_out(&part);
    }

    /// The same of a withdrawal or a move.
    pub(super) fn unfold_withdrawal(&mut self, row: &WithdrawalChanged) {
        let row = WithdrawalChanged { is_reverted: false, height: 1, ..*row };
        let leaving = Leaving { row, signed: Vec::new(), network_fee: 0 };
        let mut part = Expected::default();
        self.leave(&leaving, self.folded.to.max(1), &BTreeMap::new(), &mut part, &mut BTreeSet::new());
        self.folded.sum.take_out(&part);
    }
}

impl Expected {
    fn take_out(&mut self, part: &Expected) {
        for (asset, due) in &part.due {
            let sum = self.due.entry(*asset).or_default();
            sum.booked -= due.booked;
            sum.in_flight -= due.in_flight;
        }
        for (place, assets) in &part.places {
            for (asset, units) in assets {
                self.add(*place, *asset, -units);
            }
        }
    }
}
