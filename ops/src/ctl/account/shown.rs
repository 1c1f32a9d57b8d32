//! One account, with everything that operators have said of it.

use wire::event::{AccountLimitsChanged, AccountOpened, OrderLimitsChanged};
use wire::{AccountId, AssetId, MarketId, decimal};

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
    for (market, rates) in settings.everybodys_rates(id) {
        line("", format!("in {}, as everybody: {}", symbol_of(known, market), fees::shown(rates)));
    }
    match settings.limits.get(&id) {
        None => line("limits", "none over all markets".to_owned()),
        Some(limits) => line("limits", over_all_markets(limits)),
    }
    let everybody = AccountId::new(0);
    if let Some(limits) = settings.limits.get(&everybody) {
        line("", format!("as everybody: {}", over_all_markets(limits)));
    }
    for ((whose, asset), max) in &settings.asset_limits {
        let (symbol, decimals) = asset_of(known, *asset);
        let said = format!("an order up to {} {symbol}", decimal::format(max.units(), decimals, 0));
        match *whose {
            whose if whose == id => line("", said),
            whose if whose == everybody => line("", format!("as everybody: {said}")),
            _ => {}
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

fn over_all_markets(limits: &AccountLimitsChanged) -> String {
    let counts = [
        (limits.open_orders_max, "open orders"),
        (limits.stop_orders_max, "open stop orders"),
        (limits.iceberg_orders_max, "open icebergs"),
        (limits.order_lists_max, "open order lists"),
    ];
    let set = counts.into_iter().filter(|(max, _)| *max > 0);
    let mut said: Vec<String> = set.map(|(max, what)| format!("{max} {what}")).collect();
    if limits.order_rate_max > 0 {
        said.push(format!("{} new orders in {} ms", limits.order_rate_max, limits.order_rate_window_ms));
    }
    said.join(", ")
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

#[cfg(test)]
mod tests {
    use wire::event::{
        AccountAssigned, AccountLimitsChanged, ApiKeyAdded, AssetLimitChanged, AssetListed, BalanceChanged,
        FeesChanged, KillSwitchChanged, MarketListed,
    };
    use wire::{
        AccountId, AccountName, Amount, ApiKeyId, ApiKeyText, Event, FeeRate, FirmId, MarketRules, MarketScale,
        PartitionId, Price, Qty, Secret, SignedFeeRate, SpecialRules, Symbol, TradeGroupId,
    };

    use super::*;

    const ERIN: AccountId = AccountId::new(8);

    fn amount(units: i64) -> Amount {
        Amount::new(units).unwrap()
    }

    fn listed() -> Vec<Event> {
        let asset = |id, symbol: &str, ledger_decimals| {
            let symbol = Symbol::new(symbol.as_bytes()).unwrap();
            Event::AssetListed(AssetListed { asset: AssetId::new(id), symbol, ledger_decimals })
        };
        let one = Qty::new(1).unwrap();
        let rules = MarketRules {
            tick: Price::MIN,
            price_min: Price::MIN,
            price_max: Price::MAX,
            lot: one,
            qty_min: one,
            qty_max: one,
            market_qty_max: one,
            notional_min: Amount::ZERO,
            notional_max: Amount::MAX,
            protection_ppm: 50_000,
            open_orders_max: 200,
            special: SpecialRules::default(),
        };
        let market = MarketListed {
            market: MarketId::new(1),
            symbol: Symbol::new(b"BTCUSDT").unwrap(),
            base: AssetId::new(1),
            quote: AssetId::new(2),
            partition: PartitionId::new(2),
            scale: MarketScale::new(2, 5, 10, 8).unwrap(),
            rules,
        };
        let fee = FeeRate::new(1_000).unwrap();
        let name = AccountName::new(b"erin").unwrap();
        vec![
            asset(1, "BTC", 10),
            asset(2, "USDT", 8),
            Event::MarketListed(Box::new(market)),
            Event::AccountOpened(AccountOpened { account: ERIN, name, maker_fee: fee, taker_fee: fee }),
        ]
    }

    fn shown(more: Vec<Event>) -> Vec<String> {
        let known = Inventory::told(listed().into_iter().chain(more));
        text(&known, &known.accounts["erin"]).lines().map(str::to_owned).collect()
    }

    #[test]
    fn an_account_of_which_nothing_was_said_has_what_it_was_opened_with() {
        assert_eq!(
            shown(Vec::new()),
            [
                "erin: account 8",
                "  group      none, firm none",
                "  fees       maker 1000 ppm, taker 1000 ppm",
                "  limits     none over all markets",
            ]
        );
    }

    #[test]
    fn everything_that_was_set_is_told() {
        let key = ApiKeyText::new(&[b'K'; 64]).unwrap();
        let added = ApiKeyAdded {
            account: ERIN,
            key,
            kind: wire::command::ApiKeyKind::Ed25519,
            permissions: wire::command::Permissions::READ,
            secret: Secret::new(&[1; 32]).unwrap(),
            id: ApiKeyId::new(3),
        };
        let (maker, taker) = (SignedFeeRate::new(-100).unwrap(), FeeRate::new(50).unwrap());
        let market = MarketId::new(1);
        let said = shown(vec![
            Event::BalanceChanged(BalanceChanged {
                account: ERIN,
                asset: AssetId::new(2),
                free: amount(100_000_000_000),
                held: amount(50_000_000),
            }),
            Event::AccountAssigned(AccountAssigned {
                account: ERIN,
                group: TradeGroupId::new(3),
                firm: FirmId::new(9),
            }),
            Event::FeesChanged(FeesChanged { account: ERIN, market, maker, taker, is_set: true }),
            Event::AccountLimitsChanged(AccountLimitsChanged {
                account: ERIN,
                open_orders_max: 2,
                stop_orders_max: 3,
                iceberg_orders_max: 4,
                order_lists_max: 6,
                order_rate_max: 5,
                order_rate_window_ms: 1_000,
            }),
            Event::OrderLimitsChanged(OrderLimitsChanged {
                account: ERIN,
                market,
                qty_max: Qty::new(100_000).unwrap(),
                notional_max: amount(100_000_000_000),
                position_max: amount(50_000_000_000),
            }),
            Event::AccountLimitsChanged(AccountLimitsChanged {
                account: AccountId::new(0),
                open_orders_max: 9,
                stop_orders_max: 0,
                iceberg_orders_max: 0,
                order_lists_max: 0,
                order_rate_max: 0,
                order_rate_window_ms: 0,
            }),
            Event::AssetLimitChanged(AssetLimitChanged {
                account: ERIN,
                asset: AssetId::new(2),
                order_max: amount(4_250_000_000),
            }),
            Event::ApiKeyAdded(Box::new(added)),
            Event::KillSwitchChanged(KillSwitchChanged { account: ERIN, key: ApiKeyId::new(3), is_engaged: true }),
            Event::KillSwitchChanged(KillSwitchChanged { account: ERIN, key: ApiKeyId::default(), is_engaged: true }),
        ]);
        assert_eq!(
            said,
            [
                "erin: account 8, KILLED: everything is refused".to_owned(),
                "  has        1000.5 USDT, free and held".to_owned(),
                "  group      3, firm 9".to_owned(),
                "  fees       maker 1000 ppm, taker 1000 ppm".to_owned(),
                "             in BTCUSDT: maker -100 ppm, taker 50 ppm".to_owned(),
                "  limits     2 open orders, 3 open stop orders, 4 open icebergs, 6 open order lists, 5 new orders in 1000 ms"
                    .to_owned(),
                "             as everybody: 9 open orders".to_owned(),
                "             an order up to 42.5 USDT".to_owned(),
                "             in BTCUSDT: an order up to 1 BTC, an order up to 1000 USDT, a position up to 5 BTC"
                    .to_owned(),
                format!("  key        {key}, KILLED"),
            ]
        );
    }
}
