//! The world: everything that exists, and its one loop.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use node::{HostInput, HostOutput, PartitionHost};
use replicator::sim::{Cuts, Random, Weather};
use replicator::{Members, node_of};
use wire::{ClusterEpoch, LogPosition, NodeId, PartitionId};

use super::checkers::{Checkers, Histories, Verdict};
use super::clients::{ClientId, Consumer, Gateway};
use super::clock::{Instants, MS, Moment, SECOND};
use super::faults::Cure;
use super::front::{Link, LinkId};
use super::history::History;
use super::machine;
use super::process::Node;
use super::queue::{Event, Queue};
use super::quorums::Commits;
use super::region::Promoted;
use super::store::WatchedLog;
use super::swarm::Plan;
use super::trace::{OrNobody, Trace};
use super::users::Users;
use super::versions::OLD;

/// The cluster's first life.
const FIRST_LIFE: ClusterEpoch = ClusterEpoch::new(1);
/// An idle host looks after its mail this often, as production's thread does.
const LOOK_EVERY: Moment = 10 * MS;
/// Nothing takes longer than this to set up.
const SET_UP_BOUND: Moment = 30 * SECOND;

/// A run that broke a promise.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Which.
    pub what: String,
    /// When.
    pub at: Moment,
    /// How many faults had struck.
    pub faults: usize,
    /// The last steps, if they were kept.
    pub words: Vec<String>,
}

/// A run that kept every promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// A number that every step has a part in.
    pub trace: u64,
    /// Steps.
    pub steps: u64,
    /// Simulated time.
    pub simulated: Moment,
    /// Commands that were committed.
    pub committed: u64,
    /// Requests that were answered.
    pub answered: u64,
    /// Trades.
    pub trades: u64,
    /// Faults that struck.
    pub faults: usize,
    /// Terms that had a leader.
    pub terms: usize,
    /// Learners that were promoted.
    pub promotions: u64,
    /// Answers of gateways to users.
    pub told: u64,
    /// Times that a user was not told what became of an order.
    pub untold: u64,
}

/// See the module.
pub struct World {
    pub(super) plan: Plan,
    /// Which life of the cluster it is.
    pub(super) epoch: ClusterEpoch,
    /// Nodes of another life that clients know the addresses of, and whether they are alive.
    pub(super) strangers: BTreeMap<NodeId, bool>,
    /// The node that was promoted: it is of another life now.
    pub(super) retired: Option<NodeId>,
    pub(super) now: Moment,
    pub(super) queue: Queue,
    pub(super) random: Random,
    pub(super) cuts: Cuts,
    pub(super) weather: Weather,
    pub(super) instants: Instants,
    pub(super) nodes: Vec<Node>,
    pub(super) links: BTreeMap<LinkId, Link>,
    pub(super) links_made: u64,
    pub(super) gateways: Vec<Gateway>,
    pub(super) consumers: Vec<Consumer>,
    pub(super) users: Users,
    pub(super) histories: Histories,
    pub(super) checkers: Checkers,
    pub(super) trace: Trace,
    pub(super) broken: Verdict,
    pub(super) is_set_up: bool,
    pub(super) is_healed: bool,
    voted: Option<(NodeId, NodeId)>,
    pub(super) mail_is_lost_until: Moment,
    pub(super) answered: u64,
    pub(super) commits: BTreeMap<PartitionId, Commits>,
    /// When gateways were told something, and when faults struck.
    pub(super) told_at: Vec<Moment>,
    pub(super) struck_at: Vec<Moment>,
    faults: usize,
    promotions: u64,
}

/// Runs a plan. With `with_words` a failure tells its last steps. The seed decides what the plan leaves open.
pub fn run(seed: u64, plan: &Plan, with_words: bool) -> Result<Outcome, Failure> {
    run_world(seed, plan, with_words).map(|world| world.outcome())
}

/// The same, with the world as it is at the end.
pub(super) fn run_world(seed: u64, plan: &Plan, with_words: bool) -> Result<World, Failure> {
    let mut world = World::new(seed, plan.clone(), with_words);
    let lived = catch_unwind(AssertUnwindSafe(|| world.live()));
    let what = match lived {
        Ok(Ok(())) => return Ok(world),
        Ok(Err(what)) => what,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            format!("panicked: {}", text.unwrap_or_default())
        }
    };
    Err(Failure { what, at: world.now, faults: world.faults, words: world.trace.words() })
}

