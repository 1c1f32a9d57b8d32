//! HTTP responses.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Response, StatusCode};

use crate::errors::ApiError;
use crate::operations::Executed;
use crate::time_unit::TimeUnit;
use crate::trace::{self, Trace};

const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=UTF-8");
const USED_WEIGHT: HeaderName = HeaderName::from_static("x-mbx-used-weight");
const USED_WEIGHT_1M: HeaderName = HeaderName::from_static("x-mbx-used-weight-1m");
const USED_KEY_WEIGHT_1M: HeaderName = HeaderName::from_static("x-mbx-used-key-weight-1m");
const ORDER_COUNT_10S: HeaderName = HeaderName::from_static("x-mbx-order-count-10s");
const ORDER_COUNT_1D: HeaderName = HeaderName::from_static("x-mbx-order-count-1d");

/// The answer of an operation, with what it used of its client's limits.
pub(super) fn executed(executed: Executed, unit: TimeUnit) -> Response<Full<Bytes>> {
    let mut response = match executed.answer {
        Ok(json) => json_body(StatusCode::OK, unit.answer(json)),
        Err(refused) => error(&refused),
    };
    let headers = response.headers_mut();
    headers.insert(USED_WEIGHT, executed.used_weight.into());
    headers.insert(USED_WEIGHT_1M, executed.used_weight.into());
    if let Some(used) = executed.used_key_weight {
        headers.insert(USED_KEY_WEIGHT_1M, used.into());
    }
    if let Some(counts) = executed.orders {
        headers.insert(ORDER_COUNT_10S, counts.per_10s.into());
        headers.insert(ORDER_COUNT_1D, counts.per_day.into());
    }
    response
}

/// Says under which name the request was followed, and where in the log it is.
pub(super) fn traced(mut response: Response<Full<Bytes>>, trace: &Trace) -> Response<Full<Bytes>> {
    let headers = response.headers_mut();
    for (name, value) in [(trace::NAME_HEADER, trace.name()), (trace::LOG_HEADER, &trace.places().join(","))] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// An error as Binance writes it.
pub(super) fn error(error: &ApiError) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json_body(status, error.to_json());
    if let Some(seconds) = error.retry_after_s {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// An error after which the rest of the connection cannot be understood, or is not wanted.
pub(super) fn closing_error(refused: &ApiError) -> Response<Full<Bytes>> {
    let mut response = error(refused);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// There is nothing to say.
pub(super) fn nothing() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

pub(super) fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    body(status, HeaderValue::from_static("text/plain; charset=utf-8"), text)
}

pub(super) fn metrics(text: String) -> Response<Full<Bytes>> {
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    body(StatusCode::OK, kind, text)
}

fn json_body(status: StatusCode, json: String) -> Response<Full<Bytes>> {
    body(status, JSON, json)
}

fn body(status: StatusCode, kind: HeaderValue, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    response
}
