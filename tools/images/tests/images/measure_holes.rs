//! `images measure` of images whose files have holes, against `qemu-img measure`.
//!
//! qemu-img looks for holes in a raw image, in a fixed VHD, and in a qcow2 whose refcounts count clearly more
//! clusters than its file stores. In any other image the tables decide: VHD and VMDK, and all that is smaller, are in
//! `measure_random`.

use crate::qemu::{Bench, Ran as _};

const TARGETS: [&str; 5] = [
    "cluster_size=512",
    "cluster_size=4k",
    "cluster_size=64k",
    "cluster_size=2M",
    "preallocation=falloc",
];

fn same_for_all_targets(bench: &Bench, format: &str, name: &str) {
    for options in TARGETS {
        bench.same(&format!("-f {format} -O qcow2 -o {options} {name}"));
    }
}

#[test]
fn a_cluster_of_preallocated_metadata_is_no_data_before_it_is_written() {
    let bench = Bench::new();
    for (options, size) in [
        ("compat=1.1", "20G"),
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
        ("compat=0.10", "100000k"),
    ] {
        let options = format!("{options},preallocation=metadata");
        bench.make("qcow2", &options, "a.qcow2", size, &[]);
        let empty = bench.tool("measure --output json -O qcow2 a.qcow2");
        let required = empty.number("required");
        assert!(size != "20G" || required < 10 << 20, "{options}: {empty:?}");
        same_for_all_targets(&bench, "qcow2", "a.qcow2");
        // Parts of clusters, over a border, and clusters in a row.
        let writes = [
            "write -P 1 0 5k",
            "write -P 2 1500k 700k",
            "write -P 3 18M 512",
            "write -z 2M 1M",
        ];
        for (write, options) in writes.into_iter().zip(TARGETS) {
            bench.io("qcow2", "a.qcow2", &[write]);
            bench.same(&format!("-O qcow2 -o {options} a.qcow2"));
        }
    }
}

/// qemu-img compares the refcounts with the blocks that the file takes. So one hole is nothing, and many are
/// many.
#[test]
fn holes_in_a_qcow2_count_only_when_there_are_many() {
    let bench = Bench::new();
    let mut smaller = 0;
    for cluster in ["512", "4k", "64k", "512k"] {
        let options = format!("cluster_size={cluster}");
        bench.make("qcow2", &options, "a.qcow2", "8M", &["write -P 1 0 8M"]);
        let required = || {
            let ran = bench.tool("measure --output json -O qcow2 a.qcow2");
            ran.number("required")
        };
        let full = required();
        let places = bench.places("qcow2", "a.qcow2").into_iter();
        let pieces: Vec<_> = places
            .flat_map(|(place, length)| {
                let starts = (0..length).step_by(256 << 10);
                starts.map(move |at| (place + at, (length - at).min(256 << 10)))
            })
            .collect();
        for (nth, (place, length)) in pieces.iter().enumerate() {
            // Whole clusters, parts of them, and a hole that is no whole block of the file system.
            let start = place.next_multiple_of(4096);
            bench.punch("a.qcow2", start, length * 2 / 5);
            bench.punch("a.qcow2", start + length / 2, 700);
            if nth % (pieces.len() / 30) == 0 {
                bench.same(&format!("-O qcow2 -o {} a.qcow2", TARGETS[nth % 4]));
            }
            // Most of the metadata of large clusters is in holes from the start.
            let is_first = nth == 0 && cluster != "512k";
            assert!(!is_first || required() == full, "one hole: {options}");
        }
        same_for_all_targets(&bench, "qcow2", "a.qcow2");
        smaller += u32::from(required() < full);
    }
    assert!(
        smaller >= 2,
        "the holes of {smaller} images were looked for"
    );
    bench.compared(140, "holes in qcow2");
}

#[test]
fn where_the_data_is_elsewhere_the_tables_decide() {
    let bench = Bench::new();
    let writes = [
        "write -P 1 0 3M",
        "write -P 2 9M 64k",
        "write -P 3 70M 100k",
    ];
    for (options, name) in [
        ("data_file=data.raw", "external"),
        ("data_file=data2.raw,data_file_raw=on", "external-raw"),
    ] {
        bench.make("qcow2", options, name, "100M", &writes);
        same_for_all_targets(&bench, "qcow2", name);
    }
    // Compressed clusters have no place of their own.
    bench.make("raw", "", "a.raw", "100M", &writes);
    bench.img_ok("convert -c -O qcow2 a.raw c.qcow2");
    same_for_all_targets(&bench, "qcow2", "c.qcow2");
}

/// What is encrypted reads as anything but zeroes where it is a hole.
#[test]
fn holes_in_an_encrypted_qcow2_are_data() {
    let bench = Bench::new();
    let secret = "--object secret,id=s,data=x";
    let options =
        "preallocation=metadata,encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10";
    bench.img_ok(&format!(
        "create -q -f qcow2 -o {options} {secret} l.qcow2 64M"
    ));
    let theirs = "--image-opts driver=qcow2,encrypt.key-secret=s,file.filename=l.qcow2";
    bench.same_as("-O qcow2 l.qcow2", &format!("{secret} -O qcow2 {theirs}"));
}
