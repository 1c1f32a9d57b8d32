//! A client's connection after the switch to WebSockets: what it is written to and read from, without what HTTP put
//! around it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::socket::{Patience, Socket};
use super::stream_socket::StreamSocket;
use crate::http::outspoken::Outspoken;
use crate::http::pace::Paced;
use crate::streams::Outbox;

/// What a WebSocket runs over.
pub enum Io {
    /// Plain.
    Plain(TcpStream),
    /// Plain, and written to by others as well.
    Shared(Shared),
    /// TLS.
    Tls(Box<TlsStream<TcpStream>>),
    /// As HTTP left it.
    Upgraded(TokioIo<Upgraded>),
}

/// A client that was switched to WebSockets.
pub struct Client {
    io: Io,
    /// What it sent with its request.
    early: Bytes,
}

impl From<Upgraded> for Client {
    fn from(upgraded: Upgraded) -> Client {
        let upgraded = match upgraded.downcast::<TokioIo<Outspoken<Paced<TcpStream>>>>() {
            Ok(parts) => {
                return Client {
                    io: Io::Plain(parts.io.into_inner().into_inner().into_inner()),
                    early: parts.read_buf,
                };
            }
            Err(upgraded) => upgraded,
        };
        match upgraded.downcast::<TokioIo<Outspoken<Paced<TlsStream<TcpStream>>>>>() {
            Ok(parts) => {
                Client { io: Io::Tls(parts.io.into_inner().into_inner().into_inner().into()), early: parts.read_buf }
            }
            Err(upgraded) => Client { io: Io::Upgraded(TokioIo::new(upgraded)), early: Bytes::new() },
        }
    }
}

impl Client {
    /// Its WebSocket.
    pub async fn socket(self, patience: Patience) -> Socket<Io> {
        Socket::new(self.io, self.early, patience).await
    }

    /// The WebSocket of market streams, which speaks through `outbox`.
    pub async fn stream_socket(self, outbox: &Arc<Outbox>, patience: Patience) -> StreamSocket<Io> {
        StreamSocket::new(self.io, self.early, outbox, patience).await
    }

    /// Lets others write to it as well, if they can: not over TLS.
    pub fn shared(self) -> (Client, Option<Arc<TcpStream>>) {
        match self.io {
            Io::Plain(stream) => {
                let stream = Arc::new(stream);
                let io = Io::Shared(Shared(Arc::clone(&stream)));
                (Client { io, ..self }, Some(stream))
            }
            io => (Client { io, ..self }, None),
        }
    }
}

/// A connection that is read by one and written to by several, of whom one has the floor.
pub struct Shared(Arc<TcpStream>);

impl AsyncRead for Shared {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(context))?;
            match self.0.try_read(to.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(|read| to.advance(read))),
            }
        }
    }
}

impl AsyncWrite for Shared {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(context))?;
            match self.0.try_write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nobody else has anything to say by then. What is read goes on until the last who has it lets it go.
        match SockRef::from(&*self.0).shutdown(std::net::Shutdown::Write) {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }
}

macro_rules! inner {
    ($self:ident, $io:ident => $call:expr) => {
        match $self.get_mut() {
            Io::Plain($io) => $call,
            Io::Shared($io) => $call,
            Io::Tls($io) => $call,
            Io::Upgraded($io) => $call,
        }
    };
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        inner!(self, io => Pin::new(io).poll_read(context, to))
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        inner!(self, io => Pin::new(io).poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self, io => Pin::new(io).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self, io => Pin::new(io).poll_shutdown(context))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        inner!(self, io => Pin::new(io).poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Io::Plain(io) => io.is_write_vectored(),
            Io::Shared(io) => io.is_write_vectored(),
            Io::Tls(io) => io.is_write_vectored(),
            Io::Upgraded(io) => io.is_write_vectored(),
        }
    }
}
