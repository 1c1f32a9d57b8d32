//! Writers for tests, which end where a test wants them to.

use std::sync::Arc;
use std::time::Duration;

use wire::{ClusterEpoch, LogPosition};

use super::{Postgres, schema, writer};
use crate::gateway::Gateway;
use crate::history::tests::Fed;
use crate::history::{History, HistoryConfig};
use crate::testing::{FakeLedger, LEDGER};

pub(in crate::history) const TABLES: [&str; 16] = [
    "progress",
    "assets",
    "markets",
    "orders",
    "fills",
    "amendments",
    "order_lists",
    "prevented_matches",
    "trades",
    "agg_trades",
    "klines",
    "tapes",
    "chains",
    "chain_assets",
    "deposits",
    "withdrawals",
];

fn database(server: &str, name: &str, epoch: u64) -> Arc<Postgres> {
    let config = HistoryConfig::read(&format!("{server} dbname={name}"), None, None).unwrap();
    let timeout = Duration::from_secs(4);
    Arc::new(Postgres::new(config, ClusterEpoch::new(epoch), LEDGER, &[LEDGER], timeout))
}

/// Writes until a position is in the database, and ends there.
pub(in crate::history) async fn write_until(server: &str, name: &str, ledger: &Arc<FakeLedger>, position: LogPosition) {
    let db = database(server, name, 1);
    let log: Arc<Fed> = Arc::new(Fed(Arc::clone(ledger)));
    let writing = tokio::spawn(Arc::clone(&db).write(log, LEDGER));
    let reached = tokio::time::timeout(Duration::from_secs(20), db.lane(LEDGER).wait_for(position)).await;
    assert_eq!(reached, Ok(true), "written within 20 s");
    writing.abort();
    let _ = writing.await;
}

/// Waits until a gateway's writer has refused its database.
pub(in crate::history) async fn until_refused(gateway: &Gateway) {
    let History::Postgres(db) = &gateway.history else { panic!("it has no database") };
    for _ in 0..1_000 {
        if db.census().any(|census| census.is_refused) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the database was not refused within 10 s");
}

/// Why a writer of a cluster in this epoch refuses the database.
pub(in crate::history) async fn refusal(server: &str, name: &str, epoch: u64, ledger: &Arc<FakeLedger>) -> String {
    let db = database(server, name, epoch);
    let log = Fed(Arc::clone(ledger));
    let Err(error) = writer::write(&db, &log, db.lane(LEDGER)).await;
    error.to_string()
}

/// Brings tables to this build's, or says why not.
pub(in crate::history) async fn migrate(client: &mut tokio_postgres::Client) -> Result<(), String> {
    schema::migrate(client).await.map_err(|error| error.to_string())
}
