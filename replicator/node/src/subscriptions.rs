//! Streams of events to gateways, operators and other nodes, each at its own pace.
//!
//! A subscription is a position. While its link has room it is sent what follows, from memory when that
//! reaches back far enough, else from the archive; when the link is full it waits, and no other with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossbeam::channel::{Sender, TrySendError};
use replicator::net::{LinkId, Links};
use wire::link::{Events, Frame, Progress, Refusal, Role, Subscribe, SubscribeRefused};
use wire::{LogPosition, PartitionId};

use crate::archive::before;
use crate::block::EventBlock;
use crate::recent::Recent;
use crate::rings::ToArchive;

/// Bytes of events that may wait in a link's buffer, so that a reply never waits behind more.
const WINDOW_BYTES: usize = 512 * 1024;
/// Bytes that a frame has beside the events.
const FRAME_OVERHEAD: usize = 64;

/// Every subscription of this node.
#[derive(Debug)]
pub struct Subscriptions {
    streams: BTreeMap<(LinkId, PartitionId), Stream>,
    /// Which stream a read of the archive is for. A stream that ended leaves no entry.
    reads: BTreeMap<u64, (LinkId, PartitionId)>,
    next_read: u64,
    archive: Sender<ToArchive>,
    client_buffer_max: usize,
    node_buffer_max: usize,
}

#[derive(Debug)]
struct Stream {
    partition: PartitionId,
    /// The next position to send.
    next: LogPosition,
    /// The subscriber knows that it has everything up to here.
    told: LogPosition,
    /// Events from the archive, from `next` on.
    chunk: Option<Arc<EventBlock>>,
    /// The read that is under way.
    read: Option<u64>,
    buffer_max: usize,
    /// Nodes are told where a stream begins, see [`crate::gap_filler`].
    owes_beginning: bool,
}

impl Subscriptions {
    /// None yet.
    pub fn new(archive: Sender<ToArchive>, client_buffer_max: usize, node_buffer_max: usize) -> Subscriptions {
        Subscriptions {
            streams: BTreeMap::new(),
            reads: BTreeMap::new(),
            next_read: 0,
            archive,
            client_buffer_max,
            node_buffer_max,
        }
    }

    /// Begins a stream, or begins it anew.
    pub fn subscribe(&mut self, link: LinkId, role: Role, wanted: Subscribe) {
        self.unsubscribe(link, wanted.partition);
        let next = wanted.from.max(LogPosition::ZERO.next());
        let buffer_max = if role == Role::Node { self.node_buffer_max } else { self.client_buffer_max };
        let stream = Stream {
            partition: wanted.partition,
            next,
            told: before(next),
            chunk: None,
            read: None,
            buffer_max,
            owes_beginning: role == Role::Node,
        };
        self.streams.insert((link, wanted.partition), stream);
    }

    /// Ends a stream.
    pub fn unsubscribe(&mut self, link: LinkId, partition: PartitionId) {
        if let Some(read) = self.streams.remove(&(link, partition)).and_then(|stream| stream.read) {
            self.reads.remove(&read);
        }
    }

    /// Ends every stream of a link.
    pub fn close(&mut self, link: LinkId) {
        let first = (link, PartitionId::new(0));
        let last = (link, PartitionId::new(u16::MAX));
        let partitions: Vec<PartitionId> = self.streams.range(first..=last).map(|(key, _)| key.1).collect();
        for partition in partitions {
            self.unsubscribe(link, partition);
        }
    }

    /// Events came from the archive. `Err` with the position it has next ends the stream.
    pub fn on_read(&mut self, key: u64, result: Result<Arc<EventBlock>, LogPosition>, out: &mut Links) {
        let Some((link, partition)) = self.reads.remove(&key) else {
            return;
        };
        let Some(stream) = self.streams.get_mut(&(link, partition)) else {
            return;
        };
        stream.read = None;
        match result {
            Ok(block) => stream.chunk = (block.upto() >= stream.next).then_some(block),
            Err(first) => {
                self.streams.remove(&(link, partition));
                let refused = SubscribeRefused { partition, refusal: Refusal::PositionGone, detail: first.get() };
                if out.send(link, &Frame::SubscribeRefused(refused)).is_err() {
                    out.close(link);
                }
            }
        }
    }

