//! What a row of each table takes: whoever raises a capacity is told by [`engine::ROW_BYTES`], which this holds against the address
//! space that cells really take, each in a process of its own.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::hint::black_box;
use std::process::Command;

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

/// Which cell a process of this test makes, with the most rows of which table; of none for `-`.
const MADE: &str = "ROW_BYTES_MADE";

fn capacity(table: &str) -> Capacity {
    let mut rows = Limits::default().capacity().rows();
    if let Ok(at) = table.parse::<usize>() {
        rows[at] = Capacity::MOST.rows()[at];
    }
    Capacity::of_rows(rows)
}

/// What a cell takes in a process of its own: here it might lie where another has been.
fn taken_by(cell: &str, table: &str) -> i64 {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output =
        child.args(["--exact", "a_row_takes_what_is_told_of_it", "--nocapture"]).env(MADE, format!("{cell} {table}"));
    let output = output.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let bytes = text.lines().find_map(|line| line.rsplit_once("bytes taken: ")?.1.parse().ok());
    bytes.unwrap_or_else(|| panic!("{cell} {table}: {text}"))
}

#[test]
fn a_row_takes_what_is_told_of_it() {
    if let Ok(made) = std::env::var(MADE) {
        let (cell, table) = made.split_once(' ').unwrap();
        let capacity = capacity(table);
        let bytes = if cell == "ledger" { bytes_of(|| ledger(capacity)) } else { bytes_of(|| market(capacity)) };
        println!("\nbytes taken: {bytes}");
        return;
    }
    let mut wrong = Vec::new();
    for (cell, told) in [("ledger", ROW_BYTES), ("market", MARKET_ROW_BYTES)] {
        let alone = taken_by(cell, "-");
        for (at, name) in Capacity::TABLES.iter().enumerate() {
            let more = i64::from(Capacity::MOST.rows()[at] - Limits::default().capacity().rows()[at]);
            let (each, told) = ((taken_by(cell, &at.to_string()) - alone) / more, i64::from(told[at]));
            // Tables have powers of two.
            if (each - told).abs() > told / 4 + 4 {
                wrong.push(format!("{name} of the {cell}: {each} bytes a row, {told} told"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
