//! How much of a VHD image holds data.
//!
//! After Microsoft's "Virtual Hard Disk Image Format Specification" (sections "Hard Disk Footer
//! Format", "Dynamic Disk Header Format" and "Block Allocation Table and Data Blocks"), and QEMU's
//! block/vpc.c, seen from outside, for the disk's size. All fields are big-endian.
//!
//! A block that the block allocation table (BAT) gives a place counts whole, up to the disk's end; the
//! bitmap of sectors in front of it does not matter without a parent. A fixed disk counts whole.

use std::num::NonZeroU64;
use std::ops::Range;

use types::{AllocationSummary, Facts, ScanErrorKind};

use crate::data::{Data, big_endian as field, entries};
use crate::readings::Reading;
use sparse::Bytes;
use types::ScanErrorKind::{Corrupt, NotThisFormat, Unsupported};

const COOKIE: &[u8] = b"conectix";
/// The lengths of the footer, which is also that of its copy at the start, and of the header.
const FOOTER: u64 = 512;
const HEADER: u64 = 1024;

/// Version 1.0 of the footer and of the header.
const VERSION: u64 = 1 << 16;
/// Disk types.
const FIXED: u64 = 2;
const DYNAMIC: u64 = 3;
const DIFFERENCING: u64 = 4;
/// The largest geometry there is. A disk with this geometry may be larger.
const LARGEST_GEOMETRY: u64 = 65_535 * 16 * 255;
/// QEMU's largest disk in sectors: 2040 GiB.
const LARGEST_DISK: u64 = (2040 << 30) / 512;
/// The BAT's entry of a block that has no place.
const NOWHERE: u32 = u32::MAX;

/// The choices: the current size for all creators, the geometry for more of them, with both the current size in bytes;
/// QEMU's footer; and before a sound copy a sound footer at the end.
pub(crate) const CHOICES: u32 = 4;

/// See [`scanners::scan`](crate::scanners::scan).
pub(crate) fn scan(
    image: &(impl Bytes + ?Sized),
    unit: Option<NonZeroU64>,
    reading: Reading,
) -> Result<AllocationSummary, ScanErrorKind> {
    let is_lenient = reading.is_lenient();
    // vhd-footer-copy, vhd-fixed-begins-with-cookie
    let (footer, footer_at) = if reading.chooses(2) {
        footer_of_qemu(image).ok_or(Corrupt)?
    } else {
        believed_footer(image, reading)?
    };
    // vhd-version
    if field(&footer, 12..16) != VERSION && !is_lenient {
        return Err(Unsupported);
    }
    // vhd-disk-type
    let disk_type = field(&footer, 60..64);
    if !(FIXED..=DIFFERENCING).contains(&disk_type) && !is_lenient {
        return Err(Unsupported);
    }
    let size = disk_size(&footer, reading)?;
    let mut data = Data::new(size, unit);
    if disk_type == FIXED && !(footer_at == 0 && reading.chooses(2)) {
        // vhd-fixed-cut
        if size > footer_at && !is_lenient {
            return Err(Corrupt);
        }
        data.add(0, size);
    } else {
        add_blocks(image, size, &footer, reading, &mut data)?;
    }
    Ok(data.summary())
}

/// Whether QEMU finds no footer, or a block past the disk's end and the file's (vhd-entries-past-the-disk).
pub(crate) fn may_be_refused(image: &(impl Bytes + ?Sized)) -> bool {
    let Some((footer, _)) = footer_of_qemu(image) else {
        return true;
    };
    let header: [u8; 1024] = image.array(field(&footer, 16..24));
    let (block, table) = (field(&header, 32..36), field(&header, 16..24));
    let file = image.length().next_multiple_of(512);
    let is_there = |sector: u32| 512 * u64::from(sector) + bitmap_of_qemu(block) + block <= file;
    let (count, mut seen) = (field(&header, 28..32), 0);
    let cut = entries(image, table, count, |_, entry: [u8; 4]| {
        seen += 1;
        let sector = u32::from_be_bytes(entry);
        if sector == NOWHERE || is_there(sector) {
            Ok(())
        } else {
            Err(Corrupt)
        }
    });
    cut.is_err() || seen != count && !is_there(0)
}

