use wire::{MarketId, MarketRules, MarketScale, OrderKind, PartitionId, Price, Qty, SpecialRules, Symbol, TimeInForce};

use super::*;

const ALICE: AccountId = AccountId::new(1);
const BASE: AssetId = AssetId::new(1);
const QUOTE: AssetId = AssetId::new(2);

fn amount(units: i64) -> Amount {
    Amount::new(units).expect("an amount")
}

fn market() -> MarketListed {
    let one = Qty::new(1).expect("a quantity");
    MarketListed {
        market: MarketId::new(1),
        symbol: Symbol::new(b"BTCUSDT").expect("a name"),
        base: BASE,
        quote: QUOTE,
        partition: PartitionId::new(1),
        scale: MarketScale { price_decimals: 2, qty_decimals: 5, quote_factor: 10, base_factor: 100_000 },
        rules: MarketRules {
            tick: Price::MIN,
            price_min: Price::MIN,
            price_max: Price::MAX,
            lot: one,
            qty_min: one,
            qty_max: Qty::MAX,
            market_qty_max: Qty::MAX,
            notional_min: Amount::ZERO,
            notional_max: Amount::MAX,
            protection_ppm: 50_000,
            open_orders_max: 200,
            special: SpecialRules::default(),
        },
    }
}

fn order(kind: OrderKind, side: Side, price: i64, qty: i64, quote_qty: i64) -> NewOrder {
    NewOrder {
        account: ALICE,
        market: MarketId::new(1),
        side,
        kind,
        time_in_force: if kind.is_market() { TimeInForce::Ioc } else { TimeInForce::Gtc },
        self_trade: wire::SelfTradePrevention::None,
        price: Price::new(price).expect("a price"),
        qty: Qty::new(qty).expect("a quantity"),
        quote_qty: amount(quote_qty),
        client_order_id: wire::ClientOrderId::EMPTY,
        key: Default::default(),
        session: Default::default(),
        asked_us: 0,
    }
}

/// Whether the order passes with this limit of the asset, and no longer with one that is a unit lower.
fn is_exactly(order: &NewOrder, asset: AssetId, units: i64) {
    let refused = Err(Refused::from(RejectReason::AssetQtyTooLarge));
    for (own, every) in [(true, false), (false, true), (true, true)] {
        for (max, wanted) in [(units + 1, Ok(())), (units, Ok(())), (units - 1, refused)] {
            let mut limits = AssetLimits::new(&Limits::default());
            if own {
                limits.set((ALICE, asset), amount(max));
            }
            if every {
                // The lower one holds.
                limits.set_everybodys(asset, amount(max + i64::from(own)));
            }
            assert_eq!(limits.check(order, &market()), wanted, "{asset} {max} of {units}");
        }
    }
}

#[test]
fn quantity_is_measured_in_the_base_and_notional_in_the_quote() {
    for side in [Side::Buy, Side::Sell] {
        let limit = order(OrderKind::Limit, side, 1_000, 7, 0);
        is_exactly(&limit, BASE, 7 * 100_000);
        is_exactly(&limit, QUOTE, 1_000 * 7 * 10);
    }
    // At the price that the protection price was made from: 1000.
    let buy = order(OrderKind::Market, Side::Buy, 1_050, 7, 0);
    let sell = order(OrderKind::Market, Side::Sell, 950, 7, 0);
    for market in [buy, sell] {
        is_exactly(&market, BASE, 7 * 100_000);
        is_exactly(&market, QUOTE, 70_000);
    }
}

#[test]
fn an_order_by_quote_quantity_is_measured_in_base_at_the_price_it_was_protected_from() {
    for (side, protection) in [(Side::Buy, 1_050), (Side::Sell, 950)] {
        let by_quote = order(OrderKind::Market, side, protection, 0, 70_000);
        is_exactly(&by_quote, BASE, 7 * 100_000);
        is_exactly(&by_quote, QUOTE, 70_000);
        // Rounded down to the unit.
        is_exactly(&order(OrderKind::Market, side, protection, 0, 79_999), BASE, 7 * 100_000);
    }
    // The largest numbers are measured, not overflown.
    let mut limits = AssetLimits::new(&Limits::default());
    limits.set_everybodys(BASE, Amount::MAX);
    let dear = order(OrderKind::Market, Side::Buy, Price::MAX.units(), 0, Amount::MAX.units());
    assert_eq!(limits.check(&dear, &market()), Ok(()));
    let cheap = order(OrderKind::Market, Side::Sell, 1, 0, Amount::MAX.units());
    assert_eq!(limits.check(&cheap, &market()), Err(RejectReason::AssetQtyTooLarge.into()));
}

#[test]
fn a_limit_is_of_its_account_and_its_asset_and_zero_takes_it_away() {
    let mut limits = AssetLimits::new(&Limits { order_limits_max: 1, ..Limits::default() });
    let wide = order(OrderKind::Limit, Side::Buy, 1_000, 7, 0);
    assert_eq!(limits.set((AccountId::new(2), BASE), amount(1)), 1);
    assert_eq!(limits.check(&wide, &market()), Ok(()));
    assert!(!limits.has_room_for((ALICE, BASE), amount(1)) && limits.has_room_for((ALICE, BASE), Amount::ZERO));
    assert!(limits.has_room_for((AccountId::new(2), BASE), amount(2)));
    assert_eq!(limits.set((AccountId::new(2), BASE), amount(2)), 0);
    assert_eq!(limits.set((AccountId::new(2), BASE), Amount::ZERO), -1);
    assert_eq!(limits.set((AccountId::new(2), BASE), Amount::ZERO), 0);
    assert!(!limits.bound_everybody());
    limits.set_everybodys(AssetId::new(3), amount(1));
    assert!(limits.bound_everybody());
    assert_eq!(limits.check(&wide, &market()), Ok(()));
    limits.set_everybodys(AssetId::new(3), Amount::ZERO);
    assert!(!limits.bound_everybody());
}

#[test]
fn what_is_saved_is_loaded_and_nothing_else() {
    let save = |limits: &AssetLimits| {
        let mut bytes = Vec::new();
        limits.save(&mut Writer::new(&mut bytes));
        bytes
    };
    let mut limits = AssetLimits::new(&Limits::default());
    limits.set((ALICE, QUOTE), amount(5));
    limits.set((AccountId::new(9), BASE), amount(6));
    limits.set_everybodys(QUOTE, amount(7));
    let bytes = save(&limits);
    let mut loaded = AssetLimits::new(&Limits::default());
    let mut owners = Vec::new();
    let mut note = |account| {
        owners.push(account);
        Ok(())
    };
    loaded.load(&mut Reader::new(&bytes), &mut note).expect("what was saved");
    assert_eq!((save(&loaded), owners), (bytes.clone(), vec![ALICE, AccountId::new(9)]));
    assert!(loaded.bound_everybody() && loaded.of(ALICE, QUOTE) == amount(5));
    for cut in 0..bytes.len() {
        let mut loaded = AssetLimits::new(&Limits::default());
        assert!(loaded.load(&mut Reader::new(&bytes[..cut]), |_| Ok(())).is_err(), "{cut}");
    }
    let mut small = AssetLimits::new(&Limits { order_limits_max: 1, ..Limits::default() });
    assert_eq!(small.load(&mut Reader::new(&bytes), |_| Ok(())), Err(CodecError::OutOfRange));
    let mut few = AssetLimits::new(&Limits { assets_max: 1, ..Limits::default() });
    assert_eq!(few.load(&mut Reader::new(&bytes), |_| Ok(())), Err(CodecError::OutOfRange));
}
