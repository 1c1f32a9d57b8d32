use serde_json::json;
use wire::event::BalanceChanged;

use super::super::made;
use super::*;
use crate::sim::machine::amount;

const ALICE: AccountId = AccountId::new(1);

fn record(position: u64, changes: &[(u16, i64, i64)]) -> Record {
    let change = |(asset, free, held): &(u16, i64, i64)| {
        let (free, held) = (amount(*free), amount(*held));
        Event::BalanceChanged(BalanceChanged { account: ALICE, asset: AssetId::new(*asset), free, held })
    };
    Record { events: changes.iter().map(change).collect(), ..made::record(position) }
}

/// Two assets, of which an order at position 5 moves both.
fn balances() -> Balances {
    let mut balances = Balances::default();
    balances.on_commit(&record(2, &[(1, 100, 0), (2, 100, 0)]));
    balances.on_commit(&record(5, &[(1, 90, 10), (1, 90, 0), (2, 120, 0)]));
    balances
}

fn told(floor: u64, a: &str, b: &str) -> Verdict {
    let asked = Asked { account: ALICE, asked_us: 1, floor: LogPosition::new(floor), after: 0, is_late: false };
    let balance = |asset: &str, free: &str| json!({ "asset": asset, "free": free, "locked": "0.000000" });
    balances().told(&asked, &json!({ "balances": [balance("A", a), balance("B", b)] }))
}

#[test]
fn balances_are_told_as_they_were_at_one_position_since_the_user_asked() {
    let (before, after) = (("0.000100", "0.000100"), ("0.000090", "0.000120"));
    for floor in 2..5 {
        assert_eq!(told(floor, before.0, before.1), Ok(()), "nothing later was committed at {floor}");
        assert_eq!(told(floor, after.0, after.1), Ok(()));
    }
    assert!(told(5, before.0, before.1).is_err(), "they were committed before the user asked");
    assert_eq!(told(7, after.0, after.1), Ok(()));
    assert!(told(2, after.0, before.1).is_err(), "one as it was before the command, the other as it was after");
}

#[test]
fn what_nobody_ever_had_is_not_told() {
    assert!(told(2, "0.000101", "0.000100").is_err());
    let nobody = Balances::default();
    let asked = Asked { account: ALICE, asked_us: 1, floor: LogPosition::ZERO, after: 0, is_late: false };
    assert!(nobody.told(&asked, &json!({ "balances": [] })).is_err());
}
