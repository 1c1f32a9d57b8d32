//! Klines: what happened within an interval of log time, for every interval clients may ask for.
//!
//! Only intervals with trades are kept; those between are written flat when they are read, at the price
//! that was the last one then. There is none before the first trade.

use std::collections::VecDeque;

use super::interval::Interval;
use super::span::Span;
use super::trades::Trade;

/// How many klines with trades a market keeps per interval. More than the minutes of a day: the rolling
/// ticker is their sum.
pub const KLINES_KEPT: usize = 1_500;

/// Prices and volumes of an interval, in the market's units; quote volumes in price unit × quantity unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kline {
    /// When the interval began.
    pub open_ms: u64,
    /// The first price.
    pub open: i64,
    /// The highest price.
    pub high: i64,
    /// The lowest price.
    pub low: i64,
    /// The last price.
    pub close: i64,
    /// Base traded.
    pub volume: i128,
    /// Quote traded.
    pub quote_volume: i128,
    /// Base that takers bought.
    pub taker_volume: i128,
    /// Quote that takers bought with.
    pub taker_quote_volume: i128,
    /// How many trades.
    pub trades: u64,
    /// The number of the first trade; 0 without any.
    pub first_trade: u64,
    /// The number of the last trade; 0 without any.
    pub last_trade: u64,
}

impl Kline {
    /// Of one trade.
    pub fn of(open_ms: u64, trade: &Trade) -> Kline {
        let mut kline = Kline::flat(open_ms, trade.price);
        kline.add(trade);
        kline
    }

    /// Without trades.
    pub const fn flat(open_ms: u64, price: i64) -> Kline {
        Kline {
            open_ms,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: 0,
            quote_volume: 0,
            taker_volume: 0,
            taker_quote_volume: 0,
            trades: 0,
            first_trade: 0,
            last_trade: 0,
        }
    }

    /// One trade more.
    pub fn add(&mut self, trade: &Trade) {
        self.high = self.high.max(trade.price);
        self.low = self.low.min(trade.price);
        self.close = trade.price;
        let notional = trade.notional();
        self.volume += i128::from(trade.qty);
        self.quote_volume += notional;
        if !trade.buyer_is_maker {
            self.taker_volume += i128::from(trade.qty);
            self.taker_quote_volume += notional;
        }
        if self.trades == 0 {
            self.first_trade = trade.id;
        }
        self.trades += 1;
        self.last_trade = trade.id;
    }

    /// All of a later kline more. Both have trades.
    pub fn merge(&mut self, later: &Kline) {
        self.high = self.high.max(later.high);
        self.low = self.low.min(later.low);
        self.close = later.close;
        self.volume += later.volume;
        self.quote_volume += later.quote_volume;
        self.taker_volume += later.taker_volume;
        self.taker_quote_volume += later.taker_quote_volume;
        self.trades += later.trades;
        self.last_trade = later.last_trade;
    }
}

/// The latest klines of one interval.
#[derive(Debug)]
struct Series {
    interval: Interval,
    kept: VecDeque<Kline>,
    /// When the last kept interval ends.
    end_ms: u64,
}

impl Series {
    /// Takes what was traded in a part of one interval.
    fn add(&mut self, part: &Kline) {
        // Log time never runs backwards, so it lies in the last interval or a later one.
        if let Some(last) = self.kept.back_mut()
            && part.open_ms < self.end_ms
        {
            last.merge(part);
            return;
        }
        let open_ms = self.interval.start_of(part.open_ms);
        self.end_ms = self.interval.next(open_ms);
        if self.kept.len() == KLINES_KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(Kline { open_ms, ..*part });
    }

    /// The last kline that began at `at_ms` or before.
    fn before(&self, at_ms: u64) -> Option<&Kline> {
        let after = self.kept.partition_point(|kline| kline.open_ms <= at_ms);
        self.kept.get(after.checked_sub(1)?)
    }

