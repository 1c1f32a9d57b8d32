//! What accounts may do: kill switches, and limits of their own beside their markets' filters. The ledger decides; this
//! tells beforehand.

use std::collections::{HashMap, HashSet};

use wire::event::{AccountLimitsChanged, AssetLimitChanged, KillSwitchChanged, LeaseChanged, OrderLimitsChanged};
use wire::{AccountId, Amount, ApiKeyId, AssetId, ClientSessionId, MarketId, Qty, Timestamp};

use crate::auth::Caller;
use crate::by_id::MapById;

/// What an account may do over all markets; zero is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccountBounds {
    /// Open orders.
    pub open_orders_max: u32,
    /// Open stop orders.
    pub stop_orders_max: u32,
    /// Open icebergs.
    pub iceberg_orders_max: u32,
    /// Open lists.
    pub order_lists_max: u32,
    /// New orders in one window of log time.
    pub order_rate_max: u32,
    /// How long a window is; they begin at multiples of it since 1970.
    pub order_rate_window_ms: u32,
}

/// What an account may do in one market; zero is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OrderBounds {
    /// Base quantity of one order.
    pub qty_max: Qty,
    /// Notional of one order.
    pub notional_max: Amount,
    /// Base that it has, and that its open buys would bring.
    pub position_max: Amount,
}

/// Of every account that something was said of.
#[derive(Debug, Default)]
pub struct Conduct {
    killed: HashSet<AccountId>,
    killed_keys: HashSet<(AccountId, ApiKeyId)>,
    /// Those of every account under account 0.
    accounts: MapById<AccountId, AccountBounds>,
    /// What one order may move of an asset; those of every account under account 0.
    assets: HashMap<(AccountId, AssetId), Amount>,
    /// Of accounts whose order rate is limited: the last window with orders, and how many.
    placed: MapById<AccountId, (u64, u32)>,
    /// Client sessions whose lease has not ended.
    sessions: HashSet<(AccountId, ClientSessionId)>,
    /// Those of every account under account 0.
    orders: HashMap<(AccountId, MarketId), OrderBounds>,
}

impl Conduct {
    /// Whether the account's kill switch is engaged.
    pub fn is_killed(&self, account: AccountId) -> bool {
        self.killed.contains(&account)
    }

    /// Whether the caller's key has a kill switch that is engaged.
    pub fn is_key_killed(&self, caller: &Caller) -> bool {
        self.killed_keys.contains(&(caller.account, caller.id))
    }

    /// The account's limits over all markets: of its own and everybody's the lower one of each kind.
    pub fn of_account(&self, account: AccountId) -> AccountBounds {
        let (own, every) = (self.own(account), self.of_everybody());
        let lower = |own: u32, every: u32| [own, every].into_iter().filter(|max| *max > 0).min().unwrap_or(0);
        AccountBounds {
            open_orders_max: lower(own.open_orders_max, every.open_orders_max),
            stop_orders_max: lower(own.stop_orders_max, every.stop_orders_max),
            iceberg_orders_max: lower(own.iceberg_orders_max, every.iceberg_orders_max),
            order_lists_max: lower(own.order_lists_max, every.order_lists_max),
            ..own
        }
    }

    /// What every account may do over all markets.
    pub fn of_everybody(&self) -> AccountBounds {
        self.own(AccountId::new(0))
    }

    fn own(&self, account: AccountId) -> AccountBounds {
        self.accounts.get(&account).copied().unwrap_or_default()
    }

    /// How much of an asset one order of the account may move; zero is no limit.
    pub fn asset_max(&self, account: AccountId, asset: AssetId) -> Amount {
        let both = [account, AccountId::new(0)].map(|whose| self.assets.get(&(whose, asset)).copied());
        both.into_iter().flatten().filter(|max| !max.is_zero()).min().unwrap_or(Amount::ZERO)
    }

