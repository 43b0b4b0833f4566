//! How much of a VHDX image holds data.
//!
//! After Microsoft's MS-VHDX (its sections are named below), and QEMU's block/vhdx.c, seen from
//! outside, where that is more lenient. All fields are little-endian.
//!
//! A payload block that is fully present by the block allocation table (BAT) counts whole, up to the
//! disk's end. Entries of sector bitmaps are for differencing disks and mean nothing here.

use std::num::NonZeroU64;
use std::ops::Range;

use types::{AllocationSummary, Facts, ScanErrorKind};

use super::replay::replay;
use crate::data::{Data, entries, little_endian as field};
use crate::readings::Reading;
use sparse::crc32c::Crc32c;
use sparse::{Bytes, SparseImage};
use types::ScanErrorKind::{Corrupt, NotThisFormat, Unsupported};

pub(super) const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// The length of a region table and of a metadata table.
const TABLE: u64 = 64 * KIB;
/// The most entries of either.
const MOST_ENTRIES: u64 = 2047;

/// Where the two headers and the two region tables are (MS-VHDX 2.2).
const HEADERS: [u64; 2] = [64 * KIB, 128 * KIB];
const REGION_TABLES: [u64; 2] = [192 * KIB, 256 * KIB];

/// The state of a block that is fully present.
const PRESENT: u64 = 6;

/// How many places in the file the scanner under test keeps apart: the header section, the log and
/// the regions, as far as they are not empty. More, which no known writer makes, it does not support.
const MOST_PLACES: usize = 32;

const BAT: [u8; 16] = guid(0x2dc2_7766, 0xf623, 0x4200, 0x9d64_115e_9bfd_4a08);
const METADATA: [u8; 16] = guid(0x8b7c_a206, 0x4790, 0x4b9a, 0xb8fe_575f_050f_886e);

/// The metadata items and their lengths: file parameters, virtual disk size, logical sector size,
/// physical sector size, virtual disk id, and the parent locator, which is at least so long and only a
/// differencing disk's (MS-VHDX 2.6.2).
const ITEMS: [([u8; 16], u64); 6] = [
    (guid(0xcaa1_6737, 0xfa36, 0x4d43, 0xb3b6_33f0_aa44_e76b), 8),
    (guid(0x2fa5_4224, 0xcd1b, 0x4876, 0xb211_5dbe_d83b_f4b8), 8),
    (guid(0x8141_bf1d, 0xa96f, 0x4709, 0xba47_f233_a8fa_ab5f), 4),
    (guid(0xcda3_48c7, 0x445d, 0x4471, 0x9cc9_e988_5251_c556), 4),
    (guid(0xbeca_12ab, 0xb2e6, 0x4523, 0x93ef_c309_e000_c746), 16),
    (PARENT_LOCATOR, 20),
];
const PARENT_LOCATOR: [u8; 16] = guid(0xa8d3_5f2d, 0xb30b, 0x454d, 0xabf7_d3d8_4834_ab0c);

/// The choices: blocks of a state that means nothing hold data, and the number of blocks is cut to 32 bits.
pub(crate) const CHOICES: u32 = 2;

/// See [`scanners::scan`](crate::scanners::scan).
pub(crate) fn scan(
    image: &(impl Bytes + ?Sized),
    unit: Option<NonZeroU64>,
    reading: Reading,
) -> Result<AllocationSummary, ScanErrorKind> {
    if image.array(0) != *b"vhdxfile" {
        return Err(NotThisFormat);
    }
    let (log, replayed) = log(image, reading)?;
    match replayed {
        Some(image) => scan_tables(&image, log, unit, reading),
        None => scan_tables(image, log, unit, reading),
    }
}

/// Scans an image without a log that has to be replayed.
fn scan_tables(
    image: &(impl Bytes + ?Sized),
    log: Range<u64>,
    unit: Option<NonZeroU64>,
    reading: Reading,
) -> Result<AllocationSummary, ScanErrorKind> {
    let mut taken = Taken::new(reading);
    taken.take(log)?;
    let [bat, metadata] = regions(image, &mut taken)?;
    let disk = disk(image, &metadata, reading)?;
    let mut data = Data::new(disk.size, unit);
    add_blocks(image, &disk, &bat, &taken, &mut data)?;
    Ok(data.summary())
}

