//! A cargo-fuzz project that is adopted stays as it is, and what cannot be adopted is refused with every reason.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use tempfile::TempDir;

/// A copy of `tests/pairs` in a repository of its own.
fn pairs() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pairs");
    copy(&from, &folder.path().join("pairs"));
    let root = folder.path().canonicalize().unwrap().join("pairs");
    run("git", &root, &["init", "--quiet"]);
    run("git", &root, &["add", "--all"]);
    (folder, root)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &to),
            false => drop(fs::copy(&path, &to).unwrap()),
        }
    }
}

fn run(program: &str, root: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Adopts a project of which no target is left out.
fn prepare(fuzz: &Path) -> PathBuf {
    let adopted = adopt::prepare(fuzz, false).unwrap();
    assert!(adopted.left_out.is_empty());
    adopted.root
}

/// Changes a file of the project.
fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// Every file below a folder, with when it was written.
fn times(folder: &Path) -> Vec<(PathBuf, SystemTime)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        match metadata.is_dir() {
            true => files.extend(times(&path)),
            false => files.push((path, metadata.modified().unwrap())),
        }
    }
    files.sort();
    files
}

#[test]
fn nothing_of_the_project_changes() {
    let (_folder, root) = pairs();
    let before = run("git", &root, &["status", "--porcelain"]);
    let campaign = prepare(&root.join("fuzz"));
    assert_eq!(campaign, root.join("fuzz/campaign"));
    assert_eq!(run("git", &root, &["status", "--porcelain"]), before);
    assert_eq!(
        run("git", &root, &["diff", "--name-only"]),
        "",
        "the lockfile among it"
    );
    assert!(adopt::is_fuzz_project(&root.join("fuzz")));
    assert!(!adopt::is_fuzz_project(&root));

    // The corpus is the project's, and a target without one starts from one byte.
    let seeds = campaign.join("corpus/seeds");
    assert_eq!(
        fs::read_link(seeds.join("lines")).unwrap(),
        root.join("fuzz/corpus/lines")
    );
    assert_eq!(fs::read(seeds.join("mutated/one-byte")).unwrap(), b"0");

    // Cargo builds again what is newer: a second time, nothing is.
    let first = times(&campaign);
    prepare(&root.join("fuzz"));
    assert_eq!(times(&campaign), first);
}

#[test]
fn what_comes_later_is_read() {
    let (_folder, root) = pairs();
    let fuzz = root.join("fuzz");
    let campaign = prepare(&fuzz);
    fs::create_dir_all(fuzz.join("corpus/mutated")).unwrap();
    fs::write(fuzz.join("corpus/mutated/new"), "a=b").unwrap();
    fs::create_dir_all(fuzz.join("artifacts/lines")).unwrap();
    fs::write(fuzz.join("artifacts/lines/crash-1"), "key=").unwrap();
    fs::write(fuzz.join("lines.dict"), "\"key=\"\n").unwrap();
    fs::write(fuzz.join("lines.options"), "[libfuzzer]\nmax_len = 100\n").unwrap();
    prepare(&fuzz);
    let read = |path: &str| fs::read_to_string(campaign.join(path)).unwrap();
    assert_eq!(read("corpus/seeds/mutated/new"), "a=b");
    assert_eq!(read("corpus/regressions/lines/crash-1"), "key=");
    assert_eq!(read("corpus/dictionaries/lines.dict"), "\"key=\"\n");
    let worker = read("src/bin/replay_worker.rs");
    let line = "Target::new(adopted_lines::__ADOPTED, \"lines\", 100, Some(\"corpus/dictionaries/lines.dict\"))";
    assert!(worker.contains(line), "{worker}");
    // Without its corpus, a target starts from one byte again.
    fs::remove_dir_all(fuzz.join("corpus/mutated")).unwrap();
    prepare(&fuzz);
    assert_eq!(read("corpus/seeds/mutated/one-byte"), "0");
}

