//! The one price of an auction.
//!
//! At a price `p`, *demand* is everything that buys at `p` or higher and *supply* everything that sells at `p` or lower. What
//! would trade is the smaller of the two, and the *surplus* is demand less supply: above zero, buyers go away unfilled. The
//! candidates are the limit prices of the orders from the best ask up to the best bid. Four rules, each only among what the
//! one before has left:
//!
//! 1. **Maximum executable volume.** The price at which most would trade.
//!    Buys 10 @ 103; sells 6 @ 101, 6 @ 103: at 101 six trade, at 103 ten. The price is 103.
//! 2. **Minimum surplus.** The price at which least is left over.
//!    Buys 10 @ 103, 5 @ 101; sells 10 @ 101: ten trade at 101 and at 103, but at 101 five are left over, at 103 none.
//!    The price is 103.
//! 3. **Market pressure.** When buys are left over at every one of these prices, the highest; when sells are, the lowest.
//!    Buys 15 @ 103; sells 10 @ 101: ten trade at both, five buys are left over at both. The price is 103.
//!    Buys 10 @ 103; sells 15 @ 101: five sells are left over at both. The price is 101.
//! 4. **Reference price.** Otherwise nothing is left over anywhere between the lowest and the highest of these prices, or
//!    buys at the lowest and sells at the highest. The price is the reference price, rounded down to the tick, where it
//!    lies between them; else the nearer of the two. The reference is the market's last trade; without one it is the
//!    middle of the two, rounded down to the tick.
//!    Buys 10 @ 103; sells 10 @ 99, the last trade at 100: the price is 100. At 98 it would be 99, at 105 it would be 103.

use wire::{Price, Qty, Side};

use super::book::Book;
use super::extras::Extras;

/// What an uncrossing comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clearing {
    pub(super) price: Price,
    pub(super) volume: i128,
    /// Demand less supply.
    pub(super) surplus: i128,
}

/// The sum of a level.
type Level = (Price, i128);

/// Where the crossing orders of a book trade, with what they hide; `None` when none cross. Work and memory grow with the
/// crossing levels.
pub(super) fn clear(book: &Book, extras: &Extras, reference: Option<Price>, tick: Price) -> Option<Clearing> {
    let (bid, ask) = (book.best(Side::Buy)?, book.best(Side::Sell)?);
    let levels = |side: Side| {
        let crosses = move |price: &Price| if side == Side::Buy { *price >= ask } else { *price <= bid };
        let prices = std::iter::successors(book.best(side), move |price| book.worse(side, *price));
        let whole = move |price| i128::from(book.level_qty(side, price).units()) + extras.hidden_at(side, price);
        prices.take_while(crosses).map(move |price| (price, whole(price)))
    };
    let mut bids: Vec<Level> = levels(Side::Buy).collect();
    bids.reverse();
    let asks: Vec<Level> = levels(Side::Sell).collect();
    find(&bids, &asks, reference, tick)
}

/// The prices that the first two rules leave.
struct Found {
    volume: i128,
    low: (Price, i128),
    high: (Price, i128),
}

/// Both sides from the lowest price up, crossing levels alone.
fn find(bids: &[Level], asks: &[Level], reference: Option<Price>, tick: Price) -> Option<Clearing> {
    let mut demand: i128 = bids.iter().map(|(_, qty)| qty).sum();
    let mut supply = 0;
    let (mut next_bid, mut next_ask) = (bids.iter().peekable(), asks.iter().peekable());
    let mut found: Option<Found> = None;
    while let Some(price) = next_bid.peek().into_iter().chain(next_ask.peek()).map(|(price, _)| *price).min() {
        while let Some((_, qty)) = next_ask.next_if(|(at, _)| *at == price) {
            supply += qty;
        }
        let (volume, surplus) = (demand.min(supply), demand - supply);
        let merit = |volume: i128, surplus: i128| (volume, -surplus.abs());
        match &mut found {
            Some(best) if merit(volume, surplus) == merit(best.volume, best.low.1) => best.high = (price, surplus),
            Some(best) if merit(volume, surplus) < merit(best.volume, best.low.1) => {}
            _ => found = Some(Found { volume, low: (price, surplus), high: (price, surplus) }),
        }
        while let Some((_, qty)) = next_bid.next_if(|(at, _)| *at == price) {
            demand -= qty;
        }
    }
    let Found { volume, low: (low, surplus_low), high: (high, surplus_high) } = found?;
    let price = match (surplus_low.signum(), surplus_high.signum()) {
        (1, 1) => high,
        (-1, -1) => low,
        _ => near(reference, low, high, tick),
    };
    let bought: i128 = bids.iter().filter(|(at, _)| *at >= price).map(|(_, qty)| qty).sum();
    let sold: i128 = asks.iter().filter(|(at, _)| *at <= price).map(|(_, qty)| qty).sum();
    Some(Clearing { price, volume, surplus: bought - sold })
}

/// The price nearest to the reference from `low` to `high`, on the tick.
fn near(reference: Option<Price>, low: Price, high: Price, tick: Price) -> Price {
    let wanted = match reference {
        Some(reference) => reference.units(),
        None => low.units() + (high.units() - low.units()) / 2,
    };
    let on_tick = wanted - wanted % tick.units();
    Price::new(on_tick.clamp(low.units(), high.units())).unwrap_or(low)
}

impl Clearing {
    /// The volume as a quantity, the surplus in quantity units, each no further from zero than a quantity goes.
    pub(super) fn shown(&self) -> (Qty, i64) {
        let max = i128::from(Qty::MAX.units());
        let qty = Qty::new(self.volume.clamp(0, max) as i64).unwrap_or(Qty::MAX);
        (qty, self.surplus.clamp(-max, max) as i64)
    }
}

#[cfg(test)]
mod tests;
