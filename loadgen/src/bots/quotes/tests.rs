use rand::SeedableRng;

use super::*;

fn dec(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

fn quotes() -> Quotes {
    let market = Market {
        symbol: "BTCUSDT".into(),
        base: "BTC".into(),
        quote: "USDT".into(),
        tick: dec("0.01"),
        step: dec("0.00001"),
        qty_min: dec("0.00001"),
        notional_min: dec("5"),
        open_orders_max: 200,
    };
    Quotes::new(market, dec("60000"), 5, StdRng::seed_from_u64(1))
}

/// Does every step at once and returns how many there were.
fn settle(quotes: &mut Quotes) -> usize {
    for number in 0..1_000 {
        match quotes.next_step() {
            Some(Step::Cancel(id)) => {
                quotes.open.remove(&id).unwrap();
            }
            Some(Step::Place { buy, price, qty }) => {
                assert!(price * qty >= quotes.market.notional_min);
                let id = format!("{number}-{}", quotes.open.len());
                quotes.open.insert(id, Quote { buy, price });
            }
            None => return number,
        }
    }
    panic!("the book never becomes as wanted");
}

fn best(quotes: &Quotes) -> (Decimal, Decimal) {
    let side = |buy| quotes.open.values().filter(move |quote| quote.buy == buy).map(|quote| quote.price);
    (side(true).max().unwrap(), side(false).min().unwrap())
}

#[test]
fn an_empty_book_gets_every_level_on_both_sides_without_crossing() {
    let mut quotes = quotes();
    assert_eq!(settle(&mut quotes), 10);
    let (bid, ask) = best(&quotes);
    assert!(bid < dec("60000") && ask > dec("60000"));
}

#[test]
fn quotes_follow_a_price_that_others_have_moved() {
    let mut quotes = quotes();
    settle(&mut quotes);
    quotes.follow(dec("60300"), dec("60301"));
    settle(&mut quotes);
    let (bid, ask) = best(&quotes);
    assert!(bid > dec("60200") && ask > dec("60300"), "{bid} {ask}");
    assert!(quotes.open.len() <= 15);
}

#[test]
fn the_price_wanders_and_stays_near_home() {
    let mut quotes = quotes();
    for _ in 0..20_000 {
        quotes.wander();
    }
    assert_ne!(quotes.mid, dec("60000"));
    assert!((quotes.mid - dec("60000")).abs() < dec("6000"), "{}", quotes.mid);
}

#[test]
fn a_taker_crosses_the_innermost_quotes() {
    let mut quotes = quotes();
    settle(&mut quotes);
    let (bid, ask) = best(&quotes);
    for _ in 0..50 {
        let (buy, price, qty) = quotes.taker();
        assert!(if buy { price > ask } else { price < bid });
        assert!(qty > Decimal::ZERO);
    }
}
