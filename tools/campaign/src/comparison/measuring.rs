//! From trials on disk to the data of a report.

use statistics::float;
use std::collections::{BTreeMap, BTreeSet};

use crate::comparison::contestant::Contestant;
use crate::comparison::folder::Folder;
use crate::comparison::measured::Measured;
use crate::comparison::order::TrialId;
use crate::comparison::schedule::Trials;
use crate::comparison::trial::Trial;
use crate::coverage::{SourceMap, Tally};
use crate::fuzz;
use crate::output::from_here;
use report::{
    CrateReach, CrateTotals, EngineResult, FindGroup, FirstFind, OnlyHere, Reach, RegionReach,
    SeedsResult, TargetResult, TrialResult,
};
use worker::TargetInfo;
use worker::protocol::CheckInfo;

/// A target's trials, and what it takes to report them.
#[derive(Debug)]
pub struct OfTarget<'a> {
    /// The comparison's folder.
    pub folder: &'a Folder,
    /// The map of its coverage build.
    pub map: &'a SourceMap,
    /// The target.
    pub target: &'a TargetInfo,
    /// All checks.
    pub checks: &'a [CheckInfo],
    /// The engines.
    pub engines: &'a [Contestant],
    /// The trials of all targets.
    pub trials: &'a Trials,
    /// What the seeds reach.
    pub seeds: &'a Measured,
}

/// How much code under test each crate has.
#[must_use]
pub fn code(map: &SourceMap) -> Vec<CrateTotals> {
    let crates = map.summary_by_crate(&BTreeSet::new());
    crates
        .iter()
        .map(|(name, summary)| CrateTotals {
            name: name.clone(),
            total: Reach {
                regions: summary.regions.total,
                lines: summary.lines.total,
                functions: summary.functions.total,
            },
        })
        .collect()
}

/// An engine's trials, with what each reached by numbers of regions.
struct OfEngine<'a> {
    result: EngineResult,
    /// Of those that count.
    counting: Vec<&'a Measured>,
    /// What they reached together; all trials, when none counts.
    reached: BTreeSet<usize>,
}

