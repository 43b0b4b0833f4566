//! What a cluster holds, and its L2 entry.

use std::ops::Range;

use super::geometry::Geometry;
use crate::choices::choices;
use crate::runs;

/// Bit 63 of an entry: its refcount is one.
pub(super) const COPIED: u64 = 1 << 63;
/// Bit 62 of an L2 entry.
const COMPRESSED: u64 = 1 << 62;
/// Bit 0 of a standard L2 entry.
const ZERO: u64 = 1;
/// The host cluster in a standard L2 entry.
pub(super) const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// Bits 1 to 8 and 56 to 61 of an L2 entry.
const RESERVED: u64 = 0x3f << 56 | 0x1fe;

choices! {
    /// What a cluster holds. A run's kind chooses below [`FIRST_ODD`] among the first six, modulo 6, and from it
    /// on among the others, modulo 8. From 0xd8 to it a compressed stream [swells](crate::content::Content::swells).
    pub enum Kind {
        Data: "Data in a host cluster.",
        Zero: "Zeroes without a host cluster. In version 2, nothing.",
        ZeroWithHost: "Zeroes, and a host cluster. In version 2, data.",
        Compressed: "Compressed data in a host cluster of its own (or two).",
        CompressedShared:
            "Compressed data in the host cluster of the compressed data before it, if there is room.",
        Bare: "Nothing; with extended entries a host cluster of which no subcluster is used.",
        PastEnd: "Data in a host cluster past the file's end.",
        NotCopied:
            "Data in a host cluster, which bit 63 marks as shared. At the start of an external data \
            file that means nothing.",
        ReservedBits: "Data in a host cluster, and all reserved bits are set.",
        ZeroFlag:
            "A zero flag: corrupt in version 2. In version 3, zeroes with a host cluster and bit 63 \
            clear.",
        Unaligned:
            "A host cluster at an offset that is not a cluster's: corrupt. Data with clusters of 512 \
            bytes.",
        CompressedWithBitmap:
            "Compressed data, and the bitmap of an extended entry is not empty. Corrupt with external \
            data.",
        BothBits:
            "An extended entry whose bitmap has both data and zeroes: corrupt. Data with standard \
            entries.",
        DataWithoutHost:
            "An extended entry whose bitmap has data, but without a host cluster: corrupt. Nothing \
            with standard entries.",
    }
}

/// The first number of a kind that `qemu-img` complains of, or that is corrupt.
pub const FIRST_ODD: u8 = 0xe0;

impl Kind {
    /// The kind of number `kind`.
    pub fn decode(kind: u8) -> Self {
        Self::choose(match kind {
            FIRST_ODD.. => 6 + kind % 8,
            _ => kind % 6,
        })
    }
}

/// Where a cluster's data is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere.
    None,
    /// In a cluster of its own.
    Cluster,
    /// Compressed.
    Compressed { shared: bool },
    /// Past the file's end.
    PastEnd,
    /// In another file.
    OtherFile,
}

/// What of a cluster is data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    Nothing,
    Whole,
    /// The subclusters whose bits are set.
    Subclusters(u32),
    /// Its entry is corrupt.
    Corrupt,
}

/// A cluster of the disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cluster {
    /// Its number, from the disk's start.
    pub(super) index: u64,
    /// The entry, first without the place in the file, in the end with it.
    pub(super) entry: u64,
    /// The second word of an extended entry.
    pub(super) bitmap: u64,
    pub(super) place: Place,
    pub(super) held: Held,
    /// If it is compressed, its stream inflates to far more than a cluster.
    pub(super) swells: bool,
}

