use super::*;

fn levels(text: &str) -> Vec<Level> {
    let level = |text: &str| {
        let (qty, price) = text.split_once('@').expect("quantity @ price");
        let price = Price::new(price.trim().parse().unwrap()).unwrap();
        (price, qty.trim().parse::<i128>().unwrap())
    };
    let mut levels: Vec<Level> = text.split(',').filter(|text| !text.trim().is_empty()).map(level).collect();
    levels.sort_unstable();
    levels
}

/// Price, volume and surplus of these buys and sells, with the last trade at `reference` or 0.
fn clearing(buys: &str, sells: &str, reference: i64, tick: i64) -> Option<(i64, i128, i128)> {
    let (mut bids, mut asks) = (levels(buys), levels(sells));
    let (bid, ask) = (bids.last()?.0, asks.first()?.0);
    bids.retain(|(price, _)| *price >= ask);
    asks.retain(|(price, _)| *price <= bid);
    let found = find(&bids, &asks, Price::new(reference), Price::new(tick).unwrap())?;
    Some((found.price.units(), found.volume, found.surplus))
}

#[test]
fn the_price_is_found_by_volume_then_surplus_then_pressure_then_reference() {
    let table = [
        ("maximum executable volume", "10@103", "6@101, 6@103", 101, (103, 10, -2)),
        ("... from the buyers' side", "6@103, 6@101", "10@101", 103, (101, 10, 2)),
        ("... inside the crossing", "5@110, 5@105, 5@100", "5@98, 5@103, 5@108", 90, (103, 10, 0)),
        ("minimum surplus", "10@103, 5@101", "10@101", 101, (103, 10, 0)),
        ("... from the sellers' side", "10@103", "10@101, 5@103", 103, (101, 10, 0)),
        ("pressure of buyers", "15@103", "10@101", 99, (103, 10, 5)),
        ("pressure of sellers", "10@103", "15@101", 110, (101, 10, -5)),
        ("reference between", "10@103", "10@99", 100, (100, 10, 0)),
        ("reference below", "10@103", "10@99", 98, (99, 10, 0)),
        ("reference above", "10@103", "10@99", 105, (103, 10, 0)),
        ("reference, equal surplus on both sides", "10@103, 5@100", "10@100, 5@103", 102, (102, 10, 0)),
        ("no reference", "10@103", "10@99", 0, (101, 10, 0)),
        ("one price alone", "10@100", "4@100", 50, (100, 4, 6)),
    ];
    for (rule, buys, sells, reference, expected) in table {
        assert_eq!(clearing(buys, sells, reference, 1), Some(expected), "{rule}");
    }
}

#[test]
fn what_does_not_cross_has_no_price() {
    assert_eq!(clearing("10@99", "10@100", 0, 1), None);
    assert_eq!(clearing("", "10@100", 0, 1), None);
    assert_eq!(clearing("10@99", "", 0, 1), None);
}

#[test]
fn a_price_between_limits_lies_on_the_tick() {
    assert_eq!(clearing("10@110", "10@95", 103, 5), Some((100, 10, 0)));
    assert_eq!(clearing("10@110", "10@95", 0, 5), Some((100, 10, 0)), "102 and a half, rounded down");
    assert_eq!(clearing("10@110", "10@95", 96, 5), Some((95, 10, 0)));
    assert_eq!(clearing("10@110", "10@95", 3, 5), Some((95, 10, 0)), "rounded down to nothing");
}

#[test]
fn sums_beyond_a_quantity_are_counted_and_shown_as_the_largest() {
    let max = Qty::MAX.units();
    let many = |price| format!("{max}@{price}, {max}@{}", price + 1);
    let found = clearing(&many(200), &format!("{max}@100, {max}@101, {max}@102"), 0, 1).unwrap();
    assert_eq!(found, (101, 2 * i128::from(max), 0));
    let price = Price::MIN;
    let shown = Clearing { price, volume: found.1, surplus: -found.1 }.shown();
    assert_eq!(shown, (Qty::MAX, -max));
}

/// The rules, read one after the other over every price there is.
fn naive(bids: &[Level], asks: &[Level], reference: i64) -> Option<(i64, i128, i128)> {
    let mut prices: Vec<i64> = bids.iter().chain(asks).map(|(price, _)| price.units()).collect();
    prices.sort_unstable();
    prices.dedup();
    let at = |price: i64| {
        let demand: i128 = bids.iter().filter(|(at, _)| at.units() >= price).map(|(_, qty)| qty).sum();
        let supply: i128 = asks.iter().filter(|(at, _)| at.units() <= price).map(|(_, qty)| qty).sum();
        (demand.min(supply), demand - supply)
    };
    let most = prices.iter().map(|price| at(*price).0).max().filter(|volume| *volume > 0)?;
    prices.retain(|price| at(*price).0 == most);
    let least = prices.iter().map(|price| at(*price).1.abs()).min()?;
    prices.retain(|price| at(*price).1.abs() == least);
    let (low, high) = (*prices.first()?, *prices.last()?);
    let price = if prices.iter().all(|price| at(*price).1 > 0) {
        high
    } else if prices.iter().all(|price| at(*price).1 < 0) {
        low
    } else if reference == 0 {
        (low + high) / 2
    } else {
        reference.clamp(low, high)
    };
    Some((price, at(price).0, at(price).1))
}

#[test]
fn random_books_clear_where_the_rules_say() {
    let mut draw = 5_u64;
    let mut next = |below: u64| {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (draw >> 33) % below
    };
    let mut crossed = 0;
    for _ in 0..20_000 {
        let mut side = || -> String {
            let count = next(6);
            let mut prices: Vec<u64> = (0..count).map(|_| 100 + next(9)).collect();
            prices.sort_unstable();
            prices.dedup();
            prices.iter().map(|price| format!("{}@{price}", next(4) + 1)).collect::<Vec<_>>().join(",")
        };
        let (buys, sells) = (side(), side());
        let reference = [0, 99, 102, 104, 106, 120][next(6) as usize];
        let expected = naive(&levels(&buys), &levels(&sells), reference);
        assert_eq!(clearing(&buys, &sells, reference, 1), expected, "{buys} / {sells} at {reference}");
        crossed += usize::from(expected.is_some());
    }
    assert!(crossed > 5_000);
}
