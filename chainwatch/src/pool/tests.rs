//! Five nodes of a chain without proof of work, which say what the test lets them say.

mod doubt;

use super::*;
use crate::chain::evm::EvmRules;

pub(super) const STEP: Duration = Duration::from_millis(200);

/// Block `height` of branch `branch`. All branches share the blocks below where they leave the trunk, branch 0.
pub(super) fn block(branch: u8, height: u64) -> Head {
    let mut hash = [branch; 32];
    hash[..8].copy_from_slice(&height.to_be_bytes());
    Head { height: Height(height), hash: BlockHash(hash) }
}

pub(super) struct Bench {
    pub(super) pool: Pool,
    pub(super) now: Instant,
    /// Which branch leaves the trunk above which height.
    forks: Vec<(u8, u64)>,
    work: u128,
}

impl Bench {
    pub(super) fn new(change: impl FnOnce(&mut PoolConfig)) -> Bench {
        let nodes = (0..5).map(|n| NodeConfig::new(format!("node-{n}"))).collect();
        let mut config = PoolConfig::evm(nodes);
        change(&mut config);
        let root = Placed { head: block(0, 0), parent: BlockHash([0xff; 32]), time_s: 0, chain_work: 0, bits: 0 };
        let now = Instant::now();
        let pool = Pool::new(config, ChainRules::Evm(EvmRules { chain_id: 1 }), root, now);
        Bench { pool, now, forks: Vec::new(), work: 0 }
    }

    /// All five agree on block `height` of the trunk and have proved it.
    pub(super) fn agreed_at(height: u64, change: impl FnOnce(&mut PoolConfig)) -> Bench {
        let mut bench = Bench::new(change);
        for _ in 0..4 {
            bench.all_report(0, height);
        }
        assert!(bench.verdicts().iter().all(|verdict| *verdict == Verdict::Agreeing), "{:?}", bench.verdicts());
        bench.events();
        bench
    }

    pub(super) fn fork(&mut self, branch: u8, above: u64) {
        self.forks.push((branch, above));
    }

    fn on(&self, branch: u8, height: u64) -> Head {
        let leaves = self.forks.iter().find(|(b, _)| *b == branch).map_or(0, |(_, above)| *above);
        if height <= leaves { block(0, height) } else { block(branch, height) }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.pool.on_time(self.now);
    }

    /// Node `node` reports block `height` of `branch` and shows whatever header it is asked for.
    pub(super) fn report(&mut self, node: u8, branch: u8, height: u64) {
        self.report_final(node, branch, height, height.saturating_sub(2));
    }

    fn report_final(&mut self, node: u8, branch: u8, height: u64, finalized: u64) {
        let id = ChainNodeId(node);
        let report = Report { head: self.on(branch, height).hash, finalized: Some(self.on(branch, finalized)) };
        self.pool.on_report(id, report, Duration::from_millis(5), self.now);
        while let Some(missing) = self.pool.missing(id) {
            let header = self.header(branch, missing);
            self.pool.on_header(id, header, self.now);
        }
    }

    /// The header of a block of `branch`.
    fn header(&self, branch: u8, hash: BlockHash) -> Header {
        let at = u64::from_be_bytes(hash.0[..8].try_into().unwrap());
        let parent = self.on(branch, at - 1).hash;
        Header { hash, parent, height: Some(Height(at)), time_s: at, work: self.work, bits: 0 }
    }

    pub(super) fn all_report(&mut self, branch: u8, height: u64) {
        for node in 0..5 {
            self.report(node, branch, height);
        }
        self.pass(STEP);
    }

    /// Everybody but `but` reports the trunk at `height`, `times` times.
    fn others_report(&mut self, but: &[u8], height: u64, times: u32) {
        for _ in 0..times {
            for node in (0..5).filter(|node| !but.contains(node)) {
                self.report(node, 0, height);
            }
            self.pass(STEP);
        }
    }

