//! Ships what a node has applied to a backup, beside the node: it asks the partitions for pieces of their logs, which lie in
//! memory, and for snapshots, which lie on the node's disk. A partition's thread never waits for it.
//!
//! Every node of a cluster may be told to ship to the same place. Of a partition's replicas one does: the first standby after
//! the leader. The others look from time to time whether the backup grows, and take over when it does not; the leader is
//! the last who would.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use node::{EventBlock, NodeHandle, kept};
use replicator::log::Entry;
use replicator::{Committed, Shipped, snapshot, timestamp};
use serde::Serialize;
use wire::{ClusterEpoch, LogPosition, NodeId, PartitionId, Timestamp};

use super::names::{self, EventsName, LifeFile, LogName, SnapshotName};
use super::place::Place;

/// Bytes of log in one piece.
const PIECE_BYTES: u64 = 1024 * 1024;
/// Pieces of a partition in one round: the others have their turn.
const PIECES_MAX: usize = 64;
/// Bytes of events in one object.
const EVENTS_BYTES: usize = 4 * 1024 * 1024;
/// Whoever is next in line waits so many rounds longer.
const PATIENCE_ROUNDS: u32 = 4;
/// An error is said again after this long.
const SAY_AGAIN: Duration = Duration::from_secs(30);

/// How a node ships.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How often.
    pub every: Duration,
    /// How often a snapshot goes along.
    pub snapshot_every: Duration,
}

/// What of a partition has been shipped, as this node knows it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LaneStatus {
    /// Which partition.
    pub partition: u16,
    /// Whether this node ships it.
    pub ships: bool,
    /// The last log entry in the backup.
    pub shipped_index: u64,
    /// Entries applied here that are not in the backup.
    pub behind: u64,
    /// The log index of the newest snapshot in the backup.
    pub snapshot_index: u64,
    /// What went wrong last, until something goes well.
    pub error: Option<String>,
}

/// See the module.
pub struct Shipper {
    handle: Arc<NodeHandle>,
    place: Place,
    settings: Settings,
    epoch: ClusterEpoch,
    life: LifeFile,
    has_life: bool,
    lanes: Vec<Lane>,
    status: Arc<Mutex<Vec<LaneStatus>>>,
}

/// One partition on its way to the backup.
struct Lane {
    partition: PartitionId,
    /// The last entry in the backup; not known before it was looked at.
    shipped: Option<u64>,
    /// Log time there.
    timestamp: Timestamp,
    /// The newest snapshot in the backup.
    snapshot: SnapshotName,
    /// The last position whose events are in the backup.
    events: LogPosition,
    snapshot_at: Option<Instant>,
    /// Since when there is something to ship.
    waiting_since: Option<Instant>,
    error: Option<(String, Instant)>,
}

/// Why a round failed. The next one tries again.
#[derive(Debug, thiserror::Error)]
enum ShipError {
    #[error("{0}")]
    Place(#[from] object_store::Error),
    #[error("the partition did not answer")]
    Silent,
    #[error("the newest snapshot here cannot be used: {0}")]
    Snapshot(String),
    #[error("events from position {0} on are not in this node's archive")]
    NoEvents(LogPosition),
    #[error("the log behind entry {0} is not in memory any more, and no snapshot reaches so far yet")]
    NoSnapshot(u64),
    #[error("{place} holds the backup of another cluster: entry {index} of partition {partition} is another one there")]
    Foreign { place: String, partition: PartitionId, index: u64 },
    #[error("{place} is ahead of the leader, at entry {index} of partition {partition}: it is of another cluster")]
    Ahead { place: String, partition: PartitionId, index: u64 },
    #[error("{0}")]
    Life(String),
}

impl Shipper {
    /// Ships a node's partitions to `place`.
    pub fn new(handle: Arc<NodeHandle>, place: Place, settings: Settings, life: LifeFile) -> Shipper {
        let lanes = life.partitions.iter().map(|partition| Lane {
            partition: PartitionId::new(*partition),
            shipped: None,
            timestamp: Timestamp::ZERO,
            snapshot: SnapshotName { index: 0, position: LogPosition::ZERO, timestamp: Timestamp::ZERO },
            events: LogPosition::ZERO,
            snapshot_at: None,
            waiting_since: None,
            error: None,
        });
        let (lanes, epoch) = (lanes.collect(), ClusterEpoch::new(life.epoch));
        let status = Arc::default();
        Shipper { handle, place, settings, epoch, life, has_life: false, lanes, status }
    }

