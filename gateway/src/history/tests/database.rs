//! What only a database can do: be away, be behind, be shared, be another exchange's.

use std::sync::atomic::AtomicBool;

use tokio_postgres::SimpleQueryMessage;

use super::*;
use crate::history::postgres::testing;

/// Everything in the tables, as text, in order.
async fn tables(server: &str, name: &str) -> Vec<String> {
    let config = HistoryConfig::read(&format!("{server} dbname={name}"), None, None).unwrap();
    let client = config.connect().await.unwrap();
    let mut all = Vec::new();
    for table in testing::TABLES {
        // `position` and `log_time_ns` of all but the progress follow from the log; batches do not show anywhere.
        let sql =
            format!("SELECT '{table}', row_to_json(t)::text FROM mainstay.{table} t ORDER BY row_to_json(t)::text");
        for message in client.simple_query(&sql).await.unwrap() {
            if let SimpleQueryMessage::Row(row) = message {
                all.push(format!("{} {}", row.get(0).unwrap(), row.get(1).unwrap()));
            }
        }
    }
    all
}

/// Waits until everything that was fed is in the database.
async fn written(world: &World) {
    world.ask("allOrders", json!({ "symbol": "BTCUSDT" })).await;
}

fn told(answer: Result<Value, (u16, i32, String)>) -> (u16, i32, String) {
    answer.expect_err("there is no history")
}

#[tokio::test]
async fn without_its_database_history_says_so_at_once_and_everything_else_goes_on() {
    let world = postgres("host=/nowhere/at/all", "none", Limits::default());
    some_orders(&world);
    let began = std::time::Instant::now();
    for (method, params) in [
        ("allOrders", json!({ "symbol": "BTCUSDT" })),
        ("myTrades", json!({ "symbol": "BTCUSDT" })),
        ("allOrderLists", json!({})),
        ("order.amendments", json!({ "symbol": "BTCUSDT", "orderId": 1 })),
        ("myPreventedMatches", json!({ "symbol": "BTCUSDT", "orderId": 1 })),
        ("trades.historical", json!({ "symbol": "BTCUSDT", "fromId": 1 })),
        ("trades.aggregate", json!({ "symbol": "BTCUSDT" })),
        ("klines", json!({ "symbol": "BTCUSDT", "interval": "1m" })),
        ("/sapi/v1/capital/deposit/hisrec", json!({})),
        ("/sapi/v1/capital/withdraw/history", json!({})),
    ] {
        let (status, code, message) = told(world.try_ask(method, params).await);
        assert_eq!((status, code), (503, -1001), "{method}");
        assert!(message.starts_with("History is unavailable: its database does not answer."), "{method}: {message}");
    }
    assert!(began.elapsed() < Duration::from_secs(3), "clients are not kept waiting");
    assert_eq!(world.ask("order.status", json!({ "symbol": "BTCUSDT", "orderId": 1 })).await["status"], "FILLED");
    assert_eq!(world.each("openOrders.status", json!({ "symbol": "BTCUSDT" }), "orderId").await, [4, 5]);
    let missing = json!({ "symbol": "BTCUSDT", "origClientOrderId": "never" });
    assert_eq!(told(world.try_ask("order.status", missing).await).1, -2013, "memory has forgotten nothing");
    assert_eq!(world.ask("trades.recent", json!({ "symbol": "BTCUSDT" })).await, json!([]));
    assert!(world.ask("account.status", json!({})).await["balances"].is_array());
}

#[tokio::test]
async fn an_order_that_memory_has_forgotten_is_found_in_the_database() {
    let Some(server) = server() else { return };
    let limits = Limits { closed_orders_per_account: 1, fills_per_account: 1, ..Limits::default() };
    let world = postgres(&server, &fresh(&server).await, limits.clone());
    some_orders(&world);
    for params in [
        json!({ "symbol": "BTCUSDT", "orderId": 1 }),
        json!({ "symbol": "BTCUSDT", "origClientOrderId": "order-1" }),
        json!({ "symbol": "BTCUSDT", "orderId": 1, "origClientOrderId": "order-1" }),
    ] {
        assert_eq!(world.ask("order.status", params).await["status"], "FILLED");
    }
    let other = json!({ "symbol": "BTCUSDT", "orderId": 1, "origClientOrderId": "order-2" });
    assert_eq!(told(world.try_ask("order.status", other).await).1, -2039, "the order of that id has another name");
    let none = json!({ "symbol": "BTCUSDT", "orderId": 77, "origClientOrderId": "order-1" });
    assert_eq!(told(world.try_ask("order.status", none).await).1, -2013);
    assert_eq!(world.each("myTrades", json!({ "symbol": "BTCUSDT", "limit": 9 }), "id").await.len(), 6);
    let memory = embedded(limits);
    some_orders(&memory);
    assert_eq!(memory.each("myTrades", json!({ "symbol": "BTCUSDT" }), "id").await.len(), 1);
}

