//! The geometry of a VMDK image, decoded from its knobs.

use crate::aliases::Aliases;
use crate::choices::{choices, choose};
use crate::layout::geometry;

pub use crate::choices::Order;

/// The magic number.
pub(super) const MAGIC: &str = "KDMV";
/// A grain table entry of 1 is a zeroed grain.
pub const ZEROED_GRAINS: u32 = 1 << 2;
/// The bytes that detect changed line ends are valid.
const LINE_ENDS: u32 = 1;
/// There is a redundant directory.
const REDUNDANT: u32 = 1 << 1;
/// Grains are compressed.
const COMPRESSED: u32 = 1 << 16;
/// Grains begin with markers.
const MARKERS: u32 = 1 << 17;

/// Grain sizes in sectors that a scanner refuses.
pub const WRONG_GRAINS: [u64; 8] = [0, 3, 127, 129, 256, 1 << 21, (1 << 32) + 128, 1 << 63];

/// Versions that a scanner refuses.
pub const WRONG_VERSIONS: [u32; 4] = [0, 4, 1 << 31, u32::MAX];

/// Numbers of entries a table that a scanner refuses.
pub const WRONG_TABLE_ENTRIES: [u32; 8] = [0, 1, 256, 511, 513, 1024, 1 << 31, u32::MAX];

/// The `createType` of a descriptor in a file of its own; the last two are unknown.
pub const CREATE_TYPES: [&str; 16] = [
    "monolithicFlat",
    "monolithicSparse",
    "streamOptimized",
    "twoGbMaxExtentFlat",
    "twoGbMaxExtentSparse",
    "vmfs",
    "vmfsSparse",
    "fullDevice",
    "partitionedDevice",
    "vmfsRDM",
    "custom",
    "twoGbMaxExtentSparse",
    "twoGbMaxExtentFlat",
    "monolithicFlat",
    "monolithic",
    "",
];

/// The most tables of a disk that are all there.
pub const ALL_TABLES: u64 = 32;

choices! {
    /// What kind of extent it is.
    pub enum Kind {
        Sparse: "`monolithicSparse`.",
        Stream: "`streamOptimized` as qemu-img writes it: a sparse extent of compressed grains.",
        StreamWithFooter:
            "`streamOptimized` as VMware writes it: the directory is found by the header in the \
            footer.",
    }
}

choices! {
    /// What a grain of a run holds: the run's kind, mod 8. Its three free bits are the size of a compressed
    /// grain in eighths, and of the gap. From 0xf8 on its stream [swells](crate::content::Content::swells).
    pub enum Grain {
        Data: "Data.",
        EntryOfOne: "Its entry is 1.",
        Shared: "Data at the place of the grain before.",
        PastEnd: "Data past the file's end.",
        Nothing: "Nothing.",
        OverMetadata: "Data over the metadata.",
        LargestEntry: "Its entry is 2^32 - 1.",
        BehindGap: "Data behind a gap.",
    }
}

choices! {
    /// The redundant grain directory.
    pub enum Redundant {
        There: "It is there, with tables of its own and the same entries.",
        Absent: "There is none.",
        Empty: "It is there, and the disk is empty by it.",
        Unflagged: "It is there, but its flag is not set.",
    }
}

/// The descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descriptor {
    /// Embedded in sectors 1 to 20.
    Embedded,
    /// There is none, and what follows the header moves up to sector 1.
    Absent,
    /// Embedded in sectors 1 to 20, but past the file's end by the header.
    Elsewhere,
    /// Embedded in sectors 1 to 20, but absent by the header.
    Unnamed,
    /// The file is a descriptor and nothing else, of this kind.
    Alone(&'static str),
}

impl Descriptor {
    const IN_EXTENT: [Self; 4] = [Self::Embedded, Self::Absent, Self::Elsewhere, Self::Unnamed];
}

choices! {
    /// Where tables and directory are. Each lies at a multiple of 512 bytes.
    pub enum Placement {
        Front: "Directory, tables, grains: qemu-img's.",
        TablesFront: "Tables, directory, grains.",
        Back: "Grains, tables, directory.",
        BackDirectoryFirst: "Grains, directory, tables: the last table ends with the file.",
        Interleaved:
            "Each table behind its grains, then the directory: VMware's streams. The first choice of a \
            stream with a footer.",
        DirectoryFront: "Directory, grains, tables.",
    }
}

choices! {
    /// Which tables are there.
    pub enum Tables {
        All: "All, when they are at most [`ALL_TABLES`]; else as [`Tables::Needed`].",
        Needed: "Those in which a run names a grain.",
        NeededAndNext: "These and the one after each.",
    }
}

choices! {
    /// What the entries of the directory past the disk's end are.
    pub enum Spare {
        AllOnes: "All ones.",
        One: "1.",
        Table: "A table of the disk.",
        End: "The sector at the file's end.",
    }
}

