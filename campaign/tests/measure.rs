//! `campaign measure` against qemu-img: `measure` for raw and qcow2, the files that `convert` writes for
//! the others, and `create` for what is refused.
//!
//! Writes are of whole clusters, and never of zeroes: where only a part of a cluster is written, or
//! zeroes are, qemu-img follows the holes of the image file or skips the zeroes, and the tool, which
//! reads tables, does not.

mod qemu;

use std::path::Path;

use qemu::{Ran, campaign, folder, make, qemu_img, qemu_img_ok, qemu_io};

/// How many answers were compared; each test says so and demands its share.
struct Compared(u32);

impl Compared {
    fn at_least(&self, expected: u32, of: &str) {
        println!("{} answers compared: {of}", self.0);
        assert!(self.0 >= expected, "only {} compared: {of}", self.0);
    }
}

fn same_answer(folder: &Path, args: &[&str], compared: &mut Compared) {
    let args = [&["measure"], args].concat();
    let (ours, theirs) = (campaign(folder, &args), qemu_img(folder, &args));
    assert!(theirs.succeeded(), "qemu-img {args:?}: {theirs:?}");
    assert_eq!(ours.stdout, theirs.stdout, "{args:?}: {ours:?}");
    assert_eq!(ours.code, Some(0), "{args:?}: {ours:?}");
    compared.0 += 1;
}

fn assert_refused(ran: &Ran, args: &[&str]) {
    assert_eq!(ran.code, Some(1), "{args:?}: {ran:?}");
    assert!(ran.stdout.is_empty(), "{args:?}: {ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{args:?}: {ran:?}");
    assert!(ran.stderr.starts_with("error: "), "{args:?}: {ran:?}");
}

const QCOW2_OPTIONS: [&str; 22] = [
    "compat=1.1",
    "compat=0.10",
    "cluster_size=512",
    "cluster_size=4k",
    "cluster_size=0x4000,extended_l2=on",
    "cluster_size=2M",
    "cluster_size=2M,extended_l2=on,refcount_bits=64",
    "refcount_bits=1",
    "refcount_bits=64,cluster_size=512",
    "refcount_bits=020",
    "cluster_size=64K,cluster_size=1k",
    "lazy_refcounts=on",
    "preallocation=metadata",
    "preallocation=falloc",
    "preallocation=full,cluster_size=4k",
    "compression_type=zstd",
    "backing_file=base.qcow2,backing_fmt=qcow2",
    "data_file=data.raw,data_file_raw=on",
    "size=77M",
    "noextended_l2",
    "extended_l2",
    "lazy_refcounts=y,extended_l2=false",
];

#[test]
fn an_empty_disk_of_any_size_with_any_option() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
    // The L1 table of 512-byte clusters ends at 128 GiB.
    for size in ["0", "1", "513", "64k", "1M", "1.1M", "10G", "128G"] {
        for options in QCOW2_OPTIONS {
            same_answer(
                &folder,
                &["-O", "qcow2", "--size", size, "-o", options],
                &mut compared,
            );
        }
        for args in [
            &["-O", "qcow2", "--output", "json", "--size", size][..],
            &["--size", size],
            &["-O", "raw", "--output=json", "--size", size],
            &[
                "-O",
                "raw",
                "-o",
                "preallocation=full,size=1",
                "--size",
                size,
            ],
            &[
                "-O",
                "raw",
                "-o",
                "preallocation=falloc",
                "-U",
                "--size",
                size,
            ],
            &[
                "-Oqcow2",
                "-ocluster_size=4k",
                "-o",
                "refcount_bits=8",
                "--size",
                size,
            ],
        ] {
            same_answer(&folder, args, &mut compared);
        }
    }
    compared.at_least(220, "empty disks");
}

