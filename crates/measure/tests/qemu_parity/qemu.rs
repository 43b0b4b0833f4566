//! Running qemu-img and reading what it says.

use std::path::Path;
use std::process::Output;

use measure::{MeasureError, MeasureOutput};

/// What qemu-img or a calculator answers: the two sizes, or why there are none.
pub(crate) type Answer = Result<MeasureOutput, MeasureError>;

/// The first line of `qemu-img --version`.
pub(crate) fn version() -> String {
    let output = run(&["--version"]).unwrap();
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .next()
        .unwrap_or("qemu-img of an unknown version")
        .to_owned()
}

/// Runs qemu-img; an error when it was killed (an assertion of its own).
pub(crate) fn run(arguments: &[&str]) -> Result<Output, String> {
    let output = testing::qemu::output(Path::new("."), "qemu-img", arguments);
    if output.status.code().is_none() {
        return Err(format!("qemu-img {arguments:?} died: {output:?}"));
    }
    Ok(output)
}

/// Runs qemu-img, which must succeed.
pub(crate) fn must_run(arguments: &[&str]) -> Result<(), String> {
    let output = run(arguments)?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!(
            "qemu-img {arguments:?} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

/// What the two numbers of `qemu-img measure` are as it prints them, which may be negative; or why it
/// refuses.
pub(crate) fn measure(arguments: &[&str]) -> Result<Result<(i64, i64), MeasureError>, String> {
    let arguments = [&["measure", "--output", "json"], arguments].concat();
    let mut output = run(&arguments)?;
    // qemu-img 7.2 cannot always time its key derivation on a busy machine.
    for _ in 0..50 {
        if !String::from_utf8_lossy(&output.stderr).contains("accurate CPU usage") {
            break;
        }
        output = run(&arguments)?;
    }
    if !output.status.success() {
        return refusal(&output).map(Err);
    }
    let json: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("qemu-img {arguments:?} printed no JSON: {error}"))?;
    let number = |key: &str| {
        json[key]
            .as_i64()
            .ok_or_else(|| format!("qemu-img {arguments:?} printed no number {key}: {json}"))
    };
    Ok(Ok((number("required")?, number("fully-allocated")?)))
}

/// Runs `qemu-img create` or `convert` and gives the length of the file `written`, or why it refuses.
pub(crate) fn write(
    arguments: &[&str],
    written: &Path,
) -> Result<Result<u64, MeasureError>, String> {
    let output = run(arguments)?;
    if !output.status.success() {
        return refusal(&output).map(Err);
    }
    length(written).map(Ok)
}

/// The length of a file in bytes.
pub(crate) fn length(file: &Path) -> Result<u64, String> {
    std::fs::metadata(file)
        .map(|metadata| metadata.len())
        .map_err(|error| format!("{}: {error}", file.display()))
}

/// qemu-img's message when it refuses something, and which of a calculator's errors that is.
const REFUSALS: &[(&str, MeasureError)] = &[
    (
        "Cluster size must be a power of two between",
        MeasureError::InvalidOption,
    ),
    (
        "Refcount width must be a power of two",
        MeasureError::InvalidOption,
    ),
    (
        "Different refcount widths than 16 bits require",
        MeasureError::InvalidOption,
    ),
    (
        "Extended L2 entries are only supported with",
        MeasureError::InvalidOption,
    ),
    (
        "Lazy refcounts only supported with",
        MeasureError::InvalidOption,
    ),
    (
        "Block size must be a power of two",
        MeasureError::InvalidOption,
    ),
    (
        "Invalid image size specified. Must be between 0 and",
        MeasureError::InvalidSize,
    ),
    ("he image size is too large", MeasureError::InvalidSize),
    ("Image size too large", MeasureError::InvalidSize),
];

fn refusal(output: &Output) -> Result<MeasureError, String> {
    let text = String::from_utf8_lossy(&output.stderr);
    REFUSALS
        .iter()
        .find(|(message, _)| text.contains(message))
        .map(|&(_, error)| error)
        .ok_or_else(|| format!("qemu-img refuses for a reason of its own: {text}"))
}
