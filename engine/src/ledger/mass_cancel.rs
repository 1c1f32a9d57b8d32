//! Canceling many orders with one command: on request, by a kill switch, or because a client has fallen silent.
//!
//! Of an account in a market, one `PullOrders` follows everything that was accepted before it, and one `AllCanceled`
//! tells that it is done. Of a client session or an API key, each order is pulled by itself, oldest first; those whose
//! cancel is on its way already are left to it. Either way it takes as long as there are orders to cancel.

use wire::command::{MassCancel, SetKillSwitch};
use wire::event::KillSwitchChanged;
use wire::mail::{PullOrder, PullOrders};
use wire::{
    AccountId, ApiKeyId, CancelCause, ClientOrderId, Event, LogPosition, Mail, MarketId, OrderId, RejectReason, Sides,
};

use super::lanes::Asked;
use super::{Answer, LedgerCell};
use crate::effects::Effects;

impl LedgerCell {
    /// What a client asks for is refused while a partition has too many cancels to answer, and when there is nothing
    /// open that it could be about.
    pub(crate) fn mass_cancel(
        &mut self,
        position: LogPosition,
        cancel: &MassCancel,
        effects: &mut Effects<'_>,
    ) -> Answer {
        let MassCancel { account, market, sides, session } = *cancel;
        self.registry.account(account)?;
        if market.get() != 0 {
            self.registry.market(market)?;
        }
        let is_meant = |of: MarketId| market.get() == 0 || of == market;
        if session.get() != 0 {
            let meant: Vec<OrderId> = (self.orders.of_session(account, session))
                .filter(|order| is_meant(order.market) && sides.include(order.side))
                .map(|order| order.id)
                .collect();
            if meant.is_empty() {
                return Err(RejectReason::NoOpenOrders.into());
            }
            return Ok(self.pull_each(position, &meant, CancelCause::MassCancel, effects).into());
        }
        let markets: Vec<MarketId> = self.open_markets(account).into_iter().filter(|of| is_meant(*of)).collect();
        if markets.is_empty() {
            return Err(RejectReason::NoOpenOrders.into());
        }
        if !markets.iter().all(|market| self.partition_of(*market).is_some_and(|to| self.cancels_have_room(to))) {
            return Err(RejectReason::Busy.into());
        }
        for market in &markets {
            self.pull_all(position, account, *market, sides, CancelCause::MassCancel, effects);
        }
        Ok(markets.len() as u64)
    }

    /// Effective with this command: whatever was accepted before it is canceled, and nothing is accepted after it. The
    /// reply's id says how many outcomes with this request follow. Engaging it again cancels what is still open.
    pub(crate) fn set_kill_switch(
        &mut self,
        position: LogPosition,
        set: &SetKillSwitch,
        effects: &mut Effects<'_>,
    ) -> Answer {
        let SetKillSwitch { account, ref key, is_engaged } = *set;
        self.registry.account(account)?;
        let key = if key.is_empty() { ApiKeyId::ZERO } else { self.registry.key_of(account, key)? };
        let markets = if is_engaged && key == ApiKeyId::ZERO { self.open_markets(account) } else { Vec::new() };
        let is_again = self.conduct.is_killed(account);
        if is_again && !markets.iter().all(|of| self.partition_of(*of).is_some_and(|to| self.cancels_have_room(to))) {
            return Err(RejectReason::Busy.into());
        }
        effects.tell(Event::KillSwitchChanged(KillSwitchChanged { account, key, is_engaged }));
        if key == ApiKeyId::ZERO {
            self.conduct.kill(account, is_engaged);
            for market in &markets {
                self.pull_all(position, account, *market, Sides::Both, CancelCause::KillSwitch, effects);
            }
            return Ok(markets.len() as u64);
        }
        self.conduct.kill_key(key, is_engaged);
        let of_key = self.orders.of_account(account).filter(|order| is_engaged && order.key == key);
        let of_key: Vec<OrderId> = of_key.map(|order| order.id).collect();
        Ok(self.pull_each(position, &of_key, CancelCause::KillSwitch, effects).into())
    }

    /// Where an account has open orders, in the order of ids.
    fn open_markets(&self, account: AccountId) -> Vec<MarketId> {
        let mut markets: Vec<MarketId> = self.orders.of_account(account).map(|order| order.market).collect();
        markets.sort_unstable();
        markets.dedup();
        markets
    }

    /// Pulls an account's orders in a known market.
    pub(super) fn pull_all(
        &mut self,
        request: LogPosition,
        account: AccountId,
        market: MarketId,
        sides: Sides,
        cause: CancelCause,
        effects: &mut Effects<'_>,
    ) {
        let Some(partition) = self.partition_of(market) else { return };
        let (order, name) = (OrderId::ZERO, ClientOrderId::EMPTY);
        self.lanes.ask(partition, Asked { request, account, market, order, name, sides });
        effects.send(partition, Mail::PullOrders(PullOrders { market, account, sides, request, cause }));
        self.cancel_waiting(account, market, |side| sides.include(side), request, cause);
    }

    /// Pulls open orders one by one, but for those whose cancel is on its way. How many.
    pub(super) fn pull_each(
        &mut self,
        request: LogPosition,
        orders: &[OrderId],
        cause: CancelCause,
        effects: &mut Effects<'_>,
    ) -> u32 {
        let mut asked = 0;
        for id in orders {
            let id = &self.order_to_pull(*id, request, cause, ClientOrderId::EMPTY);
            let Some(open) = self.orders.get_mut(*id).filter(|open| !open.is_cancel_asked) else { continue };
            open.is_cancel_asked = true;
            let (account, market, order) = (open.account, open.market, open.id);
            let Some(partition) = self.partition_of(market) else { continue };
            let (name, sides) = (ClientOrderId::EMPTY, Sides::Both);
            self.lanes.ask(partition, Asked { request, account, market, order, name, sides });
            effects.send(partition, Mail::PullOrder(PullOrder { market, order, request, cause }));
            asked += 1;
        }
        asked
    }
}
