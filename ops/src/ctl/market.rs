//! `mainstay ctl market`: what operators do with markets.

use wire::command::{
    DelistMarket, KillMarket, ReopenMarket, SetMarketProtection, SetMarketRules, SetMarketSchedule, SetMarketStatus,
};
use wire::{MarketProtection, MarketStatus, ScheduleStep};

use self::filters::Filters;
use self::listing::AddArgs;
use super::Place;
use crate::operator::{Inventory, KnownMarket, Operator};
use crate::report::usage;

pub use listing::name;

mod filters;
mod listing;
mod shown;
mod words;

/// `mainstay ctl market`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List every market that there is or was, with its partition, its phase, when that ends, and its filters.
    List,
    /// Add a market.
    Add(Box<AddArgs>),
    /// Show one market: phase and when it ends, schedule, filters, price limits, fees.
    Show {
        /// Which market, `BTCUSDT`.
        symbol: String,
    },
    /// What changes one that is there.
    #[command(flatten)]
    Change(Change),
}

/// What is done to a market that is there.
#[derive(Debug, clap::Subcommand)]
pub enum Change {
    /// Move a market to a phase. Resting orders stay; crossing ones trade at one price before trading begins.
    #[command(alias = "status")]
    Phase {
        /// Which market.
        symbol: String,
        /// pre-open, auction, trading, post-only, cancel-only, halted or closed.
        #[arg(value_parser = words::phase)]
        phase: MarketStatus,
    },
    /// Halt a market at once. Only another command of an operator ends it.
    Kill {
        /// Which market.
        symbol: String,
        /// Cancel every order of the market as well.
        #[arg(long)]
        cancel_orders: bool,
    },
    /// Reopen a market in steps: cancel-only, a call auction, continuous trading.
    Reopen {
        /// Which market.
        symbol: String,
        /// How long clients may only cancel; 0s begins with the auction.
        #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = words::duration_ns)]
        cancel_only: u64,
        /// How long the auction collects orders, up to a week.
        #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = words::auction_ns)]
        auction: u64,
    },
    /// Let a market follow a weekly schedule, in UTC; without steps operators alone move it.
    Schedule {
        /// Which market.
        symbol: String,
        /// Up to eight, such as 'mon-fri 09:00 auction' 'mon-fri 09:05 trading' 'mon-fri 17:00 closed'.
        #[arg(value_name = "STEP", value_parser = words::schedule_step)]
        steps: Vec<ScheduleStep>,
    },
    /// Change filters while orders rest; those that no longer fit are canceled.
    Rules(Box<RulesArgs>),
    /// Change price bands and price filters. What is not named stays.
    Protect(ProtectArgs),
    /// Take a market away for ever: cancels every order, then its cell ends. Its name stays taken.
    Delist {
        /// Which market.
        symbol: String,
        /// The market's name again, since nothing brings it back.
        #[arg(long, value_name = "SYMBOL")]
        confirm: String,
    },
}

/// The filters to change.
#[derive(Debug, clap::Args)]
pub struct RulesArgs {
    /// Which market.
    symbol: String,
    #[command(flatten)]
    filters: Filters,
}

/// Price limits; 0 takes one away.
#[derive(Debug, clap::Args)]
pub struct ProtectArgs {
    /// Which market.
    symbol: String,
    /// How far a trade may be from the last auction's price.
    #[arg(long, value_name = "PERCENT", value_parser = words::percent_ppm)]
    static_band: Option<u32>,
    /// How far a trade may be from the last trade.
    #[arg(long, value_name = "PERCENT", value_parser = words::percent_ppm)]
    dynamic_band: Option<u32>,
    /// How long the auction lasts that begins where a trade would leave a band. Default: 2m.
    #[arg(long, value_name = "DURATION", value_parser = words::duration_ns)]
    auction: Option<u64>,
    /// The highest price of a buy (PERCENT_PRICE_BY_SIDE), as a multiple of the last trade's.
    #[arg(long, value_name = "MULTIPLIER", value_parser = words::multiplier_ppm)]
    bid_up: Option<u32>,
    /// The lowest price of a buy.
    #[arg(long, value_name = "MULTIPLIER", value_parser = words::multiplier_ppm)]
    bid_down: Option<u32>,
    /// The highest price of a sell.
    #[arg(long, value_name = "MULTIPLIER", value_parser = words::multiplier_ppm)]
    ask_up: Option<u32>,
    /// The lowest price of a sell.
    #[arg(long, value_name = "MULTIPLIER", value_parser = words::multiplier_ppm)]
    ask_down: Option<u32>,
    /// The highest price of any order (PERCENT_PRICE), as a multiple of the last trade's.
    #[arg(long, value_name = "MULTIPLIER", value_parser = words::multiplier_ppm)]
    up: Option<u32>,
    /// The lowest price of any order.
    #[arg(long, value_name = "MULTIPLIER", value_parser = words::multiplier_ppm)]
    down: Option<u32>,
}

