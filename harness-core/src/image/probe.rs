//! What is asked about an image beside the scan itself.

use std::num::NonZeroU64;

use types::{AllocationSummary, Options};

use worker::{Checks, Violation};

use crate::answers;
use crate::check;
use crate::formats;
use crate::judgement::Judgement;
use crate::scanned::not_judged;
use crate::subject::{Calculators, Measured, Scan, ScanAnswer, Scanner};
use recipes::conditions::SECTOR_SIZES;
use recipes::truth::OwnSize;
use recipes::{Recipe, unit_of_selector};

use super::on_device::{Manner, OnDevice};
use super::{Reported, is_io_error_of};

/// What is asked about an image beside the scan itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Nothing.
    Nothing,
    /// The same scan again.
    Again,
    /// With sectors of so many bytes.
    SectorSize(u32),
    /// With caches of other content, so many bytes larger than a sector.
    Caches(u16),
    /// A second scan with the same state.
    SecondScan,
    /// With another unit.
    Unit(Option<NonZeroU64>),
    /// With a read that fails: this one, modulo the scan's reads.
    FailedRead(u16),
    /// With one run of data more, at this place.
    MoreData(u16),
    /// What all calculators answer.
    Calculators,
    /// What the calculator of the image's own format answers.
    OwnFormat,
}

impl Probe {
    /// The probe that a recipe asks for.
    #[must_use]
    pub fn of(recipe: &Recipe) -> Self {
        let (selector, argument) = recipe.probe;
        match selector & 15 {
            1 => Self::Again,
            2 => Self::SectorSize(SECTOR_SIZES[usize::from(argument & 7)]),
            3 => Self::Caches(argument),
            4 => Self::SecondScan,
            5 => Self::Unit(unit_of_selector(argument as u8)),
            6 => Self::FailedRead(argument),
            7 => Self::MoreData(argument),
            8 => Self::Calculators,
            9 => Self::OwnFormat,
            _ => Self::Nothing,
        }
    }
}

/// The scan that a probe is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct First<'a> {
    pub(super) answer: &'a ScanAnswer,
    pub(super) reads: u64,
    /// What is judged, of this scan and of the next.
    pub(super) judgement: Judgement,
}

/// Asks what the probe asks, and asserts.
pub(super) fn ask(
    probe: Probe,
    calculators: &(impl Calculators + ?Sized),
    scanner: &(impl Scanner + ?Sized),
    image: &OnDevice<'_>,
    first: First<'_>,
    case: &Reported<'_>,
) {
    match probe {
        Probe::Nothing => {}
        Probe::MoreData(place) => more_data(scanner, image, first, place, case),
        Probe::Calculators => all_calculators(calculators, first, case),
        Probe::OwnFormat => own_format(calculators, scanner, image, first, case),
        probe => another_manner(scanner, image, first, probe, case),
    }
}

