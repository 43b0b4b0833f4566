//! Sizes and roundings that the calculators share.
//!
//! # Why no overflow goes unseen
//! Products of two numbers of the question are taken in 128 bits. All other arithmetic comes after
//! [`units`] has refused disks above the format's limit, which is at most 2^63 - 1 bytes. Each format
//! states how large its numbers are below that.

use types::{AllocationSummary, MeasureError, MeasureOutput, Measured};

/// The largest disk of any format, in bytes: offsets are signed.
pub(crate) const LARGEST_DISK: u64 = (1 << 63) - 1;

/// The size of a sector is two to this power, in bytes.
pub(crate) const SECTOR_BITS: u32 = 9;

/// How many units of two to the power `unit_bits` bytes hold data; or why the question has no answer.
///
/// `legal`: all options are in their ranges. `largest` is the largest disk in bytes that the
/// format takes with these options, at most [`LARGEST_DISK`]. Neither need mean anything, nor
/// `unit_bits`, where `legal` is false; `unit_bits` is below 64 always.
///
/// # Errors
/// - [`MeasureError::InvalidOption`]: not `legal`, or units counted in another size.
/// - [`MeasureError::InvalidSize`]: a disk over `largest`, or more data or units than it has.
#[inline(always)]
pub(crate) fn units(
    summary: &AllocationSummary,
    legal: bool,
    unit_bits: u32,
    largest: u64,
) -> Result<u64, MeasureError> {
    let own_unit = 1 << unit_bits;
    // Nothing counted is as good as no unit counted, as long as it is about what to refuse.
    let (unit, count) = summary
        .touched
        .map_or((own_unit, 0), |touched| (touched.unit, touched.count));
    // All that can be wrong is asked at once: an engine that counts edges pays for each branch.
    if !legal | (unit != own_unit) {
        return Err(MeasureError::InvalidOption);
    }
    if too_large(summary, largest) | too_many(count, unit, summary.virtual_size) {
        return Err(MeasureError::InvalidSize);
    }
    Ok(match summary.touched {
        Some(_) => count,
        None => ceiling(summary.allocated_bytes, unit_bits),
    })
}

/// Whether the disk is over `largest` bytes, or holds more data than it is large.
#[inline(always)]
pub(crate) const fn too_large(summary: &AllocationSummary, largest: u64) -> bool {
    (summary.virtual_size > largest) | (summary.allocated_bytes > summary.virtual_size)
}

/// Whether a disk of `virtual_size` bytes has fewer than `count` units of `unit` bytes, of which the last
/// may reach past its end.
///
/// ceil(size / unit) is the largest k with k * unit < size + unit, so this is count * unit >= size + unit;
/// in 128 bits both sides fit.
#[inline(always)]
pub(crate) const fn too_many(count: u64, unit: u64, virtual_size: u64) -> bool {
    count as u128 * unit as u128 >= virtual_size as u128 + unit as u128
}

/// `number` divided by two to the power `bits` and rounded up; `number` is at most 2^63, `bits` below 64.
///
/// An arithmetic shift rounds down, towards minus infinity, and rounding up is rounding down on the
/// other side of zero.
#[inline(always)]
pub(crate) const fn ceiling(number: u64, bits: u32) -> u64 {
    (number.wrapping_neg().cast_signed() >> bits)
        .wrapping_neg()
        .cast_unsigned()
}

/// `number` rounded up to a multiple of two to the power `bits`; `number` is at most 2^63, `bits` below
/// 64.
#[inline(always)]
pub(crate) const fn round_up(number: u64, bits: u32) -> u64 {
    ceiling(number, bits) << bits
}

/// A disk stored as its bytes, in whole sectors; of at most [`LARGEST_DISK`] bytes.
/// [`MeasureError::Overflow`]: the two answers are the same number, which when it rounds up to 2^63 adds
/// up to 2^64.
#[inline(always)]
pub(crate) const fn plain(virtual_size: u64) -> Measured {
    let sectors = round_up(virtual_size, SECTOR_BITS);
    if sectors > LARGEST_DISK {
        return Err(MeasureError::Overflow);
    }
    Ok(MeasureOutput {
        required: sectors,
        fully_allocated: sectors,
    })
}
