use std::net::SocketAddr;

use replicator::Shipped;
use replicator::entry::{BatchWriter, Kind};
use replicator::log::Entry;
use wire::LogPosition;

use super::*;
use crate::backup::names::{self, EventsName, LifeFile, LogName, SnapshotName};
use crate::config::{NodeAddress, Partition, Threads, TlsFiles};

#[test]
fn a_time_is_a_date_a_number_or_so_long_ago() {
    let now = UNIX_EPOCH + Duration::from_secs(1_000);
    assert_eq!(time("1970-01-01T00:01:00Z", now).unwrap(), Timestamp::from_nanos(60_000_000_000));
    assert_eq!(time("61000", now).unwrap(), Timestamp::from_nanos(61_000_000_000));
    assert_eq!(time("-90s", now).unwrap(), Timestamp::from_nanos(910_000_000_000));
    for wrong in ["yesterday", "-", "-1000d", "1969-12-31T23:59:59Z"] {
        assert!(time(wrong, now).is_err(), "{wrong}");
    }
    assert_eq!(text_of(Timestamp::from_nanos(60_000_000_000)), "1970-01-01T00:01:00.000Z");
}

fn file(node: u64, epoch: u64, peers: &[u64]) -> NodeFile {
    let addr: SocketAddr = "127.0.0.1:7100".parse().unwrap();
    NodeFile {
        node,
        epoch,
        data_dir: format!("node-{node}").into(),
        listen: addr,
        http: addr,
        ledger: 1,
        threads: Threads::default(),
        learner: false,
        disk_reserve_mb: 64,
        max_version: None,
        tls: TlsFiles { ca: "ca".into(), cert: "cert".into(), key: "key".into() },
        peers: peers.iter().map(|peer| NodeAddress { node: *peer, addr }).collect(),
        partitions: vec![Partition { partition: 1, preferred_leader: None, durability: Default::default() }],
        backup: None,
        aeron: None,
    }
}

#[test]
fn a_life_that_was_begun_and_not_shipped_is_not_begun_again() {
    let lives = [1, 4].map(ClusterEpoch::new);
    let of = |epochs: &[u64], wanted| {
        let files: Vec<NodeFile> = epochs.iter().map(|epoch| file(1, *epoch, &[])).collect();
        new_epoch(&lives, &files, wanted).ok()
    };
    assert_eq!(of(&[4, 4], None), Some(5));
    assert_eq!(of(&[1], None), Some(5));
    assert_eq!(of(&[4, 5], None), Some(6), "life 5 was lost before anything of it was shipped");
    assert_eq!(of(&[7], Some(7)), Some(7), "the configuration has been given it");
    assert_eq!(of(&[5], Some(9)), Some(9));
    for (configured, wanted) in [(4, 4), (1, 3), (7, 6)] {
        assert_eq!(of(&[configured], Some(wanted)), None, "{configured} {wanted}");
    }
    assert_eq!(new_epoch(&[ClusterEpoch::new(u64::MAX)], &[], None).ok(), None);
}

#[test]
fn founders_that_would_not_find_each_other_are_told_apart_from_others() {
    check_reach(&[file(4, 1, &[5, 6]), file(5, 1, &[1, 2, 4, 6])], &[4, 5, 6]).unwrap();
    // As of a cluster whose log knew where they were.
    let error = check_reach(&[file(4, 1, &[5, 6]), file(5, 1, &[1, 2, 3])], &[4, 5, 6]).unwrap_err().to_string();
    assert_eq!(error, "the configuration of node 5 does not say where node 4 is");
}

#[test]
fn nothing_is_restored_beside_a_demo_or_a_node_that_runs() {
    let home = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = free.local_addr().unwrap();
    let mut own = file(1, 1, &[]);
    (own.listen, own.data_dir) = (addr, home.path().join("node-1"));
    let refused = |demo, own: &NodeFile| keep_down(demo, std::slice::from_ref(own)).unwrap_err().to_string();
    assert!(refused(None, &own).contains("node 1 runs"), "it listens");
    drop(free);
    let kept = keep_down(None, std::slice::from_ref(&own)).unwrap();
    assert!(kept.is_empty(), "there is no demo");

    let demo = home::Home::open(Some(home.path()), None, None).unwrap();
    for why in [refused(Some(home.path()), &own), refused(None, &own)] {
        assert!(why.contains("a demo runs in"), "{why}");
    }
    drop(demo);
    let kept = keep_down(Some(home.path()), std::slice::from_ref(&own)).unwrap();
    assert_eq!(kept.len(), 1);
    let why = home::Home::open(Some(home.path()), None, None).err().unwrap().to_string();
    assert!(why.contains("runs in"), "nobody starts it meanwhile: {why}");
    drop(kept);
    home::Home::open(Some(home.path()), None, None).unwrap();
}

