//! Orders that are canceled when nobody hears of their client any more.

use wire::command::{CountdownCancel, EndLease, MassCancel, RenewLease, Reply, Tick};
use wire::{
    CancelCause, CancelRestriction, ClientSessionId, Command, Event, MarketId, RejectReason, ReplaceMode, Sides,
    Timestamp,
};

use super::changes::replace;
use super::world::{Layout, MARKET, World, reason, small_limits};
use crate::Limits;

const SESSION: ClientSessionId = ClientSessionId::new(77);
const SECOND: u64 = 1_000_000_000;
const START: u64 = 100 * SECOND;

fn in_both(play: impl Fn(&mut World)) {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world =
            World::with(layout, Limits { leases_max: 3, countdowns_max: 2, ..small_limits() }, super::world::rules());
        world.now = Timestamp::from_nanos(START);
        play(&mut world);
    }
}

fn settled(world: &mut World, command: Command) -> Reply {
    let reply = world.settle(command);
    world.assert_settled();
    for partition in 0..world.partitions.len() {
        world.restart(partition);
    }
    reply
}

fn renew(holder: u64, takes_over: bool, lease_ms: u32) -> Command {
    let account = World::account("alice");
    Command::RenewLease(RenewLease { account, session: SESSION, holder, takes_over, lease_ms })
}

fn end(holder: u64) -> Command {
    Command::EndLease(EndLease { account: World::account("alice"), session: SESSION, holder })
}

fn arm(countdown_ms: u32) -> Command {
    Command::CountdownCancel(CountdownCancel { account: World::account("alice"), market: MARKET, countdown_ms })
}

/// Places an order in the session.
fn order(world: &mut World, words: &str) -> Reply {
    let order = world.parse_order(&words.split_whitespace().collect::<Vec<_>>());
    settled(world, Command::NewOrder(wire::command::NewOrder { session: SESSION, ..order }))
}

fn at(world: &mut World, nanos: u64) -> Vec<(u64, CancelCause)> {
    world.now = Timestamp::from_nanos(nanos);
    settled(world, Command::Tick(Tick));
    canceled(world)
}

/// Nothing has ended at this moment, whatever may be due soon after.
fn nothing_at(world: &mut World, nanos: u64) {
    world.now = Timestamp::from_nanos(nanos);
    world.ask(Command::Tick(Tick));
    assert!(!world.private.iter().any(|event| matches!(event, Event::LeaseChanged(_) | Event::CountdownChanged(_))));
}

fn canceled(world: &mut World) -> Vec<(u64, CancelCause)> {
    let told = world.private.drain(..).filter_map(|event| match event {
        Event::OrderCanceled(e) => Some((e.order.get(), e.cause)),
        _ => None,
    });
    told.collect()
}

const GONE: CancelCause = CancelCause::Disconnected;

#[test]
fn a_session_whose_lease_runs_out_has_its_orders_canceled_once_and_no_others() {
    in_both(|world| {
        assert_eq!(reason(order(world, "alice buy 1 @ 50")), RejectReason::UnknownLease);
        assert_eq!(settled(world, renew(1, false, 1_000)), Reply::Accepted { id: START + SECOND });
        order(world, "alice buy 1 @ 50");
        world.play("alice buy 1 @ 50");
        order(world, "alice sell 1 @ 60");
        world.private.clear();
        nothing_at(world, START + SECOND - 1);
        assert_eq!(at(world, START + SECOND), [(1, GONE), (3, GONE)]);
        assert_eq!(at(world, START + 9 * SECOND), []);
        assert_eq!(reason(order(world, "alice buy 1 @ 50")), RejectReason::UnknownLease);
    });
}

