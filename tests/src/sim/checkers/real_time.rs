//! What is asked after an acknowledgement comes after it in the log, and a read sees it.

use std::collections::BTreeMap;

use wire::{LogPosition, PartitionId};

use super::Verdict;

/// See the module.
#[derive(Debug, Default)]
pub struct RealTime {
    acknowledged: BTreeMap<PartitionId, LogPosition>,
}

impl RealTime {
    /// What has been acknowledged so far: whoever asks now comes after it.
    pub fn floor(&self, partition: PartitionId) -> LogPosition {
        self.acknowledged.get(&partition).copied().unwrap_or(LogPosition::ZERO)
    }

    /// A client is told that what it asked when `floor` was acknowledged is at `position`.
    pub fn on_told(&mut self, partition: PartitionId, floor: LogPosition, position: LogPosition) -> Verdict {
        if position <= floor {
            return Err(format!(
                "partition {partition}: a command is at {position} that was sent when {floor} was acknowledged"
            ));
        }
        let known = self.acknowledged.entry(partition).or_default();
        *known = (*known).max(position);
        Ok(())
    }

    /// A client is told that it may read at `position`.
    pub fn on_read(&self, partition: PartitionId, floor: LogPosition, position: LogPosition) -> Verdict {
        if position >= floor {
            return Ok(());
        }
        Err(format!("partition {partition}: a read was given {position} when {floor} had been acknowledged"))
    }
}
