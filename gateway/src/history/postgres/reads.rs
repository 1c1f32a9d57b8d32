//! Answers from the tables.

use std::sync::Arc;

use deadpool_postgres::Object;
use tokio::runtime::Handle;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Error;
use tokio_postgres::types::ToSql;
use wire::{AccountId, ClientOrderId, ListId, MarketId, OrderId};

use super::Postgres;
use super::config::HistoryConfig;
use super::rows::*;
use super::schema::{self, signed};
use crate::accounts::{Amendment, Fill, Order, OrderList, PreventedMatch};
use crate::errors::{self, ApiError};
use crate::history::{FillsWanted, ListedOrders, Page, PreventedWanted, Seen};
use crate::market_data::klines::{Kline, KlinesWanted};
use crate::market_data::trades::{AggTrade, AggWanted, Trade};

type Param<'a> = &'a (dyn ToSql + Sync);

/// A connection to tables that hold everything that its reader must see.
pub(super) struct Reader<'a> {
    /// Until it is dropped.
    connection: Option<Object>,
    config: &'a Arc<HistoryConfig>,
    /// The database works on something.
    is_asking: bool,
    deadline: Instant,
    _place: SemaphorePermit<'a>,
}

impl Reader<'_> {
    pub(super) async fn rows<R: Row>(&mut self, rest: &str, params: &[Param<'_>]) -> Result<Vec<R>, ApiError> {
        let sql = R::select(rest);
        let rows = self.ask(async |connection| {
            let statement = connection.prepare_cached(&sql).await?;
            connection.query(&statement, params).await
        });
        rows.await?.iter().map(|row| R::read(row.try_get(0).map_err(failed)?).map_err(unreadable)).collect()
    }

    /// Whoever gives up, or is given up, in the midst of it leaves a connection that nobody else should wait for.
    async fn ask<T>(&mut self, ask: impl AsyncFnOnce(&Object) -> Result<T, Error>) -> Result<T, ApiError> {
        let connection = self.connection.as_ref().ok_or(errors::NO_HISTORY)?;
        self.is_asking = true;
        let answer = timeout_at(self.deadline, ask(connection)).await.map_err(|_| errors::HISTORY_BEHIND)?;
        self.is_asking = false;
        answer.map_err(failed)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take_if(|_| self.is_asking) else { return };
        let (client, config) = (Object::take(connection), Arc::clone(self.config));
        let (of, runtime) = (client.cancel_token(), Handle::try_current());
        if let Ok(runtime) = runtime {
            runtime.spawn(async move { config.cancel(of).await });
        }
    }
}

fn failed(error: tokio_postgres::Error) -> ApiError {
    tracing::debug!(%error, "history could not be read");
    errors::NO_HISTORY
}

pub(super) fn unreadable(error: Unreadable) -> ApiError {
    tracing::error!(%error, "history's database has been changed by others");
    errors::NO_HISTORY
}