/// Where a gateway is on the network: beside the nodes.
pub(super) fn gateway_address(gateway: usize) -> NodeId {
    NodeId::new(1_000 + gateway as u64)
}

impl World {
    fn new(seed: u64, plan: Plan, with_words: bool) -> World {
        let mut world = World::begin(Random::new(seed), plan, FIRST_LIFE, 0, with_words);
        world.populate();
        world
    }

    /// A world in which nobody is yet.
    pub(super) fn begin(mut random: Random, plan: Plan, epoch: ClusterEpoch, now: Moment, with_words: bool) -> World {
        let partitions = machine::partitions(plan.layout);
        let histories = partitions
            .iter()
            .map(|partition| (*partition, History::new(machine::cells(*partition, epoch), plan.session_expiry_ns)))
            .collect();
        let mut nodes = Vec::new();
        for id in plan.everybody() {
            let drift_ppm = random.below(2 * plan.drift_ppm as u64 + 1) as i64 - plan.drift_ppm;
            nodes.push(Node::new(id, drift_ppm, &partitions, plan.is_in_memory));
        }
        World {
            epoch,
            strangers: BTreeMap::new(),
            retired: None,
            now,
            queue: Queue::default(),
            cuts: Cuts::default(),
            weather: Weather { jitter_ns: MS / 5, ..Weather::fair(MS / 10) },
            instants: Instants::begin(),
            nodes,
            links: BTreeMap::new(),
            links_made: 0,
            gateways: Vec::new(),
            consumers: Vec::new(),
            users: Users::new(Random::new(random.draw())),
            histories,
            checkers: Checkers::new(plan.layout),
            trace: Trace::new(with_words),
            broken: Ok(()),
            is_set_up: false,
            is_healed: false,
            voted: None,
            mail_is_lost_until: 0,
            answered: 0,
            commits: BTreeMap::new(),
            told_at: Vec::new(),
            struck_at: Vec::new(),
            faults: 0,
            promotions: 0,
            random,
            plan,
        }
    }

    /// Everybody starts.
    pub(super) fn populate(&mut self) {
        for node in self.plan.old_builds.clone() {
            self.node_mut(node).knows = OLD;
        }
        for node in self.plan.everybody() {
            self.start(node);
        }
        self.make_clients();
    }

    fn outcome(&self) -> Outcome {
        let records = || self.histories.values().flat_map(|history| history.records());
        let trades = records().flat_map(|record| &record.events).filter(|e| matches!(e, wire::Event::Traded(_)));
        Outcome {
            trace: self.trace.hash(),
            steps: self.trace.steps(),
            simulated: self.now,
            committed: records().count() as u64,
            answered: self.answered,
            trades: trades.count() as u64,
            faults: self.faults,
            terms: self.checkers.leadership.terms(),
            promotions: self.promotions,
            told: self.users.told.0,
            untold: self.users.told.1,
        }
    }

    /// From the first start to rest.
    fn live(&mut self) -> Verdict {
        if let Some(founding) = self.plan.founding.clone() {
            self.weather = founding.weather;
            for (at, down_ns) in founding.losses {
                self.queue.plan(at, Event::FounderLosesDisk { down_ns });
            }
        }
        let set_up_by = self.now + SET_UP_BOUND;
        while !self.is_set_up {
            self.step()?;
            if self.now > set_up_by {
                return Err("a cluster is not set up in time, in which at most one disk is lost".to_owned());
            }
        }
        self.weather = self.plan.weather.clone();
        let begin = self.now;
        for (number, (at, _)) in self.plan.faults.iter().enumerate() {
            self.queue.plan(begin + at, Event::Fault { number });
        }
        while self.now < begin + self.plan.trade_ns {
            self.step()?;
        }
        let promoted = self.promote()?;
        self.trace.say(self.now, || "everything is healed".to_owned());
        self.heal();
        self.weather = Weather { jitter_ns: MS / 5, ..Weather::fair(MS / 10) };
        self.checkers.progress.healed(self.now);
        // It trades on for a moment: a healed world is alive, not only quiet.
        let until = self.now + SECOND;
        while self.now < until {
            self.step()?;
        }
        self.gateways.iter_mut().for_each(Gateway::retire);
        self.users.retire();
        while let Some(why) = self.unrest() {
            self.checkers.progress.on_unrest(self.now, || why)?;
            let until = self.now + 20 * MS;
            while self.queue.next_at().is_some_and(|at| at < until) {
                self.step()?;
            }
            self.now = until;
        }
        self.at_rest()?;
        match promoted {
            Some(promoted) => self.live_on(&promoted),
            None => Ok(()),
        }
    }

