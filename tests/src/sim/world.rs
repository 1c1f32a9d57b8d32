//! The world: everything that exists, and its one loop.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use replicator::sim::{Cuts, Random, Weather};
use replicator::{Members, node_of};
use wire::{ClusterEpoch, LogPosition, NodeId, PartitionId};

use super::checkers::{Checkers, Histories, Verdict};
use super::clients::{ClientId, Gateway};
use super::clock::{Instants, MS, Moment, SECOND};
use super::consumers::Consumer;
use super::front::{Link, LinkId};
use super::gaps::Ways;
use super::history::History;
use super::machine;
use super::process::Node;
use super::queue::{Event, Queue};
use super::quorums::Commits;
use super::region::Promoted;
use super::rest::Quiet;
use super::swarm::Plan;
use super::trace::{OrNobody, Trace};
use super::users::Users;
use super::variety::Variety;
use super::versions::OLD;

/// The cluster's first life.
const FIRST_LIFE: ClusterEpoch = ClusterEpoch::new(1);
/// Nothing takes longer than this to set up.
const SET_UP_BOUND: Moment = 30 * SECOND;
/// When traders stop, mail is lost for less than this.
const LAST_MAIL_LOST_MAX: Moment = 60 * MS;

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
    /// Orders that users were told to rest before the ledger knew.
    pub early: u64,
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
    pub(super) ways: Ways,
    pub(super) weather: Weather,
    pub(super) instants: Instants,
    pub(super) nodes: Vec<Node>,
    pub(super) links: BTreeMap<LinkId, Link>,
    pub(super) links_made: u64,
    pub(super) gateways: Vec<Gateway>,
    pub(super) consumers: Vec<Consumer>,
    pub(super) users: Users,
    pub(super) variety: Option<Variety>,
    pub(super) histories: Histories,
    pub(super) checkers: Checkers,
    pub(super) trace: Trace,
    pub(super) broken: Verdict,
    pub(super) is_set_up: bool,
    pub(super) is_healed: bool,
    pub(super) voted: Option<(NodeId, NodeId)>,
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
            .map(|partition| {
                let cells = machine::cells(*partition, epoch, plan.name_retention_ns);
                (*partition, History::new(cells, plan.session_expiry_ns))
            })
            .collect();
        let mut nodes = Vec::new();
        for id in plan.everybody() {
            let drift_ppm = random.below(2 * plan.drift_ppm as u64 + 1) as i64 - plan.drift_ppm;
            nodes.push(Node::new(id, drift_ppm, &partitions, &plan));
        }
        World {
            epoch,
            strangers: BTreeMap::new(),
            retired: None,
            now,
            queue: Queue::default(),
            cuts: Cuts::default(),
            ways: Ways::default(),
            weather: Weather { jitter_ns: MS / 5, ..Weather::fair(MS / 10) },
            instants: Instants::begin(),
            nodes,
            links: BTreeMap::new(),
            links_made: 0,
            gateways: Vec::new(),
            consumers: Vec::new(),
            users: Users::new(Random::new(random.draw())),
            variety: plan.has_variety.then(|| Variety::new(plan.snapshot_every ^ plan.skew_ns, 0)),
            histories,
            checkers: Checkers::new(&plan),
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
            early: self.checkers.orders.outcomes_told().1,
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
        // It trades on for a moment: a healed world is alive, not only quiet, and tells its users everything when it is whole.
        let until = self.now + 3 * SECOND / 2;
        while self.now < until {
            self.step()?;
        }
        self.gateways.iter_mut().for_each(Gateway::retire);
        self.users.retire();
        // Nothing follows the last mail that would bring it, or what acknowledges it.
        self.mail_is_lost_until = self.now + self.random.below(LAST_MAIL_LOST_MAX);
        let quiet = Quiet::begin(self);
        while let Some(why) = self.unrest(&quiet) {
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
            Event::LeaderSaid { from, to, partition } => self.leader_said(from, to, partition),
            Event::Start { node } => self.start(node),
            Event::Resume { node } => self.resume(node),
            Event::Said { from, to, partition, number, word } => self.hear_word(from, to, partition, number, word),
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

    /// How far a partition's log is committed, as anybody has applied it: whoever asks now sees that, and comes after it.
    pub(super) fn committed(&self, partition: PartitionId) -> LogPosition {
        self.histories[&partition].last_position()
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

    /// How many of these voters would still have an entry if everybody lost power now. Whose disk was lost since it became
    /// one promises nothing any more.
    pub(super) fn keepers(&self, partition: PartitionId, position: LogPosition, voters: &BTreeSet<u64>) -> usize {
        let Some(record) = self.histories[&partition].record(position) else { return 0 };
        self.keepers_of(partition, (record.index, record.term), voters)
    }

    /// As [`World::keepers`], of the entry of this index and term.
    pub(super) fn keepers_of(
        &self,
        partition: PartitionId,
        (index, term): (u64, u64),
        voters: &BTreeSet<u64>,
    ) -> usize {
        let keeps = |voter: &&u64| {
            let node = node_of(**voter);
            let disk = &self.node(node).slots[&partition].disk;
            disk.member(node) != Some(**voter) || disk.keeps(index, term)
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
