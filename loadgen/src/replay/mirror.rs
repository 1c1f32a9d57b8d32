//! Our market as its streams show it: the book built from `depthUpdate` alone, and the trades.
//!
//! After a break of the connection the book is taken from a REST snapshot where updates were missed, and
//! trades from the list of recent ones, as any careful client does. A gap in `U`/`u` without a break is the
//! exchange's fault and counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Notify;
use wire::decimal;

use super::book::{Book, Level, Side};
use super::recording::Trade;
use crate::api::ApiError;
use crate::api::message::Depth;
use crate::api::rest::Rest;
use crate::api::stream::{self, DepthUpdate, StreamItem};

#[cfg(test)]
mod tests;

/// The most levels a side of a snapshot has.
const SNAPSHOT_LEVELS: usize = 5_000;
/// How long the exchange may take to give a snapshot.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the streams have shown.
#[derive(Debug)]
pub struct Mirror {
    price_decimals: u8,
    qty_decimals: u8,
    /// The book.
    pub book: Book,
    /// The last update in it.
    pub last: u64,
    /// The market's last trade before the replay; earlier ones are not ours.
    passed: Option<u64>,
    /// Trades in the order of their ids.
    pub trades: BTreeMap<u64, Trade>,
    /// Whether updates are being taken; not before the first snapshot.
    pub is_live: bool,
    /// Updates that did not begin where the one before had ended, though the connection stood.
    pub gaps: Vec<String>,
    /// Times the connection broke.
    pub breaks: u64,
}

/// A mirror that a task keeps current.
#[derive(Clone)]
pub struct Shared {
    mirror: Arc<Mutex<Mirror>>,
    /// Told after every change.
    pub changed: Arc<Notify>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecentTrade {
    id: u64,
    price: String,
    qty: String,
    is_buyer_maker: bool,
}

impl Mirror {
    /// An empty book in these units, of a market whose last trade was `passed`.
    pub fn new(price_decimals: u8, qty_decimals: u8, passed: Option<u64>) -> Mirror {
        Mirror {
            price_decimals,
            qty_decimals,
            passed,
            book: Book::default(),
            last: 0,
            trades: BTreeMap::new(),
            is_live: false,
            gaps: Vec::new(),
            breaks: 0,
        }
    }

    /// Takes an update. Returns whether the book is current; if not, it needs a snapshot.
    pub fn on_depth(&mut self, update: &DepthUpdate) -> bool {
        let expected = self.last + 1;
        if update.last <= self.last {
            return true;
        }
        if update.first > expected {
            self.gaps.push(format!("the depth stream goes from u = {} to U = {}", self.last, update.first));
            return false;
        }
        let sides = [(Side::Bid, &update.bids), (Side::Ask, &update.asks)];
        for (side, levels) in sides {
            if let Err(reason) = self.set(side, levels) {
                self.gaps.push(reason);
                return false;
            }
        }
        self.last = update.last;
        true
    }

    /// Takes a trade.
    pub fn on_trade(&mut self, id: u64, price: &str, qty: &str, buyer_is_maker: bool) {
        if self.passed.is_some_and(|passed| id <= passed) {
            return;
        }
        match (decimal::parse(price, self.price_decimals), decimal::parse(qty, self.qty_decimals)) {
            (Ok(price), Ok(qty)) => {
                self.trades.insert(id, Trade { price, qty, taker_buys: !buyer_is_maker });
            }
            _ => self.gaps.push(format!("the trade stream shows a trade of {qty} at {price}")),
        }
    }

    /// Starts from a snapshot, unless nothing was missed.
    pub fn on_snapshot(&mut self, snapshot: &Depth) {
        self.is_live = true;
        if snapshot.last_update_id == self.last {
            return;
        }
        self.book = Book::default();
        self.last = snapshot.last_update_id;
        for (side, levels) in [(Side::Bid, &snapshot.bids), (Side::Ask, &snapshot.asks)] {
            if levels.len() >= SNAPSHOT_LEVELS {
                self.gaps.push(format!("a snapshot shows no more than {SNAPSHOT_LEVELS} levels of a side"));
            }
            if let Err(reason) = self.set(side, levels) {
                self.gaps.push(reason);
            }
        }
    }

    fn set(&mut self, side: Side, levels: &[(String, String)]) -> Result<(), String> {
        for (price, qty) in levels {
            let units = (decimal::parse(price, self.price_decimals), decimal::parse(qty, self.qty_decimals));
            let (Ok(price), Ok(qty)) = units else {
                return Err(format!("the depth stream shows {qty} at {price}"));
            };
            self.book.set(Level { side, price, qty });
        }
        Ok(())
    }
}

impl Shared {
    /// Follows the streams of `symbol` until the value and all its clones are gone.
    pub fn follow(mirror: Mirror, rest: Rest, bases: Vec<String>, symbol: &str) -> Shared {
        let shared = Shared { mirror: Arc::new(Mutex::new(mirror)), changed: Arc::default() };
        let streams = ["depth@100ms", "trade"].map(|name| format!("{}@{name}", symbol.to_lowercase()));
        tokio::spawn(shared.clone().run(rest, stream::subscribe(bases, &streams), symbol.to_owned()));
        shared
    }

    /// The mirror as it is now.
    pub fn lock(&self) -> MutexGuard<'_, Mirror> {
        self.mirror.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last update in the book, once updates are taken.
    pub fn live_at(&self) -> Option<u64> {
        let mirror = self.lock();
        mirror.is_live.then_some(mirror.last)
    }

    async fn run(self, rest: Rest, mut items: tokio::sync::mpsc::Receiver<StreamItem>, symbol: String) {
        while let Some(item) = items.recv().await {
            let is_current = match item {
                StreamItem::Connected => {
                    let was_live = self.lock().is_live;
                    self.lock().breaks += u64::from(was_live);
                    false
                }
                StreamItem::Depth(update) => self.lock().on_depth(&update),
                StreamItem::Trade(trade) => {
                    self.lock().on_trade(trade.id, &trade.price, &trade.qty, trade.buyer_is_maker);
                    true
                }
            };
            if !is_current && let Err(error) = self.catch_up(&rest, &symbol).await {
                tracing::warn!(%error, symbol, "no snapshot of the replayed market");
            }
            self.changed.notify_waiters();
        }
    }

    async fn catch_up(&self, rest: &Rest, symbol: &str) -> Result<(), ApiError> {
        let query = format!("symbol={symbol}&limit={SNAPSHOT_LEVELS}");
        let snapshot: Depth = rest.get("/api/v3/depth", &query, PATIENCE).await?;
        let query = format!("symbol={symbol}&limit=1000");
        let trades: Vec<RecentTrade> = rest.get("/api/v3/trades", &query, PATIENCE).await?;
        let mut mirror = self.lock();
        mirror.on_snapshot(&snapshot);
        for trade in trades {
            mirror.on_trade(trade.id, &trade.price, &trade.qty, trade.is_buyer_maker);
        }
        Ok(())
    }
}
