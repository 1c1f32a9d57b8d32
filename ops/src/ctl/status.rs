//! `mainstay ctl status`: processes, and every node's role and position in every partition.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use loadgen::state::State;
use miette::IntoDiagnostic;
use serde::Deserialize;

use super::Place;
use crate::demo::control::{self, Answer, Ask};
use crate::http;

/// A page of a frozen process never comes.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What is shown of a node's `/status`.
#[derive(Debug, Deserialize)]
struct NodeStatus {
    ready: bool,
    partitions: Vec<PartitionStatus>,
}

#[derive(Debug, Deserialize)]
struct PartitionStatus {
    partition: u16,
    role: String,
    term: u64,
    position: u64,
    commit_index: u64,
    lag: u64,
    behind_entries: Option<u64>,
    behind_ms: Option<u64>,
    version: u16,
    failed: Option<String>,
}

/// Prints it.
pub async fn show(place: &Place) -> miette::Result<()> {
    let state = place.state()?;
    let processes = match place.data_dir() {
        Ok(data_dir) => control::ask(&data_dir, Ask::Processes).await,
        Err(error) => Err(error),
    };
    let mut text = String::new();
    match processes {
        Ok(Answer::Processes(processes)) => {
            for (name, pid) in processes {
                writeln!(text, "{name:<10} {}", pid.map_or("down".into(), |pid| format!("pid {pid}")))
                    .into_diagnostic()?;
            }
        }
        // The nodes can still be asked.
        _ => text.push_str("The demo itself does not answer.\n"),
    }
    text.push('\n');
    show_nodes(&state, &mut text).await.into_diagnostic()?;
    // A reader that has seen enough, such as `head`, is no error.
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).into_diagnostic(),
        _ => Ok(()),
    }
}

async fn show_nodes(state: &State, text: &mut String) -> std::fmt::Result {
    writeln!(
        text,
        "{:<7}  {:<9}  {:<12}  {:>6}  {:>12}  {:>12}  {:>6}  {:>7}",
        "node", "partition", "role", "term", "position", "commit", "lag", "version"
    )?;
    for node in &state.nodes {
        let name = format!("node-{}", node.id);
        let page = http::get(&format!("{}/status", node.http), ANSWER_WITHIN).await;
        let Some(status) = page.and_then(|(_, body)| serde_json::from_slice::<NodeStatus>(&body).ok()) else {
            writeln!(text, "{name:<7}  does not answer")?;
            continue;
        };
        for replica in &status.partitions {
            let PartitionStatus {
                partition,
                role,
                term,
                position,
                commit_index,
                lag,
                version,
                behind_entries,
                behind_ms,
                failed,
            } = replica;
            let failed = failed.as_deref().map(|why| format!("  {why}")).unwrap_or_default();
            let behind = behind_entries.zip(*behind_ms).map_or_else(String::new, |(entries, ms)| {
                format!("  {entries} entries and {}.{:03} s behind its leader", ms / 1000, ms % 1000)
            });
            writeln!(
                text,
                "{name:<7}  {partition:<9}  {role:<12}  {term:>6}  {position:>12}  {commit_index:>12}  {lag:>6}  {version:>7}{behind}{failed}"
            )?;
        }
        if !status.ready {
            writeln!(text, "{name:<7}  is not ready: it catches up, or a partition has no leader")?;
        }
    }
    Ok(())
}
