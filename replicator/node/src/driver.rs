//! Drives one partition's [`PartitionHost`] from bounded rings, in whichever thread it is.

use std::collections::{BTreeMap, VecDeque};

use replicator::LogStore;
use wire::{NodeId, PartitionId, Sequence, SessionId, Timestamp};

use crate::clock::Clock;
use crate::host::{HostInput, HostOutput, PartitionHost};
use crate::metrics::PartitionMetrics;
use crate::rings::{FromPartition, PartitionPort, PartitionRings};
use crate::space::SpaceSeen;
use crate::status::{AssetBooks, AuditAt, DigestAt, PartitionStatus, Question, TableStatus};

/// Messages of peers taken in one cycle.
const PEER_MESSAGES_PER_CYCLE: usize = 1_024;
/// Requests taken in one cycle: one log entry.
const REQUESTS_PER_CYCLE: usize = 1_024;
/// How often the metrics are written.
const METRICS_EVERY_NS: u64 = 250_000_000;
/// Requests whose way to their reply is timed at once.
const TIMED_MAX: usize = 64;

/// A partition on this node, with the ends of its rings and its numbers.
pub struct PartitionDriver<L: LogStore> {
    /// The partition.
    pub host: PartitionHost<L>,
    node: NodeId,
    rings: PartitionRings,
    /// The partitions of this node, for mail.
    neighbours: BTreeMap<PartitionId, PartitionPort>,
    clock: Clock,
    metrics: PartitionMetrics,
    metrics_due: Timestamp,
    timed: TimedRequests,
    space: SpaceSeen,
    /// Partitions of this node that have got mail since [`PartitionDriver::take_mailed`].
    mailed: Vec<PartitionId>,
    is_stopping: bool,
}

/// When some of the requests under way arrived, to measure how long their replies take.
#[derive(Debug, Default)]
struct TimedRequests(VecDeque<(SessionId, Sequence, Timestamp)>);

impl<L: LogStore> PartitionDriver<L> {
    /// Drives `host` of `node`.
    pub fn new(
        host: PartitionHost<L>,
        node: NodeId,
        rings: PartitionRings,
        neighbours: BTreeMap<PartitionId, PartitionPort>,
        clock: Clock,
        metrics: PartitionMetrics,
        space: SpaceSeen,
    ) -> PartitionDriver<L> {
        PartitionDriver {
            host,
            node,
            rings,
            neighbours,
            clock,
            metrics,
            metrics_due: Timestamp::ZERO,
            timed: TimedRequests::default(),
            space,
            mailed: Vec::new(),
            is_stopping: false,
        }
    }

    /// The partitions of this node that it has put mail in front of since it was asked last.
    pub fn take_mailed(&mut self) -> Vec<PartitionId> {
        std::mem::take(&mut self.mailed)
    }

    /// Whether it has been told to stop.
    pub fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    /// Everything that is due; `deliver` takes what is for the network. The error says why the node cannot go on.
    pub fn duty_cycle(&mut self, deliver: &mut impl FnMut(FromPartition)) -> Result<usize, String> {
        let now = self.clock.now();
        self.host.set_space(self.space.space());
        let done = self.poll_peers()
            + self.poll_requests(now)
            + self.host.duty_cycle(now)
            + self.poll_host(now, deliver)?
            + self.poll_questions(now);
        if done > 0 {
            let nanos = self.clock.now().nanos() - now.nanos();
            self.metrics.cycle.observe(nanos as f64 / 1e9);
        }
        if now >= self.metrics_due {
            self.metrics_due = now.plus_nanos(METRICS_EVERY_NS);
            self.metrics.observe(&self.host.status(), self.rings.requests.len());
            self.metrics.count(self.host.counters());
            if !self.host.is_broken() {
                self.metrics.fill(&TableStatus::of(self.host.machine().cells()));
            }
        }
        Ok(done)
    }

    fn poll_peers(&mut self) -> usize {
        let mut taken = 0;
        for input in self.rings.peers.try_iter().take(PEER_MESSAGES_PER_CYCLE) {
            self.host.on_input(input);
            taken += 1;
        }
        taken
    }

