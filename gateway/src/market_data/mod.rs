//! The public projections: books, trades, klines and tickers of every market.

use wire::{Event, LogPosition, MarketId, PartitionId, Price, Qty, Timestamp};

/// Every market's public data. Locks inside; a market has one writer.
#[derive(Default)]
pub struct MarketData {}

/// The best levels of a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Best {
    /// The highest bid and its quantity.
    pub bid: Option<(Price, Qty)>,
    /// The lowest ask and its quantity.
    pub ask: Option<(Price, Qty)>,
}

impl MarketData {
    /// Takes the events of one command in. Called with the batches of every partition, each in the order of its
    /// positions; a market's `MarketListed` (of the ledger's partition) comes before the first event of its cell.
    pub fn apply(&self, _partition: PartitionId, _position: LogPosition, _timestamp: Timestamp, _events: &[Event]) {}

    /// The best levels, for protection prices and tickers.
    pub fn best(&self, _market: MarketId) -> Best {
        Best::default()
    }

    /// The price of the last trade.
    pub fn last_price(&self, _market: MarketId) -> Option<Price> {
        None
    }
}