    pub(super) fn verdicts(&self) -> Vec<Verdict> {
        self.pool.nodes().map(|node| self.pool.verdict(node)).collect()
    }

    fn verdict(&self, node: u8) -> Verdict {
        self.pool.verdict(ChainNodeId(node))
    }

    fn events(&mut self) -> Vec<PoolEvent> {
        std::iter::from_fn(|| self.pool.poll_event()).collect()
    }

    fn frozen(&self) -> Option<Freeze> {
        self.pool.agreement().frozen
    }

    fn head(&self) -> Option<Head> {
        self.pool.agreement().head
    }

    pub(super) fn routes(&mut self, count: usize) -> Vec<u8> {
        (0..count).filter_map(|_| self.pool.route(Method::Block, &[], self.now)).map(|node| node.0).collect()
    }
}

#[test]
fn nobody_is_asked_before_it_has_shown_three_matching_heads() {
    let mut bench = Bench::new(|_| {});
    assert_eq!(bench.frozen(), Some(Freeze::NoMajority));
    for _ in 0..2 {
        bench.all_report(0, 3);
        assert!(bench.routes(1).is_empty());
    }
    bench.all_report(0, 3);
    bench.all_report(0, 3);
    assert_eq!(bench.routes(5).len(), 5);
    assert_eq!((bench.frozen(), bench.head()), (None, Some(block(0, 3))));
    assert_eq!(bench.pool.agreement().finalized, Some(block(0, 1)));
}

#[test]
fn a_refused_connection_is_down_at_once_and_comes_back_by_three_matching_heads() {
    let mut bench = Bench::agreed_at(5, |_| {});
    bench.pool.on_failure(ChainNodeId(2), Failure::Refused, bench.now);
    assert_eq!(bench.verdict(2), Verdict::Down);
    assert!(!bench.routes(20).contains(&2));
    for _ in 0..2 {
        bench.all_report(0, 6);
        assert_eq!(bench.verdict(2), Verdict::Proving);
    }
    bench.all_report(0, 6);
    assert_eq!(bench.verdict(2), Verdict::Agreeing);
}

#[test]
fn one_broken_answer_is_chance_and_two_in_a_row_are_not() {
    let mut bench = Bench::agreed_at(5, |_| {});
    for failure in [Failure::Status(503), Failure::Malformed, Failure::Broken] {
        bench.pool.on_failure(ChainNodeId(1), failure, bench.now);
        bench.pool.on_answer(ChainNodeId(1), STEP, bench.now);
        assert_eq!(bench.verdict(1), Verdict::Agreeing);
    }
    bench.pool.on_failure(ChainNodeId(1), Failure::Status(503), bench.now);
    bench.pool.on_failure(ChainNodeId(1), Failure::Malformed, bench.now);
    assert_eq!(bench.verdict(1), Verdict::Down);
}

#[test]
fn who_has_come_back_starts_slowly() {
    let mut bench = Bench::agreed_at(5, |_| {});
    bench.pass(Duration::from_secs(60));
    bench.others_report(&[], 6, 4);
    bench.pass(Duration::from_secs(1));
    bench.others_report(&[], 6, 1);
    bench.pool.on_failure(ChainNodeId(0), Failure::Refused, bench.now);
    bench.others_report(&[], 6, 3);
    assert_eq!(bench.verdict(0), Verdict::Agreeing);
    let share = bench.routes(100).iter().filter(|node| **node == 0).count();
    assert!(share < 10, "{share} of 100 requests went to a node that had just come back");
}

