//! One node, as the pool sees it: what it said, how it answers, and what that makes of it.

use std::time::{Duration, Instant};

use super::budget::Budget;
use super::config::{NodeConfig, PoolConfig};
use super::latency::Latency;
use crate::chain::Lie;
use crate::tree::{Header, HeaderTree};
use crate::{BlockHash, Head, Height, Verdict};

/// So many failures in a row make a node down, where one alone could be chance.
const FAILURES_MAX: u32 = 2;
/// So many times in a row a node may lack a header that its own report leads to: its chain may just have changed.
const NOT_SHOWN_MAX: u32 = 3;
/// What a chain's first block names as the block before it.
const FIRST_PARENT: BlockHash = BlockHash([0; 32]);
/// How long a node whose chain meets ours nowhere is not asked again to show how it gets there.
const ASTRAY_RETRY: Duration = Duration::from_secs(10);
/// The share of a node that has just come back, in percent of a full one.
const FIRST_SHARE: u64 = 10;

/// A question that was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Nobody listens: a dead process.
    Refused,
    /// No answer within [`PoolConfig::silence_max`].
    Silent,
    /// The connection broke.
    Broken,
    /// HTTP said so, and there was no JSON-RPC answer in it; or the node says that it is still starting.
    Status(u16),
    /// The bytes are no JSON-RPC answer.
    Malformed,
    /// The node says that it gets too much.
    TooMany,
}

/// What a node says of its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The hash of its head.
    pub head: BlockHash,
    /// What it calls final, where nodes say so.
    pub finalized: Option<Head>,
}

/// Why a verdict changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It proved that it agrees.
    Proved,
    /// It answers again, or its penalty is over.
    Answers,
    /// It is so many blocks behind.
    Behind(u64),
    /// Its chain is another one.
    OtherChain,
    /// Its own bytes contradict it.
    Lie(Lie),
    /// Nine of ten answers take up to this long.
    P90(Duration),
    /// It does not answer.
    Failure(Failure),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Vote {
    pub(super) report: Report,
    heard_at: Instant,
}

/// A report whose head has no place in the tree yet, and the headers fetched for it so far, youngest first.
#[derive(Debug, Clone)]
pub(super) struct Unplaced {
    report: Report,
    headers: Vec<Header>,
}

/// One configured node.
pub(super) struct Node {
    pub(super) config: NodeConfig,
    pub(super) verdict: Verdict,
    pub(super) latency: Latency,
    pub(super) budget: Budget,
    /// New headers that it may bring while a head is agreed.
    pub(super) headers: Budget,
    /// Of the smooth weighted round-robin.
    pub(super) turn: i64,
    vote: Option<Vote>,
    unplaced: Option<Unplaced>,
    /// Its head does not descend from anything that is known.
    is_astray: bool,
    /// How high its head is, where that is below everything that is remembered: it has yet to catch up.
    below: Option<Height>,
    astray_until: Option<Instant>,
    /// Times in a row that it did not have a header that its own report leads to.
    not_shown: u32,
    proofs: u32,
    failures: u32,
    down: Option<Failure>,
    /// It says that it gets too much, and nothing else since.
    is_overwhelmed: bool,
    lying: Option<(Lie, Instant)>,
    behind: u64,
    behind_since: Option<Instant>,
    is_out: bool,
    serves_since: Option<Instant>,
}

impl Node {
    pub(super) fn new(config: NodeConfig, headers: Budget, now: Instant) -> Node {
        Node {
            budget: Budget::new(config.rate, config.burst, now),
            headers,
            config,
            verdict: Verdict::Proving,
            latency: Latency::default(),
            turn: 0,
            vote: None,
            unplaced: None,
            is_astray: false,
            below: None,
            astray_until: None,
            not_shown: 0,
            proofs: 0,
            failures: 0,
            down: None,
            is_overwhelmed: false,
            lying: None,
            behind: 0,
            behind_since: None,
            is_out: false,
            serves_since: None,
        }
    }

    /// What it says, unless that is too old or it is a liar.
    pub(super) fn vote(&self, config: &PoolConfig, now: Instant) -> Option<Report> {
        let vote = self.vote.filter(|vote| now.saturating_duration_since(vote.heard_at) <= config.vote_ttl)?;
        self.lying.is_none().then_some(vote.report)
    }

    /// The blocks that it is behind the agreed head.
    pub(super) fn behind(&self) -> u64 {
        self.behind
    }

    pub(super) fn is_astray(&self) -> bool {
        self.is_astray && self.lying.is_none() && self.down.is_none()
    }

    pub(super) fn answered(&mut self, took: Duration, now: Instant) {
        self.latency.record(took);
        self.budget.resume(now);
        (self.failures, self.is_overwhelmed) = (0, false);
        if self.down.take().is_some() {
            self.proofs = 0;
            self.latency.forget();
        }
    }

