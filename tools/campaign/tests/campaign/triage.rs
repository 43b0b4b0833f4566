//! Triage with a worker that misbehaves in known ways: a shell script.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use campaign::triage::collect::collect;
use campaign::triage::group::{Group, Report, Status};
use campaign::triage::judge::Bench;
use campaign::triage::{Kept, keep, triage};
use serde_json::Value;
use worker::TargetInfo;

use crate::tool::assert_has;

/// Judges an input by its first letter, and counts the runs.
const WORKER: &str = include_str!("../programs/worker/misbehaves.sh");

const PASSES: &str = "run() { pass; }\n";

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(finds: &[(&str, &str)]) -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(place.root().join("libfuzzer-targets")).unwrap();
        place.works_like(WORKER);
        for (name, content) in finds {
            place.add(name, content);
        }
        place
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn works_like(&self, script: &str) {
        crate::stand_in::write_worker(&self.worker(), script);
    }

    fn worker(&self) -> PathBuf {
        self.folder.path().join("worker")
    }

    fn add(&self, name: &str, content: &str) -> PathBuf {
        let target = self.folder.path().join("finds/fuzz_measure_calc");
        let path = target.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn runs(&self) -> usize {
        let runs = fs::read_to_string(self.folder.path().join("runs"));
        runs.map_or(0, |text| text.lines().count())
    }

    fn sort(&self) -> Report {
        self.sort_of(&["finds"])
    }

    fn sort_of(&self, places: &[&str]) -> Report {
        let places = places.iter().map(|place| self.folder.path().join(place));
        let places: Vec<PathBuf> = places.collect();
        let calc = calc();
        let collected = collect(&places, &[&calc], &[&calc]).unwrap();
        triage(&self.bench(), collected, &self.out()).unwrap()
    }

    fn bench(&self) -> Bench {
        crate::stand_in::bench(self.worker(), self.root())
    }
}

fn calc() -> TargetInfo {
    TargetInfo::new("fuzz_measure_calc", "calculators", 4096)
}

fn group<'a>(report: &'a Report, key: &str) -> &'a Group {
    let mut groups = report.groups.iter();
    let found = groups.find(|group| group.key.to_string() == key);
    found.unwrap_or_else(|| {
        let keys: Vec<String> = report.groups.iter().map(Group::title).collect();
        panic!("no group {key:?} among {keys:#?}")
    })
}

const PANIC: &str = "crates/vhd/src/lib.rs:7: attempt to add N with overflow";
const AFL: &str = "default/crashes/id:000000,sig:06,src:000001,time:1500,execs:9,op:havoc";

