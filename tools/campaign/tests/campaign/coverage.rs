//! The neutral coverage on a small program, built for coverage by the test, whose regions are known by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use campaign::coverage::{
    Code, GrowthPoint, Hits, InMemory, Input, Portion, Replay, SourceMap, counted,
};
use campaign::replay::{NO_ABORT, NO_HANG, Verdict};
use llvm_profparser::CoverageMapping;
use worker::protocol::{self, Request};
use worker::violation::NO_PANIC;

use crate::coverage_fixture::{FILE, Fixture, fixture};

/// The regions that each input reaches by itself.
fn each(fixture: &Fixture, inputs: &[Input]) -> Vec<BTreeSet<usize>> {
    let numbers = |(_, regions, ..): Outcome| regions.iter().map(|&(region, _)| region).collect();
    let outcomes = outcomes(&fixture.replay(), inputs).into_iter();
    outcomes.map(numbers).collect()
}

/// The first line and column of a region, and its last.
type Place = (usize, usize, usize, usize);

/// The numbers of regions of the code under test.
fn regions(places: &[Place]) -> BTreeSet<usize> {
    let regions = fixture().map.regions();
    let number = |place: &Place| {
        let is_here = regions.iter().position(|region| {
            let start = (region.start_line, region.start_column);
            let end = (region.end_line, region.end_column);
            *place == (start.0, start.1, end.0, end.1)
        });
        is_here.unwrap_or_else(|| panic!("no region {place:?}"))
    };
    places.iter().map(number).collect()
}

/// What every run of `branch` reaches, and its two arms.
const BRANCH: [Place; 3] = [(3, 1, 3, 32), (4, 8, 4, 17), (9, 1, 9, 2)];
const BRANCH_THEN: Place = (5, 9, 5, 10);
const BRANCH_ELSE: Place = (7, 9, 7, 10);
const GENERIC_THEN: Place = (14, 9, 14, 18);
const GENERIC_ELSE: Place = (16, 9, 16, 18);
/// What `checked` reaches before it can stop, as far as it is counted and not derived.
const CHECKED_ENTRY: [Place; 2] = [(32, 1, 32, 42), (33, 8, 33, 18)];
/// The abort, whose counter is a difference.
const CHECKED_ABORT: Place = (34, 9, 34, 28);
const CHECKED_LOOP: Place = (37, 9, 39, 10);
const CHECKED_OK: Place = (44, 40, 44, 49);

#[test]
fn every_region_of_the_code_under_test_is_known_and_nothing_else() {
    let map = &fixture().map;
    let all: BTreeSet<usize> = (0..map.regions().len()).collect();
    assert_eq!(all.len(), 37);
    // Not the worker, which was built with counters as well, and not what `cfg(test)` leaves out.
    let mut regions = map.regions().iter();
    assert!(regions.all(|region| region.file == FILE && region.end_line <= 45));
    // The function without a caller is there.
    let mut regions = map.regions().iter();
    assert!(regions.any(|region| region.start_line == 20));
    let by_crate = map.summary_by_crate(&all);
    assert_eq!(by_crate.keys().collect::<Vec<_>>(), ["code"]);
    assert_eq!(by_crate["code"], map.summary(&all));
    assert_eq!(map.summary(&all).functions.covered, 5);
    assert_eq!(map.regions()[0].to_string(), format!("{FILE}:3:1-3:32"));

    // Of a package, the same regions have names that begin with its folder.
    let (root, of) = (&fixture().root, |binary, code| {
        SourceMap::of_worker(binary, vec![code])
    });
    let package = || Code::package(&root.join("crates/code/Cargo.toml"));
    let of_package = of(&fixture().binary, package()).unwrap();
    let (files, region) = (of_package.regions().len(), &of_package.regions()[0]);
    assert_eq!((files, &*region.file), (37, "code/src/lib.rs"));
    assert_eq!(of_package.path(&region.file), root.join(FILE));
    assert_eq!(of_package.summary_by_crate(&all), by_crate);

    let elsewhere = of(&fixture().binary, Code::folder(root, "elsewhere/"));
    let error = elsewhere.unwrap_err().to_string();
    assert!(error.contains("no source region under"), "{error}");
    let other = of(Path::new("/bin/true"), package());
    let error = other.unwrap_err().to_string();
    assert!(error.contains("not built for coverage"), "{error}");
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
    let portion = |covered, total| Portion { covered, total };
    assert_eq!(summary.regions, portion(4, 37));
    assert_eq!(summary.functions, portion(1, 5));
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
    let all = fixture.map.regions().iter().enumerate();
    let generic = all.filter(|(_, region)| (11..=18).contains(&region.start_line));
    assert_eq!(
        replayed.covered,
        generic.map(|(number, _)| number).collect()
    );
    // The other arm in either copy is nothing new; the last input ends the curve.
    let regions: Vec<_> = replayed.growth.iter().map(|point| point.regions).collect();
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
    assert_eq!(replayed.growth, points);
    assert!(replayed.finds.is_empty());
    assert_eq!(replayed.covered.len(), 12);

    let nothing = fixture.replay().grow(&[]).unwrap();
    assert!(nothing.growth.is_empty() && nothing.covered.is_empty());
}

