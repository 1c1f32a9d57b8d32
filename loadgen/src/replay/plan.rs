//! Turns recorded trades and books into rounds of cancels, placements and takes. Pure: it knows our book as
//! it is, with at most one order a level, and says what to send.
//!
//! Within a round all cancels come first, then all placements, then the takes in order, so that our own
//! orders never cross and every take meets exactly the quantity that was recorded.

use super::book::{Book, Level, Side};
use super::recording::Trade;

#[cfg(test)]
mod tests;

/// What may be sent at once, kind after kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Round {
    /// Levels whose order goes.
    pub cancels: Vec<(Side, i64)>,
    /// Levels that get an order.
    pub places: Vec<Level>,
    /// Immediate-or-cancel orders at a level that our orders can serve, in this order.
    pub takes: Vec<Trade>,
}

/// Which of `makers` accounts keeps the level at `price`: neighbouring levels belong to different ones.
pub fn maker_of(price: i64, makers: usize) -> usize {
    (price as u64 % makers as u64) as usize
}

/// The rounds that make these trades happen, each at its price against one resting order: levels better than
/// the price are cleared first, as are those of the other side that it crosses. `ours` is changed to the
/// book after them. `wanted` is the recorded book after the trades; what a level needs in the end is placed
/// along with what is taken from it.
pub fn trades(ours: &mut Book, trades: &[Trade], wanted: &Book) -> Vec<Round> {
    let same = |a: &Trade, b: &Trade| (a.price, a.taker_buys) == (b.price, b.taker_buys);
    trades.chunk_by(same).map(|group| take(ours, group, wanted)).collect()
}

fn take(ours: &mut Book, group: &[Trade], wanted: &Book) -> Round {
    let (side, price) = (group[0].maker_side(), group[0].price);
    let total: i64 = group.iter().map(|trade| trade.qty).sum();
    let mut round = Round { takes: group.to_vec(), ..Round::default() };
    let better = ours.better_than(side, price, false).into_iter().map(|price| (side, price));
    let crossing = ours.better_than(side.opposite(), price, true).into_iter().map(|price| (side.opposite(), price));
    round.cancels.extend(better.chain(crossing));
    if ours.qty(side, price) < total {
        if ours.qty(side, price) > 0 {
            round.cancels.push((side, price));
        }
        round.places.push(Level { side, price, qty: total + wanted.qty(side, price) });
    }
    apply(ours, &round);
    ours.set(Level { side, price, qty: ours.qty(side, price) - total });
    round
}

/// The round that makes our book equal to the recorded one. `ours` is changed to it.
pub fn settle(ours: &mut Book, wanted: &Book) -> Round {
    let changes = ours.changes_to(wanted);
    let standing = changes.iter().filter(|level| ours.qty(level.side, level.price) > 0);
    let round = Round {
        cancels: standing.map(|level| (level.side, level.price)).collect(),
        places: changes.iter().copied().filter(|level| level.qty > 0).collect(),
        takes: Vec::new(),
    };
    apply(ours, &round);
    round
}

fn apply(ours: &mut Book, round: &Round) {
    for (side, price) in &round.cancels {
        ours.set(Level { side: *side, price: *price, qty: 0 });
    }
    for level in &round.places {
        ours.set(*level);
    }
}
