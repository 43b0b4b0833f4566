//! The geometry of a VHD image, decoded from its knobs.

use crate::choices::{choices, choose};
use crate::layout::geometry;
use crate::runs::Unit;

pub use crate::choices::Order;

/// The type of fixed disks.
pub const FIXED: u32 = 2;
/// The type of dynamic disks.
pub const DYNAMIC: u32 = 3;
/// The type of differencing disks, which are refused once their header and table are verified.
pub const DIFFERENCING: u32 = 4;
/// Version 1.0.
pub const VERSION: u32 = 0x0001_0000;

/// Types that a scanner refuses; the first is that of differencing disks.
pub const WRONG_TYPES: [u32; 8] = [4, 4, 4, 0, 1, 5, 6, u32::MAX];

/// Block sizes that a scanner refuses.
pub const WRONG_BLOCKS: [u32; 8] = [0, 1, 256, 511, 513, 3 << 20, 3 << 30, u32::MAX];

/// Versions that a scanner refuses.
pub const WRONG_VERSIONS: [u32; 4] = [0, 0x0001_0001, 0x0002_0000, u32::MAX];

/// Who made the image; the first and the third mean the geometry.
pub const CREATORS: [&str; 8] = [
    "qemu", "qem2", "vpc ", "win ", "tap\0", "d2v ", "CTXS", "vbox",
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
    pub fn sectors(self) -> u64 {
        u64::from(self.0) * u64::from(self.1) * u64::from(self.2)
    }

    /// The geometry of a disk of so many sectors, rounded down: appendix "CHS Calculation" of the
    /// specification, but for one size as QEMU's `block/vpc.c` has it.
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

choices! {
    /// The current size in the footer, where the creator means the geometry.
    pub enum CurrentSize {
        Geometry: "The geometry's.",
        Recipe: "The recipe's, which need not be in whole sectors.",
        Zero: "None.",
        Largest: "2^64 - 1 bytes.",
    }
}

choices! {
    /// Where the header and the table of a dynamic disk are.
    pub enum Placement {
        Front: "Header, table, blocks: qemu-img's.",
        TableBack: "Header, blocks, table.",
        Back: "Blocks, header, table.",
        HeaderBack: "Table, blocks, header.",
        Shifted: "Header, table, blocks; header and table begin with no sector.",
        TableEnd:
            "Header, blocks, table; the table begins with no sector and nothing is behind it but the \
            footer.",
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
    /// Its checksum is right and its fields are of another disk.
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
    /// Pairs that describe a dynamic disk.
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

    /// Pairs that describe nothing. For a fixed disk only the second one matters.
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
    /// What a block of a run is: to kind 0xfd mod 5 one of the first five; with 0xfe and 0xff, of which
    /// `extra` chooses the way, one of the others. An image with one of the last two on its disk is
    /// corrupt.
    pub enum Kind {
        InFile: "In the file.",
        Absent: "Not there.",
        Shared: "At the place of the block before.",
        BehindGap: "In the file, behind a gap of `extra` and one sectors.",
        OverFooter: "Over the footer at the end.",
        OverMetadata: "Over the footer's copy, the header or the table.",
        PastEnd: "Past the file's end.",
    }
}

impl Kind {
    pub(super) fn of(unit: &Unit) -> Self {
        Self::choose(match unit.kind {
            kind @ 0xfe.. => 5 + (kind & 1),
            kind => kind % 5,
        })
    }
}

choices! {
    /// What a fixed disk's data begins with.
    pub enum Beginning {
        Zeros: "Zeros.",
        Cookie: "The cookie of a footer.",
        Footer: "The footer of a fixed disk: of another image, in which the guest keeps it.",
    }
}

choices! {
    /// What contradicts the specification in the header of a dynamic disk.
    pub enum Fault {
        HeaderOverCopy: "The header lies over the footer's copy.",
        HeaderPastEnd: "The header is past the file's end.",
        Cookie: "The header has not its cookie.",
        TableOverCopy: "The table lies over the footer's copy. (One without entries lies over nothing.)",
        TableOverHeader: "The table lies over the header. (The same.)",
        TooFewEntries:
            "The table has one entry less than the disk has blocks. (Nothing is wrong with a disk of \
            none.)",
        TablePastEnd: "The table is not in the file.",
        Checksum: "The header's checksum is wrong.",
    }
}

geometry! {
    /// The geometry of a VHD image: every knob but the disk's size and its data.
    (bytes, byte)

    24, DISK_TYPE: "type: to 0xf7 mod 4: 1 fixed, else dynamic; from 0xf8 mod 8 what is not supported: [`WRONG_TYPES`]"
        => disk_type: u32 = match byte {
            0xf8.. => choose(&WRONG_TYPES, byte),
            _ if byte % 4 == 1 => FIXED,
            _ => DYNAMIC,
        };
    25, BLOCK_SIZE: "block: to 0xf7 mod 23: 2^(9 + (12 + byte) mod 23) bytes, 512 to 2 GiB; from 0xf8 mod 8 [`WRONG_BLOCKS`]"
        => block_size: u32 = match byte {
            0xf8.. => choose(&WRONG_BLOCKS, byte),
            _ => 512 << ((12 + u32::from(byte)) % 23),
        };
    26, CREATOR: "creator, mod 8: [`CREATORS`]"
        => creator: &'static str = choose(&CREATORS, byte);
    27, CHS: "geometry: to 0xef mod 4: of the size; bytes 28–31; the largest; the largest otherwise; from 0xf0 one of 65535 * 255 * 255 sectors"
        => chs: ChsChoice = match byte {
            0xf0.. => ChsChoice::Forced(Chs(65535, 255, 255)),
            _ => match byte % 4 {
                0 => ChsChoice::OfSize,
                1 => ChsChoice::Given(Chs(
                    bytes.u16(knobs::GIVEN_CHS),
                    bytes.u8(knobs::GIVEN_CHS + 2),
                    bytes.u8(knobs::GIVEN_CHS + 3),
                )),
                2 => ChsChoice::Forced(Chs(65535, 16, 255)),
                _ => ChsChoice::Forced(Chs(65535, 255, 16)),
            },
        };
    28..=31, GIVEN_CHS: "cylinders (2 bytes), heads, sectors a track";
    32, CURRENT_SIZE: "the current size where the creator means the geometry, mod 4: the same; the recipe's; 0; 2^64 - 1"
        => current_size: CurrentSize = CurrentSize::choose(byte);
    33, PLACEMENT: "where header and table are, mod 6: see [`Placement`]"
        => placement: Placement = Placement::choose(byte);
    34, FOOTERS: "footers: to 0xef mod 8 see [`Footers`], of a fixed disk the good ones; from 0xf0 mod 4 none is good"
        => footers: Footers = match byte {
            0xf0.. => choose(&Footers::WRONG, byte),
            _ if disk_type == FIXED => Footers::SOUND[0],
            _ => choose(&Footers::SOUND, byte),
        };
    35, ORDER: "blocks in the file, mod 4: ascending; descending; odd ones first; all at one place"
        => order: Order = Order::choose(byte);
    36, GAP: "sectors left free before each block"
        => gap: u64 = byte.into();
    37, SPARE: "entries of the table past the disk's end; the next byte chooses their value"
        => spare: (u64, u32) = (
            byte.into(),
            choose(&[u32::MAX, 0, u32::MAX - 1], bytes.u8(knobs::SPARE_VALUE)),
        );
    38, SPARE_VALUE: "what they are where no run names them, mod 3: all ones, 0, 2^32 - 2";
    39, MOST_BLOCKS: "to 0xef tables of up to 2048 entries, from 0xf0 up to 16384"
        => most_blocks: u64 = if byte < 0xf0 { 2048 } else { 16384 };
    40, FEATURES: "features: to 0xf7 the byte and the reserved bit; from 0xf8 without that bit, which is no reason to refuse"
        => features: u32 = u32::from(byte) & !2 | if byte < 0xf8 { 2 } else { 0 };
    41, VERSION: "version: to 0xf7 1.0; from 0xf8 mod 4 [`WRONG_VERSIONS`]"
        => version: u32 = version_of(byte);
    42, HEADER_VERSION: "the same of the dynamic disk header"
        => header_version: u32 = version_of(byte);
    43, BEGINNING: "what a fixed disk's data begins with, mod 3: zeros, a footer's cookie, a fixed disk's footer"
        => beginning: Beginning = Beginning::choose(byte);
    44, LONGER: "how many sectors a fixed disk's file is longer than needed, to 0xf7; from 0xf8 it is shorter by the low 3 bits and one"
        => longer: i64 = match byte {
            0xf8.. => -1 - i64::from(byte & 7),
            _ => byte.into(),
        };
    45, SHIFT: "by how many bytes header and table are shifted, where they are"
        => shift: u64 = byte.into();
    46, ORIGINAL_SIZE: "the original size: to 0x7f the same, else nonsense"
        => nonsense_original: bool = byte > 0x7f;
    47, SAVED_STATE: "saved state"
        => saved_state: u8 = byte;
    152, TOO_LARGE: "from 0xf8: the current size is too large: mod 3 0xff000001 sectors, 2^63 bytes, 2^64 - 1 bytes"
        => too_large: Option<u64> = (byte >= 0xf8)
            .then(|| choose(&[(LARGEST_DISK + 1) * 512, 1 << 63, u64::MAX], byte));
    153, FAULT: "from 0xf0 mod 8: [`Fault`]"
        => fault: Option<Fault> = (byte >= 0xf0).then(|| Fault::choose(byte));
    154..=169, UNIQUE_ID: "unique id"
        => unique_id: [u8; 16] = std::array::from_fn(|nth| bytes.u8(knobs::UNIQUE_ID + nth));
    170..=173, TIME_STAMP: "time stamp"
        => time_stamp: u32 = bytes.u32(knobs::TIME_STAMP).swap_bytes();
    174..=177, CREATOR_VERSION: "creator's version"
        => creator_version: u32 = bytes.u32(knobs::CREATOR_VERSION).swap_bytes();
    178..=181, CREATOR_HOST: "creator's host"
        => creator_host: u32 = bytes.u32(knobs::CREATOR_HOST).swap_bytes();
    182..=184, RESERVED: "the first of the reserved bytes"
        => reserved: u32 = bytes.u32(knobs::RESERVED).swap_bytes() & !0xff;
}

fn version_of(byte: u8) -> u32 {
    match byte {
        0xf8.. => choose(&WRONG_VERSIONS, byte),
        _ => VERSION,
    }
}

impl Geometry {
    /// Whether the header's block size is one that a scanner knows.
    pub fn block_is_supported(&self) -> bool {
        self.block_size.is_power_of_two() && self.block_size >= 512
    }

    /// The block size in bytes; of one that is not supported, 2 MiB.
    pub fn block(&self) -> u64 {
        if self.block_is_supported() {
            self.block_size.into()
        } else {
            2 << 20
        }
    }
}
