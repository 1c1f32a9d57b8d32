//! The client order ids that are taken: those of open orders, and for a while those of orders that have ended.

use wire::codec::{CodecError, Reader, Writer};
use wire::{AccountId, ClientOrderId, OrderId, Timestamp};

use super::{Order, Orders};
use crate::digest::fold;
use crate::name_index::Name;

/// A client order id that stays taken for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) fingerprint: u64,
    pub(super) account: AccountId,
    pub(super) order: OrderId,
    pub(super) closed: Timestamp,
}

/// Bytes of a [`Closed`] in a snapshot.
const CLOSED_SIZE: usize = 28;

/// Client order ids that one command may forget: bounded work, and more than one command can add.
const FORGET_MAX: usize = 8_192;

impl Orders {
    /// The open or recently closed order that has taken this client order id.
    pub(in crate::ledger) fn taken_by(&self, account: AccountId, name: &ClientOrderId) -> Option<OrderId> {
        self.name_taken_by(&key(account, name))
    }

    /// As [`Orders::taken_by`], of what [`key`] makes of the name.
    #[inline]
    pub(in crate::ledger) fn name_taken_by(&self, name: &Name) -> Option<OrderId> {
        self.taken.get(name).map(OrderId::new)
    }

    /// Reads where the searches for the first of these names begin; what it was has no meaning.
    #[inline]
    pub(in crate::ledger) fn read_names(&self, names: impl Iterator<Item = (AccountId, ClientOrderId)>) -> u64 {
        self.taken.read(names.map(|(account, name)| key(account, &name)))
    }

    /// The open order of this name.
    pub(in crate::ledger) fn named(&self, account: AccountId, name: &ClientOrderId) -> Option<&Order> {
        self.get(self.taken_by(account, name)?).filter(|order| order.client_order_id == *name)
    }

    /// Whether so many more names can be remembered.
    pub(in crate::ledger) fn has_room_for_names(&self, more: usize) -> bool {
        self.taken.len() + more <= self.remembered_max
    }

    /// Takes a name, unused, for an order that has another.
    pub(in crate::ledger) fn take_name(&mut self, account: AccountId, name: &ClientOrderId, order: OrderId) {
        self.taken.insert(key(account, name), order.get());
    }

    /// Frees a name that was taken for this order, if it still is.
    pub(in crate::ledger) fn free_name(&mut self, account: AccountId, name: &ClientOrderId, order: OrderId) {
        if self.taken_by(account, name) == Some(order) {
            self.taken.remove(&key(account, name));
        }
    }

    /// Gives an order the name that was taken for it; the former one stays taken for the retention.
    pub(in crate::ledger) fn rename(&mut self, id: OrderId, name: ClientOrderId, now: Timestamp) {
        let Some(order) = self.get_mut(id) else { return };
        let former = std::mem::replace(&mut order.client_order_id, name);
        if former != name {
            let account = order.account;
            let [fingerprint, _] = key(account, &former);
            self.remember(Closed { fingerprint, account, order: id, closed: now });
        }
    }

    #[inline]
    pub(super) fn remember(&mut self, closed: Closed) {
        if self.closed.is_empty() {
            self.forgets_at = closed.closed.plus_nanos(self.retention_ns);
        }
        self.closed.push_back(closed);
    }

    /// Forgets client order ids whose retention is over.
    #[inline]
    pub(in crate::ledger) fn forget(&mut self, now: Timestamp) {
        if now >= self.forgets_at {
            self.forget_some(now);
        }
    }

    #[inline(never)]
    fn forget_some(&mut self, now: Timestamp) {
        for _ in 0..FORGET_MAX {
            match self.closed.front() {
                Some(oldest) if oldest.closed.plus_nanos(self.retention_ns) <= now => {
                    self.taken.remove(&[oldest.fingerprint, u64::from(oldest.account.get())]);
                    self.closed.pop_front();
                }
                _ => break,
            }
        }
        let oldest = self.closed.front().map(|oldest| oldest.closed.plus_nanos(self.retention_ns));
        self.forgets_at = oldest.unwrap_or(Timestamp::NEVER);
    }

    /// In the order of closing.
    pub(super) fn save_closed(&self, to: &mut Writer<'_>) {
        to.put(&(self.closed.len() as u32));
        for closed in self.closed.iter() {
            // One write for the four fields: there may be a million of them, and trading waits.
            let mut row = [0; CLOSED_SIZE];
            row[..8].copy_from_slice(&closed.fingerprint.to_le_bytes());
            row[8..12].copy_from_slice(&closed.account.get().to_le_bytes());
            row[12..20].copy_from_slice(&closed.order.get().to_le_bytes());
            row[20..].copy_from_slice(&closed.closed.nanos().to_le_bytes());
            to.bytes(&row);
        }
    }

    /// Fills in what [`Orders::save_closed`] wrote, after the names of open orders are taken.
    pub(super) fn load_closed(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        for _ in 0..from.get::<u32>()? {
            let closed =
                Closed { fingerprint: from.get()?, account: from.get()?, order: from.get()?, closed: from.get()? };
            if self.taken.len() >= self.remembered_max || closed.account.get() == 0 {
                return Err(CodecError::OutOfRange);
            }
            self.taken.insert([closed.fingerprint, u64::from(closed.account.get())], closed.order.get());
            self.remember(closed);
        }
        Ok(())
    }
}

/// Two names of one account with the same fingerprint count as the same name: with 64 bits that takes intent, and
/// harms nobody else.
#[inline]
pub(in crate::ledger) fn key(account: AccountId, name: &ClientOrderId) -> Name {
    // Unused bytes are zero, so that whole words can be read.
    let mut padded = [0; 40];
    padded[..36].copy_from_slice(name.as_padded_bytes());
    let len = name.as_bytes().len();
    let (words, _) = padded.as_chunks::<8>();
    let fingerprint = words.iter().take(len.div_ceil(8)).fold(len as u64, |hash, word| {
        fold(hash ^ 0x9e37_79b9_7f4a_7c15, u64::from_le_bytes(*word) ^ 0xd6e8_feb8_6659_fd93)
    });
    [fingerprint, u64::from(account.get())]
}
