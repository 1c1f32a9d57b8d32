//! Order lists, as Binance Spot defines them.
//!
//! - *Oco*: two orders of one side and quantity, a `StopLoss` or `StopLossLimit` and a `LimitMaker`, `TakeProfit` or
//!   `TakeProfitLimit`. Of a sell the limit (or take-profit stop) lies above the stop-loss's stop price, of a buy below it
//!   (`BadListPrices`); the market compares them with the last price as well. They enter their market together or not at
//!   all, and one hold, the larger of what each needs, covers both.
//! - The first fill or the trigger of one ends the other (`OtherLeg`), before its own fills; a cancel of one ends both.
//!   Whenever one ends while the other stays, what the other does not need is released.
//! - *Oto*: a working `Limit` or `LimitMaker` order and a pending order of any kind, by base quantity. The pending one is
//!   checked with the list and waits here, without a hold. When the working one has filled *whole*, it is held for and
//!   placed as if it came in then, also when that was in an auction, over however many commands: it meets the market that
//!   comes after it. If it does not fit the filters by then, its hold is not free, its market takes no such order, or refuses
//!   it, it ends with `NotPlaced`. When the working one ends otherwise, even partly filled, it ends too: with the same cause
//!   and request if a command asked for that, else with `WorkingEnded`. A cancel of the pending one, or of the list, cancels
//!   the working one.
//! - *Otoco*: a working order, then a pair with the rules of an Oco.
//! - A cancel that meets a fill of the working order on its way still covers the orders that wait: they end instead of being
//!   placed. A mass cancel of one side goes by the side of the working order.
//! - All of a list's orders count as open from the start (`MAX_NUM_ORDERS`, `MAX_NUM_ALGO_ORDERS`, `MAX_NUM_ICEBERG_ORDERS`), each counts for the order
//!   rate, and the limits of accounts look at each with those before it in the list. They take their client
//!   order ids. The list's name is unused among open lists. No leg is good till a date. How orders of lists are amended is with
//!   the amends.
//! - *Told*: `OrderPending` and `OrderTerms` of each order, `ListStarted`; `ListEnded` after the last order has ended;
//!   `ListRejected` instead when the market refuses an Oco, or the working order, and with it all orders
//!   (`OrderRejected`).

mod course;
mod table;

use wire::command::{CancelOrderList, NewOrder, NewOrderList};
use wire::event::ListStarted;
use wire::mail::{PairLeg, PlaceOrder, PlaceOrderOnTerms, PlacePair, PullOrder};
use wire::{
    AccountId, Amount, CancelCause, ClientOrderId, Event, ListId, ListKind, LogPosition, Mail, MarketId, OrderId,
    PartitionId, RejectReason, Side, Sides, Terms,
};

pub(super) use self::table::Lists;
use self::table::{Canceling, List, Waiting};
use super::admission::{Admitted, Beside};
use super::conduct::bought;
use super::lanes::Asked;
use super::list_shape::check_shape;
use super::orders::Order;
use super::special::is_iceberg;
use super::{Answer, LedgerCell, Refused};
use crate::effects::Effects;
use crate::mailbox::Mailboxes;

/// A leg that has been checked.
struct Leg {
    order: NewOrder,
    terms: Terms,
    admitted: Admitted,
}

impl LedgerCell {
    /// Whether the order waits for the working order of its list.
    pub(super) fn waits_in_list(&self, order: &Order) -> bool {
        order.list != ListId::ZERO
            && self
                .lists
                .lists
                .get(&order.list)
                .is_some_and(|list| list.waiting.iter().any(|waiting| waiting.place.order == order.id))
    }