impl OfTarget<'_> {
    /// The data of the report. What follows from the trials is left empty.
    #[must_use]
    pub fn result(&self) -> TargetResult {
        let mut engines: Vec<OfEngine<'_>> = self
            .engines
            .iter()
            .map(|&engine| self.engine(engine))
            .collect();
        for place in 0..engines.len() {
            let only_here = self.only_here(&engines, place);
            engines[place].result.only_here = only_here;
        }
        let reached = engines.iter().flat_map(|engine| &engine.reached).copied();
        let union = self.reach(reached.chain(self.seeds.regions.iter().copied()));
        let mut evaluations = BTreeMap::new();
        for (id, (trial, _)) in &self.trials.whole {
            if id.target == self.target.name {
                for (check, count) in &trial.evaluations {
                    *evaluations.entry(check.clone()).or_insert(0) += count;
                }
            }
        }
        TargetResult {
            target: self.target.name.clone(),
            drives: self.target.drives.clone(),
            max_input: self.target.max_input,
            dictionary: self.folder.dictionary(&self.target.name).is_some(),
            total: self.reach(0..self.map.regions().len()),
            union,
            seeds: SeedsResult {
                inputs: self.seeds.inputs,
                reach: self.reach(self.seeds.regions.iter().copied()),
            },
            regions: self.regions(&engines),
            engines: engines.into_iter().map(|engine| engine.result).collect(),
            pairs: Vec::new(),
            survivals: Vec::new(),
            never_evaluated: fuzz::never_evaluated(self.target, self.checks, &evaluations),
        }
    }

    fn reach(&self, regions: impl IntoIterator<Item = usize>) -> Reach {
        let mut tally = Tally::new(self.map);
        tally.add(regions);
        tally.reach()
    }

    fn engine(&self, engine: Contestant) -> OfEngine<'_> {
        let is_here = |id: &TrialId| id.target == self.target.name && id.engine == engine;
        let whole = self.trials.whole.iter().filter(|(id, _)| is_here(id));
        let whole: Vec<&(Trial, Measured)> = whole.map(|(_, whole)| whole).collect();
        let lost = self.trials.lost.iter().filter(|(id, _)| is_here(id));
        let mut trials: Vec<TrialResult> = whole
            .iter()
            .map(|(trial, measured)| self.trial(trial, measured))
            .chain(lost.map(|(id, why)| lost_trial(id, why)))
            .collect();
        trials.sort_by_key(|trial| trial.trial);
        let counting: Vec<&Measured> = whole
            .iter()
            .filter(|(trial, measured)| failure(trial, measured).is_none())
            .map(|(_, measured)| measured)
            .collect();
        let of_all = whole.iter().map(|(_, measured)| measured);
        let regions: Vec<&Measured> = if counting.is_empty() {
            of_all.collect()
        } else {
            counting.clone()
        };
        let reached: BTreeSet<usize> = regions
            .iter()
            .flat_map(|measured| measured.regions.iter().copied())
            .collect();
        let command = whole.iter().map(|(trial, _)| &trial.command);
        let reach = self.reach(reached.iter().copied());
        let result = EngineResult {
            command: command
                .filter(|command| !command.is_empty())
                .min_by_key(|command| command.len())
                .cloned()
                .unwrap_or_default(),
            crates: self.crates(&counting),
            finds: self.finds(&whole),
            ..EngineResult::of_trials(engine.name(), engine.title(), trials, reach)
        };
        OfEngine {
            result,
            counting,
            reached,
        }
    }

    fn trial(&self, trial: &Trial, measured: &Measured) -> TrialResult {
        TrialResult {
            trial: trial.number,
            core: trial.core,
            started: trial.started.clone(),
            seconds: trial.seconds,
            seeds_read: trial.seeds_read,
            executions: trial.executions,
            executions_per_second: trial.executions_per_second(),
            corpus: trial.corpus,
            reach: self.reach(measured.regions.iter().copied()),
            stability: trial.stability,
            growth: measured.growth.clone(),
            failure: failure(trial, measured),
        }
    }

    fn crates(&self, counting: &[&Measured]) -> Vec<CrateReach> {
        let name = |region: usize| self.map.crate_of(&self.map.regions()[region].file);
        let names: BTreeSet<&str> = (0..self.map.regions().len()).map(name).collect();
        names
            .into_iter()
            .map(|of_crate| {
                let reached = counting.iter().map(|measured| {
                    let regions = measured.regions.iter();
                    float(regions.filter(|&&region| name(region) == of_crate).count())
                });
                CrateReach {
                    name: of_crate.to_owned(),
                    regions: report::analysis::estimate(&reached.collect::<Vec<_>>()),
                }
            })
            .collect()
    }

    fn finds(&self, whole: &[&(Trial, Measured)]) -> Vec<FindGroup> {
        let mut groups: BTreeMap<&str, Vec<(usize, u64, std::path::PathBuf)>> = BTreeMap::new();
        for (trial, _) in whole {
            let id = TrialId {
                target: trial.target.clone(),
                engine: trial.engine,
                number: trial.number,
            };
            for find in &trial.finds {
                let path = self.folder.trial(&id).join(&find.file);
                let group = groups.entry(&find.check).or_default();
                group.push((trial.number, find.time_ms, path));
            }
        }
        groups
            .into_iter()
            .map(|(check, finds)| {
                let mut first: BTreeMap<usize, u64> = BTreeMap::new();
                for &(trial, time_ms, _) in &finds {
                    let earliest = first.entry(trial).or_insert(time_ms);
                    *earliest = time_ms.min(*earliest);
                }
                let length =
                    |path: &std::path::Path| path.metadata().map_or(u64::MAX, |file| file.len());
                let shortest = finds.iter().min_by_key(|(_, _, path)| length(path));
                FindGroup {
                    check: check.to_owned(),
                    inputs: finds.len(),
                    example: shortest.map_or_else(String::new, |(_, _, path)| {
                        from_here(path).display().to_string()
                    }),
                    trials: first
                        .into_iter()
                        .map(|(trial, time_ms)| FirstFind { trial, time_ms })
                        .collect(),
                }
            })
            .collect()
    }

    /// What the engine at `place` reached in a trial that counts, and no other engine.
    fn only_here(&self, engines: &[OfEngine<'_>], place: usize) -> Vec<OnlyHere> {
        let is_elsewhere = |region: usize| {
            let mut others = engines.iter().enumerate();
            others.any(|(other, engine)| other != place && engine.reached.contains(&region))
        };
        trials_by_region(&engines[place].counting)
            .into_iter()
            .filter(|&(region, _)| !is_elsewhere(region))
            .map(|(region, trials)| {
                let region = &self.map.regions()[region];
                OnlyHere {
                    file: region.file.clone(),
                    line: region.start_line,
                    column: region.start_column,
                    trials,
                }
            })
            .collect()
    }

    fn regions(&self, engines: &[OfEngine<'_>]) -> Vec<RegionReach> {
        let by_seeds: BTreeSet<usize> = self.seeds.regions.iter().copied().collect();
        let by_engine: Vec<BTreeMap<usize, usize>> = engines
            .iter()
            .map(|engine| trials_by_region(&engine.counting))
            .collect();
        let regions = self.map.regions().iter().enumerate();
        regions
            .map(|(number, region)| RegionReach {
                file: region.file.clone(),
                start_line: region.start_line,
                start_column: region.start_column,
                end_line: region.end_line,
                end_column: region.end_column,
                seeds: by_seeds.contains(&number),
                by: by_engine
                    .iter()
                    .map(|reached| reached.get(&number).copied().unwrap_or(0))
                    .collect(),
            })
            .collect()
    }
}

/// In how many trials each region was reached.
fn trials_by_region(trials: &[&Measured]) -> BTreeMap<usize, usize> {
    let mut reached = BTreeMap::new();
    for region in trials.iter().flat_map(|measured| &measured.regions) {
        *reached.entry(*region).or_default() += 1;
    }
    reached
}

/// Why a whole trial does not count, when it does not.
fn failure(trial: &Trial, measured: &Measured) -> Option<String> {
    trial.failure.clone().or_else(|| {
        let first = measured.vanished.first()?;
        Some(format!(
            "{} of the {} inputs to replay could not be read, the first of them {first}: \
             what they reached is not known",
            measured.vanished.len(),
            measured.inputs,
        ))
    })
}

/// A trial that could not be run or measured.
fn lost_trial(id: &TrialId, why: &str) -> TrialResult {
    TrialResult {
        trial: id.number,
        core: None,
        started: String::new(),
        seconds: 0.0,
        seeds_read: 0,
        executions: 0,
        executions_per_second: 0.0,
        corpus: 0,
        reach: Reach::default(),
        stability: None,
        growth: Vec::new(),
        failure: Some(why.to_owned()),
    }
}
