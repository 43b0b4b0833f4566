//! From trials and hunts on disk to the report and its files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use cli::output::from_here;
use report::format::counted;
use report::{
    Comparison, EngineResult, FindGroup, FirstFind, Machine, Reach, RegionReach, SeedsResult,
    Start, TargetResult, TrialResult, VERSION, analysis, page, summary,
};

use super::contestant::Contestant;
use super::folder::Folder;
use super::hunts::{self, HuntTrial};
use super::measured::{self, Measured};
use super::order::TrialId;
use super::schedule::Trials;
use super::start::Opened;
use super::trial::Trial;
use crate::atomic;
use crate::coverage::Tally;
use crate::engine::session;
use crate::fuzz;

/// What a report is made of.
pub(crate) struct Reporting<'a> {
    pub(crate) opened: &'a Opened,
    pub(crate) trials: &'a Trials,
    pub(crate) hunts: &'a [HuntTrial],
}

/// An engine's trials, with what they reached by numbers of regions.
struct OfEngine {
    result: EngineResult,
    /// What they reached together; all trials, when none counts.
    reached: BTreeSet<usize>,
    /// In how many trials that count each region was reached.
    by: BTreeMap<usize, usize>,
}

impl Reporting<'_> {
    /// The report, with every statistic. Fails when what the seeds reach cannot be measured.
    pub(crate) fn comparison(&self) -> Result<Comparison> {
        let plan = &self.opened.plan;
        let mut machine = plan.machine.clone();
        let code = plan.code.iter();
        let code = code.map(|code| ("the project".to_owned(), code.clone()));
        machine.tools.extend(code);
        let targets = plan.targets.iter().flat_map(|name| {
            let starts = plan.starts.iter();
            starts.map(move |&start| self.target(name, start))
        });
        let mut comparison = Comparison {
            version: VERSION,
            started: plan.started.clone(),
            time_seconds: plan.time_seconds,
            snapshot_seconds: plan.snapshot_seconds,
            trials: plan.trials,
            order_seed: plan.order_seed,
            interrupted: session::interrupted() && self.trials.not_begun > 0,
            targets: targets.collect::<Result<_>>()?,
            notes: notes(&machine, &plan.judged, self.trials),
            machine,
        };
        hunts::add_to(&mut comparison, self.hunts);
        analysis::analyse(&mut comparison);
        Ok(comparison)
    }

    /// The data of a target and start. What follows from the trials is left empty.
    fn target(&self, name: &str, start: Start) -> Result<TargetResult> {
        let Opened {
            folder, plan, map, ..
        } = self.opened;
        let target = &self.opened.targets[name];
        let seeds = measured::seeds(folder, map, name, start)?;
        let engines = plan.engines.iter().filter(|one| one.takes_part(target));
        let engines = engines.map(|&engine| self.engine(name, start, engine));
        let engines: Vec<OfEngine> = engines.collect();
        let reached = engines.iter().flat_map(|engine| &engine.reached);
        let reached: BTreeSet<usize> = reached.chain(&seeds.regions).copied().collect();
        let shipped = measured::shipped(folder, map, name)?;
        let mut evaluations = BTreeMap::new();
        for (trial, _) in self.trials.whole.values() {
            if (&*trial.id.target, trial.id.start) == (name, start) {
                for (check, count) in &trial.evaluations {
                    *evaluations.entry(check.clone()).or_insert(0) += count;
                }
            }
        }
        Ok(TargetResult {
            target: name.to_owned(),
            start,
            drives: target.drives.clone(),
            max_input: target.max_input,
            dictionary: folder.dictionary(name).is_some(),
            total: self.reach(0..map.regions().len()),
            reachable: self.reach(reached.union(&shipped).copied()),
            union: self.reach(reached),
            seeds: SeedsResult {
                inputs: seeds.inputs,
                reach: self.reach(seeds.regions.iter().copied()),
            },
            regions: self.regions(&seeds, &engines),
            engines: engines.into_iter().map(|engine| engine.result).collect(),
            never_evaluated: fuzz::never_evaluated(target, &self.opened.checks, &evaluations),
            ..TargetResult::default()
        })
    }

    fn reach(&self, regions: impl IntoIterator<Item = usize>) -> Reach {
        let mut tally = Tally::new(&self.opened.map);
        tally.add(regions);
        tally.reach()
    }

    fn engine(&self, target: &str, start: Start, engine: Contestant) -> OfEngine {
        let is_here = |id: &TrialId| (&*id.target, id.start, id.engine) == (target, start, engine);
        let whole = self.trials.whole.iter().filter(|(id, _)| is_here(id));
        let whole: Vec<&(Trial, Measured)> = whole.map(|(_, whole)| whole).collect();
        let lost = self.trials.lost.iter().filter(|(id, _)| is_here(id));
        let lost = lost.map(|(id, why)| TrialResult {
            trial: id.number,
            failure: Some(why.clone()),
            ..TrialResult::default()
        });
        let results = whole.iter().map(|(trial, measured)| {
            let reach = self.reach(measured.regions.iter().copied());
            result(trial, measured, reach)
        });
        let mut trials: Vec<TrialResult> = results.collect();
        let is_counting = trials.iter().any(TrialResult::counts);
        let mut by = BTreeMap::new();
        for (trial, (_, measured)) in trials.iter().zip(&whole) {
            if trial.counts() == is_counting {
                for region in &measured.regions {
                    *by.entry(*region).or_default() += 1;
                }
            }
        }
        let reached: BTreeSet<usize> = by.keys().copied().collect();
        if !is_counting {
            by.clear();
        }
        trials.extend(lost);
        trials.sort_by_key(|trial| trial.trial);
        let commands = whole.iter().map(|(trial, _)| &trial.command);
        let commands = commands.filter(|command| !command.is_empty());
        let command = commands.min_by_key(|command| command.len());
        OfEngine {
            result: EngineResult {
                engine: engine.name().to_owned(),
                title: engine.title().to_owned(),
                configuration: engine.configuration().to_owned(),
                command: command.cloned().unwrap_or_default(),
                trials,
                reach: self.reach(reached.iter().copied()),
                finds: finds(&self.opened.folder, whole.iter().map(|(trial, _)| trial)),
                ..EngineResult::default()
            },
            reached,
            by,
        }
    }

    fn regions(&self, seeds: &Measured, engines: &[OfEngine]) -> Vec<RegionReach> {
        let by_seeds: BTreeSet<usize> = seeds.regions.iter().copied().collect();
        let trials = |engine: &OfEngine, number| engine.by.get(&number).copied().unwrap_or(0);
        let regions = self.opened.map.regions().iter().enumerate();
        regions
            .map(|(number, region)| RegionReach {
                file: region.file.clone(),
                line: region.start_line,
                column: region.start_column,
                seeds: by_seeds.contains(&number),
                by: engines
                    .iter()
                    .map(|engine| trials(engine, number))
                    .collect(),
            })
            .collect()
    }
}

