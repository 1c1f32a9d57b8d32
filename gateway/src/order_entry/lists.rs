//! Order lists: one cancels the other (OCO), one triggers the other (OTO), one triggers a pair (OTOCO).
//!
//! Each leg is read as an order of its own, from parameters that carry the leg's name before the order's
//! (`aboveStopPrice`), and errors name what the client sent.

use std::borrow::Cow;
use std::sync::Arc;

use wire::command::{CancelOrderList, NewOrderList, NewOrderOnTerms, Reply};
use wire::{ClientOrderId, Command, ListId, ListKind, OrderKind, Side};

use super::parse::{self, Placement, ResponseType};
use super::{GiveUp, Waited, answers, canceled_by, deadline, filters, outcome, request, spend};
use crate::accounts::{Account, ListStatus, Order, OrderList, OrderStatus, cancel_report_id};
use crate::auth::Caller;
use crate::errors::{self, ApiError};
use crate::gateway::{Answer, Gateway};
use crate::params::Params;
use crate::reference::Market;

/// A list, ready for the log.
struct List {
    kind: ListKind,
    name: ClientOrderId,
    legs: Vec<Placement>,
    response: ResponseType,
}

/// `orderList/oco`: an order above the market and one below it.
pub async fn oco(gateway: &Arc<Gateway>, caller: Caller, mut params: Params) -> Answer {
    let common = Common::take(gateway, &mut params)?;
    let shared = [("side", params.required("side")?), ("quantity", params.required("quantity")?)];
    may_be_of_pair(&params, ["aboveType", "belowType"])?;
    let above = common.leg(gateway, caller, &mut params, "above", &shared)?;
    let below = common.leg(gateway, caller, &mut params, "below", &shared)?;
    params.finish()?;
    check_pair(&above, &below)?;
    place(gateway, caller, List { kind: ListKind::Oco, ..common.list(vec![above, below]) }).await
}

/// `order/oco`: as `orderList/oco`, with a limit and a stop order, whichever is above.
pub async fn limit_and_stop(gateway: &Arc<Gateway>, caller: Caller, mut params: Params) -> Answer {
    let common = Common::take(gateway, &mut params)?;
    let side = params.required("side")?;
    let shared = |kind: &str| [("side", side.clone()), ("type", kind.to_owned())];
    let quantity = params.required("quantity")?;
    let price = params.required("price")?;
    let mut limit = params.split("limit", &LEG_NAMES);
    for (name, value) in [("price", price), ("quantity", quantity.clone())].into_iter().chain(shared("LIMIT_MAKER")) {
        limit.put(name, value);
    }
    let mut stop = params.split("stop", &["ClientOrderId", "StrategyId", "StrategyType", "IcebergQty"]);
    let stop_limit = params.take("stopLimitPrice")?;
    let kind = if stop_limit.is_some() { "STOP_LOSS_LIMIT" } else { "STOP_LOSS" };
    let moved = [
        ("price", stop_limit),
        ("timeInForce", params.take("stopLimitTimeInForce")?),
        ("stopPrice", params.take("stopPrice")?),
        ("trailingDelta", params.take("trailingDelta")?),
        ("quantity", Some(quantity)),
    ];
    for (name, value) in moved {
        if let Some(value) = value {
            stop.put(name, value);
        }
    }
    for (name, value) in shared(kind) {
        stop.put(name, value);
    }
    params.finish()?;
    let limit = common.read(gateway, caller, limit, "limit").map_err(naming_as_formerly)?;
    let stop = common.read(gateway, caller, stop, "stop").map_err(naming_as_formerly)?;
    place(gateway, caller, List { kind: ListKind::Oco, ..common.list(vec![limit, stop]) }).await
}

/// `orderList/oto`: an order, and another one that is placed when it has filled.
pub async fn oto(gateway: &Arc<Gateway>, caller: Caller, mut params: Params) -> Answer {
    let common = Common::take(gateway, &mut params)?;
    let working = common.leg(gateway, caller, &mut params, "working", &[])?;
    let pending = common.leg(gateway, caller, &mut params, "pending", &[])?;
    params.finish()?;
    check_working(&working)?;
    place(gateway, caller, List { kind: ListKind::Oto, ..common.list(vec![working, pending]) }).await
}

