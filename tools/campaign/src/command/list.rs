//! `campaign list`: the targets and the engines.

use std::process::ExitCode;

use anyhow::Result;
use cli::output::outln;
use serde_json::json;

use crate::engine::Engine;
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
pub(super) struct List {
    /// Print JSON: `targets` (name, drives, max-input, dictionary from the root) and `engines`.
    #[arg(long)]
    json: bool,
    /// Also list the baseline, which measures an engine's own cost.
    #[arg(long)]
    all: bool,
}

pub(super) fn run(args: &List, project: &Project) -> Result<ExitCode> {
    let targets = project.targets()?.iter();
    let targets = targets.filter(|target| args.all || !target.is_baseline);
    let engines = Engine::ALL.map(Engine::name);
    if args.json {
        let targets = targets.map(|target| {
            json!({
                "name": target.name,
                "drives": target.drives,
                "max-input": target.max_input,
                "dictionary": target.dictionary,
            })
        });
        let list = json!({ "targets": targets.collect::<Vec<_>>(), "engines": engines });
        outln!("{}", serde_json::to_string_pretty(&list)?);
    } else {
        for target in targets {
            outln!("{:<18} {}", target.name, target.drives);
        }
        outln!("\nengines: {}", engines.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}
