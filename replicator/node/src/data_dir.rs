//! The directory that is this node: a lock, who it belongs to, and where log and events lie.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use wire::{ClusterEpoch, NodeId, PartitionId};

/// The layout of the directory; another one needs another program.
const FORMAT: u32 = 7;
/// How long a predecessor that was just killed may take to be gone: its memory is freed before its lock is.
const LOCKED_FOR_AT_MOST: Duration = Duration::from_secs(5);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// A node's data, held exclusively while this lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why a directory is not this node's to use.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The file system refused.
    #[error("cannot use the data directory {}: {attempted}: {source}", path.display())]
    Io {
        /// Which directory.
        path: PathBuf,
        /// What was attempted.
        attempted: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has it.
    #[error("the data directory {} is in use by another process; stop that node first", path.display())]
    InUse {
        /// Which directory.
        path: PathBuf,
    },
    /// The identity file cannot be read.
    #[error(
        "the identity file {} is damaged; if this directory is node {node}'s of cluster epoch {epoch}, write the line \
         `{line}` into it, else give another --data-dir",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Who the node was told to be.
        node: NodeId,
        /// Of which cluster.
        epoch: ClusterEpoch,
        /// What the file should say.
        line: String,
    },
    /// It was written by a program of another time.
    #[error(
        "the data directory {} has format {found}, this program reads format {FORMAT}; use the program that wrote it",
        path.display()
    )]
    OtherFormat {
        /// Which directory.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// It belongs to somebody else.
    #[error(
        "the data directory {} belongs to node {found_node} of cluster epoch {found_epoch}, not to node {node} of cluster \
         epoch {epoch}; check the configuration, or give an empty directory to start this replica anew",
        path.display()
    )]
    OtherOwner {
        /// Which directory.
        path: PathBuf,
        /// Whose it is.
        found_node: NodeId,
        /// Of which cluster.
        found_epoch: ClusterEpoch,
        /// Who asked.
        node: NodeId,
        /// Of which cluster.
        epoch: ClusterEpoch,
    },
}

impl DataDir {
    /// Makes or opens the directory for `node` of the cluster `epoch`, and keeps others out. Who its peers are is in the
    /// log.
    pub fn open(path: &Path, node: NodeId, epoch: ClusterEpoch) -> Result<DataDir, DataDirError> {
        let doing = |attempted| move |source| DataDirError::Io { path: path.to_path_buf(), attempted, source };
        fs::create_dir_all(path).map_err(doing("making it"))?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(lock_path);
        let lock = lock.map_err(doing("opening the lock file"))?;
        let give_up_at = Instant::now() + LOCKED_FOR_AT_MOST;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < give_up_at => std::thread::sleep(LOOK_AGAIN_AFTER),
                Err(TryLockError::WouldBlock) => return Err(DataDirError::InUse { path: path.to_path_buf() }),
                Err(TryLockError::Error(source)) => return Err(doing("locking it")(source)),
            }
        }
        check_identity(path, node, epoch)?;
        Ok(DataDir { path: path.to_path_buf(), _lock: lock })
    }

    /// Where the replicated log lies.
    pub fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// Where the events of a partition lie.
    pub fn events(&self, partition: PartitionId) -> PathBuf {
        self.path.join("events").join(format!("partition-{partition}"))
    }
}

/// Whose directory it is, looked at without taking it; `None` when it is no node's.
pub fn owner(dir: &Path) -> Option<(NodeId, ClusterEpoch)> {
    let text = fs::read_to_string(dir.join("identity")).ok()?;
    let number = |key: &str| {
        text.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))?.parse::<u64>().ok()
    };
    (number("format")? == u64::from(FORMAT)).then_some(())?;
    Some((NodeId::new(number("node")?), ClusterEpoch::new(number("epoch")?)))
}

fn identity_line(node: NodeId, epoch: ClusterEpoch) -> String {
    format!("format={FORMAT} epoch={epoch} node={node}")
}

fn check_identity(dir: &Path, node: NodeId, epoch: ClusterEpoch) -> Result<(), DataDirError> {
    let doing = |attempted| move |source| DataDirError::Io { path: dir.to_path_buf(), attempted, source };
    let path = dir.join("identity");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return write_identity(dir, &path, &identity_line(node, epoch)).map_err(doing("writing the identity file"));
        }
        Err(source) => return Err(doing("reading the identity file")(source)),
    };
    let word = |key: &str| text.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    let number = |key: &str| word(key)?.parse::<u64>().ok();
    let (Some(format), Some(found_epoch), Some(found_node)) = (number("format"), number("epoch"), number("node"))
    else {
        let line = identity_line(node, epoch);
        return Err(DataDirError::Damaged { path, node, epoch, line });
    };
    let path = dir.to_path_buf();
    if format != u64::from(FORMAT) {
        return Err(DataDirError::OtherFormat { path, found: format as u32 });
    }
    let (found_node, found_epoch) = (NodeId::new(found_node), ClusterEpoch::new(found_epoch));
    if (found_node, found_epoch) != (node, epoch) {
        return Err(DataDirError::OtherOwner { path, found_node, found_epoch, node, epoch });
    }
    Ok(())
}

/// All of it or nothing: the file gets its name when its bytes are on the disk.
fn write_identity(dir: &Path, path: &Path, line: &str) -> io::Result<()> {
    let draft = dir.join("identity.new");
    let mut file = File::create(&draft)?;
    writeln!(file, "{line}")?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const NODE: NodeId = NodeId::new(1);
    const EPOCH: ClusterEpoch = ClusterEpoch::new(7);

    #[test]
    fn a_directory_is_one_process_and_one_nodes() {
        let dir = TempDir::new().unwrap();
        let held = DataDir::open(dir.path(), NODE, EPOCH).unwrap();
        assert!(matches!(DataDir::open(dir.path(), NODE, EPOCH), Err(DataDirError::InUse { .. })));
        drop(held);
        DataDir::open(dir.path(), NODE, EPOCH).unwrap();
        let other = DataDir::open(dir.path(), NodeId::new(2), EPOCH).unwrap_err();
        assert!(other.to_string().contains("belongs to node 1 of cluster epoch 7, not to node 2"), "{other}");
        let other = DataDir::open(dir.path(), NODE, ClusterEpoch::new(8)).unwrap_err();
        assert!(matches!(other, DataDirError::OtherOwner { .. }));
    }

    #[test]
    fn a_damaged_identity_says_what_to_do() {
        let dir = TempDir::new().unwrap();
        drop(DataDir::open(dir.path(), NODE, EPOCH).unwrap());
        fs::write(dir.path().join("identity"), "form").unwrap();
        let error = DataDir::open(dir.path(), NODE, EPOCH).unwrap_err().to_string();
        assert!(error.contains(&format!("write the line `format={FORMAT} epoch=7 node=1`")), "{error}");
        fs::write(dir.path().join("identity"), "format=99 epoch=7 node=1").unwrap();
        assert!(matches!(DataDir::open(dir.path(), NODE, EPOCH), Err(DataDirError::OtherFormat { found: 99, .. })));
    }
}
