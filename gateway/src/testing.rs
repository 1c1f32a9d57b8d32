//! A gateway without a cluster: a ledger that accepts everything and whatever events a test wants.

pub(crate) mod capital;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cluster_client::{ClusterError, Replied};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use wire::codec::v1;
use wire::command::{ApiKeyKind, NewOrder, Permissions, Reply};
use wire::event::*;
use wire::{
    AccountId, Amount, ApiKeyText, AssetId, ClientOrderId, Command, Event, FeeRate, LogPosition, MarketId, MarketRules,
    MarketScale, OrderId, PartitionId, Price, Qty, RejectReason, SelfTradePrevention, Side, Symbol, TimeInForce,
    Timestamp, TradeId,
};

use crate::cluster::Ledger;
use crate::config::Limits;
use crate::exchange::Exchange;
use crate::gateway::{Gateway, Peer};
use crate::market_data::MarketData;
use crate::streams::Hub;

pub(crate) const LEDGER: PartitionId = PartitionId::new(1);
/// Where the market is in the split layout.
pub(crate) const APART: PartitionId = PartitionId::new(2);
pub(crate) const ALICE: AccountId = AccountId::new(1);
pub(crate) const BOB: AccountId = AccountId::new(2);
pub(crate) const BTCUSDT: MarketId = MarketId::new(1);
pub(crate) const BTC: AssetId = AssetId::new(1);
pub(crate) const USDT: AssetId = AssetId::new(2);
pub(crate) const PEER: Peer = Peer { ip: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST) };
pub(crate) const ENVELOPE_KEY: [u8; 32] = [7; 32];
pub(crate) const ALICE_KEY: &str = "AliceAliceAliceAliceAliceAliceAliceAliceAliceAliceAliceAliceAlic";
pub(crate) const ALICE_SECRET: &str = "alice's secret";
pub(crate) const BOB_KEY: &str = "BobBobBobBobBobBobBobBobBobBobBobBobBobBobBobBobBobBobBobBobBobB";
/// 2026-01-01 in nanoseconds.
pub(crate) const START_NS: u64 = 1_767_225_600_000_000_000;

pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::new(text.as_bytes()).unwrap()
}

pub(crate) fn amount(units: i64) -> Amount {
    Amount::new(units).unwrap()
}

pub(crate) fn price(units: i64) -> Price {
    Price::new(units).unwrap()
}

pub(crate) fn qty(units: i64) -> Qty {
    Qty::new(units).unwrap()
}

pub(crate) fn client_id(text: &str) -> ClientOrderId {
    ClientOrderId::new(text.as_bytes()).unwrap()
}

pub(crate) fn rules() -> MarketRules {
    MarketRules {
        tick: price(1),
        price_min: price(1),
        price_max: price(100_000_000),
        lot: qty(1),
        qty_min: qty(1),
        qty_max: qty(900_000_000),
        market_qty_max: qty(10_000_000),
        notional_min: amount(500_000_000),
        notional_max: amount(900_000_000_000_000_000),
        protection_ppm: 50_000,
        open_orders_max: 200,
        special: wire::SpecialRules::default(),
    }
}

