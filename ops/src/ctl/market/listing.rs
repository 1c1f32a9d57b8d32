//! `mainstay ctl market add`: a market where there was none.

use wire::command::ListMarket;
use wire::event::AssetListed;
use wire::{Amount, MarketRules, MarketScale, MarketStatus, PartitionId, Price, Qty, SpecialRules, Symbol};

use super::super::Place;
use super::filters::Filters;
use super::words;
use crate::operator::Inventory;
use crate::report::usage_with_help;

#[cfg(test)]
mod tests;

/// A new market.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A name is taken for good and both scales are permanent: prices are counted in whole units of 10^-(price decimals) of the quote asset, \
quantities in 10^-(quantity decimals) of the base asset. Trades are exact, so that both together are at most the quote asset's decimals in the \
ledger, and a quantity's at most the base asset's (`mainstay ctl asset list`). An exchange has room for 64 markets, delisted ones among them.

  mainstay ctl asset add BTC --decimals 10 && mainstay ctl asset add USDT --decimals 8
  mainstay ctl market add BTCUSDT --base BTC --quote USDT --price-decimals 2 --qty-decimals 5 \\
      --max-price 1000000 --max-qty 9000 --min-notional 5
  mainstay ctl market show BTCUSDT
  mainstay ctl market reopen BTCUSDT --cancel-only 0s --auction 5m

It begins halted: look at it, then open it. All else can be changed while it trades (`ctl market rules`, `protect`, `schedule`).")]
pub struct AddArgs {
    /// Its name, for good: 1 to 20 of A-Z, 0-9, `-`, `_` and `.`.
    #[arg(value_parser = name)]
    symbol: Symbol,
    /// What is traded, an asset of the ledger.
    #[arg(long, value_name = "ASSET")]
    base: String,
    /// What it is paid with, another one.
    #[arg(long, value_name = "ASSET")]
    quote: String,
    /// Decimals of prices, for good: 0 to 12.
    #[arg(long, value_name = "COUNT")]
    price_decimals: u8,
    /// Decimals of quantities, for good: 0 to 12.
    #[arg(long, value_name = "COUNT")]
    qty_decimals: u8,
    /// The partition that hosts it [default: of those for markets, the one with the fewest].
    #[arg(long, value_name = "NUMBER")]
    partition: Option<u16>,
    /// The phase that it begins in: pre-open, auction, trading, post-only, cancel-only, halted or closed.
    #[arg(long, default_value = "halted", value_parser = words::phase)]
    phase: MarketStatus,
    #[command(flatten)]
    filters: Filters,
}

/// A name that clients can send.
pub fn name(text: &str) -> Result<Symbol, String> {
    let is_one = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    let legal = !text.is_empty() && text.bytes().all(is_one);
    let name = Symbol::new(text.as_bytes()).ok().filter(|_| legal);
    name.ok_or_else(|| "a name has 1 to 20 of A-Z, 0-9, -, _ and .".to_owned())
}

/// Lists it.
pub async fn add(place: &Place, args: &AddArgs) -> miette::Result<()> {
    let (cluster, operator) = (place.own_cluster()?, place.operator().await?);
    let list = planned(args, &operator.inventory(|_| false).await?, cluster.ledger, &cluster.partitions)?;
    let id = operator.must(&wire::Command::ListMarket(Box::new(list))).await?;
    let (symbol, phase) = (args.symbol, words::show_phase(args.phase));
    println!("{symbol} is market {id}, in partition {}, {phase}", list.partition);
    if args.phase == MarketStatus::Halted {
        println!("open it: mainstay ctl market reopen {symbol} --cancel-only 0s --auction 5m");
    }
    Ok(())
}

