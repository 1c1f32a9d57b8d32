//! Trades that self-trade prevention has prevented: the latest ones of an account, by number and by the order that
//! arrived.

use std::collections::{BTreeMap, VecDeque};

use wire::event::MatchPrevented;
use wire::{MarketId, OrderId, PreventedMatchId, Price, Qty, SelfTradePrevention, Timestamp, TradeGroupId};

/// Kept per account.
const KEPT: usize = 10_000;

/// A trade that self-trade prevention prevented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreventedMatch {
    /// In which market.
    pub market: MarketId,
    /// Its number in its market.
    pub id: PreventedMatchId,
    /// The order that arrived.
    pub taker: OrderId,
    /// The order that rested.
    pub maker: OrderId,
    /// The trade group that both were in, or 0.
    pub group: TradeGroupId,
    /// What was to be done.
    pub mode: SelfTradePrevention,
    /// At what price they would have traded.
    pub price: Price,
    /// What the maker lost.
    pub maker_qty: Qty,
    /// What the taker lost: nothing in a mode that ends the maker alone.
    pub taker_qty: Qty,
    /// When.
    pub at: Timestamp,
}

impl PreventedMatch {
    pub(crate) fn new(prevented: &MatchPrevented) -> PreventedMatch {
        PreventedMatch {
            market: prevented.market,
            id: prevented.prevented,
            taker: prevented.taker,
            maker: prevented.maker,
            group: prevented.group,
            mode: prevented.mode,
            price: prevented.price,
            maker_qty: prevented.maker_qty,
            taker_qty: prevented.taker_qty,
            at: prevented.prevented_at,
        }
    }
}

/// The latest prevented trades of one account.
#[derive(Debug, Default)]
pub struct PreventedMatches {
    kept: VecDeque<PreventedMatch>,
    /// How many have been dropped: what is `n`-th of all is `n - dropped`-th of those that are kept.
    dropped: usize,
    /// Those of an order that arrived, by how many were before them.
    takers: BTreeMap<(MarketId, OrderId), VecDeque<usize>>,
}

impl PreventedMatches {
    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &PreventedMatch> {
        self.kept.iter()
    }

    /// Those that an order would have taken, oldest first.
    pub fn of_taker(&self, market: MarketId, order: OrderId) -> impl Iterator<Item = PreventedMatch> {
        let of_it = self.takers.get(&(market, order)).into_iter().flatten();
        of_it.filter_map(|before| self.kept.get(before.checked_sub(self.dropped)?).copied())
    }

    pub(super) fn push(&mut self, prevented: PreventedMatch) {
        if self.kept.len() == KEPT
            && let Some(oldest) = self.kept.pop_front()
        {
            self.dropped += 1;
            let of_it = (oldest.market, oldest.taker);
            if let Some(known) = self.takers.get_mut(&of_it) {
                known.pop_front();
                if known.is_empty() {
                    self.takers.remove(&of_it);
                }
            }
        }
        let before = self.dropped + self.kept.len();
        self.takers.entry((prevented.market, prevented.taker)).or_default().push_back(before);
        self.kept.push_back(prevented);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prevented(id: u64, market: u16, taker: u64) -> PreventedMatch {
        PreventedMatch {
            market: MarketId::new(market),
            id: PreventedMatchId::new(id),
            taker: OrderId::new(taker),
            maker: OrderId::new(1),
            group: TradeGroupId::new(0),
            mode: SelfTradePrevention::ExpireMaker,
            price: Price::MIN,
            maker_qty: Qty::ZERO,
            taker_qty: Qty::ZERO,
            at: Timestamp::ZERO,
        }
    }

    #[test]
    fn those_of_an_order_are_found_for_as_long_as_they_are_kept() {
        let mut all = PreventedMatches::default();
        let mut expected: VecDeque<PreventedMatch> = VecDeque::new();
        for id in 0..(KEPT as u64 * 5 / 2) {
            // Orders of two markets in turn, three matches each.
            let one = prevented(id, (id % 2) as u16 + 1, id / 6);
            all.push(one);
            expected.push_back(one);
            if expected.len() > KEPT {
                expected.pop_front();
            }
            if id % 997 == 0 || id > KEPT as u64 * 5 / 2 - 3 {
                for taker in [id / 6, id.saturating_sub(KEPT as u64) / 6, id.saturating_sub(KEPT as u64) / 6 + 1, 0] {
                    for market in [MarketId::new(1), MarketId::new(2)] {
                        let found: Vec<PreventedMatch> = all.of_taker(market, OrderId::new(taker)).collect();
                        let is_its = |one: &&PreventedMatch| (one.market, one.taker.get()) == (market, taker);
                        let wanted: Vec<PreventedMatch> = expected.iter().filter(is_its).copied().collect();
                        assert_eq!(found, wanted);
                    }
                }
            }
        }
        assert_eq!(all.iter().count(), KEPT);
        assert!(all.takers.len() <= KEPT, "what is dropped is not looked for");
    }
}
