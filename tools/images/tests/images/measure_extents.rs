//! `images measure` and `scan` of VMDKs whose text descriptor lists the files that hold the disk, against qemu-img;
//! and which descriptors are refused.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use crate::qemu::{Bench, Ran as _};

/// Asserts that `measure` answers as qemu-img, and `scan` as `qemu-img map`: of the bytes that are data there, and of
/// those that hold no zeroes.
fn same(bench: &Bench, name: &str) {
    for options in ["cluster_size=512", "cluster_size=64k", "cluster_size=2M"] {
        bench.same(&format!("--output=json -O qcow2 -o {options} {name}"));
    }
    bench.same(&format!("-f vmdk {name}"));
    let scan = bench.tool_ok(&format!("scan --output json --sector-size 4k {name}"));
    let map = bench.map("vmdk", name);
    let sum = |part: fn(&crate::qemu::Mapped) -> bool| -> u64 {
        let extents = map.iter().filter(|extent| part(extent));
        extents.map(|extent| extent.length).sum()
    };
    let (own, stored) = (sum(|one| one.is_own), sum(|one| one.is_own && !one.is_zero));
    assert_eq!(scan.number("virtual-size"), sum(|_| true), "{name}");
    assert_eq!(scan.number("allocated-bytes"), own, "{name}");
    // QEMU does not look for holes in sparse extents.
    let ours = scan.number("stored-bytes");
    let is_less = ours < stored && name.contains("Sparse");
    assert!(ours == stored || is_less, "{name}: {ours} {stored}");
}

#[test]
fn a_disk_in_several_files_is_measured_as_qemu_img_does() {
    let bench = Bench::new();
    for subformat in "monolithicFlat twoGbMaxExtentFlat twoGbMaxExtentSparse".split(' ') {
        for (size, writes) in [
            ("512", &["write -P 1 0 512"][..]),
            ("3M", &[]),
            ("1000k", &["write -P 1 999k 1k", "write -P 2 64k 512"]),
            ("2G", &["write -P 1 2047M 1M"]),
            // Over the borders of extents, and a last one that ends within a grain.
            (
                "5242881k",
                &[
                    "write -P 1 1M 200k",
                    "write -P 2 2047M 2M",
                    "write -P 3 4194300k 8k",
                    "write -P 4 5242880k 1k",
                    "write -z 2047M 1536k",
                ],
            ),
        ] {
            let name = format!("{subformat}-{size}.vmdk");
            let options = format!("subformat={subformat}");
            bench.make("vmdk", &options, &name, size, writes);
            same(&bench, &name);
            // QEMU looks for holes in flat extents, and in no others.
            for extent in fs::read_dir(bench.folder()).unwrap() {
                let extent = extent.unwrap().file_name().into_string().unwrap();
                if extent.contains(&format!("{size}-")) && bench.length(&extent) > 1_100_000 {
                    bench.punch(&extent, (1 << 20) + 8192, 8192);
                }
            }
            same(&bench, &name);
        }
        // A child in several files on a parent in several files, and on another kind.
        let options = format!("-o subformat={subformat} parent.vmdk 5G");
        bench.img_ok(&format!("create -q -f vmdk {options}"));
        bench.io("vmdk", "parent.vmdk", &["write -P 1 2047M 1M"]);
        let split = "-o subformat=twoGbMaxExtentSparse child.vmdk";
        for (base, args) in [
            ("parent", split),
            ("parent", "single.vmdk"),
            ("single", "last.vmdk"),
        ] {
            bench.img_ok(&format!("create -q -f vmdk -F vmdk -b {base}.vmdk {args}"));
            let child = args.split(' ').next_back().unwrap();
            bench.io("vmdk", child, &["write -P 1 4095M 2M"]);
            same(&bench, child);
        }
        bench.overlay("qcow2", "last.vmdk", "vmdk", "top.qcow2 6G");
        bench.same("-O qcow2 top.qcow2");
    }
    bench.compared(150, "disks in several files");
}

/// A descriptor of extents that are separated by `;`.
fn descriptor(create_type: &str, extents: &str) -> String {
    let extents = extents.replace(';', "\n");
    format!(
        "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"{create_type}\"\n{extents}\n"
    )
}

#[test]
fn extents_that_qemu_img_does_not_write() {
    let bench = Bench::new();
    bench.make("raw", "", "flat", "1M", &["write -P 1 512k 64k"]);
    bench.make("vmdk", "", "s.vmdk", "1M", &["write -P 1 0 64k"]);
    let flat = "RW 1024 FLAT \"flat\" 1024;RW 128 FLAT \"flat\" 512;RW 2048 SPARSE \"s.vmdk\"";
    for (create_type, extents) in [
        ("vmfs", "RW 1152 VMFS \"flat\""),
        ("monolithicFlat", flat),
        ("twoGbMaxExtentSparse", &flat.replace(';', "\r\n")),
    ] {
        bench.write("d.vmdk", descriptor(create_type, extents));
        same(&bench, "d.vmdk");
    }
    let theirs = bench.tool_ok("measure d.vmdk").stdout;
    // Unlike QEMU, which refuses these kinds, and passes over extents that it does not know.
    let more = format!("RW 9 ZERO;{};RW 63 ZERO", flat.replacen("RW", "RDONLY", 1));
    for (create_type, extents, sectors) in [
        ("custom", flat, 3200),
        ("monolithicSparse", flat, 3200),
        ("monolithicFlat", &more, 3272),
        // QEMU counts an extent once more for each blank line before it.
        ("monolithicFlat", &format!(";;{flat}"), 3200),
    ] {
        bench.write("d.vmdk", descriptor(create_type, extents));
        let ours = bench.tool_ok("measure d.vmdk").stdout;
        assert_ne!(bench.img("measure d.vmdk").stdout, ours);
        assert_eq!(sectors == 3200, ours == theirs);
        let scan = bench.tool_ok("scan --output json --unit 64k d.vmdk");
        assert_eq!(scan.number("virtual-size"), sectors * 512);
        assert_eq!(scan.number("allocated-bytes"), (1024 + 128 + 128) * 512);
        assert_eq!(scan.number("stored-bytes"), 64 << 11);
    }
}

