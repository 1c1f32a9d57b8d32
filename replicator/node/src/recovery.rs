//! From a backup to a cluster that lives again: at a consistent cut over its partitions, in a new life.
//!
//! The way is always the log: every partition is replayed from its newest snapshot, its mail counted entry by entry, the
//! cut found ([`cut`]), and each replayed once more up to there, with its events. What this knows of a backup is
//! [`Backup`]; where it lies is somebody else's business.

mod cut;
mod lay;
mod own;
mod reopen;

use std::collections::{BTreeMap, BTreeSet};

use engine::{Limits, PartitionConfig};
use replicator::log::Entry;
use replicator::{OpenError, Place, Replay, ReplayError, ReplicaConfig, SessionLimits, StateMachine, verdicts};
use wire::{ClusterEpoch, LogPosition, NodeId, PartitionId, Timestamp};

use self::cut::{Counted, TooEarly, Trace};
use crate::archive::ArchiveError;
use crate::block::EventBlock;
use crate::machine::{EventSink, Machine, Nowhere};
use crate::node::{capacities, incarnation};

pub use self::cut::Undone;
pub use self::lay::{EventFiles, Laid, LayError, NewLife, lay};
pub use self::own::{EventFile, Own, OwnError, Part, SnapshotFile};
pub use self::reopen::{Closed, cancel_only, close_markets};

/// What a backup holds of one life of a cluster. An error is a sentence that names the piece.
pub trait Backup: Sync {
    /// The snapshots of a partition whose events before are all there, oldest first.
    fn snapshots(&self, partition: PartitionId) -> Vec<Kept>;

    /// The bytes of one of them.
    fn snapshot(&self, partition: PartitionId, index: u64) -> Result<Vec<u8>, String>;

    /// Log entries from index `from` on, at least one; `None` at the end of the log.
    fn entries(&self, partition: PartitionId, from: u64) -> Result<Option<Vec<Entry>>, String>;

    /// Events from position `from` on, at least of one position; `None` when there are none.
    fn events(&self, partition: PartitionId, from: LogPosition) -> Result<Option<EventBlock>, String>;
}

/// A snapshot in a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The log index that it was taken at.
    pub index: u64,
    /// The last command in it.
    pub position: LogPosition,
    /// When that was sequenced.
    pub timestamp: Timestamp,
}

/// Which cluster it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// Its epoch.
    pub epoch: ClusterEpoch,
    /// The partition of its ledger cell.
    pub ledger: PartitionId,
    /// Every partition.
    pub partitions: Vec<PartitionId>,
    /// Capacities of its tables and queues.
    pub limits: Limits,
    /// When its replicas forgot a client's session, and how many they kept.
    pub sessions: SessionLimits,
}

/// Where one partition is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The snapshot that is replayed from; 0 for the beginning of the log.
    pub base: u64,
    /// The last entry that is replayed.
    pub place: Place,
    /// The last entry at or before the wanted time: later than `place` where mail asked for an earlier cut.
    pub wanted: u64,
    /// The mail between the two with other partitions, where there is any.
    pub undone: BTreeMap<PartitionId, Undone>,
    /// The digest of the state there, as a replica of the old life had it.
    pub digest: u128,
}

/// Why nothing can be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// A piece of the backup cannot be used.
    #[error("partition {partition}: {reason}")]
    Piece {
        /// Of which partition.
        partition: PartitionId,
        /// What is wrong.
        reason: String,
    },
    /// A snapshot does not restore.
    #[error("partition {partition}: {source}")]
    Restore {
        /// Of which partition.
        partition: PartitionId,
        /// What is wrong.
        source: OpenError,
    },
    /// The log does not replay.
    #[error("partition {partition}: {source}")]
    Replay {
        /// Of which partition.
        partition: PartitionId,
        /// What is wrong.
        source: ReplayError,
    },
    /// The backup does not go back far enough.
    #[error(
        "partition {partition}: the backup has nothing at or before the wanted time; its oldest snapshot is of {oldest} ms \
         since the Unix epoch"
    )]
    TooEarly {
        /// Of which partition.
        partition: PartitionId,
        /// When its oldest snapshot was taken; 0 if there is none.
        oldest: u64,
    },
    /// The events cannot be kept.
    #[error(transparent)]
    Events(#[from] ArchiveError),
    /// The books do not balance.
    #[error(
        "partition {partition}: the books of asset {asset} do not balance at log entry {index}: the backup is of a broken \
         ledger"
    )]
    Unbalanced {
        /// The ledger's.
        partition: PartitionId,
        /// Which asset.
        asset: u16,
        /// Where.
        index: u64,
    },
}

impl Former {
    /// With the capacities that nodes give their partitions.
    pub fn new(epoch: ClusterEpoch, ledger: PartitionId, partitions: Vec<PartitionId>) -> Former {
        let limits = capacities(partitions.iter().copied());
        Former { epoch, ledger, partitions, limits, sessions: SessionLimits::default() }
    }

