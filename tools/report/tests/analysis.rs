//! What is made of trials, on hand-made ones with known answers.

mod sample;

use report::analysis::{analyse, contrast, estimate, survival};
use report::{Estimate, Magnitude, SurvivalKind, Verdict};
use statistics::survival::Observation;

use sample::{comparison, engine, find, reach, target, trial, trials as some};

fn exactly(value: f64) -> Option<Estimate> {
    Some(Estimate {
        median: value,
        low: value,
        high: value,
    })
}

#[test]
fn an_engine_s_estimates_are_over_the_trials_that_count() {
    let mut of_first = some(&[20, 30, 40, 99], 1000);
    of_first[3].failure = Some("it died".to_owned());
    let comparison = comparison(4, vec![target("t", vec![engine("a", of_first)])]);
    let a = &comparison.targets[0].engines[0];
    let estimate = |median, low, high| Some(Estimate { median, low, high });
    assert_eq!(a.regions, estimate(30.0, 20.0, 40.0));
    assert_eq!(a.lines, estimate(60.0, 40.0, 80.0));
    assert_eq!(a.functions, estimate(3.0, 2.0, 4.0));
    assert_eq!(a.executions, exactly(1000.0));
    assert_eq!(a.executions_per_second, estimate(60.0, 40.0, 80.0));
    assert_eq!(a.corpus, estimate(90.0, 60.0, 120.0));
    assert!(comparison.targets[0].pairs.is_empty());
    let lost = "A lost 1 of 4 trials on t, which do not count: it died";
    assert!(
        comparison.notes.iter().any(|note| note == lost),
        "{:?}",
        comparison.notes
    );
}

#[test]
fn an_engine_without_a_trial_that_counts_has_no_figures() {
    let mut dead = some(&[20], 1000);
    dead[0].failure = Some("it died\nand said much".to_owned());
    dead[0].core = None;
    let engines = vec![engine("a", dead), engine("b", some(&[20], 1000))];
    let comparison = comparison(1, vec![target("t", engines)]);
    let a = &comparison.targets[0].engines[0];
    assert_eq!((a.regions, a.executions), (None, None));
    assert!(a.over_time.is_empty() && a.over_executions.is_empty());
    assert!(
        a.milestones
            .iter()
            .all(|m| m.trials == 0 && m.time_ms.is_none())
    );
    let lost = "A lost 1 of 1 trial on t, which do not count: it died";
    assert!(!comparison.notes.iter().any(|note| note.contains("pinned")));
    assert!(
        comparison.notes.iter().any(|note| note == lost),
        "{:?}",
        comparison.notes
    );
}

#[test]
fn milestones_are_shares_of_the_union() {
    // The union is 40: 20, 36 and 38 regions, which are reached after 10, 26 and 28 s.
    let engines = vec![engine("a", some(&[36, 40, 20], 3000))];
    let comparison = comparison(3, vec![target("t", engines)]);
    let found: Vec<(u32, usize, usize, Option<Estimate>)> = comparison.targets[0].engines[0]
        .milestones
        .iter()
        .map(|m| (m.percent, m.regions, m.trials, m.time_ms))
        .collect();
    assert_eq!(
        found,
        [
            (50, 20, 3, exactly(10_000.0)),
            (90, 36, 2, exactly(26_000.0)),
            (95, 38, 1, exactly(28_000.0)),
        ]
    );
    // 3000 executions are over 26, 30 and 10 steps.
    let executions = comparison.targets[0].engines[0].milestones[0]
        .executions
        .unwrap();
    assert_eq!((executions.low, executions.high), (1000.0, 3000.0));
}

#[test]
fn bands_are_quartiles_on_a_grid_that_engines_share() {
    let engines = vec![
        engine("a", some(&[20, 30, 40], 1000)),
        engine("b", vec![trial(1, 40, 90), trial(2, 40, 300)]),
    ];
    let comparison = comparison(3, vec![target("t", engines)]);
    let [a, b] = &comparison.targets[0].engines[..] else {
        panic!("two engines");
    };
    let places = |bands: &[report::Band]| bands.iter().map(|band| band.at).collect::<Vec<_>>();
    assert_eq!(places(&a.over_time), places(&b.over_time));
    assert!(a.over_time.len() <= 200);
    let (first, last) = (a.over_time[0], a.over_time.last().unwrap());
    assert_eq!(
        (first.at, first.low, first.median, first.high),
        (0.0, 10.0, 10.0, 10.0)
    );
    assert_eq!(
        (last.at, last.low, last.median, last.high),
        (100_000.0, 25.0, 30.0, 35.0)
    );
    assert!(a.over_time.is_sorted_by_key(|band| band.median));
    // Over executions as far as each trial went, which need not be a place of the grid.
    assert_eq!(a.over_executions.last().unwrap().at, 1000.0);
    assert_eq!(b.over_executions.last().unwrap().at, 90.0);
    // 90 executions end the first trial; the second is at 9 of its 30 steps.
    assert_eq!(
        b.over_executions.last().unwrap().median,
        (40.0 + 19.0) / 2.0
    );
}

