//! The same questions to both stores. The one in PostgreSQL is asked where `MAINSTAY_TEST_POSTGRES` names a server that
//! may be filled with databases, as `tests/run` starts one. `MAINSTAY_TEST_POSTGRES_TLS` names the same one, reached by TLS
//! under a name that the authority in the file `MAINSTAY_TEST_POSTGRES_CA` has certified.

mod capital;
mod database;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cluster_client::StreamItem;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use wire::event::*;
use wire::{
    ApiKeyText, CancelCause, ClusterEpoch, Event, ListId, ListKind, LogPosition, OrderId, OrderKind, Origin,
    PartitionId, PreventedMatchId, SelfTradePrevention, Side, Terms, Timestamp, TradeGroupId, TradeId,
};

use super::log::{Follow, Log};
use super::{History, HistoryConfig, Postgres};
use crate::accounts::execution_id;
use crate::config::Limits;
use crate::gateway::Gateway;
use crate::operations;
use crate::params::Params;
use crate::testing::*;

const MINUTE_NS: u64 = 60_000_000_000;
const START_MS: u64 = START_NS / 1_000_000;

/// What was fed to a [`FakeLedger`], as a log.
pub(super) struct Fed(pub(super) Arc<FakeLedger>);

struct Following {
    ledger: Arc<FakeLedger>,
    next: LogPosition,
}

impl Log for Fed {
    fn committed(&self, _: PartitionId) -> BoxFuture<'_, Option<LogPosition>> {
        let (_, position) = self.0.log_from(LogPosition::ZERO);
        async move { Some(position) }.boxed()
    }

    fn follow(&self, _: PartitionId, from: LogPosition) -> Box<dyn Follow> {
        Box::new(Following { ledger: Arc::clone(&self.0), next: from })
    }
}

impl Follow for Following {
    fn next(&mut self) -> BoxFuture<'_, Option<StreamItem>> {
        async move {
            loop {
                if let Some((position, timestamp, events)) = self.ledger.log_from(self.next).0.into_iter().next() {
                    self.next = position.next();
                    return Some(StreamItem::Events { position, timestamp, origin: Origin::INTERNAL, events });
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        .boxed()
    }

    fn waiting(&self) -> usize {
        0
    }
}

/// A gateway, and the tasks that write its history.
struct World {
    gateway: Arc<Gateway>,
    ledger: Arc<FakeLedger>,
    writer: Option<JoinHandle<()>>,
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(writer) = &self.writer {
            writer.abort();
        }
    }
}

/// With history in memory.
fn embedded(limits: Limits) -> World {
    let (gateway, ledger) = gateway_with(limits);
    World { gateway, ledger, writer: None }
}

/// With history in the database of this name.
fn postgres(server: &str, name: &str, limits: Limits) -> World {
    from_log(server, name, limits, |log| Arc::new(log))
}

/// The same, written from what `log` makes of the log.
fn from_log(server: &str, name: &str, limits: Limits, log: impl FnOnce(Fed) -> Arc<dyn Log>) -> World {
    let config = HistoryConfig::read(&format!("{server} dbname={name}"), None, None).unwrap();
    of_config(config, limits, log)
}

fn of_config(config: HistoryConfig, limits: Limits, log: impl FnOnce(Fed) -> Arc<dyn Log>) -> World {
    let (mut gateway, ledger) = gateway_parts(limits);
    let timeout = gateway.limits.read_timeout;
    let db = Arc::new(Postgres::new(config, ClusterEpoch::new(1), LEDGER, &[LEDGER], timeout));
    gateway.history = History::Postgres(Arc::clone(&db));
    let writer = tokio::spawn(db.write(log(Fed(Arc::clone(&ledger))), LEDGER));
    World { gateway: Arc::new(gateway), ledger, writer: Some(writer) }
}

/// The server that tests may use.
fn server() -> Option<String> {
    std::env::var("MAINSTAY_TEST_POSTGRES").ok().filter(|server| !server.is_empty())
}

/// Makes an empty database on the server.
async fn fresh(server: &str) -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let name = format!("history_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    let config = HistoryConfig::read(&format!("{server} dbname=postgres"), None, None).unwrap();
    config.connect().await.unwrap().batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    name
}

/// Runs a test on every store there is.
async fn on_both<F: Future<Output = ()>>(test: impl Fn(World) -> F) {
    test(embedded(Limits::default())).await;
    if let Some(server) = server() {
        let name = fresh(&server).await;
        test(postgres(&server, &name, Limits::default())).await;
    }
}

impl World {
    /// Alice's question, by its name in the WebSocket API, or by its path where it has none.
    async fn try_ask(&self, method: &str, params: Value) -> Result<Value, (u16, i32, String)> {
        let by_path = || operations::find(method).iter().copied().find(|operation| operation.rest.0 == Method::GET);
        let operation = operations::by_ws_method(method).or_else(by_path).unwrap();
        let caller = {
            let accounts = self.gateway.exchange.accounts();
            let key = ApiKeyText::new(ALICE_KEY.as_bytes()).unwrap();
            accounts.key(&key, PEER.ip).map(|(caller, _)| caller)
        };
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let query = params.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value)));
        let query = Params::new(query).unwrap();
        let executed = operations::execute(&self.gateway, operation, PEER, caller, query).await;
        match executed.answer {
            Ok(text) => Ok(serde_json::from_str(&text).unwrap()),
            Err(error) => Err((error.status, error.code, error.message.into_owned())),
        }
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        self.try_ask(method, params.clone()).await.unwrap_or_else(|error| panic!("{method} {params}: {error:?}"))
    }

    /// One field of every item.
    async fn each(&self, method: &str, params: Value, field: &str) -> Vec<Value> {
        self.ask(method, params).await.as_array().unwrap().iter().map(|item| item[field].clone()).collect()
    }
}

