//! How long a client may take: before it asks, over the head of a request that it has begun, and over taking its answers.
//!
//! Each is bounded from its beginning: a byte now and then makes no client a fast one. Bodies have a bound of their own,
//! where they are read.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::config::Limits;

/// What a client must take within [`Limits::answer_timeout`] when it keeps its answers waiting.
pub(crate) const TAKEN_MIN: usize = 64 * 1024;

/// Beginnings and ends of requests of one connection: odd while one is being answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests(Arc<AtomicU64>);

impl Requests {
    /// A request has come whole, or has been answered.
    pub(super) fn turn(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection whose client may take so long.
pub(crate) struct Paced<S> {
    inner: S,
    requests: Requests,
    idle_timeout: Duration,
    head_timeout: Duration,
    answer_timeout: Duration,
    /// Something has been written and is not flushed: nobody need ask before it is.
    is_answering: bool,
    /// Until when the next request must have begun, or the one that has begun must have come.
    asking: Option<Asking>,
    /// Of a client that keeps an answer waiting.
    taking: Option<Taking>,
    /// Made when somebody is first waited for.
    asks_within: Option<Pin<Box<Sleep>>>,
    takes_within: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, Clone, Copy)]
struct Asking {
    /// After how many turns of [`Requests`].
    turns: u64,
    has_begun: bool,
    until: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Taking {
    turns: u64,
    taken: usize,
    until: Instant,
}

impl<S> Paced<S> {
    pub(super) fn new(inner: S, requests: Requests, limits: &Limits) -> Paced<S> {
        let Limits { idle_timeout, head_timeout, answer_timeout, .. } = *limits;
        let (asking, taking, asks_within, takes_within) = (None, None, None, None);
        let is_answering = false;
        Paced {
            inner,
            requests,
            idle_timeout,
            head_timeout,
            answer_timeout,
            is_answering,
            asking,
            taking,
            asks_within,
            takes_within,
        }
    }

    /// The connection itself, once HTTP has nothing more to say on it.
    pub(crate) fn into_inner(self) -> S {
        self.inner
    }

    /// The next request, if none is being answered.
    fn asking(&mut self) -> Option<&mut Asking> {
        let turns = self.requests.now();
        if turns % 2 == 1 || self.is_answering {
            return None;
        }
        if self.asking.is_none_or(|asking| asking.turns != turns) {
            self.asking = Some(Asking { turns, has_begun: false, until: Instant::now() + self.idle_timeout });
        }
        self.asking.as_mut()
    }

    /// Bytes have come.
    fn heard(&mut self) {
        let head_timeout = self.head_timeout;
        if let Some(asking) = self.asking()
            && !asking.has_begun
        {
            (asking.has_begun, asking.until) = (true, Instant::now() + head_timeout);
        }
    }

    /// None have come. One that has begun nothing is let go; one that does not end is cut off.
    fn poll_asked(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(&mut Asking { has_begun, until, .. }) = self.asking() else { return Poll::Pending };
        match poll_until(&mut self.asks_within, until, context) {
            Poll::Ready(()) if has_begun => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Ready(()) => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    }

    /// What came of giving the client some of its answer.
    fn taken<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        count: impl Fn(&T) -> usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        let turns = self.requests.now();
        self.taking = self.taking.filter(|taking| taking.turns / 2 == turns / 2);
        match &written {
            Poll::Ready(Ok(written)) => {
                if let Some(taking) = &mut self.taking {
                    taking.taken += count(written);
                }
                self.taking = self.taking.filter(|taking| taking.taken < TAKEN_MIN);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                let begin = || Taking { turns, taken: 0, until: Instant::now() + self.answer_timeout };
                let until = self.taking.get_or_insert_with(begin).until;
                if poll_until(&mut self.takes_within, until, context).is_ready() {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
        written
    }
}

fn poll_until(within: &mut Option<Pin<Box<Sleep>>>, until: Instant, context: &mut Context<'_>) -> Poll<()> {
    let sleep = within.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
    if sleep.deadline() != until {
        sleep.as_mut().reset(until);
    }
    sleep.as_mut().poll(context)
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let paced = self.get_mut();
        let before = to.filled().len();
        match Pin::new(&mut paced.inner).poll_read(context, to) {
            Poll::Pending => paced.poll_asked(context),
            read => {
                if to.filled().len() > before {
                    paced.heard();
                }
                read
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let paced = self.get_mut();
        paced.is_answering = true;
        let written = Pin::new(&mut paced.inner).poll_write(context, bytes);
        paced.taken(written, |count| *count, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let paced = self.get_mut();
        paced.is_answering = true;
        let written = Pin::new(&mut paced.inner).poll_write_vectored(context, slices);
        paced.taken(written, |count| *count, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let paced = self.get_mut();
        let flushed = Pin::new(&mut paced.inner).poll_flush(context);
        if flushed.is_ready() && std::mem::take(&mut paced.is_answering) {
            // From now on it is waited for. Whoever reads hears how that ends.
            let _ = paced.poll_asked(context);
        }
        paced.taken(flushed, |()| 0, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let paced = self.get_mut();
        let shut = Pin::new(&mut paced.inner).poll_shutdown(context);
        paced.taken(shut, |()| 0, context)
    }
}

#[cfg(test)]
mod tests;
