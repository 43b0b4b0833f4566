//! Whether a qcow2 image has metadata for clusters that its file does not store.
//!
//! QEMU looks for the holes of the image file only then (`qcow2_detect_metadata_preallocation` in
//! `block/qcow2-refcount.c`). Layout: `docs/interop/qcow2.txt`, section "Host cluster management".

use std::os::unix::fs::MetadataExt as _;

use anyhow::Result;
use qcow2::QcowHeader;

use crate::file::{ImageFile, read_up_to};

/// Bits 9 to 63 of a refcount table entry: a block's offset in the file, in bytes.
const OFFSET: u64 = !0x1ff;
/// The width of a refcount in version 2, as the logarithm of its bits.
const ORDER_OF_VERSION_2: u32 = 4;

/// Whether the image counts clearly more clusters as used than the file
/// stores. So it is after `preallocation=metadata`. A damaged refcount table counts nothing.
pub(super) fn metadata_is_preallocated(image: &ImageFile, header: &QcowHeader) -> Result<bool> {
    let (file, length) = (&image.file, image.length);
    let cluster_size = header.cluster_size();
    let stored = file.metadata()?.blocks() * 512 / cluster_size;
    let threshold = (stored * 10 / 9).max(stored + 2);
    let mut clusters_left = length.next_multiple_of(512).div_ceil(cluster_size);

    let order = order(image, header)?;
    let per_block = (cluster_size * 8) >> order;
    let mut block = vec![0; usize::try_from(cluster_size)?];
    let mut used = 0;
    for entry in table(image, header)? {
        if clusters_left == 0 || used >= threshold {
            break;
        }
        let in_block = per_block.min(clusters_left);
        clusters_left -= in_block;
        let offset = entry & OFFSET;
        if !offset.is_multiple_of(cluster_size) {
            return Ok(false);
        }
        // Past the end of the file are zeroes.
        if offset != 0 && offset < length {
            block.fill(0);
            read_up_to(file, offset, &mut block)?;
            used += not_zero(&block, order, in_block);
        }
    }
    Ok(used >= threshold)
}

/// The width of a refcount, as the logarithm of its bits: 0 to 6.
fn order(image: &ImageFile, header: &QcowHeader) -> Result<u32> {
    if header.version < 3 {
        return Ok(ORDER_OF_VERSION_2);
    }
    Ok(u32::from_be_bytes(image.array(96)?).min(6))
}

/// The entries of the refcount table, which takes at most 8 MiB.
fn table(image: &ImageFile, header: &QcowHeader) -> Result<Vec<u64>> {
    let offset = u64::from_be_bytes(image.array(48)?);
    let clusters = u64::from(u32::from_be_bytes(image.array(56)?));
    let mut table = vec![0; usize::try_from(clusters * header.cluster_size())?];
    read_up_to(&image.file, offset, &mut table)?;
    let (entries, _) = table.as_chunks();
    Ok(entries.iter().copied().map(u64::from_be_bytes).collect())
}

/// How many of the first `count` refcounts of a block are not 0. Each has 2^`order` bits; those
/// narrower than a byte fill it from its lowest bit on.
fn not_zero(block: &[u8], order: u32, count: u64) -> u64 {
    let bits = 1_u64 << order;
    let is_used = |nth: u64| {
        let first = usize::try_from(nth * bits / 8).unwrap_or(usize::MAX);
        match bits {
            1..8 => block[first] >> (nth * bits % 8) & ((1 << bits) - 1) != 0,
            _ => block[first..][..1 << (order - 3)]
                .iter()
                .any(|&byte| byte != 0),
        }
    };
    (0..count).filter(|&nth| is_used(nth)).count() as u64
}
