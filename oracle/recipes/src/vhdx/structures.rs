//! File type identifier, headers and region tables as bytes (MS-VHDX 2.2).

use crate::writer::{Checksum, ChecksumKind, Field, ImageWriter, structure};

use super::MIB;
use super::entry_table::{
    BAT, Guid, METADATA, MOST_ENTRIES, TableFields, entries, offered, table_fields, unknown_guid,
};
use super::geometry::{Creator, Distance, Geometry, Headers, Reserved, Stale, Tables};
use super::layout::{Area, Layout};
use super::oddity::{Oddity, split};

/// How many areas of the file the scanners can keep apart: the headers' one, log, regions.
pub(super) const MOST_AREAS: u64 = 32;

/// The signature of headers.
const HEAD: u32 = u32::from_le_bytes(*b"head");
const HEADERS: [u64; 2] = [64 << 10, 128 << 10];
const HEADER_LENGTH: u64 = 4096;
const TABLES: [u64; 2] = [192 << 10, 256 << 10];
const TABLE_LENGTH: u64 = 64 << 10;

const WRITE_GUIDS: [u8; 32] = *b"file write guid.data write guid.";

/// What a log that has to be replayed is called, in its entries too.
pub(super) const LOG_GUID: u128 = u128::from_le_bytes(*b"log to be played");

static REGION_TABLE: TableFields = table_fields(
    [
        Field::number("region table's signature", 0, 4, 0x6967_6572),
        Field::number("region table's checksum", 4, 4, u32::MAX as u64),
        Field::number("regions", 8, 4, MOST_ENTRIES),
        Field::number("region table's reserved", 12, 4, 0),
    ],
    REGIONS_HEAD as u64,
    [
        Field::number("region guid", 0, 8, 0),
        Field::place("region offset", 16, 8, 1),
        Field::number("region length", 24, 4, MIB),
        Field::number("region flags", 28, 4, 1),
    ],
);

/// Writes what lies in the file's first MiB.
pub(super) fn write(geometry: &Geometry, layout: &Layout, writer: &mut ImageWriter) {
    write_file_type(geometry, writer);
    write_headers(geometry, layout, writer);
    write_region_tables(geometry, layout, writer);
}

fn write_file_type(geometry: &Geometry, writer: &mut ImageWriter) {
    let mut signature = *b"vhdxfile";
    if let Oddity::FileSignature(argument) = geometry.oddity {
        signature[argument as usize / 8 % 8] ^= 1 << (argument % 8);
    }
    writer.bytes(0, &signature);
    let name = match geometry.creator {
        Creator::Qemu => "QEMU v10.0.",
        Creator::Windows => "Microsoft Windows 10.0.17763.0",
        Creator::Nobody | Creator::Garbage => "",
    };
    let utf16: Vec<u8> = name.bytes().flat_map(|byte| [byte, 0]).collect();
    writer.bytes(8, &utf16);
    if geometry.creator == Creator::Garbage {
        writer.bytes(8, &[0xff; 512]);
    }
    const FIELDS: &[Field] = &[
        Field::number("file signature", 0, 8, u64::from_le_bytes(*b"vhdxfile")),
        Field::number("creator", 8, 8, 0),
    ];
    writer.offer_structure("file type identifier", 0, FIELDS);
}

/// The fields of a header.
#[derive(Debug, Clone, Copy)]
struct Header {
    is_valid: bool,
    sequence: u64,
    write_guids: [u8; 32],
    log_guid: u128,
    version: u16,
    log_start: u64,
    log_length: u64,
}

fn write_headers(geometry: &Geometry, layout: &Layout, writer: &mut ImageWriter) {
    for (header, at) in headers(geometry, layout).into_iter().zip(HEADERS) {
        structure!(writer, at => fields;
            0: u32 "header signature" = HEAD, number HEAD as u64;
            4: u32 "header checksum" = 0_u32, number u32::MAX as u64;
            8: u64 "sequence number" = header.sequence, number u64::MAX;
            16: u64 "file write guid" = 0_u64, number 0;
            48: u64 "log guid" = header.log_guid as u64, number 0;
            56: u64 "log guid" = (header.log_guid >> 64) as u64, number 0;
            64: u16 "log version" = geometry.log_version, number 0;
            66: u16 "version" = header.version, number 1;
            // At most 9 MiB, or what an oddity makes of it.
            68: u32 "log length" = header.log_length as u32, number MIB;
            72: u64 "log offset" = header.log_start, place 1;
        );
        writer.bytes(at + 16, &header.write_guids);
        let damage = (!header.is_valid).then_some(geometry.header_signature_wrong);
        let end = geometry.reserved.has(Reserved::HEADERS_END);
        seal(geometry, writer, at, HEADER_LENGTH, end, damage);
        writer.offer_structure("header", at, fields);
    }
}

