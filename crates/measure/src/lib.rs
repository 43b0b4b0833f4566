//! How large an image file would be, without writing it: one calculator a format.
//!
//! Each calculator takes an [`AllocationSummary`](shared::AllocationSummary) (the virtual disk's size
//! and how much of it holds data) and the format's options, and answers with two numbers of bytes: the
//! size of the file that holds this data, and of the file once every byte of the disk was written.
//!
//! | Calculator | Options | Answers what |
//! |---|---|---|
//! | [`measure_raw`] | none | `qemu-img measure -O raw` prints |
//! | [`measure_qcow2`] | [`Qcow2Opts`] | `qemu-img measure -O qcow2` prints |
//! | [`measure_vmdk`] | [`VmdkOpts`] | the file written by `qemu-img convert -O vmdk` is long |
//! | [`measure_vhd`] | [`VhdOpts`] | the file written by `qemu-img convert -O vpc` is long |
//! | [`measure_vhdx`] | [`VhdxOpts`] | the file written by `qemu-img convert -O vhdx` is long |
//!
//! # Data that is scattered
//!
//! A format stores data in whole *units*: qcow2 clusters, VMDK grains, VHD and VHDX blocks. A summary
//! that carries a count of the units touched ([`TouchedUnits`](shared::TouchedUnits)) gives the exact
//! answer; the size to count in is each options type's `unit`. Without a count the data is taken to lie
//! together at a unit's start, `ceil(allocated_bytes / unit)` units, which is too few when it is
//! scattered.
//!
//! # What holds for every input
//!
//! - A calculator is total: it answers exactly or with a [`MeasureError`]. It never panics, wraps or
//!   saturates.
//! - `required <= fully_allocated`, and their sum fits `u64`.
//! - When several things are wrong the first in this order is reported:
//!   [`InvalidOption`](MeasureError::InvalidOption), [`InvalidSize`](MeasureError::InvalidSize),
//!   [`Overflow`](MeasureError::Overflow). All options are checked, also those that the chosen
//!   subformat does not use.
//! - Constant time and memory, no heap, no I/O.
//!
//! # Modules
//!
//! `raw`, `qcow2`, `vmdk`, `vhd` and `vhdx` are the formats; `request` has the checks that all share,
//! and `arithmetic` the roundings.
#![no_std]
#![cfg_attr(not(test), warn(clippy::cast_possible_truncation))]

mod arithmetic;
mod qcow2;
mod raw;
mod request;
mod vhd;
mod vhdx;
mod vmdk;

use core::fmt;

pub use qcow2::{Preallocation, Qcow2Opts, luks_payload, measure_qcow2};
pub use raw::measure_raw;
pub use vhd::{Geometry, VhdOpts, VhdSubformat, chs, measure_vhd};
pub use vhdx::{VhdxOpts, measure_vhdx};
pub use vmdk::{VmdkOpts, VmdkSubformat, measure_vmdk};

/// How large an image file would be, in bytes.
///
/// `required <= fully_allocated`, and their sum fits `u64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MeasureOutput {
    /// The file's length when it holds the data that was asked about.
    pub required: u64,
    /// The file's length once every byte of the virtual disk has been written.
    pub fully_allocated: u64,
}

/// Why there is no answer. In this order: an invalid option hides an invalid size, and either hides
/// an overflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MeasureError {
    /// A size on the way, a result, or the sum of the two results does not fit `u64`.
    Overflow,
    /// An option is outside its range or does not go with another one, or the count of touched units
    /// was made for another unit than the format's.
    InvalidOption,
    /// The virtual disk is larger than the format (or a signed 64-bit offset) allows, or more data is
    /// said to be there than fits the disk.
    InvalidSize,
}

impl fmt::Display for MeasureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overflow => "the size of the image does not fit 64 bits",
            Self::InvalidOption => {
                "an option is out of range, does not go with another one, or does not match the unit \
                 that data was counted in"
            }
            Self::InvalidSize => {
                "the virtual disk is too large for this format, or smaller than the data said to be on it"
            }
        })
    }
}

impl core::error::Error for MeasureError {}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::string::{String, ToString};

    #[test]
    fn an_error_says_what_is_wrong_in_words_of_its_own() {
        let texts = [
            MeasureError::Overflow,
            MeasureError::InvalidOption,
            MeasureError::InvalidSize,
        ]
        .map(|error| {
            let error: &dyn core::error::Error = &error;
            error.to_string()
        });
        assert!(texts[0].contains("64 bits"));
        assert!(texts[1].contains("option"));
        assert!(texts[2].contains("too large"));
        assert!(texts.iter().all(|text: &String| !text.contains("  ")));
    }
}
