//! The knobs of a VHD image. "mod" means that the choices repeat; the first one is what qemu-img makes.

crate::layout::layout! {
    24, DISK_TYPE: "type: to 0xf7 mod 4: 1 fixed, else dynamic; from 0xf8 mod 8 what is not supported: [`WRONG_TYPES`](super::WRONG_TYPES)";
    25, BLOCK_SIZE: "block: to 0xf7 mod 23: 2^(9 + (12 + byte) mod 23) bytes, 512 to 2 GiB; from 0xf8 mod 8 [`WRONG_BLOCKS`](super::WRONG_BLOCKS)";
    26, CREATOR: "creator, mod 8: [`CREATORS`](super::CREATORS)";
    27, CHS: "geometry: to 0xef mod 4: of the size; bytes 28–31; the largest; the largest otherwise; from 0xf0 one of 65535 * 255 * 255 sectors";
    28..=31, GIVEN_CHS: "cylinders (2 bytes), heads, sectors a track";
    32, CURRENT_SIZE: "the current size where the creator means the geometry, mod 4: the same; the recipe's; 0; 2^64 - 1";
    33, PLACEMENT: "where header and table are, mod 6: see [`Placement`](super::Placement)";
    34, FOOTERS: "footers: to 0xef mod 8 see [`Footers`](super::Footers), of a fixed disk the good ones; from 0xf0 mod 4 none is good";
    35, ORDER: "blocks in the file, mod 4: ascending; descending; odd ones first; all at one place";
    36, GAP: "sectors left free before each block";
    37, SPARE: "entries of the table past the disk's end";
    38, SPARE_VALUE: "what they are where no run names them, mod 3: all ones, 0, 2^32 - 2";
    39, MOST_BLOCKS: "to 0xef tables of up to 2048 entries, from 0xf0 up to 16384";
    40, FEATURES: "features: to 0xf7 the byte and the reserved bit; from 0xf8 without that bit";
    41, VERSION: "version: to 0xf7 1.0; from 0xf8 mod 4 [`WRONG_VERSIONS`](super::WRONG_VERSIONS)";
    42, HEADER_VERSION: "the same of the dynamic disk header";
    43, BEGINNING: "what a fixed disk's data begins with, mod 3: zeros, a footer's cookie, a fixed disk's footer";
    44, LONGER: "how many sectors a fixed disk's file is longer than needed, to 0xf7; from 0xf8 it is shorter by the low 3 bits and one";
    45, SHIFT: "by how many bytes header and table are shifted, where they are";
    46, ORIGINAL_SIZE: "the original size: to 0x7f the same, else nonsense";
    47, SAVED_STATE: "saved state";
    152, TOO_LARGE: "from 0xf8: the current size is too large: mod 3 0xff000001 sectors, 2^63 bytes, 2^64 - 1 bytes";
    153, FAULT: "from 0xf0 mod 8: [`Fault`](super::Fault)";
    154..=169, UNIQUE_ID: "unique id";
    170..=173, TIME_STAMP: "time stamp";
    174..=177, CREATOR_VERSION: "creator's version";
    178..=181, CREATOR_HOST: "creator's host";
    182..=185, RESERVED: "the first of the reserved bytes";
}
