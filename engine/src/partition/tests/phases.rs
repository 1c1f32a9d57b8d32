//! The phases of a market, what moves it through them, and what each accepts.

use wire::command::{DelistMarket, KillMarket, ReopenMarket, SetMarketSchedule, SetMarketStatus};
use wire::{Command, Event, MarketSchedule, MarketStatus, PhaseCause, RejectReason, ScheduleStep, Timestamp};

use super::world::{Layout, MARKET, World, check, reason};

const SECOND_NS: u64 = 1_000_000_000;

fn set(status: MarketStatus) -> Command {
    Command::SetMarketStatus(SetMarketStatus { market: MARKET, status })
}

fn reopen(cancel_only_s: u64, auction_s: u64) -> Command {
    let (cancel_only_ns, auction_ns) = (cancel_only_s * SECOND_NS, auction_s * SECOND_NS);
    Command::ReopenMarket(ReopenMarket { market: MARKET, cancel_only_ns, auction_ns })
}

fn follow(steps: &[(u32, MarketStatus)]) -> Command {
    let mut schedule = MarketSchedule::EMPTY;
    for (step, (second, status)) in schedule.steps.iter_mut().zip(steps) {
        *step = ScheduleStep { weekdays: 127, second: *second, status: *status };
    }
    Command::SetMarketSchedule(SetMarketSchedule { market: MARKET, schedule })
}

/// The phases told since the last look: the market's with their causes, then the ledger's copy.
fn phases(world: &mut World) -> (Vec<(MarketStatus, PhaseCause)>, Vec<MarketStatus>) {
    let market = world.public.drain(..).filter_map(|event| match event {
        Event::PhaseChanged(e) => Some((e.status, e.cause)),
        _ => None,
    });
    let market = market.collect();
    let ledger = world.private.drain(..).filter_map(|event| match event {
        Event::MarketStatusChanged(e) => Some(e.status),
        _ => None,
    });
    (market, ledger.collect())
}

fn at(world: &mut World, second: u64) {
    world.now = Timestamp::from_nanos(second * SECOND_NS);
    world.pass_time();
}

#[test]
fn each_phase_takes_what_its_table_says() {
    use MarketStatus::{Auction, CancelOnly, Closed, Halted, PostOnly, PreOpen, Trading};
    let orders = [
        "bob buy 1 @ 90",
        "bob buy 1 @ 100",
        "bob buy 1 @ 90 ioc",
        "bob buy 1 market 120",
        "bob buy 1 @ 90 maker-only",
    ];
    let closed = ["no MarketClosed"; 5];
    let no = "no NotInAuction";
    let collecting = ["accepted 2, rests 2 1", "accepted 3, rests 3 1", no, no, no];
    let expected = [
        (
            Trading,
            [
                "accepted 2, rests 2 1",
                "accepted 3, filled 3 1@100, fill 1 1@100",
                "accepted 4, expired 4 1 TimeInForce",
                "accepted 5, filled 5 1@100, fill 1 1@100",
                "accepted 6, rests 6 1",
            ],
        ),
        (
            PostOnly,
            [
                "accepted 2, rests 2 1",
                "refused 3 WouldTake",
                "no PostOnlyPhase",
                "no PostOnlyPhase",
                "accepted 4, rests 4 1",
            ],
        ),
        (PreOpen, collecting),
        (Auction, collecting),
        (CancelOnly, closed),
        (Halted, closed),
        (Closed, closed),
    ];
    for layout in [Layout::Joint, Layout::Split] {
        for (status, told) in expected {
            let mut world = World::new(layout);
            world.play("alice sell 5 @ 100");
            world.settle(set(status));
            world.restart_all();
            for (order, told) in orders.iter().zip(told) {
                assert_eq!(world.play(order), told, "{status:?} {order}");
            }
            assert!(world.play("alice cancel 1").starts_with("canceled 1"), "cancels pass in {status:?}");
            world.assert_settled();
        }
    }
}

