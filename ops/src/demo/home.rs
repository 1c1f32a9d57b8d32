//! The demo's directory: the one that was named, kept; or a temporary one, removed at the end.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use miette::{IntoDiagnostic, WrapErr};
use serde::{Deserialize, Serialize};

use super::layout::{FIRST_EPOCH, Kind, NODES, Paths};
use crate::private;

/// The file of what stays the same from start to start.
const SETTINGS: &str = "demo.toml";

/// A directory that no other demo uses.
pub struct Home {
    /// What is where.
    pub paths: Paths,
    /// Which cells share a partition; fixed at the first start.
    pub kind: Kind,
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

/// The demo in this directory has been restored from a backup, and has another epoch from now on.
pub fn raise_epoch(dir: &Path, epoch: u64) -> miette::Result<()> {
    let path = dir.join(SETTINGS);
    let cannot_use = || format!("cannot use {}", path.display());
    let settings = settings(dir)?;
    let text = toml::to_string(&Settings { epoch, ..settings }).into_diagnostic()?;
    private::write(&path, text.as_bytes()).into_diagnostic().wrap_err_with(cannot_use)
}

impl Home {
    /// Makes or opens the directory. `wanted` is the layout asked for, if one was.
    pub fn open(data_dir: Option<&Path>, wanted: Option<Kind>) -> miette::Result<Home> {
        let temporary = match data_dir {
            Some(_) => None,
            None => Some(tempfile::Builder::new().prefix("mainstay-").tempdir().into_diagnostic()?),
        };
        let dir = data_dir.or(temporary.as_ref().map(tempfile::TempDir::path)).unwrap_or(Path::new("."));
        let cannot_use = || format!("cannot use the data directory {}", dir.display());
        private::make_dir(dir).into_diagnostic().wrap_err_with(cannot_use)?;
        let dir = dir.canonicalize().into_diagnostic().wrap_err_with(cannot_use)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(dir.join("demo.lock"));
        let lock = lock.into_diagnostic().wrap_err_with(cannot_use)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => miette::bail!(
                help = "end that demo first, or name another --data-dir",
                "another demo runs in {}",
                dir.display()
            ),
            Err(TryLockError::Error(error)) => return Err(error).into_diagnostic().wrap_err_with(cannot_use),
        }
        let paths = Paths(dir);
        private::make_dir(&paths.logs()).into_diagnostic().wrap_err_with(cannot_use)?;
        let Settings { layout: kind, epoch, nodes } = settle(&paths.0, wanted)?;
        let nodes = nodes.unwrap_or_else(|| (1..=NODES).collect());
        Ok(Home { paths, kind, epoch, nodes, _lock: lock, temporary })
    }

    /// Remembers which nodes there are, for the next start.
    pub fn keep_nodes(&mut self, nodes: Vec<u64>) -> miette::Result<()> {
        let settings = Settings { layout: self.kind, epoch: self.epoch, nodes: Some(nodes.clone()) };
        let text = toml::to_string(&settings).into_diagnostic()?;
        let path = self.paths.0.join(SETTINGS);
        let written = private::write(&path, text.as_bytes()).into_diagnostic();
        written.wrap_err_with(|| format!("cannot use {}", path.display()))?;
        self.nodes = nodes;
        Ok(())
    }

    /// Whether it is removed at the end.
    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }
}

/// The layout of an earlier start, or the wanted one for the next starts.
fn settle(dir: &Path, wanted: Option<Kind>) -> miette::Result<Settings> {
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
            Ok(settings)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let layout = wanted.unwrap_or(Kind::Split);
            let settings = Settings { layout, epoch: FIRST_EPOCH, nodes: None };
            let text = toml::to_string(&settings).into_diagnostic()?;
            private::write(&path, text.as_bytes()).into_diagnostic().wrap_err_with(cannot_use)?;
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
        let first = Home::open(Some(dir.path()), Some(Kind::Joint)).unwrap();
        let error = Home::open(Some(dir.path()), None).err().unwrap().to_string();
        assert!(error.contains("another demo runs"), "{error}");
        drop(first);
        assert_eq!(Home::open(Some(dir.path()), None).unwrap().kind, Kind::Joint);
        let error = Home::open(Some(dir.path()), Some(Kind::Split)).err().unwrap().to_string();
        assert!(error.contains("has the layout joint"), "{error}");
        let mut home = Home::open(Some(dir.path()), None).unwrap();
        assert_eq!(home.nodes, [1, 2, 3]);
        home.keep_nodes(vec![1, 3, 4]).unwrap();
        drop(home);
        assert_eq!(Home::open(Some(dir.path()), None).unwrap().nodes, [1, 3, 4]);
    }

    #[test]
    fn a_restored_demo_keeps_its_layout_and_has_another_epoch() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Home::open(Some(dir.path()), Some(Kind::Joint)).unwrap().epoch, FIRST_EPOCH);
        raise_epoch(dir.path(), 5).unwrap();
        let home = Home::open(Some(dir.path()), None).unwrap();
        assert_eq!((home.kind, home.epoch), (Kind::Joint, 5));
    }

    #[test]
    fn a_temporary_directory_is_gone_at_the_end_and_a_named_one_stays() {
        let temporary = Home::open(None, None).unwrap();
        let path = temporary.paths.0.clone();
        assert!(temporary.is_temporary() && path.exists());
        drop(temporary);
        assert!(!path.exists());
        let dir = tempfile::tempdir().unwrap();
        drop(Home::open(Some(&dir.path().join("named")), None).unwrap());
        assert!(dir.path().join("named").exists());
    }
}