#[test]
fn pairs_are_compared_at_the_end_and_at_equal_executions() {
    let fast = some(&[20, 21, 22, 23, 24], 10_000);
    let slow = some(&[30, 31, 32, 33, 34], 100);
    let comparison = comparison(
        5,
        vec![target("t", vec![engine("a", fast), engine("b", slow)])],
    );
    let [pair] = &comparison.targets[0].pairs[..] else {
        panic!("one pair");
    };
    assert_eq!((pair.first.as_str(), pair.second.as_str()), ("a", "b"));
    let regions = pair.regions;
    assert_eq!(
        (regions.first, regions.second, regions.u, regions.a12),
        (22.0, 32.0, 0.0, 0.0)
    );
    assert!((regions.p - 2.0 / 252.0).abs() < 1e-12 && regions.exact);
    assert_eq!(regions.magnitude, Magnitude::Large);
    // After 100 executions the fast one is where it began, at 10 regions in every trial.
    let equal = pair.at_equal_executions.unwrap();
    assert_eq!(
        (equal.first, equal.second, equal.exact),
        (10.0, 32.0, false)
    );
    assert_eq!(regions.verdict, Verdict::Lower);
    let note = "Each engine has 5 trials; evaluations ask for at least 10. The smallest p-value that 5 against 5 \
        can give is 0.0079: a real difference may well not show.";
    assert!(
        comparison.notes.iter().any(|found| found == note),
        "{:?}",
        comparison.notes
    );
}

#[test]
fn one_trial_is_not_tested_and_no_trials_are_no_estimate() {
    assert_eq!(contrast(&[1.0], &[2.0, 3.0]), None);
    assert_eq!(contrast(&[], &[]), None);
    assert_eq!(estimate(&[]), None);
    assert_eq!(estimate(&[4.0]), exactly(4.0));
    let equal = contrast(&[7.0; 3], &[7.0; 4]).unwrap();
    assert_eq!(
        (equal.p, equal.a12, equal.magnitude),
        (1.0, 0.5, Magnitude::Negligible)
    );

    let engines = vec![engine("a", some(&[20], 10)), engine("b", some(&[30], 10))];
    let one = comparison(1, vec![target("t", engines)]);
    assert!(one.targets[0].pairs.is_empty());
    let note = "Each engine has 1 trial; evaluations ask for at least 10. A single trial is not tested against \
        another: a difference may be chance.";
    assert!(
        one.notes.iter().any(|found| found == note),
        "{:?}",
        one.notes
    );

    let engines = vec![
        engine("a", some(&[20, 21, 22], 10)),
        engine("b", some(&[30, 31, 32], 10)),
    ];
    let three = comparison(3, vec![target("t", engines)]);
    let note = "can give is 0.10: no difference can be significant at 5 %.";
    assert!(
        three.notes.iter().any(|found| found.ends_with(note)),
        "{:?}",
        three.notes
    );
}

#[test]
fn finds_are_survival_data_and_planted_faults_stay() {
    let mut a = engine("a", some(&[20, 20, 20, 20], 10));
    a.trials[3].failure = Some("it died".to_owned());
    a.finds = vec![
        find("calc.x", 5, &[(2, 5000), (3, 0), (4, 1)]),
        find("unreproduced", 5, &[(1, 1)]),
    ];
    let b = engine("b", some(&[20, 20], 10));
    let mut with_finds = target("t", vec![a, b]);
    let seen = [Observation {
        time_ms: 7,
        happened: true,
    }];
    with_finds.survivals = vec![survival("planted", SurvivalKind::Fault, "a", &seen)];
    let comparison = comparison(4, vec![with_finds]);
    let [of_a, of_b, planted] = &comparison.targets[0].survivals[..] else {
        panic!("{:?}", comparison.targets[0].survivals);
    };
    assert_eq!(
        (of_a.of.as_str(), of_a.kind, of_a.trials, of_a.caught),
        ("calc.x", SurvivalKind::Find, 3, 2)
    );
    assert_eq!(of_a.median_ms, Some(5000));
    let steps: Vec<(u64, usize)> = of_a.steps.iter().map(|s| (s.time_ms, s.at_risk)).collect();
    assert_eq!(steps, [(0, 3), (5000, 2)]);
    assert_eq!((of_b.caught, of_b.trials, of_b.median_ms), (0, 2, None));
    assert!(of_b.steps.is_empty());
    assert_eq!(
        (planted.of.as_str(), planted.median_ms),
        ("planted", Some(7))
    );
}

