//! What accounts may do: `engine/src/ledger/conduct.rs` states the rules.

use std::collections::{BTreeMap, BTreeSet};

use wire::command::{AssignAccount, NewOrder, SetAccountLimits, SetOrderLimits};
use wire::event::{AccountAssigned, AccountLimitsChanged, OrderLimitsChanged};
use wire::{Event, RejectReason, Side, TradeGroupId};

use super::super::numbers::{of, whole};
use super::admission::{Admitted, measured};
use super::{Answer, Ledger, Listed, Refused, no};

const MS: u64 = 1_000_000;

/// What operators have decided about accounts.
#[derive(Debug, Clone, Default)]
pub(super) struct Conduct {
    groups: BTreeMap<u32, TradeGroupId>,
    killed: BTreeSet<u32>,
    limits: BTreeMap<u32, SetAccountLimits>,
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

    pub(super) fn check_conduct(&self, new: &NewOrder, beside: usize) -> Result<(), Refused> {
        let account = new.account.get();
        if self.conduct.killed.contains(&account) {
            return no(RejectReason::AccountKilled);
        }
        self.check_key(new.account, new.key)?;
        if new.session.get() != 0 && !self.leases.contains_key(&(account, new.session.get())) {
            return no(RejectReason::UnknownLease);
        }
        let Some(limits) = self.conduct.limits.get(&account) else { return Ok(()) };
        if limits.order_rate_max > 0 {
            let window = |at: u64| at / (u64::from(limits.order_rate_window_ms) * MS);
            let is_now = |(of, at): &&(u32, u64)| *of == account && window(*at) == window(self.now);
            let placed = self.conduct.placed.iter().filter(is_now).count();
            if placed + beside >= limits.order_rate_max as usize {
                // The next window is named.
                let length = u64::from(limits.order_rate_window_ms);
                let left = (self.now / MS / length + 1) * length - self.now / MS;
                return Err((RejectReason::OrderRateExceeded, left));
            }
        }
        let open = self.orders.iter().filter(|order| order.account == account).count();
        let may_rest = new.time_in_force.may_rest() || new.kind.is_stop();
        if may_rest && limits.open_orders_max > 0 && open + beside >= limits.open_orders_max as usize {
            return no(RejectReason::AccountOpenOrders);
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
        let positions = own.into_iter().chain(every).map(|bounds| bounds.position_max.wide());
        let Some(max) = positions.filter(|max| *max > 0).min() else { return Ok(()) };
        let position = self.position(new.account.get(), market) + beside + self.bought(new, market, admitted);
        if new.side == Side::Buy && position > max { no(RejectReason::PositionTooLarge) } else { Ok(()) }
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
        let SetAccountLimits { account, open_orders_max, order_rate_max, order_rate_window_ms } = *set;
        let of = self.account(account)?;
        if (order_rate_max > 0) != (order_rate_window_ms > 0) || order_rate_window_ms > SetAccountLimits::WINDOW_MS_MAX
        {
            return no(RejectReason::BadLimits);
        }
        let before = self.conduct.limits.insert(of, *set).map_or(0, |limits| limits.order_rate_window_ms);
        self.conduct.placed.retain(|(account, _)| *account != of || before == order_rate_window_ms);
        self.events.push(Event::AccountLimitsChanged(AccountLimitsChanged {
            account,
            open_orders_max,
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