fn traded(trade: u64, price_units: i64, lots: i64, taker: u64, taker_side: Side) -> Event {
    Event::Traded(Traded {
        market: BTCUSDT,
        trade: TradeId::new(trade),
        price: price(price_units),
        qty: qty(lots),
        taker_side,
        taker: OrderId::new(taker),
        maker: OrderId::new(1_000 + trade),
        sequence: Default::default(),
        is_auction: false,
    })
}

fn fill(order: u64, trade: u64, lots: i64, leaves: i64, at_ns: u64) -> Event {
    let Event::OrderExecuted(executed) = executed(order, trade, lots, leaves) else { unreachable!() };
    Event::OrderExecuted(OrderExecuted { traded_at: Timestamp::from_nanos(at_ns), ..executed })
}

/// Six orders a minute apart: three filled in two fills each, two rest, one is canceled.
fn some_orders(world: &World) {
    for order in 1..=6_u64 {
        let at = START_NS + order * MINUTE_NS;
        world.ledger.feed_at(at, &[pending(order, &buy(&format!("order-{order}"))), accepted(order)]);
        match order {
            1..=3 => {
                world.ledger.feed_at(at + 1, &[fill(order, 2 * order, 40_000, 60_000, at + 1)]);
                world.ledger.feed_at(at + 2, &[fill(order, 2 * order + 1, 60_000, 0, at + 2)]);
            }
            4 | 5 => drop(world.ledger.feed_at(at + 1, &[resting(order, 100_000)])),
            _ => drop(world.ledger.feed_at(at + 1, &[canceled(order, 100_000, CancelCause::Requested, 9)])),
        }
    }
}

