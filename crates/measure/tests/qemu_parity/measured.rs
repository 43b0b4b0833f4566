//! The cases that ask `qemu-img measure`.

use std::path::{Path, PathBuf};

use measure::{
    MeasureError, MeasureOutput, Preallocation, Qcow2Opts, luks_payload, measure_qcow2, measure_raw,
};
use shared::AllocationSummary;
use testing::random::Random;

use crate::disk::{Disk, Pattern};
use crate::qemu::{self, Answer};
use crate::{Case, Outcome};

const NEGATIVE: &str = "raw: qemu-img prints the largest sizes as negative numbers";
const VERSION_2: &str = "qcow2: measured with version 2 and a version 3 feature, but not created";
const L1_LIMIT: &str = "qcow2: measured from a file over the L1 limit, but not created";

const ORDER: &str = "qcow2: qemu-img refuses a size of 2^63 before it looks at options";

/// How often each documented difference is shown.
pub(crate) const DIFFERENCES: &[(&str, usize)] =
    &[(NEGATIVE, 4), (VERSION_2, 6), (L1_LIMIT, 2), (ORDER, 10)];

const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
const CLUSTER_SIZES: [u32; 13] = [
    512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131_072, 262_144, 524_288, 1_048_576,
    2_097_152,
];

/// `-o`'s argument for these options; LUKS aside.
fn qcow2_arguments(opts: &Qcow2Opts) -> String {
    let on = |flag| if flag { "on" } else { "off" };
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
    )
}

/// Asks `qemu-img measure` and says whether it answers as the calculator does.
fn compare(kind: &'static str, arguments: &[&str], answer: Answer) -> Result<Outcome, String> {
    let theirs = qemu::measure(arguments)?;
    let ours = answer.map(|out| {
        (
            i64::try_from(out.required).unwrap_or(-1),
            i64::try_from(out.fully_allocated).unwrap_or(-1),
        )
    });
    if ours == theirs {
        Ok(Outcome::Agrees(kind))
    } else {
        Err(format!("qemu-img says {theirs:?}, we say {ours:?}"))
    }
}

/// An empty qcow2 disk, with `extra` arguments before the options.
fn sized_qcow2(size: u64, opts: Qcow2Opts) -> Case<'static> {
    let arguments = qcow2_arguments(&opts);
    Case::new(format!("measure qcow2 {size} {arguments}"), move |_| {
        let answer = measure_qcow2(&AllocationSummary::new(size, 0), &opts);
        let kind = match answer {
            Ok(_) => "measure --size -O qcow2: both numbers",
            Err(MeasureError::InvalidOption) => "measure --size -O qcow2: option refused",
            Err(_) => "measure --size -O qcow2: size refused",
        };
        let size = size.to_string();
        compare(
            kind,
            &["--size", &size, "-O", "qcow2", "-o", &arguments],
            answer,
        )
    })
}

/// The L1 table's limit on a disk's size, in bytes.
fn l1_limit(opts: &Qcow2Opts) -> u64 {
    let entry = if opts.extended_l2 { 16 } else { 8 };
    let cluster = u64::from(opts.cluster_size);
    (32 << 20) / 8 * (cluster / entry) * cluster
}

