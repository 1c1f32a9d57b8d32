//! What a seed decides: the cluster, its network and disks, who trades, and which faults strike when. Each seed draws
//! only some of the kinds of faults, so that one kind does not always hide another.

use replicator::sim::{Random, Weather};
use wire::{NAME_RETENTION_NS, NodeId};

use super::clock::{MS, Moment, SECOND};
use super::faults::Fault;
use super::gaps::Words;
use super::region::{self, Region};
use super::versions;

/// Which cells share a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Ledger and markets in one.
    Joint,
    /// The ledger apart from each market.
    Split,
}

/// How a node's disk behaves.
#[derive(Debug, Clone)]
pub struct DiskTemper {
    /// An fsync takes at least this long,
    pub sync_ns: u64,
    /// and up to this much longer.
    pub jitter_ns: u64,
    /// A snapshot is written beside the log, in so many steps more than one; 0 of one that the log's writes wait for.
    pub snapshot_steps: u64,
}

/// A run, before it begins.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which cells share a partition.
    pub layout: Layout,
    /// The first node.
    pub first: NodeId,
    /// Nodes, one after the other.
    pub nodes: u64,
    /// So many of them found the cluster; the others may be taken in later.
    pub founders: u64,
    /// Gateways.
    pub gateways: usize,
    /// Requests that a gateway has outstanding at most.
    pub window: usize,
    /// A gateway goes on its way about this often.
    pub think_ns: u64,
    /// Between nodes.
    pub weather: Weather,
    /// Between gateways and nodes, where nothing is lost that is not cut off.
    pub link_delay: Weather,
    /// Between nodes, of events that an archive lacks.
    pub words: Words,
    /// Every node's disk.
    pub disk: DiskTemper,
    /// Clocks run up to this much too fast or too slow.
    pub drift_ppm: i64,
    /// And are set up to this much wrong.
    pub skew_ns: u64,
    /// A session without a request for this long expires.
    pub session_expiry_ns: u64,
    /// A session keeps so many replies that its client has not said to have.
    pub replies_max: usize,
    /// So many orders each of the accounts that trade may place in a window of so many milliseconds; without a limit 0.
    pub order_rate: (u32, u32),
    /// How long the ledger remembers the names of closed orders.
    pub name_retention_ns: u64,
    /// The entries of one message between replicas have at most so many bytes, or there is one; chunks of snapshots half as many.
    pub message_bytes_max: usize,
    /// A snapshot is taken after so many entries.
    pub snapshot_every: u64,
    /// Whether a second copy of the cells takes it.
    pub has_twin: bool,
    /// Entries kept behind it.
    pub log_tail: u64,
    /// Whether what is acknowledged is in the memory of a quorum, and not on its disks.
    pub is_in_memory: bool,
    /// A leader that is not preferred hands over after this.
    pub leader_stable_ns: u64,
    /// What strikes when, from the beginning of trade.
    pub faults: Vec<(Moment, Fault)>,
    /// Another region, if there is one.
    pub region: Option<Region>,
    /// Nodes that begin with the old build.
    pub old_builds: Vec<NodeId>,
    /// How users trade who have no code of ours.
    pub order_entry: OrderEntry,
    /// Whether half of what traders do is of any kind there is.
    pub has_variety: bool,
    /// How long there is trade under faults.
    pub trade_ns: u64,
    /// While the cluster is founded one node loses its disk, once or more often.
    pub founding: Option<Founding>,
}

/// Of a hundred things that a user who looks often does, so many are looks.
const LOOKS_MANY: u64 = 60;

/// Gateways' order entry.
#[derive(Debug, Clone)]
pub struct OrderEntry {
    /// So many gateways have it, from the first on.
    pub offices: usize,
    /// Of a hundred things that users do at a gateway that has it, so many go through it.
    pub percent: u64,
    /// Of a hundred things that a user does, so many are looks at open orders and balances, beside the few that are so anyway.
    pub looks: u64,
    /// How long a user waits for the outcome of an order.
    pub order_timeout_ns: u64,
    /// Who takes items in stands still now and then, longer than a read may wait.
    pub stalls: bool,
}

