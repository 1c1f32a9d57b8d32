//! Casts by Aeron: the network thread's half ([`CastPort`]), and the publications of the Aeron thread.
//!
//! They have a ring of their own, so that no flood of events stands before a Raft message. What a publication does not take at
//! once waits a little and is then dropped; whoever misses it has its link.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use beside::engine::{CAST_MESSAGE_MAX, Channel, Engine, Offer, Stream};
use beside::seal::{Between, OVERHEAD, Sealer};
use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use ring::rand::SystemRandom;
use wire::link::{BypassKey, CastOpen, Place};
use wire::{ClusterEpoch, NodeId, PartitionId};

use super::agreement::draw;
use super::{AeronAt, AeronConfig, AeronCounters};
use crate::net::cast::CastWay;

/// What waits for the Aeron thread.
const ORDERS: usize = 4 * 1024;
/// Room that messages leave for what must not be lost.
const ORDERS_LEFT: usize = 64;
/// Bytes of one cast that may wait for its publication.
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What no publication has taken after this is dropped.
const STALE_AFTER: Duration = Duration::from_millis(50);
/// Messages of one cast offered in one cycle.
const OFFERS_PER_CYCLE: usize = 64;
/// A cast's receiver: all who joined.
const ALL: NodeId = NodeId::new(0);

/// What the network thread wants done.
#[derive(Debug)]
pub(super) enum CastOrder {
    /// Seal the partition's messages with this, and send them there.
    Turn { partition: PartitionId, to: Stream, sealer: Box<Sealer> },
    /// To these.
    Spread { partition: PartitionId, destinations: BTreeSet<SocketAddr> },
    /// To nobody.
    Close { partition: PartitionId },
    /// A message.
    Send { partition: PartitionId, message: Vec<u8> },
}

impl CastOrder {
    fn partition(&self) -> PartitionId {
        match self {
            CastOrder::Turn { partition, .. }
            | CastOrder::Spread { partition, .. }
            | CastOrder::Close { partition }
            | CastOrder::Send { partition, .. } => *partition,
        }
    }

    /// Whether the other, which comes later and before any message, says the same thing anew.
    fn is_outdone_by(&self, other: &CastOrder) -> bool {
        self.partition() == other.partition() && mem::discriminant(self) == mem::discriminant(other)
    }
}

/// The network thread's half.
#[derive(Debug)]
pub struct CastPort {
    node: NodeId,
    epoch: ClusterEpoch,
    at: AeronAt,
    group: Option<SocketAddr>,
    orders: Sender<CastOrder>,
    /// What is not a message and did not fit: of each partition and kind the newest.
    waiting: VecDeque<CastOrder>,
    random: SystemRandom,
    counters: Arc<AeronCounters>,
}

/// Both ends of the ring.
pub(super) fn casts(config: &AeronConfig, counters: Arc<AeronCounters>) -> (CastPort, Receiver<CastOrder>) {
    let (orders, to_do) = bounded(ORDERS);
    let (node, epoch, at, group) = (config.node, config.epoch, config.at, config.group);
    let (waiting, random) = (VecDeque::new(), SystemRandom::new());
    (CastPort { node, epoch, at, group, orders, waiting, random, counters }, to_do)
}

impl CastPort {
    /// Reaches the Aeron thread, sooner or later, in order.
    fn order(&mut self, order: CastOrder) {
        self.send_waiting();
        if matches!(order, CastOrder::Close { .. }) {
            self.waiting.retain(|waiting| waiting.partition() != order.partition());
        }
        // No farewell is between the two, for it would have ended the first.
        match self.waiting.iter_mut().find(|waiting| waiting.is_outdone_by(&order)) {
            Some(waiting) => *waiting = order,
            None => self.waiting.push_back(order),
        }
        self.send_waiting();
    }

    fn send_waiting(&mut self) {
        while let Some(order) = self.waiting.pop_front() {
            if let Err(TrySendError::Full(order)) = self.orders.try_send(order) {
                return self.waiting.push_front(order);
            }
        }
    }

    fn channel(&self) -> Channel {
        match (self.at, self.group) {
            (AeronAt::Ipc, _) => Channel::CastIpc,
            (AeronAt::Udp(at), Some(group)) => Channel::CastGroup { group, through: at.ip() },
            (AeronAt::Udp(at), None) => Channel::CastFrom(at.ip()),
        }
    }
}

impl CastWay for CastPort {
    fn reaches(&self, place: Place) -> bool {
        match (self.at, place.address()) {
            (AeronAt::Ipc, _) => place == Place::default(),
            (AeronAt::Udp(at), Some(address)) => {
                let is_broadcast = matches!(address.ip(), IpAddr::V4(ip) if ip.is_broadcast());
                let is_one_host = !address.ip().is_unspecified() && !address.ip().is_multicast() && !is_broadcast;
                is_one_host && at.is_ipv4() == address.is_ipv4()
            }
            // It has another host's memory in mind, or another driver's, or no port.
            (AeronAt::Udp(_), None) => false,
        }
    }

    fn draw(&mut self, partition: PartitionId, stream: Option<u32>) -> Option<CastOpen> {
        // Aeron's are i32.
        let drawn = u32::from_le_bytes(draw(&self.random)?) >> 1;
        Some(CastOpen {
            partition,
            cast: u64::from_le_bytes(draw(&self.random)?),
            key: BypassKey::new(draw(&self.random)?),
            place: Place::of(self.group.filter(|_| self.at != AeronAt::Ipc)),
            stream: stream.unwrap_or(drawn),
        })
    }

