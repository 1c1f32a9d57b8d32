//! Cancels, amends and replaces: `engine/src/ledger/mass_cancel.rs`, `amends.rs` and `replace.rs` state the rules.

use wire::command::*;
use wire::event::{CancelRejected, KillSwitchChanged, OrderAmended, ReplacementRefused};
use wire::mail::*;
use wire::{
    AccountId, CancelCause, CancelRestriction, ClientOrderId, ClientSessionId, Event, Mail, MarketId, MarketStatus,
    OrderId, RejectReason, ReplaceMode, Side, Sides, Terms,
};

use super::super::numbers::{qty, whole};
use super::admission::{Admitted, Beside};
use super::{Answer, Ledger, Name, Order, Refused, no};

impl Ledger {
    /// An open order of the account in the market, by its id or by its name.
    fn find(&self, account: u32, market: MarketId, id: OrderId, name: &ClientOrderId) -> Option<Order> {
        let mine = self.orders.iter().filter(|order| order.account == account && order.market == market);
        match id.get() {
            0 => mine.clone().find(|order| order.name == *name).copied(),
            id => mine.clone().find(|order| order.id == id).copied(),
        }
    }

    pub(super) fn cancel_order(&mut self, cancel: &CancelOrder) -> Answer {
        let account = self.account(cancel.account)?;
        let market = self.market(cancel.market)?.id;
        let found = self.find(account, market, cancel.order, &cancel.client_order_id);
        let Some(order) = found else { return Err(self.unknown(account, cancel)) };
        check_restriction(&order, cancel.restriction)?;
        self.asked = (account, cancel.new_client_order_id);
        self.pull(order.id, CancelCause::Requested);
        Ok(order.id)
    }

    /// Asks the market for one order, once in a command. Whether it did.
    pub(super) fn pull(&mut self, id: u64, cause: CancelCause) -> bool {
        let id = self.stand_in(id, cause);
        let Some(order) = self.order(id) else { return false };
        if self.withdrawn.contains_key(&id) {
            return false;
        }
        self.withdrawn.insert(id, self.asked.0);
        let (market, order, request) = (order.market, OrderId::new(id), self.request());
        self.mail.push(Mail::PullOrder(PullOrder { market, order, request, cause }));
        true
    }

    pub(super) fn pull_each(&mut self, orders: &[u64], cause: CancelCause) -> u64 {
        orders.iter().filter(|order| self.pull(**order, cause)).count() as u64
    }

    pub(super) fn pull_all(&mut self, account: u32, market: MarketId, sides: Sides, cause: CancelCause) {
        let (of, request) = (AccountId::new(account), self.request());
        self.mail.push(Mail::PullOrders(PullOrders { market, account: of, sides, request, cause }));
        self.cancel_waiting(account, market, sides, cause);
    }

    /// Where the account has open orders.
    fn open_markets(&self, account: u32) -> Vec<MarketId> {
        let has_some =
            |market: &MarketId| self.orders.iter().any(|order| order.account == account && order.market == *market);
        self.markets.iter().map(|market| market.id).filter(has_some).collect()
    }

    pub(super) fn cancel_all(&mut self, cancel: &CancelAll) -> Answer {
        let account = self.account(cancel.account)?;
        let market = self.market(cancel.market)?.id;
        if !self.open_markets(account).contains(&market) {
            return no(RejectReason::NoOpenOrders);
        }
        self.pull_all(account, market, Sides::Both, CancelCause::MassCancel);
        Ok(0)
    }

    pub(super) fn mass_cancel(&mut self, cancel: &MassCancel) -> Answer {
        let account = self.account(cancel.account)?;
        let market = match cancel.market.get() {
            0 => None,
            _ => Some(self.market(cancel.market)?.id),
        };
        self.asked = (account, ClientOrderId::EMPTY);
        let is_meant = |of: MarketId| market.is_none_or(|market| market == of);
        if cancel.session.get() != 0 {
            let of_session = self.of_session(account, cancel.session).into_iter();
            let orders = of_session.filter(|order| is_meant(order.market) && cancel.sides.include(order.side));
            let orders: Vec<u64> = orders.map(|order| order.id).collect();
            if orders.is_empty() {
                return no(RejectReason::NoOpenOrders);
            }
            return Ok(self.pull_each(&orders, CancelCause::MassCancel));
        }
        let markets: Vec<MarketId> = self.open_markets(account).into_iter().filter(|of| is_meant(*of)).collect();
        if markets.is_empty() {
            return no(RejectReason::NoOpenOrders);
        }
        for market in &markets {
            self.pull_all(account, *market, cancel.sides, CancelCause::MassCancel);
        }
        Ok(markets.len() as u64)
    }

