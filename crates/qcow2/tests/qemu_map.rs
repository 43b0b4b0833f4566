//! The scanner against `qemu-img map`, on images that qemu-img and qemu-io make.
//!
//! Compared, for every image: the bytes of the extents that map calls data at depth 0 with
//! `allocated_bytes`, and how many units of several sizes they touch. The states here are those that a
//! recipe cannot make: layers, keys, QEMU's own zeroes and discards. Damaged images are compared too. The
//! tests fail when qemu-img is missing: nothing is skipped.

#[path = "qemu_map/damage.rs"]
mod damage;

use testing::grid::{Grid, Image};
use testing::scan::ScanFormat;

/// The file in which an image is made.
const NAME: &str = "image.qcow2";

fn new_grid() -> Grid {
    Grid::new(ScanFormat::Qcow2, NAME)
}

/// A big-endian word of an image.
fn get64(bytes: &[u8], at: u64) -> u64 {
    u64::from_be_bytes(bytes[at as usize..][..8].try_into().unwrap())
}

/// Writes a big-endian word into an image.
fn put64(bytes: &mut [u8], at: u64, value: u64) {
    bytes[at as usize..][..8].copy_from_slice(&value.to_be_bytes());
}

#[test]
fn scanner_and_qemu_img_map_agree_in_every_state() {
    let mut grid = new_grid();
    zeroes_and_discards(&mut grid);
    layers(&mut grid);
    encrypted(&mut grid);
    external_data(&mut grid);
    grid.conclude(IMAGES);
    assert!(grid.with_data * 3 > IMAGES * 2 && grid.with_holes * 5 > IMAGES * 3);
}

/// How many images the grid has.
const IMAGES: u64 = 72;

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
            grid.create(&compat, "4M").io(&[zeroes]).compare();
            grid.create(&compat, "4M")
                .io(&["write -P 1 900k 1M", zeroes])
                .compare()
                .io(&["write -P 2 1200k 1k"])
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
            .io(&["write -P 1 0 2M", "write -P 1 3M 700k"])
            .compare();
        let mut create = vec!["create", "-q", "-f", "qcow2", "-o", options];
        create.extend(["-b", "base.qcow2", "-F", "qcow2", NAME]);
        create.extend((!backing.is_empty()).then_some(backing));
        grid.folder.run("qemu-img", &create);
        let overlay = grid.existing(NAME).compare();
        assert!(has_backing_file(&overlay.bytes()));
        let mut changes = vec!["write -P 2 300k 100k", "write -P 2 1M 1"];
        if options != "compat=0.10" {
            changes.extend(["write -z 512k 256k", "write -z -u 1500k 70k"]);
        }
        overlay.io(&changes).compare();
    }
    for options in ["cluster_size=4k", "extended_l2=on", "compat=0.10"] {
        grid.create(options, "4M")
            .io(&["write -P 1 100k 1M"])
            .img(&["snapshot", "-c", "first"], &[])
            .compare()
            .io(&[
                "write -P 2 3M 50k",
                "write -P 3 500k 50k",
                "discard 100k 300k",
            ])
            .img(&["snapshot", "-c", "second"], &[])
            .compare()
            .img(&["snapshot", "-a", "first"], &[])
            .compare()
            .img(&["snapshot", "-d", "second"], &[])
            .compare();
    }
    grid.create("cluster_size=64k", "4M")
        .img(&["bitmap", "--add"], &["bits"])
        .io(&["write -P 1 1M 100k"])
        .compare();
}

fn has_backing_file(bytes: &[u8]) -> bool {
    qcow2::QcowHeader::parse(&bytes[..512])
        .expect("a header")
        .has_backing_file()
}

/// A new image of 4 MiB with a key.
fn create_encrypted<'g>(grid: &'g mut Grid, options: &str) -> Image<'g> {
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
            .io(&[
                "write -P 1 100k 1M",
                "write -z 512k 128k",
                "write -P 2 3M 1",
            ])
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
            .io(&[
                "write -P 1 0 3k",
                "write -P 1 1M 100k",
                "write -z 1050k 20k",
            ])
            .compare();
    }
}
