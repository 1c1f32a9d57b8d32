//! How large the tables and queues of a partition may grow.

use wire::Capacity;

/// Capacities. They decide what is refused, so all replicas of a partition must have the same ones;
/// changing them is a change of behaviour, like a new version. Those of a [`Capacity`] are what cells begin with: from then on they are
/// state, and `RaiseCapacity` changes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Assets of the ledger.
    pub assets_max: u16,
    /// Accounts of the ledger. Market cells keep 16 bytes for each.
    pub accounts_max: u32,
    /// Markets of the ledger, and market cells of one partition.
    pub markets_max: u16,
    /// API keys of the ledger.
    pub api_keys_max: u32,
    /// Open orders of the ledger, over all markets.
    pub open_orders_max: u32,
    /// Open orders and those whose client order id is still remembered: with a retention of a minute, sixty times
    /// the orders that may close in a second. New orders are refused as busy beyond it.
    pub remembered_orders_max: u32,
    /// How long the client order id of a closed order is remembered, in nanoseconds of log time.
    pub client_order_id_retention_ns: u64,
    /// Resting orders of one market.
    pub resting_orders_max: u32,
    /// Fills, and resting orders expired by self-trade prevention, that one order may cause on its way in.
    pub fills_per_order_max: u32,
    /// Orders and cancels of one market partition that have no outcome yet; new orders beyond it are refused.
    pub unanswered_max: u32,
    /// Replies that a market partition may owe its ledger before it refuses to match.
    pub owed_replies_max: u32,
    /// Leases of client sessions of the ledger.
    pub leases_max: u32,
    /// Armed countdowns of the ledger.
    pub countdowns_max: u32,
    /// How long leases and countdowns last at least after a new leader's first entry, in nanoseconds of log time.
    pub lease_grace_ns: u64,
    /// Accounts and markets with order limits of their own, and as many accounts and assets.
    pub order_limits_max: u32,
    /// Chains behind deposits.
    pub chains_max: u16,
    /// Deposit addresses of one chain.
    pub deposit_addresses_max: u32,
    /// Deposits that are remembered, over all chains: for ever, so that none is credited twice.
    pub deposits_max: u32,
    /// Deposits that are seen and in no block yet, over all chains.
    pub sightings_max: u32,
    /// Withdrawals that are open or ended within the last 30 days.
    pub withdrawals_max: u32,
    /// Partitions that one partition exchanges mail with.
    pub peers_max: u16,
    /// Partitions of the cluster, numbered from 1: no market is listed in another.
    pub partitions: u16,
}

/// Bytes of address space that the ledger takes at once for a row of each table, in the order of [`Capacity::TABLES`]. Zero is a table
/// that takes memory with the rows that are used. `tests/row_bytes.rs` measures them.
pub const ROW_BYTES: [u32; 8] = [1_656, 32, 142, 91, 0, 0, 0, 0];

/// The same of each market cell.
pub const MARKET_ROW_BYTES: [u32; 8] = [16, 0, 0, 0, 66, 0, 0, 0];

impl Default for Limits {
    /// For a small cluster: a ledger partition takes up to about 160 MiB when full, a market cell about 20 MiB;
    /// pages are touched as they fill.
    fn default() -> Limits {
        Limits {
            assets_max: 64,
            accounts_max: 16_384,
            markets_max: 64,
            api_keys_max: 32_768,
            open_orders_max: 131_072,
            remembered_orders_max: 1_600_000,
            client_order_id_retention_ns: wire::NAME_RETENTION_NS,
            resting_orders_max: 131_072,
            fills_per_order_max: 1_000,
            unanswered_max: 32_768,
            owed_replies_max: 131_072,
            leases_max: 16_384,
            countdowns_max: 16_384,
            lease_grace_ns: 5_000_000_000,
            order_limits_max: 65_536,
            chains_max: 16,
            deposit_addresses_max: 65_536,
            deposits_max: 1_000_000,
            sightings_max: 16_384,
            withdrawals_max: 1_000_000,
            peers_max: 64,
            partitions: 64,
        }
    }
}

impl Limits {
    /// What the log may change.
    pub fn capacity(&self) -> Capacity {
        Capacity {
            accounts_max: self.accounts_max,
            api_keys_max: self.api_keys_max,
            open_orders_max: self.open_orders_max,
            remembered_orders_max: self.remembered_orders_max,
            resting_orders_max: self.resting_orders_max,
            deposit_addresses_max: self.deposit_addresses_max,
            deposits_max: self.deposits_max,
            withdrawals_max: self.withdrawals_max,
        }
    }

    /// These, but for what the log has changed.
    pub(crate) fn with(&self, capacity: &Capacity) -> Limits {
        Limits {
            accounts_max: capacity.accounts_max,
            api_keys_max: capacity.api_keys_max,
            open_orders_max: capacity.open_orders_max,
            remembered_orders_max: capacity.remembered_orders_max,
            resting_orders_max: capacity.resting_orders_max,
            deposit_addresses_max: capacity.deposit_addresses_max,
            deposits_max: capacity.deposits_max,
            withdrawals_max: capacity.withdrawals_max,
            ..*self
        }
    }
}