    /// What has been shipped, for whoever looks.
    pub fn status(&self) -> Arc<Mutex<Vec<LaneStatus>>> {
        self.status.clone()
    }

    /// Ships until it is dropped.
    pub async fn run(mut self) {
        tracing::info!(to = self.place.text(), every = ?self.settings.every, "ships log and snapshots");
        loop {
            let begun = Instant::now();
            self.round().await;
            tokio::time::sleep(self.settings.every.saturating_sub(begun.elapsed()).max(Duration::from_millis(10)))
                .await;
        }
    }

    async fn round(&mut self) {
        if !self.has_life {
            let made = self.make_life().await;
            self.has_life = made.is_ok();
            if let Err(error) = made {
                self.lanes.iter_mut().for_each(|lane| lane.note(Err(&error)));
            }
        }
        let mut said = Vec::new();
        for at in 0..self.lanes.len() {
            let mut status = LaneStatus { partition: self.lanes[at].partition.get(), ..LaneStatus::default() };
            if self.has_life {
                let outcome = self.ship(at, &mut status).await;
                self.lanes[at].note(outcome.as_ref().map(drop));
            }
            let lane = &self.lanes[at];
            status.shipped_index = lane.shipped.unwrap_or(0);
            status.snapshot_index = lane.snapshot.index;
            status.error = lane.error.as_ref().map(|(error, _)| error.clone());
            said.push(status);
        }
        *self.status.lock().expect("nobody panics with it") = said;
    }

    /// Says what this life is, or finds that it was said.
    async fn make_life(&self) -> Result<(), ShipError> {
        let name = format!("{}/life.toml", names::life(self.epoch));
        let wanted = toml::to_string(&self.life).map_err(|error| ShipError::Life(error.to_string()))?;
        match self.place.find(&name).await? {
            None => Ok(self.place.put(&name, wanted.into_bytes()).await?),
            Some(found) if found == wanted.as_bytes() => Ok(()),
            Some(_) => {
                Err(ShipError::Life(format!("{}/{name} is of a cluster of other partitions", self.place.text())))
            }
        }
    }

    async fn ship(&mut self, at: usize, status: &mut LaneStatus) -> Result<(), ShipError> {
        let partition = self.lanes[at].partition;
        if self.lanes[at].shipped.is_none() {
            self.look(at).await?;
            let ahead = self.compare(at).await;
            if ahead.is_err() {
                self.lanes[at].shipped = None;
            }
            ahead?;
        }
        let Some(shipped) = self.lanes[at].shipped else { return Ok(()) };
        let probe = self.committed(partition, shipped, 0).await?;
        let turn = turn(self.handle.node(), &probe);
        status.ships = turn == 0;
        status.behind = probe.applied.saturating_sub(shipped);
        let lane = &mut self.lanes[at];
        if probe.applied <= shipped {
            lane.waiting_since = None;
        } else {
            let waits = lane.waiting_since.get_or_insert_with(Instant::now).elapsed();
            if waits < self.settings.every * PATIENCE_ROUNDS * turn {
                return Ok(());
            }
            lane.waiting_since = None;
            let is_shipped_by_another = turn > 0 && self.look(at).await?;
            if !is_shipped_by_another {
                self.ship_log(at).await?;
            }
        }
        if turn == 0 { self.ship_snapshot(at, probe.applied, false).await } else { Ok(()) }
    }

