//! Cancel-replace: an order goes and another comes. Each half has an outcome of its own, and the client is told both.
//!
//! Both halves are one command of the log: nothing comes between them.

use std::sync::Arc;
use std::time::Instant;

use cluster_client::Replied;
use wire::command::{ReplaceOrder, Reply, SealName};
use wire::{Command, LogPosition, OrderId, RejectReason, ReplaceMode};

use super::parse::Replacement;
use super::{
    answers, canceled_by, filters, first_of, order_outcome, parse, renamed, spend, take_off, tell_taken_off, trial,
};
use crate::accounts::Wanted;
use crate::auth::Caller;
use crate::errors::{self, ApiError};
use crate::gateway::{Answer, Gateway};
use crate::params::Params;

/// Cancels an order and, when that has succeeded or need not, places another. `over_limit` says why none may be placed;
/// the cancel is done all the same.
///
/// Source of the statuses: Binance Spot, the table of "Cancel an Existing Order and Send a New Order".
pub async fn replace(gateway: &Arc<Gateway>, caller: Caller, params: Params, over_limit: Option<ApiError>) -> Answer {
    let replacement = parse::replacement(gateway, caller, params)?;
    let placement = &replacement.placement;
    // A market that takes no orders does not keep the old one: the ledger has the last word about it.
    filters::check_in_itself(placement)?;
    // Once the old one is canceled its market would refuse the new one.
    trial::check_price(gateway, placement)?;
    let deadline = super::deadline(gateway);
    if let Some(limit) = over_limit {
        return cancel_only(gateway, caller, &replacement, limit, deadline).await;
    }
    let old = &replacement.cancellation.command;
    renamed(gateway, caller, old.order, old.client_order_id).await;
    let Replied { position, reply } = spend(gateway, caller, &command(&replacement), deadline).await?;
    let id = match reply {
        Reply::Accepted { id } => OrderId::new(id),
        // The cancel has failed, and it had to succeed.
        Reply::Rejected { reason: reason @ (RejectReason::UnknownOrder | RejectReason::CancelRestricted), .. } => {
            return answer(Err(reason.into()), None);
        }
        Reply::Rejected { reason, id } => {
            let told = filters::explain(&placement.market, &placement.order, reason).told_with(reason, id);
            if reason == RejectReason::OrderRateExceeded
                && replacement.cancels_beyond_rate
                && !has_come_before(gateway, caller, &replacement, position).await
            {
                // The ledger has changed nothing; the cancel alone is asked of it now.
                return cancel_only(gateway, caller, &replacement, told, deadline).await;
            }
            return Err(told);
        }
    };
    let canceled = match canceled_by(gateway, position, deadline).await {
        Ok(orders) => tell_taken_off(gateway, caller, &replacement.cancellation, position, &orders),
        Err(error) => Err(error),
    };
    if canceled.as_ref().is_err_and(is_unknown) {
        return canceled;
    }
    if canceled.is_err() && !replacement.allows_failure {
        return answer(canceled, None);
    }
    let placed = placed(gateway, caller, &replacement, position, id, deadline).await;
    if placed.as_ref().is_some_and(|placed| placed.as_ref().is_err_and(is_unknown)) {
        return Err(errors::TIMEOUT);
    }
    answer(canceled, placed)
}

/// Whether the new order's name is an order's of the account already: then this is asked once more, the rate was used up by what
/// it did, and the cancel may have been done, or strike the new one.
async fn has_come_before(gateway: &Gateway, caller: Caller, replacement: &Replacement, position: LogPosition) -> bool {
    let (new, old) = (&replacement.placement.order, &replacement.cancellation.command);
    if !gateway.wait_for(gateway.exchange.ledger(), position, gateway.limits.read_timeout).await {
        // Nobody knows: nothing more is done.
        return true;
    }
    let accounts = gateway.exchange.accounts();
    new.client_order_id == old.client_order_id
        || accounts
            .get(caller.account)
            .is_some_and(|account| account.orders.named(new.market, &new.client_order_id).is_some())
}

/// Cancels the old order where `limit` keeps the new one back.
async fn cancel_only(
    gateway: &Arc<Gateway>,
    caller: Caller,
    replacement: &Replacement,
    limit: ApiError,
    deadline: Instant,
) -> Answer {
    let canceled = take_off(gateway, caller, &replacement.cancellation, deadline).await;
    if canceled.as_ref().is_err_and(is_unknown) {
        return canceled;
    }
    let stops = !replacement.allows_failure;
    let retry_after_s = limit.retry_after_s;
    let placed = (canceled.is_ok() || !stops).then_some(Err(limit));
    let told = answer(canceled, placed).map_err(|failed| ApiError { retry_after_s, ..failed });
    // Binance's status is the limit's in this mode alone.
    told.map_err(|failed| ApiError { status: if stops { 429 } else { failed.status }, ..failed })
}

