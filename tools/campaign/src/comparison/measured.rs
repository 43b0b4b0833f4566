//! What a trial reached, on the neutral build: `measured.json`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, ensure};
use report::{GrowthPoint, Start};
use serde::{Deserialize, Serialize};

use super::folder::Folder;
use super::trial::Trial;
use crate::atomic::{read_json, write_json};
use crate::corpora::pack;
use crate::corpus::files_in;
use crate::coverage::{InMemory, Input, Replay, SourceMap};
use crate::replay::{TIME_OUT, Verdict};

/// The version of `measured.json` that this code reads and writes.
const VERSION: u32 = 1;

/// What a trial reached. It is a cache: without it, the trial is replayed again, as long as its corpus is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) version: u32,
    /// How many inputs were replayed, the seeds included.
    pub(crate) inputs: usize,
    /// Those that could not be read.
    pub(crate) vanished: Vec<String>,
    /// Coverage over time and executions; from the seeds on, which are there at 0.
    pub(crate) growth: Vec<GrowthPoint>,
    /// The regions reached, by their numbers in the map of the comparison's coverage build.
    pub(crate) regions: Vec<usize>,
}

/// What the inputs reach from which trials on a target start.
pub(crate) fn seeds(
    folder: &Folder,
    map: &SourceMap,
    target: &str,
    start: Start,
) -> Result<Measured> {
    replay(folder, map, target, &seeds_of(folder, target, start)?)
}

/// The regions that the shipped corpus of a target reaches; none where there is no such corpus.
pub(crate) fn shipped(folder: &Folder, map: &SourceMap, target: &str) -> Result<BTreeSet<usize>> {
    let path = folder.shipped(target);
    let mut reached = BTreeSet::new();
    if path.exists() {
        let inputs = pack::read(&path)?;
        let contents = InMemory(inputs.values().map(Vec::as_slice).collect());
        let neutral = folder.neutral();
        of_target(&neutral, map, target).regions(&contents, |hits| {
            reached.extend(hits.numbers());
            Ok(())
        })?;
    }
    Ok(reached)
}

/// What a trial reached: read from its folder, or replayed and written there.
pub(crate) fn trial(folder: &Folder, map: &SourceMap, trial: &Trial) -> Result<Measured> {
    let of_trial = folder.trial(&trial.id);
    let path = of_trial.join("measured.json");
    let fits = |measured: &Measured| {
        let mut regions = measured.regions.iter();
        measured.version == VERSION && regions.all(|&number| number < map.regions().len())
    };
    if let Some(measured) = read_json(&path).unwrap_or_default().filter(fits) {
        return Ok(measured);
    }
    // An engine that does not keep the seeds themselves ran them all the same: without them its
    // growth would begin and end below what it reached.
    let target = &trial.id.target;
    let mut inputs = seeds_of(folder, target, trial.id.start)?;
    inputs.extend(trial.kept.iter().map(|kept| Input {
        path: of_trial.join(&kept.file),
        time_ms: kept.time_ms,
        executions: kept.executions,
    }));
    let measured = replay(folder, map, target, &inputs)?;
    write_json(&path, &measured)?;
    Ok(measured)
}

fn seeds_of(folder: &Folder, target: &str, start: Start) -> Result<Vec<Input>> {
    let seeds = files_in(&folder.inputs(target, start))?;
    ensure!(
        !seeds.is_empty(),
        "the comparison's seeds of {target} are gone"
    );
    let input = |path| Input {
        path,
        time_ms: 0,
        executions: 0,
    };
    Ok(seeds.into_iter().map(input).collect())
}

fn of_target<'a>(neutral: &'a Path, map: &'a SourceMap, target: &'a str) -> Replay<'a> {
    Replay {
        binary: neutral,
        map,
        target,
        timeout: TIME_OUT,
    }
}

/// Replays inputs in the order in which they came.
fn replay(folder: &Folder, map: &SourceMap, target: &str, inputs: &[Input]) -> Result<Measured> {
    let neutral = folder.neutral();
    let replayed = of_target(&neutral, map, target).grow(inputs)?;
    let finds = replayed.finds.iter();
    let unread = finds.filter(|(_, verdict)| matches!(verdict, Verdict::Error { .. }));
    Ok(Measured {
        version: VERSION,
        inputs: inputs.len(),
        vanished: unread.map(|(path, _)| path.display().to_string()).collect(),
        growth: thinned(replayed.growth),
        regions: replayed.covered.into_iter().collect(),
    })
}

/// One point for each moment: the last.
fn thinned(mut points: Vec<GrowthPoint>) -> Vec<GrowthPoint> {
    points.reverse();
    points.dedup_by_key(|point| (point.time_ms, point.executions));
    points.reverse();
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_one_point() {
        let point = |(time_ms, executions, regions)| GrowthPoint {
            time_ms,
            executions,
            regions,
            lines: regions,
            functions: 1,
        };
        let points = [(0, 0, 1), (0, 0, 5), (0, 3, 6), (9, 3, 7), (9, 3, 8)].map(point);
        let last = [(0, 0, 5), (0, 3, 6), (9, 3, 8)].map(point);
        assert_eq!(thinned(points.into()), last);
    }
}
