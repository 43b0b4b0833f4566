//! Two runs side by side, on hand-made trials with known answers.

mod sample;

use std::fs;

use report::against::{Against, Both, Difference, against, markdown, write};
use report::{Comparison, Verdict, read};

use sample::{comparison, engine, find, reach, target, trials as some};

fn compared(old: &Comparison, new: &Comparison) -> Against {
    let names = Both {
        old: "before".to_owned(),
        new: "after".to_owned(),
    };
    against(old, new, names)
}

/// A run of one target with these regions under each engine.
fn run(engines: &[(&str, &[usize])]) -> Comparison {
    let trials = engines
        .iter()
        .map(|(_, regions)| regions.len())
        .max()
        .unwrap();
    let engines = engines
        .iter()
        .map(|(name, regions)| engine(name, some(regions, 1000)))
        .collect();
    comparison(trials, vec![target("t", engines)])
}

#[test]
fn new_trials_are_tested_against_old_ones_engine_by_engine() {
    let old = run(&[
        ("a", &[20, 21, 22, 23, 24]),
        ("b", &[30, 31, 32, 33, 34]),
        ("c", &[20; 5]),
    ]);
    let new = run(&[
        ("a", &[40, 41, 42, 43, 44]),
        ("b", &[10, 11, 12, 13, 14]),
        ("c", &[20; 5]),
    ]);
    let found = compared(&old, &new);
    let [a, b, c] = &found.targets[0].engines[..] else {
        panic!("three engines");
    };
    let p = 2.0 / 252.0;
    let contrast = a.percent.contrast.unwrap();
    assert_eq!(
        (contrast.first, contrast.second, contrast.a12),
        (21.0, 11.0, 1.0)
    );
    assert!((contrast.p - p).abs() < 1e-12 && contrast.exact);
    assert!(
        (contrast.adjusted_p - 3.0 * p).abs() < 1e-12,
        "Holm over three engines"
    );
    let verdicts = [a, b, c].map(|engine| engine.percent.contrast.unwrap().verdict);
    assert_eq!(
        verdicts,
        [Verdict::Higher, Verdict::Lower, Verdict::NotShown]
    );
    assert_eq!(b.percent.contrast.unwrap().a12, 0.0);
    assert_eq!(c.percent.contrast.unwrap().p, 1.0);
    assert_eq!(a.trials, Both { old: 5, new: 5 });
    assert!(found.differences.is_empty(), "{:?}", found.differences);
    let text = markdown(&found);
    assert!(
        text.contains(
            "- t, A: reaches more (11.00 % before, 21.00 % now; p 0.024 adjusted, A12 1.00, large)."
        ),
        "{text}"
    );
    assert!(
        text.contains("- t, B: reaches less (16.00 % before, 6.00 % now;"),
        "{text}"
    );
    assert!(
        text.contains("- t, C: no difference is shown, which does not show that there is none"),
        "{text}"
    );
    assert!(text.contains("Both: Each engine has 5 trials"), "{text}");
}

#[test]
fn few_trials_say_that_they_are_too_few() {
    let three = compared(&run(&[("a", &[20, 21, 22])]), &run(&[("a", &[40, 41, 42])]));
    let contrast = three.targets[0].engines[0].percent.contrast.unwrap();
    assert_eq!(contrast.verdict, Verdict::TooFewTrials);
    assert!(markdown(&three).contains("too few trials to show any difference at 5 %"));
    let one = compared(&run(&[("a", &[20])]), &run(&[("a", &[40, 41, 42])]));
    let a = &one.targets[0].engines[0];
    assert_eq!(a.percent.contrast, None);
    assert!(markdown(&one).contains("not tested, as one trial on a side shows nothing"));

    let mut lost = run(&[("a", &[20, 21])]);
    for trial in &mut lost.targets[0].engines[0].trials {
        trial.failure = Some("it died".to_owned());
    }
    let text = markdown(&compared(&lost, &run(&[("a", &[40, 41])])));
    assert!(
        text.contains("- t, A: no trial counts on one of the sides."),
        "{text}"
    );
}

#[test]
fn when_the_code_has_changed_shares_of_it_are_compared() {
    let old = run(&[("a", &[20, 21, 22, 23, 24])]);
    let mut new = run(&[("a", &[40, 42, 44, 46, 48])]);
    new.targets[0].total = reach(400);
    let found = compared(&old, &new);
    let a = &found.targets[0].engines[0];
    assert_eq!(found.targets[0].total, Both { old: 200, new: 400 });
    // Twice as many regions of twice as many: the same shares, pair by pair.
    let contrast = a.percent.contrast.unwrap();
    assert_eq!((contrast.a12, contrast.verdict), (0.5, Verdict::NotShown));
    assert!(
        found.notes[0].starts_with("The code under test has changed"),
        "{:?}",
        found.notes
    );
    let regions = Difference {
        what: "t: regions of the code under test".to_owned(),
        old: "200".to_owned(),
        new: "400".to_owned(),
    };
    assert_eq!(found.differences, [regions]);
}

