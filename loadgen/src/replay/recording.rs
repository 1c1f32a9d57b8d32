//! Reads a recording: one line a message, its receive time in nanoseconds since 1970, a space, and the raw
//! JSON of a combined stream (`{"stream":...,"data":{...}}`). Of the messages, `depthUpdate` and `trade`
//! count; others, such as `bookTicker`, are passed over.
//!
//! There is no opening snapshot. The book starts empty and holds the levels that the recording has touched;
//! every quantity is absolute, zero removes, and removing what was never there means nothing. Levels of a
//! real book are never crossed, so neither are the touched ones: a recording in which they are is refused,
//! because no matching engine can hold such a book.
//!
//! Prices and quantities become integers of the fewest decimals that the whole file needs, so that any
//! symbol's recording works.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;
use wire::decimal;

use super::book::{Book, Level, Side};

#[cfg(test)]
mod tests;

/// The longest line that is read; a snapshot of a whole book is far shorter.
const LINE_MAX: u64 = 64 << 20;

/// A recorded market.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// The recorded market's name.
    pub symbol: String,
    /// Decimals of a price unit.
    pub price_decimals: u8,
    /// Decimals of a quantity unit.
    pub qty_decimals: u8,
    /// In the file's order.
    pub updates: Vec<Update>,
    /// The lines whose price and whose quantity have the most decimals.
    pub finest: (usize, usize),
    /// Trades after the last update: no recorded book says what became of them.
    pub trailing_trades: usize,
}

/// A recorded depth update with the trades since the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Its line, from 1.
    pub line: usize,
    /// When it was received, in nanoseconds since 1970.
    pub at_ns: u64,
    /// In the file's order.
    pub trades: Vec<Trade>,
    /// New quantities of levels.
    pub levels: Vec<Level>,
}

/// A recorded trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trade {
    /// In price units.
    pub price: i64,
    /// In quantity units.
    pub qty: i64,
    /// Whether the taker bought.
    pub taker_buys: bool,
}

impl Trade {
    /// The side whose order rested.
    pub fn maker_side(&self) -> Side {
        if self.taker_buys { Side::Ask } else { Side::Bid }
    }
}

/// Why a recording is refused. All but the first name the line.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file cannot be opened.
    #[error("cannot open the recording {path}: {source}")]
    Open {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line cannot be read: the disk fails, the gzip data is damaged, or it is no text.
    #[error("line {line}: cannot be read: {reason}")]
    Read {
        /// Which line.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A line is not a recorded message.
    #[error("line {line}: {reason}")]
    Malformed {
        /// Which line.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// Updates are missing, repeated or out of order.
    #[error(
        "line {line}: the depth update starts at U = {found} where {expected} follows: {}",
        if found > expected { "the recording has a gap" } else { "the recording repeats what it has told" }
    )]
    Gap {
        /// Which line.
        line: usize,
        /// The update that must follow.
        expected: u64,
        /// The update that does.
        found: u64,
    },
    /// Bids reach asks.
    #[error("line {line}: the recorded book is crossed, bid {bid} and ask {ask}; no matching engine can hold it")]
    Crossed {
        /// Which line.
        line: usize,
        /// Best bid.
        bid: String,
        /// Best ask.
        ask: String,
    },
    /// Nothing to replay.
    #[error("the recording has no depth update in {lines} lines")]
    Empty {
        /// How many lines there are.
        lines: usize,
    },
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    data: Kind<'a>,
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, default)]
    e: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Combined<T> {
    data: T,
}

/// A `depthUpdate` as text; owned, because its numbers are read when the file's decimals are known.
#[derive(Deserialize)]
struct RawUpdate {
    #[serde(rename = "s")]
    symbol: String,
    #[serde(rename = "U")]
    first: u64,
    #[serde(rename = "u")]
    last: u64,
    #[serde(rename = "b")]
    bids: Vec<(String, String)>,
    #[serde(rename = "a")]
    asks: Vec<(String, String)>,
}

/// A `trade` as text.
#[derive(Deserialize)]
struct RawTrade {
    #[serde(rename = "s")]
    symbol: String,
    #[serde(rename = "p")]
    price: String,
    #[serde(rename = "q")]
    qty: String,
    #[serde(rename = "m")]
    buyer_is_maker: bool,
}

enum Raw {
    Update { at_ns: u64, update: RawUpdate },
    Trade(RawTrade),
}

