//! What the command-line tools `campaign`, `images` and `lab` share.
//!
//! - [`main`]: the life of a tool: parse, run, turn an error into a line and an exit code.
//! - [`output`]: standard output whose reader may go away.
//! - [`interrupt`]: Ctrl-C as a flag.
//! - [`content_name`]: the name of an input in a corpus; [`inputs`]: inputs in folders and zips.
#![forbid(unsafe_code)]

mod completions;
pub mod inputs;
pub mod interrupt;
mod manual;
pub mod output;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use sha2::{Digest as _, Sha256};

/// The exit code for findings.
pub const FINDS: u8 = 3;

/// The exit code after Ctrl-C, as shells have it.
pub const INTERRUPTED: u8 = 130;

// A doc comment would be the help of every tool.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments<Own: Subcommand> {
    /// The project's folder; by default the one that the current folder lies in
    #[arg(long, global = true, value_name = "DIR")]
    project: Option<PathBuf>,
    #[command(subcommand)]
    command: Command<Own>,
}

#[derive(Debug, Subcommand)]
enum Command<Own: Subcommand> {
    #[command(flatten)]
    Own(Own),
    Completions(completions::Completions),
    Manual(manual::Manual),
}

/// Parses the command line of `tool`, whose own commands are `Own`, and calls `run` with the command and the folder
/// that `--project` names. `complete` adds values to what completion scripts are made of. Returns the exit code. An
/// error is one line on standard error and exit code 1. A closed standard output ends the tool quietly.
pub fn main<Own: Subcommand>(
    tool: &'static str,
    complete: impl FnOnce(clap::Command, Option<&Path>) -> clap::Command,
    run: impl FnOnce(&Own, Option<&Path>) -> Result<ExitCode>,
) -> ExitCode {
    let definition = Arguments::<Own>::command()
        .name(tool)
        .bin_name(format!("cargo {tool}"))
        .mut_subcommands(
            |command| match command.get_after_help().map(ToString::to_string) {
                Some(help) => command.after_help(help.replace("TOOL", tool)),
                None => command,
            },
        );
    let matches = definition.clone().get_matches_from(arguments(tool));
    let arguments =
        Arguments::<Own>::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let project = arguments.project.as_deref();
    let ended = match &arguments.command {
        Command::Own(own) => run(own, project),
        Command::Completions(args) => completions::run(args, complete(definition, project)),
        Command::Manual(args) => manual::run(args, definition),
    };
    ended.unwrap_or_else(|error| {
        if output::is_broken_pipe(&error) {
            return ExitCode::from(output::BROKEN_PIPE);
        }
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// The command line of `tool`. Cargo calls an installed `cargo-TOOL` with the tool's name before the arguments: that
/// is left out.
pub fn arguments(tool: &str) -> impl Iterator<Item = OsString> {
    let is_the_name = move |(place, argument): &(usize, OsString)| *place == 1 && argument == tool;
    let arguments = std::env::args_os().enumerate();
    arguments
        .filter(move |it| !is_the_name(it))
        .map(|(_, argument)| argument)
}

/// A time such as `30s`, `10m` or `1h`; a bare number is seconds. Fails when it is malformed or under one second.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let time = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => humantime::parse_duration(text)
            .map_err(|error| format!("{error}; write 30s, 10m or 1h"))?,
    };
    if time < Duration::from_secs(1) {
        return Err("at least one second".to_owned());
    }
    Ok(time)
}

/// The name of an input: the SHA-256 of its content, in hexadecimal.
pub fn content_name(content: &[u8]) -> String {
    Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
