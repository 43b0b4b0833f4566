//! `images measure` of images with backing files, against `qemu-img measure`; and which backing files are
//! refused. More chains of more formats are in `measure_random`.

use std::fs;
use std::os::unix::fs::symlink;

use crate::qemu::{Bench, Ran as _};

fn same_with_and_without_base(bench: &Bench, format: &str, name: &str) {
    for options in ["cluster_size=512", "cluster_size=64k", "cluster_size=2M"] {
        let options = format!("-O qcow2 -o {options}");
        bench.same_own_layer(&options, format, name);
        bench.same(&format!("{options} -f {format} {name}"));
    }
    bench.same(name);
    bench.same(&format!("--output json -O qcow2 {name}"));
}

#[test]
fn an_overlay_is_measured_with_all_that_it_takes_from_its_base() {
    let bench = Bench::new();
    bench.make("qcow2", "", "base.qcow2", "64M", &["write -P 1 0 20M"]);
    bench.overlay("qcow2", "base.qcow2", "qcow2", "top.qcow2 64M");
    bench.io("qcow2", "top.qcow2", &["write -P 2 10M 20M"]);
    same_with_and_without_base(&bench, "qcow2", "top.qcow2");
    for (args, measured, required, note) in [
        ("top.qcow2", "chain", 31_784_960, ""),
        (
            "--own-layer top.qcow2",
            "own-layer",
            21_299_200,
            "'base.qcow2'",
        ),
        ("--own-layer base.qcow2", "own-layer", 21_299_200, ""),
    ] {
        let ran = bench.tool_ok(&format!("measure --output json -O qcow2 {args}"));
        assert_eq!(ran.parsed()["measured"], measured, "{args}");
        assert_eq!(ran.number("required"), required, "{args}");
        assert_eq!(
            ran.stderr.starts_with("note: "),
            !note.is_empty(),
            "{ran:?}"
        );
        assert!(ran.stderr.contains(note), "{ran:?}");
    }
    let ran = bench.tool("measure --output json --size 1M");
    assert!(!ran.stdout.contains("measured"), "{ran:?}");
}

/// Damages the type of the header extension that names the base's format, so that the format is probed.
fn forget_base_format(bench: &Bench, name: &str) {
    let at = bench.find(name, &[0xe2, 0x79, 0x2a, 0xca]);
    bench.patch(name, at, &[0x11]);
}

#[test]
fn the_format_of_a_base_is_the_one_named_or_else_probed() {
    let bench = Bench::new();
    let writes = ["write -P 1 0 100k", "write -P 1 1M 512k"];
    bench.write("empty", "");
    for (format, options, base) in [
        ("qcow2", "", "b.qcow2"),
        ("vmdk", "", "b.vmdk"),
        ("vpc", "", "b.vhd"),
        // QEMU does not detect a fixed VHD.
        ("vpc", "subformat=fixed,force_size=on", "f.vhd"),
        ("raw", "", "b.raw"),
        ("raw", "", "empty"),
    ] {
        if base != "empty" {
            bench.make(format, options, base, "2M", &writes);
        }
        for compat in ["0.10", "1.1"] {
            // As raw, the base's own tables are the disk.
            let args = format!("-o compat={compat} top.qcow2 3M");
            bench.overlay("qcow2", base, "raw", &args);
            same_with_and_without_base(&bench, "qcow2", "top.qcow2");
            forget_base_format(&bench, "top.qcow2");
            same_with_and_without_base(&bench, "qcow2", "top.qcow2");
        }
    }
}

#[test]
fn a_base_is_looked_for_beside_the_image_that_names_it() {
    let bench = Bench::new();
    fs::create_dir_all(bench.path("a/b")).unwrap();
    bench.make("raw", "", "a/base", "2M", &["write -P 1 0 1M"]);
    bench.overlay("qcow2", "../base", "raw", "a/b/middle 2M");
    bench.overlay("qcow2", "b/middle", "qcow2", "a/top 2M");
    bench.overlay("qcow2", "./b/../b/middle", "qcow2", "a/x:y 2M");
    let absolute = bench.path("a/top");
    let absolute = absolute.to_str().unwrap();
    bench.overlay("qcow2", absolute, "qcow2", "topmost 2M");
    bench.overlay("qcow2", "a/x:y", "qcow2", "on-colon 2M");
    // A link to a base is the base.
    symlink("a/base", bench.path("base-link")).unwrap();
    bench.overlay("qcow2", "base-link", "raw", "on-link 2M");
    for name in [
        "a/b/middle",
        "a/top",
        "topmost",
        absolute,
        "on-colon",
        "on-link",
    ] {
        same_with_and_without_base(&bench, "qcow2", name);
    }
    // Beside the link, and not beside what it links to.
    symlink("a/b/middle", bench.path("link")).unwrap();
    bench.both_refuse("measure link", "link");
}

