//! What a calculator answers.

use core::fmt;

/// A calculator's answer.
pub type Measured = Result<MeasureOutput, MeasureError>;

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
    /// given than fits the disk.
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
                "the virtual disk is too large for this format, or smaller than the data on it"
            }
        })
    }
}

impl core::error::Error for MeasureError {}
