//! In which order trials are run.
//!
//! A machine drifts: it grows warm, others come to work on it, a disk fills. So trials are run in blocks, each
//! with one trial of every engine on every target and start, and inside a block in an order drawn at random. The seed
//! of that is recorded, and the order of a block depends on the seed and the block's number alone: a comparison
//! that is given more trials later has the same beginning.

use fastrand::Rng;
use report::Start;
use serde::{Deserialize, Serialize};
use worker::TargetInfo;

use super::contestant::Contestant;

/// A trial: an engine on a target from a start, for the `number`th time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TrialId {
    /// The target's name.
    pub target: String,
    /// From what it starts.
    #[serde(default)]
    pub start: Start,
    /// The engine, or the ensemble.
    pub engine: Contestant,
    /// From 1.
    pub number: usize,
}

impl std::fmt::Display for TrialId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (title, number) = (self.engine.title(), self.number);
        let (target, start) = (&self.target, self.start.suffix());
        write!(f, "{title} on {target}{start}, trial {number}")
    }
}

/// All trials in the order in which they are run.
pub fn of<'a>(
    targets: impl IntoIterator<Item = &'a TargetInfo>,
    starts: &[Start],
    engines: &[Contestant],
    trials: usize,
    seed: u64,
) -> Vec<TrialId> {
    let mut first = Vec::new();
    for target in targets {
        for &start in starts {
            let engines = engines.iter().filter(|engine| engine.takes_part(target));
            first.extend(engines.map(|&engine| TrialId {
                target: target.name.clone(),
                start,
                engine,
                number: 1,
            }));
        }
    }
    let mut order = Vec::with_capacity(first.len() * trials);
    let mut seeds = Rng::with_seed(seed);
    for number in 1..=trials {
        let mut block = first.clone();
        for trial in &mut block {
            trial.number = number;
        }
        seeds.fork().shuffle(&mut block);
        order.append(&mut block);
    }
    order
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn order(trials: usize, seed: u64) -> Vec<TrialId> {
        let targets = ["a", "b"].map(|name| TargetInfo::new(name, "", 9));
        let starts = [Start::Seeds, Start::Nothing];
        of(&targets, &starts, &Contestant::ENGINES, trials, seed)
    }

    #[test]
    fn each_block_has_every_engine_on_every_target_from_every_start_once() {
        let order = order(7, 5);
        assert_eq!(order.len(), 7 * 12);
        for (block, trials) in order.chunks(12).enumerate() {
            assert!(trials.iter().all(|trial| trial.number == block + 1));
            let different: BTreeSet<&TrialId> = trials.iter().collect();
            assert_eq!(different.len(), 12);
        }
    }

    #[test]
    fn what_would_be_the_same_twice_runs_once() {
        let target = |name, compare_tracing| TargetInfo {
            compare_tracing,
            ..TargetInfo::new(name, "", 9)
        };
        let targets = [target("traced", true), target("not", false)];
        let all = of(&targets, &[Start::Seeds], &Contestant::ALL, 1, 0);
        let on = |name: &str| all.iter().filter(|id| id.target == name).count();
        assert_eq!((on("traced"), on("not")), (7, 5));
    }

    #[test]
    fn the_seed_decides_and_more_trials_begin_alike() {
        assert_ne!(order(5, 1), order(5, 2));
        assert_eq!(order(9, 1)[..5 * 12], order(5, 1));
    }
}
