use wire::MarketId;

use super::*;

struct Play {
    book: OrderBook,
    sequence: u64,
}

impl Play {
    fn new() -> Play {
        Play { book: OrderBook::default(), sequence: 0 }
    }

    fn next(&mut self) -> BookSequence {
        self.sequence += 1;
        BookSequence::new(self.sequence)
    }

    fn show(&mut self, order: u64, side: Side, price: i64, qty: i64, is_last: bool) -> Option<OrderChange> {
        let sequence = self.next();
        self.book.show(&OrderShown {
            market: MarketId::new(1),
            sequence,
            order: OrderId::new(order),
            side,
            price: Price::new(price).unwrap(),
            qty: Qty::new(qty).unwrap(),
            is_last,
        })
    }

    fn trade(&mut self, maker: u64, taker: u64, qty: i64, is_auction: bool) -> Option<OrderChange> {
        let sequence = self.next();
        self.book.trade(&Traded {
            market: MarketId::new(1),
            trade: TradeId::new(1),
            price: Price::new(100).unwrap(),
            qty: Qty::new(qty).unwrap(),
            taker_side: Side::Sell,
            taker: OrderId::new(taker),
            maker: OrderId::new(maker),
            sequence,
            is_auction,
        })
    }

    fn bids(&self) -> Vec<(u64, i64, i64)> {
        let depth = self.book.depth(usize::MAX);
        depth.bids.iter().map(|shown| (shown.order.get(), shown.price.units(), shown.qty.units())).collect()
    }
}

#[test]
fn orders_stand_by_price_and_then_by_time_and_keep_their_place_when_they_shrink() {
    let mut play = Play::new();
    for (order, price) in [(1, 100), (2, 100), (3, 101), (4, 99)] {
        assert!(play.show(order, Side::Buy, price, 10, true).is_some());
    }
    assert_eq!(play.bids(), [(3, 101, 10), (1, 100, 10), (2, 100, 10), (4, 99, 10)]);
    play.show(1, Side::Buy, 100, 4, false);
    assert_eq!(play.bids()[1], (1, 100, 4), "amended downwards it keeps its place");
    play.show(1, Side::Buy, 100, 6, true);
    assert_eq!(play.bids()[1..3], [(2, 100, 10), (1, 100, 6)], "an iceberg's next part stands last");
    play.show(2, Side::Buy, 102, 10, true);
    assert_eq!(play.bids()[0], (2, 102, 10));
    play.show(2, Side::Buy, 102, 0, false);
    assert_eq!(play.bids(), [(3, 101, 10), (1, 100, 6), (4, 99, 10)]);
    assert_eq!(play.book.depth(1).bids.len(), 1);
}

#[test]
fn a_trade_takes_from_its_maker_and_in_an_auction_from_both() {
    let mut play = Play::new();
    play.show(1, Side::Buy, 100, 10, true);
    play.show(2, Side::Buy, 100, 5, true);
    play.show(3, Side::Sell, 99, 7, true);
    play.trade(1, 9, 4, false);
    assert_eq!(play.bids(), [(1, 100, 6), (2, 100, 5)]);
    play.trade(1, 3, 6, true);
    assert_eq!(play.bids(), [(2, 100, 5)]);
    assert_eq!(play.book.depth(9).asks[0].qty, Qty::new(1).unwrap());
    assert_eq!(play.book.depth(9).last, BookSequence::new(5));
}

#[test]
fn a_change_that_does_not_follow_is_said_to_be_none() {
    let mut play = Play::new();
    assert!(play.show(1, Side::Buy, 100, 10, true).is_some());
    play.sequence += 1;
    assert_eq!(play.show(2, Side::Buy, 100, 10, true), None);
    assert!(play.trade(2, 9, 1, false).is_some(), "what follows it follows");
}