/// How many sectors of metadata the header announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overhead {
    /// Up to the first grain.
    Right,
    /// The whole file: the most that is allowed.
    File,
    /// So many.
    Sectors(u64),
    /// One more than the file has.
    MoreThanFile,
}

impl Overhead {
    const SOUND: [Self; 4] = [Self::Right, Self::Sectors(0), Self::File, Self::Sectors(1)];
    const WRONG: [Self; 2] = [Self::MoreThanFile, Self::Sectors(u64::MAX)];
}

/// What is behind the last part of the file; of an extent with a footer, between the last part and it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// What fills the last sector.
    Sector,
    /// Nothing: the file need not end with a sector.
    Nothing,
    /// So many bytes.
    Bytes(u64),
    /// The file lacks the last byte of the last table or directory, or of the footer.
    Cut,
}

choices! {
    /// What is wrong with a footer.
    pub enum FooterFault {
        MarkerType: "The type in the marker before it.",
        MarkerSize: "The size in that marker.",
        EndValue: "The value in the end-of-stream marker.",
        EndSize: "The size in that marker.",
        EndType: "The type in that marker.",
        Magic: "Its magic number.",
        Footer: "It names a footer as the place of the header.",
        Absent: "It is not there.",
    }
}

geometry! {
    /// The geometry of a VMDK image: every knob but the disk's size and its data.
    (bytes, byte)

    24, KIND: "mod 3: sparse; stream-optimised; stream-optimised with its header in a footer"
        => kind: Kind = Kind::choose(byte);
    25, GRAIN: "grain: to 0xf7 mod 8: 128, 64, 32, 16, 8, 4, 2, 1 sectors; from 0xf8 mod 8 what is not supported: [`WRONG_GRAINS`]"
        => grain_sectors: u64 = match byte {
            0xf8.. => choose(&WRONG_GRAINS, byte),
            _ => 128 >> (byte % 8),
        };
    26, VERSION: "version: to 0xef mod 4: as qemu-img writes it, 1, 2, 3; from 0xf0 mod 4 what is not supported: [`WRONG_VERSIONS`]"
        => version: u32 = match byte {
            0xf0.. => choose(&WRONG_VERSIONS, byte),
            _ => match byte % 4 {
                0 if kind != Kind::Sparse => 3,
                0 => 1 + u32::from(bytes.u8(knobs::FLAGS) & 1),
                version => version.into(),
            },
        };
    27, FLAGS: "bit 0 an entry of 1 is a zeroed grain; 1 no line-end flag; 2 compressed flag turned; 3 markers flag turned; 4 compression algorithm turned; 5 not shut down cleanly; 6 line-end bytes wrong"
        => unclean: bool = byte & 0x20 != 0
        => line_ends: bool = byte & 0x40 == 0;
    28, REDUNDANT: "redundant directory, mod 4: there; not there; empty; there without its flag"
        => redundant: Redundant = Redundant::choose(byte);
    29, DESCRIPTOR: "descriptor: to 0xef mod 4 see [`Descriptor`]; from 0xf0 the file is a text descriptor, of kind [`CREATE_TYPES`] by the low 4 bits"
        => descriptor: Descriptor = match byte {
            0xf0.. => Descriptor::Alone(choose(&CREATE_TYPES, byte)),
            _ => choose(&Descriptor::IN_EXTENT, byte),
        };
    30, PLACEMENT: "where the tables are, mod 6: see [`Placement`]"
        => placement: Placement = {
            let first = if kind == Kind::StreamWithFooter { 4 } else { 0 };
            Placement::choose(usize::from(byte) + first)
        };
    31, GAPS: "bits 0–3 sectors left free before each table, bits 4–7 before each grain"
        => table_gap: u64 = (byte & 15).into()
        => grain_gap: u64 = (byte >> 4).into();
    32, ORDER: "grains in the file, mod 4: ascending; descending; odd ones first; all at one place"
        => order: Order = Order::choose(byte);
    33, TABLES: "tables that are there, mod 3: all (when they are at most [`ALL_TABLES`]); those that name grains; these and the one after each"
        => tables: Tables = Tables::choose(byte);
    34, SPARE: "directory entries past the disk's end: bits 0–1 how many; bits 2–3 what they are: all ones, 1, a table of the disk, the file's end"
        => spare: (u64, Spare) = ((byte & 3).into(), Spare::choose(byte >> 2));
    35, OVERHEAD: "the metadata's size in the header: to 0xf7 mod 4: right; 0; the whole file; 1; from 0xf8 mod 2 wrong: one sector more than the file, 2^64 - 1"
        => overhead: Overhead = match byte {
            0xf8.. => choose(&Overhead::WRONG, byte),
            _ => choose(&Overhead::SOUND, byte),
        };
    36, TAIL: "the file's end: to 0xf7 mod 4: whole sectors; nothing behind what is last; some bytes behind; some sectors behind; from 0xf8 the last table or directory, or the footer, lacks its last byte"
        => tail: Tail = {
            let length = u64::from(bytes.u8(knobs::TAIL_LENGTH));
            match byte {
                0xf8.. => Tail::Cut,
                _ => choose(
                    &[Tail::Sector, Tail::Nothing, Tail::Bytes(length), Tail::Bytes(512 * length)],
                    byte,
                ),
            }
        };
    37, TAIL_LENGTH: "how many bytes or sectors these are";
    38, LONGEST_DIRECTORY: "to 0xef directories up to 64 KiB, from 0xf0 up to 1 MiB"
        => longest_directory: u64 = if byte < 0xf0 { 64 << 10 } else { 1 << 20 };
    152, MAGIC: "to 0xf7 the magic number; from 0xf8 mod 4: `COWD`, `KDMX`, zeros, `VMDK`"
        => magic: &'static str = match byte {
            0xf8.. => choose(&["COWD", "KDMX", "\0\0\0\0", "VMDK"], byte),
            _ => MAGIC,
        };
    153, TABLE_ENTRIES: "entries a table: to 0xf7 512; from 0xf8 mod 8 [`WRONG_TABLE_ENTRIES`]"
        => table_entries: u32 = match byte {
            0xf8.. => choose(&WRONG_TABLE_ENTRIES, byte),
            _ => 512,
        };
    154, CAPACITY: "capacity: to 0xef the disk's; from 0xf0 mod 4: 0, 2^54 - 1, 2^54, 2^64 - 1 sectors"
        => capacity: Option<u64> =
            (byte >= 0xf0).then(|| choose(&[0, (1 << 54) - 1, 1 << 54, u64::MAX], byte));
    155, ALIASES: "from 0xe0: the empty directory entries after the first table name it too, as many as the low 5 bits and one"
        => aliases: Aliases = match bytes.u8(knobs::ALIASES_FIT) {
            fit @ 0xd0..=0xdf => Aliases::Fit(fit - 0xd0),
            _ => Aliases::Few(byte.saturating_sub(0xdf).into()),
        };
    156, FOOTER_FAULT: "footer: to 0xef right; from 0xf0 mod 8 wrong: see [`FooterFault`]"
        => footer_fault: Option<FooterFault> = (kind == Kind::StreamWithFooter && byte >= 0xf0)
            .then(|| FooterFault::choose(byte));
    157, NONSENSE_FIRST: "bit 0: with the header in the footer, the first one holds nonsense"
        => nonsense_first: bool = kind == Kind::StreamWithFooter && byte & 1 != 0;
    158..=159, FOOTER_VALUE: "the footer marker's value, less 1"
        => footer_value: u64 = u64::from(bytes.u16(knobs::FOOTER_VALUE)) + 1;
    160..=161, COMPRESSION_TURNED: "turned in the compression algorithm"
        => compression: u16 = {
            let turned = bytes.u8(knobs::FLAGS) & 0x10 != 0;
            u16::from((kind != Kind::Sparse) != turned) ^ bytes.u16(knobs::COMPRESSION_TURNED)
        };
    162..=165, FLAGS_TURNED: "turned in the flags, but for bits 1 and 2"
        => flags: u32 = {
            let choice = bytes.u8(knobs::FLAGS);
            let stream = kind != Kind::Sparse;
            let right = [
                (choice & 1 != 0, ZEROED_GRAINS),
                (choice & 2 == 0, LINE_ENDS),
                (matches!(redundant, Redundant::There | Redundant::Empty), REDUNDANT),
                (stream != (choice & 4 != 0), COMPRESSED),
                (stream != (choice & 8 != 0), MARKERS),
            ];
            let right = right.iter().filter(|flag| flag.0).fold(0, |all, flag| all | flag.1);
            right ^ bytes.u32(knobs::FLAGS_TURNED) & !(ZEROED_GRAINS | REDUNDANT)
        };
    178, ALIASES_FIT: "from 0xd0 to 0xdf, instead of byte 155: as many entries name the first table as tables fit the file, 8 less to 7 more";
}

impl Geometry {
    /// Whether the header's grain size is one that a scanner knows.
    pub fn grain_is_supported(&self) -> bool {
        self.grain_sectors.is_power_of_two() && self.grain_sectors <= 128
    }

    /// Whether an entry of 1 is a zeroed grain.
    pub fn has_zeroed_grains(&self) -> bool {
        self.flags & ZEROED_GRAINS != 0
    }

    /// Whether grains are compressed; `None` where readers differ.
    pub fn has_compressed_grains(&self) -> Option<bool> {
        match (self.compression, self.flags & (COMPRESSED | MARKERS)) {
            (1, flags) if flags == COMPRESSED | MARKERS => Some(true),
            (0, 0) if self.kind == Kind::Sparse => Some(false),
            _ => None,
        }
    }

    /// The grain's size in bytes; of one that is not supported, the largest that is.
    pub fn grain(&self) -> u64 {
        512 * if self.grain_is_supported() {
            self.grain_sectors
        } else {
            128
        }
    }
}