/// The footer that QEMU takes, and where it is: the copy at the start if there is one, and otherwise that of a fixed
/// disk at the end of the file, which has whole sectors.
fn footer_of_qemu(image: &(impl Bytes + ?Sized)) -> Option<([u8; 512], u64)> {
    let copy: [u8; 512] = image.array(0);
    if copy.starts_with(COOKIE) {
        return has_right_checksum(&copy, 64..68).then_some((copy, 0));
    }
    let end = image.length().next_multiple_of(512).checked_sub(FOOTER)?;
    let last: [u8; 512] = image.array(end);
    let is_sound = last.starts_with(COOKIE) && has_right_checksum(&last, 64..68);
    (is_sound && field(&last, 60..64) == FIXED).then_some((last, end))
}

/// The facts in the footer and, unless the disk is fixed, in the header. Fails when there is no footer, or it is of a
/// disk that is too large, or of another version.
pub(crate) fn facts(
    image: &(impl Bytes + ?Sized),
    reading: Reading,
) -> Result<Facts, ScanErrorKind> {
    let (footer, _) = believed_footer(image, reading)?;
    let disk_type = field(&footer, 60..64);
    let is_dynamic = [DYNAMIC, DIFFERENCING].contains(&disk_type);
    let header_at = field(&footer, 16..24);
    let header: [u8; 1024] = image.array(header_at);
    let is_of_version = |structure: &[u8], at| field(structure, at) == VERSION;
    if !is_of_version(&footer, 12..16) || is_dynamic && !is_of_version(&header, 24..28) {
        return Err(Unsupported);
    }
    // The parent's name, in UTF-16: 256 units at byte 64.
    let parent = header_at.saturating_add(64)..header_at.saturating_add(64 + 2 * 256);
    Ok(Facts {
        virtual_size: disk_size(&footer, reading)?,
        unit: is_dynamic.then(|| field(&header, 32..36)),
        table_offset: is_dynamic.then(|| field(&header, 16..24)),
        parent: (disk_type == DIFFERENCING).then_some(parent),
        ..Facts::default()
    })
}

/// The footer that counts: the copy at the start if it is sound, or else the one at the end. Only a
/// disk that is not fixed has a copy. The one at the end may lack its last byte. Also where it is, in bytes.
fn believed_footer(
    image: &(impl Bytes + ?Sized),
    reading: Reading,
) -> Result<([u8; 512], u64), ScanErrorKind> {
    let is_sound = |footer: &[u8]| footer.starts_with(COOKIE) && has_right_checksum(footer, 64..68);
    let mut end = image.length().checked_sub(FOOTER).ok_or(NotThisFormat)?;
    let [copy, mut last] = [0, end].map(|at| image.array::<512>(at));
    let short: [u8; 512] = image.array(end + 1);
    if !last.starts_with(COOKIE) && end % FOOTER == FOOTER - 1 && is_sound(&short) {
        (last, end) = (short, end + 1);
    }
    let is_end_first = reading.chooses(3) && is_sound(&last);
    if is_sound(&copy) && field(&copy, 60..64) != FIXED && !is_end_first {
        Ok((copy, 0))
    } else if is_sound(&last) {
        Ok((last, end))
    } else if copy.starts_with(COOKIE) || last.starts_with(COOKIE) {
        Err(Corrupt)
    } else {
        Err(NotThisFormat)
    }
}

/// The disk's size in bytes. Virtual PC and QEMU go by cylinders, heads and sectors a track, everybody
/// else by the current size.
fn disk_size(footer: &[u8; 512], reading: Reading) -> Result<u64, ScanErrorKind> {
    let geometry = field(footer, 56..58) * field(footer, 58..59) * field(footer, 59..60);
    // vhd-size-by-geometry; before 10.0 QEMU knew these creators, and went by the geometry for all others.
    let creator = &footer[28..32];
    let goes_by_geometry = match (reading.chooses(0), reading.chooses(1)) {
        (true, _) => false,
        (_, true) => !matches!(
            creator,
            b"win " | b"qem2" | b"d2v " | b"CTXS" | b"tap\0" | b"wa\0\0"
        ),
        _ => matches!(creator, b"vpc " | b"qemu"),
    };
    let sectors = match goes_by_geometry {
        true if geometry != LARGEST_GEOMETRY => geometry,
        _ => field(footer, 48..56) / 512,
    };
    if sectors > LARGEST_DISK {
        return Err(Unsupported);
    }
    // The specification has a size in bytes. QEMU and we round it down to sectors.
    let is_in_bytes = reading.chooses(0) && reading.chooses(1);
    let rest = if is_in_bytes {
        field(footer, 48..56) % 512
    } else {
        0
    };
    Ok(512 * sectors + rest)
}

