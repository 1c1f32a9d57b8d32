use super::*;

const US: TimeUnit = TimeUnit::Microsecond;

#[test]
fn the_unit_is_named_in_either_case_and_nothing_else_is_one() {
    for name in ["MICROSECOND", "microsecond"] {
        assert_eq!(TimeUnit::from_name(name), Ok(US));
    }
    assert_eq!(TimeUnit::from_name("MILLISECOND"), Ok(TimeUnit::Millisecond));
    for name in ["", "Microsecond", "NANOSECOND", "us"] {
        assert_eq!(TimeUnit::from_name(name).unwrap_err().code, -1194, "{name}");
    }
    assert_eq!(TimeUnit::from_query("streams=btcusdt@trade&timeUnit=microsecond"), Ok(US));
    assert_eq!(TimeUnit::from_query("streams=btcusdt@trade"), Ok(TimeUnit::Millisecond));
    assert_eq!(TimeUnit::from_query("timeUnit=").unwrap_err().code, -1194);
}

#[test]
fn times_of_answers_become_longer_and_nothing_else() {
    let cases = [
        (r#"{"serverTime":1793491200123}"#, r#"{"serverTime":1793491200123000}"#),
        (
            r#"{"orderId":28,"transactTime":1793491200123,"workingTime":-1,"price":"1793491200123","clientOrderId":"\"time\":1"}"#,
            r#"{"orderId":28,"transactTime":1793491200123000,"workingTime":-1,"price":"1793491200123","clientOrderId":"\"time\":1"}"#,
        ),
        (
            r#"{"lastUpdateId":1793491200123,"bids":[["1.0","2.0"]]}"#,
            r#"{"lastUpdateId":1793491200123,"bids":[["1.0","2.0"]]}"#,
        ),
        (r#"[{"a":5,"T":1793491200999,"f":1}]"#, r#"[{"a":5,"T":1793491200999000,"f":1}]"#),
        (r#"{"closeTime":0,"mins":5}"#, r#"{"closeTime":0,"mins":5}"#),
        (
            r#"{"openTime":1793491200000,"closeTime":1793577599999,"count":7}"#,
            r#"{"openTime":1793491200000000,"closeTime":1793577599999999,"count":7}"#,
        ),
        (
            r#"[[1793491200000,"1","2","3","4","5",1793491259999,"6",7,"8","9","0"]]"#,
            r#"[[1793491200000000,"1","2","3","4","5",1793491259999999,"6",7,"8","9","0"]]"#,
        ),
        ("{}", "{}"),
        ("[]", "[]"),
    ];
    for (milliseconds, microseconds) in cases {
        assert_eq!(US.answer(milliseconds.into()), microseconds);
        assert_eq!(TimeUnit::Millisecond.answer(milliseconds.into()), milliseconds);
    }
}

#[test]
fn a_letter_is_a_time_in_one_event_and_a_number_in_another() {
    let cases = [
        (r#"{"e":"depthUpdate","E":5,"U":6,"u":7}"#, r#"{"e":"depthUpdate","E":5000,"U":6,"u":7}"#),
        (
            r#"{"e":"outboundAccountPosition","E":5,"u":7,"B":[{"a":"T","f":"1"}]}"#,
            r#"{"e":"outboundAccountPosition","E":5000,"u":7000,"B":[{"a":"T","f":"1"}]}"#,
        ),
        (
            r#"{"e":"kline","E":5,"k":{"t":60000,"T":119999,"f":3,"L":4,"n":2}}"#,
            r#"{"e":"kline","E":5000,"k":{"t":60000000,"T":119999999,"f":3,"L":4,"n":2}}"#,
        ),
        (r#"{"e":"trade","E":5,"t":6,"T":1999}"#, r#"{"e":"trade","E":5000,"t":6,"T":1999000}"#),
        (
            r#"{"e":"executionReport","E":5,"i":6,"T":7,"t":-1,"I":8,"O":9,"W":10,"D":-1}"#,
            r#"{"e":"executionReport","E":5000,"i":6,"T":7000,"t":-1,"I":8,"O":9000,"W":10000,"D":-1}"#,
        ),
        (
            r#"[{"e":"24hrTicker","E":5,"O":6,"C":7,"F":8,"n":9},{"e":"24hrTicker","E":1,"O":2,"C":3}]"#,
            r#"[{"e":"24hrTicker","E":5000,"O":6000,"C":7000,"F":8,"n":9},{"e":"24hrTicker","E":1000,"O":2000,"C":3000}]"#,
        ),
        (r#"{"u":400,"s":"BTCUSDT","b":"1","B":"2"}"#, r#"{"u":400,"s":"BTCUSDT","b":"1","B":"2"}"#),
    ];
    for (milliseconds, microseconds) in cases {
        assert_eq!(US.event(milliseconds), microseconds);
        assert_eq!(TimeUnit::Millisecond.event(milliseconds), milliseconds);
    }
}
