//! From a client's words to a command: presence, form and precision of every parameter, by Binance's rules and
//! in its order. What only the market can decide is left to the market.

use std::sync::Arc;

use rand::Rng;
use rand::distr::Alphanumeric;
use wire::command::{CancelAll, CancelOrder, NewOrder};
use wire::decimal::{self, DecimalError};
use wire::{AccountId, Amount, ClientOrderId, OrderId, OrderKind, Price, Qty, SelfTradePrevention, Side, TimeInForce};

use super::protection;
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

/// Order types that exist, but not here.
const CONDITIONAL_TYPES: [(&str, &str); 4] = [
    ("STOP_LOSS", "Stop loss orders are not supported for this symbol."),
    ("STOP_LOSS_LIMIT", "Stop loss limit orders are not supported for this symbol."),
    ("TAKE_PROFIT", "Take profit orders are not supported for this symbol."),
    ("TAKE_PROFIT_LIMIT", "Take profit limit orders are not supported for this symbol."),
];

/// The market that the mandatory `symbol` names.
pub fn market(gateway: &Gateway, params: &mut Params) -> Result<Arc<Market>, ApiError> {
    let symbol = params.required("symbol")?;
    named_market(gateway, &symbol)
}

/// The market of this name.
pub fn named_market(gateway: &Gateway, symbol: &str) -> Result<Arc<Market>, ApiError> {
    let is_legal = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    if symbol.is_empty() || symbol.len() > 20 || !symbol.bytes().all(is_legal) {
        return Err(ApiError::illegal_characters("symbol", params::SYMBOL_RANGE));
    }
    gateway.exchange.reference().market_named(symbol).cloned().ok_or(errors::INVALID_SYMBOL)
}

/// Reads a new order.
pub fn placement(gateway: &Gateway, account: AccountId, mut params: Params) -> Result<Placement, ApiError> {
    let market = market(gateway, &mut params)?;
    let side = side(&params.required("side")?)?;
    let kind = kind(&params.required("type")?)?;
    let wants_commission = params.flag("computeCommissionRates")?;
    let is_retry = params.flag("identicalRetry")?;
    let time_in_force = time_in_force(&mut params, kind)?;
    let client_order_id = client_order_id(&mut params, "newClientOrderId")?.unwrap_or_else(generated_id);
    let response = response_type(&mut params, kind)?;
    let self_trade = self_trade(&mut params)?;
    refuse_unsupported(&mut params)?;

    let sent_price = params.take("price")?;
    let sent_qty = params.take("quantity")?;
    let sent_quote_qty = params.take("quoteOrderQty")?;
    let (price, qty, quote_qty) = match kind {
        OrderKind::Limit | OrderKind::LimitMaker => {
            if sent_quote_qty.is_some() {
                return Err(ApiError::not_required("quoteOrderQty"));
            }
            let qty = quantity(&market, &sent_qty.ok_or_else(|| ApiError::mandatory("quantity"))?)?;
            let price = price(&market, &sent_price.ok_or_else(|| ApiError::mandatory("price"))?)?;
            (price, qty, Amount::ZERO)
        }
        // `kind` gives no stop order.
        _ => {
            if sent_price.is_some() {
                return Err(ApiError::not_required("price"));
            }
            let (qty, quote_qty) = match (sent_qty, sent_quote_qty) {
                (Some(qty), None) => (quantity(&market, &qty)?, Amount::ZERO),
                (None, Some(quote)) => (Qty::ZERO, quote_quantity(&market, &quote)?),
                (None, None) => return Err(ApiError::either_mandatory("quantity", "quoteOrderQty")),
                (Some(_), Some(_)) => return Err(ApiError::not_required("quoteOrderQty")),
            };
            let data = gateway.exchange.market_data();
            (protection::price(&market, side, data.best(market.id), data.last_price(market.id)), qty, quote_qty)
        }
    };
    params.finish()?;
    let order = NewOrder {
        account,
        market: market.id,
        side,
        kind,
        time_in_force,
        self_trade,
        price,
        qty,
        quote_qty,
        client_order_id,
        key: Default::default(),
        session: Default::default(),
    };
    Ok(Placement { market, order, response, wants_commission, is_retry })
}

/// Reads a cancel.
pub fn cancellation(gateway: &Gateway, account: AccountId, mut params: Params) -> Result<Cancellation, ApiError> {
    let market = market(gateway, &mut params)?;
    let cancellation =
        cancellation_in(gateway, account, &mut params, &market, ["orderId", "origClientOrderId", "newClientOrderId"])?;
    params.finish()?;
    Ok(cancellation)
}

/// Reads what takes an order's place: what goes is named by parameters of its own.
pub fn replacement(gateway: &Gateway, account: AccountId, mut params: Params) -> Result<Replacement, ApiError> {
    let symbol = params.get("symbol").ok_or_else(|| ApiError::mandatory("symbol"))?.to_owned();
    let market = named_market(gateway, &symbol)?;
    let allows_failure = match params.required("cancelReplaceMode")?.as_str() {
        "STOP_ON_FAILURE" => false,
        "ALLOW_FAILURE" => true,
        _ => return Err(ApiError::invalid_data("cancelReplaceMode")),
    };
    match params.take("orderRateLimitExceededMode")?.as_deref() {
        None | Some("DO_NOTHING" | "CANCEL_ONLY") => {}
        Some(_) => return Err(ApiError::invalid_data("orderRateLimitExceededMode")),
    }
    let names = ["cancelOrderId", "cancelOrigClientOrderId", "cancelNewClientOrderId"];
    let cancellation = cancellation_in(gateway, account, &mut params, &market, names)?;
    let placement = placement(gateway, account, params)?;
    Ok(Replacement { cancellation, placement, allows_failure })
}

