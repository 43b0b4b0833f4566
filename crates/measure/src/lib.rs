//! How large an image file would be, without writing it: one calculator a format.
//!
//! Each calculator takes an [`AllocationSummary`] (the virtual disk's size
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
//! answer; [`unit()`] is the size to count in. Without a count the data is taken to lie
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

pub use qcow2::{luks_payload, measure_qcow2};
pub use raw::measure_raw;
pub use types::{
    MeasureError, MeasureOutput, Options, Preallocation, Qcow2Opts, VhdOpts, VhdSubformat,
    VhdxOpts, VmdkOpts, VmdkSubformat,
};
pub use vhd::{Geometry, chs, measure_vhd};
pub use vhdx::measure_vhdx;
pub use vmdk::measure_vmdk;

use types::{AllocationSummary, Measured};

/// How large an image of the format of `options` would be.
///
/// # Errors
/// Those of the format's calculator.
pub fn measure(summary: &AllocationSummary, options: &Options) -> Measured {
    match options {
        Options::Raw => measure_raw(summary),
        Options::Qcow2(opts) => measure_qcow2(summary, opts),
        Options::Vmdk(opts) => measure_vmdk(summary, opts),
        Options::Vhd(opts) => measure_vhd(summary, opts),
        Options::Vhdx(opts) => measure_vhdx(summary, opts),
    }
}

/// The unit, in bytes, to count the data of a disk of `virtual_size` bytes in: the cluster, grain or block
/// size, as it is set (legal or not) or by default. `None` for raw, which has no units.
#[must_use]
pub fn unit(options: &Options, virtual_size: u64) -> Option<u64> {
    Some(match options {
        Options::Raw => return None,
        Options::Qcow2(opts) => opts.cluster_size.into(),
        Options::Vmdk(opts) => opts.grain_size.into(),
        Options::Vhd(opts) => opts.block_size.into(),
        Options::Vhdx(opts) => vhdx::block_size_for(opts, virtual_size).into(),
    })
}
