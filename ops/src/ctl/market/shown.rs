//! Markets as operators see them.

use std::collections::BTreeMap;
use std::time::Duration;

use gateway::market_data::interval::date_text;
use serde::Deserialize;
use wire::{Amount, MarketProtection, MarketStatus, Price, Qty, decimal};

use super::super::{Place, fees};
use super::{known_in, words};
use crate::http;
use crate::operator::{Inventory, KnownMarket};

/// A gateway that takes longer is asked no more.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What a gateway says of a market's phase: the ledger does not know when one ends.
#[derive(Debug, Clone, Deserialize)]
pub struct Phase {
    symbol: String,
    /// When it ends, in milliseconds since 1970; 0 when nothing but an operator ends it.
    until: u64,
}

/// By symbol; without any, no gateway answers.
pub async fn phases(place: &Place) -> miette::Result<BTreeMap<String, Phase>> {
    for gateway in place.state()?.gateways {
        let answer = http::get(&format!("{}/api/v3/marketStatus", gateway.rest), ANSWER_WITHIN).await;
        if let Some((200, body)) = answer
            && let Ok(phases) = serde_json::from_slice::<Vec<Phase>>(&body)
        {
            return Ok(phases.into_iter().map(|phase| (phase.symbol.clone(), phase)).collect());
        }
    }
    eprintln!("no gateway answers: whether a phase ends by itself, and when, is not known");
    Ok(BTreeMap::new())
}

/// When the phase ends, if something ends it: a plan, such as a reopening's, or a schedule. Which of them is not told.
fn end(phase: Option<&Phase>) -> Option<String> {
    let Phase { until, .. } = phase.filter(|phase| phase.until > 0)?;
    Some(format!("until {} UTC", date_text(*until)))
}

/// Every market that there is or was.
pub async fn list(place: &Place) -> miette::Result<()> {
    let operator = place.operator().await?;
    let (inventory, phases) = (operator.inventory(|_| false).await?, phases(place).await?);
    let mut markets: Vec<_> = inventory.markets.values().collect();
    markets.sort_by_key(|known| known.listed.market);
    let [tick, lot, max] = ["tick", "lot", "max qty"];
    println!("{:<20}  {:>9}  {:<11}  {tick:>14}  {lot:>14}  {max:>14}  ends", "symbol", "partition", "phase");
    for KnownMarket { listed, status, .. } in markets {
        let price = |units| decimal::format(units, listed.scale.price_decimals, 0);
        let qty = |units| decimal::format(units, listed.scale.qty_decimals, 0);
        let rules = &listed.rules;
        println!(
            "{:<20}  {:>9}  {:<11}  {:>14}  {:>14}  {:>14}  {}",
            listed.symbol.as_str(),
            listed.partition,
            words::show_phase(*status),
            price(rules.tick.units()),
            qty(rules.lot.units()),
            qty(rules.qty_max.units()),
            end(phases.get(listed.symbol.as_str())).unwrap_or_else(|| "-".to_owned()),
        );
    }
    Ok(())
}

/// One market, with everything that was ever said about it.
pub async fn show(place: &Place, symbol: &str) -> miette::Result<()> {
    let inventory = place.operator().await?.inventory(|_| false).await?;
    let phases = phases(place).await?;
    print!("{}", text(&inventory, known_in(&inventory, symbol)?, phases.get(symbol)));
    Ok(())
}

