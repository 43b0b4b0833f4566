//! CRC-32C (Castagnoli), as VHDX carries it in its headers and region tables.
//!
//! Written here because a run of zeros has to cost next to nothing: a region table is 64 KiB of which
//! a hundred bytes are not zero, and the recipe writer and the model each compute some in every
//! execution. Over zeros a CRC's register is only multiplied by a power of x (RFC 3720, appendix B.4,
//! for the polynomial; the arithmetic is that of polynomials over GF(2)). The code under test has its
//! checksum from elsewhere, so that neither vouches for itself.
//!
//! A register is kept reflected: bit 31 is the coefficient of x^0, bit 0 that of x^31.

/// The polynomial without its leading term, reflected.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// The coefficient of x^0.
const ONE: u32 = 1 << 31;

/// How many bytes one step of [`Crc32c::update`] takes in.
const STEP: usize = 16;

/// `BYTES[k][b]`: the register that the byte `b` leaves when `k` zero bytes follow it.
static BYTES: [[u32; 256]; STEP] = byte_tables();

/// `ZEROS[k]`: what 2^k zero bytes make of a register, by each of its eight groups of four bits.
static ZEROS: [[[u32; 16]; 8]; 64] = zero_tables();

/// A CRC-32C under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crc32c {
    register: u32,
}

impl Default for Crc32c {
    fn default() -> Self {
        Self::new()
    }
}

impl Crc32c {
    /// The checksum of no bytes.
    pub const fn new() -> Self {
        Self { register: u32::MAX }
    }

    /// Takes in `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        let (steps, rest) = bytes.as_chunks::<STEP>();
        for step in steps {
            let mut step = *step;
            for (byte, register) in step.iter_mut().zip(self.register.to_le_bytes()) {
                *byte ^= register;
            }
            self.register = step
                .iter()
                .zip(BYTES.iter().rev())
                .fold(0, |sum, (&byte, table)| sum ^ table[usize::from(byte)]);
        }
        for &byte in rest {
            let [low, ..] = self.register.to_le_bytes();
            self.register = self.register >> 8 ^ BYTES[0][usize::from(low ^ byte)];
        }
    }

    /// Takes in `count` zero bytes, one step for each bit set in `count`.
    pub fn skip_zeros(&mut self, count: u64) {
        let mut left = count;
        while left != 0 {
            let tables = &ZEROS[left.trailing_zeros() as usize];
            let register = self.register;
            self.register = tables.iter().zip(0..).fold(0, |sum, (table, group)| {
                sum ^ table[nibble(register, group)]
            });
            left &= left - 1;
        }
    }

    /// Takes in the `length` bytes at byte `offset` of something that is zero wherever no piece lies.
    /// The pieces, each with where it begins, are in order, do not overlap, and lie inside.
    pub fn update_pieces<'a>(
        &mut self,
        offset: u64,
        length: u64,
        pieces: impl Iterator<Item = (u64, &'a [u8])>,
    ) {
        let mut done = 0;
        for (at, piece) in pieces {
            // A page whose start alone is used is mostly zeros: these wait for the next step.
            let piece = without_zeros_at_the_end(piece);
            self.skip_zeros(at - offset - done);
            self.update(piece);
            done = at - offset + piece.len() as u64;
        }
        self.skip_zeros(length - done);
    }

    /// The checksum of what was taken in.
    pub const fn finish(self) -> u32 {
        !self.register
    }
}

/// The checksum of the `length` bytes at byte `offset`, all zero but for the pieces: see
/// [`Crc32c::update_pieces`].
pub fn of_pieces<'a>(
    offset: u64,
    length: u64,
    pieces: impl Iterator<Item = (u64, &'a [u8])>,
) -> u32 {
    let mut crc = Crc32c::new();
    crc.update_pieces(offset, length, pieces);
    crc.finish()
}

/// `bytes` without the steps of zeros at its end.
fn without_zeros_at_the_end(bytes: &[u8]) -> &[u8] {
    let (steps, rest) = bytes.as_chunks::<STEP>();
    if rest.iter().any(|&byte| byte != 0) {
        return bytes;
    }
    let used = steps
        .iter()
        .rposition(|step| u128::from_ne_bytes(*step) != 0);
    &bytes[..used.map_or(0, |last| STEP * (last + 1))]
}

/// Bits `4 * group` to `4 * group + 3` of a register.
#[inline(always)]
const fn nibble(register: u32, group: u32) -> usize {
    (register >> (4 * group) & 15) as usize
}

