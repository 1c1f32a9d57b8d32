//! What accounts may do: limits, rates and kill switches, each at its boundary and one beyond.

use wire::command::{
    AddApiKey, ApiKeyKind, Credit, MassCancel, Permissions, Reply, SetAccountLimits, SetKillSwitch, SetOrderLimits,
};
use wire::{
    Amount, ApiKeyId, ApiKeyText, CancelCause, ClientSessionId, Command, Event, MarketId, RejectReason, Secret, Sides,
};

use super::world::{BASE, Layout, MARKET, World, amount, qty, reason};

/// Plays in both layouts; the mails are carried and the state is saved and restored after each command.
fn in_both(play: impl Fn(&mut World)) {
    for layout in [Layout::Joint, Layout::Split] {
        play(&mut World::new(layout));
    }
}

fn order(world: &mut World, words: &str) -> Reply {
    let order = world.parse_order(&words.split_whitespace().collect::<Vec<_>>());
    settled(world, Command::NewOrder(order))
}

fn order_with_key(world: &mut World, words: &str, key: u32) -> Reply {
    let order = world.parse_order(&words.split_whitespace().collect::<Vec<_>>());
    settled(world, Command::NewOrder(wire::command::NewOrder { key: ApiKeyId::new(key), ..order }))
}

fn settled(world: &mut World, command: Command) -> Reply {
    let reply = world.settle(command);
    world.assert_settled();
    for partition in 0..world.partitions.len() {
        world.restart(partition);
    }
    reply
}

fn account_limits(open_orders_max: u32, order_rate_max: u32, order_rate_window_ms: u32) -> Command {
    let account = World::account("alice");
    let (stop_orders_max, iceberg_orders_max, order_lists_max) = (0, 0, 0);
    Command::SetAccountLimits(SetAccountLimits {
        account,
        open_orders_max,
        stop_orders_max,
        iceberg_orders_max,
        order_lists_max,
        order_rate_max,
        order_rate_window_ms,
    })
}

fn order_limits(qty_max: i64, notional_max: i64, position_max: i64) -> SetOrderLimits {
    SetOrderLimits {
        account: World::account("alice"),
        market: MARKET,
        qty_max: qty(qty_max),
        notional_max: amount(notional_max),
        position_max: amount(position_max),
    }
}

fn is_accepted(reply: Reply) -> bool {
    matches!(reply, Reply::Accepted { .. })
}

/// Of each cancellation told, which order and why.
fn canceled(world: &mut World) -> Vec<(u64, CancelCause)> {
    let told = world.private.drain(..).filter_map(|event| match event {
        Event::OrderCanceled(e) => Some((e.order.get(), e.cause)),
        _ => None,
    });
    told.collect()
}

#[test]
fn an_account_has_as_many_open_orders_over_all_markets_as_it_may_and_not_one_more() {
    in_both(|world| {
        assert!(is_accepted(settled(world, account_limits(2, 0, 0))));
        assert!(is_accepted(order(world, "alice buy 1 @ 50")));
        assert!(is_accepted(order(world, "alice buy 1 @ 50")));
        assert_eq!(reason(order(world, "alice buy 1 @ 50")), RejectReason::AccountOpenOrders);
        assert!(is_accepted(order(world, "alice buy 1 @ 50 ioc")), "it cannot rest");
        assert!(is_accepted(order(world, "bob buy 1 @ 50")), "others are not meant");
        world.play("alice cancel 1");
        assert!(is_accepted(order(world, "alice buy 1 @ 50")));
        assert!(is_accepted(settled(world, account_limits(0, 0, 0))));
        assert!(is_accepted(order(world, "alice buy 1 @ 50")));
    });
}

