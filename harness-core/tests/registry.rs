//! The registry and the three engine crates name the same targets.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use harness_core::{TARGETS, targets};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn file_stems(folder: &str) -> BTreeSet<String> {
    fs::read_dir(root().join(folder))
        .unwrap_or_else(|error| panic!("{folder}: {error}"))
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

/// The names of the `[[bin]]` sections of a manifest.
fn binaries(manifest: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(manifest)).unwrap();
    text.split("[[bin]]")
        .skip(1)
        .map(|section| {
            section
                .split('"')
                .nth(1)
                .expect("a name in quotes")
                .to_owned()
        })
        .collect()
}

#[test]
fn every_engine_has_every_target_and_no_other() {
    let registry: BTreeSet<String> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(registry.len(), TARGETS.len(), "a name stands twice");
    for (package, sources) in [
        ("afl-targets", "src/bin"),
        ("libfuzzer-targets", "fuzz_targets"),
        ("hfuzz-targets", "src/bin"),
    ] {
        assert_eq!(
            file_stems(&format!("{package}/{sources}")),
            registry,
            "{package}/{sources}"
        );
        assert_eq!(
            binaries(&format!("{package}/Cargo.toml")),
            registry,
            "{package}/Cargo.toml"
        );
    }
}

#[test]
fn a_target_file_calls_the_target_of_its_name() {
    for target in TARGETS {
        for file in [
            format!("afl-targets/src/bin/{}.rs", target.name),
            format!("libfuzzer-targets/fuzz_targets/{}.rs", target.name),
            format!("hfuzz-targets/src/bin/{}.rs", target.name),
        ] {
            let source = fs::read_to_string(root().join(&file)).unwrap();
            let call = format!("built_in::{}(data)", target.name);
            assert_eq!(
                source.matches(&call).count(),
                1,
                "{file} does not call {call} once"
            );
            assert_eq!(
                source.matches("built_in::").count(),
                1,
                "{file} calls another target"
            );
        }
    }
}

#[test]
fn architecture_lists_the_targets_and_what_each_drives() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let listed: Vec<(String, String)> = text
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `fuzz_")?.split('|');
            let name = cells.next()?.trim().trim_end_matches('`');
            Some((format!("fuzz_{name}"), cells.next()?.trim().to_owned()))
        })
        .collect();
    let registry: Vec<(String, String)> = TARGETS
        .iter()
        .map(|target| (target.name.to_owned(), target.drives.to_owned()))
        .collect();
    assert_eq!(listed, registry);
}

#[test]
fn every_dictionary_named_is_there() {
    for target in TARGETS {
        if let Some(dictionary) = target.dictionary {
            assert!(root().join(dictionary).is_file(), "{dictionary}");
        }
    }
}

#[test]
fn a_fingerprint_distinguishes_the_cases_of_each_target() {
    for (target, at) in [
        ("fuzz_measure_calc", 6),
        ("fuzz_measure_scan", 0),
        ("fuzz_measure_image", recipes::at::PROBE),
    ] {
        let target = targets::find(target).unwrap();
        let mut other = [0; 68];
        other[at] = 1;
        let one = target.fingerprint(&[0; 68]);
        assert_eq!(one.len(), 8);
        assert_eq!(one, target.fingerprint(&[0; 68]));
        assert_ne!(one, target.fingerprint(&other), "{}", target.name);
    }
    let scans = targets::find("fuzz_measure_scan").unwrap();
    assert_eq!(scans.fingerprint(&[]), "no case");
}
