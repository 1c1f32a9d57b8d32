//! From a client's words to a command: presence, form and precision of every parameter, by Binance's rules and
//! in its order. What only the market can decide is left to the market.

use std::sync::Arc;

use wire::command::{CancelAll, CancelOrder, NewOrder, NewOrderOnTerms};
use wire::decimal::{self, DecimalError};
use wire::{
    AccountId, Amount, BasisPoints, CancelRestriction, ClientOrderId, Command, OrderId, OrderKind, Price, Qty,
    RejectReason, SelfTradePrevention, Side, StrategyLabel, Terms, TimeInForce, Timestamp,
};

use super::{pegs, protection};
use crate::auth::Caller;
use crate::errors::{self, ApiError};
use crate::gateway::Gateway;
use crate::params::{self, Params};
use crate::reference::Market;

/// How much of an order's outcome the client wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseType {
    /// Its ids.
    Ack,
    /// And its state.
    Result,
    /// And its fills.
    Full,
}

/// A new order, ready for the log.
#[derive(Debug, Clone)]
pub struct Placement {
    /// In which market.
    pub market: Arc<Market>,
    /// What enters the log.
    pub order: NewOrder,
    /// What it asks for beyond a plain order.
    pub terms: Terms,
    /// What is answered.
    pub response: ResponseType,
    /// `order/test`: whether the commission is asked for.
    pub wants_commission: bool,
    /// Whether an order of the same name and content is answered as this one.
    pub is_retry: bool,
}

/// A cancel and a new order that takes its place.
#[derive(Debug, Clone)]
pub struct Replacement {
    /// What goes.
    pub cancellation: Cancellation,
    /// What comes.
    pub placement: Placement,
    /// Whether the new order is placed when the cancel fails.
    pub allows_failure: bool,
    /// Whether what goes is canceled when the new order is beyond a rate.
    pub cancels_beyond_rate: bool,
}

/// A cancel, ready for the log.
#[derive(Debug, Clone)]
pub struct Cancellation {
    /// In which market.
    pub market: Arc<Market>,
    /// What enters the log.
    pub command: CancelOrder,
    /// The name that the client gave to the cancel itself.
    pub cancel_id: Option<ClientOrderId>,
}

/// More decimals than this are refused as such; fewer that do not fit the market fail its filter, as on
/// Binance.
const DECIMALS_MAX: u8 = 8;

/// The market that the mandatory `symbol` names.
pub fn market(gateway: &Gateway, params: &mut Params) -> Result<Arc<Market>, ApiError> {
    let symbol = params.required("symbol")?;
    named_market(gateway, &symbol)
}

/// The market that `symbol` names, if it is sent: all of them are meant else.
pub fn market_or_all(gateway: &Gateway, params: &mut Params) -> Result<Option<Arc<Market>>, ApiError> {
    if params.get("symbol").is_none() {
        return Ok(None);
    }
    market(gateway, params).map(Some)
}

/// The market of this name.
pub fn named_market(gateway: &Gateway, symbol: &str) -> Result<Arc<Market>, ApiError> {
    let is_legal = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    if symbol.is_empty() || symbol.len() > 20 || !symbol.bytes().all(is_legal) {
        return Err(ApiError::illegal_characters("symbol", params::SYMBOL_RANGE));
    }
    gateway.exchange.reference().market_named(symbol).cloned().ok_or(errors::INVALID_SYMBOL)
}

impl Placement {
    /// What enters the log.
    pub fn command(&self) -> Command {
        let (order, terms) = (self.order, self.terms);
        match terms == Terms::NONE && order.time_in_force != TimeInForce::Day {
            true => Command::NewOrder(order),
            false => Command::NewOrderOnTerms(Box::new(NewOrderOnTerms { order, terms })),
        }
    }
}

