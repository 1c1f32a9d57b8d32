//! Whether anybody is there to be asked at all: a node that is down refuses at once, so that nobody has to wait to hear of it.

use std::time::Duration;

use futures_util::future::join_all;
use loadgen::state::ClusterNode;
use tokio::net::TcpStream;

/// How long one may take to answer; whoever is slower is perhaps frozen, and not gone.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// A node that is started again refuses meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(700);

/// Waits until every node has refused twice, and says so; for ever while one does not.
pub async fn refused_by_all(nodes: &[ClusterNode], help: &str) -> miette::Report {
    let mut before = false;
    loop {
        let refusals = join_all(nodes.iter().map(refusal)).await;
        let all: Option<Vec<String>> = refusals.into_iter().collect();
        match all.filter(|all| !all.is_empty()) {
            Some(all) if before => {
                let help = help.to_owned();
                return miette::miette!(help = help, "no node is there: {}", all.join(", "));
            }
            refused => before = refused.is_some(),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How the node's address refuses, if it does.
async fn refusal(node: &ClusterNode) -> Option<String> {
    let connected = tokio::time::timeout(ANSWER_WITHIN, TcpStream::connect(node.addr)).await.ok()?;
    connected.err().map(|error| format!("node-{} at {} ({error})", node.id, node.addr))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An address at which nobody listens.
    async fn nobody() -> std::net::SocketAddr {
        tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    #[tokio::test]
    async fn nodes_that_all_refuse_are_told_within_two_seconds_with_their_addresses() {
        let nodes = [ClusterNode { id: 1, addr: nobody().await }, ClusterNode { id: 2, addr: nobody().await }];
        let told = tokio::time::timeout(Duration::from_secs(2), refused_by_all(&nodes, "start it")).await.unwrap();
        let text = told.to_string();
        for node in nodes {
            assert!(text.contains(&format!("node-{} at {}", node.id, node.addr)), "{text}");
        }
        assert_eq!(told.help().unwrap().to_string(), "start it");
    }

    #[tokio::test]
    async fn one_that_takes_connections_is_waited_for() {
        let there = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let nodes =
            [ClusterNode { id: 1, addr: nobody().await }, ClusterNode { id: 2, addr: there.local_addr().unwrap() }];
        assert!(tokio::time::timeout(Duration::from_secs(2), refused_by_all(&nodes, "")).await.is_err());
    }
}