/// Whether an image has something that QEMU refuses and we take.
pub(crate) fn may_be_refused(image: &(impl Bytes + ?Sized)) -> bool {
    // vhdx-first-region-table
    let has_first = has_right_checksum(image, REGION_TABLES[0], TABLE, b"regi");
    // vhdx-log-version
    let has_log_version = HEADERS.iter().any(|at| image.array(at + 64) != [0; 2]);
    let regions = regions(image, &mut Taken::new(Reading::OURS));
    let is_fine = regions.is_ok_and(|[bat, metadata]| {
        // vhdx-logical-sectors, vhdx-empty-disk
        disk(image, &metadata, Reading::OURS).is_ok_and(|disk| {
            disk.sector == 512 && disk.size != 0 && are_blocks_whole(image, &disk, &bat)
        })
    });
    !has_first || has_log_version || !is_fine
}

/// Whether every block is wholly in the file (vhdx-last-block-cut), and no sector bitmap is present
/// (vhdx-bitmap-entry).
fn are_blocks_whole(image: &(impl Bytes + ?Sized), disk: &Disk, region: &Range<u64>) -> bool {
    let chunk_entries = disk.chunk_ratio() + 1;
    let whole = entries(
        image,
        region.start,
        disk.entries(Reading::OURS),
        |number, entry: [u8; 8]| {
            let entry = u64::from_le_bytes(entry);
            let is_bitmap = number % chunk_entries == chunk_entries - 1;
            let is_whole = !is_bitmap && image.contains(entry >> 20 << 20, disk.block);
            if entry & 7 == PRESENT && !is_whole {
                Err(Corrupt)
            } else {
                Ok(())
            }
        },
    );
    whole.is_ok()
}

/// The facts in the metadata. Fails when a structure until there is not sound.
pub(crate) fn facts(
    image: &(impl Bytes + ?Sized),
    reading: Reading,
) -> Result<Facts, ScanErrorKind> {
    let mut taken = Taken::new(Reading::OURS);
    taken.take(log(image, Reading::OURS)?.0)?;
    let [bat, metadata] = regions(image, &mut taken)?;
    let disk = disk(image, &metadata, reading)?;
    Ok(Facts {
        virtual_size: disk.size,
        unit: Some(disk.block),
        table_offset: Some(bat.start),
        logical_sector_size: u32::try_from(disk.sector).ok(),
        parent: disk.parent_locator,
        ..Facts::default()
    })
}

/// Places in the file that do not overlap. All begin at a whole MiB.
struct Taken {
    places: Vec<Range<u64>>,
    reading: Reading,
}

impl Taken {
    /// The header section: the first MiB (MS-VHDX 2.2).
    fn new(reading: Reading) -> Self {
        let mut places = Vec::with_capacity(MOST_PLACES);
        places.push(0..MIB);
        Self { places, reading }
    }

    fn has_byte_of(&self, place: &Range<u64>) -> bool {
        self.places
            .iter()
            .any(|taken| taken.start.max(place.start) < taken.end.min(place.end))
    }

    fn take(&mut self, place: Range<u64>) -> Result<(), ScanErrorKind> {
        if place.is_empty() {
            return Ok(());
        }
        if self.has_byte_of(&place) {
            return Err(Corrupt);
        }
        // vhdx-many-regions
        if self.places.len() == MOST_PLACES && !self.reading.is_lenient() {
            return Err(Unsupported);
        }
        self.places.push(place);
        Ok(())
    }
}

/// Where the log is, by the current header (MS-VHDX 2.2.2), and the image that it makes, if it has to be replayed. An
/// empty log need not be inside the file.
fn log(
    image: &(impl Bytes + ?Sized),
    reading: Reading,
) -> Result<(Range<u64>, Option<SparseImage>), ScanErrorKind> {
    let is_lenient = reading.is_lenient();
    let version = |header: &[u8; 80]| field(header, 66..68);
    let sound_header = |at| has_right_checksum(image, at, 4 * KIB, b"head");
    // All of a header that is not reserved, when it is sound; vhdx-header-version.
    let [first, second] = HEADERS.map(|at| {
        let header = sound_header(at).then(|| image.array::<80>(at));
        header.filter(|header| !is_lenient || version(header) == 1)
    });
    let header = match (first, second) {
        (None, None) => return Err(Corrupt),
        (Some(only), None) | (None, Some(only)) => only,
        (Some(first), Some(second)) => {
            let sequence_number = |header| field(header, 8..16);
            match sequence_number(&first).cmp(&sequence_number(&second)) {
                std::cmp::Ordering::Greater => first,
                std::cmp::Ordering::Less => second,
                std::cmp::Ordering::Equal if first == second => first,
                std::cmp::Ordering::Equal => return Err(Corrupt),
            }
        }
    };
    let (length, start) = (field(&header, 68..72), field(&header, 72..80));
    let place = start..start.saturating_add(length);
    let has_log = header[48..64].iter().any(|&byte| byte != 0);
    let has_log_version = field(&header, 64..66) != 0;
    if version(&header) != 1 || has_log && (has_log_version || !reading.replays) {
        return Err(Unsupported);
    }
    // vhdx-log-place
    let is_placed = start != 0 && start.is_multiple_of(MIB) && length.is_multiple_of(MIB);
    if !(is_placed || is_lenient && !has_log) {
        return Err(Corrupt);
    }
    let replayed = match has_log {
        true => replay(image, &place, &header[48..64], reading)?,
        false => None,
    };
    Ok((place, replayed))
}

