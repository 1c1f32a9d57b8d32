use serde_json::Value;

use super::*;

fn dec(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

fn market() -> Market {
    Market {
        symbol: "ETHBTC".into(),
        base: "ETH".into(),
        quote: "BTC".into(),
        tick: dec("0.00001"),
        step: dec("0.0001"),
        qty_min: dec("0.0001"),
        notional_min: dec("0.0001"),
        open_orders_max: 200,
    }
}

#[test]
fn the_same_seed_draws_the_same_orders() {
    let draw = |seed| {
        let mut mix = Mix::new(seed);
        std::iter::repeat_with(|| mix.order(&market(), dec("0.05"), true)).take(50).collect::<Vec<_>>()
    };
    assert_eq!(draw(3), draw(3));
    assert_ne!(draw(3), draw(4));
}

#[test]
fn orders_lie_on_the_grid_and_above_the_least_notional() {
    let (mut mix, market, mid) = (Mix::new(1), market(), dec("0.05"));
    let (mut resting, mut taking) = (0, 0);
    for _ in 0..1_000 {
        let shape = mix.order(&market, mid, true);
        let price = match shape.kind {
            Kind::Resting(price) => {
                resting += 1;
                assert!(if shape.buy { price < mid } else { price > mid });
                price
            }
            Kind::Crossing(price) => {
                taking += 1;
                assert!(if shape.buy { price > mid } else { price < mid });
                price
            }
            Kind::Market => {
                taking += 1;
                mid
            }
        };
        assert!((price % market.tick).is_zero() && (shape.qty % market.step).is_zero());
        assert!(price * shape.qty >= market.notional_min);
    }
    assert!(resting > taking && taking > resting / 2, "{resting} rest, {taking} take");
}

#[test]
fn nothing_rests_where_nothing_may() {
    let mut mix = Mix::new(1);
    let shapes = std::iter::repeat_with(|| mix.order(&market(), dec("0.05"), false)).take(200);
    assert!(!shapes.into_iter().any(|shape| matches!(shape.kind, Kind::Resting(_))));
}

#[test]
fn parameters_are_json_that_names_the_order() {
    let shape = Shape { buy: true, kind: Kind::Crossing(dec("0.05")), qty: dec("1.5") };
    let params: Value = serde_json::from_str(&shape.params("ETHBTC", "lg-1", (Response::Each, 8), 5)).unwrap();
    assert_eq!(params["side"], "BUY");
    assert_eq!(params["timeInForce"], "IOC");
    assert_eq!(params["quantity"], "1.5");
    assert_eq!(params["newClientOrderId"], "lg-1");
    assert_eq!(params["newOrderRespType"], "FULL");
}

#[test]
fn one_after_the_other_asks_for_each_kind_of_answer() {
    let told = |response: Response| [1, 2, 3].map(|number| response.of(number));
    assert_eq!(told(Response::Each), ["RESULT", "FULL", "ACK"]);
    assert_eq!(told(Response::Ack), ["ACK"; 3]);
    assert_eq!(told(Response::Result), ["RESULT"; 3]);
    assert_eq!(told(Response::Full), ["FULL"; 3]);
}
