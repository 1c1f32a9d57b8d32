//! REST over a pool of kept-alive connections.

use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;

use super::message::ErrorBody;
use super::sign::Credentials;
use super::{ApiError, backoff, beginning};

#[cfg(test)]
mod tests;

/// The longest answer that is read.
const BODY_MAX: usize = 64 << 20;
/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// A client of one or more gateways. Clones share their connections.
#[derive(Clone)]
pub struct Rest {
    client: Client<HttpConnector, Full<Bytes>>,
    bases: Vec<String>,
}

impl Rest {
    /// Of gateways at these base URLs; the first is preferred.
    pub fn new(bases: Vec<String>) -> Rest {
        assert!(!bases.is_empty(), "a REST client needs an address");
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Rest { client: Client::builder(TokioExecutor::new()).build(connector), bases }
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
        let deadline = Instant::now() + patience;
        for number in 0.. {
            let base = &self.bases[number as usize % self.bases.len()];
            match attempt(base).await {
                Err(error) if error.is_transient() && Instant::now() + backoff(number) < deadline => {
                    tokio::time::sleep(backoff(number)).await;
                }
                done => return done,
            }
        }
        unreachable!("the loop ends by its deadline")
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
        let url = if query.is_empty() { format!("{base}{path}") } else { format!("{base}{path}?{query}") };
        let mut request = Request::builder().method(method).uri(url);
        if let Some(api_key) = api_key {
            request = request.header("X-MBX-APIKEY", api_key);
        }
        let unreachable = |reason: String| ApiError::Unreachable { url: base.to_owned(), reason };
        let request = request.body(Full::default()).map_err(|error| unreachable(error.to_string()))?;
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| match error.is_connect() {
                true => unreachable("connection refused or timed out".to_owned()),
                false => ApiError::Unanswered(error.to_string()),
            })?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), BODY_MAX).collect().await;
            let body = body.map_err(|error| ApiError::Unanswered(error.to_string()))?.to_bytes();
            Ok((status, body))
        };
        let (status, body) = tokio::time::timeout(REQUEST_TIMEOUT, exchange)
            .await
            .map_err(|_| ApiError::Unanswered(format!("{name} took longer than {REQUEST_TIMEOUT:?}")))??;
        let unreadable = |error: serde_json::Error| ApiError::Unreadable {
            request: name.clone(),
            reason: error.to_string(),
            text: beginning(&String::from_utf8_lossy(&body)),
        };
        if status == 200 {
            return serde_json::from_slice(&body).map_err(unreadable);
        }
        let error = serde_json::from_slice::<ErrorBody>(&body)
            .unwrap_or_else(|_| ErrorBody { code: 0, msg: beginning(&String::from_utf8_lossy(&body)) });
        Err(ApiError::Refused { status, code: error.code, message: error.msg })
    }
}
