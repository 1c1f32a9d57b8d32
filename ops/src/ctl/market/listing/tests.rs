use clap::Parser;
use wire::event::MarketListed;
use wire::{AssetId, MarketId, MarketProtection, MarketSchedule, decimal};

use super::*;
use crate::operator::KnownMarket;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: AddArgs,
}

fn known() -> Inventory {
    let mut known = Inventory::default();
    for (id, symbol, ledger_decimals) in [(1, "BTC", 10), (2, "USDT", 8)] {
        let listed = AssetListed { asset: AssetId::new(id), symbol: name(symbol).unwrap(), ledger_decimals };
        known.assets.insert(symbol.to_owned(), listed);
    }
    known
}

/// With a market in each of these partitions.
fn with_markets(partitions: &[u16], status: MarketStatus) -> Inventory {
    let mut known = known();
    for (at, partition) in partitions.iter().enumerate() {
        let symbol = format!("M{at}");
        let listed = MarketListed {
            market: MarketId::new(at as u16 + 1),
            symbol: name(&symbol).unwrap(),
            base: AssetId::new(1),
            quote: AssetId::new(2),
            partition: PartitionId::new(*partition),
            scale: MarketScale::new(2, 5, 10, 8).unwrap(),
            rules: widest(),
        };
        let (protection, schedule) = (MarketProtection::NONE, MarketSchedule::EMPTY);
        let market = KnownMarket { listed, status, protection, schedule, quote_decimals: 8 };
        known.markets.insert(symbol, market);
    }
    known
}

const BTCUSDT: &str = "BTCUSDT --base BTC --quote USDT --price-decimals 2 --qty-decimals 5";

fn plan(line: &str, known: &Inventory) -> Result<ListMarket, String> {
    let line = Line::try_parse_from(["add"].into_iter().chain(line.split(' '))).map_err(|error| error.to_string())?;
    planned(&line.args, known, 1, &[1, 2, 3, 4]).map_err(|error| crate::report::in_a_line(&error))
}

#[test]
fn a_market_is_listed_as_its_words_say_and_begins_halted() {
    let line = format!("{BTCUSDT} --max-price 1000000 --max-qty 9000 --min-notional 5 --lot 0.0001 --protection 2%");
    let list = plan(&line, &known()).unwrap();
    assert_eq!((list.base, list.quote, list.status), (AssetId::new(1), AssetId::new(2), MarketStatus::Halted));
    let rules = list.rules;
    assert!(rules.is_consistent());
    assert_eq!(decimal::format(rules.price_max.units(), 2, 0), "1000000");
    assert_eq!(decimal::format(rules.lot.units(), 5, 0), "0.0001");
    assert_eq!((rules.qty_min, rules.market_qty_max), (rules.lot, rules.qty_max), "what is not named follows");
    assert_eq!(decimal::format(rules.notional_min.units(), 8, 0), "5");
    assert_eq!(rules.protection_ppm, 20_000);
}

#[test]
fn it_lives_where_the_fewest_are_and_the_ledger_is_the_last_choice() {
    let line = format!("{BTCUSDT} --max-price 1 --max-qty 1");
    let partition = |known: &Inventory| plan(&line, known).unwrap().partition.get();
    assert_eq!(partition(&known()), 2);
    assert_eq!(partition(&with_markets(&[2, 3], MarketStatus::Trading)), 4);
    assert_eq!(partition(&with_markets(&[2, 3], MarketStatus::Delisted)), 2, "delisted ones are no load");
    let joint = Line::try_parse_from(["add"].into_iter().chain(line.split(' '))).unwrap();
    assert_eq!(planned(&joint.args, &known(), 1, &[1]).unwrap().partition.get(), 1);
    assert_eq!(plan(&format!("{line} --partition 3"), &known()).unwrap().partition.get(), 3);
    let error = plan(&format!("{line} --partition 9"), &known()).unwrap_err();
    assert_eq!(error, "the cluster has no partition 9; it has 1, 2, 3, 4");
}

#[test]
fn what_cannot_be_is_said_before_anything_is_done() {
    let refused = |line: &str, why: &str| {
        let error = plan(line, &known()).unwrap_err();
        assert!(error.contains(why), "{line}: {error}");
    };
    let bounds = "--max-price 1 --max-qty 1";
    refused(BTCUSDT, "--max-price 1000000 --max-qty 9000");
    refused("BTCEUR --base BTC --quote EUR --price-decimals 2 --qty-decimals 5", "mainstay ctl asset add EUR");
    let scale = |decimals| format!("BTCUSDT --base BTC --quote USDT {decimals} {bounds}");
    refused(&scale("--price-decimals 4 --qty-decimals 5"), "USDT has 8 decimals in the ledger");
    refused(&scale("--price-decimals 0 --qty-decimals 13"), "at most 12 decimals each");
    refused(&format!("btcusdt --base BTC --quote USDT --price-decimals 2 --qty-decimals 5 {bounds}"), "A-Z");
    refused(&format!("{BTCUSDT} --max-price 1.001 --max-qty 1"), "--max-price 1.001");
    refused(&format!("{BTCUSDT} {bounds} --min-qty 2"), "contradict each other");
    refused(&format!("{BTCUSDT} {bounds} --phase delisted"), "ctl market delist");
    let again = with_markets(&[2], MarketStatus::Delisted);
    let error = plan(&format!("M0 --base BTC --quote USDT --price-decimals 2 --qty-decimals 5 {bounds}"), &again);
    assert!(error.unwrap_err().contains("names stay taken"));
}

#[test]
fn every_filter_can_be_named_and_what_takes_the_older_notional_away_takes_its_word_on_market_orders() {
    let line = format!(
        "{BTCUSDT} --max-price 1000000 --max-qty 9000 --max-stop-orders 7 --max-icebergs 3 --max-iceberg-parts 9 --max-order-lists 4 \
         --max-amends 2 --min-trailing-delta 5 --max-trailing-delta 500 --least-notional 12.5 --least-notional-to-market true"
    );
    let rules = plan(&line, &known()).unwrap().rules;
    let special = rules.special;
    assert!(rules.is_consistent());
    assert_eq!((special.stop_orders_max, special.iceberg_orders_max, special.iceberg_parts_max), (7, 3, 9));
    assert_eq!((special.order_lists_max, special.order_amends_max), (4, 2));
    assert_eq!((special.trailing_delta_min.get(), special.trailing_delta_max.get()), (5, 500));
    assert_eq!((special.min_notional.units(), special.min_notional_of_market), (1_250_000_000, true));
    for bad in [
        "--min-trailing-delta 600 --max-trailing-delta 500",
        "--max-trailing-delta 10000",
        "--least-notional-to-market true",
    ] {
        let line = format!("{BTCUSDT} --max-price 1000000 --max-qty 9000 {bad}");
        assert!(plan(&line, &known()).is_err(), "{bad}");
    }
    let none = Line::try_parse_from(format!("add {BTCUSDT} --least-notional 0").split(' ')).unwrap().args.filters;
    let scale = MarketScale::new(2, 5, 10, 8).unwrap();
    let without = none.applied(rules, scale, 8).unwrap().special;
    assert_eq!((without.min_notional, without.min_notional_of_market), (wire::Amount::ZERO, false));
}
