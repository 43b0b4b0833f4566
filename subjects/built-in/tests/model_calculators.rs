//! The reference calculators against the built-in ones: the same answers and the same errors, on a fixed
//! stream of questions that reaches every kind of answer of every format.

use built_in::BuiltIn;
use harness_core::calc::{CalcCase, MAX_INPUT};
use harness_core::subject::{Calculators as _, Measured};
use model::calculators::measure;
use types::{AllocationSummary, Options, TouchedUnits};
use types::{
    MeasureError, Preallocation, Qcow2Opts, VhdOpts, VhdSubformat, VhdxOpts, VmdkOpts,
    VmdkSubformat,
};

/// A disk and a calculator with its options.
type Question = (AllocationSummary, Options);

/// Random numbers from a seed.
struct Random(fastrand::Rng);

impl Random {
    fn next(&mut self) -> u64 {
        self.0.u64(..)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0.u64(..end)
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    fn any_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }

    /// As likely small as large: of any number of bits.
    fn of_any_length(&mut self) -> u64 {
        self.next() >> self.below(64)
    }

    /// A number a few steps from another.
    fn near(&mut self, number: u64) -> u64 {
        let step = self.any_of(&[1, 1, 256, 512]);
        number
            .wrapping_add(self.below(9) * step)
            .wrapping_sub(4 * step)
    }
}

/// One of the question's numbers at most as large as `most`: none, all, nearly all, one too many, or any.
fn part_of(random: &mut Random, most: u64) -> u64 {
    match random.below(8) {
        0 => 0,
        1 => most,
        2 => random.near(most),
        3 => random.of_any_length(),
        4 => most.wrapping_add(1),
        _ => random.next() % most.saturating_add(1),
    }
}

/// Where the formats' answers change: powers of two, multiples of units and tables, geometries, limits.
fn size(random: &mut Random, unit: u64) -> u64 {
    let unit = unit.max(1);
    match random.below(8) {
        0 => random.next(),
        1 => random.of_any_length(),
        2 => {
            let power = 1 << random.below(64);
            random.near(power)
        }
        // Any number of units or of a table's reach of units.
        3 => {
            let table = [1, unit / 8, unit / 16, 512, 128 * 512, 1 << 12][random.below(6) as usize];
            let reach = unit.saturating_mul(table.max(1)).min(1 << 60);
            let count = random.of_any_length() % ((1 << 62) / reach).max(1);
            random.near(count.wrapping_mul(reach))
        }
        // Slices of tracks, and cylinders, of VHD's geometries.
        4 => {
            let sectors = random.below(16) * 17 * 1024 + random.below(40);
            random.near(sectors.wrapping_sub(20).wrapping_mul(512))
        }
        5 => {
            let cylinder = random.any_of(&[68, 85, 187, 272, 496, 1008, 4080]);
            let cylinders = random.of_any_length() % 65_537;
            random.near(cylinders * cylinder * 512)
        }
        6 => {
            let limit = random.any_of(&[
                504 << 20,
                65535 * 16 * 63 * 512,
                65535 * 16 * 255 * 512,
                65535 * 16 * 254 * 512,
                0xff00_0000 << 9,
                1 << 30,
                100 << 30,
                32 << 40,
                64 << 40,
                (1 << 48) - (1 << 16),
                (1 << 44) - (1 << 12),
                1 << 37,
                1 << 51,
                1 << 61,
                (1 << 63) - 1,
                1 << 63,
                0,
            ]);
            random.near(limit)
        }
        // What all formats take.
        _ => random.below(1 << 41),
    }
}

fn options(random: &mut Random) -> Options {
    let unit = |random: &mut Random, legal: [u32; 2]| match random.below(16) {
        0 => random.next() as u32,
        1 => 1 << random.below(32),
        2 => random.any_of(&[0, legal[0] / 2, legal[1].wrapping_mul(2), legal[0] + 1]),
        3 => legal[0] * 3,
        _ => {
            legal[0]
                << random.below(u64::from(legal[0].leading_zeros() - legal[1].leading_zeros()) + 1)
        }
    };
    match random.below(10) {
        0 => Options::Raw,
        1 | 2 => Options::Vmdk(VmdkOpts {
            subformat: random.any_of(&[
                VmdkSubformat::MonolithicSparse,
                VmdkSubformat::StreamOptimized,
                VmdkSubformat::MonolithicFlat,
            ]),
            grain_size: unit(random, [4 << 10, 64 << 10]),
        }),
        3 | 4 => Options::Vhd(VhdOpts {
            subformat: random.any_of(&[VhdSubformat::Dynamic, VhdSubformat::Fixed]),
            block_size: unit(random, [512 << 10, 2 << 30]),
            force_size: random.chance(4),
        }),
        5 | 6 => Options::Vhdx(VhdxOpts {
            block_size: match random.below(3) {
                0 => 0,
                _ => unit(random, [1 << 20, 256 << 20]),
            },
        }),
        _ => {
            let compat_v3 = !random.chance(6);
            let any_width = random.any_of(&[1, 2, 4, 8, 16, 32, 64, 0, 3, 128, 255]);
            Options::Qcow2(Qcow2Opts {
                cluster_size: unit(random, [512, 2 << 20]),
                refcount_bits: if compat_v3 || random.chance(4) {
                    any_width
                } else {
                    16
                },
                compat_v3,
                extended_l2: random.chance(6),
                lazy_refcounts: random.chance(6),
                compress: random.chance(2),
                preallocation: random.any_of(&[
                    Preallocation::Off,
                    Preallocation::Metadata,
                    Preallocation::Falloc,
                    Preallocation::Full,
                ]),
                luks_header_overhead: match random.below(8) {
                    0 => Some(random.next()),
                    1 => Some(random.of_any_length()),
                    2 => Some(random.near(0)),
                    3 => Some(random.near(1 << 63)),
                    4 => Some(2_068_480),
                    _ => None,
                },
            })
        }
    }
}

