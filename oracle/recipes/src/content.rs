//! What the disk of an image reads as, known from having made it.
//!
//! A recipe writes no data: it gives each unit of data a place in the file and leaves zeros there. For a library that
//! reads, the file is [filled](sparse::Fill). What a library must read is then what the file holds at the place of
//! each unit, also where two units share one.

use std::ops::Range;

use sparse::{Fill, SparseImage};

/// What a disk reads as.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// The size of the virtual disk in bytes.
    pub virtual_size: u64,
    /// What fills the file.
    pub fill: Fill,
    /// Bytes of the disk that the file holds, and where in it they begin. All others of the disk are zeros.
    placed: Vec<(Range<u64>, u64)>,
    /// Bytes of the disk of which it is not known what they read as.
    unknown: Vec<Range<u64>>,
}

impl Content {
    /// The file holds the `length` bytes at byte `start` of the disk, from its byte `at` on.
    pub(crate) fn place(&mut self, start: u64, length: u64, at: u64) {
        self.placed.push((start..start.saturating_add(length), at));
    }

    /// As [`place`](Self::place), and fills that part of the file with data.
    pub(crate) fn place_data(&mut self, start: u64, length: u64, at: u64) {
        self.fill.with_data(at, length);
        self.place(start, length, at);
    }

    /// It is not known what the `length` bytes at byte `start` of the disk read as.
    pub(crate) fn leave_open(&mut self, start: u64, length: u64) {
        self.unknown.push(start..start.saturating_add(length));
    }

    /// Where parts of the disk begin and end, the disk itself too: each once, in order.
    pub fn borders(&self) -> Vec<u64> {
        let placed = self.placed.iter().map(|(range, _)| range);
        let ends = placed.chain(&self.unknown);
        let ends = ends.flat_map(|range| [range.start, range.end]);
        let inside = ends.filter(|border| *border < self.virtual_size);
        let mut borders: Vec<u64> = inside.chain([0, self.virtual_size]).collect();
        borders.sort_unstable();
        borders.dedup();
        borders
    }

    /// What a range of the disk reads as, up to the disk's end, when all of that is known. `image` is the file
    /// without what fills it.
    pub fn of(&self, range: &Range<u64>, image: &SparseImage) -> Option<Vec<u8>> {
        let end = range.end.min(self.virtual_size);
        if range.start >= end {
            return Some(Vec::new());
        }
        let meets = |part: &Range<u64>| part.start < end && range.start < part.end;
        if self.unknown.iter().any(meets) {
            return None;
        }
        let mut bytes = vec![0; (end - range.start) as usize];
        for (part, at) in self.placed.iter().filter(|(part, _)| meets(part)) {
            let start = part.start.max(range.start);
            let [from, to] = [start, part.end.min(end)].map(|at| (at - range.start) as usize);
            let at = at + (start - part.start);
            self.fill.read(image, at, &mut bytes[from..to]);
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_reads_what_the_file_holds_at_its_places_and_zeros_between() {
        let image = SparseImage::new(9000);
        let mut content = Content {
            virtual_size: 5000,
            ..Content::default()
        };
        content.place_data(1024, 512, 4096);
        content.place(2048, 512, 4096);
        content.leave_open(3072, 512);
        content.place_data(4608, 4096, 8192);
        let of = |range| content.of(&range, &image);
        let data = of(1024..1536).unwrap();
        assert!(data.iter().any(|&byte| byte != 0));
        let expected = [&data[476..], &[0; 512], &data[..12]].concat();
        assert_eq!(of(1500..2060), Some(expected));
        assert_eq!((of(3583..3584), of(3583..3585)), (None, None));
        assert_eq!(of(4900..6000).map(|bytes| bytes.len()), Some(100));
        assert_eq!(of(6000..6001), Some(vec![]));
        let borders = [0, 1024, 1536, 2048, 2560, 3072, 3584, 4608, 5000];
        assert_eq!(content.borders(), borders);
    }
}
