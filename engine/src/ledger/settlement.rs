//! What a market's answers do to orders and balances.
//!
//! An answer about an order that is not open changes nothing: the mail protocol delivers each answer once, and a
//! market answers a pull of a filled order with `PullRefused`.

use wire::event::{
    AllCanceled, CancelRejected, MarketListed, OrderAccepted, OrderCanceled, OrderExecuted, OrderRejected, OrderResting,
};
use wire::mail::{OrderEnded, OrderFilled, OrderRefused, OrderRested, OrdersPulled, PullRefused};
use wire::{
    AccountId, Amount, AssetId, CancelCause, ClientOrderId, Event, ListId, OrderId, PartitionId, RejectReason, Side,
};

use super::LedgerCell;
use super::fees::{Charge, Fill};
use super::orders::{Order, Place};
use crate::effects::Effects;

impl LedgerCell {
    /// The open order that `from` may speak of, with its market.
    pub(super) fn order_of(&self, from: PartitionId, id: OrderId) -> Option<(Order, MarketListed)> {
        let place = self.place_of(from, id)?;
        let order = *self.orders.at(place);
        Some((order, self.registry.market(order.market).ok()?.listed))
    }

    /// Where the open order lies that `from` may speak of.
    #[inline(always)]
    fn place_of(&self, from: PartitionId, id: OrderId) -> Option<Place> {
        let place = self.orders.find(id)?;
        let market = self.registry.market(self.orders.at(place).market).ok()?;
        (market.listed.partition == from).then_some(place)
    }

    /// The first word of a market that has not refused the order.
    pub(super) fn accept(&mut self, order: &Order, from: PartitionId, effects: &mut Effects<'_>) {
        if let Some(place) = self.orders.find(order.id) {
            self.accept_at(place, from, effects);
        }
    }

    /// As [`LedgerCell::accept`], of the order at a place.
    #[inline(always)]
    fn accept_at(&mut self, place: Place, from: PartitionId, effects: &mut Effects<'_>) {
        let order = self.orders.at_mut(place);
        if order.is_accepted {
            return;
        }
        order.is_accepted = true;
        let Order { id, account, market, .. } = *order;
        self.lanes.placed(from);
        effects.tell(Event::OrderAccepted(OrderAccepted { order: id, account, market }));
    }

    pub(super) fn refused(&mut self, from: PartitionId, refused: &OrderRefused, effects: &mut Effects<'_>) {
        let Some((order, market)) = self.order_of(from, refused.order).filter(|(order, _)| !order.is_accepted) else {
            return;
        };
        self.lanes.placed(from);
        self.release(&order, &market, order.held);
        if order.list != ListId::ZERO {
            self.refused_in_list(&order, refused.reason, effects);
            return;
        }
        self.orders.discard(order.id);
        let (account, market, reason) = (order.account, order.market, refused.reason);
        effects.tell(Event::OrderRejected(OrderRejected { order: order.id, account, market, reason }));
    }

    pub(super) fn filled(&mut self, from: PartitionId, fill: &OrderFilled, effects: &mut Effects<'_>) {
        let Some(place) = self.place_of(from, fill.order) else { return };
        self.accept_at(place, from, effects);
        let order = *self.orders.at(place);
        let Ok(market) = self.registry.market(order.market) else { return };
        let market = market.listed;
        let OrderFilled { trade, price, qty, leaves, is_maker, traded_at, .. } = *fill;
        let (side, account) = (order.side, order.account);
        let quote_amount = price.notional(qty, market.scale.quote_factor).expect("a trade costs what an amount holds");
        let base_amount = qty.to_amount(market.scale.base_factor).expect("a trade moves what an amount holds");
        let (given, taken) = match side {
            Side::Buy => (quote_amount, base_amount),
            Side::Sell => (base_amount, quote_amount),
        };
        self.pass_fee_days(account, traded_at, effects);
        let fill = Fill { account, trade, is_maker, given, taken, price, quote: quote_amount, base: base_amount };
        let Charge { fee, rebate } = self.fees.charge(&market, &fill);

        let covered = order.held.checked_sub(given).expect("a fill gives no more than was held for it");
        let still_held = match (order.is_limit, side) {
            _ if leaves.is_zero() => Amount::ZERO,
            (true, Side::Buy) => {
                order.price.notional(leaves, market.scale.quote_factor).expect("a part costs no more than the whole")
            }
            _ => covered,
        };
        let improvement = covered.checked_sub(still_held).expect("a fill at the limit or better leaves enough held");

        let given_asset = given_asset(side, &market);
        self.balances.give(account, given_asset, given);
        self.balances.take(account, received_asset(side, &market), taken, fee);
        let fee_asset = if rebate.is_zero() { received_asset(side, &market) } else { given_asset };
        if !rebate.is_zero() {
            self.balances.rebate(account, given_asset, rebate);
        }
        self.release(&order, &market, improvement);
        if leaves.is_zero() {
            self.orders.close_at(place, self.age);
        } else {
            let open = self.orders.at_mut(place);
            open.leaves = leaves;
            open.has_traded = true;
            open.held = still_held;
        }
        effects.tell(Event::OrderExecuted(OrderExecuted {
            order: order.id,
            account,
            market: order.market,
            trade,
            side,
            price,
            qty,
            quote_amount,
            fee,
            fee_asset,
            rebate,
            is_maker,
            leaves,
            traded_at,
        }));
        self.count_volume(&market, &fill, effects);
        if leaves.is_zero() && order.list != ListId::ZERO {
            self.leave_list(from, &order, None, effects);
        }
    }

