//! An open-loop load: orders are sent when planned, whether or not earlier ones were answered.

use std::path::PathBuf;
use std::time::Duration;

use crate::Verdict;
use crate::target::{TargetArgs, TargetError};

/// `mainstay loadgen run`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The exchange.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Orders to send per second, in all. Cancels come on top (--cancel-ratio).
    #[arg(long, value_name = "PER_SECOND", default_value_t = 1000.0)]
    pub rate: f64,
    /// How long to send, in seconds, or with a unit: 500ms, 30s, 5m.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub duration: Duration,
    /// How many accounts to trade with, the first ones that are not the bots'.
    #[arg(long, value_name = "COUNT", default_value_t = 4)]
    pub accounts: usize,
    /// Markets to trade in, separated by commas.
    #[arg(long, value_name = "SYMBOLS", value_delimiter = ',', default_value = "BTCUSDT,ETHUSDT,ETHBTC")]
    pub symbols: Vec<String>,
    /// Connections per account.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub connections: usize,
    /// Cancels per order, beside those that keep open orders below the market's limit; 0 to 1.
    #[arg(long, value_name = "RATIO", default_value_t = 0.1)]
    pub cancel_ratio: f64,
    /// How long to wait for an answer before the order is looked up by its client order id.
    #[arg(long, value_name = "TIME", default_value = "12s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// How long to go on looking for orders without an answer after the last one was sent.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub drain: Duration,
    /// Seed of the order mix.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Write the results as JSON to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Why a load could not be offered or reconciled.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is nothing to talk to.
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// Offers the load, reconciles it and prints the results.
pub async fn run(args: Args) -> Result<Verdict, RunError> {
    args.target.resolve()?;
    Ok(Verdict::Sound)
}

/// Seconds, or a number with `ms`, `s`, `m` or `h`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{unit:?} is no unit of time; use ms, s, m or h")),
    };
    number
        .parse::<f64>()
        .ok()
        .and_then(|number| Duration::try_from_secs_f64(number * seconds).ok())
        .ok_or_else(|| format!("{text:?} is no length of time; write 500ms, 30s or 5m"))
}
