//! What a gateway's order entry wants of the cluster, by the client that the gateway has, and what comes of that.

use std::collections::BTreeMap;

use cluster_client::ClusterError;
use cluster_client::client::{ReadKey, RequestKey};
use replicator::sim::Random;
use wire::link::{self, Frame};
use wire::{LogPosition, PartitionId};

use super::Gateway;
use crate::sim::checkers::Verdict;
use crate::sim::clock::{Moment, wall_us};
use crate::sim::machine::{self, LEDGER};
use crate::sim::office::{Office, Output, Token};
use crate::sim::users;
use crate::sim::world::World;

/// A gateway's order entry, and what that waits for at the cluster.
pub(super) struct Waiting {
    pub office: Office,
    pub requests: BTreeMap<RequestKey, (Token, Vec<u8>, LogPosition)>,
    reads: BTreeMap<ReadKey, Question>,
}

/// How far is a partition committed?
struct Question {
    token: Token,
    partition: PartitionId,
    /// So far at least.
    floor: LogPosition,
    /// The newest request of a user when it was put.
    newest: u64,
}

impl Gateway {
    /// Somebody waits for what becomes of every command that is sent: who was told that it is not known may have acted on that
    /// elsewhere, and the command must not come back when a network heals.
    pub(super) fn waits_for_all_of(&self, now: Moment, frames: &[u8]) -> Verdict {
        let mut rest = frames;
        while let Ok(Some((body, len))) = link::split(rest, link::CLIENT_BODY_MAX) {
            rest = &rest[len..];
            let Ok(Frame::Request(request, payload)) = Frame::decode(body) else { continue };
            let of_office = self.waiting.iter().flat_map(|waiting| waiting.requests.values());
            let just_told = self.just_told.1.iter().filter(|_| self.just_told.0 == now);
            let awaited = self.asked.values().map(|asked| &asked.payload).chain(just_told);
            let mut awaited = awaited.chain(of_office.map(|(_, payload, _)| payload));
            if !payload.is_empty() && !awaited.any(|awaited| awaited == payload) {
                let link::Request { session, sequence, .. } = request;
                return Err(format!(
                    "gateway {} sends request {sequence} of session {session}, and nobody waits for it any more",
                    self.number
                ));
            }
        }
        Ok(())
    }

    /// Somebody is told what became of a command.
    pub(super) fn note_told(&mut self, now: Moment, payload: &[u8]) {
        if self.just_told.0 != now {
            self.just_told = (now, Vec::new());
        }
        self.just_told.1.push(payload.to_vec());
    }
}

impl World {
    pub(in crate::sim) fn has_office(&self, number: usize) -> bool {
        number < self.plan.order_entry.offices
    }

    /// A gateway's order entry, if it has that, at the present time.
    pub(in crate::sim) fn office(&mut self, number: usize) -> Option<&mut Office> {
        let (now, wall_us) = (self.instants.at(self.now), wall_us(self.now));
        let office = &mut self.gateways[number].waiting.as_mut()?.office;
        office.on_time(now, wall_us);
        Some(office)
    }

    /// Of a gateway that starts.
    pub(super) fn new_office(&mut self) -> Waiting {
        let now = self.instants.at(self.now);
        let partitions = machine::partitions(self.plan.layout);
        let random = Random::new(self.random.draw());
        let plan = &self.plan.order_entry;
        let office = Office::new(partitions, users::limits(plan), random, now, wall_us(self.now));
        let office = office.stalling(plan.stalls);
        Waiting { office, requests: BTreeMap::new(), reads: BTreeMap::new() }
    }

    /// What its order entry wants of the cluster, and what it tells users.
    pub(super) fn on_office_output(&mut self, number: usize, output: Output) {
        let now = self.instants.at(self.now);
        match output {
            Output::Answer { call, answer } => self.tell_user(number, call, answer),
            Output::Request { token, payload, timeout } => {
                let floor = self.committed(LEDGER);
                let Gateway { client, waiting, session, .. } = &mut self.gateways[number];
                let waiting = waiting.as_mut().expect("it has asked");
                self.checkers.refused.on_asked(&payload);
                match client.request(*session, payload.clone(), now, timeout) {
                    Ok(request) => _ = waiting.requests.insert(request, (token, payload, floor)),
                    Err(error) => {
                        let verdict = self.checkers.refused.on_told(number, &payload, Some(&error));
                        waiting.office.on_replied(token, Err(error));
                        self.check(verdict);
                    }
                }
            }
            Output::Read { token, partition, timeout } => {
                let question =
                    Question { token, partition, floor: self.committed(partition), newest: self.users.newest() };
                let Gateway { client, waiting, .. } = &mut self.gateways[number];
                let waiting = waiting.as_mut().expect("it has asked");
                match client.read_index(partition, now, timeout) {
                    Ok(read) => _ = waiting.reads.insert(read, question),
                    Err(error) => waiting.office.on_read(token, Err(error)),
                }
            }
        }
    }

    /// A question of its order entry is answered, if it was one.
    pub(super) fn question_is_answered(
        &mut self,
        number: usize,
        read: ReadKey,
        result: Result<LogPosition, ClusterError>,
    ) {
        let waiting = self.gateways[number].waiting.as_mut();
        let Some(question) = waiting.and_then(|waiting| waiting.reads.remove(&read)) else { return };
        if let Ok(position) = result {
            let verdict = self.checkers.real_time.on_read(question.partition, question.floor, position);
            self.check(verdict);
            if question.partition == LEDGER {
                self.users.on_read(number, question.newest, position);
            }
        }
        if let Some(office) = self.office(number) {
            office.on_read(question.token, result);
        }
    }

    /// How far its order entry has read is noted whenever it may have read.
    pub(super) fn note_seen(&mut self, number: usize) {
        let Some(office) = self.gateways[number].office() else { return };
        let seen = office.exchange().seen(LEDGER);
        self.users.on_seen(number, seen, self.now);
    }
}