#[tokio::test]
async fn orders_come_by_id_by_time_and_from_the_end() {
    on_both(|world| async move {
        some_orders(&world);
        let ids = async |params| world.each("allOrders", params, "orderId").await;
        assert_eq!(ids(json!({ "symbol": "BTCUSDT" })).await, [1, 2, 3, 4, 5, 6]);
        assert_eq!(ids(json!({ "symbol": "BTCUSDT", "limit": 2 })).await, [5, 6]);
        assert_eq!(ids(json!({ "symbol": "BTCUSDT", "orderId": 3, "limit": 2 })).await, [3, 4]);
        let minute = |n: u64| START_MS + n * 60_000;
        assert_eq!(ids(json!({ "symbol": "BTCUSDT", "startTime": minute(2), "endTime": minute(3) })).await, [2, 3]);
        assert_eq!(ids(json!({ "symbol": "BTCUSDT", "startTime": minute(2) + 1, "limit": 1 })).await, [3]);
        assert_eq!(ids(json!({ "symbol": "BTCUSDT", "endTime": minute(3) - 1, "limit": 1 })).await, [2]);
        assert_eq!(ids(json!({ "symbol": "BTCUSDT", "orderId": 7 })).await, Vec::<Value>::new());
        let states = world.each("allOrders", json!({ "symbol": "BTCUSDT" }), "status").await;
        assert_eq!(states, ["FILLED", "FILLED", "FILLED", "NEW", "NEW", "CANCELED"]);
        let first = &world.ask("allOrders", json!({ "symbol": "BTCUSDT", "limit": 1, "orderId": 1 })).await[0];
        assert_eq!(first["clientOrderId"], "order-1");
        assert_eq!(first["executedQty"], "1.00000000");
        assert_eq!(first["cummulativeQuoteQty"], "50000.00000000");
        assert_eq!(first["time"], minute(1));
        // What changes later stays where it came: who pages by time meets each order once.
        world.ledger.feed_at(START_NS + 20 * MINUTE_NS, &[canceled(4, 100_000, CancelCause::Requested, 10)]);
        assert_eq!(ids(json!({ "symbol": "BTCUSDT", "startTime": minute(4), "limit": 2 })).await, [4, 5]);
        assert_eq!(ids(json!({ "symbol": "BTCUSDT", "startTime": minute(5) + 1, "limit": 2 })).await, [6]);
    })
    .await;
}

#[tokio::test]
async fn fills_come_by_trade_by_order_and_by_time() {
    on_both(|world| async move {
        some_orders(&world);
        let ids = async |params| world.each("myTrades", params, "id").await;
        assert_eq!(ids(json!({ "symbol": "BTCUSDT" })).await, [2, 3, 4, 5, 6, 7]);
        assert_eq!(ids(json!({ "symbol": "BTCUSDT", "limit": 2 })).await, [6, 7]);
        assert_eq!(ids(json!({ "symbol": "BTCUSDT", "fromId": 4, "limit": 2 })).await, [4, 5]);
        assert_eq!(ids(json!({ "symbol": "BTCUSDT", "orderId": 2 })).await, [4, 5]);
        assert_eq!(ids(json!({ "symbol": "BTCUSDT", "orderId": 2, "fromId": 5 })).await, [5]);
        assert_eq!(ids(json!({ "symbol": "BTCUSDT", "orderId": 9 })).await, Vec::<Value>::new());
        let end = START_MS + 2 * 60_000;
        assert_eq!(ids(json!({ "symbol": "BTCUSDT", "endTime": end, "limit": 3 })).await, [3, 4, 5]);
        let trade = &world.ask("myTrades", json!({ "symbol": "BTCUSDT", "limit": 1 })).await[0];
        let expected = json!({
            "symbol": "BTCUSDT", "id": 7, "orderId": 3, "orderListId": -1, "price": "50000.00000000",
            "qty": "0.60000000", "quoteQty": "30000.00000000", "commission": "0.00060000", "commissionAsset": "BTC",
            "time": START_MS + 3 * 60_000, "isBuyer": true, "isMaker": false, "isBestMatch": true,
        });
        assert_eq!(*trade, expected);
    })
    .await;
}