    fn turn(&mut self, open: CastOpen) {
        let Ok(stream) = i32::try_from(open.stream) else { return };
        let sealer = Sealer::new(&open.key, between(self.epoch, self.node, open.cast));
        let to = Stream { channel: self.channel(), stream };
        self.order(CastOrder::Turn { partition: open.partition, to, sealer: Box::new(sealer) });
    }

    fn spread(&mut self, partition: PartitionId, places: BTreeSet<Place>) {
        // A group has whoever listens, and memory whoever maps it.
        if !matches!(self.channel(), Channel::CastFrom(_)) {
            return;
        }
        let destinations = places.iter().filter_map(|place| place.address()).collect();
        self.order(CastOrder::Spread { partition, destinations });
    }

    fn close(&mut self, partition: PartitionId) {
        self.order(CastOrder::Close { partition });
    }

    fn message_max(&self) -> usize {
        CAST_MESSAGE_MAX - OVERHEAD
    }

    fn send(&mut self, partition: PartitionId, message: Vec<u8>) {
        self.send_waiting();
        let has_room = self.waiting.is_empty() && self.orders.len() < ORDERS - ORDERS_LEFT;
        if !has_room || self.orders.try_send(CastOrder::Send { partition, message }).is_err() {
            self.counters.cast_dropped.add(1);
        }
    }
}

fn between(epoch: ClusterEpoch, node: NodeId, cast: u64) -> Between {
    Between { epoch, from: node, to: ALL, bypass: cast }
}

/// The Aeron thread's half.
#[derive(Debug, Default)]
pub(super) struct Casts {
    outlets: BTreeMap<PartitionId, Outlet>,
}

#[derive(Debug)]
struct Outlet {
    to: Stream,
    sealer: Box<Sealer>,
    /// Messages that were sealed with it.
    last: u64,
    destinations: BTreeSet<SocketAddr>,
    waiting: VecDeque<(Vec<u8>, Instant)>,
    waiting_bytes: usize,
    /// The first of them, sealed and not taken yet.
    sealed: Vec<u8>,
    is_sealed: bool,
}

impl Casts {
    pub(super) fn on_order(&mut self, order: CastOrder, now: Instant, counters: &AeronCounters) {
        match order {
            CastOrder::Turn { partition, to, sealer } => match self.outlets.get_mut(&partition) {
                // What waits is sealed anew, whoever read the former key; nothing is sealed twice with one number.
                Some(outlet) => (outlet.to, outlet.sealer, outlet.last, outlet.is_sealed) = (to, sealer, 0, false),
                None => {
                    let outlet = Outlet {
                        to,
                        sealer,
                        last: 0,
                        destinations: BTreeSet::new(),
                        waiting: VecDeque::new(),
                        waiting_bytes: 0,
                        sealed: Vec::new(),
                        is_sealed: false,
                    };
                    self.outlets.insert(partition, outlet);
                }
            },
            CastOrder::Spread { partition, destinations } => {
                if let Some(outlet) = self.outlets.get_mut(&partition) {
                    outlet.destinations = destinations;
                }
            }
            CastOrder::Close { partition } => drop(self.outlets.remove(&partition)),
            CastOrder::Send { partition, message } => {
                let outlet = self.outlets.get_mut(&partition);
                match outlet.filter(|outlet| outlet.waiting_bytes + message.len() <= WAITING_BYTES_MAX) {
                    Some(outlet) => {
                        outlet.waiting_bytes += message.len();
                        outlet.waiting.push_back((message, now));
                    }
                    None => counters.cast_dropped.add(1),
                }
            }
        }
    }

    pub(super) fn wants(&self, stream: &Stream) -> bool {
        self.outlets.values().any(|outlet| outlet.to == *stream)
    }

    /// Where each goes, to an engine that does not know it.
    pub(super) fn spread(&self, engine: &mut Engine) {
        for outlet in self.outlets.values() {
            engine.spread(outlet.to, outlet.destinations.clone());
        }
    }

    /// Offers what waits; without an engine it grows stale.
    pub(super) fn offer(&mut self, engine: &mut Option<Engine>, now: Instant, counters: &AeronCounters) -> usize {
        let mut done = 0;
        for outlet in self.outlets.values_mut() {
            for _ in 0..OFFERS_PER_CYCLE {
                let Some((message, since)) = outlet.waiting.front() else { break };
                let is_stale = now.duration_since(*since) >= STALE_AFTER;
                let taken = engine.as_mut().is_some_and(|engine| {
                    if !outlet.is_sealed {
                        outlet.last += 1;
                        outlet.sealer.seal(outlet.last, message, &mut outlet.sealed);
                        outlet.is_sealed = true;
                    }
                    engine.offer(outlet.to, &outlet.sealed) == Offer::Taken
                });
                if !taken && !is_stale {
                    break;
                }
                let counter = if taken { &counters.cast_out } else { &counters.cast_dropped };
                counter.add(1);
                outlet.waiting_bytes -= message.len();
                outlet.waiting.pop_front();
                outlet.is_sealed = false;
                done += 1;
            }
        }
        done
    }
}

#[cfg(test)]
mod tests;
