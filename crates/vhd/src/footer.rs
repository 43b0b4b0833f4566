//! The hard disk footer: 512 bytes at the file's end and, of a dynamic disk, a copy at its start.
//!
//! Layout and meaning: "Virtual Hard Disk Image Format Specification", section "Hard Disk Footer
//! Format". All fields are big-endian.

use shared::{Input, ScanError, SectorCache};

use crate::header;

/// The footer's length in bytes. Virtual PC before 2004 wrote 511: the last byte, which is reserved, is missing. QEMU
/// reads it as zero, like all that is missing in the last sector.
pub(crate) const LENGTH: u64 = 512;

/// How a footer begins.
pub const COOKIE: [u8; 8] = *b"conectix";
/// Major version 1 in the upper two bytes, minor version 0 in the lower.
const VERSION: u32 = 0x0001_0000;
/// The largest geometry in sectors of 512 bytes: 65535 cylinders, 16 heads, 255 sectors a track.
const LARGEST_GEOMETRY: u64 = 65_535 * 16 * 255;
/// The largest disk in sectors of 512 bytes; above it QEMU refuses (`VHD_MAX_SECTORS`, block/vpc.c).
const LARGEST_DISK: u64 = 0xff00_0000;

pub(crate) const FIXED: u32 = 2;
const DYNAMIC: u32 = 3;
pub(crate) const DIFFERENCING: u32 = 4;

/// The fields of a footer that has its cookie and a right checksum.
#[derive(Debug)]
pub(crate) struct Footer {
    version: u32,
    /// Where the dynamic disk header lies, in bytes from the file's start.
    pub(crate) data_offset: u64,
    creator: [u8; 4],
    current_size: u64,
    /// Where it lies, in bytes from the file's start.
    pub(crate) offset: u64,
    /// Cylinders, heads and sectors a track, multiplied: sectors of 512 bytes.
    geometry: u64,
    pub(crate) disk_type: u32,
}

/// What is found at a place where a footer may be.
enum Found {
    /// No cookie.
    Nothing,
    /// A cookie, but a wrong checksum.
    Damaged,
    Valid(Footer),
}

/// Reads the footer that the disk stands on.
///
/// That is the copy at the start, as in QEMU, and when it is missing or damaged the footer at the end.
/// A fixed disk has no copy: what looks like a fixed disk's footer at the start is data, unless the
/// file is nothing but that footer and the disk empty.
pub(crate) fn find(
    input: &mut Input<'_>,
    cache: &mut SectorCache<'_>,
) -> Result<Footer, ScanError> {
    let Some(end) = input.capacity().checked_sub(LENGTH) else {
        return Err(ScanError::NotThisFormat);
    };
    let copy = input.read_array(cache, 0, "the footer is not wholly in the file")?;
    let copy = match parse(&copy, 0) {
        Found::Valid(footer) if footer.disk_type != FIXED => return Ok(footer),
        other => other,
    };
    let tail = input.read_array(cache, end, "the footer is not wholly in the file")?;
    match (last(&tail, end), copy) {
        (Found::Valid(footer), _) => Ok(footer),
        (Found::Nothing, Found::Nothing) => Err(ScanError::NotThisFormat),
        (_, Found::Valid(_)) => Err(ScanError::Corrupt(
            "a fixed disk has its footer at the start, and no valid one at the end",
        )),
        _ => Err(ScanError::Corrupt(
            "neither the footer nor its copy has a right checksum",
        )),
    }
}

/// Whether a file whose last 512 bytes are `tail` ends in the footer of the VHD that it is. A raw disk may end in the
/// footer of an older VHD: a fixed VHD is its disk and the footer, and any other has a header where the footer places it.
///
/// # Errors
/// [`ScanError::Io`] when the device fails.
pub fn ends(
    input: &mut Input<'_>,
    cache: &mut SectorCache<'_>,
    tail: &[u8; 512],
) -> Result<bool, ScanError> {
    match last(tail, input.capacity().saturating_sub(LENGTH)) {
        Found::Valid(footer) if footer.disk_type == FIXED => {
            Ok(footer.current_size == footer.offset)
        }
        Found::Valid(footer) => header::is_at(input, cache, footer.data_offset),
        Found::Nothing | Found::Damaged => Ok(false),
    }
}

/// The footer in the last 512 bytes of a file, which begin at byte `end`, or in the last 511 of a file whose last
/// sector lacks a byte.
fn last(tail: &[u8; 512], end: u64) -> Found {
    let mut found = parse(tail, end);
    if matches!(found, Found::Nothing) && end % LENGTH == LENGTH - 1 {
        let mut short = [0; 512];
        short[..511].copy_from_slice(&tail[1..]);
        if let Found::Valid(footer) = parse(&short, end + 1) {
            found = Found::Valid(footer);
        }
    }
    found
}

fn parse(bytes: &[u8; 512], offset: u64) -> Found {
    if !bytes.starts_with(&COOKIE) {
        return Found::Nothing;
    }
    if checksum(bytes, 64) != u32_at(bytes, 64) {
        return Found::Damaged;
    }
    let cylinders = u64::from(u16::from_be_bytes(array(bytes, 56)));
    Found::Valid(Footer {
        version: u32_at(bytes, 12),
        data_offset: u64_at(bytes, 16),
        offset,
        creator: array(bytes, 28),
        current_size: u64_at(bytes, 48),
        geometry: cylinders * u64::from(bytes[58]) * u64::from(bytes[59]),
        disk_type: u32_at(bytes, 60),
    })
}

impl Footer {
    /// Verifies the version and the disk's type.
    pub(crate) fn verify(&self) -> Result<(), ScanError> {
        if self.version != VERSION {
            return Err(ScanError::Unsupported(
                "a footer of a version other than 1.0",
            ));
        }
        match self.disk_type {
            FIXED | DYNAMIC | DIFFERENCING => Ok(()),
            _ => Err(ScanError::Unsupported(
                "a disk type other than fixed, dynamic and differencing",
            )),
        }
    }

    /// The disk's size in bytes, as `qemu-img info` answers it (block/vpc.c): Virtual PC, and QEMU
    /// without `force_size`, mean the geometry, unless that is the largest one; everybody else means
    /// the current size, of which a last sector in part does not count.
    pub(crate) fn virtual_size(&self) -> Result<u64, ScanError> {
        let by_geometry =
            matches!(&self.creator, b"vpc " | b"qemu") && self.geometry != LARGEST_GEOMETRY;
        let sectors = if by_geometry {
            self.geometry
        } else {
            self.current_size / 512
        };
        if sectors > LARGEST_DISK {
            return Err(ScanError::Unsupported(
                "a disk of more than 0xff000000 sectors",
            ));
        }
        Ok(sectors * 512)
    }
}

/// The ones' complement of the sum of all bytes but the four of the checksum itself, at `field`.
pub(crate) fn checksum(bytes: &[u8], field: usize) -> u32 {
    // So few bytes cannot overflow; without a check of each, many are added at once.
    let sum = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0_u32, |sum, &byte| sum.wrapping_add(u32::from(byte)))
    };
    !(sum(bytes) - sum(&bytes[field..field + 4]))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array(bytes, at))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(array(bytes, at))
}

/// The `N` bytes at `at`; the callers' offsets are constants inside their structures.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}
