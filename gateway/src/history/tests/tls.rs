//! A database that is reached by TLS.

use std::path::{Path, PathBuf};

use super::*;

fn secure() -> Option<(String, PathBuf)> {
    let server = std::env::var("MAINSTAY_TEST_POSTGRES_TLS").ok().filter(|server| !server.is_empty())?;
    Some((server, std::env::var_os("MAINSTAY_TEST_POSTGRES_CA")?.into()))
}

async fn connects(server: &str, ca: &Path) -> Result<(), String> {
    let config = HistoryConfig::read(&format!("{server} dbname=postgres"), None, Some(ca)).unwrap();
    config.connect().await.map(drop).map_err(|error| format!("{error:?}"))
}

#[tokio::test]
async fn history_is_written_and_read_by_tls_alone() {
    let (Some((secure, ca)), Some(server)) = (secure(), server()) else { return };
    let name = fresh(&server).await;
    let config = HistoryConfig::read(&format!("{secure} dbname={name}"), None, Some(&ca)).unwrap();
    let world = of_config(config, Limits::default(), |log| Arc::new(log));
    some_orders(&world);
    assert_eq!(world.each("allOrders", json!({ "symbol": "BTCUSDT" }), "orderId").await, [1, 2, 3, 4, 5, 6]);
    let observer = HistoryConfig::read(&format!("{server} dbname=postgres"), None, None).unwrap();
    let sql = "SELECT count(*), count(*) FILTER (WHERE ssl) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) \
               WHERE datname = $1";
    let row = observer.connect().await.unwrap().query_one(sql, &[&name]).await.unwrap();
    let (all, secure): (i64, i64) = (row.get(0), row.get(1));
    assert!(all >= 2, "a writer and a reader");
    assert_eq!(secure, all);
}

#[tokio::test]
async fn a_database_that_cannot_prove_its_name_is_not_spoken_with() {
    let Some((secure, ca)) = secure() else { return };
    assert_eq!(connects(&secure, &ca).await, Ok(()));
    let other = secure.replace("host=database.test", "host=elsewhere.test");
    let said = connects(&other, &ca).await.expect_err("its certificate is another name's");
    assert!(said.contains("NotValidForName"), "{said}");
    let stranger = rcgen::generate_simple_self_signed(["database.test".to_owned()]).unwrap();
    let path = std::env::temp_dir().join(format!("mainstay-authority-{}.pem", std::process::id()));
    std::fs::write(&path, stranger.cert.pem()).unwrap();
    let refused = connects(&secure, &path).await;
    std::fs::remove_file(&path).unwrap();
    let said = refused.expect_err("another authority has certified it");
    assert!(said.contains("UnknownIssuer"), "{said}");
}
