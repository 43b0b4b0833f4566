//! What all calculators check and answer alike.

use types::AllocationSummary;

use crate::arithmetic::{PowerOfTwo, add};
use crate::{MeasureError, MeasureOutput};

/// The largest virtual disk of any format, in bytes: file offsets are signed 64-bit numbers.
const LARGEST_DISK: u64 = i64::MAX as u64;

/// Checks that units were counted in `unit`, if they were counted.
///
/// # Errors
/// [`MeasureError::InvalidOption`] when they were counted in another unit.
pub(crate) fn check_unit(
    summary: &AllocationSummary,
    unit: PowerOfTwo,
) -> Result<(), MeasureError> {
    match summary.touched {
        Some(touched) if touched.unit != unit.get() => Err(MeasureError::InvalidOption),
        _ => Ok(()),
    }
}

/// Checks the sizes that no format allows. Call it when all options are known to be good.
///
/// # Errors
/// [`MeasureError::InvalidSize`] when the virtual disk is larger than 2^63 - 1 bytes, holds more data
/// than it is large, or has more touched units than units. [`MeasureError::InvalidOption`] when units
/// were counted in units of no bytes.
pub(crate) fn check_sizes(summary: &AllocationSummary) -> Result<(), MeasureError> {
    if let Some(touched) = summary.touched {
        let most = if let Some(unit) = PowerOfTwo::new(touched.unit) {
            unit.count(summary.virtual_size)
        } else if touched.unit == 0 {
            return Err(MeasureError::InvalidOption);
        } else {
            summary.virtual_size.div_ceil(touched.unit)
        };
        if touched.count > most {
            return Err(MeasureError::InvalidSize);
        }
    }
    if summary.allocated_bytes > summary.virtual_size || summary.virtual_size > LARGEST_DISK {
        return Err(MeasureError::InvalidSize);
    }
    Ok(())
}

/// How many units hold data: as counted, else as few as the data can fill.
pub(crate) fn units(summary: &AllocationSummary, unit: PowerOfTwo) -> u64 {
    match summary.touched {
        Some(touched) => touched.count,
        None => unit.count(summary.allocated_bytes),
    }
}

/// The answer.
///
/// # Errors
/// [`MeasureError::Overflow`] when the sum of the two does not fit.
pub(crate) fn answer(required: u64, fully_allocated: u64) -> Result<MeasureOutput, MeasureError> {
    add(required, fully_allocated)?;
    Ok(MeasureOutput {
        required,
        fully_allocated,
    })
}
