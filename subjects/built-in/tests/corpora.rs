//! Seeds: they pass, they evaluate every check, and those of scans are sound images. What else is checked in is
//! replayed by the test `shipped`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use built_in::SUBJECT;
use harness_core::calc::CalcCase;
use harness_core::project::replay;
use harness_core::scan::ScanCase;
use harness_core::{TARGETS, check};
use worker::{Check, Verdict};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What is in a folder.
fn entries(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn seeds_pass_and_evaluate_every_check() {
    let evaluations = |check: &'static Check| (check.id, check.evaluations());
    let before: BTreeMap<&str, u64> = check::ALL.iter().copied().map(evaluations).collect();
    for target in TARGETS.iter().filter(|target| !target.is_baseline) {
        let seeds = entries(&target.seeds());
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for path in &seeds {
            let verdict = replay(&SUBJECT, target, &fs::read(path).unwrap());
            assert_eq!(verdict, Verdict::Pass, "{}", path.display());
        }
        println!("{}: {} seeds", target.name, seeds.len());
    }
    for (id, times) in check::ALL.iter().copied().map(evaluations) {
        assert!(times > before[id], "no seed evaluates {id}");
    }
}

#[test]
fn every_seed_of_a_calculator_has_an_answer_and_each_image_is_a_sound_one() {
    for path in entries("corpus/seeds/fuzz_measure_calc") {
        let case = CalcCase::decode(&fs::read(&path).unwrap()).unwrap();
        assert!(case.ask(SUBJECT.calculators).is_ok(), "{}", path.display());
    }
    for path in entries("corpus/seeds/fuzz_measure_scan") {
        let data = fs::read(&path).unwrap();
        let case = ScanCase::decode(&data).unwrap();
        let image = case.unpack();
        let answer = case.ask(SUBJECT.scanner, &image.device());
        assert!(answer.result.is_ok(), "{}: {answer:?}", path.display());
        let encoded = case.encode();
        assert_eq!(encoded, data, "{} is encoded another way", path.display());
    }
}

#[test]
fn every_folder_of_seeds_and_regressions_is_of_a_target() {
    let folders = ["corpus/seeds", "corpus/regressions"].into_iter();
    for path in folders.flat_map(entries) {
        let name = path.file_name().unwrap().to_string_lossy();
        let is_known = TARGETS.iter().any(|target| target.name == name);
        assert!(is_known || path.is_file(), "{name} is of no target");
    }
}
