//! What looks like a reorganisation or a lie and is neither, and what a liar may cost.

use super::*;

/// A node says that its head is block `height` of `branch`, and shows up to `count` headers that it is asked for.
fn show(bench: &mut Bench, node: u8, branch: u8, height: u64, count: usize) {
    let id = ChainNodeId(node);
    let report = Report { head: bench.on(branch, height).hash, finalized: None };
    bench.pool.on_report(id, report, Duration::from_millis(5), bench.now);
    for _ in 0..count {
        let Some(missing) = bench.pool.missing(id) else { return };
        let header = bench.header(branch, missing);
        bench.pool.on_header(id, header, bench.now);
    }
}

#[test]
fn nodes_that_fall_back_below_what_is_final_have_no_majority_and_revert_nothing() {
    let mut bench = Bench::agreed_at(10, |_| {});
    for node in 0..3 {
        bench.report_final(node, 0, 5, 3);
    }
    bench.pass(STEP);
    assert_eq!((bench.frozen(), bench.head()), (Some(Freeze::NoMajority), None));
    assert_eq!(bench.pool.agreement().finalized, Some(block(0, 8)), "what was final stays so");
    bench.all_report(0, 11);
    assert_eq!((bench.frozen(), bench.head()), (None, Some(block(0, 11))));
    assert!(!bench.events().contains(&PoolEvent::Frozen(Freeze::FinalityReverted)));
}

#[test]
fn a_node_that_starts_anew_is_not_heard_until_it_has_caught_up_and_no_liar() {
    let mut bench = Bench::agreed_at(10, |_| {});
    let (id, first) = (ChainNodeId(3), BlockHash([77; 32]));
    for _ in 0..4 {
        let report = Report { head: first, finalized: None };
        bench.pool.on_report(id, report, Duration::from_millis(5), bench.now);
        if let Some(missing) = bench.pool.missing(id) {
            assert_eq!(missing, first);
            let (parent, height) = (BlockHash([0; 32]), None);
            let header = Header { hash: first, parent, height, time_s: 1, work: 1, bits: 0 };
            bench.pool.on_header(id, header, bench.now);
        }
        assert_eq!(bench.pool.missing(id), None, "nothing is before a first block");
        bench.others_report(&[3], 10, 1);
    }
    assert_eq!(bench.verdict(3), Verdict::Forked);
    for height in 11..15 {
        bench.all_report(0, height);
    }
    assert_eq!(bench.verdict(3), Verdict::Agreeing);
}

#[test]
fn nodes_that_are_below_all_that_is_remembered_lag_and_are_no_dissent() {
    let mut bench = Bench::agreed_at(10, |config| config.remember_blocks = 20);
    for height in (12..=200).step_by(2) {
        bench.all_report(0, height);
    }
    let root = bench.pool.tree().root().height;
    assert!(root > Height(150));
    for turn in 0..4 {
        for node in [3, 4] {
            let report = Report { head: BlockHash([70 + turn; 32]), finalized: None };
            bench.pool.on_report(ChainNodeId(node), report, Duration::from_millis(5), bench.now);
            bench.pool.on_height(ChainNodeId(node), Height(100), bench.now);
            assert_eq!(bench.pool.missing(ChainNodeId(node)), None, "nothing of it is fetched");
        }
        bench.others_report(&[3, 4], 200, 1);
    }
    assert_eq!((bench.verdict(3), bench.verdict(4)), (Verdict::Lagging, Verdict::Lagging));
    assert_eq!((bench.frozen(), bench.head()), (None, Some(block(0, 200))));
    // EVM headers say it themselves.
    let report = Report { head: BlockHash([80; 32]), finalized: None };
    bench.pool.on_report(ChainNodeId(4), report, Duration::from_millis(5), bench.now);
    let (hash, parent, height) = (BlockHash([80; 32]), BlockHash([81; 32]), Some(Height(root.0 - 1)));
    bench.pool.on_header(ChainNodeId(4), Header { hash, parent, height, time_s: 1, work: 1, bits: 0 }, bench.now);
    assert_eq!((bench.verdict(4), bench.pool.missing(ChainNodeId(4))), (Verdict::Lagging, None));
    for height in 202..206 {
        bench.all_report(0, height);
    }
    assert_eq!(bench.verdict(3), Verdict::Agreeing);
}

