//! The one thing of an image that is not as it should be, for which a scanner must refuse it.
//!
//! (Blocks in states that they must not have are beside it, and so are more regions than can be kept
//! apart: these are knobs of their own.)

use types::ScanErrorKind;

/// What is not as it should be. Numbers are the recipe's argument: each oddity takes from it what it
/// needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Oddity {
    /// Nothing.
    None,
    /// The file does not begin with its signature: one bit is turned.
    FileSignature(u32),
    /// Neither header is valid.
    BothHeadersDamaged,
    /// Two different headers have the same number.
    EqualHeadersDiffer,
    /// There is a log to be replayed.
    DirtyLog,
    /// The file is of another version.
    Version(u32),
    /// The log does not lie in whole MiB, or lies at the file's start.
    LogMisplaced(u32),
    /// The log lies over a region.
    LogOverRegion(u32),
    /// Neither region table is valid.
    BothTablesDamaged,
    /// A region table with more entries than it can have.
    TooManyRegions(u32),
    /// A region that has to be known, and is not.
    RequiredRegion,
    /// There is no BAT.
    NoBat,
    /// There are no metadata.
    NoMetadata,
    /// There are two BATs.
    TwoBats,
    /// There are two metadata regions.
    TwoMetadata,
    /// A region does not lie in whole MiB.
    RegionMisaligned(u32),
    /// A region lies over the headers.
    RegionOverHeaders(u32),
    /// The BAT and the metadata lie in one place.
    RegionsOverlap,
    /// A region reaches past the file's end.
    RegionOutside(u32),
    /// The BAT has fewer entries than the disk.
    BatShort,
    /// The metadata region has no room for its table.
    MetadataEmpty,
    /// The metadata table does not begin with its signature: one bit is turned.
    MetadataSignature(u32),
    /// A metadata table with more entries than it can have.
    TooManyItems(u32),
    /// A metadata item that has to be known, and is not.
    RequiredItem,
    /// There is a parent locator.
    ParentLocator,
    /// The file parameters say that there is a parent.
    HasParent,
    /// A metadata item is not there.
    ItemMissing(u32),
    /// A metadata item is there twice.
    ItemTwice(u32),
    /// A metadata item has a wrong length.
    ItemLength(u32),
    /// A metadata item lies outside of its place.
    ItemOutside(u32),
    /// The block size is none.
    BlockSize(u32),
    /// The logical sector size is none.
    LogicalSector(u32),
    /// The disk is larger than it may be.
    DiskTooLarge(u32),
    /// The disk is no whole number of sectors.
    DiskOfPartSectors(u32),
    /// A block lies over the headers, the log, the BAT or the metadata.
    BlockOver(u32),
    /// A block reaches past the file's end.
    BlockOutside(u32),
    /// The file ends before what lies last in it does.
    FileShort(u32),
    /// Nothing after all: the disk is the largest one there may be, of blocks of 256 MiB.
    LargestDisk,
}

impl Oddity {
    /// How many there are, [`Oddity::None`] not counted.
    pub const COUNT: u8 = 37;

    /// From 0x80 on the selector names one, modulo their number.
    pub(super) fn decode(selector: u8, argument: u32) -> Self {
        let Some(nth) = selector.checked_sub(0x80) else {
            return Self::None;
        };
        match nth % Self::COUNT {
            0 => Self::FileSignature(argument),
            1 => Self::BothHeadersDamaged,
            2 => Self::EqualHeadersDiffer,
            3 => Self::DirtyLog,
            4 => Self::Version(argument),
            5 => Self::LogMisplaced(argument),
            6 => Self::LogOverRegion(argument),
            7 => Self::BothTablesDamaged,
            8 => Self::TooManyRegions(argument),
            9 => Self::RequiredRegion,
            10 => Self::NoBat,
            11 => Self::NoMetadata,
            12 => Self::TwoBats,
            13 => Self::TwoMetadata,
            14 => Self::RegionMisaligned(argument),
            15 => Self::RegionOverHeaders(argument),
            16 => Self::RegionsOverlap,
            17 => Self::RegionOutside(argument),
            18 => Self::BatShort,
            19 => Self::MetadataEmpty,
            20 => Self::MetadataSignature(argument),
            21 => Self::TooManyItems(argument),
            22 => Self::RequiredItem,
            23 => Self::ParentLocator,
            24 => Self::HasParent,
            25 => Self::ItemMissing(argument),
            26 => Self::ItemTwice(argument),
            27 => Self::ItemLength(argument),
            28 => Self::ItemOutside(argument),
            29 => Self::BlockSize(argument),
            30 => Self::LogicalSector(argument),
            31 => Self::DiskTooLarge(argument),
            32 => Self::DiskOfPartSectors(argument),
            33 => Self::BlockOver(argument),
            34 => Self::BlockOutside(argument),
            35 => Self::FileShort(argument),
            _ => Self::LargestDisk,
        }
    }

    /// For what a scanner must refuse the image, if there is a block, or an entry, that is odd: these
    /// conditions are the layout's to know.
    pub(super) const fn kind(self) -> Option<ScanErrorKind> {
        match self {
            Self::None | Self::LargestDisk => None,
            Self::FileSignature(_) => Some(ScanErrorKind::NotThisFormat),
            Self::DirtyLog
            | Self::Version(_)
            | Self::RequiredRegion
            | Self::RequiredItem
            | Self::ParentLocator
            | Self::HasParent => Some(ScanErrorKind::Unsupported),
            _ => Some(ScanErrorKind::Corrupt),
        }
    }
}

/// One of `from`, by the low bits of an argument, and the argument's rest.
pub(super) fn split(argument: u32, from: u32) -> (usize, u32) {
    ((argument % from) as usize, argument / from)
}