    /// The life that the promoted node begins, with the checkers that have seen what it begins with.
    fn live_on(&mut self, promoted: &Promoted) -> Verdict {
        let mut world = self.reborn(promoted)?;
        let lived = world.live();
        self.now = world.now;
        self.answered += world.answered;
        self.promotions += 1;
        self.users.told.0 += world.users.told.0;
        self.users.told.1 += world.users.told.1;
        self.trace.go_on_with(world.trace);
        lived.map_err(|why| format!("in the life after the promotion: {why}"))
    }

    fn step(&mut self) -> Verdict {
        let Some((at, event)) = self.queue.pop() else { return Err("nothing ever happens again".to_owned()) };
        self.now = self.now.max(at);
        self.trace.mix(self.now);
        match event {
            Event::Run { node, partition } => self.run_host(node, partition),
            Event::Arrive { from, to, partition, input } => self.arrive(from, to, partition, input),
            Event::Synced { node, life, writes } => self.synced(node, life, &writes),
            Event::Start { node } => self.start(node),
            Event::Resume { node } => self.resume(node),
            Event::Filled { node, partition } => {
                let archive = self.node(node).slots[&partition].archive.clone();
                self.fill_gaps(partition, &archive, LogPosition::ZERO);
            }
            Event::Connect { link } => self.connect_link(link),
            Event::Deliver { link, to_node } => self.deliver_link(link, to_node),
            Event::Closed { link } => self.close_at_client(link),
            Event::Wake { client } => self.wake_client(client),
            Event::Act { gateway } => self.act(gateway),
            Event::FounderLosesDisk { down_ns } => {
                let node = self.plan.founding.as_ref().map(|founding| founding.node);
                if let Some(node) = node.filter(|_| !self.is_set_up) {
                    self.lose_disk(node, down_ns, false);
                }
            }
            Event::Fault { number } => {
                let (_, fault) = self.plan.faults[number];
                if !self.is_healed {
                    self.faults += 1;
                    self.struck_at.push(self.now);
                    self.trace.mix(number as u64);
                    self.trace.say(self.now, || format!("FAULT {fault}"));
                    self.strike(fault);
                }
            }
            Event::Cure(cure) => self.cure(cure),
        }
        std::mem::replace(&mut self.broken, Ok(()))
    }

    /// Notes the first broken promise of a step.
    pub(super) fn check(&mut self, verdict: Verdict) {
        if self.broken.is_ok() {
            self.broken = verdict;
        }
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[self.plan.place_of(id)]
    }