    /// Sends what there is room for. Returns how many frames.
    pub fn feed<'a>(&mut self, recent: impl Fn(PartitionId) -> Option<&'a Recent>, out: &mut Links) -> usize {
        let mut sent = 0;
        for ((link, partition), stream) in &mut self.streams {
            let Some(recent) = recent(*partition) else { continue };
            sent += stream.feed(*link, recent, out);
            if stream.wants_archive(recent) {
                self.next_read += 1;
                let wanted = Subscribe { partition: *partition, from: stream.next };
                match self.archive.try_send(ToArchive::Read { key: self.next_read, wanted }) {
                    Ok(()) => {
                        stream.read = Some(self.next_read);
                        self.reads.insert(self.next_read, (*link, *partition));
                    }
                    // Asked again in the next cycle.
                    Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
                }
            }
        }
        sent
    }
}

impl Stream {
    fn feed(&mut self, link: LinkId, recent: &Recent, out: &mut Links) -> usize {
        let mut sent = 0;
        if self.owes_beginning {
            let beginning = Progress { partition: self.partition, position: before(self.next) };
            if out.send(link, &Frame::Progress(beginning)).is_err() {
                return 0;
            }
            self.owes_beginning = false;
            sent += 1;
            if let Some(position) = recent.ends_before(self.next) {
                // It asks others meanwhile. Full: it takes silence for the same, later.
                let end = Progress { partition: self.partition, position };
                sent += usize::from(out.send(link, &Frame::Progress(end)).is_ok());
            }
        }
        loop {
            let block = match &self.chunk {
                Some(chunk) => Arc::clone(chunk),
                None if self.next <= recent.after() => return sent,
                None => match recent.block_from(self.next) {
                    Some(block) => Arc::clone(block),
                    None => return sent + self.tell(link, recent.upto(), out),
                },
            };
            let (count, is_done) = self.send(link, &block, out);
            sent += count;
            if !is_done {
                return sent;
            }
            self.next = block.upto().next();
            if self.chunk.take().is_some() {
                sent += self.tell(link, block.upto(), out);
            }
        }
    }

    /// Sends the rest of a block; `false` when the link has no more room.
    fn send(&mut self, link: LinkId, block: &EventBlock, out: &mut Links) -> (usize, bool) {
        let floor = self.buffer_max.saturating_sub(WINDOW_BYTES);
        let mut sent = 0;
        for index in block.index_from(self.next)..block.len() {
            let batch = block.batch(index);
            let room = out.room(link);
            let is_first = room >= self.buffer_max;
            if !is_first && room < floor + batch.events.len() + FRAME_OVERHEAD {
                return (sent, false);
            }
            let head = Events {
                partition: self.partition,
                position: batch.position,
                timestamp: batch.timestamp,
                origin: batch.origin,
            };
            if out.send(link, &Frame::Events(head, batch.events)).is_err() {
                return (sent, false);
            }
            (self.next, self.told) = (batch.position.next(), batch.position);
            sent += 1;
        }
        (sent, true)
    }

    /// Says that there is nothing more up to `upto`.
    fn tell(&mut self, link: LinkId, upto: LogPosition, out: &mut Links) -> usize {
        if upto <= self.told || out.room(link) < FRAME_OVERHEAD {
            return 0;
        }
        let progress = Progress { partition: self.partition, position: upto };
        if out.send(link, &Frame::Progress(progress)).is_err() {
            return 0;
        }
        self.told = upto;
        self.next = self.next.max(upto.next());
        1
    }

    /// What the archive answers may be a refusal, which is told from that of a former stream by the beginning before it.
    fn wants_archive(&self, recent: &Recent) -> bool {
        !self.owes_beginning && self.read.is_none() && self.chunk.is_none() && self.next <= recent.after()
    }
}
