//! The JSON of orders: as answers to placing and canceling, and as answers to queries.

use serde::Serialize;

use super::parse::ResponseType;
use crate::accounts::{Fill, Order, OrderOutcome, OrderStatus};
use crate::names;
use crate::reference::{Market, Reference};

/// Orders are of no list.
const NO_LIST: i64 = -1;

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
    working_time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    fills: Option<Vec<PlacedFill<'a>>>,
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
    let order = &outcome.order;
    let ack = Ack {
        symbol: market.symbol.as_str(),
        order_id: order.id.get(),
        order_list_id: NO_LIST,
        client_order_id: order.client_order_id.as_str(),
        transact_time: order.updated.millis(),
    };
    if response == ResponseType::Ack {
        return write(&ack);
    }
    let fills = (response == ResponseType::Full)
        .then(|| outcome.fills.iter().map(|fill| placed_fill(fill, market, reference)).collect());
    let working_time = order.working.unwrap_or(order.created).millis();
    write(&Placed { ack, state: State::of(order, market), working_time, fills })
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
        order_list_id: NO_LIST,
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
    stop_price: &'static str,
    iceberg_qty: &'static str,
    time: u64,
    update_time: u64,
    is_working: bool,
    working_time: i64,
}

/// An order as queries answer it.
pub fn queried(order: &Order, market: &Market) -> String {
    let working_time = order.working.map_or(-1, |at| i64::try_from(at.millis()).unwrap_or(i64::MAX));
    write(&Queried {
        symbol: market.symbol.as_str(),
        order_id: order.id.get(),
        order_list_id: NO_LIST,
        client_order_id: order.client_order_id.as_str(),
        state: State::of(order, market),
        stop_price: "0.00000000",
        iceberg_qty: "0.00000000",
        time: order.created.millis(),
        update_time: order.updated.millis(),
        is_working: !matches!(order.status, OrderStatus::PendingNew | OrderStatus::Rejected),
        working_time,
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
pub fn trade(fill: &Fill, market: &Market, reference: &Reference) -> String {
    let asset = reference.asset(fill.fee_asset);
    write(&Trade {
        symbol: market.symbol.as_str(),
        id: fill.trade.get(),
        order_id: fill.order.get(),
        order_list_id: NO_LIST,
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

fn write(answer: &impl Serialize) -> String {
    serde_json::to_string(answer).expect("texts and numbers are always JSON")
}
