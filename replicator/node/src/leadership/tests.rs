use replicator::{Members, Role, Space};
use wire::{LogPosition, Term};

use super::*;

const LEDGER: PartitionId = PartitionId::new(1);
const STABLE_NS: u64 = 5_000_000_000;

fn node(id: u64) -> NodeId {
    NodeId::new(id)
}

/// Of node 1, which leads; every standby has everything.
fn status(voters: &[u64], draining: &[u64]) -> Status {
    let mut members = Members::founders(&voters.iter().copied().map(NodeId::new).collect::<Vec<_>>());
    members.places.draining = draining.iter().copied().map(NodeId::new).collect();
    Status {
        role: Role::Leader,
        leader: Some(node(1)),
        term: Term::new(2),
        settled: true,
        commit_index: 100,
        applied_index: 100,
        last_index: 100,
        first_index: 1,
        applied_position: LogPosition::new(90),
        applied_timestamp: Timestamp::ZERO,
        snapshot_position: LogPosition::ZERO,
        queued: 0,
        sessions: 0,
        dropped_messages: 0,
        standbys: voters.iter().filter(|id| **id != 1).map(|id| (node(*id), 100)).collect(),
        lacking: Vec::new(),
        learners: Vec::new(),
        lag: None,
        members,
        member: 1,
        broken: None,
        quarantined: Vec::new(),
        failed: None,
        version: 1,
        versions: 1..=1,
        version_at: LogPosition::ZERO,
        said_versions: Vec::new(),
        space: Space::Enough,
    }
}

/// Whom node 1, leading since time zero, hands this partition over to, and when.
fn hands_over(partition: u16, configured: Option<u64>, status: &Status) -> Option<(u64, u64)> {
    let partitions = [1, 2, 3, 4, 5].map(PartitionId::new);
    let turn = Turn::of(PartitionId::new(partition), LEDGER, &partitions);
    let mut handover = Handover::new(node(1), turn, configured.map(node), STABLE_NS);
    handover.members(status);
    handover.leads(true, Timestamp::ZERO);
    (0..=STABLE_NS).step_by(1_000_000_000).find_map(|now| {
        let now = Timestamp::from_nanos(now);
        let to = handover.is_due(now).then(|| handover.poll(now, status)).flatten()?;
        Some((to.get(), now.nanos()))
    })
}

#[test]
fn nodes_take_turns_newcomers_too_and_who_leads_the_ledger_leads_no_market() {
    let three = status(&[1, 2, 3], &[]);
    let five = status(&[1, 2, 3, 4, 5], &[]);
    let to = |partition, status| hands_over(partition, None, status).map(|(to, _)| to);
    assert_eq!([1, 2, 3, 4, 5].map(|partition| to(partition, &three)), [None, Some(2), Some(3), Some(2), Some(3)]);
    assert_eq!([1, 2, 3, 4, 5].map(|partition| to(partition, &five)), [None, Some(2), Some(3), Some(4), Some(5)]);
    assert_eq!(hands_over(3, None, &status(&[1, 2], &[])), Some((2, STABLE_NS)));
    assert_eq!(hands_over(3, None, &status(&[1, 2], &[2])), None, "nobody else can");
}

#[test]
fn markets_take_turns_wherever_the_ledger_is_among_them() {
    let partitions = [4, 7, 9].map(PartitionId::new);
    let turn = |partition, ledger| Turn::of(PartitionId::new(partition), PartitionId::new(ledger), &partitions);
    assert_eq!([4, 7, 9].map(|partition| turn(partition, 4)), [Turn::Ledger, Turn::Market(0), Turn::Market(1)]);
    assert_eq!([4, 7, 9].map(|partition| turn(partition, 7)), [Turn::Market(0), Turn::Ledger, Turn::Market(1)]);
}

#[test]
fn a_configured_leader_is_preferred_while_it_can_lead() {
    assert_eq!(hands_over(1, Some(3), &status(&[1, 2, 3], &[])), Some((3, STABLE_NS)));
    assert_eq!(hands_over(1, Some(3), &status(&[1, 2, 3], &[3])), None, "it drains, and node 1 is next in turn");
    assert_eq!(hands_over(2, Some(9), &status(&[1, 2, 3], &[])), Some((2, STABLE_NS)), "it is no member");
}

#[test]
fn who_is_to_lead_nothing_hands_over_at_once_to_whoever_can() {
    assert_eq!(hands_over(1, None, &status(&[1, 2, 3], &[1])), Some((2, 0)));
    assert_eq!(hands_over(1, Some(1), &status(&[1, 2, 3], &[1, 2])), Some((3, 0)));
    let mut alone = status(&[1, 2, 3], &[1]);
    alone.standbys = vec![(node(2), 0), (node(3), 100)];
    assert_eq!(hands_over(1, None, &alone), Some((3, 0)), "the preferred one is far behind");
    assert_eq!(hands_over(1, None, &status(&[1, 2, 3], &[1, 2, 3])), None, "nobody can");
}

#[test]
fn a_member_that_is_being_replaced_is_given_nothing() {
    let mut replaced = status(&[1, 2, 3], &[]);
    replaced.members.places.replaced.insert(node(4), node(2));
    assert_eq!(hands_over(2, None, &replaced), Some((3, STABLE_NS)));
    replaced.members.places.replaced.insert(node(4), node(1));
    assert_eq!(hands_over(1, None, &replaced), Some((2, 0)));
}

#[test]
fn a_removal_that_nobody_asks_for_any_more_is_given_up() {
    let three = status(&[1, 2, 3], &[]);
    let mut handover = Handover::new(node(1), Turn::Ledger, None, STABLE_NS);
    handover.members(&three);
    handover.leaves(node(1));
    let at = Timestamp::from_nanos;
    handover.leads(true, at(0));
    let mut to = |now| handover.is_due(at(now)).then(|| handover.poll(at(now), &three)).flatten();
    assert_eq!(to(0), Some(node(2)));
    assert_eq!(to(LEAVING_NS - 1), Some(node(2)), "still");
    assert_eq!(to(LEAVING_NS), None);
    assert_eq!(to(2 * LEAVING_NS), None, "it leads again as before");
}

#[test]
fn a_removal_is_given_up_by_those_who_do_not_lead_as_well() {
    let three = status(&[1, 2, 3], &[]);
    let mut handover = Handover::new(node(1), Turn::Ledger, None, STABLE_NS);
    handover.members(&three);
    handover.leaves(node(1));
    let at = Timestamp::from_nanos;
    assert!(!handover.is_due(at(5)));
    assert!(handover.is_due(at(5 + LEAVING_NS)));
    assert_eq!(handover.poll(at(5 + LEAVING_NS), &three), None);
    assert!(!handover.is_due(at(6 + LEAVING_NS)));
    handover.leads(true, at(7 + LEAVING_NS));
    assert!(!handover.is_due(at(u64::MAX)), "it is the one that should lead");
}
