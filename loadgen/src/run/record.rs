//! What the exchange has told us about our orders: the claims that reconciliation holds it to.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::api::message::{Fill, Order};

/// Client order ids of one run: unique among all runs and, by their common start, ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIds {
    prefix: String,
}

impl ClientIds {
    /// For a run that started at this time in this process.
    pub fn new(started_ms: u64, process: u32) -> ClientIds {
        ClientIds { prefix: format!("lg-{started_ms:x}-{process:x}-") }
    }

    /// The id of the run's order number `number`.
    pub fn text(&self, number: u64) -> String {
        format!("{}{number}", self.prefix)
    }

    /// The number in an id of this run.
    pub fn number(&self, text: &str) -> Option<u64> {
        text.strip_prefix(&self.prefix)?.parse().ok()
    }
}

/// Everything the exchange has claimed about one account's orders in one market.
#[derive(Debug, Default)]
pub struct Record {
    /// By the number in the client order id.
    pub orders: BTreeMap<u64, Claim>,
}

impl Record {
    /// The smallest order id that was acknowledged.
    pub fn first_order_id(&self) -> Option<u64> {
        self.order_ids().into_iter().min()
    }

    /// Every order id that was acknowledged.
    pub fn order_ids(&self) -> Vec<u64> {
        let ids = self.orders.values().filter_map(|claim| match &claim.outcome {
            Outcome::Acked(acked) => Some(acked.order_id),
            Outcome::Rejected | Outcome::Unknown => None,
        });
        ids.collect()
    }
}

/// What became of one order, as we were told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The last we were told.
    pub outcome: Outcome,
    /// Whether it was sent or asked for more than once, so that an earlier attempt may have worked although
    /// a later one was refused.
    pub retried: bool,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Acked(Acked),
    /// It was refused.
    Rejected,
    /// Neither, for as long as we asked.
    Unknown,
}

/// An acknowledgement, reduced to what can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acked {
    /// The exchange's id.
    pub order_id: u64,
    /// Whether the acknowledgement says that nothing more can happen.
    pub is_final: bool,
    /// Whether a cancel was acknowledged.
    pub canceled: bool,
    /// Traded base quantity.
    pub executed: Decimal,
    /// Traded quote quantity.
    pub quote: Decimal,
    /// Fills named in the acknowledgement.
    pub fills: Vec<Fill>,
}

impl Acked {
    /// From an order as the exchange described it.
    pub fn new(order: Order) -> Acked {
        Acked {
            order_id: order.order_id,
            is_final: order.is_final(),
            canceled: false,
            executed: order.executed_qty,
            quote: order.cummulative_quote_qty,
            fills: order.fills,
        }
    }
}