#[tokio::test]
async fn an_orders_terms_amendments_and_prevented_trades_are_kept() {
    on_both(|world| async move {
        let stop = wire::command::NewOrder { kind: OrderKind::StopLossLimit, ..buy("stop") };
        let terms = Terms {
            stop_price: Some(price(4_900_000)),
            trailing_delta: wire::BasisPoints::new(150).unwrap(),
            visible_qty: qty(10_000),
            expire_at: Some(Timestamp::from_nanos(START_NS + MINUTE_NS)),
            peg: wire::Peg { side: wire::PegSide::Market, levels: 3, has_price: true },
            qty_min: qty(5_000),
            strategy: wire::StrategyLabel { id: Some(i64::MAX.unsigned_abs()), kind: Some(2_147_483_647) },
        };
        let (order, account, market) = (OrderId::new(1), ALICE, BTCUSDT);
        world.ledger.feed(&[
            pending(1, &stop),
            Event::OrderTerms(Box::new(OrderTerms { order, account, market, list: ListId::ZERO, terms })),
            Event::OrderArmed(OrderArmed { order, account, market }),
            accepted(1),
        ]);
        let at = Timestamp::from_nanos(START_NS + 5_000_000);
        world.ledger.feed(&[Event::OrderTracking(OrderTracking { order, account, market, at })]);
        world.ledger.feed(&[Event::OrderTriggered(OrderTriggered { order, account, market, at })]);
        world.ledger.feed(&[Event::OrderPegged(OrderPegged { order, account, market, price: price(4_800_000) })]);
        let amended = |qty_before, qty_now, name: &str| {
            Event::OrderAmended(OrderAmended {
                order,
                account,
                market,
                qty_before: qty(qty_before),
                qty: qty(qty_now),
                leaves: qty(qty_now),
                client_order_id: client_id(name),
                request: LogPosition::new(5),
            })
        };
        let first = world.ledger.feed(&[amended(100_000, 90_000, "second")]);
        let second = world.ledger.feed(&[amended(90_000, 80_000, "third")]);
        world.ledger.feed(&[
            pending(2, &buy("other")),
            accepted(2),
            Event::MatchPrevented(MatchPrevented {
                market,
                prevented: PreventedMatchId::new(7),
                taker: OrderId::new(2),
                taker_account: ALICE,
                maker: order,
                maker_account: ALICE,
                group: TradeGroupId::new(3),
                mode: SelfTradePrevention::ExpireBoth,
                price: price(5_000_000),
                taker_qty: qty(100_000),
                maker_qty: qty(80_000),
                prevented_at: at,
            }),
            canceled(2, 0, CancelCause::SelfTrade, 0),
            canceled(1, 0, CancelCause::SelfTrade, 0),
        ]);
        let orders = world.ask("allOrders", json!({ "symbol": "BTCUSDT" })).await;
        let kept = &orders[0];
        assert_eq!(
            (&kept["clientOrderId"], &kept["origQty"], &kept["status"], &kept["stopPrice"], &kept["trailingDelta"]),
            (&json!("third"), &json!("0.80000000"), &json!("EXPIRED_IN_MATCH"), &json!("49000.00000000"), &json!(150))
        );
        assert_eq!(kept["icebergQty"], "0.10000000");
        assert_eq!((&kept["pegPriceType"], &kept["pegOffsetValue"]), (&json!("MARKET_PEG"), &json!(3)));
        assert_eq!((&kept["peggedPrice"], &kept["minExecutedQty"]), (&json!("48000.00000000"), &json!("0.05000000")));
        assert_eq!((&kept["strategyId"], &kept["strategyType"]), (&json!(i64::MAX), &json!(2_147_483_647)));
        let unlabelled = &orders[1];
        assert!(unlabelled.get("strategyId").is_none() && unlabelled.get("strategyType").is_none(), "{unlabelled}");
        assert_eq!(kept["goodTillDate"], START_MS + 60_000);
        assert_eq!(kept["trailingTime"], START_MS + 5);
        assert_eq!(kept["workingTime"], START_MS + 5);
        assert_eq!((&kept["preventedMatchId"], &kept["preventedQuantity"]), (&json!(7), &json!("0.80000000")));
        let params = json!({ "symbol": "BTCUSDT", "orderId": 1 });
        let amendments = world.ask("order.amendments", params).await;
        assert_eq!(amendments[0]["executionId"], execution_id(first, 0));
        assert_eq!(amendments[0]["origClientOrderId"], "stop");
        assert_eq!(amendments[1]["newQty"], "0.80000000");
        let params = json!({ "symbol": "BTCUSDT", "orderId": 1, "fromExecutionId": execution_id(second, 0) });
        assert_eq!(world.each("order.amendments", params, "newClientOrderId").await, ["third"]);
        let missing = world.try_ask("order.amendments", json!({ "symbol": "BTCUSDT", "orderId": 9 })).await;
        assert_eq!(missing.unwrap_err().1, -2013);
        for params in [
            json!({ "symbol": "BTCUSDT", "preventedMatchId": 7 }),
            json!({ "symbol": "BTCUSDT", "orderId": 1 }),
            json!({ "symbol": "BTCUSDT", "orderId": 2, "fromPreventedMatchId": 7 }),
        ] {
            let prevented = world.ask("myPreventedMatches", params).await;
            assert_eq!(prevented[0]["tradeGroupId"], 3);
            assert_eq!(prevented[0]["makerPreventedQuantity"], "0.80000000");
            assert_eq!(prevented.as_array().unwrap().len(), 1);
        }
        let later = json!({ "symbol": "BTCUSDT", "orderId": 2, "fromPreventedMatchId": 8 });
        assert_eq!(world.ask("myPreventedMatches", later).await, json!([]));
    })
    .await;
}

