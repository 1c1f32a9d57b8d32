//! Mail between partitions: what is on its way out, and how far each peer has been heard.
//!
//! Both ends are replicated state. A sender keeps mail until an acknowledgement in its own log; a receiver
//! remembers the last sequence it applied and skips what it has seen. So mail is applied exactly once, in
//! order, whichever replicas lead.

use std::collections::VecDeque;

use wire::codec::{CodecError, Reader, Writer, v1};
use wire::command::{AckMail, DeliverMail};
use wire::{Incarnation, Mail, MailSequence, PartitionId, RejectReason};

/// Mail to one partition, in order, until that partition has acknowledged it.
pub struct Outbox {
    to: PartitionId,
    /// The sequence of the last mail that was acknowledged.
    trimmed: u64,
    mail: VecDeque<Mail>,
}

impl Outbox {
    fn new(to: PartitionId) -> Outbox {
        Outbox { to, trimmed: 0, mail: VecDeque::new() }
    }

    /// The receiving partition.
    pub fn to(&self) -> PartitionId {
        self.to
    }

    /// The sequence of the last mail ever put in; 0 before the first.
    pub fn last(&self) -> MailSequence {
        MailSequence::new(self.trimmed + self.mail.len() as u64)
    }

    /// The sequence up to which the receiver has acknowledged.
    pub fn trimmed(&self) -> MailSequence {
        MailSequence::new(self.trimmed)
    }

    /// How many mails are not acknowledged.
    pub fn len(&self) -> usize {
        self.mail.len()
    }

    /// Whether everything is acknowledged.
    pub fn is_empty(&self) -> bool {
        self.mail.is_empty()
    }

    /// Up to `max` mails from sequence `from` on, or from the oldest that is kept.
    pub fn pending(&self, from: MailSequence, max: usize) -> impl Iterator<Item = &Mail> {
        let skip = from.get().saturating_sub(self.trimmed + 1);
        let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(self.mail.len());
        self.mail.range(skip..).take(max)
    }

    fn acknowledge(&mut self, upto: MailSequence) {
        while self.trimmed < upto.get() && self.mail.pop_front().is_some() {
            self.trimmed += 1;
        }
    }
}

/// How far one partition has been heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Inbox {
    from: PartitionId,
    incarnation: Incarnation,
    last_seen: MailSequence,
}

/// Every outbox and inbox of a partition, sorted by peer.
pub(crate) struct Mailboxes {
    incarnation: Incarnation,
    peers_max: usize,
    outboxes: Vec<Outbox>,
    inboxes: Vec<Inbox>,
}

impl Mailboxes {
    pub(crate) fn new(incarnation: Incarnation, peers_max: u16) -> Mailboxes {
        let peers_max = usize::from(peers_max);
        Mailboxes {
            incarnation,
            peers_max,
            outboxes: Vec::with_capacity(peers_max),
            inboxes: Vec::with_capacity(peers_max),
        }
    }

    pub(crate) fn outboxes(&self) -> impl Iterator<Item = &Outbox> {
        self.outboxes.iter()
    }

    pub(crate) fn outbox(&self, to: PartitionId) -> Option<&Outbox> {
        self.outboxes.iter().find(|outbox| outbox.to == to)
    }

    /// How many mails to `to` wait for an acknowledgement.
    pub(crate) fn waiting(&self, to: PartitionId) -> usize {
        self.outbox(to).map_or(0, Outbox::len)
    }

    /// Whether mail to `to` has an outbox or can get one.
    pub(crate) fn can_reach(&self, to: PartitionId) -> bool {
        self.outbox(to).is_some() || self.outboxes.len() < self.peers_max
    }

    /// Puts mail on its way. Whoever sends has checked that there is room.
    pub(crate) fn send(&mut self, to: PartitionId, mail: Mail) {
        let at = match self.outboxes.binary_search_by_key(&to, Outbox::to) {
            Ok(at) => at,
            Err(at) => {
                self.outboxes.insert(at, Outbox::new(to));
                at
            }
        };
        self.outboxes[at].mail.push_back(mail);
    }

    /// The next batch for `to` after sequence `after`, with what has been heard from it filled in.
    pub(crate) fn batch(
        &self,
        own: PartitionId,
        to: PartitionId,
        after: MailSequence,
        max: usize,
    ) -> Option<DeliverMail> {
        let outbox = self.outbox(to)?;
        let first = MailSequence::new(after.get().max(outbox.trimmed)).next();
        let mail: Vec<Mail> = outbox.pending(first, max.min(DeliverMail::MAIL_MAX)).cloned().collect();
        if mail.is_empty() {
            return None;
        }
        let acknowledged = self.received(to).map_or(MailSequence::ZERO, |(_, last_seen)| last_seen);
        Some(DeliverMail { from: own, incarnation: self.incarnation, first, acknowledged, mail })
    }

    pub(crate) fn received(&self, from: PartitionId) -> Option<(Incarnation, MailSequence)> {
        let inbox = self.inboxes.iter().find(|inbox| inbox.from == from)?;
        Some((inbox.incarnation, inbox.last_seen))
    }

    pub(crate) fn heard(&self) -> impl Iterator<Item = (PartitionId, MailSequence)> {
        self.inboxes.iter().map(|inbox| (inbox.from, inbox.last_seen))
    }

