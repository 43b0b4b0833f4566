//! Pieces of a disk, and which units they touch.

use std::collections::BTreeSet;

use shared::AllocationSummary;

/// A piece of a disk: offset and length, in bytes.
pub type Extent = (u64, u64);

/// Disks to convert: the size in bytes, and what data they have.
pub const CONVERTED: [(u64, &[Extent]); 4] = {
    const K: u64 = 1 << 10;
    const M: u64 = 1 << 20;
    [
        (M, &[]),
        (20 * M, &[(0, 64 * K), (6 * M, 64 * K)]),
        (77 * M, &[(10 * M - 4 * K, 8 * K), (76 * M, M)]),
        (
            500 * M,
            &[(0, M), (100 * M, M), (200 * M, 9 * M), (499 * M, M)],
        ),
    ]
};

/// How many units of `unit` bytes hold a byte of `extents`, which ascend and do not overlap.
pub fn touched(extents: impl IntoIterator<Item = Extent>, unit: u64) -> u64 {
    let mut count = 0;
    let mut end = 0;
    let mut next_untouched = 0;
    for (start, length) in extents {
        assert!(start >= end, "extents that do not ascend");
        end = start + length;
        if length > 0 {
            let past_last = end.div_ceil(unit);
            count += past_last - next_untouched.max(start / unit);
            next_untouched = past_last;
        }
    }
    count
}

/// What a scanner should say of a disk of `size` bytes with data in `extents`, which ascend and do not
/// overlap; what reaches past the disk's end does not count.
#[must_use]
pub fn summary(size: u64, extents: &[Extent], unit: u64) -> AllocationSummary {
    let clipped = || {
        extents
            .iter()
            .map(|&(start, length)| (start, length.min(size - start)))
    };
    let bytes = clipped().map(|(_, length)| length).sum();
    AllocationSummary::new(size, bytes).with_touched(unit, touched(clipped(), unit))
}

/// The blocks of `block` bytes that `extents`, in any order and of at least a byte each, touch.
#[must_use]
pub fn blocks(extents: &[Extent], block: u64) -> Vec<Extent> {
    let touched: BTreeSet<u64> = extents
        .iter()
        .flat_map(|&(start, length)| start / block..=(start + length - 1) / block)
        .collect();
    touched
        .into_iter()
        .map(|number| (number * block, block))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn touched_units_are_those_that_a_set_has() {
        let mut random = Random(1);
        for _ in 0..1000 {
            let mut extents = vec![];
            let mut at = 0;
            for _ in 0..random.below(6) {
                at += random.below(100);
                let length = 1 + random.below(100);
                extents.push((at, length));
                at += length;
            }
            let unit = 1 + random.below(64);
            let with_nothing = extents.iter().copied().chain([(at + 5, 0)]);
            assert_eq!(
                touched(with_nothing, unit),
                blocks(&extents, unit).len() as u64,
                "{extents:?}, {unit}"
            );
        }
    }

    #[test]
    fn a_summary_is_clipped_at_the_disks_end() {
        assert_eq!(
            summary(1000, &[(0, 10), (900, 4096)], 512),
            AllocationSummary::new(1000, 110).with_touched(512, 2)
        );
        assert_eq!(
            summary(1000, &[(1000, 512)], 512),
            AllocationSummary::new(1000, 0).with_touched(512, 0)
        );
    }
}
