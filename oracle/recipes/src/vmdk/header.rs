//! The header, the descriptor and the footer.

use types::ScanErrorKind::Unsupported;

use super::geometry::{Descriptor, FooterFault, Kind, MAGIC, Overhead, Tail};
use super::{DESCRIPTOR_SECTORS, ENTRIES, Making, Marker, SECTOR};
use crate::truth::Truth;
use crate::writer::{Field, ImageWriter, Table, structure};

/// A directory offset with the meaning: the header is in the footer.
const IN_FOOTER: u64 = u64::MAX;

const DIRECTORY: Table = Table::of("vmdk grain directory entry", 4, SECTOR);

impl Making<'_> {
    /// The header's room, and the descriptor.
    pub(super) fn begin(&mut self) {
        self.writer.allocate(SECTOR, SECTOR);
        if self.geometry.descriptor == Descriptor::Absent {
            return;
        }
        let at = self.writer.allocate(DESCRIPTOR_SECTORS * SECTOR, SECTOR);
        let end = self.writer.end();
        let kind = match self.geometry.kind {
            Kind::Sparse => "monolithicSparse",
            _ => "streamOptimized",
        };
        let sectors = (self.disk.size / SECTOR).to_string();
        let text = [
            DESCRIPTOR_HEAD,
            kind,
            "\"\n\n# Extent description\nRW ",
            &sectors,
            DESCRIPTOR_TAIL,
        ];
        self.writer.bytes(at, text.concat().as_bytes());
        self.writer.set_end(end);
    }

    /// The file's end, its header, and its footer.
    pub(super) fn finish(&mut self) {
        let end = self.writer.end();
        let cut = self.geometry.tail == Tail::Cut;
        let footer = self.geometry.kind == Kind::StreamWithFooter;
        match self.geometry.tail {
            Tail::Sector => self.writer.set_end(end.next_multiple_of(SECTOR)),
            Tail::Nothing => {}
            Tail::Bytes(bytes) => self.writer.set_end(end + bytes),
            Tail::Cut if footer => {}
            Tail::Cut => self.writer.set_end(self.end_of_tables() - 1),
        }
        let mut directory = self.directory_at / SECTOR;
        if footer {
            self.write_footer();
            directory = IN_FOOTER;
        }
        let end = self.writer.end();
        let fields = self.write_header(0, self.geometry.magic, directory, end);
        if self.geometry.nonsense_first {
            for (at, length) in [(4, 8), (20, 8), (36, 20), (64, 15)] {
                self.writer.bytes(at, &[0xee; 20][..length]);
            }
        }
        self.writer
            .set_end(if cut && footer { end - 1 } else { end });
        self.writer.offer_structure("vmdk header", 0, fields);

        let entries = self.disk.tables + self.geometry.spare.0;
        let mut offer = |first: u64, end: u64| {
            let entries = end.saturating_sub(first);
            self.writer
                .offer_table(DIRECTORY, self.directory_at + 4 * first, entries);
        };
        offer(0, entries.min(32));
        for part in self.parts.iter().filter(|part| part.number >= 32).take(4) {
            offer(part.number - 1, (part.number + 2).min(entries));
        }
        offer(entries.saturating_sub(4).max(32), entries);
    }

    /// How many sectors of metadata the header announces, in a file of so many.
    pub(super) fn announced_overhead(&self, sectors: u64) -> u64 {
        match self.geometry.overhead {
            Overhead::Right => self.data_start / SECTOR,
            Overhead::File => sectors,
            Overhead::Sectors(sectors) => sectors,
            Overhead::MoreThanFile => sectors + 1,
        }
    }

    /// Writes a header of a file of `end` bytes; answers its numbers.
    fn write_header(&mut self, at: u64, magic: &str, directory: u64, end: u64) -> &'static [Field] {
        let geometry = self.geometry;
        let magic = u32::from_le_bytes(*magic.as_bytes().first_chunk().expect("four letters"));
        let (descriptor, descriptor_size) = match geometry.descriptor {
            Descriptor::Embedded | Descriptor::Alone(_) => (1, DESCRIPTOR_SECTORS),
            Descriptor::Absent | Descriptor::Unnamed => (0, 0),
            Descriptor::Elsewhere => (1_u64 << 40, 1),
        };
        let overhead = self.announced_overhead(end.div_ceil(SECTOR));
        let capacity = geometry.capacity.unwrap_or(self.disk.size / SECTOR);
        structure!(self.writer, at => fields;
            0: u32 "vmdk magicNumber" = magic, number 0x564d_444b;
            4: u32 "vmdk version" = geometry.version, number 3;
            8: u32 "vmdk flags" = geometry.flags, number u32::MAX as u64;
            12: u64 "vmdk capacity" = capacity, number (1 << 54) - 1;
            20: u64 "vmdk grainSize" = geometry.grain_sectors, number 128;
            28: u64 "vmdk descriptorOffset" = descriptor, place SECTOR;
            36: u64 "vmdk descriptorSize" = descriptor_size, number DESCRIPTOR_SECTORS;
            44: u32 "vmdk numGTEsPerGT" = geometry.table_entries, number ENTRIES;
            48: u64 "vmdk rgdOffset" = self.redundant_at / SECTOR, place SECTOR;
            56: u64 "vmdk gdOffset" = directory, place SECTOR;
            64: u64 "vmdk overHead" = overhead, place SECTOR;
            72: u8 "vmdk uncleanShutdown" = geometry.unclean, number 1;
            77: u16 "vmdk compressAlgorithm" = geometry.compression, number 1;
        );
        let line_ends = if geometry.line_ends {
            b"\n \r\n"
        } else {
            b"\n\n\n\n"
        };
        self.writer.bytes(at + 73, line_ends);
        fields
    }

    fn write_footer(&mut self) {
        let fault = self.geometry.footer_fault;
        let is = |wrong: FooterFault| fault == Some(wrong);
        let at = self.writer.end();
        let end = at + 3 * SECTOR;
        let directory = match fault {
            Some(FooterFault::Footer) => IN_FOOTER,
            _ => self.directory_at / SECTOR,
        };
        let magic = if is(FooterFault::Magic) {
            "KDMX"
        } else {
            MAGIC
        };
        let marker = Marker::Footer as u32 + u32::from(is(FooterFault::MarkerType));
        structure!(self.writer, at => markers;
            0: u64 "vmdk footer marker's value" = self.geometry.footer_value, number 1;
            8: u32 "vmdk footer marker's size" = is(FooterFault::MarkerSize), number 0;
            12: u32 "vmdk footer marker's type" = marker, number 3;
            1024: u64 "vmdk end-of-stream marker's value" = is(FooterFault::EndValue), number 0;
            1032: u32 "vmdk end-of-stream marker's size" = is(FooterFault::EndSize), number 0;
            1036: u32 "vmdk end-of-stream marker's type" = is(FooterFault::EndType), number 0;
        );
        // Between the markers.
        let header = self.write_header(at + SECTOR, magic, directory, end);
        if is(FooterFault::Absent) {
            self.writer.bytes(at, &[0; 3 * SECTOR as usize]);
        }
        self.writer.set_end(end);
        self.writer
            .offer_structure("vmdk footer", at + SECTOR, header);
        self.writer
            .offer_structure("vmdk footer's markers", at, markers);
    }
}

const DESCRIPTOR_HEAD: &str =
    "# Disk DescriptorFile\nversion=1\nCID=7a5c0de1\nparentCID=ffffffff\ncreateType=\"";
const DESCRIPTOR_TAIL: &str = " SPARSE \"image.vmdk\"\n\n# The Disk Data Base\n#DDB\n\n\
    ddb.virtualHWVersion = \"4\"\nddb.adapterType = \"ide\"\n";

/// A file that is a descriptor of this kind.
pub(super) fn build_descriptor(kind: &str, writer: &mut ImageWriter) -> Truth {
    let text = [
        DESCRIPTOR_HEAD,
        kind,
        "\"\n\n# Extent description\nRW 8192 FLAT \"a-flat.vmdk\" 0\nRW 8192 FLAT \"b-flat.vmdk\" 0\n",
    ];
    writer.bytes(0, text.concat().as_bytes());
    writer.offer_structure("vmdk text descriptor", 0, &[]);
    let mut truth = Truth::new(0);
    truth.refuse(Unsupported);
    truth
}
