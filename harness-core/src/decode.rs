//! Positional decoding: every byte has one meaning, whatever comes before it.

/// Reads little-endian numbers at fixed positions; what lies past the input's end reads as zero.
#[derive(Debug, Clone, Copy)]
pub struct Positional<'a>(pub &'a [u8]);

impl Positional<'_> {
    /// The byte at position `at`, or 0.
    #[inline]
    #[must_use]
    pub fn u8(&self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or(0)
    }

    /// The 32-bit number at position `at`.
    #[inline]
    #[must_use]
    pub fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    /// The 64-bit number at position `at`.
    #[inline]
    #[must_use]
    pub fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.array(at))
    }

    #[inline]
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        if let Some(bytes) = self.0.get(at..at + N) {
            let mut array = [0; N];
            array.copy_from_slice(bytes);
            return array;
        }
        std::array::from_fn(|nth| self.u8(at + nth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_reads_as_zero() {
        let input = Positional(&[1, 2, 3, 4, 5]);
        assert_eq!(input.u32(0), 0x0403_0201);
        assert_eq!(input.u32(3), 0x0000_0504);
        assert_eq!(input.u64(1), 0x0504_0302);
        assert_eq!((input.u8(4), input.u8(5), input.u32(9)), (5, 0, 0));
    }
}
