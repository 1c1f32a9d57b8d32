//! The JSON of orders: as answers to placing and canceling, and as answers to queries.

use serde::Serialize;
use serde_json::value::RawValue;
use wire::ListId;

use super::parse::ResponseType;
use crate::accounts::{Account, Amendment, Fill, Order, OrderOutcome, OrderStatus, PreventedMatch};
use crate::history::ListedOrders;
use crate::market_data::json;
use crate::names;
use crate::reference::{Market, Reference};

mod prevented;

use prevented::PlacedPrevented;
pub use prevented::prevented;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ack<'a> {
    symbol: &'a str,
    order_id: u64,
    order_list_id: i64,
    client_order_id: &'a str,
    transact_time: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct State {
    price: String,
    orig_qty: String,
    executed_qty: String,
    orig_quote_order_qty: String,
    // Binance's spelling.
    cummulative_quote_qty: String,
    status: &'static str,
    time_in_force: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    side: &'static str,
    self_trade_prevention_mode: &'static str,
    #[serde(flatten)]
    conditional: Conditional,
}

/// What only some orders have.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Conditional {
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_price: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iceberg_qty: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trailing_delta: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trailing_time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strategy_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strategy_type: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    good_till_date: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peg_price_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peg_offset_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peg_offset_value: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pegged_price: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_executed_qty: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prevented_match_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prevented_quantity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_reason: Option<&'static str>,
}

impl Conditional {
    fn of(order: &Order, market: &Market) -> Conditional {
        let terms = order.terms();
        Conditional {
            stop_price: order
                .kind
                .is_stop()
                .then(|| market.show_price(terms.stop_price.map_or(0, |price| price.units()))),
            iceberg_qty: (!terms.visible_qty.is_zero()).then(|| market.show_qty(terms.visible_qty.units())),
            trailing_delta: (!terms.trailing_delta.is_zero()).then(|| terms.trailing_delta.get()),
            trailing_time: names::trailing_time(order),
            strategy_id: terms.strategy.id,
            strategy_type: terms.strategy.kind,
            good_till_date: terms.expire_at.map(|at| at.millis()),
            peg_price_type: names::peg(terms.peg.side),
            peg_offset_type: names::peg_offset(order).map(|(kind, _)| kind),
            peg_offset_value: names::peg_offset(order).map(|(_, levels)| levels),
            pegged_price: order.pegged().map(|price| market.show_price(price.units())),
            min_executed_qty: (!terms.qty_min.is_zero()).then(|| market.show_qty(terms.qty_min.units())),
            prevented_match_id: order.prevented().map(|prevented| prevented.id.get()),
            prevented_quantity: order.prevented().map(|prevented| market.show_qty(prevented.qty.units())),
            expiry_reason: names::expiry_reason(order),
        }
    }
}

/// Since when an order works; -1 of one that does not yet.
fn working_time(order: &Order) -> i64 {
    order.working.map_or(-1, |at| i64::try_from(at.millis()).unwrap_or(i64::MAX))
}

