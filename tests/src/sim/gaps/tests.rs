use node::{EventBlock, EventSink};
use replicator::sim::Random;
use wire::{ClusterEpoch, Origin, Timestamp};

use super::*;
use crate::sim::clock::SECOND;
use crate::sim::store::Shelf;
use crate::sim::swarm::Plan;

const PARTITION: PartitionId = PartitionId::new(1);
const OWN: NodeId = NodeId::new(1);
const ONE: NodeId = NodeId::new(2);
const OTHER: NodeId = NodeId::new(3);

fn at(position: u64) -> LogPosition {
    LogPosition::new(position)
}

/// After which position up to which, with an event at each position.
fn blocks(stretches: &[(u64, u64)]) -> Vec<Arc<EventBlock>> {
    let block = |(after, upto): &(u64, u64)| {
        let mut block = EventBlock::new(at(*after));
        for position in after + 1..=*upto {
            block.write(at(position), Timestamp::ZERO, Origin::INTERNAL, |bytes| bytes.push(position as u8));
        }
        Arc::new(block)
    };
    stretches.iter().map(block).collect()
}

/// A world of three nodes with these archives, in which nothing else happens.
fn world(own: &[(u64, u64)], one: &[(u64, u64)], other: &[(u64, u64)]) -> World {
    let of_three = |seed: &u64| Plan::plain(*seed, SECOND).everybody().len() == 3;
    let seed = (0..).find(of_three).expect("a world of three nodes is drawn");
    let plan = Plan::plain(seed, SECOND);
    let mut world = World::begin(Random::new(1), plan, ClusterEpoch::new(1), 0, false);
    for (id, stretches) in [(OWN, own), (ONE, one), (OTHER, other)] {
        world.start(id);
        keeps(&mut world, id, stretches);
    }
    world
}

/// A node's archive is another one, which the node finds out.
fn keeps(world: &mut World, id: NodeId, stretches: &[(u64, u64)]) {
    let slot = world.node_mut(id).slots.get_mut(&PARTITION).expect("every node has every partition");
    slot.archive = Arc::default();
    let mut shelf = Shelf(slot.archive.clone());
    for block in blocks(stretches) {
        shelf.append(block.clone());
        world.note_recent(id, PARTITION, block);
    }
}

/// Time passes: archives are looked after, and what nodes say of them is heard.
fn pass(world: &mut World, for_ns: u64) {
    let until = world.now + for_ns;
    let mut looks_at = world.now;
    while world.now < until {
        while let Some(at) = world.queue.next_at().filter(|at| *at <= looks_at) {
            let (_, event) = world.queue.pop().expect("something comes");
            world.now = world.now.max(at);
            if let Event::Said { from, to, partition, number, word } = event {
                world.hear_word(from, to, partition, number, word);
            }
        }
        world.now = looks_at;
        for id in [OWN, ONE, OTHER] {
            world.poll_gaps(id, PARTITION);
        }
        looks_at += 10 * MS;
    }
}

/// Up to where an archive tells from a position on, and how many positions it has events of.
fn tells(world: &World, from: u64) -> Option<(u64, usize)> {
    let archive = world.node(OWN).slots[&PARTITION].archive.lock().unwrap();
    archive.read(at(from)).map(|(batches, upto)| (upto.get(), batches.count()))
}

/// How much the node's partition was told to be missing, and whether that is lost.
fn told(world: &World) -> (u64, bool) {
    let past = world.node(OWN).slots[&PARTITION].gaps.past.expect("the partition was told something");
    (past.missing, past.is_lost)
}

#[test]
fn a_gap_is_completed_from_several_archives() {
    let mut world = world(&[(0, 3), (9, 12)], &[(0, 6)], &[(4, 20)]);
    pass(&mut world, 5 * SECOND);
    assert_eq!((tells(&world, 1), told(&world)), (Some((12, 12)), (0, false)));
}

#[test]
fn what_lies_behind_what_no_archive_has_is_fetched() {
    let mut world = world(&[(20, 25), (40, 41)], &[(10, 22), (30, 45)], &[(50, 60)]);
    pass(&mut world, 10 * SECOND);
    assert_eq!((tells(&world, 1), tells(&world, 11), tells(&world, 26)), (None, Some((25, 15)), None));
    assert_eq!((tells(&world, 31), told(&world)), (Some((41, 11)), (15, true)));
}

#[test]
fn what_is_found_after_it_was_lost_is_fetched() {
    let mut world = world(&[(9, 12)], &[(0, 6), (7, 20)], &[(12, 20)]);
    pass(&mut world, 10 * SECOND);
    assert_eq!((tells(&world, 1), tells(&world, 7), tells(&world, 8)), (Some((6, 6)), None, Some((12, 5))));
    assert_eq!(told(&world), (1, true));
    keeps(&mut world, OTHER, &[(6, 20)]);
    pass(&mut world, 15 * SECOND);
    assert_eq!((tells(&world, 1), told(&world)), (Some((12, 12)), (0, false)));
}

