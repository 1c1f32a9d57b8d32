//! The parameters of one request, whatever carried them: a query string, a form body or a JSON object.
//!
//! An operation takes what it knows and then calls [`Params::finish`], which refuses what is left. Texts
//! become numbers here, by Binance's rules for missing, empty and malformed values.

use crate::errors::{self, ApiError};

/// The legal form of symbols, as the error text shows it.
pub const SYMBOL_RANGE: &str = "^[A-Z0-9-_.]{1,20}$";
/// The legal form of client order ids, as the error text shows it.
pub const CLIENT_ORDER_ID_RANGE: &str = "^[\\.A-Z\\:/a-z0-9_-]{1,36}$";
/// The legal form of decimals, as the error text shows it.
pub const DECIMAL_RANGE: &str = "^([0-9]{1,20})(\\.[0-9]{1,20})?$";
/// The legal form of `recvWindow`, milliseconds, as the error text shows it.
pub const RECV_WINDOW_RANGE: &str = "^([0-9]{1,15})(\\.[0-9]{1,3})?$";
/// The legal form of whole numbers, as the error text shows it.
pub const INTEGER_RANGE: &str = "^[0-9]{1,20}$";

/// Times from here on are microseconds: milliseconds reach it in the year 33658.
pub const MICROSECONDS_FROM: u64 = 1_000_000_000_000_000;

/// More parameters than any operation has.
const PARAMS_MAX: usize = 64;

/// Named texts, each once, in the order they were sent.
#[derive(Debug, Clone, Default)]
pub struct Params {
    items: Vec<(String, String)>,
    sent: usize,
}

impl Params {
    /// From decoded names and values; a name may occur once.
    pub fn new(items: impl IntoIterator<Item = (String, String)>) -> Result<Params, ApiError> {
        let items = items.into_iter();
        let mut params = Params { items: Vec::with_capacity(items.size_hint().0.min(PARAMS_MAX)), sent: 0 };
        for (name, value) in items {
            params.push(name, value)?;
        }
        Ok(params)
    }

    /// From `name=value&..`, percent-encoded, as query strings and form bodies are.
    pub fn from_urlencoded(text: &str) -> Result<Params, ApiError> {
        let mut params = Params::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            params.push(decode(name)?, decode(value)?)?;
        }
        Ok(params)
    }

    /// Adds those of a form body; a name that the query string has too keeps the query's value.
    pub fn extend_unless_known(&mut self, text: &str) -> Result<(), ApiError> {
        for (name, value) in Params::from_urlencoded(text)?.items {
            if self.get(&name).is_none() {
                self.push(name, value)?;
            }
        }
        Ok(())
    }

    fn push(&mut self, name: String, value: String) -> Result<(), ApiError> {
        if self.items.iter().any(|(known, _)| *known == name) {
            return Err(errors::DUPLICATE_PARAMETER);
        }
        if self.items.len() == PARAMS_MAX {
            return Err(errors::TOO_MANY_PARAMETERS);
        }
        self.items.push((name, value));
        self.sent += 1;
        Ok(())
    }

    /// Every parameter not yet taken.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.items.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Takes every parameter named `prefix` and one of `names` as a set of its own, without the prefix: `aboveStopPrice`
    /// becomes `stopPrice`, `aboveClientOrderId` `newClientOrderId`.
    pub fn split(&mut self, prefix: &str, names: &[&str]) -> Params {
        let mut own = Params::default();
        self.items.retain(|(known, value)| {
            let Some(name) = known.strip_prefix(prefix).filter(|name| names.contains(name)) else { return true };
            let plain = match name {
                "ClientOrderId" => "newClientOrderId".to_owned(),
                name => format!("{}{}", name[..1].to_ascii_lowercase(), &name[1..]),
            };
            own.put(&plain, value.clone());
            false
        });
        own
    }

    /// Adds or replaces a parameter.
    pub fn put(&mut self, name: &str, value: String) {
        self.items.retain(|(known, _)| known != name);
        self.items.push((name.to_owned(), value));
        self.sent = self.items.len();
    }

    /// Looks without taking.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.items.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Takes a parameter; an empty one is refused with `-1105`.
    pub fn take(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        let Some(index) = self.items.iter().position(|(known, _)| known == name) else {
            return Ok(None);
        };
        let (_, value) = self.items.remove(index);
        if value.is_empty() {
            return Err(ApiError::empty(name));
        }
        Ok(Some(value))
    }

    /// Takes a parameter that must be there and not empty.
    pub fn required(&mut self, name: &str) -> Result<String, ApiError> {
        self.take(name)?.ok_or_else(|| ApiError::mandatory(name))
    }

    /// Takes a whole number.
    pub fn integer(&mut self, name: &str) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.take(name)? else { return Ok(None) };
        if !text.bytes().all(|b| b.is_ascii_digit()) || text.len() > 20 {
            return Err(ApiError::illegal_characters(name, INTEGER_RANGE));
        }
        text.parse().map(Some).map_err(|_| ApiError::overflowed(name))
    }

    /// Takes a time, sent in milliseconds or microseconds, in milliseconds.
    pub fn time_ms(&mut self, name: &str) -> Result<Option<u64>, ApiError> {
        let sent = self.integer(name)?;
        Ok(sent.map(|sent| if sent >= MICROSECONDS_FROM { sent / 1_000 } else { sent }))
    }

    /// Takes `true` or `false`, the latter when nothing was sent.
    pub fn flag(&mut self, name: &str) -> Result<bool, ApiError> {
        match self.take(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ApiError::invalid_data(name)),
        }
    }

    /// Takes a count with a default and a maximum that larger ones are cut to; zero is refused.
    pub fn limit(&mut self, default: usize, max: usize) -> Result<usize, ApiError> {
        match self.integer("limit")? {
            None => Ok(default),
            Some(0) => Err(ApiError::invalid_data("limit")),
            Some(limit) => Ok(usize::try_from(limit).unwrap_or(max).min(max)),
        }
    }

    /// Refuses what was sent and not taken: `-1104`.
    pub fn finish(self) -> Result<(), ApiError> {
        if self.items.is_empty() {
            return Ok(());
        }
        Err(ApiError::unread(self.sent - self.items.len(), self.sent))
    }

    /// Refuses whatever was sent where nothing is taken: `-1101`.
    pub fn none(self) -> Result<(), ApiError> {
        if self.items.is_empty() { Ok(()) } else { Err(ApiError::more_than_none(self.items.len())) }
    }
}

fn decode(text: &str) -> Result<String, ApiError> {
    let spaced = text.replace('+', " ");
    match percent_encoding::percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(errors::ILLEGAL_PARAMETER),
    }
}

#[cfg(test)]
mod tests;