/// Where the BAT and the metadata are, by the first sound region table (MS-VHDX 2.2.3). All its
/// regions are taken.
fn regions(
    image: &(impl Bytes + ?Sized),
    taken: &mut Taken,
) -> Result<[Range<u64>; 2], ScanErrorKind> {
    let is_lenient = taken.reading.is_lenient();
    let table = REGION_TABLES
        .into_iter()
        .find(|&at| has_right_checksum(image, at, TABLE, b"regi"))
        .ok_or(Corrupt)?;
    let count = field(&image.array::<4>(table + 8), 0..4);
    if count > MOST_ENTRIES {
        return Err(Corrupt);
    }
    let [mut bat, mut metadata] = [None, None];
    // An entry of zeros is an empty region that is not required.
    entries(image, table + 16, count, |_, entry: [u8; 32]| {
        let (start, length) = (field(&entry, 16..24), field(&entry, 24..28));
        let is_required = field(&entry, 28..32) & 1 == 1;
        let place = start..start.saturating_add(length);
        let id = &entry[..16];
        let twice = if id == BAT {
            bat.replace(place.clone()).is_some()
        } else if id == METADATA {
            metadata.replace(place.clone()).is_some()
        } else if is_required {
            return Err(Unsupported);
        } else {
            false
        };
        let is_aligned = start.is_multiple_of(MIB) && length.is_multiple_of(MIB);
        // vhdx-region-place
        let is_placed = is_aligned && image.contains(start, length);
        if twice || !(is_placed || is_lenient && start < 1 << 62) {
            return Err(Corrupt);
        }
        taken.take(place)
    })?;
    match (bat, metadata) {
        (Some(bat), Some(metadata)) => Ok([bat, metadata]),
        _ => Err(Corrupt),
    }
}

/// The disk by the metadata, in bytes.
struct Disk {
    size: u64,
    block: u64,
    sector: u64,
    has_parent: bool,
    /// Where in the file it is.
    parent_locator: Option<Range<u64>>,
}

impl Disk {
    /// A sector bitmap is 1 MiB and has a bit for each sector of as many blocks as that makes; its entry
    /// comes after theirs.
    fn chunk_ratio(&self) -> u64 {
        8 * MIB * self.sector / self.block
    }

    /// How many entries the BAT has, those of sector bitmaps among them.
    fn entries(&self, reading: Reading) -> u64 {
        let mut blocks = self.size.div_ceil(self.block);
        if reading.chooses(1) {
            blocks &= u64::from(u32::MAX);
        }
        blocks + blocks.saturating_sub(1) / self.chunk_ratio()
    }
}

/// Reads the metadata (MS-VHDX 2.6): a table, and items behind it in the same `region`.
fn disk(
    image: &(impl Bytes + ?Sized),
    region: &Range<u64>,
    reading: Reading,
) -> Result<Disk, ScanErrorKind> {
    let is_lenient = reading.is_lenient();
    let length = region.end - region.start;
    // vhdx-item-place
    let has_table = length >= TABLE || is_lenient;
    if !has_table || image.array(region.start) != *b"metadata" {
        return Err(Corrupt);
    }
    let count = field(&image.array::<2>(region.start + 10), 0..2);
    if count > MOST_ENTRIES {
        return Err(Corrupt);
    }
    let mut items = [const { None }; ITEMS.len()];
    // An entry of zeros is an item that nobody knows and that is not required.
    entries(image, region.start + 32, count, |_, entry: [u8; 32]| {
        let id = &entry[..16];
        let Some(known) = ITEMS.iter().position(|(item, _)| id == item) else {
            let is_optional = field(&entry, 24..28) & 4 == 0;
            return is_optional.then_some(()).ok_or(Unsupported);
        };
        let item = field(&entry, 16..20);
        let item_length = field(&entry, 20..24);
        let is_inside = item >= TABLE && item + item_length <= length || is_lenient;
        let start = region.start + item;
        let is_first = items[known].replace(start..start + item_length).is_none();
        // vhdx-item-length
        let is_longer = id == PARENT_LOCATOR && item_length > ITEMS[known].1;
        let has_length = item_length == ITEMS[known].1 || is_longer || is_lenient;
        if !has_length || !is_inside || !is_first {
            return Err(Corrupt);
        }
        Ok(())
    })?;
    let parent_locator = items[5].take();
    let [Some(file), Some(size), Some(sector), Some(_), Some(_), ..] = items else {
        return Err(Corrupt);
    };
    let parameters: [u8; 8] = image.array(file.start);
    let mut disk = Disk {
        size: u64::from_le_bytes(image.array(size.start)),
        block: field(&parameters, 0..4),
        sector: u32::from_le_bytes(image.array(sector.start)).into(),
        has_parent: field(&parameters, 4..8) & 2 != 0 || parent_locator.is_some(),
        parent_locator,
    };
    let is_sound = (0..=8).any(|power| disk.block == MIB << power)
        && [512, 4096].contains(&disk.sector)
        // vhdx-size-of-part-sectors, vhdx-too-large
        && (is_lenient || disk.size.is_multiple_of(disk.sector) && disk.size <= 64 * TIB);
    if is_sound {
        disk.size -= disk.size % disk.sector;
    }
    if is_sound { Ok(disk) } else { Err(Corrupt) }
}

