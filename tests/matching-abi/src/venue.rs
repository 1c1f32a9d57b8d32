//! Messages to mail, what the cell says to reports.

use engine::{Limits, MarketAlone};
use wire::mail::{CreateMarket, PlaceOrder, PullOrder};
use wire::{
    AccountId, Amount, CancelCause, Event, LogPosition, Mail, MarketId, MarketRules, MarketScale, OrderId, OrderKind,
    PartitionId, Price, Qty, SelfTradePrevention, Side, TimeInForce, Timestamp, TradeGroupId,
};

use crate::abi::{Cancel, Modify, NewOrder, Report, Sink};
use crate::orders::Orders;

/// One market, one member.
pub(crate) struct Venue {
    market: MarketAlone,
    orders: Orders,
    sink: Sink,
}

const MARKET: MarketId = MarketId::new(1);
const MEMBER: AccountId = AccountId::new(1);
const NOW: Timestamp = Timestamp::from_nanos(1_000_000_000);

/// The harness's prices are signed; ours are positive.
const ZERO_TICKS: i64 = 1 << 40;

/// The harness caps neither orders nor fills: as many as it can send in one run.
const RESTING_MAX: u32 = 1 << 21;

fn rules() -> MarketRules {
    let one = Qty::new(1).expect("a quantity");
    MarketRules {
        tick: Price::MIN,
        price_min: Price::MIN,
        price_max: Price::MAX,
        lot: one,
        qty_min: one,
        qty_max: Qty::MAX,
        market_qty_max: Qty::MAX,
        notional_min: Amount::ZERO,
        notional_max: Amount::MAX,
        protection_ppm: 50_000,
        open_orders_max: u32::MAX,
        special: wire::SpecialRules::default(),
    }
}

#[inline]
fn side_of(side: u8) -> Side {
    // From a table: which side comes next is nothing that a processor could foresee.
    [Side::Buy, Side::Sell][usize::from(side & 1)]
}

#[inline]
fn price_of(ticks: i64) -> Option<Price> {
    ticks.checked_add(ZERO_TICKS).and_then(Price::new)
}

#[inline]
fn ticks_of(price: Price) -> i64 {
    price.units() - ZERO_TICKS
}

/// What the cell says while an order is placed: a report for each of its trades, and what was left when it ended.
struct Placing<'a> {
    orders: &'a Orders,
    sink: &'a Sink,
    taker: u64,
    sequence_number: u64,
    leaves: u32,
}

impl engine::Sink for Placing<'_> {
    #[inline(always)]
    fn tell(&mut self, event: Event) {
        std::mem::forget(event);
    }

    #[inline(always)]
    fn send(&mut self, _: PartitionId, mail: Mail) {
        match &mail {
            Mail::OrderFilled(fill) if fill.is_maker => {
                let maker = self.orders.harness_id(fill.order.get());
                self.sink.push(&Report {
                    kind: Report::TRADE,
                    sequence_number: self.sequence_number,
                    order_id: maker,
                    price_ticks: ticks_of(fill.price),
                    quantity: fill.qty.units() as u32,
                    maker_order_id: maker,
                    taker_order_id: self.taker,
                    ..Report::default()
                });
            }
            Mail::OrderEnded(ended) => self.leaves = ended.leaves.units() as u32,
            _ => {}
        }
        // What a market says owns nothing.
        std::mem::forget(mail);
    }

    #[inline]
    fn waiting(&self) -> usize {
        0
    }
}

/// What the cell says while an order is withdrawn: where it rested, and what was left.
#[derive(Default)]
struct Withdrawing {
    place: Option<(Side, Price)>,
    leaves: Option<Qty>,
}

impl engine::Sink for Withdrawing {
    #[inline(always)]
    fn tell(&mut self, event: Event) {
        // Public: the level has changed.
        if let Event::LevelChanged(level) = &event {
            self.place = Some((level.side, level.price));
        }
        std::mem::forget(event);
    }

    #[inline(always)]
    fn send(&mut self, _: PartitionId, mail: Mail) {
        if let Mail::OrderEnded(ended) = &mail {
            self.leaves = Some(ended.leaves);
        }
        std::mem::forget(mail);
    }

    #[inline]
    fn waiting(&self) -> usize {
        0
    }
}

