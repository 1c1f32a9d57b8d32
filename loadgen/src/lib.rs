//! Load and life for an exchange, through the same doors that its clients use: `run` offers an open-loop
//! load and reconciles every acknowledgement with the exchange's records, `replay` turns a recorded market
//! into orders and compares the books, `bots` make markets until they are stopped, `cluster` times the nodes alone,
//! `fanout` times what a trade takes to reach many clients, `gateway` what a gateway adds to the nodes.
//!
//! But for `cluster` and `gateway`, orders go through the gateway alone. The operator's session with the nodes is used only where a market
//! or an account has to be made first.

#![forbid(unsafe_code)]

use std::process::ExitCode;

/// Prints a line. Whoever reads may have gone (`| head`, a closed terminal): what was begun is ended all the same.
#[macro_export]
macro_rules! println {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

/// The same without the end of the line.
#[macro_export]
macro_rules! print {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = write!(std::io::stdout(), $($text)*);
    }};
}

pub mod api;
pub mod bots;
pub mod cluster;
mod ends;
mod entry;
mod failures;
#[cfg(test)]
mod fake;
pub mod fanout;
pub mod gateway;
pub mod market;
mod progress;
mod replay;
pub mod run;
pub mod state;
pub mod target;

/// `mainstay loadgen ...`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The ways of making load.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Offer an open-loop load and reconcile every acknowledgement with the exchange's own records.
    Run(run::Args),
    /// Turn a recorded market into orders and compare the book after every recorded update.
    Replay(replay::Args),
    /// Keep so many orders outstanding straight at the nodes, without a gateway, and time their outcomes.
    Cluster(cluster::Args),
    /// Listen to one stream with many clients, and time what it takes to reach all of them.
    Fanout(fanout::Args),
    /// Send the same orders straight at the nodes and through a gateway, in turn: what the gateway adds, and how much it takes. For an
    /// exchange on whose BTCUSDT nobody else trades (`demo --no-bots`): at other prices than its own one, orders stay open.
    Gateway(gateway::Args),
    /// Make markets in the demo's three symbols until stopped.
    Bots(bots::Args),
}

/// Does what `args` say and tells the process how to end: 0 when all is well, 1 when the exchange lost,
/// doubled or changed something. An error says why the work could not be done at all. Starts its own runtime, so it
/// must not be called from within one.
pub fn main(args: Args) -> Result<ExitCode, String> {
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))
        .and_then(|runtime| {
            runtime.block_on(async {
                match args.command {
                    Command::Run(args) => run::run(args).await.map_err(|error| error.to_string()),
                    Command::Replay(args) => replay::replay(args).await.map_err(|error| error.to_string()),
                    Command::Cluster(args) => cluster::cluster(args).await.map_err(|error| error.to_string()),
                    Command::Fanout(args) => fanout::fanout(args).await.map_err(|error| error.to_string()),
                    Command::Gateway(args) => gateway::gateway(args).await.map_err(|error| error.to_string()),
                    Command::Bots(args) => bots::bots(args).await.map_err(|error| error.to_string()),
                }
            })
        });
    done.map(|verdict| match verdict {
        Verdict::Sound => ExitCode::SUCCESS,
        Verdict::Unsound => ExitCode::from(1),
    })
}

/// What the work showed about the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing wrong.
    Sound,
    /// Something was lost, doubled or different.
    Unsound,
}
