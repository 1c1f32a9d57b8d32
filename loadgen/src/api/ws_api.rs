//! The WebSocket API over one connection that comes back by itself: logs on, pipelines requests, matches
//! answers by id.
//!
//! A request that was written when the connection broke ends as [`ApiError::Unanswered`]: only a look-up
//! can tell what became of it. Requests that wait for a connection keep their order and are sent once it is
//! back, unless their caller has given up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::message::ErrorBody;
use super::sign::Credentials;
use super::{ApiError, backoff, beginning};

#[cfg(test)]
pub(crate) mod tests;

/// Requests that may wait for the connection.
const QUEUE: usize = 65_536;
/// Room for some answers. All of it is cleared before every read.
const READ_BUFFER_LEN: usize = 8 * 1024;

/// A connection of one account. Clones share it; it closes when the last is dropped.
#[derive(Clone)]
pub struct WsApi {
    requests: mpsc::Sender<Request>,
    next_id: Arc<AtomicU64>,
}

struct Request {
    id: u64,
    text: String,
    answer: oneshot::Sender<Result<Utf8Bytes, ApiError>>,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Waiting = Mutex<BTreeMap<u64, oneshot::Sender<Result<Utf8Bytes, ApiError>>>>;

/// What every answer has; the result is read by whoever asked.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    id: Option<u64>,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    error: Option<ErrorBody>,
    #[serde(default, rename = "result")]
    _result: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Body<T> {
    result: T,
}

impl WsApi {
    /// Starts a connection to the first of `urls` that takes it and logs on as `credentials`.
    pub fn connect(urls: Vec<String>, credentials: Option<Credentials>) -> WsApi {
        assert!(!urls.is_empty(), "a WebSocket API client needs an address");
        let (requests, queue) = mpsc::channel(QUEUE);
        tokio::spawn(Link { urls, credentials, queue, unsent: None }.run());
        WsApi { requests, next_id: Arc::new(AtomicU64::new(1)) }
    }

    /// Sends a request and waits for its answer. `params` is a JSON object. Requests are written in the
    /// order of their calls' first poll. Without a deadline of its own: wrap it in a time-out.
    pub async fn call<T: DeserializeOwned>(&self, method: &str, params: &str) -> Result<T, ApiError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let text = format!(r#"{{"id":{id},"method":"{method}","params":{params}}}"#);
        let (answer, answered) = oneshot::channel();
        self.requests.try_send(Request { id, text, answer }).map_err(|_| ApiError::Unreachable {
            url: "the gateway".to_owned(),
            reason: format!("{QUEUE} requests wait for the connection already"),
        })?;
        let text = answered.await.map_err(|_| ApiError::Unanswered("the connection was given up".to_owned()))??;
        match serde_json::from_str::<Body<T>>(&text) {
            Ok(body) => Ok(body.result),
            Err(error) => Err(ApiError::Unreadable {
                request: method.to_owned(),
                reason: error.to_string(),
                text: beginning(&text),
            }),
        }
    }
}

/// The task behind a [`WsApi`].
struct Link {
    urls: Vec<String>,
    credentials: Option<Credentials>,
    queue: mpsc::Receiver<Request>,
    /// Taken from the queue, not yet written.
    unsent: Option<Request>,
}

impl Link {
    async fn run(mut self) {
        let mut attempt = 0;
        while !self.queue.is_closed() || self.unsent.is_some() {
            let url = &self.urls[attempt as usize % self.urls.len()];
            match self.open(url).await {
                Ok(socket) => {
                    attempt = 0;
                    if self.serve(socket).await == Ended::ByUs {
                        return;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, url, "no connection to the WebSocket API");
                    let is_final = matches!(error, ApiError::Refused { .. }) && !error.is_transient();
                    let wait = error.retry_after().unwrap_or_default().max(backoff(attempt));
                    match is_final || error.is_limit() {
                        true => self.refuse_all(&error, wait).await,
                        false => tokio::time::sleep(wait).await,
                    }
                    attempt = attempt.saturating_add(1);
                }
            }
        }
    }