/// Extents of 8 sectors, and why there is no answer.
const HOSTILE: &str = r#"
    FLAT "/etc/passwd" 0 => without a path
    FLAT "/dev/zero" 0 => without a path
    FLAT "folder/../flat" 0 => without a path
    FLAT "..\flat" 0 => without a path
    SPARSE ".." => without a path
    VMFS "." => without a path
    FLAT "link" 0 => a symbolic link
    SPARSE "link-out" => a symbolic link
    FLAT "fifo" 0 => a FIFO
    FLAT "folder" 0 => a folder
    FLAT "gone" 0 => No such file
    FLAT "d.vmdk" 0 => the descriptor itself
    SPARSE "d.vmdk" => the descriptor itself
    FLAT "hard-link" 0 => the descriptor itself
    FLAT "flat" 0;RW 8 FLAT "flat" 7 => another extent
    SPARSE "s.vmdk";RW 8 VMFS "s.vmdk" => another extent
    FLAT "flat" 2041 => ends at byte 1049088
    FLAT "flat" 9007199254740992 => ends at byte
    SPARSE "flat" => not an image of this format
    SPARSE "large.vmdk" => by its own header
    SPARSE "cowd" => COWD
    VMFSSPARSE "cowd" => of type VMFSSPARSE
    VMFSRDM "flat" => of type VMFSRDM
    SESPARSE "flat" => of type SESPARSE
    ZERO;NOACCESS 8 FLAT "flat" 0 => NOACCESS
    ZERO;RW 18014398509481983 ZERO => 2^63 bytes
    FLAT "flat" => offset
"#;

#[test]
fn a_hostile_descriptor_is_refused() {
    let bench = Bench::new();
    bench.mkfifo("fifo");
    fs::create_dir(bench.path("folder")).unwrap();
    symlink("flat", bench.path("link")).unwrap();
    symlink("/dev/zero", bench.path("link-out")).unwrap();
    bench.make("raw", "", "flat", "1M", &[]);
    bench.make("vmdk", "", "s.vmdk", "4k", &[]);
    bench.make("vmdk", "", "large.vmdk", "8k", &[]);
    bench.write("cowd", [b"COWD", &[0; 600][..]].concat());
    bench.write("d.vmdk", "");
    fs::hard_link(bench.path("d.vmdk"), bench.path("hard-link")).unwrap();
    let refused = |create_type: &str, extents: &str, reason: &str| {
        bench.write("d.vmdk", descriptor(create_type, extents));
        for command in ["measure", "scan", "measure -f vmdk --own-layer"] {
            bench.refused(&format!("{command} d.vmdk"), &["'d.vmdk'", reason]);
        }
    };
    for line in HOSTILE.trim().lines() {
        let (extents, reason) = line.trim().split_once(" => ").unwrap();
        refused("custom", &format!("RW 8 {extents}"), reason);
    }
    let sound = "RW 8 FLAT \"flat\" 0";
    for kind in ["vmfsSparse", "seSparse", "vmfsRDM", "fullDevice"] {
        refused(kind, sound, &format!("({kind})"));
    }
    refused("other", sound, "unknown createType");
    let many = |line: &str| line.repeat(100_000);
    refused(
        "custom",
        &many("RW 1 ZERO;"),
        "100000 extents: at most 4096",
    );
    refused(
        "custom",
        &many("RW 8 VMFS \"flat\";"),
        "more than 1048575 bytes",
    );
    // A gigabyte of text takes neither time nor memory.
    bench.write("d.vmdk", descriptor("custom", sound));
    let grown = File::options().write(true).open(bench.path("d.vmdk"));
    grown.unwrap().set_len(1 << 30).unwrap();
    let limited = |limit: &str, reason: &str| {
        let mut shell = Command::new("sh");
        let tool = env!("CARGO_BIN_EXE_images");
        shell.args(["-c", &format!("ulimit {limit}; {tool} scan d.vmdk")]);
        shell.current_dir(bench.folder());
        let ran = crate::qemu::run(shell, Duration::from_secs(10));
        crate::qemu::assert_refused(&ran, "scan", &[reason]);
    };
    limited("-v 100000", "more than 1048575 bytes");
    // Each extent's file is open.
    let names = (0..100).map(|nth| format!("RW 8 FLAT \"{nth}\" 0;"));
    bench.write("d.vmdk", descriptor("custom", &names.collect::<String>()));
    (0..100).for_each(|nth| bench.write(&nth.to_string(), [1; 4096]));
    bench.tool_ok("scan d.vmdk");
    limited("-n 64", "Too many open files");
}
