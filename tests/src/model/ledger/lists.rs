//! Order lists: `engine/src/ledger/lists.rs` states the rules.

use wire::command::{CancelOrderList, NewOrder, NewOrderList, NewOrderOnTerms};
use wire::event::*;
use wire::mail::*;
use wire::{
    AccountId, CancelCause, ClientOrderId, Event, ListId, ListKind, LogPosition, Mail, MarketId, MarketStatus, OrderId,
    OrderKind, RejectReason, Side, Terms, TimeInForce,
};

use super::super::market::admits;
use super::super::numbers::{of, qty};
use super::admission::{Admitted, Beside, check_filters, is_protected};
use super::{Answer, Ledger, Order, Refused, no};

/// Why an order ended: the cause, the request, and the client's name for it.
pub(super) type Ending = (CancelCause, LogPosition, ClientOrderId);

/// A list with open orders.
#[derive(Debug, Clone)]
pub(super) struct List {
    id: u64,
    account: u32,
    market: MarketId,
    kind: ListKind,
    name: ClientOrderId,
    /// 0 of an Oco, and once it has ended.
    working: u64,
    legs: Vec<u64>,
    /// The legs while they wait.
    waiting: Vec<(PlaceOrder, Terms)>,
    /// What each order of a pair needs while one hold covers both.
    shares: Option<[i128; 2]>,
    open: usize,
    canceling: Option<Ending>,
}

impl Ledger {
    fn list_mut(&mut self, id: u64) -> Option<&mut List> {
        self.lists.iter_mut().find(|list| list.id == id)
    }

    fn list_that_waits(&self, order: u64) -> Option<&List> {
        self.lists.iter().find(|list| list.waiting.iter().any(|(place, _)| place.order.get() == order))
    }

    pub(super) fn waits(&self, order: u64) -> bool {
        self.list_that_waits(order).is_some()
    }

    pub(super) fn new_order_list(&mut self, new: &NewOrderList) -> Answer {
        let legs = self.check_list(new)?;
        self.last_list += 1;
        let id = self.last_list;
        let is_pair = new.kind == ListKind::Oco;
        let needs = [legs[0].2.hold, legs[1].2.hold];
        let mut placed = Vec::new();
        for (at, (order, terms, admitted)) in legs.iter().enumerate() {
            let hold = match at {
                0 if is_pair => needs[0].max(needs[1]),
                0 => admitted.hold,
                _ => 0,
            };
            let place = self.open(order, &Admitted { hold, ..*admitted }, id);
            self.tell_terms(&place, id, *terms);
            placed.push((place, *terms));
        }
        let at = |at: usize| placed.get(at).map_or(OrderId::ZERO, |(place, _)| place.order);
        let (account, market) = (new.legs[0].order.account, new.legs[0].order.market);
        self.events.push(Event::ListStarted(ListStarted {
            list: ListId::new(id),
            account,
            market,
            kind: new.kind,
            list_client_order_id: new.list_client_order_id,
            first: at(0),
            second: at(1),
            third: at(2),
        }));
        let (mut working, open, mut waiting) = (0, placed.len(), Vec::new());
        let legs: Vec<u64> = placed.iter().skip(usize::from(!is_pair)).map(|(place, _)| place.order.get()).collect();
        if is_pair {
            self.send_pair(id, &placed, false);
        } else {
            let (place, terms) = placed.remove(0);
            (working, waiting) = (place.order.get(), placed);
            let is_late = false;
            self.mail.push(Mail::PlaceOrderOnTerms(Box::new(PlaceOrderOnTerms { place, terms, is_late })));
        }
        self.lists.push(List {
            id,
            account: account.get(),
            market,
            kind: new.kind,
            name: new.list_client_order_id,
            working,
            legs,
            waiting,
            shares: is_pair.then_some(needs),
            open,
            canceling: None,
        });
        Ok(id)
    }

    fn send_pair(&mut self, list: u64, pair: &[(PlaceOrder, Terms)], is_late: bool) {
        let leg = |(place, terms): &(PlaceOrder, Terms)| {
            let PlaceOrder { order, kind, time_in_force, price, budget, .. } = *place;
            let Terms { stop_price, trailing_delta, visible_qty, peg, .. } = *terms;
            PairLeg { order, kind, time_in_force, price, budget, stop_price, trailing_delta, visible_qty, peg }
        };
        let PlaceOrder { market, account, side, self_trade, group, qty, .. } = pair[0].0;
        let (list, first, second) = (ListId::new(list), leg(&pair[0]), leg(&pair[1]));
        let pair = PlacePair { market, account, list, side, self_trade, group, qty, first, second, is_late };
        self.mail.push(Mail::PlacePair(Box::new(pair)));
    }

