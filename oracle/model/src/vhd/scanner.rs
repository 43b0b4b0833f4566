//! How much of a VHD image holds data.
//!
//! After Microsoft's "Virtual Hard Disk Image Format Specification" (sections "Hard Disk Footer
//! Format", "Dynamic Disk Header Format" and "Block Allocation Table and Data Blocks"), and QEMU's
//! block/vpc.c, seen from outside, for the disk's size. All fields are big-endian.
//!
//! A block that the block allocation table (BAT) gives a place counts whole, up to the disk's end; the
//! bitmap of sectors in front of it has no say in a disk without a parent. A fixed disk counts whole.

use std::num::NonZeroU64;
use std::ops::Range;

use types::{AllocationSummary, Facts, ScanErrorKind};

use crate::data::{Data, entries};
use sparse::Bytes;
use types::ScanErrorKind::{Corrupt, NotThisFormat, Unsupported};

/// The lengths of the footer, which is also that of its copy at the start, and of the header.
const FOOTER: u64 = 512;
const HEADER: u64 = 1024;

/// Version 1.0 of the footer and of the header.
const VERSION: u64 = 1 << 16;
/// Disk types.
const FIXED: u64 = 2;
const DYNAMIC: u64 = 3;
/// The largest geometry there is; one that says so says that the disk is larger than it can say.
const LARGEST_GEOMETRY: u64 = 65_535 * 16 * 255;
/// QEMU's largest disk in sectors: 2040 GiB.
const LARGEST_DISK: u64 = (2040 << 30) / 512;
/// The BAT's entry of a block that has no place.
const NOWHERE: u32 = u32::MAX;

/// The right answer of a scan of the image, counting units of `unit` bytes when given.
///
/// # Errors
/// The kind of error that the scan must end with.
pub(crate) fn scan(
    image: &(impl Bytes + ?Sized),
    unit: Option<NonZeroU64>,
) -> Result<AllocationSummary, ScanErrorKind> {
    let footer = believed_footer(image)?;
    if field(&footer, 12..16) != VERSION {
        return Err(Unsupported);
    }
    let features = field(&footer, 8..12);
    if features & 2 == 0 {
        return Err(Corrupt);
    }
    let disk_type = field(&footer, 60..64);
    if disk_type != FIXED && disk_type != DYNAMIC {
        return Err(Unsupported);
    }
    let size = disk_size(&footer)?;
    let mut data = Data::new(size, unit);
    if disk_type == FIXED {
        if !image.contains(size, FOOTER) {
            return Err(Corrupt);
        }
        data.add(0, size);
    } else {
        add_blocks(image, size, field(&footer, 16..24), &mut data)?;
    }
    Ok(data.summary())
}

/// What the footer, and for a dynamic disk the header, say of the image.
///
/// # Errors
/// When there is no footer, or it is of a disk that is too large.
pub(crate) fn facts(image: &(impl Bytes + ?Sized)) -> Result<Facts, ScanErrorKind> {
    let footer = believed_footer(image)?;
    let is_dynamic = field(&footer, 60..64) == DYNAMIC;
    let header: [u8; 1024] = image.array(field(&footer, 16..24));
    Ok(Facts {
        virtual_size: disk_size(&footer)?,
        unit: is_dynamic.then(|| field(&header, 32..36)),
        ..Facts::default()
    })
}

/// The footer that counts: the copy at the start if it is sound, or else the one at the end. Only a
/// disk that is not fixed has a copy.
fn believed_footer(image: &(impl Bytes + ?Sized)) -> Result<[u8; 512], ScanErrorKind> {
    const COOKIE: &[u8] = b"conectix";
    let end = image.length().checked_sub(FOOTER).ok_or(NotThisFormat)?;
    let [copy, last] = [0, end].map(|at| image.array::<512>(at));
    let is_sound = |footer: &[u8]| footer.starts_with(COOKIE) && has_right_checksum(footer, 64..68);
    if is_sound(&copy) && field(&copy, 60..64) != FIXED {
        Ok(copy)
    } else if is_sound(&last) {
        Ok(last)
    } else if copy.starts_with(COOKIE) || last.starts_with(COOKIE) {
        Err(Corrupt)
    } else {
        Err(NotThisFormat)
    }
}

/// The disk's size in bytes. Virtual PC and QEMU go by cylinders, heads and sectors a track, everybody
/// else by the current size.
fn disk_size(footer: &[u8; 512]) -> Result<u64, ScanErrorKind> {
    let geometry = field(footer, 56..58) * field(footer, 58..59) * field(footer, 59..60);
    let goes_by_geometry = matches!(&footer[28..32], b"vpc " | b"qemu");
    let sectors = match goes_by_geometry {
        true if geometry != LARGEST_GEOMETRY => geometry,
        _ => field(footer, 48..56) / 512,
    };
    if sectors > LARGEST_DISK {
        return Err(Unsupported);
    }
    Ok(512 * sectors)
}

