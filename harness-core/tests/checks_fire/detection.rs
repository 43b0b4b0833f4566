//! The checks of `fuzz_measure_detect`: a detector goes wrong, or a scanner takes what is not there.

use harness_core::MockDevice;
use harness_core::subject::{Descriptor, DescriptorFault, Detector, FileFormats};

use super::*;

/// A detector made of a function, which gets the device and the right answer.
struct DetectsWith<F>(F);

impl<F> Detector for DetectsWith<F>
where
    F: Fn(&MockDevice<'_>, Result<FileFormats, Refusal>) -> Result<FileFormats, Refusal> + Sync,
{
    fn detect(&self, device: &MockDevice<'_>) -> Result<FileFormats, Refusal> {
        (self.0)(device, BuiltIn.detect(device))
    }
    fn descriptor<'a>(&self, _text: &'a [u8]) -> Option<Descriptor<'a>> {
        Some(Err(DescriptorFault::NoExtent))
    }
}

pub(crate) fn checks_fire() {
    fn fires(
        answer: impl Fn(&MockDevice<'_>, Result<FileFormats, Refusal>) -> Result<FileFormats, Refusal>
        + Sync,
        id: &str,
    ) {
        let detector = DetectsWith(answer);
        let subject = SUBJECT.with_detector(&detector);
        let found = blame(&assert_fires(
            &subject,
            "fuzz_measure_detect",
            &small_qcow2(),
            id,
        ));
        let parser = "vmdk descriptor parser: NoExtent where Missing is due";
        let is_of_parser = id == "detect.descriptor_is_exact";
        assert_eq!(found == parser, is_of_parser, "{found}");
    }
    let raw = FileFormats::default();
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
    fires(|_, _| Ok(raw), "detect.formats_are_exact");
    fires(|_, _| Err(Refusal::words("no")), "detect.formats_are_exact");
    fires(
        |device, right| {
            if device.sector_size() == 512 {
                right
            } else {
                Ok(raw)
            }
        },
        "detect.same_for_every_sector_size",
    );
    fires(
        |device, right| {
            if device.input_capacity() == 1024 {
                right
            } else {
                Ok(raw)
            }
        },
        "detect.same_with_zeros_inside",
    );
    fires(
        |_, right| Ok(right.unwrap_or(raw)),
        "detect.failed_read_is_an_io_error",
    );
    fires(|_, right| right, "detect.descriptor_is_exact");
    // The scanner takes anything.
    let scanner = ScansWith(|_: ScanRequest<'_>| ScanAnswer {
        result: Ok(SOUND),
        again: None,
        bytes_read: None,
    });
    let subject = SUBJECT.with_scanner(&scanner);
    let id = "detect.what_is_scanned_is_detected";
    assert_fires(&subject, "fuzz_measure_detect", &small_qcow2(), id);
}
