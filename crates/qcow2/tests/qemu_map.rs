//! The scanner against `qemu-img map`, on images that qemu-img and qemu-io make.
//!
//! Compared, for every image: the bytes of the extents that map calls data at depth 0 with
//! `allocated_bytes`, and how many units of several sizes they touch. Map's zero flag is ignored, and
//! one test shows why. Damaged images are compared too, and the differences that are known. The tests
//! fail when qemu-img is missing: nothing is skipped.

mod common;
#[path = "qemu_map/cut.rs"]
mod cut;
#[path = "qemu_map/damage.rs"]
mod damage;
#[path = "qemu_map/differences.rs"]
mod differences;

use testing::grid::{self, Image, commands, scattered};

use common::Qcow2;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// The file in which an image is made.
const NAME: &str = "image.qcow2";

type Grid = grid::Grid<Qcow2>;

fn new_grid() -> Grid {
    Grid::new(Qcow2(None), "qcow2", NAME)
}

/// A big-endian word of an image.
fn get64(bytes: &[u8], at: u64) -> u64 {
    u64::from_be_bytes(bytes[at as usize..][..8].try_into().unwrap())
}

/// Writes a big-endian word into an image.
fn put64(bytes: &mut [u8], at: u64, value: u64) {
    bytes[at as usize..][..8].copy_from_slice(&value.to_be_bytes());
}

/// The two halves of the grid run side by side.
#[test]
fn the_scanner_answers_what_qemu_img_map_says_for_every_layout() {
    let mut grid = new_grid();
    cluster_sizes(&mut grid);
    subclusters(&mut grid);
    refcounts_and_preallocation(&mut grid);
    compressed(&mut grid);
    sizes(&mut grid);
    assert!(grid.with_compressed >= 20 || !grid.map_tells_compressed);
    conclude(&grid, LAYOUTS);
}

#[test]
fn the_scanner_answers_what_qemu_img_map_says_for_every_state() {
    let mut grid = new_grid();
    zeroes_and_discards(&mut grid);
    layers(&mut grid);
    encrypted(&mut grid);
    external_data(&mut grid);
    conclude(&grid, STATES);
}

/// How many images the halves of the grid have: 170 together.
const LAYOUTS: u64 = 98;
const STATES: u64 = 72;

fn conclude(grid: &Grid, images: u64) {
    grid.conclude("qcow2", images);
    assert!(grid.with_data * 3 > images * 2 && grid.with_holes * 5 > images * 3);
}

fn cluster_sizes(grid: &mut Grid) {
    for bits in 9..=21 {
        for compat in ["0.10", "1.1"] {
            let cluster: u64 = 1 << bits;
            let size = (4 * MIB).max(9 * cluster) + 3 * 512;
            let options = format!("cluster_size={cluster},compat={compat}");
            grid.create(&options, size)
                .io(&scattered(cluster, size))
                .compare();
        }
    }
}

fn subclusters(grid: &mut Grid) {
    for bits in 14..=21 {
        let cluster: u64 = 1 << bits;
        let sub = cluster / 32;
        let options = format!("cluster_size={cluster},extended_l2=on");
        let writes = [
            format!("write -P 1 {} {}", 2 * cluster + 3 * sub, 5 * sub),
            format!("write -P 1 {} 512", 3 * cluster - 512),
            format!("write -P 1 {} 1024", 4 * cluster - 512),
            format!("write -P 1 {} {}", 5 * cluster, cluster),
            format!("write -z {} {}", 5 * cluster + 7 * sub, 9 * sub),
            format!("write -z {} {}", 6 * cluster, 2 * sub),
            format!("write -z -u {} {}", 2 * cluster + 4 * sub, sub),
            format!("discard {} {}", 5 * cluster + 20 * sub, 4 * sub),
        ];
        grid.create(&options, 9 * cluster + 512)
            .io(&writes)
            .compare();
    }
}

