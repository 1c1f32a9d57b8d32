//! Filters of a market, as decimals of its assets.

use wire::{Amount, BasisPoints, MarketRules, MarketScale, Price, Qty, decimal};

use super::words;
use crate::demo::bootstrap::not_a_number;
use crate::report::usage;

/// What is not named stays, or is as widely as can be.
#[derive(Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Filters {
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
    /// How many stop orders one account may have open (MAX_NUM_ALGO_ORDERS).
    #[arg(long, value_name = "COUNT")]
    max_stop_orders: Option<u32>,
    /// How many icebergs one account may have open (MAX_NUM_ICEBERG_ORDERS); 0 for any number.
    #[arg(long, value_name = "COUNT")]
    max_icebergs: Option<u32>,
    /// How many slices an iceberg may have (ICEBERG_PARTS).
    #[arg(long, value_name = "COUNT")]
    max_iceberg_parts: Option<u32>,
    /// How many order lists one account may have open (MAX_NUM_ORDER_LISTS).
    #[arg(long, value_name = "COUNT")]
    max_order_lists: Option<u32>,
    /// How often one order may be amended (MAX_NUM_ORDER_AMENDS); 0 for never.
    #[arg(long, value_name = "COUNT")]
    max_amends: Option<u16>,
    /// The smallest trailing delta, in basis points (TRAILING_DELTA).
    #[arg(long, value_name = "POINTS")]
    min_trailing_delta: Option<u16>,
    /// The largest trailing delta, in basis points.
    #[arg(long, value_name = "POINTS")]
    max_trailing_delta: Option<u16>,
    /// The smallest price × quantity by the older filter MIN_NOTIONAL, beside --min-notional (NOTIONAL); 0 for none.
    #[arg(long, value_name = "AMOUNT")]
    least_notional: Option<String>,
    /// Whether market orders have to reach --least-notional as well (applyToMarket).
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set)]
    least_notional_to_market: Option<bool>,
    /// How far from the best opposite price a market order may trade.
    #[arg(long, value_name = "PERCENT", value_parser = words::percent_ppm)]
    protection: Option<u32>,
}

impl Filters {
    /// The rules with what is named in its place; an error when they contradict each other.
    pub fn applied(
        &self,
        mut rules: MarketRules,
        scale: MarketScale,
        quote_decimals: u8,
    ) -> miette::Result<MarketRules> {
        let units = |name: &str, text: &str, decimals: u8| {
            decimal::parse(text, decimals)
                .map_err(|why| usage(format!("{name} {text} {}", not_a_number(why, decimals))))
        };
        let bad = |name: &str, text: &str| usage(format!("{name} {text} is out of bounds"));
        for (name, text, place) in [
            ("--tick", &self.tick, &mut rules.tick),
            ("--min-price", &self.min_price, &mut rules.price_min),
            ("--max-price", &self.max_price, &mut rules.price_max),
        ] {
            if let Some(text) = text {
                *place = Price::new(units(name, text, scale.price_decimals)?).ok_or_else(|| bad(name, text))?;
            }
        }
        for (name, text, place) in [
            ("--lot", &self.lot, &mut rules.lot),
            ("--min-qty", &self.min_qty, &mut rules.qty_min),
            ("--max-qty", &self.max_qty, &mut rules.qty_max),
            ("--market-max-qty", &self.market_max_qty, &mut rules.market_qty_max),
        ] {
            if let Some(text) = text {
                *place = Qty::new(units(name, text, scale.qty_decimals)?).ok_or_else(|| bad(name, text))?;
            }
        }
        for (name, text, place) in [
            ("--min-notional", &self.min_notional, &mut rules.notional_min),
            ("--max-notional", &self.max_notional, &mut rules.notional_max),
            ("--least-notional", &self.least_notional, &mut rules.special.min_notional),
        ] {
            if let Some(text) = text {
                *place = Amount::new(units(name, text, quote_decimals)?).ok_or_else(|| bad(name, text))?;
            }
        }
        // Bounds that were not named follow the grid inwards.
        let (tick, lot) = (rules.tick.units(), rules.lot.units());
        if self.min_price.is_none() && tick > 0 {
            rules.price_min = Price::new(up(rules.price_min.units(), tick)).unwrap_or(rules.price_min);
        }
        if self.max_price.is_none() && tick > 0 {
            rules.price_max = Price::new(down(rules.price_max.units(), tick)).unwrap_or(rules.price_max);
        }
        if lot > 0 {
            if self.min_qty.is_none() {
                rules.qty_min = Qty::new(up(rules.qty_min.units(), lot)).unwrap_or(rules.qty_min);
            }
            for (is_named, place) in [
                (self.max_qty.is_some(), &mut rules.qty_max),
                (self.market_max_qty.is_some(), &mut rules.market_qty_max),
            ] {
                if !is_named {
                    *place = Qty::new(down(place.units(), lot)).unwrap_or(*place);
                }
            }
        }
        let special = &mut rules.special;
        special.stop_orders_max = self.max_stop_orders.unwrap_or(special.stop_orders_max);
        special.iceberg_orders_max = self.max_icebergs.unwrap_or(special.iceberg_orders_max);
        special.iceberg_parts_max = self.max_iceberg_parts.unwrap_or(special.iceberg_parts_max);
        special.order_lists_max = self.max_order_lists.unwrap_or(special.order_lists_max);
        special.order_amends_max = self.max_amends.unwrap_or(special.order_amends_max);
        for (name, points, place) in [
            ("--min-trailing-delta", self.min_trailing_delta, &mut special.trailing_delta_min),
            ("--max-trailing-delta", self.max_trailing_delta, &mut special.trailing_delta_max),
        ] {
            if let Some(points) = points {
                *place = BasisPoints::new(points).ok_or_else(|| bad(name, &points.to_string()))?;
            }
        }
        special.min_notional_of_market = match self.least_notional_to_market {
            Some(true) if special.min_notional.is_zero() => {
                return Err(usage("--least-notional-to-market needs --least-notional; nothing was done"));
            }
            Some(of_market) => of_market,
            // Taken away with the filter.
            None => special.min_notional_of_market && !special.min_notional.is_zero(),
        };
        rules.open_orders_max = self.max_orders.unwrap_or(rules.open_orders_max);
        rules.protection_ppm = self.protection.unwrap_or(rules.protection_ppm);
        if !rules.is_consistent() {
            miette::bail!(
                help = "minima and maxima are multiples of the tick or the lot, no minimum exceeds its maximum, and a protection is \
                        above 0% and below 100%",
                "these filters contradict each other; nothing was done"
            );
        }
        Ok(rules)
    }

    /// Whether it is said what the largest price and the largest quantity are.
    pub fn has_bounds(&self) -> bool {
        self.max_price.is_some() && self.max_qty.is_some()
    }
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
