//! Recipes of vmdk images: one sparse extent, as qemu-img or VMware writes it, or laid out otherwise.
//!
//! A unit is a grain. Grains themselves are left as zeros, also where they count as compressed: neither
//! a scanner nor `qemu-img map` reads them. The bytes are in [`knobs`].
//!
//! # What a run's grains hold
//! The kind mod 8: 0 data; 1 the entry 1; 2 data at the place of the grain before; 3 data past the file's
//! end; 4 nothing; 5 data over the metadata; 6 the entry 2^32 - 1; 7 data behind a gap. `extra` is the
//! size of a compressed grain in eighths, and of the gap.
//!
//! Source: VMware's "Virtual Disk Format 5.0"; what qemu-img writes, from its files.

mod geometry;
pub mod knobs;
mod layout;

use crate::recipe::Recipe;
use crate::truth::Truth;
use crate::writer::ImageWriter;

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
pub(super) fn describe(recipe: &Recipe) -> String {
    let geometry = Geometry::decode(recipe);
    if let Descriptor::Alone(kind) = geometry.descriptor {
        return format!("a text descriptor of createType {kind:?}");
    }
    layout::describe(recipe, &geometry)
}
