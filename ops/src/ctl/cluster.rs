//! `mainstay ctl cluster status`: who has replicas of each partition, what they do there, and how far behind they are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use miette::IntoDiagnostic;
use serde::{Deserialize, Serialize};

use super::Place;
use crate::http;

/// A page of a frozen process never comes.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// `mainstay ctl cluster`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show each partition's voters and learners, who leads, who drains, and who is how far behind.
    #[command(
        after_help = "Each node is asked at a moment of its own: who is asked later may have come farther than its leader had then."
    )]
    Status {
        /// As JSON, for scripts.
        #[arg(long)]
        json: bool,
    },
}

/// What is read of a node's `/status`.
#[derive(Debug, Deserialize)]
struct NodePage {
    partitions: Vec<Replica>,
}

#[derive(Debug, Clone, Deserialize)]
struct Replica {
    partition: u16,
    role: String,
    term: u64,
    voters: Vec<u64>,
    learners: Vec<u64>,
    staying_learners: Vec<u64>,
    behind_entries: Option<u64>,
    behind_ms: Option<u64>,
    changing: bool,
    draining: Vec<u64>,
    position: u64,
    standbys: Vec<Behind>,
    catching_up: Vec<Behind>,
    #[serde(default)]
    lacking: Vec<Lacking>,
}

#[derive(Debug, Clone, Copy, Deserialize, Serialize, PartialEq, Eq)]
struct Lacking {
    node: u64,
    missing: u64,
    lost: bool,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Behind {
    node: u64,
    behind: u64,
}

/// A partition and its members.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Partition {
    partition: u16,
    leader: Option<u64>,
    term: u64,
    /// Whether its members are being changed.
    changing: bool,
    members: Vec<Member>,
}

/// A node's part in a partition.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Member {
    node: u64,
    /// `leader`, `voter` or `learner`.
    role: &'static str,
    /// Whether it is a learner that stays one.
    stays_learner: bool,
    /// Of a learner, by its own word: how much older what it has is than what the leader has, in milliseconds.
    behind_ms: Option<u64>,
    draining: bool,
    /// Log entries that it is not known to have; `null` where no leader says so.
    behind: Option<u64>,
    /// Of a learner that waits for events of the past before it votes: how many positions its archive lacks, and whether no
    /// other node has them any more.
    lacking: Option<Lacking>,
    /// Up to where it has applied the log; `null` when it does not answer.
    position: Option<u64>,
}

/// Does what was asked.
pub async fn run(place: &Place, command: Command) -> miette::Result<()> {
    let Command::Status { json } = command;
    let partitions = partitions(&pages(place).await?);
    let text = match json {
        true => serde_json::to_string(&partitions).into_diagnostic()? + "\n",
        false => words(&partitions),
    };
    print!("{text}");
    Ok(())
}

/// How many positions' events a node fetches before it votes, in all partitions; `None` for none, or where nobody says.
pub(super) async fn fetched_before_vote(place: &Place, node: u64) -> Option<u64> {
    fetched_by(node, &partitions(&pages(place).await.ok()?))
}

fn fetched_by(node: u64, partitions: &[Partition]) -> Option<u64> {
    let members = partitions.iter().flat_map(|partition| &partition.members).filter(|member| member.node == node);
    let lacking = members.filter(|member| !member.stays_learner).filter_map(|member| member.lacking);
    let missing = lacking.filter(|lacking| !lacking.lost).fold(0_u64, |sum, it| sum.saturating_add(it.missing));
    (missing > 0).then_some(missing)
}

/// What each node says that answers.
async fn pages(place: &Place) -> miette::Result<BTreeMap<u64, NodePage>> {
    let mut pages = BTreeMap::new();
    for node in &place.state()?.nodes {
        let page = http::get(&format!("{}/status", node.http), ANSWER_WITHIN).await;
        if let Some(page) = page.and_then(|(_, body)| serde_json::from_slice::<NodePage>(&body).ok()) {
            pages.insert(node.id, page);
        }
    }
    Ok(pages)
}

