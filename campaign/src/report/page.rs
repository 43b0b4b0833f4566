//! A comparison as one self-contained HTML page.

use super::Comparison;

/// The page.
#[must_use]
pub fn html(comparison: &Comparison) -> String {
    let _ = comparison;
    String::new()
}
