//! Replaying the log of a VHDX image in memory (MS-VHDX 2.3).
//!
//! The log is a ring of sectors of 4 KiB: what runs over its end goes on at its start. No sector of an entry is in two
//! parts.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use types::ScanErrorKind;

use super::scanner::{KIB, checksum};
use crate::data::little_endian as field;
use crate::readings::Reading;
use sparse::{Bytes, SparseImage};
use types::ScanErrorKind::Corrupt;

const SECTOR: u64 = 4 * KIB;
/// Bytes of an entry's header, and of a descriptor.
const HEADER: u64 = 64;
const DESCRIPTOR: u64 = 32;

/// What the log in `place`, whose GUID the current header has, makes of the image. `None` when no entry of the log is
/// valid, and the reading takes it for empty.
pub(super) fn replay(
    image: &(impl Bytes + ?Sized),
    place: &Range<u64>,
    guid: &[u8],
    reading: Reading,
) -> Result<Option<SparseImage>, ScanErrorKind> {
    let log = Log { image, place, guid };
    let entries = log.entries();
    // vhdx-log
    if entries.is_empty() && reading.is_lenient() {
        return Ok(None);
    }
    let active = active(&entries, log.length()).ok_or(Corrupt)?;
    let mut file = SparseImage::new(image.length());
    for (at, piece) in image.pieces(0, image.length()) {
        file.write(at, piece);
    }
    let mut head = None;
    for at in active {
        head = entries.get(&at);
        head.and_then(|entry| log.write(at, entry, &mut file));
    }
    // FlushedFileOffset, and LastFileOffset.
    let head = head.filter(|&head| field(head, 48..56) <= image.length());
    let end = field(head.ok_or(Corrupt)?, 56..64);
    file.set_capacity(file.capacity().max(end));
    Ok(Some(file))
}

/// An entry's header (MS-VHDX 2.3.1.1).
type Entry = [u8; HEADER as usize];

fn length(entry: &Entry) -> u64 {
    field(entry, 8..12)
}

fn number(entry: &Entry) -> u64 {
    field(entry, 16..24)
}

/// Where the entries of the newest valid and complete sequence begin (MS-VHDX 2.3.2): its head names its tail, and their
/// numbers rise by one. `entries` are those that are valid, by where they begin in a log of `log` bytes.
fn active(entries: &BTreeMap<u64, Entry>, log: u64) -> Option<Vec<u64>> {
    let mut heads: Vec<_> = entries.iter().collect();
    heads.sort_by_key(|(_, head)| Reverse(number(head)));
    heads.into_iter().find_map(|(&head, entry)| {
        let tail = field(entry, 12..16);
        let (mut sequence, mut next) = (vec![tail], number(entries.get(&tail)?));
        while let Some(&last) = sequence.last().filter(|at| **at != head) {
            next = next.checked_add(1)?;
            let at = (last + length(&entries[&last])) % log;
            entries.get(&at).filter(|entry| number(entry) == next)?;
            sequence.push(at);
        }
        Some(sequence)
    })
}

/// A log that has to be replayed.
struct Log<'a, B: ?Sized> {
    image: &'a B,
    place: &'a Range<u64>,
    guid: &'a [u8],
}

impl<B: Bytes + ?Sized> Log<'_, B> {
    fn length(&self) -> u64 {
        self.place.end - self.place.start
    }

    /// Bytes of one sector.
    fn read<const N: usize>(&self, at: u64) -> [u8; N] {
        self.image.array(self.place.start + at % self.length())
    }

    /// The valid entries, by where they begin.
    fn entries(&self) -> BTreeMap<u64, Entry> {
        let pieces = self.image.pieces(self.place.start, self.length());
        let sectors = pieces.flat_map(|(at, piece)| {
            let from = at - self.place.start;
            let to = from + piece.len() as u64;
            (from.next_multiple_of(SECTOR)..to).step_by(SECTOR as usize)
        });
        let entries = sectors.map(|at| Some((at, self.entry(at)?)));
        entries.flatten().collect()
    }

    /// The entry that begins there, if it is valid.
    fn entry(&self, at: u64) -> Option<Entry> {
        let entry: Entry = self.read(at);
        let is_sound = entry.starts_with(b"loge")
            && entry[32..48] == *self.guid
            && number(&entry) != 0
            && length(&entry).is_multiple_of(SECTOR)
            && (SECTOR..=self.length()).contains(&length(&entry));
        if !is_sound {
            return None;
        }
        self.write(at, &entry, &mut SparseImage::default())?;
        let before_end = length(&entry).min(self.length() - at);
        let parts = [(at + 8, before_end - 8), (0, length(&entry) - before_end)];
        let parts = parts.map(|(at, length)| (self.place.start + at, length));
        (checksum(self.image, b"loge", &parts) == field(&entry, 4..8)).then_some(entry)
    }

    /// Writes what the entry at that place updates (MS-VHDX 2.3.1.2 to 2.3.1.4) to a file, which may become longer.
    /// `None` when an update is not valid.
    fn write(&self, at: u64, entry: &Entry, file: &mut SparseImage) -> Option<()> {
        let descriptors = field(entry, 24..28);
        let mut sector = (HEADER + DESCRIPTOR * descriptors).next_multiple_of(SECTOR);
        let number = &entry[16..24];
        for nth in 0..descriptors {
            let descriptor: [u8; DESCRIPTOR as usize] = self.read(at + HEADER + DESCRIPTOR * nth);
            let start = field(&descriptor, 16..24);
            if descriptor[24..] != *number || !start.is_multiple_of(SECTOR) {
                return None;
            }
            let mut length = SECTOR;
            if descriptor.starts_with(b"desc") {
                let mut data: [u8; SECTOR as usize] = self.read(at + sector);
                let [low, high] = [&number[..4], &number[4..]];
                if !data.starts_with(b"data") || data[4..8] != *high || data[4092..] != *low {
                    return None;
                }
                data[..8].copy_from_slice(&descriptor[8..16]);
                data[4092..].copy_from_slice(&descriptor[4..8]);
                file.write(start, &data);
                sector += SECTOR;
            } else {
                length = field(&descriptor, 8..16);
                if !descriptor.starts_with(b"zero") || !length.is_multiple_of(SECTOR) {
                    return None;
                }
                file.clear(start, length);
            }
            file.set_capacity(file.capacity().max(start.saturating_add(length)));
        }
        (sector <= length(entry)).then_some(())
    }
}
