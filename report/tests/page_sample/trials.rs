//! Engines with trials whose coverage grows; what follows from the trials is left to the analysis.

use report::{CrateReach, EngineResult, Estimate, GrowthPoint, OnlyHere, TrialResult};

use super::{SECONDS, reach};

/// A value between -1 and 1 that looks drawn and is always the same.
fn jitter(trial: usize, what: usize) -> f64 {
    let mixed = (trial * 7919 + what * 104_729 + 13) % 1009;
    mixed as f64 / 504.5 - 1.0
}

/// The regions that a trial had reached after a share of its time: from the seeds' 1006 to `end`.
fn regions_at(end: usize, trial: usize, share: f64) -> usize {
    let speed = 5.0 + 3.0 * jitter(trial, 1);
    let part = 1.0 - (-speed * share).exp();
    1006 + (end.saturating_sub(1006) as f64 * part / (1.0 - (-speed).exp())) as usize
}

/// An engine whose trials reach `regions` and execute `per_second` a second, more or less.
pub(crate) fn engine(
    name: &str,
    title: &str,
    regions: usize,
    per_second: f64,
    trials: usize,
) -> EngineResult {
    let trials: Vec<TrialResult> = (1..=trials)
        .map(|trial| {
            let regions = (regions as f64 + 12.0 * jitter(trial, name.len())).max(1006.0) as usize;
            let per_second = per_second * (1.0 + 0.1 * jitter(trial, 3));
            TrialResult {
                trial,
                core: (trial % 3 != 0).then_some(trial % 2),
                started: "2026-11-22T15:54:30Z".into(),
                seconds: SECONDS as f64 + 0.5,
                seeds_read: 3,
                executions: (per_second * SECONDS as f64) as u64,
                executions_per_second: per_second,
                corpus: 70 + trial,
                reach: reach(regions),
                stability: (name == "afl").then_some(99.5),
                growth: (0..=50)
                    .map(|step| {
                        let share = f64::from(step) / 50.0;
                        GrowthPoint {
                            time_ms: (share * SECONDS as f64 * 1000.0) as u64,
                            executions: (share * per_second * SECONDS as f64) as u64,
                            regions: regions_at(regions, trial, share),
                            lines: 0,
                            functions: 0,
                        }
                    })
                    .collect(),
                failure: None,
            }
        })
        .collect();
    let most = trials.iter().map(|trial| trial.reach.regions).max();
    let most = reach(most.unwrap_or(0));
    EngineResult {
        command: format!("{name} --seconds 60 -- target"),
        crates: vec![CrateReach {
            name: "qcow2".into(),
            regions: Some(Estimate {
                median: 352.5,
                low: 340.0,
                high: 360.0,
            }),
        }],
        only_here: vec![
            OnlyHere {
                file: "crates/vhd/src/footer.rs".into(),
                line: 9,
                column: 19,
                trials: 3,
            },
            OnlyHere {
                file: "crates/nowhere.rs".into(),
                line: 7,
                column: 1,
                trials: 1,
            },
        ],
        ..EngineResult::of_trials(name, title, trials, most)
    }
}
