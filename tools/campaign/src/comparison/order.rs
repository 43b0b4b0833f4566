//! In which order trials are run.
//!
//! A machine drifts: it grows warm, others come to work on it, a disk fills. So trials are run in blocks, each
//! with one trial of every engine on every target, and inside a block in an order drawn at random. The seed
//! of that is recorded, and the order of a block depends on the seed and the block's number alone: a comparison
//! that is given more trials later has the same beginning.

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::contestant::Contestant;

/// A trial: an engine on a target, for the `number`th time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TrialId {
    /// The target's name.
    pub target: String,
    /// The engine, or the ensemble.
    pub engine: Contestant,
    /// From 1.
    pub number: usize,
}

impl std::fmt::Display for TrialId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (title, number) = (self.engine.title(), self.number);
        write!(f, "{title} on {}, trial {number}", self.target)
    }
}

/// All trials in the order in which they are run.
pub fn of(targets: &[String], engines: &[Contestant], trials: usize, seed: u64) -> Vec<TrialId> {
    let mut order = Vec::with_capacity(targets.len() * engines.len() * trials);
    let mut seeds = Rng::with_seed(seed);
    for number in 1..=trials {
        let mut block: Vec<TrialId> = targets
            .iter()
            .flat_map(|target| {
                engines.iter().map(move |&engine| TrialId {
                    target: target.clone(),
                    engine,
                    number,
                })
            })
            .collect();
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
        let targets = ["a".to_owned(), "b".to_owned()];
        of(&targets, &Contestant::ENGINES, trials, seed)
    }

    #[test]
    fn each_block_has_every_engine_on_every_target_once() {
        let order = order(7, 5);
        assert_eq!(order.len(), 7 * 6);
        for (block, trials) in order.chunks(6).enumerate() {
            assert!(trials.iter().all(|trial| trial.number == block + 1));
            let different: BTreeSet<&TrialId> = trials.iter().collect();
            assert_eq!(different.len(), 6);
        }
    }

    #[test]
    fn the_seed_decides_and_more_trials_begin_alike() {
        assert_ne!(order(5, 1), order(5, 2));
        assert_eq!(order(9, 1)[..5 * 6], order(5, 1));
    }
}
