//! What the pieces of a backup are called.

use serde::{Deserialize, Serialize};
use wire::{ClusterEpoch, LogPosition, PartitionId, Timestamp};

/// The file of a life that says what it is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LifeFile {
    /// The cluster's epoch.
    pub epoch: u64,
    /// The partition that hosts the ledger cell.
    pub ledger: u16,
    /// Every partition.
    pub partitions: Vec<u16>,
}

impl LifeFile {
    /// Whether it can be that of the life of this epoch; the error says why not.
    pub fn check(&self, epoch: ClusterEpoch) -> Result<(), String> {
        let mut distinct = self.partitions.clone();
        distinct.sort_unstable();
        distinct.dedup();
        match () {
            () if self.epoch != epoch.get() => Err(format!("it is of life {}", self.epoch)),
            () if distinct.len() != self.partitions.len() || distinct.first().is_none_or(|first| *first == 0) => {
                Err(format!("its partitions are {:?}", self.partitions))
            }
            () if !distinct.contains(&self.ledger) => {
                Err(format!("the ledger's partition {} is none of {:?}", self.ledger, self.partitions))
            }
            () => Ok(()),
        }
    }
}

/// A piece of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogName {
    /// Its first entry.
    pub first: u64,
    /// Its last entry.
    pub last: u64,
    /// Log time at its end.
    pub timestamp: Timestamp,
}

/// A snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotName {
    /// The log index that it was taken at.
    pub index: u64,
    /// The last command in it.
    pub position: LogPosition,
    /// Log time there.
    pub timestamp: Timestamp,
}

/// Events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventsName {
    /// The position before the first.
    pub after: LogPosition,
    /// The last position.
    pub upto: LogPosition,
}

/// The folder of a life.
pub fn life(epoch: ClusterEpoch) -> String {
    format!("life-{:020}", epoch.get())
}

/// The epoch of a life's folder.
pub fn epoch_of(folder: &str) -> Option<ClusterEpoch> {
    folder.strip_prefix("life-")?.parse().ok().map(ClusterEpoch::new)
}

/// The folder of a partition.
pub fn partition(epoch: ClusterEpoch, partition: PartitionId) -> String {
    format!("{}/partition-{:05}", life(epoch), partition.get())
}

/// The partition of a folder in a life's.
pub fn partition_of(folder: &str) -> Option<PartitionId> {
    folder.strip_prefix("partition-")?.parse().ok().map(PartitionId::new)
}

impl LogName {
    /// In the partition's folder.
    pub fn text(&self) -> String {
        format!("log/{:020}-{:020}-{:020}.log", self.first, self.last, self.timestamp.nanos())
    }

    /// Of the last part of a name.
    pub fn parse(file: &str) -> Option<LogName> {
        let [first, last, time] = numbers(file.strip_suffix(".log")?)?;
        (first > 0 && first <= last).then_some(LogName { first, last, timestamp: Timestamp::from_nanos(time) })
    }
}

impl SnapshotName {
    /// In the partition's folder.
    pub fn text(&self) -> String {
        let (position, time) = (self.position.get(), self.timestamp.nanos());
        format!("snapshots/{:020}-{position:020}-{time:020}.snapshot", self.index)
    }

    /// Of the last part of a name.
    pub fn parse(file: &str) -> Option<SnapshotName> {
        let [index, position, time] = numbers(file.strip_suffix(".snapshot")?)?;
        let (position, timestamp) = (LogPosition::new(position), Timestamp::from_nanos(time));
        Some(SnapshotName { index, position, timestamp })
    }
}

impl EventsName {
    /// In the partition's folder.
    pub fn text(&self) -> String {
        format!("events/{:020}-{:020}.events", self.after.get(), self.upto.get())
    }

    /// Of the last part of a name.
    pub fn parse(file: &str) -> Option<EventsName> {
        let [after, upto] = numbers(file.strip_suffix(".events")?)?;
        (after < upto).then_some(EventsName { after: LogPosition::new(after), upto: LogPosition::new(upto) })
    }
}

fn numbers<const N: usize>(text: &str) -> Option<[u64; N]> {
    let numbers: Vec<u64> = text.split('-').map(|number| number.parse().ok()).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_were_written_and_sort_by_number() {
        let log = |first, last| LogName { first, last, timestamp: Timestamp::from_nanos(7) };
        let file = |text: String| text.rsplit('/').next().unwrap().to_owned();
        assert_eq!(LogName::parse(&file(log(9, 10).text())), Some(log(9, 10)));
        assert!(log(9, 10).text() < log(10, 11).text());
        let snapshot =
            SnapshotName { index: 3, position: LogPosition::new(5), timestamp: Timestamp::from_nanos(1 << 60) };
        assert_eq!(SnapshotName::parse(&file(snapshot.text())), Some(snapshot));
        let events = EventsName { after: LogPosition::ZERO, upto: LogPosition::new(5) };
        assert_eq!(EventsName::parse(&file(events.text())), Some(events));
        assert_eq!(epoch_of(&life(ClusterEpoch::new(12))), Some(ClusterEpoch::new(12)));
    }

    #[test]
    fn what_others_put_there_is_no_name_of_ours() {
        for file in ["", "1-2.log", "2-1-0.log", "0-1-0.log", "x-2-3.log", "1-2-3-4.log", "1-2-3.log#1"] {
            assert_eq!(LogName::parse(file), None, "{file}");
        }
    }
}
