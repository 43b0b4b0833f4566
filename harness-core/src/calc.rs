//! `fuzz_measure_calc`: one question to one calculator.
//!
//! # Input
//! Positional and little-endian; shorter than 42 bytes is rejected.
//!
//! | bytes | meaning |
//! |---|---|
//! | 0 | format mod 5: raw, qcow2, vmdk, vhd, vhdx |
//! | 1 | refcount_bits, selector mod 8: 1, 2, 4, 8, 16, 32, 64, 0xff (invalid) |
//! | 2 | flags: bit 0 extended_l2, 1 lazy_refcounts, 2 compat_v3, 3 compress, 4 VHD force_size |
//! | 3 | preallocation mod 4: Off, Metadata, Falloc, Full |
//! | 4 | VMDK subformat mod 3: MonolithicSparse, StreamOptimized, MonolithicFlat |
//! | 5 | VHD subformat mod 2: Dynamic, Fixed |
//! | 6–13 | virtual_size |
//! | 14–21 | allocated_bytes |
//! | 22–25 | cluster_size |
//! | 26–29 | grain_size |
//! | 30–33 | block_size, of VHD and VHDX |
//! | 34–41 | luks_header_overhead; 0 is none |
//! | 42 | how the numbers are to be read (see below) |
//! | 43–50 | the count of touched units |
//! | 51–58 | the unit they were counted for |
//! | 59 | what else is asked, mod 4: nothing, the same again, of a larger disk, with more data |
//! | 60–67 | how much larger, how much more |
//!
//! What is not there reads as zero, so the first 42 bytes alone mean what they always meant. Byte 42
//! makes likely what uniform numbers hit once in millions: bit 0 takes cluster, grain and block sizes
//! from tables of legal and nearly legal ones; bit 1 takes virtual_size from a table of boundaries
//! and from a few units around them; bit 2 reduces allocated_bytes to what the disk can hold; bit 3
//! reduces the LUKS overhead to 4 MiB; bits 4–5 say whether touched units were counted: 0 not, 1 for the
//! format's own unit, 2 the same and no more than the disk has, 3 for the unit in bytes 51–58.
//!
//! # Checks
//! `calc.*` of [`check::ALL`]: that the answer is the reference model's, in value and in kind of
//! error; what holds for every answer without a model; and how the answers to two questions relate.

mod tables;

use types::{AllocationSummary, Options, TouchedUnits};
use types::{MeasureOutput, Qcow2Opts, VhdOpts, VhdxOpts, VmdkOpts};
use worker::target::THE_FORMAT;
use worker::{Checks, Describe, Outcome, Part};

use crate::answers;
use crate::check;
use crate::formats;
use crate::judgement::Judgement;
use crate::subject::{self, Calculators, Measured};
use recipes::Positional;
use tables::{
    BLOCK_SIZES, CLUSTER_SIZES, GRAIN_SIZES, PREALLOCATIONS, REFCOUNT_BITS, VHD_SUBFORMATS,
    VMDK_SUBFORMATS, boundary_size,
};

/// The shortest input that is a case, in bytes.
pub const MIN_INPUT: usize = 42;

/// The longest input that is read whole, in bytes.
pub const MAX_INPUT: usize = 68;

/// A decoded input: what is asked, of which calculator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CalcCase {
    /// The disk and its data.
    pub summary: AllocationSummary,
    /// The target format.
    pub options: Options,
    /// What else is asked.
    pub probe: Probe,
}

/// A second question, whose answer relates to the first one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// None.
    Nothing,
    /// The same question.
    Again,
    /// The same of a disk larger by so many bytes.
    LargerDisk(u64),
    /// The same of a disk that holds so many bytes more, or touches so many units more.
    MoreData(u64),
}

impl Probe {
    #[inline(always)]
    fn decode(input: &Positional<MAX_INPUT>) -> Self {
        let more = input.u64(60);
        match input.u8(59) & 3 {
            0 => Self::Nothing,
            1 => Self::Again,
            2 => Self::LargerDisk(more),
            _ => Self::MoreData(more),
        }
    }

