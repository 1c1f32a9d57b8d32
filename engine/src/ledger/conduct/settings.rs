//! What operators say of what accounts may do, and with whom they belong together.

use wire::command::{AssignAccount, SetAccountLimits, SetOrderLimits};
use wire::event::{AccountAssigned, AccountLimitsChanged, OrderLimitsChanged};
use wire::{Event, RejectReason};

use super::{Bounds, Most};
use crate::effects::Effects;
use crate::ledger::{Answer, LedgerCell};

impl LedgerCell {
    /// Orders that are open keep the group they were placed with.
    pub(crate) fn assign_account(&mut self, assign: &AssignAccount, effects: &mut Effects<'_>) -> Answer {
        let AssignAccount { account, group, firm } = *assign;
        self.registry.account(account)?;
        let row = self.conduct.row_mut(account);
        (row.group, row.firm) = (group, firm);
        effects.tell(Event::AccountAssigned(AccountAssigned { account, group, firm }));
        Ok(account.get().into())
    }

    /// The orders of the present window count against a new rate with the same window.
    pub(crate) fn set_account_limits(&mut self, set: &SetAccountLimits, effects: &mut Effects<'_>) -> Answer {
        let SetAccountLimits {
            account,
            open_orders_max,
            stop_orders_max,
            iceberg_orders_max,
            order_lists_max,
            order_rate_max,
            order_rate_window_ms,
        } = *set;
        let is_everybody = account.get() == 0;
        if !is_everybody {
            self.registry.account(account)?;
        }
        if (order_rate_max > 0) != (order_rate_window_ms > 0) || order_rate_window_ms > SetAccountLimits::WINDOW_MS_MAX
        {
            return Err(RejectReason::BadLimits.into());
        }
        if is_everybody && order_rate_max > 0 {
            return Err(RejectReason::BadLimits.into());
        }
        let most = Most {
            orders: open_orders_max,
            stops: stop_orders_max,
            icebergs: iceberg_orders_max,
            lists: order_lists_max,
        };
        if is_everybody {
            self.conduct.every = most;
        } else {
            let row = self.conduct.row_mut(account);
            if order_rate_window_ms != row.order_rate_window_ms {
                (row.window, row.placed) = (0, 0);
            }
            row.most = most;
            row.order_rate_max = order_rate_max;
            row.order_rate_window_ms = order_rate_window_ms;
        }
        effects.tell(Event::AccountLimitsChanged(AccountLimitsChanged {
            account,
            open_orders_max,
            stop_orders_max,
            iceberg_orders_max,
            order_lists_max,
            order_rate_max,
            order_rate_window_ms,
        }));
        Ok(account.get().into())
    }

    pub(crate) fn set_order_limits(&mut self, set: &SetOrderLimits, effects: &mut Effects<'_>) -> Answer {
        let SetOrderLimits { account, market, qty_max, notional_max, position_max } = *set;
        self.registry.market(market)?;
        if account.get() == 0 {
            if !qty_max.is_zero() || !notional_max.is_zero() {
                return Err(RejectReason::BadLimits.into());
            }
            self.conduct.positions[usize::from(market.get()) - 1] = position_max;
        } else {
            self.registry.account(account)?;
            let bounds = Bounds { qty_max, notional_max, position_max };
            if !self.conduct.bounds.has_room_for((account, market), &bounds) {
                return Err(RejectReason::TableFull.into());
            }
            let more = self.conduct.bounds.set((account, market), bounds);
            let row = self.conduct.row_mut(account);
            row.bounded =
                row.bounded.checked_add_signed(more as i16).expect("an account has no more bounds than markets");
        }
        effects.tell(Event::OrderLimitsChanged(OrderLimitsChanged {
            account,
            market,
            qty_max,
            notional_max,
            position_max,
        }));
        Ok(account.get().into())
    }
}
