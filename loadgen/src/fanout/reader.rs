//! Clients that read: each event of a trade is timed as it comes, with as little work as can be. Frames are taken
//! apart here, for a server's are not masked. Source: RFC 6455, section 5.2.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::TcpStream as StdStream;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, ready};
use std::thread::JoinHandle;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

use crate::api::timestamp_ms;

/// The longest delay that is told apart, ten minutes.
const LONGEST_MS: u64 = 600_000;

/// How long a thread that has read everything lets more come before it looks again. One that waits for the very next frame is
/// woken for each, and the gateway that it shares the machine with pays for waking it. What waits meanwhile is not in its
/// client's hands yet: the rest is part of the delays.
const REST: Duration = Duration::from_millis(1);

/// What was heard.
pub struct Heard {
    /// From each trade to each event of it, in milliseconds.
    pub delays: Histogram<u64>,
    /// Connections that ended by themselves.
    pub lost: u64,
}

impl Default for Heard {
    fn default() -> Heard {
        Heard { delays: Histogram::new_with_bounds(1, LONGEST_MS, 3).expect("the bounds are legal"), lost: 0 }
    }
}

/// Threads that read.
pub struct Readers {
    threads: Vec<JoinHandle<Heard>>,
    is_measuring: Arc<AtomicBool>,
    end: watch::Sender<bool>,
}

/// Reads from every socket, on so many threads.
pub fn start(sockets: Vec<StdStream>, threads: usize) -> Readers {
    let (end, ended) = watch::channel(false);
    let is_measuring = Arc::new(AtomicBool::new(false));
    let mut shares: Vec<Vec<StdStream>> = (0..threads).map(|_| Vec::new()).collect();
    sockets.into_iter().enumerate().for_each(|(index, socket)| shares[index % threads].push(socket));
    let begin = |share: Vec<StdStream>| {
        let (ended, is_measuring) = (ended.clone(), Arc::clone(&is_measuring));
        std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().on_thread_park(|| std::thread::sleep(REST)).build();
            runtime.map_or(Heard::default(), |runtime| {
                LocalSet::new().block_on(&runtime, read_all(share, ended, is_measuring))
            })
        })
    };
    let threads = shares.into_iter().map(begin).collect();
    Readers { threads, is_measuring, end }
}

impl Readers {
    /// What comes from now on counts.
    pub fn measure(&self) {
        self.is_measuring.store(true, Ordering::Relaxed);
    }

    /// Ends, and says what was heard.
    pub fn end(self) -> Heard {
        self.is_measuring.store(false, Ordering::Relaxed);
        self.end.send_replace(true);
        let mut all = Heard::default();
        for heard in self.threads.into_iter().filter_map(|thread| thread.join().ok()) {
            all.lost += heard.lost;
            // Histograms of the same bounds always add up.
            let _ = all.delays.add(&heard.delays);
        }
        all
    }
}

async fn read_all(share: Vec<StdStream>, mut ended: watch::Receiver<bool>, is_measuring: Arc<AtomicBool>) -> Heard {
    let desk = Rc::new(Desk { heard: RefCell::default(), buffer: RefCell::new(vec![0; BUFFER_BYTES]), is_measuring });
    let mut reading = JoinSet::new();
    for socket in share {
        let desk = Rc::clone(&desk);
        reading.spawn_local(async move {
            // Whatever ended it: it is found missing.
            if let Ok(stream) = TcpStream::from_std(socket) {
                let _ = desk.read(stream).await;
            }
        });
    }
    loop {
        tokio::select! {
            biased;
            _ = ended.wait_for(|ended| *ended) => break,
            Some(_) = reading.join_next() => desk.heard.borrow_mut().lost += 1,
            () = tokio::time::sleep(Duration::from_secs(3_600)) => {}
        }
    }
    desk.heard.take()
}

/// What the clients of one thread share.
struct Desk {
    heard: RefCell<Heard>,
    /// Read into by whoever's turn it is: few frames are cut in two.
    buffer: RefCell<Vec<u8>>,
    is_measuring: Arc<AtomicBool>,
}

const BUFFER_BYTES: usize = 16 * 1024;

impl Desk {
    /// Reads until the connection ends.
    async fn read(&self, mut stream: TcpStream) -> io::Result<()> {
        let (mut begun, mut pongs) = (Vec::new(), Vec::new());
        loop {
            let opened = poll_fn(|context| {
                let mut buffer = self.buffer.borrow_mut();
                let mut buffer = ReadBuf::new(&mut buffer);
                ready!(Pin::new(&mut stream).poll_read(context, &mut buffer))?;
                Poll::Ready(io::Result::Ok(self.hear(&mut begun, buffer.filled(), &mut pongs)))
            });
            if !opened.await? {
                return Ok(());
            }
            if !pongs.is_empty() {
                stream.write_all(&pongs).await?;
                pongs.clear();
            }
        }
    }

    /// Takes note of what came; `false` when nothing more will. The beginning of a frame is kept in `begun`.
    fn hear(&self, begun: &mut Vec<u8>, came: &[u8], pongs: &mut Vec<u8>) -> bool {
        if came.is_empty() {
            return false;
        }
        let whole = match begun.is_empty() {
            true => None,
            false => {
                begun.extend_from_slice(came);
                Some(std::mem::take(begun))
            }
        };
        let mut bytes = whole.as_deref().unwrap_or(came);
        while let Some(frame) = Frame::first(bytes) {
            match frame.opcode {
                OPCODE_TEXT => self.tell(frame.payload),
                OPCODE_PING => pongs.extend(frame.pong()),
                OPCODE_CLOSE => return false,
                _ => {}
            }
            bytes = &bytes[frame.size..];
        }
        begun.extend_from_slice(bytes);
        true
    }

    fn tell(&self, event: &[u8]) {
        if self.is_measuring.load(Ordering::Relaxed)
            && let Some(traded_ms) = number(event, b"\"T\":")
        {
            self.heard.borrow_mut().delays.saturating_record(timestamp_ms().saturating_sub(traded_ms));
        }
    }
}

const OPCODE_TEXT: u8 = 1;
const OPCODE_CLOSE: u8 = 8;
const OPCODE_PING: u8 = 9;

struct Frame<'a> {
    opcode: u8,
    payload: &'a [u8],
    /// With its header.
    size: usize,
}

impl Frame<'_> {
    /// The frame that `bytes` begin with, when all of it is there.
    fn first(bytes: &[u8]) -> Option<Frame<'_>> {
        let (header, length): (usize, usize) = match *bytes.get(1)? {
            126 => (4, usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?))),
            127 => (10, usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?),
            length => (2, usize::from(length)),
        };
        let payload = bytes.get(header..header.checked_add(length)?)?;
        Some(Frame { opcode: bytes[0] & 0xf, payload, size: header + length })
    }

    /// The answer to a ping, masked with nothing.
    fn pong(&self) -> Vec<u8> {
        let mut pong = vec![0x8a, 0x80 | self.payload.len() as u8, 0, 0, 0, 0];
        pong.extend_from_slice(self.payload);
        pong
    }
}

fn number(text: &[u8], name: &[u8]) -> Option<u64> {
    // It is one of the last.
    let at = text.windows(name.len()).rposition(|window| window == name)? + name.len();
    let digits = text[at..].iter().take_while(|letter| letter.is_ascii_digit());
    Some(digits.fold(0_u64, |sum, digit| sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))))
}

#[cfg(test)]
mod tests;
