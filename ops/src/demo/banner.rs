//! What the demo prints: the banner once it is ready, and one line for everything that happens after.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use loadgen::state::State;

use super::layout::Layout;

/// Where people read. A closed pipe is no reason to end.
pub struct Console {
    spinner: Option<ProgressBar>,
}

impl Console {
    /// Lines, and while something is waited for a spinner, if a person looks on.
    pub fn new(headless: bool) -> Console {
        let spinner = (!headless && std::io::stdout().is_terminal()).then(|| {
            let spinner = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                spinner.set_style(style);
            }
            spinner.enable_steady_tick(Duration::from_millis(100));
            spinner
        });
        Console { spinner }
    }

    /// What is being done until the next line.
    pub fn doing(&self, what: &str) {
        match &self.spinner {
            Some(spinner) => spinner.set_message(what.to_string()),
            None => self.say(what),
        }
    }

    /// Nothing is waited for any more.
    pub fn done(&mut self) {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
    }

    /// Prints a line, or several.
    pub fn say(&self, text: &str) {
        let print = || {
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{text}").and_then(|()| out.flush());
        };
        match &self.spinner {
            Some(spinner) => spinner.suspend(print),
            None => print(),
        }
    }
}

/// Whether something can be deposited.
pub enum Deposits {
    /// No chain was asked for.
    NotAsked,
    /// A chain was asked for whose program is not here; how to get it.
    Missing(&'static str),
    /// A chain was asked for and did not come up.
    Failed,
    /// It can.
    Open {
        /// The chain's name, and its coin's.
        symbol: &'static str,
        /// An address on it that is nobody's.
        elsewhere: &'static str,
        /// The process that watches it.
        pid: u32,
    },
}

/// What the banner is about.
pub struct Banner<'a> {
    /// Addresses, processes, accounts.
    pub state: &'a State,
    /// Partitions.
    pub layout: &'a Layout,
    /// The leader of each partition, in the layout's order.
    pub leaders: &'a [Option<u64>],
    /// The bots' process.
    pub bots: Option<u32>,
    /// The demo's directory.
    pub data_dir: &'a Path,
    /// Whether it is removed at the end.
    pub is_temporary: bool,
    /// Whether something can be deposited.
    pub deposits: Deposits,
    /// How long it took.
    pub took: Duration,
    /// How this binary is called.
    pub binary: &'a str,
}