/// `orderList/otoco`: an order, and a pair that is placed when it has filled.
pub async fn otoco(gateway: &Arc<Gateway>, caller: Caller, mut params: Params) -> Answer {
    let common = Common::take(gateway, &mut params)?;
    let working = common.leg(gateway, caller, &mut params, "working", &[])?;
    let shared = [("side", params.required("pendingSide")?), ("quantity", params.required("pendingQuantity")?)];
    may_be_of_pair(&params, ["pendingAboveType", "pendingBelowType"])?;
    let above = common.leg(gateway, caller, &mut params, "pendingAbove", &shared)?;
    let below = common.leg(gateway, caller, &mut params, "pendingBelow", &shared)?;
    params.finish()?;
    check_working(&working)?;
    check_pair(&above, &below)?;
    place(gateway, caller, List { kind: ListKind::Otoco, ..common.list(vec![working, above, below]) }).await
}

/// What every leg of a list shares.
struct Common {
    symbol: String,
    self_trade: Option<String>,
    name: ClientOrderId,
    response: ResponseType,
}

/// What a leg's parameters are called after the leg's own name.
const LEG_NAMES: [&str; 14] = [
    "Type",
    "Side",
    "ClientOrderId",
    "Price",
    "StopPrice",
    "TrailingDelta",
    "Quantity",
    "IcebergQty",
    "PegPriceType",
    "PegOffsetType",
    "PegOffsetValue",
    "TimeInForce",
    "StrategyId",
    "StrategyType",
];

impl Common {
    fn take(gateway: &Gateway, params: &mut Params) -> Result<Common, ApiError> {
        Ok(Common {
            symbol: params.required("symbol")?,
            self_trade: params.take("selfTradePreventionMode")?,
            name: parse::client_order_id(params, "listClientOrderId")?.unwrap_or_else(|| parse::generated_id(gateway)),
            response: parse::response_type(params, OrderKind::Limit)?,
        })
    }

    fn list(self, legs: Vec<Placement>) -> List {
        List { kind: ListKind::Oco, name: self.name, legs, response: self.response }
    }

    fn leg(
        &self,
        gateway: &Gateway,
        caller: Caller,
        params: &mut Params,
        leg: &str,
        shared: &[(&str, String)],
    ) -> Result<Placement, ApiError> {
        let mut own = params.split(leg, &LEG_NAMES);
        for (name, value) in shared {
            own.put(name, value.clone());
        }
        self.read(gateway, caller, own, leg)
    }

    fn read(&self, gateway: &Gateway, caller: Caller, mut own: Params, leg: &str) -> Result<Placement, ApiError> {
        own.put("symbol", self.symbol.clone());
        if let Some(mode) = &self.self_trade {
            own.put("selfTradePreventionMode", mode.clone());
        }
        if own.get("quoteOrderQty").is_some() {
            return Err(ApiError::not_required("quoteOrderQty"));
        }
        if own.get("type") == Some("MARKET") && own.get("quantity").is_none() {
            // A leg has no quantity of the quote asset to choose instead.
            return Err(naming(ApiError::mandatory("quantity"), leg));
        }
        if own.get("icebergQty").is_some() && matches!(own.get("timeInForce"), Some("IOC" | "FOK")) {
            let text = "is not supported if `aboveTimeInForce`/`belowTimeInForce` is not GTC.";
            return Err(ApiError::telling(-1160, format!("Parameter '{leg}IcebergQty' {text}")));
        }
        parse::placement(gateway, caller, own).map_err(|error| naming(error, leg))
    }
}

/// An error about a leg's parameter, with the parameter as the client named it.
fn naming(error: ApiError, leg: &str) -> ApiError {
    renamed(error, |plain| {
        let mut names = LEG_NAMES.iter();
        let is_it = |name: &&&str| match **name {
            "ClientOrderId" => plain == "newClientOrderId",
            name => plain.split_at_checked(1).is_some_and(|(first, rest)| {
                first.eq_ignore_ascii_case(&name[..1]) && first != &name[..1] && rest == &name[1..]
            }),
        };
        names.find(is_it).map(|name| format!("{leg}{name}"))
    })
}

/// The names that `order/oco` had before its legs were named one way.
fn naming_as_formerly(error: ApiError) -> ApiError {
    renamed(error, |name| {
        let formerly = match name {
            "stopPrice" => "stopLimitPrice",
            "stopTimeInForce" => "stopLimitTimeInForce",
            "stopStopPrice" => "stopPrice",
            "stopTrailingDelta" => "trailingDelta",
            "limitPrice" => "price",
            "limitQuantity" | "stopQuantity" => "quantity",
            "limitSide" | "stopSide" => "side",
            _ => return None,
        };
        Some(formerly.to_owned())
    })
}

