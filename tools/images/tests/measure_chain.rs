//! `images measure` of images with backing files, against `qemu-img measure`; and which backing files are
//! refused.

mod qemu;

use std::fs;
use std::path::Path;

use qemu::{
    Compared, assert_refused, folder, make, qemu_img, qemu_img_ok, qemu_io, same_answer,
    same_own_layer, tool,
};

/// Makes an image on a backing file.
fn overlay(folder: &Path, format: &str, base: &str, base_format: &str, args: &[&str]) {
    let create = ["create", "-q", "-u", "-f", format];
    let base = ["-b", base, "-F", base_format];
    qemu_img_ok(folder, &[&create[..], &base, args].concat());
}

fn same_with_and_without_base(folder: &Path, format: &str, name: &str, compared: &mut Compared) {
    for options in ["cluster_size=512", "cluster_size=64k", "cluster_size=2M"] {
        let args = ["-O", "qcow2", "-o", options];
        same_own_layer(folder, (format, name), &args, compared);
        same_answer(
            folder,
            &[&args[..], &["-f", format, name]].concat(),
            compared,
        );
    }
    same_answer(folder, &[name], compared);
    same_answer(folder, &["--output", "json", "-O", "qcow2", name], compared);
}

#[test]
fn an_overlay_is_measured_with_all_that_it_takes_from_its_base() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
    let writes = ["write -P 1 0 20M"];
    make(&folder, "qcow2", "", "base.qcow2", "64M", &writes);
    overlay(
        &folder,
        "qcow2",
        "base.qcow2",
        "qcow2",
        &["top.qcow2", "64M"],
    );
    qemu_io(&folder, "qcow2", "top.qcow2", &["write -P 2 10M 20M"]);
    same_with_and_without_base(&folder, "qcow2", "top.qcow2", &mut compared);
    let required = |args: &[&str]| {
        let args = [&["measure", "--output", "json", "-O", "qcow2"], args].concat();
        let ran = tool(&folder, &args);
        let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        let measured = json["measured"].as_str().unwrap().to_owned();
        (ran.number("required"), measured, ran.stderr)
    };
    let (chain, measured, note) = required(&["top.qcow2"]);
    assert_eq!((chain, &*measured, &*note), (31_784_960, "chain", ""));
    let (own, measured, note) = required(&["--own-layer", "top.qcow2"]);
    assert_eq!((own, &*measured), (21_299_200, "own-layer"));
    assert!(
        note.starts_with("note: ") && note.contains("'base.qcow2'"),
        "{note}"
    );
    let (_, measured, note) = required(&["--own-layer", "base.qcow2"]);
    assert_eq!((&*measured, &*note), ("own-layer", ""));
    let ours = tool(&folder, "measure --output json --size 1M");
    assert!(!ours.stdout.contains("measured"), "{ours:?}");
    compared.at_least(8, "an overlay");
}

#[test]
fn overlays_and_bases_of_other_sizes_formats_and_clusters() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
    let bases = [
        ("raw", "", "b.raw"),
        ("qcow2", "cluster_size=4k", "b.qcow2"),
        ("qcow2", "extended_l2=on,preallocation=metadata", "e.qcow2"),
        ("vmdk", "", "b.vmdk"),
        ("vpc", "force_size=on", "b.vhd"),
        ("vpc", "subformat=fixed,force_size=on", "f.vhd"),
    ];
    for (base_format, options, base) in bases {
        let writes = ["write -P 1 100k 700k", "write -P 1 4000k 1120k"];
        make(&folder, base_format, options, base, "5120k", &writes);
        for (nth, (options, size)) in [
            ("cluster_size=64k", "5120k"),
            ("cluster_size=512", "3M"),
            ("cluster_size=2M", "12M"),
            ("extended_l2=on,cluster_size=128k", "7000k"),
        ]
        .into_iter()
        .enumerate()
        {
            let top = format!("{nth}-{base}.qcow2");
            overlay(
                &folder,
                "qcow2",
                base,
                base_format,
                &["-o", options, &top, size],
            );
            same_with_and_without_base(&folder, "qcow2", &top, &mut compared);
            let writes = ["write -P 2 700k 300k", "write -z 2M 128k"];
            qemu_io(&folder, "qcow2", &top, &writes);
            same_with_and_without_base(&folder, "qcow2", &top, &mut compared);
            // A shorter image in between hides the rest of the base.
            let upper = format!("upper-{top}");
            overlay(&folder, "qcow2", &top, "qcow2", &[&upper, "9M"]);
            qemu_io(&folder, "qcow2", &upper, &["write -P 3 8M 64k"]);
            same_with_and_without_base(&folder, "qcow2", &upper, &mut compared);
        }
    }
    overlay(&folder, "vmdk", "b.vmdk", "vmdk", &["top.vmdk", "5120k"]);
    qemu_io(&folder, "vmdk", "top.vmdk", &["write -P 3 1M 64k"]);
    same_with_and_without_base(&folder, "vmdk", "top.vmdk", &mut compared);
    overlay(&folder, "qcow2", "top.vmdk", "vmdk", &["on.qcow2", "6M"]);
    same_with_and_without_base(&folder, "qcow2", "on.qcow2", &mut compared);
    compared.at_least(590, "overlays");
}

