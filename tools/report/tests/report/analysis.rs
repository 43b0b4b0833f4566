//! What is made of trials, on hand-made ones with known answers.

use report::analysis::{analyse, survival};
use report::{Band, Comparison, Estimate, Load, Start, SurvivalKind, TargetResult, Verdict};
use report::{against, page, summary};
use statistics::groups::Magnitude;
use statistics::survival::Observation;

use crate::sample::{comparison, engine, find, reach, shows, target, trial, trials as some};

fn between(low: f64, median: f64, high: f64) -> Option<Estimate> {
    Some(Estimate { low, median, high })
}

fn exactly(value: f64) -> Option<Estimate> {
    between(value, value, value)
}

/// A comparison of engines `a`, `b` and so on, on one target, whose trials of 100 executions reach these regions.
fn of_regions(groups: &[&[usize]]) -> Comparison {
    let engines = groups.iter().zip(["a", "b", "c"]);
    let engines = engines.map(|(regions, name)| engine(name, some(regions, 100)));
    comparison(groups[0].len(), vec![target("t", engines.collect())])
}

#[track_caller]
fn has_note(comparison: &Comparison, note: &str) {
    let notes = &comparison.notes;
    assert!(notes.iter().any(|found| found == note), "{notes:?}");
}

#[test]
fn an_engine_s_estimates_are_over_the_trials_that_count() {
    let mut of_first = some(&[20, 30, 40, 99], 1000);
    of_first[3].failure = Some("it died\nand wrote much".to_owned());
    let mut dead = of_first[3..].to_vec();
    dead[0].core = None;
    let engines = vec![engine("a", of_first), engine("b", dead)];
    let comparison = comparison(4, vec![target("t", engines)]);
    let [a, b] = &comparison.targets[0].engines[..] else {
        panic!("two engines");
    };
    assert_eq!(a.regions, between(20.0, 30.0, 40.0));
    assert_eq!(a.lines, between(40.0, 60.0, 80.0));
    assert_eq!(a.functions, between(2.0, 3.0, 4.0));
    assert_eq!(a.executions, exactly(1000.0));
    assert_eq!(a.executions_per_second, between(40.0, 60.0, 80.0));
    assert_eq!(a.corpus, between(60.0, 90.0, 120.0));
    has_note(
        &comparison,
        "A lost 1 of 4 trials on t, which do not count: it died",
    );

    assert_eq!((b.regions, b.executions), (None, None));
    assert!(b.over_time.is_empty() && b.over_executions.is_empty());
    let mut shares = b.milestones.iter();
    assert!(shares.all(|share| share.trials == 0 && share.time_ms.is_none()));
    assert!(comparison.targets[0].pairs.is_empty());
    has_note(
        &comparison,
        "B lost 1 of 1 trial on t, which do not count: it died",
    );
    assert!(!comparison.notes.iter().any(|note| note.contains("pinned")));
}

#[test]
fn milestones_are_shares_of_the_union() {
    // The union is 40: 20, 36 and 38 regions, which are reached after 10, 26 and 28 s.
    let engines = vec![engine("a", some(&[36, 40, 20], 3000))];
    let comparison = comparison(3, vec![target("t", engines)]);
    let milestones = &comparison.targets[0].engines[0].milestones;
    let found = milestones
        .iter()
        .map(|share| (share.percent, share.regions, share.trials, share.time_ms));
    assert_eq!(
        found.collect::<Vec<_>>(),
        [
            (50, 20, 3, exactly(10_000.0)),
            (90, 36, 2, exactly(26_000.0)),
            (95, 38, 1, exactly(28_000.0)),
        ]
    );
    // 3000 executions are over 26, 30 and 10 steps.
    let executions = milestones[0].executions.unwrap();
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
    let places = |bands: &[Band]| bands.iter().map(|band| band.at).collect::<Vec<_>>();
    assert_eq!(places(&a.over_time), places(&b.over_time));
    assert!(a.over_time.len() <= 200);
    let band = |at, low, median, high| Band {
        at,
        low,
        median,
        high,
    };
    assert_eq!(a.over_time[0], band(0.0, 10.0, 10.0, 10.0));
    let last = band(100_000.0, 25.0, 30.0, 35.0);
    assert_eq!(a.over_time.last(), Some(&last));
    assert!(a.over_time.is_sorted_by_key(|band| band.median));
    // Over executions as far as each trial went, which need not be a place of the grid.
    assert_eq!(a.over_executions.last().unwrap().at, 1000.0);
    // 90 executions end the first trial; the second is at 9 of its 30 steps.
    let last = b.over_executions.last().unwrap();
    assert_eq!((last.at, last.median), (90.0, (40.0 + 19.0) / 2.0));
}

