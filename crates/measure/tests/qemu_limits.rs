//! The calculators against qemu-img at the limits of each format, for empty disks: both numbers of
//! `measure --size` for raw and qcow2, the length of the file that `create` writes for VMDK, VHD and VHDX.
//!
//! Disks with data, keys and the known differences are not here: `cargo images differential` and the
//! tests of `images/` put them to QEMU. Without qemu-img the test fails: nothing is skipped.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;
use std::sync::Mutex;

use measure::{
    MeasureError, Options, Preallocation, Qcow2Opts, VhdOpts, VhdSubformat, VhdxOpts, VmdkOpts,
    VmdkSubformat, measure,
};
use shared::AllocationSummary;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// An empty disk's size in bytes, and the image that is to hold it.
type Question = (u64, Options);

/// Texts in qemu-img's messages when it refuses an option, and a size.
const OPTION_REFUSED: [&str; 6] = [
    "Cluster size must be a power of two",
    "Refcount width must be a power of two",
    "Different refcount widths than 16 bits",
    "Extended L2 entries are only supported",
    "Lazy refcounts only supported with",
    "Block size must be a power of two",
];
const SIZE_REFUSED: [&str; 3] = [
    "Invalid image size specified",
    "he image size is too large",
    "Image size too large",
];

fn qemu_img(folder: &Path, arguments: &[&str]) -> Result<Output, MeasureError> {
    let output = testing::qemu::output(folder, "qemu-img", arguments);
    if output.status.success() {
        return Ok(output);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    if OPTION_REFUSED.iter().any(|message| text.contains(message)) {
        return Err(MeasureError::InvalidOption);
    }
    let is_size = SIZE_REFUSED.iter().any(|message| text.contains(message));
    assert!(is_size, "{arguments:?}: {text}");
    Err(MeasureError::InvalidSize)
}

/// qemu-img's name of the format, and the argument of `-o`.
fn arguments(options: &Options) -> (&'static str, String) {
    let on = |flag| if flag { "on" } else { "off" };
    match options {
        Options::Raw => ("raw", String::new()),
        Options::Qcow2(opts) => (
            "qcow2",
            format!(
                "cluster_size={},refcount_bits={},compat={},extended_l2={},lazy_refcounts={},preallocation={}",
                opts.cluster_size,
                opts.refcount_bits,
                if opts.compat_v3 { "1.1" } else { "0.10" },
                on(opts.extended_l2),
                on(opts.lazy_refcounts),
                match opts.preallocation {
                    Preallocation::Off => "off",
                    Preallocation::Metadata => "metadata",
                    Preallocation::Falloc => "falloc",
                    Preallocation::Full => "full",
                }
            ),
        ),
        Options::Vmdk(opts) => {
            let subformat = match opts.subformat {
                VmdkSubformat::MonolithicSparse => "monolithicSparse",
                VmdkSubformat::StreamOptimized => "streamOptimized",
                VmdkSubformat::MonolithicFlat => "monolithicFlat",
            };
            ("vmdk", format!("subformat={subformat}"))
        }
        Options::Vhd(opts) => {
            let subformat = match opts.subformat {
                VhdSubformat::Dynamic => "dynamic",
                VhdSubformat::Fixed => "fixed",
            };
            let force = on(opts.force_size);
            ("vpc", format!("subformat={subformat},force_size={force}"))
        }
        Options::Vhdx(opts) => (
            "vhdx",
            format!("subformat=dynamic,block_size={}", opts.block_size),
        ),
    }
}

/// qemu-img's numbers: `required`, and where it prints it `fully_allocated`.
fn ask(folder: &Path, (size, options): &Question) -> Result<(u64, Option<u64>), MeasureError> {
    let (format, arguments) = arguments(options);
    let size = size.to_string();
    if matches!(options, Options::Raw | Options::Qcow2(_)) {
        let mut command = vec!["measure", "--output", "json", "--size", &size, "-O", format];
        if !arguments.is_empty() {
            command.extend(["-o", &arguments]);
        }
        let output = qemu_img(folder, &command)?;
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let number = |key: &str| json[key].as_u64().expect("a number");
        return Ok((number("required"), Some(number("fully-allocated"))));
    }
    let create = [
        "create", "-q", "-f", format, "-o", &arguments, "image", &size,
    ];
    qemu_img(folder, &create)?;
    let file = match options {
        Options::Vmdk(opts) if opts.subformat == VmdkSubformat::MonolithicFlat => "image-flat",
        _ => "image",
    };
    let length = folder.join(file).metadata().expect("it was written").len();
    Ok((length, None))
}

/// The largest disk whose L1 table is not too long, in bytes.
fn l1_limit(opts: &Qcow2Opts) -> u64 {
    let entry = if opts.extended_l2 { 16 } else { 8 };
    let cluster = u64::from(opts.cluster_size);
    (32 << 20) / 8 * (cluster / entry) * cluster
}

fn raw() -> Vec<Question> {
    let around = (9..63).flat_map(|shift| [(1 << shift) - 1, 1 << shift, (1 << shift) + 1]);
    let largest = (1 << 63) - 512;
    let limits = [0, 1, 511, largest - 1, largest, 1 << 63, u64::MAX];
    let sizes = around.chain(limits);
    sizes.map(|size| (size, Options::Raw)).collect()
}

fn qcow2() -> Vec<Question> {
    let mut questions = Vec::new();
    let mut push = |sizes: &[u64], change: &dyn Fn(&mut Qcow2Opts)| {
        let mut opts = Qcow2Opts::default();
        change(&mut opts);
        questions.extend(sizes.iter().map(|&size| (size, Options::Qcow2(opts))));
        opts
    };
    for cluster_size in (9..=21).map(|bits| 1 << bits) {
        let sizes = [
            0,
            1,
            513,
            65_535,
            MIB + 1,
            10 * GIB - 512,
            127 * GIB + 12_345,
        ];
        for version_3 in [false, true] {
            push(&sizes, &|opts| {
                (opts.cluster_size, opts.compat_v3) = (cluster_size, version_3);
            });
        }
        for refcount_bits in [1, 2, 4, 8, 32, 64] {
            let change = |opts: &mut Qcow2Opts| {
                (opts.cluster_size, opts.refcount_bits) = (cluster_size, refcount_bits);
            };
            let limit = l1_limit(&push(&[MIB + 1, 100 * GIB], &change));
            push(&[limit], &change);
        }
        for extended_l2 in [false, true] {
            let change = |opts: &mut Qcow2Opts| {
                (opts.cluster_size, opts.extended_l2) = (cluster_size, extended_l2);
            };
            let limit = l1_limit(&push(&[100_000_007, i64::MAX as u64], &change));
            push(&[limit - 1, limit, limit + 1], &change);
        }
        for preallocation in [
            Preallocation::Metadata,
            Preallocation::Falloc,
            Preallocation::Full,
        ] {
            push(&[100_000_007], &|opts| {
                (opts.cluster_size, opts.preallocation) = (cluster_size, preallocation);
            });
        }
    }
    for cluster_size in [
        0,
        1,
        256,
        511,
        513,
        65_535,
        65_537,
        3 << 20,
        4 << 20,
        1 << 31,
    ] {
        push(&[MIB], &|opts| opts.cluster_size = cluster_size);
    }
    let limit = l1_limit(&Qcow2Opts::default());
    for refcount_bits in [0, 3, 7, 63, 65, 128, 255] {
        push(&[MIB, limit + 1], &|opts| {
            opts.refcount_bits = refcount_bits
        });
    }
    for refcount_bits in [1, 8, 64] {
        push(&[MIB], &|opts| {
            (opts.refcount_bits, opts.compat_v3) = (refcount_bits, false)
        });
    }
    push(&[GIB], &|opts| opts.lazy_refcounts = true);
    questions
}

fn vmdk() -> Vec<Question> {
    let mut sizes = vec![0, 1, 511, 513, 65_535, 65_537, MIB, 100_000_007];
    // Around whole tables of grains, and whole sectors and grains of the directory.
    for tables in [1, 2, 16, 17, 31, 127, 128, 129, 141, 1000, 4096, 100_000] {
        sizes.extend([tables * 32 * MIB, tables * 32 * MIB + 1]);
    }
    let limit = ((1 << 32) - 512) * 65_536;
    sizes.extend([
        8 * TIB + 12_345,
        64 * TIB,
        limit - 1,
        limit,
        1 << 63,
        u64::MAX,
    ]);
    let mut questions = Vec::new();
    for size in sizes {
        for subformat in [
            VmdkSubformat::MonolithicSparse,
            VmdkSubformat::StreamOptimized,
            VmdkSubformat::MonolithicFlat,
        ] {
            // A flat file is as large as the disk; the file system takes no more than 16 TiB.
            let is_flat = subformat == VmdkSubformat::MonolithicFlat;
            if !is_flat || (1..15 * TIB).contains(&size) || size >= 1 << 63 {
                let opts = VmdkOpts {
                    subformat,
                    ..VmdkOpts::default()
                };
                questions.push((size, Options::Vmdk(opts)));
            }
        }
    }
    questions
}

/// Sizes at which the geometry of a VHD changes its shape, and some between.
fn vhd() -> Vec<Question> {
    let mut sectors = vec![0, 1, 67, 68, 69, 20_480, 1_000_000, 12_345_678];
    let mut near = |at: u64, steps: &[i64]| {
        sectors.extend(steps.iter().map(|&step| at.saturating_add_signed(step)));
    };
    for heads in 4..=16 {
        near(17 * 1024 * heads, &[-60, -1, 0, 1, 16, 17, 18]);
    }
    near(31 * 16 * 1024, &[-497, -496, -1, 0, 1, 127, 128, 129]);
    near(65_535 * 16 * 63, &[-1009, -1008, -1, 0, 1, 2]);
    near(65_535 * 16 * 255, &[-4081, -4080, -4079, -1, 0, 1, 4080]);
    near(0xff00_0000, &[-1, 0, 1]);
    let mut sizes: Vec<u64> = sectors.into_iter().map(|sectors| sectors * 512).collect();
    sizes.extend([1, 511, 513, 68 * 512 + 1, 0xff00_0000 * 512 - 1]);
    sizes.extend([0xff00_0000 * 512 + 1, 3 * TIB, i64::MAX as u64, 1 << 63]);
    let mut questions = Vec::new();
    for size in sizes {
        for subformat in [VhdSubformat::Dynamic, VhdSubformat::Fixed] {
            for force_size in [false, true] {
                let opts = VhdOpts {
                    subformat,
                    force_size,
                    ..VhdOpts::default()
                };
                questions.push((size, Options::Vhd(opts)));
            }
        }
    }
    questions
}

fn vhdx() -> Vec<Question> {
    let mut questions = Vec::new();
    let mut push = |size, block_size| {
        questions.push((size, Options::Vhdx(VhdxOpts { block_size })));
    };
    // Where the block size that QEMU chooses changes.
    for limit in [GIB, 100 * GIB, 32 * TIB, 64 * TIB] {
        for size in [limit - 1, limit, limit + 1] {
            push(size, 0);
        }
    }
    for size in [0, 1, 10 * MIB, 65 * TIB, i64::MAX as u64, 1 << 63] {
        push(size, 0);
    }
    for shift in 20..=28 {
        for size in [1, MIB + 1, 100_000_007, 4096 * MIB + 1, 200 * GIB] {
            push(size, 1 << shift);
        }
    }
    // Around a border of the table: 131072 entries in a MiB.
    for blocks in [131_040, 131_041, 131_042, 262_081, 262_082] {
        push(blocks * MIB, 1 << 20);
    }
    for mib in [3, 5, 12, 255] {
        push(GIB, mib << 20);
    }
    questions
}

#[test]
fn qemu_img_and_the_calculators_agree_at_the_limits() {
    let questions = [raw(), qcow2(), vmdk(), vhd(), vhdx()].concat();
    let asked = questions.len();
    let queue = Mutex::new(questions.into_iter());
    let seen = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let folder = tempfile::tempdir().expect("a folder");
                loop {
                    let Some(question) = queue.lock().expect("no panic").next() else {
                        break;
                    };
                    let (size, options) = &question;
                    let theirs = ask(folder.path(), &question);
                    let ours = measure(&AllocationSummary::new(*size, 0), options);
                    let expected = ours.map(|out| {
                        let full = theirs.ok().and_then(|(_, full)| full);
                        (out.required, full.map(|_| out.fully_allocated))
                    });
                    assert_eq!(
                        theirs, expected,
                        "qemu-img's left, ours right: {question:?}"
                    );
                    let kind = (options.name(), expected.err().map(|why| why.to_string()));
                    *seen.lock().expect("no panic").entry(kind).or_insert(0) += 1;
                }
            });
        }
    });
    let seen = seen.into_inner().expect("no panic");
    println!("{asked} questions: {seen:#?}");
    assert_eq!(seen.values().sum::<usize>(), asked);
    // Every format answers and refuses a size; qcow2 and VHDX refuse options as well.
    assert_eq!(seen.len(), 5 * 2 + 2);
}
