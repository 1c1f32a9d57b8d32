//! The thread of one partition: drives its [`PartitionHost`] from bounded rings.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crossbeam::channel::Sender;
use replicator::LogStore;
use replicator::net::Waker;
use wire::{NodeId, PartitionId, Timestamp};

use crate::clock::Clock;
use crate::host::{HostInput, HostOutput, PartitionHost};
use crate::metrics::PartitionMetrics;
use crate::rings::{FromPartition, PartitionPort, PartitionRings};
use crate::status::{AssetBooks, AuditAt, DigestAt, PartitionStatus, Question};

/// Messages of peers taken in one cycle.
const PEER_MESSAGES_PER_CYCLE: usize = 1_024;
/// Requests taken in one cycle: one log entry.
const REQUESTS_PER_CYCLE: usize = 1_024;
/// How often the metrics are written.
const METRICS_EVERY_NS: u64 = 250_000_000;
/// The shortest sleep: nothing here is due to less than this.
const SLEEP_MIN: Duration = Duration::from_millis(1);
/// Requests whose way to their reply is timed at once.
const TIMED_MAX: usize = 64;

/// Everything that a partition thread owns.
pub struct PartitionThread<L: LogStore> {
    /// The partition.
    pub host: PartitionHost<L>,
    /// This node.
    pub node: NodeId,
    /// Its ends of its rings.
    pub rings: PartitionRings,
    /// The network thread.
    pub network: Sender<FromPartition>,
    /// Wakes the network thread.
    pub waker: Waker,
    /// The other partitions of this node, for mail.
    pub neighbours: BTreeMap<PartitionId, PartitionPort>,
    /// The longest sleep.
    pub tick: Duration,
    /// The clock.
    pub clock: Clock,
    /// Its numbers.
    pub metrics: PartitionMetrics,
    /// Requests under way whose time is taken.
    pub timed: TimedRequests,
    /// It has been told to stop.
    pub is_stopping: bool,
}

/// When some of the requests under way arrived, to measure how long their replies take.
#[derive(Debug, Default)]
pub struct TimedRequests(VecDeque<(wire::SessionId, wire::Sequence, Timestamp)>);

impl<L: LogStore> PartitionThread<L> {
    /// Works until it is told to stop or the replica fails; the error says why.
    pub fn run(mut self) -> Result<(), String> {
        let mut metrics_due = Timestamp::ZERO;
        loop {
            let now = self.clock.now();
            let done = self.duty_cycle(now)?;
            if self.is_stopping {
                return Ok(());
            }
            if done > 0 {
                let nanos = self.clock.now().nanos() - now.nanos();
                self.metrics.cycle.observe(nanos as f64 / 1e9);
            } else {
                let due = self.host.next_timeout().nanos().saturating_sub(self.clock.now().nanos());
                // What is due already waits for something else, such as the disk, which rings.
                self.rings.doorbell.wait(Duration::from_nanos(due).clamp(SLEEP_MIN, self.tick.max(SLEEP_MIN)));
            }
            if now >= metrics_due {
                metrics_due = now.plus_nanos(METRICS_EVERY_NS);
                self.metrics.observe(&self.host.status(), self.rings.requests.len());
                self.metrics.count(self.host.counters());
            }
        }
    }

    fn duty_cycle(&mut self, now: Timestamp) -> Result<usize, String> {
        Ok(self.poll_peers()
            + self.poll_requests(now)
            + self.host.duty_cycle(now)
            + self.poll_host(now)?
            + self.poll_questions(now))
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
    fn poll_host(&mut self, now: Timestamp) -> Result<usize, String> {
        let mut passed = 0;
        let mut is_network_due = false;
        while let Some(output) = self.host.poll_output() {
            passed += 1;
            match output {
                HostOutput::Mail(mail) if mail.node == self.node => {
                    if let Some(port) = self.neighbours.get(&mail.partition) {
                        // Full: the outbox sends again.
                        let _ = port.peer(HostInput::Mail(mail.payload));
                    }
                }
                HostOutput::Failed(error) => return Err(error),
                output => {
                    if let HostOutput::Reply(reply, _) = &output
                        && let Some(nanos) = self.timed.end(reply.session, reply.sequence, now)
                    {
                        self.metrics.commit.observe(nanos as f64 / 1e9);
                    }
                    let partition = self.host.partition();
                    if self.network.send(FromPartition { partition, output }).is_err() {
                        return Err("the network thread has ended".to_owned());
                    }
                    is_network_due = true;
                }
            }
        }
        if is_network_due {
            self.waker.wake();
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
                drop(to.try_send(PartitionStatus::of(partition, &status, self.host.is_caught_up(now))))
            }
            Question::Digest(to) => {
                let digest = format!("{:032x}", cells.digest());
                drop(to.try_send(DigestAt { partition: partition.get(), position, digest }));
            }
            Question::Audit(to) => {
                let assets = cells.audit().iter().map(AssetBooks::of).collect();
                drop(to.try_send(AuditAt { partition: partition.get(), position, assets }));
            }
            Question::Transfer(to) => self.host.transfer_leadership(to),
            Question::Stop => self.is_stopping = true,
        }
    }
}

impl TimedRequests {
    fn begin(&mut self, session: wire::SessionId, sequence: wire::Sequence, now: Timestamp) {
        if self.0.len() == TIMED_MAX {
            self.0.pop_front();
        }
        self.0.push_back((session, sequence, now));
    }

    fn end(&mut self, session: wire::SessionId, sequence: wire::Sequence, now: Timestamp) -> Option<u64> {
        let at = self.0.iter().position(|timed| (timed.0, timed.1) == (session, sequence))?;
        let (_, _, begun) = self.0.remove(at)?;
        Some(now.nanos() - begun.nanos())
    }
}