/// The same image, scanned in another manner.
fn another_manner(
    scanner: &(impl Scanner + ?Sized),
    image: &OnDevice<'_>,
    first: First<'_>,
    probe: Probe,
    case: &Reported<'_>,
) {
    let plain = image.manner();
    let manner = match probe {
        Probe::SectorSize(sector_size) => Manner {
            sector_size,
            ..plain
        },
        Probe::Caches(excess) => Manner {
            cache_fill: 0xff,
            cache_excess: usize::from(excess),
            ..plain
        },
        Probe::SecondScan => Manner {
            twice: true,
            ..plain
        },
        Probe::Unit(unit) => Manner { unit, ..plain },
        Probe::FailedRead(nth) => Manner {
            failing_read: u64::from(nth).checked_rem(first.reads),
            ..plain
        },
        _ => plain,
    };
    let device = image.device(&manner);
    let answer = image.scan(scanner, &device, &manner);
    if not_judged(&answer, &device, first.judgement).is_some() {
        return;
    }
    let ScanAnswer {
        result,
        again,
        bytes_read,
    } = &answer;
    let judged = |aspect| first.judgement.has(aspect);
    let values = judged(Judgement::VALUES);
    let details = judged(Judgement::DETAILS);
    let same = same_answer(result, &first.answer.result, first.judgement);
    // Errors have other words at another place, and reads other places: only a state can be held to them.
    let same_in_detail = if details {
        *result == first.answer.result && device.reads() == first.reads
    } else {
        same
    };
    // Of larger sectors the device may serve too few, where it served the first scan all that it read.
    let failed = device.failed_sector();
    let was_cut_off = matches!(probe, Probe::SectorSize(_)) && failed.is_some();
    let mut checks = Checks::default();
    checks.evaluate_if(
        judged(Judgement::WORK),
        &check::IMAGE.reads_bounded,
        device.is_work_bounded(),
    );
    checks.evaluate_if(
        details,
        &check::IMAGE.reads_inside_the_device,
        device.misuse().is_none(),
    );
    checks.evaluate_if(
        bytes_read.is_some() && details,
        &check::IMAGE.bytes_read_is_what_was_served,
        bytes_read.unwrap_or_default() == device.bytes_served(),
    );
    checks.evaluate_if(
        probe == Probe::Again && values,
        &check::IMAGE_SAME_ANSWER_AGAIN,
        same_in_detail && *bytes_read == first.answer.bytes_read,
    );
    checks.evaluate_if(
        matches!(probe, Probe::SectorSize(_)) && !was_cut_off && details,
        &check::IMAGE_SAME_FOR_EVERY_SECTOR_SIZE,
        same,
    );
    checks.evaluate_if(
        matches!(probe, Probe::Caches(_)) && details,
        &check::IMAGE_SAME_FOR_EVERY_CACHE,
        same_in_detail,
    );
    checks.evaluate_if(
        probe == Probe::SecondScan && again.is_some() && details,
        &check::IMAGE_SAME_ON_A_SECOND_SCAN,
        same && again.as_ref() == Some(result),
    );
    checks.evaluate_if(
        matches!(probe, Probe::Unit(_)) && values,
        &check::IMAGE_SAME_BYTES_FOR_EVERY_UNIT,
        same_answer(
            &result.clone().map(without_units),
            &first.answer.result.clone().map(without_units),
            first.judgement,
        ),
    );
    checks.evaluate_if(
        (manner.failing_read.is_some() || was_cut_off) && values,
        &check::IMAGE_FAILED_READ_IS_AN_IO_ERROR,
        is_io_error_of(failed, result, first.judgement).unwrap_or(same),
    );
    checks.conclude(case, |violation| {
        let text = |answer| answers::of_scanner(answer).to_string();
        violation
            .with("first_answer", text(&first.answer.result))
            .with("first_reads", first.reads)
            .with_some("first_bytes_read", first.answer.bytes_read)
            .with("probe", format!("{probe:?}"))
            .with("answer", text(result))
            .with_some("second_scan", again.as_ref().map(text))
            .with("reads", device.reads())
            .with("reads_allowed", device.read_bound())
            .with("bytes_served", device.bytes_served())
            .with_some("bytes_read", *bytes_read)
            .with_some("failed_sector", failed)
            .with_some("misuse", device.misuse())
    });
}

/// Whether two answers are the same but for the words of an error, and for its kind unless that is judged.
fn same_answer(one: &Scan, other: &Scan, judgement: Judgement) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => one == other,
        (Err(one), Err(other)) => one.kind() == other.kind() || !judgement.has(Judgement::KINDS),
        _ => false,
    }
}

fn without_units(summary: AllocationSummary) -> AllocationSummary {
    AllocationSummary {
        touched: None,
        ..summary
    }
}

/// The same recipe with one run more holds no less.
fn more_data(
    scanner: &(impl Scanner + ?Sized),
    image: &OnDevice<'_>,
    first: First<'_>,
    place: u16,
    case: &Reported<'_>,
) {
    let Some(more) = image.recipe.with_more_data(place) else {
        return;
    };
    let more = OnDevice::of(&more);
    let units = |summary: AllocationSummary| summary.touched.map_or(0, |units| units.count);
    let no_less = |first: AllocationSummary, second: AllocationSummary| {
        first.allocated_bytes <= second.allocated_bytes && units(first) <= units(second)
    };
    // Where a table is shared, what a run adds here it may take away there.
    let truth = |image: &OnDevice<'_>| {
        let truth = image.truth.as_ref().filter(|truth| !truth.shares_tables)?;
        truth.answer(image.recipe.unit)?.ok()
    };
    // A VMDK grain that comes to lie on sector 1 reads as a zeroed one: then the recipe itself says less.
    if !matches!((truth(image), truth(&more)), (Some(first), Some(second)) if no_less(first, second))
    {
        return;
    }
    let manner = more.manner();
    let device = more.device(&manner);
    let second = more.scan(scanner, &device, &manner);
    if let (Ok(first), Ok(second), true) = (
        &first.answer.result,
        &second.result,
        first.judgement.has(Judgement::VALUES),
    ) {
        let (first, second) = (*first, *second);
        let mut checks = Checks::default();
        checks.evaluate_if(
            first.virtual_size == second.virtual_size,
            &check::IMAGE_MORE_DATA_COUNTS_MORE,
            no_less(first, second),
        );
        checks.conclude(case, |violation| {
            violation
                .with("answer", answers::of_summary(first).to_string())
                .with(
                    "answer_with_more_data",
                    answers::of_summary(second).to_string(),
                )
        });
    }
}