    fn check_list(&self, new: &NewOrderList) -> Result<Vec<(NewOrder, Terms, Admitted)>, Refused> {
        use RejectReason::*;
        let Some(first) = new.legs.first() else { return no(BadOrderList) };
        let account = self.account(first.order.account)?;
        let market = self.market(first.order.market)?;
        if !new.list_client_order_id.is_client_order_id() {
            return no(BadClientOrderId);
        }
        let mine = || self.lists.iter().filter(|list| list.account == account);
        if let Some(list) = mine().find(|list| list.name == new.list_client_order_id) {
            return Err((DuplicateListClientOrderId, list.id));
        }
        check_shape(new)?;
        let mut legs = Vec::new();
        let mut beside = Beside::default();
        for (at, leg) in new.legs.iter().enumerate() {
            let order = self.protected(&leg.order, &leg.terms)?;
            // What waits is held for later.
            beside.credit = if at == 0 || new.kind == ListKind::Oco { 0 } else { i64::MAX.into() };
            let admitted = self.admit(&order, Some(&leg.terms), &beside)?;
            beside.orders += 1;
            beside.stops += usize::from(order.kind.is_stop());
            beside.icebergs += usize::from(admitted.is_iceberg);
            if order.side == Side::Buy {
                beside.bought += self.bought(&order, &market, &admitted);
            }
            legs.push((order, leg.terms, admitted));
        }
        let open = self.orders.iter().filter(|order| order.account == account && order.market == market.id);
        let icebergs = open.clone().filter(|order| order.is_iceberg).count() + beside.icebergs;
        let (open, stops) = (open.clone().count(), open.filter(|order| order.is_stop).count());
        let more = legs.iter().filter(|(order, ..)| order.kind.is_stop()).count();
        let rules = &market.rules;
        if open + legs.len() > rules.open_orders_max as usize {
            return no(TooManyOpenOrders);
        }
        if stops + more > rules.special.stop_orders_max as usize {
            return no(TooManyStopOrders);
        }
        let icebergs_max = rules.special.iceberg_orders_max as usize;
        if beside.icebergs > 0 && icebergs_max != 0 && icebergs > icebergs_max {
            return no(TooManyIcebergOrders);
        }
        if mine().filter(|list| list.market == market.id).count() >= rules.special.order_lists_max as usize {
            return no(TooManyOrderLists);
        }
        let lists_max = self.limits_of(account).map(|limits| limits.order_lists_max).filter(|max| *max > 0).min();
        if lists_max.is_some_and(|max| mine().count() + 1 > max as usize) {
            return no(AccountOrderLists);
        }
        Ok(legs)
    }

    pub(super) fn cancel_order_list(&mut self, cancel: &CancelOrderList) -> Answer {
        let account = self.account(cancel.account)?;
        let market = self.market(cancel.market)?.id;
        let mine = self.lists.iter().filter(|list| list.account == account && list.market == market);
        let found = match cancel.list.get() {
            0 => mine.clone().find(|list| list.name == cancel.list_client_order_id),
            id => mine.clone().find(|list| list.id == id),
        };
        let Some(list) = found.cloned() else { return no(RejectReason::UnknownOrderList) };
        let open = list.legs.iter().copied().find(|leg| self.order(*leg).is_some());
        let open = open.expect("a list without an open leg has ended");
        self.asked = (account, cancel.new_client_order_id);
        self.pull(open, CancelCause::Requested);
        Ok(list.id)
    }

    /// Which order is withdrawn for this one: the working one for one that waits, which the cancel covers, too.
    pub(super) fn stand_in(&mut self, order: u64, cause: CancelCause) -> u64 {
        let Some(list) = self.list_that_waits(order) else { return order };
        let (id, ending) = (list.id, (cause, self.request(), self.asked.1));
        let list = self.list_mut(id).expect("it was found");
        list.canceling.get_or_insert(ending);
        list.working
    }

    /// A mass cancel covers what waits behind the orders that it covers.
    pub(super) fn cancel_waiting(&mut self, account: u32, market: MarketId, sides: wire::Sides, cause: CancelCause) {
        let ending = (cause, self.request(), ClientOrderId::EMPTY);
        let sides_of: Vec<(u64, Option<Side>)> =
            self.lists.iter().map(|list| (list.id, self.order(list.working).map(|order| order.side))).collect();
        for (id, side) in sides_of {
            let list = self.list_mut(id).expect("it is there");
            let is_meant = (list.account, list.market) == (account, market) && !list.waiting.is_empty();
            if is_meant && side.is_some_and(|side| sides.include(side)) {
                list.canceling.get_or_insert(ending);
            }
        }
    }

    /// The other order of a pair, while both are open.
    pub(super) fn other_of_pair(&self, order: &Order) -> Option<Order> {
        let list = self.lists.iter().find(|list| list.id == order.list && list.working != order.id)?;
        list.legs.iter().find(|leg| **leg != order.id).and_then(|leg| self.order(*leg))
    }

