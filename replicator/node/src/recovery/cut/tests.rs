use super::*;

const A: PartitionId = PartitionId::new(1);
const B: PartitionId = PartitionId::new(2);

/// `index:sent/trimmed/seen`, with the one other partition.
fn trace(peer: PartitionId, base: u64, end: u64, text: &str) -> Trace {
    let mut trace = Trace::new(base);
    for step in text.split_whitespace() {
        let (index, counts) = step.split_once(':').unwrap();
        let counts: Vec<u64> = counts.split('/').map(|count| count.parse().unwrap()).collect();
        let counted = Counted { sent: counts[0], trimmed: counts[1], seen: counts[2] };
        trace.note(index.parse().unwrap(), peer, counted);
    }
    trace.reach(end);
    trace
}

fn check(a: Trace, b: Trace) -> Result<(u64, u64), TooEarly> {
    let cut = cut(&[(A, a), (B, b)].into())?;
    Ok((cut[&A], cut[&B]))
}

#[test]
fn logs_that_agree_are_kept_whole() {
    assert_eq!(check(trace(B, 0, 9, "3:2/0/0 7:2/2/1"), trace(A, 0, 8, "4:0/0/2 5:1/0/2")), Ok((9, 8)));
}

#[test]
fn a_receiver_is_cut_before_mail_that_was_not_sent_yet() {
    assert_eq!(check(trace(B, 0, 5, "3:2/0/0"), trace(A, 0, 8, "4:0/0/2 6:0/0/3")), Ok((5, 5)));
}

#[test]
fn a_sender_is_cut_before_it_trimmed_what_was_not_seen_yet() {
    assert_eq!(check(trace(B, 0, 9, "3:2/0/0 7:2/2/0"), trace(A, 0, 3, "2:0/0/1")), Ok((6, 3)));
}

#[test]
fn one_cut_may_ask_for_the_next() {
    // B has seen too much, so what B sent after that was not sent, so A must not have seen that.
    assert_eq!(check(trace(B, 0, 9, "3:1/0/0 8:1/0/1"), trace(A, 0, 9, "4:0/0/1 6:0/0/2 7:1/0/2")), Ok((7, 5)));
}

#[test]
fn a_cut_before_the_snapshot_says_whose_older_one_is_needed() {
    assert_eq!(check(trace(B, 0, 5, "3:1/0/0"), trace(A, 6, 8, "6:0/0/2")), Err(TooEarly { partition: B }));
}

/// Every pair of cuts, by brute force.
#[test]
fn it_is_the_greatest_of_all_consistent_cuts() {
    let mut random = 1_u64;
    let mut below = |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    for _ in 0..2_000 {
        // Two logs that really talk, cut at two ends that nobody agreed on.
        let mut counts = [Counted::default(); 2];
        let mut logs = [vec![Counted::default()], vec![Counted::default()]];
        for _ in 0..24 {
            let (at, other) = if below(2) == 0 { (0, 1) } else { (1, 0) };
            match below(3) {
                0 => counts[at].sent += 1 + below(2),
                1 => counts[at].seen += below(counts[other].sent - counts[at].seen + 1),
                _ => counts[at].trimmed += below(counts[other].seen - counts[at].trimmed + 1),
            }
            logs[at].push(counts[at]);
        }
        let ends = logs.clone().map(|log| below(log.len() as u64));
        let of = |at: usize, peer| {
            let mut trace = Trace::new(0);
            for (index, counted) in logs[at].iter().enumerate().take(ends[at] as usize + 1) {
                trace.note(index as u64, peer, *counted);
            }
            trace
        };
        let is_consistent = |a: u64, b: u64| {
            let (a, b) = (logs[0][a as usize], logs[1][b as usize]);
            a.trimmed <= b.seen && b.seen <= a.sent && b.trimmed <= a.seen && a.seen <= b.sent
        };
        let all = (0..=ends[0]).flat_map(|a| (0..=ends[1]).map(move |b| (a, b)));
        let best = all.filter(|(a, b)| is_consistent(*a, *b)).max_by_key(|(a, b)| a + b).unwrap();
        assert_eq!(check(of(0, B), of(1, A)), Ok(best));
    }
}
