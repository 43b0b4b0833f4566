//! The header, its extensions, and what may be odd about it.
//!
//! Layout: `docs/interop/qcow2.txt`, sections "Header" and "Header extensions".

use super::geometry::{Encryption, Geometry, LEAST_BITS_OF_EXTENDED_L2, USUAL_HEADER_LENGTH};
use crate::writer::{Field, ImageWriter};
use types::ScanErrorKind::{self, Corrupt, NotThisFormat, Unsupported};

/// The fields of both versions.
const FIELDS: &[Field] = &[
    Field::number("magic", 0, 4, 0x5146_49fb),
    Field::number("version", 4, 4, 3),
    Field::place("backing file offset", 8, 8, 1),
    Field::number("backing file name's length", 16, 4, 1023),
    Field::number("cluster bits", 20, 4, 21),
    Field::number("size", 24, 8, 1 << 53),
    Field::number("encryption", 32, 4, 2),
    Field::number("L1 entries", 36, 4, LIMIT_OF_L1),
    Field::place("L1 offset", 40, 8, 1),
    Field::place("refcount table offset", 48, 8, 1),
    Field::number("refcount table clusters", 56, 4, 128),
    Field::number("snapshots", 60, 4, MOST_SNAPSHOTS),
    Field::place("snapshots offset", 64, 8, 1),
];

/// The fields that version 3 adds.
const FIELDS_OF_VERSION_3: &[Field] = &[
    Field::number("incompatible features", 72, 8, 31),
    Field::number("compatible features", 80, 8, 1),
    Field::number("autoclear features", 88, 8, 3),
    Field::number("refcount order", 96, 4, 6),
    Field::number("header length", 100, 4, 104),
    Field::number("compression type", 104, 1, 1),
];

const FIELDS_OF_EXTENSION: &[Field] = &[
    Field::number("extension's type", 0, 4, 1),
    Field::number("extension's length", 4, 4, 512),
];

/// How many entries 32 MiB of L1 table have.
pub(super) const LIMIT_OF_L1: u64 = (32 << 20) / 8;
/// How large a refcount table may be, in bytes.
const LIMIT_OF_REFCOUNT_TABLE: u64 = 8 << 20;
const MOST_SNAPSHOTS: u64 = 65536;

/// The name of the external data file.
pub const DATA_FILE: &str = "data";

/// What the header needs to know of the rest of the image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    /// In bytes.
    pub(super) size: u64,
    /// How many L1 entries the size needs.
    pub(super) l1_needed: u64,
    pub(super) l1_entries: u64,
    pub(super) l1_offset: u64,
    pub(super) refcounts_offset: u64,
    pub(super) refcounts_clusters: u64,
    pub(super) snapshots_offset: u64,
    /// Where the LUKS header is and how long.
    pub(super) luks: Option<(u64, u64)>,
}