#[tokio::test]
async fn lists_come_with_their_orders_names() {
    on_both(|world| async move {
        for list in 1..=3_u64 {
            let (first, second) = (10 * list, 10 * list + 1);
            world.ledger.feed_at(
                START_NS + list * MINUTE_NS,
                &[
                    pending(first, &buy(&format!("above-{list}"))),
                    pending(second, &buy(&format!("below-{list}"))),
                    Event::ListStarted(ListStarted {
                        list: ListId::new(list),
                        account: ALICE,
                        market: BTCUSDT,
                        kind: ListKind::Oco,
                        list_client_order_id: client_id(&format!("list-{list}")),
                        first: OrderId::new(first),
                        second: OrderId::new(second),
                        third: OrderId::ZERO,
                    }),
                    accepted(first),
                    accepted(second),
                ],
            );
        }
        world.ledger.feed_at(
            START_NS + 5 * MINUTE_NS,
            &[
                canceled(10, 100_000, CancelCause::Requested, 1),
                canceled(11, 100_000, CancelCause::OtherLeg, 0),
                Event::ListEnded(ListEnded { list: ListId::new(1), account: ALICE, market: BTCUSDT }),
            ],
        );
        let ids = async |params| world.each("allOrderLists", params, "orderListId").await;
        assert_eq!(ids(json!({})).await, [1, 2, 3]);
        assert_eq!(ids(json!({ "limit": 1 })).await, [3]);
        assert_eq!(ids(json!({ "fromId": 2, "limit": 1 })).await, [2]);
        assert_eq!(ids(json!({ "startTime": START_MS + 120_000, "endTime": START_MS + 120_000 })).await, [2]);
        assert_eq!(ids(json!({ "startTime": START_MS + 180_000 })).await, [3], "the first one has ended later");
        let lists = world.ask("allOrderLists", json!({ "fromId": 1 })).await;
        assert_eq!(lists[0]["listOrderStatus"], "ALL_DONE");
        assert_eq!(lists[0]["transactionTime"], START_MS + 300_000);
        assert_eq!(lists[1]["listOrderStatus"], "EXECUTING");
        assert_eq!(lists[1]["listClientOrderId"], "list-2");
        let names: Vec<_> = lists[1]["orders"].as_array().unwrap().iter().map(|o| o["clientOrderId"].clone()).collect();
        assert_eq!(names, ["above-2", "below-2"]);
        let orders = world.each("allOrders", json!({ "symbol": "BTCUSDT" }), "orderListId").await;
        assert_eq!(orders, [1, 1, 2, 2, 3, 3]);
    })
    .await;
}

/// Trades of four minutes within two hours, the last two within one command.
fn some_trades(world: &World) {
    let at = |minute: u64| START_NS + minute * MINUTE_NS;
    world.ledger.feed_at(at(0) + 1, &[traded(1, 5_000_000, 10, 1, Side::Buy)]);
    world.ledger.feed_at(at(0) + 2_000_000_000, &[traded(2, 5_100_000, 20, 2, Side::Sell)]);
    world.ledger.feed_at(at(3), &[traded(3, 4_900_000, 30, 3, Side::Buy), traded(4, 4_900_000, 5, 3, Side::Buy)]);
    world.ledger.feed_at(at(61), &[traded(5, 5_050_000, 1, 4, Side::Buy), traded(6, 5_060_000, 1, 4, Side::Buy)]);
}

