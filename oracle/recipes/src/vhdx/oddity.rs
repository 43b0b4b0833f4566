//! The one thing of an image that is not as it should be, for which a scanner must refuse it.
//!
//! (Blocks in states that they must not have are beside it, and so are more regions than can be kept
//! apart: these are knobs of their own.)

use types::ScanErrorKind::{self, Corrupt, NotThisFormat, Unsupported};

/// Declares the oddities, and for what a scanner must refuse each.
macro_rules! oddities {
    ($($kind:expr, $name:ident $(($number:ty))?: $doc:literal;)+) => {
        /// What is not as it should be. Numbers are the recipe's argument: each oddity takes from it what it
        /// needs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Oddity {
            /// Nothing.
            None,
            $(#[doc = $doc] $name $(($number))?,)+
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
    Some(NotThisFormat), FileSignature(u32): "The file does not begin with its signature: one bit is turned.";
    Some(Corrupt), BothHeadersDamaged: "Neither header is valid.";
    Some(Corrupt), EqualHeadersDiffer: "Two different headers have the same number.";
    Some(Unsupported), DirtyLog: "There is a log to be replayed.";
    Some(Unsupported), Version(u32): "The file is of another version.";
    Some(Corrupt), LogMisplaced(u32): "The log does not lie in whole MiB, or lies at the file's start.";
    Some(Corrupt), LogOverRegion(u32): "The log lies over a region.";
    Some(Corrupt), BothTablesDamaged: "Neither region table is valid.";
    Some(Corrupt), TooManyRegions(u32): "A region table with more entries than it can have.";
    Some(Unsupported), RequiredRegion: "A region that has to be known, and is not.";
    Some(Corrupt), NoBat: "There is no BAT.";
    Some(Corrupt), NoMetadata: "There are no metadata.";
    Some(Corrupt), TwoBats: "There are two BATs.";
    Some(Corrupt), TwoMetadata: "There are two metadata regions.";
    Some(Corrupt), RegionMisaligned(u32): "A region does not lie in whole MiB.";
    Some(Corrupt), RegionOverHeaders(u32): "A region lies over the headers.";
    Some(Corrupt), RegionsOverlap: "The BAT and the metadata lie in one place.";
    Some(Corrupt), RegionOutside(u32): "A region reaches past the file's end.";
    Some(Corrupt), BatShort: "The BAT has fewer entries than the disk.";
    Some(Corrupt), MetadataEmpty: "The metadata region has no room for its table.";
    Some(Corrupt), MetadataSignature(u32): "The metadata table does not begin with its signature: one bit is turned.";
    Some(Corrupt), TooManyItems(u32): "A metadata table with more entries than it can have.";
    Some(Unsupported), RequiredItem: "A metadata item that has to be known, and is not.";
    Some(Unsupported), ParentLocator: "There is a parent locator.";
    Some(Unsupported), HasParent: "The file parameters name a parent.";
    Some(Corrupt), ItemMissing(u32): "A metadata item is not there.";
    Some(Corrupt), ItemTwice(u32): "A metadata item is there twice.";
    Some(Corrupt), ItemLength(u32): "A metadata item has a wrong length.";
    Some(Corrupt), ItemOutside(u32): "A metadata item lies outside of its place.";
    Some(Corrupt), BlockSize(u32): "The block size is none.";
    Some(Corrupt), LogicalSector(u32): "The logical sector size is none.";
    Some(Corrupt), DiskTooLarge(u32): "The disk is larger than it may be. From 0xf0000000 on by about 2^32 blocks: see `metadata`.";
    Some(Corrupt), DiskOfPartSectors(u32): "The disk is no whole number of sectors.";
    Some(Corrupt), BlockOver(u32): "A block lies over the headers, the log, the BAT or the metadata.";
    Some(Corrupt), BlockOutside(u32): "A block reaches past the file's end.";
    Some(Corrupt), FileShort(u32): "The file ends before what lies last in it does.";
    None, LargestDisk: "Nothing after all: the disk is the largest one there may be, of blocks of 256 MiB.";
}

/// One of `from`, by the low bits of an argument, and the argument's rest.
pub(super) fn split(argument: u32, from: u32) -> (usize, u32) {
    ((argument % from) as usize, argument / from)
}
