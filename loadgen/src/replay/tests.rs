use super::*;

#[test]
fn each_shown_trade_accounts_for_one_recorded_trade() {
    let trade = |price| Trade { price, qty: 1, taker_buys: true };
    assert_eq!(in_common(&mut vec![trade(1), trade(2)], &[trade(1), trade(1), trade(2)]), 2);
    assert_eq!(in_common(&mut vec![], &[trade(1)]), 0);
}
