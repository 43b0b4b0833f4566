//! What is true of an undamaged recipe's image, known from having made it.

use std::num::NonZeroU64;

use sparse::SparseImage;
use types::{AllocationSummary, Options, ScanErrorKind, TouchedUnits};

/// What is true of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// The size of the virtual disk in bytes.
    pub virtual_size: u64,
    data: Vec<(u64, u64)>,
    /// Why a scanner must refuse the image; the inner `None`: for several reasons of different kinds, and the
    /// recipe does not know which one is reported.
    refusal: Option<Option<ScanErrorKind>>,
    /// The file's size by the calculator of the image's own format.
    pub own_size: Option<OwnSize>,
    /// Whether a table is named for several parts of the disk, so that a run of data changes what the
    /// other parts hold.
    pub shares_tables: bool,
    /// Whether the image is refused for a log alone that has to be replayed. All else is true of the disk after that.
    pub needs_replay: bool,
    /// The file may be cut down to this length, in bytes, as long as only zeroes are lost. `u64::MAX` in
    /// formats that need the whole file.
    pub least_length: u64,
}

/// How the calculator of the image's own format relates to the file, when the units that hold data are
/// counted in that format's own unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnSize {
    /// The options that describe the image.
    pub options: Options,
    /// The smallest that `required` may be, in bytes.
    pub at_least: u64,
    /// The largest that `required` may be, in bytes.
    pub at_most: u64,
}

impl Truth {
    /// A disk of `virtual_size` bytes without data.
    pub fn new(virtual_size: u64) -> Self {
        Self {
            virtual_size,
            data: Vec::new(),
            refusal: None,
            own_size: None,
            shares_tables: false,
            needs_replay: false,
            least_length: u64::MAX,
        }
    }

    /// Whether the same is true of the first `length` bytes of `file`, the whole file.
    pub fn holds_of_first(&self, length: u64, file: &SparseImage) -> bool {
        let end = file.capacity();
        let mut missing = file.pieces(length, u64::MAX);
        let may_be_cut = (self.least_length..end).contains(&length);
        length == end || may_be_cut && missing.all(|(_, piece)| piece.iter().all(|&byte| byte == 0))
    }

    /// Adds data: the `length` bytes at byte `start` of the disk. What reaches past the
    /// disk's end does not count. Extents may come in any order, and overlap.
    #[inline]
    pub fn add_data(&mut self, start: u64, length: u64) {
        let end = start.saturating_add(length).min(self.virtual_size);
        if start >= end {
            return;
        }
        match self.data.last_mut() {
            Some((_, last)) if *last == start => *last = end,
            _ => self.data.push((start, end)),
        }
    }

    /// Adds a reason for which a scanner must refuse the image, if there is one.
    pub fn refuse(&mut self, kind: impl Into<Option<ScanErrorKind>>) {
        if let Some(kind) = kind.into() {
            let before = self.refusal.unwrap_or(Some(kind));
            self.refusal = Some(before.filter(|before| *before == kind));
        }
    }

    /// Whether a scanner must refuse the image, also one that replays a log.
    pub fn is_refused(&self) -> bool {
        self.refusal.is_some() && !self.needs_replay
    }

    /// The answer of a scan that counts units of `unit` bytes, when given; `None` when there are
    /// several reasons to refuse the image, of different kinds.
    pub fn answer(
        &self,
        unit: Option<NonZeroU64>,
    ) -> Option<Result<AllocationSummary, ScanErrorKind>> {
        match self.refusal {
            Some(refusal) => refusal.map(Err),
            None => Some(Ok(self.summary(unit))),
        }
    }

    /// How much the disk holds, of an image that is not refused. Units of `unit` bytes are counted, when given.
    pub fn summary(&self, unit: Option<NonZeroU64>) -> AllocationSummary {
        let extents = self.extents();
        AllocationSummary {
            virtual_size: self.virtual_size,
            allocated_bytes: extents.iter().map(|(start, end)| end - start).sum(),
            touched: unit.map(|unit| {
                let mut count = 0;
                let mut counted_to = 0;
                for &(start, end) in &extents {
                    let first = (start / unit).max(counted_to);
                    let after_last = (end - 1) / unit + 1;
                    count += after_last.saturating_sub(first);
                    counted_to = counted_to.max(after_last);
                }
                TouchedUnits {
                    unit: unit.get(),
                    count,
                }
            }),
        }
    }

    /// The data, as start and end in bytes, in order and without overlap; neighbours are one.
    pub fn extents(&self) -> Vec<(u64, u64)> {
        let mut extents = self.data.clone();
        extents.sort_unstable();
        extents.dedup_by(|next, extent| {
            let meets = next.0 <= extent.1;
            if meets {
                extent.1 = extent.1.max(next.1);
            }
            meets
        });
        extents
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_zeroes_may_be_missing_and_no_more_than_is_allowed() {
        let mut file = SparseImage::new(5000);
        file.write(4500, &[7]);
        let mut truth = Truth::new(0);
        for length in [0, 4501, 4999, 5001] {
            assert!(!truth.holds_of_first(length, &file), "{length}");
        }
        assert!(truth.holds_of_first(5000, &file));
        truth.least_length = 4097;
        for (length, holds) in [(4500, false), (4501, true), (4999, true), (5001, false)] {
            assert_eq!(truth.holds_of_first(length, &file), holds, "{length}");
        }
        truth.least_length = 4502;
        assert!(!truth.holds_of_first(4501, &file));
    }

    #[test]
    fn one_reason_to_refuse_is_the_answer_and_two_are_none() {
        let mut truth = Truth::new(0);
        truth.refuse(ScanErrorKind::Corrupt);
        truth.refuse(ScanErrorKind::Corrupt);
        assert_eq!(truth.answer(None), Some(Err(ScanErrorKind::Corrupt)));
        truth.refuse(ScanErrorKind::Unsupported);
        assert_eq!(truth.answer(None), None);
        assert!(truth.is_refused());
    }
}
