//! Plays every scenario of `tests/scenarios` in three layouts.

#![forbid(unsafe_code)]

use std::path::Path;

use tests::model::layout::Layout;
use tests::scenario::play;

#[test]
fn every_scenario_comes_out_as_it_says_in_every_layout() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = std::fs::read_dir(&directory).expect("the scenarios are there");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    assert!(paths.len() >= 5, "there are scenarios");
    let mut failures = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a readable scenario");
        for layout in [Layout::Joint, Layout::Mixed, Layout::Split] {
            if let Err(error) = play(&text, layout) {
                failures.push(format!("{}: {error}", path.file_name().unwrap_or_default().to_string_lossy()));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn wrong_scenario_is_found_out() {
    let text = "alice has 10 BTC\nalice sell 5 @ 100 -> accepted 2";
    let error = play(text, Layout::Joint).expect_err("it is wrong");
    assert!(error.contains("wanted: accepted 2") && error.contains("came:   accepted 1"), "{error}");
}
