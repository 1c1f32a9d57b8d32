//! `mainstay ctl node`: the processes of a demo's nodes, and who is a member of the cluster.
//!
//! Every partition has members of its own, which its leader changes on an operator's word; here they are asked for all
//! partitions, one step after the other, until the logs say that it is so. What was begun is gone on with by the same
//! command.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use cluster_client::Cluster;
use miette::IntoDiagnostic;
use replicator::MEMBERS_MAX;
use wire::link::{ChangeMembers, MemberChange, MemberOutcome, MemberPlace, Place as Address};
use wire::{NodeId, PartitionId};

use super::{Place, status};
use crate::demo::control::{self, Action, Answer, Ask};
use crate::operator::cluster_config;

/// How long the cluster may take to answer at all.
const FIRST_WORD_WITHIN: Duration = Duration::from_secs(10);
/// How long a leader may take to answer a wish.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long a refusal that passes by itself may last.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// With fewer voters a cluster bears no fault at all.
const VOTERS_MIN: usize = 3;

/// `mainstay ctl node`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
A node joins as a learner, and votes in a partition once it has caught up there. Errors have codes that stay: \
member::unknown-node, member::already-a-member, member::too-few, member::too-many, member::unusable-address, \
member::change-under-way, member::not-heard-of, member::no-leader, member::no-answer, member::never-votes.")]
pub enum Command {
    /// Start a node that is down; it catches up by itself.
    Start(NodeArgs),
    /// Ask a node to end.
    Stop(NodeArgs),
    /// Kill a node at once (SIGKILL).
    Kill(NodeArgs),
    /// Freeze a node (SIGSTOP).
    Pause(NodeArgs),
    /// Let a frozen node go on (SIGCONT).
    Resume(NodeArgs),
    /// Take a node into the cluster. A demo starts it as well; elsewhere start it first, with --addr.
    Add(AddArgs),
    /// Take a node out of the cluster; a demo ends it as well.
    Remove(RemoveArgs),
    /// Take a node in and another one out, in one step for each partition.
    Replace(ReplaceArgs),
    /// Have a node lead nothing, until it is told to lead again.
    Drain(NodeArgs),
    /// Let a node lead again.
    Undrain(NodeArgs),
    /// Show every process and what each node does.
    Status,
}

/// A node.
#[derive(Debug, clap::Args)]
pub struct NodeArgs {
    /// The node's number.
    #[arg(value_name = "ID")]
    id: u64,
}

/// A node that joins.
#[derive(Debug, clap::Args)]
pub struct AddArgs {
    /// Its number. A demo takes the next free one if it is not said.
    #[arg(value_name = "ID")]
    id: Option<u64>,
    /// It gets every log and never votes: a node in another region, which nobody waits for.
    #[arg(long)]
    learner: bool,
    #[command(flatten)]
    how: JoinArgs,
}

/// How a node joins.
#[derive(Debug, clap::Args)]
pub struct JoinArgs {
    /// Where the other nodes and the gateways reach it. The node runs already.
    #[arg(long, value_name = "HOST:PORT")]
    addr: Option<SocketAddr>,
    /// Give up after so many seconds. What was begun goes on.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    within: u64,
}

/// A node that leaves.
#[derive(Debug, clap::Args)]
pub struct RemoveArgs {
    /// The node's number.
    #[arg(value_name = "ID")]
    id: u64,
    /// Leave fewer than three voters, a cluster that bears no fault.
    #[arg(long)]
    below_three: bool,
    /// Give up after so many seconds. What was begun goes on.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    within: u64,
}

/// A node that leaves, and one that joins.
#[derive(Debug, clap::Args)]
pub struct ReplaceArgs {
    /// The number of the node that leaves; it may be dead.
    #[arg(value_name = "OLD")]
    old: u64,
    /// The number of the node that joins. A demo takes the next free one if it is not said.
    #[arg(value_name = "NEW")]
    new: Option<u64>,
    #[command(flatten)]
    how: JoinArgs,
}

