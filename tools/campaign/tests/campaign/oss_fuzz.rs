//! What OSS-Fuzz and ClusterFuzzLite document of a project's build, and whether ours keeps it.
//!
//! Their containers are not needed: the build script is run here with the variables that they set, and what
//! it leaves is held to what their own check of builds asks. These tests build the targets for libFuzzer, so
//! `scripts/test` runs them after its own builds:
//! `cargo test --package campaign -- --include-ignored oss_fuzz`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tool::{campaign, path_with, printed, programs, read, root, stdout};
use campaign::project::Project;
use worker::TargetInfo;

/// Their check warns about a target with fewer edges.
const FEWEST_EDGES: usize = 100;

/// The folder of builds in which this test was built, too: what is built there is not built again.
fn builds() -> PathBuf {
    let tool = Path::new(env!("CARGO_BIN_EXE_cargo-campaign"));
    tool.ancestors().nth(2).unwrap().to_owned()
}

fn fuzzed() -> Vec<TargetInfo> {
    let project = Project::open(Some(&root())).unwrap();
    project.fuzzed().unwrap().into_iter().cloned().collect()
}

/// The build script, with the variables of a container.
fn build_script(out: &Path, work: &Path, sanitizer: &str) -> Command {
    let mut script = Command::new(root().join("scripts/oss-fuzz-build"));
    script
        .current_dir(work)
        .env("OUT", out)
        .env("WORK", work)
        .env("SRC", root().parent().unwrap())
        .env("SANITIZER", sanitizer)
        .env("CARGO_TARGET_DIR", builds());
    script
}

/// Has what `cargo campaign list --json` prints in a file, so that the script need not build the tool.
fn with_list<'a>(script: &'a mut Command, folder: &Path) -> &'a mut Command {
    let path = folder.join("targets.json");
    let list = stdout(0, &mut campaign(&["list", "--json"]));
    fs::write(&path, list).unwrap();
    script.env("TARGET_LIST", path)
}

/// Everything that a target's folder of results must hold, and what its binary must do there.
fn keeps_the_contract(built: &Path, sanitizer: &str) {
    let targets = fuzzed();
    let mut expected = BTreeSet::new();
    for target in &targets {
        let dictionary = target.dictionary.as_ref().map(|_| ".dict");
        let endings = ["", ".options", "_seed_corpus.zip"];
        let endings = endings.into_iter().chain(dictionary);
        expected.extend(endings.map(|ending| format!("{}{ending}", target.name)));
    }
    // Their check moves the files before it runs them, so that none relies on where it was built.
    let moved = tempfile::tempdir().unwrap();
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(built).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        fs::copy(built.join(&name), moved.path().join(&name)).unwrap();
        files.insert(name);
    }
    assert_eq!(files, expected);
    for target in &targets {
        // grep: in a test without optimization, a search of 25 MB takes too long.
        let asan = Command::new("grep")
            .args(["-q", "-a", "-F", "__asan_report_load1"])
            .arg(built.join(&target.name))
            .status();
        let name = &target.name;
        assert_eq!(asan.unwrap().success(), sanitizer == "address", "{name}");
        runs_anywhere(moved.path(), target);
    }
}

/// Runs a target as theirs do: an ordinary folder, the options of its file, its dictionary, its seeds.
fn runs_anywhere(folder: &Path, target: &TargetInfo) {
    let name = &target.name;
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = Command::new(folder.join(name));
    let options = read(&folder.join(format!("{name}.options")));
    let options: BTreeMap<&str, usize> = options
        .strip_prefix("[libfuzzer]\n")
        .unwrap_or_else(|| panic!("{options}"))
        .lines()
        .map(|line| {
            let (name, value) = line.split_once(" = ").unwrap();
            (name, value.parse().unwrap())
        })
        .collect();
    assert_eq!(options["max_len"], target.max_input, "{name}");
    assert!((1..=25).contains(&options["timeout"]), "{options:?}");
    for (option, value) in options {
        command.arg(format!("-{option}={value}"));
    }
    let dictionary = folder.join(format!("{name}.dict"));
    if target.dictionary.is_some() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    let seeds = elsewhere.path().join("seeds");
    let count = unpack(&folder.join(format!("{name}_seed_corpus.zip")), &seeds);
    command.args(["-seed=1337", "-runs=4"]).arg(seeds);
    let log = printed(0, command.current_dir(elsewhere.path()).env_clear());
    let edges = number_after(&log, "INFO: Loaded 1 modules");
    assert!(edges >= FEWEST_EDGES, "{name}: {edges} edges");
    assert!(number_after(&log, "Done ") >= count, "{count}: {log}");
    if target.dictionary.is_some() {
        let words = read(&dictionary);
        let words = words.lines().filter(|line| line.contains('=')).count();
        assert!(words > 0);
        assert_eq!(number_after(&log, "Dictionary: "), words, "{log}");
    }
}

