//! What OSS-Fuzz and ClusterFuzzLite document of a project's build, and whether ours keeps it.
//!
//! Their containers are not needed: the build script is run here with the variables that they set, and what
//! it leaves is held to what their own check of builds asks. These tests build the targets for libFuzzer, so
//! `scripts/test` runs them after its own builds:
//! `cargo test --package campaign --test oss_fuzz -- --include-ignored`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use campaign::project::Project;
use worker::TargetInfo;

/// Their check warns about a target with fewer edges.
const FEWEST_EDGES: usize = 100;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// The folder of builds in which this test was built, too: what is built there is not built again.
fn builds() -> PathBuf {
    let tool = Path::new(env!("CARGO_BIN_EXE_campaign"));
    tool.ancestors().nth(2).unwrap().to_owned()
}

fn targets() -> Vec<TargetInfo> {
    let project = Project::open(Some(&root())).unwrap();
    project.targets().unwrap().to_vec()
}

fn fuzzed() -> Vec<TargetInfo> {
    let mut targets = targets();
    targets.retain(|target| !target.is_baseline);
    targets
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a command printed, on both outputs.
fn text(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Runs a command that must succeed; what it printed.
fn said(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = text(&output);
    assert!(output.status.success(), "{command:?}: {said}");
    said
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

/// The answer to `cargo campaign list --json`, in a file.
fn list_of_targets(folder: &Path) -> PathBuf {
    let path = folder.join("targets.json");
    let list = Command::new(env!("CARGO_BIN_EXE_campaign"))
        .args(["list", "--json"])
        .output()
        .unwrap();
    assert!(list.status.success());
    fs::write(&path, list.stdout).unwrap();
    path
}

/// Everything that a target's folder of results must hold, and what its binary must do there.
fn keeps_the_contract(built: &Path, sanitizer: &str) {
    let targets = fuzzed();
    let expected: BTreeSet<String> = targets
        .iter()
        .flat_map(|target| {
            let name = &target.name;
            let dictionary = target.dictionary.as_ref().map(|_| format!("{name}.dict"));
            [
                name.to_owned(),
                format!("{name}.options"),
                format!("{name}_seed_corpus.zip"),
            ]
            .into_iter()
            .chain(dictionary)
        })
        .collect();
    let files: BTreeSet<String> = fs::read_dir(built)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files, expected);

    // Their check moves the files before it runs them, so that none relies on where it was built.
    let moved = tempfile::tempdir().unwrap();
    for file in &files {
        fs::copy(built.join(file), moved.path().join(file)).unwrap();
    }
    for target in &targets {
        // grep: in a test without optimization, a search of 25 MB takes too long.
        let has = |text: &str| {
            let mut grep = Command::new("grep");
            let found = grep
                .args(["-q", "-a", "-F", text])
                .arg(built.join(&target.name));
            found.status().unwrap().success()
        };
        assert!(has("LLVMFuzzerTestOneInput"), "{}", target.name);
        assert_eq!(
            has("__asan_report_load1"),
            sanitizer == "address",
            "{}",
            target.name
        );
        runs_anywhere(moved.path(), target);
    }
}

/// Runs a target as theirs do: an ordinary folder, the options of its file, its dictionary, its seeds.
fn runs_anywhere(folder: &Path, target: &TargetInfo) {
    let elsewhere = tempfile::tempdir().unwrap();
    let run = |arguments: &[String]| {
        said(
            Command::new(folder.join(&target.name))
                .args(arguments)
                .current_dir(elsewhere.path())
                .env_clear(),
        )
    };
    let start = run(&["-seed=1337".to_owned(), "-runs=4".to_owned()]);
    assert!(start.contains("Done 4 runs"), "{start}");
    let edges = number_after(&start, "INFO: Loaded 1 modules", "(");
    assert!(edges >= FEWEST_EDGES, "{}: {edges} edges", target.name);

    let mut arguments = vec!["-runs=0".to_owned()];
    let options_file = read(&folder.join(format!("{}.options", target.name)));
    let options = options(&options_file);
    assert_eq!(options["max_len"], target.max_input, "{}", target.name);
    assert!((1..=25).contains(&options["timeout"]), "{options:?}");
    arguments.extend(
        options
            .iter()
            .map(|(name, value)| format!("-{name}={value}")),
    );
    if target.dictionary.is_some() {
        let dictionary = folder.join(format!("{}.dict", target.name));
        arguments.push(format!("-dict={}", dictionary.display()));
    }
    let seeds = elsewhere.path().join("seeds");
    let count = unpack(
        &folder.join(format!("{}_seed_corpus.zip", target.name)),
        &seeds,
    );
    arguments.push(seeds.display().to_string());
    let ran = run(&arguments);
    assert!(
        number_after(&ran, "Done ", "") >= count,
        "{count} seeds: {ran}"
    );
    if let Some(dictionary) = &target.dictionary {
        let words = read(&root().join(dictionary));
        let words = words.lines().filter(|line| line.contains('=')).count();
        assert!(words > 0);
        assert_eq!(number_after(&ran, "Dictionary: ", ""), words, "{ran}");
    }
}

/// The first number after `label`, and `opening` behind it, in a log.
fn number_after(log: &str, label: &str, opening: &str) -> usize {
    log.split_once(label)
        .and_then(|(_, rest)| rest.split_once(opening))
        .and_then(|(_, rest)| {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            rest[..digits].parse().ok()
        })
        .unwrap_or_else(|| panic!("no number after {label:?} in {log}"))
}

/// An options file: one section for libFuzzer, `name = value` lines in it.
fn options(text: &str) -> BTreeMap<&str, usize> {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("[libfuzzer]"), "{text}");
    lines
        .map(|line| {
            let (name, value) = line.split_once(" = ").unwrap();
            (name, value.parse().unwrap())
        })
        .collect()
}

/// Unpacks an archive; how many files it had.
fn unpack(archive: &Path, folder: &Path) -> usize {
    let mut archive = zip::ZipArchive::new(fs::File::open(archive).unwrap()).unwrap();
    archive.extract(folder).unwrap();
    assert!(archive.len() > 10, "{} seeds", archive.len());
    archive.len()
}

#[test]
fn the_two_folders_build_the_same() {
    let (ours, theirs) = (
        root().join("scripts/oss-fuzz"),
        root().join(".clusterfuzzlite"),
    );
    assert_eq!(read(&ours.join("build.sh")), read(&theirs.join("build.sh")));
    assert!(read(&ours.join("build.sh")).contains("scripts/oss-fuzz-build"));
    let line = |folder: &Path, file: &str, start: &str| {
        read(&folder.join(file))
            .lines()
            .find_map(|line| line.strip_prefix(start).map(str::to_owned))
            .unwrap_or_else(|| panic!("no {start:?} in {file}"))
    };
    for (file, start) in [
        ("project.yaml", "language: "),
        ("Dockerfile", "ENV RUSTUP_TOOLCHAIN="),
        ("Dockerfile", "WORKDIR "),
    ] {
        assert_eq!(
            line(&ours, file, start),
            line(&theirs, file, start),
            "{file}"
        );
    }
    assert_eq!(line(&ours, "project.yaml", "language: "), "rust");
    let repository = line(&ours, "project.yaml", "main_repo: ");
    let cloned = line(&ours, "Dockerfile", "RUN git clone --depth 1 ");
    assert!(cloned.starts_with(repository.trim_matches('"')), "{cloned}");
}

/// The files in a folder and in those below it.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| match path.is_dir() {
            true => files_below(&path),
            false => vec![path],
        })
        .collect()
}

