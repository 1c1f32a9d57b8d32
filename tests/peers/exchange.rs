//! The same orders and cancels through three cores in one process, turn by turn, so that a busy machine disturbs them
//! alike: our market cell alone, our ledger and market cells together with limits, bands, fees and self-trade prevention on
//! but idle, and the whole exchange core of a peer with what it has of these. Built and run by `tests/peers/exchange`.

use std::hint::black_box;
use std::num::NonZeroU64;
use std::time::Instant;

use engine::{Limits, MarketAlone, Output, Partition, PartitionConfig, Sink};
use melin_exchange_core::exchange::Exchange;
use melin_exchange_core::types as peer;
use wire::command::{
    AssignAccount, CancelOrder, Credit, ListAsset, ListMarket, NewOrder, OpenAccount, Reply, SetAccountLimits,
    SetMarketProtection,
};
use wire::mail::{CreateMarket, PlaceOrder, PullOrder};
use wire::{
    AccountId, AccountName, Amount, AssetId, CancelCause, CancelRestriction, ClientOrderId, Command, Event, FeeRate,
    FirmId, Incarnation, LogPosition, Mail, MarketId, MarketProtection, MarketRules, MarketScale, MarketStatus,
    OrderId, OrderKind, PartitionId, Price, Qty, SelfTradePrevention, Side, Symbol, TimeInForce, Timestamp,
    TradeGroupId,
};

const ACCOUNTS: u32 = 1_000;
const RESTING: usize = 10_000;
const BATCH: usize = 500;
const MARKET: MarketId = MarketId::new(1);
const SYMBOL: peer::Symbol = peer::Symbol(1);
const STEP_NS: u64 = 20_000;

/// Half passive orders, two fifths cancels, a tenth aggressive orders.
#[derive(Clone, Copy)]
enum Draw {
    Order { id: u64, account: u32, is_buy: bool, price: i64, qty: i64, takes: bool },
    Cancel { id: u64, account: u32 },
}

struct Flow {
    state: u64,
    placed: u64,
    live: Vec<(u64, u32)>,
}

impl Flow {
    fn below(&mut self, bound: u64) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % bound
    }

    fn draw(&mut self) -> Draw {
        let dice = self.below(100);
        if self.live.len() > RESTING && dice < 40 || self.live.len() > RESTING + 1_000 {
            let at = self.below(self.live.len() as u64) as usize;
            let (id, account) = self.live.swap_remove(at);
            return Draw::Cancel { id, account };
        }
        self.placed += 1;
        let takes = self.live.len() > RESTING && dice >= 90;
        let is_buy = self.below(2) == 0;
        let away = if takes { -20 } else { self.below(400) as i64 + 1 };
        let price = if is_buy { 6_000_000 - away } else { 6_000_000 + away };
        let (id, account, qty) = (self.placed, self.below(ACCOUNTS.into()) as u32 + 1, self.below(100) as i64 + 1);
        if !takes {
            self.live.push((id, account));
        }
        Draw::Order { id, account, is_buy, price, qty, takes }
    }
}

/// What was traded: how often and how much.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Traded {
    trades: u64,
    qty: u64,
}

impl Traded {
    fn note(&mut self, qty: u64) {
        self.trades += 1;
        self.qty += qty;
    }
}

fn rules() -> MarketRules {
    MarketRules {
        tick: Price::MIN,
        price_min: Price::MIN,
        price_max: Price::new(1_000_000_000).unwrap(),
        lot: Qty::new(1).unwrap(),
        qty_min: Qty::new(1).unwrap(),
        qty_max: Qty::new(1_000_000).unwrap(),
        market_qty_max: Qty::new(1_000_000).unwrap(),
        notional_min: Amount::new(1).unwrap(),
        notional_max: Amount::MAX,
        protection_ppm: 50_000,
        open_orders_max: 1_000_000,
        special: wire::SpecialRules::default(),
    }
}

fn limits() -> Limits {
    let (accounts_max, resting_orders_max, client_order_id_retention_ns) = (ACCOUNTS, 16_384, 1_000_000_000);
    Limits { accounts_max, resting_orders_max, client_order_id_retention_ns, ..Limits::default() }
}

fn time_in_force(takes: bool) -> TimeInForce {
    if takes { TimeInForce::Ioc } else { TimeInForce::Gtc }
}

fn side(is_buy: bool) -> Side {
    if is_buy { Side::Buy } else { Side::Sell }
}

