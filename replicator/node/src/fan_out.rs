//! Casts of this node: of each partition one, for all gateways that joined it.
//!
//! A cast begins with the first that joins and ends with the last that leaves. It has a key, which whoever joins is told over its
//! link; when one leaves, the others are told another a moment later, one for all who leave in that moment, and it seals after
//! another. How far a cast has come is said over
//! the links as well, so that who misses the last message knows. Nothing here waits for a reader: its link has what it missed.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use replicator::net::cast::CastWay;
use wire::link::cast;
use wire::link::{CastOpen, CastSent, Events, Frame, JoinCast, Place};
use wire::{LogPosition, PartitionId, Timestamp};

use crate::archive::before;
use crate::block::{EventBatch, EventBlock};

/// From the moment that a new key is told until it seals: who has not heard of it by then misses something.
const TURN_AFTER: Duration = Duration::from_millis(100);
/// From the moment that one leaves until the others are told another key: one key for all who leave meanwhile. Those who come
/// and go all the time bring ten in a second at the most, and do not put it off.
const DRAW_AFTER: Duration = Duration::from_millis(100);
/// How often those who joined are told how far it has come.
const TELL_EVERY: Duration = Duration::from_millis(10);
/// Links that may join one cast; more have their links alone.
const MEMBERS_MAX: usize = 256;

/// The casts of a node, whose links are `L`s.
#[derive(Debug)]
pub struct FanOut<L> {
    /// `None` in a build, or with a configuration, that has none.
    way: Option<Box<dyn CastWay>>,
    casts: BTreeMap<PartitionId, Cast<L>>,
    words: Vec<(L, Frame<'static>)>,
    now: Timestamp,
}

#[derive(Debug)]
struct Cast<L> {
    open: CastOpen,
    /// When another key is due, since somebody who has left knows those that there are.
    draw_due: Option<Timestamp>,
    /// The next key, and when it seals.
    next: Option<(CastOpen, Timestamp)>,
    members: BTreeMap<L, Member>,
    /// Everything up to here was sent.
    sent: LogPosition,
}

#[derive(Debug)]
struct Member {
    place: Place,
    told: LogPosition,
    tell_due: Timestamp,
}

impl<L: Copy + Ord> FanOut<L> {
    /// Nobody has joined yet.
    pub fn new(way: Option<Box<dyn CastWay>>) -> FanOut<L> {
        FanOut { way, casts: BTreeMap::new(), words: Vec::new(), now: Timestamp::ZERO }
    }

    /// A gateway takes the partition's cast as well, whose events up to `upto` were there before. A link joins once, with the
    /// first place that it names.
    pub fn join(&mut self, link: L, wish: JoinCast, upto: LogPosition) {
        let JoinCast { partition, place } = wish;
        let Some(way) = self.way.as_mut().filter(|way| way.reaches(place)) else { return };
        if let Entry::Vacant(vacant) = self.casts.entry(partition) {
            let Some(open) = way.draw(partition, None) else { return };
            way.turn(open);
            vacant.insert(Cast { open, draw_due: None, next: None, members: BTreeMap::new(), sent: upto });
        }
        let Some(cast) = self.casts.get_mut(&partition) else { return };
        // Whoever has joined knows what there is to know: nothing that it says again costs anything.
        if cast.members.contains_key(&link) || cast.members.len() >= MEMBERS_MAX {
            return;
        }
        let is_new_place = !cast.has(place);
        cast.members.insert(link, Member { place, told: cast.sent, tell_due: self.now });
        if is_new_place {
            way.spread(partition, cast.places());
        }
        let next = cast.next.map(|(next, _)| next);
        self.words.extend([Some(cast.open), next].into_iter().flatten().map(|open| (link, Frame::CastOpen(open))));
    }

    /// A link has closed.
    pub fn leave(&mut self, link: L) {
        let Some(way) = &mut self.way else { return };
        for (partition, cast) in &mut self.casts {
            let Some(Member { place, .. }) = cast.members.remove(&link) else { continue };
            if cast.members.is_empty() {
                way.close(*partition);
                continue;
            }
            if !cast.has(place) {
                way.spread(*partition, cast.places());
            }
            cast.draw_due.get_or_insert(self.now.plus_nanos(DRAW_AFTER.as_nanos() as u64));
        }
        self.casts.retain(|_, cast| !cast.members.is_empty());
    }

    /// The partition's next events.
    pub fn send(&mut self, partition: PartitionId, block: &EventBlock) {
        let (Some(way), Some(cast)) = (&mut self.way, self.casts.get_mut(&partition)) else { return };
        let max = way.message_max();
        write(partition, block, max, |message| way.send(partition, message));
        cast.sent = block.upto();
    }

    /// What is to be said over links now.
    pub fn poll(&mut self, now: Timestamp) -> std::vec::Drain<'_, (L, Frame<'static>)> {
        self.now = now;
        for (partition, cast) in &mut self.casts {
            if let Some((open, _)) = cast.next.take_if(|(_, due)| *due <= now) {
                cast.open = open;
                self.way.iter_mut().for_each(|way| way.turn(open));
            }
            // Of keys that are told and do not seal yet there is one: who left since knows it, and it seals before the next is told.
            if let Some(way) = &mut self.way
                && cast.next.is_none()
                && cast.draw_due.take_if(|due| *due <= now).is_some()
            {
                match way.draw(*partition, Some(cast.open.stream)) {
                    Some(open) => {
                        cast.next = Some((open, now.plus_nanos(TURN_AFTER.as_nanos() as u64)));
                        self.words.extend(cast.members.keys().map(|member| (*member, Frame::CastOpen(open))));
                    }
                    // Without random numbers the old one stays until there are some.
                    None => cast.draw_due = Some(now.plus_nanos(DRAW_AFTER.as_nanos() as u64)),
                }
            }
            for (link, member) in &mut cast.members {
                if cast.sent > member.told && member.tell_due <= now {
                    member.told = cast.sent;
                    member.tell_due = now.plus_nanos(TELL_EVERY.as_nanos() as u64);
                    self.words.push((*link, Frame::CastSent(CastSent { partition: *partition, position: cast.sent })));
                }
            }
        }
        self.words.drain(..)
    }
}

impl<L> Cast<L> {
    /// Whether a member takes it there.
    fn has(&self, place: Place) -> bool {
        self.members.values().any(|member| member.place == place)
    }

    fn places(&self) -> BTreeSet<Place> {
        self.members.values().map(|member| member.place).collect()
    }
}

/// A block as messages of at most `max` bytes. The events of one command that are longer alone are left out, and missed.
fn write(partition: PartitionId, block: &EventBlock, max: usize, mut send: impl FnMut(Vec<u8>)) {
    let mut message = Vec::new();
    cast::begin(partition, block.after(), &mut message);
    for batch in block.batches() {
        let EventBatch { position, timestamp, origin, events } = batch;
        let is_too_long = events.len() + cast::EVENTS_OVERHEAD + cast::CAST_OVERHEAD > max;
        if is_too_long || message.len() + events.len() + cast::EVENTS_OVERHEAD + cast::END_LEN > max {
            cast::end(partition, before(position), &mut message);
            send(std::mem::take(&mut message));
            cast::begin(partition, if is_too_long { position } else { before(position) }, &mut message);
        }
        if !is_too_long {
            cast::add(Events { partition, position, timestamp, origin }, events, &mut message);
        }
    }
    cast::end(partition, block.upto(), &mut message);
    send(message);
}

#[cfg(test)]
mod tests;
