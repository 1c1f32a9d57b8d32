//! Fuzzing for a bounded time on stable Rust: good samples, cut, joined and bent by a seeded generator. A failure prints its
//! bytes; `FUZZ_SEED=N` takes another seed, `FUZZ_SECONDS=N` makes it longer.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use gateway::fuzz;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const QUERIES: &[&[u8]] = &[
    b"symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=50000&recvWindow=5000&timestamp=1499827319559&signature=c8db66",
    b"symbols=%5B%22BTCUSDT%22,%22ETHUSDT%22%5D\nsymbol=BTCUSDT&newClientOrderId=%E2%82%AC+x",
    b"a=%&b=%z0&c=%ff&=&&d\n{\"a\":1}",
];
const MESSAGES: &[&[u8]] = &[
    br#"{"id":"e2a8","method":"order.place","params":{"symbol":"BTCUSDT","price":"0.1","quantity":10,"timestamp":1655716096498,"apiKey":"T59","signature":"59","icebergQty":null,"symbols":["A"]}}"#,
    br#"{"id":-9223372036854775808,"method":"v3/session.logon","params":{}}"#,
    br#"{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms","!ticker@arr","btcusdt@kline_1d@+08:00"],"id":1}"#,
    br#"{"method":"SET_PROPERTY","params":["combined",true],"id":null}"#,
    b"[[[[{\"\\ud800\":1e999}]]]]",
];
const HANDSHAKES: &[&[u8]] = &[
    b"/ws/btcusdt@trade?timeUnit=MICROSECOND&snapshot=true\nConnection: keep-alive, Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    b"/stream?streams=btcusdt@depth20@100ms/ethusdt@aggTrade&afterSequence=7\nUpgrade: WebSocket\nConnection: upgrade",
    b"/ws/%ff%00\nSec-WebSocket-Key: x",
];
const FRAMES: &[&[u8]] = &[
    b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
    b"\x01\x83\0\0\0\0abc\x89\x80\0\0\0\0\x80\x83\0\0\0\0def",
    b"\x82\xfe\x01\x00\0\0\0\0",
    b"\x88\x82\0\0\0\0\x03\xe8",
    b"\x81\xff\0\0\0\0\0\x01\0\0\0\0\0\0",
];

struct Bender {
    random: StdRng,
    samples: Vec<Vec<u8>>,
}

impl Bender {
    fn next(&mut self) -> Vec<u8> {
        let pick = |random: &mut StdRng, samples: &[Vec<u8>]| samples[random.random_range(0..samples.len())].clone();
        let mut bytes = pick(&mut self.random, &self.samples);
        for _ in 0..self.random.random_range(0..8) {
            let at = self.random.random_range(0..=bytes.len());
            match self.random.random_range(0..7) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.random.random_range(0..8),
                1 => bytes.insert(at, self.random.random()),
                2 => bytes.truncate(at),
                3 if at < bytes.len() => drop(bytes.remove(at)),
                4 => {
                    let other = pick(&mut self.random, &self.samples);
                    let from = self.random.random_range(0..=other.len());
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[from..]);
                }
                5 => {
                    const TELLING: &[&[u8]] = &[
                        b"&",
                        b"=",
                        b"%",
                        b"\"",
                        b"{",
                        b"[",
                        b"\\u",
                        b"signature=",
                        b"\0",
                        b"\xff\xff\xff\xff",
                        b"99999999999999999999",
                        b"-",
                        b"\r\n",
                        b"@",
                        b"/",
                    ];
                    let telling = TELLING[self.random.random_range(0..TELLING.len())];
                    bytes.splice(at..at, telling.iter().copied());
                }
                _ => {
                    let piece = bytes[at..bytes.len().min(at + 16)].to_vec();
                    let times = self.random.random_range(1..64);
                    bytes.splice(at..at, piece.repeat(times));
                }
            }
            bytes.truncate(8_192);
        }
        // What was bent once may be bent further.
        if self.samples.len() < 512 {
            self.samples.push(bytes.clone());
        }
        bytes
    }
}

/// The test command is not to fail by chance; whoever hunts chooses others.
const SEED: u64 = 1;

fn fuzz(name: &str, samples: &[&[u8]], target: impl Fn(&[u8])) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("FUZZ_SEED").unwrap_or(SEED);
    let within = Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(3));
    let mut bender =
        Bender { random: StdRng::seed_from_u64(seed), samples: samples.iter().map(|sample| sample.to_vec()).collect() };
    let (began, mut runs) = (Instant::now(), 0_u64);
    while began.elapsed() < within {
        let bytes = if runs < samples.len() as u64 { samples[runs as usize].to_vec() } else { bender.next() };
        runs += 1;
        if std::panic::catch_unwind(AssertUnwindSafe(|| target(&bytes))).is_err() {
            panic!("{name}: run {runs} of FUZZ_SEED={seed} fails with {:?}", String::from_utf8_lossy(&bytes));
        }
    }
    println!("{name}: {runs} runs of seed {seed}");
}

#[test]
fn no_query_and_no_form_breaks_rest() {
    fuzz("rest_query", QUERIES, fuzz::rest_query);
}

#[test]
fn no_message_breaks_the_websocket_api_or_a_stream_connection() {
    fuzz("json_request", MESSAGES, fuzz::json_request);
}

#[test]
fn no_handshake_breaks_the_door() {
    fuzz("handshake", HANDSHAKES, fuzz::handshake);
}

#[test]
fn no_frames_break_a_connection() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    fuzz("frames", FRAMES, |bytes| runtime.block_on(fuzz::frames(bytes)));
}