fn command(replacement: &Replacement) -> Command {
    let (order, terms) = (replacement.placement.order, replacement.placement.terms);
    let mode = if replacement.allows_failure { ReplaceMode::AllowFailure } else { ReplaceMode::StopOnFailure };
    Command::ReplaceOrder(Box::new(ReplaceOrder { cancel: replacement.cancellation.command, mode, order, terms }))
}

/// What became of the new order; `None` when it was not attempted.
async fn placed(
    gateway: &Gateway,
    caller: Caller,
    replacement: &Replacement,
    position: LogPosition,
    id: OrderId,
    deadline: Instant,
) -> Option<Answer> {
    let placement = &replacement.placement;
    let (market, order) = (&placement.market, &placement.order);
    let id = match id {
        OrderId::ZERO => {
            let refused = gateway.exchange.accounts().refused_replacement(position);
            let Some(refused) = refused else { return Some(Err(errors::TIMEOUT)) };
            let is_retry = refused.reason == RejectReason::DuplicateClientOrderId
                && placement.is_retry
                && SealName::asked_at(refused.id).is_none();
            if !is_retry {
                return Some(Err(filters::explain(market, order, refused.reason)));
            }
            match first_of(gateway, caller, placement, OrderId::new(refused.id), position).await {
                Ok(first) => first,
                Err(error) => return Some(Err(error)),
            }
        }
        id => id,
    };
    let outcome = match order_outcome(gateway, caller, placement, (id, Wanted::Outcome), deadline).await {
        Ok(outcome) => outcome,
        Err(error) => return Some(Err(error)),
    };
    match outcome.order.refused() {
        Some(RejectReason::NotAttempted) => None,
        Some(reason) => Some(Err(filters::explain(market, order, reason))),
        None => Some(Ok(answers::placed(&outcome, market, &gateway.exchange.reference(), placement.response))),
    }
}

/// Whether it may have been done.
pub(super) fn is_unknown(error: &ApiError) -> bool {
    error.code == errors::TIMEOUT.code
}

fn answer(canceled: Answer, placed: Option<Answer>) -> Answer {
    let result = |half: &Answer| if half.is_ok() { "SUCCESS" } else { "FAILURE" };
    let json = |half: &Answer| half.as_ref().map_or_else(ApiError::to_json, Clone::clone);
    let both = format!(
        r#"{{"cancelResult":"{}","newOrderResult":"{}","cancelResponse":{},"newOrderResponse":{}}}"#,
        result(&canceled),
        placed.as_ref().map_or("NOT_ATTEMPTED", result),
        json(&canceled),
        placed.as_ref().map_or_else(|| "null".into(), json),
    );
    let failed = match (&canceled, &placed) {
        (Ok(_), Some(Ok(_))) => return Ok(both),
        (Err(_), None | Some(Err(_))) => errors::NOT_REPLACED,
        _ => errors::REPLACED_IN_PART,
    };
    Err(ApiError { data: Some(both.into()), ..failed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halves(canceled: Answer, placed: Option<Answer>) -> (u16, i32, serde_json::Value) {
        match answer(canceled, placed) {
            Ok(both) => (200, 0, serde_json::from_str(&both).unwrap()),
            Err(error) => (error.status, error.code, serde_json::from_str(&error.to_json()).unwrap()),
        }
    }

    #[test]
    fn both_halves_are_told_whatever_became_of_them() {
        let done = || Ok("{\"orderId\":1}".to_owned());
        let (status, code, both) = halves(done(), Some(done()));
        assert_eq!(
            (status, code, &both["cancelResult"], &both["newOrderResult"]),
            (200, 0, &"SUCCESS".into(), &"SUCCESS".into())
        );
        let (status, code, failed) = halves(Err(errors::UNKNOWN_ORDER), None);
        assert_eq!((status, code), (400, -2022));
        assert_eq!(failed["data"]["newOrderResult"], "NOT_ATTEMPTED");
        assert_eq!(
            (&failed["data"]["cancelResponse"]["code"], failed["data"]["newOrderResponse"].is_null()),
            (&(-2011).into(), true)
        );
        let (status, code, failed) = halves(done(), Some(Err(errors::MARKET_CLOSED)));
        assert_eq!((status, code), (409, -2021));
        assert_eq!(
            (&failed["data"]["cancelResult"], &failed["data"]["newOrderResponse"]["code"]),
            (&"SUCCESS".into(), &(-2010).into())
        );
        assert_eq!(halves(Err(errors::UNKNOWN_ORDER), Some(done())).0, 409);
        assert_eq!(halves(Err(errors::UNKNOWN_ORDER), Some(Err(errors::MARKET_CLOSED))).1, -2022);
    }
}
