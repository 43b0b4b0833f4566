//! `campaign import`: adds inputs from elsewhere to a corpus.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use report::format::grouped;

use crate::corpora::candidates::{Candidates, target_of};
use crate::corpus::{Store, files_in};
use crate::output::{self, from_here, outln};
use crate::project::Project;

/// Add the inputs of a zip or a folder to a target's corpus.
///
/// An input that the corpus already has is not added again, whatever its name is. Inputs that are longer than the
/// target takes are refused and counted. All inputs are read before the first one is added. Nothing is replayed:
/// `cargo campaign minimize` does that, and puts failing inputs into results/finds.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  every input that the target takes is in the corpus
  1  it could not be done; what was added stays
  2  the command line is wrong

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
    let from = args.from.display();
    let target = match &args.target {
        Some(name) => project.target(name)?,
        None => target_of(&args.from, &project.fuzzed()?)?
            .with_context(|| format!("{from} names no target; name it with --target"))?,
    };
    let kind = fs::metadata(&args.from).with_context(|| format!("{from} cannot be opened"))?;
    let mut candidates = Candidates::default();
    if kind.is_dir() {
        let files = files_in(&args.from)?;
        ensure!(!files.is_empty(), "{from} has no inputs");
        candidates.add_files(target, &files)?;
    } else {
        candidates.add_zip(target, &args.from)?;
    }
    let corpus = project.corpus(&target.name);
    let corpus = args.corpus.as_ref().unwrap_or(&corpus);
    let store = Store::open(corpus)?;
    let [mut new, mut known] = [0; 2];
    for content in candidates
        .inputs
        .values()
        .flat_map(|inputs| inputs.values())
    {
        match store.add(content)? {
            (_, true) => new += 1,
            (_, false) => known += 1,
        }
    }
    outln!(
        "{}: {} new inputs in {}",
        target.name,
        grouped(new),
        from_here(corpus).display()
    );
    output::counts([
        (known, "already in the corpus"),
        (
            candidates.too_long as u64,
            "longer than the target takes: refused",
        ),
    ])?;
    Ok(ExitCode::SUCCESS)
}
