//! `mainstay ctl market`: what operators do with markets.

use wire::command::{
    DelistMarket, KillMarket, ReopenMarket, SetMarketProtection, SetMarketRules, SetMarketSchedule, SetMarketStatus,
};
use wire::{Amount, MarketProtection, MarketStatus, Price, Qty, ScheduleStep, decimal};

use crate::operator::{KnownMarket, Operator};

mod words;

/// `mainstay ctl market`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List every market with its partition, its phase and its filters.
    List,
    /// Show one market: phase, schedule, filters and price limits.
    Show {
        /// Which market, `BTCUSDT`.
        symbol: String,
    },
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
        /// How long the auction collects orders.
        #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = words::duration_ns)]
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

/// The filters to change, as decimals of the market's assets. What is not named stays.
#[derive(Debug, clap::Args)]
pub struct RulesArgs {
    /// Which market.
    symbol: String,
    /// Prices are multiples of this.
    #[arg(long, value_name = "PRICE")]
    tick: Option<String>,
    /// The lowest price.
    #[arg(long, value_name = "PRICE")]
    min_price: Option<String>,
    /// The highest price.
    #[arg(long, value_name = "PRICE")]
    max_price: Option<String>,
    /// Quantities are multiples of this.
    #[arg(long, value_name = "QTY")]
    lot: Option<String>,
    /// The smallest quantity of an order.
    #[arg(long, value_name = "QTY")]
    min_qty: Option<String>,
    /// The largest quantity of an order.
    #[arg(long, value_name = "QTY")]
    max_qty: Option<String>,
    /// The largest quantity of a market order.
    #[arg(long, value_name = "QTY")]
    market_max_qty: Option<String>,
    /// The smallest price × quantity.
    #[arg(long, value_name = "AMOUNT")]
    min_notional: Option<String>,
    /// The largest price × quantity.
    #[arg(long, value_name = "AMOUNT")]
    max_notional: Option<String>,
    /// How many orders one account may have open.
    #[arg(long, value_name = "COUNT")]
    max_orders: Option<u32>,
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
    /// The highest price of a buy, as a multiple of the last trade's.
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
}

/// How long a volatility auction lasts when nobody says otherwise.
const VOLATILITY_AUCTION_NS: u64 = 120_000_000_000;

/// Does what was asked.
pub async fn run(operator: &Operator, command: Command) -> miette::Result<()> {
    match command {
        Command::List => list(operator).await,
        Command::Show { symbol } => show(operator, &symbol).await,
        Command::Phase { symbol, phase: status } => {
            let market = known(operator, &symbol).await?.listed.market;
            operator.must(&wire::Command::SetMarketStatus(SetMarketStatus { market, status })).await?;
            println!("{symbol} goes to {}", words::show_phase(status));
            Ok(())
        }
        Command::Kill { symbol, cancel_orders } => {
            let market = known(operator, &symbol).await?.listed.market;
            operator.must(&wire::Command::KillMarket(KillMarket { market, cancel_orders })).await?;
            println!("{symbol} is halted{}", if cancel_orders { ", its orders are being canceled" } else { "" });
            Ok(())
        }
        Command::Reopen { symbol, cancel_only: cancel_only_ns, auction: auction_ns } => {
            let market = known(operator, &symbol).await?.listed.market;
            let reopen = ReopenMarket { market, cancel_only_ns, auction_ns };
            operator.must(&wire::Command::ReopenMarket(reopen)).await?;
            let [cancel_only, auction] = [cancel_only_ns, auction_ns].map(words::show_duration);
            println!("{symbol} reopens: cancel-only for {cancel_only}, auction for {auction}, then trading");
            Ok(())
        }
        Command::Schedule { symbol, steps } => {
            let schedule = words::schedule(&steps).map_err(|why| miette::miette!("{why}"))?;
            let market = known(operator, &symbol).await?.listed.market;
            operator.must(&wire::Command::SetMarketSchedule(SetMarketSchedule { market, schedule })).await?;
            println!("{symbol} follows {} steps a week", steps.len());
            Ok(())
        }
        Command::Rules(args) => change_rules(operator, &args).await,
        Command::Protect(args) => protect(operator, &args).await,
        Command::Delist { symbol, confirm } => {
            if symbol != confirm {
                miette::bail!("--confirm {confirm} does not name {symbol}; nothing was done");
            }
            let market = known(operator, &symbol).await?.listed.market;
            operator.must(&wire::Command::DelistMarket(DelistMarket { market })).await?;
            println!("{symbol} is delisted, its orders are being canceled");
            Ok(())
        }
    }
}

