//! User events that nobody has wanted yet: each is kept as what it will be written from. Thousands are kept of every account and most
//! are never written, so they lie one after the other, whatever they tell.

use std::sync::Arc;

use wire::{AssetId, ClientOrderId, LogPosition, RejectReason, Timestamp};

use super::Balance;
use super::fills::Fill;
use super::orders::Order;
use super::reports::{self, Reporter};
use crate::reference::Reference;

/// One user event, written or not.
pub(super) enum Draft {
    /// `executionReport`.
    Report(Report),
    /// `outboundAccountPosition`.
    Position(Position),
    /// It has been written.
    Written(Arc<str>),
}

/// What one event made of an order.
pub(super) struct Report {
    /// As it was then, without its history.
    pub(super) order: Order,
    pub(super) occasion: Occasion,
    /// What the report is numbered by.
    pub(super) execution: u64,
    pub(super) now: Timestamp,
}

/// What a report of an order is told for.
pub(super) enum Occasion {
    Accepted,
    Rejected(RejectReason),
    Expired,
    /// A trade with its own account or group was prevented; it goes on with less.
    Prevented,
    /// It had this name before.
    Amended(ClientOrderId),
    Canceled {
        request: LogPosition,
        canceled_as: ClientOrderId,
    },
    Traded(Fill),
}

/// The balances that one command changed.
pub(super) struct Position {
    balances: Balances,
    now: Timestamp,
}

/// Assets of which balances are kept in place: one market moves two.
const FEW: usize = 4;

enum Balances {
    Few { count: usize, of: [(AssetId, Balance); FEW] },
    Many(Box<[(AssetId, Balance)]>),
}

impl Draft {
    /// What clients read: written once, when first asked for.
    pub(super) fn text(&mut self, reference: &Reference) -> Arc<str> {
        let text: Arc<str> = match self {
            Draft::Report(report) => report.write(reference).into(),
            Draft::Position(position) => position.write(reference).into(),
            Draft::Written(text) => return Arc::clone(text),
        };
        *self = Draft::Written(Arc::clone(&text));
        text
    }
}

impl Report {
    fn write(&self, reference: &Reference) -> String {
        let Report { order, execution, now, .. } = self;
        let market = reference.market(order.market).expect("a market that is listed stays listed");
        let reporter = Reporter { market, reference, execution: *execution, now: *now };
        match &self.occasion {
            Occasion::Accepted => reporter.accepted(order),
            Occasion::Rejected(reason) => reporter.rejected(order, *reason),
            Occasion::Expired => reporter.expired(order),
            Occasion::Prevented => reporter.prevented(order),
            Occasion::Amended(before) => reporter.amended(order, before.as_str()),
            Occasion::Canceled { request, canceled_as } => reporter.canceled(order, *request, canceled_as),
            Occasion::Traded(fill) => reporter.trade(order, fill),
        }
    }
}

impl Position {
    pub(super) fn new(balances: impl Iterator<Item = (AssetId, Balance)>, now: Timestamp) -> Position {
        let (mut count, mut few) = (0, [(AssetId::new(0), Balance::default()); FEW]);
        let mut balances = balances.fuse();
        for (place, balance) in few.iter_mut().zip(&mut balances) {
            *place = balance;
            count += 1;
        }
        let balances = match balances.next() {
            None => Balances::Few { count, of: few },
            Some(next) => Balances::Many(few.into_iter().chain([next]).chain(balances).collect()),
        };
        Position { balances, now }
    }

    fn balances(&self) -> &[(AssetId, Balance)] {
        match &self.balances {
            Balances::Few { count, of } => &of[..*count],
            Balances::Many(balances) => balances,
        }
    }

    fn write(&self, reference: &Reference) -> String {
        let shown = self.balances().iter();
        let shown = shown.filter_map(|(asset, balance)| Some((reference.asset(*asset)?, *balance)));
        reports::account_position(shown, self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_holds_every_balance_in_order_however_many_there_are() {
        let balance = |asset: u16| {
            let free = wire::Amount::new(i64::from(asset)).unwrap();
            (AssetId::new(asset), Balance { free, held: wire::Amount::ZERO })
        };
        for count in 0..=3 * FEW as u16 {
            let all: Vec<_> = (1..=count).map(balance).collect();
            assert_eq!(Position::new(all.iter().copied(), Timestamp::ZERO).balances(), all);
        }
    }

    /// A draft is as large as the largest of them, and an order's row is read when nobody has looked at it for long.
    #[test]
    fn orders_and_drafts_are_small() {
        assert!(size_of::<Order>() <= 152, "{}", size_of::<Order>());
        assert!(size_of::<Draft>() <= 248, "{}", size_of::<Draft>());
    }
}
