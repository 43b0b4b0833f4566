//! A vhd recipe in words.

use crate::recipe::Recipe;

use super::super::{Chs, DYNAMIC, FIXED, Geometry, VERSION};
use super::disk::Disk;
use super::{Kind, of_kind};

/// The geometry and the data, in words.
pub(in crate::vhd) fn describe(recipe: &Recipe, geometry: &Geometry) -> String {
    let disk = Disk::new(recipe, geometry);
    let creator = String::from_utf8_lossy(&geometry.creator);
    let mut words = match geometry.disk_type {
        FIXED => "a fixed disk".to_owned(),
        DYNAMIC => "a dynamic disk".to_owned(),
        4 => "a differencing disk".to_owned(),
        other => format!("a disk of type {other}"),
    };
    let Chs(cylinders, heads, track) = disk.chs;
    words += &format!(
        " of {} bytes by {creator:?} (current size {}, geometry {cylinders}/{heads}/{track}), footers {:?}",
        disk.size, disk.current_size, geometry.footers
    );
    if geometry.disk_type == FIXED {
        words += &format!(
            ", beginning {:?}, {} sectors longer than needed",
            geometry.beginning, geometry.longer
        );
    } else {
        let units = recipe
            .runs
            .units(disk.blocks, disk.blocks + geometry.spare.0);
        let of = |kind| {
            units
                .iter()
                .filter(|unit| unit.index < disk.blocks && of_kind(**unit) == kind)
                .count()
        };
        words += &format!(
            ", {} blocks of {} bytes, header and table {:?}, blocks {:?} with gaps of {} sectors, {} entries \
             more ({:#x}); blocks: {} in the file, {} at another's place, {} over the footer, {} over \
             metadata, {} past the end",
            disk.blocks,
            geometry.block_size,
            geometry.placement,
            geometry.order,
            geometry.gap,
            geometry.spare.0,
            geometry.spare.1,
            of(Kind::InFile) + of(Kind::BehindGap),
            of(Kind::Shared),
            of(Kind::OverFooter),
            of(Kind::OverMetadata),
            of(Kind::PastEnd)
        );
    }
    if geometry.version != VERSION || geometry.header_version != VERSION {
        words += &format!(
            "; versions {:#x} and {:#x}",
            geometry.version, geometry.header_version
        );
    }
    if geometry.features & 2 == 0 {
        words += "; features without the reserved bit";
    }
    if let Some(fault) = geometry.fault {
        words += &format!("; fault: {fault:?}");
    }
    words
}
