//! One partition on one node: replica, cells, mail and leadership put together, without threads, sockets,
//! disks or clocks. A node's partition thread drives it, and so does a simulator.

use std::collections::VecDeque;
use std::sync::Arc;

use replicator::{
    Committed, Joining, LogStore, Members, NotChanged, OpenError, Output, Past, Replica, ReplicaConfig, Space, Status,
};
use wire::codec::v1;
use wire::link::{
    ChangeMembers, MemberChange, MemberOutcome, MembersAnswer, OpenSession, ReadReady, ReadRefused, Refusal, Refused,
    Reply, Request, SessionOpened,
};
use wire::{
    Command, Incarnation, LogPosition, MailSequence, NodeId, PartitionId, Sequence, SessionId, Term, Timestamp,
};

use crate::block::EventBlock;
use crate::freshness::Freshness;
use crate::leadership::{Handover, Turn};
use crate::machine::Machine;
use crate::mail::{MailCounters, MailOut, MailShipper, MailTiming, Verdict};
use crate::permissions::is_mail;

/// How a partition's host behaves beside its replica.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Every partition of the cluster.
    pub partitions: Vec<PartitionId>,
    /// The one that hosts the ledger cell.
    pub ledger: PartitionId,
    /// Times of mail.
    pub mail: MailTiming,
    /// The node that should lead this partition; whoever's turn it is when that is nobody.
    pub preferred_leader: Option<NodeId>,
    /// How long another leads before it hands over.
    pub leader_stable_ns: u64,
}

/// Something arrived for the partition.
#[derive(Debug)]
pub enum HostInput {
    /// A peer's Raft message.
    Raft {
        /// Who sent it.
        from: NodeId,
        /// The message.
        payload: Vec<u8>,
    },
    /// Another partition's `DeliverMail` or `AckMail`.
    Mail(Vec<u8>),
    /// The same, passed on by a replica of this node.
    MailPassedOn(Vec<u8>),
    /// Mail of this partition, up to here, has come to the leader of another one on this node: this one's leader sends it.
    MailCame {
        /// To which partition.
        to: PartitionId,
        /// Of which life of this one's log.
        incarnation: Incarnation,
        /// The last of it.
        upto: MailSequence,
    },
    /// A client's command, which has been checked to be one that the client may send.
    Request(Request, Vec<u8>),
    /// A client wants a session.
    OpenSession(OpenSession),
    /// A client wants to read; the token is the host's caller's.
    ReadIndex {
        /// Comes back.
        token: u64,
    },
    /// An operator wants other members.
    ChangeMembers(ChangeMembers),
    /// A link to another node is open.
    Met(NodeId),
    /// A peer's process is dead.
    PeerRefused(NodeId),
    /// What the node's archive lacks of the partition's events.
    Past(Past),
    /// The leader of this partition had this much committed a moment ago.
    LeaderHad(LogPosition),
    /// Somebody leads another partition, as far as is believed now.
    LeaderIs {
        /// Which partition.
        partition: PartitionId,
        /// Who; none while there is none.
        leader: Option<NodeId>,
    },
}

/// Something to be done or to be known outside.
#[derive(Debug)]
pub enum HostOutput {
    /// A Raft message to a peer. May be lost.
    Raft {
        /// To whom.
        to: NodeId,
        /// The message.
        payload: Vec<u8>,
    },
    /// Mail to the leader of another partition, which may be this node. May be lost.
    Mail(MailOut),
    /// Mail up to here has come from another node: a replica of `from` on this one need not pass it on.
    MailCame {
        /// From which partition.
        from: PartitionId,
        /// To which: this one.
        to: PartitionId,
        /// Of which life of its log.
        incarnation: Incarnation,
        /// The last of it.
        upto: MailSequence,
    },
    /// To whoever sent the session's last request.
    Reply(Reply, Vec<u8>),
    /// To whoever sent the nonce.
    SessionOpened(SessionOpened),
    /// To whoever sent the nonce.
    OpenRefused {
        /// Of the request.
        nonce: u128,
        /// What to send.
        refused: Refused,
    },
    /// To whoever sent the session's last request.
    Refused(Refused),
    /// To whoever holds the token.
    ReadReady(ReadReady),
    /// To whoever holds the token.
    ReadRefused(ReadRefused),
    /// To whoever holds the token.
    MembersAnswer(MembersAnswer),
    /// Who has a replica of this partition.
    Members {
        /// Everything that the log says of them.
        members: Box<Members>,
        /// The log index of the news.
        index: u64,
    },
    /// Who leads this partition.
    LeaderChanged {
        /// None while there is none.
        leader: Option<NodeId>,
        /// In which term.
        term: Term,
    },
    /// What happened, in the order of the log.
    Events(Arc<EventBlock>),
    /// The replica cannot go on, and so the node must not.
    Failed(String),
}