impl OrderEntry {
    /// Nobody trades so.
    pub const NONE: OrderEntry =
        OrderEntry { offices: 0, percent: 0, looks: 0, order_timeout_ns: SECOND, stalls: false };

    /// Most trade goes through gateways, and who trades there looks more often than anything else.
    #[cfg(feature = "planted")]
    pub(super) fn look_often(&mut self) {
        (self.percent, self.looks) = (90, LOOKS_MANY);
    }

    /// Most trade goes through gateways.
    #[cfg(feature = "planted")]
    pub(super) fn trade_much(&mut self) {
        (self.percent, self.looks) = (90, 0);
    }

    /// Most trade goes through gateways that stand still now and then.
    #[cfg(feature = "planted")]
    pub(super) fn stand_still(&mut self) {
        (self.percent, self.looks, self.stalls) = (90, 0, true);
    }

    fn draw(random: &mut Random, gateways: usize) -> OrderEntry {
        OrderEntry {
            offices: 1 + random.below(gateways as u64) as usize,
            percent: [10, 40, 90][random.below(3) as usize],
            order_timeout_ns: [250 * MS, SECOND, 4 * SECOND][random.below(3) as usize],
            looks: [0, 0, 0, LOOKS_MANY][random.below(4) as usize],
            // Users whose doubts come faster than they can ask would wait beyond the end of a run.
            stalls: false,
        }
    }
}

/// Trouble before there is a cluster. One node has it: who else has promised something keeps it.
#[derive(Debug, Clone)]
pub struct Founding {
    /// Whose disk it is.
    pub node: NodeId,
    /// When it is lost, from the first start, and how long its node is away then.
    pub losses: Vec<(Moment, u64)>,
    /// Nodes hear each other through this meanwhile.
    pub weather: Weather,
}

impl Plan {
    /// Of a seed.
    pub fn draw(seed: u64, trade_ns: u64) -> Plan {
        let mut plan = Plan::plain(seed, trade_ns);
        versions::draw(seed, &mut plan);
        region::draw(seed, &mut plan);
        plan
    }

    /// The same by one build and in one region.
    pub fn plain(seed: u64, trade_ns: u64) -> Plan {
        let mut random = Random::new(seed.wrapping_mul(0xD134_2543_DE82_EF95) ^ 0x5EED);
        let random = &mut random;
        let layout = if random.below(2) == 0 { Layout::Joint } else { Layout::Split };
        let (nodes, founders) = [(5, 5), (5, 3), (3, 3), (3, 3), (3, 3), (3, 3)][random.below(6) as usize];
        let is_calm = random.below(5) == 0;
        let weather = if is_calm { Weather { jitter_ns: MS / 5, ..Weather::fair(MS / 10) } } else { weather(random) };
        let mut plan = Plan {
            layout,
            first: NodeId::new(1),
            nodes,
            founders,
            gateways: 2 + random.below(2) as usize,
            window: 1 + random.below(12) as usize,
            think_ns: MS * (15 + random.below(60)),
            weather,
            link_delay: Weather { jitter_ns: random.below(3 * MS), ..Weather::fair(MS / 10) },
            words: words(&mut Random::new(seed ^ 0x574F_5244)),
            disk: DiskTemper {
                sync_ns: 50_000 + random.below(MS),
                jitter_ns: random.below(4 * MS) + 1,
                snapshot_steps: snapshot_steps(&mut Random::new(seed ^ 0x5354_4550)),
            },
            drift_ppm: random.below(1_000) as i64,
            skew_ns: random.below(2 * SECOND),
            session_expiry_ns: [2 * SECOND, 10 * SECOND, 600 * SECOND][random.below(3) as usize],
            snapshot_every: 30 + random.below(400),
            has_twin: random.below(2) == 0,
            log_tail: 5 + random.below(60),
            leader_stable_ns: SECOND + random.below(5 * SECOND),
            is_in_memory: Random::new(seed ^ 0x4D45_4D4F).below(4) == 0,
            faults: Vec::new(),
            old_builds: Vec::new(),
            order_entry: OrderEntry::NONE,
            region: None,
            replies_max: [3, 1_024, 1_024][Random::new(seed ^ 0x5245_504C).below(3) as usize],
            order_rate: [(0, 0), (0, 0), (0, 0), (2, 250), (8, 1_000)]
                [Random::new(seed ^ 0x5241_5445).below(5) as usize],
            name_retention_ns: NAME_RETENTION_NS,
            message_bytes_max: [32 * 1024, 512 * 1024, 512 * 1024][Random::new(seed ^ 0x4D53_4753).below(3) as usize],
            // Where the model compares every event.
            has_variety: layout == Layout::Joint && Random::new(seed ^ 0x5641_5249).below(2) == 0,
            trade_ns,
            founding: None,
        };
        plan.order_entry = OrderEntry::draw(&mut Random::new(seed ^ 0x4F46_4649), plan.gateways);
        if plan.has_variety {
            // What users make of their answers knows the plain orders alone.
            plan.order_entry.percent = 0;
            // They would ask after orders whose names are forgotten.
            let draw = Random::new(seed ^ 0x4E41_4D45).below(4) as usize;
            plan.name_retention_ns = [NAME_RETENTION_NS, 300 * MS, SECOND, 3 * SECOND][draw];
        }
        plan.faults = faults(random, &plan);
        plan.faults.extend(mail_losses(&mut Random::new(seed ^ 0x4D41_494C), &plan));
        plan.faults.sort_by_key(|(at, _)| *at);
        plan.founding = founding(random, &plan);
        plan
    }

