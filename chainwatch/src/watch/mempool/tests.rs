use super::*;

fn name(number: u8) -> TxId {
    TxId([number; 32])
}

#[test]
fn a_transaction_counts_that_a_majority_of_the_configured_nodes_has() {
    let said = vec![vec![name(1), name(2)], vec![name(1)], vec![name(1), name(2)], vec![]];
    let names = |majority, said| named_by(majority, said).map(|named| named.names);
    assert_eq!(names(3, said.clone()), Some(HashSet::from([name(1)])));
    assert_eq!(names(2, said), Some(HashSet::from([name(1), name(2)])));
}

#[test]
fn a_transaction_is_gone_when_a_majority_of_the_configured_nodes_has_it_not() {
    let has = |count: usize, answers: usize| {
        let said = (0..answers).map(|at| if at < count { vec![name(1)] } else { Vec::new() }).collect();
        let named = named_by(3, said).unwrap();
        (named.names.contains(&name(1)), Absence::AllBut(named.some).has(&name(1)))
    };
    // Of five: two that have it and one that has it not say nothing of the two that are silent.
    assert_eq!(
        [has(3, 5), has(2, 5), has(2, 4), has(2, 3)],
        [(true, false), (false, true), (false, false), (false, false)]
    );
    assert_eq!([has(1, 3), has(0, 3), has(1, 4)], [(false, false), (false, true), (false, true)]);
    assert!(Absence::These(HashSet::from([name(1)])).has(&name(1)));
    assert!(!Absence::These(HashSet::from([name(1)])).has(&name(2)), "nobody was asked for it");
}

#[test]
fn who_says_a_name_twice_has_one_voice() {
    let said = vec![vec![name(1), name(1), name(1)], vec![], vec![]];
    assert_eq!(named_by(3, said).map(|named| named.names), Some(HashSet::new()));
}

#[test]
fn without_a_majority_of_answers_nothing_is_known_of_what_is_not_there() {
    assert_eq!(named_by(3, vec![vec![name(1)], vec![name(1)]]), None);
}

#[test]
fn what_is_new_is_fetched_before_what_waits_already() {
    let names: HashSet<TxId> = (0..200).map(name).collect();
    let (new, known) = (name(7), HashSet::from([name(8)]));
    let before: HashSet<TxId> = names.iter().copied().filter(|tx| *tx != new).collect();
    let wanted = wanted(&names, &known, &before);
    assert_eq!((wanted[0], wanted.len()), (new, names.len() - 1));
    assert!(!wanted.contains(&name(8)));
    let many = (0..1_000_u32).map(|number| TxId(std::array::from_fn(|at| number.to_le_bytes()[at % 4]))).collect();
    assert_eq!(super::wanted(&many, &HashSet::new(), &HashSet::new()).len(), FETCHED_MAX);
}

#[tokio::test]
async fn who_stands_still_holds_nobody_up_once_a_majority_has_said_it() {
    use futures_util::future::{BoxFuture, pending, ready};
    let telling: FuturesUnordered<BoxFuture<'static, Result<u8, Told>>> = FuturesUnordered::new();
    telling.push(Box::pin(pending()));
    telling.push(Box::pin(ready(Err(Told::Failed(crate::pool::Failure::Malformed)))));
    (1..=3).for_each(|said| telling.push(Box::pin(ready(Ok(said)))));
    let began = Instant::now();
    let mut said = most(3, telling).await;
    said.sort_unstable();
    assert_eq!(said, [1, 2, 3]);
    assert!(began.elapsed() < PATIENCE);
}
