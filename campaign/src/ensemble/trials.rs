//! Whether engines together reach more than the best of them alone: trials of the ensemble and of each of its
//! engines, each on one core for the same time, from the same seeds, measured on the neutral build.
//!
//! On one core the engines of the ensemble take turns, so every trial has the same core-seconds. Trials are run in
//! blocks that have each contestant once, in an order that is drawn for each block. Results are lines of a file,
//! one written when its trial has ended, so a run that was killed goes on where it was.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use harness_core::Target;

use serde::{Deserialize, Serialize};

use super::{Outcome, Plan, allocation};
use crate::coverage::{Input, Replay, SourceMap};
use crate::differential::random::Random;
use crate::engine::{Build, Engine, session};
use crate::progress::Progress;
use crate::replay::TIME_OUT;
use crate::statistics::bootstrap::{Interval, median_interval};
use crate::statistics::effect_size::{Magnitude, a12};
use crate::statistics::mann_whitney;

/// The name of the ensemble among the contestants.
pub const ENSEMBLE: &str = "ensemble";
/// What the random numbers are for, so that they differ from others of the same seed.
const ORDER: u64 = 0x656e_7365;
/// With fewer trials differences between contestants are often chance.
const ENOUGH: usize = 10;
/// The confidence of intervals.
const LEVEL: f64 = 0.95;

/// One trial: a line of `trials.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// `ensemble`, or an engine's name.
    pub contestant: String,
    /// Its number, from 1.
    pub number: usize,
    /// How long it was to run, in seconds.
    pub time_seconds: u64,
    /// Regions reached, those of the seeds included.
    pub regions: usize,
    /// Executions of the target, of all engines.
    pub executions: u64,
    /// Inputs kept.
    pub kept: usize,
    /// Processor time that the engines used, in seconds.
    pub core_seconds: f64,
    /// Why it does not count.
    pub failure: Option<String>,
}

/// What it takes to run trials.
#[derive(Debug)]
pub struct Trials<'a> {
    /// The target.
    pub target: &'static Target,
    /// The engines of the ensemble, each with its build.
    pub builds: &'a BTreeMap<Engine, Build>,
    /// What every trial begins from.
    pub seeds: &'a [PathBuf],
    /// The dictionary.
    pub dictionary: Option<PathBuf>,
    /// Where everything goes: `trials.jsonl`, and a folder for each trial.
    pub out: &'a Path,
    /// How long each runs.
    pub time: Duration,
    /// How many of each contestant.
    pub count: usize,
    /// The cores; on each one trial at a time.
    pub cores: &'a [usize],
    /// The worker that was built for coverage.
    pub neutral: &'a Path,
    /// Its regions.
    pub map: &'a SourceMap,
}

/// A contestant's trials, summed up.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// `ensemble`, or an engine's name.
    pub contestant: String,
    /// How many trials count.
    pub trials: usize,
    /// The median of the regions reached.
    pub regions: f64,
    /// Its bootstrap interval at 95 %.
    pub regions_interval: [f64; 2],
    /// The median of executions.
    pub executions: f64,
    /// The median of processor seconds used.
    pub core_seconds: f64,
}

/// The answer.
#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    /// The target.
    pub target: String,
    /// How long each trial ran, in seconds.
    pub time_seconds: u64,
    /// Each contestant; the ensemble first.
    pub contestants: Vec<Summary>,
    /// The engine that reaches most alone, by its median.
    pub best: String,
    /// Whether the ensemble's median is at least that engine's.
    pub at_least: bool,
    /// How likely a trial of the ensemble reaches more than one of that engine, ties counted half.
    pub a12: f64,
    /// What to call that difference.
    pub magnitude: Magnitude,
    /// Mann and Whitney's p, of both sides.
    pub p: Option<f64>,
    /// Trials that do not count, and why.
    pub failures: Vec<String>,
}

