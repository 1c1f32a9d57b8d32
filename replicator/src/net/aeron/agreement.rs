//! The network thread's half: what is agreed with each peer over its links, which frames go by Aeron, and what came.
//!
//! Whoever opens what is sealed draws the key, when a link to a peer opens, and forgets it when that link closes. Nothing
//! here waits for Aeron: a ring that is full, a way that is not known to work, a frame that is too long are answered with
//! "over the link".

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use beside::engine::{Channel, MESSAGE_MAX, Stream};
use beside::seal::{Between, OVERHEAD, Opener, Sealer};
use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use ring::rand::{SecureRandom, SystemRandom};
use wire::link::{BypassKey, BypassOpen, BypassSeen, Frame, HEADER_LEN, Place};
use wire::{ClusterEpoch, NodeId, Timestamp};

use super::casts::CastOrder;
use super::media::{Batch, Media, Order, Parcel};
use super::way::{Turn, Way};
use super::{AeronAt, AeronConfig, AeronCounters};
use crate::net::Waker;
use crate::net::bypass::{Arrivals, Bypass};
use crate::net::links::LinkId;

/// What waits for the Aeron thread. Bytes are bounded by what may be unseen.
const ORDERS: usize = 8 * 1024;
/// Batches that wait for the network thread; while they do, nothing more is polled.
const BATCHES: usize = 16;
/// Keys and their ends that may wait for room among the orders; with more, links open without a bypass.
const AGREEMENTS_WAITING_MAX: usize = 1_024;
/// How often a peer is told how far it was seen.
const SEEN_EVERY: Duration = Duration::from_millis(10);
/// After so long between two cycles the thread was held up: what peers have said of the time between is still unread.
const HELD_UP: Duration = Duration::from_millis(25);
/// The longest body that goes by Aeron.
const BODY_MAX: usize = MESSAGE_MAX - OVERHEAD;

/// See the module.
#[derive(Debug)]
pub(super) struct AeronBypass {
    node: NodeId,
    epoch: ClusterEpoch,
    at: AeronAt,
    /// The stream that this node takes: drawn, so that it is told by links alone.
    stream: u32,
    now: Timestamp,
    /// `None` when it ends.
    orders: Option<Sender<Order>>,
    batches: Receiver<Batch>,
    /// What was agreed and is not ordered yet.
    waiting: VecDeque<Order>,
    incoming: BTreeMap<u64, Incoming>,
    outgoing: BTreeMap<NodeId, Outgoing>,
    random: SystemRandom,
    counters: Arc<AeronCounters>,
    thread: Option<JoinHandle<()>>,
}

/// What a peer sends here.
#[derive(Debug)]
struct Incoming {
    from: NodeId,
    /// The link over which it was agreed.
    link: LinkId,
    seen: u64,
    said: u64,
    say_due: Timestamp,
}

/// What goes to a peer.
#[derive(Debug)]
struct Outgoing {
    bypass: u64,
    link: LinkId,
    way: Way,
}

impl AeronBypass {
    /// Starts the thread that has Aeron.
    pub(super) fn start(
        config: AeronConfig,
        casts: Receiver<CastOrder>,
        counters: Arc<AeronCounters>,
        waker: Waker,
    ) -> io::Result<AeronBypass> {
        let (orders, to_do) = bounded(ORDERS);
        let (done, batches) = bounded(BATCHES);
        let mut bypass = AeronBypass::between(&config, counters, orders, batches)?;
        let (name, stream, counters) = (format!("aeron-{}", bypass.node), bypass.stream, Arc::clone(&bypass.counters));
        // Made there: what Aeron's wrappers hold stays in one thread.
        let run = move || Media::new(config, stream, (to_do, casts), done, waker, counters).run();
        bypass.thread = Some(std::thread::Builder::new().name(name).spawn(run)?);
        Ok(bypass)
    }

