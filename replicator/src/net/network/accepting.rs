//! Who connects: accepted, and given room by whoever has been greeting for longest.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use wire::Timestamp;

use super::super::connection::{Connection, Direction, Stage, prompt};
use super::super::{CloseReason, Handler};
use super::Network;

/// Connections accepted in one cycle.
const ACCEPTS_PER_CYCLE: usize = 64;

/// After the system refused to accept (no file descriptors left) it is asked again after this.
const ACCEPT_RETRY_NS: u64 = 100_000_000;

impl<H: Handler> Network<H> {
    pub(super) fn accept(&mut self, now: Timestamp) -> usize {
        if self.accept_due.is_none_or(|due| due > now) {
            return 0;
        }
        for accepted in 0..ACCEPTS_PER_CYCLE {
            match self.listener.accept() {
                Ok((socket, address)) => self.on_accepted(socket, address, now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.accept_due = None;
                    return accepted;
                }
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    self.accept_due = Some(now.plus_nanos(ACCEPT_RETRY_NS));
                    return accepted;
                }
            }
        }
        ACCEPTS_PER_CYCLE
    }

    fn on_accepted(&mut self, socket: TcpStream, address: SocketAddr, now: Timestamp) {
        self.counters.accepted.add(1);
        let is_full = self.accepted_now >= self.limits.connections_max;
        if is_full || self.greetings_now >= self.limits.greetings_max {
            self.evict_longest_greeting(now);
        }
        if self.accepted_now >= self.limits.connections_max {
            self.count_closed(CloseReason::TooManyConnections, None, address);
            return;
        }
        if prompt(&socket).is_err() {
            self.count_closed(CloseReason::Io, None, address);
            return;
        }
        self.accepted_now += 1;
        self.greetings_now += 1;
        let slot = self.free_slot();
        let link = self.links.reserve(slot);
        let connection = Connection::accepted(link, socket, address, Arc::clone(&self.server_tls), now);
        self.connect(slot, Direction::Accepted, connection, address, now);
    }

    /// Whoever has been greeting for longest makes room. Who means to greet does so at once: were newcomers closed instead,
    /// as many as say nothing would keep everybody out until their time is over.
    fn evict_longest_greeting(&mut self, now: Timestamp) {
        let greeting = self.connections.iter().enumerate().filter_map(|(slot, connection)| {
            let connection = connection.as_ref()?;
            let is_greeting =
                connection.direction == Direction::Accepted && !matches!(connection.stage, Stage::Open(_));
            // Of those that came in one cycle, the first.
            is_greeting.then_some((connection.began_at, connection.link.get(), slot))
        });
        if let Some((.., slot)) = greeting.min() {
            self.disconnect(slot, CloseReason::TooManyConnections, now);
        }
    }
}