impl Trials<'_> {
    fn contestants(&self) -> Vec<String> {
        let engines = self.builds.keys().map(|engine| engine.name().to_owned());
        std::iter::once(ENSEMBLE.to_owned())
            .chain(engines)
            .collect()
    }

    /// Runs all trials that are not there yet; none is begun after Ctrl-C. Returns all there are.
    ///
    /// # Errors
    /// When something cannot be started, read or written.
    ///
    /// # Panics
    /// When a thread does.
    pub fn run(&self, progress: &Progress) -> Result<Vec<Trial>> {
        fs::create_dir_all(self.out)
            .with_context(|| format!("{} cannot be made", self.out.display()))?;
        let file = self.out.join("trials.jsonl");
        let done = Mutex::new(self.read(&file)?);
        let missing: Vec<(String, usize)> = {
            let done = lock(&done);
            let is_done = |(contestant, number): &(String, usize)| {
                let mut done = done.iter();
                done.any(|one| (&one.contestant, one.number) == (contestant, *number))
            };
            let mut order = order(&self.contestants(), self.count);
            order.retain(|trial| !is_done(trial));
            order
        };
        progress.say(&format!(
            "{} trials of {} s, {} at once: about {} min",
            missing.len(),
            self.time.as_secs(),
            self.cores.len(),
            missing.len().div_ceil(self.cores.len()) as u64 * (self.time.as_secs() + 5) / 60
        ));
        let waiting = Mutex::new(missing.into_iter());
        let results: Vec<Result<()>> = std::thread::scope(|scope| {
            let threads = self.cores.iter().map(|&core| {
                let (waiting, done, file) = (&waiting, &done, &file);
                scope.spawn(move || {
                    loop {
                        let next = lock(waiting).next();
                        let Some((contestant, number)) = next.filter(|_| !session::interrupted())
                        else {
                            return Ok(());
                        };
                        let Some(trial) = self.one(&contestant, number, core)? else {
                            return Ok(());
                        };
                        progress.say(&format!(
                            "{contestant} {number}: {} regions, {:.0} core-seconds",
                            trial.regions, trial.core_seconds
                        ));
                        let mut done = lock(done);
                        append(file, &trial)?;
                        done.push(trial);
                    }
                })
            });
            let threads: Vec<_> = threads.collect();
            let results = threads.into_iter().map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            results.collect()
        });
        results.into_iter().collect::<Result<()>>()?;
        Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// The trials in a file; a last line that is not whole was cut off by a kill.
    fn read(&self, file: &Path) -> Result<Vec<Trial>> {
        let text = if file.exists() {
            fs::read_to_string(file)
                .with_context(|| format!("{} cannot be read", file.display()))?
        } else {
            String::new()
        };
        let trials: Vec<Trial> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let time = self.time.as_secs();
        anyhow::ensure!(
            trials.iter().all(|trial| trial.time_seconds == time),
            "{} has trials of another length; name another folder",
            file.display()
        );
        Ok(trials)
    }

    fn one(&self, contestant: &str, number: usize, core: usize) -> Result<Option<Trial>> {
        let all = self.builds.keys().copied();
        let engines: Vec<Engine> = all
            .filter(|engine| contestant == ENSEMBLE || contestant == engine.name())
            .collect();
        let shares = allocation::allocate(&engines, &[core])?;
        let folder = self.out.join("runs").join(format!("{contestant}-{number}"));
        let plan = Plan {
            shares: &shares,
            builds: self.builds,
            inputs: self.seeds,
            max_input: self.target.max_input,
            comparisons_are_seen: self.target.compare_tracing,
            dictionary: self.dictionary.clone(),
            folder,
            at_once: 1,
            time: self.time,
            sharing: None,
        };
        let outcome = super::run(&plan, &mut |_| ControlFlow::Continue(()))?;
        if outcome.interrupted {
            return Ok(None);
        }
        let one = outcome.as_session();
        Ok(Some(Trial {
            contestant: contestant.to_owned(),
            number,
            time_seconds: self.time.as_secs(),
            regions: self.regions(&outcome)?,
            executions: one.status.executions,
            kept: outcome.entries.len(),
            core_seconds: outcome.core_time().as_secs_f64(),
            failure: one.failure,
        }))
    }

    fn regions(&self, outcome: &Outcome) -> Result<usize> {
        let seeds = self.seeds.iter().cloned();
        let kept = outcome.entries.iter().map(|entry| entry.path.clone());
        let inputs = seeds.chain(kept).map(|path| Input {
            path,
            time_ms: 0,
            executions: 0,
        });
        let replay = Replay {
            binary: self.neutral,
            map: self.map,
            target: self.target.name,
            timeout: TIME_OUT,
        };
        Ok(replay.grow(&inputs.collect::<Vec<_>>())?.covered.len())
    }

    /// The answer that `trials` give; none while a contestant has none that counts.
    #[must_use]
    pub fn answer(&self, trials: &[Trial]) -> Option<Answer> {
        answer(self.target.name, self.time, &self.contestants(), trials)
    }
}

