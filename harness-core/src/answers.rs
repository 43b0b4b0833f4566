//! The answers of calculators and scanners as violations hold them, and the parts that give them.

use types::{AllocationSummary, Options, TouchedUnits};
use worker::{Answer, Part};

use crate::subject::{Detection, Measured, Refusal, Scan, ScanErrorKind, ScanFormat};

/// The calculator that these options belong to.
pub(crate) fn calculator(options: &Options) -> Part {
    Part::of(options.name(), "calculator")
}

/// The scanner of a format.
pub(crate) fn scanner(format: ScanFormat) -> Part {
    Part::of(format.name(), "scanner")
}

/// A calculator's answer. `fully_allocated` comes first: it does not depend on what a disk holds.
pub(crate) fn of_calculator(answer: Measured) -> Answer {
    match answer {
        Ok(output) => Answer::values([
            ("fully_allocated", output.fully_allocated.into()),
            ("required", output.required.into()),
        ]),
        Err(error) => Answer::error(&error, error.to_string()),
    }
}

/// A scanner's answer.
pub(crate) fn of_scanner(answer: &Scan) -> Answer {
    match answer {
        Ok(summary) => of_summary(*summary),
        Err(refusal) => of_refusal(refusal),
    }
}

/// A detector's answer.
pub(crate) fn of_detector(answer: &Detection) -> Answer {
    match answer {
        Ok(formats) => Answer::values([("formats", formats.to_string().into())]),
        Err(refusal) => of_refusal(refusal),
    }
}

/// A refusal.
pub(crate) fn of_refusal(refusal: &Refusal) -> Answer {
    Answer::Error {
        kind: kind_of(refusal),
        words: refusal.to_string(),
    }
}

/// The kind's name, also of a refusal that has none.
pub(crate) fn kind_of(refusal: &Refusal) -> String {
    match (refusal.kind(), refusal) {
        (Some(kind), _) => format!("{kind:?}"),
        (None, Refusal::NotSupported(_)) => "NotSupported".to_owned(),
        (None, _) => "Refusal".to_owned(),
    }
}

/// The answer that is due from a scanner.
pub(crate) fn due_of_scanner(answer: Result<AllocationSummary, ScanErrorKind>) -> Answer {
    match answer {
        Ok(summary) => of_summary(summary),
        Err(kind) => Answer::error(&kind, String::new()),
    }
}

/// How much of a disk holds data.
pub(crate) fn of_summary(summary: AllocationSummary) -> Answer {
    let AllocationSummary {
        virtual_size,
        allocated_bytes,
        touched,
    } = summary;
    let touched = match touched {
        Some(TouchedUnits { unit, count }) => format!("{count} of {unit} bytes"),
        None => "not counted".to_owned(),
    };
    Answer::values([
        ("virtual_size", virtual_size.into()),
        ("allocated_bytes", allocated_bytes.into()),
        ("touched_units", touched.into()),
    ])
}

#[cfg(test)]
mod tests {
    use worker::Difference;

    use super::*;

    #[test]
    fn units_that_are_counted_otherwise_are_a_difference() {
        let plain = AllocationSummary::new(4096, 512);
        let counting = plain.with_touched(512, 2);
        for due in [plain, plain.with_touched(1024, 2)] {
            let difference =
                Difference::between(&due_of_scanner(Ok(due)), &of_scanner(&Ok(counting)));
            let difference = difference.map(|difference| difference.to_string());
            assert_eq!(difference.as_deref(), Some("touched_units is wrong"));
        }
    }

    #[test]
    fn a_refusal_without_a_kind_is_shown_with_its_words() {
        let refusal: Refusal = std::io::Error::other("bad magic").into();
        let answer = of_scanner(&Err(refusal));
        assert_eq!(answer.to_string(), "the error Refusal (bad magic)");
    }
}
