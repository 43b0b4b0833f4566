//! `images scan` against qemu-img: `info` for the virtual size, `map` for the data of raw, qcow2 and
//! VMDK. For VHD and VHDX the blocks that were written are known.

mod qemu;

use std::path::Path;

use qemu::{folder, make, map, punch, qemu_img_ok, qemu_io, tool};

/// Where data begins, and how long it is, in bytes.
type Extents = Vec<(u64, u64)>;

/// The extents of the image's own layer that are data, as `qemu-img map` prints them. In a sparse file some of them
/// read as zeroes: they are data all the same.
fn mapped(folder: &Path, format: &str, name: &str) -> Extents {
    let own = map(folder, format, name)
        .into_iter()
        .filter(|extent| extent.is_own && extent.is_data);
    own.map(|extent| (extent.start, extent.length)).collect()
}

/// How many bytes of the image's own data are no holes in its file, by the map of the file itself. What has no place
/// of its own, which is compressed data, counts whole.
fn stored(folder: &Path, format: &str, name: &str) -> u64 {
    let in_file: Vec<_> = map(folder, "raw", name)
        .into_iter()
        .filter(|extent| extent.is_data && !extent.is_zero)
        .map(|extent| (extent.start, extent.start + extent.length))
        .collect();
    let own = map(folder, format, name)
        .into_iter()
        .filter(|extent| extent.is_own && extent.is_data);
    own.map(|extent| match extent.place {
        Some(place) => in_file
            .iter()
            .map(|&(start, end)| {
                end.min(place + extent.length)
                    .saturating_sub(start.max(place))
            })
            .sum(),
        None => extent.length,
    })
    .sum()
}

fn units_touched(extents: &Extents, unit: u64) -> u64 {
    let units = extents
        .iter()
        .filter(|(_, length)| *length > 0)
        .flat_map(|(start, length)| start / unit..=(start + length - 1) / unit);
    units.collect::<std::collections::BTreeSet<_>>().len() as u64
}

/// Asserts what scan prints of an image, for several sector sizes and units, with its format named and
/// detected.
fn assert_scanned(folder: &Path, format: &str, name: &str, expected: &Extents) {
    let info = ["info", "-f", format, "--output", "json", name];
    let virtual_size = qemu_img_ok(folder, &info).number("virtual-size");
    let length = std::fs::metadata(folder.join(name)).unwrap().len();
    for sector_size in ["512", "4k", "65536"] {
        for unit in ["1", "4k", "65536", "2M", "3M"] {
            let args =
                format!("scan --output json --sector-size {sector_size} --unit {unit} {name}");
            let ran = tool(folder, &args);
            assert!(ran.succeeded(), "{args:?}: {ran:?}");
            let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
            assert_eq!(json["format"], format, "{args:?}");
            assert_eq!(ran.number("virtual-size"), virtual_size, "{args:?}");
            let bytes: u64 = expected.iter().map(|(_, length)| length).sum();
            assert_eq!(ran.number("allocated-bytes"), bytes, "{args:?}");
            let unit_bytes = match unit {
                "4k" => 4096,
                "2M" => 2 << 20,
                "3M" => 3 << 20,
                bytes => bytes.parse().unwrap(),
            };
            // So many units of one byte are not collected.
            let units = if unit_bytes == 1 {
                bytes
            } else {
                units_touched(expected, unit_bytes)
            };
            assert_eq!(ran.number("touched-units"), units, "{args:?}");
            assert!(
                ran.number("sector-reads") <= 4 * length.div_ceil(512) + 64,
                "{args:?}: {ran:?}"
            );
        }
    }
    let plain = tool(folder, &format!("scan -f {format} {name}"));
    let keys: Vec<_> = plain
        .stdout
        .lines()
        .filter_map(|line| line.split(": ").next())
        .collect();
    let stored_key = (!name.starts_with("external")).then_some("stored-bytes");
    let expected = ["format", "virtual-size", "allocated-bytes"]
        .into_iter()
        .chain(stored_key)
        .chain(["sector-reads"]);
    assert_eq!(keys, expected.collect::<Vec<_>>(), "{plain:?}");
    let json = tool(folder, &format!("scan --output json -f {format} {name}"));
    assert!(json.stdout.contains("\"measured\": \"own-layer\""));
    // qemu-img does not map the blocks of a VHDX.
    if stored_key.is_some() && format != "vhdx" {
        let bytes = stored(folder, format, name);
        assert_eq!(json.number("stored-bytes"), bytes, "{name}: {json:?}");
    }
}

