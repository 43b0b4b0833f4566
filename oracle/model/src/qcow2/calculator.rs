//! qcow2: clusters of data, the tables that find them, and the tables that count them all.
//!
//! # Refcount structures, in closed form
//! Let u be the clusters other than refcount blocks and refcount table, P the refcounts that fit a
//! block and T the blocks that fit a cluster of the table; P and T are at least 64. The file has the
//! smallest numbers b of blocks and t of table clusters with
//!
//! > b = ceil((u + b + t) / P) and t = ceil(b / T).
//!
//! Both right sides grow with b and t, so the smallest solution is also the smallest b, t for which the
//! right sides are not larger than the left (Knaster and Tarski). For t that is ceil(b / T), and for b
//!
//! > P b >= u + b + ceil(b / T), that is g(b) = (P - 1) b - ceil(b / T) >= u.
//!
//! A step of b by one moves g by P - 1 or P - 2, so g rises strictly, and as u >= 1 and g(0) = 0 there is
//! exactly one b >= 1 with g(b - 1) < u <= g(b): that b. Write b = (t - 1) T + r with 1 <= r <= T; then
//! g(b) = (t - 1) W + (P - 1) r - 1, where W = (P - 1) T - 1 is what one full cluster of the table (r = T)
//! adds. So u <= g(t T) = t W is reached first by t = ceil(u / W), and within that cluster, where
//! v = u - (t - 1) W is 1 to W, v <= (P - 1) r - 1 is reached first by r = ceil((v + 1) / (P - 1)), which
//! is at least 1 and, as v + 1 <= (P - 1) T, at most T.

use types::{AllocationSummary, MeasureError, MeasureOutput, Measured, Preallocation, Qcow2Opts};

use crate::sizes::{ceiling, units};

/// An L1 table has at most 2^22 entries, 32 MiB (`QCOW_MAX_L1_SIZE` in QEMU's `block/qcow2.h`).
const L1_ENTRIES_BITS: u32 = 22;

/// The size of a qcow2 image (layout: QEMU's `docs/interop/qcow2.txt`; what of it is counted:
/// `qcow2_measure` in `block/qcow2.c`).
///
/// # Errors
/// - [`MeasureError::InvalidOption`]: an option outside its range, or not in this version of the format.
/// - [`MeasureError::InvalidSize`]: a disk whose L1 table is too large, or more data or units than it has.
/// - [`MeasureError::Overflow`]: the sum of the two answers does not fit, because of the LUKS header.
#[inline]
pub(crate) fn measure(summary: &AllocationSummary, options: &Qcow2Opts) -> Measured {
    let cluster_bits = options.cluster_size.trailing_zeros();
    // Two to the power of these is the entries of an L2 table, which is one cluster, and of a cluster of
    // the L1 table, whose entries have 8 bytes.
    let l2_bits = cluster_bits.wrapping_sub(3 + u32::from(options.extended_l2));
    let l1_bits = cluster_bits.wrapping_sub(3);
    // What one L2 table and one cluster of the L1 table cover, in bits of the offset.
    let l2_reach = cluster_bits.wrapping_add(l2_bits) & 63;
    let l1_reach = l2_reach.wrapping_add(l1_bits) & 63;

    // At most 2^61 bytes and 2^40 clusters; with all tables less than twice that.
    let largest = 1 << ((l2_reach + L1_ENTRIES_BITS) & 63);
    let data_clusters = units(summary, is_legal(options), cluster_bits, largest)?;
    let size = summary.virtual_size;
    let disk_clusters = ceiling(size, cluster_bits);
    let tables = ceiling(size, l2_reach) + ceiling(size, l1_reach);
    let refcount_bits = options.refcount_bits.trailing_zeros();
    let fixed = 1 + tables;
    let counted = fixed + disk_clusters;
    let metadata = fixed + refcount_clusters(counted, cluster_bits, refcount_bits);

    let data_clusters = match options.preallocation {
        Preallocation::Off | Preallocation::Metadata => data_clusters,
        Preallocation::Falloc | Preallocation::Full => disk_clusters,
    };
    // The LUKS header may be of any size: from here on, 128 bits.
    let in_cluster = (1_u128 << cluster_bits) - 1;
    let luks = (u128::from(options.luks_header_overhead.unwrap_or(0)) + in_cluster) & !in_cluster;
    let overhead = luks + (u128::from(metadata) << cluster_bits);
    let required = overhead + (u128::from(data_clusters) << cluster_bits);
    let fully_allocated = overhead + (u128::from(disk_clusters) << cluster_bits);
    if required + fully_allocated > u128::from(u64::MAX) {
        return Err(MeasureError::Overflow);
    }
    Ok(MeasureOutput {
        required: required as u64,
        fully_allocated: fully_allocated as u64,
    })
}

