//! The exchange that is simulated: small tables, two markets, a few accounts; and the model of the same.

use engine::{Limits, PartitionConfig};
use wire::command::{Credit, ListAsset, ListMarket, OpenAccount, SetAccountLimits};
use wire::{
    AccountId, AccountName, Amount, AssetId, Capacity, ClusterEpoch, Command, FeeRate, Incarnation, MarketRules,
    MarketScale, PartitionId, Price, Qty, Symbol,
};

use super::clock::SECOND;
use super::swarm::Layout;
use crate::model::exchange::{Exchange, Founding, MARKETS};

/// Where the ledger cell lives.
pub const LEDGER: PartitionId = PartitionId::new(1);
/// Fills of one order at most.
const FILLS_MAX: u32 = 4;
/// Maker and taker fees in parts per million, of each account.
const FEES: [(u32, u32); 4] = [(0, 0), (1_000, 1_000), (333, 7_777), (1_000, 2_000)];
/// Accounts that trade in either layout; the last of all has little and trades only where the model has the ledger's
/// own order of things.
pub const RICH: u32 = 3;
/// A new leader's grace for who could not reach it.
pub const LEASE_GRACE: u64 = SECOND / 2;
const ASSETS: [&str; 3] = ["A", "B", "C"];
/// Of every asset's ledger units.
pub const DECIMALS: u8 = 6;
const RICHES: i64 = 1_000_000_000_000_000;
const POVERTY: i64 = 400_000;

/// The partitions of a layout.
pub fn partitions(layout: Layout) -> Vec<PartitionId> {
    let count = match layout {
        Layout::Joint => 1,
        Layout::Split => 1 + MARKETS.len() as u16,
    };
    (1..=count).map(PartitionId::new).collect()
}

/// The cells of a partition in this life of the cluster, which remember names for so long.
pub fn cells(partition: PartitionId, epoch: ClusterEpoch, name_retention_ns: u64) -> PartitionConfig {
    let limits = Limits {
        assets_max: 4,
        accounts_max: 4,
        markets_max: 2,
        api_keys_max: 64,
        open_orders_max: 4_096,
        remembered_orders_max: 65_536,
        resting_orders_max: 4_096,
        fills_per_order_max: FILLS_MAX,
        peers_max: 4,
        // Where ledger and markets share a partition everything has an outcome at once: what has none is forgotten.
        unanswered_max: 64,
        // Tables are written whole by every snapshot and compared by every digest.
        leases_max: 64,
        countdowns_max: 64,
        order_limits_max: 64,
        lease_grace_ns: LEASE_GRACE,
        client_order_id_retention_ns: name_retention_ns,
        ..Limits::default()
    };
    PartitionConfig { partition, ledger: LEDGER, incarnation: Incarnation::new(epoch.get()), limits }
}

/// Scale of both markets.
pub fn scale() -> MarketScale {
    MarketScale::new(2, 3, DECIMALS, DECIMALS).expect("price units times quantity units are whole")
}

/// The filters of both markets.
pub fn rules() -> MarketRules {
    MarketRules { open_orders_max: 12, ..crate::model::rules() }
}

/// The asset of this name.
pub fn asset(name: &str) -> Option<AssetId> {
    let at = ASSETS.iter().position(|asset| *asset == name)?;
    Some(AssetId::new(at as u16 + 1))
}

/// A price of so many units.
pub fn price(units: i64) -> Price {
    Price::new(units).expect("a small number")
}

/// A quantity of so many units.
pub fn qty(units: i64) -> Qty {
    Qty::new(units).expect("a small number")
}

/// An amount of so many units.
pub fn amount(units: i64) -> Amount {
    Amount::new(units).expect("a small number")
}

fn rates() -> Vec<(FeeRate, FeeRate)> {
    let rate = |ppm| FeeRate::new(ppm).expect("a small rate");
    FEES.iter().map(|(maker, taker)| (rate(*maker), rate(*taker))).collect()
}

/// Accounts, from account 1.
pub fn accounts() -> u32 {
    FEES.len() as u32
}

/// The model, as it is after [`set_up`].
pub fn model(name_retention_ns: u64) -> Exchange {
    let capacity: Capacity = cells(LEDGER, ClusterEpoch::new(1), name_retention_ns).limits.capacity();
    let (rules, scale, fees) = (rules(), scale(), rates());
    Exchange::new(Founding { rules, scale, fills_max: FILLS_MAX, capacity, name_retention_ns, fees })
}

/// Whether the model takes what this does as given.
pub fn is_set_up(command: &Command) -> bool {
    matches!(command, Command::ListAsset(_) | Command::ListMarket(_) | Command::OpenAccount(_))
}

/// Everything before the first order, where so many orders may be placed in a window of so many milliseconds.
pub fn set_up(layout: Layout, (order_rate_max, order_rate_window_ms): (u32, u32)) -> Vec<Command> {
    let symbol = |text: &str| Symbol::new(text.as_bytes()).expect("a short name");
    let mut commands = Vec::new();
    for name in ASSETS {
        commands.push(Command::ListAsset(ListAsset { symbol: symbol(name), ledger_decimals: DECIMALS }));
    }
    for (at, (base, quote)) in MARKETS.into_iter().enumerate() {
        let partition = match layout {
            Layout::Joint => LEDGER,
            Layout::Split => PartitionId::new(2 + at as u16),
        };
        commands.push(Command::ListMarket(Box::new(ListMarket {
            symbol: symbol(&format!("M{at}")),
            base,
            quote,
            partition,
            price_decimals: 2,
            qty_decimals: 3,
            rules: rules(),
            status: wire::MarketStatus::Trading,
        })));
    }
    for (at, (maker_fee, taker_fee)) in rates().into_iter().enumerate() {
        let name = AccountName::new(format!("a{at}").as_bytes()).expect("a short name");
        commands.push(Command::OpenAccount(OpenAccount { name, maker_fee, taker_fee }));
    }
    for account in 1..=FEES.len() as u32 {
        for asset in 1..=ASSETS.len() as u16 {
            let (account, asset) = (AccountId::new(account), AssetId::new(asset));
            let amount = amount(if account.get() <= RICH { RICHES } else { POVERTY });
            commands.push(Command::Credit(Credit { account, asset, amount }));
        }
    }
    for account in (1..=RICH).filter(|_| order_rate_max > 0).map(AccountId::new) {
        commands.push(Command::SetAccountLimits(SetAccountLimits {
            account,
            open_orders_max: 0,
            stop_orders_max: 0,
            iceberg_orders_max: 0,
            order_lists_max: 0,
            order_rate_max,
            order_rate_window_ms,
        }));
    }
    commands
}
