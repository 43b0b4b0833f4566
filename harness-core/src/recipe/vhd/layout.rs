//! Writing a vhd image.

use crate::options::Options;
use crate::recipe::Recipe;
use crate::recipe::runs::Unit;
use crate::recipe::truth::{OwnSize, Truth};
use crate::recipe::writer::{Checksum, ChecksumKind, Field, ImageWriter, Table};
use crate::subject::ScanErrorKind::{Corrupt, NotThisFormat, Unsupported};
use measure::{VhdOpts, VhdSubformat};

use super::{
    Beginning, Chs, ChsChoice, CurrentSize, DYNAMIC, FIXED, Fault, Footer, Geometry, LARGEST_DISK,
    LARGEST_GEOMETRY, Order, Placement, VERSION,
};

/// The size of a sector in bytes: VHD's unit.
const SECTOR: u64 = 512;
/// A footer's length in bytes.
const FOOTER: u64 = 512;
/// The dynamic disk header's length in bytes.
const HEADER: u64 = 1024;
/// An entry of a block that is not in the file.
const ABSENT: u32 = u32::MAX;

/// A footer's numbers.
const FOOTER_FIELDS: &[Field] = &[
    Field::number("vhd cookie", 0, 8, u64::from_be_bytes(*b"conectix")),
    Field::number("vhd features", 8, 4, 2),
    Field::number("vhd file format version", 12, 4, VERSION as u64),
    Field::place("vhd data offset", 16, 8, 1),
    Field::number(
        "vhd creator application",
        28,
        4,
        u32::from_be_bytes(*b"qemu") as u64,
    ),
    Field::number("vhd original size", 40, 8, LARGEST_DISK * SECTOR),
    Field::number("vhd current size", 48, 8, LARGEST_DISK * SECTOR),
    Field::number("vhd cylinders", 56, 2, 65535),
    Field::number("vhd heads", 58, 1, 16),
    Field::number("vhd sectors a track", 59, 1, 255),
    Field::number("vhd disk type", 60, 4, DYNAMIC as u64),
    Field::number("vhd checksum", 64, 4, u32::MAX as u64),
];

/// The dynamic disk header's numbers.
const HEADER_FIELDS: &[Field] = &[
    Field::number("vhd header cookie", 0, 8, u64::from_be_bytes(*b"cxsparse")),
    Field::place("vhd header data offset", 8, 8, 1),
    Field::place("vhd table offset", 16, 8, 1),
    Field::number("vhd header version", 24, 4, VERSION as u64),
    Field::number("vhd max table entries", 28, 4, u32::MAX as u64),
    Field::number("vhd block size", 32, 4, 1 << 31),
    Field::number("vhd header checksum", 36, 4, u32::MAX as u64),
];

/// The disk: what the recipe says of it, in bytes and blocks.
struct Disk {
    /// The size that is meant, in bytes; more than [`LARGEST_DISK`] when it is too large.
    size: u64,
    current_size: u64,
    chs: Chs,
    block: u64,
    /// How many blocks it has; no more than the table may have.
    blocks: u64,
    /// Whether it has more.
    table_is_too_short: bool,
}

impl Disk {
    fn new(recipe: &Recipe, geometry: &Geometry) -> Self {
        let block = geometry.block();
        let largest = LARGEST_DISK * SECTOR;
        let most = if geometry.disk_type == FIXED {
            largest
        } else {
            largest.min(geometry.most_blocks * block)
        };
        let asked = recipe.size.bytes(block, most, 1);
        let chs = match geometry.chs {
            ChsChoice::OfSize => Chs::of(asked / SECTOR),
            ChsChoice::Given(Chs(cylinders, heads, track)) => {
                let cylinder = u64::from(heads) * u64::from(track);
                let fit = (most / SECTOR).checked_div(cylinder).unwrap_or(0);
                let cylinders = u64::from(cylinders) % fit.saturating_add(1);
                Chs(cylinders as u16, heads, track)
            }
            ChsChoice::Forced(chs) => chs,
        };
        let by_chs =
            matches!(&geometry.creator, b"qemu" | b"vpc ") && chs.sectors() != LARGEST_GEOMETRY;
        let (size, current_size) = if by_chs {
            let size = chs.sectors() * SECTOR;
            let current = match geometry.current_size {
                CurrentSize::Same => size,
                CurrentSize::Recipe => asked,
                CurrentSize::Bytes(bytes) => bytes,
            };
            (size, geometry.too_large.unwrap_or(current))
        } else {
            let current = geometry.too_large.unwrap_or(asked);
            (current / SECTOR * SECTOR, current)
        };
        let blocks = size.div_ceil(block);
        Self {
            size,
            current_size,
            chs,
            block,
            blocks: blocks.min(geometry.most_blocks),
            table_is_too_short: blocks > geometry.most_blocks,
        }
    }

