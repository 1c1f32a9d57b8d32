//! What a prevented trade does to holds: nothing but with `Decrement`, where both orders lose quantity and what was held
//! for it. Whichever has nothing left is ended by mail of its own, which releases the rest.

use wire::event::MatchPrevented;
use wire::mail::TradePrevented;
use wire::{Amount, Event, OrderId, PartitionId, Price, Qty, SelfTradePrevention, Side};

use super::LedgerCell;
use crate::effects::Effects;

impl LedgerCell {
    pub(super) fn prevented(&mut self, from: PartitionId, told: &TradePrevented, effects: &mut Effects<'_>) {
        let TradePrevented { market, prevented, taker, maker, group, mode, price, taker_qty, maker_qty, prevented_at } =
            *told;
        let (Some((taken, _)), Some((rested, _))) = (self.order_of(from, taker), self.order_of(from, maker)) else {
            return;
        };
        self.accept(&taken, from, effects);
        effects.tell(Event::MatchPrevented(MatchPrevented {
            market,
            prevented,
            taker,
            taker_account: taken.account,
            maker,
            maker_account: rested.account,
            group,
            mode,
            price,
            taker_qty,
            maker_qty,
            prevented_at,
        }));
        if mode == SelfTradePrevention::Decrement {
            self.decrement(from, taker, price, taker_qty);
            self.decrement(from, maker, price, maker_qty);
        }
    }

    /// Takes `qty` from an order, and from its hold what is not needed for the rest: of a limit buy what its leaves do
    /// not cost, of a budget what the quantity would have cost, of a sell the quantity.
    fn decrement(&mut self, from: PartitionId, id: OrderId, price: Price, qty: Qty) {
        let Some((order, market)) = self.order_of(from, id) else { return };
        let leaves = order.leaves.checked_sub(qty).expect("an order loses no more than is left of it");
        let cost = |price: Price, qty| price.notional(qty, market.scale.quote_factor);
        let still_held = match (order.is_limit, order.side) {
            (true, Side::Buy) => cost(order.price, leaves),
            (false, Side::Buy) => cost(price, qty).and_then(|cost| order.held.checked_sub(cost)),
            (_, Side::Sell) => qty.to_amount(market.scale.base_factor).and_then(|base| order.held.checked_sub(base)),
        };
        let still_held = still_held.expect("a part is held for with the whole");
        let released = order.held.checked_sub(still_held).unwrap_or(Amount::ZERO);
        if let Some(open) = self.orders.get_mut(id) {
            (open.leaves, open.held) = (leaves, still_held);
        }
        self.release(&order, &market, released);
    }
}