impl State {
    fn of(order: &Order, market: &Market) -> State {
        State {
            price: names::shown_price(order, market),
            orig_qty: market.show_qty(order.shown_qty().units()),
            executed_qty: market.show_qty(order.executed.units()),
            orig_quote_order_qty: market.quote.show(order.quote_qty.units()),
            cummulative_quote_qty: market.quote.show(order.quote_executed.units()),
            status: order.status.name(),
            time_in_force: names::shown_time_in_force(order),
            kind: names::kind(order.kind),
            side: names::side(order.side),
            self_trade_prevention_mode: names::self_trade(order.self_trade),
            conditional: Conditional::of(order, market),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Placed<'a> {
    #[serde(flatten)]
    ack: Ack<'a>,
    #[serde(flatten)]
    state: State,
    working_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    fills: Option<Vec<PlacedFill<'a>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    prevented_matches: Vec<PlacedPrevented<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trade_group_id: Option<u16>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlacedFill<'a> {
    price: String,
    qty: String,
    commission: String,
    commission_asset: &'a str,
    trade_id: u64,
}

/// The answer to a new order whose outcome is known.
pub fn placed(outcome: &OrderOutcome, market: &Market, reference: &Reference, response: ResponseType) -> String {
    let fills = (response == ResponseType::Full).then_some(outcome.fills.as_slice());
    report(&outcome.order, fills, &outcome.prevented, market, reference, response)
}

/// An order as answers to placing show it.
pub fn report(
    order: &Order,
    fills: Option<&[Fill]>,
    prevented: &[PreventedMatch],
    market: &Market,
    reference: &Reference,
    response: ResponseType,
) -> String {
    let ack = Ack {
        symbol: market.symbol.as_str(),
        order_id: order.id.get(),
        order_list_id: names::list_id(order),
        client_order_id: order.client_order_id.as_str(),
        // When it entered the log, and not when its outcome was known: whoever asks for orders and trades from here on
        // finds it and all of its own.
        transact_time: order.created.millis(),
    };
    if response == ResponseType::Ack {
        return write(&ack);
    }
    let fills = fills.map(|fills| fills.iter().map(|fill| placed_fill(fill, market, reference)).collect());
    // A pending order of a list may end without ever having worked.
    let is_listed = order.list() != ListId::ZERO;
    let working_time = if is_listed || order.kind.is_stop() || order.status == OrderStatus::PendingNew {
        working_time(order)
    } else {
        i64::try_from(order.working.unwrap_or(order.created).millis()).unwrap_or(i64::MAX)
    };
    let prevented_matches = prevented.iter().map(|prevented| PlacedPrevented::of(prevented, market));
    let trade_group_id = prevented.first().map(|prevented| prevented.group.get()).filter(|group| *group != 0);
    let prevented_matches = prevented_matches.collect();
    write(&Placed { ack, state: State::of(order, market), working_time, fills, prevented_matches, trade_group_id })
}

fn placed_fill<'a>(fill: &Fill, market: &Market, reference: &'a Reference) -> PlacedFill<'a> {
    let asset = reference.asset(fill.fee_asset);
    PlacedFill {
        price: market.show_price(fill.price.units()),
        qty: market.show_qty(fill.qty.units()),
        commission: asset.map_or_else(String::new, |asset| asset.show(fill.commission())),
        commission_asset: asset.map_or("", |asset| asset.symbol.as_str()),
        trade_id: fill.trade.get(),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Canceled<'a> {
    symbol: &'a str,
    orig_client_order_id: &'a str,
    order_id: u64,
    order_list_id: i64,
    client_order_id: &'a str,
    transact_time: u64,
    #[serde(flatten)]
    state: State,
}

/// The answer to a cancel; `cancel_id` names the cancel itself.
pub fn canceled(order: &Order, market: &Market, cancel_id: &str) -> String {
    write(&Canceled {
        symbol: market.symbol.as_str(),
        orig_client_order_id: order.client_order_id.as_str(),
        order_id: order.id.get(),
        order_list_id: names::list_id(order),
        client_order_id: cancel_id,
        transact_time: order.updated.millis(),
        state: State::of(order, market),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Queried<'a> {
    symbol: &'a str,
    order_id: u64,
    order_list_id: i64,
    client_order_id: &'a str,
    #[serde(flatten)]
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_price: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iceberg_qty: Option<&'static str>,
    time: u64,
    update_time: u64,
    is_working: bool,
    working_time: i64,
}

/// An order as queries answer it.
pub fn queried(order: &Order, market: &Market) -> String {
    // Queries show both of every order; those that have them show their own.
    write(&Queried {
        symbol: market.symbol.as_str(),
        order_id: order.id.get(),
        order_list_id: names::list_id(order),
        client_order_id: order.client_order_id.as_str(),
        state: State::of(order, market),
        stop_price: (!order.kind.is_stop()).then_some("0.00000000"),
        iceberg_qty: order.terms().visible_qty.is_zero().then_some("0.00000000"),
        time: order.created.millis(),
        update_time: order.updated.millis(),
        is_working: order.working.is_some(),
        working_time: working_time(order),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Trade<'a> {
    symbol: &'a str,
    id: u64,
    order_id: u64,
    order_list_id: i64,
    price: String,
    qty: String,
    quote_qty: String,
    commission: String,
    commission_asset: &'a str,
    time: u64,
    is_buyer: bool,
    is_maker: bool,
    is_best_match: bool,
}

/// A fill as `myTrades` answers it.
pub fn trade(fill: &Fill, list: i64, market: &Market, reference: &Reference) -> String {
    let asset = reference.asset(fill.fee_asset);
    write(&Trade {
        symbol: market.symbol.as_str(),
        id: fill.trade.get(),
        order_id: fill.order.get(),
        order_list_id: list,
        price: market.show_price(fill.price.units()),
        qty: market.show_qty(fill.qty.units()),
        quote_qty: market.quote.show(fill.quote_amount.units()),
        commission: asset.map_or_else(String::new, |asset| asset.show(fill.commission())),
        commission_asset: asset.map_or("", |asset| asset.symbol.as_str()),
        time: fill.time.millis(),
        is_buyer: fill.side == wire::Side::Buy,
        is_maker: fill.is_maker,
        is_best_match: true,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AmendedOrder<'a> {
    symbol: &'a str,
    order_id: u64,
    order_list_id: i64,
    orig_client_order_id: &'a str,
    client_order_id: &'a str,
    price: String,
    qty: String,
    executed_qty: String,
    prevented_qty: String,
    quote_order_qty: String,
    cumulative_quote_qty: String,
    status: &'static str,
    time_in_force: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    side: &'static str,
    working_time: i64,
    self_trade_prevention_mode: &'static str,
    #[serde(flatten)]
    conditional: Conditional,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Amended<'a> {
    transact_time: u64,
    execution_id: u64,
    amended_order: AmendedOrder<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list_status: Option<ListHead<'a>>,
}

/// The answer to an amend.
pub fn amended(order: &Order, account: &Account, market: &Market) -> String {
    let last = order.amendments().last();
    let listed = account.lists.get(order.list()).map(|list| account.listed(list));
    write(&Amended {
        transact_time: order.updated.millis(),
        execution_id: last.map_or(0, |amendment| amendment.execution),
        amended_order: AmendedOrder {
            symbol: market.symbol.as_str(),
            order_id: order.id.get(),
            order_list_id: names::list_id(order),
            orig_client_order_id: last
                .map_or(order.client_order_id.as_str(), |amendment| amendment.client_order_id_before.as_str()),
            client_order_id: order.client_order_id.as_str(),
            price: names::shown_price(order, market),
            qty: market.show_qty(order.shown_qty().units()),
            executed_qty: market.show_qty(order.executed.units()),
            prevented_qty: market.show_qty(order.prevented().map_or(0, |prevented| prevented.qty.units())),
            quote_order_qty: market.quote.show(order.quote_qty.units()),
            cumulative_quote_qty: market.quote.show(order.quote_executed.units()),
            status: order.status.name(),
            time_in_force: names::shown_time_in_force(order),
            kind: names::kind(order.kind),
            side: names::side(order.side),
            working_time: working_time(order),
            self_trade_prevention_mode: names::self_trade(order.self_trade),
            conditional: Conditional::of(order, market),
        },
        list_status: listed.as_ref().map(|listed| ListHead::of(listed, market)),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownAmendment<'a> {
    symbol: &'a str,
    order_id: u64,
    execution_id: u64,
    orig_client_order_id: &'a str,
    new_client_order_id: &'a str,
    orig_qty: String,
    new_qty: String,
    time: u64,
}

/// One amendment of an order as `order/amendments` answers it.
pub fn amendment(order: &Order, amendment: &Amendment, market: &Market) -> String {
    write(&ShownAmendment {
        symbol: market.symbol.as_str(),
        order_id: order.id.get(),
        execution_id: amendment.execution,
        orig_client_order_id: amendment.client_order_id_before.as_str(),
        new_client_order_id: amendment.client_order_id.as_str(),
        orig_qty: market.show_qty(amendment.qty_before.units()),
        new_qty: market.show_qty(amendment.qty.units()),
        time: amendment.at.millis(),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListHead<'a> {
    order_list_id: u64,
    contingency_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    list_status_type: Option<&'static str>,
    list_order_status: &'static str,
    list_client_order_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_time: Option<u64>,
    symbol: &'a str,
    orders: Vec<ListedOrder<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_reports: Option<Vec<Box<RawValue>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedOrder<'a> {
    symbol: &'a str,
    order_id: u64,
    client_order_id: &'a str,
}

impl<'a> ListHead<'a> {
    /// As an amend tells it.
    fn of(listed: &'a ListedOrders, market: &'a Market) -> ListHead<'a> {
        let ListedOrders { list, names } = listed;
        let symbol = market.symbol.as_str();
        let orders = list.orders.iter().zip(names).map(|(id, name)| ListedOrder {
            symbol,
            order_id: id.get(),
            client_order_id: name.as_str(),
        });
        ListHead {
            order_list_id: list.id.get(),
            contingency_type: names::contingency(list.kind),
            list_status_type: None,
            list_order_status: names::list_status(list.status).1,
            list_client_order_id: list.client_order_id.as_str(),
            transaction_time: None,
            symbol,
            orders: orders.collect(),
            order_reports: None,
        }
    }
}

/// A list as answers and queries show it, with what each order's report is, where they are wanted.
pub fn list(listed: &ListedOrders, market: &Market, reports: Option<Vec<String>>) -> String {
    let raw = |report: String| RawValue::from_string(report).expect("reports are JSON");
    write(&ListHead {
        list_status_type: Some(names::list_status(listed.list.status).0),
        transaction_time: Some(listed.list.updated.millis()),
        order_reports: reports.map(|reports| reports.into_iter().map(raw).collect()),
        ..ListHead::of(listed, market)
    })
}

fn write(answer: &impl Serialize) -> String {
    json::text(answer)
}
