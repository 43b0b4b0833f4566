//! `fuzz_measure_detect`: which formats a file is of, and what a VMDK's descriptor states.
//!
//! # Input
//! The file as it is, all of it. An empty input is rejected.
//!
//! # Checks
//! `detect.*` of [`crate::check::ALL`]. Descriptors are parsed whatever the file begins with.

use types::{FileFormat, FileFormats};
use worker::{Checks, Describe, Outcome, Part};

use crate::answers;
use crate::check;
use crate::device::MockDevice;
use crate::judgement::Judgement;
use crate::literal;
use crate::subject::{self, Detector, Refusal, ScanError, ScanFormat, ScanRequest, Scanner};
use sparse::SparseImage;

/// The longest input, in bytes: a descriptor as QEMU and VMware write it has up to 20 sectors (10 KiB), and a sparse
/// extent or a dynamic VHD that a scanner takes fits in less.
pub const MAX_INPUT: usize = 16 << 10;

const SECTOR: usize = 512;
const DEVICE: u32 = 1;
/// The most sectors that are read: the first, two with the last 512 bytes, two with what a footer names.
const MOST_READS: u64 = 5;
/// How many bytes of zeros are put into a file. A footer of so long a disk is in no seed.
const ZEROS: u64 = 3 << 20;

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
        if file.is_empty() {
            return Err("empty");
        }
        Ok(Self { file })
    }

    /// Asks the detector which formats the file is of.
    ///
    /// # Errors
    /// The detector's.
    pub fn ask(&self, detector: &(impl Detector + ?Sized)) -> Result<FileFormats, Refusal> {
        detector.detect(&self.device(512))
    }

    fn device(&self, sector_size: u32) -> MockDevice<'a> {
        let mut device = MockDevice::new(sector_size, DEVICE);
        device.set_fuzz_input(self.file);
        device
    }

    /// Whether every read that detection makes is missed when it fails, with `reads` of them.
    fn misses_reads(&self, detector: &(impl Detector + ?Sized), reads: u64, exactly: bool) -> bool {
        (0..reads.min(MOST_READS)).all(|nth| {
            let mut device = self.device(512);
            device.fail_read(nth);
            let answer = detector.detect(&device);
            let sector = device.failed_sector().unwrap_or_default();
            let due = Refusal::Error(ScanError::Io { sector });
            answer.is_err_and(|refusal| !exactly || refusal == due)
        })
    }

    /// The formats of the file with zeros behind its first sector; `None` when no sector is left behind that.
    fn with_zeros(&self, detector: &(impl Detector + ?Sized)) -> Option<FileFormats> {
        let (first, rest) = self.file.split_at_checked(SECTOR)?;
        let mut image = SparseImage::new(self.file.len() as u64 + ZEROS);
        image.write(0, first);
        image.write(SECTOR as u64 + ZEROS, rest);
        let mut device = MockDevice::new(512, DEVICE);
        device.set_sparse_input(&image);
        let formats = detector.detect(&device).ok()?;
        (rest.len() >= SECTOR).then_some(formats)
    }

    /// The formats whose scanner takes the file, but for a fixed VHD.
    fn scanned(&self, scanner: &(impl Scanner + ?Sized)) -> FileFormats {
        let takes = |format: ScanFormat| {
            let device = self.device(512);
            let mut caches = [[0; SECTOR]; 2];
            let answer = scanner.scan_device(&device, request(format, &device, &mut caches));
            let mut is_fixed = || {
                let facts = scanner.facts(request(format, &self.device(512), &mut caches));
                format == ScanFormat::Vhd && facts.is_none_or(|facts| facts.unit.is_none())
            };
            answer.result.is_ok() && !is_fixed()
        };
        let formats = scanner.formats().iter();
        formats.fold(FileFormats::default(), |all, &format| {
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
    let expected = model::detect::formats(data);
    let mut checks = Checks::default();
    checks.evaluate_if(
        judged(Judgement::WORK),
        &check::DETECT_READS_BOUNDED,
        device.reads() <= MOST_READS && device.misuse().is_none(),
    );
    checks.evaluate_if(
        judgement.judges(answer.is_ok(), true),
        &check::DETECT_FORMATS_ARE_EXACT,
        answer.as_ref() == Ok(&expected),
    );
    let formats = answer.clone().unwrap_or_default();
    // Each length has its size, so that inputs of one file try several.
    let other = detector.detect(&case.device(1024 << (data.len() % 7)));
    checks.evaluate_if(
        judged(Judgement::DETAILS),
        &check::DETECT_SAME_FOR_EVERY_SECTOR_SIZE,
        other == answer,
    );
    let with_zeros = case.with_zeros(detector);
    let but_vhd = |formats: FileFormats| formats.without(FileFormat::Vhd);
    checks.evaluate_if(
        with_zeros.is_some() && judged(Judgement::VALUES),
        &check::DETECT_SAME_WITH_ZEROS_INSIDE,
        with_zeros.is_none_or(|with_zeros| but_vhd(with_zeros) == but_vhd(formats)),
    );
    checks.evaluate_if(
        device.reads() > 0 && judged(Judgement::VALUES),
        &check::DETECT_FAILED_READ_IS_AN_IO_ERROR,
        case.misses_reads(detector, device.reads(), judged(Judgement::DETAILS)),
    );
    let scanned = case.scanned(scanner);
    checks.evaluate_if(
        scanned != FileFormats::default() && judged(Judgement::VALUES),
        &check::DETECT_WHAT_IS_SCANNED_IS_DETECTED,
        formats.and(scanned) == formats,
    );
    checks.conclude(&case, |violation| {
        let answer = answers::of_detector(&answer);
        violation
            .answered(answer, answers::of_formats(expected))
            .with("reads", device.reads())
            .with(
                "other_sector_size",
                answers::of_detector(&other).to_string(),
            )
            .with_some("with_zeros", with_zeros.map(|formats| formats.to_string()))
            .with("scanned_as", scanned.to_string())
    });
    evaluate_descriptor(&case, detector, judgement);
    judgement.outcome(answer.is_ok(), true)
}

fn evaluate_descriptor(
    case: &DetectCase<'_>,
    detector: &(impl Detector + ?Sized),
    judgement: Judgement,
) {
    let Some(answer) = detector.descriptor(case.file) else {
        return;
    };
    let expected = model::detect::descriptor(case.file);
    let mut checks = Checks::default();
    checks.evaluate_if(
        judgement.has(Judgement::DETAILS),
        &check::DETECT_DESCRIPTOR_IS_EXACT,
        answer == expected,
    );
    checks.conclude(case, |violation| {
        let [answer, expected] = [&answer, &expected].map(answers::of_descriptor);
        violation
            .by(Part::of("vmdk", "descriptor parser"))
            .answered(answer, expected)
    });
}

fn request<'d>(
    format: ScanFormat,
    device: &'d MockDevice<'_>,
    [first, second]: &'d mut [[u8; SECTOR]; 2],
) -> ScanRequest<'d> {
    ScanRequest {
        format,
        calls: device.build_call_table(),
        device: DEVICE,
        caches: [first, second],
        unit: None,
        twice: false,
    }
}

impl Describe for DetectCase<'_> {
    fn part(&self) -> Part {
        Part::new("detector")
    }

    fn in_words(&self) -> String {
        let start = self.file[..self.file.len().min(16)].escape_ascii();
        format!(
            "a file of {} bytes that begins with \"{start}\"",
            self.file.len()
        )
    }

    fn as_rust(&self) -> String {
        format!(
            "let file: Vec<u8> = {};\n\
             let case = harness_core::detect::DetectCase::decode(&file).unwrap();\n\
             case.ask({}.detector.unwrap())\n",
            literal::of(self.file),
            subject::path()
        )
    }
}