/// BTC, USDT, BTCUSDT in this partition, Alice with an HMAC key that may trade, Bob with one that may read.
pub(crate) fn opening(partition: PartitionId) -> Vec<Event> {
    let fee = FeeRate::new(1_000).unwrap();
    let account = |account, name: &str| {
        Event::AccountOpened(AccountOpened {
            account,
            name: wire::Text::new(name.as_bytes()).unwrap(),
            maker_fee: fee,
            taker_fee: fee,
        })
    };
    let key = |account, key: &str, permissions| {
        Event::ApiKeyAdded(Box::new(ApiKeyAdded {
            account,
            key: ApiKeyText::new(key.as_bytes()).unwrap(),
            kind: ApiKeyKind::Hmac,
            permissions,
            secret: cluster_client::envelope::seal(&ENVELOPE_KEY, key, ALICE_SECRET.as_bytes()).unwrap(),
            id: Default::default(),
        }))
    };
    let asset =
        |asset, name, ledger_decimals| Event::AssetListed(AssetListed { asset, symbol: symbol(name), ledger_decimals });
    vec![
        asset(BTC, "BTC", 10),
        asset(USDT, "USDT", 8),
        Event::MarketListed(Box::new(MarketListed {
            market: BTCUSDT,
            symbol: symbol("BTCUSDT"),
            base: BTC,
            quote: USDT,
            partition,
            scale: MarketScale::new(2, 5, 10, 8).unwrap(),
            rules: rules(),
        })),
        account(ALICE, "alice"),
        account(BOB, "bob"),
        key(ALICE, ALICE_KEY, Permissions::READ_AND_TRADE),
        key(BOB, BOB_KEY, Permissions::READ),
        balance(ALICE, USDT, 10_000_000_000_000, 0),
    ]
}

pub(crate) fn balance(account: AccountId, asset: AssetId, free: i64, held: i64) -> Event {
    Event::BalanceChanged(BalanceChanged { account, asset, free: amount(free), held: amount(held) })
}

/// Alice buys 1 BTC at 50,000.
pub(crate) fn buy(name: &str) -> NewOrder {
    NewOrder {
        account: ALICE,
        market: BTCUSDT,
        side: Side::Buy,
        kind: wire::OrderKind::Limit,
        time_in_force: TimeInForce::Gtc,
        self_trade: SelfTradePrevention::None,
        price: price(5_000_000),
        qty: qty(100_000),
        quote_qty: Amount::ZERO,
        client_order_id: client_id(name),
        key: Default::default(),
        session: Default::default(),
        asked_us: 0,
    }
}

pub(crate) fn pending(order: u64, new: &NewOrder) -> Event {
    Event::OrderPending(OrderPending {
        order: OrderId::new(order),
        account: new.account,
        market: new.market,
        side: new.side,
        kind: new.kind,
        time_in_force: new.time_in_force,
        self_trade: new.self_trade,
        price: new.price,
        qty: new.qty,
        quote_qty: new.quote_qty,
        client_order_id: new.client_order_id,
    })
}

pub(crate) fn accepted(order: u64) -> Event {
    Event::OrderAccepted(OrderAccepted { order: OrderId::new(order), account: ALICE, market: BTCUSDT })
}

pub(crate) fn resting(order: u64, leaves: i64) -> Event {
    Event::OrderResting(OrderResting {
        order: OrderId::new(order),
        account: ALICE,
        market: BTCUSDT,
        leaves: qty(leaves),
    })
}

pub(crate) fn rejected(order: u64, reason: RejectReason) -> Event {
    Event::OrderRejected(OrderRejected { order: OrderId::new(order), account: ALICE, market: BTCUSDT, reason })
}

/// Alice's taker buy of some lots at 50,000.
pub(crate) fn executed(order: u64, trade: u64, lots: i64, leaves: i64) -> Event {
    Event::OrderExecuted(OrderExecuted {
        order: OrderId::new(order),
        account: ALICE,
        market: BTCUSDT,
        trade: TradeId::new(trade),
        side: Side::Buy,
        price: price(5_000_000),
        qty: qty(lots),
        quote_amount: price(5_000_000).notional(qty(lots), 10).unwrap(),
        fee: amount(lots * 100),
        fee_asset: BTC,
        is_maker: false,
        leaves: qty(leaves),
        traded_at: Timestamp::from_nanos(START_NS),
        rebate: Default::default(),
    })
}

pub(crate) fn canceled(order: u64, leaves: i64, cause: wire::CancelCause, request: u64) -> Event {
    Event::OrderCanceled(OrderCanceled {
        order: OrderId::new(order),
        account: ALICE,
        market: BTCUSDT,
        leaves: qty(leaves),
        cause,
        request: LogPosition::new(request),
        canceled_as: wire::ClientOrderId::EMPTY,
    })
}

