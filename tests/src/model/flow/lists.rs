//! Pegs, and lists of orders.

use wire::command::{NewOrder, NewOrderList, NewOrderOnTerms};
use wire::{
    AccountId, Amount, ListKind, MarketId, OrderKind, Peg, PegSide, Price, SelfTradePrevention, Side, Terms,
    TimeInForce,
};

use super::Flow;

impl Flow {
    /// Mostly one that the order takes; without a price of the client the order's is a protection price.
    pub(super) fn peg(&mut self, order: &mut NewOrder) -> Peg {
        let side = match self.below(8) {
            0 => self.one_of(PegSide::ALL),
            1..5 => PegSide::Primary,
            _ => PegSide::Market,
        };
        let levels = self.one_of(&[0, 0, 0, 1, 2, 5, 101]);
        let has_price = self.below(2) == 0;
        if !has_price {
            let ticks = if order.side == Side::Buy { 215 } else { 185 };
            order.price = Price::new(ticks * self.rules.tick.units()).expect("a price");
        }
        Peg { side, levels, has_price }
    }

    /// A list that has a good chance to come in.
    pub(super) fn list(&mut self, kind: ListKind, account: AccountId, market: MarketId) -> NewOrderList {
        let mut legs: Vec<NewOrderOnTerms> = Vec::new();
        let side = self.one_of(&[Side::Buy, Side::Sell]);
        let (qty, self_trade) = (self.qty(), self.one_of(SelfTradePrevention::ALL));
        let is_sell = side == Side::Sell;
        if kind != ListKind::Oco {
            let kind = self.one_of(&[OrderKind::Limit, OrderKind::Limit, OrderKind::LimitMaker]);
            let working = NewOrder { kind, time_in_force: TimeInForce::Gtc, ..self.order() };
            legs.push(NewOrderOnTerms { order: working, terms: Terms::NONE });
        }
        let ticks = |ticks: i64, tick: Price| Price::new(ticks * tick.units()).expect("a price");
        let (near, far) = (self.below(12) as i64 + 1, self.below(12) as i64 + 1);
        let (above, below) = (ticks(200 + near, self.rules.tick), ticks(200 - far, self.rules.tick));
        let (wanted, stop) = if is_sell { (above, below) } else { (below, above) };
        let profit = self.one_of(&[OrderKind::LimitMaker, OrderKind::LimitMaker, OrderKind::TakeProfit]);
        let profit = if self.below(4) == 0 { OrderKind::TakeProfitLimit } else { profit };
        let loss = self.one_of(&[OrderKind::StopLoss, OrderKind::StopLossLimit]);
        for (kind, price) in [(profit, wanted), (loss, stop)] {
            let time_in_force = if kind.is_market() {
                TimeInForce::Ioc
            } else {
                self.one_of(&[TimeInForce::Gtc, TimeInForce::Gtc, TimeInForce::Day])
            };
            let stop_price = kind.is_stop().then_some(price);
            let order = NewOrder { side, kind, time_in_force, self_trade, price, qty, ..self.order() };
            let order = NewOrder { quote_qty: Amount::ZERO, ..order };
            let (mut order, mut peg) = (order, Peg::NONE);
            if self.below(6) == 0 {
                peg = Peg { side: PegSide::Primary, ..self.peg(&mut order) };
            }
            legs.push(NewOrderOnTerms { order, terms: Terms { stop_price, peg, ..Terms::NONE } });
        }
        if kind == ListKind::Oto && self.below(2) == 0 {
            let order = NewOrder { side, time_in_force: TimeInForce::Ioc, qty, price: above, ..self.order() };
            let order = NewOrder { kind: OrderKind::Market, quote_qty: Amount::ZERO, ..order };
            legs.truncate(1);
            legs.push(NewOrderOnTerms { order, terms: Terms::NONE });
        } else if self.below(2) == 0 {
            let at = legs.len() - 2;
            legs.swap(at, at + 1);
        }
        legs.truncate(kind.legs());
        for leg in &mut legs {
            (leg.order.account, leg.order.market) = (account, market);
        }
        NewOrderList { kind, list_client_order_id: self.name(), legs }
    }
}
