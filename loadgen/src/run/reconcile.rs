//! Compares what the exchange has told us with what it has recorded. Pure: the records are fetched by
//! [`super::fetch`].

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::record::{Acked, ClientIds, Outcome, Record};
use crate::api::message::{MyTrade, Order};
use crate::market::Market;

#[cfg(test)]
mod tests;

/// Everything that is wrong, each as a sentence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Acknowledged orders and fills that the exchange has no record of.
    pub lost: Vec<String>,
    /// Orders and fills that exist more than once, or that nobody sent.
    pub duplicated: Vec<String>,
    /// Records that say something else than the acknowledgement, or than one another.
    pub disagreeing: Vec<String>,
    /// Balances that do not follow from the trades.
    pub unbalanced: Vec<String>,
    /// Orders without any answer that have no record either, or one that is still pending.
    pub unresolved: u64,
}

impl Findings {
    /// Whether nothing is wrong. Unresolved orders are not wrong: nobody was promised anything.
    pub fn is_sound(&self) -> bool {
        [&self.lost, &self.duplicated, &self.disagreeing, &self.unbalanced].iter().all(|list| list.is_empty())
    }

    /// Adds another account's or market's findings.
    pub fn extend(&mut self, other: Findings) {
        self.lost.extend(other.lost);
        self.duplicated.extend(other.duplicated);
        self.disagreeing.extend(other.disagreeing);
        self.unbalanced.extend(other.unbalanced);
        self.unresolved += other.unresolved;
    }
}

/// Holds the exchange to its claims about one account's orders in one market. `orders` and `trades` are
/// its records since the run began; those of other programs are left alone.
pub fn orders_and_fills(ids: &ClientIds, claims: &Record, orders: &[Order], trades: &[MyTrade]) -> Findings {
    let mut findings = Findings::default();
    let mut by_number: BTreeMap<u64, Vec<&Order>> = BTreeMap::new();
    for order in orders {
        if let Some(number) = ids.number(&order.client_order_id) {
            by_number.entry(number).or_default().push(order);
        }
    }
    let mut by_order: BTreeMap<u64, Vec<&MyTrade>> = BTreeMap::new();
    for trade in trades {
        by_order.entry(trade.order_id).or_default().push(trade);
    }
    for (number, records) in &by_number {
        let name = ids.text(*number);
        if records.len() > 1 {
            let ids: Vec<u64> = records.iter().map(|order| order.order_id).collect();
            findings.duplicated.push(format!("order {name} exists {} times, as {ids:?}", records.len()));
        }
        if !claims.orders.contains_key(number) {
            findings.duplicated.push(format!("order {name} exists and was never sent"));
        }
        for order in records {
            let fills = by_order.get(&order.order_id).map_or(&[][..], Vec::as_slice);
            fills_of(order, fills, &mut findings);
        }
    }
    for (number, claim) in &claims.orders {
        let name = ids.text(*number);
        let record = by_number.get(number).and_then(|records| records.first().copied());
        match (&claim.outcome, record) {
            (Outcome::Acked(acked), None) => {
                findings.lost.push(format!("order {name} was acknowledged as {} and has no record", acked.order_id));
            }
            (Outcome::Acked(acked), Some(order)) => {
                let fills = by_order.get(&order.order_id).map_or(&[][..], Vec::as_slice);
                acknowledgement(&name, acked, order, fills, &mut findings);
            }
            (Outcome::Rejected, Some(order)) if !claim.retried && order.status != "REJECTED" => {
                findings.disagreeing.push(format!("order {name} was refused and is recorded as {}", order.status));
            }
            (Outcome::Unknown, Some(order)) if order.status == "PENDING_NEW" => findings.unresolved += 1,
            (Outcome::Unknown, None) => findings.unresolved += 1,
            (Outcome::Rejected | Outcome::Unknown, _) => {}
        }
    }
    findings
}

/// An order's record must follow from its fills.
fn fills_of(order: &Order, fills: &[&MyTrade], findings: &mut Findings) {
    let name = &order.client_order_id;
    let mut seen = BTreeSet::new();
    for fill in fills {
        if !seen.insert(fill.id) {
            findings.duplicated.push(format!("fill {} of order {name} is recorded twice", fill.id));
        }
        if fill.price * fill.qty != fill.quote_qty {
            let MyTrade { id, price, qty, quote_qty, .. } = fill;
            findings.disagreeing.push(format!("fill {id} of order {name}: {price} × {qty} is not {quote_qty}"));
        }
    }
    let executed: Decimal = fills.iter().map(|fill| fill.qty).sum();
    let quote: Decimal = fills.iter().map(|fill| fill.quote_qty).sum();
    if (executed, quote) != (order.executed_qty, order.cummulative_quote_qty) {
        findings.disagreeing.push(format!(
            "order {name} is recorded with {} for {}, its fills sum to {executed} for {quote}",
            order.executed_qty, order.cummulative_quote_qty
        ));
    }
}