/// A date is the client's own: no word of a client keeps everybody's history from being written.
#[tokio::test]
async fn an_order_good_till_the_end_of_time_is_written_and_read_again() {
    let Some(server) = server() else { return };
    let name = fresh(&server).await;
    let world = postgres(&server, &name, Limits::default());
    let expire_at = Some(Timestamp::from_nanos(u64::MAX));
    let (order, account, market) = (OrderId::new(1), ALICE, BTCUSDT);
    let terms = OrderTerms { order, account, market, list: ListId::ZERO, terms: Terms { expire_at, ..Terms::NONE } };
    let dated = wire::command::NewOrder { time_in_force: wire::TimeInForce::Gtd, ..buy("dated") };
    let entry = [pending(1, &dated), Event::OrderTerms(Box::new(terms)), accepted(1)];
    world.ledger.feed(&entry);
    let date = json!(u64::MAX / 1_000_000);
    let dates = world.each("allOrders", json!({ "symbol": "BTCUSDT" }), "goodTillDate").await;
    assert_eq!(dates, vec![date.clone()]);
    // The next writer goes on from the row.
    drop(world);
    let world = postgres(&server, &name, Limits::default());
    world.ledger.feed(&entry);
    world.ledger.feed(&[canceled(1, 100_000, CancelCause::Requested, 9)]);
    let told = &world.ask("allOrders", json!({ "symbol": "BTCUSDT" })).await[0];
    assert_eq!((&told["status"], &told["goodTillDate"]), (&json!("CANCELED"), &date));
}

#[tokio::test]
async fn writers_that_end_at_any_position_leave_the_same_rows_as_one_that_does_not() {
    let Some(server) = server() else { return };
    let (whole, pieces) = (fresh(&server).await, fresh(&server).await);
    let one = postgres(&server, &whole, Limits::default());
    some_orders(&one);
    some_trades(&one);
    capital::some_capital(&one);
    written(&one).await;
    // The same log, by a writer a piece: each goes on from what the tables hold, in the middle of orders and klines.
    let (log, last) = one.ledger.log_from(LogPosition::new(2));
    let source = embedded(Limits::default());
    for piece in log.chunks(2) {
        for (_, at, events) in piece {
            source.ledger.feed_at(at.nanos(), events);
        }
        let (_, reached) = source.ledger.log_from(LogPosition::ZERO);
        testing::write_until(&server, &pieces, &source.ledger, reached).await;
    }
    assert_eq!(source.ledger.log_from(LogPosition::ZERO).1, last);
    assert_eq!(tables(&server, &pieces).await, tables(&server, &whole).await);
}

#[tokio::test]
async fn two_gateways_share_a_database_and_the_other_goes_on_when_one_ends() {
    let Some(server) = server() else { return };
    let name = fresh(&server).await;
    let mut first = postgres(&server, &name, Limits::default());
    written(&first).await;
    // Its log is the same; its gateway another.
    let mut second = postgres(&server, &name, Limits::default());
    some_orders(&first);
    some_orders(&second);
    written(&first).await;
    assert_eq!(second.each("allOrders", json!({ "symbol": "BTCUSDT" }), "orderId").await.len(), 6);
    let writers = |world: &World| match &world.gateway.history {
        History::Postgres(db) => db.census().filter(|census| census.is_writer).count(),
        History::Embedded => 0,
    };
    assert_eq!((writers(&first), writers(&second)), (1, 0));
    first.writer.take().unwrap().abort();
    some_trades(&second);
    let ids = second.each("trades.aggregate", json!({ "symbol": "BTCUSDT" }), "a").await;
    assert_eq!(ids, [1, 2, 3, 4, 5]);
    assert_eq!(writers(&second), 1);
    second.writer.take().unwrap().abort();
}

#[tokio::test]
async fn a_database_of_another_life_or_another_log_is_refused() {
    let Some(server) = server() else { return };
    let name = fresh(&server).await;
    let world = postgres(&server, &name, Limits::default());
    some_orders(&world);
    written(&world).await;
    drop(world);
    // A log that is shorter than what was written: the cluster was restored, or is another one.
    let other = postgres(&server, &name, Limits::default());
    testing::until_refused(&other.gateway).await;
    assert_eq!(told(other.try_ask("allOrders", json!({ "symbol": "BTCUSDT" })).await).1, -1001);
    assert_eq!(other.ask("openOrders.status", json!({ "symbol": "BTCUSDT" })).await, json!([]));
    let said = testing::refusal(&server, &name, 1, &other.ledger).await;
    assert!(said.contains("up to position") && said.contains("Give the gateway an empty database"), "{said}");
    let said = testing::refusal(&server, &name, 2, &other.ledger).await;
    assert!(said.contains("history of epoch 1, and the cluster was restored since and is in epoch 2"), "{said}");
}

