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
#[command(after_help = "\
Every way of making load ends with 0 when all is well; with 1 when the exchange lost, doubled or changed something, when what was
measured is no proof, or when the work could not be done (no state file, nobody answers), which is said behind a cross; and with 2
when its arguments are wrong.")]
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

/// Why there is no verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// What was asked for cannot be meant so: the process is to end with 2.
    Arguments(String),
    /// The work could not be done: with 1.
    Work(String),
}

impl Failed {
    fn of(error: impl std::error::Error, is_of_arguments: bool) -> Failed {
        let why = error.to_string();
        if is_of_arguments { Failed::Arguments(why) } else { Failed::Work(why) }
    }
}

/// Does what `args` say and tells the process how to end: 0 when all is well, 1 when the exchange lost,
/// doubled or changed something. An error says why the work could not be done at all. Starts its own runtime, so it
/// must not be called from within one.
pub fn main(args: Args) -> Result<ExitCode, Failed> {
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failed::Work(format!("cannot start: {error}")))
        .and_then(|runtime| {
            runtime.block_on(async {
                match args.command {
                    Command::Run(args) => run::run(args).await.map_err(Failed::from),
                    Command::Replay(args) => replay::replay(args).await.map_err(Failed::from),
                    Command::Cluster(args) => cluster::cluster(args).await.map_err(Failed::from),
                    Command::Fanout(args) => fanout::fanout(args).await.map_err(Failed::from),
                    Command::Gateway(args) => gateway::gateway(args).await.map_err(Failed::from),
                    Command::Bots(args) => bots::bots(args).await.map_err(Failed::from),
                }
            })
        });
    done.map(|verdict| match verdict {
        Verdict::Sound => ExitCode::SUCCESS,
        Verdict::Unsound => ExitCode::from(1),
    })
}

impl From<run::RunError> for Failed {
    fn from(error: run::RunError) -> Failed {
        let is_of_arguments = match &error {
            run::RunError::Flags(_) => true,
            run::RunError::Target(target) => target.is_of_arguments(),
            run::RunError::Market(market) => market.is_of_arguments(),
            _ => false,
        };
        Failed::of(error, is_of_arguments)
    }
}

impl From<replay::ReplayError> for Failed {
    fn from(error: replay::ReplayError) -> Failed {
        let is_of_arguments = match &error {
            replay::ReplayError::Flags(_) => true,
            replay::ReplayError::Target(target) => target.is_of_arguments(),
            replay::ReplayError::Venue(venue) => venue.is_of_arguments(),
            replay::ReplayError::Listed(listed) => listed.is_of_arguments(),
            _ => false,
        };
        Failed::of(error, is_of_arguments)
    }
}

impl From<cluster::LoadError> for Failed {
    fn from(error: cluster::LoadError) -> Failed {
        let is_of_arguments = match &error {
            cluster::LoadError::NoTime => true,
            cluster::LoadError::Target(target) => target.is_of_arguments(),
            cluster::LoadError::Venue(venue) => venue.is_of_arguments(),
            _ => false,
        };
        Failed::of(error, is_of_arguments)
    }
}

impl From<fanout::FanoutError> for Failed {
    fn from(error: fanout::FanoutError) -> Failed {
        let is_of_arguments = matches!(error, fanout::FanoutError::Flags(_));
        Failed::of(error, is_of_arguments)
    }
}

impl From<gateway::GatewayError> for Failed {
    fn from(error: gateway::GatewayError) -> Failed {
        let is_of_arguments = match &error {
            gateway::GatewayError::Target(target) => target.is_of_arguments(),
            gateway::GatewayError::Venue(venue) => venue.is_of_arguments(),
            _ => false,
        };
        Failed::of(error, is_of_arguments)
    }
}

impl From<bots::BotsError> for Failed {
    fn from(error: bots::BotsError) -> Failed {
        let is_of_arguments = match &error {
            bots::BotsError::Flags(_) => true,
            bots::BotsError::Target(target) => target.is_of_arguments(),
            bots::BotsError::Market(market) => market.is_of_arguments(),
            _ => false,
        };
        Failed::of(error, is_of_arguments)
    }
}

/// What the work showed about the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing wrong.
    Sound,
    /// Something was lost, doubled or different.
    Unsound,
}

#[cfg(test)]
mod tests;
