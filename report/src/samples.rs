//! Small results for the tests of this folder's modules.

use super::{
    Comparison, EngineResult, Estimate, Machine, Reach, RegionReach, SeedsResult, TargetResult,
    TrialResult, VERSION,
};
use statistics::quantile::quartiles;

/// So many regions, and nothing else.
fn reach(regions: usize) -> Reach {
    Reach {
        regions,
        ..Reach::default()
    }
}

/// A trial of 2 s and 1000 executions that reached so many regions.
fn trial(trial: usize, regions: usize) -> TrialResult {
    TrialResult {
        trial,
        core: None,
        started: String::new(),
        seconds: 2.0,
        seeds_read: 1,
        executions: 1000,
        executions_per_second: 500.0,
        corpus: 1,
        reach: reach(regions),
        stability: None,
        growth: Vec::new(),
        failure: None,
    }
}

/// An engine whose trials reached so many regions.
fn engine(title: &str, regions: &[usize]) -> EngineResult {
    let values: Vec<f64> = regions.iter().map(|&regions| regions as f64).collect();
    let estimate = quartiles(&values).map(|quartiles| Estimate {
        median: quartiles.median,
        low: quartiles.lower,
        high: quartiles.upper,
    });
    let trials = regions
        .iter()
        .enumerate()
        .map(|(at, &regions)| trial(at + 1, regions))
        .collect();
    let most = reach(regions.iter().copied().max().unwrap_or(0));
    EngineResult {
        regions: estimate,
        ..EngineResult::of_trials(&title.to_lowercase(), title, trials, most)
    }
}

/// A target of 1000 regions, of which one seed reaches `seeds`, with engines and what each trial of them
/// reached.
pub(super) fn target(seeds: usize, engines: &[(&str, &[usize])]) -> TargetResult {
    let engines: Vec<EngineResult> = engines
        .iter()
        .map(|(title, regions)| engine(title, regions))
        .collect();
    TargetResult {
        target: "fuzz_it".to_owned(),
        drives: "it".to_owned(),
        max_input: 1,
        dictionary: false,
        total: reach(1000),
        union: reach(
            engines
                .iter()
                .map(|engine| engine.reach.regions)
                .max()
                .unwrap_or(0),
        ),
        seeds: SeedsResult {
            inputs: 1,
            reach: reach(seeds),
        },
        engines,
        pairs: Vec::new(),
        regions: Vec::new(),
        survivals: Vec::new(),
        never_evaluated: Vec::new(),
    }
}

/// A region that is the whole of one line.
pub(super) fn region(file: &str, line: usize, seeds: bool, by: &[usize]) -> RegionReach {
    RegionReach {
        file: file.to_owned(),
        start_line: line,
        start_column: 1,
        end_line: line,
        end_column: 99,
        seeds,
        by: by.to_vec(),
    }
}

/// A comparison of one minute a trial.
pub(super) fn comparison(targets: Vec<TargetResult>) -> Comparison {
    Comparison {
        version: VERSION,
        started: String::new(),
        time_seconds: 60,
        snapshot_seconds: 1,
        trials: targets
            .iter()
            .flat_map(|target| &target.engines)
            .map(|engine| engine.trials.len())
            .max()
            .unwrap_or(1),
        order_seed: 0,
        interrupted: false,
        machine: Machine {
            processor: String::new(),
            cores: 1,
            jobs: 1,
            system: String::new(),
            tools: Vec::new(),
        },
        code: Vec::new(),
        targets,
        across_targets: None,
        notes: Vec::new(),
    }
}
