//! The engine against an independent model: for any input, the same replies and the same events.
//!
//! Replicas that agree can agree on a wrong answer; only a second opinion sees it. These steps are plain orders, cancels and
//! money, at the edges of every filter, and are shortened when they fail; `model_every_command.rs` has the rest.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use wire::command::{
    CancelAll, CancelOrder, Credit, Debit, NewOrder, NewOrderList, NewOrderOnTerms, SetMarketStatus, Tick,
};
use wire::{
    AccountId, Amount, AssetId, ClientOrderId, Command, ListKind, MarketId, MarketStatus, OrderId, OrderKind, Price,
    Qty, SelfTradePrevention, Side, Terms, TimeInForce,
};

use tests::model::layout::Layout;
use tests::model::pair::Pair;

fn account() -> impl Strategy<Value = AccountId> {
    prop_oneof![30 => 1_u32..=3, 1 => Just(0_u32), 1 => Just(4_u32)].prop_map(AccountId::new)
}

/// Mostly one that is there.
fn market() -> impl Strategy<Value = MarketId> {
    prop_oneof![60 => Just(1_u16), 20 => Just(2), 1 => Just(3), 1 => Just(0)].prop_map(MarketId::new)
}

fn name() -> impl Strategy<Value = ClientOrderId> {
    prop_oneof![40 => 0_u32..100, 1 => Just(1_000)]
        .prop_map(|n| ClientOrderId::new(if n == 1_000 { "no+pe".into() } else { format!("n{n}") }.as_bytes()).unwrap())
}

/// Mostly legal orders around one price, on a coarse grid so that levels fill up; some beyond each filter.
fn order() -> impl Strategy<Value = Command> {
    const TIMES: &[TimeInForce] = &[TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok];
    let legal = |kind| match kind {
        OrderKind::Market => Just(TimeInForce::Ioc).boxed(),
        OrderKind::LimitMaker => Just(TimeInForce::Gtc).boxed(),
        _ => prop::sample::select(TIMES).boxed(),
    };
    let kind = prop_oneof![6 => Just(OrderKind::Limit), 3 => Just(OrderKind::Market), 1 => Just(OrderKind::LimitMaker)];
    let kind = kind.prop_flat_map(move |kind| {
        let any = prop::sample::select(TIMES).boxed();
        (Just(kind), prop_oneof![30 => legal(kind), 1 => any])
    });
    let price = prop_oneof![
        40 => (196_i64..204).prop_map(|ticks| ticks * 5),
        4 => prop::sample::select(vec![5_i64, 10, 400, 100_000, 5_000_000, 1_000_000_000, 1_000_000_005]),
        1 => 990_i64..1_010,
    ];
    let qty = prop_oneof![40 => (2_i64..20).prop_map(|lots| lots * 2), 4 => (20_i64..160).prop_map(|n| n * 2),
        2 => prop::sample::select(vec![1_i64, 2, 3, 5, 402])];
    let quote = prop_oneof![1 => 7_000_i64..300_000, 1 => (8_i64..400).prop_map(|n| n * 1_000)];
    let sizes = (qty, quote, 0_u32..10, market());
    let self_trade = prop::sample::select(SelfTradePrevention::ALL);
    (account(), any::<bool>(), kind, self_trade, price, sizes, name()).prop_map(
        |(
            account,
            is_buy,
            (kind, time_in_force),
            self_trade,
            price,
            (units, quote, which, market),
            client_order_id,
        )| {
            // Buyers mostly offer less than sellers ask, so that the book fills up.
            let price = if price < 30 { price } else { price + if is_buy { -15 } else { 15 } };
            let (has_qty, has_quote) = match (kind, which) {
                (_, 0) => (which == 1, false),
                (OrderKind::Market, 1) => (true, true),
                (OrderKind::Market, 2..=5) => (false, true),
                _ => (true, false),
            };
            Command::NewOrder(NewOrder {
                account,
                market,
                side: if is_buy { Side::Buy } else { Side::Sell },
                kind,
                time_in_force,
                self_trade,
                price: Price::new(price).unwrap(),
                qty: Qty::new(if has_qty { units } else { 0 }).unwrap(),
                quote_qty: Amount::new(if has_quote { quote } else { 0 }).unwrap(),
                client_order_id,
                key: Default::default(),
                session: Default::default(),
                asked_us: 0,
            })
        },
    )
}

