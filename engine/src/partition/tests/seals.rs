//! Names that nothing takes any more which was asked for by then, so that a client which asked has no doubt left.

use wire::command::{AmendOrder, CancelOrder, CancelOrderList, NewOrder, NewOrderList, ReplaceOrder, Reply, SealName};
use wire::{AccountId, CancelRestriction, ClientOrderId, Command, ListId, OrderId, RejectReason, ReplaceMode, Terms};

use super::world::{Layout, MARKET, World, qty, reason, small_limits};
use crate::Limits;

const LAYOUTS: [Layout; 2] = [Layout::Joint, Layout::Split];

fn name(text: &str) -> ClientOrderId {
    ClientOrderId::new(text.as_bytes()).unwrap()
}

fn alice() -> AccountId {
    World::account("alice")
}

fn seal(text: &str, asked_us: u64) -> Command {
    Command::SealName(SealName { account: alice(), client_order_id: name(text), asked_us, is_list: false })
}

fn sell(world: &mut World, who: &str, text: &str, asked_us: u64) -> NewOrder {
    let order = world.parse_order(&[who, "sell", "1", "@", "100"]);
    NewOrder { client_order_id: name(text), asked_us, ..order }
}

fn settled(world: &mut World, command: Command) -> Reply {
    let reply = world.settle(command);
    world.assert_settled();
    for partition in 0..world.partitions.len() {
        world.restart(partition);
    }
    reply
}

fn order(world: &mut World, text: &str, asked_us: u64) -> Reply {
    let order = sell(world, "alice", text, asked_us);
    settled(world, Command::NewOrder(order))
}

fn cancel(text: &str, asked_us: u64) -> CancelOrder {
    CancelOrder {
        account: alice(),
        market: MARKET,
        order: OrderId::ZERO,
        client_order_id: name(text),
        restriction: CancelRestriction::None,
        new_client_order_id: ClientOrderId::EMPTY,
        asked_us,
    }
}

fn refused_by_seal(asked_us: u64) -> Reply {
    let id = SealName::no_order(asked_us).get();
    assert_eq!(SealName::asked_at(id), Some(asked_us));
    Reply::Rejected { reason: RejectReason::DuplicateClientOrderId, id }
}

fn accepted(id: u64) -> Reply {
    Reply::Accepted { id }
}

#[test]
fn no_order_that_was_asked_for_before_the_question_comes_any_more() {
    for layout in LAYOUTS {
        let mut world = World::new(layout);
        assert_eq!(world.ask(seal("x", 500)), accepted(0));
        for asked_us in [0, 499, 500] {
            assert_eq!(order(&mut world, "x", asked_us), refused_by_seal(500));
        }
        let of_bob = sell(&mut world, "bob", "x", 1);
        assert_eq!(settled(&mut world, Command::NewOrder(of_bob)), accepted(1), "another account's name");
        assert_eq!(world.ask(seal("x", 400)), accepted(0));
        assert_eq!(order(&mut world, "x", 500), refused_by_seal(500), "the latest question counts");
        assert_eq!(world.ask(seal("x", 600)), accepted(0));
        assert_eq!(order(&mut world, "x", 600), refused_by_seal(600));
        assert_eq!(order(&mut world, "x", 601), accepted(2));
        assert_eq!(world.ask(seal("x", 700)), accepted(2), "an order has it");
        assert_eq!(
            order(&mut world, "x", 800),
            Reply::Rejected { reason: RejectReason::DuplicateClientOrderId, id: 2 }
        );
        assert_eq!(reason(world.ask(seal("", 1))), RejectReason::Malformed);
        assert_eq!(reason(world.ask(seal("y", 1 << 63))), RejectReason::Malformed);
    }
}

#[test]
fn a_later_order_that_is_refused_leaves_the_way_closed_for_an_earlier_one() {
    for layout in LAYOUTS {
        let mut world = World::new(layout);
        world.ask(seal("x", 500));
        // By the ledger: it has not so much.
        let dear = sell(&mut world, "alice", "x", 600);
        let dear = NewOrder { qty: qty(1_000_000), ..dear };
        assert!(matches!(settled(&mut world, Command::NewOrder(dear)), Reply::Rejected { .. }));
        assert_eq!(order(&mut world, "x", 499), refused_by_seal(500));
        // By its market, which gives the name free: it would take.
        world.play("bob buy 1 @ 100");
        let maker = sell(&mut world, "alice", "x", 601);
        let maker = NewOrder { kind: wire::OrderKind::LimitMaker, ..maker };
        let Reply::Accepted { id } = settled(&mut world, Command::NewOrder(maker)) else { panic!() };
        assert!(world.partitions[0].client_order_id(OrderId::new(id)).is_empty(), "refused by the market");
        assert_eq!(order(&mut world, "x", 499), refused_by_seal(500));
        assert!(matches!(order(&mut world, "x", 602), Reply::Accepted { .. }));
    }
}

