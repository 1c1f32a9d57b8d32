//! `mainstay ctl node`: the processes of a demo's nodes, and who is a member of the cluster.
//!
//! What was begun is gone on with by the same command.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use replicator::MEMBERS_MAX;
use wire::NodeId;
use wire::link::{MemberChange, MemberPlace};

use super::group::{Group, PATIENCE, Wish, has, stays_learner, unknown, votes};
use super::{Place, cluster, status};
use crate::demo::control::{self, Action, Answer, Ask};

/// With fewer voters a cluster bears no fault at all.
const VOTERS_MIN: usize = 3;

/// `mainstay ctl node`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
A node joins as a learner, and votes in a partition once it has caught up there and its archive has the events of the past. Errors have codes that stay: \
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
    /// Where the other nodes and the gateways reach it; of a host's name, the address that it has now. The node runs already.
    #[arg(long, value_name = "HOST:PORT", value_parser = loadgen::target::parse_place)]
    addr: Option<SocketAddr>,
    /// Give up after so many seconds. What was begun goes on: the node's archive is waited for as well, which may take an hour.
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
    let within = Duration::from_secs(how.within);
    if let Err(error) = group.fulfil(wish, within, |members| has(members, node), is_done).await {
        return Err(match cluster::fetched_before_vote(place, id).await {
            Some(missing) => error.wrap_err(format!(
                "node {id} lacks the events of {missing} positions still: it goes on fetching them, and votes afterwards"
            )),
            None => error,
        });
    }
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
    group.drain(node, true, PATIENCE).await?;
    let wish = Wish { change: MemberChange::Remove, node, address: None, instead_of: None, version: 0 };
    let is_gone = |members: &[MemberPlace]| !has(members, node);
    let removed = group.fulfil(wish, Duration::from_secs(remove.within), is_gone, is_gone).await;
    if let Err(error) = removed {
        // It is a member: it may as well lead.
        let _ = group.drain(node, false, PATIENCE).await;
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
    group.drain(node, begins, PATIENCE).await?;
    match begins {
        true => println!("node {id} leads nothing, until `mainstay ctl node undrain {id}`"),
        false => println!("node {id} may lead again"),
    }
    Ok(())
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
