//! Sources whose data lies at known places.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;

use shared::AllocationSummary;
use testing::extents::{self, Extent};
use testing::random::Random;

/// A virtual disk with data at known places.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    /// In bytes.
    pub(crate) size: u64,
    /// Offset and length in bytes, ascending, inside the disk, none touching the next.
    pub(crate) extents: Vec<Extent>,
}

/// How data lies on a [`Disk`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// None.
    Empty,
    /// The first byte only.
    First,
    /// The last byte only.
    Last,
    /// A dozen pieces of some KiB, here and there, and one over a border of every unit there is.
    Scattered,
    /// All of it.
    Full,
}

impl Disk {
    /// A disk with data in this pattern, the same each time.
    pub(crate) fn new(size: u64, pattern: Pattern) -> Self {
        let mut extents = match pattern {
            Pattern::Empty => Vec::new(),
            Pattern::First => vec![(0, 1)],
            Pattern::Last => vec![(size.saturating_sub(1), 1)],
            Pattern::Full => vec![(0, size)],
            Pattern::Scattered => {
                let mut random = Random(size);
                let mut all = vec![((256 << 20) - 100, 200)];
                all.extend((0..12).map(|_| (random.below(size.max(1)), 1 + random.below(9000))));
                all
            }
        };
        extents.sort_unstable();
        let mut disk = Self {
            size,
            extents: Vec::new(),
        };
        for (offset, length) in extents {
            disk.append(offset, length);
        }
        disk
    }

    /// Adds an extent that begins no earlier than the last one, cut to the disk's size.
    pub(crate) fn append(&mut self, offset: u64, length: u64) {
        let end = (offset + length).min(self.size);
        let begin = match self.extents.last_mut() {
            // It touches or overlaps the last one, which grows.
            Some(last) if last.0 + last.1 >= offset => {
                last.1 = last.1.max(end.saturating_sub(last.0));
                return;
            }
            _ => offset,
        };
        if begin < end {
            self.extents.push((begin, end - begin));
        }
    }

    /// What a calculator is asked, with the units of `unit` bytes that the data touches.
    pub(crate) fn summary(&self, unit: u64) -> AllocationSummary {
        extents::summary(self.size, &self.extents, unit)
    }

    /// What a calculator is asked when nobody counted units.
    pub(crate) fn summary_without_count(&self) -> AllocationSummary {
        let data = self.extents.iter().map(|&(_, length)| length).sum();
        AllocationSummary::new(self.size, data)
    }

    /// Whether the fewest units that can hold the data hold it: it lies together at the disk's start.
    pub(crate) fn lies_together(&self) -> bool {
        match self.extents[..] {
            [] => true,
            [(offset, _)] => offset == 0,
            _ => false,
        }
    }

    /// Writes the disk as a sparse raw image. The data is what no deflate makes smaller.
    pub(crate) fn write_raw(&self, path: &Path) {
        let file = File::create(path).unwrap();
        file.set_len(self.size).unwrap();
        for &(offset, length) in &self.extents {
            let mut written = 0;
            while written < length {
                let piece = (length - written).min(NOISE_LENGTH);
                let noise = &noise()[..usize::try_from(piece).unwrap()];
                file.write_all_at(noise, offset + written).unwrap();
                written += piece;
            }
        }
    }
}

/// Some grains' length, in bytes.
const NOISE_LENGTH: u64 = 256 << 10;

/// Bytes that no deflate makes smaller. None is zero, so that no part looks like a hole.
fn noise() -> &'static [u8] {
    static NOISE: OnceLock<Vec<u8>> = OnceLock::new();
    NOISE.get_or_init(|| {
        let mut random = Random(5);
        (0..NOISE_LENGTH / 8)
            .flat_map(|_| random.next().to_le_bytes())
            .map(|byte| byte.max(1))
            .collect()
    })
}
