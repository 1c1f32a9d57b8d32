//! How long an order takes, printed; run it with `--ignored --nocapture` on a quiet machine.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use node::Tuning;
use wire::link::Role;
use wire::{Event, PartitionId, Side};

use crate::bed::{Bed, Exchange, Follower, LEDGER, accepted};

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_micros();
    println!("{what}: p50 {} p90 {} p99 {} max {} us", at(0.5), at(0.9), at(0.99), at(1.0));
}

async fn measure(layout: &str, partitions: u16, market_partition: PartitionId) {
    let bed = Bed::start(3, partitions, Tuning::default());
    bed.wait_ready();
    let operator = bed.client(Role::Operator, "operator-test").session(LEDGER).await;
    let exchange = Exchange::open(&operator, market_partition).await;
    let cluster = bed.client(Role::Gateway, "gateway-1");
    let session = cluster.session(LEDGER).await;
    let mut ledger = Follower::new(&cluster, LEDGER);
    let (mut replies, mut outcomes) = (Vec::new(), Vec::new());
    for round in 0..2_000_i64 {
        let started = Instant::now();
        let order = exchange.order(exchange.alice, Side::Sell, 6_000_000 + round, 1, &format!("o{round}"));
        let id = accepted(&session, order).await;
        replies.push(started.elapsed());
        ledger.seen.clear();
        ledger.until_resting(id).await;
        outcomes.push(started.elapsed());
    }
    print(&format!("{layout}, one outstanding, until the reply"), replies.split_off(200));
    print(&format!("{layout}, one outstanding, until it rests"), outcomes.split_off(200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn latency_of_one_outstanding_order() {
    measure("joint", 1, LEDGER).await;
    measure("split", 2, PartitionId::new(2)).await;
}

async fn measure_offered(layout: &str, partitions: u16, market_partition: PartitionId, per_second: u32, seconds: u32) {
    let bed = Bed::start(3, partitions, Tuning::default());
    bed.wait_ready();
    let operator = bed.client(Role::Operator, "operator-test").session(LEDGER).await;
    let exchange = Exchange::open(&operator, market_partition).await;
    let cluster = bed.client(Role::Gateway, "gateway-1");
    let session = cluster.session(LEDGER).await;
    let mut follower = Follower::new(&cluster, LEDGER);
    let started = Instant::now();
    let count = per_second * seconds;
    let outcomes = tokio::spawn(async move {
        let mut ended = BTreeMap::new();
        while ended.len() < count as usize {
            follower.seen.clear();
            follower.step().await;
            let now = Instant::now();
            for (_, event) in &follower.seen {
                match event {
                    Event::OrderResting(resting) => ended.entry(resting.order.get()).or_insert(now),
                    Event::OrderExecuted(executed) => ended.entry(executed.order.get()).or_insert(now),
                    _ => continue,
                };
            }
        }
        ended
    });
    let mut replies = Vec::new();
    for number in 0..count {
        let planned = started + Duration::from_secs(1) * number / per_second;
        tokio::time::sleep_until(planned.into()).await;
        let (account, side) = match number % 2 {
            0 => (exchange.alice, Side::Sell),
            _ => (exchange.bob, Side::Buy),
        };
        let order = exchange.order(account, side, 6_000_000, 1, &format!("o{number}"));
        let session = session.clone();
        replies.push(tokio::spawn(async move {
            let id = accepted(&session, order).await;
            (id, planned, planned.elapsed())
        }));
    }
    let mut planned_of = Vec::new();
    let mut times = Vec::new();
    for reply in replies {
        let (id, planned, time) = reply.await.unwrap();
        planned_of.push((id, planned));
        times.push(time);
    }
    let ended = outcomes.await.unwrap();
    print(&format!("{layout}, {per_second}/s, until the reply"), times);
    let outcomes = planned_of.iter().map(|(id, planned)| ended[id].duration_since(*planned));
    print(&format!("{layout}, {per_second}/s, until the outcome"), outcomes.collect());
    for node in bed.running() {
        let text = node.metrics();
        let wanted =
            ["mail_sent_total", "mail_resent_total", "mail_acknowledgements_total", "commit_index", "_position{"];
        let lines = text.lines().filter(|line| !line.starts_with('#') && wanted.iter().any(|name| line.contains(name)));
        println!("{}", lines.map(|line| line.trim_start_matches("mainstay_node_")).collect::<Vec<_>>().join("  "));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn latency_at_two_thousand_orders_a_second() {
    measure_offered("joint", 1, LEDGER, 2_000, 5).await;
    measure_offered("split", 2, PartitionId::new(2), 2_000, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn pause_when_the_leader_of_the_ledger_stops() {
    let mut bed = Bed::start(3, 2, Tuning { leader_stable: Duration::from_secs(600), ..Tuning::default() });
    bed.wait_ready();
    let operator = bed.client(Role::Operator, "operator-test").session(LEDGER).await;
    let exchange = Exchange::open(&operator, PartitionId::new(2)).await;
    let cluster = bed.client(Role::Gateway, "gateway-1");
    let session = cluster.session(LEDGER).await;
    let (give_up, mut given_up) = tokio::sync::oneshot::channel();
    let trader = tokio::spawn(async move {
        let (mut pauses, mut number) = (Vec::new(), 0);
        while given_up.try_recv().is_err() {
            let started = Instant::now();
            accepted(&session, exchange.order(exchange.alice, Side::Sell, 6_000_000, 1, &format!("o{number}"))).await;
            pauses.push(started.elapsed());
            number += 1;
        }
        pauses.sort();
        pauses
    });
    const ROUNDS: usize = 10;
    for _ in 0..ROUNDS {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let leader = bed.leader(LEDGER);
        bed.stop(leader);
        tokio::time::sleep(Duration::from_millis(500)).await;
        bed.restart(leader);
        bed.wait_ready();
    }
    give_up.send(()).expect("the trader trades");
    let pauses = trader.await.unwrap();
    println!(
        "{ROUNDS} stopped leaders, longest replies in ms: {:?}",
        pauses.iter().rev().take(ROUNDS).map(Duration::as_millis).collect::<Vec<_>>()
    );
}
