//! A market cell: one symbol's book, and the rules of meeting it.
//!
//! It is told by mail and answers by mail: every order that comes in gets exactly one final word (refused, or
//! filled, rested, ended), every pull one outcome. Money is not known here; the ledger cell held it
//! before the mail left, and settles what the answers say. Public facts (trades, levels, depth windows) are
//! told from here.

mod auction;
mod bands;
mod bitmap;
mod book;
mod changes;
mod clearing;
mod depth;
mod extras;
mod ladder;
mod matching;
mod pegs;
mod phase;
mod prevention;
mod purge;
mod shown;
mod special;
mod stops;

use wire::codec::{CodecError, Reader, Writer};
use wire::mail::{
    ChangeMarketCapacity, CreateMarket, OrderEnded, OrdersPulled, PlaceOrder, PullOrder, PullOrders, PullRefused,
};
use wire::{
    AccountId, BookSequence, CancelCause, Capacity, LogPosition, Mail, MarketId, MarketRules, MarketScale,
    MarketStatus, OrderId, PartitionId, PreventedMatchId, Price, Qty, Side, TimeInForce, Timestamp, TradeId,
};

use self::auction::Auctions;
use self::bands::Bands;
use self::book::{Book, Resting};
pub use self::depth::DEPTH_WINDOW_NS;
use self::depth::Depth;
use self::extras::Extras;
pub(crate) use self::pegs::admits_terms;
use self::phase::Phase;
pub(crate) use self::phase::admits;
use self::purge::Purge;
use self::special::Carries;
use self::stops::Stops;
use crate::effects::Sink;
use crate::limits::Limits;

/// One market.
pub(crate) struct MarketCell {
    id: MarketId,
    scale: MarketScale,
    rules: MarketRules,
    /// Where the answers go.
    ledger: PartitionId,
    phase: Phase,
    /// What the cancellation of many orders has left to do.
    purge: Option<Purge>,
    /// What is left of the account that a cancellation is at, the next one last. Empty when it has to be listed.
    going: Vec<OrderId>,
    /// How many orders were looked at to be canceled.
    #[cfg(test)]
    pub(crate) looks: std::cell::Cell<u64>,
    /// When the phase needs a command.
    timer: Option<Timestamp>,
    /// Whether what is due by time waits for an operator, because it has panicked.
    is_stuck: bool,
    /// Whether orders simply match: the phase is `Trading` and no change is going on.
    is_continuous: bool,
    auctions: Auctions,
    bands: Bands,
    /// Whether there are price limits to look at.
    is_limited: bool,
    book: Book,
    /// Accounts that it has room for,
    accounts_max: u32,
    /// and resting orders.
    resting_orders_max: u32,
    /// The newest order that came in; a ledger cell counts its orders upwards, so an older one is not new.
    newest: OrderId,
    trade: TradeId,
    prevented: PreventedMatchId,
    /// The last change of the book order by order.
    shown: BookSequence,
    depth: Depth,
    stops: Stops,
    /// When stops that are due are tried again.
    fire_at: Option<Timestamp>,
    extras: Extras,
    /// When orders that should have expired do.
    expire_at: Option<Timestamp>,
    /// Levels that have lost an order in passing and are not told yet. Empty between mails.
    pending_levels: Vec<(Side, Price)>,
    fills_max: u32,
}

/// An order of so many quantity units panics its market, after it has changed it.
#[cfg(feature = "planted-panic")]
const PLANTED_QTY: i64 = 666_666;

/// An order of so many quantity units panics its market when it expires.
#[cfg(feature = "planted-panic")]
fn panic_if_planted_date(leaves: Option<Qty>) {
    assert!(leaves.map(Qty::units) != Some(PLANTED_QTY + 1), "a planted panic at an order's date");
}

impl MarketCell {
    /// An empty market that trades.
    pub(crate) fn new(create: &CreateMarket, limits: &Limits) -> MarketCell {
        MarketCell {
            id: create.market,
            scale: create.scale,
            rules: create.rules,
            ledger: create.ledger,
            phase: Phase::new(MarketStatus::Trading),
            purge: None,
            going: Vec::new(),
            #[cfg(test)]
            looks: std::cell::Cell::default(),
            timer: None,
            is_stuck: false,
            is_continuous: true,
            auctions: Auctions::default(),
            bands: Bands::NONE,
            is_limited: false,
            book: Book::new(create.rules.tick, create.resting_orders_max, create.accounts_max),
            accounts_max: create.accounts_max,
            resting_orders_max: create.resting_orders_max,
            newest: OrderId::new(0),
            trade: TradeId::ZERO,
            prevented: PreventedMatchId::ZERO,
            shown: BookSequence::ZERO,
            depth: Depth::default(),
            stops: Stops::default(),
            fire_at: None,
            extras: Extras::default(),
            expire_at: None,
            pending_levels: Vec::new(),
            fills_max: limits.fills_per_order_max,
        }
    }

