//! qcow2 and VMDK images with one field changed after the other, put to scanner, model and qemu-img: all refuse an image,
//! or all give the same numbers.

use harness_core::scan::encode_input;
use harness_core::subject::ScanFormat::{self, Qcow2, Vmdk};
use harness_core::targets;
use images::differential::Case;
use images::differential::qemu::Qemu;
use recipes::qcow2::header::DATA_FILE;

use crate::qemu::{Bench, LIMIT, is_refused};

/// Changes of fields: where a field is, how many bytes it has, and the numbers that it gets one after the other.
type Changes = Vec<(usize, usize, Vec<u64>)>;

fn judge(format: ScanFormat, image: &[u8]) -> bool {
    let target = targets::find("fuzz_measure_scan").unwrap();
    let input = encode_input(format, None, image).expect("an image that an input holds");
    is_refused(&Case::Image(target, input), &Qemu::find(LIMIT).unwrap())
}

/// Judges the image with each change: how many images that are, and how many of them are refused.
fn judge_all(format: ScanFormat, sound: &[u8], changes: Changes) -> (usize, usize) {
    let (mut images, mut refused) = (0, 0);
    for (at, width, numbers) in changes {
        for number in numbers {
            let mut field = number.to_le_bytes();
            if format == Qcow2 {
                field[..width].reverse();
            }
            let mut image = sound.to_vec();
            image[at..at + width].copy_from_slice(&field[..width]);
            images += 1;
            refused += usize::from(judge(format, &image));
        }
    }
    println!("{images} damaged images compared with qemu-img, {refused} of them refused");
    (images, refused)
}

/// The number in 8 bytes of a qcow2, or in 4 of a VMDK.
fn number(image: &[u8], at: usize, format: ScanFormat) -> usize {
    let number = match format {
        Qcow2 => u64::from_be_bytes(image[at..at + 8].try_into().unwrap()),
        _ => u32::from_le_bytes(image[at..at + 4].try_into().unwrap()).into(),
    };
    number as usize
}

/// A qcow2 of 1 MiB with data, which are zeros so that an input holds the image.
fn qcow2(options: &str, more: &[&str]) -> Vec<u8> {
    let bench = Bench::new();
    let writes = [&["write -P 0 64k 128k"], more].concat();
    bench.make("qcow2", options, "a.qcow2", "1M", &writes);
    bench.read("a.qcow2")
}

#[test]
fn every_bit_of_a_qcow2_entry() {
    let external = format!("data_file={DATA_FILE}");
    let mut all_refused = 0;
    for options in [
        "cluster_size=64k",
        "compat=0.10",
        "extended_l2=on",
        &external,
    ] {
        let sound = qcow2(options, &[]);
        let l2 = number(&sound, number(&sound, 40, Qcow2), Qcow2) & 0x00ff_ffff_ffff_fe00;
        let second = l2 + if options == "extended_l2=on" { 16 } else { 8 };
        let entry = number(&sound, second, Qcow2) as u64;
        let words = [0, 1, 2, 1 << 62, 1 << 62 | 1, 1 << 63, 1 << 63 | 1];
        let numbers = words.into_iter().chain([0x200, 0x8000, 0x2_0000]);
        let numbers: Vec<u64> = numbers.chain((0..64).map(|bit| entry ^ 1 << bit)).collect();
        let changes = [second, second + 8].map(|at| (at, 8, numbers.clone()));
        let (images, refused) = judge_all(Qcow2, &sound, changes.into());
        assert_eq!(images, 74 * 2, "{options}");
        all_refused += refused;
    }
    assert!(all_refused > 150);
}

/// Left out are fields where a difference is known (tables past the end of the file), and the bit of an external data
/// file.
#[test]
fn every_field_of_a_qcow2_header() {
    let sound = qcow2("cluster_size=64k", &[]);
    let most = u64::MAX;
    let features = (0..64).filter(|bit| *bit != 2).map(|bit| 1 << bit);
    let changes = vec![
        (4, 4, (0..6).collect()),
        (16, 4, vec![5000]),
        (20, 4, (0..9).chain(22..70).collect()),
        (24, 8, vec![0, 512 << 20, (512 << 20) + 512, 1 << 60, most]),
        (32, 4, vec![3, most]),
        (36, 4, vec![0, 2, 4_194_305, most]),
        (40, 8, vec![512, 0x3_0008, 1 << 63]),
        (48, 8, vec![0, 512, 1 << 40, 1 << 63]),
        (56, 4, vec![0, 2, 128, 129, most]),
        (60, 4, vec![65537, most]),
        (64, 8, vec![8, 1 << 60, 1 << 63]),
        (72, 8, features.collect()),
        (80, 8, vec![most]),
        (88, 8, vec![1, 2, most]),
        (96, 4, (0..10).collect()),
        (104, 1, vec![1, 2, 255]),
        (105, 1, vec![1]),
    ];
    let (images, mut refused) = judge_all(Qcow2, &sound, changes);
    assert!(images > 150);
    let names = [(65536, 0), (65536, 1), (65537, 0), (65535, 2), (1000, 1024)];
    for (offset, length) in names.into_iter().chain([(1 << 40, 0)]) {
        let mut image = sound.clone();
        image[8..16].copy_from_slice(&u64::to_be_bytes(offset));
        image[16..20].copy_from_slice(&u32::to_be_bytes(length));
        refused += usize::from(judge(Qcow2, &image));
    }
    assert!(refused > 120);
}

