//! A bypass over Aeron: Raft messages between nodes by UDP or by memory that they share, through Aeron's C media driver. And
//! casts: events of partitions to the gateways that joined ([`casts`]).
//!
//! Aeron knows neither who sends nor secrecy, so the link between two nodes keeps both. Over it each node tells the other
//! where it takes frames and the key that seals them ([`wire::link::BypassOpen`]), and how far it has seen them
//! ([`wire::link::BypassSeen`]). A frame that no key of an open link opens is counted and dropped; when nothing is seen for a
//! while, frames go over the link again, and a probe finds out when that is over. Why so:
//! `ops/decisions/0029-aeron-beside-the-link.md`.
//!
//! Follow a frame: [`agreement`] in the network thread takes it and numbers it ([`way`]), [`media`] in a thread of its own
//! seals ([`beside::seal`]) and offers it to a publication ([`beside::engine`]); there the other end polls it and opens it,
//! and [`agreement`] hands it to the network thread, which treats it as one from the link.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use wire::{ClusterEpoch, NodeId};

use super::counters::Counter;
use super::{Bypass, BypassMaker};

mod agreement;
mod casts;
mod media;
mod way;

pub use beside::driver;
pub use beside::engine::EngineError;
pub use beside::{AeronDriver, AeronIdle, room};
pub use casts::CastPort;

/// How a node uses Aeron.
#[derive(Debug, Clone)]
pub struct AeronConfig {
    /// This node.
    pub node: NodeId,
    /// The cluster's epoch.
    pub epoch: ClusterEpoch,
    /// Where frames of peers arrive.
    pub at: AeronAt,
    /// Whose media driver.
    pub driver: AeronDriver,
    /// What the thread does while there is nothing to do.
    pub idle: AeronIdle,
    /// The longest datagram, in bytes; Aeron's default, 1408, if it is not said. The same on all nodes.
    pub mtu: Option<u16>,
    /// The multicast group to which casts go; without one each gateway that joins is sent its own datagrams.
    pub group: Option<SocketAddr>,
}

/// Where frames of peers arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AeronAt {
    /// By UDP at this address, which peers reach.
    Udp(SocketAddr),
    /// In the memory of the host, from peers that use the same media driver.
    Ipc,
}

/// What is counted of a node's Aeron. Read from any thread.
#[derive(Debug, Default)]
pub struct AeronCounters {
    /// Raft messages that went by Aeron.
    pub frames_out: Counter,
    /// Raft messages that came by Aeron.
    pub frames_in: Counter,
    /// Raft messages that went over the link because the way beside it had no room, or they were too long for it.
    pub over_link: Counter,
    /// Messages that came by Aeron and that no key of an open link opens, or that came again.
    pub refused: Counter,
    /// Ways to peers that were found to work.
    pub opened: Counter,
    /// Ways to peers that were given up because nothing was seen at their end.
    pub fallen: Counter,
    /// Times that the media driver was lost or not there.
    pub driver_lost: Counter,
    /// Messages of casts that went.
    pub cast_out: Counter,
    /// Messages of casts that no publication took: whoever joined asks for their events over its link.
    pub cast_dropped: Counter,
}

/// The bypass of a node, for its network thread, and the way of its casts. `InvalidInput` when peers could not reach the
/// address.
pub fn bypass(config: AeronConfig, counters: Arc<AeronCounters>) -> io::Result<(BypassMaker, CastPort)> {
    let invalid = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    match (config.at, &config.driver, config.group) {
        (AeronAt::Udp(at), _, _) if at.ip().is_unspecified() || at.port() == 0 => {
            return invalid(format!("peers cannot reach {at}: Aeron needs the address itself, with its port"));
        }
        (AeronAt::Ipc, AeronDriver::Own(_), _) => {
            return invalid("memory is shared through one media driver: nobody else uses the node's own".to_owned());
        }
        (_, _, Some(group)) if !group.ip().is_multicast() || group.port() == 0 => {
            return invalid(format!("{group} is no multicast group with a port"));
        }
        _ => {}
    }
    let (port, casts) = casts::casts(&config, Arc::clone(&counters));
    let maker = BypassMaker::new(move |waker| {
        let bypass = agreement::AeronBypass::start(config, casts, counters, waker)?;
        Ok(Box::new(bypass) as Box<dyn Bypass>)
    });
    Ok((maker, port))
}

#[cfg(test)]
mod tests;
