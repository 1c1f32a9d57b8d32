//! The demo's directory: the one that was named, kept; or a temporary one, removed at the end.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use miette::{IntoDiagnostic, WrapErr};
use serde::{Deserialize, Serialize};

use super::layout::{Kind, Paths};
use crate::private;

/// A directory that no other demo uses.
pub struct Home {
    /// What is where.
    pub paths: Paths,
    /// Which cells share a partition; fixed at the first start.
    pub kind: Kind,
    _lock: File,
    temporary: Option<tempfile::TempDir>,
}

/// What must stay the same from start to start.
#[derive(Debug, Serialize, Deserialize)]
struct Settings {
    layout: Kind,
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
        let kind = settle(&paths.0, wanted)?;
        Ok(Home { paths, kind, _lock: lock, temporary })
    }

    /// Whether it is removed at the end.
    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }
}

/// The layout of an earlier start, or the wanted one for the next starts.
fn settle(dir: &Path, wanted: Option<Kind>) -> miette::Result<Kind> {
    let path = dir.join("demo.toml");
    let cannot_use = || format!("cannot use {}", path.display());
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let Settings { layout } = toml::from_str(&text).into_diagnostic().wrap_err_with(cannot_use)?;
            if wanted.is_some_and(|wanted| wanted != layout) {
                miette::bail!(
                    help = "leave --layout away, or name another --data-dir",
                    "the exchange in {} has the layout {layout}, which cannot be changed",
                    dir.display()
                );
            }
            Ok(layout)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let layout = wanted.unwrap_or(Kind::Split);
            let text = toml::to_string(&Settings { layout }).into_diagnostic()?;
            private::write(&path, text.as_bytes()).into_diagnostic().wrap_err_with(cannot_use)?;
            Ok(layout)
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
