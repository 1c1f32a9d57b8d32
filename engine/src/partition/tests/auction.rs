//! Call auctions: orders collect, then those that cross trade at one price.

use wire::command::{CancelOrder, KillMarket, SetMarketStatus};
use wire::{CancelRestriction, ClientOrderId, Command, Event, MarketStatus, OrderId, Price, Timestamp};

use super::world::{Layout, MARKET, World, check, rules, small_limits};
use crate::Limits;

fn set(status: MarketStatus) -> Command {
    Command::SetMarketStatus(SetMarketStatus { market: MARKET, status })
}

/// What markets told of auctions since the last look: indications `~5@100 +3`, completions `=5@100`, phases.
fn told(world: &mut World) -> String {
    let told = world.public.drain(..).filter_map(|event| match event {
        Event::AuctionIndicated(e) => {
            let price = e.price.map_or("none".into(), |price: Price| price.units().to_string());
            Some(format!("~{}@{price} {:+}", e.qty.units(), e.surplus))
        }
        Event::AuctionCompleted(e) => Some(format!("={}@{}", e.qty.units(), e.price.units())),
        Event::PhaseChanged(e) => Some(format!("{:?}", e.status)),
        _ => None,
    });
    told.collect::<Vec<_>>().join(", ")
}

#[test]
fn orders_collect_without_matching_and_trade_at_one_price() {
    check(
        "phase auction
         bob buy 10 @ 110             -> accepted 1, rests 1 10
         alice sell 4 @ 90            -> accepted 2, rests 2 4
         alice sell 6 @ 100           -> accepted 3, rests 3 6
         bob has                      -> 1000+0 base, 98900+1100 quote
         phase trading                -> fill 1 4@104, filled 2 4@104, filled 1 6@104, filled 3 6@104
         bob has                      -> 1010+0 base, 98960+0 quote
         alice has                    -> 990+0 base, 101040+0 quote",
    );
}

#[test]
fn a_buyer_pays_the_auctions_price_and_gets_the_rest_of_its_hold_back() {
    check(
        "phase auction
         bob buy 10 @ 110             -> accepted 1, rests 1 10
         bob buy 5 @ 104              -> accepted 2, rests 2 5
         alice sell 12 @ 100          -> accepted 3, rests 3 12
         phase trading                -> filled 1 10@104, fill 3 10@104, fill 2 2@104, filled 3 2@104
         bob has                      -> 1012+0 base, 98440+312 quote
         alice has                    -> 988+0 base, 101248+0 quote
         alice sell 3 @ 104           -> accepted 4, filled 4 3@104, filled 2 3@104",
    );
}

#[test]
fn without_a_clear_price_the_last_trade_decides() {
    check(
        "alice sell 1 @ 96            -> accepted 1, rests 1 1
         bob buy 1 @ 96               -> accepted 2, filled 2 1@96, filled 1 1@96
         phase auction
         bob buy 10 @ 110             -> accepted 3, rests 3 10
         alice sell 10 @ 90           -> accepted 4, rests 4 10
         phase trading                -> filled 3 10@96, filled 4 10@96",
    );
}

#[test]
fn fees_follow_when_an_order_came() {
    check(
        "carol buy 10 @ 100           -> accepted 1, rests 1 10
         phase auction
         carol sell 100 @ 100         -> accepted 2, rests 2 100
         bob buy 90 @ 100             -> accepted 3, rests 3 90
         phase trading                -> fill 2 10@100 fee 20, filled 1 10@100 fee 1, filled 3 90@100, filled 2 90@100 fee 180",
    );
}

#[test]
fn orders_of_one_account_may_trade_with_each_other() {
    check(
        "phase preopen
         bob buy 5 @ 100 stp-both     -> accepted 1, rests 1 5
         bob sell 5 @ 100 stp-both    -> accepted 2, rests 2 5
         phase trading                -> filled 1 5@100, filled 2 5@100
         bob has                      -> 1000+0 base, 100000+0 quote",
    );
}

#[test]
fn a_session_may_end_with_an_auction_and_begin_with_one() {
    check(
        "phase auction
         bob buy 5 @ 100              -> accepted 1, rests 1 5
         alice sell 3 @ 100           -> accepted 2, rests 2 3
         phase closed                 -> fill 1 3@100, filled 2 3@100
         phase preopen
         alice sell 2 @ 98            -> accepted 3, rests 3 2
         phase closed
         phase cancelonly
         phase postonly               -> filled 3 2@100, filled 1 2@100",
    );
}

#[test]
fn a_halt_breaks_an_auction_off_and_trading_begins_with_another() {
    check(
        "phase auction
         bob buy 5 @ 100              -> accepted 1, rests 1 5
         alice sell 5 @ 96            -> accepted 2, rests 2 5
         phase halted
         bob cancel 1                 -> canceled 1 5 Requested
         phase preopen
         bob buy 5 @ 98               -> accepted 3, rests 3 5
         phase trading                -> filled 3 5@96, filled 2 5@96",
    );
}

