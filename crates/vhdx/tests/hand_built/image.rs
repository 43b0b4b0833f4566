//! A VHDX image, its fields by name, and its checksums.

use sparse::{SparseImage, crc32c};
use testing::fields::{Layout, named};
use testing::scan::ScanFormat;

pub(crate) const K: usize = 1 << 10;
pub(crate) const M: usize = 1 << 20;

/// Where headers, region tables, and the sample's BAT and metadata are.
const HEADERS: [usize; 2] = [64 * K, 128 * K];
pub(crate) const REGION_TABLES: [usize; 2] = [192 * K, 256 * K];
pub(crate) const BAT: usize = 2 * M;
pub(crate) const METADATA: usize = 3 * M;
/// A present block in the first place where there may be one.
pub(crate) const PRESENT: u64 = 4 << 20 | 6;

/// GUIDs as they lie in a file that qemu-img wrote.
pub(crate) const BAT_GUID: u128 = 0x6677_c22d_23f6_0042_9d64_115e_9bfd_4a08;
pub(crate) const METADATA_GUID: u128 = 0x06a2_7c8b_9047_9a4b_b8fe_575f_050f_886e;
const FILE_PARAMETERS: u128 = 0x3767_a1ca_36fa_434d_b3b6_33f0_aa44_e76b;
const VIRTUAL_DISK_SIZE: u128 = 0x2442_a52f_1bcd_7648_b211_5dbe_d83b_f4b8;
const VIRTUAL_DISK_ID: u128 = 0xab12_cabe_e6b2_2345_93ef_c309_e000_c746;
const LOGICAL_SECTOR_SIZE: u128 = 0x1dbf_4181_6fa9_0947_ba47_f233_a8fa_ab5f;
const PHYSICAL_SECTOR_SIZE: u128 = 0xc748_a3cd_5d44_7144_9cc9_e988_5251_c556;

pub(crate) const IMAGE: Layout = Layout {
    seal,
    ..Layout::new(ScanFormat::Vhdx, places)
};

/// Where a field is: `t` is both region tables, and regions are changed in both. `bat.9` is the entry of block 9,
/// `value.` what the metadata items hold.
fn places(name: &str) -> Vec<(usize, usize)> {
    let (structure, field) = name.split_once('.').expect("a structure and its field");
    let in_both_tables = |region: usize| REGION_TABLES.map(|table| table + 16 + 32 * region);
    let (places, fields) = match structure {
        "t" => (REGION_TABLES, &[("count", 8, 4)][..]),
        "bat_region" => (in_both_tables(0), REGION),
        "third_region" => (in_both_tables(2), REGION),
        "value" => ([METADATA + 64 * K; 2], VALUE),
        _ => {
            let block: usize = field.parse().expect("a block's number");
            return vec![(BAT + 8 * block, 8)];
        }
    };
    let places = places.into_iter().flat_map(|place| {
        let fields = named(fields, field).into_iter();
        fields.map(move |(at, width)| (place + at, width))
    });
    places.collect()
}

const REGION: &[(&str, usize, usize)] = &[("guid", 0, 8), ("start", 16, 8), ("length", 24, 4)];
const VALUE: &[(&str, usize, usize)] = &[("block_size", 0, 4), ("size", 8, 8)];

/// Puts the checksums of headers and region tables right that are wholly in the file.
pub(crate) fn seal(bytes: &mut [u8]) {
    let headers = HEADERS.map(|at| at..at + 4 * K);
    let tables = REGION_TABLES.map(|at| at..at + 64 * K);
    for place in headers.into_iter().chain(tables) {
        if let Some(structure) = bytes.get_mut(place) {
            structure[4..8].fill(0);
            let pieces = [(0, &structure[..])].into_iter();
            let checksum = crc32c::of_pieces(0, structure.len() as u64, pieces);
            structure[4..8].copy_from_slice(&checksum.to_le_bytes());
        }
    }
}

/// Ten blocks of 1 MiB, the last of which has one sector; the first, fifth and last are in the file of 7 MiB. The
/// second header is the current one.
pub(crate) fn sample() -> Vec<u8> {
    let mut bytes = vec![0; 7 * M];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, b"vhdxfile");
    for (at, sequence) in HEADERS.into_iter().zip([40_u64, 41]) {
        put(at, b"head");
        put(at + 8, &sequence.to_le_bytes());
        put(at + 16, b"file write guid.data write guid.");
        put(at + 66, &1_u16.to_le_bytes());
        put(at + 68, &(1_u32 << 20).to_le_bytes());
        put(at + 72, &(1_u64 << 20).to_le_bytes());
    }
    for at in REGION_TABLES {
        put(at, b"regi");
        put(at + 8, &2_u32.to_le_bytes());
        for (entry, guid, start) in [(at + 16, BAT_GUID, BAT), (at + 48, METADATA_GUID, METADATA)] {
            put(entry, &guid.to_be_bytes());
            put(entry + 16, &(start as u64).to_le_bytes());
            put(entry + 24, &(1_u32 << 20).to_le_bytes());
            put(entry + 28, &1_u32.to_le_bytes());
        }
    }
    for (block, place) in [(0, 4), (4, 6), (9, 5)] {
        put(BAT + 8 * block, &(place << 20 | 6_u64).to_le_bytes());
    }
    put(METADATA, b"metadata");
    put(METADATA + 10, &5_u16.to_le_bytes());
    let mut offset = 64 * K;
    for (nth, (guid, value, flags)) in [
        (FILE_PARAMETERS, &(1_u64 << 20).to_le_bytes()[..], 4_u32),
        (VIRTUAL_DISK_SIZE, &((9 << 20) + 512_u64).to_le_bytes(), 6),
        (VIRTUAL_DISK_ID, &[0x1d; 16], 6),
        (LOGICAL_SECTOR_SIZE, &512_u32.to_le_bytes(), 6),
        (PHYSICAL_SECTOR_SIZE, &4096_u32.to_le_bytes(), 6),
    ]
    .into_iter()
    .enumerate()
    {
        let entry = METADATA + 32 + 32 * nth;
        put(entry, &guid.to_be_bytes());
        put(entry + 16, &(offset as u32).to_le_bytes());
        put(entry + 20, &(value.len() as u32).to_le_bytes());
        put(entry + 24, &flags.to_le_bytes());
        put(METADATA + offset, value);
        offset += value.len();
    }
    seal(&mut bytes);
    bytes
}

/// The sample with these changes and this BAT at this place, in a longer file.
pub(crate) fn sparse(changes: &str, bat_at: u64, bat: &[u64], length: u64) -> SparseImage {
    let mut image = SparseImage::new(length);
    image.write(0, &IMAGE.with(&sample(), changes));
    let bat: Vec<u8> = bat.iter().flat_map(|entry| entry.to_le_bytes()).collect();
    image.write(bat_at, &bat);
    image
}
