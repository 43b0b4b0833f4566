//! `campaign compare`: a trial with a stand-in for the engine, what is refused, and a comparison that is killed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use campaign::atomic::write_json;
use campaign::comparison::contestant::Contestant;
use campaign::comparison::folder::Folder;
use campaign::comparison::machine;
use campaign::comparison::order::TrialId;
use campaign::comparison::plan::{self, Plan};
use campaign::comparison::trial::{self, Ended, Trial};
use campaign::corpus::content_name;
use campaign::engine::Engine;
use campaign::supervisor;
use report::Start;
use worker::TargetInfo;

use crate::tool::{assert_has, campaign, path_with, printed, processes_of, read, wait_for};

const TARGET: &str = "fuzz_measure_calc";
const LIBFUZZER: Contestant = Contestant::Alone(Engine::Libfuzzer);

fn id(number: usize) -> TrialId {
    TrialId {
        target: TARGET.into(),
        start: Start::Seeds,
        engine: LIBFUZZER,
        number,
    }
}

/// A worker on which inputs that begin with `F` fail.
const WORKER: &str = r#"
run() {
    case $(head -c 1 "$1") in
    F) fails calc.stand_in invariant '"part":{"name":"calculator"}' ;;
    *) pass ;;
    esac
}
"#;

/// Prints like libFuzzer, keeps two inputs half a second apart, reports one that fails, and runs until its end.
const ENGINE: &str = include_str!("../programs/engine/libfuzzer.sh");

/// A comparison's folder with stand-ins, and two seeds.
fn stand_ins(engine: &str) -> (tempfile::TempDir, Folder) {
    let out = tempfile::tempdir().unwrap();
    let folder = Folder::open(out.path()).unwrap();
    let binary = folder.builds().join("libfuzzer").join(TARGET);
    fs::create_dir_all(binary.parent().unwrap()).unwrap();
    fs::write(&binary, format!("#!/bin/sh\n{engine}")).unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    crate::stand_in::write_worker(&folder.worker(), WORKER);
    let seeds = out.path().join("seeds").join(TARGET);
    fs::create_dir_all(&seeds).unwrap();
    for seed in ["one", "two"] {
        fs::write(seeds.join(seed), seed).unwrap();
    }
    (out, folder)
}

fn plan(folder: &Folder, time_seconds: u64) -> Plan {
    Plan {
        version: plan::VERSION,
        started: "2026-01-01T00:00:00Z".into(),
        targets: vec![TARGET.into()],
        starts: vec![Start::Seeds],
        engines: vec![LIBFUZZER],
        trials: 3,
        judged: "judged: everything; known findings: 0".into(),
        time_seconds,
        snapshot_seconds: 1,
        cores: 1,
        order_seed: 7,
        machine: machine::describe(&[LIBFUZZER], 1, 1),
        code: None,
        files: folder.kept().unwrap(),
    }
}

