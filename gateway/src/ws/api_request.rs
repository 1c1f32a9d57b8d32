//! Requests and answers of the WebSocket API as text: `{"id":..,"method":..,"params":{..}}` in,
//! `{"id":..,"status":..,"result"|"error":..,"rateLimits":[..]}` out.
//!
//! Values stay the text they were sent as: signatures cover that text, and decimals must not pass through
//! floats. Source: Binance Spot, "WebSocket API, general information".

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::errors::{self, ApiError};
use crate::params::Params;
use crate::throttle::OrderCounts;

/// The id of a request as JSON text, to be echoed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// What is answered to a request whose id cannot be read.
    pub fn null() -> RequestId {
        RequestId("null".into())
    }

    /// A whole number, a text of at most [`ID_MAX`] characters, or null.
    fn from_json(text: &str) -> Option<RequestId> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_legal = match text.as_bytes() {
            b"null" => true,
            [b'"', ..] => serde_json::from_str::<Cow<'_, str>>(text).is_ok_and(|id| id.chars().count() <= ID_MAX),
            _ => digits.len() <= 19 && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()),
        };
        is_legal.then(|| RequestId(text.to_owned()))
    }
}

/// A request, decoded.
#[derive(Debug)]
pub struct ApiRequest {
    /// To be echoed.
    pub id: RequestId,
    /// `order.place`
    pub method: String,
    /// Its parameters as text.
    pub params: Params,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow, default)]
    params: Option<Pairs<'a>>,
}

/// Room for the parameters of an order: few requests have more.
const USUAL_PARAMS: usize = 16;

/// The fields of an object in the order they were sent, doubles included.
struct Pairs<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(USUAL_PARAMS);
                while let Some(field) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    fields.push((field.0.0, field.1));
                }
                Ok(fields)
            }
        }

        from.deserialize_map(Fields).map(Pairs)
    }
}

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl ApiRequest {
    /// Reads a request. An error comes with the id to answer it to.
    pub fn parse(text: &str) -> Result<ApiRequest, (RequestId, ApiError)> {
        let envelope: Envelope<'_> = match serde_json::from_str(text) {
            Ok(envelope) => envelope,
            Err(_) => return Err((id_of(text), errors::INVALID_JSON)),
        };
        let id = match envelope.id.map_or(Some(RequestId::null()), |id| RequestId::from_json(id.get())) {
            Some(id) => id,
            None => return Err((RequestId::null(), ApiError::illegal_characters("id", ID_RANGE))),
        };
        match params(envelope.params) {
            Ok(params) => Ok(ApiRequest { id, method: envelope.method.into_owned(), params }),
            Err(error) => Err((id, error)),
        }
    }
}

const ID_RANGE: &str = "^-?[0-9]{1,19}$|^.{0,256}$";
/// Characters of an id: it is echoed, and means nothing here.
const ID_MAX: usize = 256;

/// The id of what is JSON at least.
fn id_of(text: &str) -> RequestId {
    #[derive(serde::Deserialize)]
    struct Id<'a> {
        #[serde(borrow, default)]
        id: Option<&'a RawValue>,
    }
    let id = serde_json::from_str::<Id<'_>>(text).ok().and_then(|id| RequestId::from_json(id.id?.get()));
    id.unwrap_or(RequestId::null())
}

fn params(pairs: Option<Pairs<'_>>) -> Result<Params, ApiError> {
    let pairs = pairs.map(|pairs| pairs.0).unwrap_or_default();
    let mut items = Vec::with_capacity(pairs.len());
    for (name, value) in pairs {
        let json = value.get();
        let text = match json.as_bytes().first() {
            Some(b'"') => serde_json::from_str(json).map_err(|_| errors::INVALID_JSON)?,
            Some(b'n') => continue,
            Some(b'{') => return Err(ApiError::invalid_data(&name)),
            _ => json.to_owned(),
        };
        items.push((name.into_owned(), text));
    }
    Params::new(items)
}

/// What an answer says about limits: the weight used by the client's address, and the orders of its account.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// Request weight used in the present minute.
    pub weight: u32,
    /// Of how much.
    pub weight_limit: u32,
    /// New orders of the account, with their limits per 10 seconds and per day.
    pub orders: Option<(OrderCounts, [u32; 2])>,
}

