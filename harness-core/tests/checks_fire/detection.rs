//! The checks of `fuzz_measure_detect`: a detector goes wrong, or a scanner takes what is not there.

use harness_core::MockDevice;
use harness_core::subject::{Detection, Detector, FileFormats};

use super::*;

/// A detector made of a function, which gets the device and the right answer.
struct DetectsWith<F>(F);

impl<F: Fn(&MockDevice<'_>, Detection) -> Detection + Sync> Detector for DetectsWith<F> {
    fn detect(&self, device: &MockDevice<'_>) -> Detection {
        (self.0)(device, BuiltIn.detect(device))
    }
    fn descriptor(&self, _text: &[u8]) -> Option<Result<String, usize>> {
        Some(Err(1))
    }
}

const TARGET: &str = "fuzz_measure_detect";
const RAW: Detection = Ok(FileFormats::EMPTY);

pub(crate) fn checks_fire() {
    fn fires(answer: impl Fn(&MockDevice<'_>, Detection) -> Detection + Sync, id: &str) {
        let detector = DetectsWith(answer);
        let subject = SUBJECT.with_detector(&detector);
        let found = assert_fires(&subject, TARGET, &small_qcow2(), id);
        let part = match id {
            "detect.descriptor_is_exact" => "vmdk descriptor parser",
            _ => "detector",
        };
        assert_eq!(found.part.to_string(), part);
    }
    for (sector, times) in [(0, 6), (2, 1)] {
        let reads = |device: &MockDevice<'_>, right| {
            for _ in 0..times {
                let calls = device.build_call_table();
                let _ = calls.read_input_sector(device.index(), sector, &mut [0; 512]);
            }
            right
        };
        fires(reads, "detect.reads_bounded");
    }
    for answer in [RAW, Err(Refusal::words("no"))] {
        fires(|_, _| answer.clone(), "detect.formats_are_exact");
    }
    let in_sectors_of_512 = |device: &MockDevice<'_>, right| match device.sector_size() {
        512 => right,
        _ => RAW,
    };
    fires(in_sectors_of_512, "detect.same_for_every_sector_size");
    let never_fails = |_: &MockDevice<'_>, right: Detection| right.or(RAW);
    fires(never_fails, "detect.failed_read_is_an_io_error");
    fires(|_, right| right, "detect.descriptor_is_exact");
    let scanner = ScansWith(|_: ScanRequest<'_>| answer(Ok(SOUND), None));
    let takes_anything = SUBJECT.with_scanner(&scanner);
    let id = "detect.what_is_scanned_is_detected";
    assert_fires(&takes_anything, TARGET, &small_qcow2(), id);
}
