//! Asks the questions that [`crate::pool`] decides on: one task a node probes its head, and [`Watch::ask`] runs
//! races.
//!
//! Callers and tasks share the pool under a lock that is never held while waiting.

mod mempool;
mod metrics;
mod opinion;
mod probe;
mod root;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

use crate::chain::{ChainRules, ChainTransaction, VerifiedBlock};
use crate::pool::{
    Agreement, Ending, Failure, Method, NodeConfig, Outcome, Pool, PoolConfig, PoolEvent, Race, Standing, Step,
};
use crate::rpc::{self, Endpoint, RpcClient, Told};
use crate::tree::Placed;
use crate::{BlockHash, ChainNodeId, Head, TxId};
pub use mempool::{Absence, Pooled};
pub use metrics::Metrics;
pub use opinion::{AccountState, Unspent};
pub use root::trusted_block;

/// How long a whole block may take.
const BLOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// Events that a follower of them may be behind before it loses some.
const EVENTS_MAX: usize = 1_024;

/// What a watched chain is.
pub struct WatchConfig {
    /// For logs and metrics.
    pub chain: String,
    /// Its rules.
    pub rules: ChainRules,
    /// How the pool judges; its nodes are those of `endpoints`, in the same order.
    pub pool: PoolConfig,
    /// Where the nodes are.
    pub endpoints: Vec<Endpoint>,
    /// A block that is trusted: everything else must descend from it.
    pub root: Placed,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Every node that could be asked refused; these are the first one's words.
    #[error("node {node} refuses, and nobody answers: {message} ({code})")]
    Refused {
        /// Which node.
        node: ChainNodeId,
        /// JSON-RPC's number; 0 when the node just does not have it.
        code: i64,
        /// The node's words.
        message: String,
    },
    /// No node that serves is left.
    #[error("no node is left to ask")]
    NobodyLeft,
    /// Nobody answered in time.
    #[error("no node answered in time")]
    TimedOut,
}

/// One chain and its pool at work. Cheap to clone; ends when the last clone is dropped.
#[derive(Clone)]
pub struct Watch {
    shared: Arc<Shared>,
    _tasks: Arc<Tasks>,
}

/// What callers and tasks share.
pub(crate) struct Shared {
    pub(crate) chain: String,
    pub(crate) rules: ChainRules,
    clients: Vec<RpcClient>,
    pool: Mutex<Pool>,
    agreement: watch::Sender<Agreement>,
    events: broadcast::Sender<PoolEvent>,
    metrics: Metrics,
}