/// Every calculator that there is, for images of the units that were counted.
fn all_calculators(
    calculators: &(impl Calculators + ?Sized),
    first: First<'_>,
    case: &Reported<'_>,
) {
    let Ok(mut summary) = first.answer.result.clone() else {
        return;
    };
    if summary
        .touched
        .is_some_and(|units| u32::try_from(units.unit).is_err())
    {
        // No format has units of that size.
        summary.touched = None;
    }
    let empty = AllocationSummary::new(summary.virtual_size, 0);
    for options in formats::with_unit_of(summary) {
        if calculators.not_supported(&options).is_some() {
            continue;
        }
        let answer = calculators.measure(&summary, &options);
        let expected = model::calculators::measure(&summary, &options);
        let of_empty = calculators.measure(&empty, &options);
        let mut checks = Checks::default();
        checks.evaluate_if(
            first.judgement.has(Judgement::REFUSALS),
            &check::IMAGE_CALCULATORS_ACCEPT,
            answer.is_ok() || answer == of_empty,
        );
        let is_judged = first.judgement.judges(answer.is_ok(), expected.is_ok());
        checks.evaluate_if(
            is_judged && !calculators.has_own_sizes(),
            &check::IMAGE_CALCULATORS_ARE_EXACT,
            answer == expected,
        );
        checks.conclude(case, |violation| {
            calculated(violation, &summary, &options, answer).with(
                "of_an_empty_disk",
                answers::of_calculator(of_empty).to_string(),
            )
        });
    }
}

/// Adds what a calculator answered on what was scanned, and what it should have. When that is the same, the
/// scanner is at fault.
fn calculated(
    violation: Violation,
    summary: &AllocationSummary,
    options: &Options,
    answer: Measured,
) -> Violation {
    let expected = model::calculators::measure(summary, options);
    let violation = if answer == expected {
        violation
    } else {
        violation.by(answers::calculator(options))
    };
    violation
        .answered(
            answers::of_calculator(answer),
            answers::of_calculator(expected),
        )
        .with("scanned", answers::of_summary(*summary).to_string())
        .with("options", format!("{options:?}"))
}

/// What the calculator of the image's own format requires, against its file.
fn own_format(
    calculators: &(impl Calculators + ?Sized),
    scanner: &(impl Scanner + ?Sized),
    image: &OnDevice<'_>,
    first: First<'_>,
    case: &Reported<'_>,
) {
    let own = image.truth.as_ref().and_then(|truth| truth.own_size);
    let is_judged = |own: &OwnSize| {
        calculators.not_supported(&own.options).is_none() && !calculators.has_own_sizes()
    };
    let Some(own) = own.filter(is_judged) else {
        return;
    };
    let manner = Manner {
        unit: NonZeroU64::new(model::calculators::unit(
            &own.options,
            image.truth.as_ref().map_or(0, |truth| truth.virtual_size),
        )),
        ..image.manner()
    };
    let device = image.device(&manner);
    let result = image.scan(scanner, &device, &manner).result;
    let Ok(summary) = result else {
        return;
    };
    if summary.touched.is_none() && !first.judgement.has(Judgement::DETAILS) {
        // Bytes alone do not say how many units they touch.
        return;
    }
    let answer = calculators.measure(&summary, &own.options);
    let aspect = if answer.is_ok() {
        Judgement::VALUES
    } else {
        Judgement::REFUSALS
    };
    let mut checks = Checks::default();
    checks.evaluate_if(
        first.judgement.has(aspect),
        &check::IMAGE_REQUIRED_FITS_THE_FILE,
        answer.is_ok_and(|answer| (own.at_least..=own.at_most).contains(&answer.required)),
    );
    checks.conclude(case, |violation| {
        calculated(violation, &summary, &own.options, answer)
            .with("required_at_least", own.at_least)
            .with("required_at_most", own.at_most)
            .with("file_size", image.bytes.capacity())
    });
}
