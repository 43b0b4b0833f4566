//! What the command-line tools `campaign`, `images` and `lab` share.
//!
//! - [`run`]: the life of a tool: parse, run, turn an error into a line and an exit code.
//! - [`output`]: standard output whose reader may go away.
//! - [`interrupt`]: Ctrl-C as a flag.
//! - [`completions`], [`manual`]: two commands that every tool has.
//! - [`content_name`]: the name of an input in a corpus.
#![forbid(unsafe_code)]

pub mod completions;
pub mod interrupt;
pub mod manual;
pub mod output;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{CommandFactory, Parser};
use sha2::{Digest as _, Sha256};

/// The exit code for findings.
pub const FINDS: u8 = 3;

/// The exit code after Ctrl-C, as shells have it.
pub const INTERRUPTED: u8 = 130;

/// Parses the command line, calls `run`, and returns the exit code. An error is one line on standard error and
/// exit code 1. A closed standard output ends the tool quietly.
pub fn run<Arguments: Parser>(run: impl FnOnce(&Arguments) -> Result<ExitCode>) -> ExitCode {
    let arguments = Arguments::from_arg_matches(&definition::<Arguments>().get_matches())
        .unwrap_or_else(|error| error.exit());
    run(&arguments).unwrap_or_else(|error| {
        if output::is_broken_pipe(&error) {
            return ExitCode::from(output::BROKEN_PIPE);
        }
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// The definition of a tool's command line, with the tool's name in the examples of the commands that all tools
/// have.
#[must_use]
pub fn definition<Arguments: CommandFactory>() -> clap::Command {
    let tool = Arguments::command();
    let name = tool.get_name().to_owned();
    tool.mut_subcommand("completions", |command| {
        command.after_help(completions::help(&name))
    })
    .mut_subcommand("manual", |command| command.after_help(manual::help(&name)))
}

/// A time such as `30s`, `10m` or `1h`; a bare number is seconds.
///
/// # Errors
/// When it is malformed or under one second.
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
#[must_use]
pub fn content_name(content: &[u8]) -> String {
    Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
