//! From what engines did to what a report says: every kept input is replayed on the neutral build.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use harness_core::Target;

use super::{EngineResult, FindGroup, GrowthPoint, SeedsResult, TargetResult};
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
        let union = RegionSet::union(measured.iter().map(|(_, _, replayed)| &replayed.covered));
        let engines = measured
            .iter()
            .map(|(engine, fuzzed, replayed)| {
                let others = RegionSet::union(
                    measured
                        .iter()
                        .filter(|(other, _, _)| other != engine)
                        .map(|(_, _, replayed)| &replayed.covered),
                );
                engine_result(
                    *engine,
                    fuzzed,
                    replayed,
                    &replayed.covered.difference(&others),
                )
            })
            .collect();
        Ok(TargetResult {
            target: self.target.name.to_owned(),
            drives: self.target.drives.to_owned(),
            max_input: self.target.max_input,
            regions_total: self.map.all().len(),
            regions_union: union.len(),
            seeds: SeedsResult {
                inputs: seeds.len(),
                regions: of_seeds.covered.len(),
            },
            engines,
            never_evaluated: fuzz::never_evaluated(self.target, &evaluations)
                .into_iter()
                .map(str::to_owned)
                .collect(),
        })
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

fn engine_result(
    engine: Engine,
    fuzzed: &Fuzzed,
    replayed: &Replayed,
    only_here: &RegionSet,
) -> EngineResult {
    let session = fuzzed.session.as_ref();
    EngineResult {
        engine: engine.name().to_owned(),
        title: engine.title().to_owned(),
        command: session.map_or_else(String::new, |session| session.command.clone()),
        seconds: session.map_or(0.0, |session| session.elapsed.as_secs_f64()),
        seeds_read: session.map_or(0, |session| session.seeds_read),
        executions: session.map_or(0, |session| session.status.executions),
        executions_per_second: session.map_or(0.0, Session::executions_per_second),
        corpus: session.map_or(0, |session| session.kept.len()),
        regions: replayed.covered.len(),
        regions_only_here: only_here.len(),
        only_here: only_here
            .iter()
            .map(|region| {
                format!(
                    "{}:{}:{}",
                    region.file, region.start_line, region.start_column
                )
            })
            .collect(),
        stability: session
            .and_then(|session| session.status.stability)
            .map(|percent| f64::from(percent.0) / 100.0),
        finds: groups(&fuzzed.finds),
        growth: replayed
            .growth
            .points
            .iter()
            .map(|point| GrowthPoint {
                time_ms: point.time_ms,
                executions: point.executions,
                regions: point.regions,
            })
            .collect(),
        failure: match session {
            Some(session) => session.failure.clone(),
            None => Some("every seed fails: see the finds".to_owned()),
        },
    }
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
        })
        .collect()
}
