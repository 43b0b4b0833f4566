//! Answers as qemu-img lays them out.

use std::io::Write as _;

use anyhow::{Context, Result, bail};
use serde::Serialize;

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum OutputFormat {
    /// Lines for people.
    #[default]
    Human,
    /// One JSON object, indented by four blanks as qemu-img does.
    Json,
}

impl OutputFormat {
    /// Reads the value of `--output`. Fails when it is neither `human` nor `json`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        match text {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            other => bail!("--output expects 'human' or 'json', not {other:?}"),
        }
    }
}

/// Prints `answer` to standard output: as JSON with the names of its fields, or as those lines that have a value.
pub(crate) fn print(
    format: OutputFormat,
    answer: &impl Serialize,
    lines: &[(&str, Option<String>)],
) -> Result<()> {
    let mut text = Vec::new();
    match format {
        OutputFormat::Json => {
            let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
            let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
            answer
                .serialize(&mut serializer)
                .context("the answer cannot be written as JSON")?;
            text.push(b'\n');
        }
        OutputFormat::Human => {
            for (name, value) in lines {
                if let Some(value) = value {
                    writeln!(text, "{name}: {value}")?;
                }
            }
        }
    }
    write(&text)
}

/// Writes to standard output.
pub(crate) fn write(text: &[u8]) -> Result<()> {
    std::io::stdout()
        .write_all(text)
        .context("standard output cannot be written to")
}