#[test]
fn an_account_places_as_many_orders_in_a_window_as_it_may_and_not_one_more() {
    in_both(|world| {
        world.now = wire::Timestamp::from_nanos(20_000_000_000);
        assert!(is_accepted(settled(world, account_limits(0, 2, 1_000))));
        assert_eq!(reason(order(world, "alice buy 0 @ 50")), RejectReason::QtyMissing, "does not count");
        assert!(is_accepted(order(world, "alice buy 1 @ 50")));
        assert!(is_accepted(order(world, "alice buy 1 @ 50")));
        let too_soon = |id| Reply::Rejected { reason: RejectReason::OrderRateExceeded, id };
        assert_eq!(order(world, "alice buy 1 @ 50"), too_soon(1_000), "so many milliseconds");
        assert!(is_accepted(order(world, "bob buy 1 @ 50")));
        world.now = wire::Timestamp::from_nanos(20_999_999_999);
        assert_eq!(order(world, "alice buy 1 @ 50"), too_soon(1));
        world.now = wire::Timestamp::from_nanos(21_000_000_000);
        assert!(is_accepted(order(world, "alice buy 1 @ 50")), "a new window");
        assert!(is_accepted(settled(world, account_limits(0, 1, 1_000))));
        assert_eq!(reason(order(world, "alice buy 1 @ 50")), RejectReason::OrderRateExceeded, "it has had its one");
        assert_eq!(reason(settled(world, account_limits(0, 1, 0))), RejectReason::BadLimits);
        assert_eq!(reason(settled(world, account_limits(0, 0, 1))), RejectReason::BadLimits);
        assert_eq!(reason(settled(world, account_limits(0, 1, 86_400_001))), RejectReason::BadLimits);
        assert!(is_accepted(settled(world, account_limits(0, 1, 86_400_000))));
    });
}

#[test]
fn one_order_is_as_large_as_the_account_may_and_not_larger() {
    in_both(|world| {
        assert!(is_accepted(settled(world, Command::SetOrderLimits(order_limits(10, 0, 0)))));
        assert!(is_accepted(order(world, "alice buy 10 @ 50")));
        assert_eq!(reason(order(world, "alice buy 11 @ 50")), RejectReason::AccountQtyTooLarge);
        assert_eq!(reason(order(world, "alice sell 11 @ 60")), RejectReason::AccountQtyTooLarge);
        assert!(is_accepted(order(world, "bob sell 100 @ 60")));
        assert!(is_accepted(settled(world, Command::SetOrderLimits(order_limits(0, 600, 0)))));
        assert!(is_accepted(order(world, "alice buy 12 @ 50")));
        assert_eq!(reason(order(world, "alice buy 10 @ 62")), RejectReason::AccountNotionalTooLarge);
        assert!(is_accepted(order(world, "alice buy quote 600 market 62")));
        assert_eq!(reason(order(world, "alice buy quote 601 market 62")), RejectReason::AccountNotionalTooLarge);
        assert!(is_accepted(settled(world, Command::SetOrderLimits(order_limits(0, 0, 0)))));
        assert!(is_accepted(order(world, "alice buy 11 @ 62")));
    });
}

#[test]
fn a_position_is_what_is_owned_and_what_open_buys_would_bring() {
    in_both(|world| {
        // Alice has 1,000 base.
        assert!(is_accepted(settled(world, Command::SetOrderLimits(order_limits(0, 0, 1_010)))));
        assert!(is_accepted(order(world, "alice buy 6 @ 50")));
        assert!(is_accepted(order(world, "alice buy 4 @ 50")));
        assert_eq!(reason(order(world, "alice buy 1 @ 50")), RejectReason::PositionTooLarge);
        assert!(is_accepted(order(world, "alice sell 5 @ 60")), "held base is owned still");
        assert_eq!(reason(order(world, "alice buy 1 @ 50")), RejectReason::PositionTooLarge);
        assert!(is_accepted(order(world, "bob buy 5 @ 60")));
        assert!(is_accepted(order(world, "alice buy 5 @ 50")), "five were sold");
        assert_eq!(reason(order(world, "alice buy quote 50 market 50")), RejectReason::PositionTooLarge);
        // The market's own limit holds for everybody, and the smaller one counts.
        let every = SetOrderLimits { account: wire::AccountId::new(0), ..order_limits(0, 0, 1_005) };
        assert!(is_accepted(settled(world, Command::SetOrderLimits(every))));
        assert_eq!(reason(order(world, "bob buy 1 @ 50")), RejectReason::PositionTooLarge);
        assert!(is_accepted(order(world, "carol buy 5 @ 50")));
        assert_eq!(reason(order(world, "carol buy 1 @ 50")), RejectReason::PositionTooLarge);
        let bad = SetOrderLimits { qty_max: qty(1), ..every };
        assert_eq!(reason(settled(world, Command::SetOrderLimits(bad))), RejectReason::BadLimits);
    });
}

