//! Triage with a worker that misbehaves in known ways: a shell script.

mod stand_in;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use campaign::progress::Progress;
use campaign::triage::collect::collect;
use campaign::triage::group::{Group, Report, Status};
use campaign::triage::judge::Bench;
use campaign::triage::minimise::Budget;
use campaign::triage::output::{Kept, keep};
use campaign::triage::triage;
use worker::TargetInfo;

/// Judges an input by its first letter, and counts the runs.
const WORKER: &str = r#"
words='"case":{"words":"VHDX, as the script has it","rust":"fn main() {}"}'
vhdx='"part":{"name":"calculator","format":"vhdx"}'
panics() {
    place="{\"file\":\"crates/vhd/src/lib.rs\",\"line\":$2}"
    crash="\"crash\":{\"panic\":{\"message\":\"attempt to add $1 with overflow\",\"place\":$place}}"
    fails subject.no_panic no_crash "$vhdx,$words,$crash"
}
answers() {
    due='"expected":{"error":{"kind":"InvalidOption","words":""}}'
    fails calc.answer_is_exact exact "$vhdx,$words,$due,\"actual\":$1"
}
run() {
    echo run >> "$(dirname "$0")/asked"
    case $(head -c 1 "$1") in
    H) sleep 60 ;;
    A) kill -ABRT $$ ;;
    P) panics "$(wc -c < "$1")" 7 ;;
    Q) panics 1 9 ;;
    R) answers '{"values":[["fully_allocated",2],["required",1]]}' ;;
    S) answers '{"error":{"kind":"InvalidSize","words":"too large"}}' ;;
    F) if [ -e "$(dirname "$0")/seen" ]; then fails scan.reads_bounded work "$vhdx"
       else : > "$(dirname "$0")/seen"; pass; fi ;;
    *) pass ;;
    esac
}
"#;

/// A worker on which every input passes.
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
        stand_in::write_worker(&self.worker(), script);
    }

    fn worker(&self) -> PathBuf {
        self.folder.path().join("worker")
    }

    fn add(&self, name: &str, content: &str) -> PathBuf {
        let path = self
            .folder
            .path()
            .join("finds/fuzz_measure_calc")
            .join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn asked(&self) -> usize {
        let asked = fs::read_to_string(self.folder.path().join("asked"));
        asked.map_or(0, |text| text.lines().count())
    }

    fn sort(&self) -> Report {
        self.sort_of(&["finds"])
    }

    /// Sorts the finds at these places.
    fn sort_of(&self, places: &[&str]) -> Report {
        let places: Vec<PathBuf> = places
            .iter()
            .map(|place| self.folder.path().join(place))
            .collect();
        let calc = calc();
        let collected = collect(&places, &[&calc], &[&calc]).unwrap();
        triage(&self.bench(), collected, &self.out()).unwrap()
    }

    fn bench(&self) -> Bench {
        Bench {
            worker: self.worker(),
            root: self.root(),
            command: "cargo campaign".to_owned(),
            time_out: Duration::from_secs(1),
            budget: Budget {
                tries: 200,
                time: Duration::from_secs(2),
            },
            cores: 8,
            progress: Progress::new(),
        }
    }
}

fn calc() -> TargetInfo {
    TargetInfo::new("fuzz_measure_calc", "calculators", 4096)
}

fn group<'a>(report: &'a Report, key: &str) -> &'a Group {
    let found = report
        .groups
        .iter()
        .find(|group| group.key.to_string() == key);
    found.unwrap_or_else(|| {
        let keys: Vec<String> = report.groups.iter().map(Group::title).collect();
        panic!("no group {key:?} among {keys:#?}")
    })
}

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

    let panic = group(
        &report,
        "crates/vhd/src/lib.rs:7: attempt to add N with overflow",
    );
    assert_eq!(panic.inputs.len(), 2);
    assert_eq!(panic.engines["afl"].first_ms, Some(1_001_500));
    assert_eq!(panic.engines["afl"].first_after_ms, Some(1500));
    assert_eq!(panic.engines["libfuzzer"].inputs, 1);
    let reproducer = panic.reproducer.as_ref().unwrap();
    assert_eq!((reproducer.size, reproducer.original_size), (1, 3));
    assert!(reproducer.complete && reproducer.hex.as_deref() == Some("50"));
    let kept = place
        .out()
        .join("regressions/fuzz_measure_calc")
        .join(&reproducer.file);
    assert_eq!(fs::read(kept).unwrap(), b"P");
    let original = place.out().join("originals/fuzz_measure_calc");
    assert_eq!(
        fs::read(original.join(&reproducer.original)).unwrap(),
        b"Pyy"
    );

    let died = group(&report, "fuzz_measure_calc: the process died: signal 6");
    assert_eq!(died.reproducer.as_ref().unwrap().size, 1);

    // The wrong kind of error is a consequence of the option that is accepted.
    let accepts = group(
        &report,
        "vhdx calculator: an answer where InvalidOption is due",
    );
    assert_eq!(accepts.inputs.len(), 2);
    assert_eq!(accepts.inputs[0].find.size, 2);
    let issue = fs::read_to_string(place.out().join(format!("issues/{}.md", accepts.id))).unwrap();
    for part in [
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
    ] {
        assert!(issue.contains(part), "{part:?} is not in:\n{issue}");
    }
    let summary = fs::read_to_string(place.out().join("summary.md")).unwrap();
    assert!(
        summary.contains("4 groups, of 6 inputs that fail."),
        "{summary}"
    );
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
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    let hang = &report.groups[0];
    assert_eq!(report.groups.len(), 1);
    assert_eq!(hang.inputs.len(), 20);
    assert!(hang.not_waited_for >= 3, "{}", hang.not_waited_for);
    assert_eq!(hang.check, "subject.no_hang");
    assert_eq!(hang.reproducer.as_ref().unwrap().size, 1);
}

