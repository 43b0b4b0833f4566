//! Where everything lies in the file.

use crate::choices::choose;
use crate::recipe::Recipe;
use crate::runs::Unit;
use types::ScanErrorKind;

use super::MIB;
use super::geometry::{Boundary, FileEnd, Geometry, Log, Order};
use super::oddity::{Oddity, split};

/// The largest disk: 64 TiB (MS-VHDX 2.6.2.2, as QEMU reads it).
pub(super) const LARGEST_DISK: u64 = 64 << 40;

/// Bytes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Area {
    pub(super) start: u64,
    pub(super) length: u64,
}

impl Area {
    pub(super) const fn end(self) -> u64 {
        self.start + self.length
    }
}

/// An entry of the BAT.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// The payload block.
    pub(super) block: u64,
    /// Its state: 0 to 7.
    pub(super) state: u8,
    /// Reserved bits.
    reserved: u64,
    /// The place in the file that the entry names: a multiple of 1 MiB.
    pub(super) place: u64,
    /// What it takes of the file in front of its place.
    gap: u64,
    /// Whether it lies where the block before it does.
    shares: bool,
}

/// The state of a unit's entry.
pub(super) fn state_of(unit: &Unit) -> u8 {
    match unit.kind {
        kind @ 0xf0.. => choose(&[4, 5, 7], kind),
        kind => choose(&[6, 0, 1, 2, 3], kind),
    }
}

impl Entry {
    fn of(unit: &Unit, geometry: &Geometry, block_size: u64) -> Self {
        let garbage = geometry.garbage(unit.index);
        let extra = |bit: u8, then: u64| if unit.extra & bit == 0 { 0 } else { then };
        let shares = unit.extra == 7;
        Self {
            block: unit.index,
            state: state_of(unit),
            reserved: extra(1, (garbage & 0x1ffff) << 3),
            place: extra(2, garbage & !(MIB - 1)),
            gap: extra(2, MIB) + extra(4, block_size),
            shares,
        }
    }

    pub(super) const fn value(&self) -> u64 {
        self.place | self.reserved | self.state as u64
    }
}

/// Where everything lies.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// The disk's size in bytes.
    pub(super) virtual_size: u64,
    /// Bytes of a block.
    pub(super) block_size: u64,
    /// Payload blocks of the disk.
    pub(super) blocks: u64,
    /// Payload entries between two sector bitmap entries.
    chunk_ratio: u64,
    pub(super) log: Area,
    pub(super) bat: Area,
    pub(super) metadata: Area,
    /// All unknown regions together.
    pub(super) unknown: Area,
    /// How many these are.
    pub(super) unknown_regions: u64,
    /// The entries of the BAT that are not zero, by block.
    pub(super) entries: Vec<Entry>,
    /// How many of them are of the disk.
    pub(super) on_disk: usize,
    /// The file's length in bytes.
    pub(super) end: u64,
    /// Whether blocks lie in one place.
    pub(super) shares_places: bool,
    /// Whether the file is as long as one of QEMU's.
    pub(super) is_as_of_qemu: bool,
}

/// How many payload entries are between two sector bitmap entries (MS-VHDX 2.5).
pub(super) const fn chunk_ratio(block_size: u64, logical_sector: u32) -> u64 {
    (1 << 23) * logical_sector as u64 / block_size
}

/// Bytes of the BAT in a file of QEMU's (`vhdx_create_bat` of `block/vhdx.c`): whole MiB. For a disk of
/// no blocks its count of bitmap entries wraps in 32 bits, so that the BAT is a long one.
pub(super) fn bat_length(blocks: u64, chunk_ratio: u64) -> u64 {
    let before_last = blocks.checked_sub(1).unwrap_or(u64::from(u32::MAX));
    (8 * (blocks + before_last / chunk_ratio)).next_multiple_of(MIB)
}

/// How many payload entries a BAT of `length` bytes has room for.
fn slots(length: u64, chunk_ratio: u64) -> u64 {
    let chunk = chunk_ratio + 1;
    let room = length / 8;
    room / chunk * chunk_ratio + (room % chunk).min(chunk_ratio)
}

fn virtual_size(recipe: &Recipe, geometry: &Geometry, block_size: u64, ratio: u64) -> u64 {
    let sector = u64::from(geometry.logical_sector);
    if geometry.oddity == Oddity::LargestDisk {
        return LARGEST_DISK;
    }
    if let Some(entries) = geometry.exact_entries {
        return (entries - entries / (ratio + 1)) * block_size;
    }
    let multiple = u64::from(geometry.boundary_at) % (8192 / ratio).max(1) + 1;
    let at = multiple * ratio * block_size;
    match geometry.boundary {
        Boundary::No => recipe
            .size
            .bytes(block_size, geometry.most_blocks * block_size, sector),
        Boundary::BlockBefore => at - block_size,
        Boundary::At => at,
        Boundary::BlockAfter => at + block_size,
        Boundary::SectorAfter => at + sector,
        Boundary::SectorBefore => at - sector,
        Boundary::SectorBeforeBlockAfter => at + block_size - sector,
    }
}