/// Takes what names an order to be canceled: its id, its client order id, and the client's name for the cancel.
fn cancellation_in(
    gateway: &Gateway,
    account: AccountId,
    params: &mut Params,
    market: &Arc<Market>,
    [id, name, cancel_name]: [&str; 3],
) -> Result<Cancellation, ApiError> {
    let named = order_name_in(params, id, name)?;
    let cancel_id = client_order_id(params, cancel_name)?;
    if let Some(restriction) = params.take("cancelRestrictions")? {
        return Err(match restriction.as_str() {
            "ONLY_NEW" | "ONLY_PARTIALLY_FILLED" => errors::UNSUPPORTED,
            _ => ApiError::new(-1145, "cancelRestrictions has to be either ONLY_NEW or ONLY_PARTIALLY_FILLED."),
        });
    }
    if let (Some(order), Some(name)) = (named.order, named.client_order_id) {
        let accounts = gateway.exchange.accounts();
        let known = accounts.get(account).and_then(|account| account.orders.get(market.id, order));
        if known.is_some_and(|known| known.client_order_id != name) {
            return Err(errors::UNKNOWN_ORDER);
        }
    }
    let command = CancelOrder {
        account,
        market: market.id,
        order: named.order.unwrap_or(OrderId::ZERO),
        client_order_id: named.client_order_id.unwrap_or(ClientOrderId::EMPTY),
        restriction: wire::CancelRestriction::None,
        new_client_order_id: cancel_id.unwrap_or(ClientOrderId::EMPTY),
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

/// Takes `orderId` and `origClientOrderId`; one must be there.
pub fn order_name(params: &mut Params) -> Result<OrderName, ApiError> {
    order_name_in(params, "orderId", "origClientOrderId")
}

fn order_name_in(params: &mut Params, id: &str, name: &str) -> Result<OrderName, ApiError> {
    // No order has the id 0; it names none, instead of falling back to the client's name.
    let order = match params.integer(id)? {
        Some(0) => Some(OrderId::new(u64::MAX)),
        order => order.map(OrderId::new),
    };
    let client_order_id = client_order_id(params, name)?;
    if order.is_none() && client_order_id.is_none() {
        return Err(ApiError::either_mandatory(name, id));
    }
    Ok(OrderName { order, client_order_id })
}

fn side(text: &str) -> Result<Side, ApiError> {
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
        _ => match CONDITIONAL_TYPES.iter().find(|(name, _)| *name == text) {
            Some((_, message)) => Err(ApiError::new(-1013, message)),
            None => Err(errors::INVALID_ORDER_TYPE),
        },
    }
}

fn time_in_force(params: &mut Params, kind: OrderKind) -> Result<TimeInForce, ApiError> {
    match kind {
        OrderKind::Limit => match params.required("timeInForce")?.as_str() {
            "GTC" => Ok(TimeInForce::Gtc),
            "IOC" => Ok(TimeInForce::Ioc),
            "FOK" => Ok(TimeInForce::Fok),
            _ => Err(errors::INVALID_TIME_IN_FORCE),
        },
        OrderKind::Market | OrderKind::LimitMaker if params.take("timeInForce")?.is_some() => {
            Err(ApiError::not_required("timeInForce"))
        }
        OrderKind::LimitMaker => Ok(TimeInForce::Gtc),
        _ => Ok(TimeInForce::Ioc),
    }
}

fn client_order_id(params: &mut Params, name: &str) -> Result<Option<ClientOrderId>, ApiError> {
    let Some(text) = params.take(name)? else { return Ok(None) };
    ClientOrderId::new(text.as_bytes())
        .ok()
        .filter(ClientOrderId::is_client_order_id)
        .map(Some)
        .ok_or_else(|| ApiError::illegal_characters(name, params::CLIENT_ORDER_ID_RANGE))
}

/// 22 random letters and digits, as clients are used to.
fn generated_id() -> ClientOrderId {
    let text: Vec<u8> = rand::rng().sample_iter(Alphanumeric).take(22).collect();
    ClientOrderId::new(&text).expect("22 letters and digits are a client order id")
}

fn response_type(params: &mut Params, kind: OrderKind) -> Result<ResponseType, ApiError> {
    match params.take("newOrderRespType")?.as_deref() {
        None if kind == OrderKind::LimitMaker => Ok(ResponseType::Ack),
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

/// Parameters that Binance knows and this exchange has no use for: some change nothing, the others ask for
/// what no order here can do.
fn refuse_unsupported(params: &mut Params) -> Result<(), ApiError> {
    params.integer("strategyId")?;
    if params.integer("strategyType")?.is_some_and(|kind| kind < 1_000_000) {
        return Err(ApiError::new(-1134, "strategyType was less than 1000000."));
    }
    for name in ["stopPrice", "trailingDelta"] {
        if params.take(name)?.is_some() {
            return Err(ApiError::not_required(name));
        }
    }
    match params.take("icebergQty")? {
        Some(_) => Err(ApiError::new(-1013, "Iceberg orders are not supported for this symbol.")),
        None => Ok(()),
    }
}

fn price(market: &Market, text: &str) -> Result<Price, ApiError> {
    let filter = || ApiError::filter("PRICE_FILTER");
    match units("price", text, market.scale.price_decimals, filter)? {
        0 => Err(ApiError::new(-1013, "Invalid price.")),
        units => Price::new(units).ok_or_else(filter),
    }
}

fn quantity(market: &Market, text: &str) -> Result<Qty, ApiError> {
    let filter = || ApiError::filter("LOT_SIZE");
    match units("quantity", text, market.scale.qty_decimals, filter)? {
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
