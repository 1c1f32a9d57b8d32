use super::*;
use crate::replay::book::Level;
use crate::replay::recording::{Trade, Update};

fn recording() -> Recording {
    let update = |trades, levels| Update { line: 1, at_ns: 0, trades, levels };
    let level = |side, price, qty| Level { side, price, qty };
    Recording {
        symbol: "X".into(),
        price_decimals: 2,
        qty_decimals: 1,
        updates: vec![
            update(vec![], vec![level(Side::Bid, 10, 5), level(Side::Ask, 11, 7)]),
            update(vec![Trade { price: 11, qty: 3, taker_buys: true }], vec![level(Side::Bid, 10, 0)]),
        ],
        finest: (1, 1),
        trailing_trades: 0,
    }
}

#[test]
fn each_maker_can_pay_for_its_fullest_book_twice_and_for_every_trade_with_it() {
    let budget = Budget::of(&recording(), 2);
    assert_eq!(budget.makers, [Needs { quote: 2 * 50 + 1, base: 1 }, Needs { quote: 33 + 1, base: 2 * 7 + 3 + 1 }]);
    assert_eq!(budget.taker, Needs { quote: 34, base: 4 });
    assert_eq!(budget.total(), Needs { quote: 101 + 34 + 34, base: 1 + 18 + 4 });
}

#[test]
fn needs_are_amounts_where_the_asset_is_fine_enough_and_the_ledger_can_hold_them() {
    let (recording, needs) = (recording(), Needs { quote: 84, base: 11 });
    assert_eq!(needs.base_amount(&recording, 3), Amount::new(11 * 100));
    assert_eq!(needs.quote_amount(&recording, 3), Amount::new(84));
    assert_eq!(needs.quote_amount(&recording, 2), None, "the quote asset is too coarse");
    assert_eq!(Needs { quote: i128::from(i64::MAX), base: 0 }.quote_amount(&recording, 8), None);
}
