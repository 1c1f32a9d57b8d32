//! What has happened to whoever asks later: past orders, fills, lists, trades, klines, deposits and withdrawals.
//!
//! Two stores keep it, and answer alike. The embedded one is the gateway's memory: the projections that everything else is
//! read from, the latest of each kind, made anew from the log at every start. PostgreSQL, where the gateway is configured
//! so, keeps all of it; then history is read there alone, and trading never waits for it.

mod embedded;
pub mod log;
mod postgres;

use std::sync::Arc;

use wire::event::WithdrawalChanged;
use wire::{
    AccountId, AssetId, ChainHash, ClientOrderId, ListId, LogPosition, MarketId, OrderId, PartitionId, WithdrawalId,
};

use crate::accounts::{Amendment, Deposit, Fill, Order, OrderList, PreventedMatch};
use crate::errors::{self, ApiError};
use crate::gateway::Gateway;
use crate::market_data::klines::{Kline, KlinesWanted};
use crate::market_data::trades::{AggTrade, AggWanted, Trade};

pub(crate) use postgres::Census;
pub use postgres::{HistoryConfig, HistoryConfigError, Postgres};

/// Where history is kept.
#[derive(Clone, Default)]
pub enum History {
    /// In the gateway's memory.
    #[default]
    Embedded,
    /// In a database.
    Postgres(Arc<Postgres>),
}

/// Which part of a list is wanted. Times are log time in milliseconds, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// None with a lower number.
    pub from: Option<u64>,
    /// None from earlier.
    pub start_ms: Option<u64>,
    /// None from later.
    pub end_ms: Option<u64>,
    /// At most so many: the first ones if a beginning is given, else the last ones.
    pub limit: usize,
}

impl Page {
    fn is_from_the_start(&self) -> bool {
        self.from.is_some() || self.start_ms.is_some()
    }

    fn holds(&self, at_ms: u64) -> bool {
        self.start_ms.is_none_or(|start| at_ms >= start) && self.end_ms.is_none_or(|end| at_ms <= end)
    }
}

/// Which fills are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FillsWanted {
    /// Of this order; always the first ones.
    pub order: Option<OrderId>,
    /// By the numbers of their trades.
    pub page: Page,
}

/// Which prevented trades are wanted: one by its number, or those of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreventedWanted {
    /// This one.
    pub id: Option<u64>,
    /// Of this order.
    pub order: Option<OrderId>,
    /// None with a lower number.
    pub from: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// A list and the names of its orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedOrders {
    /// The list.
    pub list: OrderList,
    /// In the order of the list's orders; empty of one that is no longer kept.
    pub names: Vec<ClientOrderId>,
}

/// Which deposits are wanted, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepositsWanted {
    /// Of this asset.
    pub asset: Option<AssetId>,
    /// With this number of Binance's, which [`crate::names::deposit_status`] gives.
    pub status: Option<u64>,
    /// Of this transaction.
    pub tx: Option<ChainHash>,
    /// By when they were told first; of the numbers only `limit` counts.
    pub page: Page,
    /// Without so many of the newest.
    pub offset: u64,
}

/// Which withdrawals are wanted, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithdrawalsWanted {
    /// Of this asset.
    pub asset: Option<AssetId>,
    /// With this number of Binance's, which [`crate::names::withdrawal_status`] gives.
    pub status: Option<u64>,
    /// Of this name.
    pub name: Option<ClientOrderId>,
    /// Among these.
    pub ids: Option<Vec<WithdrawalId>>,
    /// By when they were requested; of the numbers only `limit` counts.
    pub page: Page,
    /// Without so many of the newest.
    pub offset: u64,
}

/// What an answer must not be older than.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    partition: PartitionId,
    position: LogPosition,
}

impl Gateway {
    /// Everything that the ledger has committed by now.
    async fn committed(&self) -> Result<Seen, ApiError> {
        Ok(Seen { partition: self.exchange.ledger(), position: self.committed_position().await? })
    }

    /// The same, with what became of the account's orders in a market that may have been taken.
    async fn arrived_in(&self, account: AccountId, market: MarketId) -> Result<Seen, ApiError> {
        let position = self.orders_up_to_date(account, |order| order.market == market).await?;
        Ok(Seen { partition: self.exchange.ledger(), position })
    }

    /// Everything of a market that this gateway has told by now.
    fn told(&self, market: MarketId) -> Result<Seen, ApiError> {
        let partition = self.exchange.reference().market(market).ok_or(errors::INVALID_SYMBOL)?.partition;
        Ok(Seen { partition, position: self.exchange.seen(partition) })
    }

    /// Everything of the ledger that this gateway has told by now.
    fn told_of_ledger(&self) -> Seen {
        let partition = self.exchange.ledger();
        Seen { partition, position: self.exchange.seen(partition) }
    }

    /// An account's deposits. What they are shown with (chains, addresses) this gateway has to know: so they are told as of
    /// what it has seen, after it has seen what was committed.
    pub(crate) async fn past_deposits(
        &self,
        account: AccountId,
        wanted: &DepositsWanted,
    ) -> Result<Vec<Deposit>, ApiError> {
        self.up_to_date().await?;
        match &self.history {
            History::Embedded => Ok(embedded::deposits(self, account, wanted)),
            History::Postgres(db) => db.deposits(self.told_of_ledger(), account, wanted).await,
        }
    }