impl Banner<'_> {
    /// All of it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let State { rest, ws, ws_api, .. } = self.state;
        writeln!(text, "\nMainstay is open. ({:.1} s)\n", self.took.as_secs_f64())?;
        writeln!(text, "  REST           {rest}   (Binance Spot: /api/v3, /sapi/v1)")?;
        writeln!(text, "  Streams        {ws}/ws and {ws}/stream")?;
        writeln!(text, "  WebSocket API  {ws_api}\n")?;
        self.write_processes(text)?;
        self.write_partitions(text)?;
        self.write_accounts(text)?;
        self.write_commands(text)
    }

    fn write_processes(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "  {:<10} {:>8}  {:<21}  status pages", "process", "pid", "address")?;
        for (node, place) in self.state.nodes.iter().zip(&self.layout.nodes) {
            let name = format!("node-{}", node.id);
            writeln!(text, "  {name:<10} {:>8}  {:<21}  {}/status /readyz /metrics", node.pid, place.addr, node.http)?;
        }
        for gateway in &self.state.gateways {
            let address = self.layout.gateway.to_string();
            writeln!(
                text,
                "  {:<10} {:>8}  {address:<21}  {}/readyz /metrics",
                "gateway-1", gateway.pid, gateway.rest
            )?;
        }
        if let Some(pid) = self.bots {
            writeln!(text, "  {:<10} {pid:>8}", "bots")?;
        }
        if let (Deposits::Open { pid, .. }, Some(instance)) = (&self.deposits, self.state.chainwatches.first()) {
            let address = instance.http.trim_start_matches("http://");
            writeln!(
                text,
                "  {:<12} {pid:>6}  {address:<21}  {}/status /readyz /metrics",
                "chainwatch-1", instance.http
            )?;
        }
        for signer in &self.state.signers {
            writeln!(text, "  {:<12} {:>6}  {}", "signer-1", signer.pid, signer.socket.display())?;
        }
        writeln!(text)
    }

    fn write_partitions(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "  {:<9}  {:<34}  {:<7}  standbys", "partition", "cells", "leader")?;
        for (partition, leader) in self.layout.partitions().iter().zip(self.leaders) {
            let number = partition.partition;
            let cells = self.layout.describe(number);
            let ids = self.state.nodes.iter().map(|node| node.id);
            let standbys: Vec<String> = ids.filter(|id| Some(*id) != *leader).map(|id| format!("node-{id}")).collect();
            let leader = leader.map_or("electing".into(), |id| format!("node-{id}"));
            writeln!(text, "  {number:<9}  {cells:<34}  {leader:<7}  {}", standbys.join(", "))?;
        }
        writeln!(text)
    }

    fn write_accounts(&self, text: &mut String) -> std::fmt::Result {
        for account in self.state.trading_accounts() {
            let funds: Vec<String> =
                account.balances.iter().map(|(asset, amount)| format!("{} {asset}", grouped(amount))).collect();
            writeln!(text, "  {:<6} {}", account.name, funds.join(", "))?;
            writeln!(text, "         API key {}", account.api_key)?;
            writeln!(text, "         secret  {}", account.secret)?;
            if let (Some(key), Some(file)) = (&account.ed25519_api_key, &account.pem_file) {
                writeln!(text, "         Ed25519 {key}\n                 {}", file.display())?;
            }
        }
        writeln!(text)
    }

    fn write_commands(&self, text: &mut String) -> std::fmt::Result {
        if let Some(alice) = self.state.trading_accounts().next() {
            writeln!(text, "  An order of {}, to paste into a shell:\n", alice.name)?;
            writeln!(text, "{}\n", order_command(&self.state.rest, &alice.api_key, &alice.secret))?;
        }
        let ctl = format!("{} ctl --data-dir {}", self.binary, self.data_dir.display());
        if let Some(leader) = self.leaders.first().copied().flatten()
            && let Some(node) = self.state.nodes.iter().find(|node| node.id == leader)
        {
            writeln!(text, "  Kill a node (it leads now): kill -9 {}", node.pid)?;
            writeln!(text, "  Start it again:             {ctl} node start {}", node.id)?;
        }
        writeln!(text, "  Look at the cluster:        {ctl} status")?;
        match self.deposits {
            Deposits::NotAsked => {
                writeln!(text, "  Deposits are disabled:      --chain litecoin or --chain anvil starts a chain")?
            }
            Deposits::Missing(advice) => writeln!(text, "  Deposits are disabled:      {advice}")?,
            Deposits::Failed => {
                writeln!(text, "  Deposits are disabled:      the chain did not come up; see the logs")?
            }
            Deposits::Open { symbol, elsewhere, .. } => {
                writeln!(text, "  Deposit {symbol:<18}  {ctl} chain pay alice 1.5")?;
                writeln!(text, "  Withdraw {symbol:<17}  {ctl} withdrawal request alice {symbol} {elsewhere} 1")?;
                writeln!(
                    text,
                    "  Withdraw it with ccxt:      {ctl} key add alice --allow read,withdraw --from 127.0.0.1"
                )?;
                writeln!(text, "  Look at the chain's nodes:  {ctl} chain status")?;
            }
        }
        let fate = if self.is_temporary { "removed at the end" } else { "kept" };
        writeln!(text, "  Data and logs ({fate}): {}", self.data_dir.display())?;
        write!(text, "  ^C ends the exchange.")
    }
}

/// Shell text that signs and sends one order. `date` and `openssl` are wherever `curl` is.
fn order_command(rest: &str, api_key: &str, secret: &str) -> String {
    format!(
        "Q=\"symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=50000&timestamp=$(date +%s)000\"; \
         curl -s -X POST -H \"X-MBX-APIKEY: {api_key}\" \"{rest}/api/v3/order\" \
         -d \"$Q&signature=$(printf '%s' \"$Q\" | openssl dgst -sha256 -hmac {secret} | sed 's/^.* //')\"; echo"
    )
}

/// Whole numbers with commas.
fn grouped(number: &str) -> String {
    let (whole, fraction) = number.split_once('.').map_or((number, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut text = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    fraction.into_iter().for_each(|fraction| text.extend(['.'].into_iter().chain(fraction.chars())));
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (plain, shown) in [("7", "7"), ("1000", "1,000"), ("100000000", "100,000,000"), ("1234.5678", "1,234.5678")]
        {
            assert_eq!(grouped(plain), shown);
        }
    }
}
