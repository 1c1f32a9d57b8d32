//! What clients of market streams ask for: SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS, SET_PROPERTY and
//! GET_PROPERTY, and how they are answered.
//!
//! Source: Binance Spot, "Live subscribing/unsubscribing to streams". The documents write an error's `code`
//! and `msg` at the top, the servers within `error`; clients of both kinds exist, so ours are in both places.

use serde_json::{Value, json};

use crate::streams::{Property, StreamName};

/// Something to listen to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A market stream.
    Market(StreamName),
    /// The user events behind a listen key.
    User(String),
}

impl Source {
    /// The market stream that it is.
    pub fn market(&self) -> Option<&StreamName> {
        match self {
            Source::Market(name) => Some(name),
            Source::User(_) => None,
        }
    }

    /// Reads the name of a market stream, or a listen key.
    pub fn parse(text: &str) -> Option<Source> {
        let is_listen_key = text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if is_listen_key { Some(Source::User(text.into())) } else { StreamName::parse(text).map(Source::Market) }
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Listen to these.
    Subscribe(Vec<Source>),
    /// Listen to these no more.
    Unsubscribe(Vec<Source>),
    /// Which are listened to?
    List,
    /// Let the connection have this property, or not.
    Set(Property, bool),
    /// Has it this property?
    Get(Property),
}

/// Why something was not understood: Binance's code and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misunderstood {
    /// 0 to 3.
    pub code: u8,
    /// What is wrong.
    pub message: String,
}

fn invalid(message: impl Into<String>) -> Misunderstood {
    Misunderstood { code: 2, message: format!("Invalid request: {}", message.into()) }
}

/// Reads a request; the id is echoed whatever else is wrong.
pub fn parse(text: &str) -> (Value, Result<Ask, Misunderstood>) {
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            return (Value::Null, Err(Misunderstood { code: 3, message: format!("Invalid JSON: {error}") }));
        }
    };
    let Value::Object(fields) = value else { return (Value::Null, Err(invalid("request must be an object"))) };
    let id = fields.get("id").cloned().unwrap_or(Value::Null);
    let is_legal = match &id {
        Value::Null => true,
        Value::Number(number) => number.is_u64() || number.is_i64(),
        Value::String(text) => text.len() <= 36,
        _ => false,
    };
    if !is_legal {
        return (
            Value::Null,
            Err(invalid("request ID must be a whole number, a string of at most 36 characters, or null")),
        );
    }
    if let Some(unknown) = fields.keys().find(|name| !["id", "method", "params"].contains(&name.as_str())) {
        return (id, Err(invalid(format!("unknown field `{unknown}`, expected one of `method`, `params`, `id`"))));
    }
    let ask = ask(fields.get("method"), fields.get("params"));
    (id, ask)
}

fn ask(method: Option<&Value>, params: Option<&Value>) -> Result<Ask, Misunderstood> {
    let method = match method {
        Some(Value::String(method)) => method.as_str(),
        Some(_) => return Err(invalid("field `method` must be a string")),
        None => return Err(invalid("missing field `method`")),
    };
    let params: &[Value] = match params {
        None | Some(Value::Null) => &[],
        Some(Value::Array(params)) => params,
        Some(_) => return Err(invalid("field `params` must be an array")),
    };
    match method {
        "SUBSCRIBE" => names(params).map(Ask::Subscribe),
        "UNSUBSCRIBE" => names(params).map(Ask::Unsubscribe),
        "LIST_SUBSCRIPTIONS" => match params {
            [] => Ok(Ask::List),
            _ => Err(invalid("too many parameters")),
        },
        "SET_PROPERTY" => match params {
            [name, value] => {
                let property = property(name)?;
                value
                    .as_bool()
                    .map(|value| Ask::Set(property, value))
                    .ok_or(Misunderstood { code: 1, message: "Invalid value type: expected Boolean".into() })
            }
            [] => Err(invalid("property name must be a string")),
            [_] => Err(invalid("missing parameters: a property's value is needed")),
            _ => Err(invalid("too many parameters")),
        },
        "GET_PROPERTY" => match params {
            [name] => property(name).map(Ask::Get),
            [] => Err(invalid("property name must be a string")),
            _ => Err(invalid("too many parameters")),
        },
        unknown => {
            let mut shown: String = unknown.chars().take(64).collect();
            shown.retain(|letter| !letter.is_control());
            Err(invalid(format!(
                "unknown variant `{shown}`, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, \
                 `SET_PROPERTY`, `GET_PROPERTY`"
            )))
        }
    }
}

fn names(params: &[Value]) -> Result<Vec<Source>, Misunderstood> {
    if params.is_empty() {
        return Err(invalid("missing parameters: at least one stream is needed"));
    }
    if params.len() > crate::streams::STREAMS_MAX {
        return Err(invalid("too many parameters"));
    }
    let name = |value: &Value| match value {
        Value::String(name) => Source::parse(name).ok_or_else(|| invalid("invalid stream")),
        _ => Err(invalid("stream name must be a string")),
    };
    params.iter().map(name).collect()
}

