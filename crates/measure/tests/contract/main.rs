//! The contract of the calculators: known answers, options, and the order of errors. Each format's largest disk is in
//! `tools/images/tests/images/limits.rs`.

mod known;

use measure::MeasureError::{self, InvalidOption, InvalidSize, Overflow};
use measure::VhdSubformat::{Dynamic, Fixed};
use measure::VmdkSubformat::{MonolithicFlat, MonolithicSparse, StreamOptimized};
use measure::{
    Options, Preallocation, Qcow2Opts, VhdOpts, VhdSubformat, VhdxOpts, VmdkOpts, VmdkSubformat,
    luks_payload, measure, unit,
};
use shared::AllocationSummary;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// Both numbers of an answer: required and fully allocated.
type Sizes = Result<(u64, u64), MeasureError>;

fn sizes_of(options: Options, summary: AllocationSummary) -> Sizes {
    measure(&summary, &options).map(|out| (out.required, out.fully_allocated))
}

/// The answer for a disk of `size` bytes, `data` of which hold data that lies together.
fn sizes(options: Options, size: u64, data: u64) -> Sizes {
    sizes_of(options, AllocationSummary::new(size, data))
}

/// The same for a disk with two bytes of data, which touch `count` units.
fn counted(options: Options, size: u64, unit: u64, count: u64) -> Sizes {
    let summary = AllocationSummary::new(size, 2);
    sizes_of(options, summary.with_touched(unit, count))
}

fn qcow2(change: impl FnOnce(&mut Qcow2Opts)) -> Options {
    let mut opts = Qcow2Opts::default();
    change(&mut opts);
    Options::Qcow2(opts)
}

fn clusters(cluster_size: u32) -> Options {
    qcow2(|opts| opts.cluster_size = cluster_size)
}

fn with_luks(bytes: u64) -> Options {
    qcow2(|opts| opts.luks_header_overhead = Some(bytes))
}

fn vmdk(subformat: VmdkSubformat, grain_size: u32) -> Options {
    Options::Vmdk(VmdkOpts {
        subformat,
        grain_size,
    })
}

fn vhd(subformat: VhdSubformat, block_size: u32, force_size: bool) -> Options {
    Options::Vhd(VhdOpts {
        subformat,
        block_size,
        force_size,
    })
}

fn vhdx(block_size: u32) -> Options {
    Options::Vhdx(VhdxOpts { block_size })
}

/// The default of every format and subformat that has units, the unit, and what one takes in the file.
fn with_units() -> [(Options, u64, u64); 7] {
    [
        (clusters(65536), 64 * KIB, 64 * KIB),
        (vmdk(MonolithicSparse, 65536), 64 * KIB, 64 * KIB),
        (vmdk(StreamOptimized, 65536), 64 * KIB, 66048),
        (vmdk(MonolithicFlat, 65536), 64 * KIB, 0),
        (vhd(Dynamic, 2 << 20, false), 2 * MIB, 2 * MIB + 512),
        (vhd(Fixed, 2 << 20, false), 2 * MIB, 0),
        (vhdx(0), 8 * MIB, 8 * MIB),
    ]
}

#[test]
fn the_defaults_are_those_of_qemu_img() {
    let all = Qcow2Opts {
        cluster_size: 65536,
        refcount_bits: 16,
        compat_v3: true,
        extended_l2: false,
        lazy_refcounts: false,
        compress: false,
        preallocation: Preallocation::Off,
        luks_header_overhead: None,
    };
    assert_eq!(Qcow2Opts::default(), all);
    let default = Options::Vmdk(VmdkOpts::default());
    assert_eq!(default, vmdk(MonolithicSparse, 65536));
    let default = Options::Vhd(VhdOpts::default());
    assert_eq!(default, vhd(Dynamic, 2 << 20, false));
    assert_eq!(Options::Vhdx(VhdxOpts::default()), vhdx(0));
    for (options, bytes, _) in with_units() {
        assert_eq!(unit(&options, 10 * MIB), Some(bytes));
    }
    assert_eq!(unit(&clusters(513), 0), Some(513));
    assert_eq!(unit(&vhdx(3 << 20), u64::MAX), Some(3 * MIB));
    assert_eq!(unit(&Options::Raw, 0), None);
}

#[test]
fn no_disk_is_over_2_to_the_63_or_holds_more_than_it_is_large() {
    let all = with_units().map(|(options, ..)| options);
    for options in all.into_iter().chain([Options::Raw]) {
        for size in [1 << 63, u64::MAX] {
            assert_eq!(sizes(options, size, 0), Err(InvalidSize));
        }
        assert!(sizes(options, 1000, 1000).is_ok());
        assert_eq!(sizes(options, 1000, 1001), Err(InvalidSize));
        assert_eq!(sizes(options, 0, 1), Err(InvalidSize));
    }
}