#[test]
fn a_lease_is_renewed_by_its_holder_and_taken_over_by_another() {
    in_both(|world| {
        settled(world, renew(1, false, 1_000));
        order(world, "alice buy 1 @ 50");
        world.now = Timestamp::from_nanos(START + SECOND / 2);
        settled(world, renew(1, false, 1_000));
        assert_eq!(at(world, START + SECOND), []);
        assert_eq!(reason(settled(world, renew(2, false, 1_000))), RejectReason::LeaseTaken);
        assert_eq!(settled(world, renew(2, true, 1_000)), Reply::Accepted { id: START + 2 * SECOND });
        // What the former holder says late changes nothing.
        assert_eq!(reason(settled(world, renew(1, false, 5_000))), RejectReason::LeaseTaken);
        assert_eq!(reason(settled(world, end(1))), RejectReason::LeaseTaken);
        assert_eq!(canceled(world), []);
        assert_eq!(settled(world, end(2)), Reply::Accepted { id: 1 });
        assert_eq!(canceled(world), [(1, GONE)]);
        assert_eq!(reason(settled(world, end(2))), RejectReason::UnknownLease);
        // A new lease of the same name knows nothing of the old one's orders.
        settled(world, renew(3, false, 1_000));
        order(world, "alice buy 1 @ 50");
        assert_eq!(settled(world, end(3)), Reply::Accepted { id: 1 });
    });
}

/// Both have the same position; the order that was to be replaced has filled, so nothing may be placed.
#[test]
fn a_list_that_a_lease_ends_does_not_answer_the_replace_that_came_with_its_end() {
    let limits = Limits { leases_max: 3, ..small_limits() };
    let mut world = World::with(Layout::Split, limits, super::world::rules());
    world.now = Timestamp::from_nanos(START);
    settled(&mut world, renew(1, false, 1_000));
    let legs = ["buy", "5", "@", "90", "|", "sell", "5", "@", "120"];
    let mut list = world.parse_list("alice", "oto", "l", &legs);
    list.legs.iter_mut().for_each(|leg| leg.order.session = SESSION);
    settled(&mut world, Command::NewOrderList(list));
    assert_eq!(world.play("alice buy 1 @ 94"), "accepted 3, rests 3 1");
    let sell = world.parse_order(&["bob", "sell", "1", "@", "94"]);
    world.ask(Command::NewOrder(sell));
    world.carry(0, 1, 10);
    let order = world.parse_order(&["alice", "buy", "1", "@", "80"]);
    world.now = Timestamp::from_nanos(START + SECOND);
    world.private.clear();
    let reply = world.ask(replace(3, CancelRestriction::None, ReplaceMode::StopOnFailure, order));
    assert_eq!(reply, Reply::Accepted { id: 5 });
    world.carry_all();
    world.assert_settled();
    let told = world.told();
    assert!(told.contains("canceled 2 5 Disconnected, done 1"), "{told}");
    assert!(told.ends_with("no TooLateToCancel 3, refused 5 NotAttempted"), "{told}");
}

#[test]
fn leases_have_bounds() {
    in_both(|world| {
        assert_eq!(reason(settled(world, renew(1, false, 99))), RejectReason::BadDuration);
        assert_eq!(reason(settled(world, renew(1, false, 3_600_001))), RejectReason::BadDuration);
        let other = |session| match renew(1, false, 3_600_000) {
            Command::RenewLease(renew) => {
                Command::RenewLease(RenewLease { session: ClientSessionId::new(session), ..renew })
            }
            other => other,
        };
        assert_eq!(reason(settled(world, other(0))), RejectReason::UnknownLease);
        for session in 1..=3 {
            assert!(matches!(settled(world, other(session)), Reply::Accepted { .. }));
        }
        assert_eq!(reason(settled(world, other(4))), RejectReason::TableFull);
        assert!(matches!(settled(world, other(3)), Reply::Accepted { .. }), "it is there already");
    });
}

