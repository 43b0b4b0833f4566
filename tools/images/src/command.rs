//! One module a command: its arguments, its help, and `run`.

mod differential;
mod export;
mod measure;
mod recipe;
mod scan;
mod seeds;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Subcommand;

/// Measure, scan, make and compare disk images
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Start here:
  cargo images measure -O vhdx --size 10G     how large a new image will be
  cargo images measure -O qcow2 disk.vmdk     how large a copy will be
  cargo images scan disk.qcow2                how much of an image holds data
  cargo images recipe FILE                    the image of a finding of fuzz_measure_image
  cargo images export corpus/shipped --into DIR   the corpus as image files with the right answers
  cargo images differential --cases 100       the reference model against QEMU")]
enum Command {
    Measure(measure::Measure),
    Scan(scan::Scan),
    Recipe(recipe::RecipeArgs),
    Export(export::Export),
    Seeds(seeds::Seeds),
    Differential(differential::Differential),
}

/// The whole of the tool's `main`.
pub fn main() -> ExitCode {
    cli::main("images", |definition, _| definition, run)
}

fn run(command: &Command, named: Option<&Path>) -> Result<ExitCode> {
    let project = || project(named);
    match command {
        Command::Measure(args) => measure::run(args),
        Command::Scan(args) => scan::run(args),
        Command::Recipe(args) => recipe::run(args),
        Command::Export(args) => export::run(args),
        Command::Seeds(args) => seeds::run(args, project),
        Command::Differential(args) => differential::run(args, project),
    }
}

/// The root of the workspace that the current folder lies in, or `named`.
fn project(named: Option<&Path>) -> Result<PathBuf> {
    let is_root = |folder: &Path| folder.join("Cargo.lock").is_file();
    if let Some(folder) = named {
        ensure!(
            is_root(folder),
            "{} is no project: it has no Cargo.lock",
            folder.display()
        );
        return Ok(folder.to_owned());
    }
    let here = std::env::current_dir().context("there is no current folder")?;
    let root = here.ancestors().find(|folder| is_root(folder));
    Ok(root
        .context("neither this folder nor one above it is a project; name it with --project DIR")?
        .to_owned())
}