/// Adds the disk's present blocks, by the BAT in `region` (MS-VHDX 2.5).
fn add_blocks(
    image: &(impl Bytes + ?Sized),
    disk: &Disk,
    region: &Range<u64>,
    taken: &Taken,
    data: &mut Data,
) -> Result<(), ScanErrorKind> {
    let reading = taken.reading;
    let count = disk.entries(reading);
    let chunk_entries = disk.chunk_ratio() + 1;
    if count > (region.end - region.start) / 8 {
        return Err(Corrupt);
    }
    // What is not in these blocks may be in the parent.
    if disk.has_parent {
        return Err(Unsupported);
    }
    // An entry of zeros is a block that is not present.
    entries(image, region.start, count, |number, entry: [u8; 8]| {
        let chunk = number / chunk_entries;
        if number % chunk_entries == chunk_entries - 1 {
            return Ok(());
        }
        let entry = u64::from_le_bytes(entry);
        match entry & 7 {
            // Not present, undefined, zero, unmapped.
            0..=3 => return Ok(()),
            PRESENT => (),
            // vhdx-reserved-state
            _ if reading.is_lenient() => {
                if reading.chooses(0) {
                    data.add((number - chunk) * disk.block, disk.block);
                }
                return Ok(());
            }
            // Partially present, which needs a parent; 4 and 5 mean nothing.
            _ => return Err(Corrupt),
        }
        let in_disk = (number - chunk) * disk.block;
        let in_file = entry >> 20 << 20;
        let length = disk.block.min(disk.size - in_disk);
        let place = in_file..in_file.saturating_add(disk.block);
        // vhdx-block-over
        let lies_over = !reading.is_lenient() && taken.has_byte_of(&place);
        if !image.contains(in_file, length) || lies_over {
            return Err(Corrupt);
        }
        data.add(in_disk, length);
        Ok(())
    })
}

/// Whether `length` bytes at byte `at` lie in the file, begin with the signature, and have a right
/// CRC-32C behind it, itself taken as zeros.
fn has_right_checksum(
    image: &(impl Bytes + ?Sized),
    at: u64,
    length: u64,
    signature: &[u8; 4],
) -> bool {
    let start: [u8; 8] = image.array(at);
    if !image.contains(at, length) || !start.starts_with(signature) {
        return false;
    }
    checksum(image, signature, &[(at + 8, length - 8)]) == field(&start, 4..8)
}

/// The CRC-32C of a signature, itself taken as zeros, and parts of the image: where each begins, and its length.
pub(super) fn checksum(
    image: &(impl Bytes + ?Sized),
    signature: &[u8; 4],
    parts: &[(u64, u64)],
) -> u64 {
    let mut crc = Crc32c::new();
    crc.update(signature);
    crc.skip_zeros(4);
    for &(at, length) in parts {
        crc.update_pieces(at, length, image.pieces(at, length));
    }
    crc.finish().into()
}

/// A GUID as it lies in a file: the first three of its groups in reverse (MS-DTYP 2.3.4.2), the other two
/// as they are written.
const fn guid(first: u32, second: u16, third: u16, rest: u64) -> [u8; 16] {
    let start = (first.swap_bytes() as u64) << 32
        | (second.swap_bytes() as u64) << 16
        | third.swap_bytes() as u64;
    ((start as u128) << 64 | rest as u128).to_be_bytes()
}
