//! The tool on a cargo-fuzz project, which stays as it is and has nothing to do with disk images:
//! `tools/adopt/tests/pairs`, with a mistake in one target.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tool::{alone, assert_has, campaign, json, printed, root};
use tempfile::TempDir;

/// What makes the mistake show: a name at the end of its line.
const FAILS: &[u8] = b"a=b\nname=\nc=d";

/// A copy of the project: its `fuzz` folder.
fn pairs() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let from = root().join("tools/adopt/tests/pairs");
    printed(0, Command::new("cp").arg("-r").arg(from).arg(folder.path()));
    let fuzz = folder.path().canonicalize().unwrap().join("pairs/fuzz");
    (folder, fuzz)
}

/// The tool on the project. Its builds are its own: honggfuzz's launcher is left only where it is built.
fn on(fuzz: &Path, arguments: &[&str]) -> Command {
    campaign(&[&["--project", fuzz.to_str().unwrap()], arguments].concat())
}

#[test]
fn its_inputs_are_replayed_and_sorted() {
    let (_folder, fuzz) = pairs();
    let list = json(0, &mut on(&fuzz, &["list", "--json"]));
    let names = list["targets"].as_array().unwrap().iter();
    let names = names.map(|target| &target["name"]);
    let expected = ["lines", "mutated", "structured", "with-init"];
    assert!(names.eq(&expected), "{list}");
    let refused = printed(1, &mut on(&fuzz, &["compare", "fuzz_measure_calc"]));
    let expected = "no target is called \"fuzz_measure_calc\"; there are lines, mutated";
    assert!(refused.contains(expected), "{refused}");

    let corpus = fuzz.join("corpus/lines");
    let sound = printed(0, &mut on(&fuzz, &["replay", corpus.to_str().unwrap()]));
    assert!(sound.contains("2 passed, 0 rejected, 0 failed"), "{sound}");
    let finds = fuzz.join("artifacts/lines");
    fs::create_dir_all(&finds).unwrap();
    let find = finds.join("crash-1");
    fs::write(&find, FAILS).unwrap();
    let find = find.to_str().unwrap();
    let replayed = printed(3, &mut on(&fuzz, &["replay", find]));
    assert_has(&replayed, &["at ", "/pairs/src/lib.rs:9"]);

    // The same bytes are a value of the type, or none, as with libFuzzer; and the target may reject it.
    let input = fuzz.join("input");
    for (target, bytes, expected) in [
        ("structured", &b"\x00\x01"[..], "1 passed"),
        ("structured", b"\x00\x00", "1 rejected"),
        ("with-init", b"a=b", "1 passed"),
        ("with-init", &[b'='; 65], "1 rejected"),
    ] {
        fs::write(&input, bytes).unwrap();
        let input = input.to_str().unwrap();
        let arguments = ["replay", "--describe", "--target", target, input];
        let text = printed(0, &mut on(&fuzz, &arguments));
        assert!(text.contains(expected), "{text}");
        let is_value = target == "structured" && expected == "1 passed";
        assert!(!is_value || text.contains("Question {"), "{text}");
    }

    let out = fuzz.join("triage");
    let arguments = ["triage", "--json", "--only", "--finds", find, "--out"];
    let report = json(3, on(&fuzz, &arguments).arg(&out));
    let groups = report["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 1, "{report}");
    let smallest = groups[0]["reproducer"]["file"].as_str().unwrap();
    let smallest = fs::read(out.join("regressions/lines").join(smallest)).unwrap();
    assert_eq!(smallest, b"name=");
}

#[test]
fn its_coverage_is_counted() {
    let (_folder, fuzz) = pairs();
    let corpus = fuzz.join("corpus");
    let arguments = ["coverage", "--json", "--targets", "lines", "--corpus"];
    let measured = json(0, on(&fuzz, &arguments).arg(corpus));
    assert_eq!(measured["targets"]["lines"]["inputs"], 2);
    let crates = measured["crates"].as_object().unwrap();
    assert_eq!(crates.keys().collect::<Vec<_>>(), ["pairs"]);
    // Only another target calls `count`; and no line of the corpus is without a `=`.
    let unreached = measured["unreached"].as_array().unwrap().iter();
    let in_words = unreached.map(|region| match region["function"].as_str() {
        Some("count") => "count",
        _ => region["text"].as_str().unwrap(),
    });
    assert_eq!(
        in_words.collect::<BTreeSet<_>>(),
        BTreeSet::from(["?", "count"])
    );
}

/// `lines` under the engines that have stand-ins, for a few seconds each. libFuzzer runs what the project always had.
#[test]
#[ignore = "needs the three engines; scripts/test runs it"]
fn engines_with_a_stand_in_find_the_mistake() {
    let _alone = alone();
    let (_folder, fuzz) = pairs();
    for engine in ["afl", "honggfuzz"] {
        let arguments = ["run", "--engine", engine, "lines", "--time", "10s"];
        let options = ["--sanitizer", "none", "--seeds-only"];
        let text = printed(3, &mut on(&fuzz, &[&arguments[..], &options].concat()));
        assert!(text.contains("FIND subject.no_panic"), "{text}");
    }
    let out = fuzz.join("compared");
    let compare = [
        "compare",
        "lines",
        "--engines",
        "afl",
        "--time",
        "2s",
        "--out",
    ];
    let text = printed(3, on(&fuzz, &compare).arg(&out));
    assert_has(&text, &["FIND subject.no_panic (lines, AFL++)"]);
    assert!(out.join("index.html").is_file());
}
