//! `images differential`: model, code under test and QEMU agree; what is known to differ still does;
//! and a difference that nobody knows is found, made small and saved, which a tool that lies shows.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use crate::qemu::{Bench, LIMIT, Ran as _, run};
use harness_core::project::replay;
use harness_core::subject::{AllocationSummary, Judgement, ScanFormat};
use harness_core::{Library, Map, Outcome, Refusal, Subject, targets, worker};
use images::differential::qemu::{Ended, Qemu};
use images::differential::verdict::Verdict;
use images::differential::{Case, known};
use model::readings::Readings;
use recipes::at;
use recipes::vhdx::geometry::Log;
use recipes::vhdx::knobs::{BLOCK_SIZE, LOG};
use serde_json::Value;

/// Runs the command on this project, with what it finds kept in `out`, and other tools first in the path.
fn differential(out: &Path, tools: Option<&Path>, args: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_images"));
    command
        .args(["differential", "--json", "--out"])
        .arg(out)
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if let Some(tools) = tools {
        let path = std::env::var_os("PATH").unwrap();
        let first = [tools.to_owned()].into_iter();
        let all = first.chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(all).unwrap());
    }
    run(command, Duration::from_secs(300))
}

fn groups(report: &Value) -> &Vec<Value> {
    report["groups"].as_array().unwrap()
}

/// A folder with a qemu-img of ours in it; `real` in the script is the real one.
fn qemu_img_that(script: &str) -> Bench {
    let mut which = Command::new("sh");
    let which = which.args(["-c", "command -v qemu-img"]).output();
    let real = String::from_utf8(which.unwrap().stdout).unwrap();
    assert!(!real.is_empty(), "qemu-img is in the package qemu-utils");
    let tools = Bench::new();
    let real = format!("real() {{ {} \"$@\"; }}", real.trim());
    tools.write("qemu-img", format!("#!/bin/sh\n{real}\n{script}\n"));
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(tools.path("qemu-img"), executable).unwrap();
    tools
}

/// The smaller brother of the run that judges a release: all formats, all kinds.
#[test]
fn recipes_model_code_and_qemu_agree() {
    let out = Bench::new();
    let cases = 60;
    let ran = differential(out.folder(), None, &["--cases", "60", "--limit", "30s"]);
    let report = ran.parsed();
    let mut kinds = BTreeSet::new();
    for group in groups(&report) {
        let name = format!("{} {}", group["format"], group["kind"]);
        println!("{name}: {group}");
        assert_eq!(group["differ"], 0, "{name}");
        let number = |key: &str| group[key].as_u64().unwrap();
        let known = group["known"].as_object().unwrap();
        let known: u64 = known.values().map(|times| times.as_u64().unwrap()).sum();
        if group["kind"] == "damaged" {
            let conclusive = number("agree") + number("refused-by-all") + known;
            assert!(conclusive >= cases, "{name}");
        } else {
            assert!(number("agree") >= cases, "{name}");
        }
        kinds.insert(name);
    }
    // Raw images have no scanner.
    assert_eq!(kinds.len(), 5 * 3 - 2, "{kinds:?}");
    assert_eq!(ran.code, 0, "{ran:?}");
    let saved = fs::read_dir(out.folder()).unwrap().count();
    assert_eq!(saved, 0, "nothing is saved");
}

#[test]
fn every_known_difference_is_still_there() {
    let qemu = Qemu::find(LIMIT).unwrap();
    println!("{}", qemu.version().unwrap());
    let mut ids = BTreeSet::new();
    let mut gone = Vec::new();
    let mut not_shown = 0;
    for known in known::all() {
        assert!(ids.insert(known.id), "{} is there twice", known.id);
        for (key, text) in [
            ("qemu", known.qemu),
            ("spec", known.spec),
            ("field", known.field),
        ] {
            assert!(text.len() > 12, "{}: {key}?", known.id);
        }
        let right = ["us", "qemu", "either"];
        assert!(right.contains(&known.right), "{}: who is right?", known.id);
        let case = known.example;
        match case.judge(&qemu) {
            Verdict::Known(id) if id == known.id => {}
            // Or with a fix that this version's distributor took over from a later one.
            Verdict::Agrees if known.gone_since.is_some() => {
                not_shown += 1;
                println!(
                    "NOT SHOWN with this QEMU, which does not differ: {}",
                    known.id
                );
            }
            other => gone.push(format!("{}: {other:?}: {}", known.id, case.in_words())),
        }
    }
    assert!(gone.is_empty(), "{gone:#?}");
    let shown = ids.len() - not_shown;
    println!("{shown} known differences are still there");
    assert!(ids.len() >= 40);
}