#[tokio::test]
async fn a_log_that_goes_on_otherwise_than_the_tables_is_refused() {
    let Some(server) = server() else { return };
    let name = fresh(&server).await;
    let world = postgres(&server, &name, Limits::default());
    world.ledger.feed(&[pending(1, &buy("a"))]);
    written(&world).await;
    drop(world);
    // Somebody takes the open order away.
    let config = HistoryConfig::read(&format!("{server} dbname={name}"), None, None).unwrap();
    config.connect().await.unwrap().batch_execute("DELETE FROM mainstay.orders").await.unwrap();
    let world = postgres(&server, &name, Limits::default());
    world.ledger.feed(&[pending(1, &buy("a"))]);
    world.ledger.feed(&[accepted(1)]);
    testing::until_refused(&world.gateway).await;
    assert_eq!(world.each("openOrders.status", json!({ "symbol": "BTCUSDT" }), "orderId").await, [1]);
}

/// A log at which its first reader panics.
struct Broken {
    log: Fed,
    was_read: AtomicBool,
}

impl Log for Broken {
    fn committed(&self, partition: PartitionId) -> BoxFuture<'_, Option<LogPosition>> {
        self.log.committed(partition)
    }

    fn follow(&self, partition: PartitionId, from: LogPosition) -> Box<dyn Follow> {
        assert!(self.was_read.swap(true, Ordering::Relaxed), "planted");
        self.log.follow(partition, from)
    }
}

#[tokio::test]
async fn a_writer_that_panics_is_begun_anew() {
    let Some(server) = server() else { return };
    let broken = |log| Arc::new(Broken { log, was_read: AtomicBool::new(false) }) as Arc<dyn Log>;
    let world = from_log(&server, &fresh(&server).await, Limits::default(), broken);
    some_orders(&world);
    // Readers are told that there is no history until it has been written.
    while world.try_ask("allOrders", json!({ "symbol": "BTCUSDT" })).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let History::Postgres(db) = &world.gateway.history else { panic!("it has a database") };
    assert_eq!(db.census().map(|census| census.failures).sum::<u64>(), 1);
    assert_eq!(world.each("allOrders", json!({ "symbol": "BTCUSDT" }), "orderId").await.len(), 6);
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_the_database_does_not_work_on() {
    let Some(server) = server() else { return };
    let name = fresh(&server).await;
    let world = postgres(&server, &name, Limits { read_timeout: Duration::from_millis(400), ..Limits::default() });
    some_orders(&world);
    let asked = json!({ "symbol": "BTCUSDT" });
    while world.try_ask("allOrders", asked.clone()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let config = HistoryConfig::read(&format!("{server} dbname={name}"), None, None).unwrap();
    let holder = config.connect().await.unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE mainstay.orders IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let began = std::time::Instant::now();
    // More than there are connections for readers.
    let readers = (0..12).map(|_| world.try_ask("allOrders", asked.clone()));
    for answer in futures_util::future::join_all(readers).await {
        assert_eq!(told(answer).1, -1001);
    }
    let working =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while holder.query_one(working, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(began.elapsed() < Duration::from_secs(4), "canceled: the database gives up by itself after five");
    holder.batch_execute("COMMIT").await.unwrap();
    assert_eq!(world.each("allOrders", asked, "orderId").await.len(), 6, "and connections are there for the next");
}

#[tokio::test]
async fn tables_of_another_build_are_refused_with_what_to_do() {
    let Some(server) = server() else { return };
    let name = fresh(&server).await;
    let config = HistoryConfig::read(&format!("{server} dbname={name}"), None, None).unwrap();
    let mut client = config.connect().await.unwrap();
    testing::migrate(&mut client).await.unwrap();
    testing::migrate(&mut client).await.expect("tables of this build");
    // Both how a changed file shows, and how builds that did not note it look.
    for made_by_another in
        ["UPDATE mainstay.migrations SET content = 'another'", "ALTER TABLE mainstay.migrations DROP COLUMN content"]
    {
        client.batch_execute(made_by_another).await.unwrap();
        let said = testing::migrate(&mut client).await.expect_err("the tables may be other ones");
        assert!(said.contains("DROP SCHEMA mainstay CASCADE"), "{said}");
    }
    let world = postgres(&server, &name, Limits::default());
    assert_eq!(told(world.try_ask("allOrders", json!({ "symbol": "BTCUSDT" })).await).1, -1001);
}