    /// The kept klines with trades that began at `from_ms` or later, oldest first.
    fn traded_since(&self, from_ms: u64) -> impl Iterator<Item = &Kline> {
        let start = self.kept.partition_point(|kline| kline.open_ms < from_ms);
        self.kept.range(start..)
    }

    /// The kline of a span that this series is, or is the parts of, which began at `open_ms`.
    fn at(&self, span: Span, open_ms: u64) -> Option<Kline> {
        if self.interval != span.interval {
            return self.made_of(open_ms, span.next(open_ms));
        }
        let last = self.before(open_ms)?;
        Some(if last.open_ms == open_ms { *last } else { Kline::flat(open_ms, last.close) })
    }

    /// The sum of the klines between `open_ms` and `end_ms`; flat when nothing was traded.
    fn made_of(&self, open_ms: u64, end_ms: u64) -> Option<Kline> {
        let mut traded = self.traded_since(open_ms).take_while(|kline| kline.open_ms < end_ms);
        match traded.next() {
            Some(first) => {
                let mut total = Kline { open_ms, ..*first };
                traded.for_each(|kline| total.merge(kline));
                Some(total)
            }
            None => self.before(open_ms).map(|last| Kline::flat(open_ms, last.close)),
        }
    }

    /// Klines of a span without gaps, oldest first.
    fn read(&self, span: Span, page: KlinesPage) -> Vec<Kline> {
        page.opens(span).filter_map(|open_ms| self.at(span, open_ms)).collect()
    }
}

/// Which klines are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KlinesWanted {
    /// Of which length, by which clock.
    pub span: Span,
    /// None that began earlier. With it, the first ones are answered; else the last ones.
    pub start_ms: Option<u64>,
    /// None that began later.
    pub end_ms: Option<u64>,
    /// At most so many.
    pub limit: usize,
    /// The present time: no interval after it has begun.
    pub now_ms: u64,
}

/// When the klines of an answer begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KlinesPage {
    /// The first one, which may lie after the last one: then there is none.
    pub first_ms: u64,
    /// The last one there may be.
    pub last_ms: u64,
    /// At most so many.
    pub limit: usize,
}

impl KlinesPage {
    /// When each of them begins.
    pub fn opens(self, span: Span) -> impl Iterator<Item = u64> {
        let (mut next_ms, mut left) = (self.first_ms, self.limit);
        std::iter::from_fn(move || {
            if next_ms > self.last_ms || left == 0 {
                return None;
            }
            left -= 1;
            let open_ms = next_ms;
            next_ms = span.next(open_ms);
            Some(open_ms)
        })
    }
}

impl KlinesWanted {
    /// What to answer from klines with trades of which the oldest and the newest began then.
    pub fn page(&self, oldest_ms: u64, newest_ms: u64) -> KlinesPage {
        let KlinesWanted { span, start_ms, end_ms, limit, now_ms } = *self;
        let oldest_ms = span.start_of(oldest_ms);
        let last_ms = span.start_of(end_ms.unwrap_or(u64::MAX).min(newest_ms.max(now_ms)));
        let first_ms = match start_ms {
            // The first interval that begins at `start_ms` or later.
            Some(start_ms) if span.start_of(start_ms) == start_ms => start_ms,
            Some(start_ms) => span.next(span.start_of(start_ms)),
            None => {
                let mut first_ms = last_ms;
                for _ in 1..limit {
                    match span.previous(first_ms) {
                        Some(previous) if previous >= oldest_ms => first_ms = previous,
                        _ => break,
                    }
                }
                first_ms
            }
        };
        KlinesPage { first_ms: first_ms.max(oldest_ms), last_ms, limit }
    }

    /// The klines of a page, from klines of the parts of the span that reach back to the last one before it.
    pub fn read(&self, page: KlinesPage, parts: Vec<Kline>) -> Vec<Kline> {
        Series { interval: self.span.parts(), kept: parts.into(), end_ms: 0 }.read(self.span, page)
    }
}

