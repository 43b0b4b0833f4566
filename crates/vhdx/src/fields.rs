//! Little-endian fields, and the checksum that headers and region tables carry.

use shared::{Input, ScanError, SectorCache};

use crate::checksum::Checksum;

/// Where a checksum lies in a header and in a region table: after the signature, four bytes long.
const CHECKSUM_AT: usize = 4;

/// A mebibyte: regions, the log and payload blocks lie at multiples of it.
pub(crate) const MIB: u64 = 1 << 20;

/// Whether the structure of `length` bytes at byte `offset` is wholly in the file, begins with
/// `signature`, and has a right checksum: CRC-32C of all its bytes, its own four taken as zeros
/// (MS-VHDX 2.2.2 and 2.2.3.1).
pub(crate) fn is_valid(
    input: &mut Input<'_>,
    cache: &mut SectorCache<'_>,
    offset: u64,
    length: u64,
    signature: [u8; 4],
) -> Result<bool, ScanError> {
    const OUTSIDE: &str = "a header or region table is not wholly in the file";
    if !input.contains(offset, length) {
        return Ok(false);
    }
    let start: [u8; 8] = input.read_array(cache, offset, OUTSIDE)?;
    if !start.starts_with(&signature) {
        return Ok(false);
    }
    let mut checksum = Checksum::new();
    checksum.update(&signature);
    checksum.update(&[0; 4]);
    let done = start.len() as u64;
    input.for_each_piece(cache, offset + done, length - done, OUTSIDE, |piece| {
        checksum.update(piece);
    })?;
    Ok(checksum.finish() == u32_at(&start, CHECKSUM_AT))
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array(bytes, at))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

/// The `N` bytes at `at`; the callers' offsets are constants inside their structures.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

/// A GUID as it lies in the file: the first three of its five groups are little-endian (RFC 4122,
/// MS-DTYP 2.3.4.2).
pub(crate) const fn guid(a: u32, b: u16, c: u16, rest: u64) -> [u8; 16] {
    let number = ((a.swap_bytes() as u128) << 96)
        + ((b.swap_bytes() as u128) << 80)
        + ((c.swap_bytes() as u128) << 64)
        + rest as u128;
    number.to_be_bytes()
}
