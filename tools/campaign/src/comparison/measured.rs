//! What a trial reached, on the neutral build: `measured.json`.

use report::GrowthPoint;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::folder::Folder;
use super::order::TrialId;
use super::trial::Trial;
use crate::atomic::{read_json, write_json};
use crate::corpus::files_in;
use crate::coverage::{Input, Replay, SourceMap};
use crate::replay::{TIME_OUT, Verdict};

/// The version of `measured.json` that this code reads and writes.
const VERSION: u32 = 1;

/// What a trial reached. It is a cache: without it, the trial is replayed again, as long as its corpus is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// The version of this format.
    pub version: u32,
    /// How many inputs were replayed, the seeds included.
    pub inputs: usize,
    /// Those that could not be read.
    pub vanished: Vec<String>,
    /// Coverage over time and executions; from the seeds on, which are there at 0.
    pub growth: Vec<GrowthPoint>,
    /// The regions reached, by their numbers in the map of the comparison's coverage build.
    pub regions: Vec<usize>,
}

/// Replays what is kept, in the order in which it came.
#[derive(Debug)]
pub struct Measuring<'a> {
    /// The comparison's folder.
    pub folder: &'a Folder,
    /// The map of its coverage build.
    pub map: &'a SourceMap,
}

impl Measuring<'_> {
    /// What the seeds of a target reach.
    ///
    /// # Errors
    /// When the worker cannot be started, or an input's name is not UTF-8.
    pub fn seeds(&self, target: &str) -> Result<Measured> {
        let seeds = self.inputs_of_seeds(target)?;
        self.replay(target, &seeds)
    }

    /// What a trial reached: read from its folder, or replayed and written there.
    ///
    /// # Errors
    /// When the worker cannot be started, an input's name is not UTF-8, or the result cannot be written.
    pub fn trial(&self, id: &TrialId, trial: &Trial) -> Result<Measured> {
        let folder = self.folder.trial(id);
        let path = folder.join("measured.json");
        if let Ok(Some(measured)) = read_json::<Measured>(&path)
            && measured.fits(self.map)
        {
            return Ok(measured);
        }
        // An engine that does not keep the seeds themselves ran them all the same: without them its
        // growth would begin and end below what it reached.
        let mut inputs = self.inputs_of_seeds(&id.target)?;
        inputs.extend(trial.kept.iter().map(|kept| Input {
            path: folder.join(&kept.file),
            time_ms: kept.time_ms,
            executions: kept.executions,
        }));
        let measured = self.replay(&id.target, &inputs)?;
        write_json(&path, &measured)?;
        Ok(measured)
    }

    fn inputs_of_seeds(&self, target: &str) -> Result<Vec<Input>> {
        let seeds: Vec<PathBuf> = files_in(&self.folder.seeds(target))?;
        ensure!(
            !seeds.is_empty(),
            "the comparison's seeds of {target} are gone"
        );
        Ok(seeds
            .into_iter()
            .map(|path| Input {
                path,
                time_ms: 0,
                executions: 0,
            })
            .collect())
    }

    fn replay(&self, target: &str, inputs: &[Input]) -> Result<Measured> {
        let replayed = Replay {
            binary: &self.folder.neutral(),
            map: self.map,
            target,
            timeout: TIME_OUT,
        }
        .grow(inputs)?;
        let unread = replayed
            .finds
            .iter()
            .filter(|(_, verdict)| matches!(verdict, Verdict::Error { .. }));
        Ok(Measured {
            version: VERSION,
            inputs: inputs.len(),
            vanished: unread.map(|(path, _)| path.display().to_string()).collect(),
            growth: thinned(&replayed.growth),
            regions: replayed.covered.into_iter().collect(),
        })
    }
}

impl Measured {
    /// Whether its numbers can be of that map.
    fn fits(&self, map: &SourceMap) -> bool {
        self.version == VERSION
            && self
                .regions
                .iter()
                .all(|&number| number < map.regions().len())
    }
}

/// One point for each moment: the last.
fn thinned(points: &[GrowthPoint]) -> Vec<GrowthPoint> {
    let mut thinned: Vec<GrowthPoint> = Vec::new();
    for &point in points {
        match thinned.last_mut() {
            Some(last) if (last.time_ms, last.executions) == (point.time_ms, point.executions) => {
                *last = point;
            }
            _ => thinned.push(point),
        }
    }
    thinned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_one_point() {
        let point = |time_ms, executions, regions| GrowthPoint {
            time_ms,
            executions,
            regions,
            lines: regions,
            functions: 1,
        };
        let points = [
            point(0, 0, 1),
            point(0, 0, 5),
            point(0, 3, 6),
            point(9, 3, 7),
            point(9, 3, 8),
        ];
        assert_eq!(
            thinned(&points),
            [point(0, 0, 5), point(0, 3, 6), point(9, 3, 8)]
        );
    }
}
