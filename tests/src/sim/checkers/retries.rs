//! Who asks for an order once more, in the words of the first time, is told what became of the first: whatever the log
//! has answered the repetition, it is not refused.
//!
//! The log says which order has the name, and the witness what that one asked for. So this holds of what a gateway makes
//! of it: it must know that order by then, or say that it does not know.

use std::collections::BTreeMap;

use wire::command::{NewOrder, Reply, SealName};
use wire::{Command, Event, OrderId, OrderKind, Price, RejectReason};

use super::Verdict;
use crate::sim::history::Record;

/// See the module.
#[derive(Debug, Default)]
pub struct Retries {
    /// As they were asked for. What was amended is another order.
    orders: BTreeMap<OrderId, NewOrder>,
    /// Requests that were refused in the log for the name of an order that is the same, and which.
    repeated: BTreeMap<u64, OrderId>,
}

/// What it asks for, whenever it does.
fn meaning(order: &NewOrder) -> NewOrder {
    // A protection price moves with the book.
    let price = if order.kind == OrderKind::Market { Price::MIN } else { order.price };
    NewOrder { price, asked_us: 0, ..*order }
}

impl Retries {
    /// A command of the ledger's partition is committed.
    pub fn on_commit(&mut self, record: &Record) {
        for event in &record.events {
            if let Event::OrderAmended(amended) = event {
                self.orders.remove(&amended.order);
            }
        }
        let Some(Command::NewOrder(order)) = &record.command else { return };
        let meant = meaning(order);
        match record.reply {
            Reply::Accepted { id } => _ = self.orders.insert(OrderId::new(id), meant),
            Reply::Rejected { reason: RejectReason::DuplicateClientOrderId, id }
                if SealName::asked_at(id).is_none() && self.orders.get(&OrderId::new(id)) == Some(&meant) =>
            {
                self.repeated.insert(order.asked_us, OrderId::new(id));
            }
            Reply::Rejected { .. } => {}
        }
    }

    /// A user who asked once more is refused in these words. So was the first, where `was_refused` says so.
    pub fn on_refused(&self, asked_us: u64, was_refused: impl Fn(OrderId) -> bool, words: &str) -> Verdict {
        match self.repeated.get(&asked_us).filter(|first| !was_refused(**first)) {
            Some(first) => Err(format!("a user asks once more for what is order {first}, and is told {words}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
