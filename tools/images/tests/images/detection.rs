//! What `measure` and `scan` take a file for, against qemu-img: extents of split disks, and raw disks that end in
//! the footer of a VHD.

use crate::qemu::{Bench, Ran as _};

/// Removes the place of the descriptor from a VMDK's header.
fn forget_descriptor(bench: &Bench, from: &str, to: &str) {
    bench.write(to, bench.read(from));
    bench.patch(to, 28, &[0; 16]);
}

#[test]
fn one_extent_of_a_split_disk_is_refused_and_its_descriptor_named() {
    let bench = Bench::new();
    for (name, size, extents) in [
        ("small.vmdk", "3M", 1),
        ("a-b.vmdk", "2G", 1),
        ("large.vmdk", "5G", 3),
    ] {
        let options = "subformat=twoGbMaxExtentSparse";
        bench.make("vmdk", options, name, size, &["write -P 1 1M 1M"]);
        for nth in 1..=extents {
            let extent = name.replace(".vmdk", &format!("-s{nth:03}.vmdk"));
            for command in ["measure", "scan", "measure -f vmdk", "scan -f vmdk"] {
                let named = format!("'{name}'");
                bench.refused(&format!("{command} {extent}"), &[&named]);
            }
            assert!(!bench.img(&format!("measure {extent}")).is_ok());
            // As VMware writes it: the header has no place for a descriptor.
            forget_descriptor(&bench, &extent, "moved.vmdk");
            bench.refused("scan moved.vmdk", &["the descriptor that lists"]);
            assert!(!bench.img("measure moved.vmdk").is_ok());
        }
    }
    // A whole disk may be called like an extent.
    bench.make("vmdk", "", "whole-s001.vmdk", "2M", &["write 0 1M"]);
    bench.same("-O qcow2 whole-s001.vmdk");
    // QEMU looks for the descriptor in one place, whatever the header has.
    forget_descriptor(&bench, "whole-s001.vmdk", "whole.vmdk");
    bench.same("-O qcow2 whole.vmdk");
}

/// What `qemu-img info` opens as raw is no descriptor. What it detects as one, it then refuses: there is no extent.
#[test]
fn a_text_descriptor_is_what_qemu_detects_as_one() {
    let bench = Bench::new();
    let long = |length: usize| format!("#{}\nversion=1\n", "c".repeat(length - 12));
    let heads = "version=1\n|version=2\r\n|#\n# c\r\n#\0\nversion=3\nCID=1|# Disk DescriptorFile\n \n  \r\nversion=1\n|\
                 # Disk DescriptorFile\n\nversion=1\n|\r\nversion=1\n| \r\r\nversion=1\n| #\nversion=1\n|\
                 \t\nversion=1\n|\x20version=1\n|version=1|version=1\r|version=1 \n|version=1\r\r\n|version=0\n|\
                 version=4\n|version=11\n|Version=1\n|version = 1\n|#version=1\n|# Disk DescriptorFile|CID=1\n";
    let long = [512, 513, 600].map(long);
    for head in heads.split('|').chain(long.iter().map(String::as_str)) {
        bench.write("head", head);
        let info = bench.img("info --output json head");
        let is_raw = info.is_ok() && info.parsed()["format"] == "raw";
        let begins = vmdk::descriptor::begins(head.as_bytes());
        assert_eq!(begins, !is_raw, "{head:?}: {info:?}");
        bench.count();
    }
    bench.compared(25, "starts of descriptors");
}

#[test]
fn a_raw_disk_that_ends_in_an_old_footer_is_raw() {
    let bench = Bench::new();
    for (nth, (options, old)) in [
        ("subformat=fixed,force_size=on", "64k"),
        ("subformat=fixed,force_size=on", "3M"),
        ("subformat=fixed", "64k"),
        ("force_size=on", "64k"),
        ("", "40M"),
    ]
    .into_iter()
    .enumerate()
    {
        bench.make("vpc", options, "a.vhd", old, &[]);
        let image = bench.read("a.vhd");
        for length in [512_u64, 65536, 131_072, 1 << 20, 5 << 20] {
            let is_fixed = options.contains("fixed");
            if length + 512 == image.len() as u64 && is_fixed {
                continue;
            }
            let name = format!("{nth}-{length}.raw");
            let footer = &image[image.len() - 512..];
            bench.write(&name, [&vec![7; length as usize], footer].concat());
            bench.same(&format!("-O qcow2 {name}"));
            let ran = bench.tool(&format!("scan --output json {name}"));
            assert_eq!(ran.parsed()["format"], "raw", "{ran:?}");
            assert_eq!(ran.number("virtual-size"), length + 512, "{ran:?}");
            // As a VHD, the footer decides, as for qemu-img, which refuses a disk that is not fixed. The disk of
            // the footer must be in the file, which qemu-img does not ask for.
            let args = format!("-f vpc -O qcow2 {name}");
            if !is_fixed {
                bench.both_refuse(&format!("measure {args}"), &args);
            } else if image.len() as u64 <= length + 512 {
                bench.same(&args);
            } else {
                bench.img_ok(&format!("measure {args}"));
                bench.refused(&format!("measure {args}"), &[]);
            }
        }
    }
    bench.compared(35, "old footers");
}