    /// The orders of a pair whose one hold covers both, and what each needs.
    pub(super) fn shares_of(&self, order: &Order) -> Option<([u64; 2], [i128; 2])> {
        let list = self.lists.iter().find(|list| list.id == order.list)?;
        let shares = list.shares?;
        Some(([list.legs[0], list.legs[1]], shares))
    }

    pub(super) fn set_shares(&mut self, order: &Order, shares: [i128; 2]) {
        self.list_mut(order.list).expect("it is of a list").shares = Some(shares);
    }

    /// What waits is placed with less, and shows no more than that.
    pub(super) fn shrink_waiting(&mut self, order: u64, to: i128) {
        let waiting = self.lists.iter_mut().flat_map(|list| list.waiting.iter_mut());
        let (place, terms) = waiting.into_iter().find(|(place, _)| place.order.get() == order).expect("it waits");
        place.qty = qty(to);
        terms.visible_qty = terms.visible_qty.min(place.qty);
    }

    /// How much of its hold an order that has ended gives back: what the other order of its pair does not need.
    pub(super) fn unshare(&mut self, order: &Order) -> i128 {
        let Some(list) = self.list_mut(order.list) else { return order.held };
        let Some(needs) = list.shares.take() else { return order.held };
        let at = usize::from(list.legs[0] == order.id);
        let (stays, need) = (list.legs[at], needs[at]);
        self.order_mut(stays).held = need;
        needs[0].max(needs[1]) - need
    }

    /// An order of a list has ended; filled when there is no ending.
    pub(super) fn leave_list(&mut self, order: &Order, ending: Option<Ending>) {
        let id = order.list;
        let list = self.list_mut(id).expect("it has open orders");
        list.open -= 1;
        if list.working == order.id {
            list.working = 0;
            let (waiting, canceling) = (std::mem::take(&mut list.waiting), list.canceling.take());
            let unasked = (CancelCause::WorkingEnded, LogPosition::ZERO, ClientOrderId::EMPTY);
            match (ending, canceling) {
                (Some(ending), _) if ending.1 != LogPosition::ZERO => self.end_waiting(id, &waiting, ending),
                (Some(_), _) => self.end_waiting(id, &waiting, unasked),
                (None, Some(ending)) => self.end_waiting(id, &waiting, ending),
                (None, None) => self.activate(id, waiting),
            }
        }
        self.end_list(id, None);
    }

    fn end_waiting(&mut self, list: u64, waiting: &[(PlaceOrder, Terms)], (cause, request, name): Ending) {
        for (place, _) in waiting {
            let order = self.order(place.order.get()).expect("it waits");
            self.close(&order);
            self.list_mut(list).expect("it has open orders").open -= 1;
            self.tell_canceled(&order, order.leaves, cause, request, name);
        }
    }

    /// What waited is held for and placed, as if it came in now.
    fn activate(&mut self, list: u64, mut waiting: Vec<(PlaceOrder, Terms)>) {
        let Ok(needs) = waiting.iter().map(|(place, terms)| self.need(place, terms)).collect::<Result<Vec<_>, _>>()
        else {
            let ending = (CancelCause::NotPlaced, LogPosition::ZERO, ClientOrderId::EMPTY);
            return self.end_waiting(list, &waiting, ending);
        };
        for ((place, _), need) in waiting.iter_mut().zip(&needs) {
            (place.qty, place.budget) = (qty(need.qty), need.budget());
            let order = self.order_mut(place.order.get());
            (order.qty, order.leaves) = (need.qty, need.qty);
        }
        let hold = needs.iter().map(|need| need.hold).max().expect("something waits");
        let order = self.order(waiting[0].0.order.get()).expect("it waits");
        self.hold_up_to(&order, hold);
        if let [first, second] = needs[..] {
            self.list_mut(list).expect("it has open orders").shares = Some([first.hold, second.hold]);
            return self.send_pair(list, &waiting, true);
        }
        let ((place, terms), is_late) = (waiting[0], true);
        self.mail.push(Mail::PlaceOrderOnTerms(Box::new(PlaceOrderOnTerms { place, terms, is_late })));
    }

    fn need(&self, place: &PlaceOrder, terms: &Terms) -> Result<Admitted, Refused> {
        let PlaceOrder { account, market, side, kind, time_in_force, self_trade, price, qty, .. } = *place;
        let market = self.market(market)?;
        // A working order that fills where nothing matches has filled in the uncrossing that ends the phase.
        if matches!(market.status, MarketStatus::Trading | MarketStatus::PostOnly) {
            admits(market.status, kind, time_in_force).map_err(|reason| (reason, 0))?;
        }
        let new = NewOrder {
            account,
            market: market.id,
            side,
            kind,
            time_in_force,
            self_trade,
            price,
            qty,
            quote_qty: wire::Amount::ZERO,
            client_order_id: ClientOrderId::EMPTY,
            key: Default::default(),
            session: Default::default(),
            asked_us: 0,
        };
        check_filters(&new, terms, &market)?;
        self.hold_for(&new, &market, 0)
    }