/// An answer. `used` is `None` when the client does not want to know.
pub fn answer(id: &RequestId, result: &Result<String, ApiError>, used: Option<Used>, now_ms: u64) -> String {
    use std::fmt::Write;

    let mut text = String::with_capacity(result.as_ref().map_or(192, String::len) + 256);
    let _ = match result {
        Ok(result) => write!(text, r#"{{"id":{},"status":200,"result":{result}"#, id.0),
        Err(error) => {
            let body = error.to_json();
            let _ = write!(text, r#"{{"id":{},"status":{},"error":"#, id.0, error.status);
            match error.retry_after_s {
                None => write!(text, "{body}"),
                Some(seconds) => {
                    let at_ms = now_ms + u64::from(seconds) * 1_000;
                    // What the error says beside its text is an object, and never an empty one.
                    let (open, comma) = match &error.data {
                        Some(_) => (body.strip_suffix("}}").unwrap_or(&body), ","),
                        None => (body.strip_suffix('}').unwrap_or(&body), r#","data":{"#),
                    };
                    write!(text, r#"{open}{comma}"serverTime":{now_ms},"retryAfter":{at_ms}}}}}"#)
                }
            }
        }
    };
    if let Some(used) = used {
        text.push_str(r#","rateLimits":["#);
        if let Some((counts, limits)) = used.orders {
            let _ = write!(
                text,
                r#"{{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":{},"count":{}}},{{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":{},"count":{}}},"#,
                limits[0], counts.per_10s, limits[1], counts.per_day
            );
        }
        let _ = write!(
            text,
            r#"{{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":{},"count":{}}}]"#,
            used.weight_limit, used.weight
        );
    }
    text.push('}');
    text
}

/// An answer that says under which name its request was followed, and where in the log it is.
pub fn with_trace(answer: &str, name: &str, places: &[String]) -> String {
    let open = answer.strip_suffix('}').unwrap_or(answer);
    let places = serde_json::json!(places);
    format!(r#"{open},"trace":{{"id":"{name}","log":{places}}}}}"#)
}

/// A user event in the envelope of its subscription, with its number for who wishes to know it.
pub fn user_event(subscription: u64, sequence: Option<u64>, event: &str) -> String {
    match sequence {
        Some(sequence) => format!(r#"{{"subscriptionId":{subscription},"sequence":{sequence},"event":{event}}}"#),
        None => format!(r#"{{"subscriptionId":{subscription},"event":{event}}}"#),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(params: &Params) -> Vec<(&str, &str)> {
        params.iter().collect()
    }

    #[test]
    fn values_stay_the_text_they_were_sent_as() {
        let text = r#"{"id":"a-1","method":"order.place","params":{"symbol":"BTCUSDT","quantity":0.10,"price":"61000.00","timestamp":1793491200000,"newClientOrderId":"a\u002db","omitted":null,"flag":true,"symbols":["A","B"]}}"#;
        let request = ApiRequest::parse(text).unwrap();
        assert_eq!(request.id, RequestId("\"a-1\"".into()));
        assert_eq!(request.method, "order.place");
        assert_eq!(
            items(&request.params),
            [
                ("symbol", "BTCUSDT"),
                ("quantity", "0.10"),
                ("price", "61000.00"),
                ("timestamp", "1793491200000"),
                ("newClientOrderId", "a-b"),
                ("flag", "true"),
                ("symbols", r#"["A","B"]"#),
            ]
        );
    }

    #[test]
    fn ids_are_numbers_texts_or_null() {
        for id in [
            "1",
            "-1",
            "9223372036854775807",
            "\"x\"",
            "\"\"",
            "null",
            "\"\\u00e9\"",
            &format!("\"{}\"", "x".repeat(256)),
        ] {
            let request = ApiRequest::parse(&format!(r#"{{"id":{id},"method":"ping"}}"#)).expect(id);
            assert_eq!(request.id.0, id);
        }
        assert_eq!(ApiRequest::parse(r#"{"method":"ping"}"#).unwrap().id, RequestId::null());
        for id in ["1.5", "1e3", "true", "[]", "{}", "99999999999999999999", &format!("\"{}\"", "x".repeat(257))] {
            let (answered, error) = ApiRequest::parse(&format!(r#"{{"id":{id},"method":"ping"}}"#)).expect_err(id);
            assert_eq!((answered, error.code), (RequestId::null(), -1100), "{id}");
        }
    }

    #[test]
    fn bad_requests_are_answered_to_their_id() {
        let cases = [
            ("", "null", -1135),
            ("{", "null", -1135),
            ("nonsense", "null", -1135),
            ("[]", "null", -1135),
            ("7", "null", -1135),
            (r#"{"id":7}"#, "7", -1135),
            (r#"{"id":7,"method":1}"#, "7", -1135),
            (r#"{"id":7,"method":"ping","why":1}"#, "7", -1135),
            (r#"{"id":7,"method":"ping","params":[]}"#, "7", -1135),
            (r#"{"id":7,"method":"ping","params":"x"}"#, "7", -1135),
            (r#"{"id":7,"method":"ping","params":{"a":{}}}"#, "7", -1130),
            (r#"{"id":7,"method":"ping","params":{"a":1,"a":2}}"#, "7", -1101),
            (r#"{"id":7,"method":"ping","params":{"a":"\ud800"}}"#, "7", -1135),
        ];
        for (text, id, code) in cases {
            let (answered, error) = ApiRequest::parse(text).expect_err(text);
            assert_eq!((answered.0.as_str(), error.code), (id, code), "{text}");
        }
    }

    #[test]
    fn depth_of_nesting_costs_nothing() {
        let nested = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
        let request = ApiRequest::parse(&format!(r#"{{"id":7,"method":"ping","params":{{"a":{nested}}}}}"#)).unwrap();
        assert_eq!(items(&request.params), [("a", nested.as_str())]);
        let (id, error) = ApiRequest::parse(&format!(r#"{{"id":{nested},"method":"ping"}}"#)).unwrap_err();
        assert_eq!((id, error.code), (RequestId::null(), -1100));
    }

    #[test]
    fn answers_have_status_result_or_error_and_limits() {
        let id = RequestId("7".into());
        let used = Used { weight: 3, weight_limit: 6_000, orders: None };
        assert_eq!(
            answer(&id, &Ok("{}".into()), Some(used), 5),
            r#"{"id":7,"status":200,"result":{},"rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000,"count":3}]}"#
        );
        assert_eq!(
            answer(&id, &Err(errors::INVALID_SYMBOL), None, 5),
            r#"{"id":7,"status":400,"error":{"code":-1121,"msg":"Invalid symbol."}}"#
        );
        assert_eq!(
            answer(&id, &Err(ApiError::too_many_orders(1, "10 SECOND", 3)), None, 5),
            r#"{"id":7,"status":429,"error":{"code":-1015,"msg":"Too many new orders; current limit is 1 orders per 10 SECOND.","data":{"serverTime":5,"retryAfter":3005}}}"#
        );
        let halves = Some(r#"{"cancelResult":"SUCCESS","newOrderResponse":{"code":-1015,"msg":"x"}}"#.into());
        let limited = ApiError { status: 429, retry_after_s: Some(3), data: halves, ..errors::REPLACED_IN_PART };
        assert_eq!(
            answer(&id, &Err(limited), None, 5),
            r#"{"id":7,"status":429,"error":{"code":-2021,"msg":"Order cancel-replace partially failed.","data":{"cancelResult":"SUCCESS","newOrderResponse":{"code":-1015,"msg":"x"},"serverTime":5,"retryAfter":3005}}}"#
        );
        let orders = Some((OrderCounts { per_10s: 1, per_day: 2 }, [50, 160_000]));
        for text in [
            answer(&id, &Err(ApiError::too_much_weight(10, 3)), Some(used), 5),
            answer(&id, &Ok("[]".into()), Some(Used { orders, ..used }), 5),
            user_event(0, None, r#"{"e":"executionReport"}"#),
        ] {
            serde_json::from_str::<serde_json::Value>(&text).expect(&text);
        }
    }
}
