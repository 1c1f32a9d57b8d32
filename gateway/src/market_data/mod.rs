//! Market data: what the events of market cells add up to, per market. The same on every gateway, because
//! it follows from the log alone.
//!
//! [`MarketData::apply`] takes the events of every partition from position 1 on; [`Market`] answers readers
//! with integers in the market's scale and [`render`] turns those into the JSON that REST and the WebSocket
//! API share. Until [`MarketData::go_live`] nobody is told anything: the past is read, not published.

pub mod book;
pub mod interval;
pub mod json;
pub mod klines;
mod market;
pub mod orders;
pub mod render;
pub mod span;
pub mod ticker;
pub mod trades;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use wire::{Event, LogPosition, MarketId, PartitionId, Price, Symbol, Timestamp};

pub use book::Best;
pub use interval::Interval;
pub use market::{Listing, Market, PARTIAL_DEPTH_MAX, Phase, Update};
pub use span::{Span, Zone};

/// Who is told what happens while it happens.
pub trait Publish: Send + Sync {
    /// Whether anybody listens to this market. Cheap: asked for every command, while the market cannot be read; what it
    /// waits for must not wait for a market.
    fn is_wanted(&self, symbol: &Symbol) -> bool;

    /// Whether anybody listens to this market order by order. As cheap.
    fn wants_orders(&self, _: &Symbol) -> bool {
        false
    }

    /// Tells the updates of one command, in order.
    fn publish(&self, symbol: &Symbol, listing: &Arc<Listing>, at: Timestamp, updates: &[Update]);
}

/// Every market's projection.
pub struct MarketData {
    table: RwLock<Table>,
    publisher: Arc<dyn Publish>,
    is_live: AtomicBool,
    gaps: AtomicU64,
}

#[derive(Default)]
struct Table {
    by_id: Vec<Option<Entry>>,
    by_symbol: HashMap<Symbol, Arc<Market>>,
    /// Listed markets in the order of their ids.
    listed: Vec<Arc<Market>>,
}

#[derive(Clone)]
struct Entry {
    market: Arc<Market>,
    symbol: Option<Symbol>,
}

/// Tells nobody.
struct Nobody;

impl Publish for Nobody {
    fn is_wanted(&self, _: &Symbol) -> bool {
        false
    }

    fn publish(&self, _: &Symbol, _: &Arc<Listing>, _: Timestamp, _: &[Update]) {}
}

impl Default for MarketData {
    /// Without markets, telling nobody ever.
    fn default() -> MarketData {
        MarketData::new(Arc::new(Nobody))
    }
}

impl MarketData {
    /// Without markets, telling nobody until [`MarketData::go_live`].
    pub fn new(publisher: Arc<dyn Publish>) -> MarketData {
        MarketData { table: RwLock::default(), publisher, is_live: AtomicBool::new(false), gaps: AtomicU64::new(0) }
    }

    /// From now on subscribers are told. Called once, when every partition's past has been read.
    pub fn go_live(&self) {
        self.is_live.store(true, Ordering::Release);
    }

    /// Takes the events of one command of one partition. Positions of a partition come in order, each
    /// once; `now` is the command's log time.
    pub fn apply(&self, partition: PartitionId, position: LogPosition, now: Timestamp, events: &[Event]) {
        let mut rest = events;
        while let Some(index) = rest.iter().position(|event| market_of(event).is_some()) {
            rest = &rest[index..];
            if let Event::MarketListed(listed) = &rest[0] {
                self.list(listed);
                rest = &rest[1..];
                continue;
            }
            // A command touches one market: nearly always this is one run.
            let id = market_of(&rest[0]).expect("found by having a market");
            let run = rest.iter().position(|event| market_of(event) != Some(id)).unwrap_or(rest.len());
            self.apply_run(id, partition, position, now, &rest[..run]);
            rest = &rest[run..];
        }
    }