impl Recording {
    /// Reads a file, gzip or plain, whatever its name. `limit` stops after so many updates; what follows is
    /// not looked at.
    pub fn open(path: &Path, limit: Option<usize>) -> Result<Recording, RecordingError> {
        let open = |source| RecordingError::Open { path: path.into(), source };
        let mut file = BufReader::new(File::open(path).map_err(open)?);
        let is_gzip = file.fill_buf().map_err(open)?.starts_with(&[0x1f, 0x8b]);
        if is_gzip {
            Recording::read(BufReader::new(MultiGzDecoder::new(file)), limit)
        } else {
            Recording::read(file, limit)
        }
    }

    /// Reads the lines and checks everything that can be checked before the first order is sent.
    pub fn read(input: impl BufRead, limit: Option<usize>) -> Result<Recording, RecordingError> {
        let mut raw = Vec::new();
        let lines = read_lines(input, limit, &mut raw)?;
        check_continuity(&raw)?;
        let Decimals { price: price_decimals, qty: qty_decimals, finest } = decimals(&raw)?;
        let scale = Scale { price_decimals, qty_decimals };
        let (mut updates, mut trades) = (Vec::new(), Vec::new());
        let mut symbol = None;
        for (line, raw) in raw {
            match raw {
                Raw::Trade(trade) => trades.push(scale.trade(line, &trade)?),
                Raw::Update { at_ns, update } => {
                    let levels = scale.levels(line, &update)?;
                    updates.push(Update { line, at_ns, trades: std::mem::take(&mut trades), levels });
                    symbol.get_or_insert(update.symbol);
                }
            }
        }
        let symbol = symbol.ok_or(RecordingError::Empty { lines })?;
        let recording =
            Recording { symbol, price_decimals, qty_decimals, updates, finest, trailing_trades: trades.len() };
        recording.check_books()?;
        Ok(recording)
    }

    /// A price as text.
    pub fn price_text(&self, price: i64) -> String {
        decimal::format(price, self.price_decimals, 0)
    }

    /// A quantity as text.
    pub fn qty_text(&self, qty: i64) -> String {
        decimal::format(qty, self.qty_decimals, 0)
    }

    fn check_books(&self) -> Result<(), RecordingError> {
        let mut book = Book::default();
        for update in &self.updates {
            update.levels.iter().for_each(|level| book.set(*level));
            if let (Some(bid), Some(ask)) = (book.best(Side::Bid), book.best(Side::Ask))
                && book.is_crossed()
            {
                let (bid, ask) = (self.price_text(bid), self.price_text(ask));
                return Err(RecordingError::Crossed { line: update.line, bid, ask });
            }
        }
        Ok(())
    }
}

/// Reads up to the update number `limit`; returns the number of lines.
fn read_lines(
    mut input: impl BufRead,
    limit: Option<usize>,
    raw: &mut Vec<(usize, Raw)>,
) -> Result<usize, RecordingError> {
    let mut text = String::new();
    let mut updates = 0;
    for line in 1.. {
        text.clear();
        let read = |error: std::io::Error| RecordingError::Read { line, reason: error.to_string() };
        if input.by_ref().take(LINE_MAX).read_line(&mut text).map_err(read)? == 0 || Some(updates) == limit {
            return Ok(line - 1);
        }
        let message =
            parse(text.trim_end_matches(['\n', '\r'])).map_err(|reason| RecordingError::Malformed { line, reason })?;
        updates += usize::from(matches!(message, Some(Raw::Update { .. })));
        raw.extend(message.map(|message| (line, message)));
    }
    unreachable!("the loop ends with the input")
}

fn parse(text: &str) -> Result<Option<Raw>, String> {
    let (at, json) = text.split_once(' ').ok_or("expected a receive time, a space and a message")?;
    let at_ns = at.parse().map_err(|_| format!("{at:?} is no receive time in nanoseconds"))?;
    let kind = serde_json::from_str::<Message<'_>>(json).map_err(|e| format!("not a combined-stream message: {e}"))?;
    match kind.data.e.as_deref() {
        Some("depthUpdate") => {
            let message = serde_json::from_str::<Combined<RawUpdate>>(json);
            let update = message.map_err(|error| format!("not a depth update: {error}"))?.data;
            Ok(Some(Raw::Update { at_ns, update }))
        }
        Some("trade") => {
            let message = serde_json::from_str::<Combined<RawTrade>>(json);
            Ok(Some(Raw::Trade(message.map_err(|error| format!("not a trade: {error}"))?.data)))
        }
        _ => Ok(None),
    }
}

