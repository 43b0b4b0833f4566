//! What the bytes of an input select: options, legal and nearly legal sizes, and boundaries.

use types::{Preallocation, VhdSubformat, VmdkSubformat};

pub(super) const REFCOUNT_BITS: [u8; 8] = [1, 2, 4, 8, 16, 32, 64, 0xff];

pub(super) const PREALLOCATIONS: [Preallocation; 4] = [
    Preallocation::Off,
    Preallocation::Metadata,
    Preallocation::Falloc,
    Preallocation::Full,
];
pub(super) const VMDK_SUBFORMATS: [VmdkSubformat; 3] = [
    VmdkSubformat::MonolithicSparse,
    VmdkSubformat::StreamOptimized,
    VmdkSubformat::MonolithicFlat,
];
pub(super) const VHD_SUBFORMATS: [VhdSubformat; 2] = [VhdSubformat::Dynamic, VhdSubformat::Fixed];

/// Legal qcow2 cluster sizes, and the nearest that are not.
pub(super) const CLUSTER_SIZES: [u32; 16] = [
    1 << 9,
    1 << 10,
    1 << 11,
    1 << 12,
    1 << 13,
    1 << 14,
    1 << 15,
    1 << 16,
    1 << 17,
    1 << 18,
    1 << 19,
    1 << 20,
    1 << 21,
    1 << 22,
    1 << 8,
    65535,
];
/// Legal VMDK grain sizes, and the nearest that are not.
pub(super) const GRAIN_SIZES: [u32; 8] = [
    1 << 12,
    1 << 13,
    1 << 14,
    1 << 15,
    1 << 16,
    1 << 17,
    1 << 11,
    65537,
];
/// Legal VHD and VHDX block sizes, and the nearest that are not.
pub(super) const BLOCK_SIZES: [u32; 16] = [
    0,
    1 << 19,
    1 << 20,
    1 << 21,
    1 << 22,
    1 << 23,
    1 << 24,
    1 << 25,
    1 << 26,
    1 << 27,
    1 << 28,
    1 << 29,
    1 << 30,
    1 << 31,
    1 << 18,
    3 << 20,
];
/// Around these sizes the formats change their mind: limits of qcow2's L1 table for each cluster
/// size, of VHD's geometries and sectors, of VHDX's block sizes, of VMDK's grain numbers, and of the
/// integers themselves.
pub(super) const BOUNDARY_SIZES: [u64; 32] = [
    0,
    512,
    1 << 16,
    1 << 20,
    1 << 26,
    504 << 20,
    1 << 30,
    100 << 30,
    65535 * 16 * 63 * 512,
    65535 * 16 * 255 * 512,
    1 << 31,
    1 << 32,
    1 << 37,
    1 << 38,
    1 << 39,
    0xff00_0000 << 9,
    1 << 40,
    1 << 41,
    32 << 40,
    1 << 43,
    1 << 44,
    64 << 40,
    1 << 45,
    (1 << 48) - (1 << 16),
    1 << 50,
    1 << 51,
    1 << 53,
    1 << 56,
    1 << 62,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX,
];

/// How far apart the sizes beside a boundary are, in bytes: a byte and a sector, then units of the formats
/// (a grain or cluster, a table's worth of small ones, blocks), and a VHDX chunk.
pub(super) const BOUNDARY_STEPS: [u64; 8] =
    [1, 512, 1 << 12, 1 << 16, 1 << 20, 1 << 21, 1 << 25, 1 << 32];

/// A boundary, up to 4 steps beside it: byte 0 picks the boundary, byte 1 how many steps of which length.
#[inline(always)]
pub(super) fn boundary_size(near: u64) -> u64 {
    let [which, distance, ..] = near.to_le_bytes();
    let boundary = BOUNDARY_SIZES[usize::from(which) % BOUNDARY_SIZES.len()];
    let step = BOUNDARY_STEPS[usize::from(distance >> 3) % BOUNDARY_STEPS.len()];
    let away = u64::from(distance & 7) * step;
    // Eight steps: from four below to three above.
    boundary.wrapping_add(away).wrapping_sub(4 * step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_lie_in_steps_of_every_length_on_both_sides_of_a_boundary() {
        // 2^44: byte 0 is its number, byte 1 has the steps in bits 0-2 and their length in bits 3-5.
        let boundary = 1_u64 << 44;
        for (length, step) in (0..).zip(BOUNDARY_STEPS) {
            let size = |steps: u64| boundary_size((length << 3 | steps) << 8 | 20);
            assert_eq!(size(4), boundary);
            assert_eq!(size(0), boundary - 4 * step);
            assert_eq!(size(7), boundary + 3 * step);
        }
        // The largest 4 KiB grains' last, partial table is reached: 64 KiB below the boundary.
        assert_eq!(boundary_size((3 << 3 | 3) << 8 | 20), boundary - 65536);
    }
}
