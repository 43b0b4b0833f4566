//! Recipes of VHD images: dynamic and fixed disks, as qemu-img or Microsoft's tools write them, or laid
//! out otherwise.
//!
//! A unit is a block, of a [`Kind`]. Blocks and their sector bitmaps are left as zeros: nobody who asks how
//! much an image holds reads them. Who reads the disk finds them [filled](crate::content). The bytes are in [`knobs`].
//!
//! Source: Microsoft's "Virtual Hard Disk Image Format Specification"; what qemu-img writes, from its
//! files.

mod geometry;
mod judgement;
mod structures;

use types::ScanErrorKind::{Corrupt, NotThisFormat};
use types::VhdSubformat;

use crate::content::Content;
use crate::recipe::{Description, Recipe};
use crate::runs::Unit;
use crate::truth::Truth;
use crate::writer::ImageWriter;

pub use geometry::*;

/// The size of a sector in bytes: VHD's unit.
const SECTOR: u64 = 512;
/// A footer's length in bytes.
const FOOTER: u64 = 512;
/// The dynamic disk header's length in bytes.
const HEADER: u64 = 1024;
/// An entry of a block that is not in the file.
const ABSENT: u32 = u32::MAX;

/// Writes the image and returns what is true of it.
pub(super) fn build(recipe: &Recipe, writer: &mut ImageWriter) -> Truth {
    let geometry = &geometry(recipe);
    let disk = &Disk::new(recipe, geometry);
    let mut truth = Truth::new(disk.size);
    let mut making = Making {
        geometry,
        disk,
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

pub(super) fn describe(recipe: &Recipe) -> Description {
    let geometry = geometry(recipe);
    let disk = Disk::new(recipe, &geometry);
    Description {
        disk: disk.size,
        unit: disk.block,
        slots: disk.blocks + geometry.spare.0,
        unusual: geometry.unusual(),
        kind: |unit| format!("{:?}", Kind::of(unit)),
    }
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
        // In a file of one sector the beginning would be the end, and its footer the disk's.
        let begins_with_its_own = data >= 2 * FOOTER;
        if begins_with_its_own {
            match geometry.beginning {
                Beginning::Zeros => {}
                Beginning::Cookie => self.writer.bytes(0, b"conectix"),
                Beginning::Footer => {
                    self.write_footer(0, u64::MAX, Footer::Other);
                }
            }
        }
        self.writer.set_end(data);
        self.write_end_footer(u64::MAX);
        truth.add_data(0, self.disk.size);
        if geometry.beginning != Beginning::Zeros {
            self.writer.content = None;
        } else if let Some(content) = &mut self.writer.content {
            content.place_data(0, size, 0);
        }
        let end = self.writer.end();
        if geometry.footers.end == Footer::Good && data >= FOOTER && end.is_multiple_of(FOOTER) {
            // A footer of 511 bytes is one too.
            truth.least_length = end - 1;
        }

        if geometry.footers.end != Footer::Good {
            let cookie = geometry.footers.end == Footer::Damaged
                || (begins_with_its_own && geometry.beginning != Beginning::Zeros);
            truth.refuse(if cookie { Corrupt } else { NotThisFormat });
            return;
        }
        self.refuse_by_footer(truth);
        truth.refuse((data < self.disk.size).then_some(Corrupt));
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
        let parts = match geometry.placement {
            Placement::Front | Placement::Shifted => [Part::Header, Part::Table, Part::Blocks],
            Placement::TableBack | Placement::TableEnd => [Part::Header, Part::Blocks, Part::Table],
            Placement::Back => [Part::Blocks, Part::Header, Part::Table],
            Placement::HeaderBack => [Part::Table, Part::Blocks, Part::Header],
        };
        for part in parts {
            match part {
                Part::Header => {
                    self.header_at = self.place(HEADER, geometry.placement == Placement::Shifted);
                }
                Part::Table => self.table_at = self.place(4 * self.entries, true),
                Part::Blocks => self.place_blocks(&units, &mut entries),
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
        let fields = self.write_footer(0, data_offset, geometry.footers.copy);
        self.writer.offer_structure("vhd footer's copy", 0, fields);
        self.write_end_footer(data_offset);
        let data_blocks = self.judge(&units, &entries, truth);
        let content = self.writer.content.take();
        // Some readers go by the footer at the end, which is another disk's.
        let content = content.filter(|_| self.geometry.footers.end != Footer::Other);
        self.writer.content =
            content.and_then(|content| self.disk.content(&units, &entries, content));
        if !truth.is_refused() {
            truth.own_size = self.own_size_of_dynamic(data_blocks);
        }
    }

    /// Takes room for the header or the table, which may begin with no sector; answers where.
    fn place(&mut self, length: u64, shifted: bool) -> u64 {
        let alignment = match self.geometry.placement {
            Placement::Shifted | Placement::TableEnd => 1,
            _ => SECTOR,
        };
        if shifted && alignment == 1 {
            self.writer.allocate(self.geometry.shift, 1);
        }
        self.writer.allocate(length, alignment)
    }

    /// Takes room for the blocks, in the order of the geometry, and gives them their entries. Those that
    /// depend on where everything else is wait for [`Self::resolve_blocks`].
    fn place_blocks(&mut self, units: &[Unit], entries: &mut [u32]) {
        let length = units.len();
        let mut before = None;
        for nth in 0..length {
            let nth = self.geometry.order.unit(nth, length);
            let unit = units[nth];
            if unit.index >= self.disk.blocks {
                self.blocks_are_plain = false;
            }
            let shared = match Kind::of(&unit) {
                Kind::InFile | Kind::BehindGap => self.geometry.order == Order::Shared,
                Kind::Shared => true,
                Kind::Absent => continue,
                Kind::OverFooter | Kind::OverMetadata | Kind::PastEnd => {
                    self.blocks_are_plain = false;
                    continue;
                }
            };
            self.blocks_are_plain &= Kind::of(&unit) == Kind::InFile && !shared;
            entries[nth] = match before {
                Some(before) if shared => before,
                _ => {
                    let gap = match Kind::of(&unit) {
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
            *entry = match Kind::of(unit) {
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
}

/// What is placed in the file.
enum Part {
    Header,
    Table,
    Blocks,
}

/// The recipe's disk, in bytes and blocks.
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
            matches!(geometry.creator, "qemu" | "vpc ") && chs.sectors() != LARGEST_GEOMETRY;
        let (size, current_size) = if by_chs {
            let size = chs.sectors() * SECTOR;
            let current = match geometry.current_size {
                CurrentSize::Geometry => size,
                CurrentSize::Recipe => asked,
                CurrentSize::Zero => 0,
                CurrentSize::Largest => u64::MAX,
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

    /// Adds to the content what the disk reads as. A block's sector bitmap says that all of it is there; QEMU finds
    /// none where it has less than a byte.
    fn content(&self, units: &[Unit], entries: &[u32], mut content: Content) -> Option<Content> {
        let bitmap = self.block_in_file() - self.block;
        for (unit, entry) in units.iter().zip(entries) {
            let (start, at) = (unit.index * self.block, u64::from(*entry) * SECTOR);
            match Kind::of(unit) {
                _ if *entry == ABSENT || unit.index >= self.blocks => {}
                Kind::InFile | Kind::BehindGap | Kind::Shared => {
                    content.fill.with_ones(at, bitmap);
                    content.place_data(start, self.block, at + bitmap);
                }
                _ => content.leave_open(start, self.block),
            }
        }
        Some(content).filter(|_| self.block >= 8 * SECTOR)
    }

    /// What a block takes in the file: its sector bitmap, one bit a sector in whole sectors, and its data.
    fn block_in_file(&self) -> u64 {
        (self.block / SECTOR).div_ceil(8).next_multiple_of(SECTOR) + self.block
    }
}
