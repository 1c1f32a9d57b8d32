//! One replica of one partition: the duty cycle over Raft, the log, the sequencer and the state machine.
//!
//! Each role has its file: `inbound` (what a peer may say), `election`, `proposals` (what clients may say),
//! `persistence` (what must be on disk before anything is said), `apply`, `reads`, `checkpoint`, `catch_up`; `membership`
//! and `belonging` (who is in the group), `quarantine`, `space` and `versions` (what keeps one from taking part).

mod apply;
mod belonging;
mod catch_up;
mod checkpoint;
mod election;
mod envelope;
mod inbound;
mod lag;
mod membership;
mod past;
mod persistence;
mod proposals;
mod quarantine;
mod reads;
mod ship;
mod space;
mod state;
mod stored;
mod twin;
mod versions;
mod waiting;

use std::collections::VecDeque;
use std::sync::Arc;

use raft::eraftpb::ConfState;
use raft::{Config, RawNode, ReadOnlyOption, StateRole};
use wire::{NodeId, Term, Timestamp};

use self::apply::Backlog;
use self::belonging::Belonging;
use self::catch_up::CatchUp;
use self::checkpoint::Checkpoint;
use self::election::Election;
use self::lag::Following;
pub use self::lag::Lag;
pub use self::membership::NotChanged;
pub use self::past::Past;
use self::past::Pasts;
use self::persistence::Persistence;
use self::quarantine::Quarantine;
pub use self::quarantine::Spot;
use self::reads::Reads;
pub use self::ship::Committed;
use self::space::Scarcity;
pub use self::space::Space;
pub(crate) use self::state::{Nobody, NotApplied, State};
use self::stored::Pairs;
use self::twin::Twin;
use self::versions::Versions;
use self::waiting::Waiting;
use crate::log::Tail;
use crate::members::{Members, NODES_BELOW, node_of};
use crate::sequencer::Sequencer;
use crate::{LogStore, OpenError, Output, ReplicaConfig, Role, StateMachine, Status};

/// A message to a peer has at most this many bytes.
pub const SEND_BYTES_MAX: usize = 1024 * 1024;

