//! The certainty that no order of a name comes any more: a client that is told "no such order" has no doubt left, whatever
//! gateway it sent that order to and whatever became of it.
//!
//! A seal says that nothing of a name comes that was asked for up to some moment ([`SealName`]). It is true for ever: no
//! order takes it away. It is forgotten after the retention of names, and there is room for a part of the names.

use std::collections::{BTreeMap, BTreeSet};

use wire::codec::{CodecError, Reader, Writer};
use wire::command::{CancelOrderList, NewOrder, SealName};
use wire::{AccountId, ClientOrderId, ListId, OrderId, RejectReason, Timestamp};

use super::orders::key;
use super::{Answer, LedgerCell, Refused};
use crate::limits::Limits;
use crate::name_index::Name;

/// A name of an order or, the last being true, of a list.
type Sealed = (AccountId, ClientOrderId, bool);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seal {
    /// Nothing comes that was asked for up to here.
    asked_us: u64,
    sealed: Timestamp,
}

pub(super) struct Seals {
    by_name: BTreeMap<Sealed, Seal>,
    by_age: BTreeSet<(Timestamp, Sealed)>,
    seals_max: usize,
    retention_ns: u64,
    /// When the retention of the oldest is over.
    forgets_at: Timestamp,
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
            forgets_at: Timestamp::NEVER,
        }
    }

    /// Seals a name, or seals it anew: the latest question counts.
    fn seal(&mut self, name: Sealed, asked_us: u64, now: Timestamp) -> Result<(), RejectReason> {
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

    fn insert(&mut self, name: Sealed, seal: Seal) {
        self.by_name.insert(name, seal);
        self.by_age.insert((seal.sealed, name));
        self.settle();
    }

    fn settle(&mut self) {
        let oldest = self.by_age.first().map(|(sealed, _)| sealed.plus_nanos(self.retention_ns));
        self.forgets_at = oldest.unwrap_or(Timestamp::NEVER);
    }

    /// The seal that refuses what was asked for then.
    #[inline]
    fn refusing(&self, (account, name, is_list): (AccountId, &ClientOrderId, bool), asked_us: u64) -> Option<OrderId> {
        // Nearly always there is none at all.
        if self.by_name.is_empty() {
            return None;
        }
        self.by_name
            .get(&(account, *name, is_list))
            .filter(|seal| asked_us <= seal.asked_us)
            .map(|seal| SealName::no_order(seal.asked_us))
    }

    /// Forgets seals whose retention is over.
    #[inline]
    pub(super) fn forget(&mut self, now: Timestamp) {
        if now >= self.forgets_at {
            self.forget_some(now);
        }
    }

    #[cold]
    fn forget_some(&mut self, now: Timestamp) {
        for _ in 0..FORGET_MAX {
            match self.by_age.first().copied() {
                Some((sealed, name)) if sealed.plus_nanos(self.retention_ns) <= now => {
                    self.by_age.pop_first();
                    self.by_name.remove(&name);
                }
                _ => break,
            }
        }
        self.settle();
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
        self.seals.seal((account, name, is_list), asked_us, self.age)?;
        Ok(0)
    }

    /// Whether nothing of the order's name comes that was asked for when it was.
    pub(super) fn is_sealed(&self, order: &NewOrder) -> bool {
        self.seals.refusing((order.account, &order.client_order_id, false), order.asked_us).is_some()
    }

    /// Whether a name may be taken by what was asked for then; if so, what it is found by.
    #[inline(always)]
    pub(super) fn check_name(&self, account: AccountId, name: &ClientOrderId, asked_us: u64) -> Result<Name, Refused> {
        let found_by = key(account, name);
        let taken_by = self.orders.name_taken_by(&found_by);
        match taken_by.or_else(|| self.seals.refusing((account, name, false), asked_us)) {
            Some(id) => Err(Refused::naming(RejectReason::DuplicateClientOrderId, id.get())),
            None => Ok(found_by),
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
        let sealed = || self.seals.refusing((account, &name, true), asked_us).map(OrderId::get);
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
        self.seals.seal((account, name, false), asked_us, self.age).err().unwrap_or(RejectReason::UnknownOrder)
    }

    /// As [`LedgerCell::unknown_order`], of a list.
    pub(super) fn unknown_list(&mut self, cancel: &CancelOrderList) -> RejectReason {
        let CancelOrderList { account, list, list_client_order_id: name, asked_us, .. } = *cancel;
        let is_named = list == ListId::ZERO && !name.is_empty() && asked_us != 0;
        if !is_named || self.lists.named(account, name).is_some() {
            return RejectReason::UnknownOrderList;
        }
        self.seals.seal((account, name, true), asked_us, self.age).err().unwrap_or(RejectReason::UnknownOrderList)
    }
}
