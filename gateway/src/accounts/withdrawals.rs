//! What may be withdrawn, and what became of what was, from the ledger's events.

use std::collections::BTreeMap;

use wire::event::WithdrawalChanged;
use wire::{
    AccountId, Amount, AssetId, ChainId, ClientOrderId, Event, WithdrawalCause, WithdrawalId, WithdrawalRules,
    WithdrawalStage,
};

use super::Accounts;
use super::telling::Batch;

/// Withdrawals of an account that are kept: beyond, the oldest that is over is forgotten, and none that is not.
const WITHDRAWALS_MAX: usize = 1_000;

/// Every withdrawal, and what they keep to.
#[derive(Debug, Default)]
pub struct Withdrawals {
    rules: BTreeMap<(AssetId, ChainId), WithdrawalRules>,
    rows: BTreeMap<AccountId, BTreeMap<WithdrawalId, WithdrawalChanged>>,
}

impl Withdrawals {
    /// What withdrawals of an asset on a chain keep to, once an operator has said it.
    pub fn rules(&self, asset: AssetId, chain: ChainId) -> Option<&WithdrawalRules> {
        self.rules.get(&(asset, chain))
    }

    /// An account's withdrawals, the newest first.
    pub fn of(&self, account: AccountId) -> impl Iterator<Item = &WithdrawalChanged> {
        self.rows.get(&account).into_iter().flat_map(|rows| rows.values().rev())
    }

    /// The account's withdrawal of this name.
    pub fn named(&self, account: AccountId, name: ClientOrderId) -> Option<&WithdrawalChanged> {
        self.of(account).find(|row| row.name == name)
    }

    /// What an account holds of an asset for withdrawals under way, fees included.
    pub fn pending(&self, account: AccountId, asset: AssetId) -> Amount {
        let under_way = self.of(account).filter(|row| row.asset == asset && !row.stage.is_final());
        let sum = under_way.map(|row| row.amount.wide() + row.fee.wide()).sum();
        Amount::from_wide(sum).unwrap_or(Amount::MAX)
    }

    /// Whether this is the row that ends it; it may be told again, with what its chain makes of it later.
    pub(super) fn ends_by(&self, row: &WithdrawalChanged) -> bool {
        let before = self.rows.get(&row.account).and_then(|rows| rows.get(&row.withdrawal));
        row.stage.is_final() && before.is_some_and(|before| !before.stage.is_final())
    }

    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::WithdrawalRulesChanged(changed) => {
                self.rules.insert((changed.asset, changed.chain), changed.rules);
            }
            // What the exchange moves between its own addresses was asked for by nobody, and a batch is known by its members.
            Event::WithdrawalChanged(row) if !row.purpose.is_of_house() => {
                let rows = self.rows.entry(row.account).or_default();
                rows.insert(row.withdrawal, **row);
                if rows.len() > WITHDRAWALS_MAX
                    && let Some(oldest) = rows.values().find(|row| row.stage.is_final()).map(|row| row.withdrawal)
                {
                    rows.remove(&oldest);
                }
            }
            _ => {}
        }
    }
}

impl Accounts {
    /// The fee of a withdrawal that has ended goes to the house: no `Debited` tells of it.
    pub(super) fn tell_fee(&mut self, batch: &Batch<'_>, changed: &WithdrawalChanged) {
        let is_kept = changed.stage == WithdrawalStage::Settled
            || changed.stage == WithdrawalStage::Failed && changed.cause == WithdrawalCause::Undone;
        let is_told = self.withdrawals.ends_by(changed) && !changed.purpose.is_of_house();
        if is_kept && is_told && !changed.fee.is_zero() {
            self.report_transfer(batch, changed.account, changed.asset, changed.fee, "-");
        }
    }
}
