//! How large an image would be: the exact calculators.
//!
//! Each format's calculator checks its options and its disk sizes, and has a closed form of the file's
//! size: no loop that runs until something settles, no rounding step by step. Sizes are powers of two
//! wherever the format allows no other, and every rounding is a shift.

pub use crate::qcow2::calculator::luks_header;

use types::{AllocationSummary, Measured, Options};

use crate::{qcow2, raw, vhd, vhdx, vmdk};

/// The size of an image with these options, in bytes.
///
/// # Errors
/// The error that a calculator must answer with. Of several it is the first in this order: an option
/// (or a unit of counting) that the format does not have, a size that it does not have, a result that
/// does not fit.
#[inline]
pub fn measure(summary: &AllocationSummary, options: &Options) -> Measured {
    match options {
        Options::Raw => raw::measure(summary),
        Options::Qcow2(options) => qcow2::calculator::measure(summary, options),
        Options::Vmdk(options) => vmdk::calculator::measure(summary, options),
        Options::Vhd(options) => vhd::calculator::measure(summary, options),
        Options::Vhdx(options) => vhdx::calculator::measure(summary, options),
    }
}

/// The unit, in bytes, in which the format stores data: 512 for raw, otherwise the cluster, grain or block
/// size, as it is set (legal or not). VHDX chooses one by the disk's size when it is not set.
pub fn unit(options: &Options, virtual_size: u64) -> u64 {
    match options {
        Options::Raw => 512,
        Options::Qcow2(options) => options.cluster_size.into(),
        Options::Vmdk(options) => options.grain_size.into(),
        Options::Vhd(options) => options.block_size.into(),
        Options::Vhdx(options) => vhdx::calculator::block_size(options, virtual_size),
    }
}