/// What has been counted since start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostCounters {
    /// Commands applied.
    pub applied: u64,
    /// Snapshots taken.
    pub snapshots_taken: u64,
    /// Snapshots of a leader installed.
    pub snapshots_installed: u64,
    /// Changes of leader seen.
    pub leader_changes: u64,
    /// Mail commands dropped because this node does not lead, they are no mail, or the queue is full.
    pub mail_dropped: u64,
    /// Mail.
    pub mail: MailCounters,
}

/// A partition's replica with everything that is not I/O.
pub struct PartitionHost<L: LogStore> {
    partition: PartitionId,
    node: NodeId,
    replica: Replica<Machine, L>,
    shipper: MailShipper,
    handover: Handover,
    freshness: Freshness,
    is_leader: bool,
    applied: LogPosition,
    counters: HostCounters,
    mail: VecDeque<MailOut>,
    outputs: VecDeque<HostOutput>,
}

impl<L: LogStore> PartitionHost<L> {
    /// Opens the replica from its store.
    pub fn open(
        replica: ReplicaConfig,
        config: HostConfig,
        machine: Machine,
        store: L,
        now: Timestamp,
    ) -> Result<PartitionHost<L>, OpenError> {
        let (partition, node) = (replica.partition, replica.node);
        let replica = Replica::open(replica, machine, store, now)?;
        let applied = replica.status().applied_position;
        let incarnation = replica.machine().incarnation();
        let turn = Turn::of(partition, config.ledger, &config.partitions);
        Ok(PartitionHost {
            partition,
            node,
            replica,
            shipper: MailShipper::new(node, partition, incarnation, config.partitions, config.mail),
            handover: Handover::new(node, turn, config.preferred_leader, config.leader_stable_ns),
            freshness: Freshness::default(),
            is_leader: false,
            applied,
            counters: HostCounters::default(),
            mail: VecDeque::new(),
            outputs: VecDeque::new(),
        })
    }

    /// Which partition it is.
    pub fn partition(&self) -> PartitionId {
        self.partition
    }

    /// The replica, to look at.
    pub fn replica(&self) -> &Replica<Machine, L> {
        &self.replica
    }

    /// The replica at a glance.
    pub fn status(&self) -> Status {
        self.replica.status()
    }

    /// Whether this replica has lately applied everything that its leader had committed.
    pub fn is_caught_up(&self, now: Timestamp) -> bool {
        self.freshness.is_fresh(now)
    }

    /// When time alone gives the host something to do, but for mail, which is looked after every few milliseconds.
    pub fn next_timeout(&self) -> Timestamp {
        self.replica.next_timeout()
    }

    /// What has been counted.
    pub fn counters(&self) -> HostCounters {
        HostCounters { mail: self.shipper.counters(), ..self.counters }
    }

    /// The cells as of the last applied position.
    pub fn machine(&self) -> &Machine {
        self.replica.machine()
    }

    /// Whether a command has panicked the cells, so that what they hold means nothing until they are built anew.
    pub fn is_broken(&self) -> bool {
        self.replica.is_broken()
    }

    /// What was applied after log index `after`, of about `bytes_max` bytes.
    pub fn committed(&self, after: u64, bytes_max: u64) -> Committed {
        self.replica.committed(after, bytes_max)
    }

    /// Hands the partition over to another node, if this one leads.
    pub fn transfer_leadership(&mut self, to: NodeId) {
        self.replica.transfer_leadership(to);
    }

    /// Makes a node a member of this partition that has introduced itself, if this node leads.
    pub fn add_node(&mut self, node: NodeId, how: Joining) -> Result<(), NotChanged> {
        self.replica.add_node(node, how)
    }

    /// Makes a node a member of this partition no more, if this node leads and is another one.
    pub fn remove_node(&mut self, node: NodeId) -> Result<(), NotChanged> {
        let removed = self.replica.remove_node(node);
        if matches!(removed, Ok(()) | Err(NotChanged::Leads)) {
            self.handover.leaves(node);
        }
        removed
    }

