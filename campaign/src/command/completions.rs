//! `campaign completions`: what a shell offers after the Tab key.
//!
//! Made from the same definition that parses the command line, so that no option can be missing. Targets
//! are strings to the parser, whose error names those there are, and so are lists of engines; here they become
//! values to choose from.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::builder::PossibleValuesParser;
use clap_complete::Shell;

use super::target_names;
use crate::engine::Engine;

/// The name of the tool as a command of its own: `cargo campaign` is cargo's alias for running it.
const NAME: &str = "campaign";

/// What stands for targets' names in the usage of every command.
const TARGETS: [&str; 2] = ["TARGET", "TARGETS"];

/// The argument that takes several engines' names, or `all`.
const ENGINES: &str = "engines";

/// What bash needs beyond clap's script: completion of `cargo campaign`, which belongs to cargo's own
/// completion until its first argument is ours.
const CARGO_IN_BASH: &str = r#"
# `cargo campaign` as well. Everything else after `cargo` is for the completion that was there before.
if ! complete -p cargo &>/dev/null; then
    for _campaign_loader in _comp_load __load_completion _completion_loader; do
        declare -F "$_campaign_loader" >/dev/null && "$_campaign_loader" cargo &>/dev/null && break
    done
    unset _campaign_loader
fi
if [[ $(complete -p cargo 2>/dev/null) != *_campaign_after_cargo* ]]; then
    _campaign_cargos_own=$(complete -p cargo 2>/dev/null | sed -n 's/.* -F \([^ ]*\) .*/\1/p')
fi
_campaign_after_cargo() {
    if [[ ${COMP_WORDS[1]-} == campaign ]] && ((COMP_CWORD > 1)); then
        COMP_WORDS=("${COMP_WORDS[@]:1}")
        COMP_CWORD=$((COMP_CWORD - 1))
        _campaign campaign "$2" "$3"
    elif [[ -n $_campaign_cargos_own ]]; then
        "$_campaign_cargos_own" "$@"
    fi
}
complete -F _campaign_after_cargo -o bashdefault -o default cargo
"#;

/// Print a completion script for a shell: commands, options, engines and targets.
///
/// In bash it completes `cargo campaign` and `campaign`; in the other shells `campaign`, for which an alias
/// such as `alias campaign='cargo campaign'` will do.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  the script is printed
  1  it could not be printed
  2  the command line is wrong

Examples:
  source <(cargo campaign completions bash)                 for this shell
  cargo campaign completions bash >~/.campaign.bash         and in ~/.bashrc: source ~/.campaign.bash
  cargo campaign completions zsh >~/.zfunc/_campaign        where ~/.zfunc is in $fpath
  cargo campaign completions fish >~/.config/fish/completions/campaign.fish")]
pub struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command; `tool` is the definition of the whole command line.
///
/// # Errors
/// When standard output cannot be written to.
pub fn run(args: &Completions, tool: clap::Command) -> Result<ExitCode> {
    std::io::stdout()
        .lock()
        .write_all(&script(args.shell, tool))
        .context("standard output cannot be written to")?;
    Ok(ExitCode::SUCCESS)
}

fn script(shell: Shell, tool: clap::Command) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut with_names(tool), NAME, &mut script);
    if shell == Shell::Bash {
        script.extend_from_slice(CARGO_IN_BASH.as_bytes());
    }
    script
}

/// The command line with the names of targets and engines as the values of every argument that takes them.
fn with_names(tool: clap::Command) -> clap::Command {
    tool.mut_subcommands(|command| {
        command.mut_args(|argument| {
            let stands_for = argument.get_value_names().unwrap_or_default();
            if stands_for
                .iter()
                .any(|name| TARGETS.contains(&name.as_str()))
            {
                argument.value_parser(PossibleValuesParser::new(target_names()))
            } else if argument.get_id() == ENGINES && argument.get_possible_values().is_empty() {
                let names = Engine::ALL.map(Engine::name).into_iter().chain(["all"]);
                argument.value_parser(PossibleValuesParser::new(names))
            } else {
                argument
            }
        })
    })
}