/// One symbol, and every update begins where the one before ended.
fn check_continuity(raw: &[(usize, Raw)]) -> Result<(), RecordingError> {
    let mut symbol: Option<&str> = None;
    let mut expected = None;
    for (line, raw) in raw {
        let line = *line;
        let malformed = |reason| RecordingError::Malformed { line, reason };
        let found = match raw {
            Raw::Update { update, .. } => &update.symbol,
            Raw::Trade(trade) => &trade.symbol,
        };
        if found != symbol.get_or_insert(found) {
            return Err(malformed(format!("a message of {found} in a recording of {}", symbol.unwrap_or_default())));
        }
        let Raw::Update { update: RawUpdate { first, last, .. }, .. } = raw else { continue };
        if first > last {
            return Err(malformed(format!("the depth update starts at U = {first} and ends before, at u = {last}")));
        }
        if let Some(expected) = expected.filter(|expected| expected != first) {
            return Err(RecordingError::Gap { line, expected, found: *first });
        }
        expected = last.checked_add(1);
    }
    Ok(())
}

/// The fewest decimals in which every price and every quantity is exact, and the lines that ask for them.
struct Decimals {
    price: u8,
    qty: u8,
    finest: (usize, usize),
}

fn decimals(raw: &[(usize, Raw)]) -> Result<Decimals, RecordingError> {
    let (mut price, mut qty) = ((0, 0), (0, 0));
    for (line, raw) in raw {
        let line = *line;
        let mut pair = |price_text: &str, qty_text: &str| {
            for (text, most) in [(price_text, &mut price), (qty_text, &mut qty)] {
                let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
                let decimals = fraction.trim_end_matches('0').len();
                if decimals > most.0 || most.1 == 0 {
                    *most = (decimals, line);
                }
            }
        };
        match raw {
            Raw::Trade(trade) => pair(&trade.price, &trade.qty),
            Raw::Update { update, .. } => {
                update.bids.iter().chain(&update.asks).for_each(|(price, qty)| pair(price, qty));
            }
        }
        let most = usize::from(wire::MarketScale::DECIMALS_MAX);
        if price.0 > most || qty.0 > most {
            let reason = format!("a price or quantity has more than {most} decimals");
            return Err(RecordingError::Malformed { line, reason });
        }
    }
    Ok(Decimals { price: price.0 as u8, qty: qty.0 as u8, finest: (price.1, qty.1) })
}

struct Scale {
    price_decimals: u8,
    qty_decimals: u8,
}

impl Scale {
    fn trade(&self, line: usize, trade: &RawTrade) -> Result<Trade, RecordingError> {
        let (price, qty) = self.pair(line, &trade.price, &trade.qty)?;
        if qty == 0 {
            return Err(RecordingError::Malformed { line, reason: "a trade of nothing".to_owned() });
        }
        Ok(Trade { price, qty, taker_buys: !trade.buyer_is_maker })
    }

    fn levels(&self, line: usize, update: &RawUpdate) -> Result<Vec<Level>, RecordingError> {
        let sides = [(Side::Bid, &update.bids), (Side::Ask, &update.asks)];
        let texts = sides.into_iter().flat_map(|(side, levels)| levels.iter().map(move |pair| (side, pair)));
        let level = |(side, (price, qty)): (Side, &(String, String))| {
            let (price, qty) = self.pair(line, price, qty)?;
            Ok(Level { side, price, qty })
        };
        texts.map(level).collect()
    }

    fn pair(&self, line: usize, price: &str, qty: &str) -> Result<(i64, i64), RecordingError> {
        let malformed = |reason| RecordingError::Malformed { line, reason };
        let number = |text: &str, decimals| {
            decimal::parse(text, decimals)
                .map_err(|error| malformed(format!("{text:?} {}", not_a_number(error, decimals))))
        };
        let (price_units, qty_units) = (number(price, self.price_decimals)?, number(qty, self.qty_decimals)?);
        if wire::Price::new(price_units).is_none() || wire::Qty::new(qty_units).is_none() {
            return Err(malformed(format!("price {price} or quantity {qty} is out of bounds")));
        }
        Ok((price_units, qty_units))
    }
}

fn not_a_number(error: decimal::DecimalError, decimals: u8) -> String {
    match error {
        decimal::DecimalError::Malformed => "is no number".to_owned(),
        decimal::DecimalError::TooManyDecimals => format!("has more than {decimals} decimals"),
        decimal::DecimalError::TooLarge => "is larger than an exchange can count".to_owned(),
    }
}