/// A grid over all options and sizes, legal and not.
pub(crate) fn qcow2() -> Vec<Case<'static>> {
    let mut cases = Vec::new();
    let mut ask = |size, opts| cases.push(sized_qcow2(size, opts));
    let default = Qcow2Opts::default();
    let small = [0, 1, 511, 513, 65_535, 1 << 20, (1 << 20) + 1, 100_000_007];
    let large = [GIB, 10 * GIB - 512, 127 * GIB + 12_345];

    for cluster_size in CLUSTER_SIZES {
        let opts = Qcow2Opts {
            cluster_size,
            ..default
        };
        for size in small.into_iter().chain(large) {
            ask(size, opts);
            let compat_v3 = false;
            ask(size, Qcow2Opts { compat_v3, ..opts });
        }
        for refcount_bits in [1, 2, 4, 8, 32, 64] {
            let opts = Qcow2Opts {
                refcount_bits,
                ..opts
            };
            for size in [1, (1 << 20) + 1, GIB + 777, 100 * GIB, l1_limit(&opts)] {
                ask(size, opts);
            }
        }
        for preallocation in [
            Preallocation::Metadata,
            Preallocation::Falloc,
            Preallocation::Full,
        ] {
            let opts = Qcow2Opts {
                preallocation,
                ..opts
            };
            for size in [0, 1, 100_000_007, GIB] {
                ask(size, opts);
            }
        }
        // Extended L2: refused with small clusters.
        for refcount_bits in [1, 16, 64] {
            let opts = Qcow2Opts {
                refcount_bits,
                extended_l2: true,
                ..opts
            };
            for size in [0, 1, 1 << 20, 100_000_007, GIB + 1, 127 * GIB] {
                ask(size, opts);
            }
        }
        for extended_l2 in [false, true] {
            let opts = Qcow2Opts {
                extended_l2,
                ..opts
            };
            let limit = l1_limit(&opts);
            for size in [limit - 1, limit, limit + 1, limit * 2] {
                ask(size, opts);
            }
            ask(i64::MAX as u64, opts);
            if !extended_l2 || cluster_size >= 16384 {
                ask(1 << 63, opts);
                ask(u64::MAX, opts);
            }
        }
    }
    for cluster_size in [
        0,
        1,
        256,
        511,
        513,
        1000,
        65_535,
        65_537,
        3 << 20,
        4 << 20,
        1 << 31,
    ] {
        for size in [0, 1 << 20] {
            ask(
                size,
                Qcow2Opts {
                    cluster_size,
                    ..default
                },
            );
        }
    }
    for refcount_bits in [0, 3, 5, 7, 12, 63, 65, 128, 255] {
        for size in [0, 1 << 20, l1_limit(&default) + 1] {
            ask(
                size,
                Qcow2Opts {
                    refcount_bits,
                    ..default
                },
            );
        }
    }
    for refcount_bits in [1, 2, 4, 8, 32, 64] {
        for size in [0, 1 << 20, l1_limit(&default) + 1] {
            ask(
                size,
                Qcow2Opts {
                    refcount_bits,
                    compat_v3: false,
                    ..default
                },
            );
        }
    }
    for cluster_size in CLUSTER_SIZES {
        ask(
            GIB,
            Qcow2Opts {
                cluster_size,
                lazy_refcounts: true,
                ..default
            },
        );
    }
    let mut random = Random(3);
    for _ in 0..700 {
        let extended_l2 = random.below(3) == 0;
        let cluster_sizes = &CLUSTER_SIZES[if extended_l2 { 5 } else { 0 }..];
        let opts = Qcow2Opts {
            cluster_size: random.pick(cluster_sizes),
            refcount_bits: random.pick(&[1, 2, 4, 8, 16, 32, 64]),
            extended_l2,
            lazy_refcounts: random.below(2) == 0,
            preallocation: random.pick(&[
                Preallocation::Off,
                Preallocation::Metadata,
                Preallocation::Falloc,
                Preallocation::Full,
            ]),
            ..default
        };
        let bits = random.below(62);
        ask(random.below(1 << bits) % l1_limit(&opts), opts);
    }
    cases
}

/// Raw: sizes of all lengths, and around the largest.
pub(crate) fn raw() -> Vec<Case<'static>> {
    let mut sizes = vec![0, 1, 511, 512, 513, 100_000_007, GIB, 1000 * TIB];
    for shift in 9..63 {
        sizes.extend([(1 << shift) - 1, 1 << shift, (1 << shift) + 1]);
    }
    let largest = (1 << 63) - 512;
    sizes.extend([largest - 512, largest - 1, largest, 1 << 63, u64::MAX]);
    sizes
        .into_iter()
        .map(|size| {
            Case::new(format!("measure raw {size}"), move |_| {
                let answer = measure_raw(&AllocationSummary::new(size, 0));
                let kind = if answer.is_ok() {
                    "measure --size -O raw: both numbers"
                } else {
                    "measure --size -O raw: size refused"
                };
                compare(kind, &["--size", &size.to_string(), "-O", "raw"], answer)
            })
        })
        .collect()
}

