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
//! more.
//!
//! # Checks
//! `image.*` of [`crate::check::ALL`].

mod on_device;
mod probe;

use std::fmt::Write as _;

use types::{AllocationSummary, ScanError};

use worker::{Checks, Describe, Outcome, Part};

use crate::answers;
use crate::check;
use crate::scanned::Scanned;
use crate::subject::{Calculators, ScanErrorKind, Scanner};
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
    /// Why the input is not a case: it is a recipe of another version.
    pub fn decode(data: &[u8]) -> Result<Self, &'static str> {
        Ok(Self {
            recipe: Recipe::decode(data)?,
            input: data.to_vec(),
        })
    }
}

/// Decodes, builds, scans, and asserts.
///
/// # Panics
/// When a check fails, or the code under test panics.
#[inline]
pub fn run(
    calculators: &(impl Calculators + ?Sized),
    scanner: &(impl Scanner + ?Sized),
    data: &[u8],
) -> Outcome {
    run_against(calculators, scanner, data, |recipe, image| {
        model::scanners::scan(recipe.format, image, recipe.unit)
    })
}

/// What [`run`] does, with another model of the scan.
///
/// # Panics
/// As [`run`].
#[inline]
pub fn run_against(
    calculators: &(impl Calculators + ?Sized),
    scanner: &(impl Scanner + ?Sized),
    data: &[u8],
    model: impl Fn(&Recipe, &SparseImage) -> Result<AllocationSummary, ScanErrorKind>,
) -> Outcome {
    let recipe = match Recipe::decode(data) {
        Ok(recipe) => recipe,
        Err(why) => return Outcome::Rejected(why),
    };
    let image = OnDevice::of(&recipe);
    let manner = image.manner();
    let device = image.device(&manner);
    let answer = image.scan(scanner, &device, &manner);
    let failed = device.failed_sector();
    let scanned = Scanned {
        device: &device,
        unit: recipe.unit,
        answer,
        expected: match failed {
            Some(_) => Err(ScanErrorKind::Io),
            None => model(&recipe, &image.bytes),
        },
    };
    let case = Reported(data);
    let mut checks = Checks::default();
    scanned.evaluate(&check::IMAGE, &mut checks);
    let truth = image
        .truth
        .as_ref()
        .and_then(|truth| truth.answer(recipe.unit));
    checks.evaluate_if(
        truth.is_some(),
        &check::IMAGE_ANSWER_IS_THE_TRUTH,
        truth.is_none_or(|truth| answer.result.map_err(Into::into) == truth),
    );
    checks.evaluate_if(
        failed.is_some(),
        &check::IMAGE_FAILED_READ_IS_AN_IO_ERROR,
        is_io_error_of(failed, answer.result),
    );
    checks.conclude(&case, |violation| {
        let truth = truth.map(|truth| answers::due_of_scanner(truth).to_string());
        scanned.complete(violation).with_some("truth", truth)
    });
    // A scan that was cut off says nothing that could be compared.
    if failed.is_none() {
        let first = First {
            answer,
            reads: device.reads(),
        };
        probe::ask(
            Probe::of(&recipe),
            calculators,
            scanner,
            &image,
            first,
            &case,
        );
    }
    Outcome::Checked
}

/// Whether an answer is the I/O error of the first sector whose read failed.
fn is_io_error_of(failed: Option<u64>, result: Result<AllocationSummary, ScanError>) -> bool {
    failed.is_some_and(|sector| result == Err(ScanError::Io { sector }))
}

/// An input, which is described only when a check failed.
struct Reported<'a>(&'a [u8]);

impl Describe for Reported<'_> {
    fn part(&self) -> Part {
        match Recipe::decode(self.0) {
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
            .map_or(0, |last| last + 1);
        let mut bytes = String::new();
        for byte in &self.input[..end] {
            let _ = write!(bytes, "{byte},");
        }
        let unit = match self.recipe.unit {
            Some(unit) => format!("std::num::NonZeroU64::new({unit})"),
            None => "None".to_owned(),
        };
        let format = self.recipe.format;
        let served = match OnDevice::of(&self.recipe).serves {
            u64::MAX => String::new(),
            bytes => format!("\ndevice.serve_at_most({bytes});"),
        };
        format!(
            "use harness_core::subject::{{ScanFormat, ScanRequest, Scanner}};\n\
             let recipe = harness_core::recipes::Recipe::decode(&[{bytes}]).unwrap();\n\
             let mut image = recipe.build().image;\n\
             image.set_capacity(recipe.conditions.capacity(image.capacity()));\n\
             let mut device = harness_core::MockDevice::new(recipe.conditions.sector_size, recipe.conditions.index);\n\
             device.set_sparse_input(&image);{served}\n\
             let mut caches = [vec![0; 65536], vec![0; 65536]];\n\
             let [first, second] = &mut caches;\n\
             built_in::BuiltIn.scan(ScanRequest {{ format: ScanFormat::{format:?}, \
             calls: device.build_call_table(), device: device.index(), caches: [first, second], \
             unit: {unit}, twice: false }})\n"
        )
    }
}
