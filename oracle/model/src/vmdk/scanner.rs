//! How much of a VMDK image holds data.
//!
//! Written from VMware's "Virtual Disk Format 5.0", with the choices of `qemu-img map`. All numbers are
//! little-endian; on disk, offsets and sizes are in sectors of 512 bytes. An image is one sparse
//! extent: a header, a directory of tables, and tables of grains.

use std::num::NonZeroU64;

use types::{AllocationSummary, Facts};

use crate::data::{Data, Tables, entries};
use sparse::Bytes;
use types::ScanErrorKind::{self, Corrupt, NotThisFormat, Unsupported};

const SECTOR: u64 = 512;
/// Grains that a table maps, and its length in bytes.
const GRAINS_A_TABLE: u64 = 512;
const TABLE: u64 = 4 * GRAINS_A_TABLE;
/// The flag "an entry of 1 is a grain of zeros".
const ZEROED_GRAINS: u32 = 1 << 2;
/// The place of a directory that only the footer knows.
const IN_FOOTER: u64 = u64::MAX;

/// The right answer of a scan of the image, counting units of `unit` bytes when given.
///
/// # Errors
/// The kind of error that the scan must end with.
pub(crate) fn scan(
    image: &(impl Bytes + ?Sized),
    unit: Option<NonZeroU64>,
) -> Result<AllocationSummary, ScanErrorKind> {
    let extent = Extent::of(&header(image)?, image.length())?;
    let mut data = Data::new(extent.size, unit);
    extent.mapped(image, &mut data)?;
    Ok(data.summary())
}

/// What the header that counts says of the image: flags (bit 16: grains are compressed), and where the
/// descriptor is, in sectors.
///
/// # Errors
/// When there is no header.
pub(crate) fn facts(image: &(impl Bytes + ?Sized)) -> Result<Facts, ScanErrorKind> {
    let header = header(image)?;
    let in_bytes = |sectors: u64| u128::from(sectors) * u128::from(SECTOR);
    let start = in_bytes(header.u64(28));
    let end = start + in_bytes(header.u64(36));
    Ok(Facts {
        virtual_size: header.u64(12).saturating_mul(SECTOR),
        unit: header.u64(20).checked_mul(SECTOR),
        is_compressed: Some(header.u32(8) >> 16 & 1 == 1),
        named: match (u64::try_from(start), u64::try_from(end)) {
            (Ok(start), Ok(end)) if start > 0 && start < end => Some(start..end),
            _ => None,
        },
        ..Facts::default()
    })
}

/// The fields of a header, or of the marker before and behind a footer: a sector.
struct Sector([u8; 512]);

impl Sector {
    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(std::array::from_fn(|nth| self.0[at + nth]))
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|nth| self.0[at + nth]))
    }

    /// Whether it is a marker of that type. A marker has a value, a size, which is 0 because a grain
    /// would follow otherwise, and a type.
    fn is_marker(&self, kind: u32) -> bool {
        (self.u32(8), self.u32(12)) == (0, kind)
    }
}

/// The header that counts: the one in the footer, if the one at the file's start says so.
fn header(image: &(impl Bytes + ?Sized)) -> Result<Sector, ScanErrorKind> {
    let sector_at = |offset| Sector(image.array(offset));
    let first = sector_at(0);
    if first.0.starts_with(b"# Disk DescriptorFile") || first.0.starts_with(b"COWD") {
        return Err(Unsupported);
    }
    if !first.0.starts_with(b"KDMV") {
        return Err(NotThisFormat);
    }
    if !image.contains(0, SECTOR) {
        return Err(Corrupt);
    }
    let (capacity, descriptor) = (first.u64(12), first.u64(28));
    if capacity == 0 && descriptor != 0 {
        return Err(Unsupported);
    }
    if first.u64(56) != IN_FOOTER {
        return Ok(first);
    }
    let before = image.length().checked_sub(3 * SECTOR).ok_or(Corrupt)?;
    let [marker, footer, end] = [0, 1, 2].map(|nth| sector_at(before + nth * SECTOR));
    let is_footer = marker.is_marker(3)
        && footer.0.starts_with(b"KDMV")
        && footer.u64(56) != IN_FOOTER
        && end.is_marker(0)
        && end.u64(0) == 0;
    if is_footer { Ok(footer) } else { Err(Corrupt) }
}

/// What a header that is sound says; in bytes.
struct Extent {
    size: u64,
    grain: u64,
    directory: u64,
    has_zeroed_grains: bool,
}

