//! A recipe's disk, in grains and tables.

use std::ops::Range;

use super::geometry::{ALL_TABLES, Geometry, Tables};
use super::{ENTRIES, SECTOR};
use crate::recipe::Recipe;
use crate::runs::Unit;

/// A grain table that is there.
#[derive(Clone)]
pub(super) struct Part {
    /// Its number, from the disk's start.
    pub(super) number: u64,
    /// Which of the units are its grains.
    pub(super) units: Range<usize>,
    /// Where it is, in bytes.
    pub(super) at: u64,
    /// Where its redundant copy is, in bytes.
    pub(super) copy_at: u64,
}

/// The recipe's disk, in grains and tables.
pub(super) struct Disk {
    pub(super) size: u64,
    pub(super) grain: u64,
    pub(super) grains: u64,
    pub(super) tables: u64,
    /// The grains that the runs name, below the last table's end.
    pub(super) units: Vec<Unit>,
}

impl Disk {
    pub(super) fn new(recipe: &Recipe, geometry: &Geometry) -> Self {
        let grain = geometry.grain();
        let most = geometry.longest_directory / 4 * ENTRIES * grain;
        let size = match recipe.size.bytes(grain, most, SECTOR) {
            // A capacity of 0 means something else.
            0 => grain,
            size => size,
        };
        let grains = size.div_ceil(grain);
        let tables = grains.div_ceil(ENTRIES);
        Self {
            size,
            grain,
            grains,
            tables,
            units: recipe.runs.units(grains, tables * ENTRIES),
        }
    }

    /// The tables that are there, by number. Where they are is not known yet.
    pub(super) fn parts(&self, geometry: &Geometry) -> Vec<Part> {
        let part = |number, units| Part {
            number,
            units,
            at: 0,
            copy_at: 0,
        };
        let all =
            geometry.tables == Tables::All && self.tables <= ALL_TABLES && geometry.aliases == 0;
        let next = geometry.tables == Tables::NeededAndNext && geometry.aliases == 0;
        let mut parts: Vec<Part> = Vec::with_capacity(self.tables.min(ALL_TABLES) as usize);
        let mut from = 0;
        while from < self.units.len() || (all && (parts.len() as u64) < self.tables) {
            let following = parts.last().map_or(0, |part| part.number + 1);
            let named = self.units.get(from).map(|unit| unit.index / ENTRIES);
            let number = match named {
                _ if all => following,
                Some(named) if next && !parts.is_empty() && named > following => {
                    // The last table got its units; the one after it has none.
                    parts.push(part(following, from..from));
                    named
                }
                Some(named) => named,
                None => break,
            };
            let end = (number + 1) * ENTRIES;
            let length = self.units[from..].partition_point(|unit| unit.index < end);
            parts.push(part(number, from..from + length));
            from += length;
        }
        if next
            && let Some(last) = parts.last()
            && last.number + 1 < self.tables
        {
            let number = last.number + 1;
            parts.push(part(number, from..from));
        }
        parts
    }
}
