//! Recipes of vhd images: dynamic and fixed disks, as qemu-img or Microsoft's tools write them, or laid
//! out otherwise.
//!
//! A unit is a block. Blocks and their sector bitmaps are left as zeros: nobody who asks how much an
//! image holds reads them. The bytes are in [`knobs`].
//!
//! # What a run's blocks are
//! To kind 0xfd mod 5: 0 in the file; 1 not there; 2 at the place of the block before; 3 in the file,
//! behind a gap of `extra` and one sectors; 4 over the footer at the end. Kind 0xfe: over the footer's
//! copy, the header or the table, kind 0xff: past the file's end; which way, `extra` says. An image with
//! such a block on its disk is corrupt.
//!
//! Source: Microsoft's "Virtual Hard Disk Image Format Specification"; what qemu-img writes, from its
//! files.

pub mod knobs;
mod layout;

use crate::choices::choices;
use crate::recipe::Recipe;
use crate::truth::Truth;
use crate::writer::ImageWriter;

pub use crate::choices::Order;

/// Types that a scanner refuses; the first is that of differencing disks.
pub const WRONG_TYPES: [u32; 8] = [4, 4, 4, 0, 1, 5, 6, u32::MAX];

/// Block sizes that a scanner refuses.
pub const WRONG_BLOCKS: [u32; 8] = [0, 1, 256, 511, 513, 3 << 20, 3 << 30, u32::MAX];

/// Versions that a scanner refuses.
pub const WRONG_VERSIONS: [u32; 4] = [0, 0x0001_0001, 0x0002_0000, u32::MAX];

/// Who made the image; the first and the third mean the geometry.
pub const CREATORS: [[u8; 4]; 8] = [
    *b"qemu", *b"qem2", *b"vpc ", *b"win ", *b"tap\0", *b"d2v ", *b"CTXS", *b"vbox",
];

/// The largest geometry in sectors: a disk of it goes by its current size.
pub const LARGEST_GEOMETRY: u64 = 65535 * 16 * 255;

/// The largest disk in sectors.
pub const LARGEST_DISK: u64 = 0xff00_0000;

/// Cylinders, heads, sectors a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chs(pub u16, pub u8, pub u8);

impl Chs {
    /// How many sectors such a disk has.
    #[must_use]
    pub fn sectors(self) -> u64 {
        u64::from(self.0) * u64::from(self.1) * u64::from(self.2)
    }

    /// The geometry of a disk of so many sectors, rounded down: appendix "CHS Calculation" of the
    /// specification, but for one size as QEMU's `block/vpc.c` has it.
    #[must_use]
    pub fn of(sectors: u64) -> Self {
        let sectors = sectors.min(LARGEST_GEOMETRY);
        let (heads, track) = if sectors > 65535 * 16 * 63 {
            (16, 255)
        } else {
            let cylinder_heads = sectors / 17;
            let heads = cylinder_heads.div_ceil(1024).max(4);
            if cylinder_heads < heads * 1024 && heads <= 16 {
                (heads, 17)
            } else if sectors / 31 < 16 * 1024 {
                (16, 31)
            } else {
                (16, 63)
            }
        };
        Self((sectors / track / heads) as u16, heads as u8, track as u8)
    }
}

/// How the geometry in the footer is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChsChoice {
    /// That of the recipe's size.
    OfSize,
    /// This one, with fewer cylinders if that would be too large for the table.
    Given(Chs),
    /// This one, even if it is too large.
    Forced(Chs),
}

/// The current size in the footer, where the creator means the geometry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CurrentSize {
    /// The geometry's.
    Same,
    /// The recipe's, which need not be in whole sectors.
    Recipe,
    /// So many bytes.
    Bytes(u64),
}

choices! {
    /// Where the header and the table of a dynamic disk are.
    pub enum Placement {
        /// Header, table, blocks: qemu-img's.
        Front,
        /// Header, blocks, table.
        TableBack,
        /// Blocks, header, table.
        Back,
        /// Table, blocks, header.
        HeaderBack,
        /// Header, table, blocks; header and table begin with no sector.
        Shifted,
        /// Header, blocks, table; the table begins with no sector and nothing is behind it but the footer.
        TableEnd,
    }
}

/// One footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Footer {
    /// It is right.
    Good,
    /// Its checksum is wrong.
    Damaged,
    /// There are zeros instead.
    Zeros,
    /// It is not there: the file ends before it. Of a copy at the start: zeros.
    Absent,
    /// It has a right checksum and says something else.
    Other,
    /// It lacks its last byte.
    Short,
}

