//! Pieces of a disk, and which units they touch.

/// A piece of a disk: offset and length, in bytes.
pub type Extent = (u64, u64);

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use fastrand::Rng;

    #[test]
    fn touched_units_are_those_that_a_set_has() {
        let mut random = Rng::with_seed(1);
        for _ in 0..1000 {
            let mut extents = vec![];
            let mut at = 0;
            for _ in 0..random.u64(..6) {
                at += random.u64(..100);
                let length = 1 + random.u64(..100);
                extents.push((at, length));
                at += length;
            }
            let unit = 1 + random.u64(..64);
            let with_nothing = extents.iter().copied().chain([(at + 5, 0)]);
            let set: BTreeSet<u64> = extents
                .iter()
                .flat_map(|&(start, length)| start / unit..=(start + length - 1) / unit)
                .collect();
            assert_eq!(
                touched(with_nothing, unit),
                set.len() as u64,
                "{extents:?}, {unit}"
            );
        }
    }
}
