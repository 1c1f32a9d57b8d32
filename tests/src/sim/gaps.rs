//! What an archive misses of its partition's events, fetched from other nodes' archives by production's gap filler, over links
//! without bytes. What no archive has any more is gone, and whoever follows the events waits for it in vain: archives that went
//! with their disks are not asked.
//!
//! A link between two nodes is a number: what was under way when the network dropped a part of it, or when one of the two died,
//! is of a link that is closed, and is not heard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use node::{EventBlock, Gap, GapFiller, HostInput, Missing, NodeLinks, Recent};
use replicator::net::Full;
use replicator::{Past, Space, node_of};
use wire::link::{Frame, Refusal};
use wire::{LogPosition, NodeId, PartitionId};

use super::clock::{MS, Moment};
use super::queue::Event;
use super::store::{Archive, Batch};
use super::world::World;

/// A partition hears this often what its archive lacks, if that is news.
const TELL_NS: u64 = 100 * MS;

/// How archives are asked for what others lack.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// So long is a word on its way.
    pub way_ns: u64,
    /// It tells of so many positions at most.
    pub positions_max: u64,
}

/// A link to another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    to: NodeId,
    number: u32,
}

/// How many links between two nodes have been closed: that many is the number of the open one.
#[derive(Debug, Default)]
pub struct Ways(BTreeMap<(NodeId, NodeId), u32>);

impl Ways {
    fn between(&self, a: NodeId, b: NodeId) -> u32 {
        self.0.get(&(a.min(b), a.max(b))).copied().unwrap_or(0)
    }

    fn close(&mut self, a: NodeId, b: NodeId) {
        *self.0.entry((a.min(b), a.max(b))).or_default() += 1;
    }
}

/// What nodes say to each other of the events in their archives.
#[derive(Debug)]
pub enum Word {
    /// Everything from this position on is wanted,
    Subscribe(LogPosition),
    /// and no more.
    Unsubscribe,
    /// A stream begins behind this position.
    Begun(LogPosition),
    /// What is here ends at this position, before the stream begins.
    Ends(LogPosition),
    /// What follows, up to a position.
    Events(Vec<(LogPosition, Batch)>, LogPosition),
    /// The next position is not there; this one is the next that is.
    Gone(LogPosition),
}

/// Of one partition on one node: what its archive lacks, and whom it tells what others lack.
pub struct Gaps {
    filler: GapFiller<Way>,
    /// Where the gaps end that the filler knows; none before it has been told.
    known: Option<Vec<LogPosition>>,
    /// Whom it asked last.
    asked: Option<Way>,
    /// What the host was told last, and when it is told again.
    past: Option<Past>,
    tell_at: Moment,
    /// What its partition has told since the process began.
    recent: Recent,
    /// Who wants the events: by which link, and from which position on.
    streams: BTreeMap<NodeId, (u32, LogPosition)>,
}

impl Gaps {
    /// Of a process that begins.
    pub fn new(partition: PartitionId) -> Gaps {
        Gaps {
            filler: GapFiller::new(partition),
            known: None,
            asked: None,
            past: None,
            tell_at: 0,
            recent: Recent::new(0),
            streams: BTreeMap::new(),
        }
    }
}

/// A node's links as its filler sees them, and what that has said by them.
struct Open {
    ways: Vec<Way>,
    said: Vec<(Way, Word)>,
}

impl NodeLinks for Open {
    type Link = Way;

    fn link_to(&self, node: NodeId) -> Option<Way> {
        self.ways.iter().copied().find(|way| way.to == node)
    }

    fn send(&mut self, way: Way, frame: &Frame<'_>) -> Result<(), Full> {
        let word = match frame {
            Frame::Subscribe(wanted) => Word::Subscribe(wanted.from),
            Frame::Unsubscribe(_) => Word::Unsubscribe,
            other => panic!("a gap filler says {other:?}"),
        };
        if !self.ways.contains(&way) {
            return Err(Full);
        }
        self.said.push((way, word));
        Ok(())
    }
}

impl World {
    /// A node looks after what its archive lacks, and sends others what they lack.
    pub(super) fn poll_gaps(&mut self, id: NodeId, partition: PartitionId) {
        self.learn_gaps(id, partition, false);
        let has_space = self.node(id).space == Space::Enough;
        if !has_space {
            let now = self.node(id).clock.at(self.now);
            self.with_filler(id, partition, |filler, open| filler.hold(now, open));
        }
        let gaps = self.gaps(id, partition);
        let (is_complete, asked) = (gaps.filler.past().is_none_or(|past| past.missing == 0), gaps.asked);
        if !is_complete && has_space {
            let is_closed = |way: &Way| self.ways.between(id, way.to) != way.number;
            let closed = asked.filter(is_closed);
            let (others, now) = (self.others(id), self.node(id).clock.at(self.now));
            let asks_archive = self.with_filler(id, partition, |filler, open| {
                if closed.is_some_and(|way| filler.is_asking(way)) {
                    filler.failed(now, open);
                }
                filler.poll(now, &others, open)
            });
            if asks_archive {
                self.learn_gaps(id, partition, true);
            }
        }
        self.tell_past(id, partition);
        self.look_at_learner(id, partition);
        self.feed_others(id, partition);
    }

