//! `mainstay ctl chain`: chains, their nodes, addresses and deposits.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use miette::IntoDiagnostic;
use wire::command::{FreezeChain, ListChain, ListChainAsset, RequestAddress};
use wire::{AccountId, AddressFormat, Amount, ChainFreeze, ChainId, Command as LedgerCommand, Text, decimal};

use super::Place;
use crate::chainwatch::{AssetStatus, ChainStatus, HotStatus, NodeStatus, ReserveStatus, Status, WithdrawalStatus};
use crate::demo::bootstrap::parse_amount;
use crate::demo::control::{self, Answer, Ask};
use crate::http;
use crate::operator::{Inventory, Operator};
use crate::report::usage;

/// A page of a frozen process never comes.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long is waited for an address that chainwatch has to make.
const ADDRESS_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show every chain, what is agreed, and a table of its nodes.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Ask the chainwatch whose pages are here, http://127.0.0.1:7301, instead of those of the state file.
        #[arg(long, value_name = "URL")]
        http: Vec<String>,
    },
    /// Make a chain known to the ledger; it is frozen until a chainwatch thaws it.
    Add {
        /// Its name, LTC.
        symbol: String,
        /// What its addresses look like: those of which chain.
        #[arg(long, value_name = "CHAIN")]
        addresses: AddressWord,
        /// How long a chainwatch that has fallen silent keeps its claim, in milliseconds.
        #[arg(long, value_name = "MS", default_value_t = 1_500)]
        lease: u32,
    },
    /// Make what moves on a chain known as an asset.
    Asset {
        /// On which chain.
        chain: String,
        /// Credited as this.
        asset: String,
        /// A token's contract; without it, the chain's own coin.
        #[arg(long, default_value = "")]
        contract: String,
        /// Decimals of the chain's smallest unit.
        #[arg(long)]
        decimals: u8,
        /// The smallest deposit, in the chain's units.
        #[arg(long, value_name = "UNITS", default_value_t = 1)]
        min: u128,
        /// Confirmations that a deposit needs; 0 when it must be final.
        #[arg(long)]
        confirmations: u32,
        /// Deposits of this much or more need more confirmations, in the asset.
        #[arg(long, value_name = "AMOUNT", requires = "large_confirmations")]
        large_from: Option<String>,
        /// So many; 0 when they must be final.
        #[arg(long, default_value_t = 0)]
        large_confirmations: u32,
    },
    /// Give an account an address on a chain, or show the one it has.
    Address {
        /// The account's name.
        account: String,
        /// On which chain.
        chain: String,
    },
    /// A credit was taken back by its chain, and you have looked at it: let the chain go on.
    Thaw {
        /// Which chain.
        chain: String,
    },
    /// A demo's chain: pay this much of its coin to an account's address.
    Pay {
        /// The account's name.
        account: String,
        /// How much, 1.5.
        amount: String,
    },
}

/// A chain, by what its addresses look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AddressWord {
    /// `bc1…`, `1…`, `3…`.
    Bitcoin,
    /// Bitcoin's regression test chain: `bcrt1…`, `m…`, `2…`.
    BitcoinRegtest,
    /// `ltc1…`, `L…`, `M…`.
    Litecoin,
    /// Litecoin's regression test chain: `rltc1…`, `m…`, `Q…`.
    LitecoinRegtest,
    /// Ethereum and what is like it: `0x…`.
    Evm,
}

impl AddressWord {
    fn format(self) -> AddressFormat {
        match self {
            AddressWord::Bitcoin => AddressFormat::bitcoin(),
            AddressWord::BitcoinRegtest => AddressFormat::bitcoin_regtest(),
            AddressWord::Litecoin => AddressFormat::litecoin(),
            AddressWord::LitecoinRegtest => AddressFormat::litecoin_regtest(),
            AddressWord::Evm => AddressFormat::Evm,
        }
    }
}

