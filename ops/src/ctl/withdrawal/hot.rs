//! The hot wallet's bounds: `mainstay ctl withdrawal hot-wallet`.

use std::fmt::Write as _;

use wire::command::SetHotWallet;
use wire::{Amount, ChainAddress, Command as LedgerCommand, HotWalletBounds};

use super::words;
use crate::demo::bootstrap::parse_amount;
use crate::operator::{Inventory, Operator};

/// `mainstay ctl withdrawal hot-wallet`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Set the bounds of an asset on a chain; what is not named stays as it is, and 0 turns a bound off.
    Set(Box<Set>),
}

/// Amounts are in the asset.
#[derive(Debug, clap::Args)]
pub struct Set {
    /// Which asset.
    asset: String,
    /// On which chain.
    chain: String,
    /// No withdrawal leaves less in the hot wallet: it waits, and chainwatch says so.
    #[arg(long, value_name = "AMOUNT")]
    low: Option<String>,
    /// From here on, what is above --target goes to --cold.
    #[arg(long, value_name = "AMOUNT")]
    high: Option<String>,
    /// What is left then: from --low on, below --high.
    #[arg(long, value_name = "AMOUNT")]
    target: Option<String>,
    /// Deposits are swept into the hot wallet when so much of them is credited.
    #[arg(long, value_name = "AMOUNT")]
    sweep_from: Option<String>,
    /// Where the excess goes; the signer must have it in its list `cold`.
    #[arg(long, value_name = "ADDRESS")]
    cold: Option<String>,
}

pub(super) async fn run(operator: &Operator, command: Option<Command>) -> miette::Result<()> {
    let known = operator.inventory(|_| false).await?;
    let Some(Command::Set(set)) = command else {
        print!("{}", table(&known));
        return Ok(());
    };
    let chain = words::chain(&known, &set.chain)?;
    let asset = words::asset(&known, &set.asset)?;
    let place = (chain.listed.chain, asset.asset);
    let zero = Amount::ZERO;
    let none = HotWalletBounds { low: zero, high: zero, target: zero, sweep_from: zero, cold: ChainAddress::EMPTY };
    let before = known.withdrawing.hot.get(&place).copied().unwrap_or(none);
    let amount = |text: &Option<String>, before: Amount| match text {
        Some(text) => parse_amount(text, asset.ledger_decimals),
        None => Ok(before),
    };
    let mut bounds = HotWalletBounds {
        low: amount(&set.low, before.low)?,
        high: amount(&set.high, before.high)?,
        target: amount(&set.target, before.target)?,
        sweep_from: amount(&set.sweep_from, before.sweep_from)?,
        cold: match &set.cold {
            Some(text) => words::address(chain, text)?,
            None => before.cold,
        },
    };
    if bounds.high.is_zero() {
        (bounds.target, bounds.cold) = (zero, ChainAddress::EMPTY);
    } else if bounds.cold.is_empty() || bounds.target < bounds.low || bounds.target >= bounds.high {
        miette::bail!(
            help = "mainstay ctl withdrawal hot-wallet set --help",
            "with --high there has to be a --cold address and a --target from --low on and below --high"
        );
    }
    let (chain, asset) = place;
    operator.must(&LedgerCommand::SetHotWallet(Box::new(SetHotWallet { chain, asset, bounds }))).await?;
    println!("the hot wallet's bounds for {} on {} are set: mainstay ctl withdrawal hot-wallet", set.asset, set.chain);
    Ok(())
}

fn table(known: &Inventory) -> String {
    let mut text = String::new();
    if known.withdrawing.hot.is_empty() {
        return "the hot wallet has no bounds; mainstay ctl withdrawal hot-wallet set --help\n".into();
    }
    for ((chain, asset), bounds) in &known.withdrawing.hot {
        let amount = |amount: Amount| words::amount(known, *asset, amount);
        let (symbol, network) = (words::asset_name(known, *asset), words::chain_name(known, *chain));
        let _ = writeln!(text, "{symbol} on {network}");
        let or_never = |bound: Amount, said: String| if bound.is_zero() { "never".to_owned() } else { said };
        let rows = [
            ("withdrawals wait", or_never(bounds.low, format!("when less than {} would be left", amount(bounds.low)))),
            (
                "to the cold address",
                or_never(
                    bounds.high,
                    format!("from {} on, all but {}, to {}", amount(bounds.high), amount(bounds.target), bounds.cold),
                ),
            ),
            ("deposits are swept", or_never(bounds.sweep_from, format!("from {} on", amount(bounds.sweep_from)))),
        ];
        for (name, value) in rows {
            let _ = writeln!(text, "  {name:<20}  {value}");
        }
    }
    text
}
