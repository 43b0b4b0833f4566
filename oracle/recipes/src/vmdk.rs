//! Recipes of VMDK images: one sparse extent, as qemu-img or VMware writes it, or laid out otherwise.
//!
//! A unit is a grain: see [`Grain`]. Grains themselves are left as zeros, also where they count as
//! compressed: neither a scanner nor `qemu-img map` reads them. Who reads the disk finds them
//! [filled](crate::content). The bytes are in [`knobs`].
//!
//! Source: VMware's "Virtual Disk Format 5.0"; what qemu-img writes, from its files.

mod disk;
mod geometry;
mod header;
mod judgement;

use std::ops::Range;

use crate::aliases::Aliases;
use crate::content::Content;
use crate::recipe::{Description, Recipe};
use crate::runs::Unit;
use crate::stream::Codec;
use crate::truth::Truth;
use crate::writer::{ImageWriter, Table};

use disk::{Disk, Part};
pub use geometry::*;

/// The size of VMDK's unit, in bytes.
const SECTOR: u64 = 512;
/// The entries of a table.
const ENTRIES: u64 = 512;
/// A table's size in bytes.
const TABLE: u64 = 4 * ENTRIES;
/// The embedded descriptor's size in sectors, as qemu-img writes it.
const DESCRIPTOR_SECTORS: u64 = 20;
/// A grain's marker has its first sector in 8 bytes, and the length of the stream behind it in 4.
const MARKER: u64 = 12;
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

/// Writes the image and returns what is true of it.
pub(super) fn build(recipe: &Recipe, writer: &mut ImageWriter) -> Truth {
    let geometry = &geometry(recipe);
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
    let capacity = geometry.capacity.unwrap_or(disk.size / SECTOR);
    let mut truth = Truth::new(capacity.saturating_mul(SECTOR));
    let (data_grains, tables_named) = making.fill(&mut truth);
    truth.shares_tables = geometry.aliases != Aliases::NONE;
    making.finish();
    truth.refuse(making.refusal(tables_named));
    if !truth.is_refused() && geometry.capacity.is_none() {
        truth.own_size = making.own_size(data_grains);
    }
    let content = making.writer.content.take();
    making.writer.content = content.and_then(|content| making.content(content));
    truth
}

pub(super) fn describe(recipe: &Recipe) -> Description {
    let geometry = geometry(recipe);
    let disk = Disk::new(recipe, &geometry);
    Description {
        disk: disk.size,
        unit: disk.grain,
        slots: disk.tables * ENTRIES,
        unusual: geometry.unusual(),
        kind: |unit| format!("{:?}", Grain::choose(unit.kind)),
    }
}

/// What is placed in the file.
enum Piece {
    Redundant,
    Directory,
    Tables,
    Grains,
}

