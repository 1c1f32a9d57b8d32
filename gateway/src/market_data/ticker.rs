//! The rolling 24 hour ticker and average prices, by integer arithmetic.
//!
//! The window moves by whole minutes: it is the minute that runs now and the 1,439 before it, so it
//! covers between 23:59 and 24:00 hours. It is the sum of the market's one-minute klines.

use super::interval::Interval;
use super::klines::{Kline, Klines};

/// The length of the rolling window.
pub const WINDOW_MS: u64 = 24 * 60 * 60 * 1_000;
/// Minutes that an average price covers.
pub const AVERAGE_MINUTES: u64 = 5;
const MINUTE_MS: u64 = 60 * 1_000;

/// Decimals of a change in percent.
pub const PERCENT_DECIMALS: u8 = 3;
/// Decimals of an average price.
pub const AVERAGE_DECIMALS: u8 = 8;

/// What was traded within a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rolling {
    /// When the window opened.
    pub open_ms: u64,
    /// When it closes: now.
    pub close_ms: u64,
    /// The sum of the trades in it; flat at the last price before it when there are none.
    pub total: Kline,
    /// The last price before the window; the first one in it when there is none before.
    pub previous_close: i64,
}

/// The window that ends now. `None` before the first trade.
pub fn rolling(klines: &Klines, now_ms: u64) -> Option<Rolling> {
    window(klines, now_ms, WINDOW_MS)
}

/// A rolling window of a client's choice: whole minutes up to 59, hours up to 23, or days up to 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WindowSize {
    minutes: u32,
}

impl WindowSize {
    /// A day.
    pub const DAY: WindowSize = WindowSize { minutes: 24 * 60 };

    /// Reads `15m`, `4h` or `7d`.
    pub fn from_name(name: &str) -> Option<WindowSize> {
        let (count, unit) = name.split_at_checked(name.len().checked_sub(1)?)?;
        let (most, minutes) = match unit {
            "m" => (59, 1),
            "h" => (23, 60),
            "d" => (7, 24 * 60),
            _ => return None,
        };
        let is_plain = !count.is_empty() && !count.starts_with('0') && count.bytes().all(|b| b.is_ascii_digit());
        let count = count.parse::<u32>().ok().filter(|count| is_plain && *count <= most)?;
        Some(WindowSize { minutes: count * minutes })
    }

    /// As clients write it, in the largest unit that has it whole.
    pub fn name(self) -> String {
        match self.minutes {
            minutes if minutes.is_multiple_of(24 * 60) => format!("{}d", minutes / (24 * 60)),
            minutes if minutes.is_multiple_of(60) => format!("{}h", minutes / 60),
            minutes => format!("{minutes}m"),
        }
    }

    /// Its length.
    pub fn length_ms(self) -> u64 {
        u64::from(self.minutes) * MINUTE_MS
    }

    /// The start of the window that ends at `now_ms`: on a minute, so that the window is as long as it says and up to a
    /// minute longer.
    pub fn open_ms(self, now_ms: u64) -> u64 {
        (now_ms - now_ms % MINUTE_MS).saturating_sub(self.length_ms())
    }
}

/// What was traded within a window of a client's choice that ends now. `None` before the first trade.
pub fn rolling_of(klines: &Klines, now_ms: u64, size: WindowSize) -> Option<Rolling> {
    let open_ms = size.open_ms(now_ms);
    // Minutes are kept for a little more than a day; longer windows are read from hours, and begin on one.
    let interval = if size.minutes <= 24 * 60 { Interval::Minute } else { Interval::Hour };
    let rolling = summed(klines, interval, interval.start_of(open_ms))?;
    Some(Rolling { open_ms, close_ms: now_ms, ..rolling })
}

/// The last minutes that an average price covers. `None` before the first trade.
pub fn average_window(klines: &Klines, now_ms: u64) -> Option<Rolling> {
    window(klines, now_ms, AVERAGE_MINUTES * MINUTE_MS)
}

fn window(klines: &Klines, now_ms: u64, length_ms: u64) -> Option<Rolling> {
    let from_ms = (now_ms - now_ms % MINUTE_MS + MINUTE_MS).saturating_sub(length_ms);
    let rolling = summed(klines, Interval::Minute, from_ms)?;
    Some(Rolling { open_ms: now_ms.saturating_sub(length_ms), close_ms: now_ms, ..rolling })
}

/// Everything from the beginning of an interval on.
fn summed(klines: &Klines, interval: Interval, from_ms: u64) -> Option<Rolling> {
    let before = from_ms.checked_sub(1).and_then(|at| klines.at(interval, at));
    let mut traded = klines.traded_since(interval, from_ms);
    let total = match traded.next() {
        Some(first) => {
            let mut total = *first;
            traded.for_each(|kline| total.merge(kline));
            total
        }
        None => Kline::flat(from_ms, before?.close),
    };
    let previous_close = before.map_or(total.open, |kline| kline.close);
    Some(Rolling { open_ms: from_ms, close_ms: from_ms, total, previous_close })
}

