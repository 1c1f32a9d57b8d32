//! The demo's directory: the one that was named, kept; or a temporary one, removed at the end.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use miette::{IntoDiagnostic, WrapErr};
use serde::{Deserialize, Serialize};

use super::layout::{FIRST_EPOCH, Kind, NODES, Paths};
use crate::config::Durability;
use crate::private;

/// The file of what stays the same from start to start.
const SETTINGS: &str = "demo.toml";

/// A directory that no other demo uses.
pub struct Home {
    /// What is where.
    pub paths: Paths,
    /// Which cells share a partition; fixed at the first start.
    pub kind: Kind,
    /// Where a quorum has what is acknowledged; as at the last start, unless another is asked for.
    pub durability: Durability,
    /// The numbers of its nodes, ascending.
    pub nodes: Vec<u64>,
    /// The cluster's epoch: raised when it was restored from a backup.
    pub epoch: u64,
    _lock: File,
    temporary: Option<tempfile::TempDir>,
}

/// What must stay the same from start to start.
#[derive(Debug, Serialize, Deserialize)]
struct Settings {
    layout: Kind,
    #[serde(default)]
    durability: Durability,
    #[serde(default = "first_epoch")]
    epoch: u64,
    /// Others than the first three, once nodes have joined or left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nodes: Option<Vec<u64>>,
}

fn first_epoch() -> u64 {
    FIRST_EPOCH
}

fn settings(dir: &Path) -> miette::Result<Settings> {
    let path = dir.join(SETTINGS);
    let cannot_use = || format!("cannot use {}", path.display());
    let text = std::fs::read_to_string(&path).into_diagnostic().wrap_err_with(cannot_use)?;
    toml::from_str(&text).into_diagnostic().wrap_err_with(cannot_use)
}

/// The numbers of the nodes of the demo in this directory.
pub fn nodes(dir: &Path) -> miette::Result<Vec<u64>> {
    Ok(settings(dir)?.nodes.unwrap_or_else(|| (1..=NODES).collect()))
}

/// Keeps demos out of the directory for as long as what is returned lives; told of one that runs in it with `who` and `help`.
fn claim(dir: &Path, who: &str, help: &str) -> miette::Result<File> {
    let cannot_use = || format!("cannot use the data directory {}", dir.display());
    let lock = OpenOptions::new().write(true).create(true).truncate(false).open(dir.join("demo.lock"));
    let lock = lock.into_diagnostic().wrap_err_with(cannot_use)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(miette::miette!(help = help, "{who} runs in {}", dir.display())),
        Err(TryLockError::Error(error)) => Err(error).into_diagnostic().wrap_err_with(cannot_use),
    }
}

/// For what must not be done while the demo in this directory runs, which would go on in its old life. Nobody starts it while
/// what is returned lives.
pub fn keep_down(dir: &Path) -> miette::Result<File> {
    claim(dir, "a demo", "end that demo first: it would go on as it is, and what it acknowledges then would be lost")
}

/// The demo in this directory has been restored from a backup, and has another epoch from now on.
pub fn raise_epoch(dir: &Path, epoch: u64) -> miette::Result<()> {
    keep(dir, &Settings { epoch, ..settings(dir)? })
}

/// A node of the demo in this directory has been promoted: it alone is the cluster from now on, in another epoch.
pub fn promoted(dir: &Path, epoch: u64, node: u64) -> miette::Result<()> {
    let settings = settings(dir)?;
    if settings.epoch == epoch && settings.nodes.as_ref().is_some_and(|nodes| nodes.contains(&node)) {
        // Told before; others may have joined it since.
        return Ok(());
    }
    keep(dir, &Settings { epoch, nodes: Some(vec![node]), ..settings })
}

/// The directory of the demo that a node's data directory belongs to.
pub fn of_node(data_dir: &Path) -> Option<&Path> {
    data_dir.parent().filter(|dir| dir.join(SETTINGS).exists())
}

