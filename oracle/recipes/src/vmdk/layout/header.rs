//! The header, the descriptor and the footer.

use crate::truth::Truth;
use crate::writer::{Field, ImageWriter, Table};
use types::ScanErrorKind::Unsupported;

use super::super::{Capacity, Descriptor, FooterFault, Kind, Overhead, Tail};
use super::{DESCRIPTOR_SECTORS, ENTRIES, Making, Marker, SECTOR};

/// A directory offset with the meaning: the header is in the footer.
const IN_FOOTER: u64 = u64::MAX;

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

impl Making<'_> {
    /// The header's room, and the descriptor.
    pub(super) fn begin(&mut self) {
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

    /// The file's end, its header, and its footer.
    pub(super) fn finish(&mut self, end_of_tables: u64) {
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
pub(super) fn build_descriptor(kind: &str, writer: &mut ImageWriter) -> Truth {
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
