//! The exchange's records of our accounts: where they stood before the load, what came since, and how both
//! compare with what we were told.
//!
//! An exchange forgets the oldest closed orders of an account, so a long run reads its records while it goes
//! on. What was not final at one reading is asked for again at the next.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::Mutex;

use super::desk::{Desk, Pair};
use super::fetch::Reader;
use super::reconcile::{Balances, Findings, balances, orders_and_fills};
use crate::api::message::{MyTrade, Order};
use crate::api::{ApiError, NO_SUCH_ORDER};
use crate::market::Market;

/// How long the exchange may be unable to answer.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Everything read so far.
pub struct Books {
    accounts: Vec<Mutex<Account>>,
    read_every: usize,
}

struct Account {
    /// Before the load.
    balances: Balances,
    /// By market.
    shelves: Vec<Shelf>,
    /// How many of its orders had been sent when its records were last read.
    sent: usize,
}

/// Records of one account in one market.
#[derive(Default)]
struct Shelf {
    next_order: u64,
    orders: Vec<Order>,
    next_trade: u64,
    trades: Vec<MyTrade>,
}

/// What could not be read.
#[derive(Debug)]
pub struct Unread {
    /// Whose records.
    pub account: String,
    /// Why.
    pub source: ApiError,
}

impl Books {
    /// Notes where every account stands before the load. Its records will be read when it has sent `read_every` orders since the
    /// last time.
    pub async fn open(desk: &Desk, read_every: usize) -> Result<Books, Unread> {
        let mut accounts = Vec::new();
        for (index, trader) in desk.traders.iter().enumerate() {
            let opened = Account::open(desk, index).await;
            let unread = |source| Unread { account: trader.name.clone(), source };
            accounts.push(Mutex::new(opened.map_err(unread)?));
        }
        Ok(Books { accounts, read_every })
    }

    /// Tells from which order id on records matter.
    pub async fn start_at(&self, first_order: u64) {
        for account in &self.accounts {
            account.lock().await.shelves.iter_mut().for_each(|shelf| shelf.next_order = first_order);
        }
    }

    /// Reads the records of accounts that have sent many orders, until the run is over.
    pub async fn follow(&self, desk: &Desk) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            for (index, account) in self.accounts.iter().enumerate() {
                let mut account = account.lock().await;
                let sent = sent(desk, index);
                if sent - account.sent < self.read_every {
                    continue;
                }
                match account.read(desk, index).await {
                    Ok(_) => account.sent = sent,
                    Err(error) => tracing::debug!(%error, account = desk.traders[index].name, "records not read"),
                }
            }
        }
    }

    /// Reads the rest of the records of the account number `index` and compares all of them with everything we
    /// were told.
    pub async fn reconcile(&self, desk: &Desk, index: usize) -> Result<Findings, Unread> {
        let name = &desk.traders[index].name;
        let mut account = self.accounts[index].lock().await;
        let after = account.read(desk, index).await;
        let after = after.map_err(|source| Unread { account: name.clone(), source })?;
        let mut findings = Findings::default();
        for (market, shelf) in account.shelves.iter().enumerate() {
            findings.extend(desk.with_record(Pair { trader: index, market }, |record| {
                orders_and_fills(&desk.ids, record, &shelf.orders, &shelf.trades)
            }));
        }
        let trades: Vec<(&Market, &[MyTrade])> =
            desk.markets.iter().zip(account.shelves.iter().map(|shelf| shelf.trades.as_slice())).collect();
        findings.extend(balances(name, &account.balances, &after, &trades));
        Ok(findings)
    }

    /// All fills, by market.
    pub fn into_fills(self) -> Vec<(usize, Vec<MyTrade>)> {
        let accounts = self.accounts.into_iter().map(Mutex::into_inner);
        accounts.flat_map(|account| account.shelves.into_iter().map(|shelf| shelf.trades).enumerate()).collect()
    }
}

fn sent(desk: &Desk, trader: usize) -> usize {
    let markets = 0..desk.markets.len();
    markets.map(|market| desk.with_record(Pair { trader, market }, |record| record.orders.len())).sum()
}

fn reader(desk: &Desk, trader: usize) -> Reader<'_> {
    Reader { rest: &desk.rest, credentials: &desk.traders[trader].credentials, patience: PATIENCE }
}

impl Account {
    async fn open(desk: &Desk, index: usize) -> Result<Account, ApiError> {
        let reader = reader(desk, index);
        let mut from = Vec::new();
        for market in &desk.markets {
            let last = reader.last_trade(&market.symbol).await?;
            from.push((market.symbol.clone(), last.map_or(0, |id| id + 1)));
        }
        // Orders of somebody else on this account may trade meanwhile.
        let (balances, trades) = reader.balances_and_trades(&from).await?;
        let next = from.iter().zip(trades).map(|((_, from), trades)| trades.last().map_or(*from, |trade| trade.id + 1));
        let shelves = next.map(|next_trade| Shelf { next_trade, ..Shelf::default() }).collect();
        Ok(Account { balances, shelves, sent: 0 })
    }

    /// Reads what was not final or passed over when it was last read, what is new, and the balances.
    async fn read(&mut self, desk: &Desk, index: usize) -> Result<Balances, ApiError> {
        let reader = reader(desk, index);
        for (market, shelf) in desk.markets.iter().zip(&mut self.shelves) {
            for order in shelf.orders.iter_mut().filter(|order| !order.is_final()) {
                *order = reader.order(&market.symbol, order.order_id).await?;
            }
            let orders = reader.orders(&market.symbol, shelf.next_order).await?;
            shelf.next_order = orders.last().map_or(shelf.next_order, |order| order.order_id + 1);
            shelf.orders.extend(orders);
        }
        if self.sent > 0 {
            self.read_passed_over(desk, index).await?;
        }
        let from: Vec<(String, u64)> = desk
            .markets
            .iter()
            .zip(&self.shelves)
            .map(|(market, shelf)| (market.symbol.clone(), shelf.next_trade))
            .collect();
        let (balances, trades) = reader.balances_and_trades(&from).await?;
        for (shelf, trades) in self.shelves.iter_mut().zip(trades) {
            shelf.next_trade = trades.last().map_or(shelf.next_trade, |trade| trade.id + 1);
            shelf.trades.extend(trades);
        }
        Ok(balances)
    }

    /// Orders that had no outcome yet when a page with later ones was read may not have been on it.
    async fn read_passed_over(&mut self, desk: &Desk, index: usize) -> Result<(), ApiError> {
        let reader = reader(desk, index);
        for (market, shelf) in self.shelves.iter_mut().enumerate() {
            let known: BTreeSet<u64> = shelf.orders.iter().map(|order| order.order_id).collect();
            let told = desk.with_record(Pair { trader: index, market }, |record| record.order_ids());
            for id in told.into_iter().filter(|id| *id < shelf.next_order && !known.contains(id)) {
                match reader.order(&desk.markets[market].symbol, id).await {
                    Ok(order) => shelf.orders.push(order),
                    Err(error) if error.code() == Some(NO_SUCH_ORDER) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}