impl Extent {
    /// The extent that `header` describes, in a file of `file` bytes.
    fn of(header: &Sector, file: u64) -> Result<Self, ScanErrorKind> {
        let (version, grain, grains_a_table) = (header.u32(4), header.u64(20), header.u32(44));
        let known = matches!(version, 1..=3)
            && matches!(grain, 1 | 2 | 4 | 8 | 16 | 32 | 64 | 128)
            && u64::from(grains_a_table) == GRAINS_A_TABLE;
        if !known {
            return Err(Unsupported);
        }
        let in_bytes = |at| u128::from(header.u64(at)) * u128::from(SECTOR);
        let (size, directory, overhead) = (in_bytes(12), in_bytes(56), in_bytes(64));
        let extent = Self {
            size: u64::try_from(size).map_err(|_| Corrupt)?,
            grain: grain * SECTOR,
            directory: u64::try_from(directory).map_err(|_| Corrupt)?,
            has_zeroed_grains: header.u32(8) & ZEROED_GRAINS != 0,
        };
        let directory_end = directory + u128::from(extent.tables()) * 4;
        let is_sound = size < 1 << 63
            && overhead <= u128::from(file).next_multiple_of(u128::from(SECTOR))
            && directory_end <= u128::from(file);
        if is_sound { Ok(extent) } else { Err(Corrupt) }
    }

    /// How many bytes of the disk a table maps.
    fn coverage(&self) -> u64 {
        GRAINS_A_TABLE * self.grain
    }

    /// How many tables the disk needs.
    fn tables(&self) -> u64 {
        self.size.div_ceil(self.coverage())
    }

    /// Adds to `data` what the directory maps.
    fn mapped(&self, image: &(impl Bytes + ?Sized), data: &mut Data) -> Result<(), ScanErrorKind> {
        let mut tables = Tables::new(image.length());
        entries(image, self.directory, self.tables(), |number, entry| {
            let table = u64::from(u32::from_le_bytes(entry)) * SECTOR;
            if !image.contains(table, TABLE) {
                return Err(Corrupt);
            }
            tables.name(TABLE)?;
            self.mapped_by_table(image, table, number * self.coverage(), data)
        })
    }

