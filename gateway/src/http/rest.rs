//! REST: finds the operation, reads what was sent within its bounds, authenticates, executes.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{ACCEPT, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CONTENT_TYPE, EXPECT, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response};

use super::{carrier, outspoken, respond};
use crate::auth::{self, Caller};
use crate::errors::{self, ApiError};
use crate::gateway::{Gateway, Peer};
use crate::operations::{self, Operation, Security};
use crate::params::Params;
use crate::time_unit::TimeUnit;
use crate::trace::{self, Trace};

/// How much of a body beyond the limit is read and thrown away before the refusal.
const DISCARDED_BYTES_MAX: usize = 32 * 1024 * 1024;

const API_KEY: &str = "x-mbx-apikey";
const TIME_UNIT: &str = "x-mbx-time-unit";
/// The parameter `identicalRetry` as a header, for clients whose library sends no parameters that it does not know.
const IDENTICAL_RETRY: &str = "x-identical-retry";
const RETRY_PARAMETER: &str = "identicalRetry";

/// Answers a request to any path that is not a WebSocket's or the operator's. Pages of any origin may read what is public: what
/// is signed needs a header that a page may send only where it is allowed to, which is nowhere.
pub(super) async fn answer(gateway: &Arc<Gateway>, request: Request<Incoming>, peer: Peer) -> Response<Full<Bytes>> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let mut response = answer_any(gateway, request, peer).await;
    if is_read {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    response
}

async fn answer_any(gateway: &Arc<Gateway>, request: Request<Incoming>, peer: Peer) -> Response<Full<Bytes>> {
    let operations = operations::find(request.uri().path());
    // The head of what GET would be answered: the HTTP library leaves the rest away.
    let verb = if *request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let Some(operation) = operations.iter().copied().find(|operation| operation.rest.0 == *verb) else {
        // Nobody asks for nothing without a count.
        return match gateway.throttle.weigh(peer.ip, 1, gateway.now_us()) {
            Err(limited) => respond::error(&limited),
            Ok(_) if operations.is_empty() => respond::error(&errors::UNKNOWN_PATH),
            Ok(_) if *verb == Method::OPTIONS => allowing(respond::nothing(), operations),
            Ok(_) => allowing(respond::error(&errors::WRONG_VERB), operations),
        };
    };
    let headers = request.headers();
    let unit = match takes_json(headers).and_then(|()| time_unit(headers)) {
        Ok(unit) => unit,
        Err(error) => {
            return respond::executed(operations::refuse(gateway, operation, peer, error), TimeUnit::default());
        }
    };
    match read(gateway, operation, peer, request).await {
        Ok(Asked { caller, params, trace: None }) => {
            respond::executed(operations::execute(gateway, operation, peer, caller, params).await, unit)
        }
        Ok(Asked { caller, params, trace: Some(trace) }) => {
            let executed = operations::execute_traced(gateway, operation, peer, caller, params, &trace).await;
            respond::traced(respond::executed(executed, unit), &trace)
        }
        Err(Unreadable { error, closes: true }) => respond::closing_error(&error),
        Err(Unreadable { error, closes: false }) => {
            respond::executed(operations::refuse(gateway, operation, peer, error), unit)
        }
    }
}

/// Says what else may be asked of a path.
fn allowing(mut response: Response<Full<Bytes>>, operations: &[&'static Operation]) -> Response<Full<Bytes>> {
    let mut verbs: Vec<&str> = operations.iter().map(|operation| operation.rest.0.as_str()).collect();
    if verbs.contains(&Method::GET.as_str()) {
        verbs.push(Method::HEAD.as_str());
    }
    verbs.push(Method::OPTIONS.as_str());
    if let Ok(verbs) = HeaderValue::from_str(&verbs.join(", ")) {
        response.headers_mut().insert(ALLOW, verbs);
    }
    response
}

/// Refuses a client that takes SBE and no JSON beside it.
fn takes_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let wishes = headers.get_all(ACCEPT).iter().filter_map(|wish| wish.to_str().ok());
    let mut wishes = wishes.flat_map(|wish| wish.split(',')).map(|wish| wish.split(';').next().unwrap_or(wish).trim());
    // Whoever names several is given what there is.
    match (wishes.next(), wishes.next()) {
        (Some(only), None) if only.eq_ignore_ascii_case("application/sbe") => Err(errors::NO_SBE),
        _ => Ok(()),
    }
}

/// In what the client wishes to be told times.
fn time_unit(headers: &HeaderMap) -> Result<TimeUnit, ApiError> {
    match headers.get(TIME_UNIT).map(HeaderValue::to_str) {
        None => Ok(TimeUnit::default()),
        Some(Ok(name)) => TimeUnit::from_name(name),
        Some(Err(_)) => Err(errors::INVALID_TIME_UNIT),
    }
}

