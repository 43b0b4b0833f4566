//! `campaign export`: a corpus as one file.

use report::format::grouped;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use super::INTERRUPTED;
use crate::corpora::fingerprints::WithFingerprints;
use crate::corpora::pack::entry_name;
use crate::corpus::files_in;
use crate::engine::session;
use crate::output::{self, from_here, outln};
use crate::progress::Progress;
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
130  it was interrupted; an existing file is unchanged

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
    let progress = Progress::new();
    session::stop_on_ctrl_c()?;
    let target = project.target(&args.target)?;
    let corpus = match &args.corpus {
        Some(folder) => folder.clone(),
        None => project.corpus(&target.name),
    };
    let files = files_in(&corpus)?;
    let mut line = progress.counted("name by content", "inputs", files.len() as u64);
    let mut named = Vec::new();
    let mut too_long = 0_u64;
    for file in &files {
        if session::interrupted() {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        let content = read(file)?;
        line.step();
        if content.len() > target.max_input {
            too_long += 1;
        } else {
            named.push((entry_name(&content), file));
        }
    }
    line.done(&progress);
    ensure!(
        !named.is_empty(),
        "{} has no inputs for {}",
        corpus.display(),
        target.name
    );
    named.sort_unstable();

    let mut packer = WithFingerprints::create(&args.out, project.worker()?, &target.name)?;
    let mut line = progress.counted("pack", "inputs", named.len() as u64);
    let mut packed = 0_u64;
    let mut latest: Option<(&String, Vec<u8>)> = None;
    for (name, file) in &named {
        if session::interrupted() {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        let content = read(file)?;
        line.step();
        ensure!(
            *name == entry_name(&content),
            "{} was changed meanwhile; start again",
            file.display()
        );
        if let Some((before, same)) = &latest
            && *before == name
        {
            ensure!(*same == content, "two inputs are called {name}");
            continue;
        }
        packer.add(name, content.clone())?;
        packed += 1;
        latest = Some((name, content));
    }
    line.done(&progress);
    let zip = packer.finish()?;
    let bytes = zip.bytes;
    let out = zip.put_in_place()?;
    outln!(
        "{}: {} inputs, {} bytes in {}",
        target.name,
        grouped(packed),
        grouped(bytes),
        from_here(&out).display()
    );
    let twice = named.len() as u64 - packed;
    output::counts([
        (twice, "found more than once"),
        (too_long, "longer than the target takes: left out"),
    ])?;
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}