    /// The second question; `None` when there is none, also because its numbers do not fit 64 bits.
    fn question(self, summary: AllocationSummary) -> Option<AllocationSummary> {
        Some(match self {
            Self::Nothing => return None,
            Self::Again => summary,
            Self::LargerDisk(more) => AllocationSummary {
                virtual_size: summary.virtual_size.checked_add(more)?,
                ..summary
            },
            // Data is either counted in units or taken to lie together.
            Self::MoreData(more) => match summary.touched {
                Some(touched) => AllocationSummary {
                    touched: Some(TouchedUnits {
                        count: touched.count.checked_add(more)?,
                        ..touched
                    }),
                    ..summary
                },
                None => AllocationSummary {
                    allocated_bytes: summary.allocated_bytes.checked_add(more)?,
                    ..summary
                },
            },
        })
    }
}

impl CalcCase {
    /// Decodes an input.
    ///
    /// # Errors
    /// Why the input is not a case: it is shorter than [`MIN_INPUT`].
    #[inline]
    pub fn decode(data: &[u8]) -> Result<Self, &'static str> {
        if data.len() < MIN_INPUT {
            return Err("shorter than 42 bytes");
        }
        // Both readings of a number are made and one is taken: a branch for each would cost an engine
        // that counts edges more than the work.
        let input = Positional::<MAX_INPUT>::new(data);
        let flags = input.u8(2);
        let reading = input.u8(42);
        let from_tables = reading & 1 != 0;
        let cluster_size = pick(from_tables, &CLUSTER_SIZES, input.u32(22));
        let grain_size = pick(from_tables, &GRAIN_SIZES, input.u32(26));
        let block_size = pick(from_tables, &BLOCK_SIZES, input.u32(30));
        let virtual_size = input.u64(6);
        let virtual_size = either(reading & 2 != 0, boundary_size(virtual_size), virtual_size);
        let allocated_bytes = input.u64(14);
        let allocated_bytes = either(
            reading & 4 != 0,
            remainder_up_to(allocated_bytes, virtual_size),
            allocated_bytes,
        );
        let luks = input.u64(34);
        let luks = either(reading & 8 != 0, luks % (4 << 20), luks);

        let options = match input.u8(0) % 5 {
            0 => Options::Raw,
            1 => Options::Qcow2(Qcow2Opts {
                cluster_size,
                refcount_bits: REFCOUNT_BITS[usize::from(input.u8(1) % 8)],
                compat_v3: flags & 4 != 0,
                extended_l2: flags & 1 != 0,
                lazy_refcounts: flags & 2 != 0,
                compress: flags & 8 != 0,
                preallocation: PREALLOCATIONS[usize::from(input.u8(3) % 4)],
                luks_header_overhead: (luks != 0).then_some(luks),
            }),
            2 => Options::Vmdk(VmdkOpts {
                subformat: VMDK_SUBFORMATS[usize::from(input.u8(4) % 3)],
                grain_size,
            }),
            3 => Options::Vhd(VhdOpts {
                subformat: VHD_SUBFORMATS[usize::from(input.u8(5) % 2)],
                block_size,
                force_size: flags & 16 != 0,
            }),
            _ => Options::Vhdx(VhdxOpts { block_size }),
        };
        let touched = match reading >> 4 & 3 {
            0 => None,
            counted => Some(counted_units(
                &input,
                counted,
                model::calculators::unit(&options, virtual_size),
                virtual_size,
            )),
        };
        Ok(Self {
            summary: AllocationSummary {
                virtual_size,
                allocated_bytes,
                touched,
            },
            options,
            probe: Probe::decode(&input),
        })
    }

    /// Asks the calculator, with a summary built as callers build it.
    #[inline]
    pub fn ask(&self, calculators: &(impl Calculators + ?Sized)) -> Measured {
        let AllocationSummary {
            virtual_size,
            allocated_bytes,
            touched,
        } = self.summary;
        let plain = AllocationSummary::new(virtual_size, allocated_bytes);
        let summary = touched.map_or(plain, |TouchedUnits { unit, count }| {
            plain.with_touched(unit, count)
        });
        calculators.measure(&summary, &self.options)
    }
}

/// The count of touched units, as bits 4–5 of byte 42 say: 1, 2 or 3.
fn counted_units(
    input: &Positional<MAX_INPUT>,
    counted: u8,
    own_unit: u64,
    virtual_size: u64,
) -> TouchedUnits {
    let count = input.u64(43);
    match counted {
        2 if own_unit != 0 => TouchedUnits {
            unit: own_unit,
            count: remainder_up_to(count, virtual_size.div_ceil(own_unit)),
        },
        3 => TouchedUnits {
            unit: input.u64(51),
            count,
        },
        _ => TouchedUnits {
            unit: own_unit,
            count,
        },
    }
}

