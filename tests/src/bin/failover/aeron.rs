//! Proof that Raft messages went by Aeron: what every node counts.

use std::time::Duration;

use tests::demo::Demo;
use tests::nodes;

use crate::{Args, Failure, READY_WITHIN, disproved};

/// How often is looked again at a node that has just started.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Raft messages of one node since its start.
#[derive(Debug, Clone, Copy, Default)]
struct Carried {
    out: u64,
    came: u64,
    over_link: u64,
    fallen: u64,
    refused: u64,
}

impl Carried {
    fn of(metrics: &str) -> Carried {
        let count = |name: &str| {
            let line =
                metrics.lines().find_map(|line| line.strip_prefix(&format!("mainstay_node_aeron_{name}_total ")));
            line.and_then(|value| value.parse().ok()).unwrap_or(0)
        };
        Carried {
            out: count("frames_out"),
            came: count("frames_in"),
            over_link: count("over_link"),
            fallen: count("fallen"),
            refused: count("refused"),
        }
    }
}

/// Every node has sent and received Raft messages by Aeron since its start.
/// Where nobody asked for Aeron, nothing is proven.
pub async fn has_carried(demo: &Demo, args: &Args, when: &str) -> Result<(), Failure> {
    if args.transport != "aeron" {
        return Ok(());
    }
    for node in demo.state()?.nodes {
        let found = nodes::until(READY_WITHIN, async || {
            tokio::time::sleep(LOOK_EVERY).await;
            let carried = Carried::of(&nodes::text(&format!("{}/metrics", node.http)).await?);
            (carried.out > 0 && carried.came > 0).then_some(carried)
        });
        let Some(Carried { out, came, over_link, fallen, refused }) = found.await else {
            return disproved(format!("{when} node {} has sent or received nothing by Aeron", node.id));
        };
        println!(
            "{when}: node {}: since its start {out} Raft messages sent by Aeron and {came} received, {over_link} over the \
             link beside an open way, {fallen} times a way lost, {refused} messages of links that had closed",
            node.id
        );
    }
    Ok(())
}