/// The list of targets is the registry's: a name that is typed again somewhere can be forgotten there.
#[test]
fn nothing_that_loops_over_targets_names_one() {
    let files: Vec<PathBuf> = [".clusterfuzzlite", ".github", "scripts"]
        .iter()
        .flat_map(|folder| files_below(&root().join(folder)))
        .collect();
    assert!(files.len() > 20, "{files:?}");
    let targets = targets();
    for path in files {
        let bytes = fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for target in &targets {
            assert!(
                !text.contains(&target.name),
                "{}: {}",
                path.display(),
                target.name
            );
        }
    }
}

#[test]
#[ignore = "builds the targets for libFuzzer"]
fn the_build_keeps_the_documented_contract() {
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("out");
    said(&mut build_script(&out, work.path(), "none"));
    keeps_the_contract(&out, "none");

    let toolchains = said(Command::new("rustup").args(["toolchain", "list"]));
    if toolchains.lines().any(|line| line.starts_with("nightly")) {
        let out = work.path().join("out-asan");
        said(
            build_script(&out, work.path(), "address")
                .env("RUSTUP_TOOLCHAIN", "nightly")
                .env("TARGET_LIST", list_of_targets(work.path())),
        );
        keeps_the_contract(&out, "address");
    } else {
        println!("no nightly Rust: the build with AddressSanitizer was not tried");
    }
}