/// Encrypted images: the LUKS header of each length of key. (qemu-img times its key derivation for
/// seconds, so these are few and come first.)
pub(crate) fn luks() -> Vec<Case<'static>> {
    [
        ("aes-256", "xts", luks_payload(32, true), 65536, false),
        ("aes-128", "xts", luks_payload(16, true), 2 << 20, false),
        ("twofish-256", "xts", luks_payload(32, true), 16384, true),
        ("aes-128", "cbc", luks_payload(16, false), 512, false),
    ]
    .into_iter()
    .map(|(cipher, mode, overhead, cluster_size, extended_l2)| {
        Case::new(format!("measure luks {cipher}-{mode}"), move |_| {
            let opts = Qcow2Opts {
                cluster_size,
                extended_l2,
                luks_header_overhead: Some(overhead),
                ..Qcow2Opts::default()
            };
            let arguments = format!(
                "{},encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10,\
                 encrypt.cipher-alg={cipher},encrypt.cipher-mode={mode}",
                qcow2_arguments(&opts)
            );
            compare(
                "measure --size -O qcow2, LUKS: both numbers",
                &[
                    "--object",
                    "secret,id=key,data=test",
                    "--size",
                    "100000007",
                    "-O",
                    "qcow2",
                    "-o",
                    &arguments,
                ],
                measure_qcow2(&AllocationSummary::new(100_000_007, 0), &opts),
            )
        })
    })
    .collect()
}

