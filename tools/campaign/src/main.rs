//! `cargo campaign`: see [`campaign`].
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use campaign::command::{
    bench, compare, completions, corpora, coverage, doctor, export, import, list, minimize, new,
    replay, run, subjects, triage,
};
use campaign::project::Project;
use campaign::supervisor;
use clap::Subcommand;

/// Fuzz the code that measures disk images, with three engines and one oracle.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Start here:
  cargo campaign doctor                                       what is missing, and what mends it
  cargo campaign run --engine afl fuzz_measure_calc --time 1m  fuzz one target with one engine
  cargo campaign compare --time 1m                            all engines on all targets
  cargo campaign replay FILE                                  what a find fails, and on which case
Image files and QEMU: cargo images. The oracle's strength: cargo lab.")]
enum Command {
    Doctor(doctor::Doctor),
    List(list::List),
    New(new::New),
    Run(run::Run),
    Compare(compare::Compare),
    Corpora(corpora::Corpora),
    Coverage(coverage::Coverage),
    Replay(replay::Replay),
    Triage(triage::Triage),
    Subjects(subjects::Subjects),
    Bench(bench::Bench),
    Minimize(minimize::Minimize),
    Export(export::Export),
    Import(import::Import),
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
    let name = cli::arguments("campaign").nth(1).unwrap_or_default();
    if let Some((command, tool)) = MOVED.iter().find(|(command, _)| *command == name) {
        eprintln!("moved: use cargo {tool} {command} …");
        return ExitCode::from(2);
    }
    cli::main("campaign", completions::with_names, run)
}

fn run(command: &Command, project: Option<&Path>) -> Result<ExitCode> {
    match command {
        Command::Run(run::Run { judged, .. })
        | Command::Compare(compare::Compare { judged, .. })
        | Command::Replay(replay::Replay { judged, .. })
        | Command::Triage(triage::Triage { judged, .. }) => judged.apply()?,
        _ => {}
    }
    let project = || Project::open(project);
    match command {
        Command::New(args) => new::run(args),
        Command::Doctor(args) => doctor::run(args, &project()?),
        Command::List(args) => list::run(args, &project()?),
        Command::Run(args) => run::run(args, &project()?),
        Command::Compare(args) => compare::run(args, &project()?),
        Command::Corpora(args) => corpora::run(args, &project()?),
        Command::Coverage(args) => coverage::run(args, &project()?),
        Command::Replay(args) => replay::run(args, &project()?),
        Command::Triage(args) => triage::run(args, &project()?),
        Command::Subjects(args) => subjects::run(args, &project()?),
        Command::Bench(args) => bench::run(args, &project()?),
        Command::Minimize(args) => minimize::run(args, &project()?),
        Command::Export(args) => export::run(args, &project()?),
        Command::Import(args) => import::run(args, &project()?),
    }
}