/// What the library of the next test answers.
static ANSWER: Mutex<Option<AllocationSummary>> = Mutex::new(None);

/// For each known difference about an image, and for logs that have to be replayed: a library may read either way, and
/// not in a third one, such as by the tables before the replay. Our own scanners are held to one reading.
#[test]
fn a_library_may_read_either_way_and_in_no_third_one() {
    const JUDGEMENT: Judgement = Judgement::VALUES
        .and(Judgement::REFUSALS)
        .and(Judgement::ACCEPTS);
    let library = Library::new(&ScanFormat::ALL, |_, _| match *ANSWER.lock().unwrap() {
        Some(answer) => {
            let mut map = Map::new(answer.virtual_size);
            map.add(0, answer.allocated_bytes);
            Ok(map)
        }
        None => Err(Refusal::words("no")),
    });
    let subject = Subject::new("differential::SUBJECT").with_scanner(&library);
    let known = known::all().into_iter();
    let known = known.filter_map(|known| match known.example {
        Case::Image(target, input) => Some((known.id, JUDGEMENT, target, input)),
        Case::Question(_) => None,
    });
    // 600 blocks of 1 MiB, of which three hold data, before the replay of a log others. That is a wrong value.
    let with_log = |log: Log| {
        let mut input = vec![0; LOG + 1];
        (input[at::FORMAT], input[at::SIZE_MODE]) = (3, 15 << 2);
        (input[at::SIZE], input[at::SIZE + 1]) = (88, 2);
        (input[at::RUNS + 2], input[BLOCK_SIZE], input[LOG]) = (3, 1, 0x70 | log as u8);
        input
    };
    let image = targets::find("fuzz_measure_image").unwrap();
    let logs = Log::ALL.into_iter().filter(|log| *log < Log::Unanchored);
    let logs = logs.map(|log| ("a log", Judgement::VALUES, image, with_log(log)));
    let torn = image.image(&with_log(Log::AllTorn)).unwrap().1;
    let before = Readings::of(ScanFormat::Vhdx, &torn, None).answers[0];
    let mut count = 0;
    for (id, judgement, target, input) in known.chain(logs) {
        let subject = subject.held_to(judgement);
        let (format, image) = target.image(&input).unwrap();
        let format = format.unwrap();
        let ours = model::scanners::scan(format, &image, None);
        let readings = Readings::of(format, &image, None);
        let is_right = |answer: Option<AllocationSummary>| {
            *ANSWER.lock().unwrap() = answer;
            match replay(&subject, target, &input) {
                worker::Verdict::Pass => true,
                worker::Verdict::Fail(found) => {
                    let exact = ["image.answer_is_exact", "image.answer_is_the_truth"];
                    assert!(exact.contains(&&*found.check), "{}: {found}", id);
                    false
                }
                other => panic!("{}: {other:?}", id),
            }
        };
        let mut right = readings.answers.len();
        for &answer in &readings.answers {
            assert!(is_right(Some(answer)), "{}: {answer:?}", id);
            let thirds = [(512, 0), (0, 512), (512, 512)].map(|(more, data)| {
                let size = answer.virtual_size + more;
                AllocationSummary::new(size, (answer.allocated_bytes + data).min(size))
            });
            for third in thirds.into_iter().chain([before]) {
                let is_known = readings.answers.contains(&third);
                assert_eq!(is_right(Some(third)), is_known, "{}: {third:?}", id);
            }
        }
        assert_eq!(is_right(None), readings.may_be_refused, "{}", id);
        right += usize::from(readings.may_be_refused);
        assert!(right >= 2, "{}: {ours:?} alone is right", id);
        count += 1;
    }
    println!("{count} known differences and logs have two readings");
    assert!(count >= 44);
}

#[test]
fn the_page_of_known_differences_is_that_of_the_tables() {
    let page = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/known-differences.md"
    );
    let page = fs::read_to_string(page).unwrap();
    assert_eq!(page, known::page(), "cargo images differential --known");
}

