//! The neutral coverage on a small program, built for coverage by the test, whose regions are known by hand.

use campaign::coverage::{
    GrowthPoint, Hits, Input, NeutralBuild, Portion, Profile, Region, RegionSet, Replay, SourceMap,
    Verdicts,
};
use campaign::replay::{NO_ABORT, NO_HANG, Verdict};
use llvm_profparser::CoverageMapping;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use worker::protocol::{self, Reply, Request, Response};
use worker::violation::NO_PANIC;

mod coverage_fixture;

use coverage_fixture::{FILE, Fixture, build, fixture};

/// The regions that each input reaches by itself.
fn each(fixture: &Fixture, inputs: &[Input]) -> Vec<RegionSet> {
    let paths: Vec<&Path> = inputs.iter().map(|input| input.path.as_path()).collect();
    let mut sets = Vec::new();
    let visit = |reached: campaign::coverage::Reached| {
        assert_eq!(reached.input, sets.len());
        sets.push(fixture.map.set(&reached.regions));
        Ok(())
    };
    fixture.replay().each(&paths, visit).unwrap();
    sets
}

/// Regions of the code under test, by line and column of start and end.
fn regions(places: &[(usize, usize, usize, usize)]) -> RegionSet {
    let region = |&(start_line, start_column, end_line, end_column): &_| Region {
        file: FILE.into(),
        start_line,
        start_column,
        end_line,
        end_column,
    };
    places.iter().map(region).collect()
}

/// What every run of `branch` reaches, and its two arms.
const BRANCH: [(usize, usize, usize, usize); 3] = [(3, 1, 3, 32), (4, 8, 4, 17), (9, 1, 9, 2)];
const BRANCH_THEN: (usize, usize, usize, usize) = (5, 9, 5, 10);
const BRANCH_ELSE: (usize, usize, usize, usize) = (7, 9, 7, 10);
const GENERIC_THEN: (usize, usize, usize, usize) = (14, 9, 14, 18);
const GENERIC_ELSE: (usize, usize, usize, usize) = (16, 9, 16, 18);
/// What `checked` reaches before it can stop, as far as it is counted and not derived.
const CHECKED_ENTRY: [(usize, usize, usize, usize); 2] = [(32, 1, 32, 42), (33, 8, 33, 18)];
/// The abort, whose counter is a difference.
const CHECKED_ABORT: (usize, usize, usize, usize) = (34, 9, 34, 28);
const CHECKED_LOOP: (usize, usize, usize, usize) = (37, 9, 39, 10);
const CHECKED_OK: (usize, usize, usize, usize) = (44, 40, 44, 49);

#[test]
fn every_region_of_the_code_under_test_is_known_and_nothing_else() {
    let map = &fixture().map;
    let all = map.all();
    assert_eq!(all.len(), 37);
    // Not the worker, which was built with counters as well, and not what `cfg(test)` leaves out.
    assert!(
        all.iter()
            .all(|region| region.file == FILE && region.end_line <= 45)
    );
    // The function that nobody calls is there.
    assert!(all.iter().any(|region| region.start_line == 20));
    let by_crate = map.summary_by_crate(&all);
    assert_eq!(by_crate.keys().collect::<Vec<_>>(), ["code"]);
    assert_eq!(by_crate["code"], map.summary(&all));
    assert_eq!(
        map.summary(&all).functions,
        Portion {
            covered: 5,
            total: 5
        }
    );
}

