//! Fills of one account, up to a bound.

use std::collections::{BTreeMap, VecDeque};

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

/// A trade with oneself has two fills of one trade id; the order tells them apart.
type Key = (MarketId, TradeId, OrderId);

/// The fills of one account.
#[derive(Debug, Default)]
pub struct Fills {
    by_trade: BTreeMap<Key, Fill>,
    in_order: VecDeque<Key>,
}

impl Fills {
    /// Fills of one market with trade ids from `from` on, by trade id; from either end.
    pub fn in_market(&self, market: MarketId, from: TradeId) -> impl DoubleEndedIterator<Item = &Fill> {
        let first = (market, from, OrderId::ZERO);
        let last = (market, TradeId::new(u64::MAX), OrderId::new(u64::MAX));
        self.by_trade.range(first..=last).map(|(_, fill)| fill)
    }

    /// One order's fill of one trade.
    pub fn get(&self, market: MarketId, trade: TradeId, order: OrderId) -> Option<&Fill> {
        self.by_trade.get(&(market, trade, order))
    }

    pub(super) fn insert(&mut self, fill: Fill, kept_max: usize) {
        let key = (fill.market, fill.trade, fill.order);
        self.by_trade.insert(key, fill);
        self.in_order.push_back(key);
        while self.in_order.len() > kept_max {
            let Some(oldest) = self.in_order.pop_front() else { return };
            self.by_trade.remove(&oldest);
        }
    }
}
