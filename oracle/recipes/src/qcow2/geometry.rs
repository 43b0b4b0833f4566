//! The geometry of a qcow2 image, decoded from its knobs.

use crate::aliases::Aliases;
use crate::choices::{choices, choose};
use crate::layout::geometry;

/// Cluster size logarithms, the usual one first.
pub const CLUSTER_BITS: [u32; 13] = [16, 9, 12, 10, 11, 13, 14, 15, 17, 18, 19, 20, 21];

/// Refcount width logarithms, the usual one first.
pub const REFCOUNT_ORDERS: [u32; 7] = [4, 0, 1, 2, 3, 5, 6];

/// The header's length that QEMU writes for version 3.
pub const USUAL_HEADER_LENGTH: u32 = 112;

/// The least cluster size logarithm that extended L2 entries may have: a subcluster is a sector.
pub const LEAST_BITS_OF_EXTENDED_L2: u32 = 14;

/// How many entries 32 MiB of L1 table have.
pub(super) const LIMIT_OF_L1: u64 = (32 << 20) / 8;

/// How guest data is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// It is not.
    None,
    /// By LUKS; its header is in the file.
    Luks,
    /// By AES, the first way.
    Aes,
}

/// A part of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The refcount table and the first refcount block (others are always at the end).
    Refcounts,
    /// The L1 table, snapshots, and the LUKS header.
    L1,
    /// The L2 tables.
    L2,
    /// Data clusters.
    Data,
}

/// How long the L1 table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum L1Length {
    /// As needed, and so many entries more.
    More(u64),
    /// Whole clusters, and so many more.
    WholeClusters(u64),
    /// 32 MiB, the limit, less so many entries.
    Limit(u64),
}

/// How the file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileEnd {
    /// So many bytes before the end of its last cluster, modulo the cluster's size, when that is data.
    Cut(u64),
    /// So many bytes after the end of its last cluster.
    Grown(u64),
}

choices! {
    /// What is odd about a header. Most are refused; some are the last legal value.
    pub enum Oddity {
        None: "Nothing.",
        UnknownFeature: "An unknown incompatible feature.",
        Version: "A version that is not 2 or 3.",
        Encryption: "An unknown encryption.",
        CompressionType: "An unknown compression type.",
        ClustersTooSmall: "Clusters of less than 512 bytes.",
        ClustersTooLarge: "Clusters of more than 2 MiB.",
        MostSnapshots: "As many snapshots as may be. Legal.",
        TooManySnapshots: "One more.",
        NoRefcountTable: "No refcount table.",
        LargestRefcountTable: "A refcount table of 8 MiB. Legal.",
        RefcountTableTooLarge: "A cluster more.",
        L1Unaligned: "An L1 table not at a cluster.",
        RefcountTableUnaligned: "A refcount table not at a cluster.",
        SnapshotsUnaligned: "A snapshot table not at a cluster.",
        RefcountsTooWide: "Refcounts of more than 64 bits.",
        HeaderTooShort: "A header of less than 104 bytes.",
        HeaderUnaligned:
            "A header's length that is no multiple of 8. The specification forbids it; QEMU takes it, \
            and so must scanners.",
        HeaderOfACluster: "A header of exactly a cluster. Legal.",
        HeaderTooLong: "A header of more than a cluster.",
        BackingNameTooLong: "A backing file's name of more than 1023 bytes, or than there is room.",
        BackingNamePastCluster: "A backing file's name past the first cluster.",
        BackingNameAtEnd: "An empty name at the first cluster's end. Legal.",
        BackingNameOverEnd: "A name that reaches over the first cluster's end.",
        CompressionBitAlone: "The feature bit of compression types, and the type that needs none.",
        CompressionTypeAlone: "A compression type without its feature bit.",
        ExtendedL2TooSmall: "Extended L2 entries with clusters of less than 16 KiB.",
        RawWithoutExternal: "The external data file is raw, but there is none.",
        L1TooShort: "An L1 table of one entry less than needed.",
        L1TooLong: "An L1 table of one entry more than 32 MiB.",
        RefcountTableFar: "A refcount table that ends at 2^63.",
        RefcountTableAlmostFar: "A refcount table that ends a cluster before 2^63. Legal.",
        SnapshotsFar: "A snapshot table at 2^63.",
        SnapshotsAlmostFar: "A snapshot table a cluster before 2^63. Legal.",
        Magic: "Another magic number.",
    }
}