    /// Holds for what enters its market at once and sends it.
    pub(crate) fn new_order_list(
        &mut self,
        new: &NewOrderList,
        mailboxes: &Mailboxes,
        effects: &mut Effects<'_>,
    ) -> Answer {
        let legs = self.check_list(new, mailboxes)?;
        let [first, ..] = &legs[..] else { return Err(RejectReason::BadOrderList.into()) };
        let (account, market, partition) = (first.order.account, first.order.market, first.admitted.partition);
        let id = self.lists.last.next();
        self.lists.last = id;
        let is_pair = new.kind == ListKind::Oco;
        let needs = [legs[0].admitted.hold, legs[1].admitted.hold];
        let mut placed = Vec::with_capacity(3);
        for (at, leg) in legs.iter().enumerate() {
            let hold = match at {
                0 if is_pair => needs[0].max(needs[1]),
                0 => leg.admitted.hold,
                _ => Amount::ZERO,
            };
            let admitted = Admitted { hold, ..leg.admitted };
            let place = self.open_order(&leg.order, &admitted, id, is_iceberg(&leg.terms), effects);
            self.tell_terms(place.order, &leg.order, id, leg.terms, effects);
            placed.push(Waiting { place, terms: leg.terms });
        }
        let order_at = |at: usize| placed.get(at).map_or(OrderId::ZERO, |waiting| waiting.place.order);
        effects.tell(Event::ListStarted(ListStarted {
            list: id,
            account,
            market,
            kind: new.kind,
            list_client_order_id: new.list_client_order_id,
            first: order_at(0),
            second: order_at(1),
            third: order_at(2),
        }));
        let mut list = List {
            account,
            market,
            kind: new.kind,
            name: new.list_client_order_id,
            working: OrderId::ZERO,
            legs: [order_at(0), order_at(1)],
            waiting: Vec::new(),
            shares: is_pair.then_some(needs),
            open: placed.len() as u32,
            canceling: None,
        };
        if is_pair {
            self.send_pair(partition, id, &placed, false, effects);
        } else {
            let working = placed.remove(0);
            list.working = working.place.order;
            list.legs = [order_at_of(&placed, 0), order_at_of(&placed, 1)];
            list.waiting = placed;
            self.lanes.place(partition);
            let mail = PlaceOrderOnTerms { place: working.place, terms: working.terms, is_late: false };
            effects.send(partition, Mail::PlaceOrderOnTerms(Box::new(mail)));
        }
        self.lists.add(id, list);
        Ok(id.get())
    }

    fn send_pair(&mut self, to: PartitionId, list: ListId, pair: &[Waiting], is_late: bool, effects: &mut Effects<'_>) {
        let [first, second] = pair else { return };
        self.lanes.place(to);
        self.lanes.place(to);
        let PlaceOrder { market, account, side, self_trade, group, qty, .. } = first.place;
        let (first, second) = (pair_leg(first), pair_leg(second));
        let pair = PlacePair { market, account, list, side, self_trade, group, qty, first, second, is_late };
        effects.send(to, Mail::PlacePair(Box::new(pair)));
    }

    fn check_list(&self, new: &NewOrderList, mailboxes: &Mailboxes) -> Result<Vec<Leg>, Refused> {
        let first = new.legs.first().ok_or(RejectReason::BadOrderList)?.order;
        let (account, market) = (first.account, first.market);
        self.registry.account(account)?;
        let listed = self.registry.market(market)?.listed;
        let name = new.list_client_order_id;
        if !name.is_client_order_id() {
            return Err(RejectReason::BadClientOrderId.into());
        }
        self.check_list_name(account, name, first.asked_us)?;
        check_shape(new)?;
        let mut legs = Vec::with_capacity(new.legs.len());
        let mut beside = Beside::default();
        for (at, leg) in new.legs.iter().enumerate() {
            let order = self.protected(&leg.order, &leg.terms)?;
            let enters_now = at == 0 || new.kind == ListKind::Oco;
            beside.credit = if enters_now { Amount::ZERO } else { Amount::MAX };
            let admitted = self.admit_with(&order, Some(&leg.terms), &beside)?;
            beside.orders += 1;
            beside.stops += u32::from(order.kind.is_stop());
            beside.icebergs += u32::from(is_iceberg(&leg.terms));
            if order.side == Side::Buy {
                beside.bought += bought(&order, &admitted);
            }
            legs.push(Leg { order, terms: leg.terms, admitted });
        }
        let (rules, more) = (&listed.rules, legs.len() as u32);
        if self.orders.count(account, market) + more > rules.open_orders_max {
            return Err(RejectReason::TooManyOpenOrders.into());
        }
        if self.orders.stops().of(account, market) + beside.stops > rules.special.stop_orders_max {
            return Err(RejectReason::TooManyStopOrders.into());
        }
        let (icebergs, icebergs_max) = (beside.icebergs, rules.special.iceberg_orders_max);
        if icebergs > 0 && icebergs_max > 0 && self.orders.icebergs().of(account, market) + icebergs > icebergs_max {
            return Err(RejectReason::TooManyIcebergOrders.into());
        }
        if self.lists.count(account, market) >= rules.special.order_lists_max as usize {
            return Err(RejectReason::TooManyOrderLists.into());
        }
        self.check_lists_of(account)?;
        if !self.orders.has_room_for(legs.len()) {
            return Err(RejectReason::Busy.into());
        }
        if !self.lane_has_room(listed.partition, mailboxes) {
            return Err(RejectReason::MarketUnavailable.into());
        }
        Ok(legs)
    }