    fn poll_requests(&mut self, now: Timestamp) -> usize {
        let mut taken = 0;
        for input in self.rings.requests.try_iter().take(REQUESTS_PER_CYCLE) {
            if let HostInput::Request(request, _) = &input {
                self.timed.begin(request.session, request.sequence, now);
            }
            self.host.on_input(input);
            taken += 1;
        }
        taken
    }

    /// Passes the host's outputs on. Mail to a partition that this node leads does not touch the network.
    fn poll_host(&mut self, now: Timestamp, deliver: &mut impl FnMut(FromPartition)) -> Result<usize, String> {
        let mut passed = 0;
        while let Some(output) = self.host.poll_output() {
            passed += 1;
            match output {
                HostOutput::Mail(mail) if mail.node == self.node => {
                    if let Some(port) = self.neighbours.get(&mail.partition) {
                        // Full: the outbox sends again.
                        let _ = port.peer(HostInput::MailPassedOn(mail.payload));
                        self.mailed.push(mail.partition);
                    }
                }
                HostOutput::MailCame { from, to, incarnation, upto } => {
                    if let Some(port) = self.neighbours.get(&from) {
                        // That replica has nothing to pass on until a Raft message wakes it, and hears of this before. Lost: what
                        // is passed on all the same is dropped as seen.
                        port.mention(HostInput::MailCame { to, incarnation, upto });
                    }
                }
                HostOutput::Failed(error) => return Err(error),
                output => {
                    if let HostOutput::Reply(reply, _) = &output
                        && let Some(nanos) = self.timed.end(reply.session, reply.sequence, now)
                    {
                        self.metrics.commit.observe(nanos as f64 / 1e9);
                    }
                    deliver(FromPartition { partition: self.host.partition(), output });
                }
            }
        }
        Ok(passed)
    }

    fn poll_questions(&mut self, now: Timestamp) -> usize {
        let questions: Vec<Question> = self.rings.questions.try_iter().collect();
        let answered = questions.len();
        for question in questions {
            self.answer(question, now);
        }
        answered
    }

    /// Whoever asked may have given up, so nobody minds when an answer cannot be delivered.
    fn answer(&mut self, question: Question, now: Timestamp) {
        let (partition, status) = (self.host.partition(), self.host.status());
        let position = status.applied_position.get();
        let cells = self.host.machine().cells();
        match question {
            Question::Status(to) => {
                // Nobody looks at cells that have panicked.
                let tables = if self.host.is_broken() { Vec::new() } else { TableStatus::of(cells) };
                drop(to.try_send(PartitionStatus::of(partition, &status, self.host.is_caught_up(now), tables)))
            }
            // Nobody looks at cells that have panicked.
            Question::Digest(_) | Question::Audit(_) if self.host.is_broken() => {}
            Question::Digest(to) => {
                let digest = format!("{:032x}", cells.digest());
                drop(to.try_send(DigestAt { partition: partition.get(), position, digest }));
            }
            Question::Audit(to) => {
                let assets = cells.audit().iter().map(AssetBooks::of).collect();
                drop(to.try_send(AuditAt { partition: partition.get(), position, assets }));
            }
            Question::Committed { after, bytes_max, to } => drop(to.try_send(self.host.committed(after, bytes_max))),
            Question::Transfer(to) => self.host.transfer_leadership(to),
            Question::Stop => self.is_stopping = true,
        }
    }
}

impl TimedRequests {
    fn begin(&mut self, session: SessionId, sequence: Sequence, now: Timestamp) {
        if self.0.len() == TIMED_MAX {
            self.0.pop_front();
        }
        self.0.push_back((session, sequence, now));
    }

    fn end(&mut self, session: SessionId, sequence: Sequence, now: Timestamp) -> Option<u64> {
        let at = self.0.iter().position(|timed| (timed.0, timed.1) == (session, sequence))?;
        let (_, _, begun) = self.0.remove(at)?;
        Some(now.nanos() - begun.nanos())
    }
}

#[cfg(test)]
mod tests;
