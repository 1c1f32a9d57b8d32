//! The open lists, and what of them waits.

use std::collections::BTreeMap;

use wire::codec::{CodecError, Reader, Writer};
use wire::mail::PlaceOrder;
use wire::{AccountId, Amount, CancelCause, ClientOrderId, ListId, ListKind, LogPosition, MarketId, OrderId, Terms};

/// An order that waits for the working one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) struct Waiting {
    pub(super) place: PlaceOrder,
    pub(super) terms: Terms,
}

/// A cancel that covers what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) struct Canceling {
    pub(super) request: LogPosition,
    pub(super) cause: CancelCause,
    pub(super) name: ClientOrderId,
}

/// A list with open orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ledger) struct List {
    pub(super) account: AccountId,
    pub(super) market: MarketId,
    pub(super) kind: ListKind,
    pub(super) name: ClientOrderId,
    /// 0 of an Oco, and once it has filled.
    pub(super) working: OrderId,
    /// The pair, or the pending order and 0.
    pub(super) legs: [OrderId; 2],
    /// The legs while they wait.
    pub(super) waiting: Vec<Waiting>,
    /// What each order of a pair needs, while the first one's hold covers both.
    pub(super) shares: Option<[Amount; 2]>,
    pub(super) open: u32,
    pub(super) canceling: Option<Canceling>,
}

/// Open lists, by id and by name.
#[derive(Default)]
pub(in crate::ledger) struct Lists {
    pub(super) last: ListId,
    pub(super) lists: BTreeMap<ListId, List>,
    pub(super) names: BTreeMap<(AccountId, ClientOrderId), ListId>,
}

impl Lists {
    pub(super) fn add(&mut self, id: ListId, list: List) {
        self.names.insert((list.account, list.name), id);
        self.lists.insert(id, list);
    }

    pub(super) fn remove(&mut self, id: ListId) -> Option<List> {
        let list = self.lists.remove(&id)?;
        self.names.remove(&(list.account, list.name));
        Some(list)
    }

    /// The open list of this name.
    pub(in crate::ledger) fn named(&self, account: AccountId, name: ClientOrderId) -> Option<ListId> {
        self.names.get(&(account, name)).copied()
    }

    pub(super) fn of_account(&self, account: AccountId) -> Vec<ListId> {
        let names = self.names.range((account, ClientOrderId::EMPTY)..);
        names.take_while(|((owner, _), _)| *owner == account).map(|(_, id)| *id).collect()
    }

    /// How many an account has open over all markets.
    pub(in crate::ledger) fn total(&self, account: AccountId) -> usize {
        let names = self.names.range((account, ClientOrderId::EMPTY)..);
        names.take_while(|((owner, _), _)| *owner == account).count()
    }

    pub(super) fn count(&self, account: AccountId, market: MarketId) -> usize {
        self.of_account(account).iter().filter(|id| self.lists[id].market == market).count()
    }

    pub(in crate::ledger) fn save(&self, to: &mut Writer<'_>) {
        to.put(&self.last);
        to.put(&(self.lists.len() as u32));
        for (id, list) in &self.lists {
            to.put(id);
            to.put(&list.account);
            to.put(&list.market);
            to.put(&list.kind);
            to.put(&list.name);
            to.put(&list.working);
            to.put(&list.legs[0]);
            to.put(&list.legs[1]);
            to.put(&(list.waiting.len() as u8));
            for waiting in &list.waiting {
                to.put(&waiting.place);
                to.put(&waiting.terms);
            }
            to.put(&list.shares.is_some());
            let shares = list.shares.unwrap_or_default();
            to.put(&shares[0]);
            to.put(&shares[1]);
            to.put(&list.open);
            to.put(&list.canceling.is_some());
            if let Some(canceling) = list.canceling {
                to.put(&canceling.request);
                to.put(&canceling.cause);
                to.put(&canceling.name);
            }
        }
    }

    pub(in crate::ledger) fn load(from: &mut Reader<'_>) -> Result<Lists, CodecError> {
        let mut lists = Lists { last: from.get()?, ..Lists::default() };
        for _ in 0..from.get::<u32>()? {
            let id = from.get()?;
            let mut list = List {
                account: from.get()?,
                market: from.get()?,
                kind: from.get()?,
                name: from.get()?,
                working: from.get()?,
                legs: [from.get()?, from.get()?],
                waiting: Vec::with_capacity(2),
                shares: None,
                open: 0,
                canceling: None,
            };
            let waiting: u8 = from.get()?;
            if usize::from(waiting) > list.legs.len() {
                return Err(CodecError::OutOfRange);
            }
            for _ in 0..waiting {
                list.waiting.push(Waiting { place: from.get()?, terms: from.get()? });
            }
            let is_shared: bool = from.get()?;
            let shares = [from.get()?, from.get()?];
            // Only a pair shares a hold, and only once it has left the ledger.
            let is_pair = list.legs.iter().all(|leg| *leg != OrderId::ZERO);
            let may_share = is_pair && list.kind != ListKind::Oto && list.waiting.is_empty();
            let is_written = if is_shared { may_share } else { shares == [Amount::ZERO; 2] };
            if !is_written {
                return Err(CodecError::OutOfRange);
            }
            list.shares = is_shared.then_some(shares);
            list.open = from.get()?;
            if from.get()? {
                list.canceling = Some(Canceling { request: from.get()?, cause: from.get()?, name: from.get()? });
            }
            let is_known = lists.lists.contains_key(&id) || lists.names.contains_key(&(list.account, list.name));
            if is_known || id == ListId::ZERO || id > lists.last || list.open == 0 {
                return Err(CodecError::OutOfRange);
            }
            lists.add(id, list);
        }
        Ok(lists)
    }
}

#[cfg(test)]
mod tests;