/// Damages the type of the header extension that names the base's format, so that the format is probed.
fn forget_base_format(folder: &Path, name: &str) {
    let mut image = fs::read(folder.join(name)).unwrap();
    let magic = [0xe2, 0x79, 0x2a, 0xca];
    let at = image.windows(4).position(|four| four == magic).unwrap();
    image[at] = 0x11;
    fs::write(folder.join(name), image).unwrap();
}

#[test]
fn the_format_of_a_base_is_the_one_named_or_else_probed() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
    let writes = ["write -P 1 0 100k", "write -P 1 1M 512k"];
    for (format, options, base) in [
        ("qcow2", "", "b.qcow2"),
        ("vmdk", "", "b.vmdk"),
        ("vpc", "", "b.vhd"),
        // QEMU does not detect a fixed VHD.
        ("vpc", "subformat=fixed,force_size=on", "f.vhd"),
        ("raw", "", "b.raw"),
    ] {
        make(&folder, format, options, base, "2M", &writes);
        for compat in ["0.10", "1.1"] {
            let top = format!("top-{compat}-{base}");
            let options = format!("compat={compat}");
            // As raw, the base's own tables are the disk.
            overlay(&folder, "qcow2", base, "raw", &["-o", &options, &top, "3M"]);
            same_with_and_without_base(&folder, "qcow2", &top, &mut compared);
            forget_base_format(&folder, &top);
            same_with_and_without_base(&folder, "qcow2", &top, &mut compared);
        }
    }
    fs::write(folder.join("empty"), "").unwrap();
    overlay(&folder, "qcow2", "empty", "raw", &["on-empty", "3M"]);
    forget_base_format(&folder, "on-empty");
    same_with_and_without_base(&folder, "qcow2", "on-empty", &mut compared);
    compared.at_least(168, "formats of bases");
}

#[test]
fn a_base_is_looked_for_beside_the_image_that_names_it() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
    fs::create_dir_all(folder.join("a/b")).unwrap();
    make(&folder, "raw", "", "a/base", "2M", &["write -P 1 0 1M"]);
    overlay(&folder, "qcow2", "../base", "raw", &["a/b/middle", "2M"]);
    overlay(&folder, "qcow2", "b/middle", "qcow2", &["a/top", "2M"]);
    let absolute = folder.join("a/top");
    let absolute = absolute.to_str().unwrap();
    overlay(&folder, "qcow2", absolute, "qcow2", &["topmost", "2M"]);
    for name in ["a/b/middle", "a/top", "topmost", absolute] {
        same_with_and_without_base(&folder, "qcow2", name, &mut compared);
    }
    // Beside the link, and not beside what it links to.
    std::os::unix::fs::symlink("a/b/middle", folder.join("link")).unwrap();
    let args = ["measure", "link"];
    assert_ne!(qemu_img(&folder, &args).code, Some(0));
    assert_refused(&tool(&folder, &args), &args);
    // A link to a base is the base.
    std::os::unix::fs::symlink("a/base", folder.join("base-link")).unwrap();
    overlay(&folder, "qcow2", "base-link", "raw", &["on-link", "2M"]);
    same_with_and_without_base(&folder, "qcow2", "on-link", &mut compared);
    compared.at_least(40, "places of bases");
}

