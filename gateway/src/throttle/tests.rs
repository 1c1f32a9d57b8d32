use super::*;

const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
const ALICE: AccountId = AccountId::new(1);

/// What counts once these are counted.
fn count(throttle: &Throttle, count: u32, now_us: u64) -> Result<OrderCounts, ApiError> {
    throttle.count_orders(ALICE, count, now_us).map(|counted| counted.counts)
}

fn throttle() -> Throttle {
    let limits = Limits { weight_per_minute: 10, orders_per_10s: 2, orders_per_day: 3, ..Limits::default() };
    Throttle::new(&limits, Arc::default())
}

#[test]
fn weight_is_counted_per_address_and_minute() {
    let throttle = throttle();
    assert_eq!(throttle.weigh(IP, 6, 0), Ok(6));
    assert_eq!(throttle.weigh(OTHER, 6, 0), Ok(6));
    let refused = throttle.weigh(IP, 5, 30 * SECOND_US).unwrap_err();
    assert_eq!((refused.status, refused.code, refused.retry_after_s), (429, -1003, Some(30)));
    assert_eq!(throttle.weigh(IP, 4, 59 * SECOND_US), Ok(10), "a refused request weighs nothing");
    assert_eq!(throttle.weigh(IP, 1, MINUTE_US), Ok(1));
}

#[test]
fn a_request_that_is_counted_late_does_not_bring_the_former_window_back() {
    let throttle = throttle();
    assert_eq!(throttle.weigh(IP, 6, MINUTE_US - 5), Ok(6));
    assert_eq!(throttle.weigh(IP, 6, MINUTE_US + 2), Ok(6));
    assert_eq!(throttle.weigh(IP, 2, MINUTE_US - 1), Ok(8), "it looked at the clock before the minute began");
    assert_eq!(throttle.weigh(IP, 2, MINUTE_US + 3), Ok(10), "nothing was forgotten");
    assert_eq!(throttle.weigh(IP, 1, MINUTE_US - 2 * LATE_MAX_US), Ok(1), "a clock was set back");
}

#[test]
fn requests_are_counted_per_address_and_five_minutes_whatever_they_weigh() {
    let throttle = Throttle::new(&Limits { requests_per_5m: 3, ..Limits::default() }, Arc::default());
    assert_eq!(throttle.weigh(IP, 0, 0), Ok(0));
    assert_eq!(throttle.weigh(IP, 250, 0), Ok(250));
    assert_eq!(throttle.weigh(IP, 1, 2 * MINUTE_US), Ok(1));
    let refused = throttle.weigh(IP, 1, 4 * MINUTE_US + 1).unwrap_err();
    assert_eq!((refused.status, refused.code, refused.retry_after_s), (429, -1003, Some(60)));
    assert!(refused.message.starts_with("Too many requests; current limit is 3 requests per 5 MINUTE."), "{refused:?}");
    assert_eq!(throttle.used_weight(IP, 4 * MINUTE_US + 1), 0, "a refused request weighs nothing");
    assert_eq!(throttle.weigh(OTHER, 1, 4 * MINUTE_US + 1), Ok(1));
    assert_eq!(throttle.weigh(IP, 1, 5 * MINUTE_US), Ok(1));
}

#[test]
fn an_address_that_goes_on_requesting_beyond_the_limit_is_banned() {
    let limits = Limits { requests_per_5m: 2, ban_after_refusals: 3, ..Limits::default() };
    let throttle = Throttle::new(&limits, Arc::default());
    let statuses: Vec<_> =
        (0..7).map(|_| throttle.weigh(IP, 1, 0).map_or_else(|error| error.status, |_| 200)).collect();
    assert_eq!(statuses, [200, 200, 429, 429, 429, 418, 418]);
}

#[test]
fn orders_are_counted_per_account_in_two_windows() {
    let throttle = throttle();
    assert_eq!(count(&throttle, 1, 0), Ok(OrderCounts { per_10s: 1, per_day: 1 }));
    assert_eq!(count(&throttle, 1, 0), Ok(OrderCounts { per_10s: 2, per_day: 2 }));
    let refused = count(&throttle, 1, SECOND_US).unwrap_err();
    assert_eq!((refused.code, refused.retry_after_s), (-1015, Some(9)));
    assert_eq!(&*refused.message, "Too many new orders; current limit is 2 orders per 10 SECOND.");
    assert_eq!(count(&throttle, 1, 10 * SECOND_US), Ok(OrderCounts { per_10s: 1, per_day: 3 }));
    assert_eq!(count(&throttle, 1, 20 * SECOND_US).unwrap_err().code, -1015);
    assert_eq!(throttle.orders(ALICE, 20 * SECOND_US), OrderCounts { per_10s: 0, per_day: 3 });
}

#[test]
fn addresses_of_one_ipv6_network_are_one_client() {
    let throttle = throttle();
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert_eq!(throttle.weigh(ip("2001:db8:0:1::7"), 6, 0), Ok(6));
    assert_eq!(throttle.weigh(ip("2001:db8:0:1:ffff::8"), 4, 0), Ok(10));
    assert_eq!(throttle.weigh(ip("2001:db8:0:2::7"), 6, 0), Ok(6));
    assert_eq!(throttle.used_weight(ip("2001:db8:0:1::9"), 0), 10);
}

