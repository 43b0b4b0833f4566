//! Known answers: of data, and of options and sizes that qemu-img does not have. What it does have is compared with it
//! in `tools/images/tests`.

use measure::MeasureError::{InvalidSize, Overflow};
use measure::VhdSubformat::{Dynamic, Fixed};
use measure::VmdkSubformat::{MonolithicFlat, MonolithicSparse, StreamOptimized};
use measure::{Geometry, Options, chs, unit};

use crate::{GIB, KIB, MIB, TIB, clusters, sizes, vhd, vhdx, vmdk};

/// Data takes whole clusters, also on a disk that ends inside one.
#[test]
fn known_sizes_of_qcow2() {
    let (none, full) = sizes(clusters(4096), MIB, 0).unwrap();
    assert_eq!((none, full), (20480, 1_069_056));
    for (data, count) in [(1, 1), (4096, 1), (4097, 2), (MIB, 256)] {
        let expected = Ok((none + count * 4096, full));
        assert_eq!(sizes(clusters(4096), MIB, data), expected);
    }
    let (none, full) = sizes(clusters(4096), 4097, 0).unwrap();
    assert_eq!(full, none + 8192);
    assert_eq!(sizes(clusters(4096), 4097, 4097), Ok((full, full)));
}

/// With other grain sizes than qemu-img's, the same formula by hand.
#[test]
fn known_sizes_of_vmdk() {
    let known = |subformat, grain, [size, data]: [u64; 2], required, full| {
        let options = vmdk(subformat, grain);
        assert_eq!(sizes(options, size, data), Ok((required, full)));
    };
    let sparse = MonolithicSparse;
    known(sparse, 65536, [MIB, 1], 131_072, 65536 + MIB);
    // A seventeenth grain, which counts as whole.
    known(sparse, 65536, [MIB + 1, MIB + 1], 18 * 65536, 18 * 65536);
    // The most grains: 2^23 tables, a directory of 2^16 sectors, and 24 sectors more with rounding.
    let (disk, head) = (((1 << 32) - 1) * 4096, 67_239_960 * 512);
    known(sparse, 4096, [disk, 0], head, head + disk);
    // 32 tables: 1 + 20 + 2 * (1 + 128) = 279 sectors, 280 with rounding.
    let (disk, head) = (64 * MIB, 280 * 512);
    known(sparse, 4096, [disk, 4097], head + 8192, head + disk);

    let (stream, grain) = (StreamOptimized, 66048);
    let (data, all) = (65536 + 2 * grain, 65536 + 160 * grain);
    known(stream, 65536, [10 * MIB, 65537], data, all);
    for (grain_size, deflated) in [
        (4096, 4608),
        (8192, 8704),
        (16384, 16896),
        (32768, 33280),
        (65536, 66048),
    ] {
        let options = vmdk(stream, grain_size);
        let (head, full) = sizes(options, MIB, 0).unwrap();
        assert_eq!(sizes(options, MIB, 1), Ok((head + deflated, full)));
        assert_eq!(full - head, MIB / u64::from(grain_size) * deflated);
    }
}

#[test]
fn raw_and_flat_images_are_the_disk_in_whole_sectors_whatever_it_holds() {
    let largest = (1 << 63) - 512;
    for options in [Options::Raw, vmdk(MonolithicFlat, 65536)] {
        for size in [0, 1, 511, 512, 513, 300 * TIB, largest - 1, largest] {
            let file = size.next_multiple_of(512);
            assert_eq!(sizes(options, size, 0), Ok((file, file)));
            assert_eq!(sizes(options, size, size), Ok((file, file)));
        }
        // The sum of both numbers is 2^64. An invalid size hides that.
        for size in [largest + 1, i64::MAX as u64] {
            assert_eq!(sizes(options, size, 0), Err(Overflow));
            assert_eq!(sizes(options, size, size + 1), Err(InvalidSize));
        }
    }
}

/// With other block sizes than qemu-img's, the same formula by hand.
#[test]
fn known_sizes_of_vhd() {
    let known = |options, [size, data]: [u64; 2], required, full| {
        assert_eq!(sizes(options, size, data), Ok((required, full)));
    };
    // 10 MiB grow by 28 KiB, into a sixth block.
    let block = 2 * MIB + 512;
    let dynamic = vhd(Dynamic, 2 << 20, false);
    known(dynamic, [10 * MIB, 1], 2560 + block, 2560 + 6 * block);
    // Bitmaps of 512 KiB, and of 128 bytes in whole sectors.
    let block = 2 * GIB + 512 * KIB;
    let large = vhd(Dynamic, 2 << 30, true);
    known(large, [2 * GIB + 1, 1], 2560 + block, 2560 + 2 * block);
    let block = 512 * KIB + 512;
    let small = vhd(Dynamic, 512 << 10, true);
    known(small, [MIB, 1], 2560 + block, 2560 + 2 * block);

    let fixed = vhd(Fixed, 2 << 20, false);
    for data in [0, 1, 10 * MIB] {
        known(fixed, [10 * MIB, data], 20537 * 512, 20537 * 512);
    }
    known(vhd(Fixed, 2 << 20, true), [1000, 1000], 1536, 1536);
}

#[test]
fn geometries_by_the_specification() {
    for (sectors, cylinders, heads, sectors_per_track) in [
        (0, 0, 4, 17),
        (67, 0, 4, 17),
        (68, 1, 4, 17),
        (69631, 1023, 4, 17),
        // Exactly 4096 tracks.
        (69632, 140, 16, 31),
        (69649, 819, 5, 17),
        (278_527, 1023, 16, 17),
        (278_528, 561, 16, 31),
        (507_903, 1023, 16, 31),
        (507_904, 503, 16, 63),
        (66_059_280, 65535, 16, 63),
        (66_059_281, 16191, 16, 255),
        (267_382_799, 65534, 16, 255),
        (267_382_800, 65535, 16, 255),
        (u64::MAX, 65535, 16, 255),
    ] {
        let expected = Geometry {
            cylinders,
            heads,
            sectors_per_track,
        };
        assert_eq!(chs(sectors), expected, "{sectors} sectors");
    }
}

#[test]
fn known_sizes_of_vhdx() {
    let known = |block_size, [size, data]: [u64; 2], required, full| {
        assert_eq!(sizes(vhdx(block_size), size, data), Ok((required, full)));
    };
    known(1 << 20, [1, 1], 9 * MIB, 9 * MIB);
    known(0, [64 * TIB, 1], 80 * MIB, 16 * MIB + 64 * TIB);
    // 16257 chunks of 128 blocks: 129 entries each, but one, which fill 16 MiB.
    let disk = 16257 * 128 * 32 * MIB;
    known(32 << 20, [disk, 0], 23 * MIB, 23 * MIB + disk);
    // The block is chosen by the disk's size, for every size.
    for (size, mib) in [
        (0, 8),
        (GIB, 8),
        (GIB + 1, 16),
        (100 * GIB, 16),
        (100 * GIB + 1, 32),
        (32 * TIB, 32),
        (32 * TIB + 1, 64),
        (64 * TIB, 64),
        (u64::MAX, 64),
    ] {
        assert_eq!(unit(&vhdx(0), size), Some(mib * MIB));
    }
}
