//! A new cluster behaves by the newest version that its nodes know, from before the first thing that it is told: nobody goes back
//! to what there was before it. One that holds something is moved by its operators alone (`mainstay ctl upgrade --activate`).

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use wire::PartitionId;
use wire::link::MemberOutcome;

use super::LOOK_EVERY;
use super::layout::Layout;
use crate::ctl::version::{Page, known_by_all, page};
use crate::operator::Operator;

/// When a version takes so long, people are told what it waits for.
const SLOW: Duration = Duration::from_secs(3);

/// Has every partition behave by the greatest version that all nodes know. Waits for them; who calls it knows for how long.
pub async fn begin(operator: &Operator, layout: &Layout) {
    let newest = loop {
        let pages = layout.nodes.iter().map(async |node| (node.id, page(&format!("http://{}", node.http)).await));
        if let Some(newest) = newest_of(&join_all(pages).await) {
            break newest;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let partitions = layout.partitions();
    join_all(partitions.iter().map(async |partition| {
        // Its leader hears from every member first what that knows, and refuses until then.
        let mut warn_at = Instant::now() + SLOW;
        loop {
            let outcome = operator.set_version(PartitionId::new(partition.partition), newest).await;
            if outcome == Some(MemberOutcome::IsSo) {
                break;
            }
            if Instant::now() >= warn_at {
                tracing::warn!(
                    partition = partition.partition,
                    newest,
                    ?outcome,
                    "does not behave by the newest version yet"
                );
                warn_at = Instant::now() + SLOW;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }))
    .await;
}

/// Once every node has said of all of its partitions what it knows.
fn newest_of(pages: &[(u64, Option<Page>)]) -> Option<u16> {
    let are_ready = pages.iter().all(|(_, page)| page.as_ref().is_some_and(|page| page.ready));
    known_by_all(pages).filter(|_| are_ready).map(|[_, newest]| newest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::version::tests::page;

    #[test]
    fn a_new_cluster_waits_for_all_of_its_nodes_and_begins_with_what_they_have_in_common() {
        let late = page(1, [1, 2], 0, 0).map(|page| Page { ready: false, ..page });
        for (second, newest) in [
            (page(1, [1, 3], 0, 0), Some(3)),
            (page(1, [1, 2], 0, 0), Some(2)),
            (page(1, [1, 1], 0, 0), Some(1)),
            (late, None),
            (None, None),
        ] {
            assert_eq!(newest_of(&[(1, page(1, [1, 3], 0, 0)), (2, second)]), newest);
        }
    }
}
