use super::*;

fn node(id: u64) -> NodeId {
    NodeId::new(id)
}

fn at(port: u16) -> SocketAddr {
    (std::net::Ipv4Addr::LOCALHOST, port).into()
}

fn partition(number: u16) -> PartitionId {
    PartitionId::new(number)
}

fn members(ids: &[u64]) -> Members {
    Members::founders(&ids.iter().copied().map(NodeId::new).collect::<Vec<_>>())
}

/// On node 1, whose configuration names 2 and 3.
fn membership() -> Membership {
    Membership::new(node(1), [(node(1), at(1)), (node(2), at(2)), (node(3), at(3))].into())
}

#[test]
fn the_configuration_counts_until_every_log_has_spoken() {
    let mut known = membership();
    let both = [partition(1), partition(2)];
    let dialed =
        |known: &mut Membership| known.peers(both.iter()).into_iter().map(|(node, _)| node.get()).collect::<Vec<_>>();
    let mut joined = members(&[1, 2, 4]);
    joined.places.at.insert(node(4), at(4));
    assert!(known.learn(partition(1), joined, 9));
    assert_eq!(dialed(&mut known), [2, 3, 4]);
    assert!(known.learn(partition(2), members(&[1, 2]), 5));
    assert_eq!(dialed(&mut known), [2, 4]);
    assert_eq!(known.others(), [node(2), node(4)]);
    assert_eq!(known.peers(both.iter())[1].1, Some(at(4)));
}

#[test]
fn an_older_word_of_a_log_changes_nothing() {
    let mut known = membership();
    assert!(known.learn(partition(1), members(&[1, 2]), 9));
    assert!(!known.learn(partition(1), members(&[1, 2, 3]), 8));
    let (head, places) = known.news(partition(1)).unwrap();
    let told = wire::link::decode_places(&places).unwrap();
    assert_eq!((head.index, told.len()), (9, 2));
    assert_eq!(told[1].place.address(), Some(at(2)), "the log does not say where it is, the configuration does");
    assert!(known.news(partition(2)).is_none());
}
