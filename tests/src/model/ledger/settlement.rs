//! What a market's answers do: `engine/src/ledger/settlement.rs` and `prevention.rs` state the rules.

use wire::event::*;
use wire::mail::*;
use wire::{
    AccountId, CancelCause, ClientOrderId, Event, LogPosition, OrderId, RejectReason, SelfTradePrevention, Side,
};

use super::super::numbers::{amount, of, qty, whole};
use super::{Ledger, Order};

impl Ledger {
    /// Whose order it is, for an event.
    fn owner(&self, order: &Order) -> (OrderId, AccountId, wire::MarketId) {
        (OrderId::new(order.id), AccountId::new(order.account), order.market)
    }

    /// The open order, which the market has taken.
    fn taken(&mut self, id: OrderId) -> Option<Order> {
        let order = self.order(id.get())?;
        if !order.is_accepted {
            self.order_mut(order.id).is_accepted = true;
            let (order, account, market) = self.owner(&order);
            self.events.push(Event::OrderAccepted(OrderAccepted { order, account, market }));
        }
        Some(order)
    }

    pub(super) fn refused(&mut self, refused: &OrderRefused) {
        let reason = refused.reason;
        let Some(order) = self.order(refused.order.get()) else { return };
        self.release(&order, order.held);
        if order.list != 0 {
            return self.refused_in_list(&order, reason);
        }
        self.discard(&order);
        self.tell_rejected(&order, reason);
    }

    pub(super) fn tell_rejected(&mut self, order: &Order, reason: RejectReason) {
        let (order, account, market) = self.owner(order);
        self.events.push(Event::OrderRejected(OrderRejected { order, account, market, reason }));
    }

    pub(super) fn filled(&mut self, fill: &OrderFilled) {
        let Some(order) = self.taken(fill.order) else { return };
        let market = self.market_of(&order);
        let (at, part, leaves) = (of(fill.price), whole(fill.qty), whole(fill.leaves));
        let (quote, base) = (market.cost(at, part), market.base_of(part));
        let (given, taken) = if order.side == Side::Buy { (quote, base) } else { (base, quote) };
        let (pays, gets) = market.assets(order.side);
        self.pass_days(order.account, fill.traded_at);
        let (fee, rebate) = self.charge(order.account, &market, fill, given, taken);
        let keeps = match (order.is_limit, order.side) {
            _ if leaves == 0 => 0,
            (true, Side::Buy) => market.cost(order.price, leaves),
            _ => order.held - given,
        };
        self.shift(order.account, pays, order.held - given - keeps + rebate, keeps - order.held);
        self.shift(order.account, gets, taken - fee, 0);
        if leaves == 0 {
            self.close(&order);
        } else {
            let open = self.order_mut(order.id);
            (open.leaves, open.held, open.has_traded) = (leaves, keeps, true);
        }
        let (id, account, market_id) = self.owner(&order);
        self.events.push(Event::OrderExecuted(OrderExecuted {
            order: id,
            account,
            market: market_id,
            trade: fill.trade,
            side: order.side,
            price: fill.price,
            qty: fill.qty,
            quote_amount: amount(quote),
            fee: amount(fee),
            fee_asset: if rebate > 0 { pays } else { gets },
            rebate: amount(rebate),
            is_maker: fill.is_maker,
            leaves: fill.leaves,
            traded_at: fill.traded_at,
        }));
        self.count_volume(order.account, &market, quote, base);
        if leaves == 0 && order.list != 0 {
            self.leave_list(&order, None);
        }
    }

    pub(super) fn rested(&mut self, rested: &OrderRested) {
        let Some(order) = self.taken(rested.order) else { return };
        let (order, account, market) = self.owner(&order);
        self.events.push(Event::OrderResting(OrderResting { order, account, market, leaves: rested.leaves }));
    }

    pub(super) fn ended(&mut self, ended: &OrderEnded) {
        let OrderEnded { leaves, cause, request, .. } = *ended;
        let Some(order) = self.taken(ended.order) else { return };
        let name = if request == LogPosition::ZERO { ClientOrderId::EMPTY } else { self.asked.1 };
        self.close(&order);
        let freed = self.unshare(&order);
        self.release(&order, freed);
        if cause == CancelCause::Requested {
            self.hold_for_replacement(&order);
        }
        self.tell_canceled(&order, whole(leaves), cause, request, name);
        if order.list != 0 {
            self.leave_list(&order, Some((cause, request, name)));
        }
    }

