//! Labels of orders: told with their terms, kept while an order waits in the ledger, and nothing else.

use wire::command::{NewOrderOnTerms, Reply};
use wire::{Command, Event, OrderId, StrategyLabel, Terms};

use super::world::{Layout, World};

fn labels(world: &World) -> Vec<(OrderId, StrategyLabel)> {
    let terms = world.private.iter().filter_map(|event| match event {
        Event::OrderTerms(told) => Some((told.order, told.terms.strategy)),
        _ => None,
    });
    terms.collect()
}

#[test]
fn a_labelled_order_is_a_plain_one_whose_label_is_told() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        let strategy = StrategyLabel { id: Some(7), kind: Some(1_000_000) };
        let order = world.parse_order(&["alice", "buy", "5", "@", "100"]);
        let terms = Terms { strategy, ..Terms::NONE };
        world.private.clear();
        let reply = world.settle(Command::NewOrderOnTerms(Box::new(NewOrderOnTerms { order, terms })));
        assert_eq!(reply, Reply::Accepted { id: 1 });
        assert_eq!(labels(&world), [(OrderId::new(1), strategy)]);
        assert_eq!(world.told(), "accepted 1, rests 1 5");
        world.restart_all();
        assert_eq!(world.play("bob sell 5 @ 100"), "accepted 2, filled 2 5@100, filled 1 5@100");
        world.assert_settled();
    }
}

#[test]
fn an_order_of_a_list_has_its_own_label_and_waits_with_it() {
    let mut world = World::new(Layout::Split);
    let words: Vec<&str> = "buy 5 @ 90 | sell 5 @ 120".split_whitespace().collect();
    let mut list = world.parse_list("alice", "oto", "l", &words);
    let label = |id| StrategyLabel { id: Some(id), kind: None };
    list.legs[0].terms.strategy = label(1);
    list.legs[1].terms.strategy = label(2);
    world.private.clear();
    assert_eq!(world.settle(Command::NewOrderList(list)), Reply::Accepted { id: 1 });
    assert_eq!(labels(&world), [(OrderId::new(1), label(1)), (OrderId::new(2), label(2))]);
    world.restart_all();
    let told = world.play("bob sell 5 @ 90");
    assert!(told.ends_with("accepted 2, rests 2 5"), "{told}");
    world.assert_settled();
}
