//! `fuzz_measure_scan`: one image, one scanner.
//!
//! # Input
//! Byte 0: bits 0–1 the format (0 qcow2, 1 vmdk, 2 vhd, 3 vhdx), so that the byte mod 4 names it;
//! bits 2–6 the unit to count, 0 for none, n for 2^(8 + n) bytes (512 up to 2^39); bit 7 whether the
//! image is packed. An empty input is rejected.
//!
//! With bit 7 clear the rest *is* the image, flat, as a real file is. With bit 7 set the image is
//! sparse, so that a file of some MiB, which no engine takes as an input, costs what it holds:
//!
//! | bytes | meaning |
//! |---|---|
//! | 1–4 | the image's size in bytes, modulo [`MAX_PACKED_CAPACITY`] + 1 |
//! | then, up to 64 times: 4 | where the segment begins, in bytes |
//! | 2 | the segment's length in bytes |
//! | … | the segment's bytes |
//!
//! Numbers are little-endian. A segment that the input's end cuts off has the bytes that are there.
//!
//! The device has sectors of 512 bytes and an index that is not 0.
//!
//! # Checks
//! `scan.*` of [`crate::check::ALL`]: that the answer is the reference model's, in value and in kind of
//! error; and, which is known without a model, what holds for every summary, and for the work done on
//! every image.

use std::fmt::Write as _;
use std::num::NonZeroU64;

use worker::{Checks, Describe, Outcome, Part, literal};

use crate::answers;
use crate::check;
use crate::device::MockDevice;
use crate::judgement::Judgement;
use crate::scanned::{self, Scanned, not_judged};
use crate::subject::{
    self, AllocationSummary, ScanAnswer, ScanErrorKind, ScanFormat, ScanRequest, Scanner,
};
use recipes::Positional;
use sparse::segments::{self, Segments};
use sparse::{Bytes, SparseImage};

/// The longest input, in bytes.
pub const MAX_INPUT: usize = 64 << 10;

/// The most segments that a packed image may have; those after them are ignored.
pub const MAX_SEGMENTS: usize = 64;

/// The largest packed image, in bytes. It bounds the reads that one input can cost.
pub const MAX_PACKED_CAPACITY: u64 = 32 << 20;

const SECTOR_SIZE: u32 = 512;
const DEVICE: u32 = 1;
const PACKED: u8 = 0x80;

/// A decoded input: an image and what to count in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanCase<'a> {
    /// The image's format.
    pub format: ScanFormat,
    /// The unit to count, in bytes.
    pub unit: Option<NonZeroU64>,
    /// The image.
    pub image: ImageBytes<'a>,
}

/// The image of a [`ScanCase`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageBytes<'a> {
    /// The whole image.
    Flat(&'a [u8]),
    /// An image of `capacity` bytes, and its segments as they stand in the input.
    Packed {
        /// The image's size in bytes.
        capacity: u64,
        /// The encoded segments.
        segments: &'a [u8],
    },
}

impl<'a> ScanCase<'a> {
    /// Decodes an input.
    ///
    /// # Errors
    /// Why the input is not a case: it is empty.
    pub fn decode(data: &'a [u8]) -> Result<Self, &'static str> {
        let Some((&selector, rest)) = data.split_first() else {
            return Err("empty");
        };
        let image = if selector & PACKED == 0 {
            ImageBytes::Flat(rest)
        } else {
            ImageBytes::Packed {
                capacity: u64::from(Positional::<4>::new(rest).u32(0)) % (MAX_PACKED_CAPACITY + 1),
                segments: rest.get(4..).unwrap_or_default(),
            }
        };
        Ok(Self {
            format: ScanFormat::ALL[usize::from(selector & 3)],
            unit: match selector >> 2 & 31 {
                0 => None,
                nth => NonZeroU64::new(1 << (8 + nth)),
            },
            image,
        })
    }

    /// The image's size in bytes.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        match self.image {
            ImageBytes::Flat(image) => image.len() as u64,
            ImageBytes::Packed { capacity, .. } => capacity,
        }
    }

    /// Unpacks the image, if it is packed.
    #[must_use]
    pub fn unpack(&self) -> Image<'a> {
        match self.image {
            ImageBytes::Flat(image) => Image::Flat(image),
            ImageBytes::Packed { capacity, segments } => {
                let mut image = SparseImage::new(capacity);
                for segment in Segments(segments).take(MAX_SEGMENTS) {
                    image.write(segment.offset, segment.bytes);
                }
                Image::Sparse(image)
            }
        }
    }

    /// Asks the scanner about the image on `device`.
    pub fn ask(&self, scanner: &(impl Scanner + ?Sized), device: &MockDevice<'_>) -> ScanAnswer {
        let mut caches = [[0; SECTOR_SIZE as usize]; 2];
        scanner.scan_device(device, self.request(device, &mut caches))
    }

    fn request<'d>(
        &self,
        device: &'d MockDevice<'_>,
        [first, second]: &'d mut [[u8; SECTOR_SIZE as usize]; 2],
    ) -> ScanRequest<'d> {
        ScanRequest {
            format: self.format,
            calls: device.build_call_table(),
            device: device.index(),
            caches: [first, second],
            unit: self.unit,
            twice: false,
        }
    }

    /// The input that decodes to this case.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let format = ScanFormat::ALL
            .iter()
            .position(|format| *format == self.format);
        let unit = self
            .unit
            .map_or(0, |unit| unit.get().ilog2().saturating_sub(8))
            & 31;
        let selector =
            u8::try_from(format.unwrap_or(0)).unwrap_or(0) | u8::try_from(unit).unwrap_or(0) << 2;
        match self.image {
            ImageBytes::Flat(image) => [&[selector], image].concat(),
            ImageBytes::Packed { capacity, segments } => {
                let capacity = u32::try_from(capacity).unwrap_or(0).to_le_bytes();
                [&[selector | PACKED][..], &capacity, segments].concat()
            }
        }
    }
}

