//! What becomes of an open list: one of its orders ends, what waits has its turn or ends too, the list is over.

use wire::event::{ListEnded, ListRejected, OrderCanceled, OrderRejected};
use wire::mail::{PlaceOrder, PlaceOrderOnTerms};
use wire::{
    Amount, CancelCause, ClientOrderId, Event, ListId, ListKind, LogPosition, Mail, MarketStatus, OrderId, PartitionId,
    Qty, RejectReason,
};

use super::super::admission::{Admitted, check_filters};
use super::super::orders::Order;
use super::super::replace::as_new;
use super::super::{LedgerCell, Refused};
use super::table::{Canceling, List, Waiting};
use crate::effects::Effects;
use crate::market::admits;

impl LedgerCell {
    /// An order of a list is about to give its hold back: how much of it, when another order shared it.
    pub(in crate::ledger) fn unshare(&mut self, order: &Order) -> Amount {
        let Some(list) = self.lists.lists.get_mut(&order.list) else { return order.held };
        let Some(needs) = list.shares.take() else { return order.held };
        let (stays, need) = if list.legs[0] == order.id { (list.legs[1], needs[1]) } else { (list.legs[0], needs[0]) };
        let whole = needs[0].max(needs[1]);
        if let Some(other) = self.orders.get_mut(stays) {
            other.held = need;
        }
        whole.checked_sub(need).unwrap_or(Amount::ZERO)
    }

    /// An order of a list has ended, filled when `end` is none. Comes after what was told of it.
    pub(in crate::ledger) fn leave_list(
        &mut self,
        from: PartitionId,
        order: &Order,
        end: Option<(CancelCause, LogPosition, ClientOrderId)>,
        effects: &mut Effects<'_>,
    ) {
        let Some(list) = self.lists.lists.get_mut(&order.list) else { return };
        list.open = list.open.saturating_sub(1);
        if list.working == order.id {
            list.working = OrderId::ZERO;
            let waiting = std::mem::take(&mut list.waiting);
            let canceling = list.canceling.take();
            match (end, canceling) {
                (Some((cause, request, name)), _) if request != LogPosition::ZERO => {
                    self.end_waiting(&waiting, (cause, request, name), effects);
                }
                (Some(_), _) => {
                    let end = (CancelCause::WorkingEnded, LogPosition::ZERO, ClientOrderId::EMPTY);
                    self.end_waiting(&waiting, end, effects);
                }
                (None, Some(Canceling { request, cause, name })) => {
                    // What a lease ends may have the position of a replace, which has its own answer.
                    if cause == CancelCause::Requested {
                        self.replaced_while_it_waited(request, order.id);
                        // What it was for has ended by it, though its market will find nothing.
                        self.lanes.forget(from, request, order.id);
                    }
                    self.end_waiting(&waiting, (cause, request, name), effects);
                }
                (None, None) => self.activate(from, order.list, &waiting, effects),
            }
        }
        self.close_list(order.list, None, effects);
    }

    /// Ends orders that have not entered their market.
    fn end_waiting(
        &mut self,
        waiting: &[Waiting],
        (cause, request, name): (CancelCause, LogPosition, ClientOrderId),
        effects: &mut Effects<'_>,
    ) {
        for Waiting { place, .. } in waiting {
            let Some(order) = self.orders.get(place.order).copied() else { continue };
            self.orders.close(order.id, self.age);
            if let Some(list) = self.lists.lists.get_mut(&order.list) {
                list.open = list.open.saturating_sub(1);
            }
            effects.tell(Event::OrderCanceled(OrderCanceled {
                order: order.id,
                account: order.account,
                market: order.market,
                leaves: order.leaves,
                cause,
                request,
                canceled_as: name,
            }));
        }
    }

    /// The working order has filled: what waited is held for and placed.
    fn activate(&mut self, to: PartitionId, id: ListId, waiting: &[Waiting], effects: &mut Effects<'_>) {
        let held = match self.hold_for_waiting(waiting) {
            Ok(held) => held,
            Err(_) => {
                let end = (CancelCause::NotPlaced, LogPosition::ZERO, ClientOrderId::EMPTY);
                self.end_waiting(waiting, end, effects);
                return;
            }
        };
        let mut placed = Vec::with_capacity(2);
        for (waiting, admitted) in waiting.iter().zip(&held) {
            let (qty, budget) = (admitted.qty, admitted.budget);
            let place = PlaceOrder { qty, budget, ..waiting.place };
            if let Some(open) = self.orders.get_mut(place.order) {
                (open.qty, open.leaves) = (qty, qty);
            }
            placed.push(Waiting { place, terms: waiting.terms });
        }
        match (&held[..], &placed[..]) {
            ([one], [order]) => {
                self.hold_up_to(order.place.order, one.hold);
                self.lanes.place(to);
                let mail = PlaceOrderOnTerms { place: order.place, terms: order.terms, is_late: true };
                effects.send(to, Mail::PlaceOrderOnTerms(Box::new(mail)));
            }
            ([first, second], [order, _]) => {
                self.hold_up_to(order.place.order, first.hold.max(second.hold));
                if let Some(list) = self.lists.lists.get_mut(&id) {
                    list.shares = Some([first.hold, second.hold]);
                }
                self.send_pair(to, id, &placed, true, effects);
            }
            _ => {}
        }
    }

