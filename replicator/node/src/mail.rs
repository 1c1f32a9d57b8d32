//! Carries mail from the outboxes of a partition to the leaders of others, and acknowledgements back.
//!
//! Outbox and inbox are replicated state and live in the engine; what is here is the leader's memory of what
//! it has sent, worth nothing to the next leader. Sending twice is harmless, because the receiver's state
//! knows what it has seen; so whatever is in doubt is sent again.
//!
//! Who leads the receiving partition has a standby of the sending one beside it, as a rule, and that one's outbox holds the
//! same mail as soon as it is committed. So mail is picked up there ([`MailShipper::pick_up`]) and touches no network, and
//! the sending leader leaves it to that, until a mail is not acknowledged in time: then it sends for a while itself, what goes
//! to that partition alone. The standby, which goes on picking up for other partitions on its node, hears of it from the one that
//! mail comes to ([`MailShipper::came`]), and leaves that mail to its leader: what is slow would get everything twice.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use engine::Partition;
use wire::codec::v1;
use wire::command::{AckMail, DeliverMail};
use wire::{Command, Incarnation, MailSequence, NodeId, PartitionId, Timestamp};

/// Mails in one log entry of the receiver.
const BATCH_MAX: usize = 1_024;
/// Mails under way to one partition; more wait for acknowledgements.
const IN_FLIGHT_MAX: u64 = 8_192;
/// No leader has more under way than this: the last batch that it sends may pass the bound.
const AHEAD_MAX: u64 = IN_FLIGHT_MAX + BATCH_MAX as u64;
/// The longest wait before mail is sent again.
const RESEND_NS_MAX: u64 = 1_000_000_000;
/// How long a leader sends by itself what was not picked up in time: the standby may be far behind.
const UNATTENDED_NS: u64 = 2_000_000_000;

/// When mail is sent again and when it is acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct MailTiming {
    /// Sent again when not acknowledged for this long, doubled each time up to a second.
    pub resend_ns: u64,
    /// Acknowledged on its own when nothing carried the acknowledgement for this long,
    pub ack_delay_ns: u64,
    /// or when this many are unacknowledged.
    pub ack_count: u64,
}

/// A command for another partition's leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailOut {
    /// The node that leads it.
    pub node: NodeId,
    /// Which partition.
    pub partition: PartitionId,
    /// An encoded `DeliverMail` or `AckMail`.
    pub payload: Vec<u8>,
}

/// What has been counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MailCounters {
    /// Mails sent for the first time, or left for the standby beside the receiver.
    pub sent: u64,
    /// Mails passed on by this standby to a leader beside it.
    pub picked: u64,
    /// Mails sent again.
    pub resent: u64,
    /// Acknowledgements sent on their own.
    pub acks: u64,
    /// Received mails that had been applied before.
    pub duplicates: u64,
}

/// What a leader does with a mail command that arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Sequence it.
    Sequence,
    /// Sequence this instead: the mail has been applied, its acknowledgement is news.
    Instead(AckMail),
    /// Nothing in it is news.
    Drop,
}

