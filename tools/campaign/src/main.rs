//! `cargo campaign`: see [`campaign`].
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use campaign::command::{
    bench, compare, completions, corpora, coverage, doctor, export, import, list, minimize, replay,
    run, triage,
};
use campaign::project::Project;
use campaign::supervisor;
use clap::error::{ContextKind, ContextValue};
use clap::{Parser, Subcommand};

/// Fuzz the code that measures disk images, with three engines and one oracle.
#[derive(Debug, Parser)]
#[command(name = "campaign", version, bin_name = "cargo campaign")]
#[command(after_help = "\
Start here:
  cargo campaign doctor                                       what is missing, and what mends it
  cargo campaign run --engine afl fuzz_measure_calc --time 1m  fuzz one target with one engine
  cargo campaign compare --time 1m                            all engines on all targets
  cargo campaign replay FILE                                  what a find fails, and on which case
Image files and QEMU: cargo images. The oracle's strength: cargo lab.")]
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
    Coverage(coverage::Coverage),
    Replay(replay::Replay),
    Triage(triage::Triage),
    Bench(bench::Bench),
    Minimize(minimize::Minimize),
    Export(export::Export),
    Import(import::Import),
    Completions(cli::completions::Completions),
    Manual(cli::manual::Manual),
}

/// Commands of earlier versions, and the tool that has them now.
const MOVED: [(&str, &str); 7] = [
    ("differential", "images"),
    ("faults", "lab"),
    ("measure", "images"),
    ("mutants", "lab"),
    ("recipe", "images"),
    ("scan", "images"),
    ("seeds", "images"),
];

fn main() -> ExitCode {
    if let Some(watched) = supervisor::watch_if_asked(std::env::args_os()) {
        return watched.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    if let Some((command, tool)) = moved() {
        eprintln!("moved: use cargo {tool} {command} …");
        return ExitCode::from(2);
    }
    cli::run(run)
}

/// The command that was asked for and that another tool has now.
fn moved() -> Option<&'static (&'static str, &'static str)> {
    let error = Arguments::try_parse().err()?;
    let ContextValue::String(name) = error.get(ContextKind::InvalidSubcommand)? else {
        return None;
    };
    MOVED.iter().find(|(command, _)| command == name)
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let project = || Project::open(arguments.project.as_deref());
    let definition = cli::definition::<Arguments>;
    match &arguments.command {
        Command::Doctor(args) => project().and_then(|project| doctor::run(args, &project)),
        Command::List(args) => project().and_then(|project| list::run(args, &project)),
        Command::Run(args) => project().and_then(|project| run::run(args, &project)),
        Command::Compare(args) => project().and_then(|project| compare::run(args, &project)),
        Command::Corpora(args) => project().and_then(|project| corpora::run(args, &project)),
        Command::Coverage(args) => project().and_then(|project| coverage::run(args, &project)),
        Command::Replay(args) => project().and_then(|project| replay::run(args, &project)),
        Command::Triage(args) => project().and_then(|project| triage::run(args, &project)),
        Command::Bench(args) => project().and_then(|project| bench::run(args, &project)),
        Command::Export(args) => project().and_then(|project| export::run(args, &project)),
        Command::Import(args) => project().and_then(|project| import::run(args, &project)),
        Command::Minimize(args) => project().and_then(|project| minimize::run(args, &project)),
        Command::Completions(args) => {
            let targets = names_of_targets(arguments.project.as_deref());
            cli::completions::run(args, completions::with_names(definition(), &targets))
        }
        Command::Manual(args) => cli::manual::run(args, definition()),
    }
}

/// The names of the targets for completion scripts. Without a project there are none.
fn names_of_targets(project: Option<&Path>) -> Vec<&'static str> {
    let Ok(project) = Project::open(project) else {
        return Vec::new();
    };
    match project.fuzzed() {
        // The parser keeps them as long as the process lives.
        Ok(targets) => {
            let names = targets.iter().map(|target| target.name.clone().leak());
            names.map(|name| &*name).collect()
        }
        Err(why) => {
            eprintln!("no completion of targets: {why:#}");
            Vec::new()
        }
    }
}
