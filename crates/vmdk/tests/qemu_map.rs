//! The scanner against `qemu-img map`, on images that qemu-img and qemu-io make.
//!
//! Compared, for every image: the bytes of the extents that map calls data at depth 0 with
//! `allocated_bytes`, and how many units of several sizes they touch. Damaged images are compared too,
//! and the differences that are known. The tests fail when qemu-img is missing: nothing is skipped.

mod common;
#[path = "qemu_map/damage.rs"]
mod damage;
#[path = "qemu_map/differences.rs"]
mod differences;

use testing::grid::{self, commands};

use common::Vmdk;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const GRAIN: u64 = 65536;

/// The file in which an image is made.
const NAME: &str = "image.vmdk";

type Grid = grid::Grid<Vmdk>;

fn new_grid() -> Grid {
    Grid::new(Vmdk, "vmdk", NAME)
}

/// Writes a little-endian number of `width` bytes into an image.
fn put(bytes: &mut [u8], at: usize, width: usize, value: u64) {
    bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
}

/// A header field of 64 bits that is a sector: the byte where it points.
fn place(bytes: &[u8], at: usize) -> usize {
    usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) * 512).unwrap()
}

/// A directory entry: the byte where its table lies.
fn table(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize * 512
}

/// Writes all over a disk of at least 8 grains.
fn scattered(size: u64) -> Vec<String> {
    grid::scattered(GRAIN, size)
}

#[test]
fn the_scanner_answers_what_qemu_img_map_says() {
    let mut grid = new_grid();
    sizes(&mut grid);
    options(&mut grid);
    zeroes(&mut grid);
    streams(&mut grid);
    layers(&mut grid);
    split(&mut grid);
    grid.conclude("VMDK", IMAGES);
    assert!(grid.with_data >= 60 && grid.with_holes >= 45);
    assert!(grid.with_compressed >= 12 || !grid.map_tells_compressed);
}

/// How many images the grid has.
const IMAGES: u64 = 81;

/// Sizes in sectors around borders of grains and tables, and disks of many tables.
fn sizes(grid: &mut Grid) {
    for size in [1, 512, 513, 1000, GRAIN - 512, GRAIN, GRAIN + 512] {
        let last = (size - 1) / 512 * 512;
        grid.create("subformat=monolithicSparse", size)
            .compare()
            .io(&[format!("write -P 1 {last} 512")])
            .compare();
    }
    for size in [
        MIB,
        32 * MIB - 512,
        32 * MIB,
        32 * MIB + 512,
        100 * MIB + 1024,
        GIB,
        100 * GIB,
    ] {
        grid.create("subformat=monolithicSparse", size)
            .io(&scattered(size))
            .compare();
    }
    // Tables' first and last grains.
    let borders: Vec<_> = (1..=8)
        .flat_map(|table| {
            let end = table * 32 * MIB;
            [
                format!("write -P 1 {} 512", end - 512),
                format!("write -P 1 {} 512", end + GRAIN),
            ]
        })
        .collect();
    grid.create("subformat=monolithicSparse", "257M")
        .io(&borders)
        .compare();
}

fn options(grid: &mut Grid) {
    for options in [
        "zeroed_grain=on",
        "zeroed_grain=off",
        "compat6=on",
        "hwversion=10",
        "adapter_type=lsilogic",
        "adapter_type=buslogic,zeroed_grain=on,compat6=on",
    ] {
        grid.create(options, "40M")
            .io(&scattered(40 * MIB))
            .compare();
    }
}

fn zeroes(grid: &mut Grid) {
    for zeroed_grain in ["on", "off"] {
        let options = format!("zeroed_grain={zeroed_grain}");
        for zeroes in [
            "write -z 1M 512k",
            "write -z -u 1M 512k",
            "write -z 31M 2M",
            "discard 1M 512k",
        ] {
            // Without the option QEMU writes zeroes as data; with it only whole grains can be zeroed.
            let zeroes = zeroes.to_string();
            grid.create(&options, "40M")
                .io(std::slice::from_ref(&zeroes))
                .compare();
            grid.create(&options, "40M")
                .io(&[
                    "write -P 1 900k 1M".into(),
                    "write -P 1 30M 4M".into(),
                    zeroes,
                ])
                .compare()
                .io(&["write -P 2 1200k 1k".into()])
                .compare();
        }
    }
}

