//! How an answer differs from the one that is due, as the report of a failed check tells it.

use harness_core::calc::{CalcCase, Probe};
use model::calculators::measure;
use recipes::Recipe;
use shared::{AllocationSummary, TouchedUnits};
use types::Options;

use super::{AN_ANSWER, difference_of_kind};

/// A calculator's answer that is not the one due.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Calculated {
    /// The format of the calculator.
    pub(super) format: String,
    /// How it differs.
    pub(super) difference: String,
}

/// An answer of a calculator, or the kind of its error.
type Sizes = Result<[u64; 2], String>;

/// How a calculator's answer differs, when the check judges one and it does. `format` is that of the case,
/// `found` what the report says was found, `content` the input.
pub(super) fn calculator(
    check: &str,
    format: &str,
    found: &str,
    content: &[u8],
) -> Option<Calculated> {
    let (format, answer, due) = match check {
        "calc.required_le_fully_allocated"
        | "calc.raw_covers_virtual_size"
        | "calc.non_raw_has_overhead"
        | "calc.sum_fits_u64"
        | "calc.qcow2_preallocated_is_full"
        | "calc.impossible_data_refused"
        | "calc.impossible_units_refused"
        | "calc.answer_is_exact" => (format.to_owned(), sizes(found)?, model_sizes(found)?),
        "calc.monotone_in_virtual_size" | "calc.monotone_in_data" => {
            // The first answer was the one due, so the second is not.
            let answer = sizes(found.split_once("the second answer is ")?.1)?;
            let case = CalcCase::decode(content).ok()?;
            let due = of_the_model(&second_question(&case)?, &case.options);
            (format.to_owned(), answer, due)
        }
        "image.calculators_accept" | "image.calculators_are_exact" => {
            let (format, answer) = calculator_named(found)?;
            (format, answer, model_sizes(found)?)
        }
        "image.required_fits_the_file" => {
            let (format, answer) = calculator_named(found)?;
            let recipe = Recipe::decode(content).ok()?;
            let options = recipe.build().truth?.own_size?.options;
            (format, answer, of_the_model(&summary(found)?, &options))
        }
        _ => return None,
    };
    let difference = match (&answer, &due) {
        (Ok([_, full]), Ok([_, due])) if full != due => "fully_allocated is wrong".to_owned(),
        (Ok([required, _]), Ok([due, _])) if required != due => "required is wrong".to_owned(),
        (Ok(_), Ok(_)) => return None,
        _ => of_kinds(answer.err(), due.err())?,
    };
    Some(Calculated { format, difference })
}

fn of_the_model(summary: &AllocationSummary, options: &Options) -> Sizes {
    measure(summary, options)
        .map(|due| [due.required, due.fully_allocated])
        .map_err(|kind| format!("{kind:?}"))
}

/// What a case asks beside its first question, of a larger disk or of more data.
fn second_question(case: &CalcCase) -> Option<AllocationSummary> {
    let mut summary = case.summary;
    match (case.probe, &mut summary.touched) {
        (Probe::LargerDisk(more), _) => {
            summary.virtual_size = summary.virtual_size.checked_add(more)?;
        }
        (Probe::MoreData(more), Some(TouchedUnits { count, .. })) => {
            *count = count.checked_add(more)?;
        }
        (Probe::MoreData(more), None) => {
            summary.allocated_bytes = summary.allocated_bytes.checked_add(more)?;
        }
        (Probe::Nothing | Probe::Again, _) => return None,
    }
    Some(summary)
}

/// How a scanner's answer differs, when the check judges one and it does.
pub(super) fn scanner(check: &str, found: &str) -> Option<String> {
    let (_, name) = check.split_once('.')?;
    let judges_the_answer = [
        "allocated_le_virtual_size",
        "touched_le_units_of_disk",
        "unit_is_the_one_asked_for",
        "answer_is_exact",
    ];
    if check.starts_with("calc.") || !judges_the_answer.contains(&name) {
        return None;
    }
    let (answer, rest) = found.split_once("; the model answers ")?;
    let due = rest.split("; ").next()?;
    match (summary(answer), summary(due)) {
        (Some(answer), Some(due)) if answer.virtual_size != due.virtual_size => {
            Some("virtual_size is wrong".to_owned())
        }
        (Some(answer), Some(due)) if answer.allocated_bytes != due.allocated_bytes => {
            Some("allocated_bytes is wrong".to_owned())
        }
        (Some(answer), Some(due)) => {
            (answer.touched != due.touched).then(|| "touched units are wrong".to_owned())
        }
        (None, Some(_)) => of_kinds(Some(kind_in_words(answer)?), None),
        (Some(_), None) => of_kinds(None, Some(due.to_owned())),
        (None, None) => of_kinds(Some(kind_in_words(answer)?), Some(due.to_owned())),
    }
}

/// An error where another answer is due, or none; `None` for both is an answer.
fn of_kinds(answer: Option<String>, due: Option<String>) -> Option<String> {
    if answer == due {
        return None;
    }
    let [answer, due] = [answer, due].map(|kind| kind.unwrap_or_else(|| AN_ANSWER.to_owned()));
    Some(difference_of_kind(&answer, &due))
}

/// The kind of a scanner's error, by the words in which errors are shown.
fn kind_in_words(error: &str) -> Option<String> {
    let kinds = [
        ("not an image of this format", "NotThisFormat"),
        ("unsupported: ", "Unsupported"),
        ("corrupt: ", "Corrupt"),
        ("I/O error: ", "Io"),
        ("invalid argument: ", "InvalidArgument"),
    ];
    let (_, kind) = kinds.iter().find(|(words, _)| error.starts_with(words))?;
    Some((*kind).to_owned())
}

