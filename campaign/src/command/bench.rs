//! `campaign bench`: what the oracle costs, as a share of what the engine costs.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use harness_core::{TARGETS, Target};
use serde::Serialize;

use super::parse_time;
use crate::corpus::files_in;
use crate::engine::session::{self, Session};
use crate::engine::{Build, Engine, Sanitizer, Task};
use crate::output::outln;
use crate::progress::Progress;
use crate::project::Project;
use crate::report::grouped;

/// Measure executions a second of every target under every engine, over those of fuzz_nothing.
///
/// fuzz_nothing does nothing, so its executions a second are the engine's own. Both run from the same
/// seeds, with the same input limit, in turn, without a sanitizer; the ratio is the median over the
/// rounds. A ratio of 0.9 says that the oracle and the code under test take a tenth of the time.
///
/// How long a scan takes depends on the image, so only seeds whose image is at most --largest bytes are
/// used, and inputs are kept to that length.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo campaign bench\n  cargo campaign bench --engines libfuzzer --time 10s --rounds 5 --json"
)]
pub struct Bench {
    /// The targets; all when none is given.
    targets: Vec<String>,
    /// The engines.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Engine::ALL)]
    engines: Vec<Engine>,
    /// How long each run takes. In its first seconds AFL++ traces comparisons, and says little of its speed.
    #[arg(long, default_value = "30s", value_parser = parse_time)]
    time: Duration,
    /// How many times each pair is run.
    #[arg(long, default_value = "3", value_name = "N")]
    rounds: std::num::NonZeroUsize,
    /// Use the seeds that stand for at most this many bytes of image.
    #[arg(long, default_value = "4096", value_name = "BYTES")]
    largest: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

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
    seeds: usize,
    max_input: usize,
}

/// Runs the command.
///
/// # Errors
/// When something cannot be built, or an engine dies or executes nothing.
pub fn run(args: &Bench, project: &Project) -> Result<ExitCode> {
    let progress = Progress::new();
    session::stop_on_ctrl_c()?;
    let names = if args.targets.is_empty() {
        super::target_names()
            .into_iter()
            .map(str::to_owned)
            .collect()
    } else {
        args.targets.clone()
    };
    let Some(baseline) = TARGETS.iter().find(|target| target.is_baseline) else {
        bail!("there is no base line among the targets");
    };
    let mut all = Vec::new();
    for &engine in &args.engines {
        let of_baseline = build(&progress, project, engine, baseline)?;
        for name in &names {
            let target = super::target(name)?;
            let of_target = build(&progress, project, engine, target)?;
            let bench = Pair {
                project,
                engine,
                target,
                seeds: small_seeds(project, target, args.largest)?,
                max_input: target.max_input.min(args.largest as usize + SELECTOR),
                time: args.time,
            };
            all.push(bench.measure(args.rounds.get(), &of_target, &of_baseline, &progress)?);
        }
    }
    if args.json {
        outln!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        print(&all)?;
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

fn small_seeds(project: &Project, target: &Target, largest: u32) -> Result<Vec<PathBuf>> {
    let mut seeds = Vec::new();
    for seed in files_in(&project.seeds(target))? {
        let data = fs::read(&seed).with_context(|| format!("{} cannot be read", seed.display()))?;
        if target.stands_for(&data) <= u64::from(largest) {
            seeds.push(seed);
        }
    }
    Ok(seeds)
}

/// A target and the base line under one engine.
struct Pair<'a> {
    project: &'a Project,
    engine: Engine,
    target: &'static Target,
    seeds: Vec<PathBuf>,
    max_input: usize,
    time: Duration,
}

impl Pair<'_> {
    fn measure(
        &self,
        rounds: usize,
        target: &Build,
        baseline: &Build,
        progress: &Progress,
    ) -> Result<Measured> {
        let mut rates = Vec::new();
        for round in 0..rounds {
            // In turn, and each first as often as the other, so that a drift of the machine evens out.
            let (of_target, of_baseline) = if round % 2 == 0 {
                let of_target = self.run(target, progress)?;
                (of_target, self.run(baseline, progress)?)
            } else {
                let of_baseline = self.run(baseline, progress)?;
                (self.run(target, progress)?, of_baseline)
            };
            rates.push((
                of_target.executions_per_second(),
                of_baseline.executions_per_second(),
            ));
        }
        let ratios = sorted(rates.iter().map(|(target, baseline)| target / baseline));
        Ok(Measured {
            target: self.target.name,
            engine: self.engine.name(),
            executions_per_second: median(&sorted(rates.iter().map(|rate| rate.0))),
            baseline_per_second: median(&sorted(rates.iter().map(|rate| rate.1))),
            ratio: median(&ratios),
            ratio_min: ratios[0],
            ratio_max: ratios[rounds - 1],
            rounds,
            seeds: self.seeds.len(),
            max_input: self.max_input,
        })
    }

    fn run(&self, build: &Build, progress: &Progress) -> Result<Session> {
        let folder = self.project.results().join("run").join("bench");
        let _lock = self.project.lock(&folder)?;
        session::empty(&folder)?;
        let task = Task {
            max_input: self.max_input,
            inputs: folder.join("inputs"),
            folder,
            dictionary: self.project.dictionary(self.target),
            time: self.time,
        };
        session::lay_out(&self.seeds, &task.inputs)?;
        let mut line = progress.session(self.engine, self.target.name, self.time);
        let session = session::run(
            self.engine,
            build,
            &task,
            Some(0),
            &mut |time, status, finds| {
                line.show(time, status, finds);
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
fn print(all: &[Measured]) -> Result<()> {
    outln!(
        "| {:<18} | {:<9} | {:>14} | {:>18} | {:>5} | {:>11} |",
        "target",
        "engine",
        "executions/s",
        "fuzz_nothing's /s",
        "ratio",
        "min to max"
    );
    outln!(
        "|{:-<20}|{:-<11}|{:->15}:|{:->19}:|{:->6}:|{:->12}:|",
        "",
        "",
        "",
        "",
        "",
        ""
    );
    for row in all {
        outln!(
            "| {:<18} | {:<9} | {:>14} | {:>18} | {:>5.2} | {:>4.2} – {:>4.2} |",
            row.target,
            row.engine,
            grouped(row.executions_per_second.round() as u64),
            grouped(row.baseline_per_second.round() as u64),
            row.ratio,
            row.ratio_min,
            row.ratio_max,
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_two() {
        assert_eq!(median(&sorted([3.0, 1.0, 2.0].into_iter())), 2.0);
        assert_eq!(median(&sorted([4.0, 1.0, 2.0, 3.0].into_iter())), 2.5);
    }
}
