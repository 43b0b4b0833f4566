//! `images measure` for raw and qcow2, against `qemu-img measure`.
//!
//! How a source is read, with its holes and its backing files, is in `measure_holes` and `measure_chain`.

mod qemu;

use qemu::{
    Compared, assert_refused, folder, make, make_sources, qemu_img, qemu_img_ok, same_answer, tool,
};

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
            "-O qcow2 --output json",
            "",
            "-O raw --output=json",
            "-O raw -o preallocation=full,size=1",
            "-O raw -o preallocation=falloc -U",
            "-Oqcow2 -ocluster_size=4k -o refcount_bits=8",
        ] {
            let args: Vec<_> = args.split_whitespace().chain(["--size", size]).collect();
            same_answer(&folder, &args, &mut compared);
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
        "9223372036854775295",
    ] {
        same_answer(&folder, &["--size", size], &mut compared);
    }
    // qemu-img 7.2 wants a digit before the point, later ones do not.
    let ours = tool(&folder, "measure --size .5G");
    let theirs = qemu_img(&folder, "measure --size 0.5G");
    assert_eq!(ours.stdout, theirs.stdout, "{ours:?}");
    compared.0 += 1;
    // More digits than a fraction of 64 bits holds: qemu-img 10.0 answers as for 2k, 7.2 as for 1k.
    let ours = tool(&folder, "measure --size 1.99999999999999999999k");
    let theirs = qemu_img(&folder, "measure --size 2k");
    assert_eq!(ours.stdout, theirs.stdout, "{ours:?}");
    compared.0 += 1;
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
        // qemu-img 7.2 still takes a suffix behind hexadecimal digits, and warns; and reads fewer digits
        // of a fraction.
        let once_taken = ["0xfg", "0x10k", "7.9999999999999999999E"].contains(&size);
        assert!(theirs.code != Some(0) || once_taken, "{size:?}: {theirs:?}");
        assert_refused(&tool(&folder, &args), &args);
        compared.0 += 1;
    }
    compared.at_least(42, "sizes as texts");
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

/// qemu-img takes all of a VHDX for data, which is right only for a full one.
#[test]
fn a_copy_of_a_vhd_or_a_full_vhdx() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
    let some = ["write -P 1 0 64k", "write -P 2 5M 3M"];
    let all = ["write -P 1 0 16M"];
    for (format, options, name, writes) in [
        ("vpc", "", "some.vhd", &some[..]),
        ("vpc", "force_size=on", "forced.vhd", &some),
        ("vpc", "subformat=fixed,force_size=on", "fixed.vhd", &some),
        ("vpc", "force_size=on", "full.vhd", &all),
        (
            "vpc",
            "subformat=fixed,force_size=on",
            "full-fixed.vhd",
            &all,
        ),
        ("vhdx", "", "full.vhdx", &all),
        ("vhdx", "block_size=1M", "1m.vhdx", &all),
    ] {
        make(&folder, format, options, name, "16M", writes);
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
        let ours = tool(&folder, &format!("measure -O qcow2 {name}"));
        let named = tool(&folder, &format!("measure -f {format} -O qcow2 {name}"));
        assert_eq!(ours.stdout, named.stdout, "{name} is detected");
    }
    compared.at_least(35, "VHD and full VHDX sources");
}

#[test]
fn dirty_bitmaps_are_a_third_number() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
    let writes = ["write -P 1 0 64k"];
    make(&folder, "qcow2", "", "a.qcow2", "100M", &writes);
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
            &format!("bitmap --add -g {granularity} a.qcow2 {name}"),
        );
        measure(&mut compared);
    }
    qemu_img_ok(&folder, "bitmap --add --disable a.qcow2 disabled");
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
    assert_refused(&tool(&folder, &args), &args);
    compared.at_least(42, "with bitmaps");
}

/// Where the bitmap directory's entry of that name begins.
fn directory_entry_of(image: &[u8], name: &[u8]) -> usize {
    let at = image.windows(name.len()).rposition(|window| window == name);
    at.unwrap() - 24
}