impl Cluster {
    /// A cluster of a run. It is `shared` when snapshots hold it too.
    pub(super) fn new(geometry: &Geometry, unit: &runs::Unit, shared: bool) -> Self {
        let mut kind = Kind::decode(unit.kind);
        if geometry.version == 2 {
            kind = match kind {
                Kind::Zero => Kind::Bare,
                Kind::ZeroWithHost => Kind::Data,
                kind => kind,
            };
        }
        if geometry.external_data {
            kind = match kind {
                Kind::Compressed | Kind::CompressedShared | Kind::PastEnd => Kind::Data,
                kind => kind,
            };
        }
        let extended = geometry.extended_l2;
        let external = geometry.external_data;
        let copied = if shared { 0 } else { COPIED };
        let zero = if extended { 0 } else { ZERO };
        let host = if external {
            Place::OtherFile
        } else {
            Place::Cluster
        };
        let compressed = |shared| Place::Compressed { shared };
        let pattern = Pattern::new(unit);
        let data = u64::from(pattern.data) | u64::from(pattern.zero) << 32;
        let zeroes = u64::from(pattern.zeroes) << 32;
        let holds = if extended {
            Held::Subclusters(pattern.data)
        } else {
            Held::Whole
        };
        let corrupt_if = |is: bool, other: Held| if is { Held::Corrupt } else { other };
        let (entry, place, bitmap, held) = match kind {
            Kind::Data => (copied, host, data, holds),
            Kind::Zero => (zero, Place::None, zeroes, Held::Nothing),
            Kind::ZeroWithHost => (copied | zero, host, zeroes, Held::Nothing),
            Kind::Compressed => (COMPRESSED, compressed(false), 0, Held::Whole),
            Kind::CompressedShared => (COMPRESSED, compressed(true), 0, Held::Whole),
            Kind::Bare if extended => (copied, host, 0, Held::Nothing),
            Kind::Bare => (0, Place::None, 0, Held::Nothing),
            Kind::PastEnd => (copied, Place::PastEnd, data, holds),
            Kind::NotCopied => (0, host, data, holds),
            // Bit 0 is reserved in extended entries.
            Kind::ReservedBits => (copied | RESERVED | u64::from(extended), host, data, holds),
            Kind::ZeroFlag => {
                let held = corrupt_if(geometry.version == 2, Held::Nothing);
                (zero, host, zeroes, held)
            }
            Kind::Unaligned if geometry.cluster_bits > 9 || external => {
                (copied | 512, host, data, Held::Corrupt)
            }
            Kind::Unaligned => (copied, host, data, holds),
            Kind::CompressedWithBitmap if external => {
                (COMPRESSED | 0x200, Place::None, data, Held::Corrupt)
            }
            Kind::CompressedWithBitmap => (COMPRESSED, compressed(false), data, Held::Whole),
            Kind::BothBits => {
                let both = data | u64::from(pattern.data) << 32;
                (copied, host, both, corrupt_if(extended, holds))
            }
            Kind::DataWithoutHost => (0, Place::None, data, corrupt_if(extended, Held::Nothing)),
        };
        // In an external data file, the first cluster's offset is 0: only bit 63 marks it as present.
        let lost = unit.index == 0 && place == Place::OtherFile && entry & COPIED == 0;
        let held = match held {
            Held::Whole | Held::Subclusters(_) if lost => corrupt_if(extended, Held::Nothing),
            held => held,
        };
        Self {
            index: unit.index,
            entry,
            bitmap: if extended { bitmap } else { 0 },
            place,
            held,
            swells: (0xd8..FIRST_ODD).contains(&unit.kind),
        }
    }

    /// Which part of the file the entry of a compressed cluster names: bytes to the end of the last sector.
    pub(super) fn compressed(&self, geometry: &Geometry) -> Range<u64> {
        let bits = 62 - (geometry.cluster_bits - 8);
        let start = self.entry & ((1 << bits) - 1);
        let more = (self.entry & !COMPRESSED) >> bits;
        start..(start / 512 + more + 1) * 512
    }

    /// Puts the place in the file into the entry.
    pub(super) fn put_at(&mut self, offset: u64) {
        // Not a sum: an unaligned offset has bit 9 already, which no cluster of over 512 bytes has; in
        // another file of such clusters it moves the offset on.
        self.entry = if self.entry & offset & 512 != 0 {
            self.entry + offset
        } else {
            self.entry | offset
        };
    }
}

/// The bitmap of an extended entry.
struct Pattern {
    /// Subclusters of data, never none.
    data: u32,
    /// Subclusters of zeroes beside them.
    zero: u32,
    /// Subclusters of zeroes in a cluster without data, never none.
    zeroes: u32,
}

impl Pattern {
    /// A hash of the low bits is enough.
    fn new(unit: &runs::Unit) -> Self {
        let hash = (unit.index as u32)
            .wrapping_add(1)
            .wrapping_mul(0x9e37_79b9)
            | 1;
        let (data, zero) = match unit.extra & 7 {
            0 => (u32::MAX, 0),
            1 => (0x0000_ffff, 0),
            2 => (0x5555_5555, 0),
            3 => (1 << (unit.index & 31), 0),
            4 => (0x5555_5555, 0xaaaa_aaaa),
            5 => (0x0000_ffff, 0xff00_0000),
            6 => (hash, !hash & hash.rotate_left(7)),
            _ => (0x8000_0000, 0x7fff_ffff),
        };
        Self {
            data,
            zero,
            zeroes: data | zero,
        }
    }
}
