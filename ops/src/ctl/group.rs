//! The partitions of a cluster and their members. Every partition has members of its own, which its leader changes on an
//! operator's word; here they are asked for all partitions, one step after the other, until the logs say that it is so.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use cluster_client::Cluster;
use miette::IntoDiagnostic;
use wire::link::{ChangeMembers, MemberChange, MemberOutcome, MemberPlace, Place as Address};
use wire::{NodeId, PartitionId};

use super::Place;
use crate::operator::{cluster_config, refused_by_all};

/// How long the cluster may take to answer at all.
const FIRST_WORD_WITHIN: Duration = Duration::from_secs(10);
/// How long a leader may take to answer a wish.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long a refusal that passes by itself may last.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) fn has(members: &[MemberPlace], node: NodeId) -> bool {
    members.iter().any(|member| member.node == node)
}

pub(super) fn votes(members: &[MemberPlace], node: NodeId) -> bool {
    members.iter().any(|member| member.node == node && member.votes)
}

pub(super) fn stays_learner(members: &[MemberPlace], node: NodeId) -> bool {
    members.iter().any(|member| member.node == node && member.stays_learner)
}

pub(super) fn unknown(node: NodeId) -> miette::Report {
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
    /// What was told of each partition last.
    told: RefCell<BTreeMap<PartitionId, String>>,
}

impl Group {
    /// Connects, and waits until somebody has said of every partition who its members are.
    pub(super) async fn connect(place: &Place) -> miette::Result<Group> {
        let files = place.cluster()?;
        let cluster = Cluster::connect(cluster_config(&files)?).into_diagnostic()?;
        let partitions = files.partitions.iter().copied().map(PartitionId::new).collect();
        let group = Group { cluster, partitions, is_quiet: false, told: RefCell::default() };
        let how_to_start = place.how_to_start();
        let told = async {
            let begun = Instant::now();
            while !group.partitions.iter().all(|partition| group.cluster.members(*partition).is_some()) {
                if begun.elapsed() > FIRST_WORD_WITHIN {
                    return Err(miette::miette!(code = "member::no-answer", "no node says who the members are"));
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(())
        };
        tokio::select! {
            told = told => told?,
            report = refused_by_all(&files.nodes, &how_to_start) => return Err(report),
        }
        Ok(group)
    }

    pub(super) fn partitions(&self) -> &[PartitionId] {
        &self.partitions
    }

    fn members(&self, partition: PartitionId) -> Vec<MemberPlace> {
        self.cluster.members(partition).unwrap_or_default()
    }

    pub(super) fn all(&self, is: impl Fn(&[MemberPlace]) -> bool) -> bool {
        self.partitions.iter().all(|partition| is(&self.members(*partition)))
    }

    pub(super) fn any(&self, is: impl Fn(&[MemberPlace]) -> bool) -> bool {
        self.partitions.iter().any(|partition| is(&self.members(*partition)))
    }

    /// Whether a node votes everywhere, or is everywhere a learner that stays one.
    pub(super) fn is_settled(&self, node: NodeId) -> bool {
        self.all(|members| votes(members, node) || stays_learner(members, node))
    }

    /// One change at a time: nobody else learns.
    pub(super) fn nothing_else_is_under_way(&self, id: Option<u64>) -> miette::Result<()> {
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
    pub(super) async fn fulfil(
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

    /// Each partition's standing when it is news: a change of several steps leaves some as they were.
    fn tell(&self, partition: PartitionId) {
        let words = self.words(partition);
        let before = self.told.borrow_mut().insert(partition, words.clone());
        if !self.is_quiet && before.as_ref() != Some(&words) {
            println!("partition {partition}: {words}");
        }
    }

    /// The same without a word about its steps.
    pub(super) async fn connect_quietly(place: &Place) -> miette::Result<Group> {
        Ok(Group { is_quiet: true, ..Group::connect(place).await? })
    }

    /// Whether a node is to lead nothing, in any partition.
    pub(super) fn is_drained(&self, node: NodeId) -> bool {
        self.any(|members| members.iter().any(|member| member.node == node && member.is_draining))
    }

    /// Has a node lead nothing, or lets it lead again.
    pub(super) async fn drain(&self, node: NodeId, begins: bool, within: Duration) -> miette::Result<()> {
        let change = if begins { MemberChange::Drain } else { MemberChange::Undrain };
        let wish = Wish { change, node, address: None, instead_of: None, version: 0 };
        let is_so = |members: &[MemberPlace]| {
            members.iter().find(|member| member.node == node).is_none_or(|member| member.is_draining == begins)
        };
        self.fulfil(wish, within, is_so, is_so).await?;
        let since = Instant::now();
        while begins && self.partitions.iter().any(|partition| self.cluster.leader(*partition) == Some(node)) {
            if since.elapsed() > within {
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
