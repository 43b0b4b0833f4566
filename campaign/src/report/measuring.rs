//! From what engines did to what a report says: every kept input is replayed on the neutral build.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use harness_core::Target;

use super::{
    EngineResult, FindGroup, FirstFind, GrowthPoint, OnlyHere, Reach, RegionReach, SeedsResult,
    TargetResult, TrialResult,
};
use crate::coverage::{Input, RegionSet, Replay, Replayed, SourceMap};
use crate::engine::Engine;
use crate::engine::session::Session;
use crate::fuzz::{self, Find, Fuzzed};
use crate::output::from_here;
use crate::replay::TIME_OUT;

/// What it takes to measure a target's runs.
#[derive(Debug)]
pub struct Measuring<'a> {
    /// The target.
    pub target: &'static Target,
    /// The worker that was built for coverage.
    pub neutral: &'a Path,
    /// Its source regions.
    pub map: &'a SourceMap,
}

impl Measuring<'_> {
    fn replay(&self, inputs: &[Input]) -> Result<Replayed> {
        Replay {
            binary: self.neutral,
            map: self.map,
            target: self.target.name,
            timeout: TIME_OUT,
        }
        .grow(inputs)
    }

    /// What the seeds alone and each engine's kept inputs reach.
    ///
    /// # Errors
    /// When the worker cannot be started, or an input's name is not UTF-8.
    pub fn result(&self, seeds: &[PathBuf], runs: Vec<(Engine, Fuzzed)>) -> Result<TargetResult> {
        let seeds: Vec<Input> = seeds
            .iter()
            .map(|path| Input {
                path: path.clone(),
                time_ms: 0,
                executions: 0,
            })
            .collect();
        let of_seeds = self.replay(&seeds)?;
        let mut evaluations = BTreeMap::new();
        let mut measured = Vec::new();
        for (engine, fuzzed) in runs {
            let inputs = inputs_of(&fuzzed);
            for (check, count) in &fuzzed.evaluations {
                *evaluations.entry(check.clone()).or_insert(0) += count;
            }
            // An engine that does not keep the seeds themselves ran them all the same: without them its
            // growth would begin and end below what it reached.
            let with_seeds: Vec<Input> = seeds.iter().cloned().chain(inputs).collect();
            let replayed = self.replay(&with_seeds)?;
            measured.push((engine, fuzzed, replayed));
        }
        let mut union = RegionSet::union(measured.iter().map(|(_, _, replayed)| &replayed.covered));
        union.extend(&of_seeds.covered);
        let engines = measured
            .iter()
            .map(|(engine, fuzzed, replayed)| {
                let others = RegionSet::union(
                    measured
                        .iter()
                        .filter(|(other, _, _)| other != engine)
                        .map(|(_, _, replayed)| &replayed.covered),
                );
                let only_here = replayed.covered.difference(&others);
                self.engine_result(*engine, fuzzed, replayed, &only_here)
            })
            .collect();
        let total = self.map.all();
        Ok(TargetResult {
            target: self.target.name.to_owned(),
            drives: self.target.drives.to_owned(),
            max_input: self.target.max_input,
            dictionary: self.target.dictionary.is_some(),
            total: Reach::total(&self.map.summary(&total)),
            union: self.reach(&union),
            seeds: SeedsResult {
                inputs: seeds.len(),
                reach: self.reach(&of_seeds.covered),
            },
            engines,
            pairs: Vec::new(),
            regions: total
                .iter()
                .map(|region| RegionReach {
                    file: region.file.clone(),
                    start_line: region.start_line,
                    start_column: region.start_column,
                    end_line: region.end_line,
                    end_column: region.end_column,
                    function: None,
                    seeds: of_seeds.covered.contains(region),
                    by: measured
                        .iter()
                        .map(|(_, _, replayed)| usize::from(replayed.covered.contains(region)))
                        .collect(),
                })
                .collect(),
            survivals: Vec::new(),
            never_evaluated: fuzz::never_evaluated(self.target, &evaluations)
                .into_iter()
                .map(str::to_owned)
                .collect(),
        })
    }

    fn reach(&self, covered: &RegionSet) -> Reach {
        Reach::covered(&self.map.summary(covered))
    }

    fn engine_result(
        &self,
        engine: Engine,
        fuzzed: &Fuzzed,
        replayed: &Replayed,
        only_here: &RegionSet,
    ) -> EngineResult {
        let session = fuzzed.session.as_ref();
        let trial = TrialResult {
            trial: 1,
            core: None,
            started: session.map_or_else(String::new, |session| {
                humantime::format_rfc3339_seconds(session.start).to_string()
            }),
            seconds: session.map_or(0.0, |session| session.elapsed.as_secs_f64()),
            seeds_read: session.map_or(0, |session| session.seeds_read),
            executions: session.map_or(0, |session| session.status.executions),
            executions_per_second: session.map_or(0.0, Session::executions_per_second),
            corpus: session.map_or(0, |session| session.kept.len()),
            reach: self.reach(&replayed.covered),
            stability: session
                .and_then(|session| session.status.stability)
                .map(|percent| f64::from(percent.0) / 100.0),
            growth: replayed
                .growth
                .points
                .iter()
                .map(|point| GrowthPoint {
                    time_ms: point.time_ms,
                    executions: point.executions,
                    regions: point.regions,
                    lines: point.lines,
                    functions: point.functions,
                })
                .collect(),
            failure: match session {
                Some(session) => session.failure.clone(),
                None => Some("every seed fails: see the finds".to_owned()),
            },
        };
        EngineResult {
            engine: engine.name().to_owned(),
            title: engine.title().to_owned(),
            command: session.map_or_else(String::new, |session| session.command.clone()),
            reach: trial.reach,
            trials: vec![trial],
            regions: None,
            lines: None,
            functions: None,
            executions: None,
            executions_per_second: None,
            corpus: None,
            crates: Vec::new(),
            only_here: only_here
                .iter()
                .map(|region| OnlyHere {
                    file: region.file.clone(),
                    line: region.start_line,
                    column: region.start_column,
                    trials: 1,
                })
                .collect(),
            milestones: Vec::new(),
            over_time: Vec::new(),
            over_executions: Vec::new(),
            finds: groups(&fuzzed.finds),
        }
    }
}

fn inputs_of(fuzzed: &Fuzzed) -> Vec<Input> {
    let Some(session) = &fuzzed.session else {
        return Vec::new();
    };
    let mut inputs: Vec<Input> = session
        .kept
        .iter()
        .map(|kept| Input {
            path: kept.path.clone(),
            time_ms: millis(kept.time),
            executions: kept
                .executions
                .unwrap_or_else(|| session.executions_at(kept.time)),
        })
        .collect();
    inputs.sort_by_key(|input| (input.time_ms, input.executions));
    inputs
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn groups(finds: &[Find]) -> Vec<FindGroup> {
    let mut groups: BTreeMap<&str, Vec<&Find>> = BTreeMap::new();
    for find in finds {
        groups.entry(&find.check).or_default().push(find);
    }
    groups
        .into_iter()
        .map(|(check, finds)| FindGroup {
            check: check.to_owned(),
            inputs: finds.len(),
            example: finds
                .iter()
                .min_by_key(|find| find.path.metadata().map_or(u64::MAX, |file| file.len()))
                .map_or_else(String::new, |find| {
                    from_here(&find.path).display().to_string()
                }),
            trials: vec![FirstFind {
                trial: 1,
                time_ms: 0,
            }],
        })
        .collect()
}
