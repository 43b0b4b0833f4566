//! qcow2: one header, two levels of tables, refcounts, and data in clusters.
//!
//! The layout is that of QEMU's `docs/interop/qcow2.txt`; which of it a new image has, and so how large
//! it is, is what `qcow2_measure` and `qcow2_calc_prealloc_size` of `block/qcow2.c` answer.

use types::AllocationSummary;

use crate::arithmetic::{BITS_64, BITS_128, PowerOfTwo, add};
use crate::request::{answer, check_sizes, check_unit, units};
use crate::{MeasureError, MeasureOutput, Preallocation, Qcow2Opts};

/// Refuses options outside their range and options that do not go together. The combinations are those that `qemu-img create` takes (`qemu-img measure` lets
/// extended L2 and lazy refcounts with version 2 pass, for images that cannot be made).
fn check(opts: &Qcow2Opts) -> Result<Checked, MeasureError> {
    let cluster = PowerOfTwo::option(
        opts.cluster_size,
        SMALLEST_CLUSTER_SIZE,
        LARGEST_CLUSTER_SIZE,
    )?;
    let refcount_bits =
        PowerOfTwo::option(u32::from(opts.refcount_bits), 1, LARGEST_REFCOUNT_BITS)?;
    let version_fits = opts.compat_v3
        || (opts.refcount_bits == REFCOUNT_BITS_OF_VERSION_2
            && !opts.extended_l2
            && !opts.lazy_refcounts);
    let extended_l2_fits =
        !opts.extended_l2 || opts.cluster_size >= SMALLEST_CLUSTER_SIZE_OF_EXTENDED_L2;
    if !version_fits || !extended_l2_fits {
        return Err(MeasureError::InvalidOption);
    }
    Ok(Checked {
        cluster,
        refcount_bits,
    })
}

/// The options that sizes depend on, known to be in their ranges.
#[derive(Clone, Copy)]
struct Checked {
    cluster: PowerOfTwo,
    refcount_bits: PowerOfTwo,
}

const SMALLEST_CLUSTER_SIZE: u32 = 512;
const LARGEST_CLUSTER_SIZE: u32 = 2 << 20;
/// A subcluster is a 32nd of a cluster and at least a sector.
const SMALLEST_CLUSTER_SIZE_OF_EXTENDED_L2: u32 = 32 * 512;
const LARGEST_REFCOUNT_BITS: u32 = 64;
/// Version 2 headers have no field for the width.
const REFCOUNT_BITS_OF_VERSION_2: u8 = 16;
/// 32 MiB of L1 table, of 8 bytes an entry (`QCOW_MAX_L1_SIZE` in QEMU's `block/qcow2.h`).
const LARGEST_L1_ENTRIES: u64 = (32 << 20) / 8;

/// How large a qcow2 image would be: what `qemu-img measure -O qcow2` answers.
///
/// With cluster size c, `e` bytes an L2 entry (8, or 16 with extended L2), and `vs` the virtual size
/// rounded up to whole clusters, all clusters of the file are: the header; the L2 tables of the whole
/// disk, data or not; the L1 table; `vs / c` of data; and the refcount blocks and refcount table that
/// count all of these and themselves. A LUKS header adds clusters that these refcounts do not count, as
/// in qemu-img. That is `fully_allocated`; `required` has only the data clusters that hold data, unless
/// the preallocation is of data.
///
/// # Errors
/// - [`MeasureError::InvalidOption`]: an option outside its range or that does not go with another (see
///   the fields of [`Qcow2Opts`]); a touched count for another unit than the cluster size.
/// - [`MeasureError::InvalidSize`]: a disk over 2^63 - 1 bytes, or so large that its L1 table is over
///   32 MiB (`vs` over 2^37 with 512-byte clusters, 2^51 with 64 KiB; half of that with extended L2);
///   more data than the disk is large, or more touched units than the disk has.
/// - [`MeasureError::Overflow`]: with such a LUKS header a result, or the sum of the two, does not fit.
pub fn measure_qcow2(
    s: &AllocationSummary,
    opts: &Qcow2Opts,
) -> Result<MeasureOutput, MeasureError> {
    let checked = check(opts)?;
    let cluster = checked.cluster;
    check_unit(s, cluster)?;
    check_sizes(s)?;

    let disk_clusters = cluster.count(s.virtual_size);
    let header_and_tables = add(1, tables(disk_clusters, cluster, opts.extended_l2)?)?;
    let refcounts = Refcounts::new(add(header_and_tables, disk_clusters)?, checked)?;
    let luks_clusters = cluster.count(opts.luks_header_overhead.unwrap_or(0));

    let without_data = add(
        add(header_and_tables, refcounts.clusters()?)?,
        luks_clusters,
    )?;
    let data_clusters = match opts.preallocation {
        Preallocation::Off | Preallocation::Metadata => units(s, cluster),
        Preallocation::Falloc | Preallocation::Full => disk_clusters,
    };
    answer(
        cluster.times(add(without_data, data_clusters)?)?,
        cluster.times(add(without_data, disk_clusters)?)?,
    )
}

