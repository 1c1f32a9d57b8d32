//! `mainstay ctl`: looks at a running exchange and changes it, through its demo or as its operator.

use std::path::PathBuf;
use std::process::ExitCode;

use loadgen::state::State;
use miette::IntoDiagnostic;

use crate::demo::control;
use crate::demo::layout::Paths;
use crate::logging;
use crate::operator::Operator;

mod account;
mod asset;
mod backup;
pub(crate) mod capacity;
mod chain;
mod cluster;
mod conduct;
mod fees;
mod group;
mod key;
mod log;
mod loosening;
mod market;
mod node;
mod operator;
mod promote;
mod reserves;
mod status;
#[cfg(test)]
mod tests;
mod trace;
mod upgrade;
pub(crate) mod version;
mod withdrawal;

/// `mainstay ctl`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without --data-dir and --state it speaks to the demo that you started last. For a cluster of your own write such a file as a demo does:

  { \"rest\": \"http://HOST:8080\", \"ws\": \"ws://HOST:8080\", \"ws_api\": \"ws://HOST:8080/ws-api/v3\", \"accounts\": [],
    \"nodes\": [{ \"id\": 1, \"pid\": 0, \"http\": \"http://HOST:7201\", \"data_dir\": \"node-1\" }],
    \"gateways\": [{ \"pid\": 0, \"rest\": \"http://HOST:8080\", \"ws\": \"ws://HOST:8080\", \"ws_api\": \"ws://HOST:8080/ws-api/v3\" }],
    \"cluster\": { \"epoch\": 1, \"ledger\": 1, \"partitions\": [1, 2, 3, 4], \"envelope_key_file\": \"envelope.key\",
      \"nodes\": [{ \"id\": 1, \"addr\": \"10.0.0.1:7101\" }],
      \"operator\": { \"name\": \"operator-1\", \"ca\": \"ca.pem\", \"cert\": \"operator-1.pem\", \"key\": \"operator-1.key\" } } }

  mainstay ctl status
  mainstay ctl node kill 1 && mainstay ctl node start 1
  mainstay ctl node add 4 && mainstay ctl cluster status && mainstay ctl node remove 1
  mainstay ctl upgrade --binary PATH && mainstay ctl upgrade --activate && mainstay ctl version
  mainstay ctl account open erin && mainstay ctl account credit erin USDT 1000
  mainstay ctl key add erin
  mainstay ctl account kill erin && mainstay ctl account release erin
  mainstay ctl chain status
  mainstay ctl withdrawal rules && mainstay ctl loosening list
  mainstay ctl withdrawal list && mainstay ctl withdrawal show 1
  mainstay ctl backup status --from DIR && mainstay ctl log verify node-1
  mainstay ctl account show erin && mainstay ctl fees show
  mainstay ctl fees tiers USDT 0:1000:1000 1000000:800:900 50000000:-50:500
  mainstay ctl market kill BTCUSDT && mainstay ctl market reopen BTCUSDT --cancel-only 10s --auction 30s")]
pub struct Args {
    /// The demo's directory.
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// A state file that a demo wrote.
    #[arg(long, value_name = "FILE", global = true, conflicts_with = "data_dir")]
    state: Option<PathBuf>,
    /// Whose certificate to show, of those that `ctl operator add` made: another operator than the demo's own.
    #[arg(long, value_name = "NAME", global = true)]
    operator: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show every process, and what each node does in each partition.
    #[command(after_help = "\
`position` counts the commands that a replica has applied, `commit` the log's entries that it knows to be committed, of which each has many commands or none: \
the two are not to be compared with each other. `lag` is of entries. Each node is asked at a moment of its own.")]
    Status,
    /// The cluster: members of its partitions.
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// Nodes: start and stop them, take them into the cluster and out of it, have them lead nothing.
    #[command(subcommand)]
    Node(node::Command),
    /// Open, fund, bound and show accounts.
    #[command(subcommand)]
    Account(account::Command),
    /// Assets: list them, add one.
    #[command(subcommand)]
    Asset(asset::Command),
    /// Fee tiers, and rates of accounts and markets: show and set them.
    #[command(subcommand)]
    Fees(fees::Command),
    /// Give accounts API keys, and take them away.
    #[command(subcommand)]
    Key(key::Command),
    /// Chains: their nodes, addresses, and what is deposited on them.
    #[command(subcommand)]
    Chain(chain::Command),
    /// Certificates of operators.
    #[command(subcommand)]
    Operator(operator::Command),
    /// Withdrawals: what they keep to, look at them, ask for one, approve them, take them back.
    #[command(subcommand)]
    Withdrawal(withdrawal::Command),
    /// What one operator has proposed to loosen of what guards withdrawals, and what another one says of it.
    #[command(subcommand)]
    Loosening(loosening::Command),
    /// Prove what accounts are owed, and check such a proof.
    #[command(subcommand)]
    Reserves(reserves::Command),
    /// Backups: how far they are, whether they are whole, and a cluster from one.
    #[command(subcommand)]
    Backup(backup::Command),
    /// A node's log, looked at without the node.
    #[command(subcommand)]
    Log(log::Command),
    /// Snapshots, looked at without their node.
    #[command(subcommand)]
    Snapshot(log::SnapshotCommand),
    /// Markets: add one, their phases, schedules, filters and price limits.
    #[command(subcommand)]
    Market(market::Command),
    /// How full the ledger's tables are, and more room for them.
    Capacity(capacity::Args),
    /// Begin a new life with what a learner has, when the old side's quorum is gone for good.
    Promote(promote::Args),
    /// Restart every node with another binary while clients trade, and go back.
    Upgrade(upgrade::Args),
    /// By which version the cells behave, and which versions nodes know.
    Version(version::Args),
    /// Show one command of the log, who sent it, and what came of it.
    Trace(trace::Args),
}

/// Where the exchange is.
struct Place {
    args_data_dir: Option<PathBuf>,
    args_state: Option<PathBuf>,
    args_operator: Option<String>,
}

/// Does what was asked.
pub fn main(args: Args) -> miette::Result<ExitCode> {
    logging::of_tool();
    let place = Place { args_data_dir: args.data_dir, args_state: args.state, args_operator: args.operator };
    // Some commands ask nobody who wants to see a certificate.
    if place.args_operator.is_some() {
        place.cluster()?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()?;
    runtime.block_on(async {
        match args.command {
            Command::Status => status::show(&place).await,
            Command::Cluster(command) => cluster::run(&place, command).await,
            Command::Node(command) => node::run(&place, command).await,
            Command::Account(command) => account::run(&place.operator().await?, command).await,
            Command::Asset(command) => asset::run(&place.operator().await?, command).await,
            Command::Fees(command) => fees::run(&place.operator().await?, command).await,
            Command::Key(command) => key::run(&place, command).await,
            Command::Chain(command) => chain::run(&place, command).await,
            Command::Operator(command) => operator::run(&place, command),
            Command::Withdrawal(command) => withdrawal::run(&place, command).await,
            Command::Loosening(command) => loosening::run(&place, command).await,
            Command::Reserves(command) => reserves::run(&place, command).await,
            Command::Backup(command) => backup::run(place.args_data_dir.as_deref(), command).await,
            Command::Log(command) => log::run(command),
            Command::Snapshot(command) => log::run_snapshot(command),
            Command::Market(command) => market::run(&place, command).await,
            Command::Capacity(args) => capacity::run(&place, args).await,
            Command::Promote(args) => promote::run(args).await,
            Command::Upgrade(args) => upgrade::run(&place, args).await,
            Command::Version(args) => version::run(&place, args).await,
            Command::Trace(args) => trace::run(&place, args).await,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

impl Place {
    /// The demo's directory.
    fn data_dir(&self) -> miette::Result<PathBuf> {
        if let Some(dir) = &self.args_data_dir {
            return Ok(dir.clone());
        }
        if self.args_state.is_some() {
            let state = self.state()?;
            let node = state.nodes.first().and_then(|node| node.data_dir.parent());
            return node.map(PathBuf::from).ok_or_else(|| miette::miette!("the state file names no node's directory"));
        }
        control::pointed_to(&control::pointer()).ok_or_else(|| {
            miette::miette!(
                help = "start one with `mainstay demo`, or name it with --data-dir or --state",
                "no running demo of yours was found"
            )
        })
    }

    fn state(&self) -> miette::Result<State> {
        let path = match &self.args_state {
            Some(path) => path.clone(),
            None => Paths(self.data_dir()?).state(),
        };
        State::load(&path).into_diagnostic()
    }

    fn own_cluster(&self) -> miette::Result<loadgen::state::Cluster> {
        let cluster = self.state()?.cluster;
        cluster.ok_or_else(|| miette::miette!("the state file does not say how to reach the cluster"))
    }

    fn cluster(&self) -> miette::Result<loadgen::state::Cluster> {
        let cluster = self.own_cluster()?;
        match &self.args_operator {
            Some(name) => operator::as_operator(cluster, name),
            None => Ok(cluster),
        }
    }

    async fn operator(&self) -> miette::Result<Operator> {
        Operator::reach(&self.cluster()?, &self.how_to_start()).await
    }

    /// What helps when nobody is there.
    fn how_to_start(&self) -> String {
        match self.data_dir() {
            Ok(dir) if dir.is_dir() => format!("start it: `mainstay demo --data-dir {}`", dir.display()),
            _ => "start one: `mainstay demo`".to_owned(),
        }
    }
}
