//! `images measure` of images whose files have holes, against `qemu-img measure`.
//!
//! qemu-img looks for holes in a raw image, in a fixed VHD, and in a qcow2 whose refcounts count clearly more
//! clusters than its file stores. In any other image the tables decide.

mod qemu;

use std::path::Path;

use qemu::{
    Compared, folder, make, map, punch, qemu_img_ok, qemu_io, same_answer, same_answer_as, tool,
};

const TARGETS: [&str; 5] = [
    "cluster_size=512",
    "cluster_size=4k",
    "cluster_size=64k",
    "cluster_size=2M",
    "preallocation=falloc",
];

fn same_for_all_targets(folder: &Path, format: &str, name: &str, compared: &mut Compared) {
    for options in TARGETS {
        let args = ["-f", format, "-O", "qcow2", "-o", options, name];
        same_answer(folder, &args, compared);
    }
}

/// The places in the file of the data that an image holds itself.
fn places(folder: &Path, format: &str, name: &str) -> Vec<(u64, u64)> {
    let extents = map(folder, format, name).into_iter();
    let own = extents.filter(|extent| extent.is_own && extent.is_data);
    own.filter_map(|extent| Some((extent.place?, extent.length)))
        .collect()
}

#[test]
fn a_cluster_of_preallocated_metadata_is_no_data_before_it_is_written() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
    for (nth, (options, size)) in [
        ("", "20G"),
        ("cluster_size=2M", "20G"),
        ("cluster_size=4k", "300M"),
        ("cluster_size=512", "20M"),
        ("cluster_size=512,refcount_bits=1", "20M"),
        ("cluster_size=512,refcount_bits=2,lazy_refcounts=on", "20M"),
        ("cluster_size=1k,refcount_bits=4", "20M"),
        ("cluster_size=32k,refcount_bits=8", "100M"),
        ("cluster_size=128k,refcount_bits=32", "100M"),
        ("cluster_size=64k,refcount_bits=64", "100M"),
        ("extended_l2=on", "100M"),
        ("compat=0.10", "100M"),
        ("", "100000k"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{nth}.qcow2");
        let options = format!("preallocation=metadata,{options}");
        let options = options.trim_end_matches(',');
        make(&folder, "qcow2", options, &name, size, &[]);
        same_for_all_targets(&folder, "qcow2", &name, &mut compared);
        // Parts of clusters, over a border, and clusters in a row.
        let writes = [
            "write -P 1 0 5k",
            "write -P 2 1500k 700k",
            "write -P 3 18M 512",
            "write -z 2M 1M",
        ];
        for (write, options) in writes.into_iter().zip(TARGETS) {
            qemu_io(&folder, "qcow2", &name, &[write]);
            let args = ["-O", "qcow2", "-o", options, &name];
            same_answer(&folder, &args, &mut compared);
        }
    }
    let ours = tool(&folder, "measure --output json -O qcow2 0.qcow2");
    assert!(ours.number("required") < 10 << 20, "{ours:?}");
    compared.at_least(13 * 9, "preallocated metadata");
}

/// qemu-img compares the refcounts with the blocks that the file takes. So one hole is nothing, and many are
/// many.
#[test]
fn holes_in_a_qcow2_count_only_when_there_are_many() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
    let mut smaller = 0;
    for cluster in ["512", "4k", "64k", "512k"] {
        let options = format!("cluster_size={cluster}");
        let name = format!("{cluster}.qcow2");
        let writes = ["write -P 1 0 8M"];
        make(&folder, "qcow2", &options, &name, "8M", &writes);
        let required = || {
            let args = ["measure", "--output", "json", "-O", "qcow2", &name];
            tool(&folder, &args).number("required")
        };
        let full = required();
        let pieces: Vec<_> = places(&folder, "qcow2", &name)
            .into_iter()
            .flat_map(|(place, length)| {
                let starts = (0..length).step_by(256 << 10);
                starts.map(move |at| (place + at, (length - at).min(256 << 10)))
            })
            .collect();
        for (nth, (place, length)) in pieces.iter().enumerate() {
            // Whole clusters, parts of them, and a hole that is no whole block of the file system.
            let start = place.next_multiple_of(4096);
            punch(&folder, &name, start, length * 2 / 5);
            punch(&folder, &name, start + length / 2, 700);
            if nth % (pieces.len() / 30) == 0 {
                let options = TARGETS[nth % 4];
                let args = ["-O", "qcow2", "-o", options, &name];
                same_answer(&folder, &args, &mut compared);
            }
            // Most of the metadata of large clusters is in holes from the start.
            let is_first = nth == 0 && cluster != "512k";
            assert!(!is_first || required() == full, "one hole in {name}");
        }
        same_for_all_targets(&folder, "qcow2", &name, &mut compared);
        smaller += u32::from(required() < full);
    }
    assert!(
        smaller >= 2,
        "the holes of {smaller} images were looked for"
    );
    compared.at_least(140, "holes in qcow2");
}