/// Does it.
pub async fn run(place: &Place, command: Command) -> miette::Result<()> {
    match command {
        Command::Status { json, http } => status(place, json, http).await,
        Command::Add { symbol, addresses, lease } => {
            let command = LedgerCommand::ListChain(ListChain {
                symbol: text(&symbol)?,
                lease_ms: lease,
                addresses: addresses.format(),
            });
            let id = place.operator().await?.must(&command).await?;
            println!("{symbol} is chain {id}");
            Ok(())
        }
        Command::Asset { chain, asset, contract, decimals, min, confirmations, large_from, large_confirmations } => {
            let operator = place.operator().await?;
            let inventory = operator.inventory(|_| false).await?;
            let listed = inventory.assets.get(&asset);
            let listed = listed.ok_or_else(|| miette::miette!("the ledger does not know the asset {asset}"))?;
            let large_from = match large_from {
                Some(amount) => parse_amount(&amount, listed.ledger_decimals)?,
                None => Amount::ZERO,
            };
            let command = LedgerCommand::ListChainAsset(Box::new(ListChainAsset {
                chain: chain_id(&inventory, &chain)?,
                asset: listed.asset,
                contract: text(&contract.to_lowercase())?,
                chain_decimals: decimals,
                deposit_min: min,
                confirmations,
                large_from,
                large_confirmations,
            }));
            operator.must(&command).await?;
            println!("deposits on {chain} are credited as {asset}");
            Ok(())
        }
        Command::Address { account, chain } => {
            println!("{}", address(&place.operator().await?, &account, &chain).await?);
            Ok(())
        }
        Command::Thaw { chain } => {
            let operator = place.operator().await?;
            let chain_id = chain_id(&operator.inventory(|_| false).await?, &chain)?;
            let thaw = FreezeChain { chain: chain_id, fence: 0, reason: ChainFreeze::Thawed };
            operator.must(&LedgerCommand::FreezeChain(thaw)).await?;
            println!("{chain} goes on as its nodes agree");
            Ok(())
        }
        Command::Pay { account, amount } => {
            let chain = place.state()?.chainwatches.first().and_then(|instance| instance.chains.first().cloned());
            let chain = chain.ok_or_else(|| {
                miette::miette!(help = "start one with `mainstay demo --chain litecoin`", "this demo has no chain")
            })?;
            let address = address(&place.operator().await?, &account, &chain).await?;
            let ask = Ask::Pay { address, amount };
            match control::ask(&place.data_dir()?, ask).await? {
                Answer::Done(what) => {
                    println!("{what}");
                    Ok(())
                }
                Answer::Refused(why) => Err(miette::miette!("{why}")),
                Answer::Processes(_) | Answer::Joined { .. } | Answer::Binary(_) => {
                    Err(miette::miette!("the demo answered another question"))
                }
            }
        }
    }
}