/// Whether these options are in their ranges and go with one another.
#[inline(always)]
const fn is_legal(options: &Qcow2Opts) -> bool {
    let Qcow2Opts {
        cluster_size,
        refcount_bits,
        compat_v3,
        extended_l2,
        lazy_refcounts,
        ..
    } = *options;
    let cluster_size_is_legal =
        cluster_size.is_power_of_two() & (cluster_size >= 512) & (cluster_size <= 2 << 20);
    let refcount_bits_are_legal = refcount_bits.is_power_of_two() & (refcount_bits <= 64);
    // 32 subclusters of at least a sector.
    let extended_l2_is_legal = !extended_l2 | (cluster_size >= 32 * 512);
    let version_2_is_legal = !extended_l2 & !lazy_refcounts & (refcount_bits == 16);
    cluster_size_is_legal
        & refcount_bits_are_legal
        & extended_l2_is_legal
        & (compat_v3 | version_2_is_legal)
}

/// The clusters of the refcount blocks and the refcount table, when there are `others` (u above) of all
/// else: at least 1, and less than 2^41.
#[inline(always)]
const fn refcount_clusters(others: u64, cluster_bits: u32, refcount_bits: u32) -> u64 {
    // P: bits of a cluster by bits of a refcount. T: entries of 8 bytes.
    let per_block = 1_u64 << ((cluster_bits + 3 - refcount_bits) & 63);
    let per_table = 1_u64 << ((cluster_bits - 3) & 63);
    let full_table = (per_block - 1) * per_table - 1;
    let tables_before = (others - 1) / full_table;
    let others = others - tables_before * full_table;
    // ceil((v + 1) / (P - 1)) = floor(v / (P - 1)) + 1
    let blocks = tables_before * per_table + others / (per_block - 1) + 1;
    blocks + tables_before + 1
}

/// The size in bytes of a LUKS header (LUKS1 on-disk format specification): a sector of 4096 bytes, then
/// eight key slots, each of 4000 copies of the key's length (of both keys' with XTS) in whole such sectors.
pub fn luks_header(key_bytes: u32, xts: bool) -> u64 {
    let stripes = u128::from(key_bytes) * if xts { 8000 } else { 4000 };
    let sectors = 1 + 8 * stripes.div_ceil(4096);
    u64::try_from(sectors * 4096).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The closed form against the smallest numbers that count themselves, found one by one.
    #[test]
    fn refcounts_count_themselves_and_no_fewer_would() {
        for (cluster_bits, refcount_bits) in [(9, 6), (9, 5), (9, 4), (9, 0), (10, 6), (12, 6)] {
            let per_block = 1 << (cluster_bits + 3 - refcount_bits);
            let per_table = 1 << (cluster_bits - 3);
            let mut blocks = 0_u64;
            for others in 1..600_000_u64 {
                // The smallest number of blocks for more clusters is not smaller.
                let tables = loop {
                    let tables = blocks.div_ceil(per_table);
                    if per_block * blocks >= others + blocks + tables {
                        break tables;
                    }
                    blocks += 1;
                };
                assert_eq!(blocks, (others + blocks + tables).div_ceil(per_block));
                assert_eq!(
                    refcount_clusters(others, cluster_bits, refcount_bits),
                    blocks + tables,
                    "{others} {cluster_bits} {refcount_bits}"
                );
            }
        }
    }
}
