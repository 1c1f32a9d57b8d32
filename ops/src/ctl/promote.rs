//! `mainstay ctl promote`: what a learner has, as the beginning of a new life, when the old side's quorum is gone for good.
//!
//! It works on the data directory of a node that is down, as a restore works on a backup: every partition is replayed up to
//! one consistent cut, and begins a life of a greater epoch whose only founder is this node. The old directory is kept.

mod directories;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use cluster_client::ClusterConfig;
use miette::{IntoDiagnostic, WrapErr};
use node::DataDir;
use node::recovery::{self, Cut, EventFiles, Former, Laid, NewLife, Own, RecoveryError};
use replicator::log::disk;
use replicator::{Members, node_of};
use wire::link::Role;
use wire::{ClusterEpoch, NodeId, PartitionId, Timestamp};

use super::backup::text_of;
use crate::backup::library::Library;
use crate::backup::place::Place;
use crate::config::NodeFile;
use crate::demo::home;

/// `mainstay ctl promote`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The node must be down, and the old side's quorum gone for good. It asks the old voters at the addresses that are known, and
refuses while a quorum of them answers in any partition. Without --accept-loss it shows what would be kept, and changes nothing.

What this node has becomes a new life of the cluster, with a greater epoch and this node as its only member: at one cut over
all partitions, at which their mail fits together and money is conserved. What the old side acknowledged behind the positions
shown is lost. Every market that was open accepts cancels alone, until an operator reopens it, or its schedule's next step; one
that accepted cancels alone before is halted, whatever was planned for it. The old data directory is kept beside the new one.
Broken off at any step, it is finished, or begun anew, by the same command.

Then set the new epoch in the configuration of this node, and of the gateways and chainwatches that are to serve; start them,
and add nodes with `mainstay ctl node add`. Whatever speaks for the old epoch is refused. But if the old quorum is alive after
all, out of reach from here, there are two exchanges from now on: what fences the old one is that its machines are down.

Errors have codes that stay: promote::accept-loss, promote::quorum-answers, promote::not-a-node, promote::not-whole,
promote::epoch-taken.")]
pub struct Args {
    /// The configuration of the node.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Go on without what only the old side had.
    #[arg(long)]
    accept_loss: bool,
    /// The epoch of the new life; one more than the greatest that is known, if it is not said.
    #[arg(long, value_name = "EPOCH")]
    epoch: Option<u64>,
}

/// Does what was asked.
pub async fn run(args: Args) -> miette::Result<()> {
    let file = NodeFile::load(&args.config)?;
    let node = NodeId::new(file.node);
    if let Some((epoch, kept)) = directories::finish(&file.data_dir, node).into_diagnostic()? {
        println!("A promotion of node {node} had been broken off at its end, and is finished.");
        return begun(&file, node, epoch, &kept);
    }
    let found = node::owner(&file.data_dir).filter(|(owner, _)| *owner == node);
    let (_, old) = found.ok_or_else(|| {
        let help = "name the configuration of the node whose data directory is to be promoted";
        let directory = file.data_dir.display();
        miette::miette!(
            code = "promote::not-a-node",
            help = help,
            "{directory} is not the data directory of node {node}"
        )
    })?;
    let held = DataDir::open(&file.data_dir, node, old).into_diagnostic()?;
    let epoch = new_epoch(&file, old, args.epoch).await?;
    let beside = file.data_dir.parent().map_or_else(std::env::temp_dir, Path::to_path_buf);
    let scratch = tempfile::Builder::new().prefix(".mainstay-promote-").tempdir_in(beside).into_diagnostic()?;
    let partitions: Vec<PartitionId> = file.partitions.iter().map(|it| PartitionId::new(it.partition)).collect();
    let former = Former::new(old, PartitionId::new(file.ledger), partitions);
    let own = open(&former, node, &held, scratch.path())?;

    ask_the_old_side(&file, &former, &own).await?;
    let cuts = recovery::plan(&former, &own, Timestamp::from_nanos(u64::MAX)).map_err(not_whole)?;
    println!("Node {node} has of life {old}:");
    cuts.iter().for_each(|(partition, cut)| tell(*partition, cut, own.uncommitted(*partition)));
    println!("May be lost: whatever the old side acknowledged behind these positions.");
    if !args.accept_loss {
        return Err(miette::miette!(
            code = "promote::accept-loss",
            help = "say --accept-loss when the old side's quorum is gone for good",
            "nothing was changed"
        ));
    }

    let life = NewLife { epoch, founders: vec![node] };
    let laid = bring_back(&former, &own, &cuts, &life, scratch.path())?;
    drop(own);
    let kept = directories::lay(&file.data_dir, node, old, &life, &laid).into_diagnostic()?;
    drop(held);
    for Laid { beginning, digest, .. } in &laid {
        println!("partition {} begins life {epoch} with digest {digest:032x}", beginning.partition);
    }
    begun(&file, node, epoch, &kept)
}

