//! The HTTP server: connections and their bounds, REST, and the door to WebSockets.
//!
//! What a client may cost is bounded here: sockets, the size and duration of heads and bodies, idle time.

pub(crate) mod carrier;
pub(crate) mod origin;
pub(crate) mod outspoken;
pub(crate) mod pace;
pub(crate) mod places;
mod respond;
mod rest;
pub(crate) mod tls;

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use origin::Proxies;
use outspoken::Outspoken;
use pace::{Paced, Requests};
use places::Place;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::errors;
use crate::gateway::{self, Gateway, Peer};
use crate::ws;

/// Longer request heads are refused with 431.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// More headers are refused with 431.
const HEADERS_MAX: usize = 64;

/// How long a client may take until it may ask: over what its proxy says of it, and over a TLS handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// So many bytes the system takes for a client that are not on their way to it yet.
const UNSENT_MAX: u32 = 64 * 1024;

/// What the operator's page weighs: it is made anew each time, and whoever may connect may ask for it. The others of the
/// operator's cost no more than a refusal would.
const METRICS_WEIGHT: u32 = 50;

/// A connection's place among [`crate::Limits::connections_max`], an extension of each of its requests: a
/// WebSocket keeps it for as long as it lives, which is longer than the HTTP connection it began as.
#[derive(Clone)]
pub struct ConnectionPlace {
    place: Arc<Place>,
    /// Who is at the other end: a client, or the proxy of many.
    peer: IpAddr,
}

impl ConnectionPlace {
    /// It is this client's alone from now on: `false` when that has its share already. Whose it was when it was accepted it stays; a
    /// proxy's, which tells of clients with their requests, was nobody's.
    pub fn becomes(&self, client: IpAddr) -> bool {
        client == self.peer || !self.place.is_nobodys() || self.place.is_admitted(client)
    }
}

/// What clients pass before they are served.
#[derive(Clone, Default)]
pub struct Door {
    /// They speak TLS; plain without.
    pub tls: Option<TlsAcceptor>,
    /// Proxies speak for them.
    pub proxies: Option<Arc<Proxies>>,
}

/// Serves a listener until the gateway stops, then gives the connections `farewell` to finish.
pub async fn serve(gateway: Arc<Gateway>, listener: TcpListener, door: Door, farewell: Duration) {
    let mut connections = JoinSet::new();
    let mut stopping = gateway.phase();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            // An error says that the gateway is gone.
            () = gateway::stopped(&mut stopping) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, or a client that is gone already: neither ends the server.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        // A client beyond the limit is closed at once: better none than a slow one.
        let Some(place) = gateway.connections.take() else {
            gateway.metrics.refused_connections.inc();
            continue;
        };
        if prepare(&stream).is_err() {
            continue;
        }
        connections.spawn(enter(Arc::clone(&gateway), stream, peer.ip().to_canonical(), door.clone(), place));
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(farewell, finished).await.is_err() {
        tracing::info!("connections that did not finish in time are closed");
    }
}

/// A socket that sends at once, and for which the system keeps little: what a client does not read waits where it is bounded,
/// merged and given up, and not in the system's memory, which grows to megabytes for each client unasked.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // A system that knows no such bound keeps its own.
    if let Err(error) = SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_MAX) {
        tracing::debug!(%error, "what is not sent to a client is not bounded");
    }
    Ok(())
}