/// The command that lists it, if nothing speaks against it that can be known here.
fn planned(args: &AddArgs, known: &Inventory, ledger: u16, partitions: &[u16]) -> miette::Result<ListMarket> {
    if known.markets.contains_key(args.symbol.as_str()) {
        miette::bail!("there is, or was, a market {} already; names stay taken", args.symbol);
    }
    let (base, quote) = (asset(known, &args.base)?, asset(known, &args.quote)?);
    let (price_decimals, qty_decimals) = (args.price_decimals, args.qty_decimals);
    let scale = MarketScale::new(price_decimals, qty_decimals, base.ledger_decimals, quote.ledger_decimals);
    let scale = scale.map_err(|why| not_exact(why, [price_decimals, qty_decimals], [&base, &quote]))?;
    if !args.filters.has_bounds() {
        return Err(usage_with_help(
            "say what the largest price and the largest quantity of an order are",
            "such as --max-price 1000000 --max-qty 9000: what is beyond is a mistake of whoever types it",
        ));
    }
    let rules = args.filters.applied(widest(), scale, quote.ledger_decimals)?;
    let rules = MarketRules { market_qty_max: rules.market_qty_max.min(rules.qty_max), ..rules };
    Ok(ListMarket {
        symbol: args.symbol,
        base: base.asset,
        quote: quote.asset,
        partition: partition(args.partition, known, ledger, partitions)?,
        price_decimals,
        qty_decimals,
        rules,
        status: args.phase,
    })
}

fn asset(known: &Inventory, name: &str) -> miette::Result<AssetListed> {
    known.assets.get(name).copied().ok_or_else(|| {
        let names: Vec<&str> = known.assets.keys().map(String::as_str).collect();
        let help = match names.is_empty() {
            true => format!("there is none yet: mainstay ctl asset add {name} --decimals 8"),
            false => format!("there are {}; another one: mainstay ctl asset add {name} --decimals 8", names.join(", ")),
        };
        miette::miette!(help = help, "there is no asset {name}")
    })
}

fn not_exact(why: wire::ScaleError, decimals: [u8; 2], [base, quote]: [&AssetListed; 2]) -> miette::Report {
    let [price, qty] = decimals;
    let has = |asset: &AssetListed| format!("{} has {} decimals in the ledger", asset.symbol, asset.ledger_decimals);
    match why {
        wire::ScaleError::TooManyDecimals => {
            miette::miette!("prices and quantities have at most {} decimals each", MarketScale::DECIMALS_MAX)
        }
        wire::ScaleError::QuoteTooCoarse => miette::miette!(
            help = "fewer --price-decimals or --qty-decimals",
            "trades would not be exact: {}, a price times a quantity would have {price} + {qty}",
            has(quote)
        ),
        wire::ScaleError::BaseTooCoarse => {
            miette::miette!(help = "fewer --qty-decimals", "{}, a quantity would have {qty}", has(base))
        }
    }
}

/// Where it lives: as wished, if there is such a partition, or where the fewest are.
fn partition(wished: Option<u16>, known: &Inventory, ledger: u16, partitions: &[u16]) -> miette::Result<PartitionId> {
    if let Some(wished) = wished {
        if !partitions.contains(&wished) {
            let known: Vec<String> = partitions.iter().map(u16::to_string).collect();
            miette::bail!("the cluster has no partition {wished}; it has {}", known.join(", "));
        }
        return Ok(PartitionId::new(wished));
    }
    let used = |partition: u16| {
        let is_there = |market: &&crate::operator::KnownMarket| {
            market.listed.partition.get() == partition && market.status != MarketStatus::Delisted
        };
        known.markets.values().filter(is_there).count()
    };
    let apart = partitions.iter().copied().filter(|partition| *partition != ledger);
    Ok(PartitionId::new(apart.min_by_key(|partition| (used(*partition), *partition)).unwrap_or(ledger)))
}

/// What is not said is as wide as it can be.
fn widest() -> MarketRules {
    let one_lot = Qty::new(1).expect("one unit is a quantity");
    MarketRules {
        tick: Price::MIN,
        price_min: Price::MIN,
        price_max: Price::MAX,
        lot: one_lot,
        qty_min: one_lot,
        qty_max: Qty::MAX,
        market_qty_max: Qty::MAX,
        notional_min: Amount::ZERO,
        notional_max: Amount::MAX,
        protection_ppm: 50_000,
        open_orders_max: 200,
        special: SpecialRules::default(),
    }
}
