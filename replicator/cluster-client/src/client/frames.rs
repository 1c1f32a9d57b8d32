//! What the nodes' frames make the client do.

use std::time::{Duration, Instant};

use wire::codec::v1;
use wire::link::{Frame, PROTOCOL, Refusal, Refused};
use wire::{NodeId, SessionId};

use super::leadership::Leadership;
use super::{Client, Output, SessionKey};
use crate::{ClusterError, Replied};

impl Client {
    /// Handles one frame; whether to go on with the connection's next.
    pub(super) fn on_frame(&mut self, node: NodeId, frame: Frame<'_>, now: Instant) -> bool {
        match frame {
            Frame::Welcome(welcome) => {
                if welcome.protocol != PROTOCOL || welcome.epoch != self.identity.hello.epoch || welcome.node != node {
                    tracing::error!(%node, ?welcome, "the node is not the one that was looked for");
                    self.give_up(node, now);
                    return false;
                }
                if let Some(connection) = self.connections.get_mut(&node) {
                    connection.on_welcome();
                }
                // Whoever had no node to try has one now, and whoever waited for this one need wait no longer: it may
                // have been announced as leader before it could be reached.
                self.poll_leaderships(now);
                self.flush_waiting_for(node, now);
            }
            Frame::Ping(ping) => {
                if let Some(connection) = self.connections.get_mut(&node) {
                    connection.send(&Frame::Pong(wire::link::Pong { nonce: ping.nonce }));
                }
            }
            Frame::Leader(leader) => {
                let leadership = self.leaderships.entry(leader.partition).or_insert_with(|| Leadership::new(now));
                let change = leadership.announce(node, leader.leader, leader.term);
                self.on_change(leader.partition, change, now);
            }
            Frame::Members(of, places) => self.on_members(of, places, now),
            Frame::MembersAnswer(answer) => {
                let (token, outcome) = (answer.token, answer.outcome);
                self.outputs.push_back(Output::MembersAnswer { token, outcome });
            }
            Frame::SessionOpened(opened) => self.on_session_opened(node, &opened, now),
            Frame::Reply(reply, payload) => {
                self.confirm(node, reply.partition, now);
                self.on_reply(&reply, payload, now);
            }
            Frame::Refused(refused) => self.on_refused(node, &refused, now),
            Frame::ReadReady(ready) => {
                self.confirm(node, ready.partition, now);
                if let Some(key) = self.reads.take(ready.token, ready.partition) {
                    self.outputs.push_back(Output::Read { read: key, result: Ok(ready.position) });
                }
            }
            Frame::ReadRefused(refused) => {
                self.reads.on_refused(refused.token, now, &self.patience);
                self.wake(now + self.patience.back_off.0);
                match refused.refusal {
                    Refusal::NotLeader => self.deny(node, refused.partition, refused.detail, now),
                    Refusal::UnknownPartition => self.deny(node, refused.partition, 0, now),
                    Refusal::NotPermitted | Refusal::Malformed => {
                        if let Some(key) = self.reads.take(refused.token, refused.partition) {
                            let result = Err(ClusterError::Refused(refused.refusal));
                            self.outputs.push_back(Output::Read { read: key, result });
                        }
                    }
                    _ => {}
                }
            }
            // Signs of life that were counted as such, and frames of streams, which have their own connections.
            _ => {}
        }
        true
    }

    fn on_session_opened(&mut self, node: NodeId, opened: &wire::link::SessionOpened, now: Instant) {
        self.confirm(node, opened.partition, now);
        let Some(key) = self.opening_sessions.remove(&opened.nonce) else {
            return;
        };
        let Some(pipeline) = self.sessions.get_mut(&key) else {
            return;
        };
        pipeline.on_opened(opened.session, now);
        self.open_sessions.insert((opened.partition, opened.session), key);
        self.outputs.push_back(Output::SessionOpened(key));
        self.flush_session(key, now);
    }

    fn on_reply(&mut self, reply: &wire::link::Reply, payload: &[u8], now: Instant) {
        let Some(key) = self.open_sessions.get(&(reply.partition, reply.session)).copied() else {
            return;
        };
        let Some(pipeline) = self.sessions.get_mut(&key) else {
            return;
        };
        if let Some(waiter) = pipeline.on_reply(reply.sequence, now, &self.patience) {
            let result = v1::decode_reply(payload)
                .map(|decoded| Replied { position: reply.position, reply: decoded })
                .map_err(|_| ClusterError::UnreadableReply);
            self.answer(waiter, result);
        }
        if !self.replied.contains(&key) {
            self.replied.push(key);
        }
    }

    fn on_refused(&mut self, node: NodeId, refused: &Refused, now: Instant) {
        if self.leaderships.get(&refused.partition).and_then(Leadership::target) != Some(node) {
            return;
        }
        match refused.refusal {
            Refusal::NotLeader => return self.deny(node, refused.partition, refused.detail, now),
            Refusal::UnknownPartition => return self.deny(node, refused.partition, 0, now),
            _ => self.confirm(node, refused.partition, now),
        }
        if refused.session == SessionId::default() {
            return self.on_open_refused(refused, now);
        }
        let Some(key) = self.open_sessions.get(&(refused.partition, refused.session)).copied() else {
            return;
        };
        if refused.refusal == Refusal::SessionUnknown {
            return self.expire(key, refused.session, now);
        }
        let Some(pipeline) = self.sessions.get_mut(&key) else {
            return;
        };
        if let Some((waiter, error)) = pipeline.on_refused(refused, now, &self.patience) {
            self.answer(waiter, Err(error));
        }
        self.flush_session(key, now);
    }

    /// The frame does not name which of the sessions being opened is meant, so all are asked for again.
    fn on_open_refused(&mut self, refused: &Refused, now: Instant) {
        let keys: Vec<SessionKey> = self.opening_sessions.values().copied().collect();
        for key in keys {
            let Some(pipeline) = self.sessions.get_mut(&key).filter(|p| p.partition == refused.partition) else {
                continue;
            };
            if refused.refusal == Refusal::NotPermitted {
                pipeline.reopen_after(now, Duration::from_secs(1));
                for waiter in pipeline.fail_unsent() {
                    self.answer(waiter, Err(ClusterError::Refused(refused.refusal)));
                }
            } else {
                pipeline.reopen_after(now, self.patience.back_off.1);
            }
        }
        self.wake(now + self.patience.back_off.1);
    }

    fn expire(&mut self, key: SessionKey, session: SessionId, now: Instant) {
        let nonce = self.next_nonce();
        let Some(pipeline) = self.sessions.get_mut(&key) else {
            return;
        };
        let partition = pipeline.partition;
        let lost = pipeline.expire(nonce);
        tracing::warn!(%partition, %session, lost = lost.len(), "the session has expired");
        self.open_sessions.remove(&(partition, session));
        self.opening_sessions.insert(nonce, key);
        for waiter in lost {
            #[cfg(feature = "planted")]
            if wire::planted::is(wire::planted::Bug::LostIsRefused) {
                self.answer(waiter, Err(ClusterError::Busy));
                continue;
            }
            self.answer(waiter, Err(ClusterError::OutcomeUnknown));
        }
        self.forget_if_over(key);
        self.flush_session(key, now);
    }
}