/// A corpus with inputs of each target, and what QEMU's tools and lying ones make of it.
#[test]
fn a_corpus_is_judged_like_random_cases() {
    let bench = Bench::new();
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/seeds");
    let seed = "fuzz_measure_scan/qcow2-v3-64k-data";
    for name in [
        seed,
        "fuzz_measure_scan/qcow2-luks",
        "fuzz_measure_scan/vhd-dynamic-data",
        "fuzz_measure_image/qcow2-all-calculators",
        "fuzz_measure_calc/qcow2-1m",
    ] {
        fs::create_dir_all(bench.path(name).parent().unwrap()).unwrap();
        fs::copy(seeds.join(name), bench.path(name)).unwrap();
    }
    let out = bench.path("out");
    let corpus = bench.folder().to_str().unwrap();
    let args = ["--corpus", corpus, "--limit", "30s"];
    let ran = differential(&out, None, &args);
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = ran.parsed();
    let count = |group: &Value| format!("{} {} {}", group["format"], group["kind"], group["agree"]);
    let counts: Vec<_> = groups(&report).iter().map(count).collect();
    let expected = [
        r#""qcow2" "fuzz_measure_image" 1"#,
        r#""qcow2" "fuzz_measure_scan" 1"#,
        r#""vhd" "fuzz_measure_scan" 1"#,
    ];
    assert_eq!(counts, expected, "{report}");
    let known = &report["known-differences"][0];
    assert_eq!(
        (&known["id"], &known["right"]),
        (&"qcow2-key".into(), &"either".into())
    );
    assert!(!out.exists(), "nothing is saved");

    let raw = [&args[..], &["--formats", "raw"]].concat();
    let ran = differential(&out, None, &raw);
    assert!(ran.stderr.contains("no input has an image"), "{ran:?}");
    let lying = qemu_img_that(r#"real "$@" | sed 's/"data": true/"data": false/'"#);
    let args = [&args[..], &["--formats", "qcow2"]].concat();
    let ran = differential(&out, Some(lying.folder()), &args);
    assert_eq!(ran.code, 3, "{ran:?}");
    let mut saved = fs::read_dir(out.join("fuzz_measure_scan")).unwrap();
    let saved = fs::read(saved.next().unwrap().unwrap().path()).unwrap();
    assert!(saved == bench.read(seed), "an image is saved as it is");
}

/// A qemu-img whose numbers are wrong: nothing else is known that disagrees with everybody.
#[test]
fn a_difference_is_made_small_reported_and_saved() {
    let out = Bench::new();
    let tools = qemu_img_that(
        r#"case "$1" in
map) real "$@" | sed 's/"data": true/"data": false/' ;;
measure) real "$@" | sed 's/"required": \([0-9]*\)/"required": 1\1/' ;;
*) real "$@" ;;
esac"#,
    );
    let args = ["--formats", "qcow2", "--cases", "12", "--limit", "30s"];
    let ran = differential(out.folder(), Some(tools.folder()), &args);
    assert_eq!(ran.code, 3, "{ran:?}");
    let report = ran.parsed();
    for (kind, target) in [
        ("calculator", "fuzz_measure_calc"),
        ("undamaged", "fuzz_measure_image"),
    ] {
        let mut groups = groups(&report).iter();
        let group = groups.find(|group| group["kind"] == kind).unwrap();
        let found = group["found"].as_array().unwrap();
        assert!(!found.is_empty(), "{group}");
        let path = Path::new(found[0]["path"].as_str().unwrap());
        assert_eq!(path.parent(), Some(&*out.path(target)));
        // What was saved is a case of the target, and nothing is wrong with us.
        let input = fs::read(path).unwrap();
        let target = targets::find(target).unwrap();
        assert_eq!(target.run(&built_in::SUBJECT, &input), Outcome::Checked);
        let words = found[0]["words"].as_str().unwrap();
        assert!(words.contains("qemu-img"), "{words}");
    }
    // All that is left of the first question is what matters; of the image, a unit of data.
    let text = report.to_string();
    assert!(text.contains("a disk of 0 bytes with []"), "{text}");
    let images = fs::read_dir(out.path("fuzz_measure_image")).unwrap();
    let shortest = images
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .map(|input| input.iter().filter(|byte| **byte != 0).count())
        .min();
    assert!(shortest.unwrap() <= 4, "{shortest:?} bytes are left");
}

#[test]
fn a_case_with_a_tool_that_crashes_or_hangs_is_inconclusive() {
    for (script, why) in [
        (
            r#"[ "$1" = --version ] && real "$@" && exit; kill -ABRT $$"#,
            "dies of signal 6",
        ),
        (
            r#"[ "$1" = --version ] && real "$@" && exit; exec sleep 100"#,
            "takes more than 1s",
        ),
    ] {
        let out = Bench::new();
        let tools = qemu_img_that(script);
        let args = ["--formats", "raw", "--cases", "1", "--limit", "1s"];
        let ran = differential(out.folder(), Some(tools.folder()), &args);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(
            ran.stderr
                .contains("not one calculator case was conclusive")
        );
        let report = ran.parsed();
        let group = &groups(&report)[0];
        assert_eq!((&group["agree"], &group["differ"]), (&0.into(), &0.into()));
        assert!(group["why-inconclusive"][0].as_str().unwrap().contains(why));
        assert_eq!(fs::read_dir(out.folder()).unwrap().count(), 0);
    }
}