/// The account's address on the chain, asked for if need be.
pub async fn address(operator: &Operator, account: &str, chain: &str) -> miette::Result<String> {
    let inventory = operator.inventory(|_| false).await?;
    let opened = inventory.accounts.get(account).map(|opened| opened.account);
    let account_id = opened.ok_or_else(|| miette::miette!("the ledger does not know the account {account}"))?;
    let chain_id = chain_id(&inventory, chain)?;
    let known = |inventory: &Inventory, account: AccountId| inventory.addresses.get(&(account, chain_id)).cloned();
    if let Some(address) = known(&inventory, account_id) {
        return Ok(address);
    }
    operator.must(&LedgerCommand::RequestAddress(RequestAddress { account: account_id, chain: chain_id })).await?;
    let deadline = tokio::time::Instant::now() + ADDRESS_WITHIN;
    while tokio::time::Instant::now() < deadline {
        let inventory = operator.inventory(|inventory| known(inventory, account_id).is_some()).await?;
        if let Some(address) = known(&inventory, account_id) {
            return Ok(address);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(miette::miette!(
        help = "is a chainwatch running? mainstay ctl chain status",
        "the address is asked for, and nobody has made it yet"
    ))
}

fn chain_id(inventory: &Inventory, chain: &str) -> miette::Result<ChainId> {
    let known = inventory.chains.get(chain).copied();
    known.ok_or_else(|| miette::miette!("the ledger does not know the chain {chain}"))
}

fn text<const N: usize>(text: &str) -> miette::Result<Text<N>> {
    Text::new(text.as_bytes()).map_err(|error| usage(format!("{text} is no name here: {error:?}")))
}

/// Where the chainwatches of the state file tell how they are.
pub(super) fn pages(place: &Place) -> miette::Result<Vec<String>> {
    Ok(place.state()?.chainwatches.into_iter().map(|instance| instance.http).collect())
}

/// What each of them says; `None` of one that does not answer.
pub(super) async fn ask(pages: Vec<String>) -> Vec<(String, Option<Status>)> {
    let mut statuses = Vec::with_capacity(pages.len());
    for page in pages {
        let answer = http::get(&format!("{}/status", page.trim_end_matches('/')), ANSWER_WITHIN).await;
        statuses.push((page, answer.and_then(|(_, body)| serde_json::from_slice::<Status>(&body).ok())));
    }
    statuses
}

async fn status(place: &Place, json: bool, pages: Vec<String>) -> miette::Result<()> {
    let pages = if pages.is_empty() { self::pages(place)? } else { pages };
    if pages.is_empty() {
        miette::bail!(
            help = "start a demo with --chain litecoin, or name a chainwatch's pages with --http",
            "this exchange has no chainwatch: deposits are disabled"
        );
    }
    let statuses = ask(pages).await;
    let text = if json {
        let known: Vec<&Status> = statuses.iter().filter_map(|(_, status)| status.as_ref()).collect();
        format!("{}\n", serde_json::to_string_pretty(&known).into_diagnostic()?)
    } else {
        let mut text = String::new();
        for (page, status) in &statuses {
            match status {
                Some(status) => show(status, &mut text).into_diagnostic()?,
                None => writeln!(text, "{page}  does not answer").into_diagnostic()?,
            }
        }
        text
    };
    // A reader that has seen enough, such as `head`, is no error.
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).into_diagnostic(),
        _ => Ok(()),
    }
}

/// How amounts of assets on a chain are told, as its chainwatch knows by what it has read of the ledger. It may have read too little:
/// then by their numbers, in the chain's units. The ledger itself is not asked: who reads all of its past is late with it one day.
struct Told<'a>(&'a [AssetStatus]);

impl Told<'_> {
    fn asset(&self, asset: u16) -> Option<&AssetStatus> {
        self.0.iter().find(|known| known.asset == asset)
    }

    fn name(&self, asset: u16) -> String {
        self.asset(asset).map_or_else(|| format!("asset {asset}"), |known| known.symbol.clone())
    }

    fn decimals(&self, asset: u16) -> Option<u8> {
        self.asset(asset).map(|known| known.decimals)
    }

    /// Of the chain's units, in whole ones.
    fn amount(&self, asset: u16, units: &str) -> String {
        let Some((decimals, units_wide)) = self.decimals(asset).zip(units.parse().ok()) else {
            return units.to_owned();
        };
        let mut text = String::new();
        decimal::push_wide(&mut text, units_wide, decimals, 0);
        text
    }
}

fn show_withdrawals(withdrawals: &WithdrawalStatus, told: &Told<'_>, text: &mut String) -> std::fmt::Result {
    writeln!(text, "\n  withdrawals  {} under way", withdrawals.open)?;
    for (id, why) in &withdrawals.waiting {
        writeln!(text, "    {id} waits: {}", why.replace('_', " "))?;
    }
    for id in &withdrawals.for_operators {
        writeln!(text, "    {id} is for you to look at: mainstay ctl withdrawal show {id}")?;
    }
    for HotStatus { asset, balance, standing } in &withdrawals.hot {
        let units = if told.decimals(*asset).is_some() { "" } else { " of the chain's units" };
        let (name, balance) = (told.name(*asset), told.amount(*asset, balance));
        writeln!(text, "  hot wallet   {name}: {balance}{units}, {standing}")?;
    }
    for tx in &withdrawals.unknown_spendings {
        writeln!(text, "  ALERT        a key of ours has signed {tx}, which the log does not know: who has our keys?")?;
    }
    Ok(())
}

