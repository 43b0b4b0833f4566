//! Values that completion scripts offer and that the parser does not check.
//!
//! Targets and lists of engines are strings to the parser; the commands print the known ones on an error.

use clap::builder::PossibleValuesParser;

use crate::engine::Engine;

/// The value names of arguments that take targets.
const TARGETS: [&str; 2] = ["TARGET", "TARGETS"];

/// The argument that takes several engines' names, or `all`.
const ENGINES: &str = "engines";

/// The command line with the names of `targets` and of engines as the values of every argument that takes them.
#[must_use]
pub fn with_names(tool: clap::Command, targets: &[&'static str]) -> clap::Command {
    tool.mut_subcommands(|command| {
        command.mut_args(|argument| {
            let value_names = argument.get_value_names().unwrap_or_default();
            if !targets.is_empty()
                && value_names
                    .iter()
                    .any(|name| TARGETS.contains(&name.as_str()))
            {
                argument.value_parser(PossibleValuesParser::new(targets.to_vec()))
            } else if argument.get_id() == ENGINES && argument.get_possible_values().is_empty() {
                let names = Engine::ALL.map(Engine::name).into_iter().chain(["all"]);
                argument.value_parser(PossibleValuesParser::new(names))
            } else {
                argument
            }
        })
    })
}