/// What is odd about a header. Most are refused; some are the last legal value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Oddity {
    /// Nothing.
    None,
    /// An unknown incompatible feature.
    UnknownFeature,
    /// A version that is not 2 or 3.
    Version,
    /// An unknown encryption.
    Encryption,
    /// An unknown compression type.
    CompressionType,
    /// Clusters of less than 512 bytes.
    ClustersTooSmall,
    /// Clusters of more than 2 MiB.
    ClustersTooLarge,
    /// As many snapshots as may be. Legal.
    MostSnapshots,
    /// One more.
    TooManySnapshots,
    /// No refcount table.
    NoRefcountTable,
    /// A refcount table of 8 MiB. Legal.
    LargestRefcountTable,
    /// A cluster more.
    RefcountTableTooLarge,
    /// An L1 table not at a cluster.
    L1Unaligned,
    /// A refcount table not at a cluster.
    RefcountTableUnaligned,
    /// A snapshot table not at a cluster.
    SnapshotsUnaligned,
    /// Refcounts of more than 64 bits.
    RefcountsTooWide,
    /// A header of less than 104 bytes.
    HeaderTooShort,
    /// A header's length that is no multiple of 8. The specification forbids it; QEMU takes it, and so must
    /// scanners.
    HeaderUnaligned,
    /// A header of exactly a cluster. Legal.
    HeaderOfACluster,
    /// A header of more than a cluster.
    HeaderTooLong,
    /// A backing file's name of more than 1023 bytes, or than there is room.
    BackingNameTooLong,
    /// A backing file's name past the first cluster.
    BackingNamePastCluster,
    /// An empty name at the first cluster's end. Legal.
    BackingNameAtEnd,
    /// A name that reaches over the first cluster's end.
    BackingNameOverEnd,
    /// The feature bit of compression types, and the type that needs none.
    CompressionBitAlone,
    /// A compression type without its feature bit.
    CompressionTypeAlone,
    /// Extended L2 entries with clusters of less than 16 KiB.
    ExtendedL2TooSmall,
    /// The external data file is raw, but there is none.
    RawWithoutExternal,
    /// An L1 table of one entry less than needed.
    L1TooShort,
    /// An L1 table of one entry more than 32 MiB.
    L1TooLong,
    /// A refcount table that ends at 2^63.
    RefcountTableFar,
    /// A refcount table that ends a cluster before 2^63. Legal.
    RefcountTableAlmostFar,
    /// A snapshot table at 2^63.
    SnapshotsFar,
    /// A snapshot table a cluster before 2^63. Legal.
    SnapshotsAlmostFar,
    /// Another magic number.
    Magic,
}

impl Oddity {
    /// All of them, in the order of the byte that chooses.
    pub const ALL: [Self; 34] = [
        Self::UnknownFeature,
        Self::Version,
        Self::Encryption,
        Self::CompressionType,
        Self::ClustersTooSmall,
        Self::ClustersTooLarge,
        Self::MostSnapshots,
        Self::TooManySnapshots,
        Self::NoRefcountTable,
        Self::LargestRefcountTable,
        Self::RefcountTableTooLarge,
        Self::L1Unaligned,
        Self::RefcountTableUnaligned,
        Self::SnapshotsUnaligned,
        Self::RefcountsTooWide,
        Self::HeaderTooShort,
        Self::HeaderUnaligned,
        Self::HeaderOfACluster,
        Self::HeaderTooLong,
        Self::BackingNameTooLong,
        Self::BackingNamePastCluster,
        Self::BackingNameAtEnd,
        Self::BackingNameOverEnd,
        Self::CompressionBitAlone,
        Self::CompressionTypeAlone,
        Self::ExtendedL2TooSmall,
        Self::RawWithoutExternal,
        Self::L1TooShort,
        Self::L1TooLong,
        Self::RefcountTableFar,
        Self::RefcountTableAlmostFar,
        Self::SnapshotsFar,
        Self::SnapshotsAlmostFar,
        Self::Magic,
    ];

    /// The oddity of a byte, 0 to 127 for none. None when the image has no such field, or it is not odd
    /// there.
    pub(super) fn decode(byte: u8, v3: bool, cluster_bits: u32, external_data: bool) -> Self {
        let Some(nth) = byte.checked_sub(128) else {
            return Self::None;
        };
        let oddity = Self::ALL[usize::from(nth) % Self::ALL.len()];
        let fits = match oddity {
            Self::UnknownFeature
            | Self::CompressionType
            | Self::RefcountsTooWide
            | Self::HeaderTooShort
            | Self::HeaderUnaligned
            | Self::HeaderOfACluster
            | Self::HeaderTooLong
            | Self::CompressionBitAlone
            | Self::CompressionTypeAlone => v3,
            Self::ExtendedL2TooSmall => v3 && cluster_bits < LEAST_BITS_OF_EXTENDED_L2,
            Self::RawWithoutExternal => v3 && !external_data,
            _ => true,
        };
        if fits { oddity } else { Self::None }
    }

