//! The JSON of user events, field by field as Binance documents them ("User Data Streams").

use serde::Serialize;
use wire::{ClientOrderId, ListId, LogPosition, RejectReason, Timestamp};

use super::fills::Fill;
use super::lists::{ListStatus, OrderList};
use super::orders::{Order, OrderStatus};
use super::{Account, Balance};
use crate::market_data::json;
use crate::names;
use crate::reference::{Asset, Market, Reference};

const ZERO: &str = "0.00000000";

/// The client order id that a cancel itself goes by when the client named none: the same on every gateway.
pub fn cancel_report_id(request: LogPosition) -> String {
    format!("cancel-{request}")
}

/// Writes the execution reports of one command.
pub(super) struct Reporter<'a> {
    pub(super) market: &'a Market,
    pub(super) reference: &'a Reference,
    pub(super) execution: u64,
    pub(super) now: Timestamp,
}

/// `executionReport`. Absent optional fields are left out, as Binance leaves them.
#[derive(Serialize)]
struct ExecutionReport<'a> {
    #[serde(rename = "e")]
    event: &'static str,
    #[serde(rename = "E")]
    event_time: u64,
    #[serde(rename = "s")]
    symbol: &'a str,
    #[serde(rename = "c")]
    client_order_id: &'a str,
    #[serde(rename = "S")]
    side: &'static str,
    #[serde(rename = "o")]
    kind: &'static str,
    #[serde(rename = "f")]
    time_in_force: &'static str,
    #[serde(rename = "q")]
    qty: String,
    #[serde(rename = "p")]
    price: String,
    #[serde(rename = "P")]
    stop_price: String,
    #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
    trailing_delta: Option<u16>,
    #[serde(rename = "D", skip_serializing_if = "Option::is_none")]
    trailing_time: Option<i64>,
    #[serde(rename = "j", skip_serializing_if = "Option::is_none")]
    strategy_id: Option<u64>,
    #[serde(rename = "J", skip_serializing_if = "Option::is_none")]
    strategy_type: Option<u32>,
    #[serde(rename = "F")]
    iceberg_qty: String,
    #[serde(rename = "g")]
    order_list_id: i64,
    #[serde(rename = "C")]
    original_client_order_id: &'a str,
    #[serde(rename = "x")]
    execution: &'static str,
    #[serde(rename = "X")]
    status: &'static str,
    #[serde(rename = "r")]
    reject_reason: &'static str,
    #[serde(rename = "i")]
    order_id: u64,
    #[serde(rename = "l")]
    last_qty: String,
    #[serde(rename = "z")]
    executed: String,
    #[serde(rename = "L")]
    last_price: String,
    #[serde(rename = "n")]
    commission: String,
    #[serde(rename = "N")]
    commission_asset: Option<&'a str>,
    #[serde(rename = "T")]
    transaction_time: u64,
    #[serde(rename = "t")]
    trade_id: i64,
    #[serde(rename = "v", skip_serializing_if = "Option::is_none")]
    prevented_match_id: Option<u64>,
    #[serde(rename = "I")]
    execution_id: u64,
    #[serde(rename = "w")]
    is_on_book: bool,
    #[serde(rename = "m")]
    is_maker: bool,
    #[serde(rename = "M")]
    ignored: bool,
    #[serde(rename = "O")]
    created: u64,
    #[serde(rename = "Z")]
    quote_executed: String,
    #[serde(rename = "Y")]
    last_quote: String,
    #[serde(rename = "Q")]
    quote_qty: String,
    #[serde(rename = "W", skip_serializing_if = "Option::is_none")]
    working: Option<u64>,
    #[serde(rename = "V")]
    self_trade: &'static str,
    #[serde(rename = "gP", skip_serializing_if = "Option::is_none")]
    peg_price_type: Option<&'static str>,
    #[serde(rename = "gOT", skip_serializing_if = "Option::is_none")]
    peg_offset_type: Option<&'static str>,
    #[serde(rename = "gOV", skip_serializing_if = "Option::is_none")]
    peg_offset_value: Option<u8>,
    #[serde(rename = "gp", skip_serializing_if = "Option::is_none")]
    pegged_price: Option<String>,
    #[serde(rename = "eR", skip_serializing_if = "Option::is_none")]
    expiry_reason: Option<&'static str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    prevented: Option<PreventedFields<'a>>,
}

/// What a report says of a prevented trade.
#[derive(Serialize)]
struct PreventedFields<'a> {
    #[serde(rename = "A")]
    qty: String,
    #[serde(rename = "B")]
    last_qty: String,
    #[serde(rename = "u")]
    group: i32,
    #[serde(rename = "U")]
    counter: u64,
    #[serde(rename = "Cs")]
    counter_symbol: &'a str,
    #[serde(rename = "pl")]
    execution_qty: String,
    #[serde(rename = "pL")]
    execution_price: String,
    #[serde(rename = "pY")]
    execution_quote: String,
}

