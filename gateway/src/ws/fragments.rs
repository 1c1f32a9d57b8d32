//! Messages in fragments: the library puts them together before it says anything, however many there are, and of empty ones
//! there may be any number. So their headers are looked at as they pass. Source: RFC 6455, sections 5.2 and 5.4.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Fragments of one message that have others behind them: the longest message in pieces of a kilobyte.
const FRAGMENTS_MAX: u32 = 64;
/// The longest header of a frame.
const HEADER_MAX: usize = 14;

/// What a WebSocket is read from, as long as its messages come in few enough fragments.
pub(super) struct Fragments<S> {
    inner: S,
    passing: Passing,
    /// Bytes that were written.
    taken: Arc<AtomicU64>,
}

/// Where in a frame the last bytes ended.
#[derive(Debug, Default)]
struct Passing {
    /// Of a header that has not come whole.
    header: [u8; HEADER_MAX],
    have: usize,
    /// How much of a frame's content is still to come.
    content: u64,
    /// Of the present message.
    fragments: u32,
}

impl<S> Fragments<S> {
    /// Behind `early`, which has been read already.
    pub(super) fn new(inner: S, early: &[u8]) -> Fragments<S> {
        let mut passing = Passing::default();
        passing.pass(early);
        Fragments { inner, passing, taken: Arc::default() }
    }

    /// Whether a message had too many.
    pub(super) fn are_too_many(&self) -> bool {
        self.passing.fragments > FRAGMENTS_MAX
    }

    /// How many bytes the client's end has taken.
    pub(super) fn taken(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.taken)
    }

    pub(super) fn inner(&mut self) -> &mut S {
        &mut self.inner
    }
}

impl<S> Fragments<S> {
    fn count(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(count)) = written {
            self.taken.fetch_add(*count as u64, Ordering::Relaxed);
        }
    }
}

impl Passing {
    /// Looks at the next bytes, up to a fragment too many.
    fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.fragments <= FRAGMENTS_MAX {
            let content = usize::try_from(self.content).unwrap_or(usize::MAX).min(bytes.len());
            bytes = &bytes[content..];
            self.content -= content as u64;
            let Some((next, rest)) = bytes.split_first() else { return };
            bytes = rest;
            self.header[self.have] = *next;
            self.have += 1;
            if let Some(content) = content_of(&self.header[..self.have]) {
                self.have = 0;
                self.content = content;
                self.count(self.header[0]);
            }
        }
    }

    fn count(&mut self, first: u8) {
        let (is_last, opcode) = (first & 0x80 != 0, first & 0xf);
        match opcode {
            // Control frames come between fragments.
            8.. => {}
            _ if is_last => self.fragments = 0,
            _ => self.fragments += 1,
        }
    }
}

/// How much content a frame has, by its header, once that is whole.
fn content_of(header: &[u8]) -> Option<u64> {
    let second = *header.get(1)?;
    let (short, mask) = (second & 0x7f, if second & 0x80 != 0 { 4 } else { 0 });
    let long = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let long = header.get(2..2 + long).filter(|_| header.len() == 2 + long + mask)?;
    match long {
        [] => Some(u64::from(short)),
        long => Some(long.iter().fold(0, |length, byte| length << 8 | u64::from(*byte))),
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Fragments<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let fragments = self.get_mut();
        if !fragments.are_too_many() {
            let before = to.filled().len();
            ready!(Pin::new(&mut fragments.inner).poll_read(context, to))?;
            fragments.passing.pass(&to.filled()[before..]);
        }
        match fragments.are_too_many() {
            true => Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            false => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Fragments<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let fragments = self.get_mut();
        let written = Pin::new(&mut fragments.inner).poll_write(context, bytes);
        fragments.count(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let fragments = self.get_mut();
        let written = Pin::new(&mut fragments.inner).poll_write_vectored(context, slices);
        fragments.count(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame as a client sends it.
    fn frame(first: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match length {
            0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
            126..65_536 => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        // A mask and a content that look like frames of their own.
        frame.extend([0x01; 4]);
        frame.extend(std::iter::repeat_n(0x01, length));
        frame
    }

    #[test]
    fn fragments_are_counted_by_message_wherever_reads_end() {
        let [begun, more, last, whole, ping] = [0x01, 0x00, 0x80, 0x82, 0x89];
        let mut bytes = Vec::new();
        for length in [0, 1, 125, 126, 300, 65_535, 70_000] {
            bytes.extend(frame(begun, length));
            (0..60).for_each(|_| bytes.extend([frame(more, 1), frame(ping, 3)].concat()));
            bytes.extend([frame(last, length), frame(whole, length)].concat());
        }
        for chunk in [1, 2, 3, 7, 1_000, bytes.len()] {
            let mut passing = Passing::default();
            bytes.chunks(chunk).for_each(|chunk| passing.pass(chunk));
            assert_eq!((passing.fragments, passing.have, passing.content), (0, 0, 0), "{chunk} at a time");
            passing.pass(&frame(begun, 9));
            (0..63).for_each(|_| passing.pass(&frame(more, 0)));
            assert_eq!(passing.fragments, FRAGMENTS_MAX);
            passing.pass(&frame(more, 0));
            assert!(passing.fragments > FRAGMENTS_MAX);
        }
    }
}
