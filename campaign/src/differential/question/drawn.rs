//! Questions at random: every format and option, sizes near the limits at which an answer changes.

use measure::{Preallocation, Qcow2Opts, VhdOpts, VhdSubformat, VhdxOpts, VmdkOpts, VmdkSubformat};
use types::Options;

use super::{Fill, Question, Source, Way, With};
use crate::differential::random::Random;
use crate::differential::{Format, qemu};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// The largest file of zeros that is made for a case, in bytes; file systems have limits.
const LARGEST_FILE: u64 = TIB;

impl Question {
    /// Draws a question about an image of that format.
    #[must_use]
    pub fn draw(format: Format, random: &mut Random) -> Self {
        match format {
            Format::Raw => draw_measured(Options::Raw, LARGEST_FILE, random),
            Format::Qcow2 => {
                let opts = draw_qcow2(random);
                draw_measured(Options::Qcow2(opts), qcow2_limit(&opts), random)
            }
            Format::Vmdk => draw_vmdk(random),
            Format::Vhd => draw_vhd(random),
            Format::Vhdx => draw_vhdx(random),
        }
    }
}

/// The largest disk that the L1 table of such an image covers, in bytes.
fn qcow2_limit(opts: &Qcow2Opts) -> u64 {
    let entry = if opts.extended_l2 { 16 } else { 8 };
    let cluster = u64::from(opts.cluster_size);
    (cluster / entry)
        .saturating_mul(cluster)
        .saturating_mul(4 << 20)
}

/// A size around one at which a format changes its mind.
fn near(at: u64, random: &mut Random) -> u64 {
    let step = random.pick(&[0, 1, 2, 511, 512, 513, 65536]);
    if random.once_in(2) {
        at.saturating_add(step)
    } else {
        at.saturating_sub(step)
    }
}

/// A size of any magnitude up to `most` bytes, often a whole number of something.
fn any_size(most: u64, random: &mut Random) -> u64 {
    let size = random.log_uniform(64 - most.leading_zeros()).min(most);
    let size = size & random.pick(&[u64::MAX, !511, !511, !0xffff, !0xf_ffff]);
    // An empty disk is a case like others, and not one in ten.
    if size == 0 && !random.once_in(8) {
        return most.min(1 + random.log_uniform(24));
    }
    size
}

/// A question for `qemu-img measure`, whose format changes its mind at `limit` bytes.
fn draw_measured(options: Options, limit: u64, random: &mut Random) -> Question {
    let way = match random.below(8) {
        0..3 => Way::MeasureSize,
        3..6 => Way::Measure(Source::Raw),
        _ => Way::Measure(Source::Qcow2(1 << (9 + random.below(10)))),
    };
    let size = match way {
        Way::MeasureSize => match random.below(8) {
            0 => near(limit, random),
            1 => near(1 << 63, random),
            2 => random.next(),
            _ => any_size(limit, random),
        },
        _ => any_size(limit.min(LARGEST_FILE), random),
    };
    fill(options, size, way, random)
}

/// Adds data to the question.
fn fill(options: Options, size: u64, way: Way, random: &mut Random) -> Question {
    let mut question = Question {
        options,
        size,
        fills: Vec::new(),
        way,
    };
    // Where data begins and ends: a host's file has holes of whole pages, a qcow2 image of clusters.
    let step = match way {
        Way::MeasureSize | Way::Create | Way::ConvertAll => return question,
        Way::Convert(Source::Raw) => 1,
        Way::Measure(Source::Raw) => {
            if model::calculators::unit(&options, size).is_multiple_of(4 * KIB) {
                1
            } else {
                4 * KIB
            }
        }
        Way::Measure(Source::Qcow2(cluster)) | Way::Convert(Source::Qcow2(cluster)) => {
            // The source takes whole sectors, and compressed clusters are whole.
            question.size = size
                .next_multiple_of(cluster)
                .min(qcow2_source_limit(cluster));
            cluster
        }
    };
    let size = question.size;
    let mut starts: Vec<u64> = (0..random.below(9))
        .map(|_| match random.below(4) {
            0 => random.below(size.min(4 * MIB)),
            1 => size.saturating_sub(1 + random.below(size.min(4 * MIB))),
            _ => random.below(size),
        })
        .collect();
    starts.sort_unstable();
    let mut free = 0;
    for start in starts {
        let with = match way {
            Way::Measure(Source::Qcow2(_)) | Way::Convert(Source::Qcow2(_)) => {
                random.pick(&[With::Data, With::Data, With::Compressed, With::Zeroes])
            }
            _ => With::Data,
        };
        let length = match with {
            // qemu-io compresses a cluster at a time.
            With::Compressed => step,
            _ => 1 + random.log_uniform(18),
        };
        let start = (start - start % step).max(free);
        let end = start
            .saturating_add(length)
            .checked_next_multiple_of(step)
            .unwrap_or(u64::MAX)
            .min(size);
        if start < end {
            question.fills.push(Fill { start, end, with });
            free = end;
        }
    }
    question
}

/// The largest qcow2 source with such clusters, in bytes.
fn qcow2_source_limit(cluster: u64) -> u64 {
    qcow2_limit(&Qcow2Opts {
        cluster_size: cluster as u32,
        ..Qcow2Opts::default()
    })
    // A large table of small clusters takes long to write.
    .min(cluster << 24)
}

