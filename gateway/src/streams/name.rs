//! Names of market streams, `btcusdt@depth@100ms`, and what they mean.
//!
//! Source: Binance Spot, "WebSocket Streams".

use std::fmt;

use wire::Symbol;

use crate::market_data::ticker::WindowSize;
use crate::market_data::{Interval, Span, Zone};

/// How often a depth stream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pace {
    /// Every depth window: 100 ms of log time.
    Window,
    /// Every second of log time.
    Second,
}

/// How often a stream of every market speaks at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TickerPace {
    /// Once a second.
    Second,
    /// Once in three seconds.
    ThreeSeconds,
}

impl TickerPace {
    /// The least time between two events.
    pub const fn ms(self) -> u64 {
        match self {
            TickerPace::Second => 1_000,
            TickerPace::ThreeSeconds => 3_000,
        }
    }
}

/// What a stream tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Changes of the book.
    Depth(Pace),
    /// The best 5, 10 or 20 levels.
    PartialDepth(u8, Pace),
    /// Every trade.
    Trade,
    /// Trades of one taker at one price.
    AggTrade,
    /// The best price, whenever it changes.
    BookTicker,
    /// The running kline.
    Kline(Span),
    /// The rolling 24 hours.
    Ticker,
    /// The rolling 24 hours, shortened.
    MiniTicker,
    /// A rolling window.
    Rolling(WindowSize),
    /// The average price of some minutes.
    AvgPrice,
    /// The book, order by order.
    Orders,
    /// Auctions: what they would come to, and what they came to.
    Auction,
    /// In which phase the market is.
    Status,
    /// Trades that were agreed elsewhere: there are none.
    BlockTrade,
    /// Reference prices: there are none.
    ReferencePrice,
    /// Of every market: those rolling 24 hours that changed.
    AllTickers(TickerPace),
    /// Of every market: those rolling 24 hours that changed, shortened.
    AllMiniTickers(TickerPace),
    /// Of every market: those rolling windows that changed.
    AllRolling(WindowSize),
    /// Of every market: the best price, whenever it changes.
    AllBookTickers,
}

impl Kind {
    /// What metrics call it: there are as many as there are kinds, whatever clients ask for.
    pub const LABELS: [&'static str; 16] = [
        "depth",
        "partial_depth",
        "trade",
        "agg_trade",
        "book_ticker",
        "kline",
        "ticker",
        "mini_ticker",
        "rolling_window",
        "avg_price",
        "l3",
        "auction",
        "status",
        "none",
        "all_tickers",
        "all_book_tickers",
    ];

    /// Its place in [`Kind::LABELS`].
    pub const fn label(self) -> usize {
        match self {
            Kind::Depth(_) => 0,
            Kind::PartialDepth(..) => 1,
            Kind::Trade => 2,
            Kind::AggTrade => 3,
            Kind::BookTicker => 4,
            Kind::Kline(_) => 5,
            Kind::Ticker => 6,
            Kind::MiniTicker => 7,
            Kind::Rolling(_) => 8,
            Kind::AvgPrice => 9,
            Kind::Orders => 10,
            Kind::Auction => 11,
            Kind::Status => 12,
            Kind::BlockTrade | Kind::ReferencePrice => 13,
            Kind::AllTickers(_) | Kind::AllMiniTickers(_) | Kind::AllRolling(_) => 14,
            Kind::AllBookTickers => 15,
        }
    }
}

/// A stream. The text that a client used is not kept: `@depth` is `@depth@1000ms`; names are answered in
/// the shorter form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamName {
    /// The market, in upper case; empty for streams of every market.
    pub symbol: Symbol,
    /// What it tells.
    pub kind: Kind,
    /// Whether it was named with its default pace spelled out.
    spelled: bool,
}