fn text(inventory: &Inventory, known: KnownMarket, phase: Option<&Phase>) -> String {
    let KnownMarket { listed, status, protection, schedule, quote_decimals } = known;
    let price = |price: Price| decimal::format(price.units(), listed.scale.price_decimals, 0);
    let qty = |qty: Qty| decimal::format(qty.units(), listed.scale.qty_decimals, 0);
    let amount = |amount: Amount| decimal::format(amount.units(), quote_decimals, 0);
    let rules = &listed.rules;
    let name =
        |asset| inventory.assets.values().find(|known| known.asset == asset).map_or("?", |it| it.symbol.as_str());
    let mut lines = vec![format!("{}: {}, partition {}", listed.symbol, words::show_phase(status), listed.partition)];
    lines.extend(end(phase).map(|end| format!("  {:<10} {end}", "phase")));
    if status == MarketStatus::Delisted {
        return lines.join("\n") + "\n";
    }
    lines.push(format!("  assets     {} for {}", name(listed.base), name(listed.quote)));
    lines.push(format!(
        "  price      {} to {}, tick {}",
        price(rules.price_min),
        price(rules.price_max),
        price(rules.tick)
    ));
    lines.push(format!("  quantity   {} to {}, lot {}", qty(rules.qty_min), qty(rules.qty_max), qty(rules.lot)));
    let protection_percent = decimal::format(rules.protection_ppm.into(), 4, 0);
    lines.push(format!(
        "  market     up to {}, within {protection_percent}% of the best price",
        qty(rules.market_qty_max)
    ));
    lines.push(format!("  notional   {} to {}", amount(rules.notional_min), amount(rules.notional_max)));
    let special = &rules.special;
    if special.has_min_notional(false) {
        let of_market = if special.min_notional_of_market { "market orders too" } else { "but of market orders" };
        lines.push(format!("  least      notional {}, {of_market}", amount(special.min_notional)));
    }
    lines.push(format!("  orders     up to {} of an account", rules.open_orders_max));
    let icebergs = match special.iceberg_orders_max {
        0 => "any number of icebergs".to_owned(),
        most => format!("{most} icebergs"),
    };
    lines.push(format!(
        "             of them {} stop orders, {icebergs} in up to {} parts; {} lists",
        special.stop_orders_max, special.iceberg_parts_max, special.order_lists_max
    ));
    let (least, most) = (special.trailing_delta_min.get(), special.trailing_delta_max.get());
    lines.push(format!(
        "             amended up to {} times; trailing by {least} to {most} basis points",
        special.order_amends_max
    ));
    let of_everybody = (wire::AccountId::new(0), listed.market);
    if let Some(limits) = inventory.settings.order_limits.get(&of_everybody) {
        let base = inventory.assets.values().find(|known| known.asset == listed.base);
        let most = decimal::format(limits.position_max.units(), base.map_or(0, |base| base.ledger_decimals), 0);
        lines.push(format!("  position   up to {most} {} of every account", name(listed.base)));
    }
    if let Some(rates) = inventory.settings.market_rates(listed.market) {
        lines.push(format!("  fees       {}", fees::shown(rates)));
    }
    let percent = |ppm: u32| decimal::format(ppm.into(), 4, 0);
    for (name, ppm) in [("static", protection.static_band_ppm), ("dynamic", protection.dynamic_band_ppm)] {
        if ppm != 0 {
            let auction = words::show_duration(protection.volatility_auction_ns);
            lines.push(format!("  band       {name} {}%, auction {auction}", percent(ppm)));
        }
    }
    let times = |ppm: u32| if ppm == 0 { "any".into() } else { decimal::format(ppm.into(), 6, 0) };
    if protection.has_filter_of_both() {
        let MarketProtection { up_ppm, down_ppm, .. } = protection;
        lines.push(format!("  prices     {} to {} of the last trade", times(down_ppm), times(up_ppm)));
    }
    if protection.has_filter_by_side() {
        let MarketProtection { bid_up_ppm, bid_down_ppm, ask_up_ppm, ask_down_ppm, .. } = protection;
        lines.push(format!("  buys       {} to {} of the last trade", times(bid_down_ppm), times(bid_up_ppm)));
        lines.push(format!("  sells      {} to {} of the last trade", times(ask_down_ppm), times(ask_up_ppm)));
    }
    for step in schedule.steps.iter().filter(|step| step.weekdays != 0) {
        lines.push(format!("  schedule   {} UTC", words::show_step(step)));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_that_ends_by_itself_is_told_with_its_end() {
        let phase = |until| Phase { symbol: "X".into(), until };
        assert_eq!(end(Some(&phase(1_795_352_525_000))).unwrap(), "until 2026-11-22 13:02:05 UTC");
        assert_eq!(end(Some(&phase(0))), None);
        assert_eq!(end(None), None);
    }
}
