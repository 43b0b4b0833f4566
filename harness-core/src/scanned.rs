//! What every scan is held to, whichever target makes it.

use std::num::NonZeroU64;

use model::readings::Readings;
use sparse::Bytes;
use types::{AllocationSummary, ScanFormat, TouchedUnits};
use worker::{Checks, Layer, Outcome, Violation};

use crate::answers;
use crate::check::{self, ScanChecks};
use crate::device::MockDevice;
use crate::judgement::Judgement;
use crate::subject::{Refusal, Scan, ScanAnswer, ScanErrorKind};

/// Why a scan is not judged, if so: the library has no such feature, or read so much that it was stopped, and its
/// work is not judged.
#[inline]
pub(crate) fn not_judged(
    answer: &ScanAnswer,
    device: &MockDevice<'_>,
    judgement: Judgement,
) -> Option<Outcome> {
    match &answer.result {
        Err(Refusal::NotSupported(feature)) => Some(Outcome::NotJudged(feature.clone())),
        _ if judgement.has(Judgement::MEMORY) && !device.is_memory_bounded() => None,
        _ if device.has_stopped() && !judgement.has(Judgement::WORK) => Some(Outcome::NotJudged(
            "an image that it reads over and over".to_owned(),
        )),
        _ => None,
    }
}

/// The unit whose count is judged: none where a library answers without a count.
#[inline]
pub(crate) fn judged_unit(
    answer: &ScanAnswer,
    unit: Option<NonZeroU64>,
    judgement: Judgement,
) -> Option<NonZeroU64> {
    let counts = |summary: &AllocationSummary| summary.touched.is_some();
    let is_counted = judgement.has(Judgement::DETAILS) || answer.result.as_ref().is_ok_and(counts);
    unit.filter(|_| is_counted)
}

/// Whether a scan's answer is judged: see [`Judgement`]. A number that a failed read was turned into is a wrong
/// value.
#[inline]
pub(crate) fn judges(
    judgement: Judgement,
    answer: &Scan,
    due: Result<AllocationSummary, ScanErrorKind>,
) -> bool {
    judgement.judges(
        answer.is_ok(),
        due.is_ok() || (answer.is_ok() && due == Err(ScanErrorKind::Io)),
    )
}

/// Whether a scan's answer is the one that is due, in all numbers or in the kind of error.
#[inline]
pub(crate) fn is_exact(answer: &Scan, due: Result<AllocationSummary, ScanErrorKind>) -> bool {
    match (answer, due) {
        (Ok(answer), Ok(due)) => *answer == due,
        (Err(refusal), Err(due)) => refusal.kind() == Some(due),
        _ => false,
    }
}

/// The answer that is due where the model's is `expected`. Where readers differ, a library may follow either; our
/// own code, which is judged in detail, is held to one.
#[inline]
pub(crate) fn due(
    answer: &Scan,
    expected: Result<AllocationSummary, ScanErrorKind>,
    judgement: Judgement,
    (format, image, unit): (ScanFormat, &(impl Bytes + ?Sized), Option<NonZeroU64>),
) -> Result<AllocationSummary, ScanErrorKind> {
    let is_refused = answer.is_err() && expected.is_err();
    if judgement.has(Judgement::DETAILS) || is_refused || is_exact(answer, expected) {
        return expected;
    }
    let readings = Readings::of(format, image, unit);
    match answer {
        Ok(answer) if readings.answers.contains(answer) => Ok(*answer),
        Ok(answer) => {
            let size = answer.virtual_size;
            let is_sound = readings.answers.iter().any(|one| one.virtual_size == size);
            let refused = readings.refused.iter().find(|one| one.0 == size);
            match refused.filter(|_| !is_sound) {
                Some((_, kind)) => Err(*kind),
                // The tables before the replay of a log are no reading.
                None => readings.replayed.or(expected),
            }
        }
        Err(refusal) if readings.may_be_refused => {
            Err(refusal.kind().unwrap_or(ScanErrorKind::Corrupt))
        }
        _ => expected,
    }
}

/// A scan that was made, and what the right answer is.
#[derive(Debug)]
pub(crate) struct Scanned<'a> {
    pub(crate) device: &'a MockDevice<'a>,
    pub(crate) unit: Option<NonZeroU64>,
    pub(crate) answer: &'a ScanAnswer,
    pub(crate) expected: Result<AllocationSummary, ScanErrorKind>,
    pub(crate) judgement: Judgement,
}

impl Scanned<'_> {
    /// Evaluates what must hold: first what is known without the right answer, then the answer.
    #[inline]
    pub(crate) fn evaluate(&self, of: &'static ScanChecks, checks: &mut Checks) {
        let ScanAnswer {
            result, bytes_read, ..
        } = self.answer;
        let served = self.device.bytes_served();
        let judged = |aspect| self.judgement.has(aspect);
        checks.evaluate_if(
            judged(Judgement::WORK),
            &of.reads_bounded,
            self.device.is_work_bounded(),
        );
        checks.evaluate_if(
            judged(Judgement::MEMORY),
            &check::MEMORY,
            self.device.is_memory_bounded(),
        );
        checks.evaluate_if(
            judged(Judgement::DETAILS),
            &of.reads_inside_the_device,
            self.device.misuse().is_none(),
        );
        checks.evaluate_if(
            bytes_read.is_some() && judged(Judgement::DETAILS),
            &of.bytes_read_is_what_was_served,
            bytes_read.unwrap_or(served) == served,
        );

        let is_ok = result.is_ok() && judged(Judgement::VALUES);
        let AllocationSummary {
            virtual_size,
            allocated_bytes,
            touched,
        } = *result.as_ref().unwrap_or(&AllocationSummary::default());
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
        checks.evaluate_if(
            judges(self.judgement, result, self.expected),
            &of.answer_is_exact,
            is_exact(result, self.expected),
        );
    }

    /// Adds what was found to the violation of one of these checks, or of another one on the same scan.
    ///
    /// What the scanner read is a matter of its own: a check on that does not judge the answer.
    pub(crate) fn complete(&self, violation: Violation) -> Violation {
        let device = self.device;
        if violation.is_of(&check::MEMORY) {
            return device.with_memory(violation);
        }
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
                answers::of_scanner(&self.answer.result),
                answers::due_of_scanner(self.expected),
            )
            .with_some("failed_sector", device.failed_sector())
    }
}
