//! What accounts may do: `engine/src/ledger/conduct.rs` states the rules.

use std::collections::{BTreeMap, BTreeSet};

use wire::command::{AssignAccount, NewOrder, SetAccountLimits, SetAssetLimit, SetOrderLimits};
use wire::event::{AccountAssigned, AccountLimitsChanged, AssetLimitChanged, OrderLimitsChanged};
use wire::{Event, RejectReason, Side, TradeGroupId};

use super::super::numbers::{of, whole};
use super::admission::{Admitted, Beside, measured};
use super::{Answer, Ledger, Listed, Refused, no};

const MS: u64 = 1_000_000;

/// What operators have decided about accounts.
#[derive(Debug, Clone, Default)]
pub(super) struct Conduct {
    groups: BTreeMap<u32, TradeGroupId>,
    killed: BTreeSet<u32>,
    /// Of an account; of every one under 0.
    limits: BTreeMap<u32, SetAccountLimits>,
    /// How much of an asset one order of an account may move; of every account under 0.
    assets: BTreeMap<(u32, u16), i128>,
    /// When each account placed an order.
    placed: Vec<(u32, u64)>,
    /// Of an account in a market; of account 0 for every one.
    bounds: BTreeMap<(u32, u16), SetOrderLimits>,
}

impl Conduct {
    pub(super) fn group(&self, account: u32) -> TradeGroupId {
        self.groups.get(&account).copied().unwrap_or_default()
    }

    pub(super) fn is_killed(&self, account: u32) -> bool {
        self.killed.contains(&account)
    }

    pub(super) fn kill(&mut self, account: u32, is_engaged: bool) {
        self.killed.remove(&account);
        if is_engaged {
            self.killed.insert(account);
        }
    }
}

impl Ledger {
    /// No kill switch is engaged any more.
    pub(super) fn let_everybody_trade(&mut self) {
        self.conduct.killed.clear();
        self.keys.iter_mut().for_each(|key| key.is_killed = false);
    }

    /// The account's own, and everybody's.
    pub(super) fn limits_of(&self, account: u32) -> impl Iterator<Item = &SetAccountLimits> {
        [account, 0].into_iter().filter_map(|whose| self.conduct.limits.get(&whose))
    }

    pub(super) fn check_conduct(&self, new: &NewOrder, is_iceberg: bool, beside: &Beside) -> Result<(), Refused> {
        let account = new.account.get();
        if self.conduct.killed.contains(&account) {
            return no(RejectReason::AccountKilled);
        }
        self.check_key(new.account, new.key)?;
        if new.session.get() != 0 && !self.leases.contains_key(&(account, new.session.get())) {
            return no(RejectReason::UnknownLease);
        }
        let rated = self.conduct.limits.get(&account).filter(|limits| limits.order_rate_max > 0);
        if let Some(limits) = rated {
            let window = |at: u64| at / (u64::from(limits.order_rate_window_ms) * MS);
            let is_now = |(of, at): &&(u32, u64)| *of == account && window(*at) == window(self.now);
            let placed = self.conduct.placed.iter().filter(is_now).count();
            if placed + beside.orders >= limits.order_rate_max as usize {
                // The next window is named.
                let length = u64::from(limits.order_rate_window_ms);
                let left = (self.now / MS / length + 1) * length - self.now / MS;
                return Err((RejectReason::OrderRateExceeded, left));
            }
        }
        // Of which kind it is, how many more are open, and how many may be.
        let mine = || self.orders.iter().filter(|order| order.account == account);
        type Most = fn(&SetAccountLimits) -> u32;
        let kinds: [(bool, usize, Most, RejectReason); 3] = [
            (
                new.time_in_force.may_rest() || new.kind.is_stop(),
                mine().count() + beside.orders,
                |limits| limits.open_orders_max,
                RejectReason::AccountOpenOrders,
            ),
            (
                new.kind.is_stop(),
                mine().filter(|order| order.is_stop).count() + beside.stops,
                |limits| limits.stop_orders_max,
                RejectReason::AccountStopOrders,
            ),
            (
                is_iceberg,
                mine().filter(|order| order.is_iceberg).count() + beside.icebergs,
                |limits| limits.iceberg_orders_max,
                RejectReason::AccountIcebergOrders,
            ),
        ];
        for (is_one, others, most, reason) in kinds {
            if is_one && self.limits_of(account).any(|limits| most(limits) != 0 && others + 1 > most(limits) as usize) {
                return no(reason);
            }
        }
        Ok(())
    }

    /// Only while the account has a rate.
    pub(super) fn count_order(&mut self, account: u32) {
        if self.conduct.limits.get(&account).is_some_and(|limits| limits.order_rate_max > 0) {
            self.conduct.placed.push((account, self.now));
        }
    }

