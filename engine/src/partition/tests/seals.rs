//! Names that no order takes any more, so that a client which asked has no doubt left.

use wire::command::{NewOrder, Reply, SealName};
use wire::{ClientOrderId, Command, RejectReason};

use super::world::{Layout, World, reason, small_limits};
use crate::Limits;

fn name(text: &str) -> ClientOrderId {
    ClientOrderId::new(text.as_bytes()).unwrap()
}

fn seal(text: &str, asked_us: u64, is_lifted: bool) -> Command {
    let account = World::account("alice");
    Command::SealName(SealName { account, client_order_id: name(text), asked_us, is_lifted })
}

fn order(world: &mut World, who: &str, text: &str) -> Reply {
    let order = world.parse_order(&[who, "sell", "1", "@", "100"]);
    let reply = world.settle(Command::NewOrder(NewOrder { client_order_id: name(text), ..order }));
    world.assert_settled();
    for partition in 0..world.partitions.len() {
        world.restart(partition);
    }
    reply
}

fn refused_by_seal(asked_us: u64) -> Reply {
    let id = SealName::no_order(asked_us).get();
    assert_eq!(SealName::asked_at(id), Some(asked_us));
    Reply::Rejected { reason: RejectReason::DuplicateClientOrderId, id }
}

#[test]
fn no_order_of_a_sealed_name_comes_any_more_until_the_seal_is_lifted() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        assert_eq!(world.ask(seal("x", 500, false)), Reply::Accepted { id: 0 });
        assert_eq!(order(&mut world, "alice", "x"), refused_by_seal(500));
        assert_eq!(order(&mut world, "bob", "x"), Reply::Accepted { id: 1 }, "another account's name");
        assert_eq!(world.ask(seal("x", 400, false)), Reply::Accepted { id: 0 });
        assert_eq!(order(&mut world, "alice", "x"), refused_by_seal(500), "the latest question counts");
        assert_eq!(world.ask(seal("x", 600, false)), Reply::Accepted { id: 0 });
        assert_eq!(world.ask(seal("x", 500, true)), Reply::Accepted { id: 0 });
        assert_eq!(order(&mut world, "alice", "x"), refused_by_seal(600), "another seal is not lifted");
        assert_eq!(world.ask(seal("x", 600, true)), Reply::Accepted { id: 0 });
        assert_eq!(order(&mut world, "alice", "x"), Reply::Accepted { id: 2 });
        assert_eq!(world.ask(seal("x", 700, false)), Reply::Accepted { id: 2 }, "an order has it");
        assert_eq!(
            order(&mut world, "alice", "x"),
            Reply::Rejected { reason: RejectReason::DuplicateClientOrderId, id: 2 }
        );
        assert_eq!(reason(world.ask(seal("", 1, false))), RejectReason::Malformed);
        assert_eq!(reason(world.ask(seal("y", 1 << 63, false))), RejectReason::Malformed);
    }
}

#[test]
fn a_seal_lasts_as_long_as_a_closed_orders_name_and_leaves_nothing_behind() {
    let mut world = World::new(Layout::Joint);
    let retention_ns = small_limits().client_order_id_retention_ns;
    world.ask(seal("x", 1, false));
    world.now = world.now.plus_nanos(retention_ns / 2);
    world.ask(seal("x", 2, false));
    world.now = world.now.plus_nanos(retention_ns / 2 + 1);
    assert_eq!(order(&mut world, "alice", "x"), refused_by_seal(2), "it was sealed anew");
    world.ask(seal("x", 2, true));
    assert_eq!(order(&mut world, "alice", "x"), Reply::Accepted { id: 1 });
    world.now = world.now.plus_nanos(retention_ns);
    assert_eq!(
        order(&mut world, "alice", "x"),
        Reply::Rejected { reason: RejectReason::DuplicateClientOrderId, id: 1 }
    );
    world.ask(seal("y", 3, false));
    world.now = world.now.plus_nanos(retention_ns);
    assert_eq!(order(&mut world, "alice", "y"), Reply::Accepted { id: 2 });
}

#[test]
fn seals_leave_half_of_the_names_to_orders() {
    let limits = Limits { remembered_orders_max: 8, ..small_limits() };
    let mut world = World::with(Layout::Joint, limits, super::world::rules());
    for (at, text) in ["a", "b", "c", "d"].into_iter().enumerate() {
        assert_eq!(world.ask(seal(text, at as u64, false)), Reply::Accepted { id: 0 });
    }
    assert_eq!(reason(world.ask(seal("e", 9, false))), RejectReason::Busy);
    assert_eq!(order(&mut world, "alice", "f"), Reply::Accepted { id: 1 });
}