/// The footers of an image: the copy at its start and the one at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footers {
    /// The copy at the start; a fixed disk has none.
    pub copy: Footer,
    /// The one at the end.
    pub end: Footer,
}

impl Footers {
    /// Pairs of which a dynamic disk can be told.
    pub const SOUND: [Self; 8] = [
        Self::pair(Footer::Good, Footer::Good),
        Self::pair(Footer::Good, Footer::Damaged),
        Self::pair(Footer::Good, Footer::Zeros),
        Self::pair(Footer::Good, Footer::Absent),
        Self::pair(Footer::Damaged, Footer::Good),
        Self::pair(Footer::Zeros, Footer::Good),
        Self::pair(Footer::Good, Footer::Other),
        Self::pair(Footer::Good, Footer::Short),
    ];

    /// Pairs of which nothing can be told; of a fixed disk the second one matters.
    pub const WRONG: [Self; 4] = [
        Self::pair(Footer::Damaged, Footer::Damaged),
        Self::pair(Footer::Zeros, Footer::Zeros),
        Self::pair(Footer::Damaged, Footer::Absent),
        Self::pair(Footer::Zeros, Footer::Short),
    ];

    const fn pair(copy: Footer, end: Footer) -> Self {
        Self { copy, end }
    }
}

choices! {
    /// What a fixed disk's data begins with.
    pub enum Beginning {
        /// Zeros.
        Zeros,
        /// The cookie of a footer.
        Cookie,
        /// The footer of a fixed disk: of another image, in which the guest keeps it.
        Footer,
    }
}

choices! {
    /// What contradicts the specification in the header of a dynamic disk.
    pub enum Fault {
        /// The header lies over the footer's copy.
        HeaderOverCopy,
        /// The header is past the file's end.
        HeaderPastEnd,
        /// The header has not its cookie.
        Cookie,
        /// The table lies over the footer's copy. (One without entries lies over nothing.)
        TableOverCopy,
        /// The table lies over the header. (The same.)
        TableOverHeader,
        /// The table has one entry less than the disk has blocks. (Nothing is wrong with a disk of none.)
        TooFewEntries,
        /// The table is not in the file.
        TablePastEnd,
        /// The header's checksum is wrong.
        Checksum,
    }
}

/// The geometry of a vhd image: every knob but the disk's size and its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// The disk type.
    pub disk_type: u32,
    /// The block size in bytes, as the header says.
    pub block_size: u32,
    /// Who made the image.
    pub creator: [u8; 4],
    /// How the geometry is chosen.
    pub chs: ChsChoice,
    /// The current size where the geometry is meant.
    pub current_size: CurrentSize,
    /// A current size that is too large.
    pub too_large: Option<u64>,
    /// Where header and table are.
    pub placement: Placement,
    /// The footers.
    pub footers: Footers,
    /// In which order blocks lie.
    pub order: Order,
    /// How many sectors are left free before each block.
    pub gap: u64,
    /// How many entries the table has past the disk's end, and what they are.
    pub spare: (u64, u32),
    /// The most entries that the disk has blocks for.
    pub most_blocks: u64,
    /// The features.
    pub features: u32,
    /// The footers' version.
    pub version: u32,
    /// The header's version.
    pub header_version: u32,
    /// What a fixed disk's data begins with.
    pub beginning: Beginning,
    /// How many sectors a fixed disk's file is longer than needed; less than 0 when it is shorter.
    pub longer: i64,
    /// How many bytes header and table are shifted by.
    pub shift: u64,
    /// Whether the original size is nonsense.
    pub nonsense_original: bool,
    /// Saved state.
    pub saved_state: u8,
    /// What contradicts the specification.
    pub fault: Option<Fault>,
    /// Bytes 68–83: the unique id.
    pub unique_id: [u8; 16],
    /// Time stamp, creator's version, creator's host, the first reserved bytes; each as in the file.
    pub rest: [[u8; 4]; 4],
}

/// The type of fixed disks.
pub const FIXED: u32 = 2;
/// The type of dynamic disks.
pub const DYNAMIC: u32 = 3;
/// Version 1.0.
pub const VERSION: u32 = 0x0001_0000;

