//! A recovered state as the data directory of a node, which starts from it as from any other.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use replicator::Replay;
use replicator::log::StoreError;
use replicator::log::disk::{self, Beginning, DiskConfig};
use wire::{ClusterEpoch, LogPosition, NodeId, PartitionId};

use crate::archive::{Archive, ArchiveError};
use crate::block::EventBlock;
use crate::data_dir::{DataDir, DataDirError};
use crate::machine::{EventSink, Machine};
use crate::node::incarnation;

/// The life that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLife {
    /// Greater than the one before: what carries that one is refused by everybody.
    pub epoch: ClusterEpoch,
    /// The nodes that it begins with.
    pub founders: Vec<NodeId>,
}

/// What one partition begins the new life with.
#[derive(Debug, Clone)]
pub struct Laid {
    /// The first snapshot, and where the events before it were written.
    pub beginning: Beginning,
    /// Digest of the state in it.
    pub digest: u128,
    /// A directory with the event files.
    pub events: PathBuf,
}

/// Why a directory cannot be laid.
#[derive(Debug, thiserror::Error)]
pub enum LayError {
    /// There is something.
    #[error("{} is not empty: give a directory that does not exist yet, or move it away", .0.display())]
    NotEmpty(PathBuf),
    /// The file system refused.
    #[error("{attempted} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        attempted: &'static str,
        /// With which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The directory is not usable.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The log cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The events cannot be written.
    #[error(transparent)]
    Events(#[from] ArchiveError),
}

/// Event files that a replay writes.
pub struct EventFiles {
    archive: Arc<Mutex<(Archive, Result<(), ArchiveError>)>>,
}

/// The replay's end of [`EventFiles`].
struct EventFilesSink(Arc<Mutex<(Archive, Result<(), ArchiveError>)>>);

impl EventFiles {
    /// In a directory of their own.
    pub fn create(directory: &Path, partition: PartitionId) -> Result<EventFiles, ArchiveError> {
        Ok(EventFiles { archive: Arc::new(Mutex::new((Archive::open(directory, partition)?, Ok(())))) })
    }

    /// What a replay tells its events to.
    pub fn sink(&self) -> Box<dyn EventSink> {
        Box::new(EventFilesSink(self.archive.clone()))
    }

    /// They are complete up to `position`, and on the disk.
    pub fn finish(self, position: LogPosition) -> Result<(), ArchiveError> {
        let mut held = self.archive.lock().expect("nobody panics with it");
        let (archive, outcome) = &mut *held;
        std::mem::replace(outcome, Ok(()))?;
        let mut end = EventBlock::new(archive.end());
        end.cover(position.max(archive.end()));
        archive.append(&end)?;
        archive.sync()
    }
}

impl EventSink for EventFilesSink {
    fn append(&mut self, block: Arc<EventBlock>) {
        let mut held = self.0.lock().expect("nobody panics with it");
        if held.1.is_ok() {
            held.1 = held.0.append(&block);
        }
    }

    fn sync(&mut self) {}

    fn jump(&mut self, position: LogPosition) {
        let mut held = self.0.lock().expect("nobody panics with it");
        if held.1.is_ok() {
            held.1 = held.0.jump(position);
        }
    }
}

impl NewLife {
    /// Begins it with a partition that was replayed up to its cut, its events in `events`.
    pub fn begin(&self, partition: PartitionId, mut replay: Replay<Machine>, events: PathBuf) -> Laid {
        use replicator::StateMachine as _;
        if replay.place().index == 0 {
            let digest = replay.machine().digest();
            return Laid { beginning: Beginning { partition, snapshot: None }, digest, events };
        }
        replay.machine_mut().begin_life(incarnation(self.epoch));
        let digest = replay.machine().digest();
        let snapshot = Some(replay.found(self.epoch, &self.founders));
        Laid { beginning: Beginning { partition, snapshot }, digest, events }
    }
}

/// Writes the data directory of one founder. It appears under its name when it is whole.
pub fn lay(directory: &Path, node: NodeId, life: &NewLife, partitions: &[Laid]) -> Result<(), LayError> {
    let io = |attempted, path: &Path| {
        let path = path.to_path_buf();
        move |source| LayError::Io { attempted, path, source }
    };
    let is_empty = match fs::read_dir(directory) {
        Ok(mut listing) => listing.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(io("listing", directory)(error)),
    };
    if !is_empty {
        return Err(LayError::NotEmpty(directory.to_path_buf()));
    }
    let mut name = directory.file_name().unwrap_or_default().to_os_string();
    name.push(".restoring");
    let draft = directory.with_file_name(name);
    if draft.exists() {
        // Of a restore that was broken off.
        fs::remove_dir_all(&draft).map_err(io("removing", &draft))?;
    }
    let data_dir = DataDir::open(&draft, node, life.epoch)?;
    for laid in partitions {
        let to = data_dir.events(laid.beginning.partition);
        fs::create_dir_all(&to).map_err(io("making", &to))?;
        for file in fs::read_dir(&laid.events).map_err(io("listing", &laid.events))? {
            let from = file.map_err(io("listing", &laid.events))?.path();
            let to = to.join(from.file_name().unwrap_or_default());
            fs::copy(&from, &to).map_err(io("copying to", &to))?;
            fs::File::open(&to).and_then(|file| file.sync_all()).map_err(io("syncing", &to))?;
        }
        fs::File::open(&to).and_then(|it| it.sync_all()).map_err(io("syncing", &to))?;
    }
    let config = DiskConfig::new(data_dir.log(), life.epoch, node);
    let beginnings = partitions.iter().map(|laid| laid.beginning.clone()).collect();
    disk::lay(config, &life.founders, beginnings)?;
    drop(data_dir);
    if directory.exists() {
        fs::remove_dir(directory).map_err(io("replacing", directory))?;
    }
    fs::rename(&draft, directory).map_err(io("naming", directory))?;
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(parent).and_then(|it| it.sync_all()).map_err(io("syncing", parent))
}
