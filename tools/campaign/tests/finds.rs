//! A find of any engine fails in a replay with the same check, without the engine.
//!
//! The code under test is that of `subjects/example`, which has a mistake for each target. These
//! tests build it for the three engines and fuzz it, so they need the engines: `scripts/test` runs
//! them, with `cargo test --package campaign --test finds -- --ignored`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn campaign(arguments: &[&str]) -> Output {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../subjects/example");
    Command::new(env!("CARGO_BIN_EXE_campaign"))
        .arg("--project")
        .arg(example)
        .args(arguments)
        .output()
        .expect("campaign runs")
}

fn text(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The checks that a run says fail, each with the file that reproduces it.
fn finds_of(said: &str) -> Vec<(String, PathBuf)> {
    let mut finds = Vec::new();
    let mut check = None;
    for line in said.lines() {
        if let Some(rest) = line.strip_prefix("FIND ") {
            check = rest.split_once(": ").map(|(check, _)| check.to_owned());
        } else if let Some((_, file)) = line.split_once(" replay ") {
            finds.extend(check.take().map(|check| (check, PathBuf::from(file))));
        }
    }
    finds
}

/// Fuzzes for a few seconds with each engine; what fails must be among `checks`, and fail a replay too.
/// Returns all that failed.
fn every_engine_finds(target: &str, checks: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for engine in ["afl", "libfuzzer", "honggfuzz"] {
        let arguments = ["run", "--engine", engine, target, "--time", "5s"];
        let run = campaign(&[&arguments[..], &["--sanitizer", "none", "--seeds-only"]].concat());
        let said = text(&run);
        assert_eq!(run.status.code(), Some(3), "{engine} on {target}: {said}");
        let finds = finds_of(&said);
        assert!(!finds.is_empty(), "{said}");
        for (check, file) in finds {
            assert!(checks.contains(&check.as_str()), "{check} under {engine}");
            let folder = format!("results/finds/{target}/{engine}");
            assert!(file.parent().is_some_and(|parent| parent.ends_with(folder)));
            let replay = campaign(&["replay", file.to_str().unwrap()]);
            let said = text(&replay);
            assert_eq!(replay.status.code(), Some(3), "{said}");
            assert!(said.contains(&format!("check: {check}\n")), "{said}");
            assert!(
                said.contains("  case: ") && said.contains("  as Rust:\n"),
                "{said}"
            );
            found.insert(check);
        }
    }
    found
}

#[test]
#[ignore = "needs the three engines; scripts/test runs it"]
fn a_wrong_calculator_is_found_by_every_engine() {
    every_engine_finds("fuzz_measure_calc", &["calc.raw_covers_virtual_size"]);
}

#[test]
#[ignore = "needs the three engines; scripts/test runs it"]
fn a_wrong_scanner_is_found_by_every_engine() {
    every_engine_finds(
        "fuzz_measure_scan",
        &[
            "scan.reads_inside_the_device",
            "scan.reads_bounded",
            "scan.answer_is_exact",
        ],
    );
}

#[test]
#[ignore = "needs the three engines; scripts/test runs it"]
fn a_wrong_scanner_is_found_on_images_too() {
    let found = every_engine_finds(
        "fuzz_measure_image",
        &[
            "image.reads_inside_the_device",
            "image.reads_bounded",
            "image.answer_is_exact",
            // The calculator's mistake shows here too.
            "image.calculators_are_exact",
        ],
    );
    let calculator = BTreeSet::from(["image.calculators_are_exact".to_owned()]);
    assert_ne!(found, calculator, "not the scanner's mistake");
}
