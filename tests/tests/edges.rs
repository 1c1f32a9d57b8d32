//! The rooms of the house and the doors between them: `cargo metadata` against the edges that
//! ARCHITECTURE.md draws.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
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
    let metadata = metadata();
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

/// What `cargo metadata` says of the workspace.
fn metadata() -> Value {
    serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).expect("metadata is JSON")
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

/// The one room with `unsafe`: a C ABI, part of no product.
const UNSAFE: &str = "matching-abi";

#[test]
fn no_library_and_no_binary_has_unsafe_code() {
    for package in metadata()["packages"].as_array().expect("packages") {
        let targets = package["targets"].as_array().expect("targets");
        let is_shipped = |target: &&Value| ["lib", "bin"].iter().any(|kind| target["kind"][0] == *kind);
        for target in targets.iter().filter(|target| package["name"] != UNSAFE && is_shipped(target)) {
            let root = target["src_path"].as_str().expect("a path");
            let source = std::fs::read_to_string(root).expect("a source file");
            assert!(source.contains("#![forbid(unsafe_code)]"), "{root} does not forbid unsafe code");
        }
    }
}

/// Of a gateway: what a request passes from its parameters to its answer. What waits for a history database is elsewhere.
const OPERATIONS: &[&str] = &[
    "accounts",
    "auth.rs",
    "exchange.rs",
    "gateway.rs",
    "market_data",
    "operations",
    "order_entry",
    "reads.rs",
    "throttle.rs",
    "trace.rs",
];

/// Time, timers and chance from anywhere else than the gateway's surroundings.
const SURROUNDINGS: &[&str] = &["Instant::now", "SystemTime", "tokio::time", "tokio::spawn", "rand::", "thread_rng"];

#[test]
fn operations_take_time_and_chance_from_their_surroundings() {
    let gateway = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/src"));
    let mut sources = Vec::new();
    OPERATIONS.iter().for_each(|part| list_sources(&gateway.join(part), &mut sources));
    assert!(sources.len() > OPERATIONS.len(), "{sources:?}");
    for path in sources {
        let source = std::fs::read_to_string(&path).expect("a source file");
        for word in SURROUNDINGS {
            assert!(!source.contains(word), "{} says {word}", path.display());
        }
    }
}

/// The sources of a part that are not its tests.
fn list_sources(part: &Path, into: &mut Vec<PathBuf>) {
    if part.is_dir() {
        let inside = std::fs::read_dir(part).expect("a folder").map(|entry| entry.expect("an entry").path());
        inside.filter(|path| path.file_stem() != Some("tests".as_ref())).for_each(|path| list_sources(&path, into));
    } else {
        into.push(part.to_path_buf());
    }
}
