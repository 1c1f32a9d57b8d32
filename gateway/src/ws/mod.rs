//! WebSocket connections: market streams and the WebSocket API.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use crate::gateway::{Gateway, Peer};

/// Whether a path is of this module: `/ws`, `/ws/<name>`, `/stream`, `/ws-api/v3`.
pub fn is_ws_path(path: &str) -> bool {
    path == "/ws" || path.starts_with("/ws/") || path == "/stream" || path == "/ws-api/v3"
}

/// Answers an upgrade request with 101 and serves the connection on a task of its own (`hyper::upgrade::on`), or
/// answers why not. Called by the HTTP server for every request to a path of this module.
pub fn upgrade(_gateway: &Arc<Gateway>, _request: Request<Incoming>, _peer: Peer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
