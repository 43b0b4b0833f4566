//! Standard output whose reader may go away: see [`cli::output`].

pub use cli::output::*;

use report::format::grouped;

/// Prints a line, indented, for each count that is not 0.
///
/// # Errors
/// When standard output cannot be written to.
pub fn counts<'a>(counts: impl IntoIterator<Item = (u64, &'a str)>) -> anyhow::Result<()> {
    for (count, what) in counts.into_iter().filter(|&(count, _)| count > 0) {
        line(format_args!("  {} {what}", grouped(count)))?;
    }
    Ok(())
}
