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
//!   placed as if it came in then; if its hold is not free, its market takes no such order, or refuses it, it ends with
//!   `NotPlaced`. When the working one ends otherwise, even partly filled, it ends too: with the same cause and request if a
//!   command asked for that, else with `WorkingEnded`. A cancel of the pending one, or of the list, cancels the working one.
//! - *Otoco*: a working order, then a pair with the rules of an Oco.
//! - A cancel that meets a fill of the working order on its way still covers the orders that wait: they end instead of being
//!   placed. A mass cancel of one side goes by the side of the working order.
//! - All of a list's orders count as open from the start (`MAX_NUM_ORDERS`, `MAX_NUM_ALGO_ORDERS`), each counts for the order
//!   rate, and the limits of accounts look at each with those before it in the list. They take their client
//!   order ids. The list's name is unused among open lists. No leg is good till a date. Orders of lists are not amended.
//! - *Told*: `OrderPending` and `OrderTerms` of each order, `ListStarted`; `ListEnded` after the last order has ended;
//!   `ListRejected` instead when the market refuses an Oco, or the working order, and with it all orders
//!   (`OrderRejected`).

use std::collections::BTreeMap;

use wire::codec::{CodecError, Reader, Writer};
use wire::command::{CancelOrderList, NewOrder, NewOrderList};
use wire::event::{ListEnded, ListRejected, ListStarted, OrderCanceled, OrderRejected};
use wire::mail::{PairLeg, PlaceOrder, PlaceOrderOnTerms, PlacePair, WithdrawOrder};
use wire::{
    AccountId, Amount, CancelCause, ClientOrderId, Event, ListId, ListKind, LogPosition, Mail, MarketId, OrderId,
    PartitionId, RejectReason, Side, Sides, Terms,
};

use super::admission::{Admitted, Beside};
use super::conduct::bought;
use super::lanes::Asked;
use super::list_shape::check_shape;
use super::orders::Order;
use super::replace::as_new;
use super::{Answer, LedgerCell, Refused};
use crate::effects::Effects;
use crate::mailbox::Mailboxes;
use crate::market::admits;

/// An order that waits for the working one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiting {
    place: PlaceOrder,
    terms: Terms,
}

/// A cancel that covers what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Canceling {
    request: LogPosition,
    cause: CancelCause,
    name: ClientOrderId,
}

/// A list with open orders.
#[derive(Debug, Clone, PartialEq, Eq)]
struct List {
    account: AccountId,
    market: MarketId,
    kind: ListKind,
    name: ClientOrderId,
    /// 0 of an Oco, and once it has filled.
    working: OrderId,
    /// The pair, or the pending order and 0.
    legs: [OrderId; 2],
    /// The legs while they wait.
    waiting: Vec<Waiting>,
    /// What each order of a pair needs, while the first one's hold covers both.
    shares: Option<[Amount; 2]>,
    open: u32,
    canceling: Option<Canceling>,
}

/// Open lists, by id and by name.
#[derive(Default)]
pub(super) struct Lists {
    last: ListId,
    lists: BTreeMap<ListId, List>,
    names: BTreeMap<(AccountId, ClientOrderId), ListId>,
}

impl Lists {
    fn add(&mut self, id: ListId, list: List) {
        self.names.insert((list.account, list.name), id);
        self.lists.insert(id, list);
    }

    fn remove(&mut self, id: ListId) -> Option<List> {
        let list = self.lists.remove(&id)?;
        self.names.remove(&(list.account, list.name));
        Some(list)
    }

    /// The open list of this name.
    pub(super) fn named(&self, account: AccountId, name: ClientOrderId) -> Option<ListId> {
        self.names.get(&(account, name)).copied()
    }

    fn of_account(&self, account: AccountId) -> Vec<ListId> {
        let names = self.names.range((account, ClientOrderId::EMPTY)..);
        names.take_while(|((owner, _), _)| *owner == account).map(|(_, id)| *id).collect()
    }

    fn count(&self, account: AccountId, market: MarketId) -> usize {
        self.of_account(account).iter().filter(|id| self.lists[id].market == market).count()
    }

