//! The opening handshake, server side. Source: RFC 6455, section 4.2.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, UPGRADE};
use hyper::header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION};
use hyper::{Method, Response, StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::errors::ApiError;

/// The answer that switches protocols, or one that says why not.
pub fn check(method: &Method, version: Version, headers: &HeaderMap) -> Result<Response<Full<Bytes>>, ApiError> {
    let is_upgrade = method == Method::GET
        && version == Version::HTTP_11
        && has_token(headers, &CONNECTION, "upgrade")
        && has_token(headers, &UPGRADE, "websocket");
    if !is_upgrade || headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(ApiError::with_status(426, -1020, "This path takes WebSocket connections."));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
    if STANDARD.decode(key).map_or(0, |nonce| nonce.len()) != 16 {
        return Err(ApiError::new(-1102, "Header 'Sec-WebSocket-Key' was not sent, or was malformed."));
    }
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    let accept = HeaderValue::from_str(&derive_accept_key(key)).expect("base64 is a legal header value");
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

/// An answer that does not switch.
pub fn refuse(error: &ApiError) -> Response<Full<Bytes>> {
    let mut response = Response::new(super::error_body(error));
    *response.status_mut() = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
    if let Some(seconds) = error.retry_after_s {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    if error.status == 426 {
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    response
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    const GOOD: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    #[test]
    fn the_sample_of_the_specification_is_accepted() {
        let response = check(&Method::GET, Version::HTTP_11, &headers(&GOOD)).unwrap();
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_is_no_handshake_is_refused() {
        for (without, status) in GOOD.into_iter().zip([426, 426, 426, 400]) {
            let mut pairs = GOOD.to_vec();
            pairs.retain(|pair| *pair != without);
            let refusal = check(&Method::GET, Version::HTTP_11, &headers(&pairs)).unwrap_err();
            assert_eq!(refusal.status, status, "without {}", without.0);
        }
        assert!(check(&Method::POST, Version::HTTP_11, &headers(&GOOD)).is_err());
        assert!(check(&Method::GET, Version::HTTP_10, &headers(&GOOD)).is_err());
        let mut pairs = GOOD.to_vec();
        pairs[3].1 = "c2hvcnQ=";
        assert_eq!(check(&Method::GET, Version::HTTP_11, &headers(&pairs)).unwrap_err().status, 400);
    }
}
