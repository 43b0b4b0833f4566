//! `cargo images`: see [`images`].
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use images::command::{differential, export, measure, project, recipe, scan, seeds};

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

fn main() -> ExitCode {
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
