use serde_json::json;

use super::*;

fn dec(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

fn info(status: &str) -> SymbolInfo {
    serde_json::from_value(json!({
        "symbol": "BTCUSDT", "status": status, "baseAsset": "BTC", "quoteAsset": "USDT", "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01000000"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000", "stepSize": "0.00001000"},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000"},
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200}
        ]
    }))
    .unwrap()
}

#[test]
fn filters_become_a_grid_that_prices_and_quantities_lie_on() {
    let market = Market::read(&info("TRADING")).unwrap();
    assert_eq!(market.open_orders_max, 200);
    assert_eq!(market.price(dec("61685.994")).to_string(), "61685.99");
    assert_eq!(market.price(Decimal::ZERO), dec("0.01"));
    assert_eq!(market.qty(dec("0.0123456"), dec("60000")).to_string(), "0.01235");
    assert_eq!(market.qty(dec("0.00001"), dec("60000")).to_string(), "0.00009", "5 USDT are the least");
}

#[test]
fn a_closed_market_and_a_missing_filter_are_named() {
    assert!(Market::read(&info("HALT")).unwrap_err().to_string().contains("HALT"));
    let mut info = info("TRADING");
    info.filters.remove(1);
    assert!(Market::read(&info).unwrap_err().to_string().contains("LOT_SIZE"));
}
