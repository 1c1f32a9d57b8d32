//! Self-trade prevention between orders of one account and of one trade group, and the book order by order.

use std::collections::BTreeMap;

use wire::command::{CancelOrder, Reply};
use wire::{CancelRestriction, ClientOrderId, Command, Event, OrderId, Price, RejectReason, Side};

use super::world::{Layout, MARKET, World, check};

#[test]
fn decrement_takes_the_smaller_quantity_from_both_and_ends_the_one_with_nothing_left() {
    check(
        "bob sell 5 @ 100                -> accepted 1, rests 1 5
         bob buy 3 @ 100 stp-decrement   -> accepted 2, prevented 2 3 x 1 3 @100, expired 2 0 SelfTrade
         bob has                         -> 998+2 base, 100000+0 quote
         bob buy 4 @ 100 stp-decrement   -> accepted 3, prevented 3 2 x 1 2 @100, expired 1 0 SelfTrade, rests 3 2
         bob has                         -> 1000+0 base, 99800+200 quote
         bob sell 2 @ 100 stp-decrement  -> accepted 4, prevented 4 2 x 3 2 @100, expired 3 0 SelfTrade, expired 4 0 SelfTrade
         bob has                         -> 1000+0 base, 100000+0 quote",
    );
}

/// An order is partly filled when some of it has traded: what prevention took off it has not.
#[test]
fn a_cancel_that_is_restricted_goes_by_what_has_traded() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        world.play("bob sell 5 @ 100");
        world.play("bob buy 3 @ 100 stp-decrement");
        let cancel = |world: &mut World, restriction| {
            world.settle(Command::CancelOrder(CancelOrder {
                account: World::account("bob"),
                market: MARKET,
                order: OrderId::new(1),
                client_order_id: ClientOrderId::EMPTY,
                restriction,
                new_client_order_id: ClientOrderId::EMPTY,
                asked_us: 0,
            }))
        };
        let refused = Reply::Rejected { reason: RejectReason::CancelRestricted, id: 0 };
        assert_eq!(cancel(&mut world, CancelRestriction::OnlyPartiallyFilled), refused);
        world.restart_all();
        assert_eq!(world.play("alice buy 1 @ 100"), "accepted 3, filled 3 1@100, fill 1 1@100");
        world.restart_all();
        assert_eq!(cancel(&mut world, CancelRestriction::OnlyNew), refused);
        assert!(matches!(cancel(&mut world, CancelRestriction::OnlyPartiallyFilled), Reply::Accepted { .. }));
        world.assert_settled();
    }
}

#[test]
fn a_maker_that_was_decremented_keeps_its_place() {
    check(
        "bob sell 5 @ 100                -> accepted 1, rests 1 5
         alice sell 5 @ 100              -> accepted 2, rests 2 5
         bob buy 3 @ 100 stp-decrement   -> accepted 3, prevented 3 3 x 1 3 @100, expired 3 0 SelfTrade
         carol buy 3 @ 100 ioc           -> accepted 4, fill 4 2@100 fee 1, filled 1 2@100, filled 4 1@100 fee 1, fill 2 1@100",
    );
}

#[test]
fn a_budget_is_decremented_by_what_the_match_would_have_cost() {
    check(
        "bob sell 5 @ 100                      -> accepted 1, rests 1 5
         alice sell 5 @ 100                    -> accepted 2, rests 2 5
         bob buy quote 700 market 110 stp-decrement -> accepted 3, prevented 3 5 x 1 5 @100, expired 1 0 SelfTrade, filled 3 2@100, fill 2 2@100
         bob has                               -> 1002+0 base, 99800+0 quote
         bob sell 5 @ 98                       -> accepted 4, rests 4 5
         bob buy quote 490 market 110 stp-decrement -> accepted 5, prevented 5 5 x 4 5 @98, expired 4 0 SelfTrade, expired 5 0 SelfTrade
         bob has                               -> 1002+0 base, 99800+0 quote",
    );
}

#[test]
fn a_fill_or_kill_order_that_would_be_decremented_expires_whole() {
    check(
        "bob sell 5 @ 100                  -> accepted 1, rests 1 5
         bob buy 5 @ 100 fok stp-decrement -> accepted 2, expired 2 5 TimeInForce
         alice buy 5 @ 100 fok stp-decrement -> accepted 3, filled 3 5@100, filled 1 5@100",
    );
}

