//! Canceling many orders of a market: account by account, each one's oldest first, at most `fills_per_order_max` in one
//! command. Each level that changed is told once, after the orders of the command.

use wire::codec::{CodecError, Reader, Writer};
use wire::{AccountId, CancelCause, LogPosition, Price, Side, Sides, Timestamp};

use super::MarketCell;
use crate::effects::Effects;

/// A cancellation that is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Purge {
    cause: CancelCause,
    /// The accounts before it are done.
    account: AccountId,
}

impl Purge {
    /// Of every order.
    pub(super) fn everything(cause: CancelCause) -> Purge {
        Purge { cause, account: AccountId::new(1) }
    }

    pub(super) fn save(purge: Option<Purge>, to: &mut Writer<'_>) {
        let Purge { cause, account } = purge.unwrap_or(Purge::everything(CancelCause::MarketClosed));
        to.put(&purge.is_some());
        to.put(&cause);
        to.put(&account);
    }

    pub(super) fn load(from: &mut Reader<'_>) -> Result<Option<Purge>, CodecError> {
        let is_going_on: bool = from.get()?;
        let purge = Purge { cause: from.get()?, account: from.get()? };
        Ok(is_going_on.then_some(purge))
    }
}

impl MarketCell {
    /// Cancels as many orders as one command may; how many more it may cancel.
    pub(super) fn purge_some(&mut self, now: Timestamp, orders_left: u32, effects: &mut Effects<'_>) -> u32 {
        let Some(mut purge) = self.purge else { return orders_left };
        let mut levels: Vec<(Side, Price)> = Vec::new();
        while self.book.len() > 0 && levels.len() < orders_left as usize {
            let handle = self.book.oldest_of(purge.account, Sides::Both);
            if handle == 0 {
                purge.account = AccountId::new(purge.account.get() + 1);
                continue;
            }
            let gone = self.book.remove(handle);
            levels.push((gone.side, gone.price));
            self.tell_gone(&gone, effects);
            self.tell_end(&gone, purge.cause, LogPosition::ZERO, effects);
        }
        let orders_left = orders_left - levels.len() as u32;
        levels.sort_unstable();
        levels.dedup();
        for (side, price) in levels {
            self.tell_level(now, side, price, effects);
        }
        self.purge = (self.book.len() > 0).then_some(purge);
        orders_left
    }
}
