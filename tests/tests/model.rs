//! The engine against an independent model: for any input, the same replies and the same events.
//!
//! Replicas that agree can agree on a wrong answer; only a second opinion sees it. `src/bin/model` walks a million random commands
//! here; these are the stories that random commands hardly ever meet. `model_every_command.rs` says what is reached.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use proptest::prelude::*;
use wire::command::{CancelAll, Debit, NewOrder, NewOrderList, NewOrderOnTerms, SetMarketStatus, Tick};
use wire::{
    AccountId, Amount, AssetId, ClientOrderId, Command, ListKind, MarketId, MarketStatus, OrderKind, Price, Qty,
    SelfTradePrevention, Side, Terms, TimeInForce,
};

use tests::model::layout::Layout;
use tests::model::pair::Pair;
use tests::model::walk::{Mix, Walk};

fn check(layout: Layout, steps: &[(u64, Command)]) {
    let mut pair = Pair::new(layout);
    for (pause, command) in steps {
        pair.step(*pause, command);
    }
}

/// On all cores, by the program that walks further (`tests/run --full`): the walks of the first seeds, in three layouts, which are the
/// same in every run. It shortens what meets a difference.
#[test]
fn over_a_million_random_commands_the_engine_and_the_naive_model_tell_the_same() {
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_model")).args(["--commands", "1500000"]).output();
    let run = run.expect("the program is there");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
}

/// A difference that a walk meets is found again in fewer commands: here, what is no difference is none.
#[test]
fn a_walk_is_the_same_however_often_it_is_walked_and_is_not_shortened_without_a_difference() {
    for seed in [0, 1, 2, 120, 166, 185] {
        let walk = Walk::of(seed);
        let trace = || walk.run().expect("no difference").trace;
        assert_eq!(trace(), trace(), "{walk:?}");
        assert_eq!(walk.steps().len(), walk.steps);
        assert!(walk.shortened().is_empty());
    }
}

/// What comes up late alone: tables that are full, names and volumes that are forgotten. No walk of the first million commands is long.
#[test]
fn in_long_walks_of_every_kind_the_engine_and_the_naive_model_tell_the_same() {
    for layout in [Layout::Joint, Layout::Mixed, Layout::Split] {
        for (seed, mix) in (7_000_000..).zip([Mix::Edges, Mix::Trading, Mix::Deposits, Mix::Withdrawals]) {
            let walk = Walk { seed, layout, mix, steps: 3_000 };
            if let Err(difference) = walk.run() {
                panic!("{walk:?}, command {}: {}", difference.at, difference.what);
            }
        }
    }
}

/// A legal order of market 1: by quote quantity when `quote` is not 0.
fn written(account: u32, side: Side, is_market: bool, price: i64, units: i64, quote: i64, name: &str) -> Command {
    Command::NewOrder(NewOrder {
        account: AccountId::new(account),
        market: MarketId::new(1),
        side,
        kind: if is_market { OrderKind::Market } else { OrderKind::Limit },
        time_in_force: if is_market { TimeInForce::Ioc } else { TimeInForce::Gtc },
        self_trade: SelfTradePrevention::None,
        price: Price::new(price).unwrap(),
        qty: Qty::new(units).unwrap(),
        quote_qty: Amount::new(quote).unwrap(),
        client_order_id: ClientOrderId::new(name.as_bytes()).unwrap(),
        key: Default::default(),
        session: Default::default(),
        asked_us: 0,
    })
}

/// Random steps hardly ever leave a rest between the lots of two prices.
#[test]
fn rest_of_a_quote_quantity_is_measured_by_the_next_best_price() {
    let steps = [
        written(1, Side::Sell, false, 1_000, 10, 0, "near"),
        written(1, Side::Sell, false, 100_000, 10, 0, "far"),
        written(2, Side::Buy, true, 100_000, 0, 120_010, "spend"),
    ]
    .map(|command| (0, command));
    for layout in [Layout::Joint, Layout::Mixed, Layout::Split] {
        check(layout, &steps);
    }
}

