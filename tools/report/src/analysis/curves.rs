//! Growth read as curves: regions at any time and at any number of executions.
//!
//! A trial's growth is a staircase: what was reached at a point holds until the next one.

use statistics::{float, quantile};

use super::estimate;
use crate::{Band, EngineResult, GrowthPoint, Milestone, TargetResult, TrialResult};

/// Shares of the union that milestones are at, in percent.
const SHARES: [u32; 3] = [50, 90, 95];

/// How many places a grid has, without 0, at equal ratios: charts have logarithmic axes.
const PLACES: u32 = 198;

/// A grid begins at this part of its end: 10 ms of 17 minutes, 0.9 s of a day.
const FIRST_PART: f64 = 1e-5;

/// How long a trial ran, in milliseconds.
pub(super) fn duration_ms(trial: &TrialResult) -> u64 {
    (trial.seconds.max(0.0) * 1000.0).round() as u64
}

/// The regions reached until the last point for which `before` holds.
fn regions_while(trial: &TrialResult, before: impl Fn(&GrowthPoint) -> bool) -> usize {
    let points = trial.growth.iter().filter(|point| before(point));
    points.map(|point| point.regions).max().unwrap_or(0)
}

/// The regions that a trial had reached after so many executions.
pub(crate) fn regions_at_executions(trial: &TrialResult, executions: u64) -> usize {
    regions_while(trial, |point| point.executions <= executions)
}

/// When the engine's trials had reached shares of `union`, all that any engine reached.
pub(super) fn milestones(engine: &EngineResult, union: usize) -> Vec<Milestone> {
    SHARES
        .into_iter()
        .map(|percent| {
            let regions = (union * percent as usize).div_ceil(100);
            let reached: Vec<&GrowthPoint> = engine
                .counting()
                .filter_map(|trial| trial.growth.iter().find(|point| point.regions >= regions))
                .collect();
            let over = |value: fn(&GrowthPoint) -> u64| {
                let values = reached.iter().map(|point| value(point) as f64);
                estimate(&values.collect::<Vec<f64>>())
            };
            Milestone {
                percent,
                regions,
                trials: reached.len(),
                time_ms: over(|point| point.time_ms),
                executions: over(|point| point.executions),
            }
        })
        .collect()
}

/// The places at which a target's engines are shown, the same for all of them: milliseconds, and executions as far as
/// the engine that executed most.
pub(super) fn grids(target: &TargetResult) -> [Vec<f64>; 2] {
    let engines = target.engines.iter();
    let times = engines.clone().flat_map(EngineResult::counting);
    let longest = times.map(duration_ms).max();
    let most = engines.filter_map(least_executions).max();
    [longest, most].map(|end| grid(end.unwrap_or(0)))
}

/// Places from 0 to `end`, in order, each once.
fn grid(end: u64) -> Vec<f64> {
    let part = |at: u32| FIRST_PART.powf(1.0 - f64::from(at) / f64::from(PLACES));
    let mut places = vec![0.0];
    places.extend((0..=PLACES).map(|at| (end as f64 * part(at)).round()));
    places.dedup();
    places
}

/// How far every trial that counts went.
fn least_executions(engine: &EngineResult) -> Option<u64> {
    engine.counting().map(|trial| trial.executions).min()
}

/// Quartiles of the regions over time.
pub(super) fn over_time(engine: &EngineResult, grid: &[f64]) -> Vec<Band> {
    bands(engine, grid.iter().copied(), |point| point.time_ms)
}

/// Quartiles of the regions over executions, as far as every trial went.
pub(super) fn over_executions(engine: &EngineResult, grid: &[f64]) -> Vec<Band> {
    let end = least_executions(engine).unwrap_or(0) as f64;
    let places = grid.iter().copied().filter(|&at| at < end);
    bands(engine, places.chain([end]), |point| point.executions)
}

fn bands(
    engine: &EngineResult,
    places: impl Iterator<Item = f64>,
    of: fn(&GrowthPoint) -> u64,
) -> Vec<Band> {
    places
        .filter_map(|at| {
            let regions: Vec<f64> = engine
                .counting()
                .map(|trial| float(regions_while(trial, |point| of(point) as f64 <= at)))
                .collect();
            let [low, median, high] = quantile::quartiles(&regions)?;
            Some(Band {
                at,
                low,
                median,
                high,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_runs_from_0_to_its_end_in_order_with_few_places() {
        for end in [0, 1, 7, 1000, 86_400_000, 10_u64.pow(12)] {
            let places = grid(end);
            assert_eq!(places[0], 0.0);
            assert_eq!(*places.last().unwrap(), end as f64);
            assert!(places.is_sorted_by(|one, next| one < next), "{end}");
            assert!(places.len() <= 200, "{end}: {}", places.len());
        }
    }
}
