//! `campaign import`: inputs of others for a corpus.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use harness_core::Target;

use super::INTERRUPTED;
use crate::corpora::candidates::target_of;
use crate::corpora::pack;
use crate::corpus::{Store, files_in};
use crate::engine::session;
use crate::output::{self, from_here, outln};
use crate::progress::Progress;
use crate::project::Project;
use crate::report::grouped;

/// Add the inputs of a zip or a folder to a target's corpus.
///
/// An input that the corpus already has is not added again, whatever its name is. Inputs that are longer than the
/// target takes are refused, and counted. A zip is checked as a whole before the first input is added. Nothing is
/// replayed: `cargo campaign minimize` does that, and sorts out what fails.
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

/// What became of the inputs so far.
struct Adding<'a> {
    store: Store,
    target: &'a Target,
    new: u64,
    known: u64,
    too_long: u64,
}

impl Adding<'_> {
    fn add(&mut self, content: Option<Vec<u8>>) -> Result<()> {
        match content {
            Some(content) if content.len() <= self.target.max_input => {
                let (_, is_new) = self.store.add(&content)?;
                *(if is_new {
                    &mut self.new
                } else {
                    &mut self.known
                }) += 1;
            }
            _ => self.too_long += 1,
        }
        Ok(())
    }
}

/// Runs the command.
///
/// # Errors
/// When it cannot be done; see the exit codes in the help.
pub fn run(args: &Import, project: &Project) -> Result<ExitCode> {
    let progress = Progress::new();
    session::stop_on_ctrl_c()?;
    let target = target(args)?;
    let kind = fs::metadata(&args.from)
        .with_context(|| format!("{} cannot be opened", args.from.display()))?;
    let files = if kind.is_dir() {
        Some(files_in(&args.from)?)
    } else {
        None
    };
    let inputs = match &files {
        Some(files) => files.len(),
        // A damaged zip is refused before anything of it is added.
        None => progress.step("check the zip", || pack::each(&args.from, |_, _| Ok(())))?,
    };
    ensure!(inputs > 0, "{} has no inputs", args.from.display());
    let corpus = match &args.corpus {
        Some(folder) => folder.clone(),
        None => project.corpus(target.name),
    };
    let mut adding = Adding {
        store: Store::open(&corpus)?,
        target,
        new: 0,
        known: 0,
        too_long: 0,
    };
    let mut line = progress.counted("import", "inputs", inputs as u64);
    let mut unreadable = 0;
    if let Some(files) = &files {
        for file in files {
            if session::interrupted() {
                break;
            }
            line.step();
            match fs::read(file) {
                Ok(content) => adding.add(Some(content))?,
                Err(why) => {
                    progress.say(&format!("left out: {}: {why}", file.display()));
                    unreadable += 1;
                }
            }
        }
    } else {
        pack::each(&args.from, |_, content| {
            if !session::interrupted() {
                line.step();
                adding.add(content)?;
            }
            Ok(())
        })?;
    }
    line.done(&progress);
    outln!(
        "{}: {} new inputs in {}",
        target.name,
        grouped(adding.new),
        from_here(&corpus).display()
    );
    output::counts([
        (adding.known, "were there"),
        (
            adding.too_long,
            "are longer than the target takes, and are refused",
        ),
        (unreadable, "could not be read, and are left out"),
    ])?;
    if session::interrupted() {
        progress.say("interrupted: what was added stays");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    ensure!(unreadable == 0, "{unreadable} inputs could not be read");
    Ok(ExitCode::SUCCESS)
}

fn target(args: &Import) -> Result<&'static Target> {
    if let Some(name) = &args.target {
        return super::target(name);
    }
    target_of(&args.from, &super::chosen_targets(&[])?)?.with_context(|| {
        format!(
            "{} names no target; name it with --target",
            args.from.display()
        )
    })
}
