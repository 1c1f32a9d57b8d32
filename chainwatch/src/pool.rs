//! A pool of nodes of one chain: whom to ask, whom to believe, whom to leave alone.
//!
//! Everything here is a decision and nothing here is I/O: reports, answers, failures and the time come in, verdicts,
//! routes and the agreed head come out. [`crate::watch`] asks the questions.

mod agreement;
mod budget;
mod config;
mod latency;
mod node;
mod race;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use agreement::{Agreement, Freeze};
pub use config::{Finality, LagRule, Method, NodeConfig, PoolConfig};
pub use node::{Cause, Failure, Report};
pub use race::{Ending, Outcome, Race, Step};

use crate::chain::{ChainRules, Lie};
use crate::tree::{Header, HeaderTree, Misplaced, Placed};
use crate::{BlockHash, ChainNodeId, Head, Height, Verdict};
use budget::Budget;
use node::Node;

/// What the pool tells. Each is also a line of the log and a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolEvent {
    /// A node is treated differently from now on.
    VerdictChanged {
        /// Which node.
        node: ChainNodeId,
        /// What it was.
        from: Verdict,
        /// What it is.
        to: Verdict,
        /// Why.
        cause: Cause,
    },
    /// Another block is the agreed head.
    HeadAgreed(Head),
    /// Another block is final.
    Finalized(Head),
    /// Nothing may be credited or withdrawn.
    Frozen(Freeze),
    /// Agreement has returned.
    Thawed,
}

/// One node as tables and metrics show it.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Its configured name.
    pub name: String,
    /// What the pool thinks of it.
    pub verdict: Verdict,
    /// How high its chain is, as far as its word for it is fresh.
    pub height: Option<Height>,
    /// How many blocks it is behind the agreed head.
    pub behind: u64,
    /// Nine of ten answers took no longer.
    pub p90: Option<Duration>,
    /// How many requests it was sent, as far as whoever sends them says so.
    pub requests: u64,
}

/// The nodes of one chain.
pub struct Pool {
    config: PoolConfig,
    rules: ChainRules,
    tree: HeaderTree,
    nodes: Vec<Node>,
    agreement: Agreement,
    /// Headers from this height on are still needed by somebody.
    needed_from: Option<Height>,
    events: VecDeque<PoolEvent>,
}

impl Pool {
    /// Knows nothing but the trusted block: no node has proved anything, the chain is frozen. Panics without nodes, or
    /// with more than 255.
    pub fn new(config: PoolConfig, rules: ChainRules, root: Placed, now: Instant) -> Pool {
        assert!((1..=255).contains(&config.nodes.len()), "a pool has 1 to 255 nodes");
        let burst = u32::try_from(config.remember_blocks).unwrap_or(u32::MAX);
        let headers = Budget::new(config.headers_rate, burst, now);
        let nodes = config.nodes.iter().map(|node| Node::new(node.clone(), headers.clone(), now)).collect();
        let tree = HeaderTree::new(root);
        let agreement = Agreement::new(now);
        Pool { config, rules, tree, nodes, agreement, needed_from: None, events: VecDeque::new() }
    }

    /// Blocks that were verified in an earlier life, the lowest first. Those that do not descend from the trusted block
    /// are left out.
    pub fn remember(&mut self, blocks: &[Placed]) {
        for block in blocks {
            let before = self.tree.get(block.parent).map_or(0, |parent| parent.chain_work);
            let header = Header {
                hash: block.head.hash,
                parent: block.parent,
                height: Some(block.head.height),
                time_s: block.time_s,
                work: block.chain_work.saturating_sub(before),
                bits: block.bits,
            };
            // What does not fit is of another chain than the trusted block's.
            let _ = self.tree.place(&header);
        }
    }

    /// From this height on, whatever the agreed chain has is still needed and not forgotten.
    pub fn keep_from(&mut self, height: Option<Height>) {
        self.needed_from = height;
    }

    /// Every node's id.
    pub fn nodes(&self) -> impl Iterator<Item = ChainNodeId> + use<> {
        (0..self.nodes.len()).map(|at| ChainNodeId(at as u8))
    }

    /// How it judges.
    pub fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// The chain's rules.
    pub fn rules(&self) -> &ChainRules {
        &self.rules
    }

