//! Writing a vmdk image.

use std::ops::Range;

use crate::options::Options;
use crate::recipe::Recipe;
use crate::recipe::runs::Unit;
use crate::recipe::truth::{OwnSize, Truth};
use crate::recipe::writer::{Field, ImageWriter, Table};
use crate::subject::ScanErrorKind::{Corrupt, NotThisFormat, Unsupported};
use measure::{VmdkOpts, VmdkSubformat};

use super::{
    Capacity, Descriptor, FooterFault, Geometry, Kind, Order, Overhead, Placement, Redundant,
    Spare, Tables, Tail,
};

/// The size of VMDK's unit, in bytes.
const SECTOR: u64 = 512;
/// The entries of a table.
const ENTRIES: u64 = 512;
/// A table's size in bytes.
const TABLE: u64 = 4 * ENTRIES;
/// The embedded descriptor's size in sectors, as qemu-img writes it.
const DESCRIPTOR_SECTORS: u64 = 20;
/// A directory offset that says: the header is in the footer.
const IN_FOOTER: u64 = u64::MAX;
/// A sector that no file of a recipe reaches.
const FAR: u32 = 1 << 31;

/// The header's numbers.
const HEADER: &[Field] = &[
    Field::number("vmdk magicNumber", 0, 4, 0x564d_444b),
    Field::number("vmdk version", 4, 4, 3),
    Field::number("vmdk flags", 8, 4, u32::MAX as u64),
    Field::number("vmdk capacity", 12, 8, (1 << 54) - 1),
    Field::number("vmdk grainSize", 20, 8, 128),
    Field::place("vmdk descriptorOffset", 28, 8, SECTOR),
    Field::number("vmdk descriptorSize", 36, 8, DESCRIPTOR_SECTORS),
    Field::number("vmdk numGTEsPerGT", 44, 4, ENTRIES),
    Field::place("vmdk rgdOffset", 48, 8, SECTOR),
    Field::place("vmdk gdOffset", 56, 8, SECTOR),
    Field::place("vmdk overHead", 64, 8, SECTOR),
    Field::number("vmdk uncleanShutdown", 72, 1, 1),
    Field::number("vmdk compressAlgorithm", 77, 2, 1),
];

/// The numbers of the markers around the footer, from the first of them on.
const FOOTER_MARKERS: &[Field] = &[
    Field::number("vmdk footer marker's value", 0, 8, 1),
    Field::number("vmdk footer marker's size", 8, 4, 0),
    Field::number("vmdk footer marker's type", 12, 4, 3),
    Field::number("vmdk end-of-stream marker's value", 1024, 8, 0),
    Field::number("vmdk end-of-stream marker's size", 1032, 4, 0),
    Field::number("vmdk end-of-stream marker's type", 1036, 4, 0),
];

/// What a marker is of.
#[derive(Clone, Copy)]
enum Marker {
    Table = 1,
    Directory = 2,
    Footer = 3,
}

/// A grain table that is there.
struct Part {
    /// Its number, from the disk's start.
    number: u64,
    /// Which of the units are its grains.
    units: Range<usize>,
    /// Where it is, in bytes.
    at: u64,
    /// Where its redundant copy is, in bytes.
    copy_at: u64,
}

/// The disk: what the recipe says of it, in grains and tables.
struct Disk {
    size: u64,
    grain: u64,
    grains: u64,
    tables: u64,
    /// The grains that the runs name, below the last table's end.
    units: Vec<Unit>,
}

