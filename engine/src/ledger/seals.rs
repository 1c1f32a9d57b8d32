//! The certainty that no order of a name comes any more: a client that is told "no such order" has no doubt left, whatever
//! gateway it sent that order to and whatever became of it.
//!
//! A seal says that nothing of a name comes that was asked for up to some moment ([`SealName`]). It is true for ever: no
//! order takes it away. It is forgotten after the retention of names, and there is room for a part of the names.

use std::collections::{BTreeMap, BTreeSet};

use wire::codec::{CodecError, Reader, Writer};
use wire::command::{CancelOrderList, NewOrder, SealName};
use wire::{AccountId, ClientOrderId, ListId, OrderId, RejectReason, Timestamp};

use super::{Answer, LedgerCell, Refused};
use crate::limits::Limits;

/// A name of an order or, the last being true, of a list.
type Name = (AccountId, ClientOrderId, bool);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seal {
    /// Nothing comes that was asked for up to here.
    asked_us: u64,
    sealed: Timestamp,
}

pub(super) struct Seals {
    by_name: BTreeMap<Name, Seal>,
    by_age: BTreeSet<(Timestamp, Name)>,
    seals_max: usize,
    retention_ns: u64,
}

/// There is a seal for each so many names of orders.
const NAMES_PER_SEAL: u32 = 8;

/// Seals that one command may forget: bounded work, and more than one command can add.
const FORGET_MAX: usize = 1_024;

impl Seals {
    pub(super) fn new(limits: &Limits) -> Seals {
        Seals {
            by_name: BTreeMap::new(),
            by_age: BTreeSet::new(),
            seals_max: (limits.remembered_orders_max / NAMES_PER_SEAL) as usize,
            retention_ns: limits.client_order_id_retention_ns,
        }
    }

    /// Seals a name, or seals it anew: the latest question counts.
    fn seal(&mut self, name: Name, asked_us: u64, now: Timestamp) -> Result<(), RejectReason> {
        if name.1.is_empty() || SealName::asked_at(asked_us).is_some() {
            return Err(RejectReason::Malformed);
        }
        let former = self.by_name.get(&name).copied();
        match former {
            Some(former) => self.by_age.remove(&(former.sealed, name)),
            None if self.by_name.len() >= self.seals_max => return Err(RejectReason::Busy),
            None => false,
        };
        let asked_us = former.map_or(asked_us, |former| former.asked_us.max(asked_us));
        self.insert(name, Seal { asked_us, sealed: now });
        Ok(())
    }

    fn insert(&mut self, name: Name, seal: Seal) {
        self.by_name.insert(name, seal);
        self.by_age.insert((seal.sealed, name));
    }

    /// The seal that refuses what was asked for then.
    fn refusing(&self, name: Name, asked_us: u64) -> Option<OrderId> {
        // Nearly always there is none at all.
        if self.by_name.is_empty() {
            return None;
        }
        self.by_name.get(&name).filter(|seal| asked_us <= seal.asked_us).map(|seal| SealName::no_order(seal.asked_us))
    }

    /// Forgets seals whose retention is over.
    pub(super) fn forget(&mut self, now: Timestamp) {
        for _ in 0..FORGET_MAX {
            match self.by_age.first().copied() {
                Some((sealed, name)) if sealed.plus_nanos(self.retention_ns) <= now => {
                    self.by_age.pop_first();
                    self.by_name.remove(&name);
                }
                _ => break,
            }
        }
    }

    /// In the order of sealing.
    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&(self.by_age.len() as u32));
        for (sealed, name) in &self.by_age {
            to.put(&name.0);
            to.put(&name.1);
            to.put(&name.2);
            to.put(&self.by_name[name].asked_us);
            to.put(sealed);
        }
    }

    pub(super) fn load(limits: &Limits, from: &mut Reader<'_>) -> Result<Seals, CodecError> {
        let mut seals = Seals::new(limits);
        for _ in 0..from.get::<u32>()? {
            let name = (from.get()?, from.get()?, from.get()?);
            let seal = Seal { asked_us: from.get()?, sealed: from.get()? };
            if seals.by_name.len() >= seals.seals_max || seals.by_name.contains_key(&name) {
                return Err(CodecError::OutOfRange);
            }
            seals.insert(name, seal);
        }
        Ok(seals)
    }
}

impl LedgerCell {
    /// The reply's id is the order or the open list that has the name, or 0.
    pub(crate) fn seal_name(&mut self, seal: &SealName) -> Answer {
        let SealName { account, client_order_id: name, asked_us, is_list } = *seal;
        self.registry.account(account)?;
        let taken_by = if is_list {
            self.lists.named(account, name).map(ListId::get)
        } else {
            self.orders.taken_by(account, &name).map(OrderId::get)
        };
        if let Some(id) = taken_by {
            return Ok(id);
        }
        self.seals.seal((account, name, is_list), asked_us, self.now)?;
        Ok(0)
    }

    /// Whether nothing of the order's name comes that was asked for when it was.
    pub(super) fn is_sealed(&self, order: &NewOrder) -> bool {
        self.seals.refusing((order.account, order.client_order_id, false), order.asked_us).is_some()
    }

    /// Whether a name may be taken by what was asked for then.
    #[inline]
    pub(super) fn check_name(&self, account: AccountId, name: &ClientOrderId, asked_us: u64) -> Result<(), Refused> {
        let taken_by = self.orders.taken_by(account, name);
        match taken_by.or_else(|| self.seals.refusing((account, *name, false), asked_us)) {
            Some(id) => Err(Refused::naming(RejectReason::DuplicateClientOrderId, id.get())),
            None => Ok(()),
        }
    }

    /// As [`LedgerCell::check_name`], for a list.
    pub(super) fn check_list_name(
        &self,
        account: AccountId,
        name: ClientOrderId,
        asked_us: u64,
    ) -> Result<(), Refused> {
        let taken_by = self.lists.named(account, name).map(ListId::get);
        let sealed = || self.seals.refusing((account, name, true), asked_us).map(OrderId::get);
        match taken_by.or_else(sealed) {
            Some(id) => Err(Refused::naming(RejectReason::DuplicateListClientOrderId, id)),
            None => Ok(()),
        }
    }

    /// Why nothing is done with an order that is not there: `UnknownOrder`, which stays true of one that was named by its
    /// client order id. A name that an order has had lately needs no seal.
    pub(super) fn unknown_order(
        &mut self,
        order: OrderId,
        account: AccountId,
        name: ClientOrderId,
        asked_us: u64,
    ) -> RejectReason {
        let is_named = order == OrderId::ZERO && !name.is_empty() && asked_us != 0;
        if !is_named || self.orders.taken_by(account, &name).is_some() {
            return RejectReason::UnknownOrder;
        }
        self.seals.seal((account, name, false), asked_us, self.now).err().unwrap_or(RejectReason::UnknownOrder)
    }

    /// As [`LedgerCell::unknown_order`], of a list.
    pub(super) fn unknown_list(&mut self, cancel: &CancelOrderList) -> RejectReason {
        let CancelOrderList { account, list, list_client_order_id: name, asked_us, .. } = *cancel;
        let is_named = list == ListId::ZERO && !name.is_empty() && asked_us != 0;
        if !is_named || self.lists.named(account, name).is_some() {
            return RejectReason::UnknownOrderList;
        }
        self.seals.seal((account, name, true), asked_us, self.now).err().unwrap_or(RejectReason::UnknownOrderList)
    }
}
