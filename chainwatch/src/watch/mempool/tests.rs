use super::*;

fn name(number: u8) -> TxId {
    TxId([number; 32])
}

#[test]
fn a_transaction_counts_that_a_majority_of_the_configured_nodes_has() {
    let said = vec![vec![name(1), name(2)], vec![name(1)], vec![name(1), name(2)], vec![]];
    assert_eq!(named_by(3, said.clone()), Some(HashSet::from([name(1)])));
    assert_eq!(named_by(2, said), Some(HashSet::from([name(1), name(2)])));
}

#[test]
fn who_says_a_name_twice_has_one_voice() {
    let said = vec![vec![name(1), name(1), name(1)], vec![], vec![]];
    assert_eq!(named_by(3, said), Some(HashSet::new()));
}

#[test]
fn without_a_majority_of_answers_nothing_is_known_of_what_is_not_there() {
    assert_eq!(named_by(3, vec![vec![name(1)], vec![name(1)]]), None);
}
