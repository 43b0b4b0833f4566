//! Damaged images: the scanner refuses them where qemu-img does, and else both give one number.

use crate::{get64, new_grid, put64};

#[test]
fn damaged_entries_are_refused_where_qemu_img_refuses_them() {
    let mut grid = new_grid();
    let mut refused = 0;
    for options in [
        "cluster_size=64k",
        "compat=0.10",
        "extended_l2=on",
        "data_file=data.raw",
    ] {
        let image = grid.create(options, "1M").io(&["write -P 1 64k 128k"]);
        let sound = image.bytes();
        let l2 = get64(&sound, get64(&sound, 40)) & 0x00ff_ffff_ffff_fe00;
        let entry_size = if options == "extended_l2=on" { 16 } else { 8 };
        let second = l2 + entry_size;
        let entry = get64(&sound, second);
        let words = [
            0,
            1,
            2,
            1 << 62,
            1 << 62 | 1,
            1 << 63,
            1 << 63 | 1,
            0x200,
            0x8000,
            0x2_0000,
        ];
        let flips = (0..64).map(|bit| entry ^ 1 << bit);
        let fields = words.into_iter().chain(flips).flat_map(|word| {
            let places = [second, second + 8];
            places.map(|at| (at as usize, 8, word))
        });
        let (compared, both_refuse) = grid.compare_fields(&sound, true, fields);
        assert_eq!(compared, 74 * 2, "{options}");
        refused += both_refuse;
    }
    assert!(refused > 150);
}

/// Left out are fields where a difference is known (tables past the end of the file) and what qemu-img
/// needs besides the image: a key, an external data file.
#[test]
fn damaged_headers_are_refused_where_qemu_img_refuses_them() {
    let mut grid = new_grid();
    let sound = grid
        .create("cluster_size=64k", "1M")
        .io(&["write -P 1 64k 128k"])
        .bytes();
    let mut damage: Vec<(usize, usize, u64)> = vec![
        (36, 4, 0),
        (36, 4, 2),
        (36, 4, 4_194_305),
        (36, 4, u64::MAX),
        (40, 8, 512),
        (40, 8, 0x3_0008),
        (40, 8, 1 << 63),
        (24, 8, 0),
        (24, 8, 512 << 20),
        (24, 8, (512 << 20) + 512),
        (24, 8, 1 << 60),
        (24, 8, u64::MAX),
        (48, 8, 0),
        (48, 8, 512),
        (48, 8, 1 << 40),
        (48, 8, 1 << 63),
        (56, 4, 0),
        (56, 4, 2),
        (56, 4, 128),
        (56, 4, 129),
        (56, 4, u64::MAX),
        (60, 4, 65537),
        (60, 4, u64::MAX),
        (64, 8, 8),
        (64, 8, 1 << 60),
        (64, 8, 1 << 63),
        (32, 4, 3),
        (32, 4, u64::MAX),
        (80, 8, u64::MAX),
        (88, 8, 1),
        (88, 8, 2),
        (88, 8, u64::MAX),
        (104, 1, 1),
        (104, 1, 2),
        (104, 1, 255),
        (105, 1, 1),
        (16, 4, 5000),
    ];
    damage.extend((0..6).map(|version| (4, 4, version)));
    damage.extend((0..9).chain(22..70).map(|bits| (20, 4, bits)));
    // Bit 2 is the external data file.
    damage.extend((0..64).filter(|bit| *bit != 2).map(|bit| (72, 8, 1 << bit)));
    damage.extend((0..10).map(|order| (96, 4, order)));
    let (compared, mut refused) = grid.compare_fields(&sound, true, damage);
    assert!(compared > 150);
    let backing = [
        (65536, 0),
        (65536, 1),
        (65537, 0),
        (65535, 2),
        (1000, 1024),
        (1 << 40, 0),
    ];
    for (offset, length) in backing {
        let mut bytes = sound.clone();
        put64(&mut bytes, 8, offset);
        bytes[16..20].copy_from_slice(&u32::to_be_bytes(length));
        let what = format!("a backing file's name of {length} bytes at {offset}");
        refused += u64::from(grid.compare_damaged(&bytes, &what));
    }
    assert!(refused > 120);
}

/// QEMU reads the header extensions where the header ends, so these images have none. In the last 7 bytes
/// of a cluster there is no room for one, which QEMU finds too large.
#[test]
fn headers_of_any_length_from_104_bytes_to_a_cluster_are_taken_as_by_qemu_img() {
    let mut grid = new_grid();
    for kind in ["zlib", "zstd"] {
        let mut bytes = grid
            .create(&format!("cluster_size=4k,compression_type={kind}"), "1M")
            .io(&["write -P 1 64k 128k", "write -P 2 -c 512k 4k"])
            .bytes();
        bytes[112..4096].fill(0);
        let mut refused = Vec::new();
        for length in (96..=130).chain([4087, 4088, 4096, 4097, 4104]) {
            bytes[100..104].copy_from_slice(&u32::to_be_bytes(length));
            let what = format!("{kind}, a header of {length} bytes");
            if grid.compare_damaged(&bytes, &what) {
                refused.push(length);
            }
        }
        // A header of 104 bytes has no compression type.
        let shortest = if kind == "zstd" { 105 } else { 104 };
        let expected: Vec<u32> = (96..shortest).chain([4097, 4104]).collect();
        assert_eq!(refused, expected, "{kind}");
    }
}
