//! How much of a VHDX image holds data.
//!
//! After Microsoft's MS-VHDX (its sections are named below), and QEMU's block/vhdx.c, seen from
//! outside, where that is more lenient. All fields are little-endian.
//!
//! A payload block that the block allocation table (BAT) says is fully present counts whole, up to the
//! disk's end. Entries of sector bitmaps are for differencing disks and mean nothing here.

use std::num::NonZeroU64;
use std::ops::Range;

use shared::AllocationSummary;

use super::data::{Data, entries};
use crate::crc32c::Crc32c;
use crate::model::bytes::Bytes;
use crate::subject::ScanErrorKind::{Corrupt, NotThisFormat, Unsupported};
use crate::subject::{Facts, ScanErrorKind};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// The length of a region table and of a metadata table.
const TABLE: u64 = 64 * KIB;
/// The most entries of either.
const MOST_ENTRIES: u64 = 2047;

/// How many places in the file the scanner under test keeps apart: the header section, the log and
/// the regions, as far as they are not empty. More, which no known writer makes, it does not support.
const MOST_PLACES: usize = 32;

const BAT: [u8; 16] = guid("2DC27766-F623-4200-9D64-115E9BFD4A08");
const METADATA: [u8; 16] = guid("8B7CA206-4790-4B9A-B8FE-575F050F886E");

/// The metadata items that no file is without, and their lengths: file parameters, virtual disk size,
/// logical sector size, physical sector size, virtual disk id (MS-VHDX 2.6.2).
const ITEMS: [([u8; 16], u64); 5] = [
    (guid("CAA16737-FA36-4D43-B3B6-33F0AA44E76B"), 8),
    (guid("2FA54224-CD1B-4876-B211-5DBED83BF4B8"), 8),
    (guid("8141BF1D-A96F-4709-BA47-F233A8FAAB5F"), 4),
    (guid("CDA348C7-445D-4471-9CC9-E9885251C556"), 4),
    (guid("BECA12AB-B2E6-4523-93EF-C309E000C746"), 16),
];
const PARENT_LOCATOR: [u8; 16] = guid("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C");

/// The right answer of a scan of the image, counting units of `unit` bytes when given.
///
/// # Errors
/// The kind of error that the scan must end with.
pub fn scan(
    image: &(impl Bytes + ?Sized),
    unit: Option<NonZeroU64>,
) -> Result<AllocationSummary, ScanErrorKind> {
    if image.array(0) != *b"vhdxfile" {
        return Err(NotThisFormat);
    }
    let mut taken = Taken::new();
    taken.take(log(image)?)?;
    let [bat, metadata] = regions(image, &mut taken)?;
    let disk = disk(image, &metadata)?;
    let mut data = Data::new(disk.size, unit);
    add_blocks(image, &disk, &bat, &taken, &mut data)?;
    Ok(data.summary())
}

/// What the metadata say of the image.
///
/// # Errors
/// When a structure until there is not sound.
pub fn facts(image: &(impl Bytes + ?Sized)) -> Result<Facts, ScanErrorKind> {
    let [_, metadata] = regions(image, &mut Taken::new())?;
    let disk = disk(image, &metadata)?;
    Ok(Facts {
        virtual_size: disk.size,
        unit: Some(disk.block),
        logical_sector_size: u32::try_from(disk.sector).ok(),
        ..Facts::default()
    })
}

/// Places in the file that do not overlap. All begin at a whole MiB.
struct Taken(Vec<Range<u64>>);

impl Taken {
    /// The header section: the first MiB (MS-VHDX 2.2).
    fn new() -> Self {
        let mut taken = Vec::with_capacity(MOST_PLACES);
        taken.push(0..MIB);
        Self(taken)
    }

    fn has_byte_of(&self, place: &Range<u64>) -> bool {
        self.0
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
        if self.0.len() == MOST_PLACES {
            return Err(Unsupported);
        }
        self.0.push(place);
        Ok(())
    }
}

/// Where the log is, by the current header (MS-VHDX 2.2.2): it has to be empty of changes, and need
/// not be inside the file.
fn log(image: &(impl Bytes + ?Sized)) -> Result<Range<u64>, ScanErrorKind> {
    let sound_header = |at| has_right_checksum(image, at, 4 * KIB, b"head");
    // All of a header that is not reserved, when it is sound.
    let [first, second] =
        [64 * KIB, 128 * KIB].map(|at| sound_header(at).then(|| image.array::<80>(at)));
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
    let version = field(&header, 66..68);
    let log_guid = &header[48..64];
    if version != 1 || log_guid.iter().any(|&byte| byte != 0) {
        return Err(Unsupported);
    }
    let (length, start) = (field(&header, 68..72), field(&header, 72..80));
    if start == 0 || !start.is_multiple_of(MIB) || !length.is_multiple_of(MIB) {
        return Err(Corrupt);
    }
    Ok(start..start.saturating_add(length))
}