/// Ends a structure with a checksum, whose start is written: a reserved byte at its `end`, and damage,
/// which is none, or a wrong signature (yes), or a wrong checksum (no).
fn seal(
    geometry: &Geometry,
    writer: &mut ImageWriter,
    at: u64,
    length: u64,
    end: bool,
    damage: Option<bool>,
) {
    let garbage = geometry.garbage(at);
    if end {
        // The same in both headers, which may have to be equal.
        writer.bytes(at + length - 1, &[geometry.garbage(length) as u8]);
    }
    let checksum = Checksum {
        kind: ChecksumKind::Crc32c,
        start: at,
        length,
        at: at + 4,
    };
    match damage {
        Some(false) => {
            writer.put_right(checksum);
            writer.turn(at + 4, 4, 1 << (garbage >> 16 & 31));
            return;
        }
        Some(true) => {
            writer.turn(at + (garbage >> 16 & 3), 1, 1 << (garbage >> 18 & 7));
        }
        None => {}
    }
    writer.add_checksum(checksum);
}

fn headers(geometry: &Geometry, layout: &Layout) -> [Header; 2] {
    let sequence = u64::from(geometry.sequence);
    let (older, newer) = match geometry.distance {
        Distance::One => (sequence, sequence + 1),
        Distance::LowHalfTurned => (sequence | 1, (1 << 32) + (sequence | 1) - 1),
        Distance::TopBit => (sequence, sequence + (1 << 63)),
        Distance::AtTheEnd => (u64::MAX - 1, u64::MAX),
    };
    let plain = Header {
        is_valid: true,
        sequence: newer,
        write_guids: WRITE_GUIDS,
        log_guid: layout.log_to_replay(geometry).map_or(0, |_| LOG_GUID),
        version: 1,
        log_start: layout.log.start,
        log_length: layout.log.length,
    };
    let counts = with_oddity(plain, geometry, layout);
    let mut other = with_stale(plain, geometry, layout);
    other.sequence = older;
    if geometry.reserved.has(Reserved::WRITE_GUIDS) {
        other.write_guids[31] ^= 0x80;
    }
    match geometry.oddity {
        Oddity::BothHeadersDamaged => {
            return [counts, other].map(|header| Header {
                is_valid: false,
                ..header
            });
        }
        Oddity::EqualHeadersDiffer => {
            let mut different = counts;
            different.write_guids[0] ^= 1;
            return [counts, different];
        }
        _ => {}
    }
    // A damaged header would be the newer one.
    let damaged = Header {
        is_valid: false,
        sequence: newer,
        ..other
    };
    let older_counts = Header {
        sequence: older,
        ..counts
    };
    match geometry.headers {
        Headers::SecondNewer => [other, counts],
        Headers::FirstNewer => [counts, other],
        Headers::Equal => [counts, counts],
        Headers::FirstDamaged => [damaged, older_counts],
        Headers::SecondDamaged => [older_counts, damaged],
    }
}

/// A log to be replayed: one byte of its GUID is enough.
fn dirty_log(geometry: &Geometry) -> u128 {
    let garbage = geometry.garbage(48);
    u128::from(garbage as u8) << (8 * (garbage >> 8 & 15))
}

fn with_oddity(mut header: Header, geometry: &Geometry, layout: &Layout) -> Header {
    match geometry.oddity {
        Oddity::DirtyLog => header.log_guid = dirty_log(geometry),
        Oddity::Version(argument) => {
            header.version = [0, 2, 257, u16::MAX][split(argument, 4).0];
        }
        Oddity::LogMisplaced(argument) => {
            let (how, by) = split(argument, 3);
            let part = 1 + u64::from(by) % (MIB - 1);
            match how {
                0 => header.log_start = 0,
                1 => header.log_start += part,
                _ => header.log_length += part,
            }
        }
        Oddity::LogOverRegion(argument) => {
            header.log_start = [layout.bat.start, layout.metadata.start][split(argument, 2).0];
            header.log_length = header.log_length.max(MIB);
        }
        _ => {}
    }
    header
}

fn with_stale(mut header: Header, geometry: &Geometry, layout: &Layout) -> Header {
    match geometry.stale {
        Stale::Nothing => {}
        Stale::DirtyLog => header.log_guid = dirty_log(geometry),
        Stale::Version => header.version = 2,
        Stale::LogMisaligned => header.log_start += 512,
        Stale::LogOverMetadata => {
            header.log_start = layout.metadata.start;
            header.log_length = header.log_length.max(MIB);
        }
    }
    header
}

/// Bytes of a region table's head.
const REGIONS_HEAD: usize = 16;