/// See the module.
pub struct Replica<M, L> {
    config: ReplicaConfig,
    raft: RawNode<Tail>,
    store: L,
    state: State<M>,
    /// A second copy of the state that takes the snapshots, when there is one.
    twin: Option<Twin<M>>,
    sequencer: Sequencer,
    /// The deadline and term of the last tick that was sequenced.
    ticked: (Timestamp, u64),
    election: Election,
    persistence: Persistence,
    backlog: Backlog,
    reads: Reads,
    checkpoint: Checkpoint,
    catch_up: CatchUp,
    quarantine: Quarantine,
    scarcity: Scarcity,
    versions: Versions,
    belonging: Belonging,
    waiting: Waiting,
    following: Following,
    pasts: Pasts,
    pairs: Pairs,
    outputs: VecDeque<Output>,
    now: Timestamp,
    tick_at: Timestamp,
    /// Leader and term as last announced.
    announced: (u64, u64),
    /// The term in which it was last seen leading; 0 when it does not lead.
    leading: u64,
    dropped_messages: u64,
    failed: Option<String>,
}

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    /// Opens a replica: restores the newest snapshot into `machine`, which must be new, and reads the log behind it.
    /// Entries that are known to be committed are applied in the first duty cycles.
    pub fn open(mut config: ReplicaConfig, machine: M, mut store: L, now: Timestamp) -> Result<Self, OpenError> {
        check(&config)?;
        let stored = store.load()?;
        let belonging = Belonging::of(&stored, &config);
        config.voters = belonging.founders().unwrap_or(config.voters);
        let snapshot = stored.snapshot.map(Arc::new);
        let twin = Twin::of(&machine, &config, snapshot.as_ref());
        let mut state = State::new(&config, machine);
        let mut hard_state = stored.hard_state;
        #[cfg(feature = "planted")]
        if wire::planted::is(wire::planted::Bug::VoteNotPersisted) {
            hard_state.vote = 0;
        }
        if let Some(bytes) = &snapshot {
            state.restore(&config, bytes)?;
            let cursor = &state.cursor;
            // The snapshot may have become durable without the hard state that came with it. A vote of that
            // term was never written, so it was never cast.
            if hard_state.term < cursor.term {
                (hard_state.term, hard_state.vote) = (cursor.term, 0);
            }
            hard_state.commit = hard_state.commit.max(cursor.index);
        }
        let (cursor, committed) = (&state.cursor, hard_state.commit);
        let (before, entries) = match stored.entries.first() {
            // The term before the first entry is not in the log; so the first stands for it.
            Some(first) if first.index > 1 && first.index != cursor.index + 1 => {
                ((first.index, first.term), stored.entries[1..].to_vec())
            }
            Some(first) if first.index == 1 => ((0, 0), stored.entries),
            _ => ((cursor.index, cursor.term), stored.entries),
        };
        // Whoever is not a founder knows the members from a snapshot alone.
        let knows_members = belonging.standing.is_founder() || snapshot.is_some();
        let conf = if knows_members { state.members.conf_state() } else { ConfState::default() };
        let member = belonging.standing.member(config.node);
        let tail = Tail::new(conf, hard_state, before, entries, (cursor.index, cursor.term));
        let raft = RawNode::new(
            &raft_config(&config, member, cursor.index),
            tail,
            &slog::Logger::root(slog::Discard, slog::o!()),
        )
        .map_err(|error| OpenError::Config(error.to_string()))?;
        let mut replica = Replica {
            election: Election::new(&config),
            sequencer: Sequencer::new(config.sequencer.clone()),
            ticked: (Timestamp::ZERO, 0),
            persistence: Persistence::default(),
            backlog: Backlog::default(),
            reads: Reads::default(),
            checkpoint: Checkpoint::new(cursor).back_at(committed),
            catch_up: CatchUp::default(),
            quarantine: Quarantine::default(),
            scarcity: Scarcity::default(),
            versions: Versions::default(),
            belonging,
            waiting: Waiting::default(),
            following: Following::default(),
            pasts: Pasts::default(),
            pairs: Pairs::default(),
            outputs: VecDeque::new(),
            now,
            tick_at: now.plus_nanos(config.timing.tick_ns),
            announced: (0, 0),
            leading: 0,
            dropped_messages: 0,
            failed: None,
            raft,
            store,
            state,
            twin,
            config,
        };
        replica.belonging.members_are(&replica.state.members, replica.state.cursor.index);
        replica.election.settle(&mut replica.raft);
        replica.begin_belonging();
        if knows_members {
            replica.tell_members();
        }
        Ok(replica)
    }

    /// Does what there is to do, a bounded part of it, and says how much that was. Drain [`Replica::poll_output`]
    /// after each.
    pub fn duty_cycle(&mut self, now: Timestamp) -> usize {
        if self.failed.is_some() {
            return 0;
        }
        self.now = self.now.max(now);
        if self.scarcity.is_full() {
            self.tick_at = self.tick_at.max(self.now.plus_nanos(self.config.timing.tick_ns));
            return self.poll_log() + self.poll_scarcity();
        }
        let work = self.poll_backlog()
            + self.poll_clock()
            + self.poll_failover()
            + self.poll_log()
            + self.poll_proposals()
            + self.poll_reads()
            + self.poll_ready()
            + self.poll_install()
            + self.poll_checkpoint()
            + self.poll_catch_up()
            + self.poll_quarantine()
            + self.poll_scarcity()
            + self.poll_belonging();
        self.observe_lag();
        self.observe_leader();
        work
    }

    /// The next output, `None` when the cycle has said everything.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the clock alone gives this replica something to do.
    pub fn next_timeout(&self) -> Timestamp {
        let deadline = self.state.machine.next_deadline().filter(|_| self.is_leader());
        let deadline = deadline.map(|deadline| self.sequencer.clock_at(deadline));
        let failover = self.election.due();
        [deadline, failover].into_iter().flatten().fold(self.tick_at, Timestamp::min)
    }

    /// The state machine, at the last applied position.
    pub fn machine(&self) -> &M {
        &self.state.machine
    }

    /// Who gets the log, as of what is applied.
    pub fn members(&self) -> &Members {
        &self.state.members
    }

    /// What is committed, as far as it knows, and what of it is applied: log indices.
    pub fn reached(&self) -> (u64, u64) {
        (self.raft.raft.raft_log.committed, self.state.cursor.index)
    }

    /// Whether it leads. For every cycle; [`Replica::status`] tells more, and copies it.
    pub fn leads(&self) -> bool {
        self.raft.raft.state == StateRole::Leader
    }

    /// The replica's state at a glance.
    pub fn status(&self) -> Status {
        let raft = &self.raft.raft;
        let leader = self.is_leader();
        let matched = |member: &u64| raft.prs().get(*member).map_or(0, |progress| progress.matched);
        let members = &self.state.members;
        let standbys = (members.voters.iter())
            .filter(|voter| leader && **voter != raft.id)
            .map(|voter| (node_of(*voter), matched(voter)))
            .collect();
        let learners = members.learners.iter().filter(|_| leader).map(|id| (node_of(*id), matched(id))).collect();
        Status {
            role: match raft.state {
                StateRole::Leader => Role::Leader,
                StateRole::Candidate | StateRole::PreCandidate => Role::Candidate,
                StateRole::Follower if !members.voters.contains(&raft.id) => Role::Learner,
                StateRole::Follower => Role::Standby,
            },
            leader: (raft.leader_id != 0).then(|| node_of(raft.leader_id)),
            term: Term::new(raft.term),
            settled: leader && raft.commit_to_current_term(),
            commit_index: raft.raft_log.committed,
            applied_index: self.state.cursor.index,
            last_index: raft.raft_log.last_index(),
            first_index: raft.raft_log.first_index(),
            applied_position: self.state.cursor.position,
            applied_timestamp: self.state.cursor.timestamp,
            snapshot_position: self.checkpoint.position(),
            queued: self.sequencer.len(),
            sessions: self.state.sessions.len(),
            dropped_messages: self.dropped_messages,
            standbys,
            learners,
            lacking: if leader { self.pasts.lacking(&members.learners, raft.term) } else { Vec::new() },
            lag: (!leader && !members.voters.contains(&raft.id)).then(|| self.lag()),
            members: members.clone(),
            member: raft.id,
            broken: self.quarantine.spot(),
            quarantined: self.state.skip.iter().copied().collect(),
            version: self.state.machine.version(),
            versions: self.config.versions.clone(),
            version_at: self.state.version_at,
            said_versions: self.said_versions(),
            space: self.scarcity.space(),
            failed: self.failed.clone(),
        }
    }

    /// Hands leadership to a standby, which takes a message or two; requests wait meanwhile. Ignored unless it leads, and
    /// when the standby has said that it is broken or has no space.
    pub fn transfer_leadership(&mut self, to: NodeId) {
        let is_fit = self.is_fit(to);
        if let Some(voter) = self.state.members.voter_of(to).filter(|_| self.is_leader() && is_fit) {
            self.raft.transfer_leader(voter);
        }
    }

    fn is_leader(&self) -> bool {
        self.failed.is_none() && self.raft.raft.state == StateRole::Leader
    }

    /// At most one tick in a cycle: a thread that was not run must not believe that its leader was silent.
    fn poll_clock(&mut self) -> usize {
        if self.now < self.tick_at {
            return 0;
        }
        let next = self.tick_at.plus_nanos(self.config.timing.tick_ns);
        self.tick_at = if next > self.now { next } else { self.now.plus_nanos(self.config.timing.tick_ns) };
        // A campaign looks at what is committed and not applied, which is nowhere while a snapshot is installed.
        let is_patient = !self.is_leader() && !self.scarcity.lets_tick();
        let is_able = !self.persistence.is_installing() && !self.must_write_first();
        if is_able && self.is_admitted() && !is_patient {
            self.raft.tick();
            self.tell_commit();
            self.election.settle(&mut self.raft);
        }
        1
    }

    /// Standbys learn what is committed with the next entries, which spares a message for each. Those that no entries
    /// told within a tick are told by a heartbeat.
    fn tell_commit(&mut self) {
        let raft = &self.raft.raft;
        let committed = raft.raft_log.committed;
        let owes = raft.prs().iter().any(|(node, progress)| {
            *node != raft.id && progress.recent_active && progress.committed_index < progress.matched.min(committed)
        });
        if owes && raft.state == StateRole::Leader {
            self.raft.ping();
        }
    }

    /// Tells of a new leader, and turns away who waited for an old one.
    fn observe_leader(&mut self) {
        let raft = &self.raft.raft;
        let leading = if raft.state == StateRole::Leader { raft.term } else { 0 };
        if leading != self.leading {
            let led = std::mem::replace(&mut self.leading, leading);
            if led != 0 {
                self.turn_away();
            }
        }
        let raft = &self.raft.raft;
        let known = (raft.leader_id, raft.term);
        if known.0 != self.announced.0 || (known.0 != 0 && known != self.announced) {
            self.announced = known;
            let leader = (known.0 != 0).then(|| node_of(known.0));
            self.outputs.push_back(Output::LeaderChanged { leader, term: Term::new(known.1) });
        }
    }

    /// Stops for good.
    fn fail(&mut self, error: String) {
        if self.failed.is_none() {
            self.failed = Some(error.clone());
            self.turn_away();
            self.outputs.push_back(Output::Failed { error });
        }
    }
}