/// A record must contain everything that its acknowledgement promised.
fn acknowledgement(name: &str, acked: &Acked, order: &Order, fills: &[&MyTrade], findings: &mut Findings) {
    if acked.order_id != order.order_id {
        let (acked, recorded) = (acked.order_id, order.order_id);
        findings.duplicated.push(format!("order {name} was acknowledged as {acked} and is recorded as {recorded}"));
    }
    for fill in &acked.fills {
        match fills.iter().find(|recorded| recorded.id == fill.trade_id) {
            None => findings.lost.push(format!("fill {} of order {name} was told and has no record", fill.trade_id)),
            Some(recorded)
                if (recorded.price, recorded.qty, recorded.commission) != (fill.price, fill.qty, fill.commission)
                    || recorded.commission_asset != fill.commission_asset =>
            {
                findings.disagreeing.push(format!("fill {} of order {name} is recorded otherwise", fill.trade_id));
            }
            Some(_) => {}
        }
    }
    let grew = order.executed_qty > acked.executed;
    let shrank = order.executed_qty < acked.executed || order.cummulative_quote_qty < acked.quote;
    if shrank || (acked.is_final && grew) {
        findings.disagreeing.push(format!(
            "order {name} was told with {} executed and is recorded with {}",
            acked.executed, order.executed_qty
        ));
    }
    if acked.canceled && order.status != "CANCELED" {
        findings.disagreeing.push(format!("the cancel of order {name} was told, its record says {}", order.status));
    }
}

/// An account's balances, free and held together, by asset.
pub type Balances = BTreeMap<String, Decimal>;

/// The balances after the run must be those before it, moved by the account's trades and fees alone.
/// `trades` are all of the account's since `before`, by market.
pub fn balances(account: &str, before: &Balances, after: &Balances, trades: &[(&Market, &[MyTrade])]) -> Findings {
    let mut expected = before.clone();
    let mut touched = BTreeSet::new();
    for (market, trades) in trades {
        touched.extend([market.base.clone(), market.quote.clone()]);
        for trade in *trades {
            let (base, quote) = match trade.is_buyer {
                true => (trade.qty, -trade.quote_qty),
                false => (-trade.qty, trade.quote_qty),
            };
            *expected.entry(market.base.clone()).or_default() += base;
            *expected.entry(market.quote.clone()).or_default() += quote;
            *expected.entry(trade.commission_asset.clone()).or_default() -= trade.commission;
            touched.insert(trade.commission_asset.clone());
        }
    }
    let mut findings = Findings::default();
    for asset in touched {
        let of = |balances: &Balances| balances.get(&asset).copied().unwrap_or_default();
        let (expected, found) = (of(&expected), of(after));
        if expected != found {
            findings.unbalanced.push(format!(
                "account {account} has {found} {asset}; its trades and fees make it {expected} (difference {})",
                found - expected
            ));
        }
    }
    findings
}

/// Per asset, what the accounts together gained from outsiders (lost, if negative) and what they paid in
/// fees. Where they traded among themselves alone, the gain is zero and the deltas sum to minus the fees.
pub fn flows(trades: &[(&Market, &[MyTrade])]) -> BTreeMap<String, Flow> {
    let mut flows: BTreeMap<String, Flow> = BTreeMap::new();
    for (market, trades) in trades {
        for trade in *trades {
            let sign = if trade.is_buyer { Decimal::ONE } else { Decimal::NEGATIVE_ONE };
            flows.entry(market.base.clone()).or_default().from_outside += sign * trade.qty;
            flows.entry(market.quote.clone()).or_default().from_outside -= sign * trade.quote_qty;
            flows.entry(trade.commission_asset.clone()).or_default().fees += trade.commission;
        }
    }
    flows
}

/// See [`flows`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flow {
    /// Received from accounts that are not part of the run, minus what went to them.
    pub from_outside: Decimal,
    /// Paid to the exchange.
    pub fees: Decimal,
}
