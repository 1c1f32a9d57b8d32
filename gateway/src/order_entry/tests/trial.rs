//! `order/test` refuses what `order` would, as far as a gateway can know.

use wire::command::NewOrder;
use wire::event::{
    AccountLimitsChanged, AssetLimitChanged, KillSwitchChanged, LeaseChanged, MarketListed, MarketProtectionChanged,
    MarketRulesChanged, OrderLimitsChanged, OrderTerms, PhaseChanged,
};
use wire::{
    AccountId, ApiKeyId, ClientSessionId, MarketId, MarketProtection, MarketScale, MarketStatus, OrderKind, PhaseCause,
    Side, Terms, TimeInForce, Timestamp,
};

use super::*;
use crate::market_data::tests::traded;

const LIMIT: &str = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=50000";
const MARKET: &str = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=1";
const STOP: &str = "symbol=BTCUSDT&side=BUY&type=STOP_LOSS&quantity=1&stopPrice=60000";

/// What is told of an order: nothing, or the code and the text.
fn tried(gateway: &Arc<Gateway>, order: &str) -> Result<(), (i32, String)> {
    let answer = test(gateway, alice(), params(order));
    answer.map(drop).map_err(|error| (error.code, error.message.into_owned()))
}

fn filter(name: &str) -> Result<(), (i32, String)> {
    Err((-1013, format!("Filter failure: {name}")))
}

