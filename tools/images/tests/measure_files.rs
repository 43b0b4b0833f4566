//! `images measure` for VMDK, VHD and VHDX, which `qemu-img measure` does not know, against the files that
//! `qemu-img convert` writes.

mod qemu;

use qemu::{Compared, folder, make, make_sources, qemu_img_ok, qemu_io, tool};

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
            let ran = tool(&folder, &ours);
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
        let vhd = tool(&folder, &format!("measure -O vhd {name}"));
        assert_eq!(
            vhd.stdout,
            tool(&folder, &format!("measure -O vpc {name}")).stdout
        );
        // An extent and its descriptor are two files; a stream is at most as long as the answer.
        qemu_img_ok(
            &folder,
            &format!("convert -O vmdk -o subformat=monolithicFlat {name} f.vmdk"),
        );
        let flat = std::fs::metadata(folder.join("f-flat.vmdk")).unwrap().len();
        let ours = format!("measure --output json -O vmdk -o subformat=monolithicFlat {name}");
        assert_eq!(tool(&folder, &ours).number("required"), flat, "{ours:?}");
        qemu_img_ok(
            &folder,
            &format!("convert -O vmdk -o subformat=streamOptimized {name} s.vmdk"),
        );
        let stream = std::fs::metadata(folder.join("s.vmdk")).unwrap().len();
        let ours = format!("measure --output json -O vmdk -o subformat=streamOptimized {name}");
        let ran = tool(&folder, &ours);
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
            let mut args = format!("convert -O {format} -o {options} empty.raw out.img");
            if (format, size) == ("vmdk", "0") {
                // qemu-img writes such an image, but cannot open it, which convert does.
                args = format!("create -f {format} -o {options} out.img {size}");
            }
            qemu_img_ok(&folder, &args);
            let written = std::fs::metadata(folder.join("out.img")).unwrap().len();
            let args = format!("measure --output=json --size {size} -O {format} -o {options}");
            let ran = tool(&folder, &args);
            assert!(ran.succeeded(), "{args:?}: {ran:?}");
            assert_eq!(ran.number("required"), written, "{args:?}");
            compared.0 += 1;
            std::fs::remove_file(folder.join("out.img")).unwrap();
        }
        std::fs::remove_file(folder.join("empty.raw")).unwrap();
    }
    compared.at_least(40, "empty VMDK, VHD and VHDX");
}