impl Geometry {
    fn decode(recipe: &Recipe) -> Self {
        let knob = |at| recipe.bytes().u8(at);
        let four = |at| recipe.bytes().u32(at).to_le_bytes();
        let version = |byte: u8| match byte {
            0..=0xf7 => VERSION,
            byte => WRONG_VERSIONS[usize::from(byte % 4)],
        };
        let disk_type = match knob(knobs::DISK_TYPE) {
            byte @ 0..=0xf7 if byte % 4 == 1 => FIXED,
            0..=0xf7 => DYNAMIC,
            byte => WRONG_TYPES[usize::from(byte % 8)],
        };
        Self {
            disk_type,
            block_size: match knob(knobs::BLOCK_SIZE) {
                byte @ 0..=0xf7 => 512 << ((12 + u32::from(byte)) % 23),
                byte => WRONG_BLOCKS[usize::from(byte % 8)],
            },
            creator: CREATORS[usize::from(knob(knobs::CREATOR) % 8)],
            chs: match knob(knobs::CHS) {
                0xf0.. => ChsChoice::Forced(Chs(65535, 255, 255)),
                byte => match byte % 4 {
                    0 => ChsChoice::OfSize,
                    1 => ChsChoice::Given(Chs(
                        recipe.bytes().u16(knobs::GIVEN_CHS),
                        knob(knobs::GIVEN_CHS + 2),
                        knob(knobs::GIVEN_CHS + 3),
                    )),
                    2 => ChsChoice::Forced(Chs(65535, 16, 255)),
                    _ => ChsChoice::Forced(Chs(65535, 255, 16)),
                },
            },
            current_size: [
                CurrentSize::Same,
                CurrentSize::Recipe,
                CurrentSize::Bytes(0),
                CurrentSize::Bytes(u64::MAX),
            ][usize::from(knob(knobs::CURRENT_SIZE) % 4)],
            too_large: (knob(knobs::TOO_LARGE) >= 0xf8).then(|| {
                [(LARGEST_DISK + 1) * 512, 1 << 63, u64::MAX]
                    [usize::from(knob(knobs::TOO_LARGE) % 3)]
            }),
            placement: Placement::choose(knob(knobs::PLACEMENT)),
            footers: match knob(knobs::FOOTERS) {
                0xf0.. => Footers::WRONG[usize::from(knob(knobs::FOOTERS) % 4)],
                _ if disk_type == FIXED => Footers::SOUND[0],
                byte => Footers::SOUND[usize::from(byte % 8)],
            },
            order: Order::choose(knob(knobs::ORDER)),
            gap: knob(knobs::GAP).into(),
            spare: (
                knob(knobs::SPARE).into(),
                [u32::MAX, 0, u32::MAX - 1][usize::from(knob(knobs::SPARE_VALUE) % 3)],
            ),
            most_blocks: if knob(knobs::MOST_BLOCKS) < 0xf0 {
                2048
            } else {
                16384
            },
            features: match knob(knobs::FEATURES) {
                byte @ 0..=0xf7 => u32::from(byte) | 2,
                byte => u32::from(byte) & !2,
            },
            version: version(knob(knobs::VERSION)),
            header_version: version(knob(knobs::HEADER_VERSION)),
            beginning: Beginning::choose(knob(knobs::BEGINNING)),
            longer: match knob(knobs::LONGER) {
                byte @ 0..=0xf7 => byte.into(),
                byte => -1 - i64::from(byte & 7),
            },
            shift: knob(knobs::SHIFT).into(),
            nonsense_original: knob(knobs::ORIGINAL_SIZE) > 0x7f,
            saved_state: knob(knobs::SAVED_STATE),
            fault: (knob(knobs::FAULT) >= 0xf0).then(|| Fault::choose(knob(knobs::FAULT))),
            unique_id: std::array::from_fn(|nth| knob(knobs::UNIQUE_ID + nth)),
            rest: [
                four(knobs::TIME_STAMP),
                four(knobs::CREATOR_VERSION),
                four(knobs::CREATOR_HOST),
                four(knobs::RESERVED),
            ],
        }
    }

    /// Whether the header's block size is one that a scanner knows.
    #[must_use]
    pub fn block_is_supported(&self) -> bool {
        self.block_size.is_power_of_two() && self.block_size >= 512
    }

    /// The block size in bytes; of one that is not supported, 2 MiB.
    #[must_use]
    pub fn block(&self) -> u64 {
        if self.block_is_supported() {
            self.block_size.into()
        } else {
            2 << 20
        }
    }
}

/// The geometry that a recipe names.
#[must_use]
pub fn geometry(recipe: &Recipe) -> Geometry {
    Geometry::decode(recipe)
}

/// Writes the image, and tells what is true of it.
pub(super) fn build(recipe: &Recipe, writer: &mut ImageWriter) -> Truth {
    layout::build(recipe, &Geometry::decode(recipe), writer)
}

/// The geometry and the data, in words.
pub(super) fn describe(recipe: &Recipe) -> String {
    layout::describe(recipe, &Geometry::decode(recipe))
}