    /// The account's limits in a market; its position is bounded by the market's limit for everybody as well.
    pub fn of_orders(&self, account: AccountId, market: MarketId) -> OrderBounds {
        let own = self.orders.get(&(account, market)).copied().unwrap_or_default();
        let maxima = [own.position_max, self.position_max(market)];
        let position_max = maxima.into_iter().filter(|max| !max.is_zero()).min().unwrap_or(Amount::ZERO);
        OrderBounds { position_max, ..own }
    }

    /// The position that every account may have in a market.
    pub fn position_max(&self, market: MarketId) -> Amount {
        self.orders.get(&(AccountId::new(0), market)).map_or(Amount::ZERO, |bounds| bounds.position_max)
    }

    /// In how many milliseconds the account may place orders again, of one that has placed all it may in the window of this
    /// time.
    pub fn rate_left_ms(&self, account: AccountId, now: Timestamp) -> Option<u64> {
        let bounds = self.own(account);
        let window_ms = u64::from(bounds.order_rate_window_ms);
        let window = now.millis().checked_div(window_ms)?;
        let is_spent = self.placed.get(&account).is_some_and(|placed| *placed == (window, bounds.order_rate_max));
        is_spent.then(|| window_ms - now.millis() % window_ms)
    }

    /// Whether the client session may place orders; 0 is none, and always may.
    pub fn is_live(&self, account: AccountId, session: ClientSessionId) -> bool {
        session.get() == 0 || self.sessions.contains(&(account, session))
    }

    /// An order was accepted.
    pub(super) fn count_order(&mut self, account: AccountId, now: Timestamp) {
        let bounds = self.own(account);
        if bounds.order_rate_max == 0 || bounds.order_rate_window_ms == 0 {
            return;
        }
        let window = now.millis() / u64::from(bounds.order_rate_window_ms);
        let placed = self.placed.entry(account).or_default();
        let before = if placed.0 == window { placed.1 } else { 0 };
        // A lower limit may have been passed before it was set.
        *placed = (window, before.saturating_add(1).min(bounds.order_rate_max));
    }

    pub(super) fn change_lease(&mut self, changed: &LeaseChanged) {
        let session = (changed.account, changed.session);
        if changed.expires == Timestamp::ZERO {
            self.sessions.remove(&session);
        } else {
            self.sessions.insert(session);
        }
    }

    pub(super) fn kill(&mut self, changed: &KillSwitchChanged) {
        let KillSwitchChanged { account, key, is_engaged } = *changed;
        match (key.get(), is_engaged) {
            (0, true) => self.killed.insert(account),
            (0, false) => self.killed.remove(&account),
            (_, true) => self.killed_keys.insert((account, key)),
            (_, false) => self.killed_keys.remove(&(account, key)),
        };
    }

    pub(super) fn bound_account(&mut self, changed: &AccountLimitsChanged) {
        let AccountLimitsChanged { account, order_rate_max, order_rate_window_ms, .. } = *changed;
        if order_rate_window_ms != self.own(account).order_rate_window_ms {
            self.placed.remove(&account);
        } else if let Some(placed) = self.placed.get_mut(&account) {
            placed.1 = placed.1.min(order_rate_max);
        }
        let bounds = AccountBounds {
            open_orders_max: changed.open_orders_max,
            stop_orders_max: changed.stop_orders_max,
            iceberg_orders_max: changed.iceberg_orders_max,
            order_lists_max: changed.order_lists_max,
            order_rate_max,
            order_rate_window_ms,
        };
        self.accounts.insert(account, bounds);
    }

    pub(super) fn bound_asset(&mut self, changed: &AssetLimitChanged) {
        self.assets.insert((changed.account, changed.asset), changed.order_max);
    }

    pub(super) fn bound_orders(&mut self, changed: &OrderLimitsChanged) {
        let OrderLimitsChanged { account, market, qty_max, notional_max, position_max } = *changed;
        self.orders.insert((account, market), OrderBounds { qty_max, notional_max, position_max });
    }
}