/// The next order comes in at this gateway's time: the log of these tests lies behind it.
fn now(gateway: &Gateway) -> Timestamp {
    Timestamp::from_nanos(gateway.now_us() * 1_000)
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused_in_whichever_market_it_is() {
    let (gateway, ledger) = gateway();
    let named = |name: &str| tried(&gateway, &format!("{LIMIT}&newClientOrderId={name}"));
    let taken = || Err((-2010, "Duplicate order sent.".to_owned()));
    let second = MarketId::new(2);
    ledger.feed(&[Event::MarketListed(Box::new(MarketListed {
        market: second,
        symbol: symbol("USDTBTC"),
        base: USDT,
        quote: BTC,
        partition: LEDGER,
        scale: MarketScale::new(2, 5, 8, 10).unwrap(),
        rules: rules(),
    }))]);
    let other = NewOrder { market: second, ..buy("elsewhere") };
    ledger.feed(&[pending(1, &buy("open")), accepted(1), pending(2, &other), pending(3, &buy("refused"))]);
    ledger.feed(&[rejected(3, RejectReason::WouldTake)]);
    assert_eq!((named("open"), named("elsewhere")), (taken(), taken()));
    assert_eq!((named("another"), named("refused")), (Ok(()), Ok(())), "a refused order keeps no name");
    // It ends: its name stays taken for a minute.
    ledger.feed_at(now(&gateway).nanos(), &[canceled(1, 100_000, CancelCause::Requested, 7)]);
    assert_eq!(named("open"), taken());
    let long_ago = now(&gateway).nanos() - 61_000_000_000;
    ledger.feed_at(long_ago, &[pending(4, &buy("gone")), accepted(4), canceled(4, 100_000, CancelCause::Requested, 8)]);
    assert_eq!(named("gone"), Ok(()));
}

#[tokio::test]
async fn the_accounts_own_rate_is_counted_in_windows_of_log_time() {
    let (gateway, ledger) = gateway();
    let limits = |order_rate_max, order_rate_window_ms| {
        let account = ALICE;
        Event::AccountLimitsChanged(AccountLimitsChanged {
            account,
            open_orders_max: 0,
            stop_orders_max: 0,
            iceberg_orders_max: 0,
            order_lists_max: 0,
            order_rate_max,
            order_rate_window_ms,
        })
    };
    let day_ms = 86_400_000;
    let order = |id: u64| [pending(id, &buy(&format!("o{id}"))), accepted(id), resting(id, 100_000)];
    let at = now(&gateway).nanos();
    ledger.feed_at(at, &[limits(2, day_ms)]);
    ledger.feed_at(at - u64::from(day_ms) * 1_000_000, &order(1));
    assert_eq!(tried(&gateway, LIMIT), Ok(()));
    ledger.feed_at(at, &order(2));
    assert_eq!(tried(&gateway, LIMIT), Ok(()), "the day before counts no more");
    ledger.feed_at(at, &order(3));
    let refused = test(&gateway, alice(), params(LIMIT)).unwrap_err();
    assert_eq!((refused.status, refused.code), (429, -1015));
    let left_ms = u64::from(day_ms) - now(&gateway).millis() % u64::from(day_ms);
    let told = u64::from(refused.retry_after_s.unwrap());
    assert!((left_ms / 1_000..=left_ms / 1_000 + 2).contains(&told), "{told} s of {left_ms} ms");
    ledger.feed_at(at, &[limits(3, day_ms)]);
    assert_eq!(tried(&gateway, LIMIT), Ok(()), "those of the window count against a new rate");
    ledger.feed_at(at, &[limits(0, 0)]);
    assert_eq!(tried(&gateway, LIMIT), Ok(()));
}

#[tokio::test]
async fn the_client_session_of_the_connection_must_live() {
    let (gateway, ledger) = gateway();
    let lease = |expires| {
        let (account, session) = (ALICE, ClientSessionId::new(5));
        Event::LeaseChanged(LeaseChanged { account, session, holder: 1, expires, canceling: 0 })
    };
    let in_session = || Caller { session: ClientSessionId::new(5), ..alice() };
    let refused = |gateway: &Arc<Gateway>| test(gateway, in_session(), params(LIMIT)).err().map(|error| error.code);
    assert_eq!(refused(&gateway), Some(-2010), "nobody has opened it");
    ledger.feed(&[lease(Timestamp::from_nanos(u64::MAX / 2))]);
    assert_eq!(refused(&gateway), None);
    ledger.feed(&[lease(Timestamp::ZERO)]);
    assert_eq!(refused(&gateway), Some(-2010));
    assert_eq!(tried(&gateway, LIMIT), Ok(()), "of no session");
}

const KILLED: &str = "This account may not place or cancel orders.";

#[tokio::test]
async fn an_orders_own_form_is_looked_at_as_when_it_is_placed() {
    let (gateway, _) = gateway();
    for (order, refused) in [
        (format!("{LIMIT}&icebergQty=0.01"), Ok(())),
        (format!("{LIMIT}&icebergQty=0.00999"), filter("ICEBERG_PARTS")),
        (format!("{LIMIT}&icebergQty=0.00001"), filter("ICEBERG_PARTS")),
        (format!("{STOP}&trailingDelta=10"), Ok(())),
        (format!("{STOP}&trailingDelta=2000"), Ok(())),
        (format!("{STOP}&trailingDelta=9"), filter("TRAILING_DELTA")),
        (format!("{STOP}&trailingDelta=2001"), filter("TRAILING_DELTA")),
    ] {
        assert_eq!(tried(&gateway, &order), refused, "{order}");
        if refused.is_err() {
            // The ledger of this gateway rests whatever it is sent.
            let placed = place(&gateway, alice(), params(&order)).await.unwrap_err();
            assert_eq!(Err((placed.code, placed.message.into_owned())), refused, "{order}");
        }
    }
}

#[tokio::test]
async fn a_price_far_from_the_last_trade_is_refused_and_none_before_the_first() {
    let (gateway, ledger) = gateway();
    let protection = MarketProtection { bid_up_ppm: 1_200_000, ask_down_ppm: 800_000, ..MarketProtection::NONE };
    let changed = MarketProtectionChanged { market: BTCUSDT, version: 1, protection };
    ledger.feed(&[Event::MarketProtectionChanged(changed)]);
    let at = |side: &str, price: &str| {
        format!("symbol=BTCUSDT&side={side}&type=LIMIT&timeInForce=GTC&quantity=1&price={price}")
    };
    assert_eq!(tried(&gateway, &at("BUY", "70000")), Ok(()));
    ledger.feed(&[traded(1, 5_000_000, 1_000, Side::Sell)]);
    for (side, price, refused) in [
        ("BUY", "60000", Ok(())),
        ("BUY", "60000.01", filter("PERCENT_PRICE_BY_SIDE")),
        ("BUY", "1000", Ok(())),
        ("SELL", "40000", Ok(())),
        ("SELL", "39999.99", filter("PERCENT_PRICE_BY_SIDE")),
        ("SELL", "90000", Ok(())),
    ] {
        assert_eq!(tried(&gateway, &at(side, price)), refused, "{side} {price}");
    }
    assert_eq!(tried(&gateway, MARKET), Ok(()), "a market order has no limit");
    let protection = MarketProtection { up_ppm: 1_300_000, down_ppm: 700_000, ..protection };
    let changed = MarketProtectionChanged { market: BTCUSDT, version: 2, protection };
    ledger.feed(&[Event::MarketProtectionChanged(changed)]);
    for (side, price, refused) in [
        ("BUY", "60000", Ok(())),
        ("BUY", "60000.01", filter("PERCENT_PRICE_BY_SIDE")),
        ("BUY", "65000.01", filter("PERCENT_PRICE")),
        ("BUY", "35000", Ok(())),
        ("BUY", "34999.99", filter("PERCENT_PRICE")),
        ("SELL", "39999.99", filter("PERCENT_PRICE_BY_SIDE")),
        ("SELL", "65000", Ok(())),
        ("SELL", "65000.01", filter("PERCENT_PRICE")),
    ] {
        assert_eq!(tried(&gateway, &at(side, price)), refused, "{side} {price}");
    }
}

#[tokio::test]
async fn open_orders_are_counted() {
    let (gateway, ledger) = gateway();
    let stop = NewOrder { kind: OrderKind::StopLoss, time_in_force: TimeInForce::Ioc, ..buy("stop") };
    for id in 1..=5 {
        let waits = Terms { stop_price: Some(price(6_000_000)), ..Terms::NONE };
        let terms =
            OrderTerms { order: OrderId::new(id), account: ALICE, market: BTCUSDT, list: ListId::ZERO, terms: waits };
        ledger.feed(&[pending(id, &stop), Event::OrderTerms(Box::new(terms)), accepted(id)]);
    }
    assert_eq!(tried(&gateway, STOP), filter("MAX_NUM_ALGO_ORDERS"));
    assert_eq!(tried(&gateway, LIMIT), Ok(()));
    for id in 6..=200 {
        ledger.feed(&[pending(id, &buy(&format!("o{id}"))), accepted(id), resting(id, 100_000)]);
    }
    assert_eq!(tried(&gateway, LIMIT), filter("MAX_NUM_ORDERS"));
    assert_eq!(tried(&gateway, &LIMIT.replace("GTC", "IOC")), Ok(()), "it does not rest");
    ledger.feed(&[canceled(200, 100_000, CancelCause::Requested, 7)]);
    assert_eq!(tried(&gateway, LIMIT), Ok(()));
    let bounds = |open_orders_max| {
        let (order_rate_max, order_rate_window_ms) = (0, 0);
        Event::AccountLimitsChanged(AccountLimitsChanged {
            account: ALICE,
            open_orders_max,
            stop_orders_max: 0,
            iceberg_orders_max: 0,
            order_lists_max: 0,
            order_rate_max,
            order_rate_window_ms,
        })
    };
    ledger.feed(&[bounds(199)]);
    assert_eq!(tried(&gateway, LIMIT), filter("EXCHANGE_MAX_NUM_ORDERS"));
    ledger.feed(&[bounds(0)]);
    assert_eq!(tried(&gateway, LIMIT), Ok(()));
}

#[tokio::test]
async fn stop_orders_and_icebergs_are_counted_in_the_market_and_over_all_of_them() {
    let (gateway, ledger) = gateway();
    let bounds = |[stop_orders_max, iceberg_orders_max]: [u32; 2]| {
        let (open_orders_max, order_lists_max, order_rate_max, order_rate_window_ms) = (0, 0, 0, 0);
        Event::AccountLimitsChanged(AccountLimitsChanged {
            account: AccountId::new(0),
            open_orders_max,
            stop_orders_max,
            iceberg_orders_max,
            order_lists_max,
            order_rate_max,
            order_rate_window_ms,
        })
    };
    let open = |id: u64, kind: OrderKind, terms: Terms| {
        let order = NewOrder { kind, ..buy(&format!("o{id}")) };
        let terms = OrderTerms { order: OrderId::new(id), account: ALICE, market: BTCUSDT, list: ListId::ZERO, terms };
        [pending(id, &order), Event::OrderTerms(Box::new(terms)), accepted(id)]
    };
    let iceberg = format!("{LIMIT}&icebergQty=0.5");
    let waits = Terms { stop_price: Some(price(6_000_000)), ..Terms::NONE };
    ledger.feed(&open(1, OrderKind::StopLoss, waits));
    ledger.feed(&open(2, OrderKind::Limit, Terms { visible_qty: qty(50_000), ..Terms::NONE }));
    ledger.feed(&[bounds([2, 2])]);
    assert_eq!((tried(&gateway, STOP), tried(&gateway, &iceberg)), (Ok(()), Ok(())));
    ledger.feed(&[bounds([1, 1])]);
    let wanted = (filter("EXCHANGE_MAX_NUM_ALGO_ORDERS"), filter("EXCHANGE_MAX_NUM_ICEBERG_ORDERS"));
    assert_eq!((tried(&gateway, STOP), tried(&gateway, &iceberg)), wanted);
    assert_eq!(tried(&gateway, LIMIT), Ok(()));
    ledger.feed(&[bounds([0, 0])]);
    for (iceberg_orders_max, wanted) in [(2, Ok(())), (1, filter("MAX_NUM_ICEBERG_ORDERS")), (0, Ok(()))] {
        let mut rules = rules();
        rules.special.iceberg_orders_max = iceberg_orders_max;
        let changed = MarketRulesChanged { market: BTCUSDT, version: 1, rules };
        ledger.feed(&[Event::MarketRulesChanged(Box::new(changed))]);
        assert_eq!(tried(&gateway, &iceberg), wanted, "{iceberg_orders_max}");
    }
}

#[tokio::test]
async fn the_older_notional_filter_is_looked_at_before_an_order_is_sent() {
    let (gateway, ledger) = gateway();
    let by_quote = "symbol=BTCUSDT&side=BUY&type=MARKET&quoteOrderQty=";
    for (of_market, market) in [(false, Ok(())), (true, filter("MIN_NOTIONAL"))] {
        let mut rules = rules();
        rules.special.min_notional = amount(5_000_000_000_000);
        rules.special.min_notional_of_market = of_market;
        let changed = MarketRulesChanged { market: BTCUSDT, version: 1, rules };
        ledger.feed(&[Event::MarketRulesChanged(Box::new(changed))]);
        for (order, wanted) in [
            (LIMIT.to_owned(), Ok(())),
            (LIMIT.replace("50000", "49999.99"), filter("MIN_NOTIONAL")),
            (format!("{by_quote}50000"), Ok(())),
            (format!("{by_quote}49999.99"), market),
        ] {
            assert_eq!(tried(&gateway, &order), wanted, "{order}");
            if wanted.is_err() {
                let placed = place(&gateway, alice(), params(&order)).await.unwrap_err();
                assert_eq!(Err((placed.code, placed.message.into_owned())), wanted, "{order}");
            }
        }
    }
}

/// A stop order that becomes a market order is measured by its stop price, whatever the book has; one that has none and tracks the
/// price, and a market order, by the book.
#[tokio::test]
async fn what_trades_as_a_market_order_is_measured_as_the_ledger_does() {
    let (gateway, ledger) = gateway();
    ledger.feed(&[traded(1, 4_900_000, 1_000, Side::Sell)]);
    let market = |side: &str, more: &str| format!("symbol=BTCUSDT&side={side}&type=MARKET&{more}");
    let stop = |side: &str, more: &str| format!("symbol=BTCUSDT&side={side}&type=STOP_LOSS&{more}");
    for (order, wanted) in [
        // At 60,000, 40,000, 66,000 and 36,000, of 5 at least.
        (stop("BUY", "stopPrice=60000&quantity=0.00008"), filter("NOTIONAL")),
        (stop("BUY", "stopPrice=60000&quantity=0.00009"), Ok(())),
        (stop("SELL", "stopPrice=40000&quantity=0.00012"), filter("NOTIONAL")),
        (stop("SELL", "stopPrice=40000&quantity=0.00013"), Ok(())),
        (stop("BUY", "stopPrice=60000&trailingDelta=1000&quantity=0.00008"), Ok(())),
        (stop("SELL", "stopPrice=40000&trailingDelta=1000&quantity=0.00013"), filter("NOTIONAL")),
        (stop("BUY", "stopPrice=60000&quantity=100").replace("STOP_LOSS", "TAKE_PROFIT"), Ok(())),
        (stop("BUY", "stopPrice=1000000&quantity=100"), Ok(())),
        // At 49,000; a protection price that a buy may pay makes it 5.14.
        (stop("BUY", "trailingDelta=1000&quantity=0.0001"), filter("NOTIONAL")),
        (stop("BUY", "trailingDelta=1000&quantity=0.00011"), Ok(())),
        (market("BUY", "quantity=0.0001"), filter("NOTIONAL")),
        (market("BUY", "quantity=0.00011"), Ok(())),
        (market("SELL", "quantity=0.0001"), filter("NOTIONAL")),
        (market("SELL", "quantity=0.00011"), Ok(())),
        (market("BUY", "quoteOrderQty=4.99"), filter("NOTIONAL")),
        (market("BUY", "quoteOrderQty=9000000000"), Ok(())),
        (market("BUY", "quoteOrderQty=9000000001"), filter("NOTIONAL")),
    ] {
        assert_eq!(tried(&gateway, &order), wanted, "{order}");
        if wanted.is_err() {
            // The ledger of this gateway rests whatever it is sent.
            let placed = place(&gateway, alice(), params(&order)).await.unwrap_err();
            assert_eq!(Err((placed.code, placed.message.into_owned())), wanted, "{order}");
        }
    }
    let mut rules = rules();
    rules.special.min_notional = amount(6_000_000_000_000);
    for (of_market, wanted) in [(false, Ok(())), (true, filter("MIN_NOTIONAL"))] {
        rules.special.min_notional_of_market = of_market;
        let changed = MarketRulesChanged { market: BTCUSDT, version: 1, rules };
        ledger.feed(&[Event::MarketRulesChanged(Box::new(changed))]);
        assert_eq!(tried(&gateway, &STOP.replace("60000", "59999.99")), wanted);
        assert_eq!(tried(&gateway, STOP), Ok(()));
    }
    for (units, wanted) in [(6_000_000_000_000, Ok(())), (5_999_999_999_999, filter("MAX_ASSET"))] {
        let limit = AssetLimitChanged { account: ALICE, asset: USDT, order_max: amount(units) };
        ledger.feed(&[Event::AssetLimitChanged(limit)]);
        assert_eq!(tried(&gateway, STOP), wanted);
    }
}

#[tokio::test]
async fn one_order_moves_as_much_of_its_assets_as_it_may() {
    let (gateway, ledger) = gateway();
    let limit = |account, asset, units| {
        let account = AccountId::new(account);
        Event::AssetLimitChanged(AssetLimitChanged { account, asset, order_max: amount(units) })
    };
    let (btc, usdt) = (10_000_000_000, 100_000_000);
    for (asset, whole) in [(BTC, btc), (USDT, 50_000 * usdt)] {
        for (own, every) in [(whole, 0), (0, whole), (whole + 1, whole), (whole, whole + 1)] {
            ledger.feed(&[limit(ALICE.get(), asset, own), limit(0, asset, every)]);
            assert_eq!(tried(&gateway, LIMIT), Ok(()));
            ledger.feed(&[limit(if every == whole { 0 } else { ALICE.get() }, asset, whole - 1)]);
            assert_eq!(tried(&gateway, LIMIT), filter("MAX_ASSET"));
            assert_eq!(tried(&gateway, &LIMIT.replace("BUY", "SELL")), filter("MAX_ASSET"));
        }
        ledger.feed(&[limit(ALICE.get(), asset, 0), limit(0, asset, 0)]);
        assert_eq!(tried(&gateway, LIMIT), Ok(()));
    }
}

#[tokio::test]
async fn what_the_account_may_do_is_looked_at() {
    let (gateway, ledger) = gateway();
    let kill = |key, is_engaged| {
        Event::KillSwitchChanged(KillSwitchChanged { account: ALICE, key: ApiKeyId::new(key), is_engaged })
    };
    let killed = || Err((-2010, KILLED.to_owned()));
    ledger.feed(&[kill(0, true)]);
    assert_eq!(tried(&gateway, LIMIT), killed());
    ledger.feed(&[kill(0, false), kill(5, true)]);
    assert_eq!(tried(&gateway, LIMIT), Ok(()), "another key");
    let by_key = Caller { id: ApiKeyId::new(5), ..alice() };
    assert_eq!(test(&gateway, by_key, params(LIMIT)).unwrap_err().code, -2010);

    let bounds = |account, [lots, notional, position]: [i64; 3]| {
        let (qty_max, notional_max, position_max) = (qty(lots), amount(notional), amount(position));
        let (account, market) = (AccountId::new(account), BTCUSDT);
        Event::OrderLimitsChanged(OrderLimitsChanged { account, market, qty_max, notional_max, position_max })
    };
    let usdt = 100_000_000;
    for (limits, refused) in [
        ([99_999, 0, 0], filter("ACCOUNT_MAX_QTY")),
        ([100_000, 0, 0], Ok(())),
        ([0, 49_999 * usdt, 0], filter("ACCOUNT_MAX_NOTIONAL")),
        ([0, 50_000 * usdt, 0], Ok(())),
        ([0, 0, 9_999_999_999], filter("MAX_POSITION")),
        ([0, 0, 10_000_000_000], Ok(())),
    ] {
        ledger.feed(&[bounds(ALICE.get(), limits)]);
        assert_eq!(tried(&gateway, LIMIT), refused, "{limits:?}");
    }
    ledger.feed(&[bounds(ALICE.get(), [0; 3]), bounds(0, [0, 0, 15_000_000_000])]);
    assert_eq!(tried(&gateway, LIMIT), Ok(()));
    ledger.feed(&[pending(1, &buy("one")), accepted(1), resting(1, 100_000)]);
    assert_eq!(tried(&gateway, LIMIT), filter("MAX_POSITION"), "with what the open buy brings");
    let sell = LIMIT.replace("BUY", "SELL");
    assert_eq!(tried(&gateway, &sell), Ok(()), "a sell brings nothing, and what is free is not asked");
    ledger.feed(&[balance(ALICE, USDT, 0, 0), bounds(0, [0, 0, 0])]);
    assert_eq!(tried(&gateway, LIMIT), Ok(()), "what is free is not asked");
}

#[tokio::test]
async fn a_phase_takes_what_it_takes() {
    let (gateway, ledger) = gateway();
    let phases = [
        (MarketStatus::PostOnly, 0, -2010, -2010),
        (MarketStatus::Auction, 0, -2010, -2010),
        (MarketStatus::PreOpen, 0, -2010, -2010),
        (MarketStatus::Halted, -1013, -1013, -1013),
        (MarketStatus::Trading, 0, 0, 0),
    ];
    for (number, (status, limit, ioc, market)) in (1..).zip(phases) {
        let (cause, until) = (PhaseCause::Operator, Timestamp::ZERO);
        ledger.feed(&[Event::PhaseChanged(PhaseChanged { market: BTCUSDT, number, status, cause, until })]);
        let code = |order: &str| tried(&gateway, order).map_or_else(|(code, _)| code, |()| 0);
        let closed = errors::MARKET_CLOSED.code;
        let shown = [LIMIT, &LIMIT.replace("GTC", "IOC"), MARKET].map(code);
        let wanted = [limit, ioc, market].map(|code| if code == -1013 { closed } else { code });
        assert_eq!(shown, wanted, "{status:?}");
    }
}
