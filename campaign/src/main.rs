//! `cargo campaign`: see [`campaign`].
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use campaign::command::{
    bench, compare, completions, corpora, coverage, differential, doctor, export, faults, import,
    list, manual, measure, minimize, mutants, recipe, replay, run, scan, seeds, triage,
};
use campaign::output;
use campaign::project::Project;
use campaign::supervisor;
use clap::{CommandFactory as _, Parser, Subcommand};

/// Fuzz the code that measures disk images, with three engines and one oracle.
#[derive(Debug, Parser)]
#[command(name = "campaign", version, bin_name = "cargo campaign")]
#[command(after_help = "\
Start here:
  cargo campaign doctor                                       what is missing, and what mends it
  cargo campaign run --engine afl fuzz_measure_calc --time 1m  fuzz one target with one engine
  cargo campaign compare --time 1m                            all engines on all targets
  cargo campaign replay FILE                                  what a find fails, and on which case")]
struct Arguments {
    /// The project's folder, when it is not the one that the current folder lies in.
    #[arg(long, global = true, value_name = "DIR")]
    project: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Doctor(doctor::Doctor),
    List(list::List),
    Run(run::Run),
    Compare(compare::Compare),
    Corpora(corpora::Corpora),
    Faults(faults::Faults),
    Coverage(coverage::Coverage),
    Replay(replay::Replay),
    Recipe(recipe::RecipeArgs),
    Differential(differential::Differential),
    Seeds(seeds::Seeds),
    Triage(triage::Triage),
    Bench(bench::Bench),
    Measure(measure::Measure),
    Minimize(minimize::Minimize),
    Export(export::Export),
    Import(import::Import),
    Mutants(mutants::Mutants),
    Scan(scan::Scan),
    Completions(completions::Completions),
    Manual(manual::Manual),
}

fn main() -> ExitCode {
    if let Some(watched) = supervisor::watch_if_asked(std::env::args_os()) {
        return watched.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    let arguments = Arguments::parse();
    let project = || Project::open(arguments.project.as_deref());
    let result = match &arguments.command {
        Command::Doctor(args) => project().and_then(|project| doctor::run(args, &project)),
        Command::List(args) => list::run(args),
        Command::Run(args) => project().and_then(|project| run::run(args, &project)),
        Command::Compare(args) => project().and_then(|project| compare::run(args, &project)),
        Command::Corpora(args) => project().and_then(|project| corpora::run(args, &project)),
        Command::Faults(args) => project().and_then(|project| faults::run(args, &project)),
        Command::Coverage(args) => project().and_then(|project| coverage::run(args, &project)),
        Command::Replay(args) => project().and_then(|project| replay::run(args, &project)),
        Command::Recipe(args) => recipe::run(args),
        Command::Differential(args) => {
            project().and_then(|project| differential::run(args, &project))
        }
        Command::Triage(args) => project().and_then(|project| triage::run(args, &project)),
        Command::Seeds(args) => project().and_then(|project| seeds::run(args, &project)),
        Command::Bench(args) => project().and_then(|project| bench::run(args, &project)),
        Command::Measure(args) => measure::run(args),
        Command::Export(args) => project().and_then(|project| export::run(args, &project)),
        Command::Import(args) => project().and_then(|project| import::run(args, &project)),
        Command::Minimize(args) => project().and_then(|project| minimize::run(args, &project)),
        Command::Mutants(args) => project().and_then(|project| mutants::run(args, &project)),
        Command::Scan(args) => scan::run(args),
        Command::Completions(args) => completions::run(args, Arguments::command()),
        Command::Manual(args) => manual::run(args, Arguments::command()),
    };
    result.unwrap_or_else(|error| {
        if output::is_broken_pipe(&error) {
            return ExitCode::from(output::BROKEN_PIPE);
        }
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
