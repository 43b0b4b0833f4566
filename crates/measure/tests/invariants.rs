//! What holds for every answer, over a pseudo-random sweep of legal, limiting and senseless questions.

use measure::{
    MeasureError, MeasureOutput, Options, Preallocation, Qcow2Opts, VhdOpts, VhdSubformat,
    VhdxOpts, VmdkOpts, VmdkSubformat, measure_qcow2, measure_raw, measure_vhd, measure_vhdx,
    measure_vmdk,
};
use shared::AllocationSummary;
use testing::random::Random;

type Answer = Result<MeasureOutput, MeasureError>;

/// Any number of bits, and often next to a power of two.
fn size(random: &mut Random) -> u64 {
    let power = 1_u64 << random.below(64);
    match random.below(4) {
        0 => power.wrapping_sub(1),
        1 => power,
        2 => power + 1,
        _ => random.next() & power.wrapping_sub(1),
    }
}

/// Mostly a power of two, now and then anything.
#[allow(clippy::cast_possible_truncation, reason = "any u32 will do")]
fn option(random: &mut Random) -> u32 {
    match random.below(8) {
        0 => random.next() as u32,
        1 => 0,
        _ => 1 << random.below(32),
    }
}

/// One question, for all formats.
struct Question {
    disk: AllocationSummary,
    touched: bool,
    qcow2: Qcow2Opts,
    vmdk: VmdkOpts,
    vhd: VhdOpts,
    vhdx: VhdxOpts,
}

impl Question {
    fn ask(random: &mut Random) -> Self {
        let virtual_size = size(random);
        let allocated_bytes = match random.below(8) {
            0 => size(random),
            1 => virtual_size,
            _ => random.next() % virtual_size.max(1),
        };
        Self {
            disk: AllocationSummary::new(virtual_size, allocated_bytes),
            touched: random.coin(),
            qcow2: Qcow2Opts {
                cluster_size: if random.coin() {
                    1 << (9 + random.below(13))
                } else {
                    option(random)
                },
                refcount_bits: random.pick(&[1, 2, 4, 8, 16, 16, 16, 32, 64, 0xff]),
                compat_v3: random.coin(),
                extended_l2: random.below(4) == 0,
                lazy_refcounts: random.below(4) == 0,
                compress: random.coin(),
                preallocation: random.pick(&[
                    Preallocation::Off,
                    Preallocation::Metadata,
                    Preallocation::Falloc,
                    Preallocation::Full,
                ]),
                luks_header_overhead: random.coin().then(|| size(random)),
            },
            vmdk: VmdkOpts {
                subformat: random.pick(&[
                    VmdkSubformat::MonolithicSparse,
                    VmdkSubformat::StreamOptimized,
                    VmdkSubformat::MonolithicFlat,
                ]),
                grain_size: if random.coin() { 65536 } else { option(random) },
            },
            vhd: VhdOpts {
                subformat: random.pick(&[VhdSubformat::Dynamic, VhdSubformat::Fixed]),
                block_size: if random.coin() {
                    2 << 20
                } else {
                    option(random)
                },
                force_size: random.coin(),
            },
            vhdx: VhdxOpts {
                block_size: if random.coin() { 0 } else { option(random) },
            },
        }
    }

    /// The answers for `disk`, with units counted as the data can at least or at most touch.
    fn answers(&self, disk: AllocationSummary, most: bool) -> [Answer; 5] {
        let counted = |unit: u64| {
            if !self.touched || unit == 0 {
                disk
            } else if most {
                disk.with_touched(unit, disk.virtual_size.div_ceil(unit))
            } else {
                disk.with_touched(unit, disk.allocated_bytes.div_ceil(unit))
            }
        };
        [
            measure_raw(&counted(512)),
            measure_qcow2(&counted(self.qcow2.cluster_size.into()), &self.qcow2),
            measure_vmdk(&counted(self.vmdk.grain_size.into()), &self.vmdk),
            measure_vhd(&counted(self.vhd.block_size.into()), &self.vhd),
            measure_vhdx(
                &counted(
                    measure::unit(&Options::Vhdx(self.vhdx), disk.virtual_size).unwrap_or_default(),
                ),
                &self.vhdx,
            ),
        ]
    }
}

