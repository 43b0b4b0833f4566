//! Small results for the tests of this folder.

use crate::report::{EngineResult, SeedsResult, TargetResult};

/// An engine that ran for 2 s, executed the target 1000 times and kept one input.
pub(super) fn engine(title: &str, regions: usize) -> EngineResult {
    EngineResult {
        engine: title.to_lowercase(),
        title: title.to_owned(),
        command: String::new(),
        seconds: 2.0,
        seeds_read: 1,
        executions: 1000,
        executions_per_second: 500.0,
        corpus: 1,
        regions,
        regions_only_here: 0,
        only_here: Vec::new(),
        stability: None,
        finds: Vec::new(),
        growth: Vec::new(),
        failure: None,
    }
}

/// A target of 1000 regions, of which one seed reaches `seeds`.
pub(super) fn target(seeds: usize, engines: Vec<EngineResult>) -> TargetResult {
    TargetResult {
        target: "fuzz_it".to_owned(),
        drives: "it".to_owned(),
        max_input: 1,
        regions_total: 1000,
        regions_union: engines
            .iter()
            .map(|engine| engine.regions)
            .max()
            .unwrap_or(0),
        seeds: SeedsResult {
            inputs: 1,
            regions: seeds,
        },
        engines,
        never_evaluated: Vec::new(),
    }
}
