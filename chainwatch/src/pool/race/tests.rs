use std::time::Duration;

use super::super::tests::Bench;
use super::*;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn race(bench: &Bench) -> Race {
    Race::new(Method::Block, bench.now + ms(2_000))
}

fn ask(race: &mut Race, bench: &mut Bench) -> ChainNodeId {
    match race.step(&mut bench.pool, bench.now) {
        Step::Ask(node) => node,
        step => panic!("expected to ask somebody, not {step:?}"),
    }
}

fn outcome(race: &mut Race, bench: &mut Bench, node: ChainNodeId, outcome: Outcome) {
    race.on_outcome(node, outcome, &mut bench.pool, bench.now);
}

#[test]
fn one_node_is_asked_and_its_answer_is_the_result() {
    let mut bench = Bench::agreed_at(5, |_| {});
    let mut race = race(&bench);
    let node = ask(&mut race, &mut bench);
    assert!(matches!(race.step(&mut bench.pool, bench.now), Step::Wait(_)));
    outcome(&mut race, &mut bench, node, Outcome::Answer);
    assert_eq!(race.step(&mut bench.pool, bench.now), Step::Finished(Ending::Answered(node)));
}

#[test]
fn a_failure_sends_the_question_on_at_once() {
    let mut bench = Bench::agreed_at(5, |_| {});
    let mut race = race(&bench);
    for failure in [Failure::Refused, Failure::Status(502), Failure::TooMany, Failure::Malformed] {
        let node = ask(&mut race, &mut bench);
        outcome(&mut race, &mut bench, node, Outcome::Failure(failure));
    }
    let last = ask(&mut race, &mut bench);
    outcome(&mut race, &mut bench, last, Outcome::Answer);
    assert_eq!(race.step(&mut bench.pool, bench.now), Step::Finished(Ending::Answered(last)));
}

#[test]
fn a_silent_node_gets_its_p90_and_then_company() {
    let mut bench = Bench::agreed_at(5, |_| {});
    for node in 0..5 {
        for _ in 0..64 {
            bench.pool.on_answer(ChainNodeId(node), ms(80), bench.now);
        }
    }
    let mut race = race(&bench);
    let first = ask(&mut race, &mut bench);
    assert_eq!(race.step(&mut bench.pool, bench.now), Step::Wait(bench.now + ms(80)));
    bench.now += ms(80);
    let second = ask(&mut race, &mut bench);
    assert_ne!(first, second);
    outcome(&mut race, &mut bench, second, Outcome::Answer);
    assert_eq!(race.step(&mut bench.pool, bench.now), Step::Finished(Ending::Answered(second)));
}

#[test]
fn no_more_than_three_are_asked_beside_each_other() {
    let mut bench = Bench::agreed_at(5, |_| {});
    let mut race = race(&bench);
    for _ in 0..3 {
        ask(&mut race, &mut bench);
        bench.now += ms(150);
    }
    assert!(matches!(race.step(&mut bench.pool, bench.now), Step::Wait(_)));
    bench.now += ms(2_000);
    assert_eq!(race.step(&mut bench.pool, bench.now), Step::Finished(Ending::TimedOut));
    let down = bench.verdicts().iter().filter(|verdict| **verdict == crate::Verdict::Down).count();
    assert_eq!(down, 3, "who leaves a question unanswered for so long is down");
}

#[test]
fn an_error_never_wins_against_an_answer() {
    let mut bench = Bench::agreed_at(5, |_| {});
    let mut race = race(&bench);
    let slow = ask(&mut race, &mut bench);
    bench.now += ms(150);
    let quick = ask(&mut race, &mut bench);
    outcome(&mut race, &mut bench, quick, Outcome::Refusal);
    for _ in 0..3 {
        let another = ask(&mut race, &mut bench);
        outcome(&mut race, &mut bench, another, Outcome::Refusal);
    }
    assert!(matches!(race.step(&mut bench.pool, bench.now), Step::Wait(_)));
    bench.now += ms(100);
    outcome(&mut race, &mut bench, slow, Outcome::Answer);
    assert_eq!(race.step(&mut bench.pool, bench.now), Step::Finished(Ending::Answered(slow)));
}

#[test]
fn an_error_is_the_result_when_nobody_answers() {
    let mut bench = Bench::agreed_at(5, |_| {});
    let mut race = race(&bench);
    let first = ask(&mut race, &mut bench);
    outcome(&mut race, &mut bench, first, Outcome::Refusal);
    for _ in 0..2 {
        let node = ask(&mut race, &mut bench);
        outcome(&mut race, &mut bench, node, Outcome::Refusal);
    }
    assert_eq!(race.step(&mut bench.pool, bench.now), Step::Finished(Ending::Refused(first)));
}

#[test]
fn a_liars_answer_is_none() {
    let mut bench = Bench::agreed_at(5, |_| {});
    let mut race = race(&bench);
    let liar = ask(&mut race, &mut bench);
    outcome(&mut race, &mut bench, liar, Outcome::Lie(Lie::Receipts));
    assert_eq!(bench.pool.verdict(liar), crate::Verdict::Lying);
    let honest = ask(&mut race, &mut bench);
    outcome(&mut race, &mut bench, honest, Outcome::Answer);
    assert_eq!(race.step(&mut bench.pool, bench.now), Step::Finished(Ending::Answered(honest)));
}

#[test]
fn a_pool_without_nodes_says_so() {
    let mut bench = Bench::agreed_at(5, |_| {});
    for node in 0..5 {
        bench.pool.on_failure(ChainNodeId(node), Failure::Refused, bench.now);
    }
    let mut race = race(&bench);
    assert_eq!(race.step(&mut bench.pool, bench.now), Step::Finished(Ending::NobodyLeft));
}
