//! The knobs of a VMDK image. "mod" means that the choices repeat; the first one is what qemu-img makes.

crate::layout::layout! {
    24, KIND: "mod 3: sparse; stream-optimised; stream-optimised with its header in a footer";
    25, GRAIN: "grain: to 0xf7 mod 8: 128, 64, 32, 16, 8, 4, 2, 1 sectors; from 0xf8 mod 8 what is not supported: [`WRONG_GRAINS`](super::WRONG_GRAINS)";
    26, VERSION: "version: to 0xef mod 4: as qemu-img writes it, 1, 2, 3; from 0xf0 mod 4 what is not supported: 0, 4, 2^31, 2^32 - 1";
    27, FLAGS: "bit 0 an entry of 1 is a zeroed grain; 1 no line-end flag; 2 compressed flag turned; 3 markers flag turned; 4 compression algorithm turned; 5 not shut down cleanly; 6 line-end bytes wrong";
    28, REDUNDANT: "redundant directory, mod 4: there; not there; empty; there without its flag";
    29, DESCRIPTOR: "descriptor: to 0xef mod 4 see [`Descriptor`](super::Descriptor); from 0xf0 the file is a text descriptor, of kind [`CREATE_TYPES`](super::CREATE_TYPES) by the low 4 bits";
    30, PLACEMENT: "where the tables are, mod 6: see [`Placement`](super::Placement)";
    31, GAPS: "bits 0–3 sectors left free before each table, bits 4–7 before each grain";
    32, ORDER: "grains in the file, mod 4: ascending; descending; odd ones first; all at one place";
    33, TABLES: "tables that are there, mod 3: all (when they are at most [`ALL_TABLES`](super::ALL_TABLES)); those that name grains; these and the one after each";
    34, SPARE: "directory entries past the disk's end: bits 0–1 how many; bits 2–3 what they are: all ones, 1, a table of the disk, the file's end";
    35, OVERHEAD: "the metadata's size in the header: to 0xf7 mod 4: right; 0; the whole file; 1; from 0xf8 mod 2 wrong: one sector more than the file, 2^64 - 1";
    36, TAIL: "the file's end: to 0xf7 mod 4: whole sectors; nothing behind what is last; some bytes behind; some sectors behind; from 0xf8 the last table or directory, or the footer, lacks its last byte";
    37, TAIL_LENGTH: "how many bytes or sectors these are";
    38, LONGEST_DIRECTORY: "to 0xef directories up to 64 KiB, from 0xf0 up to 1 MiB";
    152, MAGIC: "to 0xf7 the magic number; from 0xf8 mod 4: `COWD`, `KDMX`, zeros, `VMDK`";
    153, TABLE_ENTRIES: "entries a table: to 0xf7 512; from 0xf8 mod 8 [`WRONG_TABLE_ENTRIES`](super::WRONG_TABLE_ENTRIES)";
    154, CAPACITY: "capacity: to 0xef the disk's; from 0xf0 mod 4: 0, 2^54 - 1, 2^54, 2^64 - 1 sectors";
    155, ALIASES: "from 0xe0: the empty directory entries after the first table name it too, as many as the low 5 bits and one";
    156, FOOTER_FAULT: "footer: to 0xef right; from 0xf0 mod 8 wrong: see [`FooterFault`](super::FooterFault)";
    157, NONSENSE_FIRST: "bit 0: with the header in the footer, the first one holds nonsense";
    158..=159, FOOTER_VALUE: "the footer marker's value, less 1";
    160..=161, COMPRESSION_TURNED: "turned in the compression algorithm";
    162..=165, FLAGS_TURNED: "turned in the flags, but for bits 1 and 2";
}