fn show_reserves(chain: &str, reserves: &[ReserveStatus], told: &Told<'_>, text: &mut String) -> std::fmt::Result {
    for ReserveStatus { asset, standing, height, held, booked, in_flight, declared, drift, .. } in reserves {
        let units = if told.decimals(*asset).is_some() { "" } else { ", in the chain's units" };
        let [held, booked, in_flight, declared, drift] =
            [held, booked, in_flight, declared, drift].map(|units| told.amount(*asset, units));
        let asset = told.name(*asset);
        writeln!(
            text,
            "  reserves     {asset}: {held} held at {height} = {booked} booked + {in_flight} in flight + {declared} \
             declared, drift {drift}{units}"
        )?;
        match standing.as_str() {
            "short" => writeln!(text, "  ALERT        {asset} is short: its withdrawals by {chain} are HALTED")?,
            "found" => writeln!(
                text,
                "  ALERT        {asset} was short and is not any more; HALTED until mainstay ctl reserves thaw {chain} {asset}"
            )?,
            _ => {}
        }
    }
    Ok(())
}

fn show(status: &Status, text: &mut String) -> std::fmt::Result {
    for chain_status in &status.chains {
        let ChainStatus { chain, role, head, finalized, frozen, followed, nodes, .. } = chain_status;
        let told = Told(&chain_status.assets);
        let height = |height: Option<u64>| height.map_or("-".into(), |height| height.to_string());
        writeln!(
            text,
            "{chain}  {} (pid {})  {role}  head {}  final {}  followed {}  {}\n",
            status.name,
            status.pid,
            height(head.as_ref().map(|block| block.height)),
            height(finalized.as_ref().map(|block| block.height)),
            height(*followed),
            frozen.as_ref().map_or("credits flow".into(), |reason| format!("FROZEN: {reason}")),
        )?;
        writeln!(
            text,
            "  {:<16}  {:>10}  {:>5}  {:<9}  {:>9}  {:>9}",
            "node", "head", "lag", "verdict", "p90 ms", "requests"
        )?;
        for NodeStatus { node, verdict, head, lag, p90_us, requests } in nodes {
            let p90 = p90_us.map_or("-".into(), |p90| format!("{:.1}", p90 as f64 / 1_000.0));
            writeln!(text, "  {node:<16}  {:>10}  {lag:>5}  {verdict:<9}  {p90:>9}  {requests:>9}", height(*head))?;
        }
        if let Some(withdrawals) = &chain_status.withdrawals {
            show_withdrawals(withdrawals, &told, text)?;
        }
        show_reserves(chain, &chain_status.reserves, &told, text)?;
        writeln!(text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reserves(known: &[AssetStatus]) -> String {
        let of = |text: &str| text.to_owned();
        let status = ReserveStatus {
            asset: 2,
            standing: of("short"),
            height: 7,
            position: 1,
            held: of("100989589363501315000"),
            booked: of("101000000000000000000"),
            in_flight: of("-10410636498685000"),
            declared: of("0"),
            drift: of("0"),
            owed: of("1"),
        };
        let mut text = String::new();
        show_reserves("ETH", &[status], &Told(known), &mut text).unwrap();
        text
    }

    #[test]
    fn reserves_are_told_by_the_assets_name_in_whole_ones() {
        let known = AssetStatus { asset: 2, symbol: "ETH".to_owned(), decimals: 18 };
        assert_eq!(
            reserves(&[known]),
            "  reserves     ETH: 100.989589363501315 held at 7 = 101 booked + -0.010410636498685 in flight + 0 declared, drift 0\n  \
             ALERT        ETH is short: its withdrawals by ETH are HALTED\n"
        );
        let raw = reserves(&[]);
        assert!(
            raw.contains("asset 2: 100989589363501315000 held") && raw.contains("drift 0, in the chain's units"),
            "{raw}"
        );
    }

    /// Of an instance of the build before, which does not say what its assets are called.
    #[test]
    fn a_page_without_names_is_read() {
        let page = r#"{"name":"a","pid":1,"chains":[{"chain":"ETH","id":1,"role":"active","fence":1,"head":null,
            "finalized":null,"frozen":null,"followed":7,"nodes":[]}]}"#;
        let status: Status = serde_json::from_str(page).unwrap();
        let mut text = String::new();
        show(&status, &mut text).unwrap();
        assert!(text.starts_with("ETH  a (pid 1)  active"), "{text}");
    }
}
