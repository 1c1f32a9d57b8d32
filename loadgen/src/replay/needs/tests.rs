use super::*;
use crate::replay::book::Level;
use crate::replay::recording::{Trade, Update};

#[test]
fn the_need_covers_the_fullest_book_and_every_trade() {
    let update = |trades, levels| Update { line: 1, at_ns: 0, trades, levels };
    let level = |side, price, qty| Level { side, price, qty };
    let recording = Recording {
        symbol: "X".into(),
        price_decimals: 2,
        qty_decimals: 1,
        updates: vec![
            update(vec![], vec![level(Side::Bid, 10, 5), level(Side::Ask, 11, 7)]),
            update(vec![Trade { price: 11, qty: 3, taker_buys: true }], vec![level(Side::Bid, 10, 0)]),
        ],
        trailing_trades: 0,
    };
    let needs = Needs::of(&recording);
    assert_eq!(needs, Needs { quote: 50 + 33 + 1, base: 7 + 3 + 1 });
    assert_eq!(needs.base_amount(&recording, 3), Amount::new(11 * 3 * 100));
    assert_eq!(needs.quote_amount(&recording, 3), Amount::new(84 * 3));
    assert_eq!(needs.quote_amount(&recording, 2), None, "the quote asset is too coarse");
    assert_eq!(Needs { quote: i128::from(i64::MAX), base: 0 }.quote_amount(&recording, 8), None);
}