fn refcounts_and_preallocation(grid: &mut Grid) {
    for bits in [1, 2, 4, 8, 16, 32, 64] {
        grid.create(&format!("refcount_bits={bits}"), "8M")
            .io(&scattered(64 * KIB, 8 * MIB))
            .compare();
    }
    for mode in ["off", "metadata", "falloc", "full"] {
        for extended in ["off", "on"] {
            let options = format!("preallocation={mode},extended_l2={extended}");
            grid.create(&options, "3M").compare();
            grid.create(&options, "3M")
                .io(&commands(&["write -P 1 100k 200k", "write -z 1M 300k"]))
                .compare();
        }
    }
    grid.create("lazy_refcounts=on", "8M")
        .io(&scattered(64 * KIB, 8 * MIB))
        .compare();
}

fn compressed(grid: &mut Grid) {
    for kind in ["zlib", "zstd"] {
        for (cluster, extended) in [
            (512, "off"),
            (4 * KIB, "off"),
            (64 * KIB, "off"),
            (2 * MIB, "off"),
            (64 * KIB, "on"),
        ] {
            let options =
                format!("cluster_size={cluster},compression_type={kind},extended_l2={extended}");
            let size = 6 * MIB + 512;
            grid.convert(&["-c", "-o", &options], size, &scattered(64 * KIB, size))
                .compare()
                // A cluster written over is stored as it is; others stay compressed.
                .io(&commands(&["write -P 9 5k 3k"]))
                .compare();
        }
    }
    grid.create("cluster_size=4k", "4M")
        .io(&commands(&[
            "write -P 8 -c 1M 64k",
            "write -P 8 -c 4092k 4k",
        ]))
        .compare();
    grid.convert(
        &["-c", "-o", "compat=0.10"],
        4 * MIB,
        &scattered(64 * KIB, 4 * MIB),
    )
    .compare();
    grid.convert(
        &["-o", "cluster_size=4k"],
        4 * MIB,
        &scattered(4 * KIB, 4 * MIB),
    )
    .compare();
    grid.convert(&["-S", "0"], 3 * MIB, &scattered(64 * KIB, 3 * MIB))
        .compare();
}

fn zeroes_and_discards(grid: &mut Grid) {
    for compat in ["0.10", "1.1"] {
        for zeroes in [
            "write -z 1M 512k",
            "write -z -u 1M 512k",
            "write -z 1000k 1",
            "discard 1M 512k",
        ] {
            let compat = format!("compat={compat}");
            // Zeroes where nothing was, and over data.
            let zeroes = zeroes.to_string();
            grid.create(&compat, "4M")
                .io(std::slice::from_ref(&zeroes))
                .compare();
            grid.create(&compat, "4M")
                .io(&["write -P 1 900k 1M".into(), zeroes.clone()])
                .compare()
                .io(&["write -P 2 1200k 1k".into()])
                .compare();
        }
    }
}

fn layers(grid: &mut Grid) {
    for (backing, options) in [
        ("", "compat=0.10"),
        ("", "cluster_size=4k"),
        ("", "extended_l2=on"),
        ("2M", "cluster_size=64k"),
        ("5M", "cluster_size=64k"),
    ] {
        grid.folder.create("qcow2", "", "base.qcow2", "4M");
        grid.existing("base.qcow2")
            .io(&commands(&["write -P 1 0 2M", "write -P 1 3M 700k"]))
            .compare();
        let mut create = vec!["create", "-q", "-f", "qcow2", "-o", options];
        create.extend(["-b", "base.qcow2", "-F", "qcow2", NAME]);
        create.extend((!backing.is_empty()).then_some(backing));
        grid.folder.run("qemu-img", &create);
        let overlay = grid.existing(NAME).compare();
        assert!(has_backing_file(&overlay.bytes()));
        let mut changes = commands(&["write -P 2 300k 100k", "write -P 2 1M 1"]);
        if options != "compat=0.10" {
            changes.extend(commands(&["write -z 512k 256k", "write -z -u 1500k 70k"]));
        }
        overlay.io(&changes).compare();
    }
    for options in ["cluster_size=4k", "extended_l2=on", "compat=0.10"] {
        grid.create(options, "4M")
            .io(&commands(&["write -P 1 100k 1M"]))
            .img(&["snapshot", "-c", "first"], &[])
            .compare()
            .io(&commands(&[
                "write -P 2 3M 50k",
                "write -P 3 500k 50k",
                "discard 100k 300k",
            ]))
            .img(&["snapshot", "-c", "second"], &[])
            .compare()
            .img(&["snapshot", "-a", "first"], &[])
            .compare()
            .img(&["snapshot", "-d", "second"], &[])
            .compare();
    }
    grid.create("cluster_size=64k", "4M")
        .img(&["bitmap", "--add"], &["bits"])
        .io(&commands(&["write -P 1 1M 100k"]))
        .compare();
}

