//! How many instructions a replay of inputs takes.
//!
//! The replay worker runs under Valgrind's callgrind, which counts every instruction that it executes. Counts do
//! not depend on the machine's load, and hardly on the machine. What the worker executes without any input is
//! taken off; reading inputs and answering is in the count. The worker is a release build without an engine, so
//! an engine's instrumentation is not in it.
//!
//! Where the instructions are spent, callgrind's own tool shows: `callgrind_annotate`.

use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Error, Result, bail, ensure};
use worker::batch::Inputs;
use worker::protocol::Command as Ask;

use crate::coverage::Contents;
use crate::engine::number_after;
use crate::replay::{Replayer, Verdict};

/// Makes the C library fill and copy memory with vectors and not with `rep stosb` and `rep movsb`. Callgrind counts
/// each byte of those as an instruction, which would be most of the count.
const NO_BYTEWISE_COPIES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-ERMS,-FSRM");

/// How many instructions the `worker` executes for all of `inputs` together. They must all pass or be no case. Fails
/// when there are no inputs, Valgrind is missing or fails, or an input fails.
pub fn count(worker: &Path, target: &str, inputs: &[PathBuf]) -> Result<u64> {
    ensure!(!inputs.is_empty(), "{target} has no inputs");
    let mut batch = Inputs::default();
    for place in 0..inputs.len() {
        let appended = batch.append(|bytes| inputs.append(place, bytes));
        appended.map_err(Error::msg)?;
    }
    let mut replayer = Replayer::new(worker.to_owned());
    for input in inputs {
        match replayer.verdict(target, input)? {
            Verdict::Fail(violation) => bail!("{}: {violation}", input.display()),
            verdict => ensure!(verdict.is_fine(), "{}: {verdict:?}", input.display()),
        }
    }
    let without = run(worker, b"", 0)?;
    let with = run(worker, &batch.request(Ask::Run, target), inputs.len())?;
    Ok(with.saturating_sub(without))
}

/// Runs the worker with these requests, which have so many `answers`. Returns how many instructions it executed.
fn run(worker: &Path, requests: &[u8], answers: usize) -> Result<u64> {
    let mut file = tempfile::tempfile().context("no temporary file")?;
    file.write_all(requests)?;
    file.rewind()?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(worker)
        .env(NO_BYTEWISE_COPIES.0, NO_BYTEWISE_COPIES.1)
        .stdin(Stdio::from(file))
        .output()
        .context("valgrind cannot be run: `campaign doctor` shows how to install it")?;
    let printed = String::from_utf8_lossy(&output.stderr);
    let status = output.status;
    ensure!(status.success(), "valgrind failed ({status}):\n{printed}");
    let given = output.stdout.split(|&byte| byte == b'\n').count() - 1;
    ensure!(
        given == answers,
        "the worker answered {given} of {answers} inputs"
    );
    number_after(&printed, "Collected :").context("callgrind printed no count")
}