/// `value`, or what it picks from `table`.
#[inline(always)]
fn pick<const N: usize>(from_table: bool, table: &[u32; N], value: u32) -> u32 {
    let picked = table[value as usize % N];
    if from_table { picked } else { value }
}

#[inline(always)]
fn either(first: bool, a: u64, b: u64) -> u64 {
    if first { a } else { b }
}

/// `number` reduced to at most `most`.
#[inline(always)]
fn remainder_up_to(number: u64, most: u64) -> u64 {
    number % most.saturating_add(1)
}

/// Decodes, asks, and asserts what is judged.
///
/// # Panics
/// When a check fails, or the calculator panics.
#[inline]
pub fn run(
    calculators: &(impl Calculators + ?Sized),
    judgement: Judgement,
    data: &[u8],
) -> Outcome {
    let case = match CalcCase::decode(data) {
        Ok(case) => case,
        Err(why) => return Outcome::Rejected(why),
    };
    if let Some(feature) = calculators.not_supported(&case.options) {
        return Outcome::NotJudged(match case.options.name() {
            name if name == feature => format!("{THE_FORMAT}{name}"),
            _ => feature.to_owned(),
        });
    }
    let answer = case.ask(calculators);
    let expected = model::calculators::measure(&case.summary, &case.options);
    let mut checks = Checks::default();
    evaluate_invariants(&case, answer, judgement, &mut checks);
    let has_own_sizes = calculators.has_own_sizes();
    checks.evaluate_if(
        judgement.judges(answer.is_ok(), expected.is_ok()) && !has_own_sizes,
        &check::CALC_ANSWER_IS_EXACT,
        answer == expected,
    );
    let (disk, options) = (case.summary.virtual_size, &case.options);
    let (unit, right_unit) = (
        calculators.unit(options, disk),
        model::calculators::unit(options, disk),
    );
    let details = judgement.has(Judgement::DETAILS);
    checks.evaluate_if(
        details,
        &check::CALC_UNIT_IS_EXACT,
        unit.is_none_or(|unit| unit == right_unit),
    );
    // Any number will do for a key's length: it is that of the data here, in its low 32 bits.
    let (key_bytes, xts) = (case.summary.allocated_bytes as u32, disk & 1 == 0);
    let luks = calculators.luks_payload(key_bytes, xts);
    let right_luks = model::calculators::luks_header(key_bytes, xts);
    checks.evaluate_if(
        details,
        &check::CALC_LUKS_PAYLOAD_IS_EXACT,
        luks.is_none_or(|bytes| bytes == right_luks),
    );
    checks.conclude(&case, |violation| {
        if violation.is_of(&check::CALC_UNIT_IS_EXACT) {
            let unit = unit.unwrap_or_default();
            return violation.with("unit", unit).with("unit_due", right_unit);
        }
        if violation.is_of(&check::CALC_LUKS_PAYLOAD_IS_EXACT) {
            return violation
                .with("key_bytes", u64::from(key_bytes))
                .with("xts", xts.to_string())
                .with("luks_payload", luks.unwrap_or_default())
                .with("luks_payload_due", right_luks);
        }
        violation.answered(
            answers::of_calculator(answer),
            answers::of_calculator(expected),
        )
    });
    if let Some(question) = case.probe.question(case.summary) {
        let second = calculators.measure(&question, &case.options);
        if judgement.has(Judgement::VALUES) {
            evaluate_relation(&case, &question, answer, second);
        }
    }
    let judgement = if has_own_sizes {
        Judgement::VALUES
    } else {
        judgement
    };
    judgement.outcome(answer.is_ok(), expected.is_ok())
}

