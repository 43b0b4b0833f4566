//! Hand-made comparisons: small ones with known answers, and a full one with hostile names for the page.

use report::analysis::{analyse, survival};
use report::{
    Comparison, EngineResult, FindGroup, FirstFind, GrowthPoint, Load, Machine, Reach, RegionReach,
    SeedsResult, SurvivalKind, TargetResult, TrialResult, VERSION,
};
use statistics::survival::Observation;

/// Fails unless the text has each part.
#[track_caller]
pub(crate) fn shows(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

pub(crate) fn reach(regions: usize) -> Reach {
    Reach {
        regions,
        lines: 2 * regions,
        functions: regions / 10,
    }
}

/// A trial of 100 s that reaches 10 regions at once, and the others one by one at equal distances.
pub(crate) fn trial(number: usize, regions: usize, executions: u64) -> TrialResult {
    let steps = (regions - 10) as u64;
    let point = |step| GrowthPoint {
        time_ms: step * 1000,
        executions: step * executions / steps.max(1),
        regions: 10 + usize::try_from(step).unwrap(),
        lines: 0,
        functions: 0,
    };
    TrialResult {
        trial: number,
        core: Some(0),
        seconds: 100.0,
        seeds_read: 3,
        executions,
        executions_per_second: 2.0 * regions as f64,
        corpus: regions * 3,
        reach: reach(regions),
        growth: (0..=steps).map(point).collect(),
        ..TrialResult::default()
    }
}

/// Trials that reach these regions, with so many executions each.
pub(crate) fn trials(regions: &[usize], executions: u64) -> Vec<TrialResult> {
    let numbered = regions.iter().zip(1..);
    let trial = |(&regions, number)| trial(number, regions, executions);
    numbered.map(trial).collect()
}

pub(crate) fn engine(name: &str, trials: Vec<TrialResult>) -> EngineResult {
    EngineResult {
        engine: name.to_owned(),
        title: name.to_uppercase(),
        command: format!("{name} run"),
        trials,
        ..EngineResult::default()
    }
}

pub(crate) fn target(name: &str, engines: Vec<EngineResult>) -> TargetResult {
    TargetResult {
        target: name.to_owned(),
        max_input: 42,
        total: reach(200),
        reachable: reach(50),
        union: reach(40),
        seeds: SeedsResult {
            inputs: 3,
            reach: reach(10),
        },
        engines,
        ..TargetResult::default()
    }
}

/// A comparison of trials of a day each, analysed.
pub(crate) fn comparison(trials: usize, targets: Vec<TargetResult>) -> Comparison {
    let mut comparison = Comparison {
        version: VERSION,
        started: "2024-01-01T00:00:00Z".to_owned(),
        time_seconds: 24 * 60 * 60,
        trials,
        targets,
        ..Comparison::default()
    };
    analyse(&mut comparison);
    comparison
}

pub(crate) fn find(check: &str, inputs: usize, trials: &[(usize, u64)]) -> FindGroup {
    let first = |&(trial, time_ms)| FirstFind { trial, time_ms };
    FindGroup {
        check: check.to_owned(),
        inputs,
        example: "results/plain".to_owned(),
        trials: trials.iter().map(first).collect(),
    }
}

/// Markup, quotes, an entity, a control character and a mark that turns the direction of writing.
pub(crate) const NASTY: &str = "a \"b\" 'c' </code><script>alert(1)</script> &amp; \u{1} \u{202e}";

/// A value between -1 and 1 that looks drawn and is always the same.
fn jitter(trial: usize, what: usize) -> f64 {
    let mixed = (trial * 7919 + what * 104_729 + 13) % 1009;
    mixed as f64 / 504.5 - 1.0
}

/// An engine whose trials of 60 s reach `regions` and execute `per_second` a second, more or less; the growth slows down.
fn lifelike(title: &str, regions: usize, per_second: f64, trials: usize) -> EngineResult {
    let name = title.to_lowercase().replace('+', "");
    let trial = |number| {
        let end = (regions as f64 + 12.0 * jitter(number, name.len())).max(1006.0);
        let per_second = per_second * (1.0 + 0.1 * jitter(number, 3));
        let speed = 5.0 + 3.0 * jitter(number, 1);
        let point = |step: u32| {
            let share = f64::from(step) / 50.0;
            let part = (1.0 - (-speed * share).exp()) / (1.0 - (-speed).exp());
            GrowthPoint {
                time_ms: (share * 60_000.0) as u64,
                executions: (share * per_second * 60.0) as u64,
                regions: 1006 + ((end - 1006.0) * part) as usize,
                lines: 0,
                functions: 0,
            }
        };
        TrialResult {
            core: (number % 3 != 0).then_some(number % 2),
            started: "2026-11-22T15:54:30Z".to_owned(),
            seconds: 60.5,
            executions_per_second: per_second,
            corpus: 70 + number,
            stability: (name == "afl").then_some(99.5),
            load: Some(Load {
                average: 2.25,
                stolen_percent: 0.1,
            }),
            growth: (0..=50).map(point).collect(),
            ..self::trial(number, end as usize, (per_second * 60.0) as u64)
        }
    };
    let trials: Vec<TrialResult> = (1..=trials).map(trial).collect();
    let most = trials.iter().map(|trial| trial.reach.regions).max();
    EngineResult {
        title: title.to_owned(),
        reach: reach(most.unwrap_or(0)),
        ..engine(&name, trials)
    }
}

fn lifelike_target(name: &str, engines: Vec<EngineResult>) -> TargetResult {
    let trials: Vec<usize> = engines
        .iter()
        .map(|engine| engine.counting().count())
        .collect();
    let last = engines.len() - 1;
    let most = engines.iter().map(|engine| engine.reach.regions).max();
    // Reached by all, by the first engine, by the others, by the last, by none.
    let by = |line: usize, at: usize| match line % 5 {
        0 => trials[at],
        1 if at == 0 => trials[at].div_ceil(3),
        2 if at > 0 => trials[at].div_ceil(2),
        3 if at == last => trials[at],
        _ => 0,
    };
    let region = |line: usize| RegionReach {
        file: match line {
            16 => format!("crates/{NASTY}.rs"),
            _ => "crates/vhd/src/footer.rs".to_owned(),
        },
        line,
        column: 1,
        seeds: line.is_multiple_of(5),
        by: (0..=last).map(|at| by(line, at)).collect(),
    };
    TargetResult {
        drives: "the scanners".to_owned(),
        max_input: 65_536,
        dictionary: true,
        total: reach(2873),
        reachable: reach(1500),
        union: reach(most.unwrap_or(1006) + 8),
        seeds: SeedsResult {
            inputs: 3,
            reach: reach(1006),
        },
        regions: (1..=17).map(region).collect(),
        ..target(name, engines)
    }
}

/// Three targets: two on which all is well, and one on which nearly everything is not.
pub(crate) fn full() -> Comparison {
    let three = |[afl, libfuzzer, honggfuzz]: [usize; 3]| {
        vec![
            lifelike("AFL++", afl, 26_000.0, 10),
            lifelike("libFuzzer", libfuzzer, 180_000.0, 10),
            lifelike("honggfuzz", honggfuzz, 46_000.0, 10),
        ]
    };
    let mut afl = lifelike("AFL++", 1010, 118.0, 7);
    afl.trials[2].failure = Some(format!("it died: {NASTY}"));
    afl.finds = vec![
        FindGroup {
            example: format!("results/{NASTY}"),
            ..find("scan.reads_bounded", 1234, &[(1, 2345), (4, 0)])
        },
        find("unreproduced", 1, &[]),
    ];
    let mut honggfuzz = lifelike("honggfuzz", 900, 0.0, 2);
    for trial in &mut honggfuzz.trials {
        trial.failure = Some(format!("it died too: {NASTY}"));
    }
    let mut ill = lifelike_target("fuzz_ill", vec![afl, honggfuzz]);
    ill.drives = NASTY.to_owned();
    ill.never_evaluated = vec![NASTY.to_owned()];
    let caught = [900, 2000, 2100, 9000, 12_000, 30_000, 60_000].map(|time_ms| Observation {
        time_ms,
        happened: time_ms < 60_000,
    });
    ill.survivals = vec![survival(NASTY, SurvivalKind::Fault, "afl", &caught)];
    let mut comparison = Comparison {
        started: "2026-11-22T15:54:30Z".to_owned(),
        time_seconds: 60,
        snapshot_seconds: 5,
        order_seed: 42,
        machine: Machine {
            memory_bytes: 24 << 30,
            virtualised: true,
            processor: format!("processor {NASTY}"),
            cores: 2,
            jobs: 2,
            system: NASTY.to_owned(),
            tools: vec![("rustc".to_owned(), NASTY.to_owned())],
        },
        targets: vec![
            lifelike_target("fuzz_well", three([1340, 1382, 1408])),
            lifelike_target("fuzz_sound", three([1100, 1101, 1180])),
            ill,
        ],
        notes: vec![format!("A note: {NASTY}")],
        ..comparison(10, Vec::new())
    };
    analyse(&mut comparison);
    comparison
}
