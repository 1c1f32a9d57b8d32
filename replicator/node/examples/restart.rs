//! How long a replica with a long log and very many resting orders takes to be back after its process was started again:
//! snapshot, log behind it, and everything applied that it knows to be committed.
//!
//! An entry has one command or two, the fewest there can be: the next is asked for when the one before it was answered. The
//! log is written without syncs, which cost time and say nothing here; what is read is the same.
//!
//! ```text
//! cargo run --release -p node --example restart -- [ENTRIES] [ORDERS] [WITHIN_SECONDS] [DIRECTORY]
//! ```
//!
//! A directory that is named is kept, and one with a log in it is only read. Exits 1 when it took longer than so many
//! seconds.

mod market;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use market::{Bench, NODE, PARTITION};
use replicator::Durability;
use replicator::SnapshotTaker;
use replicator::log::disk::{BootId, Disk, DiskConfig, SyncBy};
use wire::ClusterEpoch;

/// As production's.
const SNAPSHOT_EVERY: (u64, u64) = (100_000, 64 * 1024 * 1024);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |at: usize, default: u64| arguments.get(at).and_then(|n| n.parse().ok()).unwrap_or(default);
    let (entries, orders, within) = (argument(0, 10_000_000), argument(1, 1_000_000) as u32, argument(2, 10));
    let scratch = tempfile::tempdir().expect("a directory");
    let directory = arguments.get(3).map_or(scratch.path().to_owned(), PathBuf::from);
    if !directory.join("entries").exists() {
        write(&directory, entries, orders);
    }
    let took = read(&directory, orders);
    println!("back after {took:.2?}");
    if took.as_secs() >= within { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn open(directory: &Path) -> Disk {
    let config = DiskConfig::new(directory.to_owned(), ClusterEpoch::new(1), NODE);
    let durability = BTreeMap::from([(PARTITION, Durability::QuorumMemory)]);
    Disk::open(DiskConfig { boot: BootId::of_this_host(), durability, ..config }).expect("a disk")
}

fn write(directory: &Path, entries: u64, orders: u32) {
    let begun = Instant::now();
    let disk = open(directory);
    // A thread that writes by itself changes no threads for each of so many entries.
    let mut group = disk.group(SyncBy::CallerIfWithin(Duration::MAX));
    let log = group.log(&disk, PARTITION, || {});
    let mut bench = Bench::new(log, orders, SnapshotTaker::TwinThread, SNAPSHOT_EVERY);
    bench.group = Some(group);
    bench.set_up();
    while bench.host.status().last_index < entries || bench.sequence.get() > bench.answered {
        if bench.sequence.get() == bench.answered {
            bench.place();
            if bench.orders > u64::from(orders) {
                bench.cancel_oldest();
            }
        }
        bench.cycle();
    }
    let written = bench.host.status();
    println!("{} entries, {orders} orders rest, written in {:.0?}", written.last_index, begun.elapsed());
    println!("the newest snapshot is at position {} of {}", written.snapshot_position, written.applied_position);
}

/// From the start of the process to everything applied that it knows to be committed: alone, that is its whole log.
fn read(directory: &Path, orders: u32) -> Duration {
    let begun = Instant::now();
    let disk = open(directory);
    println!("the log is open after {:.2?}", begun.elapsed());
    let mut bench = Bench::new(disk.log(PARTITION, || {}), orders, SnapshotTaker::TwinThread, SNAPSHOT_EVERY);
    let opened = bench.host.status();
    println!("the replica is open after {:.2?}, at position {}", begun.elapsed(), opened.applied_position);
    while bench.host.status().applied_index < opened.last_index {
        bench.cycle();
    }
    begun.elapsed()
}
