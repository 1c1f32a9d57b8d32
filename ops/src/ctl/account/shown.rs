//! One account, with everything that operators have said of it.

use wire::event::{AccountOpened, OrderLimitsChanged};
use wire::{AssetId, MarketId, decimal};

use super::super::fees;
use crate::operator::{Inventory, Operator};

/// Prints it.
pub async fn show(operator: &Operator, name: &str) -> miette::Result<()> {
    let inventory = operator.inventory(|_| false).await?;
    let opened = inventory.accounts.get(name).ok_or_else(|| miette::miette!("there is no account {name}"))?;
    print!("{}", text(&inventory, opened));
    Ok(())
}

fn text(known: &Inventory, opened: &AccountOpened) -> String {
    let (id, settings) = (opened.account, &known.settings);
    let state = if settings.is_killed(id) { ", KILLED: everything is refused" } else { "" };
    let mut lines = vec![format!("{}: account {id}{state}", opened.name)];
    let mut line = |what: &str, said: String| lines.push(format!("  {what:<11}{said}"));
    for ((_, asset), units) in known.balances.range((id, AssetId::new(0))..).take_while(|((of, _), _)| *of == id) {
        let (symbol, decimals) = asset_of(known, *asset);
        let mut shown = String::new();
        decimal::push_wide(&mut shown, *units, decimals, 0);
        line("has", format!("{shown} {symbol}, free and held"));
    }
    let (group, firm) = settings.assigned.get(&id).copied().unwrap_or_default();
    let or_none = |id: u32| if id == 0 { "none".to_owned() } else { id.to_string() };
    line("group", format!("{}, firm {}", or_none(group.get().into()), or_none(firm.get())));
    line("fees", fees::shown(settings.rates(opened)));
    if let Some((tier, volume)) = settings.reached.get(&id) {
        let (symbol, decimals) = settings.valuation.map_or(("?", 0), |asset| asset_of(known, asset));
        let volume = decimal::format(volume.units(), decimals, 0);
        line("", format!("tier {tier} by a 30-day volume of {volume} {symbol} when it came to it"));
    }
    for (market, rates) in settings.pair_rates(id) {
        line("", format!("in {}: {}", symbol_of(known, market), fees::shown(rates)));
    }
    match settings.limits.get(&id) {
        None => line("limits", "none over all markets".to_owned()),
        Some(limits) => {
            let mut said = Vec::new();
            if limits.open_orders_max > 0 {
                said.push(format!("{} open orders", limits.open_orders_max));
            }
            if limits.order_rate_max > 0 {
                said.push(format!("{} new orders in {} ms", limits.order_rate_max, limits.order_rate_window_ms));
            }
            line("limits", said.join(", "));
        }
    }
    for limits in settings.order_limits.values().filter(|limits| limits.account == id) {
        line("", format!("in {}: {}", symbol_of(known, limits.market), of_orders(known, limits)));
    }
    for key in known.api_keys.values().filter(|key| key.added.account == id) {
        let killed = if settings.killed.contains(&(id, key.added.id)) { ", KILLED" } else { "" };
        line("key", format!("{}{killed}", key.added.key));
    }
    lines.join("\n") + "\n"
}

fn of_orders(known: &Inventory, limits: &OrderLimitsChanged) -> String {
    let market = known.markets.values().find(|known| known.listed.market == limits.market);
    let Some(listed) = market.map(|market| &market.listed) else { return "?".to_owned() };
    let ((base, base_decimals), (quote, quote_decimals)) =
        (asset_of(known, listed.base), asset_of(known, listed.quote));
    let mut said = Vec::new();
    if !limits.qty_max.is_zero() {
        let qty = decimal::format(limits.qty_max.units(), listed.scale.qty_decimals, 0);
        said.push(format!("an order up to {qty} {base}"));
    }
    if !limits.notional_max.is_zero() {
        said.push(format!(
            "an order up to {} {quote}",
            decimal::format(limits.notional_max.units(), quote_decimals, 0)
        ));
    }
    if !limits.position_max.is_zero() {
        said.push(format!(
            "a position up to {} {base}",
            decimal::format(limits.position_max.units(), base_decimals, 0)
        ));
    }
    said.join(", ")
}

fn asset_of(known: &Inventory, asset: AssetId) -> (&str, u8) {
    let found = known.assets.values().find(|known| known.asset == asset);
    found.map_or(("?", 0), |listed| (listed.symbol.as_str(), listed.ledger_decimals))
}

fn symbol_of(known: &Inventory, market: MarketId) -> String {
    let found = known.markets.values().find(|known| known.listed.market == market);
    found.map_or_else(|| market.to_string(), |known| known.listed.symbol.to_string())
}
