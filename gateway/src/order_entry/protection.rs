//! The protection price of market orders: how far from the best opposite price one may trade.

use wire::{Price, Side};

use crate::market_data::Best;
use crate::reference::Market;

/// The worst price a market order may trade at: `protection_ppm` beyond the best opposite price, or beyond
/// the last trade's while the opposite side is empty, on the tick and within the price filter.
pub fn price(market: &Market, side: Side, best: Best, last: Option<Price>) -> Price {
    let rules = &market.rules;
    let opposite = match side {
        Side::Buy => best.ask,
        Side::Sell => best.bid,
    };
    let Some(from) = opposite.map(|(price, _)| price).or(last) else {
        // Nothing to measure from: whatever the filter allows.
        return match side {
            Side::Buy => rules.price_max,
            Side::Sell => rules.price_min,
        };
    };
    beyond(market, side, from)
}

/// `protection_ppm` beyond a price, on the tick and within the price filter.
pub fn beyond(market: &Market, side: Side, from: Price) -> Price {
    let rules = &market.rules;
    let tick = i128::from(rules.tick.units());
    let from = i128::from(from.units());
    let distance = from * i128::from(rules.protection_ppm) / 1_000_000;
    let worst = match side {
        Side::Buy => (from + distance) / tick * tick,
        Side::Sell => (from - distance + tick - 1) / tick * tick,
    };
    let (least, most) = (i128::from(rules.price_min.units()), i128::from(rules.price_max.units()));
    let worst = worst.clamp(least, most);
    i64::try_from(worst).ok().and_then(Price::new).unwrap_or(rules.price_max)
}

#[cfg(test)]
mod tests;
