//! Call auctions: `engine/src/market/auction.rs` and `clearing.rs` state the rules.

use wire::event::{AuctionCompleted, AuctionIndicated};
use wire::{Event, Side};

use super::super::numbers::{of, price, qty};
use super::{Market, Uncross};

impl Market {
    /// What would be bought and sold at a price.
    fn interest(&self, at: i128) -> (i128, i128) {
        let sum = |side: Side, accepts: &dyn Fn(i128) -> bool| -> i128 {
            let orders = self.orders.iter().filter(|order| order.side == side && accepts(order.price));
            orders.map(|order| order.whole()).sum()
        };
        (sum(Side::Buy, &|limit| limit >= at), sum(Side::Sell, &|limit| limit <= at))
    }

    /// The one price, what would trade at it and what would be left over; `None` when nothing crosses.
    fn clear(&self) -> Option<(i128, i128, i128)> {
        let (bid, ask) = (self.first(Side::Buy)?.price, self.first(Side::Sell)?.price);
        let mut prices: Vec<i128> = self.orders.iter().map(|order| order.price).collect();
        prices.retain(|at| (ask..=bid).contains(at));
        prices.sort_unstable();
        let volume = |at: &i128| self.interest(*at).0.min(self.interest(*at).1);
        let surplus = |at: &i128| self.interest(*at).0 - self.interest(*at).1;
        let most = prices.iter().map(volume).max()?;
        prices.retain(|at| volume(at) == most);
        let least = prices.iter().map(|at| surplus(at).abs()).min()?;
        prices.retain(|at| surplus(at).abs() == least);
        let (low, high) = (*prices.first()?, *prices.last()?);
        let at = if prices.iter().all(|at| surplus(at) > 0) {
            high
        } else if prices.iter().all(|at| surplus(at) < 0) {
            low
        } else {
            let wanted = self.last.unwrap_or(low + (high - low) / 2);
            (wanted - wanted % of(self.rules.tick)).clamp(low, high)
        };
        Some((at, most, surplus(&at)))
    }

    pub(super) fn indicate(&mut self) {
        let found = self.clear().map_or((None, 0, 0), |(at, volume, surplus)| (Some(price(at)), volume, surplus));
        if found != self.indicated {
            self.indicated = found;
            let (market, (price, volume, surplus)) = (self.id, found);
            let (qty, surplus) = (qty(volume), surplus as i64);
            self.events.push(Event::AuctionIndicated(AuctionIndicated { market, price, qty, surplus }));
        }
    }

    /// Trades as much as one command may; how many trades are left to it.
    pub(super) fn uncross_some(&mut self, may: u32) -> u32 {
        let Some(mut uncross) = self.uncross else { return may };
        let left = self.trade_off(&mut uncross, may);
        let Some(left) = left else { return 0 };
        if self.crosses() {
            // Cancels have left a book that crosses at other prices.
            self.uncross = Some(Uncross { price: None, traded: 0, ..uncross });
            return self.uncross_some(left);
        }
        self.uncross = None;
        (self.before, self.stopped) = (self.newest, 0);
        let Uncross { then: (status, cause), .. } = uncross;
        self.begin_phase(status, cause);
        left
    }

    /// The trades at one price; how many are left to the command, or none when it has come to its end before them.
    fn trade_off(&mut self, uncross: &mut Uncross, may: u32) -> Option<u32> {
        uncross.price = uncross.price.or(self.clear().map(|(at, _, _)| at));
        let mut left = may;
        let mut smaller = [None; 2];
        if let Some(at) = uncross.price {
            while let Some(levels) = self.crossing(at) {
                if left == 0 {
                    self.uncross = Some(*uncross);
                    self.tell_smaller(smaller);
                    return None;
                }
                left -= 1;
                uncross.traded += self.trade_at(at);
                for (place, side) in [(0, Side::Buy), (1, Side::Sell)] {
                    let level = levels[place];
                    let is_gone = self.first(side).is_none_or(|order| order.price != level);
                    smaller[place] = (!is_gone).then_some(level);
                    if is_gone {
                        self.tell_level(side, level);
                    }
                }
            }
        }
        self.tell_smaller(smaller);
        if let Some(at) = uncross.price.filter(|_| uncross.traded > 0) {
            self.observe(at);
            self.auction = Some(at);
            let (market, price, qty) = (self.id, price(at), qty(uncross.traded));
            self.events.push(Event::AuctionCompleted(AuctionCompleted { market, price, qty }));
        }
        Some(left)
    }

    /// The best levels, when both accept the price.
    fn crossing(&self, at: i128) -> Option<[i128; 2]> {
        let (bid, ask) = (self.first(Side::Buy)?.price, self.first(Side::Sell)?.price);
        (bid >= at && ask <= at).then_some([bid, ask])
    }

    fn tell_smaller(&mut self, levels: [Option<i128>; 2]) {
        for (side, level) in [Side::Buy, Side::Sell].into_iter().zip(levels) {
            if let Some(at) = level {
                self.tell_level(side, at);
            }
        }
    }

    /// One trade between the first of each line; how much.
    fn trade_at(&mut self, at: i128) -> i128 {
        let pair = [Side::Buy, Side::Sell].map(|side| self.first(side).expect("both lines have somebody"));
        let traded = pair[0].shown.min(pair[1].shown);
        let lost = pair.map(|order| self.lose(order.id, traded));
        let [buyer, seller] = pair.map(|order| order.id);
        let side = if buyer > seller { Side::Buy } else { Side::Sell };
        self.tell_trade(at, traded, side, buyer.max(seller), buyer.min(seller), true);
        for (order, (_, shows_next)) in pair.iter().zip(lost) {
            if shows_next {
                let next = *self.resting_mut(order.id);
                self.tell_shown(&next, next.shown, true);
            }
        }
        let is_maker = |id: u64| id <= self.before && id != self.stopped;
        let mut fills = [(buyer, lost[0].0, is_maker(buyer)), (seller, lost[1].0, is_maker(seller))];
        if is_maker(buyer) {
            fills.swap(0, 1);
        }
        for (id, leaves, is_maker) in fills {
            self.say_filled(id, at, traded, leaves, is_maker);
        }
        traded
    }
}