    fn change_members(&mut self, wish: ChangeMembers) {
        let ChangeMembers { partition, token, change, node, place, instead_of, version } = wish;
        let changed = match change {
            MemberChange::Add | MemberChange::Learn => {
                let instead_of = Some(instead_of).filter(|node| node.get() != 0);
                let stays_learner = change == MemberChange::Learn;
                self.add_node(node, Joining { at: place.address(), instead_of, stays_learner })
            }
            MemberChange::Remove => self.remove_node(node),
            MemberChange::Drain => self.replica.drain_node(node, true),
            MemberChange::Undrain => self.replica.drain_node(node, false),
            MemberChange::SetVersion => self.replica.set_version(version),
        };
        let outcome = match changed {
            Ok(()) => MemberOutcome::Proposed,
            Err(NotChanged::NotLeader) => MemberOutcome::NotLeader,
            Err(NotChanged::Leads) => MemberOutcome::Leads,
            // Whoever asks has counted: one has come in between.
            Err(NotChanged::UnderWay | NotChanged::TooMany) => MemberOutcome::UnderWay,
            Err(NotChanged::Unheard) => MemberOutcome::Unheard,
            Err(NotChanged::IsSo) => MemberOutcome::IsSo,
            Err(NotChanged::Unknown) => MemberOutcome::UnknownNode,
            Err(NotChanged::NeverVotes) => MemberOutcome::NeverVotes,
            Err(NotChanged::TooFew) => MemberOutcome::TooFew,
            Err(NotChanged::CannotRun) => MemberOutcome::CannotRun,
        };
        self.outputs.push_back(HostOutput::MembersAnswer(MembersAnswer { partition, token, outcome }));
    }

    /// How much space its disk has; to be told whenever that changes.
    pub fn set_space(&mut self, space: Space) {
        self.replica.set_space(space);
    }

    /// Takes one input; its effects appear with the next duty cycle.
    pub fn on_input(&mut self, input: HostInput) {
        match input {
            HostInput::Raft { from, payload } => {
                self.handover.heard(from);
                self.replica.on_message(from, &payload);
            }
            HostInput::Mail(payload) => self.on_mail(&payload, true),
            HostInput::MailPassedOn(payload) => self.on_mail(&payload, false),
            HostInput::MailCame { to, incarnation, upto } => self.shipper.came(to, incarnation, upto),
            HostInput::Request(request, payload) => {
                if let Err((refusal, detail)) = self.replica.offer(request, &payload) {
                    self.refuse(request.session, request.sequence, refusal, detail);
                }
            }
            HostInput::OpenSession(open) => {
                if let Err((refusal, detail)) = self.replica.open_session(open) {
                    self.refuse_open(open.nonce, refusal, detail);
                }
            }
            HostInput::ReadIndex { token } => {
                if let Err((refusal, detail)) = self.replica.read_index(token) {
                    self.refuse_read(token, refusal, detail);
                }
            }
            HostInput::ChangeMembers(wish) => self.change_members(wish),
            HostInput::Met(node) => self.replica.meet(node),
            HostInput::PeerRefused(node) => {
                self.handover.refused(node);
                self.replica.peer_refused(node);
            }
            HostInput::Past(past) => self.replica.set_past(past),
            HostInput::LeaderHad(position) => self.freshness.leader_had(position),
            HostInput::LeaderIs { partition, leader } => self.shipper.leader_is(partition, leader),
        }
    }

    /// Everything that is due. Returns how much was done.
    pub fn duty_cycle(&mut self, now: Timestamp) -> usize {
        self.replica.duty_cycle(now)
            + self.poll_replica(now)
            + self.publish_events()
            + self.ship_mail(now)
            + self.hand_over(now)
    }

    /// The next output. Drain them after every duty cycle.
    pub fn poll_output(&mut self) -> Option<HostOutput> {
        self.outputs.pop_front()
    }

    fn on_mail(&mut self, payload: &[u8], is_from_afar: bool) {
        let command = v1::decode_command(payload).ok().filter(|command| self.takes_mail() && is_mail(command));
        let Some(command) = command else {
            self.counters.mail_dropped += 1;
            return;
        };
        let offered = match self.shipper.judge(&command, self.replica.machine().cells()) {
            Verdict::Sequence => self.replica.offer_internal(payload),
            Verdict::Instead(ack) => {
                let mut payload = Vec::new();
                v1::encode_command(&Command::AckMail(ack), &mut payload);
                self.replica.offer_internal(&payload)
            }
            Verdict::Drop => Ok(()),
        };
        match (&command, offered) {
            (Command::DeliverMail(batch), Ok(())) if is_from_afar => self.shipper.note_delivered(batch),
            (_, Ok(())) => {}
            // The sender's outbox sends again.
            (_, Err(_)) => self.counters.mail_dropped += 1,
        }
    }

    fn takes_mail(&self) -> bool {
        self.is_leader && !self.replica.is_broken()
    }

    fn poll_replica(&mut self, now: Timestamp) -> usize {
        let mut polled = 0;
        while let Some(output) = self.replica.poll_output() {
            polled += 1;
            self.on_output(now, output);
        }
        self.freshness.applied(self.applied, self.is_leader, now);
        polled
    }

