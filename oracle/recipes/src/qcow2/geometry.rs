//! The geometry of a recipe's qcow2 image, decoded from its [knobs](super::knobs).

use super::header::Oddity;
use super::knobs;
use crate::recipe::Recipe;

/// Cluster size logarithms, the usual one first.
pub const CLUSTER_BITS: [u32; 13] = [16, 9, 12, 10, 11, 13, 14, 15, 17, 18, 19, 20, 21];

/// Refcount width logarithms, the usual one first.
pub const REFCOUNT_ORDERS: [u32; 7] = [4, 0, 1, 2, 3, 5, 6];

/// The header's length that QEMU writes for version 3.
pub const USUAL_HEADER_LENGTH: u32 = 112;

/// The least cluster size logarithm that extended L2 entries may have: a subcluster is a sector.
pub const LEAST_BITS_OF_EXTENDED_L2: u32 = 14;

/// What an image is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// 2 or 3.
    pub version: u32,
    /// The cluster size's logarithm: 9 to 21.
    pub cluster_bits: u32,
    /// The refcount width's logarithm, in bits: 0 to 6.
    pub refcount_order: u32,
    /// L2 entries of 16 bytes.
    pub extended_l2: bool,
    /// Guest data is in another file.
    pub external_data: bool,
    /// That file can be read as a raw image.
    pub raw_external_data: bool,
    /// Compressed clusters are zstd's, not deflated.
    pub zstd: bool,
    /// Incompatible feature bit 0.
    pub dirty: bool,
    /// Incompatible feature bit 1.
    pub corrupt: bool,
    /// How guest data is encrypted.
    pub encryption: Encryption,
    /// The header's length in bytes: 72, or 104 to 512 by eights.
    pub header_length: u32,
    /// The extensions behind the header.
    pub extensions: Extensions,
    /// How long the backing file's name is to be in bytes, 0 for none; less when there is no room.
    pub backing_name: u64,
    /// The name ends with the first cluster; else it follows the extensions.
    pub backing_name_last: bool,
    /// What comes after the header in the file, in order.
    pub order: [Part; 4],
    /// Each L2 table is followed by its data.
    pub interleaved: bool,
    /// The L2 tables lie in falling order of what they map.
    pub l2_reversed: bool,
    /// The data lies in falling order of where it belongs.
    pub data_reversed: bool,
    /// How many clusters are left free before the parts of [`gap_before`](Self::gap_before).
    pub gap: u64,
    /// The parts that the gap is before: bit n for the nth of [`order`](Self::order).
    pub gap_before: u8,
    /// How many clusters are left free after each data cluster.
    pub data_gap: u64,
    /// How many snapshots there are: 0 to 3; none with external data, where QEMU has none.
    pub snapshots: u64,
    /// The snapshots hold what the disk holds; else they are empty.
    pub snapshots_share: bool,
    /// How long the L1 table is.
    pub l1_length: L1Length,
    /// How the file ends.
    pub end: FileEnd,
    /// How many sectors of 512 bytes compressed clusters have, less 1, modulo those of a cluster.
    pub compressed_sectors: u64,
    /// How many bytes into its cluster compressed data begins, and how far apart it lies when it
    /// shares one.
    pub compressed_step: u64,
    /// How many clusters more than needed the refcount table has: 0 to 3.
    pub refcount_spare: u64,
    /// Compatible feature bits; bit 0 is lazy refcounts.
    pub compatible: u64,
    /// Autoclear feature bits but for bit 1, which is [`raw_external_data`](Self::raw_external_data).
    pub autoclear: u64,
    /// What is odd about the header.
    pub oddity: Oddity,
    /// A number that some oddities take.
    pub oddity_argument: u8,
    /// Reserved bits that are set in L1 entries.
    pub l1_reserved: u64,
    /// Entries of the L1 table past the disk's end name nonsense.
    pub l1_nonsense: bool,
    /// The disk's size is any number of bytes, and not of whole sectors of 512.
    pub any_size: bool,
}

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

/// The extensions behind the header. Those that there is no room for are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extensions {
    /// The backing file's format.
    pub backing_format: bool,
    /// Names of features.
    pub feature_names: bool,
    /// One that nobody knows, of so many bytes.
    pub unknown: Option<u64>,
    /// Another that nobody knows, of no bytes.
    pub unknown_empty: bool,
    /// Whether an end marker follows.
    pub end_marker: bool,
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

