//! What each account may do, and with whom it belongs together.

use wire::codec::{CodecError, Reader, Writer};
use wire::command::AssignAccount;
use wire::event::AccountAssigned;
use wire::{AccountId, Event, FirmId, TradeGroupId};

use super::{Answer, LedgerCell};
use crate::effects::Effects;
use crate::limits::Limits;

/// One account's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Row {
    group: TradeGroupId,
    firm: FirmId,
}

/// Dense by account.
pub(super) struct Conduct {
    rows: Vec<Row>,
}

impl Conduct {
    pub(super) fn new(limits: &Limits) -> Conduct {
        Conduct { rows: Vec::with_capacity(limits.accounts_max as usize) }
    }

    pub(super) fn add_account(&mut self) {
        self.rows.push(Row::default());
    }

    fn row(&self, account: AccountId) -> &Row {
        &self.rows[account.get() as usize - 1]
    }

    fn row_mut(&mut self, account: AccountId) -> &mut Row {
        &mut self.rows[account.get() as usize - 1]
    }

    /// The trade group of a known account.
    pub(super) fn group(&self, account: AccountId) -> TradeGroupId {
        self.row(account).group
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
        for row in &self.rows {
            to.put(&row.group);
            to.put(&row.firm);
        }
    }

    /// Fills in what [`Conduct::save`] wrote, after accounts were added.
    pub(super) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        for row in &mut self.rows {
            row.group = from.get()?;
            row.firm = from.get()?;
        }
        Ok(())
    }
}

impl LedgerCell {
    /// Orders that are open keep the group they were placed with.
    pub(crate) fn assign_account(&mut self, assign: &AssignAccount, effects: &mut Effects<'_>) -> Answer {
        let AssignAccount { account, group, firm } = *assign;
        self.registry.account(account)?;
        let row = self.conduct.row_mut(account);
        (row.group, row.firm) = (group, firm);
        effects.tell(Event::AccountAssigned(AccountAssigned { account, group, firm }));
        Ok(account.get().into())
    }
}