/// Asserts that `measure` refuses an image for its chain, with `parts` in the message, and measures its own
/// layer.
fn assert_chain_refused(bench: &Bench, name: &str, parts: &[&str]) {
    let parts = [parts, &["--own-layer"]].concat();
    bench.refused(&format!("measure -O qcow2 {name}"), &parts);
    for args in ["measure -O qcow2 --own-layer", "scan"] {
        let own = bench.tool_ok(&format!("{args} {name}"));
        assert!(own.stderr.starts_with("note: "), "{name}: {own:?}");
    }
}

#[test]
fn a_base_that_cannot_be_followed_is_an_error_that_names_it() {
    let bench = Bench::new();
    bench.mkfifo("fifo");
    symlink("fifo", bench.path("link-to-fifo")).unwrap();
    bench.make("raw", "", "b.raw", "1M", &[]);
    bench.make("vdi", "", "b.vdi", "1M", &[]);
    for (base, format, parts) in [
        (
            "gone.qcow2",
            "qcow2",
            &["'top.qcow2'", "'gone.qcow2'", "No such"][..],
        ),
        (r#"json:{"driver":"null-co"}"#, "raw", &["protocol"]),
        ("nbd:localhost:1", "raw", &["protocol"]),
        ("http://localhost:1/x", "raw", &["protocol"]),
        ("file:base.raw", "raw", &["protocol"]),
        ("fat:rw:/tmp", "raw", &["protocol"]),
        ("/dev/zero", "raw", &["/dev/zero", "a character device"]),
        (".", "raw", &["a folder"]),
        ("fifo", "raw", &["fifo", "a FIFO"]),
        ("link-to-fifo", "raw", &["link-to-fifo", "a FIFO"]),
        ("b.raw", "qcow2", &["b.raw", "not an image of this format"]),
        ("b.raw", "vmdk", &["b.raw", "not an image of this format"]),
        // A format that is named, and one that is probed.
        ("b.vdi", "vdi", &["'b.vdi'", "\"vdi\""]),
    ] {
        bench.overlay("qcow2", base, format, "top.qcow2 1M");
        assert_chain_refused(&bench, "top.qcow2", parts);
    }
    forget_base_format(&bench, "top.qcow2");
    assert_chain_refused(&bench, "top.qcow2", &["'b.vdi'", "VDI"]);
    // A VMDK whose parent has no name, which qemu-img takes for a disk of its own.
    bench.make("vmdk", "", "b.vmdk", "1M", &[]);
    bench.overlay("vmdk", "b.vmdk", "vmdk", "top.vmdk 1M");
    bench.patch(
        "top.vmdk",
        bench.find("top.vmdk", b"parentFileNameHint"),
        b"x",
    );
    assert_chain_refused(&bench, "top.vmdk", &["does not name it"]);
    let note = bench.tool("scan top.vmdk").stderr;
    assert!(
        note.contains("a backing file that it does not name:"),
        "{note}"
    );
}

#[test]
fn a_chain_that_comes_back_or_never_ends_is_an_error() {
    let bench = Bench::new();
    bench.overlay("qcow2", "self", "qcow2", "other 1M");
    fs::rename(bench.path("other"), bench.path("self")).unwrap();
    assert_chain_refused(&bench, "self", &["comes back"]);
    bench.overlay("qcow2", "two", "qcow2", "one 1M");
    bench.overlay("qcow2", "three", "qcow2", "two 1M");
    bench.overlay("qcow2", "./two", "qcow2", "three 1M");
    assert_chain_refused(&bench, "one", &["'three'", "'./two'", "comes back"]);
    // One image after another, each the base of the next: only the name differs.
    bench.make("qcow2", "", "base000", "1M", &["write -P 1 0 64k"]);
    bench.overlay("qcow2", "base000", "qcow2", "base001 1M");
    let at = bench.find("base001", b"base000");
    for nth in 2..=200 {
        let name = format!("base{nth:03}");
        fs::copy(bench.path("base001"), bench.path(&name)).unwrap();
        bench.patch(&name, at, format!("base{:03}", nth - 1).as_bytes());
    }
    bench.same("-O qcow2 base199");
    assert_chain_refused(&bench, "base200", &["'base000'", "200"]);
}

/// qemu-img takes all of a VHDX for data. Its table is the truth.
#[test]
fn a_vhdx_base_holds_what_its_table_places() {
    let bench = Bench::new();
    bench.make(
        "vhdx",
        "block_size=1M",
        "base.vhdx",
        "20M",
        &["write -P 1 3M 2M"],
    );
    bench.overlay("qcow2", "base.vhdx", "vhdx", "top.qcow2 20M");
    let measure = |name: &str| bench.tool(&format!("measure -O qcow2 {name}")).stdout;
    let base = measure("base.vhdx");
    assert!(base.starts_with("required size: 2424832\n"), "{base}");
    assert_eq!(measure("top.qcow2"), base + "bitmaps size: 0\n");
    let theirs = bench.img_ok("measure --output json -O qcow2 base.vhdx");
    assert_eq!(theirs.number("required"), theirs.number("fully-allocated"));
}

#[test]
fn a_differencing_vhd_or_vhdx_is_refused_by_name() {
    let bench = Bench::new();
    bench.make("vpc", "force_size=on", "a.vhd", "1M", &[]);
    let image = bench.read("a.vhd");
    // The type is 4 instead of 3 in the footer's copy, and the name is in the header.
    let name = (512 + 64, &b"\0b\0a\0s\0e"[..], 98 + 97 + 115 + 101);
    for ((at, bytes, grown), checksum) in [((63, &[4][..], 1), 64), (name, 512 + 36)] {
        bench.patch("a.vhd", at, bytes);
        // The checksum is the complement of a sum, which has grown.
        let sum = u32::from_be_bytes(image[checksum..checksum + 4].try_into().unwrap());
        bench.patch("a.vhd", checksum, &(sum - grown).to_be_bytes());
    }
    bench.overlay("qcow2", "a.vhd", "vpc", "top.qcow2 1M");
    assert_chain_refused(&bench, "top.qcow2", &["'a.vhd'", "differencing"]);

    bench.make("vhdx", "", "a.vhdx", "1M", &[]);
    let image = bench.read("a.vhdx");
    let find = |bytes: &[u8]| image.windows(bytes.len()).position(|found| found == bytes);
    // The item of the file parameters: where it lies in the metadata, and its flag for a parent.
    let table = find(b"metadata").unwrap();
    let entry = find(b"\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b").unwrap();
    let place = u32::from_le_bytes(image[entry + 16..entry + 20].try_into().unwrap());
    let flags = table + place as usize + 4;
    bench.patch("a.vhdx", flags, &[image[flags] | 2]);
    assert!(!bench.img("measure a.vhdx").is_ok());
    bench.refused("scan a.vhdx", &["differencing", "its parent; ", "merge"]);
    // Where the parent is: a key and its value, in an item of its own.
    let count = image[table + 10];
    let item = table + 32 + 32 * usize::from(count);
    let guid = b"\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c";
    bench.patch("a.vhdx", table + 10, &[count + 1]);
    bench.patch("a.vhdx", item, guid);
    bench.patch("a.vhdx", item + 16, &[0, 0, 2, 0, 54, 0, 0, 0]);
    let entry = [32, 0, 0, 0, 40, 0, 0, 0, 8, 0, 8, 0];
    let locator = [&[0; 20], &entry[..], b"p\0a\0t\0h\0b\0a\0s\0e\0"].concat();
    bench.patch("a.vhdx", table + (2 << 16), &locator);
    for name in ["a.vhd", "a.vhdx"] {
        for command in ["measure", "measure --own-layer", "scan"] {
            let parts = ["differencing", "parent, 'base'; ", "merge"];
            bench.refused(&format!("{command} {name}"), &parts);
        }
    }
}