    pub(super) fn failed(&mut self, failure: Failure, now: Instant) {
        match failure {
            Failure::TooMany => {
                self.is_overwhelmed = true;
                return self.budget.pause(now);
            }
            Failure::Refused | Failure::Silent => self.down = Some(failure),
            Failure::Broken | Failure::Status(_) | Failure::Malformed => {
                self.failures += 1;
                if self.failures >= FAILURES_MAX {
                    self.down = Some(failure);
                }
            }
        }
        if self.down.is_some() {
            (self.proofs, self.unplaced) = (0, None);
        }
    }

    pub(super) fn lied(&mut self, lie: Lie, until: Instant) {
        self.lying = Some((lie, until));
        (self.vote, self.unplaced, self.proofs) = (None, None, 0);
    }

    /// Takes a report whose head is in the tree, or remembers it until it is. Headers that were fetched for an earlier
    /// report are worth more than a newer one: the way to it is the same.
    pub(super) fn report(&mut self, report: Report, tree: &HeaderTree, now: Instant) {
        if tree.get(report.head).is_some() {
            (self.vote, self.unplaced, self.is_astray) = (Some(Vote { report, heard_at: now }), None, false);
            (self.astray_until, self.below) = (None, None);
            self.not_shown = 0;
        } else if self.astray_until.is_some_and(|until| now < until) {
            self.unplaced = None;
        } else if self.unplaced.as_ref().is_none_or(|unplaced| unplaced.headers.is_empty()) {
            self.unplaced = Some(Unplaced { report, headers: Vec::new() });
        }
    }

    /// The header that is needed next to give its head a place.
    pub(super) fn missing(&self) -> Option<BlockHash> {
        let unplaced = self.unplaced.as_ref()?;
        Some(unplaced.headers.last().map_or(unplaced.report.head, |header| header.parent))
    }

    /// Takes a header that was missing. Gives back all of them, the oldest first, when the oldest's parent is known.
    pub(super) fn take_header(
        &mut self,
        header: Header,
        tree: &HeaderTree,
        depth_max: u64,
        now: Instant,
    ) -> Vec<Header> {
        let Some(unplaced) = self.unplaced.as_mut() else { return Vec::new() };
        let root = tree.root().height;
        if let Some(height) = header.height.filter(|height| *height < root && unplaced.headers.is_empty()) {
            self.is_below(height);
            return Vec::new();
        }
        // Before its first block a chain has nothing to show.
        let is_first = header.parent == FIRST_PARENT;
        let below_root = is_first || header.height.is_some_and(|height| height <= root);
        unplaced.headers.push(header);
        if tree.get(header.parent).is_some() {
            let mut headers = std::mem::take(&mut unplaced.headers);
            headers.reverse();
            return headers;
        }
        if below_root || unplaced.headers.len() as u64 > depth_max {
            self.goes_astray(now);
        }
        Vec::new()
    }

    /// Its head is lower than anything that is remembered: what it has says nothing of the agreed chain, for it or against it.
    pub(super) fn is_below(&mut self, height: Height) {
        (self.unplaced, self.vote, self.is_astray, self.proofs) = (None, None, false, 0);
        self.below = Some(height);
    }

    /// Its chain is none that could become the agreed one.
    pub(super) fn goes_astray(&mut self, now: Instant) {
        (self.unplaced, self.vote, self.is_astray, self.below, self.proofs) = (None, None, true, None, 0);
        self.astray_until = Some(now + ASTRAY_RETRY);
    }

    /// It brings more new headers than it may.
    pub(super) fn drop_headers(&mut self) {
        self.unplaced = None;
    }

    /// It does not have the header that its own report leads to. Whether that is once too often.
    pub(super) fn head_not_shown(&mut self) -> bool {
        self.unplaced = None;
        self.not_shown += 1;
        self.not_shown >= NOT_SHOWN_MAX
    }

    /// The report whose headers were just placed.
    pub(super) fn settle(&mut self, tree: &HeaderTree, now: Instant) {
        if let Some(unplaced) = self.unplaced.take() {
            self.report(unplaced.report, tree, now);
        }
    }

    /// Counts a head that matches the agreed one, or starts again.
    pub(super) fn prove(&mut self, head: Option<Head>, finalized: Option<Head>, tree: &HeaderTree) {
        let (Some(head), Some(vote)) = (head, self.vote) else { return };
        let report = vote.report;
        if !agrees(&report, head, finalized, tree) {
            self.proofs = 0;
        } else if tree.contains(report.head, head) {
            self.proofs = self.proofs.saturating_add(1);
        }
    }