fn keep(dir: &Path, settings: &Settings) -> miette::Result<()> {
    let path = dir.join(SETTINGS);
    let text = toml::to_string(settings).into_diagnostic()?;
    let written = private::write(&path, text.as_bytes()).into_diagnostic();
    written.wrap_err_with(|| format!("cannot use {}", path.display()))
}

impl Home {
    /// Makes or opens the directory. `wanted` and `durability` are what was asked for, if they were.
    pub fn open(data_dir: Option<&Path>, wanted: Option<Kind>, durability: Option<Durability>) -> miette::Result<Home> {
        let temporary = match data_dir {
            Some(_) => None,
            None => Some(tempfile::Builder::new().prefix("mainstay-").tempdir().into_diagnostic()?),
        };
        let dir = data_dir.or(temporary.as_ref().map(tempfile::TempDir::path)).unwrap_or(Path::new("."));
        let cannot_use = || format!("cannot use the data directory {}", dir.display());
        private::make_dir(dir).into_diagnostic().wrap_err_with(cannot_use)?;
        let dir = dir.canonicalize().into_diagnostic().wrap_err_with(cannot_use)?;
        let lock = claim(&dir, "another demo", "end that demo first, or name another --data-dir")?;
        let paths = Paths(dir);
        private::make_dir(&paths.logs()).into_diagnostic().wrap_err_with(cannot_use)?;
        let Settings { layout: kind, durability, epoch, nodes } = settle(&paths.0, wanted, durability)?;
        let nodes = nodes.unwrap_or_else(|| (1..=NODES).collect());
        Ok(Home { paths, kind, durability, epoch, nodes, _lock: lock, temporary })
    }

    /// Remembers which nodes there are, for the next start.
    pub fn keep_nodes(&mut self, nodes: Vec<u64>) -> miette::Result<()> {
        keep(&self.paths.0, &Settings { nodes: Some(nodes.clone()), ..settings(&self.paths.0)? })?;
        self.nodes = nodes;
        Ok(())
    }

    /// Looks whether a promotion has begun another life meanwhile; its epoch and nodes are known then.
    pub fn has_another_life(&mut self) -> miette::Result<bool> {
        let Settings { epoch, nodes, .. } = settings(&self.paths.0)?;
        let is_another = epoch > self.epoch;
        if let Some(nodes) = nodes.filter(|_| is_another) {
            (self.epoch, self.nodes) = (epoch, nodes);
        }
        Ok(is_another)
    }

    /// Whether it is removed at the end.
    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }
}