/// Does what was asked.
pub async fn run(place: &Place, command: Command) -> miette::Result<()> {
    let (action, id) = match command {
        Command::Start(node) => (Action::Start, node.id),
        Command::Stop(node) => (Action::Stop, node.id),
        Command::Kill(node) => (Action::Kill, node.id),
        Command::Pause(node) => (Action::Pause, node.id),
        Command::Resume(node) => (Action::Resume, node.id),
        Command::Add(add) => {
            let change = if add.learner { MemberChange::Learn } else { MemberChange::Add };
            return join(place, add.id, change, None, add.how).await;
        }
        Command::Replace(replace) => {
            return join(place, replace.new, MemberChange::Add, Some(replace.old), replace.how).await;
        }
        Command::Remove(remove) => return leave(place, &remove).await,
        Command::Drain(node) => return drain(place, node.id, true).await,
        Command::Undrain(node) => return drain(place, node.id, false).await,
        Command::Status => return status::show(place).await,
    };
    ask_demo(place, Ask::Node { action, id }).await.map(drop)
}

/// What the demo says, unless it refuses.
async fn ask_demo(place: &Place, ask: Ask) -> miette::Result<Answer> {
    match control::ask(&place.data_dir()?, ask).await? {
        Answer::Refused(why) => Err(miette::miette!("{why}")),
        Answer::Processes(_) | Answer::Binary(_) => Err(miette::miette!("the demo answered another question")),
        Answer::Done(what) => {
            println!("{what}");
            Ok(Answer::Done(what))
        }
        joined @ Answer::Joined { .. } => Ok(joined),
    }
}

async fn join(
    place: &Place,
    id: Option<u64>,
    change: MemberChange,
    old: Option<u64>,
    how: JoinArgs,
) -> miette::Result<()> {
    how.addr.map_or(Ok(()), check_address)?;
    let group = Group::connect(place).await?;
    group.nothing_else_is_under_way(id)?;
    let old = old.map(NodeId::new);
    let is_there = |id: u64| group.all(|members| has(members, NodeId::new(id)));
    if let Some(id) = id.filter(|id| is_there(*id) && group.is_settled(NodeId::new(*id))) {
        let is_done = old.is_none_or(|old| group.all(|members| !has(members, old)));
        let help = match is_done {
            true => "there is nothing to do",
            false => "name a new node, or remove the old one by itself",
        };
        let help = match group.any(|members| stays_learner(members, NodeId::new(id))) {
            true => "it stays a learner: to have it vote, remove it, empty its data directory and add it again",
            false => help,
        };
        return Err(miette::miette!(code = "member::already-a-member", help = help, "node {id} is a member already"));
    }
    if let Some(old) = old.filter(|old| !group.any(|members| has(members, *old))) {
        return Err(unknown(old));
    }
    let is_full = |members: &[MemberPlace]| members.len() >= MEMBERS_MAX;
    if group.any(|members| is_full(members) && id.is_none_or(|id| !has(members, NodeId::new(id)))) {
        let help = "remove a node before";
        return Err(miette::miette!(code = "member::too-many", help = help, "{MEMBERS_MAX} nodes are members already"));
    }
    let (id, address) = match (id, how.addr) {
        (Some(id), Some(address)) => (id, address),
        (None, Some(_)) => miette::bail!("a node that is started elsewhere has a number: name it"),
        (id, None) => match ask_demo(place, Ask::Join { id }).await? {
            Answer::Joined { id, addr } => (id, addr),
            _ => miette::bail!("the demo answered another question"),
        },
    };
    let node = NodeId::new(id);
    let wish = Wish { change, node, address: Some(address), instead_of: old, version: 0 };
    // One that says of itself that it stays a learner never votes.
    let is_done = |members: &[MemberPlace]| {
        let joined = votes(members, node) || stays_learner(members, node);
        joined && old.is_none_or(|old| !has(members, old))
    };
    group.fulfil(wish, Duration::from_secs(how.within), |members| has(members, node), is_done).await?;
    match old {
        Some(old) => println!("node {id} has replaced node {old} in every partition"),
        None if group.any(|members| stays_learner(members, node)) => {
            println!("node {id} gets the log of every partition, and never votes");
        }
        None => println!("node {id} votes in every partition"),
    }
    match old.filter(|_| how.addr.is_none()) {
        Some(old) => ask_demo(place, Ask::Leave { id: old.get() }).await.map(drop),
        None => Ok(()),
    }
}

