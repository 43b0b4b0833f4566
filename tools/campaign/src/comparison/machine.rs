//! What a comparison ran on.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use report::Machine;

use crate::engine::Engine;

/// The machine and the tools, as far as the system reports them; `jobs` is how many engines run at once.
pub fn describe(engines: &BTreeSet<Engine>, cores: usize, jobs: usize) -> Machine {
    let mut tools = vec![(
        "rustc".to_owned(),
        first_line(Command::new("rustc").arg("--version")).unwrap_or_default(),
    )];
    for engine in engines {
        let (package, version) = engine.front_end();
        tools.push((engine.title().to_owned(), format!("{package} {version}")));
    }
    Machine {
        processor: fs::read_to_string("/proc/cpuinfo")
            .unwrap_or_default()
            .lines()
            .find_map(|line| {
                Some(
                    line.strip_prefix("model name")?
                        .split_once(": ")?
                        .1
                        .to_owned(),
                )
            })
            .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        cores,
        jobs,
        system: system(),
        tools,
    }
}

/// The operating system and its version; empty when it is unknown.
pub fn system() -> String {
    first_line(Command::new("uname").args(["-s", "-r", "-m"])).unwrap_or_default()
}

/// The first line that a command prints.
fn first_line(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    Some(text.lines().next()?.trim().to_owned())
}