/// A market cell without a ledger.
struct Book {
    market: MarketAlone,
    now: Timestamp,
    heard: Heard,
}

#[derive(Default)]
struct Heard {
    traded: Traded,
}

impl Sink for Heard {
    fn tell(&mut self, event: Event) {
        if let Event::Traded(traded) = &event {
            self.traded.note(traded.qty.units() as u64);
        }
        black_box(&event);
    }

    fn send(&mut self, _: PartitionId, mail: Mail) {
        black_box(&mail);
    }

    fn waiting(&self) -> usize {
        0
    }
}

impl Book {
    fn new() -> Book {
        let (scale, ledger) = (MarketScale::new(0, 0, 0, 0).unwrap(), PartitionId::new(1));
        let (accounts_max, resting_orders_max) = (limits().accounts_max, limits().resting_orders_max);
        let create = CreateMarket { market: MARKET, scale, rules: rules(), ledger, accounts_max, resting_orders_max };
        let now = Timestamp::from_nanos(1_000_000_000);
        Book { market: MarketAlone::new(&create, &limits()), now, heard: Heard::default() }
    }

    fn work(draw: Draw) -> Mail {
        match draw {
            Draw::Order { id, account, is_buy, price, qty, takes } => Mail::PlaceOrder(PlaceOrder {
                market: MARKET,
                order: OrderId::new(id),
                account: AccountId::new(account),
                side: side(is_buy),
                kind: OrderKind::Limit,
                time_in_force: time_in_force(takes),
                self_trade: SelfTradePrevention::ExpireMaker,
                price: Price::new(price).unwrap(),
                qty: Qty::new(qty).unwrap(),
                budget: Amount::MAX,
                group: TradeGroupId::new(account as u16),
            }),
            Draw::Cancel { id, .. } => {
                let (order, request, cause) = (OrderId::new(id), LogPosition::ZERO, CancelCause::Requested);
                Mail::PullOrder(PullOrder { market: MARKET, order, request, cause })
            }
        }
    }

    #[inline(never)]
    fn run_book(&mut self, work: &[Mail]) {
        for mail in work {
            self.now = self.now.plus_nanos(STEP_NS);
            match mail {
                Mail::PlaceOrder(place) => self.market.place(self.now, place, &mut self.heard),
                Mail::PullOrder(pull) => self.market.pull(self.now, pull, &mut self.heard),
                _ => {}
            }
        }
    }
}

/// Ledger and market cells of one partition.
struct Ours {
    partition: Partition,
    position: LogPosition,
    now: Timestamp,
    out: Output,
    traded: Traded,
}

impl Ours {
    fn new() -> Ours {
        let (one, incarnation) = (PartitionId::new(1), Incarnation::new(1));
        let config = PartitionConfig { partition: one, ledger: one, incarnation, limits: limits() };
        let (position, now, out) = (LogPosition::ZERO, Timestamp::from_nanos(1_000_000_000), Output::default());
        let mut ours = Ours { partition: Partition::new(config), position, now, out, traded: Traded::default() };
        let symbol = |text: &str| Symbol::new(text.as_bytes()).unwrap();
        for name in ["BTC", "USD"] {
            ours.done(&Command::ListAsset(ListAsset { symbol: symbol(name), ledger_decimals: 0 }));
        }
        ours.done(&Command::ListMarket(Box::new(ListMarket {
            symbol: symbol("BTCUSD"),
            base: AssetId::new(1),
            quote: AssetId::new(2),
            partition: one,
            price_decimals: 0,
            qty_decimals: 0,
            rules: rules(),
            status: MarketStatus::Trading,
        })));
        let protection = MarketProtection {
            static_band_ppm: 500_000,
            dynamic_band_ppm: 500_000,
            volatility_auction_ns: 1_000_000_000,
            bid_up_ppm: 5_000_000,
            bid_down_ppm: 200_000,
            ask_up_ppm: 5_000_000,
            ask_down_ppm: 200_000,
            ..MarketProtection::NONE
        };
        ours.done(&Command::SetMarketProtection(SetMarketProtection { market: MARKET, protection }));
        for account in 1..=ACCOUNTS {
            ours.open(AccountId::new(account));
        }
        ours
    }