/// Adds the blocks of a disk of `size` bytes that has this footer and is not fixed.
fn add_blocks(
    image: &(impl Bytes + ?Sized),
    size: u64,
    footer: &[u8; 512],
    reading: Reading,
    data: &mut Data,
) -> Result<(), ScanErrorKind> {
    let is_lenient = reading.is_lenient();
    let header_at = field(footer, 16..24);
    if header_at < FOOTER && !is_lenient || !image.contains(header_at, HEADER) {
        return Err(Corrupt);
    }
    let header: [u8; 1024] = image.array(header_at);
    // vhd-header-checksum
    let is_sound = is_lenient || has_right_checksum(&header, 36..40);
    if !header.starts_with(b"cxsparse") || !is_sound {
        return Err(Corrupt);
    }
    if field(&header, 24..28) != VERSION && !is_lenient {
        return Err(Unsupported);
    }
    let block = field(&header, 32..36);
    if block < 512 || block.count_ones() != 1 {
        return Err(Corrupt);
    }

    let (table_at, table_entries) = (field(&header, 16..24), field(&header, 28..32));
    let blocks = size.div_ceil(block);
    if table_entries < blocks || !image.contains(table_at, 4 * table_entries) {
        return Err(Corrupt);
    }
    let header = header_at..header_at + HEADER;
    let table = table_at..table_at + 4 * table_entries;
    // vhd-over-header. A table without entries lies over nothing.
    let lies_over = |a: &Range<u64>, b: &Range<u64>| {
        !is_lenient && !a.is_empty() && !b.is_empty() && a.start < b.end && b.start < a.end
    };
    if lies_over(&table, &(0..FOOTER)) || lies_over(&table, &header) {
        return Err(Corrupt);
    }

    // vhd-disk-type: what is not in these blocks may be in the parent.
    if field(footer, 60..64) == DIFFERENCING && !is_lenient {
        return Err(Unsupported);
    }
    // A bit for each sector, in whole sectors: both are powers of two.
    let bitmap = if is_lenient {
        bitmap_of_qemu(block)
    } else {
        (block / 512 / 8).max(512)
    };
    let mut next = 0;
    // An entry that is left out is zero, which puts a block over the footer's copy.
    let left_out = |blocks: Range<u64>, data: &mut Data| {
        if !is_lenient || bitmap + block > image.length() {
            return Err(Corrupt);
        }
        data.add(blocks.start * block, (blocks.end - blocks.start) * block);
        Ok(())
    };
    entries(image, table_at, blocks, |number, entry: [u8; 4]| {
        if next != number {
            left_out(next..number, data)?;
        }
        next = number + 1;
        let sector = u32::from_be_bytes(entry);
        if sector == NOWHERE {
            return Ok(());
        }
        let start = 512 * u64::from(sector);
        let place = start..start + bitmap + block;
        let is_there = place.end <= image.length();
        if !is_there || lies_over(&place, &header) || lies_over(&place, &table) {
            return Err(Corrupt);
        }
        data.add(number * block, block);
        Ok(())
    })?;
    if next == blocks {
        return Ok(());
    }
    left_out(next..blocks, data)
}

/// How many bytes QEMU takes the bitmap of sectors to have: none for a block of less than 4096 bytes
/// (vhd-tiny-blocks).
fn bitmap_of_qemu(block: u64) -> u64 {
    (block / 4096).next_multiple_of(512)
}

/// Whether the checksum at `field_at` and all other bytes add up to 2^32 - 1: it is the ones'
/// complement of their sum.
fn has_right_checksum(bytes: &[u8], field_at: Range<usize>) -> bool {
    // Fewer than 2^24 bytes never wrap. A wrapping sum needs no overflow test for each byte.
    let sum = |bytes: &[u8]| {
        let each = bytes.iter().map(|&byte| u32::from(byte));
        each.fold(0, u32::wrapping_add)
    };
    let others = sum(&bytes[..field_at.start]) + sum(&bytes[field_at.end..]);
    u64::from(others) + field(bytes, field_at) == u64::from(u32::MAX)
}
