//! An engine's growth of coverage, as it is drawn and told.
//!
//! Every engine begins from the same seeds, so every curve begins at what the seeds reach. While an
//! engine reads them it reports part of that; a curve leaves this out, and never runs below the seeds.

use crate::report::{EngineResult, TargetResult};

/// What growth is told over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Seconds since the engine's start.
    Time,
    /// Executions of the target.
    Executions,
}

/// One engine's curve: a step function.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve<'a> {
    /// The engine's name, as its authors write it.
    pub(super) name: &'a str,
    /// Whether its result does not count.
    pub(super) failed: bool,
    /// What the engine's line looks like: the same on every chart of a page.
    pub(super) style: usize,
    /// What the curve begins with: the regions that the seeds reach.
    pub(super) seeds: usize,
    /// Where something new was reached, and how many regions were reached then; both rise.
    pub(super) steps: Vec<(f64, usize)>,
    /// Where the run ended.
    pub(super) end: f64,
    /// The regions that the engine reached in all, which is more than the curve tells when it did not
    /// keep all that it reached them with.
    pub(super) reached: usize,
}

impl<'a> Curve<'a> {
    /// The curve of `engine`, or none when it executed nothing.
    pub(super) fn new(
        target: &TargetResult,
        engine: &'a EngineResult,
        over: Over,
        style: usize,
    ) -> Option<Self> {
        let trial = engine.middle()?;
        let end = match over {
            Over::Time => trial.seconds,
            Over::Executions => trial.executions as f64,
        };
        if trial.executions == 0 || !end.is_finite() || end <= 0.0 {
            return None;
        }
        let mut steps: Vec<(f64, usize)> = Vec::new();
        for point in &trial.growth {
            let at = match over {
                Over::Time => point.time_ms as f64 / 1000.0,
                Over::Executions => point.executions as f64,
            };
            let reached = steps
                .last()
                .map_or(target.seeds.reach.regions, |&(_, regions)| regions);
            if point.regions > reached {
                let not_before = steps.last().map_or(0.0, |&(at, _)| at);
                steps.push((at.clamp(not_before, end.max(not_before)), point.regions));
            }
        }
        Some(Self {
            name: &engine.title,
            failed: engine.failure().is_some(),
            style,
            seeds: target.seeds.reach.regions,
            steps,
            end,
            reached: engine.reach.regions,
        })
    }

    /// How many regions were reached at `x`; none when the run was over by then.
    pub(super) fn at(&self, x: f64) -> Option<usize> {
        if x > self.end {
            return None;
        }
        let steps = self.steps.iter().take_while(|&&(at, _)| at <= x);
        Some(steps.last().map_or(self.seeds, |&(_, regions)| regions))
    }

    /// How many regions were reached in the end.
    pub(super) fn last(&self) -> usize {
        self.steps
            .last()
            .map_or(self.seeds, |&(_, regions)| regions)
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::report::GrowthPoint;

    /// The steps and the end of a curve over 2 s and 1000 executions.
    fn curve(seeds: usize, growth: &[(u64, u64, usize)], over: Over) -> (Vec<(f64, usize)>, f64) {
        let point = |&(time_ms, executions, regions): &(u64, u64, usize)| GrowthPoint {
            time_ms,
            executions,
            regions,
            lines: regions,
            functions: regions,
        };
        let mut engine = samples::engine("AFL++", 15);
        engine.trials[0].growth = growth.iter().map(point).collect();
        let target = samples::target(seeds, vec![engine]);
        let curve = Curve::new(&target, &target.engines[0], over, 0).unwrap();
        (curve.steps, curve.end)
    }

    #[test]
    fn a_curve_begins_at_the_seeds_and_only_rises() {
        let growth = [
            (0, 0, 3),
            (5, 2, 12),
            (5, 2, 12),
            (900, 400, 15),
            (1500, 600, 15),
        ];
        assert_eq!(
            curve(10, &growth, Over::Time),
            (vec![(0.005, 12), (0.9, 15)], 2.0)
        );
        assert_eq!(
            curve(10, &growth, Over::Executions),
            (vec![(2.0, 12), (400.0, 15)], 1000.0)
        );
        assert_eq!(curve(20, &growth, Over::Time).0, []);
    }

    #[test]
    fn a_step_never_lies_past_the_end_of_the_run() {
        assert_eq!(curve(1, &[(2500, 1200, 4)], Over::Time).0, [(2.0, 4)]);
        assert_eq!(
            curve(1, &[(2500, 1200, 4)], Over::Executions).0,
            [(1000.0, 4)]
        );
    }

    #[test]
    fn between_steps_the_last_one_counts_and_past_the_end_none() {
        let curve = Curve {
            name: "x",
            failed: false,
            style: 0,
            seeds: 10,
            steps: vec![(1.0, 12), (5.0, 15)],
            end: 8.0,
            reached: 15,
        };
        let read = [0.5, 1.0, 4.9, 5.0, 8.0, 8.1].map(|x| curve.at(x));
        assert_eq!(
            read,
            [Some(10), Some(12), Some(12), Some(15), Some(15), None]
        );
        assert_eq!(curve.last(), 15);
    }
}
