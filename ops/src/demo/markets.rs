//! What the demo lists: assets and markets with Binance-like limits.

use wire::command::{ListAsset, ListMarket};
use wire::{Amount, AssetId, MarketRules, PartitionId, Price, Qty, Symbol, decimal};

/// Symbol and ledger decimals.
pub const ASSETS: [(&str, u8); 3] = [("BTC", 10), ("ETH", 10), ("USDT", 8)];

/// One market in the words of its filters.
pub struct Market {
    /// Its name.
    pub symbol: &'static str,
    /// What is traded.
    pub base: &'static str,
    /// What it is paid with.
    pub quote: &'static str,
    price_decimals: u8,
    qty_decimals: u8,
    price_max: &'static str,
    qty_max: &'static str,
    notional_min: &'static str,
    notional_max: &'static str,
}

/// In the order in which they get partitions.
pub const MARKETS: [Market; 3] = [
    Market {
        symbol: "BTCUSDT",
        base: "BTC",
        quote: "USDT",
        price_decimals: 2,
        qty_decimals: 5,
        price_max: "1000000",
        qty_max: "9000",
        notional_min: "5",
        notional_max: "1000000000",
    },
    Market {
        symbol: "ETHUSDT",
        base: "ETH",
        quote: "USDT",
        price_decimals: 2,
        qty_decimals: 4,
        price_max: "1000000",
        qty_max: "9000",
        notional_min: "5",
        notional_max: "1000000000",
    },
    Market {
        symbol: "ETHBTC",
        base: "ETH",
        quote: "BTC",
        price_decimals: 5,
        qty_decimals: 4,
        price_max: "1000",
        qty_max: "100000",
        notional_min: "0.0001",
        notional_max: "10000",
    },
];

/// The asset with this symbol.
pub fn asset((symbol, ledger_decimals): (&str, u8)) -> ListAsset {
    ListAsset { symbol: name(symbol), ledger_decimals }
}

impl Market {
    /// The command that lists it. `quote_decimals` are the quote asset's in the ledger.
    pub fn list(&self, base: AssetId, quote: AssetId, quote_decimals: u8, partition: PartitionId) -> ListMarket {
        let units = |text, decimals| decimal::parse(text, decimals).expect("the table holds numbers of the scale");
        let price = |text| Price::new(units(text, self.price_decimals)).expect("the table's prices are in bounds");
        let qty = |text| Qty::new(units(text, self.qty_decimals)).expect("the table's quantities are in bounds");
        let amount = |text| Amount::new(units(text, quote_decimals)).expect("the table's amounts are positive");
        let one_lot = Qty::new(1).expect("one unit is a quantity");
        let rules = MarketRules {
            tick: Price::MIN,
            price_min: Price::MIN,
            price_max: price(self.price_max),
            lot: one_lot,
            qty_min: one_lot,
            qty_max: qty(self.qty_max),
            market_qty_max: qty(self.qty_max),
            notional_min: amount(self.notional_min),
            notional_max: amount(self.notional_max),
            protection_ppm: 50_000,
            open_orders_max: 10_000,
            special: wire::SpecialRules::default(),
        };
        ListMarket {
            symbol: name(self.symbol),
            base,
            quote,
            partition,
            price_decimals: self.price_decimals,
            qty_decimals: self.qty_decimals,
            rules,
            status: wire::MarketStatus::Trading,
        }
    }
}

fn name(symbol: &str) -> Symbol {
    Symbol::new(symbol.as_bytes()).expect("the tables hold short printable names")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_market_of_the_table_has_consistent_rules_and_an_exact_scale() {
        for market in &MARKETS {
            let decimals = |symbol| ASSETS.iter().find(|asset| asset.0 == symbol).unwrap().1;
            let quote = decimals(market.quote);
            let list = market.list(AssetId::new(1), AssetId::new(2), quote, PartitionId::new(2));
            assert!(list.rules.is_consistent(), "{}", market.symbol);
            let base = decimals(market.base);
            wire::MarketScale::new(list.price_decimals, list.qty_decimals, base, quote).unwrap();
        }
    }
}