#[test]
fn a_qcow2_with_luks_has_room_for_its_header() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
    let json = r#"{"qom-type":"secret","id":"sec0","data":"x"}"#;
    // qemu-img makes a LUKS header for each, which takes it seconds.
    for (object, options) in [
        (json, ""),
        ("secret,id=sec0,data=x", ",encrypt.cipher-alg=aes-128"),
        (
            "qom-type=secret,id=sec0,data=x",
            ",encrypt.cipher-alg=serpent-192,encrypt.hash-alg=sha512",
        ),
        (
            "secret,id=sec0,data=x",
            ",encrypt.cipher-alg=cast5-128,encrypt.cipher-mode=cbc",
        ),
        (
            "secret,id=sec0,data=x",
            ",encrypt.cipher-mode=cbc,encrypt.ivgen-alg=essiv,encrypt.ivgen-hash-alg=sha256",
        ),
        ("secret,id=sec0,data=x", ",cluster_size=2M,compat=0.10"),
    ] {
        let options =
            format!("encrypt.format=luks,encrypt.key-secret=sec0,encrypt.iter-time=10{options}");
        let args = [
            "--object", object, "-O", "qcow2", "--size", "3M", "-o", &options,
        ];
        same_answer(&folder, &args, &mut compared);
    }
    compared.at_least(6, "LUKS");
}

#[test]
fn sizes_are_read_as_qemu_img_reads_them() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
    for size in [
        "+5",
        " 1",
        "\t7",
        "1.",
        "1.0b",
        ".5G",
        "1.1k",
        "0.1E",
        "9.3k",
        "1.k",
        "1B",
        "1m",
        "7.99999E",
        "1t",
        "1p",
        "1e",
        "010",
        "0x10",
        "0X20",
        "1.99999999999999999999k",
        "9223372036854775295",
    ] {
        same_answer(&folder, &["--size", size], &mut compared);
    }
    for size in [
        "",
        ".",
        ".1",
        "1.5",
        "1x",
        "1e3",
        "1KB",
        "-1",
        "-0",
        "- 1",
        "1 ",
        "1.5.5k",
        "0x",
        "0xfg",
        "0x10k",
        "inf",
        "nan",
        "8E",
        "9223372036854775808",
        "99999999999999999999",
        "7.9999999999999999999E",
    ] {
        let args = ["measure", "--size", size];
        let theirs = qemu_img(&folder, &args);
        assert_ne!(theirs.code, Some(0), "{size:?}: {theirs:?}");
        assert_refused(&campaign(&folder, &args), &args);
        compared.0 += 1;
    }
    compared.at_least(42, "sizes as texts");
}

#[test]
fn what_qemu_img_measure_refuses_is_refused() {
    let (_guard, folder) = folder();
    make(&folder, "qcow2", "", "a.qcow2", "1M", &[]);
    let mut compared = Compared(0);
    for args in [
        &[][..],
        &["a.qcow2", "a.qcow2"],
        &["--size", "1M", "a.qcow2"],
        &["--size", "1M", "-f", "raw"],
        &["--size", "1M", "-l", "x"],
        &["--size", "1M", "--image-opts"],
        &["--size", "1M", "--object", "x"],
        &["--size", "1M", "--object", "secret,id=s"],
        &["--size", "1M", "--output", "xml"],
        &["--size", "1M", "-O", "nosuch"],
        &["-f", "nosuch", "a.qcow2"],
        &["-f", "vmdk", "a.qcow2"],
        &["-f", "vpc", "a.qcow2"],
        &["-f", "vhdx", "a.qcow2"],
        &["-l", "x", "a.qcow2"],
        &["nosuch.qcow2"],
        &["--size", "1M", "-O", "raw", "-o", "nosuch=1"],
        &["--size", "1M", "-O", "raw", "-o", "cluster_size=4k"],
        &["--size", "129G", "-O", "qcow2", "-o", "cluster_size=512"],
        &["--size", "3P", "-O", "qcow2"],
    ] {
        let args = [&["measure"], args].concat();
        let theirs = qemu_img(&folder, &args);
        assert_ne!(theirs.code, Some(0), "{args:?}: {theirs:?}");
        assert_refused(&campaign(&folder, &args), &args);
        compared.0 += 1;
    }
    for options in [
        "",
        ",",
        "cluster_size=4k,",
        ",cluster_size=4k",
        "nosuch",
        "=4k",
        "cluster_size=",
        "cluster_size=x",
        "cluster_size=-1",
        "cluster_size=0",
        "cluster_size=256",
        "cluster_size=65537",
        "cluster_size=4M",
        "cluster_size=4k,,x",
        "refcount_bits=3",
        "refcount_bits=0",
        "refcount_bits=128",
        "refcount_bits=-1",
        "refcount_bits=1k",
        "refcount_bits=16.0",
        "refcount_bits=",
        "compat=v4",
        "compat=V3",
        "compat=0.10,refcount_bits=8",
        "extended_l2=on,cluster_size=8k",
        "extended_l2=maybe",
        "extended_l2=1",
        "lazy_refcounts=On",
        "preallocation=foo",
        "preallocation=OFF",
        "preallocation",
        "size=x",
        "encrypt.format=luks",
        "encrypt.format=luks,encrypt.key-secret=s",
        "encrypt.format=luks,encrypt.cipher-alg=foo",
        "encrypt.iter-time=x",
    ] {
        let args = ["measure", "--size", "1M", "-O", "qcow2", "-o", options];
        let theirs = qemu_img(&folder, &args);
        assert_ne!(theirs.code, Some(0), "{options:?}: {theirs:?}");
        assert_refused(&campaign(&folder, &args), &args);
        compared.0 += 1;
    }
    compared.at_least(56, "refusals");
}