#[test]
fn two_blocks_behind_is_asked_last_and_four_behind_not_at_all() {
    let mut bench = Bench::agreed_at(5, |_| {});
    bench.others_report(&[4], 6, 1);
    bench.report(4, 0, 5);
    assert_eq!(bench.verdict(4), Verdict::Agreeing);
    bench.others_report(&[4], 7, 1);
    bench.report(4, 0, 5);
    assert_eq!(bench.verdict(4), Verdict::Lagging);
    assert!(!bench.routes(20).contains(&4));
    let others: Vec<ChainNodeId> = (0..4).map(ChainNodeId).collect();
    assert_eq!(bench.pool.route(Method::Block, &others, bench.now), Some(ChainNodeId(4)));
    bench.others_report(&[4], 9, 1);
    bench.report(4, 0, 5);
    assert_eq!(bench.pool.route(Method::Block, &others, bench.now), None);
    for _ in 0..3 {
        assert_ne!(bench.verdict(4), Verdict::Agreeing);
        bench.report(4, 0, 9);
    }
    assert_eq!(bench.verdict(4), Verdict::Agreeing);
}

#[test]
fn a_bitcoin_node_may_be_one_block_behind_for_thirty_seconds() {
    let rule = LagRule { degraded_blocks: 1, out_blocks: 1, grace: Duration::from_secs(30) };
    let mut bench = Bench::agreed_at(5, |config| {
        config.lag = rule;
        config.stall_after = Duration::from_secs(5_400);
    });
    let started = bench.now;
    while bench.now < started + Duration::from_secs(29) {
        bench.others_report(&[3], 6, 1);
        bench.report(3, 0, 5);
        assert_eq!(bench.verdict(3), Verdict::Agreeing);
    }
    bench.pass(Duration::from_secs(2));
    bench.others_report(&[3], 6, 1);
    bench.report(3, 0, 5);
    assert_eq!(bench.verdict(3), Verdict::Lagging);
    assert!(!bench.routes(20).contains(&3));
}

#[test]
fn another_hash_than_the_majoritys_is_a_fork_until_the_node_agrees_again() {
    let mut bench = Bench::agreed_at(5, |_| {});
    bench.fork(1, 5);
    bench.others_report(&[2], 7, 1);
    bench.report_final(2, 1, 7, 5);
    assert_eq!(bench.verdict(2), Verdict::Forked);
    assert_eq!((bench.head(), bench.frozen()), (Some(block(0, 7)), None));
    assert!(!bench.routes(20).contains(&2));
    bench.others_report(&[], 7, 3);
    assert_eq!(bench.verdict(2), Verdict::Agreeing);
}

#[test]
fn a_liar_loses_its_vote_and_is_not_listened_to() {
    let mut bench = Bench::agreed_at(5, |config| config.lie_penalty = Duration::from_secs(2));
    bench.pool.on_failure(ChainNodeId(0), Failure::Refused, bench.now);
    bench.pool.on_lie(ChainNodeId(1), Lie::Receipts, bench.now);
    bench.pool.on_lie(ChainNodeId(2), Lie::HeaderHash, bench.now);
    assert_eq!((bench.verdict(1), bench.verdict(2)), (Verdict::Lying, Verdict::Lying));
    for _ in 0..5 {
        bench.report(1, 0, 6);
        bench.report(2, 0, 6);
    }
    assert_eq!(bench.verdict(1), Verdict::Lying);
    bench.pass(Duration::from_secs(4));
    assert_eq!(bench.frozen(), Some(Freeze::NoMajority));
    bench.others_report(&[0], 6, 4);
    assert_eq!((bench.verdict(1), bench.frozen()), (Verdict::Agreeing, None));
}

#[test]
fn a_header_that_is_not_the_one_asked_for_is_a_lie() {
    let mut bench = Bench::agreed_at(5, |_| {});
    let report = Report { head: block(0, 6).hash, finalized: None };
    bench.pool.on_report(ChainNodeId(3), report, STEP, bench.now);
    assert_eq!(bench.pool.missing(ChainNodeId(3)), Some(block(0, 6).hash));
    let other = Header {
        hash: block(9, 6).hash,
        parent: block(0, 5).hash,
        height: Some(Height(6)),
        time_s: 0,
        work: 0,
        bits: 0,
    };
    bench.pool.on_header(ChainNodeId(3), other, bench.now);
    assert_eq!(bench.verdict(3), Verdict::Lying);
}