#[test]
fn who_is_against_a_block_is_counted_at_its_own_height() {
    let mut bench = Bench::agreed_at(10, |_| {});
    bench.fork(4, 9);
    show(&mut bench, 3, 4, 11, 64);
    show(&mut bench, 4, 4, 9, 64);
    assert_eq!(bench.pool.against(block(0, 10), bench.now), 1, "one is on a branch, one just behind");
    assert_eq!(bench.pool.against(block(0, 9), bench.now), 0);
    show(&mut bench, 4, 4, 10, 64);
    assert_eq!(bench.pool.against(block(0, 10), bench.now), 2);
}

#[test]
fn a_header_that_arrives_after_its_node_was_given_up_is_no_lie() {
    let mut bench = Bench::agreed_at(10, |_| {});
    let id = ChainNodeId(3);
    let report = Report { head: bench.on(0, 11).hash, finalized: None };
    bench.pool.on_report(id, report, Duration::from_millis(5), bench.now);
    let missing = bench.pool.missing(id).unwrap();
    // Another question to the same node was not answered in time meanwhile.
    bench.pool.on_unanswered(id, Duration::from_secs(5), bench.now);
    let header = bench.header(0, missing);
    bench.pool.on_header(id, header, bench.now);
    assert_eq!(bench.verdict(3), Verdict::Down);
    for _ in 0..4 {
        bench.all_report(0, 12);
    }
    assert_eq!(bench.verdict(3), Verdict::Agreeing);
}

#[test]
fn a_branch_that_nobody_else_has_is_remembered_only_so_far() {
    let mut bench = Bench::agreed_at(10, |config| config.remember_blocks = 40);
    let before = bench.pool.tree().len();
    bench.fork(4, 10);
    for turn in 1..=50 {
        show(&mut bench, 4, 4, 10 + 20 * turn, 64);
        bench.others_report(&[4], 10, 1);
    }
    let kept = bench.pool.tree().len() - before;
    assert!(kept <= 80, "a liar's branch of 1,000 headers took {kept} places");
    assert_eq!(bench.verdict(4), Verdict::Forked);
    assert_eq!((bench.frozen(), bench.head()), (None, Some(block(0, 10))));
    for _ in 0..4 {
        bench.all_report(0, 11);
    }
    assert_eq!(bench.verdict(4), Verdict::Agreeing, "who comes back to the agreed chain is welcome");
}

#[test]
fn a_new_head_does_not_undo_the_headers_that_were_fetched() {
    let mut bench = Bench::new(|_| {});
    for turn in 0..20 {
        show(&mut bench, 0, 0, 1_000 + turn, 64);
    }
    let placed = bench.pool.tree().len();
    assert!(placed > 1_000, "{placed} headers have a place although the head rose all the time");
}

#[test]
fn blocks_that_are_still_to_be_followed_are_not_forgotten() {
    let mut bench = Bench::agreed_at(10, |config| config.remember_blocks = 20);
    bench.pool.keep_from(Some(Height(9)));
    for height in (12..=200).step_by(2) {
        bench.all_report(0, height);
    }
    assert!(bench.pool.tree().contains(block(0, 200).hash, block(0, 9)));
    bench.pool.keep_from(Some(Height(190)));
    bench.all_report(0, 202);
    assert_eq!(bench.pool.tree().root(), block(0, 180), "what was followed is forgotten");
}

#[test]
fn blocks_of_an_earlier_life_are_in_the_tree() {
    let mut bench = Bench::new(|_| {});
    bench.fork(2, 3);
    let chain: Vec<Placed> = (1..=5)
        .map(|height| {
            let head = bench.on(2, height);
            Placed { head, parent: bench.on(2, height - 1).hash, time_s: height, chain_work: 0, bits: 0 }
        })
        .collect();
    bench.pool.remember(&chain);
    bench.all_report(0, 6);
    let fork = bench.pool.tree().fork_point(bench.on(2, 5).hash, block(0, 6).hash);
    assert_eq!(fork, Some(block(0, 3)));
}