/// How long a volatility auction lasts when nobody says otherwise.
const VOLATILITY_AUCTION_NS: u64 = 120_000_000_000;

/// Does what was asked.
pub async fn run(place: &Place, command: Command) -> miette::Result<()> {
    match command {
        Command::List => shown::list(place).await,
        Command::Add(args) => listing::add(place, &args).await,
        Command::Show { symbol } => shown::show(place, &symbol).await,
        Command::Change(change) => {
            change.check()?;
            run_change(&place.operator().await?, change).await
        }
    }
}

impl Change {
    /// What can be said of it without asking anybody.
    fn check(&self) -> miette::Result<()> {
        match self {
            Change::Rules(args) if args.filters == Filters::default() => {
                Err(usage("nothing would change; name what shall, such as --tick 0.05"))
            }
            Change::Protect(args) if args.is_empty() => {
                Err(usage("nothing would change; name what shall, such as --dynamic-band 5%"))
            }
            Change::Schedule { steps, .. } => words::schedule(steps).map(drop).map_err(usage),
            Change::Delist { symbol, confirm } if symbol != confirm => {
                Err(usage(format!("--confirm {confirm} does not name {symbol}; nothing was done")))
            }
            _ => Ok(()),
        }
    }
}

impl ProtectArgs {
    fn is_empty(&self) -> bool {
        let ProtectArgs { symbol: _, static_band, dynamic_band, auction, bid_up, bid_down, ask_up, ask_down, up, down } =
            self;
        let named = [static_band, dynamic_band, bid_up, bid_down, ask_up, ask_down, up, down];
        auction.is_none() && named.iter().all(|limit| limit.is_none())
    }
}

async fn run_change(operator: &Operator, change: Change) -> miette::Result<()> {
    match change {
        Change::Phase { symbol, phase: status } => {
            let market = known(operator, &symbol).await?.listed.market;
            operator.must(&wire::Command::SetMarketStatus(SetMarketStatus { market, status })).await?;
            println!("{symbol} goes to {}", words::show_phase(status));
            Ok(())
        }
        Change::Kill { symbol, cancel_orders } => {
            let market = known(operator, &symbol).await?.listed.market;
            operator.must(&wire::Command::KillMarket(KillMarket { market, cancel_orders })).await?;
            println!("{symbol} is halted{}", if cancel_orders { ", its orders are being canceled" } else { "" });
            Ok(())
        }
        Change::Reopen { symbol, cancel_only: cancel_only_ns, auction: auction_ns } => {
            let market = known(operator, &symbol).await?.listed.market;
            let reopen = ReopenMarket { market, cancel_only_ns, auction_ns };
            operator.must(&wire::Command::ReopenMarket(reopen)).await?;
            let [cancel_only, auction] = [cancel_only_ns, auction_ns].map(words::show_duration);
            println!("{symbol} reopens: cancel-only for {cancel_only}, auction for {auction}, then trading");
            Ok(())
        }
        Change::Schedule { symbol, steps } => {
            let schedule = words::schedule(&steps).map_err(usage)?;
            let market = known(operator, &symbol).await?.listed.market;
            operator.must(&wire::Command::SetMarketSchedule(SetMarketSchedule { market, schedule })).await?;
            println!("{symbol} follows {} steps a week", steps.len());
            Ok(())
        }
        Change::Rules(args) => change_rules(operator, &args).await,
        Change::Protect(args) => protect(operator, &args).await,
        Change::Delist { symbol, confirm: _ } => {
            let market = known(operator, &symbol).await?.listed.market;
            operator.must(&wire::Command::DelistMarket(DelistMarket { market })).await?;
            println!("{symbol} is delisted, its orders are being canceled");
            Ok(())
        }
    }
}

