//! The header, its extensions, and what may be odd about it.
//!
//! Layout: `docs/interop/qcow2.txt`, sections "Header" and "Header extensions".

use types::ScanErrorKind::{self, Corrupt, NotThisFormat, Unsupported};

use super::geometry::{Encryption, Geometry, LIMIT_OF_L1, USUAL_HEADER_LENGTH};
use super::place::{LUKS_LENGTH, Placed};
use super::plan::Plan;
use super::refcounts::RefcountTable;
use crate::writer::{Field, ImageWriter, structure};

pub use super::geometry::Oddity;

/// How large a refcount table may be, in bytes.
const LIMIT_OF_REFCOUNT_TABLE: u64 = 8 << 20;
/// The magic number.
const MAGIC: u32 = 0x5146_49fb;
/// How many snapshots there may be.
const MOST_SNAPSHOTS: u64 = 65536;

/// The name of the external data file.
pub const DATA_FILE: &str = "data";

/// Writes the header and what follows it; answers how it is refused.
pub(super) fn write(
    plan: &Plan,
    placed: &Placed,
    refcounts: RefcountTable,
    writer: &mut ImageWriter,
) -> Option<ScanErrorKind> {
    let geometry = &plan.geometry;
    let refcounts_at = refcounts.first * geometry.cluster();
    let encryption = match geometry.encryption {
        Encryption::None => 0_u32,
        Encryption::Aes => 1,
        Encryption::Luks => 2,
    };
    structure!(writer, 0 => fields;
        0: u32 "magic" = MAGIC, number MAGIC as u64;
        4: u32 "version" = geometry.version, number 3;
        8: u64 "backing file offset" = 0_u64, place 1;
        16: u32 "backing file name's length" = 0_u32, number 1023;
        20: u32 "cluster bits" = geometry.cluster_bits, number 21;
        24: u64 "size" = plan.size, number 1 << 53;
        32: u32 "encryption" = encryption, number 2;
        36: u32 "L1 entries" = plan.l1_entries, number LIMIT_OF_L1;
        40: u64 "L1 offset" = placed.l1_offset, place 1;
        48: u64 "refcount table offset" = refcounts_at, place 1;
        56: u32 "refcount table clusters" = refcounts.clusters, number 128;
        60: u32 "snapshots" = geometry.snapshots, number MOST_SNAPSHOTS;
        64: u64 "snapshots offset" = placed.snapshots_offset, place 1;
    );
    writer.offer_structure("header", 0, fields);
    if geometry.version > 2 {
        let raw = u64::from(geometry.raw_external_data) << 1;
        structure!(writer, 0 => fields;
            72: u64 "incompatible features" = incompatible_features(geometry), number 31;
            80: u64 "compatible features" = geometry.compatible, number 1;
            88: u64 "autoclear features" = geometry.autoclear | raw, number 3;
            96: u32 "refcount order" = geometry.refcount_order, number 6;
            100: u32 "header length" = geometry.header_length, number 104;
            104: u8 "compression type" = geometry.zstd, number 1;
        );
        writer.offer_structure("version 3's header", 0, fields);
    }
    let extensions_end = write_extensions(geometry, placed, writer);
    write_backing_name(geometry, extensions_end, writer);
    make_odd(plan, placed, refcounts, writer)
}

fn incompatible_features(geometry: &Geometry) -> u64 {
    let features = [
        geometry.dirty,
        geometry.corrupt,
        geometry.external_data,
        geometry.zstd,
        geometry.extended_l2,
    ];
    let bits = features.iter().rev();
    bits.fold(0, |bits, &bit| bits << 1 | u64::from(bit))
}

