//! Executions a second under an engine, over those of fuzz_nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use harness_core::{TARGETS, Target};
use serde::Serialize;

use super::load::{Load, OtherWork};
use super::{Bench, Inputs};
use crate::engine::session::{self, Session};
use crate::engine::{Build, Engine, Sanitizer, Task};
use crate::output::outln;
use crate::progress::Progress;
use crate::project::Project;
use crate::report::grouped;

/// A speed that a target is to have under an engine, on an idle machine.
struct Limit {
    target: &'static str,
    engine: Engine,
    least: Least,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Least {
    ExecutionsPerSecond(u32),
    Ratio(f64),
}

const LIMITS: [Limit; 3] = [
    Limit {
        target: "fuzz_measure_image",
        engine: Engine::Libfuzzer,
        least: Least::ExecutionsPerSecond(100_000),
    },
    Limit {
        target: "fuzz_measure_image",
        engine: Engine::Afl,
        least: Least::Ratio(0.8),
    },
    Limit {
        target: "fuzz_measure_image",
        engine: Engine::Honggfuzz,
        least: Least::Ratio(0.8),
    },
];

#[derive(Debug, Serialize)]
struct Measured {
    target: &'static str,
    engine: &'static str,
    executions_per_second: f64,
    baseline_per_second: f64,
    ratio: f64,
    ratio_min: f64,
    ratio_max: f64,
    rounds: usize,
    inputs: usize,
    inputs_from: String,
    max_input: usize,
    /// The limit that it is compared with, where there is one.
    at_least: Option<Least>,
    is_met: Option<bool>,
    other_work: OtherWork,
}

pub(super) fn run(
    args: &Bench,
    project: &Project,
    targets: &[&'static Target],
) -> Result<ExitCode> {
    let progress = Progress::new();
    let load_before = Load::now();
    session::stop_on_ctrl_c()?;
    let Some(baseline) = TARGETS.iter().find(|target| target.is_baseline) else {
        bail!("there is no base line among the targets");
    };
    let mut all = Vec::new();
    for &engine in &args.engines {
        let of_baseline = build(&progress, project, engine, baseline)?;
        for &target in targets {
            let of_target = build(&progress, project, engine, target)?;
            let inputs = Inputs::of(project, target)?;
            let pair = Pair {
                project,
                engine,
                target,
                files: fast(target, &inputs.files, args.largest)?,
                max_input: target.max_input.min(args.largest as usize + SELECTOR),
                time: args.time,
            };
            let builds = [&of_target, &of_baseline];
            all.push(pair.measure(args.rounds.get(), builds, inputs.from, &progress)?);
        }
    }
    if args.json {
        outln!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        print(&all, load_before)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn build(progress: &Progress, project: &Project, engine: Engine, target: &Target) -> Result<Build> {
    progress.step(
        &format!("build {} for {}", target.name, engine.title()),
        || engine.build(project, target.name, Sanitizer::None),
    )
}

/// Inputs that hold an image have one byte before it.
const SELECTOR: usize = 1;

/// The inputs whose images are at most `largest` bytes; all when the target has no longer inputs, and so
/// none that take their time for their length.
fn fast(target: &Target, files: &[PathBuf], largest: u32) -> Result<Vec<PathBuf>> {
    if target.max_input <= largest as usize {
        return Ok(files.to_vec());
    }
    let mut fast = Vec::new();
    for file in files {
        if target.decoded_size(&read(file)?) <= u64::from(largest) {
            fast.push(file.clone());
        }
    }
    Ok(fast)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}

/// A target and the base line under one engine.
struct Pair<'a> {
    project: &'a Project,
    engine: Engine,
    target: &'static Target,
    files: Vec<PathBuf>,
    max_input: usize,
    time: Duration,
}

impl Pair<'_> {
    fn measure(
        &self,
        rounds: usize,
        [target, baseline]: [&Build; 2],
        inputs_from: String,
        progress: &Progress,
    ) -> Result<Measured> {
        let mut rates = Vec::new();
        let mut other_work = OtherWork::beside(self.engine);
        for round in 0..rounds {
            // In turn, and each first as often as the other, so that a drift of the machine evens out.
            let (of_target, of_baseline) = if round % 2 == 0 {
                let of_target = self.run(target, &mut other_work, progress)?;
                (of_target, self.run(baseline, &mut other_work, progress)?)
            } else {
                let of_baseline = self.run(baseline, &mut other_work, progress)?;
                (self.run(target, &mut other_work, progress)?, of_baseline)
            };
            rates.push((
                of_target.executions_per_second(),
                of_baseline.executions_per_second(),
            ));
        }
        let ratios = sorted(rates.iter().map(|(target, baseline)| target / baseline));
        let executions_per_second = median(&sorted(rates.iter().map(|rate| rate.0)));
        let ratio = median(&ratios);
        let limit = LIMITS
            .iter()
            .find(|limit| limit.target == self.target.name && limit.engine == self.engine);
        Ok(Measured {
            target: self.target.name,
            engine: self.engine.name(),
            executions_per_second,
            baseline_per_second: median(&sorted(rates.iter().map(|rate| rate.1))),
            ratio,
            ratio_min: ratios[0],
            ratio_max: ratios[rounds - 1],
            rounds,
            inputs: self.files.len(),
            inputs_from,
            max_input: self.max_input,
            at_least: limit.map(|limit| limit.least),
            is_met: limit.map(|limit| limit.least.is_met(executions_per_second, ratio)),
            other_work,
        })
    }

    fn run(
        &self,
        build: &Build,
        other_work: &mut OtherWork,
        progress: &Progress,
    ) -> Result<Session> {
        let folder = self.project.results().join("run").join("bench");
        let _lock = self.project.lock(&folder)?;
        session::empty(&folder)?;
        let task = Task {
            max_input: self.max_input,
            inputs: folder.join("inputs"),
            folder,
            dictionary: self.project.dictionary(self.target),
            comparisons_are_seen: self.target.compare_tracing,
            time: self.time,
        };
        session::lay_out(&self.files, &task.inputs)?;
        let mut line = progress.session(self.engine, self.target.name, self.time);
        let session = session::run(
            self.engine,
            build,
            &task,
            Some(0),
            &mut |time, status, finds| {
                line.show(time, status, finds);
                other_work.look();
            },
        )?;
        line.done();
        if session.interrupted {
            bail!("interrupted");
        }
        match &session.failure {
            Some(why) => bail!("{why}"),
            None => Ok(session),
        }
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The median of sorted values, of which there is at least one.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates, rounded to be printed"
)]
fn print(all: &[Measured], load_before: Option<Load>) -> Result<()> {
    outln!(
        "| {:<18} | {:<9} | {:>14} | {:>18} | {:>5} | {:>11} | {:<18} |",
        "target",
        "engine",
        "executions/s",
        "fuzz_nothing's /s",
        "ratio",
        "min to max",
        "limit"
    );
    outln!(
        "|{:-<20}|{:-<11}|{:->15}:|{:->19}:|{:->6}:|{:->12}:|{:-<20}|",
        "",
        "",
        "",
        "",
        "",
        "",
        ""
    );
    for row in all {
        let limit = match (row.at_least, row.is_met) {
            (Some(least), Some(true)) => format!("{least}: met"),
            (Some(least), _) => format!("{least}: missed"),
            (None, _) => "–".to_owned(),
        };
        outln!(
            "| {:<18} | {:<9} | {:>14} | {:>18} | {:>5.2} | {:>4.2} – {:>4.2} | {limit:<18} |",
            row.target,
            row.engine,
            grouped(row.executions_per_second.round() as u64),
            grouped(row.baseline_per_second.round() as u64),
            row.ratio,
            row.ratio_min,
            row.ratio_max,
        );
    }
    outln!("");
    let mut told = Vec::new();
    for row in all {
        if !told.contains(&row.target) {
            told.push(row.target);
            outln!("{}: {} of {}", row.target, row.inputs, row.inputs_from);
        }
    }
    if let Some(load) = load_before {
        outln!("load average before the first build: {:.2}", load.average);
    }
    for row in all.iter().filter(|row| row.other_work.is_there()) {
        outln!(
            "not to be relied on: while {} ran under {}, {}",
            row.target,
            row.engine,
            row.other_work
        );
    }
    Ok(())
}

impl Least {
    fn is_met(self, executions_per_second: f64, ratio: f64) -> bool {
        match self {
            Self::ExecutionsPerSecond(least) => executions_per_second >= f64::from(least),
            Self::Ratio(least) => ratio >= least,
        }
    }
}

impl std::fmt::Display for Least {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ExecutionsPerSecond(least) => write!(f, "{}/s", grouped(u64::from(*least))),
            Self::Ratio(least) => write!(f, "ratio {least:.2}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_two() {
        assert_eq!(median(&sorted([3.0, 1.0, 2.0].into_iter())), 2.0);
        assert_eq!(median(&sorted([4.0, 1.0, 2.0, 3.0].into_iter())), 2.5);
    }

    #[test]
    fn a_limit_is_met_when_it_is_reached() {
        let rate = Least::ExecutionsPerSecond(100_000);
        assert!(rate.is_met(100_000.0, 0.1) && !rate.is_met(99_999.0, 1.0));
        let ratio = Least::Ratio(0.8);
        assert!(ratio.is_met(5.0, 0.8) && !ratio.is_met(1e9, 0.79));
        for limit in LIMITS {
            assert!(harness_core::targets::find(limit.target).is_some());
        }
    }

    #[test]
    fn only_targets_with_long_inputs_are_measured_on_some() {
        let folder = tempfile::tempdir().unwrap();
        let files = [vec![0; 100], vec![0; 9000]].map(|content| {
            let file = folder.path().join(content.len().to_string());
            fs::write(&file, content).unwrap();
            file
        });
        let fast = |target| fast(harness_core::targets::find(target).unwrap(), &files, 4096);
        assert_eq!(fast("fuzz_measure_scan").unwrap(), files[..1]);
        assert_eq!(fast("fuzz_measure_image").unwrap(), files);
    }
}
