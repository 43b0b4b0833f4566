//! `images seeds`: the seed corpus.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::{seeds, shown};

/// Write the seed corpus: real images, and good calculator inputs
///
/// Makes small images of all four formats with qemu-img and qemu-io (Debian package qemu-utils), packs
/// each into an input of fuzz_measure_scan, verifies that a scan of the input gives the answer that a
/// scan of the image gives, and adds inputs of fuzz_measure_calc for every format and option, recipes, and
/// files to detect the formats of. Nothing is deleted, and a seed that is there already is left alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo images seeds                       the project's own seeds, in corpus/seeds/
  cargo images seeds --from ~/images       add seeds made of one's own images
  cargo images seeds --out ../my-seeds     somewhere else

An image becomes a seed if what a scan reads of it fits 64 KiB; its data is left out. Skipped images are
listed with the reason.

Exit codes:
  0  seeds were written
  1  none were
  2  the command line is wrong")]
pub(super) struct Seeds {
    /// Make seeds of the images in this folder, instead of the project's own
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// The folder to write to: each target's seeds go to a folder of its name there (default: the
    /// project's corpus/seeds/)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Writes seeds, and prints how many.
pub(super) fn run(args: &Seeds, project: impl FnOnce() -> Result<PathBuf>) -> Result<ExitCode> {
    let out = match &args.out {
        Some(out) => out.clone(),
        None => project()?.join("corpus/seeds"),
    };
    let written = match &args.from {
        None => seeds::write(&out)?,
        Some(from) => vec![seeds::import(from, &out, |path, why| {
            eprintln!("skipped {}: {why}", shown(path));
        })?],
    };
    for written in written {
        println!(
            "{}: {} new, {} unchanged, {} bytes in {}",
            written.target,
            written.new,
            written.kept,
            written.bytes,
            shown(&written.folder)
        );
    }
    Ok(ExitCode::SUCCESS)
}
