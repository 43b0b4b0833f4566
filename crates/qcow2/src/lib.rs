//! How much of a qcow2 image holds data.
//!
//! [`Qcow2State`] answers for the image's own layer: bytes of the virtual disk whose data this file
//! (or its external data file) holds. What a backing file holds, explicit zeroes, and what snapshots
//! hold beside the active table do not count.
//!
//! - [`header`]: the header's fields, and every bound that they must keep.
//! - [`entry`]: the meaning of one L2 entry.
//! - [`scan`]: the walk through the L1 and L2 tables.
//!
//! The layout is that of the specification, `docs/interop/qcow2.txt`. Where it leaves a choice, the
//! answer is that of `qemu-img map` 10.0, observed from outside:
//!
//! - Reserved bits of L1 and L2 entries are ignored: bits 0 to 8 and 56 to 62 of an L1 entry; bits 1
//!   to 8 and 56 to 61 of an L2 entry, with extended entries also bit 0. An offset with a bit between
//!   8 and the cluster's size is corrupt, whatever the rest of the entry, unless it is compressed.
//! - A cluster whose host offset lies past the end of the file holds data (it reads as zeroes).
//! - A table may end past the end of the file, inside the file's last cluster. What is missing reads as
//!   zeroes.
//! - A header's length need not be a multiple of 8.
//! - The zero flag in a version 2 image is corrupt. So is a compressed cluster with an external data
//!   file, and a cluster there whose host offset is not its guest offset.
//! - The bitmap of a compressed extended entry is ignored. Subclusters with data but no host cluster
//!   are corrupt.
//!
//! Stricter than qemu-img, because a scan must not guess: a table that is not wholly in the file's
//! clusters is corrupt (there it reads as zeroes), and so are tables that add up to more than the file
//! has ([`shared::TableBudget`]). Laxer, because it does not bear on the answer: header extensions,
//! refcounts, the snapshot table's content and keys are not looked at.
//!
//! `no_std`, no heap; work is linear in the file's size, for every image.
#![no_std]
#![cfg_attr(not(test), warn(clippy::cast_possible_truncation))]

pub mod entry;
pub mod extension;
pub mod header;
pub mod scan;

pub use header::QcowHeader;
pub use scan::Qcow2State;