/// How many clusters the L1 table and the L2 tables of a disk take, each table in whole clusters.
fn tables(disk_clusters: u64, cluster: PowerOfTwo, extended_l2: bool) -> Result<u64, MeasureError> {
    let l2_entry = if extended_l2 { BITS_128 } else { BITS_64 };
    let l2_tables = cluster.entries(l2_entry).count(disk_clusters);
    let l1_entries_per_cluster = cluster.entries(BITS_64);
    let l1_clusters = l1_entries_per_cluster.count(l2_tables);
    if l1_entries_per_cluster.times(l1_clusters)? > LARGEST_L1_ENTRIES {
        return Err(MeasureError::InvalidSize);
    }
    add(l2_tables, l1_clusters)
}

/// The refcount blocks and the refcount table that count a file's clusters and their own, in clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refcounts {
    blocks: u64,
    table: u64,
}

impl Refcounts {
    const NONE: Self = Self {
        blocks: 0,
        table: 0,
    };

    /// The smallest layout for `counted` other clusters: from nothing upwards, until it counts itself
    /// (`qcow2_refcount_metadata_size` in QEMU's `block/qcow2-refcount.c`).
    ///
    /// This ends, and soon. A larger layout never asks for a smaller one, so the numbers only grow; and
    /// as a block counts at least 64 clusters, and a cluster of the table at least 64 blocks, each round
    /// grows by at most a 63rd of what the one before grew by, and 2.
    fn new(counted: u64, checked: Checked) -> Result<Self, MeasureError> {
        let mut layout = Self::NONE;
        loop {
            let larger = layout.grown(counted, checked)?;
            if larger == layout {
                return Ok(layout);
            }
            layout = larger;
        }
    }

    /// The layout that counts `counted` clusters and those of this layout.
    fn grown(self, counted: u64, checked: Checked) -> Result<Self, MeasureError> {
        let per_block = checked.cluster.entries(checked.refcount_bits);
        let per_table_cluster = checked.cluster.entries(BITS_64);
        let blocks = per_block.count(add(counted, self.clusters()?)?);
        Ok(Self {
            blocks,
            table: per_table_cluster.count(blocks),
        })
    }

    fn clusters(self) -> Result<u64, MeasureError> {
        add(self.blocks, self.table)
    }
}

/// The size in bytes of a LUKS header as qemu-img writes it, for
/// [`luks_header_overhead`](Qcow2Opts::luks_header_overhead).
///
/// `key_bytes` is the length of the cipher's key in bytes: 16 for aes-128, 32 for aes-256 (the
/// default). In `xts` mode (the default) there are two keys. The header is 4096 bytes, and eight slots
/// that each hold the key split into 4000 stripes, in whole 4096 bytes (LUKS1 on-disk format
/// specification, chapter 2; `qcrypto_block_luks_create` in QEMU's `crypto/block-luks.c`).
#[must_use]
pub const fn luks_payload(key_bytes: u32, xts: bool) -> u64 {
    const ALIGNMENT: u64 = 4096;
    const SLOTS: u64 = 8;
    const STRIPES: u64 = 4000;
    let keys = if xts { 2 } else { 1 };
    // At most 2^33 * 4000 * 8, far from overflow.
    let slot = (key_bytes as u64 * keys * STRIPES).next_multiple_of(ALIGNMENT);
    ALIGNMENT + SLOTS * slot
}
