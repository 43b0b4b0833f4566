//! How much of a VMDK image holds data.
//!
//! Written from VMware's "Virtual Disk Format 5.0", with the choices of `qemu-img map`. All numbers are
//! little-endian; on disk, offsets and sizes are in sectors of 512 bytes. An image is one sparse
//! extent: a header, a directory of tables, and tables of grains.

use std::num::NonZeroU64;

use types::{AllocationSummary, Facts};

use crate::data::{Data, Tables, entries, little_endian as field};
use crate::readings::Reading;
use sparse::Bytes;
use types::ScanErrorKind::{self, Corrupt, NotThisFormat, Unsupported};

const SECTOR: u64 = 512;
/// Grains that a table maps.
const GRAINS_A_TABLE: u64 = 512;
/// The most tables that QEMU takes, and the most sectors of a grain.
const MOST_TABLES: u64 = 32 << 20;
const MOST_OF_A_GRAIN: u64 = 1 << 21;
/// The flag "an entry of 1 is a grain of zeros".
const ZEROED_GRAINS: u64 = 1 << 2;
/// The flag "there is a redundant directory".
const REDUNDANT_DIRECTORY: u64 = 1 << 1;
/// The place of a directory that only the footer knows.
const IN_FOOTER: u64 = u64::MAX;

/// The readings have no choices.
pub(crate) const CHOICES: u32 = 0;

/// See [`scanners::scan`](crate::scanners::scan).
pub(crate) fn scan(
    image: &(impl Bytes + ?Sized),
    unit: Option<NonZeroU64>,
    reading: Reading,
) -> Result<AllocationSummary, ScanErrorKind> {
    let extent = match header(image) {
        Err(Unsupported) if reading.is_lenient() => Extent::of_another_kind(image)?,
        header => Extent::of(&header?, image.length(), reading)?,
    };
    let mut data = Data::new(extent.size, unit);
    extent.mapped(image, reading, &mut data)?;
    Ok(data.summary())
}

/// Whether QEMU finds no content id in the sectors 1 to 20 (vmdk-descriptor), or the redundant directory is not wholly
/// in the file (vmdk-redundant-directory).
pub(crate) fn may_be_refused(image: &(impl Bytes + ?Sized)) -> bool {
    let descriptor: [u8; 20 * 512] = image.array(SECTOR);
    // It is a text, which ends with the first zero.
    let text = descriptor.split(|&byte| byte == 0).next();
    let has_id = text.is_some_and(|text| text.windows(4).any(|four| four == b"CID="));
    let has_directories = header(image).is_ok_and(|header| {
        let extent = Extent::of(&header, image.length(), Reading::OURS);
        let place = u128::from(field(&header, 48..56)) * u128::from(SECTOR);
        let is_redundant = field(&header, 8..12) & REDUNDANT_DIRECTORY != 0;
        let is_there =
            |extent: Extent| place + 4 * u128::from(extent.tables()) <= u128::from(image.length());
        !is_redundant || extent.is_ok_and(is_there)
    });
    !has_id || !has_directories
}

/// The facts in the header that counts: flags (bit 16: grains are compressed), and where the
/// descriptor is, in sectors. Fails when there is no header.
pub(crate) fn facts(image: &(impl Bytes + ?Sized), _: Reading) -> Result<Facts, ScanErrorKind> {
    let header = header(image)?;
    let in_bytes = |sectors: u64| u128::from(sectors) * u128::from(SECTOR);
    let start = in_bytes(field(&header, 28..36));
    let end = start + in_bytes(field(&header, 36..44));
    Ok(Facts {
        virtual_size: field(&header, 12..20).saturating_mul(SECTOR),
        unit: field(&header, 20..28).checked_mul(SECTOR),
        is_compressed: Some(field(&header, 8..12) >> 16 & 1 == 1),
        named: match (u64::try_from(start), u64::try_from(end)) {
            (Ok(start), Ok(end)) if start > 0 && start < end => Some(start..end),
            _ => None,
        },
        ..Facts::default()
    })
}

/// A header, or a marker before or behind a footer.
type Sector = [u8; 512];

/// Whether it is a marker of that type. A marker has a value, a size, which is 0 because a grain would follow
/// otherwise, and a type.
fn is_marker(sector: &Sector, kind: u64) -> bool {
    (field(sector, 8..12), field(sector, 12..16)) == (0, kind)
}

/// The header that counts: the one in the footer, if the one at the file's start names it.
fn header(image: &(impl Bytes + ?Sized)) -> Result<Sector, ScanErrorKind> {
    let sector_at = |offset| image.array::<512>(offset);
    let first = sector_at(0);
    if first.starts_with(b"# Disk DescriptorFile") || first.starts_with(b"COWD") {
        return Err(Unsupported);
    }
    if !first.starts_with(b"KDMV") {
        return Err(NotThisFormat);
    }
    if !image.contains(0, SECTOR) {
        return Err(Corrupt);
    }
    let (capacity, descriptor) = (field(&first, 12..20), field(&first, 28..36));
    if capacity == 0 && descriptor != 0 {
        return Err(Unsupported);
    }
    if field(&first, 56..64) != IN_FOOTER {
        return Ok(first);
    }
    let before = image.length().checked_sub(3 * SECTOR).ok_or(Corrupt)?;
    let [marker, footer, end] = [0, 1, 2].map(|nth| sector_at(before + nth * SECTOR));
    let is_footer = is_marker(&marker, 3)
        && footer.starts_with(b"KDMV")
        && field(&footer, 56..64) != IN_FOOTER
        && is_marker(&end, 0)
        && field(&end, 0..8) == 0;
    if is_footer { Ok(footer) } else { Err(Corrupt) }
}