    /// Makes the header odd; answers how it is refused.
    fn apply(
        self,
        geometry: &Geometry,
        facts: &Facts,
        writer: &mut ImageWriter,
    ) -> Option<ScanErrorKind> {
        let cluster = geometry.cluster();
        let argument = u64::from(geometry.oddity_argument);
        let features = incompatible_features(geometry);
        let unaligned = (argument % 63 + 1) * 8;
        let refcount_bytes = facts.refcounts_clusters * cluster;
        let mut backing = |offset: u64, length: u64| {
            writer.number(8, 8, offset);
            writer.number(16, 4, length);
        };
        let (at, width, value, refusal) = match self {
            Self::None => return None,
            Self::UnknownFeature => (72, 8, features | 32 << (argument % 59), Some(Unsupported)),
            Self::Version => {
                let versions = [0, 1, 4, u64::from(u32::MAX)];
                (4, 4, versions[(argument % 4) as usize], Some(Unsupported))
            }
            Self::Encryption => (32, 4, 3 + argument, Some(Unsupported)),
            Self::CompressionType => {
                writer.number(72, 8, features | 8);
                (104, 1, 2 + argument % 254, Some(Unsupported))
            }
            Self::ClustersTooSmall => (20, 4, 8 - argument % 9, Some(Corrupt)),
            Self::ClustersTooLarge => (20, 4, 22 + argument, Some(Corrupt)),
            Self::MostSnapshots => (60, 4, MOST_SNAPSHOTS, None),
            Self::TooManySnapshots => (60, 4, MOST_SNAPSHOTS + 1, Some(Corrupt)),
            Self::NoRefcountTable => (56, 4, 0, Some(Corrupt)),
            Self::LargestRefcountTable => (56, 4, LIMIT_OF_REFCOUNT_TABLE / cluster, None),
            Self::RefcountTableTooLarge => {
                let clusters = LIMIT_OF_REFCOUNT_TABLE / cluster + 1;
                (56, 4, clusters, Some(Corrupt))
            }
            Self::L1Unaligned => (40, 8, facts.l1_offset + unaligned, Some(Corrupt)),
            Self::RefcountTableUnaligned => {
                (48, 8, facts.refcounts_offset + unaligned, Some(Corrupt))
            }
            Self::SnapshotsUnaligned => (64, 8, facts.snapshots_offset + unaligned, Some(Corrupt)),
            Self::RefcountsTooWide => (96, 4, 7 + argument, Some(Corrupt)),
            Self::HeaderTooShort => (100, 4, 103 - argument % 104, Some(Corrupt)),
            Self::HeaderUnaligned => (100, 4, 105 + argument % 7, None),
            Self::HeaderOfACluster => (100, 4, cluster, None),
            Self::HeaderTooLong => (100, 4, cluster + 8, Some(Corrupt)),
            Self::BackingNameTooLong => {
                let offset = u64::from(USUAL_HEADER_LENGTH);
                backing(offset, (cluster - offset).min(1023) + 1);
                return Some(Corrupt);
            }
            Self::BackingNamePastCluster => {
                backing(cluster + 1 + argument, 0);
                return Some(Corrupt);
            }
            Self::BackingNameAtEnd => {
                backing(cluster, 0);
                return None;
            }
            Self::BackingNameOverEnd => {
                backing(cluster - 10, 11);
                return Some(Corrupt);
            }
            Self::CompressionBitAlone => {
                writer.number(104, 1, 0);
                (72, 8, features | 8, Some(Corrupt))
            }
            Self::CompressionTypeAlone => {
                writer.number(104, 1, 1);
                (72, 8, features & !8, Some(Corrupt))
            }
            Self::ExtendedL2TooSmall => (72, 8, features | 16, Some(Corrupt)),
            Self::RawWithoutExternal => (88, 8, geometry.autoclear | 2, Some(Corrupt)),
            // A disk without a table can have none that is shorter.
            Self::L1TooShort => {
                let refusal = (facts.l1_needed != 0).then_some(Corrupt);
                (36, 4, facts.l1_needed.saturating_sub(1), refusal)
            }
            Self::L1TooLong => (36, 4, LIMIT_OF_L1 + 1, Some(Corrupt)),
            Self::RefcountTableFar => (48, 8, (1 << 63) - refcount_bytes, Some(Corrupt)),
            Self::RefcountTableAlmostFar => (48, 8, (1 << 63) - cluster - refcount_bytes, None),
            Self::SnapshotsFar => (64, 8, 1 << 63, Some(Corrupt)),
            Self::SnapshotsAlmostFar => (64, 8, (1 << 63) - cluster, None),
            Self::Magic => {
                let turned = 0x5146_49fb ^ 1 << (argument % 32);
                (0, 4, turned, Some(NotThisFormat))
            }
        };
        writer.number(at, width, value);
        refusal
    }
}

