//! The command `completions`: what a shell offers after the Tab key.
//!
//! The script comes from the definition that parses the command line, so no option can be missing.

use std::process::ExitCode;

use anyhow::Result;
use clap_complete::Shell;

use crate::outln;

/// What bash needs beyond clap's script: completion of `cargo TOOL`, which belongs to cargo's own
/// completion until its first argument is ours.
const CARGO_IN_BASH: &str = include_str!("cargo.bash");

/// Print a completion script for a shell: commands, options and values.
///
/// In bash it also completes the tool behind `cargo`. Other shells complete the bare tool: an alias such as
/// `alias campaign='cargo campaign'` makes that useful.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  the script is printed
  1  it could not be printed
  2  the command line is wrong

Examples:
  source <(cargo TOOL completions bash)                 for this shell
  cargo TOOL completions bash >~/.TOOL.bash         and in ~/.bashrc: source ~/.TOOL.bash
  cargo TOOL completions zsh >~/.zfunc/_TOOL        where ~/.zfunc is in $fpath
  cargo TOOL completions fish >~/.config/fish/completions/TOOL.fish")]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command; `tool` is the definition of the whole command line.
pub(crate) fn run(args: &Completions, mut tool: clap::Command) -> Result<ExitCode> {
    let name = tool.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut tool, &name, &mut script);
    if args.shell == Shell::Bash {
        script.extend_from_slice(CARGO_IN_BASH.replace("TOOL", &name).as_bytes());
    }
    outln!("{}", String::from_utf8(script)?.trim_end());
    Ok(ExitCode::SUCCESS)
}
