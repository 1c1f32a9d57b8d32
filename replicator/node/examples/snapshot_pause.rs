//! How long a snapshot keeps a partition from trading, with very many orders resting.
//!
//! One replica on a real disk, driven as its thread drives it; orders come and go all the time, and a snapshot is taken
//! every so many bytes of log. Prints the longest duty cycle in the span of each snapshot: how long it took, and how
//! long it ran, which leaves out what other processes took from it.
//!
//! ```text
//! cargo run --release -p node --example snapshot_pause -- [ORDERS] [machine|twin]
//! ```

mod market;

use std::time::Duration;

use market::{Bench, NODE, PARTITION};
use replicator::SnapshotTaker;
use replicator::log::disk::{Disk, DiskConfig};
use wire::ClusterEpoch;

const SNAPSHOTS: usize = 5;
/// Requests offered in one duty cycle.
const OFFERED: u64 = 16;
/// Requests that wait for the disk at most, as they are all applied in one duty cycle.
const IN_FLIGHT: u64 = 128;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let orders: u32 = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let taken_by = match arguments.next().as_deref() {
        Some("machine") => SnapshotTaker::Machine,
        _ => SnapshotTaker::TwinThread,
    };
    let directory = tempfile::tempdir().expect("a directory");
    let config = DiskConfig::new(directory.path().to_owned(), ClusterEpoch::new(1), NODE);
    let disk = Disk::open(config).expect("a disk");
    let mut bench = Bench::new(disk.log(PARTITION, || {}), orders, taken_by, (u64::MAX, u64::from(orders) * 64));
    bench.set_up();
    let is_full = |bench: &Bench, max: u64| bench.sequence.get() - bench.answered > max;
    while bench.orders < u64::from(orders) {
        if !is_full(&bench, 4_096) {
            (0..256).for_each(|_| bench.place());
        }
        bench.cycle();
    }
    println!("{orders} orders rest; snapshots by {taken_by:?}");
    let mut spans = Vec::new();
    let (mut longest, mut longest_run) = (Duration::ZERO, Duration::ZERO);
    let mut taken = bench.host.counters().snapshots_taken;
    while spans.len() < SNAPSHOTS {
        if !is_full(&bench, IN_FLIGHT) {
            for _ in 0..OFFERED / 2 {
                bench.place();
                bench.cancel_oldest();
            }
        }
        let (took, ran) = bench.cycle();
        (longest, longest_run) = (longest.max(took), longest_run.max(ran));
        let now = bench.host.counters().snapshots_taken;
        if now > taken {
            taken = now;
            println!("  snapshot: longest duty cycle took {longest:?}, ran {longest_run:?}");
            spans.push(longest_run);
            (longest, longest_run) = (Duration::ZERO, Duration::ZERO);
        }
    }
    spans.sort_unstable();
    println!("median of the longest runs: {:?}", spans[spans.len() / 2]);
}