impl Disk {
    fn new(recipe: &Recipe, geometry: &Geometry) -> Self {
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
    fn parts(&self, geometry: &Geometry) -> Vec<Part> {
        let part = |number, units| Part {
            number,
            units,
            at: 0,
            copy_at: 0,
        };
        let all = geometry.tables == Tables::All
            && self.tables <= super::ALL_TABLES
            && geometry.aliases == 0;
        let next = geometry.tables == Tables::NeededAndNext && geometry.aliases == 0;
        let mut parts: Vec<Part> = Vec::with_capacity(self.tables.min(super::ALL_TABLES) as usize);
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
        return build_descriptor(kind, writer);
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
    let last_table_end = making.end_of_tables();
    making.finish(last_table_end);
    making.refuse(&mut truth, tables_named);
    if !truth.is_refused() && geometry.capacity == Capacity::Right {
        truth.own_size = making.own_size(data_grains);
    }
    truth
}

impl Making<'_> {
    /// The header's room, and the descriptor.
    fn begin(&mut self) {
        self.writer.allocate(SECTOR, SECTOR);
        if self.geometry.descriptor != Descriptor::Absent {
            let at = self.writer.allocate(DESCRIPTOR_SECTORS * SECTOR, SECTOR);
            let end = self.writer.end();
            let (head, tail) = if self.geometry.kind == Kind::Sparse {
                (SPARSE_DESCRIPTOR, DESCRIPTOR_TAIL)
            } else {
                (STREAM_DESCRIPTOR, DESCRIPTOR_TAIL)
            };
            self.writer.bytes(at, head);
            let mut digits = [b' '; 20];
            let mut left = self.disk.size / SECTOR;
            for digit in digits.iter_mut().rev() {
                *digit = b'0' + (left % 10) as u8;
                left /= 10;
                if left == 0 {
                    break;
                }
            }
            let digits = digits.trim_ascii_start();
            let at = at + head.len() as u64;
            self.writer.bytes(at, digits);
            self.writer.bytes(at + digits.len() as u64, tail);
            self.writer.set_end(end);
        }
    }

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
            let nth = range.start
                + match self.geometry.order {
                    Order::Ascending | Order::Shared => nth,
                    Order::Descending => length - 1 - nth,
                    Order::OddFirst if nth < length / 2 => 2 * nth + 1,
                    Order::OddFirst => 2 * (nth - length / 2),
                };
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

    /// The file's end, its header, and its footer.
    fn finish(&mut self, end_of_tables: u64) {
        let end = self.writer.end();
        let cut = self.geometry.tail == Tail::Cut;
        let footer = self.geometry.kind == Kind::StreamWithFooter;
        match self.geometry.tail {
            Tail::Sector => self.writer.set_end(end.next_multiple_of(SECTOR)),
            Tail::Nothing => {}
            Tail::Bytes(bytes) => self.writer.set_end(end + bytes),
            Tail::Cut if footer => {}
            Tail::Cut => self.writer.set_end(end_of_tables - 1),
        }
        let end = self.writer.end() + if footer { 3 * SECTOR } else { 0 };
        let mut header = self.header(end);
        if footer {
            self.write_footer(&header);
            header[56..64].copy_from_slice(&IN_FOOTER.to_le_bytes());
            if self.geometry.nonsense_first {
                header[4..12].fill(0xee);
                header[20..28].fill(0xee);
                header[36..56].fill(0xee);
                header[64..].fill(0xee);
            }
        }
        header[..4].copy_from_slice(&self.geometry.magic);
        let end = self.writer.end();
        self.writer.bytes(0, &header);
        self.writer
            .set_end(if cut && footer { end - 1 } else { end });
        self.writer.offer_structure("vmdk header", 0, HEADER);

        let entries = self.disk.tables + self.geometry.spare.0;
        let mut offer = |first: u64, end: u64| {
            if first < end {
                self.writer.offer_table(Table {
                    name: "vmdk grain directory entry",
                    start: self.directory_at + 4 * first,
                    entries: end - first,
                    width: 4,
                    scale: SECTOR,
                });
            }
        };
        offer(0, entries.min(32));
        for part in self.parts.iter().filter(|part| part.number >= 32).take(4) {
            offer(part.number - 1, (part.number + 2).min(entries));
        }
        offer(entries.saturating_sub(4).max(32), entries);
    }

    /// The header of a file of `end` bytes, with the right magic number and directory.
    fn header(&self, end: u64) -> [u8; 79] {
        let geometry = self.geometry;
        let mut header = [0; 79];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        let (descriptor, descriptor_size) = match geometry.descriptor {
            Descriptor::Embedded | Descriptor::Alone(_) => (1, DESCRIPTOR_SECTORS),
            Descriptor::Absent | Descriptor::Unnamed => (0, 0),
            Descriptor::Elsewhere => (1 << 40, 1),
        };
        let sectors = end.div_ceil(SECTOR);
        let overhead = match geometry.overhead {
            Overhead::Right => self.data_start / SECTOR,
            Overhead::File => sectors,
            Overhead::Sectors(sectors) => sectors,
            Overhead::MoreThanFile => sectors + 1,
        };
        let capacity = match geometry.capacity {
            Capacity::Right => self.disk.size / SECTOR,
            Capacity::Sectors(sectors) => sectors,
        };
        put(0, b"KDMV");
        put(4, &geometry.version.to_le_bytes());
        put(8, &geometry.flags.to_le_bytes());
        put(12, &capacity.to_le_bytes());
        put(20, &geometry.grain_sectors.to_le_bytes());
        put(28, &u64::to_le_bytes(descriptor));
        put(36, &descriptor_size.to_le_bytes());
        put(44, &geometry.table_entries.to_le_bytes());
        put(48, &(self.redundant_at / SECTOR).to_le_bytes());
        put(56, &(self.directory_at / SECTOR).to_le_bytes());
        put(64, &overhead.to_le_bytes());
        put(72, &[geometry.unclean.into()]);
        let line_ends = if geometry.line_ends {
            b"\n \r\n"
        } else {
            b"\n\n\n\n"
        };
        put(73, line_ends);
        put(77, &geometry.compression.to_le_bytes());
        header
    }

    fn write_footer(&mut self, header: &[u8; 79]) {
        let fault = self.geometry.footer_fault;
        let at = self.writer.end();
        let end = at + 3 * SECTOR;
        if fault != Some(FooterFault::Absent) {
            let wrong = |is: FooterFault| u64::from(fault == Some(is));
            self.writer.number(at, 8, self.geometry.footer_value);
            let size = wrong(FooterFault::MarkerSize);
            self.writer.number(at + 8, 4, size);
            let kind = Marker::Footer as u64 + wrong(FooterFault::MarkerType);
            self.writer.number(at + 12, 4, kind);
            self.writer.bytes(at + SECTOR, header);
            match fault {
                Some(FooterFault::Magic) => self.writer.bytes(at + SECTOR, b"KDMX"),
                Some(FooterFault::Footer) => self.writer.number(at + SECTOR + 56, 8, IN_FOOTER),
                Some(FooterFault::EndValue) => self.writer.number(at + 2 * SECTOR, 8, 1),
                Some(FooterFault::EndSize) => self.writer.number(at + 2 * SECTOR + 8, 4, 1),
                Some(FooterFault::EndType) => self.writer.number(at + 2 * SECTOR + 12, 4, 1),
                _ => {}
            }
        }
        self.writer.set_end(end);
        self.writer
            .offer_structure("vmdk footer", at + SECTOR, HEADER);
        self.writer
            .offer_structure("vmdk footer's markers", at, FOOTER_MARKERS);
    }

    /// Says why a scanner must refuse the image.
    fn refuse(&self, truth: &mut Truth, tables_named: u64) {
        let geometry = self.geometry;
        if geometry.magic != *b"KDMV" {
            // Nothing else is looked at.
            truth.refuse(if geometry.magic == *b"COWD" {
                Unsupported
            } else {
                NotThisFormat
            });
            return;
        }
        let named = !matches!(
            geometry.descriptor,
            Descriptor::Absent | Descriptor::Unnamed
        );
        if geometry.capacity == Capacity::Sectors(0) && named {
            // The descriptor lists the extents; the header says nothing more.
            truth.refuse(Unsupported);
            return;
        }
        if geometry.footer_fault.is_some()
            || (geometry.kind == Kind::StreamWithFooter && geometry.tail == Tail::Cut)
        {
            // There is no header.
            truth.refuse(Corrupt);
            return;
        }
        if !(1..=3).contains(&geometry.version)
            || !geometry.grain_is_supported()
            || geometry.table_entries != ENTRIES as u32
        {
            // Nothing that the header says besides can be known to be wrong.
            truth.refuse(Unsupported);
            return;
        }
        let sectors = self.writer.end().div_ceil(SECTOR);
        let overhead = match geometry.overhead {
            Overhead::Right => self.data_start / SECTOR,
            Overhead::File => sectors,
            Overhead::Sectors(announced) => announced,
            Overhead::MoreThanFile => sectors + 1,
        };
        let empty = geometry.capacity == Capacity::Sectors(0);
        // The capacities that are not the disk's ask for a directory of many GiB.
        let directory = !matches!(geometry.capacity, Capacity::Right) && !empty;
        let tables =
            !empty && (geometry.tail == Tail::Cut || tables_named * (TABLE / SECTOR) > sectors);
        if overhead > sectors || directory || tables {
            truth.refuse(Corrupt);
        }
    }

    /// How the calculator's answer relates to the file, for grains of which it knows.
    fn own_size(&self, data_grains: u64) -> Option<OwnSize> {
        let geometry = self.geometry;
        let grain = self.disk.grain;
        if grain < 4096 {
            return None;
        }
        let subformat = match geometry.kind {
            Kind::Sparse => VmdkSubformat::MonolithicSparse,
            Kind::Stream | Kind::StreamWithFooter => VmdkSubformat::StreamOptimized,
        };
        let plain = self.grains_are_plain
            && geometry.placement == Placement::Front
            && geometry.redundant != Redundant::Absent
            && geometry.redundant != Redundant::Empty
            && geometry.descriptor != Descriptor::Absent
            && (geometry.table_gap, geometry.grain_gap, geometry.spare.0) == (0, 0, 0)
            && geometry.tail == Tail::Sector
            && self.parts.len() as u64 == self.disk.tables;
        let end = self.writer.end();
        let head = 1 + DESCRIPTOR_SECTORS;
        let most_head =
            head * SECTOR + 2 * (self.disk.tables * (TABLE + 4) + SECTOR) + self.disk.grain;
        let (at_least, at_most) = match subformat {
            VmdkSubformat::MonolithicSparse if plain => (end, end),
            VmdkSubformat::MonolithicSparse => (
                head * SECTOR + data_grains * grain,
                most_head + data_grains * grain,
            ),
            // The calculator's answer is a bound: deflating adds less than two sectors to a grain.
            _ => (
                if plain && geometry.kind == Kind::Stream {
                    end
                } else {
                    head * SECTOR + data_grains * grain
                },
                most_head + data_grains * (grain + 2 * SECTOR),
            ),
        };
        Some(OwnSize {
            options: Options::Vmdk(VmdkOpts {
                subformat,
                grain_size: grain as u32,
            }),
            at_least,
            at_most,
        })
    }
}

const SPARSE_DESCRIPTOR: &[u8] =
    b"# Disk DescriptorFile\nversion=1\nCID=7a5c0de1\nparentCID=ffffffff\n\
    createType=\"monolithicSparse\"\n\n# Extent description\nRW ";
const STREAM_DESCRIPTOR: &[u8] =
    b"# Disk DescriptorFile\nversion=1\nCID=7a5c0de1\nparentCID=ffffffff\n\
    createType=\"streamOptimized\"\n\n# Extent description\nRW ";
const DESCRIPTOR_TAIL: &[u8] = b" SPARSE \"image.vmdk\"\n\n# The Disk Data Base\n#DDB\n\n\
    ddb.virtualHWVersion = \"4\"\nddb.adapterType = \"ide\"\n";

/// A file that is a descriptor of this kind.
fn build_descriptor(kind: &str, writer: &mut ImageWriter) -> Truth {
    let pieces: [&[u8]; 3] = [
        b"# Disk DescriptorFile\nversion=1\nCID=7a5c0de1\nparentCID=ffffffff\ncreateType=\"",
        kind.as_bytes(),
        b"\"\n\n# Extent description\nRW 8192 FLAT \"a-flat.vmdk\" 0\nRW 8192 FLAT \"b-flat.vmdk\" 0\n",
    ];
    for piece in pieces {
        writer.bytes(writer.end(), piece);
    }
    writer.offer_structure("vmdk text descriptor", 0, &[]);
    let mut truth = Truth::new(0);
    truth.refuse(Unsupported);
    truth
}

/// The geometry and the data, in words.
pub(super) fn in_words(recipe: &Recipe, geometry: &Geometry) -> String {
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