/// `qemu-img measure` does not look at everything that `create` looks at, or does not know the format.
#[test]
fn what_qemu_img_create_refuses_is_refused_and_what_it_takes_is_taken() {
    let (_guard, folder) = folder();
    make(&folder, "vmdk", "", "base.vmdk", "1M", &[]);
    let mut compared = Compared(0);
    for (format, refused) in [
        (
            "raw",
            &[
                "preallocation=metadata",
                "preallocation=foo",
                "subformat=fixed",
            ][..],
        ),
        (
            "qcow2",
            &[
                "compat=0.10,lazy_refcounts=on",
                "compat=0.10,extended_l2=on",
                "compat=0.10,data_file=d",
                "compat=0.10,compression_type=zstd",
                "compression_type=lz4",
                "data_file_raw=on",
                "data_file=",
                "backing_fmt=raw",
                "backing_file=,backing_fmt=raw",
                "backing_file=base.vmdk,backing_fmt=vmdk,preallocation=full",
                "backing_file=base.vmdk,backing_fmt=vmdk,data_file=d,data_file_raw=on",
                "encryption=on",
                "encrypt.format=aes",
                "encrypt.format=foo",
                "encrypt.cipher-alg=aes-128",
                "encrypt.key-secret=s",
            ],
        ),
        (
            "vmdk",
            &[
                "subformat=thin",
                "subformat=",
                "adapter_type=scsi",
                "adapter_type=LSILogic",
                "compat6=maybe",
                "compat6=on,hwversion=4",
                "zeroed_grain=on,subformat=monolithicFlat",
                "backing_fmt=raw",
                "backing_file=base.vmdk,backing_fmt=raw",
                "backing_file=base.vmdk,backing_fmt=vmdk,subformat=monolithicFlat",
                "grain_size=4k",
            ],
        ),
        (
            "vpc",
            &[
                "subformat=Fixed",
                "subformat=",
                "force_size=x",
                "block_size=1M",
            ],
        ),
        (
            "vhdx",
            &[
                "subformat=thin",
                "block_size=3M",
                "block_size=24M",
                "block_size=8193k",
                "block_size=-1",
                "block_size=1M+1",
                "log_size=0",
                "log_size=4G",
                "log_size=5G",
                "block_state_zero=x",
            ],
        ),
    ] {
        for options in refused {
            let create = ["create", "-f", format, "-o", options, "refused.img", "1M"];
            let theirs = qemu_img(&folder, &create);
            assert_ne!(theirs.code, Some(0), "{create:?}: {theirs:?}");
            let args = ["measure", "--size", "1M", "-O", format, "-o", options];
            assert_refused(&campaign(&folder, &args), &args);
            compared.0 += 1;
        }
    }
    for (format, options) in [
        ("qcow2", "compat=v2"),
        ("qcow2", "compat=v3"),
        ("qcow2", "compat=0.10,compression_type=zlib"),
        (
            "qcow2",
            "backing_file=base.vmdk,backing_fmt=vmdk,preallocation=metadata,extended_l2=on",
        ),
        ("vmdk", "adapter_type=legacyESX,toolsversion=x,hwversion="),
        ("vmdk", "compat6=on"),
        ("vmdk", "backing_file=base.vmdk,backing_fmt=vmdk"),
        ("vpc", "force_size"),
        ("vhdx", "block_state_zero=off"),
    ] {
        qemu_img_ok(
            &folder,
            &[
                "create",
                "-q",
                "-f",
                format,
                "-o",
                options,
                "taken.img",
                "1M",
            ],
        );
        let args = ["measure", "--size", "1M", "-O", format, "-o", options];
        let ours = campaign(&folder, &args);
        assert!(ours.succeeded(), "{args:?}: {ours:?}");
        compared.0 += 1;
    }
    // Refused for reasons of our own: qemu-img makes these, but there is no one answer.
    for (format, options) in [
        ("vmdk", "subformat=twoGbMaxExtentSparse"),
        ("vmdk", "subformat=twoGbMaxExtentFlat"),
        ("vhdx", "subformat=fixed"),
    ] {
        let args = ["measure", "--size", "1M", "-O", format, "-o", options];
        assert_refused(&campaign(&folder, &args), &args);
    }
    compared.at_least(53, "options of create");
}

