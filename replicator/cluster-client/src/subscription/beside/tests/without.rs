//! Nodes that know of no casts, and a stream that has no place for them.

use super::*;

#[test]
fn node_that_closes_the_link_when_it_is_asked_for_a_cast_streams_all_the_same() {
    let mut world = World::new();
    world.cut();
    world.knows_none = true;
    world.stream.on_closed(world.now);
    world.collect();
    world.append(4);
    for _ in 0..40 {
        world.pass(90);
        // The node answers the pings.
        world.stream.on_resumed();
        world.talk();
    }
    world.append(4);
    world.talk();
    world.has_all();
    assert!((1..=2).contains(&world.closed), "each of the two nodes once at most: {}", world.closed);
    let node = world.stream.node;
    // It comes back as another build, after a while: the next link is one with a cast.
    world.knows_none = false;
    let restart = |world: &mut World| {
        world.cut();
        world.stream.on_closed(world.now);
        world.collect();
        world.pass(400);
        world.stream.on_leader(Some(node), world.now);
        world.collect();
        world.talk();
    };
    restart(&mut world);
    assert!(!world.has_joined, "too early");
    world.now += ASK_AGAIN_AFTER;
    restart(&mut world);
    assert!(world.has_joined);
    world.append(1);
    world.talk();
    world.cast_brings(0, false);
    assert!(world.follows());
    world.has_all();
}

#[test]
fn stream_without_a_place_for_casts_says_and_takes_none() {
    let mut world = World::new();
    world.stream.beside = None;
    world.cut();
    world.stream.on_closed(world.now);
    world.pass(400);
    world.talk();
    assert!(!world.has_joined);
    world.open();
    world.append(2);
    world.talk();
    world.has_all();
    assert!(!world.stream.is_listening());
}
