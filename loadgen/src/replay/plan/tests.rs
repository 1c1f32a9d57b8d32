use super::*;

fn book(levels: &[(Side, i64, i64)]) -> Book {
    let mut book = Book::default();
    for (side, price, qty) in levels {
        book.set(Level { side: *side, price: *price, qty: *qty });
    }
    book
}

fn buy(price: i64, qty: i64) -> Trade {
    Trade { price, qty, taker_buys: true }
}

fn sell(price: i64, qty: i64) -> Trade {
    Trade { price, qty, taker_buys: false }
}

use Side::{Ask, Bid};

/// Carries out rounds as an exchange would and checks that nothing ever crosses or trades otherwise.
fn execute(book: &mut Book, rounds: &[Round]) {
    for round in rounds {
        for (side, price) in &round.cancels {
            assert!(book.qty(*side, *price) > 0, "a cancel of nothing at {price}");
            book.set(Level { side: *side, price: *price, qty: 0 });
        }
        for level in &round.places {
            assert_eq!(book.qty(level.side, level.price), 0, "two orders at {}", level.price);
            book.set(*level);
            assert!(!book.is_crossed(), "our own orders cross at {}", level.price);
        }
        for trade in &round.takes {
            let side = trade.maker_side();
            assert_eq!(book.best(side), Some(trade.price), "the best price is another one");
            let left = book.qty(side, trade.price) - trade.qty;
            assert!(left >= 0, "the trade would be cut");
            book.set(Level { side, price: trade.price, qty: left });
        }
    }
}

#[test]
fn a_trade_at_a_standing_best_level_needs_no_preparation() {
    let mut ours = book(&[(Ask, 11, 5), (Bid, 10, 5)]);
    let rounds = trades(&mut ours, &[buy(11, 2), buy(11, 3)], &Book::default());
    assert_eq!(rounds, [Round { takes: vec![buy(11, 2), buy(11, 3)], ..Round::default() }]);
    assert_eq!(ours, book(&[(Bid, 10, 5)]));
}

#[test]
fn better_and_crossing_levels_are_cleared_and_a_short_level_is_placed_anew_with_what_remains() {
    let mut ours = book(&[(Ask, 11, 5), (Ask, 12, 1), (Bid, 10, 5)]);
    let wanted = book(&[(Ask, 12, 4)]);
    let rounds = trades(&mut ours, &[buy(12, 3)], &wanted);
    assert_eq!(rounds[0].cancels, [(Ask, 11), (Ask, 12)]);
    assert_eq!(rounds[0].places, [Level { side: Ask, price: 12, qty: 7 }]);
    let mut ours = book(&[(Ask, 11, 5), (Bid, 10, 5)]);
    let rounds = trades(&mut ours, &[sell(11, 1)], &Book::default());
    assert_eq!(rounds[0].cancels, [(Ask, 11)], "an ask where a bid is to be taken");
}

#[test]
fn settling_cancels_before_it_places() {
    let mut ours = book(&[(Bid, 10, 5), (Ask, 12, 1)]);
    let wanted = book(&[(Bid, 10, 6), (Ask, 13, 1)]);
    let round = settle(&mut ours, &wanted);
    assert_eq!(round.cancels, [(Ask, 12), (Bid, 10)]);
    assert_eq!(round.places.len(), 2);
    assert_eq!(ours, wanted);
    assert_eq!(settle(&mut ours, &wanted), Round::default());
}

#[test]
fn any_recording_is_carried_out_exactly() {
    use rand::{Rng, SeedableRng};
    let mut random = rand::rngs::StdRng::seed_from_u64(1);
    let (mut planned, mut exchange, mut recorded) = (Book::default(), Book::default(), Book::default());
    for _ in 0..2_000 {
        let mid = random.random_range(40..60);
        let traded: Vec<Trade> = (0..random.random_range(0..6))
            .map(|_| Trade {
                price: random.random_range(30..70),
                qty: random.random_range(1..9),
                taker_buys: random.random_bool(0.5),
            })
            .collect();
        // The recorded book moves to around another middle, so that whole sides are removed.
        for price in 30..70 {
            let (here, there) = if price < mid { (Bid, Ask) } else { (Ask, Bid) };
            recorded.set(Level { side: there, price, qty: 0 });
            if random.random_bool(0.3) {
                recorded.set(Level { side: here, price, qty: random.random_range(0..5) });
            }
        }
        let mut rounds = trades(&mut planned, &traded, &recorded);
        rounds.push(settle(&mut planned, &recorded));
        execute(&mut exchange, &rounds);
        assert_eq!(exchange, recorded);
    }
}