fn step() -> impl Strategy<Value = (u64, Command)> {
    let trader = account;
    let cancel = (trader(), market(), 0_u64..120, name()).prop_map(|(account, market, order, client_order_id)| {
        Command::CancelOrder(CancelOrder {
            account,
            market,
            order: OrderId::new(order),
            client_order_id,
            restriction: wire::CancelRestriction::None,
            new_client_order_id: ClientOrderId::EMPTY,
            asked_us: 0,
        })
    });
    let by_name = (trader(), market(), name()).prop_map(|(account, market, client_order_id)| {
        Command::CancelOrder(CancelOrder {
            account,
            market,
            order: OrderId::ZERO,
            client_order_id,
            restriction: wire::CancelRestriction::None,
            new_client_order_id: ClientOrderId::EMPTY,
            asked_us: 0,
        })
    });
    let all = (trader(), market()).prop_map(|(account, market)| Command::CancelAll(CancelAll { account, market }));
    let asset = || prop_oneof![30 => 1_u16..=3, 1 => Just(0), 1 => Just(4)].prop_map(AssetId::new);
    let amount = || (0_i64..30_000_000).prop_map(|units| Amount::new(units).unwrap());
    let credit = (trader(), asset(), amount())
        .prop_map(|(account, asset, amount)| Command::Credit(Credit { account, asset, amount }));
    let debit = (trader(), asset(), amount())
        .prop_map(|(account, asset, amount)| Command::Debit(Debit { account, asset, amount }));
    let shut = vec![MarketStatus::CancelOnly, MarketStatus::Halted, MarketStatus::Closed];
    let status = prop_oneof![5 => Just(MarketStatus::Trading), 1 => prop::sample::select(shut)];
    let status =
        (market(), status).prop_map(|(market, status)| Command::SetMarketStatus(SetMarketStatus { market, status }));
    let command = prop_oneof![
        60 => order(),
        10 => cancel,
        6 => by_name,
        2 => all,
        1 => credit,
        2 => debit,
        3 => status,
        2 => Just(Command::Tick(Tick)),
    ];
    let pause = prop_oneof![20 => 0_u64..30_000_000, 2 => Just(100_000_000_u64), 1 => Just(20_000_000_000_u64)];
    (pause, command)
}

fn check(layout: Layout, steps: &[(u64, Command)]) {
    let mut pair = Pair::new(layout);
    for (pause, command) in steps {
        pair.step(*pause, command);
    }
}

/// 150 commands each, on average: more than a million over the three layouts. `MODEL_CASES` walks further.
fn cases() -> u32 {
    std::env::var("MODEL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn joint_cells_and_the_naive_model_tell_the_same(steps in prop::collection::vec(step(), 1..300)) {
        check(Layout::Joint, &steps);
    }

    #[test]
    fn market_apart_beside_one_with_the_ledger_and_the_naive_model_tell_the_same(
        steps in prop::collection::vec(step(), 1..300),
    ) {
        check(Layout::Mixed, &steps);
    }

    #[test]
    fn cells_apart_and_the_naive_model_tell_the_same(steps in prop::collection::vec(step(), 1..300)) {
        check(Layout::Split, &steps);
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
            seen.append(&mut pair.seen);
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
fn the_steps_visit_every_outcome() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut seen = BTreeSet::new();
    for _ in 0..64 {
        let steps = prop::collection::vec(step(), 300).new_tree(&mut runner).expect("steps").current();
        let mut pair = Pair::new(Layout::Joint);
        for (pause, command) in &steps {
            pair.step(*pause, command);
        }
        seen.append(&mut pair.seen);
    }
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