    fn hold_for_waiting(&self, waiting: &[Waiting]) -> Result<Vec<Admitted>, Refused> {
        let mut held = Vec::with_capacity(2);
        for Waiting { place, terms } in waiting {
            let order = self.orders.get(place.order).ok_or(RejectReason::UnknownOrder)?;
            let market = self.registry.market(place.market)?;
            // Where nothing matches, nothing fills but in the uncrossing that ends this: the copy of the phase is behind, and the
            // market, which will have the next one by then, has the word.
            if matches!(market.status, MarketStatus::Trading | MarketStatus::PostOnly) {
                admits(market.status, place.kind, place.time_in_force)?;
            }
            let new = as_new(place, Amount::ZERO, order);
            check_filters(&new, Some(terms), &market.listed)?;
            held.push(self.hold_for(&new, &market.listed, Amount::ZERO)?);
        }
        Ok(held)
    }

    /// The market has refused an order of a list. Its hold is released by now.
    pub(in crate::ledger) fn refused_in_list(
        &mut self,
        order: &Order,
        reason: RejectReason,
        effects: &mut Effects<'_>,
    ) {
        let Some(list) = self.lists.lists.get_mut(&order.list) else { return };
        list.open = list.open.saturating_sub(1);
        list.shares = None;
        let (account, market) = (order.account, order.market);
        if list.working == OrderId::ZERO && list.kind != ListKind::Oco {
            // Its list has long begun: it had its turn and could not be placed.
            self.orders.close(order.id, self.age);
            let (cause, request) = (CancelCause::NotPlaced, LogPosition::ZERO);
            let (leaves, canceled_as) = (order.leaves, ClientOrderId::EMPTY);
            let told = OrderCanceled { order: order.id, account, market, leaves, cause, request, canceled_as };
            effects.tell(Event::OrderCanceled(told));
            self.close_list(order.list, None, effects);
            return;
        }
        let waiting = std::mem::take(&mut list.waiting);
        list.open = list.open.saturating_sub(waiting.len() as u32);
        self.orders.discard(order.id);
        effects.tell(Event::OrderRejected(OrderRejected { order: order.id, account, market, reason }));
        for Waiting { place, .. } in waiting {
            self.orders.discard(place.order);
            effects.tell(Event::OrderRejected(OrderRejected { order: place.order, account, market, reason }));
        }
        self.close_list(order.list, Some(reason), effects);
    }

    fn close_list(&mut self, id: ListId, rejected: Option<RejectReason>, effects: &mut Effects<'_>) {
        if self.lists.lists.get(&id).is_none_or(|list| list.open > 0) {
            return;
        }
        let Some(List { account, market, .. }) = self.lists.remove(id) else { return };
        effects.tell(match rejected {
            Some(reason) => Event::ListRejected(ListRejected { list: id, account, market, reason }),
            None => Event::ListEnded(ListEnded { list: id, account, market }),
        });
    }

    /// The order that shares this one's quantity: the other one of its pair, while both are open.
    pub(in crate::ledger) fn other_leg(&self, order: &Order) -> Option<Order> {
        let list = self.lists.lists.get(&order.list).filter(|list| list.working != order.id)?;
        let other = if list.legs[0] == order.id { list.legs[1] } else { list.legs[0] };
        self.orders.get(other).copied()
    }

    /// What waits will be placed with this quantity; an iceberg then shows no more than it.
    pub(in crate::ledger) fn shrink_waiting(&mut self, id: OrderId, qty: Qty) {
        let Some(list) = self.orders.get(id).map(|order| order.list) else { return };
        let Some(list) = self.lists.lists.get_mut(&list) else { return };
        for waiting in list.waiting.iter_mut().filter(|waiting| waiting.place.order == id) {
            waiting.place.qty = qty;
            waiting.terms.visible_qty = waiting.terms.visible_qty.min(qty);
        }
    }

    /// An order whose pair shares one hold needs less, which `need` says from what it needed: whose hold that is, and how much
    /// of it is free. None when the order has a hold of its own.
    pub(in crate::ledger) fn lower_share(
        &mut self,
        order: &Order,
        need: impl Fn(Amount) -> Amount,
    ) -> Option<(OrderId, Amount)> {
        let list = self.lists.lists.get_mut(&order.list)?;
        let shares = list.shares.as_mut()?;
        let before = shares[0].max(shares[1]);
        let at = usize::from(list.legs[0] != order.id);
        shares[at] = need(shares[at]);
        let released = before.checked_sub(shares[0].max(shares[1])).unwrap_or(Amount::ZERO);
        Some((list.legs[0], released))
    }
}
