//! The tables' versions, and whose history they hold.

use sha2::{Digest, Sha256};
use tokio_postgres::{Client, GenericClient};
use wire::{ClusterEpoch, LogPosition, PartitionId, Timestamp};

use super::lane::Written;
use super::writer::WriteError;

/// Each migration once, in order. What has been released is never changed.
const MIGRATIONS: &[(i64, &str)] = &[(1, include_str!("0001.sql"))];
/// The namespace of our advisory locks: "Mainstay" cut to 32 bits.
const LOCKS: i32 = 0x4d61_696e;
/// The lock of migrations; those of partitions are their numbers, from 1.
const MIGRATION_LOCK: i32 = 0;

/// Brings the tables to the newest version. Gateways that start at once do so one after the other.
pub(super) async fn migrate(client: &mut Client) -> Result<(), WriteError> {
    let newest = MIGRATIONS.last().map_or(0, |(version, _)| *version);
    if version(client).await? == Some(newest) {
        return are_ours(client).await;
    }
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1, $2)", &[&LOCKS, &MIGRATION_LOCK]).await?;
    transaction
        .batch_execute(
            "CREATE SCHEMA IF NOT EXISTS mainstay;
             CREATE TABLE IF NOT EXISTS mainstay.migrations (
                 version bigint PRIMARY KEY, content text NOT NULL, made_at timestamptz NOT NULL DEFAULT now()
             );",
        )
        .await?;
    let found = version(&transaction).await?.unwrap_or(0);
    if found > newest {
        return Err(WriteError::Refused(format!(
            "its tables are of version {found}, and this release knows {newest}: a newer release has written them"
        )));
    }
    are_ours(&transaction).await?;
    for (version, sql) in MIGRATIONS.iter().filter(|(version, _)| *version > found) {
        transaction.batch_execute(sql).await?;
        let made = "INSERT INTO mainstay.migrations (version, content) VALUES ($1, $2)";
        transaction.execute(made, &[version, &content(sql)]).await?;
        tracing::info!(version, "history's tables were brought to a version");
    }
    transaction.commit().await?;
    Ok(())
}

/// Refuses tables that were made by other text than this build's: a migration changes until it is released.
async fn are_ours(client: &impl GenericClient) -> Result<(), WriteError> {
    // Builds from before it was noted have no such column.
    let made = "SELECT version, to_jsonb(made)->>'content' FROM mainstay.migrations made ORDER BY version";
    for row in client.query(made, &[]).await? {
        let (version, found): (i64, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
        let ours = MIGRATIONS.iter().find(|(known, _)| *known == version).map(|(_, sql)| content(sql));
        if found != ours {
            return Err(WriteError::Refused(format!(
                "its tables of version {version} were made by another build of Mainstay, and may be other ones. Nothing is \
                 only there: DROP SCHEMA mainstay CASCADE, and the gateway fills it again from the log"
            )));
        }
    }
    Ok(())
}

/// What tells one text of a migration from another.
fn content(sql: &str) -> String {
    hex::encode(Sha256::digest(sql.as_bytes()))
}

async fn version(client: &impl GenericClient) -> Result<Option<i64>, WriteError> {
    let exists = client.query_one("SELECT to_regclass('mainstay.migrations') IS NOT NULL", &[]).await?;
    if !exists.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    Ok(client.query_one("SELECT max(version) FROM mainstay.migrations", &[]).await?.try_get(0)?)
}

/// An empty database becomes that of this life of the cluster; one of another life is refused.
pub(super) async fn claim(client: &Client, epoch: ClusterEpoch) -> Result<(), WriteError> {
    let own = signed(epoch.get());
    client.execute("INSERT INTO mainstay.cluster (epoch) VALUES ($1) ON CONFLICT DO NOTHING", &[&own]).await?;
    let found: i64 = client.query_one("SELECT epoch FROM mainstay.cluster", &[]).await?.try_get(0)?;
    match found.cmp(&own) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(WriteError::Refused(format!(
            "it holds the history of epoch {found}, and the cluster was restored since and is in epoch {own}: what it \
             holds may never have happened. Give the gateway an empty database, which it fills from the log"
        ))),
        std::cmp::Ordering::Greater => Err(WriteError::Refused(format!(
            "it holds the history of epoch {found}, and the gateway's configuration names the older epoch {own}"
        ))),
    }
}

/// Takes the right to write a partition, if no other gateway has it. It ends with the connection.
pub(super) async fn try_lock(client: &Client, partition: PartitionId) -> Result<bool, WriteError> {
    let own = i32::from(partition.get());
    Ok(client.query_one("SELECT pg_try_advisory_lock($1, $2)", &[&LOCKS, &own]).await?.try_get(0)?)
}

/// How far a partition's log is written.
pub(super) async fn written(
    client: &impl GenericClient,
    partition: PartitionId,
) -> Result<Written, tokio_postgres::Error> {
    let row = client
        .query_opt(
            "SELECT position, log_time_ns FROM mainstay.progress WHERE partition = $1",
            &[&i64::from(partition.get())],
        )
        .await?;
    let Some(row) = row else { return Ok(Written::default()) };
    Ok(Written {
        position: LogPosition::new(unsigned(row.try_get(0)?)),
        log_time: Timestamp::from_nanos(unsigned(row.try_get(1)?)),
    })
}

/// As the database has it. Positions, ids and times are far below 2^63.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
