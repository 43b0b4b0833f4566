//! Why a scan gives no answer.

use core::fmt;

/// Why an image could not be scanned. A scan answers exactly, or with one of these; never with a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScanError {
    /// The image is not of the scanner's format: its magic number is missing.
    NotThisFormat,
    /// The image is of this format and may be sound, but uses a feature that the scanner does not
    /// know; the text names it.
    Unsupported(&'static str),
    /// The image contradicts its specification; the text names the structure and what is wrong.
    Corrupt(&'static str),
    /// The device failed to read a sector.
    Io {
        /// The sector that could not be read, in units of the device's sector size.
        sector: u64,
    },
    /// The caller's mistake: a device whose sector size is not a power of two from
    /// 512 to 65,536 bytes, or a cache smaller than one sector; the text names which.
    InvalidArgument(&'static str),
}

impl fmt::Display for ScanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThisFormat => f.write_str("not an image of this format"),
            Self::Unsupported(feature) => write!(f, "unsupported: {feature}"),
            Self::Corrupt(what) => write!(f, "corrupt: {what}"),
            Self::Io { sector } => write!(f, "I/O error: sector {sector} could not be read"),
            Self::InvalidArgument(what) => write!(f, "invalid argument: {what}"),
        }
    }
}

impl core::error::Error for ScanError {}

/// Why a scan gave no answer: the kind of a [`ScanError`], without its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScanErrorKind {
    /// The image is of another format.
    NotThisFormat,
    /// The image uses a feature that the scanner does not know.
    Unsupported,
    /// The image contradicts its specification.
    Corrupt,
    /// The device failed to read a sector.
    Io,
    /// The caller's mistake.
    InvalidArgument,
}

impl From<ScanError> for ScanErrorKind {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::NotThisFormat => Self::NotThisFormat,
            ScanError::Unsupported(_) => Self::Unsupported,
            ScanError::Corrupt(_) => Self::Corrupt,
            ScanError::Io { .. } => Self::Io,
            ScanError::InvalidArgument(_) => Self::InvalidArgument,
        }
    }
}
