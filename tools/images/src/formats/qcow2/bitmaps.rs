//! The dirty bitmaps of a qcow2 image.
//!
//! `qemu-img measure` reports how much room they take in a qcow2 target. Only the bitmap directory is
//! read, and no bitmap's contents. Layout: `docs/interop/qcow2.txt`, sections "Header extensions",
//! "Bitmaps extension" and "Bitmaps".

use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result, bail, ensure};
use qcow2::{QcowHeader, extension};

use super::map;
use crate::file::ImageFile;

/// The length of the header extension of bitmaps, in bytes.
const EXTENSION_LENGTH: usize = 24;
/// Autoclear feature bit 0: the bitmaps agree with the image. Without it they are to be ignored.
const BITMAPS_ARE_CONSISTENT: u64 = 1;
/// The fixed part of a directory entry, in bytes.
const ENTRY: usize = 24;
/// Flag bit 0: the bitmap was not stored when the image was last written; its table may be stale.
const IN_USE: u32 = 1;
/// Flag bits that are known: in use, recorded by itself, extra data is compatible.
const KNOWN_FLAGS: u32 = 7;
/// `BME_MAX_NAME_SIZE`, `QCOW2_MAX_BITMAPS`, the directory's greatest length in bytes, and so on:
/// the limits of QEMU's `block/qcow2-bitmap.c`.
const MAX_NAME: usize = 1023;
const MAX_BITMAPS: u32 = 65535;
const MAX_DIRECTORY: u64 = MAX_BITMAPS as u64 * 1024;
const MAX_TABLE_ENTRIES: u32 = 0x0800_0000;

/// What a bitmap's size depends on.
#[derive(Debug, Clone)]
pub(super) struct Bitmap {
    /// The length of its name, in bytes.
    name_length: usize,
    /// One bit stands for 2^this bytes of the disk; from 9 to 31.
    granularity_bits: u8,
}

/// The bitmaps of the image; `None` when it is of version 2, which has none. Fails when the bitmap directory is
/// damaged: QEMU refuses such an image as a whole.
pub(super) fn read(image: &ImageFile, header: &QcowHeader) -> Result<Option<Vec<Bitmap>>> {
    if header.version < 3 {
        return Ok(None);
    }
    let bitmaps = match directory(image, header).context("the header extensions")? {
        Some((count, directory)) => {
            entries(&directory, count, header).context("the bitmap directory")?
        }
        None => Vec::new(),
    };
    Ok(Some(bitmaps))
}

/// How many bytes `bitmaps` of a disk of `virtual_size` bytes take in a qcow2 image with clusters of
/// `cluster_size` bytes: each in whole clusters with its table, and the directory. Fails when the answer does not fit
/// 64 bits.
pub(super) fn size(bitmaps: &[Bitmap], virtual_size: u64, cluster_size: u64) -> Result<u64> {
    let cluster_size = u128::from(cluster_size);
    let mut total = 0;
    let mut directory = 0;
    for bitmap in bitmaps {
        let bits = u128::from(virtual_size).div_ceil(1 << bitmap.granularity_bits);
        let bytes = bits.div_ceil(8).next_multiple_of(cluster_size);
        let table = 8 * (bytes / cluster_size);
        total += bytes + table.next_multiple_of(cluster_size);
        directory += (ENTRY + bitmap.name_length).next_multiple_of(8) as u128;
    }
    total += directory.next_multiple_of(cluster_size);
    u64::try_from(total).context("the size of the bitmaps does not fit 64 bits")
}

/// The number of bitmaps and the directory's bytes, if the image has any.
fn directory(image: &ImageFile, header: &QcowHeader) -> Result<Option<(u32, Vec<u8>)>> {
    if u64::from_be_bytes(image.array(88)?) & BITMAPS_ARE_CONSISTENT == 0 {
        return Ok(None);
    }
    let Some(place) = map::find(image, header, extension::BITMAPS)? else {
        return Ok(None);
    };
    ensure!(
        place.end - place.start == EXTENSION_LENGTH as u64,
        "that of bitmaps has another length than {EXTENSION_LENGTH} bytes"
    );
    let extension: [u8; EXTENSION_LENGTH] = image.array(place.start)?;
    let (count, size, offset) = (
        be32(&extension, 0),
        be64(&extension, 8),
        be64(&extension, 16),
    );
    ensure!(
        (1..=MAX_BITMAPS).contains(&count),
        "the number of bitmaps is not from 1 to {MAX_BITMAPS}"
    );
    let end = offset.checked_add(size);
    ensure!(
        size <= MAX_DIRECTORY && end.is_some_and(|end| end <= image.length),
        "the bitmap directory is larger than {MAX_DIRECTORY} bytes or not wholly in the file"
    );
    let mut directory = vec![0; usize::try_from(size)?];
    image.file.read_exact_at(&mut directory, offset)?;
    Ok(Some((count, directory)))
}

fn entries(mut directory: &[u8], count: u32, header: &QcowHeader) -> Result<Vec<Bitmap>> {
    let mut bitmaps = Vec::new();
    for nth in 0..count {
        let entry = directory
            .get(..ENTRY)
            .with_context(|| format!("it ends before entry {nth}"))?;
        let (table_offset, table_entries) = (be64(entry, 0), be32(entry, 8));
        let (flags, kind, granularity_bits) = (be32(entry, 12), entry[16], entry[17]);
        let name_length = usize::from(u16::from_be_bytes([entry[18], entry[19]]));
        if be32(entry, 20) != 0 {
            bail!("entry {nth} has extra data, which is not known here");
        }
        let covered = u128::from(table_entries) * u128::from(header.cluster_size()) * 8;
        let is_sound = table_offset != 0
            && table_offset.is_multiple_of(header.cluster_size())
            && (1..=MAX_TABLE_ENTRIES).contains(&table_entries)
            && flags & !KNOWN_FLAGS == 0
            && kind == 1
            && (9..=31).contains(&granularity_bits)
            && (1..=MAX_NAME).contains(&name_length)
            && (flags & IN_USE != 0
                || u128::from(header.virtual_size) <= covered << granularity_bits);
        ensure!(is_sound, "entry {nth} has a field out of its bounds");
        directory = directory
            .get((ENTRY + name_length).next_multiple_of(8)..)
            .with_context(|| format!("it ends inside entry {nth}"))?;
        // qemu-img counts a bitmap that is in use, which it would not copy.
        bitmaps.push(Bitmap {
            name_length,
            granularity_bits,
        });
    }
    ensure!(directory.is_empty(), "it is longer than its entries");
    Ok(bitmaps)
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from(be32(bytes, at)) << 32 | u64::from(be32(bytes, at + 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_does_not_fit_is_an_error() {
        let bitmap = Bitmap {
            name_length: 1,
            granularity_bits: 9,
        };
        let many = vec![bitmap; 65535];
        assert!(size(&many, i64::MAX.unsigned_abs(), 65536).is_err());
    }
}