/// Images of one disk in every format, by name: data in whole clusters of 64 KiB, some of it scattered.
fn make_sources(folder: &Path) -> Vec<(&'static str, &'static str)> {
    let writes = [
        "write -P 1 0 128k",
        "write -P 2 1M 64k",
        "write -P 3 5M 3M",
        "write -P 4 20M 64k",
        "write -P 5 31M 1M",
    ];
    let sources = [
        ("raw", "", "a.raw"),
        ("qcow2", "", "a.qcow2"),
        ("qcow2", "compat=0.10", "v2.qcow2"),
        ("qcow2", "cluster_size=4k", "4k.qcow2"),
        ("qcow2", "extended_l2=on", "ext.qcow2"),
        ("qcow2", "cluster_size=512,refcount_bits=1", "512.qcow2"),
        ("vmdk", "", "a.vmdk"),
        ("vmdk", "zeroed_grain=on", "zeroed.vmdk"),
    ];
    for (format, options, name) in sources {
        make(folder, format, options, name, "32M", &writes);
    }
    qemu_io(
        folder,
        "qcow2",
        "a.qcow2",
        &["write -z 10M 1M", "discard 20M 64k", "write -P 4 20M 64k"],
    );
    qemu_img_ok(
        folder,
        &["convert", "-c", "-O", "qcow2", "a.raw", "compressed.qcow2"],
    );
    qemu_img_ok(
        folder,
        &[
            "convert",
            "-O",
            "vmdk",
            "-o",
            "subformat=streamOptimized",
            "a.raw",
            "stream.vmdk",
        ],
    );
    let mut sources: Vec<_> = sources.map(|(format, _, name)| (format, name)).into();
    sources.extend([("qcow2", "compressed.qcow2"), ("vmdk", "stream.vmdk")]);
    sources
}

#[test]
fn a_copy_of_an_image_as_raw_and_qcow2() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
    for (format, name) in make_sources(&folder) {
        for options in QCOW2_OPTIONS {
            same_answer(
                &folder,
                &["-O", "qcow2", "-o", options, name],
                &mut compared,
            );
        }
        for args in [
            &["-f", format, name][..],
            &["-O", "raw", "--output", "json", name],
            &["-O", "qcow2", "--output", "json", "-f", format, name],
            &["-O", "qcow2", "-f", "raw", name],
        ] {
            same_answer(&folder, args, &mut compared);
        }
    }
    compared.at_least(250, "copies as raw and qcow2");
}