#[test]
fn finds_that_fail_alike_are_a_group_with_a_small_reproducer() {
    let place = Place::new(&[
        ("default/fuzzer_stats", "start_time        : 1000\n"),
        (AFL, "Pxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        ("crash-1", "Pyy"),
        ("crash-2", "Qzz"),
        ("SIGABRT.PC.1.fuzz", "A1234567"),
        ("crash-3", "R1"),
        ("crash-4", "S1"),
    ]);
    let report = place.sort();
    assert_eq!(report.groups.len(), 4, "{:#?}", report.groups);

    let panic = group(&report, PANIC);
    assert_eq!(panic.inputs.len(), 2);
    assert_eq!(panic.engines["afl"].first_ms, Some(1_001_500));
    assert_eq!(panic.engines["libfuzzer"].inputs, 1);
    let reproducer = panic.reproducer.as_ref().unwrap();
    assert_eq!((reproducer.size, reproducer.original_size), (1, 3));
    assert!(reproducer.complete && reproducer.hex.as_deref() == Some("50"));
    let content = |folder: &str, file: &str| {
        let folder = place.out().join(folder).join("fuzz_measure_calc");
        fs::read(folder.join(file)).unwrap()
    };
    assert_eq!(content("regressions", &reproducer.file), b"P");
    assert_eq!(content("originals", &reproducer.original), b"Pyy");

    let died = group(&report, "fuzz_measure_calc: the process died: signal 6");
    assert_eq!(died.reproducer.as_ref().unwrap().size, 1);

    // The wrong kind of error is a consequence of the option that is accepted.
    let title = "vhdx calculator: an answer where InvalidOption is due";
    let accepts = group(&report, title);
    assert_eq!(accepts.inputs.len(), 2);
    assert_eq!(accepts.inputs[0].find.size, 2);
    let issue = fs::read_to_string(place.out().join(format!("issues/{}.md", accepts.id))).unwrap();
    let parts = [
        "# vhdx calculator: an answer where InvalidOption is due (`calc.answer_is_exact`)",
        "**What must hold:** the stand-in keeps its word.",
        "- the vhdx calculator answers fully_allocated = 2, required = 1\n",
        "- the vhdx calculator should answer the error InvalidOption\n",
        "**The smallest case:** VHDX, as the script has it",
        "```rust\nfn main() {}\n```",
        "printf '\\122' > calc.answer_is_exact-",
        "cargo campaign replay --target fuzz_measure_calc",
        "| libFuzzer | 2 |",
        "InvalidSize where InvalidOption is due: 1 input\n",
        "- Commit: unknown (no git repository)",
    ];
    assert_has(&issue, &parts);
    let summary = fs::read_to_string(place.out().join("summary.md")).unwrap();
    assert_has(&summary, &["Failing: 6 inputs in 4 groups."]);
}

#[test]
fn hangs_take_bounded_time() {
    let place = Place::new(&[]);
    for nth in 0..20 {
        place.add(&format!("timeout-{nth}"), &format!("H{nth}"));
    }
    let started = Instant::now();
    let report = place.sort();
    // Each sleeps for a minute.
    let time = started.elapsed();
    assert!(time < Duration::from_secs(20), "{time:?}");
    let hang = &report.groups[0];
    assert_eq!(report.groups.len(), 1);
    assert_eq!(hang.inputs.len(), 20);
    assert!(hang.not_waited_for >= 3, "{}", hang.not_waited_for);
    assert_eq!(hang.check, "subject.no_hang");
    assert_eq!(hang.reproducer.as_ref().unwrap().size, 1);
}

#[test]
fn unreproduced_and_mended_finds_have_groups_of_their_own() {
    let place = Place::new(&[("crash-1", "Pyy"), ("crash-2", "x"), ("crash-3", "F")]);
    let report = place.sort();
    let passes = group(&report, "fuzz_measure_calc: does not reproduce");
    assert_eq!(passes.status, Status::Unreproduced);
    assert_eq!((passes.inputs.len(), passes.inputs[0].find.size), (1, 1));
    assert!(passes.reproducer.is_none());
    let at_times = report.of(Status::Fails).find(|group| group.at_times == 1);
    assert_eq!(at_times.unwrap().check, "scan.reads_bounded");

    // A known abort is neither a failure nor an input that does not reproduce.
    let abort = place.add("crash-4", "A");
    let known = "known='[{\"check\":\"subject.no_abort\",\"reason\":\"r\"}]'\n";
    place.works_like(&[known, WORKER].concat());
    let report = place.sort();
    let grouped = report.groups.iter().map(|group| group.inputs.len());
    assert_eq!((report.replayed, grouped.sum::<usize>()), (4, 3));
    fs::remove_file(abort).unwrap();

    place.works_like(PASSES);
    let report = place.sort();
    assert_eq!(report.of(Status::Fails).count(), 0);
    assert_eq!(report.of(Status::Unreproduced).count(), 1);
    let mended = group(&report, PANIC);
    assert_eq!(mended.status, Status::Mended);
    assert_eq!(mended.check, "subject.no_panic");
    let again = place.sort();
    assert_eq!(again.of(Status::Mended).count(), 2, "it is not forgotten");

    // The reproducer that is kept is still there, and goes where regressions are.
    let targets = [calc()];
    let kept = keep(&again, &place.out(), &place.root(), &targets).unwrap();
    assert_eq!((kept.new.len(), kept.too_long.len()), (2, 0));
    let regressions = place.root().join("corpus/regressions");
    assert!(kept.new.iter().all(|path| path.starts_with(&regressions)));
    let again = keep(&again, &place.out(), &place.root(), &targets).unwrap();
    assert_eq!(again, Kept::default());
}

#[test]
fn a_triage_of_some_finds_remembers_the_others() {
    let place = Place::new(&[("crash-1", "Pyy"), ("crash-2", "Q")]);
    let first = place.sort();
    assert_eq!(first.groups.len(), 2);
    let there = place.folder.path().join("finds/fuzz_measure_calc/crash-2");

    let only_first = place.sort_of(&["finds/fuzz_measure_calc/crash-1"]);
    assert_eq!((only_first.groups.len(), only_first.earlier.len()), (1, 1));
    let runs = place.runs();
    let again = place.sort();
    assert_eq!(again.groups, first.groups);
    assert!(again.earlier.is_empty());
    assert!(place.runs() - runs < 6, "nothing is minimised again");

    let only_first = place.sort_of(&["finds/fuzz_measure_calc/crash-1"]);
    assert_eq!(only_first.earlier.len(), 1);
    place.works_like(PASSES);
    assert_eq!(place.sort().of(Status::Mended).count(), 2);
    // Files that no longer exist are not remembered.
    fs::remove_file(there).unwrap();
    assert!(place.sort().earlier.is_empty());
}

#[test]
fn a_reproducer_is_not_minimised_twice() {
    let place = Place::new(&[("crash-1", &format!("P{}", "y".repeat(300)))]);
    let first = place.sort();
    let runs = place.runs();
    assert!(runs > 10);
    place.add("crash-2", "Pz");
    let second = place.sort();
    assert!(place.runs() - runs < 8, "{} and {runs}", place.runs());
    assert_eq!(second.groups[0].inputs.len(), 2);
    assert_eq!(first.groups[0].reproducer, second.groups[0].reproducer);

    // One that was tampered with is made anew.
    let file = &second.groups[0].reproducer.as_ref().unwrap().file;
    let path = place.out().join("regressions/fuzz_measure_calc").join(file);
    fs::write(&path, "Q").unwrap();
    let third = place.sort();
    assert_eq!(third.groups[0].reproducer.as_ref().unwrap().size, 1);
    assert_eq!(fs::read(path).unwrap(), b"P");
}

#[test]
fn a_find_that_vanishes_is_reported_and_the_rest_continues() {
    let place = Place::new(&[("crash-1", "Pyy"), ("crash-2", "Q")]);
    let calc = calc();
    let finds = [place.folder.path().join("finds")];
    let collected = collect(&finds, &[&calc], &[&calc]).unwrap();
    let vanishes = collected.finds.iter().find(|find| find.size == 1);
    fs::remove_file(vanishes.unwrap().path()).unwrap();
    let reads = "run() {\n    [ -e \"$1\" ] || { reply '{\"error\":\"missing\"}'; return; }\n";
    place.works_like(&WORKER.replace("run() {\n", reads));
    let report = triage(&place.bench(), collected, &place.out()).unwrap();
    assert_eq!(report.troubles.len(), 1);
    let trouble = &report.troubles[0];
    assert!(trouble.contains("crash-2: No such file"), "{trouble}");
    assert_eq!(report.groups.len(), 1);
}

/// What SARIF 2.1.0 requires of a log, and code scanning of a result.
#[test]
fn the_sarif_log_has_what_the_standard_requires() {
    let place = Place::new(&[("crash-1", "Pyy"), ("crash-2", "R"), ("crash-3", "x")]);
    let source = place.root().join("crates/vhd/src/lib.rs");
    fs::create_dir_all(source.parent().unwrap()).unwrap();
    fs::write(&source, "x\n").unwrap();
    fs::write(place.root().join("Cargo.toml"), "x\n").unwrap();
    let report = place.sort();
    assert_eq!(report.groups.len(), 3);
    let text = fs::read_to_string(place.out().join("triage.sarif")).unwrap();
    let log: Value = serde_json::from_str(&text).unwrap();
    let text = |pointer: &str, of: &Value| {
        let value = of.pointer(pointer).and_then(Value::as_str);
        value
            .unwrap_or_else(|| panic!("no {pointer} in {of}"))
            .to_owned()
    };
    assert_eq!(log["version"], "2.1.0");
    assert!(text("/$schema", &log).ends_with("sarif-2.1.0.json"));
    let [run] = log["runs"].as_array().unwrap().as_slice() else {
        panic!("{log}");
    };
    assert!(!text("/tool/driver/name", run).is_empty());
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let ids: Vec<String> = rules.iter().map(|rule| text("/id", rule)).collect();
    let expected = ["calc.answer_is_exact", "subject.no_panic", "unreproduced"];
    assert_eq!(ids, expected);
    for rule in rules {
        let sentence = text("/shortDescription/text", rule);
        assert!(sentence.ends_with('.') && sentence.len() > 20, "{sentence}");
    }
    let results = run["results"].as_array().unwrap();
    let mut fingerprints = BTreeSet::new();
    for result in results {
        let id = text("/ruleId", result);
        let rule = ids.iter().position(|known| *known == id).unwrap();
        assert_eq!(result["ruleIndex"], rule);
        assert_eq!(result["level"], "error");
        assert!(!text("/message/text", result).is_empty());
        let location = &result["locations"][0]["physicalLocation"];
        let uri = text("/artifactLocation/uri", location);
        let is_below_root = Path::new(&uri).is_relative() && place.root().join(&uri).is_file();
        assert!(is_below_root, "{uri}");
        let line = &location["region"]["startLine"];
        if id == "subject.no_panic" {
            assert_eq!((&*uri, line), ("crates/vhd/src/lib.rs", &7.into()));
        } else {
            assert_eq!(*line, 1);
        }
        fingerprints.insert(text("/partialFingerprints/group~1v1", result));
    }
    assert_eq!((results.len(), fingerprints.len()), (3, 3));
}
