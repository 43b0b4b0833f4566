//! How much of a VMDK image holds data.
//!
//! [`VmdkState`] answers for one sparse extent that is an image of its own (`monolithicSparse`,
//! `streamOptimized`): bytes of the virtual disk whose grains this file holds. What a parent holds and
//! zeroed grains do not count; a compressed grain counts whole.
//!
//! - [`header`]: the sparse extent's header, the footer, and every bound that they must keep.
//! - [`descriptor`]: the text descriptor: the files that hold a disk, and its parent. The scanner only names its kind.
//! - [`scan`]: the walk through the grain directory and the grain tables.
//!
//! The layout is that of VMware's "Virtual Disk Format 5.0". Where it leaves a choice, the answer is
//! that of `qemu-img map` 10.0, observed from outside:
//!
//! - The primary grain directory is read, not the redundant one, for every value of the flags.
//! - A directory entry of 0 is no table; every other one, 1 included, is a table's sector.
//! - A grain table entry of 1 is a zeroed grain with flag bit 2 and data without it, in every version.
//!   Every other entry but 0 is data, also when the grain lies past the end of the file.
//! - With a directory offset of all ones the footer is *the* header: nothing but the magic number, that
//!   offset and the capacity (not 0) of the one at the file's start matters.
//! - A capacity of 0 with an embedded descriptor means that the descriptor lists the extents:
//!   unsupported, named.
//! - Of the flags only bit 2 matters; the compression algorithm, the line-end bytes and the unclean
//!   mark do not.
//!
//! Stricter than qemu-img, because a scan must not guess: a directory or table that is not wholly in
//! the file is corrupt (there it reads as zeroes), and so are tables that add up to more than the file
//! has ([`shared::TableBudget`]); the footer's header lies exactly 1024 bytes before the end of the file
//! (there the end is first rounded up to whole sectors); a directory offset past 2^64 bytes is corrupt
//! (there it wraps around); versions are 1 to 3 (there also 0), grains
//! powers of two of 1 to 128 sectors and tables of 512 entries, everything else is unsupported. Laxer:
//! the embedded descriptor and the redundant directory, which qemu-img insists on, are not read.
//!
//! `no_std`, no heap; work is linear in the file's size, for every image.
#![no_std]
#![cfg_attr(not(test), warn(clippy::cast_possible_truncation))]

pub mod descriptor;
pub mod header;
pub mod scan;

pub use header::VmdkHeader;
pub use scan::VmdkState;