    async fn open(&self, url: &str) -> Result<Socket, ApiError> {
        let unreachable = |reason: String| ApiError::Unreachable { url: url.to_owned(), reason };
        // Answers need not repeat the limits; they would be a third of the traffic.
        let address = format!("{url}?returnRateLimits=false");
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_LEN);
        let connecting = tokio_tungstenite::connect_async_with_config(&address, Some(config), true);
        let connected = tokio::time::timeout(Duration::from_secs(5), connecting).await;
        let (mut socket, _) =
            connected
                .map_err(|_| unreachable("no answer to the handshake within 5 s".to_owned()))?
                .map_err(|error| handshake_refusal(&error).unwrap_or_else(|| unreachable(error.to_string())))?;
        if let Some(credentials) = &self.credentials {
            let logon = format!(r#"{{"id":0,"method":"session.logon","params":{}}}"#, credentials.logon_params());
            let answered = async {
                socket.send(Message::text(logon)).await.ok()?;
                while let Some(Ok(message)) = socket.next().await {
                    if let Message::Text(text) = message {
                        return Some(text);
                    }
                }
                None
            };
            let answered = tokio::time::timeout(Duration::from_secs(15), answered).await.ok().flatten();
            let text = answered.ok_or_else(|| unreachable("no answer to session.logon".to_owned()))?;
            let envelope = serde_json::from_str::<Envelope>(&text).map_err(|error| ApiError::Unreadable {
                request: "session.logon".to_owned(),
                reason: error.to_string(),
                text: beginning(&text),
            })?;
            refusal(&envelope).map_or(Ok(()), Err)?;
        }
        Ok(socket)
    }

    /// Until the connection ends; then everything that was written and not answered is unanswered.
    async fn serve(&mut self, socket: Socket) -> Ended {
        let (sink, stream) = socket.split();
        let waiting = Waiting::default();
        let ended = tokio::select! {
            ended = write(sink, &mut self.queue, &mut self.unsent, &waiting) => ended,
            () = read(stream, &waiting) => Ended::ByPeer,
        };
        for (_, answer) in std::mem::take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner)) {
            // Whoever asked may be gone.
            let _ = answer.send(Err(ApiError::Unanswered("the connection closed".to_owned())));
        }
        ended
    }

    /// The exchange does not let this account in, for so long at least: nobody needs to wait for that to change.
    async fn refuse_all(&mut self, error: &ApiError, wait: Duration) {
        let until = tokio::time::Instant::now() + wait;
        let mut next = self.unsent.take();
        loop {
            if let Some(request) = next.take() {
                // Whoever asked may be gone.
                let _ = request.answer.send(Err(error.clone()));
            }
            match tokio::time::timeout_at(until, self.queue.recv()).await {
                Ok(Some(request)) => next = Some(request),
                // Nobody is left to ask, or it is time to try again.
                Ok(None) | Err(_) => return,
            }
        }
    }
}

#[derive(PartialEq, Eq)]
enum Ended {
    ByUs,
    ByPeer,
}

/// Writes what is queued, as many requests as are there with one flush.
async fn write(
    mut sink: SplitSink<Socket, Message>,
    queue: &mut mpsc::Receiver<Request>,
    unsent: &mut Option<Request>,
    waiting: &Waiting,
) -> Ended {
    loop {
        if unsent.is_none() {
            match queue.recv().await {
                Some(request) => *unsent = Some(request),
                None => {
                    // Nobody is left to mind whether the closing handshake works.
                    let _ = sink.close().await;
                    return Ended::ByUs;
                }
            }
        }
        while let Some(request) = unsent.take().or_else(|| queue.try_recv().ok()) {
            if request.answer.is_closed() {
                continue;
            }
            waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(request.id, request.answer);
            if sink.feed(Message::text(request.text)).await.is_err() {
                return Ended::ByPeer;
            }
        }
        if sink.flush().await.is_err() {
            return Ended::ByPeer;
        }
    }
}

async fn read(mut stream: SplitStream<Socket>, waiting: &Waiting) {
    while let Some(Ok(message)) = stream.next().await {
        let Message::Text(text) = message else { continue };
        let Ok(envelope) = serde_json::from_str::<Envelope>(&text) else {
            tracing::warn!(text = beginning(&text), "unreadable message of the WebSocket API");
            continue;
        };
        // Events of the user stream have no id, and nobody waits for them here.
        let Some(id) = envelope.id else { continue };
        let answer = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        if let Some(answer) = answer {
            let outcome = refusal(&envelope).map_or(Ok(text), Err);
            // Whoever asked may have given up.
            let _ = answer.send(outcome);
        }
    }
}

fn refusal(envelope: &Envelope) -> Option<ApiError> {
    if envelope.status == 200 && envelope.error.is_none() {
        return None;
    }
    let nothing = || ErrorBody { code: 0, msg: "no reason given".to_owned(), data: None };
    let error = envelope.error.clone().unwrap_or_else(nothing);
    let retry_after = error.retry_after();
    Some(ApiError::Refused { status: envelope.status, code: error.code, message: error.msg, retry_after })
}

/// A handshake that was answered, but for another protocol: with an error of the exchange, unless what stands before it answers.
fn handshake_refusal(error: &tungstenite::Error) -> Option<ApiError> {
    let tungstenite::Error::Http(response) = error else { return None };
    let said = serde_json::from_slice::<ErrorBody>(response.body().as_deref()?).ok().filter(|said| said.code != 0)?;
    let seconds = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    Some(ApiError::Refused {
        status: response.status().as_u16(),
        code: said.code,
        message: said.msg,
        retry_after: seconds.map(Duration::from_secs),
    })
}