/// What is left to do. A demo's own configuration is written by it: it is told.
fn begun(file: &NodeFile, node: NodeId, epoch: ClusterEpoch, kept: &Path) -> miette::Result<()> {
    println!("node {node}: {}; what it was is kept in {}", file.data_dir.display(), kept.display());
    match home::of_node(&file.data_dir) {
        Some(demo) => {
            home::promoted(demo, epoch.get(), node.get())?;
            println!(
                "The demo in {} has epoch {epoch} and node {node} alone now. Start it: `mainstay ctl node start {node}`, or \
                 the demo again if it has\nended. More nodes are taken in by `mainstay ctl node add`; what nodes of the old \
                 side had is put aside.",
                demo.display()
            );
        }
        None => println!(
            "\
Set `epoch = {epoch}` in the configuration of this node, and of every gateway and chainwatch that is to serve; leave out the old
nodes among its [[peers]]. Start them. Of the old side start nothing that still has its data: empty the directories, and take
the nodes in by `mainstay ctl node add`."
        ),
    }
    directories::told(&file.data_dir).into_diagnostic()?;
    println!(
        "\
Withdrawals sent behind the positions above are known to the signer's journal alone: freeze the chains before gateways are
opened. Every market is cancel-only, or halted where it was so before: `mainstay ctl market reopen SYMBOL --auction 30s`."
    );
    Ok(())
}

/// An epoch is taken once, also by a life that a backup knows of.
async fn new_epoch(file: &NodeFile, old: ClusterEpoch, wanted: Option<u64>) -> miette::Result<ClusterEpoch> {
    let mut taken = old.get();
    if let Some(backup) = &file.backup {
        let lives = async { Library::lives(&Place::open(&backup.to)?).await };
        match (lives.await, wanted) {
            (Ok(lives), _) => taken = lives.iter().map(|life| life.get()).fold(taken, u64::max),
            (Err(why), Some(_)) => println!("The backup was not asked for its epochs: {why}"),
            (Err(why), None) => {
                return Err(why.wrap_err("the backup cannot say which epochs are taken: choose one with --epoch"));
            }
        }
    }
    // The configuration may have been given the new one before.
    let epoch = wanted.unwrap_or(taken.saturating_add(1).max(file.epoch));
    if epoch <= taken || epoch < file.epoch {
        return Err(miette::miette!(
            code = "promote::epoch-taken",
            help = "whatever the old side still sends must be refused by the new one",
            "the epoch {epoch} must be greater than {taken}, and not below that of the configuration, {}",
            file.epoch
        ));
    }
    Ok(ClusterEpoch::new(epoch))
}

/// What the node has; its log is read from a copy.
fn open(former: &Former, node: NodeId, held: &DataDir, scratch: &Path) -> miette::Result<Own> {
    let log = scratch.join("log");
    disk::copy(&held.log(), &log).into_diagnostic().wrap_err("cannot copy the log")?;
    Own::open(node, former.epoch, &former.partitions, &log, |partition| held.events(partition)).map_err(|why| {
        let help = "a backup may have what this node has not: mainstay ctl backup restore";
        miette::miette!(code = "promote::not-whole", help = help, "this node cannot be promoted: {why}")
    })
}

fn not_whole(error: RecoveryError) -> miette::Report {
    let help = "a backup may have what this node has not: mainstay ctl backup restore";
    let why = match error {
        RecoveryError::TooEarly { partition, .. } => format!(
            "partition {partition}: what it has does not fit what it has of the other partitions: one of them had fallen far \
             behind"
        ),
        error => error.to_string(),
    };
    miette::miette!(code = "promote::not-whole", help = help, "this node cannot be promoted: {why}")
}

