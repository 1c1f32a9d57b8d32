//! Whether the way to a peer works, by what the peer says it has seen of it. A value without I/O or clock.
//!
//! ```text
//!            probe seen                    nothing seen for `patience`
//!   trial  ──────────────►  open  ──────────────────────────────►  trial
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use wire::Timestamp;

/// What is not seen after this is taken for lost: half of the shortest election timeout, and some of it is left to say
/// everything again over the link.
const PATIENCE: Duration = Duration::from_millis(50);

/// From one probe of a trial to the next.
const PROBE_EVERY: Duration = Duration::from_millis(100);

/// Bytes that may be on their way unseen; with more, frames go over the link.
const UNSEEN_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Frames that may.
const UNSEEN_MAX: usize = 8 * 1024;

/// The way to one peer.
#[derive(Debug)]
pub(super) struct Way {
    /// Frames that were numbered.
    last: u64,
    unseen: VecDeque<Unseen>,
    unseen_bytes: usize,
    patience: Duration,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Seeing a probe from this number on proves that the way works.
    Trial {
        from: u64,
        probe_due: Timestamp,
    },
    Open,
}

#[derive(Debug, Clone, Copy)]
struct Unseen {
    number: u64,
    bytes: usize,
    at: Timestamp,
}

/// What came of what a peer saw, or did not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing.
    None,
    /// The way works from now on.
    Opened,
    /// It does not any more: what was on it may be lost.
    Fell,
}

