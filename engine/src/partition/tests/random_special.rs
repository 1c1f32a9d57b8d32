//! Random orders on terms, order lists, amends and replaces, mostly legal, around the price of the plain ones.

use proptest::prelude::*;
use wire::command::{AmendOrder, CancelOrder, CancelOrderList, NewOrder, NewOrderList, NewOrderOnTerms, ReplaceOrder};
use wire::{
    AccountId, Amount, BasisPoints, CancelRestriction, ClientOrderId, Command, ListId, ListKind, OrderId, OrderKind,
    Peg, PegSide, Price, Qty, ReplaceMode, SelfTradePrevention, Side, StrategyLabel, Terms, TimeInForce, Timestamp,
};

use super::world::{MARKET, price, qty};

fn account() -> impl Strategy<Value = AccountId> {
    (1_u32..=3).prop_map(AccountId::new)
}

fn name() -> impl Strategy<Value = ClientOrderId> {
    (0_u32..2_000).prop_map(|n| ClientOrderId::new(format!("s{n}").as_bytes()).unwrap())
}

fn near() -> impl Strategy<Value = Price> {
    (40_i64..60).prop_map(|ticks| price(ticks * 2))
}

/// An order of any kind with terms that mostly fit it.
fn leg() -> impl Strategy<Value = NewOrderOnTerms> {
    let kind = prop::sample::select(OrderKind::ALL);
    let waits = prop::sample::select(&[TimeInForce::Gtc, TimeInForce::Gtc, TimeInForce::Day, TimeInForce::Gtd][..]);
    let now = prop::sample::select(&[TimeInForce::Ioc, TimeInForce::Fok][..]);
    let time = prop_oneof![4 => waits, 1 => now];
    let stop = (any::<bool>(), near(), prop_oneof![3 => Just(0_u16), 1 => 10_u16..500]);
    let pegs = (prop::sample::select(PegSide::ALL), 0_u8..3, any::<bool>());
    let pegs = pegs.prop_map(|(side, levels, has_price)| Peg { side, levels, has_price });
    let asked = (prop_oneof![3 => Just(Peg::NONE), 1 => pegs], prop_oneof![4 => Just(0_i64), 1 => 1_i64..10]);
    let asked = asked.prop_map(|(peg, least)| Terms { peg, qty_min: qty(least), ..Terms::NONE });
    let shows = (prop_oneof![2 => Just(0_i64), 1 => 1_i64..10], asked);
    let self_trade = prop::sample::select(SelfTradePrevention::ALL);
    (account(), any::<bool>(), kind, time, self_trade, (near(), 1_i64..30), stop, shows, name(), 1_u64..40).prop_map(
        |(
            account,
            is_buy,
            kind,
            time,
            self_trade,
            (at, units),
            (has_stop, stop, delta),
            (shows, asked),
            name,
            seconds,
        )| {
            let is_stop = kind.is_stop();
            let time_in_force = match kind {
                _ if kind.is_market() => TimeInForce::Ioc,
                OrderKind::LimitMaker => TimeInForce::Gtc,
                _ => time,
            };
            let may_show = !kind.is_market() && time_in_force.may_rest();
            let date = Timestamp::from_nanos(1_000_000_000 + seconds * 1_000_000_000);
            NewOrderOnTerms {
                order: NewOrder {
                    account,
                    market: MARKET,
                    side: if is_buy { Side::Buy } else { Side::Sell },
                    kind,
                    time_in_force,
                    self_trade,
                    price: at,
                    qty: qty(units),
                    quote_qty: Amount::ZERO,
                    client_order_id: name,
                    key: Default::default(),
                    session: Default::default(),
                    asked_us: 0,
                },
                terms: Terms {
                    stop_price: (is_stop && (has_stop || delta == 0)).then_some(stop),
                    trailing_delta: BasisPoints::new(if is_stop { delta } else { 0 }).unwrap(),
                    visible_qty: if may_show { qty(shows.min(units)) } else { Qty::ZERO },
                    expire_at: (time_in_force == TimeInForce::Gtd).then_some(date),
                    strategy: StrategyLabel { id: (units % 3 == 0).then_some(units as u64), kind: None },
                    ..asked
                },
            }
        },
    )
}

