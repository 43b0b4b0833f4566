//! The code under test, behind two traits.
//!
//! The harness never names the calculators or scanners that it tests: it is handed a [`Subject`]. A
//! disk-image library implements [`Calculators`] and [`Scanner`] and gets every target, check and tool.
//! `subjects/built-in` does so for this workspace's own crates, `subjects/example` for another library.

use std::num::NonZeroU64;

pub use shared::CallTable;
pub use types::{
    AllocationSummary, Facts, MeasureError, MeasureOutput, Measured, Options, ScanError,
    ScanErrorKind, ScanFormat,
};

/// Answers how large an image would be. All sizes are in bytes.
pub trait Calculators: Sync {
    /// The size of an image of the format of `options`. Must be total: an answer or an error for every
    /// argument, never a panic.
    fn measure(&self, summary: &AllocationSummary, options: &Options) -> Measured;

    /// The unit in bytes in which a disk's data are to be counted for these options. `None` from a
    /// library that does not say, and for raw.
    fn unit(&self, _options: &Options, _virtual_size: u64) -> Option<u64> {
        None
    }

    /// The size in bytes of the LUKS header in a qcow2 image, for a key of so many bytes, of which XTS
    /// takes two. `None` from a library that does not say.
    fn luks_payload(&self, _key_bytes: u32, _xts: bool) -> Option<u64> {
        None
    }
}

/// What a scanner is asked: an image on a device.
#[derive(Debug)]
pub struct ScanRequest<'a> {
    /// The image's format.
    pub format: ScanFormat,
    /// How to read the image.
    pub calls: CallTable<'a>,
    /// The index of the device that holds the image; no other may be read.
    pub device: u32,
    /// Two buffers of at least one sector each, with arbitrary content.
    pub caches: [&'a mut [u8]; 2],
    /// Count the units of this many bytes that hold data, when given.
    pub unit: Option<NonZeroU64>,
    /// Scan once more with the same state, which must not have suffered from the first scan.
    pub twice: bool,
}

/// What a scanner answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanAnswer {
    /// How much of the virtual disk holds data, or why that cannot be said.
    pub result: Result<AllocationSummary, ScanError>,
    /// The second scan's answer, when one was asked for and there is a state to scan with. A scanner
    /// without a state just scans again.
    pub again: Option<Result<AllocationSummary, ScanError>>,
    /// The bytes that the scanner says it read; `None` when it says nothing (it gave up before it
    /// had a state that counts).
    pub bytes_read: Option<u64>,
}

/// Answers how much of an image holds data.
pub trait Scanner: Sync {
    /// Scans the image. Must be total: an answer or an error for every image, never a panic.
    fn scan(&self, request: ScanRequest<'_>) -> ScanAnswer;

    /// What the image says of itself; asked only when a scan has an answer. `None` from a library that
    /// does not say.
    fn facts(&self, _request: ScanRequest<'_>) -> Option<Facts> {
        None
    }
}

/// The code under test.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// What is behind `fuzz_measure_calc`, and takes what scans of `fuzz_measure_image` answer.
    pub calculators: &'a dyn Calculators,
    /// What is behind `fuzz_measure_scan` and `fuzz_measure_image`.
    pub scanner: &'a dyn Scanner,
}

impl std::fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subject")
    }
}
