//! How many open orders of one kind each account has in each market. Few orders are of such a kind, and few of their accounts
//! are in many markets: a row for each pair that has one is enough, and an account's own are counted over its markets.

use std::collections::BTreeMap;

use wire::{AccountId, MarketId};

/// Counts by account and market; no row is zero.
#[derive(Default)]
pub(super) struct Tally {
    rows: BTreeMap<(AccountId, MarketId), u32>,
}

impl Tally {
    pub(super) fn add(&mut self, account: AccountId, market: MarketId) {
        *self.rows.entry((account, market)).or_default() += 1;
    }

    pub(super) fn remove(&mut self, account: AccountId, market: MarketId) {
        let whose = (account, market);
        match self.of(account, market) {
            0 | 1 => self.rows.remove(&whose),
            more => self.rows.insert(whose, more - 1),
        };
    }

    /// How many an account has in a market.
    #[inline]
    pub(super) fn of(&self, account: AccountId, market: MarketId) -> u32 {
        self.rows.get(&(account, market)).copied().unwrap_or(0)
    }

    /// How many an account has over all markets.
    pub(super) fn total(&self, account: AccountId) -> u32 {
        let all = (account, MarketId::new(0))..=(account, MarketId::new(u16::MAX));
        self.rows.range(all).map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accounts_total_is_the_sum_over_its_markets_and_no_one_elses() {
        let mut tally = Tally::default();
        let [alice, bob] = [AccountId::new(1), AccountId::new(2)];
        let [first, last] = [MarketId::new(1), MarketId::new(u16::MAX)];
        for (account, market) in [(alice, first), (alice, first), (alice, last), (bob, first)] {
            tally.add(account, market);
        }
        assert_eq!((tally.of(alice, first), tally.of(alice, last), tally.total(alice)), (2, 1, 3));
        assert_eq!((tally.of(bob, last), tally.total(bob)), (0, 1));
        tally.remove(alice, first);
        tally.remove(alice, last);
        assert_eq!((tally.of(alice, first), tally.of(alice, last), tally.total(alice)), (1, 0, 1));
        tally.remove(alice, first);
        assert_eq!((tally.total(alice), tally.rows.len()), (0, 1));
    }
}
