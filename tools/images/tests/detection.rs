//! What `measure` and `scan` take a file for, against qemu-img: extents of split disks, and raw disks that end in
//! the footer of a VHD.

mod qemu;

use std::fs;

use qemu::{
    Compared, assert_refused, folder, make, qemu_img, qemu_img_ok, qemu_io, same_answer, tool,
};

#[test]
fn one_extent_of_a_split_disk_is_refused_and_its_descriptor_named() {
    let (_guard, folder) = folder();
    for (name, size, extents) in [
        ("small.vmdk", "3M", 1),
        ("a-b.vmdk", "2G", 1),
        ("large.vmdk", "5G", 3),
    ] {
        let options = "subformat=twoGbMaxExtentSparse";
        make(&folder, "vmdk", options, name, size, &["write -P 1 1M 1M"]);
        for nth in 1..=extents {
            let extent = name.replace(".vmdk", &format!("-s{nth:03}.vmdk"));
            for command in ["measure", "scan"] {
                for args in [&[command, &*extent][..], &[command, "-f", "vmdk", &extent]] {
                    let ran = tool(&folder, args);
                    assert_refused(&ran, args);
                    assert!(ran.stderr.contains(&format!("'{name}'")), "{ran:?}");
                }
            }
            assert_ne!(
                qemu_img(&folder, &format!("measure {extent}")).code,
                Some(0)
            );
            // As VMware writes it: the header has no place for a descriptor.
            let mut image = fs::read(folder.join(&extent)).unwrap();
            image[28..44].fill(0);
            fs::write(folder.join("moved.vmdk"), image).unwrap();
            let args = ["scan", "moved.vmdk"];
            let ran = tool(&folder, &args);
            assert_refused(&ran, &args);
            assert!(ran.stderr.contains("the descriptor that lists"), "{ran:?}");
            assert_ne!(qemu_img(&folder, "measure moved.vmdk").code, Some(0));
        }
    }
    // A whole disk may be called like an extent.
    let mut compared = Compared(0);
    let writes = ["write 0 1M"];
    make(&folder, "vmdk", "", "whole-s001.vmdk", "2M", &writes);
    same_answer(&folder, &["-O", "qcow2", "whole-s001.vmdk"], &mut compared);
    // QEMU looks for the descriptor in one place, whatever the header has.
    let mut image = fs::read(folder.join("whole-s001.vmdk")).unwrap();
    image[28..44].fill(0);
    fs::write(folder.join("whole.vmdk"), image).unwrap();
    same_answer(&folder, &["-O", "qcow2", "whole.vmdk"], &mut compared);
    compared.at_least(2, "whole disks");
}

#[test]
fn a_raw_disk_that_ends_in_an_old_footer_is_raw() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
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
        let vhd = format!("{nth}.vhd");
        make(&folder, "vpc", options, &vhd, old, &[]);
        let image = fs::read(folder.join(&vhd)).unwrap();
        let footer = &image[image.len() - 512..];
        for length in [512_u64, 65536, 131_072, 1 << 20, 5 << 20] {
            if length + 512 == image.len() as u64 && options.contains("fixed") {
                continue;
            }
            let name = format!("{nth}-{length}.raw");
            let mut disk = vec![7; length as usize];
            disk.extend_from_slice(footer);
            fs::write(folder.join(&name), disk).unwrap();
            same_answer(&folder, &["-O", "qcow2", &name], &mut compared);
            let args = ["scan", "--output", "json", &name];
            let ran = tool(&folder, &args);
            assert!(ran.stdout.contains("\"format\": \"raw\""), "{ran:?}");
            assert_eq!(ran.number("virtual-size"), length + 512, "{ran:?}");
            // Asked for a VHD, the footer decides, as for qemu-img: it refuses a disk that is not fixed.
            let args = ["measure", "-f", "vpc", "-O", "qcow2", &name];
            let (ours, theirs) = (tool(&folder, &args), qemu_img(&folder, &args));
            // The disk of the footer must be in the file, which qemu-img does not ask for.
            let fits = image.len() as u64 <= length + 512;
            if options.contains("fixed") && fits {
                assert_eq!(ours.stdout, theirs.stdout, "{args:?}: {ours:?}");
            } else {
                assert_refused(&ours, &args);
            }
            assert_eq!(theirs.succeeded(), options.contains("fixed"), "{theirs:?}");
        }
    }
    compared.at_least(22, "old footers");
}

#[test]
fn a_fixed_vhd_is_found_by_its_footer() {
    let (_guard, folder) = folder();
    for (nth, (options, size)) in [
        ("subformat=fixed,force_size=on", "64k"),
        ("subformat=fixed,force_size=on", "1000k"),
        ("subformat=fixed", "1000k"),
        ("subformat=fixed", "1G"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{nth}.vhd");
        make(&folder, "vpc", options, &name, size, &[]);
        let args = ["info", "-f", "vpc", "--output", "json", &name];
        let virtual_size = qemu_img_ok(&folder, &args).number("virtual-size");
        let ran = tool(&folder, &format!("scan --output json {name}"));
        assert!(ran.stdout.contains("\"format\": \"vpc\""), "{ran:?}");
        assert_eq!(ran.number("virtual-size"), virtual_size);
    }
    // A dynamic one whose first footer is damaged is found by the last.
    make(&folder, "vpc", "", "a.vhd", "4M", &[]);
    qemu_io(&folder, "vpc", "a.vhd", &["write -P 1 0 64k"]);
    let mut image = fs::read(folder.join("a.vhd")).unwrap();
    image[..512].fill(0);
    fs::write(folder.join("a.vhd"), image).unwrap();
    let ran = tool(&folder, "scan --output json a.vhd");
    assert!(ran.stdout.contains("\"format\": \"vpc\""), "{ran:?}");
    assert_eq!(ran.number("allocated-bytes"), 2 << 20);
}
