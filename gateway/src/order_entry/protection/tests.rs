use wire::{MarketScale, MarketStatus, Side};

use super::price;
use crate::market_data::Best;
use crate::reference::{Asset, Market};
use crate::testing::{BTC, BTCUSDT, LEDGER, USDT, qty, rules, symbol};

fn market() -> Market {
    let asset = |id, name, ledger_decimals| Asset { id, symbol: symbol(name), ledger_decimals };
    Market {
        id: BTCUSDT,
        symbol: symbol("BTCUSDT"),
        base: asset(BTC, "BTC", 10),
        quote: asset(USDT, "USDT", 8),
        partition: LEDGER,
        scale: MarketScale::new(2, 5, 10, 8).unwrap(),
        rules: wire::MarketRules { tick: crate::testing::price(10), ..rules() },
        protection: wire::MarketProtection::NONE,
        status: MarketStatus::Trading,
    }
}

#[test]
fn protection_lies_beyond_the_best_opposite_price_on_the_tick_within_the_filter() {
    let market = market();
    let p = crate::testing::price;
    let best = Best { bid: Some((p(999_990), qty(1))), ask: Some((p(1_000_010), qty(1))) };
    // 5 %: 1,050,010.5 down to the tick, 949,990.5 up to the tick.
    assert_eq!(price(&market, Side::Buy, best, None), p(1_050_010));
    assert_eq!(price(&market, Side::Sell, best, None), p(950_000));
    assert_eq!(price(&market, Side::Buy, Best::default(), Some(p(100))), p(100));
    assert_eq!(price(&market, Side::Buy, Best::default(), None), market.rules.price_max);
    assert_eq!(price(&market, Side::Sell, Best::default(), None), market.rules.price_min);
    let high = Best { ask: Some((p(99_999_990), qty(1))), ..Best::default() };
    assert_eq!(price(&market, Side::Buy, high, None), market.rules.price_max);
}
