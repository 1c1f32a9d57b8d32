//! What the public sees of the book.

use wire::event::{DepthWindowClosed, LevelChanged};
use wire::{Event, Timestamp, UpdateId};

use super::world::{Layout, MARKET, World};

/// What markets told since the last look: trades `t 5@100`, levels `b 100 5` or `s 100 5`, windows `[1 3]`.
fn public(world: &mut World) -> String {
    let levels = world.public.drain(..).filter(|event| !matches!(event, Event::OrderShown(_)));
    let told = levels.map(|event| match event {
        Event::Traded(e) => format!("t {}@{}", e.qty.units(), e.price.units()),
        Event::LevelChanged(LevelChanged { side, price, qty, .. }) => {
            let side = if side == wire::Side::Buy { "b" } else { "s" };
            format!("{side} {} {}", price.units(), qty.units())
        }
        Event::DepthWindowClosed(DepthWindowClosed { first, last, .. }) => format!("[{first} {last}]"),
        other => panic!("{other:?} is not public"),
    });
    told.collect::<Vec<String>>().join(", ")
}

#[test]
fn each_price_is_told_once_an_order_after_the_trades_there() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        for step in ["alice sell 2 @ 100", "alice sell 3 @ 100", "alice sell 5 @ 102"] {
            world.play(step);
        }
        assert_eq!(public(&mut world), "s 100 2, s 100 5, s 102 5");
        world.play("bob buy 12 @ 104");
        assert_eq!(public(&mut world), "t 2@100, t 3@100, s 100 0, t 5@102, s 102 0, b 104 2");
        world.play("alice sell 1 @ 104");
        assert_eq!(public(&mut world), "t 1@104, b 104 1");
        world.play("bob cancel 4");
        assert_eq!(public(&mut world), "b 104 0");
        for step in ["bob buy 2 @ 10", "bob buy 3 @ 8", "bob buy 4 @ 10"] {
            world.play(step);
        }
        public(&mut world);
        world.play("bob cancel all");
        assert_eq!(public(&mut world), "b 8 0, b 10 0");
    }
}

#[test]
fn changes_of_one_window_of_log_time_belong_together() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        let market = world.partitions.len().min(2) - 1;
        let at = |millis: u64| Timestamp::from_nanos(5_000_000_000 + millis * 1_000_000);
        world.now = at(10);
        assert_eq!(world.partitions[market].next_deadline(), None);
        world.play("alice sell 2 @ 100");
        assert_eq!(world.partitions[market].next_deadline(), Some(at(100)));
        world.now = at(99);
        world.play("alice sell 2 @ 102");
        world.tick();
        assert_eq!(public(&mut world), "s 100 2, s 102 2");
        world.now = at(100);
        world.play("alice sell 2 @ 104");
        assert_eq!(public(&mut world), "[1 2], s 104 2", "a command closes the window before it changes anything");
        assert_eq!(world.partitions[market].next_deadline(), Some(at(200)));
        world.restart(market);
        world.now = at(950);
        world.tick();
        assert_eq!(public(&mut world), "[3 3]");
        assert_eq!(world.partitions[market].next_deadline(), None);
        world.tick();
        assert_eq!(public(&mut world), "");
    }
}

#[test]
fn updates_are_numbered_without_gaps() {
    let mut world = World::new(Layout::Split);
    for step in ["alice sell 2 @ 100", "bob buy 1 @ 100", "bob buy 3 @ 98", "alice cancel all", "bob cancel all"] {
        world.play(step);
    }
    let updates: Vec<UpdateId> = (world.public.iter())
        .filter_map(|event| match event {
            Event::LevelChanged(e) if e.market == MARKET => Some(e.update),
            _ => None,
        })
        .collect();
    assert_eq!(updates, (1..=5).map(UpdateId::new).collect::<Vec<_>>());
}
