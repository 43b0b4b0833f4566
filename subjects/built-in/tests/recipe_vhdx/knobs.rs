//! Each byte is the knob that the documentation says.

use recipes::at;
use recipes::vhdx::Geometry;
use recipes::vhdx::geometry::{
    Bitmaps, Boundary, Creator, Distance, FileEnd, Headers, Items, Order, Reserved, Stale, Stand,
    Tables,
};
use recipes::vhdx::oddity::Oddity;

use crate::{Bytes, decode};

const PLAIN: Geometry = Geometry {
    block_size: 8 << 20,
    logical_sector: 512,
    physical_sector: 512,
    boundary: Boundary::No,
    boundary_at: 0,
    headers: Headers::SecondNewer,
    stale: Stale::Nothing,
    distance: Distance::One,
    header_signature_wrong: false,
    tables: Tables::Same,
    table_signature_wrong: false,
    parts: [0, 1, 2, 3, 4],
    gaps: [0, 0, 0, 0, 4],
    spare_bat: 0,
    bitmaps: Bitmaps::NotPresent,
    log_length: 1,
    metadata_length: 1,
    unknown_regions: 0,
    unknown_length: 1,
    metadata_first: false,
    unknown_regions_stand: Stand::Last,
    items: [0, 1, 2, 3, 4],
    items_lie: Items::Packed,
    unknown_items: 0,
    unknown_items_stand: Stand::Last,
    items_seed: 0,
    leave_blocks_allocated: false,
    parameters_reserved: false,
    order: Order::Rising,
    order_argument: 0,
    file_end: FileEnd::Plain,
    file_end_argument: 0,
    garbage_seed: 0,
    creator: Creator::Qemu,
    reserved: Reserved(0),
    sequence: 0,
    oddity: Oddity::None,
    most_blocks: 8192,
    exact_entries: None,
    far: 0,
    log_outside: false,
    log_version: 0,
};

fn decoded(bytes: &[(usize, u8)]) -> Geometry {
    let mut recipe: Bytes = [0; _];
    recipe[at::FORMAT] = 3;
    for &(position, value) in bytes {
        recipe[position] = value;
    }
    recipes::vhdx::geometry(&decode(&recipe))
}

/// That the bytes make the plain geometry, but for these fields.
macro_rules! assert_knobs {
    ($([$($byte:expr => $value:expr),*] $field:ident: $expected:expr $(, $more:ident: $other:expr)*;)*) => {
        $(
            let expected = Geometry { $field: $expected, $($more: $other,)* ..PLAIN };
            assert_ne!(expected, PLAIN);
            assert_eq!(decoded(&[$(($byte, $value)),*]), expected, "bytes {:?}", [$(($byte, $value)),*]);
        )*
    };
}

