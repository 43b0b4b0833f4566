//! `images scan` against qemu-img: `info` for the virtual size, `map` for the data of raw, qcow2 and
//! VMDK. For VHD and VHDX the blocks that were written are known.

use crate::qemu::{Bench, Mapped, Ran as _, WRITES};
use images::differential::qemu::{Piece, bytes_of, touched};

const MIB: u64 = 1 << 20;

/// How many bytes of the image's own data, by its map, are no holes in its file, by the map of the file itself. What has
/// no place of its own, which is compressed data, counts whole.
fn stored(bench: &Bench, name: &str, map: &[Mapped]) -> u64 {
    let mut in_file = bench.map("raw", name);
    in_file.retain(|extent| extent.is_own && !extent.is_zero);
    let own = map.iter().filter(|extent| extent.is_own);
    own.map(|extent| match extent.place {
        Some(place) => in_file
            .iter()
            .map(|stored| {
                let end = (stored.start + stored.length).min(place + extent.length);
                end.saturating_sub(stored.start.max(place))
            })
            .sum(),
        None => extent.length,
    })
    .sum()
}

/// Asserts the output of scan for an image whose data is the extents of its own layer in `qemu-img map`. In a sparse
/// file some of them read as zeroes: they are data all the same.
fn assert_as_mapped(bench: &Bench, format: &str, name: &str) {
    assert_as_opened(bench, format, name, &format!("-f {format} {name}"));
}

/// The same for an image that qemu-img opens with these arguments.
fn assert_as_opened(bench: &Bench, format: &str, name: &str, opened: &str) {
    let map = bench.map_opened(opened);
    let own = map.iter().filter(|extent| extent.is_own);
    let data: Vec<_> = own
        .map(|extent| (extent.start, extent.start + extent.length))
        .collect();
    assert_scanned(bench, format, name, &data);
    if !name.starts_with("external") {
        let ran = bench.tool(&format!("scan --output json -f {format} {name}"));
        let stored = stored(bench, name, &map);
        assert_eq!(ran.number("stored-bytes"), stored, "{name}: {ran:?}");
    }
}

/// Asserts the output of scan for an image with that data, for several sector sizes and units, with its format named
/// and detected.
fn assert_scanned(bench: &Bench, format: &str, name: &str, data: &[Piece]) {
    let virtual_size = bench.virtual_size(format, name);
    for sector_size in ["512", "4k", "65536"] {
        for (unit, unit_bytes) in [
            ("1", 1),
            ("4k", 4096),
            ("65536", 65536),
            ("2M", 2 * MIB),
            ("3M", 3 * MIB),
        ] {
            let args =
                format!("scan --output json --sector-size {sector_size} --unit {unit} {name}");
            let ran = bench.tool_ok(&args);
            assert_eq!(ran.parsed()["format"], format, "{args}");
            assert_eq!(ran.number("virtual-size"), virtual_size, "{args}");
            assert_eq!(ran.number("allocated-bytes"), bytes_of(data), "{args}");
            assert_eq!(
                ran.number("touched-units"),
                touched(data, unit_bytes),
                "{args}"
            );
            let most = 4 * bench.length(name).div_ceil(512) + 64;
            assert!(ran.number("sector-reads") <= most, "{args}: {ran:?}");
        }
    }
    let plain = bench.tool(&format!("scan -f {format} {name}"));
    let keys: Vec<_> = plain
        .stdout
        .lines()
        .filter_map(|line| line.split(": ").next())
        .collect();
    let is_external = name.starts_with("external");
    let mut expected = vec![
        "format",
        "virtual-size",
        "allocated-bytes",
        "stored-bytes",
        "sector-reads",
    ];
    expected.retain(|&key| !is_external || key != "stored-bytes");
    assert_eq!(keys, expected, "{plain:?}");
    let ran = bench.tool(&format!("scan --output json -f {format} {name}"));
    assert_eq!(ran.parsed()["measured"], "own-layer");
    assert_eq!(ran.stderr.contains("file, 'data.raw'"), is_external);
}

