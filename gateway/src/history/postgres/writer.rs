//! Writes one partition's history: from where the database is, in the order of the log, each command once.
//!
//! A batch of rows and the position it reaches are one transaction, which moves the position only from where this
//! writer believes it to be. So whatever is killed at whatever moment, the next writer goes on behind the last command
//! that is in the tables, and a writer that was overtaken changes nothing.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cluster_client::StreamItem;
use futures_util::FutureExt;
use tokio::time::Instant;
use tokio_postgres::{Client, Statement, Transaction};
use wire::PartitionId;

use super::fold::{Contradiction, Fold, Past, Rows};
use super::lane::{Lane, State, Written};
use super::rows::*;
use super::schema::{self, signed};
use super::{Postgres, config};
use crate::history::log::{Follow, Log};

/// A batch is written when it has so many rows, or spans so many commands,
const ROWS_MAX: usize = 5_000;
const COMMANDS_MAX: usize = 20_000;
/// or so long after its first command, or when a reader waits for it.
const LINGER: Duration = Duration::from_millis(50);
/// How often an idle writer looks whether the database is still there.
const IDLE_PERIOD: Duration = Duration::from_millis(500);
/// How long the database may take for a batch.
const BATCH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take to bring its tables to a version, and to say how far it is.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a gateway that does not write looks whether it should, and while its readers wait.
const STANDBY_PERIOD: Duration = Duration::from_millis(200);
const STANDBY_PERIOD_AWAITED: Duration = Duration::from_millis(10);
/// How soon it is tried again, at first and at last.
const PATIENCE_MIN: Duration = Duration::from_millis(50);
const PATIENCE_MAX: Duration = Duration::from_secs(1);
/// A database that is refused is looked at again, in case it was replaced.
const PATIENCE_REFUSED: Duration = Duration::from_secs(5);

/// Why a writer stopped.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("the database does not answer: {}", said(.0))]
    Database(#[from] tokio_postgres::Error),
    #[error("the database closed the connection")]
    Closed,
    #[error("the database did not answer in time")]
    TimedOut,
    #[error("the cluster cannot say up to where its log is committed")]
    NoLeader,
    /// It is begun anew: what it had not written is read from the log again.
    #[error("the writer has failed, which is a bug")]
    Panicked,
    #[error("another gateway has written since")]
    Overtaken,
    #[error("{0}")]
    Refused(String),
    /// The client of the cluster has been shut down.
    #[error("the log has ended")]
    Ended,
}

impl From<tokio::time::error::Elapsed> for WriteError {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        WriteError::TimedOut
    }
}

impl From<Unreadable> for WriteError {
    fn from(why: Unreadable) -> Self {
        WriteError::Refused(why.to_string())
    }
}

impl From<Contradiction> for WriteError {
    fn from(why: Contradiction) -> Self {
        WriteError::Refused(format!("{why}. Give the gateway an empty database, which it fills from the log"))
    }
}

/// What the server said is a level below what the client says of it.
fn said(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => format!("{} ({})", error.message(), error.code().code()),
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}

/// Writes for ever.
pub(super) async fn run(db: &Postgres, log: &dyn Log, partition: PartitionId) {
    let lane = db.lane(partition);
    let place = db.config.place();
    let mut patience = PATIENCE_MIN;
    loop {
        let before = lane.written().position;
        let error = match AssertUnwindSafe(write(db, log, lane)).catch_unwind().await {
            Ok(Err(error)) => error,
            Err(_) => WriteError::Panicked,
        };
        if lane.written().position > before {
            patience = PATIENCE_MIN;
        }
        lane.waiting.store(0, Ordering::Relaxed);
        match error {
            WriteError::Ended => return,
            WriteError::Overtaken => {
                tracing::warn!(%partition, %place, %error, "history is written by another gateway")
            }
            WriteError::Refused(why) => {
                lane.refusals.fetch_add(1, Ordering::Relaxed);
                if lane.enter(State::Refused) {
                    tracing::error!(%partition, %place, why, "history's database is refused; trading goes on without history");
                }
                tokio::time::sleep(PATIENCE_REFUSED).await;
                continue;
            }
            error => {
                lane.failures.fetch_add(1, Ordering::Relaxed);
                if lane.enter(State::Down) {
                    tracing::warn!(%partition, %place, %error, "history is not written; trading goes on, and it will catch up");
                }
            }
        }
        tokio::time::sleep(patience).await;
        patience = (2 * patience).min(PATIENCE_MAX);
    }
}