    /// Looks how far the backup is; whether that is farther than was known.
    async fn look(&mut self, at: usize) -> Result<bool, ShipError> {
        let lane = &mut self.lanes[at];
        let folder = names::partition(self.epoch, lane.partition);
        let file_of = |text: String| text.rsplit('/').next().unwrap_or_default().to_owned();
        let known = LogName { first: lane.shipped.unwrap_or(0) + 1, last: 0, timestamp: Timestamp::ZERO };
        let mut farthest = lane.shipped.unwrap_or(0);
        for name in self.place.list(&format!("{folder}/log"), Some(&file_of(known.text()))).await? {
            if let Some(log) = LogName::parse(&name).filter(|log| log.last > farthest) {
                farthest = log.last;
                lane.timestamp = lane.timestamp.max(log.timestamp);
            }
        }
        let known = file_of(lane.snapshot.text());
        for name in self.place.list(&format!("{folder}/snapshots"), Some(&known)).await? {
            lane.snapshot = SnapshotName::parse(&name).map_or(lane.snapshot, |name| lane.snapshot.max(name));
        }
        let known = file_of(EventsName { after: lane.events, upto: LogPosition::ZERO }.text());
        for name in self.place.list(&format!("{folder}/events"), Some(&known)).await? {
            lane.events = EventsName::parse(&name).map_or(lane.events, |name| lane.events.max(name.upto));
        }
        farthest = farthest.max(lane.snapshot.index);
        lane.timestamp = lane.timestamp.max(lane.snapshot.timestamp);
        let is_farther = lane.shipped.is_none_or(|shipped| farthest > shipped);
        lane.shipped = Some(farthest);
        Ok(is_farther)
    }

    /// What is in the backup must be of this cluster: its last entry is one of this log.
    async fn compare(&self, at: usize) -> Result<(), ShipError> {
        let lane = &self.lanes[at];
        let (partition, index) = (lane.partition, lane.shipped.unwrap_or(0));
        let place = || self.place.text().to_owned();
        if index == 0 {
            return Ok(());
        }
        let committed = self.committed(partition, index - 1, 0).await?;
        if committed.applied < index {
            let leads = committed.leader == Some(self.handle.node());
            let error = if leads { ShipError::Ahead { place: place(), partition, index } } else { ShipError::Silent };
            return Err(error);
        }
        let folder = names::partition(self.epoch, partition);
        let names = self.place.list(&format!("{folder}/log"), None).await?;
        let last = names.iter().rfind(|name| LogName::parse(name).is_some_and(|name| name.last == index));
        let (Some(last), Some(own)) = (last, committed.entries.as_ref().and_then(|entries| entries.first())) else {
            return Ok(());
        };
        let bytes = self.place.get(&format!("{folder}/log/{last}")).await?;
        let is_same = Shipped::decode(&bytes).is_ok_and(|piece| piece.entries.last().is_some_and(|last| last == own));
        if is_same { Ok(()) } else { Err(ShipError::Foreign { place: place(), partition, index }) }
    }

