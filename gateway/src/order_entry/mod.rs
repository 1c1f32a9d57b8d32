//! Order entry: a client's order or cancel becomes a command in the ledger's log, and its outcome, read from
//! the ledger's events, the client's answer.
//!
//! The answer to an order waits for its first outcome (refused, resting or ended), or, where it tells no more than that, for
//! its market's taking it; the answer to a cancel for the cancel's. When that takes too long the client is told that it is
//! unknown; the order's status tells.

pub mod amend;
pub mod answers;
pub mod filters;
pub mod lists;
pub mod parse;
mod pegs;
mod protection;
pub mod replace;
pub mod seal;
mod trial;
pub mod turns;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cluster_client::{ClusterError, Replied};
use tokio::sync::oneshot;
use wire::command::{CancelOrder, CountdownCancel, Reply, SealName};
use wire::{ClientOrderId, Command, ListId, LogPosition, OrderId, RejectReason};

use self::parse::{Cancellation, Placement, ResponseType};
use crate::accounts::{OrderOutcome, RequestOutcome, Wanted, cancel_report_id};
use crate::auth::Caller;
use crate::errors::{self, ApiError};
use crate::gateway::{Answer, Gateway};
use crate::market_data::render;
use crate::params::Params;

/// Places an order and waits for what becomes of it.
pub async fn place(gateway: &Arc<Gateway>, caller: Caller, params: Params) -> Answer {
    let placement = parse::placement(gateway, caller, params)?;
    // The first order may have passed filters that this one does not: the ledger looks at the name before it measures.
    if !placement.is_retry {
        filters::check(&placement)?;
    }
    let answer = send(gateway, caller, &placement).await;
    #[cfg(feature = "planted")]
    if wire::planted::is(wire::planted::Bug::AskedAnew) && answer.as_ref().is_err_and(replace::is_unknown) {
        let order = wire::command::NewOrder { client_order_id: parse::generated_id(gateway), ..placement.order };
        return send(gateway, caller, &Placement { order, ..placement }).await;
    }
    answer
}

/// Sends an order that its market's filters allow.
async fn send(gateway: &Arc<Gateway>, caller: Caller, placement: &Placement) -> Answer {
    let (market, order) = (&placement.market, &placement.order);
    let deadline = deadline(gateway);
    let Replied { position, reply } = spend(gateway, caller, &placement.command(), deadline).await?;
    let id = match reply {
        Reply::Accepted { id } => OrderId::new(id),
        Reply::Rejected { reason: RejectReason::DuplicateClientOrderId, id }
            if placement.is_retry && SealName::asked_at(id).is_none() =>
        {
            first_of(gateway, caller, placement, OrderId::new(id), position).await?
        }
        Reply::Rejected { reason, id } => return Err(filters::explain(market, order, reason).told_with(reason, id)),
    };
    let wanted = if placement.response == ResponseType::Ack { Wanted::Admission } else { Wanted::Outcome };
    let outcome = order_outcome(gateway, caller, placement, (id, wanted), deadline).await?;
    match outcome.order.refused() {
        Some(reason) => Err(filters::explain(market, order, reason)),
        None => Ok(answers::placed(&outcome, market, &gateway.exchange.reference(), placement.response)),
    }
}

/// Waits for what becomes of an order, or what is wanted of it before.
async fn order_outcome(
    gateway: &Gateway,
    caller: Caller,
    placement: &Placement,
    (id, wanted): (OrderId, Wanted),
    deadline: Instant,
) -> Result<OrderOutcome, ApiError> {
    let market = placement.market.id;
    let wait = gateway.exchange.accounts().await_order(caller.account, market, id, wanted).ok_or(errors::TIMEOUT)?;
    let _waiting = GiveUp { gateway, what: Waited::Order(id, wait.token) };
    outcome(gateway, wait.receiver, deadline).await
}

