//! What the clock makes the client do: give up waiting, reconnect, ping, look for leaders, send again.

use std::collections::BTreeSet;
use std::time::Instant;

use wire::{NodeId, PartitionId};

use super::connection::{Connection, Phase, Vital};
use super::leadership::Leadership;
use super::{Client, Output, RequestKey, SessionKey, Waiting};
use crate::ClusterError;

impl Client {
    /// Does what is due. Call it when [`Client::next_timeout`] says, or more often.
    pub fn on_timeout(&mut self, now: Instant) {
        self.poll_deadlines(now);
        self.poll_connections(now);
        self.poll_leaderships(now);
        self.poll_sessions(now);
        for partition in self.reads.due(now) {
            self.flush_reads(partition, now);
        }
        self.wake_at = self.earliest_timeout(now);
    }

    /// Tells whoever has waited long enough that there is no answer.
    pub(super) fn poll_deadlines(&mut self, now: Instant) {
        if self.overdue_from.is_none_or(|from| now < from) {
            return;
        }
        // Nearly everybody is answered in time: all are looked at where one may not be, so that those who are cost nothing here.
        let mut overdue: Vec<_> = self.deadlines().filter(|(deadline, _)| *deadline <= now).collect();
        overdue.sort_unstable();
        self.overdue_from = self.deadlines().map(|(deadline, _)| deadline).filter(|deadline| *deadline > now).min();
        for (_, waiting) in overdue {
            match waiting {
                Waiting::Request(session, request) => {
                    let told = self.sessions.get_mut(&session).and_then(|pipeline| pipeline.on_deadline(request));
                    if let Some(error) = told {
                        self.outputs.push_back(Output::Replied { request, result: Err(error) });
                    }
                    self.forget_if_over(session);
                }
                Waiting::Read(read) => {
                    if let Some(was_sent) = self.reads.on_deadline(read) {
                        let error = if was_sent { ClusterError::Timeout } else { ClusterError::Unavailable };
                        self.outputs.push_back(Output::Read { read, result: Err(error) });
                    }
                }
            }
        }
    }

    /// Whoever waits for an answer, and until when.
    fn deadlines(&self) -> impl Iterator<Item = (Instant, Waiting)> {
        let requests = self.sessions.iter().flat_map(|(session, pipeline)| {
            pipeline.deadlines().map(|(deadline, key)| (deadline, Waiting::Request(*session, key)))
        });
        let reads = self.reads.deadlines().map(|(deadline, key)| (deadline, Waiting::Read(key)));
        requests.chain(reads)
    }

    fn poll_connections(&mut self, now: Instant) {
        let busy: BTreeSet<NodeId> = self
            .leaderships
            .iter()
            .filter(|(partition, _)| {
                self.reads.waits_for(**partition)
                    || self.sessions.values().any(|p| p.partition == **partition && p.is_waiting())
            })
            .filter_map(|(_, leadership)| leadership.target())
            .collect();
        let mut suspected = Vec::new();
        let mut dead = Vec::new();
        for (node, connection) in &mut self.connections {
            if let Phase::Idle(at) = connection.phase
                && at <= now
            {
                connection.phase = Phase::Connecting;
                self.outputs.push_back(Output::Connect(*node));
            }
            match connection.on_timeout(now, busy.contains(node), &self.patience) {
                Vital::Well => {}
                Vital::Suspect if connection.is_suspected => {}
                Vital::Suspect => {
                    connection.is_suspected = true;
                    suspected.push(*node);
                }
                Vital::Dead => dead.push(*node),
            }
        }
        for node in suspected {
            tracing::warn!(%node, "the node keeps silent; another leader is looked for");
            self.lose_leader(node, now);
        }
        for node in dead {
            tracing::warn!(%node, "the node has kept silent for too long; disconnecting");
            self.give_up(node, now);
        }
    }

    pub(super) fn poll_leaderships(&mut self, now: Instant) {
        let partitions: Vec<PartitionId> = self.leaderships.keys().copied().collect();
        for partition in partitions {
            if let Some(leadership) = self.leaderships.get_mut(&partition) {
                let target = leadership.target().and_then(|target| self.connections.get(&target));
                let is_usable = target.is_some_and(Connection::is_usable);
                let change = leadership.watch(is_usable, now, self.patience.probe);
                self.on_change(partition, change, now);
            }
            let is_wanted = self.reads.waits_for(partition) || self.sessions.values().any(|p| p.partition == partition);
            if !is_wanted {
                continue;
            }
            let usable =
                self.connections.iter().filter(|(_, connection)| connection.is_usable()).map(|(node, _)| *node);
            if let Some(leadership) = self.leaderships.get_mut(&partition) {
                let change = leadership.probe(now, self.patience.probe, usable);
                self.on_change(partition, change, now);
            }
        }
    }

    fn poll_sessions(&mut self, now: Instant) {
        let keys: Vec<SessionKey> = self.sessions.keys().copied().collect();
        for key in keys {
            let request = RequestKey(self.next_key());
            if let Some(pipeline) = self.sessions.get_mut(&key) {
                pipeline.on_timeout(now, request, &self.patience);
            }
            self.flush_session(key, now);
        }
    }

    fn earliest_timeout(&self, now: Instant) -> Option<Instant> {
        let connections = self.connections.values().filter_map(|c| c.next_timeout(&self.patience));
        let sessions = self.sessions.values().filter_map(|p| p.next_timeout(&self.patience));
        let leaderships = self.leaderships.values().filter_map(Leadership::probe_at).filter(|at| *at > now);
        let watched = self.leaderships.values().filter_map(|leadership| leadership.watch_at(self.patience.probe));
        let leaderships = leaderships.chain(watched);
        let reads = self.reads.next_timeout(now);
        self.overdue_from.into_iter().chain(connections).chain(sessions).chain(leaderships).chain(reads).min()
    }
}