#[test]
fn the_market_and_the_ledger_tell_each_change_of_phase_once() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        world.settle(set(MarketStatus::Halted));
        let halted = (vec![(MarketStatus::Halted, PhaseCause::Operator)], vec![MarketStatus::Halted]);
        assert_eq!(phases(&mut world), halted);
        world.settle(set(MarketStatus::Halted));
        assert_eq!(phases(&mut world), (vec![], vec![MarketStatus::Halted]), "a word that changes nothing is answered");
        assert_eq!(reason(world.settle(set(MarketStatus::Delisted))), RejectReason::BadPhase);
        assert_eq!(phases(&mut world), (vec![], vec![]));
    }
}

#[test]
fn a_market_reopens_by_cancel_only_then_auction_then_trading() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        world.settle(set(MarketStatus::Halted));
        at(&mut world, 10);
        world.settle(reopen(30, 60));
        phases(&mut world);
        at(&mut world, 39);
        assert_eq!(phases(&mut world), (vec![], vec![]));
        world.restart_all();
        at(&mut world, 40);
        assert_eq!(phases(&mut world), (vec![(MarketStatus::Auction, PhaseCause::Plan)], vec![MarketStatus::Auction]));
        at(&mut world, 99);
        assert_eq!(phases(&mut world), (vec![], vec![]));
        world.restart_all();
        at(&mut world, 100);
        assert_eq!(phases(&mut world), (vec![(MarketStatus::Trading, PhaseCause::Plan)], vec![MarketStatus::Trading]));
        assert_eq!(world.play("bob buy 1 @ 90"), "accepted 1, rests 1 1");

        world.settle(reopen(0, 5));
        let (market, _) = phases(&mut world);
        assert_eq!(market, [(MarketStatus::Auction, PhaseCause::Operator)], "it may begin with the auction");
        world.settle(set(MarketStatus::CancelOnly));
        phases(&mut world);
        at(&mut world, 1_000);
        assert_eq!(phases(&mut world), (vec![], vec![]), "an operator's word ends the plan");
    }
}

/// The ledger hears of the working order's fill and places what waited; where it is elsewhere, that takes a while.
#[test]
fn stops_that_an_auction_makes_due_meet_the_book_before_what_its_fills_activate_in_every_layout() {
    let [joint, split] = [Layout::Joint, Layout::Split].map(|layout| {
        let mut world = World::new(layout);
        let orders = ["alice sell 1 @ 100", "bob buy 1 @ 100", "bob sell 1 stop-loss 96 @ 120"];
        assert_eq!(orders.map(|order| world.play(order))[2], "accepted 3, armed 3");
        world.settle(reopen(0, 5));
        world.play("alice oto l | buy 5 @ 90 | sell 5 @ 120");
        world.play("bob sell 5 @ 90");
        world.play("wait 5");
        world.play("tick")
    });
    assert_eq!(joint, split);
    let at = |what: &str| joint.find(what).unwrap_or_else(|| panic!("{what}: {joint}"));
    assert!(at("rests 3 1") < at("rests 5 5"), "{joint}");
}

/// As after a quarantine: the market accepts cancels alone already when it is reopened.
#[test]
fn a_phase_that_stays_and_gets_another_end_is_told_again() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        at(&mut world, 10);
        let ends = |world: &mut World, command| {
            world.settle(command);
            world.restart_all();
            let told = world.public.drain(..).filter_map(|event| match event {
                Event::PhaseChanged(e) => Some((e.number, e.status, e.until.nanos() / SECOND_NS)),
                _ => None,
            });
            told.collect::<Vec<_>>()
        };
        let told = [
            ends(&mut world, set(MarketStatus::CancelOnly)),
            ends(&mut world, reopen(30, 60)),
            ends(&mut world, reopen(30, 90)),
            ends(&mut world, set(MarketStatus::CancelOnly)),
            ends(&mut world, set(MarketStatus::CancelOnly)),
        ];
        let status = MarketStatus::CancelOnly;
        let expected = [vec![(1, status, 0)], vec![(2, status, 40)], vec![], vec![(3, status, 0)], vec![]];
        assert_eq!(told, expected, "{layout:?}");
    }
}

