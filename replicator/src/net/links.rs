//! The open links as the handler sees them: bounded out-buffers and who is at the other end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use wire::NodeId;
use wire::link::{Frame, HEADER_LEN, PEER_BODY_MAX, Role};

use super::{Bypass, CloseReason, NetCounters, PeerIdentity};

/// One open link; never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(u64);

impl LinkId {
    fn new(slot: usize, generation: u32) -> LinkId {
        LinkId(u64::from(generation) << 32 | slot as u64)
    }

    #[cfg(all(test, feature = "aeron"))]
    pub(super) const fn of_test(id: u64) -> LinkId {
        LinkId(id)
    }

    /// Where its connection is kept while it is open.
    pub(super) fn slot(self) -> usize {
        (self.0 & u64::from(u32::MAX)) as usize
    }

    /// As a number, for traces.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The frame was not taken: too many bytes wait for this link, or it is not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// The links of a node, for its [`Handler`](super::Handler).
#[derive(Debug)]
pub struct Links {
    me: NodeId,
    node_out_bytes_max: usize,
    client_out_bytes_max: usize,
    slots: Vec<Slot>,
    generation: u32,
    nodes: BTreeMap<NodeId, NodeLinks>,
    /// Slots with bytes that have not been offered to their sockets.
    unflushed: Vec<usize>,
    /// Links to be closed by the network thread.
    closing: Vec<(LinkId, CloseReason)>,
    /// Whom the handler wants to be dialed from now on.
    peers: Option<Vec<(NodeId, Option<SocketAddr>)>>,
    /// Another way for Raft messages to peer nodes.
    pub(super) bypass: Option<Box<dyn Bypass>>,
    counters: Arc<NetCounters>,
}

#[derive(Debug, Default)]
struct Slot {
    /// `None` while the slot is free.
    link: Option<LinkId>,
    /// `None` before the end of the greeting.
    peer: Option<PeerIdentity>,
    out: OutBuffer,
    is_unflushed: bool,
    is_closing: bool,
}

#[derive(Debug, Default)]
struct NodeLinks {
    dialed: Option<LinkId>,
    accepted: Option<LinkId>,
}

impl Links {
    pub(super) fn new(
        me: NodeId,
        node_out_bytes_max: usize,
        client_out_bytes_max: usize,
        counters: Arc<NetCounters>,
    ) -> Links {
        Links {
            me,
            node_out_bytes_max,
            client_out_bytes_max,
            slots: Vec::new(),
            generation: 0,
            nodes: BTreeMap::new(),
            unflushed: Vec::new(),
            closing: Vec::new(),
            peers: None,
            bypass: None,
            counters,
        }
    }

    /// Puts a frame into the link's out-buffer; it leaves at the end of the cycle. `Full` when it does not
    /// fit (a buffer that is empty takes any frame) or when the link is closed.
    pub fn send(&mut self, link: LinkId, frame: &Frame<'_>) -> Result<(), Full> {
        let slot = self.slots.get(link.slot()).ok_or(Full)?;
        match slot.peer {
            Some(peer) if slot.link == Some(link) && !slot.is_closing => self.enqueue(link.slot(), peer.role, frame),
            _ => Err(Full),
        }
    }

    /// Sends to a peer node on whichever link is open, or beside it where there is a way that is known to work; `Full`
    /// when no link is open.
    pub fn send_to_node(&mut self, node: NodeId, frame: &Frame<'_>) -> Result<(), Full> {
        let Some(link) = self.link_to(node) else {
            self.counters.unconnected.add(1);
            return Err(Full);
        };
        let may_go_beside = matches!(frame, Frame::Raft(..));
        if may_go_beside && self.bypass.as_mut().is_some_and(|bypass| bypass.send(node, frame)) {
            self.counters.frames_out.add(1);
            return Ok(());
        }
        self.send(link, frame)
    }

