//! Values that completion scripts offer and that the parser does not check.
//!
//! Targets and lists of engines are strings to the parser; the commands print the known ones on an error.

use std::path::Path;

use clap::builder::PossibleValuesParser;

use crate::engine::Engine;
use crate::project::Project;

/// The command line with the names of engines, and of the project's targets, as the values of every argument that
/// takes them. Without a project there are no targets.
pub(super) fn with_names(tool: clap::Command, project: Option<&Path>) -> clap::Command {
    let mut targets: Vec<String> = Vec::new();
    if let Ok(project) = Project::open(project) {
        match project.fuzzed() {
            Ok(known) => targets.extend(known.iter().map(|target| target.name.clone())),
            Err(why) => eprintln!("no completion of targets: {why:#}"),
        }
    }
    // The parser keeps them as long as the process lives.
    let targets: Vec<&'static str> = targets.into_iter().map(|name| &*name.leak()).collect();
    let engines = Engine::ALL.map(Engine::name).into_iter().chain(["all"]);
    tool.mut_subcommands(|command| {
        command.mut_args(|argument| {
            let names = argument.get_value_names().unwrap_or_default();
            let takes_targets = names
                .iter()
                .any(|name| name == "TARGET" || name == "TARGETS");
            if takes_targets && !targets.is_empty() {
                argument.value_parser(PossibleValuesParser::new(targets.clone()))
            } else if argument.get_id() == "engines" && argument.get_possible_values().is_empty() {
                argument.value_parser(PossibleValuesParser::new(engines.clone()))
            } else {
                argument
            }
        })
    })
}
