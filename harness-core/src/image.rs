//! `fuzz_measure_image`: an image made from a recipe, its scanner, and all calculators.
//!
//! # Input
//! A [`Recipe`]: at most 192 bytes, of which every string but those of another version is
//! one. Byte 17 is the *probe*: what is asked beside the scan itself.
//!
//! | byte 17 mod 16 | probe | argument (bytes 18–19) |
//! |---|---|---|
//! | 0 | nothing more | |
//! | 1 | the same scan again | |
//! | 2 | with another sector size | its low 3 bits, as in byte 16 |
//! | 3 | with caches of other content and size | bytes beyond a sector |
//! | 4 | a second scan with the same state | |
//! | 5 | another unit, or none | as byte 2 of a recipe, in its low byte |
//! | 6 | a read that fails | which, modulo the reads of the scan |
//! | 7 | the recipe with one run of plain data more | the run's place |
//! | 8 | all calculators on the answer | |
//! | 9 | the calculator of the image's own format, units counted in its own | |
//! | 10–15 | nothing more | |
//!
//! A scan that reads more of a damaged image than the device serves
//! ([`SERVED_OF_DAMAGED`](recipes::conditions::SERVED_OF_DAMAGED)) is an I/O error, and then no probe asks
//! more. The empty input is rejected: engines begin with it, and a library that fails on its image could not be
//! fuzzed.
//!
//! A library that reads is asked for some ranges of the disk then, if `content` is judged.
//!
//! # Checks
//! `image.*` of [`crate::check::ALL`], and [`crate::check::CONTENT`].

mod content;
mod on_device;
mod probe;

use std::fmt::Write as _;
use std::num::NonZeroU64;

use types::{AllocationSummary, ScanError};

use worker::{Checks, Describe, Outcome, Part};

use crate::answers;
use crate::check;
use crate::judgement::Judgement;
use crate::scanned::{self, Scanned, not_judged};
use crate::subject::{self, Calculators, Refusal, Scan, ScanAnswer, ScanErrorKind, Scanner};
use recipes::Recipe;
use sparse::SparseImage;

use on_device::OnDevice;
use probe::First;
pub use probe::Probe;

/// A decoded input.
#[derive(Debug, Clone)]
pub struct ImageCase {
    /// The recipe of the image.
    pub recipe: Recipe,
    input: Vec<u8>,
}

impl ImageCase {
    /// Decodes an input.
    ///
    /// # Errors
    /// Why the input is not a case: it is empty, or a recipe of another version.
    pub fn decode(data: &[u8]) -> Result<Self, &'static str> {
        Ok(Self {
            recipe: decode(data)?,
            input: data.to_vec(),
        })
    }

    /// Asks the scanner about the image, without the probe.
    pub fn ask(&self, scanner: &(impl Scanner + ?Sized)) -> ScanAnswer {
        let image = OnDevice::of(&self.recipe);
        let manner = image.manner();
        image.scan(scanner, &image.device(&manner), &manner)
    }
}

/// The recipe that an input is.
pub(crate) fn decode(data: &[u8]) -> Result<Recipe, &'static str> {
    if data.is_empty() {
        return Err("empty");
    }
    Recipe::decode(data)
}

/// Decodes, builds, scans, and asserts what is judged.
///
/// # Panics
/// When a check fails, or the code under test panics.
#[inline]
pub fn run(
    calculators: &(impl Calculators + ?Sized),
    scanner: &(impl Scanner + ?Sized),
    judgement: Judgement,
    data: &[u8],
) -> Outcome {
    run_against(
        calculators,
        scanner,
        judgement,
        data,
        |recipe, image, unit| model::scanners::scan(recipe.format, image, unit),
    )
}