#[test]
fn a_branch_reaches_its_own_arm_only() {
    let fixture = fixture();
    // The `else` has no counter of its own, and is reached although none is newly in use.
    let inputs = fixture.inputs("branch", &[b"b\x63", b"b\x01", b"b\x63"]);
    let mut then_arm = regions(&BRANCH);
    let mut else_arm = then_arm.clone();
    then_arm.extend(regions(&[BRANCH_THEN]));
    else_arm.extend(regions(&[BRANCH_ELSE]));
    // The third shows that counters start at zero for each input.
    let expected = [then_arm.clone(), else_arm, then_arm.clone()];
    assert_eq!(each(fixture, &inputs), expected);

    let summary = fixture.map.summary(&then_arm);
    assert_eq!(
        summary.regions,
        Portion {
            covered: 4,
            total: 37
        }
    );
    assert_eq!(
        summary.functions,
        Portion {
            covered: 1,
            total: 5
        }
    );
    // Lines 3, 4, 5 and 9.
    assert_eq!(summary.lines.covered, 4);
}

#[test]
fn copies_of_a_generic_function_count_once() {
    let fixture = fixture();
    // One arm in the copy for `u8`, the other in the copy for `u32`.
    let inputs = fixture.inputs("generic", &[b"1\x63", b"4\x01", b"1\x01", b"4\x63"]);
    let replayed = fixture.replay().grow(&inputs).unwrap();
    let arms = regions(&[GENERIC_THEN, GENERIC_ELSE]);
    assert!(replayed.covered.is_superset(&arms));
    let generic: Vec<_> = fixture
        .map
        .all()
        .iter()
        .filter(|r| (11..=18).contains(&r.start_line))
        .cloned()
        .collect();
    assert_eq!(replayed.covered, generic.into_iter().collect());
    // The other arm in either copy is nothing new; the last input ends the curve.
    let regions: Vec<_> = replayed
        .growth
        .points
        .iter()
        .map(|point| point.regions)
        .collect();
    assert_eq!(regions, [7, 8, 8]);
}

#[test]
fn growth_follows_arrival() {
    let fixture = fixture();
    let mut inputs = fixture.inputs(
        "growth",
        &[b"b\x01", b"b\x02", b"b\x63", b"1\x01", b"", b"b\x63"],
    );
    inputs.reverse();
    let replayed = fixture.replay().grow(&inputs).unwrap();
    let point = |index: u64, regions, lines, functions| GrowthPoint {
        time_ms: index * 10,
        executions: index * 100,
        regions,
        lines,
        functions,
    };
    let points = [
        point(0, 4, 4, 1),
        point(2, 5, 5, 1),
        point(3, 12, 10, 2),
        point(5, 12, 10, 2),
    ];
    let last = fixture.map.summary(&replayed.covered);
    assert_eq!(last.lines.covered, points[3].lines);
    assert_eq!(last.functions.covered, points[3].functions);
    assert_eq!(replayed.growth.points, points);
    let verdicts = Verdicts {
        passed: 5,
        rejected: 1,
        ..Verdicts::default()
    };
    assert_eq!(replayed.verdicts, verdicts);
    assert!(replayed.finds.is_empty());
    assert_eq!(replayed.covered.len(), 12);
}

#[test]
fn a_crash_and_a_hang_lose_nothing() {
    let fixture = fixture();
    let missing = Input {
        path: fixture.root.join("no such input"),
        time_ms: 65,
        executions: 0,
    };
    let mut inputs = fixture.inputs(
        "deaths",
        &[
            b"s\x07", b"b\x01", b"s\x08", b"s\x09", b"b\x63", b"s\x07", b"s\x01",
        ],
    );
    inputs.push(missing);
    let replayed = fixture.replay().grow(&inputs).unwrap();
    let verdicts = Verdicts {
        passed: 3,
        rejected: 0,
        failed: 4,
        errors: 1,
        ..Verdicts::default()
    };
    assert_eq!(replayed.verdicts, verdicts);

    let name = |find: &campaign::coverage::Find| find.path.file_name().unwrap().to_owned();
    let names: Vec<_> = replayed.finds.iter().map(name).collect();
    assert_eq!(names, ["0", "2", "3", "5", "no such input"]);
    let failed = |find: usize| match &replayed.finds[find].verdict {
        Verdict::Fail(violation) => (violation.check.as_str(), violation.facts().join("; ")),
        other => panic!("{other:?}"),
    };
    assert_eq!(failed(0).0, NO_ABORT);
    assert!(failed(0).1.contains("signal 6"), "{}", failed(0).1);
    assert_eq!(failed(1).0, NO_HANG);

    // What was reached on the way into the loop is there, and what came later too.
    let expected = regions(&[CHECKED_LOOP, BRANCH_THEN, BRANCH_ELSE, CHECKED_OK]);
    assert!(replayed.covered.is_superset(&expected));
    assert!(replayed.covered.is_superset(&regions(&CHECKED_ENTRY)));
    // The price of never claiming too much.
    assert!(replayed.covered.is_disjoint(&regions(&[CHECKED_ABORT])));
}