#[test]
fn what_is_inherited_is_in_the_copies() {
    let (_folder, root) = pairs();
    let fuzz = root.join("fuzz");
    edit(&root.join("Cargo.toml"), "exclude = [\"fuzz\"]", "");
    edit(
        &root.join("Cargo.toml"),
        "members = [\".\"]",
        "members = [\".\", \"fuzz\"]\n[workspace.package]\n\
         edition = \"2021\"\n[workspace.dependencies]\nreader = { path = \".\", package = \"pairs\" }\n[profile.release]\n\
         debug-assertions = false",
    );
    edit(
        &fuzz.join("Cargo.toml"),
        "edition = \"2021\"",
        "edition.workspace = true",
    );
    edit(
        &fuzz.join("Cargo.toml"),
        "pairs = { path = \"..\" }",
        "reader.workspace = true",
    );
    edit(&fuzz.join("Cargo.toml"), "[workspace]\n", "");
    fs::rename(fuzz.join("Cargo.lock"), root.join("Cargo.lock")).unwrap();
    let campaign = prepare(&fuzz);
    let manifest = fs::read_to_string(campaign.join("afl-targets/Cargo.toml")).unwrap();
    for line in [
        "edition = \"2021\"".to_owned(),
        format!(
            "[dependencies.reader]\npackage = \"pairs\"\npath = \"{}\"",
            root.display()
        ),
        "debug-assertions = false".to_owned(),
        "overflow-checks = true".to_owned(),
    ] {
        assert!(manifest.contains(&line), "{line}: {manifest}");
    }
    let worker = || fs::read_to_string(campaign.join("Cargo.toml")).unwrap();
    assert!(worker().contains("code-under-test = [\"pairs\"]"));

    // The workspace may name other code.
    let named = "[workspace.metadata.campaign]\ncode-under-test = \"memchr\"\n[profile.release]";
    edit(&root.join("Cargo.toml"), "[profile.release]", named);
    let reader = "reader.workspace = true";
    edit(
        &fuzz.join("Cargo.toml"),
        reader,
        "reader.workspace = true\nmemchr = \"2\"",
    );
    prepare(&fuzz);
    assert!(worker().contains("code-under-test = [\"memchr\"]"));
}

#[test]
fn every_crate_is_instrumented_where_that_is_asked_for() {
    let (_folder, root) = pairs();
    let config = |root: &Path| fs::read_to_string(root.join(".cargo/config.toml")).unwrap();
    let usual = config(&prepare(&root.join("fuzz")));
    assert!(usual.contains("rustc-wrapper = ") && usual.contains("value = \"pairs-fuzz\""));
    let all = adopt::prepare(&root.join("fuzz"), true).unwrap().root;
    assert_eq!(all, root.join("fuzz/campaign/all"));
    assert_eq!(config(&all), "");
}

#[test]
fn what_other_engines_cannot_run_is_left_out_with_the_reason() {
    let (_folder, root) = pairs();
    let fuzz = root.join("fuzz");
    let before = prepare(&fuzz);
    let target = |name: &str| fuzz.join(format!("fuzz_targets/{name}.rs"));
    edit(&target("lines"), "fuzz_target!(", "our_target!(");
    edit(
        &target("mutated"),
        "pairs::count(data)",
        "LLVMFuzzerMutate(data)",
    );
    let adopted = adopt::prepare(&fuzz, false).unwrap();
    let [lines, mutated] = adopted.left_out.as_slice() else {
        panic!("{adopted:?}");
    };
    assert!(lines.starts_with("lines: its file has no `fuzz_target!`"));
    assert!(mutated.starts_with("mutated: it names libFuzzer's own functions"));
    // What is left of them from before is no part of the workspace, which cargo can still read.
    let metadata = run("cargo", &before, &["metadata", "--format-version", "1"]);
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let names = packages.filter_map(|package| package["name"].as_str());
    let names: Vec<_> = names.filter(|name| name.starts_with("adopted-")).collect();
    assert_eq!(names, ["adopted-structured", "adopted-with-init"]);

    for name in ["structured", "with_init"] {
        edit(&target(name), "fuzz_target!(", "our_target!(");
    }
    let why = adopt::prepare(&fuzz, false).unwrap_err().to_string();
    assert!(why.contains("no target that every engine can run"), "{why}");
}

#[test]
fn another_libfuzzer_is_refused() {
    let (_folder, root) = pairs();
    let manifest = root.join("fuzz/Cargo.toml");
    let refused = |from: &str, to: &str| {
        edit(&manifest, from, to);
        adopt::prepare(&root.join("fuzz"), false)
            .unwrap_err()
            .to_string()
    };
    let why = refused("version = \"0.4\"", "version = \"0.3\"");
    assert!(why.contains("libfuzzer-sys ^0.3 is wanted"), "{why}");
    let why = refused("version = \"0.3\"", "git = \"file:///nowhere\"");
    assert!(why.contains("does not come from crates.io"), "{why}");
}
