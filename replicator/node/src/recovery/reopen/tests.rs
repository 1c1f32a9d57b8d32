use std::collections::BTreeSet;

use wire::command::{ListAsset, ListMarket, ReopenMarket, Tick};
use wire::{Amount, AssetId, ClusterEpoch, MarketId, MarketRules, PartitionId, Price, Qty, SpecialRules, Symbol};

use super::*;
use crate::recovery::Former;

const SECOND: u64 = 1_000_000_000;
const PARTITION: PartitionId = PartitionId::new(1);

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_nanos(seconds * SECOND)
}

/// A ledger with markets 1 to `count` in its own partition, all trading, after one second.
fn replay(count: u16) -> Replay<Machine> {
    let former = Former::new(ClusterEpoch::new(1), PARTITION, vec![PARTITION]);
    let mut replay = former.replay(PARTITION, BTreeSet::new(), None);
    let symbol = |name: String| Symbol::new(name.as_bytes()).unwrap();
    let assets = (0..=count).map(|n| {
        let symbol = symbol(format!("A{n}"));
        Command::ListAsset(ListAsset { symbol, ledger_decimals: 8 })
    });
    let (price, qty, amount) = (Price::new, Qty::new, Amount::new);
    let rules = MarketRules {
        tick: Price::MIN,
        price_min: Price::MIN,
        price_max: price(1_000_000).unwrap(),
        lot: qty(1).unwrap(),
        qty_min: qty(1).unwrap(),
        qty_max: qty(1_000_000).unwrap(),
        market_qty_max: qty(1_000_000).unwrap(),
        notional_min: amount(1).unwrap(),
        notional_max: Amount::MAX,
        protection_ppm: 50_000,
        open_orders_max: 100,
        special: SpecialRules::default(),
    };
    let markets = (1..=count).map(|n| {
        Command::ListMarket(Box::new(ListMarket {
            symbol: symbol(format!("M{n}")),
            base: AssetId::new(n + 1),
            quote: AssetId::new(1),
            partition: PARTITION,
            price_decimals: 2,
            qty_decimals: 5,
            rules,
            status: MarketStatus::Trading,
        }))
    });
    append(&mut replay, at(1), assets.chain(markets)).unwrap();
    assert_eq!(replay.machine().cells().markets_in(MarketStatus::Trading).len(), usize::from(count));
    replay
}

fn phases(replay: &Replay<Machine>) -> Vec<(MarketId, MarketStatus)> {
    let phase = |status| move |market: &MarketId| (*market, status);
    let of = |status| replay.machine().cells().markets_in(status).iter().map(phase(status)).collect::<Vec<_>>();
    use MarketStatus::{Auction, CancelOnly, Halted, Trading};
    let mut all: Vec<_> = [Trading, Auction, CancelOnly, Halted].into_iter().flat_map(of).collect();
    all.sort_unstable_by_key(|(market, _)| *market);
    all
}

#[test]
fn no_market_trades_by_itself_in_a_new_life_whatever_was_planned_for_it() {
    let mut replay = replay(3);
    let reopen = |market, cancel_only_ns| {
        Command::ReopenMarket(ReopenMarket { market: MarketId::new(market), cancel_only_ns, auction_ns: 10 * SECOND })
    };
    // Cancel-only for a minute, then an auction, then trading; and an auction at once.
    append(&mut replay, at(2), [reopen(2, 60 * SECOND), reopen(3, 0)].into_iter()).unwrap();
    use MarketStatus::{Auction, CancelOnly, Halted, Trading};
    let expected = [(1, Trading), (2, CancelOnly), (3, Auction)].map(|(id, status)| (MarketId::new(id), status));
    assert_eq!(phases(&replay), expected);

    assert_eq!(cancel_only(&mut replay, at(3)).unwrap(), Closed { cancel_only: 2, halted: 1 });
    for seconds in [4, 20, 63, 100, 200, 100_000] {
        append(&mut replay, at(seconds), [Command::Tick(Tick)].into_iter()).unwrap();
        let expected = [(1, CancelOnly), (2, Halted), (3, CancelOnly)].map(|(id, status)| (MarketId::new(id), status));
        assert_eq!(phases(&replay), expected, "after {seconds} s");
    }
}
