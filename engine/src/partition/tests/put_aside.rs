//! Commands and mails that are put aside.

use wire::command::{AmendOrder, CountdownCancel, RenewLease, Reply, SetMarketSchedule, Tick};
use wire::{
    ClientOrderId, ClientSessionId, Command, Event, LogPosition, MailSequence, MarketSchedule, MarketStatus, OrderId,
    RejectReason, ScheduleStep, Timestamp,
};

use super::super::put_aside::{TIMED, timed};
use super::world::{Layout, MARKET, World, qty};
use crate::Output;

fn order(world: &mut World, words: &str) -> Command {
    Command::NewOrder(world.parse_order(&words.split_whitespace().collect::<Vec<_>>()))
}

fn is_closed(events: &[Event]) -> bool {
    events.iter().any(|event| {
        matches!(event, Event::MarketStatusChanged(e) if e.market == MARKET && e.status == MarketStatus::CancelOnly)
    })
}

#[test]
fn a_command_that_is_put_aside_changes_nothing_but_its_market() {
    let mut world = World::new(Layout::Joint);
    world.play("alice sell 5 @ 100");
    let poison = order(&mut world, "bob buy 5 @ 100");
    let mut out = Output::default();
    let position = LogPosition::new(1_000);
    world.partitions[0].apply_without(position, world.now, &poison, &[0], &mut out);
    assert_eq!(out.reply, Reply::Rejected { reason: RejectReason::Quarantined, id: 0 });
    assert!(is_closed(&out.events));
    let told = out.events.iter().find_map(|event| match event {
        Event::CommandQuarantined(e) => Some((e.position, e.market)),
        _ => None,
    });
    assert_eq!(told, Some((position, MARKET)));
    world.restart(0);
    assert_eq!(world.play("bob has"), "1000+0 base, 100000+0 quote");
    assert_eq!(world.play("bob buy 5 @ 100"), "no MarketClosed");
    assert_eq!(world.play("alice cancel 1"), "canceled 1 5 Requested");
    world.assert_settled();
}

#[test]
fn a_mail_that_is_put_aside_is_refused_and_the_others_of_its_batch_are_applied() {
    let mut world = World::new(Layout::Split);
    for words in ["alice sell 5 @ 100", "bob buy 3 @ 100", "carol buy 2 @ 100"] {
        let order = order(&mut world, words);
        assert!(matches!(world.ask(order), Reply::Accepted { .. }));
    }
    world.private.clear();
    let batch = world.partitions[0].deliver_mail(wire::PartitionId::new(2), MailSequence::ZERO, 4_096).unwrap();
    // The market's creation and status are behind it; the second order is the last mail but one.
    let step = batch.mail.len() as u32 - 1;
    let mut out = Output::default();
    let position = LogPosition::new(1_000);
    world.partitions[1].apply_without(position, world.now, &Command::DeliverMail(batch), &[step], &mut out);
    assert_eq!(out.reply, Reply::Accepted { id: 0 });
    let traded: Vec<i64> =
        out.events.iter().filter_map(|e| if let Event::Traded(e) = e { Some(e.qty.units()) } else { None }).collect();
    assert_eq!(traded, [qty(2).units()], "carol's order traded, bob's was put aside");
    world.restart(1);
    world.carry_all();
    assert!(is_closed(&world.private));
    let refused = world.private.iter().find_map(|event| match event {
        Event::OrderRejected(e) => Some((e.order.get(), e.reason)),
        _ => None,
    });
    assert_eq!(refused, Some((2, RejectReason::Quarantined)));
    world.assert_settled();
    assert_eq!(world.play("bob has"), "1000+0 base, 100000+0 quote");
    assert_eq!(world.play("bob buy 5 @ 100"), "no MarketClosed");
}

/// The schedule does not know why the market is closed.
#[test]
fn no_schedule_ends_a_quarantine_and_an_operator_does() {
    for layout in [Layout::Joint, Layout::Split] {
        for before in ["trading", "closed"] {
            let mut world = World::new(layout);
            let day = 86_400_000_000_000;
            world.now = Timestamp::from_nanos(10 * day);
            let mut schedule = MarketSchedule::EMPTY;
            let steps = [(100, MarketStatus::Trading), (200, MarketStatus::PostOnly)];
            for (step, (second, status)) in schedule.steps.iter_mut().zip(steps) {
                *step = ScheduleStep { weekdays: 127, second, status };
            }
            world.settle(Command::SetMarketSchedule(SetMarketSchedule { market: MARKET, schedule }));
            world.play(&format!("phase {before}"));
            let poison = order(&mut world, "bob buy 5 @ 100");
            let mut out = Output::default();
            world.partitions[0].apply_without(LogPosition::new(1_000), world.now, &poison, &[0], &mut out);
            world.carry_all();
            world.restart_all();
            world.now = Timestamp::from_nanos(10 * day + 150_000_000_000);
            world.pass_time();
            assert_eq!(world.play("bob buy 5 @ 90"), "no MarketClosed", "{layout:?}, {before}");
            world.restart_all();
            world.play("phase trading");
            assert_eq!(world.play("bob buy 5 @ 90"), "accepted 1, rests 1 5", "{layout:?}, {before}");
            world.now = Timestamp::from_nanos(10 * day + 200_000_000_000);
            world.pass_time();
            assert_eq!(world.play("bob buy 5 @ 90 ioc"), "no PostOnlyPhase", "{layout:?}, {before}");
            world.assert_settled();
        }
    }
}