#[test]
fn what_ended_midway_claims_no_branch_that_it_did_not_take() {
    let fixture = fixture();
    // Abort, hang, panic.
    let inputs = fixture.inputs("midway", &[b"s\x07", b"s\x08", b"s\x09"]);
    let never = regions(&[CHECKED_OK, (42, 9, 42, 15), (44, 21, 44, 30)]);
    let entry = regions(&CHECKED_ENTRY);
    for (index, reached) in each(fixture, &inputs).iter().enumerate() {
        assert!(reached.is_superset(&entry), "input {index}");
        assert!(reached.is_disjoint(&never), "input {index}");
    }
}

/// What became of an input: its verdict, the regions reached with their classes, work, and events.
type Outcome = (Verdict, Vec<(usize, u8)>, u64, String);

fn outcomes(replay: &Replay<'_>, inputs: &[Input]) -> Vec<Outcome> {
    let paths: Vec<&Path> = inputs.iter().map(|input| input.path.as_path()).collect();
    let mut outcomes = Vec::new();
    let visit = |hits: Hits<'_>| {
        assert_eq!(hits.input, outcomes.len());
        // A hang takes as long as it is given.
        let is_hang = matches!(
            &hits.verdict,
            Verdict::Fail(violation) if matches!(violation.crash, Some(worker::Crash::Hung(_)))
        );
        outcomes.push((
            hits.verdict,
            hits.regions.to_vec(),
            if is_hang { 0 } else { hits.work },
            hits.events.to_owned(),
        ));
        Ok(())
    };
    replay.hits(&paths.as_slice(), visit).unwrap();
    outcomes
}

/// An input has the same outcome in a batch and alone: those that crash, hang, panic, cannot be read, and all
/// between them.
#[test]
fn batches_and_single_inputs_give_the_same() {
    let fixture = fixture();
    // Two batches and a part of one, with deaths at their ends, next to each other, and alone.
    let mut contents: Vec<Vec<u8>> = (0..1200_u32)
        .map(|number| vec![b"b14s"[number as usize % 4], (number / 4 % 6 * 25) as u8])
        .collect();
    for (place, content) in [
        (0, b"s\x07"),
        (100, b"s\x08"),
        (101, b"s\x07"),
        (102, b"s\x09"),
        (511, b"s\x07"),
        (512, b"s\x07"),
        (700, b"s\x09"),
        (1199, b"s\x08"),
    ] {
        contents[place] = content.to_vec();
    }
    contents[30] = b"rejected".to_vec();
    let contents: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
    let mut inputs = fixture.inputs("batched", &contents);
    let missing = [40, 512 + 40];
    for place in missing {
        inputs[place].path = fixture.root.join("no such input");
    }
    let replay = Replay {
        timeout: Duration::from_millis(500),
        ..fixture.replay()
    };
    let batched = outcomes(&replay, &inputs);

    let mut alone: BTreeMap<&[u8], Outcome> = BTreeMap::new();
    for (place, outcome) in batched.iter().enumerate() {
        if missing.contains(&place) {
            assert!(matches!(outcome.0, Verdict::Error { .. }), "{outcome:?}");
            continue;
        }
        let single = || outcomes(&replay, &inputs[place..=place]).remove(0);
        let single = alone.entry(contents[place]).or_insert_with(single);
        assert_eq!(outcome, single, "{place}: {:?}", contents[place]);
    }

    // And these are the outcomes that the inputs are made for.
    let verdicts = Verdicts {
        passed: 1189,
        rejected: 1,
        failed: 8,
        errors: 2,
        ..Verdicts::default()
    };
    assert_eq!(replay.grow(&inputs).unwrap().verdicts, verdicts);
    let check = |place: usize| match &batched[place].0 {
        Verdict::Fail(violation) => violation.check.as_str(),
        other => panic!("{place}: {other:?}"),
    };
    assert_eq!([0, 101, 511, 512].map(check), [NO_ABORT; 4]);
    assert_eq!([100, 1199].map(check), [NO_HANG; 2]);
    assert_eq!([102, 700].map(check), [NO_PANIC; 2]);
    assert_eq!(batched[4].3, "");
    assert_eq!(batched[8].3, "is even\nis reported");
}

