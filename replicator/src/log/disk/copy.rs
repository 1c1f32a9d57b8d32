//! A copy of the logs of a node, which may be running.
//!
//! At every moment the directory of a node is what a crash would leave, and opens. A copy takes a while and is the same only if
//! what is in it was there together:
//!
//! - Of the engine's files the last of each kind alone is written to, at its end; it goes on to another, and removes those that
//!   are of no use any more. So the copy is whole if the same files are there behind it as were before it.
//! - What was promised is copied before the entries, which then are as many or more. A log that another leader has cut back
//!   meanwhile may have less of them than was promised before.
//! - Snapshots are copied behind the entries: those that a log begins behind are there before it begins there.
//!
//! Where it is not so the copy is brought up to date: what cannot have changed is not copied again, so that a few rounds do, also
//! of a node that writes much. Damage is never looked at here: it is copied, and found by whoever opens the copy.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Result};
use std::path::{Path, PathBuf};

use wire::PartitionId;

use super::super::StoreError;
use super::ahead::NEXT;
use super::marker::{self, DRAFT, Promise};
use super::snapshots::{SUFFIX, UNFINISHED};
use super::{create_directory, io, writer};

/// A round takes a fraction of the time in which a node goes on to its next file.
const ROUNDS_MAX: usize = 10;
/// What has no name of its own yet.
const DRAFTS: [&str; 3] = [NEXT, UNFINISHED, DRAFT];

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Something cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was never whole.
    #[error(
        "{directory} was copied {ROUNDS_MAX} times, and each time its node had gone on to other files before the copy was \
         whole. That says nothing of the log: ask again when the node writes less, or has ended"
    )]
    Restless {
        /// What was to be copied.
        directory: String,
    },
}

/// Copies the logs in `from`, whose node may be running, to the directory `to`, which is new or empty.
pub fn copy(from: &Path, to: &Path) -> std::result::Result<(), CopyError> {
    copy_noting(from, to, &mut |_| {})
}

/// Says before each file that it is copied now.
fn copy_noting(from: &Path, to: &Path, note: &mut dyn FnMut(&Path)) -> std::result::Result<(), CopyError> {
    let mut copy = Copy { from, to, settled: BTreeSet::new(), note };
    for _ in 0..ROUNDS_MAX {
        if copy.round()? {
            return Ok(());
        }
    }
    Err(CopyError::Restless { directory: from.display().to_string() })
}

struct Copy<'a> {
    from: &'a Path,
    to: &'a Path,
    /// Files that were copied when nobody wrote to them any more.
    settled: BTreeSet<PathBuf>,
    note: &'a mut dyn FnMut(&Path),
}

impl Copy<'_> {
    /// Copies what is not settled. Returns whether the copy is whole.
    fn round(&mut self) -> std::result::Result<bool, StoreError> {
        let listed = |error| io("listing", self.from, &error);
        let found = list(self.from).map_err(listed)?;
        self.forget_others(&found)?;
        let growing = growing(&found);
        let (entries, snapshots) = (writer::entries(Path::new("")), Path::new("snapshots"));
        let (of_entries, rest) = found.iter().partition::<Vec<_>, _>(|path| path.starts_with(&entries));
        let (of_snapshots, rest) = rest.into_iter().partition::<Vec<_>, _>(|path| path.starts_with(snapshots));
        self.take(&rest, &growing)?;
        let promised = marker::promises(self.to)?;
        self.take(&of_entries, &growing)?;
        let is_kept = keeps(promised.as_ref(), marker::promises(self.from)?.as_ref());
        self.take(&of_snapshots, &growing)?;
        Ok(is_kept && list(self.from).map_err(|error| io("listing", self.from, &error))? == found)
    }

    /// Removes from the copy what is not there any more.
    fn forget_others(&mut self, found: &BTreeSet<PathBuf>) -> std::result::Result<(), StoreError> {
        create_directory(self.to)?;
        let copied = list(self.to).map_err(|error| io("listing", self.to, &error))?;
        for path in copied.difference(found) {
            self.settled.remove(path);
            let path = self.to.join(path);
            fs::remove_file(&path).map_err(|error| io("removing", &path, &error))?;
        }
        Ok(())
    }

    fn take(&mut self, paths: &[&PathBuf], growing: &BTreeSet<&Path>) -> std::result::Result<(), StoreError> {
        for path in paths {
            if self.settled.contains(*path) {
                continue;
            }
            (self.note)(path);
            let (from, to) = (self.from.join(path), self.to.join(path));
            create_directory(to.parent().unwrap_or(self.to))?;
            let is_growing = growing.contains(path.as_path());
            let taken = if is_growing { copy_grown(&from, &to) } else { fs::copy(&from, &to).map(drop) };
            match taken {
                Ok(()) if is_immutable(path) && !is_growing => drop(self.settled.insert((*path).clone())),
                Ok(()) => {}
                // A node that runs removes what it does not need any more: the next list does not have it.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(io("copying", &from, &error)),
            }
        }
        Ok(())
    }
}

/// Copies a file that is written to at its end, up to where it is the same when it is read again: what is behind that was being
/// written, and may have been read in pieces of different moments.
fn copy_grown(from: &Path, to: &Path) -> Result<()> {
    let (first, again) = (fs::read(from)?, fs::read(from)?);
    let same = first.iter().zip(&again).take_while(|(one, other)| one == other).count();
    fs::write(to, &first[..same])
}

/// All files below a directory that have their names, by their paths in it.
fn list(directory: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut rest = vec![PathBuf::new()];
    while let Some(inner) = rest.pop() {
        let listing = match fs::read_dir(directory.join(&inner)) {
            // It has another name by now.
            Err(error) if error.kind() == ErrorKind::NotFound && !inner.as_os_str().is_empty() => continue,
            listing => listing?,
        };
        for file in listing {
            let file = file?;
            let path = inner.join(file.file_name());
            if file.file_type()?.is_dir() {
                rest.push(path);
            } else if !DRAFTS.iter().any(|draft| file.file_name() == *draft) {
                found.insert(path);
            }
        }
    }
    Ok(found)
}

/// The engine's files that are written to: the last of each kind.
fn growing(found: &BTreeSet<PathBuf>) -> BTreeSet<&Path> {
    let entries = writer::entries(Path::new(""));
    let mut last: BTreeMap<Option<&OsStr>, &Path> = BTreeMap::new();
    for path in found.iter().filter(|path| path.starts_with(&entries)) {
        last.insert(path.extension(), path);
    }
    last.into_values().collect()
}

/// Whether a file is the same until it is removed, unless it is growing.
fn is_immutable(path: &Path) -> bool {
    let is_snapshot = path.to_str().is_some_and(|path| path.ends_with(SUFFIX));
    is_snapshot || path.starts_with(writer::entries(Path::new("")))
}

/// Whether nothing that was promised before was taken back since: nobody else has begun to lead, or to write a log.
fn keeps(before: Option<&BTreeMap<PartitionId, Promise>>, after: Option<&BTreeMap<PartitionId, Promise>>) -> bool {
    let (before, after) = match (before, after) {
        (Some(before), Some(after)) => (before, after),
        // There is none, or none can be read, which is not this module's business.
        (before, after) => return before.is_none() && after.is_none(),
    };
    let is_kept = |(partition, before): (&PartitionId, &Promise)| {
        let terms = |promise: &Promise| (promise.term, promise.index_term);
        after.get(partition).is_some_and(|after| after.index >= before.index && terms(after) == terms(before))
    };
    before.len() == after.len() && before.iter().all(is_kept)
}

#[cfg(test)]
mod tests;