impl StreamName {
    /// Reads a name. Symbols are in lower case, as Binance wants them.
    pub fn parse(text: &str) -> Option<StreamName> {
        if text.len() > 64 {
            return None;
        }
        let all = |kind| Some(StreamName { symbol: Symbol::EMPTY, kind, spelled: false });
        if text == "!bookTicker" {
            return all(Kind::AllBookTickers);
        }
        let of_day = |kind: fn(TickerPace) -> Kind, pace: &str| {
            let (pace, spelled) = match pace {
                "" => (TickerPace::Second, false),
                "@1000ms" => (TickerPace::Second, true),
                "@3000ms" => (TickerPace::ThreeSeconds, true),
                _ => return None,
            };
            Some(StreamName { symbol: Symbol::EMPTY, kind: kind(pace), spelled })
        };
        if let Some(pace) = text.strip_prefix("!ticker@arr") {
            return of_day(Kind::AllTickers, pace);
        }
        if let Some(pace) = text.strip_prefix("!miniTicker@arr") {
            return of_day(Kind::AllMiniTickers, pace);
        }
        if let Some(size) = text.strip_prefix("!ticker_").and_then(|rest| rest.strip_suffix("@arr")) {
            return all(Kind::AllRolling(rolling_size(size)?));
        }
        let (symbol, rest) = text.split_once('@')?;
        if symbol.is_empty() || symbol.bytes().any(|b| b.is_ascii_uppercase() || b == b'!') {
            return None;
        }
        let symbol = Symbol::new(symbol.to_ascii_uppercase().as_bytes()).ok()?;
        let (what, pace) = rest.split_once('@').map_or((rest, None), |(what, pace)| (what, Some(pace)));
        let spelled = pace == Some("1000ms");
        let kind = match what.strip_prefix("depth") {
            Some(levels) => {
                let pace = match pace {
                    Some("100ms") => Pace::Window,
                    Some("1000ms") | None => Pace::Second,
                    Some(_) => return None,
                };
                match levels {
                    "" => Kind::Depth(pace),
                    "5" => Kind::PartialDepth(5, pace),
                    "10" => Kind::PartialDepth(10, pace),
                    "20" => Kind::PartialDepth(20, pace),
                    _ => return None,
                }
            }
            None if pace == Some(ZONE) => Kind::Kline(Span { interval: kline(what)?, zone: Zone::EIGHT }),
            None if pace.is_some() => return None,
            None => match what {
                "trade" => Kind::Trade,
                "aggTrade" => Kind::AggTrade,
                "bookTicker" => Kind::BookTicker,
                "ticker" => Kind::Ticker,
                "miniTicker" => Kind::MiniTicker,
                "avgPrice" => Kind::AvgPrice,
                "l3" => Kind::Orders,
                "auction" => Kind::Auction,
                "status" => Kind::Status,
                "blockTrade" => Kind::BlockTrade,
                "referencePrice" => Kind::ReferencePrice,
                _ => match what.strip_prefix("ticker_") {
                    Some(size) => Kind::Rolling(rolling_size(size)?),
                    None => Kind::Kline(kline(what)?.into()),
                },
            },
        };
        Some(StreamName { symbol, kind, spelled })
    }

    /// Whether it tells the changes of a book, which a client may wish to have whole first.
    pub fn is_of_book(&self) -> bool {
        matches!(self.kind, Kind::Depth(_) | Kind::Orders)
    }

