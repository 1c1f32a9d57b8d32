//! Linearizable reads that wait for the position they may read at. They change nothing, so they are simply
//! asked again: of a new leader, after a refusal, after silence.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use wire::PartitionId;
use wire::link::{self, Frame};

use super::ReadKey;
use crate::config::Patience;

#[derive(Debug)]
struct Read {
    partition: PartitionId,
    deadline: Instant,
    /// When it is sent (again).
    due: Instant,
    back_off: Duration,
    was_sent: bool,
}

#[derive(Debug, Default)]
pub(super) struct Reads {
    waiting: BTreeMap<ReadKey, Read>,
}

impl Reads {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn insert(
        &mut self,
        key: ReadKey,
        partition: PartitionId,
        now: Instant,
        deadline: Instant,
        patience: &Patience,
    ) {
        let read = Read { partition, deadline, due: now, back_off: patience.back_off.0, was_sent: false };
        self.waiting.insert(key, read);
    }

    pub(super) fn waits_for(&self, partition: PartitionId) -> bool {
        self.waiting.values().any(|read| read.partition == partition)
    }

    /// Takes a read that is answered.
    pub(super) fn take(&mut self, token: u64, partition: PartitionId) -> Option<ReadKey> {
        let key = ReadKey(token);
        if self.waiting.get(&key)?.partition != partition {
            return None;
        }
        self.waiting.remove(&key).map(|_| key)
    }

    /// Who waits, and until when.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = (Instant, ReadKey)> {
        self.waiting.iter().map(|(key, read)| (read.deadline, *key))
    }

    /// Time is up. Returns whether it was ever sent.
    pub(super) fn on_deadline(&mut self, key: ReadKey) -> Option<bool> {
        self.waiting.remove(&key).map(|read| read.was_sent)
    }

    /// Sends every read of the partition that is due.
    pub(super) fn send(&mut self, partition: PartitionId, now: Instant, out: &mut Vec<u8>, patience: &Patience) {
        for (key, read) in &mut self.waiting {
            if read.partition == partition && read.due <= now {
                Frame::ReadIndex(link::ReadIndex { partition, token: key.0 }).encode(out);
                read.due = now + patience.resend;
                read.was_sent = true;
            }
        }
    }

    /// The leader cannot answer now: ask again a little later.
    pub(super) fn on_refused(&mut self, token: u64, now: Instant, patience: &Patience) {
        if let Some(read) = self.waiting.get_mut(&ReadKey(token)) {
            read.due = now + read.back_off;
            read.back_off = (read.back_off * 2).min(patience.back_off.1);
        }
    }

    /// Another leader is to be asked.
    pub(super) fn rewind(&mut self, partition: PartitionId, now: Instant) {
        for read in self.waiting.values_mut().filter(|read| read.partition == partition) {
            read.due = now;
        }
    }

    /// When to send next. Reads that are due already wait for a leader, not for the clock.
    pub(super) fn next_timeout(&self, now: Instant) -> Option<Instant> {
        self.waiting.values().map(|read| read.due).filter(|due| *due > now).min()
    }

    /// The partitions that have reads due.
    pub(super) fn due(&self, now: Instant) -> Vec<PartitionId> {
        let mut partitions: Vec<_> =
            self.waiting.values().filter(|read| read.due <= now).map(|read| read.partition).collect();
        partitions.sort_unstable();
        partitions.dedup();
        partitions
    }
}
