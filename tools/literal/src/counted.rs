//! How many instructions an execution takes, by Valgrind's callgrind.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;

/// Callgrind counts within the functions whose names match.
const COUNTED: &str = "--toggle-collect=*execute_one*";
/// Makes the C library fill and copy memory with vectors: callgrind would count each byte of a `rep stosb`.
const NO_BYTEWISE_COPIES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-ERMS,-FSRM");

/// The mean number of instructions of an execution of `target` over `inputs`.
pub(crate) fn mean(target: &str, inputs: &[Vec<u8>]) -> Result<f64> {
    let mut file = tempfile::NamedTempFile::new()?;
    for input in inputs {
        file.write_all(&u32::try_from(input.len())?.to_le_bytes())?;
        file.write_all(input)?;
    }
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            COUNTED,
        ])
        .arg(std::env::current_exe()?)
        .args(["--execute", target])
        .arg(file.path())
        .env(NO_BYTEWISE_COPIES.0, NO_BYTEWISE_COPIES.1);
    let output = valgrind
        .output()
        .context("valgrind cannot be run: `campaign doctor` shows how to install it")?;
    let printed = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind failed:\n{printed}");
    let count = printed
        .split_once("Collected : ")
        .map(|(_, rest)| rest.lines().next());
    let count: f64 = count.flatten().context("no count")?.trim().parse()?;
    ensure!(count > 0.0, "nothing was counted of {target}");
    Ok(count / inputs.len() as f64)
}

/// Executes each input in a file that [`mean`] wrote.
pub(crate) fn execute(target: &Path, file: &Path) -> Result<()> {
    let target = match target.to_str() {
        Some("fuzz_measure_calc") => built_in::fuzz_measure_calc,
        Some("fuzz_measure_scan") => built_in::fuzz_measure_scan,
        Some("fuzz_measure_image") => built_in::fuzz_measure_image,
        Some("fuzz_literal_calc") => literal::fuzz_literal_calc,
        Some("fuzz_literal_scan") => literal::fuzz_literal_scan,
        _ => bail!("no target is called {}", target.display()),
    };
    let inputs = fs::read(file)?;
    let mut rest = &inputs[..];
    while let Some((length, behind)) = rest.split_first_chunk() {
        let (input, behind) = behind.split_at(u32::from_le_bytes(*length) as usize);
        execute_one(target, input);
        rest = behind;
    }
    Ok(())
}

#[inline(never)]
fn execute_one(target: fn(&[u8]), input: &[u8]) {
    target(std::hint::black_box(input));
}
