//! Rounding that never panics, wraps or saturates.
//!
//! Every unit of a disk image is a power of two, so dividing by one is a shift; [`PowerOfTwo`] is the
//! proof that a number is one, made where an option is checked.

use crate::MeasureError;

/// A sector in bytes, in every format's formulas.
pub(crate) const SECTOR: PowerOfTwo = PowerOfTwo { shift: 9 };

/// One mebibyte.
pub(crate) const MIB: PowerOfTwo = PowerOfTwo { shift: 20 };

/// A table entry of 64 bits, for [`PowerOfTwo::entries`].
pub(crate) const BITS_64: PowerOfTwo = PowerOfTwo { shift: 6 };

/// A table entry of 128 bits, for [`PowerOfTwo::entries`].
pub(crate) const BITS_128: PowerOfTwo = PowerOfTwo { shift: 7 };

/// A power of two from 1 to 2^63.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PowerOfTwo {
    shift: u32,
}

impl PowerOfTwo {
    /// `value`, when it is a power of two.
    pub(crate) const fn new(value: u64) -> Option<Self> {
        if value.is_power_of_two() {
            Some(Self {
                shift: value.trailing_zeros(),
            })
        } else {
            None
        }
    }

    /// An option's value in bytes.
    ///
    /// # Errors
    /// [`MeasureError::InvalidOption`] when it is no power of two from `least` to `greatest`.
    pub(crate) const fn option(
        value: u32,
        least: u32,
        greatest: u32,
    ) -> Result<Self, MeasureError> {
        match Self::new(value as u64) {
            Some(power) if least <= value && value <= greatest => Ok(power),
            _ => Err(MeasureError::InvalidOption),
        }
    }

    /// The number itself.
    pub(crate) const fn get(self) -> u64 {
        1 << self.shift
    }

    /// How many units of this size cover `value`; exact for every `value`.
    pub(crate) const fn count(self, value: u64) -> u64 {
        (value >> self.shift) + (value & (self.get() - 1) != 0) as u64
    }

    /// How many entries of `width` bits fit a cluster of this many bytes, which must not be smaller than
    /// one entry. (The smallest cluster has 4096 bits, the widest entry 128.)
    pub(crate) const fn entries(self, width: Self) -> Self {
        Self {
            shift: self.shift + 3 - width.shift,
        }
    }

    /// `value` rounded up to a multiple.
    ///
    /// # Errors
    /// [`MeasureError::Overflow`] when that does not fit.
    pub(crate) fn round_up(self, value: u64) -> Result<u64, MeasureError> {
        self.times(self.count(value))
    }

    /// `count` units of this size.
    ///
    /// # Errors
    /// [`MeasureError::Overflow`] when that does not fit.
    pub(crate) fn times(self, count: u64) -> Result<u64, MeasureError> {
        multiply(count, self.get())
    }
}

/// `a + b`.
///
/// # Errors
/// [`MeasureError::Overflow`] when the sum does not fit.
pub(crate) fn add(a: u64, b: u64) -> Result<u64, MeasureError> {
    a.checked_add(b).ok_or(MeasureError::Overflow)
}

/// `a * b`.
///
/// # Errors
/// [`MeasureError::Overflow`] when the product does not fit.
pub(crate) fn multiply(a: u64, b: u64) -> Result<u64, MeasureError> {
    a.checked_mul(b).ok_or(MeasureError::Overflow)
}