#[test]
fn raw_qcow2_and_vmdk_hold_what_map_says() {
    let bench = Bench::new();
    for (format, options, name) in [
        ("raw", "", "sparse.raw"),
        ("raw", "preallocation=full", "full.raw"),
        ("qcow2", "", "v3.qcow2"),
        ("qcow2", "compat=0.10", "v2.qcow2"),
        ("qcow2", "cluster_size=512", "512.qcow2"),
        ("qcow2", "cluster_size=4k,refcount_bits=64", "4k.qcow2"),
        ("qcow2", "cluster_size=2M", "2m.qcow2"),
        ("qcow2", "extended_l2=on", "extended.qcow2"),
        (
            "qcow2",
            "extended_l2=on,cluster_size=2M",
            "extended-2m.qcow2",
        ),
        ("qcow2", "lazy_refcounts=on", "lazy.qcow2"),
        ("qcow2", "preallocation=metadata", "metadata.qcow2"),
        ("qcow2", "preallocation=full", "prefilled.qcow2"),
        ("qcow2", "compression_type=zstd", "zstd.qcow2"),
        ("qcow2", "data_file=data.raw", "external.qcow2"),
        ("vmdk", "", "sparse.vmdk"),
        ("vmdk", "zeroed_grain=on", "zeroed.vmdk"),
        ("vmdk", "compat6=on", "v6.vmdk"),
    ] {
        bench.make(format, options, name, "32M", &WRITES);
        assert_as_mapped(&bench, format, name);
    }
    for name in ["v3.qcow2", "4k.qcow2", "extended.qcow2"] {
        bench.io("qcow2", name, &["write -z 5M 1M"]);
        bench.img_ok(&format!("resize -q -f qcow2 {name} 40M"));
        assert_as_mapped(&bench, "qcow2", name);
    }
    for (format, options) in [
        ("qcow2", "-c -o cluster_size=64k"),
        ("qcow2", "-c -o compression_type=zstd,cluster_size=4k"),
        ("vmdk", "-o subformat=streamOptimized"),
    ] {
        bench.img_ok(&format!(
            "convert -O {format} {options} sparse.raw compressed"
        ));
        assert_as_mapped(&bench, format, "compressed");
    }
    for (format, base) in [("qcow2", "v3.qcow2"), ("vmdk", "sparse.vmdk")] {
        bench.img_ok(&format!("create -q -f {format} -b {base} -F {format} top"));
        bench.io(format, "top", &["write -P 7 8M 192k"]);
        assert_as_mapped(&bench, format, "top");
        let ran = bench.tool("scan top");
        let is_noted = ran.stderr.starts_with("note: ") && ran.stderr.contains(base);
        assert!(is_noted, "{ran:?}");
    }
}