/// Sells by quote quantity of more, as much and less than there is to sell, over two prices and until nobody bids.
#[test]
fn who_sells_for_more_than_all_there_is_to_sell_brings_ends_short_of_it() {
    let (account, asset, amount) = (AccountId::new(1), AssetId::new(1), Amount::new(1_998_500_000).unwrap());
    // Twelve hundred at 1,000 and three hundred at 990 are all there is, which bring 14,970,000; a lot more is 19,800.
    for quote in [12_000_000, 14_970_000, 14_989_799, 14_989_800, 20_000_000, 39_000_000] {
        let mut steps = vec![Command::Debit(Debit { account, asset, amount })];
        for (at, name) in [(1_000, "near"), (990, "far")] {
            for number in 0..3 {
                steps.push(written(2, Side::Buy, false, at, 400, 0, &format!("{name}{number}")));
            }
        }
        steps.push(written(1, Side::Sell, true, 900, 0, quote, "all"));
        let steps: Vec<(u64, Command)> = steps.into_iter().map(|command| (0, command)).collect();
        let mut seen = BTreeSet::new();
        for layout in [Layout::Joint, Layout::Mixed, Layout::Split] {
            let mut pair = Pair::new(layout);
            for (pause, command) in &steps {
                pair.step(*pause, command);
            }
            seen.append(&mut pair.reached.names());
        }
        assert_eq!(seen.contains("ended BalanceSpent"), quote >= 14_989_800, "{quote}: {seen:?}");
    }
}

/// Who has little: bids of everybody, and sells by quote quantity that are often for more.
fn poor_seller() -> impl Strategy<Value = (i64, Vec<Command>)> {
    let bid = (1_u32..=3, 180_i64..204, 2_i64..100).prop_map(|(account, ticks, lots)| {
        written(account, Side::Buy, false, ticks * 5, lots * 2, 0, &format!("b{account}-{ticks}-{lots}"))
    });
    let sell = (8_000_i64..4_000_000, 170_i64..190, prop::sample::select(SelfTradePrevention::ALL), 0_u32..1_000)
        .prop_map(|(quote, ticks, self_trade, name)| {
            let sell = written(1, Side::Sell, true, ticks * 5, 0, quote, &format!("s{name}"));
            let Command::NewOrder(sell) = sell else { unreachable!("it is written so") };
            Command::NewOrder(NewOrder { self_trade, ..sell })
        });
    (4_000_i64..900_000, prop::collection::vec(prop_oneof![2 => bid, 1 => sell], 1..40))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sells_of_who_has_little_and_the_naive_model_tell_the_same((owned, steps) in poor_seller()) {
        let (account, asset) = (AccountId::new(1), AssetId::new(1));
        let amount = Amount::new(2_000_000_000 - owned).unwrap();
        let poor = (0, Command::Debit(Debit { account, asset, amount }));
        let steps: Vec<(u64, Command)> =
            std::iter::once(poor).chain(steps.into_iter().map(|command| (0, command))).collect();
        for layout in [Layout::Joint, Layout::Split] {
            check(layout, &steps);
        }
    }
}