#[test]
fn a_new_leader_gives_everybody_the_grace() {
    in_both(|world| {
        settled(world, renew(1, false, 1_000));
        order(world, "alice buy 1 @ 50");
        settled(world, arm(2_000));
        world.private.clear();
        let grace = small_limits().lease_grace_ns;
        world.partitions[0].begin_term(Timestamp::from_nanos(START + SECOND / 2));
        let until = START + SECOND / 2 + grace;
        nothing_at(world, until - 1);
        assert_eq!(at(world, until), [(1, GONE)]);
        assert_eq!(at(world, until + 9 * SECOND), [], "the countdown ran out in the same moment");
    });
}

#[test]
fn a_countdown_that_is_not_armed_anew_cancels_the_accounts_orders_of_its_market_once() {
    in_both(|world| {
        world.play("alice buy 1 @ 50");
        world.play("alice sell 1 @ 60");
        world.play("bob buy 1 @ 50");
        assert_eq!(settled(world, arm(1_000)), Reply::Accepted { id: START + SECOND });
        world.now = Timestamp::from_nanos(START + SECOND / 2);
        assert_eq!(settled(world, arm(1_000)), Reply::Accepted { id: START + SECOND * 3 / 2 });
        world.private.clear();
        assert_eq!(at(world, START + SECOND), []);
        assert_eq!(at(world, START + SECOND * 3 / 2), [(1, CancelCause::Countdown), (2, CancelCause::Countdown)]);
        world.play("alice buy 1 @ 50");
        world.private.clear();
        assert_eq!(at(world, START + 9 * SECOND), []);
        settled(world, arm(1_000));
        assert_eq!(settled(world, arm(0)), Reply::Accepted { id: 0 });
        world.private.clear();
        assert_eq!(at(world, START + 99 * SECOND), [], "it was disarmed");
        assert_eq!(reason(settled(world, arm(86_400_001))), RejectReason::BadDuration);
    });
}

#[test]
fn more_leases_than_one_command_may_end_are_ended_by_the_next_ones() {
    let limits = Limits { leases_max: 200, ..small_limits() };
    let mut world = World::with(Layout::Joint, limits, super::world::rules());
    world.now = Timestamp::from_nanos(START);
    for session in 1..=100 {
        let account = World::account(if session <= 50 { "alice" } else { "bob" });
        let session = ClientSessionId::new(session);
        settled(
            &mut world,
            Command::RenewLease(RenewLease { account, session, holder: 1, takes_over: false, lease_ms: 100 }),
        );
    }
    let ended = |world: &World| world.private.iter().filter(|e| matches!(e, Event::LeaseChanged(_))).count();
    world.private.clear();
    world.now = Timestamp::from_nanos(START + SECOND);
    world.tick();
    assert_eq!(ended(&world), 64);
    assert_eq!(world.partitions[0].next_deadline(), Some(Timestamp::from_nanos(START + SECOND + 1)));
    world.restart(0);
    world.now = Timestamp::from_nanos(START + SECOND + 1);
    world.tick();
    assert_eq!(ended(&world), 100);
    assert_eq!(world.partitions[0].next_deadline(), None);
}

#[test]
fn the_orders_of_a_session_are_canceled_on_request() {
    in_both(|world| {
        settled(world, renew(1, false, 60_000));
        order(world, "alice buy 1 @ 50");
        world.play("alice buy 1 @ 50");
        order(world, "alice sell 1 @ 60");
        world.private.clear();
        let cancel = |sides| {
            let (account, market) = (World::account("alice"), MarketId::new(0));
            Command::MassCancel(MassCancel { account, market, sides, session: SESSION })
        };
        assert_eq!(settled(world, cancel(Sides::Sell)), Reply::Accepted { id: 1 });
        assert_eq!(canceled(world), [(3, CancelCause::MassCancel)]);
        assert_eq!(settled(world, cancel(Sides::Both)), Reply::Accepted { id: 1 });
        assert_eq!(canceled(world), [(1, CancelCause::MassCancel)]);
        assert_eq!(reason(settled(world, cancel(Sides::Both))), RejectReason::NoOpenOrders);
        assert!(matches!(order(world, "alice buy 1 @ 50"), Reply::Accepted { .. }), "the lease lives on");
    });
}