    /// Raises a hold.
    pub(super) fn hold_up_to(&mut self, order: &Order, hold: i128) {
        if hold > order.held {
            let (asset, _) = self.market_of(order).assets(order.side);
            self.shift(order.account, asset, order.held - hold, hold - order.held);
            self.order_mut(order.id).held = hold;
        }
    }

    /// The market has refused an order of a list; its hold is released.
    pub(super) fn refused_in_list(&mut self, order: &Order, reason: RejectReason) {
        let list = self.list_mut(order.list).expect("it has open orders");
        list.open -= 1;
        list.shares = None;
        if list.working == 0 && list.kind != ListKind::Oco {
            // It had its turn.
            self.close(order);
            let ending = (CancelCause::NotPlaced, LogPosition::ZERO, ClientOrderId::EMPTY);
            self.tell_canceled(order, order.leaves, ending.0, ending.1, ending.2);
            return self.end_list(order.list, None);
        }
        let waiting = std::mem::take(&mut list.waiting);
        list.open -= waiting.len();
        self.discard(order);
        self.tell_rejected(order, reason);
        for (place, _) in waiting {
            let waited = self.order(place.order.get()).expect("it waits");
            self.discard(&waited);
            self.tell_rejected(&waited, reason);
        }
        self.end_list(order.list, Some(reason));
    }

    /// When none of its orders is open any more.
    fn end_list(&mut self, id: u64, rejected: Option<RejectReason>) {
        let Some(at) = self.lists.iter().position(|list| list.id == id && list.open == 0) else { return };
        let List { account, market, .. } = self.lists.remove(at);
        let (list, account) = (ListId::new(id), AccountId::new(account));
        self.events.push(match rejected {
            Some(reason) => Event::ListRejected(ListRejected { list, account, market, reason }),
            None => Event::ListEnded(ListEnded { list, account, market }),
        });
    }
}

fn check_shape(new: &NewOrderList) -> Result<(), Refused> {
    let legs = &new.legs[..];
    let first = &legs[0].order;
    let belongs = |leg: &NewOrderOnTerms| {
        (leg.order.account, leg.order.market) == (first.account, first.market)
            && leg.order.quote_qty.is_zero()
            && leg.order.time_in_force != TimeInForce::Gtd
            && leg.terms.expire_at.is_none()
            && leg.terms.qty_min.is_zero()
    };
    let mut names: Vec<ClientOrderId> = legs.iter().map(|leg| leg.order.client_order_id).collect();
    names.sort_unstable();
    names.dedup();
    let is_list = legs.len() == new.kind.legs() && names.len() == legs.len() && legs.iter().all(belongs);
    let works = new.kind == ListKind::Oco || matches!(first.kind, OrderKind::Limit | OrderKind::LimitMaker);
    if !is_list || !works {
        return no(RejectReason::BadOrderList);
    }
    match new.kind {
        ListKind::Oco => check_pair(&legs[0], &legs[1]),
        ListKind::Oto => Ok(()),
        ListKind::Otoco => check_pair(&legs[1], &legs[2]),
    }
}

fn check_pair(first: &NewOrderOnTerms, second: &NewOrderOnTerms) -> Result<(), Refused> {
    let is_loss = |kind| matches!(kind, OrderKind::StopLoss | OrderKind::StopLossLimit);
    let is_profit = |kind| matches!(kind, OrderKind::LimitMaker | OrderKind::TakeProfit | OrderKind::TakeProfitLimit);
    let (loss, profit) = if is_loss(first.order.kind) { (first, second) } else { (second, first) };
    let alike = |leg: &NewOrderOnTerms| (leg.order.side, leg.order.qty, leg.order.self_trade);
    if !is_loss(loss.order.kind) || !is_profit(profit.order.kind) || alike(loss) != alike(profit) {
        return no(RejectReason::BadOrderList);
    }
    let wanted = match profit.order.kind {
        OrderKind::TakeProfit => profit.terms.stop_price,
        _ if is_protected(&profit.order, &profit.terms) => None,
        _ => Some(profit.order.price),
    };
    let (Some(wanted), Some(stop)) = (wanted.map(of), loss.terms.stop_price.map(of)) else { return Ok(()) };
    let is_right = if loss.order.side == Side::Sell { wanted > stop } else { wanted < stop };
    if is_right { Ok(()) } else { no(RejectReason::BadListPrices) }
}
