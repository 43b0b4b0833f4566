//! A sparse image in memory: what was written is kept, everything else reads as zeros.
//!
//! Bytes are kept in pages of 512 bytes, so that a read of a sector is a few copies and a VHDX of many
//! MiB costs what its tables hold.

/// The size of a page in bytes: the smallest sector that a device may have.
pub const PAGE: u64 = 512;

const PAGE_BYTES: usize = PAGE as usize;

/// An image of `capacity` bytes, most of which are zeros that are not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SparseImage {
    capacity: u64,
    /// The number of each page that was written and where it is kept, by number.
    index: Vec<(u64, u32)>,
    pages: Vec<[u8; PAGE_BYTES]>,
    /// The number of the page that was written last, and where it is kept; nothing while there is no page.
    latest: (u64, u32),
}

/// Where a read of pages ended: the next page, and where it is, or would be, among those kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place {
    next_page: u64,
    at: usize,
}

impl From<&[u8]> for SparseImage {
    fn from(bytes: &[u8]) -> Self {
        let mut image = Self::new(bytes.len() as u64);
        image.write(0, bytes);
        image
    }
}

impl SparseImage {
    /// An image of zeros.
    pub fn new(capacity: u64) -> Self {
        Self {
            capacity,
            index: Vec::with_capacity(64),
            pages: Vec::with_capacity(64),
            latest: (0, 0),
        }
    }

    /// The image's size in bytes.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Makes the image `capacity` bytes long. What was written past its end stays hidden there.
    pub fn set_capacity(&mut self, capacity: u64) {
        self.capacity = capacity;
    }

    /// What [`write`](Self::write) does, of bytes whose number the compiler knows: numbers mostly, which lie in
    /// one page.
    #[inline]
    pub fn write_array<const N: usize>(&mut self, offset: u64, bytes: [u8; N]) {
        let within = (offset % PAGE) as usize;
        match self.page_mut(offset / PAGE)[within..].first_chunk_mut() {
            Some(place) => *place = bytes,
            None => self.write(offset, &bytes),
        }
    }

    /// Writes `bytes` at byte `offset`, over what was there. What reaches past 2^64 is dropped; what
    /// reaches past the capacity is hidden.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        let mut offset = offset;
        let mut left = bytes;
        while !left.is_empty() {
            let within = (offset % PAGE) as usize;
            let (now, rest) = left.split_at(left.len().min(PAGE_BYTES - within));
            self.page_mut(offset / PAGE)[within..within + now.len()].copy_from_slice(now);
            let Some(next) = offset.checked_add(now.len() as u64) else {
                return;
            };
            offset = next;
            left = rest;
        }
    }

    /// Makes `length` bytes at byte `offset` zeros.
    pub fn clear(&mut self, offset: u64, length: u64) {
        let end = offset.saturating_add(length);
        let first = self
            .index
            .partition_point(|&(number, _)| number < offset / PAGE);
        for &(number, place) in &self.index[first..] {
            let start = number * PAGE;
            if start >= end {
                break;
            }
            let from = offset.saturating_sub(start) as usize;
            let to = (end - start).min(PAGE) as usize;
            self.pages[place as usize][from..to].fill(0);
        }
    }

    /// Fills `buffer`, which is whole pages, with the pages from number `first` on; past the capacity it
    /// reads as zeros. A read that continues where the last one with this `place` ended needs no search.
    pub fn read_pages(&self, first: u64, buffer: &mut [u8], place: &mut Place) {
        let from = if place.next_page == first {
            place.at
        } else {
            self.index.partition_point(|&(number, _)| number < first)
        };
        let (mut left, _) = buffer.as_chunks_mut::<PAGE_BYTES>();
        let mut next = Place {
            next_page: first + left.len() as u64,
            at: from,
        };
        while let Some(&(number, kept)) = self.index.get(next.at)
            && number < next.next_page
        {
            let zeros = left.len() - (next.next_page - number) as usize;
            clear(&mut left[..zeros]);
            left[zeros] = self.pages[kept as usize];
            left = &mut left[zeros + 1..];
            next.at += 1;
        }
        clear(left);
        *place = next;
        let there = self.capacity.saturating_sub(first * PAGE);
        if there < buffer.len() as u64 {
            buffer[there as usize..].fill(0);
        }
    }

    /// Fills `buffer` with the bytes at byte `offset`; past the capacity it reads as zeros.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) {
        buffer.fill(0);
        self.read_kept(offset, buffer);
    }

    /// Copies the kept bytes at byte `offset` into `buffer`, and leaves the others there as they are.
    pub fn read_kept(&self, offset: u64, buffer: &mut [u8]) {
        for (at, piece) in self.pieces(offset, buffer.len() as u64) {
            let from = (at - offset) as usize;
            buffer[from..from + piece.len()].copy_from_slice(piece);
        }
    }

    /// The kept bytes among the `length` bytes at byte `offset`, in order, below the capacity: where
    /// each piece begins, and its bytes. All else there is zero.
    pub fn pieces(&self, offset: u64, length: u64) -> impl Iterator<Item = (u64, &[u8])> {
        let end = offset.saturating_add(length).min(self.capacity);
        let first = self
            .index
            .partition_point(|&(number, _)| number < offset / PAGE);
        self.index[first..]
            .iter()
            .map_while(move |&(number, place)| {
                let start = number * PAGE;
                // The range may begin past the capacity, in a page that is kept.
                if start.max(offset) >= end {
                    return None;
                }
                let from = offset.saturating_sub(start);
                let to = (end - start).min(PAGE);
                let page = &self.pages[place as usize];
                Some((start + from, &page[from as usize..to as usize]))
            })
    }

    #[inline]
    fn page_mut(&mut self, number: u64) -> &mut [u8; PAGE_BYTES] {
        let (latest, place) = self.latest;
        // Most writes go on where the one before them was.
        let place = if latest == number && !self.pages.is_empty() {
            place
        } else {
            self.place_of(number)
        };
        &mut self.pages[place as usize]
    }

    /// Where the page is kept, from now on if it was not.
    fn place_of(&mut self, number: u64) -> u32 {
        let found = match self.index.last() {
            Some(&(last, _)) if last < number => Err(self.index.len()),
            _ => self
                .index
                .binary_search_by_key(&number, |&(number, _)| number),
        };
        let place = match found {
            Ok(at) => self.index[at].1,
            Err(at) => {
                let place = u32::try_from(self.pages.len()).expect("fewer than 2^32 pages");
                self.pages.push([0; PAGE_BYTES]);
                self.index.insert(at, (number, place));
                place
            }
        };
        self.latest = (number, place);
        place
    }
}

