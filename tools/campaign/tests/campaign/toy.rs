//! The tool on a project that has nothing to do with disk images: `tests/toy`, a run-length decoder with a mistake.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tool::{in_project, json, path_with, printed, read};

const CHECK: &str = "runs.length_is_exact";

/// A pair whose count is 0, behind a sound one.
const FAILS: &[u8] = &[3, b'a', 0, b'b'];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/toy")
}

fn campaign(arguments: &[&str]) -> Command {
    in_project(&root(), arguments)
}

#[test]
fn its_targets_are_listed() {
    let list = json(0, &mut campaign(&["list", "--json"]));
    assert_eq!(list["targets"][0]["name"], "fuzz_runs");
    assert_eq!(list["targets"][0]["max-input"], 64);
    assert_eq!(list["targets"].as_array().unwrap().len(), 1);
    for arguments in [
        &["run", "--engine", "afl", "fuzz_measure_calc"][..],
        &["replay", "--target", "fuzz_measure_calc", "."],
        &["compare", "fuzz_measure_calc"],
    ] {
        let refused = printed(1, &mut campaign(arguments));
        let expected = "no target is called \"fuzz_measure_calc\"; there are fuzz_runs";
        assert!(refused.contains(expected), "{refused}");
    }
}

#[test]
fn a_find_is_replayed_and_sorted_with_its_check_and_its_case() {
    let folder = tempfile::tempdir().unwrap();
    let finds = folder.path().join("finds/fuzz_runs/afl");
    fs::create_dir_all(&finds).unwrap();
    let find = finds.join("id:000000,sig:06,src:000000,time:1,execs:2,op:havoc");
    fs::write(&find, FAILS).unwrap();
    let find = find.to_str().unwrap();
    let replayed = &json(3, &mut campaign(&["replay", "--json", find]))[0];
    assert_eq!(replayed["check"], CHECK, "{replayed}");
    assert_eq!(
        replayed["case"]["rust"],
        "runs::decoded_length(&[3, 97, 0, 98]);"
    );
    let sound = printed(0, &mut campaign(&["replay", "corpus/seeds/fuzz_runs"]));
    assert!(sound.contains("3 passed, 0 rejected, 0 failed"), "{sound}");

    let out = folder.path().join("triage");
    let arguments = ["triage", "--json", "--only", "--finds", find, "--out"];
    let report = json(3, campaign(&arguments).arg(&out));
    let [group] = report["groups"].as_array().unwrap().as_slice() else {
        panic!("{report}");
    };
    assert_eq!(group["check"], CHECK);
    // One pair is enough, and its count must be 0.
    let file = group["reproducer"]["file"].as_str().unwrap();
    let smallest = fs::read(out.join("regressions/fuzz_runs").join(file)).unwrap();
    assert_eq!((smallest.len(), smallest[0]), (2, 0), "{smallest:?}");
}

#[test]
fn its_coverage_is_counted() {
    let pages = tempfile::tempdir().unwrap();
    let mut command = campaign(&["coverage", "--json", "--corpus", "corpus/seeds", "--html"]);
    let command = command.arg(pages.path()).env("PATH", path_with("lcov"));
    let measured = json(0, command);
    assert_eq!(measured["targets"]["fuzz_runs"]["inputs"], 3);
    assert_eq!(measured["crates"].as_object().unwrap().len(), 1);
    let unreached = measured["unreached"].as_array().unwrap().iter();
    let unreached: Vec<&str> = unreached
        .filter_map(|region| region["text"].as_str())
        .collect();
    // No seed has a count of 0.
    assert_eq!(unreached, ["256"], "{measured}");
    // genhtml finds the source from anywhere.
    let page = read(&pages.path().join("index.html"));
    let file = page.lines().find_map(|line| line.strip_prefix("SF:/"));
    assert!(Path::new("/").join(file.unwrap()).is_file(), "{page}");
}

/// One engine is enough: the tests on our own targets have all three.
#[test]
#[ignore = "needs AFL++; scripts/test runs it"]
fn an_engine_finds_the_mistake_in_a_run_and_in_a_comparison() {
    let run = ["run", "--engine", "afl", "fuzz_runs", "--time", "2s"];
    let text = printed(3, campaign(&run).arg("--seeds-only"));
    assert!(text.contains(&format!("FIND {CHECK}")), "{text}");

    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let compare = ["compare", "--engines", "afl", "--time", "2s", "--out"];
    let text = printed(3, campaign(&compare).arg(&out));
    let find = format!("FIND {CHECK} (fuzz_runs, AFL++)");
    assert!(text.contains(&find), "{text}");
    assert!(out.join("index.html").is_file());
}