/// Reads a new order.
pub fn placement(gateway: &Gateway, caller: Caller, mut params: Params) -> Result<Placement, ApiError> {
    let market = market(gateway, &mut params)?;
    let side = side(&params.required("side")?)?;
    let kind = kind(&params.required("type")?)?;
    let wants_commission = params.flag("computeCommissionRates")?;
    let is_retry = params.flag("identicalRetry")?;
    let time_in_force = time_in_force(&mut params, kind)?;
    let client_order_id = client_order_id(&mut params, "newClientOrderId")?.unwrap_or_else(|| generated_id(gateway));
    let response = response_type(&mut params, kind)?;
    let self_trade = self_trade(&mut params)?;
    let mut terms = terms(&market, kind, time_in_force, &mut params)?;

    let sent_price = params.take("price")?;
    let sent_qty = params.take("quantity")?;
    let sent_quote_qty = params.take("quoteOrderQty")?;
    if kind != OrderKind::Market && sent_quote_qty.is_some() {
        return Err(ApiError::not_required("quoteOrderQty"));
    }
    let (qty, quote_qty) = match (sent_qty, sent_quote_qty) {
        (Some(qty), None) => (quantity(&market, "quantity", &qty)?, Amount::ZERO),
        (None, Some(quote)) => (Qty::ZERO, quote_quantity(&market, &quote)?),
        (None, None) if kind == OrderKind::Market => {
            return Err(ApiError::either_mandatory("quantity", "quoteOrderQty"));
        }
        (None, None) => return Err(ApiError::mandatory("quantity")),
        (Some(_), Some(_)) => return Err(ApiError::not_required("quoteOrderQty")),
    };
    if terms.qty_min > qty {
        return Err(RejectReason::BadQtyMin.into());
    }
    terms.peg.has_price = !terms.peg.is_none() && sent_price.is_some();
    let price = match sent_price {
        Some(_) if kind.is_market() => return Err(ApiError::not_required("price")),
        Some(text) => price(&market, "price", &text)?,
        None if !kind.is_market() && terms.peg.is_none() => return Err(ApiError::mandatory("price")),
        None => protection_price(gateway, &market, caller.account, (side, qty), kind, &terms),
    };
    params.finish()?;
    let order = NewOrder {
        account: caller.account,
        market: market.id,
        side,
        kind,
        time_in_force,
        self_trade,
        price,
        qty,
        quote_qty,
        client_order_id,
        key: caller.id,
        session: caller.session,
        asked_us: caller.asked_us,
    };
    Ok(Placement { market, order, terms, response, wants_commission, is_retry })
}

/// The worst price that an order without a limit of its own may trade at.
fn protection_price(
    gateway: &Gateway,
    market: &Market,
    account: AccountId,
    (side, qty): (Side, Qty),
    kind: OrderKind,
    terms: &Terms,
) -> Price {
    if let Some(stop) = terms.stop_price {
        // As the ledger makes it, whatever is sent.
        return market.rules.stop_protection(side, stop, terms.trailing_delta);
    }
    if !kind.is_market() {
        return pegs::protection_price(gateway, market, account, (side, qty), terms.peg);
    }
    let data = gateway.exchange.market_data();
    protection::price(market, side, data.best(market.id), data.last_price(market.id))
}

/// Takes what plain orders do not have.
fn terms(market: &Market, kind: OrderKind, time_in_force: TimeInForce, params: &mut Params) -> Result<Terms, ApiError> {
    let stop_price = params.take("stopPrice")?;
    let trailing_delta = params.integer("trailingDelta")?;
    if !kind.is_stop() {
        if stop_price.is_some() {
            return Err(ApiError::not_required("stopPrice"));
        }
        if trailing_delta.is_some() {
            return Err(ApiError::not_required("trailingDelta"));
        }
    } else if stop_price.is_none() && trailing_delta.is_none() {
        return Err(ApiError::either_mandatory("stopPrice", "trailingDelta"));
    }
    let stop_price = stop_price.map(|text| price(market, "stopPrice", &text)).transpose()?;
    let trailing_delta = match trailing_delta {
        None => BasisPoints::ZERO,
        Some(points) => u16::try_from(points)
            .ok()
            .and_then(BasisPoints::new)
            .filter(|points| !points.is_zero())
            .ok_or_else(|| ApiError::filter("TRAILING_DELTA"))?,
    };
    let visible_qty = match params.take("icebergQty")? {
        Some(_) if kind.is_market() => return Err(ApiError::not_required("icebergQty")),
        Some(_) if !time_in_force.may_rest() => return Err(errors::UNSUPPORTED_COMBINATION),
        Some(text) => quantity(market, "icebergQty", &text)?,
        None => Qty::ZERO,
    };
    let expire_at = match (params.time_ms("goodTillDate")?, time_in_force) {
        (None, TimeInForce::Gtd) => return Err(ApiError::mandatory("goodTillDate")),
        (Some(ms), TimeInForce::Gtd) => {
            let nanos = ms.checked_mul(1_000_000).ok_or_else(|| ApiError::overflowed("goodTillDate"))?;
            Some(Timestamp::from_nanos(nanos))
        }
        (None, _) => None,
        (Some(_), _) => return Err(ApiError::not_required("goodTillDate")),
    };
    let peg = pegs::take(market, kind, time_in_force, params)?;
    let qty_min = match params.take("minExecutedQty")? {
        Some(_) if !matches!(kind, OrderKind::Limit | OrderKind::Market) => {
            return Err(ApiError::not_required("minExecutedQty"));
        }
        Some(text) => quantity(market, "minExecutedQty", &text)?,
        None => Qty::ZERO,
    };
    let strategy = strategy(params)?;
    Ok(Terms { stop_price, trailing_delta, visible_qty, expire_at, peg, qty_min, strategy })
}