/// A market with everything that was ever said about it.
async fn known(operator: &Operator, symbol: &str) -> miette::Result<KnownMarket> {
    let mut inventory = operator.inventory(|_| false).await?;
    inventory.markets.remove(symbol).ok_or_else(|| {
        let names: Vec<String> = inventory.markets.into_keys().collect();
        miette::miette!(help = format!("the markets are {}", names.join(", ")), "there is no market {symbol}")
    })
}

async fn change_rules(operator: &Operator, args: &RulesArgs) -> miette::Result<()> {
    let known = known(operator, &args.symbol).await?;
    let mut rules = known.listed.rules;
    let scale = known.listed.scale;
    let units = |name: &str, text: &str, decimals: u8| {
        decimal::parse(text, decimals)
            .map_err(|why| miette::miette!("{name} {text}: {why:?} (up to {decimals} decimals)"))
    };
    let bad = |name: &str, text: &str| miette::miette!("{name} {text} is out of bounds");
    for (name, text, place) in [
        ("--tick", &args.tick, &mut rules.tick),
        ("--min-price", &args.min_price, &mut rules.price_min),
        ("--max-price", &args.max_price, &mut rules.price_max),
    ] {
        if let Some(text) = text {
            *place = Price::new(units(name, text, scale.price_decimals)?).ok_or_else(|| bad(name, text))?;
        }
    }
    for (name, text, place) in [
        ("--lot", &args.lot, &mut rules.lot),
        ("--min-qty", &args.min_qty, &mut rules.qty_min),
        ("--max-qty", &args.max_qty, &mut rules.qty_max),
        ("--market-max-qty", &args.market_max_qty, &mut rules.market_qty_max),
    ] {
        if let Some(text) = text {
            *place = Qty::new(units(name, text, scale.qty_decimals)?).ok_or_else(|| bad(name, text))?;
        }
    }
    for (name, text, place) in [
        ("--min-notional", &args.min_notional, &mut rules.notional_min),
        ("--max-notional", &args.max_notional, &mut rules.notional_max),
    ] {
        if let Some(text) = text {
            *place = Amount::new(units(name, text, known.quote_decimals)?).ok_or_else(|| bad(name, text))?;
        }
    }
    // Bounds that were not named follow the grid inwards.
    let (tick, lot) = (rules.tick.units(), rules.lot.units());
    if args.min_price.is_none() && tick > 0 {
        rules.price_min = Price::new(up(rules.price_min.units(), tick)).unwrap_or(rules.price_min);
    }
    if args.max_price.is_none() && tick > 0 {
        rules.price_max = Price::new(down(rules.price_max.units(), tick)).unwrap_or(rules.price_max);
    }
    if lot > 0 {
        if args.min_qty.is_none() {
            rules.qty_min = Qty::new(up(rules.qty_min.units(), lot)).unwrap_or(rules.qty_min);
        }
        for (is_named, place) in
            [(args.max_qty.is_some(), &mut rules.qty_max), (args.market_max_qty.is_some(), &mut rules.market_qty_max)]
        {
            if !is_named {
                *place = Qty::new(down(place.units(), lot)).unwrap_or(*place);
            }
        }
    }
    rules.open_orders_max = args.max_orders.unwrap_or(rules.open_orders_max);
    if rules == known.listed.rules {
        miette::bail!("nothing would change; name what shall, such as --tick 0.05");
    }
    if !rules.is_consistent() {
        miette::bail!(
            help = "minima and maxima are multiples of the tick or the lot, and no minimum exceeds its maximum",
            "these filters contradict each other; nothing was done"
        );
    }
    let market = known.listed.market;
    operator.must(&wire::Command::SetMarketRules(Box::new(SetMarketRules { market, rules }))).await?;
    println!("{} has other filters; orders that no longer fit are being canceled", args.symbol);
    Ok(())
}

