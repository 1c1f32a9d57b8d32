use super::*;

fn book(bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Book {
    let mut book = Book::default();
    for (side, levels) in [(Side::Bid, bids), (Side::Ask, asks)] {
        for (price, qty) in levels {
            book.set(Level { side, price: *price, qty: *qty });
        }
    }
    book
}

#[test]
fn a_level_of_zero_is_gone() {
    let mut book = book(&[(10, 5), (9, 1)], &[(11, 2)]);
    book.set(Level { side: Side::Bid, price: 10, qty: 0 });
    book.set(Level { side: Side::Bid, price: 3, qty: 0 });
    assert_eq!((book.best(Side::Bid), book.best(Side::Ask), book.len()), (Some(9), Some(11), 2));
}

#[test]
fn better_prices_are_those_nearer_to_the_other_side() {
    let book = book(&[(10, 5), (9, 1), (8, 1)], &[(11, 2), (12, 2), (13, 2)]);
    assert_eq!(book.better_than(Side::Bid, 9, false), [10]);
    assert_eq!(book.better_than(Side::Ask, 12, true), [11, 12]);
}

#[test]
fn a_book_is_crossed_when_a_bid_reaches_an_ask() {
    assert!(!book(&[(10, 1)], &[(11, 1)]).is_crossed());
    assert!(book(&[(11, 1)], &[(11, 1)]).is_crossed());
    assert!(!book(&[(11, 1)], &[]).is_crossed());
}

#[test]
fn the_changes_lead_from_one_book_to_the_other() {
    let mut from = book(&[(10, 5), (9, 1)], &[(11, 2), (12, 4)]);
    let to = book(&[(10, 6)], &[(11, 2), (13, 1)]);
    let changes = from.changes_to(&to);
    assert_eq!(changes.len(), 4);
    for level in changes {
        from.set(level);
    }
    assert_eq!(from, to);
}