/// Another reader of the same profile and map: the library's own report.
#[test]
fn the_librarys_own_report_agrees() {
    let fixture = fixture();
    let inputs = fixture.inputs(
        "agrees",
        &[b"b\x63", b"b\x01", b"4\x63", b"s\x64", b"s\x01"],
    );
    let path = fixture.root.join("agrees.profraw");
    let mut requests = Vec::new();
    for input in &inputs {
        let request = Request::Input {
            command: protocol::Command::Run,
            target: "fixture".into(),
            path: input.path.to_str().unwrap().into(),
        };
        requests.extend(request.to_line());
    }
    let list = fixture.root.join("agrees.requests");
    fs::write(&list, requests).unwrap();
    // No watching: the counters stay as the inputs leave them.
    let output = Command::new(&fixture.binary)
        .stdin(fs::File::open(&list).unwrap())
        .env("LLVM_PROFILE_FILE", format!("{}%c", path.display()))
        .output()
        .unwrap();
    let answers: Vec<&[u8]> = output
        .stdout
        .split_inclusive(|&byte| byte == b'\n')
        .collect();
    assert_eq!(answers.len(), inputs.len());
    for answer in answers {
        let reply = Response::parse(answer).unwrap().reply;
        assert_eq!(reply, Reply::Verdict(Verdict::Pass));
    }

    let reached = fixture.map.reached_in(&Profile::read(&path).unwrap());
    let profile = llvm_profparser::parse(&path).unwrap();
    let binaries = [fixture.binary.clone()];
    let report = CoverageMapping::new(&binaries, &profile, false).unwrap();
    let report = report.generate_report().unwrap();
    let mut theirs = BTreeSet::new();
    for (file, result) in &report.files {
        let Ok(file) = file.strip_prefix(fixture.root.canonicalize().unwrap()) else {
            continue;
        };
        if !file.starts_with("crates") {
            continue;
        }
        for (place, count) in &result.hits {
            if *count > 0 {
                theirs.insert((
                    place.line_start,
                    place.column_start,
                    place.line_end,
                    place.column_end,
                ));
            }
        }
    }
    let theirs: Vec<_> = theirs.into_iter().collect();
    assert!(theirs.len() > 20, "{theirs:?}");
    assert_eq!(reached, regions(&theirs));
}

#[test]
fn many_inputs_take_one_worker() {
    let fixture = fixture();
    let pair = fixture.inputs("many", &[b"b\x01", b"s\x64"]);
    let inputs: Vec<_> = pair.iter().cycle().take(20_000).cloned().collect();
    let replayed = fixture.replay().grow(&inputs).unwrap();
    assert_eq!(replayed.verdicts.passed, 20_000);
    println!("{:.0} inputs a second", replayed.inputs_per_second);
    // Starting a process for each input would not get near this.
    assert!(
        replayed.inputs_per_second > 2000.0,
        "{}",
        replayed.inputs_per_second
    );
}