#[test]
fn durations_of_a_reopening_are_bounded() {
    let mut world = World::new(Layout::Joint);
    let week = 7 * 86_400;
    assert_eq!(reason(world.settle(reopen(5, 0))), RejectReason::BadPhase);
    assert_eq!(reason(world.settle(reopen(week + 1, 1))), RejectReason::BadPhase);
    assert_eq!(reason(world.settle(reopen(1, week + 1))), RejectReason::BadPhase);
    assert_eq!(phases(&mut world), (vec![], vec![]));
    world.settle(reopen(week, week));
    assert_eq!(phases(&mut world).1, [MarketStatus::CancelOnly]);
}

#[test]
fn a_schedule_opens_and_closes_the_market_every_day() {
    use MarketStatus::{Closed, PostOnly, Trading};
    let day = 86_400;
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        at(&mut world, 10 * day);
        world.settle(follow(&[(100, PostOnly), (200, Trading), (300, Closed)]));
        for (second, status) in [(100, PostOnly), (200, Trading), (300, Closed)] {
            at(&mut world, 10 * day + second - 1);
            assert_eq!(phases(&mut world).0, []);
            world.restart_all();
            at(&mut world, 10 * day + second);
            if second == 200 {
                assert_eq!(phases(&mut world), (vec![(Trading, PhaseCause::Schedule)], vec![Trading]));
            } else {
                assert_eq!(phases(&mut world).0, [(status, PhaseCause::Schedule)]);
            }
        }
        at(&mut world, 13 * day + 250);
        let skipped = (vec![(Trading, PhaseCause::Schedule)], vec![Trading]);
        assert_eq!(phases(&mut world), skipped, "of steps that are overdue the last takes effect");

        world.settle(set(MarketStatus::Halted));
        phases(&mut world);
        at(&mut world, 14 * day + 250);
        assert_eq!(phases(&mut world), (vec![], vec![]), "the schedule does not end a halt");
        world.settle(set(Trading));
        phases(&mut world);
        at(&mut world, 14 * day + 300);
        assert_eq!(phases(&mut world).0, [(Closed, PhaseCause::Schedule)]);

        world.settle(follow(&[]));
        at(&mut world, 15 * day + 250);
        assert_eq!(phases(&mut world), (vec![], vec![]), "an empty schedule leaves the market to operators");
        assert_eq!(reason(world.settle(follow(&[(5, Trading), (5, Closed)]))), RejectReason::BadSchedule);
    }
}

#[test]
fn a_step_of_the_schedule_ends_a_plan_and_a_plan_due_at_the_same_time_comes_first() {
    use MarketStatus::{Auction, Closed, PostOnly};
    let day = 86_400;
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        at(&mut world, 10 * day);
        world.settle(follow(&[(100, Closed), (200, PostOnly)]));
        world.settle(reopen(100, 50));
        phases(&mut world);
        at(&mut world, 10 * day + 199);
        let told = vec![(Auction, PhaseCause::Plan), (Closed, PhaseCause::Schedule)];
        assert_eq!(phases(&mut world).0, told, "and the plan's trading never comes");
    }
}

#[test]
fn a_kill_switch_halts_at_once_and_may_cancel_everything() {
    for layout in [Layout::Joint, Layout::Split] {
        for cancel_orders in [false, true] {
            let mut world = World::new(layout);
            for number in 0..10 {
                world.play(&format!("alice sell 1 @ {}", 100 + number % 3 * 2));
                world.play("carol buy 1 @ 80");
            }
            world.settle(reopen(5, 5));
            phases(&mut world);
            world.ask(Command::KillMarket(KillMarket { market: MARKET, cancel_orders }));
            let canceled =
                |world: &World| world.private.iter().filter(|e| matches!(e, Event::OrderCanceled(_))).count();
            assert!(canceled(&world) <= 8, "no more in one command than fills");
            assert!(world.play("bob buy 1 @ 200").ends_with("no MarketClosed"), "the very next command meets it");
            world.restart_all();
            world.pass_time();
            world.assert_settled();
            if cancel_orders {
                assert_eq!(world.play("alice has"), "1000+0 base, 100000+0 quote");
                assert_eq!(world.play("carol has"), "1000+0 base, 100000+0 quote");
                assert_eq!(world.play("alice cancel all"), "no NoOpenOrders");
            } else {
                assert_eq!(world.play("alice has"), "990+10 base, 100000+0 quote");
            }
            at(&mut world, 100);
            assert!(phases(&mut world).0.iter().all(|(status, _)| *status == MarketStatus::Halted));
            world.settle(set(MarketStatus::Trading));
            assert!(world.play("bob buy 1 @ 70").contains("rests"));
        }
    }
}