    /// The same, with whoever has the other ends of the rings.
    pub(super) fn between(
        config: &AeronConfig,
        counters: Arc<AeronCounters>,
        orders: Sender<Order>,
        batches: Receiver<Batch>,
    ) -> io::Result<AeronBypass> {
        let random = SystemRandom::new();
        let stream: [u8; 4] = draw(&random).ok_or_else(|| io::Error::other("the system gives no random numbers"))?;
        Ok(AeronBypass {
            node: config.node,
            epoch: config.epoch,
            at: config.at,
            // Aeron's are i32.
            stream: u32::from_le_bytes(stream) >> 1,
            now: Timestamp::ZERO,
            orders: Some(orders),
            batches,
            waiting: VecDeque::new(),
            incoming: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            random,
            counters,
            thread: None,
        })
    }

    /// What was agreed reaches the Aeron thread, sooner or later, in order.
    fn order(&mut self, order: Order) {
        self.waiting.push_back(order);
        self.send_waiting();
    }

    fn send_waiting(&mut self) {
        while let (Some(orders), Some(order)) = (&self.orders, self.waiting.pop_front()) {
            match orders.try_send(order) {
                Ok(()) => {}
                Err(TrySendError::Full(order)) => return self.waiting.push_front(order),
                // The thread is gone: nothing is seen any more, and everything goes over the links.
                Err(TrySendError::Disconnected(_)) => {}
            }
        }
    }

    fn is_crowded(&self) -> bool {
        self.waiting.len() >= AGREEMENTS_WAITING_MAX
    }

    fn take_batches(&mut self, arrivals: &mut Arrivals) -> usize {
        let mut taken = 0;
        for batch in self.batches.try_iter() {
            for (bypass, number, range) in batch.frames {
                taken += 1;
                // Its link was closed meanwhile.
                let Some(incoming) = self.incoming.get_mut(&bypass) else { continue };
                incoming.seen = number;
                if !range.is_empty() {
                    self.counters.frames_in.add(1);
                    arrivals.push(incoming.from, &batch.bytes[range]);
                }
            }
        }
        taken
    }

    fn say_what_was_seen(&mut self, arrivals: &mut Arrivals) -> usize {
        let mut said = 0;
        for (bypass, incoming) in &mut self.incoming {
            if incoming.seen > incoming.said && incoming.say_due <= self.now {
                incoming.said = incoming.seen;
                incoming.say_due = self.now.plus_nanos(SEEN_EVERY.as_nanos() as u64);
                let seen = BypassSeen { bypass: *bypass, number: incoming.seen };
                arrivals.say(incoming.from, Frame::BypassSeen(seen));
                said += 1;
            }
        }
        said
    }

    fn look_after_ways(&mut self, was_held_up: bool) {
        let (now, mut probes) = (self.now, Vec::new());
        for (node, outgoing) in &mut self.outgoing {
            // A thread that was held up itself blames no peer.
            if !was_held_up && outgoing.way.look(now) == Turn::Fell {
                self.counters.fallen.add(1);
                tracing::warn!(peer = %node, "nothing is seen of what goes by Aeron: the link has it again");
            }
            if let Some(number) = outgoing.way.probe(now) {
                probes.push(Parcel { to: *node, bypass: outgoing.bypass, number, frame: Vec::new() });
            }
        }
        for probe in probes {
            // Full: the next one.
            let _ = self.orders.as_ref().is_some_and(|orders| orders.try_send(Order::Send(probe)).is_ok());
        }
    }

    fn between_us(&self, from: NodeId, to: NodeId, bypass: u64) -> Between {
        Between { epoch: self.epoch, from, to, bypass }
    }

    fn place(&self) -> Place {
        match self.at {
            AeronAt::Udp(address) => Place::of(Some(address)),
            AeronAt::Ipc => Place::default(),
        }
    }

    fn destination(&self, open: &BypassOpen) -> Option<Stream> {
        let stream = i32::try_from(open.stream).ok()?;
        match (open.place.address(), self.at) {
            (Some(address), _) => Some(Stream { channel: Channel::Udp(address), stream }),
            (None, AeronAt::Ipc) => Some(Stream { channel: Channel::Ipc, stream }),
            // It has another host's memory in mind, or another driver's.
            (None, AeronAt::Udp(_)) => None,
        }
    }
}

