//! CRC-32C (Castagnoli) of structures that are mostly zeros.
//!
//! A region table has 64 KiB, of which an image uses a few dozens of bytes. A run of zeros changes the
//! checksum's register by a fixed linear map, which is four look-ups.

use crc::{CRC_32_ISCSI, Crc, Table};
use shared::is_all;

static CRC_32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// What a run of zeros does to the register: its byte `n` becomes `map[n][byte]`, and the exclusive or
/// of the four is the register after them.
type Map = [[u32; 256]; 4];

static AFTER_64: Map = after_64_zeros();
static AFTER_512: Map = eight_times(&AFTER_64);
static AFTER_4096: Map = eight_times(&AFTER_512);

/// A checksum in the making.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checksum {
    register: u32,
}

impl Checksum {
    /// Of no bytes.
    pub(crate) const fn new() -> Self {
        Self { register: !0 }
    }

    /// Takes more bytes: zeros in steps of 4096, where there are others of 512, and there of 64.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.in_steps::<4096>(bytes, &AFTER_4096, |this, page| {
            this.in_steps::<512>(page, &AFTER_512, |this, line| {
                this.in_steps::<64>(line, &AFTER_64, Self::take);
            });
        });
    }

    /// Takes bytes in steps of `LENGTH`: those of zeros through the map of so many zeros, and everything
    /// else by `otherwise`.
    #[inline]
    fn in_steps<const LENGTH: usize>(
        &mut self,
        bytes: &[u8],
        zeros: &Map,
        otherwise: impl Fn(&mut Self, &[u8]),
    ) {
        let (steps, rest) = bytes.as_chunks::<LENGTH>();
        for step in steps {
            if is_all(step, 0) {
                self.register = through(zeros, self.register);
            } else {
                otherwise(self, step);
            }
        }
        if !rest.is_empty() {
            otherwise(self, rest);
        }
    }

    /// Takes bytes, whatever they are.
    fn take(&mut self, bytes: &[u8]) {
        // The library turns the bits of an initial value, which a register has turned already.
        let mut digest = CRC_32C.digest_with_initial(self.register.reverse_bits());
        digest.update(bytes);
        self.register = !digest.finalize();
    }

    /// The checksum.
    pub(crate) const fn finish(self) -> u32 {
        !self.register
    }
}

const fn through(map: &Map, register: u32) -> u32 {
    let [a, b, c, d] = register.to_le_bytes();
    map[0][a as usize] ^ map[1][b as usize] ^ map[2][c as usize] ^ map[3][d as usize]
}

/// The map that takes `map` eight times.
const fn eight_times(map: &Map) -> Map {
    let mut of_bit = [0; 32];
    let mut bit = 0;
    while bit < 32 {
        let mut register = 1 << bit;
        let mut time = 0;
        while time < 8 {
            register = through(map, register);
            time += 1;
        }
        of_bit[bit] = register;
        bit += 1;
    }
    map_of(&of_bit)
}

const fn after_64_zeros() -> Map {
    /// The polynomial 0x1EDC6F41 with its bits in reverse order (RFC 3720, appendix B.4).
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut of_bit = [0; 32];
    let mut bit = 0;
    while bit < 32 {
        let mut register = 1_u32 << bit;
        let mut step = 0;
        while step < 8 * 64 {
            register = (register >> 1) ^ ((register & 1) * POLYNOMIAL);
            step += 1;
        }
        of_bit[bit] = register;
        bit += 1;
    }
    map_of(&of_bit)
}

/// The linear map that takes each bit of the register to what `of_bit` has.
const fn map_of(of_bit: &[u32; 32]) -> Map {
    let mut map = [[0; 256]; 4];
    let mut at = 0;
    while at < 4 * 256 {
        let (byte, value) = (at / 256, at % 256);
        let mut bit = 0;
        while bit < 8 {
            if (value >> bit) & 1 != 0 {
                map[byte][value] ^= of_bit[8 * byte + bit];
            }
            bit += 1;
        }
        at += 1;
    }
    map
}