/// The latest klines of every interval.
#[derive(Debug)]
pub struct Klines {
    series: Vec<Series>,
}

impl Default for Klines {
    fn default() -> Klines {
        let series = |interval| Series { interval, kept: VecDeque::new(), end_ms: 0 };
        Klines { series: Interval::ALL.into_iter().map(series).collect() }
    }
}

/// Klines while trades come. Every interval consists of whole seconds, and a second may have thousands of trades: they gather in
/// one kline until it is over or somebody reads.
#[derive(Debug, Default)]
pub struct LiveKlines {
    klines: Klines,
    /// Of the second that ends then.
    latest: Option<(u64, Kline)>,
}

impl LiveKlines {
    /// Takes a trade.
    pub fn add(&mut self, trade: &Trade) {
        match &mut self.latest {
            Some((end_ms, second)) if trade.time_ms < *end_ms => second.add(trade),
            _ => {
                self.now();
                let open_ms = Interval::Second.start_of(trade.time_ms);
                self.latest = Some((Interval::Second.next(open_ms), Kline::of(open_ms, trade)));
            }
        }
    }

    /// The klines with every trade up to now.
    pub fn now(&mut self) -> &Klines {
        if let Some((_, second)) = self.latest.take() {
            self.klines.series.iter_mut().for_each(|series| series.add(&second));
        }
        &self.klines
    }
}

#[cfg(test)]
impl FromIterator<Trade> for Klines {
    fn from_iter<T: IntoIterator<Item = Trade>>(trades: T) -> Klines {
        let mut live = LiveKlines::default();
        trades.into_iter().for_each(|trade| live.add(&trade));
        live.now();
        live.klines
    }
}

impl Klines {
    /// The kline that covers `at_ms`; flat when nothing was traded, none before the first trade.
    pub fn at(&self, span: impl Into<Span>, at_ms: u64) -> Option<Kline> {
        let span = span.into();
        self.series[span.parts().index()].at(span, span.start_of(at_ms))
    }

    /// The kept klines with trades that began at `from_ms` or later, oldest first.
    pub fn traded_since(&self, interval: Interval, from_ms: u64) -> impl Iterator<Item = &Kline> {
        self.series[interval.index()].traded_since(from_ms)
    }

    /// Klines without gaps, oldest first.
    pub fn read(&self, wanted: KlinesWanted) -> Vec<Kline> {
        let series = &self.series[wanted.span.parts().index()];
        let (Some(oldest), Some(newest)) = (series.kept.front(), series.kept.back()) else { return Vec::new() };
        series.read(wanted.span, wanted.page(oldest.open_ms, newest.open_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    fn trade(id: u64, time_ms: u64, price: i64, qty: i64) -> Trade {
        Trade { id, price, qty, time_ms, buyer_is_maker: id.is_multiple_of(2) }
    }

    fn klines(trades: &[Trade]) -> LiveKlines {
        let mut klines = LiveKlines::default();
        for trade in trades {
            klines.add(trade);
        }
        klines
    }

    fn wanted(start_ms: Option<u64>, end_ms: Option<u64>, limit: usize, now_ms: u64) -> KlinesWanted {
        KlinesWanted { span: Interval::Minute.into(), start_ms, end_ms, limit, now_ms }
    }

    #[test]
    fn a_trade_on_the_edge_belongs_to_the_interval_that_begins() {
        let mut klines =
            klines(&[trade(1, MINUTE - 1, 100, 1), trade(2, MINUTE, 90, 2), trade(3, 2 * MINUTE - 1, 120, 3)]);
        let read = klines.now().read(wanted(None, None, 10, 2 * MINUTE - 1));
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].open_ms, read[0].trades, read[0].close), (0, 1, 100));
        let second = read[1];
        assert_eq!((second.open_ms, second.open, second.high, second.low, second.close), (MINUTE, 90, 120, 90, 120));
        assert_eq!((second.volume, second.quote_volume), (5, 180 + 360));
        assert_eq!((second.taker_volume, second.taker_quote_volume), (3, 360), "a resting buyer is not a taker");
        assert_eq!((second.first_trade, second.last_trade, second.trades), (2, 3, 2));
    }