#[test]
fn silence_of_the_majority_freezes_and_its_return_thaws() {
    let mut bench = Bench::agreed_at(5, |_| {});
    bench.pass(Duration::from_secs(4));
    assert_eq!(bench.frozen(), Some(Freeze::NoMajority));
    bench.others_report(&[0, 1, 2], 5, 1);
    assert_eq!(bench.frozen(), Some(Freeze::NoMajority));
    bench.others_report(&[0, 1], 5, 1);
    assert_eq!(bench.frozen(), None);
    let events = bench.events();
    assert!(events.contains(&PoolEvent::Frozen(Freeze::NoMajority)) && events.contains(&PoolEvent::Thawed));
}

#[test]
fn a_chain_that_does_not_grow_is_frozen_until_it_does() {
    let mut bench = Bench::agreed_at(5, |_| {});
    for _ in 0..61 {
        bench.pass(Duration::from_secs(1));
        bench.all_report(0, 5);
    }
    assert_eq!(bench.frozen(), Some(Freeze::Stalled));
    bench.all_report(0, 6);
    assert_eq!(bench.frozen(), None);
}

#[test]
fn a_reorganisation_above_finality_moves_the_head_and_one_below_it_freezes() {
    let mut bench = Bench::agreed_at(10, |_| {});
    bench.fork(1, 8);
    bench.fork(2, 7);
    bench.all_report(1, 12);
    assert_eq!((bench.head(), bench.frozen()), (Some(block(1, 12)), None));
    let mut bench = Bench::agreed_at(10, |_| {});
    bench.fork(2, 7);
    bench.all_report(2, 12);
    assert_eq!(bench.frozen(), Some(Freeze::FinalityReverted));
    assert_eq!(bench.pool.agreement().finalized, Some(block(0, 8)));
    bench.all_report(0, 13);
    assert_eq!(bench.frozen(), None, "agreement has returned");
    bench.all_report(2, 16);
    assert_eq!(bench.frozen(), Some(Freeze::FinalityReverted));
    bench.pool.accept_reversal(bench.now);
    assert_eq!((bench.frozen(), bench.pool.agreement().finalized), (None, Some(block(2, 14))));
}

#[test]
fn one_dissenter_below_finality_is_routed_around_and_two_freeze_the_chain() {
    let mut bench = Bench::agreed_at(10, |_| {});
    bench.fork(1, 7);
    bench.others_report(&[0], 11, 1);
    bench.report(0, 1, 11);
    assert_eq!((bench.verdict(0), bench.frozen()), (Verdict::Forked, None));
    bench.others_report(&[0, 1], 11, 1);
    bench.report(1, 1, 11);
    assert_eq!(bench.frozen(), Some(Freeze::Dissent));
    bench.others_report(&[0], 12, 1);
    assert_eq!(bench.frozen(), None);
}

#[test]
fn three_liars_of_five_that_invent_a_chain_below_finality_only_freeze() {
    let mut bench = Bench::agreed_at(10, |_| {});
    bench.fork(3, 7);
    for node in 0..3 {
        bench.report(node, 3, 20);
    }
    bench.others_report(&[0, 1, 2], 11, 1);
    assert_eq!(bench.frozen(), Some(Freeze::FinalityReverted));
    let mut bench = Bench::agreed_at(10, |_| {});
    bench.fork(3, 10);
    for height in 12..20 {
        for node in 0..3 {
            bench.report(node, 3, height);
        }
        bench.others_report(&[0, 1, 2], height, 1);
    }
    assert_eq!(bench.frozen(), Some(Freeze::Dissent), "two honest nodes contradict what the liars call final");
}

#[test]
fn more_work_on_another_chain_freezes() {
    let mut bench = Bench::agreed_at(5, |_| {});
    bench.work = 2;
    bench.all_report(0, 6);
    bench.fork(1, 5);
    bench.report_final(4, 1, 9, 3);
    assert_eq!((bench.frozen(), bench.head()), (Some(Freeze::Outworked), Some(block(0, 6))));
    bench.all_report(1, 9);
    assert_eq!(bench.frozen(), None);
}

