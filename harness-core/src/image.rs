//! `fuzz_measure_image`: an image made from a recipe, its scanner, and all calculators.
//!
//! # Input
//! A [`Recipe`](crate::recipe): at most 192 bytes, of which every string but those of another version is
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
//! # Checks
//! `image.*` of [`crate::check::ALL`].

use std::cell::RefCell;
use std::fmt::Write as _;
use std::num::NonZeroU64;

use measure::{Preallocation, Qcow2Opts, VhdOpts, VhdSubformat, VhdxOpts, VmdkOpts, VmdkSubformat};
use shared::{AllocationSummary, ScanError};

use crate::check::{self, Checks};
use crate::describe::Describe;
use crate::device::MockDevice;
use crate::model;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::recipe::conditions::{End, SECTOR_SIZES};
use crate::recipe::truth::Truth;
use crate::recipe::{Recipe, unit_of_selector};
use crate::scanned::{self, Scanned, summary_in_words};
use crate::sparse::SparseImage;
use crate::subject::{Calculators, ScanAnswer, ScanErrorKind, ScanRequest, Scanner};

/// A decoded input.
#[derive(Debug, Clone)]
pub struct ImageCase {
    /// The recipe of the image.
    pub recipe: Recipe,
    input: Vec<u8>,
}

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

/// An image as it is scanned.
struct Subject<'a> {
    recipe: &'a Recipe,
    image: SparseImage,
    truth: Option<Truth>,
}

/// How a scan is made, where that may differ.
#[derive(Debug, Clone, Copy)]
struct Manner {
    sector_size: u32,
    unit: Option<NonZeroU64>,
    cache_fill: u8,
    cache_excess: usize,
    failing_read: Option<u64>,
    twice: bool,
}

impl<'a> Subject<'a> {
    /// The image that the device holds; its truth is known when it is whole.
    fn of(recipe: &'a Recipe) -> Self {
        let built = recipe.build();
        let mut image = built.image;
        image.set_capacity(recipe.conditions.capacity(image.capacity()));
        Self {
            recipe,
            image,
            truth: built.truth.filter(|_| recipe.conditions.end == End::OfFile),
        }
    }

    /// The scan that the recipe asks for.
    fn manner(&self) -> Manner {
        Manner {
            sector_size: self.recipe.conditions.sector_size,
            unit: self.recipe.unit,
            cache_fill: 0,
            cache_excess: 0,
            failing_read: None,
            twice: false,
        }
    }

