//! One node's probe: what is your head, and which headers lead there from what is known?

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Shared, within};
use crate::chain::{ChainRules, Lie};
use crate::pool::Report;
use crate::rpc::{self, RpcClient, Told};
use crate::tree::Header;
use crate::{BlockHash, ChainNodeId};

/// Headers fetched in one turn, before the node is asked for its head again.
const HEADERS_PER_TURN: usize = 64;
/// How far from now a header's time may be, in seconds. Bitcoin's nodes take no block from further ahead; EVM chains are
/// stricter.
const AHEAD_MAX_S: u64 = 2 * 3_600;

/// Probes one node for ever.
pub(super) async fn run(shared: Arc<Shared>, node: ChainNodeId) {
    let (every, silence_max) = {
        let pool = shared.lock();
        (pool.config().probe_every, pool.config().silence_max)
    };
    let client = shared.clients[node.index()].clone();
    loop {
        let started = Instant::now();
        let may_ask = shared.lock().may_probe(node, started);
        if may_ask {
            match within(silence_max, probe(&client, &shared.rules)).await {
                Ok((report, header)) => {
                    on_report(&shared, node, report, header, started);
                    ask_height(&shared, &client, node, silence_max).await;
                    fetch_headers(&shared, &client, node, silence_max).await;
                }
                Err(told) => on_told(&shared, node, told),
            }
        }
        shared.publish();
        tokio::time::sleep_until((started + every).into()).await;
    }
}

async fn probe(client: &RpcClient, rules: &ChainRules) -> Result<(Report, Option<Header>), Told> {
    match rules {
        ChainRules::Bitcoin(_) => Ok((rpc::bitcoin::report(client).await?, None)),
        ChainRules::Evm(rules) => {
            let (report, header) = rpc::evm::report(client, rules).await?;
            Ok((report, Some(check_time(header)?)))
        }
    }
}

fn on_report(shared: &Shared, node: ChainNodeId, report: Report, header: Option<Header>, started: Instant) {
    let now = Instant::now();
    let mut pool = shared.lock();
    pool.on_report(node, report, now.saturating_duration_since(started), now);
    if let Some(header) = header.filter(|header| pool.missing(node) == Some(header.hash)) {
        pool.on_header(node, header, now);
    }
}

/// Where headers do not say how high they are: a node that is still far below would show all of its chain for nothing.
async fn ask_height(shared: &Shared, client: &RpcClient, node: ChainNodeId, silence_max: Duration) {
    let (ChainRules::Bitcoin(_), Some(missing)) = (&shared.rules, shared.lock().missing(node)) else { return };
    match within(silence_max, rpc::bitcoin::height(client, missing)).await {
        Ok(height) => shared.lock().on_height(node, height, Instant::now()),
        // Whoever does not have it is asked for the header itself, and judged by that.
        Err(Told::Refused { .. }) => {}
        Err(told) => on_told(shared, node, told),
    }
}

async fn fetch_headers(shared: &Shared, client: &RpcClient, node: ChainNodeId, silence_max: Duration) {
    for _ in 0..HEADERS_PER_TURN {
        let Some(missing) = shared.lock().missing(node) else { return };
        match within(silence_max, fetch(client, &shared.rules, missing)).await {
            Ok(header) => shared.lock().on_header(node, header, Instant::now()),
            Err(Told::Refused { .. }) => return shared.lock().on_header_refused(node, Instant::now()),
            Err(told) => return on_told(shared, node, told),
        }
    }
}

async fn fetch(client: &RpcClient, rules: &ChainRules, hash: BlockHash) -> Result<Header, Told> {
    check_time(match rules {
        ChainRules::Bitcoin(rules) => rpc::bitcoin::header(client, rules, hash).await?,
        ChainRules::Evm(rules) => rpc::evm::header(client, rules, hash).await?,
    })
}

/// No honest node has a header from the future. Is our own clock far behind, every node seems to lie: the chain freezes,
/// and the verdicts say why.
fn check_time(header: Header) -> Result<Header, Told> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if header.time_s > now.saturating_add(AHEAD_MAX_S) { Err(Lie::FromTheFuture.into()) } else { Ok(header) }
}

/// A node that refuses to say what its head is answers, but not the one question that everything hangs on.
fn on_told(shared: &Shared, node: ChainNodeId, told: Told) {
    let now = Instant::now();
    let mut pool = shared.lock();
    match told {
        Told::Refused { .. } => pool.on_failure(node, crate::pool::Failure::Malformed, now),
        Told::Failed(failure) => pool.on_failure(node, failure, now),
        Told::Lied(lie) => pool.on_lie(node, lie, now),
    }
}