    /// Notes whether a learner has its past, but for what nobody has.
    fn look_at_learner(&mut self, id: NodeId, partition: PartitionId) {
        let Some(host) = &self.node(id).slots[&partition].host else { return };
        let member = host.status().member;
        if !host.replica().members().learners.contains(&member) || self.checkers.pasts.is_whole(partition, member) {
            return;
        }
        let is_whole = self.lacks(id, partition).is_none();
        self.checkers.pasts.on_learner(partition, member, is_whole, self.now);
    }

    /// A partition has told these events.
    pub(super) fn note_recent(&mut self, id: NodeId, partition: PartitionId, block: Arc<EventBlock>) {
        self.gaps(id, partition).recent.push(block);
    }

    /// What its archive lacks, and another node that it asks has: one that is not down for good.
    pub(super) fn lacks(&self, id: NodeId, partition: PartitionId) -> Option<LogPosition> {
        let archive_of = |id: NodeId| {
            let archive = &self.node(id).slots[&partition].archive;
            archive.lock().expect("nobody panics with an open archive")
        };
        let gaps = archive_of(id).gaps();
        let has = |other: NodeId, after: LogPosition, upto: LogPosition| {
            archive_of(other).covered(after.next()).filter(|from| *from <= upto)
        };
        let mut others = if gaps.is_empty() { Vec::new() } else { self.others(id) };
        others.retain(|other| self.retired != Some(*other));
        gaps.into_iter().find_map(|(after, upto)| others.iter().find_map(|other| has(*other, after, upto)))
    }

    /// The other nodes as production dials them: everybody who is a member of anything; while that is not known, everybody.
    fn others(&self, id: NodeId) -> Vec<NodeId> {
        let hosts = self.node(id).slots.values().map(|slot| slot.host.as_ref());
        let members = hosts.map(|host| host.map(|host| host.replica().members().all()).filter(|all| !all.is_empty()));
        let known: Option<Vec<BTreeSet<u64>>> = members.collect();
        let nodes: BTreeSet<NodeId> = match known {
            Some(members) => members.into_iter().flatten().map(node_of).collect(),
            None => self.plan.everybody().into_iter().collect(),
        };
        nodes.into_iter().filter(|node| *node != id).collect()
    }

    fn gaps(&mut self, id: NodeId, partition: PartitionId) -> &mut Gaps {
        let slots = &mut self.node_mut(id).slots;
        &mut slots.get_mut(&partition).expect("every node has every partition").gaps
    }

    /// The filler works, with the links that are open, and what it says is sent.
    fn with_filler<T>(
        &mut self,
        id: NodeId,
        partition: PartitionId,
        work: impl FnOnce(&mut GapFiller<Way>, &mut Open) -> T,
    ) -> T {
        let is_open = |to: &NodeId| {
            let is_cut = self.cuts.is_cut(id, *to) || self.cuts.is_cut(*to, id);
            *to != id && self.node(*to).is_up && !is_cut
        };
        let everybody = self.plan.everybody().into_iter().filter(is_open);
        let ways = everybody.map(|to| Way { to, number: self.ways.between(id, to) }).collect();
        let mut open = Open { ways, said: Vec::new() };
        let gaps = self.gaps(id, partition);
        let done = work(&mut gaps.filler, &mut open);
        let asked = open.said.iter().rev().find(|(_, word)| matches!(word, Word::Subscribe(_))).map(|(way, _)| *way);
        gaps.asked = asked.or(gaps.asked);
        for (way, word) in open.said {
            self.say(id, way.to, partition, way.number, word);
        }
        done
    }

    fn say(&mut self, from: NodeId, to: NodeId, partition: PartitionId, number: u32, word: Word) {
        self.queue.plan(self.now + self.plan.words.way_ns, Event::Said { from, to, partition, number, word });
    }

    /// The archive says what is missing, when the gaps end elsewhere than it has said, or in any case.
    fn learn_gaps(&mut self, id: NodeId, partition: PartitionId, in_any_case: bool) {
        let slots = &mut self.node_mut(id).slots;
        let slot = slots.get_mut(&partition).expect("every node has every partition");
        let mut archive = slot.archive.lock().expect("nobody panics with an open archive");
        let gaps = archive.gaps();
        let ends = || gaps.iter().map(|(_, upto)| *upto);
        let is_known = slot.gaps.known.as_ref().is_some_and(|known| ends().eq(known.iter().copied()));
        let has_jumped = archive.take_jumped();
        if is_known && !has_jumped && !in_any_case {
            return;
        }
        slot.gaps.known = Some(ends().collect());
        let upto = archive.end();
        drop(archive);
        let gaps = gaps.into_iter().map(|(after, upto)| Gap { from: after.next(), upto }).collect();
        self.with_filler(id, partition, |filler, open| filler.missing_is(Missing { gaps, upto }, open));
    }

