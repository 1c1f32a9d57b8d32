//! `mainstay demo`: a whole exchange as child processes of this one.
//!
//! [`home`] is its directory, [`layout`] its addresses and files, [`accounts`] its keys; [`children`] are started,
//! [`bootstrap`] fills the ledger, [`banner`] tells people; then [`supervise`] watches until it is told to end.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use loadgen::state::{Account, Cluster};
use miette::{IntoDiagnostic, WrapErr};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::{ADDRESS_IN_USE, Connection, Durability, HistoryFile, ThreadsWord};
use crate::operator::Operator;
use crate::{http, logging, pki, report};
use banner::Console;
use chain::{CHAIN_NODES, Chain, ChainKind, Faucet};
use children::{Children, Exited, Role};
use home::Home;
use layout::{Kind, Layout, Life, Transport};
use markets::MARKETS;

pub mod accounts;
mod banner;
pub mod bootstrap;
mod chain;
mod children;
pub mod control;
pub mod home;
pub mod layout;
mod markets;
mod outside;
mod room;
mod roster;
mod supervise;
mod told;
mod trouble;
mod version;

/// Names in certificates.
const OPERATOR: &str = "operator-demo";
const CHAINWATCH: &str = "chainwatch-1";
/// How often other ports are tried when another process has taken one in the meantime.
const PORT_ATTEMPTS: usize = 5;
/// How long everything may take to come up.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long is waited for the bots' first quotes.
const QUOTES_WITHIN: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(30);

/// `mainstay demo`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Three nodes (127.0.0.1:7101 to 7103, status pages on 7201 to 7203), a gateway (127.0.0.1:8080) and bots run as processes \
of their own. Once the exchange is open, a banner says where everything is, which keys trade on it, and how to place an \
order with curl. Kill whatever you like; `mainstay ctl node start ID` brings a node back. ^C ends everything.

