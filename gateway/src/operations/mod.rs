//! What clients can ask for, independent of how they ask: REST and the WebSocket API find an [`Operation`] in
//! one table and run it with the same parameters to the same JSON.

pub(crate) mod account;
mod capital;
mod general;
mod history;
mod lists;
mod market;
mod networks;
mod rules;
mod table;
mod user_stream;
mod wallet;
mod withdrawals;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::BoxFuture;
use hyper::Method;
use wire::command::Permissions;

use crate::auth::Caller;
use crate::errors::{self, ApiError};
use crate::gateway::{Answer, Gateway, Peer};
use crate::params::Params;
use crate::throttle::OrderCounts;
use crate::trace::{self, Trace};

pub(crate) use market::{DEPTH_MAX, ORDERS_MAX, WHOLE_DEPTH_WEIGHT};
pub use table::{OPERATIONS, by_ws_method, find};

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Everybody.
    Public,
    /// Anybody with a key that may read; not signed (`USER_STREAM`).
    Stream,
    /// Signed, by a key that may read.
    Read,
    /// Signed, by a key that may trade.
    Trade,
    /// Signed, by a key that may withdraw and may be used from stated networks alone.
    Withdraw,
}

impl Security {
    /// What a key must be allowed.
    const fn needs(self) -> Option<Permissions> {
        match self {
            Security::Public => None,
            Security::Stream | Security::Read => Some(Permissions::READ),
            Security::Trade => Some(Permissions::TRADE),
            Security::Withdraw => Some(Permissions::WITHDRAW),
        }
    }
}

/// One request, decoded and authenticated.
pub struct Call {
    /// The gateway that was asked.
    pub gateway: Arc<Gateway>,
    /// Who asks; `Some` for every operation that is not [`Security::Public`].
    pub caller: Option<Caller>,
    /// Why no new order is to be placed, of a request that has something else to do then.
    pub over_limit: Option<ApiError>,
    /// What was sent, without `apiKey`, `signature`, `timestamp` and `recvWindow` of signed operations.
    pub params: Params,
}

impl Call {
    /// Who asks, of an operation that is not public.
    pub fn caller(&self) -> Result<Caller, ApiError> {
        self.caller.ok_or(errors::BAD_API_KEY)
    }
}