/// QEMU reads the header extensions where the header ends, so these images have none. In the last 7 bytes of a cluster
/// there is no room for one, which QEMU finds too large.
#[test]
fn headers_of_a_qcow2_from_104_bytes_to_a_cluster_are_taken() {
    for kind in ["zlib", "zstd"] {
        let options = format!("cluster_size=4k,compression_type={kind}");
        let mut image = qcow2(&options, &["write -P 2 -c 512k 4k"]);
        image[112..4096].fill(0);
        let lengths = (96..=130).chain([4087, 4088, 4096, 4097, 4104]);
        let refused = lengths.filter(|&length| {
            image[100..104].copy_from_slice(&u32::to_be_bytes(length));
            judge(Qcow2, &image)
        });
        let refused: Vec<u32> = refused.collect();
        // A header of 104 bytes has no compression type.
        let shortest = if kind == "zstd" { 105 } else { 104 };
        let expected: Vec<u32> = (96..shortest).chain([4097, 4104]).collect();
        assert_eq!(refused, expected, "{kind}");
    }
}

/// VMDKs of 4 MiB without and with zeroed grains, and with compressed ones.
fn vmdks() -> [Vec<u8>; 3] {
    let bench = Bench::new();
    let writes = ["write -P 1 64k 16k", "write -z 256k 128k"];
    bench.make("vmdk", "zeroed_grain=off", "plain", "4M", &writes);
    bench.make("vmdk", "zeroed_grain=on", "zeroed", "4M", &writes);
    bench.make("raw", "", "a.raw", "4M", &["write -P 1 64k 128k"]);
    bench.img_ok("convert -O vmdk -o subformat=streamOptimized a.raw stream");
    ["plain", "zeroed", "stream"].map(|name| bench.read(name))
}

#[test]
fn entries_of_a_vmdk() {
    for sound in vmdks() {
        let directory = number(&sound, 56, Vmdk) * 512;
        let table = number(&sound, directory, Vmdk) * 512;
        let sectors = sound.len() as u64 / 512;
        // Tables that lie in the file, and grains anywhere.
        let tables = vec![0, 1, 2, 20, sectors - 5, sectors - 4];
        let near_end = [sectors - 1, sectors, sectors + 1, 1 << 31, u64::MAX];
        let grains = [&[0, 1, 2, 3, 127, 128, 129], &near_end[..]].concat();
        let entries = [0, 4, 4 * 63].map(|at| (table + at, 4, grains.clone()));
        let changes = [vec![(directory, 4, tables)], entries.into()].concat();
        // No entry of a VMDK is refused.
        assert_eq!(judge_all(Vmdk, &sound, changes), (42, 0));
    }
}

/// Left out are fields where a difference is known: version 0, grain sizes and table lengths that are unsupported, tables
/// past the end of the file.
#[test]
fn every_field_of_a_vmdk_header() {
    let most = u64::MAX;
    let mut all_refused = 0;
    for sound in vmdks() {
        let sectors = sound.len() as u64 / 512;
        let far = [1 << 54, 1 << 55, 1 << 63, most];
        let near_end = [0, 1, sectors - 1, sectors, sectors + 1, 1 << 40];
        let sizes = [0, 1, 127, 128, 129, 8191, 8193, 65536];
        let changes = vec![
            (4, 4, vec![1, 2, 3, 4, most]),
            (8, 4, (0..32).map(|bit| 3 ^ 1 << bit).collect()),
            (12, 8, [&sizes, &far[..]].concat()),
            (20, 8, (0..8).map(|bit| 1 << bit).collect()),
            (20, 8, vec![0, 0x20_0001, 1 << 32, 1 << 63, most]),
            (28, 8, vec![0, 1, 20, 1 << 40]),
            (36, 8, vec![0, 1, 1 << 40]),
            (44, 4, vec![0, 513, most]),
            (48, 8, vec![0, 1, 1 << 40]),
            (56, 8, vec![most, most - 1]),
            (64, 8, [&near_end, &far[1..]].concat()),
            (72, 1, vec![1]),
            (73, 4, vec![0]),
            (77, 2, vec![0, 1, 2, most]),
            (79, 8, vec![most]),
        ];
        let (images, refused) = judge_all(Vmdk, &sound, changes);
        assert_eq!(images, 93);
        all_refused += refused;
    }
    assert!(all_refused > 60);
}

/// An image with a footer may have been cut off; then neither takes it.
#[test]
fn a_footer_of_a_vmdk_that_is_cut_off() {
    let [.., mut image] = vmdks();
    let header = image[..512].to_vec();
    image[56..64].fill(0xff);
    let mut marker = [0; 512];
    (marker[0], marker[12]) = (1, 3);
    let sound = [&image, &marker[..], &header, &[0; 512]].concat();
    assert!(!judge(Vmdk, &sound));
    for cut in [512, 1024, 4096] {
        assert!(judge(Vmdk, &sound[..sound.len() - cut]), "{cut}");
    }
}
