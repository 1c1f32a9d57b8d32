//! What a REST request carries: parameters in the query string and in a form body, and the payload that was
//! signed.

use crate::errors::{self, ApiError};
use crate::params::Params;

/// What was sent, before anybody is authenticated.
pub(crate) struct Carried {
    /// Query string and body; a name in both counts once, as the query has it.
    pub(crate) params: Params,
    /// Query string and body as they were sent, without the signature: what was signed.
    pub(crate) payload: Vec<u8>,
}

/// Takes query string and body apart.
pub(crate) fn read(query: &str, body: &[u8], content_type: Option<&str>) -> Result<Carried, ApiError> {
    let mut params = Params::from_urlencoded(query)?;
    let mut payload = unsigned(query).into_bytes();
    if !body.is_empty() {
        let body = form(body, content_type)?;
        params.extend_unless_known(body)?;
        payload.extend_from_slice(unsigned(body).as_bytes());
    }
    Ok(Carried { params, payload })
}

/// What looks like a form is one, whatever its type is called: there are clients that send forms as
/// `application/json`, which Binance takes. What is called a form in parts is none: its parts are not what was signed.
fn form<'a>(body: &'a [u8], content_type: Option<&str>) -> Result<&'a str, ApiError> {
    if content_type.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("multipart/")) {
        return Err(errors::FORM_WANTED);
    }
    let text = std::str::from_utf8(body).map_err(|_| errors::ILLEGAL_PARAMETER)?;
    let is_called_json = content_type.is_some_and(|kind| kind.to_ascii_lowercase().contains("json"));
    if text.trim_start().starts_with(['{', '[']) || (is_called_json && !text.contains('=')) {
        return Err(match serde_json::from_str::<serde_json::Value>(text) {
            Err(_) => errors::INVALID_JSON,
            Ok(_) => errors::FORM_WANTED,
        });
    }
    Ok(text.trim_end())
}

/// `text` without its `signature` pair.
fn unsigned(text: &str) -> String {
    if !text.contains("signature=") {
        return text.into();
    }
    let kept: Vec<&str> = text.split('&').filter(|pair| !pair.starts_with("signature=")).collect();
    kept.join("&")
}
