//! `cargo images`: see [`images`].
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use cli::completions::{self, Completions};
use cli::manual::{self, Manual};
use images::command::{differential, measure, project, recipe, scan, seeds};

/// Measure, scan, make and compare disk images
#[derive(Debug, Parser)]
#[command(name = "images", version, bin_name = "cargo images")]
#[command(after_help = "\
Start here:
  cargo images measure -O vhdx --size 10G     how large a new image will be
  cargo images measure -O qcow2 disk.vmdk     how large a copy will be
  cargo images scan disk.qcow2                how much of an image holds data
  cargo images recipe FILE                    the image of a finding of fuzz_measure_image
  cargo images differential --cases 100       the reference model against QEMU")]
struct Arguments {
    /// The project's folder; by default the one that the current folder lies in
    #[arg(long, global = true, value_name = "DIR")]
    project: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Measure(measure::Measure),
    Scan(scan::Scan),
    Recipe(recipe::RecipeArgs),
    Seeds(seeds::Seeds),
    Differential(differential::Differential),
    Completions(Completions),
    Manual(Manual),
}

fn main() -> ExitCode {
    cli::run(run)
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let project = || project(arguments.project.as_deref());
    match &arguments.command {
        Command::Measure(args) => measure::run(args),
        Command::Scan(args) => scan::run(args),
        Command::Recipe(args) => recipe::run(args),
        Command::Seeds(args) => seeds::run(args, project),
        Command::Differential(args) => differential::run(args, project),
        Command::Completions(args) => completions::run(args, cli::definition::<Arguments>()),
        Command::Manual(args) => manual::run(args, cli::definition::<Arguments>()),
    }
}
