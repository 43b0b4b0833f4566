//! `images measure` for raw and qcow2, against `qemu-img measure`.
//!
//! How a source is read, with its holes and its backing files, is in `measure_holes`, `measure_chain` and
//! `measure_random`.

use crate::qemu::Bench;

const QCOW2_OPTIONS: [&str; 23] = [
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
    "backing_file=a,,b=c,backing_fmt=qcow2,lazy_refcounts=yes,nolazy_refcounts",
    "noextended_l2",
    "extended_l2",
    "lazy_refcounts=y,extended_l2=false",
];

#[test]
fn an_empty_disk_of_any_size_with_any_option() {
    let bench = Bench::new();
    // The L1 table of 512-byte clusters ends at 128 GiB.
    for size in ["0", "1", "513", "64k", "1M", "1.1M", "10G", "128G"] {
        for options in QCOW2_OPTIONS {
            bench.same(&format!("-O qcow2 --size {size} -o {options}"));
        }
        for args in [
            "-O qcow2 --output json",
            "",
            "-O raw --output=json",
            "-O raw -o preallocation=full,size=1",
            "-O raw -o preallocation=falloc -U",
            "-Oqcow2 -ocluster_size=4k -o refcount_bits=8",
        ] {
            bench.same(&format!("{args} --size {size}"));
        }
    }
}

#[test]
fn a_qcow2_with_luks_has_room_for_its_header() {
    let bench = Bench::new();
    let secret = "secret,id=sec0,data=x";
    let json = r#"{"qom-type":"secret","id":"sec0","data":"x"}"#;
    let longer = format!("qom-type={secret}");
    // qemu-img makes a LUKS header for each, which takes it seconds.
    for (object, options) in [
        (json, ""),
        (secret, ",encrypt.cipher-alg=aes-128"),
        (
            &longer,
            ",encrypt.cipher-alg=serpent-192,encrypt.hash-alg=sha512",
        ),
        (
            secret,
            ",encrypt.cipher-alg=cast5-128,encrypt.cipher-mode=cbc",
        ),
        (
            secret,
            ",encrypt.cipher-mode=cbc,encrypt.ivgen-alg=essiv,encrypt.ivgen-hash-alg=sha256",
        ),
        (secret, ",cluster_size=2M,compat=0.10"),
    ] {
        let luks = "encrypt.format=luks,encrypt.key-secret=sec0,encrypt.iter-time=10";
        bench.same(&format!(
            "--object {object} -O qcow2 --size 3M -o {luks}{options}"
        ));
    }
}

#[test]
fn sizes_are_read_as_qemu_img_reads_them() {
    let bench = Bench::new();
    for size in [
        "0", "1048576", "010", "+5", " 1", "\t7", "1b", "1B", "1.", "1.0", "1.0b", "1.k", "1.1k",
        "9.3k", "0.1E", "1k", "1K", "1m", "1.5G", "7.99999E", "1t", "1p", "1e", "0x10", "0X1f",
    ] {
        bench.same(&format!("--size '{size}'"));
    }
    bench.same("--size 9223372036854775295");
    // qemu-img 7.2 wants a digit before the point, later ones do not.
    bench.same_as("--size .5G", "--size 0.5G");
    // More digits than a fraction of 64 bits holds: qemu-img 10.0 answers as for 2k, 7.2 as for 1k.
    bench.same_as("--size 1.99999999999999999999k", "--size 2k");
    let texts = [
        "", " ", ".", ".1", "1.5", "1.5b", "x", "1x", "1e3", "1.e3", "1KB", "1kk", "-1", "-0",
        " -1k", "- 1", "--1", "+-1", "1 ", "1.5 k", "1.5.5k", "1,5k", "0x", "inf", "nan", "-",
        "--", "1\n2", "1e9999", "٣", "8E", "16E",
    ];
    let long = [
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999",
    ];
    for size in texts.into_iter().chain(long) {
        let args = format!("--size '{size}'");
        bench.both_refuse(&format!("measure {args}"), &args);
        bench.refused(&format!("measure -O vhdx {args}"), &["--size"]);
    }
    // qemu-img 7.2 still takes a suffix behind hexadecimal digits, and warns; and reads fewer digits of a fraction.
    for size in [
        "0xfg",
        "0x10k",
        "0x10000000000000000",
        "7.9999999999999999999E",
    ] {
        bench.refused(&format!("measure --size {size}"), &["--size"]);
    }
}

