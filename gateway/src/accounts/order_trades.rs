//! The trades of one order, in order. Most orders have one or none: those take no memory of their own.

use wire::TradeId;

/// The trades of one order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum OrderTrades {
    /// It has not traded.
    #[default]
    None,
    /// It has traded once.
    One(TradeId),
    /// It has traded more often. Apart twice, because a list in here would be what every order has room for.
    Many(Box<Vec<TradeId>>),
}

impl OrderTrades {
    /// It trades once more.
    pub(crate) fn push(&mut self, trade: TradeId) {
        match self {
            OrderTrades::None => *self = OrderTrades::One(trade),
            OrderTrades::One(first) => *self = OrderTrades::Many(Box::new(vec![*first, trade])),
            OrderTrades::Many(trades) => trades.push(trade),
        }
    }

    /// All of them.
    pub fn as_slice(&self) -> &[TradeId] {
        match self {
            OrderTrades::None => &[],
            OrderTrades::One(trade) => std::slice::from_ref(trade),
            OrderTrades::Many(trades) => trades,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trades_are_kept_in_their_order_however_many_they_are() {
        let (mut trades, mut expected) = (OrderTrades::default(), Vec::new());
        for id in 1..=5 {
            assert_eq!(trades.as_slice(), expected);
            trades.push(TradeId::new(id));
            expected.push(TradeId::new(id));
        }
        assert_eq!(trades.as_slice(), expected);
    }
}
