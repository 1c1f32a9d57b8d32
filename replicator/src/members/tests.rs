use super::*;

fn entry(changes: &[Change]) -> Entry {
    Entry { data: proposal(changes, Joining::default()).write_to_bytes().unwrap().into(), ..Entry::default() }
}

fn founded() -> Members {
    Members::founders(&[1, 2, 3].map(NodeId::new))
}

#[test]
fn a_change_goes_by_way_of_a_joint_configuration() {
    let joint = founded().after(&entry(&[Change::Learn(4)])).unwrap();
    assert!(joint.is_joint() && joint.learners.contains(&4) && joint.conf_state().auto_leave);
    assert_eq!(joint.after(&entry(&[Change::Promote(4)])), None);
    let learning = joint.after(&Entry::default()).unwrap();
    assert!(!learning.is_joint());
    let swapped = learning.after(&entry(&[Change::Promote(4), Change::Remove(2)])).unwrap();
    assert_eq!(swapped.voters, [1, 3, 4].into());
    assert_eq!(swapped.outgoing, [1, 2, 3].into());
}

#[test]
fn what_cannot_be_is_no_change() {
    let members = founded();
    let all = [1, 2, 3].map(Change::Remove);
    let impossible: [&[Change]; 5] =
        [&[Change::Promote(4)], &[Change::Learn(2)], &[Change::Remove(9)], &all, &[Change::Learn(4), Change::Learn(0)]];
    for changes in impossible {
        assert_eq!(members.after(&entry(changes)), None, "{changes:?}");
    }
    assert_eq!(members.after(&Entry::default()), None);
    assert_eq!(members.after(&Entry { data: vec![0xff; 9].into(), ..Entry::default() }), None);
}

#[test]
fn a_member_is_a_node_and_the_life_of_its_disk() {
    let back = member(NodeId::new(7), 9);
    assert_ne!(back, member(NodeId::new(7), 0));
    assert_eq!(node_of(back), NodeId::new(7));
    let mut members = founded();
    members.learners.insert(back);
    assert!(members.has_node(NodeId::new(7)));
    assert_eq!(members.voter_of(NodeId::new(7)), None);
    let mut bytes = Vec::new();
    members.write(&mut Writer::new(&mut bytes));
    assert_eq!(Members::read(&mut Reader::new(&bytes)), Ok(members));
}

#[test]
fn members_that_would_stop_raft_are_not_read() {
    let set = |ids: &[u64]| ids.iter().copied().collect::<BTreeSet<u64>>();
    let read = |voters: &[u64], outgoing: &[u64], learners: &[u64]| {
        let members =
            Members { voters: set(voters), outgoing: set(outgoing), learners: set(learners), ..Members::default() };
        let mut bytes = Vec::new();
        members.write(&mut Writer::new(&mut bytes));
        Members::read(&mut Reader::new(&bytes)).map(|read| assert_eq!(read, members))
    };
    assert_eq!(read(&[1, 2], &[1, 3], &[4]), Ok(()));
    assert!(read(&[], &[], &[1]).is_err(), "nobody votes");
    assert!(read(&[1, 2], &[], &[2]).is_err(), "a voter learns");
    assert!(read(&[1], &[1, 2], &[2]).is_err(), "one that leaves learns");
    assert!(read(&[0, 1], &[], &[]).is_err(), "nobody's number");
    assert!(read(&[1, 5 << 32], &[], &[]).is_err(), "a number of nobody's");
    assert!(read(&(1..=65).collect::<Vec<u64>>(), &[], &[]).is_err(), "too many");
}

fn place(port: u16) -> std::net::SocketAddr {
    (std::net::Ipv4Addr::LOCALHOST, port).into()
}

#[test]
fn where_a_newcomer_is_and_whom_it_replaces_is_known_until_it_leaves() {
    let node = |id| NodeId::new(id);
    let how = Joining { at: Some(place(7104)), instead_of: Some(node(2)), stays_learner: false };
    let learn = proposal(&[Change::Learn(4)], how).write_to_bytes().unwrap();
    let learning = founded().after(&Entry { data: learn.into(), ..Entry::default() }).unwrap();
    let learning = learning.after(&Entry::default()).unwrap();
    assert_eq!(learning.places.at, [(node(4), place(7104))].into());
    assert_eq!(learning.places.replaced, [(node(4), node(2))].into());
    let mut bytes = Vec::new();
    learning.write(&mut Writer::new(&mut bytes));
    assert_eq!(Members::read(&mut Reader::new(&bytes)).as_ref(), Ok(&learning));
    let swap: Vec<Change> = [Change::Promote(4)].into_iter().chain(learning.removal(node(2))).collect();
    let swapped = learning.after(&entry(&swap)).unwrap().after(&Entry::default()).unwrap();
    assert_eq!(swapped.voters, [1, 3, 4].into());
    assert!(swapped.places.replaced.is_empty() && swapped.places.at.contains_key(&node(4)));
    let gone = swapped.after(&entry(&[Change::Remove(4)])).unwrap();
    assert!(gone.places.at.contains_key(&node(4)), "its vote still counts");
    assert!(gone.after(&Entry::default()).unwrap().places.at.is_empty());
}

#[test]
fn a_context_that_says_nothing_known_is_no_change() {
    let mut change = proposal(&[Change::Learn(4)], Joining::default());
    change.context = vec![1, 2, 3].into();
    let data = change.write_to_bytes().unwrap();
    assert_eq!(founded().after(&Entry { data: data.into(), ..Entry::default() }), None);
}

#[test]
fn who_stays_a_learner_is_known_until_it_leaves() {
    let how = Joining { stays_learner: true, ..Joining::default() };
    let learn = proposal(&[Change::Learn(4)], how).write_to_bytes().unwrap();
    let joint = founded().after(&Entry { data: learn.into(), ..Entry::default() }).unwrap();
    let learning = joint.after(&Entry::default()).unwrap();
    assert!(joint.is_changing() && !learning.is_changing() && !learning.is_to_vote(4));
    let mut bytes = Vec::new();
    let mut to = Writer::new(&mut bytes);
    learning.write(&mut to);
    learning.write_learning(&mut to);
    let mut from = Reader::new(&bytes);
    let mut read = Members::read(&mut from).unwrap();
    read.read_learning(&mut from).unwrap();
    assert_eq!((read, from.finish()), (learning.clone(), Ok(())));
    let again = learning.after(&entry(&[Change::Learn(member(NodeId::new(4), 9)), Change::Remove(4)])).unwrap();
    assert!(!again.after(&Entry::default()).unwrap().is_changing(), "it has lost its disk and learns again");
    let gone = learning.after(&entry(&[Change::Remove(4)])).unwrap().after(&Entry::default()).unwrap();
    assert_eq!(gone, founded());
}

#[test]
fn a_joining_without_a_wish_has_the_bytes_that_it_always_had() {
    let how = Joining { at: Some(place(7104)), instead_of: None, stays_learner: false };
    assert_eq!(how.encode().len(), 16 + 2 + 8);
    assert_eq!(Joining { stays_learner: true, ..how }.encode().len(), 16 + 2 + 8 + 1);
}
