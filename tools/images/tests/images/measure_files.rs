//! `images measure` for VMDK, VHD and VHDX, which `qemu-img measure` does not know, against the files that
//! `qemu-img convert` writes.

use std::fs::{self, File};

use crate::qemu::{Bench, Ran as _};

/// Runs `qemu-img convert` from FILE, which writes the file `out`; asserts that `measure` answers its length.
fn assert_converted(bench: &Bench, options: &str, name: &str) {
    let options = format!("-O {options}");
    bench.img_ok(&format!("convert {options} {name} out"));
    let written = bench.length("out");
    let ran = bench.tool_ok(&format!("measure --output json {options} {name}"));
    assert_eq!(ran.number("required"), written, "{options} {name}");
    let full = ran.number("fully-allocated");
    assert!(
        full >= written && (name != "full.raw" || full == written),
        "{options} {name}"
    );
    bench.count();
    fs::remove_file(bench.path("out")).unwrap();
}

#[test]
fn a_copy_as_vmdk_vhd_and_vhdx_is_as_long_as_the_file_that_convert_writes() {
    let bench = Bench::new();
    let mut sources: Vec<_> = bench.make_sources().iter().map(|(_, name)| *name).collect();
    // Not by qemu-img: it stores the first 4096 bytes of a raw image, as data, which convert skips.
    for (name, length) in [
        ("empty.raw", 7 << 20),
        ("odd.raw", 5_000_192),
        ("none.raw", 512),
    ] {
        File::create(bench.path(name))
            .unwrap()
            .set_len(length)
            .unwrap();
        sources.push(name);
    }
    bench.io("raw", "odd.raw", &["write -P 1 4325376 64k"]);
    bench.make("raw", "", "full.raw", "5M", &["write -P 1 0 5M"]);
    sources.push("full.raw");
    for name in sources {
        for options in [
            "vmdk",
            "vmdk -o subformat=monolithicSparse,adapter_type=lsilogic,compat6=on",
            "vmdk -o zeroed_grain=on,hwversion=9",
            "vpc",
            "vpc -o subformat=dynamic,force_size=on",
            "vpc -o subformat=fixed",
            "vpc -o subformat=fixed,force_size=on",
            "vhdx",
            "vhdx -o subformat=dynamic,block_size=1M",
            "vhdx -o block_size=1.5M,log_size=2.5M",
            "vhdx -o block_size=1G",
        ] {
            assert_converted(&bench, options, name);
        }
        // Another name for the same format.
        let [vhd, vpc] =
            ["vhd", "vpc"].map(|format| bench.tool(&format!("measure -O {format} {name}")));
        assert_eq!(vhd, vpc);
        // An extent and its descriptor are two files; a stream is at most as long as the answer.
        let [flat, stream] = ["monolithicFlat", "streamOptimized"].map(|subformat| {
            let args = format!("-O vmdk -o subformat={subformat} {name}");
            bench.img_ok(&format!("convert {args} {subformat}.vmdk"));
            bench.tool_ok(&format!("measure --output json {args}"))
        });
        let length = bench.length("monolithicFlat-flat.vmdk");
        assert_eq!(flat.number("required"), length, "{name}");
        let length = bench.length("streamOptimized.vmdk");
        assert!(stream.number("required") >= length, "{name}");
        assert!(stream.stderr.contains("bounds"), "{stream:?}");
    }
    bench.compared(150, "copies as VMDK, VHD and VHDX");
}
