//! Snapshots of every version that was ever released restore to the digest that they were taken with, and no bytes make a
//! restore panic.
//!
//! `UPDATE=1 cargo test -p engine golden` writes the present version's files anew; only while it is not released.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use wire::{Command, PartitionId};

use super::world::{Layout, World, small_limits};
use crate::snapshot::{SnapshotError, VERSION, seal};
use crate::{Partition, PartitionConfig};

const HEADER: usize = 34;

/// Something of everything: books, icebergs, dates, stops, lists, amends, limits, bands, an auction that collects.
fn crowded(layout: Layout) -> World {
    let mut world = World::new(layout);
    for step in [
        "alice sell 1 @ 100",
        "bob buy 1 @ 100",
        "bands 20 10",
        "carol group 3",
        "alice sell 40 @ 104 show 10",
        "alice sell 5 @ 106 day",
        "bob buy 5 @ 96 gtd 50",
        "bob buy 2 stop-loss 108",
        "carol sell 2 stop-loss trail 100 @ 90",
        "alice oco pair | sell 5 stop-loss 90 | sell 5 @ 110 maker-only",
        "bob otoco list | buy 3 @ 94 | sell 3 stop-loss 80 | sell 3 @ 120 maker-only",
        "carol buy 9 @ 98",
        "carol amend 11 to 6",
        "alice sell 2 @ 98",
        "phase auction",
        "alice sell 3 @ 96",
        "bob buy 3 @ 102",
    ] {
        world.play(step);
    }
    let order = world.parse_order(&["carol", "buy", "1", "@", "92"]);
    // Mail that is under way, too.
    world.ask(Command::NewOrder(order));
    world
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// The file of each partition in each layout.
fn written() -> Vec<(String, Partition)> {
    let mut files = Vec::new();
    for (layout, name) in [(Layout::Joint, "joint"), (Layout::Split, "split")] {
        for (at, partition) in (1..).zip(crowded(layout).partitions) {
            files.push((format!("v{VERSION}-{name}-{at}.snapshot"), partition));
        }
    }
    files
}

fn restore(partition: u16, bytes: &[u8]) -> Result<Partition, SnapshotError> {
    let (partition, ledger, limits) = (PartitionId::new(partition), PartitionId::new(1), small_limits());
    let incarnation = wire::Incarnation::new(1);
    Partition::restore(PartitionConfig { partition, ledger, incarnation, limits }, bytes)
}

#[test]
fn every_golden_snapshot_restores_to_its_digest() {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(folder()).unwrap();
        for (name, partition) in written() {
            let mut bytes = Vec::new();
            partition.snapshot(&mut bytes);
            std::fs::write(folder().join(name), bytes).unwrap();
        }
    }
    let mut present = 0;
    for file in std::fs::read_dir(folder()).expect("golden snapshots") {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let bytes = std::fs::read(&path).unwrap();
        let partition = name.rsplit('-').next().unwrap().parse().expect("a partition's number");
        let restored = restore(partition, &bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let digest = u128::from_le_bytes(bytes[18..HEADER].try_into().unwrap());
        assert_eq!(restored.digest(), digest, "{name}");
        present += usize::from(name.starts_with(&format!("v{VERSION}-")));
    }
    assert_eq!(present, 4, "the present version has its files");
}

/// What takes place today is what the files of today's version hold: whoever changes the layout sees it here.
#[test]
fn present_snapshots_are_the_golden_ones() {
    for (name, partition) in written() {
        let mut bytes = Vec::new();
        partition.snapshot(&mut bytes);
        assert!(std::fs::read(folder().join(&name)).unwrap() == bytes, "{name} differs");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The checksum is right and the state is not: a bug wrote it, or somebody who means harm.
    #[test]
    fn no_state_makes_a_restore_panic(
        which in 0_usize..4,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        static FILES: std::sync::OnceLock<Vec<(u16, Vec<u8>)>> = std::sync::OnceLock::new();
        let files = FILES.get_or_init(|| {
            let number = |name: &str| name.trim_end_matches(".snapshot").rsplit('-').next().unwrap().parse().unwrap();
            written()
                .into_iter()
                .map(|(name, partition)| {
                    let mut bytes = Vec::new();
                    partition.snapshot(&mut bytes);
                    (number(&name), bytes.split_off(HEADER))
                })
                .collect()
        });
        let (partition, state) = &files[which];
        let mut state = state.clone();
        for (at, byte) in changes {
            let at = at.index(state.len());
            state[at] = byte;
        }
        if let Some(cut) = cut {
            state.truncate(cut.index(state.len()));
        }
        let mut bytes = Vec::new();
        seal(&mut bytes, |to| to.bytes(&state));
        let _ = restore(*partition, &bytes);
    }

    #[test]
    fn no_bytes_make_a_restore_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(restore(1, &bytes).is_err());
        let mut sealed = Vec::new();
        seal(&mut sealed, |to| to.bytes(&bytes));
        prop_assert!(restore(1, &sealed).is_err());
    }
}
