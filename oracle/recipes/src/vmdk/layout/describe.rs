//! A vmdk recipe in words.

use crate::recipe::Recipe;

use super::super::{Capacity, Geometry, Kind, Overhead, Tail};
use super::ENTRIES;
use super::disk::Disk;

/// The geometry and the data, in words.
pub(in crate::vmdk) fn describe(recipe: &Recipe, geometry: &Geometry) -> String {
    let disk = Disk::new(recipe, geometry);
    let on_disk = || disk.units.iter().filter(|unit| unit.index < disk.grains);
    let of_kind = |kinds: &[u8]| {
        on_disk()
            .filter(|unit| kinds.contains(&(unit.kind % 8)))
            .count()
    };
    let mut words = format!(
        "{} of {} bytes in {} grains of {} sectors, version {}, flags {:#x}; tables {:?} ({:?}), grains \
         {:?}, redundant directory {:?}, descriptor {:?}; {} grains with data, {} of entry 1",
        match geometry.kind {
            Kind::Sparse => "a sparse extent",
            Kind::Stream => "a stream-optimised extent",
            Kind::StreamWithFooter => "a stream-optimised extent with a footer",
        },
        disk.size,
        disk.grains,
        geometry.grain_sectors,
        geometry.version,
        geometry.flags,
        geometry.placement,
        geometry.tables,
        geometry.order,
        geometry.redundant,
        geometry.descriptor,
        of_kind(&[0, 2, 3, 5, 6, 7]),
        of_kind(&[1]),
    );
    let mut oddity = |is: bool, what: String| {
        if is {
            words += "; ";
            words += &what;
        }
    };
    oddity(
        geometry.magic != *b"KDMV",
        format!("the magic number is {:?}", geometry.magic),
    );
    oddity(
        geometry.table_entries != ENTRIES as u32,
        format!("tables of {} entries", geometry.table_entries),
    );
    oddity(
        geometry.capacity != Capacity::Right,
        format!("the capacity says {:?}", geometry.capacity),
    );
    oddity(
        geometry.aliases != 0,
        format!("the first table is named {} times more", geometry.aliases),
    );
    oddity(
        geometry.spare.0 != 0,
        format!(
            "{} entries of the directory past the disk's end: {:?}",
            geometry.spare.0, geometry.spare.1
        ),
    );
    oddity(
        geometry.overhead != Overhead::Right,
        format!("the metadata's size says {:?}", geometry.overhead),
    );
    oddity(
        geometry.tail != Tail::Sector,
        format!("the file's end: {:?}", geometry.tail),
    );
    if let Some(fault) = geometry.footer_fault {
        oddity(true, format!("the footer is wrong: {fault:?}"));
    }
    oddity(
        geometry.nonsense_first,
        "the first header holds nonsense".to_owned(),
    );
    words
}
