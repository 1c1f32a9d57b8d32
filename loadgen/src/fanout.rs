//! Many clients of one stream at one gateway: how long a trade takes to reach all of them, what an idle connection costs in
//! memory, and whether clients that do not read delay those that do.
//!
//! It sends no orders: let `loadgen run` or `loadgen bots` trade beside it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hdrhistogram::Histogram;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::Verdict;
use crate::run::parse_duration;
use crate::state::{State, StateError};

/// Connections that are being made at once.
const OPENING: usize = 64;
/// How long the gateway is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(2);

/// `mainstay loadgen fanout`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The exchange.
    #[arg(long, value_name = "FILE")]
    pub state: PathBuf,
    /// Clients that read.
    #[arg(long, value_name = "COUNT", default_value_t = 9_999)]
    pub subscribers: usize,
    /// Clients that do not.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub slow: usize,
    /// The stream.
    #[arg(long, value_name = "NAME", default_value = "btcusdt@trade")]
    pub stream: String,
    /// How long to measure, in seconds, or with a unit: 500ms, 30s, 5m.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = parse_duration)]
    pub duration: Duration,
    /// No proof when one in a hundred deliveries takes longer.
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = parse_duration)]
    pub p99_max: Duration,
    /// No proof when an idle connection costs more memory, in KiB.
    #[arg(long, value_name = "KIB", default_value_t = 30.0)]
    pub memory_max: f64,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum FanoutError {
    /// There is nothing to talk to.
    #[error(transparent)]
    State(#[from] StateError),
    /// The gateway does not take as many connections.
    #[error("connection {made} of {wanted}: {source}")]
    Connection {
        /// How many stand.
        made: usize,
        /// How many were to be made.
        wanted: usize,
        /// What the gateway says.
        source: Box<tokio_tungstenite::tungstenite::Error>,
    },
    /// The gateway is another machine's, or gone.
    #[error("the gateway's memory cannot be read: {0}")]
    Memory(std::io::Error),
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Measures, and says whether it is as it should be.
pub async fn fanout(args: Args) -> Result<Verdict, FanoutError> {
    let state = State::load(&args.state)?;
    let pid = state.gateways.first().map_or(0, |gateway| gateway.pid);
    let before = resident_kib(pid)?;
    // Idle ones first: connected, and subscribed to nothing that is told.
    let started = Instant::now();
    let wanted = args.subscribers + args.slow;
    let mut sockets = open(&format!("{}/ws", state.ws.trim_end_matches("/ws")), wanted).await?;
    let connecting = started.elapsed();
    tokio::time::sleep(SETTLE).await;
    let each_kib = (resident_kib(pid)? - before) / wanted as f64;

    let subscribe = json!({ "method": "SUBSCRIBE", "params": [args.stream], "id": 1 }).to_string();
    for socket in &mut sockets {
        // A connection that broke is found missing below.
        let _ = futures_util::SinkExt::send(socket, Message::text(subscribe.clone())).await;
    }
    let slow = sockets.split_off(args.subscribers);
    let (sender, mut received) = mpsc::unbounded_channel();
    for socket in sockets {
        tokio::spawn(listen(socket, sender.clone()));
    }
    drop(sender);
    let (mut delays, mut trades, mut ended) = (Histogram::<u64>::new(3).expect("three digits are legal"), 0_u64, 0);
    let until = tokio::time::Instant::now() + args.duration;
    while let Ok(Some(heard)) = tokio::time::timeout_at(until, received.recv()).await {
        match heard {
            Some(delay_ms) => {
                trades += 1;
                delays.saturating_record(delay_ms);
            }
            None => ended += 1,
        }
    }
    let busy_kib = (resident_kib(pid)? - before) / wanted as f64;
    drop(slow);
    let p99_ms = delays.value_at_quantile(0.99);
    println!(
        "{wanted} connections in {:.1} s; {each_kib:.1} KiB each while idle, {busy_kib:.1} KiB under load; {} trades to {} \
         subscribers, {} that do not read: p50 {} ms, p99 {p99_ms} ms, longest {} ms; {ended} connections lost",
        connecting.as_secs_f64(),
        trades / args.subscribers as u64,
        args.subscribers,
        args.slow,
        delays.value_at_quantile(0.5),
        delays.max(),
    );
    let is_sound = ended == 0
        && trades >= args.subscribers as u64
        && u128::from(p99_ms) <= args.p99_max.as_millis()
        && each_kib <= args.memory_max;
    Ok(if is_sound { Verdict::Sound } else { Verdict::Unsound })
}

async fn open(url: &str, wanted: usize) -> Result<Vec<Socket>, FanoutError> {
    let (mut sockets, mut opening, mut begun) = (Vec::with_capacity(wanted), FuturesUnordered::new(), 0);
    while sockets.len() < wanted {
        while begun < wanted && opening.len() < OPENING {
            begun += 1;
            opening.push(tokio_tungstenite::connect_async_with_config(url, None, true));
        }
        match opening.next().await {
            Some(Ok((socket, _))) => sockets.push(socket),
            Some(Err(source)) => {
                return Err(FanoutError::Connection { made: sockets.len(), wanted, source: Box::new(source) });
            }
            None => break,
        }
    }
    Ok(sockets)
}

/// Tells how many milliseconds after its trade each event came, and when the connection is over.
async fn listen(mut socket: Socket, heard: mpsc::UnboundedSender<Option<u64>>) {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(text) = message
            && let Some(traded_ms) = number(&text, "\"T\":")
            && heard.send(Some(crate::api::timestamp_ms().saturating_sub(traded_ms))).is_err()
        {
            return;
        }
    }
    // Nobody listens when the measurement is over.
    let _ = heard.send(None);
}

fn number(text: &str, name: &str) -> Option<u64> {
    let rest = &text[text.find(name)? + name.len()..];
    let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
    rest[..end].parse().ok()
}

/// The memory of a process, in KiB.
fn resident_kib(pid: u32) -> Result<f64, FanoutError> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(FanoutError::Memory)?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.ok_or_else(|| FanoutError::Memory(std::io::ErrorKind::InvalidData.into()))
}
