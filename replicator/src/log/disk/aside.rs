//! A log that is damaged, or has less than was acknowledged, is set aside whole and an empty one begun in its place, which says
//! that it is not the first: its node returns to its groups as one that has promised nothing.
//!
//! The new directory gets its name last, so a crash in between leaves the damaged one under its name, or nobody under it and
//! a new one that waits ([`finish`]).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::super::StoreError;
use super::{create_directory, io, sync_directory};

/// In a log's directory: there was another before.
const NOT_THE_FIRST: &str = "not-the-first";

fn beside(directory: &Path, suffix: &str) -> PathBuf {
    let mut name = directory.file_name().unwrap_or_default().to_os_string();
    name.push(suffix);
    directory.with_file_name(name)
}

/// Sets the log in `directory`, which nobody has open, aside. Returns where it is now.
pub fn set_aside(directory: &Path) -> Result<PathBuf, StoreError> {
    let next = beside(directory, ".next");
    create_directory(&next)?;
    let path = next.join(NOT_THE_FIRST);
    let made = File::create(&path).and_then(|file| file.sync_all());
    made.map_err(|error| io("creating", &path, &error))?;
    sync_directory(&next)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let aside = beside(directory, &format!(".aside-{now}"));
    std::fs::rename(directory, &aside).map_err(|error| io("setting aside", directory, &error))?;
    finish(directory)?;
    Ok(aside)
}

/// Finishes what a crash has broken off.
pub fn finish(directory: &Path) -> Result<(), StoreError> {
    let next = beside(directory, ".next");
    if directory.exists() || !next.join(NOT_THE_FIRST).exists() {
        return Ok(());
    }
    std::fs::rename(&next, directory).map_err(|error| io("naming", &next, &error))?;
    sync_directory(directory.parent().unwrap_or(Path::new(".")))
}

/// Whether there was another log before this one.
pub fn is_not_the_first(directory: &Path) -> bool {
    directory.join(NOT_THE_FIRST).exists()
}
