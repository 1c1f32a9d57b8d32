//! What strikes whom, when: the same fault again and again, or what a seed draws.

use std::time::Duration;

use replicator::sim::Random;

use crate::faults::Fault;

/// Quiet time between a node's return and the next fault, for its replicas to catch up.
const BETWEEN_FAULTS: Duration = Duration::from_millis(1500);
/// What a node that was killed takes to be ready again, at most as a rule.
const START: Duration = Duration::from_secs(2);

/// What strikes at one time, and what follows.
#[derive(Debug, Clone, PartialEq)]
pub struct Strike {
    /// Each of another node.
    pub blows: Vec<Blow>,
    /// Whether every node is to be ready again before what follows.
    pub awaits_all: bool,
    /// Quiet time after it.
    pub then: Duration,
}

/// One fault of one node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blow {
    pub fault: Fault,
    pub whom: Whom,
    pub lasts: Duration,
}

/// Which node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// Who leads the busiest partition then.
    Leader,
    /// In this place of the cluster's list.
    Place(usize),
}

impl Strike {
    /// About how long it takes, with what follows.
    pub fn duration(&self) -> Duration {
        let lasts = self.blows.iter().map(|blow| blow.lasts).max().unwrap_or_default();
        let is_deadly = self.blows.iter().any(|blow| blow.fault == Fault::Kill);
        // The load must outlast the faults on a slow machine too.
        lasts + if is_deadly { START } else { START / 2 } + self.then
    }
}

/// The leader is struck by one fault so many times.
pub fn same(fault: Fault, times: u32) -> Vec<Strike> {
    let blow = Blow { fault, whom: Whom::Leader, lasts: fault.lasts() };
    (0..times).map(|_| Strike { blows: vec![blow], awaits_all: true, then: BETWEEN_FAULTS }).collect()
}

/// So many strikes of any kind on any of `nodes` nodes: half of them at the leader, some at several or all at once, so
/// that a quorum is gone for a while, and half of them before the last one's victim has caught up. The same for the same
/// seed, but for who leads. Partitions only where they are `walls`: they need root,
/// and are of the connections that a node has at their start.
pub fn drawn(seed: u64, times: u32, nodes: usize, walls: bool) -> Vec<Strike> {
    assert!(nodes > 1, "faults are of clusters");
    let mut random = Random::new(seed);
    (0..times).map(|_| strike(&mut random, nodes, walls)).collect()
}

fn strike(random: &mut Random, nodes: usize, walls: bool) -> Strike {
    let first = usize::try_from(random.below(nodes as u64)).unwrap_or(0);
    let victims = match random.below(100) {
        0..50 => vec![Whom::Leader],
        50..75 => vec![Whom::Place(first)],
        75..90 => vec![Whom::Place(first), Whom::Place((first + 1) % nodes)],
        _ => (0..nodes).map(Whom::Place).collect(),
    };
    let blows = victims.into_iter().map(|whom| blow(random, whom, walls)).collect();
    let awaits_all = random.per_mille(500);
    let then = if awaits_all { between(random, 300, 2_000) } else { between(random, 0, 300) };
    Strike { blows, awaits_all, then }
}

fn blow(random: &mut Random, whom: Whom, walls: bool) -> Blow {
    let (fault, lasts) = match random.below(100) {
        0..45 => (Fault::Kill, between(random, 0, 2_000)),
        45..60 if walls => (Fault::Partition, between(random, 50, 3_000)),
        45..85 => (Fault::Stop, between(random, 20, 3_000)),
        _ => (Fault::Transfer, between(random, 0, 300)),
    };
    Blow { fault, whom, lasts }
}

fn between(random: &mut Random, least_ms: u64, most_ms: u64) -> Duration {
    Duration::from_millis(least_ms + random.below(most_ms - least_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_strikes_again_and_another_draws_others() {
        assert_eq!(drawn(7, 50, 3, true), drawn(7, 50, 3, true));
        assert_ne!(drawn(7, 50, 3, true), drawn(8, 50, 3, true));
        assert_eq!(drawn(7, 50, 3, true)[..20], drawn(7, 20, 3, true));
    }

    #[test]
    fn everything_is_drawn_now_and_then_and_nobody_is_struck_twice_at_once() {
        let strikes = drawn(1, 400, 3, true);
        for fault in [Fault::Kill, Fault::Stop, Fault::Partition, Fault::Transfer] {
            assert!(strikes.iter().flat_map(|strike| &strike.blows).any(|blow| blow.fault == fault), "{fault}");
        }
        for many in 1..=3 {
            assert!(strikes.iter().any(|strike| strike.blows.len() == many), "{many} at once");
        }
        assert!(strikes.iter().any(|strike| strike.blows[0].whom == Whom::Leader));
        for strike in &strikes {
            let all: Vec<Whom> = strike.blows.iter().map(|blow| blow.whom).collect();
            assert!((1..all.len()).all(|i| !all[..i].contains(&all[i])), "{all:?}");
        }
        let is_walled = |strike: &Strike| strike.blows.iter().any(|blow| blow.fault == Fault::Partition);
        assert!(!drawn(1, 400, 3, false).iter().any(is_walled), "only root makes walls");
    }
}