/// Images to measure, with what they hold.
pub(crate) struct Sources {
    images: Vec<(PathBuf, &'static str, Disk)>,
    /// An empty raw image over the L1 limit of clusters of 512 bytes, and its size.
    over_l1_limit: (PathBuf, u64),
}

impl Sources {
    /// Makes the images in `folder`: raw ones, whose data lies on borders of 64 KiB so that no file
    /// system rounds it; and qcow2 ones with clusters of 512 bytes, which hold data to the sector.
    pub(crate) fn make(folder: &Path) -> Self {
        let mut images = Vec::new();
        let path = |name: &str| folder.join(name);

        for (name, size, starts) in [
            ("a.raw", 100 << 20, vec![0_u64, 1, 2, 17, 18, 500, 1599]),
            ("b.raw", (64 << 20) + 512, vec![3, 5, 7, 31, 32, 33, 1024]),
            ("c.raw", 3 << 30, vec![100, 40_000, 49_151]),
            ("empty.raw", (1 << 30) + 1, vec![]),
        ] {
            let mut disk = Disk::new(size, Pattern::Empty);
            for start in starts {
                disk.append(start << 16, 1 << 16);
            }
            disk.write_raw(&path(name));
            images.push((path(name), "raw", disk));
        }

        for (name, size) in [
            ("a.qcow2", (8 << 20) + 512),
            ("b.qcow2", 200 << 20),
            ("c.qcow2", 5 << 30),
        ] {
            // Whole sectors: what a disk's user writes, and what qcow2 holds.
            let mut disk = Disk::new(size, Pattern::Empty);
            for (offset, length) in Disk::new(size, Pattern::Scattered).extents {
                disk.append(offset / 512 * 512, length.next_multiple_of(512));
            }
            disk.append(size - 512, 512);
            make_qcow2(&path(name), &disk);
            images.push((path(name), "qcow2", disk));
        }

        let over = (
            path("over.raw"),
            l1_limit(&Qcow2Opts {
                cluster_size: 512,
                ..Qcow2Opts::default()
            }) + 1,
        );
        Disk::new(over.1, Pattern::Empty).write_raw(&over.0);
        Self {
            images,
            over_l1_limit: over,
        }
    }
}

/// A qcow2 image with data there, and explicit zeroes between, which are no data.
fn make_qcow2(path: &Path, disk: &Disk) {
    let name = path.to_str().unwrap();
    let size = disk.size.to_string();
    qemu::must_run(&[
        "create",
        "-q",
        "-f",
        "qcow2",
        "-o",
        "cluster_size=512",
        name,
        &size,
    ])
    .unwrap();
    let mut io = std::process::Command::new("qemu-io");
    io.args(["-f", "qcow2"]);
    for &(offset, length) in &disk.extents {
        // The zeroes go first: data written over them later is data.
        let zeroes = offset.saturating_sub(1024);
        io.args(["-c", &format!("write -z {zeroes} 1024")]);
        io.args(["-c", &format!("write -P 90 {offset} {length}")]);
    }
    // Earlier data must not have been zeroed by a later extent's zeroes: write all again.
    for &(offset, length) in &disk.extents {
        io.args(["-c", &format!("write -P 91 {offset} {length}")]);
    }
    let output = io
        .arg(name)
        .output()
        .unwrap_or_else(|error| panic!("qemu-io cannot be run ({error}): install qemu-utils"));
    let said = String::from_utf8_lossy(&output.stdout);
    let wrote = said.matches("wrote").count();
    assert!(
        output.status.success() && wrote == 3 * disk.extents.len(),
        "qemu-io wrote {wrote} times: {output:?}"
    );
}

/// Images with scattered data, measured for every cluster size.
pub(crate) fn from_files(sources: &Sources) -> Vec<Case<'_>> {
    let mut cases = Vec::new();
    for (path, format, disk) in &sources.images {
        let name = path.to_str().unwrap();
        for cluster_size in CLUSTER_SIZES {
            for preallocation in [Preallocation::Off, Preallocation::Full] {
                for extended_l2 in [false, true] {
                    let opts = Qcow2Opts {
                        cluster_size,
                        extended_l2,
                        preallocation,
                        ..Qcow2Opts::default()
                    };
                    let arguments = qcow2_arguments(&opts);
                    cases.push(Case::new(
                        format!("measure {name} {arguments}"),
                        move |_| {
                            let answer =
                                measure_qcow2(&disk.summary(opts.cluster_size.into()), &opts);
                            let kind = if answer.is_ok() {
                                "measure FILE -O qcow2: both numbers"
                            } else {
                                "measure FILE -O qcow2: option refused"
                            };
                            compare(
                                kind,
                                &["-f", format, "-O", "qcow2", "-o", &arguments, name],
                                answer,
                            )
                        },
                    ));
                }
            }
        }
        cases.push(Case::new(format!("measure {name} -O raw"), move |_| {
            compare(
                "measure FILE -O raw: both numbers",
                &["-f", format, "-O", "raw", name],
                measure_raw(&disk.summary(512)),
            )
        }));
    }
    cases
}

