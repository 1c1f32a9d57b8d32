//! What keeps the demo's nodes from serving, told to who looks at its console: a disk that is nearly full, in the words of the
//! node's own page, and a partition that nobody leads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use tokio::time::Instant;

use super::layout::{DISK_RESERVE_MB, Layout};
use crate::http;

const MB: u64 = 1024 * 1024;
/// A node of this machine that takes longer is frozen.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// For an election nobody is told.
const LEADERLESS_AFTER: Duration = Duration::from_secs(3);

/// Refuses a disk on which no node would lead.
pub fn check_disk(dir: &Path) -> miette::Result<()> {
    // One that does not say is one whose writes will fail, and they say why.
    let Ok(said) = statvfs(dir) else { return Ok(()) };
    enough(dir, said.blocks_available().saturating_mul(said.fragment_size()))
}

fn enough(dir: &Path, free: u64) -> miette::Result<()> {
    let needed = 2 * DISK_RESERVE_MB;
    if free < needed * MB {
        return Err(miette::miette!(
            help = "make room, or name a --data-dir on another disk",
            "the disk of {} has {} MB left, and nodes need more than {needed} MB to lead: they write nothing into the last {} MB",
            dir.display(),
            free / MB,
            DISK_RESERVE_MB
        ));
    }
    Ok(())
}

/// Of a node that says nothing.
const SILENT: &str = "it does not answer";

/// What each node says that is not ready.
pub async fn reasons(layout: &Layout) -> BTreeMap<u64, String> {
    let mut said = BTreeMap::new();
    for node in &layout.nodes {
        match http::get(&format!("http://{}/readyz", node.http), ANSWER_WITHIN).await {
            Some((200, _)) => {}
            Some((_, body)) => drop(said.insert(node.id, String::from_utf8_lossy(&body).trim().to_owned())),
            None => drop(said.insert(node.id, SILENT.to_owned())),
        }
    }
    said
}

/// What has been told, so that it is told once.
#[derive(Debug, Default)]
pub struct Told {
    disks: BTreeMap<u64, String>,
    leaderless: BTreeMap<u16, Instant>,
    waiting: BTreeSet<u16>,
}

impl Told {
    /// What is news of nodes that say this; those that are not in it are ready.
    pub fn news(&mut self, said: &BTreeMap<u64, String>) -> Vec<String> {
        let mut news = Vec::new();
        for (id, why) in said {
            let Some(disk) = why.strip_prefix("not ready: ").filter(|why| why.starts_with("the disk is ")) else {
                continue;
            };
            // How much is left changes with every look.
            let kind = disk.split(',').next().unwrap_or(disk).to_owned();
            if self.disks.insert(*id, kind.clone()) != Some(kind) {
                news.push(format!("node-{id}: {disk}."));
            }
        }
        self.disks.retain(|id, _| {
            let is_over = said.get(id).is_none_or(|why| why != SILENT && !why.contains("the disk is "));
            if is_over {
                news.push(format!("node-{id}: its disk has room again."));
            }
            !is_over
        });
        news
    }

    /// Whether it is news that a partition has no leader, or has had none for long enough to say so.
    pub fn is_leaderless(&mut self, partition: u16, has_leader: bool, now: Instant) -> bool {
        if has_leader {
            self.leaderless.remove(&partition);
            self.waiting.remove(&partition);
            return false;
        }
        let since = *self.leaderless.entry(partition).or_insert(now);
        now - since >= LEADERLESS_AFTER && self.waiting.insert(partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_node_that_says_nothing_no_disk_has_room_again() {
        let mut told = Told::default();
        let said = |why: &str| BTreeMap::from([(1, why.to_owned())]);
        assert_eq!(told.news(&said("not ready: the disk is full, 0 bytes are free")).len(), 1);
        assert_eq!(told.news(&said(SILENT)), Vec::<String>::new());
        assert_eq!(told.news(&BTreeMap::new()), ["node-1: its disk has room again."]);
    }

    fn said(of: &[(u64, &str)]) -> BTreeMap<u64, String> {
        of.iter().map(|(id, why)| (*id, (*why).to_owned())).collect()
    }

    #[test]
    fn a_disk_on_which_nobody_would_lead_is_refused_with_what_is_left() {
        assert!(enough(Path::new("/x"), 128 * MB).is_ok());
        let error = enough(Path::new("/x"), 98 * MB).unwrap_err().to_string();
        assert!(error.contains("98 MB left") && error.contains("more than 128 MB"), "{error}");
    }

    #[test]
    fn a_full_disk_is_told_once_and_when_it_is_over() {
        let mut told = Told::default();
        assert!(
            told.news(&said(&[(1, "not ready: a partition has no leader, or this node is catching up")])).is_empty()
        );
        let full =
            |free| format!("not ready: the disk is full, {free} bytes are free: it writes nothing until there is more");
        let first = told.news(&said(&[(1, &full(5))]));
        assert_eq!(first, ["node-1: the disk is full, 5 bytes are free: it writes nothing until there is more."]);
        assert!(told.news(&said(&[(1, &full(3))])).is_empty());
        let low = told.news(&said(&[(1, "not ready: the disk is low, 9 bytes are free: others are to lead")]));
        assert_eq!(low, ["node-1: the disk is low, 9 bytes are free: others are to lead."]);
        assert_eq!(told.news(&said(&[])), ["node-1: its disk has room again."]);
        assert!(told.news(&said(&[])).is_empty());
    }

    #[test]
    fn a_partition_without_a_leader_is_told_once_and_not_for_an_election() {
        let mut told = Told::default();
        let now = Instant::now();
        let later = |ms| now + Duration::from_millis(ms);
        assert!(!told.is_leaderless(1, false, now));
        assert!(!told.is_leaderless(1, true, later(500)));
        assert!(!told.is_leaderless(1, false, later(600)));
        assert!(!told.is_leaderless(1, false, later(3_500)));
        assert!(told.is_leaderless(1, false, later(3_600)));
        assert!(!told.is_leaderless(1, false, later(9_000)));
        assert!(!told.is_leaderless(1, true, later(9_100)));
    }
}
