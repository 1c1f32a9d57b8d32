//! The hosts of partitions: what comes to them, their steps, and what they want done.

use node::{HostInput, HostOutput, PartitionHost};
use replicator::{Members, Space};
use wire::{NodeId, PartitionId};

use super::checkers::Verdict;
use super::clock::{MS, Moment, SECOND};
use super::faults::Cure;
use super::machine;
use super::queue::Event;
use super::store::WatchedLog;
use super::world::World;

/// An idle host looks after its mail this often, as production's thread does.
const LOOK_EVERY: Moment = 10 * MS;

impl World {
    /// Does something to a host that runs.
    pub(super) fn with_host(
        &mut self,
        node: NodeId,
        partition: PartitionId,
        work: impl FnOnce(&mut PartitionHost<WatchedLog>),
    ) {
        let slot = self.node_mut(node).slots.get_mut(&partition).expect("every node has every partition");
        if let Some(host) = &mut slot.host {
            work(host);
            self.run_soon(node, partition);
        }
    }

    pub(super) fn run_soon(&mut self, node: NodeId, partition: PartitionId) {
        let at = self.now + 5_000 + self.random.below(40_000);
        self.run_at(node, partition, at);
    }

    fn run_at(&mut self, node: NodeId, partition: PartitionId, at: Moment) {
        let slot = self.node_mut(node).slots.get_mut(&partition).expect("every node has every partition");
        if slot.run_at.is_none_or(|planned| at < planned) {
            slot.run_at = Some(at);
            self.queue.plan(at, Event::Run { node, partition });
        }
    }

    /// Something for a host, now.
    pub(super) fn input(&mut self, node: NodeId, partition: PartitionId, input: HostInput) {
        let held = self.node(node).is_paused;
        let Some(slot) = self.node_mut(node).slots.get_mut(&partition) else { return };
        let Some(host) = &mut slot.host else { return };
        if held {
            slot.waiting.push(input);
            return;
        }
        host.on_input(input);
        self.run_soon(node, partition);
    }

    /// Sends something from one node to another, over the network.
    pub(super) fn post(&mut self, from: NodeId, to: NodeId, partition: PartitionId, make: impl Fn() -> HostInput) {
        let fates: Vec<u64> = self.weather.fates(&mut self.random).collect();
        for delay in fates {
            let (at, input) = (self.now + delay, make());
            self.queue.plan(at, Event::Arrive { from, to, partition, input });
        }
    }

    pub(super) fn arrive(&mut self, from: NodeId, to: NodeId, partition: PartitionId, input: HostInput) {
        if self.cuts.is_cut(from, to) || !self.node(to).is_up {
            return;
        }
        // What comes from a node comes by a link to it, which every partition has been told of.
        if self.node_mut(to).met.insert(from) {
            for partition in machine::partitions(self.plan.layout) {
                self.input(to, partition, HostInput::Met(from));
            }
        }
        self.input(to, partition, input);
    }