    /// Nobody trades otherwise than gateways' users do, and no name is forgotten.
    #[cfg(feature = "planted")]
    pub(super) fn trade_plainly(&mut self) {
        (self.has_variety, self.name_retention_ns) = (false, NAME_RETENTION_NS);
    }

    /// Whether the ledger forgets names while there is trade.
    pub fn forgets_names(&self) -> bool {
        self.name_retention_ns < NAME_RETENTION_NS
    }

    /// Every node that may vote.
    pub fn node_ids(&self) -> Vec<NodeId> {
        (0..self.nodes).map(|place| NodeId::new(self.first.get() + place)).collect()
    }

    /// Those, and the learner of the other region.
    pub fn everybody(&self) -> Vec<NodeId> {
        self.node_ids().into_iter().chain(self.region.map(|region| region.node)).collect()
    }

    /// Where a node is among everybody.
    pub fn place_of(&self, node: NodeId) -> usize {
        (node.get() - self.first.get()) as usize
    }

    /// Those who are there from the beginning.
    pub fn founders(&self) -> Vec<NodeId> {
        (0..self.founders).map(|place| NodeId::new(self.first.get() + place)).collect()
    }

    /// A fsync's time.
    pub fn sync_ns(&self, random: &mut Random) -> u64 {
        self.disk.sync_ns + random.below(self.disk.jitter_ns)
    }
}

/// A past comes within a moment, or while its node waits to vote.
fn words(random: &mut Random) -> Words {
    let slow = Words { way_ns: 20 * MS, positions_max: 50 };
    [Words { way_ns: MS / 5, positions_max: 100 }, slow][random.below(2) as usize]
}

/// A snapshot takes as long as a sync, or a little longer, or so long that much happens meanwhile.
fn snapshot_steps(random: &mut Random) -> u64 {
    [0, 1 + random.below(8), 1 + random.below(100)][random.below(3) as usize]
}

fn weather(random: &mut Random) -> Weather {
    Weather {
        loss_per_mille: random.below(40),
        duplication_per_mille: random.below(40),
        delay_ns: MS / 10,
        jitter_ns: 1 + random.below(8 * MS),
        straggler_per_mille: random.below(6),
        straggler_ns: SECOND * (1 + random.below(3)),
    }
}

/// Makes one fault of a kind.
type Draw = fn(&mut Random, &Plan) -> Fault;

