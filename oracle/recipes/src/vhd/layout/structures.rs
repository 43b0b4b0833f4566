//! The footers, the header and the table.

use crate::runs::Unit;
use crate::writer::{Checksum, ChecksumKind, Field, ImageWriter, Table};

use super::super::{DYNAMIC, FIXED, Fault, Footer, LARGEST_DISK, VERSION};
use super::{FOOTER, HEADER, Making, SECTOR};

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

impl Making<'_> {
    pub(super) fn write_table(&mut self, units: &[Unit], entries: &[u32]) {
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

    pub(super) fn offer_entries(&mut self, first: u64, end: u64) {
        let end = end.min(self.entries);
        self.writer.offer_table(Table {
            name: "vhd table entry",
            start: self.table_at + 4 * first,
            entries: end.saturating_sub(first),
            width: 4,
            scale: SECTOR,
        });
    }

    pub(super) fn write_header(&mut self) {
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
        self.writer
            .offer_structure("vhd dynamic disk header", self.header_at, HEADER_FIELDS);
        // Zero is never the checksum of so few bytes.
        if fault != Some(Fault::Checksum) {
            self.checksum(self.header_at, HEADER, 36);
        }
    }

    /// A footer with everything but its checksum. `other`: of a fixed disk of another size.
    pub(super) fn footer(&self, data_offset: u64, other: bool) -> [u8; 88] {
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

    pub(super) fn write_copy(&mut self, data_offset: u64) {
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
    pub(super) fn end_footer_bytes(&self) -> u64 {
        match self.geometry.footers.end {
            Footer::Absent => 0,
            Footer::Short => FOOTER - 1,
            _ => FOOTER,
        }
    }

    pub(super) fn write_end_footer(&mut self, data_offset: u64) {
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

    pub(super) fn checksum(&mut self, start: u64, length: u64, field: u64) {
        self.writer.add_checksum(Checksum {
            kind: ChecksumKind::ByteSum,
            start,
            length,
            at: start + field,
        });
    }
}