    fn machine(&self, partition: PartitionId, sink: Box<dyn EventSink>) -> Machine {
        let incarnation = incarnation(self.epoch);
        let config = PartitionConfig { partition, ledger: self.ledger, incarnation, limits: self.limits };
        Machine::new(config, sink)
    }

    /// A partition before its first entry. `put_aside` are the verdicts in its log.
    pub fn replay(
        &self,
        partition: PartitionId,
        put_aside: BTreeSet<replicator::Spot>,
        sink: Option<Box<dyn EventSink>>,
    ) -> Replay<Machine> {
        // Nobody is elected: who the replicas were is not asked.
        let node = NodeId::new(1);
        let mut config = ReplicaConfig::new(partition, node, vec![node], self.epoch, 0);
        config.versions = engine::VERSIONS;
        config.sessions = self.sessions.clone();
        Replay::new(config, self.machine(partition, sink.unwrap_or_else(|| Box::new(Nowhere))), put_aside)
    }
}

/// Finds the greatest consistent cut at or before `at`, and replays every partition that far to know its digest.
pub fn plan(former: &Former, backup: &impl Backup, at: Timestamp) -> Result<BTreeMap<PartitionId, Cut>, RecoveryError> {
    let mut bounds: BTreeMap<PartitionId, u64> = former.partitions.iter().map(|it| (*it, u64::MAX)).collect();
    let mut walks = BTreeMap::new();
    loop {
        let missing: Vec<PartitionId> = bounds.keys().copied().filter(|it| !walks.contains_key(it)).collect();
        let walked = in_parallel(&missing, |partition| Walk::to(former, backup, partition, at, bounds[&partition]));
        for (partition, walk) in missing.into_iter().zip(walked) {
            walks.insert(partition, walk?);
        }
        let traces = walks.iter().map(|(partition, walk): (_, &Walk)| (*partition, walk.trace.clone())).collect();
        match cut::cut(&traces) {
            Ok(cut) => return finish(former, backup, &walks, &cut),
            // An older snapshot is needed, and the walk from there.
            Err(TooEarly { partition }) => {
                let walk = walks.remove(&partition).expect("it was walked");
                bounds.insert(partition, walk.base.saturating_sub(1));
            }
        }
    }
}

fn finish(
    former: &Former,
    backup: &impl Backup,
    walks: &BTreeMap<PartitionId, Walk>,
    cut: &BTreeMap<PartitionId, u64>,
) -> Result<BTreeMap<PartitionId, Cut>, RecoveryError> {
    let partitions: Vec<PartitionId> = cut.keys().copied().collect();
    let cuts = in_parallel(&partitions, |partition| -> Result<Cut, RecoveryError> {
        let walk = &walks[&partition];
        let (place, digest) = if cut[&partition] == walk.end.index {
            (walk.end, walk.digest)
        } else {
            let replay = walk_to(former, backup, partition, walk.base, cut[&partition], &walk.put_aside, None)?;
            (replay.place(), replay.machine().digest())
        };
        let undone = walk.trace.peers().map(|peer| (peer, walk.trace.undone(peer, place.index)));
        let undone = undone.filter(|(_, undone)| *undone != Undone::default()).collect();
        Ok(Cut { base: walk.base, place, wanted: walk.end.index, undone, digest })
    });
    partitions.into_iter().zip(cuts).map(|(partition, cut)| Ok((partition, cut?))).collect()
}

/// Replays a partition up to its cut. Every event since the first is given to `sink`.
pub fn replay_to(
    former: &Former,
    backup: &impl Backup,
    partition: PartitionId,
    cut: &Cut,
    mut sink: Box<dyn EventSink>,
) -> Result<Replay<Machine>, RecoveryError> {
    let piece = |reason| RecoveryError::Piece { partition, reason };
    let kept = backup.snapshots(partition).into_iter().find(|kept| kept.index == cut.base);
    let upto = kept.map_or(LogPosition::ZERO, |kept| kept.position);
    let mut next = LogPosition::ZERO.next();
    while next <= upto {
        let block = backup.events(partition, next).map_err(piece)?;
        let block = block.ok_or_else(|| piece(format!("events from position {next} on are missing")))?;
        next = block.upto().next();
        sink.append(block.until(upto).into());
    }
    let put_aside = verdicts_of(backup, partition, cut.base)?;
    let replay = walk_to(former, backup, partition, cut.base, cut.place.index, &put_aside, Some(sink))?;
    replay.machine().take_events(replay.place().position);
    if partition == former.ledger {
        let audits = replay.machine().cells().audit();
        if let Some(audit) = audits.iter().find(|audit| !audit.is_conserved()) {
            let (asset, index) = (audit.asset.get(), cut.place.index);
            return Err(RecoveryError::Unbalanced { partition, asset, index });
        }
    }
    Ok(replay)
}

/// One partition replayed as far as the wanted time, its mail counted on the way.
struct Walk {
    base: u64,
    trace: Trace,
    end: Place,
    digest: u128,
    put_aside: BTreeSet<replicator::Spot>,
}

