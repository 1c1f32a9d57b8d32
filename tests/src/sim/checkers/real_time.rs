//! What is asked comes after everything that was committed when it was asked, and a read sees all of that.
//!
//! More than was acknowledged to anybody is committed: whatever any replica has applied. A command that is sent then gets a
//! place behind it, for the log up to there is fixed. A read sees it although it has no place: who leads in the term of what
//! is applied, or in a later one and has committed something of its own, knows it; and who leads in an older one asks a
//! quorum, after the question, that follows another.

use wire::{LogPosition, PartitionId};

use super::Verdict;

/// See the module. `floor` is how far any replica had applied the partition's log when somebody asked.
#[derive(Debug, Default)]
pub struct RealTime;

impl RealTime {
    /// A client is told that its command is at `position`.
    pub fn on_told(&self, partition: PartitionId, floor: LogPosition, position: LogPosition) -> Verdict {
        if position > floor {
            return Ok(());
        }
        Err(format!("partition {partition}: a command is at {position} that was sent when {floor} was committed"))
    }

    /// A client is told that it may read at `position`.
    pub fn on_read(&self, partition: PartitionId, floor: LogPosition, position: LogPosition) -> Verdict {
        if position >= floor {
            return Ok(());
        }
        Err(format!("partition {partition}: a read was given {position} when {floor} had been committed"))
    }
}