fn has_backing_file(bytes: &[u8]) -> bool {
    qcow2::QcowHeader::parse(&bytes[..512])
        .expect("a header")
        .has_backing_file()
}

/// A new image of 4 MiB with a key.
fn create_encrypted<'g>(grid: &'g mut Grid, options: &str) -> Image<'g, Qcow2> {
    const SECRET: &str = "secret,id=key,data=secret";
    const WITH_SECRET: &str = "driver=qcow2,file.filename=image.qcow2,encrypt.key-secret=key";
    let create = ["create", "-q", "--object", SECRET, "-f", "qcow2"];
    grid.folder.run(
        "qemu-img",
        &[&create[..], &["-o", options, NAME, "4M"]].concat(),
    );
    grid.existing(NAME)
        .opened(&["--object", SECRET, "--image-opts", WITH_SECRET])
}

fn encrypted(grid: &mut Grid) {
    for options in [
        "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10",
        "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10,cluster_size=4k",
        "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10,extended_l2=on",
        "encrypt.format=aes,encrypt.key-secret=key",
    ] {
        create_encrypted(grid, options)
            .compare()
            .io(&commands(&[
                "write -P 1 100k 1M",
                "write -z 512k 128k",
                "write -P 2 3M 1",
            ]))
            .compare();
    }
}

fn external_data(grid: &mut Grid) {
    for options in [
        "data_file=data.raw",
        "data_file=data.raw,cluster_size=4k",
        "data_file=data.raw,extended_l2=on",
        "data_file=data.raw,data_file_raw=on",
        "data_file=data.raw,data_file_raw=on,extended_l2=on",
        "data_file=data.raw,preallocation=metadata",
    ] {
        grid.create(options, "4M")
            .compare()
            .io(&commands(&[
                "write -P 1 0 3k",
                "write -P 1 1M 100k",
                "write -z 1050k 20k",
            ]))
            .compare();
    }
}

fn sizes(grid: &mut Grid) {
    for size in [
        0,
        1,
        512,
        513,
        1000,
        65536 - 512,
        65536,
        65536 + 512,
        3 * MIB + 1,
    ] {
        let image = grid.create("cluster_size=64k", size);
        if size == 0 {
            image.compare();
        } else {
            image
                .io(&[format!("write -P 1 {} 512", (size - 1) / 512 * 512)])
                .compare();
        }
    }
    // Many L2 tables, few of them there.
    grid.create("cluster_size=64k", "10T")
        .io(&commands(&["write -P 1 0 1k", "write -P 1 5T 3M"]))
        .compare();
    grid.create("cluster_size=512", "1G")
        .io(&scattered(512, 1024 * MIB))
        .compare();
    grid.create("cluster_size=2M", "64T")
        .io(&commands(&["write -P 1 63T 5M"]))
        .compare();
    grid.create("cluster_size=4k", "4M")
        .io(&scattered(4096, 4 * MIB))
        .img(&["resize", "-q"], &["40M"])
        .compare()
        .io(&commands(&["write -P 1 30M 1M"]))
        .img(&["resize", "-q", "--shrink"], &["31M"])
        .compare()
        .img(&["resize", "-q", "--shrink"], &["1M"])
        .compare();
    grid.create("compat=0.10", "4M")
        .io(&scattered(64 * KIB, 4 * MIB))
        .img(&["amend", "-q", "-f", "qcow2", "-o", "compat=1.1"], &[])
        .compare();
}
