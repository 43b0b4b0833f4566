//! Standard output whose reader may go away, and whose disk may fill up: both are errors, not panics.

use std::fmt::Arguments;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

/// The exit code when nobody reads the output any more: that of a program ended by SIGPIPE.
pub const BROKEN_PIPE: u8 = 141;

/// Prints a line.
pub fn line(text: Arguments<'_>) -> Result<()> {
    writeln!(std::io::stdout().lock(), "{text}").context("standard output cannot be written to")
}

/// Whether an error comes from an output that nobody reads any more.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .root_cause()
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// A path as seen from the current folder, when it lies below it.
pub fn from_here(path: &Path) -> &Path {
    std::env::current_dir()
        .ok()
        .and_then(|here| path.strip_prefix(here).ok())
        .unwrap_or(path)
}

/// `println!` that returns an error where that panics; for functions that return a `Result`.
#[macro_export]
macro_rules! outln {
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*))? };
}
pub use crate::outln;
