//! The footers, the header and the table.

use super::geometry::{Chs, DYNAMIC, FIXED, Fault, Footer, LARGEST_DISK, VERSION};
use super::{FOOTER, HEADER, Making, SECTOR};
use crate::runs::Unit;
use crate::writer::{Checksum, ChecksumKind, Field, Table, structure};

const ENTRY: Table = Table::of("vhd table entry", 4, SECTOR);

impl Making<'_> {
    pub(super) fn write_table(&mut self, units: &[Unit], entries: &[u32]) {
        const ONES: [u8; 4096] = [0xff; 4096];
        let end = self.writer.end();
        let of_disk = self.table_at + 4 * self.disk.blocks;
        let mut at = self.table_at;
        while at < of_disk {
            let length = (of_disk - at).min(ONES.len() as u64);
            self.writer.bytes(at, &ONES[..length as usize]);
            at += length;
        }
        let (count, spare) = self.geometry.spare;
        if spare != 0 {
            self.writer.words(of_disk, &[spare; 255][..count as usize]);
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
        self.writer
            .offer_table(ENTRY, self.table_at + 4 * first, end.saturating_sub(first));
    }

    pub(super) fn write_header(&mut self) {
        const COOKIE: u64 = u64::from_be_bytes(*b"cxsparse");
        let geometry = self.geometry;
        let fault = geometry.fault;
        let at = self.header_at;
        let end = self.writer.end();
        let table_at = match fault {
            Some(Fault::TableOverCopy) => 508,
            Some(Fault::TableOverHeader) => at + HEADER - 4,
            Some(Fault::TablePastEnd) => end + FOOTER - 3,
            _ => self.table_at,
        };
        let entries = match fault {
            Some(Fault::TooFewEntries) => self.disk.blocks.saturating_sub(1),
            Some(Fault::TablePastEnd) => self.entries.max(1),
            _ => self.entries,
        };
        let cookie = COOKIE + u64::from(fault == Some(Fault::Cookie));
        structure!(self.writer, at => fields;
            0: u64 "vhd header cookie" = cookie, number COOKIE;
            8: u64 "vhd header data offset" = u64::MAX, place 1;
            16: u64 "vhd table offset" = table_at, place 1;
            24: u32 "vhd header version" = geometry.header_version, number VERSION as u64;
            28: u32 "vhd max table entries" = entries, number u32::MAX as u64;
            32: u32 "vhd block size" = geometry.block_size, number 1 << 31;
            36: u32 "vhd header checksum" = 0_u32, number u32::MAX as u64;
        );
        self.writer
            .offer_structure("vhd dynamic disk header", at, fields);
        self.writer.set_end(end);
        // Zero is never the checksum of so few bytes.
        if fault != Some(Fault::Checksum) {
            self.checksum(at, HEADER, 36);
        }
    }

    /// Writes a footer, or zeros in its place; answers its numbers.
    pub(super) fn write_footer(
        &mut self,
        at: u64,
        data_offset: u64,
        kind: Footer,
    ) -> &'static [Field] {
        const COOKIE: u64 = u64::from_be_bytes(*b"conectix");
        let geometry = self.geometry;
        let Chs(cylinders, heads, track) = self.disk.chs;
        let creator = u32::from_be_bytes(*geometry.creator.as_bytes().first_chunk().unwrap());
        let (current_size, disk_type) = if kind == Footer::Other {
            // Of a fixed disk of another size.
            (!self.disk.current_size & !511, FIXED)
        } else {
            (self.disk.current_size, geometry.disk_type)
        };
        let original_size = if geometry.nonsense_original {
            0x1234_5678_9abc_def0
        } else {
            current_size
        };
        structure!(self.writer, at => fields;
            0: u64 "vhd cookie" = COOKIE, number COOKIE;
            8: u32 "vhd features" = geometry.features, number 2;
            12: u32 "vhd file format version" = geometry.version, number VERSION as u64;
            16: u64 "vhd data offset" = data_offset, place 1;
            28: u32 "vhd creator application" = creator, number u32::from_be_bytes(*b"qemu") as u64;
            40: u64 "vhd original size" = original_size, number LARGEST_DISK * SECTOR;
            48: u64 "vhd current size" = current_size, number LARGEST_DISK * SECTOR;
            56: u16 "vhd cylinders" = cylinders, number 65535;
            58: u8 "vhd heads" = heads, number 16;
            59: u8 "vhd sectors a track" = track, number 255;
            60: u32 "vhd disk type" = disk_type, number DYNAMIC as u64;
            64: u32 "vhd checksum" = 0_u32, number u32::MAX as u64;
        );
        for (field, number) in [
            (24, geometry.time_stamp),
            (32, geometry.creator_version),
            (36, geometry.creator_host),
            (
                84,
                u32::from(geometry.saved_state) << 24 | geometry.reserved >> 8,
            ),
        ] {
            self.writer.number(at + field, 4, number.into());
        }
        self.writer.bytes(at + 68, &geometry.unique_id);
        match kind {
            Footer::Good | Footer::Other => self.checksum(at, FOOTER, 64),
            Footer::Zeros => self.writer.bytes(at, &[0; 88]),
            _ => {}
        }
        fields
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
        if kind != Footer::Absent {
            let fields = self.write_footer(at, data_offset, kind);
            self.writer.offer_structure("vhd footer", at, fields);
        }
        self.writer.set_end(end);
    }

    fn checksum(&mut self, start: u64, length: u64, field: u64) {
        self.writer.add_checksum(Checksum {
            kind: ChecksumKind::ByteSum,
            start,
            length,
            at: start + field,
        });
    }
}
