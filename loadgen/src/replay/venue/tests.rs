use wire::event::{AssetListed, MarketListed};
use wire::{MarketId, MarketScale};

use super::*;

fn symbol(text: &str) -> Symbol {
    Text::new(text.as_bytes()).unwrap()
}

fn directory() -> Directory {
    let mut directory = Directory::default();
    for (id, name, ledger_decimals) in [(1, "BTC", 10), (2, "ETH", 10), (3, "USDT", 8)] {
        let listed = AssetListed { asset: AssetId::new(id), symbol: symbol(name), ledger_decimals };
        directory.note(&Event::AssetListed(listed));
    }
    for (id, name, partition) in [(1, "BTCUSDT", 2), (2, "ETHUSDT", 3), (3, "ETHBTC", 4), (4, "RPLAYBTCUSDT", 2)] {
        directory.note(&Event::MarketListed(Box::new(MarketListed {
            market: MarketId::new(id),
            symbol: symbol(name),
            base: AssetId::new(1),
            quote: AssetId::new(3),
            partition: PartitionId::new(partition),
            scale: MarketScale::new(2, 5, 10, 8).unwrap(),
            rules: rules(),
        })));
    }
    directory
}

fn cluster(partitions: &[u16]) -> state::Cluster {
    state::Cluster {
        epoch: 1,
        ledger: 1,
        partitions: partitions.to_vec(),
        nodes: vec![],
        operator: state::Operator { name: String::new(), ca: "".into(), cert: "".into(), key: "".into() },
        envelope_key_file: "".into(),
    }
}

#[test]
fn the_market_gets_a_free_name_or_the_wished_one() {
    let directory = directory();
    assert_eq!(directory.name_market(None, "BTCUSDT").unwrap(), "RPLAYBTCUSDT2");
    assert_eq!(directory.name_market(None, "ethusdt").unwrap(), "RPLAYETHUSDT");
    assert_eq!(directory.name_market(None, "1000000MOGSOMETHINGUSDT").unwrap().len(), 20);
    assert_eq!(directory.name_market(Some("MINE"), "BTCUSDT").unwrap(), "MINE");
    assert!(matches!(directory.name_market(Some("ETHBTC"), "X"), Err(VenueError::SymbolTaken(_))));
    assert!(matches!(directory.name_market(Some("mine!"), "X"), Err(VenueError::BadSymbol(_))));
}

#[test]
fn a_symbol_is_split_at_a_known_quote_asset() {
    let directory = directory();
    let split = |symbol| {
        let (base, quote) = directory.split(symbol);
        format!("{base} {quote}")
    };
    assert_eq!(split("BTCUSDT"), "BTC USDT");
    assert_eq!(split("ETHBTC"), "ETH BTC");
    assert_eq!(split("SOLFDUSD"), "SOL FDUSD");
    assert_eq!(split("ABCXYZ"), "ABC XYZ");
    assert_eq!(split("AB"), "A B");
}

#[test]
fn the_market_goes_where_the_fewest_are() {
    assert_eq!(directory().emptiest(&cluster(&[1, 2, 3, 4])), PartitionId::new(3));
    assert_eq!(directory().emptiest(&cluster(&[])), PartitionId::new(3), "those that have markets are known");
    assert_eq!(Directory::default().emptiest(&cluster(&[1])), PartitionId::new(1));
}

#[test]
fn the_rules_let_everything_through() {
    assert!(rules().is_consistent());
}

#[test]
fn a_delisted_market_is_no_load_and_its_name_stays_taken() {
    let mut directory = directory();
    let markets: Vec<MarketId> = directory.markets.keys().copied().collect();
    for market in markets {
        let status = MarketStatus::Delisted;
        directory.note(&Event::MarketStatusChanged(wire::event::MarketStatusChanged { market, status }));
    }
    assert_eq!(directory.emptiest(&cluster(&[1, 2, 3, 4])), PartitionId::new(2));
    assert!(matches!(directory.name_market(Some("ETHBTC"), "X"), Err(VenueError::SymbolTaken(_))));
}
