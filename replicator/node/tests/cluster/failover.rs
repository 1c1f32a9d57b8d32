//! Nodes stop, come back, come back empty, and hand over leadership; nothing is lost or done twice.

use std::collections::BTreeMap;
use std::time::Duration;

use cluster_client::Session;
use node::{Threads, Tuning};
use wire::link::Role;
use wire::{Event, LogPosition, PartitionId, Side};

use crate::bed::{Bed, Exchange, Follower, LEDGER, accepted, id_of, until};

const MARKET: PartitionId = PartitionId::new(2);

/// Trades `count` times: alice's offer is taken whole by bob.
async fn trade(session: &Session, exchange: &Exchange, ledger: &mut Follower, count: usize, name: &str) {
    for round in 0..count {
        let sell = exchange.order(exchange.alice, Side::Sell, 6_000_000, 100, &format!("{name}-s{round}"));
        accepted(session, sell).await;
        let buy = exchange.order(exchange.bob, Side::Buy, 6_000_000, 100, &format!("{name}-b{round}"));
        let buy = accepted(session, buy).await;
        ledger.until_filled(buy).await;
    }
}

async fn stop_each_node(threads: Threads) {
    let mut bed = Bed::start(3, 2, Tuning { threads, ..Tuning::default() });
    bed.wait_ready();
    let operator = bed.client(Role::Operator, "operator-test").session(LEDGER).await;
    let exchange = Exchange::open(&operator, MARKET).await;
    let cluster = bed.client(Role::Gateway, "gateway-1");
    let session = cluster.session(LEDGER).await;
    let mut ledger = Follower::new(&cluster, LEDGER);
    trade(&session, &exchange, &mut ledger, 20, "before").await;
    for at in 0..3 {
        bed.stop(at);
        trade(&session, &exchange, &mut ledger, 20, &format!("without-{at}")).await;
        bed.restart(at);
        bed.wait_ready();
        bed.wait_equal();
        bed.wait_carried_by_aeron();
    }
    // Every node tells the same story from the beginning.
    for at in 0..3 {
        let mut told = Follower::new(&bed.client_of(at, Role::Gateway, "gateway-2"), LEDGER);
        told.until_position(ledger.position).await;
        assert_eq!(told.seen[..ledger.seen.len()], ledger.seen[..], "node {}", id_of(at));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_node_catches_up_after_its_restart() {
    stop_each_node(Threads::DEDICATED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_node_of_one_thread_catches_up_after_its_restart() {
    stop_each_node(Threads::Shared).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_stop_and_everything_is_still_there() {
    let mut bed = Bed::start(3, 2, Tuning { snapshot_every: 60, log_tail: 20, ..Tuning::default() });
    bed.wait_ready();
    let operator = bed.client(Role::Operator, "operator-test").session(LEDGER).await;
    let exchange = Exchange::open(&operator, MARKET).await;
    let cluster = bed.client(Role::Gateway, "gateway-1");
    let session = cluster.session(LEDGER).await;
    let mut ledger = Follower::new(&cluster, LEDGER);
    trade(&session, &exchange, &mut ledger, 50, "before").await;
    bed.wait_equal();
    let before = bed.node(0).audits();
    (0..3).for_each(|at| bed.stop(at));
    (0..3).for_each(|at| bed.restart(at));
    bed.wait_ready();
    bed.wait_equal();
    assert_eq!(bed.node(0).audits()[0].assets, before[0].assets);
    trade(&session, &exchange, &mut ledger, 5, "after").await;
    let mut told = Follower::new(&bed.client(Role::Gateway, "gateway-2"), LEDGER);
    told.until_position(ledger.position).await;
    assert_eq!(told.seen[..ledger.seen.len()], ledger.seen[..]);
}

/// What a node suffers while it is stopped.
type Harm = fn(&mut Bed, usize);

async fn lose_a_disk(threads: Threads, harm: Harm) {
    let mut bed = Bed::start(3, 2, Tuning { threads, snapshot_every: 50, log_tail: 10, ..Tuning::default() });
    bed.wait_ready();
    let operator = bed.client(Role::Operator, "operator-test").session(LEDGER).await;
    let exchange = Exchange::open(&operator, MARKET).await;
    let cluster = bed.client(Role::Gateway, "gateway-1");
    let session = cluster.session(LEDGER).await;
    let mut ledger = Follower::new(&cluster, LEDGER);
    trade(&session, &exchange, &mut ledger, 100, "before").await;
    let lost = (bed.leader(LEDGER) + 1) % 3;
    bed.stop(lost);
    harm(&mut bed, lost);
    bed.restart(lost);
    bed.wait_ready();
    bed.wait_equal();
    trade(&session, &exchange, &mut ledger, 10, "after").await;
    until("the snapshot is installed", || {
        bed.node(lost).metrics().contains("snapshots_installed_total{partition=\"1\"} 1")
    });
    let mut told = Follower::new(&bed.client_of(lost, Role::Gateway, "gateway-2"), LEDGER);
    told.until_position(ledger.position).await;
    assert_eq!(told.seen[..ledger.seen.len()], ledger.seen[..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_its_disk_fetches_the_state_and_the_past_events() {
    lose_a_disk(Threads::DEDICATED, Bed::wipe).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_one_thread_that_lost_its_disk_fetches_the_state_and_the_past_events() {
    lose_a_disk(Threads::Shared, Bed::wipe).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_log_is_damaged_in_its_middle_sets_it_aside_and_is_repaired_by_its_peers() {
    lose_a_disk(Threads::Shared, Bed::damage).await;
}

async fn change_leaders(threads: Threads) {
    let mut bed = Bed::start(3, 2, Tuning { threads, leader_stable: Duration::from_secs(600), ..Tuning::default() });
    bed.wait_ready();
    let operator = bed.client(Role::Operator, "operator-test").session(LEDGER).await;
    let exchange = Exchange::open(&operator, MARKET).await;
    let cluster = bed.client(Role::Gateway, "gateway-1");
    let session = cluster.session(LEDGER).await;
    let mut market = Follower::new(&cluster, MARKET);

    let trader = {
        let (session, cluster) = (session.clone(), cluster.clone());
        let (alice, bob, market) = (exchange.alice, exchange.bob, exchange.market);
        let (base, quote) = (exchange.base, exchange.quote);
        tokio::spawn(async move {
            let exchange = Exchange { market, alice, bob, base, quote };
            let mut ledger = Follower::new(&cluster, LEDGER);
            trade(&session, &exchange, &mut ledger, 400, "trade").await;
            ledger
        })
    };
    let mut round = 0;
    while !trader.is_finished() {
        let partition = if round % 2 == 0 { MARKET } else { LEDGER };
        let leader = bed.leader(partition);
        bed.node(leader).transfer_leadership(partition, id_of((leader + 1) % 3));
        tokio::time::sleep(Duration::from_millis(20)).await;
        if round % 10 == 9 {
            let at = bed.leader(MARKET);
            bed.stop(at);
            tokio::time::sleep(Duration::from_millis(100)).await;
            bed.restart(at);
        }
        round += 1;
    }
    let mut ledger = trader.await.unwrap();
    assert!(round > 3, "leaders changed while it traded");
    bed.wait_ready();
    bed.wait_equal();

    let position = bed.node(0).digests()[0].position;
    ledger.until_position(LogPosition::new(position)).await;
    let mut filled = BTreeMap::new();
    for (_, event) in &ledger.seen {
        if let Event::OrderExecuted(executed) = event {
            *filled.entry(executed.order).or_insert(0) += executed.qty.units();
        }
    }
    assert_eq!(filled.len(), 800);
    assert!(filled.values().all(|qty| *qty == 100), "every order is filled once");
    let position = bed.node(0).digests()[1].position;
    market.until_position(LogPosition::new(position)).await;
    assert_eq!(market.seen.iter().filter(|(_, event)| matches!(event, Event::Traded(_))).count(), 400);
    for node in bed.running() {
        assert!(node.audits()[0].assets.iter().all(|asset| asset.conserved && asset.clearing == 0 && asset.held == 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_is_applied_exactly_once_across_leader_changes() {
    change_leaders(Threads::DEDICATED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_is_applied_exactly_once_across_leader_changes_of_nodes_of_one_thread() {
    change_leaders(Threads::Shared).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaders_return_to_the_nodes_that_should_have_them() {
    let bed = Bed::start(3, 3, Tuning { leader_stable: Duration::from_millis(300), ..Tuning::default() });
    bed.wait_ready();
    let is_spread = || (1..=3).all(|partition| bed.leader(PartitionId::new(partition)) == usize::from(partition) - 1);
    until("every partition is led by its preferred node", is_spread);
    bed.node(0).transfer_leadership(LEDGER, id_of(2));
    until("the transfer happened", || bed.leader(LEDGER) == 2);
    until("it came back", || bed.leader(LEDGER) == 0);
}
