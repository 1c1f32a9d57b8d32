//! Everything in the table is refused exactly as it says, and leaves nothing behind: the exchange still trades.
//! `UPDATE=1` writes what is answered now into the table; read the difference before you keep it.

use std::path::Path;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use super::*;

const TABLE: &str = include_str!("bad_input.tsv");

impl Server {
    /// The status and code of one row's answer.
    async fn refusal(&self, kind: &str, verb: &str, path: &str, params: &str) -> (String, String) {
        let now_ms = self.gateway.now_us() / 1_000;
        let params = match params.split_once("NOW-") {
            Some((before, rest)) => {
                let digits = rest.find('&').unwrap_or(rest.len());
                format!("{before}{}{}", now_ms - rest[..digits].parse::<u64>().unwrap(), &rest[digits..])
            }
            None => params.replace("NOW%2B1001", &(now_ms + 1_500).to_string()).replace("NOW", &now_ms.to_string()),
        };
        let key = |key: &str| format!("X-MBX-APIKEY: {key}\r\n");
        let target = if params.is_empty() { path.to_owned() } else { format!("{path}?{params}") };
        let separator = if params.is_empty() { '?' } else { '&' };
        let timed = format!("{target}{separator}timestamp={now_ms}");
        let answer = match kind {
            "get" | "nokey" => self.call(verb, &target, "", &[]).await,
            "key" => self.call(verb, &target, &key(ALICE_KEY), &[]).await,
            "unknown" => self.call(verb, &timed, &key(&"x".repeat(64)), &[]).await,
            "malformed" => self.call(verb, &timed, &key("not a key!"), &[]).await,
            "nosig" => self.call(verb, &timed, &key(ALICE_KEY), &[]).await,
            "badsig" => self.call(verb, &format!("{timed}&signature={}", "0".repeat(64)), &key(ALICE_KEY), &[]).await,
            "othersig" => {
                let signature = sign("another's secret", &format!("{params}&timestamp={now_ms}"));
                self.call(verb, &format!("{timed}&signature={signature}"), &key(ALICE_KEY), &[]).await
            }
            "signed" => self.signed(verb, path, &params).await,
            "readonly" => self.signed_by(BOB_KEY, verb, path, &params).await,
            "buy" => self.signed(verb, path, &buy_with(&params)).await,
            "api" | "stream" => return self.message(kind, &params).await,
            other => panic!("{other} is no kind"),
        };
        (answer.status.to_string(), answer.body["code"].to_string())
    }

    async fn message(&self, kind: &str, text: &str) -> (String, String) {
        let path = if kind == "api" { "/ws-api/v3" } else { "/ws" };
        let (mut client, _) = connect_async(format!("ws://{}{path}", self.address)).await.unwrap();
        client.send(Message::text(text)).await.unwrap();
        loop {
            match client.next().await.expect("an answer").unwrap() {
                Message::Text(text) => {
                    let answer: Value = serde_json::from_str(&text).unwrap();
                    let code = answer["error"]["code"].to_string();
                    let status = if kind == "api" { answer["status"].to_string() } else { code.clone() };
                    return (status, code);
                }
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn everything_bad_is_refused_as_the_table_says_and_changes_nothing() {
    let server = server().await;
    let mut written = String::new();
    let mut wrong = Vec::new();
    let mut cases = 0;
    for line in TABLE.lines() {
        if line.starts_with('#') {
            written.push_str(line);
            written.push('\n');
            continue;
        }
        let columns: Vec<&str> = line.split('\t').collect();
        let &[kind, verb, path, params, status, code] = columns.as_slice() else { panic!("not six columns: {line}") };
        let (seen_status, seen_code) = server.refusal(kind, verb, path, params).await;
        written.push_str(&[kind, verb, path, params, &seen_status, &seen_code].join("\t"));
        written.push('\n');
        if (seen_status.as_str(), seen_code.as_str()) != (status, code) {
            wrong.push(format!("{line}: answered {seen_status} {seen_code}"));
        }
        cases += 1;
    }
    if std::env::var_os("UPDATE").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/tests/bad_input.tsv");
        std::fs::write(path, written).unwrap();
        return;
    }
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases >= 300, "{cases}");
    assert_eq!(server.signed("GET", "/api/v3/openOrders", "").await.body, json!([]), "nothing rests");
    assert_eq!(server.signed("POST", "/api/v3/order", BUY).await.status, 200, "the exchange still trades");
}