/// Random steps hardly ever have a working order fill in the first of several parts of an uncrossing.
#[test]
fn what_waits_for_an_order_that_fills_early_in_a_long_uncrossing_comes_in_after_it() {
    let leg = |order: Command, stop_price: Option<i64>| {
        let Command::NewOrder(order) = order else { unreachable!("it is written so") };
        let stop_price = stop_price.map(|at| Price::new(at).unwrap());
        let (kind, time_in_force) = match stop_price {
            Some(_) => (OrderKind::StopLoss, TimeInForce::Ioc),
            None if order.side == Side::Sell => (OrderKind::LimitMaker, TimeInForce::Gtc),
            None => (order.kind, order.time_in_force),
        };
        let order = NewOrder { kind, time_in_force, ..order };
        NewOrderOnTerms { order, terms: Terms { stop_price, ..Terms::NONE } }
    };
    let sell = |name: &str, at| written(1, Side::Sell, false, at, 20, 0, name);
    let list = |kind, name: &str, legs: Vec<NewOrderOnTerms>| {
        let list_client_order_id = ClientOrderId::new(name.as_bytes()).unwrap();
        Command::NewOrderList(NewOrderList { kind, list_client_order_id, legs })
    };
    let buy = |name: &str| leg(written(1, Side::Buy, false, 1_000, 20, 0, name), None);
    let phase = |status| Command::SetMarketStatus(SetMarketStatus { market: MarketId::new(1), status });
    for (last, meanwhile) in [
        (MarketStatus::Trading, Command::Tick(Tick)),
        (MarketStatus::PostOnly, Command::Tick(Tick)),
        (MarketStatus::Trading, phase(MarketStatus::Halted)),
        (MarketStatus::Trading, Command::CancelAll(CancelAll { account: AccountId::new(1), market: MarketId::new(1) })),
    ] {
        let mut steps = vec![
            list(ListKind::Oto, "l1", vec![buy("b1"), leg(sell("s1", 1_100), None)]),
            list(ListKind::Oto, "l2", vec![buy("b2"), leg(sell("s2", 900), Some(950))]),
            list(ListKind::Otoco, "l3", vec![buy("b3"), leg(sell("s3", 1_200), None), leg(sell("s4", 900), Some(940))]),
            phase(MarketStatus::Auction),
        ];
        for number in 0..10 {
            steps.push(written(2, Side::Sell, false, 1_000, 20, 0, &format!("x{number}")));
            steps.push(written(3, Side::Buy, false, 1_000, 20, 0, &format!("y{number}")));
        }
        steps.extend([phase(last), meanwhile, written(3, Side::Buy, false, 1_100, 20, 0, "after")]);
        let mut steps: Vec<(u64, Command)> = steps.into_iter().map(|command| (0, command)).collect();
        steps.push((100_000_000, Command::Tick(Tick)));
        steps.push((0, written(3, Side::Buy, false, 1_100, 20, 0, "later")));
        for layout in [Layout::Joint, Layout::Mixed, Layout::Split] {
            check(layout, &steps);
        }
    }
}

/// Random steps hardly ever meet the nanosecond at which a name is free again.
#[test]
fn name_of_a_closed_order_is_free_after_a_minute_and_not_before() {
    let expires = || written(1, Side::Buy, true, 1_000, 10, 0, "again");
    let minute = 60_000_000_000;
    let steps = [(0, expires()), (minute - 1, expires()), (1, expires()), (minute, expires())];
    for layout in [Layout::Joint, Layout::Mixed, Layout::Split] {
        check(layout, &steps);
    }
}

/// A comparison proves nothing about what never comes up.
#[test]
fn steps_at_the_edges_visit_every_outcome() {
    let edges = (0..400).map(|seed| Walk { seed, layout: Layout::Joint, mix: Mix::Edges, steps: 300 });
    let seen: BTreeSet<String> = edges.flat_map(|walk| walk.run().expect("no difference").reached.names()).collect();
    let wanted = [
        "AllCanceled",
        "DepthWindowClosed",
        "LevelChanged",
        "OrderAccepted",
        "OrderExecuted",
        "OrderResting",
        "Traded",
        "ended BudgetSpent",
        "ended FillLimit",
        "ended MassCancel",
        "ended Requested",
        "ended SelfTrade",
        "ended TimeInForce",
        "maker",
        "refused BadClientOrderId",
        "refused BadTimeInForce",
        "refused DuplicateClientOrderId",
        "refused InsufficientBalance",
        "refused MarketClosed",
        "refused NoOpenOrders",
        "refused NotionalTooLarge",
        "refused NotionalTooSmall",
        "refused PriceOffTick",
        "refused PriceTooHigh",
        "refused PriceTooLow",
        "refused QtyMissing",
        "refused QtyOffLot",
        "refused QtyTooLarge",
        "refused QtyTooSmall",
        "refused TooManyOpenOrders",
        "refused UnknownAccount",
        "refused UnknownAsset",
        "refused UnknownMarket",
        "refused UnknownOrder",
        "rejected WouldTake",
    ];
    let missing: Vec<&str> = wanted.into_iter().filter(|wanted| !seen.contains(*wanted)).collect();
    assert_eq!(missing, [] as [&str; 0]);
}