/// Where the BAT and the metadata are, by the first sound region table (MS-VHDX 2.2.3). All its
/// regions are taken.
fn regions(
    image: &(impl Bytes + ?Sized),
    taken: &mut Taken,
) -> Result<[Range<u64>; 2], ScanErrorKind> {
    let table = [192 * KIB, 256 * KIB]
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
        if twice || !is_aligned || !image.contains(start, length) {
            return Err(Corrupt);
        }
        taken.take(place)
    })?;
    match (bat, metadata) {
        (Some(bat), Some(metadata)) => Ok([bat, metadata]),
        _ => Err(Corrupt),
    }
}

/// What the metadata say about the disk, in bytes.
struct Disk {
    size: u64,
    block: u64,
    sector: u64,
}

/// Reads the metadata (MS-VHDX 2.6): a table, and items behind it in the same `region`.
fn disk(image: &(impl Bytes + ?Sized), region: &Range<u64>) -> Result<Disk, ScanErrorKind> {
    let length = region.end - region.start;
    if length < TABLE || image.array(region.start) != *b"metadata" {
        return Err(Corrupt);
    }
    let count = field(&image.array::<2>(region.start + 10), 0..2);
    if count > MOST_ENTRIES {
        return Err(Corrupt);
    }
    let mut items = [None; ITEMS.len()];
    // An entry of zeros is an item that nobody knows and that is not required.
    entries(image, region.start + 32, count, |_, entry: [u8; 32]| {
        let id = &entry[..16];
        let Some(known) = ITEMS.iter().position(|(item, _)| id == item) else {
            let is_required = field(&entry, 24..28) & 4 != 0;
            return if is_required || id == PARENT_LOCATOR {
                Err(Unsupported)
            } else {
                Ok(())
            };
        };
        let item = field(&entry, 16..20);
        let item_length = field(&entry, 20..24);
        let is_inside = item >= TABLE && item + item_length <= length;
        let is_first = items[known].replace(region.start + item).is_none();
        if item_length != ITEMS[known].1 || !is_inside || !is_first {
            return Err(Corrupt);
        }
        Ok(())
    })?;
    let [Some(parameters), Some(size), Some(sector), Some(_), Some(_)] = items else {
        return Err(Corrupt);
    };
    let parameters: [u8; 8] = image.array(parameters);
    let has_parent = field(&parameters, 4..8) & 2 != 0;
    if has_parent {
        return Err(Unsupported);
    }
    let disk = Disk {
        size: u64::from_le_bytes(image.array(size)),
        block: field(&parameters, 0..4),
        sector: u32::from_le_bytes(image.array(sector)).into(),
    };
    let is_sound = (0..=8).any(|power| disk.block == MIB << power)
        && [512, 4096].contains(&disk.sector)
        && disk.size.is_multiple_of(disk.sector)
        && disk.size <= 64 * TIB;
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
    // A sector bitmap is 1 MiB and has a bit for each sector of as many blocks as that makes; its entry
    // comes after theirs.
    let chunk_ratio = 8 * MIB * disk.sector / disk.block;
    let blocks = disk.size.div_ceil(disk.block);
    let bitmaps_between = match blocks {
        0 => 0,
        _ => (blocks - 1) / chunk_ratio,
    };
    let count = blocks + bitmaps_between;
    if 8 * count > region.end - region.start {
        return Err(Corrupt);
    }
    // An entry of zeros is a block that is not present.
    entries(image, region.start, count, |number, entry: [u8; 8]| {
        let chunk = number / (chunk_ratio + 1);
        if number % (chunk_ratio + 1) == chunk_ratio {
            return Ok(());
        }
        let entry = u64::from_le_bytes(entry);
        match entry & 7 {
            // Not present, undefined, zero, unmapped.
            0..=3 => return Ok(()),
            // Fully present.
            6 => (),
            // Partially present, which needs a parent; 4 and 5 mean nothing.
            _ => return Err(Corrupt),
        }
        let in_disk = (number - chunk) * disk.block;
        let in_file = entry >> 20 << 20;
        let length = disk.block.min(disk.size - in_disk);
        let place = in_file..in_file.saturating_add(disk.block);
        if !image.contains(in_file, length) || taken.has_byte_of(&place) {
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
    let mut crc = Crc32c::new();
    crc.update(signature);
    crc.skip_zeros(4);
    let (rest, rest_length) = (at + 8, length - 8);
    crc.update_pieces(rest, rest_length, image.pieces(rest, rest_length));
    u64::from(crc.finish()) == field(&start, 4..8)
}

/// The number in a field of at most eight bytes.
fn field(bytes: &[u8], at: Range<usize>) -> u64 {
    bytes[at]
        .iter()
        .rev()
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// A GUID as it lies in a file: the bytes of its first three groups in reverse (MS-DTYP 2.3.4.2).
const fn guid(text: &str) -> [u8; 16] {
    /// The byte whose two digits are the `n`-th pair in the text lies here.
    const PLACES: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let text = text.as_bytes();
    let mut guid = [0; 16];
    let (mut at, mut pair) = (0, 0);
    while pair < PLACES.len() {
        if text[at] == b'-' {
            at += 1;
        }
        guid[PLACES[pair]] = hex_digit(text[at]) << 4 | hex_digit(text[at + 1]);
        at += 2;
        pair += 1;
    }
    guid
}

const fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'A'..=b'F' => digit - b'A' + 10,
        _ => panic!("a hexadecimal digit"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crc32c::of_pieces;
    use crate::sparse::SparseImage;

    const BLOCK: u64 = MIB;
    const LOG_AT: u64 = MIB;
    const METADATA_AT: u64 = 2 * MIB;
    const BAT_AT: u64 = 3 * MIB;
    /// Where payload blocks may begin.
    const PAYLOAD: u64 = 4;
    const PRESENT: u64 = 6;
    const HEADERS: [u64; 2] = [64 * KIB, 128 * KIB];
    const REGION_TABLES: [u64; 2] = [192 * KIB, 256 * KIB];

    /// A disk of `size` bytes in blocks of 1 MiB, with those states and places in MiB, in a file of
    /// 10 MiB that has both headers, the first region table, and no checksums yet.
    fn unsealed(size: u64, bat: &[(u64, u64)]) -> SparseImage {
        let mut image = SparseImage::new(10 * MIB);
        image.write(0, b"vhdxfile");
        for (at, sequence_number) in HEADERS.into_iter().zip([4_u64, 5]) {
            image.write(at, b"head");
            image.write(at + 8, &sequence_number.to_le_bytes());
            image.write(at + 66, &[1]);
            image.write(at + 68, &(MIB as u32).to_le_bytes());
            image.write(at + 72, &LOG_AT.to_le_bytes());
        }
        image.write(REGION_TABLES[0], b"regi");
        for (id, start) in [(BAT, BAT_AT), (METADATA, METADATA_AT)] {
            add_region(&mut image, id, start, MIB, 1);
        }
        image.write(METADATA_AT, b"metadata");
        let values = [BLOCK, size, 512, 4096, 0];
        for (nth, ((id, length), value)) in (0..).zip(ITEMS.iter().zip(values)) {
            let place = 65536 + 16 * nth;
            add_item(&mut image, *id, place as u32, *length as u32, 4);
            image.write(METADATA_AT + place, &value.to_le_bytes());
        }
        for (at, (state, mib)) in (BAT_AT..).step_by(8).zip(bat) {
            image.write(at, &(mib << 20 | state).to_le_bytes());
        }
        image
    }

    fn add_to_count(image: &mut SparseImage, at: u64) -> u64 {
        let [count] = image.array(at);
        image.write(at, &[count + 1]);
        count.into()
    }

    fn add_region(image: &mut SparseImage, id: [u8; 16], start: u64, length: u64, flags: u8) {
        let nth = add_to_count(image, REGION_TABLES[0] + 8);
        let entry = REGION_TABLES[0] + 16 + 32 * nth;
        image.write(entry, &id);
        image.write(entry + 16, &start.to_le_bytes());
        image.write(entry + 24, &(length as u32).to_le_bytes());
        image.write(entry + 28, &[flags]);
    }

    fn add_item(image: &mut SparseImage, id: [u8; 16], place: u32, length: u32, flags: u8) {
        let nth = add_to_count(image, METADATA_AT + 10);
        let entry = METADATA_AT + 32 + 32 * nth;
        image.write(entry, &id);
        image.write(entry + 16, &place.to_le_bytes());
        image.write(entry + 20, &length.to_le_bytes());
        image.write(entry + 24, &[flags]);
    }

    fn seal(image: &mut SparseImage, at: u64, length: u64) {
        image.write(at + 4, &[0; 4]);
        let crc = of_pieces(at, length, image.pieces(at, length));
        image.write(at + 4, &crc.to_le_bytes());
    }

    /// The bytes of data in the image, with the checksums of headers and first region table right.
    fn data(mut image: SparseImage) -> Result<u64, ScanErrorKind> {
        for at in HEADERS {
            seal(&mut image, at, 4096);
        }
        seal(&mut image, REGION_TABLES[0], TABLE);
        scan(&image, None).map(|summary| summary.allocated_bytes)
    }

    /// The same of a disk of 3 MiB with one block, after `change`.
    fn changed(change: impl Fn(&mut SparseImage)) -> Result<u64, ScanErrorKind> {
        let mut image = unsealed(3 * MIB, &[(PRESENT, PAYLOAD)]);
        change(&mut image);
        data(image)
    }

    #[test]
    fn guids_lie_as_the_specification_has_them() {
        let start = [0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42, 0x9d, 0x64];
        assert_eq!(BAT[..10], start);
        assert_eq!(BAT[10..], [0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08]);
    }

    #[test]
    fn present_blocks_count_up_to_the_end_of_the_disk() {
        let bat = [
            (PRESENT, 5),
            (0, 9),
            (1, 0),
            (2, 7),
            (3, 0),
            (PRESENT, 4),
            (7, 0),
        ];
        let mut image = unsealed(5 * MIB + 512, &bat);
        for at in HEADERS {
            seal(&mut image, at, 4096);
        }
        seal(&mut image, REGION_TABLES[0], TABLE);
        let expected = AllocationSummary::new(5 * MIB + 512, MIB + 512).with_touched(MIB / 2, 3);
        assert_eq!(scan(&image, NonZeroU64::new(MIB / 2)), Ok(expected));
    }

    #[test]
    fn states_that_no_disk_without_a_parent_has_are_corrupt() {
        for (state, answer) in [
            (0, Ok(0)),
            (3, Ok(0)),
            (4, Err(Corrupt)),
            (5, Err(Corrupt)),
            (PRESENT, Ok(MIB)),
            (PRESENT | 0xffff8, Ok(MIB)),
            (7, Err(Corrupt)),
        ] {
            let image = unsealed(2 * MIB, &[(state, PAYLOAD)]);
            assert_eq!(data(image), answer, "{state}");
        }
    }

    #[test]
    fn a_block_is_in_the_file_as_far_as_the_disk_goes_and_over_nothing() {
        let with = |size, mib, length| {
            let mut image = unsealed(size, &[(PRESENT, mib)]);
            image.set_capacity(length);
            data(image)
        };
        for mib in 0..PAYLOAD {
            assert_eq!(with(MIB, mib, 10 * MIB), Err(Corrupt), "{mib}");
        }
        assert_eq!(with(MIB, PAYLOAD, 5 * MIB), Ok(MIB));
        assert_eq!(with(MIB, PAYLOAD, 5 * MIB - 1), Err(Corrupt));
        assert_eq!(with(1024, PAYLOAD, 4 * MIB + 1024), Ok(1024));
        assert_eq!(with(1024, PAYLOAD, 4 * MIB + 1023), Err(Corrupt));
        assert_eq!(with(MIB, (1 << 44) - 1, 10 * MIB), Err(Corrupt));
    }

    #[test]
    fn entries_of_sector_bitmaps_are_passed_over() {
        // 16 blocks of 256 MiB have 2^23 sectors of 512 bytes.
        let mut bat = vec![(0, 0); 19];
        bat[15] = (PRESENT, 4);
        bat[16] = (PRESENT, 0);
        bat[18] = (7, 0);
        let mut image = unsealed((17 << 28) - 512, &bat);
        image.write(METADATA_AT + 65536, &(1_u32 << 28).to_le_bytes());
        image.set_capacity(1 << 30);
        assert_eq!(data(image.clone()), Ok(1 << 28));
        image.write(BAT_AT + 8 * 17, &(5 << 28 | PRESENT).to_le_bytes());
        assert_eq!(data(image.clone()), Err(Corrupt), "not wholly in the file");
        image.write(BAT_AT + 8 * 17, &(1 << 28 | PRESENT).to_le_bytes());
        assert_eq!(data(image), Ok((2 << 28) - 512));
    }

    #[test]
    fn the_newer_sound_header_counts() {
        // Only the one with the higher number says that there is something to replay.
        for (first, second, answer) in [
            (4_u64, 5_u64, Err(Unsupported)),
            (5, 4, Ok(MIB)),
            (u64::MAX, 0, Ok(MIB)),
            (5, 5, Err(Corrupt)),
        ] {
            let numbers = |image: &mut SparseImage| {
                image.write(HEADERS[0] + 8, &first.to_le_bytes());
                image.write(HEADERS[1] + 8, &second.to_le_bytes());
                image.write(HEADERS[1] + 63, &[1]);
            };
            assert_eq!(changed(numbers), answer);
            let damaged = |image: &mut SparseImage| {
                numbers(image);
                image.write(HEADERS[1], b"h");
                image.write(HEADERS[1] + 1, &[0]);
            };
            assert_eq!(changed(damaged), Ok(MIB));
        }
        let same = |image: &mut SparseImage| image.write(HEADERS[0] + 8, &[5]);
        assert_eq!(changed(same), Ok(MIB));
        assert_eq!(
            changed(|image| {
                same(image);
                image.write(HEADERS[1] + 16, &[1]);
            }),
            Err(Corrupt)
        );
        assert_eq!(
            changed(|image| HEADERS.iter().for_each(|&at| image.write(at, &[0]))),
            Err(Corrupt)
        );
        assert_eq!(changed(|image| image.write(0, b"V")), Err(NotThisFormat));
    }

    #[test]
    fn a_header_says_a_known_version_and_where_the_log_is() {
        let with = |at: u64, value: &[u8]| changed(|image| image.write(HEADERS[1] + at, value));
        assert_eq!(with(66, &[2]), Err(Unsupported));
        for (length, answer) in [
            (0_u32, Ok(MIB)),
            (512, Err(Corrupt)),
            (2 << 20, Err(Corrupt)), // Over the metadata.
            (u32::MAX << 20, Err(Corrupt)),
        ] {
            assert_eq!(with(68, &length.to_le_bytes()), answer);
        }
        for (start, answer) in [
            (0, Err(Corrupt)),
            (MIB + 1, Err(Corrupt)),
            (METADATA_AT, Err(Corrupt)),
            (PAYLOAD * MIB, Err(Corrupt)),
            (8 * MIB, Ok(MIB)),
            (u64::MAX << 20, Ok(MIB)), // Past the end, which does not matter.
        ] {
            assert_eq!(with(72, &start.to_le_bytes()), answer, "{start}");
        }
    }

    #[test]
    fn the_second_region_table_stands_in_for_the_first() {
        let second = |sealed| {
            changed(|image| {
                let table: [u8; 512] = image.array(REGION_TABLES[0]);
                image.write(REGION_TABLES[1], &table);
                if sealed {
                    seal(image, REGION_TABLES[1], TABLE);
                }
                image.write(REGION_TABLES[0], &[0]);
            })
        };
        assert_eq!(second(true), Ok(MIB));
        assert_eq!(second(false), Err(Corrupt));
    }

    #[test]
    fn regions_are_aligned_in_the_file_apart_and_not_too_many() {
        let more =
            |id, start, length, flags| changed(|image| add_region(image, id, start, length, flags));
        assert_eq!(more([1; 16], 8 * MIB, MIB, 0), Ok(MIB));
        assert_eq!(more([1; 16], 8 * MIB, MIB, 1), Err(Unsupported));
        assert_eq!(
            more([1; 16], 1, 1, 1),
            Err(Unsupported),
            "which comes first"
        );
        assert_eq!(more(BAT, 8 * MIB, MIB, 0), Err(Corrupt));
        assert_eq!(more(METADATA, 8 * MIB, MIB, 0), Err(Corrupt));
        for start in (0..=PAYLOAD).map(|mib| mib * MIB) {
            assert_eq!(more([1; 16], start, MIB, 0), Err(Corrupt));
            assert_eq!(more([1; 16], start, 0, 0), Ok(MIB));
        }
        assert_eq!(more([1; 16], 9 * MIB, 2 * MIB, 0), Err(Corrupt));
        assert_eq!(more([1; 16], 10 * MIB, 0, 0), Ok(MIB));
        assert_eq!(more([1; 16], 11 * MIB, 0, 0), Err(Corrupt));
        assert_eq!(more([1; 16], 8 * MIB + 512, MIB, 0), Err(Corrupt));
        assert_eq!(more([1; 16], 8 * MIB, 512, 0), Err(Corrupt));
        for (regions, answer) in [(28, Ok(MIB)), (29, Err(Unsupported))] {
            let many = |image: &mut SparseImage| {
                image.set_capacity(50 * MIB);
                for nth in 0..regions {
                    add_region(image, [1; 16], (10 + nth) * MIB, MIB, 0);
                }
            };
            assert_eq!(changed(many), answer);
        }
        let count =
            |count: u16| changed(|image| image.write(REGION_TABLES[0] + 8, &count.to_le_bytes()));
        assert_eq!(count(1), Err(Corrupt));
        assert_eq!(count(2047), Ok(MIB));
        assert_eq!(count(2048), Err(Corrupt));
    }

    #[test]
    fn metadata_items_are_all_there_once_and_in_their_place() {
        let more = |id, flags| changed(|image| add_item(image, id, 65536, 4, flags));
        assert_eq!(more([1; 16], 3), Ok(MIB));
        assert_eq!(more([1; 16], 4), Err(Unsupported));
        assert_eq!(more(PARENT_LOCATOR, 0), Err(Unsupported));
        assert_eq!(more(ITEMS[2].0, 0), Err(Corrupt));
        for nth in 0..5 {
            let with = |field: u64, value: u32| {
                let at = METADATA_AT + 32 + 32 * nth + field;
                changed(|image| image.write(at, &value.to_le_bytes()))
            };
            let length = ITEMS[nth as usize].1 as u32;
            assert_eq!(with(0, 0), Err(Unsupported), "unknown, and required");
            assert_eq!(with(20, length + 1), Err(Corrupt));
            assert_eq!(with(16, 65535), Err(Corrupt));
            assert_eq!(with(16, (1 << 20) - length + 1), Err(Corrupt));
            let wiped = changed(|image| image.write(METADATA_AT + 32 + 32 * nth, &[0; 32]));
            assert_eq!(wiped, Err(Corrupt));
        }
        let count =
            |count: u16| changed(|image| image.write(METADATA_AT + 10, &count.to_le_bytes()));
        assert_eq!(count(4), Err(Corrupt));
        assert_eq!(count(2047), Ok(MIB));
        assert_eq!(count(2048), Err(Corrupt));
        assert_eq!(
            changed(|image| image.write(METADATA_AT, b"M")),
            Err(Corrupt)
        );
    }

    #[test]
    fn the_metadata_say_a_disk_that_there_can_be() {
        let with = |item: u64, value: u64| {
            changed(|image| image.write(METADATA_AT + 65536 + 16 * item, &value.to_le_bytes()))
        };
        let has_parent = 2 << 32;
        assert_eq!(with(0, BLOCK | 1 << 32), Ok(MIB));
        assert_eq!(with(0, has_parent), Err(Unsupported), "which comes first");
        for block in [0, 1 << 19, 3 << 20, (1 << 20) + 512, 1 << 29] {
            assert_eq!(with(0, block), Err(Corrupt), "{block}");
        }
        for (size, answer) in [
            (0, Ok(0)),
            (512, Ok(512)),
            (513, Err(Corrupt)),
            // 131,041 blocks and 31 bitmaps fill a BAT of 1 MiB; the rest of it is zeros.
            (131_041 << 20, Ok(MIB)),
            ((131_041 << 20) + 512, Err(Corrupt)),
            (64 << 40, Err(Corrupt)),
        ] {
            assert_eq!(with(1, size), answer, "{size}");
        }
        for (sector, answer) in [(4096, Ok(MIB)), (1024, Err(Corrupt)), (0, Err(Corrupt))] {
            assert_eq!(with(2, sector), answer, "{sector}");
        }
        assert_eq!(with(3, 77), Ok(MIB), "the physical sectors do not matter");
    }

    #[test]
    fn the_largest_disk_has_64_tib() {
        for (size, answer) in [(64 << 40, Ok(0)), ((64 << 40) + 512, Err(Corrupt))] {
            let mut image = unsealed(size, &[]);
            image.write(METADATA_AT + 65536, &(256 * MIB).to_le_bytes());
            // 262,144 blocks and 16,383 bitmaps take 2.1 MiB.
            image.write(REGION_TABLES[0] + 16 + 16, &(4 * MIB).to_le_bytes());
            image.write(REGION_TABLES[0] + 16 + 24, &(3_u32 << 20).to_le_bytes());
            assert_eq!(data(image), answer);
        }
    }
}