/// The fields of a sound header, in bytes.
#[derive(Default)]
struct Extent {
    size: u64,
    grain: u64,
    grains_a_table: u64,
    directory: u64,
    has_zeroed_grains: bool,
}

impl Extent {
    /// The extent that `header` describes, in a file of `file` bytes.
    fn of(header: &Sector, file: u64, reading: Reading) -> Result<Self, ScanErrorKind> {
        let (version, grain, grains_a_table) = (
            field(header, 4..8),
            field(header, 20..28),
            field(header, 44..48),
        );
        let is_lenient = reading.is_lenient();
        let known = if is_lenient {
            // vmdk-version-0, vmdk-grain-size, vmdk-table-entries
            version <= 3
                && (1..=MOST_OF_A_GRAIN).contains(&grain)
                && (1..=GRAINS_A_TABLE).contains(&grains_a_table)
        } else {
            matches!(version, 1..=3)
                && matches!(grain, 1 | 2 | 4 | 8 | 16 | 32 | 64 | 128)
                && grains_a_table == GRAINS_A_TABLE
        };
        if !known {
            return Err(Unsupported);
        }
        let in_bytes = |at| u128::from(field(header, at..at + 8)) * u128::from(SECTOR);
        let (size, directory, overhead) = (in_bytes(12), in_bytes(56), in_bytes(64));
        let extent = Self {
            size: u64::try_from(size).map_err(|_| Corrupt)?,
            grain: grain * SECTOR,
            grains_a_table,
            directory: match u64::try_from(directory) {
                Ok(directory) => directory,
                // vmdk-directory-wraps
                Err(_) if is_lenient => directory as u64,
                Err(_) => return Err(Corrupt),
            },
            has_zeroed_grains: field(header, 8..12) & ZEROED_GRAINS != 0,
        };
        let directory_end = directory + u128::from(extent.tables()) * 4;
        let is_sound = size < 1 << 63
            && overhead <= u128::from(file).next_multiple_of(u128::from(SECTOR))
            && if is_lenient {
                // vmdk-table-past-end
                extent.tables() <= MOST_TABLES && extent.directory < 1 << 63
            } else {
                directory_end <= u128::from(file)
            };
        if is_sound { Ok(extent) } else { Err(Corrupt) }
    }

    /// Of an extent of ESX (vmdk-cowd), or of a text that names no file (vmdk-text-descriptor): QEMU takes it for a
    /// disk of no bytes.
    fn of_another_kind(image: &(impl Bytes + ?Sized)) -> Result<Self, ScanErrorKind> {
        let header: Sector = image.array(0);
        if header.starts_with(b"# Disk") || header.starts_with(b"KDMV") {
            let at = if header.starts_with(b"#") {
                0
            } else {
                field(&header, 28..36)
            };
            let text: [u8; 20 * 512] = image.array(at.checked_mul(SECTOR).ok_or(Unsupported)?);
            let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
            let names_a_file = text
                .split(|&byte| byte == b'\n')
                .any(|line| line.trim_ascii_start().starts_with(b"RW") && line.contains(&b'"'));
            return if names_a_file {
                Err(Unsupported)
            } else {
                Ok(Self::default())
            };
        }
        let extent = Self {
            size: field(&header, 12..16) * SECTOR,
            grain: field(&header, 16..20) * SECTOR,
            grains_a_table: 4096,
            directory: field(&header, 20..24) * SECTOR,
            has_zeroed_grains: false,
        };
        let tables = field(&header, 24..28);
        let is_sound = header.starts_with(b"COWD")
            && (extent.grain > 0 || extent.size == 0)
            && extent.grain <= MOST_OF_A_GRAIN * SECTOR
            && extent.tables() <= tables
            && tables <= MOST_TABLES;
        if is_sound {
            Ok(extent)
        } else {
            Err(Unsupported)
        }
    }

    /// How many bytes of the disk a table maps.
    fn coverage(&self) -> u64 {
        self.grains_a_table * self.grain
    }

    /// How many tables the disk needs.
    fn tables(&self) -> u64 {
        self.size.div_ceil(self.coverage().max(1))
    }

    /// Adds to `data` what the directory maps.
    fn mapped(
        &self,
        image: &(impl Bytes + ?Sized),
        reading: Reading,
        data: &mut Data,
    ) -> Result<(), ScanErrorKind> {
        let mut tables = Tables::new(image.length(), reading);
        let length = 4 * self.grains_a_table;
        entries(image, self.directory, self.tables(), |number, entry| {
            let table = u64::from(u32::from_le_bytes(entry)) * SECTOR;
            if !reading.is_lenient() && !image.contains(table, length) {
                return Err(Corrupt);
            }
            tables.name(length)?;
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
            on_disk.min(self.grains_a_table),
            |number, entry| {
                if !(self.has_zeroed_grains && u32::from_le_bytes(entry) == 1) {
                    data.add(start + number * self.grain, self.grain);
                }
                Ok(())
            },
        )
    }
}