#[test]
fn what_differs_in_the_conditions_is_said_first() {
    let old = run(&[("a", &[20, 21]), ("gone", &[20, 21])]);
    let mut new = run(&[("a", &[20, 21])]);
    new.time_seconds = 60;
    new.machine.processor = "another".to_owned();
    new.machine.tools = vec![("rustc".to_owned(), "2".to_owned())];
    new.targets[0].seeds.inputs = 4;
    new.targets[0].engines[0].command = "/elsewhere/a run -V 60".to_owned();
    let found = compared(&old, &new);
    let what: Vec<&str> = found
        .differences
        .iter()
        .map(|difference| difference.what.as_str())
        .collect();
    assert_eq!(
        what,
        [
            "processor",
            "rustc",
            "time of a trial",
            "t: seeds",
            "t: command of A",
            "t: command of GONE"
        ]
    );
    assert_eq!(found.differences[1].old, "–");
    let times = "The trials had different times";
    assert!(found.notes[0].starts_with(times), "{:?}", found.notes);
    assert_eq!(
        found.differences[3].new,
        "4, which reach 10 regions, 20 lines, 1 functions"
    );
    assert_eq!(found.targets[0].engines.len(), 1);
    let text = markdown(&found);
    assert!(text.find("What differs").unwrap() < text.find("What the trials show").unwrap());

    let elsewhere = comparison(1, vec![target("other", vec![engine("a", some(&[20], 1))])]);
    let nothing = compared(&old, &elsewhere);
    assert!(nothing.targets.is_empty());
    assert!(
        nothing.notes[0].contains("there is nothing to compare"),
        "{:?}",
        nothing.notes
    );
}

#[test]
fn speed_and_equal_executions_are_told_apart() {
    let old = comparison(
        2,
        vec![target("t", vec![engine("a", some(&[30, 30], 1000))])],
    );
    let new = comparison(
        2,
        vec![target("t", vec![engine("a", some(&[30, 30], 100))])],
    );
    let a = &compared(&old, &new).targets[0].engines[0];
    assert_eq!(a.percent.estimates.new, a.percent.estimates.old);
    // After 100 executions the old trials were at 12 regions of 200.
    let equal = a.percent_at_equal_executions.estimates;
    assert_eq!(
        equal.map(|estimate| estimate.unwrap().median),
        Both {
            old: 6.0,
            new: 15.0
        }
    );
}

#[test]
fn times_to_finds_are_compared_as_survival() {
    let old = run(&[("a", &[20; 5])]);
    let mut new = run(&[("a", &[20; 5])]);
    let firsts: Vec<(usize, u64)> = (1..=5).map(|trial| (trial, 1500)).collect();
    new.targets[0].engines[0].finds = vec![find("calc.x", 9, &firsts)];
    let found = compared(&old, &new);
    let find = &found.targets[0].engines[0].finds[0];
    assert_eq!(
        (find.caught, find.median_ms),
        (
            Both { old: 0, new: 5 },
            Both {
                old: None,
                new: Some(1500)
            }
        )
    );
    // lifelines.statistics.logrank_test([100000] * 5, [1500] * 5, [False] * 5, [True] * 5)
    assert!(
        (find.p.unwrap() - 0.002_699_796_063).abs() < 1e-9,
        "{find:?}"
    );
    let text = markdown(&found);
    assert!(
        text.contains("0 of 5") && text.contains("5 of 5") && text.contains("1.5\u{a0}s"),
        "{text}"
    );
    assert!(
        text.contains("not in half") && text.contains("0.0027"),
        "{text}"
    );
}

#[test]
fn a_report_is_read_from_its_folder_and_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    assert!(
        read(folder.path())
            .unwrap_err()
            .to_string()
            .contains("campaign compare")
    );
    fs::write(&report, "{}").unwrap();
    assert!(
        read(&report)
            .unwrap_err()
            .to_string()
            .contains("is no report")
    );
    fs::write(&report, r#"{"version": 3, "targets": []}"#).unwrap();
    let error = read(&report).unwrap_err().to_string();
    assert!(
        error.contains("is of version 3, and this program reads version 4"),
        "{error}"
    );

    let run = run(&[("a", &[20, 21])]);
    fs::write(&report, serde_json::to_string(&run).unwrap()).unwrap();
    assert_eq!(read(folder.path()).unwrap(), run);
    assert_eq!(read(&report).unwrap(), run);
    let found = compared(&run, &run);
    write(&found, folder.path()).unwrap();
    let text = fs::read_to_string(folder.path().join("against.json")).unwrap();
    assert_eq!(serde_json::from_str::<Against>(&text).unwrap(), found);
    assert_eq!(
        fs::read_to_string(folder.path().join("against.md")).unwrap(),
        markdown(&found)
    );
}