fn incompatible_features(geometry: &Geometry) -> u64 {
    [
        geometry.dirty,
        geometry.corrupt,
        geometry.external_data,
        geometry.zstd,
        geometry.extended_l2,
    ]
    .iter()
    .rev()
    .fold(0, |bits, &bit| bits << 1 | u64::from(bit))
}

/// Writes the header and what follows it; answers how it is refused.
pub(super) fn write(
    geometry: &Geometry,
    facts: &Facts,
    writer: &mut ImageWriter,
) -> Option<ScanErrorKind> {
    let mut fixed = [0; USUAL_HEADER_LENGTH as usize];
    let mut put = |at: usize, bytes: &[u8]| fixed[at..at + bytes.len()].copy_from_slice(bytes);
    let low = |number: u64| (number as u32).to_be_bytes();
    put(0, b"QFI\xfb");
    put(4, &geometry.version.to_be_bytes());
    put(20, &geometry.cluster_bits.to_be_bytes());
    put(24, &facts.size.to_be_bytes());
    put(
        32,
        &low(match geometry.encryption {
            Encryption::None => 0,
            Encryption::Aes => 1,
            Encryption::Luks => 2,
        }),
    );
    put(36, &low(facts.l1_entries));
    put(40, &facts.l1_offset.to_be_bytes());
    put(48, &facts.refcounts_offset.to_be_bytes());
    put(56, &low(facts.refcounts_clusters));
    put(60, &low(geometry.snapshots));
    put(64, &facts.snapshots_offset.to_be_bytes());
    if geometry.version > 2 {
        put(72, &incompatible_features(geometry).to_be_bytes());
        put(80, &geometry.compatible.to_be_bytes());
        let raw = u64::from(geometry.raw_external_data) << 1;
        put(88, &(geometry.autoclear | raw).to_be_bytes());
        put(96, &geometry.refcount_order.to_be_bytes());
        put(100, &geometry.header_length.to_be_bytes());
        put(104, &[geometry.zstd.into()]);
    }
    let length = geometry.header_length.min(USUAL_HEADER_LENGTH);
    writer.bytes(0, &fixed[..length as usize]);
    writer.offer_structure("header", 0, FIELDS);
    if geometry.version > 2 {
        writer.offer_structure("version 3's header", 0, FIELDS_OF_VERSION_3);
    }
    let extensions_end = write_extensions(geometry, facts, writer);
    write_backing_name(geometry, extensions_end, writer);
    geometry.oddity.apply(geometry, facts, writer)
}

/// Writes the extensions that there is room for; answers where they end, in bytes.
fn write_extensions(geometry: &Geometry, facts: &Facts, writer: &mut ImageWriter) -> u64 {
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
    if let Some((start, length)) = facts.luks {
        let mut pointer = [0; 16];
        pointer[..8].copy_from_slice(&start.to_be_bytes());
        pointer[8..].copy_from_slice(&length.to_be_bytes());
        add(0x0537_be77, &pointer);
    }
    if geometry.external_data {
        add(0x4441_5441, DATA_FILE.as_bytes());
    }
    let wanted = geometry.extensions;
    if wanted.backing_format {
        add(0xe279_2aca, b"raw");
    }
    if wanted.feature_names {
        let mut names = [0; 2 * 48];
        names[2..7].copy_from_slice(b"dirty");
        names[48] = 1;
        names[48 + 2..48 + 6].copy_from_slice(b"lazy");
        add(0x6803_f857, &names);
    }
    if wanted.unknown_empty {
        add(0x7572_6566, &[]);
    }
    if let Some(length) = wanted.unknown {
        add(0x6d65_6173, &[0xa5; 255][..length as usize]);
    }
    if at != first {
        writer.offer_structure("header extension", first, FIELDS_OF_EXTENSION);
    }
    if wanted.end_marker && at + 8 <= geometry.cluster() {
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