#[test]
fn a_crash_and_a_hang_lose_nothing_and_claim_no_branch_that_they_did_not_take() {
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
    let paths = replayed.finds.iter().map(|(path, _)| path);
    let names: Vec<_> = paths.map(|path| path.file_name().unwrap()).collect();
    assert_eq!(names, ["0", "2", "3", "5", "no such input"]);
    assert!(matches!(replayed.finds[4].1, Verdict::Error { .. }));
    let failed = |find: usize| match &replayed.finds[find].1 {
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
    let never = regions(&[CHECKED_OK, (42, 9, 42, 15), (44, 21, 44, 30)]);
    for ended in [0, 2, 3] {
        let reached = &each(fixture, &inputs[ended..=ended])[0];
        assert!(reached.is_superset(&regions(&CHECKED_ENTRY)), "{ended}");
        assert!(reached.is_disjoint(&never), "{ended}");
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
    let passes = batched.iter().filter(|outcome| outcome.0 == Verdict::Pass);
    assert_eq!(passes.count(), 1189);
    assert!(matches!(batched[30].0, Verdict::Rejected { .. }));
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

/// Another reader of a profile and the map: the library's own report.
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
    let answers = output.stdout.split(|&byte| byte == b'\n');
    let passed = answers.filter(|line| line.ends_with(br#"{"verdict":"pass"}}}"#));
    assert_eq!(passed.count(), inputs.len());

    let reached = fixture.replay().grow(&inputs).unwrap().covered;
    let profile = llvm_profparser::parse(&path).unwrap();
    let binaries = [fixture.binary.clone()];
    let report = CoverageMapping::new(&binaries, &profile, false).unwrap();
    let report = report.generate_report().unwrap();
    let root = fixture.root.canonicalize().unwrap().join("crates");
    let files = report.files.iter();
    let files = files.filter(|(file, _)| file.starts_with(&root));
    let hits = files.flat_map(|(_, result)| &result.hits);
    let theirs: Vec<Place> = hits
        .filter(|(_, count)| **count > 0)
        .map(|(at, _)| (at.line_start, at.column_start, at.line_end, at.column_end))
        .collect();
    assert!(theirs.len() > 20, "{theirs:?}");
    assert_eq!(reached, regions(&theirs));
}

/// Of three inputs that pass, one arm of `branch` twice and the other once, and of one that panics.
#[test]
fn a_tracefile_has_how_many_inputs_executed_each_line() {
    let fixture = fixture();
    let inputs = InMemory(vec![b"b\x63", b"b\x01", b"b\x50", b"s\x09"]);
    let mut counts = vec![0; fixture.map.regions().len()];
    let visit = |hits: Hits<'_>| {
        hits.numbers().for_each(|region| counts[region] += 1);
        Ok(())
    };
    fixture.replay().regions(&inputs, visit).unwrap();
    let text = counted::tracefile(&counted::files(&fixture.map, &counts).unwrap());
    assert!(text.starts_with(&format!("TN:\nSF:{FILE}\nFN:")), "{text}");
    assert!(text.ends_with("\nend_of_record\n"), "{text}");
    let lines: BTreeSet<&str> = text.lines().collect();
    let of = |key: &str| lines.iter().filter(|line| line.starts_with(key)).count();
    let executed = |line: &&&str| line.starts_with("DA:") && !line.ends_with(",0");
    let executed = lines.iter().filter(executed).count();
    let entered = of("FNDA:") - of("FNDA:0,");
    let (functions, code) = (of("FN:"), of("DA:"));
    let totals = format!("FNF:{functions} FNH:{entered} LF:{code} LH:{executed}");
    // `branch` in lines 3 to 9; `else` in line 6 is no region, `checked` begins in line 32 and panics in 42.
    let functions =
        "FN:3,branch FNDA:3,branch FN:20,unused FNDA:0,unused FN:32,checked FNDA:1,checked";
    let counts = "DA:3,3 DA:4,3 DA:5,2 DA:7,1 DA:9,3 DA:20,0 DA:32,1";
    for line in [functions, counts, &totals].join(" ").split(' ') {
        assert!(lines.contains(line), "{line} is not in {text}");
    }
    assert_eq!(["DA:1,", "DA:2,", "DA:10,"].map(of), [0; 3]);
    assert_eq!(lines.len(), text.lines().count(), "each line is there once");
}
