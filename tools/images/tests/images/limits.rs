//! The calculators against qemu-img at the limits of every option and size: `measure --size` for raw and qcow2,
//! the length of the file that `create` writes for the others.

use images::differential::Case;
use images::differential::qemu::Qemu;
use images::differential::question::{Question, Way};
use measure::{
    Options, Preallocation, Qcow2Opts, VhdOpts, VhdSubformat, VhdxOpts, VmdkOpts, VmdkSubformat,
};

use crate::qemu::{LIMIT, is_refused};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// Calculator, model and qemu-img must give the same numbers for an empty disk, or all refuse. Each happens often.
fn judge(questions: Vec<(u64, Options)>, way: Way) {
    let qemu = Qemu::find(LIMIT).unwrap();
    let asked = questions.len();
    let cases = questions.into_iter();
    let cases = cases.map(|(size, options)| Question::empty(options, size, way));
    let refused = cases.filter(|it| is_refused(&Case::Question(it.clone()), &qemu));
    let refused = refused.count();
    println!("{asked} sizes compared with qemu-img's, {refused} of them refused");
    assert!(refused > 1 && asked - refused > 30);
}

/// The largest disk whose L1 table is not too long, in bytes.
fn l1_limit(opts: &Qcow2Opts) -> u64 {
    let entry = if opts.extended_l2 { 16 } else { 8 };
    let cluster = u64::from(opts.cluster_size);
    (32 << 20) / 8 * (cluster / entry) * cluster
}

#[test]
fn raw_sizes_up_to_2_to_the_64() {
    let around = (9..63).flat_map(|shift| [(1 << shift) - 1, 1 << shift, (1 << shift) + 1]);
    let largest = (1 << 63) - 512;
    let limits = [0, 1, 511, largest - 1, largest, 1 << 63, u64::MAX];
    let sizes = around.chain(limits).map(|size| (size, Options::Raw));
    judge(sizes.collect(), Way::MeasureSize);
}

#[test]
fn qcow2_of_every_cluster_refcount_and_table() {
    let mut questions = Vec::new();
    let mut push = |sizes: &[u64], change: &dyn Fn(&mut Qcow2Opts)| {
        let mut opts = Qcow2Opts::default();
        change(&mut opts);
        questions.extend(sizes.iter().map(|&size| (size, Options::Qcow2(opts))));
        opts
    };
    for cluster_size in (9..=21).map(|bits| 1 << bits) {
        let large = [MIB + 1, 10 * GIB - 512, 127 * GIB + 12_345];
        let sizes = [&[0, 1, 513, 65_535], &large[..]].concat();
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
    let off_by_one = [511, 513, 65_535, 65_537];
    let others = [0, 1, 256, 3 << 20, 4 << 20, 1 << 31];
    for cluster_size in off_by_one.into_iter().chain(others) {
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
    judge(questions, Way::MeasureSize);
}

#[test]
fn vmdk_around_whole_tables_and_directories() {
    let mut sizes = vec![0, 1, 511, 513, 65_535, 65_537, MIB, 100_000_007];
    // Around whole tables of grains, and whole sectors and grains of the directory.
    for tables in [1, 2, 16, 17, 31, 127, 128, 129, 141, 1000, 4096, 100_000] {
        sizes.extend([tables * 32 * MIB, tables * 32 * MIB + 1]);
    }
    let limit = ((1 << 32) - 512) * 65_536;
    sizes.extend([8 * TIB + 12_345, 64 * TIB, limit - 1, limit]);
    sizes.extend([1 << 63, u64::MAX]);
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
    judge(questions, Way::Create);
}

#[test]
fn vhd_around_every_change_of_its_geometry() {
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
    judge(questions, Way::Create);
}

#[test]
fn vhdx_of_every_block_around_borders_of_its_table() {
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
    judge(questions, Way::Create);
}