/// A question made knowing what the formats are about.
fn question(random: &mut Random) -> Question {
    let options = options(random);
    let virtual_size = size(random, model::calculators::unit(&options, 1 << 40));
    let allocated_bytes = part_of(random, virtual_size).min(match random.below(4) {
        0 => u64::MAX,
        _ => virtual_size,
    });
    let own_unit = model::calculators::unit(&options, virtual_size);
    let unit = match random.below(16) {
        0 => random.any_of(&[0, 1, 512, 64 << 10, u64::MAX, own_unit / 2, own_unit * 2]),
        1 => random.of_any_length(),
        _ => own_unit,
    };
    let count = part_of(random, virtual_size.checked_div(unit).unwrap_or(0));
    let count = match random.below(2) {
        0 => count,
        _ => count.min(virtual_size.div_ceil(unit.max(1))),
    };
    let summary = AllocationSummary {
        virtual_size,
        allocated_bytes,
        touched: random.chance(2).then_some(TouchedUnits { unit, count }),
    };
    (summary, options)
}

/// A question as the fuzz target decodes it from random bytes. The target's own checks hold for it: what
/// is true of every answer, and how the answers to related questions relate.
fn decoded(random: &mut Random) -> Question {
    let mut bytes = [0; MAX_INPUT];
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&random.next().to_le_bytes()[..chunk.len()]);
    }
    built_in::fuzz_measure_calc(&bytes);
    let case = CalcCase::decode(&bytes).expect("an input of the full length is a case");
    (case.summary, case.options)
}

/// What is told apart in the count of answers.
const FORMATS: [&str; 8] = [
    "raw",
    "qcow2",
    "VMDK sparse",
    "VMDK stream",
    "VMDK flat",
    "VHD dynamic",
    "VHD fixed",
    "VHDX",
];
const ANSWERS: [&str; 4] = ["Ok", "InvalidOption", "InvalidSize", "Overflow"];

fn format(options: &Options) -> usize {
    match options {
        Options::Raw => 0,
        Options::Qcow2(_) => 1,
        Options::Vmdk(opts) => match opts.subformat {
            VmdkSubformat::MonolithicSparse => 2,
            VmdkSubformat::StreamOptimized => 3,
            VmdkSubformat::MonolithicFlat => 4,
        },
        Options::Vhd(opts) => match opts.subformat {
            VhdSubformat::Dynamic => 5,
            VhdSubformat::Fixed => 6,
        },
        Options::Vhdx(_) => 7,
    }
}

fn answer(measured: &Measured) -> usize {
    match measured {
        Ok(_) => 0,
        Err(MeasureError::InvalidOption) => 1,
        Err(MeasureError::InvalidSize) => 2,
        Err(MeasureError::Overflow) => 3,
    }
}

const QUESTIONS: u64 = 4_000_000;

#[test]
fn the_same_answers_and_the_same_errors() {
    let mut random = Random(fastrand::Rng::with_seed(2026));
    let mut seen = [[0_u64; ANSWERS.len()]; FORMATS.len()];
    for nth in 0..QUESTIONS {
        let (summary, options) = if nth % 4 == 0 {
            decoded(&mut random)
        } else {
            question(&mut random)
        };
        let expected = measure(&summary, &options);
        assert_eq!(
            expected,
            BuiltIn.measure(&summary, &options),
            "the model says left, the code under test right: {options:?} {summary:?}"
        );
        seen[format(&options)][answer(&expected)] += 1;
    }

    for (format, counts) in FORMATS.into_iter().zip(seen) {
        println!("{format}: {ANSWERS:?} = {counts:?}");
        for (answer, count) in ANSWERS.into_iter().zip(counts) {
            // What these formats never answer: their limits are far below what does not fit.
            let never = answer == "Overflow" && !["raw", "qcow2", "VMDK flat"].contains(&format);
            if never {
                assert_eq!(count, 0, "{format} answers {answer}");
            } else {
                assert!(count >= 500, "{format} answers {answer} only {count} times");
            }
        }
    }
}

/// All sizes and all units, sector by sector, where the answers of a small format change most often.
#[test]
fn the_same_answers_around_every_cylinder_of_17_sectors() {
    let options = Options::Vhd(VhdOpts {
        subformat: VhdSubformat::Fixed,
        block_size: 2 << 20,
        force_size: false,
    });
    for sectors in 0..520_000 {
        let summary = AllocationSummary {
            virtual_size: sectors * 512,
            allocated_bytes: 0,
            touched: None,
        };
        assert_eq!(
            measure(&summary, &options),
            BuiltIn.measure(&summary, &options),
            "{sectors} sectors"
        );
    }
}