    /// A peer node speaks of a bypass; without one here it speaks to nobody.
    pub(super) fn on_bypass_word(&mut self, link: LinkId, word: Frame<'_>) {
        let Some(node) = self.peer(link).map(|peer| peer.node) else { return };
        match (&mut self.bypass, word) {
            (Some(bypass), Frame::BypassOpen(open)) => bypass.on_offer(link, node, open),
            (Some(bypass), Frame::BypassSeen(seen)) => bypass.on_seen(node, seen),
            _ => {}
        }
    }

    /// How many more bytes the link's out-buffer takes; 0 when it is closed.
    pub fn room(&self, link: LinkId) -> usize {
        match self.slots.get(link.slot()) {
            Some(Slot { link: Some(id), peer: Some(peer), out, is_closing: false, .. }) if *id == link => {
                self.out_bytes_max(peer.role).saturating_sub(out.len())
            }
            _ => 0,
        }
    }

    /// Closes the link after what was sent has been offered to its socket once.
    pub fn close(&mut self, link: LinkId) {
        self.close_for(link, CloseReason::ByHandler);
    }

    /// Who is at the other end; `None` when it is closed.
    pub fn peer(&self, link: LinkId) -> Option<&PeerIdentity> {
        let slot = self.slots.get(link.slot())?;
        slot.peer.as_ref().filter(|_| slot.link == Some(link) && !slot.is_closing)
    }

    /// Nodes that are to be dialed from now on, instead of all before. Where no address is given, what is known of the
    /// node's stays.
    pub fn set_peers(&mut self, peers: Vec<(NodeId, Option<SocketAddr>)>) {
        self.peers = Some(peers);
    }

    pub(super) fn take_peers(&mut self) -> Option<Vec<(NodeId, Option<SocketAddr>)>> {
        self.peers.take()
    }

    /// Whether a link to this node is open.
    pub fn is_connected(&self, node: NodeId) -> bool {
        self.link_to(node).is_some()
    }

    /// The link that [`Links::send_to_node`] uses: the one that the lower node id dialed, else the other.
    pub fn link_to(&self, node: NodeId) -> Option<LinkId> {
        let links = self.nodes.get(&node)?;
        if self.me < node { links.dialed.or(links.accepted) } else { links.accepted.or(links.dialed) }
    }

    fn out_bytes_max(&self, role: Role) -> usize {
        match role {
            Role::Node => self.node_out_bytes_max,
            Role::Gateway | Role::Operator | Role::Chainwatch => self.client_out_bytes_max,
        }
    }

    fn enqueue(&mut self, index: usize, role: Role, frame: &Frame<'_>) -> Result<(), Full> {
        let bytes_max = self.out_bytes_max(role);
        let slot = &mut self.slots[index];
        let waiting = slot.out.len();
        let at_least = HEADER_LEN + payload_len(frame);
        if at_least > HEADER_LEN + PEER_BODY_MAX {
            self.counters.oversized.add(1);
            tracing::error!(bytes = at_least, "a frame is longer than any peer takes; it is dropped");
            return Err(Full);
        }
        if waiting > 0 && waiting + at_least > bytes_max {
            self.counters.full.add(1);
            return Err(Full);
        }
        frame.encode(&mut slot.out.bytes);
        let body = slot.out.len() - waiting - HEADER_LEN;
        let is_oversized = body > PEER_BODY_MAX;
        if is_oversized || (waiting > 0 && slot.out.len() > bytes_max) {
            slot.out.cut_to(waiting);
            let counter = if is_oversized { &self.counters.oversized } else { &self.counters.full };
            counter.add(1);
            return Err(Full);
        }
        self.counters.frames_out.add(1);
        self.mark_unflushed(index);
        Ok(())
    }

    pub(super) fn mark_unflushed(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        if !slot.is_unflushed {
            slot.is_unflushed = true;
            self.unflushed.push(index);
        }
    }

    /// The slots to flush in this cycle; each is forgotten unless it is marked again.
    pub(super) fn take_unflushed(&mut self, into: &mut Vec<usize>) {
        into.clear();
        into.append(&mut self.unflushed);
        for index in into.iter() {
            self.slots[*index].is_unflushed = false;
        }
    }

