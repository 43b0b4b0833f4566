//! Writing a vhd image.
//!
//! - [`disk`]: what the recipe says of the disk, in bytes and blocks.
//! - [`structures`]: the footers, the header and the table.
//! - [`judgement`]: what is true of the image.
//! - [`words`]: the recipe in words.

mod describe;
mod disk;
mod judgement;
mod structures;

use types::VhdSubformat;

use crate::recipe::Recipe;
use crate::runs::Unit;
use crate::truth::Truth;
use crate::writer::ImageWriter;
use types::ScanErrorKind::{Corrupt, NotThisFormat};

use super::{Beginning, FIXED, Fault, Footer, Geometry, LARGEST_DISK, Order, Placement};
pub(super) use describe::describe;
use disk::Disk;

/// The size of a sector in bytes: VHD's unit.
const SECTOR: u64 = 512;
/// A footer's length in bytes.
const FOOTER: u64 = 512;
/// The dynamic disk header's length in bytes.
const HEADER: u64 = 1024;
/// An entry of a block that is not in the file.
const ABSENT: u32 = u32::MAX;

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
        // In a file of one sector the beginning would be the end, and its footer the disk's.
        let begins_with_its_own = data >= 2 * FOOTER;
        if begins_with_its_own {
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
                || (begins_with_its_own && geometry.beginning != Beginning::Zeros);
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
            let nth = self.geometry.order.unit(nth, length);
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
