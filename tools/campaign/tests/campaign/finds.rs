//! A find of any engine fails in a replay with the same check, without the engine.
//!
//! These tests build the example for the three engines and fuzz it, so they need the engines: `scripts/test` runs
//! them, with `cargo test --package campaign -- --ignored finds`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::tool::{assert_has, on_example, printed};

/// The checks that fail by a run's output, each with the file that reproduces it.
fn finds_of(text: &str) -> Vec<(String, PathBuf)> {
    let mut finds = Vec::new();
    let mut check = None;
    for line in text.lines() {
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
        let options = ["--sanitizer", "none", "--seeds-only"];
        let text = printed(3, on_example(&arguments).args(options));
        let finds = finds_of(&text);
        assert!(!finds.is_empty(), "{text}");
        for (check, file) in finds {
            assert!(checks.contains(&check.as_str()), "{check} under {engine}");
            let folder = format!("results/finds/{target}/{engine}");
            assert!(file.parent().is_some_and(|parent| parent.ends_with(folder)));
            let text = printed(3, &mut on_example(&["replay", file.to_str().unwrap()]));
            let failed = format!("check: {check}\n");
            assert_has(&text, &[&failed, "  case: ", "  as Rust:\n"]);
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
