//! Questions to every node at once: what none proves and a majority says, and transactions for all.
//!
//! Nothing that moves a balance of the ledger depends on an opinion. A majority that lies can make a withdrawal wait, or pay
//! more to its chain, up to its cap.

use std::future::Future;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::{Watch, within};
use crate::chain::ChainRules;
use crate::pool::Method;
use crate::rpc::{self, RpcClient, Told};
use crate::withdrawals::agreed_fee;
use crate::{BlockHash, ChainNodeId, DepositId, TxId};

/// How long a node may take for its opinion.
const PATIENCE: Duration = Duration::from_millis(600);
/// Of so many transactions a node is asked at once: what it says of each has some kilobytes, and an answer a megabyte.
const TXS_AT_ONCE: usize = 32;
/// How long a node may take to take a transaction.
const BROADCAST_PATIENCE: Duration = Duration::from_secs(5);

/// An account of an EVM chain after a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountState {
    /// The first nonce that nothing has used.
    pub nonce: u64,
    /// Its coins, then its tokens, in the order in which they were asked for.
    pub funds: Vec<u128>,
}

/// What one node says of outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unspent {
    /// Its head.
    pub head: BlockHash,
    /// Of each output, in the order in which they were asked for, whether nothing has spent it up to there.
    pub are_there: Vec<bool>,
}

impl Watch {
    /// Hands a transaction to every node that may have it; each answer is told as it comes, and decides nothing.
    pub fn broadcast(&self, tx: TxId, bytes: Vec<u8>) -> impl Future<Output = ()> + Send + 'static {
        let nodes = self.with_pool(|pool| pool.broadcast_targets());
        let watch = self.clone();
        async move {
            let send = |node: ChainNodeId| {
                let client = watch.client(node, Method::Broadcast);
                let (bytes, rules) = (&bytes, watch.rules());
                async move {
                    let sent = async {
                        match rules {
                            ChainRules::Bitcoin(_) => rpc::bitcoin::send(&client, bytes).await,
                            ChainRules::Evm(_) => rpc::evm::send(&client, bytes).await,
                        }
                    };
                    (node, within(BROADCAST_PATIENCE, sent).await)
                }
            };
            let mut sent: FuturesUnordered<_> = nodes.into_iter().map(send).collect();
            while let Some((node, told)) = sent.next().await {
                let (chain, tx) = (watch.chain(), watch.rules().hash_text(tx.0));
                match told {
                    Ok(()) => tracing::debug!(chain, node = node.0, tx, "a node has taken a transaction"),
                    Err(told) => tracing::info!(chain, node = node.0, tx, %told, "a node has not taken a transaction"),
                }
            }
        }
    }

    /// Whether a majority of the configured nodes has these transactions, or has not; nothing of those of which there is no
    /// majority for either.
    pub async fn known_to_most(&self, txs: &[TxId]) -> Vec<(TxId, bool)> {
        // All at once: a node that says nothing holds up the rest no longer than one question takes.
        futures_util::future::join_all(txs.chunks(TXS_AT_ONCE).map(|some| self.known_at_once(some))).await.concat()
    }

    /// However far a node is, it is asked once for all of them.
    async fn known_at_once(&self, txs: &[TxId]) -> Vec<(TxId, bool)> {
        let rules = self.rules();
        let opinions = self.each(Method::Transaction, |client| async move {
            match rules {
                ChainRules::Bitcoin(_) => rpc::bitcoin::has(&client, txs).await,
                ChainRules::Evm(_) => rpc::evm::has(&client, txs).await,
            }
        });
        let opinions = opinions.await;
        let majority = self.with_pool(|pool| pool.config().majority());
        let opinion = |(at, tx): (usize, &TxId)| {
            let known = opinions.iter().filter(|has| has[at]).count();
            let is_decided = known >= majority || opinions.len() - known >= majority;
            is_decided.then_some((*tx, known >= majority))
        };
        txs.iter().enumerate().filter_map(opinion).collect()
    }

    /// What is to be paid to the chain, and of that, where there is gas, to whoever mines. `None` when too few nodes say.
    pub async fn fee(&self) -> Option<(u128, u128)> {
        let rules = self.rules();
        let estimates = self.each(Method::Fee, |client| async move {
            match rules {
                ChainRules::Bitcoin(_) => Ok((rpc::bitcoin::fee(&client).await?, 0)),
                ChainRules::Evm(_) => rpc::evm::fee(&client).await,
            }
        });
        let estimates = estimates.await;
        let configured = self.with_pool(|pool| pool.config().nodes.len());
        let agreed =
            |of: fn(&(u128, u128)) -> u128| agreed_fee(&estimates.iter().map(of).collect::<Vec<_>>(), configured);
        Some((agreed(|(rate, _)| *rate)?, agreed(|(_, tip)| *tip)?))
    }

    /// An EVM account after the block at `height`, as a majority of the configured nodes says.
    pub async fn account(&self, account: [u8; 20], tokens: &[[u8; 20]], height: u64) -> Option<AccountState> {
        let opinions = self.each(Method::Transaction, |client| async move {
            let (nonce, funds) = rpc::evm::account(&client, account, tokens, height).await?;
            Ok(AccountState { nonce, funds })
        });
        let opinions = opinions.await;
        let majority = self.with_pool(|pool| pool.config().majority());
        let agreed = |state: &&AccountState| opinions.iter().filter(|other| other == state).count() >= majority;
        opinions.iter().find(agreed).cloned()
    }

    /// What each node says of outputs of a Bitcoin-like chain, as of its own head.
    pub async fn unspent(&self, outputs: &[DepositId]) -> Vec<Unspent> {
        let said = self.each(Method::Transaction, |client| async move {
            let (head, are_there) = rpc::bitcoin::unspent(&client, outputs).await?;
            Ok(Unspent { head, are_there })
        });
        said.await
    }

    /// What each node says that says something in time.
    async fn each<T, F>(&self, method: Method, question: impl Fn(RpcClient) -> F) -> Vec<T>
    where
        F: Future<Output = Result<T, Told>>,
    {
        let nodes = self.with_pool(|pool| pool.witnesses(method, Instant::now()));
        let ask = |node: ChainNodeId| within(PATIENCE, question(self.client(node, method)));
        let told: FuturesUnordered<_> = nodes.into_iter().map(ask).collect();
        told.filter_map(async |told| told.ok()).collect().await
    }

    pub(super) fn client(&self, node: ChainNodeId, method: Method) -> RpcClient {
        self.shared.metrics.asked(&self.shared.chain, node, method);
        self.shared.clients[node.index()].clone()
    }
}