#[test]
fn no_inputs_no_points() {
    let replayed = fixture().replay().grow(&[]).unwrap();
    assert!(replayed.growth.points.is_empty() && replayed.covered.is_empty());
}

#[test]
fn a_build_that_fails_repeats_the_compilers_message() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let manifest = "[package]\nname = \"fixture_worker\"\nedition = \"2024\"\n[workspace]\n";
    write("Cargo.toml", manifest);
    write("src/main.rs", "fn main() { no_such_function() }");
    let error = build(root.path()).build().unwrap_err().to_string();
    assert!(error.contains("no_such_function"), "{error}");
    assert!(error.contains("fixture_worker failed"), "{error}");

    // A folder under test in which there is no source, and a binary without counters.
    write("src/main.rs", "fn main() {}");
    let binary = build(root.path()).build().unwrap();
    let error = SourceMap::of_worker(&binary, root.path(), "crates/").unwrap_err();
    assert!(
        error.to_string().contains("no source region under"),
        "{error}"
    );
    let error = SourceMap::of_worker(Path::new("/bin/true"), root.path(), "crates/").unwrap_err();
    assert!(
        error.to_string().contains("not built for coverage"),
        "{error}"
    );
}

#[test]
fn a_worker_that_cannot_report_coverage_is_an_error_and_no_find() {
    let fixture = fixture();
    let inputs = fixture.inputs("mute", &[b"b\x01"]);
    let echo = Replay {
        binary: Path::new("/bin/cat"),
        ..fixture.replay()
    };
    let error = echo.grow(&inputs).unwrap_err().to_string();
    assert!(error.contains("not a worker with coverage"), "{error}");
    let gone = Replay {
        binary: Path::new("/bin/false"),
        ..fixture.replay()
    };
    let error = gone.grow(&inputs).unwrap_err().to_string();
    assert!(
        error.contains("did not start") && error.contains("exit status: 1"),
        "{error}"
    );
    let absent = Replay {
        binary: Path::new("/no/such/worker"),
        ..fixture.replay()
    };
    let error = absent.grow(&inputs).unwrap_err().to_string();
    assert!(error.contains("could not be started"), "{error}");
}

/// The project's own worker: an input that is a case reaches the calculators and no scanner.
#[test]
fn the_real_worker_reports_coverage_of_the_crates() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("neutral");
    let build = NeutralBuild {
        manifest: root.join("Cargo.toml"),
        binary: "replay_worker".into(),
        target_dir: folder.clone(),
    };
    let binary = build.build().unwrap();
    let map = SourceMap::of_worker(&binary, root, "crates/").unwrap();
    let all: Vec<_> = map
        .summary_by_crate(&RegionSet::default())
        .into_keys()
        .collect();
    for name in ["measure", "qcow2", "shared", "vhd", "vhdx", "vmdk"] {
        assert!(
            all.iter().any(|known| known == name),
            "{name} is not in {all:?}"
        );
    }

    // Raw, and a virtual size of 1 MiB of which nothing is allocated.
    let mut case = [0; 42];
    case[8] = 0x10;
    let path = folder.join("raw");
    fs::write(&path, case).unwrap();
    let replay = Replay {
        binary: &binary,
        map: &map,
        target: "fuzz_measure_calc",
        timeout: Duration::from_secs(10),
    };
    let input = Input {
        path,
        time_ms: 0,
        executions: 0,
    };
    let replayed = replay.grow(&[input]).unwrap();
    assert_eq!(replayed.verdicts.passed, 1, "{:?}", replayed.finds);
    let by_crate = map.summary_by_crate(&replayed.covered);
    assert!(by_crate["measure"].regions.covered > 0);
    assert_eq!(by_crate["vhdx"].regions.covered, 0);
}
