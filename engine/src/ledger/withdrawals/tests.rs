//! The diagram and the code are one.

use wire::WithdrawalStage;

use super::stage::{MOVES, Move, next};

#[test]
fn the_table_in_the_documentation_has_every_way_of_the_code_and_no_other() {
    let page = include_str!("../withdrawals.rs");
    let (_, table) = page.split_once("//! | from | on | to |\n//! |---|---|---|\n").expect("a table");
    let rows = table.lines().map_while(|line| line.strip_prefix("//! | "));
    let mut drawn: Vec<String> = rows.map(|row| row.trim_end_matches(" |").to_string()).collect();
    drawn.sort();
    assert_eq!(drawn, coded(|from, how, to| format!("{from:?} | {how:?} | {to:?}")));
}

#[test]
fn the_diagram_has_every_way_of_the_code_and_no_other() {
    let page = include_str!("../../../../ops/decisions/0021-a-withdrawals-stages.md");
    let edges = page.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(" --> "));
    let labelled = edges.filter_map(|(from, way)| Some((from, way.split_once(": ")?)));
    let mut drawn: Vec<String> =
        labelled.filter(|(from, _)| *from != "[*]").map(|(from, (to, how))| format!("{from} {how} {to}")).collect();
    drawn.sort();
    assert_eq!(drawn, coded(|from, how, to| format!("{from:?} {how:?} {to:?}")));
}

/// Every way of the code, in order.
fn coded(show: impl Fn(WithdrawalStage, Move, WithdrawalStage) -> String) -> Vec<String> {
    let mut coded = Vec::new();
    for stage in WithdrawalStage::ALL {
        coded.extend(MOVES.iter().filter_map(|how| Some(show(*stage, *how, next(*stage, *how)?))));
    }
    coded.sort();
    coded
}

#[test]
fn nothing_comes_after_a_final_stage_and_every_stage_but_the_first_is_reached() {
    for stage in WithdrawalStage::ALL {
        let has_ways = MOVES.iter().any(|how| next(*stage, *how).is_some());
        assert_eq!(has_ways, !stage.is_final(), "{stage:?}");
        let is_reached = |from: &WithdrawalStage| MOVES.iter().any(|how| next(*from, *how) == Some(*stage));
        assert!(*stage == WithdrawalStage::Review || WithdrawalStage::ALL.iter().any(is_reached), "{stage:?}");
    }
}
