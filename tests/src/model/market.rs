//! A market that is obviously right: one list of resting orders and one of stop orders, searched anew at every step, and
//! wide integers. Written from the rules that the modules of `engine/src/market` state, sharing no code with them.
//!
//! It hears mail and says mail, as `wire::mail` has it; that is the ledger's and the market's contract, not the engine's code.

mod auction;
mod cancels;
mod matching;
mod pegs;
mod phases;
mod stops;

pub(super) use self::matching::admits;
pub(super) use self::pegs::admits_terms;

use wire::event::{DepthWindowClosed, LevelChanged, OrderShown};
use wire::mail::*;
use wire::{
    AccountId, BookSequence, CancelCause, Event, Mail, MarketId, MarketProtection, MarketRules, MarketScale,
    MarketSchedule, MarketStatus, OrderId, PhaseCause, Price, Side, Terms, TimeInForce, Timestamp, TradeGroupId,
    UpdateId,
};

use super::numbers::{price, qty, whole};

const WINDOW_NS: u64 = 100_000_000;
const DAY_NS: u64 = 86_400_000_000_000;

/// When an order expires, and whether with its session as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Expiry {
    at: u64,
    is_day: bool,
}

/// An order on the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Resting {
    id: u64,
    account: u32,
    group: TradeGroupId,
    side: Side,
    price: i128,
    shown: i128,
    hidden: i128,
    /// How much of it shows at a time; 0 when all of it does.
    slice: i128,
    /// The other order of its pair, or 0.
    sibling: u64,
    expiry: Option<Expiry>,
    /// Who came first at a price.
    turn: u64,
}

impl Resting {
    fn whole(&self) -> i128 {
        self.shown + self.hidden
    }
}

/// Where a stop order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watch {
    Waiting,
    Tracking(i128),
    Due,
    /// It is late, and waits for the end of a change.
    Late,
}

/// A stop order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stop {
    place: PlaceOrder,
    terms: Terms,
    sibling: u64,
    expiry: Option<Expiry>,
    watch: Watch,
}

/// What an order takes along when it rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Carries {
    visible: i128,
    expiry: Option<Expiry>,
    sibling: u64,
}

/// An uncrossing that is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Uncross {
    price: Option<i128>,
    traded: i128,
    then: (MarketStatus, PhaseCause),
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Market {
    id: MarketId,
    scale: MarketScale,
    rules: MarketRules,
    fills_max: u32,
    accounts_max: u32,
    now: u64,
    status: MarketStatus,
    changes: u64,
    version: u32,
    plan: Vec<(u64, MarketStatus)>,
    schedule: MarketSchedule,
    scheduled: Option<u64>,
    /// The cause and the account that is next.
    purge: Option<(CancelCause, u32)>,
    uncross: Option<Uncross>,
    timer: Option<u64>,
    fire_at: Option<u64>,
    expire_at: Option<u64>,
    protection: MarketProtection,
    last: Option<i128>,
    auction: Option<i128>,
    /// Orders up to here are makers in an auction, but for the one that has stopped at a band.
    before: u64,
    stopped: u64,
    breached: Option<u64>,
    indicated: (Option<Price>, i128, i128),
    orders: Vec<Resting>,
    stops: Vec<Stop>,
    due: Vec<u64>,
    /// Late orders, and the first ones of late pairs.
    late: Vec<u64>,
    newest: u64,
    turns: u64,
    trades: u64,
    prevented: u64,
    shown: u64,
    updates: u64,
    /// First update and end of the open depth window.
    window: Option<(u64, u64)>,
    pub(super) events: Vec<Event>,
    pub(super) mail: Vec<Mail>,
}

impl Market {
    /// One that trades.
    pub(super) fn new(
        id: MarketId,
        scale: MarketScale,
        rules: MarketRules,
        fills_max: u32,
        accounts_max: u32,
    ) -> Market {
        Market {
            id,
            scale,
            rules,
            fills_max,
            accounts_max,
            now: 0,
            status: MarketStatus::Trading,
            changes: 0,
            version: 0,
            plan: Vec::new(),
            schedule: MarketSchedule::EMPTY,
            scheduled: None,
            purge: None,
            uncross: None,
            timer: None,
            fire_at: None,
            expire_at: None,
            protection: MarketProtection::NONE,
            last: None,
            auction: None,
            before: 0,
            stopped: 0,
            breached: None,
            indicated: (None, 0, 0),
            orders: Vec::new(),
            stops: Vec::new(),
            due: Vec::new(),
            late: Vec::new(),
            newest: 0,
            turns: 0,
            trades: 0,
            prevented: 0,
            shown: 0,
            updates: 0,
            window: None,
            events: Vec::new(),
            mail: Vec::new(),
        }
    }

    /// The ledger says something.
    pub(super) fn hear(&mut self, now: u64, mail: &Mail) {
        self.now = now;
        match mail {
            Mail::ChangeMarketStatus(change) => self.change_status(change),
            Mail::ChangeMarketSchedule(change) => self.change_schedule(change),
            Mail::ChangeMarketProtection(change) => self.change_protection(change),
            Mail::ChangeMarketCapacity(change) => self.accounts_max = change.accounts_max,
            Mail::ChangeMarketRules(change) => self.change_rules(change),
            Mail::PlaceOrder(place) => self.place(place),
            Mail::PlaceOrderOnTerms(place) => self.place_on_terms(place),
            Mail::PlacePair(pair) => self.place_pair(pair),
            Mail::PullOrder(pull) => self.pull(pull),
            Mail::PullOrders(pull) => self.pull_all(pull),
            Mail::ReduceOrder(reduce) => self.reduce(reduce),
            Mail::ReplaceResting(replace) => self.replace(replace),
            other => panic!("no market hears {other:?}"),
        }
        self.fire();
    }

