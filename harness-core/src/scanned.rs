//! What every scan is held to, whichever target makes it.

use std::num::NonZeroU64;

use types::{AllocationSummary, TouchedUnits};

use crate::check::{self, Check, Checks};
use crate::device::MockDevice;
use crate::subject::{ScanAnswer, ScanErrorKind};

/// A scan that was made, and what the right answer is.
#[derive(Debug)]
pub(crate) struct Scanned<'a> {
    pub(crate) device: &'a MockDevice<'a>,
    pub(crate) unit: Option<NonZeroU64>,
    pub(crate) answer: ScanAnswer,
    pub(crate) expected: Result<AllocationSummary, ScanErrorKind>,
}

/// The checks on a scan, under the ids of one target.
pub(crate) struct ScanChecks {
    allocated_le_virtual_size: &'static Check,
    touched_le_units_of_disk: &'static Check,
    unit_is_the_one_asked_for: &'static Check,
    reads_bounded: &'static Check,
    reads_inside_the_device: &'static Check,
    bytes_read_is_what_was_served: &'static Check,
    answer_is_exact: &'static Check,
}

/// Those of `fuzz_measure_scan`.
pub(crate) static SCAN: ScanChecks = ScanChecks {
    allocated_le_virtual_size: &check::SCAN_ALLOCATED_LE_VIRTUAL_SIZE,
    touched_le_units_of_disk: &check::SCAN_TOUCHED_LE_UNITS_OF_DISK,
    unit_is_the_one_asked_for: &check::SCAN_UNIT_IS_THE_ONE_ASKED_FOR,
    reads_bounded: &check::SCAN_READS_BOUNDED,
    reads_inside_the_device: &check::SCAN_READS_INSIDE_THE_DEVICE,
    bytes_read_is_what_was_served: &check::SCAN_BYTES_READ_IS_WHAT_WAS_SERVED,
    answer_is_exact: &check::SCAN_ANSWER_IS_EXACT,
};

/// Those of `fuzz_measure_image`.
pub(crate) static IMAGE: ScanChecks = ScanChecks {
    allocated_le_virtual_size: &check::IMAGE_ALLOCATED_LE_VIRTUAL_SIZE,
    touched_le_units_of_disk: &check::IMAGE_TOUCHED_LE_UNITS_OF_DISK,
    unit_is_the_one_asked_for: &check::IMAGE_UNIT_IS_THE_ONE_ASKED_FOR,
    reads_bounded: &check::IMAGE_READS_BOUNDED,
    reads_inside_the_device: &check::IMAGE_READS_INSIDE_THE_DEVICE,
    bytes_read_is_what_was_served: &check::IMAGE_BYTES_READ_IS_WHAT_WAS_SERVED,
    answer_is_exact: &check::IMAGE_ANSWER_IS_EXACT,
};

impl Scanned<'_> {
    /// Evaluates what must hold: first what is known without the right answer, then the answer.
    #[inline]
    pub(crate) fn evaluate(&self, of: &'static ScanChecks, checks: &mut Checks) {
        let ScanAnswer {
            result, bytes_read, ..
        } = self.answer;
        let served = self.device.bytes_served();
        checks.evaluate(
            of.reads_bounded,
            self.device.reads() <= self.device.read_bound(),
        );
        checks.evaluate(of.reads_inside_the_device, self.device.misuse().is_none());
        checks.evaluate_if(
            bytes_read.is_some(),
            of.bytes_read_is_what_was_served,
            bytes_read.unwrap_or(served) == served,
        );

        let is_ok = result.is_ok();
        let AllocationSummary {
            virtual_size,
            allocated_bytes,
            touched,
        } = result.unwrap_or_default();
        let units_fit = touched.is_none_or(|TouchedUnits { unit, count }| {
            unit != 0
                && count <= virtual_size.div_ceil(unit)
                && (count == 0) == (allocated_bytes == 0)
        });
        checks.evaluate_if(
            is_ok,
            of.allocated_le_virtual_size,
            allocated_bytes <= virtual_size,
        );
        checks.evaluate_if(
            is_ok & touched.is_some(),
            of.touched_le_units_of_disk,
            units_fit,
        );
        checks.evaluate_if(
            is_ok,
            of.unit_is_the_one_asked_for,
            touched.map_or(0, |units| units.unit) == self.unit.map_or(0, NonZeroU64::get)
                && touched.is_some() == self.unit.is_some(),
        );
        checks.evaluate(
            of.answer_is_exact,
            result.map_err(ScanErrorKind::from) == self.expected,
        );
    }

    /// What was found, for the report of a failed check.
    pub(crate) fn found(&self) -> String {
        let ScanAnswer {
            result, bytes_read, ..
        } = self.answer;
        format!(
            "{}; the model answers {}; {} sector reads where {} are allowed; {}; bytes_read = {bytes_read:?}, served = {}{}",
            match result {
                Ok(summary) => summary_in_words(summary),
                Err(error) => error.to_string(),
            },
            match self.expected {
                Ok(summary) => summary_in_words(summary),
                Err(kind) => format!("{kind:?}"),
            },
            self.device.reads(),
            self.device.read_bound(),
            self.device.misuse().unwrap_or("no read that should not be"),
            self.device.bytes_served(),
            self.device
                .failed_sector()
                .map_or_else(String::new, |sector| format!(
                    "; that was all that the device serves, and the read of sector {sector} failed"
                )),
        )
    }
}

/// A summary in words: sizes in bytes.
pub(crate) fn summary_in_words(summary: AllocationSummary) -> String {
    let AllocationSummary {
        virtual_size,
        allocated_bytes,
        touched,
    } = summary;
    let units = touched.map_or_else(String::new, |TouchedUnits { unit, count }| {
        format!(" in {count} units of {unit}")
    });
    format!("{allocated_bytes} of {virtual_size} bytes hold data{units}")
}
