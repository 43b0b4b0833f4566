//! `campaign bench`: what the oracle costs, as a share of what the engine costs, and in instructions; and how
//! fast inputs are replayed and corpora minimised.

mod instructions;
mod load;
mod replay;
mod speed;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use harness_core::Target;
use tempfile::TempDir;

use super::parse_time;
use crate::corpora::{pack, zip_of};
use crate::corpus::files_in;
use crate::engine::Engine;
use crate::output::from_here;
use crate::project::Project;

/// Measure executions a second of every target under every engine, over those of fuzz_nothing.
///
/// fuzz_nothing does nothing, so its executions a second are the engine's own. Both run from the same
/// inputs, with the same input limit, in turn, on one core, without a sanitizer; the ratio is the median
/// over the rounds. A ratio of 0.9 says that the oracle and the code under test take a tenth of the time.
/// The inputs are the shipped corpus; where a project ships none, the seeds.
///
/// How long a scan of fuzz_measure_scan takes depends on the image, so only inputs whose image is at most
/// --largest bytes are used, and inputs are kept to that length. A target whose inputs are no longer than
/// that anyway is measured on all of them.
///
/// Other work on the machine falsifies the figures: what was seen of it is said with them, as are the limits
/// that they are compared with. A limit that is missed does not change the exit code.
///
/// With --instructions no engine runs: the inputs are replayed under Valgrind, and what is printed is how
/// many instructions each took in decoding, in the model, in the code under test, and in the rest. That does
/// not depend on other work.
///
/// With --replay no engine runs either: so many inputs are made from the shipped corpus, a few bytes of each
/// replaced, and replayed for coverage and minimised, on one core. A million small inputs take 4 GiB of disk in
/// results/run meanwhile.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  everything was measured
  1  it could not be: an engine died, something could not be built, or it was interrupted
  2  the command line is wrong

Examples:
  cargo campaign bench
  cargo campaign bench --engines libfuzzer --time 10s --rounds 5 --json
  cargo campaign bench --instructions fuzz_measure_image
  cargo campaign bench --replay 1000,10000,100000,1000000 fuzz_measure_calc")]
pub struct Bench {
    /// The targets; all when none is given.
    targets: Vec<String>,
    /// Count instructions, with Valgrind's callgrind (Debian package valgrind).
    #[arg(long, conflicts_with_all = ["engines", "time", "rounds", "largest"])]
    instructions: bool,
    /// Replay, and minimise, so many inputs; targets with small inputs when none is given.
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', conflicts_with_all = ["instructions", "engines", "time", "rounds", "largest"])]
    replay: Vec<std::num::NonZeroUsize>,
    /// The engines.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Engine::ALL)]
    engines: Vec<Engine>,
    /// How long each run takes. In its first seconds AFL++ runs every input several times, on
    /// fuzz_measure_calc also to see what it compares, and says little of its speed.
    #[arg(long, default_value = "30s", value_parser = parse_time)]
    time: Duration,
    /// How many times each pair is run.
    #[arg(long, default_value = "3", value_name = "N")]
    rounds: std::num::NonZeroUsize,
    /// Use the inputs that stand for at most this many bytes of image.
    #[arg(long, default_value = "4096", value_name = "BYTES")]
    largest: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When something cannot be built, or an engine dies or executes nothing; with --instructions, when
/// Valgrind is missing or an input fails.
pub fn run(args: &Bench, project: &Project) -> Result<ExitCode> {
    let names: Vec<&str> = if args.targets.is_empty() {
        super::target_names()
    } else {
        args.targets.iter().map(String::as_str).collect()
    };
    let targets = names.into_iter().map(super::target);
    let targets: Vec<&'static Target> = targets.collect::<Result<_>>()?;
    if !args.replay.is_empty() {
        let sizes: Vec<usize> = args.replay.iter().map(|size| size.get()).collect();
        replay::run(args, project, &targets, &sizes)
    } else if args.instructions {
        instructions::run(args, project, &targets)
    } else {
        speed::run(args, project, &targets)
    }
}

/// Inputs of a target that are at hand in every checkout.
struct Inputs {
    files: Vec<PathBuf>,
    /// What they are, in words.
    from: String,
    /// Where a zip was unpacked to.
    _unpacked: Option<TempDir>,
}

impl Inputs {
    /// The target's shipped corpus; where there is none, its seeds.
    fn of(project: &Project, target: &Target) -> Result<Self> {
        let zip = zip_of(&project.root().join("corpora"), target);
        if !zip.exists() {
            let folder = project.seeds(target);
            let files = files_in(&folder)?;
            return Ok(Self {
                from: format!("{} seeds in {}", files.len(), from_here(&folder).display()),
                files,
                _unpacked: None,
            });
        }
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let mut files = Vec::new();
        for (name, content) in pack::read(&zip)? {
            let file = folder.path().join(name);
            fs::write(&file, content)
                .with_context(|| format!("{} cannot be written", file.display()))?;
            files.push(file);
        }
        Ok(Self {
            from: format!("{} inputs in {}", files.len(), from_here(&zip).display()),
            files,
            _unpacked: Some(folder),
        })
    }
}