/// The first number after `label` in a log.
fn number_after(log: &str, label: &str) -> usize {
    let (_, rest) = log.split_once(label).unwrap_or_else(|| panic!("{log}"));
    let digits = rest.chars().skip_while(|c| !c.is_ascii_digit());
    let digits: String = digits.take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// Unpacks an archive. Returns how many files are in it.
fn unpack(archive: &Path, folder: &Path) -> usize {
    let mut archive = zip::ZipArchive::new(fs::File::open(archive).unwrap()).unwrap();
    archive.extract(folder).unwrap();
    assert!(archive.len() > 10, "{} seeds", archive.len());
    archive.len()
}

#[test]
fn the_two_folders_build_the_same() {
    let line = |folder: &str, file: &str, start: &str| {
        let text = read(&root().join(folder).join(file));
        let rest = text.lines().find_map(|line| line.strip_prefix(start));
        rest.unwrap_or_else(|| panic!("no {start:?} in {file}"))
            .to_owned()
    };
    let ours = "scripts/oss-fuzz";
    for (file, start) in [
        (
            "build.sh",
            "exec \"$SRC/measure-fuzz/scripts/oss-fuzz-build\"",
        ),
        ("project.yaml", "language: rust"),
        ("Dockerfile", "ENV RUSTUP_TOOLCHAIN="),
        ("Dockerfile", "WORKDIR "),
    ] {
        let (ours, theirs) = (
            line(ours, file, start),
            line(".clusterfuzzlite", file, start),
        );
        assert_eq!(ours, theirs, "{file}");
    }
    let repository = line(ours, "project.yaml", "main_repo: ");
    let cloned = line(ours, "Dockerfile", "RUN git clone --depth 1 ");
    assert!(cloned.starts_with(repository.trim_matches('"')), "{cloned}");
}

/// The list of targets is the registry's: a name that is typed again somewhere can be forgotten there.
#[test]
fn nothing_that_loops_over_targets_names_one() {
    for target in fuzzed() {
        let folders = [".clusterfuzzlite", ".github", "scripts"];
        let mut grep = Command::new("grep");
        let grep = grep.args(["-r", "-F", &target.name]).args(folders);
        // Its exit code for no match.
        assert_eq!(printed(1, grep.current_dir(root())), "");
    }
}

#[test]
#[ignore = "builds the targets for libFuzzer"]
fn the_build_keeps_the_documented_contract() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    printed(0, &mut build_script(&out, work.path(), "none"));
    keeps_the_contract(&out, "none");

    let toolchains = printed(0, Command::new("rustup").args(["toolchain", "list"]));
    if toolchains.lines().any(|line| line.starts_with("nightly")) {
        let out = work.path().join("out-asan");
        let mut script = build_script(&out, work.path(), "address");
        script.env("RUSTUP_TOOLCHAIN", "nightly");
        printed(0, with_list(&mut script, work.path()));
        keeps_the_contract(&out, "address");
    } else {
        println!("no nightly Rust: the build with AddressSanitizer was not tried");
    }
}

/// An oracle of `debug_assert!`s would be left out of their coverage build without a warning.
#[test]
#[ignore = "builds the targets with source coverage"]
fn the_oracle_survives_the_build_for_coverage() {
    let work = tempfile::tempdir().unwrap();
    let target_dir = builds().join("oss-fuzz-coverage");
    let for_coverage = |command: &mut Command| {
        let flags = "--cfg fuzzing -Cdebuginfo=1 -Cinstrument-coverage";
        let command = command
            .env("PATH", path_with("coverage"))
            .env("REAL_CARGO", env!("CARGO"))
            .env("CARGO_TARGET_DIR", &target_dir)
            .env("RUSTFLAGS", flags)
            // Build scripts are instrumented too, and would leave their profiles in the tree.
            .env("LLVM_PROFILE_FILE", "/dev/null");
        printed(0, command)
    };
    let out = work.path().join("out");
    let mut script = build_script(&out, work.path(), "coverage");
    for_coverage(with_list(&mut script, work.path()));
    let targets = fuzzed();
    for TargetInfo { name, .. } in &targets {
        let seeds = work.path().join(name);
        unpack(&out.join(format!("{name}_seed_corpus.zip")), &seeds);
        let profile = work.path().join(format!("{name}.profraw"));
        let mut target = Command::new(out.join(name));
        let target = target.arg("-runs=0").arg(seeds);
        printed(0, target.env("LLVM_PROFILE_FILE", &profile));
        let size = fs::metadata(profile).unwrap().len();
        assert!(size > 10_000, "a profile of {size} bytes");
    }

    // The same build of code with a mistake: a raw image that is rounded down.
    let example = root().join("subjects/example/libfuzzer-targets");
    let mut build = Command::new(programs("coverage").join("cargo"));
    for_coverage(build.args(["fuzz", "build"]).current_dir(example));
    let mut input = [0; 42];
    input[6..14].copy_from_slice(&1_000_001_u64.to_le_bytes());
    let find = work.path().join("find");
    fs::write(&find, input).unwrap();
    let calculators = targets
        .iter()
        .find(|target| target.checks.as_deref() == Some("calc."));
    let mut target = Command::new(target_dir.join("debug").join(&calculators.unwrap().name));
    let target = target.arg(&find).current_dir(work.path());
    // libFuzzer's exit code for a crash.
    let log = printed(77, target.env("LLVM_PROFILE_FILE", "/dev/null"));
    let expected = "check failed: calc.raw_covers_virtual_size";
    assert!(log.contains(expected), "{log}");
}
