//! Streams that follow a beat: running klines, tickers and average prices of the markets somebody listens
//! to. Told when they changed, at most once a second; a kline that ended is told once more, as closed.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use wire::Symbol;

use super::events;
use super::hub::{Hub, Topic};
use super::name::Kind;
use super::outbox::Content;
use crate::market_data::book::Best;
use crate::market_data::klines::Kline;
use crate::market_data::{Market, MarketData, Span};

/// The time between two looks.
pub const BEAT: Duration = Duration::from_millis(250);
/// The least time between two events of one stream, but for closed klines and what clients want less often.
const PERIOD_MS: u64 = 1_000;
/// How long after its end an interval is taken for over: clocks of gateway and leader differ, and events
/// travel. A trade that comes later still has its kline told again.
const GRACE_MS: u64 = 200;

/// What a stream told last.
#[derive(Debug, Default)]
pub(super) struct Told {
    at_ms: u64,
    /// The running interval of a kline stream.
    open_ms: Option<u64>,
    /// The last closed kline.
    closed: Option<Kline>,
    what: Option<What>,
    /// Of streams of every market: by symbol.
    of_all: Vec<(Symbol, What)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Kline(Kline),
    Ticker(Kline, Best),
}

impl Told {
    /// Somebody new listens: the present state is told on the next beat, changed or not.
    pub(super) fn repeat(&mut self) {
        self.at_ms = 0;
        self.what = None;
        self.of_all.clear();
    }
}

/// Beats until the task is dropped.
pub async fn run_beat(hub: Arc<Hub>, data: Arc<MarketData>, now_ms: impl Fn() -> u64 + Send) {
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let told = std::panic::catch_unwind(AssertUnwindSafe(|| hub.beat(&data, now_ms())));
        if told.is_err() {
            // The panic has been told. One stream that cannot be told is no reason to tell no other ever again.
            tracing::error!("a beat of the market streams failed");
        }
    }
}

impl Hub {
    /// Tells what has changed since the last beat.
    pub fn beat(&self, data: &MarketData, now_ms: u64) {
        let markets = data.markets();
        for market in &markets {
            let Some(listing) = market.listing() else { continue };
            let Ok(symbol) = Symbol::new(listing.symbol.as_bytes()) else { continue };
            let Some(group) = self.group(&symbol) else { continue };
            for topic in group.topics().iter_mut() {
                match topic.name.kind {
                    Kind::Kline(span) => kline(topic, market, span, now_ms),
                    Kind::Ticker | Kind::MiniTicker | Kind::Rolling(_) | Kind::AvgPrice => {
                        ticker(topic, market, now_ms)
                    }
                    _ => topic.end_second(now_ms.saturating_sub(GRACE_MS) / 1_000),
                }
            }
        }
        for topic in self.all().topics().iter_mut() {
            if matches!(topic.name.kind, Kind::AllTickers(_) | Kind::AllMiniTickers(_) | Kind::AllRolling(_)) {
                all_tickers(topic, &markets, now_ms);
            }
        }
    }
}

fn kline(topic: &mut Topic, market: &Market, span: Span, now_ms: u64) {
    let Some(listing) = market.listing() else { return };
    let late_ms = now_ms.saturating_sub(GRACE_MS);
    let mut open_ms = topic.told.open_ms.unwrap_or_else(|| span.start_of(now_ms));
    // A trade that came after its interval was told as closed.
    if let Some(closed) = topic.told.closed
        && let Some(now) = market.kline_at(span, closed.open_ms)
        && now != closed
    {
        topic.tell(events::kline(listing, now_ms, span, &now, true), Content::Every);
        topic.told.closed = Some(now);
    }
    while span.next(open_ms) <= late_ms {
        if let Some(ended) = market.kline_at(span, open_ms) {
            topic.tell(events::kline(listing, now_ms, span, &ended, true), Content::Every);
            topic.told.closed = Some(ended);
        }
        // After a long sleep only the last interval that ended is of interest.
        open_ms = span.next(open_ms).max(span.previous(span.start_of(late_ms)).unwrap_or(0));
    }
    topic.told.open_ms = Some(open_ms);
    let Some(running) = market.kline_at(span, open_ms) else { return };
    let what = What::Kline(running);
    if topic.told.what != Some(what) && now_ms.saturating_sub(topic.told.at_ms) >= PERIOD_MS {
        topic.tell(events::kline(listing, now_ms, span, &running, false), Content::Latest);
        topic.told.what = Some(what);
        topic.told.at_ms = now_ms;
    }
}

fn ticker(topic: &mut Topic, market: &Market, now_ms: u64) {
    if now_ms.saturating_sub(topic.told.at_ms) < PERIOD_MS {
        return;
    }
    let Some(listing) = market.listing() else { return };
    let (what, event) = match topic.name.kind {
        Kind::AvgPrice => {
            let Some((window, last)) = market.average_window(now_ms) else { return };
            (What::Kline(window.total), events::average_price(listing, now_ms, &window, &last))
        }
        kind => {
            let Some(told) = ticker_event(market, kind, now_ms) else { return };
            told
        }
    };
    if topic.told.what != Some(what) {
        topic.tell(event, Content::Latest);
        topic.told.what = Some(what);
        topic.told.at_ms = now_ms;
    }
}

fn ticker_event(market: &Market, kind: Kind, now_ms: u64) -> Option<(What, String)> {
    let listing = market.listing()?;
    if let Kind::Rolling(size) | Kind::AllRolling(size) = kind {
        let rolling = market.rolling_of(now_ms, size)?;
        return Some((What::Kline(rolling.total), events::rolling_window(listing, now_ms, size, &rolling)));
    }
    let (rolling, last, best) = market.rolling(now_ms)?;
    Some(if matches!(kind, Kind::Ticker | Kind::AllTickers(_)) {
        (What::Ticker(rolling.total, best), events::ticker_24hr(listing, now_ms, &rolling, &last, best))
    } else {
        (What::Kline(rolling.total), events::mini_ticker(listing, now_ms, &rolling))
    })
}

fn all_tickers(topic: &mut Topic, markets: &[Arc<Market>], now_ms: u64) {
    let period_ms = match topic.name.kind {
        Kind::AllTickers(pace) | Kind::AllMiniTickers(pace) => pace.ms(),
        _ => PERIOD_MS,
    };
    if now_ms.saturating_sub(topic.told.at_ms) < period_ms {
        return;
    }
    let mut changed = Vec::new();
    for market in markets {
        let Some((what, event)) = ticker_event(market, topic.name.kind, now_ms) else { continue };
        let Some(symbol) = market.listing().and_then(|listing| Symbol::new(listing.symbol.as_bytes()).ok()) else {
            continue;
        };
        match topic.told.of_all.iter_mut().find(|(known, _)| *known == symbol) {
            Some((_, known)) if *known == what => continue,
            Some((_, known)) => *known = what,
            None => topic.told.of_all.push((symbol, what)),
        }
        changed.push(event);
    }
    if !changed.is_empty() {
        // Not superseded by the next one, which may tell other markets.
        topic.tell(crate::market_data::render::array(changed), Content::Every);
        topic.told.at_ms = now_ms;
    }
}
