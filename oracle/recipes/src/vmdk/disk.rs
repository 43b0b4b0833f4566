//! A recipe's disk, in grains and tables.

use std::ops::Range;

use super::geometry::{ALL_TABLES, Geometry, Tables};
use super::{ENTRIES, SECTOR};
use crate::aliases::Aliases;
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
        let named = self
            .units
            .chunk_by(|unit, next| unit.index / ENTRIES == next.index / ENTRIES)
            .map(|units| units[0].index / ENTRIES);
        let mut numbers: Vec<u64> = match geometry.tables {
            Tables::All if geometry.aliases == Aliases::NONE && self.tables <= ALL_TABLES => {
                (0..self.tables).collect()
            }
            Tables::NeededAndNext if geometry.aliases == Aliases::NONE => named
                .flat_map(|number| [number, number + 1])
                .filter(|number| *number < self.tables)
                .collect(),
            _ => named.collect(),
        };
        numbers.dedup();
        let mut from = 0;
        let parts = numbers.into_iter().map(|number| {
            let end = (number + 1) * ENTRIES;
            let start = from;
            from += self.units[from..].partition_point(|unit| unit.index < end);
            Part {
                number,
                units: start..from,
                at: 0,
                copy_at: 0,
            }
        });
        parts.collect()
    }
}
