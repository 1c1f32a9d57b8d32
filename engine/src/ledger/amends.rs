//! Amends: an order gets less quantity and keeps its priority.
//!
//! - The new quantity is the whole one, what has traded included: below the present one, above what the ledger knows to have
//!   traded (`AmendNotLower`), and it passes the lot and notional filters. What goes to the market is the difference, so
//!   fills on their way do no harm; when no more than the difference is left there, the amend is refused with
//!   `TooLateToCancel` and nothing changes.
//! - Limit orders, icebergs and stop orders can be amended; market orders cannot (`AmendNotAllowed`). One amend of an order is
//!   on its way at a time (`AmendPending`), and there are only so many in its life (`TooManyAmends`, MAX_NUM_ORDER_AMENDS).
//! - Orders of lists: both orders of a pair have one quantity, so an amend of one amends the other, each is told
//!   `OrderAmended`, the one that was named first, and each has to pass the filters; the other keeps its name. The working
//!   order and what waits for it are amended apart. What waits has not left the ledger: it is amended here, at once.
//! - The order may get another client order id, unused as for a new order; it is taken from the command on, and free again if
//!   the amend is refused. The former one stays taken for the retention, as if its order had closed.
//! - The hold follows: of a limit buy what the rest costs at the limit, of a sell the difference is released; the budget of
//!   a stop that becomes a market buy shrinks to what the rest costs at its protection price, if it is more.

use std::collections::BTreeMap;

use wire::codec::{CodecError, Reader, Writer};
use wire::command::AmendOrder;
use wire::event::{AmendRejected, OrderAmended};
use wire::mail::{OrderReduced, ReduceOrder, ReduceRefused};
use wire::{
    AccountId, Amount, ClientOrderId, Event, LogPosition, Mail, OrderId, PartitionId, Price, Qty, RejectReason, Side,
    Sides,
};

use super::lanes::Asked;
use super::orders::Order;
use super::{Answer, LedgerCell, Refused};
use crate::effects::Effects;

/// An amend that is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Amending {
    request: LogPosition,
    account: AccountId,
    /// The name that is taken for it; empty when the order keeps its own.
    name: ClientOrderId,
}

/// Amends without an outcome, by order: no more than cancels have room.
#[derive(Default)]
pub(super) struct Amends {
    orders: BTreeMap<OrderId, Amending>,
}

impl Amends {
    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&(self.orders.len() as u32));
        for (order, amending) in &self.orders {
            to.put(order);
            to.put(&amending.request);
            to.put(&amending.account);
            to.put(&amending.name);
        }
    }

    pub(super) fn load(from: &mut Reader<'_>) -> Result<Amends, CodecError> {
        let mut amends = Amends::default();
        for _ in 0..from.get::<u32>()? {
            let order = from.get()?;
            let amending = Amending { request: from.get()?, account: from.get()?, name: from.get()? };
            amends.orders.insert(order, amending);
        }
        Ok(amends)
    }

    /// The request of an order's amend without an outcome.
    pub(super) fn on_its_way(&self, order: OrderId) -> Option<LogPosition> {
        self.orders.get(&order).map(|amending| amending.request)
    }

    /// The names that are taken for amends.
    pub(super) fn names(&self) -> impl Iterator<Item = (OrderId, AccountId, ClientOrderId)> {
        let renaming = self.orders.iter().filter(|(_, amending)| !amending.name.is_empty());
        renaming.map(|(order, amending)| (*order, amending.account, amending.name))
    }
}

impl LedgerCell {
    /// Sends the amend after the order.
    pub(crate) fn amend_order(
        &mut self,
        position: LogPosition,
        amend: &AmendOrder,
        effects: &mut Effects<'_>,
    ) -> Answer {
        let AmendOrder { account, market, new_client_order_id: name, .. } = *amend;
        let (order, partition) = match self.check_amend(amend) {
            Err(refused) if refused.reason == RejectReason::UnknownOrder => {
                return Err(self.unknown_order(amend.order, account, amend.client_order_id, amend.asked_us).into());
            }
            checked => checked?,
        };
        let by = order.qty.checked_sub(amend.qty).ok_or(RejectReason::AmendNotLower)?;
        let taken = if name == order.client_order_id { ClientOrderId::EMPTY } else { name };
        if !taken.is_empty() {
            self.orders.take_name(account, &taken, order.id);
        }
        if self.waits_in_list(&order) {
            self.orders.rename(order.id, name, self.age);
            for id in [Some(order.id), self.other_leg(&order).map(|other| other.id)].into_iter().flatten() {
                self.shrink_waiting(id, amend.qty);
                self.note_amend(id, by, amend.qty, position, effects);
            }
            return Ok(order.id.get());
        }
        self.amends.orders.insert(order.id, Amending { request: position, account, name: taken });
        let (name, sides) = (ClientOrderId::EMPTY, Sides::Both);
        let asked = Asked { request: position, account, market, order: order.id, name, sides };
        self.lanes.ask(partition, asked);
        let reduce = ReduceOrder { market, order: order.id, by, request: position };
        effects.send(partition, Mail::ReduceOrder(reduce));
        Ok(order.id.get())
    }

