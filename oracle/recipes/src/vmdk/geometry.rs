//! The knobs of a vmdk recipe, and what their bytes mean: see [`knobs`](super::knobs).

use super::knobs;
use crate::choices::choices;
use crate::recipe::Recipe;

pub use crate::choices::Order;

/// Grain sizes in sectors that a scanner refuses.
pub const WRONG_GRAINS: [u64; 8] = [0, 3, 127, 129, 256, 1 << 21, (1 << 32) + 128, 1 << 63];

/// Versions that a scanner refuses.
pub const WRONG_VERSIONS: [u32; 4] = [0, 4, 1 << 31, u32::MAX];

/// Numbers of entries a table that a scanner refuses.
pub const WRONG_TABLE_ENTRIES: [u32; 8] = [0, 1, 256, 511, 513, 1024, 1 << 31, u32::MAX];

/// What a descriptor in a file of its own says that it is of; the last two are of no known kind.
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
        /// `monolithicSparse`.
        Sparse,
        /// `streamOptimized` as qemu-img writes it: a sparse extent of compressed grains.
        Stream,
        /// `streamOptimized` as VMware writes it: the directory is found by the header in the footer.
        StreamWithFooter,
    }
}

choices! {
    /// The redundant grain directory.
    pub enum Redundant {
        /// It is there, with tables of its own that say the same.
        There,
        /// There is none.
        Absent,
        /// It is there and says that the disk is empty.
        Empty,
        /// It is there, and the flag says that there is none.
        Unflagged,
    }
}

/// The descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descriptor {
    /// Embedded in sectors 1 to 20.
    Embedded,
    /// There is none, and what follows the header moves up to sector 1.
    Absent,
    /// Embedded in sectors 1 to 20, and the header says that it is past the file's end.
    Elsewhere,
    /// Embedded in sectors 1 to 20, and the header says that there is none.
    Unnamed,
    /// The file is a descriptor and nothing else, of this kind.
    Alone(&'static str),
}

choices! {
    /// Where tables and directory are. Each lies at a multiple of 512 bytes.
    pub enum Placement {
        /// Directory, tables, grains: qemu-img's.
        Front,
        /// Tables, directory, grains.
        TablesFront,
        /// Grains, tables, directory.
        Back,
        /// Grains, directory, tables: the last table ends with the file.
        BackDirectoryFirst,
        /// Each table behind its grains, then the directory: VMware's streams. The first choice of a
        /// stream with a footer.
        Interleaved,
        /// Directory, grains, tables.
        DirectoryFront,
    }
}

choices! {
    /// Which tables are there.
    pub enum Tables {
        /// All, when they are at most [`ALL_TABLES`]; else as [`Tables::Needed`].
        All,
        /// Those in which a run names a grain.
        Needed,
        /// These and the one after each.
        NeededAndNext,
    }
}

choices! {
    /// What the entries of the directory past the disk's end are.
    pub enum Spare {
        /// All ones.
        AllOnes,
        /// 1.
        One,
        /// A table of the disk.
        Table,
        /// The sector at the file's end.
        End,
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

/// The capacity in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capacity {
    /// The disk's.
    Right,
    /// So many sectors.
    Sectors(u64),
}

choices! {
    /// What is wrong with a footer.
    pub enum FooterFault {
        /// The type in the marker before it.
        MarkerType,
        /// The size in that marker.
        MarkerSize,
        /// The value in the end-of-stream marker.
        EndValue,
        /// The size in that marker.
        EndSize,
        /// The type in that marker.
        EndType,
        /// Its magic number.
        Magic,
        /// It says that the header is in a footer.
        Footer,
        /// It is not there.
        Absent,
    }
}

/// The geometry of a vmdk image: every knob but the disk's size and its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// What kind of extent it is.
    pub kind: Kind,
    /// The magic number.
    pub magic: [u8; 4],
    /// The grain's size in sectors, as the header says.
    pub grain_sectors: u64,
    /// The version.
    pub version: u32,
    /// The flags.
    pub flags: u32,
    /// The compression algorithm.
    pub compression: u16,
    /// Whether the header says that it was not shut down cleanly.
    pub unclean: bool,
    /// Whether the bytes that tell line ends are what they should be.
    pub line_ends: bool,
    /// The redundant directory.
    pub redundant: Redundant,
    /// The descriptor.
    pub descriptor: Descriptor,
    /// Where the tables are.
    pub placement: Placement,
    /// How many sectors are left free before each table.
    pub table_gap: u64,
    /// How many sectors are left free before each grain.
    pub grain_gap: u64,
    /// In which order grains lie.
    pub order: Order,
    /// Which tables are there.
    pub tables: Tables,
    /// How many entries the directory has past the disk's end, and what they are.
    pub spare: (u64, Spare),
    /// How much metadata the header announces.
    pub overhead: Overhead,
    /// How the file ends.
    pub tail: Tail,
    /// The longest directory, in bytes.
    pub longest_directory: u64,
    /// The entries of a table, as the header says.
    pub table_entries: u32,
    /// The capacity in the header.
    pub capacity: Capacity,
    /// How many empty entries of the directory, after the one of the first table, name it too.
    pub aliases: u64,
    /// What is wrong with the footer, if there is one.
    pub footer_fault: Option<FooterFault>,
    /// Whether the first header holds nonsense, when there is a footer.
    pub nonsense_first: bool,
    /// The value in the footer's marker.
    pub footer_value: u64,
}

/// A grain table entry of 1 is a zeroed grain.
pub const ZEROED_GRAINS: u32 = 1 << 2;
/// The bytes that tell line ends are valid.
const LINE_ENDS: u32 = 1;
/// There is a redundant directory.
const REDUNDANT: u32 = 1 << 1;
/// Grains are compressed.
const COMPRESSED: u32 = 1 << 16;
/// Grains begin with markers.
const MARKERS: u32 = 1 << 17;