impl Layout {
    pub(super) fn new(recipe: &Recipe, geometry: &Geometry) -> Self {
        let block_size = match geometry.oddity {
            Oddity::LargestDisk => 256 * MIB,
            _ => geometry.block_size,
        };
        let chunk_ratio = chunk_ratio(block_size, geometry.logical_sector);
        let virtual_size = virtual_size(recipe, geometry, block_size, chunk_ratio);
        let blocks = virtual_size.div_ceil(block_size);
        let bat_length = bat_length(blocks, chunk_ratio) + geometry.spare_bat * MIB;
        let slots = slots(bat_length, chunk_ratio);
        let entries: Vec<Entry> = recipe
            .runs
            .units(blocks, slots)
            .iter()
            .map(|unit| Entry::of(unit, geometry, block_size))
            .collect();
        let on_disk = entries.partition_point(|entry| entry.block < blocks);
        let mut layout = Self {
            virtual_size,
            block_size,
            blocks,
            chunk_ratio,
            unknown_regions: geometry.unknown_regions,
            entries,
            on_disk,
            end: MIB,
            ..Self::default()
        };
        layout.bat.length = bat_length;
        layout.log.length = geometry.log_length * MIB;
        layout.metadata.length = geometry.metadata_length * MIB;
        layout.unknown.length = geometry.unknown_regions * geometry.unknown_length * MIB;
        layout.place_all(geometry);
        layout.be_odd(geometry);
        layout
    }

    /// Places regions and blocks.
    fn place_all(&mut self, geometry: &Geometry) {
        // The last block, when it is to be the file's end.
        let last = self.on_disk.checked_sub(1).filter(|&last| {
            let last = &self.entries[last];
            let ends = matches!(
                geometry.file_end,
                FileEnd::LastBlockCut | FileEnd::LastBlockWhole
            );
            ends && last.state == 6 && last.block + 1 == self.blocks
        });
        let mut gaps_in_blocks = false;
        for part in geometry.parts {
            self.end += geometry.gaps[usize::from(part)] * MIB;
            let area = match part {
                0 if geometry.log_outside => continue,
                0 => &mut self.log,
                1 => &mut self.bat,
                2 => &mut self.metadata,
                3 => &mut self.unknown,
                _ => {
                    self.end += geometry.far;
                    let start = self.end;
                    self.place_blocks(geometry, last);
                    gaps_in_blocks = self.end - start != self.present_on_disk() * self.block_size;
                    continue;
                }
            };
            area.start = self.end;
            self.end += area.length;
        }
        self.is_as_of_qemu = !gaps_in_blocks
            && geometry.parts == [0, 1, 2, 3, 4]
            && geometry.gaps == [0, 0, 0, 0, 4]
            && geometry.far == 0
            && !geometry.log_outside
            && (geometry.log_length, geometry.metadata_length) == (1, 1)
            && (geometry.unknown_regions, geometry.spare_bat) == (0, 0)
            && geometry.logical_sector == 512
            && geometry.file_end == FileEnd::Plain;
        if geometry.file_end == FileEnd::Trailing {
            self.end += 1 + 33 * u64::from(geometry.file_end_argument);
        }
        if let Some(last) = last {
            let inside = self.inside_disk(&self.entries[last]);
            self.entries[last].place = self.end;
            self.end += match geometry.file_end {
                FileEnd::LastBlockCut => inside,
                _ => self.block_size,
            };
        }
        if geometry.log_outside {
            // Behind the whole of a last block, whatever of it is in the file.
            let behind = self.end + self.block_size;
            let more = 1 + u64::from(geometry.file_end_argument);
            self.log.start = behind.next_multiple_of(MIB) + more * MIB;
        }
    }

    /// Places the present blocks of the disk, but for the one that is to be the file's end.
    fn place_blocks(&mut self, geometry: &Geometry, at_the_end: Option<usize>) {
        let present: Vec<usize> = (0..self.on_disk)
            .filter(|&nth| self.entries[nth].state == 6 && Some(nth) != at_the_end)
            .collect();
        let count = present.len();
        let rotated_by = usize::from(geometry.order_argument) + 1;
        let mut before = None;
        for nth in 0..count {
            let which = match geometry.order {
                Order::Rising => nth,
                Order::Falling => count - 1 - nth,
                Order::Interleaved => match nth.checked_sub(count.div_ceil(2)) {
                    None => 2 * nth,
                    Some(nth) => 2 * nth + 1,
                },
                Order::Rotated => (nth + rotated_by) % count,
            };
            let entry = &mut self.entries[present[which]];
            match before {
                Some(place) if entry.shares => {
                    entry.place = place;
                    self.shares_places = true;
                }
                _ => {
                    entry.place = self.end + entry.gap;
                    self.end = entry.place + self.block_size;
                }
            }
            before = Some(entry.place);
        }
    }

