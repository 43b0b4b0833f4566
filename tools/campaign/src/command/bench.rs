//! `campaign bench`: what the oracle costs, as a share of what the engine costs and in instructions.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use cli::output::{from_here, outln};
use fs_err as fs;
use report::format::{grouped, rounded};
use report::markdown::{heading, table};
use serde::Serialize;
use statistics::quantile::median;
use tempfile::TempDir;
use worker::TargetInfo;

use super::{chosen_targets, parse_time};
use crate::callgrind;
use crate::corpora::candidates::Candidates;
use crate::corpora::{pack, zip_of};
use crate::corpus::{Store, files_in};
use crate::engine::session::{self, Setup};
use crate::engine::{Build, Engine, Sanitizer};
use crate::progress::Progress;
use crate::project::Project;

/// Measure executions a second of every target under every engine, over those of the baseline target.
///
/// The baseline does nothing, so its executions a second are the engine's own. Both run from the same
/// inputs, with the same input limit, in turn, on one core, without a sanitizer; the ratio is the median
/// over the rounds. A ratio of 0.9 means that the oracle and the code under test take a tenth of the time.
/// The inputs are the shipped corpus; where a project ships none, the seeds.
///
/// The time of an execution grows with the input. So only inputs of at most --largest bytes are used, and the engine
/// makes no longer ones.
///
/// Other work on the machine falsifies the figures: the load average is printed with them.
///
/// With --instructions no engine runs. The inputs are replayed under Valgrind, which counts the instructions
/// of each target. That does not depend on other work. Where they are spent, Valgrind's callgrind_annotate shows.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  everything was measured
  1  it could not be: an engine died, something could not be built, or it was interrupted
  2  the command line is wrong

Examples:
  cargo campaign bench
  cargo campaign bench --engines libfuzzer --time 10s --rounds 5 --json
  cargo campaign bench --instructions fuzz_measure_image")]
pub(super) struct Bench {
    /// The targets; all when none is given.
    targets: Vec<String>,
    /// Count instructions, with Valgrind's callgrind.
    #[arg(long, conflicts_with_all = ["engines", "time", "rounds", "largest"])]
    instructions: bool,
    /// The engines.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Engine::ALL)]
    engines: Vec<Engine>,
    /// How long each run takes. In its first seconds AFL++ runs every input several times: these seconds show
    /// little of its speed.
    #[arg(long, default_value = "30s", value_parser = parse_time)]
    time: Duration,
    /// How many times each pair is run.
    #[arg(long, default_value = "3", value_name = "N")]
    rounds: std::num::NonZeroUsize,
    /// Use the inputs of at most this many bytes.
    #[arg(long, default_value = "4096", value_name = "BYTES")]
    largest: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Bench, project: &Project) -> Result<ExitCode> {
    let targets = chosen_targets(project, &args.targets)?;
    let progress = Progress::new();
    if args.instructions {
        let rows = count_instructions(project, &targets, &progress)?;
        return print(args, &rows, print_instructions);
    }
    session::stop_on_ctrl_c()?;
    let rows = measure_speeds(args, project, &targets, &progress)?;
    print(args, &rows, print_speeds)
}

