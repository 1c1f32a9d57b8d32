//! A consistent cut over partitions: for each its last log entry, such that for every pair
//!
//! ```text
//! sender-trimmed ≤ receiver-last-seen ≤ sender-sent
//! ```
//!
//! Leaders' clocks differ, so cutting every log at one time is not enough: a receiver may have seen mail that its sender,
//! by its own clock, has not sent yet. Wherever a bound is broken one of the two must be cut earlier, and which is no
//! choice. So the cuts below given ends have a greatest one, and cutting as little as each bound asks, until none asks any
//! more, finds it.

use std::collections::BTreeMap;

use wire::PartitionId;

/// A counter that only grows, as it was after each log entry: kept where it changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Counter(Vec<(u64, u64)>);

impl Counter {
    fn note(&mut self, index: u64, value: u64) {
        if self.0.last().map_or(0, |(_, last)| *last) != value {
            self.0.push((index, value));
        }
    }

    fn at(&self, index: u64) -> u64 {
        let after = self.0.partition_point(|(changed, _)| *changed <= index);
        after.checked_sub(1).map_or(0, |at| self.0[at].1)
    }

    /// The last index at which it is at most `value`, if it is ever more.
    fn last_at_most(&self, value: u64) -> Option<u64> {
        let first_above = self.0.partition_point(|(_, counted)| *counted <= value);
        self.0.get(first_above).map(|(changed, _)| changed - 1)
    }
}

/// How a partition's mail with one other was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Mail {
    sent: Counter,
    trimmed: Counter,
    seen: Counter,
}

/// How a partition's mail was counted, entry by entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The first log index that is known: of the snapshot, or 0.
    base: u64,
    /// The last.
    end: u64,
    peers: BTreeMap<PartitionId, Mail>,
}

/// What mail counts of one other partition are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// The sequence of the last mail put into the outbox to it.
    pub sent: u64,
    /// The sequence up to which it has acknowledged.
    pub trimmed: u64,
    /// The sequence of the last mail received from it.
    pub seen: u64,
}

impl Trace {
    /// From log index `base` on.
    pub fn new(base: u64) -> Trace {
        Trace { base, end: base, peers: BTreeMap::new() }
    }

    /// The counts with `peer` after log entry `index`.
    pub fn note(&mut self, index: u64, peer: PartitionId, counted: Counted) {
        let mail = self.peers.entry(peer).or_default();
        mail.sent.note(index, counted.sent);
        mail.trimmed.note(index, counted.trimmed);
        mail.seen.note(index, counted.seen);
        self.end = self.end.max(index);
    }

    /// Mail with `peer` that is undone by a cut at `index`: what was sent behind it, and what was received.
    pub fn undone(&self, peer: PartitionId, index: u64) -> Undone {
        let Some(mail) = self.peers.get(&peer) else { return Undone::default() };
        let behind = |counter: &Counter| counter.at(self.end) - counter.at(index);
        Undone { sent: behind(&mail.sent), received: behind(&mail.seen) }
    }

    /// The other partitions that it had mail with.
    pub fn peers(&self) -> impl Iterator<Item = PartitionId> {
        self.peers.keys().copied()
    }

    /// Entry `index` was applied.
    pub fn reach(&mut self, index: u64) {
        self.end = self.end.max(index);
    }
}

/// Mail with one other partition that a cut undoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Undone {
    /// Sent behind the cut.
    pub sent: u64,
    /// Received behind the cut: of the other's outbox it is received again.
    pub received: u64,
}

/// A partition must be cut before what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooEarly {
    /// Which.
    pub partition: PartitionId,
}

/// The greatest consistent cut at or before the traces' ends: the last log entry of each partition.
pub fn cut(traces: &BTreeMap<PartitionId, Trace>) -> Result<BTreeMap<PartitionId, u64>, TooEarly> {
    let mut cut: BTreeMap<PartitionId, u64> = traces.iter().map(|(partition, trace)| (*partition, trace.end)).collect();
    let none = Mail::default();
    loop {
        let mut is_stable = true;
        for (sender, of_sender) in traces {
            for (receiver, of_receiver) in traces.iter().filter(|(receiver, _)| *receiver != sender) {
                let out = of_sender.peers.get(receiver).unwrap_or(&none);
                let heard = of_receiver.peers.get(sender).unwrap_or(&none);
                let seen = heard.seen.at(cut[receiver]);
                let sent = out.sent.at(cut[sender]);
                if seen > sent {
                    let earlier = heard.seen.last_at_most(sent).expect("it has seen more");
                    cut.insert(*receiver, within(*receiver, of_receiver, earlier)?);
                    is_stable = false;
                }
                let seen = heard.seen.at(cut[receiver]);
                if out.trimmed.at(cut[sender]) > seen {
                    let earlier = out.trimmed.last_at_most(seen).expect("it has trimmed more");
                    cut.insert(*sender, within(*sender, of_sender, earlier)?);
                    is_stable = false;
                }
            }
        }
        if is_stable {
            return Ok(cut);
        }
    }
}

fn within(partition: PartitionId, trace: &Trace, index: u64) -> Result<u64, TooEarly> {
    if index < trace.base { Err(TooEarly { partition }) } else { Ok(index) }
}

#[cfg(test)]
mod tests;
