//! How many instructions a replay of inputs takes.
//!
//! The replay worker runs under Valgrind's callgrind, which counts every instruction that it executes. Counts do
//! not depend on the machine's load, and hardly on the machine. What the worker executes without any input is
//! taken off; reading inputs and answering is in the count. The worker is a release build without an engine, so
//! an engine's instrumentation is not in it.
//!
//! Where the instructions are spent, callgrind's own tool shows: `callgrind_annotate`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Error, Result, bail, ensure};
use worker::batch::Inputs;
use worker::protocol::{Command as Ask, Reply, Response, Verdict};

/// Makes the C library fill and copy memory with vectors and not with `rep stosb` and `rep movsb`. Callgrind counts
/// each byte of those as an instruction, which would be most of the count.
const NO_BYTEWISE_COPIES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-ERMS,-FSRM");

/// How many instructions the `worker` executes for all of `inputs` together. They must all pass or be no case.
///
/// # Errors
/// When there are no inputs, Valgrind is missing or fails, or an input fails.
pub fn count(worker: &Path, target: &str, inputs: &[PathBuf]) -> Result<u64> {
    ensure!(!inputs.is_empty(), "{target} has no inputs");
    let mut batch = Inputs::default();
    for input in inputs {
        let content = fs::read(input).with_context(|| input.display().to_string())?;
        let append = |bytes: &mut Vec<u8>| {
            bytes.extend_from_slice(&content);
            Ok(())
        };
        batch.append(append).map_err(Error::msg)?;
    }
    let (without, _) = run(worker, b"")?;
    let (with, answers) = run(worker, &batch.request(Ask::Run, target))?;
    judge(&answers, inputs)?;
    Ok(with.saturating_sub(without))
}

/// Runs the worker with these requests. Returns how many instructions it executed, and its answers.
fn run(worker: &Path, requests: &[u8]) -> Result<(u64, String)> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let at = |name: &str| folder.path().join(name);
    fs::write(at("requests"), requests).context("the requests cannot be written")?;
    let output = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", at("counts").display()))
        .arg(worker)
        .env(NO_BYTEWISE_COPIES.0, NO_BYTEWISE_COPIES.1)
        .stdin(File::open(at("requests"))?)
        .output()
        .context("valgrind cannot be run: `campaign doctor` shows how to install it")?;
    ensure!(
        output.status.success(),
        "valgrind failed ({}):\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let counts = fs::read_to_string(at("counts")).context("callgrind wrote no counts")?;
    let answers = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((total(&counts)?, answers))
}

/// The total at the end of callgrind's file (Valgrind's manual, "Callgrind Format Specification").
fn total(counts: &str) -> Result<u64> {
    let value = |key| {
        let mut lines = counts.lines();
        lines.find_map(|line| line.strip_prefix(key)).map(str::trim)
    };
    ensure!(
        value("events:") == Some("Ir"),
        "callgrind did not count instructions (`Ir`)"
    );
    let total =
        value("totals:").context("callgrind's file has no total: it was not written to its end")?;
    total
        .parse()
        .with_context(|| format!("callgrind's total is no number: {total:?}"))
}

/// An error unless every input passed or is no case.
fn judge(answers: &str, inputs: &[PathBuf]) -> Result<()> {
    let answers: Vec<&str> = answers.lines().collect();
    ensure!(
        answers.len() == inputs.len(),
        "the worker answered {} of {} inputs",
        answers.len(),
        inputs.len()
    );
    for (answer, input) in answers.iter().zip(inputs) {
        let response = Response::parse(answer.as_bytes()).map_err(Error::msg)?;
        match response.reply {
            Reply::Verdict(verdict) if verdict.is_fine() => {}
            Reply::Verdict(Verdict::Fail(violation)) => {
                bail!("{}: {violation}", input.display())
            }
            other => bail!("{}: {other:?}", input.display()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_fails_is_an_error() {
        let judged = |answers: &str| {
            judge(answers, &["a".into(), "b".into()]).map_err(|error| error.to_string())
        };
        let pass = r#"{"reply":{"verdict":{"verdict":"pass"}}}"#;
        let rejected = r#"{"reply":{"verdict":{"verdict":"rejected","why":"short"}}}"#;
        assert_eq!(judged(&format!("{pass}\n{rejected}\n")), Ok(()));
        let fails = Verdict::crashed(worker::Crash::Died("signal 6".to_owned()), "t");
        let fails = serde_json::to_string(&fails).unwrap();
        let fails = format!("{pass}\n{{\"reply\":{{\"verdict\":{fails}}}}}\n");
        let why = judged(&fails).unwrap_err();
        assert!(
            why.starts_with("b: check failed: subject.no_abort"),
            "{why}"
        );
        assert!(judged(pass).unwrap_err().contains("1 of 2"));
    }

    #[test]
    fn only_a_whole_file_has_a_total() {
        let counts = "version: 1\nevents: Ir\nfn=(1) f\n7 5\n\ntotals: 5\n";
        assert_eq!(total(counts).unwrap(), 5);
        assert!(total("events: Ir\nfn=(1) f\n7 5\n").is_err());
        assert!(total("events: Cycles\ntotals: 5\n").is_err());
        assert!(total("events: Ir\ntotals: 5 6\n").is_err());
    }
}
