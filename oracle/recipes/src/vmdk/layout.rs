//! Writing a vmdk image.
//!
//! - [`disk`]: what the recipe says of the disk, in grains and tables.
//! - [`header`]: the header, the descriptor and the footer.
//! - [`judgement`]: what is true of the image.
//! - [`words`]: the recipe in words.

mod describe;
mod disk;
mod header;
mod judgement;

use std::ops::Range;

use crate::recipe::Recipe;
use crate::runs::Unit;
use crate::truth::Truth;
use crate::writer::{ImageWriter, Table};

use super::{Capacity, Descriptor, Geometry, Kind, Order, Placement, Redundant, Spare};
pub(super) use describe::describe;
use disk::{Disk, Part};

/// The size of VMDK's unit, in bytes.
const SECTOR: u64 = 512;
/// The entries of a table.
const ENTRIES: u64 = 512;
/// A table's size in bytes.
const TABLE: u64 = 4 * ENTRIES;
/// The embedded descriptor's size in sectors, as qemu-img writes it.
const DESCRIPTOR_SECTORS: u64 = 20;
/// A sector that no file of a recipe reaches.
const FAR: u32 = 1 << 31;

/// What a marker is of.
#[derive(Clone, Copy)]
enum Marker {
    Table = 1,
    Directory = 2,
    Footer = 3,
}

/// An image in the making.
struct Making<'a> {
    geometry: &'a Geometry,
    writer: &'a mut ImageWriter,
    disk: &'a Disk,
    parts: Vec<Part>,
    /// For each of the disk's units, its entry.
    entries: Vec<u32>,
    /// Where the first grain may be, in bytes.
    data_start: u64,
    directory_at: u64,
    redundant_at: u64,
    /// Whether every grain with data has a place of its own, of a grain's size, without gaps.
    grains_are_plain: bool,
}

pub(super) fn build(recipe: &Recipe, geometry: &Geometry, writer: &mut ImageWriter) -> Truth {
    if let Descriptor::Alone(kind) = geometry.descriptor {
        return header::build_descriptor(kind, writer);
    }
    let disk = Disk::new(recipe, geometry);
    let mut making = Making {
        geometry,
        writer,
        disk: &disk,
        parts: disk.parts(geometry),
        entries: vec![0; disk.units.len()],
        data_start: 0,
        directory_at: 0,
        redundant_at: 0,
        grains_are_plain: true,
    };
    making.begin();
    making.place();
    let mut truth = Truth::new(match geometry.capacity {
        Capacity::Right => disk.size,
        Capacity::Sectors(sectors) => sectors.saturating_mul(SECTOR),
    });
    let (data_grains, tables_named) = making.fill(&mut truth);
    truth.shares_tables = making.geometry.aliases != 0;
    let last_table_end = making.end_of_tables();
    making.finish(last_table_end);
    making.refuse(&mut truth, tables_named);
    if !truth.is_refused() && geometry.capacity == Capacity::Right {
        truth.own_size = making.own_size(data_grains);
    }
    truth
}