#[test]
fn every_byte_is_the_knob_that_the_documentation_says() {
    assert_eq!(decoded(&[]), PLAIN);
    assert_knobs! {
        [24 => 1] block_size: 1 << 20;
        [24 => 8] block_size: 256 << 20;
        [24 => 9 + 3] block_size: 4 << 20;
        [25 => 1] logical_sector: 4096;
        [25 => 2] physical_sector: 4096;
        [25 => 6] physical_sector: u32::MAX;
        [26 => 1] boundary: Boundary::BlockBefore;
        [26 => 2 | 31 << 3] boundary: Boundary::At, boundary_at: 31;
        [26 => 3] boundary: Boundary::BlockAfter;
        [26 => 4] boundary: Boundary::SectorAfter;
        [26 => 5] boundary: Boundary::SectorBefore;
        [26 => 6] boundary: Boundary::SectorBeforeBlockAfter;
        [27 => 1] headers: Headers::FirstNewer;
        [27 => 2] headers: Headers::Equal;
        [27 => 5 + 3] headers: Headers::FirstDamaged;
        [27 => 4] headers: Headers::SecondDamaged;
        [28 => 1] stale: Stale::DirtyLog;
        [28 => 2] stale: Stale::Version;
        [28 => 3] stale: Stale::LogMisaligned;
        [28 => 4] stale: Stale::LogOverMetadata;
        [28 => 8] distance: Distance::LowHalfTurned;
        [28 => 16] distance: Distance::TopBit;
        [28 => 24] distance: Distance::AtTheEnd;
        [28 => 32] header_signature_wrong: true;
        [29 => 1] tables: Tables::FirstDamaged;
        [29 => 2] tables: Tables::SecondDamaged;
        [29 => 3] tables: Tables::SecondOther;
        [29 => 4] table_signature_wrong: true;
        [30 => 1] parts: [1, 0, 2, 3, 4];
        [30 => 119] parts: [4, 3, 2, 1, 0];
        [31 => 2] gaps: [2, 0, 0, 0, 4];
        [32 => 3, 36 => 1] gaps: [0, 48, 0, 0, 4];
        [33 => 255, 36 => 3] gaps: [0, 0, 255 << 12, 0, 4];
        [34 => 1, 36 => 2] gaps: [0, 0, 0, 256, 4];
        [35 => 1] gaps: [0, 0, 0, 0, 0];
        [35 => 3, 36 => 1] gaps: [0, 0, 0, 0, 32];
        [37 => 7] spare_bat: 7;
        [37 => 8] bitmaps: Bitmaps::Present;
        [37 => 16] bitmaps: Bitmaps::Ones;
        [37 => 24] bitmaps: Bitmaps::Partial;
        [37 => 32] bitmaps: Bitmaps::Garbage;
        [38 => 1] log_length: 0;
        [38 => 2] log_length: 2;
        [38 => 3] log_length: 9;
        [39 => 7] metadata_length: 8;
        [40 => 3] unknown_regions: 3;
        [40 => 12] unknown_length: 4;
        [40 => 16] metadata_first: true;
        [40 => 32] unknown_regions_stand: Stand::First;
        [40 => 64] unknown_regions_stand: Stand::Between;
        [41 => 1] items: [1, 0, 2, 3, 4];
        [42 => 1] items_lie: Items::OverBorders;
        [42 => 2] items_lie: Items::AtTheEnd;
        [42 => 3] items_lie: Items::Scattered;
        [42 => 12] unknown_items: 3;
        [42 => 16] unknown_items_stand: Stand::First;
        [42 => 32] unknown_items_stand: Stand::Between;
        [43 => 1, 44 => 2] items_seed: 0x201;
        [45 => 1] leave_blocks_allocated: true;
        [45 => 2] parameters_reserved: true;
        [46 => 1] order: Order::Falling;
        [46 => 2] order: Order::Interleaved;
        [46 => 255] order: Order::Rotated, order_argument: 63;
        [47 => 1] file_end: FileEnd::LastBlockCut;
        [47 => 2] file_end: FileEnd::LastBlockWhole;
        [47 => 255] file_end: FileEnd::Trailing, file_end_argument: 63;
        [48 => 1, 49 => 2] garbage_seed: 0x201;
        [50 => 1] creator: Creator::Windows;
        [50 => 2] creator: Creator::Nobody;
        [50 => 3] creator: Creator::Garbage;
        [51 => 0x81] reserved: Reserved(0x81);
        [52 => 1, 53 => 2, 54 => 3, 55 => 4] sequence: 0x0403_0201;
        [152 => 0x80] oddity: Oddity::FileSignature(0);
        [152 => 0x80, 154 => 1, 155 => 2, 156 => 3, 157 => 4] oddity: Oddity::FileSignature(0x0403_0201);
        [152 => 0x83] oddity: Oddity::DirtyLog;
        [152 => 0x80 + 36] oddity: Oddity::LargestDisk;
        [152 => 0xff] oddity: Oddity::RegionsOverlap;
        [158 => 0xf0] most_blocks: 131_200;
        [158 => 0xff] most_blocks: 131_200, exact_entries: Some((1 << 17) + 3);
        [159 => 0xf0] unknown_regions: 24;
        [159 => 0xff, 40 => 3] unknown_regions: 34;
        [160 => 0xe0] far: 1 << 40;
        [160 => 0xff] far: 1 << 51;
        [161 => 0xf0] log_outside: true;
        [162 => 1, 163 => 2] log_version: 0x201;
    }
    // Rare ones are rare, and a byte that is said to be ignored is.
    for (position, value) in [
        (152, 0x7f),
        (153, 0xff),
        (154, 0xff),
        (158, 0xef),
        (159, 0xef),
        (160, 0xdf),
        (161, 0xef),
        (164, 0xff),
        (191, 0xff),
    ] {
        assert_eq!(decoded(&[(position, value)]), PLAIN, "byte {position}");
    }
}