    /// Every verified header.
    pub fn tree(&self) -> &HeaderTree {
        &self.tree
    }

    /// What is agreed now.
    pub fn agreement(&self) -> Agreement {
        self.agreement
    }

    /// A node's verdict.
    pub fn verdict(&self, node: ChainNodeId) -> Verdict {
        self.nodes[node.index()].verdict
    }

    /// Every node as tables show it.
    pub fn standings(&self, now: Instant) -> Vec<Standing> {
        let standing = |node: &Node| Standing {
            name: node.config.name.clone(),
            verdict: node.verdict,
            height: node.vote(&self.config, now).and_then(|r| self.tree.get(r.head)).map(|placed| placed.head.height),
            behind: node.behind(),
            p90: node.latency.p90(),
            requests: 0,
        };
        self.nodes.iter().map(standing).collect()
    }

    /// What happened since the last call, in order.
    pub fn poll_event(&mut self) -> Option<PoolEvent> {
        self.events.pop_front()
    }

    /// A node has said what its head is. When the tree does not have that head, [`Pool::missing`] says which header to
    /// fetch from this node.
    pub fn on_report(&mut self, node: ChainNodeId, report: Report, took: Duration, now: Instant) {
        let state = &mut self.nodes[node.index()];
        state.answered(took, now);
        state.report(report, &self.tree, now);
        let is_placed = state.missing().is_none();
        self.settle(now);
        if is_placed {
            self.prove(node, now);
        }
    }

    /// The header that this node must show next, so that its head gets a place.
    pub fn missing(&self, node: ChainNodeId) -> Option<BlockHash> {
        self.nodes[node.index()].missing()
    }

    /// How high a node says that the head is for which a header is missing. Whoever says less than is so is not heard, as if it
    /// said nothing.
    pub fn on_height(&mut self, node: ChainNodeId, height: Height, now: Instant) {
        if self.missing(node).is_some() && height < self.tree.root().height {
            self.nodes[node.index()].is_below(height);
            self.settle(now);
        }
    }

    /// A verified header that was missing.
    pub fn on_header(&mut self, node: ChainNodeId, header: Header, now: Instant) {
        // The node was given up while the header was on its way.
        let Some(missing) = self.missing(node) else { return };
        if missing != header.hash {
            return self.on_lie(node, Lie::HeaderHash, now);
        }
        let branch_max = self.branch_max();
        let ready = self.nodes[node.index()].take_header(header, &self.tree, branch_max, now);
        if !self.may_place(node, &ready, now) {
            return self.judge(node, now);
        }
        for header in ready {
            if let Err(lie) = self.place(&header) {
                return self.on_lie(node, lie, now);
            }
        }
        self.nodes[node.index()].settle(&self.tree, now);
        self.settle(now);
        self.prove(node, now);
    }

    /// How long a branch one node may bring.
    fn branch_max(&self) -> u64 {
        self.agreement.head.map_or(self.config.headers_max, |_| self.config.remember_blocks)
    }

    /// Whether headers of which the oldest fits the tree are few enough: headers without work cost a liar nothing.
    fn may_place(&mut self, node: ChainNodeId, ready: &[Header], now: Instant) -> bool {
        let Some(oldest) = ready.first() else { return false };
        let Some(head) = self.agreement.head else { return true };
        let branch_max = self.branch_max();
        let left_at = self.tree.fork_point(oldest.parent, head.hash).map_or(Height(0), |fork| fork.height);
        let parent_at = self.tree.get(oldest.parent).map_or(left_at, |parent| parent.head.height);
        let state = &mut self.nodes[node.index()];
        if parent_at.0.saturating_sub(left_at.0) + ready.len() as u64 > branch_max {
            state.goes_astray(now);
            return false;
        }
        let may = state.headers.take(ready.len(), now);
        if !may {
            state.drop_headers();
        }
        may
    }

    /// A node does not have the header of the head that it reports, or of an ancestor. Once that happens when its
    /// chain has just changed; again and again it is a lie.
    pub fn on_header_refused(&mut self, node: ChainNodeId, now: Instant) {
        if self.missing(node).is_some() && self.nodes[node.index()].head_not_shown() {
            self.on_lie(node, Lie::HeadWithoutHeader, now);
        }
    }

