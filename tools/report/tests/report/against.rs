//! Two runs side by side, on hand-made trials with known answers.

use std::fs;

use report::against::markdown;
use report::{Comparison, read};

use crate::sample::{comparison, engine, find, reach, shows, target, trials as some};

/// The text, with runs of blanks as one.
fn compared(old: &Comparison, new: &Comparison) -> String {
    let text = markdown([old, new], ["before", "after"]).replace(['\u{a0}', '\u{202f}'], " ");
    let words = text.split(' ').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// A run of one target with these regions under each engine, after so many executions.
fn run_of(engines: &[(&str, &[usize])], executions: u64) -> Comparison {
    let trials = engines.iter().map(|(_, regions)| regions.len());
    let trials = trials.max().unwrap();
    let engines = engines.iter();
    let engines = engines.map(|(name, regions)| engine(name, some(regions, executions)));
    comparison(trials, vec![target("t", engines.collect())])
}

fn run(engines: &[(&str, &[usize])]) -> Comparison {
    run_of(engines, 1000)
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
    // The exact p-value is 2 of 252; Holm multiplies it by three engines.
    shows(
        &compared(&old, &new),
        &[
            "Nothing that the reports record.",
            "| t | A | 5 / 5 | 11.00 [10.00, 12.00] | 21.00 [20.00, 22.00] | 0.0079 exact | 0.024 | 1.00 | large | first \
             is higher |",
            "| t | B | 5 / 5 | 16.00 [15.00, 17.00] | 6.00 [5.00, 7.00] | 0.0079 exact | 0.024 | 0.00 | large | first is \
             lower |",
            "| t | C | 5 / 5 | 10.00 | 10.00 | 1 | 1 | 0.50 | negligible | no difference shown |",
            "Both: Each engine has 5 trials",
        ],
    );
}

#[test]
fn few_trials_show_that_they_are_too_few() {
    let mut lost = run(&[("a", &[20, 21])]);
    for trial in &mut lost.targets[0].engines[0].trials {
        trial.failure = Some("it died".to_owned());
    }
    let many = run(&[("a", &[40, 41, 42])]);
    for (old, row) in [
        (
            run(&[("a", &[20, 21, 22])]),
            "1.00 | large | too few trials |",
        ),
        (
            run(&[("a", &[20])]),
            "| t | A | 1 / 3 | 10.00 | 20.50 [20.00, 21.00] | – | – | – | – | not tested |",
        ),
        (
            lost,
            "| 0 / 3 | – | 20.50 [20.00, 21.00] | – | – | – | – | not tested |",
        ),
    ] {
        shows(&compared(&old, &many), &[row]);
    }
}

#[test]
fn when_the_code_has_changed_shares_of_it_are_compared() {
    let old = run(&[("a", &[20, 21, 22, 23, 24])]);
    let mut new = run(&[("a", &[40, 42, 44, 46, 48])]);
    new.targets[0].total = reach(400);
    // Twice as many regions of twice as many: the same shares, pair by pair.
    shows(
        &compared(&old, &new),
        &[
            "- t: regions of the code under test: 200 → 400\n\n- The code under test has changed",
            "| 11.00 [10.00, 12.00] | 11.00 [10.00, 12.00] | 1 | 1 | 0.50 | negligible | no difference shown |",
        ],
    );
}

#[test]
fn what_differs_in_the_conditions_comes_first() {
    let old = run(&[("a", &[20, 21]), ("gone", &[20, 21])]);
    let mut new = run(&[("a", &[20, 21])]);
    new.time_seconds = 60;
    new.machine.processor = "another".to_owned();
    new.machine.tools = vec![("rustc".to_owned(), "2".to_owned())];
    new.targets[0].seeds.inputs = 4;
    new.targets[0].engines[0].command = "/elsewhere/a run -V 60 -x=/c/d.dict".to_owned();
    let text = compared(&old, &new);
    let differences = "## What differs in the conditions\n
- processor: → another
- rustc: – → 2
- time of a trial: 24 h → 1 min
- t: seeds: 3, which reach 10 regions, 20 lines, 1 functions → 4, which reach 10 regions, 20 lines, 1 functions
- t: command of A: a run → …/a run -V 60 -x=…/d.dict
- t: command of GONE: gone run → –

- The trials had different times";
    shows(&text, &[differences]);
    assert!(!text.contains("| GONE"), "{text}");
    assert!(text.find("What differs").unwrap() < text.find("Regions reached").unwrap());

    let elsewhere = comparison(1, vec![target("other", vec![engine("a", some(&[20], 1))])]);
    shows(
        &compared(&old, &elsewhere),
        &["there is nothing to compare"],
    );
}

#[test]
fn speed_and_equal_executions_are_kept_apart() {
    let old = run_of(&[("a", &[30, 30])], 1000);
    let new = run_of(&[("a", &[30, 30])], 100);
    // After 100 executions the old trials were at 12 regions of 200.
    let text = compared(&old, &new);
    let (first, second) = text.split_once("equally many executions").unwrap();
    shows(first, &["| 2 / 2 | 15.00 | 15.00 |"]);
    shows(second, &["| 2 / 2 | 6.00 | 15.00 |"]);
}

#[test]
fn times_to_finds_are_compared_as_survival() {
    let old = run(&[("a", &[20; 5])]);
    let mut new = run(&[("a", &[20; 5])]);
    let firsts: Vec<(usize, u64)> = (1..=5).map(|trial| (trial, 1500)).collect();
    new.targets[0].engines[0].finds = vec![find("calc.x", 9, &firsts)];
    // lifelines.statistics.logrank_test([100000] * 5, [1500] * 5, [False] * 5, [True] * 5): 0.0026998
    let row = "| calc.x | 0 of 5 | 5 of 5 | not in half | 1.5 s | 0.0027 |";
    shows(&compared(&old, &new), &[row]);
}

#[test]
fn a_report_is_read_from_its_folder_and_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    for (text, error) in [
        (None, "campaign compare"),
        (Some("{}"), "is no report"),
        (
            Some(r#"{"version": 4, "targets": []}"#),
            "is of version 4, and this program reads version 5",
        ),
    ] {
        if let Some(text) = text {
            fs::write(&report, text).unwrap();
        }
        shows(&read(folder.path()).unwrap_err().to_string(), &[error]);
    }
    let run = run(&[("a", &[20, 21])]);
    fs::write(&report, serde_json::to_string(&run).unwrap()).unwrap();
    assert_eq!(read(folder.path()).unwrap(), run);
    assert_eq!(read(&report).unwrap(), run);
}