/// An address stays in the log as long as the node does: one that leads nowhere is refused before.
fn check_address(address: SocketAddr) -> miette::Result<()> {
    let ip = address.ip();
    let is_nowhere = ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    if is_nowhere || address.port() == 0 {
        return Err(miette::miette!(
            code = "member::unusable-address",
            help = "give the address at which the other nodes and the gateways reach it",
            "nobody can be reached at {address}"
        ));
    }
    Ok(())
}

async fn leave(place: &Place, remove: &RemoveArgs) -> miette::Result<()> {
    let group = Group::connect(place).await?;
    let node = NodeId::new(remove.id);
    if !group.any(|members| has(members, node)) {
        return Err(unknown(node));
    }
    let remain = |members: &[MemberPlace]| members.iter().filter(|member| member.votes && member.node != node).count();
    if !remove.below_three && group.any(|members| has(members, node) && remain(members) < VOTERS_MIN) {
        return Err(miette::miette!(
            code = "member::too-few",
            help = "add a node before, replace this one, or say --below-three",
            "without node {node} fewer than three nodes would vote"
        ));
    }
    group.nothing_else_is_under_way(Some(remove.id))?;
    group.drain(node, true).await?;
    let wish = Wish { change: MemberChange::Remove, node, address: None, instead_of: None, version: 0 };
    let is_gone = |members: &[MemberPlace]| !has(members, node);
    let removed = group.fulfil(wish, Duration::from_secs(remove.within), is_gone, is_gone).await;
    if let Err(error) = removed {
        // It is a member: it may as well lead.
        let _ = group.drain(node, false).await;
        return Err(error);
    }
    println!("node {node} is a member of no partition");
    // Where no demo runs, whoever started it ends it.
    match place.data_dir().ok().filter(|dir| control::is_running(dir)) {
        Some(_) => ask_demo(place, Ask::Leave { id: remove.id }).await.map(drop),
        None => Ok(()),
    }
}

async fn drain(place: &Place, id: u64, begins: bool) -> miette::Result<()> {
    let group = Group::connect(place).await?;
    let node = NodeId::new(id);
    if !group.any(|members| has(members, node)) {
        return Err(unknown(node));
    }
    group.drain(node, begins).await?;
    match begins {
        true => println!("node {id} leads nothing, until `mainstay ctl node undrain {id}`"),
        false => println!("node {id} may lead again"),
    }
    Ok(())
}

fn has(members: &[MemberPlace], node: NodeId) -> bool {
    members.iter().any(|member| member.node == node)
}

fn votes(members: &[MemberPlace], node: NodeId) -> bool {
    members.iter().any(|member| member.node == node && member.votes)
}

fn stays_learner(members: &[MemberPlace], node: NodeId) -> bool {
    members.iter().any(|member| member.node == node && member.stays_learner)
}

fn unknown(node: NodeId) -> miette::Report {
    let help = "`mainstay ctl cluster status` shows who is";
    miette::miette!(code = "member::unknown-node", help = help, "node {node} is no member of the cluster")
}

/// What is asked of each partition.
#[derive(Clone, Copy)]
pub(super) struct Wish {
    pub change: MemberChange,
    pub node: NodeId,
    pub address: Option<SocketAddr>,
    pub instead_of: Option<NodeId>,
    pub version: u16,
}

/// The partitions of a cluster, and who their members are.
pub(super) struct Group {
    cluster: Cluster,
    partitions: Vec<PartitionId>,
    /// Whether its steps are not told: they are parts of something greater.
    is_quiet: bool,
}

