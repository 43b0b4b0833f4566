//! `campaign export`: a corpus as one file.

use std::io::BufWriter;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};

use super::INTERRUPTED;
use crate::corpora::folder::Folder;
use crate::corpora::pack::{Packer, entry_name};
use crate::engine::session;
use crate::output::{from_here, outln};
use crate::progress::Progress;
use crate::project::Project;
use crate::report::grouped;

/// Pack a target's corpus into one zip, as OSS-Fuzz takes seeds.
///
/// Entries are named by content and in the order of their names, so that the same inputs make the same bytes on
/// every machine, in whatever order and under whatever names they were found. Inputs that are longer than the
/// target takes are left out, and counted.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  the zip is written
  1  it could not be done; a file that was there is as it was
  2  the command line is wrong
130  it was interrupted; a file that was there is as it was

Examples:
  cargo campaign export fuzz_measure_calc --out fuzz_measure_calc_seed_corpus.zip
  cargo campaign export fuzz_measure_scan --corpus afl/queue --out fuzz_measure_scan_seed_corpus.zip")]
pub struct Export {
    /// The target.
    target: String,
    /// The file to write. `import` finds the target by its name when that begins with it.
    #[arg(long, value_name = "FILE.zip")]
    out: PathBuf,
    /// The folder of inputs; by default the target's corpus in results/corpus.
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
}

/// The beginning of an input's content name, as text, and its place in the folder.
type Named = ([u8; 16], u32);

/// Runs the command.
///
/// # Errors
/// When it cannot be done; see the exit codes in the help.
pub fn run(args: &Export, project: &Project) -> Result<ExitCode> {
    let progress = Progress::new();
    session::stop_on_ctrl_c()?;
    let target = super::target(&args.target)?;
    let corpus = match &args.corpus {
        Some(folder) => folder.clone(),
        None => project.corpus(target.name),
    };
    let folder = Folder::list(&corpus)?;
    let mut line = progress.counted("name by content", "inputs", folder.len() as u64);
    let mut named: Vec<Named> = Vec::new();
    let mut too_long = 0_u64;
    for place in 0..folder.len() {
        if session::interrupted() {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        let content = folder.read(place)?;
        line.step();
        if content.len() > target.max_input {
            too_long += 1;
            continue;
        }
        let name = entry_name(&content);
        let name = <[u8; 16]>::try_from(name.as_bytes()).context("a name of another length")?;
        named.push((name, u32::try_from(place).context("more than 2^32 inputs")?));
    }
    line.done(&progress);
    ensure!(
        !named.is_empty(),
        "{} has no inputs for {}",
        corpus.display(),
        target.name
    );
    named.sort_unstable();

    let out = std::path::absolute(&args.out)?;
    let beside = out.parent().context("a zip without a folder")?;
    let file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(beside)
        .with_context(|| format!("{} cannot be written to", beside.display()))?;
    let mut packer = Packer::new(BufWriter::new(file));
    let mut line = progress.counted("pack", "inputs", named.len() as u64);
    let mut packed = 0_u64;
    let mut latest: Option<([u8; 16], Vec<u8>)> = None;
    for &(name, place) in &named {
        if session::interrupted() {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        let content = folder.read(place as usize)?;
        line.step();
        let text = entry_name(&content);
        if text.as_bytes() != name {
            let file = folder.file(place as usize);
            bail!("{} was changed meanwhile; begin again", file.display());
        }
        match &latest {
            Some((before, same)) if *before == name => {
                ensure!(*same == content, "two inputs are called {text}");
                continue;
            }
            _ => {}
        }
        packer.add(&text, &content, &target.fingerprint(&content))?;
        packed += 1;
        latest = Some((name, content));
    }
    line.done(&progress);
    let file = packer
        .finish()?
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)
        .with_context(|| format!("{} cannot be written", out.display()))?;
    let bytes = file.as_file().metadata().map_or(0, |data| data.len());
    file.persist(&out)
        .with_context(|| format!("{} cannot be written", out.display()))?;
    outln!(
        "{}: {} inputs, {} bytes in {}",
        target.name,
        grouped(packed),
        grouped(bytes),
        from_here(&out).display()
    );
    let twice = named.len() as u64 - packed;
    for (count, what) in [
        (twice, "were there twice"),
        (
            too_long,
            "are longer than the target takes, and are left out",
        ),
    ] {
        if count > 0 {
            outln!("  {} {what}", grouped(count));
        }
    }
    Ok(ExitCode::SUCCESS)
}
