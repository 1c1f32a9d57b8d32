//! What to send: resting limit orders around the middle of the book, orders that cross it, a few market
//! orders. Takers take about as much as makers bring, so books neither run dry nor grow without end.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rust_decimal::Decimal;

use crate::market::Market;

#[cfg(test)]
mod tests;

/// Of 100 orders, how many rest, cross as immediate-or-cancel; the others are market orders.
const RESTING: u32 = 54;
const CROSSING: u32 = 42;
/// How far resting orders are from the middle, in hundredths of a basis point.
const DISTANCE: std::ops::Range<i64> = 10..1_000;
/// How far beyond the middle crossing orders may go, in basis points.
const REACH_BP: i64 = 50;

/// How much an answer to an order tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Response {
    /// That the market has taken it.
    Ack,
    /// And what became of it.
    Result,
    /// And its fills.
    Full,
    /// One order after the other asks for each of these.
    Each,
}

impl Response {
    /// What the order of this number asks for.
    fn of(self, number: u64) -> &'static str {
        match self {
            Response::Ack => "ACK",
            Response::Result => "RESULT",
            Response::Full => "FULL",
            Response::Each => ["ACK", "RESULT", "FULL"][(number % 3) as usize],
        }
    }
}

/// A stream of orders drawn from a seed.
pub struct Mix {
    random: StdRng,
}

/// An order without its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Whether it buys.
    pub buy: bool,
    /// How it meets the book.
    pub kind: Kind,
    /// How much.
    pub qty: Decimal,
}

/// How an order meets the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Limit, good till canceled.
    Resting(Decimal),
    /// Limit, immediate or cancel.
    Crossing(Decimal),
    /// Market, by base quantity.
    Market,
}

impl Mix {
    /// The same seed draws the same orders.
    pub fn new(seed: u64) -> Mix {
        Mix { random: StdRng::seed_from_u64(seed) }
    }

    /// One of `count` things.
    pub fn pick(&mut self, count: usize) -> usize {
        self.random.random_range(0..count)
    }

    /// The next order around `mid`; one that cannot rest unless `may_rest`.
    pub fn order(&mut self, market: &Market, mid: Decimal, may_rest: bool) -> Shape {
        let buy = self.random.random_bool(0.5);
        let draw = self.random.random_range(0..100);
        match draw {
            _ if draw < RESTING && may_rest => self.resting(market, mid, buy),
            _ if draw < RESTING + CROSSING => {
                let reach = mid * Decimal::new(REACH_BP, 4);
                let price = market.price(if buy { mid + reach } else { mid - reach });
                Shape { buy, kind: Kind::Crossing(price), qty: self.qty(market, mid) }
            }
            _ => Shape { buy, kind: Kind::Market, qty: self.qty(market, mid) },
        }
    }

    /// An order that rests on its side of `mid`, unless the book has moved past it.
    pub fn resting(&mut self, market: &Market, mid: Decimal, buy: bool) -> Shape {
        let distance = mid * Decimal::new(self.random.random_range(DISTANCE), 6);
        let distance = distance.max(market.tick);
        let price = market.price(if buy { mid - distance } else { mid + distance });
        Shape { buy, kind: Kind::Resting(price), qty: self.qty(market, mid) }
    }

    /// 2 to 20 times the smallest order.
    fn qty(&mut self, market: &Market, mid: Decimal) -> Decimal {
        let times = Decimal::from(self.random.random_range(20..200));
        market.qty(market.qty(Decimal::ZERO, mid) * times / Decimal::TEN, mid)
    }
}

impl Shape {
    /// Whether it may be open when it has been taken.
    pub fn may_rest(&self) -> bool {
        matches!(self.kind, Kind::Resting(_))
    }

    /// The parameters of `order.place` for the order of this number.
    pub fn params(
        &self,
        symbol: &str,
        client_order_id: &str,
        (response, number): (Response, u64),
        timestamp_ms: u64,
    ) -> String {
        let response = response.of(number);
        let side = if self.buy { "BUY" } else { "SELL" };
        let kind = match self.kind {
            Kind::Resting(price) => format!(r#""type":"LIMIT","timeInForce":"GTC","price":"{price}""#),
            Kind::Crossing(price) => format!(r#""type":"LIMIT","timeInForce":"IOC","price":"{price}""#),
            Kind::Market => r#""type":"MARKET""#.to_owned(),
        };
        let qty = self.qty;
        format!(
            r#"{{"symbol":"{symbol}","side":"{side}",{kind},"quantity":"{qty}","newClientOrderId":"{client_order_id}","newOrderRespType":"{response}","timestamp":{timestamp_ms}}}"#
        )
    }
}