impl Reporter<'_> {
    pub(super) fn accepted(&self, order: &Order) -> String {
        let placed = if order.list() == ListId::ZERO { order.created } else { self.now };
        let since = order.working.unwrap_or(placed);
        write(&ExecutionReport { transaction_time: since.millis(), ..self.report(order, "NEW") })
    }

    pub(super) fn rejected(&self, order: &Order, reason: RejectReason) -> String {
        write(&ExecutionReport { reject_reason: names::reject_reason(reason), ..self.report(order, "REJECTED") })
    }

    pub(super) fn expired(&self, order: &Order) -> String {
        let is_prevented = order.status == OrderStatus::ExpiredInMatch;
        let report = self.report(order, if is_prevented { "TRADE_PREVENTION" } else { "EXPIRED" });
        let prevented = if is_prevented { self.prevented_fields(order) } else { None };
        write(&ExecutionReport { prevented, expiry_reason: names::expiry_reason(order), ..report })
    }

    /// An order that goes on with less, because a trade with its own account or group was prevented.
    pub(super) fn prevented(&self, order: &Order) -> String {
        write(&ExecutionReport { prevented: self.prevented_fields(order), ..self.report(order, "TRADE_PREVENTION") })
    }

    fn prevented_fields(&self, order: &Order) -> Option<PreventedFields<'_>> {
        let prevented = order.prevented()?;
        let notional = prevented.price.notional(prevented.last_qty, self.market.scale.quote_factor);
        Some(PreventedFields {
            qty: self.market.show_qty(prevented.qty.units()),
            last_qty: self.market.show_qty(prevented.last_qty.units()),
            group: names::trade_group(prevented.group),
            counter: prevented.counter.get(),
            counter_symbol: self.market.symbol.as_str(),
            execution_qty: self.market.show_qty(prevented.last_qty.units()),
            execution_price: self.market.show_price(prevented.price.units()),
            execution_quote: self.market.quote.show(notional.map_or(0, |amount| amount.units())),
        })
    }

    /// An order whose quantity was lowered; `before` is the name that it had.
    pub(super) fn amended(&self, order: &Order, before: &str) -> String {
        write(&ExecutionReport { original_client_order_id: before, ..self.report(order, "REPLACED") })
    }

    /// By a request; `canceled_as` is what the client named that.
    pub(super) fn canceled(&self, order: &Order, request: LogPosition, canceled_as: &ClientOrderId) -> String {
        let id = if canceled_as.is_empty() { cancel_report_id(request) } else { canceled_as.to_string() };
        write(&ExecutionReport {
            client_order_id: &id,
            original_client_order_id: order.client_order_id.as_str(),
            ..self.report(order, "CANCELED")
        })
    }

    pub(super) fn trade(&self, order: &Order, fill: &Fill) -> String {
        let fee_asset = self.reference.asset(fill.fee_asset);
        write(&ExecutionReport {
            last_qty: self.market.show_qty(fill.qty.units()),
            last_price: self.market.show_price(fill.price.units()),
            last_quote: self.market.quote.show(fill.quote_amount.units()),
            commission: fee_asset.map_or_else(|| ZERO.into(), |asset| asset.show(fill.commission())),
            commission_asset: fee_asset.map(|asset| asset.symbol.as_str()),
            trade_id: i64::try_from(fill.trade.get()).unwrap_or(i64::MAX),
            is_maker: fill.is_maker,
            transaction_time: fill.time.millis(),
            ..self.report(order, "TRADE")
        })
    }

    fn report<'a>(&'a self, order: &'a Order, execution: &'static str) -> ExecutionReport<'a> {
        ExecutionReport {
            event: "executionReport",
            event_time: self.now.millis(),
            symbol: self.market.symbol.as_str(),
            client_order_id: order.client_order_id.as_str(),
            side: names::side(order.side),
            kind: names::kind(order.kind),
            time_in_force: names::shown_time_in_force(order),
            qty: self.market.show_qty(order.shown_qty().units()),
            price: names::shown_price(order, self.market),
            stop_price: self.market.show_price(order.terms().stop_price.map_or(0, |price| price.units())),
            trailing_delta: (!order.terms().trailing_delta.is_zero()).then(|| order.terms().trailing_delta.get()),
            trailing_time: names::trailing_time(order),
            strategy_id: order.terms().strategy.id,
            strategy_type: order.terms().strategy.kind,
            iceberg_qty: self.market.show_qty(order.terms().visible_qty.units()),
            order_list_id: names::list_id(order),
            original_client_order_id: "",
            execution,
            status: order.status.name(),
            reject_reason: "NONE",
            order_id: order.id.get(),
            last_qty: ZERO.into(),
            executed: self.market.show_qty(order.executed.units()),
            last_price: ZERO.into(),
            commission: "0".into(),
            commission_asset: None,
            transaction_time: self.now.millis(),
            trade_id: -1,
            prevented_match_id: order.prevented().map(|prevented| prevented.id.get()),
            execution_id: self.execution,
            is_on_book: order.is_on_book(),
            is_maker: false,
            ignored: false,
            created: order.created.millis(),
            quote_executed: self.market.quote.show(order.quote_executed.units()),
            last_quote: ZERO.into(),
            quote_qty: self.market.quote.show(order.quote_qty.units()),
            working: order.working.map(Timestamp::millis),
            self_trade: names::self_trade(order.self_trade),
            peg_price_type: names::peg(order.terms().peg.side),
            peg_offset_type: names::peg_offset(order).map(|(kind, _)| kind),
            peg_offset_value: names::peg_offset(order).map(|(_, levels)| levels),
            pegged_price: order.pegged().map(|price| self.market.show_price(price.units())),
            expiry_reason: None,
            prevented: None,
        }
    }
}

