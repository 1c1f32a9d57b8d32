//! The WebSocket of market streams: whatever is said on it, answers to pings too, waits in the client's outbox, so that
//! there is one order of it, whoever writes.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_tungstenite::tungstenite::{Error, Utf8Bytes};

use super::socket::{CLOSE_MAX, Heard, Over, Patience, Socket, TOO_MANY, patiently, within};
use crate::streams::{Frame, Outbox, Taken};

/// Frames that are written at a time.
const SLICES_MAX: usize = 64;

/// A WebSocket over `S` that speaks through an outbox.
pub struct StreamSocket<S> {
    socket: Socket<Aside<S>>,
    /// What the task has taken from the outbox; the first may be written in part.
    frames: VecDeque<Bytes>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> StreamSocket<S> {
    /// After the handshake, behind which `early` has been read already.
    pub async fn new(io: S, early: Bytes, outbox: &Arc<Outbox>, patience: Patience) -> StreamSocket<S> {
        let aside = Aside { io, outbox: Some(Arc::clone(outbox)) };
        StreamSocket { socket: Socket::new(aside, early, patience).await, frames: VecDeque::new() }
    }

    /// The next thing the client sends; it is pinged meanwhile. Nothing is lost when the future is dropped.
    pub async fn hear(&mut self) -> Result<Heard, Over> {
        self.socket.hear().await
    }

    /// Whether control frames are to be put into the outbox.
    pub fn is_unflushed(&self) -> bool {
        self.socket.is_unflushed()
    }

    /// Puts control frames into the outbox.
    pub async fn flush(&mut self) -> Result<(), Over> {
        self.socket.flush().await
    }

    /// Takes what is to be sent next.
    pub fn take_up(&mut self, frames: impl IntoIterator<Item = Bytes>) {
        self.frames.extend(frames);
    }

    /// Sends what was taken up, as it is: the same bytes to every client. Nothing is lost when the future is dropped.
    pub async fn send(&mut self) -> Result<(), Over> {
        let taken = AtomicU64::new(0);
        within(self.socket.patience().write, &taken, self.send_frames(&taken)).await
    }

    /// What has not been written stays, for whoever calls again.
    async fn send_frames(&mut self, taken: &AtomicU64) -> Result<(), Error> {
        let StreamSocket { socket, frames } = self;
        let io = &mut socket.io().io;
        while !frames.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = frames.len().min(SLICES_MAX);
            slices.iter_mut().zip(frames.iter()).for_each(|(slice, frame)| *slice = IoSlice::new(frame));
            let mut written = io.write_vectored(&slices[..count]).await?;
            taken.fetch_add(written as u64, Ordering::Relaxed);
            if written == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
            while let Some(first) = frames.front_mut() {
                if written < first.len() {
                    first.advance(written);
                    break;
                }
                written -= first.len();
                frames.pop_front();
            }
        }
        Ok(io.flush().await?)
    }

    /// Tells the client why and ends. What waits in the outbox is lost; a client that has closed by itself gets it, and
    /// with it the answer to its farewell, and one that has asked too much gets the answers to what it asked before.
    pub async fn close(mut self, over: Over, last_words: Option<Utf8Bytes>) {
        let Some(outbox) = self.socket.io().outbox.take() else { return };
        outbox.reclaim().await;
        self.take_up(outbox.begun());
        if [Over::Closed, TOO_MANY].contains(&over) {
            let mut rest = Vec::new();
            while let Taken::Snapshot(_) = outbox.take(&mut rest, usize::MAX) {}
            self.take_up(rest.into_iter().map(Frame::into_bytes));
        }
        // A frame that was begun is finished: what follows would be read as the rest of it. A client that does not
        // listen cannot be told.
        if let Some(Ok(())) = patiently(CLOSE_MAX, self.send_frames(&AtomicU64::new(0))).await {
            self.socket.close(over, last_words).await;
        }
    }
}

/// What is read comes from `S`; what is written goes aside, into an outbox, as long as there is one.
///
/// tungstenite writes whole frames: all that it writes is taken at once.
struct Aside<S> {
    io: S,
    outbox: Option<Arc<Outbox>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Aside<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(context, to)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Aside<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let aside = self.get_mut();
        match &aside.outbox {
            Some(outbox) => {
                outbox.push_answer(Frame::written(Bytes::copy_from_slice(bytes)));
                Poll::Ready(Ok(bytes.len()))
            }
            None => Pin::new(&mut aside.io).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let aside = self.get_mut();
        match &aside.outbox {
            Some(_) => Poll::Ready(Ok(())),
            None => Pin::new(&mut aside.io).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