fn print<R: Serialize>(args: &Bench, rows: &[R], text: fn(&[R]) -> Result<()>) -> Result<ExitCode> {
    match args.json {
        true => outln!("{}", serde_json::to_string_pretty(rows)?),
        false => text(rows)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Inputs of a target that are at hand in every checkout, as far as they are short enough for it.
struct Inputs {
    files: Vec<PathBuf>,
    /// What they are, in words.
    from: String,
    _folder: TempDir,
}

impl Inputs {
    /// The target's shipped corpus; where there is none, its seeds.
    fn of(project: &Project, target: &TargetInfo) -> Result<Self> {
        let mut candidates = Candidates::default();
        let mut from = zip_of(&project.shipped(), target);
        if from.is_file() {
            candidates.add_zip(target, &from)?;
        } else {
            from = project.seeds(&target.name);
            candidates.add_files(target, &files_in(&from)?)?;
        }
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let store = Store::open(folder.path())?;
        for content in candidates.inputs.values().flat_map(pack::Inputs::values) {
            store.add(content)?;
        }
        let files = files_in(folder.path())?;
        let all = files.len() + candidates.too_long;
        ensure!(all > 0, "{} has no inputs", from.display());
        Ok(Self {
            from: format!("{all} inputs in {}", from_here(&from).display()),
            files,
            _folder: folder,
        })
    }
}

#[derive(Debug, Serialize)]
struct Instructions {
    target: String,
    inputs: usize,
    inputs_from: String,
    instructions: u64,
    per_input: f64,
}

fn count_instructions(
    project: &Project,
    targets: &[&TargetInfo],
    progress: &Progress,
) -> Result<Vec<Instructions>> {
    let worker = project.worker()?;
    let each = targets.iter().map(|target| {
        let inputs = Inputs::of(project, target)?;
        let what = format!("count {}", target.name);
        let count = || callgrind::count(worker, &target.name, &inputs.files);
        let instructions = progress.step(&what, count)?;
        Ok(Instructions {
            target: target.name.clone(),
            inputs: inputs.files.len(),
            inputs_from: inputs.from,
            instructions,
            per_input: instructions as f64 / inputs.files.len() as f64,
        })
    });
    each.collect()
}

fn print_instructions(rows: &[Instructions]) -> Result<()> {
    for row in rows {
        outln!(
            "{}: {} instructions an input, {} in all: {}",
            row.target,
            rounded(row.per_input),
            grouped(row.instructions),
            row.inputs_from
        );
    }
    Ok(())
}

#[derive(Debug, Serialize)]
struct Speed {
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

fn measure_speeds(
    args: &Bench,
    project: &Project,
    targets: &[&TargetInfo],
    progress: &Progress,
) -> Result<Vec<Speed>> {
    let load_before = load_average();
    let baseline = project.targets()?.iter().find(|target| target.is_baseline);
    let baseline = baseline.context("none of the targets is a baseline")?;
    let build = |engine: Engine, target: &TargetInfo| {
        let what = format!("build {} for {}", target.name, engine.title());
        progress.step(&what, || {
            engine.build(project, &target.name, Sanitizer::None)
        })
    };
    let run = |engine: Engine, build: &Build, target: &TargetInfo, files: &[PathBuf]| {
        let folder = project.results().join("run").join("bench");
        let _claim = project.claim(&folder)?;
        let builds = [(engine, build.clone())].into();
        let setup = Setup {
            dictionary: project.dictionary(target),
            cores: vec![0],
            ..Setup::new(target, &builds, files, folder, args.time)
        };
        let mut line = progress.session(engine.title(), &target.name, args.time);
        let session = session::run(&setup, &mut |view| {
            line.show(view);
            ControlFlow::Continue(())
        })?;
        match session.failure() {
            _ if session::interrupted() => bail!("interrupted"),
            Some(why) => bail!("{why}"),
            None => Ok(session.executions_per_second()),
        }
    };
    let mut rows = Vec::new();
    for &engine in &args.engines {
        let baseline = build(engine, baseline)?;
        for &target in targets {
            let target = &TargetInfo {
                max_input: target.max_input.min(args.largest as usize),
                ..target.clone()
            };
            let build = build(engine, target)?;
            let inputs = Inputs::of(project, target)?;
            // In turn, and each first as often as the other, so that a drift of the machine evens out.
            let mut speeds = [Vec::new(), Vec::new()];
            for round in 0..args.rounds.get() {
                for which in [round % 2, 1 - round % 2] {
                    let build = [&build, &baseline][which];
                    speeds[which].push(run(engine, build, target, &inputs.files)?);
                }
            }
            let [speeds, of_baseline] = speeds;
            let pairs = speeds.iter().zip(&of_baseline);
            let ratios: Vec<f64> = pairs.map(|(speed, baseline)| speed / baseline).collect();
            let median = |values: &[f64]| median(values).unwrap_or(f64::NAN);
            rows.push(Speed {
                target: target.name.clone(),
                engine: engine.name(),
                executions_per_second: median(&speeds),
                baseline_per_second: median(&of_baseline),
                ratio: median(&ratios),
                ratio_min: ratios.iter().copied().fold(f64::INFINITY, f64::min),
                ratio_max: ratios.iter().copied().fold(0.0, f64::max),
                rounds: ratios.len(),
                inputs: inputs.files.len(),
                inputs_from: inputs.from,
                max_input: target.max_input,
                load_before,
            });
        }
    }
    Ok(rows)
}

/// The first field of `/proc/loadavg`; `None` where the system has no such file.
fn load_average() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next()?.parse().ok()
}

fn print_speeds(speeds: &[Speed]) -> Result<()> {
    let columns = "target | engine | executions/s | baseline's /s | ratio | min to max";
    let mut rows = vec![heading(columns)];
    rows.extend(speeds.iter().map(|row| {
        vec![
            row.target.clone(),
            row.engine.to_owned(),
            rounded(row.executions_per_second),
            rounded(row.baseline_per_second),
            format!("{:.2}", row.ratio),
            format!("{:.2} – {:.2}", row.ratio_min, row.ratio_max),
        ]
    }));
    outln!("{}", table(&rows, 2));
    let inputs: BTreeMap<&str, &Speed> = speeds.iter().map(|row| (&*row.target, row)).collect();
    for (target, row) in inputs {
        outln!("{target}: {} of {}", row.inputs, row.inputs_from);
    }
    if let Some(load) = speeds.first().and_then(|row| row.load_before) {
        outln!("load average before the first build: {load:.2}");
    }
    Ok(())
}
