//! Hand-made trials, for the tests of what is made of them.

use report::analysis::analyse;
use report::{
    Comparison, EngineResult, GrowthPoint, Machine, Reach, SeedsResult, TargetResult, TrialResult,
    VERSION,
};

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
    let growth = (0..=steps)
        .map(|step| GrowthPoint {
            time_ms: step * 1000,
            executions: step * executions / steps.max(1),
            regions: 10 + usize::try_from(step).unwrap(),
            lines: 0,
            functions: 0,
        })
        .collect();
    TrialResult {
        trial: number,
        core: Some(0),
        started: "2024-01-01T00:00:00Z".to_owned(),
        seconds: 100.0,
        seeds_read: 3,
        executions,
        executions_per_second: 2.0 * regions as f64,
        corpus: regions * 3,
        reach: reach(regions),
        stability: None,
        growth,
        failure: None,
    }
}

pub(crate) fn engine(name: &str, trials: Vec<TrialResult>) -> EngineResult {
    EngineResult {
        command: format!("{name} run"),
        ..EngineResult::of_trials(name, &name.to_uppercase(), trials, reach(0))
    }
}

/// Trials that reach these regions, with so many executions each.
pub(crate) fn trials(regions: &[usize], executions: u64) -> Vec<TrialResult> {
    let numbered = regions.iter().zip(1..);
    numbered
        .map(|(&regions, number)| trial(number, regions, executions))
        .collect()
}

pub(crate) fn target(name: &str, engines: Vec<EngineResult>) -> TargetResult {
    TargetResult {
        target: name.to_owned(),
        drives: String::new(),
        max_input: 42,
        dictionary: false,
        total: reach(200),
        union: reach(40),
        seeds: SeedsResult {
            inputs: 3,
            reach: reach(10),
        },
        engines,
        pairs: Vec::new(),
        regions: Vec::new(),
        survivals: Vec::new(),
        never_evaluated: Vec::new(),
    }
}

pub(crate) fn comparison(trials: usize, targets: Vec<TargetResult>) -> Comparison {
    let mut comparison = Comparison {
        version: VERSION,
        started: "2024-01-01T00:00:00Z".to_owned(),
        time_seconds: 24 * 60 * 60,
        snapshot_seconds: 1,
        trials,
        order_seed: 1,
        interrupted: false,
        machine: Machine {
            processor: String::new(),
            cores: 2,
            jobs: 2,
            system: String::new(),
            tools: Vec::new(),
        },
        code: Vec::new(),
        targets,
        across_targets: None,
        notes: Vec::new(),
    };
    analyse(&mut comparison);
    comparison
}