/// Reads a cancel.
pub fn cancellation(gateway: &Gateway, caller: Caller, mut params: Params) -> Result<Cancellation, ApiError> {
    let market = market(gateway, &mut params)?;
    let cancellation =
        cancellation_in(gateway, caller, &mut params, &market, ["orderId", "origClientOrderId", "newClientOrderId"])?;
    params.finish()?;
    Ok(cancellation)
}

/// Reads what takes an order's place: what goes is named by parameters of its own.
pub fn replacement(gateway: &Gateway, caller: Caller, mut params: Params) -> Result<Replacement, ApiError> {
    let symbol = params.get("symbol").ok_or_else(|| ApiError::mandatory("symbol"))?.to_owned();
    let market = named_market(gateway, &symbol)?;
    let allows_failure = match params.required("cancelReplaceMode")?.as_str() {
        "STOP_ON_FAILURE" => false,
        "ALLOW_FAILURE" => true,
        _ => return Err(ApiError::invalid_data("cancelReplaceMode")),
    };
    let cancels_beyond_rate = match params.take("orderRateLimitExceededMode")?.as_deref() {
        None | Some("DO_NOTHING") => false,
        Some("CANCEL_ONLY") => true,
        Some(_) => return Err(ApiError::invalid_data("orderRateLimitExceededMode")),
    };
    let names = ["cancelOrderId", "cancelOrigClientOrderId", "cancelNewClientOrderId"];
    let mut cancellation = cancellation_in(gateway, caller, &mut params, &market, names)?;
    let placement = placement(gateway, caller, params)?;
    if cancellation.command.client_order_id == placement.order.client_order_id {
        // Both halves were asked for at once, and a cancel that finds nothing seals the name: the order comes after it.
        cancellation.command.asked_us = cancellation.command.asked_us.saturating_sub(1);
    }
    Ok(Replacement { cancellation, placement, allows_failure, cancels_beyond_rate })
}

/// Takes what names an order to be canceled: its id, its client order id, and the client's name for the cancel.
fn cancellation_in(
    gateway: &Gateway,
    caller: Caller,
    params: &mut Params,
    market: &Arc<Market>,
    [id, name, cancel_name]: [&str; 3],
) -> Result<Cancellation, ApiError> {
    let account = caller.account;
    let mut named = order_name_in(params, id, name)?;
    let cancel_id = client_order_id(params, cancel_name)?;
    let restriction = match params.take("cancelRestrictions")?.as_deref() {
        None => CancelRestriction::None,
        Some("ONLY_NEW") => CancelRestriction::OnlyNew,
        Some("ONLY_PARTIALLY_FILLED") => CancelRestriction::OnlyPartiallyFilled,
        Some(_) => {
            let text = "cancelRestrictions has to be either ONLY_NEW or ONLY_PARTIALLY_FILLED.";
            return Err(ApiError::new(-1145, text));
        }
    };
    if let (Some(order), Some(name)) = (named.order, named.client_order_id) {
        let accounts = gateway.exchange.accounts();
        let known = accounts.get(account).and_then(|account| account.orders.get(market.id, order));
        if known.is_some_and(|known| known.client_order_id != name) {
            // Names of different orders are that of none.
            named = OrderName { order: Some(NO_ORDER), client_order_id: None };
        }
    }
    let command = CancelOrder {
        account,
        market: market.id,
        order: named.order.unwrap_or(OrderId::ZERO),
        client_order_id: named.client_order_id.unwrap_or(ClientOrderId::EMPTY),
        restriction,
        new_client_order_id: cancel_id.unwrap_or(ClientOrderId::EMPTY),
        asked_us: caller.asked_us,
    };
    Ok(Cancellation { market: Arc::clone(market), command, cancel_id })
}

