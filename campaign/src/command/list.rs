//! `campaign list`: the targets and the engines.

use std::process::ExitCode;

use anyhow::Result;
use harness_core::TARGETS;
use serde::Serialize;

use crate::engine::Engine;
use crate::output::outln;

/// List the targets, what each drives, and the engines.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  the list is printed
  1  it could not be printed
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
struct Listed {
    name: &'static str,
    drives: &'static str,
    max_input: usize,
    /// Its path from the project's root.
    dictionary: Option<&'static str>,
}

/// Runs the command.
///
/// # Errors
/// When JSON cannot be made, which does not happen.
pub fn run(args: &List) -> Result<ExitCode> {
    let targets: Vec<Listed> = TARGETS
        .iter()
        .filter(|target| args.all || !target.is_baseline)
        .map(|target| Listed {
            name: target.name,
            drives: target.drives,
            max_input: target.max_input,
            dictionary: target.dictionary,
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