/// What [`run`] does, with another model of the scan.
///
/// # Panics
/// As [`run`].
#[inline]
pub fn run_against(
    calculators: &(impl Calculators + ?Sized),
    scanner: &(impl Scanner + ?Sized),
    judgement: Judgement,
    data: &[u8],
    model: impl Fn(
        &Recipe,
        &SparseImage,
        Option<NonZeroU64>,
    ) -> Result<AllocationSummary, ScanErrorKind>,
) -> Outcome {
    let recipe = match decode(data) {
        Ok(recipe) => recipe,
        Err(why) => return Outcome::Rejected(why),
    };
    let image = OnDevice::of(&recipe);
    let manner = image.manner();
    let device = image.device(&manner);
    let answer = image.scan(scanner, &device, &manner);
    let case = Reported(data);
    if let Some(outcome) = not_judged(&answer, &device, judgement) {
        return content::judge(scanner, &image, judgement, &case).unwrap_or(outcome);
    }
    let failed = device.failed_sector();
    // A library may do without a read that failed: then its number must be right.
    let must_fail = failed.is_some() && (answer.result.is_err() || judgement.has(Judgement::KINDS));
    let unit = scanned::judged_unit(&answer, recipe.unit, judgement);
    let (expected, due) = if must_fail {
        (Err(ScanErrorKind::Io), Err(ScanErrorKind::Io))
    } else {
        let expected = model(&recipe, &image.bytes, unit);
        let asked = (recipe.format, &image.bytes, unit);
        let due = scanned::due(&answer.result, expected, judgement, asked);
        (expected, due)
    };
    let scanned = Scanned {
        device: &device,
        unit,
        answer: &answer,
        expected: due,
        judgement,
    };
    let mut checks = Checks::default();
    scanned.evaluate(&check::IMAGE, &mut checks);
    // A recipe states what is true by one reading.
    let has_other_reading = due != expected;
    let truth = image.truth.as_ref().filter(|_| !has_other_reading);
    let truth = truth.and_then(|truth| truth.answer(unit));
    checks.evaluate_if(
        truth.is_some_and(|truth| scanned::judges(judgement, &answer.result, truth)),
        &check::IMAGE_ANSWER_IS_THE_TRUTH,
        truth.is_none_or(|truth| scanned::is_exact(&answer.result, truth)),
    );
    checks.evaluate_if(
        failed.is_some() && judgement.has(Judgement::VALUES),
        &check::IMAGE_FAILED_READ_IS_AN_IO_ERROR,
        is_io_error_of(failed, &answer.result, judgement)
            .unwrap_or_else(|| scanned::is_exact(&answer.result, scanned.expected)),
    );
    checks.conclude(&case, |violation| {
        let truth = truth.map(|truth| answers::due_of_scanner(truth).to_string());
        scanned.complete(violation).with_some("truth", truth)
    });
    // A scan that was cut off has no answer to compare.
    let probe = Probe::of(&recipe);
    if failed.is_none() && !(has_other_reading && probe == Probe::OwnFormat) {
        let first = First {
            answer: &answer,
            reads: device.reads(),
            judgement,
        };
        probe::ask(probe, calculators, scanner, &image, first, &case);
    }
    let read = content::judge(scanner, &image, judgement, &case);
    match judgement.outcome(answer.result.is_ok(), scanned.expected.is_ok()) {
        Outcome::Checked => read.unwrap_or(Outcome::Checked),
        outcome => outcome,
    }
}

/// Whether an answer is the I/O error of the first sector whose read failed. Where kinds are not judged every
/// error is one, and it depends on a number whether it is right (`None`).
fn is_io_error_of(failed: Option<u64>, result: &Scan, judgement: Judgement) -> Option<bool> {
    match result {
        Ok(_) if judgement.has(Judgement::KINDS) => Some(false),
        Ok(_) => None,
        Err(refusal) if judgement.has(Judgement::DETAILS) => {
            let io_error = failed.map(|sector| Refusal::Error(ScanError::Io { sector }));
            Some(io_error.as_ref() == Some(refusal))
        }
        Err(refusal) if judgement.has(Judgement::KINDS) => {
            Some(refusal.kind() == Some(ScanErrorKind::Io))
        }
        Err(_) => Some(true),
    }
}

/// An input, which is described only when a check failed.
struct Reported<'a>(&'a [u8]);

impl Describe for Reported<'_> {
    fn part(&self) -> Part {
        match decode(self.0) {
            Ok(recipe) => answers::scanner(recipe.format),
            Err(_) => Part::new("fuzz_measure_image"),
        }
    }

    fn in_words(&self) -> String {
        match ImageCase::decode(self.0) {
            Ok(case) => case.in_words(),
            Err(why) => why.to_owned(),
        }
    }

    fn as_rust(&self) -> String {
        match ImageCase::decode(self.0) {
            Ok(case) => case.as_rust(),
            Err(why) => format!("// {why}\n"),
        }
    }
}

impl Describe for ImageCase {
    fn part(&self) -> Part {
        answers::scanner(self.recipe.format)
    }

    fn in_words(&self) -> String {
        let probe = match Probe::of(&self.recipe) {
            Probe::Nothing => String::new(),
            probe => format!("; then {probe:?}"),
        };
        self.recipe.in_words() + &probe
    }

    fn as_rust(&self) -> String {
        let end = self
            .input
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(1, |last| last + 1);
        let mut bytes = String::new();
        for byte in &self.input[..end] {
            let _ = write!(bytes, "{byte},");
        }
        format!(
            "let case = harness_core::image::ImageCase::decode(&[{bytes}]).unwrap();\n\
             case.ask({}.scanner)\n",
            subject::path()
        )
    }
}