/// What is due would panic again with every command that follows.
#[test]
fn timed_work_that_is_put_aside_waits_for_an_operator() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        world.play("alice sell 5 @ 100 gtd 10");
        world.play("bob buy 5 @ 90");
        world.now = world.now.plus_nanos(10_000_000_000);
        let at = if layout == Layout::Joint { 0 } else { 1 };
        let mut out = Output::default();
        let position = LogPosition::new(1_000);
        world.private.clear();
        world.partitions[at].apply_without(position, world.now, &Command::Tick(Tick), &[timed(MARKET)], &mut out);
        assert!(out.events.iter().any(|event| matches!(event, Event::CommandQuarantined(e) if e.market == MARKET)));
        world.private.extend(out.events);
        world.carry_all();
        assert!(is_closed(&world.private), "{layout:?}");
        world.restart(at);
        world.now = world.now.plus_nanos(1_000_000_000);
        world.tick();
        world.carry_all();
        assert_eq!(world.partitions[at].next_deadline(), None, "nothing is asked for again and again");
        assert_eq!(world.play("bob cancel 2"), "canceled 2 5 Requested", "{layout:?}");
        assert_eq!(world.play("bob buy 5 @ 100"), "no MarketClosed");
        assert_eq!(world.play("phase cancelonly"), "", "{layout:?}");
        assert_eq!(world.play("phase trading"), "expired 1 5 Expired", "{layout:?}");
        world.assert_settled();
        assert_eq!(world.play("alice has"), "1000+0 base, 100000+0 quote");
    }
}

#[test]
fn leases_and_countdowns_whose_end_is_put_aside_are_gone_and_their_orders_stay() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        let (account, session) = (World::account("alice"), ClientSessionId::new(7));
        let renew = RenewLease { account, session, holder: 1, takes_over: false, lease_ms: 1_000 };
        world.settle(Command::RenewLease(renew));
        world.settle(Command::CountdownCancel(CountdownCancel { account, market: MARKET, countdown_ms: 1_000 }));
        let order = world.parse_order(&["alice", "sell", "5", "@", "100"]);
        world.settle(Command::NewOrder(wire::command::NewOrder { session, ..order }));
        world.now = world.now.plus_nanos(1_000_000_000);
        let mut out = Output::default();
        world.partitions[0].apply_without(LogPosition::new(1_000), world.now, &Command::Tick(Tick), &[TIMED], &mut out);
        let told: Vec<&Event> =
            out.events.iter().filter(|event| !matches!(event, Event::DepthWindowClosed(_))).collect();
        assert!(
            matches!(
                told[..],
                [Event::CommandQuarantined(_), Event::LeaseChanged(lease), Event::CountdownChanged(countdown)]
                if lease.canceling == 0 && lease.expires == Timestamp::ZERO && !countdown.has_elapsed
            ),
            "{told:?}"
        );
        world.restart_all();
        world.private.clear();
        world.tick();
        world.carry_all();
        assert_eq!(world.told(), "");
        assert_eq!(world.play("alice cancel 1"), "canceled 1 5 Requested");
        world.assert_settled();
    }
}

#[test]
fn an_order_can_be_amended_again_after_the_answer_to_an_amend_was_put_aside() {
    let mut world = World::new(Layout::Split);
    world.play("alice sell 5 @ 100");
    let amend = AmendOrder {
        account: World::account("alice"),
        market: MARKET,
        order: OrderId::new(1),
        client_order_id: ClientOrderId::EMPTY,
        qty: qty(4),
        new_client_order_id: ClientOrderId::new(b"smaller").unwrap(),
        asked_us: 0,
    };
    world.ask(Command::AmendOrder(Box::new(amend)));
    world.carry(0, 1, 100);
    let (market, seen) = (wire::PartitionId::new(2), world.partitions[0].received(wire::PartitionId::new(2)));
    let answer = world.partitions[1].deliver_mail(wire::PartitionId::new(1), seen.unwrap().1, 100).unwrap();
    assert_eq!((answer.from, answer.mail.len()), (market, 1));
    let mut out = Output::default();
    let position = LogPosition::new(1_000);
    world.partitions[0].apply_without(position, world.now, &Command::DeliverMail(answer), &[1], &mut out);
    let rejected = |event: &Event| matches!(event, Event::AmendRejected(e) if e.reason == RejectReason::Quarantined);
    assert!(out.events.iter().any(rejected), "{:?}", out.events);
    world.carry_all();
    world.restart_all();
    world.play("phase trading");
    // The market has four of it, the ledger thinks of five: what an amend takes away is the difference.
    let again = AmendOrder { qty: qty(3), ..amend };
    world.settle(Command::AmendOrder(Box::new(again)));
    assert!(world.private.iter().any(|event| matches!(event, Event::OrderAmended(e) if e.leaves == qty(2))));
    assert_eq!(world.play("alice cancel smaller"), "canceled 1 2 Requested");
    assert_eq!(world.play("alice has"), "1000+0 base, 100000+0 quote");
}
