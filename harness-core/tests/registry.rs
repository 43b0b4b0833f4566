//! The registry and the three engine crates name the same targets.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use harness_core::{TARGETS, targets};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn file_stems(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(folder));
    let entries = entries.unwrap_or_else(|error| panic!("{folder}: {error}"));
    let paths = entries.map(|entry| entry.unwrap().path());
    let stems = paths.map(|path| path.file_stem().unwrap().to_owned());
    stems.map(|stem| stem.into_string().unwrap()).collect()
}

/// The names of the `[[bin]]` sections of a manifest.
fn binaries(manifest: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(manifest)).unwrap();
    let names = text.split("[[bin]]").skip(1);
    let names = names.map(|section| section.split('"').nth(1).expect("a name in quotes"));
    names.map(str::to_owned).collect()
}

#[test]
fn every_engine_has_every_target_and_no_other() {
    let names = TARGETS.iter().map(|target| target.name.to_owned());
    let registry: BTreeSet<String> = names.collect();
    assert_eq!(registry.len(), TARGETS.len(), "a name stands twice");
    for (package, sources) in [
        ("afl-targets", "src/bin"),
        ("libfuzzer-targets", "fuzz_targets"),
        ("hfuzz-targets", "src/bin"),
    ] {
        let files = file_stems(&format!("{package}/{sources}"));
        assert_eq!(files, registry, "{package}/{sources}");
        let binaries = binaries(&format!("{package}/Cargo.toml"));
        assert_eq!(binaries, registry, "{package}/Cargo.toml");
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
            // Its own target, and no other.
            for call in [&*format!("built_in::{}(data)", target.name), "built_in::"] {
                let times = source.matches(call).count();
                assert_eq!(times, 1, "{file} has {call} {times} times");
            }
        }
    }
}

#[test]
fn architecture_lists_the_targets_and_what_each_drives() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let listed = text.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("| `")?.split_once('`')?;
        let drives = rest.split('|').nth(1)?.trim();
        name.starts_with("fuzz_").then_some((name, drives))
    });
    let registry = TARGETS.iter().map(|target| (target.name, target.drives));
    assert_eq!(listed.collect::<Vec<_>>(), registry.collect::<Vec<_>>());
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