    pub(super) fn run_host(&mut self, id: NodeId, partition: PartitionId) {
        let now = self.now;
        let place = self.plan.place_of(id);
        let node = &mut self.nodes[place];
        let slot = node.slots.get_mut(&partition).expect("every node has every partition");
        if slot.run_at != Some(now) {
            return;
        }
        slot.run_at = None;
        let Some(host) = &mut slot.host else { return };
        if node.is_paused {
            return;
        }
        let local = node.clock.at(now);
        let mut outputs = Vec::new();
        let work = host.duty_cycle(local);
        while let Some(output) = host.poll_output() {
            outputs.push(output);
        }
        let has_ended = outputs.iter().any(|output| matches!(output, HostOutput::Failed(_)));
        let has_failed = slot.has_failed && !has_ended;
        let has_written = slot.book.open().take_written() && node.space == Space::Full;
        let (members, leads, (committed, applied)) =
            (host.replica().members(), host.replica().leads(), host.replica().reached());
        // One that has led until this step may answer in it.
        if leads || slot.has_led {
            let before = slot.members.as_ref().map_or(members, |(members, _)| members);
            self.commits.entry(partition).or_default().on_commit(committed, [before, members]);
        }
        let learned: Vec<u64> = match &slot.members {
            Some((before, as_of)) if *as_of != applied => {
                members.voters.intersection(&before.learners).copied().collect()
            }
            _ => Vec::new(),
        };
        // They change where entries are applied.
        if slot.members.as_ref().is_none_or(|(_, as_of)| *as_of != applied) {
            match &mut slot.members {
                Some((before, as_of)) if before == members => *as_of = applied,
                before => *before = Some((members.clone(), applied)),
            }
        }
        slot.has_led = leads;
        let due = node.clock.moment_of(host.next_timeout(), now).clamp(now + MS / 4, now + LOOK_EVERY);
        let next = if work > 0 { now + 20_000 } else { due };
        if has_failed {
            self.check(Err(format!("node {id} goes on with partition {partition} though a write has failed")));
        }
        if has_written {
            self.check(Err(format!("node {id} writes to the log of partition {partition}, and its disk is full")));
        }
        for voter in learned {
            let verdict = self.checkers.pasts.on_voter(partition, voter, now);
            self.check(verdict);
        }
        self.observe(id, partition);
        if let Some((node, candidate)) = self.voted.take()
            && now < self.node(node).dies_of_votes_until
        {
            // Once the vote is on the disk, and told.
            let at = now + self.plan.disk.sync_ns + self.plan.disk.jitter_ns + self.random.below(2 * MS);
            self.queue.plan(at, Event::Cure(Cure::Voted { node, candidate }));
        }
        for output in outputs {
            self.on_output(id, partition, output);
        }
        self.poll_leaders(id, partition);
        self.poll_gaps(id, partition);
        self.run_at(id, partition, next);
        self.begin_sync(id);
    }

    /// Looks at what a replica has applied and saved.
    pub(super) fn observe(&mut self, id: NodeId, partition: PartitionId) {
        let place = self.plan.place_of(id);
        let World { nodes, histories, checkers, variety, .. } = self;
        let slot = nodes[place].slots.get_mut(&partition).expect("every node has every partition");
        let history = histories.get_mut(&partition).expect("every partition has a history");
        let Some(host) = &slot.host else { return };
        let mut book = slot.book.open();
        let (_, applied) = host.replica().reached();
        let has_more = slot.applied < applied;
        let (mut verdict, mut news) = (Ok(()), None);
        while slot.applied < applied && verdict.is_ok() {
            slot.applied += 1;
            let index = slot.applied;
            let mut look = |record: &_, cells: &_| {
                if let Some(variety) = variety.as_mut().filter(|_| partition == machine::LEDGER) {
                    variety.on_commit(record);
                }
                checkers.pace.on_commit(partition, record)?;
                checkers.on_commit(partition, record, cells)
            };
            let is_news = index > history.last_index();
            news = book.entry(index).filter(|_| is_news).map(|(term, _)| (index, term)).or(news);
            verdict = match book.entry(index) {
                Some((term, data)) => history.applied(index, term, data, &mut look),
                // It came in a snapshot.
                None if index <= history.last_index() => Ok(()),
                None => Err(format!("node {id} has entry {index} of partition {partition}, which nobody committed")),
            };
            verdict = verdict.map_err(|error| format!("node {id}: {error}"));
        }
        for (index, hash) in book.take_snapshots() {
            verdict = verdict.and_then(|()| history.saved(index, hash));
        }
        let votes = book.take_votes();
        drop(book);
        if let Some(vote) = votes.last().filter(|vote| **vote != id.get()) {
            self.voted = Some((id, NodeId::new(*vote)));
        }
        let World { nodes, histories, checkers, now, .. } = self;
        let (history, slot) = (&histories[&partition], &nodes[place].slots[&partition]);
        let host = slot.host.as_ref().expect("it runs");
        if has_more && host.replica().leads() && host.replica().reached().1 == history.last_index() {
            let last = history.record(history.last_position());
            last.into_iter().for_each(|last| checkers.pace.on_led(partition, last.term, last.timestamp, *now));
        }
        let knows = nodes[place].knows;
        let verdict = verdict.and_then(|()| checkers.versions.on_applied(id, knows, host));
        let verdict = match has_more {
            true => verdict.and_then(|()| checkers.digests.on_applied(id, host, history)),
            false => verdict,
        };
        self.check(verdict);
        if let Some(entry) = news {
            let verdict = self.is_kept(id, partition, entry);
            self.check(verdict);
        }
    }

