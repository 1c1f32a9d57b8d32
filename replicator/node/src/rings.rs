//! The bounded rings between the threads of a node, and what travels on them.
//!
//! Who may wait for whom, so that nobody waits in a circle: a partition's thread may wait for the archive thread
//! and, if it is another, for the network thread; the archive thread waits for nobody, and the network thread
//! only as the thread of partitions. What one cannot put on a ring it refuses as busy, does later or, where the
//! sender sends again, drops.

use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use replicator::net::Waker;
use wire::link::Subscribe;
use wire::{LogPosition, PartitionId};

use crate::archive::Missing;
use crate::block::EventBlock;
use crate::host::{HostInput, HostOutput};
use crate::status::Question;

/// Raft messages, mail and news for one partition thread; a dropped one is sent again.
pub const PEER_RING: usize = 8_192;
/// Outputs of partitions in other threads for the network thread.
pub const NETWORK_RING: usize = 16_384;
/// Work for the archive thread.
pub const ARCHIVE_RING: usize = 2_048;
/// Answers of the archive thread for the network thread.
pub const ARCHIVE_ANSWER_RING: usize = 256;
/// Questions of operators for one partition thread.
pub const QUESTION_RING: usize = 16;

/// Wakes a thread that waits for its rings. Rung after every send that it is to wake up for.
#[derive(Clone)]
pub struct Doorbell(Arc<OnceLock<Listener>>);

/// Who is woken.
enum Listener {
    /// A thread that has nothing but its rings to wait for.
    Parked(Thread),
    /// The network thread, which waits for its sockets.
    Network(Waker),
}

/// The end that waits. It sleeps at once: a spinning thread would take the core from the one it waits for.
pub struct DoorbellWait(Arc<OnceLock<Listener>>);

impl Doorbell {
    /// A bell and its listener.
    pub fn new() -> (Doorbell, DoorbellWait) {
        let listener = Arc::new(OnceLock::new());
        (Doorbell(Arc::clone(&listener)), DoorbellWait(listener))
    }

    /// Wakes the listener; one ring is as good as many.
    pub fn ring(&self) {
        match self.0.get() {
            Some(Listener::Parked(thread)) => thread.unpark(),
            Some(Listener::Network(waker)) => waker.wake(),
            None => {}
        }
    }
}

impl DoorbellWait {
    /// Returns when it was rung since the last time, or after `timeout`; the first time at once, because a ring
    /// before it reached nobody. Always called by the same thread.
    pub fn wait(&self, timeout: Duration) {
        if self.0.set(Listener::Parked(thread::current())).is_err() {
            thread::park_timeout(timeout);
        }
    }

    /// From now on the network thread is woken; now as well, because a ring before reached nobody.
    pub fn give_to(self, waker: Waker) {
        // Set once: this end is gone now.
        let _ = self.0.set(Listener::Network(waker.clone()));
        waker.wake();
    }
}

/// The way into a partition, whichever thread it is in.
#[derive(Clone)]
pub struct PartitionPort {
    /// What clients ask.
    pub requests: Sender<HostInput>,
    /// What peers say.
    pub peers: Sender<HostInput>,
    /// What operators ask.
    pub questions: Sender<Question>,
    /// Rung after each send but a mention.
    pub doorbell: Doorbell,
}

/// A partition's ends of its rings.
#[derive(Debug)]
pub struct PartitionRings {
    /// See [`PartitionPort`].
    pub requests: Receiver<HostInput>,
    /// See [`PartitionPort`].
    pub peers: Receiver<HostInput>,
    /// See [`PartitionPort`].
    pub questions: Receiver<Question>,
}

/// Makes the rings of one partition, whose thread listens to `doorbell`.
pub fn partition_rings(requests_max: usize, doorbell: Doorbell) -> (PartitionPort, PartitionRings) {
    let (requests, requests_out) = bounded(requests_max);
    let (peers, peers_out) = bounded(PEER_RING);
    let (questions, questions_out) = bounded(QUESTION_RING);
    let port = PartitionPort { requests, peers, questions, doorbell };
    (port, PartitionRings { requests: requests_out, peers: peers_out, questions: questions_out })
}

impl PartitionPort {
    /// Hands over a client's request; gives it back when the ring is full.
    pub fn request(&self, input: HostInput) -> Result<(), HostInput> {
        self.put(&self.requests, input)
    }

    /// Hands over a peer's message; gives it back when the ring is full.
    pub fn peer(&self, input: HostInput) -> Result<(), HostInput> {
        self.put(&self.peers, input)
    }

    /// Hands over what the thread need not wake up for: it counts with the next message that does wake it. Lost when the ring
    /// is full.
    pub fn mention(&self, input: HostInput) {
        let _ = self.peers.try_send(input);
    }

    /// Asks an operator's question; gives it back when too many wait or the thread is gone.
    pub fn ask(&self, question: Question) -> Result<(), Question> {
        let sent = self.questions.try_send(question).map_err(TrySendError::into_inner);
        self.doorbell.ring();
        sent
    }

    fn put(&self, ring: &Sender<HostInput>, input: HostInput) -> Result<(), HostInput> {
        let sent = ring.try_send(input).map_err(TrySendError::into_inner);
        self.doorbell.ring();
        sent
    }
}

/// From a partition thread to the network thread.
#[derive(Debug)]
pub struct FromPartition {
    /// Which partition.
    pub partition: PartitionId,
    /// What came out of it.
    pub output: HostOutput,
}

/// Work for the archive thread.
#[derive(Debug)]
pub enum ToArchive {
    /// A replica's events.
    Append(PartitionId, Arc<EventBlock>),
    /// A replica's state jumped.
    Jump(PartitionId, LogPosition),
    /// Make a partition's events durable, then answer.
    Sync(PartitionId, Sender<()>),
    /// Read events for a subscription.
    Read {
        /// Comes back.
        key: u64,
        /// Which partition, from which position on.
        wanted: Subscribe,
    },
    /// Read events for somebody outside, from this position on; `Err` with the first position behind a gap.
    Copy {
        /// Which partition.
        partition: PartitionId,
        /// The first position wanted.
        from: LogPosition,
        /// The way back.
        to: Sender<Result<EventBlock, LogPosition>>,
    },
    /// Events of a gap, from another node.
    Fill(PartitionId, EventBlock),
    /// Say again whether there is a gap.
    ReportGap(PartitionId),
    /// The node ends.
    Stop,
}

/// Answers of the archive thread.
#[derive(Debug)]
pub enum FromArchive {
    /// Events for a subscription; `Err` with the first position behind the gap that it reaches into.
    Read {
        /// Of the question.
        key: u64,
        /// The events.
        result: Result<Arc<EventBlock>, LogPosition>,
    },
    /// What is missing here.
    Gap(PartitionId, Missing),
}
