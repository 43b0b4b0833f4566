//! What a qcow2 image's size is made of, every option and every limit.

use super::*;

const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

fn sizes(summary: AllocationSummary, opts: &Qcow2Opts) -> Result<(u64, u64), MeasureError> {
    measure_qcow2(&summary, opts).map(|out| (out.required, out.fully_allocated))
}

fn empty(virtual_size: u64, opts: &Qcow2Opts) -> Result<(u64, u64), MeasureError> {
    sizes(AllocationSummary::new(virtual_size, 0), opts)
}

fn clusters_of(cluster_size: u32) -> Qcow2Opts {
    Qcow2Opts {
        cluster_size,
        ..Qcow2Opts::default()
    }
}

#[test]
fn the_defaults_are_those_of_qemu_img() {
    let default = Qcow2Opts::default();
    assert_eq!(default.cluster_size, 65536);
    assert_eq!(default.refcount_bits, 16);
    assert!(default.compat_v3 && !default.extended_l2 && !default.lazy_refcounts);
    assert_eq!(default.preallocation, Preallocation::Off);
    assert_eq!(default.luks_header_overhead, None);
    assert_eq!(
        crate::unit(&crate::Options::Qcow2(clusters_of(513)), 0),
        Some(513)
    );
}

/// Answers of `qemu-img measure --size`.
#[test]
fn anchors() {
    for (virtual_size, cluster_size, required, fully_allocated) in [
        (0, 65536, 196_608, 196_608),
        (1 << 20, 512, 22528, 1_071_104),
        (1 << 20, 4096, 20480, 1_069_056),
        (1 << 20, 65536, 327_680, 1_376_256),
        (1 << 20, 2 << 20, 10_485_760, 12_582_912),
        (64 << 20, 512, 1_337_856, 68_446_720),
        (GIB, 65536, 393_216, 1_074_135_040),
        (TIB, 4096, 2_690_920_448, 1_102_202_548_224),
        (1 << 37, 512, 2_737_157_632, 140_176_111_104),
    ] {
        assert_eq!(
            empty(virtual_size, &clusters_of(cluster_size)),
            Ok((required, fully_allocated))
        );
    }
    let wide_refcounts = Qcow2Opts {
        refcount_bits: 64,
        ..clusters_of(512)
    };
    assert_eq!(empty(GIB, &wide_refcounts), Ok((34_629_120, 1_108_370_944)));
    let extended = Qcow2Opts {
        extended_l2: true,
        ..clusters_of(16384)
    };
    assert_eq!(empty(1 << 20, &extended), Ok((81920, 1_130_496)));
}

#[test]
fn data_takes_whole_clusters() {
    let opts = clusters_of(4096);
    let (none, full) = empty(1 << 20, &opts).unwrap();
    for (data, clusters) in [(1, 1), (4096, 1), (4097, 2), (1 << 20, 256)] {
        assert_eq!(
            sizes(AllocationSummary::new(1 << 20, data), &opts),
            Ok((none + clusters * 4096, full))
        );
    }
    // A disk that ends inside a cluster.
    let (none, full) = empty(4097, &opts).unwrap();
    assert_eq!(full, none + 8192);
    assert_eq!(
        sizes(AllocationSummary::new(4097, 4097), &opts),
        Ok((full, full))
    );
}

#[test]
fn touched_clusters_are_taken_as_counted_and_checked() {
    let opts = Qcow2Opts::default();
    let disk = AllocationSummary::new((1 << 20) + 1, 2);
    let (none, full) = empty(disk.virtual_size, &opts).unwrap();
    for count in [0, 1, 2, 17] {
        assert_eq!(
            sizes(disk.with_touched(65536, count), &opts),
            Ok((none + count * 65536, full))
        );
    }
    assert_eq!(
        sizes(disk.with_touched(65536, 18), &opts),
        Err(MeasureError::InvalidSize)
    );
    for unit in [0, 1, 32768, 65535, 65537, 131_072, u64::MAX] {
        for disk in [disk, AllocationSummary::new(u64::MAX, 0)] {
            assert_eq!(
                sizes(disk.with_touched(unit, 18), &opts),
                Err(MeasureError::InvalidOption)
            );
        }
    }
}

#[test]
fn preallocated_data_is_there_whatever_was_written() {
    for (preallocation, all_data) in [
        (Preallocation::Off, false),
        (Preallocation::Metadata, false),
        (Preallocation::Falloc, true),
        (Preallocation::Full, true),
    ] {
        let opts = Qcow2Opts {
            preallocation,
            ..Qcow2Opts::default()
        };
        let disk = AllocationSummary::new((1 << 20) + 1, 5).with_touched(65536, 3);
        let (required, full) = sizes(disk, &opts).unwrap();
        let missing = if all_data { 0 } else { 14 * 65536 };
        assert_eq!(required + missing, full);
    }
}

