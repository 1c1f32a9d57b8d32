//! The rooms of the house and the doors between them: `cargo metadata` against the edges that
//! ARCHITECTURE.md draws.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Every crate of the workspace and which of our crates it may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("engine", &["wire"]),
    ("replicator", &["wire"]),
    ("cluster-client", &["wire"]),
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
    ("rusteron-media-driver", &["replicator"]),
    ("raft", &["replicator"]),
    ("raft-engine", &["replicator"]),
    ("serde_json", &["gateway", "chainwatch", "loadgen", "mainstay", "tests"]),
    ("sled", &["chainwatch"]),
];

/// Rooms that stay pure: nothing foreign outside tests.
const PURE: &[&str] = &["wire", "engine"];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().expect("cargo metadata runs");
    metadata
        .packages
        .into_iter()
        .map(|package| {
            let normal = package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
            (package.name.to_string(), normal.map(|d| d.name.clone()).collect())
        })
        .collect()
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
