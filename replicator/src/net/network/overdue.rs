//! Who is silent: pinged, and closed when that brings nothing.

use std::time::Duration;

use wire::Timestamp;
use wire::link::{Frame, Ping, Role};

use super::super::connection::Stage;
use super::super::{CloseReason, Handler};
use super::Network;

/// How often time-outs are looked at.
const TIME_OUTS_EVERY_NS: u64 = 5_000_000;

impl<H: Handler> Network<H> {
    pub(super) fn time_out(&mut self, now: Timestamp) -> usize {
        if now < self.time_outs_due {
            return 0;
        }
        self.time_outs_due = now.plus_nanos(TIME_OUTS_EVERY_NS);
        let mut closed = 0;
        for slot in 0..self.connections.len() {
            if let Some(reason) = self.overdue(slot, now) {
                self.disconnect(slot, reason, now);
                closed += 1;
            }
        }
        closed
    }

    /// Pings who has been silent. Why the connection must be closed, if it must.
    fn overdue(&mut self, slot: usize, now: Timestamp) -> Option<CloseReason> {
        let connection = self.connections[slot].as_mut()?;
        let age = |since: Timestamp| Duration::from_nanos(now.nanos().saturating_sub(since.nanos()));
        let (ping_after, pong_timeout) = match connection.stage {
            Stage::Connecting | Stage::Greeting => {
                let is_overdue = age(connection.began_at) >= self.limits.greeting_timeout;
                return is_overdue.then_some(CloseReason::GreetingTimeout);
            }
            Stage::Open(Role::Node) => (self.limits.node_ping_after, self.limits.node_pong_timeout),
            Stage::Open(_) => (self.limits.client_ping_after, self.limits.client_pong_timeout),
        };
        if connection.stalled_since.is_some_and(|since| age(since) >= self.limits.stall_timeout) {
            return Some(CloseReason::Stalled);
        }
        match connection.pinged_at {
            // What the socket holds unread was sent in time: a thread that was held up itself blames no peer.
            Some(at) if age(at) >= pong_timeout && !connection.is_readable => Some(CloseReason::Unresponsive),
            None if age(connection.heard_at) >= ping_after => {
                connection.pinged_at = Some(now);
                // Without room there is something on its way that the peer has not taken either.
                let _ = self.links.send(connection.link, &Frame::Ping(Ping { nonce: now.nanos() }));
                None
            }
            _ => None,
        }
    }
}