    /// What is due by time. Whether anything was: then the stops that wait meet the book as well.
    pub(super) fn pass_time(&mut self, now: u64) -> bool {
        self.now = now;
        let is_due = |at: Option<u64>| at.is_some_and(|at| at <= now);
        let window = self.window.map(|(_, end)| end);
        let has_due = (!self.due.is_empty() || !self.late.is_empty()) && is_due(self.fire_at);
        if self.is_gone() || !(is_due(window) || is_due(self.timer) || is_due(self.next_expiry()) || has_due) {
            return false;
        }
        if let Some((first, _)) = self.window.filter(|(_, end)| *end <= now) {
            let (market, first, last) = (self.id, UpdateId::new(first), UpdateId::new(self.updates));
            self.window = None;
            self.events.push(Event::DepthWindowClosed(DepthWindowClosed { market, first, last }));
            if self.status.collects() {
                self.indicate();
            }
        }
        if is_due(self.next_expiry()) {
            self.expire();
        }
        if is_due(self.timer) {
            self.carry_on();
        }
        true
    }

    fn is_gone(&self) -> bool {
        self.status == MarketStatus::Delisted && !self.is_changing() && self.late.is_empty() && self.window.is_none()
    }

    fn is_changing(&self) -> bool {
        self.purge.is_some() || self.uncross.is_some()
    }

    fn is_continuous(&self) -> bool {
        self.status == MarketStatus::Trading && !self.is_changing()
    }

    fn resting(&self, id: u64) -> Option<Resting> {
        self.orders.iter().find(|order| order.id == id).copied()
    }

    fn resting_mut(&mut self, id: u64) -> &mut Resting {
        self.orders.iter_mut().find(|order| order.id == id).expect("it rests")
    }

    fn stop(&self, id: u64) -> Option<Stop> {
        self.stops.iter().find(|stop| stop.place.order.get() == id).copied()
    }

    fn knows(&self, id: u64) -> bool {
        self.resting(id).is_some() || self.stop(id).is_some()
    }

    /// The order that is first in its side's line.
    fn first(&self, side: Side) -> Option<Resting> {
        let line = self.orders.iter().filter(|order| order.side == side).copied();
        match side {
            Side::Buy => line.min_by_key(|order| (-order.price, order.turn)),
            Side::Sell => line.min_by_key(|order| (order.price, order.turn)),
        }
    }

    fn cost(&self, price: i128, qty: i128) -> i128 {
        price * qty * i128::from(self.scale.quote_factor)
    }

    /// The whole lots that a budget buys.
    fn lots(&self, budget: i128, price: i128) -> i128 {
        let lot = whole(self.rules.lot);
        (budget / self.cost(price, 1)).min(i64::MAX.into()) / lot * lot
    }

    fn say(&mut self, mail: Mail) {
        self.mail.push(mail);
    }

    fn tell_level(&mut self, side: Side, at: i128) {
        let here = self.orders.iter().filter(|order| order.side == side && order.price == at);
        let sum = here.map(|order| order.shown).sum();
        self.updates += 1;
        let end = self.now / WINDOW_NS * WINDOW_NS + WINDOW_NS;
        self.window.get_or_insert((self.updates, end));
        let (market, update) = (self.id, UpdateId::new(self.updates));
        self.events.push(Event::LevelChanged(LevelChanged { market, side, price: price(at), qty: qty(sum), update }));
    }

    /// Each level once, buys first, from the lowest price up.
    fn tell_levels(&mut self, mut levels: Vec<(Side, i128)>) {
        levels.sort_unstable();
        levels.dedup();
        for (side, at) in levels {
            self.tell_level(side, at);
        }
    }

    fn next_shown(&mut self) -> BookSequence {
        self.shown += 1;
        BookSequence::new(self.shown)
    }

    fn tell_shown(&mut self, order: &Resting, shown: i128, is_last: bool) {
        let sequence = self.next_shown();
        let Resting { id, side, price: at, .. } = *order;
        let (market, order, price, qty) = (self.id, OrderId::new(id), price(at), qty(shown));
        self.events.push(Event::OrderShown(OrderShown { market, sequence, order, side, price, qty, is_last }));
    }

    fn tell_end(&mut self, id: u64, leaves: i128, cause: CancelCause, request: u64) {
        let (market, order, leaves) = (self.id, OrderId::new(id), qty(leaves));
        let request = wire::LogPosition::new(request);
        self.say(Mail::OrderEnded(OrderEnded { market, order, leaves, cause, request }));
    }

    fn expiry(&self, time_in_force: TimeInForce, terms: &Terms) -> Option<Expiry> {
        match time_in_force {
            TimeInForce::Day => Some(Expiry { at: self.now / DAY_NS * DAY_NS + DAY_NS, is_day: true }),
            _ => terms.expire_at.map(|at| Expiry { at: at.nanos(), is_day: false }),
        }
    }

    fn has_account(&self, account: AccountId) -> bool {
        (1..=self.accounts_max).contains(&account.get())
    }
}

fn time(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}
