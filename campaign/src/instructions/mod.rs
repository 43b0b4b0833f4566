//! What an execution spends its instructions on: decoding, the model, the code under test, the checks.
//!
//! The replay worker runs inputs under Valgrind's callgrind, which counts every instruction that it
//! executes and every call. Counts do not depend on the machine's load, nor much on the machine. Only what
//! [`harness_core::Target::run`] does is counted, so that the worker's reading and answering are not. The
//! worker is a release build without an engine: what an engine's instrumentation adds is not in it.
//!
//! - [`profile`]: callgrind's file.
//! - [`areas`]: which part of the harness an instruction belongs to.
//! - [`shares`]: every instruction to its area, those of libraries by who calls them.

pub mod areas;
pub mod profile;
pub mod shares;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};
use harness_core::worker::{escape, unescape};

use crate::replay::Verdict;
use areas::Areas;
use shares::ByArea;

/// `Target::run` as rustc names it, in either of its manglings. The patterns end where the function's name
/// does: a closure inside of it would switch counting off again.
const COUNTED: [&str; 2] = [
    "*12harness_core7targets6Target3run17h????????????????E",
    "*12harness_core7targetsNtB*_6Target3run",
];

/// Tells the C library to fill and copy memory with vectors and not with `rep stosb` and `rep movsb`, of which
/// callgrind counts every byte as an instruction: that would be most of what it counts.
const NO_BYTEWISE_COPIES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-ERMS,-FSRM");

/// What the inputs of a target cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counted {
    /// How many inputs were run.
    pub inputs: usize,
    /// The instructions of all of them.
    pub total: u64,
    /// Of which in each area.
    pub by_area: ByArea,
}

/// Counts what the `worker` executes for each of `inputs`, which must all pass or be no case.
///
/// # Errors
/// When Valgrind is missing or fails, when an input fails, and when what was counted is not understood.
pub fn count(worker: &Path, target: &str, inputs: &[PathBuf]) -> Result<Counted> {
    ensure!(!inputs.is_empty(), "{target} has no inputs");
    // Callgrind names it so.
    let worker = &worker
        .canonicalize()
        .with_context(|| format!("{} cannot be opened", worker.display()))?;
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let counts = folder.path().join("callgrind.out");
    let requests = folder.path().join("requests");
    let mut lines = String::new();
    for input in inputs {
        let path = input
            .to_str()
            .with_context(|| format!("the name of {} is not UTF-8", input.display()))?;
        lines += &format!("run\t{target}\t{}\n", escape(path));
    }
    fs::write(&requests, lines)
        .with_context(|| format!("{} cannot be written", requests.display()))?;
    let mut command = Command::new("valgrind");
    command
        .args(["--quiet", "--tool=callgrind", "--dump-instr=yes"])
        .args(["--demangle=no", "--collect-jumps=no"])
        .args(COUNTED.map(|name| format!("--toggle-collect={name}")))
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(worker)
        .env(NO_BYTEWISE_COPIES.0, NO_BYTEWISE_COPIES.1)
        .stdin(fs::File::open(&requests)?);
    let output = command.output().map_err(cannot_run)?;
    judge(&output, inputs)?;
    let text = fs::read(&counts).context("callgrind wrote no counts")?;
    let profile = profile::parse(&String::from_utf8_lossy(&text))?;
    ensure!(
        profile.total > 0,
        "callgrind counted nothing: {} has no function like {}",
        worker.display(),
        COUNTED.join(" or ")
    );
    let mut areas = Areas::of(worker)?;
    let by_area = shares::shares(&profile, |function, address| {
        if Path::new(&function.object) == worker {
            areas.area(address)
        } else {
            // The C library and the loader belong to those who call them.
            Ok(None)
        }
    })?;
    Ok(Counted {
        inputs: inputs.len(),
        total: profile.total,
        by_area,
    })
}

fn cannot_run(error: std::io::Error) -> anyhow::Error {
    if error.kind() == std::io::ErrorKind::NotFound {
        anyhow::anyhow!(
            "valgrind is not there, and instructions cannot be counted without it: \
             apt-get install valgrind (the Debian package valgrind), or scripts/setup --test"
        )
    } else {
        anyhow::Error::new(error).context("valgrind cannot be run")
    }
}

/// An error unless the worker ran to its end, and every input passed or is no case.
fn judge(output: &Output, inputs: &[PathBuf]) -> Result<()> {
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("valgrind failed ({}):\n{said}", output.status);
    }
    let answers = String::from_utf8_lossy(&output.stdout);
    let answers: Vec<&str> = answers.lines().collect();
    ensure!(
        answers.len() == inputs.len(),
        "the worker answered {} of {} inputs",
        answers.len(),
        inputs.len()
    );
    for (answer, input) in answers.iter().zip(inputs) {
        let fields: Vec<String> = answer.split('\t').map(unescape).collect();
        match Verdict::of_answer(&fields)? {
            Verdict::Pass | Verdict::Rejected { .. } => {}
            Verdict::Fail { check, .. } => bail!("{} fails {check}", input.display()),
            Verdict::Error { message } => bail!("{message}"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_valgrind_the_package_is_named() {
        let error = cannot_run(std::io::ErrorKind::NotFound.into()).to_string();
        assert!(error.contains("apt-get install valgrind"), "{error}");
        let error = cannot_run(std::io::ErrorKind::PermissionDenied.into()).to_string();
        assert_eq!(error, "valgrind cannot be run");
    }

    #[test]
    fn an_input_that_fails_is_an_error() {
        use std::os::unix::process::ExitStatusExt;
        let judged = |status: i32, stdout: &str| {
            let output = Output {
                status: std::process::ExitStatus::from_raw(status),
                stdout: stdout.into(),
                stderr: b"no such tool".to_vec(),
            };
            judge(&output, &["a".into(), "b".into()]).map_err(|error| error.to_string())
        };
        assert_eq!(judged(0, "pass\nrejected\tshort\n"), Ok(()));
        let fails = judged(0, "pass\nfail\tcalc.x\twhy\n");
        assert_eq!(fails, Err("b fails calc.x".to_owned()));
        assert!(judged(0, "pass\n").unwrap_err().contains("1 of 2"));
        assert!(judged(256, "").unwrap_err().contains("no such tool"));
    }
}