    /// What a block takes in the file: its sector bitmap, one bit a sector in whole sectors, and its data.
    fn block_in_file(&self) -> u64 {
        (self.block / SECTOR).div_ceil(8).next_multiple_of(SECTOR) + self.block
    }
}

pub(super) fn build(recipe: &Recipe, geometry: &Geometry, writer: &mut ImageWriter) -> Truth {
    let disk = Disk::new(recipe, geometry);
    let mut truth = Truth::new(disk.size);
    let mut making = Making {
        geometry,
        disk: &disk,
        writer,
        header_at: 0,
        table_at: 0,
        entries: disk.blocks + geometry.spare.0,
        blocks_are_plain: true,
    };
    if geometry.disk_type == FIXED {
        making.build_fixed(&mut truth);
    } else {
        making.build_dynamic(recipe, &mut truth);
    }
    truth
}

/// An image in the making.
struct Making<'a> {
    geometry: &'a Geometry,
    disk: &'a Disk,
    writer: &'a mut ImageWriter,
    header_at: u64,
    table_at: u64,
    /// How many entries the table has.
    entries: u64,
    /// Whether every block that is there has a place of its own, without gaps.
    blocks_are_plain: bool,
}

impl Making<'_> {
    fn build_fixed(&mut self, truth: &mut Truth) {
        let geometry = self.geometry;
        // A disk that cannot be so large does not make the file so.
        let size = self.disk.size.min(LARGEST_DISK * SECTOR);
        let longer = geometry.longer * SECTOR as i64;
        let data = size.saturating_add_signed(longer);
        if data >= FOOTER {
            match geometry.beginning {
                Beginning::Zeros => {}
                Beginning::Cookie => self.writer.bytes(0, b"conectix"),
                Beginning::Footer => {
                    let footer = self.footer(u64::MAX, true);
                    self.writer.bytes(0, &footer);
                    self.checksum(0, FOOTER, 64);
                }
            }
        }
        self.writer.set_end(data);
        self.write_end_footer(u64::MAX);
        truth.add_data(0, self.disk.size);

        if geometry.footers.end != Footer::Good {
            let cookie = geometry.footers.end == Footer::Damaged
                || (data >= FOOTER && geometry.beginning != Beginning::Zeros);
            truth.refuse(if cookie { Corrupt } else { NotThisFormat });
            return;
        }
        self.refuse_by_footer(truth);
        if data < self.disk.size {
            truth.refuse(Corrupt);
        }
        if !truth.is_refused() {
            let most = self.writer.end();
            truth.own_size = self.own_size(VhdSubformat::Fixed, self.disk.size + FOOTER, most);
        }
    }

    fn build_dynamic(&mut self, recipe: &Recipe, truth: &mut Truth) {
        let geometry = self.geometry;
        let units = recipe.runs.units(self.disk.blocks, self.entries);
        let mut entries = vec![ABSENT; units.len()];
        self.writer.allocate(FOOTER, SECTOR);
        match geometry.placement {
            Placement::Front => {
                self.place_header();
                self.place_table();
                self.place_blocks(&units, &mut entries);
            }
            Placement::TableBack => {
                self.place_header();
                self.place_blocks(&units, &mut entries);
                self.place_table();
            }
            Placement::Back => {
                self.place_blocks(&units, &mut entries);
                self.place_header();
                self.place_table();
            }
            Placement::HeaderBack => {
                self.place_table();
                self.place_blocks(&units, &mut entries);
                self.place_header();
            }
            Placement::Shifted => {
                self.shift();
                self.place_header();
                self.shift();
                self.place_table();
                self.place_blocks(&units, &mut entries);
            }
            Placement::TableEnd => {
                self.place_header();
                self.place_blocks(&units, &mut entries);
                self.shift();
                self.place_table();
            }
        }
        if geometry.placement != Placement::TableEnd {
            self.writer
                .set_end(self.writer.end().next_multiple_of(SECTOR));
        }
        self.resolve_blocks(&units, &mut entries);
        self.write_table(&units, &entries);
        self.write_header();

        let data_offset = match geometry.fault {
            Some(Fault::HeaderOverCopy) => 511,
            Some(Fault::HeaderPastEnd) => self.writer.end() + FOOTER - HEADER + 1,
            _ => self.header_at,
        };
        self.write_copy(data_offset);
        self.write_end_footer(data_offset);
        let data_blocks = self.tell(&units, &entries, truth);
        if !truth.is_refused() {
            truth.own_size = self.own_size_of_dynamic(data_blocks);
        }
    }

    fn place_header(&mut self) {
        self.header_at = self.writer.allocate(HEADER, self.alignment());
        self.writer
            .offer_structure("vhd dynamic disk header", self.header_at, HEADER_FIELDS);
    }

    fn place_table(&mut self) {
        self.table_at = self.writer.allocate(4 * self.entries, self.alignment());
    }

    fn shift(&mut self) {
        self.writer.allocate(self.geometry.shift, 1);
    }

    /// The alignment of header and table, in bytes.
    fn alignment(&self) -> u64 {
        match self.geometry.placement {
            Placement::Shifted | Placement::TableEnd => 1,
            _ => SECTOR,
        }
    }

    /// Takes room for the blocks, in the order of the geometry, and gives them their entries. Those that
    /// depend on where everything else is wait for [`Self::resolve_blocks`].
    fn place_blocks(&mut self, units: &[Unit], entries: &mut [u32]) {
        let length = units.len();
        let mut before = None;
        for nth in 0..length {
            let nth = match self.geometry.order {
                Order::Ascending | Order::Shared => nth,
                Order::Descending => length - 1 - nth,
                Order::OddFirst if nth < length / 2 => 2 * nth + 1,
                Order::OddFirst => 2 * (nth - length / 2),
            };
            let unit = units[nth];
            if unit.index >= self.disk.blocks {
                self.blocks_are_plain = false;
            }
            let shared = match of_kind(unit) {
                Kind::InFile | Kind::BehindGap => self.geometry.order == Order::Shared,
                Kind::Shared => true,
                Kind::Absent => continue,
                Kind::OverFooter | Kind::OverMetadata | Kind::PastEnd => {
                    self.blocks_are_plain = false;
                    continue;
                }
            };
            self.blocks_are_plain &= of_kind(unit) == Kind::InFile && !shared;
            entries[nth] = match before {
                Some(before) if shared => before,
                _ => {
                    let gap = match of_kind(unit) {
                        Kind::BehindGap => u64::from(unit.extra) + 1,
                        _ => 0,
                    };
                    self.writer
                        .allocate((self.geometry.gap + gap) * SECTOR, SECTOR);
                    let at = self.writer.allocate(self.disk.block_in_file(), SECTOR);
                    // Below 2^32: at most 496 blocks of 2 GiB, their bitmaps and gaps.
                    (at / SECTOR) as u32
                }
            };
            before = Some(entries[nth]);
        }
    }

    /// The entries that depend on where everything else is.
    fn resolve_blocks(&mut self, units: &[Unit], entries: &mut [u32]) {
        let end = self.writer.end() + self.end_footer_bytes();
        let length = self.disk.block_in_file();
        for (unit, entry) in units.iter().zip(entries) {
            let extra = u64::from(unit.extra);
            *entry = match of_kind(*unit) {
                Kind::OverFooter => match end.checked_sub(length).map(|start| start / SECTOR) {
                    Some(sector) if !self.is_over_metadata(sector * SECTOR) => sector as u32,
                    _ => ABSENT,
                },
                Kind::OverMetadata => match extra % 4 {
                    0 => 0,
                    1 => (self.header_at / SECTOR) as u32,
                    2 => (self.table_at / SECTOR) as u32,
                    _ => ((self.table_at + 4 * self.entries - 1) / SECTOR) as u32,
                },
                Kind::PastEnd => match extra % 4 {
                    // The first sector at which a block is not wholly in the file.
                    0 => ((end + 1).saturating_sub(length)).div_ceil(SECTOR) as u32,
                    1 => end.div_ceil(SECTOR) as u32,
                    2 => u32::MAX - 1,
                    _ => 0xf000_0000,
                },
                _ => *entry,
            };
        }
    }

    /// Whether a block at byte `start` lies over the footer's copy, the header or the table.
    fn is_over_metadata(&self, start: u64) -> bool {
        let end = start + self.disk.block_in_file();
        [
            (0, FOOTER),
            (self.header_at, self.header_at + HEADER),
            (self.table_at, self.table_at + 4 * self.entries),
        ]
        .iter()
        .any(|&(from, to)| start < to && from < end)
    }

    fn write_table(&mut self, units: &[Unit], entries: &[u32]) {
        const ONES: [u8; 4096] = [0xff; 4096];
        let end = self.writer.end();
        let fill = |writer: &mut ImageWriter, from: u64, to: u64| {
            let mut at = from;
            while at < to {
                let length = (to - at).min(ONES.len() as u64);
                writer.bytes(at, &ONES[..length as usize]);
                at += length;
            }
        };
        let of_disk = self.table_at + 4 * self.disk.blocks;
        let of_all = self.table_at + 4 * self.entries;
        match self.geometry.spare.1 {
            u32::MAX => fill(self.writer, self.table_at, of_all),
            0 => fill(self.writer, self.table_at, of_disk),
            spare => {
                fill(self.writer, self.table_at, of_disk);
                let spares = [spare; 255];
                let count = self.entries - self.disk.blocks;
                self.writer.words(of_disk, &spares[..count as usize]);
            }
        }
        let mut from = 0;
        let mut offered = 0;
        for stretch in units.chunk_by(|unit, next| unit.index + 1 == next.index) {
            let first = stretch[0].index;
            self.writer.words(
                self.table_at + 4 * first,
                &entries[from..from + stretch.len()],
            );
            from += stretch.len();
            if first >= 32 && offered < 6 {
                self.offer_entries(first - 1, first + 3);
                offered += 1;
            }
        }
        self.writer.set_end(end);
        self.offer_entries(0, 32);
        if self.disk.blocks > 32 {
            self.offer_entries(self.disk.blocks - 2, self.disk.blocks + 1);
        }
    }

    fn offer_entries(&mut self, first: u64, end: u64) {
        let end = end.min(self.entries);
        self.writer.offer_table(Table {
            name: "vhd table entry",
            start: self.table_at + 4 * first,
            entries: end.saturating_sub(first),
            width: 4,
            scale: SECTOR,
        });
    }

    fn write_header(&mut self) {
        let geometry = self.geometry;
        let fault = geometry.fault;
        let table_at = match fault {
            Some(Fault::TableOverCopy) => 508,
            Some(Fault::TableOverHeader) => self.header_at + HEADER - 4,
            Some(Fault::TablePastEnd) => self.writer.end() + FOOTER - 3,
            _ => self.table_at,
        };
        let entries = match fault {
            Some(Fault::TooFewEntries) => self.disk.blocks.saturating_sub(1),
            Some(Fault::TablePastEnd) => self.entries.max(1),
            _ => self.entries,
        };
        let mut header = [0; 40];
        header[..8].copy_from_slice(b"cxsparse");
        if fault == Some(Fault::Cookie) {
            header[7] = b'f';
        }
        header[8..16].fill(0xff);
        header[16..24].copy_from_slice(&table_at.to_be_bytes());
        header[24..28].copy_from_slice(&geometry.header_version.to_be_bytes());
        header[28..32].copy_from_slice(&(entries as u32).to_be_bytes());
        header[32..36].copy_from_slice(&geometry.block_size.to_be_bytes());
        let end = self.writer.end();
        self.writer.bytes(self.header_at, &header);
        self.writer.set_end(end);
        // Zero is never the checksum of so few bytes.
        if fault != Some(Fault::Checksum) {
            self.checksum(self.header_at, HEADER, 36);
        }
    }

    /// A footer with everything but its checksum. `other`: of a fixed disk of another size.
    fn footer(&self, data_offset: u64, other: bool) -> [u8; 88] {
        let geometry = self.geometry;
        let [time, creator_version, host, reserved] = geometry.rest;
        let mut footer = [0; 88];
        let mut put = |at: usize, bytes: &[u8]| footer[at..at + bytes.len()].copy_from_slice(bytes);
        let (current_size, disk_type) = if other {
            (!self.disk.current_size & !511, FIXED)
        } else {
            (self.disk.current_size, geometry.disk_type)
        };
        let original_size = if geometry.nonsense_original {
            0x1234_5678_9abc_def0
        } else {
            current_size
        };
        put(0, b"conectix");
        put(8, &geometry.features.to_be_bytes());
        put(12, &geometry.version.to_be_bytes());
        put(16, &data_offset.to_be_bytes());
        put(24, &time);
        put(28, &geometry.creator);
        put(32, &creator_version);
        put(36, &host);
        put(40, &original_size.to_be_bytes());
        put(48, &current_size.to_be_bytes());
        put(56, &self.disk.chs.0.to_be_bytes());
        put(58, &[self.disk.chs.1, self.disk.chs.2]);
        put(60, &disk_type.to_be_bytes());
        put(68, &geometry.unique_id);
        put(84, &[geometry.saved_state]);
        put(85, &reserved[..3]);
        footer
    }

    fn write_copy(&mut self, data_offset: u64) {
        let kind = self.geometry.footers.copy;
        if kind != Footer::Zeros {
            let footer = self.footer(data_offset, false);
            self.writer.bytes(0, &footer);
            if kind == Footer::Good {
                self.checksum(0, FOOTER, 64);
            }
        }
        self.writer
            .offer_structure("vhd footer's copy", 0, FOOTER_FIELDS);
    }

    /// How many bytes the footer at the end takes.
    fn end_footer_bytes(&self) -> u64 {
        match self.geometry.footers.end {
            Footer::Absent => 0,
            Footer::Short => FOOTER - 1,
            _ => FOOTER,
        }
    }

    fn write_end_footer(&mut self, data_offset: u64) {
        let kind = self.geometry.footers.end;
        let at = self.writer.end();
        let end = at + self.end_footer_bytes();
        if !matches!(kind, Footer::Zeros | Footer::Absent) {
            let footer = self.footer(data_offset, kind == Footer::Other);
            self.writer.bytes(at, &footer);
        }
        if matches!(kind, Footer::Good | Footer::Other) {
            self.checksum(at, FOOTER, 64);
        }
        self.writer.set_end(end);
        if kind != Footer::Absent {
            self.writer.offer_structure("vhd footer", at, FOOTER_FIELDS);
        }
    }

    fn checksum(&mut self, start: u64, length: u64, field: u64) {
        self.writer.add_checksum(Checksum {
            kind: ChecksumKind::ByteSum,
            start,
            length,
            at: start + field,
        });
    }

    /// Adds the blocks' data to the truth, or says why a scanner must refuse the image; answers how many
    /// blocks of the disk are in the file.
    fn tell(&self, units: &[Unit], entries: &[u32], truth: &mut Truth) -> u64 {
        let geometry = self.geometry;
        if geometry.footers.copy != Footer::Good && geometry.footers.end != Footer::Good {
            let cookie = [geometry.footers.copy, geometry.footers.end].contains(&Footer::Damaged);
            truth.refuse(if cookie { Corrupt } else { NotThisFormat });
            return 0;
        }
        self.refuse_by_footer(truth);
        if geometry.disk_type != DYNAMIC {
            // What else is wrong is not of interest: nothing is known of such a disk.
            return 0;
        }
        if geometry.header_version != VERSION {
            truth.refuse(Unsupported);
        }
        let too_few = geometry.fault == Some(Fault::TooFewEntries) && self.disk.blocks == 0;
        if (geometry.fault.is_some() && !too_few)
            || !geometry.block_is_supported()
            || self.disk.table_is_too_short
        {
            truth.refuse(Corrupt);
        }
        let block = self.disk.block;
        let mut data_blocks = 0;
        let mut stretch = 0..0;
        for (unit, entry) in units.iter().zip(entries) {
            if unit.index >= self.disk.blocks || *entry == ABSENT {
                continue;
            }
            if matches!(of_kind(*unit), Kind::OverMetadata | Kind::PastEnd) {
                truth.refuse(Corrupt);
            }
            data_blocks += 1;
            if unit.index != stretch.end {
                truth.add_data(stretch.start * block, (stretch.end - stretch.start) * block);
                stretch = unit.index..unit.index;
            }
            stretch.end += 1;
        }
        truth.add_data(stretch.start * block, (stretch.end - stretch.start) * block);
        data_blocks
    }

    /// What a scanner refuses because of the footer that it believes.
    fn refuse_by_footer(&self, truth: &mut Truth) {
        let geometry = self.geometry;
        if geometry.version != VERSION {
            truth.refuse(Unsupported);
        }
        if geometry.features & 2 == 0 {
            truth.refuse(Corrupt);
        }
        if !matches!(geometry.disk_type, FIXED | DYNAMIC) || self.disk.size > LARGEST_DISK * SECTOR
        {
            truth.refuse(Unsupported);
        }
    }

    fn own_size_of_dynamic(&self, data_blocks: u64) -> Option<OwnSize> {
        let geometry = self.geometry;
        let end = self.writer.end();
        let plain = self.blocks_are_plain
            && geometry.placement == Placement::Front
            && geometry.gap == 0
            && geometry.spare.0 == 0
            && self.end_footer_bytes() == FOOTER;
        let (at_least, at_most) = if plain {
            (end, end)
        } else {
            let table = 4 * self.disk.blocks + SECTOR;
            let blocks = data_blocks * self.disk.block_in_file();
            (
                2 * FOOTER + HEADER + blocks,
                2 * FOOTER + HEADER + table + blocks,
            )
        };
        self.own_size(VhdSubformat::Dynamic, at_least, at_most)
    }

    /// How the calculator's answer relates to the file, for blocks of which it knows.
    fn own_size(&self, subformat: VhdSubformat, at_least: u64, at_most: u64) -> Option<OwnSize> {
        if self.disk.block < 512 << 10 {
            return None;
        }
        let sectors = self.disk.size / SECTOR;
        // Where a geometry says the size exactly, or none can, the size need not be forced.
        let exact = sectors > LARGEST_GEOMETRY || Chs::of(sectors).sectors() == sectors;
        Some(OwnSize {
            options: Options::Vhd(VhdOpts {
                subformat,
                block_size: self.disk.block as u32,
                force_size: !exact,
            }),
            at_least,
            at_most,
        })
    }
}

/// What a run says of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    InFile,
    Absent,
    Shared,
    BehindGap,
    OverFooter,
    OverMetadata,
    PastEnd,
}

fn of_kind(unit: Unit) -> Kind {
    match unit.kind {
        0xfe => Kind::OverMetadata,
        0xff => Kind::PastEnd,
        kind => [
            Kind::InFile,
            Kind::Absent,
            Kind::Shared,
            Kind::BehindGap,
            Kind::OverFooter,
        ][usize::from(kind % 5)],
    }
}

/// The geometry and the data, in words.
pub(super) fn in_words(recipe: &Recipe, geometry: &Geometry) -> String {
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