fn property(name: &Value) -> Result<Property, Misunderstood> {
    let name = name.as_str().ok_or_else(|| invalid("property name must be a string"))?;
    let known = Property::ALL.into_iter().find(|property| property.name() == name);
    known.ok_or(Misunderstood { code: 0, message: "Unknown property".into() })
}

/// `{"result":null,"id":1}`
pub fn answer(id: Value, result: Value) -> String {
    json!({ "result": result, "id": id }).to_string()
}

/// An error, in both of the places where clients look for it.
pub fn refusal(id: Value, error: &Misunderstood) -> String {
    let Misunderstood { code, message } = error;
    json!({ "error": { "code": code, "msg": message }, "code": code, "msg": message, "id": id }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_understood_and_their_ids_echoed() {
        let trade = Source::Market(StreamName::parse("btcusdt@trade").unwrap());
        let listen_key = "0f".repeat(32);
        let cases = [
            (
                r#"{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}"#,
                json!(1),
                Ask::Subscribe(vec![trade.clone()]),
            ),
            (
                &format!(r#"{{"method":"SUBSCRIBE","params":["{listen_key}"],"id":2}}"#),
                json!(2),
                Ask::Subscribe(vec![Source::User(listen_key.clone())]),
            ),
            (
                r#"{"method":"UNSUBSCRIBE","params":["btcusdt@trade"],"id":"a"}"#,
                json!("a"),
                Ask::Unsubscribe(vec![trade]),
            ),
            (r#"{"method":"LIST_SUBSCRIPTIONS","id":null}"#, Value::Null, Ask::List),
            (r#"{"method":"LIST_SUBSCRIPTIONS","params":[],"id":-3}"#, json!(-3), Ask::List),
            (
                r#"{"method":"SET_PROPERTY","params":["combined",true],"id":5}"#,
                json!(5),
                Ask::Set(Property::Combined, true),
            ),
            (r#"{"method":"GET_PROPERTY","params":["combined"]}"#, Value::Null, Ask::Get(Property::Combined)),
        ];
        for (text, id, ask) in cases {
            assert_eq!(parse(text), (id, Ok(ask)), "{text}");
        }
    }

    #[test]
    fn bad_requests_are_told_what_is_wrong_with_a_code() {
        let cases = [
            ("", 3, "Invalid JSON"),
            ("{", 3, "Invalid JSON"),
            ("nonsense", 3, "Invalid JSON"),
            ("[1]", 2, "must be an object"),
            (r#"{"id":1}"#, 2, "missing field `method`"),
            (r#"{"method":1,"id":1}"#, 2, "must be a string"),
            (r#"{"method":"DANCE","id":1}"#, 2, "unknown variant `DANCE`"),
            (r#"{"method":"SUBSCRIBE","id":1}"#, 2, "at least one stream"),
            (r#"{"method":"SUBSCRIBE","params":"btcusdt@trade","id":1}"#, 2, "must be an array"),
            (r#"{"method":"SUBSCRIBE","params":[7],"id":1}"#, 2, "stream name must be a string"),
            (r#"{"method":"SUBSCRIBE","params":["btcusdt@dance"],"id":1}"#, 2, "invalid stream"),
            (r#"{"method":"LIST_SUBSCRIPTIONS","params":["x"],"id":1}"#, 2, "too many parameters"),
            (r#"{"method":"SET_PROPERTY","params":["combined"],"id":1}"#, 2, "missing parameters"),
            (r#"{"method":"SET_PROPERTY","params":["combined","yes"],"id":1}"#, 1, "expected Boolean"),
            (r#"{"method":"SET_PROPERTY","params":["colour",true],"id":1}"#, 0, "Unknown property"),
            (r#"{"method":"GET_PROPERTY","params":[1],"id":1}"#, 2, "property name must be a string"),
            (r#"{"method":"GET_PROPERTY","params":["combined",1],"id":1}"#, 2, "too many parameters"),
            (r#"{"method":"LIST_SUBSCRIPTIONS","id":1,"why":2}"#, 2, "unknown field `why`"),
        ];
        for (text, code, message) in cases {
            let (_, ask) = parse(text);
            let error = ask.expect_err(text);
            assert_eq!(error.code, code, "{text}");
            assert!(error.message.contains(message), "{text}: {}", error.message);
        }
        for id in ["1.5", "{}", "[]", "true", &format!("\"{}\"", "x".repeat(37))] {
            let (id, ask) = parse(&format!(r#"{{"method":"LIST_SUBSCRIPTIONS","id":{id}}}"#));
            assert_eq!((id, ask.unwrap_err().code), (Value::Null, 2));
        }
    }
}
