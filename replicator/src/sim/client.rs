//! A client as a gateway is one: a session, requests in order with some outstanding, resends to whoever leads.

use std::collections::BTreeMap;

use wire::link::{OpenSession, Refusal, Request};
use wire::{LogPosition, NodeId, PartitionId, Sequence, SessionId};

use super::{Cluster, Random};
use crate::{Output, StateMachine};

/// Steps without an answer until it sends again.
const PATIENCE_STEPS: u64 = 60;

/// See the module.
#[derive(Debug)]
pub struct Client {
    nonce: u128,
    window: usize,
    payload: fn(u64) -> Vec<u8>,
    session: Option<SessionId>,
    next: u64,
    /// Sent and not answered.
    outstanding: BTreeMap<u64, Vec<u8>>,
    resend_from: u64,
    impatience: u64,
    /// Every answer: position and reply.
    acknowledged: BTreeMap<(SessionId, u64), (LogPosition, Vec<u8>)>,
    expired: u64,
}

impl Client {
    /// A client that keeps `window` requests outstanding.
    pub fn new(name: u64, window: usize, payload: fn(u64) -> Vec<u8>) -> Client {
        Client {
            nonce: u128::from(name) << 64,
            window,
            payload,
            session: None,
            next: 1,
            outstanding: BTreeMap::new(),
            resend_from: 1,
            impatience: 0,
            acknowledged: BTreeMap::new(),
            expired: 0,
        }
    }

    /// Every answer it has had: session, sequence, position.
    pub fn acknowledged(&self) -> impl Iterator<Item = (SessionId, u64, LogPosition)> {
        self.acknowledged.iter().map(|((session, sequence), (position, _))| (*session, *sequence, *position))
    }

    /// How many.
    pub fn acknowledged_len(&self) -> usize {
        self.acknowledged.len()
    }

    /// Its session, while it has one.
    pub fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// Sessions that it lost.
    pub fn expired(&self) -> u64 {
        self.expired
    }

    /// No new requests from now on.
    pub fn retire(&mut self) {
        self.window = 0;
    }

    /// Whether everything it sent is answered.
    pub fn is_idle(&self) -> bool {
        self.outstanding.is_empty()
    }

    /// Sends what there is to send to `leader`.
    pub fn act<M: StateMachine>(&mut self, cluster: &mut Cluster<M>, leader: NodeId, random: &mut Random) {
        let Some(replica) = cluster.replica_mut(leader) else { return };
        let partition = PartitionId::new(1);
        self.impatience += 1;
        if self.impatience > PATIENCE_STEPS {
            self.impatience = 0;
            self.resend_from = self.outstanding.keys().next().copied().unwrap_or(self.next);
        }
        let Some(session) = self.session else {
            if self.impatience == 0 || random.per_mille(50) {
                let _ = replica.open_session(OpenSession { partition, nonce: self.nonce });
            }
            return;
        };
        while self.outstanding.len() < self.window {
            self.outstanding.insert(self.next, (self.payload)(self.next));
            self.next += 1;
        }
        let below = self.outstanding.keys().next().copied().unwrap_or(self.next);
        for (sequence, payload) in self.outstanding.range(self.resend_from..) {
            let request = Request {
                partition,
                session,
                sequence: Sequence::new(*sequence),
                acknowledged_below: Sequence::new(below),
            };
            if random.per_mille(10) {
                break; // Lost on the way, and with it the connection.
            }
            if replica.offer(request, payload).is_err() {
                break;
            }
            self.resend_from = *sequence + 1;
        }
    }

    /// Hears what a replica says.
    pub fn hear(&mut self, output: &Output) {
        match output {
            Output::SessionOpened { nonce, session } if *nonce == self.nonce && self.session.is_none() => {
                self.session = Some(*session);
                (self.next, self.resend_from) = (1, 1);
            }
            Output::Reply { session, sequence, position, payload } if Some(*session) == self.session => {
                let known = self.acknowledged.entry((*session, sequence.get())).or_insert((*position, payload.clone()));
                assert_eq!(known, &(*position, payload.clone()), "two answers to one request");
                self.outstanding.remove(&sequence.get());
                self.impatience = 0;
            }
            Output::Refused { session, refusal, detail, .. } if Some(*session) == self.session => match refusal {
                Refusal::SessionUnknown => {
                    self.session = None;
                    self.outstanding.clear();
                    self.nonce += 1;
                    self.expired += 1;
                }
                Refusal::SequenceGap => self.resend_from = self.resend_from.min(*detail),
                Refusal::NotLeader | Refusal::Busy => self.resend_from = 1,
                Refusal::TooOld => {}
                other => panic!("refused: {other:?}"),
            },
            _ => {}
        }
    }
}
