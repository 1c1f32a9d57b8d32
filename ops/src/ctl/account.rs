//! `mainstay ctl account`.

use wire::command::{Credit, Debit, OpenAccount};
use wire::{AccountName, FeeRate};

use super::conduct;
use crate::demo::bootstrap::parse_amount;
use crate::operator::Operator;

mod shown;

/// `mainstay ctl account`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List every account: the rates that it is charged now where its market has none of its own (account show), its trade
    /// group and firm, whether its kill switch is engaged.
    List,
    /// Show everything of one account: balances, rates, limits, trade group, firm, kill switches, keys.
    Show {
        /// Which account.
        name: String,
    },
    /// Open an account.
    Open {
        /// Its unique name.
        name: String,
        /// Charged when its resting orders trade, in parts per million.
        #[arg(long, value_name = "PPM", default_value_t = 1_000)]
        maker_fee: u32,
        /// Charged when its orders take, in parts per million.
        #[arg(long, value_name = "PPM", default_value_t = 1_000)]
        taker_fee: u32,
    },
    /// Book a deposit.
    Credit(Movement),
    /// Book a withdrawal from what is free.
    Debit(Movement),
    #[command(flatten)]
    Conduct(conduct::Command),
}

/// A deposit or a withdrawal.
#[derive(Debug, clap::Args)]
pub struct Movement {
    /// Whose balance.
    name: String,
    /// Of which asset, `USDT`.
    asset: String,
    /// How much, `12.5`.
    amount: String,
}

/// Does what was asked.
pub async fn run(operator: &Operator, command: Command) -> miette::Result<()> {
    match command {
        Command::List => list(operator).await,
        Command::Show { name } => shown::show(operator, &name).await,
        Command::Open { name, maker_fee, taker_fee } => open(operator, &name, maker_fee, taker_fee).await,
        Command::Credit(movement) => book(operator, &movement, true).await,
        Command::Debit(movement) => book(operator, &movement, false).await,
        Command::Conduct(command) => conduct::run(operator, command).await,
    }
}

async fn list(operator: &Operator) -> miette::Result<()> {
    let inventory = operator.inventory(|_| false).await?;
    let mut accounts: Vec<_> = inventory.accounts.values().collect();
    accounts.sort_by_key(|account| account.account);
    println!(
        "{:>6}  {:<32}  {:>9}  {:>9}  {:>5}  {:>5}  state",
        "id", "name", "maker ppm", "taker ppm", "group", "firm"
    );
    for account in accounts {
        let settings = &inventory.settings;
        let (maker, taker) = settings.rates(account);
        let (maker, taker) = (maker.parts_per_million(), taker.parts_per_million());
        let (group, firm) = settings.assigned.get(&account.account).copied().unwrap_or_default();
        let state = if settings.is_killed(account.account) { "killed" } else { "open" };
        let name = account.name.as_str();
        println!("{:>6}  {name:<32}  {maker:>9}  {taker:>9}  {group:>5}  {firm:>5}  {state}", account.account);
    }
    Ok(())
}

async fn open(operator: &Operator, name: &str, maker_fee: u32, taker_fee: u32) -> miette::Result<()> {
    let fee = |ppm| FeeRate::new(ppm).ok_or_else(|| miette::miette!("a fee is at most 100000 parts per million"));
    let text = AccountName::new(name.as_bytes()).ok().filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| miette::miette!("a name has 1 to 32 printable characters without spaces"))?;
    let open = OpenAccount { name: text, maker_fee: fee(maker_fee)?, taker_fee: fee(taker_fee)? };
    let id = operator.must(&wire::Command::OpenAccount(open)).await?;
    println!("account {name} is open, id {id}");
    Ok(())
}

async fn book(operator: &Operator, movement: &Movement, is_credit: bool) -> miette::Result<()> {
    let Movement { name, asset, amount } = movement;
    let is_enough =
        |known: &crate::operator::Inventory| known.accounts.contains_key(name) && known.assets.contains_key(asset);
    let inventory = operator.inventory(is_enough).await?;
    let account = inventory.accounts.get(name).ok_or_else(|| miette::miette!("there is no account {name}"))?.account;
    let listed = inventory.assets.get(asset).ok_or_else(|| miette::miette!("there is no asset {asset}"))?;
    let (asset_id, units) = (listed.asset, parse_amount(amount, listed.ledger_decimals)?);
    let command = if is_credit {
        wire::Command::Credit(Credit { account, asset: asset_id, amount: units })
    } else {
        wire::Command::Debit(Debit { account, asset: asset_id, amount: units })
    };
    let free = operator.must(&command).await?;
    // Versions before the second say nothing.
    let free = match (free, listed.ledger_decimals) {
        (0, _) => String::new(),
        (units, decimals) => format!(
            "; {} {asset} free now",
            wire::decimal::format(i64::try_from(units).unwrap_or(i64::MAX), decimals, 0)
        ),
    };
    println!("{amount} {asset} {} {name}{free}", if is_credit { "credited to" } else { "debited from" });
    Ok(())
}