#[test]
fn a_node_whose_chain_meets_ours_nowhere_is_forked() {
    let mut bench = Bench::agreed_at(5, |config| config.remember_blocks = 8);
    for height in [12, 20, 28, 36] {
        bench.all_report(0, height);
        bench.all_report(0, height);
    }
    assert!(bench.pool.tree().root().height > Height(8), "old headers are forgotten");
    bench.report_final(2, 7, 36, 30);
    assert_eq!(bench.verdict(2), Verdict::Forked);
}

#[test]
fn a_node_that_gets_too_much_is_left_alone_for_a_while() {
    let mut bench = Bench::agreed_at(5, |_| {});
    bench.pool.on_failure(ChainNodeId(0), Failure::TooMany, bench.now);
    assert!(!bench.routes(50).contains(&0));
    assert_eq!(bench.verdict(0), Verdict::Agreeing);
    bench.now += Duration::from_millis(300);
    assert!(bench.routes(50).contains(&0));
}

#[test]
fn a_node_that_says_nothing_but_that_it_gets_too_much_is_down_once_its_word_is_old_and_is_asked_ever_less() {
    let mut bench = Bench::agreed_at(5, |_| {});
    let (id, mut asked) = (ChainNodeId(0), 0);
    for _ in 0..100 {
        if bench.pool.may_probe(id, bench.now) {
            bench.pool.on_failure(id, Failure::TooMany, bench.now);
            asked += 1;
        }
        bench.now += Duration::from_millis(200);
        bench.others_report(&[0], 5, 1);
    }
    assert_eq!(bench.verdict(0), Verdict::Down);
    assert!((5..=8).contains(&asked), "asked {asked} times in 20 seconds");
    bench.now += Duration::from_secs(30);
    assert!(bench.pool.may_probe(id, bench.now));
    for _ in 0..4 {
        bench.all_report(0, 5);
    }
    assert_eq!(bench.verdict(0), Verdict::Agreeing);
}

#[test]
fn probes_come_out_of_a_nodes_budget() {
    let mut bench = Bench::agreed_at(5, |config| (config.nodes[0].rate, config.nodes[0].burst) = (10, 10));
    bench.now += Duration::from_secs(5);
    for _ in 0..10 {
        assert!(bench.pool.may_probe(ChainNodeId(0), bench.now));
    }
    assert!(!bench.routes(50).contains(&0));
    bench.now += Duration::from_millis(200);
    assert!(bench.routes(50).contains(&0));
}

#[test]
fn a_slow_node_is_asked_when_nobody_else_is_left() {
    let mut bench = Bench::agreed_at(5, |_| {});
    for _ in 0..40 {
        bench.pool.on_answer(ChainNodeId(1), Duration::from_millis(400), bench.now);
        bench.pool.on_answer(ChainNodeId(0), Duration::from_millis(4), bench.now);
    }
    assert_eq!(bench.verdict(1), Verdict::Slow);
    assert!(!bench.routes(50).contains(&1));
    let others = [0, 2, 3, 4].map(ChainNodeId);
    assert_eq!(bench.pool.route(Method::Block, &others, bench.now), Some(ChainNodeId(1)));
    assert_eq!(bench.pool.hedge_after(ChainNodeId(1)), Duration::from_millis(150));
    assert_eq!(bench.pool.hedge_after(ChainNodeId(0)), Duration::from_millis(50));
}

#[test]
fn a_method_goes_only_to_nodes_that_can_do_it() {
    let mut bench = Bench::agreed_at(5, |config| {
        for node in &mut config.nodes[1..] {
            node.methods = vec![Method::Header];
        }
    });
    assert_eq!(bench.routes(3), [0, 0, 0]);
    assert_eq!(bench.pool.broadcast_targets(), [ChainNodeId(0)]);
}
