//! A checksum of a decoded input.
//!
//! Inputs outlive decoders. An input that a changed decoder reads as another case tests something else from then on,
//! and nothing fails. So every input of the shipped corpora carries its fingerprint, and their replay compares it.

use std::fmt::Debug;

use crate::Bytes;
use crate::crc32c::Crc32c;

/// The CRC-32C of a case's `Debug` text, then of its image's size and of every byte of its image.
pub fn of(case: &impl Debug, image: &(impl Bytes + ?Sized)) -> u32 {
    let mut sum = Crc32c::new();
    sum.update(format!("{case:?}").as_bytes());
    let length = image.length();
    sum.update(&length.to_le_bytes());
    sum.update_pieces(0, length, image.pieces(0, length));
    sum.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SparseImage;

    #[test]
    fn each_byte_of_an_image_its_size_and_the_case_matter() {
        let mut image = SparseImage::new(1 << 40);
        image.write(5000, &[1, 2, 3]);
        let number = of(&"case", &image);
        assert_eq!(number, of(&"case", &image.clone()));
        assert_ne!(number, of(&"other", &image));
        let mut other = image.clone();
        other.write(1 << 39, &[1]);
        assert_ne!(number, of(&"case", &other));
        // A zero that is kept is no other byte than one that is not.
        let mut same = image.clone();
        same.write(1 << 39, &[0]);
        assert_eq!(number, of(&"case", &same));
        image.set_capacity((1 << 40) + 512);
        assert_ne!(number, of(&"case", &image));
    }
}
