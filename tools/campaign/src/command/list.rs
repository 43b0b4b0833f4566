//! `campaign list`: the targets and the engines.

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use crate::engine::Engine;
use crate::output::outln;
use crate::project::Project;

/// List the targets, what each drives, and the engines.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  the list is printed
  1  the replay worker, which knows the targets, could not be built
  2  the command line is wrong

Examples:
  cargo campaign list
  cargo campaign list --json")]
pub struct List {
    /// Print JSON: `targets` (name, drives, max-input, dictionary) and `engines`.
    #[arg(long)]
    json: bool,
    /// Also list the baseline, which measures an engine's own cost.
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Listed<'a> {
    name: &'a str,
    drives: &'a str,
    max_input: usize,
    /// From the project's root.
    dictionary: Option<&'a str>,
}

/// Runs the command.
///
/// # Errors
/// When the replay worker cannot be built.
pub fn run(args: &List, project: &Project) -> Result<ExitCode> {
    let targets: Vec<Listed<'_>> = project
        .targets()?
        .iter()
        .filter(|target| args.all || !target.is_baseline)
        .map(|target| Listed {
            name: &target.name,
            drives: &target.drives,
            max_input: target.max_input,
            dictionary: target.dictionary.as_deref(),
        })
        .collect();
    if args.json {
        let list = serde_json::json!({
            "targets": targets,
            "engines": Engine::ALL.map(Engine::name),
        });
        outln!("{}", serde_json::to_string_pretty(&list)?);
    } else {
        for target in targets {
            outln!("{:<18} {}", target.name, target.drives);
        }
        outln!("\nengines: {}", Engine::ALL.map(Engine::name).join(", "));
    }
    Ok(ExitCode::SUCCESS)
}