/// Makes the header odd; answers how it is refused.
fn make_odd(
    plan: &Plan,
    placed: &Placed,
    refcounts: RefcountTable,
    writer: &mut ImageWriter,
) -> Option<ScanErrorKind> {
    let geometry = &plan.geometry;
    let cluster = geometry.cluster();
    let argument = geometry.oddity_argument;
    let features = incompatible_features(geometry);
    let unaligned = (argument % 63 + 1) * 8;
    let refcounts_at = refcounts.first * cluster;
    let refcount_bytes = refcounts.clusters * cluster;
    let mut backing = |offset: u64, length: u64| {
        writer.number(8, 8, offset);
        writer.number(16, 4, length);
    };
    let (at, width, value, refusal) = match geometry.oddity {
        Oddity::None => return None,
        Oddity::UnknownFeature => (72, 8, features | 32 << (argument % 59), Some(Unsupported)),
        Oddity::Version => {
            let versions = [0, 1, 4, u64::from(u32::MAX)];
            (4, 4, versions[(argument % 4) as usize], Some(Unsupported))
        }
        Oddity::Encryption => (32, 4, 3 + argument, Some(Unsupported)),
        Oddity::CompressionType => {
            writer.number(72, 8, features | 8);
            (104, 1, 2 + argument % 254, Some(Unsupported))
        }
        Oddity::ClustersTooSmall => (20, 4, 8 - argument % 9, Some(Corrupt)),
        Oddity::ClustersTooLarge => (20, 4, 22 + argument, Some(Corrupt)),
        Oddity::MostSnapshots => (60, 4, MOST_SNAPSHOTS, None),
        Oddity::TooManySnapshots => (60, 4, MOST_SNAPSHOTS + 1, Some(Corrupt)),
        Oddity::NoRefcountTable => (56, 4, 0, Some(Corrupt)),
        Oddity::LargestRefcountTable => (56, 4, LIMIT_OF_REFCOUNT_TABLE / cluster, None),
        Oddity::RefcountTableTooLarge => {
            let clusters = LIMIT_OF_REFCOUNT_TABLE / cluster + 1;
            (56, 4, clusters, Some(Corrupt))
        }
        Oddity::L1Unaligned => (40, 8, placed.l1_offset + unaligned, Some(Corrupt)),
        Oddity::RefcountTableUnaligned => (48, 8, refcounts_at + unaligned, Some(Corrupt)),
        Oddity::SnapshotsUnaligned => (64, 8, placed.snapshots_offset + unaligned, Some(Corrupt)),
        Oddity::RefcountsTooWide => (96, 4, 7 + argument, Some(Corrupt)),
        Oddity::HeaderTooShort => (100, 4, 103 - argument % 104, Some(Corrupt)),
        Oddity::HeaderUnaligned => (100, 4, 105 + argument % 7, None),
        Oddity::HeaderOfACluster => (100, 4, cluster, None),
        Oddity::HeaderTooLong => (100, 4, cluster + 8, Some(Corrupt)),
        Oddity::BackingNameTooLong => {
            let offset = u64::from(USUAL_HEADER_LENGTH);
            backing(offset, (cluster - offset).min(1023) + 1);
            return Some(Corrupt);
        }
        Oddity::BackingNamePastCluster => {
            backing(cluster + 1 + argument, 0);
            return Some(Corrupt);
        }
        Oddity::BackingNameAtEnd => {
            backing(cluster, 0);
            return None;
        }
        Oddity::BackingNameOverEnd => {
            backing(cluster - 10, 11);
            return Some(Corrupt);
        }
        Oddity::CompressionBitAlone => {
            writer.number(104, 1, 0);
            (72, 8, features | 8, Some(Corrupt))
        }
        Oddity::CompressionTypeAlone => {
            writer.number(104, 1, 1);
            (72, 8, features & !8, Some(Corrupt))
        }
        Oddity::ExtendedL2TooSmall => (72, 8, features | 16, Some(Corrupt)),
        Oddity::RawWithoutExternal => (88, 8, geometry.autoclear | 2, Some(Corrupt)),
        // A disk without a table can have none that is shorter.
        Oddity::L1TooShort => {
            let refusal = (plan.l1_needed != 0).then_some(Corrupt);
            (36, 4, plan.l1_needed.saturating_sub(1), refusal)
        }
        Oddity::L1TooLong => (36, 4, LIMIT_OF_L1 + 1, Some(Corrupt)),
        Oddity::RefcountTableFar => (48, 8, (1 << 63) - refcount_bytes, Some(Corrupt)),
        Oddity::RefcountTableAlmostFar => (48, 8, (1 << 63) - cluster - refcount_bytes, None),
        Oddity::SnapshotsFar => (64, 8, 1 << 63, Some(Corrupt)),
        Oddity::SnapshotsAlmostFar => (64, 8, (1 << 63) - cluster, None),
        Oddity::Magic => {
            let turned = u64::from(MAGIC) ^ 1 << (argument % 32);
            (0, 4, turned, Some(NotThisFormat))
        }
    };
    writer.number(at, width, value);
    refusal
}

/// Writes the extensions that there is room for; answers where they end, in bytes.
fn write_extensions(geometry: &Geometry, placed: &Placed, writer: &mut ImageWriter) -> u64 {
    let mut at = u64::from(geometry.header_length);
    let first = at;
    let mut add = |kind: u64, content: &[u8]| {
        let length = content.len() as u64;
        let end = at + 8 + length.next_multiple_of(8);
        // The end marker has 8 bytes.
        if end + 8 <= geometry.cluster() {
            writer.number(at, 8, kind << 32 | length);
            writer.bytes(at + 8, content);
            at = end;
        }
    };
    if let Some(start) = placed.luks {
        let pointer = [start, LUKS_LENGTH].map(u64::to_be_bytes);
        add(0x0537_be77, pointer.as_flattened());
    }
    if geometry.external_data {
        add(0x4441_5441, DATA_FILE.as_bytes());
    }
    if geometry.backing_format {
        add(0xe279_2aca, b"raw");
    }
    if geometry.feature_names {
        let mut names = [0; 2 * 48];
        names[2..7].copy_from_slice(b"dirty");
        names[48] = 1;
        names[48 + 2..48 + 6].copy_from_slice(b"lazy");
        add(0x6803_f857, &names);
    }
    if geometry.empty_extension {
        add(0x7572_6566, &[]);
    }
    if let Some(length) = geometry.unknown_extension {
        add(0x6d65_6173, &[0xa5; 255][..length as usize]);
    }
    if at != first {
        const FIELDS: &[Field] = &[
            Field::number("extension's type", 0, 4, 1),
            Field::number("extension's length", 4, 4, 512),
        ];
        writer.offer_structure("header extension", first, FIELDS);
    }
    if geometry.end_marker && at + 8 <= geometry.cluster() {
        at += 8;
    }
    at
}

/// Writes the backing file's name, if there is to be one and room for it.
fn write_backing_name(geometry: &Geometry, extensions_end: u64, writer: &mut ImageWriter) {
    let length = geometry
        .backing_name
        .min(geometry.cluster() - extensions_end);
    if length == 0 {
        return;
    }
    let offset = if geometry.backing_name_last {
        geometry.cluster() - length
    } else {
        extensions_end
    };
    writer.number(8, 8, offset);
    writer.number(16, 4, length);
    // Many steps to where one is, and a name of one letter or two.
    let name_length = 2 - length as usize % 2;
    let mut name = [0; 1023];
    let name = &mut name[..length as usize];
    let steps = name.len() - name_length;
    for step in name[..steps].as_chunks_mut::<2>().0 {
        *step = *b"./";
    }
    name[steps..].fill(b'b');
    writer.bytes(offset, name);
}
