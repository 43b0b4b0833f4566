//! Questions at random: sizes near the limits at which an answer changes, data at random places.

use fastrand::Rng;
use types::Options as CalcOptions;

use super::question::{Fill, Question, Source, Way, With};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// The largest file of zeros that is made for a case, in bytes; file systems have limits.
pub(crate) const LARGEST_FILE: u64 = 1 << 40;

/// The numbers of one case: the `nth` of a kind, in a run with that seed.
pub(crate) fn of_case(seed: u64, kind: u64, nth: u64) -> Rng {
    let mixed = |seed: u64, part: u64| Rng::with_seed(seed).u64(..) ^ part;
    Rng::with_seed(mixed(mixed(seed, kind), nth))
}

/// One of `from`, which is not empty.
pub fn pick<T: Copy>(random: &mut Rng, from: &[T]) -> T {
    from[random.usize(..from.len())]
}

/// Yes, once in `times`.
pub(crate) fn once_in(random: &mut Rng, times: u64) -> bool {
    random.u64(..times) == 0
}

/// A number below two to a power that is itself random, up to `bits`: small ones are as likely as
/// large ones.
pub(crate) fn log_uniform(random: &mut Rng, bits: u32) -> u64 {
    let width = random.u32(..=bits);
    random.u64(..) & u64::MAX.checked_shr(64 - width).unwrap_or(0)
}

/// A size around one at which a format changes its mind.
fn near(at: u64, random: &mut Rng) -> u64 {
    let step = pick(random, &[0, 1, 2, 511, 512, 513, 65536]);
    if random.bool() {
        at.saturating_add(step)
    } else {
        at.saturating_sub(step)
    }
}

/// A size of any magnitude up to `most` bytes, often a whole number of something.
fn any_size(most: u64, random: &mut Rng) -> u64 {
    let size = log_uniform(random, 64 - most.leading_zeros()).min(most);
    let size = size & pick(random, &[u64::MAX, !511, !511, !0xffff, !0xf_ffff]);
    // An empty disk is a case like others, and not one in ten.
    if size == 0 && !once_in(random, 8) {
        return most.min(1 + log_uniform(random, 24));
    }
    size
}

/// A question for `qemu-img measure`, whose format changes its mind at `limit` bytes.
pub(crate) fn draw_measured(options: CalcOptions, limit: u64, random: &mut Rng) -> Question {
    let way = match random.u8(..8) {
        0..3 => Way::MeasureSize,
        3..6 => Way::Measure(Source::Raw),
        _ => Way::Measure(Source::Qcow2(1 << (9 + random.u32(..10)))),
    };
    let size = match way {
        Way::MeasureSize => match random.u8(..8) {
            0 => near(limit, random),
            1 => near(1 << 63, random),
            2 => random.u64(..),
            _ => any_size(limit, random),
        },
        _ => any_size(limit.min(LARGEST_FILE), random),
    };
    fill(options, size, way, random)
}

/// A question about an image of a format that `measure` does not answer for, which is made: `limit` is the
/// format's, in bytes, and `convertible` the largest disk that is quickly converted.
pub(crate) fn draw_written(
    options: CalcOptions,
    limit: u64,
    convertible: u64,
    random: &mut Rng,
) -> Question {
    let way = match random.u8(..8) {
        0 | 1 => Way::Create,
        2 => Way::ConvertAll,
        3..7 => Way::Convert(Source::Raw),
        _ => Way::Convert(Source::Qcow2(1 << (12 + random.u32(..6)))),
    };
    let size = match way {
        Way::Create => match random.u8(..4) {
            0 => near(limit, random),
            1 => near(1 << (9 + random.u32(..55)), random),
            _ => any_size(limit, random),
        },
        Way::ConvertAll => any_size(16 * MIB, random),
        _ => any_size(convertible.min(LARGEST_FILE), random),
    };
    fill(options, size, way, random)
}

/// Adds data to the question.
fn fill(options: CalcOptions, size: u64, way: Way, random: &mut Rng) -> Question {
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
            question.size = size.next_multiple_of(cluster).min(largest_source(cluster));
            cluster
        }
    };
    let size = question.size;
    let mut starts: Vec<u64> = (0..random.u8(..9))
        .map(|_| match random.u8(..4) {
            0 => random.u64(..size.clamp(1, 4 * MIB)),
            1 => size.saturating_sub(1 + random.u64(..size.clamp(1, 4 * MIB))),
            _ => random.u64(..size.max(1)),
        })
        .collect();
    starts.sort_unstable();
    let mut free = 0;
    for start in starts {
        let with = match way {
            Way::Measure(Source::Qcow2(_)) | Way::Convert(Source::Qcow2(_)) => pick(
                random,
                &[With::Data, With::Data, With::Compressed, With::Zeroes],
            ),
            _ => With::Data,
        };
        let length = match with {
            // qemu-io compresses a cluster at a time.
            With::Compressed => step,
            _ => 1 + log_uniform(random, 18),
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

/// The largest qcow2 source with clusters of that size, in bytes: its L1 table has at most 4 Mi entries. A
/// large table of small clusters takes long to write.
fn largest_source(cluster: u64) -> u64 {
    let covered = (cluster / 8).saturating_mul(cluster);
    covered.saturating_mul(4 << 20).min(cluster << 24)
}