    pub(super) fn save(&self, to: &mut Writer<'_>) {
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

    pub(super) fn load(from: &mut Reader<'_>) -> Result<Lists, CodecError> {
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
            for _ in 0..from.get::<u8>()? {
                list.waiting.push(Waiting { place: from.get()?, terms: from.get()? });
            }
            let is_shared: bool = from.get()?;
            let shares = [from.get()?, from.get()?];
            list.shares = is_shared.then_some(shares);
            list.open = from.get()?;
            if from.get()? {
                list.canceling = Some(Canceling { request: from.get()?, cause: from.get()?, name: from.get()? });
            }
            lists.add(id, list);
        }
        Ok(lists)
    }
}

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
            let place = self.open_order(&leg.order, &Admitted { hold, ..leg.admitted }, id, effects);
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
            self.send_pair(partition, id, &placed, effects);
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

    fn send_pair(&mut self, to: PartitionId, list: ListId, pair: &[Waiting], effects: &mut Effects<'_>) {
        let [first, second] = pair else { return };
        self.lanes.place(to);
        self.lanes.place(to);
        let PlaceOrder { market, account, side, self_trade, group, qty, .. } = first.place;
        let (first, second) = (pair_leg(first), pair_leg(second));
        let pair = PlacePair { market, account, list, side, self_trade, group, qty, first, second };
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
            if order.side == Side::Buy {
                beside.bought += bought(&order, &admitted);
            }
            legs.push(Leg { order, terms: leg.terms, admitted });
        }
        let (rules, more) = (&listed.rules, legs.len() as u32);
        if self.orders.count(account, market) + more > rules.open_orders_max {
            return Err(RejectReason::TooManyOpenOrders.into());
        }
        let stops = legs.iter().filter(|leg| leg.order.kind.is_stop()).count() as u32;
        if self.orders.stops(account, market) + stops > rules.special.stop_orders_max {
            return Err(RejectReason::TooManyStopOrders.into());
        }
        if self.lists.count(account, market) >= rules.special.order_lists_max as usize {
            return Err(RejectReason::TooManyOrderLists.into());
        }
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
        let order = self.order_to_withdraw(order, position, cause, name);
        self.lanes.ask(partition, Asked { request: position, account, market, order, name, sides: Sides::Both });
        effects.send(partition, Mail::WithdrawOrder(WithdrawOrder { market, order, request: position, cause }));
        Ok(id.get())
    }

    /// Which order its market is to withdraw when this one is canceled: the working one for one that waits, whose list
    /// notes that what waits is not to be placed.
    pub(super) fn order_to_withdraw(
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

    /// An order of a list is about to give its hold back: how much of it, when another order shared it.
    pub(super) fn unshare(&mut self, order: &Order) -> Amount {
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
    pub(super) fn leave_list(
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
            self.orders.close(order.id, self.now);
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
                self.send_pair(to, id, &placed, effects);
            }
            _ => {}
        }
    }

    fn hold_for_waiting(&self, waiting: &[Waiting]) -> Result<Vec<Admitted>, Refused> {
        let mut held = Vec::with_capacity(2);
        for Waiting { place, .. } in waiting {
            let order = self.orders.get(place.order).ok_or(RejectReason::UnknownOrder)?;
            let market = self.registry.market(place.market)?;
            admits(market.status, place.kind, place.time_in_force)?;
            held.push(self.hold_for(&as_new(place, Amount::ZERO, order), &market.listed, Amount::ZERO)?);
        }
        Ok(held)
    }

    /// The market has refused an order of a list. Its hold is released by now.
    pub(super) fn refused_in_list(&mut self, order: &Order, reason: RejectReason, effects: &mut Effects<'_>) {
        let Some(list) = self.lists.lists.get_mut(&order.list) else { return };
        list.open = list.open.saturating_sub(1);
        list.shares = None;
        let (account, market) = (order.account, order.market);
        if list.working == OrderId::ZERO && list.kind != ListKind::Oco {
            // Its list has long begun: it had its turn and could not be placed.
            self.orders.close(order.id, self.now);
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
}

fn order_at_of(placed: &[Waiting], at: usize) -> OrderId {
    placed.get(at).map_or(OrderId::ZERO, |waiting| waiting.place.order)
}

fn pair_leg(waiting: &Waiting) -> PairLeg {
    let PlaceOrder { order, kind, time_in_force, price, budget, .. } = waiting.place;
    let Terms { stop_price, trailing_delta, visible_qty, .. } = waiting.terms;
    PairLeg { order, kind, time_in_force, price, budget, stop_price, trailing_delta, visible_qty }
}
