//! Streams of compressed units.
//!
//! A stream inflates to *words*, which stand in it as they are, and then to [`REPEATED`] again and again. So it is
//! short, and its words are data that fills the file.
//!
//! Sources: RFC 1950 (zlib), RFC 1951 (deflate), RFC 8878 (zstd).

use sparse::fill;

/// What follows the words.
pub(crate) const REPEATED: u8 = b'Z';

/// The most bytes that a match of deflate repeats, and a block of zstd.
const MATCH: u64 = 258;
const BLOCK: u64 = 128 << 10;

/// How the last block of deflate begins, the lowest bit first: it names the codes. A match of [`MATCH`] bytes at
/// distance 1 is 00, [`REPEATED`] is 10, and the end is 11.
const CODES: u128 = 0xa916_41fd_cf20_8000_0000_0081_c1ed;
const CODES_BITS: u64 = 113;

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Deflate,
    Zlib,
    Zstd,
}

/// A stream that inflates to so many bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) codec: Codec,
    pub(crate) size: u64,
    /// How many bytes its words are: some, and not all.
    pub(crate) words: u64,
}

impl Stream {
    /// One with as many words as surely fit `room` bytes.
    pub(crate) fn fitting(codec: Codec, size: u64, room: u64) -> Option<Self> {
        let codes = CODES_BITS + 2 * (MATCH + size / MATCH + 1);
        let (most, rest) = match codec {
            // A stored block's length has 16 bits.
            Codec::Deflate => (0xffff, 5 + codes.div_ceil(8)),
            // The words have a checksum, which takes time.
            Codec::Zlib => (4096, 11 + codes.div_ceil(8)),
            Codec::Zstd => (0xffff, 9 + 4 * (size / BLOCK + 1)),
        };
        let words = room.saturating_sub(rest).min(most).min(size - 1);
        (words != 0).then_some(Self { codec, size, words })
    }

    /// To how many bytes a stream of `room` bytes can inflate, with any codec: a match of deflate has two bits.
    pub(crate) fn most(room: u64) -> u64 {
        room.saturating_sub(100) * 4 * MATCH
    }

    /// What is before the words.
    pub(crate) fn head(self) -> Vec<u8> {
        let [low, high] = (self.words as u16).to_le_bytes();
        let stored = [0, low, high, !low, !high];
        match self.codec {
            Codec::Deflate => stored.to_vec(),
            Codec::Zlib => [&[0x78, 1], &stored[..]].concat(),
            // The magic number, and a window of 128 KiB.
            Codec::Zstd => [
                &[0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3],
                &block(self.words, 0)[..3],
            ]
            .concat(),
        }
    }

    /// What follows the words, which lie at byte `at` of the file.
    pub(crate) fn tail(self, at: u64) -> Vec<u8> {
        let count = self.size - self.words;
        if self.codec == Codec::Zstd {
            let blocks = (0..count.div_ceil(BLOCK)).rev().map(|after| match after {
                0 => block((count - 1) % BLOCK + 1, 3),
                _ => block(BLOCK, 2),
            });
            return blocks.flatten().collect();
        }
        let matches = (count - 1) / MATCH;
        let literals = count - matches * MATCH;
        let end = CODES_BITS + 2 * (literals + matches);
        let mut tail = vec![0; (end + 2).div_ceil(8) as usize];
        let codes = (0..CODES_BITS).filter(|bit| CODES >> bit & 1 == 1);
        let literals = (0..literals).map(|nth| CODES_BITS + 2 * nth);
        for bit in codes.chain(literals).chain([end, end + 1]) {
            tail[(bit / 8) as usize] |= 1 << (bit % 8);
        }
        if self.codec == Codec::Zlib {
            tail.extend(self.adler32(at).to_be_bytes());
        }
        tail
    }

    /// The checksum of zlib.
    fn adler32(self, at: u64) -> u32 {
        const MODULUS: u64 = 65521;
        let mut words = vec![0; self.words as usize];
        fill::write_data(at, &mut words);
        // No sum of 4096 bytes is too much.
        let (low, high) = words.iter().fold((1, 0), |(low, high), byte| {
            (low + u64::from(*byte), high + low + u64::from(*byte))
        });
        let (count, byte) = (self.size - self.words, u64::from(REPEATED));
        let high = high + count * (low % MODULUS) + byte * (count * (count + 1) / 2 % MODULUS);
        ((high % MODULUS) << 16 | ((low + count * byte) % MODULUS)) as u32
    }
}

/// A block of zstd of [`REPEATED`], or the header of one of bytes as they are. The lowest bit of `kind` is set in the
/// last block, and the next one in a repeated one.
fn block(size: u64, kind: u32) -> [u8; 4] {
    let [a, b, c, _] = ((size as u32) << 3 | kind).to_le_bytes();
    [a, b, c, REPEATED]
}
