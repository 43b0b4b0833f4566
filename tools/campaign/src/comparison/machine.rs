//! What a comparison ran on.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use report::Machine;

use crate::engine::Engine;

/// The machine and the tools, as far as the system reports them; `jobs` is how many engines run at once.
pub fn describe(engines: &BTreeSet<Engine>, cores: usize, jobs: usize) -> Machine {
    let mut tools = vec![("rustc".to_owned(), rustc())];
    for engine in engines {
        let (package, version) = engine.front_end();
        tools.push((engine.title().to_owned(), format!("{package} {version}")));
    }
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut lines = processors.lines();
    let model = lines.find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Machine {
        processor: model
            .map_or(std::env::consts::ARCH, |(_, name)| name)
            .to_owned(),
        cores,
        jobs,
        system: system(),
        tools,
    }
}

/// The operating system and its version; empty when it is unknown.
pub(crate) fn system() -> String {
    first_line(Command::new("uname").args(["-s", "-r", "-m"]))
}

/// The compiler's version; empty when there is none.
pub(crate) fn rustc() -> String {
    first_line(Command::new("rustc").arg("--version"))
}

/// The commit of the project at `root`, with `-dirty` when something was changed since; empty without git.
pub(crate) fn commit(root: &Path) -> String {
    let describe = [
        "describe",
        "--always",
        "--abbrev=12",
        "--exclude=*",
        "--dirty",
    ];
    first_line(Command::new("git").args(describe).current_dir(root))
}

/// The first line that a command prints; empty when it cannot be run.
fn first_line(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or_default().trim().to_owned()
}