/// The image of a [`ScanCase`], unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image<'a> {
    /// The whole image.
    Flat(&'a [u8]),
    /// Zeros, and what the segments hold.
    Sparse(SparseImage),
}

impl Image<'_> {
    /// Puts the image on a device of its own.
    #[must_use]
    pub fn device(&self) -> MockDevice<'_> {
        let mut device = MockDevice::new(SECTOR_SIZE, DEVICE);
        match self {
            Self::Flat(image) => device.set_fuzz_input(image),
            Self::Sparse(image) => device.set_sparse_input(image),
        }
        device
    }
}

/// The input that has `image` for its image: flat when that fits [`MAX_INPUT`] and 4 KiB or is no
/// longer than packed, otherwise packed; `None` when neither fits.
#[must_use]
pub fn encode_input(format: ScanFormat, unit: Option<NonZeroU64>, image: &[u8]) -> Option<Vec<u8>> {
    let flat = ScanCase {
        format,
        unit,
        image: ImageBytes::Flat(image),
    };
    if image.len() <= 4096 {
        return Some(flat.encode());
    }
    let packed = (image.len() as u64 <= MAX_PACKED_CAPACITY)
        .then(|| segments::pack(image, MAX_SEGMENTS))
        .flatten()
        .filter(|segments| segments.len() + 5 <= MAX_INPUT);
    let packed = packed.map(|segments| {
        ScanCase {
            image: ImageBytes::Packed {
                capacity: image.len() as u64,
                segments: &segments,
            },
            ..flat
        }
        .encode()
    });
    match packed {
        Some(packed) if packed.len() <= image.len() => Some(packed),
        _ if image.len() < MAX_INPUT => Some(flat.encode()),
        packed => packed,
    }
}

/// Decodes, scans, and asserts what is judged.
///
/// # Panics
/// When a check fails, or the scanner panics.
pub fn run(scanner: &(impl Scanner + ?Sized), judgement: Judgement, data: &[u8]) -> Outcome {
    let case = match ScanCase::decode(data) {
        Ok(case) => case,
        Err(why) => return Outcome::Rejected(why),
    };
    let image = case.unpack();
    let device = image.device();
    let answer = case.ask(scanner, &device);
    if let Some(outcome) = not_judged(&answer, &device, judgement) {
        return outcome;
    }
    let unit = scanned::judged_unit(&answer, case.unit, judgement);
    let scanned = Scanned {
        device: &device,
        unit,
        answer: &answer,
        judgement,
        expected: match &image {
            Image::Flat(image) => due((case.format, *image, unit), &answer, judgement),
            Image::Sparse(image) => due((case.format, image, unit), &answer, judgement),
        },
    };
    let mut checks = Checks::default();
    scanned.evaluate(&check::SCAN, &mut checks);
    checks.conclude(&case, |violation| scanned.complete(violation));
    // Opening an image once more costs about as much as a scan: it is done for sound ones, and for those
    // in which no unit is counted.
    let is_open = matches!(scanned.expected, Ok(_) | Err(ScanErrorKind::Unsupported));
    if is_open && case.unit.is_none() && judgement.has(Judgement::DETAILS) {
        evaluate_facts(&case, &image, scanner, scanned.expected.is_ok());
    }
    judgement.outcome(answer.result.is_ok(), scanned.expected.is_ok())
}

