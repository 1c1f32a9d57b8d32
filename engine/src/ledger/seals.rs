//! The certainty that no order of a name comes any more: a client that is told "no such order" has no doubt left, whatever
//! gateway it sent that order to and whatever became of it.
//!
//! A seal is a name that is taken by no order. It needs no table of its own: names of closed orders stay taken for a while,
//! and so do sealed ones.

use wire::RejectReason;
use wire::command::SealName;

use super::{Answer, LedgerCell};

impl LedgerCell {
    /// The reply's id is the order that has the name, or 0.
    pub(crate) fn seal_name(&mut self, seal: &SealName) -> Answer {
        let SealName { account, client_order_id, asked_us, is_lifted } = *seal;
        self.registry.account(account)?;
        if client_order_id.is_empty() || SealName::asked_at(asked_us).is_some() {
            return Err(RejectReason::Malformed.into());
        }
        let sealed_at =
            match self.orders.taken_by(account, &client_order_id).map(|id| (id, SealName::asked_at(id.get()))) {
                Some((order, None)) => return Ok(order.get()),
                Some((_, sealed_at)) => sealed_at,
                None => None,
            };
        if is_lifted {
            if sealed_at == Some(asked_us) {
                self.orders.unseal(account, &client_order_id);
            }
            return Ok(0);
        }
        if !self.orders.has_room_for_seal() {
            return Err(RejectReason::Busy.into());
        }
        let latest_us = sealed_at.map_or(asked_us, |sealed_us| sealed_us.max(asked_us));
        self.orders.seal(account, &client_order_id, SealName::no_order(latest_us), self.now);
        Ok(0)
    }
}
