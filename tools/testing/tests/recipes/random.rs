//! A random recipe.

use fastrand::Rng;
use harness_core::subject::ScanFormat;
use recipes::{LENGTH, at};

/// A recipe's bytes.
pub(crate) type Bytes = [u8; LENGTH];

/// A recipe of `format`, nearly plain or wholly random; without damage unless `damaged`.
pub(crate) fn random_recipe(random: &mut Rng, format: ScanFormat, damaged: bool) -> Bytes {
    let mut bytes = [0; LENGTH];
    let one_in = *random.choice(&[64, 24, 8, 2, 1]).expect("one of five");
    for byte in &mut bytes {
        if random.u64(..one_in) == 0 {
            *byte = random.u8(..);
        }
    }
    if one_in > 2 {
        // Data is what an image is about; most of it is plain.
        for run in 0..random.usize(..9) {
            let run = &mut bytes[at::RUNS + 4 * run..][..4];
            run.copy_from_slice(&random.u32(..).to_le_bytes());
            run[3] = match random.u8(..4) {
                0 => random.u8(..),
                1 => random.u8(..8),
                _ => 0,
            };
        }
        // Sizes of up to 2^15 units.
        bytes[at::SIZE_MODE] = random.u8(..16) << 2;
        bytes[at::SIZE..at::SIZE_TAIL].copy_from_slice(&random.u64(..).to_le_bytes());
        if random.bool() {
            bytes[at::SIZE_TAIL..][..4].copy_from_slice(&random.u32(..).to_le_bytes());
        }
        // What is rare stays rare.
        for byte in &mut bytes[at::RARE..] {
            if random.u8(..4) != 0 {
                *byte = 0;
            }
        }
    }
    if !damaged {
        for damage in bytes[at::DAMAGES..at::RARE].chunks_exact_mut(8) {
            damage[0] &= !3;
        }
        bytes[at::CHECKSUMS] = 0;
        bytes[at::END_MODE] = 0;
    }
    bytes[at::FORMAT] = format as u8;
    bytes
}
