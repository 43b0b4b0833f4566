//! Executions a second under an engine, over those of the target that does nothing.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use worker::TargetInfo;

use super::{Bench, Inputs};
use crate::engine::session::{self, Session, Setup};
use crate::engine::{Build, Engine, Sanitizer};
use crate::output::outln;
use crate::progress::Progress;
use crate::project::Project;
use report::format::rounded;

#[derive(Debug, Serialize)]
struct Measured {
    target: String,
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
    /// How many processes wanted a core before the first build, on average over a minute.
    load_before: Option<f64>,
}

pub(super) fn run(args: &Bench, project: &Project, targets: &[&TargetInfo]) -> Result<ExitCode> {
    let progress = Progress::new();
    let load_before = load_average();
    session::stop_on_ctrl_c()?;
    let baseline = project.targets()?.iter().find(|target| target.is_baseline);
    let baseline = baseline.context("none of the targets is a baseline")?;
    let build = |engine: Engine, target: &TargetInfo| {
        let what = format!("build {} for {}", target.name, engine.title());
        progress.step(&what, || {
            engine.build(project, &target.name, Sanitizer::None)
        })
    };
    let mut all = Vec::new();
    for &engine in &args.engines {
        let of_baseline = build(engine, baseline)?;
        for &target in targets {
            let of_target = build(engine, target)?;
            let inputs = Inputs::of(project, target)?;
            let pair = Pair {
                args,
                project,
                engine,
                target,
                files: short(&inputs.files, args.largest.into())?,
                progress: &progress,
            };
            all.push(pair.measure(&of_target, &of_baseline, &inputs.from, load_before)?);
        }
    }
    if args.json {
        outln!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        print(&all)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The first field of `/proc/loadavg`; `None` where the system has no such file.
fn load_average() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next()?.parse().ok()
}

/// The inputs that are at most `largest` bytes long.
fn short(files: &[PathBuf], largest: u64) -> Result<Vec<PathBuf>> {
    let mut short = Vec::new();
    for file in files {
        let data =
            fs::metadata(file).with_context(|| format!("{} cannot be read", file.display()))?;
        if data.len() <= largest {
            short.push(file.clone());
        }
    }
    Ok(short)
}

/// A target and the baseline under one engine.
struct Pair<'a> {
    args: &'a Bench,
    project: &'a Project,
    engine: Engine,
    target: &'a TargetInfo,
    files: Vec<PathBuf>,
    progress: &'a Progress,
}

impl Pair<'_> {
    fn measure(
        &self,
        target: &Build,
        baseline: &Build,
        inputs_from: &str,
        load_before: Option<f64>,
    ) -> Result<Measured> {
        let (mut of_target, mut of_baseline) = (Vec::new(), Vec::new());
        for round in 0..self.args.rounds.get() {
            // In turn, and each first as often as the other, so that a drift of the machine evens out.
            if round % 2 == 0 {
                of_target.push(self.run(target)?);
                of_baseline.push(self.run(baseline)?);
            } else {
                of_baseline.push(self.run(baseline)?);
                of_target.push(self.run(target)?);
            }
        }
        let pairs = of_target.iter().zip(&of_baseline);
        let ratios = sorted(pairs.map(|(target, baseline)| target / baseline));
        Ok(Measured {
            target: self.target.name.clone(),
            engine: self.engine.name(),
            executions_per_second: median(&sorted(of_target)),
            baseline_per_second: median(&sorted(of_baseline)),
            ratio: median(&ratios),
            ratio_min: ratios[0],
            ratio_max: ratios[ratios.len() - 1],
            rounds: ratios.len(),
            inputs: self.files.len(),
            inputs_from: inputs_from.to_owned(),
            max_input: self.max_input(),
            load_before,
        })
    }

    fn max_input(&self) -> usize {
        self.target.max_input.min(self.args.largest as usize)
    }

    /// Executions a second of one run.
    fn run(&self, build: &Build) -> Result<f64> {
        let folder = self.project.results().join("run").join("bench");
        let _claim = self.project.claim(&folder)?;
        let builds = [(self.engine, build.clone())].into();
        let setup = Setup {
            max_input: self.max_input(),
            dictionary: self.project.dictionary(self.target),
            cores: vec![0],
            ..Setup::new(self.target, &builds, &self.files, folder, self.args.time)
        };
        let mut line =
            self.progress
                .session(self.engine.title(), &self.target.name, self.args.time);
        let session: Session = session::run(&setup, &mut |view| {
            line.show(view);
            ControlFlow::Continue(())
        })?;
        line.done();
        if session::interrupted() {
            bail!("interrupted");
        }
        match session.failure() {
            Some(why) => bail!("{why}"),
            None => Ok(session.executions_per_second()),
        }
    }
}

fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
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

fn print(all: &[Measured]) -> Result<()> {
    outln!("| target | engine | executions/s | baseline's /s | ratio | min to max |");
    outln!("|---|---|--:|--:|--:|--:|");
    for row in all {
        outln!(
            "| {} | {} | {} | {} | {:.2} | {:.2} – {:.2} |",
            row.target,
            row.engine,
            rounded(row.executions_per_second),
            rounded(row.baseline_per_second),
            row.ratio,
            row.ratio_min,
            row.ratio_max,
        );
    }
    outln!("");
    let inputs: BTreeMap<&str, &Measured> = all.iter().map(|row| (&*row.target, row)).collect();
    for (target, row) in inputs {
        outln!("{target}: {} of {}", row.inputs, row.inputs_from);
    }
    if let Some(load) = all.first().and_then(|row| row.load_before) {
        outln!("load average before the first build: {load:.2}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_two() {
        assert_eq!(median(&sorted([3.0, 1.0, 2.0])), 2.0);
        assert_eq!(median(&sorted([4.0, 1.0, 2.0, 3.0])), 2.5);
    }

    #[test]
    fn long_inputs_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let files = [4096, 4097].map(|length| {
            let file = folder.path().join(length.to_string());
            fs::write(&file, vec![0; length]).unwrap();
            file
        });
        assert_eq!(short(&files, 4096).unwrap(), files[..1]);
    }
}