/// What a [`FakeLedger`] does with a command: its reply, and the events that follow it.
pub(crate) type Script = Box<dyn FnMut(LogPosition, &Command) -> Result<(Reply, Vec<Event>), ClusterError> + Send>;

/// Sequences commands as its script says.
pub(crate) struct FakeLedger {
    exchange: Arc<Exchange>,
    state: Mutex<State>,
}

struct State {
    position: LogPosition,
    script: Script,
    /// How many times the leader was asked for its position.
    reads: usize,
    /// How long each command was given.
    given: Vec<Duration>,
    /// Everything that was fed, in order.
    log: Vec<(LogPosition, Timestamp, Vec<Event>)>,
}

impl FakeLedger {
    /// Applies events as the next position's.
    pub(crate) fn feed(&self, events: &[Event]) -> LogPosition {
        self.feed_at(START_NS, events)
    }

    /// The same, at another log time in nanoseconds.
    pub(crate) fn feed_at(&self, at_ns: u64, events: &[Event]) -> LogPosition {
        let mut state = self.state.lock().unwrap();
        state.position = state.position.next();
        let (position, at) = (state.position, Timestamp::from_nanos(at_ns));
        state.log.push((position, at, events.to_vec()));
        self.exchange.apply(LEDGER, position, at, events);
        position
    }

    /// What was fed from a position on, and up to where.
    pub(crate) fn log_from(&self, from: LogPosition) -> (Vec<(LogPosition, Timestamp, Vec<Event>)>, LogPosition) {
        let state = self.state.lock().unwrap();
        let entries = state.log.iter().filter(|(position, ..)| *position >= from).cloned().collect();
        (entries, state.position)
    }

    pub(crate) fn script(&self, script: Script) {
        self.state.lock().unwrap().script = script;
    }

    pub(crate) fn reads(&self) -> usize {
        self.state.lock().unwrap().reads
    }

    pub(crate) fn given(&self) -> Vec<Duration> {
        self.state.lock().unwrap().given.clone()
    }
}

impl Ledger for FakeLedger {
    fn opened(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }

    fn request(&self, command: Vec<u8>, timeout: Duration) -> BoxFuture<'_, Result<Replied, ClusterError>> {
        async move {
            let command = v1::decode_command(&command).expect("the gateway encodes commands");
            let mut state = self.state.lock().unwrap();
            state.given.push(timeout);
            let position = state.position.next();
            let (reply, events) = (state.script)(position, &command)?;
            state.position = position;
            state.log.push((position, Timestamp::from_nanos(START_NS), events.clone()));
            self.exchange.apply(LEDGER, position, Timestamp::from_nanos(START_NS), &events);
            Ok(Replied { position, reply })
        }
        .boxed()
    }

    fn read_index(&self, _: PartitionId, _: Duration) -> BoxFuture<'_, Result<LogPosition, ClusterError>> {
        async move {
            tokio::task::yield_now().await;
            let mut state = self.state.lock().unwrap();
            state.reads += 1;
            Ok(state.position)
        }
        .boxed()
    }
}

