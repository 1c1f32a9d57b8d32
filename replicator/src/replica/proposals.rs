//! What clients and the node may ask the leader to sequence.

use wire::link::{OpenSession, Refusal, Request};
use wire::{Origin, Timestamp};

use super::Replica;
use crate::entry::{self, Kind};
use crate::members::node_of;
use crate::{LogStore, Output, StateMachine, sequencer};

impl<M: StateMachine, L: LogStore> Replica<M, L> {
    /// Queues a client's request. Its outcome comes as [`Output::Reply`] or [`Output::Refused`]; neither, if this
    /// replica loses its leadership meanwhile: then the client resends to the next leader.
    pub fn offer(&mut self, request: Request, payload: &[u8]) -> Result<(), (Refusal, u64)> {
        self.must_lead()?;
        let origin = Origin { session: request.session, sequence: request.sequence };
        if let Some(reply) = self.state.sessions.cached(origin) {
            // It was executed: what is committed stays true, whoever leads.
            let (position, payload) = (reply.position, reply.payload.to_vec());
            let (session, sequence) = (request.session, request.sequence);
            self.outputs.push_back(Output::Reply { session, sequence, position, payload });
            return Ok(());
        }
        let kind = Kind::Request { origin, acknowledged_below: request.acknowledged_below };
        self.sequencer.offer(kind, payload).map_err(|refusal| (refusal, 0))
    }

    /// Queues the opening of a session.
    pub fn open_session(&mut self, open: OpenSession) -> Result<(), (Refusal, u64)> {
        self.must_lead()?;
        self.sequencer.offer(Kind::OpenSession(open.nonce), &[]).map_err(|refusal| (refusal, 0))
    }

    /// Queues a command of no session: mail. Whoever sends it resends it until its effect is seen.
    pub fn offer_internal(&mut self, payload: &[u8]) -> Result<(), (Refusal, u64)> {
        self.must_lead()?;
        self.sequencer.offer(Kind::Internal, payload).map_err(|refusal| (refusal, 0))
    }

    pub(super) fn must_lead(&self) -> Result<(), (Refusal, u64)> {
        match self.is_leader() {
            true if self.is_broken() => Err((Refusal::Busy, 0)),
            true => Ok(()),
            false => Err((Refusal::NotLeader, self.leader_hint())),
        }
    }

    fn leader_hint(&self) -> u64 {
        let leader = node_of(self.raft.raft.leader_id);
        if leader == self.config.node { 0 } else { leader.get() }
    }

    /// Proposes what has been queued since the last cycle, as one entry. It stays queued while Raft would not
    /// take it: during a transfer of leadership, and while too much is uncommitted.
    pub(super) fn poll_proposals(&mut self) -> usize {
        if !self.is_leader() || self.is_broken() {
            return 0;
        }
        self.sequencer.observe(self.state.cursor.timestamp, self.now);
        self.queue_tick();
        let Some(len) = self.sequencer.next_len() else { return 0 };
        let raft = &self.raft.raft;
        let uncommitted = raft.uncommitted_size();
        let room = uncommitted == 0 || uncommitted + len <= self.config.raft.uncommitted_bytes_max;
        let in_flight = raft.raft_log.last_index() - raft.raft_log.committed;
        if !room || in_flight >= self.config.raft.entries_in_flight_max || raft.lead_transferee.is_some() {
            return 0;
        }
        let data = self.sequencer.take(self.now).expect("there is a batch");
        assert_eq!(entry::check(&data), Ok(()), "an entry is written as it will be read");
        if let Err(error) = self.raft.propose(Vec::new(), data.clone()) {
            tracing::warn!(%error, "Raft dropped a proposal");
            let outputs = &mut self.outputs;
            sequencer::each_kind(&data, |kind| outputs.extend(refused(kind, Refusal::Busy, 0)));
        }
        #[cfg(feature = "planted")]
        if wire::planted::is(wire::planted::Bug::AcknowledgedBeforeCommit) {
            let last = self.raft.raft.raft_log.last_index();
            if self.raft.raft.commit_to_current_term() {
                self.raft.raft.raft_log.commit_to(last);
            }
        }
        1
    }

    /// Lets the machine's time pass. A tick is sequenced once per deadline and term: until it is applied, the
    /// machine asks for the same.
    fn queue_tick(&mut self) {
        let raft = &self.raft.raft;
        let now = self.sequencer.time(self.now);
        let Some(deadline) = self.state.machine.next_deadline().filter(|deadline| *deadline <= now) else { return };
        if self.ticked == (deadline, raft.term) || !raft.commit_to_current_term() {
            return;
        }
        let mut payload = Vec::new();
        self.state.machine.tick(&mut payload);
        if self.sequencer.offer(Kind::Internal, &payload).is_ok() {
            self.ticked = (deadline, raft.term);
        }
    }

    /// Refuses whatever waits for this replica to lead.
    pub(super) fn turn_away(&mut self) {
        let leader = self.leader_hint();
        let outputs = &mut self.outputs;
        self.sequencer.abandon(|kind| outputs.extend(refused(kind, Refusal::NotLeader, leader)));
        self.reads.abandon(|token| {
            outputs.push_back(Output::ReadRefused { token, refusal: Refusal::NotLeader, detail: leader });
        });
        self.ticked = (Timestamp::ZERO, 0);
    }
}

/// What to tell the sender of a command that was not sequenced. Internal commands have nobody to tell.
pub(super) fn refused(kind: Kind, refusal: Refusal, detail: u64) -> Option<Output> {
    match kind {
        Kind::OpenSession(nonce) => Some(Output::OpenRefused { nonce, refusal, detail }),
        Kind::Request { origin: Origin { session, sequence }, .. } => {
            Some(Output::Refused { session, sequence, refusal, detail })
        }
        Kind::Internal | Kind::Quarantine(_) | Kind::Drain { .. } | Kind::Version(_) => None,
    }
}