impl Bypass for AeronBypass {
    fn poll(&mut self, now: Timestamp, arrivals: &mut Arrivals) -> usize {
        let was_held_up = now.nanos().saturating_sub(self.now.nanos()) >= HELD_UP.as_nanos() as u64;
        self.now = now;
        self.send_waiting();
        self.look_after_ways(was_held_up);
        self.take_batches(arrivals) + self.say_what_was_seen(arrivals)
    }

    fn on_open(&mut self, link: LinkId, node: NodeId) -> Option<BypassOpen> {
        if self.is_crowded() {
            return None;
        }
        let (bypass, key) = (u64::from_le_bytes(draw(&self.random)?), BypassKey::new(draw(&self.random)?));
        let opener = Opener::new(&key, self.between_us(node, self.node, bypass));
        self.order(Order::Expect { bypass, opener });
        let incoming = Incoming { from: node, link, seen: 0, said: 0, say_due: Timestamp::ZERO };
        self.incoming.insert(bypass, incoming);
        Some(BypassOpen { bypass, key, place: self.place(), stream: self.stream })
    }

    fn on_close(&mut self, link: LinkId) {
        let closed: Vec<u64> =
            self.incoming.iter().filter(|(_, incoming)| incoming.link == link).map(|(bypass, _)| *bypass).collect();
        for bypass in closed {
            self.incoming.remove(&bypass);
            self.order(Order::Forget { bypass });
        }
        let closed: Vec<NodeId> =
            self.outgoing.iter().filter(|(_, outgoing)| outgoing.link == link).map(|(node, _)| *node).collect();
        for node in closed {
            self.outgoing.remove(&node);
            self.order(Order::Close { to: node });
        }
    }

    fn on_offer(&mut self, link: LinkId, node: NodeId, open: BypassOpen) {
        // A key that is in use would begin to count anew.
        let is_known = self.outgoing.get(&node).is_some_and(|outgoing| outgoing.bypass == open.bypass);
        let Some(destination) = self.destination(&open).filter(|_| !is_known && !self.is_crowded()) else { return };
        let sealer = Sealer::new(&open.key, self.between_us(self.node, node, open.bypass));
        self.outgoing.insert(node, Outgoing { bypass: open.bypass, link, way: Way::new() });
        self.order(Order::Open { to: node, bypass: open.bypass, destination, sealer });
    }

    fn on_seen(&mut self, node: NodeId, seen: BypassSeen) {
        let Some(outgoing) = self.outgoing.get_mut(&node).filter(|it| it.bypass == seen.bypass) else { return };
        if outgoing.way.on_seen(seen.number, self.now) == Turn::Opened {
            self.counters.opened.add(1);
            tracing::info!(peer = %node, "Raft messages go by Aeron");
        }
    }

    fn send(&mut self, node: NodeId, frame: &Frame<'_>) -> bool {
        let Some(orders) = &self.orders else { return false };
        let Some(outgoing) = self.outgoing.get_mut(&node).filter(|it| it.way.is_open()) else { return false };
        let mut bytes = Vec::new();
        if !is_too_long(frame) {
            frame.encode(&mut bytes);
        }
        let body = bytes.len().saturating_sub(HEADER_LEN);
        // Agreements go first, so that none comes after a frame that needs it. Nobody else fills the ring.
        let has_room = (1..=BODY_MAX).contains(&body) && self.waiting.is_empty() && !orders.is_full();
        let number = has_room.then(|| outgoing.way.admit(body, self.now)).flatten();
        let sent = number.is_some_and(|number| {
            let parcel = Parcel { to: node, bypass: outgoing.bypass, number, frame: bytes };
            orders.try_send(Order::Send(parcel)).is_ok()
        });
        if sent {
            self.counters.frames_out.add(1)
        } else {
            self.counters.over_link.add(1)
        }
        sent
    }
}

/// Found out before it is copied.
fn is_too_long(frame: &Frame<'_>) -> bool {
    matches!(frame, Frame::Raft(_, payload) if payload.len() > BODY_MAX)
}

pub(super) fn draw<const N: usize>(random: &SystemRandom) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    random.fill(&mut bytes).ok().map(|()| bytes)
}

impl Drop for AeronBypass {
    fn drop(&mut self) {
        self.orders = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(node = %self.node, "the Aeron thread had panicked");
        }
    }
}
