//! The client's end of one connection to one node: greeting, frames from bytes, signs of life.

use std::time::Instant;

use wire::link::{self, Frame, Hello, Ping};

use crate::config::Patience;

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not connected; to be connected at this instant.
    Idle(Instant),
    /// The driver was told to connect.
    Connecting,
    /// `Hello` was sent.
    Greeting,
    /// `Welcome` has come.
    Ready,
}

/// What a look at the clock showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vital {
    Well,
    /// Silent for so long that it no longer counts on.
    Suspect,
    /// Silent for so long that the connection is given up.
    Dead,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) phase: Phase,
    /// Bytes to send.
    pub(crate) out: Vec<u8>,
    /// Whether it has kept silent after a ping. Sending it anything new is in vain.
    pub(crate) is_suspected: bool,
    inbox: Inbox,
    /// Failed attempts since the last `Welcome`.
    failures: u32,
    /// The first ping since which nothing was heard.
    pinged: Option<Instant>,
    next_ping: Instant,
    pings: u64,
}

impl Connection {
    pub(crate) fn new(now: Instant) -> Connection {
        Connection {
            phase: Phase::Idle(now),
            out: Vec::new(),
            is_suspected: false,
            inbox: Inbox::default(),
            failures: 0,
            pinged: None,
            next_ping: now,
            pings: 0,
        }
    }

    /// Whether requests may be sent.
    pub(crate) fn is_usable(&self) -> bool {
        self.phase == Phase::Ready && !self.is_suspected
    }

    pub(crate) fn on_connected(&mut self, now: Instant, hello: Hello, patience: &Patience) {
        self.phase = Phase::Greeting;
        self.inbox.begun.clear();
        self.out.clear();
        self.send(&Frame::Hello(hello));
        // The greeting counts as a ping, so that a node that never answers is given up.
        self.pinged = Some(now);
        self.next_ping = now + patience.ping;
        self.is_suspected = false;
    }

    pub(crate) fn on_welcome(&mut self) {
        self.phase = Phase::Ready;
        self.failures = 0;
    }

    pub(crate) fn on_closed(&mut self, now: Instant, patience: &Patience) {
        let (first, longest) = patience.reconnect;
        let wait = (first * 2_u32.saturating_pow(self.failures.min(16))).min(longest);
        self.failures += 1;
        self.phase = Phase::Idle(now + wait);
        self.inbox.begun.clear();
        self.out.clear();
        self.pinged = None;
        self.is_suspected = false;
    }

    /// The node has sent something, which [`Inbox::cut`] cuts into frames. Returns whether it is no longer suspected.
    pub(crate) fn on_sign_of_life(&mut self) -> bool {
        self.pinged = None;
        std::mem::replace(&mut self.is_suspected, false)
    }

    /// What has come of a frame that is not complete; to be put back once more bytes are cut, unless the connection is over.
    pub(crate) fn take_inbox(&mut self) -> Inbox {
        std::mem::take(&mut self.inbox)
    }

    /// See [`Connection::take_inbox`].
    pub(crate) fn put_back(&mut self, inbox: Inbox) {
        self.inbox = inbox;
    }

    pub(crate) fn send(&mut self, frame: &Frame<'_>) {
        frame.encode(&mut self.out);
    }

    /// Something waits for this node: ping it soon. Returns when.
    pub(crate) fn hasten_ping(&mut self, now: Instant, patience: &Patience) -> Instant {
        self.next_ping = self.next_ping.min(now + patience.ping);
        self.next_ping
    }

    /// Sends a ping when it is time to, and says how the node is.
    pub(crate) fn on_timeout(&mut self, now: Instant, has_work: bool, patience: &Patience) -> Vital {
        if !matches!(self.phase, Phase::Greeting | Phase::Ready) {
            return Vital::Well;
        }
        if self.phase == Phase::Ready && now >= self.next_ping {
            self.pings += 1;
            self.send(&Frame::Ping(Ping { nonce: self.pings }));
            self.pinged = self.pinged.or(Some(now));
            self.next_ping = now + if has_work { patience.ping } else { patience.ping * 5 };
        }
        let silent = self.pinged.map(|pinged| now.saturating_duration_since(pinged)).unwrap_or_default();
        if silent >= patience.disconnect {
            Vital::Dead
        } else if silent >= patience.suspect {
            Vital::Suspect
        } else {
            Vital::Well
        }
    }

    /// When to look at the clock next.
    pub(crate) fn next_timeout(&self, patience: &Patience) -> Option<Instant> {
        match self.phase {
            Phase::Idle(at) => Some(at),
            Phase::Connecting => None,
            Phase::Greeting | Phase::Ready => {
                let limit = if self.is_suspected { patience.disconnect } else { patience.suspect };
                let verdict = self.pinged.map(|pinged| pinged + limit);
                let ping = (self.phase == Phase::Ready).then_some(self.next_ping);
                [verdict, ping].into_iter().flatten().min()
            }
        }
    }
}

/// The beginning of a frame whose end has not come.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    begun: Vec<u8>,
}

impl Inbox {
    /// Cuts what has come into frames and hands each to `take`, which returns whether to go on; what is left begins the next one.
    /// Whole frames are read where they lie. `None` when the bytes are not of this protocol.
    pub(crate) fn cut(&mut self, mut bytes: &[u8], mut take: impl FnMut(Frame<'_>) -> bool) -> Option<()> {
        while !self.begun.is_empty() {
            if bytes.is_empty() {
                return Some(());
            }
            // The header alone says how much is missing.
            let whole = match self.begun.first_chunk::<{ link::HEADER_LEN }>() {
                Some(header) => link::HEADER_LEN + u32::from_le_bytes(*header) as usize,
                None => link::HEADER_LEN,
            };
            let (missing, rest) = bytes.split_at(whole.saturating_sub(self.begun.len()).min(bytes.len()));
            self.begun.extend_from_slice(missing);
            bytes = rest;
            if let Some((body, _)) = link::split(&self.begun, link::PEER_BODY_MAX).ok()? {
                let goes_on = take(Frame::decode(body).ok()?);
                self.begun.clear();
                if !goes_on {
                    return Some(());
                }
            }
        }
        let consumed = cut_frames(bytes, take)?;
        self.begun.extend_from_slice(&bytes[consumed..]);
        Some(())
    }
}

/// Cuts frames off the front of `inbox` and hands each to `take`, which returns whether to go on. Returns how
/// many bytes were used up, or `None` when they are not of this protocol.
pub(crate) fn cut_frames(inbox: &[u8], mut take: impl FnMut(Frame<'_>) -> bool) -> Option<usize> {
    let mut consumed = 0;
    loop {
        match link::split(&inbox[consumed..], link::PEER_BODY_MAX) {
            Ok(Some((body, len))) => {
                consumed += len;
                let frame = Frame::decode(body).ok()?;
                if !take(frame) {
                    return Some(consumed);
                }
            }
            Ok(None) => return Some(consumed),
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests;