fn draw_qcow2(random: &mut Random) -> Qcow2Opts {
    let legal = Qcow2Opts {
        cluster_size: 1 << (9 + random.below(13)),
        refcount_bits: 1 << random.below(7),
        compat_v3: true,
        extended_l2: random.once_in(3),
        lazy_refcounts: random.once_in(4),
        compress: random.once_in(4),
        preallocation: random.pick(&[
            Preallocation::Off,
            Preallocation::Off,
            Preallocation::Metadata,
            Preallocation::Falloc,
            Preallocation::Full,
        ]),
        luks_header_overhead: None,
    };
    match random.below(16) {
        0 => Qcow2Opts {
            cluster_size: random.pick(&[0, 1, 256, 511, 513, 3 << 16, 4 << 20, 1 << 31]),
            ..legal
        },
        1 => Qcow2Opts {
            refcount_bits: 0xff,
            ..legal
        },
        2 => Qcow2Opts {
            compat_v3: false,
            ..legal
        },
        3..6 => Qcow2Opts {
            compat_v3: false,
            refcount_bits: 16,
            extended_l2: false,
            lazy_refcounts: false,
            ..legal
        },
        // Small clusters cannot have subclusters.
        6 => legal,
        _ => Qcow2Opts {
            extended_l2: legal.extended_l2 && legal.cluster_size >= 16384,
            ..legal
        },
    }
}

/// How an image of a format that `measure` does not answer for is made: `limit` is the format's, in
/// bytes, and `convertible` the largest disk that is quickly converted.
fn draw_written(options: Options, limit: u64, convertible: u64, random: &mut Random) -> Question {
    let way = match random.below(8) {
        0 | 1 => Way::Create,
        2 => Way::ConvertAll,
        3..7 => Way::Convert(Source::Raw),
        _ => Way::Convert(Source::Qcow2(1 << (12 + random.below(6)))),
    };
    let size = match way {
        Way::Create => match random.below(4) {
            0 => near(limit, random),
            1 => near(1 << (9 + random.below(55)), random),
            _ => any_size(limit, random),
        },
        Way::ConvertAll => any_size(16 * MIB, random),
        _ => any_size(convertible.min(LARGEST_FILE), random),
    };
    fill(options, size, way, random)
}

fn draw_vmdk(random: &mut Random) -> Question {
    let subformat = random.pick(&[
        VmdkSubformat::MonolithicSparse,
        VmdkSubformat::MonolithicSparse,
        VmdkSubformat::StreamOptimized,
        VmdkSubformat::MonolithicFlat,
    ]);
    // The only size that qemu-img writes.
    let grain_size = 65536;
    let options = Options::Vmdk(VmdkOpts {
        subformat,
        grain_size,
    });
    let limit = match subformat {
        VmdkSubformat::MonolithicFlat => LARGEST_FILE,
        // From here on all of its numbers are cut to 32 bits.
        _ => ((1 << 32) - 512) * u64::from(grain_size),
    };
    let question = draw_written(options, limit, LARGEST_FILE, random);
    match (subformat, question.way) {
        // Zeros that are written are deflated.
        (VmdkSubformat::StreamOptimized, Way::ConvertAll) => Question {
            way: Way::Create,
            ..question
        },
        // An empty flat disk has no extent, at which qemu-img aborts.
        (VmdkSubformat::MonolithicFlat, _) => Question {
            size: question.size.clamp(1, LARGEST_FILE),
            ..question
        },
        _ => question,
    }
}

fn draw_vhd(random: &mut Random) -> Question {
    let options = Options::Vhd(VhdOpts {
        subformat: random.pick(&[
            VhdSubformat::Dynamic,
            VhdSubformat::Dynamic,
            VhdSubformat::Fixed,
        ]),
        // The only size that qemu-img writes.
        block_size: 2 << 20,
        force_size: random.once_in(3),
    });
    let geometries = [
        17 * 4 * 1024,
        17 * 16 * 1024,
        31 * 16 * 1024,
        65535 * 16 * 63,
        65535 * 16 * 255,
        0xff00_0000,
    ];
    let limit = random.pick(&geometries) * 512;
    draw_written(options, limit, limit, random)
}

fn draw_vhdx(random: &mut Random) -> Question {
    let block_size = match random.below(16) {
        0 => random.pick(&[
            1,
            1 << 19,
            (1 << 20) + 1,
            3 << 20,
            5 << 20,
            1 << 29,
            1 << 31,
        ]),
        1..5 => 0,
        _ => 1 << (20 + random.below(9)),
    };
    let options = Options::Vhdx(VhdxOpts { block_size });
    // A BAT of at most 16 MiB is quickly read and written.
    let quick = u64::from(block_size.max(1 << 20)).saturating_mul(2 << 20);
    let limit = random.pick(&[1 << 30, 100 << 30, 32 * TIB, 64 * TIB, quick]);
    let mut question = draw_written(options, limit.min(quick), quick, random);
    if question.size == 0 && model::calculators::unit(&options, 0) > 8 * MIB {
        // The table that QEMU writes for a disk of no blocks would be one of gigabytes.
        question.size = 1;
    }
    // QEMU writes the rest of a new block.
    let block = model::calculators::unit(&options, question.size).max(1);
    let most = (64 * MIB / block).max(1);
    while qemu::touched(&question.data(), block) > most && question.fills.pop().is_some() {}
    question
}