    /// The market of this symbol, once the ledger has listed it.
    pub fn market(&self, symbol: &str) -> Option<Arc<Market>> {
        let symbol = Symbol::new(symbol.as_bytes()).ok()?;
        self.read().by_symbol.get(&symbol).cloned()
    }

    /// The market of this id, once the ledger has listed it.
    pub fn market_by_id(&self, id: MarketId) -> Option<Arc<Market>> {
        let table = self.read();
        let entry = table.by_id.get(usize::from(id.get()))?.as_ref()?;
        entry.symbol.map(|_| entry.market.clone())
    }

    /// The best levels of a market, for protection prices.
    pub fn best(&self, id: MarketId) -> Best {
        self.market_by_id(id).map(|market| market.best()).unwrap_or_default()
    }

    /// The price of a market's last trade.
    pub fn last_price(&self, id: MarketId) -> Option<Price> {
        Price::new(self.market_by_id(id)?.last_trade()?.price)
    }

    /// Every listed market, in the order of listing.
    pub fn markets(&self) -> Vec<Arc<Market>> {
        self.read().listed.clone()
    }

    /// How many level changes did not follow the ones before them. Anything but 0 says that events were
    /// lost on their way and that books may be wrong: this gateway should be replaced.
    pub fn gaps(&self) -> u64 {
        self.gaps.load(Ordering::Relaxed)
    }

    /// The same of the books order by order.
    pub fn order_gaps(&self) -> u64 {
        self.markets().iter().map(|market| market.order_gaps()).sum()
    }

    fn list(&self, listed: &wire::event::MarketListed) {
        let entry = self.entry(listed.market);
        entry.market.list(listed);
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if table.by_symbol.insert(listed.symbol, entry.market.clone()).is_none() {
            table.listed.push(entry.market.clone());
            table.listed.sort_by_key(|market| market.id());
        }
        table.by_id[usize::from(listed.market.get())] = Some(Entry { symbol: Some(listed.symbol), ..entry });
    }

    fn apply_run(&self, id: MarketId, partition: PartitionId, position: LogPosition, now: Timestamp, events: &[Event]) {
        let entry = self.entry(id);
        let listener = entry.symbol.filter(|_| self.is_live.load(Ordering::Acquire)).zip(entry.market.listing());
        let is_wanted = || listener.is_some_and(|(symbol, _)| self.publisher.is_wanted(&symbol));
        let wants_orders = || listener.is_some_and(|(symbol, _)| self.publisher.wants_orders(&symbol));
        let (gaps, updates) = entry.market.apply(now, events, is_wanted, wants_orders);
        if let (Some((symbol, listing)), Some(updates)) = (listener, updates)
            && !updates.is_empty()
        {
            self.publisher.publish(&symbol, listing, now, &updates);
        }
        if gaps > 0 {
            self.gaps.fetch_add(gaps, Ordering::Relaxed);
            tracing::error!(%partition, %position, market = %id, gaps, "level changes are missing before this position");
        }
    }

    /// The market of this id, known or not yet listed.
    fn entry(&self, id: MarketId) -> Entry {
        let index = usize::from(id.get());
        if let Some(Some(entry)) = self.read().by_id.get(index) {
            return entry.clone();
        }
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if table.by_id.len() <= index {
            table.by_id.resize(index + 1, None);
        }
        let slot = &mut table.by_id[index];
        slot.get_or_insert_with(|| Entry { market: Arc::new(Market::new(id)), symbol: None }).clone()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The market that an event of market data speaks of.
fn market_of(event: &Event) -> Option<MarketId> {
    match event {
        Event::MarketListed(listed) => Some(listed.market),
        Event::Traded(traded) => Some(traded.market),
        Event::LevelChanged(change) => Some(change.market),
        Event::DepthWindowClosed(window) => Some(window.market),
        Event::OrderShown(shown) => Some(shown.market),
        Event::PhaseChanged(changed) => Some(changed.market),
        Event::AuctionIndicated(indicated) => Some(indicated.market),
        Event::AuctionCompleted(completed) => Some(completed.market),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests;
