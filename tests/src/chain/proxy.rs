//! An HTTP proxy before one node, with a fault that can be changed at any time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::fault::Fault;
use super::process::{ChainError, io_error};

/// Longer than any test.
const FOR_EVER: Duration = Duration::from_secs(3_600);

/// A proxy before one node.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    upstream: String,
    http: Client<HttpConnector, Full<Bytes>>,
    fault: watch::Sender<Fault>,
    /// Answers about the head, as they were when they were frozen.
    frozen: Mutex<BTreeMap<String, Value>>,
    requests: AtomicU64,
    /// How often a fault was set: what is younger than a connection does not wedge it.
    faults: AtomicU64,
}

enum Bent {
    Answer(Response<Full<Bytes>>),
    HangUp,
}

impl Proxy {
    /// Stands before whoever listens at `port` of this machine.
    pub async fn start(port: u16) -> Result<Proxy, ChainError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(io_error("listen as a proxy"))?;
        let own = listener.local_addr().map_err(io_error("listen as a proxy"))?.port();
        let state = Arc::new(State {
            upstream: format!("http://127.0.0.1:{port}/"),
            http: Client::builder(TokioExecutor::new()).build_http(),
            fault: watch::Sender::new(Fault::Pass),
            frozen: Mutex::default(),
            requests: AtomicU64::new(0),
            faults: AtomicU64::new(0),
        });
        let task = tokio::spawn(accept(listener, state.clone()));
        Ok(Proxy { port: own, state, task })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on this is wrong.
    pub fn set(&self, fault: Fault) {
        self.state.frozen.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.state.faults.fetch_add(1, Ordering::SeqCst);
        self.state.fault.send_replace(fault);
    }

    /// How many requests have arrived.
    pub fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    // Connections end with their proxy.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let state = state.clone();
        let made_at = state.faults.load(Ordering::SeqCst);
        connections.spawn(async move {
            let service = service_fn(|request| serve(state.clone(), made_at, request));
            // Whoever hangs up does so.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// The error of a connection that is closed on purpose.
#[derive(Debug, thiserror::Error)]
#[error("hung up on purpose")]
struct HungUp;

async fn serve(state: Arc<State>, made_at: u64, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, HungUp> {
    state.requests.fetch_add(1, Ordering::Relaxed);
    let authorization = request.headers().get(AUTHORIZATION).cloned();
    let body = request.into_body().collect().await.map_err(|_| HungUp)?.to_bytes();
    let fault = state.fault.borrow().clone();
    if fault == Fault::Wedge && made_at < state.faults.load(Ordering::SeqCst) {
        tokio::time::sleep(FOR_EVER).await;
    }
    match bent(&state, &fault, authorization, &body).await {
        Bent::Answer(response) => Ok(response),
        Bent::HangUp => Err(HungUp),
    }
}

async fn bent(state: &State, fault: &Fault, authorization: Option<hyper::header::HeaderValue>, body: &[u8]) -> Bent {
    match fault {
        Fault::HangUp => return Bent::HangUp,
        Fault::Status(status) => return Bent::Answer(plain(*status, Bytes::from_static(b"no"))),
        Fault::Stall => tokio::time::sleep(FOR_EVER).await,
        Fault::Delay(delay) => tokio::time::sleep(*delay).await,
        _ => {}
    }
    let Ok(question) = serde_json::from_slice::<Value>(body) else { return Bent::HangUp };
    let mut status = StatusCode::OK;
    let mut answers = Vec::new();
    let calls = question.as_array().cloned().unwrap_or_else(|| vec![question.clone()]);
    for call in &calls {
        let Some((answer_status, answer)) = answer(state, fault, &authorization, call).await else {
            return Bent::HangUp;
        };
        if calls.len() == 1 {
            status = answer_status;
        }
        answers.push(answer);
    }
    if *fault == Fault::ExecuteThenStall {
        tokio::time::sleep(FOR_EVER).await;
    }
    let answer = if question.is_array() { Value::Array(answers) } else { answers.pop().unwrap_or(Value::Null) };
    let mut bytes = answer.to_string().into_bytes();
    if *fault == Fault::Truncate {
        bytes.truncate(bytes.len() / 2);
    }
    Bent::Answer(plain(status.as_u16(), Bytes::from(bytes)))
}

async fn answer(
    state: &State,
    fault: &Fault,
    authorization: &Option<hyper::header::HeaderValue>,
    call: &Value,
) -> Option<(StatusCode, Value)> {
    if let Some(invented) = fault.invented(call) {
        return Some((StatusCode::OK, invented));
    }
    let key = format!("{}{}", call["method"], call["params"]);
    let is_about_head = matches!(call["method"].as_str(), Some("getbestblockhash" | "eth_getBlockByNumber"));
    let freezes = is_about_head && matches!(fault, Fault::FrozenHead | Fault::FrozenHeadFreshTime);
    let known = state.frozen.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
    let (status, mut answer) = match known.filter(|_| freezes) {
        Some(frozen) => (StatusCode::OK, frozen),
        None => match fault {
            Fault::Lag(blocks) if is_about_head => lagging(state, authorization, call, *blocks).await?,
            _ => forward(state, authorization, call).await?,
        },
    };
    if freezes {
        state.frozen.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert_with(|| answer.clone());
    }
    answer["id"] = call["id"].clone();
    fault.bend(call, &mut answer);
    Some((status, answer))
}

/// The question for the head, answered for a block below it.
async fn lagging(
    state: &State,
    authorization: &Option<hyper::header::HeaderValue>,
    call: &Value,
    blocks: u64,
) -> Option<(StatusCode, Value)> {
    let ask = async |method: &str, params: Value| {
        let call = json!({"jsonrpc": "2.0", "id": call["id"], "method": method, "params": params});
        forward(state, authorization, &call).await
    };
    match call["params"][0].as_str() {
        None => {
            let (_, count) = ask("getblockcount", json!([])).await?;
            ask("getblockhash", json!([count["result"].as_u64()?.saturating_sub(blocks)])).await
        }
        Some("latest" | "finalized") => {
            let (_, block) = forward(state, authorization, call).await?;
            let number = u64::from_str_radix(block["result"]["number"].as_str()?.strip_prefix("0x")?, 16).ok()?;
            ask("eth_getBlockByNumber", json!([format!("{:#x}", number.saturating_sub(blocks)), false])).await
        }
        Some(_) => forward(state, authorization, call).await,
    }
}

async fn forward(
    state: &State,
    authorization: &Option<hyper::header::HeaderValue>,
    call: &Value,
) -> Option<(StatusCode, Value)> {
    let mut request = Request::builder().method(Method::POST).uri(&state.upstream);
    request = request.header(CONTENT_TYPE, "application/json");
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    let response = state.http.request(request.body(Full::from(call.to_string())).ok()?).await.ok()?;
    let status = response.status();
    let body = response.into_body().collect().await.ok()?.to_bytes();
    Some((status, serde_json::from_slice(&body).ok()?))
}

fn plain(status: u16, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}
