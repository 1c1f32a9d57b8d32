//! Another region: a learner for good beside the voters; the loss of the voters' quorum; and the life that begins with what
//! the learner has, as `mainstay ctl promote --accept-loss` begins it.
//!
//! What is real: how a node joins as a learner and follows, which of its entries count ([`node::recovery::Own`]), the cut
//! over its partitions, the replay, the markets that close, and the first snapshot of the life. What is not: the command,
//! which reads files and asks the old voters. The old voters may be alive after all and go on in their own life; then
//! whoever speaks for one life is refused by those of the other before anything else is said
//! ([`replicator::net::check_life`], the first rung of every greeting).
//!
//! The world of the new life begins with the part of the old history that was kept, command by command, checkers watching:
//! a state that is not exactly that prefix is found at once, and what was acknowledged in it stays acknowledged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use node::recovery::{self, Cut, EventFile, Former, NewLife, Own, OwnError, Part, RecoveryError, SnapshotFile};
use node::{EventBatch, EventBlock, EventSink as _, Machine};
use replicator::log::{Entry, LogStore as _};
use replicator::net::check_life;
use replicator::sim::Random;
use replicator::{Replay, snapshot};
use wire::command::SetMarketStatus;
use wire::link::PROTOCOL;
use wire::{ClusterEpoch, Command, Incarnation, LogPosition, MarketId, MarketStatus, NodeId, PartitionId, Timestamp};

use super::checkers::Verdict;
use super::clock::{Clock, MS, Moment, SECOND};
use super::faults::Fault;
use super::history::History;
use super::machine;
use super::store::{Archive, Shelf};
use super::swarm::Plan;
use super::world::World;

/// How long there is trade in the new life.
const TRADE_NS: Moment = 4 * SECOND;
/// Names of orders in the new life begin here.
const NAMES_FROM: u64 = 1_000_000;

/// The other region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// The learner.
    pub node: NodeId,
    /// Whether the voters' quorum is lost at the end of trade, and the learner promoted.
    pub is_promoted: bool,
    /// Whether the old voters are alive all the same.
    pub is_old_alive: bool,
}

/// In every sixth seed there is one. Its node has troubles of its own.
pub(super) fn draw(seed: u64, plan: &mut Plan) {
    let mut random = Random::new(seed ^ 0x5245_4749);
    if random.below(6) > 0 {
        return;
    }
    let node = NodeId::new(plan.nodes + 1);
    let (is_promoted, is_old_alive) = (random.below(4) > 0, random.below(2) == 0);
    plan.region = Some(Region { node, is_promoted, is_old_alive });
    plan.faults.push((random.below(2 * SECOND), Fault::Join { node }));
    let mut at = SECOND + random.below(4 * SECOND);
    while at < plan.trade_ns {
        let for_ns = 50 * MS + random.below(3 * SECOND);
        plan.faults.push((
            at,
            match random.below(7) {
                0 | 1 => Fault::Kill { node, down_ns: for_ns, is_noticed: random.below(2) == 0 },
                2 | 3 => Fault::Isolate { node, for_ns },
                4 => Fault::PowerLoss { node, down_ns: for_ns },
                5 => Fault::SlowDisk { node, sync_ns: 20 * MS + random.below(700 * MS), for_ns },
                _ => Fault::DiskLost { node, down_ns: for_ns, is_noticed: true },
            },
        ));
        at += random.below(8 * SECOND);
    }
    plan.faults.sort_by_key(|(at, _)| *at);
}

/// What a promotion leaves behind.
pub(super) struct Promoted {
    epoch: ClusterEpoch,
    cuts: BTreeMap<PartitionId, Cut>,
    beginnings: BTreeMap<PartitionId, Beginning>,
    region: Region,
}

/// Of one partition.
struct Beginning {
    snapshot: Vec<u8>,
    digest: u128,
    archive: Arc<Mutex<Archive>>,
    /// The entries that close the markets.
    closing: Vec<Entry>,
}

/// A snapshot on a simulated disk.
struct OnDisk(Vec<u8>);