fn write_region_tables(geometry: &Geometry, layout: &Layout, writer: &mut ImageWriter) {
    // Whether each is valid, and the other one: what must not be taken names other places.
    let tables = match geometry.tables {
        Tables::Same => [(true, false), (true, false)],
        Tables::FirstDamaged => [(false, true), (true, false)],
        Tables::SecondDamaged => [(true, false), (false, true)],
        Tables::SecondOther => [(true, false), (true, true)],
    };
    for ((is_valid, is_other), at) in tables.into_iter().zip(TABLES) {
        let is_valid = is_valid && geometry.oddity != Oddity::BothTablesDamaged;
        let table = regions(geometry, layout, is_other);
        let damage = (!is_valid).then_some(geometry.table_signature_wrong);
        let end = geometry.reserved.has(Reserved::TABLES_END);
        writer.bytes(at, &table);
        seal(geometry, writer, at, TABLE_LENGTH, end, damage);
        if is_valid && !is_other {
            let fields = offered(&REGION_TABLE, entries(&table, REGIONS_HEAD));
            writer.offer_structure("region table", at, fields);
        }
    }
}

/// A region table; the `other` one has BAT and metadata in each other's place.
fn regions(geometry: &Geometry, layout: &Layout, other: bool) -> Vec<u8> {
    let mut bat = layout.bat;
    let mut metadata = layout.metadata;
    bat.length = layout.stated_bat_length(geometry);
    let part = |by: u32| 1 + u64::from(by) % (MIB - 1);
    match geometry.oddity {
        Oddity::RegionMisaligned(argument) => {
            let (which, by) = split(argument, 4);
            match which {
                0 => bat.start += part(by),
                1 => bat.length += part(by),
                2 => metadata.start += part(by),
                _ => metadata.length += part(by),
            }
        }
        Oddity::RegionOverHeaders(argument) => match split(argument, 2).0 {
            0 => bat.start = 0,
            _ => metadata.start = 0,
        },
        Oddity::RegionsOverlap => bat.start = metadata.start,
        Oddity::RegionOutside(argument) => {
            let (which, how) = split(argument, 2);
            let region = if which == 0 { &mut bat } else { &mut metadata };
            region.start = match how % 4 {
                // Only its last MiB is not in the file.
                0 => layout.end.next_multiple_of(MIB) + MIB - region.length,
                1 => layout.end.next_multiple_of(MIB),
                2 => 1 << 63,
                _ => !(MIB - 1),
            };
        }
        Oddity::MetadataEmpty => metadata.length = 0,
        _ => {}
    }
    if other {
        std::mem::swap(&mut bat.start, &mut metadata.start);
    }

    let reserved = geometry.reserved;
    let more_flags = if reserved.has(Reserved::REGION_FLAGS) {
        !1
    } else {
        0
    };
    let mut table = Vec::with_capacity(REGIONS_HEAD + 32 * 8);
    table.extend_from_slice(b"regi");
    table.resize(REGIONS_HEAD, 0);
    let mut push = |guid: Guid, area: Area, required: bool| {
        table.extend_from_slice(&guid);
        table.extend_from_slice(&area.start.to_le_bytes());
        // At most 2 GiB and some MiB.
        table.extend_from_slice(&(area.length as u32).to_le_bytes());
        table.extend_from_slice(&(u32::from(required) | more_flags).to_le_bytes());
    };
    let required = reserved.has(Reserved::REQUIRED_TURNED);
    let mut known = [
        (BAT, bat, Oddity::NoBat, Oddity::TwoBats),
        (METADATA, metadata, Oddity::NoMetadata, Oddity::TwoMetadata),
    ];
    if geometry.metadata_first {
        known.reverse();
    }
    for place in 0..=known.len() {
        if place == geometry.unknown_regions_stand.behind(1, known.len()) {
            for nth in 0..layout.unknown_regions {
                let length = geometry.unknown_length * MIB;
                let start = layout.unknown.start + nth * length;
                push(unknown_guid(geometry, nth), Area { start, length }, false);
            }
            if geometry.oddity == Oddity::RequiredRegion {
                push(unknown_guid(geometry, 1), Area::default(), true);
            }
        }
        if let Some(&(guid, area, none, two)) = known.get(place) {
            if geometry.oddity != none {
                push(guid, area, required);
            }
            if geometry.oddity == two {
                push(guid, area, required);
            }
        }
    }

    let count = match geometry.oddity {
        Oddity::TooManyRegions(argument) => [2048, 2049, 1 << 16, u32::MAX][split(argument, 4).0],
        _ => entries(&table, REGIONS_HEAD) as u32,
    };
    table[8..12].copy_from_slice(&count.to_le_bytes());
    if reserved.has(Reserved::TABLES_HEAD) {
        table[12..16].fill(0xee);
    }
    table
}