/// qemu-img says of VHD and VHDX that all of the disk is data, which is right only for a full one.
#[test]
fn a_copy_of_a_full_vhd_or_vhdx() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
    for (format, options, name) in [
        ("vpc", "force_size=on", "full.vhd"),
        ("vpc", "subformat=fixed,force_size=on", "fixed.vhd"),
        ("vhdx", "", "full.vhdx"),
        ("vhdx", "block_size=1M", "1m.vhdx"),
    ] {
        make(&folder, format, options, name, "16M", &["write -P 1 0 16M"]);
        // qemu-img does not detect a fixed VHD.
        for options in [
            "cluster_size=4k",
            "cluster_size=2M",
            "preallocation=metadata",
            "compat=0.10",
        ] {
            same_answer(
                &folder,
                &["-f", format, "-O", "qcow2", "-o", options, name],
                &mut compared,
            );
        }
        same_answer(&folder, &["-f", format, name], &mut compared);
        let ours = campaign(&folder, &["measure", "-O", "qcow2", name]);
        let named = campaign(&folder, &["measure", "-f", format, "-O", "qcow2", name]);
        assert_eq!(ours.stdout, named.stdout, "{name} is detected");
    }
    compared.at_least(20, "full VHD and VHDX sources");
}

#[test]
fn a_copy_as_vmdk_vhd_and_vhdx_is_as_long_as_the_file_that_convert_writes() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
    let mut sources = make_sources(&folder);
    // Not by qemu-img: it stores the first 4096 bytes of a raw image, as data, which convert skips.
    for (name, length) in [
        ("empty.raw", 7 << 20),
        ("odd.raw", 5_000_192),
        ("none.raw", 512),
    ] {
        let file = std::fs::File::create(folder.join(name)).unwrap();
        file.set_len(length).unwrap();
    }
    qemu_io(&folder, "raw", "odd.raw", &["write -P 1 4325376 64k"]);
    make(&folder, "raw", "", "full.raw", "5M", &["write -P 1 0 5M"]);
    sources.extend([
        ("raw", "empty.raw"),
        ("raw", "full.raw"),
        ("raw", "odd.raw"),
        ("raw", "none.raw"),
    ]);
    for (_, name) in sources {
        for (format, options) in [
            ("vmdk", ""),
            ("vmdk", "adapter_type=lsilogic,compat6=on"),
            ("vmdk", "zeroed_grain=on,hwversion=9"),
            ("vpc", ""),
            ("vpc", "force_size=on"),
            ("vpc", "subformat=fixed"),
            ("vpc", "subformat=fixed,force_size=on"),
            ("vhdx", ""),
            ("vhdx", "block_size=1M"),
            ("vhdx", "block_size=1.5M,log_size=2.5M"),
            ("vhdx", "block_size=1G"),
        ] {
            let mut convert = vec!["convert", "-O", format];
            let mut ours = vec!["measure", "--output", "json", "-O", format];
            if !options.is_empty() {
                convert.extend(["-o", options]);
                ours.extend(["-o", options]);
            }
            convert.extend([name, "out.img"]);
            ours.push(name);
            qemu_img_ok(&folder, &convert);
            let written = std::fs::metadata(folder.join("out.img")).unwrap().len();
            let ran = campaign(&folder, &ours);
            assert!(ran.succeeded(), "{ours:?}: {ran:?}");
            assert_eq!(ran.number("required"), written, "{ours:?}");
            assert!(ran.number("fully-allocated") >= written, "{ours:?}");
            if name == "full.raw" {
                // A VHD's disk may have grown by a block that nothing was written to.
                let excess = ran.number("fully-allocated") - written;
                assert_eq!(excess, 0, "{ours:?}");
            }
            compared.0 += 1;
            std::fs::remove_file(folder.join("out.img")).unwrap();
        }
        // Another name for the same format.
        let vhd = campaign(&folder, &["measure", "-O", "vhd", name]);
        assert_eq!(
            vhd.stdout,
            campaign(&folder, &["measure", "-O", "vpc", name]).stdout
        );
        // An extent and its descriptor are two files; a stream is at most as long as is said.
        qemu_img_ok(
            &folder,
            &[
                "convert",
                "-O",
                "vmdk",
                "-o",
                "subformat=monolithicFlat",
                name,
                "f.vmdk",
            ],
        );
        let flat = std::fs::metadata(folder.join("f-flat.vmdk")).unwrap().len();
        let ours = [
            "measure",
            "--output",
            "json",
            "-O",
            "vmdk",
            "-o",
            "subformat=monolithicFlat",
            name,
        ];
        assert_eq!(
            campaign(&folder, &ours).number("required"),
            flat,
            "{ours:?}"
        );
        qemu_img_ok(
            &folder,
            &[
                "convert",
                "-O",
                "vmdk",
                "-o",
                "subformat=streamOptimized",
                name,
                "s.vmdk",
            ],
        );
        let stream = std::fs::metadata(folder.join("s.vmdk")).unwrap().len();
        let ours = [
            "measure",
            "--output",
            "json",
            "-O",
            "vmdk",
            "-o",
            "subformat=streamOptimized",
            name,
        ];
        let ran = campaign(&folder, &ours);
        assert!(ran.number("required") >= stream, "{ours:?}: {stream}");
        assert!(ran.stderr.contains("bounds"), "{ours:?}: {ran:?}");
        compared.0 += 2;
    }
    compared.at_least(180, "copies as VMDK, VHD and VHDX");
}