const WRITES: [&str; 5] = [
    "write -P 1 0 128k",
    "write -P 2 1M 64k",
    "write -P 3 5M 3M",
    "write -P 4 20M 64k",
    "write -P 5 31M 1M",
];

#[test]
fn raw_qcow2_and_vmdk_hold_what_map_says() {
    let (_guard, folder) = folder();
    let images = [
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
    ];
    for (format, options, name) in images {
        make(&folder, format, options, name, "32M", &WRITES);
        assert_scanned(&folder, format, name, &mapped(&folder, format, name));
    }
    // Zeroes, discards, snapshots, compression, resizing: qcow2 has many ways not to hold data.
    for name in ["v3.qcow2", "4k.qcow2", "extended.qcow2"] {
        qemu_io(
            &folder,
            "qcow2",
            name,
            &["write -z 5M 1M", "write -z -u 6M 128k", "discard 20M 64k"],
        );
        assert_scanned(&folder, "qcow2", name, &mapped(&folder, "qcow2", name));
        qemu_img_ok(&folder, &format!("snapshot -c before {name}"));
        qemu_io(
            &folder,
            "qcow2",
            name,
            &["write -P 9 0 64k", "write -P 9 24M 128k"],
        );
        assert_scanned(&folder, "qcow2", name, &mapped(&folder, "qcow2", name));
        qemu_img_ok(&folder, &format!("resize -q -f qcow2 {name} 40M"));
        assert_scanned(&folder, "qcow2", name, &mapped(&folder, "qcow2", name));
    }
    for (format, options, name) in [
        ("qcow2", "cluster_size=64k", "compressed.qcow2"),
        (
            "qcow2",
            "compression_type=zstd,cluster_size=4k",
            "compressed-zstd.qcow2",
        ),
        ("vmdk", "subformat=streamOptimized", "stream.vmdk"),
    ] {
        let mut args = vec!["convert", "-O", format, "-o", options, "sparse.raw", name];
        if format == "qcow2" {
            args.insert(1, "-c");
        }
        qemu_img_ok(&folder, &args);
        assert_scanned(&folder, format, name, &mapped(&folder, format, name));
    }
    for (format, name, base) in [
        ("qcow2", "top.qcow2", "v3.qcow2"),
        ("vmdk", "top.vmdk", "sparse.vmdk"),
    ] {
        qemu_img_ok(
            &folder,
            &format!("create -q -f {format} -b {base} -F {format} {name}"),
        );
        qemu_io(&folder, format, name, &["write -P 7 8M 192k"]);
        assert_scanned(&folder, format, name, &mapped(&folder, format, name));
        let ran = tool(&folder, &format!("scan {name}"));
        assert!(
            ran.stderr.starts_with("note: ") && ran.stderr.contains(base),
            "{ran:?}"
        );
    }
}

#[test]
fn vhd_and_vhdx_hold_the_blocks_that_were_written() {
    let (_guard, folder) = folder();
    const MIB: u64 = 1 << 20;
    let cases: [(&str, &str, &str, u64); 8] = [
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
    ];
    // What WRITES touch.
    let written = [
        (0, MIB / 8),
        (MIB, MIB / 16),
        (5 * MIB, 3 * MIB),
        (20 * MIB, MIB / 16),
        (31 * MIB, MIB),
    ];
    for (format, options, name, block) in cases {
        make(&folder, format, options, name, "32M", &WRITES);
        let info = ["info", "-f", format, "--output", "json", name];
        let virtual_size = qemu_img_ok(&folder, &info).number("virtual-size");
        let expected = match block {
            0 => vec![(0, virtual_size)],
            block => {
                let touched: std::collections::BTreeSet<_> = written
                    .iter()
                    .flat_map(|(start, length)| start / block..=(start + length - 1) / block)
                    .collect();
                let blocks = touched.iter().map(|nth| nth * block);
                blocks
                    .map(|start| (start, block.min(virtual_size - start)))
                    .collect()
            }
        };
        assert_scanned(&folder, format, name, &expected);
        let empty = format!("empty-{name}");
        make(&folder, format, options, &empty, "32M", &[]);
        let expected = if block == 0 {
            vec![(0, virtual_size)]
        } else {
            vec![]
        };
        assert_scanned(&folder, format, &empty, &expected);
    }
}

