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
mod fragments;
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

/// What a request to one of the paths weighs that is not switched to a WebSocket.
const REFUSED_WEIGHT: u32 = 1;

/// Whether a path is of this module: `/ws`, `/ws/<name>`, `/stream` (also `/stream/`), `/ws-api/v3`.
pub fn is_ws_path(path: &str) -> bool {
    path == "/ws" || path.starts_with("/ws/") || matches!(path, "/stream" | "/stream/") || path == "/ws-api/v3"
}

/// Answers an upgrade request with 101 and serves the connection on a task of its own, or answers why not. Called
/// by the HTTP server for every request to a path of this module.
pub async fn upgrade(gateway: &Arc<Gateway>, mut request: Request<Incoming>, peer: Peer) -> Response<Full<Bytes>> {
    let Admitted { accepted, wanted, api } = match admit(gateway, &request, peer).await {
        Ok(admitted) => admitted,
        Err(error) => return handshake::refuse(&weighed(gateway, peer, error)),
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

/// A handshake that is accepted, and what for.
struct Admitted {
    accepted: Response<Full<Bytes>>,
    /// Market streams; the WebSocket API without.
    wanted: Option<stream_connection::Wanted>,
    api: api_connection::Wanted,
}

async fn admit(gateway: &Gateway, request: &Request<Incoming>, peer: Peer) -> Result<Admitted, ApiError> {
    let accepted = handshake::check(request.method(), request.version(), request.headers())?;
    if !gateway.is_ready.load(Ordering::Acquire) {
        return Err(errors::STARTING);
    }
    gateway.throttle.count_attempt(peer.ip, gateway.now_us())?;
    let query = request.uri().query().unwrap_or_default();
    let wanted = stream_connection::Wanted::parse(request.uri().path(), query)?;
    match &wanted {
        Some(wanted) => {
            wanted.weigh(gateway, peer)?;
            wanted.check(gateway, peer).await?;
        }
        None => drop(gateway.throttle.weigh(peer.ip, API_CONNECTION_WEIGHT, gateway.now_us())?),
    }
    let api = api_connection::Wanted::parse(query)?;
    // The last thing that is asked: until it is switched, a connection is its proxy's, for whichever clients there are.
    if request.extensions().get::<ConnectionPlace>().is_some_and(|place| !place.becomes(peer.ip)) {
        gateway.metrics.refused_connections.inc();
        return Err(errors::SHARE_TAKEN);
    }
    Ok(Admitted { accepted, wanted, api })
}

/// Nobody is refused without a count: why a request is refused, or that there were too many.
fn weighed(gateway: &Gateway, peer: Peer, error: ApiError) -> ApiError {
    // That has been counted.
    if error.code == errors::TOO_MUCH {
        return error;
    }
    gateway.throttle.weigh(peer.ip, REFUSED_WEIGHT, gateway.now_us()).err().unwrap_or(error)
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
