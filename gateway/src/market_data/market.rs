//! One market's projection: takes its events in, and answers readers.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use wire::event::{AuctionCompleted, AuctionIndicated, MarketListed, PhaseChanged};
use wire::{Event, MarketId, MarketScale, Timestamp};

use super::book::{Best, Book, Depth, DepthDiff, Fit};
use super::interval::Interval;
use super::klines::{Kline, KlinesWanted, LiveKlines};
use super::orders::{OrderBook, OrderChange, OrderChanges, OrderDepth};
use super::span::{Span, Zone};
use super::ticker::{self, Rolling, WindowSize};
use super::trades::{AggTrade, AggWanted, Trade, Trades};

/// What the ledger says about a market, as market data needs it.
#[derive(Debug)]
pub struct Listing {
    /// `BTCUSDT`
    pub symbol: String,
    /// `btcusdt`, as stream names have it.
    pub stream_symbol: String,
    /// Permanent scale.
    pub scale: MarketScale,
}

impl Listing {
    /// Decimals of a product of price and quantity.
    pub fn notional_decimals(&self) -> u8 {
        self.scale.price_decimals + self.scale.qty_decimals
    }
}

/// What subscribers are told, in the order it happened.
#[derive(Debug, Clone)]
pub enum Update {
    /// Two orders traded.
    Trade(Trade),
    /// A taker's trades at one price.
    AggTrade(AggTrade),
    /// A depth window closed with changes in it; `depth` is the top of the book at its end.
    Window {
        /// What changed.
        diff: Arc<DepthDiff>,
        /// The best levels, as many as partial depth streams show.
        depth: Arc<Depth>,
    },
    /// The best price or its quantity changed.
    Best {
        /// The best levels.
        best: Best,
        /// The last change of the book.
        last: u64,
    },
    /// It is in another phase.
    Phase(PhaseChanged),
    /// What its auction would come to.
    Indicated(AuctionIndicated),
    /// What its auction came to.
    Completed(AuctionCompleted),
    /// The book changed, order by order.
    Orders(Arc<OrderChanges>),
}

/// Where a market is in its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Phase {
    /// The last change of it; `None` of a market that was never in another phase than that it was listed in.
    pub changed: Option<PhaseChanged>,
    /// While orders collect: what the auction would come to.
    pub indicated: Option<AuctionIndicated>,
}

/// Levels of each side in [`Update::Window`]: the most that a partial depth stream shows.
pub const PARTIAL_DEPTH_MAX: usize = 20;

/// One market. Its events come from one partition in order; readers come from anywhere.
#[derive(Debug)]
pub struct Market {
    id: MarketId,
    /// Set when the ledger's stream has told it, which may be after the first events of the market's own
    /// partition: the two streams are not ordered.
    listing: OnceLock<Arc<Listing>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    book: Book,
    trades: Trades,
    klines: LiveKlines,
    best: Best,
    orders: OrderBook,
    phase: Phase,
    /// Log time of the last event.
    at: Timestamp,
}

impl Market {
    pub(super) fn new(id: MarketId) -> Market {
        Market { id, listing: OnceLock::new(), state: Mutex::default() }
    }

    /// Its id.
    pub fn id(&self) -> MarketId {
        self.id
    }

    /// What the ledger says about it; `None` until it has.
    pub fn listing(&self) -> Option<&Arc<Listing>> {
        self.listing.get()
    }

    pub(super) fn list(&self, listed: &MarketListed) {
        let symbol = listed.symbol.as_str().to_owned();
        let stream_symbol = symbol.to_ascii_lowercase();
        // A second listing of one id cannot be: ids are never reused.
        let _ = self.listing.set(Arc::new(Listing { symbol, stream_symbol, scale: listed.scale }));
    }