#[tokio::test]
async fn trades_come_by_number_and_by_time() {
    on_both(|world| async move {
        some_trades(&world);
        let all = async |params| world.each("trades.historical", params, "id").await;
        assert_eq!(all(json!({ "symbol": "BTCUSDT", "fromId": 2, "limit": 3 })).await, [2, 3, 4]);
        assert_eq!(all(json!({ "symbol": "BTCUSDT", "limit": 2 })).await, [5, 6]);
        let ids = async |params| world.each("trades.aggregate", params, "a").await;
        assert_eq!(ids(json!({ "symbol": "BTCUSDT" })).await, [1, 2, 3, 4, 5]);
        assert_eq!(ids(json!({ "symbol": "BTCUSDT", "limit": 2 })).await, [4, 5]);
        assert_eq!(ids(json!({ "symbol": "BTCUSDT", "fromId": 2, "limit": 2 })).await, [2, 3]);
        let (three, hour) = (START_MS + 180_000, START_MS + 3_660_000);
        assert_eq!(ids(json!({ "symbol": "BTCUSDT", "startTime": three })).await, [3, 4, 5]);
        assert_eq!(ids(json!({ "symbol": "BTCUSDT", "endTime": hour - 1, "limit": 2 })).await, [2, 3]);
        assert_eq!(ids(json!({ "symbol": "BTCUSDT", "startTime": three, "endTime": three })).await, [3]);
        let aggregated = world.ask("trades.aggregate", json!({ "symbol": "BTCUSDT", "fromId": 3, "limit": 1 })).await;
        let expected = json!({
            "a": 3, "p": "49000.00000000", "q": "0.00035000", "f": 3, "l": 4, "T": three, "m": false, "M": true,
        });
        assert_eq!(aggregated[0], expected);
    })
    .await;
}

#[tokio::test]
async fn klines_of_every_interval_and_zone_are_without_gaps() {
    on_both(|world| async move {
        some_trades(&world);
        let end = START_MS + 62 * 60_000;
        let klines = async |interval: &str, more: Value| {
            let mut params = json!({ "symbol": "BTCUSDT", "interval": interval, "endTime": end });
            params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            world.ask("klines", params).await
        };
        let minutes = klines("1m", json!({ "startTime": START_MS, "limit": 5 })).await;
        let shape: Vec<_> = (0..5).map(|n| (minutes[n][4].clone(), minutes[n][8].clone())).collect();
        let close = |text: &str, trades: u64| (json!(text), json!(trades));
        assert_eq!(
            shape,
            [
                close("51000.00000000", 2),
                close("51000.00000000", 0),
                close("51000.00000000", 0),
                close("49000.00000000", 2),
                close("49000.00000000", 0),
            ]
        );
        // The page begins between trades: its first kline has its price from the one before.
        let later = klines("1m", json!({ "limit": 3 })).await;
        let shape: Vec<_> = (0..3).map(|n| (later[n][0].clone(), later[n][4].clone())).collect();
        assert_eq!(
            shape,
            [
                (json!(START_MS + 60 * 60_000), json!("49000.00000000")),
                (json!(START_MS + 61 * 60_000), json!("50600.00000000")),
                (json!(end), json!("50600.00000000")),
            ]
        );
        for interval in
            ["1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"]
        {
            let all = klines(interval, json!({ "startTime": 0, "limit": 1000 })).await;
            let trades: u64 = all.as_array().unwrap().iter().map(|kline| kline[8].as_u64().unwrap()).sum();
            let expected = if interval == "1s" { 4 } else { 6 };
            assert_eq!(trades, expected, "{interval}");
        }
        let zoned = klines("1d", json!({ "startTime": 0, "timeZone": "5:45", "limit": 10 })).await;
        assert_eq!(zoned[0][0], START_MS - (5 * 60 + 45) * 60_000);
        assert_eq!(
            (&zoned[0][1], &zoned[0][4], &zoned[0][8]),
            (&json!("50000.00000000"), &json!("50600.00000000"), &json!(6))
        );
        assert_eq!(klines("1h", json!({ "startTime": end, "limit": 10 })).await, json!([]));
        let hours = klines("1h", json!({ "startTime": START_MS, "limit": 10 })).await;
        assert_eq!(hours[0][7], "32.35000000", "quote volume is exact");
        assert_eq!(hours[0][9], "0.00045000", "what takers bought");
    })
    .await;
}

#[tokio::test]
async fn before_the_first_order_and_trade_there_is_nothing() {
    on_both(|world| async move {
        let of_market = json!({ "symbol": "BTCUSDT" });
        for method in ["allOrders", "myTrades", "trades.aggregate"] {
            assert_eq!(world.ask(method, of_market.clone()).await, json!([]), "{method}");
        }
        assert_eq!(world.ask("klines", json!({ "symbol": "BTCUSDT", "interval": "1M" })).await, json!([]));
        assert_eq!(world.ask("allOrderLists", json!({})).await, json!([]));
    })
    .await;
}