impl Making<'_> {
    /// Takes room for directory, tables and grains, in the order of the geometry.
    fn place(&mut self) {
        use Piece::{Directory, Grains, Redundant, Tables};
        let pieces: &[Piece] = match self.geometry.placement {
            Placement::Front => &[Redundant, Directory, Tables, Grains],
            Placement::TablesFront => &[Tables, Directory, Redundant, Grains],
            Placement::Back => &[Grains, Redundant, Tables, Directory],
            Placement::BackDirectoryFirst => &[Grains, Redundant, Directory, Tables],
            // Each table takes its grains along.
            Placement::Interleaved => &[Tables, Redundant, Directory],
            Placement::DirectoryFront => &[Redundant, Directory, Grains, Tables],
        };
        for piece in pieces {
            match piece {
                Redundant => self.place_redundant(),
                Directory => {
                    let bytes = self.directory_bytes();
                    self.directory_at = self.place_table(Marker::Directory, bytes);
                }
                Tables => self.place_tables(),
                Grains => {
                    self.data_start = self.writer.allocate(0, self.disk.grain);
                    self.place_grains(0..self.disk.units.len());
                }
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

    fn place_tables(&mut self) {
        let interleaved = self.geometry.placement == Placement::Interleaved;
        if interleaved {
            self.data_start = self.writer.end();
        }
        for nth in 0..self.parts.len() {
            if interleaved {
                self.place_grains(self.parts[nth].units.clone());
            }
            self.parts[nth].at = self.place_table(Marker::Table, TABLE);
        }
    }

    /// Takes room for a table or the directory; answers where it is. In a stream that has a footer a marker
    /// is before it: "Virtual Disk Format 5.0", section "Stream-Optimized Compressed Sparse Extents".
    fn place_table(&mut self, marker: Marker, length: u64) -> u64 {
        self.skip(self.geometry.table_gap);
        if self.geometry.kind == Kind::StreamWithFooter {
            let at = self.writer.allocate(SECTOR, SECTOR);
            self.writer.number(at, 8, length.div_ceil(SECTOR));
            self.writer.number(at + 12, 4, marker as u64);
        }
        self.writer.allocate(length, SECTOR)
    }

    /// Leaves sectors free.
    fn skip(&mut self, sectors: u64) {
        if sectors != 0 {
            self.writer.allocate(sectors * SECTOR, SECTOR);
        }
    }

    /// Gives the units of this range their entries, and room in the file.
    fn place_grains(&mut self, range: Range<usize>) {
        let length = range.len();
        let mut before = None;
        for nth in 0..length {
            let nth = range.start + self.geometry.order.unit(nth, length);
            let unit = self.disk.units[nth];
            let grain = Grain::choose(unit.kind);
            self.grains_are_plain &= match grain {
                Grain::Data => unit.index < self.disk.grains,
                Grain::EntryOfOne => self.geometry.has_zeroed_grains(),
                Grain::Nothing => true,
                _ => false,
            };
            self.entries[nth] = match grain {
                Grain::EntryOfOne => 1,
                Grain::Shared => before.unwrap_or_else(|| self.place_grain(unit)),
                Grain::PastEnd => FAR + (unit.index & 0xffff) as u32,
                Grain::Nothing => 0,
                Grain::OverMetadata => 2,
                Grain::LargestEntry => u32::MAX,
                Grain::Data | Grain::BehindGap if self.geometry.order == Order::Shared => {
                    self.grains_are_plain &= before.is_none();
                    before.unwrap_or_else(|| self.place_grain(unit))
                }
                Grain::Data => self.place_grain(unit),
                Grain::BehindGap => {
                    self.skip(u64::from(unit.extra) + 1);
                    self.place_grain(unit)
                }
            };
            if matches!(grain, Grain::Data | Grain::Shared | Grain::BehindGap) {
                before = Some(self.entries[nth]);
            }
        }
    }

    /// Takes room for one grain; answers its sector.
    fn place_grain(&mut self, unit: Unit) -> u32 {
        self.skip(self.geometry.grain_gap);
        let at = self.writer.allocate(self.room(unit), SECTOR);
        // Below 2^32: at most 496 grains of 64 KiB and as many gaps, and a few MiB of tables.
        (at / SECTOR) as u32
    }

    /// How many bytes a grain takes.
    fn room(&self, unit: Unit) -> u64 {
        match self.geometry.kind {
            Kind::Sparse => self.disk.grain,
            // A marker and what was deflated.
            Kind::Stream | Kind::StreamWithFooter => {
                SECTOR + self.disk.grain / 8 * u64::from(unit.extra)
            }
        }
    }

    /// The directory's size with the entries past the disk's end.
    fn directory_bytes(&self) -> u64 {
        4 * (self.disk.tables + self.geometry.spare.0)
    }

    /// Writes tables and directories. Adds the data; answers how many grains hold some, and how many
    /// tables the directory names for the disk.
    fn fill(&mut self, truth: &mut Truth) -> (u64, u64) {
        let mut data_grains = 0;
        let mut named = self.parts.len() as u64;
        for nth in 0..self.parts.len() {
            let part = self.parts[nth].clone();
            self.write_table(&part);
            data_grains += self.add_data(&part, 0, truth);
            self.offer_table(&part);
            let entry = self.directory_at + 4 * part.number;
            self.writer.number(entry, 4, part.at / SECTOR);
            if part.copy_at != 0 {
                let entry = self.redundant_at + 4 * part.number;
                self.writer.number(entry, 4, part.copy_at / SECTOR);
            }
            if nth == 0 {
                let next = self.parts.get(1);
                let free = next.map_or(self.disk.tables, |next| next.number);
                let aliases = self.geometry.aliases.count(
                    (free - part.number).saturating_sub(1),
                    self.writer.end().div_ceil(SECTOR),
                    TABLE / SECTOR,
                    named,
                    part.units.len() as u64,
                );
                for more in 1..=aliases {
                    self.writer.number(entry + 4 * more, 4, part.at / SECTOR);
                    data_grains += self.add_data(&part, more * ENTRIES, truth);
                }
                named += aliases;
            }
        }
        self.fill_spare();
        (data_grains, named)
    }

    /// Writes a table and its copy.
    fn write_table(&mut self, part: &Part) {
        let mut from = part.units.start;
        let units = &self.disk.units[part.units.clone()];
        for stretch in units.chunk_by(|unit, next| unit.index + 1 == next.index) {
            let entries = &self.entries[from..from + stretch.len()];
            let place = 4 * (stretch[0].index % ENTRIES);
            self.writer.words(part.at + place, entries);
            if part.copy_at != 0 {
                self.writer.words(part.copy_at + place, entries);
            }
            from += stretch.len();
        }
    }

    /// Adds to the content what the disk reads as, unless readers differ on whether grains are compressed.
    fn content(&self, mut content: Content) -> Option<Content> {
        let is_stream = self.geometry.has_compressed_grains()?;
        let size = self.disk.grain;
        for (unit, entry) in self.disk.units.iter().zip(&self.entries) {
            let start = unit.index * size;
            let at = u64::from(*entry) * SECTOR;
            let is_shared = || self.entries.iter().filter(|other| *other == entry).count() > 1;
            match (Grain::choose(unit.kind), *entry) {
                (_, 0) => {}
                (_, 1) if self.geometry.has_zeroed_grains() => {}
                (Grain::Data | Grain::Shared | Grain::BehindGap, _) if !is_stream => {
                    content.place_data(start, size, at);
                }
                // A marker names one grain.
                (Grain::Data | Grain::Shared | Grain::BehindGap, _) if !is_shared() => {
                    let place = at + MARKER..at + self.room(*unit);
                    let swells = unit.kind >= 0xf8;
                    let length =
                        content.place_stream(start..start + size, place, Codec::Zlib, swells);
                    let marker = [start / SECTOR, length].map(u64::to_le_bytes);
                    let marker = marker.as_flattened()[..MARKER as usize].to_vec();
                    content.fill.with_bytes(at, marker);
                }
                _ => content.leave_open(start, size),
            }
        }
        Some(content)
    }

    /// Adds the data of a table's grains, `shift` grains further on; answers how many hold data.
    fn add_data(&self, part: &Part, shift: u64, truth: &mut Truth) -> u64 {
        let zeroed = self.geometry.has_zeroed_grains();
        let mut data_grains = 0;
        for nth in part.units.clone() {
            let index = self.disk.units[nth].index + shift;
            let entry = self.entries[nth];
            if entry == 0 || (zeroed && entry == 1) || index >= self.disk.grains {
                continue;
            }
            data_grains += 1;
            truth.add_data(index * self.disk.grain, self.disk.grain);
        }
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
    fn offer_table(&mut self, part: &Part) {
        const KIND: Table = Table::of("vmdk grain table entry", 4, SECTOR);
        const MOST_TABLES: usize = 8;
        const MOST_ENTRIES: u64 = 12;
        if part.units.is_empty() || self.writer.tables().len() >= MOST_TABLES {
            return;
        }
        let mut offer = |first: u64, most: u64| {
            let entries = most.min(ENTRIES - first);
            self.writer.offer_table(KIND, part.at + 4 * first, entries);
        };
        let first = self.disk.units[part.units.start].index % ENTRIES;
        offer(first.saturating_sub(1), MOST_ENTRIES);
        if part.number + 1 == self.disk.tables {
            // The disk's last grain and the entry behind it.
            offer((self.disk.grains - 1) % ENTRIES, 2);
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