    fn open(&mut self, account: AccountId) {
        let fee = FeeRate::new(1_000).unwrap();
        let name = AccountName::new(format!("account-{account}").as_bytes()).unwrap();
        self.done(&Command::OpenAccount(OpenAccount { name, maker_fee: fee, taker_fee: fee }));
        for asset in [1, 2] {
            let amount = Amount::new(1_000_000_000_000_000).unwrap();
            self.done(&Command::Credit(Credit { account, asset: AssetId::new(asset), amount }));
        }
        let (group, firm) = (TradeGroupId::new(account.get() as u16), FirmId::new(1));
        self.done(&Command::AssignAccount(AssignAccount { account, group, firm }));
        let limits = SetAccountLimits {
            account,
            open_orders_max: 1_000_000,
            stop_orders_max: 0,
            iceberg_orders_max: 0,
            order_lists_max: 0,
            order_rate_max: 1_000_000,
            order_rate_window_ms: 1_000,
        };
        self.done(&Command::SetAccountLimits(limits));
    }

    fn apply(&mut self, command: &Command) {
        self.position = self.position.next();
        self.now = self.now.plus_nanos(STEP_NS);
        self.partition.apply(self.position, self.now, command, &mut self.out);
    }

    fn done(&mut self, command: &Command) {
        self.apply(command);
        assert!(matches!(self.out.reply, Reply::Accepted { .. }), "{command:?}: {:?}", self.out.reply);
    }

    fn work(draw: Draw) -> Command {
        match draw {
            Draw::Order { id, account, is_buy, price, qty, takes } => {
                let mut name = *b"o000000000000000";
                for (at, digit) in name.iter_mut().enumerate().skip(1) {
                    *digit = b"0123456789abcdef"[(id >> (4 * (at - 1)) & 15) as usize];
                }
                Command::NewOrder(NewOrder {
                    account: AccountId::new(account),
                    market: MARKET,
                    side: side(is_buy),
                    kind: OrderKind::Limit,
                    time_in_force: time_in_force(takes),
                    self_trade: SelfTradePrevention::ExpireMaker,
                    price: Price::new(price).unwrap(),
                    qty: Qty::new(qty).unwrap(),
                    quote_qty: Amount::ZERO,
                    client_order_id: ClientOrderId::new(&name).unwrap(),
                    key: Default::default(),
                    session: Default::default(),
                    asked_us: 0,
                })
            }
            Draw::Cancel { id, account } => Command::CancelOrder(CancelOrder {
                account: AccountId::new(account),
                market: MARKET,
                order: OrderId::new(id),
                client_order_id: ClientOrderId::EMPTY,
                restriction: CancelRestriction::None,
                new_client_order_id: ClientOrderId::EMPTY,
                asked_us: 0,
            }),
        }
    }

    #[inline(never)]
    fn run_ours(&mut self, work: &[Command]) {
        for command in work {
            self.apply(command);
            for event in &self.out.events {
                if let Event::Traded(traded) = event {
                    self.traded.note(traded.qty.units() as u64);
                }
            }
            black_box(&self.out.events);
        }
    }
}

/// The peer's core.
struct Peer {
    exchange: Exchange,
    now_ns: u64,
    reports: Vec<peer::ExecutionReport>,
    traded: Traded,
}

enum PeerWork {
    Submit(peer::Order),
    Cancel(peer::AccountId, peer::OrderId),
}

fn positive(number: i64) -> NonZeroU64 {
    NonZeroU64::new(number as u64).expect("more than nothing")
}

impl Peer {
    fn new() -> Peer {
        let mut exchange = Exchange::with_capacity();
        let mut reports = Vec::with_capacity(256);
        let (base, quote) = (peer::CurrencyId(1), peer::CurrencyId(2));
        exchange.add_instrument(peer::InstrumentSpec { symbol: SYMBOL, base, quote });
        for account in 1..=ACCOUNTS {
            exchange.provision_account(peer::AccountId(account), 1_000_000_000_000_000);
        }
        exchange.set_max_orders_per_second(1_000_000, 1_000_000);
        exchange.set_max_open_orders_per_account(1_000_000);
        let (max_order_qty, max_order_notional) = (Some(peer::Quantity(positive(1_000_000))), Some(u64::MAX));
        exchange.set_risk_limits(SYMBOL, peer::RiskLimits { max_order_qty, max_order_notional });
        let fees = peer::FeeSchedule { maker_fee_bps: 10, taker_fee_bps: 10 };
        exchange.set_fee_schedule(SYMBOL, fees, &mut reports);
        let bands = peer::CircuitBreakerConfig {
            price_band_lower: Some(peer::Price(positive(3_000_000))),
            price_band_upper: Some(peer::Price(positive(9_000_000))),
            halted: false,
        };
        exchange.set_circuit_breaker(SYMBOL, bands);
        exchange.prefault();
        Peer { exchange, now_ns: 1_000_000_000, reports, traded: Traded::default() }
    }

