//! The hot path allocates nothing: an allocator that counts is asked before and after a hundred thousand commands.
//!
//! It is here because an allocator is `unsafe` to write, and this crate is the one that may.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use engine::{Limits, Output, Partition, PartitionConfig};
use wire::command::{CancelOrder, Credit, ListAsset, ListMarket, NewOrder, OpenAccount, Reply};
use wire::{
    AccountId, AccountName, Amount, AssetId, CancelRestriction, ClientOrderId, Command, FeeRate, Incarnation,
    LogPosition, MarketId, MarketRules, MarketStatus, OrderId, OrderKind, PartitionId, Price, Qty, SelfTradePrevention,
    Side, Symbol, TimeInForce, Timestamp,
};

struct Counting;

static ALLOCATED: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MARKET: MarketId = MarketId::new(1);
const ACCOUNTS: u64 = 50;
const RESTING: u64 = 2_000;

struct Exchange {
    partition: Partition,
    position: LogPosition,
    now: Timestamp,
    out: Output,
    state: u64,
    orders: u64,
}

fn rules() -> MarketRules {
    let (price, qty) = (|n| Price::new(n).unwrap(), |n| Qty::new(n).unwrap());
    MarketRules {
        tick: Price::MIN,
        price_min: Price::MIN,
        price_max: price(1_000_000),
        lot: qty(1),
        qty_min: qty(1),
        qty_max: qty(1_000_000),
        market_qty_max: qty(1_000_000),
        notional_min: Amount::new(1).unwrap(),
        notional_max: Amount::MAX,
        protection_ppm: 50_000,
        open_orders_max: 1_000_000,
        special: Default::default(),
    }
}

impl Exchange {
    fn new() -> Exchange {
        let config = PartitionConfig {
            partition: PartitionId::new(1),
            ledger: PartitionId::new(1),
            incarnation: Incarnation::new(1),
            limits: Limits { client_order_id_retention_ns: 100_000_000, ..Limits::default() },
        };
        let mut exchange = Exchange {
            partition: Partition::new(config),
            position: LogPosition::ZERO,
            now: Timestamp::from_nanos(1_000_000_000),
            out: Output::default(),
            state: 7,
            orders: 0,
        };
        let symbol = |text: &str| Symbol::new(text.as_bytes()).unwrap();
        for name in ["BTC", "USD"] {
            exchange.done(&Command::ListAsset(ListAsset { symbol: symbol(name), ledger_decimals: 0 }));
        }
        exchange.done(&Command::ListMarket(Box::new(ListMarket {
            symbol: symbol("BTCUSD"),
            base: AssetId::new(1),
            quote: AssetId::new(2),
            partition: PartitionId::new(1),
            price_decimals: 0,
            qty_decimals: 0,
            rules: rules(),
            status: MarketStatus::Trading,
        })));
        for account in 1..=ACCOUNTS as u32 {
            let name = AccountName::new(format!("account-{account}").as_bytes()).unwrap();
            let fee = FeeRate::new(1_000).unwrap();
            exchange.done(&Command::OpenAccount(OpenAccount { name, maker_fee: fee, taker_fee: fee }));
            for asset in [1, 2] {
                let amount = Amount::new(1_000_000_000_000).unwrap();
                let (account, asset) = (AccountId::new(account), AssetId::new(asset));
                exchange.done(&Command::Credit(Credit { account, asset, amount }));
            }
        }
        exchange
    }

    fn done(&mut self, command: &Command) {
        assert!(matches!(self.apply(command), Reply::Accepted { .. }), "{command:?}: {:?}", self.out.reply);
    }

    fn apply(&mut self, command: &Command) -> Reply {
        self.position = self.position.next();
        self.now = self.now.plus_nanos(50_000);
        self.partition.apply(self.position, self.now, command, &mut self.out);
        self.out.reply
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 24) % bound
    }

    /// A passive order, a cancel of an old one, or now and then one that takes. Prices leave the ladder's window no
    /// oftener than a market does: never.
    fn step(&mut self) {
        let dice = self.below(100);
        if dice < 48 && self.orders > RESTING {
            let order = OrderId::new(self.orders - RESTING + self.below(RESTING / 2));
            // Whose it is follows from its id.
            let account = AccountId::new((order.get() % ACCOUNTS) as u32 + 1);
            self.apply(&Command::CancelOrder(CancelOrder {
                account,
                market: MARKET,
                order,
                client_order_id: ClientOrderId::EMPTY,
                restriction: CancelRestriction::None,
                new_client_order_id: ClientOrderId::EMPTY,
                asked_us: 0,
            }));
            return;
        }
        self.orders += 1;
        let takes = dice >= 90;
        let side = if self.below(2) == 0 { Side::Buy } else { Side::Sell };
        let away = if takes { -20 } else { self.below(300) as i64 + 1 };
        let price = if side == Side::Buy { 50_000 - away } else { 50_000 + away };
        let qty = self.below(50) as i64 + 1;
        let mut name = *b"o000000000000000";
        for (at, digit) in name.iter_mut().enumerate().skip(1) {
            *digit = b"0123456789abcdef"[(self.orders >> (4 * (at - 1)) & 15) as usize];
        }
        let order = NewOrder {
            account: AccountId::new((self.orders % ACCOUNTS) as u32 + 1),
            market: MARKET,
            side,
            kind: OrderKind::Limit,
            time_in_force: if takes { TimeInForce::Ioc } else { TimeInForce::Gtc },
            self_trade: SelfTradePrevention::ExpireMaker,
            price: Price::new(price).unwrap(),
            qty: Qty::new(qty).unwrap(),
            quote_qty: Amount::ZERO,
            client_order_id: ClientOrderId::new(&name).unwrap(),
            key: Default::default(),
            session: Default::default(),
            asked_us: 0,
        };
        self.done(&Command::NewOrder(order));
    }
}

#[test]
fn steady_trading_allocates_nothing() {
    let mut exchange = Exchange::new();
    for _ in 0..100_000 {
        exchange.step();
    }
    let before = ALLOCATED.load(Ordering::Relaxed);
    for _ in 0..100_000 {
        exchange.step();
    }
    let allocated = ALLOCATED.load(Ordering::Relaxed) - before;
    assert_eq!(allocated, 0, "allocations in 100,000 commands");
}
