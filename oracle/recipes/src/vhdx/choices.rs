//! What a vhdx image's knobs choose from; what zero chooses comes first.

use crate::choices::choices;

choices! {
    /// Whether the disk ends about `n` blocks, a multiple of the chunk ratio; a sector is a logical one.
    pub enum Boundary {
        /// No: it is as large as the recipe's size says.
        No,
        /// At `n` - 1 blocks.
        BlockBefore,
        /// At `n` blocks.
        At,
        /// At `n` + 1 blocks.
        BlockAfter,
        /// A sector after `n` blocks.
        SectorAfter,
        /// A sector before `n` blocks.
        SectorBefore,
        /// A sector before `n` + 1 blocks.
        SectorBeforeBlockAfter,
    }
}

choices! {
    /// Which of the two headers counts.
    pub enum Headers {
        /// The second: its number is higher.
        SecondNewer,
        /// The first: its number is higher.
        FirstNewer,
        /// They are the same.
        Equal,
        /// The second: the first is damaged, whose number is higher.
        FirstDamaged,
        /// The first: the second is damaged, whose number is higher.
        SecondDamaged,
    }
}

/// What is wrong with the header that does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stale {
    /// Nothing.
    Nothing,
    /// It has a log that would have to be replayed.
    DirtyLog,
    /// It is of version 2.
    Version,
    /// Its log lies at no multiple of 1 MiB.
    LogMisaligned,
    /// Its log lies over the metadata.
    LogOverMetadata,
}

choices! {
    /// How far apart the headers' numbers are.
    pub enum Distance {
        /// One.
        One,
        /// About 2^32, and the low half of the higher one is the lower.
        LowHalfTurned,
        /// 2^63.
        TopBit,
        /// One, at the end of all numbers.
        AtTheEnd,
    }
}

choices! {
    /// Which of the two region tables counts.
    pub enum Tables {
        /// The first, and the second is the same.
        Same,
        /// The second: the first is damaged, and says other things.
        FirstDamaged,
        /// The first: the second is damaged.
        SecondDamaged,
        /// The first: the second is right in itself and says other things.
        SecondOther,
    }
}

/// What the sector bitmap entries hold, which no reader of a disk without a parent looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bitmaps {
    /// Zero: not present.
    NotPresent,
    /// State 6 at place 0.
    Present,
    /// All ones.
    Ones,
    /// State 7, which payload blocks must not have.
    Partial,
    /// Anything.
    Garbage,
}

impl Bitmaps {
    pub(super) const fn entry(self, garbage: u64) -> u64 {
        match self {
            Self::NotPresent => 0,
            Self::Present => 6,
            Self::Ones => u64::MAX,
            Self::Partial => garbage << 20 | 7,
            Self::Garbage => garbage,
        }
    }
}

/// Where unknown ones stand among the known ones in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stand {
    /// Behind all.
    Last,
    /// Before all.
    First,
    /// Behind the first region, or the second item.
    Between,
}

impl Stand {
    /// Behind how many of `known` ones that is, when `between` means behind so many.
    pub(super) const fn behind(self, between: usize, known: usize) -> usize {
        match self {
            Self::Last => known,
            Self::First => 0,
            Self::Between => between,
        }
    }
}

choices! {
    /// Where the metadata items lie in their region.
    pub enum Items {
        /// One behind the other, right behind the table.
        Packed,
        /// Each over a sector's border.
        OverBorders,
        /// One behind the other up to the region's end.
        AtTheEnd,
        /// Anywhere.
        Scattered,
    }
}

choices! {
    /// In what order the blocks lie in the file.
    pub enum Order {
        /// As on the disk.
        Rising,
        /// The last one first.
        Falling,
        /// Every other one, then the rest.
        Interleaved,
        /// As on the disk, beginning in the middle.
        Rotated,
    }
}

choices! {
    /// How the file ends.
    pub enum FileEnd {
        /// With what lies last.
        Plain,
        /// With the disk's last block when that is present, of which only the disk's part is there.
        LastBlockCut,
        /// With the disk's last block when that is present, whole.
        LastBlockWhole,
        /// With some bytes that belong to nothing, in the middle of a sector.
        Trailing,
    }
}

choices! {
    /// Who the file says made it.
    pub enum Creator {
        /// A QEMU.
        Qemu,
        /// A Windows.
        Windows,
        /// Nobody.
        Nobody,
        /// 512 bytes that are no text.
        Garbage,
    }
}

/// Reserved bytes that are not zero: a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserved(pub u8);

impl Reserved {
    /// The last byte of each header.
    pub const HEADERS_END: u8 = 1;
    /// The last byte of each region table.
    pub const TABLES_END: u8 = 2;
    /// The reserved bits of each region's flags.
    pub const REGION_FLAGS: u8 = 4;
    /// The reserved field of the region table's head.
    pub const TABLES_HEAD: u8 = 8;
    /// The reserved fields of the metadata table's head and entries.
    pub const METADATA: u8 = 16;
    /// The flags of known metadata items are all ones.
    pub const ITEM_FLAGS: u8 = 32;
    /// Known regions are said to be required, as QEMU does not, and known metadata items are not.
    pub const REQUIRED_TURNED: u8 = 64;
    /// Write GUIDs that are not those of the other header.
    pub const WRITE_GUIDS: u8 = 128;

    /// Whether one is set.
    #[must_use]
    pub const fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
}