    pub(super) fn check_bounds(
        &self,
        new: &NewOrder,
        market: &Listed,
        admitted: &Admitted,
        beside: i128,
    ) -> Result<(), Refused> {
        let bounds_of = |account: u32| self.conduct.bounds.get(&(account, market.id.get()));
        let (own, every) = (bounds_of(new.account.get()), bounds_of(0));
        if own.is_some_and(|own| !own.qty_max.is_zero() && new.qty > own.qty_max) {
            return no(RejectReason::AccountQtyTooLarge);
        }
        let notional = measured(new, market);
        if own.is_some_and(|own| !own.notional_max.is_zero() && notional > own.notional_max.wide()) {
            return no(RejectReason::AccountNotionalTooLarge);
        }
        self.check_assets(new, market, notional)?;
        let positions = own.into_iter().chain(every).map(|bounds| bounds.position_max.wide());
        let Some(max) = positions.filter(|max| *max > 0).min() else { return Ok(()) };
        let position = self.position(new.account.get(), market) + beside + self.bought(new, market, admitted);
        if new.side == Side::Buy && position > max { no(RejectReason::PositionTooLarge) } else { Ok(()) }
    }

    /// MAX_ASSET: of the base its quantity, of the quote its notional.
    fn check_assets(&self, new: &NewOrder, market: &Listed, notional: i128) -> Result<(), Refused> {
        let protection = i128::from(market.rules.protection_ppm);
        let size = match (whole(new.qty), new.side) {
            // What the quote pays for at the price that the protection price was made from.
            (0, Side::Buy) => notional * (1_000_000 + protection) / (market.cost(of(new.price), 1) * 1_000_000),
            (0, Side::Sell) => notional * (1_000_000 - protection) / (market.cost(of(new.price), 1) * 1_000_000),
            (size, _) => size,
        };
        for (asset, moved) in [(market.base, market.base_of(size)), (market.quote, notional)] {
            for whose in [new.account.get(), 0] {
                let most = self.conduct.assets.get(&(whose, asset.get())).copied().unwrap_or(0);
                if most != 0 && moved > most {
                    return no(RejectReason::AssetQtyTooLarge);
                }
            }
        }
        Ok(())
    }

    pub(super) fn set_asset_limit(&mut self, set: &SetAssetLimit) -> Answer {
        let SetAssetLimit { account, asset, order_max } = *set;
        self.asset(asset)?;
        if account.get() != 0 {
            self.account(account)?;
        }
        self.conduct.assets.insert((account.get(), asset.get()), order_max.wide());
        self.events.push(Event::AssetLimitChanged(AssetLimitChanged { account, asset, order_max }));
        Ok(account.get().into())
    }

    /// The base that an account has, and that its open buys would bring.
    fn position(&self, account: u32, market: &Listed) -> i128 {
        let (free, held) = self.balance(account, market.base);
        let is_buy =
            |order: &&super::Order| (order.account, order.market, order.side) == (account, market.id, Side::Buy);
        let open = self.orders.iter().filter(is_buy).map(|order| {
            let affordable = market.affordable(order.held, order.price, 1);
            market.base_of(if order.is_limit { order.leaves } else { order.leaves.min(affordable) })
        });
        free + held + open.sum::<i128>()
    }

    /// The base that a buy brings.
    pub(super) fn bought(&self, new: &NewOrder, market: &Listed, admitted: &Admitted) -> i128 {
        let affordable = market.affordable(admitted.hold, of(new.price), 1);
        market.base_of(if new.kind.is_market() { admitted.qty.min(affordable) } else { whole(new.qty) })
    }

    pub(super) fn assign_account(&mut self, assign: &AssignAccount) -> Answer {
        let AssignAccount { account, group, firm } = *assign;
        let of = self.account(account)?;
        self.conduct.groups.insert(of, group);
        self.events.push(Event::AccountAssigned(AccountAssigned { account, group, firm }));
        Ok(of.into())
    }

    /// Another window counts anew.
    pub(super) fn set_account_limits(&mut self, set: &SetAccountLimits) -> Answer {
        let SetAccountLimits { account, order_rate_max, order_rate_window_ms, .. } = *set;
        let of = account.get();
        if of != 0 {
            self.account(account)?;
        }
        if (order_rate_max > 0) != (order_rate_window_ms > 0) || order_rate_window_ms > SetAccountLimits::WINDOW_MS_MAX
        {
            return no(RejectReason::BadLimits);
        }
        if of == 0 && order_rate_max > 0 {
            return no(RejectReason::BadLimits);
        }
        let before = self.conduct.limits.insert(of, *set).map_or(0, |limits| limits.order_rate_window_ms);
        self.conduct.placed.retain(|(account, _)| *account != of || before == order_rate_window_ms);
        self.events.push(Event::AccountLimitsChanged(AccountLimitsChanged {
            account,
            open_orders_max: set.open_orders_max,
            stop_orders_max: set.stop_orders_max,
            iceberg_orders_max: set.iceberg_orders_max,
            order_lists_max: set.order_lists_max,
            order_rate_max,
            order_rate_window_ms,
        }));
        Ok(of.into())
    }

    pub(super) fn set_order_limits(&mut self, set: &SetOrderLimits) -> Answer {
        let SetOrderLimits { account, market, qty_max, notional_max, position_max } = *set;
        self.market(market)?;
        if account.get() != 0 {
            self.account(account)?;
        } else if !qty_max.is_zero() || !notional_max.is_zero() {
            return no(RejectReason::BadLimits);
        }
        self.conduct.bounds.insert((account.get(), market.get()), *set);
        let told = OrderLimitsChanged { account, market, qty_max, notional_max, position_max };
        self.events.push(Event::OrderLimitsChanged(told));
        Ok(account.get().into())
    }
}