/// The order that has the name of this one, if it asked for the same: a client that repeats an order which it knows
/// nothing of is told what became of the first one.
async fn first_of(
    gateway: &Gateway,
    caller: Caller,
    placement: &Placement,
    id: OrderId,
    position: LogPosition,
) -> Result<OrderId, ApiError> {
    let ledger = gateway.exchange.ledger();
    #[cfg(feature = "planted")]
    let position = if wire::planted::is(wire::planted::Bug::FirstNotAwaited) { LogPosition::new(0) } else { position };
    if !gateway.wait_for(ledger, position, gateway.limits.read_timeout).await {
        #[cfg(feature = "planted")]
        if wire::planted::is(wire::planted::Bug::UnreadIsBusy) {
            return Err(errors::BUSY);
        }
        return Err(errors::TIMEOUT);
    }
    let wanted = &placement.order;
    let accounts = gateway.exchange.accounts();
    let first = accounts.get(caller.account).and_then(|account| account.orders.get(wanted.market, id));
    let is_same = first.is_some_and(|first| {
        // A protection price moves with the book.
        *first.terms() == placement.terms
            && (first.side, first.kind, first.time_in_force, first.self_trade, first.qty, first.quote_qty)
                == (wanted.side, wanted.kind, wanted.time_in_force, wanted.self_trade, wanted.qty, wanted.quote_qty)
            && (!first.has_limit() || first.price == wanted.price)
    });
    if is_same { Ok(id) } else { Err(RejectReason::DuplicateClientOrderId.into()) }
}

/// Checks an order without placing it, as far as is known here.
pub fn test(gateway: &Arc<Gateway>, caller: Caller, params: Params) -> Answer {
    let placement = parse::placement(gateway, caller, params)?;
    trial::check(gateway, &caller, &placement)?;
    Ok(if placement.wants_commission {
        crate::operations::account::commission_of_test(gateway, caller, placement.market.id)?
    } else {
        "{}".into()
    })
}

/// Cancels an order and waits until it is off the book.
pub async fn cancel(gateway: &Arc<Gateway>, caller: Caller, params: Params) -> Answer {
    let cancellation = parse::cancellation(gateway, caller, params)?;
    take_off(gateway, caller, &cancellation, deadline(gateway)).await
}

async fn take_off(gateway: &Arc<Gateway>, caller: Caller, cancellation: &Cancellation, deadline: Instant) -> Answer {
    let CancelOrder { order, client_order_id: name, .. } = cancellation.command;
    renamed(gateway, caller, order, name).await;
    let (position, orders) = cancel_by(gateway, &Command::CancelOrder(cancellation.command), deadline).await?;
    tell_taken_off(gateway, caller, cancellation, position, &orders)
}

/// What is answered about an order that has been canceled: of a list, of which others went with it, about the one that was
/// asked for.
fn tell_taken_off(
    gateway: &Gateway,
    caller: Caller,
    cancellation: &Cancellation,
    position: LogPosition,
    orders: &[(wire::MarketId, OrderId)],
) -> Answer {
    let market = &cancellation.market;
    let accounts = gateway.exchange.accounts();
    let account = accounts.get(caller.account).ok_or(errors::NOT_PERMITTED)?;
    let CancelOrder { market: of, order: id, client_order_id: name, .. } = &cancellation.command;
    let asked_for = if id.get() == 0 { account.orders.named(*of, name) } else { account.orders.get(*of, *id) };
    let first = || orders.first().and_then(|(market, order)| account.orders.get(*market, *order));
    let order = asked_for.filter(|order| !order.status.is_open()).or_else(first).ok_or(errors::UNKNOWN_ORDER)?;
    Ok(match &cancellation.cancel_id {
        Some(id) => answers::canceled(order, market, id.as_str()),
        None => answers::canceled(order, market, &cancel_report_id(position)),
    })
}

/// Cancels every open order in a market and waits until all are off the book.
pub async fn cancel_all(gateway: &Arc<Gateway>, caller: Caller, params: Params) -> Answer {
    let (market, command) = parse::mass_cancellation(gateway, caller.account, params)?;
    let (position, orders) = cancel_by(gateway, &Command::CancelAll(command), deadline(gateway)).await?;
    let accounts = gateway.exchange.accounts();
    let account = accounts.get(caller.account).ok_or(errors::NOT_PERMITTED)?;
    let cancel_id = cancel_report_id(position);
    let orders = orders.iter().filter_map(|(market, order)| account.orders.get(*market, *order));
    Ok(render::array(lists::all_canceled(orders, account, &market, &cancel_id)))
}