/// A small backup of one partition: a log, a snapshot in the middle of it, and the events before that.
fn backup(home: &Path) -> Vec<PathBuf> {
    let (epoch, partition) = (ClusterEpoch::new(3), PartitionId::new(1));
    let former = Former::new(epoch, partition, vec![partition]);
    let mut replay = former.replay(partition, Default::default(), None);
    let mut entries = Vec::new();
    let mut files = Vec::new();
    let mut put = |name: String, bytes: Vec<u8>| {
        let path = home.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        files.push(path);
    };
    let life = LifeFile { epoch: 3, ledger: 1, partitions: vec![1] };
    put(format!("{}/life.toml", names::life(epoch)), toml::to_string(&life).unwrap().into_bytes());
    let folder = names::partition(epoch, partition);
    for index in 1..=6_u64 {
        let mut batch = BatchWriter::new(0);
        batch.push(Kind::OpenSession(u128::from(index)), &[]);
        let data = if index == 1 { Vec::new() } else { batch.finish(Timestamp::from_nanos(index)) };
        let entry = Entry { index, term: 1, data: data.into(), ..Entry::default() };
        replay.apply(&entry).unwrap();
        entries.push(entry);
        if index == 4 {
            let place = replay.place();
            let name = SnapshotName { index, position: place.position, timestamp: place.timestamp };
            put(format!("{folder}/{}", name.text()), replay.snapshot());
            let mut block = node::EventBlock::new(LogPosition::ZERO);
            block.cover(place.position);
            let name = EventsName { after: block.after(), upto: block.upto() };
            put(format!("{folder}/{}", name.text()), node::kept::encode(partition, epoch, &block));
        }
    }
    for entries in entries.chunks(3) {
        let (first, last) = (entries[0].index, entries[2].index);
        let timestamp = Timestamp::from_nanos(last);
        let piece = Shipped { partition, epoch, timestamp, entries: entries.to_vec() };
        put(format!("{folder}/{}", LogName { first, last, timestamp }.text()), piece.encode());
    }
    files
}

fn verified(home: &Path) -> miette::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(async { verify(&Place::open(home.to_str().unwrap())?, None).await })
}

#[test]
fn any_piece_that_is_changed_cut_short_or_called_something_else_is_an_error_that_names_it() {
    let home = tempfile::tempdir().unwrap();
    let files = backup(home.path());
    verified(home.path()).unwrap();
    for path in &files {
        let whole = std::fs::read(path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let step = (whole.len() / 40).max(1);
        for at in (0..whole.len()).step_by(step) {
            let mut flipped = whole.clone();
            flipped[at] ^= 4;
            for damaged in [&flipped[..], &whole[..at]] {
                if damaged == whole.trim_ascii_end() {
                    // Without its last line's end a text is what it was.
                    continue;
                }
                std::fs::write(path, damaged).unwrap();
                let error = verified(home.path()).err().map(|error| error.to_string());
                let says = error.as_ref().is_some_and(|error| error.contains(name));
                assert!(says, "{name} at {at} of {}: {error:?}", whole.len());
            }
        }
        std::fs::write(path, &whole).unwrap();
        let (stem, end) = name.rsplit_once('.').unwrap();
        if end != "toml" && end != "events" {
            let (head, last) = stem.split_at(stem.len() - 1);
            let other = path.with_file_name(format!("{head}{}.{end}", if last == "9" { "8" } else { "9" }));
            std::fs::rename(path, &other).unwrap();
            assert!(verified(home.path()).is_err(), "{name} as {}", other.display());
            std::fs::rename(&other, path).unwrap();
        }
    }
    verified(home.path()).unwrap();
}

#[test]
fn a_partition_that_its_life_does_not_name_is_no_part_of_a_whole_backup() {
    let home = tempfile::tempdir().unwrap();
    backup(home.path());
    std::fs::create_dir(home.path().join(names::partition(ClusterEpoch::new(3), PartitionId::new(2)))).unwrap();
    let error = verified(home.path()).unwrap_err().to_string();
    assert!(error.contains("life.toml is damaged: partition 2 lies beside it"), "{error}");
}
