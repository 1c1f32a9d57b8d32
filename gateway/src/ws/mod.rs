//! WebSocket connections: market streams and the WebSocket API.
//!
//! The HTTP server hands every request to one of this module's paths to [`upgrade`]. From there a
//! connection is one task: [`stream_connection`] for market streams (requests of the client in [`control`]),
//! [`api_connection`] for the WebSocket API (its requests in [`api_request`], its state in [`api_session`]).
//! [`socket`] is what both share: limits, pings, time-outs; [`stream_socket`] lets it speak through a client's outbox;
//! [`client`] is what it is over.

mod api_connection;
pub(crate) mod api_request;
mod api_session;
mod client;
pub(crate) mod control;
pub(crate) mod handshake;
mod lease;
mod listeners;
mod rate;
pub(crate) mod socket;
pub(crate) mod stream_connection;
mod stream_socket;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};

use crate::errors::{self, ApiError};
use crate::gateway::{Gateway, Peer};
use crate::http::ConnectionPlace;

/// What a connection of the WebSocket API weighs.
const API_CONNECTION_WEIGHT: u32 = 2;

/// Whether a path is of this module: `/ws`, `/ws/<name>`, `/stream` (also `/stream/`), `/ws-api/v3`.
pub fn is_ws_path(path: &str) -> bool {
    path == "/ws" || path.starts_with("/ws/") || matches!(path, "/stream" | "/stream/") || path == "/ws-api/v3"
}

/// Answers an upgrade request with 101 and serves the connection on a task of its own, or answers why not. Called
/// by the HTTP server for every request to a path of this module.
pub async fn upgrade(gateway: &Arc<Gateway>, mut request: Request<Incoming>, peer: Peer) -> Response<Full<Bytes>> {
    let accepted = match handshake::check(request.method(), request.version(), request.headers()) {
        Ok(accepted) => accepted,
        Err(error) => return handshake::refuse(&error),
    };
    if !gateway.is_ready.load(Ordering::Acquire) {
        return handshake::refuse(&errors::STARTING);
    }
    if let Err(error) = gateway.throttle.count_attempt(peer.ip, gateway.now_us()) {
        return handshake::refuse(&error);
    }
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let wanted = match stream_connection::Wanted::parse(&path, &query) {
        Ok(wanted) => wanted,
        Err(error) => return handshake::refuse(&error),
    };
    let may = match &wanted {
        Some(wanted) => match wanted.weigh(gateway, peer) {
            Ok(()) => wanted.check(gateway, peer).await,
            Err(error) => Err(error),
        },
        None => gateway.throttle.weigh(peer.ip, API_CONNECTION_WEIGHT, gateway.now_us()).map(|_| ()),
    };
    let api = match may.and_then(|()| api_connection::Wanted::parse(&query)) {
        Ok(api) => api,
        Err(error) => return handshake::refuse(&error),
    };
    let place = request.extensions_mut().remove::<ConnectionPlace>();
    let upgraded = hyper::upgrade::on(&mut request);
    let gateway = Arc::clone(gateway);
    tokio::spawn(async move {
        let _place = place;
        // The client went away before the switch.
        let Ok(upgraded) = upgraded.await else { return };
        let client = client::Client::from(upgraded);
        gateway.metrics.websockets.inc();
        let websockets = gateway.metrics.websockets.clone();
        match wanted {
            Some(wanted) => stream_connection::serve(gateway, client, peer, wanted).await,
            None => api_connection::serve(gateway, client, peer, api).await,
        }
        websockets.dec();
    });
    accepted
}

/// Milliseconds since the Unix epoch by this machine's clock.
fn clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// An error as an HTTP body.
fn error_body(error: &ApiError) -> Full<Bytes> {
    Full::new(Bytes::from(error.to_json()))
}

#[cfg(test)]
mod tests;