/// Arms, rearms or disarms the countdown after which an account's orders in a market are canceled.
pub async fn countdown(gateway: &Arc<Gateway>, caller: Caller, mut params: Params) -> Answer {
    let market = parse::market(gateway, &mut params)?;
    let sent = params.integer("countdownTime")?.ok_or_else(|| ApiError::mandatory("countdownTime"))?;
    params.finish()?;
    let countdown_ms = u32::try_from(sent).ok().filter(|ms| *ms <= CountdownCancel::MS_MAX);
    let countdown_ms = countdown_ms.ok_or_else(|| ApiError::invalid_data("countdownTime"))?;
    let command = CountdownCancel { account: caller.account, market: market.id, countdown_ms };
    match request(gateway, &Command::CountdownCancel(command)).await?.reply {
        Reply::Accepted { .. } => Ok(format!(r#"{{"symbol":"{}","countdownTime":"{countdown_ms}"}}"#, market.symbol)),
        Reply::Rejected { reason, .. } => Err(reason.into()),
    }
}

/// Waits for the outcome of an amend that is on its way from here and gives an order this name, if the order is named by it.
async fn renamed(gateway: &Gateway, caller: Caller, order: OrderId, name: ClientOrderId) {
    let named = (caller.account, name);
    if order == OrderId::ZERO && gateway.renames.is_taken(named) {
        // Then the ledger says what it knows, within the time that is left to the request.
        let until = gateway.surroundings.now() + gateway.limits.read_timeout;
        gateway.surroundings.by(until, gateway.renames.take(named)).await;
    }
}

/// Where a command is in the ledger's log, and the orders that it has canceled.
type Canceled = (LogPosition, Vec<(wire::MarketId, OrderId)>);

/// Has a command that cancels sequenced, and waits for what it has canceled.
async fn cancel_by(gateway: &Arc<Gateway>, command: &Command, deadline: Instant) -> Result<Canceled, ApiError> {
    let replied = gateway.sequence_by(command, deadline).await?;
    if let Reply::Rejected { reason, .. } = replied.reply {
        return Err(reason.into());
    }
    Ok((replied.position, canceled_by(gateway, replied.position, deadline).await?))
}

/// Waits for what a command has canceled.
async fn canceled_by(
    gateway: &Gateway,
    position: LogPosition,
    deadline: Instant,
) -> Result<Vec<(wire::MarketId, OrderId)>, ApiError> {
    let receiver = gateway.exchange.accounts().await_request(position);
    let _waiting = GiveUp { gateway, what: Waited::Request(position) };
    match outcome(gateway, receiver, deadline).await? {
        RequestOutcome::Canceled(orders) => Ok(orders),
        RequestOutcome::Amended(..) => Err(errors::UNKNOWN),
        RequestOutcome::Refused(reason) => Err(reason.into()),
    }
}

async fn spend(gateway: &Gateway, caller: Caller, command: &Command, deadline: Instant) -> Result<Replied, ApiError> {
    Ok(gateway.spend(caller.account, command, deadline).await?)
}

async fn request(gateway: &Gateway, command: &Command) -> Result<Replied, ApiError> {
    Ok(gateway.sequence(command, gateway.limits.order_timeout).await?)
}

/// Until when a client that asks now waits.
fn deadline(gateway: &Gateway) -> Instant {
    gateway.surroundings.now() + gateway.limits.order_timeout
}

async fn outcome<T>(gateway: &Gateway, receiver: oneshot::Receiver<T>, deadline: Instant) -> Result<T, ApiError> {
    let soon = gateway.surroundings.now() + Duration::from_millis(1);
    match gateway.surroundings.by(deadline.max(soon), receiver).await {
        Some(Ok(outcome)) => Ok(outcome),
        Some(Err(_)) | None => Err(errors::TIMEOUT),
    }
}

impl From<ClusterError> for ApiError {
    fn from(error: ClusterError) -> ApiError {
        match error {
            ClusterError::Busy => errors::BUSY,
            ClusterError::Timeout | ClusterError::OutcomeUnknown | ClusterError::UnreadableReply => errors::TIMEOUT,
            ClusterError::Unavailable | ClusterError::Refused(_) => errors::DISCONNECTED,
            ClusterError::Closed => errors::SHUTTING_DOWN,
        }
    }
}

enum Waited {
    /// And which of those who wait for it.
    Order(OrderId, u64),
    Request(LogPosition),
    List(ListId),
}

/// Whoever stops waiting, also by hanging up, leaves nothing behind.
struct GiveUp<'a> {
    gateway: &'a Gateway,
    what: Waited,
}

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        let accounts = self.gateway.exchange.accounts();
        match self.what {
            Waited::Order(order, token) => accounts.give_up_order(order, token),
            Waited::Request(request) => accounts.give_up_request(request),
            Waited::List(list) => accounts.give_up_list(list),
        }
    }
}

#[cfg(test)]
mod tests;
