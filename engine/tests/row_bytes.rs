//! What a row of each table takes: whoever raises a capacity is told by [`engine::ROW_BYTES`], which this holds against the address
//! space that cells really take. Alone in its process: nobody else takes any meanwhile.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::hint::black_box;

use engine::{Limits, MARKET_ROW_BYTES, MarketAlone, Partition, PartitionConfig, ROW_BYTES};
use wire::mail::CreateMarket;
use wire::{Amount, Capacity, Incarnation, MarketId, MarketRules, MarketScale, PartitionId, Price, Qty, SpecialRules};

/// Bytes of address space that this process has.
fn taken() -> i64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    4096 * pages.split(' ').next().unwrap().parse::<i64>().unwrap()
}

/// Bytes that making something takes.
fn bytes_of<T>(make: impl FnOnce() -> T) -> i64 {
    let before = taken();
    let made = black_box(make());
    let bytes = taken() - before;
    drop(made);
    bytes
}

fn ledger(capacity: Capacity) -> Partition {
    let limits = Limits {
        accounts_max: capacity.accounts_max,
        api_keys_max: capacity.api_keys_max,
        open_orders_max: capacity.open_orders_max,
        remembered_orders_max: capacity.remembered_orders_max,
        resting_orders_max: capacity.resting_orders_max,
        deposit_addresses_max: capacity.deposit_addresses_max,
        deposits_max: capacity.deposits_max,
        withdrawals_max: capacity.withdrawals_max,
        ..Limits::default()
    };
    let id = PartitionId::new(1);
    Partition::new(PartitionConfig { partition: id, ledger: id, incarnation: Incarnation::new(1), limits })
}

fn market(capacity: Capacity) -> MarketAlone {
    let one = Qty::new(1).unwrap();
    let rules = MarketRules {
        tick: Price::MIN,
        price_min: Price::MIN,
        price_max: Price::new(100_000_000).unwrap(),
        lot: one,
        qty_min: one,
        qty_max: Qty::MAX,
        market_qty_max: Qty::MAX,
        notional_min: Amount::ZERO,
        notional_max: Amount::MAX,
        protection_ppm: 50_000,
        open_orders_max: 200,
        special: SpecialRules::default(),
    };
    let create = CreateMarket {
        market: MarketId::new(1),
        scale: MarketScale::new(2, 5, 10, 8).unwrap(),
        rules,
        ledger: PartitionId::new(1),
        accounts_max: capacity.accounts_max,
        resting_orders_max: capacity.resting_orders_max,
    };
    MarketAlone::new(&create, &Limits::default())
}

#[test]
fn a_row_takes_what_is_told_of_it() {
    let least = Limits::default().capacity();
    let (ledger_alone, market_alone) = (bytes_of(|| ledger(least)), bytes_of(|| market(least)));
    let mut wrong = Vec::new();
    for (at, name) in Capacity::TABLES.iter().enumerate() {
        let mut rows = least.rows();
        rows[at] = Capacity::MOST.rows()[at];
        let (more, capacity) = (i64::from(rows[at] - least.rows()[at]), Capacity::of_rows(rows));
        for (cell, bytes, told) in [
            ("ledger", bytes_of(|| ledger(capacity)) - ledger_alone, ROW_BYTES[at]),
            ("market", bytes_of(|| market(capacity)) - market_alone, MARKET_ROW_BYTES[at]),
        ] {
            let (each, told) = (bytes / more, i64::from(told));
            // Tables have powers of two, and small ones lie in what the process has already.
            if (each - told).abs() > told / 4 + 8 {
                wrong.push(format!("{name} of the {cell}: {each} bytes a row, {told} told"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