With --chain litecoin (Debian's litecoind) or --chain anvil (npm's @foundry-rs/anvil) there are five nodes of a private \
chain beside it, on which a block is mined every two seconds, deposits, `mainstay ctl chain pay alice 1.5`, and withdrawals, \
which a `mainstay signer` signs.")]
pub struct Args {
    /// Print plain lines alone, for scripts and logs.
    #[arg(long)]
    headless: bool,
    /// Keep everything in this directory, and go on from what is in it. Without it, a temporary one is used.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Use free ports instead of the fixed ones.
    #[arg(long)]
    any_port: bool,
    /// Which cells share a partition [default: split, or what the data directory has].
    #[arg(long, value_enum)]
    layout: Option<Kind>,
    /// How the partitions of a node share threads [default: what suits a node's part of the cores].
    #[arg(long, value_enum, value_name = "HOW")]
    threads: Option<ThreadsWord>,
    /// How Raft messages go between the nodes, and events to the gateway; by Aeron in a build with the feature `aeron`.
    #[arg(long, value_enum, default_value = "tcp")]
    transport: Transport,
    /// Where a quorum of the nodes has what is acknowledged [default: quorum-fsync, or what the data directory had last].
    #[arg(long, value_enum)]
    durability: Option<Durability>,
    /// Start a small private chain, five nodes of it, a chainwatch and a signer: deposits and withdrawals work.
    #[arg(long, value_enum, value_name = "CHAIN")]
    chain: Option<ChainKind>,
    /// Start without market makers: books stay empty.
    #[arg(long)]
    no_bots: bool,
    /// Ship logs and snapshots to this place, as they come: a directory, or s3://BUCKET/FOLDER.
    #[arg(long, value_name = "PLACE")]
    backup: Option<String>,
    /// Keep history in this PostgreSQL database instead of the gateway's memory: postgres://USER@HOST/NAME, or
    /// "host=/run/postgresql dbname=NAME".
    #[arg(long, value_name = "DATABASE")]
    history: Option<Connection>,
    /// Once the exchange is open, write addresses, accounts and processes to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

/// Runs the demo until it is told to end.
pub fn main(args: Args) -> miette::Result<ExitCode> {
    logging::of_tool();
    // One thread: children are tied to the thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()?;
    runtime.block_on(run(args))
}

/// What was asked to end the demo.
struct Ends {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Ends {
    fn new() -> std::io::Result<Ends> {
        Ok(Ends {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// The running demo.
struct Demo {
    args: Args,
    home: Home,
    layout: Layout,
    accounts: Vec<Account>,
    children: Children,
    ended: mpsc::Receiver<Exited>,
    console: Console,
    /// The chain that deposits come from, if one was asked for and its program is here.
    chain: Option<Chain>,
    faucet: Option<Faucet>,
}

/// How bringing the processes up ended.
enum BroughtUp {
    Ready(Box<Operator>),
    /// Another process took a port first.
    PortLost,
    /// Asked to end.
    Asked,
}

async fn run(args: Args) -> miette::Result<ExitCode> {
    let started = Instant::now();
    let mut ends = Ends::new().into_diagnostic()?;
    if args.transport == Transport::Aeron && !node::HAS_AERON {
        miette::bail!(
            help = "`tests/run --aeron` builds one, and brings what that needs",
            "this build has no Aeron: it is compiled with `cargo build --release --features aeron`"
        );
    }
    let home = Home::open(args.data_dir.as_deref(), args.layout, args.durability)?;
    trouble::check_disk(&home.paths.0)?;
    let layout = choose_ports(&args, &home)?;
    if let Some(state) = &args.state {
        if let Some(dir) = control::demo_of(state).await {
            miette::bail!(
                help = "end that demo first, or name another --state",
                "{} is the state file of the demo that runs in {}",
                state.display(),
                dir.display()
            );
        }
        // What an earlier demo said is not true any more.
        let _ = std::fs::remove_file(state);
    }
    let accounts = accounts::ensure(&home.paths.keys())?;
    let envelope_key = bootstrap::ensure_envelope_key(&home.paths.envelope_key())?;
    let nodes = home.nodes.iter().map(|id| format!("node-{id}"));
    let others = ["gateway-1", OPERATOR, CHAINWATCH].map(String::from);
    let names: Vec<String> = nodes.chain(others).collect();
    pki::ensure(&home.paths.pki(), &names)?;
    let (children, ended) = Children::new(home.paths.logs()).into_diagnostic()?;
    let console = Console::new(args.headless);
    let (chain, faucet) = (find_chain(&args, &home, &layout)?, None);
    let mut demo = Demo { args, home, layout, accounts, children, ended, console, chain, faucet };
    let outcome = demo.live(&mut ends, started, &envelope_key).await;
    demo.console.done();
    demo.console.say("Ending.");
    demo.children.stop_all(&mut demo.ended).await;
    // Another demo may have been given the same name meanwhile.
    let is_ours = |state: &&PathBuf| control::dir_of(state).as_deref() == Some(demo.home.paths.0.as_path());
    if let Some(state) = demo.args.state.as_ref().filter(is_ours) {
        let _ = std::fs::remove_file(state);
    }
    let _ = std::fs::remove_file(demo.home.paths.state());
    outcome.map(|()| ExitCode::SUCCESS)
}

fn choose_ports(args: &Args, home: &Home) -> miette::Result<Layout> {
    let (kind, ids) = (home.kind, &home.nodes);
    let layout = if args.any_port { Layout::on_any_ports(kind, ids)? } else { Layout::on_fixed_ports(kind, ids)? };
    Ok(Layout { durability: home.durability, transport: args.transport, ..layout })
}

fn find_chain(args: &Args, home: &Home, layout: &Layout) -> miette::Result<Option<Chain>> {
    args.chain.map_or(Ok(None), |kind| Chain::find(kind, &home.paths, args.any_port, layout))
}

impl Demo {
    /// From the first process to the wish to end.
    async fn live(&mut self, ends: &mut Ends, started: Instant, envelope_key: &[u8; 32]) -> miette::Result<()> {
        let mut attempts = 1;
        let operator = loop {
            self.home.paths.write_configs(&self.layout, &self.life()?, self.args.threads)?;
            self.console.doing("Starting the nodes and a gateway.");
            for id in self.home.nodes.clone() {
                self.start(Role::Node(id))?;
            }
            self.start(Role::Gateway)?;
            self.start_chain_nodes()?;
            match self.bring_up(ends, envelope_key).await? {
                BroughtUp::Ready(operator) => break operator,
                BroughtUp::Asked => return Ok(()),
                BroughtUp::PortLost if self.args.any_port && attempts < PORT_ATTEMPTS => {
                    attempts += 1;
                    self.children.stop_all(&mut self.ended).await;
                    self.layout = choose_ports(&self.args, &self.home)?;
                    self.chain = find_chain(&self.args, &self.home, &self.layout)?;
                }
                BroughtUp::PortLost => {
                    return Err(miette::miette!(
                        help = "`--any-port` takes ports that are free",
                        "another process takes a port that this demo needs; the logs in {} say which",
                        self.home.paths.logs().display()
                    ));
                }
            }
        };
        if let Err(error) = self.open_chain(&operator).await {
            // The exchange is worth having without it.
            self.console.say(&format!("Deposits are disabled: {}", report::in_a_line(&error)));
        }
        self.save_state(&self.home.paths.state())?;
        if !self.args.no_bots {
            self.start(Role::Bots)?;
            self.wait_for_quotes().await;
        }
        let (_control, asks) = control::Control::listen(&self.home.paths, control::pointer()).await?;
        if let Some(state) = &self.args.state {
            self.save_state(state)?;
        }
        self.console.done();
        self.console.say(&self.banner(&operator, started.elapsed()));
        self.supervise(&operator, ends, asks).await
    }

    /// Waits until nodes, ledger and gateway can trade. A process that ends meanwhile is the end of it.
    async fn bring_up(&mut self, ends: &mut Ends, envelope_key: &[u8; 32]) -> miette::Result<BroughtUp> {
        let coming = come_up(self.cluster(), self.layout.clone(), self.accounts.clone(), *envelope_key);
        let coming = tokio::time::timeout(READY_WITHIN, coming);
        tokio::select! {
            operator = coming => {
                let late = || Err(miette::miette!("the exchange was not ready after {READY_WITHIN:?}"));
                match operator.unwrap_or_else(|_| late()) {
                    Ok((operator, accounts)) => {
                        self.accounts = accounts;
                        Ok(BroughtUp::Ready(Box::new(operator)))
                    }
                    Err(error) => {
                        self.console.done();
                        for (id, why) in trouble::reasons(&self.layout).await {
                            self.console.say(&format!("node-{id}: {why}"));
                        }
                        Err(error.wrap_err(format!("the logs are in {}", self.home.paths.logs().display())))
                    }
                }
            }
            Some(exited) = self.ended.recv() => {
                self.children.on_exited(&exited);
                if exited.status.code() == Some(ADDRESS_IN_USE.into()) || chain::has_lost_its_port(&exited) {
                    return Ok(BroughtUp::PortLost);
                }
                self.console.done();
                // In full, and as the process said it.
                self.console.say(exited.errors.trim_end());
                let log = self.home.paths.logs().join(format!("{}.log", exited.role));
                miette::bail!(
                    help = format!("its log is {}", log.display()),
                    "{} {} before the exchange was ready",
                    exited.role,
                    children::describe(exited.status),
                );
            }
            () = ends.asked() => Ok(BroughtUp::Asked),
        }
    }

    /// The chain's nodes come up beside those of the exchange.
    fn start_chain_nodes(&mut self) -> miette::Result<()> {
        if let Some(chain) = &self.chain {
            // Its directory is made by the first node's start.
            (1..=CHAIN_NODES).try_for_each(|id| chain.node_command(id).map(drop))?;
            self.faucet = Some(Faucet::new(chain)?);
            (1..=CHAIN_NODES).try_for_each(|id| self.start(Role::ChainNode(id)).map(drop))?;
        }
        Ok(())
    }

    /// Lists the chain, starts what watches it, and has it mined.
    async fn open_chain(&mut self, operator: &Operator) -> miette::Result<()> {
        let (Some(chain), Some(faucet)) = (self.chain.clone(), self.faucet.clone()) else { return Ok(()) };
        self.console.doing("Opening the chain.");
        let people: Vec<String> = self.state().trading_accounts().map(|account| account.name.clone()).collect();
        let (genesis, ()) = tokio::try_join!(faucet.open(), chain.list(operator, &people))?;
        let tls = pki::files(&self.home.paths.pki(), CHAINWATCH);
        chain.write_config(&self.home.paths, &self.layout, &tls, &genesis, self.home.epoch)?;
        self.start(Role::Signer)?;
        self.start(Role::Chainwatch)?;
        tokio::spawn(faucet.clone().run());
        if let Err(error) = chain::fund(&chain, operator, &faucet).await {
            self.console.say(&format!("The house has nothing to pay the chain with: {error}"));
        }
        Ok(())
    }

    /// Starts the process of this role.
    fn start(&mut self, role: Role) -> miette::Result<u32> {
        let config = |name: &str| self.home.paths.config(name).into_os_string();
        let args: Vec<OsString> = match role {
            Role::Node(id) => vec!["node".into(), "--config".into(), config(&format!("node-{id}"))],
            Role::Gateway => vec!["gateway".into(), "--config".into(), config("gateway-1")],
            Role::Chainwatch => vec!["chainwatch".into(), "--config".into(), config("chainwatch-1")],
            Role::Signer => {
                let chain = self.chain.as_ref().ok_or_else(|| miette::miette!("the demo has no chain"))?;
                vec!["signer".into(), "--config".into(), chain.signer_config().into_os_string()]
            }
            Role::ChainNode(id) => {
                let chain = self.chain.as_ref().ok_or_else(|| miette::miette!("the demo has no chain"))?;
                let (program, args) = chain.node_command(id)?;
                ["become".into(), program.as_os_str().to_owned()].into_iter().chain(args).collect()
            }
            Role::Bots => {
                vec!["loadgen".into(), "bots".into(), "--state".into(), self.home.paths.state().into_os_string()]
            }
        };
        self.children.start(role, &args).into_diagnostic().wrap_err_with(|| format!("cannot start {role}"))
    }

    /// A newcomer shall see life at once; but bots that are slow are no reason not to open.
    async fn wait_for_quotes(&self) {
        let deadline = Instant::now() + QUOTES_WITHIN;
        let page = format!("http://{}/api/v3/depth?symbol=BTCUSDT&limit=5", self.layout.gateway);
        while Instant::now() < deadline {
            if let Some((200, body)) = http::get(&page, QUOTES_WITHIN).await
                && let Ok(book) = serde_json::from_slice::<serde_json::Value>(&body)
                && book["bids"].as_array().is_some_and(|bids| !bids.is_empty())
            {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Which life of the cluster it is.
    fn life(&self) -> miette::Result<Life> {
        Ok(Life { epoch: self.home.epoch, backup: self.backup()?, history: self.history()? })
    }

    /// A promotion may have begun another life of the cluster: whatever is started from now on is of that one. Says whether
    /// it has.
    fn follow_life(&mut self) -> miette::Result<bool> {
        let former = (self.home.epoch, self.home.nodes.clone());
        if !self.home.has_another_life()? {
            return Ok(false);
        }
        let nodes = self.home.nodes.clone();
        for place in std::mem::take(&mut self.layout.nodes) {
            match nodes.contains(&place.id) {
                true => self.layout.nodes.push(place),
                // One that still runs speaks for the old life.
                false => drop(self.children.signal(Role::Node(place.id), nix::sys::signal::Signal::SIGKILL)),
            }
        }
        if let Err(error) = self.home.paths.write_configs(&self.layout, &self.life()?, self.args.threads) {
            // It is looked for again.
            (self.home.epoch, self.home.nodes) = former;
            return Err(error);
        }
        let names: Vec<String> = nodes.iter().map(|id| format!("node-{id}")).collect();
        let (epoch, names) = (self.home.epoch, names.join(", "));
        self.console
            .say(&format!("The cluster is {names} in epoch {epoch} from now on; the gateway is started again."));
        if self.chain.is_some() {
            self.console.say("Deposits wait until the demo is started again.");
        }
        // Nothing that it has under way is answered any more; it is started again with the new configuration.
        self.children.signal(Role::Gateway, nix::sys::signal::Signal::SIGKILL);
        self.tell_state();
        Ok(true)
    }

    /// Where its gateway keeps history. What cannot be used is told before anything is started.
    fn history(&self) -> miette::Result<Option<HistoryFile>> {
        let Some(connection) = &self.args.history else { return Ok(None) };
        let file = HistoryFile { postgres: connection.clone(), password_file: None, ca: None };
        file.read()?;
        Ok(Some(file))
    }

    /// Where its nodes ship to. A directory is named from where the demo was started.
    fn backup(&self) -> miette::Result<Option<String>> {
        match &self.args.backup {
            Some(place) if !place.contains("://") => {
                let absolute = std::path::absolute(place).into_diagnostic()?;
                Ok(Some(absolute.to_string_lossy().into_owned()))
            }
            place => Ok(place.clone()),
        }
    }
}

/// Waits for the nodes' leaders, fills the ledger, waits for the gateway. The accounts come back with what they have.
async fn come_up(
    cluster: Cluster,
    layout: Layout,
    accounts: Vec<Account>,
    envelope_key: [u8; 32],
) -> miette::Result<(Operator, Vec<Account>)> {
    let operator = Operator::connect(&cluster).await?;
    bootstrap::run(&operator, &layout, &accounts, &envelope_key).await?;
    let pages = layout.nodes.iter().map(|node| format!("http://{}/readyz", node.http));
    for page in pages.chain([format!("http://{}/readyz", layout.gateway)]) {
        wait_for(&page, |_| true).await;
    }
    let page = format!("http://{}/api/v3/exchangeInfo", layout.gateway);
    wait_for(&page, |body| {
        let info: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let listed = info["symbols"].as_array().cloned().unwrap_or_default();
        // In whatever phase: behind a promotion all of them take cancels alone.
        let is_there = |symbol: &str| listed.iter().any(|s| s["symbol"] == symbol);
        MARKETS.iter().all(|market| is_there(market.symbol))
    })
    .await;
    let accounts = accounts::with_balances(accounts, &format!("http://{}", layout.gateway)).await?;
    Ok((operator, accounts))
}

/// Waits until the page answers 200 with what is wanted.
async fn wait_for(page: &str, is_wanted: impl Fn(&[u8]) -> bool) {
    loop {
        if let Some((200, body)) = http::get(page, Duration::from_secs(5)).await
            && is_wanted(&body)
        {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
