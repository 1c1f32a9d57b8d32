//! The logs that a new life of a cluster begins with: what a restored backup is written as.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use wire::{NodeId, PartitionId};

use super::super::{Append, Durable, HardState, LogStore as _, StoreError};
use super::{Disk, DiskConfig};
use crate::snapshot;
use crate::standing::Standing;

/// A disk that does not answer for so long is given up.
const WITHIN: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// What one partition's log begins with.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// Which partition.
    pub partition: PartitionId,
    /// Its state, of the new epoch; none where nothing had happened.
    pub snapshot: Option<Vec<u8>>,
}

/// Writes a node's logs into a directory without any. Every founder gets the same beginnings, so each is as good as any
/// other: all are founders, nobody has voted, and everything in the snapshots is committed.
pub fn lay(config: DiskConfig, founders: &[NodeId], beginnings: Vec<Beginning>) -> Result<(), StoreError> {
    let directory = config.directory.display().to_string();
    let disk = Disk::open(config)?;
    // Nobody draws the number 0: an empty store that turns up later is no founder.
    let numbers: BTreeMap<NodeId, u32> = founders.iter().map(|node| (*node, 0)).collect();
    for Beginning { partition, snapshot } in beginnings {
        let mut log = disk.log(partition, || {});
        let stored = log.load()?;
        if stored.snapshot.is_some() || !stored.entries.is_empty() || stored.standing.is_some() {
            let (attempted, error) = (format!("laying a log into {directory}"), "there is one already".to_owned());
            return Err(StoreError::Io { attempted, error });
        }
        let mut append = Append { ticket: 1, ..Append::default() };
        append.standing = Some(Standing::Founder { numbers: numbers.clone() });
        if let Some(bytes) = snapshot {
            let header = snapshot::open(&bytes).map_err(|error| StoreError::Io {
                attempted: format!("laying a log into {directory}"),
                error: format!("its snapshot: {error}"),
            })?;
            let (index, term) = (header.header.index, header.header.term);
            log.save_snapshot(index, bytes);
            wait(&mut log, &directory, Durable::Snapshot { index })?;
            append.hard_state = Some(HardState { term, commit: index, ..HardState::default() });
            append.reset = Some((index, term));
        }
        log.append(append);
        wait(&mut log, &directory, Durable::Appended { ticket: 1 })?;
    }
    Ok(())
}

fn wait(log: &mut super::DiskLog, directory: &str, wanted: Durable) -> Result<(), StoreError> {
    let deadline = Instant::now() + WITHIN;
    loop {
        match log.poll()? {
            Some(durable) if durable == wanted => return Ok(()),
            Some(Durable::SnapshotRefused { .. }) => {
                return Err(StoreError::Full { attempted: format!("writing a snapshot to {directory}") });
            }
            Some(_) => {}
            None if Instant::now() < deadline => std::thread::sleep(LOOK_EVERY),
            None => {
                let (attempted, error) = (format!("writing to {directory}"), format!("not done after {WITHIN:?}"));
                return Err(StoreError::Io { attempted, error });
            }
        }
    }
}

#[cfg(test)]
mod tests;