#[test]
fn a_cancel_that_finds_no_order_of_the_name_seals_it() {
    for layout in LAYOUTS {
        let mut world = World::new(layout);
        let unknown = |reply| assert_eq!(reason(reply), RejectReason::UnknownOrder);
        unknown(settled(&mut world, Command::CancelOrder(cancel("x", 500))));
        assert_eq!(order(&mut world, "x", 500), refused_by_seal(500));
        let amend = AmendOrder {
            account: alice(),
            market: MARKET,
            order: OrderId::ZERO,
            client_order_id: name("y"),
            qty: qty(1),
            new_client_order_id: name("z"),
            asked_us: 510,
        };
        unknown(settled(&mut world, Command::AmendOrder(Box::new(amend))));
        assert_eq!(order(&mut world, "y", 510), refused_by_seal(510));
        for (mode, text) in [(ReplaceMode::StopOnFailure, "u"), (ReplaceMode::AllowFailure, "v")] {
            let order_after = sell(&mut world, "alice", text, 520);
            let replace = ReplaceOrder { cancel: cancel(text, 520), mode, order: order_after, terms: Terms::NONE };
            match (mode, settled(&mut world, Command::ReplaceOrder(Box::new(replace)))) {
                (ReplaceMode::AllowFailure, reply) => {
                    let Reply::Accepted { id } = reply else { panic!("asked for at once: {reply:?}") };
                    settled(
                        &mut world,
                        Command::CancelOrder(CancelOrder { order: OrderId::new(id), ..cancel(text, 530) }),
                    );
                    world.now = world.now.plus_nanos(small_limits().client_order_id_retention_ns - 1);
                }
                (_, reply) => {
                    unknown(reply);
                    assert_eq!(order(&mut world, text, 520), refused_by_seal(520));
                }
            }
        }
        // Nothing is sealed that has been there, nor for those who do not say when they asked.
        assert_eq!(reason(order(&mut world, "v", 540)), RejectReason::DuplicateClientOrderId);
        unknown(settled(&mut world, Command::CancelOrder(cancel("v", 550))));
        unknown(settled(&mut world, Command::CancelOrder(cancel("w", 0))));
        world.now = world.now.plus_nanos(1);
        assert!(matches!(order(&mut world, "v", 550), Reply::Accepted { .. }));
        assert!(matches!(order(&mut world, "w", 1), Reply::Accepted { .. }));
        assert_eq!(reason(settled(&mut world, Command::CancelOrder(cancel("q", 1 << 63)))), RejectReason::Malformed);
    }
}

#[test]
fn a_replace_by_a_name_that_was_sealed_after_it_was_asked_for_leaves_the_old_order_where_it_is() {
    for layout in LAYOUTS {
        for mode in [ReplaceMode::StopOnFailure, ReplaceMode::AllowFailure] {
            let mut world = World::new(layout);
            assert_eq!(order(&mut world, "old", 490), accepted(1));
            let replace = |world: &mut World, text: &str, asked_us| {
                let order = sell(world, "alice", text, asked_us);
                let cancel = cancel("old", asked_us);
                settled(
                    world,
                    Command::ReplaceOrder(Box::new(ReplaceOrder { cancel, mode, order, terms: Terms::NONE })),
                )
            };
            // Whoever asks for both names is told that the new one never comes and the old one is there: so it stays.
            assert_eq!(world.ask(seal("new", 500)), accepted(0));
            assert_eq!(replace(&mut world, "new", 500), refused_by_seal(500));
            assert_eq!(world.ask(seal("old", 510)), accepted(1));
            // What is asked for after the question replaces it.
            assert_eq!(replace(&mut world, "new", 501), accepted(2));
            assert_eq!(world.ask(seal("new", 520)), accepted(2));
        }
    }
}

#[test]
fn an_amend_gives_no_order_a_name_that_was_sealed_after_it_was_asked_for() {
    let mut world = World::new(Layout::Joint);
    world.play("alice sell 5 @ 100");
    world.ask(seal("x", 500));
    let amend = |asked_us, units| {
        Command::AmendOrder(Box::new(AmendOrder {
            account: alice(),
            market: MARKET,
            order: OrderId::new(1),
            client_order_id: ClientOrderId::EMPTY,
            qty: qty(units),
            new_client_order_id: name("x"),
            asked_us,
        }))
    };
    assert_eq!(settled(&mut world, amend(500, 4)), refused_by_seal(500));
    assert_eq!(settled(&mut world, amend(501, 4)), accepted(1));
}

