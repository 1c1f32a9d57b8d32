//! Who is connected to: every other node, wherever it is said to be.

use std::sync::Arc;

use mio::net::TcpStream;
use wire::{NodeId, Timestamp};

use super::super::Handler;
use super::super::connection::{Connection, Direction, connect_failure};
use super::super::dialer::Dialer;
use super::Network;

impl<H: Handler> Network<H> {
    fn dial(&mut self, index: usize, now: Timestamp) {
        let (node, address) = (self.dialers[index].node, self.dialers[index].address());
        self.counters.dialed.add(1);
        let slot = self.free_slot();
        let link = self.links.reserve(slot);
        let connection = TcpStream::connect(address)
            .map_err(|error| connect_failure(&error))
            .and_then(|socket| Connection::dialed(link, node, socket, address, Arc::clone(&self.client_tls), now));
        self.connect(slot, Direction::Dialed(node), connection, address, now);
    }

    pub(super) fn dialer(&mut self, node: NodeId) -> Option<&mut Dialer> {
        self.dialers.iter_mut().find(|dialer| dialer.node == node)
    }

    /// Other nodes are to be dialed from now on.
    pub(super) fn follow_peers(&mut self) -> usize {
        let Some(peers) = self.links.take_peers() else { return 0 };
        self.dialers.retain(|dialer| peers.iter().any(|(node, _)| *node == dialer.node));
        let me = self.hello.node;
        for (node, address) in peers.into_iter().filter(|(node, _)| *node != me) {
            match (self.dialer(node), address) {
                (Some(dialer), Some(address)) => dialer.learn(address),
                (None, Some(address)) => {
                    tracing::info!(%node, %address, "a node has joined: it is dialed from now on");
                    let mut dialer = Dialer::new(node, address);
                    if self.links.is_connected(node) {
                        dialer.on_accepted(Timestamp::ZERO);
                    }
                    self.dialers.push(dialer);
                }
                (_, None) => {}
            }
        }
        1
    }

    pub(super) fn dial_due(&mut self, now: Timestamp) -> usize {
        let mut dialed = 0;
        for index in 0..self.dialers.len() {
            if self.dialers[index].take_due(now) {
                self.dial(index, now);
                dialed += 1;
            }
        }
        dialed
    }
}
