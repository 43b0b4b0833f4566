//! Everything that is checked in passes: seeds, and past finds that must not come back.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use built_in::SUBJECT;
use harness_core::project::replay;
use harness_core::scan::ScanCase;
use harness_core::{TARGETS, check};
use worker::Verdict;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The inputs in a folder; none when it is missing.
fn inputs(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let files = entries.map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.is_file() && path.extension().is_none_or(|name| name != "md"))
        .collect()
}

#[test]
fn seeds_and_regressions_pass_and_evaluate_every_check() {
    let before: BTreeMap<&str, u64> = check::ALL
        .iter()
        .map(|check| (check.id, check.evaluations()))
        .collect();
    for target in TARGETS.iter().filter(|target| !target.is_baseline) {
        let seeds = inputs(&root().join(target.seeds()));
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        let regressions = inputs(&root().join("corpus/regressions").join(target.name));
        for path in seeds.iter().chain(&regressions) {
            let data = fs::read(path).unwrap();
            assert!(
                data.len() <= target.max_input,
                "{} is longer than engines take",
                path.display()
            );
            let verdict = replay(&SUBJECT, target, &data);
            assert_eq!(verdict, Verdict::Pass, "{}", path.display());
        }
        println!(
            "{}: {} seeds, {} regressions",
            target.name,
            seeds.len(),
            regressions.len()
        );
    }
    for check in check::ALL {
        assert!(
            check.evaluations() > before[check.id],
            "no seed evaluates {}",
            check.id
        );
    }
}

#[test]
fn every_seed_image_is_a_sound_one() {
    for path in inputs(&root().join("corpus/seeds/fuzz_measure_scan")) {
        let data = fs::read(&path).unwrap();
        let case = ScanCase::decode(&data).unwrap();
        let image = case.unpack();
        let device = image.device();
        let answer = case.ask(SUBJECT.scanner, &device);
        assert!(
            answer.result.is_ok(),
            "{}: {:?}",
            path.display(),
            answer.result
        );
        assert_eq!(
            case.encode(),
            data,
            "{} is encoded another way",
            path.display()
        );
    }
}

#[test]
fn every_folder_of_seeds_and_regressions_is_of_a_target() {
    for folder in ["corpus/seeds", "corpus/regressions"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let known = TARGETS.iter().any(|target| target.name == name);
            assert!(
                known || path.is_file(),
                "{} is of no target",
                path.display()
            );
        }
    }
}
