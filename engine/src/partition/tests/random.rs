//! Random orders in both layouts: money is conserved after every command, a snapshot at any point changes
//! nothing, and both layouts come to the same.

use proptest::prelude::*;
use wire::command::{
    AmendOrder, CancelAll, CancelOrder, KillMarket, NewOrder, ReopenMarket, SealName, SetMarketProtection,
    SetMarketRules, SetMarketStatus,
};
use wire::{
    AccountId, Amount, ClientOrderId, Command, Event, MarketProtection, MarketRules, MarketStatus, OrderId, OrderKind,
    Price, Qty, SelfTradePrevention, Side, TimeInForce,
};

use super::capacity::{beside_room, one_more};
use super::random_special::special;
use super::world::{BASE, Layout, MARKET, QUOTE, World, amount, price, qty, rules};

#[derive(Debug, Clone)]
struct Step {
    command: Command,
    /// Nanoseconds that pass before it.
    pause: u64,
}

fn order() -> impl Strategy<Value = Command> {
    let kind = prop_oneof![6 => Just(OrderKind::Limit), 2 => Just(OrderKind::Market), 1 => Just(OrderKind::LimitMaker)];
    let time_in_force = prop::sample::select(&[TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok][..]);
    let self_trade = prop::sample::select(SelfTradePrevention::ALL);
    let price = prop_oneof![9 => 45_i64..55, 1 => prop::sample::select(vec![1, 300_000, 5_000_000])];
    let units = prop_oneof![5 => 1_i64..30, 1 => Just(0_i64)];
    (1_u32..=3, any::<bool>(), kind, time_in_force, self_trade, price, units, 1_i64..4_000, 0_u32..400).prop_map(
        |(account, is_buy, kind, time_in_force, self_trade, ticks, units, quote, name)| {
            let is_market = kind == OrderKind::Market;
            let by_quote = units == 0 && is_market;
            Command::NewOrder(NewOrder {
                account: AccountId::new(account),
                market: MARKET,
                side: if is_buy { Side::Buy } else { Side::Sell },
                kind,
                time_in_force: match kind {
                    OrderKind::Limit => time_in_force,
                    OrderKind::Market => TimeInForce::Ioc,
                    _ => TimeInForce::Gtc,
                },
                self_trade,
                price: Price::new(ticks * 2).unwrap(),
                qty: if by_quote { Qty::ZERO } else { qty(units.max(1)) },
                quote_qty: if by_quote { amount(quote) } else { Amount::ZERO },
                client_order_id: ClientOrderId::new(format!("n{name}").as_bytes()).unwrap(),
                key: Default::default(),
                session: Default::default(),
                asked_us: quote as u64,
            })
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let account = (1_u32..=3).prop_map(AccountId::new);
    let cancel = (account.clone(), 1_u64..150).prop_map(|(account, order)| {
        let (order, client_order_id) = (OrderId::new(order), ClientOrderId::EMPTY);
        Command::CancelOrder(CancelOrder {
            account,
            market: MARKET,
            order,
            client_order_id,
            restriction: wire::CancelRestriction::None,
            new_client_order_id: ClientOrderId::EMPTY,
            asked_us: 0,
        })
    });
    let seal = (account.clone(), 0_u32..400, 1_u64..4_000, any::<bool>()).prop_map(|(account, name, asked_us, by)| {
        let client_order_id = ClientOrderId::new(format!("n{name}").as_bytes()).unwrap();
        let (order, restriction) = (OrderId::ZERO, wire::CancelRestriction::None);
        match by {
            true => Command::SealName(SealName { account, client_order_id, asked_us, is_list: false }),
            false => Command::CancelOrder(CancelOrder {
                account,
                market: MARKET,
                order,
                client_order_id,
                restriction,
                new_client_order_id: ClientOrderId::EMPTY,
                asked_us,
            }),
        }
    });
    let cancel_all = account.prop_map(|account| Command::CancelAll(CancelAll { account, market: MARKET }));
    let set = prop_oneof![3 => Just(MarketStatus::Trading), 4 => prop::sample::select(MarketStatus::ALL)];
    let set = set.prop_map(|status| Command::SetMarketStatus(SetMarketStatus { market: MARKET, status }));
    let reopen = (0_u64..500_000_000, 1_u64..500_000_000).prop_map(|(cancel_only_ns, auction_ns)| {
        Command::ReopenMarket(ReopenMarket { market: MARKET, cancel_only_ns, auction_ns })
    });
    let kill =
        any::<bool>().prop_map(|cancel_orders| Command::KillMarket(KillMarket { market: MARKET, cancel_orders }));
    let protect = (0_u32..4, 0_u32..4, 0_u64..2).prop_map(|(fixed, moving, filter)| {
        let protection = MarketProtection {
            static_band_ppm: fixed * 20_000,
            dynamic_band_ppm: moving * 10_000,
            volatility_auction_ns: if fixed + moving == 0 { 0 } else { 200_000_000 },
            bid_up_ppm: filter as u32 * 1_200_000,
            ask_down_ppm: filter as u32 * 900_000,
            ..MarketProtection::NONE
        };
        Command::SetMarketProtection(SetMarketProtection { market: MARKET, protection })
    });
    let change = (1_i64..3, 1_i64..3).prop_map(|(tick, lot)| {
        let (tick, lot) = (price(tick * 2), qty(lot));
        let rules = MarketRules { tick, lot, price_min: tick, qty_min: lot, ..rules() };
        Command::SetMarketRules(Box::new(SetMarketRules { market: MARKET, rules }))
    });
    let phase = prop_oneof![12 => set, 4 => reopen, 1 => kill, 6 => protect, 4 => change];
    let command = prop_oneof![20 => order(), 8 => cancel, 4 => seal, 2 => cancel_all, 2 => phase, 14 => special()];
    (command, 0_u64..300_000_000).prop_map(|(command, pause)| Step { command, pause })
}

/// A limit order that rests unless it trades.
pub(super) fn place(account: AccountId, side: &str, at: i64, units: i64) -> Command {
    Command::NewOrder(NewOrder {
        account,
        market: MARKET,
        side: if side == "buy" { Side::Buy } else { Side::Sell },
        kind: OrderKind::Limit,
        time_in_force: TimeInForce::Gtc,
        self_trade: SelfTradePrevention::None,
        price: price(at),
        qty: qty(units),
        quote_qty: Amount::ZERO,
        client_order_id: ClientOrderId::new(format!("{account}-{side}-{at}").as_bytes()).unwrap(),
        key: Default::default(),
        session: Default::default(),
        asked_us: 0,
    })
}

/// What accounts own, and nothing else that depends on the layout.
fn balances(world: &World) -> Vec<(i64, i64)> {
    let ledger = &world.partitions[0];
    (1..=3).flat_map(|id| [BASE, QUOTE].map(|asset| ledger.balance(AccountId::new(id), asset))).collect()
}

fn without_windows(events: &[Event]) -> Vec<Event> {
    events.iter().filter(|event| !matches!(event, Event::DepthWindowClosed(_))).cloned().collect()
}

/// Both layouts may tell a balance at other moments: the joint one once where the split one holds, then settles.
/// Positions differ as well, since mail takes some: requests are compared by presence.
pub(super) fn facts(events: &[Event]) -> Vec<Event> {
    let request = |request: wire::LogPosition| wire::LogPosition::new(request.get().min(1));
    let fact = |event: &Event| match event.clone() {
        Event::BalanceChanged(_) => None,
        Event::OrderCanceled(e) => {
            Some(Event::OrderCanceled(wire::event::OrderCanceled { request: request(e.request), ..e }))
        }
        Event::CancelRejected(e) => {
            Some(Event::CancelRejected(wire::event::CancelRejected { request: request(e.request), ..e }))
        }
        Event::AllCanceled(e) => {
            Some(Event::AllCanceled(wire::event::AllCanceled { request: request(e.request), ..e }))
        }
        Event::ReplacementRefused(e) => {
            Some(Event::ReplacementRefused(wire::event::ReplacementRefused { request: request(e.request), ..e }))
        }
        Event::OrderAmended(e) => {
            Some(Event::OrderAmended(wire::event::OrderAmended { request: request(e.request), ..e }))
        }
        Event::AmendRejected(e) => {
            Some(Event::AmendRejected(wire::event::AmendRejected { request: request(e.request), ..e }))
        }
        other => Some(other),
    };
    events.iter().filter_map(fact).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_layouts_come_to_the_same_and_restarts_change_nothing(
        steps in prop::collection::vec(step(), 1..200),
        restart_every in 1_usize..40,
    ) {
        let mut joint = World::new(Layout::Joint);
        let mut split = World::new(Layout::Split);
        let mut undisturbed = World::new(Layout::Joint);
        for (number, Step { command, pause }) in steps.iter().enumerate() {
            for world in [&mut joint, &mut split, &mut undisturbed] {
                world.now = world.now.plus_nanos(*pause);
                world.pass_time();
            }
            let replies = [&mut joint, &mut split, &mut undisturbed].map(|world| world.settle(command.clone()));
            prop_assert_eq!(replies[0], replies[1]);
            prop_assert_eq!(replies[0], replies[2]);
            joint.assert_settled();
            split.assert_settled();
            prop_assert_eq!(balances(&joint), balances(&split));
            if number % restart_every == 0 {
                joint.restart(0);
                for partition in 0..split.partitions.len() {
                    split.restart(partition);
                }
            }
        }
        prop_assert_eq!(facts(&joint.private), facts(&split.private));
        prop_assert_eq!(without_windows(&joint.public), without_windows(&split.public));
        prop_assert_eq!(&joint.private, &undisturbed.private);
        prop_assert_eq!(&joint.public, &undisturbed.public);
        prop_assert_eq!(joint.partitions[0].digest(), undisturbed.partitions[0].digest());
    }

    /// Whatever happens, room that is made meanwhile changes nothing but what has room.
    #[test]
    fn more_rows_at_any_moment_change_nothing_else(
        steps in prop::collection::vec(step(), 1..120),
        raise_every in 1_usize..20,
    ) {
        for layout in [Layout::Joint, Layout::Split] {
            let (mut growing, mut still) = (World::new(layout), World::new(layout));
            for (number, Step { command, pause }) in steps.iter().enumerate() {
                for world in [&mut growing, &mut still] {
                    world.now = world.now.plus_nanos(*pause);
                    world.pass_time();
                }
                if number % raise_every == 0 {
                    growing.settle(one_more(&growing));
                }
                let replies = [&mut growing, &mut still].map(|world| world.settle(command.clone()));
                prop_assert_eq!(replies[0], replies[1]);
                growing.assert_settled();
            }
            prop_assert_eq!(balances(&growing), balances(&still));
            prop_assert_eq!(beside_room(&growing.private), beside_room(&still.private));
            prop_assert_eq!(without_windows(&growing.public), without_windows(&still.public));
        }
    }

    /// Mail is carried late, in pieces and again, and partitions restart with mail on its way: nothing is lost or
    /// doubled, and whoever did not restart tells the same.
    #[test]
    fn late_mail_conserves_money_and_answers_everything(
        steps in prop::collection::vec((step(), 0_usize..8, 1_usize..5), 1..150),
    ) {
        let mut world = World::new(Layout::Split);
        let mut undisturbed = World::new(Layout::Split);
        for (Step { command, pause }, what, piece) in &steps {
            let command = keep_some_names(&world, command);
            let replies = [&mut world, &mut undisturbed].map(|world| {
                world.now = world.now.plus_nanos(*pause);
                let reply = world.ask(command.clone());
                match what {
                    0 => drop(world.carry(0, 1, *piece)),
                    1 => drop(world.carry(1, 0, *piece)),
                    3 => world.repeat(0, 1, *piece),
                    4 => world.repeat(1, 0, *piece),
                    _ => {}
                }
                reply
            });
            prop_assert_eq!(replies[0], replies[1]);
            if *what == 2 {
                world.restart(piece % 3);
            }
            for audit in world.partitions[0].audit() {
                prop_assert!(audit.is_conserved());
            }
        }
        for world in [&mut world, &mut undisturbed] {
            world.carry_all();
            world.assert_settled();
            for id in 1..=3 {
                let all = CancelAll { account: AccountId::new(id), market: MARKET };
                world.settle(Command::CancelAll(all));
            }
            world.assert_settled();
        }
        let held: i64 = balances(&world).iter().map(|(_, held)| held).sum();
        prop_assert_eq!(held, 0);
        prop_assert_eq!(&world.private, &undisturbed.private);
        prop_assert_eq!(&world.public, &undisturbed.public);
    }
}

/// Some amends leave an order its name.
fn keep_some_names(world: &World, command: &Command) -> Command {
    match command {
        Command::AmendOrder(amend) if amend.qty.units() % 3 == 0 => {
            let new_client_order_id = world.partitions[0].client_order_id(amend.order);
            Command::AmendOrder(Box::new(AmendOrder { new_client_order_id, ..**amend }))
        }
        command => command.clone(),
    }
}

#[test]
fn prices_and_quantities_at_their_bounds_are_answered() {
    for layout in [Layout::Joint, Layout::Split] {
        let mut world = World::new(layout);
        for kind in OrderKind::ALL {
            for side in Side::ALL {
                for units in [0, 1, Qty::MAX.units()] {
                    for quote in [0, 1, i64::MAX] {
                        for ticks in [1, 2, Price::MAX.units()] {
                            let text = ["alice", "buy", "1", "@", "2"];
                            let order = NewOrder {
                                side: *side,
                                kind: *kind,
                                price: price(ticks),
                                qty: qty(units),
                                quote_qty: amount(quote),
                                time_in_force: match kind {
                                    OrderKind::Market => TimeInForce::Ioc,
                                    _ => TimeInForce::Gtc,
                                },
                                ..world.parse_order(&text)
                            };
                            world.settle(Command::NewOrder(order));
                            world.assert_settled();
                        }
                    }
                }
            }
        }
    }
}
