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

fn of_refusal(refusal: &Refusal) -> Answer {
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
    use types::ScanError;
    use worker::Difference;

    use super::*;

    fn difference(
        answer: Result<AllocationSummary, ScanError>,
        due: Result<AllocationSummary, ScanErrorKind>,
    ) -> Option<String> {
        let answer = of_scanner(&answer.map_err(Refusal::from));
        let difference = Difference::between(&due_of_scanner(due), &answer)?;
        Some(difference.to_string())
    }

    #[test]
    fn scans_differ_in_kind_or_in_the_first_number_that_is_wrong() {
        let plain = AllocationSummary::new(4096, 512);
        let counting = plain.with_touched(512, 2);
        for (answer, due, expected) in [
            (Ok(plain), Ok(plain), None),
            (
                Ok(plain),
                Ok(AllocationSummary::new(8192, 0)),
                Some("virtual_size is wrong"),
            ),
            (
                Ok(plain),
                Ok(AllocationSummary::new(4096, 0).with_touched(512, 1)),
                Some("allocated_bytes is wrong"),
            ),
            (Ok(counting), Ok(plain), Some("touched_units is wrong")),
            (
                Ok(counting),
                Ok(plain.with_touched(1024, 2)),
                Some("touched_units is wrong"),
            ),
            (
                Ok(plain),
                Err(ScanErrorKind::Corrupt),
                Some("an answer where Corrupt is due"),
            ),
            (
                Err(ScanError::Corrupt("a block")),
                Ok(plain),
                Some("Corrupt where an answer is due"),
            ),
            (
                Err(ScanError::NotThisFormat),
                Err(ScanErrorKind::Unsupported),
                Some("NotThisFormat where Unsupported is due"),
            ),
            (
                Err(ScanError::Io { sector: 7 }),
                Err(ScanErrorKind::Io),
                None,
            ),
        ] {
            assert_eq!(difference(answer, due).as_deref(), expected);
        }
    }

    #[test]
    fn a_refusal_without_a_kind_is_shown_with_its_words() {
        let refusal: Refusal = std::io::Error::other("bad magic").into();
        let answer = of_scanner(&Err(refusal));
        assert_eq!(answer.to_string(), "the error Refusal (bad magic)");
    }
}
