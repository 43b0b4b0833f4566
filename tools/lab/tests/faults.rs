//! The planted faults are as `tools/lab/faults/README.md` describes, and `lab faults` reports what notices one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness_core::check;
use lab::faults::patch::{self, Fault};
use lab::sources::apply;

fn root() -> PathBuf {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    above.expect("a folder above").to_owned()
}

fn faults() -> Vec<Fault> {
    patch::all(&root().join(lab::faults::FOLDER)).expect("faults")
}

#[test]
fn every_patch_applies_to_the_sources() {
    let troubles: Vec<String> = faults()
        .iter()
        .filter_map(|fault| apply(&fault.path, &root(), &["--check"]).err())
        .map(|error| format!("{error:#}"))
        .collect();
    assert!(troubles.is_empty(), "{}", troubles.join("\n"));
}

#[test]
fn every_header_is_complete_and_names_known_checks() {
    let faults = faults();
    assert!(faults.len() >= 44, "{}", faults.len());
    let known: BTreeSet<&str> = check::ALL.iter().map(|check| check.id).collect();
    let mut sentences = BTreeSet::new();
    for fault in &faults {
        let name = &fault.name;
        assert!(fault.sentence.ends_with('.'), "{name}: {}", fault.sentence);
        assert!(sentences.insert(&fault.sentence), "{name} is there twice");
        assert!(fault.modelled_on.len() > 10, "{name}");
        for id in &fault.expected {
            assert!(
                known.contains(id.as_str()),
                "{name}: no check is called {id}"
            );
        }
        assert!(!fault.targets.is_empty(), "{name}");
        let one_idea = fs::read_to_string(&fault.path)
            .unwrap()
            .lines()
            .filter(|line| line.starts_with("+ ") || line.starts_with("- "))
            .count();
        assert!(one_idea <= 25, "{name} changes {one_idea} lines");
    }
}

/// What the tool prints on both outputs; it must end with this exit code.
fn printed(code: i32, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("lab runs");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

#[test]
fn a_fault_that_is_not_there_is_refused_with_the_names_of_those_that_are() {
    let text = printed(1, &["faults", "--corpus-only", "--fault", "no-such-fault"]);
    for expected in [
        "no fault is called \"no-such-fault\"",
        "vhdx-header-tie-accepted",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    let text = printed(1, &["faults", "--corpus-only", "--subset", "no-such"]);
    assert!(
        text.contains("no subset of the faults is called \"no-such\""),
        "{text}"
    );
}

#[test]
fn a_comparison_from_nothing_or_with_a_sanitizer_alone_has_no_hunts() {
    let out = tempfile::tempdir().unwrap();
    for (start, engine, why) in [
        ("nothing", "afl", "hunts start from the seeds, and no trial"),
        ("seeds", "libfuzzer+asan", "left without a sanitizer"),
    ] {
        let plan = r#"{"version": 3, "started": "", "targets": ["fuzz_measure_calc"], "starts": ["START"], "engines": ["ENGINE"],
        "trials": 1, "judged": "", "time_seconds": 1, "snapshot_seconds": 1, "cores": 1, "order_seed": 1, "files": {},
        "machine": {"processor": "", "cores": 1, "jobs": 1, "system": "", "tools": []}}"#;
        let plan = plan.replace("START", start).replace("ENGINE", engine);
        fs::write(out.path().join("plan.json"), plan).unwrap();
        let into = ["--into", out.path().to_str().unwrap()];
        let text = printed(1, &[["faults", "--time=2s"], into].concat());
        assert!(text.contains(why), "{text}");
    }
}

#[test]
fn the_subset_for_evaluations_has_twelve_faults_of_every_kind_of_target() {
    let names = patch::subset(&root().join(lab::faults::FOLDER), "evaluation").unwrap();
    assert_eq!(BTreeSet::from_iter(&names).len(), 12);
    let all = faults();
    let fault = |name: &String| all.iter().find(|fault| fault.name == *name).expect(name);
    let targets: BTreeSet<&String> = names.iter().flat_map(|name| &fault(name).targets).collect();
    assert_eq!(targets.len(), 4, "{targets:?}");
}

/// Two faults, of which the invariants alone see one.
#[test]
#[ignore = "builds the replay worker three times; scripts/test runs it"]
fn the_shipped_corpora_catch_a_fault_and_the_second_run_knows_it() {
    let out = tempfile::tempdir().unwrap();
    let json = out.path().join("report.json");
    let arguments = [
        "faults",
        "--corpus-only",
        "--fault",
        "touched-units-ignored",
        "--fault",
        "last-unit-not-clamped",
        "--out",
        out.path().to_str().unwrap(),
    ];
    let text = printed(0, &arguments);
    for expected in [
        "Not a ranking of engines",
        "2 faults, 0 of them known from before",
    ] {
        assert!(text.contains(expected), "{text}");
    }

    let report: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    let fault = |nth: usize| &report["faults"][nth];
    assert_eq!(fault(0)["fault"], "last-unit-not-clamped");
    assert_ne!(fault(0)["invariants_alone"], serde_json::json!([]));
    assert_eq!(fault(1)["fault"], "touched-units-ignored");
    assert_eq!(fault(1)["invariants_alone"], serde_json::json!([]));
    let caught = &fault(1)["corpora"][0];
    assert_eq!(caught["target"], "fuzz_measure_calc");
    assert!(
        caught["checks"]["calc.answer_is_exact"].as_u64() > Some(0),
        "{caught}"
    );

    let text = printed(0, &arguments);
    assert!(
        text.contains("2 faults, 2 of them known from before"),
        "{text}"
    );
}