/// The mail of one partition that this replica leads, or would.
#[derive(Debug)]
pub struct MailShipper {
    node: NodeId,
    own: PartitionId,
    incarnation: Incarnation,
    timing: MailTiming,
    peers: Vec<PartitionId>,
    leaders: BTreeMap<PartitionId, NodeId>,
    outgoing: BTreeMap<PartitionId, Outgoing>,
    incoming: BTreeMap<PartitionId, Incoming>,
    /// What this standby has passed on to the leaders beside it.
    picked: BTreeMap<PartitionId, Picked>,
    /// Whose mail has come here from another node since that was told, and up to where.
    delivered: BTreeMap<PartitionId, (Incarnation, MailSequence)>,
    /// Of how many outboxes the listeners were told last; none when that has changed, or leaders have.
    listened_by: Option<usize>,
    counters: MailCounters,
    /// It leads since the last poll.
    #[cfg(feature = "planted")]
    is_new: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Outgoing {
    /// Sent up to here by this leader to the destination's present one.
    sent: MailSequence,
    /// Sent up to here at any time.
    sent_before: MailSequence,
    /// Acknowledged up to here when last looked at.
    trimmed: MailSequence,
    /// Since when nothing has been acknowledged although something is under way.
    stuck_since: Timestamp,
    /// How often it was sent again since something was acknowledged.
    resends: u32,
    /// What is under way was left for the standby beside the receiver.
    is_left: bool,
    /// Nobody has picked mail up in time: until when it is sent.
    unattended_until: Timestamp,
}

#[derive(Debug, Clone, Copy, Default)]
struct Picked {
    /// Passed on up to here, or sent by the leader.
    upto: MailSequence,
    /// The leader has sent some since this was looked at: up to here, as whoever sent it said.
    came: Option<MailSequence>,
    /// So long what follows is the leader's to send, too.
    not_before: Timestamp,
}

#[derive(Debug, Clone, Copy, Default)]
struct Incoming {
    /// Told the sender that everything up to here is applied.
    acknowledged: MailSequence,
    /// Since when there is something to tell.
    since: Option<Timestamp>,
    /// The sender seems not to know: tell it again.
    again: bool,
    /// Applied up to here when last looked at: mail that was put into the outbox since says so, or more.
    looked: MailSequence,
}

impl MailShipper {
    /// For partition `own` on `node` in this life of its log, among `partitions`.
    pub fn new(
        node: NodeId,
        own: PartitionId,
        incarnation: Incarnation,
        partitions: impl IntoIterator<Item = PartitionId>,
        timing: MailTiming,
    ) -> MailShipper {
        MailShipper {
            node,
            own,
            incarnation,
            timing,
            peers: partitions.into_iter().filter(|peer| *peer != own).collect(),
            leaders: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            incoming: BTreeMap::new(),
            picked: BTreeMap::new(),
            delivered: BTreeMap::new(),
            listened_by: None,
            counters: MailCounters::default(),
            #[cfg(feature = "planted")]
            is_new: false,
        }
    }

    /// What has been counted so far.
    pub fn counters(&self) -> MailCounters {
        self.counters
    }

    /// This replica became leader: everything unacknowledged is sent, everything received acknowledged.
    pub fn start(&mut self) {
        self.outgoing.clear();
        self.incoming.clear();
        self.listened_by = None;
        #[cfg(feature = "planted")]
        {
            self.is_new = true;
        }
    }

    /// Somebody leads another partition, as far as is believed now. What was under way to the leader before may be lost.
    pub fn leader_is(&mut self, partition: PartitionId, leader: Option<NodeId>) {
        self.listened_by = None;
        let Some(leader) = leader else {
            self.leaders.remove(&partition);
            self.picked.remove(&partition);
            return;
        };
        if self.leaders.insert(partition, leader) != Some(leader) {
            self.outgoing.remove(&partition);
            self.incoming.remove(&partition);
            self.picked.remove(&partition);
        }
    }

    /// Whether a command that arrived from another partition needs an entry in this log.
    pub fn judge(&mut self, command: &Command, cells: &Partition) -> Verdict {
        let Command::DeliverMail(batch) = command else {
            return Verdict::Sequence;
        };
        let is_seen = cells
            .received(batch.from)
            .is_some_and(|(incarnation, seen)| incarnation == batch.incarnation && seen >= last_of(batch));
        if !is_seen {
            return Verdict::Sequence;
        }
        self.counters.duplicates += batch.mail.len() as u64;
        self.incoming.entry(batch.from).or_default().again = true;
        let outbox = cells.outboxes().find(|outbox| outbox.to() == batch.from);
        match outbox.filter(|outbox| batch.acknowledged > outbox.trimmed()) {
            Some(_) => Verdict::Instead(AckMail {
                from: batch.from,
                incarnation: self.incarnation,
                acknowledged: batch.acknowledged,
            }),
            None => Verdict::Drop,
        }
    }

    /// Sends what is new, what seems lost, and the acknowledgements that nothing else carried. What is for a leader on an
    /// `attended` node is left there.
    pub fn poll(
        &mut self,
        now: Timestamp,
        cells: &Partition,
        attended: &[NodeId],
        out: &mut VecDeque<MailOut>,
    ) -> usize {
        let before = out.len();
        #[cfg(feature = "planted")]
        if std::mem::take(&mut self.is_new) && wire::planted::is(wire::planted::Bug::MailLostAtFailover) {
            for outbox in cells.outboxes() {
                let (sent, trimmed) = (outbox.last(), outbox.trimmed());
                let stuck_since = now.plus_nanos(3_600_000_000_000);
                let lane = Outgoing { sent, trimmed, stuck_since, ..Outgoing::default() };
                self.outgoing.insert(outbox.to(), lane);
            }
        }
        for outbox in cells.outboxes() {
            let (to, last, trimmed) = (outbox.to(), outbox.last(), outbox.trimmed());
            if let Some(node) = self.leaders.get(&to).copied() {
                self.ship(now, cells, (node, attended.contains(&node)), to, last, trimmed, out);
            }
        }
        for index in 0..self.peers.len() {
            self.acknowledge(now, cells, self.peers[index], out);
        }
        out.len() - before
    }