#[test]
fn what_an_auction_would_come_to_is_told_once_a_window_when_it_changes() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        world.settle(set(MarketStatus::PreOpen));
        let mut window = 10;
        let mut next_window = |world: &mut World| {
            window += 1;
            world.now = Timestamp::from_nanos(window * 1_000_000_000);
            world.pass_time();
            world.restart_all();
            told(world)
        };
        assert_eq!(next_window(&mut world), "PreOpen");
        world.play("bob buy 10 @ 104");
        assert_eq!(next_window(&mut world), "", "nothing crosses");
        world.play("alice sell 4 @ 100");
        world.play("alice sell 3 @ 100");
        assert_eq!(told(&mut world), "", "at most once a window");
        assert_eq!(next_window(&mut world), "~7@104 +3");
        world.play("alice sell 1 @ 106");
        assert_eq!(next_window(&mut world), "", "what does not change is not told");
        world.settle(set(MarketStatus::Auction));
        assert_eq!(told(&mut world), "Auction");
        world.play("bob cancel 1");
        assert_eq!(next_window(&mut world), "~0@none +0");
        world.play("bob buy 1 @ 102");
        world.settle(set(MarketStatus::Halted));
        assert_eq!(told(&mut world), "Halted");
        world.settle(set(MarketStatus::Auction));
        assert_eq!(told(&mut world), "Auction, ~1@100 -6", "and at once where the book crosses already");
        world.settle(set(MarketStatus::Trading));
        assert_eq!(told(&mut world), "=1@100, Trading");
        assert_eq!(next_window(&mut world), "");
    }
}

#[test]
fn trades_say_that_they_are_an_auctions_and_levels_follow_them() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        for step in ["phase auction", "bob buy 5 @ 104", "bob buy 5 @ 102", "alice sell 7 @ 100", "carol sell 1 @ 102"]
        {
            world.play(step);
        }
        world.public.clear();
        world.play("phase trading");
        let told: Vec<String> = (world.public.drain(..))
            .filter_map(|event| match event {
                Event::Traded(e) => {
                    assert!(e.is_auction);
                    Some(format!("{}@{} {:?} {} {}", e.qty.units(), e.price.units(), e.taker_side, e.taker, e.maker))
                }
                Event::LevelChanged(e) => Some(format!("{:?} {} {}", e.side, e.price.units(), e.qty.units())),
                Event::AuctionCompleted(_) => Some("done".into()),
                _ => None,
            })
            .collect();
        let expected = [
            "5@102 Sell 3 1",
            "Buy 104 0",
            "2@102 Sell 3 2",
            "Sell 100 0",
            "1@102 Sell 4 2",
            "Sell 102 0",
            "Buy 102 2",
            "done",
        ];
        assert_eq!(told, expected);
        world.play("alice sell 1 @ 102");
        assert!(world.public.iter().any(|event| matches!(event, Event::Traded(e) if !e.is_auction)));
    }
}

/// A book of sixteen crossing orders a side, in an auction.
fn crowded(layout: Layout) -> World {
    let mut world = World::new(layout);
    world.play("phase auction");
    for _ in 0..8 {
        for who in ["alice", "carol"] {
            world.play(&format!("{who} sell 1 @ 100"));
        }
        for _ in 0..2 {
            world.play("bob buy 1 @ 100");
        }
    }
    world
}

#[test]
fn an_uncrossing_takes_as_many_commands_as_it_needs() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = crowded(layout);
        world.public.clear();
        world.ask(set(MarketStatus::Trading));
        world.carry_all();
        let trades = |world: &World| world.public.iter().filter(|event| matches!(event, Event::Traded(_))).count();
        assert_eq!(trades(&world), 8, "as many as one order may cause");
        assert!(!world.public.iter().any(|event| matches!(event, Event::PhaseChanged(_))));
        world.restart_all();
        assert!(world.play_at_once("carol sell 1 @ 90").ends_with("MarketChanging"), "new orders wait");
        assert!(world.play_at_once("carol cancel 30").contains("canceled 30"), "cancels do not");
        world.pass_time();
        world.assert_settled();
        assert_eq!(trades(&world), 15);
        assert!(told(&mut world).ends_with("=15@100, Trading"), "{layout:?}");
        assert_eq!(world.play("bob cancel all").split(", ").count(), 2, "one is left over, and the end");
    }
}

#[test]
fn a_kill_switch_stops_an_uncrossing() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = crowded(layout);
        world.ask(set(MarketStatus::Trading));
        world.settle(Command::KillMarket(KillMarket { market: MARKET, cancel_orders: true }));
        world.assert_settled();
        let trades = world.public.iter().filter(|event| matches!(event, Event::Traded(_))).count();
        assert_eq!(trades, 8);
        assert!(told(&mut world).ends_with("Halted"));
        assert_eq!(world.play("bob cancel all"), "no NoOpenOrders");
    }
}

