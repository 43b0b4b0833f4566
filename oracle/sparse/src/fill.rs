//! Bytes of a file where an image has kept none: data for a library that reads, computed and not stored.
//!
//! Each word of 8 bytes is a hash of its place in the file. No word is zero, no two are the same, and a word names its
//! place: so a report can say from where wrong data was read.

use std::ops::Range;

use crate::SparseImage;

/// An odd number, and the number by which it is 1 modulo 2^64.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
const INVERSE: u64 = 0xf1de_83e1_9937_733d;

/// What fills ranges of a file. Where ranges meet, the later one counts.
#[derive(Debug, Clone, Default)]
pub struct Fill {
    ranges: Vec<(Range<u64>, With)>,
}

#[derive(Debug, Clone)]
enum With {
    Data,
    Ones,
    Bytes(Vec<u8>),
}

impl Fill {
    /// Fills `length` bytes at byte `start` of the file with data.
    pub fn with_data(&mut self, start: u64, length: u64) {
        self.with(start, length, With::Data);
    }

    /// Fills `length` bytes at byte `start` of the file with ones, as bitmaps are.
    pub fn with_ones(&mut self, start: u64, length: u64) {
        self.with(start, length, With::Ones);
    }

    /// Writes `bytes` at byte `start` of the file.
    pub fn with_bytes(&mut self, start: u64, bytes: Vec<u8>) {
        self.with(start, bytes.len() as u64, With::Bytes(bytes));
    }

    fn with(&mut self, start: u64, length: u64, with: With) {
        let range = start..start.saturating_add(length);
        self.ranges.push((range, with));
    }

    /// Reads the file of `image` at byte `offset`: what the image has kept, what fills the rest, and zeros.
    pub fn read(&self, image: &SparseImage, offset: u64, buffer: &mut [u8]) {
        buffer.fill(0);
        let end = offset
            .saturating_add(buffer.len() as u64)
            .min(image.capacity());
        for (range, with) in &self.ranges {
            let (start, end) = (range.start.max(offset), range.end.min(end));
            if start < end {
                let part = &mut buffer[(start - offset) as usize..(end - offset) as usize];
                match with {
                    With::Data => write_data(start, part),
                    With::Ones => part.fill(0xff),
                    With::Bytes(bytes) => {
                        let from = (start - range.start) as usize;
                        part.copy_from_slice(&bytes[from..from + part.len()]);
                    }
                }
            }
        }
        image.read_kept(offset, buffer);
    }
}

/// Writes the data of byte `start` of a file on.
pub fn write_data(start: u64, buffer: &mut [u8]) {
    let (mut at, mut left) = (start, buffer);
    while !left.is_empty() {
        let word = &word(at / 8)[(at % 8) as usize..];
        let (now, rest) = left.split_at_mut(left.len().min(word.len()));
        now.copy_from_slice(&word[..now.len()]);
        at += now.len() as u64;
        left = rest;
    }
}

fn word(number: u64) -> [u8; 8] {
    let product = (number + 1).wrapping_mul(FACTOR);
    (product ^ product >> 32).to_le_bytes()
}

/// The byte of a file at which a word of data lies; a large number for what is no data.
pub fn place_of(word: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(word);
    let number = (word ^ word >> 32).wrapping_mul(INVERSE);
    number.wrapping_sub(1).saturating_mul(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_counts_before_what_fills_and_the_end_before_both() {
        let mut image = SparseImage::new(3000);
        image.write(1024, &[7; 8]);
        let mut fill = Fill::default();
        fill.with_data(600, 1 << 40);
        fill.with_ones(500, 100);
        fill.with_bytes(2980, vec![5, 6, 7]);
        let mut bytes = [0xee; 4000];
        fill.read(&image, 0, &mut bytes);
        assert_eq!((bytes[499], &bytes[500..600]), (0, &[0xff; 100][..]));
        assert_eq!((&bytes[1024..1032], bytes[1535]), (&[7; 8][..], 0));
        for at in [600, 2992] {
            let word = *bytes[at..].first_chunk().unwrap();
            assert_eq!((word == [0; 8], place_of(word)), (false, at as u64));
        }
        assert_eq!(bytes[2980..2983], [5, 6, 7]);
        assert_eq!(bytes[3000..], [0; 1000]);
        let mut part = [0; 13];
        fill.read(&image, 605, &mut part);
        assert_eq!(part, bytes[605..618]);
    }
}