const KINDS: [Draw; 26] = [
    |random, plan| Fault::Kill { node: node(random, plan), down_ns: down(random), is_noticed: random.below(4) > 0 },
    |random, _| Fault::LeaderDies { down_ns: down(random) },
    |random, plan| Fault::PowerLoss { node: node(random, plan), down_ns: down(random) },
    |random, _| Fault::KillAll { down_ns: down(random) },
    |random, plan| Fault::Isolate { node: node(random, plan), for_ns: a_while(random) },
    |random, plan| {
        let (from, to) = pair(random, plan);
        Fault::OneWay { from, to, for_ns: a_while(random) }
    },
    |random, plan| {
        let (a, b) = pair(random, plan);
        Fault::Apart { a, b, for_ns: a_while(random) }
    },
    |random, plan| Fault::Deaf { node: node(random, plan), for_ns: a_while(random) },
    |random, plan| {
        let (a, b) = pair(random, plan);
        Fault::Flap { a, b, times: 4 + random.below(12) as u32, every_ns: 30 * MS + random.below(200 * MS) }
    },
    |random, plan| Fault::CutOff {
        gateway: random.below(plan.gateways as u64) as usize,
        node: node(random, plan),
        for_ns: a_while(random),
    },
    |random, plan| Fault::Pause { node: node(random, plan), for_ns: 30 * MS + random.below(3 * SECOND) },
    |random, plan| Fault::ClockJump { node: node(random, plan), by_ns: random.below(8 * SECOND) },
    |random, plan| Fault::SlowDisk {
        node: node(random, plan),
        sync_ns: 20 * MS + random.below(700 * MS),
        for_ns: a_while(random),
    },
    |random, plan| Fault::BadSync { node: node(random, plan) },
    |random, plan| Fault::DiskFull {
        node: node(random, plan),
        low_ns: random.below(SECOND),
        full_ns: a_while(random),
        is_shared: random.below(4) == 0,
    },
    |random, plan| Fault::DiskLost { node: node(random, plan), down_ns: down(random), is_noticed: random.below(2) > 0 },
    |random, plan| Fault::BitRot { node: node(random, plan), down_ns: down(random) },
    |random, plan| Fault::Join { node: node(random, plan) },
    |random, plan| Fault::Leave { node: node(random, plan) },
    |random, plan| Fault::Transfer { nth: random.below(8), to: node(random, plan) },
    |random, plan| Fault::GatewayDies { gateway: random.below(plan.gateways as u64) as usize },
    voter_dies,
    |random, plan| Fault::StaleLeader {
        gateway: random.below(plan.gateways as u64) as usize,
        paused_ns: 250 * MS + random.below(200 * MS),
        for_ns: SECOND,
    },
    gateway_away,
    |random, plan| Fault::CatchUpCutShort {
        node: node(random, plan),
        away_ns: SECOND + random.below(2 * SECOND),
        after_ns: random.below(40 * MS),
        is_leader: random.below(2) == 0,
    },
    |random, plan| Fault::NoRoomToCatchUp {
        node: node(random, plan),
        away_ns: SECOND + random.below(2 * SECOND),
        for_ns: 200 * MS + random.below(SECOND),
    },
];

fn voter_dies(random: &mut Random, plan: &Plan) -> Fault {
    Fault::VoterDies { node: node(random, plan), for_ns: SECOND + random.below(3 * SECOND) }
}

fn gateway_away(random: &mut Random, plan: &Plan) -> Fault {
    Fault::GatewayAway {
        gateway: random.below(plan.gateways as u64) as usize,
        deaf_ns: 20 * MS + random.below(300 * MS),
        for_ns: 2 * SECOND + random.below(2 * SECOND),
    }
}

/// Gateways hear nobody, one after the other, beside whatever else strikes, and come back when their sessions have expired.
#[cfg(feature = "planted")]
pub(super) fn draw_gateways_away(seed: u64, plan: &mut Plan) {
    let mut random = Random::new(seed ^ 0x4157_4159);
    plan.session_expiry_ns = 2 * SECOND;
    let mut at = SECOND;
    while at < plan.trade_ns {
        plan.faults.push((at, gateway_away(&mut random, plan)));
        at += 2 * SECOND + random.below(2 * SECOND);
    }
    plan.faults.sort_by_key(|(at, _)| *at);
}

