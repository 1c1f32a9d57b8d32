//! `mainstay ctl market`.

use wire::command::SetMarketStatus;
use wire::{MarketStatus, decimal};

use crate::operator::Operator;

/// `mainstay ctl market`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List every market with its partition, its status and its filters.
    List,
    /// Open or close a market. Resting orders stay.
    Status {
        /// Which market, `BTCUSDT`.
        symbol: String,
        /// What it accepts from now on.
        #[arg(value_enum)]
        status: Status,
    },
}

/// What a market accepts.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Status {
    /// Orders and cancels.
    Trading,
    /// Cancels alone.
    CancelOnly,
    /// Cancels alone, and clients are told of a halt.
    Halted,
}

/// Does what was asked.
pub async fn run(operator: &Operator, command: Command) -> miette::Result<()> {
    match command {
        Command::List => list(operator).await,
        Command::Status { symbol, status } => {
            let inventory = operator.inventory(|known| known.markets.contains_key(&symbol)).await?;
            let (listed, _) =
                inventory.markets.get(&symbol).ok_or_else(|| miette::miette!("there is no market {symbol}"))?;
            let status = match status {
                Status::Trading => MarketStatus::Trading,
                Status::CancelOnly => MarketStatus::CancelOnly,
                Status::Halted => MarketStatus::Halted,
            };
            let command = wire::Command::SetMarketStatus(SetMarketStatus { market: listed.market, status });
            operator.must(&command).await?;
            println!("{symbol} is {status:?}");
            Ok(())
        }
    }
}

async fn list(operator: &Operator) -> miette::Result<()> {
    let inventory = operator.inventory(|_| false).await?;
    let mut markets: Vec<_> = inventory.markets.values().collect();
    markets.sort_by_key(|(listed, _)| listed.market);
    let [tick, lot, max] = ["tick", "lot", "max qty"];
    println!("{:<20}  {:>9}  {:<10}  {tick:>14}  {lot:>14}  {max:>14}", "symbol", "partition", "status");
    for (listed, status) in markets {
        let price = |units| decimal::format(units, listed.scale.price_decimals, 0);
        let qty = |units| decimal::format(units, listed.scale.qty_decimals, 0);
        let rules = &listed.rules;
        println!(
            "{:<20}  {:>9}  {:<10}  {:>14}  {:>14}  {:>14}",
            listed.symbol.as_str(),
            listed.partition,
            format!("{status:?}"),
            price(rules.tick.units()),
            qty(rules.lot.units()),
            qty(rules.qty_max.units()),
        );
    }
    Ok(())
}