impl SnapshotFile for OnDisk {
    fn read(&self) -> Result<Vec<u8>, String> {
        Ok(self.0.clone())
    }
}

/// The events of a simulated disk.
struct Events(Arc<Mutex<Archive>>);

impl EventFile for Events {
    fn end(&self) -> LogPosition {
        self.0.lock().expect("nobody panics with an open archive").end()
    }

    fn read(&mut self, from: LogPosition, _: usize) -> Result<EventBlock, String> {
        let archive = self.0.lock().expect("nobody panics with an open archive");
        let mut block = EventBlock::new(LogPosition::new(from.get() - 1));
        let Some((batches, upto)) = archive.read(from) else {
            let is_end = from > archive.end();
            return if is_end { Ok(block) } else { Err(format!("events from position {from} on are missing")) };
        };
        for (position, (timestamp, origin, events)) in batches {
            block.push(EventBatch { position, timestamp: *timestamp, origin: *origin, events });
        }
        block.cover(upto);
        Ok(block)
    }
}

impl World {
    /// The region's node is stopped and promoted, if it can be. It is not asked for anything in
    /// this life any more; healing may start it again, and it has no vote.
    pub(super) fn promote(&mut self) -> Result<Option<Promoted>, String> {
        let Some(region) = self.plan.region.filter(|region| region.is_promoted) else { return Ok(None) };
        let all_unsynced = self.random.below(2) == 0;
        if self.node(region.node).is_up {
            self.kill(region.node, all_unsynced && !self.plan.is_in_memory, true);
        }
        self.retired = Some(region.node);
        let own = match self.own(region.node) {
            Ok(own) => own,
            // It never caught up, or lost what it had: the command says so and changes nothing.
            Err(OwnError::Nothing { .. }) => return Ok(None),
            Err(error) => return Err(format!("node {} cannot be read: {error}", region.node)),
        };
        let partitions = machine::partitions(self.plan.layout);
        let limits = machine::cells(machine::LEDGER, self.epoch, self.plan.name_retention_ns).limits;
        let (replica, _) = self.configs(region.node, machine::LEDGER, self.epoch, 1);
        let sessions = replica.sessions;
        let former = Former { epoch: self.epoch, ledger: machine::LEDGER, partitions, limits, sessions };
        let cuts = match recovery::plan(&former, &own, Timestamp::from_nanos(u64::MAX)) {
            Ok(cuts) => cuts,
            // One partition has fallen too far behind for the others: only a backup helps.
            Err(RecoveryError::TooEarly { .. }) => return Ok(None),
            Err(error) => return Err(format!("node {} has no cut: {error}", region.node)),
        };
        for (partition, cut) in &cuts {
            self.cut_of_all(region.node, *partition, cut)?;
        }
        let life = NewLife { epoch: ClusterEpoch::new(self.epoch.get() + 1), founders: vec![region.node] };
        let now = Clock::start(self.now, 0, 0).at(self.now);
        let mut beginnings = BTreeMap::new();
        for (partition, cut) in &cuts {
            let failed = |error: String| format!("promoting partition {partition}: {error}");
            let archive = Arc::<Mutex<Archive>>::default();
            let sink = Box::new(Shelf(archive.clone()));
            let mut replay =
                recovery::replay_to(&former, &own, *partition, cut, sink).map_err(|error| failed(error.to_string()))?;
            let closing = self.close(*partition, &mut replay, now).map_err(failed)?;
            seal(&archive, replay.place().position);
            let laid = life.begin(*partition, replay, Default::default());
            let snapshot = laid.beginning.snapshot.ok_or_else(|| failed("nothing is kept".to_owned()))?;
            beginnings.insert(*partition, Beginning { snapshot, digest: laid.digest, archive, closing });
        }
        self.trace.say(self.now, || format!("node {} is promoted: {cuts:?}", region.node));
        self.fenced(&beginnings, life.epoch)?;
        Ok(Some(Promoted { epoch: life.epoch, cuts, beginnings, region }))
    }