/// Refuses while a quorum of any partition's voters answers.
async fn ask_the_old_side(file: &NodeFile, former: &Former, own: &Own) -> miette::Result<()> {
    let mut at: BTreeMap<NodeId, SocketAddr> =
        file.peers.iter().map(|peer| (NodeId::new(peer.node), peer.addr)).collect();
    let mut voters = BTreeSet::new();
    let members = members(file, former, own);
    for members in members.values() {
        at.extend(members.places.at.iter().map(|(node, addr)| (*node, *addr)));
        voters.extend(members.voters.iter().chain(&members.outgoing).map(|voter| node_of(*voter)));
    }
    voters.remove(&NodeId::new(file.node));
    let [ca, cert, key] = file.tls.read()?;
    let nodes: Vec<(NodeId, SocketAddr)> = voters.iter().filter_map(|voter| Some((*voter, *at.get(voter)?))).collect();
    let name = format!("node-{}", file.node);
    let config = ClusterConfig { epoch: former.epoch, nodes: nodes.clone(), role: Role::Node, name, ca, cert, key };
    let mut asked = tokio::task::JoinSet::new();
    for (voter, _) in &nodes {
        let (config, voter) = (config.clone(), *voter);
        asked.spawn(async move { (voter, cluster_client::is_answering(&config, voter).await) });
    }
    let mut answering = BTreeSet::new();
    while let Some(answer) = asked.join_next().await {
        let (voter, answers) = answer.into_diagnostic()?;
        if answers.into_diagnostic()? {
            answering.insert(voter);
        }
    }
    for voter in &voters {
        match at.get(voter) {
            None => println!("node {voter} votes, and nobody says where it is"),
            Some(addr) if answering.contains(voter) => println!("node {voter} at {addr} answers"),
            Some(addr) => println!("node {voter} at {addr} does not answer"),
        }
    }
    for (partition, members) in &members {
        for set in [&members.voters, &members.outgoing] {
            let alive = set.iter().filter(|voter| answering.contains(&node_of(**voter))).count();
            if 2 * alive > set.len() {
                return Err(miette::miette!(
                    code = "promote::quorum-answers",
                    help = "the old side can go on by itself; to move it here, add nodes here and remove the others",
                    "{alive} of the {} voters of partition {partition} answer",
                    set.len()
                ));
            }
        }
    }
    if !answering.is_empty() {
        println!("Those that answer are no quorum. End them before the new life begins.");
    }
    Ok(())
}

/// Who had replicas. Where the log cannot say it, whoever the configuration names.
fn members(file: &NodeFile, former: &Former, own: &Own) -> BTreeMap<PartitionId, Members> {
    let of = |partition: &PartitionId| {
        let known = own.members(*partition).filter(|members| !members.voters.is_empty()).cloned();
        let configured = || {
            let nodes = file.peers.iter().map(|peer| peer.node).chain([file.node]).map(NodeId::new);
            Members::founders(&nodes.collect::<Vec<_>>())
        };
        (*partition, known.unwrap_or_else(configured))
    };
    former.partitions.iter().map(of).collect()
}

fn tell(partition: PartitionId, cut: &Cut, uncommitted: u64) {
    println!(
        "  partition {partition}: entry {}, position {}, {}, digest {:032x}",
        cut.place.index,
        cut.place.position,
        text_of(cut.place.timestamp),
        cut.digest
    );
    let undone = cut.wanted - cut.place.index;
    if undone > 0 {
        let mail = cut
            .undone
            .iter()
            .map(|(peer, mail)| format!("{} mails to partition {peer} and {} from it", mail.sent, mail.received));
        let mail = mail.collect::<Vec<_>>().join(", ");
        println!("    {undone} later entries do not fit what there is of other partitions, and are undone: {mail}");
    }
    if uncommitted > 0 {
        println!("    {uncommitted} later entries are not known to have been committed, and are left out");
    }
}

/// Replays every partition up to its cut, its events into files, and begins the new life with it: no market matches.
fn bring_back(
    former: &Former,
    own: &Own,
    cuts: &BTreeMap<PartitionId, Cut>,
    life: &NewLife,
    scratch: &Path,
) -> miette::Result<Vec<Laid>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::from_nanos(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
    let mut laid = Vec::new();
    for (partition, cut) in cuts {
        let directory = scratch.join(format!("events-{partition}"));
        let files = EventFiles::create(&directory, *partition).into_diagnostic()?;
        let mut replay = recovery::replay_to(former, own, *partition, cut, files.sink()).map_err(not_whole)?;
        if *partition == former.ledger {
            let closed = recovery::cancel_only(&mut replay, now).into_diagnostic()?;
            println!("{} markets accept cancels alone from here on, {} are halted", closed.cancel_only, closed.halted);
        }
        files.finish(replay.place().position).into_diagnostic()?;
        laid.push(life.begin(*partition, replay, directory));
    }
    Ok(laid)
}