/// What a recipe cannot make: QEMU's own zeroes and discards, layers, snapshots, keys, external data.
#[test]
fn a_qcow2_holds_what_map_says_in_every_state() {
    let bench = Bench::new();
    let change = |name: &str, commands: &[&str]| {
        bench.io("qcow2", name, commands);
        assert_as_mapped(&bench, "qcow2", name);
    };
    for compat in ["compat=0.10", "compat=1.1"] {
        for zeroes in [
            "write -z 1M 512k",
            "write -z -u 1M 512k",
            "write -z 1000k 1",
            "discard 1M 512k",
        ] {
            // Where nothing was, and over data.
            bench.make("qcow2", compat, "a.qcow2", "4M", &[]);
            change("a.qcow2", &[zeroes]);
            bench.make("qcow2", compat, "a.qcow2", "4M", &["write -P 1 900k 1M"]);
            change("a.qcow2", &[zeroes]);
            change("a.qcow2", &["write -P 2 1200k 1k"]);
        }
    }
    bench.make(
        "qcow2",
        "",
        "base",
        "4M",
        &["write -P 1 0 2M", "write -P 1 3M 700k"],
    );
    for args in [
        "-o compat=0.10 top",
        "-o cluster_size=4k top",
        "-o extended_l2=on top",
        "top 2M",
        "top 5M",
    ] {
        bench.img_ok(&format!("create -q -f qcow2 -b base -F qcow2 {args}"));
        assert_as_mapped(&bench, "qcow2", "top");
        change("top", &["write -P 2 300k 100k", "write -P 2 1M 1"]);
        if !args.contains("0.10") {
            change("top", &["write -z 512k 256k", "write -z -u 1500k 70k"]);
        }
    }
    for options in ["cluster_size=4k", "extended_l2=on", "compat=0.10"] {
        bench.make("qcow2", options, "a.qcow2", "4M", &["write -P 1 100k 1M"]);
        let snapshot = |what: &str| {
            bench.img_ok(&format!("snapshot {what} a.qcow2"));
            assert_as_mapped(&bench, "qcow2", "a.qcow2");
        };
        snapshot("-c first");
        let writes = [
            "write -P 2 3M 50k",
            "write -P 3 500k 50k",
            "discard 100k 300k",
        ];
        change("a.qcow2", &writes);
        for what in ["-c second", "-a first", "-d second"] {
            snapshot(what);
        }
    }
    bench.img_ok("create -q -f qcow2 a.qcow2 4M");
    bench.img_ok("bitmap --add a.qcow2 bits");
    change("a.qcow2", &["write -P 1 1M 100k"]);
    for options in [
        "cluster_size=4k",
        "extended_l2=on",
        "data_file_raw=on",
        "data_file_raw=on,extended_l2=on",
        "preallocation=metadata",
    ] {
        let options = format!("data_file=data.raw,{options}");
        bench.make("qcow2", &options, "external", "4M", &[]);
        assert_as_mapped(&bench, "qcow2", "external");
        let zeroes = "write -z 1050k 20k";
        change(
            "external",
            &["write -P 1 0 3k", "write -P 1 1M 100k", zeroes],
        );
    }
    let luks = "encrypt.format=luks,encrypt.iter-time=10";
    for options in [
        luks,
        &format!("{luks},cluster_size=4k"),
        &format!("{luks},extended_l2=on"),
        "encrypt.format=aes",
    ] {
        let secret = "--object secret,id=key,data=secret";
        let options = format!("-o {options},encrypt.key-secret=key");
        bench.img_ok(&format!("create -q -f qcow2 {secret} {options} locked 4M"));
        let file = "driver=qcow2,encrypt.key-secret=key,file.filename=locked";
        let opened = format!("{secret} --image-opts {file}");
        assert_as_opened(&bench, "qcow2", "locked", &opened);
        let writes = [
            "write -P 1 100k 1M",
            "write -z 512k 128k",
            "write -P 2 3M 1",
        ];
        bench.io_opened(&opened, &writes);
        assert_as_opened(&bench, "qcow2", "locked", &opened);
    }
}

#[test]
fn vhd_and_vhdx_hold_the_blocks_that_were_written() {
    let bench = Bench::new();
    // The starts and the ends of WRITES.
    let written = [
        (0, MIB / 8),
        (MIB, MIB + MIB / 16),
        (5 * MIB, 8 * MIB),
        (20 * MIB, 20 * MIB + MIB / 16),
        (31 * MIB, 32 * MIB),
    ];
    for (format, options, name, block) in [
        ("vpc", "", "chs.vhd", 2 * MIB),
        ("vpc", "force_size=on", "forced.vhd", 2 * MIB),
        ("vpc", "subformat=fixed", "fixed.vhd", 0),
        (
            "vpc",
            "subformat=fixed,force_size=on",
            "fixed-forced.vhd",
            0,
        ),
        ("vhdx", "", "default.vhdx", 8 * MIB),
        ("vhdx", "block_size=1M", "1m.vhdx", MIB),
        ("vhdx", "block_size=16M", "16m.vhdx", 16 * MIB),
        (
            "vhdx",
            "block_state_zero=off,log_size=2M",
            "no-zero.vhdx",
            8 * MIB,
        ),
    ] {
        for (name, is_empty) in [(name.to_owned(), false), (format!("empty-{name}"), true)] {
            let writes = if is_empty { &[][..] } else { &WRITES };
            bench.make(format, options, &name, "32M", writes);
            let virtual_size = bench.virtual_size(format, &name);
            let blocks = (0..virtual_size)
                .step_by(block.max(1) as usize)
                .filter(|_| !is_empty);
            let expected: Vec<Piece> = match block {
                0 => vec![(0, virtual_size)],
                _ => blocks
                    .map(|start| (start, virtual_size.min(start + block)))
                    .filter(|(start, end)| {
                        written.iter().any(|(from, to)| from < end && start < to)
                    })
                    .collect(),
            };
            assert_scanned(&bench, format, &name, &expected);
        }
    }
}