impl Geometry {
    pub(super) fn decode(recipe: &Recipe) -> Self {
        let knob = |at| recipe.bytes().u8(at);
        let bit = |nth: usize| knob(knobs::FLAGS) >> nth & 1 != 0;

        let kind = Kind::choose(knob(knobs::KIND));
        let stream = kind != Kind::Sparse;
        let redundant = Redundant::choose(knob(knobs::REDUNDANT));
        let zeroed = bit(0);
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        let turned = recipe.bytes().u32(knobs::FLAGS_TURNED) & !(ZEROED_GRAINS | REDUNDANT);
        let flags = flag(zeroed, ZEROED_GRAINS)
            | flag(!bit(1), LINE_ENDS)
            | flag(
                matches!(redundant, Redundant::There | Redundant::Empty),
                REDUNDANT,
            )
            | flag(stream != bit(2), COMPRESSED)
            | flag(stream != bit(3), MARKERS);
        let first_placement = if kind == Kind::StreamWithFooter { 4 } else { 0 };
        Self {
            kind,
            magic: match knob(knobs::MAGIC) {
                0..=0xf7 => *b"KDMV",
                byte => [*b"COWD", *b"KDMX", [0; 4], *b"VMDK"][usize::from(byte % 4)],
            },
            grain_sectors: match knob(knobs::GRAIN) {
                byte @ 0..=0xf7 => 128 >> (byte % 8),
                byte => WRONG_GRAINS[usize::from(byte % 8)],
            },
            version: match knob(knobs::VERSION) {
                byte @ 0..=0xef => match byte % 4 {
                    0 if stream => 3,
                    0 if zeroed => 2,
                    0 => 1,
                    version => version.into(),
                },
                byte => WRONG_VERSIONS[usize::from(byte % 4)],
            },
            flags: flags ^ turned,
            compression: u16::from(stream != bit(4))
                ^ recipe.bytes().u16(knobs::COMPRESSION_TURNED),
            unclean: bit(5),
            line_ends: !bit(6),
            redundant,
            descriptor: match knob(knobs::DESCRIPTOR) {
                byte @ 0..=0xef => [
                    Descriptor::Embedded,
                    Descriptor::Absent,
                    Descriptor::Elsewhere,
                    Descriptor::Unnamed,
                ][usize::from(byte % 4)],
                byte => Descriptor::Alone(CREATE_TYPES[usize::from(byte % 16)]),
            },
            placement: Placement::choose(usize::from(knob(knobs::PLACEMENT)) + first_placement),
            table_gap: u64::from(knob(knobs::GAPS) & 15),
            grain_gap: u64::from(knob(knobs::GAPS) >> 4),
            order: Order::choose(knob(knobs::ORDER)),
            tables: Tables::choose(knob(knobs::TABLES)),
            spare: (
                u64::from(knob(knobs::SPARE) & 3),
                Spare::choose(knob(knobs::SPARE) >> 2),
            ),
            overhead: match knob(knobs::OVERHEAD) {
                byte @ 0..=0xf7 => [
                    Overhead::Right,
                    Overhead::Sectors(0),
                    Overhead::File,
                    Overhead::Sectors(1),
                ][usize::from(byte % 4)],
                byte if byte % 2 == 0 => Overhead::MoreThanFile,
                _ => Overhead::Sectors(u64::MAX),
            },
            tail: match (knob(knobs::TAIL), u64::from(knob(knobs::TAIL_LENGTH))) {
                (0xf8.., _) => Tail::Cut,
                (byte, length) => match byte % 4 {
                    0 => Tail::Sector,
                    1 => Tail::Nothing,
                    2 => Tail::Bytes(length),
                    _ => Tail::Bytes(length * 512),
                },
            },
            longest_directory: if knob(knobs::LONGEST_DIRECTORY) < 0xf0 {
                64 << 10
            } else {
                1 << 20
            },
            table_entries: match knob(knobs::TABLE_ENTRIES) {
                0..=0xf7 => 512,
                byte => WRONG_TABLE_ENTRIES[usize::from(byte % 8)],
            },
            capacity: match knob(knobs::CAPACITY) {
                0..=0xef => Capacity::Right,
                byte => {
                    Capacity::Sectors([0, (1 << 54) - 1, 1 << 54, u64::MAX][usize::from(byte % 4)])
                }
            },
            aliases: match knob(knobs::ALIASES) {
                0..=0xdf => 0,
                byte => u64::from(byte & 31) + 1,
            },
            footer_fault: (kind == Kind::StreamWithFooter && knob(knobs::FOOTER_FAULT) >= 0xf0)
                .then(|| FooterFault::choose(knob(knobs::FOOTER_FAULT))),
            nonsense_first: kind == Kind::StreamWithFooter && knob(knobs::NONSENSE_FIRST) & 1 != 0,
            footer_value: u64::from(recipe.bytes().u16(knobs::FOOTER_VALUE)) + 1,
        }
    }

    /// Whether the header's grain size is one that a scanner knows.
    #[must_use]
    pub fn grain_is_supported(&self) -> bool {
        self.grain_sectors.is_power_of_two() && self.grain_sectors <= 128
    }

    /// Whether an entry of 1 is a zeroed grain.
    #[must_use]
    pub fn has_zeroed_grains(&self) -> bool {
        self.flags & ZEROED_GRAINS != 0
    }

    /// The grain's size in bytes; of one that is not supported, the largest that is.
    #[must_use]
    pub fn grain(&self) -> u64 {
        512 * if self.grain_is_supported() {
            self.grain_sectors
        } else {
            128
        }
    }
}
