//! A market's latest trades, one by one and aggregated.
//!
//! An aggregated trade is what one taker order took at one price with one command. Its id is counted
//! here from the first trade of the log on, and so is the same on every gateway.

use std::collections::VecDeque;

use wire::event::Traded;
use wire::{OrderId, Side, Timestamp};

/// How many trades, and how many aggregated ones, a market keeps for readers.
pub const TRADES_KEPT: usize = 10_000;

/// A trade in the market's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trade {
    /// Its number in the market, from 1.
    pub id: u64,
    /// Price in price units.
    pub price: i64,
    /// Quantity in quantity units.
    pub qty: i64,
    /// Log time.
    pub time_ms: u64,
    /// Whether the buyer's order rested: the seller took.
    pub buyer_is_maker: bool,
}

impl Trade {
    /// As the market's cell told it.
    pub fn new(traded: &Traded, at: Timestamp) -> Trade {
        Trade {
            id: traded.trade.get(),
            price: traded.price.units(),
            qty: traded.qty.units(),
            time_ms: at.millis(),
            buyer_is_maker: traded.taker_side == Side::Sell,
        }
    }

    /// Price × quantity, in price unit × quantity unit.
    pub fn notional(&self) -> i128 {
        i128::from(self.price) * i128::from(self.qty)
    }
}

/// Trades of one taker order at one price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AggTrade {
    /// Its number in the market, from 1.
    pub id: u64,
    /// Price in price units.
    pub price: i64,
    /// The sum of their quantities.
    pub qty: i64,
    /// The number of the first trade.
    pub first_trade: u64,
    /// The number of the last trade.
    pub last_trade: u64,
    /// Log time.
    pub time_ms: u64,
    /// Whether the buyer's order rested.
    pub buyer_is_maker: bool,
}

/// The latest trades.
#[derive(Debug, Default)]
pub struct Trades {
    each: VecDeque<Trade>,
    aggregated: VecDeque<AggTrade>,
    aggregated_ids: u64,
    /// What a further trade must share to join the last aggregated one: the taker.
    open: Option<OrderId>,
}

impl Trades {
    /// After trades that are kept elsewhere: the last one, and the number of the last aggregated one.
    pub fn resumed(last: Option<Trade>, aggregated_ids: u64) -> Trades {
        Trades { each: last.into_iter().collect(), aggregated_ids, ..Trades::default() }
    }

    /// Takes a trade.
    pub fn push(&mut self, trade: Trade, taker: OrderId) {
        push_bounded(&mut self.each, trade);
        if let (Some(last), true) = (self.aggregated.back_mut(), self.open == Some(taker))
            && last.price == trade.price
            && let Some(qty) = last.qty.checked_add(trade.qty)
        {
            last.qty = qty;
            last.last_trade = trade.id;
            return;
        }
        self.open = Some(taker);
        self.aggregated_ids += 1;
        let aggregated = AggTrade {
            id: self.aggregated_ids,
            price: trade.price,
            qty: trade.qty,
            first_trade: trade.id,
            last_trade: trade.id,
            time_ms: trade.time_ms,
            buyer_is_maker: trade.buyer_is_maker,
        };
        push_bounded(&mut self.aggregated, aggregated);
    }

    /// The command is over: no further trade joins the last aggregated one.
    pub fn end_command(&mut self) {
        self.open = None;
    }

    /// The number of the last trade; 0 before the first.
    pub fn last_id(&self) -> u64 {
        self.each.back().map_or(0, |trade| trade.id)
    }

    /// The number of the last aggregated trade; 0 before the first.
    pub fn last_aggregated_id(&self) -> u64 {
        self.aggregated_ids
    }

    /// The last trade.
    pub fn last(&self) -> Option<&Trade> {
        self.each.back()
    }

    /// The last `limit` trades, oldest first.
    pub fn recent(&self, limit: usize) -> Vec<Trade> {
        self.each.iter().skip(self.each.len().saturating_sub(limit)).copied().collect()
    }

    /// Up to `limit` trades from the number `from` on.
    pub fn from_id(&self, from: u64, limit: usize) -> Vec<Trade> {
        let start = self.each.partition_point(|trade| trade.id < from);
        self.each.iter().skip(start).take(limit).copied().collect()
    }