    /// A partition hears what its archive lacks, now and then while that becomes less.
    fn tell_past(&mut self, id: NodeId, partition: PartitionId) {
        let now = self.now;
        let gaps = self.gaps(id, partition);
        if now < gaps.tell_at {
            return;
        }
        gaps.tell_at = now + TELL_NS;
        if let Some(past) = gaps.filler.past().filter(|past| gaps.past != Some(*past)) {
            gaps.past = Some(past);
            self.input(id, partition, HostInput::Past(past));
        }
    }

    /// Whoever wants events is sent the next that are here.
    fn feed_others(&mut self, id: NodeId, partition: PartitionId) {
        let streams = std::mem::take(&mut self.gaps(id, partition).streams);
        for (to, (number, next)) in streams {
            if self.ways.between(id, to) != number {
                continue;
            }
            let archive = self.node(id).slots[&partition].archive.clone();
            let archive = archive.lock().expect("nobody panics with an open archive");
            let (word, next) = match stretch(&archive, next, self.plan.words.positions_max) {
                Some((batches, upto)) => (Some(Word::Events(batches, upto)), Some(upto.next())),
                None => match archive.next(next) {
                    Some(later) => (Some(Word::Gone(later)), None),
                    None => (None, Some(next)),
                },
            };
            if let Some(next) = next {
                self.gaps(id, partition).streams.insert(to, (number, next));
            }
            if let Some(word) = word {
                self.say(id, to, partition, number, word);
            }
        }
    }

    /// A word arrives, unless its link is closed, which it is when the word finds no way.
    pub(super) fn hear_word(&mut self, from: NodeId, to: NodeId, partition: PartitionId, number: u32, word: Word) {
        if self.ways.between(from, to) != number {
            return;
        }
        if !self.node(to).is_up || self.cuts.is_cut(from, to) || self.cuts.is_cut(to, from) {
            return self.ways.close(from, to);
        }
        if self.node(to).is_paused {
            self.node_mut(to).unheard.push((from, partition, number, word));
            return;
        }
        let (way, now) = (Way { to: from, number }, self.node(to).clock.at(self.now));
        match word {
            Word::Subscribe(next) => {
                let next = next.max(LogPosition::ZERO.next());
                self.gaps(to, partition).streams.insert(from, (number, next));
                let begun = LogPosition::new(next.get() - 1);
                self.say(to, from, partition, number, Word::Begun(begun));
                if let Some(end) = self.gaps(to, partition).recent.ends_before(next) {
                    self.say(to, from, partition, number, Word::Ends(end));
                }
            }
            Word::Unsubscribe => {
                self.gaps(to, partition).streams.remove(&from);
            }
            Word::Begun(position) => self.gaps(to, partition).filler.begun(way, position),
            Word::Ends(position) => {
                self.with_filler(to, partition, |filler, open| filler.ends(way, position, now, open))
            }
            Word::Events(batches, upto) => {
                for (position, batch) in batches {
                    self.fill(to, partition, way, position, Some(batch));
                }
                self.fill(to, partition, way, upto, None);
            }
            Word::Gone(next) => self.with_filler(to, partition, |filler, open| {
                if filler.is_refusal(way, Refusal::PositionGone) {
                    filler.refused(from, next, now, open);
                }
            }),
        }
    }

    /// What has come by this link goes into the archive, up to this position, if it was asked for.
    fn fill(&mut self, id: NodeId, partition: PartitionId, way: Way, upto: LogPosition, batch: Option<Batch>) {
        let now = self.node(id).clock.at(self.now);
        let Some(after) = self.gaps(id, partition).filler.expects(way).filter(|after| upto > *after) else { return };
        let archive = self.node(id).slots[&partition].archive.clone();
        let mut archive = archive.lock().expect("nobody panics with an open archive");
        archive.fill_gap(after, upto, batch.map(|batch| (upto, batch)));
        drop(archive);
        self.with_filler(id, partition, |filler, open| filler.filled(upto, now, open));
    }

    /// What has come while a node was paused.
    pub(super) fn hear_late(&mut self, id: NodeId) {
        for (from, partition, number, word) in std::mem::take(&mut self.node_mut(id).unheard) {
            self.hear_word(from, id, partition, number, word);
        }
    }

    /// A node's process has gone.
    pub(super) fn close_ways(&mut self, id: NodeId) {
        self.node_mut(id).unheard.clear();
        for other in self.plan.everybody().into_iter().filter(|other| *other != id) {
            self.ways.close(id, other);
        }
    }
}

/// What an archive has from a position on, as far as one word goes.
fn stretch(
    archive: &Archive,
    from: LogPosition,
    positions_max: u64,
) -> Option<(Vec<(LogPosition, Batch)>, LogPosition)> {
    let (batches, upto) = archive.read(from)?;
    let upto = upto.min(LogPosition::new(from.get() + positions_max - 1));
    let batches = batches.take_while(|(position, _)| *position <= upto);
    Some((batches.map(|(position, batch)| (position, batch.clone())).collect(), upto))
}

#[cfg(test)]
mod tests;
