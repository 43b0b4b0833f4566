//! The tool as a process, on `subjects/example`, which has a mistake for each target.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Engines have the machine and their folders for themselves: one test at a time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn example() -> PathBuf {
    root().join("subjects/example")
}

/// The tool on the example.
pub(crate) fn campaign(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campaign"));
    command.arg("--project").arg(example()).args(arguments);
    command
}

/// What a command printed; it must have ended with this exit code.
pub(crate) fn printed(code: i32, output: Output) -> String {
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

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