    fn on_output(&mut self, now: Timestamp, output: Output) {
        let partition = self.partition;
        match output {
            Output::Send { to, payload } => self.outputs.push_back(HostOutput::Raft { to, payload }),
            Output::Reply { session, sequence, position, payload } => {
                let reply = Reply { partition, session, sequence, position };
                self.outputs.push_back(HostOutput::Reply(reply, payload));
            }
            Output::SessionOpened { nonce, session } => {
                self.outputs.push_back(HostOutput::SessionOpened(SessionOpened { partition, nonce, session }));
            }
            Output::OpenRefused { nonce, refusal, detail } => self.refuse_open(nonce, refusal, detail),
            Output::Refused { session, sequence, refusal, detail } => self.refuse(session, sequence, refusal, detail),
            Output::ReadReady { token, position } => {
                self.outputs.push_back(HostOutput::ReadReady(ReadReady { partition, token, position }));
            }
            Output::ReadRefused { token, refusal, detail } => self.refuse_read(token, refusal, detail),
            Output::Applied { position, .. } => {
                self.counters.applied += 1;
                self.applied = position;
            }
            Output::LeaderChanged { leader, term } => self.on_leader(now, leader, term),
            Output::SnapshotInstalled { position } => {
                self.counters.snapshots_installed += 1;
                self.applied = self.applied.max(position);
            }
            Output::MembersChanged { members, index } => {
                self.handover.members(&self.replica.status());
                self.outputs.push_back(HostOutput::Members { members, index });
            }
            Output::SnapshotTaken { .. } => self.counters.snapshots_taken += 1,
            Output::Failed { error } => self.outputs.push_back(HostOutput::Failed(error)),
        }
    }

    fn on_leader(&mut self, now: Timestamp, leader: Option<NodeId>, term: Term) {
        self.counters.leader_changes += 1;
        let leads = leader == Some(self.node);
        if leads && !self.is_leader {
            self.shipper.start();
        }
        self.is_leader = leads;
        self.handover.leads(leads, now);
        self.outputs.push_back(HostOutput::LeaderChanged { leader, term });
    }

    fn publish_events(&mut self) -> usize {
        let blocks = self.replica.machine().take_events(self.applied);
        let published = blocks.len();
        self.outputs.extend(blocks.into_iter().map(HostOutput::Events));
        published
    }

    fn ship_mail(&mut self, now: Timestamp) -> usize {
        while let Some((from, incarnation, upto)) = self.shipper.delivered() {
            self.outputs.push_back(HostOutput::MailCame { from, to: self.partition, incarnation, upto });
        }
        // What a machine holds that has panicked is nobody's mail.
        if self.replica.is_broken() {
            return 0;
        }
        if self.is_leader {
            let listeners = self.shipper.new_listeners(self.replica.machine().cells());
            listeners.into_iter().for_each(|listeners| self.replica.set_listeners(listeners));
        }
        let cells = self.replica.machine().cells();
        let shipped = match self.is_leader {
            true => self.shipper.poll(now, cells, self.replica.attended(), &mut self.mail),
            false if self.replica.is_attending() => self.shipper.pick_up(now, cells, &mut self.mail),
            // The leader sends.
            false => 0,
        };
        self.outputs.extend(self.mail.drain(..).map(HostOutput::Mail));
        shipped
    }

    fn hand_over(&mut self, now: Timestamp) -> usize {
        if !self.handover.is_due(now) {
            return 0;
        }
        let status = self.replica.status();
        match self.handover.poll(now, &status) {
            Some(to) => {
                tracing::info!(partition = %self.partition, %to, "handing leadership over to the preferred node");
                self.replica.transfer_leadership(to);
                1
            }
            None => 0,
        }
    }

    fn refuse(&mut self, session: SessionId, sequence: Sequence, refusal: Refusal, detail: u64) {
        let refused = Refused { partition: self.partition, session, sequence, refusal, detail };
        self.outputs.push_back(HostOutput::Refused(refused));
    }

    fn refuse_open(&mut self, nonce: u128, refusal: Refusal, detail: u64) {
        let (session, sequence) = (SessionId::new(0), Sequence::ZERO);
        let refused = Refused { partition: self.partition, session, sequence, refusal, detail };
        self.outputs.push_back(HostOutput::OpenRefused { nonce, refused });
    }

    fn refuse_read(&mut self, token: u64, refusal: Refusal, detail: u64) {
        let refused = ReadRefused { partition: self.partition, token, refusal, detail };
        self.outputs.push_back(HostOutput::ReadRefused(refused));
    }
}

#[cfg(test)]
mod tests;