/// The same image with its header in a footer.
fn with_footer(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut marker = vec![0; 512];
    put(&mut marker, 0, 8, 1);
    put(&mut marker, 12, 4, 3);
    let header = bytes[..512].to_vec();
    put(&mut bytes, 56, 8, u64::MAX);
    [bytes, marker, header, vec![0; 512]].concat()
}

fn streams(grid: &mut Grid) {
    for size in [512, GRAIN, MIB, 33 * MIB, 100 * MIB + 512] {
        let writes = if size > MIB {
            scattered(size)
        } else {
            commands(&["write -P 7 0 512"])
        };
        for subformat in ["streamOptimized", "monolithicSparse"] {
            let options = format!("subformat={subformat}");
            let image = grid.convert(&["-o", &options], size, &writes).compare();
            // QEMU reads footers, but writes none.
            let bytes = with_footer(image.bytes());
            image.write(&bytes).compare();
        }
    }
    // Also where there is nothing, and where everything is data.
    let stream = ["-o", "subformat=streamOptimized"];
    grid.convert(&stream, 10 * MIB, &[]).compare();
    grid.convert(&stream, MIB, &commands(&["write -P 3 0 1M"]))
        .compare();
    grid.convert(&["-S", "0", "-o", "subformat=streamOptimized"], MIB, &[])
        .compare();
}

fn layers(grid: &mut Grid) {
    for zeroed_grain in ["on", "off"] {
        let options = format!("zeroed_grain={zeroed_grain}");
        grid.folder.create("vmdk", "", "base.vmdk", "40M");
        grid.existing("base.vmdk")
            .io(&commands(&["write -P 1 0 2M", "write -P 1 33M 700k"]))
            .compare();
        grid.folder.run(
            "qemu-img",
            &[
                "create",
                "-q",
                "-f",
                "vmdk",
                "-o",
                &options,
                "-b",
                "base.vmdk",
                "-F",
                "vmdk",
                NAME,
            ],
        );
        let overlay = grid.existing(NAME).compare();
        let mut changes = commands(&["write -P 2 300k 100k", "write -P 2 39M 1"]);
        if zeroed_grain == "on" {
            changes.extend(commands(&["write -z 512k 256k"]));
        }
        overlay.io(&changes).compare();
    }
}

/// The extents of a split image are sparse extents, each an image to the scanner; together they hold
/// what map says of the descriptor.
fn split(grid: &mut Grid) {
    let map = grid
        .create("subformat=twoGbMaxExtentSparse", "5G")
        .io(&scattered(5 * GIB))
        .map();
    let answers = [1, 2, 3].map(|number| {
        let extent = format!("image-s00{number}.vmdk");
        let bytes = grid.folder.read(&extent);
        assert!(place(&bytes, 56) > 0);
        common::answer(&bytes, None).expect("an extent")
    });
    assert_eq!(
        answers
            .iter()
            .map(|answer| answer.virtual_size)
            .sum::<u64>(),
        map.size()
    );
    assert!(answers.iter().all(|answer| answer.allocated_bytes > 0));
    assert_eq!(
        answers
            .iter()
            .map(|answer| answer.allocated_bytes)
            .sum::<u64>(),
        map.bytes()
    );
}

/// An image with a footer may have been cut off; then neither takes it.
#[test]
fn a_footer_that_is_cut_off_is_refused_by_both() {
    let mut grid = new_grid();
    let image = grid.convert(
        &["-o", "subformat=streamOptimized"],
        MIB,
        &commands(&["write -P 7 0 100k"]),
    );
    let sound = with_footer(image.bytes());
    for cut in [512, 1024, 4096] {
        assert!(grid.compare_damaged(&sound[..sound.len() - cut], "a footer cut off"));
    }
    assert!(!grid.compare_damaged(&sound, "a sound footer"));
}