    pub(crate) fn id(&self) -> MarketId {
        self.id
    }

    pub(crate) fn ledger(&self) -> PartitionId {
        self.ledger
    }

    /// The best price of a side.
    pub(crate) fn best(&self, side: Side) -> Option<Price> {
        self.book.best(side)
    }

    /// What rests at a price in sum.
    pub(crate) fn level_qty(&self, side: Side, price: Price) -> Qty {
        self.book.level_qty(side, price)
    }

    /// Reads what an order that comes to rest will need; what it was has no meaning.
    #[inline]
    pub(crate) fn read_place(&self, id: OrderId, account: AccountId, side: Side, price: Price) -> u32 {
        self.book.read_place(id, account, side, price)
    }

    /// Reads what a cancel of an order will need; what it was has no meaning.
    #[inline]
    pub(crate) fn read_order(&self, order: OrderId) -> u32 {
        self.book.find(order).map_or(0, |handle| self.book.read_order(handle))
    }

    /// Matches an order. `replies_fit` says whether the ledger's outbox takes the longest answer; a refusal
    /// always fits.
    pub(crate) fn place(&mut self, now: Timestamp, order: &PlaceOrder, replies_fit: bool, effects: &mut impl Sink) {
        let verdict = self.check(order, replies_fit);
        self.newest = self.newest.max(order.order);
        match verdict {
            Ok(()) => {
                let carries = (order.time_in_force == TimeInForce::Day).then(|| Carries::day(now));
                self.execute(now, order, carries, effects);
            }
            Err(no) => effects.send(self.ledger, no.mail(order)),
        }
        #[cfg(feature = "planted-panic")]
        assert!(order.qty.units() != PLANTED_QTY, "a planted panic");
    }

    /// Takes one order off the book.
    pub(crate) fn pull(&mut self, now: Timestamp, pull: &PullOrder, effects: &mut impl Sink) {
        let PullOrder { order, request, cause, .. } = *pull;
        let Some(handle) = self.book.find(order) else {
            self.pull_stop(now, pull, effects);
            return;
        };
        let (mut gone, level) = self.book.remove(handle);
        if gone.is_marked {
            (gone.leaves, _) = self.end_marks(gone.id, gone.leaves, cause, request, effects);
        }
        self.tell_gone(&gone, effects);
        self.tell_end(&gone, cause, request, effects);
        self.depth.change(now, self.id, gone.side, gone.price, level, effects);
    }

    /// Takes one order that does not rest off, if it is here.
    #[cold]
    fn pull_stop(&mut self, now: Timestamp, pull: &PullOrder, effects: &mut impl Sink) {
        let PullOrder { market, order, request, cause } = *pull;
        if self.end_stop(order, cause, request, effects) == 0 {
            effects.send(self.ledger, Mail::PullRefused(PullRefused { market, order, request }));
        }
        self.tell_levels(now, Vec::new(), effects);
    }

    /// Takes an account's orders of the asked sides off the book, oldest first, then its stop orders, oldest first; each
    /// level that changed is told once, after them.
    pub(crate) fn pull_all(&mut self, now: Timestamp, pull: &PullOrders, effects: &mut impl Sink) {
        let PullOrders { market, account, sides, request, cause } = *pull;
        let mut canceled = 0;
        let mut levels: Vec<(Side, Price)> = Vec::new();
        loop {
            let handle = self.book.oldest_of(account, sides);
            if handle == 0 {
                break;
            }
            let (gone, ended) = self.end_resting(handle, cause, request, effects);
            levels.push((gone.side, gone.price));
            canceled += ended;
        }
        for stop in self.stops.of_sides(account, sides) {
            #[cfg(test)]
            self.looks.set(self.looks.get() + 1);
            canceled += self.end_stop(stop, cause, request, effects);
        }
        self.tell_levels(now, levels, effects);
        effects.send(self.ledger, Mail::OrdersPulled(OrdersPulled { market, account, request, canceled }));
    }

    /// How many orders are here, resting or waiting.
    fn orders(&self) -> usize {
        self.book.len() + self.stops.len()
    }