#[test]
fn accounts_of_one_trade_group_do_not_trade_with_each_other() {
    check(
        "alice group 7 ->
         alice sell 5 @ 100             -> accepted 1, rests 1 5
         bob buy 1 @ 100 stp-taker      -> accepted 2, filled 2 1@100, fill 1 1@100
         bob group 8 ->
         bob buy 1 @ 100 stp-taker      -> accepted 3, filled 3 1@100, fill 1 1@100
         bob group 7 ->
         bob buy 1 @ 100 stp-taker      -> accepted 4, prevented 4 1 x 1 0 @100, expired 4 1 SelfTrade
         bob buy 1 @ 100 stp-decrement  -> accepted 5, prevented 5 1 x 1 1 @100, expired 5 0 SelfTrade
         bob buy 1 @ 100                -> accepted 6, filled 6 1@100, fill 1 1@100
         alice group 0 ->
         bob buy 1 @ 100 stp-taker      -> accepted 7, prevented 7 1 x 1 0 @100, expired 7 1 SelfTrade
         bob group 0 ->
         bob buy 1 @ 100 stp-both       -> accepted 8, filled 8 1@100, filled 1 1@100",
    );
}

#[test]
fn an_unknown_account_cannot_be_assigned() {
    use wire::command::AssignAccount;
    let mut world = World::new(Layout::Joint);
    let assign =
        AssignAccount { account: wire::AccountId::new(99), group: Default::default(), firm: Default::default() };
    let reply = world.settle(wire::Command::AssignAccount(assign));
    assert_eq!(super::world::reason(reply), wire::RejectReason::UnknownAccount);
}

/// A book as a stranger keeps it from the events alone.
#[derive(Default)]
struct Stranger {
    sequence: u64,
    /// Each side's orders by price, first in the queue first, with what they show.
    queues: BTreeMap<(Side, Price), Vec<(OrderId, i64)>>,
}

impl Stranger {
    fn follow(&mut self, event: &Event) {
        let (sequence, side, price, order, shows, is_last) = match event {
            Event::OrderShown(e) => (e.sequence, e.side, e.price, e.order, e.qty.units(), e.is_last),
            Event::Traded(e) => {
                let side = e.taker_side.opposite();
                let queue = &self.queues[&(side, e.price)];
                assert_eq!(queue[0].0, e.maker, "a trade is with the first in the queue");
                (e.sequence, side, e.price, e.maker, queue[0].1 - e.qty.units(), false)
            }
            _ => return,
        };
        self.sequence += 1;
        assert_eq!(sequence.get(), self.sequence, "no change is missing");
        let queue = self.queues.entry((side, price)).or_default();
        let at = queue.iter().position(|known| known.0 == order);
        match (at, is_last) {
            (Some(at), false) if shows > 0 => queue[at].1 = shows,
            (Some(at), _) => drop(queue.remove(at)),
            (None, _) => assert!(is_last, "an order that is new stands last"),
        }
        if is_last && shows > 0 {
            queue.push((order, shows));
        }
        if queue.is_empty() {
            self.queues.remove(&(side, price));
        }
    }
}

#[test]
fn the_book_order_by_order_follows_from_the_events_alone() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        let mut stranger = Stranger::default();
        for step in [
            "alice sell 5 @ 100",
            "bob sell 5 @ 100",
            "carol sell 5 @ 102",
            "alice buy 2 @ 98",
            "bob buy 4 @ 98",
            "carol buy 7 @ 100 ioc",
            "bob buy 2 @ 100 stp-decrement",
            "bob cancel all",
            "carol buy 9 @ 102 stp-maker",
            "alice cancel 4",
            "alice sell 1 @ 102",
        ] {
            world.public.clear();
            world.play(step);
            world.public.iter().for_each(|event| stranger.follow(event));
            for ((side, price), queue) in &stranger.queues {
                let last = world.public.iter().rev().find_map(|event| match event {
                    Event::LevelChanged(e) if (e.side, e.price) == (*side, *price) => Some(e.qty.units()),
                    _ => None,
                });
                let sum: i64 = queue.iter().map(|(_, shows)| shows).sum();
                assert!(last.is_none_or(|level| level == sum), "{step}: {side:?} {price:?}");
            }
        }
        let left: Vec<_> = stranger
            .queues
            .iter()
            .map(|((side, price), queue)| {
                (*side, price.units(), queue.iter().map(|(order, shows)| (order.get(), *shows)).collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(left, [(Side::Buy, 102, vec![(8, 8)])], "{layout:?}");
    }
}

/// Nothing of the pair has begun to work when the budget does not reach one lot.
#[test]
fn a_decrement_that_takes_nothing_leaves_the_pair_of_the_maker_alone() {
    check(
        "bob sell 1 @ 104             -> accepted 1, rests 1 1
         carol buy 1 @ 104            -> accepted 2, filled 2 1@104 fee 1, filled 1 1@104
         alice oco l | sell 5 stop-loss 90 | sell 5 @ 110 maker-only -> list 1, accepted 3, armed 3, accepted 4, rests 4 5
         alice buy 990 @ 100          -> accepted 5, rests 5 990
         bob sell 9 @ 108             -> accepted 6, rests 6 9
         alice buy 10 market 120 stp-decrement -> accepted 7, fill 7 9@108, filled 6 9@108, expired 7 1 BudgetSpent
         alice cancel 3               -> canceled 4 5 Requested, canceled 3 5 Requested, done 1",
    );
}
