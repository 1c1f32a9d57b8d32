//! A book of very many orders, and then very many operations on it: what an order costs in memory, and whether memory
//! stays where it is. Exits 1 when an order takes more than 100 bytes, or memory grows.
//!
//! ```text
//! cargo run --release -p engine --example churn -- [ORDERS] [OPERATIONS]
//! ```

// A measurement beside the core, not of it: it may read a clock.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::hint::black_box;
use std::process::exit;
use std::time::Instant;

use engine::{Limits, MarketAlone, Sink};
use wire::mail::{CreateMarket, PlaceOrder, PullOrder};
use wire::{
    AccountId, Amount, CancelCause, Event, LogPosition, Mail, MarketId, MarketRules, MarketScale, OrderId, OrderKind,
    PartitionId, Price, Qty, SelfTradePrevention, Side, TimeInForce, Timestamp, TradeGroupId,
};

const MARKET: MarketId = MarketId::new(1);
const ACCOUNTS: u64 = 1_000;
const BYTES_MAX: f64 = 100.0;

/// Bytes of memory that this process has.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let pages: f64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages");
    pages * 4_096.0
}

/// Counts what the market says.
#[derive(Default)]
struct Heard {
    events: u64,
    mails: u64,
}

impl Sink for Heard {
    fn tell(&mut self, event: Event) {
        black_box(&event);
        self.events += 1;
    }

    fn send(&mut self, _: PartitionId, mail: Mail) {
        black_box(&mail);
        self.mails += 1;
    }

    fn waiting(&self) -> usize {
        0
    }
}

struct Churn {
    market: MarketAlone,
    heard: Heard,
    now: Timestamp,
    state: u64,
    orders: u64,
}

impl Churn {
    fn new(orders: u32) -> Churn {
        let (price, qty) = (|n| Price::new(n).expect("a price"), |n| Qty::new(n).expect("a quantity"));
        let rules = MarketRules {
            tick: Price::MIN,
            price_min: Price::MIN,
            price_max: price(1_000_000),
            lot: qty(1),
            qty_min: qty(1),
            qty_max: qty(1_000_000),
            market_qty_max: qty(1_000_000),
            notional_min: Amount::ZERO,
            notional_max: Amount::MAX,
            protection_ppm: 50_000,
            open_orders_max: u32::MAX,
            special: Default::default(),
        };
        let scale = MarketScale::new(0, 0, 0, 0).expect("whole units");
        // A little more than rests: the order on its way needs a place, too.
        let limits = Limits { resting_orders_max: orders + orders / 64, accounts_max: 1_024, ..Limits::default() };
        let ledger = PartitionId::new(1);
        let (accounts_max, resting_orders_max) = (limits.accounts_max, limits.resting_orders_max);
        let create = CreateMarket { market: MARKET, scale, rules, ledger, accounts_max, resting_orders_max };
        let market = MarketAlone::new(&create, &limits);
        Churn { market, heard: Heard::default(), now: Timestamp::from_nanos(1_000_000_000), state: 7, orders: 0 }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 20) % bound
    }

    fn place(&mut self) {
        self.orders += 1;
        self.now = self.now.plus_nanos(1_000);
        let side = if self.below(2) == 0 { Side::Buy } else { Side::Sell };
        let away = self.below(20_000) as i64 + 1;
        let price = if side == Side::Buy { 500_000 - away } else { 500_000 + away };
        let order = PlaceOrder {
            market: MARKET,
            order: OrderId::new(self.orders),
            account: AccountId::new((self.orders % ACCOUNTS) as u32 + 1),
            group: TradeGroupId::new(0),
            side,
            kind: OrderKind::Limit,
            time_in_force: TimeInForce::Gtc,
            self_trade: SelfTradePrevention::None,
            price: Price::new(price).expect("a price"),
            qty: Qty::new(self.state as i64 % 100 + 101).expect("a quantity"),
            budget: Amount::MAX,
        };
        self.market.place(self.now, &order, &mut self.heard);
    }

    fn pull(&mut self, order: u64) {
        let (order, request, cause) = (OrderId::new(order), LogPosition::ZERO, CancelCause::Requested);
        let pull = PullOrder { market: MARKET, order, request, cause };
        self.market.pull(self.now, &pull, &mut self.heard);
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|number| number.parse().ok());
    let orders: u64 = arguments.next().flatten().unwrap_or(1_000_000);
    let operations: u64 = arguments.next().flatten().unwrap_or(100_000_000);
    let empty = resident();
    let mut churn = Churn::new(orders as u32);
    (0..orders).for_each(|_| churn.place());
    let full = resident();
    let an_order = (full - empty) / orders as f64;
    println!("{orders} resting orders: {an_order:.1} bytes an order, the book's own memory included");
    // The oldest goes, or one of the youngest; the window of live ids moves on.
    let (mut oldest, started) = (1, Instant::now());
    let mut settled = 0.0;
    for operation in 0..operations / 2 {
        churn.place();
        churn.pull(oldest);
        oldest += 1;
        if operation == operations / 20 {
            settled = resident();
        }
    }
    let ns = started.elapsed().as_nanos() as f64 / operations as f64;
    let growth = resident() - settled;
    println!("told {} events and {} mails", churn.heard.events, churn.heard.mails);
    println!("{operations} operations: {ns:.0} ns each, memory grew by {growth:.0} bytes after the first tenth");
    exit(i32::from(an_order > BYTES_MAX || growth > 1_048_576.0));
}
