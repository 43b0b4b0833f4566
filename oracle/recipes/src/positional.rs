//! Positional decoding: every byte has one meaning, whatever comes before it.

/// The first `N` bytes of an input, read as little-endian numbers at fixed positions; what lies past
/// the input's end reads as zero.
///
/// It is a copy of fixed length, so that a number at a known position costs one load and no branch:
/// engines that trace comparisons pay for every bound that is checked.
#[derive(Debug, Clone, Copy)]
pub struct Positional<const N: usize>([u8; N]);

impl<const N: usize> Positional<N> {
    /// The first bytes of `data`.
    #[inline]
    pub fn new(data: &[u8]) -> Self {
        let mut bytes = [0; N];
        let length = data.len().min(N);
        bytes[..length].copy_from_slice(&data[..length]);
        Self(bytes)
    }
}

macro_rules! numbers {
    ($($number:ident)*) => {
        impl<const N: usize> Positional<N> {
            $(
                #[doc = concat!("The `", stringify!($number), "` at position `at`, of which no byte is past `N`.")]
                #[inline(always)]
                pub fn $number(&self, at: usize) -> $number {
                    $number::from_le_bytes(std::array::from_fn(|nth| self.0[at + nth]))
                }
            )*
        }
    };
}

numbers! { u8 u16 u32 u64 }