struct Tasks(Vec<JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

impl Watch {
    /// Starts to probe; needs a tokio runtime. Panics when there is not one endpoint for each node of the pool.
    pub fn start(config: WatchConfig, metrics: Metrics) -> Watch {
        let WatchConfig { chain, rules, pool, endpoints, root } = config;
        assert_eq!(pool.nodes.len(), endpoints.len(), "one endpoint for each node");
        let names: Vec<String> = pool.nodes.iter().map(|node: &NodeConfig| node.name.clone()).collect();
        let pool = Pool::new(pool, rules.clone(), root, Instant::now());
        metrics.introduce(&chain, &names);
        let shared = Arc::new(Shared {
            chain,
            rules,
            clients: endpoints.iter().map(RpcClient::new).collect(),
            agreement: watch::Sender::new(pool.agreement()),
            pool: Mutex::new(pool),
            events: broadcast::Sender::new(EVENTS_MAX),
            metrics,
        });
        let nodes: Vec<ChainNodeId> = shared.lock().nodes().collect();
        let mut tasks: Vec<JoinHandle<()>> =
            nodes.into_iter().map(|node| tokio::spawn(probe::run(shared.clone(), node))).collect();
        tasks.push(tokio::spawn(keep_time(shared.clone())));
        Watch { shared, _tasks: Arc::new(Tasks(tasks)) }
    }

    /// What is agreed now.
    pub fn agreement(&self) -> Agreement {
        *self.shared.agreement.borrow()
    }

    /// Tells whenever what is agreed changes.
    pub fn agreements(&self) -> watch::Receiver<Agreement> {
        self.shared.agreement.subscribe()
    }

    /// Verdicts, heads, freezes and thaws as they happen.
    pub fn events(&self) -> broadcast::Receiver<PoolEvent> {
        self.shared.events.subscribe()
    }

    /// The nodes, as a table shows them.
    pub fn standings(&self) -> Vec<Standing> {
        self.shared.standings(Instant::now())
    }

    /// What it measures.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// The chain's name.
    pub fn chain(&self) -> &str {
        &self.shared.chain
    }

    /// The chain's rules.
    pub fn rules(&self) -> &ChainRules {
        &self.shared.rules
    }

    /// Looks at the pool. Do not wait in `look`.
    pub fn with_pool<T>(&self, look: impl FnOnce(&mut Pool) -> T) -> T {
        let result = look(&mut self.shared.lock());
        self.shared.publish();
        result
    }

    /// One block, whole and verified, from whichever node is first.
    pub async fn block(&self, head: Head) -> Result<VerifiedBlock, AskError> {
        let rules = self.shared.rules.clone();
        let question = move |rpc: RpcClient| {
            let rules = rules.clone();
            async move {
                match &rules {
                    ChainRules::Bitcoin(rules) => rpc::bitcoin::block(&rpc, rules, head).await,
                    ChainRules::Evm(rules) => rpc::evm::block(&rpc, rules, head).await,
                }
            }
        };
        self.ask(Method::Block, BLOCK_TIMEOUT, question).await
    }

    /// A transaction of a block by a proof of its own (Bitcoin-like chains), from whichever node is first.
    pub async fn inclusion(&self, block: BlockHash, tx: TxId) -> Result<ChainTransaction, AskError> {
        let rules = self.shared.rules.clone();
        let question = move |rpc: RpcClient| {
            let rules = rules.clone();
            async move {
                match &rules {
                    ChainRules::Bitcoin(rules) => rpc::bitcoin::inclusion(&rpc, rules, block, tx).await,
                    ChainRules::Evm(_) => Err(Told::Refused { code: 0, message: "EVM blocks are proved whole".into() }),
                }
            }
        };
        self.ask(Method::Transaction, BLOCK_TIMEOUT, question).await
    }

    /// Asks one node after the other, hedged, until one gives what `question` accepts.
    pub async fn ask<T, F>(
        &self,
        method: Method,
        patience: Duration,
        question: impl Fn(RpcClient) -> F + Send,
    ) -> Result<T, AskError>
    where
        T: Send,
        F: Future<Output = Result<T, Told>> + Send,
    {
        let mut race = Race::new(method, Instant::now() + patience);
        let mut waiting = FuturesUnordered::new();
        let (mut answer, mut refusal) = (None, None);
        loop {
            let step = race.step(&mut self.shared.lock(), Instant::now());
            self.shared.publish();
            let until = match step {
                Step::Ask(node) => {
                    self.shared.metrics.asked(&self.shared.chain, node, method);
                    let client = self.shared.clients[node.index()].clone();
                    let asked = question(client);
                    waiting.push(async move { (node, asked.await) });
                    continue;
                }
                Step::Wait(until) => until,
                Step::Finished(Ending::Answered(_)) => return answer.ok_or(AskError::NobodyLeft),
                Step::Finished(Ending::Refused(_)) => return Err(refusal.unwrap_or(AskError::NobodyLeft)),
                Step::Finished(Ending::NobodyLeft) => return Err(AskError::NobodyLeft),
                Step::Finished(Ending::TimedOut) => return Err(AskError::TimedOut),
            };
            let told = tokio::time::timeout_at(until.into(), waiting.next()).await;
            let Ok(Some((node, result))) = told else { continue };
            let outcome = match result {
                Ok(value) => {
                    answer = Some(value);
                    Outcome::Answer
                }
                Err(Told::Refused { code, message }) => {
                    refusal.get_or_insert(AskError::Refused { node, code, message });
                    Outcome::Refusal
                }
                Err(Told::Failed(failure)) => Outcome::Failure(failure),
                Err(Told::Lied(lie)) => Outcome::Lie(lie),
            };
            race.on_outcome(node, outcome, &mut self.shared.lock(), Instant::now());
        }
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Pool> {
        // A panic under the lock is a bug of ours; the state is still worth more than another panic.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standings(&self, now: Instant) -> Vec<Standing> {
        let mut standings = self.lock().standings(now);
        for (standing, client) in standings.iter_mut().zip(&self.clients) {
            standing.requests = client.requests();
        }
        standings
    }

    /// Hands on what has happened in the pool: to the log, the metrics, and whoever listens.
    pub(crate) fn publish(&self) {
        let mut pool = self.lock();
        while let Some(event) = pool.poll_event() {
            self.log(&pool, event);
            self.metrics.happened(&self.chain, &pool, event);
            // Nobody has to listen.
            let _ = self.events.send(event);
        }
        let agreement = pool.agreement();
        self.agreement.send_if_modified(|known| {
            let is_new = *known != agreement;
            *known = agreement;
            is_new
        });
    }

    fn log(&self, pool: &Pool, event: PoolEvent) {
        let chain = &self.chain;
        match event {
            PoolEvent::VerdictChanged { node, from, to, cause } => {
                let name = &pool.config().nodes[node.index()].name;
                tracing::info!(chain, node = name, %from, %to, ?cause, "verdict changed");
            }
            PoolEvent::HeadAgreed(head) => {
                tracing::debug!(chain, height = head.height.0, hash = self.rules.hash_text(head.hash.0), "head agreed");
            }
            PoolEvent::Finalized(head) => {
                tracing::debug!(chain, height = head.height.0, hash = self.rules.hash_text(head.hash.0), "final");
            }
            PoolEvent::Frozen(reason) => tracing::warn!(chain, %reason, "chain frozen: no credits, no withdrawals"),
            PoolEvent::Thawed => tracing::info!(chain, "chain thawed"),
        }
    }
}

/// Votes age and chains stall without anybody saying anything.
async fn keep_time(shared: Arc<Shared>) {
    let every = shared.lock().config().probe_every;
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        let now = Instant::now();
        shared.lock().on_time(now);
        shared.metrics.standings(&shared.chain, &shared.standings(now));
        shared.publish();
    }
}

/// A question that took so long was not answered.
pub(crate) async fn within<T>(time: Duration, question: impl Future<Output = Result<T, Told>>) -> Result<T, Told> {
    tokio::time::timeout(time, question).await.unwrap_or(Err(Told::Failed(Failure::Silent)))
}