    pub(super) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        let place = self.plan.place_of(id);
        &mut self.nodes[place]
    }

    /// Everybody who has a place on the network.
    pub(super) fn addresses(&self) -> Vec<NodeId> {
        let gateways = (0..self.plan.gateways).map(gateway_address);
        self.plan.everybody().into_iter().chain(gateways).collect()
    }

    /// Who leads a partition, as the node of the greatest term believes.
    pub(super) fn leader(&self, partition: PartitionId) -> Option<NodeId> {
        let settled = self.nodes.iter().filter_map(|node| {
            let host = node.slots[&partition].host.as_ref().filter(|host| host.replica().leads())?;
            let status = host.status();
            status.settled.then_some((status.term, node.id))
        });
        settled.max().map(|(_, node)| node)
    }

    /// Does something to a host that runs.
    pub(super) fn with_host(
        &mut self,
        node: NodeId,
        partition: PartitionId,
        work: impl FnOnce(&mut PartitionHost<WatchedLog>),
    ) {
        let slot = self.node_mut(node).slots.get_mut(&partition).expect("every node has every partition");
        if let Some(host) = &mut slot.host {
            work(host);
            self.run_soon(node, partition);
        }
    }

    pub(super) fn run_soon(&mut self, node: NodeId, partition: PartitionId) {
        let at = self.now + 5_000 + self.random.below(40_000);
        self.run_at(node, partition, at);
    }

    fn run_at(&mut self, node: NodeId, partition: PartitionId, at: Moment) {
        let slot = self.node_mut(node).slots.get_mut(&partition).expect("every node has every partition");
        if slot.run_at.is_none_or(|planned| at < planned) {
            slot.run_at = Some(at);
            self.queue.plan(at, Event::Run { node, partition });
        }
    }

    /// Something for a host, now.
    pub(super) fn input(&mut self, node: NodeId, partition: PartitionId, input: HostInput) {
        let held = self.node(node).is_paused;
        let Some(slot) = self.node_mut(node).slots.get_mut(&partition) else { return };
        let Some(host) = &mut slot.host else { return };
        if held {
            slot.waiting.push(input);
            return;
        }
        host.on_input(input);
        self.run_soon(node, partition);
    }

    /// Sends something from one node to another, over the network.
    pub(super) fn post(&mut self, from: NodeId, to: NodeId, partition: PartitionId, make: impl Fn() -> HostInput) {
        let fates: Vec<u64> = self.weather.fates(&mut self.random).collect();
        for delay in fates {
            let (at, input) = (self.now + delay, make());
            self.queue.plan(at, Event::Arrive { from, to, partition, input });
        }
    }

    fn arrive(&mut self, from: NodeId, to: NodeId, partition: PartitionId, input: HostInput) {
        if self.cuts.is_cut(from, to) || !self.node(to).is_up {
            return;
        }
        // What comes from a node comes by a link to it, which every partition has been told of.
        if self.node_mut(to).met.insert(from) {
            for partition in machine::partitions(self.plan.layout) {
                self.input(to, partition, HostInput::Met(from));
            }
        }
        self.input(to, partition, input);
    }

    fn run_host(&mut self, id: NodeId, partition: PartitionId) {
        let now = self.now;
        let place = self.plan.place_of(id);
        let node = &mut self.nodes[place];
        let slot = node.slots.get_mut(&partition).expect("every node has every partition");
        if slot.run_at != Some(now) {
            return;
        }
        slot.run_at = None;
        let Some(host) = &mut slot.host else { return };
        if node.is_paused {
            return;
        }
        let local = node.clock.at(now);
        let mut outputs = Vec::new();
        let work = host.duty_cycle(local);
        while let Some(output) = host.poll_output() {
            outputs.push(output);
        }
        let (members, leads, (committed, applied)) =
            (host.replica().members(), host.replica().leads(), host.replica().reached());
        // One that has led until this step may answer in it.
        if leads || slot.has_led {
            let before = slot.members.as_ref().map_or(members, |(members, _)| members);
            self.commits.entry(partition).or_default().on_commit(committed, [before, members]);
        }
        // They change where entries are applied.
        if slot.members.as_ref().is_none_or(|(_, as_of)| *as_of != applied) {
            match &mut slot.members {
                Some((before, as_of)) if before == members => *as_of = applied,
                before => *before = Some((members.clone(), applied)),
            }
        }
        slot.has_led = leads;
        let due = node.clock.moment_of(host.next_timeout(), now).clamp(now + MS / 4, now + LOOK_EVERY);
        let next = if work > 0 { now + 20_000 } else { due };
        self.observe(id, partition);
        if let Some((node, candidate)) = self.voted.take()
            && now < self.node(node).dies_of_votes_until
        {
            // Once the vote is on the disk, and told.
            let at = now + self.plan.disk.sync_ns + self.plan.disk.jitter_ns + self.random.below(2 * MS);
            self.queue.plan(at, Event::Cure(Cure::Voted { node, candidate }));
        }
        for output in outputs {
            self.on_output(id, partition, output);
        }
        self.run_at(id, partition, next);
        self.begin_sync(id);
    }

    /// Looks at what a replica has applied and saved.
    pub(super) fn observe(&mut self, id: NodeId, partition: PartitionId) {
        let place = self.plan.place_of(id);
        let World { nodes, histories, checkers, .. } = self;
        let slot = nodes[place].slots.get_mut(&partition).expect("every node has every partition");
        let history = histories.get_mut(&partition).expect("every partition has a history");
        let Some(host) = &slot.host else { return };
        let mut book = slot.book.open();
        let (_, applied) = host.replica().reached();
        let has_more = slot.applied < applied;
        let mut verdict = Ok(());
        while slot.applied < applied && verdict.is_ok() {
            slot.applied += 1;
            let index = slot.applied;
            let mut look = |record: &_, cells: &_| checkers.on_commit(partition, record, cells);
            verdict = match book.entry(index) {
                Some((term, data)) => history.applied(index, term, data, &mut look),
                // It came in a snapshot.
                None if index <= history.last_index() => Ok(()),
                None => Err(format!("node {id} has entry {index} of partition {partition}, which nobody committed")),
            };
            verdict = verdict.map_err(|error| format!("node {id}: {error}"));
        }
        for (index, hash) in book.take_snapshots() {
            verdict = verdict.and_then(|()| history.saved(index, hash));
        }
        let votes = book.take_votes();
        drop(book);
        if let Some(vote) = votes.last().filter(|vote| **vote != id.get()) {
            self.voted = Some((id, NodeId::new(*vote)));
        }
        let World { nodes, histories, checkers, .. } = self;
        let (history, slot) = (&histories[&partition], &nodes[place].slots[&partition]);
        let host = slot.host.as_ref().expect("it runs");
        let knows = nodes[place].knows;
        let verdict = verdict.and_then(|()| checkers.versions.on_applied(id, knows, host));
        let verdict = match has_more {
            true => verdict.and_then(|()| checkers.digests.on_applied(id, host, history)),
            false => verdict,
        };
        self.check(verdict);
    }

    fn on_output(&mut self, id: NodeId, partition: PartitionId, output: HostOutput) {
        match output {
            HostOutput::Raft { to, payload } => {
                self.trace.mix_bytes(&payload);
                self.post(id, to, partition, || HostInput::Raft { from: id, payload: payload.clone() });
            }
            HostOutput::Mail(mail) => {
                self.trace.mix_bytes(&mail.payload);
                if mail.node == id {
                    self.input(id, mail.partition, HostInput::Mail(mail.payload));
                } else if self.now >= self.mail_is_lost_until {
                    self.post(id, mail.node, mail.partition, || HostInput::Mail(mail.payload.clone()));
                }
            }
            HostOutput::LeaderChanged { leader, term } => {
                if let Some(leader) = leader {
                    let verdict = self.checkers.leadership.on_leader(id, partition, leader, term);
                    self.check(verdict);
                    if leader == id {
                        self.trace.say(self.now, || format!("node {id} leads partition {partition} in term {term}"));
                    }
                }
                self.trace.mix(leader.map_or(0, NodeId::get) << 32 | term.get());
                self.leader_changed(id, partition, leader, term);
            }
            HostOutput::Reply(reply, payload) => self.answer(id, reply, &payload),
            HostOutput::Events(block) => {
                let history = &self.histories[&partition];
                let mut verdict = self.checkers.streams.on_published(id, history, &block);
                for batch in block.batches() {
                    verdict =
                        verdict.and_then(|()| self.checkers.once.on_published(partition, batch.origin, batch.position));
                }
                self.check(verdict);
                self.feed_streams(id, partition);
            }
            HostOutput::Failed(error) => {
                self.trace.say(self.now, || format!("node {id} ends: {error}"));
                if error.contains("version::unknown") {
                    return self.start_newer_build(id, partition);
                }
                self.kill(id, true, true);
                let later = self.random.below(SECOND);
                self.queue.plan(self.now + later, Event::Start { node: id });
            }
            other => self.on_client_output(id, partition, other),
        }
    }

    /// How many of these voters would still have an entry if everybody lost power now. Whose disk was lost since it became
    /// one promises nothing any more.
    pub(super) fn keepers(&self, partition: PartitionId, position: LogPosition, voters: &BTreeSet<u64>) -> usize {
        let Some(record) = self.histories[&partition].record(position) else { return 0 };
        let keeps = |voter: &&u64| {
            let node = node_of(**voter);
            let disk = &self.node(node).slots[&partition].disk;
            disk.member(node) != Some(**voter) || disk.keeps(record.index, record.term)
        };
        voters.iter().filter(keeps).count()
    }

    /// The members of a partition, as its leader knows them.
    pub(super) fn members(&self, partition: PartitionId) -> Members {
        let leader = self.leader(partition).and_then(|leader| self.node(leader).slots[&partition].host.as_ref());
        leader.map_or_else(Members::default, |host| host.replica().members().clone())
    }

    pub(super) fn say_leader(&mut self, who: ClientId, partition: PartitionId, leader: Option<NodeId>) {
        self.trace.say(self.now, || format!("{who} believes that {} leads {partition}", OrNobody(leader)));
    }
}
