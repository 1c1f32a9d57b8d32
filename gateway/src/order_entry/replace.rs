//! Cancel-replace: an order goes and another comes. Each half has an outcome of its own, and the client is told both.

use std::sync::Arc;

use super::{filters, parse, send, take_off};
use crate::auth::Caller;
use crate::errors::{self, ApiError};
use crate::gateway::{Answer, Gateway};
use crate::params::Params;

/// Cancels an order and, when that has succeeded or need not, places another. `over_limit` says why none may be placed;
/// the cancel is done all the same.
pub async fn replace(gateway: &Arc<Gateway>, caller: Caller, params: Params, over_limit: Option<ApiError>) -> Answer {
    let replacement = parse::replacement(gateway, caller, params)?;
    let placement = &replacement.placement;
    filters::check(placement)?;
    let canceled = take_off(gateway, caller, &replacement.cancellation).await;
    if canceled.as_ref().is_err_and(is_unknown) {
        return canceled;
    }
    let placed = match (&canceled, over_limit) {
        (Err(_), _) if !replacement.allows_failure => None,
        (_, Some(limit)) => Some(Err(limit)),
        (_, None) => Some(send(gateway, caller, placement).await),
    };
    answer(canceled, placed)
}

/// Whether it may have been done.
fn is_unknown(error: &ApiError) -> bool {
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
    let limited = placed.as_ref().and_then(|placed| placed.as_ref().err()).filter(|error| error.status == 429).cloned();
    let failed = match (&canceled, &placed) {
        (Ok(_), Some(Ok(_))) => return Ok(both),
        (Err(_), None | Some(Err(_))) => errors::NOT_REPLACED,
        _ => errors::REPLACED_IN_PART,
    };
    let failed = match limited {
        Some(limit) => ApiError { status: limit.status, retry_after_s: limit.retry_after_s, ..failed },
        None => failed,
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
        assert_eq!(halves(done(), Some(Err(ApiError::too_many_orders(1, "10 SECOND", 3)))).0, 429);
    }
}