    pub(super) fn tell_canceled(
        &mut self,
        order: &Order,
        leaves: i128,
        cause: CancelCause,
        request: LogPosition,
        canceled_as: ClientOrderId,
    ) {
        let (leaves, (order, account, market)) = (qty(leaves), self.owner(order));
        let told = OrderCanceled { order, account, market, leaves, cause, request, canceled_as };
        self.events.push(Event::OrderCanceled(told));
    }

    pub(super) fn pull_refused(&mut self, refused: &PullRefused) {
        let PullRefused { market, order, request } = *refused;
        let asked = self.withdrawn.get(&order.get()).unwrap_or(&self.asked.0);
        let (account, reason) = (AccountId::new(*asked), RejectReason::TooLateToCancel);
        self.events.push(Event::CancelRejected(CancelRejected { order, account, market, reason, request }));
    }

    pub(super) fn orders_pulled(&mut self, done: &OrdersPulled) {
        let OrdersPulled { market, account, request, canceled } = *done;
        self.events.push(Event::AllCanceled(AllCanceled { account, market, request, canceled }));
    }

    pub(super) fn armed(&mut self, armed: &StopArmed) {
        let Some(order) = self.taken(armed.order) else { return };
        let (order, account, market) = self.owner(&order);
        self.events.push(Event::OrderArmed(OrderArmed { order, account, market }));
    }

    pub(super) fn tracking(&mut self, tracking: &StopTracking) {
        let Some(order) = self.order(tracking.order.get()) else { return };
        let ((order, account, market), at) = (self.owner(&order), tracking.at);
        self.events.push(Event::OrderTracking(OrderTracking { order, account, market, at }));
    }

    pub(super) fn triggered(&mut self, triggered: &StopTriggered) {
        let Some(order) = self.order(triggered.order.get()) else { return };
        let ((order, account, market), at) = (self.owner(&order), triggered.at);
        self.events.push(Event::OrderTriggered(OrderTriggered { order, account, market, at }));
    }

    /// A pegged order has its limit, and a buy needs no more than that.
    pub(super) fn pegged(&mut self, set: &PegSet) {
        let Some(order) = self.taken(set.order) else { return };
        let market = self.market_of(&order);
        self.order_mut(order.id).price = of(set.price);
        if order.side == Side::Buy {
            let cost = market.cost(of(set.price), order.leaves);
            self.lower_hold(&order, |held| cost.min(held));
        }
        let ((order, account, market), price) = (self.owner(&order), set.price);
        self.events.push(Event::OrderPegged(OrderPegged { order, account, market, price }));
    }

    pub(super) fn prevented(&mut self, told: &TradePrevented) {
        let TradePrevented { market, prevented, taker, maker, group, mode, price, taker_qty, maker_qty, prevented_at } =
            *told;
        let (Some(taken), Some(rested)) = (self.taken(taker), self.order(maker.get())) else { return };
        let (taker_account, maker_account) = (AccountId::new(taken.account), AccountId::new(rested.account));
        self.events.push(Event::MatchPrevented(MatchPrevented {
            market,
            prevented,
            taker,
            taker_account,
            maker,
            maker_account,
            group,
            mode,
            price,
            taker_qty,
            maker_qty,
            prevented_at,
        }));
        if mode == SelfTradePrevention::Decrement {
            for id in [taker, maker] {
                self.decrement(id.get(), of(price), whole(taker_qty));
            }
        }
    }

    /// An order loses quantity, and what its rest does not need is released.
    fn decrement(&mut self, id: u64, at: i128, lost: i128) {
        let Some(order) = self.order(id) else { return };
        let market = self.market_of(&order);
        let leaves = order.leaves - lost;
        let keeps = match (order.is_limit, order.side) {
            (true, Side::Buy) => market.cost(order.price, leaves),
            (false, Side::Buy) => order.held - market.cost(at, lost),
            (_, Side::Sell) => order.held - market.base_of(lost),
        };
        self.release(&order, order.held - keeps);
        let open = self.order_mut(id);
        (open.leaves, open.held) = (leaves, keeps);
    }
}
