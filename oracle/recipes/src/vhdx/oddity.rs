//! The one thing of an image that is not as it should be, for which a scanner must refuse it.
//!
//! (Blocks in states that they must not have are beside it, and so are more regions than can be kept
//! apart: these are knobs of their own.)

use types::ScanErrorKind::{self, Corrupt, NotThisFormat, Unsupported};

/// Declares the oddities, and for what a scanner must refuse each.
macro_rules! oddities {
    ($($(#[$doc:meta])* $name:ident $(($number:ty))? => $kind:expr;)+) => {
        /// What is not as it should be. Numbers are the recipe's argument: each oddity takes from it what it
        /// needs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Oddity {
            /// Nothing.
            None,
            $($(#[$doc])* $name $(($number))?,)+
        }

        impl Oddity {
            /// How many there are, [`Oddity::None`] not counted.
            pub const COUNT: u8 = [$(stringify!($name)),+].len() as u8;

            /// From 0x80 on the selector names one, modulo their number.
            pub(super) fn decode(selector: u8, argument: u32) -> Self {
                let all = [$(Self::$name $((argument as $number))?),+];
                match selector.checked_sub(0x80) {
                    None => Self::None,
                    Some(nth) => crate::choices::choose(&all, nth),
                }
            }

            /// For what a scanner must refuse the image, if there is a block, or an entry, that is odd:
            /// these conditions are the layout's to know.
            pub(super) const fn kind(self) -> Option<ScanErrorKind> {
                match self {
                    Self::None => None,
                    $(Self::$name { .. } => $kind,)+
                }
            }
        }
    };
}

oddities! {
    /// The file does not begin with its signature: one bit is turned.
    FileSignature(u32) => Some(NotThisFormat);
    /// Neither header is valid.
    BothHeadersDamaged => Some(Corrupt);
    /// Two different headers have the same number.
    EqualHeadersDiffer => Some(Corrupt);
    /// There is a log to be replayed.
    DirtyLog => Some(Unsupported);
    /// The file is of another version.
    Version(u32) => Some(Unsupported);
    /// The log does not lie in whole MiB, or lies at the file's start.
    LogMisplaced(u32) => Some(Corrupt);
    /// The log lies over a region.
    LogOverRegion(u32) => Some(Corrupt);
    /// Neither region table is valid.
    BothTablesDamaged => Some(Corrupt);
    /// A region table with more entries than it can have.
    TooManyRegions(u32) => Some(Corrupt);
    /// A region that has to be known, and is not.
    RequiredRegion => Some(Unsupported);
    /// There is no BAT.
    NoBat => Some(Corrupt);
    /// There are no metadata.
    NoMetadata => Some(Corrupt);
    /// There are two BATs.
    TwoBats => Some(Corrupt);
    /// There are two metadata regions.
    TwoMetadata => Some(Corrupt);
    /// A region does not lie in whole MiB.
    RegionMisaligned(u32) => Some(Corrupt);
    /// A region lies over the headers.
    RegionOverHeaders(u32) => Some(Corrupt);
    /// The BAT and the metadata lie in one place.
    RegionsOverlap => Some(Corrupt);
    /// A region reaches past the file's end.
    RegionOutside(u32) => Some(Corrupt);
    /// The BAT has fewer entries than the disk.
    BatShort => Some(Corrupt);
    /// The metadata region has no room for its table.
    MetadataEmpty => Some(Corrupt);
    /// The metadata table does not begin with its signature: one bit is turned.
    MetadataSignature(u32) => Some(Corrupt);
    /// A metadata table with more entries than it can have.
    TooManyItems(u32) => Some(Corrupt);
    /// A metadata item that has to be known, and is not.
    RequiredItem => Some(Unsupported);
    /// There is a parent locator.
    ParentLocator => Some(Unsupported);
    /// The file parameters name a parent.
    HasParent => Some(Unsupported);
    /// A metadata item is not there.
    ItemMissing(u32) => Some(Corrupt);
    /// A metadata item is there twice.
    ItemTwice(u32) => Some(Corrupt);
    /// A metadata item has a wrong length.
    ItemLength(u32) => Some(Corrupt);
    /// A metadata item lies outside of its place.
    ItemOutside(u32) => Some(Corrupt);
    /// The block size is none.
    BlockSize(u32) => Some(Corrupt);
    /// The logical sector size is none.
    LogicalSector(u32) => Some(Corrupt);
    /// The disk is larger than it may be.
    DiskTooLarge(u32) => Some(Corrupt);
    /// The disk is no whole number of sectors.
    DiskOfPartSectors(u32) => Some(Corrupt);
    /// A block lies over the headers, the log, the BAT or the metadata.
    BlockOver(u32) => Some(Corrupt);
    /// A block reaches past the file's end.
    BlockOutside(u32) => Some(Corrupt);
    /// The file ends before what lies last in it does.
    FileShort(u32) => Some(Corrupt);
    /// Nothing after all: the disk is the largest one there may be, of blocks of 256 MiB.
    LargestDisk => None;
}

/// One of `from`, by the low bits of an argument, and the argument's rest.
pub(super) fn split(argument: u32, from: u32) -> (usize, u32) {
    ((argument % from) as usize, argument / from)
}
