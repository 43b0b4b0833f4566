//! `fuzz_measure_detect`: which formats a file is of, and what a VMDK's descriptor states.
//!
//! # Input
//! The file as it is, all of it. An empty input is rejected.
//!
//! # Checks
//! `detect.*` of [`crate::check::ALL`]. Descriptors are parsed whatever the file begins with.

use types::FileFormats;
use worker::{Answer, Checks, Describe, Outcome, Part, literal};

use crate::answers;
use crate::check;
use crate::device::MockDevice;
use crate::judgement::Judgement;
use crate::scan::{ImageBytes, ScanCase};
use crate::subject::{self, Detector, Refusal, ScanError, ScanFormat, Scanner};

/// The longest input, in bytes: a descriptor as QEMU and VMware write it has up to 20 sectors (10 KiB), and a sparse
/// extent or a dynamic VHD that a scanner takes fits in less.
pub const MAX_INPUT: usize = 16 << 10;

/// The most sectors that are read: the first, two with the last 512 bytes, two with what a footer names.
const MOST_READS: u64 = 5;

/// A decoded input.
#[derive(Debug, Clone, Copy)]
pub struct DetectCase<'a> {
    /// The file.
    pub file: &'a [u8],
}

impl<'a> DetectCase<'a> {
    /// Decodes an input.
    ///
    /// # Errors
    /// Why the input is not a case: it is empty.
    pub fn decode(file: &'a [u8]) -> Result<Self, &'static str> {
        match file {
            [] => Err("empty"),
            file => Ok(Self { file }),
        }
    }

    /// The file on a device of its own.
    #[must_use]
    pub fn device(&self, sector_size: u32) -> MockDevice<'a> {
        let mut device = MockDevice::new(sector_size, 1);
        device.set_fuzz_input(self.file);
        device
    }

    /// The formats whose scanner takes the file. A VHD that is all data, as a fixed one is, does not count: a raw
    /// disk may end in the footer of an older one.
    fn scanned(&self, scanner: &(impl Scanner + ?Sized)) -> FileFormats {
        let takes = |format| {
            let case = ScanCase {
                format,
                unit: None,
                image: ImageBytes::Flat(self.file),
            };
            let answer = case.ask(scanner, &self.device(512)).result;
            answer.is_ok_and(|found| {
                format != ScanFormat::Vhd || found.allocated_bytes != found.virtual_size
            })
        };
        let formats = scanner.formats().iter();
        formats.fold(FileFormats::EMPTY, |all, &format| {
            all.with_if(format.into(), takes(format))
        })
    }
}

/// Decodes, detects, and asserts what is judged.
///
/// # Panics
/// When a check fails, or the code under test panics.
pub fn run(
    detector: &(impl Detector + ?Sized),
    scanner: &(impl Scanner + ?Sized),
    judgement: Judgement,
    data: &[u8],
) -> Outcome {
    let case = match DetectCase::decode(data) {
        Ok(case) => case,
        Err(why) => return Outcome::Rejected(why),
    };
    let device = case.device(512);
    let answer = detector.detect(&device);
    if let Err(Refusal::NotSupported(feature)) = answer {
        return Outcome::NotJudged(feature);
    }
    let judged = |aspect| judgement.has(aspect);
    let expected = Ok(model::detect::formats(data));
    let mut checks = Checks::default();
    checks.evaluate_if(
        judged(Judgement::WORK),
        &check::DETECT_READS_BOUNDED,
        device.reads() <= MOST_READS && device.misuse().is_none(),
    );
    checks.evaluate_if(
        judgement.judges(answer.is_ok(), true),
        &check::DETECT_FORMATS_ARE_EXACT,
        answer == expected,
    );
    // By the length, so that inputs that engines make of one another try several.
    let other = detector.detect(&case.device(1024 << (data.len() % 7)));
    checks.evaluate_if(
        judged(Judgement::DETAILS),
        &check::DETECT_SAME_FOR_EVERY_SECTOR_SIZE,
        other == answer,
    );
    let is_reported = |failing_read| {
        let mut device = case.device(512);
        device.fail_read(failing_read);
        let answer = detector.detect(&device);
        let sector = device.failed_sector().unwrap_or_default();
        let due = Refusal::Error(ScanError::Io { sector });
        answer.is_err_and(|refusal| !judged(Judgement::DETAILS) || refusal == due)
    };
    checks.evaluate_if(
        judged(Judgement::VALUES),
        &check::DETECT_FAILED_READ_IS_AN_IO_ERROR,
        (0..device.reads().min(MOST_READS)).all(is_reported),
    );
    let scanned = case.scanned(scanner);
    let is_detected = |format| answer.as_ref().is_ok_and(|formats| formats.has(format));
    checks.evaluate_if(
        scanned != FileFormats::EMPTY && judged(Judgement::VALUES),
        &check::DETECT_WHAT_IS_SCANNED_IS_DETECTED,
        scanned.iter().all(is_detected),
    );
    let descriptor = detector.descriptor(data);
    let due = descriptor
        .is_some()
        .then(|| model::detect::descriptor(data));
    checks.evaluate_if(
        descriptor.is_some() && judged(Judgement::DETAILS),
        &check::DETECT_DESCRIPTOR_IS_EXACT,
        descriptor == due,
    );
    let found = answers::of_detector;
    let parsed = |answer| Answer::values([("descriptor", format!("{answer:?}").into())]);
    checks.conclude(&case, |violation| {
        if violation.is_of(&check::DETECT_DESCRIPTOR_IS_EXACT) {
            let violation = violation.by(Part::of("vmdk", "descriptor parser"));
            return violation.answered(parsed(descriptor), parsed(due));
        }
        let violation = violation.answered(found(&answer), found(&expected));
        violation
            .with("reads", device.reads())
            .with("other_sector_size", found(&other).to_string())
            .with("scanned_as", scanned.to_string())
    });
    judgement.outcome(answer.is_ok(), true)
}

impl Describe for DetectCase<'_> {
    fn part(&self) -> Part {
        Part::new("detector")
    }

    fn in_words(&self) -> String {
        let length = self.file.len();
        let start = self.file[..length.min(16)].escape_ascii();
        format!("a file of {length} bytes that begins with \"{start}\"")
    }

    fn as_rust(&self) -> String {
        format!(
            "let file: Vec<u8> = {};\n\
             let case = harness_core::detect::DetectCase::decode(&file).unwrap();\n\
             {}.detector.unwrap().detect(&case.device(512))\n",
            literal::of(self.file),
            subject::path()
        )
    }
}
