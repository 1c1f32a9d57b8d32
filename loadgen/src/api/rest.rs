//! REST over a pool of kept-alive connections.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::header::HOST;
use hyper::{Method, Request};
use serde::de::DeserializeOwned;

use super::line::{Answered, Line};
use super::message::ErrorBody;
use super::sign::Credentials;
use super::{ApiError, backoff, beginning};

#[cfg(test)]
mod tests;

/// The longest answer that is read.
const BODY_MAX: usize = 64 << 20;
/// After this it is said that somebody waits for an answer.
const LATE: Duration = Duration::from_secs(2);
/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// A client of one or more gateways. Clones share their connections.
#[derive(Clone)]
pub struct Rest {
    /// Connections on which nothing is under way, by whom they lead to.
    idle: Arc<Mutex<HashMap<String, Vec<Line>>>>,
    bases: Vec<String>,
    used_weight: Arc<AtomicU64>,
}

impl Rest {
    /// Of gateways at these base URLs; the first is preferred.
    pub fn new(bases: Vec<String>) -> Rest {
        assert!(!bases.is_empty(), "a REST client needs an address");
        Rest { idle: Arc::default(), bases, used_weight: Arc::default() }
    }

    /// A public question, asked again for up to `patience` while the exchange cannot answer.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: &str, patience: Duration) -> Result<T, ApiError> {
        self.patiently(patience, |base| self.send(Method::GET, base, path, query.to_owned(), None)).await
    }

    /// A question about an account, signed anew for each attempt.
    pub async fn get_signed<T: DeserializeOwned>(
        &self,
        credentials: &Credentials,
        path: &str,
        query: &str,
        patience: Duration,
    ) -> Result<T, ApiError> {
        self.patiently(patience, |base| {
            self.send(Method::GET, base, path, credentials.signed_query(query), Some(credentials.api_key()))
        })
        .await
    }

    /// What this address had used of its request weight in the minute of the last answer, as that said.
    pub fn used_weight(&self) -> u64 {
        self.used_weight.load(Ordering::Relaxed)
    }

    /// A request that changes something, sent once.
    pub async fn change<T: DeserializeOwned>(
        &self,
        credentials: &Credentials,
        method: Method,
        path: &str,
        query: &str,
    ) -> Result<T, ApiError> {
        self.send(method, &self.bases[0], path, credentials.signed_query(query), Some(credentials.api_key())).await
    }

    async fn patiently<'a, T, F>(
        &'a self,
        patience: Duration,
        mut attempt: impl FnMut(&'a str) -> F,
    ) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let (began, mut is_told) = (Instant::now(), false);
        let deadline = began + patience;
        for number in 0.. {
            let base = &self.bases[number as usize % self.bases.len()];
            let done = attempt(base).await;
            let Some(error) = done.as_ref().err().filter(|error| error.is_transient()) else { return done };
            // Whoever goes on before is banned.
            let wait = error.retry_after().unwrap_or_default().max(backoff(number));
            if Instant::now() + wait >= deadline {
                return done;
            }
            if !is_told && began.elapsed() + wait >= LATE {
                is_told = true;
                tracing::warn!("{error}; it is tried again for up to {} s", patience.as_secs());
            }
            tokio::time::sleep(wait).await;
        }
        unreachable!("the loop ends by its deadline")
    }

    fn idle(&self) -> MutexGuard<'_, HashMap<String, Vec<Line>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that rests since the shortest time, or a new one.
    async fn line(&self, authority: &str) -> Result<Line, String> {
        loop {
            let Some(mut line) = self.idle().get_mut(authority).and_then(Vec::pop) else {
                return Line::open(authority).await;
            };
            if line.is_open().await {
                return Ok(line);
            }
        }
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        base: &str,
        path: &str,
        query: String,
        api_key: Option<&str>,
    ) -> Result<T, ApiError> {
        let name = format!("{method} {path}");
        let unreachable = |reason: String| ApiError::Unreachable { url: base.to_owned(), reason };
        let Some(("http", rest)) = base.split_once("://") else {
            return Err(unreachable("an address begins with http://".to_owned()));
        };
        let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let target = if query.is_empty() { format!("{prefix}{path}") } else { format!("{prefix}{path}?{query}") };
        let mut request = Request::builder().method(&method).uri(target).header(HOST, authority);
        if let Some(api_key) = api_key {
            request = request.header("X-MBX-APIKEY", api_key);
        }
        let request = request.body(Full::default()).map_err(|error| unreachable(error.to_string()))?;
        let exchange = async {
            let mut line = self.line(authority).await.map_err(unreachable)?;
            let answer = line.ask(request, BODY_MAX).await.map_err(ApiError::Unanswered)?;
            self.idle().entry(authority.to_owned()).or_default().push(line);
            Ok(answer)
        };
        let Answered { status, retry_after, used_weight, body } = tokio::time::timeout(REQUEST_TIMEOUT, exchange)
            .await
            .map_err(|_| ApiError::Unanswered(format!("{name} took longer than {REQUEST_TIMEOUT:?}")))??;
        if let Some(used) = used_weight {
            self.used_weight.store(used, Ordering::Relaxed);
        }
        let unreadable = |error: serde_json::Error| ApiError::Unreadable {
            request: name.clone(),
            reason: error.to_string(),
            text: beginning(&String::from_utf8_lossy(&body)),
        };
        if status == 200 {
            return serde_json::from_slice(&body).map_err(unreadable);
        }
        let error = serde_json::from_slice::<ErrorBody>(&body).unwrap_or_else(|_| ErrorBody {
            code: 0,
            msg: beginning(&String::from_utf8_lossy(&body)),
            data: None,
        });
        Err(ApiError::Refused { status, code: error.code, message: error.msg, retry_after })
    }
}
