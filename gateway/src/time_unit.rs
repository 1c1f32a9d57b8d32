//! Microseconds for who wishes them.
//!
//! Answers and events are written once, whoever reads them, with their times in milliseconds. A client that asked for
//! microseconds gets the same text with its times made longer: which fields are times is said here and nowhere else.
//!
//! Source: Binance Spot, `X-MBX-TIME-UNIT` of REST, `timeUnit` in the address of a WebSocket.

use std::borrow::Cow;

use crate::errors::{self, ApiError};

/// In what times are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeUnit {
    /// As everything is written.
    #[default]
    Millisecond,
    /// A thousand times as much.
    Microsecond,
}

/// Times in answers, by name.
const OF_ANSWERS: &[&str] = &[
    "time",
    "updateTime",
    "workingTime",
    "transactTime",
    "transactionTime",
    "trailingTime",
    "goodTillDate",
    "openTime",
    "closeTime",
    "serverTime",
    "retryAfter",
    "connectedSince",
    "authorizedSince",
    "insertTime",
    "until",
    // Of aggregated trades.
    "T",
];

/// Times in events, by name: letters mean something else in each.
fn of_event(kind: &str) -> &'static [&'static str] {
    match kind {
        "executionReport" => &["E", "T", "O", "W", "D"],
        "outboundAccountPosition" => &["E", "u"],
        "kline" => &["E", "t", "T"],
        "trade" | "aggTrade" | "balanceUpdate" | "listStatus" | "avgPrice" | "marketStatus" => &["E", "T"],
        kind if kind.ends_with("Ticker") => &["E", "O", "C"],
        _ => &["E"],
    }
}

impl TimeUnit {
    /// `MILLISECOND` or `MICROSECOND`, in either case; `-1194` for anything else.
    pub fn from_name(name: &str) -> Result<TimeUnit, ApiError> {
        match name {
            "MILLISECOND" | "millisecond" => Ok(TimeUnit::Millisecond),
            "MICROSECOND" | "microsecond" => Ok(TimeUnit::Microsecond),
            _ => Err(errors::INVALID_TIME_UNIT),
        }
    }

    /// `timeUnit` in the query of a WebSocket's address.
    pub fn from_query(query: &str) -> Result<TimeUnit, ApiError> {
        let name = query.split('&').find_map(|pair| pair.strip_prefix("timeUnit="));
        name.map_or(Ok(TimeUnit::default()), TimeUnit::from_name)
    }

    /// An answer in this unit.
    pub fn answer(self, json: String) -> String {
        match self {
            TimeUnit::Millisecond => json,
            TimeUnit::Microsecond => {
                Lengthened { json: &json, names: OF_ANSWERS, end: "closeTime", has_rows: true }.write()
            }
        }
    }

    /// An event, or an array of events of one kind, in this unit.
    pub fn event(self, json: &str) -> Cow<'_, str> {
        match self {
            TimeUnit::Millisecond => json.into(),
            TimeUnit::Microsecond => {
                let kind = json.split_once(r#""e":""#).and_then(|(_, rest)| rest.split_once('"'));
                let kind = kind.map_or("", |(kind, _)| kind);
                let end = if kind == "kline" { "T" } else { "" };
                Lengthened { json, names: of_event(kind), end, has_rows: false }.write().into()
            }
        }
    }
}

/// JSON of ours whose times are to be made longer.
struct Lengthened<'a> {
    json: &'a str,
    names: &'static [&'static str],
    /// Which of them is the end of an interval.
    end: &'static str,
    /// Whether there are rows without names: klines, `[[open time, .., close time, ..], ..]`.
    has_rows: bool,
}

/// Where the open and the close time stand in a kline's row.
const OPEN_COLUMN: usize = 0;
const CLOSE_COLUMN: usize = 6;
/// Intervals end with the last millisecond of a second.
const SECOND_MS: u64 = 1_000;
const LAST_OF_SECOND: u64 = 999;

/// What is open at some place of the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Object,
    /// And how many of its elements are over.
    Array(usize),
}

impl Lengthened<'_> {
    fn write(&self) -> String {
        let bytes = self.json.as_bytes();
        let mut out = String::with_capacity(self.json.len() + 64);
        let (mut open, mut name, mut written, mut at) = (Vec::new(), "", 0, 0);
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => {
                    let end = end_of_text(bytes, at);
                    if bytes.get(end) == Some(&b':') {
                        name = &self.json[at + 1..end - 1];
                    }
                    at = end;
                    continue;
                }
                b'{' => open.push(Open::Object),
                b'[' => open.push(Open::Array(0)),
                b'}' | b']' => {
                    open.pop();
                }
                b',' => {
                    if let Some(Open::Array(over)) = open.last_mut() {
                        *over += 1;
                    }
                }
                b'0'..=b'9' if bytes.get(at.wrapping_sub(1)) != Some(&b'-') => {
                    let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                    let number = &self.json[at..at + digits];
                    at += digits;
                    if let Some(rest) = self.rest(&open, name, number) {
                        out.push_str(&self.json[written..at]);
                        out.push_str(rest);
                        written = at;
                    }
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        out.push_str(&self.json[written..]);
        out
    }

    /// The digits that are missing at the end of a number, if it is a time. What ends with an interval ends with its last
    /// microsecond.
    fn rest(&self, open: &[Open], name: &str, number: &str) -> Option<&'static str> {
        let (is_time, is_end) = match open {
            [.., Open::Array(_), Open::Array(column)] if self.has_rows => {
                ([OPEN_COLUMN, CLOSE_COLUMN].contains(column), *column == CLOSE_COLUMN)
            }
            [.., Open::Object] => (self.names.contains(&name), name == self.end),
            _ => (false, false),
        };
        let value: u64 = number.parse().ok().filter(|value| is_time && *value > 0)?;
        Some(if is_end && value % SECOND_MS == LAST_OF_SECOND { "999" } else { "000" })
    }
}

/// Behind the closing quote of the text that begins at `at`.
fn end_of_text(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'"' => return end + 1,
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests;
