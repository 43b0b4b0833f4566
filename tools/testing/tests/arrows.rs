//! The arrows of ARCHITECTURE.md: which package of the workspace may depend on which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Each package, without `measure-fuzz-` in front of its name, and the packages of the workspace that it may depend
/// on, as a library or a binary. Tests may depend on more. A test fails for a package that is not listed, and for an
/// arrow that is listed and not there.
const ARROWS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("shared", &["types"]),
    ("measure", &["shared", "types"]),
    ("raw", &["shared"]),
    ("qcow2", &["shared"]),
    ("vmdk", &["shared"]),
    ("vhd", &["shared"]),
    ("vhdx", &["shared"]),
    (
        "detect",
        &["qcow2", "shared", "types", "vhd", "vhdx", "vmdk"],
    ),
    ("sparse", &[]),
    ("worker", &[]),
    ("model", &["sparse", "types"]),
    ("recipes", &["sparse", "types"]),
];

/// Packages that must not depend on certain others, directly or through others.
const NEVER: &[(&str, &[&str])] = &[
    (
        "harness-core",
        &["measure", "qcow2", "built-in", "campaign"],
    ),
    ("statistics", &["report", "campaign"]),
    ("report", &["campaign", "harness-core"]),
    (
        "campaign",
        &[
            "harness-core",
            "images",
            "lab",
            "model",
            "recipes",
            "sparse",
            "types",
        ],
    ),
    ("lab", &["harness-core", "types"]),
    ("adopt", &["campaign", "worker"]),
    ("images", &["campaign"]),
    ("cli", &["campaign", "images", "lab", "harness-core"]),
    ("afl-targets", &["campaign", "literal"]),
    ("hfuzz-targets", &["campaign", "literal"]),
    ("libfuzzer-targets", &["campaign", "literal"]),
];

/// The packages of the workspace, each with those that it depends on outside of its tests.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(root)
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo answers JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    let name = |package: &Value| {
        let name = package["name"].as_str().expect("a name");
        name.trim_start_matches("measure-fuzz-").to_owned()
    };
    let known: BTreeSet<String> = packages.iter().map(name).collect();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("a list");
            let normal = dependencies
                .iter()
                .filter(|dependency| dependency["kind"].is_null())
                .map(name)
                .filter(|dependency| known.contains(dependency));
            (name(package), normal.collect())
        })
        .collect()
}

/// Everything below a package.
fn below(arrows: &BTreeMap<String, BTreeSet<String>>, package: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut next = vec![package.to_owned()];
    while let Some(package) = next.pop() {
        for dependency in arrows.get(&package).into_iter().flatten() {
            if found.insert(dependency.clone()) {
                next.push(dependency.clone());
            }
        }
    }
    found
}

#[test]
fn the_code_under_test_and_the_oracle_depend_on_what_they_may() {
    let arrows = arrows();
    for (package, allowed) in ARROWS {
        let found = arrows
            .get(*package)
            .unwrap_or_else(|| panic!("no package {package}"));
        let allowed: BTreeSet<String> = allowed.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(*found, allowed, "{package}");
    }
}

#[test]
fn nothing_reaches_what_it_must_not_know() {
    let arrows = arrows();
    for (package, never) in NEVER {
        assert!(arrows.contains_key(*package), "no package {package}");
        let found = below(&arrows, package);
        for other in *never {
            assert!(arrows.contains_key(*other), "no package {other}");
            assert!(!found.contains(*other), "{package} reaches {other}");
        }
    }
}