/// Adds the blocks of a dynamic disk of `size` bytes whose header is at byte `header_at`.
fn add_blocks(
    image: &(impl Bytes + ?Sized),
    size: u64,
    header_at: u64,
    data: &mut Data,
) -> Result<(), ScanErrorKind> {
    if header_at < FOOTER || !image.contains(header_at, HEADER) {
        return Err(Corrupt);
    }
    let header: [u8; 1024] = image.array(header_at);
    if !header.starts_with(b"cxsparse") || !has_right_checksum(&header, 36..40) {
        return Err(Corrupt);
    }
    if field(&header, 24..28) != VERSION {
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
    if overlap(&table, &(0..FOOTER)) || overlap(&table, &header) {
        return Err(Corrupt);
    }

    // A bit for each sector, in whole sectors: both are powers of two.
    let bitmap = (block / 512 / 8).max(512);
    let mut seen = 0;
    entries(image, table_at, blocks, |number, entry: [u8; 4]| {
        seen += 1;
        let sector = u32::from_be_bytes(entry);
        if sector == NOWHERE {
            return Ok(());
        }
        let start = 512 * u64::from(sector);
        let place = start..start + bitmap + block;
        if place.end > image.length() || overlap(&place, &header) || overlap(&place, &table) {
            return Err(Corrupt);
        }
        data.add(number * block, block);
        Ok(())
    })?;
    // An entry that is left out is zero, which puts a block over the footer's copy.
    if seen != blocks {
        return Err(Corrupt);
    }
    Ok(())
}

/// Whether two places in the file have a byte in common. A table without entries has none.
fn overlap(a: &Range<u64>, b: &Range<u64>) -> bool {
    !a.is_empty() && !b.is_empty() && a.start < b.end && b.start < a.end
}

/// Whether the checksum at `field_at` and all other bytes add up to 2^32 - 1: it is the ones'
/// complement of their sum.
fn has_right_checksum(bytes: &[u8], field_at: Range<usize>) -> bool {
    // Fewer than 2^24 bytes never wrap; said so, adding them up takes no test a byte.
    let sum = |bytes: &[u8]| {
        let each = bytes.iter().map(|&byte| u32::from(byte));
        each.fold(0, u32::wrapping_add)
    };
    let others = sum(&bytes[..field_at.start]) + sum(&bytes[field_at.end..]);
    u64::from(others) + field(bytes, field_at) == u64::from(u32::MAX)
}

/// The number in a field of at most eight bytes.
fn field(bytes: &[u8], at: Range<usize>) -> u64 {
    bytes[at]
        .iter()
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sparse::SparseImage;

    /// A dynamic disk as it lies in a file: copy at 0, header at 512, BAT at 1536, blocks from 2048,
    /// footer at the end.
    struct Disk {
        footer: [u8; 512],
        header: [u8; 1024],
        bat: Vec<u32>,
        length: u64,
    }

    const BLOCK: u64 = 4096;
    /// A block with its bitmap.
    const IN_FILE: u64 = BLOCK + 512;

    fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
        bytes[at..at + value.len()].copy_from_slice(value);
    }

    /// Puts the checksum at `at` right.
    fn seal(bytes: &mut [u8], at: usize) {
        put(bytes, at, &[0; 4]);
        let sum: u32 = bytes.iter().map(|&byte| u32::from(byte)).sum();
        put(bytes, at, &(!sum).to_be_bytes());
    }

    impl Disk {
        /// A disk of `size` bytes with that BAT, in a file with room for one block an entry.
        fn new(size: u64, bat: &[u32]) -> Self {
            let (mut footer, mut header) = ([0; 512], [0; 1024]);
            put(&mut footer, 0, b"conectix");
            put(&mut footer, 8, &[0, 0, 0, 2, 0, 1, 0, 0]);
            put(&mut footer, 16, &512_u64.to_be_bytes());
            put(&mut footer, 28, b"test");
            put(&mut footer, 48, &size.to_be_bytes());
            put(&mut footer, 60, &[0, 0, 0, 3]);
            put(&mut header, 0, b"cxsparse");
            put(&mut header, 16, &1536_u64.to_be_bytes());
            put(&mut header, 24, &[0, 1, 0, 0]);
            put(&mut header, 28, &(bat.len() as u32).to_be_bytes());
            put(&mut header, 32, &(BLOCK as u32).to_be_bytes());
            Self {
                footer,
                header,
                bat: bat.to_vec(),
                length: 2048 + IN_FILE * bat.len() as u64 + 512,
            }
        }

        fn footer(mut self, at: usize, value: &[u8]) -> Self {
            put(&mut self.footer, at, value);
            self
        }

        fn header(mut self, at: usize, value: &[u8]) -> Self {
            put(&mut self.header, at, value);
            self
        }

        /// The file, with right checksums.
        fn image(mut self) -> SparseImage {
            seal(&mut self.footer, 64);
            seal(&mut self.header, 36);
            let mut image = SparseImage::new(self.length);
            image.write(0, &self.footer);
            image.write(512, &self.header);
            for (at, entry) in (1536..).step_by(4).zip(&self.bat) {
                image.write(at, &entry.to_be_bytes());
            }
            image.write(self.length - 512, &self.footer);
            image
        }

        fn size(self) -> Result<u64, ScanErrorKind> {
            answer(&self.image()).map(|summary| summary.virtual_size)
        }

        fn data(self) -> Result<u64, ScanErrorKind> {
            answer(&self.image()).map(|summary| summary.allocated_bytes)
        }
    }

    fn answer(image: &SparseImage) -> Result<AllocationSummary, ScanErrorKind> {
        scan(image, None)
    }

    #[test]
    fn blocks_with_a_place_count_up_to_the_end_of_the_disk() {
        let disk = Disk::new(2 * BLOCK + 1024, &[NOWHERE, 13, 4, 0, 77]);
        let expected = AllocationSummary::new(2 * BLOCK + 1024, BLOCK + 1024).with_touched(512, 10);
        // The entries past the disk's end could not be blocks' places.
        assert_eq!(scan(&disk.image(), NonZeroU64::new(512)), Ok(expected));
    }

    #[test]
    fn a_fixed_disk_is_all_data_and_fits_its_file() {
        for (length, data) in [(4608, Ok(4096)), (4607, Err(Corrupt))] {
            let disk = Disk::new(4096, &[]).footer(60, &[0, 0, 0, 2]);
            let mut footer = disk.footer;
            seal(&mut footer, 64);
            let mut image = SparseImage::new(length);
            image.write(length - 512, &footer);
            assert_eq!(answer(&image).map(|summary| summary.allocated_bytes), data);
            // What looks like a fixed disk's footer at the start is data.
            let mut other = Disk::new(0, &[]).footer(60, &[0, 0, 0, 2]).footer;
            seal(&mut other, 64);
            image.write(0, &other);
            assert_eq!(answer(&image).map(|summary| summary.allocated_bytes), data);
        }
    }

    #[test]
    fn the_copy_is_believed_and_the_last_footer_stands_in_for_it() {
        let two_sizes = |damaged: [bool; 2]| {
            let other = Disk::new(1024, &[NOWHERE]).image();
            let mut image = Disk::new(2048, &[NOWHERE]).image();
            let last = image.length() - 512;
            image.write(last, &other.array::<512>(0));
            for (at, _) in [0, last].into_iter().zip(damaged).filter(|(_, it)| *it) {
                image.write(at + 200, &[1]);
            }
            answer(&image).map(|summary| summary.virtual_size)
        };
        assert_eq!(two_sizes([false, false]), Ok(2048));
        assert_eq!(two_sizes([false, true]), Ok(2048));
        assert_eq!(two_sizes([true, false]), Ok(1024));
        assert_eq!(two_sizes([true, true]), Err(Corrupt));
        let mut image = Disk::new(2048, &[NOWHERE]).image();
        image.write(0, &[0]);
        assert!(answer(&image).is_ok());
        let last = image.length() - 512;
        image.write(last, &[0]);
        assert_eq!(answer(&image), Err(NotThisFormat));
        image.set_capacity(511);
        assert_eq!(answer(&image), Err(NotThisFormat));
    }

    #[test]
    fn the_size_is_by_geometry_for_those_who_mean_it() {
        let disk = |creator: &[u8; 4], geometry: &[u8; 4]| {
            Disk::new(1500, &[NOWHERE; 40])
                .footer(28, creator)
                .footer(56, geometry)
        };
        for (creator, size) in [(b"vpc ", 512 * 150), (b"qemu", 512 * 150), (b"win ", 1024)] {
            assert_eq!(disk(creator, &[0, 3, 5, 10]).size(), Ok(size));
            assert_eq!(disk(creator, &[255, 255, 16, 255]).size(), Ok(1024));
        }
        assert_eq!(disk(b"qemu", &[255, 255, 16, 254]).size(), Err(Corrupt));
    }

    #[test]
    fn errors_come_in_their_order() {
        let disk = || Disk::new(BLOCK, &[4]);
        let too_large = |more: u64| ((0xff00_0000 + more) * 512 + 511).to_be_bytes();
        assert_eq!(disk().data(), Ok(BLOCK));
        let version = disk().footer(12, &[0, 1, 0, 1]);
        assert_eq!(version.footer(8, &[0; 4]).data(), Err(Unsupported));
        let features = disk().footer(8, &[0, 0, 0, 1]);
        assert_eq!(features.footer(60, &[0, 0, 0, 4]).data(), Err(Corrupt));
        for disk_type in [0, 1, 4, 5] {
            let disk = disk().footer(60, &[0, 0, 0, disk_type]);
            assert_eq!(disk.data(), Err(Unsupported));
        }
        let large = |more| disk().footer(48, &too_large(more)).header(0, b"x").data();
        assert_eq!(large(0), Err(Corrupt));
        assert_eq!(large(1), Err(Unsupported));
        for header_at in [0, 511, disk().length - 1023, u64::MAX] {
            let disk = disk().footer(16, &header_at.to_be_bytes());
            assert_eq!(disk.data(), Err(Corrupt));
        }
        let version = disk().header(24, &[0, 2, 0, 0]).header(32, &[0; 4]);
        assert_eq!(version.data(), Err(Unsupported));
        for block in [0_u32, 256, 513, 4097, 12_288] {
            let disk = disk().header(32, &block.to_be_bytes());
            assert_eq!(disk.data(), Err(Corrupt), "{block}");
        }
        let mut image = disk().header(24, &[0, 2, 0, 0]).image();
        image.write(600, &[1]);
        assert_eq!(answer(&image), Err(Corrupt), "a wrong checksum comes first");
    }

    #[test]
    fn the_bat_is_whole_in_the_file_and_beside_the_other_structures() {
        let with_table_at = |at: u64| {
            let disk = Disk::new(BLOCK, &[4]).header(16, &at.to_be_bytes());
            let mut image = disk.image();
            if at >= 1536 {
                image.write(at, &[0xff; 4]);
            }
            answer(&image).map(|summary| summary.allocated_bytes)
        };
        let end = Disk::new(BLOCK, &[4]).length;
        for at in [0, 511, 512, 1535, end - 3, end, u64::MAX - 1] {
            assert_eq!(with_table_at(at), Err(Corrupt), "{at}");
        }
        // A footer at the end that the BAT lies over is not looked at: the copy is sound.
        for at in [1537, 3001, end - 4] {
            assert_eq!(with_table_at(at), Ok(0), "{at}");
        }
        let entries = |count: u32| {
            let disk = Disk::new(BLOCK + 1, &[NOWHERE; 2]).footer(48, &(BLOCK + 512).to_be_bytes());
            disk.header(28, &count.to_be_bytes()).data()
        };
        assert_eq!(entries(1), Err(Corrupt));
        assert_eq!(entries(2), Ok(0));
        let empty = |at: u64| Disk::new(0, &[]).header(16, &at.to_be_bytes()).data();
        for at in [0, 1, 512, 513] {
            assert_eq!(empty(at), Ok(0), "{at}");
        }
    }

    #[test]
    fn a_block_is_in_the_file_and_over_nothing_but_the_footer_at_the_end() {
        let with_place = |sector| Disk::new(2 * BLOCK, &[NOWHERE, sector]).data();
        let length = Disk::new(2 * BLOCK, &[NOWHERE; 2]).length;
        let last = ((length - IN_FILE) / 512) as u32;
        assert_eq!(with_place(last), Ok(BLOCK));
        assert_eq!(with_place(4), Ok(BLOCK));
        for sector in [0, 1, 2, 3, last + 1, NOWHERE - 1] {
            assert_eq!(with_place(sector), Err(Corrupt), "{sector}");
        }
        // In the middle of the table an entry of zeros is a place as well.
        let zero = Disk::new(3 * BLOCK, &[4, 0, NOWHERE]);
        assert_eq!(zero.data(), Err(Corrupt));
    }

    #[test]
    fn a_large_block_has_a_larger_bitmap() {
        for (block, bitmap) in [
            (512_u64, 512),
            (2 << 20, 512),
            (4 << 20, 1024),
            (16 << 20, 4096),
        ] {
            for (missing, answer) in [(0, Ok(block)), (1, Err(Corrupt))] {
                let disk = Disk::new(block, &[4]).header(32, &(block as u32).to_be_bytes());
                let mut image = disk.image();
                image.set_capacity(2048 + bitmap + block - missing);
                assert_eq!(
                    scan(&image, None).map(|summary| summary.allocated_bytes),
                    answer
                );
            }
        }
    }
}