/// The first multiple of `grid` from `units` on.
fn up(units: i64, grid: i64) -> i64 {
    let over = units % grid;
    if over == 0 { units } else { units.saturating_add(grid - over) }
}

/// The last multiple of `grid` up to `units`.
fn down(units: i64, grid: i64) -> i64 {
    units - units % grid
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

async fn list(operator: &Operator) -> miette::Result<()> {
    let inventory = operator.inventory(|_| false).await?;
    let mut markets: Vec<_> = inventory.markets.values().collect();
    markets.sort_by_key(|known| known.listed.market);
    let [tick, lot, max] = ["tick", "lot", "max qty"];
    println!("{:<20}  {:>9}  {:<11}  {tick:>14}  {lot:>14}  {max:>14}", "symbol", "partition", "phase");
    for KnownMarket { listed, status, .. } in markets {
        let price = |units| decimal::format(units, listed.scale.price_decimals, 0);
        let qty = |units| decimal::format(units, listed.scale.qty_decimals, 0);
        let rules = &listed.rules;
        println!(
            "{:<20}  {:>9}  {:<11}  {:>14}  {:>14}  {:>14}",
            listed.symbol.as_str(),
            listed.partition,
            words::show_phase(*status),
            price(rules.tick.units()),
            qty(rules.lot.units()),
            qty(rules.qty_max.units()),
        );
    }
    Ok(())
}

async fn show(operator: &Operator, symbol: &str) -> miette::Result<()> {
    let KnownMarket { listed, status, protection, schedule, quote_decimals } = known(operator, symbol).await?;
    let price = |price: Price| decimal::format(price.units(), listed.scale.price_decimals, 0);
    let qty = |qty: Qty| decimal::format(qty.units(), listed.scale.qty_decimals, 0);
    let amount = |amount: Amount| decimal::format(amount.units(), quote_decimals, 0);
    let rules = &listed.rules;
    println!("{symbol}: {}, partition {}", words::show_phase(status), listed.partition);
    println!("  price      {} to {}, tick {}", price(rules.price_min), price(rules.price_max), price(rules.tick));
    println!("  quantity   {} to {}, lot {}", qty(rules.qty_min), qty(rules.qty_max), qty(rules.lot));
    println!("  market     up to {}", qty(rules.market_qty_max));
    println!("  notional   {} to {}", amount(rules.notional_min), amount(rules.notional_max));
    println!("  orders     up to {} of an account", rules.open_orders_max);
    let percent = |ppm: u32| decimal::format(ppm.into(), 4, 0);
    for (name, ppm) in [("static", protection.static_band_ppm), ("dynamic", protection.dynamic_band_ppm)] {
        if ppm != 0 {
            let auction = words::show_duration(protection.volatility_auction_ns);
            println!("  band       {name} {}%, auction {auction}", percent(ppm));
        }
    }
    if protection.has_price_filter() {
        let times = |ppm: u32| if ppm == 0 { "any".into() } else { decimal::format(ppm.into(), 6, 0) };
        let MarketProtection { bid_up_ppm, bid_down_ppm, ask_up_ppm, ask_down_ppm, .. } = protection;
        println!("  buys       {} to {} of the last trade", times(bid_down_ppm), times(bid_up_ppm));
        println!("  sells      {} to {} of the last trade", times(ask_down_ppm), times(ask_up_ppm));
    }
    for step in schedule.steps.iter().filter(|step| step.weekdays != 0) {
        println!("  schedule   {} UTC", words::show_step(step));
    }
    Ok(())
}