/// Each partition as its leader sees it, or whoever has applied most.
fn partitions(pages: &BTreeMap<u64, NodePage>) -> Vec<Partition> {
    let mut replicas: BTreeMap<u16, Vec<(u64, &Replica)>> = BTreeMap::new();
    for (node, page) in pages {
        for replica in &page.partitions {
            replicas.entry(replica.partition).or_default().push((*node, replica));
        }
    }
    replicas.into_iter().filter_map(|(partition, replicas)| partition_of(partition, &replicas)).collect()
}

fn partition_of(partition: u16, replicas: &[(u64, &Replica)]) -> Option<Partition> {
    let leader = replicas.iter().filter(|(_, replica)| replica.role == "leader").max_by_key(|(_, it)| it.term);
    let (_, view) = *leader.or_else(|| replicas.iter().max_by_key(|(_, replica)| replica.position))?;
    let leader = leader.map(|(node, _)| *node);
    let own = |id: u64| replicas.iter().find(|(node, _)| *node == id).map(|(_, replica)| *replica);
    let member = |id: u64, votes: bool| Member {
        node: id,
        role: match votes {
            true if leader == Some(id) => "leader",
            true => "voter",
            false => "learner",
        },
        stays_learner: view.staying_learners.contains(&id),
        behind_ms: own(id).and_then(|replica| replica.behind_ms),
        draining: view.draining.contains(&id),
        behind: match leader {
            Some(leader) if leader == id => Some(0),
            Some(_) => view.standbys.iter().chain(&view.catching_up).find(|it| it.node == id).map(|it| it.behind),
            // A learner remembers what the last leader said.
            None => own(id).and_then(|replica| replica.behind_entries),
        },
        lacking: view.lacking.iter().find(|lacking| lacking.node == id).copied(),
        position: own(id).map(|replica| replica.position),
    };
    // Whoever votes while it learns anew, after the loss of its disk, is one member.
    let learners = view.learners.iter().filter(|id| !view.voters.contains(id));
    let mut members: Vec<Member> = view.voters.iter().map(|id| member(*id, true)).collect();
    members.extend(learners.map(|id| member(*id, false)));
    members.sort_by_key(|member| member.node);
    Some(Partition { partition, leader, term: view.term, changing: view.changing, members })
}

