//! What happens next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use node::HostInput;
use wire::{NodeId, PartitionId};

use super::clients::ClientId;
use super::clock::Moment;
use super::faults::Cure;
use super::front::LinkId;
use super::gaps::Word;

/// Something that will happen.
#[derive(Debug)]
pub enum Event {
    /// A partition of a node runs its duty cycle.
    Run { node: NodeId, partition: PartitionId },
    /// A message between nodes arrives.
    Arrive { from: NodeId, to: NodeId, partition: PartitionId, input: HostInput },
    /// A node's fsync ends: so many writes of each partition are durable. Of this life of the node only.
    Synced { node: NodeId, life: u32, writes: Vec<(PartitionId, usize)> },
    /// A node hears from another who leads a partition as far as that one's replica knows.
    LeaderSaid { from: NodeId, to: NodeId, partition: PartitionId },
    /// A node that was down starts.
    Start { node: NodeId },
    /// A paused node goes on.
    Resume { node: NodeId },
    /// A node hears from another of the events in its archive, by the link of this number between the two.
    Said { from: NodeId, to: NodeId, partition: PartitionId, number: u32, word: Word },
    /// A client's connection is made, or refused.
    Connect { link: LinkId },
    /// The next bytes of a link arrive at the node, or at the client.
    Deliver { link: LinkId, to_node: bool },
    /// A link's end is noticed by the client.
    Closed { link: LinkId },
    /// A client's timer.
    Wake { client: ClientId },
    /// A gateway goes on its way again.
    Act { gateway: usize },
    /// The founder whose disk does not last loses it, if the cluster is not set up yet.
    FounderLosesDisk { down_ns: u64 },
    /// The fault of this number strikes.
    Fault { number: usize },
    /// A fault ends.
    Cure(Cure),
}

struct Entry {
    at: Moment,
    number: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// Everything that will happen, in order; what was planned first of two things at one moment happens first.
#[derive(Default)]
pub struct Queue {
    heap: BinaryHeap<Reverse<Entry>>,
    planned: u64,
}

impl Queue {
    /// Plans something.
    pub fn plan(&mut self, at: Moment, event: Event) {
        self.planned += 1;
        self.heap.push(Reverse(Entry { at, number: self.planned, event }));
    }

    /// When the next thing happens.
    pub fn next_at(&self) -> Option<Moment> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    /// The next thing.
    pub fn pop(&mut self) -> Option<(Moment, Event)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.event))
    }
}
