//! `mainstay ctl version`: by which version the cells of each partition behave, and which versions nodes know.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde::Deserialize;
use wire::link::{MemberChange, MemberOutcome};
use wire::{NodeId, PartitionId};

use super::Place;
use super::group::{Group, Wish};
use crate::http;

/// A page of a frozen process never comes.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long a leader may wait to hear which versions others know.
const HEARD_WITHIN: Duration = Duration::from_secs(5);
/// How long it takes everybody to apply an entry, and to take a snapshot behind it.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// `mainstay ctl version`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Builds of different versions serve together; what they do changes only with the entry that `version set` puts into each
partition's log. A leader refuses a version that not every member knows. Back is the same way, with a smaller number; then
nodes may be started with the former build as soon as this command has ended. Errors have codes that stay: version::unknown,
version::cannot-run, version::no-leader, version::change-under-way, version::not-settled.")]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Have every partition behave by this version from now on.
    Set {
        /// Which.
        version: u16,
    },
}

/// What is read of a node's `/status`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Page {
    /// Whether every partition has a leader and is caught up.
    pub ready: bool,
    /// The partition with the ledger.
    pub ledger: u16,
    /// Bytes of memory that it may still take, where it says.
    #[serde(default)]
    pub memory_available: Option<u64>,
    /// Its replicas.
    pub partitions: Vec<Replica>,
}

/// See `node::PartitionStatus`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Replica {
    pub partition: u16,
    pub leader: Option<u64>,
    pub version: u16,
    pub versions: [u16; 2],
    pub version_at: u64,
    pub snapshot_position: u64,
    pub caught_up: bool,
    pub lag: u64,
    pub failed: Option<String>,
    /// A build before this one says nothing of them.
    #[serde(default)]
    pub tables: Vec<Table>,
}

/// See `node::TableStatus`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Table {
    pub table: String,
    pub rows: u64,
    pub rows_max: u32,
}

/// Does what was asked.
pub(super) async fn run(place: &Place, args: Args) -> miette::Result<()> {
    match args.command {
        None => show(place).await,
        Some(Command::Set { version }) => set(place, version).await,
    }
}

/// What a node says of itself.
pub(crate) async fn page(http: &str) -> Option<Page> {
    let (_, body) = http::get(&format!("{http}/status"), ANSWER_WITHIN).await?;
    serde_json::from_slice(&body).ok()
}

/// What each node says of itself; `None` of one that does not answer.
pub(super) async fn pages(place: &Place) -> miette::Result<Vec<(u64, Option<Page>)>> {
    let mut pages = Vec::new();
    for node in &place.state()?.nodes {
        pages.push((node.id, page(&node.http).await));
    }
    Ok(pages)
}

/// The versions that every node knows; `None` while one does not answer, or they have none in common.
pub(crate) fn known_by_all(pages: &[(u64, Option<Page>)]) -> Option<[u16; 2]> {
    let mut common = [0, u16::MAX];
    for (_, page) in pages {
        for replica in &page.as_ref()?.partitions {
            common = [common[0].max(replica.versions[0]), common[1].min(replica.versions[1])];
        }
    }
    (common[0] > 0 && common[0] <= common[1]).then_some(common)
}

async fn show(place: &Place) -> miette::Result<()> {
    let mut text = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| {
        // A string takes everything.
        let _ = writeln!(text, "{line}");
    };
    line(format_args!("{:<7}  {:<9}  {:>7}  {:<7}", "node", "partition", "version", "knows"));
    for (node, page) in pages(place).await? {
        let name = format!("node-{node}");
        let Some(page) = page else {
            line(format_args!("{name:<7}  does not answer"));
            continue;
        };
        for Replica { partition, version, versions: [first, last], .. } in page.partitions {
            line(format_args!("{name:<7}  {partition:<9}  {version:>7}  {first} to {last}"));
        }
    }
    print!("{text}");
    Ok(())
}