/// A request that was read.
struct Asked {
    caller: Option<Caller>,
    params: Params,
    /// Of a request that its client follows.
    trace: Option<Arc<Trace>>,
}

struct Unreadable {
    error: ApiError,
    /// Whether the connection is of no more use.
    closes: bool,
}

impl From<ApiError> for Unreadable {
    fn from(error: ApiError) -> Unreadable {
        Unreadable { error, closes: false }
    }
}

async fn read(
    gateway: &Gateway,
    operation: &Operation,
    peer: Peer,
    request: Request<Incoming>,
) -> Result<Asked, Unreadable> {
    let (head, body) = request.into_parts();
    if let Err(error) = gateway.throttle.check_ban(peer.ip, gateway.now_us()) {
        // Neither what it sends nor its signature is looked at; only the end of what it sends is waited for. Who asks before
        // they send is not told to.
        let closes = !body.is_end_stream();
        if closes && !head.headers.contains_key(EXPECT) {
            tokio::spawn(tokio::time::timeout(gateway.limits.body_timeout, discard(body)));
        }
        return Err(Unreadable { error, closes });
    }
    let body = read_body(gateway, body, head.headers.contains_key(EXPECT)).await?;
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let query = &*outspoken::as_sent(head.uri.query().unwrap_or(""));
    let carried = if matches!(head.method, Method::GET | Method::HEAD) {
        carrier::read(query, &[], None)?
    } else {
        carrier::read(query, &body, header(CONTENT_TYPE.as_str()))?
    };
    let mut params = carried.params;
    let key = header(API_KEY);
    let caller = match operation.security {
        Security::Public => None,
        Security::Stream => Some(auth::by_key(&gateway.exchange, peer, key.ok_or(errors::BAD_API_KEY)?)?.0),
        Security::Read | Security::Trade | Security::Withdraw => {
            let now_us = gateway.now_us();
            Some(auth::signed_payload(&gateway.exchange, peer, key, &carried.payload, &mut params, now_us)?)
        }
    };
    let trace = match (Trace::take(&mut params)?, header(trace::NAME_HEADER)) {
        (None, Some(name)) => Some(Trace::named(name)?),
        (trace, _) => trace,
    };
    if let Some(wish) = header(IDENTICAL_RETRY).filter(|_| operation.orders == 1)
        && params.get(RETRY_PARAMETER).is_none()
    {
        params.put(RETRY_PARAMETER, wish.to_owned());
    }
    Ok(Asked { caller, params, trace })
}

/// Reads a body within its bounds. A client that `asks_first` (`Expect: 100-continue`) is told to go on by the first look at
/// its body: one that is refused is not looked at.
async fn read_body(gateway: &Gateway, mut body: Incoming, asks_first: bool) -> Result<Bytes, Unreadable> {
    let most = gateway.limits.body_bytes_max;
    let closing = |error| Unreadable { error, closes: true };
    let is_declared = body.size_hint().lower() > most as u64;
    if is_declared && asks_first {
        return Err(closing(errors::BODY_TOO_LARGE));
    }
    let reading = async {
        let mut read = BytesMut::new();
        if is_declared {
            return Err(errors::BODY_TOO_LARGE);
        }
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => {
                    let data = frame.data_ref().map_or(&[][..], AsRef::as_ref);
                    if read.len() + data.len() > most {
                        return Err(errors::BODY_TOO_LARGE);
                    }
                    read.extend_from_slice(data);
                }
                Err(_) => return Err(errors::UNREADABLE_BODY),
            }
        }
        Ok(read.freeze())
    };
    let limit = gateway.limits.body_timeout;
    match tokio::time::timeout(limit, reading).await {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(error)) => {
            if error == errors::BODY_TOO_LARGE {
                // Beside the answer, which does not wait for it. A timeout means that the client would not end.
                tokio::spawn(tokio::time::timeout(limit, discard(body)));
            }
            Err(closing(error))
        }
        Err(_) => Err(closing(errors::BODY_TOO_SLOW)),
    }
}

/// Reads on without keeping anything: a client that is still sending does not read its answer, and loses it
/// when the connection is closed under it.
async fn discard(mut body: Incoming) {
    let mut discarded = 0;
    while discarded < DISCARDED_BYTES_MAX {
        match body.frame().await {
            Some(Ok(frame)) => discarded += frame.data_ref().map_or(0, Bytes::len),
            Some(Err(_)) | None => return,
        }
    }
}
