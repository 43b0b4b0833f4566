//! What every scanner and calculator shares.
//!
//! - [`call_table`]: how a scanner reaches the image, one sector at a time, over a C interface.
//! - [`input`]: reading structures of any length and alignment through one-sector caches.
//! - [`table`]: the entries of an allocation table that are not empty.
//! - [`tally`]: adding up the data that an image holds, and the target units it touches.
//!
//! `no_std`, no heap. Nothing here knows that it is fuzzed.
#![no_std]
#![cfg_attr(not(test), warn(clippy::cast_possible_truncation))]

pub mod call_table;
pub mod input;
pub mod table;
pub mod tally;

pub use call_table::bare::BareCallTable;
pub use call_table::{CallTable, InputDevice, ReadFailed};
pub use input::{Input, SectorCache};
pub use table::{entries_but, is_all};
pub use tally::{DataTally, TableBudget};
pub use types::{AllocationSummary, ScanError, TouchedUnits};

/// The smallest sector size that a device may have, in bytes.
pub const MIN_SECTOR_SIZE: usize = 512;

/// The largest sector size that a device may have, in bytes.
pub const MAX_SECTOR_SIZE: usize = 65536;