/// Reads a mass cancel.
pub fn mass_cancellation(
    gateway: &Gateway,
    account: AccountId,
    mut params: Params,
) -> Result<(Arc<Market>, CancelAll), ApiError> {
    let market = market(gateway, &mut params)?;
    params.finish()?;
    let command = CancelAll { account, market: market.id };
    Ok((market, command))
}

/// How a client names an order: by `orderId`, `origClientOrderId` or both.
#[derive(Debug, Clone, Copy)]
pub struct OrderName {
    /// `orderId`; never 0.
    pub order: Option<OrderId>,
    /// `origClientOrderId`.
    pub client_order_id: Option<ClientOrderId>,
}

/// No order ever has this id.
const NO_ORDER: OrderId = OrderId::new(u64::MAX);

/// Takes `orderId` and `origClientOrderId`; one must be there.
pub fn order_name(params: &mut Params) -> Result<OrderName, ApiError> {
    order_name_in(params, "orderId", "origClientOrderId")
}

fn order_name_in(params: &mut Params, id: &str, name: &str) -> Result<OrderName, ApiError> {
    // No order has the id 0; it names none, instead of falling back to the client's name.
    let order = match params.integer(id)? {
        Some(0) => Some(NO_ORDER),
        order => order.map(OrderId::new),
    };
    let client_order_id = client_order_id(params, name)?;
    if order.is_none() && client_order_id.is_none() {
        return Err(ApiError::either_mandatory(name, id));
    }
    Ok(OrderName { order, client_order_id })
}

pub(super) fn side(text: &str) -> Result<Side, ApiError> {
    match text {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        _ => Err(errors::INVALID_SIDE),
    }
}

fn kind(text: &str) -> Result<OrderKind, ApiError> {
    match text {
        "LIMIT" => Ok(OrderKind::Limit),
        "MARKET" => Ok(OrderKind::Market),
        "LIMIT_MAKER" => Ok(OrderKind::LimitMaker),
        "STOP_LOSS" => Ok(OrderKind::StopLoss),
        "STOP_LOSS_LIMIT" => Ok(OrderKind::StopLossLimit),
        "TAKE_PROFIT" => Ok(OrderKind::TakeProfit),
        "TAKE_PROFIT_LIMIT" => Ok(OrderKind::TakeProfitLimit),
        _ => Err(errors::INVALID_ORDER_TYPE),
    }
}

fn time_in_force(params: &mut Params, kind: OrderKind) -> Result<TimeInForce, ApiError> {
    match kind.working() {
        OrderKind::Limit => match params.required("timeInForce")?.as_str() {
            "GTC" => Ok(TimeInForce::Gtc),
            "IOC" => Ok(TimeInForce::Ioc),
            "FOK" => Ok(TimeInForce::Fok),
            "DAY" => Ok(TimeInForce::Day),
            "GTD" => Ok(TimeInForce::Gtd),
            _ => Err(errors::INVALID_TIME_IN_FORCE),
        },
        _ if params.take("timeInForce")?.is_some() => Err(ApiError::not_required("timeInForce")),
        OrderKind::LimitMaker => Ok(TimeInForce::Gtc),
        _ => Ok(TimeInForce::Ioc),
    }
}

pub(crate) fn client_order_id(params: &mut Params, name: &str) -> Result<Option<ClientOrderId>, ApiError> {
    let Some(text) = params.take(name)? else { return Ok(None) };
    ClientOrderId::new(text.as_bytes())
        .ok()
        .filter(ClientOrderId::is_client_order_id)
        .map(Some)
        .ok_or_else(|| ApiError::illegal_characters(name, params::CLIENT_ORDER_ID_RANGE))
}

/// 22 random letters and digits, as clients are used to.
pub(crate) fn generated_id(gateway: &Gateway) -> ClientOrderId {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = [0; 22];
    // Eleven digits are enough for 64 bits.
    for half in text.chunks_mut(11) {
        let mut number = gateway.surroundings.random();
        for digit in half.iter_mut().rev() {
            *digit = DIGITS[(number % 62) as usize];
            number /= 62;
        }
    }
    ClientOrderId::new(&text).expect("22 letters and digits are a client order id")
}