/// The answer that is due.
fn due(
    asked: (ScanFormat, &(impl Bytes + ?Sized), Option<NonZeroU64>),
    answer: &ScanAnswer,
    judgement: Judgement,
) -> Result<AllocationSummary, ScanErrorKind> {
    let (format, image, unit) = asked;
    let expected = model::scanners::scan(format, image, unit);
    scanned::due(&answer.result, expected, judgement, asked)
}

/// Evaluates the facts of an image that has an answer, or is refused for its parent.
fn evaluate_facts(
    case: &ScanCase<'_>,
    image: &Image<'_>,
    scanner: &(impl Scanner + ?Sized),
    has_answer: bool,
) {
    let expected = match image {
        Image::Flat(image) => model::scanners::facts(case.format, *image),
        Image::Sparse(image) => model::scanners::facts(case.format, image),
    };
    if !(has_answer || expected.as_ref().is_ok_and(|facts| facts.parent.is_some())) {
        return;
    }
    let mut caches = [[0; SECTOR_SIZE as usize]; 2];
    let facts = scanner.facts(case.request(&image.device(), &mut caches));
    let mut checks = Checks::default();
    // A refusal is right where the model has one, of whatever kind.
    let stated = facts.as_ref().ok().and_then(Option::as_ref);
    checks.evaluate_if(
        !matches!(facts, Ok(None)),
        &check::SCAN_FACTS_ARE_EXACT,
        stated == expected.as_ref().ok(),
    );
    checks.conclude(case, |violation| {
        violation
            .with("facts", format!("{facts:?}"))
            .with("facts_due", format!("{expected:?}"))
    });
}

impl Describe for ScanCase<'_> {
    fn part(&self) -> Part {
        answers::scanner(self.format)
    }

    fn in_words(&self) -> String {
        let unit = self.unit.map_or_else(
            || "counting bytes only".to_owned(),
            |unit| format!("counting units of {unit} bytes"),
        );
        let image = match self.image {
            ImageBytes::Flat(image) => format!("a flat image of {} bytes", image.len()),
            ImageBytes::Packed { capacity, segments } => {
                let mut words = format!("a packed image of {capacity} bytes, zeros but for");
                let mut separator = "";
                for segment in Segments(segments).take(MAX_SEGMENTS) {
                    let _ = write!(
                        words,
                        "{separator} {} bytes at {}",
                        segment.bytes.len(),
                        segment.offset
                    );
                    separator = ",";
                }
                words
            }
        };
        format!("{}, {unit}: {image}", self.format.name())
    }

    fn as_rust(&self) -> String {
        format!(
            "let input: Vec<u8> = {};\n\
             let case = harness_core::scan::ScanCase::decode(&input).unwrap();\n\
             let image = case.unpack();\n\
             let device = image.device();\n\
             case.ask({}.scanner, &device)\n",
            literal::of(&self.encode()),
            subject::path()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes_to_the_same_image() {
        let mut image = vec![0; 40_000];
        image[..4].copy_from_slice(b"KDMV");
        image[39_999] = 7;
        image[20_000..20_100].fill(9);
        for unit in [None, NonZeroU64::new(512), NonZeroU64::new(1 << 39)] {
            let input = encode_input(ScanFormat::Vmdk, unit, &image).unwrap();
            assert!(input.len() < 200, "{}", input.len());
            let case = ScanCase::decode(&input).unwrap();
            assert_eq!((case.format, case.unit), (ScanFormat::Vmdk, unit));
            let unpacked = case.unpack();
            let device = unpacked.device();
            assert_eq!(device.input_capacity(), 40_000);
            let mut read = Vec::new();
            for sector in 0..40_000_u64.div_ceil(512) {
                let mut buffer = [0xee; 512];
                device
                    .build_call_table()
                    .read_input_sector(DEVICE, sector, &mut buffer)
                    .unwrap();
                read.extend(buffer);
            }
            assert_eq!(read[..40_000], image);
        }
    }

    #[test]
    fn an_image_that_fits_neither_way_is_not_encoded() {
        let noise: Vec<u8> = (0..100_000_u32)
            .map(|at| (at * 7 % 255 + 1) as u8)
            .collect();
        assert!(encode_input(ScanFormat::Vhd, None, &noise).is_none());
        let flat = encode_input(ScanFormat::Vhd, None, &noise[..60_000]).unwrap();
        assert_eq!(flat.len(), 60_001);
    }

    #[test]
    fn every_input_but_the_empty_one_is_a_case() {
        assert!(ScanCase::decode(&[]).is_err());
        for selector in 0..=255 {
            for length in 0..16 {
                let input = [vec![selector], vec![0xff; length]].concat();
                let case = ScanCase::decode(&input).unwrap();
                assert_eq!(case.format, ScanFormat::ALL[usize::from(selector % 4)]);
                assert!(case.capacity() <= MAX_PACKED_CAPACITY);
            }
        }
    }
}