    /// The other nodes that pick up mail of these cells, when they are others than when it was asked last.
    pub fn new_listeners(&mut self, cells: &Partition) -> Option<Vec<NodeId>> {
        let outboxes = cells.outboxes().count();
        if self.listened_by.replace(outboxes) == Some(outboxes) {
            return None;
        }
        let leader_of = |to: &PartitionId| self.leaders.get(to).copied();
        let nodes: BTreeSet<NodeId> = cells.outboxes().filter_map(|outbox| leader_of(&outbox.to())).collect();
        Some(nodes.into_iter().filter(|node| *node != self.node).collect())
    }

    /// Mail of these cells has come from their leader to the one of `to`, which is beside this standby.
    pub fn came(&mut self, to: PartitionId, incarnation: Incarnation, upto: MailSequence) {
        if incarnation == self.incarnation && self.leaders.get(&to) == Some(&self.node) {
            let picked = self.picked.entry(to).or_default();
            picked.came = picked.came.max(Some(upto));
        }
    }

    /// Mail has come from another node, and is applied or will be, unless this leader falls first, or something
    /// before it found no room: then it is refused for the gap, and comes again.
    pub fn note_delivered(&mut self, batch: &DeliverMail) {
        let upto = last_of(batch);
        let told = self.delivered.entry(batch.from).or_insert((batch.incarnation, upto));
        let is_same_life = told.0 == batch.incarnation;
        *told = (batch.incarnation, if is_same_life { told.1.max(upto) } else { upto });
    }

    /// Whose mail has come so, of which life of its log and up to where: to tell the standby on this node once, not of each batch.
    pub fn delivered(&mut self) -> Option<(PartitionId, Incarnation, MailSequence)> {
        self.delivered.pop_first().map(|(from, (incarnation, upto))| (from, incarnation, upto))
    }

    /// A standby passes mail on to the leaders beside it, each once: what is lost is the sending leader's business.
    pub fn pick_up(&mut self, now: Timestamp, cells: &Partition, out: &mut VecDeque<MailOut>) -> usize {
        let before = out.len();
        for outbox in cells.outboxes() {
            let (to, last, trimmed) = (outbox.to(), outbox.last(), outbox.trimmed());
            if self.leaders.get(&to) != Some(&self.node) {
                continue;
            }
            #[cfg(feature = "planted")]
            if !self.picked.contains_key(&to) && wire::planted::is(wire::planted::Bug::MailLostAtFailover) {
                self.picked.insert(to, Picked { upto: last, ..Picked::default() });
            }
            let picked = self.picked.entry(to).or_default();
            picked.upto = trimmed.max(picked.upto);
            // What a peer says is not trusted: who believed it that everything has come would pass on nothing any more.
            let came = picked.came.take().filter(|came| came.get() <= last.get().saturating_add(AHEAD_MAX));
            if let Some(came) = came {
                picked.upto = picked.upto.max(came);
                // When the leader sends no more, this one goes on before that seems to be lost. The acknowledgement may take its
                // whole delay; of what is left of the leader's patience a half is for the way there and back.
                let spare_ns = self.timing.resend_ns.saturating_sub(self.timing.ack_delay_ns);
                picked.not_before = now.plus_nanos(spare_ns / 2);
            }
            if now < picked.not_before {
                continue;
            }
            while picked.upto < last && picked.upto.get() - trimmed.get() < IN_FLIGHT_MAX {
                let Some(batch) = cells.deliver_mail(to, picked.upto, BATCH_MAX) else {
                    break;
                };
                self.counters.picked += batch.mail.len() as u64;
                picked.upto = last_of(&batch);
                out.push_back(mail_out(self.node, to, Command::DeliverMail(batch)));
            }
        }
        out.len() - before
    }

