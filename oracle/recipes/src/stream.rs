//! Streams of compressed units.
//!
//! A stream inflates to *words*, which stand in it as they are, and then to [`REPEATED`] again and again. So it is
//! short, and its words are data that fills the file.
//!
//! Sources: RFC 1950 (zlib), RFC 1951 (deflate), RFC 8878 (zstd).

use sparse::fill;

/// What follows the words.
pub(crate) const REPEATED: u8 = b'Z';

/// The most bytes to which a [swelling](Stream::swelling) stream inflates.
const MOST: u64 = 512 << 20;

/// The most words in bytes: a stored block of deflate has no more. Those of zlib have a checksum.
const MOST_WORDS: u64 = 0xffff;
const MOST_WITH_CHECKSUM: u64 = 4 << 10;

/// The most bytes that a match of deflate repeats, and a block of zstd.
const MATCH: u64 = 258;
const BLOCK: u64 = 128 << 10;

/// How the last block of deflate begins, the lowest bit first: it names the codes. A match of [`MATCH`] bytes at
/// distance 1 is 00, [`REPEATED`] is 10, and the end is 11.
const CODES: u128 = 0xa916_41fd_cf20_8000_0000_0081_c1ed;
const CODES_BITS: u64 = 113;

/// How it is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Deflate,
    Zlib,
    Zstd,
}

/// A stream, of which all but the words is known before its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    codec: Codec,
    /// How many bytes its words are.
    pub(crate) words: u64,
    /// How often [`REPEATED`] follows; at least once.
    repeated: u64,
}

impl Stream {
    /// One that inflates to `size` bytes and has as many words as fit `room` bytes.
    pub(crate) fn fitting(codec: Codec, size: u64, room: u64) -> Option<Self> {
        let most = match codec {
            Codec::Zlib => MOST_WITH_CHECKSUM,
            Codec::Deflate | Codec::Zstd => MOST_WORDS,
        };
        Self::of_words(codec, size, room, most)
    }

    /// One that inflates to as much more than `size` bytes as fits `room` bytes.
    pub(crate) fn swelling(codec: Codec, size: u64, room: u64) -> Option<Self> {
        let mut sizes = (0..).map(|nth| MOST >> nth).take_while(|more| *more > size);
        sizes.find_map(|size| Self::of_words(codec, size, room, 64))
    }

    fn of_words(codec: Codec, size: u64, room: u64, most: u64) -> Option<Self> {
        let most = most.min(size - 1).min(room);
        let mut streams = (1..=most).rev().map(|words| Self {
            codec,
            words,
            repeated: size - words,
        });
        streams.find(|stream| stream.length() <= room)
    }

    /// Its length in bytes.
    pub(crate) fn length(self) -> u64 {
        let head = match self.codec {
            Codec::Deflate => 5,
            Codec::Zlib => 7,
            Codec::Zstd => 9,
        };
        head + self.words + self.length_of_tail()
    }

    fn length_of_tail(self) -> u64 {
        let deflated = (self.end_of_deflated() + 2).div_ceil(8);
        match self.codec {
            Codec::Deflate => deflated,
            Codec::Zlib => deflated + 4,
            Codec::Zstd => self.repeated.div_ceil(BLOCK) * 4,
        }
    }

    /// How many matches there are, and how many literals before them.
    fn matches(self) -> (u64, u64) {
        let matches = (self.repeated - 1) / MATCH;
        (matches, self.repeated - matches * MATCH)
    }

    /// At which bit of the last block of deflate its end is.
    fn end_of_deflated(self) -> u64 {
        let (matches, literals) = self.matches();
        CODES_BITS + 2 * (literals + matches)
    }

    /// What is before the words.
    pub(crate) fn head(self) -> Vec<u8> {
        let [low, high] = (self.words as u16).to_le_bytes();
        let stored = [0, low, high, !low, !high];
        match self.codec {
            Codec::Deflate => stored.to_vec(),
            Codec::Zlib => [&[0x78, 1][..], &stored].concat(),
            // The magic number, and a window of 128 KiB.
            Codec::Zstd => [
                &[0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3],
                &block(self.words, 0)[..],
            ]
            .concat(),
        }
    }

    /// What follows the words, which lie at byte `at` of the file.
    pub(crate) fn tail(self, at: u64) -> Vec<u8> {
        let mut tail = vec![0; self.length_of_tail() as usize];
        if self.codec == Codec::Zstd {
            let mut left = self.repeated;
            for four in tail.as_chunks_mut().0 {
                let count = left.min(BLOCK);
                left -= count;
                let [a, b, c] = block(count, 2 | u32::from(left == 0));
                *four = [a, b, c, REPEATED];
            }
            return tail;
        }
        let end = self.end_of_deflated();
        let codes = (0..CODES_BITS).filter(|bit| CODES >> bit & 1 == 1);
        let literals = (0..self.matches().1).map(|nth| CODES_BITS + 2 * nth);
        for bit in codes.chain(literals).chain([end, end + 1]) {
            tail[(bit / 8) as usize] |= 1 << (bit % 8);
        }
        if self.codec == Codec::Zlib {
            let checksum = tail.len() - 4;
            tail[checksum..].copy_from_slice(&self.adler32(at).to_be_bytes());
        }
        tail
    }

    /// The checksum of zlib.
    fn adler32(self, at: u64) -> u32 {
        const MODULUS: u64 = 65521;
        let mut words = vec![0; self.words as usize];
        fill::write_data(at, &mut words);
        let sums = |(low, high): (u64, u64), byte: &u8| {
            let low = (low + u64::from(*byte)) % MODULUS;
            (low, (high + low) % MODULUS)
        };
        let (low, high) = words.iter().fold((1, 0), sums);
        let (count, byte) = (self.repeated, u64::from(REPEATED));
        let high = high + count * low + byte * (count * (count + 1) / 2 % MODULUS);
        ((high % MODULUS) << 16 | (low + count * byte) % MODULUS) as u32
    }
}

/// The header of a block of zstd: its last bit is set in the last one, and its type above that is 0 for bytes as they
/// are and 1 for a repeated one.
fn block(size: u64, kind: u32) -> [u8; 3] {
    let [a, b, c, _] = ((size as u32) << 3 | kind).to_le_bytes();
    [a, b, c]
}
