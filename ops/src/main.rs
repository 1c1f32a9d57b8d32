//! `mainstay`, the one binary: the exchange's processes, a demo of all of them, and the tools around them.

#![forbid(unsafe_code)]

// Lines for a reader who may have gone.
#[macro_use(print, println)]
extern crate loadgen;

mod api_keys;
mod backup;
mod chainwatch;
mod config;
mod ctl;
mod demo;
mod descriptors;
mod gateway;
mod http;
mod lifeline;
mod logging;
mod node;
mod operator;
mod pki;
mod private;
mod report;
mod signer;
mod spoken;

use std::process::ExitCode;

use clap::Parser;
use loadgen::Failed;
use tikv_jemallocator::Jemalloc;

/// What an order needs for a moment is taken and given back some hundred times on its way through the processes. The
/// system's allocator returns it to the kernel and fetches it again, once in a cycle of a thread; this one keeps it.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// An exchange that stays open.
#[derive(Debug, Parser)]
#[command(name = "mainstay", version, about, long_about = None, propagate_version = true)]
struct Cli {
    /// How lines of the log are written; MAINSTAY_LOG says it as well.
    #[arg(long, value_name = "FORM", value_enum, global = true)]
    log: Option<logging::Form>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Bring up a whole exchange on this machine: three nodes, a gateway and market-making bots.
    Demo(demo::Args),
    /// Run one node of a cluster.
    Node(node::Args),
    /// Run one gateway: Binance's Spot API over REST and WebSocket.
    Gateway(gateway::Args),
    /// Watch chains through pools of their nodes, and propose deposits.
    Chainwatch(chainwatch::Args),
    /// Run the signer of withdrawals: the one process that has keys.
    Signer(signer::Args),
    /// Look at a running exchange and change it.
    Ctl(ctl::Args),
    /// Become another program that dies with whoever started this one.
    #[command(hide = true)]
    Become {
        /// The program and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        program: Vec<std::ffi::OsString>,
    },
    /// Offer load, replay a recording, make markets.
    Loadgen(loadgen::Args),
}

fn main() -> ExitCode {
    if !lifeline::tie() {
        return ExitCode::FAILURE;
    }
    let cli = Cli::parse();
    report::install();
    logging::choose(cli.log);
    let outcome = match cli.command {
        Command::Demo(args) => demo::main(args),
        Command::Node(args) => node::main(args),
        Command::Gateway(args) => gateway::main(args),
        Command::Chainwatch(args) => chainwatch::main(args),
        Command::Signer(args) => signer::main(args),
        Command::Ctl(args) => ctl::main(args),
        Command::Become { program } => {
            let error = lifeline::become_program(std::path::Path::new(&program[0]), &program[1..]);
            Err(miette::miette!("cannot run {}: {error}", program[0].display()))
        }
        Command::Loadgen(args) => {
            match args.command {
                loadgen::Command::Bots(_) => logging::of_service(),
                _ => logging::of_tool(),
            }
            match loadgen::main(args) {
                Ok(verdict) => Ok(verdict),
                // What it says has its causes in it.
                Err(Failed::Arguments(why)) => Err(report::usage(why)),
                Err(Failed::Work(why)) => Err(miette::miette!("{why}")),
            }
        }
    };
    outcome.unwrap_or_else(|report| {
        eprintln!("{report:?}");
        let failed = || report::exit_code(&report).into();
        report.downcast_ref::<config::AddressInUse>().map_or_else(failed, |_| config::ADDRESS_IN_USE.into())
    })
}
