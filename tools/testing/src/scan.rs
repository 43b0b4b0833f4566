//! What must hold whenever a scanner meets an image, whatever its format.
//!
//! - [`answer`]: the same answer for every sector size and on a second scan, by bounded reads, and the model's.
//! - [`every_read_fails`]: a read that fails gives an I/O error and never a number; then a scan answers again.
//! - [`callers_mistakes`]: sector sizes and caches that must be refused.

use std::num::NonZeroU64;

use built_in::SUBJECT;
use harness_core::MockDevice;
use harness_core::subject::ScanRequest;
use shared::{CallTable, InputDevice, ReadFailed};
use sparse::SparseImage;
pub use types::ScanFormat;
use types::{AllocationSummary, Facts, ScanError, ScanErrorKind};

/// Every sector size that a device may have, in bytes.
pub const SECTOR_SIZES: [u32; 8] = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];

/// The bytes of an image.
#[derive(Debug, Clone, Copy)]
pub enum Image<'a> {
    /// All of them.
    Flat(&'a [u8]),
    /// Those that are not zero, and where.
    Sparse(&'a SparseImage),
}

impl<'a> From<&'a [u8]> for Image<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Flat(bytes)
    }
}

impl<'a> From<&'a SparseImage> for Image<'a> {
    fn from(image: &'a SparseImage) -> Self {
        Self::Sparse(image)
    }
}

impl<'a> Image<'a> {
    /// A device with the image on it, which will be scanned so many times.
    fn device(self, sector_size: u32, scans: u64) -> Device<'a> {
        let mut device = MockDevice::new(sector_size, 3);
        match self {
            Self::Flat(bytes) => device.set_fuzz_input(bytes),
            Self::Sparse(image) => device.set_sparse_input(image),
        }
        device.expect_scans(scans);
        Device(device)
    }

    /// The reference model's answer.
    fn expected(
        self,
        format: ScanFormat,
        unit: Option<NonZeroU64>,
    ) -> Result<AllocationSummary, ScanErrorKind> {
        match self {
            Self::Flat(bytes) => model::scanners::scan(format, bytes, unit),
            Self::Sparse(image) => model::scanners::scan(format, image, unit),
        }
    }
}

/// The harness's device, whose last sector has bytes behind the image's end that are not zero.
struct Device<'a>(MockDevice<'a>);

impl InputDevice for Device<'_> {
    fn read_sector(&self, device: u32, sector: u64, buffer: &mut [u8]) -> Result<(), ReadFailed> {
        self.0.read_sector(device, sector, buffer)?;
        let start = sector * buffer.len() as u64;
        let inside = (self.0.input_capacity() - start).min(buffer.len() as u64);
        buffer[inside as usize..].fill(0xee);
        Ok(())
    }

    fn capacity(&self, device: u32) -> u64 {
        InputDevice::capacity(&self.0, device)
    }

    fn sector_size(&self, device: u32) -> u32 {
        InputDevice::sector_size(&self.0, device)
    }
}

/// A scan's answer.
type Answer = Result<AllocationSummary, ScanError>;

/// Scans with caches of these sizes in bytes. The device must not be misused, and reads are bounded and reported. The
/// answer, and a second scan's when there is one.
fn scan(
    format: ScanFormat,
    device: &Device<'_>,
    unit: Option<NonZeroU64>,
    twice: bool,
    [first, second]: [u32; 2],
) -> (Answer, Option<Answer>) {
    // What a cache held before does not matter.
    let (mut first, mut second) = (vec![0xa5; first as usize], vec![0x5a; second as usize]);
    let answer = SUBJECT.scanner.scan(ScanRequest {
        format,
        calls: CallTable::over(device),
        device: device.0.index(),
        caches: [&mut first, &mut second],
        unit,
        twice,
    });
    let device = &device.0;
    assert_eq!(device.misuse(), None);
    let (reads, bound) = (device.reads(), device.read_bound());
    assert!(reads <= bound, "{reads} reads, bound {bound}");
    let served = device.bytes_served();
    assert_eq!(answer.bytes_read.unwrap_or(served), served);
    let own = |answer: harness_core::subject::Scan| -> Answer {
        answer.map_err(|refusal| refusal.error().expect("an error of our own scanners"))
    };
    (own(answer.result), answer.again.map(own))
}