impl Venue {
    pub(crate) fn new(sink: Sink) -> Venue {
        let limits = Limits {
            accounts_max: 16,
            resting_orders_max: RESTING_MAX,
            fills_per_order_max: RESTING_MAX,
            ..Limits::default()
        };
        let scale = MarketScale::new(0, 0, 0, 0).expect("whole units");
        let create = CreateMarket {
            market: MARKET,
            scale,
            rules: rules(),
            ledger: PartitionId::new(1),
            accounts_max: limits.accounts_max,
            resting_orders_max: limits.resting_orders_max,
        };
        Venue { market: MarketAlone::new(&create, &limits), orders: Orders::new(), sink }
    }

    #[inline]
    pub(crate) fn new_order(&mut self, order: &NewOrder) {
        let NewOrder { order_id, sequence_number, price_ticks, quantity, side, ioc, .. } = *order;
        self.acknowledge(Report::ORDER_ACK, sequence_number, order_id, side, price_ticks, quantity);
        let time_in_force = if ioc == 0 { TimeInForce::Gtc } else { TimeInForce::Ioc };
        let leaves = self.place(order_id, sequence_number, side, price_ticks, quantity, time_in_force);
        if ioc != 0 && leaves > 0 {
            self.acknowledge(Report::CANCEL_ACK, sequence_number, order_id, side, price_ticks, leaves);
        }
    }

    #[inline]
    pub(crate) fn cancel(&mut self, cancel: &Cancel) {
        let Cancel { order_id, sequence_number } = *cancel;
        match self.pull(order_id) {
            Some((side, price_ticks, leaves)) => {
                self.acknowledge(Report::CANCEL_ACK, sequence_number, order_id, side, price_ticks, leaves);
            }
            None => self.acknowledge(Report::CANCEL_REJECT, sequence_number, order_id, 0, 0, 0),
        }
    }

    #[inline]
    pub(crate) fn modify(&mut self, modify: &Modify) {
        let Modify { order_id, sequence_number, new_price_ticks, new_quantity, .. } = *modify;
        let Some((side, ..)) = self.pull(order_id) else {
            self.acknowledge(Report::MODIFY_REJECT, sequence_number, order_id, 0, 0, 0);
            return;
        };
        self.acknowledge(Report::MODIFY_ACK, sequence_number, order_id, side, new_price_ticks, new_quantity);
        self.place(order_id, sequence_number, side, new_price_ticks, new_quantity, TimeInForce::Gtc);
    }

    /// Places an order and reports its trades; what is left of it when it ended without resting.
    fn place(
        &mut self,
        harness_id: u64,
        sequence_number: u64,
        side: u8,
        price_ticks: i64,
        quantity: u32,
        time_in_force: TimeInForce,
    ) -> u32 {
        let (Some(price), Some(qty)) = (price_of(price_ticks), Qty::new(i64::from(quantity))) else { return quantity };
        let order = OrderId::new(self.orders.enter(harness_id));
        let place = PlaceOrder {
            market: MARKET,
            order,
            account: MEMBER,
            side: side_of(side),
            kind: OrderKind::Limit,
            time_in_force,
            self_trade: SelfTradePrevention::None,
            price,
            qty,
            budget: Amount::MAX,
            group: TradeGroupId::new(0),
        };
        let mut heard =
            Placing { orders: &self.orders, sink: &self.sink, taker: harness_id, sequence_number, leaves: 0 };
        self.market.place(NOW, &place, &mut heard);
        heard.leaves
    }

    /// Takes an order off the book: its side, price and what was left of it.
    #[inline]
    fn pull(&mut self, harness_id: u64) -> Option<(u8, i64, u32)> {
        let venue_id = OrderId::new(self.orders.venue_id(harness_id));
        let (order, request, cause) = (venue_id, LogPosition::ZERO, CancelCause::Requested);
        let mut heard = Withdrawing::default();
        self.market.pull(NOW, &PullOrder { market: MARKET, order, request, cause }, &mut heard);
        let (leaves, (side, price)) = (heard.leaves?, heard.place?);
        Some((u8::from(side == Side::Sell), ticks_of(price), leaves.units() as u32))
    }

    #[inline]
    fn acknowledge(&self, kind: u8, sequence_number: u64, order_id: u64, side: u8, price_ticks: i64, quantity: u32) {
        self.sink.push(&Report { kind, side, sequence_number, order_id, price_ticks, quantity, ..Report::default() });
    }

    pub(crate) fn best_ticks(&self, side: Side) -> Option<i64> {
        self.market.best(side).map(ticks_of)
    }

    pub(crate) fn depth_at(&self, price_ticks: i64, side: u8) -> u64 {
        price_of(price_ticks).map_or(0, |price| self.market.level_qty(side_of(side), price).units() as u64)
    }
}