fn check(config: &ReplicaConfig) -> Result<(), OpenError> {
    let refuse = |why: &str| Err(OpenError::Config(why.to_owned()));
    if config.node.get() == 0 || !config.voters.contains(&config.node) {
        return refuse("the node is not among the partition's replicas");
    }
    if config.voters.iter().any(|node| node.get() >= NODES_BELOW) {
        return refuse("a node's number is too large");
    }
    if !config.voters.is_sorted_by(|a, b| a < b) {
        return refuse("the partition's replicas must be in ascending order, each once");
    }
    let entry_max = config.sequencer.batch_bytes + config.sequencer.command_bytes_max;
    if entry_max.max(config.raft.message_bytes_max).max(config.raft.chunk_bytes) + 64 * 1024 > SEND_BYTES_MAX {
        return refuse("batches, commands and messages must fit a megabyte");
    }
    if config.sequencer.bytes_max < config.sequencer.command_bytes_max + crate::entry::COMMAND_OVERHEAD {
        return refuse("the sequencer's queue must hold the longest command");
    }
    if config.snapshots.every_entries == 0 || config.timing.tick_ns == 0 || config.raft.chunk_bytes == 0 {
        return refuse("a snapshot interval, a chunk or a tick of nothing");
    }
    Ok(())
}

fn raft_config(config: &ReplicaConfig, member: u64, applied: u64) -> Config {
    Config {
        id: member,
        election_tick: config.timing.election_ticks,
        heartbeat_tick: config.timing.heartbeat_ticks,
        applied,
        max_size_per_msg: config.raft.message_bytes_max as u64,
        max_inflight_msgs: config.raft.messages_in_flight_max,
        check_quorum: true,
        pre_vote: true,
        read_only_option: ReadOnlyOption::Safe,
        skip_bcast_commit: true,
        max_uncommitted_size: config.raft.uncommitted_bytes_max as u64,
        max_committed_size_per_ready: config.raft.apply_bytes_max as u64,
        ..Config::default()
    }
}

#[cfg(test)]
mod tests;