    /// A device with the image on it.
    fn device(&self, manner: &Manner) -> MockDevice<'_> {
        let mut device = MockDevice::new(manner.sector_size, self.recipe.conditions.index);
        device.set_sparse_input(&self.image);
        device.expect_scans(1 + u64::from(manner.twice));
        if let Some(nth) = manner.failing_read {
            device.fail_read(nth);
        }
        device
    }

    fn scan(
        &self,
        scanner: &(impl Scanner + ?Sized),
        device: &MockDevice<'_>,
        manner: &Manner,
    ) -> ScanAnswer {
        thread_local! {
            // Kept, since two sectors of 64 KiB for every execution would cost more than most scans.
            static CACHES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        CACHES.with_borrow_mut(|caches| {
            let length = manner.sector_size as usize + manner.cache_excess;
            caches.clear();
            caches.resize(2 * length, manner.cache_fill);
            let (first, second) = caches.split_at_mut(length);
            scanner.scan(ScanRequest {
                format: self.recipe.format,
                calls: device.build_call_table(),
                device: device.index(),
                caches: [first, second],
                unit: manner.unit,
                twice: manner.twice,
            })
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
    let subject = Subject::of(&recipe);
    let manner = subject.manner();
    let device = subject.device(&manner);
    let answer = subject.scan(scanner, &device, &manner);
    let scanned = Scanned {
        device: &device,
        unit: recipe.unit,
        answer,
        expected: model(&recipe, &subject.image),
    };
    let case = Reported(data);
    let mut checks = Checks::default();
    scanned.evaluate(&scanned::IMAGE, &mut checks);
    let truth = subject
        .truth
        .as_ref()
        .and_then(|truth| truth.answer(recipe.unit));
    checks.evaluate_if(
        truth.is_some(),
        &check::IMAGE_ANSWER_IS_THE_TRUTH,
        truth.is_none_or(|truth| answer.result.map_err(Into::into) == truth),
    );
    checks.conclude(&case, || match truth {
        Some(truth) => format!("{}; the recipe says {truth:?}", scanned.found()),
        None => scanned.found(),
    });
    let first = First {
        answer,
        reads: device.reads(),
    };
    match Probe::of(&recipe) {
        Probe::Nothing => {}
        Probe::MoreData(place) => probe_more_data(scanner, &subject, first, place, &case),
        Probe::Calculators => probe_calculators(calculators, first, &case),
        Probe::OwnFormat => probe_own_format(calculators, scanner, &subject, &case),
        probe => probe_manner(scanner, &subject, first, probe, &case),
    }
    Outcome::Checked
}

/// The scan that a probe is compared with.
#[derive(Debug, Clone, Copy)]
struct First {
    answer: ScanAnswer,
    reads: u64,
}

/// The same image, scanned in another manner.
fn probe_manner(
    scanner: &(impl Scanner + ?Sized),
    subject: &Subject<'_>,
    first: First,
    probe: Probe,
    case: &Reported<'_>,
) {
    let plain = subject.manner();
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
    let device = subject.device(&manner);
    let ScanAnswer {
        result,
        again,
        bytes_read,
    } = subject.scan(scanner, &device, &manner);
    let same = same_answer(result, first.answer.result);
    let mut checks = Checks::default();
    checks.evaluate(
        &check::IMAGE_READS_BOUNDED,
        device.reads() <= device.read_bound(),
    );
    checks.evaluate(
        &check::IMAGE_READS_INSIDE_THE_DEVICE,
        device.misuse().is_none(),
    );
    checks.evaluate_if(
        bytes_read.is_some(),
        &check::IMAGE_BYTES_READ_IS_WHAT_WAS_SERVED,
        bytes_read.unwrap_or_default() == device.bytes_served(),
    );
    checks.evaluate_if(
        probe == Probe::Again,
        &check::IMAGE_SAME_ANSWER_AGAIN,
        result == first.answer.result
            && bytes_read == first.answer.bytes_read
            && device.reads() == first.reads,
    );
    checks.evaluate_if(
        matches!(probe, Probe::SectorSize(_)),
        &check::IMAGE_SAME_FOR_EVERY_SECTOR_SIZE,
        same,
    );
    checks.evaluate_if(
        matches!(probe, Probe::Caches(_)),
        &check::IMAGE_SAME_FOR_EVERY_CACHE,
        result == first.answer.result && device.reads() == first.reads,
    );
    checks.evaluate_if(
        probe == Probe::SecondScan && again.is_some(),
        &check::IMAGE_SAME_ON_A_SECOND_SCAN,
        same && again == Some(result),
    );
    checks.evaluate_if(
        matches!(probe, Probe::Unit(_)),
        &check::IMAGE_SAME_BYTES_FOR_EVERY_UNIT,
        same_answer(
            result.map(without_units),
            first.answer.result.map(without_units),
        ),
    );
    checks.evaluate_if(
        manner.failing_read.is_some(),
        &check::IMAGE_FAILED_READ_IS_AN_IO_ERROR,
        device
            .failed_sector()
            .is_some_and(|sector| result == Err(ScanError::Io { sector })),
    );
    checks.conclude(case, || {
        format!(
            "at first {:?} after {} reads; as {probe:?} {result:?} after {} reads of which {} bytes were served{}{}",
            first.answer,
            first.reads,
            device.reads(),
            device.bytes_served(),
            again.map_or_else(String::new, |again| format!("; the second scan {again:?}")),
            device
                .failed_sector()
                .map_or_else(String::new, |sector| format!("; the read of sector {sector} failed")),
        )
    });
}

/// Whether two answers are the same but for the words of an error.
fn same_answer(
    one: Result<AllocationSummary, ScanError>,
    other: Result<AllocationSummary, ScanError>,
) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => one == other,
        (Err(one), Err(other)) => std::mem::discriminant(&one) == std::mem::discriminant(&other),
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
fn probe_more_data(
    scanner: &(impl Scanner + ?Sized),
    subject: &Subject<'_>,
    first: First,
    place: u16,
    case: &Reported<'_>,
) {
    let Some(more) = subject.recipe.with_more_data(place) else {
        return;
    };
    let more = Subject::of(&more);
    if subject.truth.is_none() || more.truth.is_none() {
        return;
    }
    let manner = more.manner();
    let device = more.device(&manner);
    let second = more.scan(scanner, &device, &manner);
    if let (Ok(first), Ok(second)) = (first.answer.result, second.result) {
        let units = |summary: AllocationSummary| summary.touched.map_or(0, |units| units.count);
        let mut checks = Checks::default();
        checks.evaluate_if(
            first.virtual_size == second.virtual_size,
            &check::IMAGE_MORE_DATA_COUNTS_MORE,
            first.allocated_bytes <= second.allocated_bytes && units(first) <= units(second),
        );
        checks.conclude(case, || {
            format!(
                "{}; with one run more {}",
                summary_in_words(first),
                summary_in_words(second)
            )
        });
    }
}

/// Every calculator, for images of the units that were counted.
fn probe_calculators(calculators: &(impl Calculators + ?Sized), first: First, case: &Reported<'_>) {
    let Ok(mut summary) = first.answer.result else {
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
    for options in options_for(summary) {
        let answer = options.ask(calculators, &summary);
        let expected = model::calculators::measure(&summary, &options);
        let of_empty = options.ask(calculators, &empty);
        let mut checks = Checks::default();
        checks.evaluate(
            &check::IMAGE_CALCULATORS_ACCEPT,
            answer.is_ok() || answer == of_empty,
        );
        checks.evaluate(&check::IMAGE_CALCULATORS_ARE_EXACT, answer == expected);
        checks.conclude(case, || {
            format!(
                "{}; {options:?} answers {answer:?}, of an empty disk {of_empty:?}; the model answers {expected:?}",
                summary_in_words(summary)
            )
        });
    }
}

/// Options of every format, whose unit is the summary's where that is possible.
fn options_for(summary: AllocationSummary) -> [Options; 5] {
    let unit = summary.touched.map(|units| units.unit);
    let size = |default: u32| {
        unit.and_then(|unit| u32::try_from(unit).ok())
            .unwrap_or(default)
    };
    [
        Options::Raw,
        Options::Qcow2(Qcow2Opts {
            cluster_size: size(65536),
            refcount_bits: 16,
            compat_v3: true,
            extended_l2: false,
            lazy_refcounts: false,
            compress: false,
            preallocation: Preallocation::Off,
            luks_header_overhead: None,
        }),
        Options::Vmdk(VmdkOpts {
            subformat: VmdkSubformat::MonolithicSparse,
            grain_size: size(65536),
        }),
        Options::Vhd(VhdOpts {
            subformat: VhdSubformat::Dynamic,
            block_size: size(2 << 20),
            force_size: true,
        }),
        Options::Vhdx(VhdxOpts {
            block_size: size(0),
        }),
    ]
}

/// What the calculator of the image's own format requires, against its file.
fn probe_own_format(
    calculators: &(impl Calculators + ?Sized),
    scanner: &(impl Scanner + ?Sized),
    subject: &Subject<'_>,
    case: &Reported<'_>,
) {
    let Some(own) = subject.truth.as_ref().and_then(|truth| truth.own_size) else {
        return;
    };
    let manner = Manner {
        unit: NonZeroU64::new(
            own.options
                .unit(subject.truth.as_ref().map_or(0, |truth| truth.virtual_size)),
        ),
        ..subject.manner()
    };
    let device = subject.device(&manner);
    let Ok(summary) = subject.scan(scanner, &device, &manner).result else {
        return;
    };
    let answer = own.options.ask(calculators, &summary);
    let mut checks = Checks::default();
    checks.evaluate(
        &check::IMAGE_REQUIRED_FITS_THE_FILE,
        answer.is_ok_and(|answer| (own.at_least..=own.at_most).contains(&answer.required)),
    );
    checks.conclude(case, || {
        format!(
            "{}; {:?} answers {answer:?}, where required is at least {} and at most {}; the file has {} bytes",
            summary_in_words(summary),
            own.options,
            own.at_least,
            own.at_most,
            subject.image.capacity()
        )
    });
}

/// An input, which is described only when a check failed.
struct Reported<'a>(&'a [u8]);

impl Describe for Reported<'_> {
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
        format!(
            "use harness_core::subject::{{ScanFormat, ScanRequest, Scanner}};\n\
             let recipe = harness_core::recipe::Recipe::decode(&[{bytes}]).unwrap();\n\
             let mut image = recipe.build().image;\n\
             image.set_capacity(recipe.conditions.capacity(image.capacity()));\n\
             let mut device = harness_core::MockDevice::new(recipe.conditions.sector_size, recipe.conditions.index);\n\
             device.set_sparse_input(&image);\n\
             let mut caches = [vec![0; 65536], vec![0; 65536]];\n\
             let [first, second] = &mut caches;\n\
             harness_core::BuiltIn.scan(ScanRequest {{ format: ScanFormat::{format:?}, \
             calls: device.build_call_table(), device: device.index(), caches: [first, second], \
             unit: {unit}, twice: false }})\n"
        )
    }
}