    /// Does what an oddity does to places.
    fn be_odd(&mut self, geometry: &Geometry) {
        match geometry.oddity {
            Oddity::BlockOver(argument) | Oddity::BlockOutside(argument) => {
                let (how, which) = split(argument, 4);
                let present = self.present_on_disk().max(1);
                let mut entries = (0..self.on_disk).filter(|nth| self.entries[*nth].state == 6);
                let Some(nth) = entries.nth((u64::from(which) % present) as usize) else {
                    return;
                };
                let end = self.end;
                let inside = self.inside_disk(&self.entries[nth]);
                let is_over = matches!(geometry.oddity, Oddity::BlockOver(_));
                self.entries[nth].place = match how {
                    1 if is_over && self.log.length != 0 => self.log.end() - MIB,
                    2 if is_over => self.bat.end() - MIB,
                    3 if is_over => self.metadata.start,
                    _ if is_over => 0,
                    0 => end.next_multiple_of(MIB),
                    // The last MiB that is too late for the part inside the disk to fit.
                    1 => (end - inside.min(end) + 1).next_multiple_of(MIB),
                    2 => !(MIB - 1),
                    _ => 1 << 63,
                };
            }
            Oddity::FileShort(argument) => {
                let short = [1, 511, 512, MIB][split(argument, 4).0];
                self.end = self.needed_end() - short;
            }
            _ => {}
        }
    }

    /// Where what the scanner wants in the file ends.
    fn needed_end(&self) -> u64 {
        let regions = [self.bat, self.metadata, self.unknown]
            .into_iter()
            .filter(|region| region.length != 0)
            .map(Area::end);
        let blocks = self.entries_on_disk().filter(|entry| entry.state == 6);
        blocks
            .map(|entry| entry.place + self.inside_disk(entry))
            .chain(regions)
            .max()
            .unwrap_or(MIB)
    }

    /// How much of a block is part of the disk.
    fn inside_disk(&self, entry: &Entry) -> u64 {
        (self.virtual_size - entry.block * self.block_size).min(self.block_size)
    }

    /// The entries of the disk.
    pub(super) fn entries_on_disk(&self) -> impl Iterator<Item = &Entry> {
        self.entries[..self.on_disk].iter()
    }

    /// How many blocks of the disk are present.
    pub(super) fn present_on_disk(&self) -> u64 {
        self.entries_on_disk()
            .filter(|entry| entry.state == 6)
            .count() as u64
    }

    /// How many payload entries there are.
    pub(super) fn slots(&self) -> u64 {
        slots(self.bat.length, self.chunk_ratio)
    }

    /// The number of a payload block's entry.
    pub(super) const fn index(&self, block: u64) -> u64 {
        block + block / self.chunk_ratio
    }

    /// How many sector bitmap entries there are up to the one behind the disk's last entry.
    pub(super) const fn bitmap_entries(&self) -> u64 {
        let room = self.bat.length / 8 / (self.chunk_ratio + 1);
        let used = self.blocks / self.chunk_ratio;
        if used < room { used } else { room }
    }

    /// The number of a sector bitmap entry.
    pub(super) const fn bitmap_index(&self, nth: u64) -> u64 {
        nth * (self.chunk_ratio + 1) + self.chunk_ratio
    }

    /// How many entries the disk needs.
    pub(super) const fn needed_entries(&self) -> u64 {
        self.blocks + self.blocks.saturating_sub(1) / self.chunk_ratio
    }

    /// The log that has to be replayed.
    pub(super) fn log_to_replay(&self, geometry: &Geometry) -> Option<Log> {
        let has_room = self.log.length != 0 && !geometry.log_outside;
        let is_plain = geometry.oddity == Oddity::None && geometry.log_version == 0;
        geometry.log.filter(|_| has_room && is_plain)
    }

    /// The BAT's length in the region table.
    pub(super) fn stated_bat_length(&self, geometry: &Geometry) -> u64 {
        match geometry.oddity {
            Oddity::BatShort => (8 * self.needed_entries())
                .next_multiple_of(MIB)
                .saturating_sub(MIB),
            _ => self.bat.length,
        }
    }

    /// How many areas of the file are taken that must not overlap, payload not counted: the headers and
    /// the metadata, and what is not empty of log, BAT and unknown regions.
    pub(super) fn areas(&self, geometry: &Geometry) -> u64 {
        let log = u64::from(self.log.length != 0);
        let bat = u64::from(self.stated_bat_length(geometry) != 0);
        2 + log + bat + self.unknown_regions
    }

    /// For what the oddity makes a scanner refuse the image.
    pub(super) fn refusal(&self, geometry: &Geometry) -> Option<ScanErrorKind> {
        let is_odd = match geometry.oddity {
            Oddity::BlockOver(_) | Oddity::BlockOutside(_) => self.present_on_disk() != 0,
            Oddity::BatShort => self.needed_entries() != 0,
            _ => true,
        };
        geometry.oddity.kind().filter(|_| is_odd)
    }
}