#[test]
fn pairs_are_compared_at_the_end_and_at_equal_executions() {
    let fast = some(&[20, 21, 22, 23, 24], 10_000);
    let slow = some(&[30, 31, 32, 33, 34], 100);
    let engines = vec![engine("a", fast), engine("b", slow)];
    let comparison = comparison(5, vec![target("t", engines)]);
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
    assert_eq!(regions.verdict, Verdict::Lower);
    // After 100 executions the fast one is where it began, at 10 regions in every trial.
    let equal = pair.at_equal_executions;
    assert_eq!(
        (equal.first, equal.second, equal.exact),
        (10.0, 32.0, false)
    );
}

#[test]
fn starts_are_never_mixed_and_the_one_that_separates_the_engines_comes_first() {
    let of = |start, regions: &[&[usize]]| TargetResult {
        start,
        ..of_regions(regions).targets.remove(0)
    };
    let low: &[usize] = &[20, 21, 22, 23, 24];
    let alike = of(Start::Seeds, &[low, low]);
    let apart = of(Start::Nothing, &[low, &[30, 31, 32, 33, 34]]);
    let both = comparison(5, vec![alike.clone(), apart]);
    let [nothing, seeds] = [0, 1].map(|at| &both.targets[at]);
    assert_eq!((nothing.start, seeds.start), (Start::Nothing, Start::Seeds));
    // Tests of another start are not adjusted for, and its trials are in no group.
    let [nothing, seeds] = [nothing, seeds].map(|of| of.pairs[0].regions);
    assert_eq!((nothing.trials, nothing.adjusted_p), ((5, 5), nothing.p));
    assert_eq!(
        (nothing.verdict, seeds.verdict),
        (Verdict::Lower, Verdict::NotShown)
    );
    let text = summary::markdown(&both) + &page::html(&both) + &summary::series(&both);
    let parts = [
        "on 1 target, from seeds and nothing, ",
        "- `t` from nothing: Median",
        "| t from nothing | A ",
        "<h2><code>t</code> from nothing</h2>",
        "uninformed seeds</dt><dd><strong>yes",
        "target,start,engine,",
        "\nt,nothing,b,5,24000,100,34,",
    ];
    shows(&text, &parts);
    // Both have the engine on the target, and no start in common.
    let before = comparison(5, vec![alike]);
    let text = against::markdown([&before, &both], ["before", "after"]);
    assert!(!text.contains("| t from nothing |"), "{text}");
    // Reports of before there were starts are of trials from the seeds.
    let mut old = serde_json::to_value(&before).unwrap();
    old["targets"][0].as_object_mut().unwrap().remove("start");
    assert_eq!(serde_json::from_value::<Comparison>(old).unwrap(), before);
}

#[test]
fn few_trials_are_noted_and_one_is_not_tested() {
    let one = of_regions(&[&[20], &[30]]);
    assert!(one.targets[0].pairs.is_empty());
    for (comparison, note) in [
        (
            one,
            "Each engine has 1 trial; evaluations ask for at least 10. The smallest p-value that 1 against 1 can give is \
             1: no difference can be significant at 5 %.",
        ),
        (
            of_regions(&[&[20, 21, 22], &[30, 31, 32]]),
            "Each engine has 3 trials; evaluations ask for at least 10. The smallest p-value that 3 against 3 can give \
             is 0.10: no difference can be significant at 5 %.",
        ),
        (
            of_regions(&[&[20, 21, 22, 23, 24], &[30, 31, 32, 33, 34]]),
            "Each engine has 5 trials; evaluations ask for at least 10. The smallest p-value that 5 against 5 can give \
             is 0.0079: a real difference may well not show.",
        ),
    ] {
        has_note(&comparison, note);
    }
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
    let steps = of_a.steps.iter().map(|step| (step.time_ms, step.at_risk));
    assert_eq!(steps.collect::<Vec<_>>(), [(0, 3), (5000, 2)]);
    assert_eq!((of_b.caught, of_b.trials, of_b.median_ms), (0, 2, None));
    assert!(of_b.steps.is_empty());
    assert_eq!(
        (planted.of.as_str(), planted.median_ms),
        ("planted", Some(7))
    );
}