/// `register` times x: what one zero bit makes of it.
const fn times_x(register: u32) -> u32 {
    let carry = if register & 1 == 1 { POLYNOMIAL } else { 0 };
    register >> 1 ^ carry
}

/// The product of two registers, modulo the polynomial.
const fn product(a: u32, b: u32) -> u32 {
    let mut sum = 0;
    // b times each power of x in turn, where `a` has it.
    let mut multiple = b;
    let mut power = ONE;
    while power != 0 {
        if a & power != 0 {
            sum ^= multiple;
        }
        multiple = times_x(multiple);
        power >>= 1;
    }
    sum
}

const fn byte_tables() -> [[u32; 256]; STEP] {
    let mut tables = [[0; 256]; STEP];
    // x^8, and then its multiples by x^8.
    let mut factor = ONE >> 8;
    let mut following = 0;
    while following < STEP {
        let mut byte = 0;
        while byte < 256 {
            tables[following][byte] = product(byte as u32, factor);
            byte += 1;
        }
        factor = product(factor, ONE >> 8);
        following += 1;
    }
    tables
}

const fn zero_tables() -> [[[u32; 16]; 8]; 64] {
    let mut tables = [[[0; 16]; 8]; 64];
    // x^8, and then its square, the square of that, …
    let mut factor = ONE >> 8;
    let mut entry = 0;
    while entry < 64 * 8 * 16 {
        let (k, group, value) = (entry / 128, entry / 16 % 8, entry % 16);
        tables[k][group][value] = product((value as u32) << (4 * group), factor);
        entry += 1;
        if entry % 128 == 0 {
            factor = product(factor, factor);
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crc_of(bytes: &[u8]) -> u32 {
        let mut crc = Crc32c::new();
        crc.update(bytes);
        crc.finish()
    }

    fn crc_of_the_library(bytes: &[u8]) -> u32 {
        crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(bytes)
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(1);
        (0..length).map(|_| random.u8(..)).collect()
    }

    #[test]
    fn every_length_and_split_is_as_by_the_library() {
        let bytes = noise(300);
        for length in 0..bytes.len() {
            assert_eq!(
                crc_of(&bytes[..length]),
                crc_of_the_library(&bytes[..length])
            );
            let mut crc = Crc32c::new();
            let (first, second) = bytes.split_at(length);
            crc.update(first);
            crc.update(second);
            assert_eq!(crc.finish(), crc_of_the_library(&bytes));
        }
    }

    #[test]
    fn zeros_skipped_are_zeros_taken_in_and_long_runs_add_up() {
        for start in [&b""[..], b"regi", b"\0", b"\xff\xff\xff\xff"] {
            let mut before = Crc32c::new();
            before.update(start);
            for count in (1..3000).chain([4096, 65_535, 65_536, 1_000_003]) {
                let (mut explicit, mut skipped) = (before, before);
                explicit.update(&vec![0; count]);
                skipped.skip_zeros(count as u64);
                assert_eq!(explicit, skipped, "{count}");
            }
        }
        for first in [0, 1, 1 << 20, (1 << 40) + 12_345, u64::MAX / 2] {
            for second in [1, 511, 1 << 31, (1 << 62) + 7, u64::MAX / 2] {
                let [mut apart, mut together] = [Crc32c::new(); 2];
                apart.skip_zeros(first);
                apart.skip_zeros(second);
                together.skip_zeros(first + second);
                assert_eq!(apart, together);
            }
        }
    }

    #[test]
    fn pieces_are_a_whole() {
        let mut whole = vec![0; 70_000];
        let pieces = [(1000, noise(1)), (1001, noise(700)), (66_000, noise(4000))];
        for (at, piece) in &pieces {
            whole[*at..at + piece.len()].copy_from_slice(piece);
        }
        let shifted = |by: u64| {
            pieces
                .iter()
                .map(move |(at, piece)| (*at as u64 + by, &piece[..]))
        };
        for offset in [0, 7, 1 << 50] {
            assert_eq!(of_pieces(offset, 70_000, shifted(offset)), crc_of(&whole));
        }
        assert_eq!(of_pieces(1000, 69_000, shifted(0)), crc_of(&whole[1000..]));
        assert_eq!(of_pieces(5, 32, std::iter::empty()), 0x8a91_36aa);
    }
}
