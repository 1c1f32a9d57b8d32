//! The rooms of the house and the doors between them: `cargo metadata` against the edges that
//! ARCHITECTURE.md draws.

use std::collections::{BTreeMap, BTreeSet};

use std::process::Command;

use serde_json::Value;

/// Every crate of the workspace and which of our crates it may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("engine", &["wire"]),
    ("beside", &["wire"]),
    ("replicator", &["beside", "wire"]),
    ("cluster-client", &["beside", "wire"]),
    ("node", &["engine", "replicator", "wire"]),
    ("gateway", &["cluster-client", "wire"]),
    ("chainwatch", &["cluster-client", "wire"]),
    ("loadgen", &["cluster-client", "wire"]),
    ("mainstay", &["engine", "replicator", "cluster-client", "node", "gateway", "chainwatch", "loadgen", "wire"]),
    ("matching-abi", &["engine", "wire"]),
    (
        "tests",
        &["engine", "replicator", "cluster-client", "node", "gateway", "chainwatch", "loadgen", "mainstay", "wire"],
    ),
];

/// Foreign crates that only some rooms may touch.
const CONFINED: &[(&str, &[&str])] = &[
    ("tokio", &["cluster-client", "gateway", "chainwatch", "loadgen", "mainstay", "tests"]),
    ("mio", &["replicator"]),
    ("rusteron-media-driver", &["beside"]),
    ("raft", &["replicator"]),
    ("raft-engine", &["replicator"]),
    ("serde_json", &["gateway", "chainwatch", "loadgen", "mainstay", "tests"]),
    ("sled", &["chainwatch"]),
];

/// Rooms that stay pure: nothing foreign outside tests.
const PURE: &[&str] = &["wire", "engine"];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).expect("metadata is JSON");
    let name = |of: &Value| of["name"].as_str().expect("a name").to_owned();
    metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|package| {
            // A normal dependency has no kind.
            let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
            (name(package), dependencies.filter(|d| d["kind"].is_null()).map(name).collect())
        })
        .collect()
}

/// What cargo prints about the workspace.
fn cargo(arguments: &[&str]) -> String {
    let run = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--locked", "--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml")])
        .output()
        .expect("cargo runs");
    assert!(run.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).expect("text")
}

#[test]
fn every_crate_is_a_room_that_the_plan_knows() {
    let planned: BTreeSet<_> = ALLOWED.iter().map(|(name, _)| (*name).to_string()).collect();
    assert_eq!(dependencies().into_keys().collect::<BTreeSet<_>>(), planned);
}

#[test]
fn crates_depend_only_on_the_rooms_that_they_may_enter() {
    let ours: BTreeSet<_> = ALLOWED.iter().map(|(name, _)| *name).collect();
    let dependencies = dependencies();
    for (name, allowed) in ALLOWED {
        for dependency in &dependencies[*name] {
            let is_foreign = !ours.contains(dependency.as_str());
            assert!(is_foreign || allowed.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
    }
}

#[test]
fn foreign_crates_stay_in_their_rooms() {
    for (name, dependencies) in dependencies() {
        for (foreign, rooms) in CONFINED {
            assert!(
                !dependencies.contains(*foreign) || rooms.contains(&name.as_str()),
                "{name} must not use {foreign}"
            );
        }
    }
}

#[test]
fn the_core_depends_on_nothing_foreign() {
    let dependencies = dependencies();
    let ours: BTreeSet<_> = ALLOWED.iter().map(|(name, _)| *name).collect();
    for name in PURE {
        let foreign: Vec<_> = dependencies[*name].iter().filter(|d| !ours.contains(d.as_str())).collect();
        assert!(foreign.is_empty(), "{name} uses {foreign:?}");
    }
}

/// Each crate with the features that it is compiled with.
fn compiled(arguments: &[&str]) -> BTreeSet<String> {
    let tree = cargo(&[&["tree", "--prefix", "none", "--format", "{p} {f}", "--edges"], arguments].concat());
    tree.lines().map(|line| line.trim_end_matches(" (*)").trim_end().to_owned()).collect()
}

#[test]
fn the_binary_is_the_same_whether_it_is_built_alone_or_beside_the_tests() {
    // Cargo compiles a crate with all features that anybody in a build asks for. One more for the tests' sake, and `cargo run` compiles
    // it, and all that stands on it, again, into something that no test has run.
    let alone = compiled(&["normal,build", "--package", "mainstay"]);
    let with_tests = compiled(&["normal,build,dev", "--workspace"]);
    let other: Vec<_> = alone.difference(&with_tests).collect();
    assert!(other.is_empty(), "compiled otherwise beside the tests: {other:#?}");
}
