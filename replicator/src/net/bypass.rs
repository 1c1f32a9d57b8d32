//! The seam for a second way between two nodes, beside their link: a peer's Raft messages may take it, everything else
//! goes over the link.
//!
//! The link stays what says who a peer is and whether it lives; a bypass is agreed over it, and is used only while
//! what goes into it is seen to come out. Raft takes messages that are lost or that overtake each other, so nothing has
//! to be told apart by the way it came. The default build has no bypass; with the feature `aeron` there is
//! [`super::aeron`].

use std::fmt;
use std::io;
use std::ops::Range;

use wire::link::{BypassOpen, BypassSeen, Frame};
use wire::{NodeId, Timestamp};

use super::links::{LinkId, Links};
use super::{CloseReason, Handler, NetCounters, Waker};

/// Another way to peers. All calls come from the network thread, none may block.
pub trait Bypass: Send + fmt::Debug {
    /// Once at the beginning of a cycle: whatever has come since, and is to be said, is added to `arrivals`. Returns how
    /// much it did.
    fn poll(&mut self, now: Timestamp, arrivals: &mut Arrivals) -> usize;

    /// A link to a peer node is open: what to say over it, if this node takes frames beside it.
    fn on_open(&mut self, link: LinkId, node: NodeId) -> Option<BypassOpen>;

    /// What was agreed over this link is void.
    fn on_close(&mut self, link: LinkId);

    /// The peer takes frames there.
    fn on_offer(&mut self, link: LinkId, node: NodeId, open: BypassOpen);

    /// The peer has seen frames up to there.
    fn on_seen(&mut self, node: NodeId, seen: BypassSeen);

    /// Takes a frame for a peer; false when it is to go over the link.
    fn send(&mut self, node: NodeId, frame: &Frame<'_>) -> bool;
}

/// Makes the bypass of a network thread, which it wakes.
pub struct BypassMaker(Box<MakeBypass>);

type MakeBypass = dyn FnOnce(Waker) -> io::Result<Box<dyn Bypass>> + Send;

impl BypassMaker {
    /// By this function.
    pub fn new(make: impl FnOnce(Waker) -> io::Result<Box<dyn Bypass>> + Send + 'static) -> BypassMaker {
        BypassMaker(Box::new(make))
    }

    pub(super) fn make(self, waker: Waker) -> io::Result<Box<dyn Bypass>> {
        (self.0)(waker)
    }
}

impl fmt::Debug for BypassMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BypassMaker")
    }
}

/// What came by a bypass, and what it has to say over links.
#[derive(Debug, Default)]
pub struct Arrivals {
    bytes: Vec<u8>,
    bodies: Vec<(NodeId, Range<usize>)>,
    words: Vec<(NodeId, Frame<'static>)>,
}

impl Arrivals {
    /// A frame's body, whose sender is proven.
    pub fn push(&mut self, from: NodeId, body: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(body);
        self.bodies.push((from, start..self.bytes.len()));
    }

    /// A frame that is to go over the link.
    pub fn say(&mut self, to: NodeId, frame: Frame<'static>) {
        self.words.push((to, frame));
    }

    /// Frames that came, with their senders.
    #[cfg(all(test, feature = "aeron"))]
    pub(super) fn bodies(&self) -> impl Iterator<Item = (NodeId, &[u8])> {
        self.bodies.iter().map(|(from, range)| (*from, &self.bytes[range.clone()]))
    }

    /// What is to be said.
    #[cfg(all(test, feature = "aeron"))]
    pub(super) fn words(&self) -> &[(NodeId, Frame<'static>)] {
        &self.words
    }

    /// Hands frames to the handler as if they had come over the link, and says what is to be said. Who sends what may not
    /// go beside a link loses it.
    pub(super) fn deliver<H: Handler>(&mut self, handler: &mut H, links: &mut Links, counters: &NetCounters) {
        for (node, frame) in self.words.drain(..) {
            // No link or no room: it is found out by what does not come.
            let _ = links.link_to(node).is_some_and(|link| links.send(link, &frame).is_ok());
        }
        for (from, range) in self.bodies.drain(..) {
            // A peer without a link is nobody: its process may be another by now.
            let Some(link) = links.link_to(from) else { continue };
            match Frame::decode(&self.bytes[range]) {
                Ok(frame @ Frame::Raft(..)) => {
                    counters.frames_in.add(1);
                    handler.on_frame(link, frame, links);
                }
                Ok(_) => links.close_for(link, CloseReason::ForbiddenFrame),
                Err(_) => links.close_for(link, CloseReason::MalformedFrame),
            }
        }
        self.bytes.clear();
    }
}
