//! A checksum of a decoded input.
//!
//! Inputs outlive decoders. An input that a changed decoder reads as another case tests something else from then on,
//! and nothing fails. So every input of the shipped corpora carries its fingerprint, and their replay compares it.

use std::fmt::Debug;

use sparse::Bytes;
use sparse::crc32c::Crc32c;

/// The CRC-32C of a case's `Debug` text, then of its image's size and of every byte of its image.
pub(crate) fn of(case: &impl Debug, image: &(impl Bytes + ?Sized)) -> u32 {
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
    use crate::targets;
    use sparse::SparseImage;

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

    #[test]
    fn each_target_distinguishes_its_cases() {
        for (target, one, other) in [
            ("fuzz_measure_calc", [0; 68], {
                let mut bytes = [0; 68];
                bytes[6] = 1;
                bytes
            }),
            ("fuzz_measure_scan", [0; 68], [1; 68]),
            ("fuzz_measure_image", [0; 68], {
                let mut bytes = [0; 68];
                bytes[recipes::at::PROBE] = 1;
                bytes
            }),
        ] {
            let target = targets::find(target).unwrap();
            assert_eq!(target.fingerprint(&one).len(), 8);
            assert_eq!(target.fingerprint(&one), target.fingerprint(&one));
            assert_ne!(
                target.fingerprint(&one),
                target.fingerprint(&other),
                "{}",
                target.name
            );
        }
        assert_eq!(
            targets::find("fuzz_measure_scan").unwrap().fingerprint(&[]),
            "no case"
        );
    }
}