#[test]
fn a_fixed_vhd_holds_what_its_file_stores() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
    for (nth, (options, size)) in [
        ("subformat=fixed,force_size=on", "1G"),
        ("subformat=fixed,force_size=on", "5000k"),
        ("subformat=fixed", "64k"),
        ("subformat=fixed", "333M"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{nth}.vhd");
        make(&folder, "vpc", options, &name, size, &[]);
        same_for_all_targets(&folder, "vpc", &name, &mut compared);
        qemu_io(&folder, "vpc", &name, &["write -P 1 3k 50k"]);
        if size != "64k" {
            qemu_io(&folder, "vpc", &name, &["write -P 1 2M 2000k"]);
            punch(&folder, &name, 3 << 20, 128 << 10);
        }
        same_for_all_targets(&folder, "vpc", &name, &mut compared);
        let detected = tool(&folder, &format!("measure -O qcow2 {name}"));
        let named = tool(&folder, &format!("measure -f vpc -O qcow2 {name}"));
        assert_eq!(detected.stdout, named.stdout);
    }
    compared.at_least(40, "fixed VHD");
}

#[test]
fn in_other_images_the_tables_decide() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
    // In more than one grain table.
    let writes = [
        "write -P 1 0 3M",
        "write -P 2 9M 64k",
        "write -P 3 70M 100k",
    ];
    for (format, options, name) in [
        ("vpc", "force_size=on", "a.vhd"),
        ("vmdk", "", "a.vmdk"),
        ("vmdk", "zeroed_grain=on", "zeroed.vmdk"),
        ("qcow2", "data_file=data.raw", "external.qcow2"),
        (
            "qcow2",
            "data_file=data2.raw,data_file_raw=on",
            "external-raw.qcow2",
        ),
    ] {
        make(&folder, format, options, name, "100M", &writes);
        same_for_all_targets(&folder, format, name, &mut compared);
        if !name.starts_with("external") {
            for (place, length) in places(&folder, format, name) {
                punch(&folder, name, place, length);
            }
        }
        same_for_all_targets(&folder, format, name, &mut compared);
    }
    // Compressed clusters have no place of their own.
    make(&folder, "raw", "", "a.raw", "100M", &writes);
    let convert = ["convert", "-c", "-O", "qcow2", "a.raw", "c.qcow2"];
    qemu_img_ok(&folder, &convert);
    same_for_all_targets(&folder, "qcow2", "c.qcow2", &mut compared);
    compared.at_least(55, "tables");
}

/// What is encrypted reads as anything but zeroes where it is a hole.
#[test]
fn holes_in_an_encrypted_qcow2_are_data() {
    let (_guard, folder) = folder();
    let mut compared = Compared(0);
    let secret = ["--object", "secret,id=s,data=x"];
    let options =
        "preallocation=metadata,encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10";
    let create = ["create", "-q", "-f", "qcow2", "-o", options];
    qemu_img_ok(
        &folder,
        &[&create, &secret[..], &["l.qcow2", "64M"]].concat(),
    );
    let theirs = "driver=qcow2,encrypt.key-secret=s,file.filename=l.qcow2";
    let theirs = [&secret[..], &["-O", "qcow2", "--image-opts", theirs]].concat();
    same_answer_as(&folder, &["-O", "qcow2", "l.qcow2"], &theirs, &mut compared);
    compared.at_least(1, "encrypted");
}
