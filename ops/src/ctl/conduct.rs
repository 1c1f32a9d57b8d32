//! What an account may do: `mainstay ctl account assign|limits|order-limits|asset-limit|kill|release`.

use wire::command::{AssignAccount, SetAccountLimits, SetAssetLimit, SetKillSwitch, SetOrderLimits};
use wire::{AccountId, ApiKeyText, FirmId, Qty, TradeGroupId};

use crate::demo::bootstrap::{not_a_number, parse_amount};
use crate::operator::{Inventory, Operator};
use crate::report::usage;

/// Something about an account's conduct.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Put an account into a trade group, whose accounts do not trade with each other, and a firm, which gets its drop
    /// copy.
    Assign {
        /// Which account.
        name: String,
        /// Its trade group; 0 for none.
        #[arg(long, value_name = "ID", default_value_t = 0)]
        group: u16,
        /// Its firm; 0 for none.
        #[arg(long, value_name = "ID", default_value_t = 0)]
        firm: u32,
    },
    /// Bound what an account does over all markets, in place of what was said before. Where every account has a limit of a kind as
    /// well, the lower one holds.
    Limits {
        /// Which account; `*` for every account, without a rate.
        name: String,
        /// Open orders (EXCHANGE_MAX_NUM_ORDERS); 0 for no limit.
        #[arg(long, value_name = "COUNT", default_value_t = 0)]
        open_orders: u32,
        /// Open stop orders (EXCHANGE_MAX_NUM_ALGO_ORDERS); 0 for no limit.
        #[arg(long, value_name = "COUNT", default_value_t = 0)]
        stop_orders: u32,
        /// Open icebergs (EXCHANGE_MAX_NUM_ICEBERG_ORDERS); 0 for no limit.
        #[arg(long, value_name = "COUNT", default_value_t = 0)]
        icebergs: u32,
        /// Open order lists (EXCHANGE_MAX_NUM_ORDER_LISTS); 0 for no limit.
        #[arg(long, value_name = "COUNT", default_value_t = 0)]
        order_lists: u32,
        /// New orders in one window; 0 for no limit.
        #[arg(long, value_name = "COUNT", default_value_t = 0, requires = "window_ms")]
        order_rate: u32,
        /// How long a window is, in milliseconds.
        #[arg(long, value_name = "MS", default_value_t = 0, requires = "order_rate")]
        window_ms: u32,
    },
    /// Bound what an account does in one market, in place of what was said before.
    OrderLimits {
        /// Which account; `*` for the position of every account.
        name: String,
        /// Which market, `BTCUSDT`.
        market: String,
        /// Base quantity of one order, `2.5`; 0 for no limit.
        #[arg(long, value_name = "QTY", default_value = "0")]
        qty: String,
        /// Notional of one order, in the quote asset; 0 for no limit.
        #[arg(long, value_name = "AMOUNT", default_value = "0")]
        notional: String,
        /// What it owns of the base asset and what its open buys would bring, together; 0 for no limit.
        #[arg(long, value_name = "AMOUNT", default_value = "0")]
        position: String,
    },
    /// Bound how much of an asset one order moves (MAX_ASSET): the base's quantity, the quote's notional.
    AssetLimit {
        /// Which account; `*` for every account. Of two limits the lower one holds.
        name: String,
        /// Which asset, `USDT`.
        asset: String,
        /// How much of it; 0 for no limit.
        #[arg(long, value_name = "AMOUNT")]
        order: String,
    },
    /// Engage an account's kill switch: everything open is canceled and nothing is accepted.
    Kill {
        /// Which account.
        name: String,
    },
    /// Release an account's kill switch.
    Release {
        /// Which account.
        name: String,
    },
}

/// Who stands for every account.
pub(super) const EVERYBODY: &str = "*";