#[test]
fn an_uncrossing_waits_for_room_in_the_outbox() {
    let limits = Limits { owed_replies_max: 30, ..small_limits() };
    let mut world = World::with(Layout::Split, limits, rules());
    world.play("phase auction");
    for number in 0..10 {
        let (who, side) = if number % 2 == 0 { ("alice", "sell") } else { ("bob", "buy") };
        let order = world.parse_order(&[who, side, "1", "@", "100"]);
        world.ask(Command::NewOrder(order));
        world.carry(0, 1, 100);
    }
    // Twelve answers that the ledger has not acknowledged: nineteen more do not fit.
    for (who, order) in [("alice", 9), ("bob", 10)] {
        world.ask(Command::CancelOrder(CancelOrder {
            account: World::account(who),
            market: MARKET,
            order: OrderId::new(order),
            client_order_id: ClientOrderId::EMPTY,
            restriction: CancelRestriction::None,
            new_client_order_id: ClientOrderId::EMPTY,
            asked_us: 0,
        }));
        world.carry(0, 1, 100);
    }
    world.ask(set(MarketStatus::Trading));
    world.carry(0, 1, 100);
    let trades = |world: &World| world.public.iter().filter(|event| matches!(event, Event::Traded(_))).count();
    assert_eq!(trades(&world), 0);
    let retry = world.partitions[1].next_deadline().expect("it tries again");
    assert_eq!(retry, world.now.plus_nanos(10_000_000));
    world.carry_all();
    world.now = retry;
    world.pass_time();
    assert_eq!(trades(&world), 4);
    world.assert_settled();
}

/// What has traded before an operator broke the uncrossing off counts as any trade does.
#[test]
fn stops_and_bands_follow_the_price_of_an_uncrossing_that_is_broken_off() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        world.play("bands 0 10");
        world.play("alice sell 1 @ 96");
        world.play("bob buy 1 @ 96");
        assert_eq!(world.play("carol buy 1 stop-loss 100 @ 110"), "accepted 3, armed 3");
        world.play("phase auction");
        world.play("carol sell 1 @ 108");
        for _ in 0..12 {
            world.play("alice sell 1 @ 100");
            world.play("bob buy 1 @ 100");
        }
        world.ask(set(MarketStatus::Trading));
        world.ask(set(MarketStatus::CancelOnly));
        world.carry_all();
        world.play("alice cancel all");
        world.play("bob cancel all");
        // Nothing crosses any more; 108 lies within the band of 100, not within that of 96.
        let told = world.play("phase trading");
        assert!(told.starts_with("triggered 3, filled 3 1@108"), "{layout:?}: {told}");
        world.assert_settled();
    }
}

/// A price that what shows alone leads to would leave bids behind that cross what an iceberg hides.
#[test]
fn what_icebergs_hide_counts_when_the_price_is_found_so_that_nothing_crosses_after_it() {
    check(
        "phase auction
         bob buy 10 @ 104                 -> accepted 1, rests 1 10
         bob buy 5 @ 102                  -> accepted 2, rests 2 5
         alice sell 20 @ 100 show 5       -> accepted 3, rests 3 20
         phase trading                    -> fill 1 5@100, fill 3 5@100, filled 1 5@100, fill 3 5@100, filled 2 5@100, fill 3 5@100
         bob buy 1 @ 98 maker-only        -> accepted 4, rests 4 1
         bob buy 6 @ 100                  -> accepted 5, fill 5 5@100, filled 3 5@100, rests 5 1
         phase auction
         bob buy 9 @ 106 show 3           -> accepted 6, rests 6 9
         alice sell 4 @ 104               -> accepted 7, rests 7 4
         alice amend 7 to 3               -> amended 7 4->3 leaves 3
         bob amend 6 to 5                 -> amended 6 9->5 leaves 5
         alice sell 4 @ 106               -> accepted 8, rests 8 4
         bob cancel 5                     -> canceled 5 1 Requested
         phase trading                    -> fill 6 3@106, filled 7 3@106, filled 6 2@106, fill 8 2@106",
    );
}

#[test]
fn the_indication_counts_what_icebergs_hide() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        world.play("phase halted");
        world.play("phase auction");
        world.play("bob buy 10 @ 104");
        world.play("alice sell 20 @ 100 show 5");
        world.play("phase cancelonly");
        told(&mut world);
        world.restart_all();
        world.play("phase auction");
        assert_eq!(told(&mut world), "Auction, ~10@100 -10", "{layout:?}");
    }
}

#[test]
fn a_book_that_still_crosses_after_cancels_in_an_uncrossing_is_uncrossed_again() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        world.play("phase auction");
        for at in [100; 10].into_iter().chain([104; 3]) {
            world.play(&format!("alice sell 1 @ {at}"));
        }
        for _ in 0..13 {
            world.play("bob buy 1 @ 104");
        }
        world.play("carol buy 3 @ 102");
        told(&mut world);
        world.ask(set(MarketStatus::Trading));
        world.carry_all();
        // Eight have traded at 104. Without the other bids at 104, two are offered at 100 and three are bid for at 102.
        world.play_at_once("bob cancel all");
        world.restart_all();
        world.pass_time();
        assert_eq!(told(&mut world), "=8@104, =2@102, Trading", "{layout:?}");
        assert_eq!(world.play("bob buy 1 @ 102"), "accepted 28, rests 28 1");
        assert_eq!(world.play("alice sell 2 @ 102").split(", ").last(), Some("filled 28 1@102"));
        world.assert_settled();
    }
}