#[test]
fn notes_say_what_weakens_a_comparison_and_nothing_else() {
    let many: Vec<usize> = (20..30).collect();
    let strong = || {
        let engines = vec![engine("a", some(&many, 10)), engine("b", some(&many, 10))];
        comparison(10, vec![target("t", engines)])
    };
    assert_eq!(strong().notes, [""; 0]);

    let mut weak = strong();
    weak.time_seconds = 90;
    weak.interrupted = true;
    weak.trials = 11;
    weak.targets[0].seeds.reach = reach(29);
    weak.targets[0].engines[0].trials[4].core = None;
    weak.notes = vec!["The fan was loud.".to_owned()];
    analyse(&mut weak);
    assert_eq!(
        weak.notes,
        [
            "It was interrupted: 20 of 22 trials are here. The same command with the same --out resumes it.",
            "Each trial had 1\u{a0}min 30\u{a0}s, and not the 24 hours that evaluations ask for: which engine is ahead may \
             change with more time.",
            "A on t reached nothing that the seeds do not reach, in any trial.",
            "B on t reached nothing that the seeds do not reach, in any trial.",
            "1 of 20 trials ran without being pinned to a core.",
            "The fan was loud.",
        ]
    );
    let before = weak.clone();
    analyse(&mut weak);
    assert_eq!(weak, before, "a second time changes nothing");
}

#[test]
fn a_difference_is_one_after_adjusting_for_all_pairs() {
    // U = 2: of the 252 ways to part ten trials, eight are as far apart or farther.
    let low: &[usize] = &[20, 21, 22, 23, 26];
    let high: &[usize] = &[24, 25, 27, 28, 29];
    let pairs = |groups: &[&[usize]]| {
        let engines = groups.iter().zip(["a", "b", "c"]);
        let engines = engines.map(|(regions, name)| engine(name, some(regions, 100)));
        let found = comparison(groups[0].len(), vec![target("t", engines.collect())]);
        let pairs = found.targets[0].pairs.iter().map(|pair| pair.regions);
        pairs.collect::<Vec<_>>()
    };
    let p = 8.0 / 252.0;
    let alone = pairs(&[high, low])[0];
    assert_eq!((alone.p, alone.adjusted_p), (p, p));
    assert_eq!((alone.verdict, alone.trials), (Verdict::Higher, (5, 5)));
    let among = pairs(&[low, high, low])[0];
    assert_eq!(among.p, p);
    assert!((among.adjusted_p - 3.0 * p).abs() < 1e-12);
    assert_eq!(among.verdict, Verdict::NotShown);
    // No outcome of so few trials is significant; one trial is not tested.
    let few = pairs(&[&[20, 21], &[90, 91]])[0];
    assert_eq!(few.verdict, Verdict::TooFewTrials);
    assert!(pairs(&[&[20], &[90]]).is_empty());
}

#[test]
fn what_is_odd_about_trials_is_noted() {
    let many: Vec<usize> = (20..30).collect();
    let engines = || vec![engine("a", some(&many, 10)), engine("b", some(&many, 10))];
    let mut odd = comparison(10, vec![target("t", engines()), target("u", engines())]);
    odd.targets[0].engines[1].trials[0].seeds_read = 0;
    odd.targets[0].engines[1].trials[0].stability = Some(91.26);
    odd.targets[1].engines.truncate(1);
    odd.targets[1].never_evaluated = vec!["calc.x".to_owned()];
    analyse(&mut odd);
    assert_eq!(
        odd.notes,
        [
            "B on t read 0 of 3 seeds in a trial.",
            "B on t was 91.3\u{a0}% stable in its worst trial: some state outlives an input, or is initialised only \
             once.",
            "B was not run on u.",
            "u: no input evaluated 1 check: calc.x.",
        ]
    );
}