/// Does what was asked.
pub async fn run(operator: &Operator, command: Command) -> miette::Result<()> {
    match command {
        Command::Assign { name, group, firm } => {
            let account = id_of(operator, &name).await?;
            let (group, firm) = (TradeGroupId::new(group), FirmId::new(firm));
            operator.must(&wire::Command::AssignAccount(AssignAccount { account, group, firm })).await?;
            println!("{name} is in trade group {group} and firm {firm}");
            Ok(())
        }
        Command::Limits { name, open_orders, stop_orders, icebergs, order_lists, order_rate, window_ms } => {
            let account = if name == EVERYBODY { AccountId::new(0) } else { id_of(operator, &name).await? };
            if name == EVERYBODY && order_rate > 0 {
                return Err(usage(format!("a rate is an account's own; name one in place of {EVERYBODY}")));
            }
            let set = SetAccountLimits {
                account,
                open_orders_max: open_orders,
                stop_orders_max: stop_orders,
                iceberg_orders_max: icebergs,
                order_lists_max: order_lists,
                order_rate_max: order_rate,
                order_rate_window_ms: window_ms,
            };
            operator.must(&wire::Command::SetAccountLimits(set)).await?;
            println!("the limits of {name} are set");
            Ok(())
        }
        Command::OrderLimits { name, market, qty, notional, position } => {
            order_limits(operator, &name, &market, [&qty, &notional, &position]).await
        }
        Command::AssetLimit { name, asset, order } => asset_limit(operator, &name, &asset, &order).await,
        Command::Kill { name } => kill(operator, &name, ApiKeyText::EMPTY, true).await,
        Command::Release { name } => kill(operator, &name, ApiKeyText::EMPTY, false).await,
    }
}

/// The id of an account that must be there.
pub async fn id_of(operator: &Operator, name: &str) -> miette::Result<AccountId> {
    let inventory = operator.inventory(|known| known.accounts.contains_key(name)).await?;
    let known = inventory.accounts.get(name).ok_or_else(|| miette::miette!("there is no account {name}"))?;
    Ok(known.account)
}

/// Engages or releases a kill switch; an empty key is the whole account.
pub async fn kill(operator: &Operator, name: &str, key: ApiKeyText, is_engaged: bool) -> miette::Result<()> {
    let account = id_of(operator, name).await?;
    operator.must(&wire::Command::SetKillSwitch(SetKillSwitch { account, key, is_engaged })).await?;
    let what = if key.is_empty() { name.to_owned() } else { format!("key {key} of {name}") };
    println!("the kill switch of {what} is {}", if is_engaged { "engaged" } else { "released" });
    Ok(())
}

async fn order_limits(operator: &Operator, name: &str, market: &str, limits: [&str; 3]) -> miette::Result<()> {
    let is_everybody = name == EVERYBODY;
    let is_enough =
        |known: &Inventory| known.markets.contains_key(market) && (is_everybody || known.accounts.contains_key(name));
    let inventory = operator.inventory(is_enough).await?;
    let known = inventory.markets.get(market).ok_or_else(|| miette::miette!("there is no market {market}"))?;
    let account = match inventory.accounts.get(name) {
        _ if is_everybody => AccountId::new(0),
        Some(known) => known.account,
        None => return Err(miette::miette!("there is no account {name}")),
    };
    let decimals_of = |asset| {
        let known = inventory.assets.values().find(|known| known.asset == asset);
        known.map(|known| known.ledger_decimals).ok_or_else(|| miette::miette!("the assets of {market} are not known"))
    };
    let [qty, notional, position] = limits;
    let units = wire::decimal::parse(qty, known.listed.scale.qty_decimals)
        .map_err(|why| usage(format!("the quantity {qty} {}", not_a_number(why, known.listed.scale.qty_decimals))))?;
    let set = SetOrderLimits {
        account,
        market: known.listed.market,
        qty_max: Qty::new(units).ok_or_else(|| usage(format!("{qty} is more than an order can have")))?,
        notional_max: parse_amount(notional, decimals_of(known.listed.quote)?)?,
        position_max: parse_amount(position, decimals_of(known.listed.base)?)?,
    };
    operator.must(&wire::Command::SetOrderLimits(set)).await?;
    println!("the limits of {name} in {market} are set");
    Ok(())
}

async fn asset_limit(operator: &Operator, name: &str, asset: &str, order: &str) -> miette::Result<()> {
    let is_everybody = name == EVERYBODY;
    let is_enough =
        |known: &Inventory| known.assets.contains_key(asset) && (is_everybody || known.accounts.contains_key(name));
    let inventory = operator.inventory(is_enough).await?;
    let listed = inventory.assets.get(asset).ok_or_else(|| miette::miette!("there is no asset {asset}"))?;
    let account = match inventory.accounts.get(name) {
        _ if is_everybody => AccountId::new(0),
        Some(known) => known.account,
        None => return Err(miette::miette!("there is no account {name}")),
    };
    let order_max = parse_amount(order, listed.ledger_decimals)?;
    operator.must(&wire::Command::SetAssetLimit(SetAssetLimit { account, asset: listed.asset, order_max })).await?;
    match order_max.is_zero() {
        true => println!("an order of {name} may move any amount of {asset}"),
        false => println!("an order of {name} may move up to {order} {asset}"),
    }
    Ok(())
}
