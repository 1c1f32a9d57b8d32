use super::*;

fn members(voters: &[u64], outgoing: &[u64]) -> Members {
    let set = |ids: &[u64]| ids.iter().copied().collect();
    Members { voters: set(voters), outgoing: set(outgoing), ..Members::default() }
}

#[test]
fn the_members_that_there_are_answer_for_what_they_committed_and_for_what_is_before_it() {
    let mut commits = Commits::default();
    let (old, joint, new) = (members(&[1, 2, 3], &[]), members(&[1, 2, 4], &[1, 2, 3]), members(&[1, 2, 4], &[]));
    commits.on_commit(5, [&old, &old]);
    commits.on_commit(7, [&old, &joint]);
    commits.on_commit(8, [&joint, &new]);
    commits.on_commit(9, [&new, &new]);
    for index in [1, 5, 6, 7, 8, 9] {
        assert_eq!(commits.answer_for(index, &new), [&new], "entry {index}");
    }
}

#[test]
fn until_a_change_has_committed_something_those_answer_by_whom_the_entry_was_committed() {
    let mut commits = Commits::default();
    let (old, joint) = (members(&[1, 2, 3], &[]), members(&[1, 2, 4], &[1, 2, 3]));
    commits.on_commit(5, [&old, &old]);
    commits.on_commit(7, [&old, &joint]);
    assert_eq!(commits.answer_for(4, &joint), [&old, &old]);
    assert_eq!(commits.answer_for(7, &joint), [&old, &joint]);
    commits.on_commit(8, [&joint, &joint]);
    assert_eq!(commits.answer_for(7, &joint), [&joint]);
}

#[test]
fn what_no_leader_has_committed_nobody_but_those_present_answer_for() {
    let mut commits = Commits::default();
    let (old, joint) = (members(&[1, 2, 3], &[]), members(&[1, 2, 4], &[1, 2, 3]));
    assert_eq!(commits.answer_for(1, &old), [&old]);
    commits.on_commit(7, [&old, &joint]);
    assert_eq!(commits.answer_for(8, &joint), [&joint]);
}

#[test]
fn an_entry_is_committed_once_by_whoever_is_first() {
    let mut commits = Commits::default();
    let (old, new) = (members(&[1, 2, 3], &[]), members(&[1, 2, 4], &[]));
    commits.on_commit(7, [&old, &old]);
    commits.on_commit(6, [&new, &new]);
    commits.on_commit(7, [&new, &new]);
    assert_eq!(commits.answer_for(7, &new), [&old, &old]);
}
