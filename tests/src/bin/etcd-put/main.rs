//! Puts to etcd in a closed loop: so many are outstanding at any time, each until etcd has answered. The peer of
//! `mainstay loadgen cluster`, for comparisons in one run; `tests/peers/etcd` starts both.

#![forbid(unsafe_code)]

mod grpc;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::json;

use crate::grpc::{Connection, put_request};

/// A key and a value are about as long as an order.
const VALUE_BYTES: usize = 100;
/// So many keys are written in turn.
const KEYS: u64 = 10_000;

/// Measures etcd's put.
#[derive(Debug, Parser)]
#[command(name = "etcd-put")]
struct Args {
    /// Where etcd's leader listens for clients, in plain.
    #[arg(long)]
    endpoint: SocketAddr,
    /// Puts that wait for their answer at any time.
    #[arg(long, default_value_t = 1)]
    outstanding: usize,
    /// How long, in seconds. The first tenth is not measured.
    #[arg(long, default_value_t = 5.0)]
    duration: f64,
    /// Write the results here as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match measure(&args) {
        Ok(mut took) => {
            took.sort_unstable();
            let seconds = args.duration * 0.9;
            let at = |part: f64| took.get(((took.len() as f64 * part) as usize).min(took.len() - 1)).copied();
            let us = |part: f64| at(part).map_or(0, |took| took.as_micros() as u64);
            let rate = took.len() as f64 / seconds;
            let (p50, p99) = (us(0.5), us(0.99));
            println!("etcd put: {} outstanding, {rate:.0}/s, p50 {p50} us, p99 {p99} us", args.outstanding);
            let report =
                json!({ "outstanding": args.outstanding, "puts_per_s": rate, "put_us": { "p50": p50, "p99": p99 } });
            match args.json.map(|path| std::fs::write(path, report.to_string())) {
                Some(Err(error)) => {
                    eprintln!("etcd-put: cannot write the results: {error}");
                    ExitCode::FAILURE
                }
                _ => ExitCode::SUCCESS,
            }
        }
        Err(error) => {
            eprintln!("etcd-put: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How long each measured put took.
fn measure(args: &Args) -> std::io::Result<Vec<Duration>> {
    let mut connection = Connection::open(args.endpoint)?;
    let begin = Instant::now();
    let end = begin + Duration::from_secs_f64(args.duration);
    let measured_from = begin + Duration::from_secs_f64(args.duration / 10.0);
    let value = [b'v'; VALUE_BYTES];
    let (mut sent, mut open, mut took) = (0_u64, HashMap::new(), Vec::new());
    loop {
        while open.len() < args.outstanding && Instant::now() < end {
            let key = (sent % KEYS).to_be_bytes();
            let Some(stream) = connection.call("/etcdserverpb.KV/Put", &put_request(&key, &value))? else { break };
            open.insert(stream, Instant::now());
            sent += 1;
        }
        if open.is_empty() {
            return Ok(took);
        }
        for (stream, is_answered) in connection.wait()? {
            let now = Instant::now();
            let began = open.remove(&stream).ok_or_else(|| std::io::Error::other("an answer to nothing"))?;
            if !is_answered {
                return Err(std::io::Error::other("etcd refused a put"));
            }
            if now >= measured_from && now <= end {
                took.push(now - began);
            }
        }
    }
}