    /// What anybody applies first is committed: on the disks of a quorum, of those members by which whoever applies it or a
    /// leader may have counted.
    fn is_kept(&self, id: NodeId, partition: PartitionId, (index, term): (u64, u64)) -> Verdict {
        let slot = &self.node(id).slots[&partition];
        let Some(host) = &slot.host else { return Ok(()) };
        let before = slot.members.as_ref().map(|(members, _)| members);
        let counted = self.commits.get(&partition).and_then(|commits| commits.of(index));
        let mut members = counted.into_iter().flatten().chain(before).chain([host.replica().members()]);
        let has_quorum = |members: &Members| {
            // While members are being changed, of those before and of those after.
            let voters = [&members.voters, &members.outgoing].into_iter().filter(|voters| !voters.is_empty());
            voters.into_iter().all(|voters| {
                let keepers = self.keepers_of(partition, (index, term), voters);
                keepers > voters.len() / 2
            })
        };
        match members.any(has_quorum) {
            true => Ok(()),
            false => Err(format!(
                "node {id} has applied entry {index} of partition {partition}, which is not on the disks of a quorum"
            )),
        }
    }

    fn on_output(&mut self, id: NodeId, partition: PartitionId, output: HostOutput) {
        match output {
            HostOutput::Raft { to, payload } => {
                self.trace.mix_bytes(&payload);
                self.post(id, to, partition, || HostInput::Raft { from: id, payload: payload.clone() });
            }
            HostOutput::Mail(mail) => {
                self.trace.mix_bytes(&mail.payload);
                // Lost is what finds no link, or a full ring on its own node.
                let is_lost = self.now < self.mail_is_lost_until;
                if mail.node == id && !is_lost {
                    self.input(id, mail.partition, HostInput::MailPassedOn(mail.payload));
                } else if !is_lost {
                    self.post(id, mail.node, mail.partition, || HostInput::Mail(mail.payload.clone()));
                }
            }
            HostOutput::MailCame { from, to, incarnation, upto } => {
                self.input(id, from, HostInput::MailCame { to, incarnation, upto });
            }
            HostOutput::LeaderChanged { leader, term } => {
                if let Some(leader) = leader {
                    let verdict = self.checkers.leadership.on_leader(id, partition, leader, term);
                    self.check(verdict);
                    if leader == id {
                        self.trace.say(self.now, || format!("node {id} leads partition {partition} in term {term}"));
                    }
                }
                self.trace.mix(leader.map_or(0, NodeId::get) << 32 | term.get());
                self.leader_changed(id, partition, leader, term);
            }
            HostOutput::Reply(reply, payload) => self.answer(id, reply, &payload),
            HostOutput::Events(block) => {
                let history = &self.histories[&partition];
                let mut verdict = self.checkers.streams.on_published(id, history, &block);
                for batch in block.batches() {
                    verdict =
                        verdict.and_then(|()| self.checkers.once.on_published(partition, batch.origin, batch.position));
                }
                self.check(verdict);
                self.note_recent(id, partition, block);
                self.feed_streams(id, partition);
            }
            HostOutput::Failed(error) => {
                self.trace.say(self.now, || format!("node {id} ends: {error}"));
                if error.contains("version::unknown") {
                    return self.start_newer_build(id, partition);
                }
                self.kill(id, true, true);
                let later = self.random.below(SECOND);
                self.queue.plan(self.now + later, Event::Start { node: id });
            }
            other => self.on_client_output(id, partition, other),
        }
    }
}