fn words(partitions: &[Partition]) -> String {
    let mut text = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| {
        // A string takes everything.
        let _ = writeln!(text, "{line}");
    };
    line(format_args!("{:<9}  {:<7}  {:<8}  {:>12}  {:>8}", "partition", "node", "role", "position", "behind"));
    for partition in partitions {
        for member in &partition.members {
            let number = |it: Option<u64>| it.map_or_else(|| "?".to_owned(), |it| it.to_string());
            let (position, behind) = (number(member.position), number(member.behind));
            let name = format!("node-{}", member.node);
            let notes = match (member.position, member.draining, member.behind_ms) {
                (None, ..) => "  does not answer".to_owned(),
                (_, true, _) => "  drains".to_owned(),
                (_, _, Some(ms)) => format!("  {}.{:03} s behind", ms / 1000, ms % 1000),
                (Some(0), ..) if member.role == "learner" => "  has nothing yet".to_owned(),
                _ => String::new(),
            };
            let notes = match member.lacking {
                Some(Lacking { missing, lost: true, .. }) => {
                    format!("{notes}  events of {missing} positions are missing that no node has any more")
                }
                Some(Lacking { missing, lost: false, .. }) => {
                    let before = if member.stays_learner { "" } else { " before it votes" };
                    format!("{notes}  fetches the events of {missing} positions{before}")
                }
                None => notes,
            };
            let notes = if member.stays_learner { format!("{notes}, stays a learner") } else { notes };
            let (number, role) = (partition.partition, member.role);
            line(format_args!("{number:<9}  {name:<7}  {role:<8}  {position:>12}  {behind:>8}{notes}"));
        }
        if partition.leader.is_none() {
            line(format_args!("{:<9}  has no leader", partition.partition));
        }
        if partition.changing {
            line(format_args!("{:<9}  its members are being changed", partition.partition));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(role: &str, voters: &[u64], learners: &[u64], position: u64) -> Replica {
        let behind = |nodes: &[u64]| nodes.iter().map(|node| Behind { node: *node, behind: 7 }).collect();
        let is_leader = role == "leader";
        Replica {
            partition: 1,
            role: role.into(),
            term: 3,
            voters: voters.into(),
            learners: learners.into(),
            staying_learners: Vec::new(),
            behind_entries: None,
            behind_ms: (role == "learner").then_some(1_250),
            changing: !learners.is_empty(),
            draining: vec![2],
            position,
            standbys: if is_leader { behind(voters) } else { Vec::new() },
            catching_up: if is_leader { behind(learners) } else { Vec::new() },
            lacking: Vec::new(),
        }
    }

    #[test]
    fn a_partition_is_shown_as_its_leader_sees_it() {
        let page = |replica| NodePage { partitions: vec![replica] };
        let pages = [
            (1, page(replica("leader", &[1, 2, 3], &[4], 100))),
            (2, page(replica("standby", &[1, 2, 3], &[], 101))),
            (4, page(replica("learner", &[1, 2, 3], &[4], 40))),
        ];
        let shown = partitions(&BTreeMap::from(pages));
        let roles: Vec<(u64, &str, Option<u64>)> =
            shown[0].members.iter().map(|member| (member.node, member.role, member.behind)).collect();
        let wanted = [(1, "leader", Some(0)), (2, "voter", Some(7)), (3, "voter", Some(7)), (4, "learner", Some(7))];
        assert_eq!(roles, wanted);
        assert!(shown[0].changing && shown[0].members[1].draining);
        assert_eq!(shown[0].members[2].position, None, "node 3 does not answer");
        let words = words(&shown);
        assert!(words.contains("does not answer") && words.contains("1.250 s behind"), "{words}");
    }

    #[test]
    fn who_waits_for_events_of_the_past_is_shown_with_how_many_and_whether_anybody_has_them() {
        // Node 2 has lost its disk: it counts as the voter that it was until it is one again.
        for (lost, wanted) in
            [(false, "fetches the events of 90 positions"), (true, "90 positions are missing that no node")]
        {
            let lacking = vec![Lacking { node: 2, missing: 90, lost }];
            let leader = Replica { lacking, draining: Vec::new(), ..replica("leader", &[1, 2, 3], &[2], 100) };
            let learner = Replica { behind_ms: None, ..replica("learner", &[1, 2, 3], &[2], 100) };
            let page = |replica| NodePage { partitions: vec![replica] };
            let shown = partitions(&BTreeMap::from([(1, page(leader)), (2, page(learner))]));
            let words = words(&shown);
            assert_eq!(words.matches(wanted).count(), 1, "{words}");
            assert_eq!(words.contains("before it votes"), !lost, "{words}");
            assert_eq!(fetched_by(2, &shown), (!lost).then_some(90));
            assert_eq!(fetched_by(1, &shown), None);
        }
    }

    #[test]
    fn a_learner_that_stays_one_is_not_said_to_vote() {
        let lacking = vec![Lacking { node: 4, missing: 90, lost: false }];
        let leader = Replica { lacking, staying_learners: vec![4], ..replica("leader", &[1], &[4], 100) };
        let shown = partitions(&BTreeMap::from([(1, NodePage { partitions: vec![leader] })]));
        let words = words(&shown);
        assert!(words.contains("fetches the events of 90 positions, stays a learner"), "{words}");
        assert_eq!(fetched_by(4, &shown), None);
    }

    #[test]
    fn a_learner_that_has_nothing_yet_is_not_behind_since_1970() {
        let page = |replica| NodePage { partitions: vec![replica] };
        let new = Replica { behind_ms: None, ..replica("learner", &[1], &[4], 0) };
        let pages = [(1, page(replica("leader", &[1], &[4], 100))), (4, page(new))];
        let words = words(&partitions(&BTreeMap::from(pages)));
        assert!(words.contains("has nothing yet") && !words.contains("s behind"), "{words}");
    }
}