/// `listStatus`: an order list came in, has ended or was refused, or an order of it has another name.
#[derive(Serialize)]
struct ListStatusReport<'a> {
    #[serde(rename = "e")]
    event: &'static str,
    #[serde(rename = "E")]
    event_time: u64,
    #[serde(rename = "s")]
    symbol: &'a str,
    #[serde(rename = "g")]
    list: u64,
    #[serde(rename = "c")]
    contingency: &'static str,
    #[serde(rename = "l")]
    status_type: &'static str,
    #[serde(rename = "L")]
    order_status: &'static str,
    #[serde(rename = "r")]
    reject_reason: &'static str,
    #[serde(rename = "C")]
    client_order_id: &'a str,
    #[serde(rename = "T")]
    transaction_time: u64,
    #[serde(rename = "O")]
    orders: Vec<ListedOrder<'a>>,
}

#[derive(Serialize)]
struct ListedOrder<'a> {
    #[serde(rename = "s")]
    symbol: &'a str,
    #[serde(rename = "i")]
    order: u64,
    #[serde(rename = "c")]
    client_order_id: &'a str,
}

/// `listStatus`, of where the list is in its life.
pub(super) fn list_status(list: &OrderList, account: &Account, market: &Market, now: Timestamp) -> String {
    list_told(list, account, market, (now, list.updated), names::list_status(list.status).0)
}

/// `listStatus`, of a list with an order that has another name.
pub(super) fn list_renamed(list: &OrderList, account: &Account, market: &Market, now: Timestamp) -> String {
    list_told(list, account, market, (now, now), "UPDATED")
}

fn list_told(
    list: &OrderList,
    account: &Account,
    market: &Market,
    (now, changed): (Timestamp, Timestamp),
    status_type: &'static str,
) -> String {
    let symbol = market.symbol.as_str();
    let known = |id: &wire::OrderId| account.orders.get(list.market, *id);
    let orders = list.orders.iter().map(|id| ListedOrder {
        symbol,
        order: id.get(),
        client_order_id: known(id).map_or("", |order| order.client_order_id.as_str()),
    });
    let (_, order_status) = names::list_status(list.status);
    write(&ListStatusReport {
        event: "listStatus",
        event_time: now.millis(),
        symbol,
        list: list.id.get(),
        contingency: names::contingency(list.kind),
        status_type,
        order_status,
        reject_reason: match list.status {
            ListStatus::Rejected(reason) => names::reject_reason(reason),
            _ => "NONE",
        },
        client_order_id: list.client_order_id.as_str(),
        transaction_time: changed.millis(),
        orders: orders.collect(),
    })
}

#[derive(Serialize)]
struct AccountPosition<'a> {
    #[serde(rename = "e")]
    event: &'static str,
    #[serde(rename = "E")]
    event_time: u64,
    #[serde(rename = "u")]
    updated: u64,
    #[serde(rename = "B")]
    balances: Vec<PositionBalance<'a>>,
}

#[derive(Serialize)]
struct PositionBalance<'a> {
    #[serde(rename = "a")]
    asset: &'a str,
    #[serde(rename = "f")]
    free: String,
    #[serde(rename = "l")]
    locked: String,
}

/// `outboundAccountPosition`: the balances that one command changed.
pub(super) fn account_position<'a>(balances: impl Iterator<Item = (&'a Asset, Balance)>, now: Timestamp) -> String {
    let balances = balances
        .map(|(asset, balance)| PositionBalance {
            asset: asset.symbol.as_str(),
            free: asset.show(balance.free.units()),
            locked: asset.show(balance.held.units()),
        })
        .collect();
    write(&AccountPosition {
        event: "outboundAccountPosition",
        event_time: now.millis(),
        updated: now.millis(),
        balances,
    })
}

#[derive(Serialize)]
struct BalanceUpdate<'a> {
    #[serde(rename = "e")]
    event: &'static str,
    #[serde(rename = "E")]
    event_time: u64,
    #[serde(rename = "a")]
    asset: &'a str,
    #[serde(rename = "d")]
    delta: &'a str,
    #[serde(rename = "T")]
    cleared: u64,
}

/// `balanceUpdate`: a deposit or a withdrawal.
pub(super) fn balance_update(asset: &Asset, delta: &str, now: Timestamp) -> String {
    write(&BalanceUpdate {
        event: "balanceUpdate",
        event_time: now.millis(),
        asset: asset.symbol.as_str(),
        delta,
        cleared: now.millis(),
    })
}

fn write(event: &impl Serialize) -> String {
    json::text(event)
}