fn run(folder: &Folder, id: &TrialId, seconds: u64) -> anyhow::Result<Trial> {
    folder.begin(id).unwrap();
    let plan = plan(folder, seconds);
    let target = TargetInfo::new(TARGET, "a stand-in", 100);
    match trial::run(folder, &plan, id, &target, None, &mut |_| {})? {
        Ended::Whole(trial) => Ok(*trial),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_trial_is_whole_once_its_file_is_there_and_records_what_came_when() {
    let (_out, folder) = stand_ins(ENGINE);
    folder.begin(&id(1)).unwrap();
    assert_eq!(Trial::read(&folder, &id(1)).unwrap(), None);
    let trial = run(&folder, &id(1), 3).unwrap();
    let read = Trial::read(&folder, &id(1)).unwrap();
    assert_eq!(read.as_ref(), Some(&trial));
    assert_eq!(trial.failure, None);
    let counts = (trial.seeds_read, trial.executions, trial.corpus);
    assert_eq!(counts, (2, 1000, 2));
    let kept: Vec<&str> = trial.kept.iter().map(|kept| kept.file.as_str()).collect();
    let pool = |content: &[u8]| format!("run/pool/{}", content_name(content));
    assert_eq!(kept, [pool(b"first"), pool(b"second")]);
    assert!(
        trial.kept[1].time_ms >= trial.kept[0].time_ms + 400,
        "{trial:?}"
    );
    assert!(trial.kept[1].executions <= 1000);
    let [find] = trial.finds.as_slice() else {
        panic!("{:?}", trial.finds);
    };
    assert_eq!(find.check, "calc.stand_in");
    assert!((400..2500).contains(&find.time_ms), "{find:?}");
    let input = folder.trial(&id(1)).join(&find.file);
    assert_eq!(fs::read_to_string(input).unwrap(), "Fails");

    // A folder that is another trial's is not taken for this one.
    let [file, other] = [1, 2].map(|number| folder.trial(&id(number)).join("trial.json"));
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    fs::copy(file, other).unwrap();
    assert!(Trial::read(&folder, &id(2)).is_err());
}

#[test]
fn an_engine_that_dies_makes_a_trial_that_does_not_count() {
    let (_out, folder) = stand_ins("echo 'out of luck'; exit 7");
    let trial = run(&folder, &id(1), 5).unwrap();
    let why = trial.failure.unwrap();
    assert!(why.contains("out of luck"), "{why}");
    // What cannot even be started is an error, and leaves no whole trial.
    fs::remove_file(folder.builds().join("libfuzzer").join(TARGET)).unwrap();
    assert!(run(&folder, &id(2), 1).is_err());
    assert_eq!(Trial::read(&folder, &id(2)).unwrap(), None);
}

#[test]
fn a_configuration_is_a_contestant_with_its_flags_and_its_build() {
    let (_out, folder) = stand_ins(ENGINE);
    // A build with AddressSanitizer is another one.
    let build = |engine: &str| folder.builds().join(engine).join(TARGET);
    fs::create_dir(folder.builds().join("libfuzzer+asan")).unwrap();
    fs::copy(build("libfuzzer"), build("libfuzzer+asan")).unwrap();
    for (name, flag, of) in [
        ("libfuzzer", "", "libfuzzer"),
        (
            "libfuzzer+value-profile",
            " -use_value_profile=1 ",
            "libfuzzer",
        ),
        ("libfuzzer+asan", "", "libfuzzer+asan"),
    ] {
        let mut id = id(1);
        id.engine = name.to_owned().try_into().unwrap();
        let command = run(&folder, &id, 1).unwrap().command;
        assert!(command.contains(&format!("/{of}/{TARGET} ")), "{command}");
        assert!(command.contains(flag), "{command}");
        assert_eq!(command.contains("value_profile"), !flag.is_empty());
    }
    let asan = Contestant::try_from("libfuzzer+asan".to_owned()).unwrap();
    let tools = machine::describe(&[asan], 1, 1).tools;
    assert_eq!(tools[1].0, "rustc with AddressSanitizer");
}

fn compare(out: &Path, more: &[&str]) -> Command {
    let mut command = campaign(&["compare", "--out"]);
    command.arg(out).args(more).stdin(Stdio::null());
    command
}

#[test]
fn a_comparison_is_resumed_only_as_it_was_started() {
    let (out, folder) = stand_ins(ENGINE);
    let mut plan = plan(&folder, 60);
    write_json(&folder.plan(), &plan).unwrap();
    let seed = out.path().join("seeds").join(TARGET).join("one");
    fs::write(&seed, "changed").unwrap();
    let output = printed(1, &mut compare(out.path(), &[]));
    let file = format!("seeds/{TARGET}/one: it is not the file");
    assert!(output.contains(&file), "{output}");
    fs::write(&seed, "one").unwrap();

    let lock = supervisor::lock(&folder.lock(), out.path()).unwrap();
    let output = printed(1, &mut compare(out.path(), &[]));
    assert!(output.contains("another run is under way"), "{output}");
    drop(lock);

    plan.machine.processor = "another".into();
    plan.machine.tools[0].1 = "rustc 1.0".into();
    write_json(&folder.plan(), &plan).unwrap();
    let asked = "other --time 30s --trials 2 --engines all --cores 2 --seed 8 --from both";
    let differences = [
        "the targets: it has fuzz_measure_calc, and asked for is other",
        "--engines: it has libfuzzer, and asked for is afl, libfuzzer, honggfuzz",
        "--from: it has seeds, and asked for is seeds, nothing",
        "--time: it has 60 s, and asked for is 30 s",
        "--cores: it has 1, and asked for is 2",
        "--seed: it has 7, and asked for is 8",
        "--trials: it has 3, and asked for is 2, which are fewer",
    ];
    // More trials than before are no difference.
    let the_same = format!(
        "{TARGET} --time 60s --trials 9 --engines libfuzzer --cores 1 --seed 7 --from seeds"
    );
    for (asked, differs) in [(asked, true), (&the_same, false), ("", false)] {
        let asked: Vec<&str> = asked.split_whitespace().collect();
        let output = printed(1, &mut compare(out.path(), &asked));
        let machine = "the processor: it has another, and asked for is ";
        let rustc = "rustc: it was started with rustc 1.0, and here is ";
        assert_has(&output, &[machine, rustc]);
        for part in differences {
            let (what, _) = part.split_once("it has").unwrap();
            assert_eq!(output.contains(part), differs, "{part}\n{output}");
            assert_eq!(
                output.contains(&format!("{what}it has")),
                differs,
                "{output}"
            );
        }
    }

    // A plan of before there were starts.
    let mut old = serde_json::to_value(&plan).unwrap();
    old.as_object_mut().unwrap().remove("starts");
    write_json(&folder.plan(), &old).unwrap();
    assert_eq!(Plan::read(&folder.plan()).unwrap().as_ref(), Some(&plan));
    plan.version += 1;
    for text in [&*serde_json::to_string(&plan).unwrap(), "{\"version\": 1"] {
        fs::write(folder.plan(), text).unwrap();
        let output = printed(1, &mut compare(out.path(), &[]));
        assert_has(&output, &["name another folder with --out"]);
    }

    let out = out.path().join("of-scanners");
    let asked = ["fuzz_measure_scan", "--engines", "afl,afl+no-cmplog"];
    let output = printed(1, &mut compare(&out, &asked));
    let expected = "afl+no-cmplog runs on targets with compare tracing only";
    assert_has(&output, &[expected]);
    let mut command = compare(&out, &[TARGET, "--engines", "all,libfuzzer+asan"]);
    let output = printed(1, command.env("PATH", path_with("no-nightly")));
    assert_has(&output, &["AddressSanitizer needs nightly Rust: rustup"]);
    assert!(!output.contains("build for coverage"), "{output}");

    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("precious"), "x").unwrap();
    let output = printed(1, &mut compare(elsewhere.path(), &[]));
    assert!(output.contains("precious"), "{output}");
}

#[test]
fn what_moved_prints_where_it_went() {
    for (was, is) in [
        (
            "run --engines all x --trials 3",
            "compare --engines all,ensemble",
        ),
        ("run --engine afl x --main", "without it"),
        ("compare --faults all", "cargo lab faults --into DIR"),
        ("export x --out x.zip", "docs/campaigns.md"),
        ("scan x", "cargo images scan"),
    ] {
        let words: Vec<&str> = was.split(' ').collect();
        let output = printed(2, &mut campaign(&words));
        assert!(output.starts_with("moved: "), "{output}");
        assert_has(&output, &[is]);
    }
}

/// The whole trials of the first two of each engine, each with the bytes of its file.
fn whole(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut whole = BTreeMap::new();
    for engine in Engine::ALL {
        for number in ["001", "002"] {
            let path = out.join(format!("trials/{TARGET}/{engine}/{number}/trial.json"));
            if let Ok(bytes) = fs::read(&path) {
                whole.insert(path, bytes);
            }
        }
    }
    whole
}

fn kill(mut child: Child, out: &Path) {
    child.kill().unwrap();
    child.wait().unwrap();
    // The engines are ended without another start.
    wait_for("no engine is left", Duration::from_secs(5), || {
        processes_of(out) == 0
    });
}

#[test]
#[ignore = "needs the engines; scripts/test runs it"]
fn killed_at_any_moment_it_is_resumed_with_every_trial_whole_and_none_twice() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let arguments = [
        TARGET, "--trials", "2", "--time", "3s", "--seed", "11", "--cores", "2",
    ];
    let start = || {
        let mut command = compare(&out, &arguments);
        // Nobody reads the output before the last start.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    // What is whole when it is killed, so many milliseconds after something is there.
    let killed = |what, within, is_there: &dyn Fn() -> bool, after| {
        let child = start();
        wait_for(what, Duration::from_secs(within), is_there);
        std::thread::sleep(Duration::from_millis(after));
        kill(child, &out);
        whole(&out)
    };
    // While the first trials run.
    let none = killed("the plan", 900, &|| out.join("plan.json").exists(), 1500);
    assert_eq!(none.len(), 0);
    // As soon as a trial is whole, and is being measured.
    let first = killed("a whole trial", 60, &|| !whole(&out).is_empty(), 0);
    // While others run, one of them for the second time.
    let is_more = || whole(&out).len() > first.len();
    let second = killed("another whole trial", 60, &is_more, 900);
    assert!(second.len() < 6, "there is something left to do");

    let output = printed(0, &mut compare(&out, &[]));
    let all = whole(&out);
    assert_eq!(all.len(), 6, "{output}");
    for (path, bytes) in first.iter().chain(&second) {
        assert_eq!(&all[path], bytes, "{} was run again", path.display());
    }
    let report = report::read(&out).unwrap();
    let [target] = report.targets.as_slice() else {
        panic!("{} targets", report.targets.len());
    };
    for engine in &target.engines {
        let numbers: Vec<usize> = engine.trials.iter().map(|trial| trial.trial).collect();
        assert_eq!(numbers, [1, 2], "{}", engine.engine);
        for trial in engine.counting() {
            assert!((2.0..9.0).contains(&trial.seconds), "{}", trial.seconds);
            let (last, reach) = (trial.growth.last().unwrap(), &trial.reach);
            assert_eq!((last.regions, last.lines), (reach.regions, reach.lines));
            assert_eq!(last.functions, reach.functions);
            assert!(reach.regions >= target.seeds.reach.regions);
        }
        assert_eq!(engine.counting().count(), 2, "{engine:?}");
    }
    let rows = fs::read_to_string(out.join("series.csv")).unwrap();
    let trials = target.engines.iter().flat_map(|engine| &engine.trials);
    let points: usize = trials.map(|trial| trial.growth.len()).sum();
    assert_eq!(rows.lines().count(), points + 1);
    // Each kill left at least one half trial, which was moved aside and not thrown away.
    let aside = fs::read_dir(out.join("unfinished")).unwrap().count();
    assert!((3..=6).contains(&aside), "{aside}");

    // What was measured is not replayed again: the corpora may go.
    for trial in all.keys() {
        fs::remove_dir_all(trial.with_file_name("run")).unwrap();
    }
    printed(0, &mut compare(&out, &[]));
    assert_eq!(report::read(&out).unwrap(), report);
    // Without that, a trial whose inputs are gone does not count.
    fs::remove_file(out.join(format!("trials/{TARGET}/afl/002/measured.json"))).unwrap();
    let output = printed(1, &mut compare(&out, &[]));
    assert!(output.contains("could not be read"), "{output}");
}

#[test]
#[ignore = "needs AFL++; scripts/test runs it"]
fn two_starts_and_two_configurations_are_in_a_report_and_its_numbers_follow_from_the_trials() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out");
    let asked = "--contestants afl,afl+no-cmplog --from both --time 3s";
    let asked: Vec<&str> = asked.split(' ').chain([TARGET]).collect();
    printed(0, &mut compare(&out, &asked));
    assert_eq!(read(&out.join("nothing/one-byte")).as_bytes(), [0]);
    let report = report::read(&out).unwrap();
    let (mut trials, mut executions) = (Vec::new(), 0);
    for (target, engine) in report.engines() {
        let is_without = engine.engine == "afl+no-cmplog";
        assert_eq!(engine.command.contains(" -c - "), is_without);
        assert_eq!(engine.configuration.is_empty(), !is_without);
        executions = engine.trials[0].executions;
        trials.push((target.start, engine.trials[0].seeds_read == 1));
    }
    let (seeds, nothing) = ((Start::Seeds, false), (Start::Nothing, true));
    assert_eq!(trials, [seeds, seeds, nothing, nothing]);
    let page = read(&out.join("index.html"));
    assert!(page.contains("configuration of AFL++ without CmpLog</dt><dd>-c -, on targets"));

    let check = || compare(&out, &["--check"]);
    printed(0, &mut check());
    let executions = executions.to_string();
    let last = format!("trials/{TARGET}-from-nothing/afl+no-cmplog/001");
    let [record, measured] = ["trial.json", "measured.json"].map(|file| format!("{last}/{file}"));
    for (file, was, is, differs) in [
        ("report.json", &*executions, "2", "report.json, line "),
        ("series.csv", "nothing", "seeds", "series.csv, line "),
        ("summary.md", "AFL++", "X", "summary.md, line "),
        (
            "plan.json",
            "\"trials\": 1",
            "\"trials\": 2",
            "report.json, line ",
        ),
        (&record, &executions, "2", "report.json, line "),
        (
            &measured,
            "\"lines\": ",
            "\"lines\": 2",
            "series.csv, line ",
        ),
    ] {
        let path = out.join(file);
        let text = read(&path);
        assert!(text.contains(was), "{was} is not in {file}");
        fs::write(&path, text.replacen(was, is, 1)).unwrap();
        assert_has(&printed(1, &mut check()), &[differs]);
        fs::write(&path, text).unwrap();
    }
    // A trial that the report leaves out, and one that has no record.
    let more = out.join(&last).with_file_name("002");
    fs::create_dir(&more).unwrap();
    fs::copy(out.join(&record), more.join("trial.json")).unwrap();
    let refused = printed(1, &mut check());
    assert_has(&refused, &["trials/ has 5 trials, and the report 4"]);
    fs::remove_file(out.join(record)).unwrap();
    assert_has(&printed(1, &mut check()), &["trial 1 has no trial.json"]);
}