    /// Whether it speaks of every market.
    pub fn is_of_all(&self) -> bool {
        self.symbol.is_empty()
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.symbol.as_str().chars() {
            write!(f, "{}", letter.to_ascii_lowercase())?;
        }
        let pace = |pace| match pace {
            Pace::Window => "@100ms",
            Pace::Second if self.spelled => "@1000ms",
            Pace::Second => "",
        };
        let ticker_pace = |pace| match pace {
            TickerPace::ThreeSeconds => "@3000ms",
            TickerPace::Second if self.spelled => "@1000ms",
            TickerPace::Second => "",
        };
        match self.kind {
            Kind::Depth(at) => write!(f, "@depth{}", pace(at)),
            Kind::PartialDepth(levels, at) => write!(f, "@depth{levels}{}", pace(at)),
            Kind::Trade => f.write_str("@trade"),
            Kind::AggTrade => f.write_str("@aggTrade"),
            Kind::BookTicker => f.write_str("@bookTicker"),
            Kind::Kline(Span { interval, zone: Zone::EIGHT }) => write!(f, "@kline_{}@{ZONE}", interval.name()),
            Kind::Kline(Span { interval, .. }) => write!(f, "@kline_{}", interval.name()),
            Kind::Ticker => f.write_str("@ticker"),
            Kind::Rolling(size) => write!(f, "@ticker_{}", size.name()),
            Kind::AllRolling(size) => write!(f, "!ticker_{}@arr", size.name()),
            Kind::MiniTicker => f.write_str("@miniTicker"),
            Kind::AvgPrice => f.write_str("@avgPrice"),
            Kind::Orders => f.write_str("@l3"),
            Kind::Auction => f.write_str("@auction"),
            Kind::Status => f.write_str("@status"),
            Kind::BlockTrade => f.write_str("@blockTrade"),
            Kind::ReferencePrice => f.write_str("@referencePrice"),
            Kind::AllTickers(at) => write!(f, "!ticker@arr{}", ticker_pace(at)),
            Kind::AllMiniTickers(at) => write!(f, "!miniTicker@arr{}", ticker_pace(at)),
            Kind::AllBookTickers => f.write_str("!bookTicker"),
        }
    }
}

/// The zone, beside UTC, whose klines are told.
const ZONE: &str = "+08:00";

fn kline(what: &str) -> Option<Interval> {
    Interval::from_name(what.strip_prefix("kline_")?)
}

/// The windows that streams tell.
fn rolling_size(name: &str) -> Option<WindowSize> {
    if ["1h", "4h", "1d"].contains(&name) { WindowSize::from_name(name) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_they_were_written() {
        for name in [
            "btcusdt@depth",
            "btcusdt@depth@100ms",
            "btcusdt@depth@1000ms",
            "ethbtc@depth5",
            "ethbtc@depth10@100ms",
            "ethbtc@depth20@1000ms",
            "btcusdt@trade",
            "btcusdt@aggTrade",
            "btcusdt@bookTicker",
            "btcusdt@kline_1m",
            "btcusdt@kline_1M",
            "btcusdt@kline_1d@+08:00",
            "btcusdt@l3",
            "btcusdt@auction",
            "btcusdt@status",
            "btcusdt@blockTrade",
            "btcusdt@referencePrice",
            "btcusdt@ticker",
            "btcusdt@miniTicker",
            "btcusdt@ticker_1h",
            "btcusdt@ticker_1d",
            "!ticker_4h@arr",
            "btcusdt@avgPrice",
            "!ticker@arr",
            "!miniTicker@arr",
            "!ticker@arr@1000ms",
            "!miniTicker@arr@1000ms",
            "!miniTicker@arr@3000ms",
            "!bookTicker",
        ] {
            assert_eq!(StreamName::parse(name).expect(name).to_string(), name);
        }
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        for text in [
            "",
            "0",
            "btcusdt",
            "btcusdt@",
            "@trade",
            "BTCUSDT@trade",
            "btcusdt@trades",
            "btcusdt@trade@100ms",
            "btcusdt@depth7",
            "btcusdt@depth@10ms",
            "btcusdt@depth@100ms@100ms",
            "btcusdt@kline_",
            "btcusdt@kline_7m",
            "btcusdt@kline_1d@+09:00",
            "btcusdt@trade@+08:00",
            "btcusdt@ticker_2h",
            "!ticker_5m@arr",
            "!ticker",
            "!ticker@arr@100ms",
            "!miniTicker@arr@",
            "!miniTicker@arr@1000ms@1000ms",
            "!ticker_1h@arr@1000ms",
            "!all@trade",
            "btc usdt@trade",
            "btcüsdt@trade",
            &format!("{}@trade", "a".repeat(100)),
        ] {
            assert_eq!(StreamName::parse(text), None, "{text}");
        }
    }
}