    fn check_amend(&self, amend: &AmendOrder) -> Result<(Order, PartitionId), Refused> {
        let AmendOrder { account, market, order, ref client_order_id, qty, ref new_client_order_id, asked_us } = *amend;
        self.registry.account(account)?;
        let listed = self.registry.market(market)?.listed;
        let open = match order.get() {
            0 => self.orders.named(account, client_order_id),
            _ => self.orders.get(order),
        };
        let Some(open) = open.copied().filter(|open| open.account == account && open.market == market) else {
            return Err(RejectReason::UnknownOrder.into());
        };
        if !(open.is_limit || open.is_stop) {
            return Err(RejectReason::AmendNotAllowed.into());
        }
        let other = self.other_leg(&open);
        if [Some(open), other].into_iter().flatten().any(|order| self.amends.orders.contains_key(&order.id)) {
            return Err(RejectReason::AmendPending.into());
        }
        if open.amends >= listed.rules.special.order_amends_max {
            return Err(RejectReason::TooManyAmends.into());
        }
        let traded = open.qty.checked_sub(open.leaves).unwrap_or(Qty::ZERO);
        if qty >= open.qty || qty <= traded {
            return Err(RejectReason::AmendNotLower.into());
        }
        let rules = &listed.rules;
        if qty < rules.qty_min {
            return Err(RejectReason::QtyTooSmall.into());
        }
        if !qty.is_multiple_of(rules.lot) {
            return Err(RejectReason::QtyOffLot.into());
        }
        for order in [Some(open), other].into_iter().flatten().filter(|order| order.is_limit) {
            let notional = order.price.notional(qty, listed.scale.quote_factor);
            if notional.is_some_and(|notional| notional < rules.notional_min) {
                return Err(RejectReason::NotionalTooSmall.into());
            }
            let has_min = rules.special.has_min_notional(false);
            if has_min && notional.is_some_and(|notional| notional < rules.special.min_notional) {
                return Err(RejectReason::BelowMinNotional.into());
            }
        }
        if *new_client_order_id != open.client_order_id {
            if !new_client_order_id.is_client_order_id() {
                return Err(RejectReason::BadClientOrderId.into());
            }
            self.check_name(account, new_client_order_id, asked_us)?;
            if !self.orders.has_room_for_names(1) {
                return Err(RejectReason::Busy.into());
            }
        }
        if !self.cancels_have_room(listed.partition) {
            return Err(RejectReason::Busy.into());
        }
        Ok((open, listed.partition))
    }

    pub(super) fn reduced(&mut self, from: PartitionId, reduced: &OrderReduced, effects: &mut Effects<'_>) {
        let OrderReduced { order: id, by, leaves, request, .. } = *reduced;
        self.lanes.ended(from, request, id);
        let amending = self.amends.orders.remove(&id);
        let Some((order, market)) = self.order_of(from, id) else { return };
        let cost = |price: Price| price.notional(leaves, market.scale.quote_factor);
        let need = |held: Amount| {
            let need = match (order.is_limit, order.side) {
                (true, Side::Buy) => cost(order.price),
                (false, Side::Buy) => Some(cost(order.price).map_or(held, |cost| cost.min(held))),
                (_, Side::Sell) => by.to_amount(market.scale.base_factor).and_then(|base| held.checked_sub(base)),
            };
            need.expect("a part is held for with the whole")
        };
        self.lower_hold(&order, &market, need);
        if let Some(amending) = amending.filter(|amending| !amending.name.is_empty()) {
            self.orders.rename(id, amending.name, self.age);
        }
        self.note_amend(id, by, leaves, request, effects);
    }

    /// The order has so much less, and is told so.
    fn note_amend(&mut self, id: OrderId, by: Qty, leaves: Qty, request: LogPosition, effects: &mut Effects<'_>) {
        let Some(open) = self.orders.get_mut(id) else { return };
        let qty_before = open.qty;
        let qty = qty_before.checked_sub(by).expect("an amend takes less than the whole");
        (open.qty, open.leaves, open.amends) = (qty, leaves, open.amends.saturating_add(1));
        let Order { account, market, client_order_id, .. } = *open;
        let told = OrderAmended { order: id, account, market, qty_before, qty, leaves, client_order_id, request };
        effects.tell(Event::OrderAmended(told));
    }

    /// The market's answer to an amend is put aside: the order keeps what the ledger knows of it, and the amend has an outcome.
    pub(crate) fn give_up_amend(&mut self, from: PartitionId, answer: &Mail, effects: &mut Effects<'_>) {
        let (market, order, request) = match answer {
            Mail::OrderReduced(mail) => (mail.market, mail.order, mail.request),
            Mail::ReduceRefused(mail) => (mail.market, mail.order, mail.request),
            _ => return,
        };
        self.lanes.ended(from, request, order);
        if self.amends.on_its_way(order) != Some(request) {
            return;
        }
        let Some(amending) = self.amends.orders.remove(&order) else { return };
        if !amending.name.is_empty() {
            self.orders.free_name(amending.account, &amending.name, order);
        }
        let (account, reason) = (amending.account, RejectReason::Quarantined);
        effects.tell(Event::AmendRejected(AmendRejected { order, account, market, reason, request }));
    }

    pub(super) fn reduce_refused(&mut self, from: PartitionId, refused: &ReduceRefused, effects: &mut Effects<'_>) {
        let ReduceRefused { market, order, request } = *refused;
        let Some(asked) = self.lanes.answered(from, request) else { return };
        let Some(amending) = self.amends.orders.remove(&order) else { return };
        if !amending.name.is_empty() {
            self.orders.free_name(amending.account, &amending.name, order);
        }
        let (account, reason) = (asked.account, RejectReason::TooLateToCancel);
        effects.tell(Event::AmendRejected(AmendRejected { order, account, market, reason, request }));
    }
}