/// Has every partition behave by a version, and waits until every node does and starts behind it.
pub(super) async fn set(place: &Place, version: u16) -> miette::Result<()> {
    everybody_knows(version, &pages(place).await?)?;
    let group = Group::connect(place).await?;
    for partition in group.partitions() {
        move_partition(&group, *partition, version).await?;
    }
    let begun = Instant::now();
    loop {
        let behind: Vec<String> =
            pages(place).await?.iter().filter_map(|(node, page)| why_not(*node, page, version)).collect();
        if behind.is_empty() {
            println!("every partition behaves by version {version}, on every node");
            return Ok(());
        }
        if begun.elapsed() > SETTLED_WITHIN {
            let help =
                "the logs say the version; wait for `mainstay ctl version` to show it everywhere before another build";
            return Err(miette::miette!(code = "version::not-settled", help = help, "{}", behind.join("; ")));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A version that somebody does not know is in nobody's log, rather than in some.
fn everybody_knows(version: u16, pages: &[(u64, Option<Page>)]) -> miette::Result<()> {
    for (node, page) in pages {
        let help = "see `mainstay ctl version`; every member must run, with a build that knows the version";
        let Some(page) = page else {
            return Err(miette::miette!(code = "version::cannot-run", help = help, "node {node} does not answer"));
        };
        if let Some(replica) = page.partitions.iter().find(|it| !(it.versions[0]..=it.versions[1]).contains(&version)) {
            let [first, last] = replica.versions;
            let what = format!("node {node} knows versions {first} to {last}, not {version}");
            return Err(miette::miette!(code = "version::cannot-run", help = help, "{what}"));
        }
    }
    Ok(())
}

async fn move_partition(group: &Group, partition: PartitionId, version: u16) -> miette::Result<()> {
    let begun = Instant::now();
    let node = NodeId::default();
    let wish = Wish { change: MemberChange::SetVersion, node, address: None, instead_of: None, version };
    loop {
        let outcome = group.ask(partition, wish).await;
        let Some((code, why)) = not_yet(outcome) else {
            println!("partition {partition} behaves by version {version}");
            return Ok(());
        };
        if outcome == Some(MemberOutcome::NotPermitted) {
            return Err(miette::miette!(code = code, "{why}"));
        }
        if begun.elapsed() > HEARD_WITHIN {
            let help = "partitions before it may have moved: give the command again, or set the former version";
            return Err(miette::miette!(code = code, help = help, "partition {partition}: {why}"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Why a partition does not behave by the version yet: a code and words; `None` when it does.
fn not_yet(outcome: Option<MemberOutcome>) -> Option<(&'static str, &'static str)> {
    Some(match outcome {
        Some(MemberOutcome::IsSo) => return None,
        // Once more, until its leader has applied it.
        Some(MemberOutcome::Proposed) => ("version::no-leader", "it is not committed"),
        Some(MemberOutcome::CannotRun) => {
            ("version::cannot-run", "its leader has not heard from every member that it knows the version")
        }
        Some(MemberOutcome::NotPermitted) => ("version::not-permitted", "only operators move versions"),
        Some(MemberOutcome::UnderWay) => {
            ("version::change-under-way", "another change of it, or of its members, is under way")
        }
        Some(MemberOutcome::Busy) => ("version::no-leader", "its leader has too much to do"),
        Some(MemberOutcome::UnknownPartition) => ("version::no-leader", "who answers for it has no replica of it"),
        _ => ("version::no-leader", "nobody leads it, or nobody answers"),
    })
}

/// Why a node may not be started with another build yet.
fn why_not(node: u64, page: &Option<Page>, version: u16) -> Option<String> {
    let Some(page) = page else { return Some(format!("node {node} does not answer")) };
    let replica = page.partitions.iter().find(|it| it.version != version || it.snapshot_position < it.version_at)?;
    let partition = replica.partition;
    Some(match replica.version == version {
        false => format!("node {node} has not applied it in partition {partition}"),
        true => format!("node {node} has no snapshot of partition {partition} behind it"),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn page(version: u16, versions: [u16; 2], version_at: u64, snapshot_position: u64) -> Option<Page> {
        let (partition, leader, caught_up, lag, failed) = (1, Some(1), true, 0, None);
        let replica = Replica {
            partition,
            leader,
            version,
            versions,
            version_at,
            snapshot_position,
            caught_up,
            lag,
            failed,
            tables: Vec::new(),
        };
        Some(Page { ready: true, ledger: 1, memory_available: None, partitions: vec![replica] })
    }

    #[test]
    fn a_version_is_asked_for_only_when_every_node_knows_it() {
        let pages = [(1, page(1, [1, 2], 0, 0)), (2, page(1, [1, 1], 0, 0))];
        assert!(everybody_knows(1, &pages).is_ok());
        let error = everybody_knows(2, &pages).unwrap_err();
        assert!(error.to_string().contains("node 2 knows versions 1 to 1, not 2"), "{error}");
        assert!(everybody_knows(1, &[(1, None)]).is_err(), "who does not answer may know anything");
        assert_eq!(known_by_all(&pages), Some([1, 1]));
        assert_eq!(known_by_all(&[(1, page(2, [2, 3], 0, 0)), (2, page(1, [1, 1], 0, 0))]), None);
    }

    #[test]
    fn a_change_that_is_under_way_is_not_taken_for_a_partition_without_a_leader() {
        assert_eq!(not_yet(Some(MemberOutcome::UnderWay)).unwrap().0, "version::change-under-way");
        for nobody in [None, Some(MemberOutcome::NotLeader)] {
            assert_eq!(not_yet(nobody).unwrap().0, "version::no-leader");
        }
        assert_eq!(not_yet(Some(MemberOutcome::IsSo)), None);
    }

    #[test]
    fn a_node_may_have_another_build_once_its_snapshot_is_behind_the_entry() {
        assert!(why_not(1, &page(1, [1, 2], 0, 0), 2).unwrap().contains("has not applied it"));
        assert!(why_not(1, &page(2, [1, 2], 90, 89), 2).unwrap().contains("no snapshot"));
        assert_eq!(why_not(1, &page(2, [1, 2], 90, 90), 2), None);
        assert!(why_not(1, &None, 2).is_some());
    }
}
