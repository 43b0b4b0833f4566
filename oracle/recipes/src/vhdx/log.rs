//! A log that has to be replayed (MS-VHDX 2.3).
//!
//! The file is first written as it is after the replay. Then some of its tables are taken back, and the log has what
//! they were: sectors of the BAT from the disk's first entry on, and the one with the disk's size. Damage does not pick
//! from the log: no device serves so much of a damaged file.

use sparse::crc32c;

use super::MIB;
use super::geometry::{Geometry, Log};
use super::layout::{Area, Layout};
use super::metadata::place_of_item;
use super::structures::LOG_GUID;
use crate::writer::ImageWriter;

const SECTOR: u64 = 4096;

/// Bytes of an entry's header, and of a descriptor.
const HEADER: usize = 64;
const DESCRIPTOR: usize = 32;

/// Takes back some of the file's tables and writes the log, if there is one.
pub(super) fn write(geometry: &Geometry, layout: &Layout, writer: &mut ImageWriter) {
    let Some(log) = layout.log_to_replay(geometry) else {
        return;
    };
    let mut changed = sectors_of_bat(layout);
    let of_bat = changed.len();
    let size = layout.metadata.start + place_of_item(geometry, layout, 1);
    if geometry.log_changes_size {
        changed.extend([size, size + 7].map(|at| at / SECTOR * SECTOR));
        changed.dedup();
    }
    let after = read(&changed, writer);
    for &at in &changed[..of_bat] {
        take_back(at, geometry, layout, writer);
    }
    if geometry.log_changes_size {
        let half = layout.virtual_size / 2;
        writer.number(size, 8, half - half % u64::from(geometry.logical_sector));
    }
    let changes = after.into_iter().zip(read(&changed, writer));
    let changes = changes.filter(|(after, before)| after != before);
    // What the log does, and what would undo it.
    let (redo, undo): (Vec<_>, Vec<_>) = changes.unzip();
    let (first, rest) = redo.split_at(redo.len().div_ceil(2));

    let start = layout.log.length - SECTOR * geometry.log_first;
    let start = start % layout.log.length;
    let mut ring = Ring {
        area: layout.log,
        guid: LOG_GUID,
        number: geometry.log_sequence,
        next: start,
        tail: start,
        file: layout.end,
        writer,
    };
    match log {
        Log::One => ring.append(0, &redo, false),
        Log::Sequence => {
            ring.append(0, &undo, false);
            ring.append(1, first, false);
            ring.append(2, rest, false);
        }
        Log::Stale => {
            ring.append(-3, &undo, false);
            ring.next = (ring.next + SECTOR) % ring.area.length;
            ring.tail = ring.next;
            ring.append(0, first, false);
            ring.append(1, rest, false);
            ring.guid ^= 1;
            ring.append(2, &undo, false);
            ring.guid ^= 1;
            ring.tail = ring.next;
            ring.append(-5, &undo, false);
        }
        Log::Torn => {
            ring.append(0, first, false);
            ring.append(1, rest, false);
            ring.append(2, &undo, true);
        }
        Log::Unanchored => {
            ring.tail = (start + SECTOR) % ring.area.length;
            ring.append(0, &redo, false);
        }
        Log::Truncated => {
            ring.file += MIB;
            ring.append(0, &redo, false);
        }
        Log::AllTorn => ring.append(0, &redo, true),
    }
}

/// A sector of the file: where it lies, and its bytes.
type Update = (u64, [u8; SECTOR as usize]);

fn read(sectors: &[u64], writer: &ImageWriter) -> Vec<Update> {
    let mut read: Vec<_> = sectors.iter().map(|&at| (at, [0; _])).collect();
    for (at, sector) in &mut read {
        writer.read(*at, sector);
    }
    read
}

/// The sectors of the BAT from that with the disk's first entry that is not zero.
fn sectors_of_bat(layout: &Layout) -> Vec<u64> {
    let first = layout.entries_on_disk().next();
    let first = first.map_or(0, |entry| 8 * layout.index(entry.block) / SECTOR * SECTOR);
    let end = (first + 3 * SECTOR).min(8 * layout.needed_entries());
    let sectors = (first..end).step_by(SECTOR as usize);
    sectors.map(|at| layout.bat.start + at).collect()
}

/// Makes the BAT's sector at that byte of the file what it was before: what is present was not, and, where data is
/// replaced, the other way round.
fn take_back(at: u64, geometry: &Geometry, layout: &Layout, writer: &mut ImageWriter) {
    let mut present = layout.entries_on_disk().filter(|entry| entry.state == 6);
    let place = present.next().filter(|_| geometry.log_replaces_data);
    let other = place.map_or(0, |entry| entry.place | 6);
    for at in (at..at + SECTOR).step_by(8) {
        let index = (at - layout.bat.start) / 8;
        let was_present = index < layout.needed_entries() && writer.read_number(at, 8) & 7 != 6;
        writer.number(at, 8, if was_present { other } else { 0 });
    }
}

/// The log: what goes on past its end goes on at its start.
struct Ring<'a> {
    area: Area,
    guid: u128,
    /// A sequence number.
    number: u64,
    /// Where the next entry begins, and where its sequence did, in bytes of the log.
    next: u64,
    tail: u64,
    /// Bytes of the file.
    file: u64,
    writer: &'a mut ImageWriter,
}

impl Ring<'_> {
    /// Writes an entry: header, descriptors and data sectors. Its number is so much more than the ring's.
    /// The end of a torn one was not written.
    fn append(&mut self, more: i64, updates: &[Update], is_torn: bool) {
        let number = self.number.wrapping_add_signed(more).to_le_bytes();
        let mut entry = vec![0; SECTOR as usize];
        for (nth, (at, sector)) in updates.iter().enumerate() {
            let at = at.to_le_bytes();
            let descriptor = if sector.iter().all(|&byte| byte == 0) {
                [&b"zero\0\0\0\0"[..], &SECTOR.to_le_bytes(), &at, &number].concat()
            } else {
                let data = [&b"data"[..], &number[4..], &sector[8..4092], &number[..4]];
                entry.extend(data.concat());
                [&b"desc"[..], &sector[4092..], &sector[..8], &at, &number].concat()
            };
            entry[HEADER + DESCRIPTOR * nth..][..DESCRIPTOR].copy_from_slice(&descriptor);
        }
        let length = entry.len() as u64;
        let header = [
            &b"loge\0\0\0\0"[..],
            &(length | self.tail << 32).to_le_bytes(),
            &number,
            &(updates.len() as u64).to_le_bytes(),
            &self.guid.to_le_bytes(),
            &(self.file / MIB * MIB).to_le_bytes(),
            &self.file.next_multiple_of(MIB).to_le_bytes(),
        ];
        entry[..HEADER].copy_from_slice(&header.concat());
        let checksum = crc32c::of_pieces(0, length, [(0, &entry[..])].into_iter());
        entry[4..8].copy_from_slice(&checksum.to_le_bytes());
        if is_torn {
            entry[length as usize - 512..].fill(0xee);
        }
        for sector in entry.chunks(SECTOR as usize) {
            self.writer.bytes(self.area.start + self.next, sector);
            self.next = (self.next + SECTOR) % self.area.length;
        }
    }
}
