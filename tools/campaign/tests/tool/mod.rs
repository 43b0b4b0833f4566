//! The tool and other programs, run for a test.

#![allow(dead_code, reason = "each file of tests uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of this workspace.
pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

/// The tool, in the root of this workspace.
pub(crate) fn campaign(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campaign"));
    command.args(arguments).current_dir(root());
    command
}

fn output(code: i32, command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert_eq!(output.status.code(), Some(code), "{command:?}: {output:?}");
    output
}

/// The standard output of a command that must end with this exit code.
pub(crate) fn stdout(code: i32, command: &mut Command) -> String {
    String::from_utf8(output(code, command).stdout).unwrap()
}

/// What a command prints on both outputs; it must end with this exit code.
pub(crate) fn printed(code: i32, command: &mut Command) -> String {
    let output = output(code, command);
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

/// The text of a file.
pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A folder of programs that stand in for others.
pub(crate) fn programs(folder: &str) -> PathBuf {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs");
    all.join(folder)
}

/// `PATH` with such a folder before everything else.
pub(crate) fn path_with(folder: &str) -> String {
    let path = std::env::var("PATH").unwrap();
    format!("{}:{path}", programs(folder).display())
}