#[test]
fn an_empty_vmdk_vhd_or_vhdx_is_as_long_as_the_file_that_convert_writes() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
    for size in ["0", "512", "1M", "1.1M", "129M", "3G", "100G", "1T"] {
        make(&folder, "raw", "", "empty.raw", size, &[]);
        for (format, options) in [
            ("vmdk", "subformat=monolithicSparse"),
            ("vpc", "subformat=dynamic"),
            ("vpc", "subformat=dynamic,force_size=on"),
            ("vhdx", "subformat=dynamic"),
            ("vhdx", "subformat=dynamic,block_size=32M"),
        ] {
            let mut args = vec![
                "convert",
                "-O",
                format,
                "-o",
                options,
                "empty.raw",
                "out.img",
            ];
            if (format, size) == ("vmdk", "0") {
                // qemu-img writes such an image, but cannot open it, which convert does.
                args = vec!["create", "-f", format, "-o", options, "out.img", size];
            }
            qemu_img_ok(&folder, &args);
            let written = std::fs::metadata(folder.join("out.img")).unwrap().len();
            let args = [
                "measure",
                "--output=json",
                "--size",
                size,
                "-O",
                format,
                "-o",
                options,
            ];
            let ran = campaign(&folder, &args);
            assert!(ran.succeeded(), "{args:?}: {ran:?}");
            assert_eq!(ran.number("required"), written, "{args:?}");
            compared.0 += 1;
            std::fs::remove_file(folder.join("out.img")).unwrap();
        }
        std::fs::remove_file(folder.join("empty.raw")).unwrap();
    }
    compared.at_least(40, "empty VMDK, VHD and VHDX");
}

