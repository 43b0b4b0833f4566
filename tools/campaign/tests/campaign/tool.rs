//! The tool and other programs, run for a test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Engines have the machine and their folders for themselves: one test at a time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

/// The tool, in the root of this workspace.
pub(crate) fn campaign(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-campaign"));
    command.args(arguments).current_dir(root());
    command
}

/// `subjects/example`, which has a mistake for each target.
pub(crate) fn example() -> PathBuf {
    root().join("subjects/example")
}

pub(crate) fn on_example(arguments: &[&str]) -> Command {
    in_project(&example(), arguments)
}

/// The tool in a project of a test's. What these projects depend on is built once for all of them.
pub(crate) fn in_project(root: &Path, arguments: &[&str]) -> Command {
    let mut command = campaign(arguments);
    command.current_dir(root);
    command.env("CARGO_BUILD_BUILD_DIR", shared_builds());
    command
}

/// Where the projects of tests share builds.
pub(crate) fn shared_builds() -> PathBuf {
    root().join("target/of-tests")
}

fn output(command: &mut Command) -> Output {
    let output = command.output();
    output.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// The standard output of a command that must end with this exit code.
pub(crate) fn stdout(code: i32, command: &mut Command) -> String {
    let output = output(command);
    assert_eq!(output.status.code(), Some(code), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The JSON that a command prints; it must end with this exit code.
pub(crate) fn json(code: i32, command: &mut Command) -> Value {
    serde_json::from_str(&stdout(code, command)).unwrap()
}

/// What a command prints on both outputs; it must end with this exit code.
pub(crate) fn printed(code: i32, command: &mut Command) -> String {
    ended(code, output(command))
}

/// What a command printed on both outputs; it must have ended with this exit code.
pub(crate) fn ended(code: i32, output: Output) -> String {
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

#[track_caller]
pub(crate) fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

/// Waits until `is_there`; fails when that takes longer than `within`.
pub(crate) fn wait_for(what: &str, within: Duration, mut is_there: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_there() {
        assert!(start.elapsed() < within, "{what}: not within {within:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How many processes have `folder` in their command lines.
pub(crate) fn processes_of(folder: &Path) -> usize {
    let folder = folder.canonicalize().unwrap().display().to_string();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let arguments = processes.map(|process| fs::read(process.path().join("cmdline")));
    let arguments =
        arguments.map(|text| String::from_utf8_lossy(&text.unwrap_or_default()).into_owned());
    arguments.filter(|text| text.contains(&folder)).count()
}

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
