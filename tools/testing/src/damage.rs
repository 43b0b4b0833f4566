//! Random damage to images: an answer is exact or absent, and the work stays bounded.

use std::collections::BTreeSet;
use std::ops::Range;

use fastrand::Rng;
use types::ScanFormat;

use crate::scan::answer;

/// Scans `cases` images, each by [`answer`], which checks what must hold. Between a tenth and nine tenths of them
/// must be sound, and the others must show at least `errors` different errors, most of what can be wrong: a change
/// that makes the damage miss shows here.
pub fn survive(
    format: ScanFormat,
    cases: usize,
    errors: usize,
    mut damaged: impl FnMut(&mut Rng) -> Vec<u8>,
) {
    let mut random = Rng::with_seed(1);
    let mut sound = 0;
    let mut seen = BTreeSet::new();
    for _ in 0..cases {
        match answer(
            format,
            &damaged(&mut random),
            Some(4096),
            &[512, 2048, 65536],
        ) {
            Ok(_) => sound += 1,
            Err(error) => {
                seen.insert(error.to_string());
            }
        }
    }
    println!("{sound} of {cases} sound, {} different errors", seen.len());
    assert!(
        sound > cases / 10 && sound < cases / 10 * 9,
        "{sound} sound"
    );
    assert!(seen.len() >= errors, "{seen:#?}");
}

/// Overwrites a field of up to 8 bytes in one of `areas` with a number that often matters: a bit is changed, a
/// power of two or one of its neighbours, a place in the file, a small one or any one.
pub fn damage_field(
    bytes: &mut [u8],
    areas: &[Range<usize>],
    is_big_endian: bool,
    random: &mut Rng,
) {
    let area = random.choice(areas).expect("there are areas").clone();
    let width = 1 << random.u32(..4);
    let at = random.usize(area) / width * width;
    let Some(field) = bytes.get_mut(at..at + width) else {
        return;
    };
    let mut old = [0; 8];
    old[..width].copy_from_slice(field);
    if is_big_endian {
        old[..width].reverse();
    }
    let power = 1_u64 << random.u32(..64);
    let number = match random.u8(..7) {
        0 => u64::from_le_bytes(old) ^ 1 << random.usize(..8 * width),
        1 => power,
        2 => power - 1,
        3 => 0_u64.wrapping_sub(power),
        4 => random.u64(..64),
        5 => (random.usize(..2 * bytes.len()) as u64 / 512) << (9 * random.u32(..2)),
        _ => random.u64(..),
    };
    let mut new = number.to_le_bytes();
    if is_big_endian {
        new[..width].reverse();
    }
    bytes[at..at + width].copy_from_slice(&new[..width]);
}
