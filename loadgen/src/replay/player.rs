//! Sends rounds of orders: makers provide the book, one order a level, and the taker takes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use wire::decimal;

use super::book::{Level, Side};
use super::plan::{Round, maker_of};
use super::recording::Trade;
use crate::api::message::Order;
use crate::api::ws_api::WsApi;
use crate::api::{ApiError, backoff};
use crate::entry::{Entry, Placed};

/// Requests that wait for an answer at once.
const OUTSTANDING: usize = 128;
/// How long an answer may take before it is looked up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);
/// How long the exchange may take over one order, failovers included.
const PATIENCE: Duration = Duration::from_secs(120);

/// An order that the exchange should have taken.
#[derive(Debug, thiserror::Error)]
#[error("{what} was not done: {source}")]
pub struct OrderError {
    what: String,
    source: ApiError,
}

/// Whoever trades the recording.
pub struct Player {
    /// Connections of the makers.
    pub makers: Vec<WsApi>,
    /// The taker's connection.
    pub taker: WsApi,
    /// The market.
    pub symbol: String,
    /// Decimals of a price unit.
    pub price_decimals: u8,
    /// Decimals of a quantity unit.
    pub qty_decimals: u8,
    /// How client order ids start.
    pub prefix: String,
    /// Orders named so far.
    pub named: u64,
    /// Our order at each level, and how much of it is left.
    pub standing: BTreeMap<(Side, i64), Standing>,
}

/// One of our resting orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    name: String,
    maker: usize,
    left: i64,
}

/// An order to place.
struct Ticket {
    name: String,
    side: &'static str,
    kind: &'static str,
    price: i64,
    qty: i64,
}

impl Player {
    /// Cancels, then places, then takes; returns when everything is answered. The result is how often a
    /// level of the book has changed.
    pub async fn play(&mut self, round: &Round) -> Result<u64, OrderError> {
        let canceled: Vec<Standing> = round.cancels.iter().filter_map(|level| self.standing.remove(level)).collect();
        let cancels = stream::iter(&canceled).map(|standing| self.cancel(standing));
        cancels.buffer_unordered(OUTSTANDING).try_collect::<()>().await?;

        let placed: Vec<(Level, Standing)> = round.places.iter().map(|level| (*level, self.name(level))).collect();
        let places = stream::iter(&placed).map(|(level, standing)| self.rest(level, standing));
        places.buffer_unordered(OUTSTANDING).try_collect::<()>().await?;
        self.standing.extend(placed.into_iter().map(|(level, standing)| ((level.side, level.price), standing)));

        let taken: Vec<(Trade, String)> = round.takes.iter().map(|trade| (*trade, self.next_name())).collect();
        let takes = stream::iter(&taken).map(|(trade, name)| self.take(trade, name));
        takes.buffered(OUTSTANDING).try_collect::<()>().await?;
        for trade in &round.takes {
            self.forget(trade);
        }
        Ok((canceled.len() + round.places.len() + round.takes.len()) as u64)
    }

    fn next_name(&mut self) -> String {
        self.named += 1;
        format!("{}{}", self.prefix, self.named)
    }

    fn name(&mut self, level: &Level) -> Standing {
        let maker = maker_of(level.price, self.makers.len());
        Standing { name: self.next_name(), maker, left: level.qty }
    }

    fn forget(&mut self, trade: &Trade) {
        let level = (trade.maker_side(), trade.price);
        if let Some(standing) = self.standing.get_mut(&level) {
            standing.left -= trade.qty;
            if standing.left <= 0 {
                self.standing.remove(&level);
            }
        }
    }

    async fn cancel(&self, standing: &Standing) -> Result<(), OrderError> {
        let failed = |source| OrderError { what: format!("the cancel of {}", standing.name), source };
        let entry = self.entry(&self.makers[standing.maker], &standing.name);
        entry.cancel().await.map(drop).map_err(failed)
    }

    async fn rest(&self, level: &Level, standing: &Standing) -> Result<(), OrderError> {
        let side = if level.side == Side::Bid { "BUY" } else { "SELL" };
        let (price, qty, name) = (level.price, level.qty, standing.name.clone());
        // Maker-only: should our book be another one than we think, nothing trades by mistake.
        let ticket = Ticket { name, side, kind: r#""type":"LIMIT_MAKER""#, price, qty };
        self.place(&self.makers[standing.maker], ticket).await.map(drop)
    }

    async fn take(&self, trade: &Trade, name: &str) -> Result<(), OrderError> {
        let side = if trade.taker_buys { "BUY" } else { "SELL" };
        let kind = r#""type":"LIMIT","timeInForce":"IOC""#;
        let ticket = Ticket { name: name.to_owned(), side, kind, price: trade.price, qty: trade.qty };
        let order = self.place(&self.taker, ticket).await?;
        if order.status != "FILLED" {
            tracing::warn!(name, status = order.status, "an order that should have been filled was not");
        }
        Ok(())
    }

    async fn place(&self, api: &WsApi, ticket: Ticket) -> Result<Order, OrderError> {
        let Ticket { name, side, kind, .. } = &ticket;
        let price = decimal::format(ticket.price, self.price_decimals, 0);
        let qty = decimal::format(ticket.qty, self.qty_decimals, 0);
        let symbol = &self.symbol;
        let params = |timestamp: u64| {
            format!(
                r#"{{"symbol":"{symbol}","side":"{side}",{kind},"price":"{price}","quantity":"{qty}","newClientOrderId":"{name}","timestamp":{timestamp}}}"#
            )
        };
        let failed = |source| OrderError { what: format!("the order to {side} {qty} at {price}"), source };
        let deadline = Instant::now() + PATIENCE;
        let entry = self.entry(api, name);
        for attempt in 0.. {
            let Placed { answer, .. } = entry.place(params, || Instant::now() > deadline).await;
            match answer {
                Some(Ok(order)) => return Ok(order),
                Some(Err(error)) if error.is_transient() && Instant::now() < deadline => {
                    tokio::time::sleep(backoff(attempt)).await;
                }
                Some(Err(error)) => return Err(failed(error)),
                None => break,
            }
        }
        Err(failed(ApiError::Unanswered(format!("the exchange did not answer for {PATIENCE:?}"))))
    }

    fn entry<'a>(&'a self, api: &'a WsApi, name: &'a str) -> Entry<'a> {
        Entry { api, symbol: &self.symbol, name, timeout: ANSWER_TIMEOUT }
    }
}