#[test]
fn a_difference_is_one_after_adjusting_for_all_pairs() {
    // U = 2: of the 252 ways to part ten trials, eight are as far apart or farther.
    let low: &[usize] = &[20, 21, 22, 23, 26];
    let high: &[usize] = &[24, 25, 27, 28, 29];
    let pairs = |groups: &[&[usize]]| {
        let found = of_regions(groups);
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
    // No outcome of so few trials is significant.
    let few = pairs(&[&[20, 21], &[90, 91]])[0];
    assert_eq!(few.verdict, Verdict::TooFewTrials);
}

#[test]
fn notes_list_what_weakens_a_comparison_and_nothing_else() {
    let many: Vec<usize> = (20..30).collect();
    let engines = || vec![engine("a", some(&many, 10)), engine("b", some(&many, 10))];
    let strong = comparison(10, vec![target("t", engines()), target("u", engines())]);
    assert_eq!(strong.notes, [""; 0]);

    let mut weak = strong.clone();
    weak.time_seconds = 90;
    weak.interrupted = true;
    weak.trials = 11;
    weak.targets[0].seeds.reach = reach(29);
    weak.targets[0].engines[0].trials[4].core = None;
    weak.notes = vec!["The fan was loud.".to_owned()];
    // A configuration takes no part where it would change nothing.
    let mut configured = strong.clone();
    configured.targets[0].engines[1].configuration = "-c -".to_owned();
    configured.targets[1].engines.truncate(1);
    analyse(&mut configured);
    assert_eq!(configured.notes, [""; 0]);
    let mut odd = strong;
    odd.targets[0].engines[1].trials[0].seeds_read = 0;
    odd.targets[0].engines[1].trials[0].stability = Some(91.26);
    odd.machine.cores = 2;
    let loads = [(3.1, 0.0), (0.5, 2.1), (3.0, 2.0)];
    for (trial, (average, stolen_percent)) in odd.targets[0].engines[0].trials.iter_mut().zip(loads)
    {
        trial.load = Some(Load {
            average,
            stolen_percent,
        });
    }
    odd.targets[1].engines.truncate(1);
    odd.targets[1].never_evaluated = vec!["calc.x".to_owned()];
    for (mut comparison, notes) in [
        (
            weak,
            &[
                "It was interrupted: 40 of 44 trials are here. The same command with the same --out resumes it.",
                "Each trial had 1\u{a0}min 30\u{a0}s, and not the 24 hours that evaluations ask for: which engine is ahead may \
                 change with more time.",
                "A on t reached nothing that the seeds do not reach, in any trial.",
                "B on t reached nothing that the seeds do not reach, in any trial.",
                "1 of 40 trials ran without being pinned to a core.",
                "The fan was loud.",
            ][..],
        ),
        (
            odd,
            &[
                "B on t read 0 of 3 seeds in a trial.",
                "B on t was 91.3\u{a0}% stable in its worst trial: some state outlives an input, or is initialised only \
                 once.",
                "2 trials ran on a busy machine: its load was above 3, or more than 2 % of its time was stolen by others on \
                 the same hardware.",
                "B was not run on u.",
                "u: no input evaluated 1 check: calc.x.",
            ],
        ),
    ] {
        analyse(&mut comparison);
        assert_eq!(comparison.notes, notes);
        let before = comparison.clone();
        analyse(&mut comparison);
        assert_eq!(comparison, before, "a second time changes nothing");
    }
}