impl Geometry {
    /// Decodes a recipe's geometry.
    #[must_use]
    pub fn decode(recipe: &Recipe) -> Self {
        let bytes = recipe.bytes();
        let knob = |at| bytes.u8(at);
        let has = |at, bit: u8| knob(at) >> bit & 1 != 0;
        let v3 = knob(knobs::VERSION).is_multiple_of(2);
        let cluster_bits =
            CLUSTER_BITS[usize::from(knob(knobs::CLUSTER_SIZE)) % CLUSTER_BITS.len()];
        let external_data = v3 && has(knobs::FEATURES, 1);
        let zstd = v3 && has(knobs::FEATURES, 3);
        let oddity = Oddity::decode(knob(knobs::ODDITY), v3, cluster_bits, external_data);
        Self {
            version: if v3 { 3 } else { 2 },
            cluster_bits,
            refcount_order: if v3 {
                REFCOUNT_ORDERS[usize::from(knob(knobs::REFCOUNT_WIDTH)) % REFCOUNT_ORDERS.len()]
            } else {
                4
            },
            extended_l2: v3 && has(knobs::FEATURES, 0) && cluster_bits >= LEAST_BITS_OF_EXTENDED_L2,
            external_data,
            raw_external_data: external_data && has(knobs::FEATURES, 2),
            zstd,
            dirty: v3 && has(knobs::FEATURES, 4),
            corrupt: v3 && has(knobs::FEATURES, 5),
            encryption: match knob(knobs::ENCRYPTION) % 8 {
                6 => Encryption::Luks,
                7 => Encryption::Aes,
                _ => Encryption::None,
            },
            header_length: match (v3, knob(knobs::HEADER_LENGTH) % 64) {
                (false, _) => 72,
                // Else what is odd may be the compression type, which such a header has not.
                (_, 1) if !zstd && oddity == Oddity::None => 104,
                (_, nth @ 2..=51) => USUAL_HEADER_LENGTH + 8 * (u32::from(nth) - 1),
                _ => USUAL_HEADER_LENGTH,
            },
            extensions: Extensions {
                backing_format: has(knobs::EXTENSIONS, 0),
                feature_names: has(knobs::EXTENSIONS, 1),
                unknown: has(knobs::EXTENSIONS, 2).then_some(knob(knobs::UNKNOWN_LENGTH).into()),
                unknown_empty: has(knobs::EXTENSIONS, 3),
                end_marker: !has(knobs::EXTENSIONS, 4),
            },
            backing_name: u64::from(bytes.u16(knobs::BACKING_NAME)) % 1024,
            backing_name_last: has(knobs::BACKING_NAME_LAST, 0),
            order: order(knob(knobs::ORDER)),
            interleaved: has(knobs::TURNED, 0),
            l2_reversed: has(knobs::TURNED, 1),
            data_reversed: has(knobs::TURNED, 2),
            gap: floating(knob(knobs::GAP)),
            gap_before: knob(knobs::GAP_BEFORE) & 15,
            data_gap: floating(knob(knobs::DATA_GAP) & 0x7f),
            snapshots: if external_data {
                0
            } else {
                u64::from(knob(knobs::SNAPSHOTS) & 3)
            },
            snapshots_share: has(knobs::SNAPSHOTS, 2),
            l1_length: match knob(knobs::L1_LENGTH) % 8 {
                1 => L1Length::More(1),
                2 => L1Length::More(knob(knobs::L1_ARGUMENT).into()),
                3 => L1Length::WholeClusters(0),
                4 => L1Length::WholeClusters(knob(knobs::L1_ARGUMENT).into()),
                5 => L1Length::Limit(u64::from(knob(knobs::L1_ARGUMENT)) % 3),
                _ => L1Length::More(0),
            },
            end: match bytes.u16(knobs::FILE_END) {
                cut @ 0..0x8000 => FileEnd::Cut(cut.into()),
                grown => FileEnd::Grown(u64::from(grown) - 0x8000),
            },
            compressed_sectors: knob(knobs::COMPRESSED_SECTORS).into(),
            compressed_step: knob(knobs::COMPRESSED_STEP).into(),
            refcount_spare: u64::from(knob(knobs::REFCOUNT_SPARE) & 3),
            compatible: u64::from(knob(knobs::COMPATIBLE)),
            autoclear: u64::from(knob(knobs::AUTOCLEAR)) & !2,
            oddity,
            oddity_argument: knob(knobs::ODDITY_ARGUMENT),
            l1_reserved: u64::from(knob(knobs::L1_RESERVED_LOW))
                | u64::from(knob(knobs::L1_RESERVED_HIGH) & 0x7f) << 56,
            l1_nonsense: knob(knobs::L1_NONSENSE) >= 0xe0,
            any_size: knob(knobs::ANY_SIZE) >= 0xe0,
        }
    }

    /// The size of a cluster in bytes.
    #[must_use]
    pub fn cluster(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// The size of an L2 entry in bytes.
    #[must_use]
    pub fn entry_size(&self) -> u64 {
        if self.extended_l2 { 16 } else { 8 }
    }

    /// How many clusters an L2 table maps.
    #[must_use]
    pub fn clusters_per_table(&self) -> u64 {
        self.cluster() / self.entry_size()
    }

    /// The largest refcount.
    #[must_use]
    pub fn most_references(&self) -> u64 {
        u64::MAX >> (64 - (1_u64 << self.refcount_order))
    }

    /// How many snapshots hold what the disk holds: none when refcounts are too narrow for it.
    #[must_use]
    pub fn sharing_snapshots(&self) -> u64 {
        if self.snapshots_share && self.snapshots < self.most_references() {
            self.snapshots
        } else {
            0
        }
    }
}

/// The `nth` order of the parts, modulo 24; the first is QEMU's.
fn order(nth: u8) -> [Part; 4] {
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