/// Every quoted name in the error's text by its other name, if it has one.
fn renamed(error: ApiError, other: impl Fn(&str) -> Option<String>) -> ApiError {
    let pieces = error.message.split('\'').enumerate();
    let pieces = pieces.map(|(at, piece)| {
        let name = (at % 2 == 1).then(|| other(piece)).flatten();
        name.unwrap_or_else(|| piece.to_owned())
    });
    let message = pieces.collect::<Vec<_>>().join("'");
    ApiError { message: Cow::Owned(message), ..error }
}

/// What a pair can never have is told before anything that such an order would lack.
fn may_be_of_pair(params: &Params, types: [&str; 2]) -> Result<(), ApiError> {
    let is_never = |name: &str| matches!(params.get(name), Some("LIMIT" | "MARKET"));
    match types.into_iter().any(is_never) {
        true => Err(errors::NOT_IN_OCO),
        false => Ok(()),
    }
}

fn check_working(working: &Placement) -> Result<(), ApiError> {
    match working.order.kind {
        OrderKind::Limit | OrderKind::LimitMaker => Ok(()),
        _ => Err(errors::INVALID_ORDER_TYPE),
    }
}

/// Which orders may be above and below.
fn check_pair(above: &Placement, below: &Placement) -> Result<(), ApiError> {
    let is_limit = |leg: &Placement| leg.order.kind == OrderKind::LimitMaker;
    let is_loss = |leg: &Placement| matches!(leg.order.kind, OrderKind::StopLoss | OrderKind::StopLossLimit);
    let is_profit = |leg: &Placement| matches!(leg.order.kind, OrderKind::TakeProfit | OrderKind::TakeProfitLimit);
    if [above, below].iter().any(|leg| !is_limit(leg) && !leg.order.kind.is_stop()) {
        return Err(errors::NOT_IN_OCO);
    }
    if is_limit(above) && is_limit(below) {
        return Err(ApiError::new(-1168, "At least one OCO order must be contingent."));
    }
    let wrong = match above.order.side {
        Side::Buy if is_limit(above) => (-1165, "A limit order in a buy OCO must be below."),
        Side::Sell if is_limit(below) => (-1166, "A limit order in a sell OCO must be above."),
        Side::Buy if is_loss(below) => (-1196, "A stop loss order in a buy OCO must be above."),
        Side::Sell if is_loss(above) => (-1197, "A stop loss order in a sell OCO must be below."),
        Side::Buy if is_profit(above) => (-1198, "A take profit order in a buy OCO must be below."),
        Side::Sell if is_profit(below) => (-1199, "A take profit order in a sell OCO must be above."),
        _ => return Ok(()),
    };
    Err(ApiError::new(wrong.0, wrong.1))
}

/// Sends a list whose legs its market's filters allow, and waits for what becomes of those that work at once.
async fn place(gateway: &Arc<Gateway>, caller: Caller, list: List) -> Answer {
    for leg in &list.legs {
        filters::check(leg)?;
    }
    let market = Arc::clone(&list.legs[0].market);
    let legs = list.legs.iter().map(|leg| NewOrderOnTerms { order: leg.order, terms: leg.terms }).collect();
    let command = NewOrderList { kind: list.kind, list_client_order_id: list.name, legs };
    let deadline = deadline(gateway);
    let id = match spend(gateway, caller, &Command::NewOrderList(command), deadline).await?.reply {
        Reply::Accepted { id } => ListId::new(id),
        Reply::Rejected { reason, id } => return Err(ApiError::from(reason).told_with(reason, id)),
    };
    let receiver = gateway.exchange.accounts().await_list(caller.account, id);
    {
        let _waiting = GiveUp { gateway, what: Waited::List(id) };
        outcome(gateway, receiver, deadline).await?;
    }
    let reference = gateway.exchange.reference();
    let accounts = gateway.exchange.accounts();
    let account = accounts.get(caller.account).ok_or(errors::NOT_PERMITTED)?;
    let known = account.lists.get(id).ok_or(errors::UNKNOWN)?;
    if let ListStatus::Rejected(reason) = known.status {
        return Err(reason.into());
    }
    let mut listed = account.listed(known);
    let mut orders: Vec<Order> =
        known.orders.iter().filter_map(|id| account.orders.get(known.market, *id)).cloned().collect();
    if known.kind != ListKind::Oco && orders.first().is_some_and(|working| working.status == OrderStatus::Filled) {
        // Its pending orders are on their way. What has become of them meanwhile is told by their events, and is not told
        // here by who was faster.
        (listed.list.status, listed.list.updated) = (ListStatus::Executing, known.created);
        orders.iter_mut().skip(1).for_each(|pending| *pending = pending.as_placed());
    }
    let reports = orders.iter().map(|order| {
        let fills = account.fills_of(order);
        let fills = (list.response == ResponseType::Full).then_some(fills.as_slice());
        let prevented = account.prevented_by(order);
        answers::report(order, fills, &prevented, &market, &reference, list.response)
    });
    Ok(answers::list(&listed, &market, Some(reports.collect())))
}

