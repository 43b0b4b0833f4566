//! The parts of the file that are taken, so that nothing else may lie there.

use shared::ScanError;

use crate::fields::MIB;

/// How many parts can be kept apart. The headers, the log, the BAT and the metadata take four;
/// optional regions that the specification does not name take the rest.
const MOST: usize = 32;

/// `length` bytes of the file, from byte `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) start: u64,
    pub(crate) length: u64,
}

impl Area {
    const EMPTY: Self = Self {
        start: 0,
        length: 0,
    };

    /// Whether any byte lies in both. An end past 2^64 is one at 2^64 - 1.
    const fn overlaps(self, other: Self) -> bool {
        self.length != 0
            && other.length != 0
            && self.start < other.start.saturating_add(other.length)
            && other.start < self.start.saturating_add(self.length)
    }
}

/// Areas of which no two overlap.
#[derive(Debug)]
pub(crate) struct Areas {
    taken: [Area; MOST],
    count: usize,
}

impl Areas {
    /// The header section: the file's first MiB (MS-VHDX 2.2).
    pub(crate) const fn new() -> Self {
        let mut taken = [Area::EMPTY; MOST];
        taken[0] = Area {
            start: 0,
            length: MIB,
        };
        Self { taken, count: 1 }
    }

    /// Whether `area` lies over one that is taken.
    pub(crate) fn overlaps(&self, area: Area) -> bool {
        self.taken[..self.count]
            .iter()
            .any(|taken| taken.overlaps(area))
    }

    /// Takes `area`. An empty one takes nothing.
    ///
    /// # Errors
    /// [`ScanError::Corrupt`] when it lies over one that is taken, [`ScanError::Unsupported`] when
    /// there are more areas than can be kept.
    pub(crate) fn take(&mut self, area: Area) -> Result<(), ScanError> {
        if area.length == 0 {
            return Ok(());
        }
        if self.overlaps(area) {
            return Err(ScanError::Corrupt(
                "a region lies over the headers, the log or another region",
            ));
        }
        let Some(free) = self.taken.get_mut(self.count) else {
            return Err(ScanError::Unsupported(
                "more regions than the scanner can keep apart",
            ));
        };
        *free = area;
        self.count += 1;
        Ok(())
    }
}