#[test]
fn what_the_tables_place_in_a_hole_is_not_stored() {
    let (_guard, folder) = folder();
    const MIB: u64 = 1 << 20;
    let numbers = |name: &str| {
        let ran = tool(&folder, &format!("scan --output json {name}"));
        assert!(ran.succeeded(), "{ran:?}");
        (ran.number("allocated-bytes"), ran.number("stored-bytes"))
    };
    let writes = ["write -P 1 1M 2M", "write -P 2 9M 64k"];
    for (format, options, name) in [
        ("raw", "", "a.raw"),
        ("qcow2", "preallocation=metadata", "a.qcow2"),
        ("qcow2", "preallocation=metadata,cluster_size=2M", "b.qcow2"),
        ("vpc", "subformat=fixed,force_size=on", "fixed.vhd"),
        ("vpc", "force_size=on", "a.vhd"),
        ("vmdk", "", "a.vmdk"),
        ("vhdx", "block_size=1M", "a.vhdx"),
    ] {
        make(&folder, format, options, name, "16M", &[]);
        let (allocated, _) = numbers(name);
        qemu_io(&folder, format, name, &writes);
        let (written, stored) = numbers(name);
        let is_full = allocated == 16 * MIB;
        assert_eq!(written == 16 * MIB, is_full, "{name}");
        // qemu-img stores the first 4096 bytes of some files.
        let most = 2 * MIB
            + 65536
            + if is_full || format == "raw" {
                4096
            } else {
                written
            };
        assert!(
            (2 * MIB + 65536..=most).contains(&stored),
            "{name}: {stored}"
        );
        assert!(format != "raw" || written == stored, "{name}: {written}");
        // A hole in the middle of what was written, where it lies in the file.
        let image = std::fs::read(folder.join(name)).unwrap();
        let place = image.windows(4096).position(|bytes| *bytes == [1; 4096]);
        let place = place.unwrap().next_multiple_of(4096) as u64 + MIB / 2;
        punch(&folder, name, place, MIB / 8);
        let (still, now) = numbers(name);
        assert_eq!(now, stored - MIB / 8, "{name}");
        let by_tables = if format == "raw" { now } else { written };
        assert_eq!(still, by_tables, "{name}");
    }
}

/// After every 4096 blocks of 1 MiB, the table has an entry of a sector bitmap.
#[test]
fn a_vhdx_of_several_chunks_stores_the_blocks_that_were_written() {
    let (_guard, folder) = folder();
    let writes = [
        "write -P 1 0 1M",
        "write -P 2 4095M 2M",
        "write -P 3 9000M 1M",
    ];
    make(&folder, "vhdx", "block_size=1M", "a.vhdx", "10G", &writes);
    let ran = tool(&folder, "scan --output json a.vhdx");
    assert_eq!(ran.number("allocated-bytes"), 4 << 20, "{ran:?}");
    assert_eq!(ran.number("stored-bytes"), 4 << 20, "{ran:?}");
    let measure = ["measure", "--output", "json", "-O", "qcow2"];
    let empty = tool(&folder, &[&measure[..], &["--size", "10G"]].concat());
    let copy = tool(&folder, &[&measure[..], &["a.vhdx"]].concat());
    let data = copy.number("required") - empty.number("required");
    assert_eq!(data, 4 << 20);
}

#[test]
fn what_is_no_size_is_refused() {
    let (_guard, folder) = folder();
    make(&folder, "qcow2", "", "a.qcow2", "1M", &[]);
    for args in [
        ["--sector-size", "0"],
        ["--sector-size", "256"],
        ["--sector-size", "1000"],
        ["--sector-size", "128k"],
        ["--sector-size", "-512"],
        ["--sector-size", ""],
        ["--unit", "0"],
        ["--unit", "-1"],
        ["--unit", "1x"],
        ["--unit", "99999999999999999999"],
        ["--output", "xml"],
        ["-f", "qcow3"],
    ] {
        let args = [&["scan"], &args[..], &["a.qcow2"]].concat();
        let ran = tool(&folder, &args);
        assert_eq!(ran.code, Some(1), "{args:?}: {ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{args:?}: {ran:?}");
        assert!(
            ran.stderr.starts_with("error: ") && ran.stdout.is_empty(),
            "{args:?}: {ran:?}"
        );
        let wrong = args[2];
        assert!(
            ran.stderr.contains(&format!("{wrong:?}")),
            "{args:?}: {ran:?}"
        );
    }
    for unit in ["1", "1.5k", "0x200", "15E"] {
        let ran = tool(&folder, &format!("scan --unit {unit} a.qcow2"));
        assert!(ran.succeeded(), "{unit}: {ran:?}");
    }
}
