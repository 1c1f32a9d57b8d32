//! Call auctions: orders collect, then those that cross trade at one price.
//!
//! While orders collect (`PreOpen`, `Auction`) the book may cross and nothing matches.
//!
//! - *Which orders*: limit orders that may rest. Market orders, maker-only orders, stop orders, immediate-or-cancel and
//!   fill-or-kill are refused with `NotInAuction`. Cancels pass.
//! - *The indication*: what the auction would come to if it ended now is told with a depth window that closes, when it has
//!   changed, and at once when a phase in which orders collect begins with a book that crosses.
//! - *The end*: when the market is to go to `Trading` or `PostOnly` from any phase, or from `Auction` to `Closed`, and
//!   the book crosses, it is uncrossed first, in the phase that it is in. Any other phase begins at once: the book stays as
//!   it is, and an uncrossing that was going on is broken off: what it has traded is the last trade, the auction has no
//!   price.
//! - *The price* is found once ([`super::clearing`]), when the uncrossing begins. While it goes on, over as many commands as
//!   it takes, at most `fills_per_order_max` trades in each, new orders are refused and cancels pass. When what has been
//!   canceled meanwhile leaves a book that still crosses at other prices, the rest is an auction of its own, with a price of
//!   its own: no market matches with a book that crosses.
//! - *Who trades*: the best bid, oldest first, with the best ask, oldest first, as long as both accept the price; all at the
//!   price. So no buy pays more than its limit and no sell gets less.
//! - *Roles*: the younger order of a trade is its taker for the public. Fees follow when an order came: one that was on the
//!   book when the market last matched, or last was uncrossed, trades as maker; one that came while orders collected
//!   trades as taker, and so does the order that has stopped at a price band ([`super::bands`]). Two makers never meet, since
//!   the book did not cross then.
//! - *Self-trade prevention* does not apply: its mode is the taker's choice, and in an auction nobody arrives. Orders of one
//!   account may trade with each other.
//! - *Icebergs* count with all that is left of them when the price is found, and show it slice by slice as they trade. So what
//!   is indicated says in sum what they hide.
//! - *Stop orders* that the auction's price meets become due with its last trade, and meet the book once it matches again.
//! - *Told*: for each trade `Traded`, then mail to the buyer and to the seller (first to the seller when the buyer is a
//!   maker), then the level of a side that the trade has emptied, bids first. At the end of each command's part the levels
//!   that are left but smaller, bids first. After the last trade `AuctionCompleted`, at the very end `PhaseChanged`.

use wire::codec::{CodecError, Reader, Writer};
use wire::event::{AuctionCompleted, AuctionIndicated, Traded};
use wire::mail::OrderFilled;
use wire::{Event, Mail, MarketStatus, OrderId, PhaseCause, Price, Qty, Side, Timestamp};

use super::MarketCell;
use super::clearing::{Clearing, clear};
use crate::effects::Sink;

/// An uncrossing that is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Uncross {
    /// The one price, once it is found.
    price: Option<Price>,
    /// What has traded.
    traded: Qty,
    /// The phase that begins after it.
    then: (MarketStatus, PhaseCause),
}

/// What auctions leave behind, and what they need to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Auctions {
    pub(super) uncross: Option<Uncross>,
    /// The price of the last trade, in an auction or not.
    pub(super) last: Option<Price>,
    /// Orders up to here were on the book when the market last matched or was uncrossed.
    before: OrderId,
    /// The order that has stopped at a price band and is a taker all the same, or 0.
    pub(super) stopped: OrderId,
    /// What was indicated last.
    indicated: (Option<Price>, Qty, i64),
}

impl Auctions {
    pub(super) fn save(&self, to: &mut Writer<'_>) {
        to.put(&self.last);
        to.put(&self.before);
        to.put(&self.stopped);
        to.put(&self.indicated.0);
        to.put(&self.indicated.1);
        to.put(&self.indicated.2);
        to.put(&self.uncross.is_some());
        if let Some(Uncross { price, traded, then }) = self.uncross {
            to.put(&price);
            to.put(&traded);
            to.put(&then.0);
            to.put(&then.1);
        }
    }

