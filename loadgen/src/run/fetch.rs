//! Reads the exchange's records page by page.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::reconcile::Balances;
use crate::api::ApiError;
use crate::api::message::{AccountInfo, MyTrade, Order};
use crate::api::rest::Rest;
use crate::api::sign::Credentials;

#[cfg(test)]
mod tests;

/// The most records the API returns at once.
const PAGE: usize = 1_000;
/// How often balances are read again because trades went on meanwhile.
const BALANCE_ATTEMPTS: usize = 20;

/// Reads one account's records.
pub struct Reader<'a> {
    /// Where.
    pub rest: &'a Rest,
    /// Whose.
    pub credentials: &'a Credentials,
    /// How long to ask again while the exchange cannot answer.
    pub patience: Duration,
}

impl Reader<'_> {
    /// All orders in a market from order id `from` on.
    pub async fn orders(&self, symbol: &str, from: u64) -> Result<Vec<Order>, ApiError> {
        self.pages("/api/v3/allOrders", "orderId", symbol, from, |order: &Order| order.order_id).await
    }

    /// One order.
    pub async fn order(&self, symbol: &str, id: u64) -> Result<Order, ApiError> {
        let query = format!("symbol={symbol}&orderId={id}");
        self.rest.get_signed(self.credentials, "/api/v3/order", &query, self.patience).await
    }

    /// All of the account's fills in a market from trade id `from` on.
    pub async fn trades(&self, symbol: &str, from: u64) -> Result<Vec<MyTrade>, ApiError> {
        self.pages("/api/v3/myTrades", "fromId", symbol, from, |trade: &MyTrade| trade.id).await
    }

    /// The id of the account's latest fill in a market.
    pub async fn last_trade(&self, symbol: &str) -> Result<Option<u64>, ApiError> {
        let query = format!("symbol={symbol}&limit=1");
        let latest: Vec<MyTrade> =
            self.rest.get_signed(self.credentials, "/api/v3/myTrades", &query, self.patience).await?;
        Ok(latest.last().map(|trade| trade.id))
    }

    /// Free and held balances together.
    pub async fn balances(&self) -> Result<Balances, ApiError> {
        let info: AccountInfo = self.rest.get_signed(self.credentials, "/api/v3/account", "", self.patience).await?;
        Ok(info.balances.into_iter().map(|balance| (balance.asset, balance.free + balance.locked)).collect())
    }

    /// Balances and the fills from the trade ids `from` on, by market, read until no fill came in between:
    /// the balances are then those after exactly these fills.
    pub async fn balances_and_trades(&self, from: &[(String, u64)]) -> Result<(Balances, Vec<Vec<MyTrade>>), ApiError> {
        let mut trades = Vec::new();
        for (symbol, from) in from {
            trades.push(self.trades(symbol, *from).await?);
        }
        for attempt in 1.. {
            let balances = self.balances().await?;
            let mut moved = false;
            for ((symbol, from), trades) in from.iter().zip(&mut trades) {
                let next = trades.last().map_or(*from, |trade: &MyTrade| trade.id + 1);
                let later = self.trades(symbol, next).await?;
                moved |= !later.is_empty();
                trades.extend(later);
            }
            if !moved || attempt == BALANCE_ATTEMPTS {
                return Ok((balances, trades));
            }
        }
        unreachable!("the loop ends by its count")
    }

    /// Pages ascend by id, and each starts at the last id of the one before: ids may repeat, as a trade of
    /// an account with itself does, so that a record counts as seen only if it is equal to one of the last
    /// page with that id.
    async fn pages<T: DeserializeOwned + PartialEq>(
        &self,
        path: &str,
        cursor: &str,
        symbol: &str,
        from: u64,
        id: impl Fn(&T) -> u64,
    ) -> Result<Vec<T>, ApiError> {
        let mut all: Vec<T> = Vec::new();
        let mut next = from;
        loop {
            let query = format!("symbol={symbol}&{cursor}={next}&limit={PAGE}");
            let page: Vec<T> = self.rest.get_signed(self.credentials, path, &query, self.patience).await?;
            let full = page.len() >= PAGE;
            let last = page.last().map(&id);
            let overlap = all.iter().rev().take_while(|seen| id(seen) == next).count();
            let (seen, start) = (all.len(), all.len() - overlap);
            for record in page {
                if !(id(&record) == next && all[start..seen].contains(&record)) {
                    all.push(record);
                }
            }
            match last {
                Some(last) if full && last > next => next = last,
                // A page full of one id cannot be followed by asking for that id again.
                Some(last) if full => next = last + 1,
                _ => return Ok(all),
            }
        }
    }
}
