//! The second opinion: an independent exchange, and the engine in every layout to compare it with. Walks drive both with random
//! commands (`src/bin/model` as far as one likes), the simulator with a committed log.

mod chance;
pub mod edges;
pub mod exchange;
pub mod flow;
pub mod layout;
mod ledger;
mod market;
mod numbers;
pub mod pair;
pub mod reached;
mod shorten;
pub mod walk;

/// The filters of a small market of coarse numbers, that tests change where they need others.
pub fn rules() -> wire::MarketRules {
    let (price, qty, amount) = (numbers::price, numbers::qty, numbers::amount);
    wire::MarketRules {
        tick: price(5),
        price_min: price(10),
        price_max: price(1_000_000_000),
        lot: qty(2),
        qty_min: qty(4),
        qty_max: qty(400),
        market_qty_max: qty(300),
        notional_min: amount(8_000),
        notional_max: amount(40_000_000),
        protection_ppm: 50_000,
        open_orders_max: 7,
        special: wire::SpecialRules::default(),
    }
}
