//! Many clients of one stream at one gateway: how long a trade takes to reach all of them, what an idle connection costs in
//! memory, what a delivery costs the gateway, and whether a client that does not read delays those that do ([`slow`]).
//!
//! Those that read cost as little as they can ([`reader`]): they share the machine with what they measure.
//!
//! It sends no orders: let `loadgen run` or `loadgen bots` trade beside it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::Message;

use self::reader::Heard;
use crate::Verdict;
use crate::run::parse_duration;
use crate::state::{State, StateError};

mod reader;
mod slow;

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
    /// Clients that do not: they fall behind twice, catch up once, and must be told and closed the second time.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub slow: usize,
    /// Threads of those that read.
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,
    /// The stream.
    #[arg(long, value_name = "NAME", default_value = "btcusdt@trade")]
    pub stream: String,
    /// How long to measure, in seconds, or with a unit: 500ms, 30s, 5m; longer if the slow clients' fate takes longer.
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
    #[error("the gateway's process cannot be looked at: {0}")]
    Process(std::io::Error),
    /// A slow client's connection.
    #[error("a slow client: {0}")]
    Slow(String),
    /// The flags make no measurement.
    #[error("{0}")]
    Flags(&'static str),
}

impl Args {
    fn check(&self) -> Result<(), &'static str> {
        if self.subscribers == 0 && self.slow == 0 {
            return Err("--subscribers or --slow must be at least 1: who listens to nothing proves nothing");
        }
        if self.duration.is_zero() {
            return Err("--duration must be above 0: nothing is told in no time");
        }
        Ok(())
    }
}

/// Measures, and says whether it is as it should be.
pub async fn fanout(args: Args) -> Result<Verdict, FanoutError> {
    args.check().map_err(FanoutError::Flags)?;
    let state = State::load(&args.state)?;
    let pid = state.gateways.first().map_or(0, |gateway| gateway.pid);
    let before = resident_kib(pid)?;
    // Idle ones first: connected, and subscribed to nothing that is told.
    let started = Instant::now();
    let origin = state.ws.trim_end_matches("/ws").to_owned();
    let subscribe = json!({ "method": "SUBSCRIBE", "params": [args.stream], "id": 1 }).to_string();
    let mut sockets = open(&format!("{origin}/ws"), args.subscribers).await?;
    let connecting = started.elapsed();
    tokio::time::sleep(SETTLE).await;
    let each_kib = (resident_kib(pid)? - before) / args.subscribers.max(1) as f64;
    for socket in &mut sockets {
        // A connection that broke is found missing below.
        let _ = futures_util::SinkExt::send(socket, Message::text(subscribe.clone())).await;
    }
    let sockets = sockets.into_iter().filter_map(|socket| match socket.into_inner() {
        MaybeTlsStream::Plain(stream) => stream.into_std().ok(),
        _ => None,
    });
    let readers = reader::start(sockets.collect(), args.threads.into());
    let slow: FuturesUnordered<_> = (0..args.slow)
        .map(|_| tokio::spawn(slow::suffer(origin.clone(), state.rest.clone(), args.stream.clone())))
        .collect();
    let (measuring, cpu_before) = (Instant::now(), cpu_time(pid).ok_or_else(gone)?);
    readers.measure();
    let (slow, ()) = tokio::join!(slow.collect::<Vec<_>>(), tokio::time::sleep(args.duration));
    let (measured, cpu) = (measuring.elapsed(), cpu_time(pid).ok_or_else(gone)?.saturating_sub(cpu_before));
    let busy_kib = (resident_kib(pid)? - before) / args.subscribers.max(1) as f64;
    let Heard { delays, lost } = tokio::task::spawn_blocking(move || readers.end()).await.unwrap_or_default();
    let p99_ms = delays.value_at_quantile(0.99);
    let delivery = match delays.len() {
        0 => "nothing was delivered".to_owned(),
        count => format!("{:.1} us of the gateway's CPU a delivery", cpu.as_secs_f64() * 1e6 / count as f64),
    };
    println!(
        "{} connections in {:.1} s; {each_kib:.1} KiB each while idle, {busy_kib:.1} KiB under load; {} trades in {:.0} s to each \
         of them: p50 {} ms, p99 {p99_ms} ms, longest {} ms; {delivery}; {lost} connections lost",
        args.subscribers,
        connecting.as_secs_f64(),
        delays.len() / args.subscribers.max(1) as u64,
        measured.as_secs_f64(),
        delays.value_at_quantile(0.5),
        delays.max(),
    );
    let wrong = [
        (lost > 0, format!("{lost} connections were lost")),
        (
            delays.len() < args.subscribers as u64,
            format!("not every client was told a trade: does {} tell any?", args.stream),
        ),
        (u128::from(p99_ms) > args.p99_max.as_millis(), format!("the p99 is above --p99-max, {:?}", args.p99_max)),
        (
            each_kib > args.memory_max,
            format!("an idle connection takes more than --memory-max, {} KiB", args.memory_max),
        ),
    ];
    let mut is_sound = true;
    for (_, why) in wrong.iter().filter(|(is_wrong, _)| *is_wrong) {
        println!("not as it should be: {why}");
        is_sound = false;
    }
    for fate in slow {
        let fate = fate.map_err(|error| error.to_string()).and_then(|fate| fate).map_err(FanoutError::Slow)?;
        println!("{fate}");
        is_sound &= fate.is_as_it_should_be();
    }
    Ok(if is_sound { Verdict::Sound } else { Verdict::Unsound })
}

type Socket = tokio_tungstenite::WebSocketStream<MaybeTlsStream<TcpStream>>;

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

/// The memory of a process, in KiB.
fn resident_kib(pid: u32) -> Result<f64, FanoutError> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(FanoutError::Process)?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.ok_or_else(|| FanoutError::Process(std::io::ErrorKind::InvalidData.into()))
}

fn gone() -> FanoutError {
    FanoutError::Process(std::io::ErrorKind::InvalidData.into())
}

/// What a process has computed so far, by all its threads, in user and system mode.
pub(crate) fn cpu_time(pid: u32) -> Option<Duration> {
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may have anything in it; fields 14 and 15 are the twelfth and thirteenth after it.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut ticks = rest.split_whitespace().skip(11).map(|ticks| ticks.parse::<u32>().ok());
    Some(TICK * (ticks.next()?? + ticks.next()??))
}
