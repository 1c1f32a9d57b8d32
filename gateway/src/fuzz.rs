//! Entries for fuzzers: whatever bytes come, nothing panics, and what is made of them is well-formed. `tests/fuzz.rs` runs
//! them for a bounded time on stable Rust; a coverage-guided fuzzer calls the same functions.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Version};
use serde_json::Value;

use crate::http::carrier;
use crate::params::Params;
use crate::ws::{api_request, control, handshake, stream_connection};

/// A query string and a form body, apart by the first line feed, as REST takes them.
pub fn rest_query(bytes: &[u8]) {
    let split = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (query, body) = (String::from_utf8_lossy(&bytes[..split]), bytes.get(split + 1..).unwrap_or_default());
    for kind in [None, Some("application/x-www-form-urlencoded"), Some("application/json")] {
        let Ok(carried) = carrier::read(&query, body, kind) else { continue };
        let items: Vec<(String, String)> =
            carried.params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        for (index, (name, _)) in items.iter().enumerate() {
            assert!(items[..index].iter().all(|(known, _)| known != name), "{name} counts twice");
        }
        let encode =
            |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let again: Vec<String> =
            items.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let again = Params::from_urlencoded(&again.join("&")).expect("what was read once is legal");
        let again: Vec<(String, String)> =
            again.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(again, items, "parameters change by being encoded again");
        // Both are signed as if they were one text, but a pair is of one of them.
        let of_query = carrier::read(&query, &[], kind).map_or(0, |carried| carried.payload.len());
        let (of_query, of_body) = carried.payload.split_at(of_query);
        for payload in [of_query, of_body].map(String::from_utf8_lossy) {
            let signs_itself = payload.split('&').any(|pair| pair.starts_with("signature="));
            assert!(!signs_itself, "a signature signs itself: {payload}");
        }
        let mut params = carried.params;
        for name in ["symbol", "timestamp", "limit"] {
            // Errors are answers.
            let _ = params.integer(name);
        }
        drop(params.finish());
    }
}

/// A message of the WebSocket API, and of a stream connection.
pub fn json_request(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let answer = match api_request::ApiRequest::parse(&text) {
        Ok(request) => {
            let payload = crate::auth::sorted_payload(&request.params);
            api_request::answer(&request.id, &Ok(serde_json::json!(payload).to_string()), None, 0)
        }
        Err((id, error)) => api_request::answer(&id, &Err(error), None, 0),
    };
    assert!(serde_json::from_str::<Value>(&answer).is_ok(), "the answer is no JSON: {answer}");
    let (id, ask) = control::parse(&text);
    let answer = match ask {
        Ok(_) => control::answer(id, Value::Null),
        Err(error) => control::refusal(id, &error),
    };
    assert!(serde_json::from_str::<Value>(&answer).is_ok(), "the answer is no JSON: {answer}");
}

/// A handshake's request line and headers, one a line.
pub fn handshake(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let target = lines.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    // Errors are answers.
    let _ = stream_connection::Wanted::parse(path, query);
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if let (Ok(name), Ok(value)) = (name.trim().parse::<HeaderName>(), HeaderValue::from_str(value.trim())) {
            headers.append(name, value);
        }
    }
    match handshake::check(&Method::GET, Version::HTTP_11, &headers) {
        Ok(response) => assert!(response.status() == 101 && response.headers().contains_key("sec-websocket-accept")),
        Err(error) => assert!(handshake::refuse(&error).status().is_client_error()),
    }
}

/// What a client sends after the switch: frames, or what it takes for frames.
pub async fn frames(bytes: &[u8]) {
    use tokio::io::AsyncWriteExt;

    use crate::ws::socket::{Patience, Socket};

    let (server, mut client) = tokio::io::duplex(4_096);
    let mut socket = Socket::new(server, bytes::Bytes::new(), Patience::default()).await;
    let hearing = async { while socket.hear().await.is_ok() {} };
    let sending = async move {
        // The server may have closed before the last byte.
        let _ = client.write_all(bytes).await;
        let _ = client.shutdown().await;
        drop(client);
    };
    tokio::join!(hearing, sending);
}