/// Stands in for the cargo of their images, which makes of `cargo fuzz build` a build with source coverage: in
/// the folder where it stands, without optimization and without debug assertions.
const CARGO_FOR_COVERAGE: &str = r#"#!/bin/bash -eu
if [[ ${1-} != fuzz || ${2-} != build ]]; then exec "$REAL_CARGO" "$@"; fi
if [[ -d fuzz ]]; then cd fuzz; fi
export RUSTFLAGS="$RUSTFLAGS -Cdebug-assertions=no"
"$REAL_CARGO" build --bins
mkdir -p "$CARGO_TARGET_DIR/x86_64-unknown-linux-gnu/release"
find "$CARGO_TARGET_DIR/debug" -maxdepth 1 -type f -exec cp {} "$CARGO_TARGET_DIR/x86_64-unknown-linux-gnu/release/" \;
"#;

/// An oracle of `debug_assert!`s would be gone in their coverage build, without a word.
#[test]
#[ignore = "builds the targets with source coverage"]
fn the_oracle_survives_the_build_for_coverage() {
    let work = tempfile::tempdir().unwrap();
    let bin = work.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("cargo"), CARGO_FOR_COVERAGE).unwrap();
    said(Command::new("chmod").arg("+x").arg(bin.join("cargo")));
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let target_dir = builds().join("oss-fuzz-coverage");
    let for_coverage = |command: &mut Command| {
        said(
            command
                .env("PATH", &path)
                .env("REAL_CARGO", env!("CARGO"))
                .env("CARGO_TARGET_DIR", &target_dir)
                .env(
                    "RUSTFLAGS",
                    "--cfg fuzzing -Cdebuginfo=1 -Cinstrument-coverage",
                )
                // Build scripts are instrumented too, and would leave their profiles in the tree.
                .env("LLVM_PROFILE_FILE", "/dev/null"),
        )
    };
    let out = work.path().join("out");
    let list = list_of_targets(work.path());
    for_coverage(build_script(&out, work.path(), "coverage").env("TARGET_LIST", list));
    for target in fuzzed() {
        let seeds = work.path().join(&target.name);
        unpack(
            &out.join(format!("{}_seed_corpus.zip", target.name)),
            &seeds,
        );
        let profile = work.path().join(format!("{}.profraw", target.name));
        said(
            Command::new(out.join(&target.name))
                .arg("-runs=0")
                .arg(seeds)
                .env("LLVM_PROFILE_FILE", &profile),
        );
        assert!(
            fs::metadata(profile).unwrap().len() > 10_000,
            "a profile is written"
        );
    }

    // The same build of code with a mistake: a raw image that is rounded down.
    let example = root().join("subjects/example/libfuzzer-targets");
    for_coverage(
        Command::new(bin.join("cargo"))
            .args(["fuzz", "build"])
            .current_dir(example),
    );
    let mut input = [0; 42];
    input[6..14].copy_from_slice(&1_000_001_u64.to_le_bytes());
    let find = work.path().join("find");
    fs::write(&find, input).unwrap();
    let target = &fuzzed()[0];
    assert_eq!(
        target.checks.as_deref(),
        Some("calc."),
        "the input is one of the calculators'"
    );
    let ran = Command::new(target_dir.join("debug").join(&target.name))
        .arg(&find)
        .current_dir(work.path())
        .env("LLVM_PROFILE_FILE", "/dev/null")
        .output()
        .unwrap();
    let said = text(&ran);
    assert!(!ran.status.success(), "{said}");
    assert!(
        said.contains("check failed: calc.raw_covers_virtual_size"),
        "{said}"
    );
}
