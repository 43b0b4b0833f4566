//! How many inputs a second the neutral replay takes, and how long it takes to minimise many: for as many inputs
//! as are asked for, made from the shipped corpus.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use harness_core::Target;
use report::format::grouped;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;

use super::Bench;
use super::load::Load;
use crate::corpora::folder::Folder;
use crate::corpora::thin::Thinning;
use crate::corpora::{pack, zip_of};
use crate::coverage::{Input, NeutralBuild, Replay, SourceMap};
use crate::output::outln;
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::TIME_OUT;

/// What is measured where no target is named: those whose inputs are small.
const SMALL: [&str; 2] = ["fuzz_measure_calc", "fuzz_measure_image"];
/// Where the made inputs begin: another number gives others.
const RANDOM_START: u64 = 20_260_101;
/// As minimize has it when it is not told.
const MEMORY: usize = 512 << 20;

#[derive(Debug, Serialize)]
struct Measured {
    target: &'static str,
    inputs: usize,
    replay: Took,
    minimize: Took,
    /// How many inputs minimize kept.
    kept: u64,
    features: usize,
    load_average: Option<f64>,
}

/// What some work took of one core.
#[derive(Debug, Serialize)]
struct Took {
    seconds: f64,
    /// Of the tool and its worker together; less than `seconds` where others use the core too.
    cpu_seconds: f64,
    inputs_per_second: f64,
    /// The most memory that the tool had, in MiB.
    peak_mib: u64,
}