    pub(super) fn load(from: &mut Reader<'_>) -> Result<Auctions, CodecError> {
        let (last, before, stopped) = (from.get()?, from.get()?, from.get()?);
        let indicated = (from.get()?, from.get()?, from.get()?);
        let is_going_on: bool = from.get()?;
        let uncross = if is_going_on {
            Some(Uncross { price: from.get()?, traded: from.get()?, then: (from.get()?, from.get()?) })
        } else {
            None
        };
        Ok(Auctions { uncross, last, before, stopped, indicated })
    }
}

impl MarketCell {
    /// Whether the book must be uncrossed before this phase may begin.
    pub(super) fn needs_uncrossing(&self, status: MarketStatus) -> bool {
        let ends_auction = self.phase.status == MarketStatus::Auction && status == MarketStatus::Closed;
        let matches = matches!(status, MarketStatus::Trading | MarketStatus::PostOnly);
        (matches || ends_auction) && (self.auctions.uncross.is_some() || self.crosses())
    }

    /// Begins an uncrossing, or gives one that is going on another phase to end in.
    pub(super) fn start_uncrossing(&mut self, status: MarketStatus, cause: PhaseCause) {
        let (price, traded) =
            self.auctions.uncross.map_or((None, Qty::ZERO), |uncross| (uncross.price, uncross.traded));
        self.auctions.uncross = Some(Uncross { price, traded, then: (status, cause) });
    }

    /// From here on the orders on the book are makers, those that come are takers.
    pub(super) fn note_makers(&mut self, newest: OrderId) {
        self.auctions.before = newest;
        self.auctions.stopped = OrderId::ZERO;
    }

    /// Trades as much as one command may; how many more trades it may cause.
    pub(super) fn uncross_some(&mut self, now: Timestamp, trades_left: u32, effects: &mut impl Sink) -> u32 {
        let Some(mut uncross) = self.auctions.uncross else { return trades_left };
        if uncross.price.is_none() {
            uncross.price = self.clearing().map(|clearing| clearing.price);
        }
        let Some(price) = uncross.price else {
            self.finish_uncrossing(uncross, effects);
            return trades_left;
        };
        let mut trades_left = trades_left;
        let mut smaller = [None; 2];
        while let Some(levels) = self.crossing(price) {
            if trades_left == 0 {
                self.auctions.uncross = Some(uncross);
                self.tell_smaller(now, smaller, effects);
                return 0;
            }
            trades_left -= 1;
            let qty = self.trade_at(now, price, levels, effects);
            uncross.traded = uncross.traded.checked_add(qty).unwrap_or(Qty::MAX);
            for (at, side, level) in [(0, Side::Buy, levels[0]), (1, Side::Sell, levels[1])] {
                let is_gone = self.book.front(side, level) == 0;
                smaller[at] = (!is_gone).then_some(level);
                if is_gone {
                    self.tell_level(now, side, level, effects);
                }
            }
        }
        self.tell_smaller(now, smaller, effects);
        if !self.stops.is_empty() && !uncross.traded.is_zero() {
            self.observe(now, price, effects);
        }
        self.complete_auction(&uncross, effects);
        if !self.crosses() {
            self.finish_uncrossing(uncross, effects);
            return trades_left;
        }
        self.auctions.uncross = Some(Uncross { price: None, traded: Qty::ZERO, ..uncross });
        self.uncross_some(now, trades_left, effects)
    }

    /// What the book would come to now.
    fn clearing(&self) -> Option<Clearing> {
        clear(&self.book, &self.extras, self.auctions.last, self.rules.tick)
    }

    fn crosses(&self) -> bool {
        self.book.best(Side::Sell).is_some_and(|ask| self.book.best(Side::Buy) >= Some(ask))
    }

    /// The best bid and the best ask, when both accept the price.
    fn crossing(&self, price: Price) -> Option<[Price; 2]> {
        let bid = self.book.best(Side::Buy).filter(|bid| *bid >= price)?;
        let ask = self.book.best(Side::Sell).filter(|ask| *ask <= price)?;
        Some([bid, ask])
    }