/// Cancels the orders of a list and waits until all have ended.
pub async fn cancel(gateway: &Arc<Gateway>, caller: Caller, mut params: Params) -> Answer {
    let market = parse::market(gateway, &mut params)?;
    let id = params.integer("orderListId")?.map(ListId::new);
    let name = parse::client_order_id(&mut params, "listClientOrderId")?;
    let cancel_name = parse::client_order_id(&mut params, "newClientOrderId")?;
    params.finish()?;
    if id.is_none() && name.is_none() {
        return Err(ApiError::either_mandatory("orderListId", "listClientOrderId"));
    }
    let known = |account: &Account| -> Option<OrderList> {
        let list = match (id, &name) {
            (Some(id), _) => account.lists.get(id)?,
            (None, Some(name)) => account.lists.named(name)?,
            (None, None) => return None,
        };
        let is_named = id.is_none() || name.is_none_or(|name| list.client_order_id == name);
        (list.market == market.id && is_named).then(|| list.clone())
    };
    let command = CancelOrderList {
        account: caller.account,
        market: market.id,
        list: id.unwrap_or(ListId::ZERO),
        list_client_order_id: name.unwrap_or(ClientOrderId::EMPTY),
        new_client_order_id: cancel_name.unwrap_or(ClientOrderId::EMPTY),
        asked_us: caller.asked_us,
    };
    let deadline = deadline(gateway);
    let replied = request(gateway, &Command::CancelOrderList(command)).await?;
    let list = match replied.reply {
        Reply::Accepted { id } => ListId::new(id),
        Reply::Rejected { reason, .. } => return Err(reason.into()),
    };
    // Of a list whose orders have ended by themselves meanwhile there was nothing to cancel.
    canceled_by(gateway, replied.position, deadline).await?;
    // The end of the list is the end of its last order.
    loop {
        let ended = {
            let accounts = gateway.exchange.accounts();
            let account = accounts.get(caller.account).ok_or(errors::NOT_PERMITTED)?;
            account.lists.get(list).is_some_and(|list| list.status != ListStatus::Executing)
        };
        if ended {
            break;
        }
        if gateway.surroundings.now() >= deadline {
            return Err(errors::TIMEOUT);
        }
        let ledger = gateway.exchange.ledger();
        let next = gateway.exchange.seen(ledger).next();
        gateway.wait_for(ledger, next, std::time::Duration::from_millis(100)).await;
    }
    let accounts = gateway.exchange.accounts();
    let account = accounts.get(caller.account).ok_or(errors::NOT_PERMITTED)?;
    let known = known(account).or_else(|| account.lists.get(list).cloned()).ok_or(errors::UNKNOWN_ORDER)?;
    let cancel_id = cancel_name.map_or_else(|| cancel_report_id(replied.position), |name| name.to_string());
    Ok(answers::list(&account.listed(&known), &market, Some(canceled(&known, account, &market, &cancel_id))))
}

/// What a mass cancel has taken off the book, each list as one with all of its orders.
pub(super) fn all_canceled<'a>(
    orders: impl Iterator<Item = &'a Order>,
    account: &Account,
    market: &Market,
    cancel_id: &str,
) -> Vec<String> {
    let mut told = Vec::new();
    let shown = orders.filter_map(|order| match account.lists.get(order.list()) {
        None => Some(answers::canceled(order, market, cancel_id)),
        Some(list) if told.contains(&list.id) => None,
        Some(list) => {
            told.push(list.id);
            Some(answers::list(&account.listed(list), market, Some(canceled(list, account, market, cancel_id))))
        }
    });
    shown.collect()
}

fn canceled(list: &OrderList, account: &Account, market: &Market, cancel_id: &str) -> Vec<String> {
    let orders = list.orders.iter().filter_map(|id| account.orders.get(list.market, *id));
    orders.map(|order| answers::canceled(order, market, cancel_id)).collect()
}