pub(super) fn run(
    args: &Bench,
    project: &Project,
    targets: &[&'static Target],
    sizes: &[usize],
) -> Result<ExitCode> {
    let progress = Progress::new();
    let neutral = progress.step("build for coverage", || NeutralBuild::of(project).build())?;
    let map = SourceMap::of_worker(&neutral, project.root(), &project.code_under_test()?)?;
    pin()?;
    let mut all = Vec::new();
    for &target in targets {
        if args.targets.is_empty() && !SMALL.contains(&target.name) {
            continue;
        }
        let replay = Replay {
            binary: &neutral,
            map: &map,
            target: target.name,
            timeout: TIME_OUT,
        };
        for &inputs in sizes {
            all.push(measure(project, target, &replay, inputs, &progress)?);
        }
    }
    if args.json {
        outln!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        print(&all)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(
    project: &Project,
    target: &'static Target,
    replay: &Replay<'_>,
    inputs: usize,
    progress: &Progress,
) -> Result<Measured> {
    let runs = project.results().join("run");
    fs::create_dir_all(&runs).with_context(|| format!("{} cannot be made", runs.display()))?;
    let folder = tempfile::Builder::new()
        .prefix("bench-replay-")
        .tempdir_in(&runs)
        .with_context(|| format!("{} cannot be written to", runs.display()))?;
    let corpus = folder.path().join(target.name);
    make(project, target, inputs, &corpus, progress)?;

    let clock = Clock::start()?;
    let listed = Folder::list(&corpus)?;
    let paths = (0..listed.len()).map(|place| Input {
        path: listed.file(place),
        time_ms: 0,
        executions: place as u64,
    });
    let replayed = replay.grow(&paths.collect::<Vec<_>>())?;
    ensure!(
        replayed.verdicts.errors == 0,
        "{} inputs could not be read",
        replayed.verdicts.errors
    );
    drop(listed);
    let of_replay = clock.stop(inputs)?;

    let clock = Clock::start()?;
    let thinned = Thinning {
        replay: replay.clone(),
        corpus: &corpus,
        finds: &folder.path().join("finds"),
        max_input: target.max_input,
        keep: 1,
        memory: MEMORY,
        discard: true,
        progress,
    }
    .run(&mut |_| {})?;
    Ok(Measured {
        target: target.name,
        inputs,
        replay: of_replay,
        minimize: clock.stop(inputs)?,
        kept: thinned.after.inputs,
        features: thinned.features,
        load_average: Load::now().map(|load| load.average),
    })
}

/// Makes inputs: each is one of the shipped corpus with one to four of its bytes replaced.
fn make(
    project: &Project,
    target: &Target,
    inputs: usize,
    folder: &Path,
    progress: &Progress,
) -> Result<()> {
    let zip = zip_of(&project.root().join("corpora"), target);
    let shipped: Vec<Vec<u8>> = pack::read(&zip)?.into_values().collect();
    fs::create_dir(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let mut random = Random(RANDOM_START);
    let mut line = progress.counted("make inputs", "inputs", inputs as u64);
    for number in 0..inputs {
        let mut input = shipped[random.below(shipped.len())].clone();
        for _ in 0..=random.below(4) {
            let value = random.below(256);
            if !input.is_empty() {
                let at = random.below(input.len());
                input[at] = value as u8;
            }
        }
        let file = folder.join(format!("{number:08}"));
        fs::write(&file, input).with_context(|| format!("{} cannot be written", file.display()))?;
        line.step();
    }
    line.done(progress);
    Ok(())
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
struct Random(u64);

impl Random {
    /// A number below `limit`, which is not 0.
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}

/// Keeps this process, and those that it starts, on one core.
fn pin() -> Result<()> {
    let allowed = sched_getaffinity(None).context("the cores cannot be told")?;
    let last = (0..CpuSet::MAX_CPU)
        .rev()
        .find(|&core| allowed.is_set(core));
    let mut one = CpuSet::new();
    one.set(last.context("there is no core")?);
    sched_setaffinity(None, &one).context("this process cannot be kept on one core")
}

/// Time and memory from one moment to another.
struct Clock {
    started: Instant,
    cpu_seconds: f64,
}

impl Clock {
    fn start() -> Result<Self> {
        // From now on the peak is that of what comes; where the system cannot do that, it is the greatest of all.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Ok(Self {
            started: Instant::now(),
            cpu_seconds: cpu_seconds()?,
        })
    }

    fn stop(self, inputs: usize) -> Result<Took> {
        let seconds = self.started.elapsed().as_secs_f64();
        let status = fs::read_to_string("/proc/self/status").context("no /proc/self/status")?;
        let peak = status.lines().find_map(|line| {
            let kib = line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?;
            kib.parse::<u64>().ok()
        });
        Ok(Took {
            seconds,
            cpu_seconds: cpu_seconds()? - self.cpu_seconds,
            inputs_per_second: inputs as f64 / seconds,
            peak_mib: peak
                .context("/proc/self/status tells no VmHWM")?
                .div_ceil(1024),
        })
    }
}

/// What this process and the ended ones that it had started took of cores so far.
fn cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat").context("no /proc/self/stat")?;
    of_stat(&stat).context("/proc/self/stat is not understood")
}

/// The fields 14 to 17 of /proc/PID/stat (its manual page: proc_pid_stat(5)), in hundredths of a second.
fn of_stat(stat: &str) -> Option<f64> {
    const FIRST: usize = 14 - 3;
    // The second field, a name in parentheses, may have blanks in it.
    let fields = stat.rsplit_once(')')?.1.split_whitespace();
    let ticks = fields.skip(FIRST).take(4);
    let ticks: Vec<u64> = ticks.map(str::parse).collect::<Result<_, _>>().ok()?;
    (ticks.len() == 4).then(|| ticks.iter().sum::<u64>() as f64 / 100.0)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates, rounded to be printed"
)]
fn print(all: &[Measured]) -> Result<()> {
    outln!(
        "| target | inputs | replay | inputs/s | inputs per CPU second | memory | minimize | CPU | memory | kept | load |"
    );
    outln!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for row in all {
        let Measured {
            replay, minimize, ..
        } = row;
        let load = row
            .load_average
            .map_or_else(|| "?".to_owned(), |load| format!("{load:.1}"));
        outln!(
            "| {} | {} | {:.1} s | {} | {} | {} MiB | {:.1} s | {:.1} s | {} MiB | {} | {load} |",
            row.target,
            grouped(row.inputs as u64),
            replay.seconds,
            grouped(replay.inputs_per_second.round() as u64),
            grouped((row.inputs as f64 / replay.cpu_seconds.max(0.01)).round() as u64),
            replay.peak_mib,
            minimize.seconds,
            minimize.cpu_seconds,
            minimize.peak_mib,
            grouped(row.kept)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_their_place_behind_the_name() {
        let stat = "4 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0 1";
        assert_eq!(of_stat(stat), Some(1.27));
        assert_eq!(of_stat("4 (a) S 1"), None);
        assert!(cpu_seconds().unwrap() >= 0.0);
    }

    #[test]
    fn random_numbers_are_the_same_each_time_and_below_their_limit() {
        let numbers = || {
            let mut random = Random(RANDOM_START);
            (0..1000).map(|_| random.below(7)).collect::<Vec<_>>()
        };
        assert_eq!(numbers(), numbers());
        assert_eq!(
            numbers()
                .into_iter()
                .collect::<std::collections::BTreeSet<_>>()
                .len(),
            7
        );
    }
}