    fn work(draw: Draw) -> PeerWork {
        match draw {
            Draw::Order { id, account, is_buy, price, qty, takes } => PeerWork::Submit(peer::Order {
                id: peer::OrderId(id),
                account: peer::AccountId(account),
                side: if is_buy { peer::Side::Buy } else { peer::Side::Sell },
                order_type: peer::OrderType::Limit { price: peer::Price(positive(price)), post_only: false },
                time_in_force: if takes { peer::TimeInForce::IOC } else { peer::TimeInForce::GTC },
                quantity: peer::Quantity(positive(qty)),
                stp: peer::SelfTradeProtection::CancelOldest,
                expiry_ns: 0,
            }),
            Draw::Cancel { id, account } => PeerWork::Cancel(peer::AccountId(account), peer::OrderId(id)),
        }
    }

    #[inline(never)]
    fn run_peer(&mut self, work: &[PeerWork]) {
        for work in work {
            self.now_ns += STEP_NS;
            self.exchange.set_current_event_ts_ns(self.now_ns);
            self.reports.clear();
            match work {
                PeerWork::Submit(order) => self.exchange.execute(SYMBOL, *order, &mut self.reports),
                PeerWork::Cancel(account, order) => {
                    self.exchange.cancel(SYMBOL, *account, *order, &mut self.reports);
                }
            }
            for report in &self.reports {
                if let peer::ExecutionReport::Fill { quantity, .. } = report {
                    self.traded.note(quantity.0.get());
                }
            }
            black_box(&self.reports);
        }
    }
}

fn nanoseconds(run: impl FnOnce()) -> f64 {
    let started = Instant::now();
    run();
    started.elapsed().as_nanos() as f64 / BATCH as f64
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let (mut rounds, mut seed, mut only) = (400_usize, 7_u64, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        match argument.as_str() {
            "--rounds" => rounds = value.parse().expect("a number"),
            "--seed" => seed = value.parse().expect("a number"),
            "--only" => only = Some(value),
            _ => panic!("--rounds N, --seed N or --only book|ours|peer"),
        }
    }
    let mut flow = Flow { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, placed: 0, live: Vec::new() };
    let (mut book, mut ours, mut peer) = (Book::new(), Ours::new(), Peer::new());
    let has = |subject: &str| only.as_deref().is_none_or(|only| only == subject);
    let filling = 3 * RESTING / BATCH;
    let mut turns: [Vec<f64>; 3] = Default::default();
    for round in 0..filling + rounds {
        let draws: Vec<Draw> = (0..BATCH).map(|_| flow.draw()).collect();
        let mut took = [0.0; 3];
        if has("book") {
            let work: Vec<Mail> = draws.iter().map(|draw| Book::work(*draw)).collect();
            took[0] = nanoseconds(|| book.run_book(&work));
        }
        if has("ours") {
            let work: Vec<Command> = draws.iter().map(|draw| Ours::work(*draw)).collect();
            took[1] = nanoseconds(|| ours.run_ours(&work));
        }
        if has("peer") {
            let work: Vec<PeerWork> = draws.iter().map(|draw| Peer::work(*draw)).collect();
            took[2] = nanoseconds(|| peer.run_peer(&work));
        }
        if round >= filling {
            turns.iter_mut().zip(took).for_each(|(turns, took)| turns.push(took));
        }
    }
    println!("{} commands", (filling + rounds) * BATCH);
    if only.is_some() {
        return;
    }
    let ratio = |a: usize, b: usize| middle(turns[a].iter().zip(&turns[b]).map(|(a, b)| a / b).collect());
    let (vs_peer, vs_book) = (ratio(1, 2), ratio(1, 0));
    let [book_ns, ours_ns, peer_ns] = turns.map(middle);
    println!("book alone {book_ns:.0} ns a command, ledger and market together {ours_ns:.0}, the peer's core {peer_ns:.0}");
    println!("together/peer {vs_peer:.2}, together/book {vs_book:.2}, together - book {:.0} ns", ours_ns - book_ns);
    if ours.traded != peer.traded || ours.traded != book.heard.traded {
        println!("they told different trades: {:?}, {:?}, {:?}", book.heard.traded, ours.traded, peer.traded);
        std::process::exit(1);
    }
    println!("{} trades, the same in all three", ours.traded.trades);
}
