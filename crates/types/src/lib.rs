//! What calculators and scanners are asked, and what they answer: plain data without behaviour.
//!
//! - [`summary`]: how much of a disk holds data.
//! - [`scan_error`]: why a scan gives no answer.
//! - [`facts`]: what a sound image states about itself.
//! - [`format`]: the formats that have a scanner, and all that a file may be of.
//! - [`options`]: the target formats of the calculators, and their options.
//! - [`measured`]: what a calculator answers.
//!
//! `no_std`, no heap. The code under test and the reference model both use these types, and share nothing else.
#![no_std]

pub mod facts;
pub mod format;
pub mod measured;
pub mod options;
pub mod scan_error;
pub mod summary;

pub use facts::Facts;
pub use format::{FileFormat, FileFormats, ScanFormat};
pub use measured::{MeasureError, MeasureOutput, Measured};
pub use options::{
    Options, Preallocation, Qcow2Opts, VhdOpts, VhdSubformat, VhdxOpts, VmdkOpts, VmdkSubformat,
};
pub use scan_error::{ScanError, ScanErrorKind};
pub use summary::{AllocationSummary, TouchedUnits};
