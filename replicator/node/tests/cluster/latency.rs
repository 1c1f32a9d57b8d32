//! How long an order takes, printed; run it with `--ignored --nocapture` on a quiet machine.

use std::time::{Duration, Instant};

use node::Tuning;
use wire::link::Role;
use wire::{PartitionId, Side};

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