#[test]
fn what_the_tables_place_in_a_hole_is_not_stored() {
    let bench = Bench::new();
    let numbers = |name: &str| {
        let ran = bench.tool_ok(&format!("scan --output json {name}"));
        (ran.number("allocated-bytes"), ran.number("stored-bytes"))
    };
    let data = 2 * MIB + 65536;
    for (format, options, name) in [
        ("raw", "", "a.raw"),
        ("qcow2", "preallocation=metadata", "a.qcow2"),
        ("qcow2", "preallocation=metadata,cluster_size=2M", "b.qcow2"),
        ("vpc", "subformat=fixed,force_size=on", "fixed.vhd"),
        ("vpc", "force_size=on", "a.vhd"),
        ("vmdk", "", "a.vmdk"),
        ("vhdx", "block_size=1M", "a.vhdx"),
    ] {
        bench.make(format, options, name, "16M", &[]);
        let (allocated, _) = numbers(name);
        bench.io(format, name, &["write -P 1 1M 2M", "write -P 2 9M 64k"]);
        let (written, stored) = numbers(name);
        let is_full = allocated == 16 * MIB;
        assert_eq!(written == 16 * MIB, is_full, "{name}");
        // qemu-img stores the first 4096 bytes of some files.
        let more = if is_full || format == "raw" {
            4096
        } else {
            written
        };
        assert!((data..=data + more).contains(&stored), "{name}: {stored}");
        assert!(format != "raw" || written == stored, "{name}: {written}");
        // A hole in the middle of what was written, where it lies in the file.
        let image = bench.read(name);
        let place = image.windows(4096).position(|bytes| *bytes == [1; 4096]);
        let place = place.unwrap().next_multiple_of(4096) as u64 + MIB / 2;
        bench.punch(name, place, MIB / 8);
        let now = stored - MIB / 8;
        let by_tables = if format == "raw" { now } else { written };
        assert_eq!(numbers(name), (by_tables, now), "{name}");
    }
}

/// After every 4096 blocks of 1 MiB, the table has an entry of a sector bitmap.
#[test]
fn a_vhdx_of_several_chunks_stores_the_blocks_that_were_written() {
    let bench = Bench::new();
    let writes = [
        "write -P 1 0 1M",
        "write -P 2 4095M 2M",
        "write -P 3 9000M 1M",
    ];
    bench.make("vhdx", "block_size=1M", "a.vhdx", "10G", &writes);
    let ran = bench.tool("scan --output json a.vhdx");
    assert_eq!(ran.number("allocated-bytes"), 4 * MIB, "{ran:?}");
    assert_eq!(ran.number("stored-bytes"), 4 * MIB, "{ran:?}");
    let [empty, copy] = ["--size 10G", "a.vhdx"].map(|of| {
        let ran = bench.tool(&format!("measure --output json -O qcow2 {of}"));
        ran.number("required")
    });
    assert_eq!(copy - empty, 4 * MIB);
}

#[test]
fn what_is_no_size_is_refused() {
    let bench = Bench::new();
    bench.make("qcow2", "", "a.qcow2", "1M", &[]);
    for (option, wrong) in [
        ("--sector-size", "0"),
        ("--sector-size", "256"),
        ("--sector-size", "1000"),
        ("--sector-size", "128k"),
        ("--sector-size", "-512"),
        ("--sector-size", ""),
        ("--unit", "0"),
        ("--unit", "18446744073709551616"),
        ("--output", "xml"),
        ("-f", "qcow3"),
    ] {
        bench.refused(
            &format!("scan {option} '{wrong}' a.qcow2"),
            &[&format!("{wrong:?}")],
        );
    }
    for unit in ["1", "1.5k", "0x200", "15E", "18446744073709551615"] {
        bench.tool_ok(&format!("scan --unit {unit} a.qcow2"));
    }
}