    /// What was to be kept is everything that the node's disk has and knows to be committed; and where nothing else is to be
    /// consistent with, it is kept.
    fn cut_of_all(&self, node: NodeId, partition: PartitionId, cut: &Cut) -> Verdict {
        let stored = self.node(node).slots[&partition].disk.log().load().map_err(|error| error.to_string())?;
        let last = stored.entries.last().map_or(0, |entry| entry.index);
        let committed = stored.hard_state.commit.min(last);
        let is_whole = cut.wanted >= committed && (self.histories.len() > 1 || cut.place.index == cut.wanted);
        if is_whole {
            return Ok(());
        }
        Err(format!("node {node} has {committed} entries of partition {partition} that count, and the cut is {cut:?}"))
    }

    fn close(
        &self,
        partition: PartitionId,
        replay: &mut Replay<Machine>,
        now: Timestamp,
    ) -> Result<Vec<Entry>, String> {
        if partition != machine::LEDGER {
            return Ok(Vec::new());
        }
        let (_, closing) = recovery::close_markets(replay, now).map_err(|error| error.to_string())?;
        let open = replay.machine().cells().open_markets();
        if open.is_empty() { Ok(closing) } else { Err(format!("markets {open:?} are still open")) }
    }

    /// What the node has on its disks. Events that it was still to fetch from others it has fetched.
    fn own(&self, node: NodeId) -> Result<Own, OwnError> {
        let mut parts = BTreeMap::new();
        for (partition, slot) in &self.node(node).slots {
            let stored = slot.disk.log().load()?;
            let snapshots = slot.disk.snapshots();
            let newest = snapshots.last().and_then(|(_, bytes)| snapshot::open(bytes).ok());
            self.fill_gaps(
                *partition,
                &slot.archive,
                newest.map_or(LogPosition::ZERO, |newest| newest.header.position),
            );
            let file = |(index, bytes)| (index, Box::new(OnDisk(bytes)) as Box<dyn SnapshotFile>);
            let snapshots = snapshots.into_iter().map(file).collect();
            parts.insert(*partition, Part { stored, snapshots, events: Box::new(Events(slot.archive.clone())) });
        }
        Own::of(self.epoch, parts)
    }

    /// Up to the newest snapshot at least, as production's gap filler does over the network, which is not simulated.
    fn fill_gaps(&self, partition: PartitionId, archive: &Mutex<Archive>, newest: LogPosition) {
        let mut archive = archive.lock().expect("nobody panics with an open archive");
        let end = archive.end().max(newest);
        let records = self.histories[&partition].records().iter().take_while(|record| record.position <= end);
        let told = records.filter(|record| !record.events.is_empty());
        archive.fill(
            LogPosition::ZERO,
            end,
            told.map(|it| (it.position, (it.timestamp, it.origin, it.event_bytes.clone()))),
        );
    }

    /// Nobody of the old life gets into the new one: not by what it says, and not by what it has on its disk.
    fn fenced(&self, beginnings: &BTreeMap<PartitionId, Beginning>, epoch: ClusterEpoch) -> Verdict {
        for (said, heard) in [(self.epoch, epoch), (epoch, self.epoch)] {
            if check_life(PROTOCOL, said, heard).is_ok() {
                return Err(format!("who speaks for life {said} is heard in life {heard}"));
            }
        }
        for (node, slot, partition) in
            self.nodes.iter().flat_map(|node| node.slots.iter().map(move |(id, slot)| (node.id, slot, *id)))
        {
            for bytes in slot.disk.snapshots().into_iter().map(|(_, bytes)| bytes) {
                let opened = snapshot::open(&bytes).map_err(|error| format!("a snapshot of node {node}: {error}"))?;
                if opened.header.epoch != self.epoch {
                    return Err(format!("node {node} has a snapshot of life {}", opened.header.epoch));
                }
                if self.opens(node, partition, &slot.disk.copy(), epoch) {
                    return Err(format!("what node {node} has of partition {partition} opens in life {epoch}"));
                }
            }
        }
        let is_of =
            |beginning: &Beginning| snapshot::open(&beginning.snapshot).is_ok_and(|it| it.header.epoch == epoch);
        if beginnings.values().all(is_of) { Ok(()) } else { Err(format!("a snapshot is not of life {epoch}")) }
    }