const FORMATS: [&str; 5] = ["raw", "qcow2", "vmdk", "vhd", "vhdx"];

#[test]
fn every_answer_is_consistent_and_every_question_has_one() {
    let mut random = Random(1);
    let mut answered = [0_u32; 5];
    let mut refused = [[0_u32; 3]; 5];
    for _ in 0..200_000 {
        let question = Question::ask(&mut random);
        let answers = question.answers(question.disk, false);
        let most = question.answers(question.disk, true);
        let full = AllocationSummary {
            allocated_bytes: question.disk.virtual_size,
            ..question.disk
        };
        let full = question.answers(full, true);
        for (format, answer) in answers.into_iter().enumerate() {
            let what = || {
                format!(
                    "{}: {:?} {:?} {:?} {:?} {:?} gives {answer:?}",
                    FORMATS[format],
                    question.disk,
                    question.qcow2,
                    question.vmdk,
                    question.vhd,
                    question.vhdx
                )
            };
            match answer {
                Ok(out) => {
                    answered[format] += 1;
                    assert!(out.required <= out.fully_allocated, "{}", what());
                    assert!(
                        out.required.checked_add(out.fully_allocated).is_some(),
                        "{}",
                        what()
                    );
                    let most = most[format].unwrap();
                    assert!(out.required <= most.required, "{}", what());
                    assert_eq!(out.fully_allocated, most.fully_allocated, "{}", what());
                    let bytes = out.fully_allocated >= question.disk.virtual_size;
                    assert!(bytes, "{}", what());
                    // All data there: nothing is missing, but for what a VHD grows by.
                    let full = full[format].unwrap();
                    if FORMATS[format] != "vhd" {
                        assert_eq!(full.required, full.fully_allocated, "{}", what());
                    }
                }
                Err(MeasureError::Overflow) => refused[format][0] += 1,
                Err(MeasureError::InvalidOption) => refused[format][1] += 1,
                Err(MeasureError::InvalidSize) => {
                    refused[format][2] += 1;
                    assert!(
                        question.disk.allocated_bytes > question.disk.virtual_size
                            || question.disk.virtual_size > 1 << 37,
                        "{}",
                        what()
                    );
                }
            }
        }
    }
    // The sweep reaches all that it claims to check.
    assert!(answered.iter().all(|&times| times > 10_000), "{answered:?}");
    assert!(
        refused.iter().all(|[_, _, size]| *size > 10_000),
        "{refused:?}"
    );
    assert!(
        refused[1..].iter().all(|[_, option, _]| *option > 10_000),
        "{refused:?}"
    );
    assert!(refused[1][0] > 100, "{refused:?}");
}

#[test]
fn more_data_never_takes_less_room_and_a_larger_disk_neither() {
    let mut random = Random(2);
    let mut compared = [0_u32; 5];
    for _ in 0..100_000 {
        let mut question = Question::ask(&mut random);
        question.touched = false;
        let disk = question.disk;
        if disk.virtual_size == 0 || disk.virtual_size > 1 << 62 {
            continue;
        }
        let more_data = AllocationSummary {
            allocated_bytes: disk.allocated_bytes + random.below(1 << 24),
            ..disk
        };
        let larger = AllocationSummary {
            virtual_size: disk.virtual_size + random.below(1 << 24),
            ..disk
        };
        let before = question.answers(disk, false);
        let after = [more_data, larger].map(|disk| question.answers(disk, false));
        let block_size = |disk: AllocationSummary| {
            measure::unit(&Options::Vhdx(question.vhdx), disk.virtual_size)
        };
        // The automatic block size grows with the disk: then the two cannot be compared.
        let same_block = block_size(disk) == block_size(larger);
        for format in 0..5 {
            for (change, answers) in after.iter().enumerate() {
                if FORMATS[format] == "vhdx" && change == 1 && !same_block {
                    continue;
                }
                if let (Ok(before), Ok(after)) = (before[format], answers[format]) {
                    compared[format] += 1;
                    assert!(
                        before.required <= after.required
                            && before.fully_allocated <= after.fully_allocated,
                        "{}: {disk:?} or {larger:?}, {more_data:?}: {before:?} then {after:?}",
                        FORMATS[format]
                    );
                }
            }
        }
    }
    assert!(compared.iter().all(|&times| times > 10_000), "{compared:?}");
}
