//! Recipes of vmdk images: one sparse extent, as qemu-img or VMware writes it, or laid out otherwise.
//!
//! A unit is a grain. Grains themselves are left as zeros, also where they count as compressed: neither
//! a scanner nor `qemu-img map` reads them.
//!
//! # The geometry, from byte [`at::GEOMETRY`](super::at::GEOMETRY) on
//! "mod" says that the choices repeat; the first one is what qemu-img makes.
//!
//! | byte | meaning |
//! |---|---|
//! | 0 | mod 3: sparse; stream-optimised; stream-optimised with its header in a footer |
//! | 1 | grain: to 0xf7 mod 8: 128, 64, 32, 16, 8, 4, 2, 1 sectors; from 0xf8 mod 8 what is not supported: [`WRONG_GRAINS`] |
//! | 2 | version: to 0xef mod 4: as qemu-img writes it, 1, 2, 3; from 0xf0 mod 4 what is not supported: 0, 4, 2^31, 2^32 - 1 |
//! | 3 | bit 0 an entry of 1 is a zeroed grain; 1 no line-end flag; 2 compressed flag turned; 3 markers flag turned; 4 compression algorithm turned; 5 not shut down cleanly; 6 line-end bytes wrong |
//! | 4 | redundant directory, mod 4: there; not there; empty; there without its flag |
//! | 5 | descriptor: to 0xef mod 4 see [`Descriptor`]; from 0xf0 the file is a text descriptor, of kind [`CREATE_TYPES`] by the low 4 bits |
//! | 6 | where the tables are, mod 6: see [`Placement`] |
//! | 7 | bits 0–3 sectors left free before each table, bits 4–7 before each grain |
//! | 8 | grains in the file, mod 4: ascending; descending; odd ones first; all at one place |
//! | 9 | tables that are there, mod 3: all (when they are at most [`ALL_TABLES`]); those that name grains; these and the one after each |
//! | 10 | directory entries past the disk's end: bits 0–1 how many; bits 2–3 what they are: all ones, 1, a table of the disk, the file's end |
//! | 11 | the metadata's size in the header: to 0xf7 mod 4: right; 0; the whole file; 1; from 0xf8 mod 2 wrong: one sector more than the file, 2^64 - 1 |
//! | 12 | the file's end: to 0xf7 mod 4: whole sectors; nothing behind what is last; some bytes behind; some sectors behind; from 0xf8 the last table or directory, or the footer, lacks its last byte |
//! | 13 | how many bytes or sectors these are |
//! | 14 | to 0xef directories up to 64 KiB, from 0xf0 up to 1 MiB |
//!
//! # Rare knobs, from byte [`at::RARE`](super::at::RARE) on
//!
//! | byte | meaning |
//! |---|---|
//! | 0 | to 0xf7 the magic number; from 0xf8 mod 4: `COWD`, `KDMX`, zeros, `VMDK` |
//! | 1 | entries a table: to 0xf7 512; from 0xf8 mod 8 [`WRONG_TABLE_ENTRIES`] |
//! | 2 | capacity: to 0xef the disk's; from 0xf0 mod 4: 0, 2^54 - 1, 2^54, 2^64 - 1 sectors |
//! | 3 | from 0xe0: that the empty directory entries after the first table name it too, the low 5 bits and one |
//! | 4 | footer: to 0xef right; from 0xf0 mod 8 wrong: see [`FooterFault`] |
//! | 5 | bit 0: of a header that is in the footer, the first one holds nonsense |
//! | 6–7 | the footer marker's value, less 1 |
//! | 8–9 | turned in the compression algorithm |
//! | 10–13 | turned in the flags, but for bits 1 and 2 |
//!
//! # What a run's grains hold
//! The kind mod 8: 0 data; 1 the entry 1; 2 data at the place of the grain before; 3 data past the file's
//! end; 4 nothing; 5 data over the metadata; 6 the entry 2^32 - 1; 7 data behind a gap. `extra` is the
//! size of a compressed grain in eighths, and of the gap.
//!
//! Source: VMware's "Virtual Disk Format 5.0"; what qemu-img writes, from its files.

mod geometry;
mod layout;

use super::Recipe;
use super::truth::Truth;
use super::writer::ImageWriter;

pub use geometry::{
    ALL_TABLES, CREATE_TYPES, Capacity, Descriptor, FooterFault, Geometry, Kind, Order, Overhead,
    Placement, Redundant, Spare, Tables, Tail, WRONG_GRAINS, WRONG_TABLE_ENTRIES, WRONG_VERSIONS,
    ZEROED_GRAINS,
};

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
pub(super) fn in_words(recipe: &Recipe) -> String {
    let geometry = Geometry::decode(recipe);
    if let Descriptor::Alone(kind) = geometry.descriptor {
        return format!("a text descriptor of createType {kind:?}");
    }
    layout::in_words(recipe, &geometry)
}
