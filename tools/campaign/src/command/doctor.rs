//! `campaign doctor`: what is missing or misconfigured, and the command that mends it.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::Result;
use serde::Serialize;
use worker::TargetInfo;

use crate::corpus::files_in;
use crate::engine::{Engine, libfuzzer, shown};
use crate::output::outln;
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
  cargo campaign doctor --json

`scripts/setup` installs everything that is missing.")]
pub struct Doctor {
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

/// Runs the command.
///
/// # Errors
/// When a folder cannot be read.
pub fn run(args: &Doctor, project: &Project) -> Result<ExitCode> {
    let mut findings = vec![tool(
        "Rust compiler",
        Command::new("rustc").arg("--version"),
        None,
        "install Rust with rustup",
    )];
    findings.extend(Engine::ALL.map(engine));
    findings.push(tool(
        "qemu-img, for seeds and tests",
        Command::new("qemu-img").arg("--version"),
        None,
        "apt-get install qemu-utils",
    ));
    findings.extend([
        optional(tool(
            "Valgrind, for `bench --instructions`",
            Command::new("valgrind").arg("--version"),
            None,
            "apt-get install valgrind",
        )),
        optional(tool(
            "cargo-mutants, for `cargo lab mutants`",
            Command::new("cargo").args(["mutants", "--version"]),
            None,
            "scripts/setup --mutants",
        )),
    ]);
    findings.extend(chromium().map(optional));
    findings.push(nightly());
    findings.push(afl_runtime());
    findings.extend(core_pattern());
    findings.extend(governor());
    findings.extend(targets(project)?);

    let missing = findings
        .iter()
        .any(|finding| finding.state == State::Missing);
    if args.json {
        outln!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        for Finding {
            what,
            state,
            found,
            mend,
        } in &findings
        {
            let sign = match state {
                State::Fine => "ok     ",
                State::Better => "better ",
                State::Missing => "MISSING",
            };
            outln!("{sign}  {what}: {found}");
            if let Some(mend) = mend {
                outln!("         mend it: {mend}");
            }
        }
    }
    Ok(if missing {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// A command-line tool: the first line with its version, which must contain `version` when one is given.
fn tool(what: &str, command: &mut Command, version: Option<&str>, mend: &str) -> Finding {
    let output = command.stdin(Stdio::null()).output();
    let found = output
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| {
            let text = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            text.lines()
                .find(|line| line.contains('.'))
                .map(|line| line.trim().to_owned())
        });
    let fits = |found: &str| {
        version.is_none_or(|version| {
            found
                .split(|c: char| c.is_whitespace())
                .any(|word| word == version)
        })
    };
    match found {
        Some(found) if fits(&found) => Finding {
            what: what.to_owned(),
            state: State::Fine,
            found,
            mend: None,
        },
        Some(found) => Finding {
            what: what.to_owned(),
            state: State::Missing,
            found: format!(
                "{found}, where {} is needed",
                version.unwrap_or("another version")
            ),
            mend: Some(mend.to_owned()),
        },
        None => Finding {
            what: what.to_owned(),
            state: State::Missing,
            found: format!("`{}` does not run", shown(command)),
            mend: Some(mend.to_owned()),
        },
    }
}

/// The browser, by the first of its names that runs.
fn chromium() -> Option<Finding> {
    ["chromium", "chromium-browser", "google-chrome"]
        .map(|name| {
            tool(
                "Chromium, for the test of the report's page",
                Command::new(name).arg("--version"),
                None,
                "apt-get install chromium",
            )
        })
        .into_iter()
        .min_by_key(|finding| finding.state != State::Fine)
}

/// The same for a tool that most commands do not need.
fn optional(finding: Finding) -> Finding {
    Finding {
        state: match finding.state {
            State::Missing => State::Better,
            state => state,
        },
        ..finding
    }
}

fn engine(engine: Engine) -> Finding {
    let (package, version) = engine.front_end();
    tool(
        engine.title(),
        &mut engine.version_command(),
        Some(version),
        &format!("cargo install {package} --version {version} --locked"),
    )
}

fn nightly() -> Finding {
    let there = libfuzzer::has_nightly();
    Finding {
        what: "nightly Rust, for AddressSanitizer".to_owned(),
        state: if there { State::Fine } else { State::Better },
        found: if there {
            "installed"
        } else {
            "not installed: libFuzzer runs without a sanitizer"
        }
        .to_owned(),
        mend: (!there).then(|| "rustup toolchain install nightly".to_owned()),
    }
}

/// AFL++'s runtime is built for one version of the compiler.
fn afl_runtime() -> Finding {
    let output = Command::new("cargo")
        .args(["afl", "fuzz", "-h"])
        .stdin(Stdio::null())
        .output();
    // Its help exits with status 1. Without the runtime, cargo-afl prints an error and no help.
    let there = output.is_ok_and(|output| {
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).contains("afl-fuzz")
    });
    Finding {
        what: "AFL++'s runtime for this compiler".to_owned(),
        state: if there { State::Fine } else { State::Missing },
        found: if there { "built" } else { "not built" }.to_owned(),
        mend: (!there).then(|| "cargo afl config --build --force".to_owned()),
    }
}

/// With a core pattern that pipes crashes to a program, AFL++ takes crashes for time-outs.
fn core_pattern() -> Option<Finding> {
    let pattern = std::fs::read_to_string(Path::new("/proc/sys/kernel/core_pattern")).ok()?;
    let piped = pattern.starts_with('|');
    Some(Finding {
        what: "core pattern".to_owned(),
        state: if piped { State::Better } else { State::Fine },
        found: if piped {
            "crashes are piped to a program, so AFL++ notices them late".to_owned()
        } else {
            pattern.trim().to_owned()
        },
        mend: piped.then(|| "echo core | sudo tee /proc/sys/kernel/core_pattern".to_owned()),
    })
}

/// A governor that slows down idle cores makes engines start slowly and comparisons noisy.
fn governor() -> Option<Finding> {
    let path = Path::new("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    let governor = std::fs::read_to_string(path).ok()?.trim().to_owned();
    let is_steady = governor == "performance";
    Some(Finding {
        what: "processor's frequency".to_owned(),
        state: if is_steady {
            State::Fine
        } else {
            State::Better
        },
        found: format!("governed by `{governor}`"),
        mend: (!is_steady).then(|| {
            "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
                .to_owned()
        }),
    })
}

/// Whether there is a replay worker, and seeds for its targets.
fn targets(project: &Project) -> Result<Vec<Finding>> {
    let what = "replay worker".to_owned();
    let targets = match project.fuzzed() {
        Ok(targets) => targets,
        Err(why) => {
            let why = format!("{why:#}");
            let finding = Finding {
                what,
                state: State::Missing,
                found: why.lines().next().unwrap_or_default().to_owned(),
                mend: Some("cargo build --release --bin replay_worker".to_owned()),
            };
            return Ok(vec![finding]);
        }
    };
    let worker = Finding {
        what,
        state: State::Fine,
        found: format!("{} targets", targets.len()),
        mend: None,
    };
    Ok(vec![worker, seeds(project, &targets)?])
}

fn seeds(project: &Project, targets: &[&TargetInfo]) -> Result<Finding> {
    let mut counts = Vec::new();
    let mut empty = false;
    for target in targets {
        let name = &target.name;
        let count = files_in(&project.seeds(name))?.len();
        empty |= count == 0;
        counts.push(format!("{count} for {name}"));
    }
    Ok(Finding {
        what: "seeds".to_owned(),
        state: if empty { State::Missing } else { State::Fine },
        found: counts.join(", "),
        mend: empty.then(|| "cargo images seeds".to_owned()),
    })
}
