//! The knobs of a qcow2 image.

crate::layout::layout! {
    24, CLUSTER_SIZE: "cluster size: an index into [`CLUSTER_BITS`](super::geometry::CLUSTER_BITS), modulo its length";
    25, VERSION: "version, modulo 2: 0 version 3, 1 version 2, which has nothing of what is marked ³";
    26, REFCOUNT_WIDTH: "refcount width ³: an index into [`REFCOUNT_ORDERS`](super::geometry::REFCOUNT_ORDERS), modulo its length";
    27, FEATURES: "features ³: bit 0 extended L2 (from clusters of 16 KiB on), 1 external data, 2 that is raw, 3 zstd, 4 dirty, 5 corrupt";
    28, ENCRYPTION: "encryption, modulo 8: 6 LUKS, 7 AES, else none";
    29, HEADER_LENGTH: "header length ³, modulo 64: 1 is 104 (without zstd or oddity), n from 2 to 51 is 104 + 8n, else 112";
    30, EXTENSIONS: "extensions: bit 0 backing format, 1 feature names, 2 an unknown one, 3 another, empty, 4 no end marker";
    31, UNKNOWN_LENGTH: "the unknown extension's length";
    32..=33, BACKING_NAME: "the backing file name's length, modulo 1024; 0 for none";
    34, BACKING_NAME_LAST: "bit 0: the name ends with the first cluster";
    35, ORDER: "order of the parts, modulo 24; 0 refcounts, L1, L2, data";
    36, TURNED: "bit 0 data behind its L2 table, 1 L2 tables reversed, 2 data reversed";
    37, GAP: "the gap in clusters: bits 0–3 shifted up by bits 4–7";
    38, GAP_BEFORE: "bits 0–3: which of the parts in order the gap is before";
    39, DATA_GAP: "the gap after each data cluster: bits 0–3 shifted up by bits 4–6";
    40, SNAPSHOTS: "bits 0–1 snapshots (none with external data); bit 2 they hold what the disk holds, else nothing";
    41, L1_LENGTH: "L1 length, modulo 8: 1 one entry more than needed, 2 byte 42 more, 3 whole clusters, 4 byte 42 clusters more, 5 the limit less byte 42 modulo 3, else as needed";
    42, L1_ARGUMENT: "the argument of the L1 length";
    43..=44, FILE_END: "bit 15 clear: bytes cut off the last cluster if that is data, modulo a cluster; set: bytes behind it";
    45, COMPRESSED_SECTORS: "sectors of compressed data less 1, modulo those of a cluster";
    46, COMPRESSED_STEP: "where in a cluster compressed data begins, in 256ths";
    47, REFCOUNT_SPARE: "bits 0–1: spare clusters of the refcount table";
    48, COMPATIBLE: "compatible features ³";
    49, AUTOCLEAR: "autoclear features ³, without bit 1";
    152, ODDITY: "what is odd about the header: from 128 on, an index into [`Oddity::ALL`](super::header::Oddity::ALL), modulo its length";
    153, ODDITY_ARGUMENT: "the oddity's argument";
    154, L1_RESERVED_LOW: "reserved bits 0–7 of L1 entries";
    155, L1_RESERVED_HIGH: "reserved bits 56–62 of L1 entries";
    156, L1_NONSENSE: "from 0xe0 on: L1 entries past the disk's end name nonsense";
    157, ANY_SIZE: "from 0xe0 on: the size is of bytes, not of sectors";
}
