//! Gives a body to the answers that the HTTP library writes by itself, which have none: bytes that are no request, heads
//! that are too large. Clients expect `{"code":..,"msg":".."}` with every error.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::errors::{self, ApiError};

/// A connection whose empty errors get a body. Our own answers always have one, so none of them is touched.
pub(crate) struct Outspoken<S> {
    inner: S,
    /// What is written in place of an empty error, and how much of it has been.
    instead: Option<(Vec<u8>, usize)>,
}

impl<S> Outspoken<S> {
    pub(super) fn new(inner: S) -> Outspoken<S> {
        Outspoken { inner, instead: None }
    }

    /// The connection itself, once HTTP has nothing more to say on it.
    pub(crate) fn into_inner(self) -> S {
        self.inner
    }
}

/// The error that an empty answer stands for.
fn error_of(head: &[u8]) -> Option<ApiError> {
    let error = match head.get(..12)? {
        b"HTTP/1.1 400" | b"HTTP/1.0 400" => errors::BAD_HTTP,
        b"HTTP/1.1 414" | b"HTTP/1.0 414" => errors::LINE_TOO_LONG,
        b"HTTP/1.1 431" | b"HTTP/1.0 431" => errors::HEAD_TOO_LARGE,
        _ => return None,
    };
    head.windows(EMPTY.len()).any(|window| window == EMPTY).then_some(error)
}

const EMPTY: &[u8] = b"content-length: 0\r\n";

fn text_of(error: &ApiError) -> Vec<u8> {
    let body = error.to_json();
    let reason = match error.status {
        414 => "URI Too Long",
        431 => "Request Header Fields Too Large",
        _ => "Bad Request",
    };
    format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: application/json;charset=UTF-8\r\nconnection: close\r\ncontent-length: \
         {}\r\n\r\n{body}",
        error.status,
        body.len()
    )
    .into_bytes()
}

impl<S: AsyncWrite + Unpin> Outspoken<S> {
    fn poll_instead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some((text, written)) = &mut self.instead {
            if *written == text.len() {
                self.instead = None;
                break;
            }
            match ready!(Pin::new(&mut self.inner).poll_write(context, &text[*written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                more => *written += more,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Outspoken<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, to)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Outspoken<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(context))?;
        if let Some(error) = error_of(bytes) {
            self.instead = Some((text_of(&error), 0));
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(context))?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(context))?;
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(context))?;
        if let Some(first) = slices.iter().find(|slice| !slice.is_empty())
            && error_of(first).is_some()
        {
            return self.poll_write(context, first);
        }
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
