//! What every scan is held to, whichever target makes it.

use std::num::NonZeroU64;

use types::{AllocationSummary, TouchedUnits};
use worker::{Checks, Layer, Violation};

use crate::answers;
use crate::check::ScanChecks;
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

impl Scanned<'_> {
    /// Evaluates what must hold: first what is known without the right answer, then the answer.
    #[inline]
    pub(crate) fn evaluate(&self, of: &'static ScanChecks, checks: &mut Checks) {
        let ScanAnswer {
            result, bytes_read, ..
        } = self.answer;
        let served = self.device.bytes_served();
        checks.evaluate(
            &of.reads_bounded,
            self.device.reads() <= self.device.read_bound(),
        );
        checks.evaluate(&of.reads_inside_the_device, self.device.misuse().is_none());
        checks.evaluate_if(
            bytes_read.is_some(),
            &of.bytes_read_is_what_was_served,
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
            &of.allocated_le_virtual_size,
            allocated_bytes <= virtual_size,
        );
        checks.evaluate_if(
            is_ok & touched.is_some(),
            &of.touched_le_units_of_disk,
            units_fit,
        );
        checks.evaluate_if(
            is_ok,
            &of.unit_is_the_one_asked_for,
            touched.map_or(0, |units| units.unit) == self.unit.map_or(0, NonZeroU64::get)
                && touched.is_some() == self.unit.is_some(),
        );
        checks.evaluate(
            &of.answer_is_exact,
            result.map_err(ScanErrorKind::from) == self.expected,
        );
    }

    /// Adds what was found to the violation of one of these checks, or of another one on the same scan.
    ///
    /// What the scanner read is a matter of its own: a check on that does not judge the answer.
    pub(crate) fn complete(&self, violation: Violation) -> Violation {
        let device = self.device;
        if violation.layer == Layer::Work {
            return violation
                .with("reads", device.reads())
                .with("reads_allowed", device.read_bound())
                .with("bytes_served", device.bytes_served())
                .with_some("bytes_read", self.answer.bytes_read)
                .with_some("misuse", device.misuse());
        }
        violation
            .answered(
                answers::of_scanner(self.answer.result),
                answers::due_of_scanner(self.expected),
            )
            .with_some("failed_sector", device.failed_sector())
    }
}
