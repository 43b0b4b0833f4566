//! `campaign import`: inputs of others for a corpus.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use harness_core::Target;
use report::format::grouped;

use super::INTERRUPTED;
use crate::corpora::candidates::target_of;
use crate::corpora::folder::Folder;
use crate::corpora::pack;
use crate::corpus::Store;
use crate::engine::session;
use crate::output::{from_here, outln};
use crate::progress::Progress;
use crate::project::Project;

/// Add the inputs of a zip or a folder to a target's corpus.
///
/// Inputs are told apart by content: what the corpus has already is not added again, whatever it is called.
/// Inputs that are longer than the target takes are refused, and counted. A zip is read and checked as a whole
/// before the first input is added. Nothing is replayed; `cargo campaign minimize` does, and sorts out what fails.
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

/// What was done with the inputs so far.
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
    let is_folder = kind.is_dir();
    let inputs = if is_folder {
        Folder::list(&args.from)?.len()
    } else {
        check(&args.from, &progress)?
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
    if is_folder {
        let folder = Folder::list(&args.from)?;
        for place in 0..folder.len() {
            if session::interrupted() {
                break;
            }
            line.step();
            match folder.read(place) {
                Ok(content) => adding.add(Some(content))?,
                Err(why) => {
                    progress.say(&format!("left out: {why:#}"));
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
    for (count, what) in [
        (adding.known, "were there"),
        (
            adding.too_long,
            "are longer than the target takes, and are refused",
        ),
        (unreadable, "could not be read, and are left out"),
    ] {
        if count > 0 {
            outln!("  {} {what}", grouped(count));
        }
    }
    if session::interrupted() {
        progress.say("interrupted: what was added stays");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    ensure!(unreadable == 0, "{unreadable} inputs could not be read");
    Ok(ExitCode::SUCCESS)
}

/// Reads a zip from end to end: a damaged one is refused before anything of it is added. Returns how many inputs
/// it has.
fn check(zip: &Path, progress: &Progress) -> Result<usize> {
    progress.step("check the zip", || pack::each(zip, |_, _| Ok(())))
}

fn target(args: &Import) -> Result<&'static Target> {
    if let Some(name) = &args.target {
        return super::target(name);
    }
    let all = super::target_names().into_iter().map(super::target);
    let all: Vec<&Target> = all.collect::<Result<_>>()?;
    target_of(&args.from, &all)?.with_context(|| {
        format!(
            "{} names no target; say which with --target",
            args.from.display()
        )
    })
}