    #[expect(clippy::too_many_arguments, reason = "one step of `poll`, taken out to be read alone")]
    fn ship(
        &mut self,
        now: Timestamp,
        cells: &Partition,
        (node, is_attended): (NodeId, bool),
        to: PartitionId,
        last: MailSequence,
        trimmed: MailSequence,
        out: &mut VecDeque<MailOut>,
    ) {
        let resend_ns = self.timing.resend_ns;
        let lane = self.outgoing.entry(to).or_default();
        if trimmed > lane.trimmed || lane.sent <= trimmed {
            (lane.trimmed, lane.stuck_since, lane.resends) = (trimmed, now, 0);
            lane.sent = lane.sent.max(trimmed);
        }
        let patience = (resend_ns << lane.resends.min(10)).min(RESEND_NS_MAX);
        if lane.sent > trimmed && now >= lane.stuck_since.plus_nanos(patience) {
            (lane.sent, lane.stuck_since) = (trimmed, now);
            lane.resends += 1;
            lane.unattended_until = now.plus_nanos(UNATTENDED_NS);
        }
        let is_left = is_attended && now >= lane.unattended_until;
        if std::mem::replace(&mut lane.is_left, is_left) && !is_left {
            // Whoever was to pick it up may have none of it, and mail that follows a gap is refused.
            lane.sent = trimmed;
        }
        if is_left {
            let upto = last.min(MailSequence::new(trimmed.get() + IN_FLIGHT_MAX));
            self.counters.sent += upto.get().saturating_sub(lane.sent_before.get());
            lane.sent_before = lane.sent_before.max(upto);
            if upto > lane.sent {
                lane.sent = upto;
                note_told(&mut self.incoming, to);
            }
            return;
        }
        while lane.sent < last && lane.sent.get() - trimmed.get() < IN_FLIGHT_MAX {
            let Some(batch) = cells.deliver_mail(to, lane.sent, BATCH_MAX) else {
                return;
            };
            let upto = last_of(&batch).get();
            let resent = lane.sent_before.get().min(upto).saturating_sub(batch.first.get() - 1);
            self.counters.resent += resent;
            self.counters.sent += batch.mail.len() as u64 - resent;
            lane.sent = MailSequence::new(upto);
            lane.sent_before = lane.sent_before.max(lane.sent);
            note_carried(&mut self.incoming, to, &batch);
            out.push_back(mail_out(node, to, Command::DeliverMail(batch)));
        }
    }

    fn acknowledge(&mut self, now: Timestamp, cells: &Partition, from: PartitionId, out: &mut VecDeque<MailOut>) {
        let Some((incarnation, received)) = cells.received(from) else {
            return;
        };
        let lane = self.incoming.entry(from).or_default();
        lane.looked = received;
        let waiting = received.get().saturating_sub(lane.acknowledged.get());
        if waiting == 0 && !lane.again {
            lane.since = None;
            return;
        }
        let since = *lane.since.get_or_insert(now);
        let is_due =
            lane.again || waiting >= self.timing.ack_count || now >= since.plus_nanos(self.timing.ack_delay_ns);
        let Some(node) = self.leaders.get(&from).copied().filter(|_| is_due) else {
            return;
        };
        *lane = Incoming { acknowledged: received, since: None, again: false, ..*lane };
        self.counters.acks += 1;
        let ack = AckMail { from: self.own, incarnation, acknowledged: received };
        out.push_back(mail_out(node, from, Command::AckMail(ack)));
    }
}

/// What is picked up carries the acknowledgement of what had been applied when it was put into the outbox, and need not carry
/// that of what has been applied since.
fn note_told(incoming: &mut BTreeMap<PartitionId, Incoming>, to: PartitionId) {
    let lane = incoming.entry(to).or_default();
    *lane = Incoming { acknowledged: lane.acknowledged.max(lane.looked), since: None, again: false, ..*lane };
}

fn note_carried(incoming: &mut BTreeMap<PartitionId, Incoming>, to: PartitionId, batch: &DeliverMail) {
    let lane = incoming.entry(to).or_default();
    if batch.acknowledged >= lane.acknowledged {
        *lane = Incoming { acknowledged: batch.acknowledged, since: None, again: false, ..*lane };
    }
}

/// The last mail of a batch, which is not empty.
pub fn last_of(batch: &DeliverMail) -> MailSequence {
    MailSequence::new(batch.first.get().saturating_add(batch.mail.len() as u64).saturating_sub(1))
}

fn mail_out(node: NodeId, partition: PartitionId, command: Command) -> MailOut {
    let mut payload = Vec::new();
    v1::encode_command(&command, &mut payload);
    MailOut { node, partition, payload }
}

#[cfg(test)]
mod tests;