    /// One trade between the oldest orders of two levels.
    fn trade_at(&mut self, now: Timestamp, price: Price, levels: [Price; 2], effects: &mut impl Sink) -> Qty {
        let handles = [self.book.front(Side::Buy, levels[0]), self.book.front(Side::Sell, levels[1])];
        let [(buyer, bid_qty, buyer_marked), (seller, ask_qty, seller_marked)] = handles.map(|handle| {
            let order = self.book.maker(handle);
            (order.id, order.leaves, order.is_marked)
        });
        let qty = bid_qty.min(ask_qty);
        let mut leaves = [Qty::ZERO; 2];
        let mut slices = [None; 2];
        let sides = [(Side::Buy, bid_qty, buyer_marked), (Side::Sell, ask_qty, seller_marked)];
        for (at, (side, whole, is_marked)) in sides.into_iter().enumerate() {
            leaves[at] = whole.checked_sub(qty).expect("a part is no more than the whole");
            if is_marked {
                (leaves[at], slices[at]) = self.trade_marked(handles[at], side, levels[at], qty, effects);
            } else if leaves[at].is_zero() {
                self.book.remove(handles[at]);
            } else {
                self.book.reduce_front(side, levels[at], qty);
            }
        }
        self.trade = self.trade.next();
        self.auctions.last = Some(price);
        let (market, trade, traded_at) = (self.id, self.trade, now);
        let taker_side = if buyer > seller { Side::Buy } else { Side::Sell };
        let (taker, maker) = (buyer.max(seller), buyer.min(seller));
        let (sequence, is_auction) = (self.next_shown(), true);
        let traded = Traded { market, trade, price, qty, taker_side, taker, maker, sequence, is_auction };
        effects.tell(Event::Traded(traded));
        for slice in slices.into_iter().flatten() {
            self.tell_shown(&slice, true, effects);
        }
        let is_maker = |order| order <= self.auctions.before && order != self.auctions.stopped;
        let mut sides = [(buyer, leaves[0]), (seller, leaves[1])];
        // Whoever takes is told first: it pays for the other's rebate.
        if is_maker(buyer) {
            sides.swap(0, 1);
        }
        for (order, leaves) in sides {
            let is_maker = is_maker(order);
            let fill = OrderFilled { market, order, trade, price, qty, leaves, is_maker, traded_at };
            effects.send(self.ledger, Mail::OrderFilled(fill));
        }
        qty
    }

    fn tell_smaller(&mut self, now: Timestamp, levels: [Option<Price>; 2], effects: &mut impl Sink) {
        for (side, level) in [Side::Buy, Side::Sell].into_iter().zip(levels) {
            if let Some(price) = level {
                self.tell_level(now, side, price, effects);
            }
        }
    }

    /// An uncrossing that is going on ends where it is. What it has traded is the last trade like any other.
    pub(super) fn break_off(&mut self, now: Timestamp, effects: &mut impl Sink) {
        let Some(Uncross { price: Some(price), traded, .. }) = self.auctions.uncross.take() else { return };
        if !traded.is_zero() {
            self.bands.settle(self.auctions.last);
            self.observe(now, price, effects);
        }
    }

    /// Every trade at the price is made.
    fn complete_auction(&mut self, uncross: &Uncross, effects: &mut impl Sink) {
        let Uncross { price, traded: qty, .. } = *uncross;
        if let Some(price) = price.filter(|_| !qty.is_zero()) {
            let market = self.id;
            self.bands.note_auction(price);
            self.bands.settle(self.auctions.last);
            effects.tell(Event::AuctionCompleted(AuctionCompleted { market, price, qty }));
        }
    }

    fn finish_uncrossing(&mut self, uncross: Uncross, effects: &mut impl Sink) {
        let (status, cause) = uncross.then;
        self.auctions.uncross = None;
        self.note_makers(self.newest);
        self.begin_phase(status, cause, effects);
    }

    /// Tells what the auction would come to, when it has changed.
    pub(super) fn indicate(&mut self, effects: &mut impl Sink) {
        let indicated = self.clearing().map_or((None, Qty::ZERO, 0), |clearing| {
            let (qty, surplus) = clearing.shown();
            (Some(clearing.price), qty, surplus)
        });
        if indicated != self.auctions.indicated {
            self.auctions.indicated = indicated;
            let (market, (price, qty, surplus)) = (self.id, indicated);
            effects.tell(Event::AuctionIndicated(AuctionIndicated { market, price, qty, surplus }));
        }
    }

    /// Nothing has been indicated yet.
    pub(super) fn forget_indication(&mut self) {
        self.auctions.indicated = Default::default();
    }
}