#[test]
fn a_newcomer_whose_first_piece_is_lost_is_given_the_second() {
    let mut world = world(&[(10, 12)], &[(12, 40)], &[(12, 40)]);
    pass(&mut world, 5 * SECOND);
    assert_eq!(told(&world), (10, true));
    // It is sent another snapshot.
    let archive = world.node(OWN).slots[&PARTITION].archive.clone();
    Shelf(archive).jump(at(30));
    pass(&mut world, 3 * SECOND / 2);
    assert_eq!((tells(&world, 11), told(&world)), (Some((30, 20)), (10, false)));
    pass(&mut world, 5 * SECOND);
    assert_eq!(told(&world), (10, true));
}

#[test]
fn what_is_lost_on_the_way_is_asked_for_again() {
    let mut world = world(&[(400, 410)], &[(0, 410)], &[(0, 410)]);
    pass(&mut world, 25 * MS);
    for other in [ONE, OTHER] {
        world.cuts.cut(other, OWN);
    }
    pass(&mut world, 20 * MS);
    world.cuts.clear();
    pass(&mut world, 50 * MS);
    assert_eq!(tells(&world, 1), Some((200, 200)), "what was under way");
    pass(&mut world, SECOND);
    assert_eq!(tells(&world, 1), Some((410, 410)), "and nothing is left out");
}

#[test]
fn a_paused_node_hears_in_order_what_was_said_meanwhile() {
    let mut world = world(&[(300, 310)], &[(0, 310)], &[(300, 310)]);
    pass(&mut world, 15 * MS);
    world.pause(OWN, SECOND);
    pass(&mut world, SECOND / 2);
    assert_eq!(tells(&world, 1), None);
    world.now += SECOND;
    world.resume(OWN);
    pass(&mut world, 2 * SECOND);
    assert_eq!((tells(&world, 1), told(&world)), (Some((310, 310)), (0, false)));
}

/// It may be promoted, with the only archive that has a piece: the world waited for that.
#[test]
fn nothing_is_waited_for_that_only_one_has_who_is_down_for_good() {
    let mut world = world(&[(9, 12)], &[(9, 12)], &[(0, 12)]);
    for (retired, waited_for) in [(None, Some(at(1))), (Some(ONE), Some(at(1))), (Some(OTHER), None)] {
        world.retired = retired;
        assert_eq!(world.lacks(OWN, PARTITION), waited_for);
    }
}

/// The one that is asked first was silent for two seconds, and again in every pass.
#[test]
fn who_has_not_come_as_far_says_so_and_others_are_asked() {
    let mut world = world(&[(300, 310)], &[(0, 5)], &[(0, 310)]);
    pass(&mut world, SECOND);
    assert_eq!((tells(&world, 1), told(&world)), (Some((310, 310)), (0, false)));
    // What nobody has come to yet is not lost.
    let archive = world.node(OWN).slots[&PARTITION].archive.clone();
    Shelf(archive).jump(at(400));
    pass(&mut world, 10 * SECOND);
    assert_eq!(told(&world), (90, false));
    keeps(&mut world, OTHER, &[(0, 500)]);
    pass(&mut world, SECOND);
    assert_eq!((tells(&world, 301), told(&world)), (Some((400, 100)), (0, false)));
}

/// The simulator's nodes said of their archives what production's say of what they have told since they were started.
#[test]
fn who_was_started_and_has_told_nothing_does_not_say_where_its_events_end() {
    for (has_told, after_a_second) in [(true, 0), (false, 200)] {
        let mut world = world(&[(0, 100), (300, 310)], &[(0, 310)], &[(0, 5)]);
        if !has_told {
            world.node_mut(OTHER).slots.get_mut(&PARTITION).unwrap().gaps = Gaps::new(PARTITION);
        }
        pass(&mut world, SECOND);
        assert_eq!(told(&world), (after_a_second, false), "has told: {has_told}");
        pass(&mut world, 3 * SECOND);
        assert_eq!((tells(&world, 1), told(&world)), (Some((310, 310)), (0, false)));
    }
}

#[test]
fn nothing_is_fetched_to_a_disk_that_is_nearly_full() {
    let mut world = world(&[(300, 310)], &[(0, 310)], &[(0, 310)]);
    world.node_mut(OWN).space = Space::Low;
    pass(&mut world, 5 * SECOND);
    assert_eq!((tells(&world, 1), told(&world)), (None, (300, false)));
    world.node_mut(OWN).space = Space::Enough;
    pass(&mut world, SECOND);
    assert_eq!(tells(&world, 1), Some((310, 310)));
}