impl Making<'_> {
    /// Takes room for directory, tables and grains, in the order of the geometry.
    fn place(&mut self) {
        let all = 0..self.disk.units.len();
        match self.geometry.placement {
            Placement::Front => {
                self.place_redundant();
                self.place_directory();
                self.place_tables();
                self.place_grains(all);
            }
            Placement::TablesFront => {
                self.place_tables();
                self.place_directory();
                self.place_redundant();
                self.place_grains(all);
            }
            Placement::Back => {
                self.place_grains(all);
                self.place_redundant();
                self.place_tables();
                self.place_directory();
            }
            Placement::BackDirectoryFirst => {
                self.place_grains(all);
                self.place_redundant();
                self.place_directory();
                self.place_tables();
            }
            Placement::Interleaved => {
                self.data_start = self.writer.end();
                for nth in 0..self.parts.len() {
                    self.place_grains(self.parts[nth].units.clone());
                    self.parts[nth].at = self.place_table();
                }
                self.place_redundant();
                self.place_directory();
            }
            Placement::DirectoryFront => {
                self.place_redundant();
                self.place_directory();
                self.place_grains(all);
                self.place_tables();
            }
        }
    }

    fn place_redundant(&mut self) {
        if self.geometry.redundant == Redundant::Absent {
            return;
        }
        self.redundant_at = self.writer.allocate(self.directory_bytes(), SECTOR);
        if self.geometry.redundant != Redundant::Empty {
            for part in &mut self.parts {
                part.copy_at = self.writer.allocate(TABLE, SECTOR);
            }
        }
    }

    fn place_directory(&mut self) {
        self.skip(self.geometry.table_gap);
        self.mark(Marker::Directory, self.directory_bytes().div_ceil(SECTOR));
        self.directory_at = self.writer.allocate(self.directory_bytes(), SECTOR);
    }

    fn place_tables(&mut self) {
        for nth in 0..self.parts.len() {
            self.parts[nth].at = self.place_table();
        }
    }

    fn place_table(&mut self) -> u64 {
        self.skip(self.geometry.table_gap);
        self.mark(Marker::Table, TABLE / SECTOR);
        self.writer.allocate(TABLE, SECTOR)
    }

    /// Leaves sectors free.
    fn skip(&mut self, sectors: u64) {
        if sectors != 0 {
            self.writer.allocate(sectors * SECTOR, SECTOR);
        }
    }

    /// Puts a marker before what comes, in a stream that has a footer. "Virtual Disk Format 5.0",
    /// section "Stream-Optimized Compressed Sparse Extents".
    fn mark(&mut self, marker: Marker, sectors: u64) {
        if self.geometry.kind == Kind::StreamWithFooter {
            let at = self.writer.allocate(SECTOR, SECTOR);
            self.writer.number(at, 8, sectors);
            self.writer.number(at + 12, 4, marker as u64);
        }
    }

    /// Gives the units of this range their entries, and room in the file.
    fn place_grains(&mut self, range: Range<usize>) {
        if self.geometry.placement != Placement::Interleaved {
            self.data_start = self.writer.allocate(0, self.disk.grain);
        }
        let length = range.len();
        let mut before = None;
        for nth in 0..length {
            let nth = range.start + self.geometry.order.unit(nth, length);
            let unit = self.disk.units[nth];
            let kind = unit.kind % 8;
            let plain = match kind {
                0 => unit.index < self.disk.grains,
                1 => self.geometry.has_zeroed_grains(),
                4 => true,
                _ => false,
            };
            self.grains_are_plain &= plain;
            self.entries[nth] = match kind {
                1 => 1,
                2 => before.unwrap_or_else(|| self.place_grain(unit)),
                3 => FAR + (unit.index & 0xffff) as u32,
                4 => 0,
                5 => 2,
                6 => u32::MAX,
                _ if self.geometry.order == Order::Shared => {
                    self.grains_are_plain &= before.is_none();
                    before.unwrap_or_else(|| self.place_grain(unit))
                }
                _ => {
                    if kind == 7 {
                        self.skip(u64::from(unit.extra) + 1);
                    }
                    self.place_grain(unit)
                }
            };
            if matches!(kind, 0 | 2 | 7) {
                before = Some(self.entries[nth]);
            }
        }
    }

    /// Takes room for one grain; answers its sector.
    fn place_grain(&mut self, unit: Unit) -> u32 {
        self.skip(self.geometry.grain_gap);
        let bytes = match self.geometry.kind {
            Kind::Sparse => self.disk.grain,
            // A marker of 12 bytes and what was deflated.
            Kind::Stream | Kind::StreamWithFooter => {
                SECTOR + self.disk.grain / 8 * u64::from(unit.extra)
            }
        };
        let at = self.writer.allocate(bytes, SECTOR);
        // Below 2^32: at most 496 grains of 64 KiB and as many gaps, and a few MiB of tables.
        (at / SECTOR) as u32
    }

    /// The directory's size with the entries past the disk's end.
    fn directory_bytes(&self) -> u64 {
        4 * (self.disk.tables + self.geometry.spare.0)
    }

    /// Writes tables and directories. Adds the data; answers how many grains hold some, and how many
    /// tables the directory names for the disk.
    fn fill(&mut self, truth: &mut Truth) -> (u64, u64) {
        let mut data_grains = 0;
        let mut named = 0;
        let last = self.parts.len();
        for nth in 0..last {
            let (number, at, copy_at) = {
                let part = &self.parts[nth];
                (part.number, part.at, part.copy_at)
            };
            let range = self.parts[nth].units.clone();
            data_grains += self.fill_table(range.clone(), at, copy_at, 0, truth);
            self.offer_table(range.clone(), number, at);
            let entry = self.directory_at + 4 * number;
            self.writer.number(entry, 4, at / SECTOR);
            if copy_at != 0 {
                self.writer
                    .number(self.redundant_at + 4 * number, 4, copy_at / SECTOR);
            }
            named += 1;
            if nth == 0 {
                let free = self
                    .parts
                    .get(1)
                    .map_or(self.disk.tables, |next| next.number);
                for more in 1..=self.geometry.aliases {
                    if number + more >= free {
                        break;
                    }
                    self.writer.number(entry + 4 * more, 4, at / SECTOR);
                    let shift = more * ENTRIES;
                    data_grains += self.tell_data(range.clone(), shift, truth);
                    named += 1;
                }
            }
        }
        self.fill_spare();
        (data_grains, named)
    }

    /// Writes one table and its copy, and adds its data.
    fn fill_table(
        &mut self,
        range: Range<usize>,
        at: u64,
        copy_at: u64,
        shift: u64,
        truth: &mut Truth,
    ) -> u64 {
        let units = &self.disk.units[range.clone()];
        let entries = &self.entries[range.clone()];
        let mut from = 0;
        for stretch in units.chunk_by(|unit, next| unit.index + 1 == next.index) {
            let entries = &entries[from..from + stretch.len()];
            let place = 4 * (stretch[0].index % ENTRIES);
            self.writer.words(at + place, entries);
            if copy_at != 0 {
                self.writer.words(copy_at + place, entries);
            }
            from += stretch.len();
        }
        self.tell_data(range, shift, truth)
    }

    /// Adds the data of a table's grains, `shift` grains further on; answers how many hold data.
    fn tell_data(&self, range: Range<usize>, shift: u64, truth: &mut Truth) -> u64 {
        let zeroed = self.geometry.has_zeroed_grains();
        let grain = self.disk.grain;
        let mut data_grains = 0;
        let mut stretch = 0..0;
        for nth in range {
            let index = self.disk.units[nth].index + shift;
            let entry = self.entries[nth];
            if entry == 0 || (zeroed && entry == 1) || index >= self.disk.grains {
                continue;
            }
            data_grains += 1;
            if index != stretch.end {
                truth.add_data(stretch.start * grain, (stretch.end - stretch.start) * grain);
                stretch = index..index;
            }
            stretch.end += 1;
        }
        truth.add_data(stretch.start * grain, (stretch.end - stretch.start) * grain);
        data_grains
    }

    /// Fills the entries of the directory past the disk's end.
    fn fill_spare(&mut self) {
        let (count, what) = self.geometry.spare;
        let entry = match what {
            Spare::AllOnes => u32::MAX.into(),
            Spare::One => 1,
            Spare::Table => self.parts.first().map_or(0, |part| part.at) / SECTOR,
            Spare::End => self.writer.end() / SECTOR,
        };
        let end = self.writer.end();
        for nth in 0..count {
            let at = self.directory_at + 4 * (self.disk.tables + nth);
            self.writer.number(at, 4, entry);
        }
        self.writer.set_end(end);
    }

    /// Offers the entries around those that are used.
    fn offer_table(&mut self, range: Range<usize>, number: u64, at: u64) {
        const MOST_TABLES: usize = 8;
        const MOST_ENTRIES: u64 = 12;
        if range.is_empty() || self.writer.tables().len() >= MOST_TABLES {
            return;
        }
        let first = (self.disk.units[range.start].index % ENTRIES).saturating_sub(1);
        let mut offer = |first: u64, end: u64| {
            self.writer.offer_table(Table {
                name: "vmdk grain table entry",
                start: at + 4 * first,
                entries: end - first,
                width: 4,
                scale: SECTOR,
            });
        };
        offer(first, (first + MOST_ENTRIES).min(ENTRIES));
        if number + 1 == self.disk.tables {
            // The disk's last grain and the entry behind it.
            let last = (self.disk.grains - 1) % ENTRIES;
            offer(last, (last + 2).min(ENTRIES));
        }
    }

    /// Where the last of the tables and the directory ends: what a scanner has to read.
    fn end_of_tables(&self) -> u64 {
        self.parts
            .iter()
            .map(|part| part.at + TABLE)
            .fold(self.directory_at + 4 * self.disk.tables, u64::max)
    }
}