/// Asserts that `measure` refuses an image for its chain, with `parts` in the message, and measures its own
/// layer.
fn assert_chain_refused(folder: &Path, name: &str, parts: &[&str]) {
    let args = ["measure", "-O", "qcow2", name];
    let ran = tool(folder, &args);
    assert_refused(&ran, &args);
    for part in [parts, &["--own-layer"]].concat() {
        assert!(ran.stderr.contains(part), "{part:?} of {name}: {ran:?}");
    }
    let own = tool(folder, &format!("measure -O qcow2 --own-layer {name}"));
    assert!(own.succeeded(), "{name}: {own:?}");
    assert!(own.stderr.starts_with("note: "), "{name}: {own:?}");
    let scanned = tool(folder, &format!("scan {name}"));
    assert!(scanned.succeeded(), "{name}: {scanned:?}");
    assert!(scanned.stderr.starts_with("note: "), "{name}: {scanned:?}");
}

#[test]
fn a_base_that_cannot_be_followed_is_an_error_that_names_it() {
    let (_guard, folder) = folder();
    let name = |base: &str, format: &str| {
        overlay(&folder, "qcow2", base, format, &["top.qcow2", "1M"]);
    };
    name("gone.qcow2", "qcow2");
    assert_chain_refused(
        &folder,
        "top.qcow2",
        &["'top.qcow2'", "'gone.qcow2'", "No such"],
    );
    for base in [
        "json:{\"driver\":\"null-co\"}",
        "nbd:localhost:1",
        "http://localhost:1/x",
        "file:base.raw",
        "fat:rw:/tmp",
    ] {
        name(base, "raw");
        assert_chain_refused(&folder, "top.qcow2", &["protocol"]);
    }
    for (base, kind) in [
        ("/dev/zero", "a character device"),
        (".", "a folder"),
        ("fifo", "a FIFO"),
        ("link-to-fifo", "a FIFO"),
    ] {
        if kind == "a FIFO" && base == "fifo" {
            let made = std::process::Command::new("mkfifo")
                .arg(folder.join("fifo"))
                .status();
            assert!(made.unwrap().success());
            std::os::unix::fs::symlink("fifo", folder.join("link-to-fifo")).unwrap();
        }
        name(base, "raw");
        assert_chain_refused(&folder, "top.qcow2", &[base, kind]);
    }
    make(&folder, "raw", "", "b.raw", "1M", &[]);
    for (base, format, expected) in [
        ("b.raw", "qcow2", "not an image of this format"),
        ("b.raw", "vmdk", "not an image of this format"),
    ] {
        name(base, format);
        assert_chain_refused(&folder, "top.qcow2", &[base, expected]);
    }
    // A format that is named, and one that is probed.
    make(&folder, "vdi", "", "b.vdi", "1M", &[]);
    name("b.vdi", "vdi");
    assert_chain_refused(&folder, "top.qcow2", &["'b.vdi'", "\"vdi\""]);
    forget_base_format(&folder, "top.qcow2");
    assert_chain_refused(&folder, "top.qcow2", &["'b.vdi'", "VDI"]);
    // A VMDK whose parent has no name, which qemu-img takes for a disk of its own.
    make(&folder, "vmdk", "", "b.vmdk", "1M", &[]);
    overlay(&folder, "vmdk", "b.vmdk", "vmdk", &["top.vmdk", "1M"]);
    let image = fs::read(folder.join("top.vmdk")).unwrap();
    let hint = b"parentFileNameHint";
    let at = image.windows(hint.len()).position(|text| text == hint);
    let mut image = image;
    image[at.unwrap()] = b'x';
    fs::write(folder.join("top.vmdk"), image).unwrap();
    assert_chain_refused(&folder, "top.vmdk", &["does not name it"]);
}

