//! An image file as an input of `fuzz_measure_scan`, verified.
//!
//! An image of 4 KiB is taken as it is. Of a larger one, sectors that the scan does not read become
//! zeroes, which cost an input nothing, and the file ends after 32 MiB, which is the largest image that
//! an input can have. Whatever was done, the input is taken only if the scan of it gives the answer that
//! the scan of the file gives.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result, anyhow, bail};
use built_in::SUBJECT;
use harness_core::scan::{MAX_PACKED_CAPACITY, ScanCase, encode_input};
use harness_core::subject::ScanRequest;
use shared::{AllocationSummary, CallTable};

use crate::file_device::FileDevice;
use crate::layer::Unit;
use crate::source::Source;

/// The sectors of the device in `fuzz_measure_scan`, in bytes.
const SECTOR: usize = 512;

/// By how many bytes the lengths of two inputs of one recipe may differ: identifiers in images are
/// random, and zeroes in them may cost an input nothing.
const IDENTIFIERS: usize = 32;

/// An image of at most so many bytes is taken as it is.
const WHOLE: u64 = 4096;

/// An input whose scan gives the answer of the scan of `source`, which counts units of
/// `unit` bytes. Fails when the image has no scanner or cannot be scanned, or what the scan reads does not fit an
/// input.
pub(crate) fn input(source: &Source, unit: Unit) -> Result<Vec<u8>> {
    let Some(format) = source.format.scanned else {
        bail!("a raw image, or none: nothing is there to scan");
    };
    let device = FileDevice::new(&source.image.file, source.image.length, 512);
    let answer = SUBJECT.scanner.scan(ScanRequest {
        format,
        calls: CallTable::over(&device),
        device: 0,
        caches: [&mut [0; SECTOR], &mut [0; SECTOR]],
        unit,
        twice: false,
    });
    let summary = answer
        .result
        .map_err(|error| anyhow!(error).context(source.format.qemu_name))?;
    let same_input = |image: Vec<u8>| {
        encode_input(format, unit, &image).filter(|input| answer_of(input) == Some(summary))
    };
    if source.image.length <= WHOLE
        && let Some(input) = same_input(source.image.bytes_at(0..WHOLE)?)
    {
        return Ok(input);
    }
    same_input(what_was_read(source, &device.sectors())?)
        .context("what a scan of it reads does not fit an input of 64 KiB, or lies past 32 MiB")
}

/// Whether two inputs are of images of one recipe: they ask the same of images of one size, get the
/// same answer, and are of much the same length.
pub(crate) fn same_answer(one: &[u8], other: &[u8]) -> bool {
    let question = |input| {
        let case = ScanCase::decode(input).ok()?;
        Some((case.format, case.unit, case.capacity()))
    };
    one.len().abs_diff(other.len()) <= IDENTIFIERS
        && question(one) == question(other)
        && answer_of(one).is_some_and(|answer| Some(answer) == answer_of(other))
}

fn answer_of(input: &[u8]) -> Option<AllocationSummary> {
    let case = ScanCase::decode(input).ok()?;
    let image = case.unpack();
    let device = image.device();
    case.ask(SUBJECT.scanner, &device).result.ok()
}

/// The image's first 32 MiB with the sectors in `read`, and zeroes for all others.
fn what_was_read(source: &Source, read: &BTreeSet<u64>) -> Result<Vec<u8>> {
    let length = usize::try_from(source.image.length.min(MAX_PACKED_CAPACITY))?;
    let mut image = vec![0; length];
    for &sector in read {
        let start = usize::try_from(sector)?.saturating_mul(SECTOR);
        let Some(place) = image.get_mut(start..) else {
            continue;
        };
        let within = place.len().min(SECTOR);
        source
            .image
            .file
            .read_exact_at(&mut place[..within], start as u64)?;
    }
    Ok(image)
}