#[test]
fn a_vhd_is_found_by_its_footer() {
    let bench = Bench::new();
    for (options, size) in [
        ("subformat=fixed,force_size=on", "64k"),
        ("subformat=fixed,force_size=on", "1000k"),
        ("subformat=fixed", "1000k"),
        ("subformat=fixed", "1G"),
    ] {
        bench.make("vpc", options, "fixed.vhd", size, &[]);
        let ran = bench.tool("scan --output json fixed.vhd");
        assert_eq!(ran.parsed()["format"], "vpc", "{ran:?}");
        let size = bench.virtual_size("vpc", "fixed.vhd");
        assert_eq!(ran.number("virtual-size"), size);
    }
    // Virtual PC before 2004 left the last byte out. QEMU opens it, but does not detect it either way.
    bench.make(
        "vpc",
        "subformat=fixed",
        "fixed.vhd",
        "1000k",
        &["write -P 1 0 64k"],
    );
    let image = bench.read("fixed.vhd");
    bench.write("short.vhd", &image[..image.len() - 1]);
    bench.same("-f vpc -O qcow2 short.vhd");
    let ran = bench.tool("scan --output json short.vhd");
    assert_eq!(ran.number("virtual-size"), image.len() as u64 - 512);
    // A dynamic one whose first footer is damaged is found by the last, and its header.
    bench.make("vpc", "", "a.vhd", "4M", &["write -P 1 0 64k"]);
    bench.patch("a.vhd", 0, &[0; 512]);
    let ran = bench.tool("scan --output json a.vhd");
    assert_eq!(ran.parsed()["format"], "vpc", "{ran:?}");
    assert_eq!(ran.number("allocated-bytes"), 2 << 20);
    bench.patch("a.vhd", 512, b"x");
    let ran = bench.tool("scan --output json a.vhd");
    assert_eq!(ran.parsed()["format"], "raw", "{ran:?}");
}

/// A guest may write the header of another format on its disk (CVE-2026-24708).
#[test]
fn a_file_of_two_formats_is_refused_until_one_is_named() {
    let bench = Bench::new();
    let options = "subformat=fixed,force_size=on";
    bench.make("vpc", options, "disk.vhd", "256k", &[]);
    bench.make("qcow2", "", "small.qcow2", "1M", &[]);
    let mut both = bench.read("small.qcow2");
    both.resize(256 << 10, 0);
    both.extend(&bench.read("disk.vhd")[256 << 10..]);
    for (start, names, options) in [
        (
            &both[..8],
            "qcow2 and vpc",
            "by -f qcow2 or -f vpc or -f raw",
        ),
        (b"LUKS\xba\xbe\0\x01", "vpc and LUKS", "by -f vpc or -f raw"),
    ] {
        bench.write("both", [start, &both[8..]].concat());
        let at_once = format!("{names} at once");
        for command in ["measure -O raw both", "scan both"] {
            bench.refused(command, &["'both'", &at_once, options]);
        }
        bench.same("-f vpc -O qcow2 both");
        bench.same("-f raw -O qcow2 both");
    }
    bench.write("both", &both);
    bench.same("-f qcow2 -O raw both");
    // QEMU looks at the start alone; so does the overlay's format of a base that it does not name.
    assert_eq!(
        bench.img_ok("info --output json both").parsed()["format"],
        "qcow2"
    );
}

#[test]
fn a_file_of_a_foreign_format_is_refused_by_name() {
    let bench = Bench::new();
    for (at, magic, name) in [
        (0, &b"QFI\xfb\0\0\0\x01"[..], "qcow (version 1)"),
        (64, b"\x7f\x10\xda\xbe", "VDI"),
        (1 << 16, b"koly", "DMG"),
        (0, b"\xa2\x72\x19\xf6", "changed block tracking"),
        (0, b"QED\0", "QED"),
        (0, b"WithoutFreeSpace", "Parallels"),
    ] {
        let mut file = vec![0; (1 << 16) + 512];
        file[at..at + magic.len()].copy_from_slice(magic);
        bench.write("file", file);
        for command in ["measure file", "scan file"] {
            bench.refused(command, &[name, "not known here", "-f raw"]);
        }
        bench.same("-f raw file");
    }
}