#[test]
fn addresses_beyond_the_table_share_a_count_and_none_is_banned_for_it() {
    let limits = Limits { weight_per_minute: 10, ban_after_refusals: 3, ..Limits::default() };
    let throttle = Throttle::new(&limits, Arc::default());
    for bits in 0..ADDRESSES_MAX as u32 {
        assert_eq!(throttle.weigh(std::net::Ipv4Addr::from_bits(bits).into(), 1, 0), Ok(1));
    }
    let late = |bits: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(u32::MAX - bits));
    assert_eq!(throttle.weigh(late(0), 10, 0), Ok(10));
    for _ in 0..100 {
        assert_eq!(throttle.weigh(late(1), 1, 0).unwrap_err().status, 429);
    }
    assert_eq!(throttle.weigh(late(1), 1, MINUTE_US), Ok(1), "the next minute has room for it");
    let own = std::net::Ipv4Addr::from_bits(7).into();
    assert_eq!(throttle.weigh(own, 11, MINUTE_US).unwrap_err().status, 429);
    let banned = (0..4).map(|_| throttle.weigh(own, 11, MINUTE_US).unwrap_err().status).last();
    assert_eq!(banned, Some(418));
}

#[test]
fn refused_orders_count_no_more_in_the_windows_they_were_counted_in() {
    let limits = Limits { orders_per_10s: 10, orders_per_day: 100, ..Limits::default() };
    let throttle = Throttle::new(&limits, Arc::default());
    let counted = throttle.count_orders(ALICE, 3, 9 * SECOND_US).unwrap();
    let left = throttle.uncount_orders(ALICE, 3, counted, 9 * SECOND_US);
    assert_eq!(left, OrderCounts::default());
    let counted = throttle.count_orders(ALICE, 2, 9 * SECOND_US).unwrap();
    throttle.count_orders(ALICE, 4, 11 * SECOND_US).unwrap();
    let left = throttle.uncount_orders(ALICE, 2, counted, 11 * SECOND_US);
    assert_eq!(left, OrderCounts { per_10s: 4, per_day: 4 }, "the refusal came in the next window");
}

/// They looked at the clock before the window turned, and were counted after another that looked at it later.
#[test]
fn refused_orders_that_were_counted_late_count_no_more_either() {
    let limits = Limits { orders_per_10s: 4, orders_per_day: 100, ..Limits::default() };
    for turn_us in [10 * SECOND_US, DAY_US] {
        let throttle = Throttle::new(&limits, Arc::default());
        throttle.count_orders(ALICE, 1, turn_us + 2).unwrap();
        let counted = throttle.count_orders(ALICE, 3, turn_us - 1).unwrap();
        assert_eq!(counted.counts, OrderCounts { per_10s: 4, per_day: 4 });
        let beyond = throttle.count_orders(ALICE, 1, turn_us - 1).unwrap_err();
        assert_eq!(beyond.retry_after_s, Some(11), "the window that it is beyond the limit of has just begun");
        let left = throttle.refuse_orders(ALICE, 3, counted, turn_us + 5);
        assert_eq!(left, OrderCounts { per_10s: 1, per_day: 1 });
    }
}

#[test]
fn orders_that_trade_count_no_more_and_those_that_rested_make_up_for_others() {
    let limits = Limits { orders_per_10s: 10, orders_per_day: 100, ..Limits::default() };
    let unfilled = Arc::<Unfilled>::default();
    let throttle = Throttle::new(&limits, Arc::clone(&unfilled));
    let count = |orders, now_us| count(&throttle, orders, now_us).map(|counts| (counts.per_10s, counts.per_day));
    assert_eq!(count(2, 0), Ok((2, 2)));
    unfilled.has_traded(ALICE, SECOND_US, false);
    assert_eq!(count(1, SECOND_US), Ok((2, 2)));
    assert_eq!(count(3, 2 * SECOND_US), Ok((5, 5)));
    unfilled.has_traded(ALICE, SECOND_US, true);
    assert_eq!(throttle.orders(ALICE, 3 * SECOND_US), OrderCounts { per_10s: 0, per_day: 0 });
    unfilled.has_traded(ALICE, SECOND_US, true);
    assert_eq!(count(4, 3 * SECOND_US), Ok((4, 4)), "below zero it does not fall");
    // An order of a former window belongs to the day alone.
    assert_eq!(count(1, 11 * SECOND_US), Ok((1, 5)));
    unfilled.has_traded(ALICE, 9 * SECOND_US, false);
    assert_eq!(throttle.orders(ALICE, 12 * SECOND_US), OrderCounts { per_10s: 1, per_day: 4 });
    unfilled.has_traded(AccountId::new(2), 11 * SECOND_US, false);
    assert_eq!(throttle.orders(AccountId::new(2), 12 * SECOND_US), OrderCounts::default());
}
