//! Snapshots as files: written beside their name, synced, then renamed, so that a name always means a whole snapshot.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use wire::PartitionId;
use wire::codec::CodecError;

use super::super::{Snapshots, StoreError};
use super::{create_directory, free_space, io, sync_directory};
use crate::snapshot;

pub const SUFFIX: &str = ".snapshot";
/// What is being written, until it has its name.
pub const UNFINISHED: &str = "unfinished";
/// Written and synced in one go; the log's own writes come between, and wait for no more than that.
const STEP_BYTES: usize = 1024 * 1024;

/// The snapshots of one partition.
#[derive(Debug, Clone)]
pub struct SnapshotFiles {
    directory: PathBuf,
    /// Bytes of the disk that stay free.
    reserve: u64,
}

impl SnapshotFiles {
    pub fn new(directory: &Path, partition: PartitionId) -> SnapshotFiles {
        SnapshotFiles { directory: directory.join("snapshots").join(partition.to_string()), reserve: 0 }
    }

    /// What is written leaves so many bytes of the disk free.
    pub fn leaving(self, reserve: u64) -> SnapshotFiles {
        SnapshotFiles { reserve, ..self }
    }

    /// The newest snapshot that is whole. A damaged one is passed over: whether the log goes back far enough for
    /// the one before is checked by whoever loads.
    pub fn newest(&self) -> Result<Option<Vec<u8>>, StoreError> {
        for index in self.indices()?.into_iter().rev() {
            let path = self.path(index);
            let bytes = std::fs::read(&path).map_err(|error| io("reading", &path, &error))?;
            match snapshot::open(&bytes) {
                Ok(opened) if opened.header.index == index => return Ok(Some(bytes)),
                // Its bytes are right.
                Err(CodecError::UnknownNumber) => {
                    return Err(StoreError::OtherVersion { what: path.display().to_string() });
                }
                Ok(_) => tracing::error!(path = %path.display(), "a snapshot has the name of another"),
                Err(error) => tracing::error!(path = %path.display(), %error, "a snapshot is damaged"),
            }
        }
        Ok(None)
    }

    /// Removes what a process left that ended in the middle of a snapshot: its room may be what is missing.
    pub fn tidy(&self) -> Result<(), StoreError> {
        let path = self.directory.join(UNFINISHED);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(io("removing", &path, &error)),
            _ => Ok(()),
        }
    }

    /// See [`super::LogStore::read_snapshot`].
    pub fn read(&self, index: u64, offset: u64, len: usize, into: &mut Vec<u8>) -> Result<Option<u64>, StoreError> {
        let path = self.path(index);
        let failed = |error| io("reading", &path, &error);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let total = file.metadata().map_err(failed)?.len();
        let from = into.len();
        into.resize(from + (total.saturating_sub(offset)).min(len as u64) as usize, 0);
        file.read_exact_at(&mut into[from..], offset).map_err(failed)?;
        Ok(Some(total))
    }

    /// Gives what is there another name: the log that it is of is forgotten.
    pub fn set_aside(&self) -> Result<(), StoreError> {
        if !self.directory.is_dir() {
            return Ok(());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let mut name = self.directory.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".aside-{now}"));
        let aside = self.directory.with_file_name(name);
        std::fs::rename(&self.directory, &aside).map_err(|error| io("setting aside", &self.directory, &error))?;
        sync_directory(self.directory.parent().unwrap_or(Path::new(".")))
    }

    /// Where the snapshot of this index is.
    pub fn path(&self, index: u64) -> PathBuf {
        self.directory.join(format!("{index}{SUFFIX}"))
    }

    /// In ascending order.
    pub fn indices(&self) -> Result<Vec<u64>, StoreError> {
        let failed = |error| io("listing", &self.directory, &error);
        let listing = match std::fs::read_dir(&self.directory) {
            Ok(listing) => listing,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut indices = Vec::new();
        for file in listing {
            let name = file.map_err(failed)?.file_name();
            indices.extend(name.to_str().and_then(|name| name.strip_suffix(SUFFIX)?.parse::<u64>().ok()));
        }
        indices.sort_unstable();
        Ok(indices)
    }
}

/// A snapshot that is being written, a step at a time.
#[derive(Debug)]
pub struct SnapshotWriter {
    files: SnapshotFiles,
    index: u64,
    bytes: Vec<u8>,
    written: usize,
    file: Option<File>,
}

impl SnapshotWriter {
    pub fn new(files: SnapshotFiles, index: u64, bytes: Vec<u8>) -> SnapshotWriter {
        SnapshotWriter { files, index, bytes, written: 0, file: None }
    }

    /// Writes a little more; true once the snapshot is durable under its name. [`StoreError::Full`]: there is no room for
    /// it, and nothing is left of it.
    pub fn step(&mut self) -> Result<bool, StoreError> {
        let stepped = self.write();
        if matches!(stepped, Err(StoreError::Full { .. })) {
            self.file = None;
            self.files.tidy()?;
        }
        stepped
    }

    fn write(&mut self) -> Result<bool, StoreError> {
        let temporary = self.files.directory.join(UNFINISHED);
        let failed = |error| io("writing", &temporary, &error);
        if self.file.is_none() {
            create_directory(&self.files.directory)?;
            self.file = Some(File::create(&temporary).map_err(failed)?);
        }
        self.check_room()?;
        let file = self.file.as_mut().expect("it has just been created");
        let (from, until) = (self.written, self.bytes.len().min(self.written + STEP_BYTES));
        file.write_all(&self.bytes[from..until]).map_err(failed)?;
        self.written = until;
        file.sync_data().map_err(failed)?;
        // It is hardly read while this process lives: its memory is for the log's next files. Advice: a file system that takes
        // none does without.
        let _ = posix_fadvise(&*file, from as i64, (until - from) as i64, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
        if self.written < self.bytes.len() {
            return Ok(false);
        }
        file.sync_all().map_err(failed)?;
        let path = self.files.path(self.index);
        std::fs::rename(&temporary, &path).map_err(|error| io("renaming to", &path, &error))?;
        sync_directory(&self.files.directory)?;
        let indices = self.files.indices()?;
        for old in &indices[..indices.len().saturating_sub(Snapshots::KEPT)] {
            let path = self.files.path(*old);
            std::fs::remove_file(&path).map_err(|error| io("removing", &path, &error))?;
        }
        Ok(true)
    }

    /// Looked at before each step, since others write as well: the last bytes of a disk are the log's.
    fn check_room(&self) -> Result<(), StoreError> {
        let directory = &self.files.directory;
        let Some(free) = free_space(directory) else { return Ok(()) };
        let (rest, reserve) = ((self.bytes.len() - self.written) as u64, self.files.reserve);
        if free >= rest.saturating_add(reserve) {
            return Ok(());
        }
        let attempted = format!(
            "writing {rest} bytes of a snapshot to {}, where {free} are free and {reserve} are to stay so",
            directory.display()
        );
        Err(StoreError::Full { attempted })
    }

    /// The log index it was taken at.
    pub fn index(&self) -> u64 {
        self.index
    }
}