#[test]
fn a_chain_that_comes_back_or_never_ends_is_an_error() {
    let (_guard, folder) = folder();
    overlay(&folder, "qcow2", "self", "qcow2", &["other", "1M"]);
    fs::rename(folder.join("other"), folder.join("self")).unwrap();
    assert_chain_refused(&folder, "self", &["comes back"]);
    overlay(&folder, "qcow2", "two", "qcow2", &["one", "1M"]);
    overlay(&folder, "qcow2", "three", "qcow2", &["two", "1M"]);
    overlay(&folder, "qcow2", "./two", "qcow2", &["three", "1M"]);
    assert_chain_refused(&folder, "one", &["'three'", "'./two'", "comes back"]);
    make(&folder, "qcow2", "", "0", "1M", &["write -P 1 0 64k"]);
    // One image after another, each the base of the next: only the name differs.
    overlay(&folder, "qcow2", "base000", "qcow2", &["1", "1M"]);
    let image = fs::read(folder.join("1")).unwrap();
    let at = image
        .windows(7)
        .position(|name| name == b"base000")
        .unwrap();
    fs::copy(folder.join("0"), folder.join("base000")).unwrap();
    for nth in 1..=200 {
        let mut image = image.clone();
        image[at..at + 7].copy_from_slice(format!("base{:03}", nth - 1).as_bytes());
        fs::write(folder.join(format!("base{nth:03}")), image).unwrap();
    }
    let mut compared = Compared(0);
    same_answer(&folder, &["-O", "qcow2", "base199"], &mut compared);
    assert_chain_refused(&folder, "base200", &["'base000'", "200"]);
    compared.at_least(1, "200 images");
}

/// qemu-img takes all of a VHDX for data. Its table is the truth.
#[test]
fn a_vhdx_base_holds_what_its_table_places() {
    let (_guard, folder) = folder();
    let writes = ["write -P 1 3M 2M"];
    make(
        &folder,
        "vhdx",
        "block_size=1M",
        "base.vhdx",
        "20M",
        &writes,
    );
    overlay(&folder, "qcow2", "base.vhdx", "vhdx", &["top.qcow2", "20M"]);
    let measure = |name: &str| tool(&folder, &format!("measure -O qcow2 {name}")).stdout;
    let base = measure("base.vhdx");
    assert!(base.starts_with("required size: 2424832\n"), "{base}");
    assert_eq!(measure("top.qcow2"), base + "bitmaps size: 0\n");
    let theirs = qemu_img_ok(&folder, "measure --output json -O qcow2 base.vhdx");
    assert_eq!(theirs.number("required"), theirs.number("fully-allocated"));
}

/// Asserts that an image is refused as a differencing disk, whatever is asked.
fn assert_differencing_refused(folder: &Path, name: &str) {
    for args in [
        &["measure", name][..],
        &["measure", "--own-layer", name],
        &["scan", name],
    ] {
        let ran = tool(folder, args);
        assert_refused(&ran, args);
        for part in ["differencing", "parent", "merge"] {
            assert!(ran.stderr.contains(part), "{ran:?}");
        }
    }
}

#[test]
fn a_differencing_vhd_or_vhdx_is_refused_by_name() {
    let (_guard, folder) = folder();
    make(&folder, "vpc", "force_size=on", "a.vhd", "1M", &[]);
    let mut image = fs::read(folder.join("a.vhd")).unwrap();
    let end = image.len() - 512;
    for footer in [0, end] {
        image[footer + 63] = 4;
        // The checksum is the complement of a sum, which has grown by one.
        let field = footer + 64..footer + 68;
        let sum = u32::from_be_bytes(image[field.clone()].try_into().unwrap());
        image[field].copy_from_slice(&(sum - 1).to_be_bytes());
    }
    fs::write(folder.join("a.vhd"), image).unwrap();
    assert_differencing_refused(&folder, "a.vhd");
    overlay(&folder, "qcow2", "a.vhd", "vpc", &["top.qcow2", "1M"]);
    assert_chain_refused(&folder, "top.qcow2", &["'a.vhd'", "differencing"]);

    make(&folder, "vhdx", "", "a.vhdx", "1M", &[]);
    let mut image = fs::read(folder.join("a.vhdx")).unwrap();
    let find = |bytes: &[u8]| image.windows(bytes.len()).position(|found| found == bytes);
    // The item of the file parameters: where it lies in the metadata, and its flag for a parent.
    let table = find(b"metadata").unwrap();
    let entry = find(b"\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b").unwrap();
    let place = u32::from_le_bytes(image[entry + 16..entry + 20].try_into().unwrap());
    image[table + place as usize + 4] |= 2;
    fs::write(folder.join("a.vhdx"), image).unwrap();
    assert_differencing_refused(&folder, "a.vhdx");
    assert_ne!(qemu_img(&folder, "measure a.vhdx").code, Some(0));
}
