use super::*;
use crate::sim::clock::SECOND;
use crate::sim::swarm::Plan;

const PARTITION: PartitionId = PartitionId::new(1);

fn node(id: u64) -> NodeId {
    NodeId::new(id)
}

/// A world of three nodes or more that has not begun, and everybody in it.
fn world() -> (World, Vec<NodeId>) {
    let plan = Plan::plain(0, SECOND);
    let everybody = plan.everybody();
    (World::begin(replicator::sim::Random::new(1), plan, ClusterEpoch::new(1), 0, false), everybody)
}

fn start_all(world: &mut World, nodes: &[NodeId]) {
    nodes.iter().for_each(|node| world.start(*node));
}

/// Lets what is said be heard, and nothing else happen.
fn hear(world: &mut World, until: u64) {
    while world.queue.next_at().is_some_and(|at| at <= until) {
        let (at, event) = world.queue.pop().expect("something comes");
        world.now = world.now.max(at);
        if let Event::LeaderSaid { from, to, partition } = event {
            world.leader_said(from, to, partition);
        }
    }
}

fn believes(world: &World, id: NodeId) -> (Option<NodeId>, u64) {
    let words = world.node(id).front.leaders.get(&PARTITION);
    words.map(Announcements::believed).map_or((None, 0), |(leader, term)| (leader, term.get()))
}

#[test]
fn every_node_hears_who_leads_a_partition_whether_it_is_a_member_or_not() {
    let (mut world, everybody) = world();
    start_all(&mut world, &everybody);
    world.leader_changed(node(2), PARTITION, Some(node(2)), Term::new(38));
    hear(&mut world, 10 * MS);
    assert!(everybody.iter().all(|id| believes(&world, *id) == (Some(node(2)), 38)));
    world.leader_changed(node(3), PARTITION, Some(node(3)), Term::new(40));
    hear(&mut world, 20 * MS);
    assert!(everybody.iter().all(|id| believes(&world, *id) == (Some(node(3)), 40)));
}

#[test]
fn an_older_word_about_a_leader_does_not_count() {
    let (mut world, everybody) = world();
    start_all(&mut world, &everybody);
    world.leader_changed(node(3), PARTITION, Some(node(3)), Term::new(40));
    hear(&mut world, 10 * MS);
    for (leader, term) in [(Some(node(2)), 38), (Some(node(2)), 39), (None, 40), (None, 39)] {
        world.leader_changed(node(2), PARTITION, leader, Term::new(term));
        let now = world.now;
        hear(&mut world, now + 10 * MS);
        assert_eq!(believes(&world, node(1)), (Some(node(3)), 40));
    }
}

#[test]
fn a_word_about_a_leader_goes_with_the_process_that_said_it() {
    let (mut world, everybody) = world();
    start_all(&mut world, &everybody);
    world.leader_changed(node(2), PARTITION, Some(node(2)), Term::new(7));
    hear(&mut world, 10 * MS);
    assert_eq!(believes(&world, node(1)), (Some(node(2)), 7));
    world.kill(node(2), false, true);
    assert_eq!(believes(&world, node(1)).0, None);
}

#[test]
fn a_word_about_a_leader_passes_once_its_way_is_whole_again() {
    let (mut world, everybody) = world();
    start_all(&mut world, &everybody);
    for other in everybody.iter().filter(|other| **other != node(1)) {
        world.cuts.cut(*other, node(1));
    }
    world.leader_changed(node(2), PARTITION, Some(node(2)), Term::new(7));
    hear(&mut world, SECOND);
    assert_eq!((believes(&world, node(1)), believes(&world, node(3))), ((None, 0), (Some(node(2)), 7)));
    world.cuts.clear();
    hear(&mut world, 2 * SECOND);
    assert_eq!(believes(&world, node(1)), (Some(node(2)), 7));
}