impl Walk {
    /// From the newest snapshot at or before the time and at or before the index `bound`.
    fn to(
        former: &Former,
        backup: &impl Backup,
        partition: PartitionId,
        at: Timestamp,
        bound: u64,
    ) -> Result<Walk, RecoveryError> {
        let piece = |reason| RecoveryError::Piece { partition, reason };
        let snapshots = backup.snapshots(partition);
        let fits = |kept: &&Kept| kept.timestamp <= at && kept.index <= bound;
        let base = match snapshots.iter().rev().find(fits) {
            Some(kept) => kept.index,
            None => {
                let first = backup.entries(partition, 1).ok().flatten();
                let oldest = snapshots.first().map_or(0, |kept| kept.timestamp.millis());
                if first.is_none() && !snapshots.is_empty() {
                    return Err(RecoveryError::TooEarly { partition, oldest });
                }
                0
            }
        };
        let put_aside = verdicts_of(backup, partition, base)?;
        let mut replay = begin(former, backup, partition, base, &put_aside, None)?;
        let mut trace = Trace::new(base);
        note(&mut trace, base, &replay);
        'log: while let Some(entries) = backup.entries(partition, replay.place().index + 1).map_err(piece)? {
            for entry in &entries {
                if replay.time_of(entry).is_some_and(|time| time > at) {
                    break 'log;
                }
                replay.apply(entry).map_err(|source| RecoveryError::Replay { partition, source })?;
                note(&mut trace, entry.index, &replay);
            }
        }
        let (end, digest) = (replay.place(), replay.machine().digest());
        Ok(Walk { base, trace, end, digest, put_aside })
    }
}

fn note(trace: &mut Trace, index: u64, replay: &Replay<Machine>) {
    let cells = replay.machine().cells();
    let mut peers: BTreeMap<PartitionId, Counted> = BTreeMap::new();
    for outbox in cells.outboxes() {
        let counted = peers.entry(outbox.to()).or_default();
        (counted.sent, counted.trimmed) = (outbox.last().get(), outbox.trimmed().get());
    }
    for (from, seen) in cells.heard() {
        peers.entry(from).or_default().seen = seen.get();
    }
    peers.into_iter().for_each(|(peer, counted)| trace.note(index, peer, counted));
    trace.reach(index);
}

/// Every verdict behind the base: they come after what they put aside.
fn verdicts_of(
    backup: &impl Backup,
    partition: PartitionId,
    base: u64,
) -> Result<BTreeSet<replicator::Spot>, RecoveryError> {
    let piece = |reason| RecoveryError::Piece { partition, reason };
    let mut spots = BTreeSet::new();
    let mut next = base + 1;
    // A piece that cannot be read may lie behind the cut; if it does not, the walk says so.
    while let Ok(Some(entries)) = backup.entries(partition, next) {
        for entry in &entries {
            let found = verdicts(entry).map_err(|error| piece(format!("log entry {}: {error}", entry.index)))?;
            spots.extend(found);
            next = entry.index + 1;
        }
    }
    Ok(spots)
}

fn begin(
    former: &Former,
    backup: &impl Backup,
    partition: PartitionId,
    base: u64,
    put_aside: &BTreeSet<replicator::Spot>,
    sink: Option<Box<dyn EventSink>>,
) -> Result<Replay<Machine>, RecoveryError> {
    let mut replay = former.replay(partition, put_aside.clone(), sink);
    if base > 0 {
        let bytes = backup.snapshot(partition, base).map_err(|reason| RecoveryError::Piece { partition, reason })?;
        replay.restore(&bytes).map_err(|source| RecoveryError::Restore { partition, source })?;
    }
    Ok(replay)
}

fn walk_to(
    former: &Former,
    backup: &impl Backup,
    partition: PartitionId,
    base: u64,
    upto: u64,
    put_aside: &BTreeSet<replicator::Spot>,
    sink: Option<Box<dyn EventSink>>,
) -> Result<Replay<Machine>, RecoveryError> {
    let piece = |reason| RecoveryError::Piece { partition, reason };
    let mut replay = begin(former, backup, partition, base, put_aside, sink)?;
    while replay.place().index < upto {
        let next = replay.place().index + 1;
        let entries = backup.entries(partition, next).map_err(piece)?;
        let entries = entries.ok_or_else(|| piece(format!("log entry {next} is missing")))?;
        for entry in entries.iter().take_while(|entry| entry.index <= upto) {
            replay.apply(entry).map_err(|source| RecoveryError::Replay { partition, source })?;
        }
    }
    Ok(replay)
}

/// The same for every partition, on threads of their own, in the order asked.
fn in_parallel<A: Send>(partitions: &[PartitionId], work: impl Fn(PartitionId) -> A + Sync) -> Vec<A> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = partitions.iter().map(|it| scope.spawn(move || work(*it))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, A>| match thread.join() {
            Ok(answer) => answer,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        threads.into_iter().map(join).collect()
    })
}