    fn place(&mut self, header: &Header) -> Result<(), Lie> {
        if self.tree.get(header.hash).is_some() {
            return Ok(());
        }
        self.rules.check_in_place(header, &self.tree)?;
        match self.tree.place(header) {
            Ok(_) => Ok(()),
            Err(Misplaced::ParentUnknown(_) | Misplaced::WrongHeight | Misplaced::BelowRoot) => Err(Lie::HeaderChain),
        }
    }

    fn prove(&mut self, node: ChainNodeId, now: Instant) {
        let (head, finalized) = self.agreed();
        self.nodes[node.index()].prove(head, finalized, &self.tree);
        self.judge(node, now);
    }

    /// A node has answered a question other than the one for its head.
    pub fn on_answer(&mut self, node: ChainNodeId, took: Duration, now: Instant) {
        let state = &mut self.nodes[node.index()];
        // Whoever is down comes back by its head, not by an answer that was long on its way.
        if state.verdict != Verdict::Down {
            state.answered(took, now);
        }
        self.judge(node, now);
    }

    /// A node has not answered.
    pub fn on_failure(&mut self, node: ChainNodeId, failure: Failure, now: Instant) {
        self.nodes[node.index()].failed(failure, now);
        self.judge(node, now);
    }

    /// A node was asked and somebody else was quicker.
    pub fn on_unanswered(&mut self, node: ChainNodeId, waited: Duration, now: Instant) {
        if waited >= self.config.silence_max {
            return self.on_failure(node, Failure::Silent, now);
        }
        self.nodes[node.index()].latency.record(waited);
        self.judge(node, now);
    }

    /// A node has sent what its own bytes or the chain's rules contradict.
    pub fn on_lie(&mut self, node: ChainNodeId, lie: Lie, now: Instant) {
        self.nodes[node.index()].lied(lie, now + self.config.lie_penalty);
        self.judge(node, now);
        self.settle(now);
    }

    /// Time has passed: votes age, chains stall, penalties end.
    pub fn on_time(&mut self, now: Instant) {
        self.settle(now);
    }

    /// An operator has looked at a reorganisation that went below finality and accepts it.
    pub fn accept_reversal(&mut self, now: Instant) {
        self.agreement.accept_reversal();
        self.settle(now);
    }

    /// How many nodes show a chain at least as high as a block that does not contain it, or one that meets ours nowhere.
    pub fn against(&self, block: Head, now: Instant) -> usize {
        let votes = self.nodes.iter().filter_map(|node| node.vote(&self.config, now));
        let tips = votes.filter_map(|report| self.tree.get(report.head)).map(|placed| placed.head);
        let others = tips.filter(|tip| tip.height >= block.height && !self.tree.contains(tip.hash, block)).count();
        others + self.nodes.iter().filter(|node| node.is_astray()).count()
    }

    /// Recomputes what is agreed, and every verdict that follows from it.
    fn settle(&mut self, now: Instant) {
        let votes: Vec<(ChainNodeId, Report)> =
            self.nodes().filter_map(|id| Some((id, self.nodes[id.index()].vote(&self.config, now)?))).collect();
        let astray = self.nodes.iter().filter(|node| node.is_astray()).count();
        let before = self.agreement;
        self.agreement.update(&self.config, &self.tree, &votes, astray, now);
        let Agreement { head, finalized, frozen, .. } = self.agreement;
        if let Some(head) = head.filter(|head| before.head != Some(*head)) {
            self.events.push_back(PoolEvent::HeadAgreed(head));
        }
        if let Some(finalized) = finalized.filter(|finalized| before.finalized != Some(*finalized)) {
            self.events.push_back(PoolEvent::Finalized(finalized));
            self.forget(finalized);
        }
        if before.frozen != frozen {
            self.events.push_back(frozen.map_or(PoolEvent::Thawed, PoolEvent::Frozen));
        }
        for node in self.nodes() {
            self.judge(node, now);
        }
    }