pub(super) fn response_type(params: &mut Params, kind: OrderKind) -> Result<ResponseType, ApiError> {
    match params.take("newOrderRespType")?.as_deref() {
        None if !matches!(kind, OrderKind::Limit | OrderKind::Market) => Ok(ResponseType::Ack),
        None | Some("FULL") => Ok(ResponseType::Full),
        Some("ACK") => Ok(ResponseType::Ack),
        Some("RESULT") => Ok(ResponseType::Result),
        Some(_) => Err(ApiError::invalid_data("newOrderRespType")),
    }
}

fn self_trade(params: &mut Params) -> Result<SelfTradePrevention, ApiError> {
    match params.take("selfTradePreventionMode")?.as_deref() {
        None | Some("EXPIRE_MAKER") => Ok(SelfTradePrevention::ExpireMaker),
        Some("NONE") => Ok(SelfTradePrevention::None),
        Some("EXPIRE_TAKER") => Ok(SelfTradePrevention::ExpireTaker),
        Some("EXPIRE_BOTH") => Ok(SelfTradePrevention::ExpireBoth),
        Some("DECREMENT") => Ok(SelfTradePrevention::Decrement),
        Some("TRANSFER" | "NON_REPRESENTABLE") => {
            Err(ApiError::new(-1013, "This symbol does not allow the specified self-trade prevention mode."))
        }
        Some(_) => Err(ApiError::invalid_data("selfTradePreventionMode")),
    }
}

/// The least `strategyType`; those below are Binance's own.
const STRATEGY_TYPE_MIN: u64 = 1_000_000;

/// What clients label their orders with: a `LONG` and an `INT`.
fn strategy(params: &mut Params) -> Result<StrategyLabel, ApiError> {
    let id = match params.integer("strategyId")? {
        Some(id) if id > i64::MAX.unsigned_abs() => return Err(ApiError::overflowed("strategyId")),
        id => id,
    };
    let kind = match params.integer("strategyType")? {
        Some(kind) if kind < STRATEGY_TYPE_MIN => {
            return Err(ApiError::new(-1134, "strategyType was less than 1000000."));
        }
        Some(kind) => match i32::try_from(kind) {
            Ok(kind) => Some(kind.unsigned_abs()),
            Err(_) => return Err(ApiError::overflowed("strategyType")),
        },
        None => None,
    };
    Ok(StrategyLabel { id, kind })
}

fn price(market: &Market, name: &str, text: &str) -> Result<Price, ApiError> {
    let filter = || ApiError::filter("PRICE_FILTER");
    match units(name, text, market.scale.price_decimals, filter)? {
        0 => Err(ApiError::new(-1013, "Invalid price.")),
        units => Price::new(units).ok_or_else(filter),
    }
}

pub(super) fn quantity(market: &Market, name: &str, text: &str) -> Result<Qty, ApiError> {
    let filter = || ApiError::filter("LOT_SIZE");
    match units(name, text, market.scale.qty_decimals, filter)? {
        0 => Err(ApiError::new(-1013, "Invalid quantity.")),
        units => Qty::new(units).ok_or_else(filter),
    }
}

fn quote_quantity(market: &Market, text: &str) -> Result<Amount, ApiError> {
    let filter = || ApiError::filter("NOTIONAL");
    match units("quoteOrderQty", text, market.quote.ledger_decimals, filter)? {
        0 => Err(ApiError::new(-1013, "Invalid quote order quantity.")),
        units => Amount::new(units).ok_or_else(filter),
    }
}

fn units(name: &str, text: &str, decimals: u8, filter: impl Fn() -> ApiError) -> Result<i64, ApiError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let illegal = || ApiError::illegal_characters(name, params::DECIMAL_RANGE);
    if whole.len() > 20 || fraction.len() > 20 {
        return Err(illegal());
    }
    match decimal::parse(text, decimals) {
        Ok(units) => Ok(units),
        Err(DecimalError::Malformed) => Err(illegal()),
        Err(DecimalError::TooLarge) => Err(filter()),
        Err(DecimalError::TooManyDecimals) => {
            let significant = fraction.trim_end_matches('0').len();
            if significant > usize::from(decimals.max(DECIMALS_MAX)) {
                Err(ApiError::too_precise(name))
            } else {
                Err(filter())
            }
        }
    }
}
