//! The bytes of an image, as the model's scanners see them: all at once, no device, no cache.

use crate::SparseImage;

/// An image's bytes.
///
/// A scanner of the model asks for pieces, which leaves out long runs of zeros: an entry of zeros means
/// nothing in every format that has sparse tables, and a checksum over zeros has a short cut.
pub trait Bytes {
    /// The image's size in bytes.
    fn length(&self) -> u64;

    /// The bytes that are kept among the `length` bytes at byte `offset`, in order: where each piece
    /// begins, and its bytes. What no piece covers is zero; nothing lies past the image's end.
    fn pieces(&self, offset: u64, length: u64) -> impl Iterator<Item = (u64, &[u8])>;

    /// Whether `length` bytes at byte `offset` lie wholly inside the image.
    fn contains(&self, offset: u64, length: u64) -> bool {
        offset
            .checked_add(length)
            .is_some_and(|end| end <= self.length())
    }

    /// `N` bytes at byte `offset`; what lies past the end reads as zeros.
    fn array<const N: usize>(&self, offset: u64) -> [u8; N] {
        let mut array = [0; N];
        for (at, piece) in self.pieces(offset, N as u64) {
            let from = (at - offset) as usize;
            array[from..from + piece.len()].copy_from_slice(piece);
        }
        array
    }
}

impl Bytes for [u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn pieces(&self, offset: u64, length: u64) -> impl Iterator<Item = (u64, &[u8])> {
        let end = offset.saturating_add(length).min(self.len() as u64);
        let piece = (offset < end).then(|| (offset, &self[offset as usize..end as usize]));
        piece.into_iter()
    }
}

impl Bytes for SparseImage {
    fn length(&self) -> u64 {
        self.capacity()
    }

    fn pieces(&self, offset: u64, length: u64) -> impl Iterator<Item = (u64, &[u8])> {
        self.pieces(offset, length)
    }
}