    /// The aggregated trades after the number `after`, oldest first.
    pub fn aggregated_after(&self, after: u64) -> Vec<AggTrade> {
        let start = self.aggregated.partition_point(|trade| trade.id <= after);
        self.aggregated.iter().skip(start).copied().collect()
    }

    /// Up to `limit` aggregated trades: the first from a number on, the first within times (both ends
    /// included), or else the last ones.
    pub fn aggregated(&self, wanted: AggWanted, limit: usize) -> Vec<AggTrade> {
        match wanted {
            AggWanted::FromId(from) => {
                let start = self.aggregated.partition_point(|trade| trade.id < from);
                self.aggregated.iter().skip(start).take(limit).copied().collect()
            }
            AggWanted::Times { start_ms: Some(start_ms), end_ms } => {
                let start = self.aggregated.partition_point(|trade| trade.time_ms < start_ms);
                let end_ms = end_ms.unwrap_or(u64::MAX);
                let within = self.aggregated.iter().skip(start).take_while(|trade| trade.time_ms <= end_ms);
                within.take(limit).copied().collect()
            }
            AggWanted::Times { start_ms: None, end_ms } => {
                let end_ms = end_ms.unwrap_or(u64::MAX);
                let end = self.aggregated.partition_point(|trade| trade.time_ms <= end_ms);
                self.aggregated.range(end.saturating_sub(limit)..end).copied().collect()
            }
        }
    }
}

/// Which aggregated trades are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AggWanted {
    /// From this number on.
    FromId(u64),
    /// Within these times.
    Times {
        /// The earliest time.
        start_ms: Option<u64>,
        /// The latest time.
        end_ms: Option<u64>,
    },
}

fn push_bounded<T>(ring: &mut VecDeque<T>, item: T) {
    if ring.len() == TRADES_KEPT {
        ring.pop_front();
    }
    ring.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trade(id: u64, price: i64, qty: i64) -> Trade {
        Trade { id, price, qty, time_ms: id * 10, buyer_is_maker: false }
    }

    #[test]
    fn fills_of_one_taker_at_one_price_are_one_aggregated_trade() {
        let mut trades = Trades::default();
        for (id, price, taker) in [(1, 100, 7), (2, 100, 7), (3, 101, 7), (4, 101, 8)] {
            trades.push(trade(id, price, 5), OrderId::new(taker));
        }
        trades.end_command();
        trades.push(trade(5, 101, 5), OrderId::new(8));
        let spans: Vec<_> =
            trades.aggregated_after(0).iter().map(|agg| (agg.id, agg.first_trade, agg.last_trade, agg.qty)).collect();
        assert_eq!(spans, [(1, 1, 2, 10), (2, 3, 3, 5), (3, 4, 4, 5), (4, 5, 5, 5)]);
    }

    #[test]
    fn readers_get_the_latest_or_from_a_number_or_a_time_on() {
        let mut trades = Trades::default();
        for id in 1..=TRADES_KEPT as u64 + 10 {
            trades.push(trade(id, id as i64, 1), OrderId::new(id));
        }
        let ids = |trades: Vec<Trade>| trades.iter().map(|trade| trade.id).collect::<Vec<_>>();
        assert_eq!(ids(trades.recent(2)), [10_009, 10_010]);
        assert_eq!(ids(trades.from_id(0, 2)), [11, 12], "older ones are forgotten");
        assert_eq!(ids(trades.from_id(10_010, 5)), [10_010]);
        assert_eq!(ids(trades.from_id(10_011, 5)), Vec::<u64>::new());
        let agg = |wanted, limit| trades.aggregated(wanted, limit).iter().map(|agg| agg.id).collect::<Vec<_>>();
        assert_eq!(agg(AggWanted::FromId(500), 2), [500, 501]);
        assert_eq!(agg(AggWanted::Times { start_ms: Some(5_001), end_ms: Some(5_020) }, 10), [501, 502]);
        assert_eq!(agg(AggWanted::Times { start_ms: None, end_ms: Some(5_000) }, 2), [499, 500]);
        assert_eq!(agg(AggWanted::Times { start_ms: None, end_ms: None }, 1), [10_010]);
    }
}
