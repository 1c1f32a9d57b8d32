//! Questions to the nodes' HTTP pages.

use std::fmt::Write;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use loadgen::state::State;
use serde_json::Value;

/// How long a node may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The status and JSON of a node's page; `None` when there is no answer.
pub async fn get(url: &str) -> Option<(u16, Value)> {
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let answer = async {
        let response = client.get(url.parse().ok()?).await.ok()?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    };
    tokio::time::timeout(ANSWER_WITHIN, answer).await.ok()?
}

/// The text of a node's page; `None` when there is no answer.
pub async fn text(url: &str) -> Option<String> {
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let answer = async {
        let body = client.get(url.parse().ok()?).await.ok()?.into_body().collect().await.ok()?.to_bytes();
        String::from_utf8(body.to_vec()).ok()
    };
    tokio::time::timeout(ANSWER_WITHIN, answer).await.ok()?
}

/// One replica's place in its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaDigest {
    /// The node.
    pub node: u64,
    /// What it has applied.
    pub position: u64,
    /// Of its state there.
    pub digest: String,
}

/// The node that leads `partition`, as the nodes themselves see it.
pub async fn leader(state: &State, partition: u16) -> Option<u64> {
    for node in &state.nodes {
        let Some((200, status)) = get(&format!("{}/status", node.http)).await else { continue };
        let partitions = status["partitions"].as_array().cloned().unwrap_or_default();
        let leads = |p: &Value| p["partition"] == partition && p["role"] == "leader";
        if partitions.iter().any(leads) {
            return Some(node.id);
        }
    }
    None
}

/// The partition with the longest log, by the first node that says what it has.
pub async fn busiest_partition(state: &State) -> Option<u16> {
    for node in &state.nodes {
        let Some((200, status)) = get(&format!("{}/status", node.http)).await else { continue };
        let partitions = status["partitions"].as_array().cloned().unwrap_or_default();
        let place = |p: &Value| p["position"].as_u64().unwrap_or(0);
        // Who has only just started has nothing yet.
        let busiest = partitions.iter().filter(|p| place(p) > 0).max_by_key(|p| place(p));
        if let Some(busiest) = busiest {
            return busiest["partition"].as_u64().and_then(|p| u16::try_from(p).ok());
        }
    }
    None
}

/// Waits until every node says it is ready. The error says who is not, and what it says instead.
pub async fn all_ready(state: &State, within: Duration) -> Result<(), String> {
    let mut missing = String::new();
    let ready = until(within, async || {
        missing.clear();
        for node in &state.nodes {
            let answer = get(&format!("{}/readyz", node.http)).await;
            if !matches!(answer, Some((200, _))) {
                let said = answer.map_or_else(|| "nothing".to_owned(), |(status, page)| format!("{status} {page}"));
                let status = get(&format!("{}/status", node.http)).await.unwrap_or_default().1;
                let _ = writeln!(missing, "node {} is not ready after {within:?}: it says {said}; {status}", node.id);
            }
        }
        missing.is_empty().then_some(())
    });
    ready.await.ok_or(missing)
}

/// Waits until every node's replica of `partition` is at one position, and says what their digests are there.
pub async fn digests_at_one_position(state: &State, partition: u16, within: Duration) -> Option<Vec<ReplicaDigest>> {
    until(within, async || {
        let mut replicas = Vec::new();
        for node in &state.nodes {
            let (_, answer) = get(&format!("{}/digest?partition={partition}", node.http)).await?;
            let position = answer["position"].as_u64()?;
            replicas.push(ReplicaDigest { node: node.id, position, digest: answer["digest"].as_str()?.to_string() });
        }
        replicas.iter().all(|r| r.position == replicas[0].position).then_some(replicas)
    })
    .await
}

/// Looks again and again until there is an answer or the time is over.
pub async fn until<T>(within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