    /// An account's withdrawals, as its deposits.
    pub(crate) async fn past_withdrawals(
        &self,
        account: AccountId,
        wanted: &WithdrawalsWanted,
    ) -> Result<Vec<WithdrawalChanged>, ApiError> {
        self.up_to_date().await?;
        match &self.history {
            History::Embedded => Ok(embedded::withdrawals(self, account, wanted)),
            History::Postgres(db) => db.withdrawals(self.told_of_ledger(), account, wanted).await,
        }
    }

    /// Orders of one market, by id.
    pub(crate) async fn past_orders(
        &self,
        account: AccountId,
        market: MarketId,
        page: &Page,
    ) -> Result<Vec<Order>, ApiError> {
        let is_from = |order: &Order| page.from.is_none_or(|from| order.id.get() >= from);
        let is_wanted = |order: &Order| order.market == market && is_from(order) && page.holds(order.created.millis());
        let position = self.orders_up_to_date(account, is_wanted).await?;
        match &self.history {
            History::Embedded => embedded::orders(self, account, market, page),
            History::Postgres(db) => {
                db.orders(Seen { partition: self.exchange.ledger(), position }, account, market, page).await
            }
        }
    }

    /// An order that memory does not have: an older one, if one was forgotten.
    pub(crate) async fn forgotten_order(
        &self,
        account: AccountId,
        market: MarketId,
        id: Option<OrderId>,
        name: Option<&ClientOrderId>,
    ) -> Result<Option<Order>, ApiError> {
        let forgets = self.exchange.accounts().get(account).is_some_and(|account| account.orders.has_forgotten());
        match &self.history {
            History::Postgres(db) if forgets => db.order(self.committed().await?, account, market, id, name).await,
            History::Embedded | History::Postgres(_) => Ok(None),
        }
    }

    /// Fills of one market, by trade, with the list of each one's order.
    pub(crate) async fn past_fills(
        &self,
        account: AccountId,
        market: MarketId,
        wanted: &FillsWanted,
    ) -> Result<Vec<(Fill, ListId)>, ApiError> {
        match &self.history {
            History::Embedded => embedded::fills(self, account, market, wanted).await,
            History::Postgres(db) => db.fills(self.arrived_in(account, market).await?, account, market, wanted).await,
        }
    }

    /// An order and how it was amended, from the execution `from` on.
    pub(crate) async fn past_amendments(
        &self,
        account: AccountId,
        market: MarketId,
        order: OrderId,
        from: u64,
        limit: usize,
    ) -> Result<(Order, Vec<Amendment>), ApiError> {
        match &self.history {
            History::Embedded => embedded::amendments(self, account, market, order, from, limit).await,
            History::Postgres(db) => {
                let seen = self.committed().await?;
                let order = db.order(seen, account, market, Some(order), None).await?.ok_or(errors::NO_SUCH_ORDER)?;
                let amendments = db.amendments(seen, &order, from, limit).await?;
                Ok((order, amendments))
            }
        }
    }

    /// Order lists, by id.
    pub(crate) async fn past_lists(&self, account: AccountId, page: &Page) -> Result<Vec<ListedOrders>, ApiError> {
        match &self.history {
            History::Embedded => embedded::lists(self, account, page).await,
            History::Postgres(db) => db.lists(self.committed().await?, account, page).await,
        }
    }

    /// A list that memory does not have: an older one, if one was forgotten.
    pub(crate) async fn forgotten_list(
        &self,
        account: AccountId,
        id: Option<ListId>,
        name: Option<&ClientOrderId>,
    ) -> Result<Option<ListedOrders>, ApiError> {
        let forgets = self.exchange.accounts().get(account).is_some_and(|account| account.lists.has_forgotten());
        match &self.history {
            History::Postgres(db) if forgets => db.list(self.committed().await?, account, id, name).await,
            History::Embedded | History::Postgres(_) => Ok(None),
        }
    }

    /// Trades that self-trade prevention prevented in one market, by number.
    pub(crate) async fn past_prevented(
        &self,
        account: AccountId,
        market: MarketId,
        wanted: &PreventedWanted,
    ) -> Result<Vec<PreventedMatch>, ApiError> {
        match &self.history {
            History::Embedded => embedded::prevented(self, account, market, wanted).await,
            History::Postgres(db) => {
                db.prevented(self.arrived_in(account, market).await?, account, market, wanted).await
            }
        }
    }

    /// Public trades of a market from a number on.
    pub(crate) async fn past_trades(&self, market: MarketId, from: u64, limit: usize) -> Result<Vec<Trade>, ApiError> {
        match &self.history {
            History::Embedded => Ok(embedded::market(self, market)?.trades_from(from, limit)),
            History::Postgres(db) => db.trades(self.told(market)?, market, from, limit).await,
        }
    }

    /// Aggregated trades of a market.
    pub(crate) async fn past_agg_trades(
        &self,
        market: MarketId,
        wanted: AggWanted,
        limit: usize,
    ) -> Result<Vec<AggTrade>, ApiError> {
        match &self.history {
            History::Embedded => Ok(embedded::market(self, market)?.aggregated_trades(wanted, limit)),
            History::Postgres(db) => db.agg_trades(self.told(market)?, market, wanted, limit).await,
        }
    }

    /// Klines of a market.
    pub(crate) async fn past_klines(&self, market: MarketId, wanted: KlinesWanted) -> Result<Vec<Kline>, ApiError> {
        match &self.history {
            History::Embedded => Ok(embedded::market(self, market)?.klines(wanted)),
            History::Postgres(db) => db.klines(self.told(market)?, market, wanted).await,
        }
    }
}

#[cfg(test)]
mod tests;