    /// Of an account, or of one of its keys.
    pub(super) fn set_kill_switch(&mut self, set: &SetKillSwitch) -> Answer {
        let account = self.account(set.account)?;
        if !set.key.is_empty() {
            return self.kill_key(set);
        }
        let (key, is_engaged) = (Default::default(), set.is_engaged);
        self.events.push(Event::KillSwitchChanged(KillSwitchChanged { account: set.account, key, is_engaged }));
        self.conduct.kill(account, is_engaged);
        let markets = if is_engaged { self.open_markets(account) } else { Vec::new() };
        for market in &markets {
            self.pull_all(account, *market, Sides::Both, CancelCause::KillSwitch);
        }
        Ok(markets.len() as u64)
    }

    pub(super) fn amend_order(&mut self, amend: &AmendOrder) -> Answer {
        let account = self.account(amend.account)?;
        let market = self.market(amend.market)?;
        let found = self.find(account, market.id, amend.order, &amend.client_order_id);
        let Some(order) = found else { return no(RejectReason::UnknownOrder) };
        if !(order.is_limit || order.is_stop) {
            return no(RejectReason::AmendNotAllowed);
        }
        if order.amends >= market.rules.special.order_amends_max {
            return no(RejectReason::TooManyAmends);
        }
        let wanted = whole(amend.qty);
        if wanted >= order.qty || wanted <= order.qty - order.leaves {
            return no(RejectReason::AmendNotLower);
        }
        if amend.qty < market.rules.qty_min {
            return no(RejectReason::QtyTooSmall);
        }
        if wanted % whole(market.rules.lot) != 0 {
            return no(RejectReason::QtyOffLot);
        }
        let alike = [Some(order), self.other_of_pair(&order)].into_iter().flatten();
        for order in alike.clone().filter(|order| order.is_limit) {
            if market.cost(order.price, wanted) < market.rules.notional_min.wide() {
                return no(RejectReason::NotionalTooSmall);
            }
            if market.cost(order.price, wanted) < market.rules.special.min_notional.wide() {
                return no(RejectReason::BelowMinNotional);
            }
        }
        let name = amend.new_client_order_id;
        if name != order.name {
            if !name.is_client_order_id() {
                return no(RejectReason::BadClientOrderId);
            }
            self.check_name(account, &name, amend.asked_us)?;
        }
        if self.waits(order.id) {
            self.rename(&order, name);
            for order in alike {
                self.shrink_waiting(order.id, wanted);
                self.tell_amended(order.id, order.qty - wanted, wanted, self.request());
            }
            return Ok(order.id);
        }
        self.amended = Some((order.id, name));
        let (order, by, request) = (OrderId::new(order.id), qty(order.qty - wanted), self.request());
        self.mail.push(Mail::ReduceOrder(ReduceOrder { market: market.id, order, by, request }));
        Ok(order.get())
    }

    /// Of a pair each order is told of, and one name may be new.
    pub(super) fn reduced(&mut self, reduced: &OrderReduced) {
        let order = self.order(reduced.order.get()).expect("nothing is late here");
        let market = self.market_of(&order);
        let (by, leaves) = (whole(reduced.by), whole(reduced.leaves));
        let need = |held: i128| match (order.is_limit, order.side) {
            (true, Side::Buy) => market.cost(order.price, leaves),
            (false, Side::Buy) => market.cost(order.price, leaves).min(held),
            (_, Side::Sell) => held - market.base_of(by),
        };
        self.lower_hold(&order, need);
        if let Some((_, name)) = self.amended.take_if(|(id, _)| *id == order.id) {
            self.rename(&order, name);
        }
        self.tell_amended(order.id, by, leaves, reduced.request);
    }

    /// An order needs less of what is held for it, alone or with the other one of its pair.
    pub(super) fn lower_hold(&mut self, order: &Order, need: impl Fn(i128) -> i128) {
        match self.shares_of(order) {
            Some((pair, mut shares)) => {
                let before = shares[0].max(shares[1]);
                let at = usize::from(pair[1] == order.id);
                shares[at] = need(shares[at]);
                let freed = before - shares[0].max(shares[1]);
                self.set_shares(order, shares);
                self.release(order, freed);
                self.order_mut(pair[0]).held -= freed;
            }
            None => {
                let keeps = need(order.held);
                self.release(order, order.held - keeps);
                self.order_mut(order.id).held = keeps;
            }
        }
    }

    fn rename(&mut self, order: &Order, name: ClientOrderId) {
        if name == order.name {
            return;
        }
        let now = self.now;
        let is_former = |taken: &&mut Name| (taken.account, taken.name) == (order.account, order.name);
        self.names.iter_mut().find(is_former).expect("it is taken").closed = Some(now);
        self.names.push(Name { account: order.account, name, order: order.id, closed: None });
        self.order_mut(order.id).name = name;
    }

    fn tell_amended(&mut self, id: u64, by: i128, leaves: i128, request: wire::LogPosition) {
        let open = self.order_mut(id);
        let before = open.qty;
        (open.qty, open.leaves, open.amends) = (before - by, leaves, open.amends + 1);
        let order = *open;
        self.events.push(Event::OrderAmended(OrderAmended {
            order: OrderId::new(id),
            account: AccountId::new(order.account),
            market: order.market,
            qty_before: qty(before),
            qty: qty(order.qty),
            leaves: qty(leaves),
            client_order_id: order.name,
            request,
        }));
    }