#[test]
fn laziness_and_compression_change_nothing() {
    let disk = AllocationSummary::new(GIB, 12345);
    for (lazy_refcounts, compress) in [(false, true), (true, false), (true, true)] {
        let opts = Qcow2Opts {
            lazy_refcounts,
            compress,
            ..Qcow2Opts::default()
        };
        assert_eq!(sizes(disk, &opts), sizes(disk, &Qcow2Opts::default()));
    }
}

#[test]
fn an_option_outside_its_range_is_refused_before_any_size() {
    let good = Qcow2Opts::default();
    let mut refused = [good; 32];
    let mut count = 0;
    let mut push = |opts| {
        refused[count] = opts;
        count += 1;
    };
    for cluster_size in [
        0,
        1,
        256,
        511,
        513,
        1000,
        65535,
        65537,
        3 << 20,
        4 << 20,
        1 << 31,
    ] {
        push(clusters_of(cluster_size));
    }
    for refcount_bits in [0, 3, 5, 12, 63, 65, 128, 255] {
        push(Qcow2Opts {
            refcount_bits,
            ..good
        });
    }
    // Version 2.
    for refcount_bits in [1, 2, 4, 8, 32, 64] {
        push(Qcow2Opts {
            compat_v3: false,
            refcount_bits,
            ..good
        });
    }
    push(Qcow2Opts {
        compat_v3: false,
        lazy_refcounts: true,
        ..good
    });
    push(Qcow2Opts {
        compat_v3: false,
        extended_l2: true,
        ..good
    });
    for cluster_size in [512, 1024, 2048, 4096, 8192] {
        push(Qcow2Opts {
            extended_l2: true,
            ..clusters_of(cluster_size)
        });
    }
    assert_eq!(count, refused.len());
    for opts in refused {
        for summary in [
            AllocationSummary::new(1 << 20, 0),
            AllocationSummary::new(u64::MAX, 0),
            AllocationSummary::new(0, 1),
        ] {
            let with_overflow = Qcow2Opts {
                luks_header_overhead: Some(u64::MAX),
                ..opts
            };
            assert_eq!(sizes(summary, &opts), Err(MeasureError::InvalidOption));
            assert_eq!(
                sizes(summary, &with_overflow),
                Err(MeasureError::InvalidOption)
            );
        }
    }
}

#[test]
fn every_legal_option_is_taken() {
    for shift in 9..=21 {
        for refcount_bits in [1, 2, 4, 8, 16, 32, 64] {
            for extended_l2 in [false, true] {
                let opts = Qcow2Opts {
                    refcount_bits,
                    extended_l2,
                    ..clusters_of(1 << shift)
                };
                assert_eq!(empty(GIB, &opts).is_ok(), !extended_l2 || shift >= 14);
            }
        }
        let version_2 = Qcow2Opts {
            compat_v3: false,
            ..clusters_of(1 << shift)
        };
        assert_eq!(empty(GIB, &version_2), empty(GIB, &clusters_of(1 << shift)));
    }
}

/// 4 Mi L1 entries, each a cluster of L2 entries, each a cluster.
#[test]
fn the_l1_table_has_at_most_32_mib() {
    for shift in 9..=21 {
        for extended_l2 in [false, true] {
            if extended_l2 && shift < 14 {
                continue;
            }
            let l2_entry_shift = if extended_l2 { 4 } else { 3 };
            let limit = 1_u64 << (22 + (shift - l2_entry_shift) + shift);
            let opts = Qcow2Opts {
                extended_l2,
                ..clusters_of(1 << shift)
            };
            let with_overflow = Qcow2Opts {
                luks_header_overhead: Some(u64::MAX),
                ..opts
            };
            for disk in [limit - 1, limit] {
                assert!(empty(disk, &opts).is_ok());
                assert_eq!(empty(disk, &with_overflow), Err(MeasureError::Overflow));
            }
            for disk in [limit + 1, limit * 2, i64::MAX as u64, 1 << 63, u64::MAX] {
                assert_eq!(empty(disk, &opts), Err(MeasureError::InvalidSize));
                assert_eq!(empty(disk, &with_overflow), Err(MeasureError::InvalidSize));
            }
        }
    }
    // As documented.
    assert!(empty(1 << 51, &clusters_of(65536)).is_ok());
    assert!(empty((1 << 51) + 1, &clusters_of(65536)).is_err());
}