    /// Gives a connection in this slot its id.
    pub(super) fn reserve(&mut self, index: usize) -> LinkId {
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, Slot::default);
        }
        self.generation = self.generation.wrapping_add(1);
        let link = LinkId::new(index, self.generation);
        let is_unflushed = self.slots[index].is_unflushed;
        self.slots[index] = Slot { link: Some(link), is_unflushed, ..Slot::default() };
        link
    }

    /// The greeting went well: from now on the handler may send. An older link of the same kind to the same
    /// node gives way.
    pub(super) fn open(&mut self, link: LinkId, peer: PeerIdentity) {
        self.slots[link.slot()].peer = Some(peer);
        if peer.role == Role::Node {
            if let Some(open) = self.bypass.as_mut().and_then(|bypass| bypass.on_open(link, peer.node)) {
                // An empty buffer takes it.
                let _ = self.send(link, &Frame::BypassOpen(open));
            }
            let links = self.nodes.entry(peer.node).or_default();
            let place = if peer.is_dialed { &mut links.dialed } else { &mut links.accepted };
            if let Some(older) = place.replace(link) {
                self.close_for(older, CloseReason::Superseded);
            }
        }
    }

    /// The connection is gone. Returns its peer if it had been open.
    pub(super) fn remove(&mut self, link: LinkId) -> Option<PeerIdentity> {
        let slot = &mut self.slots[link.slot()];
        let is_unflushed = slot.is_unflushed;
        let peer = std::mem::replace(slot, Slot { is_unflushed, ..Slot::default() }).peer;
        if let Some(links) = peer.and_then(|peer| self.nodes.get_mut(&peer.node)) {
            self.bypass.iter_mut().for_each(|bypass| bypass.on_close(link));
            links.dialed = links.dialed.filter(|id| *id != link);
            links.accepted = links.accepted.filter(|id| *id != link);
        }
        peer
    }

    pub(super) fn close_for(&mut self, link: LinkId, reason: CloseReason) {
        let Some(slot) = self.slots.get_mut(link.slot()) else { return };
        if slot.link == Some(link) && !slot.is_closing {
            slot.is_closing = true;
            self.closing.push((link, reason));
        }
    }

    pub(super) fn next_closing(&mut self) -> Option<(LinkId, CloseReason)> {
        self.closing.pop()
    }

    pub(super) fn is_closing(&self, link: LinkId) -> bool {
        self.slots[link.slot()].is_closing
    }

    pub(super) fn out(&mut self, index: usize) -> &mut OutBuffer {
        &mut self.slots[index].out
    }

    /// Appends a greeting, which is sent before the link is open.
    pub(super) fn greet(&mut self, link: LinkId, frame: &Frame<'_>) {
        frame.encode(&mut self.slots[link.slot()].out.bytes);
        self.counters.frames_out.add(1);
        self.mark_unflushed(link.slot());
    }
}

fn payload_len(frame: &Frame<'_>) -> usize {
    match frame {
        Frame::Request(_, payload)
        | Frame::Reply(_, payload)
        | Frame::Events(_, payload)
        | Frame::Members(_, payload)
        | Frame::Raft(_, payload)
        | Frame::Mail(_, payload) => payload.len(),
        _ => 0,
    }
}

/// Bytes that wait for a socket; those before `taken` have left.
#[derive(Debug, Default)]
pub(super) struct OutBuffer {
    bytes: Vec<u8>,
    taken: usize,
}

/// A buffer that grew beyond this gives its memory back when it is empty.
const KEPT_CAPACITY: usize = 256 * 1024;

impl OutBuffer {
    pub(super) fn waiting(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    pub(super) fn take(&mut self, count: usize) {
        self.taken += count;
        if self.taken == self.bytes.len() {
            self.taken = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEPT_CAPACITY {
                self.bytes = Vec::new();
            }
        } else if self.taken >= KEPT_CAPACITY && self.taken * 2 >= self.bytes.len() {
            // Moves at most as many bytes as have left since the last time.
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
    }

    fn cut_to(&mut self, waiting: usize) {
        self.bytes.truncate(self.taken + waiting);
    }
}
