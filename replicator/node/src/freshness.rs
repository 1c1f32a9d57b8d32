//! Whether a standby is caught up, as the leader sees it and not as the standby believes: a standby that hears
//! little knows of little to catch up with.
//!
//! Once a second the network thread asks the leader, by the same linearizable read that gateways use, which
//! position is committed; the partition's host notes when it has applied that position.

use replicator::net::{LinkId, Links};
use wire::link::{Frame, ReadIndex};
use wire::{LogPosition, NodeId, PartitionId, Timestamp};

/// How often the leader is asked.
const ASK_EVERY_NS: u64 = 1_000_000_000;
/// How soon again when nobody answered.
const ASK_AGAIN_NS: u64 = 250_000_000;
/// For how long having reached the leader's position counts.
const FRESH_NS: u64 = 3_000_000_000;

/// In a partition's host: which position was to be reached, and when one was.
#[derive(Debug, Default)]
pub struct Freshness {
    target: Option<LogPosition>,
    fresh_until: Timestamp,
}

impl Freshness {
    /// The leader had committed this much a moment ago. An earlier target stands until it is reached, so that one
    /// that runs away is reached as well. A lesser one takes its place: what is committed does not become less, so who
    /// said more did not lead, and its word must not stand for ever.
    pub fn leader_had(&mut self, position: LogPosition) {
        self.target = Some(self.target.map_or(position, |target| target.min(position)));
    }

    /// How far this replica is.
    pub fn applied(&mut self, position: LogPosition, leads: bool, now: Timestamp) {
        if leads || self.target.is_some_and(|target| position >= target) {
            self.target = None;
            self.fresh_until = now.plus_nanos(FRESH_NS);
        }
    }

    /// Whether it has reached the leader's position lately.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.fresh_until
    }
}

/// In the network thread: when to ask a partition's leader, and whose answer is awaited.
#[derive(Debug)]
pub struct LeaderProbe {
    partition: PartitionId,
    ask_at: Timestamp,
    asked: Option<(LinkId, u64)>,
}

impl LeaderProbe {
    /// Nobody asked yet.
    pub fn new(partition: PartitionId) -> LeaderProbe {
        LeaderProbe { partition, ask_at: Timestamp::ZERO, asked: None }
    }

    /// Asks `leader`, another node, when it is time. `token` is new.
    pub fn poll(&mut self, now: Timestamp, leader: NodeId, token: u64, out: &mut Links) {
        if now < self.ask_at {
            return;
        }
        self.ask_at = now.plus_nanos(ASK_AGAIN_NS);
        let Some(link) = out.link_to(leader) else { return };
        let read = ReadIndex { partition: self.partition, token };
        if out.send(link, &Frame::ReadIndex(read)).is_ok() {
            self.asked = Some((link, token));
        }
    }

    /// Whether this is the awaited answer.
    pub fn is_answer(&mut self, link: LinkId, token: u64, now: Timestamp) -> bool {
        let is_answer = self.asked.take_if(|asked| *asked == (link, token)).is_some();
        if is_answer {
            self.ask_at = now.plus_nanos(ASK_EVERY_NS);
        }
        is_answer
    }

    /// There is another leader: ask at once.
    pub fn leader_changed(&mut self) {
        (self.ask_at, self.asked) = (Timestamp::ZERO, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Timestamp = Timestamp::from_nanos(10 * FRESH_NS);

    #[test]
    fn a_target_that_runs_away_is_reached() {
        let mut freshness = Freshness::default();
        freshness.leader_had(LogPosition::new(10));
        freshness.leader_had(LogPosition::new(20));
        freshness.applied(LogPosition::new(9), false, LATER);
        assert!(!freshness.is_fresh(LATER));
        freshness.applied(LogPosition::new(10), false, LATER);
        assert!(freshness.is_fresh(LATER));
    }

    #[test]
    fn who_claims_what_nobody_has_is_believed_until_the_leader_speaks() {
        let mut freshness = Freshness::default();
        freshness.leader_had(LogPosition::new(u64::MAX));
        freshness.applied(LogPosition::new(20), false, LATER);
        assert!(!freshness.is_fresh(LATER));
        freshness.leader_had(LogPosition::new(20));
        freshness.applied(LogPosition::new(20), false, LATER);
        assert!(freshness.is_fresh(LATER));
    }
}
