//! Drawing a recipe, and making one simpler.

use fastrand::Rng;
use harness_core::subject::ScanFormat;
use recipes::{LENGTH, at};

use super::draw::{log_uniform, once_in, pick};

/// A recipe's bytes.
pub type Bytes = [u8; LENGTH];

/// A recipe of an undamaged image of that format, on a device that ends with the file. Knobs are zero
/// as often as not, rare ones nearly always; at times anything goes.
pub fn undamaged(format: ScanFormat, random: &mut Rng) -> Bytes {
    let mut bytes = [0; LENGTH];
    let zeros = pick(random, &[1, 2, 4, 8]);
    let rare_zeros = pick(random, &[4, 16, 64, 64]);
    set_some(&mut bytes[at::FORMAT..at::DEVICE], 1, random);
    set_some(&mut bytes[at::DEVICE..=at::DEVICE], 2, random);
    set_some(&mut bytes[at::GEOMETRY..at::RUNS], zeros, random);
    set_some(&mut bytes[at::RARE..], rare_zeros, random);
    let runs = random.usize(..10);
    for nth in 0..runs {
        let run = at::RUNS + 4 * nth;
        set_some(&mut bytes[run..run + 4], 1, random);
        // Plain data as often as anything else.
        if once_in(random, 2) {
            bytes[run + 3] = 0;
        }
    }
    // The low bits are the format, the high ones the version.
    let number = ScanFormat::ALL.iter().position(|&other| other == format);
    bytes[at::FORMAT] = number.unwrap_or(0) as u8;
    bytes[at::CHECKSUMS] &= !3;
    // A size by units is small, and the others go up to the format's limit.
    if !once_in(random, 4) {
        bytes[at::SIZE_MODE] &= !3;
    }
    bytes
}

/// Makes one byte in so many a random one.
fn set_some(bytes: &mut [u8], one_in: u64, random: &mut Rng) {
    for byte in bytes {
        if once_in(random, one_in) {
            *byte = random.u8(..);
        }
    }
}

/// A recipe of an image that is damaged, or on a device that ends elsewhere.
pub(crate) fn damaged(format: ScanFormat, random: &mut Rng) -> Bytes {
    let mut bytes = undamaged(format, random);
    if once_in(random, 2) {
        // Nothing but the damage is out of the ordinary.
        bytes[at::RARE..].fill(0);
    }
    bytes[at::CHECKSUMS] = random.u8(..);
    for damage in bytes[at::DAMAGES..at::RARE]
        .chunks_exact_mut(8)
        .take(1 + log_uniform(random, 2) as usize)
    {
        damage.fill_with(|| random.u8(..));
        damage[0] = random.u8(1..4);
        if once_in(random, 2) {
            // Which field: the first structures are the ones that matter.
            damage[2] = 0;
        }
    }
    if once_in(random, 8) {
        bytes[at::END_MODE] = random.u8(..);
        bytes[at::END] = random.u8(..);
        bytes[at::END + 1] = random.u8(..);
    }
    bytes
}

/// The recipe with less: each byte that is not zero once zero, once half as large.
pub(crate) fn simpler(bytes: &[u8]) -> Vec<Vec<u8>> {
    let with = |at: usize, value: u8| {
        let mut other = bytes.to_vec();
        other[at] = value;
        other
    };
    let set: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] != 0).collect();
    let mut all: Vec<Vec<u8>> = Vec::new();
    // Whole parts first: most of a recipe has no part in a difference.
    for part in [
        at::RARE..bytes.len(),
        at::DAMAGES..at::DAMAGES + 8,
        at::DAMAGES + 8..at::RARE,
        at::RUNS..at::DAMAGES,
        at::GEOMETRY..at::RUNS,
        at::END_MODE..at::GEOMETRY,
        at::CHECKSUMS..at::GEOMETRY,
    ] {
        let mut other = bytes.to_vec();
        other[part.start.min(bytes.len())..part.end.min(bytes.len())].fill(0);
        if other != bytes {
            all.push(other);
        }
    }
    // The format stays.
    let set = || set.iter().copied().filter(|&at| at != at::FORMAT);
    all.extend(set().map(|at| with(at, 0)));
    all.extend(
        set()
            .filter(|&at| bytes[at] > 1)
            .map(|at| with(at, bytes[at] / 2)),
    );
    all
}
