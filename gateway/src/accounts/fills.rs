//! Fills of one account, up to a bound.

use std::collections::BTreeMap;

use super::pieces::Pieces;
use wire::event::OrderExecuted;
use wire::{Amount, AssetId, MarketId, OrderId, Price, Qty, Side, Timestamp, TradeId};

/// One side of a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// Which trade.
    pub trade: TradeId,
    /// Of which order.
    pub order: OrderId,
    /// In which market.
    pub market: MarketId,
    /// Buy or sell.
    pub side: Side,
    /// At what price.
    pub price: Price,
    /// How much base.
    pub qty: Qty,
    /// How much quote, in ledger units.
    pub quote_amount: Amount,
    /// The fee, in ledger units of `fee_asset`.
    pub fee: Amount,
    /// What was paid to the account instead, in ledger units of `fee_asset`.
    pub rebate: Amount,
    /// The received asset, or the given one when there is a rebate.
    pub fee_asset: AssetId,
    /// Whether the order rested before the trade.
    pub is_maker: bool,
    /// When they traded, as the public trade says.
    pub time: Timestamp,
}

impl Fill {
    /// The commission as clients are shown it: a rebate is negative.
    pub fn commission(&self) -> i64 {
        self.fee.units() - self.rebate.units()
    }

    pub(super) fn new(executed: &OrderExecuted) -> Fill {
        Fill {
            trade: executed.trade,
            order: executed.order,
            market: executed.market,
            side: executed.side,
            price: executed.price,
            qty: executed.qty,
            quote_amount: executed.quote_amount,
            fee: executed.fee,
            rebate: executed.rebate,
            fee_asset: executed.fee_asset,
            is_maker: executed.is_maker,
            time: executed.traded_at,
        }
    }
}

/// The fills of one account: of each market by trade and order. A trade with oneself has two; but for those they come in this order.
#[derive(Debug, Default)]
pub struct Fills {
    by_market: BTreeMap<MarketId, Pieces<Fill>>,
    /// The market of each, oldest first.
    in_order: Pieces<MarketId>,
}

impl Fills {
    /// Fills of one market with trade ids from `from` on, by trade id; from either end.
    pub fn in_market(&self, market: MarketId, from: TradeId) -> impl DoubleEndedIterator<Item = &Fill> {
        let of_it = self.by_market.get(&market).into_iter();
        of_it.flat_map(move |fills| fills.range(fills.partition_point(|fill| fill.trade < from)))
    }

    /// One order's fill of one trade.
    pub fn get(&self, market: MarketId, trade: TradeId, order: OrderId) -> Option<&Fill> {
        self.in_market(market, trade).take_while(|fill| fill.trade == trade).find(|fill| fill.order == order)
    }

    pub(super) fn insert(&mut self, fill: Fill, kept_max: usize) {
        let fills = self.by_market.entry(fill.market).or_default();
        assert!(fills.last().is_none_or(|last| last.trade <= fill.trade), "a market's trades are told in their order");
        match fills.last_mut() {
            Some(last) if (last.trade, last.order) > (fill.trade, fill.order) => {
                let last = std::mem::replace(last, fill);
                fills.push(last);
            }
            _ => fills.push(fill),
        }
        self.in_order.push(fill.market);
        while self.in_order.len() > kept_max {
            let oldest = self.in_order.pop_first().and_then(|market| self.by_market.get_mut(&market));
            oldest.map(Pieces::pop_first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(market: u16, trade: u64, order: u64) -> Fill {
        Fill {
            trade: TradeId::new(trade),
            order: OrderId::new(order),
            market: MarketId::new(market),
            side: Side::Buy,
            price: Price::MIN,
            qty: Qty::ZERO,
            quote_amount: Amount::ZERO,
            fee: Amount::ZERO,
            rebate: Amount::ZERO,
            fee_asset: AssetId::new(1),
            is_maker: false,
            time: Timestamp::ZERO,
        }
    }

    #[test]
    fn the_latest_fills_are_kept_and_found_by_market_and_trade() {
        let (mut fills, mut all) = (Fills::default(), Vec::new());
        for trade in 1..=2_000_u64 {
            // Two markets, every tenth trade with oneself.
            let market = 1 + (trade % 3 == 0) as u16;
            for order in 0..1 + u64::from(trade % 10 == 0) {
                fills.insert(fill(market, trade, 9 - order), 500);
                all.push((market, trade, 9 - order));
            }
        }
        let kept = &all[all.len() - 500..];
        for market in [1, 2] {
            let expected: Vec<_> = kept.iter().filter(|(of, ..)| *of == market).map(|(_, trade, _)| *trade).collect();
            let market = MarketId::new(market);
            let found: Vec<_> = fills.in_market(market, TradeId::new(0)).map(|fill| fill.trade.get()).collect();
            assert_eq!(found, expected);
            let from = TradeId::new(expected[7]);
            let backward: Vec<_> = fills.in_market(market, from).rev().map(|fill| fill.trade.get()).collect();
            assert!(backward.iter().eq(expected.iter().filter(|trade| **trade >= from.get()).rev()));
        }
        for (at, (market, trade, order)) in all.iter().enumerate() {
            let found = fills.get(MarketId::new(*market), TradeId::new(*trade), OrderId::new(*order));
            assert_eq!(found.is_some(), at >= all.len() - 500);
        }
        assert!(fills.get(MarketId::new(1), TradeId::new(2_000), OrderId::new(3)).is_none());
    }
}