/// What holds for every answer, evaluated without a branch on whether there is one.
#[inline(always)]
fn evaluate_invariants(
    case: &CalcCase,
    answer: Measured,
    judgement: Judgement,
    checks: &mut Checks,
) {
    let is_ok = answer.is_ok() & judgement.has(Judgement::VALUES);
    let is_accepted = answer.is_ok() & judgement.has(Judgement::ACCEPTS);
    let MeasureOutput {
        required,
        fully_allocated,
    } = answer.unwrap_or(MeasureOutput {
        required: 0,
        fully_allocated: 0,
    });
    let AllocationSummary {
        virtual_size,
        allocated_bytes,
        touched,
    } = case.summary;
    let is_raw = case.options == Options::Raw;
    let has_metadata = formats::has_metadata(&case.options);
    let is_preallocated = formats::is_preallocated(&case.options);
    let units_fit = touched.is_none_or(|TouchedUnits { unit, count }| {
        unit != 0 && count <= virtual_size.div_ceil(unit)
    });

    checks.evaluate_if(
        is_ok,
        &check::CALC_REQUIRED_LE_FULLY_ALLOCATED,
        required <= fully_allocated,
    );
    checks.evaluate_if(
        is_accepted,
        &check::CALC_SUM_FITS_U64,
        required.checked_add(fully_allocated).is_some(),
    );
    checks.evaluate_if(
        is_ok & is_raw,
        &check::CALC_RAW_COVERS_VIRTUAL_SIZE,
        required >= virtual_size,
    );
    checks.evaluate_if(
        is_ok & has_metadata,
        &check::CALC_NON_RAW_HAS_OVERHEAD,
        (required > 0) & (fully_allocated > virtual_size),
    );
    checks.evaluate_if(
        is_ok & is_preallocated,
        &check::CALC_QCOW2_PREALLOCATED_IS_FULL,
        required == fully_allocated,
    );
    checks.evaluate_if(
        is_accepted,
        &check::CALC_IMPOSSIBLE_DATA_REFUSED,
        allocated_bytes <= virtual_size,
    );
    checks.evaluate_if(
        is_accepted & touched.is_some(),
        &check::CALC_IMPOSSIBLE_UNITS_REFUSED,
        units_fit,
    );
}

/// How the answer to the second question relates to the first one's, when both have one.
fn evaluate_relation(
    case: &CalcCase,
    question: &AllocationSummary,
    first: Measured,
    second: Measured,
) {
    let mut checks = Checks::default();
    checks.evaluate_if(
        case.probe == Probe::Again,
        &check::CALC_SAME_ANSWER_AGAIN,
        first == second,
    );
    if let (Ok(first), Ok(second)) = (first, second) {
        let chooses_its_unit = formats::chooses_its_unit(&case.options);
        let grows_from_nothing =
            formats::is_large_when_empty(&case.options) && case.summary.virtual_size == 0;
        checks.evaluate_if(
            matches!(case.probe, Probe::LargerDisk(_)) && !grows_from_nothing,
            &check::CALC_MONOTONE_IN_VIRTUAL_SIZE,
            first.fully_allocated <= second.fully_allocated
                && (chooses_its_unit || first.required <= second.required),
        );
        checks.evaluate_if(
            matches!(case.probe, Probe::MoreData(_)),
            &check::CALC_MONOTONE_IN_DATA,
            first.fully_allocated == second.fully_allocated && first.required <= second.required,
        );
    }
    checks.conclude(case, |violation| {
        let [first, second] = [first, second].map(answers::of_calculator);
        if violation.is_of(&check::CALC_SAME_ANSWER_AGAIN) {
            return violation
                .with("first_answer", first.to_string())
                .with("second_answer", second.to_string());
        }
        // The first answer is exact, so the second one is not.
        let due = model::calculators::measure(question, &case.options);
        violation
            .with("first_answer", first.to_string())
            .answered(second, answers::of_calculator(due))
    });
}

impl Describe for CalcCase {
    fn part(&self) -> Part {
        answers::calculator(&self.options)
    }

    fn in_words(&self) -> String {
        let AllocationSummary {
            virtual_size,
            allocated_bytes,
            touched,
        } = self.summary;
        let mut words = formats::in_words(&self.options);
        words += &format!("; a disk of {virtual_size} bytes of which {allocated_bytes} hold data");
        if let Some(TouchedUnits { unit, count }) = touched {
            words += &format!(" in {count} units of {unit} bytes");
        }
        words += &match self.probe {
            Probe::Nothing => String::new(),
            Probe::Again => "; asked twice".to_owned(),
            Probe::LargerDisk(more) => format!("; and a disk larger by {more} bytes"),
            Probe::MoreData(more) => format!("; and with {more} bytes or units of data more"),
        };
        words
    }

    fn as_rust(&self) -> String {
        let AllocationSummary {
            virtual_size,
            allocated_bytes,
            touched,
        } = self.summary;
        let touched = touched.map_or_else(String::new, |TouchedUnits { unit, count }| {
            format!(".with_touched({unit}, {count})")
        });
        format!(
            "use harness_core::types::{{*, Options::*, Preallocation::*, VhdSubformat::*, VmdkSubformat::*}};\n\
             let summary = AllocationSummary::new({virtual_size}, {allocated_bytes}){touched};\n\
             {}.calculators.measure(&summary, &{:?})\n",
            subject::path(),
            self.options
        )
    }
}
