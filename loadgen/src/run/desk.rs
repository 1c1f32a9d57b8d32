//! What the tasks of a run share: accounts with their connections, what is known of the books, of our open
//! orders, and of the exchange's answers.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rust_decimal::Decimal;

use super::measure::Measure;
use super::mix::Response;
use super::record::{ClientIds, Outcome, Record};
use crate::api::ApiError;
use crate::api::message::Order;
use crate::api::rest::Rest;
use crate::api::sign::Credentials;
use crate::api::ws_api::WsApi;
use crate::market::Market;

/// How often the middle of each book is looked up.
const MIDS_EVERY: Duration = Duration::from_millis(500);
/// How often each account's open orders are looked up.
const OPEN_ORDERS_EVERY: Duration = Duration::from_millis(1_000);

/// One account of the run.
pub struct Trader {
    /// Its name, for messages.
    pub name: String,
    /// Signs its REST requests.
    pub credentials: Credentials,
    /// Its connections.
    pub connections: Vec<WsApi>,
}

/// Shared by all tasks of a run. A *pair* is an account in a market.
pub struct Desk {
    /// The names of our orders.
    pub ids: ClientIds,
    /// Where we trade.
    pub markets: Vec<Market>,
    /// Who trades.
    pub traders: Vec<Trader>,
    /// For questions.
    pub rest: Rest,
    /// How long an answer may take before it is looked up.
    pub timeout: Duration,
    /// How much answers tell.
    pub response: Response,
    next_number: AtomicU64,
    closing: AtomicBool,
    mids: Mutex<Vec<Decimal>>,
    measure: Mutex<Measure>,
    records: Mutex<Vec<Record>>,
    open: Mutex<Vec<VecDeque<u64>>>,
}

/// An account in a market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Index into [`Desk::traders`].
    pub trader: usize,
    /// Index into [`Desk::markets`].
    pub market: usize,
}

impl Desk {
    /// With books whose middles are `mids`.
    pub fn new(
        ids: ClientIds,
        markets: Vec<Market>,
        traders: Vec<Trader>,
        rest: Rest,
        (timeout, response): (Duration, Response),
        mids: Vec<Decimal>,
    ) -> Desk {
        let pairs = markets.len() * traders.len();
        Desk {
            ids,
            markets,
            traders,
            rest,
            timeout,
            response,
            next_number: AtomicU64::new(1),
            closing: AtomicBool::new(false),
            mids: Mutex::new(mids),
            measure: Mutex::new(Measure::new(Instant::now())),
            records: Mutex::new(std::iter::repeat_with(Record::default).take(pairs).collect()),
            open: Mutex::new(vec![VecDeque::new(); pairs]),
        }
    }

    /// All pairs.
    pub fn pairs(&self) -> impl Iterator<Item = Pair> + use<> {
        let markets = self.markets.len();
        (0..self.traders.len()).flat_map(move |trader| (0..markets).map(move |market| Pair { trader, market }))
    }

    fn index(&self, pair: Pair) -> usize {
        pair.trader * self.markets.len() + pair.market
    }

    /// The number of the next order.
    pub fn take_number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    /// Tells tasks that still wait for an answer to give up.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Whether to give up.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// The counters.
    pub fn measure(&self) -> MutexGuard<'_, Measure> {
        self.measure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known of a pair's orders.
    pub fn with_record<T>(&self, pair: Pair, change: impl FnOnce(&mut Record) -> T) -> T {
        let index = self.index(pair);
        change(&mut self.records.lock().unwrap_or_else(PoisonError::into_inner)[index])
    }

    /// Orders of which we do not know what became of them.
    pub fn unanswered(&self) -> u64 {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let claims = records.iter().flat_map(|record| record.orders.values());
        claims.filter(|claim| claim.outcome == Outcome::Unknown).count() as u64
    }

    /// Changes the numbers of a pair's orders that may be open, oldest first.
    pub fn with_open<T>(&self, pair: Pair, change: impl FnOnce(&mut VecDeque<u64>) -> T) -> T {
        let index = self.index(pair);
        change(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner)[index])
    }

    /// The middle of a market's book, as last seen.
    pub fn mid(&self, market: usize) -> Decimal {
        self.mids.lock().unwrap_or_else(PoisonError::into_inner)[market]
    }

    /// Follows the books until the run is over.
    pub async fn follow_mids(&self) {
        loop {
            for (index, market) in self.markets.iter().enumerate() {
                match market.mid(&self.rest, Duration::ZERO).await {
                    Ok(Some(mid)) => self.mids.lock().unwrap_or_else(PoisonError::into_inner)[index] = mid,
                    Ok(None) => {}
                    Err(error) => tracing::debug!(%error, symbol = market.symbol, "no price"),
                }
            }
            tokio::time::sleep(MIDS_EVERY).await;
        }
    }

    /// Follows the open orders until the run is over.
    pub async fn follow_open_orders(&self) {
        loop {
            for trader in 0..self.traders.len() {
                if let Err(error) = self.refresh_open_orders(trader, Duration::ZERO).await {
                    tracing::debug!(%error, account = self.traders[trader].name, "no open orders");
                }
                tokio::time::sleep(OPEN_ORDERS_EVERY / self.traders.len() as u32).await;
            }
        }
    }

    /// Replaces what is known of an account's open orders by what the exchange says, keeping orders that
    /// were sent after the question.
    pub async fn refresh_open_orders(&self, trader: usize, patience: Duration) -> Result<(), ApiError> {
        let asked_at = self.next_number.load(Ordering::Relaxed);
        let credentials = &self.traders[trader].credentials;
        let orders: Vec<Order> = self.rest.get_signed(credentials, "/api/v3/openOrders", "", patience).await?;
        for (market, listed) in self.markets.iter().enumerate() {
            let mut numbers: Vec<u64> = orders
                .iter()
                .filter(|order| order.symbol == listed.symbol)
                .filter_map(|order| self.ids.number(&order.client_order_id))
                .filter(|number| *number < asked_at)
                .collect();
            numbers.sort_unstable();
            self.with_open(Pair { trader, market }, |open| {
                let later: Vec<u64> = open.iter().copied().filter(|number| *number >= asked_at).collect();
                *open = numbers.into_iter().chain(later).collect();
            });
        }
        Ok(())
    }
}
