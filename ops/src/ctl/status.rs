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
    let answering = show_nodes(&state, &mut text).await.into_diagnostic()?;
    // A reader that has seen enough, such as `head`, is no error.
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error).into_diagnostic(),
        _ => {}
    }
    if answering == 0 && !state.nodes.is_empty() {
        miette::bail!(help = place.how_to_start(), "no node of this exchange answers");
    }
    Ok(())
}

/// How many nodes answered.
async fn show_nodes(state: &State, text: &mut String) -> Result<usize, std::fmt::Error> {
    let mut answering = 0;
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
        answering += 1;
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
            let page = http::get(&format!("{}/readyz", node.http), ANSWER_WITHIN).await;
            writeln!(text, "{name:<7}  is {}", reason(page.as_ref().map(|(status, body)| (*status, &body[..]))))?;
        }
    }
    for (at, gateway) in state.gateways.iter().enumerate() {
        let name = format!("gateway-{}", at + 1);
        match http::get(&format!("{}/readyz", gateway.rest), ANSWER_WITHIN).await {
            None => writeln!(text, "{name}  does not answer")?,
            Some((200, _)) => {}
            Some((status, body)) => writeln!(text, "{name}  is {}", reason(Some((status, &body))))?,
        }
    }
    Ok(answering)
}

/// What a page of readiness says of who is not ready, in one line.
fn reason(page: Option<(u16, &[u8])>) -> String {
    let Some((status, body)) = page else { return "not ready".to_owned() };
    let said = String::from_utf8_lossy(body);
    let said = said.trim().lines().next().unwrap_or_default();
    match said.strip_prefix("not ready: ").unwrap_or(said) {
        _ if status == 200 => "ready by now".to_owned(),
        "" => "not ready".to_owned(),
        why => format!("not ready: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn why_a_process_is_not_ready_is_told_in_its_own_words() {
        let full = "not ready: the disk is full, 0 bytes are free: it writes nothing until there is more\n";
        assert_eq!(reason(Some((503, full.as_bytes()))), full.trim());
        assert_eq!(reason(Some((503, b"a partition has no leader\n"))), "not ready: a partition has no leader");
        assert_eq!(reason(Some((200, b"ready\n"))), "ready by now");
        assert_eq!(reason(None), "not ready");
    }
}
