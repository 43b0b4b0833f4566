//! `campaign bench`: what the oracle costs, as a share of what the engine costs and in instructions.

mod callgrind;
mod speed;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;
use worker::TargetInfo;

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
/// over the rounds. A ratio of 0.9 means that the oracle and the code under test take a tenth of the time.
/// The inputs are the shipped corpus; where a project ships none, the seeds.
///
/// The time of a scan grows with the image. So only inputs of at most --largest bytes are used, and the engine
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
pub struct Bench {
    /// The targets; all when none is given.
    targets: Vec<String>,
    /// Count instructions, with Valgrind's callgrind (Debian package valgrind).
    #[arg(long, conflicts_with_all = ["engines", "time", "rounds", "largest"])]
    instructions: bool,
    /// The engines.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Engine::ALL)]
    engines: Vec<Engine>,
    /// How long each run takes. In its first seconds AFL++ runs every input several times, and for
    /// fuzz_measure_calc also looks at what it compares: these seconds show little of its speed.
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

/// Runs the command.
///
/// # Errors
/// When something cannot be built, or an engine dies or executes nothing; with --instructions, when
/// Valgrind is missing or an input fails.
pub fn run(args: &Bench, project: &Project) -> Result<ExitCode> {
    let targets = super::chosen_targets(project, &args.targets)?;
    if args.instructions {
        callgrind::run(args, project, &targets)
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
    fn of(project: &Project, target: &TargetInfo) -> Result<Self> {
        let zip = zip_of(&project.shipped(), target);
        if !zip.exists() {
            let folder = project.seeds(&target.name);
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