    /// The verdict, from everything that is known of it.
    pub(super) fn judge(
        &mut self,
        config: &PoolConfig,
        agreed: (Option<Head>, Option<Head>),
        tree: &HeaderTree,
        now: Instant,
    ) -> Option<(Verdict, Verdict, Cause)> {
        let (verdict, cause) = self.verdict_now(config, agreed, tree, now);
        if !matches!(verdict, Verdict::Agreeing | Verdict::Slow | Verdict::Proving)
            && (verdict != Verdict::Lagging || self.is_out)
        {
            self.proofs = 0;
        }
        let from = std::mem::replace(&mut self.verdict, verdict);
        match (self.tier().is_some(), self.serves_since) {
            (true, None) => self.serves_since = Some(now),
            (false, Some(_)) => self.serves_since = None,
            _ => {}
        }
        (from != verdict).then_some((from, verdict, cause))
    }

    fn verdict_now(
        &mut self,
        config: &PoolConfig,
        (head, finalized): (Option<Head>, Option<Head>),
        tree: &HeaderTree,
        now: Instant,
    ) -> (Verdict, Cause) {
        if self.lying.is_some_and(|(_, until)| now >= until) {
            self.lying = None;
        }
        if let Some((lie, _)) = self.lying {
            return (Verdict::Lying, Cause::Lie(lie));
        }
        if let Some(failure) = self.down {
            return (Verdict::Down, Cause::Failure(failure));
        }
        // For a while that is no fault of its own; then nobody knows what it would say.
        let is_old = self.vote.is_none_or(|vote| now.saturating_duration_since(vote.heard_at) > config.vote_ttl);
        if self.is_overwhelmed && is_old {
            return (Verdict::Down, Cause::Failure(Failure::TooMany));
        }
        if self.is_astray {
            return (Verdict::Forked, Cause::OtherChain);
        }
        if let Some(below) = self.below {
            self.behind = head.map_or(tree.root().height, |head| head.height).0.saturating_sub(below.0);
            self.is_out = true;
            return (Verdict::Lagging, Cause::Behind(self.behind));
        }
        if let (Some(head), Some(vote)) = (head, self.vote) {
            if !agrees(&vote.report, head, finalized, tree) {
                return (Verdict::Forked, Cause::OtherChain);
            }
            self.measure_lag(vote.report.head, head, config, tree, now);
        }
        let lags = self.behind_since.is_some_and(|since| now.saturating_duration_since(since) >= config.lag.grace);
        self.is_out = lags && self.behind >= config.lag.out_blocks;
        if self.is_out {
            return (Verdict::Lagging, Cause::Behind(self.behind));
        }
        if self.proofs < config.proofs {
            return (Verdict::Proving, Cause::Answers);
        }
        if lags {
            return (Verdict::Lagging, Cause::Behind(self.behind));
        }
        match self.latency.p90() {
            Some(p90) if p90 > config.slow_above => (Verdict::Slow, Cause::P90(p90)),
            _ => (Verdict::Agreeing, Cause::Proved),
        }
    }

    fn measure_lag(&mut self, own: BlockHash, head: Head, config: &PoolConfig, tree: &HeaderTree, now: Instant) {
        let height = tree.get(own).map_or(0, |placed| placed.head.height.0);
        self.behind = head.height.0.saturating_sub(height);
        if self.behind < config.lag.degraded_blocks {
            self.behind_since = None;
        } else {
            self.behind_since.get_or_insert(now);
        }
    }

    /// Who is asked first: 0 before 1; `None` is not asked at all.
    pub(super) fn tier(&self) -> Option<u8> {
        match self.verdict {
            Verdict::Agreeing => Some(0),
            Verdict::Slow => Some(1),
            Verdict::Lagging if !self.is_out => Some(1),
            _ => None,
        }
    }

    /// Its share of requests in percent of a full one.
    pub(super) fn share(&self, slow_start: Duration, now: Instant) -> i64 {
        let Some(since) = self.serves_since else { return 0 };
        let whole = slow_start.as_millis().max(1) as u64;
        let served = now.saturating_duration_since(since).as_millis() as u64;
        (FIRST_SHARE + (100 - FIRST_SHARE) * served.min(whole) / whole) as i64
    }
}

/// Whether a report can be true together with the agreed head: one's chain contains the other, and what each
/// calls final is on the other's chain as far as that goes.
pub(super) fn agrees(report: &Report, head: Head, finalized: Option<Head>, tree: &HeaderTree) -> bool {
    let Some(own) = tree.get(report.head) else { return false };
    let heads_agree = tree.contains(own.head.hash, head) || tree.contains(head.hash, own.head);
    heads_agree && !contradicts(report, head, finalized, tree)
}

/// Whether a report contradicts what is final, or calls final what the agreed chain does not contain.
pub(super) fn contradicts(report: &Report, head: Head, finalized: Option<Head>, tree: &HeaderTree) -> bool {
    let Some(own) = tree.get(report.head) else { return true };
    let against_ours =
        finalized.is_some_and(|ours| own.head.height >= ours.height && !tree.contains(own.head.hash, ours));
    let against_theirs = report.finalized.is_some_and(|theirs| {
        theirs.height >= tree.root().height && theirs.height <= head.height && !tree.contains(head.hash, theirs)
    });
    against_ours || against_theirs
}
