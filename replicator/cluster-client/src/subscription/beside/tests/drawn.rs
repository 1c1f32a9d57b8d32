//! Whatever happens on either way, in any order.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Append(u64),
    NodeHears,
    ClientHears,
    CastBrings(usize, bool),
    CastLoses(usize),
    Pass(u64),
    NewKey,
    Restart,
    NewLeader(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..4_u64).prop_map(Step::Append),
        8 => Just(Step::NodeHears),
        12 => Just(Step::ClientHears),
        8 => (0..3_usize, any::<bool>()).prop_map(|(index, again)| Step::CastBrings(index, again)),
        1 => (0..3_usize).prop_map(Step::CastLoses),
        2 => (1..200_u64).prop_map(Step::Pass),
        1 => Just(Step::NewKey),
        1 => Just(Step::Restart),
        1 => (1..3_u64).prop_map(Step::NewLeader),
    ]
}

proptest! {
    #[test]
    fn whatever_either_way_does_each_position_is_yielded_once_and_in_order(
        steps in proptest::collection::vec(step(), 0..300)
    ) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Append(count) => world.append(count),
                Step::NodeHears => drop(world.node_hears()),
                Step::ClientHears => drop(world.client_hears()),
                Step::CastBrings(index, again) => world.cast_brings(index, again),
                Step::CastLoses(index) => drop(world.casting.remove(index)),
                Step::Pass(millis) => world.pass(millis),
                Step::NewKey if world.has_joined => world.open(),
                Step::NewKey => {}
                Step::Restart => {
                    world.cut();
                    world.stream.on_closed(world.now);
                    world.collect();
                }
                Step::NewLeader(node) => {
                    world.stream.on_leader(Some(NodeId::new(node)), world.now);
                    world.collect();
                }
            }
            let so_far: Vec<u64> = (1..=world.log).filter(|position| position % 3 != 0).take(world.yielded.len()).collect();
            prop_assert_eq!(&world.yielded, &so_far);
        }
        // The cast is dead from here on: the link has everything in the end.
        world.casting.clear();
        for _ in 0..20 {
            world.pass(300);
            world.talk();
        }
        world.has_all();
        prop_assert!(!world.follows() || world.log == world.progress);
    }
}
