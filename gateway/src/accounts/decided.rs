//! What a market says of an order before the ledger can.
//!
//! Where a market has a partition of its own, a plain order that trades or comes to rest there has been *taken*, in a log
//! that a quorum has, one commit before the ledger tells so: it is not refused any more, and an answer of the type `ACK`
//! says no more than that. One that comes to rest with all of its quantity is *decided*: the market's mail is in that same
//! log, and the ledger makes `NEW`, nothing executed, of it whatever follows. So who waits for that is answered then.
//! Everything else waits for the ledger: whoever has seen "filled" or "canceled" may spend the funds with the next message.
//! So may who was told of an order that was taken: what takes from the account's funds waits for it
//! ([`Gateway::spend`](crate::Gateway::spend)).
//!
//! The market's word is not taken into any projection: user events and queries are the ledger's alone, and a query waits for it
//! ([`Gateway::orders_up_to_date`](crate::Gateway::orders_up_to_date)).

use wire::event::{OrderPending, OrderShown};
use wire::{
    AccountId, Event, ListId, LogPosition, MarketId, OrderId, OrderKind, SelfTradePrevention, Side, Terms, TimeInForce,
};

use super::orders::Order;
use super::outcomes::{OrderOutcome, Word};
use super::{Accounts, Batch, OrderStatus};

impl Accounts {
    /// Takes in what a market tells of its book, by the events of one command of a partition that is not the ledger's. One
    /// command may have brought several orders.
    pub(crate) fn hear_market(&self, events: &[Event]) {
        for (index, event) in events.iter().enumerate() {
            match event {
                Event::OrderShown(shown) if comes_to_rest(shown) => {
                    self.hear(shown.market, shown.order, |order| rests_whole(order, shown, &events[..index]));
                }
                Event::Traded(traded) => self.hear(traded.market, traded.taker, |_| false),
                _ => {}
            }
        }
    }

    /// A market tells of an order that it has taken.
    fn hear(&self, market: MarketId, order: OrderId, is_decided: impl FnOnce(&Order) -> bool) {
        self.outcomes.hear(order, |account| {
            let order = self.get(account)?.orders.get(market, order).filter(|order| order.may_be_taken())?;
            Some(match is_decided(order) {
                true => (Word::Decided, OrderOutcome::decided(order)),
                false => (Word::Taken, OrderOutcome::taken(order)),
            })
        });
    }

    /// The ledger has sent an order to its market.
    pub(super) fn send_off(&mut self, batch: &Batch<'_>, pending: &OrderPending) {
        let order = Order::new(pending, batch.now);
        let market = batch.reference.market(order.market);
        let may_be_taken = order.may_be_taken() && market.is_some_and(|market| market.partition != self.ledger);
        let account = self.account(pending.account);
        account.orders.insert(order);
        if may_be_taken {
            account.on_their_way.insert((pending.market, pending.order));
            self.outcomes.send_off(pending.order, pending.account);
        }
    }

    /// Those of the account's orders on their way, as far as `is_wanted`, of which a client may have been told more than is
    /// known here.
    pub(crate) fn on_their_way(
        &self,
        account: AccountId,
        is_wanted: impl Fn(&Order) -> bool,
    ) -> Vec<(MarketId, OrderId)> {
        let Some(account) = self.get(account) else { return Vec::new() };
        let is_wanted = |(market, order): &(MarketId, OrderId)| {
            account.orders.get(*market, *order).is_some_and(|order| order.is_plain() && is_wanted(order))
        };
        account.on_their_way.iter().copied().filter(is_wanted).collect()
    }

    /// Those of the account's orders on their way that their markets are known to have taken.
    pub(crate) fn taken(&self, account: AccountId) -> Vec<(MarketId, OrderId)> {
        let Some(account) = self.get(account) else { return Vec::new() };
        let is_taken = |(_, order): &(MarketId, OrderId)| self.outcomes.is_taken(*order);
        account.on_their_way.iter().copied().filter(is_taken).collect()
    }

    /// Up to where the ledger has told what became of the account's orders that were on their way.
    pub(crate) fn arrived_at(&self, account: AccountId) -> LogPosition {
        self.get(account).map_or(LogPosition::ZERO, |account| account.arrived_at)
    }

    /// Whether the ledger has not told yet what became of an order: one that trades with many may be told in parts.
    pub(crate) fn is_on_its_way(&self, account: AccountId, (market, order): (MarketId, OrderId)) -> bool {
        self.get(account).is_some_and(|account| account.on_their_way.contains(&(market, order)))
    }
}

/// Whether any of these says that an order was taken.
pub(crate) fn may_take(events: &[Event]) -> bool {
    let takes = |event: &Event| match event {
        Event::OrderShown(shown) => comes_to_rest(shown),
        Event::Traded(_) => true,
        _ => false,
    };
    events.iter().any(takes)
}

/// Whether the event is that of an order which takes its place on the book: or of an iceberg's next slice.
fn comes_to_rest(shown: &OrderShown) -> bool {
    shown.is_last && !shown.qty.is_zero()
}

/// Whether the order, as the ledger sent it, is on the book and has met nobody on its way there. `before` is what the same
/// command has told before.
///
/// What it has traded, or lost as [`SelfTradePrevention::Decrement`] has it, it would lack; if it had expired its maker it
/// would lack nothing. A maker that expires is told gone, on the other side and where the order would have taken it. So is
/// one that was canceled just before: then the ledger answers, one commit later.
fn rests_whole(order: &Order, shown: &OrderShown, before: &[Event]) -> bool {
    let is_placed_so = (shown.side, shown.price, shown.qty) == (order.side, order.price, order.qty);
    let would_take = |gone: &OrderShown| match order.side {
        Side::Buy => gone.price <= order.price,
        Side::Sell => gone.price >= order.price,
    };
    let may_have_expired = |event: &Event| {
        matches!(event, Event::OrderShown(gone) if gone.market == order.market
            && gone.side != order.side && gone.qty.is_zero() && would_take(gone))
    };
    let expires_makers = order.self_trade == SelfTradePrevention::ExpireMaker;
    order.may_be_decided() && is_placed_so && !(expires_makers && before.iter().any(may_have_expired))
}

impl Order {
    /// Whether it is on its way to its market, and plain: its market alone may say that it has taken it.
    fn may_be_taken(&self) -> bool {
        self.status == OrderStatus::PendingNew && self.is_plain()
    }

    /// Its terms and its list are told after it.
    fn is_plain(&self) -> bool {
        matches!(self.kind, OrderKind::Limit | OrderKind::LimitMaker | OrderKind::Market)
            && *self.terms() == Terms::NONE
            && self.list() == ListId::ZERO
    }

    /// Whether its market alone may decide it.
    fn may_be_decided(&self) -> bool {
        self.may_be_taken()
            && matches!(self.kind, OrderKind::Limit | OrderKind::LimitMaker)
            && self.time_in_force == TimeInForce::Gtc
    }
}

impl OrderOutcome {
    /// Of an order that its market has taken, as the ledger has sent it: for who asks for no more than that.
    pub(super) fn taken(order: &Order) -> OrderOutcome {
        OrderOutcome { order: order.clone(), fills: Vec::new(), prevented: Vec::new() }
    }

    /// Of an order that rests whole, as the ledger will tell it. When it was last changed is the ledger's to say: that is in no
    /// answer to a new order.
    pub(super) fn decided(order: &Order) -> OrderOutcome {
        let mut order = order.clone();
        order.accept(order.created);
        order.is_settled = true;
        OrderOutcome { order, fills: Vec::new(), prevented: Vec::new() }
    }
}

#[cfg(test)]
mod tests;