    fn tell_level(&mut self, now: Timestamp, side: Side, price: Price, effects: &mut impl Sink) {
        let qty = self.book.level_qty(side, price);
        self.depth.change(now, self.id, side, price, qty, effects);
    }

    fn tell_end(&self, gone: &Resting, cause: CancelCause, request: LogPosition, effects: &mut impl Sink) {
        let (market, order, leaves) = (self.id, gone.id, gone.leaves);
        effects.send(self.ledger, Mail::OrderEnded(OrderEnded { market, order, leaves, cause, request }));
    }

    /// More room: the cell is built anew from its saved state, as from a snapshot. `limits` are those of the build.
    pub(crate) fn change_capacity(&mut self, change: &ChangeMarketCapacity, limits: &Limits) {
        let ChangeMarketCapacity { accounts_max, resting_orders_max, .. } = *change;
        if (accounts_max, resting_orders_max) == (self.accounts_max, self.resting_orders_max) {
            return;
        }
        (self.accounts_max, self.resting_orders_max) = (accounts_max, resting_orders_max);
        let mut state = Vec::new();
        self.save(&mut Writer::new(&mut state));
        *self = MarketCell::load(limits, &mut Reader::new(&state)).expect("what was saved is read");
    }

    pub(crate) fn save(&self, to: &mut Writer<'_>) {
        let MarketCell { id: market, scale, rules, ledger, accounts_max, resting_orders_max, .. } = *self;
        to.put(&CreateMarket { market, scale, rules, ledger, accounts_max, resting_orders_max });
        self.phase.save(to);
        Purge::save(self.purge, to);
        to.put(&self.timer);
        to.put(&self.is_stuck);
        self.auctions.save(to);
        self.bands.save(to);
        to.put(&self.newest);
        to.put(&self.trade);
        to.put(&self.prevented);
        to.put(&self.shown);
        self.depth.save(to);
        self.stops.save(to);
        to.put(&self.fire_at);
        self.extras.save(to);
        to.put(&self.expire_at);
        to.put(&(self.book.len() as u32));
        for side in [Side::Buy, Side::Sell] {
            for order in self.book.orders(side) {
                to.put(&order.side);
                to.put(&order.price);
                to.put(&order.id);
                to.put(&order.account);
                to.put(&order.group);
                to.put(&order.leaves);
            }
        }
    }

    pub(crate) fn load(limits: &Limits, from: &mut Reader<'_>) -> Result<MarketCell, CodecError> {
        let create: CreateMarket = from.get()?;
        let most = Capacity::MOST;
        if create.accounts_max > most.accounts_max || create.resting_orders_max > most.resting_orders_max {
            return Err(CodecError::OutOfRange);
        }
        let mut market = MarketCell::new(&create, limits);
        market.phase = Phase::load(from)?;
        market.purge = Purge::load(from)?;
        let (timer, is_stuck) = (from.get()?, from.get()?);
        market.auctions = Auctions::load(from)?;
        market.bands = Bands::load(market.auctions.last, from)?;
        market.settle_phase(Timestamp::ZERO);
        (market.timer, market.is_stuck) = (timer, is_stuck);
        market.newest = from.get()?;
        market.trade = from.get()?;
        market.prevented = from.get()?;
        market.shown = from.get()?;
        market.depth = Depth::load(from)?;
        market.stops = Stops::load(from)?;
        if market.stops.iter().any(|stop| !market.book.has_account(stop.place.account)) {
            return Err(CodecError::OutOfRange);
        }
        market.fire_at = from.get()?;
        market.extras = Extras::load(from)?;
        market.expire_at = from.get()?;
        for _ in 0..from.get::<u32>()? {
            let (side, price, id, account, group, leaves): (Side, Price, OrderId, _, _, Qty) =
                (from.get()?, from.get()?, from.get()?, from.get()?, from.get()?, from.get()?);
            let sum = market.book.level_qty(side, price).checked_add(leaves);
            let fits = market.has_room_for(0) && market.book.has_account(account) && sum.is_some();
            if !fits || id.get() == 0 || leaves.is_zero() {
                return Err(CodecError::OutOfRange);
            }
            market.book.prepare(price);
            let is_marked = market.extras.knows(id);
            market.extras.settle(id, (side, price));
            market.book.restore(Resting { id, account, group, side, price, leaves, is_marked });
        }
        if market.book.relink_accounts() { Ok(market) } else { Err(CodecError::OutOfRange) }
    }
}