#[test]
fn orders_wait_for_a_change_that_takes_several_commands_and_cancels_pass() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        for _ in 0..12 {
            world.play("alice sell 1 @ 100");
            world.play("carol sell 1 @ 100");
        }
        world.ask(Command::KillMarket(KillMarket { market: MARKET, cancel_orders: true }));
        world.ask(set(MarketStatus::Trading));
        world.carry_all();
        world.private.clear();
        assert!(world.play_at_once("bob buy 1 @ 200").contains("refused 25 MarketChanging"));
        assert!(world.play_at_once("carol cancel 24").contains("canceled 24 1 Requested"));
        world.pass_time();
        assert_eq!(world.play("bob buy 1 @ 200"), "accepted 26, rests 26 1");
        world.assert_settled();
    }
}

#[test]
fn a_report_that_crosses_an_operators_word_is_void() {
    let mut world = World::new(Layout::Split);
    at(&mut world, 10);
    world.settle(reopen(5, 5));
    phases(&mut world);
    // The market goes to the auction while the operator closes it.
    world.now = Timestamp::from_nanos(15 * SECOND_NS);
    world.tick();
    world.ask(set(MarketStatus::Closed));
    world.carry_all();
    let (market, ledger) = phases(&mut world);
    assert_eq!(market, [(MarketStatus::Auction, PhaseCause::Plan), (MarketStatus::Closed, PhaseCause::Operator)]);
    assert_eq!(ledger, [MarketStatus::Closed]);
    world.assert_settled();
}

#[test]
fn day_orders_end_with_the_session_and_others_stay() {
    check(
        "alice sell 5 @ 100           -> accepted 1, rests 1 5
         alice sell 5 @ 102 day       -> accepted 2, rests 2 5
         bob buy 5 @ 90 day           -> accepted 3, rests 3 5
         phase halted
         phase closed                 -> expired 2 5 Expired, expired 3 5 Expired
         alice has                    -> 995+5 base, 100000+0 quote
         bob has                      -> 1000+0 base, 100000+0 quote
         phase trading
         bob buy 5 @ 104              -> accepted 4, filled 4 5@100, filled 1 5@100",
    );
}

#[test]
fn a_session_ends_with_its_auction_and_then_with_its_day_orders() {
    check(
        "phase auction
         alice sell 5 @ 100 day       -> accepted 1, rests 1 5
         bob buy 3 @ 100 day          -> accepted 2, rests 2 3
         phase closed                 -> filled 2 3@100, fill 1 3@100, expired 1 2 Expired",
    );
}

/// Its last depth window is open still when the schedule's next step is due.
#[test]
fn no_schedule_moves_a_market_that_is_delisted() {
    let day = 86_400;
    for layout in [Layout::Joint, Layout::Split] {
        for orders in [1, 12] {
            let mut world = World::new(layout);
            at(&mut world, 10 * day);
            world.settle(follow(&[(100, MarketStatus::PostOnly), (200, MarketStatus::Trading)]));
            at(&mut world, 10 * day + 100);
            for _ in 0..orders {
                world.play("alice sell 1 @ 100");
            }
            world.now = Timestamp::from_nanos((10 * day + 200) * SECOND_NS - 50_000_000);
            world.pass_time();
            phases(&mut world);
            world.ask(Command::DelistMarket(DelistMarket { market: MARKET }));
            world.carry_all();
            world.now = Timestamp::from_nanos((10 * day + 200) * SECOND_NS);
            world.pass_time();
            let told = (vec![(MarketStatus::Delisted, PhaseCause::Operator)], vec![MarketStatus::Delisted]);
            assert_eq!(phases(&mut world), told, "{layout:?}, {orders} orders");
            assert_eq!(world.play("bob buy 1 @ 90"), "no MarketDelisted");
            world.assert_settled();
        }
    }
}
