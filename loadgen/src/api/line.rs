//! One kept-alive HTTP connection, driven by whoever asks over it: an answer wakes the task that waits for it and no other.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long opening one may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What came back.
pub(super) struct Answered {
    pub status: u16,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// `X-MBX-USED-WEIGHT-1M`: what this address has used of its weight in the present minute.
    pub used_weight: Option<u64>,
    pub body: Bytes,
}

/// A connection on which nothing is under way.
pub(super) struct Line {
    sender: SendRequest<Full<Bytes>>,
    connection: Pin<Box<Connection<TokioIo<TcpStream>, Full<Bytes>>>>,
}

impl Line {
    /// To `authority`, `HOST:PORT` or `HOST`.
    pub(super) async fn open(authority: &str) -> Result<Line, String> {
        let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        let authority = if port.is_some() { authority.to_owned() } else { format!("{authority}:80") };
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(authority));
        let socket = connecting.await.map_err(|_| "connection timed out".to_owned())?;
        let socket = socket.map_err(|error| error.to_string())?;
        socket.set_nodelay(true).map_err(|error| error.to_string())?;
        let (sender, connection) = handshake(TokioIo::new(socket)).await.map_err(|error| error.to_string())?;
        Ok(Line { sender, connection: Box::pin(connection) })
    }

    /// Whether another request may go over it, as far as this end knows.
    pub(super) async fn is_open(&mut self) -> bool {
        let has_ended = poll_fn(|cx| Poll::Ready(self.connection.as_mut().poll(cx).is_ready())).await;
        !has_ended && self.sender.is_ready()
    }

    /// The answer, whose body has at most so many bytes.
    pub(super) async fn ask(&mut self, request: Request<Full<Bytes>>, body_max: usize) -> Result<Answered, String> {
        let Line { sender, connection } = self;
        let asking = async {
            let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
            let status = response.status().as_u16();
            let number = |name: &str| response.headers().get(name)?.to_str().ok()?.parse().ok();
            let (seconds, used_weight) = (number("retry-after"), number("x-mbx-used-weight-1m"));
            let body = Limited::new(response.into_body(), body_max).collect().await;
            let body = body.map_err(|error| error.to_string())?.to_bytes();
            Ok(Answered { status, retry_after: seconds.map(Duration::from_secs), used_weight, body })
        };
        let mut asking = std::pin::pin!(asking);
        // What ends the connection has told the one that asks before.
        let mut has_ended = false;
        poll_fn(|cx| {
            if !has_ended {
                has_ended = connection.as_mut().poll(cx).is_ready();
            }
            asking.as_mut().poll(cx)
        })
        .await
    }
}