impl Group {
    /// Connects, and waits until somebody has said of every partition who its members are.
    pub(super) async fn connect(place: &Place) -> miette::Result<Group> {
        let files = place.cluster()?;
        let cluster = Cluster::connect(cluster_config(&files)?).into_diagnostic()?;
        let partitions = files.partitions.iter().copied().map(PartitionId::new).collect();
        let group = Group { cluster, partitions, is_quiet: false };
        let begun = Instant::now();
        while !group.partitions.iter().all(|partition| group.cluster.members(*partition).is_some()) {
            if begun.elapsed() > FIRST_WORD_WITHIN {
                return Err(miette::miette!(code = "member::no-answer", "no node says who the members are"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(group)
    }

    pub(super) fn partitions(&self) -> &[PartitionId] {
        &self.partitions
    }

    fn members(&self, partition: PartitionId) -> Vec<MemberPlace> {
        self.cluster.members(partition).unwrap_or_default()
    }

    fn all(&self, is: impl Fn(&[MemberPlace]) -> bool) -> bool {
        self.partitions.iter().all(|partition| is(&self.members(*partition)))
    }

    fn any(&self, is: impl Fn(&[MemberPlace]) -> bool) -> bool {
        self.partitions.iter().any(|partition| is(&self.members(*partition)))
    }

    /// Whether a node votes everywhere, or is everywhere a learner that stays one.
    fn is_settled(&self, node: NodeId) -> bool {
        self.all(|members| votes(members, node) || stays_learner(members, node))
    }

    /// One change at a time: nobody else learns.
    fn nothing_else_is_under_way(&self, id: Option<u64>) -> miette::Result<()> {
        for partition in &self.partitions {
            let learns = |member: &MemberPlace| !member.votes && !member.stays_learner && Some(member.node.get()) != id;
            if let Some(other) = self.members(*partition).into_iter().find(learns) {
                return Err(under_way(*partition, &format!("node {} is catching up", other.node)));
            }
        }
        Ok(())
    }

    pub(super) async fn ask(&self, partition: PartitionId, wish: Wish) -> Option<MemberOutcome> {
        let Wish { change, node, address, instead_of, version } = wish;
        let (place, instead_of) = (Address::of(address), instead_of.unwrap_or_default());
        let wish = ChangeMembers { partition, token: 0, change, node, place, instead_of, version };
        self.cluster.change_members(wish, ANSWER_WITHIN).await.ok()
    }

    /// Asks each partition until the change is begun there, and waits until it is done in all.
    async fn fulfil(
        &self,
        wish: Wish,
        within: Duration,
        is_begun: impl Fn(&[MemberPlace]) -> bool,
        is_done: impl Fn(&[MemberPlace]) -> bool,
    ) -> miette::Result<()> {
        let begun = Instant::now();
        for partition in &self.partitions {
            let mut refused_since = None;
            while !is_begun(&self.members(*partition)) {
                if let Some(refusal) = refusal(*partition, wish.node, self.ask(*partition, wish).await) {
                    let since = *refused_since.get_or_insert_with(Instant::now);
                    if refusal.is_final || since.elapsed() > PATIENCE.min(within) {
                        return Err(refusal.error);
                    }
                } else {
                    refused_since = None;
                }
                if begun.elapsed() > within {
                    return Err(under_way(*partition, "what is asked for does not come to be"));
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            self.tell(*partition);
        }
        for partition in &self.partitions {
            while !is_done(&self.members(*partition)) {
                if begun.elapsed() > within {
                    let help = "it goes on by itself; `mainstay ctl cluster status` shows how far it is";
                    let words = self.words(*partition);
                    let code = "member::change-under-way";
                    return Err(miette::miette!(code = code, help = help, "partition {partition}: still {words}"));
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            self.tell(*partition);
        }
        Ok(())
    }

    fn tell(&self, partition: PartitionId) {
        if !self.is_quiet {
            println!("partition {partition}: {}", self.words(partition));
        }
    }

    /// The same without a word about its steps.
    pub(super) async fn connect_quietly(place: &Place) -> miette::Result<Group> {
        Ok(Group { is_quiet: true, ..Group::connect(place).await? })
    }

    /// Has a node lead nothing, or lets it lead again.
    pub(super) async fn drain(&self, node: NodeId, begins: bool) -> miette::Result<()> {
        let change = if begins { MemberChange::Drain } else { MemberChange::Undrain };
        let wish = Wish { change, node, address: None, instead_of: None, version: 0 };
        let is_so = |members: &[MemberPlace]| {
            members.iter().find(|member| member.node == node).is_none_or(|member| member.is_draining == begins)
        };
        self.fulfil(wish, PATIENCE, is_so, is_so).await?;
        let since = Instant::now();
        while begins && self.partitions.iter().any(|partition| self.cluster.leader(*partition) == Some(node)) {
            if since.elapsed() > PATIENCE {
                let help = "the others may be behind, or down: see `mainstay ctl cluster status`";
                return Err(miette::miette!(
                    code = "member::too-few",
                    help = help,
                    "nobody takes over from node {node}"
                ));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Who votes and who learns.
    fn words(&self, partition: PartitionId) -> String {
        let members = self.members(partition);
        let list = |is: fn(&MemberPlace) -> bool| {
            let nodes = members.iter().filter(|member| is(member)).map(|member| member.node.to_string());
            nodes.collect::<Vec<_>>().join(", ")
        };
        let mut words = format!("nodes {} vote", list(|member| member.votes));
        let catching_up = list(|member| !member.votes && !member.stays_learner);
        let staying = list(|member| member.stays_learner);
        for (nodes, what) in [(catching_up, "is catching up"), (staying, "stays a learner")] {
            if !nodes.is_empty() {
                words += &format!(", node {nodes} {what}");
            }
        }
        words
    }
}

fn under_way(partition: PartitionId, what: &str) -> miette::Report {
    let help = "wait for its end, or repeat that command to follow it";
    let code = "member::change-under-way";
    miette::miette!(code = code, help = help, "another change is under way in partition {partition}: {what}")
}

/// Why nothing was begun.
struct Refusal {
    error: miette::Report,
    /// It does not pass by itself.
    is_final: bool,
}

fn refusal(partition: PartitionId, node: NodeId, outcome: Option<MemberOutcome>) -> Option<Refusal> {
    let passing = |error| Some(Refusal { error, is_final: false });
    let lasting = |error| Some(Refusal { error, is_final: true });
    match outcome {
        Some(MemberOutcome::Proposed | MemberOutcome::IsSo) => None,
        Some(MemberOutcome::Leads | MemberOutcome::NotLeader | MemberOutcome::Busy) | None => {
            let help = "`mainstay ctl cluster status` shows who leads";
            passing(miette::miette!(
                code = "member::no-leader",
                help = help,
                "no leader of partition {partition} answers"
            ))
        }
        Some(MemberOutcome::UnderWay) => passing(under_way(partition, "it has not ended in time")),
        Some(MemberOutcome::Unheard) => passing(miette::miette!(
            code = "member::not-heard-of",
            help = "start it with an empty data directory and the members as its peers, and see that it reaches them",
            "node {node} has not introduced itself to the leader of partition {partition}"
        )),
        Some(MemberOutcome::UnknownNode) => lasting(unknown(node)),
        Some(MemberOutcome::TooFew) => passing(miette::miette!(
            code = "member::too-few",
            help = "start the nodes that are down before",
            "in partition {partition} too few nodes that are alive would remain"
        )),
        Some(MemberOutcome::NeverVotes) => lasting(miette::miette!(
            code = "member::never-votes",
            help = "its file says `learner = true`",
            "node {node} stays a learner: it cannot replace one that votes"
        )),
        Some(MemberOutcome::NotPermitted) => {
            lasting(miette::miette!(code = "member::not-permitted", "only operators change members"))
        }
        Some(MemberOutcome::CannotRun) => lasting(miette::miette!(
            code = "version::cannot-run",
            "not every member of partition {partition} knows the version"
        )),
        Some(MemberOutcome::UnknownPartition) => {
            let code = "member::unknown-partition";
            lasting(miette::miette!(code = code, "the leader's node has no partition {partition}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_leads_nowhere_is_refused() {
        for nowhere in
            ["0.0.0.0:7104", "[::]:7104", "10.0.0.4:0", "224.0.0.1:7104", "[ff02::1]:7104", "255.255.255.255:1"]
        {
            assert!(check_address(nowhere.parse().unwrap()).is_err(), "{nowhere}");
        }
        for somewhere in ["127.0.0.1:7104", "10.0.0.4:7104", "[fd00::4]:7104"] {
            check_address(somewhere.parse().unwrap()).unwrap();
        }
    }
}
