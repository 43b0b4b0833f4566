//! The knobs of a VHDX image. Choices are modulo their number, and choice 0 is what qemu-img does.

crate::layout::layout! {
    24, BLOCK_SIZE: "block size, mod 9: 8 MiB, 1, 2, 4, 16, 32, 64, 128, 256 MiB";
    25, SECTORS: "sectors: bit 0 logical (512, 4096); bits 1–2 physical (512, 4096, 0, all ones)";
    26, BOUNDARY: "the disk's end at a multiple of the chunk ratio: bits 0–2 how ([`Boundary`](super::choices::Boundary)), bits 3–7 which one";
    27, HEADERS: "which header counts ([`Headers`](super::choices::Headers))";
    28, OTHER_HEADER: "the other header: bits 0–2 what is wrong with it if it were to count ([`Stale`](super::choices::Stale)), bits 3–4 how far away its number is ([`Distance`](super::choices::Distance)), bit 5 a damaged one has a wrong signature instead of checksum";
    29, TABLES: "region tables: bits 0–1 which counts ([`Tables`](super::choices::Tables)), bit 2 a damaged one has a wrong signature instead of checksum";
    30, PARTS: "order of log, BAT, metadata, unknown regions and blocks in the file, mod 120";
    31..=34, GAPS: "gap in front of log, BAT, metadata, unknown regions, in steps";
    35, BLOCKS_GAP: "gap in front of the blocks: 0 for 4 MiB, else one more than the number of steps";
    36, GAP_STEP: "a gap's step, mod 4: 1 MiB, 16 MiB, 256 MiB, 4 GiB";
    37, BAT: "BAT: bits 0–2 MiB more than the disk needs, bits 3–5 sector bitmap entries ([`Bitmaps`](super::choices::Bitmaps))";
    38, LOG_LENGTH: "log length, mod 4: 1 MiB, none, 2 MiB, 9 MiB";
    39, METADATA_LENGTH: "bits 0–2 MiB of the metadata region beyond its first";
    40, REGIONS: "unknown regions: bits 0–1 how many, bits 2–3 MiB of each beyond its first, bit 4 metadata before the BAT in the table, bits 5–6 unknown ones last, first, between, last";
    41, ITEM_ORDER: "order of the five metadata entries, mod 120";
    42, ITEMS: "metadata: bits 0–1 where the items lie ([`Items`](super::choices::Items)), bits 2–3 how many unknown items, bits 4–5 these last, first, after the second, last";
    43..=44, ITEMS_SEED: "the items' seed";
    45, FILE_PARAMETERS: "file parameters: bit 0 leave blocks allocated, bit 1 reserved bits set";
    46, BLOCK_ORDER: "blocks in the file: bits 0–1 order ([`Order`](super::choices::Order)), bits 2–7 its argument";
    47, FILE_END: "the file's end: bits 0–1 how ([`FileEnd`](super::choices::FileEnd)), bits 2–7 its argument";
    48..=49, GARBAGE_SEED: "seed of garbage";
    50, CREATOR: "creator, mod 4: QEMU, Windows, none, garbage";
    51, RESERVED: "reserved bytes that are not zero ([`Reserved`](super::choices::Reserved))";
    52..=55, SEQUENCE: "sequence number";
    152, ODDITY: "oddity ([`Oddity`](super::oddity::Oddity)), below 0x80 none";
    154..=157, ODDITY_ARGUMENT: "the oddity's argument";
    158, MOST_BLOCKS: "from 0xf0 on a large disk may be: up to 131200 blocks instead of 8192; from 0xf8 on the first MiB of its BAT is just full, give or take";
    159, MORE_REGIONS: "from 0xf0 on 24 more unknown regions, and the byte's low 3 bits";
    160, FAR: "from 0xe0 on the blocks begin 2^(40 + low 5 bits mod 20) bytes farther away";
    161, LOG_OUTSIDE: "from 0xf0 on the log lies behind the file's end";
    162..=163, LOG_VERSION: "version of the log's format, which does not matter while there is none";
}