/// `(to - from) / from` in percent, in units of `10^-3`, rounded half away from zero.
pub fn change_percent(from: i64, to: i64) -> i128 {
    if from == 0 {
        return 0;
    }
    divide_rounded((i128::from(to) - i128::from(from)) * 100 * 10_i128.pow(u32::from(PERCENT_DECIMALS)), from.into())
}

/// Quote volume by volume: the average price in units of `10^-8`, rounded half up. `price_decimals` are
/// those of the market. Zero when nothing was traded.
pub fn average_price(quote_volume: i128, volume: i128, price_decimals: u8) -> i128 {
    if volume == 0 {
        return 0;
    }
    if price_decimals <= AVERAGE_DECIMALS {
        let factor = 10_i128.pow(u32::from(AVERAGE_DECIMALS - price_decimals));
        divide_rounded(quote_volume.saturating_mul(factor), volume)
    } else {
        let factor = 10_i128.pow(u32::from(price_decimals - AVERAGE_DECIMALS));
        divide_rounded(quote_volume, volume.saturating_mul(factor))
    }
}

/// The average price of what was traded, in units of `10^-8`; the last price when nothing was.
pub fn average_of(total: &Kline, price_decimals: u8) -> i128 {
    match total.volume {
        0 => average_price(i128::from(total.close), 1, price_decimals),
        volume => average_price(total.quote_volume, volume, price_decimals),
    }
}

fn divide_rounded(dividend: i128, divisor: i128) -> i128 {
    let half = divisor / 2;
    if dividend < 0 { (dividend - half) / divisor } else { dividend.saturating_add(half) / divisor }
}

#[cfg(test)]
mod tests {
    use super::super::trades::Trade;
    use super::*;

    fn klines(trades: &[(u64, i64, i64)]) -> Klines {
        let trades = (1..).zip(trades).map(|(id, (time_ms, price, qty))| Trade {
            id,
            price: *price,
            qty: *qty,
            time_ms: *time_ms,
            buyer_is_maker: false,
        });
        trades.collect()
    }

    #[test]
    fn a_trade_leaves_the_window_after_a_day() {
        let day = klines(&[(0, 100, 1), (30_000, 90, 2), (MINUTE_MS, 110, 4)]);
        let now = WINDOW_MS - 1;
        let rolled = rolling(&day, now).unwrap();
        assert_eq!((rolled.total.open, rolled.total.low, rolled.total.close, rolled.total.volume), (100, 90, 110, 7));
        assert_eq!((rolled.total.first_trade, rolled.total.last_trade, rolled.total.trades), (1, 3, 3));
        let rolled = rolling(&day, WINDOW_MS).unwrap();
        assert_eq!((rolled.total.open, rolled.total.volume, rolled.previous_close), (110, 4, 90));
        let rolled = rolling(&day, WINDOW_MS + MINUTE_MS).unwrap();
        assert_eq!((rolled.total.open, rolled.total.volume, rolled.total.trades), (110, 0, 0));
        assert_eq!(rolling(&Klines::default(), now), None);
    }

    #[test]
    fn window_sizes_are_minutes_hours_or_days() {
        for name in ["1m", "59m", "1h", "23h", "1d", "7d"] {
            assert_eq!(WindowSize::from_name(name).expect(name).name(), name);
        }
        for name in ["", "m", "0m", "60m", "24h", "8d", "1w", "1d2h", "01m", "-1m", "1.5h", "+1m"] {
            assert_eq!(WindowSize::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_chosen_window_begins_on_a_minute_and_longer_ones_on_an_hour() {
        let trades = klines(&[(0, 100, 1), (MINUTE_MS, 90, 2), (5 * MINUTE_MS + 1, 110, 4)]);
        let at = |name, now| rolling_of(&trades, now, WindowSize::from_name(name).unwrap()).unwrap();
        let window = at("4m", 5 * MINUTE_MS + 30_000);
        assert_eq!((window.open_ms, window.close_ms), (MINUTE_MS, 5 * MINUTE_MS + 30_000));
        assert_eq!((window.total.volume, window.total.open, window.previous_close), (6, 90, 100));
        assert_eq!(at("3m", 5 * MINUTE_MS + 30_000).total.volume, 4);
        assert_eq!(at("7d", 5 * MINUTE_MS + 30_000).total.volume, 7);
        assert_eq!(at("1d", 2 * WINDOW_MS).total.volume, 0);
    }

    #[test]
    fn percentages_and_averages_are_rounded_integers() {
        assert_eq!(change_percent(3, 4), 33_333);
        assert_eq!(change_percent(4, 3), -25_000);
        assert_eq!(change_percent(3, 2), -33_333);
        assert_eq!(change_percent(6, 4), -33_333);
        assert_eq!(change_percent(0, 4), 0);
        // Two at 1.00 and one at 2.00: 4 / 3.
        assert_eq!(average_price(200 + 200, 3, 2), 133_333_333);
        assert_eq!(average_price(5, 2, 8), 3);
        assert_eq!(average_price(1_000_000, 1, 12), 100);
        assert_eq!(average_price(0, 0, 2), 0);
    }
}
