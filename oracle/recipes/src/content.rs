//! What the disk of an image reads as, known from having made it.
//!
//! A recipe writes no data: it gives each unit of data a place in the file and leaves zeros there. For a library that
//! reads, the file is [filled](sparse::Fill). What a library must read is then what the file holds at the place of
//! each unit, also where two units share one. A compressed unit holds a stream.

use std::ops::Range;

use sparse::{Fill, SparseImage};

use crate::stream::{Codec, REPEATED, Stream};

/// The most bytes to which a stream inflates that inflates to far more than its unit.
const MOST_SWOLLEN: u64 = 512 << 20;

/// What a disk reads as.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// The size of the virtual disk in bytes.
    pub virtual_size: u64,
    /// What fills the file.
    pub fill: Fill,
    /// Bytes of the disk that the file holds, and where in it they begin. All others of the disk are zeros.
    placed: Vec<(Range<u64>, u64)>,
    /// Bytes of the disk that read as [`REPEATED`].
    repeated: Vec<Range<u64>>,
    /// Bytes of the disk of which it is not known what they read as in a file that is shorter than this.
    unknown: Vec<(Range<u64>, u64)>,
    /// Bytes of the disk whose stream inflates to far more than these.
    swelling: Option<Range<u64>>,
    /// Whether the file holds all of this encrypted: then no reader without the key knows any of it.
    pub is_encrypted: bool,
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
        self.unknown
            .push((start..start.saturating_add(length), u64::MAX));
    }

    /// These bytes of the disk are a compressed unit, whose stream lies in that part of the file. If it `swells` it
    /// inflates to far more. Answers the stream's length in bytes; where it has no room, or another one swells
    /// already, 0, and it is not known what the unit reads as.
    pub(crate) fn place_stream(
        &mut self,
        unit: Range<u64>,
        place: Range<u64>,
        codec: Codec,
        swells: bool,
    ) -> u64 {
        let size = unit.end - unit.start;
        let room = place.end.saturating_sub(place.start);
        let inflated = match swells {
            true => Stream::most(room).clamp(size, MOST_SWOLLEN),
            false => size,
        };
        let is_one_too_many = swells && self.swelling.is_some();
        let stream = Stream::fitting(codec, inflated, room).filter(|_| !is_one_too_many);
        let Some(stream) = stream else {
            self.leave_open(unit.start, size);
            return 0;
        };
        let head = stream.head();
        let words_at = place.start + head.len() as u64;
        let tail_at = words_at + stream.words;
        self.place_data(unit.start, stream.words, words_at);
        let tail = stream.tail(words_at);
        let end = tail_at + tail.len() as u64;
        self.fill.with_bytes(tail_at, tail);
        self.fill.with_bytes(place.start, head);
        self.repeated.push(unit.start + stream.words..unit.end);
        if swells {
            self.swelling = Some(unit.clone());
        }
        self.unknown.push((unit, end));
        end - place.start
    }

    /// Whether a unit is compressed of which it is known what it reads as.
    pub fn has_streams(&self) -> bool {
        !self.repeated.is_empty()
    }

    /// Whether a range of the disk meets a unit whose stream inflates to far more.
    pub fn swells(&self, range: &Range<u64>) -> bool {
        let unit = self.swelling.as_ref();
        unit.is_some_and(|unit| meets(unit, range))
    }

    /// Where parts of the disk begin and end, the disk itself too: each once, in order.
    pub fn borders(&self) -> Vec<u64> {
        let placed = self.placed.iter().map(|(range, _)| range);
        let ends = placed.chain(self.unknown.iter().map(|(range, _)| range));
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
        let range = &(range.start..end);
        let is_unknown = |(part, least): &(_, u64)| image.capacity() < *least && meets(part, range);
        if self.unknown.iter().any(is_unknown) {
            return None;
        }
        let mut bytes = vec![0; (end - range.start) as usize];
        let within = |part: &Range<u64>| {
            let [from, to] = [part.start, part.end].map(|at| at.clamp(range.start, end));
            (from - range.start) as usize..(to - range.start) as usize
        };
        for (part, at) in self.placed.iter().filter(|(part, _)| meets(part, range)) {
            let at = at + range.start.saturating_sub(part.start);
            self.fill.read(image, at, &mut bytes[within(part)]);
        }
        for part in &self.repeated {
            bytes[within(part)].fill(REPEATED);
        }
        Some(bytes)
    }
}

fn meets(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
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
