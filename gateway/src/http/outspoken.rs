//! What the HTTP library does not say or take as clients expect. The answers that it writes by itself have no body: bytes
//! that are no request, heads that are too large. Clients expect `{"code":..,"msg":".."}` with every error.

use std::borrow::Cow;
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
    /// The line of a request goes on in the next bytes.
    is_in_line: bool,
}

/// What a quotation mark in a request's line is read as. Binance's own examples send them as they are
/// (`symbols=["BTCUSDT"]`), the HTTP library takes none, and nothing that a client may send has this one.
const FOR_QUOTE: u8 = b'`';

/// A request's query as its client sent it, and signed it.
pub(super) fn as_sent(query: &str) -> Cow<'_, str> {
    match query.contains(char::from(FOR_QUOTE)) {
        true => Cow::Owned(query.replace(char::from(FOR_QUOTE), "\"")),
        false => Cow::Borrowed(query),
    }
}

/// Makes quotation marks of a request's line readable. Whether the line goes on after these bytes. Lines are looked for
/// where bytes arrive: a client that sends a request together with the one before it must encode.
fn read_quotes(bytes: &mut [u8], is_in_line: bool) -> bool {
    const BEGINNINGS: [&[u8]; 5] = [b"GET /", b"POST /", b"PUT /", b"DELETE /", b"HEAD /"];
    if !is_in_line && !BEGINNINGS.iter().any(|beginning| bytes.starts_with(beginning)) {
        return false;
    }
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let len = end.unwrap_or(bytes.len());
    let line = &mut bytes[..len];
    line.iter_mut().filter(|byte| **byte == b'"').for_each(|byte| *byte = FOR_QUOTE);
    end.is_none()
}

impl<S> Outspoken<S> {
    pub(super) fn new(inner: S) -> Outspoken<S> {
        Outspoken { inner, instead: None, is_in_line: false }
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
        let before = to.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, to))?;
        self.is_in_line = read_quotes(&mut to.filled_mut()[before..], self.is_in_line);
        Poll::Ready(Ok(()))
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