fn answer(
    target: &str,
    time: Duration,
    contestants: &[String],
    trials: &[Trial],
) -> Option<Answer> {
    let of = |contestant: &str, value: fn(&Trial) -> f64| -> Vec<f64> {
        let trials = trials.iter();
        trials
            .filter(|trial| trial.contestant == contestant && trial.failure.is_none())
            .map(value)
            .collect()
    };
    #[allow(clippy::cast_precision_loss, reason = "counts, to be compared")]
    let regions: fn(&Trial) -> f64 = |trial| trial.regions as f64;
    #[allow(clippy::cast_precision_loss, reason = "counts, to be summed up")]
    let executions: fn(&Trial) -> f64 = |trial| trial.executions as f64;
    let mut summaries = Vec::new();
    for contestant in contestants {
        let reached = of(contestant, regions);
        let Interval { low, median, high } = median_interval(&reached, LEVEL)?;
        summaries.push(Summary {
            contestant: contestant.clone(),
            trials: reached.len(),
            regions: median,
            regions_interval: [low, high],
            executions: median_interval(&of(contestant, executions), LEVEL)?.median,
            core_seconds: median_interval(&of(contestant, |one| one.core_seconds), LEVEL)?.median,
        });
    }
    let alone = summaries.iter().filter(|one| one.contestant != ENSEMBLE);
    let best = alone.max_by(|a, b| a.regions.total_cmp(&b.regions))?;
    let (ours, theirs) = (of(ENSEMBLE, regions), of(&best.contestant, regions));
    let a12 = a12(&ours, &theirs)?;
    let failures = trials.iter().filter_map(|trial| {
        let why = trial.failure.as_ref()?;
        Some(format!("{} {}: {why}", trial.contestant, trial.number))
    });
    Some(Answer {
        target: target.to_owned(),
        time_seconds: time.as_secs(),
        best: best.contestant.clone(),
        at_least: summaries[0].regions >= best.regions,
        a12,
        magnitude: Magnitude::of(a12),
        p: mann_whitney::test(&ours, &theirs).map(|test| test.p),
        failures: failures.collect(),
        contestants: summaries,
    })
}