    async fn ship_log(&mut self, at: usize) -> Result<(), ShipError> {
        for _ in 0..PIECES_MAX {
            let (partition, shipped) = (self.lanes[at].partition, self.lanes[at].shipped.unwrap_or(0));
            let committed = self.committed(partition, shipped, PIECE_BYTES).await?;
            let Some(entries) = committed.entries else {
                // Nobody shipped for long: a snapshot bridges what is missing.
                return self.ship_snapshot(at, committed.applied, true).await;
            };
            let Some(last) = entries.last().map(|entry: &Entry| entry.index) else { return Ok(()) };
            let lane = &mut self.lanes[at];
            lane.timestamp = entries.iter().filter_map(timestamp).fold(lane.timestamp, Timestamp::max);
            let name = LogName { first: shipped + 1, last, timestamp: lane.timestamp };
            let piece = Shipped { partition, epoch: self.epoch, timestamp: lane.timestamp, entries };
            let folder = names::partition(self.epoch, partition);
            self.place.put(&format!("{folder}/{}", name.text()), piece.encode()).await?;
            self.lanes[at].shipped = Some(last);
            if last >= committed.applied {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Ships the newest snapshot on this node's disk, with the events before it: if it is time, or if it must be. One that
    /// was not applied yet here, as a leader sends it, waits: the archive does not know of it either.
    async fn ship_snapshot(&mut self, at: usize, applied: u64, must: bool) -> Result<(), ShipError> {
        let lane = &self.lanes[at];
        let (partition, shipped) = (lane.partition, lane.shipped.unwrap_or(0));
        let is_due = lane.snapshot_at.is_none_or(|last| last.elapsed() >= self.settings.snapshot_every);
        if !must && !is_due {
            return Ok(());
        }
        let found = self.handle.snapshots(partition).map_err(|error| ShipError::Snapshot(error.to_string()))?;
        let is_news =
            |(index, _): &&(u64, _)| *index > lane.snapshot.index && *index <= applied && (*index <= shipped || must);
        let Some((index, path)) = found.iter().rfind(is_news) else {
            return if must { Err(ShipError::NoSnapshot(shipped)) } else { Ok(()) };
        };
        let bytes = tokio::fs::read(path).await.map_err(|error| ShipError::Snapshot(error.to_string()))?;
        let header = snapshot::open(&bytes).map_err(|error| ShipError::Snapshot(error.to_string()))?.header;
        let name = SnapshotName { index: *index, position: header.position, timestamp: header.timestamp };
        self.ship_events(at, header.position).await?;
        let folder = names::partition(self.epoch, partition);
        self.place.put(&format!("{folder}/{}", name.text()), bytes).await?;
        let lane = &mut self.lanes[at];
        (lane.snapshot, lane.snapshot_at) = (name, Some(Instant::now()));
        lane.shipped = Some(shipped.max(*index));
        lane.timestamp = lane.timestamp.max(name.timestamp);
        Ok(())
    }

    async fn ship_events(&mut self, at: usize, upto: LogPosition) -> Result<(), ShipError> {
        let partition = self.lanes[at].partition;
        while self.lanes[at].events < upto {
            let after = self.lanes[at].events;
            let mut gathered = EventBlock::new(after);
            while gathered.upto() < upto && gathered.byte_len() < EVENTS_BYTES {
                let (handle, from) = (self.handle.clone(), gathered.upto().next());
                let asked = tokio::task::spawn_blocking(move || handle.events(partition, from)).await;
                let block = asked.ok().flatten().ok_or(ShipError::NoEvents(from))?;
                if block.upto() < from {
                    // Nothing more: positions without events may end it.
                    gathered.cover(upto);
                    break;
                }
                block.until(upto).batches().filter(|batch| batch.position >= from).for_each(|it| gathered.push(it));
                gathered.cover(block.upto().min(upto).max(gathered.upto()));
            }
            let name = EventsName { after, upto: gathered.upto() };
            let folder = names::partition(self.epoch, partition);
            let bytes = kept::encode(partition, self.epoch, &gathered);
            self.place.put(&format!("{folder}/{}", name.text()), bytes).await?;
            self.lanes[at].events = gathered.upto();
        }
        Ok(())
    }

    async fn committed(&self, partition: PartitionId, after: u64, bytes_max: u64) -> Result<Committed, ShipError> {
        let handle = self.handle.clone();
        let asked = tokio::task::spawn_blocking(move || handle.committed(partition, after, bytes_max)).await;
        asked.ok().flatten().ok_or(ShipError::Silent)
    }
}

impl Lane {
    /// Says what went wrong, once and then from time to time.
    fn note(&mut self, outcome: Result<(), &ShipError>) {
        let partition = self.partition;
        match (outcome, &self.error) {
            (Ok(()), None) => {}
            (Ok(()), Some(_)) => {
                tracing::info!(%partition, "ships again");
                self.error = None;
            }
            (Err(error), Some((known, said))) if error.to_string() == *known && said.elapsed() < SAY_AGAIN => {}
            (Err(error), _) => {
                tracing::warn!(%partition, %error, "cannot ship; tries again");
                self.error = Some((error.to_string(), Instant::now()));
            }
        }
    }
}

/// How many others ship before this node does: 0 of the first standby after the leader.
fn turn(own: NodeId, committed: &Committed) -> u32 {
    let voters = &committed.voters;
    let after_leader = voters.iter().position(|voter| committed.leader.is_some_and(|it| *voter == it));
    let begin = after_leader.map_or(0, |leader| leader + 1);
    let turn = voters.iter().cycle().skip(begin).take(voters.len()).position(|voter| *voter == own);
    // Who does not vote is the last of all.
    turn.unwrap_or(voters.len()) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_standby_after_the_leader_ships_and_the_leader_is_the_last() {
        let committed = |leader: Option<u64>| Committed {
            entries: None,
            applied: 0,
            position: LogPosition::ZERO,
            timestamp: Timestamp::ZERO,
            leader: leader.map(NodeId::new),
            voters: [1, 2, 3].map(NodeId::new).to_vec(),
        };
        let turns = |leader| [1, 2, 3, 4].map(|node| turn(NodeId::new(node), &committed(leader)));
        assert_eq!(turns(Some(1)), [2, 0, 1, 3]);
        assert_eq!(turns(Some(3)), [0, 1, 2, 3]);
        assert_eq!(turns(None), [0, 1, 2, 3]);
    }
}
