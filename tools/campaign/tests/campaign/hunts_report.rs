//! Hunts of planted faults, as survival data and in the report.

use std::time::Duration;

use campaign::atomic::write_json;
use campaign::comparison::contestant::Contestant;
use campaign::comparison::folder::Folder;
use campaign::comparison::hunts::{self, Basis, Find, Hunt, HuntTrial};
use campaign::engine::Engine;
use report::analysis::analyse;
use report::{Comparison, EngineResult, SurvivalKind, TargetResult};
use statistics::survival::Observation;

use crate::tool::assert_has;

fn hunt(engine: Engine, number: usize, time_ms: u64, caught: bool) -> HuntTrial {
    HuntTrial {
        fault: "off-by-one".to_owned(),
        target: "fuzz_measure_calc".to_owned(),
        engine: Contestant::Alone(engine),
        number,
        of: Basis {
            patch: "p".to_owned(),
            sources: "s".to_owned(),
            seeds: "i".to_owned(),
        },
        hunt: Hunt {
            find: caught.then(|| Find {
                target: "fuzz_measure_calc".to_owned(),
                check: "calc.x".to_owned(),
                input: "finds/x".to_owned(),
            }),
            time_ms,
            executions: 1000,
            limit_ms: 60_000,
            seed_fails: None,
            failure: None,
        },
    }
}

#[test]
fn a_hunt_without_a_find_is_censored_and_one_that_died_does_not_count() {
    let seen = |time_ms, happened| Some(Observation { time_ms, happened });
    let caught = hunt(Engine::Afl, 1, 700, true);
    assert_eq!(caught.observation(), seen(700, true));
    let mut missed = hunt(Engine::Afl, 1, 60_000, false);
    assert_eq!(missed.observation(), seen(60_000, false));
    // A seed that fails is kept from the engine, which then finds nothing of its own.
    missed.hunt.seed_fails = Some("calc.x".to_owned());
    assert_eq!(missed.observation(), seen(60_000, false));
    // All of them fail: nothing was executed.
    missed.hunt.executions = 0;
    assert_eq!(missed.observation(), seen(0, true));
    missed.hunt.failure = Some("it died".to_owned());
    assert_eq!(missed.observation(), None);
    missed.hunt.find = hunt(Engine::Afl, 1, 0, true).hunt.find;
    let observed = missed.observation();
    assert_eq!(observed, seen(60_000, true), "it died, but of the find");
}

#[test]
fn a_hunt_is_reused_when_it_found_something_or_had_as_long() {
    let minute = Duration::from_secs(60);
    for (is_caught, limit_ms, is_answer) in [
        (true, 1, true),
        (false, 60_000, true),
        (false, 59_999, false),
    ] {
        let mut hunt = hunt(Engine::Afl, 1, 1, is_caught).hunt;
        hunt.limit_ms = limit_ms;
        assert_eq!(hunt.answers(minute), is_answer, "{hunt:?}");
        hunt.failure = Some("it died".to_owned());
        assert!(!hunt.answers(minute));
    }
}

#[test]
fn hunts_on_disk_are_survival_curves_in_the_report() {
    let out = tempfile::tempdir().unwrap();
    let folder = Folder::open(out.path()).unwrap();
    assert_eq!(hunts::read(&folder).unwrap(), []);
    let mut dead = hunt(Engine::Libfuzzer, 2, 5, false);
    dead.hunt.failure = Some("it died\nand wrote much".to_owned());
    let mut of_older = hunt(Engine::Libfuzzer, 1, 60_000, false);
    of_older.of.sources = "older".to_owned();
    of_older.hunt.seed_fails = Some("calc.x".to_owned());
    let hunts = [
        hunt(Engine::Afl, 1, 500, true),
        hunt(Engine::Afl, 2, 900, true),
        of_older,
        dead,
    ];
    for hunt in &hunts {
        let name = format!("{}/{}/{:03}.json", hunt.fault, hunt.engine, hunt.number);
        let path = folder.root().join("faults/hunts").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_json(&path, hunt).unwrap();
    }
    let read = hunts::read(&folder).unwrap();
    assert_eq!(read, hunts);

    let engine = |name: &str| EngineResult {
        engine: name.to_owned(),
        title: name.to_uppercase(),
        ..EngineResult::default()
    };
    let target = TargetResult {
        target: "fuzz_measure_calc".to_owned(),
        engines: ["afl", "libfuzzer"].map(engine).into(),
        ..TargetResult::default()
    };
    let mut comparison = Comparison {
        targets: vec![target],
        ..Comparison::default()
    };
    hunts::add_to(&mut comparison, &read);
    analyse(&mut comparison);
    let [afl, libfuzzer] = &comparison.targets[0].survivals[..] else {
        panic!("{:?}", comparison.targets[0].survivals);
    };
    assert_eq!(
        (afl.of.as_str(), afl.kind, afl.trials, afl.caught),
        ("off-by-one", SurvivalKind::Fault, 2, 2)
    );
    assert_eq!(afl.median_ms, Some(500));
    assert_eq!((libfuzzer.trials, libfuzzer.caught), (1, 0));
    assert_eq!(libfuzzer.median_ms, None);

    let notes = comparison.notes.join("\n");
    let kept = "Some seed fails already under these planted faults, and was kept from the engines: off-by-one.";
    let older = "more than one state of the sources";
    assert_has(
        &notes,
        &["hunted, for 60 s at most.", "rank no engine", kept, older],
    );
    let lost =
        "libFuzzer lost trial 2 on the planted fault off-by-one, which does not count: it died";
    assert!(comparison.notes.iter().any(|note| note == lost), "{notes}");
    assert_eq!(hunts::lost(&read), [lost]);

    let text = report::summary::markdown(&comparison).replace("\u{a0}", " ");
    let rows = [
        "| off-by-one | AFL       | 2 of 2    | 500 ms | 500 ms [500 ms, –]    |",
        "| off-by-one | LIBFUZZER | 0 of 1    | –      | not in half [–, –]    |",
        "they do not rank engines",
    ];
    assert_has(&text, &rows);

    let before = comparison.clone();
    hunts::add_to(&mut comparison, &[]);
    assert_eq!(comparison, before, "without hunts nothing is added");
}