impl Answer {
    /// The answer in words and as a table.
    #[must_use]
    pub fn words(&self) -> String {
        let mut lines = Vec::new();
        let of = |name: &str| self.contestants.iter().find(|one| one.contestant == name);
        if let (Some(ensemble), Some(best)) = (of(ENSEMBLE), of(&self.best)) {
            lines.push(format!(
                "{}, {} s on one core: together the engines reach {} regions, the best alone, {}, {} (medians of {} \
                 and {} trials): {}.",
                self.target,
                self.time_seconds,
                ensemble.regions,
                best.contestant,
                best.regions,
                ensemble.trials,
                best.trials,
                if self.at_least { "at least as many" } else { "fewer" },
            ));
            let p = self.p.map_or_else(String::new, |p| format!(", p = {p:.3}"));
            let magnitude = format!("{:?}", self.magnitude).to_lowercase();
            lines.push(format!(
                "A trial of the ensemble reaches more than one of {} with probability {:.2} ({magnitude}{p}).",
                best.contestant, self.a12
            ));
        }
        if self.contestants.iter().any(|one| one.trials < ENOUGH) {
            lines.push(format!(
                "Fewer than {ENOUGH} trials of each: this ranks nobody."
            ));
        }
        lines.extend(
            self.failures
                .iter()
                .map(|why| format!("does not count: {why}")),
        );
        lines.push(String::new());
        lines.push(
            "| contestant | trials | regions | 95 % interval | executions | core s |".to_owned(),
        );
        lines.push(
            "|------------|-------:|--------:|--------------:|-----------:|-------:|".to_owned(),
        );
        for one in &self.contestants {
            let [low, high] = one.regions_interval;
            lines.push(format!(
                "| {:<10} | {:>6} | {:>7} | {:>13} | {:>10.0} | {:>6.1} |",
                one.contestant,
                one.trials,
                one.regions,
                format!("{low} – {high}"),
                one.executions,
                one.core_seconds
            ));
        }
        lines.join("\n")
    }
}

/// Blocks of all contestants, each in an order of its own.
fn order(contestants: &[String], count: usize) -> Vec<(String, usize)> {
    let mut order = Vec::new();
    for number in 1..=count {
        let mut block: Vec<_> = contestants
            .iter()
            .map(|one| (one.clone(), number))
            .collect();
        let mut random = Random::of_case(1, ORDER, number as u64);
        // Fisher and Yates: every order is as likely as any other.
        for last in (1..block.len()).rev() {
            let other = usize::try_from(random.below(last as u64 + 1)).unwrap_or(last);
            block.swap(last, other);
        }
        order.append(&mut block);
    }
    order
}

fn append(file: &Path, trial: &Trial) -> Result<()> {
    let mut line = serde_json::to_string(trial)?;
    line.push('\n');
    File::options()
        .create(true)
        .append(true)
        .open(file)
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .with_context(|| format!("{} cannot be written", file.display()))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn trial(contestant: &str, number: usize, regions: usize) -> Trial {
        Trial {
            contestant: contestant.to_owned(),
            number,
            time_seconds: 60,
            regions,
            executions: 1000,
            kept: 1,
            core_seconds: 59.5,
            failure: None,
        }
    }

    fn contestants() -> Vec<String> {
        ["ensemble", "afl", "libfuzzer"].map(str::to_owned).to_vec()
    }

    #[test]
    fn each_block_has_every_contestant_once() {
        let order = order(&contestants(), 20);
        let mut firsts = BTreeSet::new();
        for (block, number) in order.chunks(3).zip(1..) {
            let names: BTreeSet<&String> = block.iter().map(|(name, _)| name).collect();
            assert_eq!(names.len(), 3);
            assert!(block.iter().all(|(_, of)| *of == number));
            firsts.insert(&block[0].0);
        }
        assert_eq!(firsts.len(), 3, "none is always first");
    }

    #[test]
    fn the_ensemble_is_held_against_the_best_engine_alone() {
        let mut trials = Vec::new();
        for number in 1..=5 {
            trials.push(trial("ensemble", number, 110 + number));
            trials.push(trial("afl", number, 90 + number));
            trials.push(trial("libfuzzer", number, 100 + number));
        }
        let lost = Trial {
            failure: Some("died".to_owned()),
            ..trial("libfuzzer", 6, 999)
        };
        trials.push(lost);
        let minute = Duration::from_secs(60);
        let answer = super::answer("t", minute, &contestants(), &trials).unwrap();
        assert_eq!((answer.best.as_str(), answer.at_least), ("libfuzzer", true));
        assert_eq!(answer.contestants[0].regions, 113.0);
        assert_eq!(answer.a12, 1.0);
        assert!(answer.p.unwrap() < 0.01);
        let words = answer.words();
        for part in [
            "113 regions",
            "libfuzzer, 103",
            "at least as many",
            "died",
            "ranks nobody",
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
        assert!(super::answer("t", minute, &contestants(), &trials[..2]).is_none());
    }
}