    #[test]
    fn intervals_without_trades_are_flat_and_none_is_older_than_the_first_trade() {
        let mut klines = klines(&[trade(1, 10 * MINUTE, 100, 1), trade(2, 13 * MINUTE, 110, 1)]);
        let read = klines.now().read(wanted(None, None, 500, 15 * MINUTE + 5));
        let shape: Vec<_> = read.iter().map(|k| (k.open_ms / MINUTE, k.close, k.trades)).collect();
        assert_eq!(shape, [(10, 100, 1), (11, 100, 0), (12, 100, 0), (13, 110, 1), (14, 110, 0), (15, 110, 0)]);
    }

    #[test]
    fn start_asks_for_the_first_ones_and_end_for_the_last_ones() {
        let mut klines = klines(&[trade(1, 10 * MINUTE, 100, 1), trade(2, 19 * MINUTE, 110, 1)]);
        let mut opens = |start, end, limit| -> Vec<u64> {
            klines.now().read(wanted(start, end, limit, 19 * MINUTE)).iter().map(|k| k.open_ms / MINUTE).collect()
        };
        assert_eq!(opens(Some(0), None, 2), [10, 11]);
        assert_eq!(opens(Some(12 * MINUTE), None, 2), [12, 13]);
        assert_eq!(opens(Some(12 * MINUTE + 1), None, 2), [13, 14]);
        assert_eq!(opens(None, Some(12 * MINUTE + 1), 2), [11, 12]);
        assert_eq!(opens(Some(11 * MINUTE), Some(12 * MINUTE), 10), [11, 12]);
        assert_eq!(opens(Some(12 * MINUTE), Some(11 * MINUTE), 10), Vec::<u64>::new());
        assert_eq!(opens(Some(30 * MINUTE), None, 10), Vec::<u64>::new());
        assert_eq!(opens(None, None, 3), [17, 18, 19]);
        assert_eq!(opens(Some(u64::MAX), Some(u64::MAX), 3), Vec::<u64>::new());
    }

    #[test]
    fn the_oldest_klines_are_forgotten() {
        let mut klines = LiveKlines::default();
        for minute in 0..2_000 {
            klines.add(&trade(minute + 1, minute * MINUTE, 100, 1));
        }
        assert_eq!(klines.now().read(wanted(Some(0), None, 1, 2_000 * MINUTE))[0].open_ms, 500 * MINUTE);
    }

    #[test]
    fn reading_while_a_second_lasts_changes_no_kline() {
        let trades: Vec<Trade> = (1..=3_000)
            .map(|id| trade(id, id * 37 + id / 100 * 5_000, 90 + id as i64 * 7_919 % 21, 1 + id as i64 % 5))
            .collect();
        let (mut read_often, mut read_once) = (LiveKlines::default(), LiveKlines::default());
        for trade in &trades {
            read_once.add(trade);
            read_often.add(trade);
            if trade.id % 7 == 0 {
                read_often.now();
            }
        }
        for (often, once) in read_often.now().series.iter().zip(&read_once.now().series) {
            assert_eq!(often.kept, once.kept);
            // What a trade is in, taken one by one.
            let mut each: Vec<Kline> = Vec::new();
            for trade in &trades {
                let open_ms = once.interval.start_of(trade.time_ms);
                match each.last_mut() {
                    Some(last) if last.open_ms == open_ms => last.add(trade),
                    _ => each.push(Kline::of(open_ms, trade)),
                }
            }
            assert!(once.kept.iter().eq(each.iter().rev().take(KLINES_KEPT).rev()));
        }
    }
}