/// A thing clients can ask for.
pub struct Operation {
    /// REST's verb and path.
    pub rest: (Method, &'static str),
    /// The WebSocket API's `method`, for those it has.
    pub ws: Option<&'static str>,
    /// Who may ask.
    pub security: Security,
    /// The request weight, which may depend on the parameters.
    pub weight: fn(&Params) -> u32,
    /// How many new orders it counts as.
    pub orders: u32,
    /// Does it.
    pub run: fn(Call) -> BoxFuture<'static, Answer>,
}

/// What came of a request, and what it used of its client's limits.
pub struct Executed {
    /// The answer.
    pub answer: Answer,
    /// What the client's address has used of its request weight in the present minute.
    pub used_weight: u32,
    /// What the API key has used of its request weight in the present minute; of a public operation nothing.
    pub used_key_weight: Option<u32>,
    /// What the account has used of its order limits, when the operation counts against them.
    pub orders: Option<OrderCounts>,
}

/// Runs an operation for an authenticated client, within its limits and the gateway's. Both transports end
/// here; nothing waits in a queue: what the gateway cannot take now is answered busy.
pub async fn execute(
    gateway: &Arc<Gateway>,
    operation: &'static Operation,
    peer: Peer,
    caller: Option<Caller>,
    params: Params,
) -> Executed {
    let now_us = gateway.now_us();
    let weight = (operation.weight)(&params);
    let used_weight = match gateway.throttle.weigh(peer.ip, weight, now_us) {
        Ok(used) => used,
        Err(error) => {
            let used_weight = gateway.throttle.used_weight(peer.ip, now_us);
            gateway.metrics.refused(operation, &error);
            return Executed { answer: Err(error), used_weight, used_key_weight: None, orders: None };
        }
    };
    let mut executed = Executed { answer: Err(errors::BUSY), used_weight, used_key_weight: None, orders: None };
    if let Some(caller) = caller {
        match gateway.throttle.weigh_key(caller.key, weight, now_us) {
            Ok(used) => executed.used_key_weight = Some(used),
            Err(error) => {
                gateway.metrics.refused(operation, &error);
                return Executed { answer: Err(error), ..executed };
            }
        }
    }
    executed.answer = run(gateway, operation, caller, params, now_us, &mut executed.orders).await;
    gateway.metrics.answered(operation, &executed.answer, gateway.now_us().saturating_sub(now_us));
    executed
}

/// As [`execute`], of a request that its client follows: one line in the log says what became of it.
pub async fn execute_traced(
    gateway: &Arc<Gateway>,
    operation: &'static Operation,
    peer: Peer,
    caller: Option<Caller>,
    params: Params,
    trace: &Arc<Trace>,
) -> Executed {
    let from_us = gateway.now_us();
    let doing = execute(gateway, operation, peer, caller, params);
    let executed = trace::following(Some(Arc::clone(trace)), doing).await;
    let (status, code) = executed.answer.as_ref().map_or_else(|error| (error.status, error.code), |_| (200, 0));
    let (verb, path) = (operation.rest.0.as_str(), operation.rest.1);
    let account = caller.map_or(0, |caller| caller.account.get());
    let took_us = gateway.now_us().saturating_sub(from_us);
    let (trace, log) = (trace.name(), trace.places().join(","));
    tracing::info!(trace, log, verb, path, account, status, code, took_us, "a request that is followed");
    executed
}

/// Counts a request that could not be read or authenticated: it weighs 1. A gateway that has not read the past does
/// not know every key: it must not say that one is wrong.
pub fn refuse(gateway: &Gateway, operation: &'static Operation, peer: Peer, error: ApiError) -> Executed {
    let now_us = gateway.now_us();
    let error = match gateway.is_ready.load(Ordering::Acquire) {
        _ if gateway.is_read_only && operation.security != Security::Public => errors::READ_ONLY,
        true => error,
        false => errors::STARTING,
    };
    let (answer, used_weight) = match gateway.throttle.weigh(peer.ip, 1, now_us) {
        Ok(used) => (Err(error), used),
        Err(limited) => (Err(limited), gateway.throttle.used_weight(peer.ip, now_us)),
    };
    gateway.metrics.answered(operation, &answer, 0);
    Executed { answer, used_weight, used_key_weight: None, orders: None }
}

async fn run(
    gateway: &Arc<Gateway>,
    operation: &'static Operation,
    caller: Option<Caller>,
    params: Params,
    now_us: u64,
    orders: &mut Option<OrderCounts>,
) -> Answer {
    if gateway.is_read_only && operation.security != Security::Public {
        return Err(errors::READ_ONLY);
    }
    if !gateway.is_ready.load(Ordering::Acquire) {
        return Err(errors::STARTING);
    }
    let (mut over_limit, mut counted) = (None, None);
    if let Some(needed) = operation.security.needs() {
        let caller = caller.ok_or(errors::BAD_API_KEY)?;
        let is_bound_enough = caller.is_bound || operation.security != Security::Withdraw;
        if !caller.permissions.allow(needed) || !is_bound_enough {
            return Err(errors::NOT_PERMITTED);
        }
        if operation.orders > 0 {
            match gateway.throttle.count_orders(caller.account, operation.orders, now_us) {
                Ok(placed) => {
                    *orders = Some(placed.counts);
                    counted = Some(placed);
                }
                Err(error) if params.get("orderRateLimitExceededMode") == Some("CANCEL_ONLY") => {
                    over_limit = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
    }
    let answer = match gateway.requests.try_acquire() {
        Ok(_place) => (operation.run)(Call { gateway: Arc::clone(gateway), caller, over_limit, params }).await,
        Err(_) => Err(errors::BUSY),
    };
    if let (Some(caller), Some(counted), Err(error)) = (caller, counted, &answer)
        && places_nothing(error)
    {
        let (placed, now_us) = (operation.orders, gateway.now_us());
        *orders = Some(match *error == errors::BUSY {
            true => gateway.throttle.uncount_orders(caller.account, placed, counted, now_us),
            false => gateway.throttle.refuse_orders(caller.account, placed, counted, now_us),
        });
    }
    answer
}

/// Whether an error says that no order was placed: others leave it open, or are those of a replace, whose new order counts
/// even when it is not attempted. Source: Binance Spot, "Spot Unfilled Order Count Rules", and the REST API's cancel-replace.
fn places_nothing(error: &ApiError) -> bool {
    let is_of_replace = matches!(error.code, -2021 | -2022);
    (error.status < 500 || error.code == errors::BUSY.code) && !is_of_replace
}