fn clear(pages: &mut [[u8; PAGE_BYTES]]) {
    // Longer stretches at once take longer: from 2 KiB on memset uses another instruction.
    for stretch in pages.chunks_mut(3) {
        stretch.as_flattened_mut().fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back_and_all_else_is_zero() {
        let mut image = SparseImage::new(5000);
        image.write(1030, &[7; 700]);
        image.write(510, &[1, 2, 3, 4]);
        image.write(1030, &[8]);
        image.write(500, &[9; 10]);
        image.write(514, &[9; 500]);
        image.clear(500, 10);
        image.clear(514, 500);
        let mut whole = vec![0xee; 6000];
        image.read(0, &mut whole);
        let mut expected = vec![0; 6000];
        expected[510..514].copy_from_slice(&[1, 2, 3, 4]);
        expected[1030..1730].fill(7);
        expected[1030] = 8;
        assert_eq!(whole, expected);
        let mut part = [0xee; 5];
        image.read(509, &mut part);
        assert_eq!(part, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn pieces_come_in_order_and_end_at_the_capacity() {
        let mut image = SparseImage::new(1 << 40);
        image.write(1 << 39, &[5; 8]);
        image.write(100, &[6; 8]);
        image.set_capacity((1 << 39) + 4);
        let pieces: Vec<_> = image
            .pieces(0, u64::MAX)
            .map(|(at, piece)| (at, piece.len()))
            .collect();
        assert_eq!(pieces, [(0, 512), (1 << 39, 4)]);
        assert_eq!(image.pieces(612, 1000).count(), 0);
        assert_eq!(image.pieces((1 << 39) + 4, 1).count(), 0);
        assert_eq!(image.pieces((1 << 39) + 5, 1).count(), 0);
        assert_eq!(image.pieces(101, 0).count(), 0);
        assert_eq!(image.pieces(101, 1).collect::<Vec<_>>(), [(101, &[6][..])]);
    }

    #[test]
    fn a_write_at_the_end_of_all_numbers_keeps_what_fits() {
        let mut image = SparseImage::new(u64::MAX);
        image.write(u64::MAX - 1, &[1, 2, 3, 4]);
        let mut byte = [0];
        image.read(u64::MAX - 1, &mut byte);
        assert_eq!(byte, [1]);
    }
}