    /// Takes the events of one command. Returns how many level changes did not follow the ones before them, and what
    /// is to be told if it `is_wanted`. That is asked while nobody reads: who listens before it reads the book is told
    /// every window that is not in what it read.
    pub(super) fn apply(
        &self,
        at: Timestamp,
        events: &[Event],
        is_wanted: impl FnOnce() -> bool,
        wants_orders: impl FnOnce() -> bool,
    ) -> (u64, Option<Vec<Update>>) {
        let mut state = self.lock();
        let mut updates = is_wanted().then(Vec::new);
        let orders_before = state.orders.last();
        let mut changes: Option<Vec<OrderChange>> = (updates.is_some() && wants_orders()).then(Vec::new);
        let aggregated_before = state.trades.last_aggregated_id();
        let mut gaps = 0;
        for event in events {
            match event {
                Event::OrderShown(shown) => {
                    let change = state.orders.show(shown);
                    changes.iter_mut().for_each(|changes| changes.extend(change));
                }
                Event::PhaseChanged(changed) => {
                    // Where orders go on collecting, what was indicated holds until it is told to have changed.
                    let collects =
                        changed.status.collects() && state.phase.changed.is_some_and(|before| before.status.collects());
                    let indicated = state.phase.indicated.filter(|_| collects);
                    state.phase = Phase { changed: Some(*changed), indicated };
                    updates.iter_mut().for_each(|updates| updates.push(Update::Phase(*changed)));
                }
                Event::AuctionIndicated(indicated) => {
                    state.phase.indicated = Some(*indicated);
                    updates.iter_mut().for_each(|updates| updates.push(Update::Indicated(*indicated)));
                }
                Event::AuctionCompleted(completed) => {
                    state.phase.indicated = None;
                    updates.iter_mut().for_each(|updates| updates.push(Update::Completed(*completed)));
                }
                Event::Traded(traded) => {
                    let change = state.orders.trade(traded);
                    changes.iter_mut().for_each(|changes| changes.extend(change));
                    let trade = Trade::new(traded, at);
                    if trade.id <= state.trades.last_id() {
                        continue;
                    }
                    state.trades.push(trade, traded.taker);
                    state.klines.add(&trade);
                    if let Some(updates) = &mut updates {
                        updates.push(Update::Trade(trade));
                    }
                }
                Event::LevelChanged(change) => gaps += u64::from(state.book.apply(change) == Fit::Gap),
                Event::DepthWindowClosed(window) => match &mut updates {
                    Some(updates) => {
                        let diff = Arc::new(state.book.close_window(window));
                        let depth = Arc::new(state.book.depth(PARTIAL_DEPTH_MAX));
                        updates.push(Update::Window { diff, depth });
                    }
                    None => state.book.forget_window(),
                },
                _ => {}
            }
        }
        state.at = state.at.max(at);
        state.trades.end_command();
        let best = state.book.best();
        if let Some(updates) = &mut updates {
            updates.extend(state.trades.aggregated_after(aggregated_before).into_iter().map(Update::AggTrade));
            if let Some(changes) = changes.filter(|changes| !changes.is_empty()) {
                let first = orders_before.next();
                updates.push(Update::Orders(Arc::new(OrderChanges { first, changes })));
            }
            if best != state.best {
                updates.push(Update::Best { best, last: state.book.last().get() });
            }
        }
        state.best = best;
        (gaps, updates)
    }

    /// The best levels: what a protection price is made from.
    pub fn best(&self) -> Best {
        self.lock().best
    }

    /// The best levels and the last change of the book.
    pub fn best_and_last(&self) -> (Best, u64) {
        let state = self.lock();
        (state.best, state.book.last().get())
    }

    /// Up to `limit` orders of each side.
    pub fn orders(&self, limit: usize) -> OrderDepth {
        self.lock().orders.depth(limit)
    }

    /// How many changes of the book order by order did not follow the ones before them.
    pub fn order_gaps(&self) -> u64 {
        self.lock().orders.gaps()
    }

    /// Where it is in its day.
    pub fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Up to `limit` levels of each side.
    pub fn depth(&self, limit: usize) -> Depth {
        self.lock().book.depth(limit)
    }

    /// The last trade.
    pub fn last_trade(&self) -> Option<Trade> {
        self.lock().trades.last().copied()
    }

    /// The last `limit` trades, oldest first.
    pub fn recent_trades(&self, limit: usize) -> Vec<Trade> {
        self.lock().trades.recent(limit)
    }

    /// Up to `limit` trades from the number `from` on.
    pub fn trades_from(&self, from: u64, limit: usize) -> Vec<Trade> {
        self.lock().trades.from_id(from, limit)
    }

    /// Aggregated trades.
    pub fn aggregated_trades(&self, wanted: AggWanted, limit: usize) -> Vec<AggTrade> {
        self.lock().trades.aggregated(wanted, limit)
    }

    /// Klines.
    pub fn klines(&self, wanted: KlinesWanted) -> Vec<Kline> {
        self.lock().klines.now().read(wanted)
    }

    /// The kline that covers a time.
    pub fn kline_at(&self, span: Span, at_ms: u64) -> Option<Kline> {
        self.lock().klines.now().at(span, at_ms)
    }

    /// What was traded within the last 24 hours, with the last trade and the best levels of the same moment.
    pub fn rolling(&self, now_ms: u64) -> Option<(Rolling, Trade, Best)> {
        let mut state = self.lock();
        let now_ms = now_ms.max(state.at.millis());
        Some((ticker::rolling(state.klines.now(), now_ms)?, *state.trades.last()?, state.best))
    }

    /// What was traded within a window of a client's choice.
    pub fn rolling_of(&self, now_ms: u64, size: WindowSize) -> Option<Rolling> {
        let mut state = self.lock();
        let now_ms = now_ms.max(state.at.millis());
        ticker::rolling_of(state.klines.now(), now_ms, size)
    }

    /// What was traded within the last minutes, with the last trade.
    pub fn average_window(&self, now_ms: u64) -> Option<(Rolling, Trade)> {
        let mut state = self.lock();
        let now_ms = now_ms.max(state.at.millis());
        Some((ticker::average_window(state.klines.now(), now_ms)?, *state.trades.last()?))
    }

    /// What was traded on the day of a zone that `now_ms` lies in.
    pub fn trading_day(&self, now_ms: u64, zone: Zone) -> Option<Kline> {
        let mut state = self.lock();
        let now_ms = now_ms.max(state.at.millis());
        state.klines.now().at(Span { interval: Interval::Day, zone }, now_ms)
    }

    /// Does something while nothing can be taken in or read.
    #[cfg(test)]
    pub(crate) fn while_busy<T>(&self, doing: impl FnOnce() -> T) -> T {
        let _state = self.lock();
        doing()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held is a broken invariant that has been told; readers go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
