//! The diagram and the code are one.

use wire::WithdrawalStage;

use super::stage::{MOVES, next};

#[test]
fn the_table_in_the_documentation_has_every_way_of_the_code_and_no_other() {
    let page = include_str!("../withdrawals.rs");
    let (_, table) = page.split_once("//! | from | on | to |\n//! |---|---|---|\n").expect("a table");
    let rows = table.lines().map_while(|line| line.strip_prefix("//! | "));
    let mut drawn: Vec<String> = rows.map(|row| row.trim_end_matches(" |").to_string()).collect();
    let mut coded = Vec::new();
    for stage in WithdrawalStage::ALL {
        for how in MOVES {
            coded.extend(next(*stage, how).map(|to| format!("{stage:?} | {how:?} | {to:?}")));
        }
    }
    drawn.sort();
    coded.sort();
    assert_eq!(drawn, coded);
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