/// Nodes die as they vote, every few seconds, beside whatever else strikes.
#[cfg(feature = "planted")]
pub(super) fn draw_voter_deaths(seed: u64, plan: &mut Plan) {
    let mut random = Random::new(seed ^ 0x564F_5445);
    let mut at = SECOND;
    while at < plan.trade_ns {
        plan.faults.push((at, voter_dies(&mut random, plan)));
        at += 4 * SECOND + random.below(2 * SECOND);
    }
    plan.faults.sort_by_key(|(at, _)| *at);
}

fn node(random: &mut Random, plan: &Plan) -> NodeId {
    NodeId::new(1 + random.below(plan.nodes))
}

fn pair(random: &mut Random, plan: &Plan) -> (NodeId, NodeId) {
    let a = 1 + random.below(plan.nodes);
    let b = 1 + (a + random.below(plan.nodes - 1)) % plan.nodes;
    (NodeId::new(a), NodeId::new(b))
}

fn down(random: &mut Random) -> u64 {
    20 * MS + random.below(2 * SECOND)
}

fn a_while(random: &mut Random) -> u64 {
    100 * MS + random.below(3 * SECOND)
}

/// In every fifth run. A cluster is founded within a few hundred milliseconds, so that is when it strikes.
fn founding(random: &mut Random, plan: &Plan) -> Option<Founding> {
    if random.below(5) > 0 {
        return None;
    }
    let node = NodeId::new(1 + random.below(plan.founders));
    let mut at = 0;
    let losses = (0..=random.below(4)).map(|_| {
        at += random.below(250 * MS);
        (at, random.below(300 * MS))
    });
    Some(Founding { node, losses: losses.collect(), weather: weather(random) })
}

/// In every second seed whose cells send mail to others, and at the end of each: leaders die with mail that nobody has got.
/// And then, once more, mail is lost.
fn mail_losses(random: &mut Random, plan: &Plan) -> Vec<(Moment, Fault)> {
    let mut losses = Vec::new();
    if plan.layout == Layout::Joint {
        return losses;
    }
    let is_often = random.below(2) == 0;
    let mut at = random.below(4 * SECOND);
    while is_often && at < plan.trade_ns {
        losses.push((at, Fault::MailLost { nth: random.below(3), for_ns: 20 * MS + random.below(200 * MS) }));
        at += SECOND + random.below(6 * SECOND);
    }
    // And at the end: what a later change of leaders would send again is not sent then.
    // The ledger's first, whose mail most waits for, and then a market's.
    for (nth, before) in [(0, 700 * MS), (1 + random.below(2), 100 * MS)] {
        let for_ns = 20 * MS + random.below(200 * MS);
        if let Some(at) = plan.trade_ns.checked_sub(for_ns + before) {
            losses.push((at, Fault::MailLost { nth, for_ns }));
        }
    }
    // Last, and nobody dies any more: nothing but its sender brings it, and what acknowledges it, on its way again.
    let for_ns = 10 * MS + random.below(40 * MS);
    if let Some(at) = plan.trade_ns.checked_sub(for_ns + random.below(20 * MS)) {
        losses.push((at, Fault::MailDropped { for_ns }));
    }
    losses
}

/// Some kinds, one after the other, with pauses in which the cluster may or may not recover.
fn faults(random: &mut Random, plan: &Plan) -> Vec<(Moment, Fault)> {
    let mut kinds: Vec<Draw> = KINDS.iter().copied().filter(|_| random.below(100) < 35).collect();
    if kinds.is_empty() {
        kinds.push(KINDS[random.below(KINDS.len() as u64) as usize]);
    }
    let pause_ns = [200 * MS, SECOND, 2 * SECOND, 4 * SECOND][random.below(4) as usize];
    let mut faults = Vec::new();
    let mut at = random.below(2 * SECOND);
    while at < plan.trade_ns {
        let kind = kinds[random.below(kinds.len() as u64) as usize];
        faults.push((at, kind(random, plan)));
        at += random.below(2 * pause_ns);
    }
    faults
}