    /// Cancels what is open of a list.
    pub(crate) fn cancel_order_list(
        &mut self,
        position: LogPosition,
        cancel: &CancelOrderList,
        effects: &mut Effects<'_>,
    ) -> Answer {
        let CancelOrderList { account, market, list, list_client_order_id, new_client_order_id: name, .. } = *cancel;
        self.registry.account(account)?;
        let partition = self.registry.market(market)?.listed.partition;
        let id = match list.get() {
            0 => self.lists.named(account, list_client_order_id).unwrap_or(ListId::ZERO),
            _ => list,
        };
        let found = self.lists.lists.get(&id).filter(|list| list.account == account && list.market == market);
        let Some(list) = found else { return Err(self.unknown_list(cancel).into()) };
        let open = list.legs.into_iter().find(|leg| self.orders.get(*leg).is_some());
        let Some(order) = open else { return Err(RejectReason::UnknownOrderList.into()) };
        if !self.cancels_have_room(partition) {
            return Err(RejectReason::Busy.into());
        }
        let cause = CancelCause::Requested;
        let order = self.order_to_pull(order, position, cause, name);
        self.lanes.ask(partition, Asked { request: position, account, market, order, name, sides: Sides::Both });
        effects.send(partition, Mail::PullOrder(PullOrder { market, order, request: position, cause }));
        Ok(id.get())
    }

    /// Which order is pulled from its market when this one is canceled: the working one for one that waits, whose list
    /// notes that what waits is not to be placed.
    pub(super) fn order_to_pull(
        &mut self,
        id: OrderId,
        request: LogPosition,
        cause: CancelCause,
        name: ClientOrderId,
    ) -> OrderId {
        let Some(order) = self.orders.get(id).copied().filter(|order| self.waits_in_list(order)) else { return id };
        let Some(list) = self.lists.lists.get_mut(&order.list) else { return id };
        list.canceling.get_or_insert(Canceling { request, cause, name });
        list.working
    }

    /// A mass cancel covers what waits behind a working order of these sides.
    pub(super) fn cancel_waiting(
        &mut self,
        account: AccountId,
        market: MarketId,
        covers: impl Fn(Side) -> bool,
        request: LogPosition,
        cause: CancelCause,
    ) {
        for id in self.lists.of_account(account) {
            let Some(list) = self.lists.lists.get_mut(&id) else { continue };
            let is_meant = list.market == market && !list.waiting.is_empty();
            let side = self.orders.get(list.working).map(|order| order.side);
            if is_meant && side.is_some_and(&covers) {
                list.canceling.get_or_insert(Canceling { request, cause, name: ClientOrderId::EMPTY });
            }
        }
    }
}

fn order_at_of(placed: &[Waiting], at: usize) -> OrderId {
    placed.get(at).map_or(OrderId::ZERO, |waiting| waiting.place.order)
}

fn pair_leg(waiting: &Waiting) -> PairLeg {
    let PlaceOrder { order, kind, time_in_force, price, budget, .. } = waiting.place;
    let Terms { stop_price, trailing_delta, visible_qty, peg, .. } = waiting.terms;
    PairLeg { order, kind, time_in_force, price, budget, stop_price, trailing_delta, visible_qty, peg }
}