/// A ledger that rests every order and cancels every one of them.
pub(crate) fn resting_script() -> Script {
    let mut last = 0;
    Box::new(move |position, command| {
        Ok(match command {
            Command::NewOrder(new) => {
                last += 1;
                let events = vec![pending(last, new), accepted(last), resting(last, new.qty.units())];
                (Reply::Accepted { id: last }, events)
            }
            Command::CancelOrder(cancel) if cancel.order.get() <= last => {
                let id = cancel.order.get().max(last);
                let events = vec![canceled(id, 100_000, wire::CancelCause::Requested, position.get())];
                (Reply::Accepted { id }, events)
            }
            Command::ReplaceOrder(replace) if replace.cancel.order.get() <= last => {
                last += 1;
                let (new, gone) = (&replace.order, replace.cancel.order.get());
                let events = vec![
                    pending(last, new),
                    canceled(gone, 100_000, wire::CancelCause::Requested, position.get()),
                    accepted(last),
                    resting(last, new.qty.units()),
                ];
                (Reply::Accepted { id: last }, events)
            }
            Command::SealName(_) => (Reply::Accepted { id: 0 }, Vec::new()),
            Command::RequestWithdrawal(_) => (Reply::Accepted { id: 1 }, Vec::new()),
            _ => (Reply::Rejected { reason: RejectReason::UnknownOrder, id: 0 }, Vec::new()),
        })
    })
}

/// A ready gateway after [`opening`], over a ledger that rests every order.
pub(crate) fn gateway_with(limits: Limits) -> (Arc<Gateway>, Arc<FakeLedger>) {
    let (gateway, ledger) = gateway_parts(limits);
    (Arc::new(gateway), ledger)
}

/// As [`gateway_with`], not shared yet.
pub(crate) fn gateway_parts(limits: Limits) -> (Gateway, Arc<FakeLedger>) {
    parts_with(limits, LEDGER)
}

/// As [`gateway_with`], in the split layout: what the market tells is fed by [`tell_apart`].
pub(crate) fn split_gateway_with(limits: Limits) -> (Arc<Gateway>, Arc<FakeLedger>) {
    let (gateway, ledger) = parts_with(limits, APART);
    (Arc::new(gateway), ledger)
}

/// The events of the market's next command, in the split layout.
pub(crate) fn tell_apart(gateway: &Gateway, events: &[Event]) {
    let next = gateway.exchange.seen(APART).next();
    gateway.exchange.apply(APART, next, Timestamp::from_nanos(START_NS), events);
}

/// An order of BTCUSDT shows so much, last at its price.
pub(crate) fn shown(order: u64, side: Side, at: i64, lots: i64) -> Event {
    Event::OrderShown(OrderShown {
        market: BTCUSDT,
        sequence: wire::BookSequence::ZERO,
        order: OrderId::new(order),
        side,
        price: price(at),
        qty: qty(lots),
        is_last: lots > 0,
    })
}

fn parts_with(limits: Limits, market: PartitionId) -> (Gateway, Arc<FakeLedger>) {
    let hub = Arc::new(Hub::default());
    let data = Arc::new(MarketData::new(Arc::clone(&hub) as _));
    let exchange = Arc::new(Exchange::new(LEDGER, &[LEDGER, market], &limits, ENVELOPE_KEY, data));
    let state =
        State { position: LogPosition::ZERO, script: resting_script(), reads: 0, given: Vec::new(), log: Vec::new() };
    let ledger = Arc::new(FakeLedger { exchange: Arc::clone(&exchange), state: Mutex::new(state) });
    ledger.feed(&opening(market));
    let gateway = Gateway::new(exchange, hub, Arc::clone(&ledger) as _, limits);
    gateway.is_ready.store(true, Ordering::Release);
    (gateway, ledger)
}

/// As [`gateway_with`], with the default limits.
pub(crate) fn gateway() -> (Arc<Gateway>, Arc<FakeLedger>) {
    gateway_with(Limits::default())
}

/// HMAC-SHA256 of `payload` in hexadecimal.
pub(crate) fn sign(secret: &str, payload: &str) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(payload.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// What Alice's key is told from now on.
pub(crate) fn listen(gateway: &Gateway) -> crate::accounts::UserEvents {
    let accounts = gateway.exchange.accounts();
    let key = ApiKeyText::new(ALICE_KEY.as_bytes()).unwrap();
    let (alice, _) = accounts.key(&key, PEER.ip).unwrap();
    accounts.subscribe(&alice, PEER.ip)
}
