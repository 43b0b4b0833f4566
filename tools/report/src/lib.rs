//! A comparison of fuzzing engines: the data, what follows from it, and how it is shown.
//!
//! - [`Comparison`]: the data, as `report.json` holds it; [`read()`] reads it.
//! - [`analysis`]: estimates, tests, curves, survival and notes, made from the trials.
//! - [`summary`]: in words and a table, for a terminal and a job's page; growth for other programs.
//! - [`page`]: one self-contained HTML file.
//! - [`against`]: two comparisons side by side.
//! - [`format`](mod@format): numbers as text; [`markdown`]: tables.

pub mod against;
pub mod analysis;
mod data;
pub mod format;
pub mod markdown;
pub mod page;
mod results;
mod sentences;
pub mod summary;

pub use data::*;
