//! Clients that read: each event of a trade is timed as it comes, with as little work as can be. Frames are taken
//! apart here, for a server's are not masked. Source: RFC 6455, section 5.2.

use std::net::TcpStream as StdStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

use crate::api::timestamp_ms;

/// What was heard.
pub struct Heard {
    /// From each trade to each event of it, in milliseconds.
    pub delays: Histogram<u64>,
    /// Connections that ended by themselves.
    pub lost: u64,
}

impl Default for Heard {
    fn default() -> Heard {
        Heard { delays: Histogram::new(3).expect("three digits are legal"), lost: 0 }
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
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
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
    let mut heard = Heard::default();
    let (sender, mut delays) = tokio::sync::mpsc::unbounded_channel();
    let mut reading = JoinSet::new();
    for socket in share {
        let (sender, is_measuring) = (sender.clone(), Arc::clone(&is_measuring));
        reading.spawn_local(async move {
            let Ok(mut stream) = TcpStream::from_std(socket) else { return };
            read(&mut stream, |delay_ms| {
                if is_measuring.load(Ordering::Relaxed) {
                    let _ = sender.send(delay_ms);
                }
            })
            .await;
        });
    }
    loop {
        tokio::select! {
            biased;
            _ = ended.wait_for(|ended| *ended) => break,
            Some(delay_ms) = delays.recv() => heard.delays.saturating_record(delay_ms),
            Some(_) = reading.join_next() => heard.lost += 1,
            () = tokio::time::sleep(Duration::from_secs(3_600)) => {}
        }
    }
    while let Ok(delay_ms) = delays.try_recv() {
        heard.delays.saturating_record(delay_ms);
    }
    heard
}

/// Reads until the connection ends.
async fn read(stream: &mut TcpStream, mut tell: impl FnMut(u64)) {
    let (mut bytes, mut length) = (vec![0; 4_096], 0);
    loop {
        if length == bytes.len() {
            bytes.resize(2 * length, 0);
        }
        match stream.read(&mut bytes[length..]).await {
            Ok(0) | Err(_) => return,
            Ok(read) => length += read,
        }
        let now_ms = timestamp_ms();
        let mut at = 0;
        while let Some(frame) = Frame::first(&bytes[at..length]) {
            match frame.opcode {
                OPCODE_TEXT => {
                    if let Some(traded_ms) = number(frame.payload, b"\"T\":") {
                        tell(now_ms.saturating_sub(traded_ms));
                    }
                }
                OPCODE_PING if stream.write_all(&frame.pong()).await.is_err() => return,
                OPCODE_CLOSE => return,
                _ => {}
            }
            at += frame.size;
        }
        bytes.copy_within(at..length, 0);
        length -= at;
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
    let at = text.windows(name.len()).position(|window| window == name)? + name.len();
    let digits = text[at..].iter().take_while(|letter| letter.is_ascii_digit());
    Some(digits.fold(0_u64, |sum, digit| sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))))
}

#[cfg(test)]
mod tests;