/// What an earlier start settled, or what is wanted, for the next starts. The layout stays; durability may change between two
/// starts.
fn settle(dir: &Path, wanted: Option<Kind>, durability: Option<Durability>) -> miette::Result<Settings> {
    let path = dir.join(SETTINGS);
    let cannot_use = || format!("cannot use {}", path.display());
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let settings: Settings = toml::from_str(&text).into_diagnostic().wrap_err_with(cannot_use)?;
            let layout = settings.layout;
            if wanted.is_some_and(|wanted| wanted != layout) {
                miette::bail!(
                    help = "leave --layout away, or name another --data-dir",
                    "the exchange in {} has the layout {layout}, which cannot be changed",
                    dir.display()
                );
            }
            match durability {
                Some(durability) if durability != settings.durability => {
                    let settings = Settings { durability, ..settings };
                    keep(dir, &settings)?;
                    Ok(settings)
                }
                _ => Ok(settings),
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let layout = wanted.unwrap_or(Kind::Split);
            let settings =
                Settings { layout, durability: durability.unwrap_or_default(), epoch: FIRST_EPOCH, nodes: None };
            keep(dir, &settings)?;
            Ok(settings)
        }
        Err(error) => Err(error).into_diagnostic().wrap_err_with(cannot_use),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_keeps_its_layout_and_holds_one_demo() {
        let dir = tempfile::tempdir().unwrap();
        let first = Home::open(Some(dir.path()), Some(Kind::Joint), None).unwrap();
        let error = Home::open(Some(dir.path()), None, None).err().unwrap().to_string();
        assert!(error.contains("another demo runs"), "{error}");
        drop(first);
        assert_eq!(Home::open(Some(dir.path()), None, None).unwrap().kind, Kind::Joint);
        let error = Home::open(Some(dir.path()), Some(Kind::Split), None).err().unwrap().to_string();
        assert!(error.contains("has the layout joint"), "{error}");
        let mut home = Home::open(Some(dir.path()), None, None).unwrap();
        assert_eq!(home.nodes, [1, 2, 3]);
        home.keep_nodes(vec![1, 3, 4]).unwrap();
        drop(home);
        assert_eq!(Home::open(Some(dir.path()), None, None).unwrap().nodes, [1, 3, 4]);
    }

    #[test]
    fn a_restored_demo_keeps_its_layout_and_has_another_epoch() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Home::open(Some(dir.path()), Some(Kind::Joint), None).unwrap().epoch, FIRST_EPOCH);
        raise_epoch(dir.path(), 5).unwrap();
        let home = Home::open(Some(dir.path()), None, None).unwrap();
        assert_eq!((home.kind, home.epoch), (Kind::Joint, 5));
    }

    #[test]
    fn durability_is_remembered_and_may_be_changed_at_a_start() {
        let dir = tempfile::tempdir().unwrap();
        let start = |wanted| Home::open(Some(dir.path()), None, wanted).unwrap().durability;
        assert_eq!(start(None), Durability::QuorumFsync);
        assert_eq!(start(Some(Durability::QuorumMemory)), Durability::QuorumMemory);
        assert_eq!(start(None), Durability::QuorumMemory);
        assert_eq!(start(Some(Durability::QuorumFsync)), Durability::QuorumFsync);
        assert_eq!(start(None), Durability::QuorumFsync);
        // A directory of a build that did not write it down.
        std::fs::write(dir.path().join(SETTINGS), "layout = \"joint\"\nepoch = 2\n").unwrap();
        assert_eq!(start(None), Durability::QuorumFsync);
    }

    #[test]
    fn a_demo_that_runs_learns_of_a_promotion_in_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let mut home = Home::open(Some(dir.path()), Some(Kind::Joint), Some(Durability::QuorumMemory)).unwrap();
        home.keep_nodes(vec![1, 2, 3, 4]).unwrap();
        assert!(!home.has_another_life().unwrap());
        assert_eq!(of_node(&home.paths.node(4)), Some(home.paths.0.as_path()));
        promoted(&home.paths.0, 2, 4).unwrap();
        assert!(home.has_another_life().unwrap());
        assert_eq!((home.epoch, home.nodes.as_slice()), (2, [4].as_slice()));
        assert!(!home.has_another_life().unwrap());
        // Told once more by a promotion that was broken off at its end, when another node has joined already.
        home.keep_nodes(vec![4, 5]).unwrap();
        promoted(&home.paths.0, 2, 4).unwrap();
        drop(home);
        let home = Home::open(Some(dir.path()), None, None).unwrap();
        assert_eq!(
            (home.kind, home.durability, home.epoch, home.nodes),
            (Kind::Joint, Durability::QuorumMemory, 2, vec![4, 5])
        );
    }

    #[test]
    fn a_temporary_directory_is_gone_at_the_end_and_a_named_one_stays() {
        let temporary = Home::open(None, None, None).unwrap();
        let path = temporary.paths.0.clone();
        assert!(temporary.is_temporary() && path.exists());
        drop(temporary);
        assert!(!path.exists());
        let dir = tempfile::tempdir().unwrap();
        drop(Home::open(Some(&dir.path().join("named")), None, None).unwrap());
        assert!(dir.path().join("named").exists());
    }
}