/// With the old one counted, and with all that the new one asks for.
#[test]
fn a_replacement_beyond_the_position_is_refused_whatever_its_name_and_what_is_free() {
    for (name, at_the_limit, left) in [
        ("as one", "no DuplicateClientOrderId 1", "1000+0 base, 99550+450 quote"),
        ("", "no replacement InsufficientBalance, canceled 1 5 Requested", "1000+0 base, 100000+0 quote"),
    ] {
        for (mode, wanted) in [("or-stop", "no UnknownOrder"), ("or-else", "no UnknownOrder 7, no replacement")] {
            in_both(|world| {
                assert!(is_accepted(settled(world, Command::SetOrderLimits(order_limits(0, 0, 1_405)))));
                world.play("alice buy 5 @ 90 as one");
                for old in [1, 7] {
                    let beyond = world.play(&format!("alice replace {old} {mode} buy 401 @ 252 {name}"));
                    assert_eq!(beyond, "no PositionTooLarge");
                }
                let at = format!("{mode} buy 400 @ 252 {name}");
                assert!(world.play(&format!("alice replace 7 {at}")).starts_with(wanted));
                let told = world.play(&format!("alice replace 1 {at}"));
                assert_eq!(told, at_the_limit);
                assert_eq!(world.play("alice has"), left);
            });
        }
    }
}

#[test]
fn a_kill_switch_cancels_everything_and_lets_nothing_in_until_it_is_released() {
    in_both(|world| {
        let kill = |is_engaged| {
            let (account, key) = (World::account("alice"), ApiKeyText::EMPTY);
            Command::SetKillSwitch(SetKillSwitch { account, key, is_engaged })
        };
        for step in ["alice buy 1 @ 50", "bob buy 1 @ 50", "alice sell 1 @ 60"] {
            world.play(step);
        }
        // Orders that are on their way when it is engaged are canceled as well: the mail is carried afterwards.
        let on_its_way = world.parse_order(&"alice buy 2 @ 48".split(' ').collect::<Vec<_>>());
        world.ask(Command::NewOrder(on_its_way));
        world.private.clear();
        assert_eq!(settled(world, kill(true)), Reply::Accepted { id: 1 });
        let why = CancelCause::KillSwitch;
        assert_eq!(canceled(world), [(1, why), (3, why), (4, why)]);
        assert_eq!(reason(order(world, "alice buy 1 @ 50")), RejectReason::AccountKilled);
        assert_eq!(world.play("alice has"), "1000+0 base, 100000+0 quote");
        assert_eq!(settled(world, kill(true)), Reply::Accepted { id: 0 });
        assert_eq!(settled(world, kill(false)), Reply::Accepted { id: 0 });
        assert!(is_accepted(order(world, "alice buy 1 @ 50")));
    });
}

#[test]
fn the_kill_switch_of_a_key_is_about_the_orders_of_that_key() {
    in_both(|world| {
        let key = |text: &str| ApiKeyText::new(text.as_bytes()).unwrap();
        for text in ["k1", "k2"] {
            settled(
                world,
                Command::AddApiKey(Box::new(AddApiKey {
                    account: World::account("alice"),
                    key: key(text),
                    kind: ApiKeyKind::Hmac,
                    permissions: Permissions::READ_AND_TRADE,
                    secret: Secret::new(b"sealed").unwrap(),
                })),
            );
        }
        let kill = |account, text, is_engaged| {
            Command::SetKillSwitch(SetKillSwitch { account: World::account(account), key: key(text), is_engaged })
        };
        for key in [1, 2, 1] {
            assert!(is_accepted(order_with_key(world, "alice buy 1 @ 50", key)));
        }
        assert_eq!(reason(order_with_key(world, "bob buy 1 @ 50", 1)), RejectReason::UnknownApiKey, "it is alice's");
        assert_eq!(reason(order_with_key(world, "alice buy 1 @ 50", 3)), RejectReason::UnknownApiKey);
        assert_eq!(reason(settled(world, kill("bob", "k1", true))), RejectReason::UnknownApiKey);
        world.private.clear();
        assert_eq!(settled(world, kill("alice", "k1", true)), Reply::Accepted { id: 2 });
        assert_eq!(canceled(world), [(1, CancelCause::KillSwitch), (3, CancelCause::KillSwitch)]);
        assert_eq!(reason(order_with_key(world, "alice buy 1 @ 50", 1)), RejectReason::ApiKeyKilled);
        assert!(is_accepted(order_with_key(world, "alice buy 1 @ 50", 2)));
        settled(world, kill("alice", "k1", false));
        assert!(is_accepted(order_with_key(world, "alice buy 1 @ 50", 1)));
    });
}

