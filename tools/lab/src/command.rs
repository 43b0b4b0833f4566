//! One module a command: its arguments, its help, and `run`.

mod faults;
mod mutants;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use campaign::project::Project;
use campaign::supervisor;
use clap::Subcommand;

/// Measure how strong the oracle is
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Start here:
  cargo lab faults --corpus-only     which check notices each planted fault; no engine needed
  cargo lab faults --time 5m         and how soon each engine finds it from the seeds
  cargo lab mutants                  which small changes of the code the shipped corpora notice

Neither ranks engines: planted mistakes are no sample of real ones.")]
enum Command {
    Faults(faults::Faults),
    Mutants(mutants::Mutants),
}

/// The whole of the tool's `main`.
pub fn main() -> ExitCode {
    if let Some(watched) = supervisor::watch_if_asked(std::env::args_os()) {
        return watched.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    cli::main("lab", |definition, _| definition, run)
}

fn run(command: &Command, project: Option<&Path>) -> Result<ExitCode> {
    let project = Project::open(project)?;
    match command {
        Command::Faults(args) => faults::run(args, &project),
        Command::Mutants(args) => mutants::run(args, &project),
    }
}