impl Way {
    /// Untried.
    pub(super) fn new() -> Way {
        Way {
            last: 0,
            unseen: VecDeque::new(),
            unseen_bytes: 0,
            patience: PATIENCE,
            state: State::Trial { from: 1, probe_due: Timestamp::ZERO },
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// The number of a frame that may go; `None` when the way is not open or full.
    pub(super) fn admit(&mut self, bytes: usize, now: Timestamp) -> Option<u64> {
        let has_room = self.unseen.len() < UNSEEN_MAX && self.unseen_bytes + bytes <= UNSEEN_BYTES_MAX;
        (self.is_open() && has_room).then(|| self.number(bytes, now))
    }

    /// The number of a probe, when one is due.
    pub(super) fn probe(&mut self, now: Timestamp) -> Option<u64> {
        match &mut self.state {
            State::Trial { probe_due, .. } if *probe_due <= now => {
                *probe_due = now.plus_nanos(PROBE_EVERY.as_nanos() as u64);
                // A peer that never sees any is not waited for.
                while self.unseen.len() >= UNSEEN_MAX {
                    self.forget_first();
                }
                Some(self.number(0, now))
            }
            _ => None,
        }
    }

    /// The peer has seen frames up to this number.
    pub(super) fn on_seen(&mut self, number: u64, now: Timestamp) -> Turn {
        if number > self.last {
            return Turn::None;
        }
        let mut took = Duration::ZERO;
        while let Some(first) = self.unseen.front().filter(|first| first.number <= number) {
            took = age(first.at, now);
            self.forget_first();
        }
        match self.state {
            State::Trial { from, .. } if number >= from => {
                // A long way is given its time.
                self.patience = PATIENCE.max(2 * took);
                self.state = State::Open;
                Turn::Opened
            }
            _ => Turn::None,
        }
    }

    /// Whether what should have been seen by now was not.
    pub(super) fn look(&mut self, now: Timestamp) -> Turn {
        let is_overdue = self.unseen.front().is_some_and(|first| age(first.at, now) >= self.patience);
        if !self.is_open() || !is_overdue {
            return Turn::None;
        }
        self.unseen.clear();
        self.unseen_bytes = 0;
        self.state = State::Trial { from: self.last + 1, probe_due: now };
        Turn::Fell
    }

    fn number(&mut self, bytes: usize, at: Timestamp) -> u64 {
        self.last += 1;
        self.unseen.push_back(Unseen { number: self.last, bytes, at });
        self.unseen_bytes += bytes;
        self.last
    }

    fn forget_first(&mut self) {
        self.unseen_bytes -= self.unseen.pop_front().map_or(0, |first| first.bytes);
    }
}

fn age(since: Timestamp, now: Timestamp) -> Duration {
    Duration::from_nanos(now.nanos().saturating_sub(since.nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Timestamp {
        Timestamp::from_nanos(1_000_000_000 + ms * 1_000_000)
    }

    /// Tried and open at 10 ms, with number 1.
    fn open() -> Way {
        let mut way = Way::new();
        assert_eq!(way.admit(100, ms(0)), None, "nothing goes before it is tried");
        assert_eq!(way.probe(ms(0)), Some(1));
        assert_eq!(way.on_seen(1, ms(10)), Turn::Opened);
        way
    }

    #[test]
    fn way_is_open_once_a_probe_was_seen() {
        let mut way = Way::new();
        assert_eq!(way.probe(ms(0)), Some(1));
        assert_eq!(way.probe(ms(99)), None);
        assert_eq!(way.on_seen(2, ms(99)), Turn::None, "what was never sent was not seen");
        assert_eq!(way.probe(ms(100)), Some(2));
        assert_eq!(way.on_seen(1, ms(101)), Turn::Opened, "any of the trial proves it");
        assert_eq!(way.admit(10, ms(101)), Some(3));
        assert_eq!(way.probe(ms(500)), None);
    }

    #[test]
    fn what_is_not_seen_in_time_closes_the_way_and_old_news_do_not_open_it() {
        let mut way = open();
        assert_eq!(way.admit(10, ms(20)), Some(2));
        assert_eq!(way.admit(10, ms(60)), Some(3));
        assert_eq!(way.look(ms(69)), Turn::None);
        assert_eq!(way.look(ms(70)), Turn::Fell);
        assert_eq!(way.admit(10, ms(70)), None);
        assert_eq!(way.on_seen(3, ms(71)), Turn::None, "it is slow, or dead: the trial says");
        assert_eq!(way.probe(ms(71)), Some(4));
        assert_eq!(way.on_seen(4, ms(72)), Turn::Opened);
    }

    #[test]
    fn quiet_way_stays_open() {
        let mut way = open();
        assert_eq!(way.look(ms(100_000)), Turn::None);
        assert_eq!(way.admit(10, ms(100_000)), Some(2));
        assert_eq!(way.look(ms(100_049)), Turn::None);
        assert_eq!(way.on_seen(2, ms(100_049)), Turn::None);
        assert_eq!(way.look(ms(200_000)), Turn::None);
    }

    #[test]
    fn as_much_as_is_unseen_is_bounded() {
        let mut way = open();
        assert_eq!(way.admit(UNSEEN_BYTES_MAX, ms(20)), Some(2));
        assert_eq!(way.admit(1, ms(20)), None);
        assert_eq!(way.on_seen(2, ms(21)), Turn::None);
        for number in 0..UNSEEN_MAX as u64 {
            assert_eq!(way.admit(1, ms(21)), Some(3 + number));
        }
        assert_eq!(way.admit(1, ms(21)), None);
        assert!(way.is_open(), "a full way is no broken one");
    }

    #[test]
    fn long_way_is_given_its_time() {
        let mut way = Way::new();
        assert_eq!(way.probe(ms(0)), Some(1));
        assert_eq!(way.on_seen(1, ms(150)), Turn::Opened);
        assert_eq!(way.admit(10, ms(150)), Some(2));
        assert_eq!(way.look(ms(449)), Turn::None);
        assert_eq!(way.look(ms(450)), Turn::Fell);
    }

    #[test]
    fn trial_that_nobody_answers_keeps_little() {
        let mut way = Way::new();
        for probe in 0..3 * UNSEEN_MAX as u64 {
            assert_eq!(way.probe(ms(100 * probe)), Some(probe + 1));
        }
        assert!(way.unseen.len() <= UNSEEN_MAX);
    }
}