/// Lets a client in: whoever does not say in time who it is, or does not finish the handshake, is gone.
async fn enter(gateway: Arc<Gateway>, mut stream: TcpStream, ip: IpAddr, door: Door, place: Place) {
    let mut peer = Peer { ip };
    let deadline = tokio::time::Instant::now() + HANDSHAKE_MAX;
    if let Some(proxies) = &door.proxies {
        match tokio::time::timeout_at(deadline, proxies.origin(&mut stream, ip)).await {
            Ok(Ok(ip)) => peer = Peer { ip },
            Ok(Err(error)) => return tracing::warn!(%ip, %error, "a proxy is not understood"),
            Err(_) => return,
        }
    }
    let proxies = door.proxies;
    // A proxy's connections are those of its clients, of whom nobody knows yet. Of whom a proxy has told is known, also where
    // clients and proxies are in one network.
    let is_a_proxys = peer.ip == ip && proxies.as_ref().is_some_and(|proxies| proxies.trust(ip));
    if !is_a_proxys && !place.is_admitted(peer.ip) {
        gateway.metrics.refused_connections.inc();
        return;
    }
    let place = ConnectionPlace { place: Arc::new(place), peer: peer.ip };
    match door.tls {
        None => serve_connection(gateway, stream, peer, proxies, place).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = tokio::time::timeout_at(deadline, acceptor.accept(stream)).await {
                serve_connection(gateway, stream, peer, proxies, place).await;
            }
        }
    }
}

async fn serve_connection<S>(
    gateway: Arc<Gateway>,
    stream: S,
    peer: Peer,
    proxies: Option<Arc<Proxies>>,
    place: ConnectionPlace,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut stopping = gateway.phase();
    let requests = Requests::default();
    let stream = Paced::new(stream, requests.clone(), &gateway.limits);
    let service = service_fn(|mut request: Request<Incoming>| {
        let gateway = Arc::clone(&gateway);
        let peer = proxies.as_ref().map_or(peer, |proxies| proxies.sender(peer, request.headers()));
        request.extensions_mut().insert(place.clone());
        let requests = requests.clone();
        requests.turn();
        async move {
            let answer = answer(&gateway, request, peer).await;
            requests.turn();
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // It counts what a client idles as the head that follows, which the connection's own pace tells apart. With it the
        // library looks for the next head as soon as a request is answered.
        .header_read_timeout(gateway.limits.idle_timeout + gateway.limits.head_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .keep_alive(true)
        .serve_connection(TokioIo::new(Outspoken::new(stream)), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    gateway.metrics.connections.inc();
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = gateway::stopped(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    gateway.metrics.connections.dec();
    if let Err(error) = ended {
        tracing::debug!(%error, "a client's connection ended badly");
    }
}

/// How many bytes a request's head has. The HTTP library looks at its limit only when a read has not brought the whole head,
/// and then has up to twice as much.
fn head_bytes(request: &Request<Incoming>) -> usize {
    const LINE: usize = "  HTTP/1.1\r\n\r\n".len();
    const HEADER: usize = ": \r\n".len();
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER);
    LINE + request.method().as_str().len() + target + headers.sum::<usize>()
}

async fn answer(gateway: &Arc<Gateway>, request: Request<Incoming>, peer: Peer) -> Response<Full<Bytes>> {
    if head_bytes(&request) > HEAD_BYTES_MAX {
        return respond::closing_error(&errors::HEAD_TOO_LARGE);
    }
    let path = request.uri().path();
    if ws::is_ws_path(path) {
        return ws::upgrade(gateway, request, peer).await;
    }
    match path {
        "/livez" => respond::text(StatusCode::OK, "alive\n".into()),
        "/readyz" => match unready(gateway) {
            None => respond::text(StatusCode::OK, "ready\n".into()),
            Some(why) => respond::text(StatusCode::SERVICE_UNAVAILABLE, why.into()),
        },
        "/metrics" => match gateway.throttle.weigh(peer.ip, METRICS_WEIGHT, gateway.now_us()) {
            Ok(_) => respond::metrics(gateway.metrics.text(gateway)),
            Err(limited) => respond::error(&limited),
        },
        _ => rest::answer(gateway, request, peer).await,
    }
}

/// Why no new client should be sent here.
fn unready(gateway: &Gateway) -> Option<&'static str> {
    if gateway.is_draining() {
        Some("draining\n")
    } else if !gateway.is_ready.load(Ordering::Acquire) {
        Some("reading the exchange's past\n")
    } else if !gateway.is_reachable.load(Ordering::Acquire) {
        Some(match gateway.is_read_only {
            true => "the node that it reads from is not connected\n",
            false => "a partition has no leader with a majority\n",
        })
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
