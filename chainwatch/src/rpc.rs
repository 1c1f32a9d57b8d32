//! JSON-RPC over HTTP to one chain node: one question in, one classified answer out.
//!
//! What counts as an answer is decided here once. A JSON-RPC error is a *refusal*, whatever HTTP status carries it
//! (Bitcoin Core says 500); everything that is no JSON-RPC answer is a [`Failure`]; a node that says it gets too much is
//! the failure [`Failure::TooMany`], in whichever of the ways nodes say it.

pub mod bitcoin;
pub mod evm;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::chain::Lie;
use crate::pool::Failure;

/// The most bytes of an answer: heads and headers, and a block's list of transaction hashes.
const BODY_MAX: usize = 1 << 20;
/// The most bytes of an answer that holds a full block of transactions as JSON.
const BLOCK_BODY_MAX: usize = 64 << 20;
/// A connection that takes longer to make is as good as refused.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// Idle connections kept for one node.
const IDLE_MAX: usize = 16;

/// Bitcoin Core: the node is still starting.
const WARMING_UP: i64 = -28;
/// EIP-1474: a limit was exceeded.
const LIMIT_EXCEEDED: i64 = -32_005;

/// Where a chain node is, and who we are to it.
#[derive(Clone)]
pub struct Endpoint {
    /// `http://host:port/path`.
    pub url: Uri,
    /// HTTP basic authentication: user and password.
    pub login: Option<(String, String)>,
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Told {
    /// The node answered with an error, or that it does not have what was asked for.
    #[error("the node refuses: {message} ({code})")]
    Refused {
        /// JSON-RPC's number; 0 when the node just does not have it.
        code: i64,
        /// The node's words.
        message: String,
    },
    /// The node did not answer.
    #[error("the node did not answer: {0:?}")]
    Failed(Failure),
    /// The answer cannot be true.
    #[error("the node lies: {0}")]
    Lied(#[from] Lie),
}

/// A connection pool to one chain node. Cheap to clone.
#[derive(Clone)]
pub struct RpcClient {
    http: Client<HttpConnector, Full<Bytes>>,
    requests: Arc<AtomicU64>,
    url: Uri,
    authorization: Option<HeaderValue>,
}

impl RpcClient {
    /// Does not connect yet.
    pub fn new(endpoint: &Endpoint) -> RpcClient {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(IDLE_MAX).build(connector);
        let authorization = endpoint.login.as_ref().map(|(user, password)| {
            let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
                .expect("base64 is a legal header");
            value.set_sensitive(true);
            value
        });
        RpcClient { http, requests: Arc::default(), url: endpoint.url.clone(), authorization }
    }

    /// How many requests the node was sent.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// One call, whose answer has at most a megabyte.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, Told> {
        self.call_within(method, params, BODY_MAX).await
    }

    /// One call, whose answer may hold a block.
    pub async fn call_for_block(&self, method: &str, params: Value) -> Result<Value, Told> {
        self.call_within(method, params, BLOCK_BODY_MAX).await
    }

    async fn call_within(&self, method: &str, params: Value, body_max: usize) -> Result<Value, Told> {
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": method, "params": params});
        let (status, answer) = self.post(body.to_string(), body_max).await?;
        let answer = answer.ok_or_else(|| Told::Failed(failure_of(status)))?;
        result_of(answer, status)
    }

    /// Several calls in one request; their results in the order of the calls. The first error is the whole's error. Their
    /// answers have at most a megabyte.
    pub async fn batch(&self, calls: &[(&str, Value)]) -> Result<Vec<Value>, Told> {
        self.batch_within(calls, BODY_MAX).await?.into_iter().collect()
    }

    /// As [`RpcClient::batch`], and what a node refuses of one call is no error of the others.
    pub async fn batch_each(&self, calls: &[(&str, Value)]) -> Result<Vec<Result<Value, Told>>, Told> {
        self.batch_within(calls, BODY_MAX).await
    }

    /// As [`RpcClient::batch`], and the answers may hold a block.
    pub async fn batch_for_block(&self, calls: &[(&str, Value)]) -> Result<Vec<Value>, Told> {
        self.batch_within(calls, BLOCK_BODY_MAX).await?.into_iter().collect()
    }

    async fn batch_within(&self, calls: &[(&str, Value)], body_max: usize) -> Result<Vec<Result<Value, Told>>, Told> {
        let call = |(id, (method, params)): (usize, &(&str, Value))| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let body = Value::Array(calls.iter().enumerate().map(call).collect());
        let (status, answer) = self.post(body.to_string(), body_max).await?;
        let answers = match answer {
            Some(Value::Array(answers)) if answers.len() == calls.len() => answers,
            Some(single @ Value::Object(_)) => {
                result_of(single, status)?;
                return Err(Told::Failed(Failure::Malformed));
            }
            _ => return Err(Told::Failed(failure_of(status))),
        };
        let mut results = vec![None; calls.len()];
        for answer in answers {
            let id = answer.get("id").and_then(Value::as_u64).and_then(|id| usize::try_from(id).ok());
            let slot = id.and_then(|id| results.get_mut(id)).ok_or(Told::Failed(Failure::Malformed))?;
            *slot = Some(result_of(answer, status));
        }
        results.into_iter().collect::<Option<Vec<_>>>().ok_or(Told::Failed(Failure::Malformed))
    }

    /// The status, and the body if it is JSON that could be an answer.
    async fn post(&self, body: String, body_max: usize) -> Result<(StatusCode, Option<Value>), Told> {
        let mut request = Request::builder().method(Method::POST).uri(&self.url);
        request = request.header(CONTENT_TYPE, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Full::from(body)).map_err(|_| Told::Failed(Failure::Malformed))?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let response = self.http.request(request).await.map_err(|error| Told::Failed(unreachable(&error)))?;
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Told::Failed(Failure::TooMany));
        }
        let body = Limited::new(response.into_body(), body_max).collect().await;
        let bytes = body.map_err(|_| Told::Failed(Failure::Broken))?.to_bytes();
        let answer =
            serde_json::from_slice(&bytes).ok().filter(|answer: &Value| answer.is_object() || answer.is_array());
        Ok((status, answer))
    }
}

fn unreachable(error: &hyper_util::client::legacy::Error) -> Failure {
    if error.is_connect() { Failure::Refused } else { Failure::Broken }
}

fn failure_of(status: StatusCode) -> Failure {
    if status.is_success() { Failure::Malformed } else { Failure::Status(status.as_u16()) }
}

fn result_of(mut answer: Value, status: StatusCode) -> Result<Value, Told> {
    match answer.get_mut("error").map(Value::take) {
        None | Some(Value::Null) => match answer.get_mut("result").map(Value::take) {
            Some(result) if status.is_success() => Ok(result),
            _ => Err(Told::Failed(failure_of(status))),
        },
        Some(error) => {
            let code = error.get("code").and_then(Value::as_i64).unwrap_or(0);
            let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
            match code {
                LIMIT_EXCEEDED => Err(Told::Failed(Failure::TooMany)),
                WARMING_UP => Err(Told::Failed(Failure::Status(503))),
                _ => Err(Told::Refused { code, message: message.chars().take(200).collect() }),
            }
        }
    }
}

/// What a node says when it just does not have it.
fn absent(what: &str) -> Told {
    Told::Refused { code: 0, message: format!("the node has no such {what}") }
}

#[cfg(test)]
mod tests;