/// From a new connection on, until something is wrong with it.
pub(super) async fn write(db: &Postgres, log: &dyn Log, lane: &Lane) -> Result<std::convert::Infallible, WriteError> {
    let mut client = tokio::time::timeout(2 * config::CONNECT_TIMEOUT, db.config.connect()).await??;
    tokio::time::timeout(OPEN_TIMEOUT, schema::migrate(&mut client)).await??;
    tokio::time::timeout(BATCH_TIMEOUT, schema::claim(&client, db.epoch)).await??;
    stand_by(&client, log, lane).await?;
    let mut writer = tokio::time::timeout(OPEN_TIMEOUT, Writer::open(client, lane, db.ledger)).await??;
    lane.set_written(writer.written);
    lane.enter(State::Writing);
    let from = writer.written.position;
    tracing::info!(partition = %lane.partition, %from, "history is written from here on");
    let mut stream = log.follow(lane.partition, from.next());
    loop {
        writer.collect(&mut *stream, lane).await?;
        tokio::time::timeout(BATCH_TIMEOUT, writer.flush(lane)).await??;
    }
}

/// Waits for the right to write, and lets readers know meanwhile how far the other gateway is.
async fn stand_by(client: &Client, log: &dyn Log, lane: &Lane) -> Result<(), WriteError> {
    loop {
        let found = tokio::time::timeout(BATCH_TIMEOUT, schema::written(client, lane.partition)).await??;
        if lane.state() != State::Standby {
            // Once: it can only be ahead because the cluster is not what it was.
            let committed = log.committed(lane.partition).await.ok_or(WriteError::NoLeader)?;
            if found.position > committed {
                return Err(WriteError::Refused(format!(
                    "it holds partition {} up to position {}, and the cluster's log ends at {committed}: it is the \
                     history of another cluster, or of one before it was restored. Give the gateway an empty database, \
                     which it fills from the log",
                    lane.partition, found.position
                )));
            }
        }
        lane.set_written(found);
        if tokio::time::timeout(BATCH_TIMEOUT, schema::try_lock(client, lane.partition)).await?? {
            return Ok(());
        }
        lane.enter(State::Standby);
        if lane.is_awaited(found.position) {
            tokio::time::sleep(STANDBY_PERIOD_AWAITED).await;
        } else {
            // A reader that comes ends it.
            let _ = tokio::time::timeout(STANDBY_PERIOD, lane.wanted()).await;
        }
    }
}

/// A connection with the right to write.
struct Writer {
    client: Client,
    statements: Statements,
    fold: Fold,
    /// What is in the database.
    written: Written,
    /// What has been taken from the log.
    taken: Written,
}

impl Writer {
    async fn open(client: Client, lane: &Lane, ledger: PartitionId) -> Result<Writer, WriteError> {
        let partition = i64::from(lane.partition.get());
        client.execute("INSERT INTO mainstay.progress VALUES ($1, 0, 0) ON CONFLICT DO NOTHING", &[&partition]).await?;
        let written = schema::written(&client, lane.partition).await?;
        let fold = Fold::resume(lane.partition, &past(&client, lane.partition, ledger).await?)?;
        let statements = Statements::prepare(&client).await?;
        Ok(Writer { client, statements, fold, written, taken: written })
    }