#[test]
fn dirty_bitmaps_are_a_third_number() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
    make(
        &folder,
        "qcow2",
        "",
        "a.qcow2",
        "100M",
        &["write -P 1 0 64k"],
    );
    let measure = |compared: &mut Compared| {
        for options in [
            "cluster_size=64k",
            "cluster_size=512",
            "cluster_size=2M",
            "compat=0.10",
        ] {
            same_answer(
                &folder,
                &["-O", "qcow2", "-o", options, "a.qcow2"],
                compared,
            );
        }
        same_answer(
            &folder,
            &["-O", "qcow2", "--output", "json", "a.qcow2"],
            compared,
        );
        same_answer(&folder, &["--output", "json", "a.qcow2"], compared);
    };
    measure(&mut compared);
    for (name, granularity) in [("first", "512"), ("the-second", "64k"), ("x", "1M")] {
        qemu_img_ok(
            &folder,
            &["bitmap", "--add", "-g", granularity, "a.qcow2", name],
        );
        measure(&mut compared);
    }
    qemu_img_ok(
        &folder,
        &["bitmap", "--add", "--disable", "a.qcow2", "disabled"],
    );
    measure(&mut compared);
    // One that was in use when the writer died counts, though it would not be copied.
    let mut image = std::fs::read(folder.join("a.qcow2")).unwrap();
    let entry = directory_entry_of(&image, b"the-second");
    image[entry + 15] |= 1;
    std::fs::write(folder.join("a.qcow2"), &image).unwrap();
    measure(&mut compared);
    // None counts when a writer who knew none has been at the image.
    image[95] &= !1;
    std::fs::write(folder.join("a.qcow2"), &image).unwrap();
    measure(&mut compared);
    // A directory that ends too early is an error for both.
    image[95] |= 1;
    image[entry + 19] = 0xff;
    std::fs::write(folder.join("a.qcow2"), &image).unwrap();
    let args = ["measure", "-O", "qcow2", "a.qcow2"];
    assert_ne!(qemu_img(&folder, &args).code, Some(0));
    assert_refused(&campaign(&folder, &args), &args);
    compared.at_least(42, "with bitmaps");
}

/// Where the bitmap directory's entry of that name begins.
fn directory_entry_of(image: &[u8], name: &[u8]) -> usize {
    let at = image.windows(name.len()).rposition(|window| window == name);
    at.unwrap() - 24
}

#[test]
fn an_image_with_a_backing_file_is_measured_as_its_own_layer_and_says_so() {
    let (_guard, folder) = folder();
    make(
        &folder,
        "qcow2",
        "",
        "base.qcow2",
        "8M",
        &["write -P 1 0 1M"],
    );
    make(&folder, "vmdk", "", "base.vmdk", "8M", &["write -P 1 0 1M"]);
    for (format, name, base) in [
        ("qcow2", "top.qcow2", "base.qcow2"),
        ("vmdk", "top.vmdk", "base.vmdk"),
    ] {
        qemu_img_ok(
            &folder,
            &["create", "-q", "-f", format, "-b", base, "-F", format, name],
        );
        qemu_io(&folder, format, name, &["write -P 2 4M 128k"]);
        make(
            &folder,
            format,
            "",
            "alone.img",
            "8M",
            &["write -P 2 4M 128k"],
        );
        let args = ["measure", "--output", "json", "-f", format, "-O", "qcow2"];
        let top = campaign(&folder, &[&args[..], &[name]].concat());
        let alone = qemu_img_ok(&folder, &[&args[..], &["alone.img"]].concat());
        assert_eq!(top.stdout, alone.stdout);
        assert!(
            top.stderr.starts_with("note: ") && top.stderr.contains(base),
            "{top:?}"
        );
        let human = campaign(&folder, &["measure", name]);
        assert!(
            human.succeeded() && human.stderr.contains(base),
            "{human:?}"
        );
        let base_alone = campaign(&folder, &["measure", base]);
        assert_eq!(base_alone.stderr, "", "a base has no note");
    }
}

#[test]
fn help_on_options_lists_those_of_qemu_img() {
    let (_guard, folder) = folder();
    for format in ["raw", "qcow2", "vmdk", "vpc", "vhdx"] {
        let names = |text: &str| {
            let names = text.lines().filter_map(|line| {
                let name = line.strip_prefix("  ")?.split(['=', ' ']).next()?;
                Some(name.to_owned())
            });
            names.collect::<std::collections::BTreeSet<_>>()
        };
        let theirs = qemu_img_ok(&folder, &["create", "-f", format, "-o", "help"]);
        let ours = campaign(&folder, &["measure", "-O", format, "-o", "help"]);
        assert!(ours.succeeded(), "{ours:?}");
        let (mut theirs, ours) = (names(&theirs.stdout), names(&ours.stdout));
        if format == "raw" {
            // An option of the file below, which only a file's name brings into the list.
            theirs.insert("preallocation".to_owned());
        }
        assert_eq!(ours, theirs, "{format}");
    }
}