/// Where qemu-img is known to answer otherwise, or only when an image is made.
pub(crate) fn differences(sources: &Sources) -> Vec<Case<'_>> {
    let mut cases = Vec::new();
    for size in [
        (1_u64 << 63) - 511,
        (1 << 63) - 510,
        (1 << 63) - 2,
        (1 << 63) - 1,
    ] {
        cases.push(Case::new(format!("measure raw {size}"), move |_| {
            let theirs = qemu::measure(&["--size", &size.to_string(), "-O", "raw"])?;
            let ours = measure_raw(&AllocationSummary::new(size, 0));
            differs(
                NEGATIVE,
                theirs == Ok((i64::MIN, i64::MIN)) && ours == Err(MeasureError::Overflow),
                &theirs,
                &ours,
            )
        }));
    }
    for cluster_size in [16384, 65536, 2 << 20] {
        for lazy_refcounts in [false, true] {
            let opts = Qcow2Opts {
                cluster_size,
                compat_v3: false,
                lazy_refcounts,
                extended_l2: !lazy_refcounts,
                ..Qcow2Opts::default()
            };
            let arguments = qcow2_arguments(&opts);
            cases.push(Case::new(
                format!("measure and create {arguments}"),
                move |folder| {
                    let theirs =
                        qemu::measure(&["--size", "1000000", "-O", "qcow2", "-o", &arguments])?;
                    let created = create_qcow2(folder, &arguments, 1_000_000)?;
                    let ours = measure_qcow2(&AllocationSummary::new(1_000_000, 0), &opts);
                    differs(
                        VERSION_2,
                        theirs.is_ok()
                            && created == Err(MeasureError::InvalidOption)
                            && ours == Err(MeasureError::InvalidOption),
                        &theirs,
                        &ours,
                    )
                },
            ));
        }
    }
    // Extended L2 needs clusters of 16 KiB.
    for cluster_size in [512, 1024, 2048, 4096, 8192] {
        for size in [1 << 63, u64::MAX] {
            let opts = Qcow2Opts {
                cluster_size,
                extended_l2: true,
                ..Qcow2Opts::default()
            };
            let arguments = qcow2_arguments(&opts);
            cases.push(Case::new(
                format!("measure qcow2 {size} {arguments}"),
                move |_| {
                    let size_text = size.to_string();
                    let theirs =
                        qemu::measure(&["--size", &size_text, "-O", "qcow2", "-o", &arguments])?;
                    let ours = measure_qcow2(&AllocationSummary::new(size, 0), &opts);
                    differs(
                        ORDER,
                        theirs == Err(MeasureError::InvalidSize)
                            && ours == Err(MeasureError::InvalidOption),
                        &theirs,
                        &ours,
                    )
                },
            ));
        }
    }
    for preallocation in [Preallocation::Off, Preallocation::Metadata] {
        let opts = Qcow2Opts {
            cluster_size: 512,
            preallocation,
            ..Qcow2Opts::default()
        };
        let arguments = qcow2_arguments(&opts);
        let (source, size) = &sources.over_l1_limit;
        cases.push(Case::new(
            format!("measure {} {arguments}", source.display()),
            move |folder| {
                let source = source.to_str().unwrap();
                let theirs =
                    qemu::measure(&["-f", "raw", "-O", "qcow2", "-o", &arguments, source])?;
                let created = create_qcow2(folder, &arguments, *size)?;
                let ours = measure_qcow2(&AllocationSummary::new(*size, 0), &opts);
                differs(
                    L1_LIMIT,
                    theirs.is_ok()
                        && created == Err(MeasureError::InvalidSize)
                        && ours == Err(MeasureError::InvalidSize),
                    &theirs,
                    &ours,
                )
            },
        ));
    }
    cases
}

/// Makes a qcow2 image and gives its length, or why it is refused.
fn create_qcow2(
    folder: &Path,
    arguments: &str,
    size: u64,
) -> Result<Result<u64, MeasureError>, String> {
    let path = folder.join("created.qcow2");
    qemu::write(
        &[
            "create",
            "-q",
            "-f",
            "qcow2",
            "-o",
            arguments,
            path.to_str().unwrap(),
            &size.to_string(),
        ],
        &path,
    )
}

/// A documented difference, when it is `as_documented`.
fn differs(
    kind: &'static str,
    as_documented: bool,
    theirs: &Result<(i64, i64), MeasureError>,
    ours: &Result<MeasureOutput, MeasureError>,
) -> Result<Outcome, String> {
    if as_documented {
        Ok(Outcome::Differs(kind))
    } else {
        Err(format!(
            "differs in another way than documented: qemu-img says {theirs:?}, we say {ours:?}"
        ))
    }
}