    /// Takes a batch from the log: at least one item.
    async fn collect(&mut self, stream: &mut dyn Follow, lane: &Lane) -> Result<(), WriteError> {
        let item = loop {
            tokio::select! {
                biased;
                item = stream.next() => break item.ok_or(WriteError::Ended)?,
                // A database that went away while nothing happened is noticed too.
                () = tokio::time::sleep(IDLE_PERIOD) => self.is_open()?,
            }
        };
        self.take(item)?;
        let deadline = Instant::now() + LINGER;
        for _ in 1..COMMANDS_MAX {
            if self.fold.waiting() >= ROWS_MAX {
                break;
            }
            if lane.is_awaited(self.written.position) && lane.satisfies(self.taken.position) {
                break;
            }
            tokio::select! {
                biased;
                item = stream.next() => self.take(item.ok_or(WriteError::Ended)?)?,
                () = lane.wanted() => {}
                () = tokio::time::sleep_until(deadline) => break,
            }
        }
        lane.waiting.store(stream.waiting() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn is_open(&self) -> Result<(), WriteError> {
        if self.client.is_closed() { Err(WriteError::Closed) } else { Ok(()) }
    }

    fn take(&mut self, item: StreamItem) -> Result<(), WriteError> {
        match item {
            StreamItem::Events { position, timestamp, events, .. } => {
                self.fold.apply(position, timestamp, &events)?;
                self.taken = Written { position, log_time: timestamp.max(self.taken.log_time) };
            }
            StreamItem::Progress { position } => self.taken.position = position.max(self.taken.position),
        }
        Ok(())
    }

    /// Writes what was taken, all of it or nothing.
    async fn flush(&mut self, lane: &Lane) -> Result<(), WriteError> {
        if self.taken == self.written {
            return Ok(());
        }
        let rows = self.fold.take();
        let transaction = self.client.transaction().await?;
        let moved = transaction
            .execute(
                &self.statements.progress,
                &[
                    &i64::from(lane.partition.get()),
                    &signed(self.written.position.get()),
                    &signed(self.taken.position.get()),
                    &signed(self.taken.log_time.nanos()),
                ],
            )
            .await?;
        if moved != 1 {
            return Err(WriteError::Overtaken);
        }
        let count = self.statements.write(&transaction, &rows).await?;
        transaction.commit().await?;
        self.written = self.taken;
        lane.rows.fetch_add(count, Ordering::Relaxed);
        lane.set_written(self.written);
        Ok(())
    }
}

/// What later events of the partition build upon. Orders and lists are in the ledger's alone.
async fn past(client: &Client, partition: PartitionId, ledger: PartitionId) -> Result<Past, WriteError> {
    let own = i64::from(partition.get());
    let mut past = Past { tapes: select(client, "WHERE partition = $1", &[&own]).await?, ..Past::default() };
    if partition == ledger {
        past.open_orders = select(client, "WHERE is_open", &[]).await?;
        past.open_lists = select(client, "WHERE is_open", &[]).await?;
    }
    for tape in &past.tapes {
        let market = i64::from(tape.market);
        past.last_trades
            .extend(select::<TradeRow>(client, "WHERE market = $1 ORDER BY id DESC LIMIT 1", &[&market]).await?);
        for interval in crate::market_data::Interval::ALL {
            let rest = "WHERE market = $1 AND length = $2 ORDER BY open_ms DESC LIMIT 1";
            past.last_klines.extend(select::<KlineRow>(client, rest, &[&market, &interval.name()]).await?);
        }
    }
    Ok(past)
}

async fn select<R: Row>(
    client: &Client,
    rest: &str,
    params: &[&(dyn tokio_postgres::types::ToSql + Sync)],
) -> Result<Vec<R>, WriteError> {
    let rows = client.query(&R::select(rest), params).await?;
    rows.iter().map(|row| Ok(R::read(row.try_get(0)?)?)).collect()
}

/// One statement a table.
struct Statements {
    progress: Statement,
    tables: Vec<(&'static str, Statement)>,
}

impl Statements {
    async fn prepare(client: &Client) -> Result<Statements, WriteError> {
        let progress = client
            .prepare(
                "UPDATE mainstay.progress SET position = $3, log_time_ns = $4 WHERE partition = $1 AND position = $2",
            )
            .await?;
        let mut tables = Vec::new();
        for (table, sql) in [
            (AssetRow::TABLE, AssetRow::upsert()),
            (MarketRow::TABLE, MarketRow::upsert()),
            (OrderRow::TABLE, OrderRow::upsert()),
            (FillRow::TABLE, FillRow::upsert()),
            (AmendmentRow::TABLE, AmendmentRow::upsert()),
            (ListRow::TABLE, ListRow::upsert()),
            (PreventedRow::TABLE, PreventedRow::upsert()),
            (TradeRow::TABLE, TradeRow::upsert()),
            (AggTradeRow::TABLE, AggTradeRow::upsert()),
            (KlineRow::TABLE, KlineRow::upsert()),
            (TapeRow::TABLE, TapeRow::upsert()),
            (ChainRow::TABLE, ChainRow::upsert()),
            (ChainAssetRow::TABLE, ChainAssetRow::upsert()),
            (DepositRow::TABLE, DepositRow::upsert()),
            (WithdrawalRow::TABLE, WithdrawalRow::upsert()),
        ] {
            tables.push((table, client.prepare(&sql).await?));
        }
        Ok(Statements { progress, tables })
    }

    async fn write(&self, to: &Transaction<'_>, rows: &Rows) -> Result<u64, WriteError> {
        Ok(self.table(to, &rows.assets).await?
            + self.table(to, &rows.markets).await?
            + self.table(to, &rows.orders).await?
            + self.table(to, &rows.fills).await?
            + self.table(to, &rows.amendments).await?
            + self.table(to, &rows.lists).await?
            + self.table(to, &rows.prevented).await?
            + self.table(to, &rows.trades).await?
            + self.table(to, &rows.agg_trades).await?
            + self.table(to, &rows.klines).await?
            + self.table(to, &rows.tapes).await?
            + self.table(to, &rows.chains).await?
            + self.table(to, &rows.chain_assets).await?
            + self.table(to, &rows.deposits).await?
            + self.table(to, &rows.withdrawals).await?)
    }

    async fn table<R: Row>(&self, to: &Transaction<'_>, rows: &[R]) -> Result<u64, WriteError> {
        if rows.is_empty() {
            return Ok(0);
        }
        let (_, statement) = self.tables.iter().find(|(table, _)| *table == R::TABLE).expect("every table is prepared");
        let json = serde_json::to_string(rows).expect("numbers and texts are always JSON");
        Ok(to.execute(statement, &[&json]).await?)
    }
}