/// A market with everything that was ever said about it.
async fn known(operator: &Operator, symbol: &str) -> miette::Result<KnownMarket> {
    known_in(&operator.inventory(|_| false).await?, symbol)
}

fn known_in(inventory: &Inventory, symbol: &str) -> miette::Result<KnownMarket> {
    inventory.markets.get(symbol).copied().ok_or_else(|| {
        let names: Vec<&str> = inventory.markets.keys().map(String::as_str).collect();
        miette::miette!(help = format!("the markets are {}", names.join(", ")), "there is no market {symbol}")
    })
}

async fn change_rules(operator: &Operator, args: &RulesArgs) -> miette::Result<()> {
    let known = known(operator, &args.symbol).await?;
    let rules = args.filters.applied(known.listed.rules, known.listed.scale, known.quote_decimals)?;
    if rules == known.listed.rules {
        miette::bail!("nothing would change: {} has these filters", args.symbol);
    }
    let market = known.listed.market;
    operator.must(&wire::Command::SetMarketRules(Box::new(SetMarketRules { market, rules }))).await?;
    println!("{} has other filters; orders that no longer fit are being canceled", args.symbol);
    Ok(())
}

async fn protect(operator: &Operator, args: &ProtectArgs) -> miette::Result<()> {
    let known = known(operator, &args.symbol).await?;
    let old = known.protection;
    let mut protection = MarketProtection {
        static_band_ppm: args.static_band.unwrap_or(old.static_band_ppm),
        dynamic_band_ppm: args.dynamic_band.unwrap_or(old.dynamic_band_ppm),
        volatility_auction_ns: args.auction.unwrap_or(old.volatility_auction_ns),
        bid_up_ppm: args.bid_up.unwrap_or(old.bid_up_ppm),
        bid_down_ppm: args.bid_down.unwrap_or(old.bid_down_ppm),
        ask_up_ppm: args.ask_up.unwrap_or(old.ask_up_ppm),
        ask_down_ppm: args.ask_down.unwrap_or(old.ask_down_ppm),
        up_ppm: args.up.unwrap_or(old.up_ppm),
        down_ppm: args.down.unwrap_or(old.down_ppm),
    };
    match protection.has_band() {
        false => protection.volatility_auction_ns = 0,
        true if protection.volatility_auction_ns == 0 => protection.volatility_auction_ns = VOLATILITY_AUCTION_NS,
        true => {}
    }
    if !protection.is_consistent() {
        miette::bail!(
            help = "bands are below 100%, an auction lasts up to a day, upper multipliers are at least 1, lower ones at most 1",
            "these limits contradict each other; nothing was done"
        );
    }
    let market = known.listed.market;
    operator.must(&wire::Command::SetMarketProtection(SetMarketProtection { market, protection })).await?;
    println!("{} has other price limits", args.symbol);
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: Command,
    }

    #[test]
    fn what_would_change_nothing_is_refused_before_anybody_is_asked() {
        for line in ["rules BTCUSDT", "protect BTCUSDT", "delist BTCUSDT --confirm ETHUSDT"] {
            let line = Line::try_parse_from(["market"].into_iter().chain(line.split(' '))).unwrap();
            let Command::Change(change) = line.command else { panic!("{line:?}") };
            assert_eq!(crate::report::exit_code(&change.check().unwrap_err()), 2, "{change:?}");
        }
        for line in [
            "rules BTCUSDT --tick 0.05",
            "rules BTCUSDT --max-amends 0",
            "protect BTCUSDT --down 0",
            "schedule BTCUSDT",
        ] {
            let line = Line::try_parse_from(["market"].into_iter().chain(line.split(' '))).unwrap();
            let Command::Change(change) = line.command else { panic!("{line:?}") };
            change.check().unwrap();
        }
        for wrong in ["0s", "0ms", "8d"] {
            assert!(Line::try_parse_from(["market", "reopen", "BTCUSDT", "--auction", wrong]).is_err(), "{wrong}");
        }
        Line::try_parse_from(["market", "reopen", "BTCUSDT", "--cancel-only", "0s", "--auction", "7d"]).unwrap();
    }
}