    pub(super) fn replace_order(&mut self, replace: &ReplaceOrder) -> Answer {
        let (cancel, terms) = (&replace.cancel, replace.terms);
        if (cancel.account, cancel.market) != (replace.order.account, replace.order.market) {
            return no(RejectReason::Malformed);
        }
        self.check_date(&replace.order, &terms)?;
        let order = self.protected(&replace.order, &terms)?;
        let old = match self.replaced(cancel) {
            Ok(old) => old,
            Err((reason, id)) => {
                let admitted = self.admit(&order, Some(&terms), &Beside::default());
                if admitted.is_err() {
                    self.check_in_itself(&order, terms)?;
                }
                if replace.mode == ReplaceMode::StopOnFailure {
                    return Err((reason, id));
                }
                let (id, account, market) = (cancel.order, cancel.account, cancel.market);
                let told = CancelRejected { order: id, account, market, reason, request: self.request() };
                self.events.push(Event::CancelRejected(told));
                return Ok(match admitted {
                    Ok(admitted) => self.send_on_terms(&order, &admitted, terms),
                    Err(no) => self.replacement_refused(cancel, no),
                });
            }
        };
        let covers = old.list == 0 && old.side == order.side;
        let credit = if covers { old.held } else { 0 };
        let admitted = match self.admit(&order, Some(&terms), &Beside { credit, ..Beside::default() }) {
            Ok(admitted) => admitted,
            Err(no) => {
                self.check_in_itself(&order, terms)?;
                if order.client_order_id == old.name || self.is_sealed(&order) {
                    return Err(no);
                }
                self.cancel_order(cancel)?;
                return Ok(self.replacement_refused(cancel, no));
            }
        };
        let increment = (admitted.hold - credit).max(0);
        let place = self.open(&order, &Admitted { hold: increment, ..admitted }, 0);
        if terms != Terms::NONE {
            self.tell_terms(&place, 0, terms);
        }
        self.asked = (cancel.account.get(), cancel.new_client_order_id);
        let ends = self.stand_in(old.id, CancelCause::Requested);
        self.replacing = Some((ends, place.order.get(), admitted.hold));
        let (request, expected) = (self.request(), qty(self.order(ends).expect("it is open").leaves));
        let only_expected = cancel.restriction == CancelRestriction::OnlyNew && ends == old.id;
        let old = OrderId::new(ends);
        let mail = ReplaceResting { old, expected, only_expected, request, place, terms };
        self.mail.push(Mail::ReplaceResting(Box::new(mail)));
        Ok(place.order.get())
    }

    /// No new order, and no more of it than this.
    fn replacement_refused(&mut self, cancel: &CancelOrder, (reason, id): Refused) -> u64 {
        let (account, market, request) = (cancel.account, cancel.market, self.request());
        let told = ReplacementRefused { account, market, request, reason, id };
        self.events.push(Event::ReplacementRefused(told));
        0
    }

    fn replaced(&self, cancel: &CancelOrder) -> Result<Order, Refused> {
        let found = self.find(cancel.account.get(), cancel.market, cancel.order, &cancel.client_order_id);
        let Some(order) = found else { return no(RejectReason::UnknownOrder) };
        check_restriction(&order, cancel.restriction)?;
        Ok(order)
    }

    /// Whether the order could be if only now were better: under a new name, in a market that trades if
    /// it ever will, with nothing killed and
    /// no lease to be live, and with money enough.
    fn check_in_itself(&self, order: &NewOrder, terms: Terms) -> Result<(), Refused> {
        let mut better = self.clone();
        better.names.clear();
        better.questions.clear();
        let listed = better.markets.iter_mut().filter(|market| market.status != MarketStatus::Delisted);
        listed.for_each(|market| market.status = MarketStatus::Trading);
        better.let_everybody_trade();
        let order = NewOrder { session: ClientSessionId::default(), ..*order };
        better.admit(&order, Some(&terms), &Beside { credit: i64::MAX.into(), ..Beside::default() })?;
        Ok(())
    }

    /// The old order has ended and given its hold back.
    pub(super) fn hold_for_replacement(&mut self, old: &Order) {
        if let Some((_, id, hold)) = self.replacing.take_if(|(replaced, ..)| *replaced == old.id) {
            let order = self.order(id).expect("it is on its way");
            self.hold_up_to(&order, hold);
        }
    }
}

fn check_restriction(order: &Order, restriction: CancelRestriction) -> Result<(), Refused> {
    let is_in = match restriction {
        CancelRestriction::None => true,
        CancelRestriction::OnlyNew => !order.has_traded,
        CancelRestriction::OnlyPartiallyFilled => order.has_traded,
    };
    if is_in { Ok(()) } else { no(RejectReason::CancelRestricted) }
}