/// A whole trial, and what it reached.
pub(super) fn result(trial: &Trial, measured: &Measured, reach: Reach) -> TrialResult {
    TrialResult {
        trial: trial.id.number,
        core: trial.core,
        started: trial.started.clone(),
        seconds: trial.seconds,
        seeds_read: trial.seeds_read,
        executions: trial.executions,
        executions_per_second: trial.executions as f64 / trial.seconds.max(0.001),
        corpus: trial.corpus,
        reach,
        stability: trial.stability,
        load: trial.load,
        growth: measured.growth.clone(),
        failure: failure(trial, measured),
    }
}

/// What fails in these trials, by check.
pub(super) fn finds<'a>(
    folder: &Folder,
    trials: impl IntoIterator<Item = &'a Trial>,
) -> Vec<FindGroup> {
    let mut groups: BTreeMap<&str, FindGroup> = BTreeMap::new();
    let mut shortest: BTreeMap<&str, u64> = BTreeMap::new();
    for trial in trials {
        for find in &trial.finds {
            let group = groups.entry(&find.check).or_insert_with(|| FindGroup {
                check: find.check.clone(),
                inputs: 0,
                example: String::new(),
                trials: Vec::new(),
            });
            group.inputs += 1;
            let path = folder.trial(&trial.id).join(&find.file);
            let length = path.metadata().map_or(u64::MAX, |file| file.len());
            let least = shortest.entry(&find.check).or_insert(u64::MAX);
            if group.example.is_empty() || length < *least {
                *least = length;
                group.example = from_here(&path).display().to_string();
            }
            let (trial, time_ms) = (trial.id.number, find.time_ms);
            match group.trials.last_mut() {
                Some(first) if first.trial == trial => {
                    first.time_ms = first.time_ms.min(time_ms);
                }
                _ => group.trials.push(FirstFind { trial, time_ms }),
            }
        }
    }
    groups.into_values().collect()
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

/// What a reader must know of how the trials ran, beside what follows from their results.
fn notes(machine: &Machine, judged: &str, trials: &Trials) -> Vec<String> {
    let mut notes = vec![format!("What was {judged}.")];
    if !trials.lost.is_empty() {
        notes.push(format!(
            "The machine lost {}, and not an engine: the same command with the same --out runs what is \
             missing again.",
            counted(trials.lost.len(), "trial", "trials")
        ));
    }
    if machine.jobs > machine.cores {
        notes.push(format!(
            "{} engines ran at once on {}: they took time from each other.",
            machine.jobs,
            counted(machine.cores, "core", "cores")
        ));
    }
    let whole = trials.whole.values().map(|(trial, _)| trial);
    let systems: BTreeSet<&str> = whole.map(|trial| trial.system.as_str()).collect();
    if systems.len() > 1 {
        let systems: Vec<&str> = systems.into_iter().collect();
        notes.push(format!(
            "Trials ran under more than one system: {}.",
            systems.join("; ")
        ));
    }
    notes
}

/// The report's files, and their texts: words, page, and those for machines.
pub(super) fn files(comparison: &Comparison) -> Result<[(&'static str, String); 4]> {
    Ok([
        ("summary.md", summary::markdown(comparison)),
        ("series.csv", summary::series(comparison)),
        ("index.html", page::html(comparison)),
        ("report.json", serde_json::to_string_pretty(comparison)?),
    ])
}

/// Writes the report's files.
pub(crate) fn write(comparison: &Comparison, folder: &Path) -> Result<()> {
    for (name, text) in files(comparison)? {
        atomic::write_durably(&folder.join(name), text.as_bytes())?;
    }
    Ok(())
}
