//! `campaign export`: a corpus as one file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use report::format::grouped;

use crate::atomic;
use crate::corpora::candidates::Candidates;
use crate::corpora::pack;
use crate::corpus::files_in;
use crate::output::{self, from_here, outln};
use crate::project::Project;

/// Pack a target's corpus into one zip, as OSS-Fuzz takes seeds.
///
/// Entries are named by content and sorted by name. So the same inputs make the same bytes on every machine,
/// whatever their files are called. Inputs that are longer than the target takes are left out and counted.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  the zip is written
  1  it could not be done; an existing file is unchanged
  2  the command line is wrong

Examples:
  cargo campaign export fuzz_measure_calc --out fuzz_measure_calc_seed_corpus.zip
  cargo campaign export fuzz_measure_scan --corpus afl/queue --out fuzz_measure_scan_seed_corpus.zip")]
pub struct Export {
    /// The target.
    target: String,
    /// The file to write. When its name starts with the target's, `import` needs no --target.
    #[arg(long, value_name = "FILE.zip")]
    out: PathBuf,
    /// The folder of inputs; by default the target's corpus in results/corpus.
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When it cannot be done; see the exit codes in the help.
pub fn run(args: &Export, project: &Project) -> Result<ExitCode> {
    let target = project.target(&args.target)?;
    let corpus = project.corpus(&target.name);
    let corpus = args.corpus.as_ref().unwrap_or(&corpus);
    let files = files_in(corpus)?;
    let mut candidates = Candidates::default();
    candidates.add_files(target, &files)?;
    let inputs = candidates
        .inputs
        .get(&target.name)
        .with_context(|| format!("{} has no inputs for {}", corpus.display(), target.name))?;
    let zip = pack::with_fingerprints(inputs, project.worker()?, &target.name)?;
    atomic::write(&args.out, &zip)?;
    outln!(
        "{}: {} inputs, {} bytes in {}",
        target.name,
        grouped(inputs.len() as u64),
        grouped(zip.len() as u64),
        from_here(&args.out).display()
    );
    let twice = files.len() - candidates.too_long - inputs.len();
    output::counts([
        (twice as u64, "found more than once"),
        (
            candidates.too_long as u64,
            "longer than the target takes: left out",
        ),
    ])?;
    Ok(ExitCode::SUCCESS)
}