#[test]
fn many_orders_are_canceled_by_side_by_market_and_everywhere() {
    in_both(|world| {
        let cancel = |market: u16, sides| {
            let (account, session) = (World::account("alice"), ClientSessionId::new(0));
            Command::MassCancel(MassCancel { account, market: MarketId::new(market), sides, session })
        };
        let other = MarketId::new(2);
        let free = Credit { account: World::account("alice"), asset: BASE, amount: Amount::new(1).unwrap() };
        settled(world, Command::Credit(free));
        for step in ["alice sell 1 @ 60", "alice buy 1 @ 50", "bob buy 1 @ 50", "alice sell 2 @ 62", "alice buy 2 @ 48"]
        {
            world.play(step);
        }
        let mut elsewhere = world.parse_order(&"alice buy 1 @ 50".split(' ').collect::<Vec<_>>());
        elsewhere.market = other;
        assert!(is_accepted(settled(world, Command::NewOrder(elsewhere))));
        world.private.clear();
        assert_eq!(settled(world, cancel(1, Sides::Sell)), Reply::Accepted { id: 1 });
        assert_eq!(canceled(world), [(1, CancelCause::MassCancel), (4, CancelCause::MassCancel)]);
        assert_eq!(settled(world, cancel(0, Sides::Buy)), Reply::Accepted { id: 2 });
        let mut both = canceled(world);
        both.sort_unstable();
        let all = CancelCause::MassCancel;
        assert_eq!(both, [(2, all), (5, all), (6, all)]);
        assert_eq!(reason(settled(world, cancel(0, Sides::Both))), RejectReason::NoOpenOrders);
        assert_eq!(reason(settled(world, cancel(9, Sides::Both))), RejectReason::UnknownMarket);
        assert_eq!(world.play("alice has"), "1001+0 base, 100000+0 quote");
    });
}

/// Every order of a list counts, as if they came one after another.
#[test]
fn an_order_list_takes_as_many_orders_as_it_has() {
    const OCO: &str = "alice oco l | buy 1 stop-loss 120 @ 120 | buy 1 @ 50 maker-only";
    const OTOCO: &str = "alice otoco l | sell 1 @ 200 | buy 1 stop-loss 120 @ 120 | buy 1 @ 50 maker-only";
    in_both(|world| {
        for (list, orders) in [(OCO, 2), (OTOCO, 3)] {
            world.now = world.now.plus_nanos(60_000_000_000);
            assert!(is_accepted(settled(world, account_limits(orders - 1, 0, 0))));
            assert_eq!(world.play(list), "no AccountOpenOrders");
            assert!(is_accepted(settled(world, account_limits(0, orders - 1, 10_000))));
            assert_eq!(world.play(list), "no OrderRateExceeded 9000");
            assert!(is_accepted(settled(world, account_limits(orders, orders, 20_000))));
            assert!(world.play(list).starts_with("list "));
            world.play("alice cancel all");
        }
    });
}

#[test]
fn the_buys_of_an_order_list_count_together_for_the_position() {
    in_both(|world| {
        // 1,000 are owned.
        assert!(is_accepted(settled(world, Command::SetOrderLimits(order_limits(0, 0, 1_019)))));
        let list = "alice oco l | buy 10 stop-loss 120 @ 120 | buy 10 @ 50 maker-only";
        assert_eq!(world.play(list), "no PositionTooLarge");
        assert_eq!(world.play("alice oto l | buy 10 @ 50 | buy 10 @ 50"), "no PositionTooLarge");
        assert!(world.play("alice oto l | sell 10 @ 200 | buy 19 @ 50").starts_with("list "));
        world.play("alice cancel all");
        assert!(is_accepted(settled(world, Command::SetOrderLimits(order_limits(0, 0, 1_020)))));
        assert!(world.play(list.replace(" l ", " m ").as_str()).starts_with("list "));
    });
}

/// The reasons come in the order that the rules state.
#[test]
fn a_session_without_a_lease_is_refused_before_the_counts_are_looked_at() {
    in_both(|world| {
        assert!(is_accepted(settled(world, account_limits(1, 1, 86_400_000))));
        assert!(is_accepted(order(world, "alice buy 1 @ 50")));
        let words: Vec<&str> = "alice buy 1 @ 50".split_whitespace().collect();
        let order = world.parse_order(&words);
        let in_session = |session| wire::command::NewOrder { session: ClientSessionId::new(session), ..order };
        assert_eq!(reason(settled(world, Command::NewOrder(in_session(9)))), RejectReason::UnknownLease);
        assert_eq!(reason(settled(world, Command::NewOrder(in_session(0)))), RejectReason::OrderRateExceeded);
    });
}