#[test]
fn names_of_lists_are_sealed_by_themselves() {
    for layout in LAYOUTS {
        let mut world = World::new(layout);
        world.play("bob buy 1 @ 100");
        world.play("alice sell 1 @ 100");
        let mut list = |asked_us| {
            let words = "sell 5 stop-loss 90 | sell 5 @ 110 maker-only";
            let words: Vec<&str> = words.split_whitespace().collect();
            let mut list: NewOrderList = world.parse_list("alice", "oco", "l", &words);
            list.legs.iter_mut().for_each(|leg| leg.order.asked_us = asked_us);
            Command::NewOrderList(list)
        };
        let lists = [list(500), list(501), list(510), list(511)];
        let seal = |asked_us| {
            Command::SealName(SealName { account: alice(), client_order_id: name("l"), asked_us, is_list: true })
        };
        let cancel = |asked_us| {
            Command::CancelOrderList(CancelOrderList {
                account: alice(),
                market: MARKET,
                list: ListId::ZERO,
                list_client_order_id: name("l"),
                new_client_order_id: ClientOrderId::EMPTY,
                asked_us,
            })
        };
        let refused = |asked_us| {
            let id = SealName::no_order(asked_us).get();
            Reply::Rejected { reason: RejectReason::DuplicateListClientOrderId, id }
        };
        assert_eq!(world.ask(seal(500)), accepted(0));
        assert_eq!(settled(&mut world, lists[0].clone()), refused(500));
        assert!(matches!(order(&mut world, "l", 1), Reply::Accepted { .. }), "an order's name is another");
        assert_eq!(settled(&mut world, lists[1].clone()), accepted(1));
        assert_eq!(world.ask(seal(505)), accepted(1), "a list has it");
        assert_eq!(settled(&mut world, cancel(506)), accepted(1));
        assert_eq!(reason(settled(&mut world, cancel(510))), RejectReason::UnknownOrderList);
        assert_eq!(settled(&mut world, lists[2].clone()), refused(510));
        assert_eq!(settled(&mut world, lists[3].clone()), accepted(2));
    }
}

#[test]
fn a_seal_lasts_as_long_as_a_closed_orders_name_and_leaves_nothing_behind() {
    let mut world = World::new(Layout::Joint);
    let retention_ns = small_limits().client_order_id_retention_ns;
    world.ask(seal("x", 1));
    world.now = world.now.plus_nanos(retention_ns / 2);
    world.ask(seal("x", 2));
    world.now = world.now.plus_nanos(retention_ns / 2 + 1);
    assert_eq!(order(&mut world, "x", 2), refused_by_seal(2), "it was sealed anew");
    world.now = world.now.plus_nanos(retention_ns / 2);
    assert_eq!(order(&mut world, "x", 1), accepted(1));
    let size = |world: &World| {
        let mut bytes = Vec::new();
        world.partitions[0].snapshot(&mut bytes);
        bytes.len()
    };
    let before = size(&world);
    world.ask(seal("y", 3));
    assert!(size(&world) > before);
    world.now = world.now.plus_nanos(retention_ns);
    world.ask(seal("", 4));
    assert_eq!(size(&world), before);
}

#[test]
fn seals_leave_the_names_to_orders_and_nothing_is_said_that_could_not_be_sealed() {
    let limits = Limits { remembered_orders_max: 32, ..small_limits() };
    let mut world = World::with(Layout::Joint, limits, super::world::rules());
    for (at, text) in ["a", "b", "c", "d"].into_iter().enumerate() {
        assert_eq!(world.ask(seal(text, at as u64)), accepted(0));
    }
    assert_eq!(reason(world.ask(seal("e", 9))), RejectReason::Busy);
    assert_eq!(reason(world.ask(Command::CancelOrder(cancel("e", 9)))), RejectReason::Busy);
    assert_eq!(world.ask(seal("d", 9)), accepted(0), "it has one");
    assert_eq!(reason(world.ask(Command::CancelOrder(cancel("d", 10)))), RejectReason::UnknownOrder);
    assert_eq!(order(&mut world, "f", 0), accepted(1));
}

/// Whoever is in doubt asks again after a failover, whatever the new leader's clock says, and however long nobody led.
#[test]
fn names_and_seals_have_what_was_left_of_their_time_when_log_time_leaps_between_two_leaders() {
    let retention_ns = small_limits().client_order_id_retention_ns;
    for layout in LAYOUTS {
        let mut world = World::new(layout);
        world.partitions[0].begin_term(world.now);
        assert!(matches!(order(&mut world, "x", 1), Reply::Accepted { .. }));
        assert!(matches!(settled(&mut world, Command::CancelOrder(cancel("x", 0))), Reply::Accepted { .. }));
        assert_eq!(settled(&mut world, seal("y", 500)), accepted(0));
        world.now = world.now.plus_nanos(retention_ns / 2);
        world.play("bob buy 1 @ 90");
        // A leader that sequences nothing comes between.
        for leap_ns in [3 * retention_ns, 1, 0] {
            world.now = world.now.plus_nanos(leap_ns);
            world.restart_all();
            world.partitions[0].begin_term(world.now);
            world.restart_all();
        }
        for ns in [0, retention_ns / 2 - 1] {
            world.now = world.now.plus_nanos(ns);
            assert_eq!(reason(order(&mut world, "x", 2)), RejectReason::DuplicateClientOrderId);
            assert_eq!(order(&mut world, "y", 400), refused_by_seal(500));
        }
        world.now = world.now.plus_nanos(1);
        assert!(matches!(order(&mut world, "x", 2), Reply::Accepted { .. }), "not for ever");
        assert!(matches!(order(&mut world, "y", 400), Reply::Accepted { .. }));
    }
}
