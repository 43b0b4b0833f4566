//! `campaign import`: adds inputs from elsewhere to a corpus.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use report::format::grouped;
use worker::TargetInfo;

use super::INTERRUPTED;
use crate::corpora::candidates::target_of;
use crate::corpora::pack;
use crate::corpus::{Store, files_in};
use crate::engine::session;
use crate::output::{self, from_here, outln};
use crate::progress::Progress;
use crate::project::Project;

/// Add the inputs of a zip or a folder to a target's corpus.
///
/// An input that the corpus already has is not added again, whatever its name is. Inputs that are longer than the
/// target takes are refused and counted. A zip is checked as a whole before the first input is added. Nothing is
/// replayed: `cargo campaign minimize` does that, and puts failing inputs into results/finds.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  every input that the target takes is in the corpus
  1  it could not be done; what was added stays
  2  the command line is wrong
130  it was interrupted; what was added stays

Examples:
  cargo campaign import fuzz_measure_calc_seed_corpus.zip
  cargo campaign import queue-of-another-machine --target fuzz_measure_scan")]
pub struct Import {
    /// The zip, or the folder of inputs.
    from: PathBuf,
    /// The target, when the path does not name it.
    #[arg(long)]
    target: Option<String>,
    /// The folder to add to; by default the target's corpus in results/corpus.
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When it cannot be done; see the exit codes in the help.
pub fn run(args: &Import, project: &Project) -> Result<ExitCode> {
    let progress = Progress::new();
    session::stop_on_ctrl_c()?;
    let target = target(args, project)?;
    let kind = fs::metadata(&args.from)
        .with_context(|| format!("{} cannot be opened", args.from.display()))?;
    let files = if kind.is_dir() {
        Some(files_in(&args.from)?)
    } else {
        None
    };
    let inputs = match &files {
        Some(files) => files.len(),
        // A damaged zip is refused before any of its inputs is added.
        None => progress.step("check the zip", || pack::each(&args.from, |_, _| Ok(())))?,
    };
    ensure!(inputs > 0, "{} has no inputs", args.from.display());
    let corpus = match &args.corpus {
        Some(folder) => folder.clone(),
        None => project.corpus(&target.name),
    };
    let store = Store::open(&corpus)?;
    let [mut new, mut known, mut too_long, mut unreadable] = [0; 4];
    let mut line = progress.counted("import", "inputs", inputs as u64);
    let mut add = |content: Option<Vec<u8>>| -> Result<()> {
        line.step();
        match content {
            Some(content) if content.len() <= target.max_input => match store.add(&content)? {
                (_, true) => new += 1,
                (_, false) => known += 1,
            },
            _ => too_long += 1,
        }
        Ok(())
    };
    if let Some(files) = &files {
        for file in files {
            if session::interrupted() {
                break;
            }
            match fs::read(file) {
                Ok(content) => add(Some(content))?,
                Err(why) => {
                    progress.say(&format!("left out: {}: {why}", file.display()));
                    unreadable += 1;
                }
            }
        }
    } else {
        pack::each(&args.from, |_, content| match session::interrupted() {
            true => Ok(()),
            false => add(content),
        })?;
    }
    line.done(&progress);
    outln!(
        "{}: {} new inputs in {}",
        target.name,
        grouped(new),
        from_here(&corpus).display()
    );
    output::counts([
        (known, "already in the corpus"),
        (too_long, "longer than the target takes: refused"),
        (unreadable, "not readable: left out"),
    ])?;
    if session::interrupted() {
        progress.say("interrupted: what was added stays");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    ensure!(unreadable == 0, "{unreadable} inputs could not be read");
    Ok(ExitCode::SUCCESS)
}

fn target<'a>(args: &Import, project: &'a Project) -> Result<&'a TargetInfo> {
    if let Some(name) = &args.target {
        return project.target(name);
    }
    target_of(&args.from, &project.fuzzed()?)?.with_context(|| {
        format!(
            "{} names no target; name it with --target",
            args.from.display()
        )
    })
}
