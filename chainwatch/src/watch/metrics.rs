//! What a watched chain measures, as Prometheus reads it. Nothing here is read back.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use wire::{ChainFreeze, WithdrawalStage};

use crate::audit::Comparison;
use crate::pool::{Freeze, Method, Pool, PoolEvent, Standing};
use crate::withdrawals::{self, Unfunded};
use crate::{ChainNodeId, Verdict};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChainLabel {
    chain: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    chain: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NodeLabel {
    chain: String,
    node: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabel {
    chain: String,
    node: String,
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabel {
    chain: String,
    stage: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AssetLabel {
    chain: String,
    asset: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AskLabel {
    chain: String,
    node: u8,
    method: &'static str,
}

/// Every metric of the watched chains of a process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    verdict: Family<VerdictLabel, Gauge>,
    verdicts: Family<VerdictLabel, Counter>,
    height: Family<NodeLabel, Gauge>,
    behind: Family<NodeLabel, Gauge>,
    p90: Family<NodeLabel, Gauge>,
    requests: Family<NodeLabel, Gauge>,
    asked: Family<AskLabel, Counter>,
    agreed_height: Family<ChainLabel, Gauge>,
    final_height: Family<ChainLabel, Gauge>,
    frozen: Family<ReasonLabel, Gauge>,
    freezes: Family<ReasonLabel, Counter>,
    withdrawals: Family<StageLabel, Gauge>,
    waiting: Family<ReasonLabel, Gauge>,
    strangers: Family<ChainLabel, Gauge>,
    hot_balance: Family<AssetLabel, Gauge<f64, AtomicU64>>,
    hot_low: Family<AssetLabel, Gauge>,
    hot_high: Family<AssetLabel, Gauge>,
    reserves_held: Family<AssetLabel, Gauge<f64, AtomicU64>>,
    reserves_drift: Family<AssetLabel, Gauge<f64, AtomicU64>>,
    reserves_short: Family<AssetLabel, Gauge>,
    reserves_height: Family<AssetLabel, Gauge>,
}

impl Metrics {
    /// Makes every metric known to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("node_verdict", "1 for the verdict of the node now, else 0", self.verdict.clone());
        registry.register("node_verdicts", "Times that a node got a verdict", self.verdicts.clone());
        registry.register("node_height", "Height of the node's head, as far as it is known", self.height.clone());
        registry.register("node_behind_blocks", "Blocks behind the agreed head", self.behind.clone());
        registry.register("node_p90_microseconds", "Nine of ten answers took no longer", self.p90.clone());
        registry.register("node_requests", "Requests that the node was sent", self.requests.clone());
        registry.register("node_asked", "Questions that a node got in races", self.asked.clone());
        registry.register("agreed_height", "Height of the agreed head", self.agreed_height.clone());
        registry.register("final_height", "Height of what is final", self.final_height.clone());
        registry.register("frozen", "1 while the chain is frozen for this reason, else 0", self.frozen.clone());
        registry.register("withdrawals_open", "Withdrawals that are not over, by stage", self.withdrawals.clone());
        registry.register(
            "withdrawals_waiting",
            "Withdrawals that cannot be paid for, by reason; refused, those whose last step was not taken",
            self.waiting.clone(),
        );
        registry.register(
            "unknown_spendings",
            "Transactions on the followed chain that keys of ours have signed and the log does not know",
            self.strangers.clone(),
        );
        registry.register(
            "hot_wallet_balance",
            "What the hot wallet has that no transaction takes, in the chain's units",
            self.hot_balance.clone(),
        );
        registry.register(
            "hot_wallet_low",
            "1 while the hot wallet has less than its lower bound, else 0",
            self.hot_low.clone(),
        );
        registry.register(
            "hot_wallet_high",
            "1 while the hot wallet has its upper bound or more, else 0",
            self.hot_high.clone(),
        );
        registry.register(
            "reserves_held",
            "What a majority of nodes says is there after the last final block, in the chain's units",
            self.reserves_held.clone(),
        );
        registry.register(
            "reserves_drift",
            "What is there beyond what should be, in the chain's units; below zero, what is missing",
            self.reserves_drift.clone(),
        );
        registry.register(
            "reserves_short",
            "1 while something is missing, so that withdrawals of the asset are halted, else 0",
            self.reserves_short.clone(),
        );
        registry.register("reserves_height", "The final block after which was compared", self.reserves_height.clone());
        registry.register("freezes", "Times that the chain was frozen for this reason", self.freezes.clone());
    }

    pub(super) fn introduce(&self, chain: &str, nodes: &[String]) {
        for node in nodes {
            self.set_verdict(chain, node, Verdict::Proving);
        }
        self.set_frozen(chain, Some(Freeze::NoMajority));
    }

    pub(super) fn asked(&self, chain: &str, node: ChainNodeId, method: Method) {
        let method = match method {
            Method::Header => "header",
            Method::Block => "block",
            Method::Transaction => "transaction",
            Method::Broadcast => "broadcast",
            Method::Fee => "fee",
        };
        self.asked.get_or_create(&AskLabel { chain: chain.to_string(), node: node.0, method }).inc();
    }

    pub(super) fn happened(&self, chain: &str, pool: &Pool, event: PoolEvent) {
        let label = || ChainLabel { chain: chain.to_string() };
        match event {
            PoolEvent::VerdictChanged { node, to, .. } => {
                let node = &pool.config().nodes[node.index()].name;
                self.set_verdict(chain, node, to);
                self.verdicts.get_or_create(&verdict_label(chain, node, to)).inc();
            }
            PoolEvent::HeadAgreed(head) => {
                self.agreed_height.get_or_create(&label()).set(head.height.0 as i64);
            }
            PoolEvent::Finalized(head) => {
                self.final_height.get_or_create(&label()).set(head.height.0 as i64);
            }
            PoolEvent::Frozen(reason) => {
                self.set_frozen(chain, Some(reason));
                let label = ReasonLabel { chain: chain.to_string(), reason: reason.name() };
                self.freezes.get_or_create(&label).inc();
            }
            PoolEvent::Thawed => self.set_frozen(chain, None),
        }
    }

    /// What the ledger says of a chain, and only operators end.
    pub(crate) fn told(&self, chain: &str, told: ChainFreeze) {
        let (credit, withdrawal) = (ChainFreeze::CreditReverted, ChainFreeze::WithdrawalReverted);
        for (reason, name) in [(credit, "credit reverted"), (withdrawal, "withdrawal reverted")] {
            let label = ReasonLabel { chain: chain.to_string(), reason: name };
            let was = self.frozen.get_or_create(&label).set((told == reason).into());
            if told == reason && was == 0 {
                self.freezes.get_or_create(&label).inc();
            }
        }
    }

    pub(crate) fn withdrawals(&self, chain: &str, standing: &withdrawals::Standing) {
        for stage in WithdrawalStage::ALL.iter().filter(|stage| !stage.is_final()) {
            let label = StageLabel { chain: chain.to_string(), stage: format!("{stage:?}").to_lowercase() };
            let count = standing.open.iter().filter(|row| row.stage == *stage).count();
            self.withdrawals.get_or_create(&label).set(count as i64);
        }
        for reason in Unfunded::ALL {
            let count = standing.unfunded.iter().filter(|(_, why)| *why == reason).count();
            let label = ReasonLabel { chain: chain.to_string(), reason: reason.name() };
            self.waiting.get_or_create(&label).set(count as i64);
        }
        // What neither ledger nor signer took is tried again, less and less often.
        let label = ReasonLabel { chain: chain.to_string(), reason: "refused" };
        self.waiting.get_or_create(&label).set(standing.refused.len() as i64);
        let label = ChainLabel { chain: chain.to_string() };
        self.strangers.get_or_create(&label).set(standing.strangers.len() as i64);
        for hot in &standing.hot {
            let label = AssetLabel { chain: chain.to_string(), asset: hot.asset.get() };
            // A picture; what is decided is decided in whole numbers.
            self.hot_balance.get_or_create(&label).set(hot.balance as f64);
            self.hot_low.get_or_create(&label).set(hot.is_low().into());
            self.hot_high.get_or_create(&label).set(hot.is_high().into());
        }
    }

    pub(crate) fn reserves(&self, chain: &str, comparisons: &[Comparison]) {
        for comparison in comparisons {
            let label = AssetLabel { chain: chain.to_string(), asset: comparison.asset.get() };
            self.reserves_held.get_or_create(&label).set(comparison.held as f64);
            self.reserves_drift.get_or_create(&label).set(comparison.drift() as f64);
            self.reserves_short.get_or_create(&label).set(comparison.is_short().into());
            self.reserves_height.get_or_create(&label).set(comparison.block.height.0 as i64);
        }
    }

    pub(super) fn standings(&self, chain: &str, standings: &[Standing]) {
        for standing in standings {
            let label = NodeLabel { chain: chain.to_string(), node: standing.name.clone() };
            self.behind.get_or_create(&label).set(standing.behind as i64);
            self.requests.get_or_create(&label).set(standing.requests as i64);
            if let Some(height) = standing.height {
                self.height.get_or_create(&label).set(height.0 as i64);
            }
            if let Some(p90) = standing.p90 {
                self.p90.get_or_create(&label).set(p90.as_micros() as i64);
            }
        }
    }

    fn set_verdict(&self, chain: &str, node: &str, now: Verdict) {
        for verdict in Verdict::ALL {
            self.verdict.get_or_create(&verdict_label(chain, node, verdict)).set((verdict == now).into());
        }
    }

    fn set_frozen(&self, chain: &str, now: Option<Freeze>) {
        for reason in Freeze::ALL {
            let label = ReasonLabel { chain: chain.to_string(), reason: reason.name() };
            self.frozen.get_or_create(&label).set((now == Some(reason)).into());
        }
    }
}

fn verdict_label(chain: &str, node: &str, verdict: Verdict) -> VerdictLabel {
    VerdictLabel { chain: chain.to_string(), node: node.to_string(), verdict: verdict.name() }
}
