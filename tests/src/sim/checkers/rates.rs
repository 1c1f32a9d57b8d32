//! Who is told to have placed more orders than the account may in a window of time has been refused for just that, and who was
//! refused for that is told so, if anything is told.

use std::collections::BTreeSet;

use wire::command::Reply;
use wire::{Command, RejectReason};

use super::Verdict;
use crate::sim::history::Record;

/// TOO_MANY_ORDERS.
const TOO_MANY: i64 = -1015;

/// See the module.
#[derive(Debug, Default)]
pub struct Rates {
    /// Requests that the log has refused for it, by when they were asked for.
    refused: BTreeSet<u64>,
}

impl Rates {
    /// A command of the ledger's partition is committed.
    pub fn on_commit(&mut self, record: &Record) {
        let asked_us = match &record.command {
            Some(Command::NewOrder(order)) => order.asked_us,
            Some(Command::ReplaceOrder(replace)) => replace.order.asked_us,
            _ => return,
        };
        if matches!(record.reply, Reply::Rejected { reason: RejectReason::OrderRateExceeded, .. }) {
            self.refused.insert(asked_us);
        }
    }

    /// A user who asked for a new order then is told that there is none, with this code.
    pub fn on_refused(&self, asked_us: u64, code: i64) -> Verdict {
        if self.refused.contains(&asked_us) == (code == TOO_MANY) {
            return Ok(());
        }
        Err(format!(
            "a request that the log has {} for its account's rate is answered {code}",
            match code {
                TOO_MANY => "not refused",
                _ => "refused",
            }
        ))
    }
}

#[cfg(test)]
mod tests;