/// Orders that mostly make a list.
fn list() -> impl Strategy<Value = Command> {
    let kind = prop::sample::select(ListKind::ALL);
    (kind, name(), prop::collection::vec(leg(), 3), account(), any::<bool>(), 1_i64..20, 2_i64..10).prop_map(
        |(kind, list_client_order_id, mut legs, account, is_buy, units, away)| {
            let side = if is_buy { Side::Buy } else { Side::Sell };
            for leg in &mut legs {
                leg.order.account = account;
                leg.terms.expire_at = None;
                leg.terms.qty_min = Qty::ZERO;
                if leg.order.time_in_force == TimeInForce::Gtd {
                    leg.order.time_in_force = TimeInForce::Gtc;
                }
            }
            if kind != ListKind::Oco {
                legs[0].order.kind = OrderKind::Limit;
                legs[0].terms = Terms::NONE;
            }
            let pair_at = match kind {
                ListKind::Oco => 0,
                ListKind::Oto => usize::MAX,
                ListKind::Otoco => 1,
            };
            if let Some([loss, profit]) = legs.get_mut(pair_at..).and_then(|rest| rest.first_chunk_mut()) {
                let sign = if is_buy { -1 } else { 1 };
                let self_trade = loss.order.self_trade;
                for (leg, offset) in [(&mut *loss, -away), (&mut *profit, away)] {
                    let at = price(100 + sign * 2 * offset);
                    leg.order.side = side;
                    leg.order.qty = qty(units);
                    leg.order.self_trade = self_trade;
                    leg.order.price = at;
                    leg.order.time_in_force = TimeInForce::Gtc;
                    leg.terms = Terms { stop_price: Some(at), ..Terms::NONE };
                }
                loss.order.kind = OrderKind::StopLossLimit;
                profit.order.kind = OrderKind::LimitMaker;
                profit.terms = Terms::NONE;
            }
            legs.truncate(kind.legs());
            Command::NewOrderList(NewOrderList { kind, list_client_order_id, legs })
        },
    )
}

fn cancel() -> impl Strategy<Value = CancelOrder> {
    let restriction = prop::sample::select(CancelRestriction::ALL);
    (account(), 1_u64..80, restriction, name()).prop_map(|(account, order, restriction, name)| CancelOrder {
        account,
        market: MARKET,
        order: OrderId::new(order),
        client_order_id: ClientOrderId::EMPTY,
        restriction,
        new_client_order_id: name,
        asked_us: 0,
    })
}

/// Everything beside plain orders and their cancels.
pub(super) fn special() -> impl Strategy<Value = Command> {
    let on_terms = leg().prop_map(|leg| Command::NewOrderOnTerms(Box::new(leg)));
    let amend = (account(), 1_u64..60, 1_i64..12, name()).prop_map(|(account, order, units, name)| {
        Command::AmendOrder(Box::new(AmendOrder {
            account,
            market: MARKET,
            order: OrderId::new(order),
            client_order_id: ClientOrderId::EMPTY,
            qty: qty(units),
            new_client_order_id: name,
            asked_us: 0,
        }))
    });
    let replace = (cancel(), leg(), prop::sample::select(ReplaceMode::ALL)).prop_map(|(cancel, leg, mode)| {
        let order = NewOrder { account: cancel.account, ..leg.order };
        Command::ReplaceOrder(Box::new(ReplaceOrder { cancel, mode, order, terms: leg.terms }))
    });
    let cancel_list = (account(), 1_u64..30, name()).prop_map(|(account, list, name)| {
        Command::CancelOrderList(CancelOrderList {
            account,
            market: MARKET,
            list: ListId::new(list),
            list_client_order_id: ClientOrderId::EMPTY,
            new_client_order_id: name,
            asked_us: 0,
        })
    });
    let cancel = cancel().prop_map(Command::CancelOrder);
    prop_oneof![8 => on_terms, 4 => amend, 4 => replace, 5 => list(), 2 => cancel, 1 => cancel_list]
}