#[test]
fn what_does_not_reproduce_is_a_group_and_what_was_mended_is_another() {
    let place = Place::new(&[("crash-1", "Pyy"), ("crash-2", "x"), ("crash-3", "F")]);
    let report = place.sort();
    let passes = group(&report, "fuzz_measure_calc: does not reproduce");
    assert_eq!(passes.status, Status::Unreproduced);
    assert_eq!((passes.inputs.len(), passes.inputs[0].find.size), (1, 1));
    assert!(passes.reproducer.is_none());
    let at_times = report.of(Status::Fails).find(|group| group.at_times == 1);
    assert_eq!(at_times.unwrap().check, "scan.reads_bounded");

    place.works_like(PASSES);
    let report = place.sort();
    assert_eq!(report.of(Status::Fails).count(), 0);
    assert_eq!(report.of(Status::Unreproduced).count(), 1);
    let mended = group(
        &report,
        "crates/vhd/src/lib.rs:7: attempt to add N with overflow",
    );
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
fn what_one_triage_does_not_look_at_is_not_forgotten() {
    let place = Place::new(&[("crash-1", "Pyy"), ("crash-2", "Q")]);
    let first = place.sort();
    assert_eq!(first.groups.len(), 2);
    let there = place.folder.path().join("finds/fuzz_measure_calc/crash-2");

    let only_first = place.sort_of(&["finds/fuzz_measure_calc/crash-1"]);
    assert_eq!((only_first.groups.len(), only_first.earlier.len()), (1, 1));
    let asked = place.asked();
    let again = place.sort();
    assert_eq!(again.groups, first.groups);
    assert!(again.earlier.is_empty());
    assert!(place.asked() - asked < 6, "nothing is minimised again");

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
    let asked = place.asked();
    assert!(asked > 10);
    place.add("crash-2", "Pz");
    let second = place.sort();
    assert!(place.asked() - asked < 8, "{} and {asked}", place.asked());
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
    let log: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(log["version"], "2.1.0");
    assert!(
        log["$schema"]
            .as_str()
            .unwrap()
            .ends_with("sarif-2.1.0.json")
    );
    let runs = log["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1);
    let driver = &runs[0]["tool"]["driver"];
    assert!(!driver["name"].as_str().unwrap().is_empty());
    let rules = driver["rules"].as_array().unwrap();
    let ids: Vec<&str> = rules
        .iter()
        .map(|rule| rule["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        ["calc.answer_is_exact", "subject.no_panic", "unreproduced"]
    );
    for rule in rules {
        let sentence = rule["shortDescription"]["text"].as_str().unwrap();
        assert!(sentence.ends_with('.') && sentence.len() > 20, "{sentence}");
    }
    let results = runs[0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    let mut fingerprints = std::collections::BTreeSet::new();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"].as_str().unwrap(), ids[index]);
        assert_eq!(result["level"], "error");
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let location = &result["locations"][0]["physicalLocation"];
        let uri = location["artifactLocation"]["uri"].as_str().unwrap();
        assert!(place.root().join(uri).is_file(), "{uri}");
        assert!(!Path::new(uri).is_absolute());
        let line = location["region"]["startLine"].as_u64().unwrap();
        if ids[index] == "subject.no_panic" {
            assert_eq!((uri, line), ("crates/vhd/src/lib.rs", 7));
        } else {
            assert_eq!(line, 1);
        }
        fingerprints.insert(result["partialFingerprints"]["group/v1"].to_string());
    }
    assert_eq!(fingerprints.len(), 3);
}
