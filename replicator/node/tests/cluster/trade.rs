//! One order's way through the cluster, in either layout.

use node::{Threads, Tuning};
use wire::link::Role;
use wire::{Event, PartitionId, Side};

use crate::bed::{Bed, Exchange, Follower, LEDGER, accepted};

async fn an_order_is_placed_and_filled(nodes: usize, partitions: u16, market_partition: PartitionId, threads: Threads) {
    let bed = Bed::start(nodes, partitions, Tuning { threads, ..Tuning::default() });
    bed.wait_ready();
    let operator = bed.client(Role::Operator, "operator-test").session(LEDGER).await;
    let exchange = Exchange::open(&operator, market_partition).await;
    let cluster = bed.client(Role::Gateway, "gateway-1");
    let session = cluster.session(LEDGER).await;
    let mut ledger = Follower::new(&cluster, LEDGER);
    let mut market = Follower::new(&cluster, market_partition);

    let sell = accepted(&session, exchange.order(exchange.alice, Side::Sell, 6_000_000, 500, "s1")).await;
    ledger.until_resting(sell).await;
    let buy = accepted(&session, exchange.order(exchange.bob, Side::Buy, 6_000_000, 300, "b1")).await;
    ledger.until_filled(buy).await;
    let traded = market.find(|event| if let Event::Traded(traded) = event { Some(*traded) } else { None }).await;
    assert_eq!((traded.qty.units(), traded.taker.get(), traded.maker.get()), (300, buy, sell));

    bed.wait_equal();
    for node in bed.running() {
        let audits = node.audits();
        let books = &audits.iter().find(|audit| audit.partition == LEDGER.get()).expect("a ledger").assets;
        assert!(books.iter().all(|asset| asset.conserved && asset.clearing == 0), "{books:?}");
        assert!(node.metrics().contains("mainstay_node_commands_applied_total{partition=\"1\"}"));
        assert_eq!(node.failure(), None);
    }
    // Whoever comes late reads the same events, from any position on.
    let mut late = Follower::new(&bed.client(Role::Gateway, "gateway-2"), LEDGER);
    late.until_position(ledger.position).await;
    assert_eq!(late.seen[..ledger.seen.len()], ledger.seen[..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_placed_and_filled_with_ledger_and_market_together() {
    an_order_is_placed_and_filled(3, 1, LEDGER, Threads::DEDICATED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_placed_and_filled_with_ledger_and_market_apart() {
    an_order_is_placed_and_filled(3, 2, PartitionId::new(2), Threads::DEDICATED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_placed_and_filled_by_nodes_of_one_thread() {
    an_order_is_placed_and_filled(3, 1, LEDGER, Threads::Shared).await;
    an_order_is_placed_and_filled(3, 2, PartitionId::new(2), Threads::Shared).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_placed_and_filled_by_partitions_that_share_a_thread() {
    an_order_is_placed_and_filled(3, 3, PartitionId::new(3), Threads::Partitions(2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_one_node_trades() {
    an_order_is_placed_and_filled(1, 2, PartitionId::new(2), Threads::DEDICATED).await;
    an_order_is_placed_and_filled(1, 2, PartitionId::new(2), Threads::Shared).await;
}