    fn forget(&mut self, finalized: Head) {
        let keep_from = Height(finalized.height.0.saturating_sub(self.config.remember_blocks));
        let keep_from = self.needed_from.map_or(keep_from, |needed| needed.min(keep_from));
        // Forgetting copies the tree, so it is done rarely.
        if keep_from.0 > self.tree.root().height.0 + self.config.remember_blocks
            && let Some(block) = self.tree.ancestor(finalized.hash, keep_from)
        {
            let head = block.head;
            self.tree.forget_below(head);
        }
    }

    /// What a node has to agree with. After a reorganisation below finality that is the majority's head alone: the
    /// chain is frozen, but its nodes are no liars.
    fn agreed(&self) -> (Option<Head>, Option<Head>) {
        let Agreement { head, finalized, .. } = self.agreement;
        let Some(head) = head else { return (None, None) };
        (Some(head), finalized.filter(|finalized| self.tree.contains(head.hash, *finalized)))
    }

    fn judge(&mut self, node: ChainNodeId, now: Instant) {
        let agreed = self.agreed();
        let state = &mut self.nodes[node.index()];
        if let Some((from, to, cause)) = state.judge(&self.config, agreed, &self.tree, now) {
            self.events.push_back(PoolEvent::VerdictChanged { node, from, to, cause });
        }
    }

    /// The node to ask next, of those that serve, can do `method`, have budget left and are not `before`; its
    /// budget is charged. Nodes share requests evenly, those that have just come back get less.
    pub fn route(&mut self, method: Method, before: &[ChainNodeId], now: Instant) -> Option<ChainNodeId> {
        let mut best_tier = u8::MAX;
        let mut candidates = Vec::with_capacity(self.nodes.len());
        for (at, node) in self.nodes.iter_mut().enumerate() {
            let id = ChainNodeId(at as u8);
            let Some(tier) = node.tier() else { continue };
            if before.contains(&id) || !node.config.methods.contains(&method) || !node.budget.has_room(now) {
                continue;
            }
            if tier < best_tier {
                best_tier = tier;
                candidates.clear();
            }
            if tier == best_tier {
                candidates.push(at);
            }
        }
        let mut total = 0;
        for at in &candidates {
            let share = self.nodes[*at].share(self.config.slow_start, now);
            self.nodes[*at].turn += share;
            total += share;
        }
        let chosen = candidates.into_iter().max_by_key(|at| (self.nodes[*at].turn, usize::MAX - *at))?;
        self.nodes[chosen].turn -= total;
        self.nodes[chosen].budget.spend();
        Some(ChainNodeId(chosen as u8))
    }

    /// Whether a node is asked for its head now, which comes out of its budget: not while it has asked to be left alone.
    pub fn may_probe(&mut self, node: ChainNodeId, now: Instant) -> bool {
        let budget = &mut self.nodes[node.index()].budget;
        if budget.is_paused(now) {
            return false;
        }
        // What has come in since is counted first.
        budget.has_room(now);
        budget.spend();
        true
    }

    /// How long a node may take before a second one is asked: its own p90, bounded.
    pub fn hedge_after(&self, node: ChainNodeId) -> Duration {
        let (least, most) = self.config.hedge;
        self.nodes[node.index()].latency.p90().unwrap_or(most).clamp(least, most)
    }

    /// Every node that may be given a transaction: all but liars and those that are down.
    pub fn broadcast_targets(&self) -> Vec<ChainNodeId> {
        self.nodes().filter(|id| self.is_of_use(*id, Method::Broadcast)).collect()
    }

    /// Every node that may be asked for its opinion, with room in its budget; the budgets are charged.
    pub fn witnesses(&mut self, method: Method, now: Instant) -> Vec<ChainNodeId> {
        let mut witnesses: Vec<ChainNodeId> = self.nodes().filter(|id| self.is_of_use(*id, method)).collect();
        witnesses.retain(|id| self.nodes[id.index()].budget.has_room(now));
        witnesses.iter().for_each(|id| self.nodes[id.index()].budget.spend());
        witnesses
    }

    fn is_of_use(&self, node: ChainNodeId, method: Method) -> bool {
        let node = &self.nodes[node.index()];
        node.config.methods.contains(&method) && !matches!(node.verdict, Verdict::Lying | Verdict::Down)
    }
}

#[cfg(test)]
mod tests;
