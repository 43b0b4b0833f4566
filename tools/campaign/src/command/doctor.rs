//! `campaign doctor`: what is missing or misconfigured, and the command that mends it.

use std::fs::read_to_string;
use std::process::{Command, ExitCode, Stdio};

use anyhow::Result;
use cli::output::{from_here, outln};
use report::format::counted;
use serde::Serialize;

use crate::corpus::files_in;
use crate::engine::{Engine, libfuzzer, shown};
use crate::project::Project;

/// Check the tools and the set-up, and print the command that mends each problem.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  everything needed is installed
  1  something needed is missing
  2  the command line is wrong

Examples:
  cargo campaign doctor
  cargo campaign doctor --json")]
pub(super) struct Doctor {
    /// Print JSON: an array of `what`, `state`, `found` and `mend`.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Fine,
    /// Not needed, but recommended.
    Better,
    Missing,
}

#[derive(Debug, Serialize)]
struct Finding {
    what: String,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

impl Finding {
    /// What was `found`; an error is the state `otherwise`, which the command `mend` mends.
    fn new(what: &str, found: Result<String, String>, otherwise: State, mend: &str) -> Self {
        let what = what.to_owned();
        match found {
            Ok(found) => Self {
                what,
                state: State::Fine,
                found,
                mend: None,
            },
            Err(found) => Self {
                what,
                state: otherwise,
                found,
                mend: Some(mend.to_owned()),
            },
        }
    }
}

pub(super) fn run(args: &Doctor, project: &Project) -> Result<ExitCode> {
    let rustc = version(Command::new("rustc").arg("--version"));
    let mut findings = vec![Finding::new(
        "Rust compiler",
        rustc,
        State::Missing,
        "install Rust with rustup",
    )];
    findings.extend(Engine::ALL.map(engine));
    findings.extend([
        afl_runtime(),
        Finding::new(
            "nightly Rust, for AddressSanitizer",
            libfuzzer::has_nightly()
                .then(|| "installed".to_owned())
                .ok_or_else(|| "not installed: libFuzzer runs without a sanitizer".to_owned()),
            State::Better,
            "rustup toolchain install nightly",
        ),
    ]);
    findings.extend(core_pattern());
    findings.extend(governor());
    findings.extend(targets(project)?);

    if args.json {
        outln!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        for finding in &findings {
            let sign = match finding.state {
                State::Fine => "ok     ",
                State::Better => "better ",
                State::Missing => "MISSING",
            };
            outln!("{sign}  {}: {}", finding.what, finding.found);
            if let Some(mend) = &finding.mend {
                outln!("         mend it: {mend}");
            }
        }
    }
    let is_missing = findings.iter().any(|one| one.state == State::Missing);
    Ok(match is_missing {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// The line of a tool's output that has its version.
fn version(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.ok().filter(|output| output.status.success());
    let text = output.map(|output| [output.stdout, output.stderr].concat());
    let text = String::from_utf8_lossy(text.as_deref().unwrap_or_default());
    match text.lines().find(|line| line.contains('.')) {
        Some(line) => Ok(line.trim().to_owned()),
        None => Err(format!("`{}` does not run", shown(command))),
    }
}

/// An engine's front end, which must be of the version that the targets are built with.
fn engine(engine: Engine) -> Finding {
    let (package, needed) = engine.front_end();
    let found = version(&mut engine.version_command()).and_then(|found| {
        match found.split_whitespace().any(|word| word == needed) {
            true => Ok(found),
            false => Err(format!("{found}, where {needed} is needed")),
        }
    });
    let mend = format!("cargo install {package} --version {needed} --locked");
    Finding::new(engine.title(), found, State::Missing, &mend)
}

/// AFL++'s runtime is built for one version of the compiler.
fn afl_runtime() -> Finding {
    let mut help = Command::new("cargo");
    let output = help.args(["afl", "fuzz", "-h"]).stdin(Stdio::null());
    // Its help exits with status 1. Without the runtime, cargo-afl prints an error and no help.
    let is_built = output.output().is_ok_and(|output| {
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).contains("afl-fuzz")
    });
    Finding::new(
        "AFL++'s runtime for this compiler",
        is_built
            .then(|| "built".to_owned())
            .ok_or_else(|| "not built".to_owned()),
        State::Missing,
        "cargo afl config --build --force",
    )
}

/// With a core pattern that pipes crashes to a program, AFL++ takes crashes for time-outs.
fn core_pattern() -> Option<Finding> {
    let pattern = read_to_string("/proc/sys/kernel/core_pattern").ok()?;
    Some(Finding::new(
        "core pattern",
        match pattern.starts_with('|') {
            true => Err("crashes are piped to a program, so AFL++ notices them late".to_owned()),
            false => Ok(pattern.trim().to_owned()),
        },
        State::Better,
        "echo core | sudo tee /proc/sys/kernel/core_pattern",
    ))
}

/// A governor that slows down idle cores makes engines start slowly and comparisons noisy.
fn governor() -> Option<Finding> {
    let governor = read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").ok()?;
    let found = format!("governed by `{}`", governor.trim());
    Some(Finding::new(
        "processor's frequency",
        match governor.trim() {
            "performance" => Ok(found),
            _ => Err(found),
        },
        State::Better,
        "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
    ))
}

/// Whether there is a replay worker, and seeds for its targets.
fn targets(project: &Project) -> Result<Vec<Finding>> {
    let fuzzed = project.fuzzed();
    let worker = Finding::new(
        "replay worker",
        match &fuzzed {
            Ok(targets) => Ok(counted(targets.len(), "target", "targets")),
            Err(why) => Err(format!("{why:#}")
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned()),
        },
        State::Missing,
        "cargo build --release --bin replay_worker",
    );
    let mut findings = vec![worker];
    for target in fuzzed.unwrap_or_default() {
        let folder = project.seeds(&target.name);
        findings.push(Finding::new(
            &format!("seeds for {}", target.name),
            match files_in(&folder)?.len() {
                0 => Err("none".to_owned()),
                count => Ok(count.to_string()),
            },
            State::Missing,
            &format!("put inputs into {}", from_here(&folder).display()),
        ));
    }
    Ok(findings)
}