    /// How many mails at the front of the batch have been applied before. Refuses a gap, another life
    /// of the sender, and an acknowledgement of what was never sent.
    pub(crate) fn check_batch(&self, batch: &DeliverMail) -> Result<usize, RejectReason> {
        if batch.first == MailSequence::ZERO || batch.mail.is_empty() || batch.first.get() >= 1 << 63 {
            return Err(RejectReason::Malformed);
        }
        // Also of a peer that was never heard: what a former life sent, and what it says to have heard, is of a state that
        // may not be the one that this life began with.
        if batch.incarnation != self.incarnation {
            return Err(RejectReason::Malformed);
        }
        self.check_acknowledged(batch.from, batch.acknowledged)?;
        let last_seen = match self.received(batch.from) {
            None if self.inboxes.len() >= self.peers_max => return Err(RejectReason::TableFull),
            None => 0,
            Some((_, last_seen)) => last_seen.get(),
        };
        if batch.first.get() > last_seen + 1 {
            return Err(RejectReason::Malformed);
        }
        let seen = last_seen + 1 - batch.first.get();
        #[cfg(feature = "planted")]
        let seen = if wire::planted::is(wire::planted::Bug::MailTwice) { 0 } else { seen };
        Ok(usize::try_from(seen).unwrap_or(usize::MAX).min(batch.mail.len()))
    }

    /// Remembers a batch that [`Mailboxes::check_batch`] let pass, and trims what it acknowledges.
    pub(crate) fn note_batch(&mut self, batch: &DeliverMail) {
        let last = MailSequence::new(batch.first.get() + batch.mail.len() as u64 - 1);
        let new = Inbox { from: batch.from, incarnation: batch.incarnation, last_seen: last };
        match self.inboxes.binary_search_by_key(&batch.from, |inbox| inbox.from) {
            Ok(at) => self.inboxes[at].last_seen = self.inboxes[at].last_seen.max(last),
            Err(at) => self.inboxes.insert(at, new),
        }
        self.trim(batch.from, batch.acknowledged);
    }

    /// Refuses an acknowledgement of mail of another life, or of mail that was never sent.
    pub(crate) fn check_ack(&self, ack: &AckMail) -> Result<(), RejectReason> {
        if ack.incarnation != self.incarnation {
            return Err(RejectReason::Malformed);
        }
        self.check_acknowledged(ack.from, ack.acknowledged)
    }

    fn check_acknowledged(&self, from: PartitionId, acknowledged: MailSequence) -> Result<(), RejectReason> {
        let sent = self.outbox(from).map_or(MailSequence::ZERO, Outbox::last);
        if acknowledged > sent { Err(RejectReason::Malformed) } else { Ok(()) }
    }

    /// Forgets mail to `to` up to `acknowledged`.
    pub(crate) fn trim(&mut self, to: PartitionId, acknowledged: MailSequence) {
        if let Some(outbox) = self.outboxes.iter_mut().find(|outbox| outbox.to == to) {
            outbox.acknowledge(acknowledged);
        }
    }

    /// A new life begins with what is here. Sequences go on: all partitions begin it with states of one consistent cut, so
    /// what a sender still keeps is just what its receiver has not seen.
    pub(crate) fn begin_life(&mut self, incarnation: Incarnation) {
        assert!(incarnation > self.incarnation, "a later life has a greater number");
        self.incarnation = incarnation;
        self.inboxes.iter_mut().for_each(|inbox| inbox.incarnation = incarnation);
    }

    pub(crate) fn save(&self, to: &mut Writer<'_>) {
        to.put(&self.incarnation);
        to.put(&(self.outboxes.len() as u32));
        for outbox in &self.outboxes {
            to.put(&outbox.to);
            to.put(&outbox.trimmed);
            to.put(&(outbox.mail.len() as u32));
            for mail in &outbox.mail {
                v1::encode_mail(mail, to);
            }
        }
        to.put(&(self.inboxes.len() as u32));
        for inbox in &self.inboxes {
            to.put(&inbox.from);
            to.put(&inbox.incarnation);
            to.put(&inbox.last_seen);
        }
    }

    /// Of the same life of the log: mail that a former one left on its way may have been applied already, and nothing
    /// here could tell.
    pub(crate) fn load(incarnation: Incarnation, peers_max: u16, from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let saved: Incarnation = from.get()?;
        if saved != incarnation {
            return Err(CodecError::OutOfRange);
        }
        let mut mailboxes = Mailboxes::new(incarnation, peers_max);
        for _ in 0..from.get::<u32>()? {
            let mut outbox = Outbox::new(from.get()?);
            outbox.trimmed = from.get()?;
            for _ in 0..from.get::<u32>()? {
                outbox.mail.push_back(v1::decode_mail(from)?);
            }
            mailboxes.outboxes.push(outbox);
        }
        for _ in 0..from.get::<u32>()? {
            mailboxes.inboxes.push(Inbox { from: from.get()?, incarnation: from.get()?, last_seen: from.get()? });
        }
        let sorted = mailboxes.outboxes.is_sorted_by(|a, b| a.to < b.to)
            && mailboxes.inboxes.is_sorted_by(|a, b| a.from < b.from);
        if sorted { Ok(mailboxes) } else { Err(CodecError::OutOfRange) }
    }
}