    /// The world of the new life.
    pub(super) fn reborn(&self, promoted: &Promoted) -> Result<World, String> {
        let region = promoted.region;
        let [first, second] = [1, 2].map(|more| NodeId::new(region.node.get() + more));
        let mut plan = Plan { first: region.node, nodes: 3, founders: 1, trade_ns: TRADE_NS, ..self.plan.clone() };
        (plan.region, plan.founding, plan.old_builds) = (None, None, Vec::new());
        let down_ns = 200 * MS;
        plan.faults = vec![
            (100 * MS, Fault::Join { node: first }),
            (300 * MS, Fault::Join { node: second }),
            (2 * SECOND, Fault::LeaderDies { down_ns }),
            (3 * SECOND, Fault::GatewayDies { gateway: 0 }),
        ];
        let strangers = self.plan.node_ids().into_iter().map(|node| (node, region.is_old_alive)).collect();
        let mut world = World::begin(self.random.clone(), plan, promoted.epoch, self.now, self.trace.has_words());
        (world.instants, world.strangers) = (self.instants, strangers);
        world.remember(self, promoted)?;
        for (partition, beginning) in &promoted.beginnings {
            let slot = world.node_mut(region.node).slots.get_mut(partition).expect("every node has every partition");
            slot.disk.lay(&[region.node], beginning.snapshot.clone());
            slot.archive = beginning.archive.clone();
        }
        world.populate();
        let open = |market| SetMarketStatus { market: MarketId::new(market), status: MarketStatus::Trading };
        let script = [1, 2].map(|market| Command::SetMarketStatus(open(market)));
        world.take_over(self, script.into(), NAMES_FROM);
        Ok(world)
    }

    /// Replays what was kept, in the order in which it was committed, for a witness and the checkers of the new life.
    fn remember(&mut self, old: &World, promoted: &Promoted) -> Verdict {
        for (partition, history) in &mut self.histories {
            let cells = machine::cells(*partition, old.epoch, self.plan.name_retention_ns);
            *history = History::new(cells, self.plan.session_expiry_ns);
        }
        let World { histories, checkers, .. } = self;
        for (partition, position) in old.checkers.order() {
            let record = old.histories[partition].record(*position).ok_or("a record is missing")?;
            if record.index <= promoted.cuts[partition].place.index {
                let history = histories.get_mut(partition).expect("both lives have the same partitions");
                history.repeat(record, &mut |record, cells| checkers.on_commit(*partition, record, cells))?;
            }
        }
        for (partition, history) in histories {
            let (cut, beginning) = (&promoted.cuts[partition], &promoted.beginnings[partition]);
            history.repeat_entries(&old.histories[partition], cut.place.index);
            if (history.last_position(), history.witness().digest()) != (cut.place.position, cut.digest) {
                let (place, last) = (cut.place, history.last_position());
                return Err(format!(
                    "partition {partition}: what is kept at {place:?} is not what was committed at {last}"
                ));
            }
            for entry in &beginning.closing {
                let mut look = |record: &_, cells: &_| checkers.on_commit(*partition, record, cells);
                history.applied(entry.index, entry.term, &entry.data, &mut look)?;
            }
            history.begin_life(Incarnation::new(promoted.epoch.get()));
            if history.witness().digest() != beginning.digest {
                return Err(format!("partition {partition} begins its life with another state than it was cut with"));
            }
        }
        Ok(())
    }
}

/// Events are told up to here, and on the disk.
fn seal(archive: &Arc<Mutex<Archive>>, upto: LogPosition) {
    let end = archive.lock().expect("nobody panics with an open archive").end();
    let mut block = EventBlock::new(end);
    block.cover(upto.max(end));
    let mut shelf = Shelf(archive.clone());
    shelf.append(block.into());
    shelf.sync();
}
