//! `mainstay ctl asset`: what balances are of.

use wire::Amount;
use wire::command::ListAsset;
use wire::decimal;

use super::market;
use crate::operator::Operator;

/// The most decimals of a ledger unit.
const DECIMALS_MAX: i64 = 18;

/// `mainstay ctl asset`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List every asset: its decimals in the ledger, and on which chains it moves.
    List,
    /// Make an asset known to the ledger, for good.
    #[command(after_help = "\
Amounts are counted in whole units of 10^-(decimals) of it, for good, and an account can have at most some 9.2 * 10^18 of those: 8 decimals \
leave room for 92 thousand million, 10 for 922 million, 18 for nine. What is traded needs as many as quantities have; what is paid with, \
as prices and quantities have together. A chain that counts finer is no reason for more: what a deposit has beyond them is kept as dust.

  mainstay ctl asset add USDT --decimals 8
  mainstay ctl asset add BTC --decimals 10
  mainstay ctl market add BTCUSDT --base BTC --quote USDT --price-decimals 2 --qty-decimals 5 --max-price 1000000 --max-qty 9000")]
    Add {
        /// Its name, for good: 1 to 20 of A-Z, 0-9, `-`, `_` and `.`.
        #[arg(value_parser = market::name)]
        symbol: wire::Symbol,
        /// Decimals of one ledger unit, for good: 0 to 18.
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(0..=DECIMALS_MAX))]
        decimals: u8,
    },
}

/// Does what was asked.
pub async fn run(operator: &Operator, command: Command) -> miette::Result<()> {
    match command {
        Command::List => list(operator).await,
        Command::Add { symbol, decimals } => {
            let list = ListAsset { symbol, ledger_decimals: decimals };
            let id = operator.must(&wire::Command::ListAsset(list)).await?;
            println!("{symbol} is asset {id}; an account may have up to {} of it", most(decimals));
            Ok(())
        }
    }
}

/// The most that an account may have, in whole ones.
fn most(decimals: u8) -> String {
    let most = decimal::format(Amount::MAX.units(), decimals, 0);
    most.split('.').next().unwrap_or_default().to_owned()
}

async fn list(operator: &Operator) -> miette::Result<()> {
    let inventory = operator.inventory(|_| false).await?;
    let mut assets: Vec<_> = inventory.assets.values().collect();
    assets.sort_by_key(|listed| listed.asset);
    println!("{:>4}  {:<20}  {:>8}  {:>20}  chains", "id", "symbol", "decimals", "account's most");
    for listed in assets {
        let moves = |chain: &&String| {
            inventory.chains.get(*chain).is_some_and(|id| inventory.chain_assets.contains(&(*id, listed.asset)))
        };
        let chains: Vec<&str> = inventory.chains.keys().filter(moves).map(String::as_str).collect();
        let chains = if chains.is_empty() { "-".to_owned() } else { chains.join(", ") };
        let (symbol, decimals) = (listed.symbol.as_str(), listed.ledger_decimals);
        println!("{:>4}  {symbol:<20}  {decimals:>8}  {:>20}  {chains}", listed.asset, most(decimals));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::most;

    #[test]
    fn decimals_bound_what_an_account_may_have() {
        assert_eq!((most(8).as_str(), most(18).as_str()), ("92233720368", "9"));
    }
}