/// The answer for an image, which is the same on devices with sectors of all `sector_sizes`, on a second scan and
/// by the reference model. `unit` is in bytes and not 0.
pub fn answer<'a>(
    format: ScanFormat,
    image: impl Into<Image<'a>>,
    unit: Option<u64>,
    sector_sizes: &[u32],
) -> Answer {
    let image = image.into();
    let unit = unit.map(|unit| NonZeroU64::new(unit).expect("a unit is not 0"));
    let answers: Vec<_> = sector_sizes
        .iter()
        .map(|&size| {
            // A cache may be larger than a sector.
            let caches = [size + 1, size + 100];
            scan(format, &image.device(size, 1), unit, false, caches).0
        })
        .collect();
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "the answer depends on the sector size: {answers:?}"
    );
    let size = sector_sizes[0];
    let (first, again) = scan(format, &image.device(size, 2), unit, true, [size; 2]);
    assert_eq!(first, answers[0]);
    assert!(again.is_none_or(|again| again == first));
    assert_eq!(
        answers[0].map_err(ScanErrorKind::from),
        image.expected(format, unit),
        "scanner and model differ: {:?}",
        answers[0]
    );
    answers[0]
}

/// What the image states about itself, by its scanner; `None` when that does not open it.
#[must_use]
pub fn facts(format: ScanFormat, bytes: &[u8]) -> Option<Facts> {
    let device = Image::from(bytes).device(512, 1);
    let facts = SUBJECT.scanner.facts(ScanRequest {
        format,
        calls: CallTable::over(&device),
        device: device.0.index(),
        caches: [&mut [0xa5; 512], &mut [0x5a; 512]],
        unit: None,
        twice: false,
    });
    facts.ok()?
}

/// How many sectors of 512 bytes a scan reads.
pub fn reads<'a>(format: ScanFormat, image: impl Into<Image<'a>>) -> u64 {
    let device = image.into().device(512, 1);
    let _ = scan(format, &device, None, false, [512; 2]);
    device.0.reads()
}

/// Scans a sound image once for each of its reads, which fails: the answer must be an I/O error of that sector, and
/// a second scan with the same state must answer. How often there was a second scan, with all of [`SECTOR_SIZES`].
pub fn every_read_fails<'a>(format: ScanFormat, image: impl Into<Image<'a>>) -> u64 {
    let image = image.into();
    let sound = answer(format, image, None, &SECTOR_SIZES);
    assert!(sound.is_ok(), "{sound:?}");
    let mut repeated = 0;
    for size in SECTOR_SIZES {
        let device = image.device(size, 1);
        let (first, _) = scan(format, &device, None, false, [size; 2]);
        assert_eq!(first, sound);
        for failed in 0..device.0.reads() {
            let mut device = image.device(size, 2);
            device.0.fail_read(failed);
            let (answer, again) = scan(format, &device, None, true, [size; 2]);
            let sector = device.0.failed_sector().expect("a read failed");
            assert_eq!(answer, Err(ScanError::Io { sector }), "{failed}");
            // There is no second scan when the read was one of init's.
            assert!(again.is_none_or(|again| again == sound), "{failed}");
            repeated += u64::from(again.is_some());
        }
    }
    repeated
}

/// A sector size that no device may have, and a cache smaller than a sector, are refused as the caller's mistakes
/// before anything of the image is read.
pub fn callers_mistakes<'a>(format: ScanFormat, image: impl Into<Image<'a>>) {
    let image = image.into();
    let wrong_sizes = [0, 256, 513, 131_072].map(|size| (size, [131_072; 2]));
    let small_caches = [[1023, 1024], [1024, 1023]].map(|caches| (1024, caches));
    for (size, caches) in wrong_sizes.into_iter().chain(small_caches) {
        let device = image.device(size, 1);
        let (answer, _) = scan(format, &device, None, false, caches);
        assert!(matches!(answer, Err(ScanError::InvalidArgument(_))));
        assert_eq!(device.0.reads(), 0);
    }
}
