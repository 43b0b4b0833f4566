//! `cargo lab`: see [`lab`].
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use campaign::project::Project;
use campaign::supervisor;
use clap::{Parser, Subcommand};
use cli::completions::{self, Completions};
use cli::manual::{self, Manual};
use lab::command::{faults, mutants};

/// Measure how strong the oracle is
#[derive(Debug, Parser)]
#[command(name = "lab", version, bin_name = "cargo lab")]
#[command(after_help = "\
Start here:
  cargo lab faults --corpus-only     which check notices each planted fault; no engine needed
  cargo lab faults --time 5m         and how soon each engine finds it from the seeds
  cargo lab mutants                  which small changes of the code the shipped corpora notice

Neither ranks engines: what is planted is no sample of real mistakes.")]
struct Arguments {
    /// The project's folder; by default the one that the current folder lies in
    #[arg(long, global = true, value_name = "DIR")]
    project: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Faults(faults::Faults),
    Mutants(mutants::Mutants),
    Completions(Completions),
    Manual(Manual),
}

fn main() -> ExitCode {
    if let Some(watched) = supervisor::watch_if_asked(std::env::args_os()) {
        return watched.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    cli::run(run)
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let project = || Project::open(arguments.project.as_deref());
    match &arguments.command {
        Command::Faults(args) => faults::run(args, &project()?),
        Command::Mutants(args) => mutants::run(args, &project()?),
        Command::Completions(args) => completions::run(args, cli::definition::<Arguments>()),
        Command::Manual(args) => manual::run(args, cli::definition::<Arguments>()),
    }
}
