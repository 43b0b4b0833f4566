//! Small results for the tests of this folder.

use crate::report::{EngineResult, Reach, SeedsResult, TargetResult, TrialResult};

fn reach(regions: usize) -> Reach {
    Reach {
        regions,
        lines: regions,
        functions: regions,
    }
}

/// An engine that ran once, for 2 s, executed the target 1000 times and kept one input.
pub(super) fn engine(title: &str, regions: usize) -> EngineResult {
    EngineResult {
        engine: title.to_lowercase(),
        title: title.to_owned(),
        command: String::new(),
        trials: vec![TrialResult {
            trial: 1,
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
        }],
        reach: reach(regions),
        regions: None,
        lines: None,
        functions: None,
        executions: None,
        executions_per_second: None,
        corpus: None,
        crates: Vec::new(),
        only_here: Vec::new(),
        milestones: Vec::new(),
        over_time: Vec::new(),
        over_executions: Vec::new(),
        finds: Vec::new(),
    }
}

/// A target of 1000 regions, of which one seed reaches `seeds`.
pub(super) fn target(seeds: usize, engines: Vec<EngineResult>) -> TargetResult {
    let union = engines.iter().map(|engine| engine.reach.regions).max();
    TargetResult {
        target: "fuzz_it".to_owned(),
        drives: "it".to_owned(),
        max_input: 1,
        dictionary: false,
        total: reach(1000),
        union: reach(union.unwrap_or(0)),
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
