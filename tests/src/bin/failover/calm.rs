//! Calm: under load, beside whatever else keeps the machine busy, nobody is elected unless some thread or disk has been
//! seen to stand still.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use loadgen::state::State;
use serde_json::{Value, json};
use tests::demo::Demo;
use tests::nodes;

use crate::load::Load;
use crate::{Args, Failure, disproved};

/// Leaders move to where they belong before this.
const SETTLED_AFTER: Duration = Duration::from_secs(8);

/// What the nodes have counted.
#[derive(Debug, Default)]
struct Counted {
    /// The term of each partition.
    terms: BTreeMap<u64, u64>,
    stalls: u64,
}

/// Offers a load for `seconds` beside the command, which is started again whenever it ends.
pub async fn prove(demo: &Demo, args: &Args, seconds: u64) -> Result<Value, Failure> {
    tokio::time::sleep(SETTLED_AFTER).await;
    let state = demo.state()?;
    let before = count(&state).await?;
    let mut load = Load::offer(demo, args, Duration::from_secs(seconds), "calm", &[])?;
    let mut beside = args.beside.as_deref().map(Beside::start);
    while load.status()?.is_none() {
        beside.iter_mut().for_each(Beside::keep_on);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    drop(beside);
    let said = load.end(demo).await?;
    let after = count(&state).await?;
    let elections: u64 = after.terms.iter().map(|(p, term)| term - before.terms.get(p).unwrap_or(term)).sum();
    let stalls = after.stalls - before.stalls;
    println!("calm: {seconds} s, {} acknowledged, {elections} elections, {stalls} recorded stalls", said["acked"]);
    if elections > 0 && stalls == 0 {
        return disproved(format!("{elections} elections without a recorded stall"));
    }
    Ok(json!({
        "how": "calm", "seconds": seconds, "rate": args.rate, "layout": args.layout, "elections": elections,
        "stalls": stalls, "acked": said["acked"], "lost": said["lost"], "doubled": said["duplicated"],
    }))
}

async fn count(state: &State) -> Result<Counted, Failure> {
    let mut counted = Counted::default();
    for node in &state.nodes {
        let Some((200, status)) = nodes::get(&format!("{}/status", node.http)).await else {
            return disproved(format!("node {} does not tell its status", node.id));
        };
        for partition in status["partitions"].as_array().into_iter().flatten() {
            let known = counted.terms.entry(partition["partition"].as_u64().unwrap_or(0)).or_default();
            *known = (*known).max(partition["term"].as_u64().unwrap_or(0));
        }
        let Some(text) = nodes::text(&format!("{}/metrics", node.http)).await else {
            return disproved(format!("node {} does not tell its metrics", node.id));
        };
        let number = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        counted.stalls += number("mainstay_node_stalls_total") + number("mainstay_node_disk_stalls_total");
    }
    Ok(counted)
}

/// What keeps the machine busy, by a shell.
struct Beside {
    command: String,
    child: Option<Child>,
}

impl Beside {
    fn start(command: &str) -> Beside {
        let mut beside = Beside { command: command.to_owned(), child: None };
        beside.keep_on();
        beside
    }

    fn keep_on(&mut self) {
        let is_running = self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)));
        if !is_running {
            let mut command = Command::new("setsid");
            let shell = command.args(["-w", "sh", "-c", &self.command]).current_dir(Path::new("."));
            self.child = shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok();
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        // `setsid -w` leads no group of its own; its child, the shell, leads one with the same session.
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap_or_default();
        for group in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(group), nix::sys::signal::Signal::SIGKILL);
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}