    /// Adds to `data` what the table at byte `table` maps, from byte `start` of the disk on.
    fn mapped_by_table(
        &self,
        image: &(impl Bytes + ?Sized),
        table: u64,
        start: u64,
        data: &mut Data,
    ) -> Result<(), ScanErrorKind> {
        let on_disk = (self.size - start).div_ceil(self.grain);
        entries(
            image,
            table,
            on_disk.min(GRAINS_A_TABLE),
            |number, entry| {
                if !(self.has_zeroed_grains && u32::from_le_bytes(entry) == 1) {
                    data.add(start + number * self.grain, self.grain);
                }
                Ok(())
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An extent without data: a disk of 1000 sectors, grains of 4 KiB, the directory at sector 1 and
    /// its one table in sectors 2 to 5, which end the file.
    fn empty() -> Vec<u8> {
        let mut image = vec![0; 6 * 512];
        image[..4].copy_from_slice(b"KDMV");
        put32(&mut image, 4, 1);
        put32(&mut image, 8, 3);
        put64(&mut image, 12, 1000);
        put64(&mut image, 20, 8);
        put32(&mut image, 44, 512);
        put64(&mut image, 56, 1);
        put64(&mut image, 64, 6);
        put32(&mut image, 512, 2);
        image
    }

    /// An extent whose header is in a footer.
    fn with_footer() -> Vec<u8> {
        let mut image = empty();
        let mut footer = [0; 3 * 512];
        footer[512..1024].copy_from_slice(&image[..512]);
        put64(&mut footer, 0, 1);
        put32(&mut footer, 12, 3);
        put64(&mut image, 56, u64::MAX);
        image.extend(footer);
        image
    }

    fn put32(image: &mut [u8], at: usize, value: u32) {
        image[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    fn put64(image: &mut [u8], at: usize, value: u64) {
        image[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    /// The bytes of data.
    fn bytes(image: &[u8]) -> Result<u64, ScanErrorKind> {
        scan(image, None).map(|summary| summary.allocated_bytes)
    }

    #[test]
    fn a_grain_is_held_unless_its_entry_is_0_or_zeroed() {
        let mut image = empty();
        for (nth, entry) in [(3, 1), (4, 2), (6, u32::MAX)] {
            put32(&mut image, 1024 + 4 * nth, entry);
        }
        assert_eq!(bytes(&image), Ok(3 * 4096));
        for (version, flags, grains) in [(1, 4, 2), (2, !4, 3), (3, u32::MAX, 2)] {
            put32(&mut image, 4, version);
            put32(&mut image, 8, flags);
            assert_eq!(bytes(&image), Ok(grains * 4096));
        }
    }

    #[test]
    fn units_and_the_end_of_the_disk_are_counted_exactly() {
        let mut image = empty();
        put64(&mut image, 12, 9 * 8 + 1);
        for nth in [0, 1, 7, 9, 10] {
            put32(&mut image, 1024 + 4 * nth, 100);
        }
        let summary = scan(&image[..], NonZeroU64::new(8192)).unwrap();
        assert_eq!(summary.virtual_size, 73 * 512);
        assert_eq!(summary.allocated_bytes, 3 * 4096 + 512);
        assert_eq!(summary.touched.unwrap().count, 3);
    }

    #[test]
    fn tables_are_whole_and_no_more_than_the_file_has() {
        // The file has 12 sectors, room for 3 tables.
        let named = |tables: &[u32]| {
            let mut image = empty();
            image.resize(12 * 512, 0);
            put64(&mut image, 12, tables.len() as u64 * 512 * 8);
            for (nth, &table) in tables.iter().enumerate() {
                put32(&mut image, 512 + 4 * nth, table);
            }
            put32(&mut image, 1024, 100);
            bytes(&image)
        };
        assert_eq!(named(&[2, 2, 0, 2]), Ok(3 * 4096));
        assert_eq!(named(&[2, 2, 0, 2, 2]), Err(Corrupt));
        assert_eq!(named(&[8]), Ok(0));
        assert_eq!(named(&[9]), Err(Corrupt));
        assert_eq!(named(&[u32::MAX]), Err(Corrupt));
        // 1 is a table like every other; as one, the directory has the grain of entry 128.
        assert_eq!(named(&[1]), Ok(2 * 4096));
    }

    #[test]
    fn each_field_of_the_header_has_its_bounds() {
        type Change = fn(&mut [u8]);
        let cases: [(ScanErrorKind, &[Change]); 3] = [
            (NotThisFormat, &[|image| image[0] = b'k']),
            (
                Unsupported,
                &[
                    |image| image[..4].copy_from_slice(b"COWD"),
                    |image| image[..21].copy_from_slice(b"# Disk DescriptorFile"),
                    |image| put32(image, 4, 0),
                    |image| put32(image, 4, 4),
                    |image| put64(image, 20, 0),
                    |image| put64(image, 20, 12),
                    |image| put64(image, 20, 256),
                    |image| put32(image, 44, 511),
                    |image| {
                        put64(image, 12, 0);
                        put64(image, 28, 1);
                    },
                    // Unsupported is told before corrupt.
                    |image| {
                        put32(image, 44, 0);
                        put64(image, 12, u64::MAX);
                        put64(image, 64, 7);
                    },
                ],
            ),
            (
                Corrupt,
                &[
                    |image| put64(image, 12, 1 << 54),
                    |image| put64(image, 12, u64::MAX),
                    |image| put64(image, 64, 7),
                    |image| put64(image, 64, 1 << 62),
                    |image| put64(image, 56, 6),
                    |image| put64(image, 56, 1 << 55),
                    |image| put64(image, 12, (5 * 128 + 1) * 4096),
                ],
            ),
        ];
        for (kind, changes) in cases {
            for (nth, change) in changes.iter().enumerate() {
                let mut image = empty();
                change(&mut image);
                assert_eq!(bytes(&image), Err(kind), "{kind:?} {nth}");
            }
        }
        assert_eq!(bytes(&empty()[..6 * 512 - 511]), Err(Corrupt));
        let mut image = empty();
        put64(&mut image, 12, 0);
        for (directory, expected) in [(0, Ok(0)), (6, Ok(0)), (7, Err(Corrupt))] {
            put64(&mut image, 56, directory);
            assert_eq!(bytes(&image), expected);
        }
        for (length, kind) in [(0, NotThisFormat), (3, NotThisFormat), (511, Corrupt)] {
            assert_eq!(bytes(&image[..length]), Err(kind));
        }
        put64(&mut image, 56, 1);
        put64(&mut image, 64, 2);
        // The last sector may be there in part.
        assert_eq!(bytes(&image[..513]), Ok(0));
        assert_eq!(bytes(&image[..512]), Err(Corrupt));
    }

    #[test]
    fn a_footer_is_the_header_when_its_markers_are_right() {
        let sound = with_footer();
        assert_eq!(bytes(&sound), Ok(0));
        let footer = sound.len() - 1536;
        for (at, kind) in [
            (8, Corrupt),
            (12, Corrupt),
            (512, Corrupt),
            (512 + 4, Unsupported),
            (512 + 64, Corrupt),
            (1024, Corrupt),
            (1024 + 7, Corrupt),
            (1024 + 8, Corrupt),
            (1024 + 12, Corrupt),
        ] {
            let mut image = sound.clone();
            image[footer + at] ^= 0x10;
            assert_eq!(bytes(&image), Err(kind), "{at}");
        }
        let mut image = sound.clone();
        put64(&mut image, footer + 512 + 56, u64::MAX);
        assert_eq!(bytes(&image), Err(Corrupt));
        // How many sectors a footer has is not looked at, nor the first header's other fields.
        let mut image = sound.clone();
        put64(&mut image, footer, 77);
        put32(&mut image, 4, 77);
        put64(&mut image, 20, 77);
        assert_eq!(bytes(&image), Ok(0));
        put64(&mut image, footer + 512 + 12, 0);
        put64(&mut image, footer + 512 + 28, 1);
        assert_eq!(bytes(&image), Ok(0));
        put64(&mut image, 12, 0);
        put64(&mut image, 28, 1);
        assert_eq!(bytes(&image), Err(Unsupported));
        let mut image = sound[..1535].to_vec();
        put64(&mut image, 64, 0);
        assert_eq!(bytes(&image), Err(Corrupt));
    }
}