impl Oddity {
    /// The oddity of a byte, 0 to 127 for none. None when the image has no such field, or it is not odd
    /// there.
    fn decode(byte: u8, version: u32, cluster_bits: u32, external_data: bool) -> Self {
        let Some(nth) = byte.checked_sub(128) else {
            return Self::None;
        };
        let oddity = Self::choose(1 + usize::from(nth) % (Self::ALL.len() - 1));
        let v3 = version > 2;
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
}

geometry! {
    /// What a qcow2 image is like. Knobs marked ³ mean nothing in version 2.
    (bytes, byte)

    24, CLUSTER_SIZE: "cluster size, the logarithm: one of [`CLUSTER_BITS`]"
        => cluster_bits: u32 = choose(&CLUSTER_BITS, byte);
    25, VERSION: "version, mod 2: 0 version 3, 1 version 2"
        => version: u32 = 3 - u32::from(byte & 1);
    26, REFCOUNT_WIDTH: "refcount width in bits, the logarithm ³: one of [`REFCOUNT_ORDERS`]"
        => refcount_order: u32 = if version > 2 { choose(&REFCOUNT_ORDERS, byte) } else { 4 };
    27, FEATURES: "features ³: bit 0 extended L2 (from clusters of 16 KiB on), 1 external data, 2 that is raw, 3 zstd, 4 dirty, 5 corrupt"
        => extended_l2: bool =
            version > 2 && byte & 1 != 0 && cluster_bits >= LEAST_BITS_OF_EXTENDED_L2
        => external_data: bool = version > 2 && byte & 2 != 0
        => raw_external_data: bool = external_data && byte & 4 != 0
        => zstd: bool = version > 2 && byte & 8 != 0
        => dirty: bool = version > 2 && byte & 16 != 0
        => corrupt: bool = version > 2 && byte & 32 != 0;
    28, ENCRYPTION: "encryption, mod 8: 6 LUKS, 7 AES, else none"
        => encryption: Encryption = match byte % 8 {
            6 => Encryption::Luks,
            7 => Encryption::Aes,
            _ => Encryption::None,
        };
    29, HEADER_LENGTH: "header length ³, mod 64: 1 is 104 (without zstd or oddity), n from 2 to 51 is 104 + 8n, else 112"
        => header_length: u32 = {
            let odd = bytes.u8(knobs::ODDITY);
            let is_odd =
                Oddity::decode(odd, version, cluster_bits, external_data) != Oddity::None;
            match byte % 64 {
                _ if version == 2 => 72,
                // Else what is odd may be the compression type, which such a header has not.
                1 if !zstd && !is_odd => 104,
                nth @ 2..=51 => USUAL_HEADER_LENGTH + 8 * (u32::from(nth) - 1),
                _ => USUAL_HEADER_LENGTH,
            }
        };
    30, EXTENSIONS: "extensions, as far as there is room: bit 0 backing format, 1 feature names, 2 an unknown one, 3 another, empty, 4 no end marker"
        => backing_format: bool = byte & 1 != 0
        => feature_names: bool = byte & 2 != 0
        => unknown_extension: Option<u64> =
            (byte & 4 != 0).then_some(bytes.u8(knobs::UNKNOWN_LENGTH).into())
        => empty_extension: bool = byte & 8 != 0
        => end_marker: bool = byte & 16 == 0;
    31, UNKNOWN_LENGTH: "the unknown extension's length in bytes";
    32..=33, BACKING_NAME: "the backing file name's length in bytes, mod 1024, less when there is no room; 0 for none"
        => backing_name: u64 = u64::from(bytes.u16(knobs::BACKING_NAME)) % 1024;
    34, BACKING_NAME_LAST: "bit 0: the name ends with the first cluster; else it follows the extensions"
        => backing_name_last: bool = byte & 1 != 0;
    35, ORDER: "order of the parts in the file, mod 24; 0 refcounts, L1, L2, data"
        => order: [Part; 4] = order_of(byte);
    36, TURNED: "bit 0 data behind its L2 table, 1 L2 tables reversed, 2 data reversed"
        => interleaved: bool = byte & 1 != 0
        => l2_reversed: bool = byte & 2 != 0
        => data_reversed: bool = byte & 4 != 0;
    37, GAP: "the gap in clusters: bits 0–3 shifted up by bits 4–7"
        => gap: u64 = floating(byte);
    38, GAP_BEFORE: "bits 0–3: which of the parts in order the gap is before"
        => gap_before: u8 = byte & 15;
    39, DATA_GAP: "the gap after each data cluster, in clusters: bits 0–3 shifted up by bits 4–6"
        => data_gap: u64 = floating(byte & 0x7f);
    40, SNAPSHOTS: "bits 0–1 snapshots (none with external data, where QEMU has none); bit 2 they hold what the disk holds, else nothing"
        => snapshots: u64 = if external_data { 0 } else { (byte & 3).into() }
        => snapshots_share: bool = byte & 4 != 0;
    41, L1_LENGTH: "L1 length, mod 8: 1 one entry more than needed, 2 byte 42 more, 3 whole clusters, 4 byte 42 clusters more, 5 the limit less byte 42 mod 3, else as needed"
        => l1_length: L1Length = {
            let argument = u64::from(bytes.u8(knobs::L1_ARGUMENT));
            match byte % 8 {
                1 => L1Length::More(1),
                2 => L1Length::More(argument),
                3 => L1Length::WholeClusters(0),
                4 => L1Length::WholeClusters(argument),
                5 => L1Length::Limit(argument % 3),
                _ => L1Length::More(0),
            }
        };
    42, L1_ARGUMENT: "the argument of the L1 length";
    43..=44, FILE_END: "bit 15 clear: bytes cut off the last cluster if that is data, mod a cluster; set: bytes behind it"
        => end: FileEnd = match bytes.u16(knobs::FILE_END) {
            cut @ 0..0x8000 => FileEnd::Cut(cut.into()),
            grown => FileEnd::Grown(u64::from(grown) - 0x8000),
        };
    45, COMPRESSED_SECTORS: "sectors of compressed data less 1, mod those of a cluster"
        => compressed_sectors: u64 = byte.into();
    46, COMPRESSED_STEP: "where in a cluster compressed data begins, in 256ths, and how far apart it lies in one that it shares"
        => compressed_step: u64 = byte.into();
    47, REFCOUNT_SPARE: "bits 0–1: clusters that the refcount table has more than needed"
        => refcount_spare: u64 = (byte & 3).into();
    48, COMPATIBLE: "compatible features ³; bit 0 is lazy refcounts"
        => compatible: u64 = byte.into();
    49, AUTOCLEAR: "autoclear features ³, without bit 1, which is that of raw external data"
        => autoclear: u64 = u64::from(byte) & !2;
    152, ODDITY: "what is odd about the header: from 128 on, one of [`Oddity`]"
        => oddity: Oddity = Oddity::decode(byte, version, cluster_bits, external_data);
    153, ODDITY_ARGUMENT: "the oddity's argument"
        => oddity_argument: u64 = byte.into();
    154, L1_RESERVED_LOW: "reserved bits 0–7 of L1 entries";
    155, L1_RESERVED_HIGH: "reserved bits 56–62 of L1 entries, beside those of the byte before"
        => l1_reserved: u64 =
            u64::from(bytes.u8(knobs::L1_RESERVED_LOW)) | u64::from(byte & 0x7f) << 56;
    156, L1_NONSENSE: "from 0xe0 on: L1 entries past the disk's end name nonsense"
        => l1_nonsense: bool = byte >= 0xe0;
    157, ANY_SIZE: "from 0xe0 on: the size is of bytes, not of sectors of 512"
        => any_size: bool = byte >= 0xe0;
    158, COMPRESSED_MORE: "from 0xe0 to 0xef: 256 times so many more sectors of compressed data"
        => compressed_more: u64 = match byte {
            0xe0..=0xef => u64::from(byte - 0xe0) * 256,
            _ => 0,
        };
    187, ALIASES: "from 0xa8 to 0xb7, without external data: empty L1 entries behind the first table's name it too, as many as tables fit the file, 8 less to 7 more"
        => aliases: Aliases = match byte {
            0xa8..=0xb7 if !external_data => Aliases::Fit(byte - 0xa8),
            _ => Aliases::NONE,
        };
}

impl Geometry {
    /// The size of a cluster in bytes.
    pub fn cluster(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// The size of an L2 entry in bytes.
    pub fn entry_size(&self) -> u64 {
        if self.extended_l2 { 16 } else { 8 }
    }

    /// How many clusters an L2 table maps.
    pub fn clusters_per_table(&self) -> u64 {
        self.cluster() / self.entry_size()
    }

    /// The largest refcount.
    pub fn most_references(&self) -> u64 {
        u64::MAX >> (64 - (1_u64 << self.refcount_order))
    }

    /// How many snapshots hold what the disk holds: none when refcounts are too narrow for it.
    pub fn sharing_snapshots(&self) -> u64 {
        if self.snapshots_share && self.snapshots < self.most_references() {
            self.snapshots
        } else {
            0
        }
    }
}

/// The `nth` order of the parts, modulo 24; the first is QEMU's.
fn order_of(nth: u8) -> [Part; 4] {
    let mut left = [Part::Refcounts, Part::L1, Part::L2, Part::Data];
    let mut nth = usize::from(nth) % 24;
    for (at, orders_of_rest) in [(0, 6), (1, 2), (2, 1)] {
        left[at..].rotate_left(nth / orders_of_rest % (4 - at));
        nth %= orders_of_rest;
    }
    left
}

/// Bits 0–3 shifted up by bits 4–7: small numbers and large ones, up to 15 * 2^15.
fn floating(byte: u8) -> u64 {
    u64::from(byte & 15) << (byte >> 4)
}