/// What the model answers, of a calculator.
fn model_sizes(found: &str) -> Option<Sizes> {
    sizes(found.split_once("the model answers ")?.1)
}

/// The calculator that `found` names, and its answer: `Vhd(VhdOpts { … }) answers Ok(…)`.
fn calculator_named(found: &str) -> Option<(String, Sizes)> {
    let (before, after) = found.split_once(" answers ")?;
    let options = before.split_once("; ")?.1;
    let name = options.split(['(', ' ']).next()?.to_ascii_lowercase();
    Some((name, sizes(after)?))
}

/// The answer at the beginning of a text: `Ok(MeasureOutput { required: 1, fully_allocated: 2 })` or
/// `Err(Overflow)`.
fn sizes(text: &str) -> Option<Sizes> {
    if let Some(rest) = text.strip_prefix("Err(") {
        return Some(Err(rest.split_once(')')?.0.to_owned()));
    }
    let rest = text.strip_prefix("Ok(MeasureOutput { required: ")?;
    let (required, rest) = rest.split_once(", fully_allocated: ")?;
    let (full, _) = rest.split_once(" })")?;
    Some(Ok([required.parse().ok()?, full.parse().ok()?]))
}

/// The summary at the beginning of a text: `1 of 2 bytes hold data in 3 units of 4`, or without units.
fn summary(text: &str) -> Option<AllocationSummary> {
    let (allocated, rest) = text.split_once(" of ")?;
    let (virtual_size, rest) = rest.split_once(" bytes hold data")?;
    let summary = AllocationSummary::new(virtual_size.parse().ok()?, allocated.parse().ok()?);
    let Some(units) = rest.strip_prefix(" in ") else {
        return Some(summary);
    };
    let (count, rest) = units.split_once(" units of ")?;
    let unit = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some(summary.with_touched(unit.parse().ok()?, count.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "Ok(MeasureOutput { required: 5, fully_allocated: 9 })";

    fn calculated(check: &str, found: &str) -> Option<String> {
        calculator(check, "vhdx", found, &[])
            .map(|Calculated { format, difference }| format!("{format}: {difference}"))
    }

    fn calc(answer: &str, due: &str) -> Option<String> {
        let found = format!("{answer}; the model answers {due}; its unit is Some(4)");
        calculated("calc.answer_is_exact", &found)
    }

    #[test]
    fn a_calculators_answers_differ_in_kind_or_in_one_of_two_numbers() {
        let more = "Ok(MeasureOutput { required: 6, fully_allocated: 9 })";
        let fuller = "Ok(MeasureOutput { required: 6, fully_allocated: 8 })";
        let told = |text: &str| Some(format!("vhdx: {text}"));
        assert_eq!(calc(ANSWER, more), told("required is wrong"));
        assert_eq!(calc(ANSWER, fuller), told("fully_allocated is wrong"));
        assert_eq!(
            calc(ANSWER, "Err(Overflow)"),
            told("an answer where Overflow is due")
        );
        assert_eq!(
            calc("Err(InvalidSize)", ANSWER),
            told("InvalidSize where an answer is due")
        );
        assert_eq!(
            calc("Err(InvalidSize)", "Err(Overflow)"),
            told("InvalidSize where Overflow is due")
        );
        // Then the check is of something else.
        assert_eq!(calc(ANSWER, ANSWER), None);
        assert_eq!(calc("Err(Overflow)", "Err(Overflow)"), None);
        assert_eq!(calculated("calc.unit_is_exact", "x"), None);
    }

    #[test]
    fn an_image_names_the_calculator_that_was_asked() {
        let found = format!(
            "1 of 2 bytes hold data; Vhd(VhdOpts {{ subformat: Dynamic }}) answers {ANSWER}, of an empty \
             disk Err(Overflow); the model answers Err(InvalidSize)"
        );
        assert_eq!(
            calculated("image.calculators_are_exact", &found).unwrap(),
            "vhd: an answer where InvalidSize is due"
        );
        let raw = format!(
            "1 of 2 bytes hold data; Raw answers {ANSWER}; the model answers Err(Overflow)"
        );
        assert_eq!(
            calculated("image.calculators_accept", &raw).unwrap(),
            "raw: an answer where Overflow is due"
        );
    }

    fn scan(answer: &str, due: &str) -> Option<String> {
        let found =
            format!("{answer}; the model answers {due}; 9 sector reads where 70 are allowed");
        let of = |check| scanner(check, &found);
        assert_eq!(
            of("scan.answer_is_exact"),
            of("image.allocated_le_virtual_size")
        );
        assert_eq!(of("scan.reads_bounded"), None);
        of("scan.answer_is_exact")
    }

    #[test]
    fn a_scanners_answers_differ_in_kind_or_in_the_first_number_that_is_wrong() {
        let plain = "512 of 4096 bytes hold data";
        let other = "0 of 4096 bytes hold data in 1 units of 512";
        let larger = "0 of 8192 bytes hold data";
        let told = |text: &str| Some(text.to_owned());
        assert_eq!(scan(plain, larger), told("virtual_size is wrong"));
        assert_eq!(scan(plain, other), told("allocated_bytes is wrong"));
        let units = format!("{plain} in 2 units of 512");
        assert_eq!(scan(&units, plain), told("touched units are wrong"));
        assert_eq!(
            scan(plain, "Corrupt"),
            told("an answer where Corrupt is due")
        );
        assert_eq!(
            scan("corrupt: a block has a reserved state", plain),
            told("Corrupt where an answer is due")
        );
        assert_eq!(
            scan("not an image of this format", "Unsupported"),
            told("NotThisFormat where Unsupported is due")
        );
        assert_eq!(scan("corrupt: a", "Corrupt"), None);
        assert_eq!(scan(plain, plain), None);
    }
}