#[test]
fn no_more_data_than_the_disk_is_large() {
    let opts = Qcow2Opts::default();
    assert!(sizes(AllocationSummary::new(1000, 1000), &opts).is_ok());
    assert_eq!(
        sizes(AllocationSummary::new(1000, 1001), &opts),
        Err(MeasureError::InvalidSize)
    );
}

#[test]
fn a_luks_header_is_added_in_whole_clusters_that_refcounts_do_not_count() {
    let (none, full) = empty(1 << 20, &Qcow2Opts::default()).unwrap();
    for (overhead, clusters) in [(0, 0), (1, 1), (65536, 1), (65537, 2), (2_068_480, 32)] {
        let opts = Qcow2Opts {
            luks_header_overhead: Some(overhead),
            ..Qcow2Opts::default()
        };
        let luks = clusters * 65536;
        assert_eq!(empty(1 << 20, &opts), Ok((none + luks, full + luks)));
    }
}

#[test]
fn a_luks_header_that_makes_the_sum_too_large_is_an_overflow() {
    let with_luks = |clusters: u64| Qcow2Opts {
        luks_header_overhead: Some(clusters << 16),
        ..Qcow2Opts::default()
    };
    // Three clusters of metadata: each result 2^63 - 2^16, then 2^63.
    let largest = (1 << 63) - 65536;
    assert_eq!(empty(0, &with_luks((1 << 47) - 4)), Ok((largest, largest)));
    assert_eq!(
        empty(0, &with_luks((1 << 47) - 3)),
        Err(MeasureError::Overflow)
    );
    // Each fits, or `required` alone fits; the sum does not.
    for clusters in [1 << 47, (1 << 48) - 20, (1 << 48) - 4, (1 << 48) - 1] {
        assert_eq!(
            empty(1 << 20, &with_luks(clusters)),
            Err(MeasureError::Overflow)
        );
    }
    let most = Qcow2Opts {
        luks_header_overhead: Some(u64::MAX),
        ..Qcow2Opts::default()
    };
    assert_eq!(empty(0, &most), Err(MeasureError::Overflow));
}

#[test]
fn the_luks_header_of_each_key_length() {
    assert_eq!(luks_payload(32, true), 2_068_480);
    assert_eq!(luks_payload(16, true), 1_052_672);
    assert_eq!(luks_payload(32, false), luks_payload(16, true));
    assert_eq!(luks_payload(24, false), 4096 + 8 * 98304);
    assert_eq!(luks_payload(0, true), 4096);
    assert_eq!(
        luks_payload(u32::MAX, true),
        4096 + 8 * (8000 * u64::from(u32::MAX)).div_ceil(4096) * 4096
    );
}

#[test]
fn refcounts_count_themselves_after_few_rounds() {
    let mut most_rounds = 0;
    for shift in 9..=21 {
        for refcount_bits in [1, 2, 4, 8, 16, 32, 64] {
            let checked = check(&Qcow2Opts {
                refcount_bits,
                ..clusters_of(1 << shift)
            })
            .unwrap();
            for counted_shift in 0..60 {
                for counted in [
                    (1_u64 << counted_shift) - 1,
                    1 << counted_shift,
                    (1 << counted_shift) / 64 * 63,
                    (1 << counted_shift) / 5 * 7,
                ] {
                    let mut layout = Refcounts::NONE;
                    let mut rounds = 0;
                    loop {
                        let larger = layout.grown(counted, checked).unwrap();
                        rounds += 1;
                        assert!(larger.blocks >= layout.blocks && larger.table >= layout.table);
                        if larger == layout {
                            break;
                        }
                        layout = larger;
                    }
                    assert_eq!(Refcounts::new(counted, checked), Ok(layout));
                    most_rounds = most_rounds.max(rounds);
                    // It counts all, and one block less would not do.
                    let per_block = checked.cluster.entries(checked.refcount_bits).get();
                    let all = u128::from(counted + layout.clusters().unwrap());
                    assert!(u128::from(layout.blocks) * u128::from(per_block) >= all);
                    if layout.blocks > 0 {
                        assert!(u128::from(layout.blocks - 1) * u128::from(per_block) < all);
                    }
                }
            }
        }
    }
    assert!(most_rounds <= 12, "{most_rounds} rounds");
    assert!(
        most_rounds >= 3,
        "the sweep reaches no layout that counts itself"
    );
}