impl Postgres {
    /// Waits until everything of the partition up to `seen` is in the tables.
    pub(super) async fn reader(&self, seen: Seen) -> Result<Reader<'_>, ApiError> {
        let Seen { partition, position } = seen;
        let place = self.readers.try_acquire().map_err(|_| errors::BUSY)?;
        let deadline = Instant::now() + self.read_timeout;
        let lane = self.lanes.get(&partition).ok_or(errors::NO_HISTORY)?;
        match timeout_at(deadline, lane.wait_for(position)).await {
            Ok(true) => {}
            Ok(false) => return Err(errors::NO_HISTORY),
            Err(_) => return Err(errors::HISTORY_BEHIND),
        }
        let connection = timeout_at(deadline, self.pool.get()).await.map_err(|_| errors::HISTORY_BEHIND)?;
        let connection = connection.map_err(|error| {
            tracing::debug!(%error, "no connection to history's database");
            errors::NO_HISTORY
        })?;
        let mut reader =
            Reader { connection: Some(connection), config: &self.config, is_asking: false, deadline, _place: place };
        // A database that stopped may have lost the last moments, which are written again: what counts is what it says on
        // the connection that is read from.
        let there = reader.ask(async |connection| schema::written(&***connection, partition).await).await?;
        if there.position < position {
            return Err(errors::HISTORY_BEHIND);
        }
        Ok(reader)
    }

    pub(in crate::history) async fn order(
        &self,
        seen: Seen,
        account: AccountId,
        market: MarketId,
        id: Option<OrderId>,
        name: Option<&ClientOrderId>,
    ) -> Result<Option<Order>, ApiError> {
        let mut reader = self.reader(seen).await?;
        let name = name.map(ClientOrderId::as_str);
        let rows: Vec<OrderRow> = match id {
            Some(id) => {
                let rest = "WHERE account = $1 AND market = $2 AND id = $3 \
                            AND ($4::text IS NULL OR client_order_id = $4)";
                reader.rows(rest, &[&of(account), &in_market(market), &signed(id.get()), &name]).await?
            }
            None => {
                let rest = "WHERE account = $1 AND market = $2 AND client_order_id = $3 ORDER BY id DESC LIMIT 1";
                reader.rows(rest, &[&of(account), &in_market(market), &name]).await?
            }
        };
        rows.first().map(|row| row.order().map_err(unreadable)).transpose()
    }

    pub(in crate::history) async fn orders(
        &self,
        seen: Seen,
        account: AccountId,
        market: MarketId,
        page: &Page,
    ) -> Result<Vec<Order>, ApiError> {
        let rest = format!(
            "WHERE account = $1 AND market = $2 AND id >= $3 AND created_ns >= $4 AND created_ns <= $5 \
             AND status <> 'REJECTED' ORDER BY id {} LIMIT $6",
            page.direction()
        );
        let (from, [start, end]) = (signed(page.from.unwrap_or(0)), page.nanos());
        let mut reader = self.reader(seen).await?;
        let rows: Vec<OrderRow> =
            reader.rows(&rest, &[&of(account), &in_market(market), &from, &start, &end, &page.limit()]).await?;
        page.in_order(rows.iter().map(|row| row.order().map_err(unreadable)))
    }

    pub(in crate::history) async fn fills(
        &self,
        seen: Seen,
        account: AccountId,
        market: MarketId,
        wanted: &FillsWanted,
    ) -> Result<Vec<(Fill, ListId)>, ApiError> {
        let page = &wanted.page;
        let (from, [start, end]) = (signed(page.from.unwrap_or(0)), page.nanos());
        let times = "trade >= $3 AND time_ns >= $4 AND time_ns <= $5";
        let mut reader = self.reader(seen).await?;
        let rows: Vec<FillRow> = match wanted.order {
            Some(order) => {
                let rest =
                    format!("WHERE account = $1 AND market = $2 AND {times} AND order_id = $7 ORDER BY trade LIMIT $6");
                let order = signed(order.get());
                let params: [Param<'_>; 7] =
                    [&of(account), &in_market(market), &from, &start, &end, &page.limit(), &order];
                return fills(reader.rows(&rest, &params).await?);
            }
            None => {
                let way = page.direction();
                let rest = format!(
                    "WHERE account = $1 AND market = $2 AND {times} ORDER BY trade {way}, order_id {way} LIMIT $6"
                );
                reader.rows(&rest, &[&of(account), &in_market(market), &from, &start, &end, &page.limit()]).await?
            }
        };
        page.in_order(fills(rows)?.into_iter().map(Ok))
    }

    pub(in crate::history) async fn amendments(
        &self,
        seen: Seen,
        order: &Order,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Amendment>, ApiError> {
        let mut reader = self.reader(seen).await?;
        let rest = "WHERE market = $1 AND order_id = $2 AND execution >= $3 ORDER BY execution LIMIT $4";
        let (id, from) = (signed(order.id.get()), signed(from));
        let rows: Vec<AmendmentRow> =
            reader.rows(rest, &[&in_market(order.market), &id, &from, &bounded(limit)]).await?;
        rows.iter().map(|row| row.amendment().map_err(unreadable)).collect()
    }

    pub(in crate::history) async fn list(
        &self,
        seen: Seen,
        account: AccountId,
        id: Option<ListId>,
        name: Option<&ClientOrderId>,
    ) -> Result<Option<ListedOrders>, ApiError> {
        let mut reader = self.reader(seen).await?;
        let rows: Vec<ListRow> = match id {
            Some(id) => reader.rows("WHERE account = $1 AND id = $2", &[&of(account), &signed(id.get())]).await?,
            None => {
                let rest = "WHERE account = $1 AND client_order_id = $2 ORDER BY id DESC LIMIT 1";
                reader.rows(rest, &[&of(account), &name.map(ClientOrderId::as_str)]).await?
            }
        };
        Ok(named(&mut reader, account, rows).await?.pop())
    }

    pub(in crate::history) async fn lists(
        &self,
        seen: Seen,
        account: AccountId,
        page: &Page,
    ) -> Result<Vec<ListedOrders>, ApiError> {
        let rest = format!(
            "WHERE account = $1 AND id >= $2 AND created_ns >= $3 AND created_ns <= $4 ORDER BY id {} LIMIT $5",
            page.direction()
        );
        let (from, [start, end]) = (signed(page.from.unwrap_or(0)), page.nanos());
        let mut reader = self.reader(seen).await?;
        let rows = reader.rows(&rest, &[&of(account), &from, &start, &end, &page.limit()]).await?;
        page.in_order(named(&mut reader, account, rows).await?.into_iter().map(Ok))
    }

    pub(in crate::history) async fn prevented(
        &self,
        seen: Seen,
        account: AccountId,
        market: MarketId,
        wanted: &PreventedWanted,
    ) -> Result<Vec<PreventedMatch>, ApiError> {
        let mut reader = self.reader(seen).await?;
        let rest = "WHERE market = $1 AND (taker_account = $2 OR maker_account = $2) \
                    AND ($3::bigint IS NULL OR id = $3) \
                    AND ($4::bigint IS NULL OR taker = $4 OR maker = $4) \
                    AND id >= $5 ORDER BY id LIMIT $6";
        let id = wanted.id.map(signed);
        let order = wanted.order.map(|order| signed(order.get()));
        let from = signed(wanted.from.unwrap_or(0));
        let params: [Param<'_>; 6] = [&in_market(market), &of(account), &id, &order, &from, &bounded(wanted.limit)];
        let rows: Vec<PreventedRow> = reader.rows(rest, &params).await?;
        rows.iter().map(|row| row.prevented().map_err(unreadable)).collect()
    }

    pub(in crate::history) async fn trades(
        &self,
        seen: Seen,
        market: MarketId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Trade>, ApiError> {
        let mut reader = self.reader(seen).await?;
        let rest = "WHERE market = $1 AND id >= $2 ORDER BY id LIMIT $3";
        let rows: Vec<TradeRow> = reader.rows(rest, &[&in_market(market), &signed(from), &bounded(limit)]).await?;
        Ok(rows.iter().map(TradeRow::trade).collect())
    }

    pub(in crate::history) async fn agg_trades(
        &self,
        seen: Seen,
        market: MarketId,
        wanted: AggWanted,
        limit: usize,
    ) -> Result<Vec<AggTrade>, ApiError> {
        let mut reader = self.reader(seen).await?;
        let (market, limit) = (in_market(market), bounded(limit));
        let mut rows: Vec<AggTradeRow> = match wanted {
            AggWanted::FromId(from) => {
                let rest = "WHERE market = $1 AND id >= $2 ORDER BY id LIMIT $3";
                reader.rows(rest, &[&market, &signed(from), &limit]).await?
            }
            AggWanted::Times { start_ms: Some(start_ms), end_ms } => {
                let rest = "WHERE market = $1 AND time_ms >= $2 AND time_ms <= $3 ORDER BY time_ms, id LIMIT $4";
                let end = end_ms.map_or(i64::MAX, signed);
                reader.rows(rest, &[&market, &signed(start_ms), &end, &limit]).await?
            }
            AggWanted::Times { start_ms: None, end_ms } => {
                let rest = "WHERE market = $1 AND time_ms <= $2 ORDER BY time_ms DESC, id DESC LIMIT $3";
                let end = end_ms.map_or(i64::MAX, signed);
                reader.rows(rest, &[&market, &end, &limit]).await?
            }
        };
        rows.sort_by_key(|row| row.id);
        Ok(rows.iter().map(AggTradeRow::trade).collect())
    }

    pub(in crate::history) async fn klines(
        &self,
        seen: Seen,
        market: MarketId,
        wanted: KlinesWanted,
    ) -> Result<Vec<Kline>, ApiError> {
        let mut reader = self.reader(seen).await?;
        let (market, length) = (in_market(market), wanted.span.parts().name());
        let of_length = "WHERE market = $1 AND length = $2";
        let oldest = format!("{of_length} ORDER BY open_ms LIMIT 1");
        let newest = format!("{of_length} ORDER BY open_ms DESC LIMIT 1");
        let oldest: Vec<KlineRow> = reader.rows(&oldest, &[&market, &length]).await?;
        let newest: Vec<KlineRow> = reader.rows(&newest, &[&market, &length]).await?;
        let (Some(oldest), Some(newest)) = (oldest.first(), newest.first()) else { return Ok(Vec::new()) };
        let page = wanted.page(oldest.open_ms, newest.open_ms);
        let Some(last_ms) = page.opens(wanted.span).last() else { return Ok(Vec::new()) };
        // Those of the page, and the last one before it, from which intervals without trades have their price.
        let rest = format!(
            "{of_length} AND open_ms < $4 AND open_ms >= coalesce(\
             (SELECT max(open_ms) FROM mainstay.klines {of_length} AND open_ms <= $3), $3) ORDER BY open_ms"
        );
        let (first, end) = (signed(page.first_ms), signed(wanted.span.next(last_ms)));
        let rows: Vec<KlineRow> = reader.rows(&rest, &[&market, &length, &first, &end]).await?;
        Ok(wanted.read(page, rows.iter().map(KlineRow::kline).collect()))
    }
}

/// Lists with their orders' names.
async fn named(reader: &mut Reader<'_>, account: AccountId, rows: Vec<ListRow>) -> Result<Vec<ListedOrders>, ApiError> {
    let lists: Vec<OrderList> = rows.iter().map(|row| row.list().map_err(unreadable)).collect::<Result<_, _>>()?;
    let ids: Vec<i64> = lists.iter().flat_map(|list| &list.orders).map(|order| signed(order.get())).collect();
    let markets: Vec<i64> = lists.iter().map(|list| in_market(list.market)).collect();
    let rest = "WHERE account = $1 AND market = ANY($2) AND id = ANY($3)";
    let orders: Vec<OrderRow> =
        if ids.is_empty() { Vec::new() } else { reader.rows(rest, &[&of(account), &markets, &ids]).await? };
    let name = |id: &OrderId| {
        let known = orders.iter().find(|order| order.id == id.get());
        known.and_then(|order| ClientOrderId::new(order.client_order_id.as_bytes()).ok()).unwrap_or_default()
    };
    let with_names = |list: OrderList| {
        let names = list.orders.iter().map(name).collect();
        ListedOrders { list, names }
    };
    Ok(lists.into_iter().map(with_names).collect())
}

fn fills(rows: Vec<FillRow>) -> Result<Vec<(Fill, ListId)>, ApiError> {
    rows.iter().map(|row| Ok((row.fill().map_err(unreadable)?, ListId::new(row.list_id)))).collect()
}

pub(super) fn of(account: AccountId) -> i64 {
    i64::from(account.get())
}

fn in_market(market: MarketId) -> i64 {
    i64::from(market.get())
}

fn bounded(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

impl Page {
    pub(super) fn limit(&self) -> i64 {
        bounded(self.limit)
    }

    fn direction(&self) -> &'static str {
        if self.is_from_the_start() { "ASC" } else { "DESC" }
    }

    /// The first and the last nanosecond.
    pub(super) fn nanos(&self) -> [i64; 2] {
        let first = self.start_ms.map_or(0, |start| signed(start.saturating_mul(1_000_000)));
        let last = self.end_ms.map_or(i64::MAX, |end| signed(end.saturating_mul(1_000_000).saturating_add(999_999)));
        [first, last]
    }

    /// Whichever end they were read from.
    fn in_order<T>(&self, items: impl Iterator<Item = Result<T, ApiError>>) -> Result<Vec<T>, ApiError> {
        let mut items = items.collect::<Result<Vec<T>, ApiError>>()?;
        if !self.is_from_the_start() {
            items.reverse();
        }
        Ok(items)
    }
}