#[test]
fn touched_units_are_taken_as_counted_and_checked() {
    for (options, unit, in_file) in with_units() {
        // A disk that ends inside its third unit. Two bytes that lie together are in one.
        let size = 2 * unit + 1;
        let (none, full) = sizes(options, size, 0).unwrap();
        for count in 0..=3 {
            let expected = Ok((none + count * in_file, full));
            assert_eq!(counted(options, size, unit, count), expected);
        }
        assert_eq!(sizes(options, size, 2), Ok((none + in_file, full)));
        // As many as the disk asked for has, also when a VHD grows.
        assert_eq!(counted(options, size, unit, 4), Err(InvalidSize));
        // The wrong unit comes before the size.
        for other in [0, 1, unit - 1, unit / 2, unit + 1, unit * 2, u64::MAX] {
            assert_eq!(counted(options, size, other, 4), Err(InvalidOption));
            assert_eq!(counted(options, u64::MAX, other, 0), Err(InvalidOption));
        }
    }
    assert_eq!(counted(vhdx(0), u64::MAX, 32 * MIB, 0), Err(InvalidOption));
    assert_eq!(counted(vhdx(0), u64::MAX, 64 * MIB, 0), Err(InvalidSize));

    // Raw has no unit of its own, but one of no bytes is none.
    for (unit, most) in [(1, 1000), (3, 334), (512, 2), (1000, 1), (1 << 63, 1)] {
        assert_eq!(counted(Options::Raw, 1000, unit, 0), Ok((1024, 1024)));
        assert_eq!(counted(Options::Raw, 1000, unit, most), Ok((1024, 1024)));
        let one_more = counted(Options::Raw, 1000, unit, most + 1);
        assert_eq!(one_more, Err(InvalidSize));
    }
    for size in [0, 1000, u64::MAX] {
        assert_eq!(counted(Options::Raw, size, 0, 0), Err(InvalidOption));
    }
}

/// Whichever subformat is asked for, and before any size.
#[test]
fn options_have_ranges() {
    let refused = |options| {
        for (size, data) in [(MIB, 0), (u64::MAX, 0), (0, 1)] {
            let answer = sizes(options, size, data);
            assert_eq!(answer, Err(InvalidOption), "{options:?}");
        }
    };
    let judge = |is_legal, options| {
        if is_legal {
            assert!(sizes(options, GIB, 0).is_ok(), "{options:?}");
        } else {
            refused(options);
        }
    };
    let near = |shift: u32| [(1 << shift) - 1, (1 << shift) + 1, 3 << shift];
    let powers = (0..32).map(|shift| 1 << shift);
    let all = powers.chain((0..31).flat_map(near)).chain([u32::MAX]);
    for size in all {
        let is_from = |least: u32, most: u32| {
            let bits = size.trailing_zeros();
            size.is_power_of_two() && (least..=most).contains(&bits)
        };
        judge(is_from(9, 21), clusters(size));
        let extended = qcow2(|opts| (opts.cluster_size, opts.extended_l2) = (size, true));
        judge(is_from(14, 21), extended);
        for subformat in [MonolithicSparse, StreamOptimized, MonolithicFlat] {
            judge(is_from(12, 16), vmdk(subformat, size));
        }
        for subformat in [Dynamic, Fixed] {
            judge(is_from(19, 31), vhd(subformat, size, false));
        }
        judge(size == 0 || is_from(20, 28), vhdx(size));
    }
    for bits in 0..=255_u8 {
        let is_width = bits.is_power_of_two() && bits <= 64;
        judge(is_width, qcow2(|opts| opts.refcount_bits = bits));
        let version_2 = qcow2(|opts| (opts.refcount_bits, opts.compat_v3) = (bits, false));
        judge(bits == 16, version_2);
    }
    refused(qcow2(|opts| {
        (opts.compat_v3, opts.lazy_refcounts) = (false, true)
    }));
    refused(qcow2(|opts| {
        (opts.compat_v3, opts.extended_l2) = (false, true)
    }));
    // Before an overflow, too.
    let luks = Some(u64::MAX);
    refused(qcow2(|opts| {
        (opts.cluster_size, opts.luks_header_overhead) = (1, luks)
    }));
}

/// In whole clusters, which refcounts do not count.
#[test]
fn a_luks_header_is_added() {
    let (none, full) = sizes(clusters(65536), MIB, 0).unwrap();
    for (overhead, count) in [(0, 0), (1, 1), (65536, 1), (65537, 2), (2_068_480, 32)] {
        let luks = count * 65536;
        let expected = Ok((none + luks, full + luks));
        assert_eq!(sizes(with_luks(overhead), MIB, 0), expected);
    }
    // Three clusters of metadata: each result 2^63 - 2^16, then 2^63.
    let largest = (1 << 63) - 65536;
    let of_clusters = |count: u64, size| sizes(with_luks(count << 16), size, 0);
    assert_eq!(of_clusters((1 << 47) - 4, 0), Ok((largest, largest)));
    assert_eq!(of_clusters((1 << 47) - 3, 0), Err(Overflow));
    // Each fits, or `required` alone fits; the sum does not.
    for count in [1 << 47, (1 << 48) - 20, (1 << 48) - 4, (1 << 48) - 1] {
        assert_eq!(of_clusters(count, MIB), Err(Overflow));
    }
    assert_eq!(sizes(with_luks(u64::MAX), 0, 0), Err(Overflow));

    assert_eq!(luks_payload(32, true), 2_068_480);
    assert_eq!(luks_payload(16, true), 1_052_672);
    assert_eq!(luks_payload(32, false), luks_payload(16, true));
    assert_eq!(luks_payload(24, false), 4096 + 8 * 98304);
    assert_eq!(luks_payload(0, true), 4096);
    let most = (8000 * u64::from(u32::MAX)).next_multiple_of(4096);
    assert_eq!(luks_payload(u32::MAX, true), 4096 + 8 * most);
}