#[test]
fn a_copy_of_an_image_as_raw_and_qcow2() {
    let bench = Bench::new();
    for (format, name) in bench.make_sources() {
        for options in QCOW2_OPTIONS {
            bench.same(&format!("-O qcow2 -o {options} {name}"));
        }
        bench.same(&format!("-f {format} {name}"));
        bench.same(&format!("-O raw --output json {name}"));
        bench.same(&format!("-O qcow2 --output json -f {format} {name}"));
        bench.same(&format!("-O qcow2 -f raw {name}"));
    }
    bench.compared(250, "copies as raw and qcow2");
}

/// qemu-img takes all of a VHDX for data, which is right only for a full one.
#[test]
fn a_copy_of_a_vhd_or_a_full_vhdx() {
    let bench = Bench::new();
    let some = ["write -P 1 0 64k", "write -P 2 5M 3M"];
    let all = ["write -P 1 0 16M"];
    for (format, options, name, writes) in [
        ("vpc", "", "some.vhd", &some[..]),
        ("vpc", "subformat=fixed", "rounded.vhd", &some),
        ("vpc", "force_size=on", "full.vhd", &all),
        ("vhdx", "", "full.vhdx", &all),
        ("vhdx", "block_size=1M", "1m.vhdx", &all),
    ] {
        bench.make(format, options, name, "16M", writes);
        // qemu-img does not detect a fixed VHD.
        let named = format!("-f {format} {name}");
        bench.same(&named);
        for options in [
            "cluster_size=4k",
            "cluster_size=2M",
            "preallocation=metadata",
            "compat=0.10",
        ] {
            bench.same(&format!("-O qcow2 -o {options} {named}"));
        }
        bench.same_as(&format!("-O qcow2 {name}"), &format!("-O qcow2 {named}"));
    }
}

#[test]
fn dirty_bitmaps_are_a_third_number() {
    let bench = Bench::new();
    bench.make("qcow2", "", "a.qcow2", "100M", &["write -P 1 0 64k"]);
    let measure = || {
        for options in [
            "cluster_size=64k",
            "cluster_size=512",
            "cluster_size=2M",
            "compat=0.10",
        ] {
            bench.same(&format!("-O qcow2 -o {options} a.qcow2"));
        }
        bench.same("-O qcow2 --output json a.qcow2");
        bench.same("--output json a.qcow2");
    };
    measure();
    for added in [
        "-g 512 a.qcow2 first",
        "-g 64k a.qcow2 the-second",
        "-g 1M a.qcow2 x",
        "--disable a.qcow2 off",
    ] {
        bench.img_ok(&format!("bitmap --add {added}"));
        measure();
    }
    // One that was in use when the writer died counts, though it would not be copied.
    let entry = bench.find("a.qcow2", b"the-second") - 24;
    let image = bench.read("a.qcow2");
    bench.patch("a.qcow2", entry + 15, &[image[entry + 15] | 1]);
    measure();
    // None counts when a writer who knew none has been at the image.
    bench.patch("a.qcow2", 95, &[image[95] & !1]);
    measure();
    // A directory that ends too early is an error for both.
    bench.patch("a.qcow2", 95, &[image[95] | 1]);
    bench.patch("a.qcow2", entry + 19, &[0xff]);
    bench.both_refuse("measure -O qcow2 a.qcow2", "-O qcow2 a.qcow2");
}
