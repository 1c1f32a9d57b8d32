//! Where and when to dial a peer: at once after a loss, then at growing intervals.

use std::net::SocketAddr;
use std::time::Duration;

use wire::{NodeId, Timestamp};

/// From a failed attempt to the next; the last one repeats.
const BACK_OFF: [Duration; 6] = [
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
];

/// A link that was open for so long was a good one: its loss starts the intervals anew.
const PROVEN_AFTER: Duration = Duration::from_secs(1);

/// One peer and how its dialing goes.
#[derive(Debug)]
pub(super) struct Dialer {
    pub(super) node: NodeId,
    /// Where it may be: at first where the configuration says, then where the log does. Who is there proves who it is.
    addresses: Vec<SocketAddr>,
    /// Which of them is tried.
    turn: usize,
    /// When to dial; `None` while a connection is under way or open.
    due: Option<Timestamp>,
    failures: usize,
    opened_at: Option<Timestamp>,
    /// It was connected, and nobody has been told yet that it is gone.
    is_missed: bool,
}

impl Dialer {
    pub(super) fn new(node: NodeId, address: SocketAddr) -> Dialer {
        Dialer {
            node,
            addresses: vec![address],
            turn: 0,
            due: Some(Timestamp::ZERO),
            failures: 0,
            opened_at: None,
            is_missed: false,
        }
    }

    /// Where to dial.
    pub(super) fn address(&self) -> SocketAddr {
        self.addresses[self.turn % self.addresses.len()]
    }

    /// It may be there as well.
    pub(super) fn learn(&mut self, address: SocketAddr) {
        if !self.addresses.contains(&address) {
            // Where it was first is where the configuration has it; an address of the log gives way to a newer one.
            self.addresses.truncate(1);
            self.addresses.push(address);
        }
    }

    /// Whether to dial now; if so, an attempt is under way from now on.
    pub(super) fn take_due(&mut self, now: Timestamp) -> bool {
        let is_due = self.due.is_some_and(|due| due <= now);
        if is_due {
            self.due = None;
        }
        is_due
    }

    pub(super) fn on_open(&mut self, now: Timestamp) {
        self.opened_at = Some(now);
    }

    /// The attempt failed, or the link was closed after it had been open.
    pub(super) fn on_close(&mut self, now: Timestamp) {
        let opened_at = self.opened_at.take();
        self.is_missed |= opened_at.is_some();
        if opened_at.is_some_and(|at| now.nanos().saturating_sub(at.nanos()) >= PROVEN_AFTER.as_nanos() as u64) {
            self.failures = 0;
            self.due = Some(now);
            return;
        }
        if opened_at.is_none() {
            self.turn += 1;
        }
        let wait = BACK_OFF[self.failures.min(BACK_OFF.len() - 1)];
        self.failures += 1;
        self.due = Some(now.plus_nanos(wait.as_nanos() as u64));
    }

    /// The attempt was refused. Whether this is news: the peer was connected before, and with `is_connected`
    /// false no other link to it is left.
    pub(super) fn on_refused(&mut self, is_connected: bool) -> bool {
        let is_news = self.is_missed && !is_connected;
        if is_news {
            self.is_missed = false;
        }
        is_news
    }

    /// The peer itself connected: when that link is lost, a refusal is news again.
    pub(super) fn on_accepted(&mut self, now: Timestamp) {
        self.is_missed = true;
        if self.due.is_some() {
            self.due = Some(now);
        }
    }
}