    #[inline(always)]
    pub(super) fn rested(&mut self, from: PartitionId, rested: &OrderRested, effects: &mut Effects<'_>) {
        let Some(place) = self.place_of(from, rested.order) else { return };
        self.accept_at(place, from, effects);
        let order = self.orders.at(place);
        let (account, market, leaves) = (order.account, order.market, rested.leaves);
        effects.tell(Event::OrderResting(OrderResting { order: order.id, account, market, leaves }));
    }

    pub(super) fn ended(&mut self, from: PartitionId, ended: &OrderEnded, effects: &mut Effects<'_>) {
        let OrderEnded { leaves, cause, request, .. } = *ended;
        let canceled_as = self.lanes.ended(from, request, ended.order).unwrap_or(ClientOrderId::EMPTY);
        let Some(place) = self.place_of(from, ended.order) else { return };
        self.accept_at(place, from, effects);
        let order = *self.orders.at(place);
        let Ok(market) = self.registry.market(order.market) else { return };
        let given = given_asset(order.side, &market.listed);
        self.orders.close_at(place, self.age);
        let freed = if order.list == ListId::ZERO { order.held } else { self.unshare(&order) };
        self.release_of(order.account, given, freed);
        // A lease or a countdown may end the order at the position of a replace, which has its own answer.
        if cause == CancelCause::Requested {
            self.hold_for_replacement(request, order.id, leaves);
        }
        let (account, market) = (order.account, order.market);
        effects.tell(Event::OrderCanceled(OrderCanceled {
            order: order.id,
            account,
            market,
            leaves,
            cause,
            request,
            canceled_as,
        }));
        if order.list != ListId::ZERO {
            self.leave_list(from, &order, Some((cause, request, canceled_as)), effects);
        }
    }

    pub(super) fn pull_refused(&mut self, from: PartitionId, refused: &PullRefused, effects: &mut Effects<'_>) {
        let PullRefused { market, order, request } = *refused;
        let Some(asked) = self.lanes.answered(from, request) else { return };
        let (account, reason) = (asked.account, RejectReason::TooLateToCancel);
        effects.tell(Event::CancelRejected(CancelRejected { order, account, market, reason, request }));
    }

    pub(super) fn orders_pulled(&mut self, from: PartitionId, done: &OrdersPulled, effects: &mut Effects<'_>) {
        let OrdersPulled { market, account, request, canceled } = *done;
        if self.lanes.answered(from, request).is_some() {
            effects.tell(Event::AllCanceled(AllCanceled { account, market, request, canceled }));
        }
    }

    pub(super) fn release(&mut self, order: &Order, market: &MarketListed, amount: Amount) {
        self.release_of(order.account, given_asset(order.side, market), amount);
    }

    #[inline]
    fn release_of(&mut self, account: AccountId, asset: AssetId, amount: Amount) {
        #[cfg(feature = "planted")]
        let amount = match amount.checked_sub(Amount::new(1).expect("one unit")) {
            Some(less) if wire::planted::is(wire::planted::Bug::HoldNotReleased) => less,
            _ => amount,
        };
        if !amount.is_zero() {
            self.balances.release(account, asset, amount);
        }
    }
}

pub(super) fn given_asset(side: Side, market: &MarketListed) -> AssetId {
    match side {
        Side::Buy => market.quote,
        Side::Sell => market.base,
    }
}

fn received_asset(side: Side, market: &MarketListed) -> AssetId {
    given_asset(side.opposite(), market)
}
